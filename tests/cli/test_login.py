"""``fascicle login``: the token goes into the settings, and nobody is asked without a terminal."""

from __future__ import annotations

import json
import stat
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.alyx.conftest import PASSWORD, TOKEN, FakeAlyx

from fascicle.alyx import AlyxClient, params
from fascicle.cli.app import fascicle


@pytest.fixture
def server() -> Any:
    """Return a server that knows test_user."""
    alyx = FakeAlyx()
    alyx.start()
    yield alyx
    alyx.stop()


def invoke(*args: str, given: str = "") -> Result:
    return CliRunner().invoke(fascicle, args, input=given)


def kept(server: FakeAlyx) -> dict[str, Any]:
    path = params.get_params_dir() / f".127.0.0.1_{server.port}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_login_and_logout(server: FakeAlyx) -> None:
    done = invoke("login", server.url, "--user", "test_user", "--password-stdin", given=PASSWORD)
    assert done.exit_code == 0, done.output
    assert 'as user "test_user"' in done.stdout
    assert PASSWORD not in done.output and TOKEN not in done.output
    assert kept(server)["TOKEN"] == {"test_user": {"token": TOKEN}}
    assert kept(server)["ALYX_LOGIN"] == "test_user"
    alyx = AlyxClient(server.url, silent=True)
    alyx.authenticate()
    assert (alyx.user, server.logins) == ("test_user", 1)
    gone = invoke("logout", server.url)
    assert (gone.exit_code, 'Forgot the token of "test_user"' in gone.stdout) == (0, True)
    assert kept(server)["TOKEN"] == {}
    assert "No token is kept" in invoke("logout", server.url).stderr


def test_with_a_token(server: FakeAlyx) -> None:
    done = invoke("login", server.url, "--token-stdin", "--default", given=f"{TOKEN}\n")
    assert done.exit_code == 0, done.output
    assert TOKEN not in done.output
    assert kept(server)["TOKEN"] == {"test_user": {"token": TOKEN}}
    assert params.get_default_client() == server.url


def test_nobody_to_ask(server: FakeAlyx) -> None:
    done = invoke("login", server.url, given="test_user\n")
    assert done.exit_code == 3
    assert "no terminal to ask at (--user NAME, and --password-stdin" in done.stderr
    done = invoke("login", server.url, "--user", "test_user", given=PASSWORD)
    assert done.exit_code == 3
    assert "no terminal to ask at" in done.stderr
    assert invoke("login", server.url, "--password-stdin").exit_code == 2
    assert server.logins == 0


def test_a_wrong_password(server: FakeAlyx) -> None:
    done = invoke("login", server.url, "--user", "test_user", "--password-stdin", given="wrong")
    assert done.exit_code == 3
    assert "does not take the password" in done.stderr
    assert "wrong" not in done.output.replace("password", "")
