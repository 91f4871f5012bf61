"""What was locked on one machine is had on another, byte by byte, and nothing else passes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fascicle
from fascicle.demo import make_lab
from fascicle.demo.release import BUCKET, PROJECT, make_release
from fascicle.errors import FascicleError, LockedError, LockError, UnsafeTarget, WouldReplace
from fascicle.formats.lock import (
    MAX_BYTES,
    LockedArchive,
    LockedFile,
    lock_text,
    make_lock,
    parse_lock,
    read_lock,
)
from fascicle.one.api import One
from fascicle.projects import VisualBehaviorNeuropixelsProjectCache
from fascicle.releases.citing import citations, cite
from fascicle.releases.lock import portable, write_lock
from fascicle.releases.publishing import publish
from fascicle.testing.s3 import S3Server
from fascicle.transfer.places import open_place

ABOUT = {"title": "A lab", "authors": ["Lovelace, Ada"], "license": "CC-BY-4.0"}


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_lab(tmp_path_factory.mktemp("lock") / "lab", size="tiny")
    fascicle.index(folder, hash_files=True)
    return folder


@pytest.fixture(scope="session")
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        server.make_bucket(BUCKET)
        make_release(lambda key, data, **_: server.put(BUCKET, key, data))
        yield server


class Published(NamedTuple):
    """A release, and a copy of what was published, to change for the next version."""

    root: str
    bucket: str
    folder: Path


@pytest.fixture
def release(
    server: S3Server, lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Published:
    """Publish the first version of a lab, in a bucket of its own."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("FASCICLE_PROGRESS", "0")
    bucket = f"bucket-{uuid4()}"
    server.make_bucket(bucket)
    folder = tmp_path / "work"
    for session in sorted(lab.glob("*/Subjects/NYU-37/*"))[:2]:
        shutil.copytree(session, folder / session.relative_to(lab))
    fascicle.index(folder)
    publish(folder, version="1.0.0", to=f"s3://{bucket}/lab", **ABOUT)
    return Published(f"s3://{bucket}/lab", bucket, folder)


@pytest.fixture
def endpoint(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    monkeypatch.setenv("FASCICLE_PROGRESS", "0")
    return server.url


def machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be another machine: with a home and a cache of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("FASCICLE_CACHE", str(folder / "cache"))


def first(place: str | Path) -> fascicle.archives.OpenSession:
    return next(iter(fascicle.find(archives=place, datasets=["wheel.position", "trials.table"])))


def lock_one(place: str | Path, target: Path) -> Path:
    with fascicle.recording() as used:
        session = first(place)
        session.load("trials")
        session.load("wheel")
    return used.lock(target)


def contents(session: fascicle.archives.OpenSession) -> dict[str, str]:
    paths = [*session.list("trials"), *session.list("wheel")]
    return {p: hashlib.sha256(session.file(p).read_bytes()).hexdigest() for p in paths}


# -- the file --------------------------------------------------------------------------------------


FILE = LockedFile("lab/Subjects/a/2020-01-01/001", "alf/a.b.npy", "", "", 3, "md5", "ab" * 16)


def text_of(*files: LockedFile, **more: object) -> str:
    return lock_text(make_lock([LockedArchive("~/data", "folder", files=files, **more)]))


def test_text_and_back() -> None:
    odd = 'a "title" \\ with\ttabs, ünïcode and = # marks'
    files = (
        FILE,
        LockedFile("", "tables/units.csv", size=None, algorithm="blake2b", hash="0" * 128),
        LockedFile(
            "lab/s/2020-01-01/002",
            "#2020-01-01#/a.b.npy",
            size=0,
            algorithm="sha256",
            hash="1" * 64,
            eid="4ecb5d24-f5cc-402c-be28-9d0f7cb14b3a",
            id="4ecb5d24-f5cc-402c-be28-9d0f7cb14b3b",
        ),
    )
    archives = [
        LockedArchive(
            "s3://b/p",
            "release",
            "1.0.0",
            "p",
            title=odd,
            authors=("A, B", "{C}"),
            doi="10.5281/zenodo.1",
            license="CC0-1.0",
            date="2026-01-31",
            files=files,
        ),
        LockedArchive("~/data", "folder", state="abc", files=files[:1]),
    ]
    lock = make_lock(
        archives, created="2026-01-31T12:00:00Z", fascicle="1.2.3", command="python 'a b.py'"
    )
    text = lock_text(lock)
    assert parse_lock(text) == parse_lock(text.encode()) == lock
    assert (
        lock_text(
            make_lock(
                reversed(archives), created=lock.created, fascicle="1.2.3", command=lock.command
            )
        )
        == text
    )
    assert tomllib.loads(text)["archives"][0]["title"] == odd
    assert len(lock) == 4 and lock.bytes == 6
    assert max(map(len, text_of(FILE).splitlines())) < 120


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda t: "{not toml", "is no lock file"),
        (lambda t: "\x00\x01", "is no lock file"),
        (lambda t: "a = " + "[" * 50_000, "nested too deeply|is no lock file"),
        (lambda t: "x = " + "9" * 10_000, "is no lock file"),
        (lambda t: "", "the format None"),
        (lambda t: t.replace("format = 1", "format = 2"), "the format 2"),
        (lambda t: t.replace("format = 1", "format = true"), "the format True"),
        (lambda t: t.replace("alf/a.b.npy", "../../../etc/passwd"), "leads up"),
        (lambda t: t.replace("alf/a.b.npy", "/etc/passwd"), "is absolute"),
        (lambda t: t.replace("alf/a.b.npy", "C:/x.npy"), "is absolute"),
        (lambda t: t.replace("alf/a.b.npy", "a%2f..%2f..%2fx"), "leads up"),
        (lambda t: t.replace("alf/a.b.npy", "a\\\\..\\\\x"), "has a backslash"),
        (lambda t: t.replace("alf/a.b.npy", ".fascicle/ledger/x"), "hidden folder"),
        (lambda t: t.replace("alf/a.b.npy", ".Fascicle/ledger/x"), "hidden folder"),
        (lambda t: t.replace("alf/a.b.npy", ""), "is empty"),
        (lambda t: t.replace("lab/Subjects/a", "../a"), "leads up"),
        (lambda t: t.replace("lab/Subjects/a", "/a"), "is absolute"),
        (lambda t: t.replace("alf/a.b.npy", "a\\u0000b"), "control characters"),
        (lambda t: t.replace("size = 3", "size = -1"), "cannot have"),
        (lambda t: t.replace("size = 3", "size = 99999999999999999999"), "cannot have"),
        (lambda t: t.replace("size = 3", "size = true"), "a size of True"),
        (lambda t: t.replace("md5:ab", "md5:zz"), "no usable hash"),
        (lambda t: t.replace("md5:", ""), "no usable hash"),
        (lambda t: t.replace('"folder"', "3"), "kind is no text"),
        (lambda t: t.replace('name = "~/data"', 'name = ""'), "lacks a name"),
        (lambda t: t.replace('kind = "folder"', 'kind = "folder"\nversion = "../x"'), "version"),
        (lambda t: t.replace("datasets = [", "eid = 'no id'\ndatasets = ["), "is no id"),
        (lambda t: t.replace("[[archives]]", "[archives]"), "archives|is no lock file"),
        (lambda t: "format = 1\ncreated = 3", "created is no time"),
    ],
)
def test_hostile_files_are_refused(change, why: str, tmp_path: Path) -> None:
    file = tmp_path / "fascicle.lock"
    file.write_text(change(text_of(FILE)))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(LockError, match=why) as caught:
        fascicle.sync(file, to=tmp_path / "to")
    assert str(file) in str(caught.value)
    with pytest.raises(LockError):
        fascicle.use_lock(file)
    assert "FASCICLE_LOCK" not in os.environ
    assert sorted(tmp_path.rglob("*")) == before


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "fascicle.lock"
    with file.open("wb") as stream:
        stream.truncate(MAX_BYTES + 1)
    with pytest.raises(LockError, match="more than 64 MiB"):
        read_lock(file)


def test_links_do_not_lead_out(lab: Path, tmp_path: Path) -> None:
    lock = lock_one(lab, tmp_path / "fascicle.lock")
    session = first(lab)
    (tmp_path / "outside").mkdir()
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / session.lab).symlink_to(tmp_path / "outside")
    with pytest.raises(UnsafeTarget):
        fascicle.sync(lock, to=tmp_path / "to").run(progress=False)
    assert list((tmp_path / "outside").rglob("*")) == []


def test_a_lock_that_says_the_same_stays(lab: Path, tmp_path: Path) -> None:
    lock = lock_one(lab, tmp_path / "fascicle.lock")
    text = lock.read_text().replace("created = 2", "created = 1")
    lock.write_text(text)
    lock_one(lab, lock)
    assert lock.read_text() == text
    with fascicle.recording() as used:
        first(lab).load("wheel")
    used.lock(lock)
    assert "created = 2" in lock.read_text()


def test_the_same_records_give_the_same_text(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    with fascicle.recording() as used:
        first(lab).load("trials")
        first(lab).load("wheel")
    one = write_lock(used.uses, tmp_path / "1.lock").read_text()
    two = write_lock(reversed(used.uses), tmp_path / "2.lock").read_text()
    assert one == two
    assert "created = 2023-11-14T22:13:20Z" in one


def test_folders_below_home_are_portable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert portable("/home/ada/data") == "~/data"
    assert portable("/home/ada") == "~"
    assert portable("/home/adam/data") == "/home/adam/data"
    assert portable("s3://bucket/project") == "s3://bucket/project"


def test_a_file_without_a_hash_is_hashed(lab: Path, tmp_path: Path) -> None:
    source = next(lab.glob("*/Subjects/NYU-37/*/*"))
    folder = tmp_path / "plain"
    shutil.copytree(source, folder / source.relative_to(lab))
    fascicle.index(folder)
    lock = read_lock(lock_one(folder, tmp_path / "fascicle.lock"))
    for _, file in lock.files():
        there = folder / file.name
        assert file.algorithm == "sha256"
        assert file.hash == hashlib.sha256(there.read_bytes()).hexdigest()
        assert file.size == there.stat().st_size


def test_a_file_that_changed_meanwhile_cannot_be_locked(lab: Path, tmp_path: Path) -> None:
    source = next(lab.glob("*/Subjects/NYU-37/*/*"))
    folder = tmp_path / "plain"
    shutil.copytree(source, folder / source.relative_to(lab))
    fascicle.index(folder)
    with fascicle.recording() as used:
        file = first(folder).file("_ibl_wheel.position.npy")
    file.write_bytes(file.read_bytes() + b"more")
    with pytest.raises(LockError, match="has changed since it was loaded"):
        used.lock(tmp_path / "fascicle.lock")
    file.unlink()
    with pytest.raises(LockError, match="cannot be read"):
        used.lock(tmp_path / "fascicle.lock")
    assert not (tmp_path / "fascicle.lock").exists()


@pytest.mark.parametrize("name", [b"tab\tand\nline", b"\xff\xfe", b"bell\x07", b"return\r"])
def test_odd_names_of_folders(lab: Path, tmp_path: Path, name: bytes) -> None:
    folder = tmp_path / os.fsdecode(name)
    source = next(lab.glob("*/Subjects/NYU-37/*/*"))
    shutil.copytree(source, folder / source.relative_to(lab))
    fascicle.index(folder)
    target = tmp_path / "fascicle.lock"
    with fascicle.recording() as used:
        next(iter(fascicle.find(archives=folder))).load("wheel")
    try:
        used.lock(target)
    except LockError:
        assert not target.exists()
    else:
        assert read_lock(target).archives[0].name == str(folder)
    assert not list(tmp_path.glob(".*.part"))


@given(title=st.text(max_size=60), path=st.text(min_size=1, max_size=30))
def test_any_text_comes_back_or_is_refused(title: str, path: str) -> None:
    file = replace(FILE, path=path)
    archive = LockedArchive("~/data", "folder", title=title, authors=(title,), files=(file,))
    try:
        lock = make_lock([archive])
        found = parse_lock(lock_text(lock).encode())
    except (LockError, UnicodeEncodeError):
        return
    assert found == lock


def test_nothing_loaded_is_nothing_to_lock(tmp_path: Path) -> None:
    with fascicle.recording() as used:
        pass
    with pytest.raises(LockError, match="nothing was loaded"):
        used.lock(tmp_path / "fascicle.lock")
    assert not list(tmp_path.iterdir())


# -- a folder --------------------------------------------------------------------------------------


def test_a_folder_on_another_machine(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(tmp_path / "A", monkeypatch)
    home = tmp_path / "A" / "data"
    shutil.copytree(next(lab.glob("*/Subjects/NYU-37")), home / "angelakilab/Subjects/NYU-37")
    fascicle.index(home, hash_files=True)
    lock = lock_one(home, tmp_path / "fascicle.lock")
    wanted, eid = contents(first(home)), first(home).eid
    assert 'name = "~/data"' in lock.read_text()

    machine(tmp_path / "B", monkeypatch)
    gone = fascicle.sync(lock)
    assert [p.kind for p in gone.problems] == ["archive"]
    assert "--archive '~/data=PLACE'" in gone.problems[0].hint
    assert gone.problems[0].files == len(wanted)

    with pytest.raises(LockError, match="no archive '~/dat'"):
        fascicle.sync(lock, archives={"~/dat": home})
    in_full = str(tmp_path / "B" / "data")  # as shells write ~/data here
    found = fascicle.sync(lock, to="~/here", archives={in_full: home}).run(progress=False)
    assert found.ok, found
    shutil.rmtree(home)
    here = tmp_path / "B" / "here"
    files = {str(p.relative_to(here)) for p in here.rglob("*.*") if p.is_file()}
    assert {f for f in files if f.endswith(".npy")} == {
        file.name for _, file in read_lock(lock).files() if file.name.endswith(".npy")
    }
    with fascicle.use_lock(lock):
        session = fascicle.open("~/here").open(eid)
        assert contents(session) == wanted
        one = One(cache_dir=here)
        assert one.search() == [eid]
        assert len(one.load_object(eid, "wheel")["position"])
    again = fascicle.sync(lock, to="~/here", archives={"~/data": "~/here"})
    assert again.ok and not again.plan.to_fetch


PEER = """
import sys
from one.api import One
one = One(cache_dir=sys.argv[1], mode="local")
print(one.load_object(sys.argv[2], "wheel")["position"].tobytes().hex()[:4000])
"""


@pytest.mark.peer
def test_the_official_client_opens_what_was_synced(
    lab: Path, tmp_path: Path, one_python: Path
) -> None:
    lock = lock_one(lab, tmp_path / "fascicle.lock")
    assert fascicle.sync(lock, to=tmp_path / "to").run(progress=False).ok
    session = first(lab)
    command = [str(one_python), "-c", PEER, str(tmp_path / "to"), str(session.eid)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    wanted = session.load("wheel")["position"].tobytes().hex()[:4000]
    assert run.stdout.strip().splitlines()[-1] == wanted


def test_what_the_lock_does_not_have_is_refused(lab: Path, tmp_path: Path) -> None:
    lock = lock_one(lab, tmp_path / "fascicle.lock")
    session, one = first(lab), One(cache_dir=lab)
    other = next(s for s in fascicle.find(archives=lab) if s.eid != session.eid)
    with fascicle.use_lock(lock) as held:
        assert held.lock is not None and len(held.lock) > 2
        assert len(session.load("trials").to_df())
        assert len(one.load_object(session.eid, "trials").to_df())
        for load in (
            lambda: session.load("wheelMoves"),
            lambda: session.file("_ibl_wheelMoves.intervals.npy"),
            lambda: one.load_object(session.eid, "wheelMoves"),
            lambda: one.load_dataset(session.eid, "_ibl_wheelMoves.intervals.npy"),
            lambda: one.load_datasets(session.eid, ["_ibl_wheelMoves.intervals.npy"]),
            lambda: other.load("trials"),
        ):
            with pytest.raises(LockedError, match="is not in the lock") as caught:
                load()
            assert isinstance(caught.value, PermissionError)
            assert "unset FASCICLE_LOCK" in caught.value.hint
            assert "fascicle lock" in caught.value.hint
            assert str(lock) in str(caught.value)
        assert len(fascicle.find(archives=lab)) > 1  # searching is free
        assert session.list("wheelMoves")
    assert session.load("wheelMoves")
    fascicle.use_lock(lock)
    with pytest.raises(LockedError):
        session.load("wheelMoves")
    fascicle.use_lock(None)
    assert session.load("wheelMoves")


def test_children_are_held_too(lab: Path, tmp_path: Path) -> None:
    lock, session = lock_one(lab, tmp_path / "fascicle.lock"), first(lab)
    code = f"import fascicle; fascicle.open({str(lab)!r}).open({str(session.eid)!r}).load(%r)"
    with fascicle.use_lock(lock):
        good = subprocess.run([sys.executable, "-c", code % "trials"], capture_output=True)
        bad = subprocess.run([sys.executable, "-c", code % "wheelMoves"], capture_output=True)
    assert good.returncode == 0, good.stderr
    assert bad.returncode == 1 and b"LockedError" in bad.stderr


def test_changed_content_is_refused(lab: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(next(lab.glob("*/Subjects/NYU-37")), folder / "l/Subjects/NYU-37")
    fascicle.index(folder, hash_files=True)
    lock = lock_one(folder, tmp_path / "fascicle.lock")
    session = first(folder)
    file = session.file("_ibl_wheel.position.npy")
    stat, data = file.stat(), file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # of the same length and time
    with fascicle.use_lock(lock):
        with pytest.raises(LockedError, match="is not what it was"):
            session.load("wheel")
        with pytest.raises(LockedError, match="is not what it was"):
            One(cache_dir=folder).load_dataset(session.eid, file.name, check_hash=False)
        assert session.load("trials")
    found = fascicle.sync(lock)
    assert [(p.kind, p.file.rpartition("/")[2]) for p in found.problems] == [("content", file.name)]
    elsewhere = fascicle.sync(lock, to=tmp_path / "to").run(progress=False)
    assert [(p.kind, p.file.rpartition("/")[2]) for p in elsewhere.problems] == [
        ("content", file.name)
    ]
    assert elsewhere.result is not None and len(elsewhere.result.ok) == len(read_lock(lock)) - 1
    file.write_bytes(data)
    with fascicle.use_lock(lock):
        assert session.load("wheel")
    file.unlink()
    gone = fascicle.sync(lock, to=tmp_path / "to")
    assert [p.kind for p in gone.problems] == ["dataset"]


def test_files_of_the_user_are_not_replaced(lab: Path, tmp_path: Path) -> None:
    lock = lock_one(lab, tmp_path / "fascicle.lock")
    file = next(file for _, file in read_lock(lock).files())
    mine = tmp_path / "to" / file.name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(WouldReplace):
        fascicle.sync(lock, to=tmp_path / "to")
    assert mine.read_text() == "mine"


def test_a_lock_that_is_gone_lets_nothing_through(
    lab: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASCICLE_LOCK", str(tmp_path / "none.lock"))
    with pytest.raises(LockError, match="cannot be read"):
        first(lab).load("trials")
    monkeypatch.setenv("FASCICLE_LOCK", "")
    assert first(lab).load("trials")


# -- releases --------------------------------------------------------------------------------------


def next_version(release: Published) -> None:
    """Change the positions of the wheel, and publish them."""
    folder = release.folder
    for file in folder.rglob("_ibl_wheel.position.npy"):
        file.write_bytes(file.read_bytes()[:-8] + b"\0" * 8)
    fascicle.index(folder)
    publish(folder, version="1.1.0", to=release.root, **ABOUT)


def test_a_release_on_another_machine(
    release: Published, server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(tmp_path / "A", monkeypatch)
    lock = lock_one(release.root, tmp_path / "fascicle.lock")
    wanted, eid = contents(first(release.root)), first(release.root).eid
    said = tomllib.loads(lock.read_text())["archives"][0]
    assert (said["name"], said["version"], said["kind"]) == (release.root, "1.0.0", "release")
    assert (said["title"], said["license"]) == ("A lab", "CC-BY-4.0")
    next_version(release)

    machine(tmp_path / "B", monkeypatch)
    planned = fascicle.sync(lock)
    assert planned.ok and planned.plan.bytes == read_lock(lock).bytes
    done = planned.run(progress=False)
    assert done.ok, done
    assert fascicle.sync(lock).plan.bytes == 0
    elsewhere = fascicle.sync(lock, to=tmp_path / "to")
    assert all(i.source.url.startswith("file:") for i in elsewhere.plan.items)  # it is here
    assert elsewhere.run(progress=False).ok
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    with fascicle.use_lock(lock):
        assert contents(fascicle.open(release.root).open(eid)) == wanted  # the version of the lock
        assert contents(fascicle.open(tmp_path / "to").open(eid)) == wanted
        with pytest.raises(LockedError, match="is not in the lock"):
            fascicle.open(release.root).open(eid).load("wheelMoves")


def test_two_versions(release: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = lock_one(release.root, tmp_path / "fascicle.lock")
    before = contents(first(release.root))
    next_version(release)
    newest = fascicle.open(release.root)
    assert newest.version == "1.1.0"
    eid = first(release.root).eid
    assert contents(first(release.root)) != before
    with fascicle.use_lock(lock):
        assert fascicle.open(release.root).version == "1.0.0"
        assert contents(first(release.root)) == before
        for place in (f"{release.root}@1.1.0", release.folder):
            with pytest.raises(LockedError):
                contents(fascicle.open(place).open(eid))
        with pytest.raises(LockedError, match=r"version 1\.1\.0 of lab is not the one in the lock"):
            fascicle.open(f"{release.root}@1.1.0")
        with pytest.raises(LockedError, match=r"version 1\.1\.0 of lab"):
            newest.open(eid).load("trials")  # opened before the lock
    with fascicle.recording() as used:
        for version in ("1.0.0", "1.1.0"):
            fascicle.open(f"{release.root}@{version}").open(eid).load("wheel")
    both = used.lock(tmp_path / "both.lock")
    assert [a.version for a in read_lock(both).archives] == ["1.0.0", "1.1.0"]
    with fascicle.use_lock(both):
        assert fascicle.open(f"{release.root}@1.0.0").open(eid).load("wheel")
        assert fascicle.open(f"{release.root}@1.1.0").open(eid).load("wheel")
    clash = fascicle.sync(both, to=tmp_path / "to")
    assert [p.kind for p in clash.problems] == ["failed"]
    assert "another content" in clash.problems[0].why


def test_a_version_that_was_withdrawn(
    release: Published, server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(tmp_path / "A", monkeypatch)
    lock = lock_one(release.root, tmp_path / "fascicle.lock")
    next_version(release)
    server.delete(release.bucket, "lab/manifests/lab_project_manifest_v1.0.0.json")
    machine(tmp_path / "B", monkeypatch)
    found = fascicle.sync(lock)
    assert [(p.kind, p.archive) for p in found.problems] == [("version", f"{release.root}@1.0.0")]
    assert "was withdrawn" in found.problems[0].why
    for listed in open_place(release.root).list():
        server.delete(release.bucket, f"lab/{listed.key}")
    assert [p.kind for p in fascicle.sync(lock).problems] == ["archive"]


def test_a_mirror_that_was_tampered_with(
    release: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror = tmp_path / "mirror"
    publish(release.folder, version="1.0.0", to=mirror, project="lab", **ABOUT)
    machine(tmp_path / "A", monkeypatch)
    lock = lock_one(mirror, tmp_path / "fascicle.lock")
    file = next(mirror.rglob("_ibl_wheel.position.npy"))
    file.chmod(0o644)
    file.write_bytes(b"\0" * file.stat().st_size)
    machine(tmp_path / "B", monkeypatch)
    found = fascicle.sync(lock, to=tmp_path / "to").run(progress=False)
    kinds = {p.file.rpartition("/")[2]: p.kind for p in found.problems}
    locked = {file.name for _, file in read_lock(lock).files()}
    assert str(file.relative_to(mirror)) in locked
    assert kinds == {file.name: "content"}
    assert not (tmp_path / "to" / file.relative_to(mirror)).exists()
    assert found.result is not None and len(found.result.ok) == len(locked) - 1
    # What the mirror no longer has as it was comes from the bucket.
    whole = fascicle.sync(lock, to=tmp_path / "to", archives={str(mirror): release.root}).run(
        progress=False
    )
    assert whole.ok, whole


def test_a_mirror_of_the_same_release(
    release: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = lock_one(release.root, tmp_path / "fascicle.lock")
    before = contents(first(release.root))
    mirror = tmp_path / "mirror"
    publish(release.folder, version="1.0.0", to=mirror, project="lab", **ABOUT)
    with fascicle.use_lock(lock):
        assert contents(first(mirror)) == before
    assert fascicle.sync(lock, archives={release.root: mirror}).ok


# -- project caches --------------------------------------------------------------------------------


def test_a_project_cache_under_a_lock(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Cache = VisualBehaviorNeuropixelsProjectCache
    machine(tmp_path / "A", monkeypatch)
    with fascicle.recording() as used:
        cache = Cache.from_s3_cache("~/vbn", metadata="lazy")
        cache.load_latest_manifest()
        with pytest.warns(UserWarning):
            cache.load_manifest("0.3.0")
        sessions = cache.get_ecephys_session_table()
        file_id = cache.file_id("ecephys_sessions", sessions.index[0])
        data = cache.download_data(file_id).read_bytes()
        assert len(cache.ids("probes"))
    lock = used.lock(tmp_path / "fascicle.lock")
    (archive,) = read_lock(lock).archives
    assert archive.label == f"s3://{BUCKET}/{PROJECT}@0.3.0"
    assert {f.path.partition("/")[0] for f in archive.files} == {
        "project_metadata",
        "ecephys_sessions",
    }
    assert len(archive.files) == 3

    machine(tmp_path / "B", monkeypatch)
    found = fascicle.sync(lock, to="~/vbn").run(progress=False)
    assert found.ok, found
    with fascicle.use_lock(lock):
        for open_it in (
            lambda: Cache.from_local_cache("~/vbn", metadata="lazy"),
            lambda: Cache.from_s3_cache("~/vbn", metadata="lazy"),
            lambda: Cache.from_s3_cache("~/vbn"),  # brings tables that nobody is handed
        ):
            cache = open_it()
            assert cache.manifest.version == "0.3.0"
            assert cache.get_ecephys_session_table().equals(sessions)
            assert cache.download_data(file_id).read_bytes() == data
            with pytest.raises(LockedError, match="units"):
                cache.get_unit_table()
            with pytest.raises(LockedError, match="units"):
                cache.ids("units")
            other = next(k for k in cache.manifest.data_files if k != file_id)
            with pytest.raises(LockedError, match="is not in the lock"):
                cache.download_data(other)
        with pytest.raises(LockedError, match=r"version 0\.2\.0"), pytest.warns(UserWarning):
            cache.load_manifest("0.2.0")
        assert cache.manifest.version == "0.3.0"  # what was loaded stays


def test_opening_brings_what_a_synced_cache_needs(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Cache = VisualBehaviorNeuropixelsProjectCache
    machine(tmp_path / "A", monkeypatch)
    with fascicle.recording() as used:
        units = Cache.from_s3_cache("~/vbn").get_unit_table()
    lock = used.lock(tmp_path / "fascicle.lock")
    assert len(read_lock(lock)) == 5
    machine(tmp_path / "B", monkeypatch)
    assert fascicle.sync(lock, to="~/vbn").run(progress=False).ok
    with fascicle.use_lock(lock):
        assert Cache.from_local_cache("~/vbn").get_unit_table().equals(units)


def test_the_same_file_by_session_and_by_key(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = fascicle.open(f"s3://{BUCKET}/{PROJECT}@0.3.0")
    session = next(s for s in fascicle.find(archives=archive) if s.list())
    with fascicle.recording() as used:
        file = session.file(session.list()[0])
    lock = used.lock(tmp_path / "fascicle.lock")
    (_, locked), *_ = read_lock(lock).files()
    with fascicle.use_lock(lock):
        cache = VisualBehaviorNeuropixelsProjectCache.from_s3_cache(tmp_path / "vbn")
        key = next(k for k, e in cache.manifest.data_files.items() if e.file_hash == locked.hash)
        assert cache.download_data(key).read_bytes() == file.read_bytes()


# -- citing ----------------------------------------------------------------------------------------


def test_cites_what_was_used(release: Published, endpoint: str, lab: Path, tmp_path: Path) -> None:
    eid = first(release.root).eid
    with fascicle.recording() as used:
        fascicle.open(release.root).open(eid).load("wheel")
        first(lab).load("trials")
        cache = VisualBehaviorNeuropixelsProjectCache.from_s3_cache(tmp_path / "vbn")
        cache.get_probe_table()
    found = citations(read_lock(used.lock(tmp_path / "fascicle.lock")))
    text = cite(found)
    assert "Lovelace, A." in text and "A lab (version 1.0.0)" in text
    assert "License: CC-BY-4.0" in text
    assert "Visual Behavior Neuropixels (version 0.10.0)" in text
    assert "a folder without a version or a DOI" in text
    assert cite(found, "bibtex").count("@misc{") == 3
    import json

    import yaml

    rows = {row["archive"]: row for row in json.loads(cite(found, "json"))}
    assert rows[release.root]["version"] == "1.0.0" and rows[release.root]["doi"] == ""
    assert [r["type"] for r in yaml.safe_load(cite(found, "cff"))["references"]] == ["data"] * 3
    assert len(json.loads(cite(found, "datacite"))) == 3
    for form in ("cff", "datacite", "bibtex"):
        assert str(lab) not in cite(found, form), "no address that a reader could open"
    with pytest.raises(FascicleError, match="no citation in the form"):
        cite(found, "ris")


def test_a_folder_can_say_how_it_is_cited(lab: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(next(lab.glob("*/Subjects/NYU-37")), folder / "l/Subjects/NYU-37")
    (folder / "release.toml").write_text(
        'title = "Mice"\ndoi = "10.5281/zenodo.42"\nauthors = [{ name = "The Lab" }]\n'
    )
    fascicle.index(folder)
    lock = read_lock(lock_one(folder, tmp_path / "fascicle.lock"))
    assert lock.archives[0].doi == "10.5281/zenodo.42"
    assert "https://doi.org/10.5281/zenodo.42" in cite(citations(lock))
    assert cite(lock) == cite(citations(lock))
    assert lock.archives[0].authors == ("{The Lab}",)
