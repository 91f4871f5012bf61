"""ONE's two tables, written so that ONE and any reader of Parquet get their rows and index back."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from datetime import date as Date
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fascicle.catalogue import arrow
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
_EPOCH = Date(1970, 1, 1).toordinal()
_ROWS_PER_GROUP = 1 << 19


def write(columns: Columns, folder: Path, stamp: dict[str, Any]) -> dict[str, list[int]]:
    """Write ONE's two tables, each under its name only when it is whole.

    Parameters
    ----------
    columns : Columns
        Arranged or not.
    folder : pathlib.Path
        Where the tables go.
    stamp : dict
        Which state of the catalogue this is; lies in the tables' metadata.

    Returns
    -------
    dict
        Size, mtime_ns and inode of each table, taken before others could see it.
    """
    meta = columns.meta.get("tables", {})
    default = {
        "date_created": datetime.now().isoformat(sep=" ", timespec="minutes"),
        "origin": str(folder),
    }
    out: dict[str, list[int]] = {}
    for name, batches in (("sessions", _session_batches), ("datasets", _dataset_batches)):
        one = {**default, **meta.get(name, {})}
        out[f"{name}.pqt"] = _write_table(folder / f"{name}.pqt", batches(columns), one, stamp)
    return out


def _write_table(
    path: Path,
    batches: Iterator[tuple[pa.Table, dict[str, Any]]],
    one: dict[str, Any],
    stamp: dict[str, Any],
) -> list[int]:
    import pyarrow.parquet as pq

    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    writer = None
    # Where pyarrow allows (16 and later) the stamp is written last, and says where the rows end.
    late = hasattr(pq.ParquetWriter, "add_key_value_metadata")
    sink = part.open("xb")
    try:
        for table, pandas_meta in batches:
            if writer is None:
                about: dict[str | bytes, str] = {
                    "one_metadata": json.dumps(one, default=_plain),
                    "pandas": json.dumps(pandas_meta),
                }
                schema = table.schema.with_metadata(
                    about if late else {**about, STAMP: json.dumps(stamp)}
                )
                coded = [n for n in schema.names if n not in ("id", "hash", "file_size")]
                writer = pq.ParquetWriter(sink, schema, use_dictionary=coded)
            writer.write_table(table.cast(schema))
        if writer is not None:
            if late:
                writer.add_key_value_metadata({STAMP: json.dumps({**stamp, "end": sink.tell()})})
            writer.close()
        sink.close()
        st = part.stat()
        os.replace(part, path)
        return [st.st_size, st.st_mtime_ns, st.st_ino]
    finally:
        sink.close()
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


def pandas_metadata(index: list[str], table: pa.Table) -> dict[str, Any]:
    """Return what pandas, and so ONE, wants to be told of a table to have its index back."""
    import pyarrow as pa

    fields = []
    for field in table.schema:
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            fields.append(_text(field.name))
        elif pa.types.is_nested(field.type) or pa.types.is_null(field.type):
            fields.append(_field(field.name, "object", "object"))
        else:
            kind = np.dtype(field.type.to_pandas_dtype()).name
            fields.append(_field(field.name, kind, kind))
    return _pandas(index, fields)


def _text(name: str) -> dict[str, Any]:
    return _field(name, "unicode", "object")


def _session_batches(columns: Columns) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    import pyarrow as pa

    rows = sorted((s for s in columns.sessions if s.listed), key=lambda s: s.eid)
    days = np.array([s.date.toordinal() - _EPOCH for s in rows], np.int32)
    table = pa.table(
        {
            "lab": arrow.texts([s.lab for s in rows]),
            "subject": arrow.texts([s.subject for s in rows]),
            "date": arrow.numbers(days, pa.date32()),
            "number": arrow.numbers(np.array([s.number for s in rows], np.uint16), pa.uint16()),
            "task_protocol": arrow.texts([s.task_protocol for s in rows]),
            "projects": arrow.texts([s.projects for s in rows]),
            "id": arrow.uuids(_matrix(b"".join(s.eid for s in rows))),
        }
    )
    fields = [_text(n) for n in ("lab", "subject")]
    fields += [_field("date", "date", "object"), _field("number", "uint16", "uint16")]
    fields += [_text(n) for n in ("task_protocol", "projects", "id")]
    yield table, _pandas(["id"], fields)


def _matrix(raw: bytes) -> NDArray[np.uint8]:
    """Return bytes as rows of 16."""
    return np.frombuffer(raw, np.uint8).reshape(-1, 16) if raw else np.zeros((0, 16), np.uint8)


def _hashes(columns: Columns, rows: NDArray[np.intp]) -> pa.Array:
    flags = columns.flags[rows]
    raw = _matrix(columns.records["hash"][rows].tobytes())
    out = arrow.hashes(raw, (flags & HAS_HASH) != 0)
    odd = np.flatnonzero(flags & ODD_HASH).tolist()
    if odd:
        texts = out.to_pylist()
        for k in odd:
            texts[k] = columns.odd_hashes[int(rows[k])]
        out = arrow.texts(texts)
    return out


def _dataset_batches(columns: Columns) -> Iterator[tuple[pa.Table, dict[str, Any]]]:
    import pyarrow as pa

    sessions = columns.sessions
    rank = np.empty(len(sessions), np.int64)
    rank[sorted(range(len(sessions)), key=lambda i: sessions[i].eid)] = np.arange(len(sessions))
    halves = _matrix(columns.records["id"].tobytes()).view(">u8")
    order = np.lexsort((halves[:, 1], halves[:, 0], rank[columns.session]))
    eids = arrow.uuids(_matrix(b"".join(s.eid for s in sessions)))
    if any(s.eid == NO_SESSION for s in sessions):
        known = zip(eids.to_pylist(), sessions, strict=True)
        eids = arrow.texts([None if s.eid == NO_SESSION else text for text, s in known])
    paths = arrow.texts(columns.paths)
    qc = arrow.texts(QC_NAMES)
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
    for a in range(0, max(len(order), 1), _ROWS_PER_GROUP):
        rows = order[a : a + _ROWS_PER_GROUP]
        flags = columns.flags[rows]
        size = columns.records["size"][rows]
        codes = ((flags & QC_MASK) >> QC_SHIFT).astype(np.int8)
        data = {
            "rel_path": arrow.coded(columns.path[rows], paths).dictionary_decode(),
            "file_size": arrow.numbers(np.where(size < 0, 0, size), pa.uint64(), size < 0),
            "hash": _hashes(columns, rows),
            "exists": arrow.booleans((flags & EXISTS) != 0),
            "qc": arrow.coded(codes, qc, ordered=True),
            **{name: arrow.booleans((flags & bit) != 0) for name, bit in extra},
            "eid": arrow.coded(columns.session[rows], eids).dictionary_decode(),
            "id": arrow.uuids(_matrix(columns.records["id"][rows].tobytes())),
        }
        yield pa.table(data), _pandas(["eid", "id"], fields)
