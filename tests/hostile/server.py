"""A server that means harm: it speaks enough of S3 to be listed, and its bodies need not end."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple, Self
from urllib.parse import parse_qs, unquote, urlsplit

PART = 1 << 20


class Body(NamedTuple):
    """What is sent for a key.

    ``said`` is the length that the listing gives, ``length`` the one in the answer (None: it comes
    in chunks), ``parts`` makes the bytes.
    """

    said: int
    length: int | None
    parts: Callable[[], Iterable[bytes]]


class HostileServer:
    """HTTP/1.1 on this machine, a thread for each connection, as long as a ``with`` block."""

    def __init__(self) -> None:
        self.bodies: dict[str, Body] = {}
        self.n_sent = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with contextlib.suppress(ConnectionError):
                    outer._answer(self)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        asked = urlsplit(handler.path)
        query = parse_qs(asked.query)
        _, _, key = unquote(asked.path).lstrip("/").partition("/")
        if not key:
            prefix = query.get("prefix", [""])[0]
            found = "".join(
                f"<Contents><Key>{name}</Key><Size>{body.said}</Size></Contents>"
                for name, body in sorted(self.bodies.items())
                if name.startswith(prefix)
            )
            page = f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"
            self._send(handler, 200, page.encode())
            return
        if key not in self.bodies:
            self._send(handler, 404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        body = self.bodies[key]
        handler.send_response(200)
        chunked = body.length is None
        if chunked:
            handler.send_header("Transfer-Encoding", "chunked")
        else:
            handler.send_header("Content-Length", str(body.length))
        handler.end_headers()
        if handler.command == "HEAD":
            return
        for part in body.parts():
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            self.n_sent += len(part)
        if chunked:
            handler.wfile.write(b"0\r\n\r\n")

    def _send(self, handler: BaseHTTPRequestHandler, status: int, content: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)
