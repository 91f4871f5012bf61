"""What tests judge files by is as strict as what fascicle calls."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.nwb.judging import judge
from tests.nwb.parts.behaviour import convert_parts, write_session

from fascicle.nwb.checking.inspecting import inspect
from fascicle.nwb.checking.validating import validate


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("judged")
    spans = np.array([[0.5, 1.5], [2.5, 3.5]])
    lab = write_session(folder / "lab", {"alf/_ibl_trials.intervals.npy": spans})
    return convert_parts(lab, folder / "good.nwb", parts=["trials"]).path


def _no_text(h5: Any) -> None:
    del h5["intervals/trials"].attrs["description"]


def _no_column(h5: Any) -> None:
    trials = h5["intervals/trials"]
    trials.attrs["colnames"] = trials.attrs["colnames"][1:]


def _no_sex(h5: Any) -> None:
    del h5["general/subject/sex"]


def _no_experimenter(h5: Any) -> None:
    h5["general/experimenter"][0] = "Somebody"


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda h5: None, (0, 0)),
        (_no_text, (1, 0)),
        (_no_column, (1, 1)),  # and pynwb does not read it
        (_no_sex, (0, 1)),
        (_no_experimenter, (0, 0)),
    ],
)
def test_it_finds_what_the_checks_find(
    good: Path, tmp_path: Path, change: Callable[[Any], None], found: tuple[int, int]
) -> None:
    path = Path(shutil.copy(good, tmp_path / "a.nwb"))
    with h5py.File(path, "r+") as h5:
        change(h5)
    checks = judge(path)
    assert tuple(len([f for f in c.findings if f.level != "suggestion"]) for c in checks) == found
    for one, other in zip(checks, (validate(path), inspect(path)), strict=True):
        assert [f.level for f in one.findings] == [f.level for f in other.findings]
