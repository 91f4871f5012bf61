"""The same content under a second name, without a second copy where the disk can do that."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import sys
from pathlib import Path

_FICLONE = 0x40049409
_CANNOT = {
    *(errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOSYS, errno.EINVAL, errno.ENOTTY),
    *(errno.ENOTSUP, errno.EOPNOTSUPP, errno.EACCES, errno.EBADF),
}


def share(known: Path, part: Path, *, may_link: bool = True) -> str:
    """Make ``part`` hold what ``known`` holds.

    A reflink where the file system has it: blocks are shared, changes are not. Else a hard link,
    after which the file is read-only, since a change in place would be one under every name. Else a
    copy.

    Parameters
    ----------
    known : pathlib.Path
    part : pathlib.Path
        Must not exist.
    may_link : bool
        Whether a hard link will do: not for files that belong to others.

    Returns
    -------
    str
        ``reflink``, ``hard link`` or ``copy``.

    Raises
    ------
    OSError
        If the file cannot be read or the folder not written.
    """
    if _reflink(known, part):
        return "reflink"
    if may_link:
        try:
            mode = stat.S_IMODE(os.stat(known).st_mode)
            os.link(known, part)
            os.chmod(known, mode & ~0o222)
        except OSError as error:
            if error.errno not in _CANNOT:
                raise
            with contextlib.suppress(FileNotFoundError):
                part.unlink()
        else:
            return "hard link"
    with open(known, "rb") as source, open(part, "xb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
        sink.flush()
        os.fsync(sink.fileno())
    return "copy"


def _reflink(known: Path, part: Path) -> bool:
    if sys.platform != "linux":
        return False
    with open(known, "rb") as source:
        sink = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            cloned = reflink(source.fileno(), sink)
            if cloned:
                os.fsync(sink)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        finally:
            os.close(sink)
    if not cloned:
        part.unlink(missing_ok=True)
    return cloned


def reflink(source: int, sink: int) -> bool:
    """Let an open file share the blocks of another; return whether the disk can do that."""
    if sys.platform != "linux":
        return False
    import fcntl

    try:
        fcntl.ioctl(sink, _FICLONE, source)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return False
    return True
