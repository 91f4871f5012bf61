"""Synthetic files of Visual Behavior Neuropixels: how they are made."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest

from fascicle.demo.vbn import write_session


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_session(tmp_path_factory.mktemp("vbn") / "session.nwb")


def test_the_same_bytes_each_time(session: Path, tmp_path: Path) -> None:
    again = write_session(tmp_path / "again.nwb")
    assert again.read_bytes() == session.read_bytes()
    assert write_session(again, seed=1).read_bytes() != session.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.nwb"]


def test_as_many_as_were_asked_for(tmp_path: Path) -> None:
    path = write_session(tmp_path / "s.nwb", units=7, spikes=501, presentations=120, probes=3)
    with h5py.File(path) as h5:
        assert len(h5["units/id"]) == 7
        assert h5["units/spike_times"].shape == (501,)
        assert h5["units/waveform_mean"].shape == (7 * 384, 82)
        tables = [g for name, g in h5["intervals"].items() if name.endswith("_presentations")]
        assert sum(len(group["id"]) for group in tables) == 120
        assert len(h5["general/extracellular_ephys/electrodes/id"]) == 3 * 384
