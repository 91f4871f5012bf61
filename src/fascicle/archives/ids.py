"""Ids of a table by what is in its columns, answered without reading the table.

Beside the Parquet copy of a table lie its columns of whole numbers as plain arrays, and those of
few words as numbers of words. A new process answers from them in milliseconds, since it needs
neither pandas nor numpy.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.errors import SearchTermError, nearest

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
#: Columns of more different words than this are not kept.
MAX_WORDS = 65_000
_NONE = 65_535
#: In place of a missing number.
_NO_ID = -(2**62)


def write_ids(folder: Path, frame: pd.DataFrame) -> bool:
    """Write the columns that ids are found by; say whether they are there."""
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    columns: dict[str, Any] = {}
    try:
        part.mkdir(parents=True)
        for number, name in enumerate(map(str, frame.columns)):
            if (kept := _column(frame.iloc[:, number])) is None:
                continue
            values, words = kept
            columns[name] = {"file": str(number), "type": values.typecode, "words": words}
            with (part / str(number)).open("wb") as stream:
                values.tofile(stream)
        about = {
            "format": FORMAT,
            "byteorder": sys.byteorder,
            "rows": len(frame),
            "columns": columns,
        }
        (part / "columns.json").write_text(json.dumps(about), encoding="utf-8")
        os.rename(part, folder)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        return folder.is_dir()  # another process was first
    return True


def _column(column: pd.Series[Any]) -> tuple[array[int], list[str]] | None:
    """Return a column as an array, and the words that its numbers stand for."""
    import pandas as pd

    values: array[int]
    kind = column.dtype
    if pd.api.types.is_bool_dtype(kind) and not column.hasnans:
        values = array("H")
        values.frombytes(column.to_numpy(dtype="uint16").tobytes())
        return values, ["False", "True"]
    if pd.api.types.is_integer_dtype(kind):
        values = array("q")
        values.frombytes(column.to_numpy(dtype="int64").tobytes())
        return values, []
    if pd.api.types.is_float_dtype(kind):
        # Ids of which some are missing. NaN is no whole number.
        whole = column.dropna()
        if not str(column.name).endswith("_id") or not (whole % 1 == 0).all():
            return None
        values = array("q")
        filled = column.fillna(_NO_ID).astype("int64")
        values.frombytes(filled.to_numpy().tobytes())
        return values, []
    words = column.dropna()
    if not all(isinstance(word, str) for word in words):
        return None
    codes, found = pd.factorize(column)
    if len(found) > MAX_WORDS:
        return None
    values = array("H")
    codes[codes < 0] = _NONE
    values.frombytes(codes.astype("uint16").tobytes())
    return values, [str(word) for word in found]


def read_ids(folder: Path, index: str, where: Mapping[str, object]) -> array[int] | None:
    """Return the ids of the rows that have given values.

    Parameters
    ----------
    folder : pathlib.Path
        That `write_ids` wrote.
    index : str
        The column of ids.
    where : mapping of str to object
        The value of each column; several values in a list or set.

    Returns
    -------
    array of 64-bit integers, or None
        In the order of the table; numpy takes it without a copy. None if this cannot be answered
        from here.

    Raises
    ------
    SearchTermError
        If the table has no such column.
    """
    try:
        about = json.loads((folder / "columns.json").read_bytes())
        columns = about["columns"]
        if about["format"] != FORMAT or about["byteorder"] != sys.byteorder:
            return None
        if index not in columns or any(name not in columns for name in where):
            return None
        ids = _read(folder, columns[index], about["rows"])
        chosen: list[int] | None = None
        for name, value in where.items():
            chosen = _choose(
                _read(folder, columns[name], about["rows"]), columns[name], value, chosen
            )
    except (OSError, ValueError, KeyError, EOFError, TypeError):
        return None
    return ids if chosen is None else array("q", [ids[row] for row in chosen])


def _read(folder: Path, column: Mapping[str, Any], rows: int) -> array[int]:
    values: array[int] = array(column["type"])
    with (folder / column["file"]).open("rb") as stream:
        values.fromfile(stream, rows)
    return values


def _choose(
    values: array[int], column: Mapping[str, Any], value: object, among: list[int] | None
) -> list[int]:
    if column["type"] == "H":
        numbers = {word: number for number, word in enumerate(column["words"])}
        texts, missing = _texts(value, numbers.keys() <= {"False", "True"})
        wanted = {numbers[text] for text in texts if text in numbers}
        wanted |= {_NONE} if missing else set()
    else:
        found, missing = _numbers(value)
        wanted = {int(v) for v in found if isinstance(v, int) or v.is_integer()}
        wanted |= {_NO_ID} if missing else set()
    if among is not None:
        return [row for row in among if values[row] in wanted]
    if len(wanted) == 1:
        (only,) = wanted
        return [row for row, v in enumerate(values) if v == only]
    return [row for row, v in enumerate(values) if v in wanted]


def _several(value: object) -> Iterator[object]:
    """Go through the values that are asked for: one, or those of a list, an array, a column."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        yield from value
    else:
        yield value


def _is_missing(value: object) -> bool:
    # pandas, which has values of its own for it, is not loaded for ids.
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def _numbers(value: object) -> tuple[set[float], bool]:
    """Return values as numbers, and whether rows without one are asked for."""
    found: set[float] = set()
    missing = False
    for one in _several(value):
        if _is_missing(one):
            missing = True
            continue
        try:
            # Not all whole numbers are fractions: those stay as they are.
            found.add(int(one) if hasattr(one, "__index__") else _number(one))
        except (TypeError, ValueError):
            continue  # no row has a word as its number
    return found, missing


def _number(value: Any) -> float:
    return int(value) if isinstance(value, str) and value.isdecimal() else float(value)


def _texts(value: object, are_bools: bool) -> tuple[set[str], bool]:
    """Return values as text, and whether rows without one are asked for."""
    found: set[str] = set()
    missing = False
    for one in _several(value):
        if _is_missing(one):
            missing = True
        else:
            found.add(str(bool(one)) if are_bools and not isinstance(one, str) else str(one))
    return found, missing


def ids_of_frame(frame: pd.DataFrame, where: Mapping[str, object]) -> array[int]:
    """Return the same from a finished table, for columns that are not kept apart.

    Raises
    ------
    SearchTermError
        If the table has no such column, or no ids.
    """
    import pandas as pd

    table = frame.reset_index()
    keep = pd.Series(True, index=table.index)
    for name, value in where.items():
        if name not in table.columns:
            raise SearchTermError(
                f"the table has no column {name!r}",
                hint=nearest(name, map(str, table.columns)) or ", ".join(map(str, table.columns)),
            )
        column = table[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            numbers, missing = _numbers(value)
            has = column.isin(numbers).astype(bool)
        else:
            texts, missing = _texts(value, pd.api.types.is_bool_dtype(column))
            has = column.map(str).isin(texts) & column.notna()
        keep &= (has | column.isna()) if missing else has
    if not frame.index.name or not pd.api.types.is_integer_dtype(frame.index.dtype):
        raise SearchTermError("the rows of this table have no numbers as ids")
    found: array[int] = array("q")
    found.frombytes(table.loc[keep, str(frame.index.name)].to_numpy(dtype="int64").tobytes())
    return found
