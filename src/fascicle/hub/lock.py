"""One server for one state folder: a second would write its own address over that of the first."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fascicle.errors import ConfigurationError

FILE = "serving"
#: Seconds that a server which ends just now is waited for.
WAIT = 10.0


@contextmanager
def only_one(state: Path, url: str, *, wait: float = WAIT) -> Iterator[None]:
    """Hold a state folder for this process and those that it makes.

    Parameters
    ----------
    state : pathlib.Path
        The folder.
    url : str
        Where this server answers, for the message that another one gives.
    wait : float
        Seconds that another server may still need to end.

    Raises
    ------
    ConfigurationError
        If another server has it.
    """
    path = state / FILE
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, state, time.monotonic() + wait)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, url.encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, state: Path, until: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.ENOLCK, errno.ENOTSUP):
                return  # a file system without locks
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
        else:
            return
        if time.monotonic() > until:
            where = os.pread(descriptor, 4096, 0).decode(errors="replace")
            raise ConfigurationError(
                f"another server has {state} already{f', at {where}' if where else ''}",
                hint="stop that one, or give this one a state of its own: --state DIR",
            )
        time.sleep(0.1)
