"""What others make of the synthetic files: pynwb reads and validates them, AllenSDK opens them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fascicle.demo.vbn import plan_recording, write_behavior, write_lfp, write_session

from . import ask_allen_session

PLAN = plan_recording(units=40, probes=2, image_set="H", session_type="EPHYS_1_images_H_3uL_reward")
FILES = {
    "session": lambda path: write_session(path, PLAN, waveform_rows=8),
    "blind": lambda path: write_session(
        path, PLAN, waveform_rows=8, eye_tracking=False, backwards=True
    ),
    "imageless": lambda path: write_session(path, image_set="", waveform_rows=8),
    "lfp": lambda path: write_lfp(path, PLAN, probe="probeA"),
    "behavior": write_behavior,
    "gratings": lambda path: write_behavior(path, image_set=""),
}
# Newer releases call some parts of the schema that real files have by other names.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:hdmf")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vbn")
    for name, write in FILES.items():
        write(folder / f"{name}.nwb")
    return folder


@pytest.mark.parametrize("name", FILES)
def test_pynwb_finds_no_fault(name: str, folder: Path) -> None:
    import pynwb

    assert pynwb.validate(path=str(folder / f"{name}.nwb")) == []


def test_pynwb_reads_a_session(folder: Path) -> None:
    import pynwb

    with pynwb.NWBHDF5IO(str(folder / "session.nwb"), "r", load_namespaces=True) as io:
        nwb = io.read()
        units = nwb.units.to_dataframe()
        assert units.shape == (40, 28)
        assert units["waveform_mean"].iloc[0].shape == (8, 82)
        assert sum(map(len, units["spike_times"])) == 16_000
        eye = nwb.acquisition["EyeTracking"]
        assert type(eye).__name__ == "EllipseEyeTracking"
        assert eye.pupil_tracking.timestamps is eye.eye_tracking.timestamps
        assert nwb.lab_meta_data["metadata"].behavior_session_id == PLAN.behavior_session_id
        assert nwb.subject.driver_line[0] == "Vip-IRES-Cre"
        electrodes = nwb.electrodes.to_dataframe()
        assert {group.probe_id for group in electrodes["group"]} == {p.id for p in PLAN.probes}
        assert electrodes["group"].iloc[0].device.sampling_rate == 30_000
        trials = nwb.trials.to_dataframe()
        licks = nwb.processing["licking"]["licks"].timestamps[:]
        assert (np.concatenate(list(trials["lick_times"])) == licks).all()
        flashes = nwb.intervals["flash_250ms_presentations"].to_dataframe()
        part = flashes["timeseries"].iloc[0][0]
        assert (part.idx_start, part.count) == (flashes["start_frame"].iloc[0], 15)
        assert part.timeseries.name == "timestamps"


def test_pynwb_reads_lfp_and_behavior(folder: Path) -> None:
    import pynwb

    with pynwb.NWBHDF5IO(str(folder / "lfp.nwb"), "r", load_namespaces=True) as io:
        nwb = io.read()
        name = f"probe_{PLAN.probes[0].id}_lfp"
        series = nwb.acquisition[name].electrical_series[f"{name}_data"]
        assert series.data.shape == (5_000, 24)
        assert len(series.electrodes.to_dataframe()) == 24
        density = nwb.processing["current_source_density"]["ecephys_csd"]
        assert density.current_source_density.data.shape == (400, 24)
    with pynwb.NWBHDF5IO(str(folder / "behavior.nwb"), "r", load_namespaces=True) as io:
        nwb = io.read()
        assert len(nwb.stimulus) == 1 and nwb.lab_meta_data["task_parameters"].task


def ask_peer(python: Path, *arguments: str) -> dict[str, Any]:
    command = [str(python), ask_allen_session.__file__, *arguments]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    answers: dict[str, Any] = json.loads(run.stdout.rpartition("ANSWERS")[2])
    failed = {k: v for k, v in answers.items() if isinstance(v, str) and v.startswith("failed")}
    assert not failed, failed
    return answers


@pytest.mark.peer
@pytest.mark.heavy
@pytest.mark.parametrize("name", ["session", "blind"])
def test_allensdk_opens_sessions(name: str, folder: Path, allen_python: Path, shared: Path) -> None:
    answers = ask_peer(
        allen_python, "ecephys", str(folder / f"{name}.nwb"), str(folder / "lfp.nwb")
    )
    layout = shared / "contracts" / "allen-layouts" / "attributes.json"
    for attribute, real in json.loads(layout.read_text()).items():
        ours, value = attribute.removeprefix("session.").removesuffix("(probe)"), real["value"]
        if ours == attribute or not isinstance(value, dict) or "type" not in value:
            continue
        attribute = ours
        if attribute == "eye_tracking" and name == "blind":
            assert answers[attribute]["shape"] == [0, 23]
            continue
        for part in ("index", "columns", "dims", "dtype"):
            assert answers[attribute].get(part) == value.get(part), (attribute, part)
    assert set(answers["list_data_attributes_and_methods"]) <= set(answers)
    assert answers["get_units"]["shape"][0] == 38, "units without a metric are lost"
    assert answers["running_speed"]["mean"]["speed"] > 0, "turned round if it was backwards"
    assert answers["stimulus_templates"]["index values"][0] == "im104_r"


@pytest.mark.peer
@pytest.mark.heavy
def test_allensdk_opens_a_session_without_images(folder: Path, allen_python: Path) -> None:
    path = str(folder / "imageless.nwb")
    answers = ask_peer(allen_python, "ecephys", path, str(folder / "lfp.nwb"))
    assert answers["stimulus_templates"] is None
    assert answers["stimulus_presentations"]["shape"][0] == 333


@pytest.mark.peer
@pytest.mark.heavy
@pytest.mark.parametrize("name", ["behavior", "gratings"])
def test_allensdk_opens_behavior(name: str, folder: Path, allen_python: Path) -> None:
    answers = ask_peer(allen_python, "behavior", str(folder / f"{name}.nwb"))
    assert answers["stimulus_presentations"]["shape"][0] == 120
    assert answers["trials"]["shape"] == [10, 21]
    assert (answers["stimulus_templates"] is None) == (name == "gratings")
