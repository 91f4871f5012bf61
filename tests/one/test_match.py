from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fascicle.errors import ALFInvalid, SearchTermError
from fascicle.one.match import ask, folders_of, object_of

PATHS = [
    "_ibl_trials.choice.npy",
    "alf/_ibl_trials.choice.npy",
    "alf/_ibl_trials.goCue_times.npy",
    "alf/_ibl_trials.goCue_times_bpod.npy",
    "alf/_ibl_trials.table.pqt",
    "alf/#2024-05-06#/_ibl_trials.table.pqt",
    "alf/probe00/pykilosort/spikes.times.npy",
    "alf/probe00/pykilosort/#2024-05-06#/spikes.times.npy",
    "alf/probe00/pykilosort/spikes.times.raw.npy",
    "raw_video_data/_iblrig_leftCamera.raw.mp4",
]


def found(*args: object, wildcards: bool = True, **kwargs: object) -> list[int]:
    return ask(*args, wildcards=wildcards, **kwargs).select(PATHS)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        ({}, list(range(10))),
        ({"filename": "*trials*"}, [0, 1, 2, 3, 4, 5]),
        ({"filename": "*.npy"}, [0, 1, 2, 3, 6, 7, 8]),
        ({"filename": "_ibl_trials.choice.npy"}, [0, 1]),
        ({"filename": "_ibl_trials.choice.n"}, []),
        ({"filename": "alf/_ibl_trials.choice.npy"}, [1]),
        ({"filename": "trials*"}, []),
        ({"filename": ["*spikes*", "*Camera*"]}, [6, 7, 8, 9]),
        ({"filename": ["_ibl_trials.choice.npy", "*table*"], "collection": "alf"}, [1, 4, 5]),
        ({"collection": ""}, [0]),
        ({"collection": "alf"}, [1, 2, 3, 4, 5]),
        ({"collection": "alf/*"}, [5, 6, 7, 8]),  # as in ONE, the star crosses any folder
        ({"collection": ["alf", "raw*"]}, [1, 2, 3, 4, 5, 9]),
        ({"collection": ["", "raw_video_data"]}, [0, 9]),
        ({"collection": "alf/probe0[01]/*"}, [6, 7, 8]),
        ({"revision": ""}, [0, 1, 2, 3, 4, 6, 8, 9]),
        ({"revision": "2024*"}, [5, 7]),
        ({"filename": {"object": "spikes"}}, [6, 7, 8]),
        ({"filename": {"object": "spikes", "extra": "raw"}}, [8]),
        ({"filename": {"object": "spikes", "extra": ""}}, [6, 7]),
        ({"filename": {"object": "trials", "attribute": ["choice", "tab*"]}}, [0, 1, 4, 5]),
        ({"filename": {"namespace": ""}}, [6, 7, 8]),
        ({"filename": {"namespace": "ibl"}}, [0, 1, 2, 3, 4, 5]),
        ({"filename": {"namespace": "ibl*"}}, [0, 1, 2, 3, 4, 5, 9]),
        ({"filename": {"namespace": "*"}}, list(range(10))),
        ({"filename": {"timescale": "bpod"}}, [3]),
        ({"filename": {"object": "trials", "timescale": "*"}}, [2, 3]),
        ({"filename": {"attribute": "goCue_times"}}, [2, 3]),
        ({"filename": {"attribute": "goCue_times", "timescale": ""}}, [2]),
        ({"filename": {"extension": ["pqt", "mp4"]}}, [4, 5, 9]),
        ({"filename": {"object": None}}, list(range(10))),
        ({"filename": {"object": "trials", "collection": ""}}, [0]),
    ],
)
def test_shell_patterns(args: dict[str, object], wanted: list[int]) -> None:
    assert found(**args) == wanted


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        ({"filename": ".*trials.*"}, [0, 1, 2, 3, 4, 5]),
        ({"filename": "_ibl_trials.choice"}, []),
        ({"filename": ["_ibl_trials.choice.npy", ".*table.*"], "collection": "alf"}, [1, 4, 5]),
        ({"filename": {"object": "trials", "attribute": r"(?!goCue).*"}}, [0, 1, 4, 5]),
        ({"filename": {"object": "trials", "attribute": ["choice", "table"]}}, [0, 1, 4, 5]),
        ({"collection": r"alf/probe\d{2}/.*"}, [6, 7, 8]),
    ],
)
def test_regular_expressions(args: dict[str, object], wanted: list[int]) -> None:
    assert found(wildcards=False, **args) == wanted


def test_bad_questions_say_so() -> None:
    with pytest.raises(ALFInvalid, match="attribut") as caught:
        ask({"attribut": "times"})
    assert "attribute" in caught.value.hint
    with pytest.raises(SearchTermError, match="no regular expression") as problem:
        ask("(", wildcards=False).select(PATHS)
    assert "wildcards = True" in problem.value.hint
    with pytest.raises(SearchTermError, match="int"):
        ask(collection=3)  # type: ignore[arg-type]


word = st.text(string.ascii_letters, min_size=1, max_size=5)


@given(word, word, word, st.sampled_from(["", "alf", "alf/probe00"]), st.sampled_from(["", "2020"]))
def test_a_name_finds_itself_alone(
    obj: str, attribute: str, extension: str, collection: str, revision: str
) -> None:
    name = f"{obj}.{attribute}.{extension}"
    path = "/".join(filter(None, (collection, f"#{revision}#" if revision else "", name)))
    for wildcards in (True, False):
        parts = {"object": obj, "attribute": attribute, "extension": extension}
        for what in (name, parts):
            assert ask(what, collection, revision, wildcards=wildcards).select([path]) == [0]
            assert ask(what, "other", revision, wildcards=wildcards).select([path]) == []
        other = {**parts, "object": obj + "x"}
        assert ask(other, wildcards=wildcards).select([path]) == []
    assert object_of(path) == obj
    assert folders_of(path) == (collection, revision)
