"""The OpenAPI document at ``/api/schema``, made of the resources.

ONE reads from it what there is: a path with ``{`` is one row, any other a list, and the list must
come first; parameters of a list are its filters; a body must be a reference to a component, whose
properties are what can be written.
"""

from __future__ import annotations

import functools
from typing import Any

from fascicle.hub.rest.fields import Schema
from fascicle.hub.rest.resource import Resource

_METHODS = {
    "list": "get",
    "create": "post",
    "read": "get",
    "update": "put",
    "partial_update": "patch",
    "delete": "delete",
}
_SAID = {
    "list": "list",
    "create": "create",
    "read": "retrieve",
    "update": "update",
    "partial_update": "partial_update",
    "delete": "destroy",
}
_SECURITY: list[Schema] = [{"cookieAuth": []}, {"tokenAuth": []}]
_ERROR: Schema = {
    "type": "object",
    "properties": {"detail": {"type": "string"}, "status_code": {"type": "integer"}},
    "additionalProperties": True,
}


@functools.cache
def document() -> dict[str, Any]:
    """Return the whole document."""
    from fascicle.hub.rest.resources import resources

    paths: dict[str, Any] = {}
    schemas: dict[str, Schema] = {"Error": _ERROR, "AuthToken": _token()}
    for resource in sorted(resources(), key=lambda one: one.name):
        paths.update(_paths(resource))
        schemas.update(_schemas(resource))
    paths.update(_special())
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "A lab's database",
            "version": "3.6.1",
            "description": "Sessions, datasets and all that belongs to them, as Alyx serves them.",
        },
        "paths": dict(sorted(paths.items(), key=_list_first)),
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "cookieAuth": {"type": "apiKey", "in": "cookie", "name": "fascicle_hub"},
                "tokenAuth": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": 'A token, with "Token " before it.',
                },
            },
        },
    }


def _list_first(item: tuple[str, Any]) -> tuple[str, bool]:
    return item[0].replace("{", "~"), "{" in item[0]


def component(resource: Resource, shape: str) -> str:
    """Return the name of the component that describes a resource's JSON."""
    name = resource.title
    if resource.shapes["list"] == resource.shapes["detail"]:
        return name
    return f"{name}List" if shape == "list" else f"{name}Detail"


def _schemas(resource: Resource) -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    for shape in ("list", "detail"):
        fields = resource.shapes[shape]
        body: Schema = {
            "type": "object",
            "description": resource.help,
            "properties": {one.name: one.schema(resource.model) for one in fields},
        }
        name = component(resource, shape)
        found[f"Patched{name}"] = body
        required = [one.name for one in fields if one.required and not one.read_only]
        found[name] = {**body, "required": required} if required else body
    listed = component(resource, "list")
    found[f"Paginated{listed}List"] = {
        "type": "object",
        "required": ["count", "results"],
        "properties": {
            "count": {"type": "integer"},
            "next": {"type": "string", "nullable": True, "format": "uri"},
            "previous": {"type": "string", "nullable": True, "format": "uri"},
            "results": {"type": "array", "items": _ref(listed)},
        },
    }
    return found


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _paths(resource: Resource) -> dict[str, Any]:
    key = {"uuid": "id", "int": "id"}.get(resource.kind, resource.lookup)
    rows: dict[str, Any] = {}
    row: dict[str, Any] = {}
    for action in ("list", "create", "read", "update", "partial_update", "delete"):
        if action not in resource.actions:
            continue
        one = action in ("read", "update", "partial_update", "delete")
        operation = {
            "operationId": f"{resource.name.replace('-', '_')}_{_SAID[action]}",
            "description": resource.help,
            "parameters": _key(resource, key) if one else [],
            "tags": [resource.name],
            "security": _SECURITY,
            "responses": _responses(resource, action),
        }
        if action == "list":
            operation["parameters"] = _parameters(resource)
        if action in ("create", "update", "partial_update"):
            operation["requestBody"] = _body(resource, action)
        (row if one else rows)[_METHODS[action]] = operation
    both = {f"/{resource.name}": rows, f"/{resource.name}/{{{key}}}": row}
    return {path: operations for path, operations in both.items() if operations}


def _key(resource: Resource, key: str) -> list[Schema]:
    kinds: dict[str, Schema] = {
        "uuid": {"type": "string", "format": "uuid"},
        "int": {"type": "integer"},
        "str": {"type": "string"},
    }
    return [{"in": "path", "name": key, "schema": kinds[resource.kind], "required": True}]


def _parameters(resource: Resource) -> list[Schema]:
    found: list[Schema] = [
        {"in": "query", "name": one.name, "schema": one.shape, "description": one.help}
        for one in resource.parameters.values()
    ]
    for name, text in (("limit", "how many rows"), ("offset", "how many rows are left out before")):
        shape = {"type": "integer"}
        found.append({"in": "query", "name": name, "schema": shape, "description": text})
    return sorted(found, key=lambda one: str(one["name"]))


def _body(resource: Resource, action: str) -> Schema:
    name = component(resource, "detail")
    if action == "create":
        name = component(resource, resource.created)
    elif action == "partial_update":
        name = f"Patched{name}"
    content = {"schema": _ref(name)}
    kinds = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")
    return {"content": dict.fromkeys(kinds, content), "required": action != "partial_update"}


def _json(schema: Schema, text: str = "") -> Schema:
    return {"content": {"application/json": {"schema": schema}}, "description": text}


def _responses(resource: Resource, action: str) -> Schema:
    responses: Schema = {}
    if action == "delete":
        responses["204"] = {"description": "deleted"}
    elif action == "create":
        responses["201"] = _json(_ref(component(resource, resource.created)), "made")
    elif action == "list":
        responses["200"] = _json(_ref(f"Paginated{component(resource, 'list')}List"), "a page")
    else:
        responses["200"] = _json(_ref(component(resource, "detail")), "the row")
    if action != "read":
        responses["400"] = _json(_ref("Error"), "a value means nothing")
    responses["403"] = _json(_ref("Error"), "no login, or not allowed")
    if action not in ("list", "create"):
        responses["404"] = {"description": "there is no such row"}
    return responses


def _token() -> Schema:
    return {
        "type": "object",
        "properties": {
            "username": {"type": "string", "writeOnly": True},
            "password": {"type": "string", "writeOnly": True},
            "token": {"type": "string", "readOnly": True},
        },
        "required": ["username", "password"],
    }


def _special() -> dict[str, Any]:
    """Return the addresses that are no resources."""

    def one(
        method: str, name: str, text: str, status: str = "200", tag: str = "", body: str = ""
    ) -> Schema:
        operation: Schema = {
            "operationId": name,
            "description": text,
            "tags": [tag or name],
            "security": [*_SECURITY, *([{}] if name.startswith(("auth", "api")) else [])],
            "responses": {
                status: {"description": text},
                "400": _json(_ref("Error"), "a value means nothing"),
                "403": _json(_ref("Error"), "no login, or not allowed"),
            },
        }
        if body:
            kinds = ("application/json", "application/x-www-form-urlencoded")
            operation["requestBody"] = {
                "content": {kind: {"schema": _ref(body)} for kind in kinds},
                "required": True,
            }
        return {method: operation}

    return {
        "/api/schema": one("get", "api_schema_retrieve", "This document.", tag="api"),
        "/auth-token": one(
            "post", "auth_token_create", "A token for a user's password.", body="AuthToken"
        ),
        "/cache/info": one("get", "cache_info_retrieve", "What the tables are.", tag="cache"),
        "/cache.zip": one("get", "cache_zip_retrieve", "The tables.", tag="cache.zip"),
        "/check-protected": one(
            "get", "check_protected_list", "Which datasets are protected.", tag="check-protected"
        ),
        "/me": one("get", "me_retrieve", "Who asks.", tag="me"),
        "/new-download": one("post", "new_download_create", "Count downloads.", "201"),
        "/register-file": one("post", "register_file_create", "Register files.", "201"),
        "/sync-file-status": {
            **one("get", "sync_file_status_retrieve", "Copies to be made."),
            **one("post", "sync_file_status_create", "Copies that were made."),
        },
    }
