"""Releases whose sessions are NWB files: under ALF names too, brought whole or read by ranges."""

from __future__ import annotations

import pickle
import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import fascicle
from fascicle import analysis
from fascicle.archives.nwbrelease import NwbRelease
from fascicle.archives.release import ReleaseArchive
from fascicle.archives.session import OpenSession
from fascicle.demo.vbn import write_behavior, write_lfp, write_session
from fascicle.errors import ALFObjectNotFound, IncompleteWarning, OfflineError
from fascicle.releases import publish
from fascicle.testing import ArchiveTests
from fascicle.testing.s3 import S3Server

from .test_release_projects import mirror

SESSION, TRAINING = "1044385384", "1055240613"
PROJECT = "visual-behavior-neuropixels"
BUCKET = f"{PROJECT}-data"


def tables() -> dict[str, bytes]:
    """Return the tables of a release with one recording and one session of training."""
    return {
        "ecephys_sessions": b"ecephys_session_id,behavior_session_id,mouse_id,"
        b"date_of_acquisition,session_type,file_id\n"
        b"1044385384,1044408432,524761,2020-09-23 15:34:18,EPHYS_1_images_G_5uL_reward,0\n",
        "behavior_sessions": b"behavior_session_id,ecephys_session_id,mouse_id,"
        b"date_of_acquisition,session_type,file_id\n"
        b"1044408432,1044385384,524761,2020-09-23 15:34:18,EPHYS_1_images_G_5uL_reward,-999\n"
        b"1055240613,,540536,2020-09-23 15:34:18,TRAINING_4_images_G_training_7uL_reward,2\n",
        "probes": b"ecephys_probe_id,ecephys_session_id,name,file_id\n"
        b"1044385484,1044385384,probeA,1\n1044385485,1044385384,probeB,-999\n",
        "channels": b"ecephys_channel_id,ecephys_probe_id,structure_acronym\n"
        b"1,1044385484,CA1\n2,1044385484,VISam\n3,1044385485,VISpm\n",
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, bytes]]:
    folder = tmp_path_factory.mktemp("vbn")
    session = write_session(folder / "s.nwb").read_bytes()
    lfp = write_lfp(folder / "l.nwb").read_bytes()
    training = write_behavior(folder / "b.nwb").read_bytes()
    ecephys = f"behavior_ecephys_sessions/{SESSION}"
    return {
        "0": (f"{ecephys}/ecephys_session_{SESSION}.nwb", session),
        "1": (f"{ecephys}/probe_1044385484_lfp.nwb", lfp),
        "2": (f"behavior_only_sessions/{TRAINING}/behavior_session_{TRAINING}.nwb", training),
    }


@pytest.fixture(scope="module")
def folder(files: dict[str, tuple[str, bytes]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of such a release's bucket on disk."""
    return mirror(tmp_path_factory.mktemp("mirror") / PROJECT, PROJECT, tables(), files)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[S3Server]:
    """Return a server with such a release in a bucket."""
    with S3Server() as server:
        server.make_bucket(BUCKET)
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            key = f"{PROJECT}/{file.relative_to(folder).as_posix()}"
            server.put(BUCKET, key, file.read_bytes())
        yield server


@pytest.fixture
def remote(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> ReleaseArchive:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    monkeypatch.setenv("FASCICLE_PROGRESS", "0")
    release = fascicle.open(f"s3://{BUCKET}")
    assert isinstance(release, ReleaseArchive)
    return release


class TestMirror(ArchiveTests):
    @pytest.fixture
    def archive(self, folder: Path) -> NwbRelease:
        release = fascicle.open(folder)
        assert isinstance(release, ReleaseArchive)
        return release.alf()


class TestBucket(ArchiveTests):
    @pytest.fixture
    def archive(self, remote: ReleaseArchive) -> NwbRelease:
        return remote.alf(stream=True)


def test_lists_what_the_files_offer(remote: ReleaseArchive) -> None:
    archive = remote.alf()
    session = archive.open(SESSION)
    assert session.eid == remote.open(SESSION).eid
    assert session.collections() == ["alf", "alf/probeA", "alf/probeB"]
    assert archive.open(TRAINING).collections("trials") == ["alf"]
    assert not archive.open(TRAINING).list("spikes")
    assert fascicle.find(datasets="spikes.times", archives=archive).eids == [session.eid]
    assert fascicle.find(region="VIS", archives=archive).eids == [session.eid]
    assert {i.pid for i in session.insertions} == {i.pid for i in remote.open(SESSION).insertions}
    assert not list(remote.store.rglob("*.nwb")), "nothing was downloaded"


def test_streams_without_a_download(remote: ReleaseArchive) -> None:
    session = remote.alf(stream=True).open(SESSION)
    unit = analysis.units(session).iloc[7]
    assert analysis.spike_times(unit).size == unit.n_spikes
    assert session.load("licks").times.size
    assert not list(remote.store.rglob("*.nwb"))


def test_a_release_looks_into_its_files(remote: ReleaseArchive, folder: Path) -> None:
    session = remote.open(SESSION)
    assert session.list() == ["ecephys_session_1044385384.nwb", "probe_1044385484_lfp.nwb"]
    trials = session.load("trials")
    (file,) = remote.store.rglob("ecephys_session*.nwb")
    assert (
        file.stat().st_size
        == (folder / f"behavior_ecephys_sessions/{SESSION}/ecephys_session_{SESSION}.nwb")
        .stat()
        .st_size
    ), "it came whole"
    same = session.nwb.load("trials").stimOn_times
    assert np.array_equal(trials.stimOn_times, same, equal_nan=True)
    assert session.nwb.list("spikes", collection="alf/probeB") == [
        f"alf/probeB/spikes.{name}.npy" for name in ("amps", "clusters", "times")
    ]
    assert session.nwb.nwb == session.nwb and session.list("spikes") == []
    assert session.read("licks.times").size
    assert session.file("licks.times").is_file() and len(session.files("wheel")) == 3
    with pytest.raises(ALFObjectNotFound):
        session.load("nothing")
    with pytest.raises(ALFObjectNotFound, match=r"no\.such"):
        session.read("no.such")


def test_analyses_take_a_session_of_a_release(folder: Path) -> None:
    release = fascicle.open(folder)
    session = release.open(SESSION)
    units, trials = analysis.units(session), analysis.trials(session)
    unit = units[units.good].iloc[0]
    times = analysis.spike_times(unit)
    assert times.size == unit.n_spikes
    counts = analysis.align(times, trials.stimOn_times, (-0.2, 0.5), bin=0.1)
    assert counts.shape == (len(trials), 7)
    assert analysis.units(release, SESSION).equals(units)


def test_offline_what_is_here_is_read(
    remote: ReleaseArchive, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.open(SESSION).load("licks")
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    release = fascicle.open(f"s3://{BUCKET}")
    assert release.open(SESSION).load("trials")
    with pytest.raises(OfflineError):
        release.open(TRAINING).load("licks")


def test_a_view_pickles_and_compares(folder: Path) -> None:
    release = fascicle.open(folder)
    assert isinstance(release, ReleaseArchive)
    archive = release.alf(stream=True)
    copy = pickle.loads(pickle.dumps(archive))
    assert copy == archive != release.alf() and hash(copy) == hash(archive)
    assert copy.open(SESSION).load("licks").times.size
    assert "stream=True" in repr(archive)


def test_damaged_files_of_a_release(files: dict[str, tuple[str, bytes]], tmp_path: Path) -> None:
    broken = {**files, "2": (files["2"][0], files["2"][1][:5000])}
    release = fascicle.open(mirror(tmp_path / PROJECT, PROJECT, tables(), broken))
    assert isinstance(release, ReleaseArchive)
    with pytest.warns(IncompleteWarning, match=f"behavior_session_{TRAINING}"):
        archive = release.alf()
    assert archive.open(SESSION).load("licks").times.size
    assert archive.open(TRAINING).list() == []


def test_a_session_without_nwb_files_has_none(lab_folder: Path, tmp_path: Path) -> None:
    publish(lab_folder, version="1.0.0", project="lab", to=tmp_path / "lab", progress=False)
    session = fascicle.find(archives=tmp_path / "lab")[0]
    with pytest.raises(ALFObjectNotFound, match="no NWB file"):
        _ = session.nwb


def test_a_release_of_ours_with_nwb_files(
    files: dict[str, tuple[str, bytes]], tmp_path: Path
) -> None:
    for n, key in enumerate(("0", "2"), 1):
        file = tmp_path / f"lab/Subjects/mouse/2020-01-0{n}/001/recording.session.nwb"
        file.parent.mkdir(parents=True)
        file.write_bytes(files[key][1])
    fascicle.index(tmp_path / "lab")
    publish(tmp_path / "lab", version="1.0.0", project="mine", to=tmp_path / "mine", progress=False)
    release = fascicle.open(tmp_path / "mine")
    assert isinstance(release, ReleaseArchive)
    archive = release.alf()
    found: dict[str, OpenSession] = {str(s.date): s for s in fascicle.find(archives=archive)}
    assert found["2020-01-01"].collections("spikes") == ["alf/probeA", "alf/probeB"]
    assert found["2020-01-02"].collections() == ["alf"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert release.open("2020-01-01_1_mouse").load("licks").times.size
    shutil.rmtree(archive.store, ignore_errors=True)
    assert found["2020-01-01"].file("licks.times").is_file()
