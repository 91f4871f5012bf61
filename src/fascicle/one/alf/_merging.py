"""Putting rows into tables that are at hand."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ...errors import ALFInvalid, NotFoundError

if TYPE_CHECKING:
    import pandas as pd


class UnknownTable(NotFoundError, KeyError):
    """There is no table of that name."""

    kind = "unknown-table"


class DifferentColumns(ALFInvalid, AssertionError):
    """Rows have other columns than the table they are for; ONE's is an AssertionError."""

    kind = "different-columns"


def merge_tables(
    cache: Any, strict: bool = False, origin: str | None = None, **kwargs: Any
) -> datetime.datetime | None:
    """Put rows into tables: those with a known id replace what is there, others are added.

    Parameters
    ----------
    cache : mapping
        Tables by name, and ``_meta``; changed.
    strict : bool
        Refuse rows of other columns; otherwise what a table does not have is left out, and what
        rows do not have is missing in them.
    origin : str, optional
        Where the rows come from, to be noted.
    **kwargs
        Rows (pandas.DataFrame, or pandas.Series for one) by the name of their table; None is
        left out.

    Returns
    -------
    datetime.datetime or None
        When that was; None where nothing was changed.

    Raises
    ------
    UnknownTable
        There is no such table; it is a KeyError.
    DifferentColumns
        The columns differ, and ``strict``; it is an AssertionError.
    """
    updated = None
    for name, rows in kwargs.items():
        if rows is None or rows.empty:
            continue
        if name not in cache:
            raise UnknownTable(
                f'Table "{name}" not in cache',
                hint=f"there is: {', '.join(k for k in cache if not k.startswith('_'))}",
            )
        cache[name] = _merged(cache[name], rows, strict=strict)
        updated = datetime.datetime.now()
        said = cache["_meta"]["raw"].setdefault(name, {})
        if origin is not None:
            said["origin"] = _as_set(said.get("origin")) | {origin}
        said.setdefault("date_created", updated.isoformat(sep=" ", timespec="minutes"))
    cache["_meta"]["modified_time"] = updated
    return updated


def _as_set(origin: str | Iterable[str] | None) -> set[str]:
    return {origin} if isinstance(origin, str) else set(origin or ())


def _merged(table: pd.DataFrame, rows: Any, *, strict: bool) -> pd.DataFrame:
    import pandas as pd

    if isinstance(rows, pd.Series):
        index: Any = [rows.name]
        if isinstance(table.index, pd.MultiIndex):
            index = pd.MultiIndex.from_tuples(index)
        rows = pd.DataFrame([rows.to_dict()], index=index)
    rows = rows[~rows.index.duplicated(keep="first")]
    rows.index = rows.index.set_names(table.index.names)
    if strict and set(rows.columns) != set(table.columns):
        different = ", ".join(sorted(set(rows.columns) ^ set(table.columns)))
        raise DifferentColumns(
            f"the rows and the table differ in the columns {different}",
            hint="give the rows the table's columns, or leave strict out",
        )
    missing = [c for c in table.columns if c not in rows.columns]
    for column in missing:
        if column.startswith("exists_"):
            rows = rows.assign(**{column: rows.get("exists", True)})
    kinds = {c: _nullable(table[c]) if c in missing else table[c].dtype for c in table.columns}
    rows = rows.reindex(columns=table.columns).astype(kinds)
    kept = table[~table.index.isin(rows.index)].astype(kinds)
    merged: pd.DataFrame = pd.concat([kept, rows]) if len(kept) else rows
    return merged.sort_index()


def _nullable(column: pd.Series[Any]) -> Any:
    """Return a type of a column's values that knows missing ones."""
    return column.convert_dtypes().dtype if column.dtype.kind in "biu" else column.dtype
