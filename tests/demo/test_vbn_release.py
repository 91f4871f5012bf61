"""The files of the synthetic release against its tables and its manifests."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from fascicle.demo.release import DemoRelease, make_release
from fascicle.demo.vbn import METRICS
from fascicle.formats.manifest import Manifest, parse_manifest

LAST = "0.10.0"


class Published:
    """A release that was put into a dict, and what the manifest of a version says of it."""

    def __init__(self, **options: Any) -> None:
        self.held: dict[tuple[str, str], bytes] = {}
        self.release: DemoRelease = make_release(self.put, **options)

    def put(self, key: str, content: bytes, *, version_id: str = "") -> str:
        version_id = version_id or f"v{len(self.held)}"
        self.held[key, version_id] = content
        return version_id

    def manifest(self, version: str = LAST) -> Manifest:
        name = next(n for n in self.release.manifests if n.endswith(f"v{version}.json"))
        found = [c for (key, _), c in self.held.items() if key.endswith(f"/{name}")]
        return parse_manifest(found[0])

    def table(self, name: str, version: str = LAST) -> pd.DataFrame:
        content = self.release.tables[version][name]
        return pd.read_csv(io.BytesIO(content), keep_default_na=True)

    def content(self, key: int, version: str = LAST) -> bytes:
        entry = self.manifest(version).data_files[str(key)]
        location = entry.location
        return self.held[location.key, location.version_id]

    def open(self, key: int, version: str = LAST) -> h5py.File:
        return h5py.File(io.BytesIO(self.content(key, version)))


@pytest.fixture(scope="module")
def tiny() -> Published:
    return Published()


def test_manifests_name_what_lies_there(tiny: Published) -> None:
    for version in ("0.1.0", "0.2.0", "0.3.0", LAST):
        for entry in tiny.manifest(version).data_files.values():
            content = tiny.held[entry.location.key, entry.location.version_id]
            assert hashlib.blake2b(content).hexdigest() == entry.file_hash
            assert content[:8] == b"\x89HDF\r\n\x1a\n"


def test_versions_share_files(tiny: Published) -> None:
    first, third, last = (tiny.manifest(v).data_files for v in ("0.1.0", "0.3.0", LAST))
    assert first["0"].file_hash != third["0"].file_hash, "corrected"
    assert third["1"].file_hash == last["1"].file_hash and third["1"].path != last["1"].path
    assert all(first[key] == third[key] for key in first if key != "0")
    assert set(first) < set(last) | {"1004"}


def check_session(published: Published, session: pd.Series[Any]) -> None:
    """Compare a session's file with the rows that tables have of it."""
    key = session["ecephys_session_id"]
    of = {
        name: table[table["ecephys_session_id"] == key].reset_index(drop=True)
        for name in ("probes", "channels", "units")
        for table in [published.table(name)]
    }
    with published.open(session["file_id"]) as h5:
        assert h5["identifier"].asstr()[()] == str(key)
        about = h5["general/metadata"].attrs
        assert about["behavior_session_id"] == session["behavior_session_id"]
        for name in ("equipment_name", "project_code", "session_type"):
            assert about[name] == session[name]
        mouse = h5["general/subject"]
        for name, column in [("genotype", "genotype"), ("sex", "sex"), ("subject_id", "mouse_id")]:
            assert mouse[name].asstr()[()] == str(session[column])
        assert mouse["age"].asstr()[()] == f"P{session['age_in_days']}D"
        start = pd.Timestamp(h5["session_start_time"].asstr()[()]).tz_localize(None)
        assert start == pd.Timestamp(session["date_of_acquisition"])
        assert list(h5["stimulus/templates"]) == [
            f"Natural_Images_Lum_Matched_set_ophys_{session['image_set']}_2019"
        ]

        units = h5["units"]
        assert len(units["id"]) == session["unit_count"] == len(of["units"])
        assert (units["id"][:] == of["units"]["unit_id"]).all()
        assert (units["peak_channel_id"][:] == of["units"]["ecephys_channel_id"]).all()
        assert (units["quality"].asstr()[:] == of["units"]["quality"]).all()
        for name in METRICS:
            assert np.array_equal(units[name][:], of["units"][name], equal_nan=True), name

        channels, electrodes = of["channels"], h5["general/extracellular_ephys/electrodes"]
        assert len(electrodes["id"]) == session["channel_count"] == len(channels)
        for ours, column in [
            ("id", "ecephys_channel_id"),
            ("probe_id", "ecephys_probe_id"),
            ("probe_channel_number", "probe_channel_number"),
            ("probe_vertical_position", "probe_vertical_position"),
            ("probe_horizontal_position", "probe_horizontal_position"),
            ("x", "anterior_posterior_ccf_coordinate"),
            ("y", "dorsal_ventral_ccf_coordinate"),
            ("z", "left_right_ccf_coordinate"),
            ("valid_data", "valid_data"),
        ]:
            assert (electrodes[ours][:] == channels[column]).all(), ours
        acronyms = electrodes["location"].asstr()[:]
        assert (acronyms == channels["structure_acronym"].fillna("None")).all()
        peaks = pd.Series(units["peak_channel_id"][:]).value_counts()
        counted = peaks.reindex(channels["ecephys_channel_id"], fill_value=0)
        assert (counted.to_numpy() == channels["unit_count"]).all()

        probes = of["probes"]
        assert len(probes) == session["probe_count"]
        for _, probe in probes.iterrows():
            device = h5[f"general/devices/{probe['name']}"].attrs
            group = h5[f"general/extracellular_ephys/{probe['name']}"].attrs
            assert device["probe_id"] == group["probe_id"] == probe["ecephys_probe_id"]
            assert device["sampling_rate"] == probe["sampling_rate"]
            assert group["lfp_sampling_rate"] == probe["lfp_sampling_rate"]
            assert group["has_lfp_data"] == probe["has_lfp_data"]
            of_probe = channels.loc[
                channels["ecephys_probe_id"] == probe["ecephys_probe_id"], "ecephys_channel_id"
            ]
            assert np.isin(units["peak_channel_id"][:], of_probe).sum() == probe["unit_count"]


def test_sessions_agree_with_tables(tiny: Published) -> None:
    sessions = tiny.table("ecephys_sessions")
    assert len(sessions) == 4
    for _, session in sessions.iterrows():
        check_session(tiny, session)


def test_one_has_no_eye_and_one_ran_backwards(tiny: Published) -> None:
    eyes, speeds = [], []
    for key in range(4):
        with tiny.open(key) as h5:
            eyes.append("EyeTracking" in h5["acquisition"])
            speeds.append(h5["processing/running/speed/data"][:].mean())
    assert eyes == [True, True, False, True]
    assert speeds[3] < -1 and min(speeds[:3]) > 1
    assert len(set(speeds)) == 4


def test_lfp_agrees_with_tables(tiny: Published) -> None:
    probes = tiny.table("probes")
    channels = tiny.table("channels").set_index("ecephys_channel_id")
    assert ((probes["file_id"] >= 0) == probes["has_lfp_data"]).all()
    for _, probe in probes[probes["has_lfp_data"]].iterrows():
        number = probe["ecephys_probe_id"]
        assert (
            tiny.manifest()
            .data_files[str(probe["file_id"])]
            .path.endswith(f"/probe_{number}_lfp.nwb")
        )
        with tiny.open(probe["file_id"]) as h5:
            its = h5["general/extracellular_ephys/electrodes/id"][:]
            assert set(channels.loc[its, "ecephys_probe_id"]) == {number}
            series = h5[f"acquisition/probe_{number}_lfp/probe_{number}_lfp_data"]
            step = np.diff(series["timestamps"][:]).mean()
            assert step == pytest.approx(1 / probe["lfp_sampling_rate"])


def test_trainings_agree_with_the_table(tiny: Published) -> None:
    behavior = tiny.table("behavior_sessions", "0.3.0")
    own = behavior[behavior["file_id"] >= 1000]
    assert len(own) == 5
    for _, session in own.iterrows():
        with tiny.open(session["file_id"], "0.3.0") as h5:
            assert h5["identifier"].asstr()[()] == str(session["behavior_session_id"])
            assert h5["general/metadata"].attrs["session_type"] == session["session_type"]
            assert bool(len(h5["stimulus/templates"])) == isinstance(session["image_set"], str)


@pytest.fixture(scope="module")
def real(shared: Path) -> Iterator[Published]:
    folder = shared / "data" / "allen" / "visual_behavior_neuropixels"
    yield Published(size="real", real=folder, versions=(LAST,), recordings=[1052533639])


def test_the_tutorials_session_among_real_tables(real: Published) -> None:
    sessions = real.table("ecephys_sessions").set_index("ecephys_session_id", drop=False)
    session = sessions.loc[1052533639]
    assert len(sessions) == 153 and (session["unit_count"], session["probe_count"]) == (1677, 6)
    check_session(real, session)
    assert len(real.content(session["file_id"])) < 30e6
    others = sessions["file_id"].drop(1052533639)
    assert all(real.content(key).startswith(b"stand-in") for key in others)


def test_stand_ins_alone() -> None:
    stand_ins = Published(recordings=(), versions=(LAST,))
    files = stand_ins.manifest().data_files
    assert all(stand_ins.content(int(key)).startswith(b"stand-in") for key in files)
    assert set(stand_ins.table("probes")["file_id"]) == {-999}
