"""The microphone's spectrogram."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.nwb.parts.sessions import (
    assert_clean,
    assert_comes_back,
    converted,
    make_session,
    offered,
    places,
    warned,
)

#: pynwb warns of it when it reads one: the session's data do not have the sound itself.
pytestmark = pytest.mark.filterwarnings("ignore:Neither source_timeseries nor source_channels")

AT = "processing/behavior/AudioSpectrogram"
RAW = "raw_behavior_data/_iblmic_audioSpectrogram"
POWER = f"{RAW}.power.npy"
TIMES = f"{RAW}.times_mic.npy"
FREQUENCIES = f"{RAW}.frequencies.npy"


def files(n: int = 300, bands: int = 65, *, row: bool = True) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    frequencies = np.linspace(0, 48000, bands)
    return {
        POWER: rng.normal(-60, 5, (n, bands)).astype("f4"),
        TIMES: np.arange(n) + rng.normal(0, 0.01, n),
        FREQUENCIES: frequencies[None] if row else frequencies,
    }


@pytest.mark.parametrize("row", [True, False])
def test_it_comes_back(tmp_path: Path, row: bool) -> None:
    from pynwb import NWBHDF5IO

    made = files(row=row)
    session = make_session(tmp_path / "lab", made)
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    with NWBHDF5IO(target, "r") as io:
        found = io.read().processing["behavior"]["AudioSpectrogram"]
        assert (type(found).__name__, found.metric, found.unit) == (
            "DecompositionSeries",
            "power",
            "dB",
        )
        np.testing.assert_array_equal(found.data[:, 0], made[POWER])
        np.testing.assert_array_equal(found.timestamps[:], made[TIMES])
        bands = found.bands.to_dataframe()
        limits = np.stack(bands["band_limits"].to_list())
        np.testing.assert_array_equal(bands["frequency"], made[FREQUENCIES].reshape(-1))
        assert (limits[:, 0] <= bands["frequency"]).all()
        assert (limits[:, 1] >= bands["frequency"]).all()
        np.testing.assert_array_equal(limits[1:, 0], limits[:-1, 1])


def test_regular_times_are_a_rate(tmp_path: Path) -> None:
    session = make_session(tmp_path / "lab", files() | {TIMES: np.arange(300.0)})
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)


def test_no_times_no_entry(tmp_path: Path) -> None:
    made = files()
    del made[TIMES]
    session = make_session(tmp_path / "lab", made)
    assert offered(session, ("audio",)) == []
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)


def test_without_frequencies_the_bands_have_numbers(tmp_path: Path) -> None:
    made = files()
    del made[FREQUENCIES]
    session = make_session(tmp_path / "lab", made)
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    assert places(report)[POWER] == AT


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({TIMES: np.arange(299) * 1.01}, "it has 300 spectra, and 299 times"),
        ({TIMES: np.full(300, np.nan)}, "not finite at 300 of 300"),
        ({POWER: np.zeros((10, 65)), TIMES: np.arange(10) ** 2.0}, "longest axis"),
        ({POWER: np.zeros(300)}, "the shape (300,)"),
        ({POWER: np.zeros((300, 65), complex)}, "no numbers"),
    ],
)
def test_what_does_not_fit_is_carried_apart(
    tmp_path: Path, changed: dict[str, Any], said: str
) -> None:
    session = make_session(tmp_path / "lab", files() | changed)
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    assert places(report)[POWER].startswith("scratch/")
    assert any(said in text for text in warned(report)[POWER])


def test_frequencies_of_another_number(tmp_path: Path) -> None:
    session = make_session(tmp_path / "lab", files() | {FREQUENCIES: np.arange(64.0)})
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    assert places(report)[POWER] == AT
    assert places(report)[FREQUENCIES] == "scratch/audioSpectrogram.frequencies"
    assert "65 frequencies" in warned(report)[FREQUENCIES][0]


def test_a_harmed_file_is_left_out(tmp_path: Path) -> None:
    session = make_session(tmp_path / "lab", files())
    place = session.path / POWER
    place.write_bytes(place.read_bytes()[:-5])
    report = converted(session, tmp_path / "a.nwb", check=())
    assert "cannot be read" in report.left_out[POWER]
    assert POWER in warned(report)
