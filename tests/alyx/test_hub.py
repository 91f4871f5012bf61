"""The client and a real hub: every endpoint, files, and a hub that is killed under it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fascicle.alyx import AlyxClient, Pages, params
from fascicle.errors import HTTPError, LoginError, LoginNeeded
from fascicle.testing.hub import HubServer

#: Their keys are names.
WITH_NAMES = (
    *("labs", "projects", "tags", "revisions", "data-repository", "data-repository-type"),
    *("data-formats", "dataset-types", "locations", "water-type", "subjects", "users"),
    *("water-requirement", "procedures"),
)


@pytest.fixture(scope="module")
def hub(tiny_lab: Path, made_hub: HubServer) -> Iterator[HubServer]:
    with HubServer(tiny_lab, like=made_hub) as server:
        yield server


@pytest.fixture
def alyx(hub: HubServer, tmp_path: Path) -> AlyxClient:
    password = hub.users["test_user"].password
    return AlyxClient(hub.url, "test_user", password, cache_dir=tmp_path / "cache", silent=True)


def test_logging_in(hub: HubServer, alyx: AlyxClient, tmp_path: Path) -> None:
    token = alyx._token["token"].reveal()  # type: ignore[index]
    by_token = AlyxClient(hub.url, token=token, cache_dir=tmp_path, silent=True)
    assert by_token.user == "test_user"
    with pytest.raises(LoginError, match="does not take the password"):
        AlyxClient(hub.url, "test_user", "wrong", cache_dir=tmp_path, silent=True)
    with pytest.raises(LoginError, match="does not take the token"):
        AlyxClient(hub.url, token="wrong", cache_dir=tmp_path, silent=True)
    params.save_token(hub.url, "test_user", "no longer good")
    again = AlyxClient(hub.url, cache_dir=tmp_path, silent=True)
    with pytest.raises(LoginError):
        again.rest("sessions", "list")
    with pytest.raises(LoginNeeded):
        AlyxClient(hub.url, "test_user", cache_dir=tmp_path, silent=True)


def test_every_endpoint(alyx: AlyxClient) -> None:
    assert alyx.rest_schemes.backend == "open_api_v3"
    n_read = 0
    for endpoint in alyx.list_endpoints():
        actions = alyx.rest_schemes.actions(endpoint)
        if "list" not in actions or endpoint in ("cache", "cache.zip", "check-protected", "me"):
            continue
        known = alyx.rest_schemes.field_names(endpoint, "list")
        found = alyx.rest(endpoint, "list", **({"limit": 2} if "limit" in known else {}))
        assert isinstance(found, Pages | list), endpoint
        if not found or "read" not in actions:
            continue
        first = found[0]
        keys = ("nickname", "username", "name") if endpoint in WITH_NAMES else ("id", "url")
        id = next(first[k] for k in keys if first.get(k) not in (None, ""))
        assert alyx.rest(endpoint, "read", id=id), endpoint
        n_read += 1
    assert n_read > 8


def test_pages(alyx: AlyxClient) -> None:
    whole = alyx.rest("datasets", "list", limit=1000)
    few = alyx.rest("datasets", "list", limit=7)
    assert isinstance(few, Pages)
    assert len(few) == len(whole)
    assert list(few) == list(whole)
    assert few[-1] == whole[-1]
    assert few[3:17:2] == whole[3:17:2]


def test_filters_with_odd_letters(alyx: AlyxClient) -> None:
    for text in ("a&b", "a%26b", "#1", "é ü", "x+y", "a=b", "a/b", "'", '"', "100%"):
        assert alyx.rest("subjects", "list", nickname=text) == []
        with pytest.raises(HTTPError) as caught:
            alyx.rest("subjects", "read", id=text.replace("/", ""))
        assert caught.value.status == 404
    with pytest.raises(HTTPError, match="400") as caught:
        alyx.rest("sessions", "list", django="nofield,1")
    assert "nofield" in str(caught.value.detail)


def test_writing(alyx: AlyxClient) -> None:
    eid = alyx.rest("sessions", "list", limit=1)[0]["id"]
    assert alyx.json_field_update("sessions", eid, "extended_qc", {"a": 1})["a"] == 1
    assert alyx.json_field_update("sessions", eid, "extended_qc", {"b": [2.5]})["a"] == 1
    assert "a" not in alyx.json_field_remove_key("sessions", eid, "extended_qc", "a")
    assert alyx.rest("sessions", "read", id=eid)["extended_qc"]["b"] == [2.5]
    assert alyx.json_field_delete("sessions", eid, "extended_qc") is None
    lab = alyx.rest("labs", "list")[0]["name"]
    alyx.rest("subjects", "create", data={"nickname": "written_1", "lab": lab})
    assert alyx.rest("subjects", "read", id="written_1")["lab"] == lab
    assert alyx.rest("subjects", "delete", id="written_1") is None
    with pytest.raises(HTTPError) as caught:
        alyx.rest("subjects", "read", id="written_1")
    assert caught.value.status == 404


def test_files(hub: HubServer, alyx: AlyxClient, tmp_path: Path) -> None:
    found = alyx.rest("datasets", "list", name="spikes.times.npy", exists=True)
    records = [record for one in found for record in one["file_records"] if record["data_url"]]
    assert records
    url = records[0]["data_url"]
    path, md5 = alyx.download_file(url, target_dir=tmp_path / "t", return_md5=True)
    assert np.load(path).size
    wanted = {one["hash"] for one in found}
    assert md5 in wanted
    part = alyx.download_file(url, target_dir=tmp_path / "p", chunks=(8, 100))
    assert part.read_bytes() == path.read_bytes()[8:108]
    paths = alyx.download_file([r["data_url"] for r in records[:3]], target_dir=tmp_path / "u")
    assert all(p.is_file() for p in paths)


def test_tables(alyx: AlyxClient) -> None:
    info = alyx.get("/cache/info")
    assert "date_created" in info
    names = {path.name for path in alyx.download_cache_tables()}
    assert {"sessions.pqt", "datasets.pqt"} <= names
    if info.get("location"):
        again = {path.name for path in alyx.download_cache_tables(info["location"])}
        assert again == names


def test_a_hub_that_is_killed_under_questions(hub: HubServer, alyx: AlyxClient) -> None:
    alyx.cache_mode = None
    eid = alyx.rest("sessions", "list", limit=1)[0]["id"]
    wrong: list[BaseException] = []
    stop = threading.Event()
    n = [0] * 4

    def ask(i: int) -> None:
        try:
            while not stop.is_set():
                assert alyx.get(f"/sessions/{eid}")["id"] == eid
                n[i] += 1
        except BaseException as error:  # noqa: BLE001 - it is shown in the end
            wrong.append(error)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        stop.wait(0.5)
        hub.kill()
        hub.start()
    stop.wait(0.5)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert not wrong, wrong[0]
    assert min(n) > 2


MANY = """
import random, sys, warnings
from fascicle.alyx import AlyxClient
warnings.simplefilter("error")
url, folder, seed = sys.argv[1:]
alyx = AlyxClient(url, "test_user", silent=True, cache_dir=folder)
random.seed(int(seed))
for _ in range(63):
    found = alyx.rest("datasets", "list", limit=5, offset=5 * random.randrange(20))
    assert len(found), found
    assert alyx.rest("sessions", "list", number=random.randrange(3)) is not None
"""


def test_many_processes_share_a_folder(hub: HubServer, alyx: AlyxClient, tmp_path: Path) -> None:
    assert alyx.is_logged_in
    command = [sys.executable, "-c", MANY, hub.url, str(tmp_path / "shared")]
    running: list[Any] = [
        subprocess.Popen(
            [*command, str(n)], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        )
        for n in range(16)
    ]
    told = [process.communicate(timeout=240)[1] for process in running]
    assert not any(told), next(filter(None, told))[-3000:]
