"""Archives: places where recordings are, asked and opened in one way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.archives.alyx import AlyxArchive
    from fascicle.archives.base import Archive, Capabilities, DatasetRef, Source
    from fascicle.archives.fetch import get
    from fascicle.archives.folder import FolderArchive
    from fascicle.archives.nwb import NwbArchive
    from fascicle.archives.opening import open_archive
    from fascicle.archives.public import PublicArchive
    from fascicle.archives.release import ReleaseArchive
    from fascicle.archives.search import find
    from fascicle.archives.session import OpenSession
    from fascicle.archives.sessions import Sessions

__all__ = [
    "AlyxArchive",
    "Archive",
    "Capabilities",
    "DatasetRef",
    "FolderArchive",
    "NwbArchive",
    "OpenSession",
    "PublicArchive",
    "ReleaseArchive",
    "Sessions",
    "Source",
    "find",
    "get",
    "open_archive",
]

_HOMES = {
    "AlyxArchive": "alyx",
    "PublicArchive": "public",
    "Archive": "base",
    "Capabilities": "base",
    "DatasetRef": "base",
    "Source": "base",
    "FolderArchive": "folder",
    "NwbArchive": "nwb",
    "OpenSession": "session",
    "ReleaseArchive": "release",
    "Sessions": "sessions",
    "find": "search",
    "get": "fetch",
    "open_archive": "opening",
}

__getattr__, __dir__ = attach(__name__, _HOMES)
