"""ONE's cache tables from a hub: what they say, and whether ONE reads them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from fascicle.catalogue import Catalogue
from fascicle.one import One
from fascicle.testing.hub import HubServer

TAG = "2022_Q2_IBL_et_al_RepeatedSite"


def tables(hub: HubServer, location: str, token: str) -> dict[str, bytes]:
    answer = hub.get(location.removeprefix(hub.url), token=token)
    assert answer.status == 200
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    assert "Transfer-Encoding" not in answer.headers
    with zipfile.ZipFile(io.BytesIO(answer.data)) as packed:
        assert packed.testzip() is None
        return {name: packed.read(name) for name in packed.namelist()}


@pytest.mark.parametrize("path", ["/cache/info", "/cache/info/"])
def test_info(any_hub: HubServer, path: str) -> None:
    token = any_hub.token("reader")
    answer = any_hub.get(path, token=token)
    assert answer.status == 200
    info = answer.json
    assert set(info) == {
        "date_created",
        "origin",
        "min_api_version",
        "tables",
        "database_tags",
        "location",
    }
    assert info["location"] == f"{any_hub.url}/cache.zip"
    assert info["tables"]["sessions"]["nrecs"] == 17
    found = tables(any_hub, info["location"], token)
    assert set(found) == {"sessions.pqt", "datasets.pqt", "cache_info.json"}
    for name in ("sessions", "datasets"):
        table = pq.read_table(io.BytesIO(found[f"{name}.pqt"]))
        about = json.loads(table.schema.metadata[b"one_metadata"])
        assert about["date_created"] == info["date_created"]
        assert about["origin"] == info["origin"]
        assert table.num_rows == info["tables"][name]["nrecs"]


def test_same_rows_as_the_folder(hub: HubServer, hub_lab: Path, tmp_path: Path) -> None:
    found = tables(hub, "/cache.zip", hub.token("reader"))
    for name, raw in found.items():
        (tmp_path / name).write_bytes(raw)
    catalogue = Catalogue.open(hub_lab)
    ours, theirs = Catalogue.open(tmp_path), catalogue
    for frame in ("sessions_frame", "datasets_frame"):
        a, b = getattr(ours, frame)(), getattr(theirs, frame)()
        if "hash" in a:  # the folder was indexed without hashes; the hub hashed it
            a, b = a.drop(columns="hash"), b.drop(columns="hash")
        pd.testing.assert_frame_equal(a.sort_index(), b.sort_index(), check_like=True)


def test_tag(hub: HubServer, tmp_path: Path) -> None:
    token = hub.token("reader")
    info = hub.get(f"/cache/info/{TAG}", token=token).json
    assert info["database_tags"] == [TAG]
    assert info["location"].startswith(hub.url)
    found = tables(hub, info["location"], token)
    for name, raw in found.items():
        (tmp_path / name).write_bytes(raw)
    about = pq.read_table(tmp_path / "datasets.pqt").schema.metadata[b"one_metadata"]
    assert json.loads(about)["database_tags"] == [TAG]
    one = One(cache_dir=tmp_path)
    eids = one.search()
    asked = hub.get(f"/sessions?tag={TAG}", token=token).json
    rows = asked["results"] if isinstance(asked, dict) else asked
    assert sorted(map(str, eids)) == sorted(row["id"] for row in rows)
    assert len(eids) == 2


def test_unknown_tag(hub: HubServer) -> None:
    token = hub.token("reader")
    for path in ("/cache/info/no_such_tag", "/cache/no_such_tag.zip"):
        answer = hub.get(path, token=token)
        assert answer.status == 404
        assert "no_such_tag" in answer.json["detail"]


def test_login(hub: HubServer) -> None:
    for path in ("/cache/info", "/cache.zip", f"/cache/info/{TAG}", f"/cache/{TAG}.zip"):
        assert hub.get(path).status == 403


def test_follows_the_database(make_hub: Callable[..., HubServer]) -> None:
    hub = make_hub().start()
    token = hub.token("test_user")
    before = hub.get("/cache/info", token=token).json
    hub.run(
        """
from fascicle.hub.generation import touched
from fascicle.hub.models import Dataset, Session
s = Session.objects.order_by("-start_time").first()
Dataset.objects.filter(session=s).first().delete()
touched([s.pk])
"""
    )
    after = hub.get("/cache/info", token=token).json
    a, b = (x["tables"]["datasets"]["nrecs"] for x in (before, after))
    assert b == a - 1


def test_open_tag_needs_no_login(make_hub: Callable[..., HubServer]) -> None:
    hub = make_hub().start()
    code = "from fascicle.hub.models import Tag; Tag.objects.filter(name=tag).update(open=True)"
    hub.run(code, tag=TAG)
    info = hub.get(f"/cache/info/{TAG}").json
    assert len(tables(hub, info["location"], "")) == 3
    assert hub.get("/cache.zip").status == 403


def test_workers_stay_small(make_hub: Callable[..., HubServer]) -> None:
    hub = make_hub().start()
    token = hub.token("reader")
    for _ in range(8):
        hub.get("/cache/info", token=token)
        hub.get("/catalogue/info", token=token)
    for pid in hub.pids()[1:]:
        maps = Path(f"/proc/{pid}/maps").read_text()
        assert "pandas" not in maps
        assert "arrow" not in maps


@pytest.mark.parametrize("path", ["/cache/info", "/cache.zip", "/catalogue/info"])
def test_reading_alone(hub: HubServer, path: str) -> None:
    answer = hub.ask("POST", path, {}, token=hub.token("test_user"))
    assert answer.status == 405
    assert answer.json["status_code"] == 405
