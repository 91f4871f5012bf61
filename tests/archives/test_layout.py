"""The local folder of releases, and what other readers of the layout left in it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fascicle.archives.layout import LAST_USED, RECORD, Store, sorted_names, write_if_allowed
from fascicle.errors import HashMismatch, ManifestError, NotHereError, UnsafeTarget
from fascicle.formats.manifest import Manifest, manifest_name
from fascicle.transfer import Ledger

CONTENT = b"some bytes"
DIGEST = hashlib.blake2b(CONTENT).hexdigest()
URL = "https://lab-data.s3.us-west-2.amazonaws.com/project/data/file.bin"


def publish(folder: Path, version: str, file_hash: str = DIGEST, project: str = "project") -> None:
    document = {
        "project_name": project,
        "manifest_version": version,
        "metadata_file_id_column_name": "file_id",
        "data_pipeline": [],
        "metadata_files": {},
        "data_files": {"0": {"url": URL, "version_id": "v", "file_hash": file_hash}},
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / manifest_name("project", version)).write_text(json.dumps(document))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    for version in ("0.9.0", "0.10.0"):
        publish(tmp_path / "cache", version)
    return Store(tmp_path / "cache", "project")


def manifest(store: Store, version: str = "0.9.0") -> Manifest:
    return store.read(manifest_name("project", version))


def put(store: Store, content: bytes = CONTENT, version: str = "0.9.0") -> Path:
    path = store.path(manifest(store, version), manifest(store, version).data_files["0"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_manifests_that_are_here(store: Store) -> None:
    (store.root / "other_project_manifest_v1.0.0.json").write_text("{}")
    (store.root / "project_project_manifest_v1.json").write_text("{}")
    (store.root / "project_project_manifest_v2.0.0.json").mkdir()
    names = [manifest_name("project", v) for v in ("0.9.0", "0.10.0")]
    assert store.manifest_names() == names
    assert sorted_names([*names, *names, "x"], "project") == names
    assert Store(store.root / "none", "project").manifest_names() == []


def test_a_manifest_of_another_project(store: Store) -> None:
    publish(store.root, "0.9.0", project="other")
    with pytest.raises(ManifestError, match="'other'"):
        manifest(store)


def test_which_was_loaded_last(store: Store) -> None:
    assert store.last_used() == ""
    store.set_last_used("a.json")
    assert (store.root / LAST_USED).read_text() == store.last_used() == "a.json"
    (store.root / LAST_USED).write_bytes(b"\xff" * 1000)
    assert len(store.last_used()) <= 300


def test_a_file_is_verified_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    one, entry = manifest(store), manifest(store).data_files["0"]
    with pytest.raises(NotHereError, match="from_s3_cache"):
        store.verified(one, entry)
    path = put(store)
    assert store.verified(one, entry) == path

    def refuse(*_: object) -> str:
        pytest.fail("read again")

    from fascicle.archives import layout as home

    with monkeypatch.context() as patch:
        patch.setattr(home, "file_digest", refuse)
        assert store.verified(one, entry) == path
    os.utime(path, ns=(1, 1))
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(HashMismatch, match="cut short"):
        store.verified(one, entry)


def test_a_checksum_of_no_kind(store: Store) -> None:
    publish(store.root, "0.9.0", file_hash="abc")
    put(store)
    with pytest.raises(HashMismatch, match="no usable"):
        store.verified(manifest(store), manifest(store).data_files["0"])
    assert not store.learn_copy(manifest(store).data_files["0"])


def test_links_that_lead_out(store: Store, tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (store.root / "link").symlink_to(tmp_path / "away")
    store.check_target(store.root / "project-0.9.0" / "x")
    with pytest.raises(UnsafeTarget):
        store.check_target(store.root / "link" / "x")


def test_the_folder_itself_may_be_a_link(store: Store, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(store.root)
    linked = Store(tmp_path / "link", "project")
    linked.check_target(linked.root / "project-0.9.0" / "x")
    path = put(linked)
    assert linked.verified(manifest(linked), manifest(linked).data_files["0"]) == path


def test_the_record(store: Store) -> None:
    assert store.record() == {}
    path = put(store)
    store.add_to_record([(path, DIGEST)])
    assert store.record() == {os.path.realpath(path): DIGEST}
    for content in (b"", b"[]", b"{", b'{"a": 1}', b"[" * 100_000):
        (store.root / RECORD).write_bytes(content)
        assert store.record() == {}
    assert store.rebuild_record() == 1
    assert store.record() == {os.path.realpath(path): DIGEST}


def test_files_without_a_record(store: Store) -> None:
    assert not store.has_unrecorded_files()
    store.set_last_used("x")
    (store.root / ".fascicle").mkdir()
    (store.root / ".fascicle" / "own").write_text("")
    assert not store.has_unrecorded_files()
    (store.root / "somewhere").mkdir()
    (store.root / "somewhere" / "notes.txt").write_text("")
    assert store.has_unrecorded_files()
    store.add_to_record([(put(store), DIGEST)])
    assert not store.has_unrecorded_files()


def test_content_in_another_version_of_a_folder_that_was_moved(
    store: Store, tmp_path: Path
) -> None:
    old = put(store)
    store.add_to_record([(old, DIGEST)])
    newer = manifest(store, "0.10.0")
    link = store.path(newer, newer.data_files["0"])
    link.parent.mkdir(parents=True)
    link.symlink_to(old)  # as other readers of the layout do
    store.root.rename(tmp_path / "moved")
    moved = Store(tmp_path / "moved", "project")
    assert not moved.is_here(newer, newer.data_files["0"])
    assert moved.learn_copy(newer.data_files["0"])
    held = Ledger(moved.root)
    held.rows()
    assert [p.name for p in held.holders("blake2b", DIGEST)] == ["file.bin"]


def test_a_record_that_lies(store: Store) -> None:
    entry = manifest(store).data_files["0"]
    put(store, b"something else")
    (store.root / RECORD).write_text(
        json.dumps({str(store.root / "project-0.9.0/data/file.bin"): DIGEST, "/etc/passwd": DIGEST})
    )
    assert not store.learn_copy(entry)


def test_notes_go_without_saying(tmp_path: Path) -> None:
    write_if_allowed(tmp_path / "a", "text")
    assert (tmp_path / "a").read_text() == "text"
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write_if_allowed(tmp_path / "folder", "text")
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".part")] == []


RECORDS = """
import hashlib, sys
from pathlib import Path
from fascicle.archives.layout import Store
root, number = Path(sys.argv[1]), int(sys.argv[2])
store = Store(root, "project")
sys.stdin.readline()
for n in range(12):
    path = root / "project-0.9.0" / "data" / f"{number}-{n}.bin"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(path.name.encode())
    store.add_to_record([(path, hashlib.blake2b(path.name.encode()).hexdigest())])
"""


def test_processes_that_record_at_once_lose_nothing(store: Store) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RECORDS, str(store.root), str(n)],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(6)
    ]
    for process in processes:  # all of them are ready
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    names = {f"{number}-{n}.bin" for number in range(6) for n in range(12)}
    assert {Path(path).name for path in store.record()} == names


def test_what_another_reader_lost_is_recorded_again(store: Store) -> None:
    first = put(store)
    store.add_to_record([(first, DIGEST)])
    (store.root / RECORD).write_text("{}")  # written by a process that knew of nothing
    second = put(store, b"others", "0.10.0")
    store.add_to_record([(second, hashlib.blake2b(b"others").hexdigest())])
    assert set(store.record()) == {os.path.realpath(first), os.path.realpath(second)}
    first.unlink()
    (store.root / RECORD).write_text("{}")
    store.add_to_record([(second, hashlib.blake2b(b"others").hexdigest())])
    assert set(store.record()) == {os.path.realpath(second)}  # and not what is gone
    store.take_off_record([os.path.realpath(second)])
    assert store.record() == {}
