"""Where releases are written to: a real S3 endpoint with and without versions, folders, ZIPs."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import ssl
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from fascicle.errors import (
    AccessDenied,
    BatchError,
    ChangedFile,
    ConfigurationError,
    FascicleError,
    OfflineError,
    RemoteNotFound,
    ServerError,
    TransferError,
    UnsafeTarget,
    VersionExists,
)
from fascicle.releases.targets import KeyTaken, Target, Upload, open_target
from fascicle.testing import S3Server
from fascicle.testing.gate import Gate
from fascicle.transfer import Access, Limits

KINDS = ("versions", "no versions", "folder", "zip")
MANIFEST = "manifests/p_project_manifest_v1.0.0.json"


def noise(n: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(n)


def upload(key: str, data: bytes, folder: Path | None = None, media_type: str = "") -> Upload:
    """Return a file to publish: on disk if a folder is given, else in memory."""
    path = None
    if folder is not None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    return Upload(key, path, None if path else data, len(data), digest, media_type)


def some(folder: Path, n: int = 30, seed: int = 0) -> list[Upload]:
    """Return small files and a large one, in memory and on disk."""
    files = [upload(f"a b/ü{i}/x#{i}.npy", noise(1000 + i, seed + i), folder) for i in range(n)]
    files.append(upload("sessions.pqt", noise(5000, seed), media_type="application/x-parquet"))
    files.append(upload("empty.txt", b"", folder))
    files.append(upload("raw/large.bin", noise(20 << 20, seed), folder))
    return files


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def gate(server: S3Server) -> Iterator[Gate]:
    server._pool.request("POST", f"{server.url}/moto-api/reset")
    server.make_bucket("versions")
    server.make_bucket("no-versions", versions=False)
    with Gate(server.url) as gate:
        yield gate


@pytest.fixture
def quick() -> Limits:
    return Limits(retries=3, backoff=0.02, connect_timeout=2, max_wait=10)


@pytest.fixture
def make(gate: Gate, tmp_path: Path, quick: Limits) -> Callable[[str], Target]:
    """Return what opens a new target at the same place each time."""
    access = Access(gate.url, "us-east-1", "AKEY", "secret")

    def make(kind: str) -> Target:
        to = {
            "versions": "s3://versions/some/p",
            "no versions": "s3://no-versions",
            "folder": str(tmp_path / "out" / "release"),
            "zip": str(tmp_path / "out" / "release.zip"),
        }[kind]
        return open_target(to, project="p", access=access, limits=quick)

    return make


def content(target: Target) -> dict[str, bytes]:
    return {k.key: target.place.read(k.key, at_most=1 << 30) for k in target.place.list()}


@pytest.mark.parametrize("kind", KINDS)
def test_files_and_a_manifest(kind: str, make, tmp_path: Path, gate: Gate) -> None:
    target = make(kind)
    files = some(tmp_path / "in")
    expected = {f.key: f.path.read_bytes() if f.path else f.data for f in files}
    versions = target.upload(files)
    assert set(versions) == set(expected)
    assert target.versioned is (kind == "versions")
    assert all(bool(version) is target.versioned for version in versions.values())
    assert target.claim(MANIFEST, b"{}") == target.claim(MANIFEST, b"{}")
    assert content(target) == {**expected, MANIFEST: b"{}"}
    assert target.exists(MANIFEST) and not target.exists("manifests/other")
    for key in list(versions)[:3]:
        source = target.place.source(key, version=versions[key])
        assert (source.version or "") == versions[key]
    again = make(kind)
    gate.counts.clear()
    assert again.upload(files) == versions
    assert again.claim(MANIFEST, b"{}") == target.claim(MANIFEST, b"{}")
    assert not gate.counts["PUT"] and not gate.counts["POST"]
    with pytest.raises(VersionExists, match="already"):
        make(kind).claim(MANIFEST, b'{"other": 1}')
    assert target.place.read(MANIFEST, at_most=100) == b"{}"


def test_addresses(make) -> None:
    urls = {kind: make(kind).url("a b/ü+1#1%.npy") for kind in KINDS}
    tail = "a%20b/ü+1%231%25.npy"
    assert urls["versions"] == f"https://versions.s3.us-east-1.amazonaws.com/some/p/{tail}"
    assert urls["no versions"] == f"https://no-versions.s3.us-east-1.amazonaws.com/p/{tail}"
    assert urls["folder"] == urls["zip"] == f"https://p.s3.us-west-2.amazonaws.com/p/{tail}"


@pytest.mark.parametrize("kind", KINDS)
def test_files_that_are_not_what_was_hashed(kind: str, make, tmp_path: Path) -> None:
    target = make(kind)
    good = upload("good", b"1", tmp_path)
    bad = [
        upload("changed", b"abc", tmp_path)._replace(sha256=hashlib.sha256(b"abd").hexdigest()),
        upload("longer", b"abc", tmp_path)._replace(size=2),
        upload("large", noise(20 << 20), tmp_path)._replace(sha256="0" * 64),
        upload("memory", b"abc")._replace(data=b"abd"),
    ]
    gone = upload("gone", b"1", tmp_path)
    with pytest.raises(BatchError) as caught:
        target.upload([good, *bad])
        target.claim(MANIFEST, b"{}")
    for file in bad:
        assert f"{file.key}: " in caught.value.message
    assert isinstance(caught.value.__cause__, ChangedFile)
    gone.path.unlink()
    with pytest.raises(BatchError, match="gone is gone"):
        target.upload([good, gone])
    assert {k.key for k in target.place.list()} == {"good"} if kind != "zip" else True
    assert kind != "zip" or not target.place.path.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_written_to_while_it_is_read(kind: str, make, tmp_path: Path) -> None:
    target = make(kind)
    file = upload("recording.bin", bytes(12 << 20), tmp_path / "in")
    done = threading.Event()

    def write() -> None:
        with open(file.path, "r+b") as f:
            while not done.is_set():
                f.seek((12 << 20) - 1)
                f.write(random.randbytes(1))
                f.flush()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        with pytest.raises(BatchError, match=r"recording\.bin changed"):
            target.upload([file], bandwidth=40 << 20)
            target.claim(MANIFEST, b"{}")
    finally:
        done.set()
        writer.join()
    assert not target.exists("recording.bin")


@pytest.mark.parametrize("kind", ["no versions", "folder"])
def test_what_is_there_is_not_replaced(kind: str, make, tmp_path: Path) -> None:
    target = make(kind)
    target.upload([upload("x", b"old"), upload("y", b"same")])
    with pytest.raises(BatchError, match="1 of 3 files") as caught:
        target.upload([upload("x", b"new"), upload("y", b"same"), upload("z", b"1")])
    assert {key: type(e) for key, e in caught.value.errors.items()} == {"x": KeyTaken}
    assert "other content" in caught.value.message
    assert content(target) == {"x": b"old", "y": b"same", "z": b"1"}
    target.upload([upload("x", b"new"), upload("y", b"same")], replace={"x"})
    assert content(target) == {"x": b"new", "y": b"same", "z": b"1"}
    many = [upload(f"m{i}", b"1") for i in range(20)]
    target.upload(many)
    with pytest.raises(BatchError, match="2 of 21 files"):
        target.upload([*many[2:], upload("m0", b"2"), upload("m1", b"2"), upload("new", b"1")])


def test_a_bucket_with_versions_keeps_the_old_ones(make, tmp_path: Path) -> None:
    from fascicle.transfer import make_plan

    target = make("versions")
    versions = [target.upload([upload("x", data)])["x"] for data in (b"old", b"new", b"new")]
    assert versions[0] != versions[1] == versions[2]
    pairs = [(target.place.source("x", version=v), str(i)) for i, v in enumerate(versions)]
    store = tmp_path / "store"
    make_plan(pairs, store=store).run(access=target.place.access).raise_for_failed()
    assert [(store / str(i)).read_bytes() for i in range(3)] == [b"old", b"new", b"new"]


@pytest.mark.parametrize("kind", KINDS)
def test_of_two_publishers_one_gets_the_version(kind: str, make) -> None:
    for trial in range(4):
        targets = [make(kind) for _ in range(6)]
        if kind == "zip":
            targets[0].place.path.unlink(missing_ok=True)
        for target in targets:
            target.upload([upload("x", b"1")])
        barrier = threading.Barrier(len(targets))
        won: list[bytes] = []
        lost: list[bytes] = []

        def claim(
            target: Target,
            data: bytes,
            barrier: threading.Barrier = barrier,
            key: str = f"manifests/{trial}.json",
            won: list[bytes] = won,
            lost: list[bytes] = lost,
        ) -> None:
            barrier.wait()
            try:
                target.claim(key, data)
                won.append(data)
            except VersionExists:
                lost.append(data)

        threads = [
            threading.Thread(target=claim, args=(target, b"%d" % i * 100))
            for i, target in enumerate(targets)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1 and len(lost) == 5
        assert targets[0].place.read(f"manifests/{trial}.json", at_most=200) == won[0]


# -- S3 -------------------------------------------------------------------------------------------


def test_objects_say_what_they_are(make, tmp_path: Path, gate: Gate) -> None:
    target = make("versions")
    files = some(tmp_path, 1)
    target.upload(files)
    for file in files:
        url = f"{gate.behind}/versions/some/p/{file.key.replace('#', '%23')}"
        headers = gate.pool.request("HEAD", url).headers
        assert headers["x-amz-meta-sha256"] == file.sha256
        if file.media_type:
            assert headers["content-type"] == file.media_type


def test_requests_are_few(make, tmp_path: Path, gate: Gate) -> None:
    target = make("versions")
    small = [upload(f"{i}.npy", noise(3000, i), tmp_path) for i in range(200)]
    target.upload(small)
    assert gate.counts["PUT"] == 200
    assert gate.counts["GET"] <= 4 and not gate.counts["HEAD"]  # a listing, and what the bucket is
    gate.counts.clear()
    target.upload([upload("large", noise(20 << 20), tmp_path)])
    assert gate.counts["PUT"] == 3 and gate.counts["POST"] == 2


@pytest.mark.parametrize("kind", ["versions", "no versions"])
def test_a_server_that_errs_at_times(kind: str, make, tmp_path: Path, gate: Gate) -> None:
    target = make(kind)
    gate.only, gate.faults = "PUT", [500, 503, 0, 500, 0, 503, 500, 503]
    files = some(tmp_path, 20)
    target.upload(files, parallel=4)
    gate.only, gate.faults = "PUT", [500, 503, 0]
    target.claim(MANIFEST, b"{}")
    assert len(target.place.list()) == len(files) + 1


def test_a_server_that_is_gone(make, tmp_path: Path, gate: Gate) -> None:
    target = make("versions")
    target.upload([upload("first", b"1")])
    gate.only, gate.faults = "PUT", [500] * 1_000_000
    files = [upload(f"{i}", b"%d" % i, tmp_path) for i in range(300)]
    with pytest.raises(BatchError, match="300 of 300 files") as caught:
        target.upload(files, parallel=4)
    assert "  0: " in caught.value.message or "and 290 more" in caught.value.message
    assert isinstance(caught.value.__cause__, ServerError)
    tried = 1_000_000 - len(gate.faults)
    assert tried < 100  # it is no use in trying them all
    with pytest.raises(ServerError, match="500"):
        target.claim(MANIFEST, b"{}")
    gate.faults = []
    target.upload(files)
    assert len(target.place.list()) == 301


def test_who_may_not_write(
    server: S3Server, gate: Gate, tmp_path: Path, monkeypatch, quick
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    files = [upload(f"{i}", b"%d" % i, tmp_path) for i in range(100)]
    with Gate(server.url, key="AKEY", secret="se/cret", token="a+token") as closed:
        closed.unsigned = ["GET", "HEAD"]
        for access in (
            Access(closed.url),
            Access(closed.url, key="AKEY", secret="wrong", token="a+token"),
            Access(closed.url, key="AKEY", secret="se/cret"),
        ):
            target = open_target("s3://versions", project="p", access=access, limits=quick)
            with pytest.raises(BatchError, match="100 of 100") as caught:
                target.upload(files, parallel=4)
            assert isinstance(caught.value.__cause__, AccessDenied)
            assert "secret" not in str(caught.value) and "token" not in str(caught.value)
            with pytest.raises(AccessDenied):
                target.claim(MANIFEST, b"{}")
        assert sum(method == "PUT" for method, _, _ in closed.log) < 60
        closed.unsigned = []
        access = Access(closed.url, "us-east-1", "AKEY", "se/cret", "a+token")
        target = open_target("s3://versions", project="p", access=access)
        assert target.versioned
        target.upload([*files, upload("large ü", noise(20 << 20), tmp_path)])
        target.claim(MANIFEST, b"{}")
        assert len(target.place.list()) == 102


def test_a_bucket_that_does_not_say_whether_it_has_versions(server, gate, quick) -> None:
    """Only publishers of objects may ask for them; an object shows it too."""

    class Reticent(Gate):
        def lets(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bool:
            return "?versioning" not in path

    with Reticent(server.url) as reticent:
        for bucket, expected in (("versions", True), ("no-versions", False)):
            access = Access(reticent.url, "us-east-1", "K", "S")
            target = open_target(f"s3://{bucket}", project="p", access=access, limits=quick)
            first = target.upload([upload("x", b"1")])
            assert bool(first["x"]) is expected
            target = open_target(f"s3://{bucket}", project="p", access=access, limits=quick)
            assert target.versioned is expected


class Careless(Gate):
    """A server that does not know of conditions, or says that it does not."""

    says = False

    def lets(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bool:
        if headers.get("if-none-match") and self.says:
            return False
        headers.pop("if-none-match", None)
        return True


@pytest.mark.parametrize("says", [False, True])
@pytest.mark.parametrize("bucket", ["versions", "no-versions"])
def test_a_server_without_conditional_writes(server, gate, quick, says: bool, bucket: str) -> None:
    with Careless(server.url) as careless:
        careless.says, careless.denial = says, 501
        access = Access(careless.url, "us-east-1", "K", "S")
        target = open_target(f"s3://{bucket}", project="p", access=access, limits=quick)
        target.upload([upload(f"{i}", b"%d" % i) for i in range(30)])
        version = target.claim(MANIFEST, b"{}")
        assert target.claim(MANIFEST, b"{}") == version
        with pytest.raises(VersionExists):
            target.claim(MANIFEST, b"{1}")
        assert len(target.place.list()) == 31


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_a_server_with_a_certificate_of_a_private_authority(
    server, gate, quick, tmp_path, monkeypatch, variable: str
) -> None:
    import trustme

    for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with Gate(server.url, context=context) as secure:
        access = Access(secure.url, "us-east-1", "K", "S")
        target = open_target("s3://versions", project="p", access=access, limits=quick)
        with pytest.raises(ServerError):
            target.upload([upload("x", b"1")])
        monkeypatch.setenv(variable, str(bundle))
        target = open_target("s3://versions", project="p", access=access, limits=quick)
        assert target.upload([upload("x", b"1")])["x"]
        assert target.claim(MANIFEST, b"{}")


def test_no_such_bucket(gate: Gate, quick: Limits) -> None:
    access = Access(gate.url, "us-east-1", "K", "S")
    target = open_target("s3://no-such-bucket", project="p", access=access, limits=quick)
    with pytest.raises(RemoteNotFound, match="no-such-bucket"):
        target.upload([upload("x", b"1")])
    nowhere = Access("http://127.0.0.1:9", "us-east-1", "K", "S")
    target = open_target("s3://versions", project="p", access=nowhere, limits=quick)
    with pytest.raises(ServerError):
        target.upload([upload("x", b"1")])


def test_offline(make, monkeypatch) -> None:
    target = make("versions")
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    with pytest.raises(OfflineError):
        target.upload([upload("x", b"1")])
    make("folder").upload([upload("x", b"1")])


def test_without_obstore(tmp_path: Path) -> None:
    code = """
import sys
sys.modules["obstore"] = None
from fascicle.releases.targets import open_target
open_target(sys.argv[1], project="p")
try:
    open_target("s3://b/p", project="p")
except ImportError as error:
    print(error.hint)
"""
    run = [sys.executable, "-c", code, str(tmp_path / "x")]
    out = subprocess.run(run, capture_output=True, text=True, check=True).stdout
    assert out.strip() == "pip install 'fascicle[publish]'"


def test_in_a_loop_that_runs_already(make) -> None:
    import asyncio

    async def cell() -> dict[str, str]:
        return make("versions").upload([upload("x", b"1")])

    assert asyncio.run(cell())["x"]


def test_the_bar(make, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for kind in KINDS:
        target = make(kind)
        target.upload(some(tmp_path, 2), progress=True)
        target.claim(MANIFEST, b"{}")
        out, err = capsys.readouterr()
        assert "files" in err and "100%" in err and not out
        target.upload(some(tmp_path, 2), progress=False)
        assert not capsys.readouterr().err


# -- publishers that are killed -------------------------------------------------------------------

PUBLISH = """
import hashlib, os, sys
from pathlib import Path
from fascicle.releases.targets import Upload, open_target
from fascicle.transfer import Access

to, folder, endpoint = sys.argv[1:4]
files = []
for path in sorted(Path(folder).rglob("*")):
    if path.is_file():
        data = path.read_bytes()
        key = path.relative_to(folder).as_posix()
        files.append(Upload(key, path, None, len(data), hashlib.sha256(data).hexdigest()))
access = Access(endpoint, "us-east-1", "K", "S")
target = open_target(to, project="p", access=access)
print("ready", flush=True)
target.upload(files, progress=False, parallel=8)
print("sent", flush=True)
target.claim("manifests/m.json", b"{}")
print("done", flush=True)
"""


def publisher(to: str, folder: Path, endpoint: str = "http://127.0.0.1:9") -> subprocess.Popen[str]:
    run = [sys.executable, "-c", PUBLISH, to, str(folder), endpoint]
    return subprocess.Popen(run, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate(timeout=120)
    return out


@pytest.mark.parametrize("bucket", ["versions", "no-versions"])
def test_a_publisher_that_is_killed_and_run_again(bucket: str, gate: Gate, tmp_path: Path) -> None:
    files = [upload(f"{i:03d}.npy", noise(2000, i), tmp_path) for i in range(240)]
    files += [upload(f"large{i}", noise(9 << 20, i), tmp_path) for i in range(2)]
    for kill_at in (40, 60):
        gate.counts.clear()
        process = publisher(f"s3://{bucket}/p", tmp_path, gate.url)
        while gate.counts["PUT"] < kill_at and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        assert "done" not in finish(process)
    gate.counts.clear()
    reader = open_target(
        f"s3://{bucket}/p", project="p", access=Access(gate.behind, "us-east-1", "K", "S")
    )
    there = {k.key: reader.place.read(k.key, at_most=1 << 30) for k in reader.place.list()}
    assert 40 < len(there) < 242 and MANIFEST not in there
    for file in files:
        assert there.get(file.key, file.path.read_bytes()) == file.path.read_bytes()
    missing = [file for file in files if file.key not in there]
    n_requests = sum(4 if file.size > 8 << 20 else 1 for file in missing)
    assert finish(publisher(f"s3://{bucket}/p", tmp_path, gate.url)).split()[-1] == "done"
    assert gate.counts["PUT"] + gate.counts["POST"] <= n_requests + 1  # and the manifest
    assert len(reader.place.list()) == 243


@pytest.mark.parametrize("kind", ["s3", "folder"])
def test_a_publisher_that_is_interrupted(kind: str, gate: Gate, tmp_path: Path) -> None:
    source = tmp_path / "in"
    for i in range(3000):
        upload(f"{i % 100}/{i}.npy", noise(2000, i), source)
    to = "s3://versions/p" if kind == "s3" else str(tmp_path / "out")
    process = publisher(to, source, gate.url)
    assert process.stdout is not None
    process.stdout.readline()
    while not gate.counts["PUT"] and not (tmp_path / "out").exists():
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    assert "done" not in finish(process)
    assert process.returncode == -signal.SIGINT  # it ended by itself, as Python does
    assert not list(tmp_path.rglob("*.part"))


def test_bandwidth() -> None:
    from fascicle.releases.targets.reading import Sending

    with Sending([upload("x", b"1")], progress=False, bandwidth=1000) as sending:
        assert sending.pause(5000) > 4 and sending.pause(5000) > 9
    with Sending([upload("x", b"1")], progress=False, bandwidth=None) as sending:
        assert sending.pause(5000) == 0


def killed(to: str, folder: Path, seeds: Sequence[int], check: Callable[[], None]) -> int:
    """Kill publishers at random moments; return how many were before their end."""
    n_killed = 0
    for seed in seeds:
        process = publisher(to, folder)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.Random(seed).uniform(0, 0.12))
        process.kill()
        n_killed += "done" not in finish(process)
        check()
    return n_killed


def test_publishers_into_a_folder_that_are_killed(tmp_path: Path) -> None:
    into_a_folder(tmp_path, range(12))


@pytest.mark.long
def test_publishers_into_a_folder_that_are_killed_200_times(tmp_path: Path) -> None:
    into_a_folder(tmp_path, range(200))


def into_a_folder(tmp_path: Path, seeds: Sequence[int]) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    n = 40 * len(seeds)
    files = {f"{i % 50}/{i}": upload(f"{i % 50}/{i}", noise(900, i), source) for i in range(n)}
    files["large"] = upload("large", noise(9 << 20), source)
    target = open_target(out, project="p")

    def check() -> None:
        for key, size in target.place.list():
            if key != "manifests/m.json":
                data = target.place.read(key, at_most=1 << 30)
                assert hashlib.sha256(data).hexdigest() == files[key].sha256
                assert size == files[key].size
            else:
                assert len(target.place.list()) == len(files) + 1  # it is last

    n_killed = killed(str(out), source, seeds, check)
    assert n_killed > len(seeds) / 4
    assert finish(publisher(str(out), source)).split()[-1] == "done"
    check()
    assert len(target.place.list()) == len(files) + 1
    assert not list(out.rglob("*.part"))  # what the killed ones left is gone


def test_publishers_into_a_zip_file_that_are_killed(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "x.zip"
    for i in range(300):
        upload(f"{i}", noise(30_000, i), source)

    def check() -> None:
        if out.exists():
            with zipfile.ZipFile(out) as archive:
                assert archive.testzip() is None and len(archive.namelist()) == 301
            out.unlink()

    assert killed(str(out), source, range(8), check)
    assert finish(publisher(str(out), source)).split()[-1] == "done"
    assert out.exists()
    check()


# -- folders --------------------------------------------------------------------------------------


def test_a_file_that_is_edited_later_does_not_change_the_release(make, tmp_path: Path) -> None:
    target = make("folder")
    file = upload("x", b"as it was", tmp_path / "in")
    target.upload([file])
    with open(file.path, "r+b") as f:
        f.write(b"CHANGED")
    there = target.place.path("x")
    assert there.read_bytes() == b"as it was" and there.stat().st_nlink == 1


def test_a_folder_that_is_published_into_itself(tmp_path: Path) -> None:
    files = some(tmp_path, 5)
    on_disk = [file for file in files if file.path is not None]
    before = {file.key: file.path.stat().st_mtime_ns for file in on_disk}
    target = open_target(tmp_path, project="p")
    target.upload(files)
    assert {file.key: file.path.stat().st_mtime_ns for file in on_disk} == before


@pytest.mark.parametrize("key", ["../x", "/abs", "a/../../x", "", "out/x", "C:/x", "a\\b"])
def test_keys_that_lead_out_of_a_folder(key: str, make, tmp_path: Path) -> None:
    target = make("folder")
    (tmp_path / "elsewhere").mkdir()
    target.place.root.mkdir(parents=True)
    (target.place.root / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BatchError) as caught:
        target.upload([upload(key, b"1"), upload("good", b"1")])
    assert isinstance(caught.value.__cause__, UnsafeTarget)
    with pytest.raises(UnsafeTarget):
        target.claim(key, b"{}")
    assert not list((tmp_path / "elsewhere").iterdir())
    assert target.exists("good")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    target = open_target(tmp_path / "file", project="p")
    with pytest.raises(BatchError, match="1 of 1"):
        target.upload([upload("x", b"1")])
    with pytest.raises(FascicleError):
        target.claim(MANIFEST, b"{}")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a").write_text("not a folder either")
    target = open_target(tmp_path / "out", project="p")
    with pytest.raises(BatchError, match="1 of 2"):
        target.upload([upload("a/x", b"1"), upload("b/x", b"1")])
    assert target.exists("b/x")


# -- ZIP files ------------------------------------------------------------------------------------


def test_the_same_files_give_the_same_zip_file(tmp_path: Path) -> None:
    files = [*some(tmp_path / "in", 5), upload("t.csv", b"a,b\n" * 1000)]
    made = []
    for name, order in (("1.zip", files), ("2.zip", files[::-1])):
        target = open_target(tmp_path / name, project="p")
        for file in order:
            if file.path:
                os.utime(file.path)
        target.upload(order[:3])
        target.upload(order[3:])
        target.claim(MANIFEST, b"{}")
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
    with zipfile.ZipFile(tmp_path / "1.zip") as archive:
        assert archive.namelist() == sorted([*(file.key for file in files), MANIFEST])
        kinds = {info.filename: info.compress_type for info in archive.infolist()}
        assert kinds["raw/large.bin"] == zipfile.ZIP_STORED
        assert kinds["t.csv"] == kinds[MANIFEST] == zipfile.ZIP_DEFLATED


def test_a_zip_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"something of somebody")
    target = open_target(tmp_path / "x.zip", project="p")
    target.upload([upload("a", b"1")])
    with pytest.raises(VersionExists, match=r"x\.zip"):
        target.claim(MANIFEST, b"{}")
    assert (tmp_path / "x.zip").read_bytes() == b"something of somebody"
    with pytest.raises(BatchError):
        target.upload([upload("../a", b"1")])


@pytest.mark.long
def test_a_file_of_more_than_4_gb_in_a_zip_file(tmp_path: Path) -> None:
    with open(tmp_path / "raw.bin", "wb") as f:
        f.truncate((4 << 30) + 5)
        f.seek(-3, os.SEEK_END)
        f.write(b"end")
    with open(tmp_path / "raw.bin", "rb") as f:
        digest = hashlib.file_digest(f, "sha256").hexdigest()
    target = open_target(tmp_path / "x.zip", project="p")
    target.upload([Upload("raw.bin", tmp_path / "raw.bin", None, (4 << 30) + 5, digest)])
    target.claim(MANIFEST, b"{}")
    from fascicle.transfer import open_ranged

    with open_ranged(target.place.source("raw.bin")) as f:
        f.seek(-3, os.SEEK_END)
        assert f.read() == b"end"


@pytest.mark.parametrize("to", ["https://example.org/x", "ftp://x/y"])
def test_where_nothing_can_be_published(to: str) -> None:
    with pytest.raises(ConfigurationError):
        open_target(to, project="p")
    assert issubclass(ChangedFile, TransferError)
