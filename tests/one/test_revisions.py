from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any
from uuid import UUID

import pytest

from fascicle.errors import ALFMultipleRevisionsFound, ALFObjectNotFound, ALFWarning
from fascicle.one import One, revisions
from fascicle.one.revisions import choose, without_revision

SESSION = "lab/Subjects/s1/2020-01-01/001"
FOLDER = f"{SESSION}/alf/probe00"


@pytest.fixture
def one(make: Any) -> One:
    return make(
        {
            f"{FOLDER}/spikes.times.npy": [1.0],
            f"{FOLDER}/#2024-03-22#/spikes.times.npy": [2.0],
            f"{FOLDER}/#2024-05-06#/spikes.times.npy": [3.0],
            f"{FOLDER}/spikes.amps.npy": [1.0],
            f"{FOLDER}/clusters.depths.npy": [1.0],
        }
    )


@pytest.fixture
def eid(one: One) -> UUID:
    return one.search()[0]


def told(call: Any, *args: Any, **kwargs: Any) -> tuple[Any, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        out = call(*args, **kwargs)
    assert all(w.category is ALFWarning for w in caught)
    assert all(w.filename == __file__ for w in caught)
    return out, [str(w.message) for w in caught]


def test_the_default_is_taken(one: One, eid: UUID, set_rows: Any) -> None:
    one = set_rows(one, default_revision=lambda p: "#" not in p or "03-22" in p)
    one._cache["datasets"].loc[:, "default_revision"] = [
        "03-22" in p or p.endswith(("amps.npy", "depths.npy"))
        for p in one._cache["datasets"]["rel_path"]
    ]
    spikes, said = told(one.load_object, eid, "spikes")
    assert spikes.times.tolist() == [2.0]
    assert len(said) == 1
    assert said[0].startswith('Multiple revisions: "", "2024-03-22", "2024-05-06"')
    assert "the default revision" in said[0]
    assert 'took "2024-03-22" for alf/probe00/spikes.times.npy' in said[0]


def test_without_a_default_the_latest_is_taken(one: One, eid: UUID) -> None:
    times, said = told(one.load_dataset, eid, "spikes.times.npy")
    assert times.tolist() == [3.0]
    assert len(said) == 1
    assert said[0].startswith('Multiple revisions: "", "2024-03-22", "2024-05-06" in lab/Subjects')
    assert 'took "2024-05-06"' in said[0]


def test_each_dataset_is_told_of_once(one: One, eid: UUID) -> None:
    assert len(told(one.load_dataset, eid, "spikes.times.npy")[1]) == 1
    assert told(one.load_dataset, eid, "spikes.times.npy")[1] == []
    assert told(One(one.cache_dir).load_dataset, eid, "spikes.times.npy")[1] == []


def test_no_choice_is_not_told_of(one: One, eid: UUID) -> None:
    assert told(one.load_dataset, eid, "spikes.amps.npy")[1] == []
    assert told(one.load_object, eid, "clusters")[1] == []


def test_a_mixture_is_told_of_even_where_it_was_asked_for(one: One, eid: UUID) -> None:
    spikes, said = told(one.load_object, eid, "spikes", revision="2024-04-01")
    assert spikes.times.tolist() == [2.0]
    assert len(said) == 1
    assert said[0].startswith("Multiple revisions: ")


@pytest.mark.parametrize(
    ("revision", "value"),
    [
        ("2024-03-22", 2.0),
        ("2024-04", 2.0),
        ("2023", 1.0),
        ("2099-01-01", 3.0),
        ("2024-05-06a", 3.0),
    ],
)
def test_the_last_one_not_after(one: One, eid: UUID, revision: str, value: float) -> None:
    times, said = told(one.load_dataset, eid, "spikes.times.npy", revision=revision)
    assert times.tolist() == [value]
    assert said == []


def test_nothing_early_enough(make: Any) -> None:
    one = make({f"{FOLDER}/#2024-05-06#/a.b.npy": [1.0]})
    with pytest.raises(
        ALFObjectNotFound, match='no revision of it is at or before "2020"'
    ) as caught:
        one.load_object(one.search()[0], "a", revision="2020")
    assert '"2024-05-06"' in caught.value.hint


def test_environment(one: One, eid: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONE_REVISION_LAST_BEFORE", "2024-04-01")
    times, said = told(one.load_dataset, eid, "spikes.times.npy")
    assert times.tolist() == [2.0]
    assert "ONE_REVISION_LAST_BEFORE" in said[0]
    assert one.load_dataset(eid, "spikes.times.npy", revision="2099").tolist() == [3.0]
    with pytest.raises(ValueError, match="ONE_REVISION_LAST_BEFORE"):
        one.load_datasets(eid, ["alf/probe00/spikes.times.npy"])


def test_a_relative_path_names_its_revision(one: One, eid: UUID) -> None:
    paths = one.list_datasets(eid, "*spikes.times*")
    data, _ = told(one.load_datasets, eid, paths)[0]
    assert [d[0] for d in data] == [2.0, 3.0, 1.0]
    old = one.load_dataset(eid, "alf/probe00/#2024-03-22#/spikes.times.npy", query_type="local")
    assert old.tolist() == [2.0]


def test_several_defaults(one: One, eid: UUID, set_rows: Any) -> None:
    one = set_rows(one, default_revision=lambda p: True)
    with pytest.raises(ALFMultipleRevisionsFound, match='"2024-03-22"'):
        one.load_dataset(eid, "spikes.times.npy")
    assert told(one.load_object, eid, "spikes")[0].times.tolist() == [3.0]


def test_a_loop_is_summed_up(make: Any) -> None:
    files = {}
    for number in range(1, 40):
        for revision in ("", "#2024-05-06#/"):
            files[f"lab/Subjects/s1/2020-01-01/{number:03d}/alf/{revision}a.b.npy"] = [number]
    one = make(files)

    def loop() -> None:
        for eid in one.search():
            one.load_dataset(eid, "a.b.npy")

    _, said = told(loop)
    full = revisions.Teller.in_full
    assert len(said) == full + 1
    assert "counted and summed up" in said[full - 1]
    assert f"{10 - full} more datasets in {10 - full} sessions" in said[full]
    _, last = told(one._teller.sum_up)
    assert len(last) == 1
    assert last[0].startswith('Multiple revisions: "", "2024-05-06" of 29 more datasets')
    assert told(one._teller.sum_up)[1] == []


def test_the_rest_is_summed_up_at_exit(make: Any) -> None:
    files = {
        f"lab/Subjects/s1/2020-01-01/{n:03d}/alf/{revision}a.b.npy": [n]
        for n in range(1, 9)
        for revision in ("", "#2024-05-06#/")
    }
    one = make(files)
    code = (
        "import sys; from fascicle.one import One; one = One(sys.argv[1])\n"
        "for e in one.search(): one.load_object(e, 'a')\n"
    )
    command = [sys.executable, "-c", code, str(one.cache_dir)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stderr.count("Multiple revisions") == revisions.Teller.in_full + 1
    assert "of 3 more datasets in 3 sessions" in run.stderr


def test_choose_keeps_the_order_and_takes_paths_apart() -> None:
    paths = ["alf/#b#/x.y.npy", "alf/#a#/x.y.npy", "alf/z.y.npy", "#a#/x.y.npy"]
    assert [t.position for t in choose(paths, range(4))] == [0, 2, 3]
    assert [t.position for t in choose(paths, range(4), revision="a")] == [1, 2, 3]
    assert [t.position for t in choose(paths, range(4), revision="")] == [2]
    assert without_revision("alf/#b#/x.y.npy") == "alf/x.y.npy"
    assert without_revision("#a#/x.y.npy") == "x.y.npy"
