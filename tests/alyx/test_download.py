"""Files: from the data server, from the server itself, whole, in part, and never half."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from fascicle.alyx import AlyxClient, params
from fascicle.errors import (
    AccessDenied,
    BadFileError,
    BatchError,
    HTTPError,
    OfflineError,
    RemoteNotFound,
    TransferError,
    UnsafeTarget,
)
from fascicle.one import webclient

from .conftest import TOKEN, Asked, FakeAlyx, Said, client_of

DATA = bytes(range(256)) * 40
BASIC = "Basic " + b64encode(b"member:data-secret").decode()
DEEP = "/data/lab/Subjects/s/2020-01-01/001/alf/#2020-01-02#/spikes times.npy"


def file(asked: Asked) -> Said:
    data = DATA + asked.path.encode()
    given = asked.headers.get("range", "")
    if not given:
        return Said(data, headers={"Content-Type": "application/octet-stream"})
    first, _, last = given.removeprefix("bytes=").partition("-")
    part = data[int(first) : int(last or len(data)) + 1]
    end = int(first) + len(part) - 1
    headers = {"Content-Type": "x/y", "Content-Range": f"bytes {first}-{end}/{len(data)}"}
    return Said(part, 206, headers)


@pytest.fixture
def data_server() -> Any:
    other = FakeAlyx()
    other.start()
    other.users = {"x": ("", "x")}
    other.answer = lambda asked: (other.log.append(asked), file(asked))[1]  # type: ignore[method-assign]
    yield other
    other.stop()


@pytest.fixture
def client(server: FakeAlyx, data_server: FakeAlyx, tmp_path: Path) -> AlyxClient:
    server.fallback = file
    params.setup(server.url)
    found = params.get(server.url)
    found |= {
        "HTTP_DATA_SERVER": f"{data_server.url}/public",
        "HTTP_DATA_SERVER_LOGIN": "member",
        "HTTP_DATA_SERVER_PWD": "data-secret",
    }
    params.save(found, server.url)
    return client_of(server, tmp_path)


def test_from_the_data_server(client: AlyxClient, data_server: FakeAlyx, tmp_path: Path) -> None:
    path = client.download_file("lab/Subjects/s/a.npy", target_dir=tmp_path / "t")
    assert path == tmp_path / "t" / "a.npy"
    assert path.read_bytes() == DATA + b"/public/lab/Subjects/s/a.npy"
    assert {one.headers["authorization"] for one in data_server.log} == {BASIC}
    n = len(data_server.log)
    assert client.download_file("lab/Subjects/s/a.npy", target_dir=tmp_path / "t") == path
    assert len(data_server.log) == n
    path.write_bytes(b"old")
    got, md5 = client.download_file(
        f"{data_server.url}/public/lab/Subjects/s/a.npy",
        target_dir=tmp_path / "t",
        clobber=True,
        return_md5=True,
    )
    assert got == path
    assert md5 == hashlib.md5(path.read_bytes()).hexdigest()
    assert path.read_bytes().startswith(DATA)
    names = {p.name for p in (tmp_path / "t").iterdir()}
    assert names <= {"a.npy", ".fascicle"}
    assert client.download_file("x/b.npy") == client.cache_dir / "b.npy"
    assert client.rel_path2url(Path("lab/x")) == f"{data_server.url}/public/lab/x"
    login = {"username": "else", "password": "p"}
    client.download_file("x/c.npy", **login)
    assert data_server.log[-1].headers["authorization"] != BASIC


def test_from_the_server_itself(
    client: AlyxClient, server: FakeAlyx, data_server: FakeAlyx
) -> None:
    path = client.download_file(f"{server.url}{DEEP}")
    assert path.name == "spikes times.npy"
    asked = server.log[-1]
    assert asked.headers["authorization"] == f"Token {TOKEN}"
    assert (
        asked.path == "/data/lab/Subjects/s/2020-01-01/001/alf/%232020-01-02%23/spikes%20times.npy"
    )
    quoted = f"{server.url}{DEEP.replace('#', '%23').replace(' ', '%20')}"
    assert client.download_file(quoted, clobber=True) == path
    assert server.log[-1].path == asked.path
    other = FakeAlyx()
    other.start()
    other.answer = lambda asked: (other.log.append(asked), file(asked))[1]  # type: ignore[method-assign]
    client.download_file(f"{other.url}/x/y.npy")
    assert all("authorization" not in one.headers for one in other.log)
    other.stop()


def test_many(client: AlyxClient, server: FakeAlyx, tmp_path: Path) -> None:
    urls = [f"{server.url}/data/x{i}.npy" for i in range(20)]
    paths = client.download_file(urls)
    assert [path.name for path in paths] == [f"x{i}.npy" for i in range(20)]
    folders = [tmp_path / str(i % 3) for i in range(20)]
    paths, sums = client.download_file(urls, target_dir=folders, return_md5=True)
    assert [path.parent for path in paths] == folders
    assert sums[3] == hashlib.md5(paths[3].read_bytes()).hexdigest()
    assert client.download_file([]) == []
    assert client.download_file([None, urls[0]])[0] is None
    with pytest.raises(ValueError, match="2 folders for 20 files"):
        client.download_file(urls, target_dir=folders[:2])
    with pytest.raises(UnsafeTarget):
        client.download_file([urls[0], f"{server.url}/other/x0.npy"], target_dir=tmp_path / "q")


def test_a_part(client: AlyxClient, server: FakeAlyx, tmp_path: Path) -> None:
    url = f"{server.url}{DEEP}"
    path, md5 = client.download_file(
        url, chunks=(100, 1000), target_dir=tmp_path, clobber=True, return_md5=True
    )
    assert path.read_bytes() == DATA[100:1100]
    assert md5 == hashlib.md5(DATA[100:1100]).hexdigest()
    whole = lambda asked: Said(DATA, headers={"Content-Type": "x/y"})  # noqa: E731
    server.fallback = whole
    client.download_file(url, chunks=(0, 5), target_dir=tmp_path)
    assert path.read_bytes() == DATA[100:1100]
    client.download_file(url, chunks=(1, 5), target_dir=tmp_path, clobber=True)
    assert path.read_bytes() == DATA[1:6]
    with pytest.raises(ValueError, match="no bytes of a file"):
        client.download_file(url, chunks=(0, 0), target_dir=tmp_path, clobber=True)
    server.fallback = lambda asked: Said({"detail": "no"}, 404)
    with pytest.raises(HTTPError, match="404"):
        client.download_file(url, chunks=(0, 1), target_dir=tmp_path, clobber=True)
    assert path.read_bytes() == DATA[1:6]
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".new")]


def test_a_token_that_is_no_longer_good(client: AlyxClient, server: FakeAlyx) -> None:
    server.revoked.add(TOKEN)
    assert client.download_file(f"{server.url}/data/x.npy").read_bytes().startswith(DATA)
    assert server.logins == 2
    server.fallback = lambda asked: Said({"detail": "not for you"}, 403)
    with pytest.raises(BatchError):
        client.download_file([f"{server.url}/data/y.npy", f"{server.url}/data/z.npy"])
    assert server.logins == 2


@pytest.mark.parametrize("transport", ["curl", "urllib3"])
def test_no_login_goes_to_where_a_server_sends_us(
    client: AlyxClient,
    server: FakeAlyx,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    transport: str,
) -> None:
    monkeypatch.setenv("FASCICLE_TRANSPORT", transport)
    other = FakeAlyx()
    other.start()
    other.answer = lambda asked: (other.log.append(asked), file(asked))[1]  # type: ignore[method-assign]
    away = {"Location": f"{other.url}/bucket/x.npy?signature=1"}
    server.fallback = lambda asked: Said(b"", 302, away)
    for more in ({}, {"chunks": (0, 10)}):
        path = client.download_file(
            f"{server.url}/data/x.npy", target_dir=tmp_path / "t", clobber=True, **more
        )
        assert DATA.startswith(path.read_bytes()[:10])
    assert server.log[-1].headers["authorization"] == f"Token {TOKEN}"
    assert len(other.log) >= 2
    assert all("authorization" not in one.headers for one in other.log)
    other.stop()


def test_what_cannot_be_had(
    client: AlyxClient, data_server: FakeAlyx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "t"
    data_server.answer = lambda asked: Said(b"no", 404)  # type: ignore[method-assign]
    with pytest.raises(RemoteNotFound):
        client.download_file("x/a.npy", target_dir=place)
    data_server.answer = lambda asked: Said(b"no", 401)  # type: ignore[method-assign]
    with pytest.raises(AccessDenied) as caught:
        client.download_file("x/a.npy", target_dir=place)
    assert "HTTP_DATA_SERVER_LOGIN" in caught.value.hint
    assert "secret" not in str(caught.value)
    assert not (place / "a.npy").exists()
    (place / "a.npy").write_bytes(b"old")
    with pytest.raises(AccessDenied):
        client.download_file("x/a.npy", target_dir=place, clobber=True)
    assert (place / "a.npy").read_bytes() == b"old"
    for offline in ({"offline": True}, {}):
        if not offline:
            monkeypatch.setenv("FASCICLE_OFFLINE", "1")
        assert client.download_file("x/a.npy", target_dir=place, **offline)
        with pytest.raises(OfflineError):
            client.download_file("x/b.npy", target_dir=place, **offline)


# -- tables ----------------------------------------------------------------------------------------


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), data)
    return buffer.getvalue()


def test_cache_tables(client: AlyxClient, server: FakeAlyx, tmp_path: Path) -> None:
    kind = {"Content-Type": "application/zip"}
    members = {"sessions_dot_pqt": b"1" * 9999, "cache_info_dot_json": b"{}"}
    server.routes["GET", "/cache.zip"] = Said(zipped(**members), headers=kind)
    paths = client.download_cache_tables()
    assert paths == [client.cache_dir / "sessions.pqt", client.cache_dir / "cache_info.json"]
    assert paths[0].read_bytes() == b"1" * 9999
    assert server.log[-1].headers["authorization"] == f"Token {TOKEN}"
    left = {p.name for p in client.cache_dir.iterdir()}
    assert left <= {"sessions.pqt", "cache_info.json", ".fascicle", ".rest"}
    server.routes["GET", "/t/cache.zip"] = Said(zipped(**members, qc_dot_json=b"2"), headers=kind)
    got = client.download_cache_tables(f"{server.url}/t/cache.zip", tmp_path / "tag")
    assert [p.name for p in got] == ["sessions.pqt", "cache_info.json", "qc.json"]
    for bad in (b"PK no zip", zipped(sessions_dot_pqt=b"1" * 9999)[:-40]):
        server.routes["GET", "/cache.zip"] = Said(bad, headers=kind)
        with pytest.raises(BadFileError):
            client.download_cache_tables()
    server.routes["GET", "/cache.zip"] = Said(zipped(_dot__dot___evil=b"x"), headers=kind)
    with pytest.raises(UnsafeTarget):
        client.download_cache_tables()
    server.routes["GET", "/cache.zip"] = Said(b"", 404)
    with pytest.raises(TransferError):
        client.download_cache_tables()
    assert paths[0].read_bytes() == b"1" * 9999
    assert {p.name for p in client.cache_dir.iterdir()} == left


# -- under the drop-in's names ---------------------------------------------------------------------


def test_files_by_the_names_of_one(data_server: FakeAlyx, tmp_path: Path) -> None:
    url = f"{data_server.url}/p/a.npy"
    path = webclient.http_download_file(url, silent=True, target_dir=tmp_path)
    assert path == tmp_path / "a.npy"
    assert "authorization" not in data_server.log[-1].headers
    got, md5 = webclient.http_download_file(
        url,
        clobber=True,
        silent=True,
        username="member",
        password="data-secret",
        target_dir=tmp_path,
        return_md5=True,
        headers={"X-Y": "z"},
    )
    assert (got, md5) == (path, hashlib.md5(path.read_bytes()).hexdigest())
    assert data_server.log[-1].headers["authorization"] == BASIC
    assert data_server.log[-1].headers["x-y"] == "z"
    part = webclient.http_download_file(url, (2, 3), clobber=True, target_dir=tmp_path)
    assert part.read_bytes() == DATA[2:5]
    assert webclient.http_download_file("") is None
    assert webclient.http_download_file("", return_md5=True) == (None, None)
    urls = (f"{data_server.url}/{i}.npy" for i in range(4))
    paths, sums = webclient.http_download_file_list(
        urls, silent=True, target_dir=str(tmp_path), return_md5=True
    )
    assert [p.name for p in paths] == [f"{i}.npy" for i in range(4)]
    assert len(sums) == 4
    home = webclient.http_download_file(url, silent=True)
    assert home == Path.home() / "Downloads" / "a.npy"


def test_urls_of_records(shared: Path) -> None:
    folder = shared / "data" / "alyx_rest_openalyx" / "examples"
    (page, _) = json.loads((folder / "datasets_list_2.json").read_text())
    urls = webclient.dataset_record_to_url(page["results"])
    assert urls == [u for r in page["results"] for u in webclient.dataset_record_to_url(r)]
    assert urls
    assert all(url.startswith("https://ibl") for url in urls)
    assert webclient.file_record_to_url([{"data_url": None}, {"data_url": "x"}]) == ["x"]
    assert os.environ["HOME"]
