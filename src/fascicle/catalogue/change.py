"""Changes to a catalogue, and how they are applied to whatever is the newest state by then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from fascicle.catalogue.columns import (
    RECORD_DTYPE,
    STAT_DTYPE,
    Columns,
    InsertionRow,
    SessionRow,
    with_distinct_ids,
)
from fascicle.catalogue.schema import (
    DEFAULT,
    EXISTS,
    EXISTS_AWS,
    HAS_HASH,
    ODD_HASH,
    QC_CODE,
    QC_SHIFT,
    QC_VALUES,
    Session,
    session_folder,
)
from fascicle.errors import CatalogueError


class DatasetRow(NamedTuple):
    """A dataset as plain values.

    Attributes
    ----------
    eid, id : uuid.UUID
    rel_path : str
        Relative to the session, revision included.
    file_size : int or None
        Bytes.
    hash : str
        Empty where unknown.
    exists : bool
    qc : int
        0, 10, 30, 40 or 50.
    default_revision, exists_aws : bool or None
        None where the table has no such column.
    """

    eid: UUID
    id: UUID
    rel_path: str
    file_size: int | None = None
    hash: str = ""
    exists: bool = True
    qc: int = 0
    default_revision: bool | None = None
    exists_aws: bool | None = None


@dataclass(slots=True)
class Change:
    """Rows to put in and rows to take out.

    Attributes
    ----------
    upsert_sessions : sequence of Session
        Inserted, or replacing what has the same eid.
    upsert_datasets : sequence of DatasetRow
        Inserted, or replacing what has the same id.
    upsert_insertions : sequence of InsertionRow
        Inserted, or replacing what has the same pid; one that says nothing of regions (None, and
        no source) leaves those that are known.
    delete_sessions, delete_datasets, delete_insertions : set of UUID
        A session is taken out with its datasets.
    meta : dict
        Values to set.

    Examples
    --------
    Say which model a probe is:

    >>> from fascicle.catalogue import Change, InsertionRow
    >>> def set_model(catalogue, pid, model):
    ...     p = catalogue.insertion(pid)
    ...     eid = catalogue.eid(p.row)
    ...     row = InsertionRow(p.pid.bytes, eid.bytes, p.name, model, p.serial, p.extra)
    ...     return catalogue.commit(Change(upsert_insertions=[row]))
    """

    upsert_sessions: Sequence[Session] = ()
    upsert_datasets: Sequence[DatasetRow] = ()
    upsert_insertions: Sequence[InsertionRow] = ()
    delete_sessions: Iterable[UUID] = ()
    delete_datasets: Iterable[UUID] = ()
    delete_insertions: Iterable[UUID] = ()
    meta: dict[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(getattr(self, name) for name in self.__slots__)


def apply(change: Change, base: Columns) -> Columns:
    """Return the columns with a change made; the given ones are left as they are.

    Raises
    ------
    CatalogueError
        A row has a value that no catalogue can hold.
    """
    rows = list({(r.eid, r.id): r for r in change.upsert_datasets}.values())
    out = replace(base, sessions=list(base.sessions), meta={**base.meta, **change.meta})
    gone = {eid.bytes for eid in change.delete_sessions}
    fresh = _records(rows)
    drop = {did.bytes for did in change.delete_datasets} | set(fresh[0])
    keep = ~_matches(out.records["id"], drop)
    if gone:
        removed = np.array([s.eid in gone for s in out.sessions], bool)
        keep &= ~removed[out.session] if len(out.sessions) else keep
    was = _stats_by_id(out, ~keep, set(fresh[0])) if out.stats is not None else {}
    out = out.take(np.flatnonzero(keep))
    if gone:
        out = _without_sessions(out, gone)
    _upsert_sessions(out, change.upsert_sessions)
    out = _append(out, rows, fresh, was)
    out.insertions = _insertions(out.insertions, change, gone)
    if out.n_datasets != base.n_datasets or gone or change.delete_insertions:
        # The next index must not take the folder for what is in the catalogue.
        out.meta["index"] = {**base.meta.get("index", {}), "digest": ""}
    _name_sessions(out, (p.eid for p in out.insertions))
    return out if len(set(fresh[0])) == len(rows) else with_distinct_ids(out)


def _insertions(
    known: Sequence[InsertionRow], change: Change, gone: set[bytes]
) -> list[InsertionRow]:
    before = {p.pid: p for p in known}
    fresh = {p.pid: p for p in change.upsert_insertions}
    drop = {p.bytes for p in change.delete_insertions} | set(fresh)
    out = [p for p in known if p.pid not in drop and p.eid not in gone]
    for pid, p in fresh.items():
        was = before.get(pid)
        silent = p.regions is None and not p.source
        if silent and was is not None:
            p = replace(p, regions=was.regions, source=was.source)
        out.append(p)
    return out


def _matches(ids: NDArray[np.void], wanted: set[bytes]) -> NDArray[np.bool_]:
    out = np.zeros(len(ids), bool)
    if not wanted or not len(ids):
        return out
    heads = np.frombuffer(np.ascontiguousarray(ids).tobytes(), "<u8")[::2]
    some = np.frombuffer(b"".join(wanted), "<u8")[::2]
    for k in np.flatnonzero(np.isin(heads, some)).tolist():
        out[k] = ids[k].tobytes() in wanted
    return out


def _stats_by_id(c: Columns, rows: NDArray[np.bool_], ids: set[bytes]) -> dict[bytes, Any]:
    assert c.stats is not None
    return {
        raw: (c.stats[k], c.records["hash"][k].tobytes())
        for k in np.flatnonzero(rows).tolist()
        if (raw := c.records["id"][k].tobytes()) in ids
    }


def _without_sessions(c: Columns, gone: set[bytes]) -> Columns:
    kept = [n for n, s in enumerate(c.sessions) if s.eid not in gone]
    number = np.zeros(len(c.sessions), np.int32)
    number[kept] = np.arange(len(kept), dtype=np.int32)
    return replace(c, sessions=[c.sessions[n] for n in kept], session=number[c.session])


def _upsert_sessions(c: Columns, rows: Sequence[Session]) -> None:
    place = {s.eid: n for n, s in enumerate(c.sessions)}
    for s in rows:
        usual = session_folder(s.lab, s.subject, s.date, s.number)
        n = place.setdefault(s.eid.bytes, len(c.sessions))
        # A table cannot say where an odd folder lies: an empty path keeps what is known.
        folder = s.path or (c.sessions[n].path if n < len(c.sessions) else "")
        c.sessions[n : n + 1] = [
            SessionRow(
                s.eid.bytes,
                s.lab,
                s.subject,
                s.date,
                s.number,
                s.task_protocol,
                s.projects,
                "" if folder == usual else folder,
            )
        ]


def _name_sessions(c: Columns, eids: Iterable[bytes]) -> dict[bytes, int]:
    """Number the sessions, adding an unlisted one for each id that has none."""
    place = {s.eid: n for n, s in enumerate(c.sessions)}
    for eid in eids:
        if eid not in place:
            place[eid] = len(c.sessions)
            c.sessions.append(SessionRow(eid, listed=False))
    return place


def _records(
    rows: Sequence[DatasetRow],
) -> tuple[list[bytes], NDArray[np.void], NDArray[np.uint8], dict[int, str]]:
    records = np.zeros(len(rows), RECORD_DTYPE)
    flags = np.zeros(len(rows), np.uint8)
    odd: dict[int, str] = {}
    ids = [r.id.bytes for r in rows]
    for k, r in enumerate(rows):
        records[k]["id"] = np.void(ids[k])
        records[k]["size"] = -1 if r.file_size is None else r.file_size
        if r.qc not in QC_CODE:
            raise CatalogueError(
                f"{r.rel_path} cannot have the QC {r.qc!r}",
                hint=f"QC is one of {', '.join(map(str, QC_VALUES))}",
            )
        flag = (EXISTS if r.exists else 0) | QC_CODE[r.qc] << QC_SHIFT
        flag |= (DEFAULT if r.default_revision else 0) | (EXISTS_AWS if r.exists_aws else 0)
        if r.hash:
            raw = _md5(r.hash)
            if raw:
                records[k]["hash"] = np.void(raw)
                flag |= HAS_HASH
            else:
                odd[k] = r.hash
                flag |= ODD_HASH
        flags[k] = flag
    return ids, records, flags, odd


def _md5(text: str) -> bytes:
    if len(text) != 32 or text != text.lower():
        return b""
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _append(
    c: Columns,
    rows: Sequence[DatasetRow],
    fresh: tuple[list[bytes], NDArray[np.void], NDArray[np.uint8], dict[int, str]],
    was: dict[bytes, Any],
) -> Columns:
    if not rows:
        return c
    ids, records, flags, odd = fresh
    place = _name_sessions(c, (r.eid.bytes for r in rows))
    code = {p: k for k, p in enumerate(c.paths)}
    path = np.array([code.setdefault(r.rel_path, len(code)) for r in rows], np.int32)
    stats = c.stats
    if stats is not None:
        more = np.zeros(len(rows), STAT_DTYPE)
        for k, raw in enumerate(ids):
            # A hash that somebody gives is a record of theirs: the file was not seen with it.
            if raw in was and was[raw][1] == records["hash"][k].tobytes():
                more[k] = was[raw][0]
        stats = np.concatenate([stats, more])
    meta = dict(c.meta)
    for name in ("default_revision", "exists_aws"):
        if any(getattr(r, name) is not None for r in rows):
            meta[f"has_{name}"] = True
    return replace(
        c,
        session=np.concatenate([c.session, np.array([place[r.eid.bytes] for r in rows], np.int32)]),
        path=np.concatenate([c.path, path]),
        paths=list(code),
        records=np.concatenate([c.records, records]),
        flags=np.concatenate([c.flags, flags]),
        stats=stats,
        odd_hashes={**c.odd_hashes, **{k + c.n_datasets: t for k, t in odd.items()}},
        meta=meta,
    )
