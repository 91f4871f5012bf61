"""Archives: places where recordings are, asked and opened in one way."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fascicle.archives.base import Archive, Capabilities, DatasetRef, Source
    from fascicle.archives.folder import FolderArchive
    from fascicle.archives.search import find, open_archive
    from fascicle.archives.session import OpenSession
    from fascicle.archives.sessions import Sessions

__all__ = [
    "Archive",
    "Capabilities",
    "DatasetRef",
    "FolderArchive",
    "OpenSession",
    "Sessions",
    "Source",
    "find",
    "open_archive",
]

_HOMES = {
    "Archive": "base",
    "Capabilities": "base",
    "DatasetRef": "base",
    "Source": "base",
    "FolderArchive": "folder",
    "OpenSession": "session",
    "Sessions": "sessions",
    "find": "search",
    "open_archive": "search",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
