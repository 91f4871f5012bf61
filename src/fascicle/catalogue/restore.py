"""A segment read back whole, as the columns that it was made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date as Date
from typing import Any

import numpy as np

from fascicle.catalogue.columns import (
    RECORD_DTYPE,
    STAT_DTYPE,
    Columns,
    InsertionRow,
    SessionRow,
)
from fascicle.catalogue.query import Catalogue

#: Values that a segment counts anew each time it is written.
_COUNTED = frozenset({"format", "n_sessions", "n_rows", "n_datasets", "n_sparse", "has_stats"})


def as_json(extra: dict[str, Any]) -> str:
    """Return an insertion's further values as they are stored: what JSON lacks becomes text."""
    return json.dumps(extra, default=_plain) if extra else ""


def _plain(value: Any) -> Any:
    # Numbers and arrays of numpy know what they are.
    return value.tolist() if hasattr(value, "tolist") else str(value)


def columns_of(catalogue: Catalogue) -> Columns:
    """Return everything that a catalogue holds."""
    con = catalogue._con
    eids = catalogue._eid_bytes
    sessions = [
        SessionRow(
            eids[16 * n : 16 * n + 16],
            lab,
            subject,
            Date.fromordinal(date),
            number,
            task,
            projects,
            folder,
            n < catalogue.n_sessions,
        )
        for n, lab, subject, date, number, task, projects, folder in con.execute(
            "SELECT * FROM session ORDER BY n"
        )
    ]
    rows = con.execute("SELECT paths, flags FROM contents ORDER BY n").fetchall()
    counts = np.diff(np.array(catalogue._starts())).astype(np.int64)
    return Columns(
        sessions,
        np.repeat(np.arange(len(sessions), dtype=np.int32), counts),
        np.frombuffer(b"".join(r[0] for r in rows), "<u4").astype(np.int32),
        list(catalogue.paths()),
        np.frombuffer(catalogue._beside(".bin"), RECORD_DTYPE).copy(),
        np.frombuffer(b"".join(r[1] for r in rows), np.uint8).copy(),
        _stats(catalogue),
        dict(con.execute("SELECT record, hash FROM odd_hash")),
        _insertions(catalogue, eids),
        {k: v for k, v in catalogue.meta.items() if k not in _COUNTED},
    )


def _stats(catalogue: Catalogue) -> np.ndarray[Any, Any] | None:
    if not catalogue.meta["has_stats"]:
        return None
    return np.frombuffer(catalogue._beside(".stat"), STAT_DTYPE).copy()


def _insertions(catalogue: Catalogue, eids: bytes) -> list[InsertionRow]:
    regions: dict[int, list[tuple[int, int, int]]] = {}
    for i, ccf, side, channels in catalogue._con.execute(
        "SELECT i, ccf, side, channels FROM region"
    ):
        regions.setdefault(i, []).append((ccf, side, channels))
    rows = catalogue._con.execute("SELECT * FROM insertion ORDER BY i")
    return [_insertion(row, eids, regions.get(row[0], ())) for row in rows]


def insertions_of(catalogue: Catalogue, rows: Iterable[int]) -> list[InsertionRow]:
    """Return everything that a catalogue holds of the insertions of some sessions."""
    eids = catalogue._eid_bytes
    out = []
    for n in rows:
        for row in catalogue._con.execute("SELECT * FROM insertion WHERE n = ? ORDER BY i", (n,)):
            ask = "SELECT ccf, side, channels FROM region WHERE i = ?"
            out.append(_insertion(row, eids, catalogue._con.execute(ask, (row[0],)).fetchall()))
    return out


def _insertion(
    row: Sequence[Any], eids: bytes, regions: Sequence[tuple[int, int, int]]
) -> InsertionRow:
    _, pid, n, name, model, serial, extra, known, source = row
    return InsertionRow(
        pid,
        eids[16 * n : 16 * n + 16],
        name,
        model,
        serial,
        json.loads(extra or "{}"),
        tuple(regions) if known else None,
        source,
    )
