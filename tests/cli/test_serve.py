"""``fascicle serve`` and ``fascicle hub``: a lab's server as a user starts and looks after it."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from fascicle.demo import make_lab

http = urllib3.PoolManager(retries=False, timeout=30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lab of our own: what is served is indexed where it lies."""
    return make_lab(tmp_path_factory.mktemp("served") / "lab", size="tiny")


def one_day(folder: Path, to: Path) -> Path:
    """Return a copy of one day of the lab, which is imported sooner than all of it."""
    session = "zadorlab/Subjects/CSH_ZAD_003/2019-08-11"
    shutil.copytree(folder / session, to / session)
    return to


class Served:
    """A hub that was started by the command, and what it said."""

    def __init__(self, log: Path, *args: str | Path) -> None:
        self.log = log
        command = [sys.executable, "-m", "fascicle", "serve", *map(str, args), "--port", "0"]
        with log.open("w") as said:
            self.process = subprocess.Popen(
                command, stdout=said, stderr=said, stdin=subprocess.DEVNULL, start_new_session=True
            )
        self.url = self._wait()

    def _wait(self) -> str:
        until = time.monotonic() + 90
        while time.monotonic() < until and self.process.poll() is None:
            found = re.search(r"^Serving \S+ at (\S+)", self.said, re.MULTILINE)
            # All lines: those after it tell how clients are set up
            if found and "hub token new" in self.said:
                return found[1]
            time.sleep(0.05)
        raise AssertionError(self.said)

    @property
    def said(self) -> str:
        return self.log.read_text()

    @property
    def password(self) -> str:
        found = re.search(r"^User 'admin' with the password (\S+)$", self.said, re.MULTILINE)
        return found[1] if found else ""

    def group(self) -> list[int]:
        """Return the processes that are there of it."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self.process.pid and fields[0] != "Z":
                    found.append(int(stat.parent.name))
        return found

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture(scope="module")
def served(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Return a hub that serves the lab."""
    there = Served(tmp_path_factory.mktemp("log") / "serve.log", folder, "--no-watch")
    yield there
    there.kill()


@pytest.fixture
def hub(folder: Path, served: Served) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs ``fascicle hub`` on the hub that serves."""

    def run(*args: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fascicle", "hub", *map(str, args), "--hub", str(folder)]
        options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
        return subprocess.run(command, capture_output=True, text=True, **options)

    return run


def token_of(served: Served, user: str, password: str) -> str:
    login = {"username": user, "password": password}
    answer = http.request("POST", f"{served.url}/auth-token", json=login)
    assert answer.status == 200, answer.data
    return str(answer.json()["token"])


def ask(served: Served, path: str, token: str) -> Any:
    headers = {"Authorization": f"Token {token}"}
    answer = http.request("GET", served.url + path, headers=headers)
    assert answer.status == 200, answer.data
    return answer.json()


# -- serving --------------------------------------------------------------------------------------


def test_it_says_how_to_log_in_and_how_clients_are_set_up(served: Served, folder: Path) -> None:
    assert served.said.count(served.password) == 1
    assert f"Serving {folder} at {served.url}" in served.said
    for line in (
        f"fascicle login {served.url} --user admin",
        f'lab = fascicle.open("{served.url}")',
        f'par = par.set("HTTP_DATA_SERVER", "{served.url}/data")',
        f'one = ONE(base_url="{served.url}", username="admin")',
    ):
        assert line in served.said
    assert ask(served, "/sessions?limit=1", token_of(served, "admin", served.password))["count"]


def _lines(served: Served) -> dict[str, list[str]]:
    parts = re.split(r"^(\S.*):$", served.said, flags=re.MULTILINE)
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return {title: [line.strip() for line in text.splitlines()] for title, text in pairs}


def test_the_lines_that_it_says_set_the_official_client_up(
    served: Served, one_python: Path, tmp_path: Path
) -> None:
    token = token_of(served, "admin", served.password)
    program = [
        *_lines(served)["ONE-api, once"],
        "from one.api import ONE",
        f"one = ONE(base_url={served.url!r}, username='admin', password={served.password!r})",
        "eid = one.search(dataset='spikes.times.npy')[0]",
        "times = one.load_dataset(eid, 'spikes.times.npy', collection='alf/probe00*')",
        "print('LOADED', len(times))",
    ]
    env = {**os.environ, "HOME": str(tmp_path), "USERPROFILE": str(tmp_path), "TQDM_DISABLE": "1"}
    run = subprocess.run(
        [str(one_python), "-W", "ignore", "-c", "\n".join(program)],
        input=f"{token}\n",
        capture_output=True,
        text=True,
        env=env,
        timeout=300,
    )
    assert re.search(r"LOADED [1-9]", run.stdout), run.stdout[-1000:] + run.stderr[-3000:]


def test_the_line_that_makes_a_token_works_wherever_it_is_typed(
    served: Served, tmp_path: Path
) -> None:
    (line,) = filter(None, _lines(served)["A token, in place of the password"])
    command = [sys.executable, "-m", *shlex.split(line)]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert ask(served, "/me", made.stdout.strip())["username"] == "admin"


def test_the_lines_that_it_says_set_our_client_up(served: Served, tmp_path: Path) -> None:
    program = [
        *_lines(served)["fascicle, in Python"],
        "print('FOUND', len(sessions))",
        "eid = one.search(dataset='spikes.times.npy')[0]",
        "print('LISTED', len(one.list_datasets(eid)))",
    ]
    env = {
        **os.environ,
        "HOME": str(tmp_path),
        "FASCICLE_ALYX_URL": served.url,
        "FASCICLE_ALYX_USER": "admin",
        "FASCICLE_ALYX_PASSWORD": served.password,
    }
    run = subprocess.run(
        [sys.executable, "-c", "\n".join(program)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=env,
        timeout=300,
    )
    assert re.search(r"FOUND [1-9]", run.stdout), run.stderr[-3000:]
    assert re.search(r"LISTED [1-9]", run.stdout), run.stderr[-3000:]


def test_it_ends_cleanly_and_shows_the_password_no_second_time(
    folder: Path, tmp_path: Path
) -> None:
    state, lab = tmp_path / "state", one_day(folder, tmp_path / "lab")
    first = Served(tmp_path / "1.log", lab, "--state", state)
    until = time.monotonic() + 30
    while len(first.group()) < 4:  # itself, two workers, one that watches
        assert time.monotonic() < until
        time.sleep(0.05)
    assert first.password
    assert first.stop() == 0
    assert first.group() == []
    second = Served(tmp_path / "2.log", lab, "--state", state)
    try:
        assert not second.password and "password" not in second.said.replace(
            "A token, in place of the password", ""
        )
        token_of(second, "admin", first.password)
        second.process.send_signal(signal.SIGINT)
        assert second.process.wait(30) == 0
    finally:
        second.kill()
    assert first.password not in "".join(
        path.read_text(errors="replace") for path in state.rglob("*") if path.is_file()
    )


def test_what_changes_in_the_folder_is_served(folder: Path, tmp_path: Path) -> None:
    lab = one_day(folder, tmp_path / "lab")
    settings = tmp_path / "hub.toml"
    settings.write_text("watch = 0.2\nworkers = 1\n")
    served = Served(tmp_path / "log", lab, "--config", settings)
    try:
        token = token_of(served, "admin", served.password)
        before = ask(served, "/sessions?limit=1", token)["count"]
        session = lab / "zadorlab" / "Subjects" / "new_mouse" / "2024-01-02" / "001" / "alf"
        session.mkdir(parents=True)
        (session / "rigNotes.text.txt").write_text("hello")
        until = time.monotonic() + 60
        while ask(served, "/sessions?limit=1", token)["count"] == before:
            assert time.monotonic() < until, served.said
            time.sleep(0.2)
        found = ask(served, "/sessions?subject=new_mouse", token)["results"]
        assert found[0]["start_time"].startswith("2024-01-02")
        # Killed, it leaves nobody behind.
        os.kill(served.process.pid, signal.SIGKILL)
        served.process.wait()
        until = time.monotonic() + 30
        while served.group():
            assert time.monotonic() < until, served.group()
            time.sleep(0.1)
    finally:
        served.kill()


def test_an_address_that_is_taken(run: Any, folder: Path, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("serve", folder, "--state", tmp_path / "s", "--port", str(port))
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1 and "--port 0" in done.stderr
    assert not (tmp_path / "s").exists()


def test_what_cannot_be_served_is_said_in_one_line(run: Any, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for args, said in (
        ([tmp_path / "none"], "there is no folder"),
        ([], "neither a folder"),
        ([folder, "--state", tmp_path / "file" / "x"], "cannot write its state"),
        ([folder, "--database", "mysql://a"], "PostgreSQL"),
        ([folder, "--state", tmp_path / "p", "--database", "postgresql://127.0.0.1:1/x"], "answer"),
        ([folder, "--public-url", "hub.lab.org"], "https://"),
    ):
        done = run("serve", *args, "--port", "0")
        assert (done.returncode, done.stderr.count("\n")) == (3, 1), done.stderr
        assert said in done.stderr


# -- looking after it -----------------------------------------------------------------------------

GOOD = "correct horse battery"


def test_users_by_the_command_line(hub: Any, served: Served) -> None:
    done = hub("user", "add", "anna", "--password-stdin", input=f"{GOOD}\n")
    assert done.returncode == 0, done.stderr
    token = token_of(served, "anna", GOOD)
    done = hub("user", "add", "otto", "--public", env=os.environ | {"FASCICLE_HUB_PASSWORD": GOOD})
    assert done.returncode == 0 and GOOD not in done.stdout + done.stderr
    done = hub("user", "add", "eve", "--generate")
    token_of(served, "eve", done.stdout.strip())
    rows = {row["user"]: row for row in json.loads(hub("user", "list", "--json").stdout)}
    assert {name: rows[name]["role"] for name in ("admin", "anna", "otto")} == {
        "admin": "admin",
        "anna": "member",
        "otto": "public",
    }
    assert "otto" in hub("user", "list").stdout
    done = hub("user", "password", "anna", "--password-stdin", input=f"{GOOD} 2\n")
    assert done.returncode == 0
    headers = {"Authorization": f"Token {token}"}
    assert http.request("GET", f"{served.url}/sessions", headers=headers).status == 403
    token_of(served, "anna", f"{GOOD} 2")
    assert hub("user", "public", "anna").returncode == 0
    assert hub("user", "public", "anna", "--off").returncode == 0
    assert "removed" in hub("user", "remove", "anna").stderr


def test_a_password_is_never_an_argument(hub: Any) -> None:
    done = hub("user", "add", "zoe")
    assert done.returncode == 3
    assert "--password-stdin" in done.stderr and done.stderr.count("\n") == 1
    assert hub("user", "add", "zoe", "--password", GOOD).returncode == 2
    assert hub("user", "password", "nobody").returncode == 3


def test_tokens_by_the_command_line(hub: Any, served: Served) -> None:
    done = hub("token", "new", "admin", "--label", "rig", "--days", "2")
    token = done.stdout.strip()
    assert re.fullmatch("[0-9a-f]{40}", token)
    assert ask(served, "/me", token)["username"] == "admin"
    rows = json.loads(hub("token", "list", "admin", "--json").stdout)
    row = next(row for row in rows if row["label"] == "rig")
    assert token not in hub("token", "list").stdout
    assert hub("token", "revoke", row["id"]).returncode == 0
    headers = {"Authorization": f"Token {token}"}
    assert http.request("GET", f"{served.url}/me", headers=headers).status == 403
    assert hub("token", "revoke", "nothing").returncode == 3


def test_a_backup_while_it_serves(hub: Any, tmp_path: Path) -> None:
    done = hub("backup", tmp_path / "a.tar.gz")
    assert done.returncode == 0, done.stderr
    with tarfile.open(tmp_path / "a.tar.gz") as tar:
        assert {"hub.sqlite3", "secret", "about.json"} <= set(tar.getnames())
    assert hub("backup", tmp_path / "a.tar.gz").returncode == 3


def test_a_backup_is_a_hub_again(hub: Any, folder: Path, tmp_path: Path, run: Any) -> None:
    hub("user", "add", "kept", "--generate")
    assert hub("backup", tmp_path / "b.tar").returncode == 0
    state = tmp_path / "restored"
    with tarfile.open(tmp_path / "b.tar") as tar:
        tar.extractall(state, filter="data")
    done = run("hub", "user", "list", "--hub", state)
    assert "kept" in done.stdout, done.stderr


def test_the_check_says_what_is_missing(hub: Any, run: Any, tmp_path: Path) -> None:
    done = hub("check", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == int(any(row["level"] != "note" for row in found))
    assert any("password of the first start" in row["what"] for row in found)
    settings = tmp_path / "open.toml"
    settings.write_text('host = "0.0.0.0"\ndebug = true\n')
    done = hub("check", "--config", settings)
    assert done.returncode == 1
    assert "unsafe: the hub listens at 0.0.0.0 without TLS" in done.stdout
    assert "unsafe: errors are shown" in done.stdout
    assert "is known to everybody" in done.stdout


def test_the_folder_is_imported_again(hub: Any, tmp_path: Path) -> None:
    done = hub("import")
    assert done.returncode == 0, done.stderr
    assert hub("import", tmp_path).returncode == 3  # another folder


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a hub that has nothing yet, and was stopped; others copy it."""
    folder = tmp_path_factory.mktemp("stopped") / "other"
    folder.mkdir()
    there = Served(folder.with_name("other.log"), folder, "--no-watch")
    there.stop()
    there.kill()
    return folder


@pytest.fixture
def other(stopped: Path, tmp_path: Path) -> Path:
    """Return the folder of a hub that has nothing yet, and was stopped."""
    return Path(shutil.copytree(stopped, tmp_path / "other"))


def counts(dump: Path) -> dict[str, int]:
    """Return how many of the rows that people know by name a dump has."""
    rows = [
        row["model"].rpartition(".")[2] for row in json.loads(gzip.decompress(dump.read_bytes()))
    ]
    return {name: rows.count(name) for name in ("session", "subject", "dataset", "probeinsertion")}


def test_a_dump_goes_out_of_one_hub_and_into_another(
    hub: Any, other: Path, tmp_path: Path, run: Any
) -> None:
    out, back = tmp_path / "lab.json.gz", tmp_path / "back.json.gz"
    done = hub("export", out)
    assert done.returncode == 0, done.stderr
    done = run("hub", "import", out, "--hub", other)
    assert done.returncode == 0, done.stderr
    assert run("hub", "export", back, "--hub", other).returncode == 0
    assert counts(back) == counts(out)
    assert counts(out)["session"] > 5
    broken = tmp_path / "broken.json"
    broken.write_text('[{"model": "actions.session", "pk"')
    done = run("hub", "import", broken, "--hub", other)
    assert done.returncode == 3 and "Traceback" not in done.stderr, done.stderr


def test_a_running_alyx_comes_into_a_hub(
    hub: Any, served: Served, other: Path, tmp_path: Path, run: Any
) -> None:
    done = hub("user", "add", "copier", "--password-stdin", input="a long password, truly\n")
    assert done.returncode == 0, done.stderr
    words = ("hub", "import", served.url, "--hub", other, "--user", "copier", "--password-stdin")
    done = run(*words, input="wrong\n")
    assert done.returncode == 3 and "password" in done.stderr, done.stderr
    done = run(*words, input="a long password, truly\n")
    assert done.returncode == 0, done.stderr
    out, back = tmp_path / "lab.json.gz", tmp_path / "back.json.gz"
    assert hub("export", out).returncode == 0
    assert run("hub", "export", back, "--hub", other).returncode == 0
    assert counts(back) == counts(out)
    done = run("hub", "import", "http://127.0.0.1:9", "--hub", other, "--token-stdin", input="t\n")
    assert done.returncode == 3 and "127.0.0.1:9" in done.stderr, done.stderr


def test_no_hub_is_said_so(run: Any, tmp_path: Path) -> None:
    done = run("hub", "user", "list", cwd=tmp_path)
    assert done.returncode == 3 and "has no hub" in done.stderr


def test_help_is_quick_and_imports_no_server(run: Any) -> None:
    code = "import sys, fascicle.cli.app; sys.exit('django' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    for args in (["serve", "-h"], ["hub", "-h"], ["hub", "user", "-h"], ["hub", "check", "-h"]):
        assert run(*args).returncode == 0
