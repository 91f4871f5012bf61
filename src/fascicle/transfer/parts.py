"""Files on their way: under a name of their own in the target's folder, with a note of progress.

The name tells what the content is to be (a digest of URL, version and recorded checksum), so that a
later process finds what an earlier one left, and it has a random end, so that two processes never
write into one file. A lock on the open file says whether somebody is at it still; where there are
no locks, a part is left alone until it has been quiet for a while.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import time
from pathlib import Path
from typing import NamedTuple

from fascicle.transfer.source import Source
from fascicle.transfer.spans import Spans

_QUIET = 600
_DAY = 86_400
_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_NAME = re.compile(r"\..*\.([0-9a-f]{16})-[0-9a-f]{8}\.part", re.DOTALL)


def is_part(name: str) -> bool:
    """Return whether a file of that name is still on its way, or a note beside one."""
    return name.startswith(".") and name.endswith((".part", ".part.json", ".part.json.new"))


def content_key(source: Source) -> str:
    """Return a short name for the content that a source promises."""
    text = "\n".join((source.url, source.version, source.algorithm, source.hash))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def part_name(name: str, key: str, number: int) -> str:
    """Return a name for a part of a file: ``key`` has 16 hexadecimal digits, ``number`` 8."""
    stem = name[:120] if name.isascii() else os.fsencode(name)[:120].decode(errors="ignore")
    return f".{stem}.{key}-{number & 0xFFFFFFFF:08x}.part"


class Tag(NamedTuple):
    """How a server tells one state of a file from another; each is empty where it does not."""

    etag: str = ""
    modified: str = ""

    @property
    def validator(self) -> str:
        """What a request for a range can be tied to."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    def differs(self, other: Tag) -> bool:
        """Return whether two answers are certainly not about the same state."""
        if self.etag and other.etag:
            return self.etag.removeprefix("W/") != other.etag.removeprefix("W/")
        return bool(self.modified and other.modified) and self.modified != other.modified


class Progress(NamedTuple):
    """What is noted of a part: total length, state of the remote file, bytes on disk."""

    total: int
    tag: Tag
    done: Spans


def read_note(path: Path) -> Progress | None:
    """Return what is noted beside a part, None where nothing usable is."""
    try:
        note = json.loads(path.with_name(path.name + ".json").read_text(encoding="utf-8"))
        done = Spans((int(a), int(b)) for a, b in note["done"])
        return Progress(int(note["total"]), Tag(note["etag"], note["modified"]), done)
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Part:
    """A part that this process holds.

    Attributes
    ----------
    path : pathlib.Path
    fd : int
        Open for reading and writing.
    found : Progress or None
        What an earlier process left of it.
    """

    def __init__(self, path: Path, fd: int, found: Progress | None = None) -> None:
        self.path = path
        self.fd = fd
        self.found = found
        self._discarded = False

    @classmethod
    def begin(cls, target: Path, source: Source) -> Part:
        """Go on with a part that nobody is at, or make a new one.

        Raises
        ------
        OSError
            If the folder cannot be written.
        """
        for path in _candidates(target.parent, content_key(source)):
            part = cls._adopt(path)
            if part is not None:
                return part
        path = target.parent / part_name(target.name, content_key(source), secrets.randbits(32))
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        _lock(fd)
        return cls(path, fd)

    @classmethod
    def _adopt(cls, path: Path) -> Part | None:
        note = read_note(path)
        if note is None:
            return None
        try:
            fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        except OSError:
            return None
        locked = _lock(fd)
        quiet = time.time() - os.fstat(fd).st_mtime > _QUIET
        if locked is False or (locked is None and not quiet) or not _is_at(fd, path):
            os.close(fd)
            return None
        size = os.fstat(fd).st_size
        done = Spans((a, min(b, size)) for a, b in note.done if a < size)
        return cls(path, fd, note._replace(done=done))

    def note(self, progress: Progress) -> None:
        """Put the bytes so far on disk, then note that they are there."""
        os.fsync(self.fd)
        place = self.path.with_name(self.path.name + ".json")
        new = place.with_name(place.name + ".new")
        text = json.dumps(
            {
                "total": progress.total,
                "etag": progress.tag.etag,
                "modified": progress.tag.modified,
                # not list(…): it would make room for as many items as there are bytes
                "done": [(start, end) for start, end in progress.done],
            }
        )
        new.write_text(text, encoding="utf-8")
        os.replace(new, place)
        if self._discarded:  # meanwhile, by another thread
            self.drop_note()

    def drop_note(self) -> None:
        """Forget progress: what is on disk is of no use."""
        self.path.with_name(self.path.name + ".json").unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the part; it stays for a later process."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def discard(self) -> None:
        """Remove the part."""
        self._discarded = True
        self.close()
        self.path.unlink(missing_ok=True)
        self.drop_note()


def partial_bytes(target: Path, source: Source) -> int:
    """Return how many bytes of a source an earlier process left beside its target."""
    notes = map(read_note, _candidates(target.parent, content_key(source)))
    return max((len(note.done) for note in notes if note is not None), default=0)


def keys_in(folder: Path) -> set[str]:
    """Return the content keys of the parts in a folder."""
    try:
        return {m[1] for m in map(_NAME.fullmatch, os.listdir(folder)) if m}
    except OSError:
        return set()


def remove_stale(folder: Path) -> None:
    """Remove parts that are of no use: those without a note after a day, others after a month."""
    now = time.time()
    try:
        entries = [e for e in os.scandir(folder) if e.name.startswith(".")]
    except OSError:
        return
    for entry in entries:
        name = entry.name.removesuffix(".new").removesuffix(".json")
        if not _NAME.fullmatch(name):
            continue
        with contextlib.suppress(OSError):
            age = now - entry.stat(follow_symlinks=False).st_mtime
            noted = (folder / f"{name}.json").exists()
            if age > (30 * _DAY if noted else _DAY):
                os.unlink(entry.path)


def _candidates(folder: Path, key: str) -> list[Path]:
    try:
        names = os.listdir(folder)
    except OSError:
        return []
    found = [(m, name) for name in names if (m := _NAME.fullmatch(name))]
    return sorted(folder / name for m, name in found if m[1] == key)


def _is_at(fd: int, path: Path) -> bool:
    """Return whether an open file is still the one of that name: it may have been finished."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    here = os.fstat(fd)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _lock(fd: int) -> bool | None:
    """Lock an open file until it is closed; False: somebody else has it, None: no locks here."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        return False
    return True
