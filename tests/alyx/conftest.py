"""A real HTTP server that answers as an Alyx does, and misbehaves on demand."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from fascicle.alyx import AlyxClient

PASSWORD = "TapetesBloc18-secret"
TOKEN = "0123456789abcdef-secret-token"


@dataclass
class Asked:
    """A request that came."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes
    connection: int

    @property
    def data(self) -> Any:
        return json.loads(self.body)


@dataclass
class Said:
    """An answer that goes out."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    fault: str = ""  # cut, half, stall, drip

    def data(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.status == 204 else json.dumps(self.body).encode()

    def kind(self) -> str:
        return "text/html" if isinstance(self.body, bytes) else "application/json"


Route = Callable[[Asked], Said]


class FakeAlyx:
    """Answers by routes; the faults come first, one for each request."""

    def __init__(self) -> None:
        self.routes: dict[tuple[str, str], Route | Said] = {}
        self.fallback: Route | None = None
        self.faults: deque[Said] = deque()
        self.users = {"test_user": (PASSWORD, TOKEN)}
        self.revoked: set[str] = set()
        self.knows_me = True
        self.log: list[Asked] = []
        self.logins = 0
        self.connections = 0
        self.lock = threading.Lock()
        self.open: dict[int, socket.socket] = {}
        self.port = 0
        self.stalled = threading.Event()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        outer = self
        self.stalled.clear()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            number = 0

            def setup(self) -> None:
                super().setup()
                with outer.lock:
                    outer.connections += 1
                    self.number = outer.connections
                    outer.open[self.number] = self.connection

            def finish(self) -> None:
                outer.open.pop(self.number, None)
                super().finish()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

            def handle_one(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                parts = urlsplit(self.path)
                asked = Asked(
                    self.command,
                    parts.path,
                    dict(parse_qsl(parts.query, keep_blank_values=True)),
                    {k.lower(): v for k, v in self.headers.items()},
                    body,
                    self.number,
                )
                said = outer.answer(asked)
                self.say(said)

            def say(self, said: Said) -> None:
                data = said.data()
                if said.fault == "cut":
                    self.connection.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                if said.fault == "stall":
                    outer.stalled.wait(30)
                    self.close_connection = True
                    return
                self.send_response(said.status)
                headers = {"Content-Type": said.kind(), **said.headers}
                if said.status != 204:
                    headers["Content-Length"] = str(len(data))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if said.fault == "half":
                    self.wfile.write(data[: len(data) // 2])
                    self.close_connection = True
                elif said.fault == "drip":
                    for byte in data:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        if outer.stalled.wait(0.05):
                            break
                    self.close_connection = True
                else:
                    self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_one

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: Any) -> None:
                """Clients that go away are part of the tests."""

        for _ in range(100):
            try:
                self._server = Quiet(("127.0.0.1", self.port), Handler)
                break
            except OSError:
                time.sleep(0.05)
        assert self._server is not None
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.stalled.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
        for connection in list(self.open.values()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def answer(self, asked: Asked) -> Said:
        with self.lock:
            self.log.append(asked)
            if asked.path == "/auth-token" and asked.method == "POST":
                return self._login(asked)
            if self.faults:
                return self.faults.popleft()
        token = asked.headers.get("authorization", "")
        good = {f"Token {t}": user for user, (_, t) in self.users.items() if t not in self.revoked}
        if asked.path.startswith("/data/") and token.startswith("Basic "):
            pass
        elif token not in good:
            text = "Invalid token." if token else "Authentication credentials were not provided."
            return Said({"detail": text, "status_code": 403}, 403)
        if asked.path == "/me" and self.knows_me:
            return Said({"username": good[token]})
        route = self.routes.get((asked.method, asked.path))
        if isinstance(route, Said):
            return route
        if route is not None:
            return route(asked)
        if self.fallback is not None:
            return self.fallback(asked)
        return Said(b"<!doctype html><html><title>Not Found</title><h1>Not Found</h1></html>", 404)

    def _login(self, asked: Asked) -> Said:
        self.logins += 1
        given = dict(parse_qsl(asked.body.decode()))
        password, token = self.users.get(given.get("username", ""), ("", ""))
        if not password or password != given.get("password"):
            text = "Unable to log in with provided credentials."
            return Said({"non_field_errors": [text], "status_code": 400}, 400)
        if token in self.revoked:
            token = f"{token}-{self.logins}"
            self.users[given["username"]] = password, token
        return Said({"token": token})

    def asked(self, path: str) -> list[Asked]:
        return [one for one in self.log if one.path == path]


@pytest.fixture
def server() -> Iterator[FakeAlyx]:
    alyx = FakeAlyx()
    alyx.start()
    yield alyx
    alyx.stop()


@pytest.fixture
def schema(shared: Path) -> dict[str, Any]:
    path = shared / "contracts" / "alyx-samples" / "openapi_schema.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.fixture
def alyx(server: FakeAlyx, schema: dict[str, Any], tmp_path: Path) -> AlyxClient:
    """Return a client that is logged in, of a server with a schema."""
    server.routes["GET", "/api/schema"] = Said(schema)
    return client_of(server, tmp_path)


def client_of(server: FakeAlyx, tmp_path: Path, **kwargs: Any) -> AlyxClient:
    given = {"username": "test_user", "password": PASSWORD, "silent": True, **kwargs}
    client = AlyxClient(server.url, cache_dir=tmp_path / "cache", **given)
    client.bounds.stall = 0.5
    client.bounds.connect = 2.0
    return client


def pages_of(records: list[Any], most: int = 1000) -> Route:
    """Return a route that gives records page by page."""

    def route(asked: Asked) -> Said:
        limit = min(int(asked.params.get("limit", 250)), most)
        offset = int(asked.params.get("offset", 0))
        after = offset + limit
        return Said(
            {
                "count": len(records),
                "next": f"http://elsewhere/x?offset={after}" if after < len(records) else None,
                "previous": None,
                "results": records[offset:after],
            }
        )

    return route
