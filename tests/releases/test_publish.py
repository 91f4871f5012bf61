"""A folder becomes versions: what is sent, what is kept, what readers see meanwhile."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

import fascicle
from fascicle.catalogue import Catalogue
from fascicle.errors import ConfigurationError, NotReleasable, VersionExists
from fascicle.formats.manifest import parse_manifest, read_manifest
from fascicle.releases import Release, publish
from fascicle.testing.s3 import S3Server
from fascicle.transfer.places import open_place

from .labs import make_folder, save, tree

PLACES = ("folder", "s3", "no versions")


def place_of(kind: str, tmp_path: Path) -> str:
    return {
        "folder": str(tmp_path / "out" / "choice-task"),
        "s3": "s3://lab-data/sub/choice-task",
        "no versions": "s3://no-versions/choice-task",
    }[kind]


def change(folder: Path) -> None:
    """Change a file, take one away, add one, and rename one."""
    session = sorted(folder.glob("lab/Subjects/*/*/001"))[0]
    save(session / "alf/_ibl_trials.choice.npy", 10, 2, fill=99)
    (session / "alf/_ibl_trials.rewardVolume.npy").unlink()
    save(session / "alf/_ibl_trials.response.npy", 10, fill=7)
    old = session / "alf/probe00/spikes.amps.npy"
    old.rename(old.with_name("spikes.amplitudes.npy"))


@pytest.mark.parametrize("kind", PLACES)
def test_versions(kind: str, folder: Path, tmp_path: Path, s3: S3Server) -> None:
    to = place_of(kind, tmp_path)
    original = tree(folder, hidden=False)
    first = publish(folder, version="1.0.0", to=to, title="Choices", authors="Lovelace, Ada")
    assert (first.project, first.sent, first.kept, first.existing) == ("choice-task", 28, 0, False)
    assert first.hashed == 22
    changed = {k: v for k, v in tree(folder, hidden=False).items() if original.get(k) != v}
    assert set(changed) == {"sessions.pqt", "datasets.pqt"}, "its index and nothing else"

    again = publish(folder, version="1.0.0", to=to, title="Choices", authors="Lovelace, Ada")
    assert again.existing and not again.sent and not again.hashed
    more = publish(folder, version="1.1.0", to=to)
    assert not more.sent and more.kept == 28, "the same files are referred to"
    assert more.about.title == "Choices", "what is not said is as before"

    change(folder)
    last = publish(folder, version="1.2.0", to=to)
    tables = 3  # datasets twice, and the sizes of sessions
    renamed = 0 if kind != "s3" else 1  # its new name in the bucket
    assert last.sent == 2 + tables + renamed
    found = {v: Release(f"{to}@{v}") for v in ("1.0.0", "1.1.0", "1.2.0")}
    assert found["1.0.0"].versions == list(found)
    for release in found.values():
        assert release.verify() and release.verify(quick=True)
    changes = found["1.2.0"].compare("1.0.0")
    assert changes.counts() == {"created": 1, "deleted": 1, "changed": 1, "renamed": 1}
    assert not found["1.1.0"].compare(found["1.0.0"])
    # Each version is what the folder was.
    for version, content in (("1.0.0", original), ("1.2.0", tree(folder, hidden=False))):
        copy = tmp_path / version
        found[version].get(copy).run(progress=False).raise_for_failed()
        got = tree(copy, hidden=False)
        data = {k: v for k, v in content.items() if not k.endswith(".pqt")}
        assert {k: v for k, v in got.items() if k in data} == data
        extra = {k for k in got if k not in data}
        assert {k.partition("/")[0] for k in extra} <= {
            "sessions.pqt",
            "datasets.pqt",
            "insertions",
            "insertions.pqt",
            "project_metadata",
            "manifests",
        }


@pytest.mark.parametrize("kind", PLACES)
def test_what_a_manifest_says(kind: str, folder: Path, tmp_path: Path, s3: S3Server) -> None:
    to = place_of(kind, tmp_path)
    publish(folder, version="1.0.0", to=to, license="CC0-1.0", doi="doi:10.1234/x")
    release = Release(to)
    manifest = release.manifest
    assert manifest.about["license"] == "CC0-1.0" and manifest.about["doi"] == "10.1234/x"
    assert manifest.pipeline[0]["name"] == "fascicle"
    assert sorted(manifest.metadata_files) == [
        "README.md",
        "datasets",
        "datasets.pqt",
        "insertions",
        "insertions.pqt",
        "sessions",
        "sessions.pqt",
    ]
    assert [*manifest.data_files] == [str(k) for k in range(21)]
    for entry in release.files():
        assert entry.algorithm == "blake2b" and len(entry.sha256) == 64 and entry.size is not None
        assert bool(entry.version_id) is (kind == "s3")
        assert manifest.place(entry) == entry.path
    text = next(e for e in release.files() if e.key == "datasets")
    got = tmp_path / "table"
    release.get(got).run(progress=False).raise_for_failed()
    import pandas as pd

    table = pd.read_csv(got / text.path, index_col="file_id")
    assert {str(k): p for k, p in table["path"].items()} == {
        key: entry.path for key, entry in manifest.data_files.items()
    }


def test_ids_regions_and_revisions_stay(lab: Path, tmp_path: Path) -> None:
    before = Catalogue.open(lab)
    publish(lab, version="1.0.0", to=tmp_path / "out")
    publish(lab, version="1.0.0", to=tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        archive.extractall(tmp_path / "unzipped")
    for place in (tmp_path / "out", tmp_path / "x.zip", tmp_path / "unzipped"):
        after = fascicle.open(place).catalogue()
        a, b = before.datasets_frame(), after.datasets_frame()
        assert a.index.equals(b.index)
        columns = ["rel_path", "file_size", "exists", "qc", "default_revision"]
        assert a[columns].equals(b[columns])
        assert before.sessions_frame().equals(after.sessions_frame())
        assert [p[0] for p in before.insertions()] == [p[0] for p in after.insertions()]
        for probe in before.insertions():
            assert before.regions(probe.pid) == after.regions(probe.pid)
        here, there = (
            {str(s.eid) for s in fascicle.find(region="VISp", archives=[one])}
            for one in (lab, place)
        )
        assert here == there and here


def test_regions_without_the_files_of_channels(lab: Path, tmp_path: Path) -> None:
    publish(lab, version="1.0.0", to=tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        tables = [n for n in archive.namelist() if n.endswith(".pqt") and "/" not in n]
        for name in tables:
            archive.extract(name, tmp_path / "tables")
    assert len(tables) == 3
    found = Catalogue.open(tmp_path / "tables")
    before = Catalogue.open(lab)
    assert found.n_insertions == before.n_insertions
    for probe in before.insertions():
        assert before.regions(probe.pid) == found.regions(probe.pid)


def test_a_release_is_the_same_each_time(folder: Path, tmp_path: Path) -> None:
    for name in ("a.zip", "b.zip"):
        publish(folder, version="1.0.0", to=tmp_path / name, project="p-p")
    shutil.copytree(folder, tmp_path / "elsewhere", copy_function=shutil.copy2)
    shutil.rmtree(tmp_path / "elsewhere" / ".fascicle")
    publish(tmp_path / "elsewhere", version="1.0.0", to=tmp_path / "c.zip", project="p-p")
    contents = []
    for name in ("a.zip", "b.zip", "c.zip"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            files = {n: archive.read(n) for n in archive.namelist()}
        manifest = "manifests/p-p_project_manifest_v1.0.0.json"
        found = parse_manifest(files.pop(manifest))
        contents.append((files, {e.path: e.sha256 for e in found.files()}))
    assert contents[0] == contents[1] == contents[2]


def test_a_zip_holds_one_version(folder: Path, tmp_path: Path) -> None:
    to = tmp_path / "x.zip"
    publish(folder, version="1.0.0", to=to)
    before = to.read_bytes()
    assert publish(folder, version="1.0.0", to=to).existing
    with pytest.raises(VersionExists, match="another version"):
        publish(folder, version="1.1.0", to=to)
    assert to.read_bytes() == before


@pytest.mark.parametrize("kind", PLACES)
def test_versions_only_grow(kind: str, folder: Path, tmp_path: Path, s3: S3Server) -> None:
    to = place_of(kind, tmp_path)
    publish(folder, version="1.9.0", to=to)
    publish(folder, version="1.10.0", to=to)
    with pytest.raises(VersionExists, match="newer than") as caught:
        publish(folder, version="1.9.1", to=to)
    assert "1.11.0" in caught.value.hint
    change(folder)
    with pytest.raises(VersionExists, match="already"):
        publish(folder, version="1.10.0", to=to)
    with pytest.raises(ConfigurationError, match="no version"):
        publish(folder, version="2", to=to)


def test_a_dry_run_writes_nothing(folder: Path, tmp_path: Path) -> None:
    before = tree(tmp_path)
    done = publish(folder, version="1.0.0", to=tmp_path / "out", dry_run=True)
    assert done.dry_run and done.sent == 28 and len(done.files) == 28
    assert done.sent_bytes == sum(size for _, size in done.files) > 0
    after = {k: v for k, v in tree(tmp_path).items() if not k.startswith("home")}
    assert after == before and not (tmp_path / "out").exists()
    publish(folder, version="1.0.0", to=tmp_path / "out")
    change(folder)
    before = tree(tmp_path)
    plan = publish(folder, version="1.1.0", to=tmp_path / "out", dry_run=True)
    assert plan.sent == 5 and tree(tmp_path) == before


@pytest.mark.parametrize("indexed", [True, False])
def test_a_folder_that_cannot_be_written(folder: Path, tmp_path: Path, indexed: bool) -> None:
    eids = set(map(str, _index(folder))) if indexed else None
    before = tree(folder)
    code = (
        "import os, sys; from fascicle.releases import publish;"
        "assert not os.access(sys.argv[1], os.W_OK);"
        "publish(sys.argv[1], version='1.0.0', to=sys.argv[2]);"
        "print(publish(sys.argv[1], version='1.1.0', to=sys.argv[2]).hashed)"
    )
    mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
    prefix = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    to = str(tmp_path / "out")
    for path in folder.rglob("*.npy"):
        os.utime(path)
    time.sleep(0.05)
    command = [*prefix, "sh", "-c", mount, "sh", str(folder), sys.executable, "-c", code]
    run = subprocess.run([*command, str(folder), to], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "0", "checksums were kept in the user's cache"
    assert tree(folder) == before
    found = fascicle.open(tmp_path / "out").catalogue()
    assert eids is None or set(map(str, found.eids())) == eids
    assert found.n_datasets == 21


def _index(folder: Path) -> list[object]:
    from fascicle.catalogue import index

    index(folder)
    return list(Catalogue.open(folder).eids())


def test_folders_at_odd_places_become_those_of_the_convention(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    save(root / "cohort 1/KS001/2020-01-01/1/alf/_ibl_trials.choice.npy", 5)
    save(root / "deep/er/lab/Subjects/KS002/2020-01-02/002/spikes.times.npy", 5)
    save(root / "deep/er/lab/Subjects/KS002/2020-01-02/002/spikes.clusters.npy", 5)
    publish(root, version="1.0.0", to=tmp_path / "out")
    paths = {e.path for e in Release(tmp_path / "out").manifest.data_files.values()}
    assert paths == {
        "KS001/2020-01-01/001/alf/_ibl_trials.choice.npy",
        "lab/Subjects/KS002/2020-01-02/002/spikes.times.npy",
        "lab/Subjects/KS002/2020-01-02/002/spikes.clusters.npy",
    }


def test_rules_that_are_broken(folder: Path, tmp_path: Path) -> None:
    session = sorted(folder.glob("lab/Subjects/*/*/001"))[0]
    (session / "alf/_ibl_trials.choice.npy").write_bytes(b"")
    to = tmp_path / "out"
    with pytest.raises(NotReleasable, match="empty-file") as caught:
        publish(folder, version="1.0.0", to=to)
    assert [f.rule for f in caught.value.report.errors] == ["empty-file"]
    assert not to.exists()
    with pytest.raises(ConfigurationError, match="no rule"):
        publish(folder, version="1.0.0", to=to, allow="empty")
    publish(folder, version="1.0.0", to=to, allow=["empty-file"])
    assert Release(to).verify()


def test_files_that_may_not_be_released_stay_out(folder: Path, tmp_path: Path) -> None:
    session = sorted(folder.glob("lab/Subjects/*/*/001"))[0]
    secret = save(tmp_path / "secret.npy", 3)
    (session / "alf/spikes.secret.npy").symlink_to(secret)
    (session / "alf/.DS_Store").write_bytes(b"1")
    with pytest.raises(NotReleasable, match="link-outside"):
        publish(folder, version="1.0.0", to=tmp_path / "out")
    publish(folder, version="1.0.0", to=tmp_path / "out", allow="link-outside")
    names = {Path(e.path).name for e in Release(tmp_path / "out").files()}
    assert "spikes.secret.npy" not in names and ".DS_Store" not in names


@pytest.mark.parametrize("inside", [".", "out", "..", "x.zip"])
def test_a_release_is_no_part_of_its_source(folder: Path, inside: str) -> None:
    with pytest.raises(ConfigurationError, match="lie in each other"):
        publish(folder, version="1.0.0", to=folder / inside)


def test_names_of_projects(folder: Path, tmp_path: Path, s3: S3Server) -> None:
    assert publish(folder, version="1.0.0", to="s3://lab-data", dry_run=True).place == (
        "s3://lab-data/choice-task"
    )
    done = publish(folder, version="1.0.0", to="s3://lab-data/a/bee", dry_run=True)
    assert (done.project, done.place) == ("bee", "s3://lab-data/a/bee")
    with pytest.raises(ConfigurationError, match="no name of a project"):
        publish(folder, version="1.0.0", to=tmp_path / "out", project="../x")
    publish(folder, version="1.0.0", to=tmp_path / "out", project="Mine")
    shutil.copytree(folder, tmp_path / "other name")
    again = publish(tmp_path / "other name", version="1.1.0", to=tmp_path / "out")
    assert again.project == "Mine", "a place keeps its project"


def test_what_lies_in_the_place_stays(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    paths = [p for p in tree(folder) if p.endswith("choice.npy")]
    save(out / paths[0], 10, 2, fill=123)  # the same size, other content
    (out / "README.md").write_text("mine")
    before = tree(out)
    publish(folder, version="1.0.0", to=out)
    after = tree(out)
    assert {k: after[k] for k in before} == before
    assert Release(out).verify()
    assert (out / "versions/1.0.0/README.md").read_bytes() == (folder / "README.md").read_bytes()


def test_files_that_change_while_they_are_sent(folder: Path, tmp_path: Path) -> None:
    """A publisher that meets a writer fails, and the next attempt mends it."""
    out = tmp_path / "out"
    target = sorted(folder.glob("lab/Subjects/*/*/001/alf/_ibl_trials.choice.npy"))[0]
    stop = threading.Event()

    def write() -> None:
        value = 0
        while not stop.is_set():
            value += 1
            save(target, 10, 2, fill=value)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for k in range(5):
            try:
                publish(folder, version=f"1.{k}.0", to=out)
            except (fascicle.errors.FascicleError, OSError, ValueError):
                continue
    finally:
        stop.set()
        thread.join()
    publish(folder, version="2.0.0", to=out)
    release = Release(out)
    for version in release.versions:
        assert release.at(version).verify(), version


def test_only_changed_files_are_read_again(folder: Path, tmp_path: Path) -> None:
    for path in folder.rglob("*.npy"):
        os.utime(path, ns=(10**18, 10**18))
    time.sleep(0.05)
    assert publish(folder, version="1.0.0", to=tmp_path / "a").hashed == 22
    assert publish(folder, version="1.0.0", to=tmp_path / "b").hashed == 0
    session = sorted(folder.glob("lab/Subjects/*/*/001"))[0]
    path = session / "alf/_ibl_trials.choice.npy"
    size = path.stat().st_size
    save(path, 10, 2, fill=5)
    os.utime(path, ns=(10**18, 10**18))  # as before, but for the time of its change
    assert path.stat().st_size == size
    done = publish(folder, version="1.1.0", to=tmp_path / "a")
    assert done.hashed == 1 and done.sent == 3
    (folder / ".fascicle/hashes.npz").write_bytes(b"harmed")
    assert publish(folder, version="1.1.0", to=tmp_path / "a").hashed == 22


def test_documents_and_descriptions_of_the_folder(folder: Path, tmp_path: Path) -> None:
    (folder / "release.toml").write_text(
        'project = "the-task"\ntitle = "Task"\nlicense = "CC-BY-4.0"\n'
        'authors = ["Lovelace, Ada", { given = "Alan", family = "Turing" }]\n'
    )
    (folder / "CITATION.cff").write_text(
        "cff-version: 1.2.0\ntitle: other\nmessage: m\ndoi: 10.1234/abc\nauthors: [{name: X}]\n"
    )
    (folder / "subjects.csv").write_text("subject,species,sex,date_of_birth\nKS000,mouse,M,\n")
    done = publish(folder, version="1.0.0", to=tmp_path / "out")
    assert done.project == "the-task" and done.about.title == "Task"
    assert done.about.doi == "10.1234/abc" and len(done.about.authors) == 2
    names = {e.key for e in Release(tmp_path / "out").files()}
    assert {"README.md", "CITATION.cff", "subjects.csv"} <= names
    (folder / "release.toml").write_text('titel = "x"')
    with pytest.raises(ConfigurationError, match="titel") as caught:
        publish(folder, version="1.1.0", to=tmp_path / "out")
    assert "title" in caught.value.hint


def test_a_copy_of_a_release_is_published_again(lab: Path, tmp_path: Path) -> None:
    publish(lab, version="1.0.0", to=tmp_path / "x.zip", project="p-p")
    copy = tmp_path / "copy"
    Release(tmp_path / "x.zip").get(copy).run(progress=False).raise_for_failed()
    done = publish(copy, version="1.0.0", to=tmp_path / "again", project="p-p")
    assert not done.report.by_rule().get("not-a-dataset")
    found = Release(tmp_path / "again").compare(Release(tmp_path / "x.zip"))
    assert not found.data, "ids, names and content are the same"
    a, b = (Release(tmp_path / n).open().catalogue() for n in ("x.zip", "again"))
    assert a.datasets_frame().index.equals(b.datasets_frame().index)
    for probe in a.insertions():
        assert a.regions(probe.pid) == b.regions(probe.pid)


# -- readers and killed publishers ----------------------------------------------------------------


@pytest.mark.parametrize("kind", PLACES)
def test_readers_see_one_version_or_the_other(
    kind: str, folder: Path, tmp_path: Path, s3: S3Server
) -> None:
    to = place_of(kind, tmp_path)
    publish(folder, version="1.0.0", to=to)
    expected = {"1.0.0": _data(folder)}
    stop = threading.Event()
    seen: dict[str, dict[str, bytes]] = {}
    wrong: list[str] = []

    def read() -> None:
        while not stop.is_set():
            release = Release(to)
            check = release.verify()
            if not check.ok:
                wrong.append(str(check))
            seen[release.version] = {e.path: e.sha256 for e in release.manifest.data_files.values()}

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for k in range(1, 4):
            session = sorted(folder.glob("lab/Subjects/*/*/001"))[0]
            for name in ("choice", "feedbackType"):
                save(session / f"alf/_ibl_trials.{name}.npy", 10, 2, fill=100 + k)
            publish(folder, version=f"1.{k}.0", to=to)
            expected[f"1.{k}.0"] = _data(folder)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong
    assert seen
    for version, data in seen.items():
        assert data == expected[version], version


def _data(folder: Path) -> dict[str, str]:
    import hashlib

    return {
        path: hashlib.sha256(data).hexdigest()
        for path, data in tree(folder, hidden=False).items()
        if path.startswith("lab/")
    }


def kill_publishers(
    folder: Path, to: str, times: int, env: dict[str, str], *, seed: int = 0
) -> int:
    """Kill publishers at random moments, each with another content; return how many got through."""
    draw = random.Random(seed)
    script = (
        "import sys; from fascicle.releases import publish;"
        "publish(sys.argv[1], version=sys.argv[2], to=sys.argv[3], progress=False)"
    )
    through = 0
    number = 1
    for k in range(times):
        session = sorted(folder.glob("lab/Subjects/*/*/001"))[k % 3]
        save(session / "alf/_ibl_trials.choice.npy", 10, 2, fill=1000 + k)
        version = f"1.{number}.0"
        command = [sys.executable, "-c", script, str(folder), version, to]
        process = subprocess.Popen(
            command, env=os.environ | env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            _, said = process.communicate(timeout=draw.uniform(0.3, 2.5))
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        else:
            assert process.returncode == 0, said.decode()[-2000:]
            through += 1
        release = Release(to)
        for one in release.versions[-2:]:
            check = release.at(one).verify()
            assert check, (k, str(check))
        number = int(release.versions[-1].split(".")[1]) + 1
    return through


@pytest.mark.parametrize("kind", ["folder", "s3", "no versions"])
def test_killed_publishers(kind: str, folder: Path, tmp_path: Path, s3: S3Server) -> None:
    _killed(kind, folder, tmp_path, 4)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["folder", "s3", "no versions"])
def test_killed_publishers_at_length(kind: str, folder: Path, tmp_path: Path, s3: S3Server) -> None:
    _killed(kind, folder, tmp_path, 100)


def _killed(kind: str, folder: Path, tmp_path: Path, times: int) -> None:
    to = place_of(kind, tmp_path)
    publish(folder, version="1.0.0", to=to)
    kill_publishers(folder, to, times, {})
    release = Release(to)
    done = publish(folder, version="2.0.0", to=to)
    assert not done.existing
    newest = Release(to)
    assert newest.version == "2.0.0" and newest.verify()
    for version in release.versions:
        assert release.at(version).verify(), version
    assert {e.path: e.sha256 for e in newest.manifest.data_files.values()} == _data(folder)


def test_two_publishers_of_one_version(folder: Path, tmp_path: Path) -> None:
    other = make_folder(tmp_path / "other")
    change(other)
    to = tmp_path / "out"
    outcomes: list[str] = []

    def run(source: Path) -> None:
        try:
            publish(source, version="1.0.0", to=to, project="p-p")
            outcomes.append(source.name)
        except (VersionExists, fascicle.errors.TransferError) as error:
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=run, args=(source,)) for source in (folder, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [name for name in outcomes if name in (folder.name, other.name)]
    assert len(won) <= 1 or len(outcomes) == 2
    if not won:  # each met files of the other: the next attempt of either succeeds
        publish(folder, version="1.0.0", to=to, project="p-p")
        won = [folder.name]
    assert len(won) == 1
    source = folder if won[0] == folder.name else other
    release = Release(to)
    assert release.verify()
    assert {e.path: e.sha256 for e in release.manifest.data_files.values()} == _data(source)


def test_the_manifest_comes_last(folder: Path, tmp_path: Path) -> None:
    to = tmp_path / "out"
    publish(folder, version="1.0.0", to=to)
    manifest = next((to / "manifests").iterdir())
    others = [p for p in to.rglob("*") if p.is_file() and p != manifest]
    assert manifest.stat().st_ctime_ns >= max(p.stat().st_ctime_ns for p in others)
    assert read_manifest(manifest).ours
    assert json.loads(manifest.read_bytes())["fascicle"]["format"] == 1


def test_arrays_are_those_of_the_source(lab: Path, tmp_path: Path) -> None:
    publish(lab, version="1.0.0", to=tmp_path / "out")
    mine, theirs = fascicle.open(lab), fascicle.open(tmp_path / "out")
    for eid in mine.catalogue().eids()[:4]:
        a, b = mine.open(eid), theirs.open(eid)
        assert a.list() == b.list()
        for path in a.list("*trials*"):
            if path.endswith(".npy"):
                assert np.array_equal(np.load(a.file(path)), np.load(b.file(path)), equal_nan=True)


def test_two_projects_in_one_place_share_content(folder: Path, tmp_path: Path) -> None:
    to = tmp_path / "out"
    publish(folder, version="1.0.0", to=to, project="first")
    done = publish(folder, version="1.0.0", to=to, project="second")
    assert not [key for key, _ in done.files if key.startswith("lab/")], "sent once"
    with pytest.raises(ConfigurationError, match="2 projects: first, second") as caught:
        _ = Release(to).version
    hinted = caught.value.hint.partition('"')[2].rstrip('"')
    assert Release(hinted).version == "1.0.0", "what the hint says can be opened"
    for project in ("first", "second"):
        named = to / f"manifests/{project}_project_manifest_v1.0.0.json"
        assert Release(named).verify().ok


@pytest.mark.parametrize("complete", [True, False])
def test_a_release_that_was_moved_goes_on(
    folder: Path, tmp_path: Path, s3: S3Server, complete: bool
) -> None:
    publish(folder, version="1.0.0", to="s3://lab-data/deep/down/p-p")
    copy = tmp_path / "copy"
    Release("s3://lab-data/deep/down/p-p").get(copy).run(progress=False).raise_for_failed()
    place = open_place("s3://lab-data/deep/down/p-p")
    (name,) = [key for key, _ in place.list("manifests/")]
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_bytes(place.read(name, at_most=1 << 20))
    lost = sorted(copy.rglob("*.npy"))[0]
    if not complete:
        lost.unlink()
    save(sorted(folder.rglob("_ibl_trials.choice.npy"))[-1], 10, 2, fill=7)
    done = publish(folder, version="1.1.0", to=copy)
    assert done.project == "p-p"
    sent = [key for key, _ in done.files if key.endswith(".npy")]
    assert len(sent) == 1 + (not complete)
    assert Release(f"{copy}@1.1.0").verify().ok and Release(f"{copy}@1.0.0").verify().ok
    # In another bucket with versions, ids of versions of the first one mean nothing.
    s3.make_bucket("elsewhere")
    for key, _ in place.list():
        s3.put("elsewhere", f"p-p/{key}", place.read(key, at_most=1 << 20))
    publish(folder, version="1.1.0", to="s3://elsewhere/p-p")
    assert Release("s3://elsewhere/p-p@1.1.0").verify().ok


def test_a_bucket_that_got_versions_later(folder: Path, tmp_path: Path, s3: S3Server) -> None:
    s3.make_bucket("grown", versions=False)
    publish(folder, version="1.0.0", to="s3://grown/p-p")
    s3.make_bucket("grown")
    save(sorted(folder.rglob("_ibl_trials.choice.npy"))[-1], 10, 2, fill=7)
    done = publish(folder, version="1.1.0", to="s3://grown/p-p")
    assert len([key for key, _ in done.files if key.endswith(".npy")]) == 1
    for version in ("1.0.0", "1.1.0"):
        assert Release(f"s3://grown/p-p@{version}").verify().ok
