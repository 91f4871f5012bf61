"""Tables handed out, changed and committed: what was not touched stays as it was."""

from __future__ import annotations

import uuid
from pathlib import Path

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings

from fascicle.catalogue import Catalogue, Change, DatasetRow, InsertionRow
from fascicle.catalogue import frames as as_frames
from fascicle.catalogue.change import apply
from fascicle.catalogue.memory import in_memory
from fascicle.catalogue.restore import columns_of
from fascicle.errors import CatalogueError

from .generated import Frames, frames
from .support import SESSION, files, indexed, put, put_channels, tables
from .test_oracle import same_frames

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@QUICK
@given(frames(), frames(salt=1), st.booleans())
def test_the_difference_of_two_tables_turns_one_into_the_other(
    before: Frames, after: Frames, overlap: bool
) -> None:
    if overlap and len(before.sessions):  # some rows stay, some change, some go
        keep = before.datasets.iloc[::2].copy()
        keep["exists"] = ~keep["exists"]
        same = before.datasets.iloc[1::3]
        both = pd.concat([keep, same[~same.index.isin(keep.index)], after.datasets])
        changed = before.sessions.iloc[::2].assign(projects="new")
        sessions = pd.concat([changed, before.sessions.iloc[1::2], after.sessions])
        after = Frames(sessions, both.astype(before.datasets.dtypes.to_dict()), after.insertions)
    old = Catalogue.from_frames(*before)
    change = as_frames.difference(old, *after)
    new = in_memory(apply(change, columns_of(old)))
    same_frames(new, after)
    assert {p.pid for p in new.insertions()} == set(after.insertions.index.get_level_values("id"))
    assert not as_frames.difference(new, *after), "nothing is left to do"


@QUICK
@given(frames())
def test_no_difference(given_frames: Frames) -> None:
    catalogue = Catalogue.from_frames(*given_frames)
    change = as_frames.difference(catalogue, catalogue.sessions_frame(), catalogue.datasets_frame())
    assert not change


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    put(tmp_path, f"{SESSION}/alf/a.times.npy", "deep/down/s2/2020-01-02/1/alf/b.times.npy")
    put_channels(tmp_path / SESSION / "alf/probe00", [549, 997, 0, 313])
    indexed(tmp_path, hash_files=True)
    return tmp_path


def test_an_odd_folder_stays_where_it_is(folder: Path) -> None:
    catalogue = Catalogue.open(folder)
    places = set(files(catalogue))
    frame = catalogue.sessions_frame()
    frame["projects"] = "new"
    frame["lab"] = ["labX", "labA"]
    newer = catalogue.commit(as_frames.difference(catalogue, frame, catalogue.datasets_frame()))
    assert set(files(newer)) == places
    assert newer.session(0)[1:] == (
        "labX",
        "s2",
        newer.session(0).date,
        1,
        "",
        "new",
        "deep/down/s2/2020-01-02/1",
    )
    again, report = indexed(folder)
    assert set(files(again)) == places
    assert (report.added, report.removed) == (0, 0)
    assert again.session(0).lab == "labX", "what people wrote stays"


def test_regions_and_extras_of_a_probe_stay(folder: Path) -> None:
    catalogue = Catalogue.open(folder)
    (p,) = catalogue.insertions()
    known = catalogue.regions(p.pid)
    assert known == {549: 1, 313: 1}
    eid = catalogue.eid(p.row)
    row = InsertionRow(p.pid.bytes, eid.bytes, p.name, "3B2", "1234", {"n_units": 5, "who": "me"})
    newer = catalogue.commit(Change(upsert_insertions=[row]))
    (q,) = newer.insertions()
    assert (q.pid, q.name, q.model, q.serial, q.extra) == (
        p.pid,
        "probe00",
        "3B2",
        "1234",
        row.extra,
    )
    assert newer.regions(p.pid) == known
    assert [i.pid for i, _ in newer.insertions_in([549])] == [p.pid]
    frame = newer.sessions_frame()
    frame["projects"] = "x"
    newest = newer.commit(as_frames.difference(newer, frame, newer.datasets_frame()))
    assert newest.insertions() == [q]
    assert newest.regions(p.pid) == known
    assert indexed(folder)[0].insertions()[0] == q, "indexing leaves them too"
    told = InsertionRow(p.pid.bytes, eid.bytes, p.name, regions=((1, -1, 7),), source="me")
    assert newest.commit(Change(upsert_insertions=[told])).regions(p.pid) == {-1: 7}


def test_values_of_a_probe_that_json_lacks() -> None:
    import numpy as np

    eid, pid = uuid.uuid4(), uuid.uuid4()
    extra = {"a": np.float64(2.5), "b": np.arange(3), "c": uuid.UUID(int=1), "d": [1, None]}
    change = Change(upsert_insertions=[InsertionRow(pid.bytes, eid.bytes, "p", extra=extra)])
    catalogue = in_memory(apply(change, columns_of(Catalogue.from_frames(*_empty()))))
    (p,) = catalogue.insertions()
    assert p.extra == {"a": 2.5, "b": [0, 1, 2], "c": str(uuid.UUID(int=1)), "d": [1, None]}


def _empty() -> tuple[pd.DataFrame, pd.DataFrame]:
    index = pd.MultiIndex.from_arrays([[], []], names=["eid", "id"])
    return pd.DataFrame({"subject": []}), pd.DataFrame({"rel_path": []}, index=index)


def test_deleting(folder: Path) -> None:
    catalogue = Catalogue.open(folder)
    eid = catalogue.eids()[1]
    did = catalogue.datasets(0).ids[0]
    newer = catalogue.commit(Change(delete_sessions=[eid], delete_datasets=[did]))
    assert newer.n_sessions == 1
    assert newer.n_datasets == newer.n_insertions == 0
    assert catalogue.n_sessions == 2, "what is open stays as it is"
    assert len(files(catalogue)) == 3
    assert files(indexed(folder)[0]) == files(catalogue), "what lies there is found again"


def test_a_catalogue_in_memory_cannot_be_committed_to() -> None:
    with pytest.raises(CatalogueError, match="in memory"):
        Catalogue.from_frames(*_empty()).commit(Change(meta={"a": 1}))


def test_rows_that_no_catalogue_can_hold(folder: Path) -> None:
    catalogue = Catalogue.open(folder)
    eid = catalogue.eid(0)
    for bad in (
        DatasetRow(eid, uuid.uuid4(), "a\0b"),
        DatasetRow(eid, uuid.uuid4(), "caf\udce9"),
        DatasetRow(eid, uuid.uuid4(), "a", qc=20),
    ):
        with pytest.raises(CatalogueError):
            catalogue.commit(Change(upsert_datasets=[bad]))
    assert Catalogue.open(folder).number == catalogue.number
    assert not list((folder / ".fascicle/segments").glob("*.part"))
    assert len(list((folder / ".fascicle/segments").glob("*.sqlite"))) == 1
    odd = DatasetRow(eid, uuid.uuid4(), "new\nline.npy", 3, "sha256:abc", False, 50)
    newer = catalogue.commit(Change(upsert_datasets=[odd]))
    at = newer.locate_dataset(odd.id)
    assert at is not None
    found = newer.datasets(at[0])
    assert found.rel_paths[at[1]] == "new\nline.npy"
    assert found.record(at[1]) == (odd.id, "sha256:abc", 3)
    assert (found.exists[at[1]], found.qc[at[1]]) == (False, 50)


def test_datasets_of_a_session_that_no_table_lists(folder: Path) -> None:
    catalogue = Catalogue.open(folder)
    eid, did = uuid.uuid4(), uuid.uuid4()
    newer = catalogue.commit(Change(upsert_datasets=[DatasetRow(eid, did, "alf/x.times.npy", 1)]))
    assert (newer.n_sessions, newer.n_datasets) == (2, 4)
    assert newer.row(eid) == 2
    assert newer.datasets(2).ids == [did]
    assert newer.rows(newer.having(lambda name: True)) == [0, 1]
    assert eid not in newer.eids()
    assert str(eid) in tables(folder)[1]["eid"].to_pylist()
    with_session = newer.commit(
        Change(upsert_sessions=[catalogue.session(0)._replace(eid=eid, subject="s9", path="")])
    )
    assert with_session.n_sessions == 3
    row = with_session.row(eid)
    assert row is not None
    assert with_session.datasets(row).ids == [did]


def test_ids_stay_distinct_whatever_is_committed(folder: Path) -> None:
    catalogue = Catalogue.open(folder)
    one = uuid.uuid4()
    rows = [DatasetRow(eid, one, f"alf/{k}.times.npy") for k, eid in enumerate(catalogue.eids())]
    rows.append(rows[0]._replace(file_size=5))
    newer = catalogue.commit(Change(upsert_datasets=rows))
    ids = files(newer)
    assert len(ids) == 5
    assert len(set(ids.values())) == 5


def test_a_hash_that_is_no_md5_stays(folder: Path) -> None:
    catalogue = Catalogue.open(folder)
    frame = catalogue.datasets_frame()
    frame["hash"] = ["SHA", "0" * 31 + "G", "ABCDEF0123456789ABCDEF0123456789"]
    newer = catalogue.commit(as_frames.difference(catalogue, catalogue.sessions_frame(), frame))
    assert newer.datasets_frame()["hash"].tolist() == frame["hash"].tolist()
    assert newer.datasets_frame([1])["hash"].tolist() == frame["hash"].tolist()[1:]
    assert set(tables(folder)[1]["hash"].to_pylist()) == set(frame["hash"])
    assert columns_of(newer).odd_hashes
