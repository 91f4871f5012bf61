"""Which archive is meant, and which session of it: archives, places, and objects of ONE."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fascicle.errors import ConfigurationError, MetadataError

if TYPE_CHECKING:
    from fascicle.archives.base import Archive
    from fascicle.archives.session import OpenSession
    from fascicle.nwb.metadata.document import SessionMetadata


class Place(NamedTuple):
    """Where sessions are.

    Attributes
    ----------
    archive : Archive
    alyx : object or None
        What asks its database by REST, as `AlyxClient.rest` does; None where there is none.
    """

    archive: Archive
    alyx: Any


def place_of(given: Any = None) -> Place:
    """Return the archive that something stands for, and the client of its database.

    Parameters
    ----------
    given : Archive, path-like, OpenSession or ONE object, optional
        By default the ONE that was set up.

    Raises
    ------
    ConfigurationError
        If it stands for none.
    """
    from fascicle.archives.alyx import AlyxArchive
    from fascicle.archives.base import Archive
    from fascicle.archives.opening import open_archive
    from fascicle.archives.session import OpenSession

    if given is None:
        from fascicle.one import ONE

        given = ONE()
    if isinstance(given, OpenSession):
        given = given.archive
    if isinstance(given, str | os.PathLike | Archive):
        archive = open_archive(given)
        return Place(archive, archive.alyx if isinstance(archive, AlyxArchive) else None)
    return _of_one(given)


def _of_one(one: Any) -> Place:
    """Return the place that an object of ONE reads: a folder, or a database."""
    from fascicle.archives.alyx import AlyxArchive
    from fascicle.archives.folder import FolderArchive
    from fascicle.archives.opening import open_archive

    one = getattr(one, "modern", one)  # ONE's first interface
    folder = getattr(one, "cache_dir", None)
    if folder is None:
        raise ConfigurationError(
            f"{one!r} is no archive, no place of one, and no object of ONE",
            hint='give a folder, an address, fascicle.open("…"), or ONE()',
        )
    alyx = getattr(one, "alyx", None) if getattr(one, "mode", "local") != "local" else None
    if alyx is not None:
        archive = AlyxArchive(str(alyx.base_url), store=folder)
        archive._client = _client(alyx)
        return Place(archive, alyx)
    tables = Path(getattr(one, "_tables_dir", None) or folder)
    if tables != Path(folder):
        return Place(FolderArchive(folder, tables_dir=tables), None)
    return Place(open_archive(folder), None)


def _client(alyx: Any) -> Any:
    """Return a client of ours that is logged in as another one is."""
    from fascicle.alyx import AlyxClient

    if isinstance(alyx, AlyxClient):
        return alyx
    token, user = getattr(alyx, "_token", None), getattr(alyx, "user", None)
    login = {"username": user, "token": token} if token and user else {}
    url = str(alyx.base_url)
    return AlyxClient(url, silent=True, stay_logged_in=False, **login)


def open_source(metadata: SessionMetadata, archive: Any = None) -> OpenSession:
    """Return the session that a document describes, open; see `SessionMetadata.open_session`."""
    source = metadata.source
    session = source.get("eid") or source.get("session") or metadata.session.get("session_id")
    if not session:
        raise MetadataError(
            "source.eid: the document does not say which session it is of",
            hint="set it to the session's id in the archive",
        )
    where = archive if archive is not None else source.get("archive")
    return place_of(where).archive.open(str(session))
