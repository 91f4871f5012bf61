"""What can go wrong on the way, on a real server: the file is whole in the end, or not there."""

from __future__ import annotations

import gzip
import os
import random
import threading
import time
from dataclasses import replace

import pytest

from fascicle.errors import (
    AccessDenied,
    ChangedRemote,
    HashMismatch,
    NotEnoughDisk,
    RemoteNotFound,
    ServerError,
    TransferError,
    TruncatedError,
    UnsafeTarget,
)
from fascicle.transfer import Ledger, Source, make_plan

#: One that is kept in memory, one that is streamed, one that comes in ranges.
SIZES = {"small": 20_000, "streamed": 2_000_000, "large": 40 << 20}


def noise(n: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(n)


def get(source, store, limits, **options):
    return make_plan([(source, "file.bin")], store=store).run(limits=limits, **options)


@pytest.fixture(params=SIZES)
def data(request) -> bytes:
    return noise(SIZES[request.param])


@pytest.fixture
def whole(store, leftovers):
    """Return a check: the file is there, whole, and nothing else."""

    def check(data: bytes) -> None:
        assert (store / "file.bin").read_bytes() == data
        assert not leftovers(store)

    return check


@pytest.fixture
def absent(store):
    """Return a check: nothing is there under the final name."""

    def check() -> None:
        assert not (store / "file.bin").exists()

    return check


# -- connections ----------------------------------------------------------------------------------


@pytest.mark.parametrize("tenth", range(10))
@pytest.mark.parametrize("kind", ["cut_at", "reset_at"])
def test_a_connection_that_breaks_at_every_tenth(
    server, store, quick, data, whole, kind, tenth
) -> None:
    length = min(len(data), 16 << 20)
    server.put("/x", data, **{kind: [length * tenth // 10]})
    get(server.source("/x"), store, quick).raise_for_failed()
    whole(data)


@pytest.mark.parametrize("kind", ["cut_at", "reset_at"])
def test_a_connection_that_breaks_again_and_again(
    server, store, quick, whole, transport, kind
) -> None:
    data = noise(3_000_000)
    server.put("/x", data, **{kind: [400_000] * 7})
    result = get(server.source("/x"), store, quick)
    result.raise_for_failed()
    whole(data)
    assert len(server.asked("/x")) == 8
    assert result.bytes <= len(data) + 8 * 100_000  # each went on where the one before broke off


def test_a_connection_that_always_breaks(server, store, quick, data, absent, transport) -> None:
    server.put("/x", data, cut_at=[0] * 1000)
    result = get(server.source("/x"), store, quick)
    assert isinstance(result.failed[0].error, ServerError)
    absent()


def test_a_stall(server, store, quick, leftovers, transport) -> None:
    # All at once: libcurl's average of the speed takes seconds to fall, whatever is asked for.
    files = {name: noise(size) for name, size in SIZES.items()}
    for name, data in files.items():
        server.put(f"/{name}", data, stall_at=[min(len(data), 16 << 20) // 2])
    pairs = [(server.source(f"/{name}"), name) for name in files]
    make_plan(pairs, store=store).run(limits=quick).raise_for_failed()
    assert {name: (store / name).read_bytes() for name in files} == files
    assert not any(server.routes[f"/{name}"].stall_at for name in files)
    assert not leftovers(store)


def test_a_server_that_restarts(server, store, quick, whole, transport) -> None:
    data = noise(40 << 20)
    server.put("/x", data, rate=8_000_000)

    def restart() -> None:
        time.sleep(0.7)
        server.stop()
        time.sleep(0.5)
        server.start()

    thread = threading.Thread(target=restart)
    thread.start()
    get(server.source("/x"), store, replace(quick, backoff=0.3)).raise_for_failed()
    thread.join()
    whole(data)


def test_a_server_that_is_not_there(server, store, quick, absent, transport) -> None:
    server.put("/x", b"abc")
    source = server.source("/x")
    server.stop()
    result = get(source, store, quick)
    assert isinstance(result.failed[0].error, ServerError)
    absent()


def test_a_host_that_is_not_there_is_given_up_at_once_for_all(server, store, quick) -> None:
    server.stop()
    pairs = [(Source(f"{server.base}/{i}", size=10), f"f{i}") for i in range(500)]
    result = make_plan(pairs, store=store).run(limits=quick, parallel=8)
    assert len(result.failed) == 500
    assert result.requests < 100


# -- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
def test_statuses_that_better(server, store, quick, whole, transport, status) -> None:
    data = noise(20_000)
    server.put("/x", data, statuses=[status, status])
    get(server.source("/x"), store, quick).raise_for_failed()
    whole(data)
    assert len(server.asked("/x")) == 3


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (404, RemoteNotFound),
        (410, RemoteNotFound),
        (401, AccessDenied),
        (403, AccessDenied),
        (400, TransferError),
        (501, ServerError),
    ],
)
def test_statuses_that_do_not(server, store, quick, absent, transport, status, kind) -> None:
    for size in (20_000, None):
        server.put("/x", noise(20_000), statuses=[status])
        server.log.clear()
        result = get(server.source("/x", size=size), store, quick)
        assert isinstance(result.failed[0].error, kind)
        assert result.failed[0].error.url == server.base + "/x"
        assert len(server.asked("/x")) == 1
        absent()


def test_retry_after_is_honoured(server, store, quick, whole) -> None:
    data = noise(20_000)
    server.put("/x", data, statuses=[429], retry_after="1")
    result = get(server.source("/x"), store, quick)
    result.raise_for_failed()
    whole(data)
    assert result.seconds >= 0.95


def test_retry_after_stops_all_requests_to_the_host(server, store, quick) -> None:
    for i in range(50):
        server.put(f"/{i}", noise(100, i))
    server.routes["/0"].statuses = [503]
    server.routes["/0"].retry_after = "1"
    pairs = [(server.source(f"/{i}"), f"{i}") for i in range(50)]
    result = make_plan(pairs, store=store).run(limits=quick, parallel=1)
    result.raise_for_failed()
    assert [p for p, _ in server.log][:1] == ["/0"]
    assert result.seconds >= 0.95 and result.requests == 51


def test_ranges_are_not_known(server, store, quick, data, whole, transport) -> None:
    server.put("/x", data, ranges=False)
    get(server.source("/x"), store, quick).raise_for_failed()
    whole(data)


def test_ranges_are_not_known_and_the_connection_breaks(
    server, store, quick, data, whole, transport
) -> None:
    server.put("/x", data, ranges=False, cut_at=[len(data) // 3, len(data) // 2])
    get(server.source("/x"), store, quick).raise_for_failed()
    whole(data)


@pytest.mark.parametrize("size", ["right", None])
def test_no_length_is_sent(server, store, quick, data, whole, transport, size) -> None:
    server.put("/x", data, length=None, ranges=False)
    get(server.source("/x", size=size), store, quick).raise_for_failed()
    whole(data)


def test_no_length_no_ranges_and_the_connection_breaks(
    server, store, quick, data, whole, transport
) -> None:
    server.put("/x", data, length=None, ranges=False, cut_at=[len(data) // 3])
    get(server.source("/x"), store, quick).raise_for_failed()  # the checksum tells
    whole(data)


@pytest.mark.parametrize("size", ["right", None])
def test_a_chunked_body(server, store, quick, data, whole, transport, size) -> None:
    server.put("/x", data, chunked=True, ranges=False, cut_at=[len(data) // 3])
    get(server.source("/x", size=size, hashed=""), store, quick).raise_for_failed()
    whole(data)


def test_a_length_that_is_too_long(server, store, quick, data, absent, transport) -> None:
    server.put("/x", data, length=len(data) + 1000, ranges=False)
    result = get(server.source("/x"), store, quick)
    assert isinstance(result.failed[0].error, ServerError)
    absent()


@pytest.mark.parametrize("hashed", ["sha256", ""])
def test_a_length_that_is_too_short(server, store, quick, data, absent, transport, hashed) -> None:
    server.put("/x", data, length=len(data) - 1000, ranges=False)
    result = get(server.source("/x", hashed=hashed), store, quick)
    kind = HashMismatch if hashed else TruncatedError
    assert isinstance(result.failed[0].error, kind)
    absent()


@pytest.mark.parametrize("recorded", [10, 19_999, 20_001, 300_000, 50 << 20])
def test_a_size_on_record_is_a_hint_where_there_is_a_checksum(
    server, store, quick, whole, transport, recorded
) -> None:
    data = noise(20_000)
    server.put("/x", data)
    get(server.source("/x", size=recorded), store, quick).raise_for_failed()
    whole(data)


@pytest.mark.parametrize("recorded", [10, 300_000, 35 << 20, 50 << 20])
def test_a_large_file_with_a_wrong_size_on_record(
    server, store, quick, whole, transport, recorded
) -> None:
    data = noise(40 << 20)
    server.put("/x", data)
    get(server.source("/x", size=recorded), store, quick).raise_for_failed()
    whole(data)


def test_a_size_on_record_is_the_truth_where_there_is_no_checksum(
    server, store, quick, data, absent, transport
) -> None:
    server.put("/x", data)
    result = get(server.source("/x", size=len(data) + 1, hashed=""), store, quick)
    assert isinstance(result.failed[0].error, TruncatedError)
    absent()


def test_a_length_that_no_disk_has_room_for(server, store, quick, absent, transport) -> None:
    data = noise(100_000)
    server.put("/x", data, length=1 << 50, ranges=False)
    result = get(server.source("/x", size=None), store, quick)
    assert isinstance(result.failed[0].error, NotEnoughDisk)
    assert server.routes["/x"].n_asked == 1
    absent()


def test_a_body_that_goes_on_beyond_the_record(server, store, quick, absent, transport) -> None:
    data = noise(40 << 20)
    server.put("/x", data, chunked=True, ranges=False)
    result = get(server.source("/x", size=1_000_000, hashed=""), store, quick)
    assert isinstance(result.failed[0].error, TruncatedError)
    absent()


def test_a_range_that_is_not_satisfiable(server, store, quick, whole, transport) -> None:
    data = noise(40 << 20)
    server.put("/x", data, range_status=416)
    get(server.source("/x"), store, quick).raise_for_failed()
    whole(data)


def test_a_server_that_gives_less_than_the_range(server, store, quick, whole, transport) -> None:
    data = noise(40 << 20)
    server.put("/x", data, cap=3_000_000)
    get(server.source("/x"), store, quick).raise_for_failed()
    whole(data)


def test_a_body_compressed_unasked_is_decoded(server, store, quick, data, whole, transport) -> None:
    server.put("/x", data, encoding="gzip", ranges=False)
    for size in ("right", None):
        get(server.source("/x", size=size), store, quick).raise_for_failed()
        whole(data)
        (store / "file.bin").unlink()


def test_a_compressed_body_that_breaks_off(server, store, quick, data, whole, transport) -> None:
    server.put("/x", data, encoding="gzip", ranges=False, cut_at=[len(data) // 2])
    get(server.source("/x"), store, quick).raise_for_failed()
    whole(data)


def test_a_compressed_file_stays_compressed(server, store, quick, whole, transport) -> None:
    packed = gzip.compress(noise(20_000))
    server.put("/x.csv.gz", packed, encoding="x-gzip", ranges=False)
    get(server.source("/x.csv.gz"), store, quick).raise_for_failed()
    whole(packed)


def test_an_encoding_that_nobody_asked_for_is_refused(
    server, store, quick, data, absent, transport
) -> None:
    server.put("/x", data, encoding="br", ranges=False)
    result = get(server.source("/x"), store, quick)
    assert "'br'" in result.failed[0].error.message
    absent()


def test_redirects(server, store, quick, data, whole, transport) -> None:
    server.put("/y", data)
    server.put("/x", b"", redirect=server.base + "/y")
    source = replace(server.source("/y"), url=server.base + "/x")
    get(source, store, quick).raise_for_failed()
    whole(data)


def test_a_redirect_in_a_circle(server, store, quick, absent, transport) -> None:
    server.put("/x", b"abc", redirect=server.base + "/x")
    assert "redirect" in get(server.source("/x"), store, quick).failed[0].error.message
    absent()


def test_a_redirect_to_a_file_of_this_machine(server, store, quick, absent, transport) -> None:
    server.put("/x", b"abc", redirect="file:///etc/passwd")
    assert get(server.source("/x"), store, quick).failed
    absent()


# -- contents -------------------------------------------------------------------------------------


def test_a_byte_that_is_wrong_once(server, store, quick, data, whole, transport) -> None:
    server.put("/x", data, corrupt=1)
    get(server.source("/x"), store, quick).raise_for_failed()
    whole(data)


def test_a_byte_that_is_wrong_elsewhere_each_time(server, store, quick, absent, leftovers) -> None:
    for n in (20_000, 2_000_000):
        server.put("/x", noise(n), vary=True)
        result = get(server.source("/x"), store, quick)
        assert isinstance(result.failed[0].error, HashMismatch)
        assert "three contents" in result.failed[0].error.message
        absent()


def test_a_record_that_is_stale(server, store, quick, data, absent, leftovers, transport) -> None:
    server.put("/x", data)
    source = replace(server.source("/x"), hash="0" * 64)
    result = get(source, store, quick)
    assert isinstance(result.failed[0].error, HashMismatch)
    assert "a second fetch gave the same" in result.failed[0].error.message
    assert result.bytes >= 2 * len(data)
    absent()
    assert not leftovers(store)


def test_a_stale_record_and_the_file_is_kept_aside(server, store, quick, data, absent) -> None:
    server.put("/x", data)
    source = replace(server.source("/x"), hash="0" * 64)
    result = get(source, store, quick, on_mismatch="keep")
    assert isinstance(result.failed[0].error, HashMismatch)
    assert result.failed[0].kept.read_bytes() == data
    absent()
    assert Ledger(store).find("file.bin") is None


def test_a_stale_record_and_the_file_is_accepted(server, store, quick, data, whole) -> None:
    server.put("/x", data)
    source = replace(server.source("/x"), hash="0" * 64)
    result = get(source, store, quick, on_mismatch="accept")
    assert result.items[0].status == "accepted"
    whole(data)
    row = Ledger(store).find("file.bin")
    assert row.state == "accepted-mismatch" and row.hash == server.source("/x").hash
    assert make_plan([(source, "file.bin")], store=store).items[0].state == "here"


@pytest.mark.parametrize("tagged", ["etag", "modified", "neither"])
def test_a_file_that_changes_half_way(server, store, quick, whole, transport, tagged) -> None:
    old, new = noise(40 << 20), noise(38 << 20, 1)
    tags = {"etag": '"a"'} if tagged == "etag" else {"etag": ""}
    if tagged == "modified":
        tags["modified"] = "Mon, 01 Jan 2024 00:00:00 GMT"
    server.put("/x", old, next_data=[new], change_after=2, **tags)
    get(server.source("/x", data=new, size=None), store, quick).raise_for_failed()
    whole(new)


def test_a_file_that_never_stops_changing(server, store, quick, absent) -> None:
    versions = [noise((40 << 20) + i, i) for i in range(12)]
    server.put("/x", versions[0], next_data=versions[1:], change_after=2)
    source = server.source("/x", size=None, hashed="")
    result = get(source, store, replace(quick, streams=4))
    assert isinstance(result.failed[0].error, ChangedRemote)
    absent()


def test_a_part_of_an_older_state_is_not_continued(server, store, quick, whole) -> None:
    old, new = noise(40 << 20), noise(40 << 20, 1)
    route = server.put("/x", old, cut_at=[1 << 20] * 500)
    source = Source(server.base + "/x")
    result = get(source, store, replace(quick, retries=0))
    assert result.failed
    assert make_plan([(source, "file.bin")], store=store).items[0].state == "partial"
    route.cut_at = []
    server.put("/x", new)
    get(source, store, quick).raise_for_failed()
    whole(new)


# -- this machine ---------------------------------------------------------------------------------


def test_no_room_is_said_before_the_first_byte(server, store, quick) -> None:
    server.put("/x", b"abc")
    huge = replace(server.source("/x"), size=1 << 60)
    with pytest.raises(NotEnoughDisk):
        get(huge, store, quick)
    assert not server.log


UNSAFE = ["../x", "a/../../x", "/etc/x", "..", ".", "", ".fascicle/ledger/x", "a\0b"]


@pytest.mark.parametrize("target", UNSAFE)
def test_no_target_outside_the_store(server, store, target) -> None:
    with pytest.raises(UnsafeTarget):
        make_plan([(Source(server.base + "/x"), target)], store=store)


def test_no_target_behind_a_link_out_of_the_store(server, store, tmp_path) -> None:
    store.mkdir()
    (tmp_path / "outside").mkdir()
    os.symlink(tmp_path / "outside", store / "link")
    with pytest.raises(UnsafeTarget, match="a link leads to"):
        make_plan([(Source(server.base + "/x"), "link/x")], store=store)


def test_two_sources_for_one_target(store) -> None:
    with pytest.raises(UnsafeTarget, match="two different sources"):
        make_plan([(Source("http://a/1"), "x"), (Source("http://a/2"), "x")], store=store)


def test_a_target_that_is_a_folder(server, store, quick, data, transport) -> None:
    (store / "file.bin").mkdir(parents=True)
    server.put("/x", data)
    result = get(server.source("/x"), store, quick)
    assert isinstance(result.failed[0].error, TransferError)


def test_a_target_folder_that_is_a_file(server, store, quick, data) -> None:
    store.mkdir()
    (store / "a").write_bytes(b"")
    server.put("/x", data)
    result = make_plan([(server.source("/x"), "a/b")], store=store).run(limits=quick)
    assert isinstance(result.failed[0].error, TransferError)
