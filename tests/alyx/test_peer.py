"""The official client parses the same documents, makes the same addresses, has the same names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from . import peer

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
