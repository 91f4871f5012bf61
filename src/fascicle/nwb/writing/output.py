"""A file that libhdf5 writes through Python, so that a full disk is an error and not a crash.

Where the disk is full libhdf5 fails when it writes, and again each time that it wants to let go of
the file: it prints, keeps the file open, and may end the process. Here the first failure is kept;
what is written after it stays in memory, where libhdf5 finds it again, so that it closes in peace,
and then the failure is raised.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Buffer


class Output(io.RawIOBase):
    """A new file for ``h5py.File(…, driver="fileobj")``.

    Parameters
    ----------
    path : Path
        Of no file that exists.

    Raises
    ------
    FileExistsError
        If there is one.
    OSError
        If it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.name = str(path)
        #: What went wrong first.
        self.failure: BaseException | None = None
        self._at = 0
        #: What was written since, by its place: little, for somebody is going to `check`.
        self._unwritten: list[tuple[int, bytes]] = []
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def check(self) -> None:
        """Raise what went wrong, if anything did."""
        if self.failure is not None:
            raise self.failure

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a place; return it."""
        if whence == os.SEEK_END:
            ends = [at + len(data) for at, data in self._unwritten]
            offset += max(os.fstat(self._fd).st_size, *ends, 0)
        elif whence == os.SEEK_CUR:
            offset += self._at
        self._at = offset
        return offset

    def tell(self) -> int:
        """Return the place."""
        return self._at

    def write(self, data: Buffer, /) -> int:
        """Write all, or keep what went wrong."""
        view = memoryview(data).cast("B")
        done = 0
        try:
            while self.failure is None and done < len(view):
                done += os.pwrite(self._fd, view[done:], self._at + done)
        except BaseException as error:  # noqa: BLE001  # interrupts too: libhdf5 loses them
            self.failure = error
        if done < len(view):
            self._unwritten.append((self._at + done, bytes(view[done:])))
        self._at += len(view)
        return len(view)

    def readinto(self, buffer: Any, /) -> int:
        """Read as much as there is; return how much that was."""
        view = memoryview(buffer).cast("B")
        got = os.preadv(self._fd, [view], self._at)
        if self._unwritten:
            view[got:] = bytes(len(view) - got)
            for at, data in self._unwritten:
                first, last = max(at, self._at), min(at + len(data), self._at + len(view))
                if first < last:
                    view[first - self._at : last - self._at] = data[first - at : last - at]
            got = len(view)
        self._at += got
        return got

    def truncate(self, size: int | None = None, /) -> int:
        """Give the file a length, or keep what went wrong."""
        size = self._at if size is None else size
        try:
            if self.failure is None:
                os.ftruncate(self._fd, size)
        except BaseException as error:  # noqa: BLE001
            self.failure = error
        return size

    def flush(self) -> None:
        """Do nothing: nothing is held back."""

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def writable(self) -> bool:
        """Return that it can be written."""
        return True

    def seekable(self) -> bool:
        """Return that it has places."""
        return True

    def close(self) -> None:
        """Let go of the file."""
        if not self.closed:
            os.close(self._fd)
            super().close()


@contextmanager
def new_h5(path: Path, **options: Any) -> Iterator[tuple[Any, Output]]:
    """Return a new HDF5 file, open to be written, and what it is written through.

    Parameters
    ----------
    path : Path
    **options
        Of `h5py.File`.

    Raises
    ------
    OSError
        If there is a file of that name, or it cannot be written; in the end, not at once: call
        `Output.check` now and then.
    """
    import h5py

    with Output(path) as output:
        try:
            with h5py.File(output, "w", driver="fileobj", **options) as h5:
                yield h5, output
        except Exception:
            output.check()  # whatever libhdf5 made of it
            raise
        output.check()
