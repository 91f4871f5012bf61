"""Who asks: names, passwords and tokens, where they come from and where they never show."""

from __future__ import annotations

import json
import logging
import os
import pickle
import socket
import stat
import subprocess
import sys
import threading
import time
import traceback
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fascicle.alyx import AlyxClient, Secret, credentials, params
from fascicle.errors import (
    BadAnswerError,
    ConfigurationError,
    HTTPError,
    LoginError,
    LoginNeeded,
    ServerError,
)

from .conftest import PASSWORD, TOKEN, FakeAlyx, Said, client_of

PUBLIC = "https://openalyx.internationalbrainlab.org"


def kept(server: FakeAlyx) -> dict[str, Any]:
    path = params.get_params_dir() / f".127.0.0.1_{server.port}"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


# -- secrets ---------------------------------------------------------------------------------------


def test_a_secret_does_not_show() -> None:
    secret = Secret("c0ffee")
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>9}", "%s" % secret, str([secret])]  # noqa: UP031
    assert not any("c0ffee" in text for text in shown)
    assert secret.reveal() == "c0ffee" == Secret(secret).reveal()
    assert type(secret.reveal()) is str
    assert secret.encode() == b"c0ffee"
    assert json.dumps({"token": secret}, indent=1) == '{\n "token": "c0ffee"\n}'
    assert Secret.of("") is None
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_nothing_shows(
    server: FakeAlyx,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    server.routes["GET", "/x"] = Said({"n": 1})
    alyx = client_of(server, tmp_path, silent=False)
    alyx.get("/x")
    shown = [repr(alyx), repr(vars(alyx)), repr(alyx._par), repr(alyx._headers), repr(alyx._token)]
    for path in ("/nope", "/auth-token"):
        try:
            alyx.post(path, data={"a": 1})
        except HTTPError as error:
            shown += [repr(error), str(error), repr(vars(error)), deep_trace(error)]
    try:
        client_of(server, tmp_path, password=PASSWORD + "x")
    except LoginError as error:
        shown += [repr(error), deep_trace(error)]
    server.stop()
    alyx.bounds.patience = 0
    for kwargs in ({}, {"force": True, "password": PASSWORD}):
        try:
            alyx.authenticate(**kwargs)
            alyx.get("/y")
        except OSError as error:
            shown += [repr(error), deep_trace(error)]
    text = "\n".join([*shown, caplog.text, *capsys.readouterr()])
    assert PASSWORD not in text
    assert TOKEN not in text
    assert text.count("test_user") >= 3


def deep_trace(error: BaseException) -> str:
    """Return a traceback with the local variables of our own frames, as tools print it."""
    found = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = [frame for frame in found.stack if "/alyx/" in frame.filename]
    assert ours
    chain = "".join(traceback.format_exception(error))
    return chain + "".join(str(f.locals) for f in ours if "tests" not in f.filename)


# -- logging in ------------------------------------------------------------------------------------


def test_with_a_password(
    server: FakeAlyx, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alyx = client_of(server, tmp_path, silent=False)
    assert capsys.readouterr().out == f'Connected to {server.url} as user "test_user"\n'
    assert alyx.is_logged_in
    assert alyx.user == "test_user"
    assert "logged in" not in repr(alyx)
    assert kept(server)["TOKEN"] == {"test_user": {"token": TOKEN}}
    assert "ALYX_PWD" not in kept(server)
    if os.name == "posix":
        for path in params.get_params_dir().iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = AlyxClient(server.url, "test_user", silent=True)
    assert again.is_logged_in
    plain = AlyxClient(server.url, silent=True)
    assert not plain.is_logged_in
    server.routes["GET", "/x"] = Said(1)
    assert plain.get("/x") == 1
    assert plain.user == "test_user"
    assert server.logins == 1
    alyx.logout()
    assert capsys.readouterr().out == f"test_user logged out from {server.url}\n"
    assert kept(server)["TOKEN"] == {}


def test_for_a_single_use(server: FakeAlyx, tmp_path: Path) -> None:
    alyx = client_of(server, tmp_path, stay_logged_in=False)
    assert alyx.is_logged_in
    assert not params.get_params_dir().exists()
    params.setup("https://mine.org", username="me")
    params.save_token("https://mine.org", "me", "t")
    before = {p.name: p.read_text() for p in params.get_params_dir().iterdir()}
    assert client_of(server, tmp_path, stay_logged_in=False).is_logged_in
    client_of(server, tmp_path, stay_logged_in=False).logout()
    assert {p.name: p.read_text() for p in params.get_params_dir().iterdir()} == before


def test_a_wrong_password(server: FakeAlyx, tmp_path: Path) -> None:
    client_of(server, tmp_path)
    with pytest.raises(LoginError, match='does not take the password of "test_user"') as caught:
        client_of(server, tmp_path, password="not-it")
    assert caught.value.status == caught.value.response.status_code == 400
    assert isinstance(caught.value, PermissionError)
    assert "not-it" not in str(caught.value)
    assert kept(server)["TOKEN"]  # what was kept is good still


def test_with_a_token(server: FakeAlyx, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for token in (TOKEN, {"token": TOKEN}):
        alyx = client_of(server, tmp_path, username=None, password=None, token=token)
        assert alyx.user == "test_user"
    assert kept(server)["ALYX_LOGIN"] == "test_user"
    other = client_of(server, tmp_path, username="somebody", password=None, token=TOKEN)
    assert other.user == "test_user"
    assert 'is of "test_user"' in caplog.text
    with pytest.raises(LoginError, match="does not take the token"):
        client_of(server, tmp_path, username=None, password=None, token="wrong-token")
    server.knows_me = False
    given = {"username": "somebody", "password": None, "token": TOKEN}
    assert client_of(server, tmp_path, **given).user == "somebody"
    with pytest.raises(LoginNeeded, match="whose the token is"):
        client_of(server, tmp_path, username=None, password=None, token=TOKEN)
    assert server.logins == 0


def told_nothing(server: FakeAlyx) -> bool:
    """Whether a server was asked at most whether it is there."""
    return all(
        (asked.method, asked.path) == ("GET", "/auth-token")
        and not asked.body
        and "authorization" not in asked.headers
        for asked in server.log
    )


def test_no_server_to_log_in_to(tmp_path: Path) -> None:
    """Who mistyped an address is not sent to look for a password."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    alyx = AlyxClient(f"http://127.0.0.1:{port}", cache_dir=tmp_path, silent=True)
    with pytest.raises(ServerError, match=r"no answer from .* refused"):
        alyx.get("/x")


@pytest.mark.parametrize("status", [200, 404])
def test_a_server_of_another_kind(server: FakeAlyx, tmp_path: Path, status: int) -> None:
    page = Said(b"<html><title>Welcome</title></html>", status)
    server.faults.extend([page] * 3)
    alyx = client_of(server, tmp_path, username=None, password=None)
    with pytest.raises(BadAnswerError, match=r"seems to be no Alyx.*\(Welcome\)") as caught:
        alyx.get("/x")
    assert caught.value.hint
    assert told_nothing(server)
    with pytest.raises(BadAnswerError, match="seems to be no Alyx"):
        alyx.get("/x")  # a page before makes no database of it


def test_the_password_that_is_known_to_all(server: FakeAlyx, tmp_path: Path) -> None:
    """The tutorial names no user with it; copies of the public server have the account."""
    server.users["intbrainlab"] = ("international", "public-token")
    alyx = client_of(server, tmp_path, username=None, password="international")
    assert alyx.user == "intbrainlab"
    params.setup(server.url, username="test_user")  # whoever is set up is meant
    with pytest.raises(LoginError, match='password of "test_user"'):
        client_of(server, tmp_path, username=None, password="international")
    with pytest.raises(LoginNeeded, match="no user name is known"):
        other = server.url.replace("127.0.0.1", "localhost")
        AlyxClient(other, password="another", cache_dir=tmp_path, silent=True)


def test_settings_that_cannot_be_kept(
    server: FakeAlyx,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    place = tmp_path / "file" / ".one"
    place.parent.write_text("no folder")
    monkeypatch.setattr(params, "get_params_dir", lambda: place)
    with pytest.raises(ConfigurationError, match="cannot be kept in") as caught:
        params.setup(server.url)
    assert "base_url=" in caught.value.hint
    alyx = client_of(server, tmp_path)
    assert alyx.is_logged_in
    assert "is not kept" in caplog.text


def test_an_address_without_tls(server: FakeAlyx, tmp_path: Path) -> None:
    address = server.url.removeprefix("http://")
    with pytest.raises(ServerError, match="no trusted connection") as caught:
        AlyxClient(address, "test_user", PASSWORD, cache_dir=tmp_path, silent=True)
    assert server.url in caught.value.hint


def test_nobody_to_ask(server: FakeAlyx, tmp_path: Path) -> None:
    for silent in (True, False):
        alyx = client_of(server, tmp_path, username=None, password=None, silent=silent)
        with pytest.raises(LoginNeeded, match="no user name is known") as caught:
            alyx.get("/x")
        assert "FASCICLE_ALYX_USER" in caught.value.hint
        assert isinstance(caught.value, ValueError)
        with pytest.raises(LoginNeeded, match='no password or token of "me" is known'):
            client_of(server, tmp_path, username="me", password=None, silent=silent)


def test_at_a_terminal(server: FakeAlyx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "can_ask", lambda: True)
    monkeypatch.setattr("builtins.input", lambda text: "test_user")
    monkeypatch.setattr("getpass.getpass", lambda text: PASSWORD)
    alyx = client_of(server, tmp_path, username=None, password=None, silent=False)
    alyx.authenticate()
    assert alyx.user == "test_user"
    monkeypatch.setattr("getpass.getpass", lambda text: TOKEN if "Token" in text else "")
    alyx.authenticate(force=True)  # the password is known by now
    assert not server.asked("/me")
    alyx._password = None
    alyx.authenticate(force=True)
    assert server.asked("/me")
    monkeypatch.setattr("getpass.getpass", lambda text: "")
    alyx._password = None
    with pytest.raises(LoginNeeded):
        alyx.authenticate(force=True)
    alyx.silent = True
    monkeypatch.setattr("getpass.getpass", lambda text: pytest.fail("asked"))
    with pytest.raises(LoginNeeded):
        alyx.authenticate(force=True)


def test_no_prompt_without_a_terminal(server: FakeAlyx, tmp_path: Path) -> None:
    code = f"from fascicle.alyx import AlyxClient; AlyxClient({server.url!r}).get('/x')"
    run = subprocess.run(
        [sys.executable, "-c", code], input="me\nmy-password\n", capture_output=True, text=True
    )
    assert run.returncode == 1
    assert "LoginNeeded: no user name is known" in run.stderr
    assert f"fascicle login {server.url}" in run.stderr
    assert told_nothing(server)


def test_the_environment(server: FakeAlyx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.routes["GET", "/x"] = Said(1)
    monkeypatch.setenv("FASCICLE_ALYX_USER", "test_user")
    monkeypatch.setenv("FASCICLE_ALYX_PASSWORD", PASSWORD)
    alyx = client_of(server, tmp_path, username=None, password=None)
    with pytest.raises(LoginNeeded):  # it is not said which server they are for
        alyx.get("/x")
    monkeypatch.setenv("FASCICLE_ALYX_URL", "https://mylab.org")
    with pytest.raises(LoginNeeded):
        alyx.get("/x")
    assert told_nothing(server)
    monkeypatch.setenv("FASCICLE_ALYX_URL", server.url)
    assert alyx.get("/x") == 1
    assert AlyxClient(silent=True).base_url == server.url
    assert not params.get_params_dir().exists()
    monkeypatch.delenv("FASCICLE_ALYX_USER")
    monkeypatch.delenv("FASCICLE_ALYX_PASSWORD")
    monkeypatch.setenv("FASCICLE_ALYX_TOKEN", TOKEN)
    alyx = AlyxClient(silent=True)
    assert alyx.get("/x", clobber=True) == 1
    assert alyx.user == "test_user"
    assert not params.get_params_dir().exists()
    monkeypatch.delenv("FASCICLE_ALYX_URL")
    params.setup(server.url)  # the default server
    assert AlyxClient(silent=True).get("/x", clobber=True) == 1
    server.users["bob"] = ("bobs", "bobs-token")
    bob = AlyxClient(silent=True, username="bob", password="bobs")
    assert bob.user == "bob"
    monkeypatch.delenv("FASCICLE_ALYX_TOKEN")
    monkeypatch.setenv("FASCICLE_ALYX_USER", "bob")
    monkeypatch.setenv("FASCICLE_ALYX_PASSWORD", "bobs")
    before = server.logins
    assert AlyxClient(silent=True).get("/x", clobber=True) == 1  # by the token that was kept
    assert server.logins == before
    server.revoked.add("bobs-token")
    assert AlyxClient(silent=True).get("/x", clobber=True) == 1
    assert server.logins == before + 1


def test_the_settings_of_one(server: FakeAlyx, tmp_path: Path) -> None:
    folder = params.get_params_dir()
    folder.mkdir()
    key = f"127.0.0.1_{server.port}"
    (folder / ".caches").write_text(
        json.dumps({"CLIENT_MAP": {key: str(tmp_path / "data")}, "DEFAULT": key})
    )
    known = {
        "ALYX_URL": server.url,
        "ALYX_LOGIN": "test_user",
        "ALYX_PWD": PASSWORD,
        "HTTP_DATA_SERVER": "https://data.mylab.org",
        "HTTP_DATA_SERVER_LOGIN": "iblmember",
        "HTTP_DATA_SERVER_PWD": "data-secret",
        "OTHER": 1,
    }
    (folder / f".{key}").write_text(json.dumps(known))
    server.routes["GET", "/x"] = Said(1)
    alyx = AlyxClient(silent=True)
    assert (alyx.base_url, alyx.cache_dir) == (server.url, tmp_path / "data")
    assert alyx._par.HTTP_DATA_SERVER == "https://data.mylab.org"
    assert alyx.get("/x") == 1
    assert "secret" not in repr(alyx._par).lower()
    assert kept(server) == {**known, "TOKEN": {"test_user": {"token": TOKEN}}}
    params.setup(server.url, cache_dir=tmp_path / "more")
    assert kept(server) == {**known, "TOKEN": {"test_user": {"token": TOKEN}}}
    params.setup(server.url, username="else")
    assert kept(server)["ALYX_LOGIN"] == "else"
    assert kept(server)["TOKEN"] == {"test_user": {"token": TOKEN}}
    assert json.loads((folder / ".caches").read_text())["CLIENT_MAP"][key].endswith("more")
    saved = params.get(server.url)
    params.save(saved.set("ALYX_LOGIN", "test_user"), server.url)
    assert kept(server)["ALYX_PWD"] == PASSWORD


def test_looking_up_settings_writes_nothing(tmp_path: Path) -> None:
    found = params.get("https://lab.org/alyx/")
    assert found.ALYX_URL == "https://lab.org/alyx"
    assert found.CACHE_DIR.endswith("lab.org_alyx")
    assert params.get().ALYX_URL == PUBLIC
    AlyxClient("lab.org", silent=True, cache_dir=tmp_path)
    assert not params.get_params_dir().exists()


SAVING = """
import sys
from fascicle.alyx import params
url, name = sys.argv[1:]
for i in range(25):
    params.save_token(url, f"{name}-{i}", "t")
"""


def test_many_programs_keep_tokens_at_once() -> None:
    url = "https://lab.org"
    params.setup(url)
    command = [sys.executable, "-c", SAVING, url]
    running = [subprocess.Popen([*command, str(n)], env=dict(os.environ)) for n in range(4)]
    assert not any(process.wait(60) for process in running)
    assert len(params.get(url).TOKEN) == 100


# -- the public server -----------------------------------------------------------------------------


def test_the_public_account() -> None:
    international = Secret("international")
    assert credentials.public_password(PUBLIC, "intbrainlab") == international
    for url, user in [
        (PUBLIC, "me"),
        ("https://lab.org", "intbrainlab"),
        (PUBLIC.replace("https", "http"), "intbrainlab"),
        (f"{PUBLIC}.evil.org", "intbrainlab"),
        (f"{PUBLIC}:8000", "intbrainlab"),
    ]:
        assert credentials.public_password(url, user) is None
    alyx = AlyxClient(PUBLIC, silent=True)
    assert alyx._known_user() == alyx._known_user(international) == "intbrainlab"
    assert alyx._known_user(Secret("my own")) is None
    params.setup(PUBLIC, username="me")
    alyx = AlyxClient(PUBLIC, silent=True)
    assert alyx._known_user() == "me"
    assert alyx._known_user(international) == "intbrainlab"


def test_it_says_that_it_is_public(
    server: FakeAlyx,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(params, "is_public", lambda url: url == server.url)
    server.users["intbrainlab"] = ("international", "public-token")
    server.routes["GET", "/x"] = Said(1)
    alyx = client_of(server, tmp_path, username=None, password=None, silent=False)
    assert alyx.get("/x") == 1
    line, note = capsys.readouterr().out.splitlines()
    assert line == f'Connected to {server.url} as user "intbrainlab"'
    assert "public account" in note
    given = {"username": None, "password": "international"}
    assert client_of(server, tmp_path, **given).user == "intbrainlab"


# -- tokens that are no longer good ----------------------------------------------------------------


def test_a_login_is_renewed(server: FakeAlyx, tmp_path: Path) -> None:
    server.routes["GET", "/x"] = Said(1)
    server.routes["POST", "/x"] = Said(2)
    alyx = client_of(server, tmp_path)
    server.revoked.add(TOKEN)
    assert alyx.post("/x", data={}) == 2
    assert server.logins == 2
    assert kept(server)["TOKEN"]["test_user"]["token"] == f"{TOKEN}-2"
    assert alyx.get("/x") == 1
    assert server.logins == 2


def test_threads_renew_a_login_once(server: FakeAlyx, tmp_path: Path) -> None:
    server.routes["GET", "/x"] = Said(1)
    alyx = client_of(server, tmp_path, cache_rest=None)
    wrong: list[Exception] = []

    def ask() -> None:
        try:
            for _ in range(50):
                assert alyx.get("/x") == 1
        except Exception as error:  # noqa: BLE001 - it is shown in the end
            wrong.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        time.sleep(0.05)
        with server.lock:
            before = server.logins
            server.revoked.add(server.users["test_user"][1])
        # a token that is taken away before it was used once would be a login that fails
        while server.logins == before and any(thread.is_alive() for thread in threads):
            time.sleep(0.01)
        time.sleep(0.2)
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]
    assert server.logins <= 4


def test_another_program_renewed_it(server: FakeAlyx, tmp_path: Path) -> None:
    server.routes["GET", "/x"] = Said(1)
    client_of(server, tmp_path)
    alyx = AlyxClient(server.url, "test_user", silent=True, cache_dir=tmp_path)
    server.revoked.add(TOKEN)
    server.users["test_user"] = (PASSWORD, "newer")
    params.save_token(server.url, "test_user", "newer")
    assert alyx.get("/x") == 1
    assert server.logins == 1


def test_a_login_that_cannot_be_renewed(server: FakeAlyx, tmp_path: Path) -> None:
    server.routes["GET", "/x"] = Said(1)
    client_of(server, tmp_path)
    server.revoked.add(TOKEN)
    alyx = AlyxClient(server.url, "test_user", silent=True, cache_dir=tmp_path)
    with pytest.raises(LoginError, match=r"403: Invalid token\.") as caught:
        alyx.get("/x")
    assert "authenticate" in caught.value.hint
    assert kept(server)["TOKEN"] == {}
    server.users["test_user"] = ("another password", "another")
    knows = client_of(server, tmp_path, password="another password")
    server.revoked.add("another")
    server.users["test_user"] = ("changed", "third")
    with pytest.raises(LoginError):
        knows.get("/x")
    assert len(server.asked("/auth-token")) == 3
