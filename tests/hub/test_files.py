"""Files of a hub: ranges, conditions, logins, and nothing that is no dataset."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest

from fascicle.catalogue import Catalogue
from fascicle.testing.hub import HubServer


@pytest.fixture(scope="module")
def token(hub: HubServer) -> str:
    return hub.token("reader")


@pytest.fixture(scope="module")
def dataset(hub_lab: Path) -> tuple[str, str, bytes]:
    """Return a file's path in the lab, the same with its id, and its bytes."""
    catalogue = Catalogue.open(hub_lab)
    row = next(r for r in range(catalogue.n_sessions) if "2023-10-19" in catalogue.session(r).path)
    held = catalogue.datasets(row)
    n = held.rel_paths.index("alf/probe00/pykilosort/#2024-05-06#/spikes.times.npy")
    path = f"{catalogue.session(row).path}/{held.rel_paths[n]}"
    named = path.replace(".npy", f".{held.ids[n]}.npy")
    return path, named, (hub_lab / path).read_bytes()


def at(path: str) -> str:
    return "/data/" + urllib.parse.quote(path)


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize("k", [0, 1])
def test_whole(hub: HubServer, token: str, dataset: tuple[str, str, bytes], k: int) -> None:
    answer = hub.get(at(dataset[k]), token=token)
    assert answer.status == 200
    assert answer.data == dataset[2]
    assert int(answer.headers["Content-Length"]) == len(dataset[2])
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert hashlib.md5(dataset[2]).hexdigest() in answer.headers["ETag"]
    assert "Transfer-Encoding" not in answer.headers
    assert "attachment" in answer.headers["Content-Disposition"]


def test_without_lab(hub: HubServer, token: str, dataset: tuple[str, str, bytes]) -> None:
    assert hub.get(at(dataset[0].partition("Subjects/")[2]), token=token).data == dataset[2]


def test_head(hub: HubServer, token: str, dataset: tuple[str, str, bytes]) -> None:
    answer = hub.ask("HEAD", at(dataset[1]), token=token)
    assert (answer.status, answer.data) == (200, b"")
    assert int(answer.headers["Content-Length"]) == len(dataset[2])


@pytest.mark.parametrize("asked", ["0-9", "100-", "-7", "5-5", "10-999999999"])
def test_range(hub: HubServer, token: str, dataset: tuple[str, str, bytes], asked: str) -> None:
    answer = hub.ask("GET", at(dataset[1]), token=token, headers={"Range": f"bytes={asked}"})
    data = dataset[2]
    first, last = asked.split("-")
    wanted = data[-int(last) :] if not first else data[int(first) : int(last or len(data)) + 1]
    assert answer.status == 206
    assert answer.data == wanted
    assert int(answer.headers["Content-Length"]) == len(wanted)
    assert answer.headers["Content-Range"].endswith(f"/{len(data)}")


def test_range_that_is_not_there(
    hub: HubServer, token: str, dataset: tuple[str, str, bytes]
) -> None:
    asked = {"Range": f"bytes={len(dataset[2])}-"}
    answer = hub.ask("GET", at(dataset[1]), token=token, headers=asked)
    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{len(dataset[2])}"


def test_conditions(hub: HubServer, token: str, dataset: tuple[str, str, bytes]) -> None:
    path = at(dataset[1])
    known = hub.ask("HEAD", path, token=token).headers
    for name, value in (
        ("If-None-Match", known["ETag"]),
        ("If-Modified-Since", known["Last-Modified"]),
    ):
        answer = hub.ask("GET", path, token=token, headers={name: value})
        assert (answer.status, answer.data) == (304, b"")
    part = {"Range": "bytes=0-3", "If-Range": known["ETag"]}
    assert hub.ask("GET", path, token=token, headers=part).status == 206
    part["If-Range"] = '"another"'
    answer = hub.ask("GET", path, token=token, headers=part)
    assert (answer.status, answer.data) == (200, dataset[2])


def test_logins(hub: HubServer, token: str, dataset: tuple[str, str, bytes]) -> None:
    path = at(dataset[1])
    nobody = hub.get(path)
    assert nobody.status == 401
    assert nobody.headers["WWW-Authenticate"].startswith("Basic ")
    assert dataset[2] not in nobody.data
    for shown in (
        basic("reader", hub.users["reader"].password),
        basic("reader", token),
        {"Authorization": f"Token {token}"},
    ):
        assert hub.ask("GET", path, headers=shown).data == dataset[2]
    for shown in (
        basic("reader", "wrong"),
        basic("test_user", token),
        {"Authorization": "Token " + 40 * "0"},
        {"Authorization": "Digest x"},
    ):
        assert hub.ask("GET", path, headers=shown).status == 401


def test_who_has_no_login_learns_nothing(hub: HubServer, dataset: tuple[str, str, bytes]) -> None:
    there, away = hub.get(at(dataset[0])), hub.get(at(dataset[0] + "x"))
    assert (there.status, there.data) == (away.status, away.data)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_files_are_read_only(
    hub: HubServer, token: str, dataset: tuple[str, str, bytes], method: str
) -> None:
    assert hub.ask(method, at(dataset[0]), token=token).status == 405


@pytest.mark.parametrize(
    "path",
    [
        "_fascicle_lab.json",
        "README.txt",
        "sessions.pqt",
        "",
        ".fascicle/hub/secret",
        ".fascicle/log",
        "../lab/README.txt",
        "..%2f..%2f..%2fetc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "....//etc/passwd",
        "/etc/passwd",
        "//etc/passwd",
        "lab/Subjects/%00/2020-01-01/001/alf/x.npy",
        "lab\\Subjects\\x",
        "a" * 3000,
        "x/2020-99-99/001/alf/a.b.npy",
        "x/2020-01-01/99999999999999999999/alf/a.b.npy",
        "x/2020-01-01/²/alf/a.b.npy",
        "%ff%fe/2020-01-01/001/a.b.npy",
    ],
)
def test_nothing_but_datasets(hub: HubServer, token: str, path: str) -> None:
    answer = hub.get("/data/" + path, token=token)
    assert answer.status in (404, 400, 301, 302, 403)
    assert b"root:" not in answer.data


def test_encoded_slashes(hub: HubServer, token: str, dataset: tuple[str, str, bytes]) -> None:
    coded = urllib.parse.quote(dataset[0]).replace("/alf/", "%2Falf%2F")
    assert hub.get("/data/" + coded, token=token).status == 404
    for odd in ("/./alf/", "/../001/alf/", "//alf/"):  # urllib3 would tidy these up
        to = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=30)
        path = at(dataset[0]).replace("/alf/", odd)
        to.request("GET", path, headers={"Authorization": f"Token {token}"})
        assert to.getresponse().status == 404
        to.close()


def test_links_out_of_the_folder(
    make_hub: Callable[..., HubServer], hub_lab: Path, tmp_path: Path
) -> None:
    lab = tmp_path / "lab"
    folder = lab / "somelab" / "Subjects" / "mouse" / "2024-01-02" / "001" / "alf"
    folder.mkdir(parents=True)
    (folder / "trials.inside.npy").write_bytes(b"inside")
    (folder / "trials.outside.npy").write_bytes(b"before")
    (folder / "trials.hidden.npy").write_bytes(b"before")
    hub = make_hub(lab).start()
    token = hub.token("test_user")
    base = "/data/somelab/Subjects/mouse/2024-01-02/001/alf/trials."
    assert hub.get(f"{base}outside.npy", token=token).data == b"before"
    (tmp_path / "secret").write_bytes(b"secret")
    (lab / ".hidden").mkdir()
    (lab / ".hidden" / "x").write_bytes(b"secret")
    for name, target in (
        ("outside", tmp_path / "secret"),
        ("hidden", lab / ".hidden" / "x"),
    ):
        (folder / f"trials.{name}.npy").unlink()
        (folder / f"trials.{name}.npy").symlink_to(target)
        answer = hub.get(f"{base}{name}.npy", token=token)
        assert answer.status == 404
        assert b"secret" not in answer.data
    os.mkfifo(folder / "pipe")
    (folder / "trials.inside.npy").unlink()
    (folder / "trials.inside.npy").symlink_to(folder / "pipe")
    assert hub.get(f"{base}inside.npy", token=token).status == 404


def test_open_release(make_hub: Callable[..., HubServer], dataset: tuple[str, str, bytes]) -> None:
    hub = make_hub().start()
    path = at(dataset[1])
    code = """
from fascicle.hub.models import Tag
Tag.objects.filter(name="2024_Q2_IBL_et_al_BWM_iblsort").update(open=value, public=True)
"""
    assert hub.get(path).status == 401
    hub.run(code, value=True)
    assert hub.get(path).data == dataset[2]
    other = at(dataset[0].replace("#2024-05-06#/", ""))
    assert hub.get(other).status == 401
    hub.run(code, value=False)
    assert hub.get(path).status == 401


def test_storage_elsewhere(
    make_hub: Callable[..., HubServer], dataset: tuple[str, str, bytes], tmp_path: Path
) -> None:
    settings = tmp_path / "hub.toml"
    settings.write_text('storage = "https://storage.example.org/lab"\n')
    hub = make_hub(arguments=["--config", str(settings)]).start()
    answer = hub.get(at(dataset[1]), token=hub.token("reader"))
    assert answer.status == 302
    where = urllib.parse.unquote(answer.headers["Location"])
    assert where == f"https://storage.example.org/lab/{dataset[0]}"
    assert hub.get(at(dataset[1])).status == 401


def test_other_repository(
    make_hub: Callable[..., HubServer], dataset: tuple[str, str, bytes]
) -> None:
    hub = make_hub().start()
    hub.run(
        """
from fascicle.hub.models import DataRepository, FileRecord
FileRecord.objects.filter(dataset_id=did).delete()
there = DataRepository.objects.create(name="away", data_url="https://data.example.org/files/")
FileRecord.objects.create(dataset_id=did, data_repository=there, exists=True)
""",
        did=dataset[1].rsplit(".", 2)[1],
    )
    answer = hub.get(at(dataset[1]), token=hub.token("reader"))
    assert answer.status == 302
    where = urllib.parse.unquote(answer.headers["Location"])
    assert where == f"https://data.example.org/files/{dataset[1]}"
