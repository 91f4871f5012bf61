"""A column of a table by the ids of its rows, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fascicle.errors import BadFileError, NwbObjectNotFound, nearest

if TYPE_CHECKING:
    import numpy as np

    from fascicle.formats.nwb import Array, NwbFile, Ragged


class Rows(Mapping[Any, Any]):
    """A column of a table: ``column[id]`` reads what belongs to one row, and nothing else.

    Parameters
    ----------
    file : NwbFile
    path : str
        Of the table.
    column : str
        A ragged one, or one with many values a row.
    ragged : bool, optional
        Which of the two; looked up unless given.

    Raises
    ------
    NwbObjectNotFound, BadFileError
        If there is none.
    """

    def __init__(
        self, file: NwbFile, path: str, column: str, *, ragged: bool | None = None
    ) -> None:
        self._file = file
        self._path = path
        self.name = column
        self._fits: dict[Any, int] = {}  # once it was seen that there is an entry for each row
        self.rows: Ragged | Array
        if column in file.ragged_columns(path) if ragged is None else ragged:
            self.rows = file.ragged(path, column)
        else:
            self.rows = file.lazy(f"{path}/{column}")

    def __repr__(self) -> str:
        return f"<Rows {self._path}/{self.name}, {len(self):,} ids>"

    @property
    def ids(self) -> np.ndarray[Any, Any]:
        """Ids of the rows, in their order (n_rows,)."""
        found: np.ndarray[Any, Any] = self._file.keep(
            f"ids {self._path}", lambda: self._file.array(f"{self._path}/id")
        )
        return found

    def __len__(self) -> int:
        return len(self._numbers())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._numbers())

    def __contains__(self, key: object) -> bool:
        try:
            return key in self._numbers()
        except TypeError:
            return False

    def __getitem__(self, key: Any) -> Any:
        return self.rows[self._row(key)]

    def get(self, key: Any, default: Any = None) -> Any:
        """Return what belongs to an id, or a default."""
        try:
            return self[key]
        except NwbObjectNotFound:
            return default

    def all(self) -> dict[Any, Any]:
        """Return what belongs to each id; the column is read at once."""
        numbers = self._whole()
        rows = self.rows[:] if not hasattr(self.rows, "all") else self.rows.all()
        return dict(zip(numbers, rows, strict=True))

    def some(self, ids: Any) -> dict[Any, Any]:
        """Return what belongs to some ids; rows that are neighbours are read at once.

        Parameters
        ----------
        ids : sequence

        Raises
        ------
        NwbObjectNotFound
            If the table has no such row.
        """
        keys = list(ids)
        numbers = [self._row(key) for key in keys]
        if hasattr(self.rows, "rows"):
            return dict(zip(keys, self.rows.rows(numbers), strict=True))
        return {key: self.rows[number] for key, number in zip(keys, numbers, strict=True)}

    def counts(self) -> dict[Any, int]:
        """Return the number of entries of each row, which takes no look at the values."""
        if hasattr(self.rows, "counts"):
            return dict(zip(self._whole(), self.rows.counts().tolist(), strict=True))
        n = self.rows.shape[1] if self.rows.ndim > 1 else 1
        return dict.fromkeys(self._numbers(), n)

    def _whole(self) -> dict[Any, int]:
        """Return the number of the row of each id, of a column that has one entry for each."""
        if self._fits:
            return self._fits
        numbers = self._numbers()
        if len(self.rows) != len(numbers):
            raise BadFileError(
                f"{self._file.name}: {self._path}/{self.name}: it has {len(self.rows)} entries, "
                f"and the table {len(numbers)} rows",
                hint="the file may be damaged: get it again",
            )
        self._fits = numbers
        return numbers

    def _row(self, key: Any) -> int:
        try:
            return self._whole()[key]
        except (KeyError, TypeError):
            shown = nearest(str(key), map(str, list(self._numbers())[:10_000]))
            raise NwbObjectNotFound(
                f"{self._file.name}: {self._path} has no row with the id {key!r}",
                hint=shown or f"its ids: {', '.join(map(str, list(self._numbers())[:8]))} …",
            ) from None

    def _numbers(self) -> dict[Any, int]:
        """Return the number of the row of each id."""

        def number() -> dict[Any, int]:
            found = {key: i for i, key in enumerate(self.ids.tolist())}
            if len(found) != len(self.ids):
                raise NwbObjectNotFound(
                    f"{self._file.name}: ids of {self._path} occur more than once",
                    hint=f"take rows by number: .rows[0] of {self.name}",
                )
            return found

        numbers: dict[Any, int] = self._file.keep(f"numbers {self._path}", number)
        return numbers
