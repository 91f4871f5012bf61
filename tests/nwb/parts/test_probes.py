"""Probes: electrodes with their places, whatever is known of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pynwb
import pytest
from tests.nwb.parts.ephys import SORTING, Converted, channels, spikes
from tests.nwb.parts.sessions import CHECKS, assert_clean, document, make_session, warned

from fascicle.nwb.converting import convert
from fascicle.nwb.parts import part, places
from fascicle.nwb.writing.source import Source

ELECTRODES = "general/extracellular_ephys/electrodes"


def column(made: Converted, name: str) -> Any:
    return made.array(f"{ELECTRODES}/{name}")


def meta(shared: Path, name: str = "sample3B_g0_t0.imec1.ap.meta") -> bytes:
    return (shared / "data" / "spikeglx_meta" / name).read_bytes()


def test_where_electrodes_are(tmp_path: Path) -> None:
    made = Converted(tmp_path, channels(), check=CHECKS)
    assert_clean(made.report)
    made.check()
    assert column(made, "rel_y").tolist() == [0, 0, 100, 100, 200, 200, 300, 300]
    # Back, down and right from the corner of the atlas: 5400 - ap, 332 - dv, 5739 + ml.
    assert column(made, "x").tolist() == [7400] * 8
    assert column(made, "y")[:2].tolist() == [4332, 4331]
    assert column(made, "z")[:2].tolist() == [5774, 5764]
    assert column(made, "location").tolist() == ["root", "VPM", "fiber tracts", "root"] * 2
    assert column(made, "allen_id").tolist() == [0, 733, 1009, 997] * 2
    assert column(made, "cosmos")[:2].tolist() == ["void", "TH"]
    assert column(made, "hemisphere").tolist() == ["right"] * 4 + ["left"] * 4
    assert column(made, "probe_name").tolist() == ["probe00"] * 8
    with h5py.File(made.path) as file:
        tables = file["general/localization"]
        atlas, bregma = tables["ElectrodesCCFv3"], tables["ElectrodesIBLBregma"]
        assert atlas["x"][:].tolist() == [7400] * 8
        assert bregma["x"][:3].tolist() == [35, 25, 15]
        assert atlas["space"].attrs["orientation"] == "PIR"
        assert bregma["space"].attrs["orientation"] == "RAS"
        assert "ndx-anatomical-localization" in file["specifications"]
    with pynwb.NWBHDF5IO(made.path, "r") as io:
        group = io.read().electrodes["group"][0]
        assert (group.name, group.device.name) == ("Probe00", "Probe00")
        assert group.location == "TH"


@pytest.mark.parametrize(
    "given",
    [
        np.full((8, 3), np.nan),
        np.linspace(-3000.3, 2000.7, 24).reshape(8, 3),
        np.linspace(-3000.3, 2000.7, 24, dtype=np.float32).reshape(8, 3),
        np.full((8, 3), 1 / 3),
        np.full((8, 3), -6000),  # outside the atlas
    ],
)
def test_places_come_back_to_the_last_bit(tmp_path: Path, given: Any) -> None:
    made = Converted(tmp_path, channels() | {f"{SORTING}/channels.mlapdv.npy": given})
    made.check()
    found = np.stack([column(made, name) for name in "xyz"], axis=1)
    assert np.allclose(found, places.in_ccf(given), equal_nan=True)


def test_places_in_metres(tmp_path: Path) -> None:
    given = channels()
    place = f"{SORTING}/channels.mlapdv.npy"
    given[place] = given[place] / 1e6
    made = Converted(tmp_path, given)
    made.check()
    assert np.allclose(column(made, "x"), 7400)
    assert "are in m" in made.report.notes[0].text


def test_signed_ids_are_of_the_left(tmp_path: Path) -> None:
    given = channels()
    del given[f"{SORTING}/channels.mlapdv.npy"]
    given[f"{SORTING}/channels.brainLocationIds_ccf_2017.npy"] = np.array([-733, 733] * 4)
    made = Converted(tmp_path, given)
    made.check()
    assert column(made, "hemisphere").tolist() == ["left", "unknown"] * 4
    assert set(column(made, "location")) == {"VPM"}
    assert "x" not in made.names(ELECTRODES)
    assert "localization" not in made.names("general")


def test_unknown_regions_are_said(tmp_path: Path) -> None:
    given = channels() | {
        f"{SORTING}/channels.brainLocationIds_ccf_2017.npy": np.array([733, 123456789] * 4)
    }
    made = Converted(tmp_path, given, check=CHECKS)
    assert_clean(made.report)
    made.check()
    assert column(made, "location").tolist() == ["VPM", "root"] * 4
    assert "no regions 123456789" in warned(made.report)[""][0]


def test_all_acronyms_are_terms_that_the_inspector_takes() -> None:
    from nwbinspector._internal_configs._allen_ccf import get_allen_ccf_location_terms

    from fascicle.atlas.table import table

    names = np.array(table().acronyms, dtype=object)
    assert set(places.terms(names)) <= get_allen_ccf_location_terms()


def test_traced_sites_come_before_the_sorters_channels(tmp_path: Path) -> None:
    given = channels(6)
    sites = channels(8, "alf/probe00", "electrodeSites")
    sites["alf/probe00/electrodeSites.mlapdv.npy"] -= 500
    made = Converted(tmp_path, given | sites)
    made.check()
    assert column(made, "z").tolist() == [5739 + 35 - 500 - 10 * k for k in range(6)]
    # As many sites as channels: both are columns.
    more = channels(8)
    made = Converted(tmp_path / "more", more | sites)
    made.check()
    assert {"channel_mlapdv", "z"} <= made.names(ELECTRODES)
    assert made.array(f"{ELECTRODES}/channel_mlapdv")[0].tolist() == [35, -2000, -4000]


def test_sites_that_cannot_be_told_are_left_alone(tmp_path: Path) -> None:
    sites = {"alf/probe00/electrodeSites.mlapdv.npy": np.zeros((5, 3), int)}
    made = Converted(tmp_path, channels() | sites)
    made.check()
    assert column(made, "z")[0] == 5774
    assert "which is which cannot be told" in warned(made.report)[""][0]


def test_sites_alone_are_electrodes(tmp_path: Path) -> None:
    made = Converted(tmp_path, channels(4, "alf/probe00", "electrodeSites"))
    made.check()
    assert column(made, "z").tolist() == [5774, 5764, 5754, 5744]


def test_geometry_of_the_recording(tmp_path: Path, shared: Path) -> None:
    raw = "raw_ephys_data/probe01/_spikeglx_ephysData_g0_t0.imec1.ap.meta"
    given = channels() | {raw: meta(shared)}
    given[f"{SORTING}/channels.rawInd.npy"] = np.arange(8)[::-1]
    given["raw_ephys_data/probe00/_spikeglx_ephysData_g0_t0.imec0.ap.meta"] = meta(
        shared, "sampleNP2.4_4shanks_g0_t0.imec.ap.meta"
    )
    made = Converted(tmp_path, given, check=CHECKS)
    assert_clean(made.report)
    assert len(column(made, "id")) == 8 + 384
    assert column(made, "contact_ids")[:2].tolist() == ["s0e7", "s0e6"]
    assert column(made, "adc_sample_order")[:2].tolist() == [3, 3]
    # The second probe has a recording alone: its electrodes are those of the recording.
    assert column(made, "contact_ids")[8:10].tolist() == ["e0", "e1"]
    assert column(made, "rel_x")[8:12].tolist() == [43, 11, 59, 27]
    assert column(made, "index_on_probe")[[0, 8]].tolist() == [7, -1]
    assert np.isnan(column(made, "x")[8:]).all()
    with h5py.File(made.path) as file:
        device = file["general/devices/Probe01"]
        assert device.attrs["serial_number"] == "18005116811"
        assert device["model"].attrs["model_number"] == "PRB_1_4_0480_1"
        assert device["model"].attrs["manufacturer"] == "imec"


def test_a_harmed_meta_file_costs_the_geometry_alone(tmp_path: Path) -> None:
    raw = "raw_ephys_data/probe00/_spikeglx_ephysData_g0_t0.imec0.ap.meta"
    made = Converted(tmp_path, channels() | {raw: "typeThis=imec\nnonsense=1\n"})
    assert "nothing is known of the sites" in warned(made.report)[raw][0]
    assert "contact_ids" not in made.names(ELECTRODES)
    made.check()


def test_channels_that_do_not_fit_are_carried_apart(tmp_path: Path) -> None:
    given = channels() | {
        f"{SORTING}/channels.labels.npy": np.zeros(5, np.int8),
        f"{SORTING}/channels.quality.npy": np.arange(8, dtype=np.int16),
        f"{SORTING}/channels.group.npy": np.arange(8, dtype=np.uint8),
        f"{SORTING}/channels.name.csv": "name\n" + "\n".join("abcdefgh") + "\n",
        f"{SORTING}/channels.shape.npy": np.zeros((8, 2, 2)),
    }
    made = Converted(tmp_path, given)
    made.check()
    (said,) = warned(made.report)[f"{SORTING}/channels.labels.npy"]
    assert "it has 5 rows and channels.localCoordinates has 8" in said
    assert {"quality", "channel_group", "channel_name"} <= made.names(ELECTRODES)


def test_columns_of_probes_that_differ(tmp_path: Path) -> None:
    other = "alf/probe01/pykilosort"
    given = channels(4) | channels(6, other)
    given[f"{other}/channels.rawInd.npy"] = np.arange(6, dtype=np.float32)
    given[f"{SORTING}/channels.labels.npy"] = np.array([1, 0, 1, 1], bool)
    given[f"{other}/channels.labels.npy"] = np.arange(6)
    given[f"{SORTING}/channels.more.npy"] = np.array([1, 2, 3, 1 << 62])
    made = Converted(tmp_path, given)
    made.check()
    assert {"labels", "labels_probe01", "more"} <= made.names(ELECTRODES)
    assert column(made, "probe_name").tolist() == ["probe00"] * 4 + ["probe01"] * 6


def test_what_is_switched_off_or_renamed(tmp_path: Path) -> None:
    def edit(entries: dict[str, Any]) -> None:
        entries["general/localization"].on = False
        for item in entries[ELECTRODES].items:
            item.on = item.name not in ("beryl", "location", "index_on_probe")
            if item.name == "labels":
                item.name, item.description = "quality", "How good the channel is"

    given = channels() | {f"{SORTING}/channels.labels.npy": np.arange(8, dtype=np.int8)}
    made = Converted(tmp_path, given, edit=edit)
    made.check()
    assert made.names("general").isdisjoint({"localization"})
    assert set(column(made, "location")) == {"root"}
    assert {"beryl", "index_on_probe", "labels"}.isdisjoint(made.names(ELECTRODES))
    assert made.attribute(f"{ELECTRODES}/quality", "description") == "How good the channel is"
    assert list(made.report.left_out.values()) == ["switched off in the metadata"]


def test_single_precision_where_it_is_asked_for(tmp_path: Path) -> None:
    def edit(entries: dict[str, Any]) -> None:
        for item in entries[ELECTRODES].items:
            item.dtype = "float32" if item.name in "xyz" else ""

    made = Converted(tmp_path, channels(), edit=edit)
    assert column(made, "x").dtype == np.float32
    made.check()  # of a column of their own


def test_trajectories(tmp_path: Path) -> None:
    session = make_session(tmp_path / "lab", channels() | {"alf/probes.trajectory.json": [1]})
    path = {"x": -2500, "y": 1, "z": None, "depth": 4000.5, "theta": 15, "phi": 180, "roll": 0}
    probes = [
        {
            "label": "probe00",
            "pid": "the pid",
            "model": "3B2",
            "serial": "17",
            "trajectories": [
                {"provenance": "Planned", **path},
                {"provenance": "Micro-manipulator"},
            ],
        },
        {"label": "probe01", "model": "3B2", "description": "Without datasets"},
    ]
    source = Source(session)
    entries = part("probes").offer(source, {"probes": probes})
    made = document(session, entries)
    made.probes.extend(probes)
    report = convert(session, tmp_path / "x.nwb", metadata=made, progress=False, check=CHECKS)
    assert_clean(report)
    with h5py.File(tmp_path / "x.nwb") as file:
        table = file["processing/ecephys/probe_trajectories"]
        assert table["provenance"].asstr()[:].tolist() == ["Planned", "Micro-manipulator"]
        assert table["ml"][0] == -2500
        assert np.isnan(table["dv"][0])
        assert table["depth_um"][0] == 4000.5
        assert table["pid"].asstr()[0] == "the pid"
        assert set(file["general/devices"]) == {"Probe00", "Probe01", "models"}
        assert file["general/devices/Probe01"].attrs["description"] == "Without datasets"
        assert file["general/devices/Probe00"].attrs["serial_number"] == "17"
        assert file["scratch/probes.trajectory"].asstr()[()] == "[1]"


def test_places_are_read_without_the_extension(tmp_path: Path) -> None:
    made = Converted(tmp_path, channels(), check=())
    program = (
        "import sys; sys.modules['ndx_anatomical_localization'] = None\n"
        "import pynwb\n"
        f"with pynwb.NWBHDF5IO({str(made.path)!r}, 'r') as io:\n"
        "    found = io.read().lab_meta_data['localization'].anatomical_coordinates_tables\n"
        "    bregma, atlas = found['ElectrodesIBLBregma'], found['ElectrodesCCFv3']\n"
        "    print(bregma['y'][0], atlas.space.orientation)"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout.split() == ["-2000.0", "PIR"], run.stderr


def test_probes_that_the_metadata_do_not_name_are_said(tmp_path: Path) -> None:
    session = make_session(tmp_path / "lab", channels() | spikes(folder="alf/probe01"))
    probes = [{"label": "probe00"}]
    entries = part("probes").offer(Source(session), {"probes": probes})
    made = document(session, entries)
    made.probes.extend(probes)
    with pytest.warns(UserWarning, match="name no such probe"):
        report = convert(session, tmp_path / "x.nwb", metadata=made, progress=False, check=False)
    assert "probe01 has datasets" in warned(report)[""][0]


def test_a_sorting_that_is_not_there_is_said(tmp_path: Path) -> None:
    session = make_session(tmp_path / "lab", channels() | spikes())
    probes = [{"label": "probe00", "sorting": "alf/probe00/other"}]
    entries = part("probes").offer(Source(session), {"probes": probes})
    made = document(session, entries)
    made.probes.extend(probes)
    with pytest.warns(UserWarning, match="alf/probe00/other as its sorting"):
        convert(session, tmp_path / "x.nwb", metadata=made, progress=False, check=False)


def test_no_probes_at_all(tmp_path: Path) -> None:
    made = Converted(tmp_path, {"alf/thing.values.npy": np.arange(3)})
    assert {entry.part for entry in made.entries} == {"other"}
    assert "extracellular_ephys" not in made.names("general")
