"""Voltages in seconds of the session's clock."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fascicle
from fascicle.analysis import raw
from fascicle.analysis.snippets import Clock
from fascicle.archives import FolderArchive, OpenSession
from fascicle.demo.raw import SAVED, VOLTS, write_cbin, write_meta
from fascicle.errors import (
    ALFObjectNotFound,
    BadFileError,
    IncompleteWarning,
    NotFoundError,
    SearchTermError,
)

from .conftest import known_probe, write

RATE = 30_000
N = 6_000
STEM = "raw_ephys_data/probe00/_spikeglx_ephysData_g0_t0.imec0"


@pytest.fixture
def recording(tmp_path: Path) -> OpenSession:
    """A fifth of a second in which each sample's first channel counts the samples."""
    place = tmp_path / "data/lab/Subjects/mouse/2020-01-01/001"
    data = np.zeros((N, SAVED), np.int16)
    data[:, 0] = np.arange(N)
    data[:, 5] = -7
    write_cbin(place / f"{STEM}.ap.cbin", data, chunk_seconds=0.05)
    write_meta(place / f"{STEM}.ap.meta", data, serial="1", created="2020-01-01T10:00:00")
    write(place, known_probe("alf/probe00/pykilosort"))
    return opened(place)


def opened(place: Path) -> OpenSession:
    folder = place.parents[4]
    fascicle.index(folder)
    return FolderArchive(folder).open(place)


def test_by_the_sample_rate_alone(recording: OpenSession) -> None:
    got = raw(recording, "probe00", 0.1, 0.11)
    assert got.volts.shape == (300, 384) and got.volts.dtype == np.float32
    assert got.first_sample == 3000 and not got.synchronised
    assert np.allclose(got.volts[:, 0] / VOLTS, np.arange(3000, 3300), rtol=1e-5)
    assert np.allclose(got.volts[:, 5], -7 * VOLTS, rtol=1e-5)
    assert np.allclose(got.times, np.arange(3000, 3300) / RATE)
    assert got.sample_rate == RATE
    assert np.asarray(got).shape == (300, 384) and np.mean(got) == np.mean(got.volts)


def test_by_pid(recording: OpenSession) -> None:
    pid = recording.insertions[0].pid
    got = raw(recording.archive.name, str(pid), 0.0, 0.001)
    assert np.allclose(got.volts[:, 0] / VOLTS, np.arange(30), atol=1e-2)


def test_by_time_stamps(recording: OpenSession) -> None:
    """The session's clock began 100 s earlier, and runs a little faster from the middle on."""
    points = [[0, 100.0], [3000, 100.1], [6000, 100.1 + 0.11]]
    write(recording.path, {f"{STEM}.timestamps.npy": points})
    session = opened(recording.path)
    got = raw(session, "probe00", 100.05, 100.155)
    assert got.synchronised and got.first_sample == 1500
    assert len(got.times) == 3000  # to the middle of the second half
    assert got.times[0] == pytest.approx(100.05) and got.times[-1] < 100.155
    assert np.interp(100.1, got.times, got.volts[:, 0]) / VOLTS == pytest.approx(3000)


def test_by_synchronisation_pulses(recording: OpenSession) -> None:
    """Seconds of the probe, seconds of the session; straight on outside."""
    write(recording.path, {f"{STEM}.sync.npy": [[0.05, 10.0], [0.1, 10.1]]})
    session = opened(recording.path)
    got = raw(session, "probe00", 9.9, 9.95)
    assert got.first_sample == 0 and len(got.times) == 750
    assert got.times[0] == pytest.approx(9.9)
    whole = raw(session, "probe00", 0, 99)
    assert whole.volts.shape[0] == N and whole.times[-1] == pytest.approx(10.3, abs=1e-3)


def test_lfp_is_slower(recording: OpenSession) -> None:
    data = np.zeros((500, SAVED), np.int16)
    data[:, 0] = np.arange(500)
    place = recording.path
    write_cbin(place / f"{STEM}.lf.cbin", data, sample_rate=2500.0)
    write_meta(place / f"{STEM}.lf.meta", data, serial="1", created="2020-01-01T10:00:00")
    meta = place / f"{STEM}.lf.meta"
    text = meta.read_text().replace("imSampRate=30000", "imSampRate=2500")
    meta.write_text(text.replace("snsApLfSy=384,0,1", "snsApLfSy=0,384,1"))
    write(place, {f"{STEM}.timestamps.npy": [[0, 5.0], [30_000, 6.0]]})
    got = raw(opened(place), "probe00", 5.1, 5.12, band="lf")
    assert got.first_sample == 250 and len(got.times) == 50
    assert got.times[0] == pytest.approx(5.1)


def test_says_why_not(recording: OpenSession) -> None:
    with pytest.raises(SearchTermError, match=r"lasts from 0\.000 to 0\.200 s"):
        raw(recording, "probe00", 1.0, 2.0)
    with pytest.raises(SearchTermError, match="is empty"):
        raw(recording, "probe00", 0.1, 0.1)
    with pytest.raises(SearchTermError, match="no band"):
        raw(recording, "probe00", 0, 1, band="hf")  # type: ignore[arg-type]
    with pytest.raises(ALFObjectNotFound, match=r"lf\.cbin"):
        raw(recording, "probe00", 0, 1, band="lf")
    with pytest.raises(NotFoundError, match="is a session and not an insertion"):
        raw(recording.archive, recording.eid, 0, 1)
    write(recording.path, {f"{STEM}.timestamps.npy": [1.0, 2.0]})
    with pytest.raises(BadFileError, match=r"has the shape \(2,\)"):
        raw(opened(recording.path), "probe00", 0, 1)


def test_no_recording(known: OpenSession) -> None:
    with pytest.raises(ALFObjectNotFound, match="no raw recording of 'probe00'"):
        raw(known, "probe00", 0, 1)


def test_clock_goes_both_ways() -> None:
    clock = Clock(np.array([0.0, 10, 30]), np.array([1.0, 2, 3]), synchronised=True)
    for sample in (-5.0, 0.0, 7.0, 10.0, 25.0, 40.0):
        assert clock.samples(float(clock.times(np.array([sample]))[0])) == pytest.approx(sample)


@pytest.mark.filterwarnings("ignore::fascicle.errors.ALFWarning")
def test_spikes_lie_in_troughs(lab: FolderArchive) -> None:
    """Around the spikes of a synthetic recording, by the session's clock, is a waveform."""
    from fascicle.analysis import units

    session = fascicle.find(datasets="*.ap.cbin", archives=lab)[0]
    probe = session.insertions[0].name
    whole = raw(session, probe, -1e3, 1e6)
    assert whole.synchronised
    around = []
    for unit in units(session, probe, spikes=True).itertuples():
        inside = (unit.times > whole.times[30]) & (unit.times < whole.times[-30])
        for time in unit.times[inside]:
            at = int(np.searchsorted(whole.times, time - 0.5 / RATE))
            around.append(whole.volts[at - 30 : at + 30, unit.channel])
    assert len(around) > 5
    mean = np.mean(around, axis=0)
    assert abs(int(mean.argmin()) - 30) <= 2 and mean.min() < -20e-6


def test_a_synchronisation_that_is_not_here(recording: OpenSession) -> None:
    write(recording.path, {f"{STEM}.timestamps.npy": [[0, 100.0], [3000, 100.1]]})
    session = opened(recording.path)
    (recording.path / f"{STEM}.timestamps.npy").unlink()
    with pytest.warns(IncompleteWarning, match=r"timestamps\.npy is in the index") as caught:
        assert not raw(session, "probe00", 0, 0.1).synchronised
    assert caught[0].filename == __file__


def test_to_the_end(recording: OpenSession) -> None:
    whole = raw(recording, "probe00", float("-inf"), float("inf"))
    assert whole.first_sample == 0
    some = raw(recording, "probe00", 0.1, float("inf"))
    assert some.times[-1] == whole.times[-1] and some.times[0] == pytest.approx(0.1)
