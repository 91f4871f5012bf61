from __future__ import annotations

import hashlib
import os
import time
import warnings
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from fascicle.alf import ALFPath
from fascicle.errors import (
    ALFError,
    ALFMultipleCollectionsFound,
    ALFMultipleObjectsFound,
    ALFObjectNotFound,
    ALFWarning,
    ConfigurationError,
)
from fascicle.one import One
from fascicle.one import files as files_module

SESSION = "lab/Subjects/s1/2020-01-01/001"
UNKNOWN = UUID("11111111-1111-4111-8111-111111111111")
FILES: dict[str, Any] = {
    "alf/_ibl_trials.choice.npy": [1, -1, 1],
    "alf/_ibl_trials.goCue_times.npy": [1.0, 2.0, 3.0],
    "alf/_ibl_wheel.position.npy": [0.1, 0.2],
    "alf/probe00/spikes.times.npy": [0.5, 0.6],
    "alf/probe01/spikes.times.npy": [0.7],
    "alf/empty.thing.npy": b"",
    "raw/_iblrig_task.settings.json": {"a": 1},
    "raw/_iblrig_leftCamera.raw.mp4": b"not really",
}


@pytest.fixture
def one(make: Any) -> One:
    return make({f"{SESSION}/{k}": v for k, v in FILES.items()})


@pytest.fixture
def eid(one: One) -> UUID:
    return one.search()[0]


# -- objects ---------------------------------------------------------------------------------------


def test_object(one: One, eid: UUID) -> None:
    trials = one.load_object(eid, "trials")
    assert sorted(trials) == ["choice", "goCue_times"]
    np.testing.assert_array_equal(trials.choice, [1, -1, 1])
    assert trials.to_df().shape == (3, 2)


def test_any_identifier_by_any_keyword(one: One, eid: UUID) -> None:
    path = one.eid2path(eid)
    for given in (
        eid,
        str(eid),
        path,
        str(path),
        one.eid2ref(eid),
        one.eid2ref(eid, as_dict=False),
    ):
        assert "choice" in one.load_object(given, "trials")
    assert "choice" in one.load_object(id=eid, obj="trials")
    assert "choice" in one.load_object(eid=eid, obj="trials")
    assert "choice" in one.load_object(obj="trials", eid=f"https://x.org/sessions/{eid}")
    with pytest.raises(TypeError, match="twice"):
        one.load_object(eid, "trials", id=eid)
    with pytest.raises(TypeError, match="needs a session"):
        one.load_object(obj="trials")


def test_parts_choose_attributes(one: One, eid: UUID) -> None:
    assert list(one.load_object(eid, "trials", attribute="choice")) == ["choice"]
    assert list(one.load_object(eid, "trials", attribute=["ch*", "x"])) == ["choice"]
    assert sorted(one.load_object(eid, "trials", namespace="ibl")) == ["choice", "goCue_times"]
    with pytest.raises(ALFObjectNotFound):
        one.load_object(eid, "trials", namespace="")
    one.wildcards = False
    assert list(one.load_object(eid, "trials", attribute=r"(?!choice).*")) == ["goCue_times"]


def test_object_in_several_collections(one: One, eid: UUID) -> None:
    with pytest.raises(ALFMultipleCollectionsFound, match="alf/probe00") as caught:
        one.load_object(eid, "spikes")
    assert "collection='alf/probe01'" in caught.value.hint
    assert one.load_object(eid, "spikes", collection="alf/probe01").times.tolist() == [0.7]
    with pytest.raises(ALFMultipleObjectsFound, match='"trials", "wheel"'):
        one.load_object(eid, "*", namespace="ibl")


def test_paths_only(one: One, eid: UUID) -> None:
    files = one.load_object(eid, "trials", download_only=True)
    assert [f.name for f in files] == ["_ibl_trials.choice.npy", "_ibl_trials.goCue_times.npy"]
    assert all(isinstance(f, ALFPath) and f.exists() for f in files)
    assert files[0].collection == "alf"


# -- datasets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dataset",
    [
        "_ibl_trials.choice.npy",
        "_ibl_trials.choice",
        "*trials.choice*",
        "alf/_ibl_trials.choice.npy",
        {"object": "trials", "attribute": "choice"},
    ],
)
def test_dataset(one: One, eid: UUID, dataset: Any) -> None:
    assert one.load_dataset(eid, dataset).tolist() == [1, -1, 1]
    assert one.load_dataset(eid, dataset, download_only=True).name == "_ibl_trials.choice.npy"


def test_dataset_of_any_kind(one: One, eid: UUID) -> None:
    assert one.load_dataset(eid, "_iblrig_task.settings") == {"a": 1}
    assert one.load_dataset(eid, "*leftCamera*").name == "_iblrig_leftCamera.raw.mp4"
    assert one.load_dataset(eid, "empty.thing.npy") is None  # as in ONE


def test_dataset_errors(one: One, eid: UUID) -> None:
    with pytest.raises(ALFMultipleObjectsFound, match="choice"):
        one.load_dataset(eid, "_ibl_trials.*")
    with pytest.raises(ALFMultipleCollectionsFound):
        one.load_dataset(eid, "spikes.times.npy")
    with pytest.raises(ValueError, match="relative path"):
        one.load_dataset(eid, "alf/_ibl_trials.choice.npy", collection="alf")
    with (
        pytest.warns(UserWarning, match="Wildcards should not be used"),
        pytest.raises(ALFObjectNotFound),
    ):
        one.load_dataset(eid, "alf/*nothing*")
    with pytest.raises(ConfigurationError):
        one.load_dataset(eid, "x.y", query_type="remote")


def test_several_datasets(one: One, eid: UUID) -> None:
    names = ["_ibl_trials.choice.npy", "_ibl_wheel.position"]
    data, records = one.load_datasets(eid, names)
    assert [d.tolist() for d in data] == [[1, -1, 1], [0.1, 0.2]]
    assert [r.rel_path for r in records] == [
        "alf/_ibl_trials.choice.npy",
        "alf/_ibl_wheel.position.npy",
    ]
    assert records[0].eid == eid
    assert records[0].qc == "NOT_SET"
    assert one.load_dataset_from_id(records[0].id).tolist() == [1, -1, 1]
    files, _ = one.load_datasets(eid, names, download_only=True)
    assert [f.suffix for f in files] == [".npy", ".npy"]


def test_several_by_path_table_and_parts(one: One, eid: UUID) -> None:
    paths = one.list_datasets(eid, "*spikes*")
    assert [len(d) for d in one.load_datasets(eid, paths)[0]] == [2, 1]
    table = one.list_datasets(eid, "*spikes*", details=True, keep_eid_index=True)
    assert [len(d) for d in one.load_datasets(eid, table)[0]] == [2, 1]
    parts = [{"object": "spikes"}, {"object": "wheel", "attribute": "position"}]
    where = ["alf/probe01", None]
    assert [len(d) for d in one.load_datasets(eid, parts, collections=where)[0]] == [1, 2]


def test_several_with_some_missing(one: One, eid: UUID) -> None:
    names = ["_ibl_trials.choice", "no.such.npy"]
    with pytest.raises(ALFObjectNotFound, match=r"no\.such\.npy"):
        one.load_datasets(eid, names)
    data, records = one.load_datasets(eid, names, assert_present=False)
    assert data[1] is None
    assert records[1] is None
    assert data[0] is not None
    assert one.load_datasets(eid, [])[0] is None
    assert one.load_datasets(UNKNOWN, names, assert_present=False)[0] is None
    with pytest.raises(ALFObjectNotFound, match="No datasets found"):
        one.load_datasets(UNKNOWN, names)


@pytest.mark.parametrize(
    ("datasets", "kwargs", "error"),
    [
        ("trials.choice", {}, TypeError),
        (["a.b", {"object": "x"}], {}, ValueError),
        (["alf/a.b.npy"], {"collections": "alf"}, ValueError),
        (["a.b.npy", "c.d.npy"], {"collections": ["alf"]}, ValueError),
    ],
)
def test_several_with_bad_arguments(
    one: One, eid: UUID, datasets: Any, kwargs: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        one.load_datasets(eid, datasets, **kwargs)


def test_dataset_by_id(one: One, eid: UUID) -> None:
    table = one.list_datasets(eid, "*choice*", details=True)
    content, row = one.load_dataset_from_id(str(table.index[0]), details=True)
    assert content.tolist() == [1, -1, 1]
    assert isinstance(row, pd.Series)
    assert row.name == (eid, table.index[0])
    with pytest.raises(ALFObjectNotFound, match="Dataset not found"):
        one.load_dataset_from_id(UNKNOWN)
    with pytest.raises(ValueError, match="UUID"):
        one.load_dataset_from_id("rubbish")


# -- collections -----------------------------------------------------------------------------------


def test_collection(one: One, eid: UUID) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        alf = one.load_collection(eid, "alf", object="[tw]*")
    assert sorted(alf) == ["trials", "wheel"]
    assert alf.trials.choice.tolist() == [1, -1, 1]
    files = one.load_collection(eid, "alf", download_only=True)
    assert {f.parent.name for f in files} == {"alf"}
    with pytest.raises(ALFError, match="alff not found for session") as caught:
        one.load_collection(eid, "alff")
    assert "did you mean 'alf'" in caught.value.hint
    with pytest.raises(ALFObjectNotFound):
        one.load_collection(eid, "alf", object="spikes")


# -- what is said where nothing is found -----------------------------------------------------------


def test_hints(one: One, eid: UUID) -> None:
    def hint(call: Any, *args: Any, **kwargs: Any) -> str:
        with pytest.raises(ALFObjectNotFound) as caught:
            call(*args, **kwargs)
        return str(caught.value)

    assert "did you mean 'trials'" in hint(one.load_object, eid, "trial")
    assert "did you mean 'spikes.times" in hint(one.load_dataset, eid, "spike.times")
    assert "in collection 'alf'" in hint(one.load_object, eid, "trials", collection="raw")
    assert "there is: " in hint(one.load_object, eid, "qqqq")
    assert "one.search()" in hint(one.load_object, UNKNOWN, "trials")
    with pytest.raises(ValueError, match="may not exist"):
        one.load_object("nobody/2020-01-01/001", "trials")
    with pytest.raises(ValueError, match="neither a UUID nor a path"):
        one.load_object("rubbish", "trials")


def test_what_is_critical_says_so(one: One, eid: UUID, set_rows: Any) -> None:
    one = set_rows(one, qc=lambda path: "CRITICAL" if "wheel" in path else "NOT_SET")
    for load in (
        lambda: one.load_object(eid, "wheel"),
        lambda: one.load_dataset(eid, "_ibl_wheel.position"),
        lambda: one.load_collection(eid, "alf", object="wheel"),
    ):
        with pytest.raises(ALFObjectNotFound, match="QC is CRITICAL") as caught:
            load()
        did = caught.value.hint.partition("one.load_dataset_from_id('")[2][:36]
        assert one.load_dataset_from_id(did).tolist() == [0.1, 0.2]
    with pytest.raises(ALFObjectNotFound, match="CRITICAL"):
        one.load_datasets(eid, ["_ibl_wheel.position.npy"])


# -- files and the index disagree ------------------------------------------------------------------


def test_files_that_are_gone(one: One, eid: UUID) -> None:
    path = one.load_dataset(eid, "_ibl_trials.choice", download_only=True)
    os.remove(path)
    assert list(one.load_object(eid, "trials")) == ["goCue_times"]
    with pytest.raises(ALFObjectNotFound, match="not found on disk"):
        one.load_dataset(eid, "_ibl_trials.choice")
    both = ["_ibl_trials.choice", "_ibl_wheel.position"]
    assert one.load_datasets(eid, both, assert_present=False)[0][0] is None
    with pytest.raises(ALFObjectNotFound, match="not found on disk"):
        one.load_datasets(eid, both)


def test_an_object_that_is_here_in_part_says_so(
    one: One, eid: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    Path(one.load_dataset(eid, "_ibl_trials.choice", download_only=True)).unlink()
    assert list(one.load_object(eid, "trials")) == ["goCue_times"]
    assert "loaded without alf/_ibl_trials.choice.npy" in caplog.text


def test_a_size_that_differs_is_told_once_and_loaded(one: One, eid: UUID) -> None:
    path = one.load_dataset(eid, "_ibl_trials.choice", download_only=True)
    np.save(path, np.arange(10))
    with pytest.warns(ALFWarning, match="size mismatch"):
        assert len(one.load_dataset(eid, "_ibl_trials.choice")) == 10
    assert len(one.load_dataset(eid, "_ibl_trials.choice")) == 10


def test_without_hashes_nothing_is_hashed(one: One, eid: UUID) -> None:
    path = one.load_dataset(eid, "_ibl_trials.choice", download_only=True)
    content = bytearray(Path(path).read_bytes())
    content[-1] ^= 1
    Path(path).write_bytes(content)
    assert len(one.load_dataset(eid, "_ibl_trials.choice")) == 3  # no warning


def test_hashes_are_compared_once(make: Any) -> None:
    one = make({f"{SESSION}/{k}": v for k, v in FILES.items()}, hash_files=True)
    eid = one.search()[0]
    path = Path(one.load_dataset(eid, "_ibl_trials.choice", download_only=True))
    table = one.list_datasets(eid, "*choice*", details=True)
    assert table["hash"].tolist() == [hashlib.md5(path.read_bytes()).hexdigest()]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.warns(ALFWarning, match="md5 mismatch"):
        one.load_object(eid, "trials")
    one.load_object(eid, "trials")  # told once
    one.load_object(eid, "trials", check_hash=False)


def test_a_hash_that_the_index_made_is_trusted_while_the_file_is_the_same(make: Any) -> None:
    files = {f"{SESSION}/{k}": v for k, v in FILES.items()}
    one = make(files)
    time.sleep(0.1)  # a file that is just being written is looked at again
    one = One.setup(one.cache_dir, silent=True, hash_files=True)
    eid = one.search()[0]
    contents = one._contents(eid)
    assert contents is not None
    path = Path(one.load_dataset(eid, "_ibl_trials.choice", download_only=True))
    seen = contents.datasets.seen(contents.paths.index("alf/_ibl_trials.choice.npy"))
    stat = path.stat()
    assert seen == (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    # Nothing is read: a hash that cannot be right is believed of a file that is the same …
    assert files_module.check(str(path), stat.st_size, "0" * 32, hashed=lambda: seen)
    # … but not where somebody else gives it, or the file changed.
    with pytest.warns(ALFWarning, match="md5 mismatch"):
        files_module.check(str(path), stat.st_size, "1" * 32, hashed=lambda: None)
    os.utime(path, ns=(1, 1))
    with pytest.warns(ALFWarning, match="md5 mismatch"):
        files_module.check(str(path), stat.st_size, "2" * 32, hashed=lambda: seen)


def test_a_hash_that_somebody_gives_is_compared(make: Any, set_rows: Any) -> None:
    one = make({f"{SESSION}/{k}": v for k, v in FILES.items()})
    time.sleep(0.1)
    one = One.setup(one.cache_dir, silent=True, hash_files=True)
    one = set_rows(one, hash=lambda path: "3" * 32)
    with pytest.warns(ALFWarning, match="md5 mismatch"):
        one.load_dataset(one.search()[0], "_ibl_trials.choice")


def test_a_replaced_file_check_is_called(one: One, eid: UUID) -> None:
    seen = []
    real = one._check_filesystem

    def check(datasets: Any, **kwargs: Any) -> Any:
        seen.append(datasets["rel_path"].tolist())
        return real(datasets, **kwargs)

    one._check_filesystem = check  # type: ignore[method-assign]
    assert len(one.load_object(eid, "trials")) == 2
    assert seen == [["alf/_ibl_trials.choice.npy", "alf/_ibl_trials.goCue_times.npy"]]


def test_files_with_ids_in_their_names(one: One, eid: UUID) -> None:
    for did, path in one.list_datasets(eid, details=True)["rel_path"].items():
        file = one.eid2path(eid) / path
        file.rename(file.with_uuid(did))
    one.uuid_filenames = True
    assert list(one.load_object(eid, "trials", attribute="choice")) == ["choice"]
    record = one.list_datasets(eid, details=True, keep_eid_index=True).iloc[0]
    assert one.record2path(record).exists()


# -- what was loaded -------------------------------------------------------------------------------


def test_loaded_ids_are_recorded(one: One, eid: UUID) -> None:
    with pytest.warns(UserWarning, match="No datasets loaded"):
        assert one.save_loaded_ids() == ([], None)
    one.record_loaded = True
    one.load_object(eid, "trials")
    one.load_dataset(eid, "_ibl_wheel.position")
    ids, path = one.save_loaded_ids(clear_list=False)
    assert path is not None
    assert set(ids) == set(one.list_datasets(eid, "_ibl_[tw]*", details=True).index)
    assert path.name.endswith("_loaded_dataset_uuids.csv")
    assert path.parent == one.cache_dir
    assert pd.read_csv(path)["dataset_uuid"].tolist() == [str(i) for i in ids]
    sessions, path = one.save_loaded_ids(sessions_only=True)
    assert sessions == [eid]
    assert path is not None
    assert path.read_text() == f"session_uuid\n{eid}\n"
    with pytest.warns(UserWarning, match="No datasets loaded"):
        one.save_loaded_ids()


# -- aggregates ------------------------------------------------------------------------------------


def test_aggregates(make: Any) -> None:
    did = "5d1d1a0e-5a5d-4f29-9c3a-0a3f0c7d2f11"
    one = make(
        {
            f"{SESSION}/alf/a.b.npy": [1],
            f"aggregates/Subjects/lab/s1/_ibl_subjectTrials.table.{did}.npy": [1, 2],
            "aggregates/Subjects/lab/s2/_ibl_subjectTrials.table.npy": [3],
            "aggregates/Tags/t1/clusters.table.npy": [4],
        }
    )
    table = one.list_aggregates("subjects")
    assert table["identifier"].tolist() == ["lab/s1", "lab/s2"]
    assert str(table.index[0]) == did
    assert len(one.list_aggregates("subjects", "s2")) == 1
    assert one.load_aggregate("subjects", "s1", "_ibl_subjectTrials.table").tolist() == [1, 2]
    assert one.load_aggregate("tags", "t1", download_only=True).name == "clusters.table.npy"
    with pytest.raises(ALFObjectNotFound, match="subjects/s3") as caught:
        one.load_aggregate("subjects", "s3")
    assert "lab/s1" in caught.value.hint
    with pytest.raises(ALFMultipleObjectsFound):
        one.load_aggregate("subjects", "lab")
    assert one.list_aggregates("nothing").empty
