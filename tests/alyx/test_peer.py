"""The official client parses the same documents, makes the same addresses, has the same names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fascicle.alyx import AlyxClient, params

from . import peer, peer_asks
from .conftest import PASSWORD, Asked, FakeAlyx, Said, pages_of

pytestmark = pytest.mark.peer

NAMES = [
    *("AlyxClient", "no_cache", "update_url_params", "http_download_file"),
    *("file_record_to_url", "dataset_record_to_url", "_PaginatedResponse.add_callback"),
    *(
        f"AlyxClient.{name}"
        for name in (
            *("rest", "get", "post", "put", "patch", "delete", "authenticate", "logout"),
            *("json_field_write", "json_field_update", "json_field_remove_key"),
            *("json_field_delete", "clear_rest_cache", "download_cache_tables", "rel_path2url"),
            *("list_endpoints", "print_endpoint_info", "is_logged_in", "rest_schemes"),
            *("cache_dir", "max_retry_attempts", "max_retry_wait_seconds"),
        )
    ),
]
URLS: list[tuple[str, dict[str, Any]]] = [
    ("website.com/?q=", {"pg": 5}),
    ("website.com?q=xxx", {"pg": 5, "foo": ["bar", "baz"]}),
    ("https://a.org/sessions", {"django": "pk__in,('a', 'b')", "lab": "é ü"}),
    ("/sessions?limit=250&offset=250", {"limit": 10, "offset": 20}),
    ("http://127.0.0.1:8000/datasets?name=spikes.times&limit=2", {"offset": "4"}),
    ("/x?a=1&a=2", {"b": True, "c": None}),
    ("/sessions?dataset_types=a%2Cb&x=%5B1%5D", {"limit": 1}),
    ("/sessions", {}),
]


def ask(python: str, module: str, tmp_path: Path, asked: dict[str, Any]) -> Any:
    file = tmp_path / "asked.json"
    file.write_text(json.dumps(asked))
    command = [python, peer.__file__, module, str(file)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout)


def test_same_as_the_official_client(one_python: Path, shared: Path, tmp_path: Path) -> None:
    core = shared / "data" / "alyx_rest_openalyx" / "examples" / "docs_coreapi_schema.json"
    docs = {
        "open": shared / "contracts" / "alyx-samples" / "openapi_schema.json",
        "core": core,
    }
    documents = {name: json.loads(path.read_text()) for name, path in docs.items()}
    documents["core"] = documents["core"][0]
    asked = {"documents": documents, "urls": URLS, "names": NAMES}
    theirs = ask(str(one_python), "one.webclient", tmp_path, asked)
    ours = ask(sys.executable, "fascicle.one.webclient", tmp_path, asked)
    assert ours["urls"] == theirs["urls"]
    assert ours["schemes"].keys() == theirs["schemes"].keys()
    for name, (backend, endpoints, found) in theirs["schemes"].items():
        assert ours["schemes"][name][:2] == [backend, endpoints]
        for endpoint in endpoints:
            mine = ours["schemes"][name][2][endpoint]
            assert mine.keys() == found[endpoint].keys()
            for action, told in found[endpoint].items():
                assert told is None or mine[action] == told, (endpoint, action)
    for name, parameters in theirs["signatures"].items():
        mine = ours["signatures"][name]
        further = [p for p in mine if p not in parameters]
        assert [p for p in mine if p in parameters] == parameters, name
        assert name == "AlyxClient" or not further, name


EID = "5309f06c-e73e-4037-97fd-4e89762e7080"
ASKED: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("rest", ["sessions", "list"], {}),
    ("rest", ["sessions", "list"], {"subject": "a", "users": ["b", "c"], "number": 1}),
    ("rest", ["sessions", "list"], {"django": "pk__in,('a', 'b')", "limit": 10}),
    ("rest", ["sessions", "list"], {"django": None, "exists": True}),
    ("rest", ["sessions", "list"], {"id": EID}),
    ("rest", ["sessions", "list"], {"id": EID, "django": "number,1"}),
    ("rest", ["sessions", "list"], {"nosuch": "x"}),
    ("rest", ["/sessions?subject=a&lab=b"], {"number": 2}),
    ("rest", ["datasets", "list"], {"session": EID}),
    ("rest", ["datasets", "list"], {"name": "é ü x", "limit": 2, "no_cache": True}),
    ("rest", ["sessions", "read", EID], {}),
    ("rest", ["sessions", "read"], {"id": f"http://x.org/sessions/{EID}"}),
    ("rest", ["sessions", "read"], {}),
    ("rest", ["sessions", "create"], {"data": {"subject": "s", "json": {"a": [1, None]}}}),
    ("rest", ["sessions", "create"], {}),
    ("rest", ["sessions", "update", EID], {"data": {"number": 1}}),
    ("rest", ["sessions", "partial_update", EID], {"data": {"number": 1}}),
    ("rest", ["sessions", "partial-update", EID], {"data": {"number": 1}}),
    ("rest", ["sessions", "delete", EID], {}),
    ("rest", ["nosuch", "list"], {}),
    ("rest", ["sessions", "nosuch"], {}),
    ("rest", ["subjects", "read", "bad"], {}),
    ("rest", ["subjects", "list"], {"nickname": "broken"}),
    ("get", ["/sessions?subject=a b&lab=x"], {}),
    ("get", ["sessions"], {}),
    ("get", ["/check-protected"], {"data": {"a": 1}}),
    ("post", ["/register-file"], {"data": {"a": [1, 2]}}),
    ("patch", [f"/sessions/{EID}"], {"data": {"a": None}}),
    ("put", [f"/sessions/{EID}"], {"data": "{}"}),
    ("delete", [f"/sessions/{EID}"], {}),
    ("json_field_write", ["sessions", EID, "json", {"a": 1}], {}),
    ("json_field_update", ["sessions", EID, "json", {"b": 1}], {}),
    ("json_field_update", ["sessions", EID, "empty", {"b": 1}], {}),
    ("json_field_update", ["sessions", EID, "text", {"b": 1}], {}),
    ("json_field_remove_key", ["sessions", EID, "json", "a"], {}),
    ("json_field_remove_key", ["sessions", EID, "json", "z"], {}),
    ("json_field_remove_key", ["sessions", EID, "empty", "z"], {}),
    ("json_field_delete", ["sessions", EID, "json"], {}),
]


def test_a_server_is_asked_the_same(
    one_python: Path, server: FakeAlyx, schema: dict[str, Any], tmp_path: Path
) -> None:
    def answer(asked: Asked) -> Said:
        if asked.path == "/datasets":
            found = pages_of([{"n": i} for i in range(600)])(asked)
            found.body["next"] = f"{server.url}/datasets?" + "&".join(
                f"{k}={v}" for k, v in {**asked.params, "limit": 250, "offset": 250}.items()
            )
            return found
        if asked.path == "/subjects/bad":
            return Said({"detail": "Not found.", "status_code": 404}, 404)
        if asked.path == "/subjects":
            return Said({"nickname": ["wrong"], "status_code": 400}, 400)
        if asked.path == "/sessions" and asked.method == "GET":
            return pages_of([{"id": EID}])(asked)
        if asked.method == "DELETE":
            return Said(None, 204)
        fields = {"json": {"a": 1, "c": 2}, "empty": None, "text": "t"}
        sent = json.loads(asked.body) if asked.body else {}
        return Said(fields | sent if isinstance(sent, dict) else fields, 200)

    server.fallback = answer
    server.routes["GET", "/api/schema"] = Said(schema)
    file = tmp_path / "asked.json"
    file.write_text(json.dumps(ASKED))
    said, told = [], []
    for python, module in ((str(one_python), "one.webclient"), (sys.executable, "fascicle.alyx")):
        server.log.clear()
        folder = str(tmp_path / module)
        command = [python, peer_asks.__file__, module, server.url, PASSWORD, folder, str(file)]
        run = subprocess.run(command, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr[-3000:]
        told.append(json.loads(run.stdout.splitlines()[-1]))
        known = [one for one in server.log if one.path not in ("/auth-token", "/api/schema")]
        said.append([(one.method, one.path, one.params, body_of(one)) for one in known])
    assert [a for a, b in zip(*said, strict=False) if a != b] == []
    assert len(said[0]) == len(said[1])
    for question, theirs, ours in zip(ASKED, *told, strict=True):
        assert ours == theirs, question


def body_of(asked: Asked) -> Any:
    return json.loads(asked.body) if asked.body else None


SETUP = """
import sys
from one.api import ONE
from one.webclient import AlyxClient
url, password, folder = sys.argv[1:]
ONE.setup(base_url=url, silent=True, make_default=True, username="test_user", cache_dir=folder)
if password:
    AlyxClient(url, "test_user", password, silent=True)
else:
    print(AlyxClient(silent=True).rest("sessions", "list"))
"""


def test_settings_that_the_official_client_made(
    one_python: Path, server: FakeAlyx, schema: dict[str, Any], tmp_path: Path
) -> None:
    server.routes["GET", "/api/schema"] = Said(schema)
    server.routes["GET", "/sessions"] = pages_of([{"id": EID}])
    folder = str(tmp_path / "data")
    command = [str(one_python), "-c", SETUP, server.url]
    subprocess.run([*command, PASSWORD, folder], check=True, capture_output=True)
    assert server.logins == 1
    alyx = AlyxClient(silent=True)
    assert (alyx.base_url, str(alyx.cache_dir)) == (server.url, folder)
    assert alyx.rest("sessions", "list") == [{"id": EID}]
    assert alyx.user == "test_user"
    assert server.logins == 1


def test_settings_that_we_made(
    one_python: Path, server: FakeAlyx, schema: dict[str, Any], tmp_path: Path
) -> None:
    server.routes["GET", "/api/schema"] = Said(schema)
    server.routes["GET", "/sessions"] = pages_of([{"id": EID}])
    folder = str(tmp_path / "data")
    params.setup(server.url, username="test_user", cache_dir=folder)
    alyx = AlyxClient(server.url, "test_user", PASSWORD, silent=True)
    assert alyx.rest("sessions", "list") == [{"id": EID}]
    code = "from one.webclient import AlyxClient; a = AlyxClient(silent=True); "
    code += "print(a.rest('sessions', 'list'), a.cache_dir); a.clear_rest_cache()"
    run = subprocess.run([str(one_python), "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout == f"[{{'id': '{EID}'}}] {folder}\n"
    assert server.logins == 1
