"""A gate before an S3 endpoint: it counts requests, demands signatures, and fails on demand.

What it lets through goes to a real endpoint (`fascicle.testing.S3Server`) as it came.
"""

from __future__ import annotations

import hashlib
import ssl
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

_HOP = {"host", "connection", "keep-alive", "transfer-encoding", "te", "upgrade"}


class Gate:
    """A server that hands requests on to another.

    Parameters
    ----------
    url : str
        Of the endpoint behind it.
    key, secret, token : str
        Who may pass; without a key everyone may.
    context : ssl.SSLContext, optional
        For a gate that speaks TLS.

    Attributes
    ----------
    url : str
        Of the gate.
    counts : collections.Counter
        Requests that were let through, by method.
    log : list of tuple
        Method, path and whether it was signed, of every request.
    faults : list of int
        Statuses that the next requests are answered with instead; 0 cuts the connection.
    only : str
        Method that faults are for; any, if it is empty.
    unsigned : list of str
        Methods for which nobody has to sign.
    denial : int
        Status of what is not let through.
    region : str
        That signatures have to be for, if it is not empty.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str = "",
        secret: str = "",
        token: str = "",
        context: ssl.SSLContext | None = None,
    ) -> None:
        import urllib3

        self.behind = url
        self.key, self.secret, self.token = key, secret, token
        self.counts: Counter[str] = Counter()
        self.log: list[tuple[str, str, bool]] = []
        self.faults: list[int] = []
        self.only = ""
        self.unsigned: list[str] = []
        self.denial = 403
        self.region = ""
        self.pool = urllib3.PoolManager(maxsize=64, retries=False)
        self._lock = threading.Lock()
        gate = self

        class Handler(_Handler):
            pass

        Handler.gate = gate
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        if context is not None:
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
            self.url = f"https://localhost:{self._http.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()
        self.pool.clear()

    def fault(self, method: str) -> int | None:
        """Return the fault that is next for a request, None if it fares well."""
        with self._lock:
            if self.faults and self.only in ("", method):
                return self.faults.pop(0)
            return None

    def note(self, method: str, path: str, *, signed: bool, passed: bool) -> None:
        """Take a request down."""
        with self._lock:
            self.log.append((method, path, signed))
            self.counts[method] += passed

    def lets(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bool:
        """Return whether a request is signed as Amazon documents it, by botocore's own signer."""
        if not self.key or method in self.unsigned:
            return True
        from botocore.auth import S3SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        given = headers.get("authorization", "")
        if not given.startswith("AWS4-HMAC-SHA256 "):
            return False
        fields = dict(f.strip().split("=", 1) for f in given.split(" ", 1)[1].split(","))
        names = fields["SignedHeaders"].split(";")
        request = AWSRequest(method, self.url + path)
        request.context["timestamp"] = headers.get("x-amz-date", "")
        key, _, region, _, _ = fields["Credential"].split("/")
        signer: Any = S3SigV4Auth(Credentials(self.key, self.secret), "s3", region)
        signer.headers_to_sign = lambda r: r.headers  # what the client chose to sign
        parts = urlsplit(path)
        query = "&".join(sorted(p if "=" in p else f"{p}=" for p in parts.query.split("&") if p))
        lines = [method, parts.path, query]
        lines += ["".join(f"{n}:{headers.get(n, '').strip()}\n" for n in names)]
        lines += [";".join(names), headers.get("x-amz-content-sha256", "")]
        text = signer.string_to_sign(request, "\n".join(lines))
        if self.region and region != self.region:
            return False
        good = key == self.key and signer.signature(text, request) == fields["Signature"]
        said = headers.get("x-amz-content-sha256", "")
        if said not in ("UNSIGNED-PAYLOAD", ""):
            good = good and said == hashlib.sha256(body).hexdigest()
        if self.token:
            good = good and headers.get("x-amz-security-token") == self.token
            good = good and "x-amz-security-token" in names
        return bool(good)


class _Handler(BaseHTTPRequestHandler):
    gate: Gate
    protocol_version = "HTTP/1.1"

    def _pass(self) -> None:
        gate = self.gate
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length") or 0))
        signed = "authorization" in headers
        fault = gate.fault(self.command)
        if fault == 0:
            gate.note(self.command, self.path, signed=signed, passed=False)
            self.close_connection = True
            return
        allowed = fault is None and gate.lets(self.command, self.path, headers, body)
        gate.note(self.command, self.path, signed=signed, passed=allowed)
        if not allowed:
            code = "AccessDenied" if fault is None else "InternalError"
            named = {"x-amz-bucket-region": gate.region} if gate.region and not fault else {}
            elsewhere = gate.region and f"/{gate.region}/" not in headers.get("authorization", "//")
            status = fault or (400 if signed and elsewhere else gate.denial)
            self._send(status, named, f"<Error><Code>{code}</Code></Error>".encode())
            return
        answer = gate.pool.request(
            self.command,
            gate.behind + self.path,
            body=body,
            headers={name: value for name, value in headers.items() if name not in _HOP},
            preload_content=True,
            decode_content=False,
            redirect=False,
        )
        headers = {name.lower(): value for name, value in answer.headers.items()}
        self._send(answer.status, headers, answer.data)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name not in (*_HOP, "content-length"):
                self.send_header(name, value)
        length = headers.get("content-length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
