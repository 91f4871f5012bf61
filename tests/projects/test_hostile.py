"""Releases that mean harm: a clear error, and nothing written outside the folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from fascicle.errors import (
    BadFileError,
    FascicleError,
    HashMismatch,
    ManifestError,
    NotHereError,
    UnsafeTarget,
)
from fascicle.formats import manifest as formats
from fascicle.projects import ProjectCache, VisualBehaviorNeuropixelsProjectCache
from fascicle.testing.s3 import S3Server

from .conftest import name

Cache = VisualBehaviorNeuropixelsProjectCache
PROJECT = "visual-behavior-neuropixels"
OUTSIDE = b"this must not be here"

pytestmark = pytest.mark.usefixtures("endpoint")


class Hostile:
    """A bucket whose manifest says what a test wants."""

    def __init__(self, server: S3Server, bucket: str) -> None:
        self.server, self.bucket = server, bucket
        server.make_bucket(bucket)
        self.digest = hashlib.blake2b(OUTSIDE).hexdigest()

    def url(self, path: str) -> str:
        return f"https://{self.bucket}.s3.us-west-2.amazonaws.com/{PROJECT}/{path}"

    def entry(self, path: str, **more: Any) -> dict[str, Any]:
        return {"url": self.url(path), "version_id": "", "file_hash": self.digest} | more

    def publish(self, content: bytes | None = None, **changes: Any) -> None:
        document = {
            "project_name": PROJECT,
            "manifest_version": "0.3.0",
            "metadata_file_id_column_name": "file_id",
            "data_pipeline": [],
            "metadata_files": {},
            "data_files": {},
        } | changes
        body = json.dumps(document).encode() if content is None else content
        self.server.put(self.bucket, f"{PROJECT}/manifests/{name('0.3.0')}", body)


@pytest.fixture
def hostile(server: S3Server, request: pytest.FixtureRequest) -> Hostile:
    digest = hashlib.sha256(request.node.name.encode()).hexdigest()[:16]
    return Hostile(server, f"hostile-{digest}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "down" / "cache"


def outside(tmp_path: Path, folder: Path) -> list[Path]:
    """Return the files that lie anywhere but in the cache folder."""
    files = (path for path in tmp_path.rglob("*") if not path.is_dir())
    return [path for path in files if folder not in path.parents]


@pytest.mark.parametrize(
    "path",
    [
        "../../evil",
        "a/../../../../evil",
        "%2e%2e/%2e%2e/evil",
        "a\\..\\..\\evil",
        "//evil",
        "C:/evil",
    ],
)
@pytest.mark.parametrize("section", ["metadata_files", "data_files"])
def test_paths_that_lead_out(
    hostile: Hostile, folder: Path, tmp_path: Path, section: str, path: str
) -> None:
    hostile.publish(**{section: {"x": hostile.entry(path)}})
    with pytest.raises(ManifestError, match="the path"):
        Cache.from_s3_cache(folder, hostile.bucket)
    assert outside(tmp_path, folder) == []
    assert [p.name for p in folder.glob("*.json")] == []  # it is fetched anew the next time


@pytest.mark.parametrize(
    "changes",
    [
        {"project_name": "../../evil"},
        {"project_name": "/evil"},
        {"manifest_version": "/../../../evil"},
        {"project_name": "another-project"},
    ],
)
def test_folders_that_lead_out(
    hostile: Hostile, folder: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    files = {"x": hostile.entry("x.csv")}
    hostile.publish(metadata_files=files, **changes)
    with pytest.raises(ManifestError):
        Cache.from_s3_cache(folder, hostile.bucket)
    assert outside(tmp_path, folder) == []


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/p/x", "gopher://host/p/x"])
def test_other_kinds_of_addresses(hostile: Hostile, folder: Path, url: str) -> None:
    hostile.publish(metadata_files={"x": hostile.entry("x", url=url)})
    with pytest.raises(ManifestError):
        Cache.from_s3_cache(folder, hostile.bucket)


def test_links_that_lead_out(hostile: Hostile, folder: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    folder.mkdir(parents=True)
    (folder / f"{PROJECT}-0.3.0").symlink_to(away)
    hostile.publish(data_files={"0": hostile.entry("evil")})
    hostile.server.put(hostile.bucket, f"{PROJECT}/evil", OUTSIDE)
    cache = Cache.from_s3_cache(folder, hostile.bucket)
    for ask in (cache.plan, lambda: cache.download_data(0)):
        with pytest.raises(UnsafeTarget, match="link"):
            ask()
    assert list(away.iterdir()) == []


def test_a_file_that_is_a_link(hostile: Hostile, folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"a password")
    place = folder / f"{PROJECT}-0.3.0" / "x.csv"
    place.parent.mkdir(parents=True)
    place.symlink_to(secret)
    hostile.publish(metadata_files={"x": hostile.entry("x.csv")})
    hostile.server.put(hostile.bucket, f"{PROJECT}/x.csv", OUTSIDE)
    (folder / "_downloaded_data.json").write_text("{}")
    cache = Cache.from_s3_cache(folder, hostile.bucket, metadata="lazy")
    with pytest.raises(HashMismatch):
        Cache.from_local_cache(folder).get_table("x")
    cache.download_metadata("x")
    assert secret.read_bytes() == b"a password"
    assert place.read_bytes() == OUTSIDE and not place.is_symlink()


@pytest.mark.parametrize("content", [b"<html>", b"", b"[1]", b'{"project_name": ', b"\xff" * 50])
def test_what_is_no_manifest(hostile: Hostile, folder: Path, content: bytes) -> None:
    hostile.publish(content)
    with pytest.raises(ManifestError):
        Cache.from_s3_cache(folder, hostile.bucket)
    hostile.publish()
    assert Cache.from_s3_cache(folder, hostile.bucket).manifest.version == "0.3.0"


def test_a_manifest_that_is_too_large(
    hostile: Hostile, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile.publish(b" " * 5000)
    from fascicle.archives import versions

    monkeypatch.setattr(versions, "MAX_BYTES", 1000)
    with pytest.raises(ManifestError, match="bytes"):
        Cache.from_s3_cache(folder, hostile.bucket)
    assert not list(folder.rglob("*.json"))
    monkeypatch.setattr(formats, "MAX_BYTES", 1000)
    with pytest.raises(ManifestError, match="MiB"):
        formats.parse_manifest(b" " * 1001)


def test_sizes_that_no_disk_has(hostile: Hostile, folder: Path) -> None:
    hostile.publish(data_files={"0": hostile.entry("x", size=2**49)})
    cache = Cache.from_s3_cache(folder, hostile.bucket)
    with pytest.raises(FascicleError) as caught:
        cache.download_data(0)
    assert caught.value.kind == "not-enough-disk"
    hostile.publish(data_files={"0": hostile.entry("x", size=2**70)})
    (folder / name("0.3.0")).unlink()
    with pytest.raises(ManifestError, match="size"):
        Cache.from_s3_cache(folder, hostile.bucket)


def test_names_in_the_bucket_that_lead_out(hostile: Hostile, folder: Path) -> None:
    hostile.publish()
    for key in (
        f"../../{name('9.0.0')}",
        f"x/{name('8.0.0')}",
        "other_project_manifest_v7.0.0.json",
    ):
        hostile.server.put(hostile.bucket, f"{PROJECT}/manifests/{key}", b"{}")
    cache = Cache.from_s3_cache(folder, hostile.bucket)
    assert cache.list_manifest_file_names() == [name("0.3.0")]


def test_no_checksum_no_file(hostile: Hostile, folder: Path) -> None:
    hostile.publish(data_files={"0": hostile.entry("x", file_hash="0")})
    cache = Cache.from_s3_cache(folder, hostile.bucket)
    with pytest.raises(HashMismatch, match="no usable checksum"):
        cache.download_data(0)


def test_a_table_that_is_none(hostile: Hostile, folder: Path) -> None:
    content = b'a,b\n1,2\n"3\n' + b"4,5,6\n"
    digest = hashlib.blake2b(content).hexdigest()
    hostile.server.put(hostile.bucket, f"{PROJECT}/x.csv", content)
    hostile.publish(metadata_files={"x": hostile.entry("x.csv", file_hash=digest)})
    cache = Cache.from_s3_cache(folder, hostile.bucket)
    with pytest.raises(BadFileError, match="no table"):
        cache.get_table("x")


def test_text_in_tables_is_never_run(hostile: Hostile, folder: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    texts = [f"__import__('pathlib').Path({str(ran)!r}).touch()", "[" * 500, "['CA1', 'DG']", ""]
    lines = ["ecephys_probe_id,structure_acronyms"]
    lines += [f'{n},"{text}"' for n, text in enumerate(texts)]
    content = "\n".join(lines).encode()
    digest = hashlib.blake2b(content).hexdigest()
    hostile.server.put(hostile.bucket, f"{PROJECT}/probes.csv", content)
    hostile.publish(metadata_files={"probes": hostile.entry("probes.csv", file_hash=digest)})
    table = Cache.from_s3_cache(folder, hostile.bucket).table("probes")
    assert table["structure_acronyms"].iloc[:3].tolist() == [*texts[:2], ["CA1", "DG"]]
    assert not ran.exists()


def test_a_record_that_is_none(hostile: Hostile, folder: Path) -> None:
    hostile.publish(data_files={"0": hostile.entry("x")})
    hostile.server.put(hostile.bucket, f"{PROJECT}/x", OUTSIDE)
    cache = Cache.from_s3_cache(folder, hostile.bucket)
    digest = json.dumps(hostile.digest)
    for record in ("", "[]", "{", '{"a": 1}', f'{{"/etc/passwd": {digest}, "\\u0000": {digest}}}'):
        (folder / "_downloaded_data.json").write_text(record)
        assert cache.download_data(0).read_bytes() == OUTSIDE
        cache.download_data(0).unlink()
    general = ProjectCache.from_local_cache(folder, project=PROJECT)
    with pytest.raises(NotHereError):
        general.download_data(0)
