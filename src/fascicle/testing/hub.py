"""A hub in processes of its own, as ``fascicle serve`` makes it, for tests and tutorials."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from fascicle.errors import ServerError


@dataclass(frozen=True)
class User:
    """Who may log in to a hub.

    Attributes
    ----------
    name, password : str
    public : bool
        May only read.
    admin : bool
        May also use the admin pages.
    """

    name: str
    password: str = field(default_factory=lambda: secrets.token_urlsafe(9), repr=False)
    public: bool = False
    admin: bool = False


@dataclass(frozen=True)
class Answer:
    """What a hub said to one request."""

    status: int
    headers: Mapping[str, str]
    data: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.data)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.data.decode(errors="replace")

    @property
    def type(self) -> str:
        """The media type, without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0]


#: Who is there unless others are asked for: two who may write, and one who may only read.
USERS = (
    User("boss", admin=True),
    User("test_user"),
    User("reader", public=True),
)


class HubServer:
    """A hub that lives as long as a ``with`` block, or from `start` to `stop`.

    Parameters
    ----------
    folder : path-like
        What it serves.
    state : path-like, optional
        Where it keeps its own; a temporary folder, removed in the end, if it is not given.
    database : str
        URL of a PostgreSQL database; SQLite if it is empty.
    users : iterable of User
        Made when it first starts.
    arguments : iterable of str
        More for ``fascicle serve``.
    port : int
        Where it listens; a free port by default, the same after each restart.
    like : HubServer, optional
        One on SQLite that was halted, of this folder or a copy of it: this one begins with its
        state and its users, so that no database has to be made.

    Attributes
    ----------
    url : str
        Where it answers.
    log : pathlib.Path
        What it printed.
    first : float
        Seconds from the last start to the first answer.

    Examples
    --------
    ::

        with HubServer(make_lab("lab", size="tiny")) as hub:
            hub.get("/sessions", token=hub.token("test_user")).json
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        state: str | os.PathLike[str] | None = None,
        database: str = "",
        users: Iterable[User] = USERS,
        arguments: Iterable[str] = (),
        port: int = 0,
        like: HubServer | None = None,
    ) -> None:
        self.folder = Path(folder).absolute()
        self._own = None if state else Path(tempfile.mkdtemp(prefix="fascicle-hub-"))
        self.state = Path(state or self._own or "").absolute()
        self.database = database
        self.users: dict[str, User] = (
            dict(like.users) if like else {user.name: user for user in users}
        )
        self.arguments = list(arguments)
        self.port = port or _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = self.state / "serve.log"
        self.first = 0.0
        self._tokens: dict[str, str] = {}
        self._made = like is not None
        if like is not None:
            shutil.copytree(like.state, self.state, dirs_exist_ok=True)
        self._process: subprocess.Popen[bytes] | None = None
        self._pool: Any = None

    # -- its life -----------------------------------------------------------------------------

    def start(self, *, wait: float = 60.0) -> Self:
        """Start it and wait until it answers.

        Parameters
        ----------
        wait : float
            Seconds until that counts as a failure.

        Raises
        ------
        ServerError
            If it does not come up; the message has what it printed.
        """
        command = [*bound_to_us(), sys.executable, "-m", "fascicle", "serve", str(self.folder)]
        command += ["--state", str(self.state), "--port", str(self.port), *self.arguments]
        command += ["--database", self.database] if self.database else []
        self.state.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )
        try:
            self._wait(began + wait)
            self.first = time.perf_counter() - began
            if not self._made:
                self._make_users()
                self._made = True
        except BaseException:
            self.kill()
            raise
        return self

    def _wait(self, deadline: float) -> None:
        assert self._process is not None
        while True:
            with contextlib.suppress(ServerError):
                if self.get("/api/schema").status == 200:
                    return
            if self._process.poll() is not None or time.perf_counter() > deadline:
                raise ServerError(f"the hub did not come up: {self.said()[-2000:]}")
            time.sleep(0.02)

    def said(self) -> str:
        """Return what it printed so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def pids(self) -> list[int]:
        """Return the process ids of the first process and its workers."""
        if self._process is None:
            return []
        pid = self._process.pid
        found = [pid]
        with contextlib.suppress(OSError):
            for file in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, file.read_text().split())
        return found

    def kill(self) -> None:
        """End all its processes at once, as a loss of power does."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            self._wait_for_port()
        self._forget()

    def _wait_for_port(self, wait: float = 20.0) -> None:
        """Wait for its workers: one that waits for the disk ends, and lets go, only after that."""
        until = time.perf_counter() + wait
        while time.perf_counter() < until:
            with socket.socket() as probe, contextlib.suppress(OSError):
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", self.port))
                probe.listen()
                return
            time.sleep(0.02)

    def halt(self, *, wait: float = 20.0) -> int:
        """End it as a service manager does, and keep its state.

        Returns
        -------
        int
            Its exit status; negative where it had to be killed.
        """
        status = 0
        if self._process is not None:
            self._process.terminate()
            try:
                status = self._process.wait(wait)
            except subprocess.TimeoutExpired:
                status = -1
        self.kill()
        return status

    def stop(self) -> None:
        """End it at once; a state that is its own is removed."""
        self.kill()
        if self._own is not None:
            shutil.rmtree(self._own, ignore_errors=True)

    def _forget(self) -> None:
        if self._pool is not None:
            self._pool.clear()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- its users ----------------------------------------------------------------------------

    def run(self, code: str, **values: Any) -> Any:
        """Run Python with the hub's tables in a process of its own.

        Parameters
        ----------
        code : str
            Statements; what they leave in ``result`` is returned.
        **values : JSON
            Names that the code has.

        Raises
        ------
        ServerError
            If it fails; the message has its traceback.
        """
        config = {"state": str(self.state), "database": self.database or None, "port": self.port}
        given = json.dumps({"folder": str(self.folder), "config": config, "values": values})
        program = _PROGRAM.format(code=code)
        done = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, "-c", program], input=given, capture_output=True, text=True
        )
        if done.returncode:
            raise ServerError(f"the hub's tables: {done.stderr[-2000:]}")
        return json.loads(done.stdout)

    def _make_users(self) -> None:
        rows = [vars(user) for user in self.users.values()]
        self.run(_MAKE_USERS, rows=rows)

    def token(self, user: str) -> str:
        """Return a token of a user's, who logs in for it once."""
        if user not in self._tokens:
            login = {"username": user, "password": self.users[user].password}
            answer = self.ask("POST", "/auth-token", login)
            if answer.status != 200:
                raise ServerError(f"no token for {user}: {answer.status} {answer.text[:300]}")
            self._tokens[user] = answer.json["token"]
        return self._tokens[user]

    # -- its answers --------------------------------------------------------------------------

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Make one request, without following redirects.

        Parameters
        ----------
        method, path : str
        body : bytes, str or JSON, optional
            Bytes and text are sent as they are, what is else as JSON.
        token : str
            Who asks; nobody if it is empty.
        headers : mapping, optional
        """
        import urllib3

        if self._pool is None:
            self._pool = urllib3.PoolManager(retries=False, maxsize=16, timeout=60.0)
        sent = {"Accept": "application/json"}
        if body is not None and not isinstance(body, bytes | str):
            body = json.dumps(body)
            sent["Content-Type"] = "application/json"
        if token:
            sent["Authorization"] = f"Token {token}"
        try:
            answer = self._pool.request(
                method, self.url + path, body=body, headers=sent | dict(headers or {})
            )
        except urllib3.exceptions.HTTPError as error:
            raise ServerError(f"{method} {path}: {error}") from error
        return Answer(answer.status, answer.headers, answer.data)

    def get(self, path: str, *, token: str = "") -> Answer:
        """Make a GET request; see `ask`."""
        return self.ask("GET", path, token=token)


def bound_to_us(name: str = "TERM") -> list[str]:
    """Return what a command begins with so that it ends with this process, however that ends.

    Where the system has nothing for that, or a thread asks that may end first: nothing.

    Parameters
    ----------
    name : str
        The signal that ends it.
    """
    tool = shutil.which("setpriv")
    if tool is None or threading.current_thread() is not threading.main_thread():
        return []
    return [tool, "--pdeathsig", name]


def _free_port() -> int:
    """Return a port that stays free while a hub is killed and started again.

    The system gives connections that go out, and there may be thousands, ports of 32768 and more.
    """
    while True:
        with socket.socket() as probe, contextlib.suppress(OSError):
            port = 20_000 + secrets.randbelow(12_000)
            probe.bind(("127.0.0.1", port))
            return port


_PROGRAM = """
import json, sys
given = json.load(sys.stdin)
from fascicle.hub.config import load_config
from fascicle.hub.setup import prepare
prepare(load_config(given["folder"], **given["config"]))
names = dict(given["values"])
exec({code!r}, names)
json.dump(names.get("result"), sys.stdout, default=str)
"""

_MAKE_USERS = """
from fascicle.hub.models import LabMember
for row in rows:
    user, _ = LabMember.objects.get_or_create(username=row["name"])
    user.email = f"{row['name']}@example.org"
    user.is_public_user = row["public"]
    user.is_staff = user.is_superuser = row["admin"]
    user.set_password(row["password"])
    user.save()
"""
