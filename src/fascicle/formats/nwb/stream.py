"""Where the bytes of a file come from, and what each read of libhdf5's passes through.

All reads go this way, those of a file of this machine too: they are looked at before libhdf5 sees
them, errors are kept that it would forget, and a fork disturbs nobody.
"""

from __future__ import annotations

import os
import threading
from typing import Any, BinaryIO, Protocol, cast

from fascicle.formats.nwb.collecting import no_collecting
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
        with no_collecting(), self._lock:
            self.stream.seek(position)
            return int(cast(Any, self.stream).readinto(view) or 0)

    def close(self) -> None:
        """Close the file."""
        self.stream.close()


def read_bytes(source: Bytes, position: int, n: int) -> bytes:
    """Return bytes of a file from a position, so many of them.

    Raises
    ------
    OSError
        If it ends before.
    """
    if not 0 <= position <= position + n <= source.size:
        raise OSError(f"the file has {source.size} bytes, none at {position + n}")
    out = bytearray(n)
    fill(source, position, memoryview(out))
    return bytes(out)


def fill(source: Bytes, position: int, view: memoryview) -> None:
    """Read into a buffer until it is full.

    Raises
    ------
    OSError
        If the file ends before.
    """
    done = 0
    while done < len(view):
        n = source.read_at(position + done, view[done : done + _MOST_AT_ONCE])
        if not n:
            raise OSError(f"the file ends {len(view) - done} bytes before what it describes")
        done += n


class Watched:
    """A file as h5py takes one: each read is whole, or an error that is kept.

    Parameters
    ----------
    source : Bytes
    trouble : Trouble
        Where errors are kept.
    """

    def __init__(self, source: Bytes, trouble: Trouble) -> None:
        self._source = source
        self._trouble = trouble
        self._position = 0
        self._heaps = HeapWatch(lambda at, n: read_bytes(source, at, n), source.size)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a position; return it."""
        self._position = offset if whence == os.SEEK_SET else self._source.size + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def read(self, n: int) -> bytes:
        """Return bytes from the position on: how h5py knows a file from a name."""
        return read_bytes(self._source, self._position, n)

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from the position on."""
        try:
            view = memoryview(buffer).cast("B")
            fill(self._source, self._position, view)
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
