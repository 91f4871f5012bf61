"""What serves where nginx cannot be had: the same addresses, from threads of one Python.

``python -m benchmarks.network.plain FOLDER PORT SLOW_PORT RATE``
"""

from __future__ import annotations

import os
import re
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD, with ranges."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    folder: Path
    rate = 0

    def do_GET(self, *, body: bool = True) -> None:
        """Answer."""
        parts = urlsplit(self.path)
        version = parse_qs(parts.query).get("versionId", ["newest"])[0]
        path = re.sub("^/bucket/", f"/objects/{version}/", unquote(parts.path))
        try:
            file = self.folder.joinpath(path.lstrip("/")).open("rb")
        except OSError:
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            start, stop = 0, size
            wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if wanted:
                start, stop = int(wanted[1]), min(size, int(wanted[2] or size) + 1)
            self.send_response(206 if wanted else 200)
            self.send_header("ETag", f'"{size:x}-{os.fstat(file.fileno()).st_mtime_ns:x}"')
            self.send_header("Accept-Ranges", "bytes")
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
            self.send_header("Content-Length", str(stop - start))
            self.end_headers()
            while body and start < stop:
                piece = min(stop - start, self.rate // 50 or stop - start)
                start += self.connection.sendfile(file, start, piece)
                time.sleep(0.02 if self.rate else 0)

    def do_HEAD(self) -> None:
        """Answer without the content."""
        self.do_GET(body=False)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Takes as many connections at once as clients make."""

    request_queue_size = 512
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that go."""


def serve(folder: Path, port: int, rate: int) -> None:
    """Serve for ever."""
    handler = type("Rated", (Handler,), {"folder": folder, "rate": rate})
    Server(("", port), handler).serve_forever()


if __name__ == "__main__":
    where = Path(sys.argv[1])
    quick, slow, bound = (int(text) for text in sys.argv[2:])
    Thread(target=serve, args=(where, slow, bound), daemon=True).start()
    serve(where, quick, 0)
