"""Look at the heaps that hold text before libhdf5 does: one that is harmed can hold it up for ever.

A global heap is a block that begins with ``GCOL``, its length, and a chain of objects each of which
says how long it is. Libhdf5 follows the chain wherever it leads, also on the spot.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

_BEGIN = b"GCOL\x01\0\0\0"
_LEAST = 4096  # bytes of a heap, and what libhdf5 reads of one at first
_MOST_SEARCHED = 1 << 16
_OBJECT = struct.Struct("<HHIQ")


class HeapWatch:
    """Looks for heaps in what is read, and at each of them once.

    Parameters
    ----------
    read : callable
        Returns bytes of the file from a position, so many of them.
    size : int
        Length of the file in bytes.
    """

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read = read
        self._size = size
        self._fine: set[int] = set()
        self._bad: dict[int, str] = {}

    def look(self, position: int, view: memoryview) -> None:
        """Look at bytes on their way to libhdf5.

        Raises
        ------
        OSError
            If they are of a heap that leads nowhere.
        """
        if len(view) <= _MOST_SEARCHED:
            data = bytes(view)
            at = data.find(_BEGIN)
            while at >= 0:
                self._check(position + at)
                at = data.find(_BEGIN, at + len(_BEGIN))
        for begin, why in self._bad.items():
            if begin <= position <= begin + _LEAST:
                raise OSError(why)

    def _check(self, begin: int) -> None:
        if begin in self._fine or begin in self._bad:
            return
        why = self._wrong(begin)
        if why:
            self._bad[begin] = f"the heap of text at byte {begin} is damaged: {why}"
        else:
            self._fine.add(begin)

    def _wrong(self, begin: int) -> str:
        head = self._read(begin, 16)
        length = int.from_bytes(head[8:16], "little")
        if length < _LEAST or begin + length > self._size:
            return f"it claims {length} bytes"
        heap = self._read(begin, length)
        at, end = 16, length - _OBJECT.size
        unpack = _OBJECT.unpack_from
        while at <= end:
            number, _, _, size = unpack(heap, at)
            step = _OBJECT.size + (size + 7 & ~7) if number else size
            if step < _OBJECT.size or at + step > length:
                return f"object {number} of it claims {size} bytes"
            at += step
        return ""
