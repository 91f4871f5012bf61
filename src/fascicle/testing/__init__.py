"""Contract suites: what any archive must do, as pytest classes to subclass.

A new kind of archive is tested by a few lines::

    from fascicle.testing import ArchiveTests


    class TestMyArchive(ArchiveTests):
        @pytest.fixture
        def archive(self):
            return MyArchive(...)

Shipped with the package, so that archives of others can be held to the same contract. It needs
pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fascicle.testing.archives import ArchiveTests

__all__ = ["ArchiveTests"]


def __getattr__(name: str) -> object:
    if name != "ArchiveTests":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fascicle.testing.archives import ArchiveTests

    return ArchiveTests


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
