"""Which function answers which request at a resource's two addresses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from fascicle.hub.rest.answers import Refused, answer, not_allowed, refusal
from fascicle.hub.rest.resource import Resource

View = Callable[..., HttpResponse]

_ROWS = {"GET": "list", "POST": "create"}
_ROW = {"GET": "read", "PUT": "update", "PATCH": "partial_update", "DELETE": "delete"}


def rows_view(resource: Resource) -> View:
    """Return the view of a resource's list, where rows are also made."""
    return _view(resource, _ROWS)


def row_view(resource: Resource) -> View:
    """Return the view of one row of a resource."""
    return _view(resource, _ROW)


def _view(resource: Resource, actions: dict[str, str]) -> View:
    methods = {method: do for method, do in actions.items() if do in resource.actions}
    allowed = ", ".join([*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"])

    def view(request: HttpRequest, key: Any = None) -> HttpResponse:
        method = "GET" if request.method == "HEAD" else request.method
        try:
            if method in methods:
                response = _do(methods[method], resource, request, key)
            elif method == "OPTIONS":
                response = answer(
                    {
                        "name": resource.name,
                        "description": resource.help,
                        "renders": ["application/json"],
                        "parses": ["application/json", "multipart/form-data"],
                    }
                )
            else:
                raise not_allowed(request.method, allowed)
        except Refused as error:
            response = refusal(error)
        response.headers["Allow"] = allowed
        if request.method == "HEAD":
            response.content = b""  # its length stays that of the answer to GET
        return response

    # The middleware that asks for a login checks sessions of pages against forgery.
    return csrf_exempt(view)


def _do(action: str, resource: Resource, request: HttpRequest, key: Any) -> HttpResponse:
    if action == "list":
        return resource.list(request)
    if action == "read":
        return resource.read(request, key)
    from fascicle.hub.rest.writing import create, delete, update

    if action == "create":
        return create(resource, request)
    if action == "delete":
        return delete(resource, request, key)
    return update(resource, request, key, partial=action == "partial_update")
