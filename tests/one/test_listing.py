from __future__ import annotations

from typing import Any
from uuid import UUID

import pandas as pd
import pytest

from fascicle.errors import ALFError
from fascicle.one import One

UNKNOWN = UUID("11111111-1111-4111-8111-111111111111")
SESSION = "lab/Subjects/s1/2020-01-01/001"
FILES = [
    "_ibl_trials.choice.npy",
    "alf/_ibl_trials.choice.npy",
    "alf/probe00/#2024-05-06#/spikes.times.npy",
    "alf/probe00/spikes.times.npy",
    "raw/_iblrig_leftCamera.times.npy",
]


@pytest.fixture
def one(make: Any) -> One:
    files = {f"{SESSION}/{f}": [1, 2] for f in FILES}
    return make({**files, "lab/Subjects/s2/2020-01-01/001/alf/wheel.position.npy": [1]})


@pytest.fixture
def eid(one: One) -> UUID:
    return one.search(subject="s1")[0]


def test_datasets_of_a_session(one: One, eid: UUID) -> None:
    assert one.list_datasets(eid) == FILES
    assert one.list_datasets(id=eid) == one.list_datasets(eid=str(eid)) == FILES
    assert one.list_datasets(one.eid2path(eid), "*spikes*") == FILES[2:4]
    assert one.list_datasets(eid, collection="alf*") == FILES[1:4]
    assert one.list_datasets(eid, collection="") == FILES[:1]
    assert one.list_datasets(eid, {"object": "spikes"}, revision="") == [FILES[3]]
    assert one.list_datasets(eid, "nothing*") == []


def test_datasets_of_all_sessions(one: One) -> None:
    assert one.list_datasets() == sorted([*FILES, "alf/wheel.position.npy"])
    assert one.list_datasets(filename="*wheel*") == ["alf/wheel.position.npy"]
    table = one.list_datasets(details=True)
    assert len(table) == 6
    assert table.index.names == ["eid", "id"]


def test_details(one: One, eid: UUID) -> None:
    table = one.list_datasets(eid, details=True)
    assert table.index.name == "id"
    assert table["rel_path"].tolist() == FILES
    assert {"rel_path", "file_size", "hash", "exists", "qc"} <= set(table)
    assert table["exists"].all()
    assert table["qc"].unique().tolist() == ["NOT_SET"]
    assert list(table["qc"].cat.categories) == ["NOT_SET", "PASS", "WARNING", "FAIL", "CRITICAL"]
    keyed = one.list_datasets(eid, details=True, keep_eid_index=True)
    assert keyed.index.names == ["eid", "id"]
    assert set(keyed.index.get_level_values("eid")) == {eid}


def test_unknown_session_has_an_empty_table_as_in_one(one: One) -> None:
    for given in (UNKNOWN, "nobody/2020-01-01/001"):
        table = one.list_datasets(given)
        assert isinstance(table, pd.DataFrame)
        assert table.empty
        assert "rel_path" in table
    assert one.list_collections(UNKNOWN) == []
    assert one.list_revisions(UNKNOWN, details=True) == {}
    with pytest.raises(ValueError, match="Invalid experiment ID"):
        one.list_datasets("rubbish")


def quality(path: str) -> str:
    return "CRITICAL" if "spikes" in path else "PASS" if "raw" in path else "NOT_SET"


def test_quality_hides_what_is_critical(one: One, eid: UUID, set_rows: Any) -> None:
    one = set_rows(one, qc=quality)
    assert one.list_datasets(eid) == [FILES[0], FILES[1], FILES[4]]
    assert one.list_datasets(eid, qc="CRITICAL") == FILES
    assert one.list_datasets(eid, qc="PASS", ignore_qc_not_set=True) == [FILES[4]]
    assert FILES[2] not in one.list_datasets()
    assert FILES[2] in one.list_datasets(qc=50)
    assert one.list_datasets(ignore_qc_not_set=True) == [FILES[4]]


def test_default_revisions_only(one: One, eid: UUID, set_rows: Any) -> None:
    one = set_rows(one, default_revision=lambda p: "#" not in p)
    assert one.list_datasets(eid, default_revisions_only=True) == [f for f in FILES if "#" not in f]
    assert one.list_datasets(details=True)["default_revision"].sum() == 5


def test_default_revisions_only_needs_the_column(one: One, eid: UUID) -> None:
    if one._index.has_default_revision:
        assert FILES[2] in one.list_datasets(eid, default_revisions_only=True)
        return
    with pytest.raises(ALFError, match="No default revisions specified"):
        one.list_datasets(eid, default_revisions_only=True)


def test_collections(one: One, eid: UUID) -> None:
    assert one.list_collections(eid) == ["", "alf", "alf/probe00", "raw"]
    assert one.list_collections(eid, filename="*spikes*") == ["alf/probe00"]
    assert one.list_collections(collection="alf*") == ["alf", "alf/probe00"]
    tables = one.list_collections(eid, details=True)
    assert list(tables) == ["", "alf", "alf/probe00", "raw"]
    assert tables["alf/probe00"]["rel_path"].tolist() == FILES[2:4]


def test_revisions(one: One, eid: UUID) -> None:
    assert one.list_revisions(eid) == ["", "2024-05-06"]
    assert one.list_revisions(eid, collection="raw") == [""]
    assert one.list_revisions(eid, revision="2024*") == ["2024-05-06"]
    assert list(one.list_revisions(eid, details=True)) == ["", "2024-05-06"]
