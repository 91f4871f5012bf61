"""Addresses of objects on S3 that are good for a while."""

from __future__ import annotations

import urllib.error
import urllib.request
from datetime import UTC, datetime

import pytest

from fascicle.hub.presign import presigned
from fascicle.testing import S3Server
from fascicle.transfer.s3 import Access


def test_the_example_of_amazon() -> None:
    access = Access(
        endpoint="",
        key="AKIAIOSFODNN7EXAMPLE",
        secret="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    )
    url = presigned(
        "s3://examplebucket/test.txt",
        access=access,
        seconds=86400,
        now=datetime(2013, 5, 24, tzinfo=UTC),
    )
    assert url.startswith("https://examplebucket.s3.amazonaws.com/test.txt?")
    assert url.endswith(
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    assert access.secret not in url


def test_others_stay_as_they_are() -> None:
    plain = "https://data.example.org/lab/Subjects/a%20b/x.npy"
    assert presigned(plain, access=Access(key="k", secret="s")) == plain
    assert presigned("s3://bucket/a/b.npy", access=Access()).endswith("/a/b.npy")


@pytest.mark.parametrize("key", ["a/b.npy", "a/#2024-05-06#/b c.npy", "a/ü+.npy"])
def test_a_server_takes_it(key: str) -> None:
    server = S3Server().start()
    try:
        server.make_bucket("lab")
        server.put("lab", key, b"data")
        access = Access(endpoint=server.url, region="us-east-1", key="testing", secret="testing")
        url = presigned(f"s3://lab/{key}", access=access)
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"data"
    except urllib.error.HTTPError as error:
        pytest.fail(f"{error}: {error.read()!r}")
    finally:
        server.stop()
