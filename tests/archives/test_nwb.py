"""Folders of NWB files are archives: what they hold has ALF names, units and values."""

from __future__ import annotations

import os
import pickle
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import h5py
import numpy as np
import pytest

import fascicle
from fascicle import analysis
from fascicle.archives import FolderArchive, NwbArchive, nwbfiles
from fascicle.archives.base import DatasetRef
from fascicle.archives.session import OpenSession
from fascicle.catalogue import identity
from fascicle.demo.vbn import write_behavior, write_lfp, write_session
from fascicle.errors import (
    ALFObjectNotFound,
    ALFWarning,
    IncompleteWarning,
    NoIndexError,
    SessionNotFound,
)
from fascicle.load import load_file
from fascicle.one import One
from fascicle.testing import ArchiveTests

from .ibl_nwb import new_file, write_ibl

VBN = "1044385384"


@pytest.fixture(scope="module")
def real_nwb(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the real NWB files of format 2."""
    folder = tmp_path_factory.mktemp("real")
    for file in (shared / "data" / "nwb").glob("*.nwb"):
        with h5py.File(file) as h5:
            if "nwb_version" in h5.attrs:
                (folder / file.name).symlink_to(file)
    return folder


@pytest.fixture(scope="module")
def vbn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a recording of Visual Behavior, its LFP, and a session of training."""
    folder = tmp_path_factory.mktemp("vbn")
    write_session(folder / f"ecephys_session_{VBN}.nwb")
    write_lfp(folder / "probe_1044385484_lfp.nwb")
    write_behavior(folder / "behavior_session_1055240613.nwb")
    return folder


@pytest.fixture(scope="module")
def alf_session(lab_folder: Path) -> OpenSession:
    """Return a session of the synthetic lab with all that the mapping has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = fascicle.find(
            datasets=["spikes.times", "passiveGabor", "wheelMoves", "licks"],
            archives=FolderArchive(lab_folder),
        )
    return found[0]


@pytest.fixture(scope="module")
def ibl(alf_session: OpenSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with that session as IBL's converter lays it out."""
    folder = tmp_path_factory.mktemp("ibl")
    (folder / "sub-1").mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ALFWarning)
        write_ibl(folder / "sub-1" / "sub-1_ses-1_behavior+ecephys.nwb", alf_session)
    return folder


class TestRealFiles(ArchiveTests):
    @pytest.fixture
    def archive(self, real_nwb: Path) -> NwbArchive:
        return NwbArchive(real_nwb)


class TestVisualBehavior(ArchiveTests):
    @pytest.fixture
    def archive(self, vbn: Path) -> NwbArchive:
        return NwbArchive(vbn)


class TestLayoutOfIbl(ArchiveTests):
    @pytest.fixture
    def archive(self, ibl: Path) -> NwbArchive:
        return NwbArchive(ibl)


# -- opening ---------------------------------------------------------------------------------------


def test_a_folder_of_nwb_files_is_one(vbn: Path) -> None:
    assert isinstance(fascicle.open(vbn), NwbArchive)
    one = fascicle.open(vbn / f"ecephys_session_{VBN}.nwb")
    assert isinstance(one, NwbArchive) and one.catalogue().n_sessions == 1
    assert one.open(VBN).load("licks").times.size


def test_with_a_store_of_its_own(vbn: Path, tmp_path: Path) -> None:
    archive = fascicle.open(vbn, store=tmp_path / "files")
    file = archive.open(VBN).file("licks.times")
    assert file == tmp_path / "files/524761/2020-09-23/001/alf/licks.times.npy"
    assert np.array_equal(load_file(file), archive.open(VBN).read("licks.times"))
    assert isinstance(archive.open(VBN).load("licks", mmap=True).times, np.memmap)


def test_a_folder_of_alf_sessions_stays_one(small: Path, real_nwb: Path) -> None:
    file = next(real_nwb.iterdir())
    shutil.copyfile(file, small / "cortexlab/Subjects/A/2020-01-01/001/session.nwb")
    with pytest.raises(NoIndexError):
        fascicle.open(small)
    fascicle.index(small)
    assert isinstance(fascicle.open(small), FolderArchive)


def test_an_empty_folder_is_none(tmp_path: Path) -> None:
    with pytest.raises(NoIndexError, match="no NWB file"):
        NwbArchive(tmp_path).catalogue()
    with pytest.raises(NoIndexError):
        fascicle.open(tmp_path)
    with pytest.raises(NoIndexError):
        NwbArchive(tmp_path / "gone").catalogue()


def test_files_are_read_once(vbn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(shutil.copytree(vbn, tmp_path / "copy", ignore=shutil.ignore_patterns(".*")))
    read: list[str] = []
    whole = nwbfiles.Descriptions._read

    def counted(self: Any, file: nwbfiles.Held) -> dict[str, Any]:
        read.append(file.name)
        return whole(self, file)

    monkeypatch.setattr(nwbfiles.Descriptions, "_read", counted)
    eids = NwbArchive(folder).catalogue().eids()
    assert len(read) == 3
    assert NwbArchive(folder).catalogue().eids() == eids
    assert len(read) == 3, "the second opening read files"
    changed = folder / "behavior_session_1055240613.nwb"
    os.utime(changed, ns=(1, 1))
    assert NwbArchive(folder).catalogue().eids() == eids
    assert read[3:] == [changed.name], "only what changed is read again"
    changed.unlink()
    assert NwbArchive(folder).catalogue().n_sessions == 1
    assert len(read) == 4


def test_a_folder_that_cannot_be_written(vbn: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(vbn, tmp_path / "copy", ignore=shutil.ignore_patterns(".*")))
    (folder / ".fascicle").write_text("a file where the hidden folder would be")
    assert NwbArchive(folder).catalogue().n_sessions == 2
    assert NwbArchive(folder).open(VBN).load("trials")


def test_sees_what_came_when_told(vbn: Path, tmp_path: Path) -> None:
    file = vbn / f"ecephys_session_{VBN}.nwb"
    shutil.copyfile(file, tmp_path / file.name)
    archive = NwbArchive(tmp_path)
    assert archive.catalogue().n_sessions == 1
    shutil.copyfile(vbn / "behavior_session_1055240613.nwb", tmp_path / "b.nwb")
    archive.refresh()
    assert archive.catalogue().n_sessions == 2
    (tmp_path / "b.nwb").unlink()
    with pytest.raises(ALFObjectNotFound, match=r"b\.nwb is not in"):
        archive.open("1055240613").load("licks")


def test_damaged_files_are_named_and_the_others_work(vbn: Path, tmp_path: Path) -> None:
    file = vbn / f"ecephys_session_{VBN}.nwb"
    shutil.copyfile(file, tmp_path / file.name)
    whole = file.read_bytes()
    (tmp_path / "half.nwb").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "none.nwb").write_bytes(b"")
    (tmp_path / "text.nwb").write_text("no HDF5 at all")
    with h5py.File(tmp_path / "other.nwb", "w") as h5:
        h5["data"] = np.arange(4)
    archive = NwbArchive(tmp_path)
    with pytest.warns(IncompleteWarning, match="4 NWB files .*half.nwb"):
        archive.catalogue()
    assert set(archive.damaged) == {"half.nwb", "none.nwb", "text.nwb", "other.nwb"}
    assert archive.open(VBN).load("licks").times.size
    with pytest.warns(IncompleteWarning, match=r"none\.nwb"):
        fascicle.open(tmp_path)


# -- identity --------------------------------------------------------------------------------------


def test_a_uuid_in_the_file_is_the_sessions_id(ibl: Path, alf_session: OpenSession) -> None:
    (session,) = fascicle.find(archives=ibl)
    assert session.eid == alf_session.eid
    assert (session.lab, session.subject) == (alf_session.lab, alf_session.subject)
    assert session.date == alf_session.date  # by the zone of the file
    pids = {i.name: i.pid for i in alf_session.insertions}
    assert {i.name: i.pid for i in session.insertions} == pids
    assert {i.serial for i in session.insertions} == {"18005"}


def test_visual_behavior_has_the_ids_of_its_release(vbn: Path) -> None:
    archive = fascicle.open(vbn)
    session = archive.open(VBN)
    project = "visual-behavior-neuropixels"
    assert session.eid.bytes == identity.native_session_id(project, VBN)
    assert archive.open("1044408432") == session, "the id of its behaviour"
    assert archive.open(f"ecephys_session_{VBN}.nwb") == session
    assert archive.open(vbn / "probe_1044385484_lfp.nwb") == session, "the file of its LFP"
    found = fascicle.find(archives=vbn).frame.set_index("native_id")
    assert sorted(found.index) == [VBN, "1055240613"]
    assert found.loc[VBN, "task_protocol"] == "EPHYS_1_images_G_5uL_reward"


def test_ids_do_not_depend_on_the_folder(vbn: Path, tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    file = vbn / "behavior_session_1055240613.nwb"
    shutil.copyfile(file, tmp_path / "deep/er/renamed.nwb")
    assert fascicle.open(tmp_path).catalogue().eids() == [fascicle.open(vbn).open("1055240613").eid]


def test_files_of_one_session_are_put_together(tmp_path: Path, alf_session: OpenSession) -> None:
    import pynwb
    from pynwb.behavior import SpatialSeries

    eid = uuid4()
    for n, name in enumerate(("a_wheel", "b_other")):
        file = new_file(alf_session, session_id=str(eid))
        module = file.create_processing_module("behavior", "behaviour")
        series = SpatialSeries(
            name="WheelPosition" if n == 0 else "Position",
            data=np.arange(5.0),
            rate=10.0,
            unit="radians",
            reference_frame="0",
        )
        module.add(series)
        file.add_trial(start_time=1.0 + n, stop_time=2.0)
        with pynwb.NWBHDF5IO(tmp_path / f"{name}.nwb", "w") as io:
            io.write(file)
    (session,) = fascicle.find(archives=tmp_path)
    assert session.eid == eid
    assert session.read("trials.intervals")[0, 0] == 1.0, "the one that offers more comes first"
    wheel = session.load("wheel")
    assert np.allclose(wheel.timestamps, np.arange(5) / 10)


def test_sessions_that_share_an_id_are_told_apart(tmp_path: Path, alf_session: OpenSession) -> None:
    import pynwb

    for n, subject in enumerate(("A", "B")):
        about = pynwb.file.Subject(subject_id=subject, species="Mus musculus", sex="F", age="P9D")
        file = new_file(alf_session, session_id="1", identifier="test", subject=about, lab="")
        file.add_trial(start_time=1.0 + n, stop_time=2.0)
        with pynwb.NWBHDF5IO(tmp_path / f"{subject}.nwb", "w") as io:
            io.write(file)
    archive = fascicle.open(tmp_path)
    assert archive.catalogue().n_sessions == 2
    with pytest.raises(SessionNotFound, match="2 sessions") as caught:
        archive.open("1")
    assert "eid" in caught.value.hint
    assert archive.open("A.nwb").read("trials.intervals")[0, 0] == 1.0
    assert archive.open("B.nwb").read("trials.intervals")[0, 0] == 2.0


# -- values ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("probe", ["probe00", "probe01"])
def test_what_was_alf_is_read_back_as_it_was(
    ibl: Path, alf_session: OpenSession, probe: str
) -> None:
    (session,) = fascicle.find(archives=ibl)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ALFWarning)
        was = {n: alf_session.load(n, collection=f"alf/{probe}/pykilosort") for n in _OF_PROBE}
    now = {n: session.load(n, collection=f"alf/{probe}") for n in _OF_PROBE}
    order = np.lexsort((was["spikes"].clusters, was["spikes"].times))
    for key in ("times", "clusters"):
        assert np.array_equal(now["spikes"][key], was["spikes"][key][order])
    for key in ("amps", "depths"):
        assert np.allclose(now["spikes"][key], was["spikes"][key][order], rtol=1e-12)
    for key in ("channels", "depths", "peakToTrough"):
        assert np.array_equal(now["clusters"][key], was["clusters"][key])
    assert now["clusters"].uuids.tolist() == was["clusters"].uuids.tolist()
    for key in ("rawInd", "localCoordinates", "brainLocationIds_ccf_2017"):
        assert np.array_equal(np.abs(now["channels"][key]), np.abs(was["channels"][key]))
    assert np.allclose(now["channels"].mlapdv, was["channels"].mlapdv)
    before, after = was["clusters"].metrics.set_index("cluster_id"), now["clusters"].metrics
    for key in set(before) & set(after) - {"uuids"}:
        a, b = before[key].reindex(after.cluster_id), after[key]
        if a.dtype.kind in "fi":
            assert np.allclose(a, b, equal_nan=True), key
    assert {"label", "spike_count", "firing_rate", "amp_max", "slidingRP_viol"} <= set(after)


_OF_PROBE = ("spikes", "clusters", "channels")


def test_trials_wheel_and_licks_are_read_back_as_they_were(
    ibl: Path, alf_session: OpenSession
) -> None:
    (session,) = fascicle.find(archives=ibl)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ALFWarning)
        for name in ("trials", "wheel", "wheelMoves", "licks", "passiveGabor", "passiveStims"):
            was, now = alf_session.load(name, collection="alf"), session.load(name)
            left = {"stimOnTrigger_times", "peakVelocity_times"}  # not written
            assert set(now) == set(was) - left, name
            for key in now:
                assert np.allclose(now[key], was[key], equal_nan=True, rtol=1e-12), (name, key)
                assert now[key].shape == was[key].shape
    was = alf_session.read("passivePeriods.intervalsTable", collection="alf")
    assert session.read("passivePeriods.intervalsTable").equals(was)
    assert session.list("trials.choice") == ["alf/_ibl_trials.choice.npy"], "named as IBL's are"


def test_spikes_are_sorted_and_of_their_units(vbn: Path) -> None:
    session = fascicle.open(vbn).open(VBN)
    with h5py.File(vbn / f"ecephys_session_{VBN}.nwb") as h5:
        ends = h5["units/spike_times_index"][:].astype(int)
        times = np.split(h5["units/spike_times"][:], ends[:-1])
        amps = np.split(h5["units/spike_amplitudes"][:], ends[:-1])
        ids = h5["units/id"][:]
    for probe in ("probeA", "probeB"):
        spikes = session.load("spikes", collection=f"alf/{probe}")
        units = session.load("clusters", collection=f"alf/{probe}").metrics.unit_id
        assert np.all(np.diff(spikes.times) >= 0)
        for cluster, unit in enumerate(units):
            mine = spikes.clusters == cluster
            row = ids.tolist().index(unit)
            assert np.array_equal(spikes.times[mine], np.sort(times[row]))
            assert np.array_equal(spikes.amps[mine], amps[row][np.argsort(times[row])])


def test_visual_behavior_in_the_words_of_alf(vbn: Path) -> None:
    session = fascicle.open(vbn).open(VBN)
    trials = session.load("trials")
    with h5py.File(vbn / f"ecephys_session_{VBN}.nwb") as h5:
        table = h5["intervals/trials"]
        change = table["change_time_no_display_delay"][:]
        hit, miss = table["hit"][:], table["miss"][:] | table["false_alarm"][:]
        volume = table["reward_volume"][:]
        x, y, z = (h5[f"general/extracellular_ephys/electrodes/{n}"][:384] for n in "xyz")
        speed = h5["processing/running/speed/data"][:]
    assert np.array_equal(trials.stimOn_times, change, equal_nan=True)
    assert np.array_equal(trials.feedbackType, np.where(hit, 1, np.where(miss, -1, 0)))
    assert np.allclose(trials.rewardVolume, 1000 * volume)
    assert trials.initialImageName.dtype.kind == "U"
    sites = session.load("channels", collection="alf/probeA")
    here = x >= 0
    assert np.allclose(sites.mlapdv[here], np.stack([z - 5739, 5400 - x, 332 - y], axis=1)[here])
    wheel = session.load("wheel")
    assert np.allclose(wheel.velocity, speed * 0.18171)
    assert wheel.position[0] == 0
    turned = np.trapezoid(wheel.velocity, wheel.timestamps)
    assert np.isclose(wheel.position[-1], turned)
    assert {len(v) for v in wheel.values()} == {speed.size}


def test_running_backwards_is_put_right(tmp_path: Path) -> None:
    write_session(tmp_path / "a.nwb", backwards=True)
    velocity = fascicle.open(tmp_path).open(VBN).load("wheel").velocity
    assert velocity.mean() > 0


def test_files_hold_what_loading_gives(vbn: Path, ibl: Path) -> None:
    for folder in (vbn, ibl):
        for session in fascicle.find(archives=folder):
            for path in session.list():
                direct, filed = session.read(path), load_file(session.file(path))
                assert type(direct) is type(filed), path
                if isinstance(direct, np.ndarray):
                    assert direct.dtype == filed.dtype
                    equal = np.array_equal(direct, filed, equal_nan=direct.dtype.kind == "f")
                elif direct.ndim == 1:
                    equal = direct.tolist() == filed.tolist()
                else:
                    equal = direct.astype(object).compare(filed.astype(object)).empty
                assert equal, path


def test_files_are_made_again_when_the_nwb_file_changes(vbn: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.nwb"
    shutil.copyfile(vbn / f"ecephys_session_{VBN}.nwb", file)
    archive = NwbArchive(tmp_path)
    path = archive.open(VBN).file("licks.times")
    first, seen = load_file(path), path.stat().st_ino
    assert archive.open(VBN).file("licks.times").stat().st_ino == seen, "written once"
    with h5py.File(file, "r+") as h5:
        h5["processing/licking/licks/timestamps"][:] += 1
    archive.refresh()
    assert np.allclose(load_file(archive.open(VBN).file("licks.times")), first + 1)


def test_only_what_is_asked_is_read(vbn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fascicle.formats.nwb import NwbFile

    read: list[tuple[str, Any]] = []
    whole = NwbFile.array

    def counted(self: NwbFile, path: str, sel: Any = slice(None)) -> Any:
        read.append((path.strip("/"), sel))
        return whole(self, path, sel)

    archive = NwbArchive(vbn)
    session = archive.open(VBN)
    ref = DatasetRef(session.eid, "alf/probeB/spikes.times.npy")
    monkeypatch.setattr(NwbFile, "array", counted)
    times = archive.unit_times(ref, 3)
    (sel,) = [sel for path, sel in read if path == "units/spike_times"]
    assert sel.stop - sel.start == times.size
    read.clear()
    session.load("spikes", collection="alf/probeB", attribute="times")
    spans = [sel.stop - sel.start for path, sel in read if path == "units/spike_times"]
    assert set(spans) == {session.read(ref.path).size}
    assert not [
        path for path, _ in read if path in ("units/spike_amplitudes", "units/waveform_mean")
    ]


# -- search, tables and analyses -------------------------------------------------------------------


def test_searches_by_region_and_side(vbn: Path) -> None:
    found = fascicle.find(region="HPF", archives=vbn)
    assert [str(e) for e in found.eids] == [str(fascicle.open(vbn).open(VBN).eid)]
    sites = found.insertions.set_index("name").n_channels
    regions = fascicle.open(vbn).open(VBN).load("channels", collection="alf/probeA")
    below = fascicle.Regions().descendants("HPF")
    here = np.isin(regions.brainLocationIds_ccf_2017, list(below))
    assert sites["probeA"] == here.sum()
    side = regions.mlapdv[here, 0] > 0
    right = fascicle.find(region="HPF", hemisphere="right", archives=vbn).insertions
    assert right.set_index("name").n_channels["probeA"] == side.sum()
    assert not len(fascicle.find(region="HPF", hemisphere="left", archives=vbn))


def test_units_of_a_region_as_one_table(vbn: Path, ibl: Path, alf_session: OpenSession) -> None:
    table = fascicle.units(region="HPF", archives=vbn, progress=False)
    assert set(table.hemisphere) == {"right"} and len(table)
    assert set(table.acronym) <= {
        fascicle.Regions().acronym(r) for r in fascicle.Regions().descendants("HPF")
    }
    assert table.unit_id.is_unique
    unit = table.iloc[0]
    assert analysis.spike_times(unit).size == unit.n_spikes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ALFWarning)
        was = analysis.units(alf_session)
    (session,) = fascicle.find(archives=ibl)
    now = analysis.units(
        session,
    )
    for key in ("probe", "cluster_id", "channel", "region_id", "acronym", "hemisphere", "n_spikes"):
        assert now[key].tolist() == was[key].tolist(), key
    assert np.allclose(now[["x", "y", "z", "depth"]], was[["x", "y", "z", "depth"]], equal_nan=True)
    with_times = analysis.units(session, "probe00", spikes=True)
    for row in (0, 5):
        assert np.array_equal(
            with_times.times[row], analysis.spike_times(with_times.drop(columns="times").iloc[row])
        )


def responses(session: OpenSession, bin: float = 0.05) -> dict[str, Any]:
    """Return how each good unit of a session answers to the stimuli: the analysis of somebody."""
    trials = analysis.trials(session)
    units = analysis.units(session, good=True)
    window = (-0.2, 0.5)
    counts = [
        analysis.align(analysis.spike_times(unit), trials.stimOn_times, window, bin=bin)
        for _, unit in units.iterrows()
    ]
    rates = np.nanmean(np.stack(counts), axis=1) / bin
    return dict(zip(units.acronym, rates, strict=False)) | {"correct": trials.correct.mean()}


@pytest.mark.parametrize("name", ["alf", "ibl", "vbn"])
def test_one_analysis_for_all(name: str, alf_session: OpenSession, ibl: Path, vbn: Path) -> None:
    sessions: dict[str, Callable[[], OpenSession]] = {
        "alf": lambda: alf_session,
        "ibl": lambda: fascicle.find(archives=ibl)[0],
        "vbn": lambda: fascicle.open(vbn).open(VBN),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ALFWarning)
        found = responses(sessions[name]())
        if name == "ibl":
            was = responses(alf_session)
            assert set(was) == set(found)
            assert all(np.allclose(found[key], was[key]) for key in was)
    assert len(found) > 3


def test_getting_makes_a_folder_of_alf_files(vbn: Path, tmp_path: Path) -> None:
    result = fascicle.get(fascicle.open(vbn), to=tmp_path / "alf", datasets=["licks", "trials"])
    result.run(progress=False)
    folder, archive = fascicle.open(tmp_path / "alf"), fascicle.open(vbn)
    assert isinstance(folder, FolderArchive)
    assert folder.catalogue().eids() == archive.catalogue().eids()
    for session in fascicle.find(archives=archive):
        here = folder.open(session.eid)
        assert here.list() == session.list(["licks", "trials"])
        trials = session.load("trials")
        assert here.load("trials").keys() == trials.keys()
        assert np.array_equal(here.load("trials").intervals, trials.intervals)
    here = fascicle.get(archive.open(VBN), datasets="licks")
    assert [item.target for item in here.items] == archive.open(VBN).files("licks")


def test_pickled_sessions_read(vbn: Path) -> None:
    session = fascicle.open(vbn).open(VBN)
    session.load("licks")
    copy = pickle.loads(pickle.dumps(session))
    assert np.array_equal(copy.load("licks").times, session.load("licks").times)


def test_loads_are_recorded(vbn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASCICLE_RECORD", str(tmp_path / "record"))
    session = fascicle.open(vbn).open(VBN)
    session.load("licks")
    analysis.spike_times(analysis.units(session).iloc[0])
    text = "".join(f.read_text() for f in (tmp_path / "record").rglob("*") if f.is_file())
    assert "alf/licks.times.npy" in text and "alf/probeA/spikes.times.npy" in text


def test_availability_of_nwb(vbn: Path) -> None:
    table = fascicle.availability(archives=vbn)
    both = table.set_index("subject")
    assert both.loc["524761", ["trials", "wheel", "licks", "spikes", "histology"]].all()
    assert not both.loc["540536", "spikes"]


# -- the ONE interface -----------------------------------------------------------------------------


def test_the_verbs_of_one(vbn: Path) -> None:
    one = One(cache_dir=vbn)
    (eid,) = one.search(dataset="spikes.times")
    session = fascicle.open(vbn).open(VBN)
    assert eid == session.eid
    assert one.list_datasets(eid) == session.list()
    assert one.list_collections(eid) == ["alf", "alf/probeA", "alf/probeB"]
    spikes = one.load_object(eid, "spikes", collection="alf/probeA")
    assert np.array_equal(spikes.times, session.load("spikes", collection="alf/probeA").times)
    assert one.load_dataset(eid, "licks.times").size == session.load("licks").times.size
    assert one.load_object(eid, "trials").keys() == session.load("trials").keys()
    assert one.eid2ref(eid)["subject"] == "524761"
    files = one.load_object(eid, "wheel", download_only=True)
    assert all(file.is_file() for file in files)
    with pytest.raises(ALFObjectNotFound):
        one.load_object(eid, "nothing")


def test_one_on_the_layout_of_ibl(ibl: Path, alf_session: OpenSession) -> None:
    one = One(cache_dir=ibl)
    trials = one.load_object(alf_session.eid, "trials", collection="alf")
    assert np.array_equal(trials.choice, alf_session.load("trials", collection="alf").choice)
    copy = pickle.loads(pickle.dumps(one))
    assert copy.load_dataset(alf_session.eid, "_ibl_wheel.position.npy").size
