"""Write arrays and tables as ALF files; the same arrays give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def save(folder: Path, name: str, value: Any) -> Path:
    """Write one dataset; its extension says how.

    Parameters
    ----------
    folder : pathlib.Path
        Where; made if it is missing.
    name : str
        File name, or path relative to ``folder``.
    value : object
        An array for ``.npy``, columns (a mapping of names to arrays) for ``.pqt``, ``.csv`` and
        ``.tsv``, plain data for ``.json``, bytes for anything else.

    Returns
    -------
    pathlib.Path
        The file.
    """
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".npy":
            with path.open("wb") as file:
                np.lib.format.write_array(file, np.ascontiguousarray(value), allow_pickle=False)
        case ".pqt":
            _save_parquet(path, value)
        case ".csv":
            path.write_text(_text(value, ","), encoding="utf-8")
        case ".tsv":
            path.write_text(_text(value, "\t"), encoding="utf-8")
        case ".json":
            path.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
        case _:
            path.write_bytes(value)
    return path


def save_object(folder: Path, name: str, attributes: Mapping[str, Any], ext: str = "npy") -> None:
    """Write an object of the ALF convention, one file per attribute: ``name.attribute.ext``."""
    for attribute, value in attributes.items():
        save(folder, f"{name}.{attribute}.{ext}", value)


def _save_parquet(path: Path, columns: Mapping[str, Array]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    # Clients of the field refuse a table without this entry.
    table = table.replace_schema_metadata({"one_metadata": "{}"})
    pq.write_table(table, path, compression="zstd")


def _text(columns: Mapping[str, Any], separator: str) -> str:
    rows = zip(*(map(str, np.asarray(values).tolist()) for values in columns.values()), strict=True)
    return "".join(separator.join(row) + "\n" for row in [tuple(columns), *rows])
