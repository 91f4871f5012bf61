"""Places that files are read from: a real S3 endpoint, folders, ZIP files, a web server."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fascicle.errors import (
    AccessDenied,
    BadFileError,
    ConfigurationError,
    HashMismatch,
    NotListableError,
    OfflineError,
    RemoteNotFound,
    UnsafeTarget,
)
from fascicle.testing import S3Server
from fascicle.testing.gate import Gate
from fascicle.transfer import (
    Access,
    FolderPlace,
    Limits,
    Listed,
    Place,
    S3Place,
    Source,
    WebPlace,
    ZipPlace,
    make_plan,
    open_place,
    open_ranged,
)

FILES = {
    "manifests/p_project_manifest_v1.0.0.json": b"{}",
    "lab/Subjects/a b/2024-01-01/001/alf/spikes.times.npy": random.Random(0).randbytes(300_000),
    "lab/Subjects/ü/2024-01-01/001/#x# 100%/y!z.txt": b"hello" * 10_000,
    "empty.txt": b"",
}


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with S3Server() as server:
        server.make_bucket("lab-data")
        for key, data in FILES.items():
            server.put("lab-data", f"pre fix/project/{key}", data)
        server.put("lab-data", "pre fix/project-2/x", b"not ours")
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "a folder! é"
    for key, data in FILES.items():
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(data)
    return root


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    path = tmp_path / "re!lease é.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for key, data in FILES.items():
            kind = zipfile.ZIP_DEFLATED if key.endswith(".txt") else zipfile.ZIP_STORED
            archive.writestr(key, data, kind)
    return path


@pytest.fixture(params=["s3", "folder", "zip"])
def place(request, server: S3Server, folder: Path, zipped: Path) -> Place:
    if request.param == "s3":
        return open_place("s3://lab-data/pre fix/project/", endpoint=server.url)
    return open_place(folder if request.param == "folder" else zipped)


def test_what_all_places_do(place: Place, tmp_path: Path) -> None:
    place = pickle.loads(pickle.dumps(place))
    assert open_place(place.name).name == place.name
    assert place.list() == sorted(Listed(k, len(d)) for k, d in FILES.items())
    assert [k.key for k in place.list("manifests/p_")] == [min(FILES, key=lambda k: k[0] != "m")]
    assert place.list("manifests/q") == place.list("nothing/here/") == []
    assert place.read("empty.txt", at_most=10) == b""
    assert place.read("manifests/p_project_manifest_v1.0.0.json", at_most=2) == b"{}"
    with pytest.raises(BadFileError, match="more than"):
        place.read("manifests/p_project_manifest_v1.0.0.json", at_most=1)
    with pytest.raises(RemoteNotFound):
        place.read("manifests/none.json", at_most=10)
    sources = {
        key: place.source(
            key, size=len(data), hash=hashlib.sha256(data).hexdigest(), algorithm="sha256"
        )
        for key, data in FILES.items()
    }
    store = tmp_path / "store"
    plan = make_plan([(source, key) for key, source in sources.items()], store=store)
    assert all(pickle.loads(pickle.dumps(s)) == s for s in sources.values())
    assert len({source.origin for source in sources.values()}) == 1
    plan.run().raise_for_failed()
    for key, data in FILES.items():
        assert (store / key).read_bytes() == data
        if data:
            with open_ranged(sources[key]) as f:
                f.seek(len(data) // 2)
                assert f.read(100) == data[len(data) // 2 :][:100]
                assert f.seek(-1, io.SEEK_END) == len(data) - 1 and f.read() == data[-1:]
    again = make_plan([(source, key) for key, source in sources.items()], store=store)
    assert not again.to_fetch


@pytest.mark.parametrize("hashed", [True, False])
def test_local_places_work_without_a_network(
    folder, zipped, tmp_path, monkeypatch, hashed: bool
) -> None:
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    for place in (open_place(folder), open_place(zipped)):
        pairs = []
        for key, data in FILES.items():
            digest = {"hash": hashlib.md5(data).hexdigest(), "algorithm": "md5"} if hashed else {}
            pairs.append((place.source(key, size=len(data), **digest), key))
        assert all(source.is_local for source, _ in pairs)
        store = tmp_path / f"store of {type(place).__name__}"
        make_plan(pairs, store=store).run().raise_for_failed()
        assert {k: (store / k).read_bytes() for k in FILES} == FILES


# -- names of places ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("s3://lab-data", S3Place("lab-data")),
        ("s3://lab-data/", S3Place("lab-data")),
        ("s3://lab-data/a/b/", S3Place("lab-data", "a/b")),
        (
            "https://lab-data.s3.eu-west-1.amazonaws.com/a%20b/c",
            S3Place("lab-data", "a b/c", region="eu-west-1"),
        ),
        ("https://lab-data.s3.amazonaws.com", S3Place("lab-data")),
        (
            "https://s3.us-west-2.amazonaws.com/lab-data/x",
            S3Place("lab-data", "x", "", "us-west-2"),
        ),
        ("https://example.org/data/", WebPlace("https://example.org/data")),
        ("http://127.0.0.1:80/data?x=1", WebPlace("http://127.0.0.1:80/data")),
        ("/some/folder", FolderPlace(Path("/some/folder"))),
        ("file:///some/a%20folder", FolderPlace(Path("/some/a folder"))),
        ("/some/x.ZIP", ZipPlace(Path("/some/x.ZIP"))),
    ],
)
def test_names(given: str, expected: Place) -> None:
    assert open_place(given) == expected


@pytest.mark.parametrize("given", ["ftp://x/y", "s3://", "s3:///x", "s3://b/../c", "http://"])
def test_names_that_are_none(given: str) -> None:
    with pytest.raises(ConfigurationError):
        open_place(given)


def test_a_folder_whose_name_ends_in_zip(tmp_path: Path) -> None:
    (tmp_path / "x.zip").mkdir()
    assert open_place(tmp_path / "x.zip") == FolderPlace(tmp_path / "x.zip")


# -- S3 -------------------------------------------------------------------------------------------


def test_versions_and_the_endpoint_of_the_environment(server, tmp_path, monkeypatch) -> None:
    old = server.put("lab-data", "v/x", b"old")
    server.put("lab-data", "v/x", b"new")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
    place = open_place("s3://lab-data/v")
    assert place.source("x") == Source("s3://lab-data/v/x")
    assert place.read("x", at_most=10) == b"new"
    make_plan([(place.source("x", version=old), "x")], store=tmp_path).run().raise_for_failed()
    assert (tmp_path / "x").read_bytes() == b"old"


def test_places_at_two_endpoints_in_one_plan(server, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with Gate(server.url) as gate:
        places = [
            open_place("s3://lab-data/pre fix", endpoint=url) for url in (server.url, gate.url)
        ]
        pairs = [(p.source("project/empty.txt"), f"{i}") for i, p in enumerate(places)]
        make_plan(pairs, store=tmp_path).run().raise_for_failed()
        assert gate.counts["GET"]


@pytest.fixture(scope="module")
def two_pages(server: S3Server) -> str:
    """Return a folder of the bucket that is listed in two pages."""
    for number in range(1100):
        server.put("lab-data", f"many+ü/{number:04d} &=", b"")
    return "s3://lab-data/many+ü"


@pytest.mark.parametrize("token", ["", "a-session/token+"])
def test_a_private_bucket(
    server: S3Server, two_pages: str, tmp_path: Path, token: str, monkeypatch
) -> None:
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with Gate(server.url, key="AKEY", secret="se/cr+et", token=token) as gate:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", gate.url)
        for denied in (Access(gate.url), Access(gate.url, key="AKEY", secret="wrong", token=token)):
            place = open_place("s3://lab-data/pre fix/project", access=denied)
            with pytest.raises(AccessDenied, match="lab-data"):
                place.list()
            with pytest.raises(AccessDenied, match="lab-data"):
                place.read("empty.txt", at_most=10)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKEY")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "se/cr+et")
        if token:
            monkeypatch.setenv("AWS_SESSION_TOKEN", token)
        place = open_place("s3://lab-data/pre fix/project")
        assert "se/cr" not in repr(place)
        gate.log.clear()
        assert len(place.list()) == len(FILES)
        assert [signed for _, _, signed in gate.log] == [False, True]
        assert len(open_place(two_pages).list()) == 1100
        assert place.read("empty.txt", at_most=10) == b""
        key = "lab/Subjects/ü/2024-01-01/001/#x# 100%/y!z.txt"
        named = open_place("s3://lab-data/pre fix/project", endpoint=gate.url)
        for each in (place, named):
            store = tmp_path / type(each.source(key).url).__name__ / str(each is named)
            make_plan([(each.source(key), "x")], store=store).run().raise_for_failed()
            assert (store / "x").read_bytes() == FILES[key]


def test_a_private_bucket_in_a_region_that_nobody_named(
    server: S3Server, tmp_path: Path, monkeypatch
) -> None:
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    large = random.Random(1).randbytes(40 << 20)
    server.put("lab-data", "large", large)
    server.put("lab-data", "small", b"small")
    with Gate(server.url, key="AKEY", secret="secret") as gate:
        gate.region = "eu-central-2"
        access = Access(gate.url, key="AKEY", secret="secret")
        place = open_place("s3://lab-data", access=access)
        assert Listed("small", 5) in place.list()
        assert place.read("small", at_most=5) == b"small"
        pairs = [(place.source("large", size=len(large)), "large")]
        pairs += [(place.source("small", size=5), f"{i}") for i in range(10)]
        limits = Limits(backoff=0.02, retries=2, spare_disk=0)
        plan = make_plan(pairs, store=tmp_path)
        plan.run(access=access, limits=limits).raise_for_failed()
        assert (tmp_path / "large").read_bytes() == large
        with open_ranged(place.source("small"), access=access, limits=limits) as f:
            assert f.read() == b"small"
        gate.region = "mars-1"
        gate.key = "another"  # whatever region: it ends
        for attempt in (place.list, lambda: place.read("small", at_most=5)):
            with pytest.raises(AccessDenied):
                attempt()
        result = make_plan([(place.source("small"), "x")], store=tmp_path).run(
            access=access, limits=limits
        )
        assert isinstance(result.failed[0].error, AccessDenied)


def test_a_server_that_errs_at_first(server: S3Server) -> None:
    with Gate(server.url) as gate:
        place = open_place("s3://lab-data/pre fix/project", endpoint=gate.url)
        gate.faults = [500, 0, 503]
        assert len(place.list()) == len(FILES)
        gate.faults = [0, 500]
        assert place.read("empty.txt", at_most=1) == b""


def test_offline(server, monkeypatch) -> None:
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    for place in (open_place("s3://lab-data"), open_place("https://example.org/x")):
        with pytest.raises(OfflineError):
            place.read("x", at_most=1)
    with pytest.raises(OfflineError):
        open_place("s3://lab-data").list()


# -- a web server ---------------------------------------------------------------------------------


def test_a_web_server(server: S3Server, tmp_path: Path) -> None:
    place = open_place(f"{server.url}/lab-data/pre%20fix/project")
    assert isinstance(place, WebPlace)
    key = "lab/Subjects/ü/2024-01-01/001/#x# 100%/y!z.txt"
    assert place.read(key, at_most=1 << 20) == FILES[key]
    make_plan([(place.source(key, size=50_000), "x")], store=tmp_path).run().raise_for_failed()
    assert (tmp_path / "x").read_bytes() == FILES[key]
    with pytest.raises(NotListableError, match="manifest"):
        place.list()
    with pytest.raises(UnsafeTarget):
        place.read("../other/secret", at_most=1)
    with pytest.raises(RemoteNotFound):
        place.read("nothing", at_most=1)


# -- folders that lead astray ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["../x", "/etc/passwd", "a/../../x", "", ".", "a//b", "a\0b", "a\\..\\b", "C:/x", "./x"]
)
def test_keys_that_lead_out(folder: Path, zipped: Path, key: str) -> None:
    for place in (open_place(folder), open_place(zipped)):
        with pytest.raises(UnsafeTarget):
            place.source(key)
        with pytest.raises(UnsafeTarget):
            place.read(key, at_most=10)


def test_links(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("s")
    (folder / "out").symlink_to(tmp_path / "outside")
    (folder / "secret").symlink_to(tmp_path / "outside/secret")
    (folder / "inside").symlink_to(folder / "empty.txt")
    (folder / "nowhere").symlink_to(folder / "none")
    (folder / "loop").symlink_to(folder)
    (folder / ".fascicle").mkdir()
    (folder / ".fascicle/x").write_text("")
    (folder / ".x.0123456789abcdef-01234567.part").write_text("")
    place = open_place(folder)
    assert {k.key for k in place.list()} == {*FILES, "inside"}
    assert place.list("out/") == []
    for key in ("out/secret", "secret"):
        with pytest.raises(UnsafeTarget, match="link"):
            place.read(key, at_most=10)
        with pytest.raises(UnsafeTarget, match="link"):
            place.source(key)
    assert open_place(tmp_path / "none").list() == []
    with pytest.raises(RemoteNotFound):
        place.read("lab", at_most=10)


# -- ZIP files that lead astray -------------------------------------------------------------------


def fetch(place: Place, key: str, store: Path, **known) -> None:
    make_plan([(place.source(key, **known), "x")], store=store).run().raise_for_failed()


@pytest.mark.parametrize(
    "name", ["../evil", "/abs", "a/../../evil", "a\\..\\evil", "C:/evil", "a//b", "..", "x/.."]
)
def test_zip_slip(tmp_path: Path, name: str) -> None:
    path = tmp_path / "in" / "x.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("good", b"1")
        archive.writestr(name, b"evil")
    place = open_place(path)
    for attempt in (place.list, lambda: place.read("good", at_most=9)):
        with pytest.raises(UnsafeTarget, match="leads out"):
            attempt()
    with pytest.raises(UnsafeTarget):
        fetch(place, "good", tmp_path / "store")
    assert {p.name for p in tmp_path.rglob("*") if p.is_file()} <= {"x.zip", "ledger.sqlite"}


def test_members_that_are_not_to_be_read(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, b"/etc/passwd")
        archive.writestr("packed", b"1" * 100, zipfile.ZIP_LZMA)
        archive.writestr("good", b"1")
        archive.mkdir("folder")
    place = open_place(path)
    assert place.read("good", at_most=1) == b"1"
    assert "folder/" not in {k.key for k in place.list()}
    for key, error, why in (
        ("link", UnsafeTarget, "link"),
        ("packed", BadFileError, "method 14"),
        ("none", RemoteNotFound, "none"),
    ):
        with pytest.raises(error, match=why):
            place.read(key, at_most=1000)
        with pytest.raises(error, match=why):
            fetch(place, key, tmp_path / "store")
        with pytest.raises(error, match=why):
            open_ranged(place.source(key))
    assert not list((tmp_path / "store").glob("*"))


def patched(path: Path, name: str, *, central: dict[int, bytes], flags: bool = False) -> None:
    """Change fields of a member's entry in the directory of a ZIP file."""
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02", 0, data.rindex(name.encode()))
    for offset, value in central.items():
        data[at + offset : at + offset + len(value)] = value
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("offset", "value", "why"),
    [
        (8, b"\x01\x00", "encrypted"),
        (24, struct.pack("<I", 1 << 30), "cannot be"),  # a size beyond what deflate can do
        (24, struct.pack("<I", 999), "more than"),  # it brings more than it says
        (16, b"abcd", "damaged"),  # CRC
        (20, struct.pack("<I", 100_000), "cut short"),
        (20, struct.pack("<I", 10), "damaged|cannot be"),
        (42, struct.pack("<I", 7), "not where"),
    ],
)
def test_members_that_lie(tmp_path: Path, offset: int, value: bytes, why: str) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bomb", b"0" * 1_000_000, zipfile.ZIP_DEFLATED)
    patched(path, "bomb", central={offset: value})
    place = open_place(path)
    with pytest.raises(BadFileError, match=why):
        place.read("bomb", at_most=1 << 31)
    with pytest.raises(BadFileError, match=why):
        fetch(place, "bomb", tmp_path / "store")
    with pytest.raises(BadFileError, match=why):
        open_ranged(place.source("bomb"))
    assert not [p for p in (tmp_path / "store").rglob("*") if "bomb" in p.name or "part" in p.name]


def test_a_member_that_is_not_what_the_record_says(zipped: Path, tmp_path: Path) -> None:
    place = open_place(zipped)
    for known in (
        {"hash": "0" * 64, "algorithm": "sha256"},
        {"size": 3},
    ):
        with pytest.raises(HashMismatch, match="on record"):
            fetch(place, "empty.txt", tmp_path / "store", **known)


def test_what_is_no_zip_file(tmp_path: Path) -> None:
    place = open_place(tmp_path / "x.zip")
    with pytest.raises(RemoteNotFound):
        place.list()
    (tmp_path / "x.zip").write_bytes(b"PK not really")
    with pytest.raises(BadFileError, match="no ZIP"):
        place.list()
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as archive:
        archive.writestr("a", b"1")
        with pytest.warns(UserWarning):
            archive.writestr("a", b"2")
    with pytest.raises(BadFileError, match="two members"):
        open_place(tmp_path / "twice.zip").list()


def test_a_zip_file_that_is_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    for text in (b"first", b"second time"):
        with zipfile.ZipFile(tmp_path / "new.zip", "w") as archive:
            archive.writestr("a", text)
        os.replace(tmp_path / "new.zip", path)
        assert open_place(path).read("a", at_most=20) == text


def test_many_members(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(2000):
            archive.writestr(f"a/{number}", b"%d" % number)
    place = open_place(path)
    pairs = [(place.source(listed.key, size=listed.size), listed.key) for listed in place.list()]
    result = make_plan(pairs, store=tmp_path / "store").run().raise_for_failed()
    assert len(result.ok) == 2000
    assert (tmp_path / "store/a/1999").read_bytes() == b"1999"


def test_a_stored_array_is_read_where_it_lies(tmp_path: Path) -> None:
    array = np.arange(1_000_000)
    np.save(tmp_path / "x.npy", array)
    for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        with zipfile.ZipFile(tmp_path / f"{kind}.zip", "w", kind) as archive:
            archive.write(tmp_path / "x.npy", "a/x.npy")
        with open_ranged(open_place(tmp_path / f"{kind}.zip").source("a/x.npy")) as f:
            f.seek(-80, io.SEEK_END)
            assert np.frombuffer(f.read(), int).tolist() == list(range(999_990, 1_000_000))
            f.seek(0)
            np.testing.assert_array_equal(np.load(f, allow_pickle=False), array)
