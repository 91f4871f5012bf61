from __future__ import annotations

import datetime
import pickle
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pandas as pd
import pytest

from fascicle.errors import CatalogueError
from fascicle.one import One
from fascicle.one.alf import cache
from fascicle.one.bunch import Bunch

from .conftest import write

FILES = {
    f"lab/Subjects/s{n}/2020-01-0{n}/001/alf/{name}": [n]
    for n in (1, 2, 3)
    for name in ("_ibl_trials.choice.npy", "probe00/spikes.times.npy")
}


@pytest.fixture
def one(make: Any) -> One:
    return make(FILES)


def test_a_mapping_of_frames(one: One) -> None:
    assert {"sessions", "datasets", "insertions", "_meta"} == set(one._cache)
    assert len(one._cache) == 4
    assert isinstance(one._cache["sessions"], pd.DataFrame)
    assert one._cache.sessions is one._cache["sessions"]
    assert one._cache.sessions.index.is_monotonic_increasing
    assert one._cache.datasets.index.is_monotonic_increasing
    assert one._cache.datasets.index.names == ["eid", "id"]
    assert one._cache.get("nothing") is None
    assert "insertions" in one._cache
    assert one._cache["insertions"]["name"].tolist() == ["probe00"] * 3
    assert one._cache["_meta"]["loaded_time"] <= datetime.datetime.now()
    assert one._cache["_meta"]["raw"].keys() >= {"sessions", "datasets"}
    with pytest.raises(KeyError):
        one._cache["nothing"]
    with pytest.raises(AttributeError, match="no table"):
        _ = one._cache.nothing
    assert isinstance(one._cache.copy(), Bunch)


def test_looking_does_not_change_who_answers(one: One) -> None:
    assert one._cache["_meta"]["modified_time"] is None
    assert not one._tables.touched
    len(one._cache["sessions"])
    assert one._tables.touched
    assert not one._tables.changed
    assert one._catalogue is one._index


def test_changed_frames_are_the_truth(one: One) -> None:
    eids = one.search()
    sessions = one._cache["sessions"]
    sessions.loc[eids[0], "task_protocol"] = "ephys"
    assert one.search(task="ephys") == [eids[0]]
    one._cache["sessions"] = sessions[sessions["subject"] != "s2"]
    assert len(one.search()) == 2
    datasets = one._cache["datasets"]
    datasets.loc[datasets["rel_path"].str.contains("choice"), "exists"] = False
    assert one.search(dataset="choice") == []
    one._cache.datasets = datasets[datasets["rel_path"].str.contains("spikes")]
    assert one.list_datasets(eids[0]) == ["alf/probe00/spikes.times.npy"]
    assert one.load_object(eids[0], "spikes").times.tolist() == [3]
    assert One(one.cache_dir).search() == eids  # nobody else sees it


def test_columns_of_ones_own(one: One) -> None:
    one._cache["sessions"]["weight"] = [1.0, 2.0, 3.0]
    _, details = one.search(subject="s1", details=True)
    assert details[0].weight in (1.0, 2.0, 3.0)
    assert "weight" in one.get_details(one.search()[0])


def test_the_whole_can_be_assigned(one: One) -> None:
    eid = one.search(subject="s1")[0]
    tables = {k: one._cache[k] for k in ("sessions", "datasets")}
    one._cache = Bunch(sessions=tables["sessions"].loc[[eid]], datasets=tables["datasets"])
    assert one.search() == [eid]


def test_save_and_load(one: One) -> None:
    eid = one.search(subject="s1")[0]
    one._cache["sessions"].loc[eid, ["task_protocol", "projects"]] = ["ephys", "a,b"]
    one.save_cache()
    assert one._cache["_meta"]["saved_time"] is not None
    other = One(one.cache_dir)
    assert other.search(task="ephys", project="b") == [eid]
    table = pd.read_parquet(one.cache_dir / "sessions.pqt")
    assert table.loc[str(eid), "task_protocol"] == "ephys"
    assert one.search(task="ephys") == [eid]


def test_nothing_is_saved_where_nothing_changed(one: One) -> None:
    before = (one.cache_dir / "sessions.pqt").stat().st_mtime_ns
    one.save_cache()
    len(one._cache["sessions"])
    one.save_cache()
    assert (one.cache_dir / "sessions.pqt").stat().st_mtime_ns == before


def test_new_rows_are_saved(one: One) -> None:
    eid, did = uuid4(), uuid4()
    sessions, datasets = one._cache["sessions"], one._cache["datasets"]
    sessions.loc[eid] = ["lab", "new", datetime.date(2021, 1, 1), 1, "", ""]
    row = datasets.iloc[[0]].copy()
    row.index = pd.MultiIndex.from_tuples([(eid, did)], names=["eid", "id"])
    one._cache["datasets"] = pd.concat([datasets, row])
    one.save_cache()
    other = One(one.cache_dir)
    assert other.search(subject="new") == [eid]
    assert len(other.list_datasets(eid)) == 1


def test_two_writers_lose_nothing(one: One) -> None:
    other = One(one.cache_dir)
    eids = one.search()
    one._cache["sessions"].loc[eids[0], "task_protocol"] = "mine"
    other._cache["sessions"].loc[eids[1], "task_protocol"] = "theirs"
    one.save_cache()
    other.save_cache()
    third = One(one.cache_dir)
    assert third.search(task="mine") == [eids[0]]
    assert third.search(task="theirs") == [eids[1]]


def test_rows_are_deleted_only_where_that_is_asked_for(one: One) -> None:
    sessions = one._cache["sessions"]
    one._cache["sessions"] = sessions[sessions["subject"] != "s2"]
    one.save_cache()
    assert len(One(one.cache_dir).search()) == 3
    sessions = one._cache["sessions"]
    one._cache["sessions"] = sessions[sessions["subject"] != "s2"]
    one.save_cache(clobber=True)
    assert len(One(one.cache_dir).search()) == 2


def test_save_elsewhere(one: One, tmp_path: Path) -> None:
    one._cache["sessions"]["task_protocol"] = "x"
    one.save_cache(tmp_path / "tables")
    other = One(one.cache_dir, tables_dir=tmp_path / "tables")
    assert len(other.search(task="x")) == 3
    assert other.load_object(other.search()[0], "spikes").times.tolist() == [3]
    assert One(one.cache_dir).search(task="x") == []


def test_load_cache_forgets_or_keeps_changes(one: One) -> None:
    eids = one.search()
    one._cache["sessions"].loc[eids[0], "task_protocol"] = "mine"
    assert one.load_cache(clobber=False) is not None
    assert one.search(task="mine") == [eids[0]]
    assert one.load_cache() is not None
    assert one.search(task="mine") == []


def test_load_cache_sees_what_others_saved(one: One) -> None:
    other = One(one.cache_dir)
    eid = one.search()[0]
    other._cache["sessions"].loc[eid, "task_protocol"] = "theirs"
    other.save_cache()
    one.load_cache()
    assert one.search(task="theirs") == [eid]


def test_load_cache_from_elsewhere(one: One, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="No cache tables found"):
        assert one.load_cache(tmp_path) is None
    assert one.search() == []
    with pytest.raises(ValueError, match="server"):
        one.load_cache(tag="2022_Q2")
    with pytest.raises(TypeError, match="argument"):
        one.load_cache(nonsense=1)


def test_save_on_delete(one: One, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE_SAVE_ON_DELETE", "1")
    other = One(one.cache_dir)
    other._cache["sessions"]["task_protocol"] = "kept"
    del other
    assert len(One(one.cache_dir).search(task="kept")) == 3


def test_remove_table_files(one: One) -> None:
    removed = one._remove_table_files(["sessions"])
    assert [p.name for p in removed] == ["sessions.pqt"]
    assert not (one.cache_dir / "sessions.pqt").exists()


def test_reset(one: One) -> None:
    one._reset_cache()
    assert one.search() == []
    assert one._cache["sessions"].empty


def test_arrays_of_the_truth_are_those_of_the_files(one: One) -> None:
    one._cache["sessions"]["projects"] = "p"
    for eid in one.search(project="p"):
        file = one.load_dataset(eid, "spikes.times.npy", download_only=True)
        np.testing.assert_array_equal(one.load_dataset(eid, "spikes.times.npy"), np.load(file))


def test_what_the_tables_do_not_say_is_kept(make: Any) -> None:
    one = make(
        {
            "s1/2020-01-01/001/alf/probe00/channels.brainLocationIds_ccf_2017.npy": [189, 189],
            "s1/2020-01-01/001/alf/probe00/spikes.times.npy": [1.0],
        },
        lab="mylab",
    )
    one._cache["sessions"]["task_protocol"] = "x"
    assert one._tables.changed
    assert len(one.search_insertions(atlas_acronym="TH", task="x")) == 1
    (eid,) = one.search(lab="mylab")
    assert one.load_object(eid, "spikes").times.tolist() == [1.0]


def test_an_object_can_be_sent_to_another_process(one: One) -> None:
    one.wildcards = False
    one.record_loaded = True
    other = pickle.loads(pickle.dumps(one))
    assert other.search() == one.search()
    assert (other.wildcards, other.record_loaded, repr(other)) == (False, True, repr(one))


@pytest.mark.parametrize("session", ["s1/2020-01-01/001", "lab/Subjects/s1/2020-01-01/001"])
@pytest.mark.parametrize("indexed", [True, False])
def test_tables_of_one_folder_made_by_hand(tmp_path: Path, session: str, indexed: bool) -> None:
    # As programs do that look at a single session: ids are paths, the root lies right above.
    files = {
        "alf/probe00/spikes.times.npy": [1.0, 2.0],
        "alf/probe00/#2024-05-06#/spikes.times.npy": [1.0],
        "alf/_ibl_trials.choice.npy": [1],
    }
    folder = tmp_path / session
    for path, content in files.items():
        write(folder / path, content)
    with pytest.warns(UserWarning, match="No cache tables"):
        one = One(cache_dir=folder.parents[2])
    sessions, datasets = cache._make_sessions_df(folder), cache._make_datasets_df(folder)
    one._cache["sessions"] = sessions.set_index("id")
    one._cache["datasets"] = datasets.set_index(["eid", "id"]) if indexed else datasets
    eid = str(folder.relative_to(folder.parents[2]))
    assert one.list_collections(eid, filename="spikes*", collection="alf/probe00*") == [
        "alf/probe00"
    ]
    assert one.load_object(eid, "trials")["choice"].tolist() == [1]
    assert [one.to_eid(eid)] == one.search() == one.search(details=True)[0]
    assert one.eid2path(one.to_eid(eid)) == folder
    assert one.get_details(eid)["subject"] == "s1"
    table = one.list_datasets(eid, details=True)
    assert all(isinstance(i, UUID) for i in table.index)
    one.save_cache()
    assert len(One(folder.parents[2]).list_datasets(eid)) == 3


def test_tables_without_ids_say_so(make: Any) -> None:
    one = make({"lab/Subjects/s1/2020-01-01/001/alf/a.b.npy": [1]})
    one._cache["datasets"] = one._cache["datasets"].reset_index(drop=True)
    with pytest.raises(CatalogueError, match=r"not by \(eid, id\)"):
        one.search()
    one = One(one.cache_dir)
    one._cache["sessions"] = one._cache["sessions"].set_axis(["what"], axis=0)
    with pytest.raises(CatalogueError, match="'what' is no id of a session"):
        one.search()
