"""Endpoints, actions and fields, from either kind of document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fascicle.alyx.schema import RestScheme, RestSchemeCoreApi, RestSchemeOpenApi
from fascicle.alyx.urls import file_url, in_commas, tidy_query, update_url_params

ACTIONS = ["create", "delete", "list", "partial_update", "read", "update"]


@pytest.fixture(params=["open", "core"])
def scheme(request: pytest.FixtureRequest, shared: Path, schema: dict[str, Any]) -> RestScheme:
    if request.param == "open":
        return RestSchemeOpenApi(schema)
    file = shared / "data" / "alyx_rest_openalyx" / "examples" / "docs_coreapi_schema.json"
    return RestSchemeCoreApi(json.loads(file.read_text())[0])


def test_what_there_is(scheme: RestScheme, capsys: pytest.CaptureFixture[str]) -> None:
    assert {"sessions", "datasets", "insertions", "register-file"} <= set(scheme.endpoints)
    assert not {"api", "auth-token", "", "_meta"} & set(scheme.endpoints)
    assert scheme.actions("sessions") == ACTIONS
    assert scheme.actions("register-file") == ["create"]
    assert scheme.url("sessions", "read") == "/sessions/{id}"
    assert scheme.url("sessions", "list") == "/sessions"
    assert {"subject", "django", "limit"} <= set(scheme.field_names("sessions", "list"))
    assert "task_protocol" in scheme.field_names("sessions", "create")
    scheme.print_endpoint_info("sessions", "create")
    scheme.print_endpoint_info("sessions")
    assert "task_protocol" in capsys.readouterr().out
    assert scheme.actions("nope") == scheme.fields("sessions", "nope") == []
    assert scheme.url("nope", "list") == ""
    scheme.print_endpoint_info("sessions", "nope")
    told = capsys.readouterr().out
    assert 'Endpoint "nope" does not exist' in told
    assert 'no action "nope", but create, delete' in told


def test_the_order_in_the_document_does_not_matter(schema: dict[str, Any]) -> None:
    turned = {**schema, "paths": dict(reversed(schema["paths"].items()))}
    one, other = RestSchemeOpenApi(schema), RestSchemeOpenApi(turned)
    assert one.endpoints == other.endpoints
    for endpoint in one.endpoints:
        assert one.actions(endpoint) == other.actions(endpoint)
        for action in one.actions(endpoint):
            assert one.fields(endpoint, action) == other.fields(endpoint, action)


def test_fields_that_are_written_out() -> None:
    body = {"content": {"application/json": {"schema": {"properties": {"a": {"type": "x"}}}}}}
    several = {
        "content": {
            "application/json": {"schema": {"type": "array", "items": {"$ref": "#/c/schemas/B"}}}
        }
    }
    scheme = RestSchemeOpenApi(
        {
            "paths": {
                "/x": {"post": {"requestBody": body}},
                "/y": {"post": {"requestBody": several}},
            },
            "components": {"schemas": {"B": {"properties": {"b": {}}}}},
        }
    )
    assert scheme.field_names("x", "create") == ["a"]
    assert scheme.field_names("y", "create") == ["b"]


# -- addresses -------------------------------------------------------------------------------------


def test_addresses() -> None:
    assert update_url_params("/x?name=a%26b", {"limit": 1}) == "/x?name=a%26b&limit=1"
    assert update_url_params("/x y?a=1", {"a": 2}) == "/x%20y?a=2"
    assert update_url_params("/x%20y", {}) == "/x%20y"
    assert tidy_query("/x?a=#1 é 100%") == "/x?a=%231%20%C3%A9%20100%25"
    assert tidy_query("/x?a=%231&b=[1,2]") == "/x?a=%231&b=[1,2]"
    assert in_commas(["a", 1]) == in_commas(("a", "1")) == "a,1"
    assert in_commas("abc") == "abc"
    assert file_url("s3://b/x/#1#/a.npy") == "s3://b/x/#1#/a.npy"
    assert file_url("https://a.org/x/#1#/a b%.npy") == "https://a.org/x/%231%23/a%20b%25.npy"
    assert (
        file_url("https://a.org/x/%231%23/a.npy?sig=%3D") == "https://a.org/x/%231%23/a.npy?sig=%3D"
    )
