"""An S3 endpoint with a synthetic release in it, and the real AllenSDK."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fascicle.demo.release import BUCKET, DemoRelease, make_release
from fascicle.testing.s3 import S3Server

ROOT = Path(__file__).resolve().parents[2]
PREFIX = "visual-behavior-neuropixels_project_manifest_v"


def name(version: str) -> str:
    """Return the name of a version's manifest."""
    return f"{PREFIX}{version}.json"


@pytest.fixture(scope="module")  # moto has one state in a process: another server would empty it
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture(scope="module")
def release(server: S3Server) -> DemoRelease:
    """Return the release that lies in the server."""
    server.make_bucket(BUCKET)
    return make_release(lambda key, content: server.put(BUCKET, key, content))


@pytest.fixture
def endpoint(server: S3Server, release: DemoRelease, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the server's address, which the environment names too."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    monkeypatch.setenv("FASCICLE_PROGRESS", "0")
    return server.url
