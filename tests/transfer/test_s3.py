"""S3: a real endpoint with versions, anonymous and signed."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from fascicle.errors import AccessDenied, ConfigurationError, RemoteNotFound
from fascicle.transfer import Access, Source, make_plan, open_ranged
from fascicle.transfer.s3 import address

BUCKET = "a-public-bucket"


def noise(n: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(n)


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdout=out,
            stderr=out,
            env={**os.environ, "PYTHONWARNINGS": "ignore"},
        )
    url = f"http://127.0.0.1:{port}"
    for _ in range(300):
        try:
            urlopen(url + "/moto-api/", timeout=5).close()
            break
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.1)
    yield url
    process.terminate()
    process.wait()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch):
    """Return a client of an empty bucket with versions."""
    import boto3

    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", endpoint)
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="x",
        aws_secret_access_key="y",
        region_name="us-east-1",
    )
    urlopen(endpoint + "/moto-api/reset", data=b"").close()
    client.create_bucket(Bucket=BUCKET, ACL="public-read")
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    return client


def put(bucket, key: str, data: bytes) -> Source:
    answer = bucket.put_object(Bucket=BUCKET, Key=key, Body=data, ACL="public-read")
    return Source(
        f"s3://{BUCKET}/{key}",
        version=answer["VersionId"],
        hash=hashlib.blake2b(data).hexdigest(),
        algorithm="blake2b",
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_versions(bucket, store, quick, transport) -> None:
    datas = [noise(3000, i) for i in range(3)]
    sources = [put(bucket, "pro ject/ä+b/data#1.csv", data) for data in datas]
    pairs = [(s, f"v{i}/data.csv") for i, s in enumerate(sources)]
    pairs.append((Source(sources[0].url), "newest/data.csv"))
    make_plan(pairs, store=store).run(limits=quick).raise_for_failed()
    for i, data in enumerate(datas):
        assert (store / f"v{i}/data.csv").read_bytes() == data
    assert (store / "newest/data.csv").read_bytes() == datas[-1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_large_object_of_unknown_size(bucket, store, quick, transport) -> None:
    data = noise(40 << 20)
    source = put(bucket, "large.nwb", data)
    result = make_plan([(source, "large.nwb")], store=store).run(limits=quick)
    result.raise_for_failed()
    assert (store / "large.nwb").read_bytes() == data
    assert result.requests == 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_object_stored_with_an_encoding_comes_as_it_is_stored(
    bucket, store, quick, transport
) -> None:
    import gzip

    data = gzip.compress(b"a,b\n1,2\n")
    bucket.put_object(
        Bucket=BUCKET, Key="t.csv", Body=data, ContentEncoding="gzip", ACL="public-read"
    )
    source = Source(
        f"s3://{BUCKET}/t.csv", hash=hashlib.sha256(data).hexdigest(), algorithm="sha256"
    )
    make_plan([(source, "t.csv")], store=store).run(limits=quick).raise_for_failed()
    assert (store / "t.csv").read_bytes() == data


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_not_there(bucket, store, quick, transport) -> None:
    put(bucket, "x", b"abc")
    sources = [
        Source(f"s3://{BUCKET}/y", size=3),
        Source("s3://no-such-bucket/y", size=3),
        Source(f"s3://{BUCKET}/"),
    ]
    plan = make_plan([(s, str(i)) for i, s in enumerate(sources)], store=store)
    errors = [o.error for o in plan.run(limits=quick).items]
    assert isinstance(errors[0], RemoteNotFound) and isinstance(errors[1], RemoteNotFound)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_ranged_reads(bucket, quick, transport) -> None:
    data = noise(3_000_000)
    source = put(bucket, "x.nwb", data)
    put(bucket, "x.nwb", b"a newer version")
    with open_ranged(source, limits=quick) as f:
        assert f.size == 3_000_000
        assert f.read_at(1_000_000, 10) == data[1_000_000:1_000_010]


class Signed:
    """Checks signatures of version 4 as Amazon documents them, by botocore's own signer."""

    def __init__(self, key: str, secret: str, token: str = "") -> None:
        self.key, self.secret, self.token = key, secret, token
        self.problems: list[str] = []

    def check(self, base: str, path: str, headers: dict[str, str]) -> bool:
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        given = headers.get("authorization", "")
        if not given.startswith("AWS4-HMAC-SHA256 "):
            return False
        fields = dict(f.strip().split("=", 1) for f in given.split(" ", 1)[1].split(","))
        names = fields["SignedHeaders"].split(";")
        request = AWSRequest("GET", base + path)
        for name in names:
            request.headers[name] = headers[name]
        request.context["timestamp"] = headers["x-amz-date"]
        _, _, region, _, _ = fields["Credential"].split("/")
        signer = S3SigV4Auth(Credentials(self.key, self.secret), "s3", region)
        signer.headers_to_sign = lambda r: r.headers  # what the client chose to sign
        canonical = "\n".join(
            [
                "GET",
                urlsplit(path).path,
                urlsplit(path).query,
                "".join(f"{n}:{headers[n]}\n" for n in names),
                ";".join(names),
                headers["x-amz-content-sha256"],
            ]
        )
        text = signer.string_to_sign(request, canonical)
        good = signer.signature(text, request) == fields["Signature"]
        if not good:
            self.problems.append(given)
        wanted = {"host", "x-amz-date", "x-amz-content-sha256"}
        if self.token:
            wanted.add("x-amz-security-token")
            good = good and headers.get("x-amz-security-token") == self.token
        return good and wanted <= set(names)


@pytest.mark.parametrize("token", ["", "a-session-token"])
@pytest.mark.parametrize("size", [20_000, 40 << 20])
def test_requests_are_signed_where_anonymous_ones_are_refused(
    server, store, quick, monkeypatch, token, size
) -> None:
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    checker = Signed("AKEY", "a/secret+key", token)
    data = noise(size)
    server.put(f"/{BUCKET}/some%20folder/x", data)
    server.allow = lambda path, headers: checker.check(server.base, path, headers)
    source = Source(
        f"s3://{BUCKET}/some folder/x",
        version="a.b_c",
        size=size,
        hash=hashlib.sha256(data).hexdigest(),
        algorithm="sha256",
    )
    access = Access(server.base, "eu-west-1", "AKEY", "a/secret+key", token)
    plan = make_plan([(source, "x")], store=store)
    anonymous = plan.run(limits=quick, access=replace(access, key="", secret=""))
    assert isinstance(anonymous.failed[0].error, AccessDenied)
    wrong = plan.run(limits=quick, access=replace(access, key="OTHER", secret="wrong"))
    assert isinstance(wrong.failed[0].error, AccessDenied)
    assert checker.problems
    plan.run(limits=quick, access=access).raise_for_failed()
    # a request of the run before may still be on its way
    assert all("Credential=OTHER/" in given for given in checker.problems)
    assert (store / "x").read_bytes() == data
    with open_ranged(source, access=access, limits=quick) as f:
        assert f.read_at(5, 7) == data[5:12]


def test_urllib3_says_that_it_does_not_sign(server, store, quick, monkeypatch) -> None:
    monkeypatch.setenv("FASCICLE_TRANSPORT", "urllib3")
    server.put(f"/{BUCKET}/x", b"abc")
    server.allow = lambda path, headers: False
    source = Source(f"s3://{BUCKET}/x", size=3)
    other = Source(f"s3://{BUCKET}/y")
    plan = make_plan([(source, "x"), (other, "y")], store=store)
    result = plan.run(limits=quick, access=Access(server.base, key="K", secret="S"))
    assert [o.error.kind for o in result.failed] == ["missing-extra", "missing-extra"]


def test_credentials_come_from_where_they_always_do(tmp_path, monkeypatch) -> None:
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    place = tmp_path / "credentials"
    place.write_text("[lab]\naws_access_key_id = K\naws_secret_access_key = S%x\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(place))
    assert Access.from_environment().signing() is None
    monkeypatch.setenv("AWS_PROFILE", "lab")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    access = Access.from_environment()
    assert (access.key, access.secret, access.region) == ("K", "S%x", "eu-west-1")
    assert "S%x" not in repr(access) and "S%x" not in repr(access.signing())
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "E")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "T")
    assert Access.from_environment().key == "E"


@pytest.mark.parametrize(
    ("source", "access", "expected"),
    [
        (Source("s3://b/k/x"), Access(), "https://b.s3.amazonaws.com/k/x"),
        (Source("s3://b/k/ü x?"), Access(), "https://b.s3.amazonaws.com/k/%C3%BC%20x%3F"),
        (Source("s3://b.c/k"), Access(), "https://s3.amazonaws.com/b.c/k"),
        (
            Source("s3://b/k", "v+1"),
            Access(region="us-west-2"),
            "https://b.s3.us-west-2.amazonaws.com/k?versionId=v%2B1",
        ),
        (Source("s3://b/k"), Access("http://x:1/"), "http://x:1/b/k"),
        (Source("https://h/a b?c=1", "v"), Access(), "https://h/a%20b?c=1&versionId=v"),
        (Source("https://h/%20#f"), Access(), "https://h/%20"),
    ],
)
def test_addresses(source, access, expected) -> None:
    assert address(source, access).url == expected


@pytest.mark.parametrize("url", ["ftp://x/y", "x", "s3://", "http://", "/etc/passwd"])
def test_addresses_that_are_none(url, store) -> None:
    with pytest.raises(ConfigurationError):
        address(Source(url), Access())
    result = make_plan([(Source(url), "x")], store=store).run()
    assert result.failed[0].error.kind == "configuration"
