"""Unpack one chunk of a compressed recording: inflate it, and sum up its differences."""

from __future__ import annotations

import zlib
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

#: Rows that are summed up one after the other, all stretches of so many rows at once.
_STRETCH = 150


class DamagedError(ValueError):
    """Bytes that do not inflate."""


@cache
def _inflater() -> tuple[Any, type[Exception]]:
    """Return what inflates, and its error: isal where it is installed, for it is twice as fast."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib.decompressobj, zlib.error
    failed: Any = isal_zlib.IsalError
    return isal_zlib.decompressobj, failed


def inflate(data: bytes, limit: int) -> bytes:
    """Return the bytes of a zlib stream, at most ``limit`` of them.

    Parameters
    ----------
    data : bytes
    limit : int
        More than this are not unpacked, whatever the stream claims.

    Raises
    ------
    DamagedError
        The stream is no zlib stream, or not whole as its checksum tells.
    """
    begin, error = _inflater()
    try:
        found: bytes = begin().decompress(data, limit)
    except error as why:
        raise DamagedError(str(why)) from None
    return found


def summed(chunk: np.ndarray[Any, Any], *, in_time: bool, in_space: bool) -> np.ndarray[Any, Any]:
    """Return the samples of which a chunk holds the differences.

    Parameters
    ----------
    chunk : numpy.ndarray, shape (samples, channels)
        In any order in memory; it is not changed.
    in_time, in_space : bool
        Which differences were taken.

    Returns
    -------
    numpy.ndarray, shape (samples, channels)
        One sample after the other in memory.
    """
    if in_space:
        chunk = np.cumsum(chunk, axis=1, dtype=chunk.dtype)
    if not in_time:
        return np.ascontiguousarray(chunk)
    # Integers wrap around just as the differences did, in whatever order they are added; floats
    # are rounded at each step, so that only one order is right.
    if chunk.dtype.kind not in "iu" or len(chunk) < 2 * _STRETCH:
        return np.ascontiguousarray(np.cumsum(chunk, axis=0, dtype=chunk.dtype))
    out = np.array(chunk, order="C")
    whole = len(out) // _STRETCH
    stretches = out[: whole * _STRETCH].reshape(whole, _STRETCH, -1)
    for i in range(1, _STRETCH):  # many channels and stretches at once: as fast as memory is
        np.add(stretches[:, i], stretches[:, i - 1], out=stretches[:, i])
    for before, stretch in pairwise(stretches):
        stretch += before[-1]
    rest = out[whole * _STRETCH - 1 :]
    np.cumsum(rest, axis=0, dtype=out.dtype, out=rest)
    return out
