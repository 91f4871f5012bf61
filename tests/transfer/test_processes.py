"""Processes that are killed, and several at once: the file is whole in the end, or not there."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fascicle.transfer import Source, make_plan, verify_store

GET = """
import json, sys
from fascicle.transfer import Limits, Source, make_plan
store, listing = sys.argv[1:3]
pairs = [(Source(**s), t) for s, t in json.loads(listing)]
print("begun", flush=True)
limits = Limits(backoff=0.05, stall_timeout=5, journal=0.02, spare_disk=0)
result = make_plan(pairs, store=store).run(limits=limits)
print(json.dumps([o.status for o in result.items]), result.bytes)
"""


def start(store: Path, pairs: list[tuple[Source, str]]) -> subprocess.Popen[str]:
    listing = json.dumps(
        [
            ({"url": s.url, "size": s.size, "hash": s.hash, "algorithm": s.algorithm}, target)
            for s, target in pairs
        ]
    )
    return subprocess.Popen(
        [sys.executable, "-c", GET, str(store), listing], stdout=subprocess.PIPE, text=True
    )


def whole_or_absent(store: Path, pairs: list[tuple[Source, str]]) -> int:
    """Check what is under final names; return how many are."""
    n = 0
    for source, target in pairs:
        path = store / target
        if path.exists():
            data = path.read_bytes()
            assert hashlib.new(source.algorithm, data).hexdigest() == source.hash
            n += 1
    return n


def killed(server, store, n_kills: int, leftovers) -> None:
    rng = random.Random(1)
    for i in range(60):
        server.put(f"/small{i}", rng.randbytes(3000), rate=300_000)
    server.put("/middle", rng.randbytes(3_000_000), rate=6_000_000)
    server.put("/large", rng.randbytes(60 << 20), rate=4_000_000)
    pairs = [(server.source(path), f"data{path}") for path in server.routes]
    for _ in range(n_kills):
        process = start(store, pairs)
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        time.sleep(rng.uniform(0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        whole_or_absent(store, pairs)
        if (store / "data/large").exists():  # begin again
            (store / "data/large").unlink()
            for i in range(0, 60, 2):
                (store / f"data/small{i}").unlink(missing_ok=True)
    process = start(store, pairs)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert "failed" not in out
    assert whole_or_absent(store, pairs) == 62
    assert {check.status for check in verify_store(store)} == {"verified"}


def test_a_process_that_is_killed(server, store, leftovers) -> None:
    killed(server, store, 12, leftovers)
    fetched = sum(int(h["range"].split("-")[0][6:]) > 0 for h in server.asked("/large"))
    assert fetched


@pytest.mark.long
def test_a_process_that_is_killed_two_hundred_times(server, store, leftovers) -> None:
    killed(server, store, 200, leftovers)


def test_what_a_killed_process_left_is_continued(server, store) -> None:
    data = random.Random(2).randbytes(64 << 20)
    server.put("/large", data, rate=3_000_000)
    source = server.source("/large")
    process = start(store, [(source, "large")])
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if make_plan([(source, "large")], store=store).items[0].done > 8 << 20:
            break
        time.sleep(0.05)
    process.kill()
    process.communicate()
    server.routes["/large"].rate = 0
    plan = make_plan([(source, "large")], store=store)
    assert plan.items[0].state == "partial"
    result = plan.run()
    result.raise_for_failed()
    assert result.bytes == len(data) - plan.items[0].done
    assert (store / "large").read_bytes() == data


def test_eight_processes_get_the_same_fifty_files(server, store, leftovers) -> None:
    rng = random.Random(3)
    for i in range(48):
        server.put(f"/f{i}", rng.randbytes(5000))
    server.put("/g", rng.randbytes(1_000_000))
    server.put("/h", rng.randbytes(40 << 20))
    pairs = [(server.source(path), path[1:]) for path in server.routes]
    running = [start(store, pairs) for _ in range(8)]
    for process in running:
        out, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert "failed" not in out
    assert whole_or_absent(store, pairs) == 50
    assert {check.status for check in verify_store(store)} == {"verified"}
    assert not leftovers(store)


FULL = """
import json, subprocess, sys
from pathlib import Path
from fascicle.transfer import Limits, Source, make_plan
place, listing = sys.argv[1:3]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], check=True)
pairs = [(Source(**s), t) for s, t in json.loads(listing)]
store = Path(place) / "store"
limits = Limits(spare_disk=0)
result = make_plan(pairs, store=store).run(limits=limits)
answer = {"first": [(o.status, o.error and o.error.kind) for o in result.items]}
answer["there"] = sorted(p.name for p in store.iterdir() if not p.name.startswith("."))
subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
plan = make_plan(pairs, store=store)
answer["states"] = [item.state for item in plan.items]
answer["second"] = [o.status for o in plan.run(limits=limits).items]
answer["size"] = (store / "large").stat().st_size
print(json.dumps(answer))
"""


def test_a_disk_that_fills_up(server, tmp_path) -> None:
    server.put("/small", b"abc")
    server.put("/large", random.Random(4).randbytes(20 << 20))
    # a record without size is the way to get past the check of the room
    small, large = server.source("/small"), server.source("/large")
    listing = [
        ({"url": small.url, "size": 3}, "small"),
        ({"url": large.url, "hash": large.hash, "algorithm": "sha256"}, "large"),
    ]
    run = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", FULL, str(tmp_path), json.dumps(listing)],
        capture_output=True,
        text=True,
        env={**os.environ, "TQDM_DISABLE": "1"},
    )
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout.splitlines()[-1])
    assert answer["first"][1] == ["failed", "not-enough-disk"]
    assert "large" not in answer["there"]
    assert answer["second"] in (["fetched", "fetched"], ["here", "fetched"])
    assert answer["size"] == 20 << 20
