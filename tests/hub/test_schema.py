"""The OpenAPI document of the hub, as the official client and programs read it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from .asking import Asker


@pytest.fixture
def ask(django_hub: Any) -> Asker:
    return Asker()


@pytest.fixture
def document(ask: Asker) -> dict[str, Any]:
    answer = ask.client.get(
        "/api/schema",
        headers={"Accept": "application/vnd.oai.openapi+json", "Authorization": ""},
    )
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/vnd.oai.openapi+json"
    found: dict[str, Any] = json.loads(answer.content)
    return found


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for inner in value.values() for ref in references(inner)]
    if isinstance(value, list):
        return [ref for inner in value for ref in references(inner)]
    return []


def test_lists_come_before_rows_and_paths_hold_methods_alone(document: dict[str, Any]) -> None:
    seen: set[str] = set()
    for path, operations in document["paths"].items():
        assert set(operations) <= {"get", "post", "put", "patch", "delete"}, path
        found = re.match(r"/([^/]+)/\{\w+\}$", path)
        if found and "get" in document["paths"].get(f"/{found[1]}", {}):
            assert found[1] in seen
        seen.add(path.strip("/"))


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(references(document))
    assert len(found) > 60
    for ref in found:
        assert ref.removeprefix("#/components/schemas/") in document["components"]["schemas"]


def test_bodies_are_references_to_components_with_properties(document: dict[str, Any]) -> None:
    bodies = 0
    for operations in document["paths"].values():
        for operation in operations.values():
            if "requestBody" not in operation:
                continue
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            name = schema["$ref"].rpartition("/")[2]
            assert document["components"]["schemas"][name]["properties"]
            bodies += 1
    assert bodies > 40


def test_operations_have_names_of_their_own(document: dict[str, Any]) -> None:
    names = [
        operation["operationId"]
        for operations in document["paths"].values()
        for operation in operations.values()
    ]
    assert len(names) == len(set(names))


def test_it_says_what_the_lists_take(document: dict[str, Any], ask: Asker) -> None:
    from fascicle.hub.rest.resources import resources

    for resource in resources():
        if "list" not in resource.actions:
            continue
        listed = document["paths"][f"/{resource.name}"]["get"]["parameters"]
        names = [parameter["name"] for parameter in listed]
        assert set(names) == {*resource.parameters, "limit", "offset"}
        assert names == sorted(names)


#: Filters of Alyx on columns that a hub does not have, or not to be asked for by anyone.
WITHOUT = {
    "labs": {"cage_cleaning_frequency_days", "cage_type", "enrichment", "food", "light_cycle"},
    "datasets": {"provenance_directory"},
    "users": {"groups", "last_login", "password", "user_permissions"},
    "tasks": {"arguments", "cpu", "datetime", "gpu", "io_charge", "level", "log", "parents", "ram",
              "time_elapsed_secs", "time_out_secs", "django"},
    "fov-location": {"auto_datetime", "brain_region", "coordinate_system", "default_provenance",
                     "n_xyz", "name", "provenance", "x", "y", "z"},
    "data-notices": {"affected_date_end", "affected_date_start"},
    "subjects": {"actual_severity", "adverse_effects", "genotype_date", "genotype_test",
                 "reduced_date", "genotype", "request",
                 "to_be_culled", "to_be_genotyped", "wean_date"},
    "water-administrations": {"location", "users"},
    "weighings": {"location", "users"},
}  # fmt: skip


def test_it_has_every_endpoint_and_filter_of_alyx(document: dict[str, Any], shared: Path) -> None:
    theirs = json.loads(
        (shared / "contracts" / "alyx-samples" / "endpoints_params.json").read_text()
    )
    missing = {}
    for path, methods in theirs.items():
        name, detail = path.strip("/").partition("/")[::2]
        if name in ("cache", "uploaded", "docs") or (name, detail) == ("water-type", "{name}"):
            continue
        assert path in document["paths"], path
        if "get" in methods and not detail and name in {p.strip("/") for p in document["paths"]}:
            ours = document["paths"][path].get("get", {}).get("parameters", ())
            lacking = set(methods["get"]) - {one["name"] for one in ours}
            lacking -= WITHOUT.get(name, set())
            if lacking and name not in ("api", "check-protected"):
                missing[name] = lacking
    assert not missing


def test_the_page_for_people_lists_every_address(ask: Asker, document: dict[str, Any]) -> None:
    for path in ("/docs", "/docs/"):
        page = ask.client.get(path, headers={"Authorization": ""})
        assert page.headers["Content-Type"].startswith("text/html")
        assert all(f"<code>{path}</code>" in page.content.decode() for path in document["paths"])
    answer = ask.client.get("/docs", headers={"Accept": "application/coreapi+json"})
    assert json.loads(answer.content)["paths"] == document["paths"]
