"""The settings, the systemd unit and the nginx server of the docs, as they stand there."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import urllib3
from benchmarks.network.nginx import find

from fascicle.hub.config import HubConfig, load_config
from fascicle.testing.hub import HubServer

PAGE = Path(__file__).parents[2] / "docs" / "hub.md"
NAME = "hub.lab.org"


def block(language: str, word: str) -> str:
    """Return the block of the page in a language that has a word."""
    blocks = re.findall(
        rf"^```{{code-block}} {language}\n(.*?)^```$", PAGE.read_text(), re.M | re.S
    )
    (found,) = [text for text in blocks if word in text]
    return str(found)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_settings_are_understood(tmp_path: Path) -> None:
    file = tmp_path / "hub.toml"
    file.write_text(block("toml", "public_url"))
    config = load_config(file=file)
    assert (config.url, config.proxies) == (f"https://{NAME}", 1)
    assert config.state == Path("/var/lib/fascicle")


def test_every_setting_is_explained() -> None:
    from dataclasses import fields

    text = PAGE.read_text()
    rows = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE))))
    assert rows == {field.name for field in fields(HubConfig)}


def test_every_command_is_there() -> None:
    from fascicle.cli.app import fascicle

    lines = re.findall(r"^\$ fascicle (.+)$", PAGE.read_text(), re.MULTILINE)
    assert len(lines) > 10
    for line in lines:
        words = line.partition("#")[0].split()
        command: Any = fascicle
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        assert not hasattr(command, "commands"), line
        options = {name for param in command.params for name in param.opts}
        assert {word for word in words if word.startswith("--")} <= options, line


def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "fascicle-hub.service"
    text = block("ini", "[Service]").replace("/opt/fascicle/bin/fascicle", sys.executable)
    # Whoever runs this has neither that user nor those other units.
    text = re.sub(r"^(User=|After=|Wants=).*\n", "", text, flags=re.MULTILINE)
    unit.write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    ours = [line for line in done.stderr.splitlines() if "fascicle-hub" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@pytest.fixture
def behind_nginx(
    hub_lab: Path, made_hub: HubServer, tmp_path: Path
) -> Iterator[tuple[HubServer, Any, str]]:
    """Return a hub, a pool of connections to the nginx before it, and its address."""
    tls, plain = free_port(), free_port()
    url = f"https://{NAME}:{tls}"
    authority = trustme.CA()
    certificate = authority.issue_cert(NAME)
    certificate.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    certificate.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    settings = tmp_path / "hub.toml"
    settings.write_text(f'public_url = "{url}"\nproxies = 1\n')
    arguments = ["--config", str(settings), "--no-watch"]
    with HubServer(hub_lab, like=made_hub, arguments=arguments) as hub:
        servers = block("nginx", "proxy_pass")
        for old, new in (
            ("listen 443", f"listen 127.0.0.1:{tls}"),
            ("listen 80", f"listen 127.0.0.1:{plain}"),
            ("127.0.0.1:8000", f"127.0.0.1:{hub.port}"),
            (f"/etc/ssl/{NAME}.pem", str(tmp_path / "cert.pem")),
            (f"/etc/ssl/{NAME}.key", str(tmp_path / "key.pem")),
        ):
            assert old in servers
            servers = servers.replace(old, new)
        (tmp_path / "nginx.conf").write_text(_AROUND.format(servers=servers, folder=tmp_path))
        command = [find(), "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
        nginx = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        pool = urllib3.HTTPSConnectionPool(
            "127.0.0.1",
            tls,
            ca_certs=str(tmp_path / "ca.pem"),
            server_hostname=NAME,
            assert_hostname=NAME,
            headers={"Host": f"{NAME}:{tls}"},
            retries=False,
        )
        try:
            _wait(tls, nginx)
            yield hub, pool, url
        finally:
            pool.close()
            nginx.terminate()
            nginx.communicate(timeout=10)


_AROUND = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr error;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {servers}
}}
"""


def _wait(port: int, nginx: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until and nginx.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    nginx.kill()
    raise AssertionError(nginx.communicate()[1])


def test_the_hub_behind_nginx(behind_nginx: tuple[HubServer, Any, str]) -> None:
    hub, pool, url = behind_nginx

    def ask(method: str, path: str, **more: Any) -> Any:
        headers = {**pool.headers, **more.pop("headers", {})}
        return pool.request(method, path, headers=headers, redirect=False, **more)

    user = hub.users["test_user"]
    login = {"username": user.name, "password": user.password}
    token = {"Authorization": f"Token {ask('POST', '/auth-token', json=login).json()['token']}"}

    # Addresses in answers are those that users have.
    page = ask("GET", "/datasets?limit=2&exists=true", headers=token).json()
    assert page["next"].startswith(f"{url}/datasets?")
    record = page["results"][0]["file_records"][0]
    assert record["data_url"].startswith(f"{url}/data/")
    assert page["results"][0]["url"].startswith(f"{url}/datasets/")

    # Files, in parts too.
    path = record["data_url"].removeprefix(url).replace("#", "%23")
    whole = ask("GET", path, headers=token)
    assert whole.status == 200 and len(whole.data) == page["results"][0]["file_size"]
    part = ask("GET", path, headers={**token, "Range": "bytes=1-4"})
    assert (part.status, part.data) == (206, whole.data[1:5])
    assert ask("GET", path).status == 401

    # A browser logs in: cookies for TLS alone, and forms from no other place.
    form = ask("GET", "/login")
    cookie = form.headers["Set-Cookie"]
    assert "Secure" in cookie and "SameSite" in cookie
    hidden = re.search(rb'csrfmiddlewaretoken" value="(\w+)"', form.data)
    assert hidden is not None
    fields = login | {"csrfmiddlewaretoken": hidden[1].decode()}
    sent = {"Cookie": cookie.split(";")[0], "Referer": f"{url}/login"}
    for origin, status in ((url, 302), ("https://evil.example", 403)):
        headers = {**sent, "Origin": origin}
        answer = ask("POST", "/login", fields=fields, headers=headers)
        assert answer.status == status

    # A long address, and a name that is not ours.
    ids = ",".join(["'00000000-0000-4000-8000-000000000000'"] * 180)
    assert ask("GET", f"/sessions?django=pk__in,[{ids}]", headers=token).status == 200
    assert hub.ask("GET", "/login", headers={"Host": "evil.example"}).status == 400
