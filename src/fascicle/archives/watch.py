"""The door that files are handed out through: noted, or held to a lock, where that is asked for.

Off unless asked for, and then `watched` is all that a load pays.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from uuid import UUID

if TYPE_CHECKING:
    from fascicle.archives.base import Archive
    from fascicle.archives.record import Use
    from fascicle.catalogue import Catalogue, Datasets

#: Names the folders that loads are recorded in.
RECORD = "FASCICLE_RECORD"
#: Names the lock file that loads are held to.
LOCK = "FASCICLE_LOCK"

_File = TypeVar("_File", Path, "str | None")


def watched() -> bool:
    """Return whether loads are recorded, or held to a lock."""
    return bool(os.environ.get(RECORD) or os.environ.get(LOCK))


def hand_out(
    uses: Sequence[Use], bring: Callable[[], list[_File]], *, stores: Sequence[Path | None] = ()
) -> list[_File]:
    """Bring files, if the lock in force allows; note them if loads are recorded.

    Parameters
    ----------
    uses : sequence of Use
        What they are.
    bring : callable
        Returns each file, in the same order; None for one that is not here.
    stores : sequence of pathlib.Path, optional
        Stores that the files are in, whose ledgers may know their checksums.

    Returns
    -------
    list
        What ``bring`` returned.

    Raises
    ------
    LockedError
        If one of them is not in the lock, or is not what it was.
    """
    from fascicle.archives import pins, record

    held = pins.active()
    if held:
        held.admit(uses)
    files = bring()
    found = [use.at(file) for use, file in zip(uses, files, strict=True) if file is not None]
    if held:
        held.confirm(found, stores=stores)
    record.note(found)
    return files


def vouch(uses: Sequence[Use]) -> None:
    """Note files of which the content is handed out, and not the path: tables, say.

    Parameters
    ----------
    uses : sequence of Use
        What they are; their checksums on record are those of what is handed out.

    Raises
    ------
    LockedError
        If one of them is not in the lock, or is not what it was.
    """
    from fascicle.archives import pins, record

    held = pins.active()
    if held:
        held.admit(uses)
    record.note(uses)


def check_version(version: str, name: str, project: str = "") -> None:
    """Make sure that a version of a release may be used.

    Raises
    ------
    LockedError
        If a lock is in force that has another one.
    """
    from fascicle.archives import pins

    if held := pins.active():
        held.check_version(version, name, project)


def noted(uses: Sequence[Use]) -> None:
    """Note files that came along with others, whether or not a lock has them."""
    from fascicle.archives import record

    record.note(uses)


def bring(archive: Archive, eid: UUID, rel_paths: Sequence[str]) -> list[Path]:
    """Bring datasets of a session through the door; see `hand_out`."""
    from fascicle.archives.base import DatasetRef

    uses = uses_of(archive, eid, rel_paths)
    refs = [DatasetRef(eid, path) for path in rel_paths]
    return hand_out(uses, lambda: archive.bring(refs), stores=[archive.store])


def uses_of(archive: Archive, eid: UUID, rel_paths: Sequence[str]) -> list[Use]:
    """Return what is known of datasets of a session before they are brought.

    Raises
    ------
    SessionNotFound, ALFObjectNotFound
        If the archive has no such session or dataset.
    """
    from fascicle.archives.base import DatasetRef
    from fascicle.archives.record import Use

    sources = archive.locate([DatasetRef(eid, path) for path in rel_paths])
    catalogue = archive.catalogue()
    row = catalogue.row(eid)
    assert row is not None  # locate would have said so
    datasets, session = catalogue.datasets(row), catalogue.session(row).path
    places = {path: k for k, path in enumerate(datasets.rel_paths)}
    general = Use(*identity(archive), session=session, eid=str(eid))
    uses = []
    for path, source in zip(rel_paths, sources, strict=True):
        k = places[path]
        file = source.local_path()
        if general.kind == "folder":
            sure = file is not None and is_as_hashed(datasets, k, path, file)
        else:
            sure = True  # archives that fetch hand out what they verified
        uses.append(
            general._replace(
                path=path,
                id=str(datasets.record(k)[0]),
                hash=source.hash,
                algorithm=source.algorithm,
                size=source.size,
                url=source.url,
                sure=sure and bool(source.hash),
            )
        )
    return uses


def identity(archive: Archive) -> tuple[str, str, str, str, str]:
    """Return name without version, kind, version, project and state of an archive."""
    kind = type(archive).__name__.removesuffix("Archive").lower() or "archive"
    version = str(getattr(archive, "version", "") or "")
    name = archive.name.removesuffix(f"@{version}") if version else archive.name
    project = str(getattr(archive, "project", "") or "")
    return name, kind, version, project, "" if version else state_of(archive.catalogue())


def state_of(catalogue: Catalogue) -> str:
    """Return what tells one state of a folder's index from another, as far as anything does."""
    made = catalogue.meta.get("index", {}).get("digest") or catalogue.meta.get("date_created")
    return str(made or "")


def is_as_hashed(datasets: Datasets, k: int, path: str, file: str | os.PathLike[str]) -> bool:
    """Return whether a file looks as it did when the index made the md5 that it has for it.

    The index makes those of files that it gave an id itself; others' are a record of theirs, which
    the file that is here may never have been compared with.
    """
    from fascicle.catalogue.identity import dataset_id

    seen = datasets.seen(k)
    if seen is None or dataset_id(datasets.eid.bytes, path) != datasets.record(k)[0].bytes:
        return False
    try:
        stat = os.stat(file)
    except OSError:
        return False
    return seen == (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino & (1 << 63) - 1 or 1)
