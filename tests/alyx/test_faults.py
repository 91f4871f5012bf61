"""A server that restarts, stalls, is busy, breaks off, or answers with a web page."""

from __future__ import annotations

import os
import socket
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from fascicle.alyx import AlyxClient
from fascicle.errors import BadAnswerError, HTTPError, OfflineError, ServerError

from .conftest import PASSWORD, FakeAlyx, Said, client_of

PAGE = b"<!DOCTYPE html><html><head><title>Sign in &amp; go</title></head><h1>Welcome</h1></html>"


@pytest.fixture
def client(server: FakeAlyx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AlyxClient:
    """Return a client that waits a twentieth as long."""
    sleep = time.sleep
    monkeypatch.setattr("fascicle.alyx.http.time.sleep", lambda s: (waits.append(s), sleep(s / 20)))
    waits.clear()
    server.routes["GET", "/x"] = Said({"n": 1})
    server.routes["POST", "/x"] = Said({"n": 2}, 201)
    client = client_of(server, tmp_path)
    client.cache_mode = None
    return client


waits: list[float] = []


@pytest.mark.parametrize(
    "faults",
    [
        [Said(fault="cut")] * 3,
        [Said({"n": 1}, fault="half")],
        [Said(fault="stall")],
        [Said({}, 503, {"Retry-After": "1"})] * 3,
        [Said({}, 429, {"Retry-After": formatdate(time.time() + 5, usegmt=True)})],
        [Said(PAGE, 502), Said({}, 504), Said(PAGE, 500), Said({}, 503)],
        [Said(b'{"n": 1', headers={"Content-Type": "application/json"})],
    ],
    ids=["cut", "half", "stall", "503", "429", "gateway", "broken"],
)
def test_a_question_gets_through(client: AlyxClient, server: FakeAlyx, faults: list[Said]) -> None:
    server.faults.extend(faults)
    assert client.get("/x") == {"n": 1}
    assert not server.faults


def test_what_a_server_asks_for_is_waited(client: AlyxClient, server: FakeAlyx) -> None:
    server.faults.append(Said({}, 429, {"Retry-After": "7"}))
    client.get("/x")
    assert 7 <= waits[-1] < 8
    server.faults.append(Said({}, 429, {"Retry-After": "3600"}))
    with pytest.raises(HTTPError, match="429") as caught:
        client.get("/x")
    assert caught.value.status == 429
    assert len(waits) == 1


def test_no_server_is_asked_for_ever(client: AlyxClient, server: FakeAlyx) -> None:
    server.faults.extend([Said({"detail": "busy"}, 503)] * 30)
    with pytest.raises(HTTPError, match="503: busy"):
        client.get("/x")
    assert len(server.asked("/x")) == 9
    server.log.clear()
    client.max_retry_attempts = 2
    with pytest.raises(HTTPError):
        client.get("/x")
    assert len(server.asked("/x")) == 3
    server.faults.clear()
    server.faults.extend([Said(fault="cut")] * 30)
    with pytest.raises(ServerError, match="asked 5 times"):
        client.get("/x")


def test_a_bad_question_is_asked_once(client: AlyxClient, server: FakeAlyx) -> None:
    server.faults.append(Said({"detail": "Cannot resolve keyword", "status_code": 500}, 500))
    with pytest.raises(HTTPError, match="500: Cannot resolve"):
        client.get("/x")
    assert len(server.asked("/x")) == 1


@pytest.mark.parametrize("fault", ["cut", "half", "stall"])
def test_what_may_have_been_done_is_not_done_again(
    client: AlyxClient, server: FakeAlyx, fault: str
) -> None:
    server.faults.append(Said({"n": 1}, 201, fault=fault))
    with pytest.raises(ServerError, match="may have done") as caught:
        client.post("/x", data={})
    assert len(server.asked("/x")) == 1
    assert "look whether" in caught.value.hint
    assert client.post("/x", data={}) == {"n": 2}
    for status in (500, 502, 503, 504):
        server.faults.append(Said({}, status))
        with pytest.raises(HTTPError):
            client.post("/x", data={})


@pytest.mark.parametrize("status", [429, 503])
def test_what_was_turned_away_is_asked_again(
    client: AlyxClient, server: FakeAlyx, status: int
) -> None:
    server.faults.append(Said({}, status, {"Retry-After": "1"}))
    assert client.post("/x", data={"a": 1}) == {"n": 2}
    assert [one.data for one in server.asked("/x")] == [{"a": 1}] * 2


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_server_that_restarts(client: AlyxClient, server: FakeAlyx, method: str) -> None:
    call = getattr(client, method)
    call("/x")
    server.stop()
    back = threading.Timer(0.2, server.start)
    back.start()
    assert call("/x")["n"] in (1, 2)
    back.join()
    assert any(waits)


def test_a_connection_that_idled_is_not_written_to(
    client: AlyxClient, server: FakeAlyx, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.post("/x", data={})
    before = server.connections
    monkeypatch.setattr("fascicle.alyx.http._IDLE", 0.0)
    client.post("/x", data={})
    assert server.connections == before + 1


def test_a_proxy(server: FakeAlyx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.routes["GET", "/x"] = Said({"n": 1})
    monkeypatch.setenv("http_proxy", server.url)
    given = {"cache_dir": tmp_path, "silent": True}
    alyx = AlyxClient("http://db.invalid", "test_user", PASSWORD, **given)  # type: ignore[arg-type]
    assert alyx.get("/x") == {"n": 1}
    monkeypatch.setenv("no_proxy", "db.invalid")
    alyx = AlyxClient("http://db.invalid", silent=True)
    with pytest.raises(ServerError, match="is not known"):
        alyx.get("/x", clobber=True)


def test_threads_share_a_client(
    client: AlyxClient, server: FakeAlyx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fascicle.alyx.http._IDLE", 0.0)
    wrong: list[Exception] = []

    def ask() -> None:
        try:
            for _ in range(25):
                assert client.get("/x") == {"n": 1}
                assert client.post("/x", data={}) == {"n": 2}
        except Exception as error:  # noqa: BLE001 - it is shown in the end
            wrong.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]
    assert server.logins == 1


def test_a_web_page_is_told_from_an_answer(client: AlyxClient, server: FakeAlyx) -> None:
    server.faults.append(Said(PAGE))
    with pytest.raises(BadAnswerError, match=r"a web page \(Sign in & go - Welcome\)") as caught:
        client.get("/x")
    assert isinstance(caught.value, ValueError)
    assert len(server.asked("/x")) == 1
    server.faults.append(Said(PAGE, 403))
    with pytest.raises(HTTPError, match="403 with a web page: Sign in"):
        client.get("/x")
    server.faults.extend([Said(b'{"n": 1', headers={"Content-Type": "application/json"})] * 3)
    with pytest.raises(BadAnswerError, match="what is no JSON, status 200"):
        client.get("/x")


def test_a_server_that_sends_us_elsewhere(client: AlyxClient, server: FakeAlyx) -> None:
    other = FakeAlyx()
    other.start()
    try:
        server.routes["GET", "/moved"] = Said(b"", 301, {"Location": "/x"})
        assert client.get("/moved") == {"n": 1}
        server.routes["GET", "/away"] = Said(b"", 302, {"Location": f"{other.url}/x"})
        with pytest.raises(HTTPError):
            client.get("/away")
        assert "authorization" not in other.log[-1].headers
        server.routes["POST", "/moved"] = Said(b"", 301, {"Location": "/x"})
        with pytest.raises(HTTPError, match="sends us on to '/x'"):
            client.post("/moved", data={})
        server.routes["GET", "/round"] = Said(b"", 302, {"Location": "/round"})
        with pytest.raises(HTTPError, match="302"):
            client.get("/round")
    finally:
        other.stop()


def test_an_answer_without_end(client: AlyxClient, server: FakeAlyx) -> None:
    client.bounds.at_most = 1 << 16
    server.routes["GET", "/big"] = Said(["x" * (1 << 20)])
    with pytest.raises(ServerError, match="has over"):
        client.get("/big")
    client.bounds.answer = 0.4
    server.routes["GET", "/slow"] = Said(["x" * 1000], fault="drip")
    begun = time.monotonic()
    with pytest.raises(ServerError, match="too slowly"):
        client.get("/slow")
    assert time.monotonic() - begun < 10


def test_nobody_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fascicle.alyx.http.time.sleep", lambda s: None)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ServerError, match=f"127.0.0.1:{port} .*refused") as caught:
        AlyxClient(f"http://127.0.0.1:{port}", "a", "the-password", cache_dir=tmp_path)
    assert "the-password" not in str(caught.value)
    with pytest.raises(ServerError, match=r"the name nobody\.invalid is not known"):
        AlyxClient("https://nobody.invalid", "a", "the-password", cache_dir=tmp_path)


def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    import ssl

    import trustme

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            try:
                context.wrap_socket(listening.accept()[0], server_side=True).close()
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        url = f"https://localhost:{listening.getsockname()[1]}"
        with pytest.raises(ServerError, match="no trusted connection") as caught:
            AlyxClient(url, "a", "the-password", cache_dir=tmp_path)
    assert "SSL_CERT_FILE" in caught.value.hint


# -- without a network -----------------------------------------------------------------------------


def test_old_answers_serve_where_there_is_no_new_one(
    server: FakeAlyx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(server, tmp_path)
    server.routes["GET", "/x"] = Said([])
    for expires in (True, None):
        assert client.get("/x", expires=expires, clobber=True) == []
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    assert client.get("/x") == []
    monkeypatch.delenv("FASCICLE_OFFLINE")
    client.get("/x", expires=True, clobber=True)
    server.stop()
    begun = time.monotonic()
    with pytest.warns(RuntimeWarning, match="an earlier answer"):
        assert client.get("/x") == []
    assert time.monotonic() - begun < 2
    monkeypatch.setattr("fascicle.alyx.http.time.sleep", lambda s: None)
    with pytest.raises(ServerError):
        client.get("/x", clobber=True)
    again = client_of(server, tmp_path, password=None, username="test_user")
    with pytest.warns(RuntimeWarning, match="an earlier answer"):
        assert again.get("/x") == []
    monkeypatch.setenv("FASCICLE_OFFLINE", "1")
    with pytest.warns(RuntimeWarning, match="FASCICLE_OFFLINE"):
        assert client.get("/x") == []
    with pytest.raises(OfflineError):
        client.get("/y")
    with pytest.raises(OfflineError):
        client.post("/x", data={})


def test_a_server_under_repair(server: FakeAlyx, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("fascicle.alyx.http.time.sleep", lambda s: None)
    client = client_of(server, tmp_path)
    server.routes["GET", "/x"] = Said({"n": 1})
    client.get("/x", expires=True)
    server.faults.extend([Said(PAGE, 503)] * 20)
    with pytest.warns(RuntimeWarning, match="503"):
        assert client.get("/x") == {"n": 1}
    server.faults.clear()
    server.faults.append(Said({"detail": "no such thing"}, 404))
    with pytest.raises(HTTPError, match="404"):
        client.get("/x")


def test_a_forked_process_makes_connections_of_its_own(client: AlyxClient) -> None:
    client.get("/x")
    readable, writable = os.pipe()
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            os.write(writable, str(client.get("/x")["n"]).encode())
        finally:
            os._exit(0)
    assert client.get("/x") == {"n": 1}
    assert os.read(readable, 10) == b"1"
    os.waitpid(child, 0)
    os.close(readable)
    os.close(writable)
