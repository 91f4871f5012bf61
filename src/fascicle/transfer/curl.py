"""Requests by libcurl: many at once, in one thread."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import pycurl

from fascicle.transfer.client import Answer, Head, Request, Trouble, ca_files, parse_head
from fascicle.transfer.limits import Limits

_TROUBLES: dict[int, Trouble] = {
    pycurl.E_COULDNT_RESOLVE_HOST: "refused",
    pycurl.E_COULDNT_RESOLVE_PROXY: "refused",
    pycurl.E_COULDNT_CONNECT: "refused",
    pycurl.E_SSL_CONNECT_ERROR: "refused",
    pycurl.E_OPERATION_TIMEDOUT: "stalled",
    pycurl.E_SSL_CACERT: "tls",
    pycurl.E_SSL_CACERT_BADFILE: "tls",
    pycurl.E_SSL_CERTPROBLEM: "tls",
    pycurl.E_FILESIZE_EXCEEDED: "large",
    pycurl.E_WRITE_ERROR: "stopped",
    pycurl.E_UNSUPPORTED_PROTOCOL: "never",
    pycurl.E_URL_MALFORMAT: "never",
    pycurl.E_TOO_MANY_REDIRECTS: "never",
}
_SLOW = 100  # bytes per second: less is a stall
# The wait of pycurl is a select, which does not see sockets of higher numbers than this. A process
# that has so many files open looks a thousand times a second instead.
_SELECT_MOST = 1000
_BLINK = 0.001
_KEEP = 40  # connections that may stay open while nothing is fetched


class _Kind(NamedTuple):
    """What the options of a handle are for."""

    secure: bool
    own_connection: bool
    kept: bool
    signed: bool


def _kind(request: Request) -> _Kind:
    secure = request.url[:6].lower() == "https:"
    return _Kind(
        secure, request.own_connection, request.reader is None, request.signing is not None
    )


class CurlTransport:
    """A multi handle of libcurl, its connections, and easy handles that are used again.

    Whatever is the same for all requests of a kind is set once for each handle: for a small file,
    setting it again would take longer than the file does.

    Attributes
    ----------
    n_running : int
        Requests under way.
    n_bytes : int
        Bytes of bodies that came in.
    """

    def __init__(self, limits: Limits) -> None:
        self.n_running = 0
        self.n_bytes = 0
        self._blind = False
        self._n_connections = 0
        self._limits = limits
        self._free: dict[_Kind, list[Any]] = {}
        self._running: dict[Any, Request] = {}
        self._trust: tuple[str, str] | None = None
        multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, limits.per_host + limits.streams)
        multi.setopt(pycurl.M_MAXCONNECTS, 2 * (limits.parallel + limits.streams))
        self._multi = multi

    def submit(self, request: Request) -> None:
        """Begin a request."""
        kind = _kind(request)
        free = self._free.get(kind)
        easy = free.pop() if free else self._make(kind)
        setopt = easy.setopt
        setopt(pycurl.URL, request.url)
        if easy.headers != request.headers:
            easy.headers = request.headers
            setopt(pycurl.HTTPHEADER, list(request.headers))
        if request.reader is not None:
            setopt(pycurl.WRITEFUNCTION, self._feed(easy, request))
        elif easy.at_most != request.at_most:
            easy.at_most = request.at_most
            setopt(pycurl.MAXFILESIZE, request.at_most)
        if request.signing is not None:
            setopt(pycurl.AWS_SIGV4, f"aws:amz:{request.signing.region}:s3")
            setopt(pycurl.USERPWD, f"{request.signing.key}:{request.signing.secret}")
        self._running[easy] = request
        self.n_running += 1
        self._multi.add_handle(easy)

    def step(self, timeout: float) -> list[tuple[Request, Answer]]:
        """Move bytes for up to ``timeout`` seconds; return what has finished."""
        self._multi.perform()
        finished = self._collect()
        if finished or timeout <= 0:
            return finished
        if not self.n_running:
            time.sleep(timeout)
            return finished
        self._wait(timeout)
        self._multi.perform()
        return self._collect()

    def is_fit(self) -> bool:
        """Return whether its connections are worth keeping: some, at rest, are."""
        return not self.n_running and self._n_connections <= _KEEP

    def close(self) -> None:
        """Drop everything that is under way, and all connections."""
        for easy in list(self._running):
            self._multi.remove_handle(easy)
            easy.close()
        for free in self._free.values():
            for easy in free:
                easy.close()
        self._running.clear()
        self._free.clear()
        self.n_running = 0
        self._multi.close()

    def _wait(self, timeout: float) -> None:
        """Wait until a socket is ready, or libcurl's own clock wants something."""
        due = self._multi.timeout()
        if due >= 0:
            timeout = min(timeout, due / 1000)
        if timeout <= 0:
            return
        if self._blind:
            time.sleep(min(timeout, _BLINK))
            return
        since = time.monotonic()
        if self._multi.select(timeout) <= 0 and time.monotonic() - since < timeout / 2:
            time.sleep(min(timeout, _BLINK))  # no socket yet, as while a name is resolved

    def _on_connection(self, fd: int, purpose: int) -> int:
        self._n_connections += 1
        self._blind = self._blind or fd >= _SELECT_MOST
        return 0

    def _collect(self) -> list[tuple[Request, Answer]]:
        finished = []
        left = 1
        while left:
            left, good, bad = self._multi.info_read(256)
            for easy in good:
                finished.append(self._finish(easy, 0, ""))
            for easy, code, reason in bad:
                finished.append(self._finish(easy, code, reason))
        return finished

    def _make(self, kind: _Kind) -> Any:
        easy: Any = pycurl.Curl()
        limits = self._limits
        easy.kind = kind
        easy.headers = ()
        easy.at_most = -1
        easy.lines = []
        easy.chunks = []
        for option, value in (
            (pycurl.NOSIGNAL, 1),
            (pycurl.FOLLOWLOCATION, 1),
            (pycurl.MAXREDIRS, 10),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.CONNECTTIMEOUT_MS, int(limits.connect_timeout * 1000)),
            (pycurl.LOW_SPEED_LIMIT, _SLOW),
            (pycurl.LOW_SPEED_TIME, max(1, round(limits.stall_timeout))),
            (pycurl.BUFFERSIZE, 64 << 10 if kind.kept else 512 << 10),
            (pycurl.TCP_KEEPALIVE, 1),
            (pycurl.USERAGENT, "fascicle"),
            (pycurl.HEADERFUNCTION, easy.lines.append),
            (pycurl.SOCKOPTFUNCTION, self._on_connection),
        ):
            easy.setopt(option, value)
        if kind.kept:
            easy.setopt(pycurl.WRITEFUNCTION, easy.chunks.append)
        if limits.bandwidth:  # no connection brings more at once than is soon made up for
            easy.setopt(pycurl.MAX_RECV_SPEED_LARGE, limits.bandwidth)
            easy.setopt(pycurl.BUFFERSIZE, max(1 << 10, min(64 << 10, limits.bandwidth // 16)))
        if kind.secure:
            self._secure(easy, own_connection=kind.own_connection)
        return easy

    def _secure(self, easy: Any, *, own_connection: bool) -> None:
        if self._trust is None:
            self._trust = ca_files()
        file, folder = self._trust
        if file:
            easy.setopt(pycurl.CAINFO, file)
        if folder:
            easy.setopt(pycurl.CAPATH, folder)
        # no way down from https to http
        easy.setopt(pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTPS)
        easy.setopt(pycurl.PIPEWAIT, 0 if own_connection else 1)
        easy.setopt(
            pycurl.HTTP_VERSION,
            pycurl.CURL_HTTP_VERSION_1_1 if own_connection else pycurl.CURL_HTTP_VERSION_2TLS,
        )

    def _feed(self, easy: Any, request: Request) -> Any:
        """Return what libcurl calls with each piece of a body; anything but None ends it."""
        reader = request.reader
        assert reader is not None
        lines = easy.lines
        on_data = reader.on_data
        begun = False

        def feed(data: bytes) -> int | None:
            nonlocal begun
            if not begun:
                begun = True
                if not reader.on_head(parse_head(lines)):
                    return -1
            self.n_bytes += len(data)
            return None if on_data(data) else -1

        return feed

    def _finish(self, easy: Any, code: int, reason: str) -> tuple[Request, Answer]:
        request = self._running.pop(easy)
        self.n_running -= 1
        self._multi.remove_handle(easy)
        lines, chunks = easy.lines, easy.chunks
        head: Head | None = None
        if lines:
            head = Head(easy.getinfo(pycurl.RESPONSE_CODE), lines=lines)
            lines.clear()
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.n_bytes += len(body)
        self._free.setdefault(easy.kind, []).append(easy)
        if not code:
            return request, Answer(head, body)
        trouble: Trouble = _TROUBLES.get(code, "cut")
        if trouble == "stalled" and head is None and "onnect" in reason:
            trouble = "refused"
        return request, Answer(head, body, trouble, reason)
