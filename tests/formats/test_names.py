"""Versions, addresses of objects, and paths that come from elsewhere."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fascicle.formats.locations import Location, endpoint_from_environment, parse_url
from fascicle.formats.paths import path_problem
from fascicle.formats.versions import Version, is_version

IN_ORDER = [
    "0.1.0",
    "0.2.0",
    "0.9.0",
    "0.10.0",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "2.0.0",
    "10.0.0",
]


def test_versions_sort_as_versions() -> None:
    mixed = random.Random(1).sample(IN_ORDER, len(IN_ORDER))
    assert [str(v) for v in sorted(map(Version, mixed))] == IN_ORDER


def test_what_was_built_does_not_count() -> None:
    assert Version("1.0.0+a") == Version("1.0.0+b") and hash(Version("1.0.0+a"))
    assert Version("1.0.0") != "1.0.0" and repr(Version("1.0.0")) == "Version('1.0.0')"


@pytest.mark.parametrize("text", ["1", "1.0", "01.0.0", "1.0.0-", "v1.0.0", "1.0.0 ", "", "٣.0.0"])
def test_what_is_no_version(text: str) -> None:
    assert not is_version(text)
    with pytest.raises(ValueError, match="no version"):
        Version(text)


@pytest.mark.parametrize(
    ("url", "bucket", "key", "region", "version"),
    [
        ("https://b-1.s3.us-west-2.amazonaws.com/p/x.csv", "b-1", "p/x.csv", "us-west-2", ""),
        ("https://b-1.s3.amazonaws.com/p/x.csv?versionId=a.b", "b-1", "p/x.csv", "", "a.b"),
        ("https://b-1.s3-eu-west-1.amazonaws.com/p/x", "b-1", "p/x", "eu-west-1", ""),
        ("https://b.c.s3.dualstack.us-east-1.amazonaws.com/x", "b.c", "x", "us-east-1", ""),
        ("https://s3.us-west-2.amazonaws.com/b-1/p/x", "b-1", "p/x", "us-west-2", ""),
        ("s3://b-1/p/a%20b?versionId=v", "b-1", "p/a b", "", "v"),
        ("http://127.0.0.1:9000/b-1/p/x", "", "b-1/p/x", "", ""),
        ("https://data.lab.org/p/x", "", "p/x", "", ""),
    ],
)
def test_addresses_are_taken_apart(
    url: str, bucket: str, key: str, region: str, version: str
) -> None:
    found = parse_url(url)
    assert (found.bucket, found.key, found.region, found.version_id) == (
        bucket,
        key,
        region,
        version,
    )


def test_addresses_are_put_together() -> None:
    where = Location("lab-data", "p/a b+ü.csv", "v/1", "us-west-2")
    path = "p/a%20b+%C3%BC.csv?versionId=v%2F1"
    assert where.url() == f"https://lab-data.s3.us-west-2.amazonaws.com/{path}"
    assert where.url("http://localhost:9000/") == f"http://localhost:9000/lab-data/{path}"
    assert Location("b.c", "x").url() == "https://s3.amazonaws.com/b.c/x"
    assert (
        parse_url("https://data.lab.org/p/x").url("http://localhost") == "https://data.lab.org/p/x"
    )
    assert where.at_version("").version_id == ""


@given(key=st.text(st.characters(codec="utf-8", exclude_characters="\r\n\t"), min_size=1))
def test_any_key_comes_back(key: str) -> None:
    key = key.lstrip("/") or "x"
    where = Location("lab-data", key, "v1", "us-west-2")
    assert parse_url(where.url()) == where


def test_another_endpoint_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    assert endpoint_from_environment() is None
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://all")
    assert endpoint_from_environment() == "http://all"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3")
    assert endpoint_from_environment() == "http://s3"


@pytest.mark.parametrize(
    "path", ["a", "a/b.csv", "a b/ü.nwb", "100%", "a%20b", "..a/b.."[:-2] + "x"]
)
def test_plain_paths_are_fine(path: str) -> None:
    assert path_problem(path) == ""


LONG = ("x" * 256, "é" * 200, "a/" * 600 + "a")
ODD = (
    "a\\b",
    "\\\\host\\x",
    "C:x",
    "a/b:c",
    "con.txt",
    "a/NUL",
    "a. ",
    "a\0",
    "a\x1b[0m",
    "\ud800",
)


@pytest.mark.parametrize(
    "path", ["", "/a", "a//b", "a/", "./a", "a/..", "..", "%2e%2e/a", *LONG, *ODD], ids=ascii
)
def test_paths_that_are_not(path: str) -> None:
    assert path_problem(path)
