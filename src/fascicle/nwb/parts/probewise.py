"""Columns of the tables that hold several probes, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fascicle.nwb.writing.chunks import fitting

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Whole numbers up to here are floats without loss.
_EXACT = 1 << 53


@dataclass(slots=True)
class Column:
    """One column in the making.

    Attributes
    ----------
    name, description : str
    dtype : str
        As it is to be written; empty for the type of its values.
    index : bool
        Whether whole numbers are numbers of rows, so that -1 says that there is none.
    pieces : dict
        Label of a probe to the values of its rows.
    """

    name: str
    description: str
    dtype: str = ""
    index: bool = False
    pieces: dict[str, NDArray[Any]] = field(default_factory=dict)

    def takes(self, values: NDArray[Any]) -> bool:
        """Return whether a probe's values can stand in one column with those that it has."""
        import numpy as np

        if not self.pieces:
            return True
        mine = next(iter(self.pieces.values()))
        if mine.shape[1:] != values.shape[1:] or is_text(mine) != is_text(values):
            return False
        if is_text(mine) or mine.dtype == values.dtype:
            return True
        both = np.result_type(mine.dtype, values.dtype)
        if "b" in (mine.dtype.kind, values.dtype.kind):
            return False
        return both.kind in "iu" or (_whole(mine) and _whole(values))

    def whole(self, rows: Sequence[tuple[str, int]]) -> Any:
        """Return the values of all probes, those that have none filled up.

        Parameters
        ----------
        rows : sequence of (label, number of rows)

        Returns
        -------
        numpy.ndarray or list of str
            Missing numbers are NaN, -1 or 0; missing texts are empty.
        """
        import numpy as np

        pieces = [self.pieces.get(label) for label, _ in rows]
        some = next(piece for piece in pieces if piece is not None)
        if is_text(some):
            return [
                word
                for (_, n), piece in zip(rows, pieces, strict=True)
                for word in ([""] * n if piece is None else [str(v) for v in piece])
            ]
        fill: Any = None
        held = [piece for piece in pieces if piece is not None]
        dtype = np.result_type(*(piece.dtype for piece in held))
        if any(piece is None and n for (_, n), piece in zip(rows, pieces, strict=True)):
            dtype, fill = _with_missing(dtype, held, index=self.index)
        filled = [
            np.full((n, *some.shape[1:]), fill, dtype) if piece is None else piece
            for (_, n), piece in zip(rows, pieces, strict=True)
            if n
        ]
        if not filled:
            return np.zeros((0, *some.shape[1:]), self.dtype or dtype)
        out = filled[0] if len(filled) == 1 else np.concatenate(filled)
        if not self.dtype or out.dtype.kind not in "fiub":
            return out.astype(dtype, copy=False)
        return fitting(out, np.dtype(self.dtype), "a column of the table")


def _with_missing(
    dtype: np.dtype[Any], held: Sequence[NDArray[Any]], *, index: bool
) -> tuple[Any, Any]:
    """Return the type of a column in which some values are missing, and what stands for these."""
    import numpy as np

    if dtype.kind in "fc":
        return dtype, np.nan
    if index:
        return np.result_type(dtype, np.int8), -1
    if all(map(_whole, held)):
        return np.dtype(np.float64), np.nan
    return dtype, 0


def _whole(values: NDArray[Any]) -> bool:
    """Return whether all values can be float64 without loss."""
    if values.dtype.kind in "fb" or values.dtype.itemsize <= 4 or not values.size:
        return True
    return int(values.max()) <= _EXACT and int(values.min()) >= -_EXACT


def is_text(values: NDArray[Any]) -> bool:
    """Return whether an array holds texts."""
    return values.dtype.kind in "OUST"


def storable(values: Any) -> bool:
    """Return whether an array can be a column: plain numbers, truth values, texts."""
    import numpy as np

    if not isinstance(values, np.ndarray) or values.ndim == 0:
        return False
    if values.dtype.kind in "biuf":
        return bool(values.dtype.itemsize <= 8)
    if values.dtype.kind in "UT":
        return values.ndim == 1
    texts = values.dtype == object and values.ndim == 1
    return bool(texts) and all(isinstance(v, str) for v in values)


def plain(values: Any) -> Any:
    """Return what a dataset holds as an array of one row each, if it is a column or an array."""
    import numpy as np

    if type(values).__name__ == "Series":
        values = values.to_numpy()
        if values.dtype.kind not in "biuf":
            texts = [v if isinstance(v, str) else "" if v is None or v != v else v for v in values]
            values = np.array(texts, dtype=object)
    return values


class Columns:
    """The columns of a table that holds several probes."""

    def __init__(self) -> None:
        self._columns: dict[str, Column] = {}
        self._rows: dict[str, int] = {}

    def rows(self, label: str, n: int) -> None:
        """Say how many rows a probe has; in the order of the table."""
        self._rows[label] = n

    def add(
        self,
        name: str,
        label: str,
        values: NDArray[Any],
        description: str,
        *,
        dtype: str = "",
        index: bool = False,
    ) -> str:
        """Add the values of a probe's rows.

        Returns
        -------
        str
            The name of the column: with the label of the probe where its values cannot stand
            beside those of others.
        """
        if len(values) != self._rows[label]:
            raise ValueError(f"{name}: {len(values)} values for {self._rows[label]} rows")
        column = self._columns.get(name)
        if column is not None and (label in column.pieces or not column.takes(values)):
            return self.add(f"{name}_{label}", label, values, description, dtype=dtype, index=index)
        if column is None:
            column = self._columns[name] = Column(name, description, dtype, index)
        column.pieces[label] = values
        return name

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def of(self, name: str, label: str) -> NDArray[Any] | None:
        """Return what a column has for a probe."""
        column = self._columns.get(name)
        return None if column is None else column.pieces.get(label)

    def made(self) -> list[tuple[Column, Any]]:
        """Return the columns and the values of all their rows."""
        rows = list(self._rows.items())
        return [(column, column.whole(rows)) for column in self._columns.values()]
