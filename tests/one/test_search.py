from __future__ import annotations

import datetime
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from fascicle.errors import ALFWarning, ConfigurationError, SearchTermError
from fascicle.one import One, terms


@pytest.fixture
def one(make: Any) -> One:
    return make(
        {
            "cortexlab/Subjects/KS001/2020-01-01/001/alf/_ibl_trials.choice.npy": [1, 2],
            "cortexlab/Subjects/KS001/2020-01-01/002/alf/_ibl_trials.choice.npy": [1, 2],
            "cortexlab/Subjects/KS001/2020-01-01/002/alf/probe00/spikes.times.npy": [1.0],
            "cortexlab/Subjects/KS002/2020-01-03/001/alf/spikes.times.npy": [1.0],
            "mainenlab/Subjects/ZM_1/2021-05-06/001/alf/_ibl_trials.choice.npy": [1],
            "mainenlab/Subjects/ks9/2019-12-31/001/raw/x.y.npy": [1],
        }
    )


def keys(one: One, **query: Any) -> list[str]:
    return [one.eid2ref(e, as_dict=False) for e in one.search(**query)]


ALL = [
    "2021-05-06_1_ZM_1",
    "2020-01-03_1_KS002",
    "2020-01-01_2_KS001",
    "2020-01-01_1_KS001",
    "2019-12-31_1_ks9",
]


def test_all_sessions_latest_first(one: One) -> None:
    assert keys(one) == ALL
    assert all(isinstance(e, UUID) for e in one.search())


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"subject": "KS"}, [1, 2, 3]),
        ({"subj": "^KS00[12]$"}, [1, 2, 3]),
        ({"subject": ["ZM", "ks"]}, [0, 4]),
        ({"lab": "cortexlab"}, [1, 2, 3]),
        ({"laboratory": ["main", "zador"]}, [0, 4]),
        ({"number": 2}, [2]),
        ({"num": ["1", 2], "lab": "cortex"}, [1, 2, 3]),
        ({"date": "2020-01-01"}, [2, 3]),
        ({"date_range": ["2020-01-01"]}, [0, 1, 2, 3]),
        ({"date_range": ["2020-01-02", None]}, [0, 1]),
        ({"date_range": [None, "2020-01-01"]}, [2, 3, 4]),
        ({"date_range": ("2020-01-01", datetime.date(2020, 1, 3))}, [1, 2, 3]),
        ({"date_range": datetime.datetime(2020, 1, 1, 15)}, [2, 3]),
        ({"date_range": [datetime.datetime(2020, 1, 1, 15), None]}, [0, 1]),
        ({"date_range": np.datetime64("2020-01-03")}, [1]),
        ({"date_range": np.array(["2020-01-01", "2020-01-03"], "datetime64[D]")}, [1, 2, 3]),
        ({"date_range": "1 Jan 2020"}, [2, 3]),
        ({"datasets": "spikes.times.npy"}, [1, 2]),
        ({"datasets": "spikes.times"}, []),
        ({"datasets": r"spikes\..*"}, [1, 2]),
        ({"datasets": ["spikes.times.npy", "_ibl_trials.choice.npy"]}, [2]),
        ({"dataset": "spikes.times"}, [1, 2]),
        ({"dataset": "alf/"}, [0, 1, 2, 3]),
        ({"dataset": ["trials", "probe00"]}, [2]),
        ({"dataset": "trials", "datasets": "spikes.times.npy"}, [2]),
        ({"dataset": []}, [0, 1, 2, 3, 4]),
        ({"dataset_qc_lte": "PASS"}, [0, 1, 2, 3, 4]),
        ({"dataset_qc": 50, "dataset": "spikes"}, [1, 2]),
        ({"subject": "KS", "lab": "mainen"}, []),
        ({"subject": ""}, [0, 1, 2, 3, 4]),
        ({"query_type": "local", "subject": "ZM"}, [0]),
    ],
)
def test_terms(one: One, query: dict[str, Any], wanted: list[int]) -> None:
    assert keys(one, **query) == [ALL[i] for i in wanted]


def test_without_wildcards_texts_are_meant_as_they_are(one: One) -> None:
    one.wildcards = False
    assert keys(one, subject="KS00") == ALL[1:4]
    assert keys(one, subject="KS0.") == []
    assert keys(one, dataset="spikes.times") == ALL[1:3]
    assert keys(one, dataset="spikes.*") == []
    with pytest.warns(ALFWarning, match="one text 'KS|ZM'"):
        assert keys(one, subject=["KS", "ZM"]) == []


@pytest.mark.parametrize(
    ("query", "text", "hint"),
    [
        ({"subjet": "x"}, 'Invalid search term "subjet"', "did you mean 'subject'?"),
        ({"d": "x"}, 'Ambiguous search term "d"', "in full"),
        ({"foo": "x"}, "see `one.search_terms", "task_protocol"),
        ({"number": "x"}, "no session number", ""),
        ({"number": None}, "no session number", ""),
        ({"subject": None}, "None", "leave subject out"),
        ({"subject": 3}, "is 3", ""),
        ({"subject": "*a"}, "no regular expression", "wildcards"),
        ({"date": None}, "None", "all dates"),
        ({"date": []}, "0 items", ""),
        ({"date": ["2020-01-01"] * 3}, "3 items", ""),
        ({"date": "rubbish"}, "'rubbish' is no date", "2020-01-31"),
        ({"dataset_qc_lte": "PAST"}, "'PAST'", "'PASS'"),
        ({"sub": "x", "subj": "y"}, "both mean 'subject'", "once"),
    ],
)
def test_bad_terms_say_what_to_type(one: One, query: dict[str, Any], text: str, hint: str) -> None:
    with pytest.raises(ValueError) as caught:
        one.search(**query)
    assert isinstance(caught.value, SearchTermError)
    assert text in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("query", [{"subject": None}, {"date_range": None}, {"subject": 3}])
def test_a_value_of_the_wrong_type_is_a_type_error_as_in_one(one: One, query: Any) -> None:
    with pytest.raises(TypeError):
        one.search(**query)


def test_details(one: One) -> None:
    eids, details = one.search(subject="KS002", details=True)
    assert len(eids) == 1
    assert details == [
        {
            "lab": "cortexlab",
            "subject": "KS002",
            "date": datetime.date(2020, 1, 3),
            "number": 1,
            "task_protocol": "",
            "projects": "",
        }
    ]
    assert details[0].lab == "cortexlab"
    assert one.search(subject="nobody", details=True) == ([], None)


def test_quality(one: One, set_rows: Any) -> None:
    one = set_rows(one, qc=lambda path: "CRITICAL" if "spikes" in path else "FAIL")
    assert keys(one, datasets="spikes.times.npy") == []
    assert keys(one, datasets="spikes.times.npy", dataset_qc_lte="CRITICAL") == ALL[1:3]
    assert keys(one, dataset="spikes") == []
    assert keys(one, dataset_qc_lte="WARNING") == []
    assert keys(one, dataset_qc_lte="FAIL") == [ALL[i] for i in (0, 2, 3, 4)]
    assert keys(one, dataset_qc_lte=50) == ALL


def test_datasets_that_do_not_exist_are_not_found(one: One, set_rows: Any) -> None:
    one = set_rows(one, exists=lambda path: "spikes" not in path)
    assert keys(one, dataset="spikes") == []
    assert keys(one, dataset="trials") == [ALL[i] for i in (0, 2, 3)]


def test_search_terms(one: One) -> None:
    assert set(one.search_terms()) >= {"datasets", "date_range", "laboratory", "dataset"}
    assert "atlas_acronym" in one.search_terms(endpoint="insertions")
    assert one.search_terms(endpoint="subjects") is None


def test_list_subjects(one: One) -> None:
    assert one.list_subjects() == ["KS001", "KS002", "ZM_1", "ks9"]


def test_remote_queries_say_that_there_is_no_server(one: One) -> None:
    with pytest.raises(ConfigurationError, match="server"):
        one.search(query_type="remote")
    with pytest.raises(SearchTermError):
        one.search(query_type="elsewhere")


def test_complete_accepts_any_case() -> None:
    assert terms.complete("SUBJ", terms.SESSION_TERMS) == "subject"
    assert terms.complete("dataset", terms.SESSION_TERMS) == "dataset"
