"""Remote files read anywhere, without being fetched."""

from __future__ import annotations

import io
import random

import numpy as np
import pytest

from fascicle.errors import ChangedRemote, OfflineError, RemoteNotFound, ServerError
from fascicle.transfer import RangedFile, Source, open_ranged

DATA = random.Random(0).randbytes(5_000_000)


@pytest.fixture
def source(server) -> Source:
    server.put("/x", DATA)
    return Source(server.base + "/x")


def test_it_reads_like_a_file(source, quick, transport) -> None:
    rng = random.Random(1)
    with open_ranged(source, limits=quick, block_size=10_000, cache_size=200_000) as f:
        assert isinstance(f, RangedFile)
        assert f.readable() and f.seekable() and not f.writable()
        assert f.size == len(DATA)
        truth = io.BytesIO(DATA)
        for _ in range(300):
            whence = rng.choice([0, 1, 2])
            offset = rng.randrange(len(DATA)) if whence == 0 else -rng.randrange(100)
            if whence == 1 and truth.tell() < 100:
                offset = 50
            assert f.seek(offset, whence) == truth.seek(offset, whence)
            n = rng.choice([0, 1, 100, 9_999, 10_001, 300_000])
            assert f.read(n) == truth.read(n)
            assert f.tell() == truth.tell()
        with pytest.raises(ValueError, match="before the start"):
            f.seek(-1)
    with pytest.raises(ValueError, match="closed"):
        f.read_at(0, 1)


def test_requests_are_counted_and_blocks_kept(source, server, quick, transport) -> None:
    with open_ranged(source, limits=quick, block_size=100_000) as f:
        assert (f.requests, f.bytes_read) == (1, 100_000)
        f.read_at(10, 50_000)
        assert f.requests == 1
        f.read_at(2_050_000, 100)
        f.read_at(2_060_000, 100)
        assert (f.requests, f.bytes_read) == (2, 200_000)
        f.read_at(3_050_000, 400_000)  # five blocks, one request
        assert (f.requests, f.bytes_read) == (3, 700_000)
        assert f.requests == len(server.log)


def test_reading_in_order_takes_few_requests(source, quick) -> None:
    with open_ranged(source, limits=quick, block_size=50_000) as f:
        while f.read(10_000):
            pass
        assert f.requests < 20  # of 100 blocks


def test_numpy_and_pyarrow_read_from_it(server, quick) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"a": np.arange(100_000), "b": np.random.default_rng(0).random(100_000)})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    server.put("/t.pqt", sink.getvalue())
    with open_ranged(server.base + "/t.pqt", limits=quick, block_size=1 << 14) as f:
        assert pq.read_table(f, columns=["a"]).equals(table.select(["a"]))
        assert f.bytes_read < f.size
    buffer = io.BytesIO()
    np.save(buffer, np.arange(1000))
    server.put("/a.npy", buffer.getvalue())
    with open_ranged(server.base + "/a.npy", limits=quick) as f:
        assert np.array_equal(np.load(f), np.arange(1000))


def test_faults_are_outlived(source, server, quick, transport) -> None:
    route = server.routes["/x"]
    route.statuses = [503, 429]
    route.cut_at = [1000, 20]
    route.cap = 77_777
    with open_ranged(source, limits=quick) as f:
        assert f.read() == DATA


def test_a_server_without_ranges(source, server, quick, transport) -> None:
    server.routes["/x"].ranges = False
    with open_ranged(source, limits=quick) as f:
        assert f.size == len(DATA)
        assert f.read_at(4_000_000, 10) == DATA[4_000_000:4_000_010]
        assert f.read() == DATA
        assert f.requests == 1


def test_an_empty_file(server, quick, transport) -> None:
    server.put("/e", b"")
    with open_ranged(server.base + "/e", limits=quick) as f:
        assert f.size == 0 and f.read() == b""


def test_a_file_that_changes_while_it_is_open(source, server, quick, transport) -> None:
    with open_ranged(source, limits=quick, block_size=1000) as f:
        server.put("/x", DATA[::-1])
        with pytest.raises(ChangedRemote):
            f.read_at(1_000_000, 10)


def test_what_cannot_be_read(server, quick, monkeypatch, transport) -> None:
    with pytest.raises(RemoteNotFound):
        open_ranged(server.base + "/none", limits=quick)
    server.put("/z", DATA, encoding="gzip", ranges=False)
    with pytest.raises(ServerError, match="compressed"):
        open_ranged(server.base + "/z", limits=quick)
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    with pytest.raises(OfflineError):
        open_ranged(server.base + "/x", limits=quick)


def test_a_local_file(tmp_path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    with open_ranged(Source((tmp_path / "x").as_uri())) as f:
        assert f.seek(1) == 1 and f.read() == b"bc"
