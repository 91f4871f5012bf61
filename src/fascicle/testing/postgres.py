"""A PostgreSQL of its own, in a temporary folder, for tests, tutorials and benchmarks.

It takes the programs of an installed PostgreSQL (``initdb``, ``postgres``) and leaves alone
whatever database the machine has besides.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Self

from fascicle.errors import MissingExtraError, ServerError
from fascicle.testing.hub import bound_to_us

_USER = "fascicle"


class PostgresServer:
    """A PostgreSQL that lives as long as a ``with`` block, or from `start` to `stop`.

    PostgreSQL refuses to run as root: started by root, it runs as ``postgres``, else as
    ``nobody``.

    Parameters
    ----------
    safe : bool
        Write each transaction to the disk before it is acknowledged, as a lab's database does;
        a test is quicker without.

    Attributes
    ----------
    port : int
        On 127.0.0.1.
    pid : int
        Of its first process.

    Examples
    --------
    ::

        with PostgresServer() as server:
            url = server.make_database("lab")
    """

    def __init__(self, *, safe: bool = False) -> None:
        self.safe = safe
        self.port = 0
        self._password = secrets.token_urlsafe(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: Path | None = None
        self._made = 0

    @property
    def pid(self) -> int:
        """Process id; 0 before it was started."""
        return self._process.pid if self._process else 0

    def start(self) -> Self:
        """Make a cluster in a temporary folder and begin to serve it on a free port.

        Raises
        ------
        MissingExtraError
            If no PostgreSQL is installed.
        ServerError
            If it does not start; the message has what it said.
        """
        programs = find_programs()
        folder = self._folder = Path(tempfile.mkdtemp(prefix="fascicle-pg-"))
        secret = folder / "password"
        secret.write_text(self._password)
        other = _unprivileged()
        if other:
            for path in (folder, secret):
                shutil.chown(path, other["user"], other["group"])
        try:
            self._init(programs, secret, other)
            self._run(programs, other)
        except BaseException:
            self.stop()
            raise
        return self

    def _init(self, programs: Path, secret: Path, other: dict[str, Any]) -> None:
        command = [programs / "initdb", "-D", self._data, "-U", _USER, "-E", "UTF8", "--locale=C"]
        command += ["-A", "scram-sha-256", f"--pwfile={secret}"]
        command += [] if self.safe else ["--no-sync"]
        made = subprocess.run(  # noqa: S603 - a program of the system, our own arguments
            [str(c) for c in command],
            cwd=self._folder,
            env=_environment(),
            capture_output=True,
            **other,
        )
        if made.returncode:
            raise ServerError(f"initdb failed: {made.stderr.decode(errors='replace')[-500:]}")
        secret.unlink()

    def _run(self, programs: Path, other: dict[str, Any]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 60,
        }
        if not self.safe:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        command = [*bound_to_us("INT"), str(programs / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - as above
                command, cwd=self._folder, env=_environment(), stdout=log, stderr=log, **other
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                said = self._log.read_text(errors="replace")[-500:]
                raise ServerError(f"PostgreSQL did not start: {said}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        import psycopg

        with contextlib.suppress(psycopg.OperationalError), self._connect():
            return True
        return False

    def _connect(self) -> Any:
        import psycopg

        return psycopg.connect(self.url("postgres"), autocommit=True, connect_timeout=5)

    @property
    def _data(self) -> Path:
        assert self._folder is not None
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        assert self._folder is not None
        return self._folder / "log"

    def url(self, database: str) -> str:
        """Return the address of a database, with user and password."""
        return f"postgresql://{_USER}:{self._password}@127.0.0.1:{self.port}/{database}"

    def make_database(self, name: str = "", *, template: str = "") -> str:
        """Make a database.

        Parameters
        ----------
        name : str
            Letters and digits; one of its own if it is empty.
        template : str
            The database that it is a copy of; without one it is empty.

        Returns
        -------
        str
            Its address.
        """
        from psycopg import sql

        self._made += 1
        name = name or f"lab{self._made}"
        with self._connect() as connection:
            copied = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            model = sql.Identifier(template or "template1")
            connection.execute(copied.format(sql.Identifier(name), model))
        return self.url(name)

    def stop(self) -> None:
        """Stop serving; what was stored is lost."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # its "fast" shutdown
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.send_signal(signal.SIGQUIT)  # "immediate"
                self._process.wait()
            self._process = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def find_programs() -> Path:
    """Return the folder of PostgreSQL's programs, which Debian keeps off the search path.

    Raises
    ------
    MissingExtraError
        If there is none.
    """
    found = shutil.which("initdb")
    if found and Path(found).with_name("postgres").exists():
        return Path(found).resolve().parent
    folders = [
        p.parent
        for root in ("/usr/lib/postgresql", "/usr/local/pgsql", "/opt/homebrew/opt")
        for p in Path(root).glob("*/bin/initdb")
        if p.with_name("postgres").exists()
    ]
    if not folders:
        raise MissingExtraError(
            "PostgreSQL is not installed here",
            hint="apt-get install postgresql (or what it is called on this system)",
        )
    return max(folders, key=lambda p: [int(n) for n in p.parent.name.split("@")[-1].split(".")])


def _unprivileged() -> dict[str, Any]:
    """Return, for root, as whom to run instead."""
    if os.getuid():
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise ServerError(
        "PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody' here",
        hint="run this as another user",
    )


def _environment() -> dict[str, str]:
    """Return an environment in which nothing points at another PostgreSQL."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
