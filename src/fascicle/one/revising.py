"""Give files that must not be replaced a revision of their own, so that none is ever lost.

A file gets a second name in the folder of its new revision; the first name goes once the database
has the second. Whatever happens in between, the file is under one of the two, or under both.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from fascicle.alf.names import parse_folder


class Move(NamedTuple):
    """A file and where it goes."""

    source: Path
    target: Path


def next_revision(revision: str, reserved: Collection[str] = (), alpha: str = "a") -> str:
    """Return the first revision after another that is not taken.

    Parameters
    ----------
    revision : str
        Such as a date.
    reserved : collection of str
        Revisions that there are.
    alpha : str
        First letter to append.

    Examples
    --------
    >>> next_revision("2020-01-01")
    '2020-01-01a'
    >>> next_revision("2020-01-01", ["2020-01-01a", "2020-01-01b"])
    '2020-01-01c'
    """
    return next(r for r in _following(revision, alpha) if r not in reserved)


def _following(revision: str, alpha: str = "a") -> Iterator[str]:
    """Yield a, b, … z, za, … zz, zza, …: each comes after those before it when sorted."""
    prefix, first = revision, ord(alpha)
    while True:
        for code in range(first, max(first, ord("z")) + 1):
            yield f"{prefix}{chr(code)}"
        prefix, first = f"{prefix}z", ord("a")


def plan_move(folder: Path, path: str, known: Mapping[str, bool], today: str) -> Move | None:
    """Return where a file goes, or None where it may stay.

    Parameters
    ----------
    folder : pathlib.Path
        What ``path`` is relative to.
    path : str
        The file.
    known : mapping of str to bool
        Revisions of the dataset that the database has, and whether each is protected.
    today : str
        Revision for a file that has none.

    Returns
    -------
    Move or None
        The new revision is one that neither the database has nor the folder.
    """
    place, _, name = path.rpartition("/")
    parts = parse_folder(place)
    collection, revision = parts if parts else (place, "")
    if not known.get(revision):
        return None
    source = folder / path
    wanted = _following(revision) if revision else chain([today], _following(today))
    while True:
        candidate = next(wanted)
        target = Path(folder, *filter(None, (collection, f"#{candidate}#")), name)
        if os.path.lexists(target):
            # What an attempt that broke off left is the same file under both names.
            free = not known.get(candidate) and _same(source, target)
        else:
            free = candidate not in known
        if free:
            return Move(source, target)


def place(move: Move) -> None:
    """Put a file where it goes, and keep its old name where the disk can have two for one file.

    Raises
    ------
    FileExistsError
        Another file is there.
    """
    move.target.parent.mkdir(parents=True, exist_ok=True)
    _name(move.source, move.target)


def settle(move: Move) -> None:
    """Remove the old name of a file that is where it goes."""
    if os.path.lexists(move.source) and _same(move.source, move.target):
        move.source.unlink()


def take_back(move: Move) -> None:
    """Put a file back where it was."""
    if os.path.lexists(move.source):
        if _same(move.source, move.target):
            move.target.unlink()
    elif os.path.lexists(move.target):
        _name(move.target, move.source)
        with suppress(FileNotFoundError):
            move.target.unlink()
    with suppress(OSError):  # others are in it
        move.target.parent.rmdir()


def _same(one: Path, other: Path) -> bool:
    try:
        if one.is_symlink() and other.is_symlink():
            return os.path.realpath(one) == os.path.realpath(other)
        return os.path.samestat(os.lstat(one), os.lstat(other))
    except OSError:
        return False


def _name(source: Path, target: Path) -> None:
    """Give a file another name that nothing has yet; the old one goes only if it must."""
    if source.is_symlink():  # the way to what it names is another one from another folder
        link = os.readlink(source)
        if not os.path.isabs(link):
            link = os.path.relpath(source.parent / link, target.parent)
        try:
            os.symlink(link, target)
        except FileExistsError:
            if not _same(source, target):
                raise
        return
    try:
        os.link(source, target)
    except FileExistsError:
        if not _same(source, target):
            raise
    except FileNotFoundError:  # another process moved it
        raise
    except OSError:  # a disk without second names
        with _alone(target.parent):
            os.lstat(source)  # not there if another process moved it
            if os.path.lexists(target):
                raise FileExistsError(errno.EEXIST, "another file is there", str(target)) from None
            os.rename(source, target)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep all others who move files into a folder out of it.

    A file that is there for a moment only, to keep a name free, would be taken for the whole one.
    """
    if sys.platform == "win32":  # there, no file takes the name of another
        yield
        return
    import fcntl

    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
