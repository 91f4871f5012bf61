"""The process that answers: who is slow to ask or to fetch keeps nobody else waiting.

Each connection has a thread, of which there may be many, since one that waits for the network does
nothing else. What looks into the database runs in a few further threads, which never wait for a
client: a request is read whole before, and an answer is sent after.
"""

from __future__ import annotations

import errno
import socket
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from gunicorn.workers import gthread

from fascicle.hub.wsgi import limit

#: Connections that are served at the same time, each process its own.
CONNECTIONS = 128
#: Seconds in which a client has to ask, from the first byte to the end of the headers.
ASKING = 20.0
#: Seconds in which some of an answer has to be taken, or some of a request has to come.
STALLED = 60.0
#: Bytes per second at which a request has to come at least.
SLOWEST = 20_000.0
_KEPT = 1_000_000  # bytes of a request that are kept in memory while it comes
_PIECE = 1 << 16

Environ = dict[str, Any]
Answer = Iterable[bytes]
Application = Callable[[Environ, Callable[..., Any]], Answer]


class Link(socket.socket):
    """A connection that gives up on a client who neither sends nor takes."""

    until: float | None = None

    def setblocking(self, flag: bool) -> None:
        """Wait not at all, or not for ever."""
        self.settimeout(STALLED if flag else 0.0)

    def recv(self, *args: Any) -> bytes:
        """Return what came; a client who takes too long is as one who went."""
        if self.until is not None:
            left = self.until - time.monotonic()
            if left <= 0:
                raise _gone()
            self.settimeout(min(left, STALLED))
        try:
            return super().recv(*args)
        except TimeoutError:
            raise _gone() from None

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all, however long it takes, as long as some of it is taken now and then."""
        self.settimeout(STALLED)
        view = memoryview(data).cast("B")
        while view:
            try:
                view = view[self.send(view[:_PIECE], flags) :]
            except TimeoutError:
                raise _gone() from None

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a part of a file without reading it."""
        self.settimeout(STALLED)
        try:
            return super().sendfile(file, offset, count)
        except TimeoutError:
            raise _gone() from None


def _gone() -> OSError:
    return ConnectionResetError(errno.ECONNRESET, "the client is too slow")


class Connection(gthread.TConn):
    """A client's connection, which is closed where nobody waits for it."""

    pool: ThreadPoolExecutor

    def close(self, graceful: bool = False) -> None:
        """Close it; the client is given some time to read the end, but not by all the others."""
        if graceful:
            with suppress(RuntimeError):  # the process ends
                self.pool.submit(super().close, True)
                return
        super().close()


class Apart:
    """An application whose code runs in threads of its own, with requests that are there whole.

    Parameters
    ----------
    application : callable
        The WSGI application.
    pool : ThreadPoolExecutor
        The threads.
    largest : int
        Bytes of a body that are read; whether it is refused is the application's to say.
    """

    def __init__(self, application: Application, pool: ThreadPoolExecutor, largest: int) -> None:
        self.application = application
        self.pool = pool
        self.largest = largest

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Answer:
        """Answer a request."""
        body = self._read(environ)
        try:
            asked = self.pool.submit(self.application, environ, start_response)
            return asked.result()
        finally:
            if body is not None:
                body.close()

    def _read(self, environ: Environ) -> Any:
        """Read the body, if there is one; one without a length then has a length."""
        largest = limit(self.largest, environ)
        said = environ.get("CONTENT_LENGTH") or ""
        has_no_length = "HTTP_TRANSFER_ENCODING" in environ and not said
        if said in ("", "0") and not has_no_length:
            return None
        if said and (not said.isdigit() or int(said) > largest):
            return None  # it is refused by its length, and not read
        source = environ["wsgi.input"]
        body = tempfile.SpooledTemporaryFile(_KEPT)  # noqa: SIM115 - closed when it was answered
        length = 0
        while piece := source.read(_PIECE):
            length += len(piece)
            body.write(piece)
            if length > largest:
                break
        body.seek(0)
        environ["CONTENT_LENGTH"] = str(length)
        environ["wsgi.input"] = body
        return body


class Worker(gthread.ThreadWorker):
    """Gunicorn's worker with threads, with a limit to how long a client may take."""

    wsgi: Any

    def load_wsgi(self) -> None:
        """Put the application into threads of its own."""
        super().load_wsgi()
        from fascicle.hub.setup import current

        config = current()
        pool = ThreadPoolExecutor(config.threads, "hub")
        self.wsgi = Apart(self.wsgi, pool, int(config.upload_mb * 1e6))

    def accept(self, listener: Any) -> None:
        """Take a new connection."""
        try:
            accepted, client = listener.accept()
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ECONNABORTED, errno.EWOULDBLOCK):
                raise
            return
        self.nr_conns += 1
        link = Link(accepted.family, accepted.type, accepted.proto, accepted.detach())
        connection = Connection(self.cfg, link, client, listener.getsockname())
        connection.pool = self.tpool
        self.enqueue_req(connection)

    def handle(self, conn: Any) -> Any:
        """Read a request and answer it (in a thread)."""
        # Data are there already, but where a connection is new: then gunicorn waits for some.
        begin = ASKING + (0 if conn.initialized else gthread.DEFAULT_WORKER_DATA_TIMEOUT)
        conn.sock.until = time.monotonic() + begin
        try:
            return super().handle(conn)
        finally:
            conn.sock.until = None

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Answer a request, whose body may take as long as its length allows."""
        length = next((int(v) for k, v in req.headers if k == "CONTENT-LENGTH"), _PIECE)
        conn.sock.until = time.monotonic() + STALLED + length / SLOWEST
        return super().handle_request(req, conn)
