"""Files arrive whole: plain fetches, from a real server."""

from __future__ import annotations

import hashlib
import math
import os
import random
import shutil
from dataclasses import replace

import pytest

from fascicle.errors import ConfigurationError
from fascicle.transfer import Ledger, Limits, Plan, Source, make_plan


def noise(n: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(n)


def fetch(server, store, limits, *paths, **options):
    size, hashed = options.pop("size", "right"), options.pop("hashed", "sha256")
    pairs = [(server.source(p, size=size, hashed=hashed), p.lstrip("/")) for p in paths]
    return make_plan(pairs, store=store).run(limits=limits, **options)


@pytest.mark.parametrize("hashed", ["sha256", "md5", "blake2b", "sha1", "crc32", ""])
@pytest.mark.parametrize("size", ["right", None])
@pytest.mark.parametrize("length", [0, 1, 3000, 262_144, 262_145, 1_000_000])
def test_a_file_arrives(server, store, quick, leftovers, length, size, hashed) -> None:
    data = noise(length)
    server.put("/a/b.npy", data)
    if hashed == "crc32":
        import zlib

        source = Source(server.base + "/a/b.npy", hash=f"{zlib.crc32(data):08X}", algorithm="CRC32")
    else:
        source = server.source("/a/b.npy", size=size, hashed=hashed)
    result = make_plan([(source, "a/b.npy")], store=store).run(limits=quick)
    result.raise_for_failed()
    assert (store / "a/b.npy").read_bytes() == data
    assert [o.status for o in result.items] == ["fetched"]
    row = Ledger(store).find("a/b.npy")
    assert row is not None and row.size == length
    assert row.state == ("verified" if hashed else "unverified")
    assert row.hash == source.hash.lower()
    assert not leftovers(store)


@pytest.mark.parametrize("size", ["right", None])
def test_a_large_file_comes_in_ranges(server, store, quick, transport, size) -> None:
    data = noise(50 << 20)
    server.put("/large.bin", data)
    result = fetch(server, store, quick, "/large.bin", size=size)
    result.raise_for_failed()
    assert (store / "large.bin").read_bytes() == data
    asked = {h.get("range") for h in server.asked("/large.bin")}
    assert asked == {
        "bytes=0-16777215",
        "bytes=16777216-33554431",
        "bytes=33554432-50331647",
        "bytes=50331648-52428799",
    }
    assert result.bytes == len(data)


def test_many_small_files(server, store, quick, transport, leftovers) -> None:
    files = {f"/s{i % 7}/f{i}.npy": noise(10 + i, i) for i in range(500)}
    for path, data in files.items():
        server.put(path, data)
    result = fetch(server, store, quick, *files)
    result.raise_for_failed()
    assert len(result.ok) == 500 and result.requests == 500
    for path, data in files.items():
        assert (store / path[1:]).read_bytes() == data
    assert server.n_connections <= 128
    assert not leftovers(store)
    again = fetch(server, store, quick, *files)
    assert {o.status for o in again.items} == {"here"}
    assert again.requests == 0


def test_a_batch_brings_the_good_and_names_the_bad(server, store, quick, transport) -> None:
    files = {f"/f{i}.npy": noise(100 + i, i) for i in range(1000)}
    for path, data in files.items():
        server.put(path, data)
    bad = [f"/f{i}.npy" for i in range(0, 1000, 100)]
    sources = {path: server.source(path) for path in files}
    for path in bad[:4]:
        del server.routes[path]
    for path in bad[4:7]:
        server.routes[path].data = b"something else"
    for path in bad[7:]:
        server.routes[path].cut_at = [5] * 100
    plan = make_plan([(s, p[1:]) for p, s in sources.items()], store=store)
    result = plan.run(limits=quick)
    assert len(result.ok) == 990
    assert {"/" + o.item.target.name for o in result.failed} == set(bad)
    kinds = {"/" + o.item.target.name: o.error.kind for o in result.failed}
    assert {kinds[p] for p in bad[:4]} == {"remote-not-found"}
    assert {kinds[p] for p in bad[4:7]} == {"hash-mismatch"}
    assert {kinds[p] for p in bad[7:]} == {"server"}
    assert not any((store / p[1:]).exists() for p in bad)
    with pytest.raises(OSError, match="10 of 1000 files"):
        result.raise_for_failed()


def test_no_more_at_once_than_allowed(server, store, quick) -> None:
    files = [f"/f{i}" for i in range(100)]
    for path in files:
        server.put(path, noise(3000), rate=100_000)
    fetch(server, store, quick, *files, parallel=3, hashed="").raise_for_failed()
    assert server.most_at_once <= 3


def test_a_plan_tells_and_selects_and_splits(server, store, quick) -> None:
    import pickle

    for i in range(10):
        server.put(f"/alf/f{i}.npy", noise(1000 * i))
    server.put("/raw/x.cbin", noise(300_000))
    paths = list(server.routes)
    pairs = [(server.source(p), p[1:]) for p in paths]
    plan = pickle.loads(pickle.dumps(make_plan(pairs, store=store)))
    assert isinstance(plan, Plan)
    assert plan.bytes == 345_000 and len(plan.to_fetch) == 11 and not plan.here
    assert "11 files" in plan.describe() and "345.0 kB" in plan.describe()
    assert "11 files" in plan._repr_html_() and "x.cbin" in plan._repr_html_()
    assert plan.seconds(rate=34_500) == 10
    assert len(plan.select(include=["alf/*"])) == 10
    assert len(plan.select(exclude=["*.npy"])) == 1
    assert len(plan.select(include=["f?.npy"], max_size=4000)) == 5
    halves = plan.split(2)
    assert sorted(p.source.url for h in halves for p in h.items) == sorted(
        p.source.url for p in plan.items
    )
    assert max(h.bytes + 100_000 * len(h) for h in halves) < 900_000
    assert not server.log
    for half in halves:
        half.run(limits=quick).raise_for_failed()
    again = make_plan(pairs, store=store)
    assert len(again.here) == 11 and again.bytes == 0


def test_content_that_is_known_is_not_fetched_twice(server, store, quick, leftovers) -> None:
    data = noise(5000)
    for name in ("/v1/a.npy", "/v2/a.npy", "/v3/a.npy"):
        server.put(name, data)
    result = fetch(server, store, quick, "/v1/a.npy", "/v2/a.npy")
    assert [o.status for o in result.items] == ["fetched", "linked"]
    result = fetch(server, store, quick, "/v3/a.npy")
    assert [o.status for o in result.items] == ["linked"]
    assert [p for p, _ in server.log] == ["/v1/a.npy"]
    assert (store / "v3/a.npy").read_bytes() == data
    one, other = (store / f"{v}/a.npy" for v in ("v1", "v3"))
    if one.stat().st_ino == other.stat().st_ino:
        assert not one.stat().st_mode & 0o222  # a change in place would change every version
    else:
        one.write_bytes(b"changed")
        assert other.read_bytes() == data
    assert not leftovers(store)


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_twin_that_is_not_what_it_was_is_not_used(server, store, quick, harm) -> None:
    data = noise(5000)
    server.put("/a", data)
    server.put("/b", data)
    fetch(server, store, quick, "/a").raise_for_failed()
    plan = make_plan([(server.source("/b"), "b")], store=store)
    assert plan.items[0].state == "known"
    (store / "a").unlink()
    if harm == "changed":
        (store / "a").write_bytes(data[::-1])
    result = plan.run(limits=quick, offline=True)
    assert [o.status for o in result.items] == ["failed"]
    result = plan.run(limits=quick)
    assert [o.status for o in result.items] == ["fetched"]
    assert (store / "b").read_bytes() == data


def test_another_source_of_the_same_content_is_tried(server, store, quick) -> None:
    data = noise(5000)
    server.put("/c", data)
    good = server.source("/c")
    bad = [
        Source(url, size=5000, hash=good.hash, algorithm="sha256")
        for url in ("nonsense", server.base + "/gone", "ftp://x/y")
    ]
    pairs = [(source, f"f{i}") for i, source in enumerate([*bad, good])]
    result = make_plan(pairs, store=store).run(limits=quick)
    assert [o.status for o in result.items] == ["failed"] * 3 + ["fetched"]


def test_a_store_can_be_moved(server, store, quick, tmp_path) -> None:
    server.put("/a.npy", noise(5000))
    server.put("/b.npy", noise(5000))
    fetch(server, store, quick, "/a.npy", "/b.npy").raise_for_failed()
    os.rename(store, tmp_path / "elsewhere")
    plan = make_plan(
        [(server.source("/a.npy"), "a.npy"), (server.source("/b.npy"), "b.npy")],
        store=tmp_path / "elsewhere",
    )
    assert len(plan.here) == 2


def test_an_md5_is_no_proof_between_strangers(server, store, quick) -> None:
    data = noise(500)
    server.put("/a.npy", data)
    server.put("/b.npy", data)
    fetch(server, store, quick, "/a.npy", hashed="md5").raise_for_failed()
    stranger = Source(
        f"http://localhost:{server.port}/b.npy",
        hash=hashlib.md5(data).hexdigest(),
        algorithm="md5",
        size=500,
    )
    assert make_plan([(stranger, "b.npy")], store=store).items[0].state == "missing"
    same = server.source("/b.npy", hashed="md5")
    assert make_plan([(same, "b.npy")], store=store).items[0].state == "known"


def test_local_files_are_copied_and_verified(store, quick, tmp_path) -> None:
    place = tmp_path / "elsewhere ä.npy"
    place.write_bytes(b"abc")
    good = Source(place.as_uri(), hash=hashlib.md5(b"abc").hexdigest(), algorithm="md5")
    bad = Source(place.as_uri(), hash="0" * 32, algorithm="md5")
    gone = Source((tmp_path / "gone").as_uri())
    plan = make_plan([(good, "good"), (bad, "bad"), (gone, "gone")], store=store)
    result = plan.run(limits=quick, offline=True)
    assert [o.status for o in result.items] == ["fetched", "failed", "failed"]
    assert [o.error.kind for o in result.failed] == ["hash-mismatch", "remote-not-found"]
    (store / "good").write_bytes(b"xyz")
    assert place.read_bytes() == b"abc"


def test_offline_says_what_is_lacking(server, store, quick, monkeypatch) -> None:
    server.put("/a.npy", noise(500))
    server.put("/b.npy", noise(600))
    fetch(server, store, quick, "/a.npy").raise_for_failed()
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    n = len(server.log)
    result = fetch(server, store, quick, "/a.npy", "/b.npy")
    assert [o.status for o in result.items] == ["here", "failed"]
    assert result.failed[0].error.kind == "offline"
    with pytest.raises(ConnectionError, match=r"b\.npy is not here"):
        result.raise_for_failed()
    assert len(server.log) == n


def test_bandwidth_is_bounded(server, store, quick, transport) -> None:
    from dataclasses import replace

    server.put("/a", noise(300_000))
    server.put("/b", noise(300_000))
    limits = replace(quick, bandwidth=1_000_000)
    result = fetch(server, store, limits, "/a", "/b", hashed="")
    result.raise_for_failed()
    assert result.seconds > 0.45  # a bound from below holds on any machine


def test_bandwidth_is_bounded_for_a_large_file(server, store, quick, transport) -> None:
    from dataclasses import replace

    server.put("/a", noise(40_000_000))
    result = fetch(server, store, replace(quick, bandwidth=40_000_000), "/a")
    result.raise_for_failed()
    assert result.seconds > 0.8  # what a server sends faster is waited for


def test_headers_of_a_login_go_along(server, store, quick, transport) -> None:
    server.put("/a", b"secret", login="Token abc")
    assert fetch(server, store, quick, "/a").failed[0].error.kind == "access-denied"
    result = fetch(server, store, quick, "/a", headers=lambda s: {"Authorization": "Token abc"})
    result.raise_for_failed()


def test_an_interrupt_leaves_what_can_be_continued(server, store, quick, monkeypatch) -> None:
    from fascicle.transfer import engine

    data = noise(50 << 20)
    server.put("/large", data)
    seen = []

    def look_after(self, original=engine._Loop.look_after):
        original(self)
        if self.transport.n_bytes > 30 << 20:
            seen.append(self.transport.n_bytes)
            raise KeyboardInterrupt

    monkeypatch.setattr(engine._Loop, "look_after", look_after)
    with pytest.raises(KeyboardInterrupt):
        fetch(server, store, quick, "/large")
    monkeypatch.undo()
    assert not (store / "large").exists()
    plan = make_plan([(server.source("/large"), "large")], store=store)
    assert plan.items[0].state == "partial"
    assert plan.items[0].done == seen[0]
    result = plan.run(limits=quick)
    result.raise_for_failed()
    assert result.bytes == len(data) - seen[0]
    assert (store / "large").read_bytes() == data


def test_ranges_grow_while_that_makes_it_faster(quick) -> None:
    from fascicle.transfer.lanes import Lane

    def far(host: str, limits: Limits) -> Lane:
        lane = Lane(host, limits)
        lane.asked = 0.0
        assert lane.look(1.0) == 0
        assert lane.width == lane.window
        return lane

    lane = far("http://x", quick)
    assert lane.window == 16
    lane.grow(100)
    assert lane.window == 16  # not all were in use, so the rate says nothing
    lane.streams = 16
    lane.grow(0)
    assert lane.window == 16  # nothing came yet
    lane.grow(100)
    assert lane.window == 32
    lane = far("http://x", replace(quick, streams=128))
    lane.streams = 64
    lane.grow(100)
    assert lane.window == 128
    lane = far("http://x", replace(quick, streams=1024))
    lane.streams = 512
    lane.window = 64
    lane.grow(100)
    assert lane.window == 128
    lane.grow(105)
    assert lane.window == 128  # no faster: that is enough
    lane.grow(1000)
    assert lane.window == 128


def test_a_host_that_answers_at_once_is_asked_for_one_range_of_a_file(quick) -> None:
    from fascicle.transfer.lanes import Lane

    lane = Lane("http://x", quick)
    assert lane.look(100.0) == math.inf  # nothing was asked for
    lane.asked = 100.0
    assert 0 < lane.look(100.001) < 0.1
    assert (lane.width, lane.is_near) == (4, False)
    lane.grow(1)
    assert lane.near  # small files say nothing of it
    lane.heard = True
    assert lane.look(200.0) == math.inf
    lane.active = lane.streams = 4
    lane.grow(1e9)
    assert lane.is_near
    lane.grow(1e8)  # so slow that more of them may be faster
    assert (lane.width, lane.is_near) == (16, False)


def test_connections_go_on_from_one_plan_to_the_next(server, store, quick) -> None:
    for name in ("/a", "/b", "/c"):
        server.put(name, noise(1000, ord(name[1])))
        fetch(server, store, quick, name).raise_for_failed()
    assert server.n_connections == 1


def test_more_requests_at_once_while_answers_are_waited_for(quick) -> None:
    from fascicle.transfer.lanes import Lane

    lane = Lane("http://x", quick)
    assert lane.slots == 32
    for _ in range(200):
        lane.widen()
    assert lane.slots == quick.per_host == 128
    lane.narrow()
    assert lane.slots == 64
    for _ in range(10):
        lane.narrow()
    assert lane.slots == 4


def test_a_ledger_is_read_once_by_a_process_and_not_believed_after_it_is_gone(
    server, store, quick
) -> None:
    data = noise(1000)
    server.put("/a", data)
    fetch(server, store, quick, "/a").raise_for_failed()
    assert list(Ledger(store).rows()) == ["a"]
    shutil.rmtree(store)
    assert not Ledger(store).rows()
    fetch(server, store, quick, "/a").raise_for_failed()
    assert list(Ledger(store).rows()) == ["a"]


def test_a_process_that_has_very_many_files_open(server, store, quick) -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, before[1]), before[1]))
    opened = []
    try:
        with open(os.devnull) as null:
            opened = [os.dup(null.fileno()) for _ in range(1100)]
        files = {f"/f{i}.npy": noise(1000, i) for i in range(50)}
        files["/large"] = noise(40 << 20)
        for path, data in files.items():
            server.put(path, data)
        # other bounds than those of other tests, so that no connection of theirs is used
        fetch(server, store, replace(quick, retries=5), *files).raise_for_failed()
    finally:
        for fd in opened:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert all((store / path[1:]).read_bytes() == data for path, data in files.items())


@pytest.mark.parametrize(
    "bounds",
    [{"parallel": 0}, {"parallel": -3}, {"on_mismatch": "bogus"}],
    ids=["none at once", "less than none", "no such word"],
)
def test_bounds_that_let_nothing_through_are_refused(server, store, bounds) -> None:
    server.put("/a", b"a")
    plan = make_plan([(Source(server.base + "/a"), "a")], store=store)
    with pytest.raises(ConfigurationError):
        plan.run(**bounds)
    for name in ("parallel", "per_host", "streams", "bandwidth"):
        with pytest.raises(ConfigurationError, match=name):
            Limits(**{name: 0})
    assert not server.log
