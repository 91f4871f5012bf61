"""Where the bytes of a file come from, and what each read of libhdf5's passes through.

All reads go this way, those of a file of this machine too: they are looked at before libhdf5 sees
them, errors are kept that it would forget, and a fork disturbs nobody.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, BinaryIO, Protocol, cast

from fascicle.formats.nwb.guard import Trouble
from fascicle.formats.nwb.heaps import HeapWatch

_MOST_AT_ONCE = 1 << 30  # bytes; systems bound a single read


class Bytes(Protocol):
    """The bytes of an open file."""

    size: int

    def read_at(self, position: int, view: memoryview) -> int:
        """Read into a buffer; return how many bytes there were."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class PathBytes:
    """The bytes of a file of this machine.

    Parameters
    ----------
    path : str
    """

    def __init__(self, path: str) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - lives as long as it is open
        self._fd = self._file.fileno()
        self._lock = threading.Lock()
        self.size = os.fstat(self._fd).st_size

    def read_at(self, position: int, view: memoryview) -> int:
        """Read into a buffer; return how many bytes there were."""
        if hasattr(os, "preadv"):  # needs no position, which a fork would share
            return os.preadv(self._fd, [view], position)
        with self._lock:
            self._file.seek(position)
            return int(cast(Any, self._file).readinto(view) or 0)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class StreamBytes:
    """The bytes of a file that somebody else opened.

    Parameters
    ----------
    stream : file
        Open for reading in binary, and seekable.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self._lock = threading.Lock()
        self.size = stream.seek(0, os.SEEK_END)

    def read_at(self, position: int, view: memoryview) -> int:
        """Read into a buffer; return how many bytes there were."""
        with self._lock:
            self.stream.seek(position)
            return int(cast(Any, self.stream).readinto(view) or 0)

    def close(self) -> None:
        """Close the file."""
        self.stream.close()


class Watched:
    """A file as h5py takes one: each read is whole, or an error that is kept.

    Parameters
    ----------
    source : Bytes
    trouble : Trouble
        Where errors are kept.
    """

    def __init__(self, source: Bytes, trouble: Trouble) -> None:
        self._read_at: Callable[[int, memoryview], int] = source.read_at
        self._size = source.size
        self._trouble = trouble
        self._position = 0
        self._heaps = HeapWatch(self._bytes, source.size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; return it."""
        self._position = offset if whence == os.SEEK_SET else self._size + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def read(self, n: int) -> bytes:
        """Return bytes from the position on: how h5py knows a file from a name."""
        return self._bytes(self._position, n)

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from the position on."""
        try:
            view = memoryview(buffer).cast("B")
            self._fill(self._position, view)
            self._heaps.look(self._position, view)
        except BaseException as error:
            self._trouble.error = error
            raise
        return len(view)

    def write(self, _: object) -> int:
        """Refuse: the file is open for reading."""
        raise OSError("the file is open for reading")

    def truncate(self, _: object = None) -> int:
        """Refuse: the file is open for reading."""
        raise OSError("the file is open for reading")

    def flush(self) -> None:
        """Nothing is written."""

    def _bytes(self, position: int, n: int) -> bytes:
        out = bytearray(n)
        self._fill(position, memoryview(out))
        return bytes(out)

    def _fill(self, position: int, view: memoryview) -> None:
        done = 0
        while done < len(view):
            n = self._read_at(position + done, view[done : done + _MOST_AT_ONCE])
            if not n:
                raise OSError(f"the file ends {len(view) - done} bytes before what it describes")
            done += n
