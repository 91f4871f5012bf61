"""A file that appears under its name only when it is whole."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fascicle.errors import ConversionError, FascicleError, NotEnoughDisk, WouldReplace

#: Seconds after which a part file is a leftover, whoever writes it: one that is written is younger.
STALE = 24 * 3600
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV)

_NOT_HERE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENAMETOOLONG)
#: What some network file systems say of folders.
_NO_SYNC = (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EACCES)


class Landing:
    """Where a file is written before it gets its name.

    Parameters
    ----------
    target : Path
        Its name in the end.
    overwrite : bool
        Replace what is there.

    Attributes
    ----------
    target : Path
    part : Path
        Beside it, hidden: the file so far.

    Examples
    --------
    ::

        with Landing(target) as landing:
            ...  # write landing.part
            landing.land()
    """

    def __init__(self, target: Path, *, overwrite: bool = False) -> None:
        self.target = target
        self.overwrite = overwrite
        self.part = _part_of(target)
        self._before: list[tuple[Path, Path]] = []
        self._after: list[tuple[Path, Path]] = []

    def refuse_existing(self) -> None:
        """Refuse to replace a file, unless that was asked for.

        Raises
        ------
        WouldReplace
            If there is one.
        ConversionError
            If there is a folder of that name.
        """
        with said(self.target):
            is_folder = self.target.is_dir()
        if is_folder:
            raise ConversionError(f"{self.target} is a folder", hint="name a file in it")
        if not self.overwrite and os.path.lexists(self.target):
            raise WouldReplace(
                f"{self.target} is there already",
                hint="overwrite=True (on the command line --overwrite) replaces it",
            )

    def __enter__(self) -> Landing:
        self.refuse_existing()
        with said(self.target):
            _make_folder(self.target.parent)
            sweep(self.target)
        return self

    def __exit__(self, *_: object) -> None:
        for path in (self.part, *(part for part, _ in self._before + self._after)):
            path.unlink(missing_ok=True)

    def copy(self, file: Path, to: Path) -> None:
        """Copy a file that is to lie beside the target; it gets its name when the target does.

        Raises
        ------
        WouldReplace
            If another file has that name.
        """
        if os.path.lexists(to) and not self.overwrite:
            if _same(file, to):
                return
            raise WouldReplace(f"{to} is there already", hint="overwrite=True replaces it")
        _make_folder(to.parent)
        sweep(to)
        part = _part_of(to)
        self._before.append((part, to))
        shutil.copyfile(file, part)
        _sync(part)

    def after(self, to: Path) -> Path:
        """Return where to write a file that gets its name when the target has got its own.

        It replaces what is there: it says something about the target.
        """
        sweep(to)
        part = _part_of(to)
        self._after.append((part, to))
        return part

    def land(self) -> None:
        """Give the file its name, and those beside it.

        Raises
        ------
        WouldReplace
            If there is a file of that name by now.
        """
        _sync(self.part)
        for part, to in self._before:
            part.replace(to)
        if self.overwrite:
            self.part.replace(self.target)
        else:
            self._link()
        for part, to in self._after:
            part.replace(to)
        _sync(self.target.parent)

    def _link(self) -> None:
        """Take the name only if nobody has: a second process may make the same file."""
        try:
            os.link(self.part, self.target)
        except FileExistsError:
            self.refuse_existing()
            raise
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self.refuse_existing()
            self.part.replace(self.target)


def sweep(target: Path) -> None:
    """Remove what processes left that were killed while they wrote a file."""
    pattern = re.compile(
        re.escape(f".{_short(target.name)}.")
        + r"([0-9A-Za-z-]+)\.(\d+)\.[0-9a-f]{8}\.part(?:\.part)?"
    )
    for path in target.parent.iterdir():
        found = pattern.fullmatch(path.name)
        if found and _is_left(path, found[1], int(found[2])):
            path.unlink(missing_ok=True)


@contextmanager
def said(target: Path) -> Iterator[None]:
    """Say what it means that a file cannot be written.

    Raises
    ------
    NotEnoughDisk
        If there is no room.
    ConversionError
        If the place cannot be written to.
    """
    try:
        yield
    except FascicleError:
        raise
    except OSError as error:
        number = error.errno or _errno_of(str(error))
        if number in _NO_ROOM:
            raise NotEnoughDisk(
                f"no room on the disk for {target}: {os.strerror(number)}",
                hint="free some, or convert to another disk; nothing was left behind",
            ) from error
        if number in _NOT_HERE:
            raise ConversionError(
                f"{target} cannot be written: {os.strerror(number)}",
                hint="name another target, in a folder that you may write to",
            ) from error
        raise


def _errno_of(text: str) -> int:
    """Return the number that libhdf5 puts into its messages, 0 if there is none."""
    found = re.search(r"errno = (\d+)", text)
    return int(found[1]) if found else 0


def _part_of(target: Path) -> Path:
    unique = f"{_here()}.{os.getpid()}.{secrets.token_hex(4)}"
    return target.with_name(f".{_short(target.name)}.{unique}.part")


def _short(name: str) -> str:
    """Return a name, or where it is long its beginning and a checksum: file systems take 255."""
    if len(os.fsencode(name)) <= 120:
        return name
    return f"{name[:24]}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"


def _here() -> str:
    return re.sub(r"[^0-9A-Za-z-]", "-", socket.gethostname())[:60] or "host"


def _is_left(path: Path, host: str, pid: int) -> bool:
    """Return whether the process that wrote a part file is gone."""
    if host == _here() and pid != os.getpid():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass  # it lives, and is another user's
    try:
        return time.time() - path.stat().st_mtime > STALE
    except FileNotFoundError:
        return False


def _same(one: Path, other: Path) -> bool:
    first, second = one.stat(), other.stat()
    return os.path.samestat(first, second) or (
        first.st_size == second.st_size and first.st_mtime_ns == second.st_mtime_ns
    )


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ConversionError(
            f"{path} cannot be written: it is no folder", hint="name another target"
        ) from None


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    except OSError as error:
        if not (path.is_dir() and error.errno in _NO_SYNC):
            raise
    finally:
        os.close(fd)
