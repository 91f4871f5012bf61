"""Two more servers behind S3's addresses: s3rver without versions, and nginx, which is fast."""

from __future__ import annotations

import hashlib
import os
import random
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.network.nginx import Nginx, NoNginx

from fascicle.errors import BatchError, HashMismatch, RemoteNotFound, VersionExists
from fascicle.releases.targets import Upload, open_target
from fascicle.transfer import Access, Source, make_plan, open_ranged
from fascicle.transfer.bucket import Bucket, Listed

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "bucket"


def noise(n: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(n)


def source(key: str, data: bytes, version: str = "") -> Source:
    digest = hashlib.blake2b(data).hexdigest()
    return Source(f"s3://{BUCKET}/{key}", version, len(data), digest, "blake2b")


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no credentials and no endpoint."""
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)


# -- s3rver ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3rver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of s3rver with an empty bucket; npm brings it on first use."""
    made = subprocess.run(
        [ROOT / "tools" / "s3rver", ROOT / ".peers" / "s3rver"], capture_output=True, text=True
    )
    if made.returncode:
        pytest.fail(f"s3rver could not be installed:\n{made.stderr[-2000:]}")
    folder = tmp_path_factory.mktemp("s3rver")
    log = folder / "log"
    options = ["-d", folder / "data", "-a", "127.0.0.1", "-p", "0", "--configure-bucket", BUCKET]
    folder.joinpath("data").mkdir()
    # its tokens of pages are enciphered in a way that newer ones of OpenSSL count as legacy
    legacy = "--openssl-legacy-provider"
    known = subprocess.run(["node", legacy, "-e", "0"], capture_output=True).returncode == 0
    env = os.environ | ({"NODE_OPTIONS": legacy} if known else {})
    with log.open("w") as out:
        process = subprocess.Popen([made.stdout.strip(), *options], stdout=out, stderr=out, env=env)
    try:
        while not (found := re.search(r"listening on \S*?:(\d+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{found[1]}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def put(s3rver: str, monkeypatch: pytest.MonkeyPatch):
    """Return a function that puts objects, with the credentials that s3rver knows."""
    import boto3

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3rver)
    client = boto3.client(
        "s3",
        endpoint_url=s3rver,
        aws_access_key_id="S3RVER",
        aws_secret_access_key="S3RVER",
        region_name="us-east-1",
    )

    def put(key: str, data: bytes) -> Source:
        client.put_object(Bucket=BUCKET, Key=key, Body=data)
        return source(key, data)

    return put


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # in boto3
def test_s3rver_lists_page_by_page(put, s3rver: str) -> None:
    keys = [f"list/{n:04d} ä+b.json" for n in range(1_005)]
    for key in keys:
        put(key, b"{}")
    put("other/folder/x", b"")
    bucket = Bucket(BUCKET, endpoint=s3rver)
    assert bucket.list("list/") == [Listed(key, 2) for key in keys]
    assert bucket.list("none/") == []
    assert bucket.folders("other/") == ["folder"]
    with pytest.raises(RemoteNotFound):
        Bucket("no-such-bucket", endpoint=s3rver).list("")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_s3rver_says_that_it_has_no_versions(put, s3rver: str) -> None:
    assert not Bucket(BUCKET, endpoint=s3rver).describe().versioned


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_s3rver_gives_small_and_large_files(put, store, quick, transport) -> None:
    datas = {f"get/folder ä/{i}+x.npy": noise(3_000, i) for i in range(40)}
    datas["get/large.nwb"] = noise(40 << 20, 99)
    pairs = [(put(key, data), key) for key, data in datas.items()]
    make_plan(pairs, store=store).run(limits=quick).raise_for_failed()
    assert all((store / key).read_bytes() == data for key, data in datas.items())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_s3rver_without_versions_may_have_something_newer(put, store, quick) -> None:
    old = put("changing.csv", b"old")
    put("changing.csv", b"new")
    result = make_plan([(old, "changing.csv")], store=store).run(limits=quick)
    assert isinstance(result.failed[0].error, HashMismatch)
    assert not (store / "changing.csv").exists()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_s3rver_gives_ranges(put, quick, transport) -> None:
    data = noise(3_000_000)
    with open_ranged(put("ranged.nwb", data), limits=quick) as f:
        assert f.size == len(data)
        assert f.read_at(1_000_000, 10) == data[1_000_000:1_000_010]
        f.seek(-5, 2)
        assert f.read() == data[-5:]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_s3rver_takes_a_release(s3rver: str, tmp_path: Path) -> None:
    access = Access(s3rver, "us-east-1", "S3RVER", "S3RVER")
    files = []
    for n, size in enumerate([0, 10, 3000, 9 << 20, *[500] * 30]):
        path, data = tmp_path / str(n), noise(size, n)
        path.write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        files.append(Upload(f"a ü/{n}.npy", path, None, size, digest))
    target = open_target(f"s3://{BUCKET}/release", project="p", access=access)
    assert not target.versioned
    assert set(target.upload(files).values()) == {""}
    there = {k.key: target.place.read(k.key, at_most=1 << 30) for k in target.place.list()}
    assert there == {file.key: file.path.read_bytes() for file in files if file.path}
    again = open_target(f"s3://{BUCKET}/release", project="p", access=access)
    assert again.upload(files) == target.upload(files)
    changed = files[1]._replace(
        path=None, data=b"1", size=1, sha256=hashlib.sha256(b"1").hexdigest()
    )
    with pytest.raises(BatchError, match="other content"):
        target.upload([changed])
    target.claim("manifests/p.json", b"{}")
    again.claim("manifests/p.json", b"{}")
    with pytest.raises(VersionExists):
        again.claim("manifests/p.json", b"{1}")
    assert target.place.read("manifests/p.json", at_most=10) == b"{}"


# -- nginx -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder in which nginx looks for objects: in one folder for each version."""
    folder = tmp_path_factory.mktemp("served") / "objects"
    for version in ("v1", "v2"):
        folder.joinpath(version).mkdir(parents=True)
    folder.joinpath("newest").symlink_to("v2")
    return folder


@pytest.fixture(scope="module")
def nginx(objects: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of nginx, which is installed where it is missing."""
    try:
        with Nginx(objects.parent, tmp_path_factory.mktemp("nginx")) as server:
            yield f"http://127.0.0.1:{server.port}"
    except NoNginx as error:
        pytest.fail(f"nginx does not run: {error}")


def write(objects: Path, version: str, key: str, data: bytes) -> Source:
    path = objects / version / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return source(key, data, version)


def test_nginx_gives_thousands_of_small_files(nginx, objects, store, quick, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", nginx)
    pairs = []
    for i in range(2_000):
        key = f"small/session{i // 15}/alf/_ibl_trials.values {i % 15}.npy"
        pairs.append((write(objects, "v1", key, noise(3_000, i)), key))
    result = make_plan(pairs, store=store).run(limits=quick)
    result.raise_for_failed()
    assert result.requests == 2_000
    for wanted, key in pairs:
        assert hashlib.blake2b((store / key).read_bytes()).hexdigest() == wanted.hash
    assert make_plan(pairs, store=store).bytes == 0


def test_nginx_gives_the_version_that_is_asked_for(
    nginx, objects, store, quick, transport, monkeypatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", nginx)
    datas = [noise(70 << 20, 1), noise(70 << 20, 2)]
    pairs = [
        (write(objects, version, "large ä.nwb", data), f"{version}/large.nwb")
        for version, data in zip(("v1", "v2"), datas, strict=True)
    ]
    pairs.append((source("large ä.nwb", datas[1]), "newest/large.nwb"))
    make_plan(pairs, store=store).run(limits=quick).raise_for_failed()
    for (_, name), data in zip(pairs, [*datas, datas[1]], strict=True):
        assert (store / name).read_bytes() == data
    with open_ranged(pairs[0][0], limits=quick) as f:
        assert f.read_at(50_000_000, 10) == datas[0][50_000_000:50_000_010]
    gone = make_plan([(source("large ä.nwb", b"", "v3"), "x")], store=store).run(limits=quick)
    assert isinstance(gone.failed[0].error, RemoteNotFound)
