"""The log of a catalogue's states: a link makes an entry, and fails where its number is taken."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import time
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from fascicle.catalogue.schema import FORMAT

_ENTRY = re.compile(r"(\d{10})\.json")
_DAY = 86_400
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}

#: size, mtime_ns and inode of each table that is there
Stats = dict[str, list[int]]


class Entry(NamedTuple):
    """An entry of the log: one state of the catalogue.

    Attributes
    ----------
    number : int
    segment : str
        Name of its files.
    store : str
        The same for all states of a folder.
    parent : str
        Segment of the state that it was made of.
    tables : dict
        The tables whose rows this state has.
    imported : bool
        Whether this state is those tables, so that none need be written.
    format : int
        Layout of its files.
    """

    number: int
    segment: str
    store: str
    parent: str
    tables: Stats
    imported: bool = False
    format: int = FORMAT


class Home:
    """A hidden folder with a log and segments: beside the tables, or in the user's cache."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log"
        self.segments = path / "segments"
        self.exports = path / "exports.json"

    def numbers(self) -> list[int]:
        """Return the numbers taken, ascending."""
        try:
            names = os.listdir(self.log)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(int(m[1]) for m in map(_ENTRY.fullmatch, names) if m)

    def top(self) -> int:
        """Return the highest number taken, 0 where there is none."""
        return (self.numbers() or [0])[-1]

    def entry_path(self, number: int) -> Path:
        """Return where the entry of a number lies."""
        return self.log / f"{number:010d}.json"

    def entry(self, number: int) -> Entry | None:
        """Return the entry of a number; None where it is not there or not readable."""
        try:
            return Entry(**json.loads(self.entry_path(number).read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def newest(self) -> Entry | None:
        """Return the newest state that this version can read."""
        for number in reversed(self.numbers()):
            found = self.entry(number)
            if found and found.format == FORMAT and self.has_segment(found):
                return found
        return None

    def stem(self, entry: Entry) -> Path:
        """Return the path of a state's files without their endings."""
        return self.segments / entry.segment

    def has_segment(self, entry: Entry) -> bool:
        """Return whether the files of a state are there."""
        return self.stem(entry).with_suffix(".sqlite").exists()

    def exported(self) -> tuple[int, Stats]:
        """Return which state's tables were written last, and what the disk said of them."""
        try:
            found = json.loads(self.exports.read_text())
            return int(found["number"]), dict(found["tables"])
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return 0, {}

    def make(self) -> bool:
        """Make the folders; return whether they can be written."""
        try:
            self.log.mkdir(parents=True, exist_ok=True)
            self.segments.mkdir(exist_ok=True)
        except OSError:  # read-only, not ours, or no room: whoever asks knows what to do without
            return False
        return os.access(self.log, os.W_OK) and os.access(self.segments, os.W_OK)

    def claim(self, entry: Entry) -> bool:
        """Put an entry into the log; return False where another writer was first."""
        part = self.log / f".{entry.segment}.part"
        try:
            with part.open("x") as f:
                f.write(json.dumps(entry._asdict()))
                f.flush()
                os.fsync(f.fileno())
            return _link(part, self.entry_path(entry.number)) and self._is_child(entry)
        finally:
            part.unlink(missing_ok=True)

    def _is_child(self, entry: Entry) -> bool:
        """Return whether our entry is not one that a collection of old entries made room for."""
        if self.has_segment(entry):
            if self.numbers()[-1] == entry.number:
                return True
            after = self.entry(entry.number + 1)
            if after is not None and after.parent == entry.segment:
                return True
        self.entry_path(entry.number).unlink(missing_ok=True)
        return False

    def collect(self, tables: Path) -> None:
        """Remove states that were followed by another, and leavings of killed writers, a day ago.

        Parameters
        ----------
        tables : pathlib.Path
            Folder of ONE's tables, which may have leavings too.
        """
        newest = self.newest()
        if newest is None:
            return
        before = time.time() - _DAY
        for number, after in pairwise(self.numbers()):
            if number >= newest.number or not _is_older(self.entry_path(after), before):
                break
            self.entry_path(number).unlink(missing_ok=True)
        old = [p for p in self.segments.iterdir() if _is_older(p, before)]
        if old:
            found = map(self.entry, self.numbers())
            live = {entry.segment for entry in found if entry is not None}
            _remove(p for p in old if p.stem not in live)
        for folder in (self.log, self.path, tables):
            _remove(p for p in folder.glob(".*.part") if _is_older(p, before))


def _is_older(path: Path, before: float) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mtime < before
    return False


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _link(part: Path, target: Path) -> bool:
    try:
        os.link(part, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without links: claim by exclusive creation; a reader that sees it half
        # written takes the entry before.
        try:
            with target.open("x") as f:
                f.write(part.read_text())
        except FileExistsError:
            return False
    return True
