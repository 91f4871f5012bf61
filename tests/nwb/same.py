"""What came back of a conversion against what went in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.testing import assert_frame_equal, assert_series_equal

from fascicle.load import CbinArray

#: How far a float may be from what it was, where NWB has it in another unit: relative.
DOUBLE, SINGLE = 1e-12, 1e-6


def difference(found: Any, wanted: Any) -> str:
    """Return how what came back differs from what went in; empty where it does not.

    Integers, flags and text are the same, and so is the type of everything; floats are the same
    but for the rounding of another unit. What is a file is the same file.
    """
    if isinstance(wanted, pd.DataFrame | pd.Series):
        return _of_tables(found, wanted)
    if isinstance(wanted, np.ndarray):
        return _of_arrays(np.asarray(found), wanted)
    if isinstance(wanted, CbinArray):
        same = (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
        return "" if same and np.array_equal(found[:], wanted[:]) else "another recording"
    if isinstance(wanted, Path):
        return "" if Path(found).read_bytes() == wanted.read_bytes() else "another file"
    if isinstance(wanted, dict) and any(isinstance(v, np.ndarray) for v in wanted.values()):
        if list(found) != list(wanted):
            return f"the arrays {list(found)}, and not {list(wanted)}"
        return "; ".join(filter(None, (difference(found[k], wanted[k]) for k in wanted)))
    same = type(found) is type(wanted) and repr(found) == repr(wanted)  # NaN among them
    return "" if same else f"{found!r:.200}, and not {wanted!r:.200}"


def _of_arrays(found: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> str:
    if (found.dtype, found.shape) != (wanted.dtype, wanted.shape):
        return f"{found.dtype} {found.shape}, and not {wanted.dtype} {wanted.shape}"
    nan = wanted.dtype.kind in "fcmM"
    if np.array_equal(found, wanted, equal_nan=nan):
        return ""
    near = SINGLE if wanted.dtype == np.float32 else DOUBLE
    floats = wanted.dtype.kind == "f" and wanted.dtype.itemsize in (4, 8)
    if floats and np.allclose(found, wanted, rtol=near, atol=0, equal_nan=True):
        return ""
    return f"{found.reshape(-1)[:6]}, and not {wanted.reshape(-1)[:6]}"


def _of_tables(found: Any, wanted: Any) -> str:
    check: Any = assert_frame_equal if isinstance(wanted, pd.DataFrame) else assert_series_equal
    if type(found) is not type(wanted):
        return f"a {type(found).__name__}, and not a {type(wanted).__name__}"
    try:
        check(found, wanted, rtol=DOUBLE, atol=0)
    except AssertionError as error:
        return str(error)
    for name in wanted if isinstance(wanted, pd.DataFrame) else ():
        if wanted[name].dtype.kind in "biuO" and not wanted[name].equals(found[name]):
            return f"column {name} differs"  # no tolerance for these
    return ""


def is_time(path: str) -> bool:
    """Return whether a dataset is one of times, which are never scaled."""
    name = path.rpartition("/")[2]
    return any(f".{word}" in name or f"_{word}" in name for word in ("times", "intervals"))
