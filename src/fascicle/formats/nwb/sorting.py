"""The order of many numbers, faster than a stable sort gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Fewer are sorted at once.
_MANY = 100_000


def stable_order(values: np.ndarray[Any, Any]) -> NDArray[np.intp]:
    """Return what ``numpy.argsort(values, kind="stable")`` does, in half the time.

    Parameters
    ----------
    values : numpy.ndarray, shape (n,)
        Numbers; NaN comes last.

    Returns
    -------
    numpy.ndarray of int, shape (n,)

    Notes
    -----
    Numpy's other sort works on many numbers at once, but leaves equal ones in any order. Of times
    few are equal, and these are put in order afterwards.
    """
    import numpy as np

    n = len(values)
    if n < _MANY or n >= 1 << 31:
        return np.argsort(values, kind="stable")
    order = np.argsort(values)
    found = values[order]
    same = found[1:] == found[:-1]
    if values.dtype.kind == "f" and np.isnan(found[-1]):  # none is equal to another
        same |= np.isnan(found[:-1])
    if not same.any():
        return order
    tied = np.zeros(n, bool)
    tied[1:] |= same
    tied[:-1] |= same
    group = np.cumsum(np.concatenate([[True], ~same]), dtype=np.int64)[tied]
    order[tied] = np.sort((group << 32) | order[tied]) & 0xFFFFFFFF
    return order
