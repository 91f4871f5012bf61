"""NWB files of many writers seen as ALF: probes, places, units, and what does not fit."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fascicle.errors import ALFObjectNotFound, BadFileError
from fascicle.formats.nwb import NwbFile
from fascicle.formats.nwb.alf import AlfView
from fascicle.formats.nwb.described import describe

ELECTRODES = "general/extracellular_ephys/electrodes"


class Writer:
    """Writes what NWB asks for, and no more."""

    def __init__(self, path: Path, **about: str) -> None:
        self.path = path
        self.h5 = h5py.File(path, "w")
        self.h5.attrs.update(nwb_version="2.7.0", namespace="core", neurodata_type="NWBFile")
        given = {"identifier": "one", "session_start_time": "2020-01-02T23:30:00-08:00"}
        for name, value in {**given, "session_description": "x", **about}.items():
            self.h5[name.replace("__", "/")] = value

    def table(
        self, place: str, columns: dict[str, Any], ragged: dict[str, Any] | None = None
    ) -> Any:
        group = self.h5.create_group(place)
        n = len(next(iter({**columns, **(ragged or {})}.values())))
        group.attrs.update(
            colnames=[*columns, *(ragged or {})], namespace="core", neurodata_type="DynamicTable"
        )
        group["id"] = np.arange(n) * 10
        for name, values in columns.items():
            group[name] = values
        for name, rows in (ragged or {}).items():
            group[name] = np.concatenate([np.asarray(row) for row in rows])
            group[name].attrs["neurodata_type"] = "VectorData"
            group[f"{name}_index"] = np.cumsum([len(row) for row in rows])
            group[f"{name}_index"].attrs["neurodata_type"] = "VectorIndex"
            group[f"{name}_index"].attrs["target"] = group[name].ref
        return group

    def series(self, place: str, data: Any, unit: str = "a.u.", **times: Any) -> Any:
        group = self.h5.create_group(place)
        group.attrs.update(namespace="core", neurodata_type="TimeSeries")
        group["data"] = data
        group["data"].attrs.update(unit=unit, conversion=1.0, resolution=-1.0)
        if "rate" in times:
            group["starting_time"] = times["start"]
            group["starting_time"].attrs.update(rate=times["rate"], unit="seconds")
        else:
            group["timestamps"] = times["timestamps"]
        return group

    def probes(self, groups: dict[str, tuple[str, int]]) -> None:
        """Write groups with their devices and numbers of electrodes."""
        names = []
        for name, (device, n) in groups.items():
            self.h5.require_group(f"general/devices/{device}")
            group = self.h5.create_group(f"general/extracellular_ephys/{name}")
            group["device"] = h5py.SoftLink(f"/general/devices/{device}")
            names += [name] * n
        self.table(ELECTRODES, {"group_name": names, "location": ["CA1"] * len(names)})

    def view(self) -> AlfView:
        self.h5.close()
        return AlfView(NwbFile(self.path))


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "a.nwb")


SPIKES = {"spike_times": [[3.0, 1.0], [2.0, 2.0, 0.5], [2.0]]}


@pytest.mark.parametrize(
    ("groups", "labels"),
    [
        ({"probe00": ("Neuropixels", 2), "probe01": ("Neuropixels", 1)}, ["probe00", "probe01"]),
        ({"s0": ("imec0", 1), "s1": ("imec0", 2)}, ["probe00"]),
        ({"shank0": ("silicon", 1), "shank1": ("silicon", 2)}, ["probe00"]),
        ({"left": ("A", 1), "right": ("B", 2)}, ["probe00", "probe01"]),
        ({"probe00": ("A", 1), "tetrode": ("B", 2)}, ["probe00", "probe01"]),
        ({"NeuropixelsProbe00": ("p", 3)}, ["probe00"]),
        ({"probe00_shank0": ("p", 2), "probe00_shank1": ("p", 1)}, ["probe00"]),
    ],
)
def test_probes_have_labels(
    writer: Writer, groups: dict[str, tuple[str, int]], labels: list[str]
) -> None:
    writer.probes(groups)
    n = sum(n for _, n in groups.values())
    writer.table("units", {"max_electrode": np.arange(3) % n}, SPIKES)
    view = writer.view()
    assert [p.label for p in view.probes] == labels
    assert sum(len(p.electrodes) for p in view.probes) == n
    assert sum(len(p.units) for p in view.probes) == 3
    for probe in view.probes:
        channels = view.read(f"alf/{probe.label}/clusters.channels.npy")
        assert probe.electrodes[channels].tolist() == (probe.units % n).tolist()


def test_spikes_come_in_order(writer: Writer) -> None:
    writer.table(
        "units", {"x": [1.0, 2.0, 3.0]}, {**SPIKES, "spike_amplitudes": SPIKES["spike_times"]}
    )
    view = writer.view()
    assert [p.label for p in view.probes] == ["probe00"]
    assert view.read("alf/probe00/spikes.times.npy").tolist() == [0.5, 1, 2, 2, 2, 3]
    assert view.read("alf/probe00/spikes.clusters.npy").tolist() == [1, 0, 1, 1, 2, 0]
    assert view.read("alf/probe00/spikes.amps.npy").tolist() == [0.5, 1, 2, 2, 2, 3]
    assert view.unit_times("probe00", 0).tolist() == [1, 3]
    assert {k: v.tolist() for k, v in view.trains("probe00").items()} == {
        0: [1, 3],
        1: [0.5, 2, 2],
        2: [2],
    }
    metrics = view.read("alf/probe00/clusters.metrics.pqt")
    assert metrics.unit_id.tolist() == [0, 10, 20] and metrics.spike_count.tolist() == [2, 3, 1]
    for label, cluster in (("probe00", 3), ("probe00", -1), ("probe01", 0)):
        with pytest.raises(ALFObjectNotFound):
            view.unit_times(label, cluster)


def test_units_that_never_fired(writer: Writer) -> None:
    writer.table("units", {"x": [1.0, 2.0]}, {"spike_times": [[], []]})
    view = writer.view()
    assert view.read("alf/probe00/spikes.times.npy").size == 0
    assert view.read("alf/probe00/spikes.clusters.npy").size == 0
    assert view.unit_times("probe00", 1).size == 0 and view.trains("probe00") == {}


def test_units_of_no_probe_that_is_named(writer: Writer) -> None:
    writer.probes({"probe00": ("a", 1), "probe01": ("b", 1)})
    writer.table("units", {"max_electrode": [0, 1, -1]}, SPIKES)
    view = writer.view()
    assert [p.label for p in view.probes] == ["probe00", "probe01", "probe_unassigned"]
    assert view.read("alf/probe_unassigned/spikes.times.npy").tolist() == [2.0]


def test_names_of_2021(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "old.nwb")
    writer.h5["general/subject/nickname"] = "KS014"
    writer.h5["general/subject/subject_id"] = "8d7fe6b6-0000-4000-8000-000000000000"
    writer.table(
        "intervals/trials",
        {
            "start_time": [0.0, 1],
            "stop_time": [1.0, 2],
            "goCue_times": [0.1, 1.1],
            "contrastLeft": [0.5, np.nan],
            "choice": [-1.0, 1],
            "feedbackType": [1.0, -1],
        },
    )
    writer.table("units", {"depths": [20.0, 40, 60]}, SPIKES)
    view = writer.view()
    assert view.layout == "ibl-2021"
    assert view.read("alf/_ibl_trials.goCue_times.npy").tolist() == [0.1, 1.1]
    assert view.read("alf/_ibl_trials.choice.npy").tolist() == [-1, 1]
    assert view.read("alf/_ibl_trials.feedbackType.npy").tolist() == [1, -1]
    assert np.isnan(view.read("alf/_ibl_trials.contrastLeft.npy")[1])
    assert view.read("alf/probe00/clusters.depths.npy").tolist() == [20, 40, 60]
    assert describe(view.file).subject == "KS014"


def test_names_of_2023(writer: Writer) -> None:
    writer.table(
        ELECTRODES,
        {
            "group_name": ["probe00", "probe00"],
            "location": ["Primary visual area", "void"],
            "beryl_location": ["VISp", "void"],
            "ibl_x": [-2000.0, -2100],
            "ibl_y": [-3000.0, -3000],
            "ibl_z": [-500.0, -400],
        },
    )
    writer.table(
        "units",
        {
            "probe_name": ["probe00"] * 3,
            "maximum_amplitude_channel": [1, 0, 1],
            "label": [1.0, 0, 0.5],
            "contamination": [0.0, 0.5, 1.0],
            "maximum_amplitude": [1e-4, 2e-4, 3e-4],
        },
        SPIKES,
    )
    writer.table(
        "intervals/trials",
        {
            "start_time": [0.0],
            "stop_time": [1.0],
            "stim_on_time": [0.2],
            "contrast_left": [0.25],
            "feedback_type": [-1.0],
            "choice": ["right"],
        },
    )
    view = writer.view()
    assert view.layout == "ibl"
    ids = view.read("alf/probe00/channels.brainLocationIds_ccf_2017.npy")
    assert ids.tolist() == [385, 0]
    assert view.read("alf/probe00/channels.mlapdv.npy")[0].tolist() == [-2000, -3000, -500]
    assert view.read("alf/probe00/clusters.channels.npy").tolist() == [1, 0, 1]
    metrics = view.read("alf/probe00/clusters.metrics.pqt")
    assert metrics.label.tolist() == [1, 0, 0.5] and metrics.amp_max[2] == 3e-4
    assert view.read("alf/_ibl_trials.stimOn_times.npy").tolist() == [0.2]
    assert view.read("alf/_ibl_trials.choice.npy").tolist() == [1]
    assert view.read("alf/_ibl_trials.contrastLeft.npy").tolist() == [0.25]
    probe = describe(view.file).probes[0]
    assert probe["regions"] == [[385, -1, 1]], "the left, by the place of the channel"


def test_words_that_nobody_explained_stay(writer: Writer) -> None:
    columns = {"start_time": [0.0], "stop_time": [1.0], "choice": ["lever 2"]}
    writer.table("intervals/trials", columns)
    view = writer.view()
    assert view.layout == "generic"
    assert view.read("alf/trials.choice.npy").tolist() == ["lever 2"]


@pytest.mark.parametrize("times", [{"start": 5.0, "rate": 2.0}, {"timestamps": [5.0, 5.5, 6.0]}])
def test_a_wheel_in_degrees_with_a_rate(writer: Writer, times: dict[str, Any]) -> None:
    writer.series("processing/behavior/WheelPosition", [0.0, 90.0, 180.0], "degrees", **times)
    view = writer.view()
    assert np.allclose(view.read("alf/wheel.position.npy"), [0, np.pi / 2, np.pi])
    assert view.read("alf/wheel.timestamps.npy").tolist() == [5.0, 5.5, 6.0]


def test_licks_of_each_form(tmp_path: Path) -> None:
    for n, place in enumerate(("processing/behavior/LickTimes", "processing/x/EventsLickTimes")):
        writer = Writer(tmp_path / f"{n}.nwb")
        writer.h5[f"{place}/timestamps"] = [1.0, 2.0]
        assert writer.view().read("alf/licks.times.npy").tolist() == [1, 2]
    writer = Writer(tmp_path / "table.nwb")
    writer.table("events/LickTimes", {"timestamp": [1.0, 2.0]})
    assert writer.view().read("alf/licks.times.npy").tolist() == [1, 2]
    writer = Writer(tmp_path / "two.nwb")
    for side, times in (("left", [3.0, 4.0]), ("right", [1.0, 5.0])):
        writer.series(f"acquisition/lick_times/lick_{side}", [1, 1], timestamps=times)
    assert writer.view().read("alf/licks.times.npy").tolist() == [1, 3, 4, 5]


def test_places_that_nobody_knows_are_told(writer: Writer) -> None:
    names = ["ca1", "TH-PO", "somewhere", "somewhere", "unknown", ""]
    writer.table(ELECTRODES, {"group_name": ["probe00"] * 6, "location": names})
    said = describe(writer.view().file)
    assert said.unknown == {"somewhere": 2}
    assert sorted(r[0] for r in said.probes[0]["regions"]) == [382, 549]


def test_the_day_is_that_of_the_files_zone_and_the_ids(tmp_path: Path) -> None:
    said = describe(Writer(tmp_path / "sub-m1_ses-2.nwb").view().file, name="x/sub-m1_ses-2.nwb")
    assert (said.subject, said.start[:10], said.native, said.eid) == ("m1", "2020-01-02", "one", "")
    uuid = "71e55bfe-5a3a-4cba-bdc7-f085140d798e"
    said = describe(Writer(tmp_path / "b.nwb", identifier=uuid.upper()).view().file, name="b.nwb")
    assert (said.eid, said.native, said.subject) == (uuid, "", "b")
    other = "8d7fe6b6-0000-4000-8000-000000000000"
    writer = Writer(tmp_path / "c.nwb", identifier=uuid, general__session_id=other)
    assert describe(writer.view().file).eid == other


def test_no_date_is_told(tmp_path: Path) -> None:
    view = Writer(tmp_path / "a.nwb", session_start_time="yesterday").view()
    with pytest.raises(BadFileError, match="session_start_time is 'yesterday'"):
        describe(view.file)


@pytest.mark.parametrize(
    ("place", "values", "dataset"),
    [
        ("units/spike_times_index", [2, 1, 6], "spikes.times"),
        ("units/spike_times_index", [2, 5, 9], "spikes.times"),
        ("units/spike_times_index", [2, 6], "spikes.times"),
        ("units/spike_amplitudes_index", [1, 5, 6], "spikes.amps"),
        ("units/peak_to_trough_duration_ms", [0.1], "clusters.peakToTrough"),
    ],
)
def test_what_does_not_fit_is_told(
    writer: Writer, place: str, values: list[float], dataset: str
) -> None:
    columns = {"peak_to_trough_duration_ms": [0.1, 0.2, 0.3]}
    writer.table("units", columns, {**SPIKES, "spike_amplitudes": SPIKES["spike_times"]})
    attributes = dict(writer.h5[place].attrs)
    del writer.h5[place]
    writer.h5[place] = values
    writer.h5[place].attrs.update(attributes)
    view = writer.view()
    with pytest.raises(BadFileError, match=r"a\.nwb"):
        view.read(f"alf/probe00/{dataset}.npy")
    with pytest.raises(ALFObjectNotFound, match="no dataset"):
        view.read("alf/nothing.npy")


def test_damage_is_an_error_of_ours_or_none(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "whole.nwb")
    writer.probes({"probe00": ("p", 4), "probe01": ("q", 3)})
    writer.table(
        "units",
        {"max_electrode": [0, 5, 2], "quality": ["good", "mua", "good"]},
        {**SPIKES, "spike_amplitudes": SPIKES["spike_times"]},
    )
    writer.table(
        "intervals/trials",
        {
            "start_time": [0.0, 1],
            "stop_time": [1.0, 2],
            "mouse_wheel_choice": ["clockwise", "none"],
            "gabor_stimulus_contrast": [50.0, 100.0],
            "gabor_stimulus_side": ["left", "right"],
            "is_mouse_rewarded": [True, False],
        },
    )
    writer.series("processing/behavior/WheelPosition", [0.0, 1, 2], "degrees", start=1.0, rate=2.0)
    writer.h5["processing/behavior/LickTimes/timestamps"] = [1.0, 2.0]
    writer.h5.close()
    whole = writer.path.read_bytes()
    rng = random.Random(5)
    bad = read = 0
    for n in range(120):
        content = bytearray(whole)
        if n % 4 == 0:
            del content[rng.randrange(len(content)) :]
        for _ in range(rng.choice([1, 3, 20]) if n % 4 else 0):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path = tmp_path / "harmed.nwb"
        path.write_bytes(content)
        try:
            with NwbFile(path) as file:
                view = AlfView(file)
                for name in view.offers:
                    view.read(name)
                    read += 1
        except BadFileError as error:
            assert "harmed.nwb" in str(error)
            bad += 1
    assert bad > 20 and read > 200
