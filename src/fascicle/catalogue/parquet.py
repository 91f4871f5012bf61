"""Parquet tables of others, read with care: whatever is wrong with one is said with its name."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fascicle.errors import CatalogueError

_VALUES = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, MemoryError)


@contextlib.contextmanager
def named(path: Path) -> Iterator[Path]:
    """Name the table in whatever its bytes, or the values in it, make go wrong."""
    import pyarrow as pa

    try:
        yield path
    except CatalogueError:
        raise
    except (pa.ArrowException, OSError, *_VALUES) as error:
        raise CatalogueError(
            f"the table {path} cannot be read: {error or type(error).__name__}",
            hint="it is damaged, or still being written: if it stays so, remove it and index the "
            f"folder again: fascicle index {path.parent}",
        ) from error


def open_table(path: Path, read_dictionary: list[str] | None = None) -> Any:
    """Return a Parquet file, opened; the columns named stay dictionaries of distinct values."""
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, read_dictionary=read_dictionary, memory_map=False)
    except FileNotFoundError as error:
        raise CatalogueError(
            f"the table {path} is not there", hint=f"make it: fascicle index {path.parent}"
        ) from error


def one_metadata(schema: Any) -> dict[str, Any]:
    """Return the metadata that ONE keeps in a table; empty where there is none."""
    try:
        found = json.loads((schema.metadata or {}).get(b"one_metadata", b"{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def column_name(path: Path, names: list[str], *wanted: str, needed: bool = True) -> str:
    """Return which of the names wanted the table has; empty where it has none and needs none."""
    for name in wanted:
        if name in names:
            return name
    if needed:
        raise CatalogueError(
            f"the table {path} has no column {' or '.join(map(repr, wanted))}: it has {names}",
            hint="is it one of ONE's tables?",
        )
    return ""


def texts(table: Any, name: str) -> list[str]:
    """Return a column as texts, empty where there is no value or no such column."""
    if not name:
        return [""] * table.num_rows
    return ["" if v is None else str(v) for v in table.column(name).to_pylist()]


def read_ids(table: Any, path: Path, names: list[str], *wanted: str) -> list[bytes | None]:
    """Return ids as 16 bytes; None for texts that are no UUID (very old tables)."""
    first = wanted[0]
    if f"{first}_0" in names:
        return list(int_ids(table, first))
    name = column_name(path, names, *wanted)
    out: list[bytes | None] = []
    for v in table.column(name).to_pylist():
        try:
            out.append(uuid.UUID(str(v)).bytes)
        except ValueError:
            out.append(None)
    return out


def int_ids(batch: Any, name: str) -> list[bytes]:
    """Return ids that are kept as pairs of integers, as 16 bytes."""
    halves = [batch.column(f"{name}_{k}").to_numpy() for k in (0, 1)]
    both = np.ascontiguousarray(np.stack(halves, axis=1).astype("<i8"))
    raw = both.tobytes()
    return [raw[i : i + 16] for i in range(0, len(raw), 16)]
