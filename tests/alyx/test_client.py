"""Questions and what comes of them: endpoints, actions, filters, pages, fields."""

from __future__ import annotations

import io
import json
import pickle
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from fascicle.alyx import AlyxClient, Pages, no_cache
from fascicle.errors import HTTPError

from .conftest import Asked, FakeAlyx, Said, client_of, pages_of

EID = "5309f06c-e73e-4037-97fd-4e89762e7080"


def test_every_action(server: FakeAlyx, alyx: AlyxClient) -> None:
    record = {"id": EID, "json": None}
    for method, status in (("GET", 200), ("PUT", 200), ("PATCH", 200), ("DELETE", 204)):
        server.routes[method, f"/sessions/{EID}"] = Said(record, status)
    server.routes["POST", "/sessions"] = Said(record, 201)
    server.routes["GET", "/sessions"] = pages_of([record])
    assert alyx.rest("sessions", "list") == [record]
    assert alyx.rest("/sessions", "read", id=UUID(EID)) == record
    assert alyx.rest("sessions", "read", id=f"{server.url}/sessions/{EID}") == record
    sent = {"subject": "s", "id": UUID(EID), "start_time": datetime(2020, 1, 2), "n": np.int64(3)}
    assert alyx.rest("sessions", "create", data=sent) == record
    last = server.log[-1]
    assert last.data == {"subject": "s", "id": EID, "start_time": "2020-01-02T00:00:00", "n": 3}
    assert last.headers["content-type"] == "application/json"
    assert last.headers["one-api-version"]
    for action, method in [
        ("update", "PUT"),
        ("partial_update", "PATCH"),
        ("partial-update", "PATCH"),
    ]:
        assert alyx.rest("sessions", action, id=EID, data={"number": 2}) == record
        assert (server.log[-1].method, server.log[-1].data) == (method, {"number": 2})
    assert alyx.rest("sessions", "delete", id=EID) is None
    assert server.log[-1].method == "DELETE"


def test_filters(server: FakeAlyx, alyx: AlyxClient) -> None:
    assert alyx.rest_schemes
    alyx.cache_mode = None
    server.routes["GET", "/sessions"] = pages_of([])
    asked = {"users": ["a", "b"], "number": 1, "date_range": ("2020-01-01", "2020-01-02")}
    assert alyx.rest("sessions", "list", **asked) == []
    got = server.log[-1].params
    assert got == {"users": "a,b", "number": "1", "date_range": "2020-01-01,2020-01-02"}
    alyx.rest("sessions", "list", id=EID)
    assert server.log[-1].params == {"django": f"pk,{EID}"}
    alyx.rest("sessions", "list", id=EID, django="number,1")
    assert server.log[-1].params == {"django": f"number,1,pk,{EID}"}
    alyx.rest("sessions", "list", id=EID, django=None)
    assert server.log[-1].params == {"django": f"pk,{EID}"}
    alyx.rest("sessions", "list", django=None)
    assert server.log[-1].params == {}
    alyx.rest("sessions", "list", subject="a&b=c#d %41é+")
    assert server.log[-1].params == {"subject": "a&b=c#d %41é+"}
    alyx.rest("sessions?subject=a%26b", lab="x")
    assert server.log[-1].params == {"subject": "a&b", "lab": "x"}
    alyx.get("/sessions?subject=#1 ' %26")
    assert server.log[-1].params == {"subject": "#1 ' &"}
    with pytest.warns(UserWarning, match="unsupported fields"):
        alyx.rest("sessions", "list", foo=1)
    assert server.log[-1].params == {"foo": "1"}


def test_what_is_missing_is_printed(
    server: FakeAlyx,
    alyx: AlyxClient,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert alyx.rest() is None
    assert "'sessions'" in capsys.readouterr().out
    assert alyx.rest("sessions") is None
    assert "task_protocol" in capsys.readouterr().out
    assert alyx.rest("sessions", "create") is None
    assert "narrative" in capsys.readouterr().out
    assert "data" in caplog.text
    assert alyx.rest("sessions", "read") is None
    assert "/sessions/{id}" in caplog.text
    assert "sessions" in alyx.list_endpoints()
    alyx.print_endpoint_info("sessions", "list")
    alyx.print_endpoint_info("nope")
    assert 'Endpoint "nope" does not exist' in capsys.readouterr().out
    with pytest.raises(ValueError, match='"sesions" does not exist') as error:
        alyx.rest("sesions", "list")
    assert "did you mean 'sessions'" in str(error.value)
    with pytest.raises(ValueError, match='action "lst" does not exist'):
        alyx.rest("sessions", "lst")


def test_ids_are_quoted(server: FakeAlyx, alyx: AlyxClient) -> None:
    server.fallback = lambda asked: Said({"path": asked.path})
    assert alyx.rest("subjects", "read", id="a b?c#d%41") == {
        "path": "/subjects/a%20b%3Fc%23d%2541"
    }
    place = f"{server.url}/subjects/a%20b"
    assert alyx.rest("subjects", "read", id=place) == {"path": "/subjects/a%20b"}


def test_pages(server: FakeAlyx, alyx: AlyxClient) -> None:
    records = [{"id": i} for i in range(1030)]
    server.routes["GET", "/datasets"] = pages_of(records)
    got = alyx.rest("datasets", "list", name="a,b")
    assert isinstance(got, Pages)
    assert len(got) == got.count == 1030
    assert got.limit == 250
    assert len(server.asked("/datasets")) == 1
    assert got[-1] == {"id": 1029}
    assert got[1000] == {"id": 1000}
    assert len(server.asked("/datasets")) == 2
    assert server.log[-1].params == {"name": "a,b", "limit": "250", "offset": "1000"}
    assert got[240:260] == records[240:260]
    assert got[-3:] == records[-3:]
    assert got[::-500] == records[::-500]
    assert list(got) == records == list(reversed(list(reversed(got))))
    assert got == records
    assert {"id": 7} in got
    assert len(server.asked("/datasets")) == 5
    for index in (1030, -1031):
        with pytest.raises(IndexError):
            got[index]
    again = pickle.loads(pickle.dumps(got))
    assert list(again) == records
    small = alyx.rest("datasets", "list", limit=2)
    assert (len(small), small.limit, small[3]) == (1030, 2, {"id": 3})
    later = alyx.rest("datasets", "list", offset=1000, limit=20)
    assert list(later) == records[1000:]
    assert alyx.rest("datasets", "list", offset=1000) == records[1000:]


def test_pages_tell_of_each(server: FakeAlyx, alyx: AlyxClient) -> None:
    server.routes["GET", "/datasets"] = pages_of(list(range(6)))
    got = alyx.rest("datasets", "list", limit=2)
    seen: list[Any] = []
    got.add_callback(seen.append)
    with pytest.raises(TypeError):
        got.add_callback(1)
    assert list(got) == list(range(6))
    assert seen == [[2, 3], [4, 5]]
    assert not got._callbacks


@pytest.mark.parametrize("n_new", [3, 6, 12])
def test_pages_that_change(server: FakeAlyx, alyx: AlyxClient, n_new: int) -> None:
    alyx.cache_mode = None
    server.routes["GET", "/datasets"] = pages_of(list(range(8)))
    got = alyx.rest("datasets", "list", limit=2)
    server.routes["GET", "/datasets"] = pages_of(list(range(n_new)))
    with pytest.warns(RuntimeWarning, match="changed while"):
        assert list(got) == list(range(n_new))
    assert len(got) == n_new


def test_a_record_that_went_away(server: FakeAlyx, alyx: AlyxClient) -> None:
    alyx.cache_mode = None
    server.routes["GET", "/datasets"] = pages_of(list(range(8)))
    got = alyx.rest("datasets", "list", limit=2)
    server.routes["GET", "/datasets"] = pages_of([0, 1, 2])
    with pytest.warns(RuntimeWarning), pytest.raises(IndexError):
        got[7]
    got = alyx.rest("datasets", "list", limit=2)
    server.routes["GET", "/datasets"] = pages_of([0, 1])
    with pytest.warns(RuntimeWarning):
        assert got[-1] == 1


def test_notes_of_the_server(
    server: FakeAlyx, alyx: AlyxClient, caplog: pytest.LogCaptureFixture
) -> None:
    page = {"count": 0, "next": None, "previous": None, "results": [], "detail": "too many"}
    headers = {
        "Alyx-API-Notice": "!!! maintenance at noon",
        "Deprecation": "@1688169599",
        "Sunset": "Sat, 31 Dec 2050 23:59:59 GMT",
    }
    server.routes["GET", "/sessions"] = Said(page, headers=headers)
    with pytest.warns(RuntimeWarning, match="maintenance"):
        assert alyx.rest("sessions", "list") == []
    alyx.rest("sessions", "list", no_cache=True)
    assert "too many" in caplog.text
    assert caplog.text.count("since 2023-06-30, and it goes away on 2050-12-31") == 1


def test_json_fields(server: FakeAlyx, alyx: AlyxClient) -> None:
    state: dict[str, Any] = {"json": {"a": 1, "b": 2}, "narrative": "text"}

    def patch(asked: Asked) -> Said:
        state.update(asked.data)
        return Said(state)

    place = f"/sessions/{EID}"
    server.routes["GET", place] = lambda asked: Said(state)
    server.routes["PATCH", place] = patch
    assert alyx.json_field_update("sessions", EID, data={"c": 3})["c"] == 3
    state["json"] = {"z": 1}  # by somebody else, while our answer is kept
    assert alyx.json_field_update("sessions", EID, "json", {"c": 3}) == {"z": 1, "c": 3}
    assert alyx.json_field_remove_key("sessions", EID, "json", "z") == {"c": 3}
    assert alyx.json_field_remove_key("sessions", EID, "json", "nope") == {"c": 3}
    assert alyx.json_field_remove_key("sessions", EID, "narrative", "nope") is None
    assert alyx.json_field_update("sessions", EID, "narrative", {"c": 3}) == "text"
    assert alyx.json_field_write("sessions", EID, "json", {"w": None}) == {"w": None}
    assert alyx.json_field_remove_key("sessions", EID, "json", "w") == {}
    assert alyx.json_field_delete("sessions", EID, "json") is None
    assert state["json"] is None
    assert alyx.json_field_update("sessions", EID, "json", {"d": 1}) == {"d": 1}
    with pytest.raises(ValueError, match="does not exist"):
        alyx.json_field_write("nope", EID, "json", {})


def test_files_go_along(server: FakeAlyx, alyx: AlyxClient, tmp_path: Path) -> None:
    server.routes["POST", "/notes"] = Said({"id": 1}, 201)
    image = tmp_path / "é.png"
    image.write_bytes(b"\x89PNG\r\n--x\r\n")
    data = {"user": "me", "object_id": UUID(EID), "text": None, "json": {"a": 1}, "several": [1, 2]}
    with open(image, "rb") as file:
        assert alyx.rest("notes", "create", data=data, files={"image": file}) == {"id": 1}
    last = server.log[-1]
    assert last.headers["content-type"].startswith("multipart/form-data; boundary=")
    for part in (b'name="user"\r\n\r\nme\r\n', EID.encode(), b"\x89PNG\r\n--x\r\n", b'{"a": 1}'):
        assert part in last.body
    assert last.body.count(b'name="several"') == 2
    assert b'name="text"' not in last.body
    alyx.post("/notes", data={}, files={"image": ("x.png", io.BytesIO(b"123"), "image/png")})
    assert b'filename="x.png"\r\nContent-Type: image/png\r\n\r\n123' in server.log[-1].body


def test_a_get_with_a_body(server: FakeAlyx, alyx: AlyxClient) -> None:
    server.routes["GET", "/check-protected"] = lambda asked: Said(asked.data)
    for n in range(2):
        assert alyx.get("/check-protected", data={"n": n}) == {"n": n}


def test_errors_tell_what_the_server_said(server: FakeAlyx, alyx: AlyxClient) -> None:
    said = {"session": ["Enter a valid UUID."], "status_code": 400}
    server.routes["GET", "/insertions"] = Said(said, 400)
    with pytest.raises(HTTPError, match=r"400: session: Enter a valid UUID\.") as caught:
        alyx.rest("insertions", "list", session="foo")
    error = caught.value
    assert (error.status, error.query) == (400, "/insertions?session=foo")
    assert error.detail == {"session": ["Enter a valid UUID."]}
    assert error.response.status_code == 400
    assert error.response.json() == said
    assert (error.errno, error.strerror, error.filename) == (400, error.query, error.detail)
    again = pickle.loads(pickle.dumps(error))
    assert (again.status, again.detail, str(again)) == (400, error.detail, str(error))
    with pytest.raises(HTTPError, match="404 with a web page: Not Found") as caught:
        alyx.get("/nope")
    assert caught.value.response.status_code == 404
    server.routes["DELETE", f"/datasets/{EID}"] = Said({"detail": "Dataset is protected"}, 403)
    with pytest.raises(HTTPError, match="protected") as caught:
        alyx.rest("datasets", "delete", id=EID)
    assert server.logins == 1  # it is no question of the login


def test_an_error_is_one_of_requests_where_that_is_in_use(
    server: FakeAlyx, alyx: AlyxClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests

    with pytest.raises(requests.HTTPError) as caught:
        alyx.get("/nope")
    assert isinstance(caught.value, HTTPError)
    assert caught.value.response.status_code == 404
    assert caught.value.errno == 404
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), HTTPError)
    server.stop()
    alyx.bounds.patience = 0
    with pytest.raises(requests.exceptions.ConnectionError):
        alyx.get("/nope2")
    server.start()
    monkeypatch.delitem(__import__("sys").modules, "requests")
    with pytest.raises(HTTPError) as plain:
        alyx.get("/nope")
    assert not isinstance(plain.value, requests.HTTPError)


def test_addresses_of_this_server_alone(server: FakeAlyx, alyx: AlyxClient) -> None:
    server.routes["GET", "/sessions/1"] = Said({"id": 1})
    assert alyx.get(f"{server.url}/sessions/1") == {"id": 1}
    assert alyx.get(f"http://localhost:{server.port}/sessions/1") == {"id": 1}
    assert alyx.get("sessions/1") == {"id": 1}
    for other in ("http://127.0.0.1:1/sessions/1", f"{server.url}.evil.org/x"):
        with pytest.raises(ValueError, match="not below"):
            alyx.get(other)


def test_older_servers_describe_themselves_otherwise(
    server: FakeAlyx, shared: Path, tmp_path: Path
) -> None:
    file = shared / "data" / "alyx_rest_openalyx" / "examples" / "docs_coreapi_schema.json"
    server.routes["GET", "/docs"] = Said(json.loads(file.read_text())[0])
    server.routes["GET", "/sessions"] = pages_of([1])
    alyx = client_of(server, tmp_path)
    assert alyx.rest("sessions", "list", lab="x") == [1]
    assert alyx.rest_schemes.backend == "core_api"
    assert server.asked("/docs")[0].headers["accept"] == "application/coreapi+json"
    server.faults.append(Said({"detail": "no"}, 500))
    with pytest.raises(HTTPError):
        client_of(server, tmp_path / "other").rest("sessions", "list")
    assert len(server.asked("/docs")) == 1


def test_one_connection_for_many_questions(server: FakeAlyx, alyx: AlyxClient) -> None:
    server.fallback = lambda asked: Said({"path": asked.path})
    before = server.connections
    for n in range(50):
        alyx.get(f"/x/{n}")
        alyx.post("/x", data={"n": n})
    assert server.connections - before <= 1


def test_no_cache(server: FakeAlyx, alyx: AlyxClient) -> None:
    n = iter(range(100))
    server.routes["GET", "/x"] = lambda asked: Said({"n": next(n)})
    assert alyx.get("/x") == alyx.get("/x") == {"n": 0}
    with no_cache(alyx) as same:
        assert same is alyx
        assert alyx.get("/x") == {"n": 1}
    assert alyx.get("/x") == {"n": 0}
    assert alyx.get("/x", clobber=True) == {"n": 2}
    assert alyx.get("/x") == {"n": 2}


def test_a_client_goes_to_another_process_without_its_login(
    server: FakeAlyx, alyx: AlyxClient
) -> None:
    data = pickle.dumps(alyx)
    assert b"secret" not in data
    other = pickle.loads(data)
    assert not other.is_logged_in
    server.routes["GET", "/x"] = Said({"n": 1})
    assert other.get("/x") == {"n": 1}  # by the token in the settings
    assert server.logins == 1
