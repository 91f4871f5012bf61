"""ALF made NWB, and read back by the verbs that read ALF: the same arrays under the same names.

Integers, flags, text and times come back to the last bit, floats too unless NWB has them in another
unit: then to 1e-12, and to 1e-6 where they are of single precision.
"""

from __future__ import annotations

import re
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import fascicle
from fascicle import analysis
from fascicle.archives import FolderArchive, NwbArchive
from fascicle.archives.release import ReleaseArchive
from fascicle.archives.session import OpenSession
from fascicle.errors import ALFObjectNotFound, ALFWarning
from fascicle.formats.nwb import NwbFile
from fascicle.formats.nwb.alf import AlfView
from fascicle.formats.nwb.records import TABLE
from fascicle.load import load_file
from fascicle.nwb.converting import convert
from fascicle.nwb.report import Report
from fascicle.nwb.writing.source import Source
from fascicle.one import One
from fascicle.releases import publish
from fascicle.testing import ArchiveTests

from .odd import odd_lab
from .real import real_lab
from .same import difference, is_time

#: All that a conversion may leave out, and why.
LEFT_OUT = {
    r"raw_ephys_data/.*\.ch": "packed",
    r"alf/probe00/ks4/spikes\..*": "another sorting",  # one for each probe
    r".*\.png": "is none that is carried",  # what nobody reads
    r"raw_passive_data/.*\.bin": "SpikeGLX",  # whose bytes are no frames
}


@dataclass
class Lab:
    """A lab, and the folder of its sessions as NWB files."""

    alf: Path
    nwb: Path
    reports: dict[str, Report]

    @property
    def sessions(self) -> Iterator[tuple[OpenSession, OpenSession, Report]]:
        """Each session as it was, as its NWB file has it, and what its conversion said."""
        converted = NwbArchive(self.nwb)
        for session in fascicle.find(archives=FolderArchive(self.alf)):
            yield session, converted.open(session.eid), self.reports[str(session.eid)]


def converted(alf: Path, nwb: Path) -> Lab:
    """Convert all sessions of a lab into one folder."""
    nwb.mkdir()
    reports = {}
    for session in fascicle.find(archives=FolderArchive(alf)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are in the report
            reports[str(session.eid)] = convert(session, nwb, check=False)
    return Lab(alf, nwb, reports)


@pytest.fixture(scope="module")
def tiny(tiny_lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return converted(tiny_lab, tmp_path_factory.mktemp("tiny") / "nwb")


@pytest.fixture(scope="module")
def real(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("real")
    return converted(real_lab(shared, folder / "alf", every=False), folder / "nwb")


@pytest.fixture(scope="module")
def every_real(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("every")
    return converted(real_lab(shared, folder / "alf"), folder / "nwb")


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("odd")
    return converted(odd_lab(folder / "alf"), folder / "nwb")


@pytest.fixture(params=["tiny", "real", "odd", pytest.param("every_real", marks=pytest.mark.long)])
def lab(request: pytest.FixtureRequest) -> Lab:
    found: Lab = request.getfixturevalue(request.param)
    return found


def check_all(lab: Lab) -> None:
    """Check that each dataset is in the file of its session as it was, or left out for a reason."""
    wrong = []
    for was, now, report in lab.sessions:
        source = Source(was)
        held = set(now.datasets.rel_paths)
        left_out = set()
        for path, why in report.left_out.items():
            left_out.add(path)
            if not any(re.fullmatch(p, path) and w in why for p, w in LEFT_OUT.items()):
                wrong.append(f"{was.record.path}/{path} is left out: {why}")
        files = {file.path: file for file in source.files}
        if held != set(files) - left_out:
            wrong.append(f"{was.record.path}: {held ^ (set(files) - left_out)}")
        for path in sorted(held & set(files)):
            wanted, found = source.load(files[path], keep=False), now.read(path)
            said = difference(found, wanted)
            if is_time(path) and isinstance(wanted, np.ndarray) and not said:
                said = "" if np.array_equal(found, wanted, equal_nan=True) else "times differ"
            if said:
                wrong.append(f"{was.record.path}/{path}: {said}")
    assert not wrong, "\n".join(wrong)


def test_each_dataset_comes_back(lab: Lab) -> None:
    check_all(lab)


@pytest.mark.long
def test_each_dataset_of_a_larger_lab_comes_back(tmp_path: Path) -> None:
    from fascicle.demo import make_lab

    alf = make_lab(tmp_path / "small", size="small")
    fascicle.index(alf)
    check_all(converted(alf, tmp_path / "nwb"))


def test_sessions_are_who_they_were(lab: Lab) -> None:
    for was, now, _ in lab.sessions:
        then, there = was.record, now.record
        assert there.eid == then.eid
        assert (there.lab, there.subject, there.date) == (then.lab, then.subject, then.date)
        assert there.number == then.number
        assert there.task_protocol == then.task_protocol or not then.task_protocol
        assert there.projects == then.projects or not then.projects
        # Probes of which something is converted: their names and ids.
        assert {i.name: i.pid for i in was.insertions}.items() <= {
            i.name: i.pid for i in now.insertions
        }.items()


def collection_of(path: str) -> str:
    return re.sub(r"(^|/)#[^#]+#$", "", path.rpartition("/")[0])


def test_the_verbs_of_one(tiny: Lab) -> None:
    alf, nwb = One(cache_dir=tiny.alf), One(cache_dir=tiny.nwb)
    assert set(nwb.search()) == set(alf.search())
    names = ("spikes.times.npy", "_ibl_trials.table.pqt", "_ibl_wheelMoves.peakAmplitude.npy")
    for name in names:
        assert set(nwb.search(dataset=name)) == set(alf.search(dataset=name)) != set()
    assert set(nwb.search(subject="NYU-01")) == set(alf.search(subject="NYU-01"))
    objects = 0
    for was, now, _ in tiny.sessions:
        kept = set(now.datasets.rel_paths)
        eid = was.eid
        assert set(nwb.list_datasets(eid)) == kept
        assert nwb.list_datasets(eid, "*spikes.*") == sorted(p for p in kept if "/spikes." in p)
        assert nwb.list_collections(eid) == sorted({collection_of(path) for path in kept})
        assert set(nwb.list_revisions(eid)) >= set(re.findall("#([^#]+)#", " ".join(kept)))
        assert set(nwb.list_revisions(eid)) <= set(alf.list_revisions(eid))
        for path in sorted(kept)[::4]:
            collection, name = collection_of(path), path.rpartition("/")[2]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ALFWarning)  # there are other revisions
                wanted = alf.load_dataset(eid, name, collection=collection)
            assert not difference(nwb.load_dataset(eid, name, collection=collection), wanted), path
        for collection in nwb.list_collections(eid):
            here = " ".join(p for p in kept if collection_of(p) == collection)
            for name in ("spikes", "clusters", "channels", "trials", "wheel", "leftCamera"):
                if re.search(rf"[/_]{name}\.", here):
                    objects += 1
                    compare(nwb, alf, eid, name, collection)
    assert objects > 30


def compare(nwb: One, alf: One, eid: Any, name: str, collection: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ALFWarning)  # there are other revisions
        wanted: Any = alf.load_object(eid, name, collection=collection)
    found: Any = nwb.load_object(eid, name, collection=collection)
    assert sorted(found) == sorted(wanted)
    for key in wanted:
        assert not difference(found[key], wanted[key]), (eid, collection, name, key)


def test_a_revision_by_its_name(tiny: Lab) -> None:
    nwb = One(cache_dir=tiny.nwb)
    for _, now, _ in tiny.sessions:
        for path in now.datasets.rel_paths:
            if "#2024-05-06#/spikes.times" in path:
                found = nwb.load_dataset(
                    now.eid,
                    "spikes.times.npy",
                    collection=collection_of(path),
                    revision="2024-05-06",
                )
                np.testing.assert_array_equal(found, now.read(path))
                return
    raise AssertionError("no session of this lab has that revision")


def test_insertions(tiny: Lab) -> None:
    alf, nwb = One(cache_dir=tiny.alf), One(cache_dir=tiny.nwb)
    eids = [eid for eid in alf.search() if alf.eid2pid(eid)[0]]
    assert len(eids) > 2
    for eid in eids:
        pids, labels = alf.eid2pid(eid)
        found = dict(zip(*nwb.eid2pid(eid), strict=True))
        for pid, label in zip(pids, labels, strict=True):
            assert found.get(pid, label) == label
            if pid in found:
                assert nwb.pid2eid(pid) == (eid, label)


def test_units_are_those_of_the_source(tiny: Lab) -> None:
    checked = 0
    for was, now, _ in tiny.sessions:
        for label in {i.name for i in was.insertions} & {i.name for i in now.insertions}:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ALFWarning)  # of revisions that it has
                wanted, found = analysis.units(was, label), analysis.units(now, label)
            assert found.cluster_id.tolist() == wanted.cluster_id.tolist()
            for k in range(0, len(wanted), 9):
                checked += 1
                np.testing.assert_array_equal(
                    analysis.spike_times(found.iloc[k]), analysis.spike_times(wanted.iloc[k])
                )
    assert checked > 20


def test_files_hold_what_loading_gives(lab: Lab) -> None:
    for _, now, _ in lab.sessions:
        for path in now.list()[::5]:
            if not path.endswith("bin"):
                assert not difference(load_file(now.file(path)), now.read(path)), path


def test_raw_recordings_are_no_files(tiny: Lab) -> None:
    for was, now, _ in tiny.sessions:
        for path in now.list("*.cbin"):
            raw = now.read(path)
            wanted = was.read(path)
            assert raw.shape == wanted.shape
            np.testing.assert_array_equal(raw[100:200, 3:9], wanted[100:200, 3:9])
            with pytest.raises(ALFObjectNotFound, match="as an array"):
                now.file(path)
            return
    raise AssertionError("no session of this lab has a raw recording")


def test_a_file_without_records_is_read_by_the_mapping(tiny: Lab, tmp_path: Path) -> None:
    """What no table says is read off the names of columns and series, as in files of others."""
    report = max(tiny.reports.values(), key=lambda one: len(one.took))
    bare = Path(shutil.copy(report.file, tmp_path / "bare.nwb"))
    with h5py.File(bare, "r+") as h5:
        del h5[TABLE]
    with NwbFile(bare) as without, NwbFile(report.file) as whole:
        found, wanted = AlfView(without), AlfView(whole)
        assert found.layout == wanted.layout == "ibl"
        names = {path.rpartition("/")[2]: path for path in wanted.offers if "probe" not in path}
        same = 0
        for path in found.offers:
            name = path.rpartition("/")[2]
            if name in names and "lightningPose" not in name:
                same += 1
                assert not difference(found.read(path), wanted.read(names[name])), path
            elif name in names:  # parts of the body by their names
                one, other = found.read(path), wanted.read(names[name])
                assert not difference(one[other.columns], other)
        assert same > 15


class TestFolderOfConverted(ArchiveTests):
    @pytest.fixture
    def archive(self, tiny: Lab) -> NwbArchive:
        return NwbArchive(tiny.nwb)


def test_a_release_of_converted_sessions(tiny: Lab, tmp_path: Path) -> None:
    """Files in the folders of their sessions are a release, which has them under ALF names too."""
    some = [one for one in tiny.sessions if one[1].insertions][:2]
    for was, _, report in some:
        folder = tmp_path / "lab" / was.record.path
        folder.mkdir(parents=True)
        shutil.copy(report.file, folder / "recording.session.nwb")
    fascicle.index(tmp_path / "lab")
    publish(tmp_path / "lab", version="1.0.0", project="mine", to=tmp_path / "mine", progress=False)
    release = fascicle.open(tmp_path / "mine")
    assert isinstance(release, ReleaseArchive)
    archive = release.alf()
    for was, now, _ in some:
        (found,) = fascicle.find(archives=archive, subject=was.subject, date=str(was.date))
        assert found.list() == now.list()
        for path in found.list("*spikes.*")[:3]:
            assert not difference(found.read(path), now.read(path))
