"""TLS and HTTP/2."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from fascicle.errors import ServerError
from fascicle.transfer import Source, make_plan, open_ranged


def noise(n: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(n)


def test_files_arrive_over_tls(tls_server, store, quick, transport) -> None:
    for i, n in enumerate([0, 3000, 1_000_000, 40 << 20]):
        tls_server.put(f"/{i}", noise(n, i), reset_at=[n // 2] if n else [])
    pairs = [(tls_server.source(p), p[1:]) for p in tls_server.routes]
    make_plan(pairs, store=store).run(limits=quick).raise_for_failed()
    for path, route in tls_server.routes.items():
        assert (store / path[1:]).read_bytes() == route.data
    with open_ranged(tls_server.base + "/2", limits=quick) as f:
        assert f.read() == tls_server.routes["/2"].data


def test_a_certificate_that_nobody_vouches_for(
    tls_server, store, quick, monkeypatch, transport
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    tls_server.put("/x", b"abc")
    result = make_plan([(tls_server.source("/x"), "x")], store=store).run(limits=quick)
    error = result.failed[0].error
    assert isinstance(error, ServerError) and "SSL_CERT_FILE" in error.hint
    assert not tls_server.log


def test_no_redirect_leads_from_https_to_http(tls_server, server, store, quick, transport) -> None:
    server.put("/y", b"abc")
    tls_server.put("/x", b"abc", redirect=server.base + "/y")
    result = make_plan([(tls_server.source("/x"), "x")], store=store).run(limits=quick)
    assert result.failed
    assert not server.log


APP = """
import hashlib, random
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    n = int(scope["path"].rsplit("/", 1)[1])
    data = random.Random(n).randbytes(n)
    headers = dict(scope["headers"])
    wanted = headers.get(b"range", b"").decode()
    answer = [(b"x-version", scope["http_version"].encode()), (b"etag", b'"%d"' % n)]
    status = 200
    if wanted and data:
        a, b = wanted[6:].split("-")
        b = min(int(b) + 1, n)
        answer.append((b"content-range", b"bytes %d-%d/%d" % (int(a), b, n)))
        data, status = data[int(a) : b], 206
    answer.append((b"content-length", b"%d" % len(data)))
    with open(LOG, "a") as f:
        f.write(f"{scope['http_version']} {scope['client'][1]}\\n")
    await send({"type": "http.response.start", "status": status, "headers": answer})
    await send({"type": "http.response.body", "body": data})
"""


@pytest.fixture
def http2(authority, tmp_path, monkeypatch):
    """Yield the address of a server of HTTP/2, and the file that says who asked."""
    log = tmp_path / "log"
    log.write_text("")
    (tmp_path / "app.py").write_text(f"LOG = {str(log)!r}\n{APP}")
    cert = authority.issue_cert("localhost")
    cert.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    for blob in cert.cert_chain_pems:
        blob.write_to_path(str(tmp_path / "cert.pem"), append=True)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--bind", f"127.0.0.1:{port}", "--certfile", "cert.pem", "--keyfile", "key.pem"]
    process = subprocess.Popen(
        [sys.executable, "-m", "hypercorn", "app:app", *options],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            break
        except OSError:
            assert process.poll() is None
            time.sleep(0.1)
    yield f"https://localhost:{port}", log
    process.kill()  # told to end, it waits half a minute for connections that are kept
    process.wait()


def test_small_files_share_a_connection_of_http2(http2, store, quick) -> None:
    import hashlib

    base, log = http2
    pairs = []
    for n in [*range(1, 200), 1_000_000, 40 << 20]:
        digest = hashlib.sha256(random.Random(n).randbytes(n)).hexdigest()
        pairs.append((Source(f"{base}/{n}", size=n, hash=digest, algorithm="sha256"), str(n)))
    limits = replace(quick, stall_timeout=20)
    make_plan(pairs, store=store).run(limits=limits).raise_for_failed()
    asked = [line.split() for line in log.read_text().splitlines()]
    small = [port for version, port in asked if version == "2"]
    assert len(small) >= 199 and len(set(small)) < 5
    large = [port for version, port in asked if version == "1.1"]
    assert len(large) >= 3
