"""What the disk does: sync, say no."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from fascicle.errors import FascicleError, NotEnoughDisk, ReadOnlyStore, TransferError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_SEVERAL = 16
_pwrite: Callable[[int, bytes | memoryview, int], int] | None = getattr(os, "pwrite", None)
_SYNC_FLAGS = os.O_RDWR if os.name == "nt" else os.O_RDONLY  # a link may be read-only


def disk_error(error: OSError, target: Path) -> FascicleError:
    """Return what an error of the disk means for a file."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return NotEnoughDisk(
            f"no room for {target}: {reason}",
            hint="make room and run it again: what was begun is continued",
        )
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return ReadOnlyStore(
            f"{target} cannot be written: {reason}", hint="choose a folder that you can write to"
        )
    return TransferError(f"{target} cannot be written: {reason}")


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of ``data`` to an open file."""
    n = os.write(fd, data)
    while n < len(data):
        n += os.write(fd, data[n:])


def sync(descriptors: Sequence[int]) -> None:
    """Put open files of one file system on disk, many at once where the system can do that."""
    if len(descriptors) > _SEVERAL and (syncfs := _syncfs()) and not syncfs(descriptors[0]):
        return
    for fd in descriptors:
        os.fsync(fd)


def sync_paths(paths: Sequence[str]) -> None:
    """Put files on disk, those of one file system at once where there are many of them."""
    left = list(paths)
    if len(left) > _SEVERAL and (syncfs := _syncfs()):
        folders = {path.rpartition(os.sep)[0] for path in left}
        systems = {os.stat(folder).st_dev: folder for folder in folders}
        if all(_sync_system(folder, syncfs) for folder in systems.values()):
            return
    for path in left:
        fd = os.open(path, _SYNC_FLAGS)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def _sync_system(folder: str, syncfs: Callable[[int], int]) -> bool:
    fd = os.open(folder, os.O_RDONLY)
    try:
        return syncfs(fd) == 0
    finally:
        os.close(fd)


@functools.cache
def _syncfs() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError, AttributeError):
        found: Callable[[int], int] = ctypes.CDLL(None, use_errno=True).syncfs
        return found
    return None


def write_at(fd: int, data: bytes | memoryview, position: int) -> None:
    """Write all of ``data`` into an open file at a position."""
    if _pwrite is None:
        os.lseek(fd, position, os.SEEK_SET)
        write_all(fd, data)
        return
    n = _pwrite(fd, data, position)
    while n < len(data):
        n += _pwrite(fd, data[n:], position + n)
