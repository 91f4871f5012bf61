"""Remote files read anywhere, without being fetched."""

from __future__ import annotations

import gzip
import io
import pickle
import random
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from fascicle.errors import (
    ChangedRemote,
    ConfigurationError,
    OfflineError,
    RemoteNotFound,
    ServerError,
)
from fascicle.transfer import Access, RangedFile, Source, open_ranged

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
    with open_ranged(server.base + "/z", limits=quick) as f:
        assert f.read() == DATA
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    with pytest.raises(OfflineError):
        open_ranged(server.base + "/x", limits=quick)


def test_a_local_file(tmp_path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    with open_ranged(Source((tmp_path / "x").as_uri())) as f:
        assert f.seek(1) == 1 and f.read() == b"bc"


def test_a_file_of_this_machine_is_one_like_the_others(tmp_path) -> None:
    (tmp_path / "a b.bin").write_bytes(DATA)
    for name in (tmp_path / "a b.bin", str(tmp_path / "a b.bin"), (tmp_path / "a b.bin").as_uri()):
        with open_ranged(name) as f:
            assert (f.size, f.requests, f.bytes_read) == (len(DATA), 0, 0)
            assert f.read(10) == DATA[:10]
            assert f.read_at(1_000_000, 5) == DATA[1_000_000:1_000_005] and f.tell() == 10
            with pickle.loads(pickle.dumps(f)) as again:
                assert again.read(5) == DATA[10:15]
    with pytest.raises(RemoteNotFound, match="none"):
        open_ranged(tmp_path / "none.bin")
    with pytest.raises(ConfigurationError, match="folder"):
        open_ranged(tmp_path)


def test_a_member_of_a_zip_file_is_one_like_the_others(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as whole:
        whole.writestr("a/x.bin", DATA)
        whole.writestr("a/y.bin", DATA, zipfile.ZIP_STORED)
    for name in ("x", "y"):
        with open_ranged(f"zip://{tmp_path}/x.zip!/a/{name}.bin") as f:
            f.seek(-9, 2)
            assert f.read() == DATA[-9:] and f.size == len(DATA)
            with pickle.loads(pickle.dumps(f)) as again:
                assert again.tell() == len(DATA) and again.read_at(7, 3) == DATA[7:10]


def test_it_pickles_without_credentials(source, server, quick, transport) -> None:
    access = Access(key="me", secret="hush-hush", token="tok-tok")
    with open_ranged(source, limits=quick, access=access, block_size=10_000) as f:
        f.seek(70)
        packed = pickle.dumps(f)
        assert b"hush" not in packed and b"tok-tok" not in packed
        with pickle.loads(packed) as again:
            assert again.read(1000) == DATA[70:1070] and again.requests == 1
        server.put("/x", DATA[::-1])
        with pytest.raises(ChangedRemote):
            pickle.loads(packed)


def test_a_whole_body_that_is_compressed_unasked(quick, transport) -> None:
    class Compressing(BaseHTTPRequestHandler):
        cut = 0

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            body = gzip.compress(DATA)
            body = body[: len(body) - self.cut]
            self.send_response(200)
            self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Compressing) as web:
        threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
        url = f"http://127.0.0.1:{web.server_port}/x.npy"
        with open_ranged(url, limits=quick) as f:
            f.seek(4_000_000)
            assert f.size == len(DATA) and f.read(9) == DATA[4_000_000:4_000_009]
        Compressing.cut = 1000
        with pytest.raises(ServerError, match="harmed"):
            open_ranged(url, limits=quick)
        web.shutdown()
