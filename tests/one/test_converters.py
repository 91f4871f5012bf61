from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from fascicle.alf import ALFPath
from fascicle.errors import ALFObjectNotFound, NeedsServerError, SessionNotFound
from fascicle.one import One, params
from fascicle.one.converters import (
    datasets2records,
    one_path_from_dataset,
    path_from_dataset,
    ses2records,
    session_record2path,
)

UNKNOWN = UUID("11111111-1111-4111-8111-111111111111")
PLACE = "lab/Subjects/s_1/2020-01-01/001"


@pytest.fixture
def one(make: Any) -> One:
    return make(
        {
            f"{PLACE}/alf/probe00/spikes.times.npy": [1],
            f"{PLACE}/alf/a.b.npy": [1],
            "s2/2020-01-02/002/a.b.npy": [1],
        }
    )


@pytest.fixture
def eid(one: One) -> UUID:
    return one.search(subject="s_1")[0]


def test_ids_and_paths(one: One, eid: UUID) -> None:
    path = one.eid2path(eid)
    assert isinstance(path, ALFPath)
    assert path == one.cache_dir / PLACE
    assert one.eid2path(eid=str(eid)) == one.eid2path(id=eid) == path
    assert one.path2eid(path) == one.path2eid(str(path / "alf" / "x.y.npy")) == eid
    assert one.path2eid(f"https://x.org/data/{PLACE}/alf/a.b.npy") == eid
    assert one.path2eid("C:\\data\\lab\\Subjects\\s_1\\2020-01-01\\001") == eid
    assert one.path2eid("s_1/2020-01-01/1") == eid
    assert one.path2eid("s_1/2020-01-01/002") is None
    assert one.path2eid("no/session") is None
    assert one.path2eid("s_1/2020-99-01/001") is None
    assert one.eid2path(UNKNOWN) is None
    with pytest.raises(ValueError, match="not a valid eID"):
        one.eid2path("rubbish")


def test_a_session_without_a_lab(one: One) -> None:
    (eid,) = one.search(subject="s2")
    assert one.eid2path(eid) == one.cache_dir / "s2/2020-01-02/002"
    assert one.path2eid("anylab/Subjects/s2/2020-01-02/002") == eid


def test_lists(one: One, eid: UUID) -> None:
    both = one.search()
    assert one.path2eid(one.eid2path(both)) == both
    assert one.to_eid(list(map(str, both))) == both
    assert one.ref2eid(one.eid2ref(both)) == both
    assert one.ref2path(one.eid2ref(both, as_dict=False)) == one.eid2path(both)
    assert [r.subject for r in one.eid2ref(eid=both)] == ["s2", "s_1"]
    assert len(one.get_details(both)) == 2


@pytest.mark.parametrize(
    "given",
    [
        "2020-01-01_1_s_1",
        "2020-01-01_001_s_1",
        {"subject": "s_1", "date": "2020-01-01", "sequence": 1},
        {"subject": "s_1", "date": datetime.date(2020, 1, 1), "sequence": "001"},
        {"subject": "s_1", "lab": "lab", "number": 1, "date": "2020-01-01"},
        {"subject": "s_1", "lab": "lab", "number": "1", "start_time": "2020-01-01T10:00:00"},
        f"/anywhere/{PLACE}/alf",
        Path(PLACE),
    ],
)
def test_to_eid(one: One, eid: UUID, given: Any) -> None:
    assert one.to_eid(given) == eid


def test_to_eid_of_what_is_none(one: One) -> None:
    assert one.to_eid(None) is None
    assert one.to_eid(UNKNOWN) == UNKNOWN
    for bad in ("rubbish", 3, {"subject": "s_1"}, "11111111-1111-1111-1111-11111111111x"):
        with pytest.raises(ValueError, match="experiment ID"):
            one.to_eid(bad)
    with pytest.raises(SessionNotFound, match="session not found") as caught:
        one.to_eid("2020-01-01_9_s_1")
    assert "one.search(subject='s_1')" in caught.value.hint


def test_references(one: One, eid: UUID) -> None:
    assert one.eid2ref(eid) == {"subject": "s_1", "date": datetime.date(2020, 1, 1), "sequence": 1}
    assert one.eid2ref(eid).subject == "s_1"
    assert one.eid2ref(id=eid, as_dict=False) == "2020-01-01_1_s_1"
    assert one.eid2ref(eid, as_dict=False, parse=False) == "2020-01-01_001_s_1"
    assert one.eid2ref(eid, parse=False)["sequence"] == "001"
    assert one.path2ref(one.eid2path(eid)) == one.eid2ref(eid)
    assert one.path2ref(["x", PLACE], as_dict=False) == [None, "2020-01-01_001_s_1"]
    assert one.dict2ref(one.eid2ref(eid)) == "2020-01-01_1_s_1"
    assert one.dict2ref([{}, {"subject": "a", "start_time": "2020-01-01T09", "number": 2}]) == [
        None,
        "2020-01-01_2_a",
    ]
    assert one.ref2dict("2020-01-01_001_s_1") == one.eid2ref(eid)
    assert One.is_exp_ref(["2020-01-01_1_s_1", "rubbish", {"subject": 1}]) == [True, False, False]
    with pytest.raises(ValueError, match="no reference"):
        one.ref2dict("rubbish")


def test_records(one: One, eid: UUID) -> None:
    path = one.eid2path(eid) / "alf" / "a.b.npy"
    record = one.path2record(path)
    assert record["rel_path"] == "alf/a.b.npy"
    assert record.name[0] == eid
    assert one.record2path(record) == path
    assert one.path2record(path.with_uuid(record.name[1])).name == record.name
    assert one.path2record(path.with_uuid(uuid4())) is None
    assert one.path2record(path.with_name("no.such.npy")) is None
    assert one.path2record("nobody/2020-01-01/001/alf/a.b.npy") is None
    assert one.path2record("rubbish") is None
    session = one.path2record(one.eid2path(eid))
    assert session.name == eid
    assert session["subject"] == "s_1"
    table = one.list_datasets(eid, details=True, keep_eid_index=True)
    assert one.record2path(table) == [one.eid2path(eid) / p for p in table["rel_path"]]
    with pytest.raises(ValueError, match="keep_eid_index"):
        one.record2path(table.droplevel("eid").iloc[0])
    with pytest.raises(TypeError):
        one.record2path({})


def test_urls(one: One, eid: UUID) -> None:
    path = one.eid2path(eid) / "alf" / "a.b.npy"
    with pytest.raises(NeedsServerError, match="no web address"):
        one.path2url(path)
    params.setup("https://alyx.mylab.org", cache_dir=one.cache_dir)
    params.save(
        {**params.get(), "HTTP_DATA_SERVER": "https://x.org/data"}, "https://alyx.mylab.org"
    )
    did = one.path2record(path).name[1]
    url = f"https://x.org/data/{PLACE}/alf/a.b.{did}.npy"
    assert one.path2url(path) == url
    assert one.path2url([path, "rubbish"]) == [url, None]
    assert one.path2url(one.eid2path(eid)) == f"https://x.org/data/{PLACE}"
    assert one.to_eid(url) == eid
    assert one.path2record(url).name == (eid, did)


def test_details(one: One, eid: UUID) -> None:
    details = one.get_details(eid)
    assert details.name == eid
    assert details["subject"] == "s_1"
    full = one.get_details(id=eid, full=True)
    assert full.index.names == ["eid", "id"]
    assert set(full["subject"]) == {"s_1"}
    assert len(full) == 2
    with pytest.raises(ALFObjectNotFound):
        one.get_details(UNKNOWN)


def test_probes(one: One, eid: UUID) -> None:
    pids, labels = one.eid2pid(eid)
    assert labels == ["probe00"]
    assert one.pid2eid(pids[0]) == one.pid2eid(str(pids[0])) == (eid, "probe00")
    pids, labels, records = one.eid2pid(id=eid, details=True)
    assert records[0]["session"] == str(eid)
    assert records[0]["session_info"]["subject"] == "s_1"
    assert one.eid2pid(eid, name="probe01") == (None, None)
    assert one.eid2pid(UNKNOWN, details=True) == (None, None, None)
    assert one.pid2eid(UNKNOWN) == (None, None)


# -- records of an Alyx ----------------------------------------------------------------------------

DID = "5d1d1a0e-5a5d-4f29-9c3a-0a3f0c7d2f11"
DATASET = {
    "url": f"https://alyx/datasets/{DID}",
    "session": f"https://alyx/sessions/{UNKNOWN}",
    "file_size": 10,
    "hash": "",
    "default_dataset": True,
    "qc": 10,
    "file_records": [
        {"data_url": None, "exists": True, "data_repository": "local"},
        {
            "data_url": f"https://x.org/data/{PLACE}/alf/%232020-01-01%23/a.b.{DID}.npy",
            "exists": True,
            "data_repository": "flatiron",
            "data_repository_path": "/lab/Subjects/",
            "relative_path": "s_1/2020-01-01/001/alf/#2020-01-01#/a.b.npy",
        },
    ],
}


def test_paths_of_alyx_records() -> None:
    relative = f"{PLACE}/alf/#2020-01-01#/a.b.npy"
    assert path_from_dataset(DATASET).as_posix() == f"/{relative}"
    assert one_path_from_dataset(DATASET, "/data") == Path("/data", relative)
    assert path_from_dataset([DATASET], "/d", uuid=True)[0].name == f"a.b.{DID}.npy"
    with pytest.raises(ValueError, match="nowhere"):
        path_from_dataset(DATASET, repository="nowhere")
    record = {"subject": "s", "date": "2020-01-01", "number": 1, "lab": "l"}
    assert session_record2path(record).as_posix() == "l/Subjects/s/2020-01-01/001"
    assert session_record2path({**record, "lab": ""}, "/r") == Path("/r/s/2020-01-01/001")


def test_tables_of_alyx_records() -> None:
    table = datasets2records([DATASET, {**DATASET, "file_records": []}])
    assert len(table) == 1
    assert table.index[0] == (UNKNOWN, UUID(DID))
    assert table.iloc[0]["rel_path"] == "alf/#2020-01-01#/a.b.npy"
    assert table.iloc[0]["qc"] == "PASS"
    assert datasets2records([]).empty
    session, datasets = ses2records(
        {
            "url": f"https://alyx/sessions/{UNKNOWN}",
            "subject": "s_1",
            "lab": "lab",
            "start_time": "2020-01-01T10:00:00",
            "number": None,
            "task_protocol": "t",
            "projects": ["a", "b"],
            "data_dataset_session_related": [
                {
                    "id": DID,
                    "data_url": f"https://x.org/data/{PLACE}/alf/a.b.{DID}.npy",
                    "file_size": None,
                    "hash": None,
                    "default_revision": "True",
                }
            ],
        }
    )
    assert session.name == UNKNOWN
    assert session["projects"] == "a,b"
    assert session["number"] == 0
    assert session["date"] == datetime.date(2020, 1, 1)
    assert datasets.iloc[0]["rel_path"] == "alf/a.b.npy"
    assert bool(datasets.iloc[0]["default_revision"])
