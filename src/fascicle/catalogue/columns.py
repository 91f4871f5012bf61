"""The whole catalogue as columns in memory: the form in which it is built, merged and exported."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date as Date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.catalogue import identity
from fascicle.catalogue.schema import RECORD, session_folder

#: The session of datasets that belong to none (aggregates).
NO_SESSION = bytes(16)


@dataclass(slots=True)
class SessionRow:
    """A session on its way into the catalogue; ``folder`` is empty where it is the convention's.

    ``listed`` is false for a session that datasets name but no table describes: its datasets can
    be reached by its id, searches do not show it.
    """

    eid: bytes
    lab: str = ""
    subject: str = ""
    date: Date = Date(1, 1, 1)
    number: int = 0
    task_protocol: str = ""
    projects: str = ""
    folder: str = ""
    listed: bool = True

    @property
    def path(self) -> str:
        """Return the session's folder relative to the root."""
        return self.folder or session_folder(self.lab, self.subject, self.date, self.number)


@dataclass(slots=True)
class InsertionRow:
    """A probe insertion on its way into the catalogue.

    Attributes
    ----------
    pid, eid : bytes
        The 16 bytes of its id and of its session's (``UUID.bytes``).
    name, model, serial : str
    extra : dict
        Plain values: whatever else is to be kept of it.
    regions : tuple of (CCF id, side, channels), or None
        Side is -1 left, 1 right, 0 unknown; None where its channels were never read.
    source : str
        What the regions were read from: changes when they must be read again.
    """

    pid: bytes
    eid: bytes
    name: str
    model: str = ""
    serial: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    regions: tuple[tuple[int, int, int], ...] | None = None
    source: str = ""


def empty_records(n: int) -> NDArray[np.void]:
    """Return ``n`` blank packed records: id (16 bytes), md5 (16 bytes), size (int64)."""
    return np.zeros(n, RECORD_DTYPE)


RECORD_DTYPE = np.dtype([("id", "V16"), ("hash", "V16"), ("size", "<i8")])
STAT_DTYPE = np.dtype([("mtime", "<i8"), ("ctime", "<i8"), ("inode", "<i8")])
assert RECORD_DTYPE.itemsize == RECORD


@dataclass(slots=True)
class Columns:
    """Sessions, datasets and insertions.

    Attributes
    ----------
    sessions : list of SessionRow
    session : ndarray of int32, shape (n_datasets,)
        Position of each dataset's session in ``sessions``.
    path : ndarray of int32, shape (n_datasets,)
        Position of its relative path in ``paths``.
    paths : list of str
    records : structured ndarray, shape (n_datasets,)
        ``RECORD_DTYPE``.
    flags : ndarray of uint8, shape (n_datasets,)
        See ``schema``.
    stats : structured ndarray, shape (n_datasets,), or None
        ``STAT_DTYPE``: what the disk said; None where no file was seen.
    odd_hashes : dict
        Hash texts that are no md5, by position of the dataset.
    insertions : list of InsertionRow
    meta : dict
        Plain values about the catalogue.
    """

    sessions: list[SessionRow]
    session: NDArray[np.int32]
    path: NDArray[np.int32]
    paths: list[str]
    records: NDArray[np.void]
    flags: NDArray[np.uint8]
    stats: NDArray[np.void] | None = None
    odd_hashes: dict[int, str] = field(default_factory=dict)
    insertions: list[InsertionRow] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def empty(cls) -> Columns:
        """Return columns with nothing in them."""
        none = np.zeros(0, np.int32)
        return cls([], none, none, [], empty_records(0), np.zeros(0, np.uint8))

    @property
    def n_datasets(self) -> int:
        """Return the number of datasets."""
        return len(self.flags)

    def take(self, rows: NDArray[np.intp]) -> Columns:
        """Return the columns with only some datasets, in the given order; all sessions stay."""
        return replace(
            self,
            session=self.session[rows],
            path=self.path[rows],
            records=self.records[rows],
            flags=self.flags[rows],
            stats=None if self.stats is None else self.stats[rows],
            odd_hashes=_moved(self.odd_hashes, rows),
        )

    def arrange(self) -> Columns:
        """Put the rows into the order of the files: sessions latest first, paths by name.

        Works in place, one array after the other, since there may be millions of rows.
        """
        order = sorted(range(len(self.sessions)), key=lambda i: _session_key(self.sessions[i]))
        place = np.empty(len(order), np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        used = np.unique(self.path).tolist()
        texts = sorted({self.paths[p] for p in used})
        number = {text: i for i, text in enumerate(texts)}
        code = np.zeros(max(len(self.paths), 1), np.int32)
        code[used] = [number[self.paths[p]] for p in used]
        self.sessions = [self.sessions[i] for i in order]
        self.paths = texts
        self.session = place[self.session]
        self.path = code[self.path]
        key = self.session.astype(np.int64) * max(len(texts), 1) + self.path
        if not np.any(key[1:] < key[:-1]):
            return self
        rows = np.argsort(key, kind="stable")
        del key
        self.odd_hashes = _moved(self.odd_hashes, rows)
        self.session = self.session[rows]
        self.path = self.path[rows]
        self.flags = self.flags[rows]
        self.records = self.records[rows]
        if self.stats is not None:
            self.stats = self.stats[rows]
        return self


def repeated_ids(columns: Columns) -> list[int]:
    """Return the datasets whose id stands for several."""
    raw = columns.records["id"].tobytes()
    heads = np.frombuffer(raw, "<u8")[::2]
    order = np.argsort(heads, kind="stable")
    same = heads[order[1:]] == heads[order[:-1]]
    some = np.zeros(len(order), bool)
    some[order[1:]] |= same
    some[order[:-1]] |= same
    rows = np.flatnonzero(some).tolist()
    ids = [raw[16 * k : 16 * k + 16] for k in rows]
    count = Counter(ids)
    return [k for k, one in zip(rows, ids, strict=True) if count[one] > 1]


def with_distinct_ids(columns: Columns, fresh: NDArray[np.bool_] | None = None) -> Columns:
    """Derive ids anew where one stands for several datasets.

    In several sessions it identifies none of them; within one (old servers have files of two
    places under one id) the first by path keeps it.

    Parameters
    ----------
    columns : Columns
        Left as they are.
    fresh : ndarray of bool, optional
        Datasets whose id may be changed; default: all.
    """
    rows = repeated_ids(columns)
    if not rows:
        return columns
    records = columns.records.copy()
    while rows:
        mine = _to_derive(columns, rows) if fresh is None else [k for k in rows if fresh[k]]
        taken = {records["id"][k].tobytes() for k in set(rows) - set(mine)}
        for k in mine:
            eid = columns.sessions[columns.session[k]].eid
            path = columns.paths[columns.path[k]]
            raw = identity.dataset_id(eid, path)
            while raw in taken:
                raw = identity.dataset_id(raw, path)
            taken.add(raw)
            records["id"][k] = np.void(raw)
        columns = replace(columns, records=records)
        rows = repeated_ids(columns) if mine else []
    return columns


def _to_derive(columns: Columns, rows: list[int]) -> list[int]:
    groups: dict[bytes, list[int]] = {}
    for k in rows:
        groups.setdefault(columns.records["id"][k].tobytes(), []).append(k)
    out = []
    for group in groups.values():
        group.sort(key=lambda k: (columns.paths[columns.path[k]], k))
        alone = len({int(columns.session[k]) for k in group}) == 1
        out += group[alone:]
    return sorted(out)


def _moved(odd: dict[int, str], rows: NDArray[np.intp]) -> dict[int, str]:
    if not odd:
        return {}
    place = {int(r): i for i, r in enumerate(rows)}
    return {place[r]: text for r, text in odd.items() if r in place}


def _session_key(s: SessionRow) -> tuple[Any, ...]:
    # Descending text needs inverted characters; the terminator makes a prefix sort last.
    inverted = (*(-ord(c) for c in s.subject), 1)
    return (not s.listed, -s.date.toordinal(), inverted, -s.number, s.eid)
