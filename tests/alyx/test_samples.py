"""Every exchange that was recorded with a real server, asked again and answered as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from fascicle.alyx import AlyxClient, Pages
from fascicle.errors import HTTPError

from .conftest import Asked, FakeAlyx, Said, client_of

BASE = "http://127.0.0.1:8100"
#: What is no question of the client itself, and is asked in other ways elsewhere.
ELSEWHERE = {"/auth-token", "/me"}


def key(method: str, query: str) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    parts = urlsplit(query)
    return method, parts.path, tuple(sorted(parse_qsl(parts.query, keep_blank_values=True)))


@pytest.fixture
def replayed(server: FakeAlyx, shared: Path, tmp_path: Path) -> tuple[AlyxClient, list[Any]]:
    folder = shared / "contracts" / "alyx-samples"
    exchanges = []
    for file in sorted(folder.glob("[0-9]*.json")):
        exchanges += json.loads(file.read_text())["exchanges"]
    answers: dict[Any, list[Any]] = {}
    for one in exchanges:
        answers.setdefault(key(one["method"], one["url"].removeprefix(BASE)), []).append(one)

    def answer(asked: Asked) -> Said:
        known = answers[asked.method, asked.path, tuple(sorted(asked.params.items()))]
        one = known.pop(0) if len(known) > 1 else known[0]
        if isinstance(one["response"], str):
            return Said(one["response"].encode(), one["status"])
        return Said(one["response"], one["status"])

    server.fallback = answer
    server.knows_me = False
    return client_of(server, tmp_path), exchanges


def test_every_exchange(
    replayed: tuple[AlyxClient, list[Any]], server: FakeAlyx, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fascicle.alyx.http.time.sleep", lambda s: None)
    alyx, exchanges = replayed
    alyx.cache_mode = None
    n = 0
    for one in exchanges:
        query, method, expected = one["url"].removeprefix(BASE), one["method"], one["response"]
        if method not in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            continue
        if not one["url"].startswith(BASE) or urlsplit(query).path in ELSEWHERE:
            continue
        if "Token <token>" not in one["request_headers"].get("Authorization", ""):
            continue
        if one["status"] == 200 and isinstance(expected, str):
            continue  # an image
        n += 1
        call = getattr(alyx, method.lower())
        body = one["request_body"]
        kwargs = {"data": body} if body is not None and method != "DELETE" else {}
        if one["status"] >= 400:
            with pytest.raises(HTTPError) as caught:
                call(query, **kwargs)
            assert caught.value.status == one["status"]
            if isinstance(expected, dict):
                assert caught.value.response.json() == expected
                left = {k: v for k, v in expected.items() if k != "status_code"}
                assert caught.value.detail == (left.get("detail") or left)
            continue
        got = call(query, **kwargs)
        if isinstance(expected, dict) and {"count", "results", "next"} <= expected.keys():
            assert isinstance(got, Pages) is (expected["count"] > len(expected["results"]))
            assert len(got) == expected["count"]
            assert got[: len(expected["results"])] == expected["results"]
        else:
            assert got == (expected if one["status"] != 204 else None)
    assert n > 60


def test_questions_by_endpoint_are_those_that_were_recorded(
    replayed: tuple[AlyxClient, list[Any]], server: FakeAlyx, schema: dict[str, Any]
) -> None:
    alyx, exchanges = replayed
    server.routes["GET", "/api/schema"] = Said(schema)
    alyx.cache_mode = None
    known = {key(one["method"], one["url"].removeprefix(BASE)) for one in exchanges}
    eid = "5309f06c-e73e-4037-97fd-4e89762e7080"
    tag = "2022_Q2_IBL_et_al_RepeatedSite"
    asked: list[tuple[Any, ...]] = [
        ("sessions", "list", {"subject": "CO_000"}),
        ("sessions", "list", {"tag": tag}),
        ("sessions", "read", {"id": eid}),
        ("sessions", "list", {"django": f"pk__in,('{eid}',)"}),
        ("labs", "list", {"django": f"session__data_dataset_session_related__tags__name,{tag}"}),
        ("insertions", "list", {"atlas_acronym": "RH", "datasets": "spikes.times.npy",
                                "project": "brainwide"}),
        ("datasets", "list", {"session": eid, "name": "spikes.times.npy"}),
        ("subjects", "read", {"id": "CO_000"}),
        ("brain-regions", "list", {"descendants": "TH"}),
        ("users", "list", {"limit": 2}),
    ]  # fmt: skip
    for endpoint, action, kwargs in asked:
        assert alyx.rest(endpoint, action, **kwargs)
        last = server.log[-1]
        assert (last.method, last.path, tuple(sorted(last.params.items()))) in known


def test_answers_of_the_public_server(
    server: FakeAlyx, shared: Path, schema: dict[str, Any], tmp_path: Path
) -> None:
    folder = shared / "data" / "alyx_rest_openalyx" / "examples"
    server.routes["GET", "/docs"] = Said(
        json.loads((folder / "docs_coreapi_schema.json").read_text())[0]
    )
    alyx = client_of(server, tmp_path)
    for file in sorted(folder.glob("insertions_read_*.json")):
        (record, _) = json.loads(file.read_text())
        server.routes["GET", f"/insertions/{record['id']}"] = Said(record)
        assert alyx.rest("insertions", "read", id=record["id"]) == record
    for file in sorted(folder.glob("*_list_*.json")):
        (page, _) = json.loads(file.read_text())
        server.routes["GET", f"/{file.name.split('_')[0]}"] = Said(page)
        endpoint = file.name.split("_")[0]
        assert alyx.rest(endpoint, "list", no_cache=True) == page["results"]
        assert page["count"] == len(page["results"])
