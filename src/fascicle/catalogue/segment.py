"""One state of the catalogue as files that never change.

``NAME.sqlite`` answers searches. Beside it lie arrays of fixed width, of which only the rows asked
for are read: ``.bin`` ids, md5s and sizes in session order; ``.ids`` the same ids sorted, to find
one; ``.rows`` the sessions that have each rare path; ``.stat`` what the disk said of each file.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fascicle.catalogue.columns import Columns, SessionRow
from fascicle.catalogue.restore import as_json
from fascicle.catalogue.schema import CLASS_MASK, FORMAT
from fascicle.errors import CatalogueError

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE array (name TEXT PRIMARY KEY, data BLOB);
CREATE TABLE session (n INTEGER PRIMARY KEY, lab TEXT, subject TEXT, date INTEGER, number INTEGER,
                      task_protocol TEXT, projects TEXT, folder TEXT);
CREATE TABLE contents (n INTEGER PRIMARY KEY, paths BLOB, flags BLOB);
CREATE TABLE value (field TEXT, value, sessions BLOB);
CREATE TABLE posting (k INTEGER PRIMARY KEY, sessions BLOB);
CREATE TABLE odd_hash (record INTEGER PRIMARY KEY, hash TEXT);
CREATE TABLE insertion (i INTEGER PRIMARY KEY, pid BLOB, n INTEGER, name TEXT, model TEXT,
                        serial TEXT, extra TEXT, known INTEGER, source TEXT);
CREATE TABLE region (ccf INTEGER, side INTEGER, i INTEGER, channels INTEGER);
"""
_INDEXES = """
CREATE INDEX session_place ON session (subject, date, number);
CREATE INDEX insertion_session ON insertion (n);
CREATE INDEX insertion_pid ON insertion (pid);
CREATE INDEX region_ccf ON region (ccf);
CREATE INDEX region_insertion ON region (i);
"""


#: The endings of a segment's files.
ENDINGS = (".sqlite", ".bin", ".ids", ".rows", ".stat")


def encode_rows(rows: NDArray[np.integer[Any]], n_sessions: int) -> bytes:
    """Pack a sorted set of session numbers: ``b`` + bits where dense, ``h``/``i`` + integers."""
    wide = n_sessions > 0xFFFF
    if len(rows) * (4 if wide else 2) * 8 > n_sessions:
        mask = np.zeros(n_sessions, np.uint8)
        mask[rows] = 1
        return b"b" + np.packbits(mask, bitorder="little").tobytes()
    return (b"i" if wide else b"h") + rows.astype("<u4" if wide else "<u2").tobytes()


def write(columns: Columns, stem: Path, *, sync: bool = True) -> None:
    """Write a segment under names of its own; nothing refers to it until a commit does.

    Parameters
    ----------
    columns : Columns
        Must be arranged (`Columns.arrange`).
    stem : pathlib.Path
        Path without ending; the files must not exist.
    sync : bool
        Whether to wait until the disk has them.
    """
    con = sqlite3.connect(f"{stem}.sqlite", isolation_level=None)
    try:
        con.executescript("PRAGMA page_size=8192; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;")
        beside = fill(con, columns)
    finally:
        con.close()
    for ending, array in beside.items():
        _write_array(Path(f"{stem}{ending}"), array)
    if sync:
        for ending in ENDINGS:
            if Path(f"{stem}{ending}").exists():
                sync_file(f"{stem}{ending}")


def _sorted_ids(columns: Columns) -> NDArray[np.uint32]:
    """Return the first four bytes of the ids, sorted, and then the record of each."""
    heads = columns.records["id"].tobytes()
    first = np.frombuffer(heads, ">u4")[::4] if heads else np.zeros(0, ">u4")
    order = np.argsort(first, kind="stable")
    return np.concatenate([first[order], order]).astype("<u4")


def sync_file(path: str | os.PathLike[str]) -> None:
    """Wait until a file's bytes are on the disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _write_array(path: Path, array: NDArray[Any]) -> None:
    with path.open("xb") as f:
        f.write(array.data if array.flags.c_contiguous else array.tobytes())


def fill(con: sqlite3.Connection, columns: Columns) -> dict[str, NDArray[Any]]:
    """Put arranged columns into an empty database; return the arrays that lie beside it."""
    sessions = columns.sessions
    listed = sum(s.listed for s in sessions)
    found = _postings(columns)
    con.executescript(_SCHEMA)
    con.execute("BEGIN")
    meta = dict(columns.meta)
    meta.update(
        format=FORMAT,
        n_sessions=listed,
        n_rows=len(sessions),
        n_datasets=columns.n_datasets,
        n_sparse=len(found.rows),
        has_stats=columns.stats is not None,
    )
    con.executemany("INSERT INTO meta VALUES (?, ?)", ((k, json.dumps(v)) for k, v in meta.items()))
    con.executemany("INSERT INTO array VALUES (?, ?)", _arrays(columns, found))
    con.executemany(
        "INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                n,
                s.lab,
                s.subject,
                s.date.toordinal(),
                s.number,
                s.task_protocol,
                s.projects,
                s.folder,
            )
            for n, s in enumerate(sessions)
        ),
    )
    con.executemany("INSERT INTO contents VALUES (?, ?, ?)", _contents(columns))
    for name in ("lab", "subject", "number", "task_protocol", "projects"):
        con.executemany(
            "INSERT INTO value VALUES (?, ?, ?)", _values(sessions[:listed], name, len(sessions))
        )
    con.executemany("INSERT INTO posting VALUES (?, ?)", found.dense.items())
    con.executemany("INSERT INTO odd_hash VALUES (?, ?)", columns.odd_hashes.items())
    _fill_insertions(con, columns)
    con.execute("COMMIT")
    con.executescript(_INDEXES)
    beside: dict[str, NDArray[Any]] = {
        ".bin": columns.records,
        ".ids": _sorted_ids(columns),
        ".rows": found.rows,
    }
    if columns.stats is not None:
        beside[".stat"] = columns.stats
    return beside


def _starts(columns: Columns) -> NDArray[np.int64]:
    return np.searchsorted(columns.session, np.arange(len(columns.sessions) + 1))


def _arrays(columns: Columns, found: Postings) -> Iterator[tuple[str, bytes]]:
    sessions = columns.sessions
    yield "eids", b"".join(s.eid for s in sessions)
    # Sessions are latest first, so the negated dates ascend and can be bisected.
    yield "dates", np.array([-s.date.toordinal() for s in sessions], "<i4").tobytes()
    yield "starts", _starts(columns).astype("<i8").tobytes()
    yield "paths", joined(columns.paths)
    number: dict[str, int] = {}
    codes = [number.setdefault(p.rsplit("/", 1)[-1], len(number)) for p in columns.paths]
    yield "names", joined(list(number))
    yield "path_names", np.array(codes, "<u4").tobytes()
    seen = np.zeros(len(columns.paths), np.uint32)
    if columns.n_datasets:
        np.bitwise_or.at(
            seen,
            columns.path,
            np.left_shift(np.uint32(1), columns.flags & CLASS_MASK, dtype=np.uint32),
        )
    yield "posting_keys", found.keys.tobytes()
    yield "posting_ends", found.ends.tobytes()
    yield "path_classes", seen.astype("<u4").tobytes()


def joined(paths: list[str]) -> bytes:
    """Pack paths, each with a byte after it that no file system has in names.

    Raises
    ------
    CatalogueError
        A path has that byte, or is no text that UTF-8 can write.
    """
    try:
        out = "".join(f"{path}\0" for path in paths).encode()
    except UnicodeEncodeError as error:
        raise CatalogueError(f"a path is no valid text: {error}") from error
    if out.count(b"\0") != len(paths):
        bad = next(path for path in paths if "\0" in path)
        raise CatalogueError(f"{bad!r} is no path: it has a null character")
    return out


def _contents(columns: Columns) -> Iterator[tuple[int, bytes, bytes]]:
    starts = _starts(columns).tolist()
    paths = columns.path.astype("<u4").tobytes()
    flags = columns.flags.tobytes()
    for n in range(len(columns.sessions)):
        a, b = starts[n], starts[n + 1]
        yield n, paths[4 * a : 4 * b], flags[a:b]


def _values(
    sessions: list[SessionRow], name: str, n_rows: int
) -> Iterator[tuple[str, str | int, bytes]]:
    rows: dict[str | int, list[int]] = {}
    for n, s in enumerate(sessions):
        rows.setdefault(getattr(s, name), []).append(n)
    for value, where in rows.items():
        yield name, value, encode_rows(np.array(where), n_rows)


class Postings(NamedTuple):
    """For each path and class the sessions that have it, by ``path * 32 + class``.

    Attributes
    ----------
    keys : ndarray of uint32
        Ascending.
    ends : ndarray of uint64
        Where the sparse rows of each key end; a dense key has none.
    rows : ndarray of uint32
        Sessions of the sparse keys, one after the other.
    dense : dict
        Sessions of the dense keys as bits, by position of the key.
    """

    keys: NDArray[np.uint32]
    ends: NDArray[np.uint64]
    rows: NDArray[np.uint32]
    dense: dict[int, bytes]


def _postings(columns: Columns) -> Postings:
    """Turn the datasets round: from sessions' paths to paths' sessions."""
    key = columns.path.astype(np.uint32) * np.uint32(32) + (columns.flags & CLASS_MASK)
    order = np.argsort(key, kind="stable")
    key, session = key[order], columns.session[order]
    fresh = np.ones(len(key), bool)
    fresh[1:] = (key[1:] != key[:-1]) | (session[1:] != session[:-1])
    key, session = key[fresh], session[fresh]
    keys, starts, counts = np.unique(key, return_index=True, return_counts=True)
    n = len(columns.sessions)
    # Bits take more room than numbers here, but are joined many times faster.
    is_dense = counts * 128 > n
    dense = {}
    for k in np.flatnonzero(is_dense).tolist():
        mask = np.zeros(n, np.uint8)
        mask[session[starts[k] : starts[k] + counts[k]]] = 1
        dense[k] = np.packbits(mask, bitorder="little").tobytes()
    rows = session[~np.repeat(is_dense, counts)].astype("<u4")
    ends = np.cumsum(np.where(is_dense, 0, counts)).astype("<u8")
    return Postings(keys.astype("<u4"), ends, rows, dense)


def _fill_insertions(con: sqlite3.Connection, columns: Columns) -> None:
    row = {s.eid: n for n, s in enumerate(columns.sessions)}
    regions: list[tuple[int, int, int, int]] = []
    rows = []
    for i, p in enumerate(sorted(columns.insertions, key=lambda p: (row[p.eid], p.name))):
        extra = as_json(p.extra)
        known = p.regions is not None
        rows.append((i, p.pid, row[p.eid], p.name, p.model, p.serial, extra, known, p.source))
        regions.extend((ccf, side, i, count) for ccf, side, count in p.regions or ())
    con.executemany("INSERT INTO insertion VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    con.executemany("INSERT INTO region VALUES (?, ?, ?, ?)", regions)
