"""Columns with any number of values a row: one array of all, and where each row ends in it."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from fascicle.errors import NwbObjectNotFound, nearest
from fascicle.formats.nwb.claims import out_of
from fascicle.formats.nwb.tables import n_rows

if TYPE_CHECKING:
    import numpy as np

    from fascicle.formats.nwb.file import NwbFile


class Ragged(Sequence[Any]):
    """A ragged column: ``column[row]`` reads the values of one row and nothing else.

    Rows of a doubly ragged column, such as the waveforms of each spike, are lists of arrays.

    Parameters
    ----------
    file : NwbFile
    path : str
        Of the array with all values.
    indexes : sequence of str
        Paths of the arrays of ends: that of rows last.
    """

    def __init__(self, file: NwbFile, path: str, indexes: Sequence[str]) -> None:
        self._file = file
        self.path = path
        self.indexes = tuple(indexes)
        self._known: dict[int, np.ndarray[Any, Any]] = {}

    def __repr__(self) -> str:
        return f"<Ragged {self.path}, {len(self):,} rows>"

    def __len__(self) -> int:
        return self._file.facts(self.indexes[-1]).shape[0]

    @property
    def ends(self) -> np.ndarray[Any, Any]:
        """Where the values of each row end, counted in entries of the level below (n_rows,).

        Raises
        ------
        BadFileError
            If they go backwards, or beyond the values.
        """
        return self._ends(len(self.indexes) - 1)

    @property
    def values(self) -> np.ndarray[Any, Any]:
        """The values of all rows, one after another."""
        found: np.ndarray[Any, Any] = self._file.array(self.path)
        return found

    def counts(self) -> np.ndarray[Any, Any]:
        """Return the number of entries of each row, which takes no look at the values."""
        import numpy as np

        found: np.ndarray[Any, Any] = np.diff(self.ends, prepend=0)
        return found

    def all(self) -> list[Any]:
        """Return the values of all rows, as views of one array that is read at once."""
        rows: list[Any] = _split(self.values, self._ends(0))
        for level in range(1, len(self.indexes)):
            ends = self._ends(level).tolist()
            rows = [rows[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]
        return rows

    def rows(self, which: Any) -> list[Any]:
        """Return the values of some rows; those of neighbours are read at once.

        Parameters
        ----------
        which : sequence of int, or mask of shape (n_rows,)
        """
        import numpy as np

        chosen = np.asarray(which)
        if chosen.dtype == bool:
            if chosen.shape != (len(self),):
                raise IndexError(f"a mask of {chosen.shape} for {len(self)} rows of {self.path}")
            chosen = np.flatnonzero(chosen)
        numbers = [self._row(row) for row in chosen.tolist()]
        if len(self.indexes) > 1:
            return [self[row] for row in numbers]
        ends = self.ends
        found: dict[int, Any] = {}
        for run in _runs(sorted(set(numbers))):
            begin = self._begin(ends, run[0])
            block = self._file.array(self.path, slice(begin, int(ends[run[-1]])))
            found.update(zip(run, _split(block, ends[run[0] : run[-1] + 1] - begin), strict=True))
        return [found[row] for row in numbers]

    @overload
    def __getitem__(self, row: int) -> Any: ...
    @overload
    def __getitem__(self, row: slice) -> list[Any]: ...
    def __getitem__(self, row: int | slice) -> Any:
        if isinstance(row, slice):
            return self.rows(range(*row.indices(len(self))))
        row = self._row(row)
        if len(self.indexes) > 1:
            return self._nested(row)
        ends = self.ends
        return self._file.array(self.path, slice(self._begin(ends, row), int(ends[row])))

    def __iter__(self) -> Iterator[Any]:
        for row in range(len(self)):
            yield self[row]

    def _nested(self, row: int) -> list[Any]:
        """Return a row of a column that is ragged more than once."""
        spans = [(self._begin(self.ends, row), int(self.ends[row]))]
        for level in range(len(self.indexes) - 2, -1, -1):
            ends = self._ends(level)
            first, last = spans[-1]
            spans.append((self._begin(ends, first), self._begin(ends, last)))
        begin, end = spans[-1]
        rows: list[Any] = self._file.array(self.path, slice(begin, end))
        for level in range(len(self.indexes) - 1):
            first, last = spans[len(spans) - 2 - level]
            base = spans[len(spans) - 1 - level][0]
            rows = _split(rows, self._ends(level)[first:last] - base)
        return rows

    @staticmethod
    def _begin(ends: np.ndarray[Any, Any], row: int) -> int:
        return int(ends[row - 1]) if row else 0

    def _row(self, row: int) -> int:
        number, n = operator.index(row), len(self.ends)
        if not -n <= number < n:
            raise IndexError(f"row {number} of {self.path}, which has {n}")
        return number % n

    def _ends(self, level: int) -> np.ndarray[Any, Any]:
        if level not in self._known:
            path = self.indexes[level]
            below = self.indexes[level - 1] if level else self.path
            key = f"ends {path} of {below}"
            self._known[level] = self._file.keep(key, lambda: self._checked(path, below))
        return self._known[level]

    def _checked(self, path: str, below: str) -> np.ndarray[Any, Any]:
        import numpy as np

        file = self._file
        ends = file.array(path)
        if getattr(ends, "ndim", 0) != 1 or ends.dtype.kind not in "iu":
            raise out_of(file.name, path, "it is no list of whole numbers, as an index has to be")
        shape = file.facts(below).shape
        most = shape[0] if shape else 0
        if len(ends) and int(ends.max()) > most:
            raise out_of(file.name, path, f"it points to entry {ends.max()} of {below}: of {most}")
        ends = ends.astype(np.int64)
        if len(ends) and (ends[0] < 0 or np.any(ends[1:] < ends[:-1])):
            raise out_of(file.name, path, "it goes backwards, so that rows would overlap")
        ends.flags.writeable = False
        checked: np.ndarray[Any, Any] = ends
        return checked


def open_ragged(file: NwbFile, path: str, column: str) -> Ragged:
    """Return a ragged column of a table; see `NwbFile.ragged`."""
    names = set(file.names(path))
    if column not in names:
        raise NwbObjectNotFound(
            f"{file.name}: {path} has no column {column!r}",
            hint=nearest(column, file.ragged_columns(path)),
        )
    indexes = []
    name = f"{column}_index"
    while name in names:
        indexes.append(f"{path}/{name}")
        name += "_index"
    if not indexes:
        raise NwbObjectNotFound(
            f"{file.name}: {path}/{column} is not ragged: {column}_index is missing",
            hint="table() has the columns with one value a row",
        )
    ragged = Ragged(file, f"{path}/{column}", indexes)
    rows = file.facts(indexes[-1]).shape
    n = n_rows(file, path) if "id" in names else sum(rows)
    if rows != (n,):
        raise out_of(file.name, indexes[-1], f"it has the shape {rows}, and the table {n} rows")
    return ragged


def _split(values: Any, ends: np.ndarray[Any, Any]) -> list[Any]:
    stops = ends.tolist()
    return [values[a:b] for a, b in zip([0, *stops[:-1]], stops, strict=True)] if stops else []


def _runs(rows: list[int]) -> Iterator[list[int]]:
    """Yield neighbours together."""
    run: list[int] = []
    for row in rows:
        if run and row != run[-1] + 1:
            yield run
            run = []
        run.append(row)
    if run:
        yield run
