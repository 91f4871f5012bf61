"""Licks: events that have a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from tests.nwb.parts.behaviour import Made, convert_parts, valid, write_session

AT = "events/LickTimes"
LICKS = "alf/licks.times.npy"


def convert(tmp: Path, datasets: dict[str, Any], **how: Any) -> Made:
    lab = write_session(tmp / "lab", datasets)
    return convert_parts(lab, tmp / "out.nwb", **how)


@pytest.mark.parametrize("n", [5, 20_000])
def test_licks_are_a_table_of_events(tmp_path: Path, n: int) -> None:
    times = np.sort(np.random.default_rng(1).uniform(0, 1000, n))
    datasets: dict[str, Any] = {LICKS: times, "alf/licks.amps.npy": np.arange(n, dtype=np.float32)}
    made = convert(tmp_path, datasets)
    assert not made.warnings
    assert np.array_equal(made.array(f"{AT}/timestamp"), times)
    assert np.array_equal(made.array(f"{AT}/amps"), datasets["alf/licks.amps.npy"])
    with h5py.File(made.path) as h5:
        assert h5[AT].attrs["neurodata_type"] == "EventsTable"
        assert h5[f"{AT}/timestamp"].attrs["neurodata_type"] == "TimestampVectorData"
    made.check()
    valid(made.path)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (np.array([1.0, np.nan, 3.0]), "1 events have no time"),
        (np.array([3.0, 1.0]), "not in the order"),
        (np.zeros((3, 2)), "no row of seconds"),
        (np.array(["a", "b"]), "no row of seconds"),
        (np.array([2**60 + 1]), "no row of seconds"),
        (b"", "cannot be read"),
    ],
)
def test_odd_times_are_said_and_come_back(tmp_path: Path, times: Any, said: str) -> None:
    made = convert(tmp_path, {LICKS: times})
    assert any(said in text for text in made.warnings)
    made.check()


@pytest.mark.parametrize("dtype", ["<f4", "<i4", ">f8"])
def test_times_of_any_type(tmp_path: Path, dtype: str) -> None:
    made = convert(tmp_path, {LICKS: np.arange(5).astype(dtype)})
    assert made.array(f"{AT}/timestamp").dtype == np.float64
    made.check()


def test_no_licks(tmp_path: Path) -> None:
    made = convert(tmp_path, {LICKS: np.zeros(0, np.float32)})
    assert not made.has(AT)
    made.check()
    valid(made.path)


def test_an_attribute_of_another_length(tmp_path: Path) -> None:
    made = convert(tmp_path, {LICKS: np.arange(5.0), "alf/licks.amps.npy": np.arange(4.0)})
    assert any("no column of events/LickTimes" in text for text in made.warnings)
    made.check()


def test_licks_of_several_tasks(tmp_path: Path) -> None:
    datasets = {f"alf/task_0{k}/licks.times.npy": np.arange(5.0) + k for k in (0, 1)}
    made = convert(tmp_path, datasets)
    assert np.array_equal(made.array("events/LickTimes_task_01/timestamp"), np.arange(5.0) + 1)
    made.check()
    valid(made.path)
