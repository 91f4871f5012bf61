"""Each question to a catalogue has the answer that pandas gives, however slowly."""

from __future__ import annotations

import datetime
import pickle
import uuid
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings

from fascicle.catalogue import Catalogue, postings
from fascicle.catalogue.store import Store
from fascicle.errors import SessionNotFound

from .generated import PATHS, QC_VALUE, Frames, frames, ordered

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def opened(tables: Frames) -> Catalogue:
    return Catalogue.from_frames(*tables)


def qc(datasets: pd.DataFrame) -> pd.Series:
    return datasets["qc"].map(QC_VALUE).astype(int)


def rows_of(sessions: pd.DataFrame, eids: Any) -> list[int]:
    wanted = set(eids)
    return [n for n, eid in enumerate(sessions.index) if eid in wanted]


@QUICK
@given(frames())
def test_sessions_are_in_the_order_of_results(tables: Frames) -> None:
    catalogue, sessions = opened(tables), ordered(tables.sessions)
    assert catalogue.eids() == sessions.index.tolist()
    assert catalogue.rows(catalogue.everything) == list(range(len(sessions)))
    for n, (eid, row) in enumerate(sessions.iterrows()):
        found = catalogue.session(n)
        assert found[:7] == (eid, *row)
        folder = f"{row['subject']}/{row['date']}/{row['number']:03d}"
        assert found.path == (f"{row['lab']}/Subjects/{folder}" if row["lab"] else folder)
        assert catalogue.row(eid) == catalogue.row(str(eid)) == catalogue.row(eid.bytes) == n
        place = row["subject"], row["date"], row["number"]
        assert catalogue.row_of(row["lab"], *place) == n
        any_lab = sessions[
            (sessions["subject"] == place[0])
            & (sessions["date"] == place[1])
            & (sessions["number"] == place[2])
        ]
        assert catalogue.row_of(None, *place) == rows_of(sessions, any_lab.index)[0]
        assert catalogue.row_of("no lab", *place) is None
    assert catalogue.row(uuid.uuid4()) is None
    assert catalogue.row("nonsense") is None
    with pytest.raises(SessionNotFound):
        catalogue.session(len(sessions))


@QUICK
@given(
    frames(), st.sampled_from(["lab", "subject", "number", "task_protocol", "projects"]), st.data()
)
def test_where(tables: Frames, column: str, data: st.DataObject) -> None:
    catalogue, sessions = opened(tables), ordered(tables.sessions)
    values = sorted(set(sessions[column]))
    wanted = set(data.draw(st.sets(st.sampled_from(values)))) if values else set()
    asked: list[Any] = []

    def predicate(value: Any) -> bool:
        asked.append(value)
        return value in wanted

    found = catalogue.rows(catalogue.where(column, predicate))
    assert found == rows_of(sessions, sessions.index[sessions[column].isin(wanted)])
    assert sorted(asked) == values, "each distinct value once"
    by_value = {v: catalogue.rows(b) for v, b in catalogue.values(column).items()}
    assert by_value == {v: rows_of(sessions, sessions.index[sessions[column] == v]) for v in values}


DAYS = st.one_of(st.none(), st.dates(datetime.date(2019, 12, 28), datetime.date(2020, 1, 5)))


@QUICK
@given(frames(), DAYS, DAYS)
def test_between(tables: Frames, start: datetime.date | None, end: datetime.date | None) -> None:
    catalogue, sessions = opened(tables), ordered(tables.sessions)
    keep = [(start is None or d >= start) and (end is None or d <= end) for d in sessions["date"]]
    assert catalogue.rows(catalogue.between(start, end)) == list(np.flatnonzero(keep))


@QUICK
@given(
    frames(),
    st.sampled_from(["name", "path"]),
    st.sampled_from([0, 10, 30, 40, 50]),
    st.sampled_from([True, False, None]),
    st.sets(st.sampled_from(PATHS)),
    st.booleans(),
)
def test_having(
    tables: Frames, of: str, worst: int, exists: bool | None, words: set[str], named: bool
) -> None:
    catalogue, sessions, datasets = opened(tables), ordered(tables.sessions), tables.datasets
    wanted = words if of == "path" else {w.rsplit("/", 1)[-1] for w in words}
    text = (
        datasets["rel_path"] if of == "path" else datasets["rel_path"].str.rsplit("/", n=1).str[-1]
    )
    keep = text.isin(wanted) & (qc(datasets) <= worst)
    if exists is not None:
        keep &= datasets["exists"] == exists
    expected = rows_of(sessions, datasets[keep].index.get_level_values("eid"))
    for _ in range(2):  # the second time from memory
        found = catalogue.having(
            wanted.__contains__, of=of, qc_lte=worst, exists=exists, key="k" if named else None
        )
        assert catalogue.rows(found) == expected
    keep = datasets["exists"] & (qc(datasets) <= worst)
    expected = rows_of(sessions, datasets[keep].index.get_level_values("eid"))
    assert catalogue.rows(catalogue.having_qc(worst)) == expected
    keep = (qc(datasets) <= worst) & (exists is None or datasets["exists"] == exists)
    expected = sorted(set(datasets[keep]["rel_path"]))
    assert catalogue.paths_with(qc_lte=worst, exists=exists) == expected
    assert catalogue.paths() == sorted(set(datasets["rel_path"]))


@pytest.mark.parametrize("many", ["paths", "rows"])
def test_having_by_the_thousand(many: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ways that numpy takes for large sets give the same answers."""
    monkeypatch.setattr(postings, "_MANY_PATHS" if many == "paths" else "_MANY_ROWS", 1)
    test_having()


def test_rare_and_common_paths() -> None:
    """Sets of sessions are kept as numbers where few have a path, as bits where many have."""
    n = 1000
    eids = [uuid.UUID(int=k + 1) for k in range(n)]
    day = datetime.date(2020, 1, 1)
    sessions = pd.DataFrame(
        {"lab": "", "subject": [f"s{k:04d}" for k in range(n)], "date": day, "number": 1},
        index=pd.Index(eids, name="id", dtype=object),
    ).assign(task_protocol="", projects="")
    rows = [
        (eid, uuid.UUID(int=2**100 + 1000 * k + j), f"alf/o{j}.times.npy")
        for k, eid in enumerate(eids)
        for j in (1, 2, 3, 7, 50, 333, 999)
        if k % j == 0
    ]
    datasets = pd.DataFrame(rows, columns=["eid", "id", "rel_path"]).set_index(["eid", "id"])
    catalogue = Catalogue.from_frames(sessions, datasets)
    table = ordered(sessions)
    for j in (1, 2, 3, 7, 50, 333, 999):
        found = catalogue.rows(catalogue.having(f"o{j}.times.npy".__eq__))
        assert found == rows_of(table, [e for k, e in enumerate(eids) if k % j == 0])
    found = catalogue.rows(
        catalogue.having(lambda name: name in ("o333.times.npy", "o50.times.npy"))
    )
    assert found == rows_of(table, [e for k, e in enumerate(eids) if k % 50 == 0 or k % 333 == 0])


@QUICK
@given(frames())
def test_datasets(tables: Frames) -> None:
    catalogue = opened(tables)
    for row in range(catalogue.n_sessions):
        eid, mine = catalogue.eid(row), catalogue.datasets(row)
        table = tables.datasets
        table = table[table.index.get_level_values("eid") == eid].sort_values("rel_path")
        assert mine.rel_paths == table["rel_path"].tolist()
        assert len(mine) == len(table)
        assert mine.ids == table.index.get_level_values("id").tolist()
        assert mine.hashes == table["hash"].tolist()
        assert mine.sizes == [None if pd.isna(s) else int(s) for s in table["file_size"]]
        assert mine.exists == table["exists"].tolist()
        assert mine.qc == qc(table).tolist()
        assert mine.default == table["default_revision"].tolist()
        pd.testing.assert_frame_equal(
            mine.frame(), table.droplevel("eid"), check_index_type=False, check_dtype=False
        )
        for k, did in enumerate(mine.ids):
            assert catalogue.locate_dataset(did) == catalogue.locate_dataset(str(did)) == (row, k)
    assert catalogue.locate_dataset(uuid.uuid4()) is None
    assert catalogue.locate_dataset("nonsense") is None
    assert catalogue.n_datasets == len(tables.datasets)
    assert catalogue.has_default_revision


def by_id(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table in the order of its ids, its texts as plain objects."""
    out = frame.copy()
    for column in out:
        if isinstance(out[column].dtype, pd.StringDtype):
            out[column] = out[column].astype(object)
    keys = [tuple(k) if isinstance(k, tuple) else (k,) for k in out.index]
    order = sorted(range(len(keys)), key=lambda k: tuple(u.int for u in keys[k]))
    return out.iloc[order]


def same_frames(catalogue: Catalogue, tables: Frames) -> None:
    exact: dict[str, Any] = {"check_index_type": False, "check_column_type": False}
    if len(tables.sessions):
        mine = catalogue.sessions_frame()
        assert mine.dtypes["number"] == np.uint16
        pd.testing.assert_frame_equal(by_id(mine), by_id(tables.sessions), **exact)
    if len(tables.datasets):
        mine = catalogue.datasets_frame()
        pd.testing.assert_frame_equal(by_id(mine), by_id(tables.datasets), **exact)


@QUICK
@given(frames(), st.data())
def test_frames(tables: Frames, data: st.DataObject) -> None:
    catalogue = opened(tables)
    same_frames(catalogue, tables)
    if catalogue.n_sessions:
        some = data.draw(st.lists(st.integers(0, catalogue.n_sessions - 1), unique=True))
        part = catalogue.sessions_frame(some)
        assert part.index.tolist() == catalogue.eids(some) == [catalogue.eid(r) for r in some]
        part = catalogue.datasets_frame(some)
        whole = tables.datasets
        whole = whole[whole.index.get_level_values("eid").isin(catalogue.eids(some))]
        assert part.dtypes.to_dict() == catalogue.datasets_frame().dtypes.to_dict()
        assert sorted(part.index.tolist()) == sorted(whole.index.tolist())
        if len(part):
            assert part["hash"].tolist() == [whole["hash"][k] for k in part.index]
            eid, did = part.index[-1]
            assert part.loc[(eid, did), "rel_path"] == whole.loc[(eid, did), "rel_path"]


@QUICK
@given(frames())
def test_insertions(tables: Frames) -> None:
    catalogue = opened(tables)
    assert catalogue.n_insertions == len(tables.insertions)
    expected = {
        (eid, pid): (r["name"], r["model"], r["serial"], {"n_units": r["n_units"]})
        for (eid, pid), r in tables.insertions.iterrows()
    }
    found = catalogue.insertions()
    assert {(catalogue.eid(p.row), p.pid): p[2:] for p in found} == expected
    assert [(p.row, p.name) for p in found] == sorted((p.row, p.name) for p in found)
    for p in found:
        assert catalogue.insertion(p.pid) == catalogue.insertion(str(p.pid)) == p
        assert p in catalogue.insertions([p.row])
        assert catalogue.regions(p.pid) == {}
    assert catalogue.insertion(uuid.uuid4()) is None
    assert catalogue.unknown_regions == len({p.row for p in found})


@settings(QUICK, max_examples=12)
@given(frames())
def test_on_disk_as_in_memory_and_through_a_pickle(
    tmp_path_factory: pytest.TempPathFactory, tables: Frames
) -> None:
    """What is committed comes back: from our files, from ONE's tables, from another process."""
    from fascicle.catalogue import Change
    from fascicle.catalogue import frames as as_frames

    folder: Path = tmp_path_factory.mktemp("oracle")
    change = Change(
        as_frames.session_rows(tables.sessions),
        as_frames.dataset_rows(tables.datasets),
        as_frames.insertion_rows(tables.insertions),
    )
    for catalogue in (
        Store(folder).commit(change),
        Catalogue.open(folder),
        pickle.loads(pickle.dumps(Catalogue.open(folder))),
        pickle.loads(pickle.dumps(opened(tables))),
        Catalogue.from_frames(*_read_back(folder), tables.insertions),
    ):
        same_frames(catalogue, tables)
        assert len(catalogue.insertions()) == len(tables.insertions)


def _read_back(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    sessions, datasets = (pd.read_parquet(folder / f"{n}.pqt") for n in ("sessions", "datasets"))
    return sessions, datasets
