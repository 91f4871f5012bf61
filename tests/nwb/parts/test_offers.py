"""Sessions whose datasets bear names that others have: each is converted, and told apart."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from tests.nwb.parts.ephys import channels, clusters, spikes
from tests.nwb.parts.sessions import document, make_session

from fascicle.errors import ConversionWarning
from fascicle.nwb.converting import convert
from fascicle.nwb.parts import offer_all
from fascicle.nwb.report import Report
from fascicle.nwb.writing.entries import Entry, Item
from fascicle.nwb.writing.source import Source


def made(
    folder: Path, files: dict[str, Any], edit: Callable[[list[Entry]], None] | None = None
) -> tuple[Report, h5py.File]:
    """Convert a session by the document that it gets by itself; its checks see that all is back."""
    session = make_session(folder / "lab", files)
    entries = offer_all(Source(session), {"probes": []})
    if edit is not None:
        edit(entries)
    target = folder / "x.nwb"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)
        report = convert(
            session,
            target,
            metadata=document(session, entries),
            progress=False,
            check=("readback", "validate", "inspect"),
        )
    assert {one.dataset for one in report.took} | set(report.left_out) == set(session.list())
    return report, h5py.File(target)


def test_columns_that_are_called_like_nwbs_own(tmp_path: Path) -> None:
    starts = np.arange(6.0)
    trials = pd.DataFrame({"intervals_0": starts, "intervals_1": starts + 0.5})
    for name in ("start_time", "id", "name", "tags", "timeseries", "colnames"):
        trials[name] = np.arange(6) * 2
    metrics = pd.DataFrame({"cluster_id": np.arange(4), "label": np.ones(4)})
    for name in ("spike_times", "electrodes", "id", "obs_intervals", "probe_name"):
        metrics[name] = np.arange(4) * 3
    files = spikes() | clusters() | channels()
    files["alf/probe00/pykilosort/clusters.metrics.pqt"] = metrics
    files["alf/_ibl_trials.table.pqt"] = trials
    report, file = made(tmp_path, files)
    with file:
        assert file["intervals/trials/start_time"][:].tolist() == starts.tolist()
        assert file["intervals/trials/start_time_of_table"][:].tolist() == [0, 2, 4, 6, 8, 10]
        assert file["units/spike_times_of_metrics"][:].tolist() == [0, 3, 6, 9]
    assert not report.warnings


def test_folders_of_spikes_are_probes_whatever_they_are_called(tmp_path: Path) -> None:
    files: dict[str, Any] = {}
    for folder in ("alf/imec0/ks4", "alf/ProbeB", "alf/probe00"):
        files |= spikes(folder=folder) | clusters(folder=folder) | channels(folder=folder)
    report, file = made(tmp_path, files)
    with file:
        assert set(file["units/probe_name"].asstr()[:]) == {"imec0", "ProbeB", "probe00"}
        assert file["general/extracellular_ephys/electrodes/id"].shape == (24,)
    assert not report.left_out


def test_a_folder_of_a_sorter_is_no_probe(tmp_path: Path) -> None:
    report, file = made(tmp_path, spikes(folder="alf") | spikes(folder="alf/kilosort2"))
    with file:
        assert set(file["units/probe_name"].asstr()[:]) == {"probe00"}
    assert all("another sorting" in why for why in report.left_out.values())


def test_sites_are_traced_for_one_probe_alone(tmp_path: Path) -> None:
    files = channels() | channels(folder="alf/probe01/ks") | spikes() | clusters()
    files |= channels(folder="alf/probe01", name="electrodeSites")
    report, file = made(tmp_path, files)
    file.close()
    assert not report.left_out


def test_values_of_units_that_are_texts_and_spikes_in_tables(tmp_path: Path) -> None:
    files = spikes(40) | clusters() | channels()
    files["alf/probe00/pykilosort/clusters.amps.npy"] = np.array(list("abcd"))
    numbers = files.pop("alf/probe00/pykilosort/spikes.clusters.npy")
    files["alf/probe00/pykilosort/spikes.clusters.csv"] = pd.DataFrame({"clusters": numbers})
    _, file = made(tmp_path, files)
    with file:
        assert file["units/clusters_amps"].asstr()[:].tolist() == list("abcd")
        assert file["units/spike_times"].shape == (40,)


@pytest.mark.parametrize("which", [-1, -2])
def test_columns_of_tables_that_are_switched_off(tmp_path: Path, which: int) -> None:
    """The file is the right one, though it does not give the whole tables back."""
    n = 30
    starts = np.arange(n) * 1.0
    keypoints = ("nose_tip", "paw_l", "paw_r")
    pose = {f"{part}_{what}": starts for part in keypoints for what in ("x", "y", "likelihood")}
    tables = {
        "alf/_ibl_trials.table.pqt": {
            "intervals_0": starts,
            "intervals_1": starts + 0.5,
            "stimOn_times": starts + 0.1,
            "feedback_times": starts + 0.2,
        },
        "alf/_ibl_leftCamera.lightningPose.pqt": pose,
        "alf/_ibl_leftCamera.features.pqt": {
            "pupilDiameter_raw": starts,
            "pupilDiameter_smooth": starts,
        },
        "alf/_ibl_passiveGabor.table.csv": {
            "start": starts,
            "stop": starts + 0.3,
            "position": starts,
            "contrast": starts,
            "phase": starts,
        },
        "alf/mine.table.pqt": {"one": starts, "two": starts, "three": starts},
    }
    files: dict[str, Any] = {path: pd.DataFrame(table) for path, table in tables.items()}
    files["alf/_ibl_leftCamera.times.npy"] = starts + 0.01 * np.sin(starts)
    off: list[str] = []

    def edit(entries: list[Entry]) -> None:
        for entry in entries:
            needed = ("start_time", "stop_time")
            columns = [i for i in entry.items if ":" in i.source and i.name not in needed]
            if len(columns) > 1:
                columns[which].on = False
                off.append(columns[which].source)

    report, file = made(tmp_path, files, edit)
    file.close()
    assert len(off) == 5
    assert not report.left_out
    said = [note.text for note in report.notes if "switched off" in note.text]
    assert len(said) == 5


def test_what_a_document_names_and_the_session_has_not(tmp_path: Path) -> None:
    def edit(entries: list[Entry]) -> None:
        for entry in entries:
            if entry.nwb == "events/LickTimes":
                entry.collections = ["alf/task_01"]
        mine = Entry("processing/misc/mine", "TimeSeries", "other", ["alf"])
        mine.items = [Item("data", "mice.weight")]
        entries.append(mine)

    report, file = made(tmp_path, {"alf/licks.times.npy": np.arange(9.0)}, edit)
    file.close()
    assert [note.text for note in report.warnings] == [
        "events/LickTimes is not written: the session has no times for it",
        "processing/misc/mine is not written: the session has no mice.weight in alf",
    ]
    assert not report.left_out
