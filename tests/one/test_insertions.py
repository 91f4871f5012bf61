from __future__ import annotations

import warnings
from typing import Any

import pytest

from fascicle.errors import ALFWarning, NeedsServerError, RegionNotFound, SearchTermError
from fascicle.one import One, insertions

PROBES = "lab/Subjects/s1/2020-01-01/001/alf/probe0"


@pytest.fixture
def one(make: Any) -> One:
    # RH and RE lie in the thalamus, CA1 in the hippocampus; the sign says the hemisphere.
    return make(
        {
            f"{PROBES}0/channels.brainLocationIds_ccf_2017.npy": [189, 189, 181, 997],
            f"{PROBES}0/spikes.times.npy": [1.0],
            f"{PROBES}1/channels.brainLocationIds_ccf_2017.npy": [-382, -382, 0],
            "lab/Subjects/s1/2020-01-01/001/alf/_ibl_trials.choice.npy": [1],
            "lab/Subjects/s2/2020-01-02/001/alf/probe00/spikes.times.npy": [1.0],
        }
    )


def names(one: One, **query: Any) -> list[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, records = one.search_insertions(details=True, **query)
    return [f"{r.subject} {r.name}" for r in records or []]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, ["s2 probe00", "s1 probe01", "s1 probe00"]),
        ({"name": "probe00"}, ["s2 probe00", "s1 probe00"]),
        ({"name": "probe0[1-9]"}, ["s1 probe01"]),
        ({"subject": "s1"}, ["s1 probe01", "s1 probe00"]),
        ({"laboratory": "lab", "date": "2020-01-02"}, ["s2 probe00"]),
        ({"atlas_acronym": "RH"}, ["s1 probe00"]),
        ({"atlas_acronym": "TH"}, ["s1 probe00"]),
        ({"atlas_acronym": ["TH", "HPF"]}, ["s1 probe01", "s1 probe00"]),
        ({"atlas_id": 382}, ["s1 probe01"]),
        ({"atlas_id": "382"}, ["s1 probe01"]),
        ({"atlas_id": -382}, ["s1 probe01"]),  # the left half alone
        ({"atlas_id": -549}, []),
        ({"atlas_id": [-382, 549]}, ["s1 probe01", "s1 probe00"]),
        ({"atlas_name": "thalam"}, ["s1 probe00"]),
        ({"atlas_name": "Field CA1"}, ["s1 probe01"]),
        ({"atlas_acronym": "TH", "name": "probe01"}, []),
        ({"atlas_acronym": "TH", "subject": "s2"}, []),
        ({"datasets": "spikes.times.npy"}, ["s2 probe00", "s1 probe00"]),
        ({"dataset": "spikes"}, ["s2 probe00", "s1 probe00"]),
        ({"dataset": "trials"}, ["s1 probe01", "s1 probe00"]),
        ({"model": "x"}, []),
    ],
)
def test_terms(one: One, query: dict[str, Any], wanted: list[str]) -> None:
    assert names(one, **query) == wanted


def test_by_session(one: One) -> None:
    (eid,) = one.search(subject="s1")
    assert (
        names(one, session=eid) == names(one, session=one.eid2ref(eid)) == names(one, subject="s1")
    )


def test_details_have_the_channels(one: One) -> None:
    with pytest.warns(ALFWarning, match="regions unknown for 1 sessions"):
        pids, records = one.search_insertions(atlas_acronym="TH", details=True)
    assert records[0].id == str(pids[0])
    assert records[0].channels == {"RH": 2, "RE": 1}
    assert one.pid2eid(pids[0])[1] == "probe00"
    assert one.search_insertions(atlas_acronym="TH") == pids  # told once


def test_errors(one: One) -> None:
    with pytest.raises(RegionNotFound, match="THH") as region:
        one.search_insertions(atlas_acronym="THH")
    assert "did you mean" in region.value.hint
    with pytest.raises(RegionNotFound):
        one.search_insertions(atlas_name="no such place")
    with pytest.raises(SearchTermError, match='"foo"'):
        one.search_insertions(foo=1)
    for term in ("django", "tag", "json"):
        with pytest.raises(NotImplementedError, match="server") as remote:
            one.search_insertions(**{term: "x"})
        assert isinstance(remote.value, NeedsServerError)
    assert one.search_insertions(name="nothing", details=True) == ([], None)


def test_the_synthetic_lab(lab: One) -> None:
    query = {"datasets": "spikes.times.npy", "project": "brainwide"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rh = lab.search_insertions(atlas_acronym="RH", **query)
        th = lab.search_insertions(atlas_acronym="TH", **query)
    assert rh
    assert set(rh) <= set(th)
    assert insertions.region_ids("atlas_acronym", "TH") > insertions.region_ids("atlas_id", 189)
