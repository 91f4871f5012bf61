"""A release in a folder: each file is written aside, put on disk, and only then gets its name.

Files are copied, never linked: a recording that is edited in place later must not change a release.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from fascicle import settings
from fascicle.errors import FascicleError, UnsafeTarget, VersionExists
from fascicle.releases.targets.base import KeyTaken, Upload, amazon_url, raise_for_failed
from fascicle.releases.targets.reading import (
    BLOCK,
    Sending,
    blocks,
    check,
    same_content,
    unreadable,
)
from fascicle.transfer.disk import disk_error, sync, write_all
from fascicle.transfer.links import reflink
from fascicle.transfer.places import FolderPlace

_ENDING = ".publish.part"
_TOGETHER = 256  # files that are put on disk at once
_TOGETHER_BYTES = 64 << 20
_PARALLEL = 8
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}


class FolderTarget:
    """A folder to write to.

    Parameters
    ----------
    place : FolderPlace
    project : str
        For the addresses in manifests: those of a bucket of that name, to which the folder could be
        copied.
    """

    versioned = False

    def __init__(self, place: FolderPlace, project: str) -> None:
        self.place = place
        self.project = project

    @property
    def name(self) -> str:
        """The folder."""
        return self.place.name

    def url(self, key: str) -> str:
        """Return the address that the file would have in a bucket of the project's name."""
        return amazon_url(self.project, f"{self.project}/{key}")

    def exists(self, key: str) -> bool:
        """Return whether there is a file of that name."""
        return self.place.path(key).is_file()

    def upload(
        self,
        files: Sequence[Upload],
        *,
        replace: Collection[str] = (),
        parallel: int | None = None,
        progress: bool | None = None,
        bandwidth: int | None = None,
    ) -> dict[str, str]:
        """Write files; see `Target.upload`."""
        n_parallel = min(parallel or settings.parallel() or _PARALLEL, _PARALLEL)
        replaceable = frozenset(replace)
        versions: dict[str, str] = {}
        failed: dict[str, FascicleError] = {}
        folders: dict[Path, None] = {}
        made: list[_Written] = []
        with (
            Sending(files, progress=progress, bandwidth=bandwidth) as sending,
            ThreadPoolExecutor(n_parallel, "fascicle-publish") as pool,
        ):

            def write(file: Upload) -> _Written | FascicleError:
                try:
                    written = self._write(file, replaceable, sending)
                except FascicleError as error:
                    return error
                made.append(written)
                return written

            for batch in _batches(files):
                for folder in {self._folder(file.key) for file in batch} - {None}:
                    if folder is not None and folder not in folders:
                        folders[folder] = None
                        _sweep(folder)
                try:
                    written = list(pool.map(write, batch))
                    sync([w.fd for w in written if isinstance(w, _Written) and w.fd >= 0])
                    for file, each in zip(batch, written, strict=True):
                        if isinstance(each, FascicleError):
                            failed[file.key] = each
                            continue
                        try:
                            self._name(file, each, replaceable)
                            versions[file.key] = ""
                        except FascicleError as error:
                            failed[file.key] = error
                except OSError as error:
                    for file in batch:
                        failed.setdefault(file.key, disk_error(error, self.place.root))
                        versions.pop(file.key, None)
                except BaseException:  # interrupted: nothing is left behind
                    sending.stopped = True
                    pool.shutdown(cancel_futures=True)
                    raise
                finally:
                    for each in made:
                        each.drop()
                    made.clear()
        _sync_folders(folders)
        raise_for_failed(failed, len(files), self.name)
        return versions

    def claim(self, key: str, data: bytes) -> str:
        """Write a file that must not be there yet; see `Target.claim`."""
        digest = hashlib.sha256(data).hexdigest()
        file = Upload(key, None, data, len(data), digest)
        path = self.place.path(key)
        try:
            if path.is_file():
                raise FileExistsError(path)
            _make_folder(path.parent)
            _sweep(path.parent)
            with _new_part(path) as (part, fd):
                write_all(fd, data)
                os.fsync(fd)
                put_exclusively(part, path)
        except FileExistsError as error:
            if not same_content(path, file):
                raise VersionExists(
                    f"{self.name} has {key} already, with other content",
                    hint="what was published is never changed: choose the next version",
                ) from error
        except OSError as error:
            if isinstance(error, FascicleError):
                raise
            raise disk_error(error, path) from error
        _sync_folders({path.parent: None, path.parent.parent: None})
        return ""

    def _folder(self, key: str) -> Path | None:
        try:
            return self.place.path(key).parent
        except UnsafeTarget:
            return None

    def _write(self, file: Upload, replace: frozenset[str], sending: Sending) -> _Written:
        """Write a file aside, unless it is there already."""
        path = self.place.path(file.key)
        try:
            if os.path.lexists(path):
                if same_content(path, file):
                    sending.sent(file.size)
                    return _Written(path, None, -1)
                if file.key not in replace:
                    raise self._refused(file)
            _make_folder(path.parent)
            part, fd = _open_part(path)
        except OSError as error:
            if isinstance(error, FascicleError):
                raise
            raise disk_error(error, path) from error
        written = _Written(path, part, fd)
        try:
            self._fill(file, part, fd, sending)
        except BaseException as error:
            written.drop()
            if isinstance(error, OSError) and not isinstance(error, FascicleError):
                raise disk_error(error, path) from error
            raise
        return written

    def _fill(self, file: Upload, part: Path, fd: int, sending: Sending) -> None:
        if file.path is not None:
            try:
                with open(file.path, "rb") as source:
                    cloned = reflink(source.fileno(), fd)
            except OSError as error:
                raise unreadable(file.path, error) from error
            if cloned:  # blocks are shared, changes are not; and what was cloned stands still
                running = hashlib.sha256()
                n_bytes = 0
                with open(part, "rb", buffering=0) as clone:
                    while data := clone.read(BLOCK):
                        running.update(data)
                        n_bytes += len(data)
                check(file, n_bytes, running.hexdigest())
                sending.sent(file.size)
                return
        for data in blocks(file):
            sending.wait(len(data))
            write_all(fd, data)
            sending.sent(len(data))

    def _name(self, file: Upload, written: _Written, replace: frozenset[str]) -> None:
        """Give a file its name."""
        if written.part is None:
            return
        try:
            if file.key in replace:
                os.replace(written.part, written.path)
            else:
                put_exclusively(written.part, written.path)
        except FileExistsError as error:
            if not same_content(written.path, file):
                raise self._refused(file) from error
        except OSError as error:
            raise disk_error(error, written.path) from error

    def _refused(self, file: Upload) -> FascicleError:
        return KeyTaken.at(self.name, file.key)


class _Written:
    """A file that is written aside, and open still."""

    def __init__(self, path: Path, part: Path | None, fd: int) -> None:
        self.path = path
        self.part = part
        self.fd = fd

    def drop(self) -> None:
        """Close it, and remove what has no name."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
        if self.part is not None:
            self.part.unlink(missing_ok=True)


def put_exclusively(part: Path, path: Path) -> None:
    """Give a file that is on disk its name, if no other has that.

    Raises
    ------
    FileExistsError
        If another has.
    """
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # No hard links here: whoever makes this file may look and rename.
        gate = path.with_name(f".{path.name[:100]}.gate")
        with open(gate, "w") as f:
            _lock(f.fileno(), wait=True)
            try:
                if os.path.lexists(path):
                    raise FileExistsError(errno.EEXIST, "it exists", str(path)) from None
                os.rename(part, path)
            finally:
                gate.unlink(missing_ok=True)
    else:
        part.unlink(missing_ok=True)


@contextmanager
def _new_part(path: Path) -> Iterator[tuple[Path, int]]:
    part, fd = _open_part(path)
    try:
        yield part, fd
    finally:
        os.close(fd)
        part.unlink(missing_ok=True)


def _open_part(path: Path) -> tuple[Path, int]:
    """Make a new file beside the one that it will be; it is locked while it is open."""
    stem = os.fsencode(path.name)[:120].decode(errors="ignore")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        part = path.with_name(f".{stem}.{secrets.token_hex(4)}{_ENDING}")
        fd = os.open(part, flags, 0o666)
        # Another publisher may have taken it for one that was left, before it was locked.
        if _lock(fd) is not False and part.exists():
            return part, fd
        os.close(fd)


def _sweep(folder: Path) -> None:
    """Remove what a publisher that was killed left in a folder."""
    with suppress(OSError):
        names = [name for name in os.listdir(folder) if name.endswith(_ENDING)]
        for name in names:
            with suppress(OSError):
                fd = os.open(folder / name, os.O_RDWR)
                try:
                    if _lock(fd):
                        os.unlink(folder / name)
                finally:
                    os.close(fd)


def _lock(fd: int, *, wait: bool = False) -> bool | None:
    """Lock an open file until it is closed; False: another has it, None: no locks here."""
    try:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except (ImportError, OSError):
        return None
    return True


def _make_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)


def _sync_folders(folders: dict[Path, None]) -> None:
    """Put names on disk."""
    opened: list[int] = []
    try:
        for folder in folders:
            with suppress(OSError):
                opened.append(os.open(folder, os.O_RDONLY))
            if len(opened) == _TOGETHER:
                _sync(opened)
                opened = []
        _sync(opened)
    except OSError:
        pass  # a file system that cannot: the files themselves are on disk


def _sync(opened: list[int]) -> None:
    try:
        sync(opened)
    finally:
        for fd in opened:
            os.close(fd)


def _batches(files: Sequence[Upload]) -> Iterator[list[Upload]]:
    """Yield files that are put on disk together."""
    waiting = iter(files)
    while batch := list(islice(waiting, _TOGETHER)):
        some: list[Upload] = []
        n_bytes = 0
        for file in batch:
            some.append(file)
            n_bytes += file.size
            if n_bytes > _TOGETHER_BYTES:
                yield some
                some, n_bytes = [], 0
        if some:
            yield some
