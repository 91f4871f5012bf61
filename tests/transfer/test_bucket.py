"""Listing a bucket: a real S3 endpoint, and servers that answer something else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from fascicle.errors import AccessDenied, OfflineError, RemoteNotFound, ServerError
from fascicle.testing.gate import Gate
from fascicle.testing.s3 import S3Server
from fascicle.transfer import Access
from fascicle.transfer.bucket import MAX_PAGE, Bucket, Listed, parse_listing


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        server.make_bucket("lab-data")
        yield server


def test_a_real_endpoint(server: S3Server) -> None:
    keys = [f"many/{n:04d} ü.json" for n in range(1203)]
    for key in keys:
        server.put("lab-data", key, b"x" * 3)
    server.put("lab-data", "other/1", b"")
    bucket = Bucket("lab-data", endpoint=server.url)
    assert bucket.list("many/") == [Listed(key, 3) for key in keys]
    assert bucket.list("other/") == [Listed("other/1", 0)]
    assert bucket.list("none/") == []
    server.delete("lab-data", "other/1")
    assert bucket.list("other/") == []


def test_sizes_of_some(server: S3Server) -> None:
    server.make_bucket("sizes")
    # A page has 1000: the first two come in one, the others in one more.
    for n in range(1100):
        server.put("sizes", f"p/{n:05d}/x ü.nwb", b"x" * (n % 7))
    bucket = Bucket("sizes", endpoint=server.url)
    sizes = {f"p/{n:05d}/x ü.nwb": n % 7 for n in (3, 4, 1050, 1099)}
    keys = list(sizes)
    assert bucket.sizes(keys) == sizes
    assert bucket.sizes(keys, pages=1) == {key: sizes[key] for key in keys[:2]}
    assert bucket.sizes([*keys, "p/none", "zzz"], pages=9) == bucket.sizes(keys)
    assert bucket.sizes([]) == {}
    with pytest.raises(RemoteNotFound):
        Bucket("no-such-bucket", endpoint=server.url).sizes(["x"])


def test_a_server_that_knows_no_start_ends_soon() -> None:
    page = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t"
        b"</NextContinuationToken><Contents><Key>a</Key><Size>5</Size></Contents></ListBucketResult>"
    )
    asked = []

    def respond(handler: BaseHTTPRequestHandler, n: int) -> None:
        asked.append(n)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(page)))
        handler.end_headers()
        handler.wfile.write(page)

    with answering(respond) as bucket:
        assert bucket.sizes(["a", "m", "z"]) == {"a": 5}
    assert len(asked) == 2


def test_no_such_bucket(server: S3Server) -> None:
    with pytest.raises(RemoteNotFound, match="no-such-bucket"):
        Bucket("no-such-bucket", endpoint=server.url).list("x")


def test_offline(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    with pytest.raises(OfflineError, match="FASCICLE_OFFLINE"):
        Bucket("lab-data", endpoint=server.url).list("x")


Respond = Callable[[BaseHTTPRequestHandler, int], None]


@contextmanager
def answering(respond: Respond) -> Iterator[Bucket]:
    """Yield a bucket whose server answers as told; the number counts requests."""
    count = 0

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal count
            count += 1
            respond(self, count)

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield Bucket("lab-data", endpoint=f"http://127.0.0.1:{http.server_port}")
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def page(keys: list[str], token: str = "") -> bytes:
    more = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    items = "".join(f"<Contents><Key>{k}</Key><Size>1</Size></Contents>" for k in keys)
    truncated = f"<IsTruncated>{'true' if token else 'false'}</IsTruncated>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Prefix>p</Prefix>{truncated}{more}{items}</ListBucketResult>"
    ).encode()


def test_a_server_that_fails_at_first() -> None:
    def respond(handler: BaseHTTPRequestHandler, number: int) -> None:
        send(handler, 503 if number < 3 else 200, page(["p/a"]), Retry_After="0")

    with answering(respond) as bucket:
        assert bucket.list("p/") == [Listed("p/a", 1)]


@pytest.mark.parametrize(
    ("status", "error"), [(403, AccessDenied), (404, RemoteNotFound), (418, ServerError)]
)
def test_a_server_that_refuses(status: int, error: type[Exception]) -> None:
    with (
        answering(lambda handler, _: send(handler, status, b"no")) as bucket,
        pytest.raises(error, match="lab-data"),
    ):
        bucket.list("p/")


def test_a_listing_without_end() -> None:
    def respond(handler: BaseHTTPRequestHandler, number: int) -> None:
        send(handler, 200, page(["p/a"], "same"))

    with answering(respond) as bucket, pytest.raises(ServerError, match="does not end"):
        bucket.list("p/")


def test_a_page_that_is_too_large() -> None:
    with (
        answering(lambda handler, _: send(handler, 200, b" " * (MAX_PAGE + 2))) as bucket,
        pytest.raises(ServerError, match="MiB"),
    ):
        bucket.list("p/")


def test_nobody_answers() -> None:
    with answering(lambda handler, _: None) as bucket:
        pass
    with pytest.raises(ServerError, match="no answer"):
        bucket.list("p/")


def test_the_region_is_asked_for_once_more() -> None:
    def respond(handler: BaseHTTPRequestHandler, number: int) -> None:
        if number == 1:
            send(handler, 301, b"elsewhere", x_amz_bucket_region="eu-west-1")
        else:
            send(handler, 200, page(["p/a"]))

    with answering(respond) as bucket:
        assert bucket.list("p/") == [Listed("p/a", 1)]


BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><ListBucketResult><Contents><Key>&b;</Key><Size>1</Size>
</Contents></ListBucketResult>"""
OUTSIDE = b"""<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<ListBucketResult><Contents><Key>&a;</Key><Size>1</Size></Contents></ListBucketResult>"""


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        OUTSIDE,
        BOMB.decode().replace('<?xml version="1.0"?>', "").encode("utf-16"),
        b"",
        b"{}",
        b"<html></html>",
        b"<ListBucketResult>",
        b"<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        b"<ListBucketResult><Contents><Key>a</Key><Size>x</Size></Contents></ListBucketResult>",
        b"<ListBucketResult>" + b"<a>" * 30 + b"</a>" * 30 + b"</ListBucketResult>",
    ],
)
def test_what_is_no_listing_is_refused(body: bytes) -> None:
    with pytest.raises(ServerError, match="listing"):
        parse_listing(body)


def test_a_page_is_read() -> None:
    assert parse_listing(page(["p/a &amp; b", "p/c"], "next")) == (
        [Listed("p/a & b", 1), Listed("p/c", 1)],
        "next",
    )
    assert parse_listing(page([])) == ([], "")


def test_a_private_bucket_is_listed_with_a_signature(server: S3Server) -> None:
    server.put("lab-data", "private/a +&=ü", b"x")
    with Gate(server.url, key="AKEY", secret="se/cr+et", token="a/token+=") as gate:
        access = Access(gate.url, key="AKEY", secret="se/cr+et", token="a/token+=")
        bucket = Bucket("lab-data", endpoint=gate.url, access=access)
        assert bucket.list("private/") == [Listed("private/a +&=ü", 1)]
        assert bucket.list("private/a +&=ü") == [Listed("private/a +&=ü", 1)]
        assert bucket.describe().versioned is True
        stranger = Bucket("lab-data", endpoint=gate.url, access=Access(gate.url))
        with pytest.raises(AccessDenied, match="lab-data") as caught:
            stranger.list("private/")
        assert "AWS_PROFILE" in caught.value.hint
        assert stranger.describe().versioned is None


def test_a_signature_for_the_wrong_region_is_made_anew() -> None:
    regions = []

    def respond(handler: BaseHTTPRequestHandler, number: int) -> None:
        given = handler.headers.get("Authorization", "")
        regions.append(given.split("/")[2] if given else "")
        if "eu-west-1" in given:
            send(handler, 200, page(["p/a"]))
        elif given:
            send(handler, 400, b"<Error/>", x_amz_bucket_region="eu-west-1")
        else:
            send(handler, 403, b"<Error/>", x_amz_bucket_region="eu-west-1")

    with answering(respond) as bucket:
        access = Access(bucket.endpoint or "", key="K", secret="S")
        assert replace(bucket, access=access).list("p/") == [Listed("p/a", 1)]
    assert regions == ["", "us-east-1", "eu-west-1"]


def test_what_a_bucket_says_of_itself(server: S3Server) -> None:
    server.make_bucket("without-versions", versions=False)
    assert Bucket("lab-data", endpoint=server.url).describe().versioned is True
    assert Bucket("without-versions", endpoint=server.url).describe().versioned is False
    with pytest.raises(RemoteNotFound):
        Bucket("no-such-bucket", endpoint=server.url).describe()
