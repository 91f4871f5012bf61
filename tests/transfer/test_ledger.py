"""The ledger: nothing is lost, whoever writes; what changed is noticed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from fascicle.errors import IncompleteWarning
from fascicle.transfer import Ledger, Row, Source, make_plan, verify_store

CONTENT = b"some content"
SHA = "290f493c44f5d63d06b374d0a5abd292fae38b92cab2fae5efefe1b0e9347f56"


@pytest.fixture
def source() -> Source:
    return Source("http://127.0.0.1:9/x", size=12, hash=SHA, algorithm="sha256")


def put(store, name: str, data: bytes = CONTENT):
    path = store / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def state(source, store, **options) -> str:
    return make_plan([(source, "x")], store=store, **options).items[0].state


def test_rows_come_back_and_the_newest_counts(store) -> None:
    ledger = Ledger(store)
    assert not ledger.exists() and ledger.rows() == {} and not store.exists()
    ledger.add([Row("a", 1, 2, 3, "md5", "abc", "verified", "http://x"), Row("b")])
    ledger.add([Row("a", 9)])
    ledger.forget(["b"])
    rows = Ledger(store).rows()
    assert set(rows) == {"a"} and rows["a"].size == 9
    assert ledger.find("b") is None


def test_many_processes_at_once_lose_nothing(store) -> None:
    code = (
        "import sys; from fascicle.transfer import Ledger, Row\n"
        "ledger = Ledger(sys.argv[1])\n"
        "for i in range(40): ledger.add([Row(f'{sys.argv[2]}/{i}', size=i)])"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(store), str(n)]) for n in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    rows = Ledger(store).rows()
    assert len(rows) == 160
    assert len(os.listdir(store / ".fascicle/ledger")) < 80  # small segments were merged


def test_a_reader_keeps_up_while_segments_are_merged(store) -> None:
    reader, writer = Ledger(store), Ledger(store)
    for i in range(100):
        writer.add([Row(f"f{i}")])
        if i % 10 == 0:
            assert len(reader.rows()) == i + 1


def test_a_harmed_segment_is_left_out(store) -> None:
    ledger = Ledger(store)
    ledger.add([Row("a")])
    for name, text in {"1": "{", "2": "[]", "3": '{"format": 9, "rows": []}'}.items():
        (ledger.folder / f"{name}.json").write_text(text)
    assert set(Ledger(store).rows()) == {"a"}


def test_a_whole_file_is_hashed_once(store, source) -> None:
    path = put(store, "x")
    assert state(source, store) == "here"
    row = Ledger(store).find("x")
    assert row.state == "verified" and row.hash == SHA
    # the same size, time and inode: believed, which shows that it was not read again
    seen = path.stat()
    with path.open("r+b") as f:
        f.write(b"S")
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert state(source, store) == "here"
    assert state(source, store, verify="full") == "missing"


@pytest.mark.parametrize("change", ["content", "time", "inode", "size"])
def test_a_changed_file_is_noticed(store, source, change) -> None:
    path = put(store, "x")
    assert state(source, store) == "here"
    seen = path.stat()
    if change == "content":
        path.write_bytes(b"Some content")
    elif change == "size":
        path.write_bytes(b"some")
    elif change == "time":
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns + 1))
    else:
        (store / "y").write_bytes(CONTENT)
        os.replace(store / "y", path)
    expected = "missing" if change in ("content", "size") else "here"
    assert state(source, store) == expected
    if expected == "here":
        assert Ledger(store).find("x").fits(path.stat())  # hashed again, and noted


def test_size_alone_where_that_is_asked_for(store, source) -> None:
    put(store, "x", b"SOME CONTENT")
    assert state(source, store, verify="size") == "here"
    assert state(source, store) == "missing"


def test_without_a_checksum_the_length_counts(store) -> None:
    put(store, "x")
    assert state(Source("http://127.0.0.1:9/x", size=12), store) == "here"
    assert state(Source("http://127.0.0.1:9/x", size=13), store) == "missing"
    assert Ledger(store).find("x").state == "unverified"


def test_verify_reads_everything(store, source) -> None:
    for name in ("x", "y", "z"):
        put(store, name)
        make_plan([(source, name)], store=store)
    put(store, "u")
    make_plan([(Source("http://127.0.0.1:9/u", size=12), "u")], store=store)
    put(store, "y", b"SOME CONTENT")
    (store / "z").unlink()
    found = {check.path: check.status for check in verify_store(store)}
    assert found == {"x": "verified", "y": "changed", "z": "missing", "u": "unverified"}


READ_ONLY = """
import os, subprocess, sys, warnings
from pathlib import Path
from fascicle.transfer import Source, make_plan
store = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", store], check=True)
(store / "x").write_bytes(b"SOME CONTENT")
(store / "y").write_bytes(b"some content")
subprocess.run(["mount", "-o", "remount,ro", store], check=True)
warnings.simplefilter("always")
source = Source("http://127.0.0.1:9/x", size=12, hash=sys.argv[2], algorithm="sha256")
other = Source("http://127.0.0.1:9/y", size=12)
plan = make_plan([(source, "x"), (source, "missing"), (other, "y")], store=store)
print([item.state for item in plan.items], plan.notes)
result = plan.run()
print([outcome.status for outcome in result.items], result.failed[0].error.kind, result.requests)
print(sorted(os.listdir(store)))
"""


def test_a_read_only_store_is_checked_by_size_and_left_alone(tmp_path) -> None:
    command = ["unshare", "-rm", sys.executable, "-c", READ_ONLY, str(tmp_path), SHA]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    planned, done, there = run.stdout.splitlines()
    assert planned.startswith("['here', 'missing', 'here'] ('1 files in")
    assert done == "['here', 'failed', 'here'] read-only-store 0"
    assert there == "['x', 'y']"
    assert IncompleteWarning.__name__ in run.stderr
