"""Arrays of a file that were the columns of one: read together, where they are indexed."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from fascicle.errors import BadFileError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.formats.nwb.alf import AlfView, Offer
    from fascicle.formats.nwb.file import NwbFile

_STEP = 1 << 15  # rows that are read together where rows are chosen one by one


class Part(NamedTuple):
    """Some columns of the whole.

    Attributes
    ----------
    path : str
        The array that has them.
    columns : ndarray of int
        Which of the whole its columns are.
    """

    path: str
    columns: NDArray[np.intp]


class SideBySide:
    """Several arrays of a file as the columns of one, of which only what is indexed is read.

    A raw recording is in a file as the voltages of its channels and the digital words apart; this
    is what its ``.cbin`` file had: samples and all channels. It is indexed as a numpy array of two
    dimensions, but that two vectors, of rows and of columns, choose all pairs of them.

    Parameters
    ----------
    file : NwbFile
    parts : list of Part
    shape : tuple of int
        Rows and columns.
    dtype : numpy.dtype
        What the values are given as; of the same size as they are stored: not changed, but named
        so (a digital word is an int16 in one file and a uint16 in the other).
    """

    ndim = 2

    def __init__(
        self, file: NwbFile, parts: list[Part], shape: tuple[int, int], dtype: np.dtype[Any]
    ) -> None:
        self._file = file
        self._parts = parts
        self.shape = shape
        self.dtype = dtype

    @property
    def size(self) -> int:
        """Number of values."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """Bytes of memory that all of it takes."""
        return self.size * self.dtype.itemsize

    @property
    def chunk_length(self) -> int:
        """Rows that are unpacked together: whoever goes through all takes them so."""
        chunks = self._file.dataset(self._parts[0].path).chunks if self._parts else None
        return int(chunks[0]) if chunks else 1

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"<{self._file.name}: {self.shape[0]} rows x {self.shape[1]} columns {self.dtype}>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """Return all of it: mind `nbytes`."""
        found = self._rows(0, len(self))
        return found if dtype is None else found.astype(dtype, copy=False)

    def __getitem__(self, key: Any) -> Any:
        """Return values; only the rows that are asked for are read.

        Parameters
        ----------
        key : int, slice, array, or a pair of them
            Rows, and columns; arrays are of indices or booleans.

        Returns
        -------
        numpy.ndarray or scalar

        Raises
        ------
        IndexError
            Outside of it.
        BadFileError
            If the file is harmed.
        """
        import numpy as np

        rows, columns = key if isinstance(key, tuple) and len(key) == 2 else (key, slice(None))
        if isinstance(key, tuple) and len(key) != 2:
            raise IndexError("it has two dimensions: rows and columns")
        rows, columns = (slice(None) if k is Ellipsis else k for k in (rows, columns))
        if isinstance(rows, slice):
            found = range(len(self))[rows]
            if not found:
                return np.empty((0, self.shape[1]), self.dtype)[:, columns]
            first, last = min(found[0], found[-1]), max(found[0], found[-1])
            block = self._rows(first, last + 1)[:: abs(found.step)]
            return (block[::-1] if found.step < 0 else block)[:, columns]
        if np.ndim(rows) == 0 and not isinstance(rows, bool | np.bool_):
            at = operator.index(rows)
            at += len(self) if at < 0 else 0
            if not 0 <= at < len(self):
                raise IndexError(f"row {at} of {len(self)}")
            return self._rows(at, at + 1)[0][columns]
        return self._chosen(np.asarray(rows))[:, columns]

    def _chosen(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return rows by number or by a mask, those that lie near each other read together."""
        import numpy as np

        if rows.dtype == bool:
            if rows.shape != (len(self),):
                raise IndexError(f"a mask of the shape {rows.shape} for {len(self)} rows")
            rows = np.flatnonzero(rows)
        rows = rows.astype(np.int64) if rows.size else np.empty(0, np.int64)
        rows = np.where(rows < 0, rows + len(self), rows)
        if rows.ndim != 1 or (rows.size and (rows.min() < 0 or rows.max() >= len(self))):
            raise IndexError(f"rows outside of {len(self)}")
        out = np.empty((len(rows), self.shape[1]), self.dtype)
        for number in np.unique(rows // _STEP).tolist():
            here = rows // _STEP == number
            first, last = int(rows[here].min()), int(rows[here].max())
            out[here] = self._rows(first, last + 1)[rows[here] - first]
        return out

    def _rows(self, start: int, stop: int) -> NDArray[Any]:
        import numpy as np

        out = np.empty((stop - start, self.shape[1]), self.dtype)
        for part in self._parts:
            found = np.asarray(self._file.array(part.path, slice(start, stop)))
            whole = {found.dtype.kind, self.dtype.kind} <= {"i", "u"}
            if whole and found.dtype.itemsize == self.dtype.itemsize:
                found = found.view(self.dtype)
            out[:, _span(part.columns)] = found.reshape(len(out), -1)
        return out


def _span(columns: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Return columns that follow each other as a slice, which is ten times as fast."""
    first, n = int(columns[0]) if len(columns) else 0, len(columns)
    follow = bool((columns[1:] - columns[:-1] == 1).all())
    return slice(first, first + n) if follow else columns


def side_by_side(view: AlfView, offer: Offer) -> SideBySide:
    """Return arrays as the columns of one: array k of the names has ``columns[k]`` of it.

    These are the first column and the one after the last, or all of them as ``{"at": [3, 5]}``.
    """
    import numpy as np

    said = offer.value
    if said is None:
        raise ValueError("only records name this rule")
    parts = []
    for name, where in zip(said.names, said.options["columns"], strict=True):
        columns = np.asarray(where["at"]) if isinstance(where, dict) else np.arange(*where)
        parts.append(Part(f"{said.at}/{name}" if said.at else name, columns))
    return _whole(view, offer, parts)


def raw(view: AlfView, offer: Offer) -> SideBySide:
    """Return the voltages of a series and the digital words of ``sync`` as one array.

    Channel k is column ``order[k]`` of both of them side by side; in their order without one.
    """
    import numpy as np

    said = offer.value
    if said is None:
        raise ValueError("only records name this rule")
    paths = [f"{said.at}/{name}" for name in said.names]
    paths += [str(said.options["sync"])] if "sync" in said.options else []
    widths = [(*view.file.facts(path).shape, 1)[1] for path in paths]
    order = np.asarray(said.options.get("order", range(sum(widths))))
    if sorted(order.tolist()) != list(range(sum(widths))):
        raise BadFileError(
            f"{view.file.name}: the order of the channels of {offer.path} is none of "
            f"{sum(widths)} columns"
        )
    places = np.argsort(order)
    ends = np.cumsum(widths).tolist()
    parts = [
        Part(path, places[end - width : end])
        for path, end, width in zip(paths, ends, widths, strict=True)
    ]
    return _whole(view, offer, parts)


def _whole(view: AlfView, offer: Offer, parts: list[Part]) -> SideBySide:
    """Return parts side by side if each fits, and together they are the whole.

    Raises
    ------
    BadFileError
        If they do not.
    """
    import numpy as np

    said = offer.value
    if said is None or said.shape is None or len(said.shape) != 2:
        raise BadFileError(f"{view.file.name}: the record of {offer.path} has no shape")
    n, width = said.shape
    for path, columns in parts:
        shape = view.file.facts(path).shape
        flat = len(shape) == 1 and columns.shape == (1,)
        if columns.ndim != 1 or not (shape == (n, len(columns)) or (flat and shape == (n,))):
            raise BadFileError(
                f"{view.file.name}: /{path} of the shape {shape} is no part of {offer.path}, "
                f"which has the shape {said.shape}",
                hint="the file may be damaged: get it again",
            )
    taken = [column for part in parts for column in part.columns.tolist()]
    if sorted(taken) != list(range(width)):
        raise BadFileError(f"{view.file.name}: the columns of {offer.path} are not all there")
    return SideBySide(view.file, parts, (n, width), np.dtype(said.dtype or "<i2"))


def flat(view: AlfView, offer: Offer) -> NDArray[Any]:
    """Return an array as one of one dimension."""
    found: NDArray[Any] = view.values(offer).reshape(-1)
    return found


def stacked(view: AlfView, offer: Offer) -> NDArray[Any]:
    """Return several arrays as one of a dimension more."""
    import numpy as np

    return np.stack([view.values(offer, name) for name in offer.place.names], axis=_axis(offer, 1))


def joined(view: AlfView, offer: Offer) -> NDArray[Any]:
    """Return several arrays one after the other."""
    import numpy as np

    parts = [view.values(offer, name) for name in offer.place.names]
    return np.concatenate(parts, axis=_axis(offer, 0))


def _axis(offer: Offer, default: int) -> int:
    said = offer.value.options if offer.value is not None else {}
    return int(said.get("axis", default))


#: Rules that records alone name.
PUT_TOGETHER: dict[str, Callable[[AlfView, Offer], Any]] = {
    function.__name__: function for function in (flat, joined, raw, side_by_side, stacked)
}
