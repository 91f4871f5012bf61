"""Times that are given as rows of (sample, time), the short form of ALF."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from tests.nwb.parts.sessions import (
    assert_comes_back,
    converted,
    make_session,
    open_session,
    places,
    warned,
)

AREA = np.arange(41.0)


def test_two_points_are_a_rate(tmp_path: Path) -> None:
    points = np.array([[0.0, 0.5], [40.0, 8.5]])
    session = make_session(
        tmp_path / "lab",
        {"alf/eye.area.npy": AREA, "alf/eye.blink.npy": AREA > 3, "alf/eye.timestamps.npy": points},
    )
    report = converted(session, tmp_path / "a.nwb", check=("readback", "validate"))
    assert not report.warnings
    assert_comes_back(session, report, tmp_path / "a.nwb")
    with h5py.File(tmp_path / "a.nwb") as file:
        start = file[places(report)["alf/eye.area.npy"]]["starting_time"]
        assert (start[()], start.attrs["rate"]) == (0.5, 5.0)


def test_more_points_are_interpolated_between(tmp_path: Path) -> None:
    points = np.array([[0, 1.0], [10, 3.0], [40, 4.0]])
    session = make_session(
        tmp_path / "lab", {"alf/eye.area.npy": AREA, "alf/eye.timestamps.npy": points}
    )
    report = converted(session, tmp_path / "a.nwb", check=("readback", "validate"))
    assert_comes_back(session, report, tmp_path / "a.nwb")
    with h5py.File(tmp_path / "a.nwb") as file:
        times = file[places(report)["alf/eye.area.npy"]]["timestamps"][:]
    np.testing.assert_allclose(times, np.interp(np.arange(41), points[:, 0], points[:, 1]))


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([[0, 1.0], [20, 3.0]], "are of the samples 0 to 20, and there are 41"),
        ([[0, 3.0], [40, 1.0]], "have the shape (2, 2)"),
        ([[0, np.nan], [40, 1.0]], "have the shape (2, 2)"),
    ],
)
def test_points_that_do_not_fit_give_no_times(
    points: list[list[float]], said: str, tmp_path: Path
) -> None:
    make_session(
        tmp_path / "lab", {"alf/eye.area.npy": AREA, "alf/eye.timestamps.npy": np.array(points)}
    )
    session = open_session(tmp_path / "lab")
    report = converted(session, tmp_path / "a.nwb", check=("readback", "validate"))
    assert any(said in text for texts in warned(report).values() for text in texts)
    assert_comes_back(session, report, tmp_path / "a.nwb")
