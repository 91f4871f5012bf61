"""A catalogue as bytes to be sent: sessions, paths and flags small, ids and hashes apart.

Ids and hashes do not compress, and few of them are ever asked for: they lie in records of fixed
width that are fetched by range. All else of 6 million datasets compresses to some 10 MB.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date as Date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.catalogue.columns import (
    RECORD_DTYPE,
    Columns,
    InsertionRow,
    SessionRow,
    empty_records,
)
from fascicle.catalogue.restore import as_json
from fascicle.errors import CatalogueError

MAGIC = b"fascicle packed 1\n"
_LENGTHS = struct.Struct("<QQ")  # of the packed bytes, and of what they unpack to
_LIMIT = 1 << 33  # bytes that a frame may unpack to
_TEXTS = ("lab", "subject", "task_protocol", "projects", "folder")


def pack(columns: Columns, *, records: bool, gone: Iterable[bytes] = (), level: int = 6) -> bytes:
    """Return arranged columns as one frame of bytes.

    Parameters
    ----------
    columns : Columns
        Must be arranged (`Columns.arrange`).
    records : bool
        Whether ids, hashes and sizes are in it.
    gone : iterable of bytes
        Ids of sessions that are no more.
    level : int
        How hard to compress, 1 to 9.
    """
    head, arrays = _head(columns), list(_arrays(columns, records=records))
    head["gone"] = [eid.hex() for eid in gone]
    head["arrays"] = [[name, a.dtype.str, len(a)] for name, a in arrays]
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode()
    body = [struct.pack("<Q", len(text)), text, *(a.tobytes() for _, a in arrays)]
    squeeze = zlib.compressobj(level)
    packed = b"".join([*map(squeeze.compress, body), squeeze.flush()])
    return MAGIC + _LENGTHS.pack(len(packed), sum(map(len, body))) + packed


def unpack(raw: bytes) -> Iterator[tuple[Columns, list[bytes]]]:
    """Yield the columns of each frame, and the ids of the sessions that it takes out.

    Records that a frame does not have are blank.

    Raises
    ------
    CatalogueError
        The bytes are not whole, or of another kind.
    """
    at = 0
    while at < len(raw):
        start = at + len(MAGIC) + _LENGTHS.size
        if raw[at : at + len(MAGIC)] != MAGIC or len(raw) < start:
            raise CatalogueError(
                "the index that the server sent is of a kind that this version does not know",
                hint="update fascicle here, or on the server",
            )
        packed, length = _LENGTHS.unpack(raw[at + len(MAGIC) : start])
        at = start + packed
        try:
            opener = zlib.decompressobj()
            body = opener.decompress(raw[start:at], min(length, _LIMIT))
            if len(body) != length or not opener.eof:
                raise ValueError("its end is missing")
            yield _parsed(body)
        except (zlib.error, ValueError, KeyError, TypeError, IndexError, struct.error) as error:
            raise CatalogueError(f"the index that the server sent is damaged: {error}") from error


def _head(columns: Columns) -> dict[str, Any]:
    sessions = columns.sessions
    head: dict[str, Any] = {"meta": columns.meta, "paths": columns.paths}
    for name in _TEXTS:
        code: dict[str, int] = {}
        head[name] = [code.setdefault(getattr(s, name), len(code)) for s in sessions]
        head[f"{name}s"] = list(code)
    head["date"] = [s.date.toordinal() for s in sessions]
    head["number"] = [s.number for s in sessions]
    head["listed"] = [int(s.listed) for s in sessions]
    head["odd"] = [[k, text] for k, text in sorted(columns.odd_hashes.items())]
    place = {s.eid: n for n, s in enumerate(sessions)}
    head["insertions"] = [
        [
            p.pid.hex(),
            place[p.eid],
            p.name,
            p.model,
            p.serial,
            json.loads(as_json(p.extra) or "{}"),
            p.regions,
        ]
        for p in sorted(columns.insertions, key=lambda p: (place[p.eid], p.name, p.pid))
    ]
    return head


def _arrays(columns: Columns, *, records: bool) -> Iterator[tuple[str, NDArray[Any]]]:
    yield "eids", np.frombuffer(b"".join(s.eid for s in columns.sessions), "u1")
    counts = np.bincount(columns.session, minlength=len(columns.sessions))
    yield "counts", counts.astype("<u4")
    # Paths ascend within a session, and many sessions have the same: steps repeat where numbers
    # of paths do not, and their bytes do so more if they stand apart.
    steps = np.diff(columns.path, prepend=np.int32(0)).astype("<i4").view("u1").reshape(-1, 4)
    for k in range(4):
        yield f"steps{k}", np.ascontiguousarray(steps[:, k])
    yield "flags", columns.flags
    if records:
        yield "records", np.frombuffer(columns.records.tobytes(), "u1")


def _parsed(body: bytes) -> tuple[Columns, list[bytes]]:
    (length,) = struct.unpack("<Q", body[:8])
    head = json.loads(body[8 : 8 + length])
    at, arrays = 8 + length, {}
    for name, kind, n in head["arrays"]:
        dtype = np.dtype(kind)
        arrays[name] = np.frombuffer(body, dtype, n, at)
        at += n * dtype.itemsize
    eids = arrays["eids"].tobytes()
    sessions = [
        SessionRow(
            eids[16 * n : 16 * n + 16],
            head["labs"][head["lab"][n]],
            head["subjects"][head["subject"][n]],
            Date.fromordinal(head["date"][n]),
            head["number"][n],
            head["task_protocols"][head["task_protocol"][n]],
            head["projectss"][head["projects"][n]],
            head["folders"][head["folder"][n]],
            bool(head["listed"][n]),
        )
        for n in range(len(eids) // 16)
    ]
    n_datasets = len(arrays["flags"])
    steps = np.stack([arrays[f"steps{k}"] for k in range(4)], axis=1)
    path = np.cumsum(np.ascontiguousarray(steps).view("<i4").reshape(-1)).astype(np.int32)
    if n_datasets and not 0 <= int(path.min()) <= int(path.max()) < len(head["paths"]):
        raise ValueError("a dataset has no path")
    records = empty_records(n_datasets)
    if "records" in arrays:
        records = np.frombuffer(arrays["records"].tobytes(), RECORD_DTYPE).copy()
    columns = Columns(
        sessions,
        np.repeat(np.arange(len(sessions), dtype=np.int32), arrays["counts"]),
        path,
        head["paths"],
        records,
        arrays["flags"].copy(),
        None,
        {int(k): text for k, text in head["odd"]},
        [_insertion(row, sessions) for row in head["insertions"]],
        head["meta"],
    )
    if not len(columns.session) == len(columns.path) == len(columns.records) == n_datasets:
        raise ValueError("its parts are not of one length")
    return columns, [bytes.fromhex(eid) for eid in head["gone"]]


def _insertion(row: list[Any], sessions: list[SessionRow]) -> InsertionRow:
    pid, n, name, model, serial, extra, regions = row
    known = None if regions is None else tuple((int(a), int(b), int(c)) for a, b, c in regions)
    return InsertionRow(bytes.fromhex(pid), sessions[n].eid, name, model, serial, extra, known, "")


def some(columns: Columns, wanted: Callable[[SessionRow], bool]) -> Columns:
    """Return the columns of some sessions, arranged."""
    keep = np.array([wanted(s) for s in columns.sessions], bool)
    number = np.cumsum(keep, dtype=np.int32) - 1
    rows = keep[columns.session] if len(keep) else np.zeros(0, bool)
    out = columns.take(np.flatnonzero(rows))
    kept = [s for s, k in zip(columns.sessions, keep.tolist(), strict=True) if k]
    eids = {s.eid for s in kept}
    return replace(
        out,
        sessions=kept,
        session=number[out.session],
        insertions=[p for p in columns.insertions if p.eid in eids],
    ).arrange()


def renewed(base: Columns, fresh: Columns, gone: Iterable[bytes]) -> Columns:
    """Return columns in which some sessions are replaced as a whole, and others are no more.

    Parameters
    ----------
    base : Columns
        Left as they are.
    fresh : Columns
        Sessions that are new or changed; what ``meta`` says is theirs.
    gone : iterable of bytes
        Ids of sessions to take out.
    """
    drop = {s.eid for s in fresh.sessions} | set(gone)
    old = some(replace(base), lambda s: s.eid not in drop)
    code = {path: k for k, path in enumerate(old.paths)}
    number = np.array([code.setdefault(p, len(code)) for p in fresh.paths], np.int32)
    odd = {k + old.n_datasets: text for k, text in fresh.odd_hashes.items()}
    path = number[fresh.path] if len(number) else fresh.path
    return Columns(
        [*old.sessions, *fresh.sessions],
        np.concatenate([old.session, fresh.session + np.int32(len(old.sessions))]),
        np.concatenate([old.path, path]),
        list(code),
        np.concatenate([old.records, fresh.records]),
        np.concatenate([old.flags, fresh.flags]),
        None,
        {**old.odd_hashes, **odd},
        [*old.insertions, *fresh.insertions],
        dict(fresh.meta),
    ).arrange()
