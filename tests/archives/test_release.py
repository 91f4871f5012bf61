"""A release passes the contract of archives, wherever it lies and whoever published it."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid3

import numpy as np
import pytest

import fascicle
from fascicle.archives import FolderArchive
from fascicle.archives.base import DatasetRef
from fascicle.archives.release import ReleaseArchive
from fascicle.catalogue.identity import NAMESPACE
from fascicle.demo.release import BUCKET, PROJECT, make_release
from fascicle.errors import (
    ALFObjectNotFound,
    BadFileError,
    ConfigurationError,
    HashMismatch,
    IncompleteWarning,
    ManifestError,
    NotFoundError,
    NotHereError,
    OfflineError,
    SearchTermError,
    SessionNotFound,
    VersionNotFound,
)
from fascicle.releases import publish
from fascicle.testing import ArchiveTests
from fascicle.testing.s3 import S3Server

from .publisher import into_folder

LAB = "s3://lab-bucket/lab"
VBN = f"s3://{BUCKET}"
ATLAS = "s3://cell-atlas"


@pytest.fixture(scope="session")
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture(scope="session")
def filled(server: S3Server, lab_folder: Path) -> S3Server:
    """Return a server with a lab's release, an Allen one, and one of the form of the ABC Atlas."""
    server.make_bucket("lab-bucket")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "of-a-test")
        publish(lab_folder, version="1.0.0", to=LAB, endpoint=server.url, progress=False)
    server.make_bucket(BUCKET)
    make_release(lambda key, data, **_: server.put(BUCKET, key, data))
    server.make_bucket("cell-atlas")
    for date, key, data in atlas_files():
        server.put("cell-atlas", key, data)
    return server


@pytest.fixture
def endpoint(filled: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", filled.url)
    monkeypatch.setenv("FASCICLE_PROGRESS", "0")
    return filled.url


@pytest.fixture(scope="session")
def published(lab_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that a lab was published to."""
    root = tmp_path_factory.mktemp("published") / "lab"
    publish(lab_folder, version="1.0.0", project="lab", to=root, progress=False)
    return root


@pytest.fixture(scope="session")
def zipped(published: Path, lab_folder: Path) -> Path:
    """Return a ZIP file with the same."""
    path = published.parent / "lab.zip"
    publish(lab_folder, version="1.0.0", project="lab", to=path, progress=False)
    return path


def atlas_files(
    path: str = "expression_matrices/WMB-10X/20230630/WMB-10X-log2.h5ad",
) -> Iterator[tuple[str, str, bytes]]:
    """Go through the objects of two synthetic releases of the ABC Atlas' form."""
    table = b"cell,class\n1,IT\n"
    matrix = b"not a matrix" * 50

    def entry(place: str, content: bytes) -> dict[str, object]:
        return {
            "version": "20230630",
            "relative_path": place,
            "url": f"https://cell-atlas.s3.us-west-2.amazonaws.com/{place}",
            "size": len(content),
            "file_hash": hashlib.md5(content).hexdigest(),
        }

    listing = {
        "WMB-10X": {
            "expression_matrices": {"WMB-10X": {"log2": {"files": {"h5ad": entry(path, matrix)}}}},
        },
        "WMB-taxonomy": {
            "metadata": {
                "terms": {"files": {"csv": entry("metadata/WMB-taxonomy/20231215/t.csv", table)}}
            },
        },
    }
    yield "", path, matrix
    yield "", "metadata/WMB-taxonomy/20231215/t.csv", table
    for version, keep in (("20230830", ["WMB-10X"]), ("20240330", list(listing))):
        document = {
            "version": version,
            "resource_uri": "s3://cell-atlas/",
            "directory_listing": {name: {"directories": {}} for name in keep},
            "file_listing": {name: listing[name] for name in keep},
        }
        yield version, f"releases/{version}/manifest.json", json.dumps(document).encode()


# -- the contract ---------------------------------------------------------------------------------


class TestOwnFolder(ArchiveTests):
    @pytest.fixture
    def archive(self, published: Path) -> ReleaseArchive:
        return ReleaseArchive(published)


class TestOwnZip(ArchiveTests):
    @pytest.fixture
    def archive(self, zipped: Path, endpoint: str) -> ReleaseArchive:
        return ReleaseArchive(zipped)


class TestOwnBucket(ArchiveTests):
    @pytest.fixture
    def archive(self, endpoint: str) -> ReleaseArchive:
        return ReleaseArchive(LAB, version="1.0.0")


class TestAllen(ArchiveTests):
    @pytest.fixture
    def archive(self, endpoint: str) -> ReleaseArchive:
        return ReleaseArchive(f"{VBN}@0.10.0")


class TestAtlas(ArchiveTests):
    @pytest.fixture
    def archive(self, endpoint: str) -> ReleaseArchive:
        return ReleaseArchive(ATLAS)


# -- what fascicle published ----------------------------------------------------------------------


def test_a_release_has_what_its_folder_has(
    published: Path, zipped: Path, lab_folder: Path, endpoint: str
) -> None:
    folder = FolderArchive(lab_folder)
    ids = folder.catalogue().eids()
    for place in (published, zipped, LAB):
        release = fascicle.open(place)
        cat, of_folder = release.catalogue(), folder.catalogue()
        assert set(cat.eids()) == set(ids)
        for eid in ids:
            here, there = release.open(eid), folder.open(eid)
            assert here.list(every_revision=True) == there.list(every_revision=True)
            assert here.record[:7] == there.record[:7]
            assert [p.pid for p in here.insertions] == [p.pid for p in there.insertions]
            for probe in here.insertions:
                assert cat.regions(probe.pid) == of_folder.regions(probe.pid)
        for region in ("TH", "VISp", "root"):
            assert set(fascicle.find(region=region, archives=release).eids) == set(
                fascicle.find(region=region, archives=folder).eids
            )
        session = fascicle.find(datasets="trials", archives=release)[0]
        trials, truth = session.load("trials"), folder.open(session.eid).load("trials")
        assert trials.keys() == truth.keys()
        assert np.array_equal(trials["choice"], truth["choice"])


def test_a_published_folder_is_used_where_it_is_and_left_as_it_is(published: Path) -> None:
    before = sorted(published.rglob("*"))
    release = fascicle.open(published)
    session = fascicle.find(datasets="trials", archives=release)[0]
    session.load("trials")
    assert session.file(session.list()[0]).is_relative_to(published)
    assert session.path.is_dir()
    assert sorted(published.rglob("*")) == before


def test_two_versions_of_a_folder_do_not_mix(lab_folder: Path, tmp_path: Path) -> None:
    folder, root = tmp_path / "lab", tmp_path / "published"
    shutil.copytree(lab_folder, folder)
    publish(folder, version="1.0.0", project="lab", to=root, progress=False)
    lab = FolderArchive(folder)
    session = fascicle.find(datasets="trials", archives=lab)[0]
    name = session.list("trials.stimOff_times")[0]
    first = np.load(session.file(name))
    np.save(session.file(name), -first)
    removed = fascicle.find(archives=lab)[-1]
    shutil.rmtree(removed.path)
    fascicle.index(folder)
    publish(folder, version="1.1.0", project="lab", to=root, progress=False)
    new, old = fascicle.open(root), fascicle.open(f"{root}@1.0.0")
    assert isinstance(new, ReleaseArchive) and new.versions == ["1.0.0", "1.1.0"]
    assert np.array_equal(np.load(old.open(session.eid).file(name)), first, equal_nan=True)
    assert np.array_equal(np.load(new.open(session.eid).file(name)), -first, equal_nan=True)
    assert set(old.catalogue().eids()) - set(new.catalogue().eids()) == {removed.eid}
    assert old.open(removed.eid).file(removed.list()[0]).is_file()
    for release in (new, old):
        found = fascicle.find(region="root", archives=release)
        assert len(found) and "@" not in new.name


def test_a_release_as_a_notebook_shows_it(published: Path) -> None:
    archive = ReleaseArchive(published)
    assert str(published) in archive._repr_html_() and "<table>" not in archive._repr_html_()
    archive.catalogue()
    shown = archive._repr_html_()
    assert "<table>" in shown and archive.manifest.project in shown and archive.version in shown


def test_a_store_takes_the_files_of_a_folder(published: Path, tmp_path: Path) -> None:
    release = fascicle.open(published, store=tmp_path / "store")
    session = fascicle.find(datasets="trials", archives=release)[0]
    assert session.file(session.list()[0]).is_relative_to(tmp_path / "store" / "lab-1.0.0")


def test_a_changed_file_of_a_folder_is_refused(published: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(published, copy)
    release = fascicle.open(copy)
    session = fascicle.find(datasets="trials", archives=release)[0]
    name = session.list("trials")[0]
    path = session.file(name)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(HashMismatch):
        session.file(name)
    path.unlink()
    with pytest.raises(NotHereError, match="not in"):
        session.file(name)


def test_a_moved_or_mirrored_release_is_read_from_where_it_is(
    published: Path, server: S3Server, endpoint: str
) -> None:
    server.make_bucket("mirror")
    for file in published.rglob("*"):
        if file.is_file():
            key = f"deep/down/{file.relative_to(published).as_posix()}"
            server.put("mirror", key, file.read_bytes())
    for place in ("s3://mirror/deep/down", "s3://mirror/deep"):
        session = fascicle.open(place).open(fascicle.open(published).catalogue().eids()[0])
        assert session.file(session.list()[0]).is_file()


def test_an_object_is_brought_in_one_batch(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from fascicle.transfer.plan import Plan

    runs: list[int] = []
    run = Plan.run
    monkeypatch.setattr(
        Plan, "run", lambda self, **kw: (runs.append(len(self)), run(self, **kw))[1]
    )
    release = fascicle.open(LAB)
    session = fascicle.find(datasets="trials", archives=release)[0]
    runs.clear()
    n = len(session.list("trials"))
    session.load("trials")
    assert n > 1 and runs == [n]
    session.load("trials")
    assert runs == [n]


# -- an Allen release -----------------------------------------------------------------------------


def test_sessions_have_ids_of_two_kinds(endpoint: str) -> None:
    release = fascicle.open(VBN)
    session = release.open("1044385384")
    assert session.eid == uuid3(UUID(bytes=NAMESPACE), f"{PROJECT}/1044385384")
    assert release.open("1044417628") == session  # its behaviour has an id of its own
    frame = fascicle.find(archives=release).frame
    assert set(frame["native_id"]) >= {"1044385384"}
    assert len(set(frame["native_id"])) == len(frame)
    assert session.lab == "" and session.record.projects == PROJECT
    assert session.record.task_protocol.startswith("EPHYS_1_images_")
    (probe, *_) = session.insertions
    assert probe.pid == uuid3(session.eid, probe.name)
    assert probe.extra == {"ecephys_probe_id": 1044506933}


def test_the_catalogue_is_that_of_the_tables(endpoint: str) -> None:
    release = fascicle.open(VBN)
    assert isinstance(release, ReleaseArchive)
    assert release.version == "0.10.0" and release.versions == ["0.1.0", "0.2.0", "0.3.0", "0.10.0"]
    sessions, training = release.table("ecephys_sessions"), release.table("behavior_sessions")
    n = len(sessions) + training["ecephys_session_id"].isna().sum()
    assert release.catalogue().n_sessions == n
    assert release.catalogue().n_datasets == len(release.manifest.data_files)
    assert release.catalogue().n_insertions == len(release.table("probes"))
    channels = release.table("channels")
    for probe in release.catalogue().insertions():
        rows = channels[channels["ecephys_probe_id"] == probe.extra["ecephys_probe_id"]]
        known = rows["structure_acronym"].dropna()
        counts = known[known != "root"].value_counts().to_dict()
        atlas = fascicle.atlas.Regions()
        found = release.catalogue().regions(probe.pid)
        assert {atlas.acronym(ccf): n for ccf, n in found.items()} == counts
    by_day = fascicle.find(archives=release).frame.groupby(["subject", "date"])["number"]
    assert all(sorted(numbers) == list(range(1, len(numbers) + 1)) for _, numbers in by_day)


def test_one_search_covers_a_folder_and_releases(lab_folder: Path, endpoint: str) -> None:
    task = FolderArchive(lab_folder).open(FolderArchive(lab_folder).catalogue().eids()[0])
    found = fascicle.find(
        session_type=["EPHYS*", task.record.task_protocol],
        archives=[lab_folder, VBN, f"{VBN}/{PROJECT}@0.3.0"],
    )
    frame = found.frame
    assert set(frame["archive"]) == {str(lab_folder), VBN, f"{VBN}/{PROJECT}@0.3.0"}
    assert set(frame.loc[frame["archive"] == str(lab_folder), "native_id"]) == {""}
    region = fascicle.find(region="VISp", archives=[lab_folder, VBN])
    assert {s.archive.name for s in region} >= {VBN}
    assert "native_id" not in fascicle.find(archives=lab_folder).frame
    with pytest.raises(SearchTermError, match="two words"):
        fascicle.find(task="x", session_type="x", archives=VBN)


def test_versions_are_chosen_and_do_not_mix(endpoint: str) -> None:
    new, old = fascicle.open(VBN), fascicle.open(VBN, version="0.2.0")
    assert old.name == f"{VBN}@0.2.0" and new.name == VBN
    assert len(old.catalogue().eids()) == len(new.catalogue().eids()) - 1
    first = old.open("1044385384")
    second = new.open("1044385384")
    name = "ecephys_session_1044385384.nwb"
    assert first.list() == second.list() and name in first.list()
    corrected = [session.file(name).read_bytes() for session in (first, second)]
    assert corrected[0] != corrected[1]
    with pytest.raises(VersionNotFound, match="has no release"):
        fascicle.open(VBN, version="0.2.1")
    with pytest.raises(ConfigurationError, match="leave out one"):
        fascicle.open(f"{VBN}@0.2.0", version="0.3.0")
    for place in (
        f"https://{BUCKET}.s3.us-west-2.amazonaws.com/{PROJECT}/manifests/{PROJECT}"
        "_project_manifest_v0.2.0.json",
        f"{endpoint}/{BUCKET}/{PROJECT}/manifests/{PROJECT}_project_manifest_v0.2.0.json",
    ):
        named = fascicle.open(place)
        assert isinstance(named, ReleaseArchive) and named.version == "0.2.0"
        assert named.catalogue().eids() == old.catalogue().eids()
        assert fascicle.open(named.name).catalogue().eids() == old.catalogue().eids()


def test_a_copy_keeps_the_version(endpoint: str, server: S3Server) -> None:
    server.make_bucket("growing")
    put = lambda key, data, **_: server.put("growing", key, data)  # noqa: E731
    make_release(put, bucket="growing", versions=("0.1.0",))
    release = fascicle.open("s3://growing")
    found = fascicle.find(archives=release)
    make_release(put, bucket="growing", versions=("0.1.0", "0.10.0"))
    copy = pickle.loads(pickle.dumps(found))
    assert copy.eids == found.eids and copy.archives[0].version == "0.1.0"
    assert release.version == "0.1.0" and release.versions[-1] == "0.10.0"
    release.refresh()
    assert release.version == "0.10.0"


def test_tables_and_joins(endpoint: str) -> None:
    release = fascicle.open(VBN)
    assert isinstance(release, ReleaseArchive)
    units = release.table("units", join=["channels", "probes", "ecephys_sessions"])
    assert {"channel_valid_data", "probe_name", "session_genotype"} <= set(units.columns)
    assert str(units["session_date_of_acquisition"].dtype).startswith("datetime64")
    units["probe_name"] = "mine"
    assert "mine" not in set(release.table("units", join="probes")["probe_name"])
    with pytest.raises(NotFoundError, match="has no table 'unit'") as caught:
        release.table("unit")
    assert "units" in caught.value.hint
    with pytest.raises(ConfigurationError, match="do not belong"):
        release.table("probes", join="channels")
    assert "units" in release.tables


def test_units_come_from_the_table(lab_folder: Path, endpoint: str) -> None:
    release = fascicle.open(VBN)
    assert isinstance(release, ReleaseArchive)
    truth = release.table("units")
    units = fascicle.units(archives=release)
    assert len(units) == len(truth) and set(units["cluster_id"]) == set(truth.index)
    row = units.set_index("cluster_id").loc[truth.index[5]]
    assert row["snr"] == truth["snr"].iloc[5]
    assert row["channel"] == truth["ecephys_channel_id"].iloc[5]
    assert row["label"] == float(truth["quality"].iloc[5] == "good")
    session = release.open(str(truth["ecephys_session_id"].iloc[5]))
    assert row["eid"] == str(session.eid) and row["subject"] == session.subject
    assert row["pid"] in {str(p.pid) for p in session.insertions}
    here = fascicle.units(region="VISp", label=1, archives=[lab_folder, VBN])
    of_release = truth[(truth["structure_acronym"] == "VISp") & (truth["quality"] == "good")]
    assert (here["archive"] == VBN).sum() == len(of_release)
    found = fascicle.find(region="VISp", archives=release)
    assert len(fascicle.units(found, region="VISp", label=1)) == len(of_release)
    assert fascicle.units(archives=f"{VBN}@0.1.0")["label"].isna().all()  # had no quality
    with pytest.warns(IncompleteWarning, match="no spike times"):
        fascicle.units(archives=release, spikes=True)


def test_a_store_of_allensdk_is_reused_and_opens_by_itself(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fascicle.projects import VisualBehaviorNeuropixelsProjectCache as Cache

    cache = Cache.from_s3_cache(tmp_path / "vbn")
    cache.download_data("0")
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    release = fascicle.open(VBN, store=tmp_path / "vbn")
    session = release.open("1044385384")
    assert session.file(session.list()[0]) == cache.data_path("0")["local_path"]
    by_itself = fascicle.open(tmp_path / "vbn")
    assert by_itself.open("1044385384").file(session.list()[0]).is_file()


# -- without a network, without leave to write ----------------------------------------------------


def test_offline(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    release = fascicle.open(VBN)
    session = release.open("1044385384")
    file = session.file(session.list()[0])
    other = fascicle.find(datasets="*.nwb", archives=release)
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    again = fascicle.open(VBN)
    assert isinstance(again, ReleaseArchive) and again.versions == ["0.10.0"]
    assert again.open("1044385384").file(session.list()[0]) == file
    refs = [DatasetRef(s.eid, s.list()[0]) for s in other]
    with pytest.raises(OfflineError, match=r"7 files .*are not in"):
        again.bring(refs)
    with pytest.raises(NotHereError, match="nothing of"):
        fascicle.open("s3://never-seen/project")
    with pytest.raises(OfflineError, match="units"):
        again.table("units")


def test_a_server_that_is_gone(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fascicle.open(VBN, store=tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.warns(IncompleteWarning, match="newer ones are not"):
        assert fascicle.open(VBN, store=tmp_path).catalogue().n_sessions
    assert fascicle.open(f"{VBN}@0.10.0", store=tmp_path).catalogue().n_sessions  # not even asked


def test_a_read_only_store(endpoint: str, tmp_path: Path) -> None:
    store = tmp_path / "store"
    release = fascicle.open(f"{VBN}@0.10.0", store=store)
    session = release.open("1044385384")
    name = session.list()[0]
    file = session.file(name)
    shutil.rmtree(store / ".fascicle" / "catalogues")
    code = (
        "import fascicle, sys, pathlib\n"
        "r = fascicle.open(sys.argv[1], store=sys.argv[2])\n"
        "s = r.open('1044385384')\n"
        "print(s.file(sys.argv[3]), len(r.catalogue().eids()), len(r.table('channels')))\n"
    )
    mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
    command = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    command += ["sh", "-c", mount, "sh", str(store), sys.executable, "-c", code]
    run = subprocess.run(
        [*command, f"{VBN}@0.10.0", str(store), name], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split()[:2] == [str(file), str(release.catalogue().n_sessions)]
    assert not (store / ".fascicle" / "catalogues").exists()


def test_a_catalogue_is_made_once(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from fascicle.archives.adapters import allen

    fascicle.open(VBN)
    made: list[str] = []
    columns = allen.columns
    monkeypatch.setattr(allen, "columns", lambda m, *a: (made.append(m.version), columns(m, *a))[1])
    fascicle.open(VBN)
    assert made == []
    fascicle.open(f"{VBN}@0.1.0")
    assert made == ["0.1.0"]
    (kept, *_) = fascicle.open(f"{VBN}@0.1.0").store.glob(".fascicle/catalogues/*")  # type: ignore[union-attr]
    (kept / "catalogue.bin").write_bytes(b"harmed")
    for version in ("0.1.0", "0.10.0"):
        assert fascicle.open(f"{VBN}@{version}").catalogue().n_sessions
    assert len(made) == 2


def test_a_second_opening_needs_neither_tables_nor_pandas(endpoint: str) -> None:
    release = fascicle.open(f"{VBN}@0.10.0")
    for table in release.store.rglob("*.csv"):  # type: ignore[union-attr]
        table.unlink()
    code = (
        "import fascicle, sys\n"
        "found = fascicle.find(region='VISp', session_type='EPHYS*', archives=sys.argv[1])\n"
        "print(len(found.eids), sorted({'pandas', 'numpy', 'pyarrow'} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", code, release.name]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    n = len(fascicle.find(region="VISp", session_type="EPHYS*", archives=release))
    assert run.stdout.split(maxsplit=1) == [str(n), "[]\n"]


# -- which release is meant -----------------------------------------------------------------------


def test_buckets_with_one_project_and_with_several(
    endpoint: str, server: S3Server, published: Path
) -> None:
    assert fascicle.open("s3://lab-bucket").name == "s3://lab-bucket"
    server.make_bucket("two-projects")
    for project in ("first", "second"):
        for file in published.rglob("*.*"):
            if file.is_file():
                key = (
                    file.relative_to(published)
                    .as_posix()
                    .replace("/lab_project", f"/{project}_project")
                )
                data = file.read_bytes()
                if key.startswith("manifests"):
                    data = data.replace(
                        b'"project_name": "lab"', f'"project_name": "{project}"'.encode()
                    )
                server.put("two-projects", f"{project}/{key}", data)
    with pytest.raises(ConfigurationError, match="2 projects: first, second") as caught:
        fascicle.open("s3://two-projects")
    assert "s3://two-projects/first" in caught.value.hint
    server.make_bucket("no-project")
    with pytest.raises(NotFoundError, match="no release"):
        fascicle.open("s3://no-project")


def test_names_in_the_environment(
    lab_folder: Path, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fascicle.archives.opening import named_archives

    given = f"{lab_folder}:s3://a/b@1.0.0:https://h:8080/x.json:~/data:http://h:80:/mnt"
    monkeypatch.setenv("FASCICLE_ARCHIVES", given)
    assert named_archives() == [
        str(lab_folder),
        "s3://a/b@1.0.0",
        "https://h:8080/x.json",
        "~/data",
        "http://h:80",
        "/mnt",
    ]
    monkeypatch.setenv("FASCICLE_ARCHIVES", f"{VBN}@0.3.0:{lab_folder}")
    assert {s.archive.name for s in fascicle.find()} == {f"{VBN}@0.3.0", str(lab_folder)}


def test_a_folder_with_an_index_of_its_own_is_a_folder(published: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(published, copy)
    assert isinstance(fascicle.open(copy), ReleaseArchive)
    fascicle.index(copy)
    assert isinstance(fascicle.open(copy), FolderArchive)
    assert isinstance(fascicle.open(copy, version="1.0.0"), ReleaseArchive)
    assert isinstance(fascicle.open(f"{copy}@1.0.0"), ReleaseArchive)


def test_an_address_that_is_no_manifest(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match="no address of a manifest"):
        fascicle.open("https://example.org/data/project.json")
    with pytest.raises(ConfigurationError, match="open already"):
        fascicle.open(fascicle.open(VBN), version="0.1.0")


# -- the ABC Atlas' form --------------------------------------------------------------------------


def test_directories_of_the_atlas_are_sessions(endpoint: str) -> None:
    release = fascicle.open(ATLAS)
    assert isinstance(release, ReleaseArchive)
    assert (release.version, release.versions) == ("20240330", ["20230830", "20240330"])
    assert fascicle.open(f"{ATLAS}@20230830").catalogue().n_sessions == 1
    session = release.open("WMB-taxonomy")
    assert (session.subject, str(session.date)) == ("WMB-taxonomy", "2023-12-15")
    file = session.file("t.csv")
    assert file == release.store / "metadata/WMB-taxonomy/20231215/t.csv"
    (source,) = release.locate([DatasetRef(session.eid, "t.csv")])
    assert source.algorithm == "md5" and source.size == file.stat().st_size
    with pytest.warns(IncompleteWarning, match="does not say where"):
        assert len(fascicle.find(region="VISp", archives=release)) == 0


# -- releases that mean harm ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["data_files"]["0"].update(path="../../evil"),
        lambda d: d["data_files"]["0"].update(path="/evil"),
        lambda d: d["data_files"]["0"].update(path=".fascicle/ledger/x.json"),
        lambda d: d["data_files"]["0"].update(url="https://lab-bucket.s3.amazonaws.com/other/x"),
        lambda d: d["data_files"]["0"].update(
            url="https://lab-bucket.s3.amazonaws.com/lab/../../etc/passwd"
        ),
        lambda d: d.update(manifest_version="2.0.0"),
        lambda d: d.update(project_name="other"),
        lambda d: d["metadata_files"].pop("datasets.pqt"),
    ],
)
def test_manifests_that_lie(
    change: object, lab_folder: Path, tmp_path: Path, published: Path
) -> None:
    root = tmp_path / "deep" / "lab"
    shutil.copytree(published, root)
    file = root / "manifests" / "lab_project_manifest_v1.0.0.json"
    document = json.loads(file.read_bytes())
    change(document)  # type: ignore[operator]
    file.write_text(json.dumps(document))
    before = sorted(p for p in tmp_path.rglob("*") if root not in p.parents)
    for store in (None, tmp_path / "deep" / "store"):
        with pytest.raises(ManifestError):
            fascicle.open(root, store=store)
    after = sorted(p for p in tmp_path.rglob("*") if root not in p.parents)
    assert [p for p in after if p not in before and "store" not in p.parts] == []


@pytest.mark.parametrize("content", [b"", b"PAR1", b"eid,lab\n", b"\0" * 1000])
@pytest.mark.parametrize("table", ["sessions.pqt", "datasets.pqt", "insertions.pqt"])
def test_tables_that_are_none(table: str, content: bytes, published: Path, tmp_path: Path) -> None:
    root = tmp_path / "lab"
    shutil.copytree(published, root)
    (root / table).write_bytes(content)
    with pytest.raises(HashMismatch):
        fascicle.open(root)
    file = root / "manifests" / "lab_project_manifest_v1.0.0.json"
    document = json.loads(file.read_bytes())
    document["metadata_files"][table] |= {
        "file_hash": hashlib.blake2b(content).hexdigest(),
        "size": len(content),
    }
    file.write_text(json.dumps(document))
    with pytest.raises(BadFileError, match="the tables of"):
        fascicle.open(root)


def test_links_in_a_published_folder(published: Path, tmp_path: Path) -> None:
    root = tmp_path / "lab"
    shutil.copytree(published, root)
    secret = tmp_path / "secret"
    secret.write_bytes(b"a password")
    release = fascicle.open(root)
    session = fascicle.find(datasets="trials", archives=release)[0]
    name = session.list("trials")[0]
    path = session.file(name)
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(OSError, match="link"):
        session.file(name)


@pytest.mark.parametrize(
    "path", ["../evil", "/evil", "a/../../evil", ".fascicle/x", "releases/x", "C:/x"]
)
def test_an_atlas_that_leads_out(path: str, tmp_path: Path) -> None:
    root = tmp_path / "deep" / "atlas"
    for _, key, data in atlas_files(path):
        if key.startswith("releases/2"):
            into_folder(root)(key, data)
    with pytest.raises(ManifestError):
        fascicle.open(root)
    assert [p.name for p in tmp_path.iterdir()] == ["deep"]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"version": "20240330"}', b'{"version": 1, "file_listing": {}}', b"[" * 100_000],
)
def test_what_is_no_manifest_of_the_atlas(content: bytes, tmp_path: Path) -> None:
    into_folder(tmp_path)("releases/20240330/manifest.json", content)
    with pytest.raises(ManifestError):
        fascicle.open(tmp_path)


# -- names that people type -----------------------------------------------------------------------


@pytest.mark.parametrize("place", [f"{VBN}@v0.3.0", f"{VBN}/{PROJECT}@v0.3.0"])
def test_a_version_may_have_a_v_before_it(endpoint: str, place: str) -> None:
    assert fascicle.open(place).version == "0.3.0"  # type: ignore[attr-defined]
    assert fascicle.open(VBN, version="v0.3.0") == ReleaseArchive(f"{VBN}@0.3.0")


def test_what_is_no_version_is_called_so(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match="'latest' behind the @"):
        fascicle.open(f"{VBN}@latest")


def test_sessions_are_called_by_the_ids_of_the_release(endpoint: str) -> None:
    archive = fascicle.open(VBN)
    native = next(iter(archive.catalogue().meta["native_ids"].values()))
    assert repr(archive.open(native)).startswith(f"<session {native} of ")
    with pytest.raises(SessionNotFound, match="has no session 12345") as caught:
        archive.open("12345")
    assert "native_id" in caught.value.hint


def test_a_file_that_is_no_object_is_called_so(endpoint: str) -> None:
    session = fascicle.find(region="VISp", archives=VBN)[0]
    name = session.list()[0]
    with pytest.raises(ALFObjectNotFound, match="is a file, and no object") as caught:
        session.load(name)
    assert f'session.file("{name}")' in caught.value.hint


def test_subjects_may_be_numbers(endpoint: str) -> None:
    subject = fascicle.find(region="VISp", archives=VBN).frame["subject"][0]
    found = fascicle.find(subject=int(subject), archives=VBN)
    assert found.frame["subject"].unique().tolist() == [subject]
    assert len(found) == len(fascicle.find(subject=subject, archives=VBN))


def test_an_empty_answer_of_a_release_says_why(endpoint: str) -> None:
    assert "no subject is '1'" in repr(fascicle.find(subject=[1], archives=VBN))
    with pytest.warns(IncompleteWarning, match="which side of the brain"):
        assert not fascicle.find(region="VISp", hemisphere="left", archives=VBN)


def test_lists_in_tables_are_ones_own(endpoint: str) -> None:
    archive = ReleaseArchive(VBN)
    for join in ("", "ecephys_sessions"):
        archive.table("probes", join=join or ())["structure_acronyms"].iloc[0].append("mine")
    archive.table("units", join="probes")["probe_structure_acronyms"].iloc[0].append("mine")
    assert "mine" not in archive.table("probes")["structure_acronyms"].sum()
    assert "size not known" in archive.open("1044385384")._repr_html_()


def test_a_description_is_given_to_open(server: S3Server, endpoint: str, tmp_path: Path) -> None:
    table = b"session,mouse,when,file_id\n1,m1,2020-01-01 10:00:00,0\n2,m2,2020-01-02 10:00:00,1\n"
    server.make_bucket("own-data")

    def entry(path: str, content: bytes) -> dict[str, str]:
        return {
            "url": f"https://own-data.s3.eu-west-1.amazonaws.com/own/{path}",
            "version_id": server.put("own-data", f"own/{path}", content),
            "file_hash": hashlib.blake2b(content).hexdigest(),
        }

    document = {
        "project_name": "own",
        "manifest_version": "1.0.0",
        "metadata_file_id_column_name": "file_id",
        "data_pipeline": [],
        "metadata_files": {"sessions": entry("project_metadata/sessions.csv", table)},
        "data_files": {str(n): entry(f"raw/{n}.nwb", b"%d" % n) for n in range(2)},
    }
    key = "own/manifests/own_project_manifest_v1.0.0.json"
    server.put("own-data", key, json.dumps(document).encode())
    described = tmp_path / "own.toml"
    described.write_text(
        'project = "own"\ntitle = "Own"\nbucket = "own-data"\n'
        '[tables.sessions]\nindex = "session"\ndates = ["when"]\n'
        '[catalogue]\nsessions = ["sessions"]\nsubject = "mouse"\ndate = "when"\n'
    )
    archive = fascicle.open("s3://own-data", project=described)
    found = fascicle.find(date="2020-01-02", archives=[archive])
    assert found.frame[["subject", "native_id"]].to_numpy().tolist() == [["m2", "2"]]
    assert found[0].file("1.nwb").read_bytes() == b"1"
    assert pickle.loads(pickle.dumps(archive)).open("1").list() == ["0.nwb"]
