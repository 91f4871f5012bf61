"""A lab to release, and S3 endpoints to release it to."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fascicle.testing.s3 import S3Server

from .labs import make_folder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a small folder, not indexed."""
    return make_folder(tmp_path / "choice-task")


@pytest.fixture
def lab(tiny_lab: Path, tmp_path: Path) -> Path:
    """Return a synthetic lab with probes, regions and revisions."""
    return Path(shutil.copytree(tiny_lab, tmp_path / "demo-lab"))


@pytest.fixture(scope="session")
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        yield server


@pytest.fixture
def s3(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Server:
    """Return an empty endpoint that the environment names, with the bucket ``lab-data``."""
    server._pool.request("POST", f"{server.url}/moto-api/reset")
    server.make_bucket("lab-data")
    server.make_bucket("no-versions", versions=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    return server
