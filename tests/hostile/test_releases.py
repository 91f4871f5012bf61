"""Releases that mean harm, by every way to open one: a clear error, nothing outside the store."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import fascicle
from fascicle.cli.app import fascicle as command
from fascicle.errors import FascicleError, ManifestError, UnsafeTarget
from fascicle.projects import VisualBehaviorNeuropixelsProjectCache

from .server import Body, HostileServer

PROJECT = "visual-behavior-neuropixels"
NAME = f"{PROJECT}_project_manifest_v0.3.0.json"
KEY = f"{PROJECT}/manifests/{NAME}"
EVIL = b"this must not be here"
DIGEST = hashlib.blake2b(EVIL).hexdigest()


# -- manifests ------------------------------------------------------------------------------------


def entry(path: str, **more: Any) -> dict[str, Any]:
    url = f"https://hostile.s3.us-west-2.amazonaws.com/{PROJECT}/{path}"
    return {"url": url, "version_id": "", "file_hash": DIGEST} | more


def ours(path: str, **more: Any) -> dict[str, Any]:
    """Return an entry of a manifest that fascicle could have written, but for its path."""
    return entry("x.npy", size=len(EVIL), sha256="") | {"path": path} | more


def manifest(*entries: dict[str, Any], **changes: Any) -> bytes:
    document = {
        "project_name": PROJECT,
        "manifest_version": "0.3.0",
        "metadata_file_id_column_name": "file_id",
        "data_pipeline": [],
        "metadata_files": {},
        "data_files": {str(n): one for n, one in enumerate(entries)},
    } | changes
    return json.dumps(document).encode()


OWN = {"fascicle": {"format": 1}}
ACUTE = "caf\N{LATIN SMALL LETTER E WITH ACUTE}.csv"
HOSTILE = {
    "up": manifest(entry("../../evil")),
    "up, further down": manifest(entry("a/../../../../evil")),
    "up, in percent signs": manifest(entry("%2e%2e/%2e%2e/evil")),
    "up, with backslashes": manifest(entry("a\\..\\..\\evil")),
    "absolute": manifest(entry("/evil")),
    "a drive": manifest(entry("C:/evil")),
    "a device": manifest(entry("a/CON")),
    "a device with a suffix": manifest(entry("aux.csv")),
    "a stream": manifest(entry("a.csv:hidden")),
    "a dot at the end": manifest(entry("evil./x")),
    "a null": manifest(entry("a\0b")),
    "one file in two cases": manifest(entry("Units.csv"), entry("units.csv", file_hash="0" * 128)),
    "one file in two spellings": manifest(
        entry(ACUTE), entry(unicodedata.normalize("NFD", ACUTE), file_hash="0" * 128)
    ),
    "a file and a folder": manifest(entry("a"), entry("a/b")),
    "into our own folder": manifest(entry(".fascicle/ledger.sqlite")),
    "2**60 bytes": manifest(entry("x", size=2**60)),
    "-1 byte": manifest(entry("x", size=-1)),
    "no number of bytes": manifest(entry("x", size=float("nan"))),
    "a file of this machine": manifest(entry("x", url="file:///etc/passwd")),
    "a project above": manifest(project_name="../../evil"),
    "a version above": manifest(manifest_version="/../../../evil"),
    "another project": manifest(project_name="another"),
    "ours, up": manifest(ours("../../evil"), **OWN),
    "ours, absolute": manifest(ours("/evil"), **OWN),
    "ours, from above": manifest(ours("x", url=entry("../../x")["url"]), **OWN),
    "ours, into our own folder": manifest(ours("a/.FASCICLE/x"), **OWN),
    "ours, of another format": manifest(fascicle={"format": 99}),
    "ours, of nothing": manifest(fascicle={}),
    "nothing": b"",
    "a page": b"<html><body>Sign in to the network</body></html>",
    "a list": b"[1]",
    "cut short": manifest(entry("x"))[:-20],
    "no text": b"\xff\xfe" * 50,
    "deep": b'{"project_name": ' + b"[" * 200_000,
    "deep objects": b'{"a":' * 200_000,
    "a long number": manifest()[:-1] + b', "n": ' + b"9" * 100_000 + b"}",
    "keys twice": manifest(entry("../evil"))[:-1] + b', "data_files": 0}',
}


# -- ways to open one -----------------------------------------------------------------------------


class Place:
    """A manifest in a bucket, a folder and a ZIP file, and a store deep in a folder of the test."""

    def __init__(self, tmp_path: Path, server: HostileServer) -> None:
        self.top = tmp_path
        self.server = server
        self.store = tmp_path / "deep" / "down" / "store"
        self.folder = tmp_path / "published"
        self.zip = tmp_path / "published.zip"

    def publish(self, content: bytes) -> None:
        self.server.bodies[KEY] = Body(len(content), len(content), lambda: [content])
        path = self.folder / "manifests" / NAME
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        with zipfile.ZipFile(self.zip, "w") as file:
            file.writestr(f"manifests/{NAME}", content)

    def written_outside(self) -> set[str]:
        """Return the files that are neither in the store nor what was published."""
        found = {p for p in self.top.rglob("*") if not p.is_dir() and self.store not in p.parents}
        return {str(p) for p in found - {self.zip, self.folder / "manifests" / NAME}}

    def contents(self) -> list[bytes]:
        return [p.read_bytes() for p in self.top.rglob("*") if p.is_file() and p != self.zip]


def _cache(place: Place) -> None:
    VisualBehaviorNeuropixelsProjectCache.from_s3_cache(place.store, "hostile")


def _open(place: Place) -> None:
    fascicle.open(f"s3://hostile/{PROJECT}", store=place.store)


def _folder(place: Place) -> None:
    fascicle.open(place.folder)


def _zip(place: Place) -> None:
    fascicle.open(place.zip, store=place.store)


def _get(place: Place) -> None:
    result = CliRunner().invoke(
        command, ["get", f"s3://hostile/{PROJECT}", "--to", str(place.store)]
    )
    assert result.exit_code not in (0, None)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.stderr.startswith("fascicle: ") and "Traceback" not in result.stderr
    raise ManifestError(result.stderr)


WAYS: dict[str, Callable[[Place], None]] = {
    "cache": _cache,
    "open": _open,
    "get": _get,
    "folder": _folder,
    "zip": _zip,
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("FASCICLE_PROGRESS", "0")
    with HostileServer() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        yield Place(tmp_path, server)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("what", HOSTILE)
def test_what_no_manifest_may_say(place: Place, way: str, what: str) -> None:
    place.publish(HOSTILE[what])
    with pytest.raises(ManifestError) as caught:
        WAYS[way](place)
    assert len(str(caught.value)) < 1000  # it does not repeat what it was given
    assert place.written_outside() == set()


def test_an_honest_one_is_opened(place: Place) -> None:
    """The same manifest without harm in it: the tests above fail for the reason they say."""
    place.publish(manifest(entry("x.csv"), ours("a/b.npy")))
    _cache(place)
    place.publish(manifest(ours("a/b.npy"), **OWN))
    _open(place)


# -- without end ----------------------------------------------------------------------------------

_HEAD = manifest()[:-1] + b', "more": {'
_SMALL = b'"1":{"url":"","version_id":"","file_hash":""},'
_REAL = (
    b'"1":' + json.dumps(entry("ecephys_sessions/ecephys_session_1052342277.nwb")).encode() + b","
)
TEN_MILLION = 10_000_000
CODE = {
    "cache": "from fascicle.projects import VisualBehaviorNeuropixelsProjectCache as C\n"
    "C.from_s3_cache(store, 'hostile')",
    "open": "import fascicle\n"
    "fascicle.open('s3://hostile/visual-behavior-neuropixels', store=store)",
    "get": "from fascicle.cli.app import fascicle\n"
    "fascicle(['get', 's3://hostile/visual-behavior-neuropixels', '--to', store])",
}
_RUN = r"""
import re, sys
from pathlib import Path
store = sys.argv[1]
try:
{code}
except BaseException as error:
    print(type(error).__name__, error)
else:
    print("opened")
# not what getrusage says, which begins with what the tests' own process had
print(int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def listing(one: bytes) -> Callable[[], Iterable[bytes]]:
    def parts() -> Iterator[bytes]:
        yield _HEAD
        for _ in range(TEN_MILLION // 10_000):
            yield one * 10_000
        yield b'"x": 0}}'

    return parts


def endless() -> Iterator[bytes]:
    yield _HEAD
    while True:
        yield _SMALL * 10_000


def size_of(one: bytes) -> int:
    return len(_HEAD) + TEN_MILLION * len(one) + len(b'"x": 0}}')


@pytest.mark.parametrize("way", CODE)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(Body(size_of(_REAL), size_of(_REAL), listing(_REAL)), id="of 2 GB"),
        pytest.param(Body(1000, size_of(_REAL), listing(_REAL)), id="of 2 GB, listed as 1 kB"),
        pytest.param(Body(size_of(_SMALL), size_of(_SMALL), listing(_SMALL)), id="of 460 MB"),
        pytest.param(Body(1000, None, endless), id="without end, listed as 1 kB"),
        pytest.param(Body(400 << 20, None, endless), id="without end, listed as 400 MB"),
    ],
)
def test_a_manifest_of_ten_million_files(place: Place, way: str, body: Body) -> None:
    place.server.bodies[KEY] = body
    code = _RUN.format(code="\n".join(f"    {line}" for line in CODE[way].splitlines()))
    run = subprocess.run(
        [sys.executable, "-c", code, str(place.store)], capture_output=True, text=True, timeout=300
    )
    *_, said, peak = run.stdout.splitlines() or ["", ""]
    assert said != "opened" and "MemoryError" not in run.stdout + run.stderr
    assert "Traceback" not in run.stderr, run.stderr
    assert int(peak) < 200, f"{peak} MB at most"
    assert place.server.n_sent < 600 << 20
    left = [p.stat().st_size for p in place.top.rglob("*") if p.is_file()]
    assert sum(left) < 1 << 20  # nothing of it stays


@pytest.mark.parametrize(
    ("more", "length", "kind"),
    [
        ({}, 2**50, "not-enough-disk"),  # nobody said how long it is, but the answer does
        ({"size": len(EVIL)}, 2**50, "truncated"),
        ({"size": 2**49}, len(EVIL), "not-enough-disk"),
    ],
)
def test_a_table_that_is_larger_than_any_disk(
    place: Place, more: dict[str, int], length: int, kind: str
) -> None:
    place.publish(manifest(metadata_files={"units": entry("units.csv", **more)}))
    place.server.bodies[f"{PROJECT}/units.csv"] = Body(length, length, lambda: [EVIL])
    with pytest.raises(FascicleError) as caught:
        _cache(place)
    assert caught.value.kind == kind
    assert EVIL not in place.contents()


# -- files and links ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../../evil", "/evil", "a/../../evil", "C:\\evil", "a\\..\\..\\b"]
)
def test_zip_slip(place: Place, name: str) -> None:
    place.publish(manifest(entry("x.csv")))
    with zipfile.ZipFile(place.zip, "a") as file:
        file.writestr(name, EVIL)
    with pytest.raises(UnsafeTarget):
        _zip(place)
    assert place.written_outside() == set()


def test_a_zip_bomb(place: Place) -> None:
    place.publish(b" " * 10)
    with (
        zipfile.ZipFile(place.zip, "w", zipfile.ZIP_DEFLATED) as file,
        file.open(f"manifests/{NAME}", "w", force_zip64=True) as member,
    ):
        for _ in range(600):
            member.write(b" " * (1 << 20))
    assert place.zip.stat().st_size < 1 << 20
    with pytest.raises(FascicleError) as caught:
        _zip(place)
    assert not isinstance(caught.value, MemoryError)
    assert place.written_outside() == set()


@pytest.mark.parametrize("way", ["cache", "open"])
def test_a_store_with_a_link_out_of_it(place: Place, way: str) -> None:
    away = place.top / "away"
    away.mkdir()
    place.store.mkdir(parents=True)
    (place.store / f"{PROJECT}-0.3.0").symlink_to(away)
    place.publish(manifest(metadata_files={"ecephys_sessions": entry("ecephys_sessions.csv")}))
    place.server.bodies[f"{PROJECT}/ecephys_sessions.csv"] = Body(0, len(EVIL), lambda: [EVIL])
    with pytest.raises(FascicleError):
        WAYS[way](place)
    assert list(away.iterdir()) == []


def test_a_release_with_a_link_out_of_it(place: Place) -> None:
    secret = place.top / "secret"
    secret.write_bytes(EVIL)
    place.publish(manifest(metadata_files={"ecephys_sessions": entry("ecephys_sessions.csv")}))
    (place.folder / "ecephys_sessions.csv").symlink_to(secret)
    with pytest.raises(UnsafeTarget, match="link"):
        _folder(place)
