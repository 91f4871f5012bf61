"""The wheel as it was recorded, its movements, and the motion that is derived of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfiltfilt
from tests.nwb.parts.behaviour import Made, convert_parts, valid, write_session

from fascicle.errors import ConversionError
from fascicle.nwb.parts.filtering import low_passed, smooth_size
from fascicle.nwb.writing.draft import Options
from fascicle.nwb.writing.entries import Entry

AT = "processing/behavior/WheelPosition"
POSITION, TIMES = "alf/_ibl_wheel.position.npy", "alf/_ibl_wheel.timestamps.npy"


def wheel(n: int = 3000) -> dict[str, Any]:
    """Return a wheel that moves now and then."""
    rng = np.random.default_rng(3)
    times = np.cumsum(rng.uniform(0.002, 0.05, n))
    return {POSITION: np.cumsum(rng.normal(0, 0.02, n)), TIMES: times}


def convert(tmp: Path, datasets: dict[str, Any], **how: Any) -> Made:
    lab = write_session(tmp / "lab", datasets)
    return convert_parts(lab, tmp / "out.nwb", **how)


def kind_of(path: Path, at: str) -> str:
    with h5py.File(path) as h5:
        return str(h5[at].attrs["neurodata_type"])


def test_the_position_is_a_spatial_series(tmp_path: Path) -> None:
    datasets = wheel(20_000)  # so many that they are written later
    made = convert(tmp_path, datasets)
    assert not made.warnings
    assert np.array_equal(made.array(f"{AT}/data"), datasets[POSITION])
    assert np.array_equal(made.array(f"{AT}/timestamps"), datasets[TIMES])
    with h5py.File(made.path) as h5:
        data, frame = h5[f"{AT}/data"], h5[f"{AT}/reference_frame"]
        assert isinstance(frame, h5py.Dataset)
        assert data.attrs["unit"] == "radians"
        assert "counter-clockwise" in frame.asstr()[()]
    assert kind_of(made.path, AT) == "SpatialSeries"
    made.check()
    valid(made.path)


def test_a_wheel_that_turned_at_once_is_valid_too(tmp_path: Path) -> None:
    datasets = wheel()
    datasets[POSITION] += 40
    made = convert(tmp_path, datasets)
    assert kind_of(made.path, AT) == "TimeSeries"
    made.check()
    valid(made.path)


@pytest.mark.parametrize("exactly", [True, False])
def test_even_times_are_a_rate(tmp_path: Path, exactly: bool) -> None:
    datasets = wheel()
    times = 5 + np.arange(3000) / 64
    datasets[TIMES] = times if exactly else times + 1e-11 * np.sin(np.arange(3000))
    made = convert(tmp_path, datasets)
    assert made.has(f"{AT}/starting_time")
    made.check()
    valid(made.path)


def test_old_names(tmp_path: Path) -> None:
    datasets = wheel()
    old = {
        "alf/_ibl_wheel.times.npy": datasets[TIMES],
        POSITION: datasets[POSITION].astype(np.float32),
        "alf/_ibl_wheel.velocity.npy": np.arange(3000.0),
    }
    made = convert(tmp_path, old)
    assert made.place("alf/_ibl_wheel.velocity.npy") == "processing/behavior/WheelVelocity:data:"
    with h5py.File(made.path) as h5:  # the times are there once
        assert h5["processing/behavior/WheelVelocity/timestamps"] == h5[f"{AT}/timestamps"]
    assert made.array(f"{AT}/data").dtype == np.float32
    made.check()
    valid(made.path)


def test_times_that_are_no_times(tmp_path: Path) -> None:
    datasets = wheel(500)
    times = datasets[TIMES]
    times[10], times[[20, 30]] = np.nan, times[[30, 20]]
    made = convert(tmp_path, datasets)
    written = made.array(f"{AT}/timestamps")
    assert len(written) == 499
    assert (np.diff(written) >= 0).all()
    where = dict(zip(times.tolist(), datasets[POSITION].tolist(), strict=True))
    expected = [where[t] for t in written.tolist()]
    assert made.array(f"{AT}/data").tolist() == expected
    assert any("1 of 500 samples have no time" in text for text in made.warnings)
    assert made.place(POSITION).split("/")[0] in ("scratch", "processing")
    assert AT not in made.place(POSITION)
    made.check()
    valid(made.path)


@pytest.mark.parametrize(
    "change",
    [
        {TIMES: np.arange(7.0)},
        {TIMES: np.full(3000, np.nan)},
        {TIMES: np.zeros((3000, 3))},
        {POSITION: np.zeros((3000, 2))},
        {POSITION: np.array(["a"] * 3000)},
        {TIMES: b"nothing"},
        {POSITION: np.zeros(0), TIMES: np.zeros(0)},
        {TIMES: np.array([[0, 1.0], [10, 2.0]])},
    ],
)
def test_what_is_no_wheel_is_carried_by_itself(tmp_path: Path, change: dict[str, Any]) -> None:
    made = convert(tmp_path, wheel() | change, options=Options(kinematics=True))
    assert not made.has(AT)
    assert made.warnings or not len(change.get(POSITION, [0]))
    made.check()


def test_times_of_a_few_samples(tmp_path: Path) -> None:
    points = np.array([[0, 10.0], [1000, 12.0], [2999, 17.0]])
    made = convert(tmp_path, wheel() | {TIMES: points})
    times = made.array(f"{AT}/timestamps")
    assert (times[0], times[500], times[1000], times[2999]) == (10, 11, 12, 17)
    made.check()
    two = np.array([[0, 10.0], [2999, 15.998]])
    regular = convert(tmp_path / "two", wheel() | {TIMES: two})
    with h5py.File(regular.path) as file:
        assert file[f"{AT}/starting_time"][()] == 10
        assert file[f"{AT}/starting_time"].attrs["rate"] == pytest.approx(500, abs=1e-9)
    regular.check()
    valid(regular.path)


def test_several_wheels(tmp_path: Path) -> None:
    second = {k.replace("alf/", "alf/task_01/"): v[:50] for k, v in wheel().items()}
    first = {k.replace("alf/", "alf/task_00/"): v for k, v in wheel().items()}
    made = convert(tmp_path, first | second)
    assert len(made.array(f"{AT}_task_01/data")) == 50
    made.check()
    valid(made.path)


# -- movements -------------------------------------------------------------------------------------


def test_movements_are_intervals(tmp_path: Path) -> None:
    start = np.arange(20.0)
    datasets = {
        "alf/_ibl_wheelMoves.intervals.npy": np.stack([start, start + 0.5], axis=1),
        "alf/_ibl_wheelMoves.peakAmplitude.npy": np.linspace(0, 1, 20, dtype=np.float32),
        "alf/_ibl_wheelMoves.peakVelocity_times.npy": start + 0.25,
        "alf/_ibl_wheelMoves.type.npy": np.array(["CW", "CCW"] * 10),
    }
    made = convert(tmp_path, datasets)
    at = "processing/behavior/WheelMovement"
    assert np.array_equal(made.array(f"{at}/start_time"), start)
    assert np.array_equal(made.array(f"{at}/peak_velocity_time"), start + 0.25)
    assert made.array(f"{at}/type").tolist()[:2] == ["CW", "CCW"]
    assert kind_of(made.path, at) == "TimeIntervals"
    made.check()
    valid(made.path)


# -- motion ----------------------------------------------------------------------------------------


def filtered(values: np.ndarray[Any, Any], rate: float = 1000.0) -> np.ndarray[Any, Any]:
    """Return what scipy makes of a trace, away from whose ends the two must agree."""
    return np.asarray(sosfiltfilt(butter(8, 20, fs=rate, output="sos"), values))


def test_the_filter_is_that_of_scipy() -> None:
    rng = np.random.default_rng(5)
    for n in (6001, 10_000, 12_345):
        trace = 50 + np.cumsum(rng.normal(0, 0.1, n))
        found = low_passed(trace, 1000, cutoff=20, order=8)
        assert np.abs(found - filtered(trace))[2000:-2000].max() < 1e-8
        assert np.abs(found - trace).max() < 3  # and nothing runs away at the ends


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 500), st.floats(-1e3, 1e3), st.floats(-10, 10))
def test_straight_lines_stay_as_they_are(n: int, start: float, slope: float) -> None:
    line = start + slope * np.arange(n) / 1000
    found = low_passed(line, 1000, cutoff=20, order=8)
    assert found.shape == line.shape
    assert np.allclose(found, line, atol=1e-9 * (1 + abs(start)))


@given(st.integers(1, 100_000))
def test_sizes_have_small_factors(n: int) -> None:
    size = smooth_size(n)
    assert n <= size < 2 * n or n == 1
    for factor in (2, 3, 5):
        while size % factor == 0:
            size //= factor
    assert size == 1


def test_a_filter_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="cutoff of 600 Hz"):
        low_passed(np.zeros(9), 1000, cutoff=600, order=8)


def test_motion_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    datasets = wheel()
    lab = write_session(tmp_path / "lab", datasets)
    plain = convert_parts(lab, tmp_path / "plain.nwb")
    assert not plain.has("processing/behavior/WheelVelocitySmoothed")
    made = convert_parts(lab, tmp_path / "out.nwb", options=Options(kinematics=True))

    def on(entries: list[Entry]) -> None:
        for entry in entries:
            entry.on = True
            for item in entry.items:
                item.dtype = "float64" if item.dtype else ""

    exact = convert_parts(lab, tmp_path / "exact.nwb", edit=on)
    start = datasets[TIMES][0]
    n = int((datasets[TIMES][-1] - start) * 1000) + 1
    even = np.interp(start + np.arange(n) / 1000, datasets[TIMES], datasets[POSITION])
    smooth = filtered(even)
    velocity = np.diff(smooth, prepend=smooth[0]) * 1000
    wanted = {
        "Position": smooth,
        "Velocity": velocity,
        "Acceleration": np.diff(velocity, prepend=velocity[0]) * 1000,
    }
    for name, values in wanted.items():
        at = f"processing/behavior/Wheel{name}Smoothed"
        found = exact.array(f"{at}/data")
        assert found.dtype == np.float64
        assert np.allclose(found[2000:-2000], values[2000:-2000], atol=1e-5 * np.abs(values).max())
        assert np.array_equal(made.array(f"{at}/data"), found.astype(np.float32))
        assert np.isfinite(found).all()
        with h5py.File(made.path) as h5:
            time = h5[f"{at}/starting_time"]
            assert isinstance(time, h5py.Dataset)
            assert (time[()], time.attrs["rate"]) == (start, 1000)
            assert "moothed" in str(h5[at].attrs["description"])
    made.check()
    exact.check()
    valid(made.path)


def test_motion_of_times_that_cannot_be(tmp_path: Path) -> None:
    datasets = wheel(50)
    datasets[TIMES][-1] = 1e9
    made = convert(tmp_path, datasets, options=Options(kinematics=True))
    assert any("its times would make 9" in text for text in made.warnings)
    made.check()


def test_a_filter_that_nobody_can_make(tmp_path: Path) -> None:
    def edit(entries: list[Entry]) -> None:
        for entry in entries:
            if "derived" in entry.settings:
                entry.on, entry.settings["cutoff"] = True, 2000

    with pytest.raises(ConversionError, match="no filter has a cutoff of 2000"):
        convert(tmp_path, wheel(50), edit=edit)
