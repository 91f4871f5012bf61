"""Values of odd types: what has a meaning is taken, the rest is refused in words that help."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest

from fascicle.errors import (
    ALFObjectNotFound,
    NeedsServerError,
    SearchTermError,
    SearchTermTypeError,
)
from fascicle.one import One

FIRST, SECOND = "lab/Subjects/s1/2020-01-02/001", "lab/Subjects/s1/2020-01-01/001"


@pytest.fixture
def one(make: Any) -> One:
    return make(
        {
            f"{FIRST}/alf/_ibl_trials.choice.npy": [1, 2],
            f"{FIRST}/alf/_ibl_trials.feedback_times.npy": [1.0, 2.0],
            f"{SECOND}/alf/_ibl_trials.choice.npy": [1, 2],
            f"{SECOND}/raw/_ibl_wheel.position.npy": [1, 2],
        }
    )


@pytest.fixture
def eids(one: One) -> list[UUID]:
    return one.search()


@pytest.mark.parametrize("several", [list, tuple, np.array, lambda e: [str(x) for x in e]])
def test_lists_of_several_sessions(one: One, eids: list[UUID], several: Any) -> None:
    given = several(eids)
    paths = [
        "alf/_ibl_trials.choice.npy",
        "alf/_ibl_trials.feedback_times.npy",
        "raw/_ibl_wheel.position.npy",
    ]
    assert one.list_datasets(given) == paths
    assert one.list_collections(given) == ["alf", "raw"]
    table = one.list_datasets(given, "*choice*", details=True)
    assert table.index.names == ["eid", "id"]
    assert list(table.index.get_level_values("eid")) == eids
    assert one.list_datasets([eids[0], UUID(int=7)]) == paths[:2]
    assert one.list_datasets([UUID(int=7)]).empty


def test_one_session_where_one_is_meant(one: One, eids: list[UUID]) -> None:
    assert list(one.load_object(eids[:1], "trials", attribute="choice")) == ["choice"]
    with pytest.raises(SearchTermTypeError, match="takes one session, and was given 2") as caught:
        one.load_object(eids, "trials")
    assert "for eid in eids" in caught.value.hint
    assert [d["date"].day for d in one.get_details(eids)] == [2, 1]
    with pytest.raises(ValueError, match="Cannot parse"):
        one.load_object([None], "trials")


def test_identifiers_as_they_are_copied(one: One, eids: list[UUID]) -> None:
    eid = eids[0]
    for text in (f" {eid} ", str(eid).upper(), f"{{{eid}}}", f"https://x.org/sessions/{eid}/"):
        assert one.to_eid(text) == eid
    path = PureWindowsPath("D:\\data") / FIRST
    assert one.to_eid(path) == one.to_eid(str(path)) == one.path2eid(path) == eid
    assert one.path2eid(None) is None


def test_arrays_and_paths_as_names(one: One, eids: list[UUID]) -> None:
    both = np.array(["*choice*", "*feedback*"])
    assert len(one.list_datasets(eids[0], both)) == len(one.list_datasets(eids[0], both.tolist()))
    path = PurePosixPath("alf/_ibl_trials.choice.npy")
    assert one.load_dataset(eids[0], path).tolist() == [1, 2]
    assert one.list_datasets(eids[0], path) == [str(path)]


@pytest.mark.parametrize("name", [None, 5, 1.5])
def test_names_that_are_none(one: One, eids: list[UUID], name: Any) -> None:
    with pytest.raises(TypeError, match="no name of a dataset"):
        one.load_dataset(eids[0], name)


def test_patterns_that_are_none(one: One, eids: list[UUID]) -> None:
    with pytest.raises(TypeError, match="where a text is needed") as caught:
        one.list_datasets(eids[0], collection=5)
    assert isinstance(caught.value, SearchTermError)
    assert "pattern" in caught.value.hint
    with pytest.raises(KeyError, match="no part of a dataset's name"):
        one.list_datasets(eids[0], {"objekt": "trials"})
    with pytest.raises(ALFObjectNotFound, match="no object has an empty name"):
        one.load_object(eids[1], "")
    with pytest.raises(ValueError, match="5 is no id of a dataset"):
        one.load_dataset_from_id(5)


def test_the_hint_is_about_what_is_wrong(one: One, eids: list[UUID]) -> None:
    with pytest.raises(ALFObjectNotFound) as caught:
        one.load_object(eids[0], "trials", attribute="nope")
    assert "_ibl_trials.choice.npy" in caught.value.hint
    with pytest.raises(ALFObjectNotFound) as caught:
        one.load_object(eids[0], "trails")
    assert "'trials'" in caught.value.hint


@pytest.mark.parametrize(
    "value", [pd.NaT, [pd.Timestamp("2020-01-01"), pd.NaT], [np.datetime64("NaT"), None]]
)
def test_no_time_is_no_date(one: One, value: Any) -> None:
    with pytest.raises(SearchTermError, match="NaT"):
        one.search(date=value)


def test_bytes_and_arrays_without_dimensions(one: One) -> None:
    with pytest.raises(SearchTermTypeError, match=r"b's1'") as caught:
        one.search(subject=b"s1")
    assert caught.value.hint == 'subject="s1"'
    assert len(one.search(number=np.array(1))) == 2


def test_regions_that_are_none(one: One) -> None:
    with pytest.raises(SearchTermError, match="no number of a brain region") as caught:
        one.search_insertions(atlas_id="TH")
    assert "atlas_acronym='TH'" in caught.value.hint


@pytest.mark.parametrize(
    ("value", "message"),
    [("2020-01-01_x_s1", "is no reference"), ({"subject": "s1"}, "is no reference")],
)
def test_references_that_are_none(one: One, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        one.ref2dict(value)
    with pytest.raises(KeyError, match="no date or start_time, no sequence or number"):
        one.dict2ref({"subject": "s1"})


def test_what_a_server_alone_knows(one: One, eids: list[UUID]) -> None:
    for ask in (
        lambda: one.describe_dataset("spikes.times"),
        lambda: one.describe_revision("2024-05-06"),
        lambda: one.dataset2type("spikes.times.npy"),
        lambda: one.type2datasets(eids[0], "spikes.times"),
    ):
        with pytest.raises(AssertionError, match="asks a server") as caught:
            ask()
        assert isinstance(caught.value, NeedsServerError)
        assert caught.value.hint


def test_a_sessions_table_with_ids_as_text(one: One, eids: list[UUID]) -> None:
    table = one._cache["sessions"].copy()
    table.index = table.index.map(str)
    one._cache["sessions"] = table
    found, details = one.search(details=True)
    assert found == eids
    assert [d["date"].day for d in details] == [2, 1]
    assert one.get_details(eids[0])["subject"] == "s1"
