"""The order of many numbers, faster than numpy's stable sort gives it."""

from __future__ import annotations

import bisect
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Fewer are sorted at once: then 64 bits have room for a number and its place.
_MANY = 100_000
#: Numbers that are looked at at once: little enough for the processor's cache.
_BLOCK = 1 << 16
#: If more numbers than these fall, after they were sorted by their leading digits, all are sorted
#: anew.
_FALLS = 10_000


def stable_order(values: np.ndarray[Any, Any]) -> NDArray[np.intp]:
    """Return what ``numpy.argsort(values, kind="stable")`` does, in a third of the time.

    Parameters
    ----------
    values : numpy.ndarray, shape (n,)
        Numbers; NaN comes last.

    Returns
    -------
    numpy.ndarray of int, shape (n,)

    Notes
    -----
    Each number is put before its own place, in one integer of 64 bits, and numpy sorts such
    integers many at once. Of a number with a fraction there is room for the leading digits: about
    40 bits, nanoseconds of an hour. The few that share them are looked at afterwards.
    """
    return _order(values)[0]


def stably_sorted(
    values: np.ndarray[Any, Any],
) -> tuple[NDArray[np.intp], np.ndarray[Any, Any]]:
    """Return the order of numbers, as `stable_order` does, and the numbers in it.

    Parameters
    ----------
    values : numpy.ndarray, shape (n,)

    Returns
    -------
    order, found : numpy.ndarray, shape (n,)
        ``found`` is ``values[order]``, an array of its own.
    """
    import numpy as np

    order, found = _order(values)
    return order, np.take(values, order) if found is None else found


def _order(
    values: np.ndarray[Any, Any],
) -> tuple[NDArray[np.intp], np.ndarray[Any, Any] | None]:
    """Return the order, and the numbers in it where these were needed."""
    import numpy as np

    n = len(values)
    bits = (n - 1).bit_length()
    scale = _scale(values, 64 - bits) if _MANY <= n < 1 << 32 else 0
    if not scale:
        return np.argsort(values, kind="stable"), None
    low = values.min()
    keys = np.empty(n, np.uint64)
    for start in range(0, n, _BLOCK):
        part = keys[start : start + _BLOCK]
        part[:] = _leading(values[start : start + _BLOCK], low, scale)
        part <<= np.uint64(bits)
        part |= np.arange(start, start + len(part), dtype=np.uint64)
    keys.sort()
    keys &= np.uint64((1 << bits) - 1)
    order = keys.view(np.int64)
    if values.dtype.kind != "f":
        return order, None
    found = np.take(values, order, mode="clip")  # faster: none is out of bounds
    falls = np.flatnonzero(found[1:] < found[:-1])
    if len(falls) > _FALLS:
        return np.argsort(values, kind="stable"), None

    def leading(place: int) -> int:
        return int(_leading(found[place : place + 1], low, scale)[0])

    last = 0
    for fall in falls.tolist():
        if fall < last:
            continue  # among those that the one before it has put in order
        first = bisect.bisect_left(range(n), leading(fall), key=leading)
        last = bisect.bisect_right(range(n), leading(fall), key=leading)
        inner = np.argsort(found[first:last], kind="stable")
        order[first:last] = order[first:last][inner]
        found[first:last] = found[first:last][inner]
    return order, found


def _scale(values: np.ndarray[Any, Any], room: int) -> float:
    """Return what brings numbers into so many bits; 1 for integers, 0 where nothing does."""
    low, high = values.min().item(), values.max().item()
    if values.dtype.kind in "iu":
        return 1 if high - low < 1 << room else 0
    if values.dtype.kind != "f" or not math.isfinite(high - low) or high == low:
        return 0
    scale = ((1 << min(room, 52)) - 1) / (high - low)  # what a float holds to the last digit
    return scale if math.isfinite(scale) else 0


def _leading(values: np.ndarray[Any, Any], low: Any, scale: float) -> NDArray[np.uint64]:
    """Return leading digits, which never fall where numbers rise."""
    import numpy as np

    if values.dtype.kind in "iu":
        out: NDArray[np.uint64] = values.astype(np.uint64)
        out -= low.astype(np.uint64)  # modulo 2^64: right for any sign
        return out
    out = ((values.astype(np.float64) - float(low)) * scale).astype(np.uint64)
    return out
