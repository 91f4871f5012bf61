"""The catalogue as pandas tables of ONE's form, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pandas as pd

from fascicle.catalogue.change import Change, DatasetRow, apply
from fascicle.catalogue.columns import Columns, InsertionRow
from fascicle.catalogue.ids import make_uuid, make_uuids
from fascicle.catalogue.restore import as_json
from fascicle.catalogue.schema import (
    DEFAULT,
    EXISTS,
    EXISTS_AWS,
    HAS_HASH,
    ODD_HASH,
    QC_MASK,
    QC_NAMES,
    QC_SHIFT,
    QC_VALUES,
    RECORD,
    Session,
)

if TYPE_CHECKING:
    from fascicle.catalogue.datasets import Datasets
    from fascicle.catalogue.query import Catalogue

QC_TYPE = pd.CategoricalDtype(categories=list(QC_NAMES), ordered=True)
_TEXT: Any = pd.Series(["text"]).dtype
_SESSION_FIELDS = ("lab", "subject", "date", "number", "task_protocol", "projects")


def sessions(catalogue: Catalogue, rows: Sequence[int] | None = None) -> pd.DataFrame:
    """Return ONE's sessions table.

    Returns
    -------
    pandas.DataFrame
        Columns lab, subject, date, number (uint16), task_protocol, projects; index ``id`` of
        `uuid.UUID`, in the order of the rows.
    """
    wanted = range(catalogue.n_sessions) if rows is None else rows
    found = [catalogue.session(r) for r in wanted]
    data: dict[str, Any] = {
        name: np.array([getattr(s, name) for s in found], object) for name in _SESSION_FIELDS
    }
    data = {k: v if k == "date" else _texts(v) for k, v in data.items() if k != "number"}
    data["number"] = np.array([s.number for s in found], np.uint16)
    index = pd.Index(_objects([s.eid for s in found]), name="id", dtype=object)
    return pd.DataFrame({k: data[k] for k in _SESSION_FIELDS}, index=index)


def _objects(values: list[Any]) -> np.ndarray[Any, Any]:
    out = np.empty(len(values), object)
    out[:] = values
    return out


def _texts(values: np.ndarray[Any, Any]) -> Any:
    # As pandas reads texts from ONE's tables: objects, or from its version 3 on its own type.
    return pd.array(values, dtype=_TEXT)


def session_datasets(datasets: Datasets) -> pd.DataFrame:
    """Return ONE's table of one session's datasets, indexed by id."""
    flags = np.frombuffer(datasets.flags, np.uint8)
    raw = datasets._catalogue._records(datasets._first, len(datasets))
    index = pd.Index(_objects(datasets.ids), name="id", dtype=object)
    paths = _objects(list(datasets.rel_paths))
    return _frame(datasets._catalogue, paths, flags, raw, datasets._first, index)


def datasets(catalogue: Catalogue, rows: Sequence[int] | None = None) -> pd.DataFrame:
    """Return ONE's datasets table of some sessions, indexed by (eid, id).

    Returns
    -------
    pandas.DataFrame
        Columns rel_path, file_size (UInt64), hash, exists, qc (ordered category) and, where the
        tables have them, default_revision and exists_aws.
    """
    if rows is None:
        rows = range(catalogue.n_rows)
    starts = catalogue._starts()
    codes, flags, raw, firsts = [], [], [], []
    whole = isinstance(rows, range) and len(rows) == catalogue.n_rows
    for row, paths, flag in _contents(catalogue, rows, whole):
        codes.append(paths)
        flags.append(flag)
        firsts.append((row, len(flag)))
        if not whole:
            raw.append(catalogue._records(starts[row], len(flag)))
    data = bytes(catalogue._beside(".bin")) if whole else b"".join(raw)
    count = np.array([n for _, n in firsts], np.int64)
    table = _objects(catalogue.paths())
    code = np.frombuffer(b"".join(codes), "<u4")
    flag_array = np.frombuffer(b"".join(flags), np.uint8)
    ids = make_uuids([data[i : i + 16] for i in range(0, len(data), RECORD)])
    eids = _objects([catalogue.eid(row) for row, _ in firsts])
    level = pd.MultiIndex(
        levels=[pd.Index(eids, dtype=object), pd.Index(_objects(ids), dtype=object)],
        codes=[np.repeat(np.arange(len(eids)), count), np.arange(len(ids))],  # type: ignore[list-item]
        names=["eid", "id"],
        verify_integrity=False,
    )
    first = starts[firsts[0][0]] if whole and firsts else -1
    out = _frame(
        catalogue, table[code] if len(code) else _objects([]), flag_array, data, first, level
    )
    if first < 0 and (flag_array & ODD_HASH).any():
        odd = _objects([h for row, _ in firsts for h in catalogue.datasets(row).hashes])
        out["hash"] = _texts(odd)
    return out


def _contents(catalogue: Catalogue, rows: Sequence[int], whole: bool) -> Any:
    if whole:
        yield from catalogue._con.execute("SELECT n, paths, flags FROM contents ORDER BY n")
        return
    for row in rows:
        yield from catalogue._con.execute(
            "SELECT n, paths, flags FROM contents WHERE n = ?", (row,)
        )


def _frame(
    catalogue: Catalogue,
    paths: np.ndarray[Any, Any],
    flags: np.ndarray[Any, Any],
    raw: bytes,
    first: int,
    index: Any,
) -> pd.DataFrame:
    records = np.frombuffer(raw, [("id", "V16"), ("hash", "V16"), ("size", "<i8")])
    size = records["size"]
    file_size = pd.arrays.IntegerArray(np.where(size < 0, 0, size).astype(np.uint64), size < 0)
    data: dict[str, Any] = {
        "rel_path": _texts(paths),
        "file_size": file_size,
        "hash": _texts(_hashes(catalogue, records["hash"], flags, first)),
        "exists": (flags & EXISTS) != 0,
        "qc": pd.Categorical.from_codes(
            ((flags & QC_MASK) >> QC_SHIFT).astype(np.int8), dtype=QC_TYPE
        ),
    }
    if catalogue.has_default_revision:
        data["default_revision"] = (flags & DEFAULT) != 0
    if catalogue.meta.get("has_exists_aws"):
        data["exists_aws"] = (flags & EXISTS_AWS) != 0
    return pd.DataFrame(data, index=index)


def _hashes(
    catalogue: Catalogue, raw: np.ndarray[Any, Any], flags: np.ndarray[Any, Any], first: int
) -> np.ndarray[Any, Any]:
    text = np.ascontiguousarray(raw).tobytes().hex()
    out = _objects([text[i : i + 32] for i in range(0, len(text), 32)])
    out[(flags & HAS_HASH) == 0] = ""
    for k in np.flatnonzero(flags & ODD_HASH).tolist() if first >= 0 else ():
        out[k] = catalogue._record(first + k, int(flags[k]))[1]
    return out


# -- and back --------------------------------------------------------------------------------


def session_rows(frame: pd.DataFrame) -> list[Session]:
    """Return the sessions of a table of ONE's form."""
    out = []
    columns = [frame[c].tolist() if c in frame else [""] * len(frame) for c in _SESSION_FIELDS]
    for eid, lab, subject, day, number, task, projects in zip(
        frame.index.tolist(), *columns, strict=True
    ):
        date = pd.Timestamp(day).date()
        out.append(
            Session(
                _uuid(eid),
                _text(lab),
                _text(subject),
                date,
                int(number),
                _text(task),
                _text(projects),
                "",
            )
        )
    return out


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))


def _text(value: Any) -> str:
    return "" if value is None or value is pd.NA or value != value else str(value)


def dataset_rows(frame: pd.DataFrame) -> list[DatasetRow]:
    """Return the datasets of a table of ONE's form."""
    n = len(frame)
    qc = [_qc(v) for v in (frame["qc"].tolist() if "qc" in frame else [0] * n)]
    size = frame["file_size"].tolist() if "file_size" in frame else [None] * n
    text = frame["hash"].tolist() if "hash" in frame else [""] * n
    exists = frame["exists"].tolist() if "exists" in frame else [True] * n
    default = frame["default_revision"].tolist() if "default_revision" in frame else [None] * n
    aws = frame["exists_aws"].tolist() if "exists_aws" in frame else [None] * n
    rows = zip(
        frame.index.tolist(),
        frame["rel_path"].tolist(),
        size,
        text,
        exists,
        qc,
        default,
        aws,
        strict=True,
    )
    return [
        DatasetRow(
            UUID(int=0) if _missing(eid) else _uuid(eid),
            _uuid(did),
            str(rel),
            None if _missing(s) else int(s),
            "" if _missing(h) else str(h),
            bool(e),
            q,
            None if _missing(d) else bool(d),
            None if _missing(w) else bool(w),
        )
        for (eid, did), rel, s, h, e, q, d, w in rows
    ]


def _missing(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and value != value)


def _qc(value: Any) -> int:
    if _missing(value):
        return 0
    return QC_VALUES[QC_NAMES.index(value)] if isinstance(value, str) else int(value)


def insertion_rows(frame: pd.DataFrame) -> list[InsertionRow]:
    """Return the insertions of a table indexed by (eid, id)."""
    out = []
    for (eid, pid), row in zip(frame.index.tolist(), frame.to_dict("records"), strict=True):
        text = {k: _text(row.pop(k, "")) for k in ("name", "model", "serial")}
        extra = {str(k): v for k, v in row.items() if isinstance(v, list | dict) or not _missing(v)}
        names = text["name"], text["model"], text["serial"]
        out.append(InsertionRow(_uuid(pid).bytes, _uuid(eid).bytes, *names, extra))
    return out


def catalogue_from_frames(
    sessions: pd.DataFrame,
    datasets: pd.DataFrame,
    insertions: pd.DataFrame | None = None,
    *,
    root: Path | None = None,
) -> Catalogue:
    """Make a catalogue in memory of tables of ONE's form."""
    from fascicle.catalogue.memory import in_memory

    change = Change(
        session_rows(sessions),
        dataset_rows(datasets),
        [] if insertions is None else insertion_rows(insertions),
    )
    columns = apply(change, Columns.empty())
    columns.meta.setdefault("has_default_revision", "default_revision" in datasets)
    return in_memory(columns, root=root)


def difference(
    catalogue: Catalogue,
    sessions: pd.DataFrame,
    datasets: pd.DataFrame,
    insertions: pd.DataFrame | None = None,
) -> Change:
    """Return the change that turns a catalogue into some tables.

    Parameters
    ----------
    catalogue : Catalogue
        What the tables were handed out from.
    sessions, datasets, insertions : pandas.DataFrame
        What became of them.
    """
    old_sessions = {s.eid: s._replace(path="") for s in session_rows(catalogue.sessions_frame())}
    new_sessions = {s.eid: s for s in session_rows(sessions)}
    old_datasets = {(d.eid, d.id): d for d in dataset_rows(catalogue.datasets_frame())}
    new_datasets = {(d.eid, d.id): d for d in dataset_rows(datasets)}
    kept = {did for _, did in new_datasets}
    change = Change(
        upsert_sessions=[s for eid, s in new_sessions.items() if old_sessions.get(eid) != s],
        upsert_datasets=[d for key, d in new_datasets.items() if old_datasets.get(key) != d],
        delete_sessions=set(old_sessions) - set(new_sessions),
        delete_datasets={did for _, did in set(old_datasets) - set(new_datasets)} - kept,
    )
    if insertions is not None:
        have = {p.pid: p for p in catalogue.insertions()}
        new = insertion_rows(insertions)
        change.upsert_insertions = [
            p
            for p in new
            if (was := have.get(make_uuid(p.pid))) is None
            or (was.name, was.model, was.serial) != (p.name, p.model, p.serial)
            or as_json(was.extra) != as_json(p.extra)
        ]
        change.delete_insertions = set(have) - {make_uuid(p.pid) for p in new}
    return change
