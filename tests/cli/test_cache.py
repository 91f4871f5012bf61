"""``fascicle cache``: what is listed is there, what goes was fetched, what moves is whole."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from fascicle.archives import FolderArchive
from fascicle.archives.layout import RECORD, Store
from fascicle.archives.move import move_store
from fascicle.cli.app import fascicle
from fascicle.errors import HashMismatch, NotHereError, UnsafeTarget
from fascicle.formats.manifest import manifest_name
from fascicle.transfer import Ledger, Source, make_plan, verify_store

OLD = 40 * 86_400


def invoke(*args: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(fascicle, [str(arg) for arg in args])
    return result.exit_code, result.stdout, result.stderr


def digest(data: bytes) -> str:
    return hashlib.blake2b(data).hexdigest()


def fetch(store: Path, files: dict[str, bytes], remote: Path) -> None:
    """Bring files into a store by a transfer."""
    pairs = []
    for name, data in files.items():
        source = remote / digest(data)[:20]
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_bytes(data)
        pairs.append((Source(source.as_uri(), "", len(data), digest(data), "blake2b"), name))
    make_plan(pairs, store=store).run(progress=False).raise_for_failed()


def manifest(version: str) -> bytes:
    document = {
        "project_name": "project",
        "manifest_version": version,
        "metadata_file_id_column_name": "file_id",
        "data_pipeline": [],
        "metadata_files": {},
        "data_files": {},
    }
    return json.dumps(document).encode()


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store with three versions that share a file, in the layout of AllenSDK."""
    folder, remote = tmp_path / "cache", tmp_path / "remote"
    for n, version in enumerate(("0.9.0", "0.10.0", "1.0.0")):
        fetch(folder, {manifest_name("project", version): manifest(version)}, remote)
        files = {"same.bin": b"s" * 50_000, f"own{n}.bin": bytes([n]) * 30_000}
        fetch(folder, {f"project-{version}/data/{k}": v for k, v in files.items()}, remote)
    records = Store(folder, "project")
    paths = sorted(folder.glob("project-*/data/*.bin"))
    records.add_to_record((path, digest(path.read_bytes())) for path in paths)
    return folder


def versions(store: Path) -> list[str]:
    return sorted(p.name.removeprefix("project-") for p in store.glob("project-*") if p.is_dir())


# -- ls, du ---------------------------------------------------------------------------------------


def test_ls_counts_shared_content_once(store: Path) -> None:
    code, out, _ = invoke("cache", "ls", store, "--json")
    (facts,) = json.loads(out)
    assert code == 0
    assert facts["kind"] == "release" and facts["versions"] == ["0.9.0", "0.10.0", "1.0.0"]
    inodes = {
        (f.stat().st_dev, f.stat().st_ino): f.stat().st_blocks * 512
        for f in store.rglob("*")
        if f.is_file() and ".fascicle" not in f.parts
    }
    assert facts["bytes"] == sum(inodes.values())
    assert facts["files"] == 6 + 3 + 1
    code, out, _ = invoke("cache", "ls", store)
    assert code == 0 and "0.9.0, 0.10.0, 1.0.0" in out


def test_ls_knows_where_releases_are_kept(store: Path) -> None:
    assert invoke("cache", "ls")[0] == 1
    home = Path(os.environ["FASCICLE_CACHE"]) / "releases" / "project-1234"
    home.parent.mkdir(parents=True)
    shutil.copytree(store, home)
    code, out, _ = invoke("cache", "ls", "--json")
    assert code == 0 and [facts["store"] for facts in json.loads(out)] == [str(home)]


def test_du_by_version_and_by_session(store: Path, lab: Path) -> None:
    rows = json.loads(invoke("cache", "du", store, "--json")[1])
    names = {row["name"]: row for row in rows}
    assert set(names) == {"project-0.9.0", "project-0.10.0", "project-1.0.0", None}
    assert names["project-1.0.0"]["files"] == 2
    linked = (store / "project-1.0.0/data/same.bin").stat().st_nlink > 1
    assert bool(names["project-1.0.0"]["shared"]) is linked
    rows = json.loads(invoke("cache", "du", lab, "--json")[1])
    assert len(rows) == FolderArchive(lab).catalogue().n_sessions + 1
    assert "(other files)" in invoke("cache", "du", store)[1]


# -- prune ----------------------------------------------------------------------------------------


def test_prune_keeps_the_newest_versions_and_what_they_share(store: Path) -> None:
    before = sorted(store.rglob("*"))
    code, out, _ = invoke("cache", "prune", store, "--keep", "1", "--dry-run", "--json")
    (plan,) = json.loads(out)
    assert code == 0 and sorted(store.rglob("*")) == before
    assert plan["versions"] == ["project-0.10.0", "project-0.9.0"]
    code, out, _ = invoke("cache", "prune", store, "--keep", "1", "--json")
    assert json.loads(out)[0]["removed"] == plan["removed"]
    assert versions(store) == ["1.0.0"]
    assert (store / "project-1.0.0/data/same.bin").read_bytes() == b"s" * 50_000
    assert not (store / manifest_name("project", "0.9.0")).exists()
    assert (store / manifest_name("project", "1.0.0")).exists()
    assert {check.status for check in verify_store(store)} == {"verified"}
    record = json.loads((store / RECORD).read_text())
    assert sorted(Path(path).name for path in record) == ["own2.bin", "same.bin"]


def test_prune_a_named_version(store: Path) -> None:
    assert invoke("cache", "prune", store, "--version", "0.10.0")[0] == 0
    assert versions(store) == ["0.9.0", "1.0.0"]
    code, _, err = invoke("cache", "prune", store, "--version", "0.10.1")
    assert code == 3 and "0.10.1" in err


def test_prune_leaves_what_nobody_fetched_or_what_was_changed(store: Path) -> None:
    own = store / "project-0.9.0/my notes.txt"
    own.write_text("mine")
    edited = store / "project-0.9.0/data/own0.bin"
    edited.write_bytes(b"edited")
    (store / RECORD).unlink()
    code, _, err = invoke("cache", "prune", store, "--keep", "0")
    assert code == 0 and "2 files of these versions stay" in err
    assert own.read_text() == "mine" and edited.read_bytes() == b"edited"
    assert not (store / "project-0.9.0/data/same.bin").exists()
    assert versions(store) == ["0.9.0"]


def test_prune_what_allensdk_fetched(store: Path) -> None:
    """It is known by its record alone, and verified before it goes."""
    shutil.rmtree(store / ".fascicle")
    (store / "project-0.9.0/data/own0.bin").write_bytes(b"edited")
    invoke("cache", "prune", store, "--version", "0.9.0")
    left = sorted(p.name for p in (store / "project-0.9.0").rglob("*") if p.is_file())
    assert left == ["own0.bin"]


def test_prune_keeps_what_a_link_of_a_version_that_stays_leads_to(store: Path) -> None:
    old = store / "project-0.9.0/data/same.bin"
    new = store / "project-1.0.0/data/same.bin"
    new.unlink()
    new.symlink_to(old)  # as AllenSDK does
    invoke("cache", "prune", store, "--keep", "1")
    assert new.read_bytes() == b"s" * 50_000


def test_prune_parts_and_unused_files(lab: Path, tmp_path: Path) -> None:
    import fascicle as package

    found = package.find(datasets="trials", archives=str(lab))[:1]
    to = tmp_path / "to"
    package.get(found, datasets=["trials", "wheel"], to=to).run().raise_for_failed()
    part = to / ".x.npy.0123456789abcdef-01234567.part"
    part.write_bytes(b"1")
    fresh = to / ".y.npy.0123456789abcdef-01234567.part"
    fresh.write_bytes(b"1")
    own = to / "my own.npy"
    own.write_bytes(b"1")
    then = time.time() - OLD
    for file in (part, own):
        os.utime(file, (then, then))
    invoke("cache", "prune", to)
    assert not part.exists() and fresh.exists() and own.exists()
    n_before = FolderArchive(to).catalogue().n_datasets
    assert invoke("cache", "prune", to, "--older-than", "60d")[0] == 0
    assert FolderArchive(to).catalogue().n_datasets == n_before
    # Written to a moment ago by the transfer: reading alone does not make them old.
    assert invoke("cache", "prune", to, "--older-than", "0h")[0] == 0
    assert own.exists() and FolderArchive(to).catalogue().n_datasets == 0
    code, _, err = invoke("cache", "prune", to, "--older-than", "soon")
    assert code == 2 and "90d" in err


# -- move -----------------------------------------------------------------------------------------


def snapshot(store: Path) -> dict[str, bytes]:
    return {
        p.relative_to(store).as_posix(): p.read_bytes()
        for p in store.rglob("*")
        if p.is_file() and ".fascicle" not in p.parts and p.name != RECORD
    }


@pytest.mark.parametrize("copy", [False, True], ids=["rename", "copy"])
@pytest.mark.parametrize("there", [False, True], ids=["absent", "empty"])
def test_move(store: Path, tmp_path: Path, copy: bool, there: bool) -> None:
    link = store / "project-1.0.0/data/link.bin"
    link.symlink_to(store / "project-0.9.0/data/own0.bin")
    before, dst = snapshot(store), tmp_path / "elsewhere" / "cache"
    if there:
        dst.mkdir(parents=True)
    linked = (store / "project-1.0.0/data/same.bin").stat().st_nlink
    code, _, err = invoke("cache", "move", store, dst, *(["--copy"] if copy else []))
    assert code == 0, err
    assert not store.exists() and snapshot(dst) == before
    assert {check.status for check in verify_store(dst)} == {"verified"}
    rows = Ledger(dst).rows()
    for path, row in rows.items():  # nothing has to be read again
        assert row.fits((dst / path).stat()) or path == RECORD
    assert (dst / "project-1.0.0/data/same.bin").stat().st_nlink == linked
    record = json.loads((dst / RECORD).read_text())
    assert record and all(path.startswith(f"{dst}/") for path in record)
    assert os.readlink(dst / "project-1.0.0/data/link.bin").startswith(f"{dst}/")
    left = {p.name for p in (*store.parent.iterdir(), *dst.parent.iterdir())}
    assert not [name for name in left if "fascicle-mov" in name]


def test_move_to_another_file_system(store: Path) -> None:
    before = snapshot(store)
    dst = Path("/dev/shm") / f"fascicle-test-{os.getpid()}"
    assert Path("/dev/shm").stat().st_dev != store.stat().st_dev
    try:
        assert move_store(store, dst).how == "copied"
        assert snapshot(dst) == before and not store.exists()
    finally:
        shutil.rmtree(dst, ignore_errors=True)


def test_move_refuses(store: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsafeTarget):
        move_store(store, store / "inside")
    with pytest.raises(UnsafeTarget):
        move_store(store, store)
    full = tmp_path / "full"
    full.mkdir()
    (full / "x").write_text("x")
    with pytest.raises(UnsafeTarget, match="not empty"):
        move_store(store, full)
    with pytest.raises(NotHereError, match="no store"):
        move_store(full, tmp_path / "new")
    with pytest.raises(NotHereError):
        move_store(tmp_path / "nothing", tmp_path / "new")


def test_move_of_a_harmed_store_leaves_it(store: Path, tmp_path: Path) -> None:
    file = store / "project-1.0.0/data/own2.bin"
    seen = file.stat()
    data = bytearray(file.read_bytes())
    data[0] ^= 1
    with file.open("r+b") as stream:  # as a failing disk does: nothing shows it
        stream.write(data)
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    before = snapshot(store)
    with pytest.raises(HashMismatch, match="own2"):
        move_store(store, tmp_path / "new", copy=True)
    assert snapshot(store) == before and not (tmp_path / "new").exists()


MOVE = """
import sys
from fascicle.archives.move import move_store
print("begun", flush=True)
move_store(sys.argv[1], sys.argv[2], copy=True)
"""


@pytest.mark.parametrize("n_moves", [9, pytest.param(25, marks=pytest.mark.long)])
def test_move_that_is_killed_leaves_one_whole_store_and_is_continued(
    tmp_path: Path, n_moves: int
) -> None:
    rng = random.Random(5)
    store, dst = tmp_path / "cache", tmp_path / "new" / "cache"
    files = {f"project-1.0.0/data/{n}.bin": rng.randbytes(200_000) for n in range(120)}
    fetch(store, files, tmp_path / "remote")
    before = snapshot(store)
    kills = 0
    for n in range(n_moves):
        source, target = (store, dst) if store.exists() else (dst, store)
        if not (source.exists() or target.exists()):
            pytest.fail("both are gone")
        process = subprocess.Popen(
            [sys.executable, "-c", MOVE, str(source), str(target)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        process.stdout.readline()
        last = n == n_moves - 1
        time.sleep(0 if last else rng.uniform(0, 0.6))
        if not last:
            process.send_signal(signal.SIGKILL)
            kills += process.wait() == -signal.SIGKILL
        process.communicate()
        whole = [p for p in (store, dst) if p.exists() and snapshot(p) == before]
        assert whole, f"no whole store after {n + 1} kills"
        if not source.exists() and target.exists():
            move_store_again(source, target)
        if not store.exists():
            store, dst = dst, store
    assert kills
    if store.exists() and dst.exists():
        move_store(store, dst, copy=True)
    final = store if store.exists() else dst
    assert snapshot(final) == before
    assert {check.status for check in verify_store(final)} == {"verified"}


def move_store_again(source: Path, target: Path) -> None:
    """Type the same command once more: what is left of it is done, or there is nothing left."""
    try:
        assert move_store(source, target, copy=True).how == "finished"
    except NotHereError:
        assert not list(source.parent.glob(f".{source.name}.fascicle-mov*"))
