"""What happens to a hub in a lab: it is started twice, its database goes away, its disk is full."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fascicle.hub import lock
from fascicle.testing import postgres as pg
from fascicle.testing.hub import HubServer

FASCICLE = (sys.executable, "-m", "fascicle")


def _run(*arguments: Any) -> subprocess.CompletedProcess[str]:
    command = [*FASCICLE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=90)


#: The command, with a server that ends just now waited for less long than users have it.
WITHOUT_PATIENCE = """
from functools import partial
from fascicle.cli import main
from fascicle.hub import lock
lock.only_one = partial(lock.only_one, wait=%s)
main()
"""


@pytest.mark.parametrize("wait", [0.3, pytest.param(lock.WAIT, marks=pytest.mark.long)])
def test_a_second_server_of_a_state_says_so(hub: HubServer, wait: float) -> None:
    command = [sys.executable, "-c", WITHOUT_PATIENCE % wait, "serve", str(hub.folder)]
    command += ["--state", str(hub.state), "--port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert done.returncode == 3
    assert f"at {hub.url}" in done.stderr
    # the first one is where it was
    found = hub.get("/data-repository/hub", token=hub.token("boss")).json
    assert found["data_url"] == f"{hub.url}/data/"


def test_tables_of_a_later_version_are_left_alone(hub: HubServer, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    assert _run("hub", "backup", file, "--hub", hub.state).returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    state = tmp_path / "state"
    with tarfile.open(file) as tar:
        tar.extractall(state, filter="data")
    with closing(sqlite3.connect(state / "hub.sqlite3")) as tables:
        tables.execute(
            "INSERT INTO django_migrations (app, name, applied) "
            "VALUES ('hub', '0099_later', '2030-01-01')"
        )
        tables.commit()
    done = _run("serve", hub.folder, "--state", state, "--port", 0)
    assert done.returncode == 3
    assert "0099_later" in done.stderr


def test_a_database_that_restarts_is_waited_for(
    make_hub: Callable[..., HubServer], tmp_path: Path
) -> None:
    with pg.PostgresServer() as server:
        folder = tmp_path / "lab"
        folder.mkdir()
        hub = make_hub(folder, database=server.make_database()).start()
        token = hub.token("boss")
        process: Any = server._process
        os.kill(process.pid, signal.SIGINT)
        process.wait(30)
        for path in ("/sessions", "/me", "/", "/data/a/Subjects/b/2024-01-02/001/c.d.npy"):
            answer = hub.get(path, token=token)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "5"), path
            assert "database does not answer" in answer.text
        assert hub.ask("POST", "/projects", {"name": "p"}, token=token).status == 503
        server._process = subprocess.Popen(
            process.args,
            cwd=server._folder,
            env=pg._environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **pg._unprivileged(),
        )
        while not server._answers():
            assert server._process.poll() is None
        assert {hub.get("/me", token=token).status for _ in range(20)} == {200}
        assert "Traceback" not in hub.said()


def test_no_room_is_told(tables: Any) -> None:
    from django.db import OperationalError

    from fascicle.hub.rest.limits import refused_by_database

    for error in (
        OperationalError("database or disk is full"),
        OSError(errno.ENOSPC, "No space left on device"),
    ):
        refused = refused_by_database(error)
        assert refused is not None
        assert refused.status == 507
    assert refused_by_database(OSError(errno.EIO, "else")) is None


def test_pages_are_as_long_as_the_settings_say(
    make_hub: Callable[..., HubServer], tmp_path: Path
) -> None:
    folder, state = tmp_path / "lab", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    (state / "hub.toml").write_text("page_size = 3\npage_limit = 5\n")
    hub = make_hub(folder, state=state).start()
    token = hub.token("boss")
    assert len(hub.get("/dataset-types", token=token).json["results"]) == 3
    assert len(hub.get("/dataset-types?limit=100", token=token).json["results"]) == 5
