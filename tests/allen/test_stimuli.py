"""What was shown, and what it meant: presentations, their columns, and images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from fascicle.allen import BehaviorEcephysSession, BehaviorSession
from fascicle.allen.changes import add_from_trials, flashes_since_change, is_change
from fascicle.errors import BadFileError

from .conftest import FROM_TRIALS, without_trials_columns

COLUMNS = [
    *("stimulus_block", "image_name", "duration", "start_time", "end_time", "start_frame"),
    *("end_frame", "is_change", "is_image_novel", "omitted", "flashes_since_change", "trials_id"),
    *("active", "color", "contrast", "is_sham_change", "orientation", "position_x", "position_y"),
    *("rewarded", "spatial_frequency", "stimulus_index", "stimulus_name", "temporal_frequency"),
]


def test_columns_have_one_order(session: BehaviorEcephysSession, path: Path) -> None:
    assert list(session.stimulus_presentations.columns) == COLUMNS
    code = (
        "import sys; from fascicle.allen import BehaviorEcephysSession as S; "
        "print(*S.from_nwb_path(sys.argv[1]).stimulus_presentations.columns)"
    )
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            capture_output=True,
            text=True,
            env={"PYTHONHASHSEED": seed},
        )
        assert run.stdout.split() == COLUMNS, run.stderr


def test_they_are_in_the_order_of_time(session: BehaviorEcephysSession) -> None:
    shown = session.stimulus_presentations
    assert shown["start_time"].is_monotonic_increasing
    assert (shown["end_time"] >= shown["start_time"]).all()
    assert (shown["stimulus_index"] >= -99).all() and (shown["stimulus_index"] == -99).any()


def test_quantities_stay_quantities(changed: Any) -> None:
    def flatten(h5: h5py.File) -> None:
        for name in h5["intervals"]:
            table = h5["intervals"][name]
            for column in ("contrast", "orientation", "color"):
                if column in table:
                    table[column][...] = 1.0

    with BehaviorEcephysSession.from_nwb_path(changed(flatten)) as session:
        shown = session.stimulus_presentations
        for name in ("contrast", "orientation", "color", "position_x"):
            assert shown[name].dtype == np.float64
        for name in ("is_change", "omitted", "rewarded", "is_image_novel"):
            assert shown[name].dtype == "boolean"


def test_what_trials_say_is_found_again(session: BehaviorEcephysSession, changed: Any) -> None:
    """What a file has of trials is what the rules give."""
    with BehaviorEcephysSession.from_nwb_path(changed(without_trials_columns)) as less:
        found = less.stimulus_presentations
    for name in FROM_TRIALS:
        assert found[name].dtype == session.stimulus_presentations[name].dtype


def table(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(values) for name, values in columns.items()})


def test_trials_of_images() -> None:
    trials = pd.DataFrame(
        {
            "start_time": [1.0, 3.0, 5.0],
            "stop_time": [3.0, 4.5, 7.0],
            "catch": [False, True, False],
            "change_frame": [110, 320, -99],
        },
        index=pd.Index([0, 1, 2], name="trials_id"),
    )
    names = ["a", "a", "b", "b", None, "a", "a", "b", "b"]
    shown = table(
        start_time=[0.5, 1.5, 3.2, 4.7, 6.0, 8.0, 9.0, 10.0, 11.0],
        start_frame=[50, 110, 320, 470, 600, 800, 900, 1000, 1100],
        stimulus_block=[0, 0, 0, 0, 1, 2, 2, 2, 2],
    )
    shown["image_name"] = pd.Series(names, dtype=object)
    add_from_trials(shown, trials)
    # The first began before the trials, and is part of their block.
    assert list(shown["active"]) == [True] * 4 + [False] * 5
    # A gap between trials belongs to the one before; what is no image to none; the last block
    # replays the first.
    assert list(shown["trials_id"]) == [-99, 0, 1, 1, -99, -99, 0, 1, 1]
    assert list(np.flatnonzero(shown["is_sham_change"])) == [2, 7]


def test_a_table_without_blocks_or_images() -> None:
    trials = pd.DataFrame(
        {"start_time": [1.0], "stop_time": [3.0], "catch": [True], "change_frame": [1]}
    )
    shown = table(start_time=[0.5, 2.0], start_frame=[1, 2])
    add_from_trials(shown, trials)
    assert list(shown["trials_id"]) == [-99, -99] and "is_sham_change" not in shown


def test_changes_of_images() -> None:
    shown = table(omitted=pd.array([False, False, True, False, False, None, False], "boolean"))
    shown["image_name"] = pd.Series(["a", "a", "omitted", "a", "b", None, "b"], dtype=object)
    assert list(is_change(shown)) == [False, False, False, False, True, False, False]
    shown["is_change"] = is_change(shown)
    assert list(flashes_since_change(shown)) == [0, 1, 1, 2, 0, 1, 2]
    none = shown.iloc[:0]
    assert list(is_change(none)) == list(flashes_since_change(none)) == []


def test_a_training_tells_changes_from_images(training: BehaviorSession) -> None:
    shown = training.stimulus_presentations
    assert shown["is_change"].dtype == bool and shown["is_change"].any()
    assert shown.loc[shown["is_change"], "flashes_since_change"].eq(0).all()


def test_images(session: BehaviorEcephysSession, path: Path) -> None:
    images = session.stimulus_templates
    assert images is not None and list(images.columns) == ["unwarped", "warped"]
    with h5py.File(path) as h5:
        stored = next(iter(h5["stimulus/templates"].values()))
        for n, name in enumerate(images.index):
            np.testing.assert_array_equal(images["warped"][name], stored["data"][n])
            np.testing.assert_array_equal(images["unwarped"][name], stored["unwarped"][n])
    assert images["warped"].iloc[0].dtype == np.uint8
    assert np.isnan(images["unwarped"].iloc[0]).any()


def test_sets_of_images(changed: Any) -> None:
    def copy_to(name: str) -> Any:
        def change(h5: h5py.File) -> None:
            sets = h5["stimulus/templates"]
            sets.copy(next(iter(sets)), name)

        return change

    with BehaviorEcephysSession.from_nwb_path(changed(copy_to("natural_movie_one"))) as session:
        assert session.stimulus_templates is not None
    with (
        BehaviorEcephysSession.from_nwb_path(changed(copy_to("another"))) as session,
        pytest.raises(BadFileError, match="2 sets of images"),
    ):
        session.stimulus_templates

    def clear(h5: h5py.File) -> None:
        for name in list(h5["stimulus/templates"]):
            del h5["stimulus/templates"][name]

    with BehaviorEcephysSession.from_nwb_path(changed(clear)) as session:
        assert session.stimulus_templates is None


def test_images_without_names(changed: Any) -> None:
    def cut(h5: h5py.File) -> None:
        one = next(iter(h5["stimulus/templates"].values()))
        names = one["control_description"][()][:3]
        del one["control_description"]
        one["control_description"] = names

    with (
        BehaviorEcephysSession.from_nwb_path(changed(cut)) as session,
        pytest.raises(BadFileError, match="8 images, and 3 names"),
    ):
        session.stimulus_templates
