"""The revision rule, on paths alone and against the ONE-api."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fascicle.archives.select import (
    default_revisions,
    guessed,
    mixed_revisions,
    split_path,
)
from fascicle.errors import ALFMultipleRevisionsFound

PATHS = ["alf/a.b.npy", "alf/#2020#/a.b.npy", "alf/#2021#/a.b.npy", "alf/c.d.npy", "#x#/e.f.npy"]


def taken(
    paths: list[str], flags: list[bool] | None = None, before: str | None = None
) -> list[str]:
    return [paths[c.position] for c in default_revisions(paths, flags, before=before)]


def test_split() -> None:
    assert split_path("alf/#r#/n.n.npy") == ("alf", "r", "n.n.npy")
    assert split_path("#r#/n.n.npy") == ("", "r", "n.n.npy")
    assert split_path("n.n.npy") == ("", "", "n.n.npy")
    assert split_path("a/b/##/n.n.npy") == ("a/b/##", "", "n.n.npy")


def test_rule() -> None:
    marks = [False, True, False, False, False]
    assert taken(PATHS, marks) == [PATHS[1], PATHS[3], PATHS[4]]
    assert taken(PATHS) == [PATHS[2], PATHS[3], PATHS[4]]
    assert taken(PATHS, before="2020-05") == [PATHS[1], PATHS[3]]
    assert taken(PATHS, before="") == [PATHS[0], PATHS[3]]
    assert taken([]) == []


def test_reasons() -> None:
    whys = [c.why for c in default_revisions(PATHS, [False, True, False, False, True])]
    assert whys == ["default", "only", "only"]
    choices = default_revisions(PATHS)
    assert [c.why for c in choices] == ["latest", "only", "only"]
    assert guessed(choices) == choices[:1]
    assert choices[0].available == ("", "2020", "2021")
    assert mixed_revisions(choices) == ("", "2021", "x")
    assert mixed_revisions(choices[:1]) == ()
    assert {c.why for c in default_revisions(PATHS, before="z")} == {"before"}


def test_two_marks() -> None:
    marks = [True, True, False, True, True]
    with pytest.raises(ALFMultipleRevisionsFound, match=r'"", "2020" are all marked .* alf/a\.b'):
        default_revisions(PATHS, marks)
    assert default_revisions(PATHS, marks, assert_unique=False)[0].revision == "2020"


@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.text("0123", max_size=3)), unique=True),
    st.text("0123", max_size=3),
    st.booleans(),
)
def test_one_of_each(datasets: list[tuple[str, str]], limit: str, limited: bool) -> None:
    paths = [f"alf/#{r}#/{n}.a.npy" if r else f"alf/{n}.a.npy" for n, r in datasets]
    choices = default_revisions(paths, before=limit if limited else None)
    names = [split_path(paths[c.position]).name for c in choices]
    assert len(set(names)) == len(names)
    for choice in choices:
        name, revision = datasets[choice.position]
        others = {r for n, r in datasets if n == name and (not limited or r <= limit)}
        assert revision == choice.revision == max(others)


ASK = """
import sys, json, warnings
import pandas as pd
from one.util import filter_revision_last_before
from one.alf.exceptions import ALFError
warnings.simplefilter("ignore")
answers = []
for paths, flags, before in json.load(sys.stdin):
    frame = pd.DataFrame({"rel_path": paths})
    if flags is not None:
        frame["default_revision"] = flags
    try:
        answers.append(sorted(filter_revision_last_before(frame, before).rel_path))
    except ALFError as error:
        answers.append(type(error).__name__)
print(json.dumps(answers))
"""


@pytest.mark.peer
def test_as_the_peer(one_python: Path) -> None:
    cases: list[tuple[list[str], list[bool] | None, str | None]] = []
    for n in range(2 ** len(PATHS)):
        flags = [bool(n >> i & 1) for i in range(len(PATHS))]
        cases += [(PATHS, flags, None), (PATHS, flags, "2020-06")]
    cases += [(PATHS, None, b) for b in (None, "", "2019", "2020", "2020-06", "2021", "z")]
    run = subprocess.run(
        [str(one_python), "-c", ASK],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    for (paths, flags, before), theirs in zip(cases, json.loads(run.stdout), strict=True):
        try:
            ours: list[str] | str = sorted(taken(paths, flags, before))
        except ALFMultipleRevisionsFound as error:
            ours = type(error).__name__
        assert ours == theirs, (flags, before)
