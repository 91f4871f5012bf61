"""A server of HTTP that misbehaves on demand, and a real S3 endpoint with versions."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fascicle.transfer import Limits, Source


@dataclass
class Route:
    """What the server does at a path.

    Faults last for so many requests (``times``); then all is well.
    """

    data: bytes = b""
    etag: str = ""
    modified: str = ""
    ranges: bool = True
    length: str | int | None = "right"  # None: none is sent, and the end is the end of connection
    chunked: bool = False
    encoding: str = ""
    redirect: str = ""
    statuses: list[int] = field(default_factory=list)  # answered one after another, then it is well
    retry_after: str = ""
    range_status: int = 0
    cap: int = 0  # at most so many bytes for one range
    cut_at: list[int] = field(default_factory=list)  # body bytes after which to close, in order
    reset_at: list[int] = field(default_factory=list)
    stall_at: list[int] = field(default_factory=list)
    corrupt: int = 0  # so many answers have a wrong byte
    vary: bool = False  # each answer has another wrong byte
    next_data: list[bytes] = field(default_factory=list)  # what it changes to
    change_after: int = 0  # answers before each change
    rate: int = 0  # bytes per second and connection
    login: str = ""
    n_asked: int = 0


class Server:
    """HTTP/1.1 by hand, a thread for each connection."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.routes: dict[str, Route] = {}
        self.log: list[tuple[str, dict[str, str]]] = []
        self.allow = None  # whom to let in
        self.n_connections = 0
        self.most_at_once = 0
        self._now = 0
        self._packed: dict[bytes, bytes] = {}
        self._lock = threading.Lock()
        self._context = context
        self._open: set[socket.socket] = set()
        self._stopping = threading.Event()
        self.port = 0
        self.start()

    # -- for tests ------------------------------------------------------------------------------

    def start(self) -> None:
        self._stopping = threading.Event()
        self._socket = socket.create_server(("127.0.0.1", self.port), backlog=512)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._socket,), daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):  # stopped before
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    @property
    def base(self) -> str:
        scheme = "https" if self._context else "http"
        return (
            f"{scheme}://localhost:{self.port}"
            if self._context
            else f"http://127.0.0.1:{self.port}"
        )

    def put(self, path: str, data: bytes, **faults) -> Route:
        faults.setdefault("etag", f'"{hashlib.md5(data).hexdigest()}"')
        self.routes[path] = Route(data, **faults)
        return self.routes[path]

    def source(
        self, path: str, *, size: int | str | None = "right", hashed: str = "sha256", data=None
    ) -> Source:
        data = self.routes[path].data if data is None else data
        return Source(
            self.base + path,
            size=len(data) if size == "right" else size,
            hash=hashlib.new(hashed, data).hexdigest() if hashed else "",
            algorithm=hashed,
        )

    def asked(self, path: str) -> list[dict[str, str]]:
        return [headers for p, headers in self.log if p == path]

    # -- the work -------------------------------------------------------------------------------

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.n_connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        stopping = self._stopping
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with self._lock:
                self._open.add(connection)
            buffer = b""
            while not stopping.is_set():
                while b"\r\n\r\n" not in buffer:
                    data = connection.recv(65536)
                    if not data:
                        return
                    buffer += data
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                with self._lock:
                    self._now += 1
                    self.most_at_once = max(self.most_at_once, self._now)
                try:
                    if not self._answer(connection, head.decode("latin-1")):
                        return
                finally:
                    with self._lock:
                        self._now -= 1
        except OSError:
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _answer(self, connection: socket.socket, text: str) -> bool:
        """Answer one request; return whether the connection stays."""
        first, *lines = text.split("\r\n")
        path = first.split()[1]
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        with self._lock:
            self.log.append((path, headers))
            route = self.routes.get(path) or self.routes.get(path.partition("?")[0])
            if route is not None:
                if route.next_data and route.n_asked >= route.change_after:
                    route.data = route.next_data.pop(0)
                    route.n_asked = 0
                    if route.etag:
                        route.etag = f'"{hashlib.md5(route.data).hexdigest()}"'
                    if route.modified:
                        route.modified = "Tue, 02 Jan 2024 00:00:00 GMT"
                route.n_asked += 1
                status = route.statuses.pop(0) if route.statuses else 0
        if route is None:
            status, route = 404, Route()
        if route.login and headers.get("authorization") != route.login:
            status = 401
        if self.allow is not None and not self.allow(path, headers):
            status = 403
        if route.redirect:
            self._send(connection, 302, [f"Location: {route.redirect}"], b"")
            return True
        if status:
            extra = [f"Retry-After: {route.retry_after}"] if route.retry_after else []
            self._send(connection, status, extra, b"an error page " * 10)
            return True
        return self._give(connection, route, headers)

    def _give(self, connection: socket.socket, route: Route, headers: dict[str, str]) -> bool:
        body = route.data
        with self._lock:
            cut = route.cut_at.pop(0) if route.cut_at else -1
            reset = route.reset_at.pop(0) if route.reset_at else -1
            stall = route.stall_at.pop(0) if route.stall_at else -1
            harmed = route.corrupt > 0 or route.vary
            route.corrupt -= 1
        if harmed and body:
            place = route.n_asked % len(body) if route.vary else len(body) // 2
            body = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        answer = [f"Etag: {route.etag}"] if route.etag else []
        if route.modified:
            answer.append(f"Last-Modified: {route.modified}")
        status = 200
        match = re.fullmatch(r"bytes=(\d+)-(\d*)", headers.get("range", ""))
        condition = headers.get("if-range")
        if match and route.ranges and (not condition or condition in (route.etag, route.modified)):
            start = int(match[1])
            stop = min(int(match[2]) + 1 if match[2] else len(body), len(body))
            if route.cap:
                stop = min(stop, start + route.cap)
            if start >= len(body) or route.range_status == 416:
                self._send(connection, 416, [f"Content-Range: bytes */{len(route.data)}"], b"")
                return True
            answer.append(f"Content-Range: bytes {start}-{stop - 1}/{len(body)}")
            body = body[start:stop]
            status = 206
        elif route.encoding == "gzip":
            with self._lock:
                if body not in self._packed:
                    self._packed[body] = gzip.compress(body, 1)
            body = self._packed[body]
        if route.encoding:
            answer.append(f"Content-Encoding: {route.encoding}")
        return self._send(
            connection, status, answer, body, route=route, cut=cut, reset=reset, stall=stall
        )

    def _send(
        self,
        connection: socket.socket,
        status: int,
        headers: list[str],
        body: bytes,
        *,
        route: Route | None = None,
        cut: int = -1,
        reset: int = -1,
        stall: int = -1,
    ) -> bool:
        length = len(body) if route is None or route.length == "right" else route.length
        chunked = route is not None and route.chunked
        lines = [f"HTTP/1.1 {status} Whatever", *headers]
        if chunked:
            lines.append("Transfer-Encoding: chunked")
        elif length is not None:
            lines.append(f"Content-Length: {length}")
        else:
            lines.append("Connection: close")
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        ends = [n for n in (cut, reset, stall) if 0 <= n <= len(body)]
        sent = body[: min(ends)] if ends else body
        if chunked:
            for i in range(0, len(sent), 10_000):
                piece = sent[i : i + 10_000]
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            if not ends:
                connection.sendall(b"0\r\n\r\n")
        elif route is not None and route.rate:
            for i in range(0, len(sent), max(1, route.rate // 50)):
                connection.sendall(sent[i : i + max(1, route.rate // 50)])
                time.sleep(0.02)
        else:
            connection.sendall(sent)
        if stall >= 0:
            self._stopping.wait(60)
            return False
        if reset >= 0:
            time.sleep(0.05)  # let the bytes through first
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return False
        return not ends and length == len(body)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def authority():
    import trustme

    return trustme.CA()


@pytest.fixture
def tls_server(authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    running = Server(context)
    yield running
    running.stop()


@pytest.fixture(params=["curl", "urllib3"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a test once with each library."""
    monkeypatch.setenv("FASCICLE_TRANSPORT", request.param)
    return str(request.param)


@pytest.fixture
def quick() -> Limits:
    """Return bounds that let a test of retries end soon."""
    return Limits(
        backoff=0.02, stall_timeout=1, connect_timeout=2, journal=0.05, retries=4, spare_disk=0
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def leftovers():
    """Return a function that lists what a store has beside files under final names."""

    def look(store: Path) -> list[str]:
        found = [
            os.path.join(folder, name)
            for folder, _, names in os.walk(store)
            for name in names
            if name.startswith(".") and ".part" in name
        ]
        return sorted(found)

    return look
