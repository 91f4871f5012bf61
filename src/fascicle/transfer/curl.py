"""Requests by libcurl: many at once in one thread, told of sockets by the operating system."""

from __future__ import annotations

import selectors
import time
from typing import Any

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


def _kind(request: Request) -> tuple[bool, bool]:
    return request.url[:6].lower() == "https:", request.own_connection


class CurlTransport:
    """A multi handle of libcurl, its connections, and easy handles that are used again.

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
        self._limits = limits
        self._selector = selectors.DefaultSelector()
        self._timer: float | None = None
        self._free: dict[tuple[bool, bool], list[Any]] = {}  # by what their options are for
        self._running: dict[Any, Request] = {}
        self._trust: tuple[str, str] | None = None
        multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        multi.setopt(pycurl.M_MAX_HOST_CONNECTIONS, limits.per_host + limits.streams)
        multi.setopt(pycurl.M_MAXCONNECTS, 2 * (limits.parallel + limits.streams))
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi = multi

    def submit(self, request: Request) -> None:
        """Begin a request."""
        free = self._free.setdefault(_kind(request), [])
        easy = free.pop() if free else self._make(request)
        lines: list[bytes] = []
        chunks: list[bytes] = []
        easy.lines, easy.chunks = lines, chunks
        setopt = easy.setopt
        setopt(pycurl.URL, request.url)
        setopt(pycurl.HTTPHEADER, list(request.headers))
        setopt(pycurl.HEADERFUNCTION, lines.append)
        if request.reader is None:
            setopt(pycurl.WRITEFUNCTION, chunks.append)
            setopt(pycurl.MAXFILESIZE, request.at_most)
        else:
            setopt(pycurl.WRITEFUNCTION, self._feed(easy, request))
            setopt(pycurl.MAXFILESIZE, 0)
        if request.signing is not None:
            setopt(pycurl.AWS_SIGV4, f"aws:amz:{request.signing.region}:s3")
            setopt(pycurl.USERPWD, f"{request.signing.key}:{request.signing.secret}")
            easy.signed = True
        elif easy.signed:
            easy.unsetopt(pycurl.AWS_SIGV4)
            easy.unsetopt(pycurl.USERPWD)
            easy.signed = False
        self._running[easy] = request
        self.n_running += 1
        self._multi.add_handle(easy)

    def step(self, timeout: float) -> list[tuple[Request, Answer]]:
        """Move bytes for up to ``timeout`` seconds; return what has finished."""
        multi = self._multi
        if self._timer is not None:
            timeout = min(timeout, max(0.0, self._timer - time.monotonic()))
        if self._selector.get_map():
            for key, mask in self._selector.select(timeout):
                ready = 0
                if mask & selectors.EVENT_READ:
                    ready |= pycurl.CSELECT_IN
                if mask & selectors.EVENT_WRITE:
                    ready |= pycurl.CSELECT_OUT
                multi.socket_action(key.fd, ready)
        elif timeout > 0:
            time.sleep(timeout)
        if self._timer is not None and self._timer <= time.monotonic():
            self._timer = None
            multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        finished = []
        while True:
            left, good, bad = multi.info_read()
            for easy in good:
                finished.append(self._finish(easy, 0, ""))
            for easy, code, reason in bad:
                finished.append(self._finish(easy, code, reason))
            if not left:
                return finished

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
        self._selector.close()

    def _make(self, request: Request) -> Any:
        easy: Any = pycurl.Curl()
        limits = self._limits
        easy.signed = False
        for option, value in (
            (pycurl.NOSIGNAL, 1),
            (pycurl.FOLLOWLOCATION, 1),
            (pycurl.MAXREDIRS, 10),
            (pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.REDIR_PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS),
            (pycurl.CONNECTTIMEOUT_MS, int(limits.connect_timeout * 1000)),
            (pycurl.LOW_SPEED_LIMIT, _SLOW),
            (pycurl.LOW_SPEED_TIME, max(1, round(limits.stall_timeout))),
            (pycurl.BUFFERSIZE, 512 << 10),
            (pycurl.TCP_KEEPALIVE, 1),
            (pycurl.USERAGENT, "fascicle"),
        ):
            easy.setopt(option, value)
        secure, own_connection = _kind(request)
        if secure:
            self._secure(easy, own_connection=own_connection)
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
        head: Head | None = parse_head(easy.lines) if easy.lines else None
        body = b"".join(easy.chunks)
        self.n_bytes += len(body)
        easy.lines = easy.chunks = None
        self._free[_kind(request)].append(easy)
        trouble: Trouble = _TROUBLES.get(code, "cut") if code else ""
        if trouble == "stalled" and head is None and "onnect" in reason:
            trouble = "refused"
        return request, Answer(head, body, trouble, reason)

    def _on_socket(self, what: int, fd: int, multi: Any, data: Any) -> None:
        known = fd in self._selector.get_map()
        if what == pycurl.POLL_REMOVE:
            if known:
                self._selector.unregister(fd)
            return
        events = 0
        if what in (pycurl.POLL_IN, pycurl.POLL_INOUT):
            events |= selectors.EVENT_READ
        if what in (pycurl.POLL_OUT, pycurl.POLL_INOUT):
            events |= selectors.EVENT_WRITE
        if known:
            self._selector.modify(fd, events)
        else:
            self._selector.register(fd, events)

    def _on_timer(self, milliseconds: int) -> None:
        self._timer = None if milliseconds < 0 else time.monotonic() + milliseconds / 1000
