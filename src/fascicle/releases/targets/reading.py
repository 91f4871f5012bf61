"""Files on their way out: read once, hashed while that is done, at a bounded rate, with one bar."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

from fascicle import settings
from fascicle.errors import ChangedFile, FascicleError, RemoteNotFound, TransferError
from fascicle.releases.targets.base import Upload
from fascicle.transfer.bars import make_bar
from fascicle.transfer.limits import Throttle

BLOCK = 1 << 20


class Sending:
    """How far a publication is: the bar, and the bound on bytes per second.

    Parameters
    ----------
    files : sequence of Upload
    progress : bool, optional
    bandwidth : int, optional
        Bytes per second; by default ``FASCICLE_BANDWIDTH``.

    Attributes
    ----------
    stopped : bool
        Set to end what is under way.
    """

    def __init__(
        self, files: Sequence[Upload], *, progress: bool | None, bandwidth: int | None
    ) -> None:
        if progress is None:
            progress = settings.show_progress() and sys.stderr.isatty()
        self._bar = make_bar(
            shown=progress, total=sum(file.size for file in files), desc=f"{len(files)} files"
        )
        self._throttle = Throttle(settings.bandwidth() if bandwidth is None else bandwidth)
        self._lock = threading.Lock()
        self.stopped = False

    def __enter__(self) -> Sending:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.close()

    def sent(self, n_bytes: int) -> None:
        """Count bytes that are there."""
        with self._lock:
            self._bar.update(n_bytes)

    def pause(self, n_bytes: int) -> float:
        """Count bytes that are about to be sent; return the seconds to wait first."""
        with self._lock:
            return self._throttle.take(n_bytes)

    def wait(self, n_bytes: int) -> None:
        """Wait until so many bytes may be sent.

        Raises
        ------
        TransferError
            If it was interrupted.
        """
        if self.stopped:
            raise TransferError("the publication was interrupted")
        if seconds := self.pause(n_bytes):
            time.sleep(seconds)


def blocks(file: Upload, block: int = BLOCK) -> Iterator[bytes]:
    """Yield the content of a file, and check at its end that it is the one that was hashed.

    Raises
    ------
    ChangedFile
        If it is not: it is written to by somebody.
    RemoteNotFound
        If it is gone.
    TransferError
        If it cannot be read.
    """
    running = hashlib.sha256()
    n_bytes = 0
    if file.path is None:
        content = file.data or b""
        running.update(content)
        n_bytes = len(content)
        for start in range(0, len(content), block):
            yield content[start : start + block]
    else:
        try:
            with open(file.path, "rb", buffering=0) as f:
                while data := f.read(block):
                    running.update(data)
                    n_bytes += len(data)
                    if n_bytes > file.size:
                        break
                    yield data
        except OSError as error:
            raise unreadable(file.path, error) from error
    check(file, n_bytes, running.hexdigest())


def content(file: Upload) -> bytes:
    """Return the content of a small file, if it is the one that was hashed."""
    return b"".join(blocks(file))


def check(file: Upload, n_bytes: int, digest: str) -> None:
    """Make sure that what was read is what was hashed before.

    Raises
    ------
    ChangedFile
        If it is not.
    """
    if n_bytes != file.size or digest != file.sha256:
        raise ChangedFile(
            f"{file.path or file.key} changed while it was published: it is not the file that "
            "was looked at before",
            hint="publish again when nobody writes to it",
        )


def unreadable(path: Path, error: OSError) -> FascicleError:
    """Return what it means that a file cannot be read."""
    if isinstance(error, FascicleError):
        return error
    if isinstance(error, FileNotFoundError):
        return RemoteNotFound(f"{path} is gone", hint="publish again")
    return TransferError(f"{path} cannot be read: {error.strerror or error}")


def same_content(path: Path, file: Upload) -> bool:
    """Return whether a file on this machine has the content that is to be written."""
    try:
        if os.stat(path).st_size != file.size:
            return False
        running = hashlib.sha256()
        with open(path, "rb", buffering=0) as f:
            while data := f.read(BLOCK):
                running.update(data)
    except OSError:
        return False
    return running.hexdigest() == file.sha256
