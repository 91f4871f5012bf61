"""Contract suites: what any archive must do, as pytest classes to subclass.

A new kind of archive is tested by a few lines::

    from fascicle.testing import ArchiveTests


    class TestMyArchive(ArchiveTests):
        @pytest.fixture
        def archive(self):
            return MyArchive(...)

Shipped with the package, so that archives of others can be held to the same contract. It needs
pytest. `S3Server` is a real S3 endpoint on this machine; it needs moto. `PostgresServer` is a
PostgreSQL of its own, `HubServer` a hub in processes of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.testing.archives import ArchiveTests
    from fascicle.testing.hub import HubServer
    from fascicle.testing.postgres import PostgresServer
    from fascicle.testing.s3 import S3Server

__all__ = ["ArchiveTests", "HubServer", "PostgresServer", "S3Server"]

_HOMES = {
    "ArchiveTests": "archives",
    "HubServer": "hub",
    "PostgresServer": "postgres",
    "S3Server": "s3",
}

__getattr__, __dir__ = attach(__name__, _HOMES)
