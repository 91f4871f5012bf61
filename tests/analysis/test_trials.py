"""Trials as one table, and the columns derived from it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import fascicle
from fascicle.analysis import trials
from fascicle.archives import FolderArchive
from fascicle.errors import ALFMultipleCollectionsFound, ALFObjectNotFound, SessionNotFound

from .conftest import write

nan = np.nan
KNOWN = {
    "_ibl_trials.contrastLeft.npy": [1.0, nan, 0.0, nan, 0.0, nan, 0.5],
    "_ibl_trials.contrastRight.npy": [nan, 0.0625, nan, 0.0, 0.25, nan, 0.0],
    "_ibl_trials.feedbackType.npy": [1, -1, 1, -1, 1, 0, 1],
    "_ibl_trials.choice.npy": [1, -1, 1, -1, 1, 0, 1],
    "_ibl_trials.stimOn_times.npy": [1.0, 2.0, 3.0, nan, 5.0, 6.0, 7.0],
    "_ibl_trials.goCue_times.npy": [1.1, 2.1, 3.1, 4.1, 5.1, 6.1, 7.1],
    "_ibl_trials.response_times.npy": [1.5, 2.25, 3.5, 4.5, 5.5, 66.0, 7.5],
    "_ibl_trials.intervals.npy": [[i, i + 1.0] for i in range(7)],
    "_ibl_trials.included.npy": [True] * 7,
}


def session(folder: Path, files: dict[str, object], collection: str = "alf") -> Path:
    place = folder / "lab/Subjects/mouse/2020-01-01/001"
    write(place / collection, files)
    fascicle.index(folder)
    return folder


def test_known_values(tmp_path: Path) -> None:
    table = trials(session(tmp_path, KNOWN), "2020-01-01_1_mouse")
    assert table.index.name == "trial" and table.index.tolist() == list(range(7))
    side = ["left", "right", "left", "right", "right", None, "left"]
    assert [None if pd.isna(s) else s for s in table.side] == side
    signed = [-100, 6.25, 0, 0, 25, nan, -50]
    assert np.array_equal(table.signed_contrast, signed, equal_nan=True)
    assert not np.signbit(table.signed_contrast[2])
    correct = [True, False, True, False, True, pd.NA, True]
    assert table.correct.tolist() == correct and str(table.correct.dtype) == "boolean"
    assert np.allclose(table.response_time[:3], [0.5, 0.25, 0.5])
    assert np.isnan(table.response_time[3])
    assert table.reaction_time.equals(table.response_time)
    assert table.attrs["reaction_time"] == "response_times - stimOn_times"
    assert table.included.dtype == bool and table.intervals_1[0] == 1.0
    assert np.issubdtype(table.choice.dtype, np.integer)


def test_movement_makes_the_reaction_time(tmp_path: Path) -> None:
    files = {**KNOWN, "_ibl_trials.firstMovement_times.npy": np.arange(1.2, 8)}
    table = trials(session(tmp_path, files), "2020-01-01_1_mouse")
    assert np.allclose(table.reaction_time.drop(3), 0.2)
    assert table.attrs["reaction_time"] == "firstMovement_times - stimOn_times"


def test_go_cue_stands_in_for_the_stimulus(tmp_path: Path) -> None:
    files = {k: v for k, v in KNOWN.items() if "stimOn" not in k}
    table = trials(session(tmp_path, files), "2020-01-01_1_mouse")
    assert table.attrs["reaction_time"] == "response_times - goCue_times"


def test_bare_trials_have_no_derived_columns(tmp_path: Path) -> None:
    table = trials(session(tmp_path, {"trials.reward.npy": [1, 2]}), "2020-01-01_1_mouse")
    assert list(table) == ["reward"]


def test_collections(tmp_path: Path) -> None:
    folder = session(tmp_path, KNOWN, "alf/task_00")
    session(folder, KNOWN, "alf/task_01")
    eid = "2020-01-01_1_mouse"
    table = trials(folder, eid)
    assert len(table) == 14
    assert table.collection.tolist() == ["alf/task_00"] * 7 + ["alf/task_01"] * 7
    assert len(trials(folder, eid, collection="alf/task_01")) == 7
    session(folder, {k: v[:3] for k, v in KNOWN.items()}, "alf")
    assert len(trials(folder, eid)) == 3


def test_collections_without_a_rule(tmp_path: Path) -> None:
    folder = session(tmp_path, KNOWN, "x")
    session(folder, KNOWN, "y")
    with pytest.raises(ALFMultipleCollectionsFound, match='"x", "y"'):
        trials(folder, "2020-01-01_1_mouse")


def test_says_what_is_missing(tmp_path: Path) -> None:
    folder = session(tmp_path, {"wheel.position.npy": [1]})
    with pytest.raises(ALFObjectNotFound, match="has no trials"):
        trials(folder, "2020-01-01_1_mouse")
    with pytest.raises(SessionNotFound, match="no session was named"):
        trials(folder)
    with pytest.raises(SessionNotFound):
        trials(folder, "2020-01-02_1_mouse")


@pytest.mark.filterwarnings("ignore::fascicle.errors.ALFWarning")
def test_every_session_of_the_lab(lab: FolderArchive) -> None:
    n = 0
    for one in fascicle.find(datasets="trials", archives=lab):
        table = trials(one)
        side_left = table["contrastLeft"].notna()
        assert (table.side == np.where(side_left, "left", "right")).all()
        assert set(np.abs(table.signed_contrast)) <= {0, 6.25, 12.5, 25, 50, 100}
        assert table.correct.eq(table.feedbackType > 0).all()
        assert table.reaction_time.median() > 0
        n += 1
    assert n


def test_real_sessions(shared: Path, tmp_path: Path) -> None:
    """A mouse in training and a table of a photometry session, as they were published."""
    import shutil

    for part in ("alf_derived/ibllib_training_subject", "alf_original/ibl_photometry"):
        for file in (shared / "data" / part).rglob("*_ibl_trials*"):
            copy = tmp_path / file.relative_to(shared / "data" / part)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)
    fascicle.index(tmp_path)
    found = fascicle.find(datasets="trials", archives=tmp_path)
    assert len(found) >= 12
    for one in found:
        table = trials(one)
        assert len(table) and table.correct.notna().any()
        assert table.signed_contrast.abs().max() == 100
