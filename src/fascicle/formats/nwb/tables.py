"""Tables of an NWB file: each column is an array of its own, ragged ones come with an index."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fascicle.errors import NwbObjectNotFound, nearest
from fascicle.formats.nwb.claims import check_claim, out_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fascicle.formats.nwb.file import NwbFile

#: Values that a cell of a table has at most; larger ones are read by themselves.
_MOST_IN_CELL = 256


def column_names(file: NwbFile, path: str) -> list[str]:
    """Return the names of all columns of a table, in their order.

    Raises
    ------
    NwbObjectNotFound, BadFileError
        If it is no table, or harmed.
    """

    def read() -> list[str]:
        names = file.attr(path, "colnames", None)
        if isinstance(names, str):
            names = [names]
        if not isinstance(names, list) and getattr(names, "size", None) == 0:
            names = []  # no column has no type
        if not isinstance(names, list):
            raise out_of(file.name, path, "it is no table: it has no list of its columns")
        return [str(name) for name in names]

    return list(file.keep(f"columns {path}", read))


def ragged_names(file: NwbFile, path: str) -> list[str]:
    """Return the names of the columns that have any number of values a row."""
    columns = column_names(file, path)
    known, listed = set(file.names(path)), set(columns)
    return [c for c in columns if f"{c}_index" in known and f"{c}_index" not in listed]


def n_rows(file: NwbFile, path: str) -> int:
    """Return the number of rows."""
    shape = file.facts(f"{path}/id").shape
    if len(shape) != 1:
        raise out_of(file.name, f"{path}/id", f"it has the shape {shape}, not one id a row")
    return shape[0]


def read_table(file: NwbFile, path: str, columns: list[str] | None) -> pd.DataFrame:
    """Return a table, or some of its columns; see `NwbFile.table`."""
    import pandas as pd

    known = column_names(file, path)
    ragged = set(ragged_names(file, path))
    wanted = [c for c in known if c not in ragged] if columns is None else list(columns)
    file.ahead(path, ["id", *(c for c in wanted if c not in ragged)])
    n = n_rows(file, path)
    if columns is None:
        wanted = [c for c in wanted if _fits(file, path, c, n)]
    _check_columns(file, path, wanted, known)
    _check_whole(file, path, [c for c in wanted if c not in ragged], n)
    data: dict[str, Any] = {}
    for column in wanted:
        if column in ragged:
            data[column] = _cells(file.ragged(path, column).all(), n)
        else:
            data[column] = read_column(file, path, column, n)
    ids = file.array(f"{path}/id")
    return pd.DataFrame(data, index=pd.Index(ids, name="id"), columns=wanted)


def read_column(file: NwbFile, path: str, column: str, n: int) -> Any:
    """Return the values of a column that is not ragged, one for each row."""
    place = f"{path}/{column}"
    array = file.array(place)
    if not getattr(array, "shape", ()) or len(array) != n:
        shape = getattr(array, "shape", ())
        raise out_of(file.name, place, f"it has the shape {shape}, and the table {n} rows")
    elements = f"{column}_elements"
    if elements in file.names(path) and elements not in column_names(file, path):
        array = _chosen(file, place, array, file.array(f"{path}/{elements}"))
    if array.ndim > 1:
        return _cells(list(array), n)
    return _cells(array.tolist(), n) if array.dtype.names else array


def _chosen(
    file: NwbFile, place: str, codes: np.ndarray[Any, Any], elements: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Return what codes stand for."""
    if codes.size and not 0 <= codes.min() <= codes.max() < len(elements):
        raise out_of(file.name, place, f"it has codes beyond its {len(elements)} elements")
    found: np.ndarray[Any, Any] = elements[codes]
    return found


def _fits(file: NwbFile, path: str, column: str, n: int) -> bool:
    """Return whether a column has few values a row; one that is missing is found out later."""
    try:
        shape = file.facts(f"{path}/{column}").shape
    except NwbObjectNotFound:
        return True
    return math.prod(shape[1:]) <= _MOST_IN_CELL


def _check_columns(file: NwbFile, path: str, wanted: list[str], known: list[str]) -> None:
    members = set(file.names(path))
    for column in wanted:
        if column not in known:
            raise NwbObjectNotFound(
                f"{file.name}: {path} has no column {column!r}",
                hint=nearest(column, known) or f"it has {', '.join(known)}",
            )
        if column not in members:
            raise NwbObjectNotFound(
                f"{file.name}: {path} lists a column {column!r}, and has none",
                hint="the file may be damaged: get it again, or ask for other columns",
            )


def _check_whole(file: NwbFile, path: str, columns: list[str], n: int) -> None:
    """Refuse a table whose columns together claim far more than is stored."""
    need = 0
    for column in columns:
        facts = file.facts(f"{path}/{column}")
        if not facts.shape or facts.shape[0] != n:
            what = f"it has the shape {facts.shape}, and the table {n} rows"
            raise out_of(file.name, f"{path}/{column}", what)
        need += facts.nbytes
    if file.max_claim is not None and need > file.max_claim:
        stored = sum(file.stored(f"{path}/{column}") for column in columns)
        check_claim(file.name, path, need, stored, most=file.max_claim)


def _cells(values: list[Any], n: int) -> np.ndarray[Any, Any]:
    """Return one object a row, arrays among them as they are."""
    import numpy as np

    out = np.empty(n, object)
    for i, value in enumerate(values):
        out[i] = value
    return out
