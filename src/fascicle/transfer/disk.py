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


def write_all(fd: int, data: bytes) -> None:
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


@functools.cache
def _syncfs() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    with contextlib.suppress(OSError, AttributeError):
        found: Callable[[int], int] = ctypes.CDLL(None, use_errno=True).syncfs
        return found
    return None


def write_at(fd: int, data: bytes, position: int) -> None:
    """Write all of ``data`` into an open file at a position."""
    if hasattr(os, "pwrite"):
        n = os.pwrite(fd, data, position)
        while n < len(data):
            n += os.pwrite(fd, data[n:], position + n)
        return
    os.lseek(fd, position, os.SEEK_SET)
    write_all(fd, data)
