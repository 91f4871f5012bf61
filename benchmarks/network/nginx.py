"""nginx over a folder: files by their path, the same behind S3's addresses, and a slow twin.

::

    http://HOST:PORT/files/PATH                     FOLDER/files/PATH
    http://HOST:PORT/bucket/KEY                     FOLDER/objects/newest/KEY
    http://HOST:PORT/bucket/KEY?versionId=v1        FOLDER/objects/v1/KEY

On the port ``slow_port``, each connection gets 25 MB/s.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

TOOL = Path(__file__).resolve().parents[2] / "tools" / "system-packages"
SLOW = 25_000_000

CONFIG = """
daemon off;
{user}
worker_processes 2;
pid {own}/pid;
error_log {own}/error.log;
events {{ worker_connections 2048; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  default_type application/octet-stream;
  client_body_temp_path {own}/body;
  proxy_temp_path {own}/proxy;
  fastcgi_temp_path {own}/fastcgi;
  uwsgi_temp_path {own}/uwsgi;
  scgi_temp_path {own}/scgi;
  map $arg_versionId $version {{
    "" newest;
    "~^(?<id>[0-9A-Za-z]+)$" $id;
    default none;
  }}
  server {{
    listen {port};
    {places}
  }}
  server {{
    listen {slow};
    limit_rate {rate};
    {places}
  }}
}}
"""

PLACES = """
    root {folder};
    location /files/ {{ }}
    location /bucket/ {{
      rewrite ^/bucket/(?<key>.*)$ /objects/$version/$key break;
      add_header x-amz-version-id $version;
    }}
"""


class NoNginx(Exception):
    """It is not here, and cannot be installed."""


class Nginx:
    """A server, from entering a ``with`` block until leaving it.

    Parameters
    ----------
    folder : path
        What it serves.
    own : path
        An empty folder for itself.
    enter : sequence of str
        What its command begins with, such as that which enters a namespace.

    Attributes
    ----------
    port, slow_port : int
    """

    def __init__(self, folder: Path, own: Path, *, enter: Sequence[str] = ()) -> None:
        self.port, self.slow_port = _free_ports(2)
        self._own, self._enter = own, enter
        user = "user root;" if os.geteuid() == 0 else ""
        places = PLACES.format(folder=folder)
        ports = {"port": self.port, "slow": self.slow_port}
        text = CONFIG.format(user=user, own=own, **ports, rate=SLOW, places=places)
        own.joinpath("nginx.conf").write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        binary = find()
        log = self._own / "error.log"
        command = [binary, "-p", str(self._own), "-c", str(self._own / "nginx.conf")]
        with open(self._own / "output", "wb") as output:
            self._process = subprocess.Popen(
                [*self._enter, *command, "-e", str(log)], stdout=output, stderr=output
            )
        while not self._own.joinpath("pid").exists():
            if self._process.poll() is not None:
                said = self._own.joinpath("output").read_text() + log.read_text()
                raise NoNginx(said.strip()[-500:])
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None


class Plain:
    """What stands in for `Nginx` where that cannot be had."""

    def __init__(self, folder: Path, *, enter: Sequence[str] = ()) -> None:
        self.port, self.slow_port = _free_ports(2)
        self._enter = enter
        ports = [str(self.port), str(self.slow_port), str(SLOW)]
        self._command = [sys.executable, "-m", "benchmarks.network.plain", str(folder), *ports]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen([*self._enter, *self._command], cwd=TOOL.parents[1])
        probe = f"import socket; socket.create_connection(('127.0.0.1', {self.port}))"
        while subprocess.run(
            [*self._enter, sys.executable, "-c", probe], capture_output=True
        ).returncode:
            if self._process.poll() is not None:
                raise NoNginx("nor does Python's own server run")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None


def _free_ports(n: int) -> list[int]:
    sockets = [socket.create_server(("", 0)) for _ in range(n)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def version() -> str:
    """Return nginx's version."""
    run = subprocess.run([find(), "-v"], capture_output=True, text=True, check=True)
    return run.stderr.partition("/")[2].strip()


def find() -> str:
    """Return nginx's path; it is installed where it is missing."""
    run = subprocess.run([str(TOOL), "nginx"], capture_output=True, text=True)
    path = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if run.returncode or path is None:
        raise NoNginx(run.stderr.strip()[-500:] or "nginx cannot be found")
    return path
