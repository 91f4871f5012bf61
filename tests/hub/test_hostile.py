"""A hub among users who mean harm, or whose programs are broken."""

from __future__ import annotations

import base64
import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from fascicle.testing.hub import Answer, HubServer

HALF = {
    "headers": b"GET /api/schema HTTP/1.1\r\nHost: 127.0.0.1\r\nX-a: ",
    "a body": b"POST /auth-token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b"Content-Length: 1000\r\n\r\n{",
}


@pytest.mark.parametrize("sent", HALF.values(), ids=HALF.keys())
def test_clients_that_do_not_go_on_keep_nobody_waiting(hub: HubServer, sent: bytes) -> None:
    address = ("127.0.0.1", hub.port)
    with ExitStack() as open_ones:
        for _ in range(60):
            one = open_ones.enter_context(socket.create_connection(address))
            one.sendall(sent)
        time.sleep(0.3)
        began = time.perf_counter()
        assert hub.get("/sessions?limit=1", token=hub.token("reader")).status == 200
        assert time.perf_counter() - began < 10


def test_clients_that_do_not_take_keep_nobody_waiting(
    make_hub: Callable[..., HubServer], tmp_path: Path
) -> None:
    hub = make_hub(_copy(tmp_path)).start()
    url, file, token = _dataset(hub)
    with file.open("wb") as stream:
        stream.truncate(1 << 30)
    asked = f"GET {url} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Token {token}\r\n\r\n"
    with ExitStack() as open_ones:
        for _ in range(40):
            one = open_ones.enter_context(socket.create_connection(("127.0.0.1", hub.port)))
            one.sendall(asked.encode())
        time.sleep(0.5)
        began = time.perf_counter()
        assert hub.get("/sessions?limit=1", token=token).status == 200
        assert time.perf_counter() - began < 10


def test_a_body_without_a_length_is_read(hub: HubServer) -> None:
    said = (
        b"POST /auth-token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", hub.port), timeout=20) as one:
        one.sendall(said)
        with one.makefile("rb") as stream:
            assert b"Expected a dictionary" in stream.read()


@pytest.mark.parametrize(
    ("path", "kind", "size"),
    [("/auth-token", "application/json", 70_000), ("/notes", "application/json", 17_000_000)],
)
def test_large_texts_are_not_read(hub: HubServer, path: str, kind: str, size: int) -> None:
    said = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\n"
    said += f"Content-Length: {size}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", hub.port), timeout=20) as one:
        one.sendall(said.encode())
        assert b" 413 " in one.recv(100)


@pytest.mark.parametrize("header", ["SCRIPT_NAME: /sessions", "PATH_INFO: /docs"])
def test_no_header_changes_the_path(hub: HubServer, header: str) -> None:
    name, _, value = header.partition(": ")
    answer = hub.ask("GET", "/sessions", headers={name: value})
    assert answer.status == 403


# -- what users may write --------------------------------------------------------------------------

ELSEWHERE = ("..", "../x", "a/b", ".ssh", "C:x", "a\nb", "a\\b")


@pytest.mark.parametrize("name", ELSEWHERE)
@pytest.mark.parametrize("path", ["/labs", "/revisions", "/subjects"])
def test_names_lead_nowhere(hub: HubServer, path: str, name: str) -> None:
    field = "nickname" if path == "/subjects" else "name"
    lab = hub.get("/labs", token=hub.token("boss")).json["results"][0]["name"]
    given = {field: name, "lab": lab} if path == "/subjects" else {field: name}
    answer = hub.ask("POST", path, given, token=hub.token("boss"))
    assert (answer.status, next(iter(answer.json))) == (400, field)


@pytest.mark.parametrize("wrong", [{"name": n} for n in ELSEWHERE] + [{"collection": "a/../b"}])
def test_datasets_lie_in_their_sessions(hub: HubServer, wrong: dict[str, str]) -> None:
    token = hub.token("test_user")
    dataset = hub.get("/datasets?limit=1", token=token).json["results"][0]
    new = {"name": "spikes.times.npy", "dataset_type": dataset["dataset_type"]}
    given = {**new, "session": dataset["session"], "data_format": "npy", **wrong}
    assert hub.ask("POST", "/datasets", given, token=token).status == 400
    assert hub.ask("PATCH", urlsplit(dataset["url"]).path, wrong, token=token).status == 400


def test_a_copy_is_where_the_hub_found_it(
    make_hub: Callable[..., HubServer], tmp_path: Path
) -> None:
    lab = _copy(tmp_path)
    (lab / "other.txt").write_text("not a dataset")
    hub = make_hub(lab, state=lab / "state").start()  # the state lies in the folder it serves
    url, _, token = _dataset(hub)
    dataset = hub.get("/datasets?limit=1&exists=True", token=token).json["results"][0]
    copy = f"/files/{dataset['file_records'][0]['id']}"
    for wrong in (
        {"json": {"path": "other.txt"}},
        {"json": {"path": "state/secret"}},
        {"relative_path": "../../other.txt"},
        {"relative_path": "a/.hidden"},
    ):
        assert hub.ask("PATCH", copy, wrong, token=token).status == 400
    # and if a row says so all the same, as one that was imported may
    hub.run(
        "from fascicle.hub.models import FileRecord\n"
        "result = FileRecord.objects.filter(pk=key).update(json={'path': 'state/secret'})",
        key=copy.rpartition("/")[2],
    )
    assert hub.get(url, token=token).status == 404


def test_admins_say_where_files_are_fetched(hub: HubServer) -> None:
    member, boss = hub.token("test_user"), hub.token("boss")
    evil = {"name": "evil", "data_url": "http://evil.example/"}
    assert hub.ask("POST", "/data-repository", evil, token=member).status == 403
    for change in ({"data_url": "http://evil.example/"}, {"name": "x"}, {"json": {}}):
        assert hub.ask("PATCH", "/data-repository/hub", change, token=member).status == 403
    assert hub.ask("PATCH", "/data-repository/hub", {"name": "x"}, token=boss).status == 400
    assert hub.ask("DELETE", "/data-repository/hub", token=boss).status == 403
    # a place without an address anybody may name
    assert hub.ask("POST", "/data-repository", {"name": "rig"}, token=member).status == 201


def test_a_password_that_a_browser_kept_is_not_for_other_sites(hub: HubServer) -> None:
    user = hub.users["test_user"]
    shown = base64.b64encode(f"{user.name}:{user.password}".encode()).decode()
    headers = {"Authorization": f"Basic {shown}", "Content-Type": "application/json"}

    def post(name: str, **more: str) -> Answer:
        return hub.ask("POST", "/projects", {"name": name}, headers=headers | more)

    assert post("from elsewhere", Origin="http://evil.example").status == 403
    assert post("from a program").status == 201
    assert post("from here", Origin=hub.url).status == 201


def test_pages_run_nothing_but_the_hubs_own(hub: HubServer) -> None:
    for path in ("/login", "/docs"):
        headers = hub.ask("GET", path, headers={"Accept": "text/html"}).headers
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        assert "Cache-Control" in headers
    headers = hub.get("/sessions?limit=1", token=hub.token("reader")).headers
    assert headers["Cache-Control"] == "private"


# -- helpers ---------------------------------------------------------------------------------------


def _copy(tmp_path: Path) -> Path:
    """Return a small lab of one's own: files of one session."""
    folder = tmp_path / "lab"
    session = folder / "mylab" / "Subjects" / "SU_01" / "2024-01-02" / "001" / "alf"
    session.mkdir(parents=True)
    for name in ("spikes.times.npy", "spikes.clusters.npy"):
        (session / name).write_bytes(os.urandom(100))
    return folder


def _dataset(hub: HubServer) -> tuple[str, Path, str]:
    """Return the path of a dataset's address, its file, and a token."""
    token: Any = hub.token("test_user")
    found = hub.get("/datasets?limit=1&exists=True", token=token).json["results"][0]
    copy = found["file_records"][0]
    url = urlsplit(copy["data_url"]).path
    lab = url.split("/")[2]
    return quote(url), hub.folder / lab / "Subjects" / copy["relative_path"], token
