"""Moves a store as a whole: at each moment one of the two folders is whole."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from fascicle.archives.layout import RECORD, write_whole
from fascicle.archives.stores import is_store
from fascicle.errors import (
    FascicleError,
    HashMismatch,
    NotEnoughDisk,
    NotHereError,
    ReadOnlyStore,
    UnsafeTarget,
)
from fascicle.transfer.hashes import file_digest, maker
from fascicle.transfer.ledger import HIDDEN, Ledger, Row
from fascicle.transfer.text import size_text

_BLOCK = 1 << 20
_SPARE = 64 << 20
#: In the hidden folder of a copy: where it came from, until the old one is gone.
_ORIGIN = "moved-from"


@dataclass(frozen=True, slots=True)
class Moved:
    """How a store was moved.

    Attributes
    ----------
    how : str
        ``renamed``, ``copied``, or ``finished`` what an earlier attempt had begun.
    files, bytes : int
        Files and bytes that were copied.
    verified : int
        Of the files, those that were compared with a checksum on record.
    """

    how: str
    files: int = 0
    bytes: int = 0
    verified: int = 0


class _File(NamedTuple):
    path: str
    stat: os.stat_result


def move_store(
    src: Path | str, dst: Path | str, *, copy: bool = False, progress: bool = False
) -> Moved:
    """Move a store.

    On one file system that is a rename. To another one, all files are copied, links between them
    kept, and compared with their checksums; then the copy gets its name, and the old folder is
    removed last. Whatever interrupts that, one folder is whole, and the same call goes on.

    Parameters
    ----------
    src, dst : path-like
        ``dst`` must not exist, or be empty.
    copy : bool
        Copy and compare on one file system too.
    progress : bool
        Show a bar on stderr.

    Returns
    -------
    Moved

    Raises
    ------
    NotHereError
        If there is no store at ``src``.
    UnsafeTarget
        If one lies in the other, or ``dst`` has something in it.
    HashMismatch
        If a file is not what was fetched; nothing is moved then.
    NotEnoughDisk
        If there is no room.
    """
    old, new = Path(os.path.realpath(Path(src).expanduser())), _absolute(dst)
    aside = old.with_name(f".{old.name}.fascicle-moved")
    if aside.is_dir() and _origin(new) == str(old):
        done = _finish(old, new, aside)
        if not old.exists():
            return done
    if not old.exists():
        return _finish(old, new, aside)
    if not old.is_dir() or not is_store(old):
        raise NotHereError(
            f"{old} is no store: nothing in it says that fascicle, ONE or AllenSDK filled it",
            hint="fascicle cache ls shows the stores that are known",
        )
    if old == new or old in new.parents or new in old.parents:
        raise UnsafeTarget(f"{new} and {old} lie in one another", hint="name another folder")
    going_on = _origin(new) == str(old)
    if not going_on and (new.is_symlink() or (new.exists() and not _is_empty(new))):
        raise UnsafeTarget(
            f"{new} is there already, and not empty", hint="name a folder that does not exist yet"
        )
    if not os.access(old.parent, os.W_OK):
        raise ReadOnlyStore(
            f"{old} cannot be removed from {old.parent}, which cannot be written",
            hint="copy it with cp -a, and use the copy",
        )
    new.parent.mkdir(parents=True, exist_ok=True)
    if not copy and not going_on and _rename(old, new):
        _adjust(new, old, new)
        return Moved("renamed")
    return _copy(old, new, aside, progress=progress)


def _absolute(path: Path | str) -> Path:
    """Return where a folder is or would be: links in its parents followed."""
    place = Path(os.path.abspath(Path(path).expanduser()))
    return Path(os.path.realpath(place.parent)) / place.name


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and not os.listdir(folder)


def _origin(folder: Path) -> str:
    try:
        return (folder / HIDDEN / _ORIGIN).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _rename(old: Path, new: Path) -> bool:
    """Rename a folder; False where that cannot be done between these places."""
    try:
        if new.is_dir() and os.name == "nt":
            new.rmdir()
        os.rename(old, new)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


def _finish(old: Path, new: Path, aside: Path) -> Moved:
    """Do what is left of a move that was interrupted after the new folder had its name."""
    if new.is_dir() and _origin(new) == str(old) and aside.is_dir():
        _catch_up(aside, new)
        _remove(aside, new)
        return Moved("finished")
    if new.is_dir() and _origin(new) == str(old):
        (new / HIDDEN / _ORIGIN).unlink(missing_ok=True)
        return Moved("finished")
    if new.is_dir() and _adjust(new, old, new):
        return Moved("finished")
    raise NotHereError(
        f"there is no folder {old}", hint="fascicle cache ls shows the stores that are known"
    )


def _copy(old: Path, new: Path, aside: Path, *, progress: bool) -> Moved:
    """Copy a store beside the place where it is to be, compare, give it its name."""
    key = hashlib.sha256(os.fsencode(old)).hexdigest()[:12]
    part = new.with_name(f".{new.name}.fascicle-moving-{key}")
    if _origin(new) == str(old):
        part = new  # it has its name already: the old folder has to be compared and to go
    else:
        _check_room(old, part)
        (part / HIDDEN).mkdir(parents=True, exist_ok=True)
    with _alone(part):
        copier = _Copier(old, part, progress=progress)
        while not copier.run():
            pass  # somebody wrote into it meanwhile
        _adjust(part, old, new)
        write_whole(part / HIDDEN / _ORIGIN, str(old))
        _sync(part)
        if part != new:
            if new.is_dir() and os.name == "nt":
                new.rmdir()
            os.rename(part, new)
    _sync_folder(new.parent)
    os.rename(old, aside)
    _catch_up(aside, new)
    _remove(aside, new)
    return Moved("copied", copier.n_files, copier.n_bytes, copier.n_verified)


def _catch_up(aside: Path, new: Path) -> None:
    """Take over what was written into the old folder in its last moment."""
    copier = _Copier(aside, new, progress=False, missing_only=True)
    copier.run()


def _remove(aside: Path, new: Path) -> None:
    shutil.rmtree(aside)
    (new / HIDDEN / _ORIGIN).unlink(missing_ok=True)


def _check_room(old: Path, part: Path) -> None:
    def size(folder: Path) -> int:
        known = {(f.stat.st_dev, f.stat.st_ino): f.stat.st_size for f in _files(folder)}
        return sum(known.values())

    needed = size(old) - (size(part) if part.exists() else 0)
    free = shutil.disk_usage(part.parent).free
    if needed + _SPARE > free:
        raise NotEnoughDisk(
            f"{size_text(needed)} are to come into {part.parent}, and {size_text(free)} are free",
            hint="make room, or choose another place",
        )


def _files(root: Path) -> Iterator[_File]:
    """Go through all that is no folder, the hidden folder included."""
    todo = [os.fspath(root)]
    start = len(os.path.join(os.fspath(root), ""))
    while todo:
        with os.scandir(todo.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    todo.append(entry.path)
                    continue
                with contextlib.suppress(FileNotFoundError):
                    seen = os.lstat(entry.path)
                    yield _File(entry.path[start:].replace(os.sep, "/"), seen)


class _Copier:
    """Copies what is not there yet, and compares everything."""

    def __init__(self, old: Path, new: Path, *, progress: bool, missing_only: bool = False) -> None:
        self.old, self.new = old, new
        self.progress = progress
        self.missing_only = missing_only
        self.rows = Ledger(old).rows()
        self.n_files = self.n_bytes = self.n_verified = 0
        self._done: dict[str, tuple[int, int, int]] = {}
        self._noted: dict[str, Row] = {}

    def run(self) -> bool:
        """Copy what is new or changed since the last run; return whether there was nothing."""
        groups: dict[tuple[int, int], list[_File]] = {}
        for file in _files(self.old):
            if file.path == f"{HIDDEN}/{_ORIGIN}":
                continue
            if self.missing_only and os.path.lexists(self.new / file.path):
                continue
            looks = file.stat.st_size, file.stat.st_mtime_ns, file.stat.st_ino
            if self._done.get(file.path) != looks:
                groups.setdefault((file.stat.st_dev, file.stat.st_ino), []).append(file)
        if not groups:
            self._note()
            return True
        total = sum(files[0].stat.st_size for files in groups.values())
        from tqdm import tqdm

        with (
            tqdm(
                total=total, unit="B", unit_scale=True, desc="move", disable=not self.progress
            ) as bar,
            ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool,
        ):
            for files in pool.map(self._group, groups.values()):
                for file in files:
                    looks = file.stat.st_size, file.stat.st_mtime_ns, file.stat.st_ino
                    self._done[file.path] = looks
                bar.update(files[0].stat.st_size)
        if self.missing_only:
            self._note()
        return False

    def _group(self, files: list[_File]) -> list[_File]:
        """Copy one content, and give it all of its names."""
        first, *others = sorted(files, key=lambda file: file.path)
        target = self.new / first.path
        target.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISLNK(first.stat.st_mode):
            _replace_link(target, os.readlink(self.old / first.path))
            return files
        if not stat.S_ISREG(first.stat.st_mode):
            return files  # a pipe, a device: no part of a store
        try:
            self._one(first, target)
            for other in others:
                place = self.new / other.path
                place.parent.mkdir(parents=True, exist_ok=True)
                if not place.exists() or not os.path.samefile(place, target):
                    link = place.with_name(f".{place.name}.moving.part")
                    link.unlink(missing_ok=True)
                    os.link(target, link)
                    os.replace(link, place)
                self._note_one(other, place)
        except FileNotFoundError:
            if all((self.old / file.path).exists() for file in files):
                raise
            # It was taken away or renamed meanwhile: the next run sees what there is.
            for file in files:
                if not (self.old / file.path).exists():
                    (self.new / file.path).unlink(missing_ok=True)
        return files

    def _one(self, file: _File, target: Path) -> None:
        row = self.rows.get(file.path)
        fits = row is not None and row.fits(file.stat) and row.state == "verified"
        recorded = row.hash if row is not None and fits else ""
        algorithm = row.algorithm if row is not None and recorded else "blake2b"
        source = self.old / file.path
        try:
            there = os.stat(target)
            same = (there.st_size, there.st_mtime_ns) == (file.stat.st_size, file.stat.st_mtime_ns)
        except FileNotFoundError:
            same = False
        if same:
            digest = file_digest(source, algorithm)
        else:
            digest = self._write(source, target, algorithm)
            self.n_files += 1
            self.n_bytes += file.stat.st_size
        if recorded and digest != recorded:
            raise HashMismatch(
                f"{source} is not what was fetched: its {algorithm} is {digest}",
                hint="delete it, it can be fetched again; then move the store once more",
            )
        if file_digest(target, algorithm) != digest:
            target.unlink(missing_ok=True)
            raise HashMismatch(
                f"{target} is not what was written there", hint="that disk may be failing"
            )
        self.n_verified += bool(recorded)
        self._note_one(file, target)

    def _write(self, source: Path, target: Path, algorithm: str) -> str:
        """Copy a file; return the checksum of what was read."""
        running = maker(algorithm)()
        part = target.with_name(f".{target.name}.moving.part")
        try:
            with open(source, "rb", buffering=0) as f, open(part, "wb") as sink:
                while block := f.read(_BLOCK):
                    running.update(block)
                    sink.write(block)
                sink.flush()
                os.fsync(sink.fileno())
            shutil.copystat(source, part)
            os.replace(part, target)
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise NotEnoughDisk(
                    f"no room for {target}", hint="make room, and move it again: it goes on"
                ) from error
            raise
        return running.hexdigest()

    def _note_one(self, file: _File, target: Path) -> None:
        """Keep what the ledger says of a file, for the file that it is now."""
        row = self.rows.get(file.path)
        if row is not None and row.fits(file.stat):
            seen = os.stat(target)
            self._noted[file.path] = row._replace(
                mtime_ns=seen.st_mtime_ns, inode=seen.st_ino, time_ns=0
            )

    def _note(self) -> None:
        if self._noted:
            Ledger(self.new).add(self._noted.values())
            self._noted = {}


def _adjust(folder: Path, old: Path, new: Path) -> int:
    """Have the record and absolute links name the new place; return how many did not."""
    n = _adjust_record(folder, old, new)
    before = os.fspath(old) + os.sep
    for file in _files(folder):
        if stat.S_ISLNK(file.stat.st_mode):
            leads_to = os.readlink(folder / file.path)
            if leads_to.startswith(before):
                _replace_link(folder / file.path, os.path.join(new, leads_to[len(before) :]))
                n += 1
    return n


def _adjust_record(folder: Path, old: Path, new: Path) -> int:
    try:
        found: Any = json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError, RecursionError):
        return 0
    if not isinstance(found, dict):
        return 0
    before = os.fspath(old) + os.sep
    n = len([path for path in found if path.startswith(before)])
    if n:
        after = {
            os.path.join(new, path[len(before) :]) if path.startswith(before) else path: digest
            for path, digest in found.items()
        }
        write_whole(folder / RECORD, json.dumps(after, indent=2, sort_keys=True))
    return n


def _replace_link(place: Path, leads_to: str) -> None:
    part = place.with_name(f".{place.name}.moving.part")
    part.unlink(missing_ok=True)
    os.symlink(leads_to, part)
    os.replace(part, place)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Have a folder to oneself, where the system can do that."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FascicleError(
                f"another process is moving this store to {folder.parent}", hint="wait for it"
            ) from error
        except OSError:
            pass  # no locks here
        yield
    finally:
        os.close(fd)


def _sync(folder: Path) -> None:
    """Put the names of all files on disk; their contents are."""
    for where, _, _ in os.walk(folder, topdown=False):
        _sync_folder(Path(where))


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
