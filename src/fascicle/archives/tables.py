"""Tables of a release as data frames: with the types of the project's own reader, or with ours.

Parsing a large table takes a second, so a Parquet copy of what was parsed is kept, by the checksum
of its file: the second opening takes a hundredth of that. A copy that cannot be read is made again.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.errors import BadFileError, ConfigurationError, nearest
from fascicle.formats.project import ProjectConfig, TableConfig

if TYPE_CHECKING:
    import pandas as pd

FORMAT = "1"
_OBJECTS = b"fascicle-object-columns"
# Dates with and without fractions of a second lie in one column.
_MIXED = "ISO8601"


def copy_name(file_hash: str, config: TableConfig) -> str:
    """Return what the copy of a table is called: one name for one content parsed in one way."""
    parsed_as = "\n".join((FORMAT, *sorted(config.texts)))
    return f"{file_hash[:48]}-{hashlib.sha256(parsed_as.encode()).hexdigest()[:8]}"


def read_parsed(
    name: str, folders: Sequence[Path], csv: Callable[[], Path], config: TableConfig
) -> pd.DataFrame:
    """Return a table as it was parsed, from its copy or else from its file.

    Parameters
    ----------
    name : str
        Of the copy.
    folders : sequence of pathlib.Path
        Where copies may be; a new one is written to the first that takes it.
    csv : callable
        Returns the verified file. Called only if there is no copy.
    config : TableConfig

    Raises
    ------
    BadFileError
        If the file is no table.
    """
    for folder in folders:
        if (frame := _read_copy(folder / f"{name}.parquet")) is not None:
            return frame
    import pandas as pd

    path = csv()
    try:
        frame = pd.read_csv(path, dtype=dict.fromkeys(config.texts, str))
    except (ValueError, pd.errors.ParserError) as error:
        raise BadFileError(f"{path} is no table: {error}") from error
    for folder in folders:
        if _write_copy(folder / f"{name}.parquet", frame):
            from fascicle.archives.ids import write_ids

            write_ids(folder / f"{name}.ids", frame)
            break
    return frame


def _read_copy(path: Path) -> pd.DataFrame | None:
    if not path.is_file():
        return None
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path, memory_map=True)
    except (pa.ArrowException, OSError):
        return None
    frame: pd.DataFrame = table.to_pandas(split_blocks=True)
    # Parquet knows one kind of missing value, a column of mixed things has NaN.
    for column in (table.schema.metadata.get(_OBJECTS) or b"").decode().split("\n"):
        if column in frame and frame[column].dtype == object:
            frame[column] = frame[column].where(frame[column].notna(), float("nan"))
    return frame


def _write_copy(path: Path, frame: pd.DataFrame) -> bool:
    """Write a copy whole, or not at all; say whether it is there."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pandas.api.types import is_object_dtype

    try:
        table = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, ValueError, TypeError):
        return False  # a column of several kinds: only its file says what it is
    objects = "\n".join(str(c) for c, kind in frame.dtypes.items() if is_object_dtype(kind))
    table = table.replace_schema_metadata({**table.schema.metadata, _OBJECTS: objects.encode()})
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, part, compression="lz4")
        os.replace(part, path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        return False
    return True


def finish(frame: pd.DataFrame, config: TableConfig) -> pd.DataFrame:
    """Return a table with the types and the index that the project's own reader gives it.

    Parameters
    ----------
    frame : pandas.DataFrame
        As parsed. It is not changed.
    config : TableConfig
    """
    import pandas as pd

    frame = frame.copy(deep=False)
    for column in _present(config.literals, frame):
        frame[column] = _mapped(frame[column], literal)
    for column in _present(config.utc_dates, frame):
        frame[column] = pd.to_datetime(frame[column], utc=True, format=_MIXED)
    for column in _present(config.integers, frame):
        frame[column] = frame[column].astype("Int64")
    if config.order:
        first = list(_present(config.order, frame))
        frame = frame[[*first, *(c for c in frame.columns if c not in first)]]
    if config.index and config.index in frame.columns:
        frame = frame.set_index(config.index)
    return frame


def enrich(frame: pd.DataFrame, config: TableConfig) -> pd.DataFrame:
    """Return a finished table with lists and times where the project's own reader has text."""
    import pandas as pd

    frame = frame.copy(deep=False)
    for column in _present(config.lists, frame):
        frame[column] = _mapped(frame[column], literal)
    for column in _present(config.dates, frame):
        frame[column] = pd.to_datetime(frame[column], format=_MIXED)
    return frame


def join(
    frame: pd.DataFrame, config: TableConfig, others: Mapping[str, tuple[pd.DataFrame, TableConfig]]
) -> pd.DataFrame:
    """Return a table with the columns of others that it links to, row by row.

    Parameters
    ----------
    frame : pandas.DataFrame
        A finished table.
    config : TableConfig
        Its description, which says what it links to.
    others : mapping of str to tuple
        The finished tables by name, with their descriptions.

    Returns
    -------
    pandas.DataFrame
        In the same order. Columns from another table begin with its prefix; those that are here
        under the same name already, such as ids of sessions, are not repeated.
    """
    from pandas.api.types import is_float_dtype, is_integer_dtype

    for name, (other, about) in others.items():
        column = next(c for c, table in config.links.items() if table == name)
        keep = [c for c in other.columns if c not in config.links]
        right = other[keep].rename(
            columns={c: c if c.startswith(about.prefix) else about.prefix + c for c in keep}
        )
        right = right[[c for c in right.columns if c not in frame.columns]]
        joined = frame.join(right, on=column)
        for added in right.columns:
            # Rows that belong to none must not make fractions of the others' ids.
            if is_integer_dtype(right[added]) and is_float_dtype(joined[added]):
                joined[added] = joined[added].astype("Int64")
        frame = joined
    return frame


def with_others(
    name: str,
    others: str | Sequence[str],
    config: ProjectConfig,
    read: Callable[[str], pd.DataFrame],
) -> pd.DataFrame:
    """Return a table with the columns of others that its rows are part of; see `join`.

    Parameters
    ----------
    name : str
    others : str or sequence of str
        Names of the tables to be joined.
    config : ProjectConfig
        The description of all of them.
    read : callable
        Returns an enriched table by its name.

    Raises
    ------
    ConfigurationError
        If the table has no link to one that is to be joined.
    """
    about = config.table(name)
    frame = read(name)
    found = {}
    for other in [others] if isinstance(others, str) else others:
        if other not in about.links.values():
            linked = sorted(set(about.links.values()))
            raise ConfigurationError(
                f"rows of {name} do not belong to rows of {other}",
                hint=nearest(other, linked) or f"they belong to rows of {', '.join(linked)}",
            )
        found[other] = read(other), config.table(other)
    return join(frame, about, found)


def own(frame: pd.DataFrame, config: TableConfig) -> pd.DataFrame:
    """Return a copy that can be changed, its lists too, without changing the original."""
    import pandas as pd

    # From version 3, pandas copies a column when it is written to.
    frame = frame.copy(deep=int(pd.__version__.partition(".")[0]) < 3)
    for column in _present((*config.literals, *config.lists), frame):
        if frame[column].dtype == object:
            values = [v.copy() if isinstance(v, list) else v for v in frame[column]]
            frame[column] = pd.Series(values, index=frame.index, dtype=object)
    return frame


def literal(value: object) -> object:
    """Return what a text means in Python's notation, such as ``['CA1', 'DG']``: data alone.

    Examples
    --------
    >>> literal("['CA1', 'DG']")
    ['CA1', 'DG']
    >>> literal("Slc17a7-IRES2-Cre")
    'Slc17a7-IRES2-Cre'
    """
    if not isinstance(value, str):
        return value
    try:
        return ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value


def _mapped(column: pd.Series[Any], function: Callable[[object], object]) -> pd.Series[Any]:
    import pandas as pd

    values = [value if is_missing(value) else function(value) for value in column]
    if any(isinstance(value, (list, tuple, dict, str)) for value in values):
        return pd.Series(values, index=column.index, dtype=object, name=column.name)
    return column


def is_missing(value: object) -> bool:
    """Return whether a value of a table is none: None, NaN, or what pandas has for it."""
    import pandas as pd

    return value is None or value is pd.NA or value is pd.NaT or value != value


def _present(columns: Iterable[str], frame: pd.DataFrame) -> Iterable[str]:
    return (column for column in columns if column in frame.columns)
