"""ONE's two tables, written so that ONE and any reader of Parquet get their rows and index back."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fascicle.catalogue.columns import NO_SESSION, Columns
from fascicle.catalogue.schema import (
    DEFAULT,
    EXISTS,
    EXISTS_AWS,
    HAS_HASH,
    ODD_HASH,
    QC_MASK,
    QC_NAMES,
    QC_SHIFT,
)

if TYPE_CHECKING:
    import pyarrow as pa

#: The key under which our stamp lies in a table's metadata.
STAMP = b"fascicle"
_DIGITS_OF_UUID = np.array([i for i in range(36) if i not in (8, 13, 18, 23)])


def matrix(raw: bytes) -> NDArray[np.uint8]:
    """Return bytes as rows of 16."""
    return np.frombuffer(raw, np.uint8).reshape(-1, 16) if raw else np.zeros((0, 16), np.uint8)


def write(columns: Columns, folder: Path, stamp: dict[str, Any]) -> None:
    """Write ONE's two tables, each under its name only when it is whole.

    Parameters
    ----------
    columns : Columns
        Arranged or not.
    folder : pathlib.Path
        Where the tables go.
    stamp : dict
        Which state of the catalogue this is; lies in the tables' metadata.
    """
    meta = columns.meta.get("tables", {})
    default = {
        "date_created": datetime.now().isoformat(sep=" ", timespec="minutes"),
        "origin": str(folder),
    }
    for name, batches in (("sessions", _session_batches), ("datasets", _dataset_batches)):
        one = {**default, **meta.get(name, {})}
        _write_table(folder / f"{name}.pqt", batches(columns), one, stamp)


def _write_table(
    path: Path,
    batches: Iterator[tuple[pa.Table, dict[str, Any]]],
    one: dict[str, Any],
    stamp: dict[str, Any],
) -> None:
    import pyarrow.parquet as pq

    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    writer = None
    try:
        for table, pandas_meta in batches:
            if writer is None:
                schema = table.schema.with_metadata(
                    {
                        "one_metadata": json.dumps(one, default=_plain),
                        "pandas": json.dumps(pandas_meta),
                        STAMP: json.dumps(stamp),
                    }
                )
                coded = [n for n in schema.names if n not in ("id", "hash", "file_size")]
                writer = pq.ParquetWriter(part, schema, use_dictionary=coded)
            writer.write_table(table.cast(schema))
        if writer is not None:
            writer.close()
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, set) else str(value)


def _field(name: str, kind: str, numpy_type: str, metadata: Any = None) -> dict[str, Any]:
    return {
        "name": name,
        "field_name": name,
        "pandas_type": kind,
        "numpy_type": numpy_type,
        "metadata": metadata,
    }


def _pandas(index: list[str], fields: list[dict[str, Any]]) -> dict[str, Any]:
    labels = _field("None", "unicode", "object", {"encoding": "UTF-8"})
    return {
        "index_columns": index,
        "column_indexes": [{**labels, "name": None, "field_name": None}],
        "columns": fields,
        "attributes": {},
        "creator": {"library": "pyarrow", "version": "15.0.0"},
        "pandas_version": "2.1.0",
    }


def _text(name: str) -> dict[str, Any]:
    return _field(name, "unicode", "object")


def _session_batches(columns: Columns) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    import pyarrow as pa

    rows = sorted((s for s in columns.sessions if s.listed), key=lambda s: s.eid)
    raw = matrix(b"".join(s.eid for s in rows))
    table = pa.table(
        {
            "lab": pa.array([s.lab for s in rows], pa.string()),
            "subject": pa.array([s.subject for s in rows], pa.string()),
            "date": pa.array([s.date for s in rows], pa.date32()),
            "number": pa.array([s.number for s in rows], pa.uint16()),
            "task_protocol": pa.array([s.task_protocol for s in rows], pa.string()),
            "projects": pa.array([s.projects for s in rows], pa.string()),
            "id": uuid_texts(raw),
        }
    )
    texts = [_text(n) for n in ("lab", "subject")]
    texts += [_field("date", "date", "object"), _field("number", "uint16", "uint16")]
    texts += [_text(n) for n in ("task_protocol", "projects", "id")]
    yield table, _pandas(["id"], texts)


_LETTERS = np.frombuffer(b"0123456789abcdef", np.uint8)


def hex_texts(raw: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return hexadecimal characters, shape (n, 32), of bytes, shape (n, 16)."""
    out = np.empty((len(raw), 32), np.uint8)
    out[:, ::2] = _LETTERS[raw >> 4]
    out[:, 1::2] = _LETTERS[raw & 15]
    return out


def _text_array(letters: NDArray[np.uint8]) -> pa.Array:
    import pyarrow as pa

    n, width = letters.shape
    offsets = np.arange(0, (n + 1) * width, width, dtype=np.int32) if n else np.zeros(1, np.int32)
    data = np.ascontiguousarray(letters)
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(data))


def uuid_texts(raw: NDArray[np.uint8]) -> pa.Array:
    """Return a text array of the UUIDs whose bytes, shape (n, 16), are given."""
    letters = np.full((len(raw), 36), ord("-"), np.uint8)
    letters[:, _DIGITS_OF_UUID] = hex_texts(raw)
    return _text_array(letters)


def hash_texts(columns: Columns, rows: NDArray[np.intp]) -> pa.Array:
    """Return the hashes of some datasets as texts; empty where unknown."""
    import pyarrow as pa

    flags = columns.flags[rows]
    has = (flags & HAS_HASH) != 0
    raw = _bytes(columns.records["hash"][rows])
    if has.all():
        return _text_array(hex_texts(raw))
    letters = hex_texts(raw[has])
    lengths = np.where(has, 32, 0)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    out = pa.StringArray.from_buffers(
        len(rows), pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(letters))
    )
    if (flags & ODD_HASH).any():
        texts = out.to_pylist()
        for k in np.flatnonzero(flags & ODD_HASH).tolist():
            texts[k] = columns.odd_hashes[int(rows[k])]
        out = pa.array(texts, pa.string())
    return out


def _bytes(void: NDArray[np.void]) -> NDArray[np.uint8]:
    return matrix(np.ascontiguousarray(void).tobytes())


def qc_array(flags: NDArray[np.uint8]) -> pa.DictionaryArray:
    """Return quality control as ONE's ordered category."""
    import pyarrow as pa

    codes = ((flags & QC_MASK) >> QC_SHIFT).astype(np.int8)
    return pa.DictionaryArray.from_arrays(codes, pa.array(QC_NAMES, pa.string()), ordered=True)


def _dataset_batches(columns: Columns) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    eids = matrix(b"".join(s.eid for s in columns.sessions))
    rank = np.empty(len(eids), np.int64)
    rank[sorted(range(len(eids)), key=lambda i: columns.sessions[i].eid)] = np.arange(len(eids))
    halves = _bytes(columns.records["id"]).view(">u8")
    order = np.lexsort((halves[:, 1], halves[:, 0], rank[columns.session]))
    none = np.array([s.eid == NO_SESSION for s in columns.sessions], bool)
    texts = pc.if_else(pa.array(~none), uuid_texts(eids), pa.scalar(None, pa.string()))
    paths = pa.array(columns.paths, pa.string())
    extra = [
        (name, bit)
        for name, bit in (("default_revision", DEFAULT), ("exists_aws", EXISTS_AWS))
        if columns.meta.get(f"has_{name}")
    ]
    fields = [
        _text("rel_path"),
        _field("file_size", "uint64", "UInt64"),
        _text("hash"),
        _field("exists", "bool", "bool"),
        _field("qc", "categorical", "int8", {"num_categories": 5, "ordered": True}),
        *(_field(name, "bool", "bool") for name, _ in extra),
        _text("eid"),
        _text("id"),
    ]
    for a in range(0, max(len(order), 1), 1 << 19):
        rows = order[a : a + (1 << 19)]
        flags = columns.flags[rows]
        size = columns.records["size"][rows]
        data = {
            "rel_path": paths.take(pa.array(columns.path[rows])),
            "file_size": pa.array(np.where(size < 0, 0, size).astype(np.uint64), mask=size < 0),
            "hash": hash_texts(columns, rows),
            "exists": pa.array((flags & EXISTS) != 0),
            "qc": qc_array(flags),
            **{name: pa.array((flags & bit) != 0) for name, bit in extra},
            "eid": texts.take(pa.array(columns.session[rows])),
            "id": uuid_texts(_bytes(columns.records["id"][rows])),
        }
        yield pa.table(data), _pandas(["eid", "id"], fields)
