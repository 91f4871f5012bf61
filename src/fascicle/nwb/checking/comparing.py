"""Whether two values of any kind that ALF has are the same, and where they are not."""

from __future__ import annotations

import filecmp
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

#: Bytes of an array in memory that are compared at a time: little enough for the processor's cache.
BLOCK = 1 << 20
#: The same of arrays that are unpacked as they are indexed, in chunks of some megabytes: so that of
#: a recording of any length little is in memory.
UNPACKED = 16 << 20

#: Bytes from which on a file is read rather than mapped.
_MAPPED = 128 << 20

#: How far values that were scaled may be off, relative to what they should be, by their bytes.
TOLERANCES = {8: 1e-12, 4: 1e-6, 2: 2e-3}


def difference(
    expected: Any, found: Any, *, rtol: float = 0.0, columns: Mapping[str, float] | None = None
) -> str:
    """Return in words how two values differ; empty where they do not.

    Parameters
    ----------
    expected : object
        As `fascicle.load.load_file` returns it.
    found : object
    rtol : float
        How far numbers with a fraction may be off, relative to what they should be; 0 for not at
        all. NaN is like NaN.
    columns : mapping, optional
        The same for columns of a table that have one of their own.

    Returns
    -------
    str
    """
    import pandas as pd

    if isinstance(expected, os.PathLike):
        return _file(os.fspath(expected), found)
    if isinstance(expected, pd.DataFrame):
        return _frame(expected, found, rtol, columns or {})
    if isinstance(expected, pd.Series):
        if not isinstance(found, pd.Series):
            return _kinds(expected, found)
        own = next(iter((columns or {}).values()), rtol)
        named = "" if expected.name == found.name else f"it is called {found.name!r}"
        return named or _index(expected.index, found.index) or _column(expected, found, own)
    if hasattr(expected, "tocoo"):
        return _sparse(expected, found, rtol)
    if hasattr(expected, "shape") and hasattr(expected, "dtype"):
        if not (hasattr(found, "shape") and hasattr(found, "dtype")):
            return _kinds(expected, found)
        return array_difference(expected, found, rtol=rtol)
    return _plain(expected, found)


def array_difference(expected: Any, found: Any, *, rtol: float = 0.0) -> str:
    """Return in words how two arrays differ, compared block by block.

    Parameters
    ----------
    expected, found : array-like
        With shape, dtype and rows that can be sliced; they need not be in memory.
    rtol : float
        As in `difference`.
    """
    import numpy as np

    if tuple(expected.shape) != tuple(found.shape):
        return f"its shape is {_shape(found)}, not {_shape(expected)}"
    if np.dtype(expected.dtype) != np.dtype(found.dtype):
        return f"its type is {found.dtype}, not {expected.dtype}"
    if not expected.shape:
        one, other = np.asarray(expected).reshape(1), np.asarray(found).reshape(1)
        return "" if _same(one, other, rtol).all() else f"it is {other[0]!r}, not {one[0]!r}"
    per_row = max(math.prod(expected.shape[1:]) * np.dtype(expected.dtype).itemsize, 1)
    expected = _unmapped(expected)
    held = isinstance(expected, np.ndarray) and isinstance(found, np.ndarray)
    step = max(1, (BLOCK if held else UNPACKED) // per_row)
    chunks = [int(getattr(a, "chunk_length", 1)) for a in (expected, found)]
    step = max(1, step // max(chunks)) * max(chunks)  # what is unpacked as a whole
    n_bad, first = 0, ""
    for start in range(0, expected.shape[0], step):
        one, other = (np.asarray(a[start : start + step]) for a in (expected, found))
        same = _same(one, other, rtol)
        if same.all():
            continue
        bad = np.argwhere(~same)
        n_bad += len(bad)
        if not first:
            at = tuple(bad[0].tolist())
            place = (start + at[0], *at[1:])
            where = str(place[0]) if len(place) == 1 else str(place)
            first = f"at {where} it is {other[at]!r}, not {one[at]!r}"
    return f"{n_bad:,} of {math.prod(expected.shape):,} values differ: {first}" if n_bad else ""


@dataclass(frozen=True, slots=True)
class _FileRows:
    """An array in a file, of which rows are read as they are indexed.

    A file that is mapped into memory as a whole takes, once all of it was looked at, as much memory
    as it is long.
    """

    file: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        import numpy as np

        start, stop, _ = rows.indices(self.shape[0])
        per_row = math.prod(self.shape[1:])
        at = self.offset + start * per_row * self.dtype.itemsize
        found = np.fromfile(self.file, self.dtype, (stop - start) * per_row, offset=at)
        return found.reshape(stop - start, *self.shape[1:])


def _unmapped(values: Any) -> Any:
    """Return a large array that is mapped from a file as one that is read from it."""
    import numpy as np

    if not isinstance(values, np.memmap) or values.nbytes < _MAPPED:
        return values
    size, plain = os.path.getsize(str(values.filename)), values.flags.c_contiguous
    if not plain or not values.filename or values.offset + values.nbytes != size:
        return values
    return _FileRows(str(values.filename), values.dtype, values.shape, values.offset)


def _same(one: NDArray[Any], other: NDArray[Any], rtol: float) -> NDArray[Any]:
    """Return for each value whether it is the same."""
    import numpy as np

    if one.dtype.kind in "OV":
        flat = [_plain(a, b) == "" for a, b in zip(one.reshape(-1), other.reshape(-1), strict=True)]
        return np.array(flat, dtype=bool).reshape(one.shape)
    if one.dtype.kind in "fc" and _same_bits(one, other):
        return np.ones(1, dtype=bool)
    same: NDArray[Any] = one == other
    if one.dtype.kind in "fcmM" and not same.all():
        same |= (one != one) & (other != other)  # NaN and NaT
        if rtol and one.dtype.kind == "f":
            same |= _near(one, other, rtol)
    return same


def _near(one: NDArray[Any], other: NDArray[Any], rtol: float) -> NDArray[Any]:
    import numpy as np

    tiny = float(np.finfo(one.dtype).tiny)  # below it numbers lose digits
    wide, wider = (values.astype("f8", copy=False) for values in (one, other))
    with np.errstate(invalid="ignore", over="ignore"):
        off = wide - wider
        np.abs(off, out=off)
        most = np.abs(wide)
        most *= rtol
        most += tiny
        near: NDArray[Any] = off <= most
        near &= np.isfinite(wide)
        near &= np.isfinite(wider)
    return near


def _same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether arrays are the same to the last bit, which is quick to see."""
    import numpy as np

    if not (one.flags.c_contiguous and other.flags.c_contiguous) or one.dtype.itemsize > 8:
        return False
    size = np.dtype(f"u{one.dtype.itemsize}")
    return bool(np.array_equal(one.reshape(-1).view(size), other.reshape(-1).view(size)))


def _frame(expected: pd.DataFrame, found: Any, rtol: float, columns: Mapping[str, float]) -> str:
    import pandas as pd

    if not isinstance(found, pd.DataFrame):
        return _kinds(expected, found)
    if list(expected.columns) != list(found.columns):
        return f"its columns are {list(found.columns)}, not {list(expected.columns)}"
    if wrong := _index(expected.index, found.index):
        return wrong
    for i, name in enumerate(expected.columns):
        one, other = expected.iloc[:, i], found.iloc[:, i]
        if wrong := _column(one, other, columns.get(str(name), rtol)):
            return f"column {name}: {wrong}"
    return ""


def _index(expected: pd.Index, found: pd.Index) -> str:
    if list(expected.names) != list(found.names) or len(expected) != len(found):
        return f"its index is {list(found.names)} of {len(found):,} rows"
    return "" if expected.equals(found) else "its index has other values"


def _column(expected: pd.Series, found: pd.Series, rtol: float) -> str:
    import numpy as np

    if expected.dtype != found.dtype:
        return f"its type is {found.dtype}, not {expected.dtype}"
    if isinstance(expected.dtype, np.dtype) and expected.dtype.kind != "O":
        return array_difference(expected.to_numpy(), found.to_numpy(), rtol=rtol)
    missing, gone = expected.isna().to_numpy(), found.isna().to_numpy()
    if not np.array_equal(missing, gone):
        return f"{int((missing != gone).sum()):,} of {len(expected):,} values are there or missing"
    if not isinstance(expected.dtype, np.dtype) and expected.array.equals(found.array):
        return ""
    pairs = zip(expected.array[~missing], found.array[~missing], strict=True)
    rows = np.flatnonzero(~missing)
    wrong = ((i, w) for i, (one, other) in enumerate(pairs) if (w := _plain(one, other)))
    return next((f"in row {rows[i]} {text}" for i, text in wrong), "")


def _sparse(expected: Any, found: Any, rtol: float) -> str:
    if not hasattr(found, "tocoo") or expected.shape != found.shape:
        return _kinds(expected, found)
    one, other = expected.tocsr().tocoo(), found.tocsr().tocoo()
    for part in ("row", "col", "data"):
        if wrong := array_difference(getattr(one, part), getattr(other, part), rtol=rtol):
            return f"{part}: {wrong}"
    return ""


def _file(expected: str, found: Any) -> str:
    """Compare the bytes of a file with those of another, or of an array."""
    import numpy as np

    if isinstance(found, bytes):
        found = np.frombuffer(found, "u1")
    if isinstance(found, (str, os.PathLike)):
        other = os.fspath(found)
        if not os.path.exists(other):
            return f"there is no file {other}"
        same = os.path.samefile(expected, other) or filecmp.cmp(expected, other, shallow=False)
        return "" if same else "its bytes are others"
    if isinstance(found, bytes):
        with open(expected, "rb") as file:
            return "" if file.read() == found else "its bytes are others"
    if not (hasattr(found, "shape") and hasattr(found, "dtype")):
        return _kinds(expected, found)
    size = os.path.getsize(expected)
    n_bytes = math.prod(found.shape) * np.dtype(found.dtype).itemsize
    if size != n_bytes:
        return f"it has {n_bytes:,} bytes, not {size:,}"
    if not size:
        return ""
    rows = _FileRows(expected, np.dtype(found.dtype), tuple(found.shape), 0)
    return array_difference(rows, found)


def _plain(expected: Any, found: Any) -> str:
    """Compare plain values, and what holds them."""
    if isinstance(expected, Mapping):
        if not isinstance(found, Mapping) or list(expected) != list(found):
            return "its keys are others"
        return next((w for key in expected if (w := difference(expected[key], found[key]))), "")
    if isinstance(expected, (list, tuple)):
        if not isinstance(found, type(expected)) or len(expected) != len(found):
            return "its length is another"
        pairs = zip(expected, found, strict=True)
        return next((wrong for one, other in pairs if (wrong := difference(one, other))), "")
    if hasattr(expected, "shape") and hasattr(expected, "dtype") and expected.shape:
        return difference(expected, found)
    if type(expected) is not type(found):
        return _kinds(expected, found)
    if expected is None or expected == found or (expected != expected and found != found):
        return ""
    return f"it is {str(found)[:60]!r}, not {str(expected)[:60]!r}"


def _kinds(expected: Any, found: Any) -> str:
    return f"it is a {type(found).__name__}, not a {type(expected).__name__}"


def _shape(value: Any) -> str:
    return " x ".join(f"{n:,}" for n in value.shape) or "a single value"
