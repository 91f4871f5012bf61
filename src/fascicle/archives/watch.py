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
    from fascicle.archives.uses import uses_of

    uses = uses_of(archive, eid, rel_paths)
    refs = [DatasetRef(eid, path) for path in rel_paths]
    return hand_out(uses, lambda: archive.bring(refs), stores=[archive.store])
