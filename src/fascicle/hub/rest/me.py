"""``/me`` (who asks) and ``/docs`` (what there is to ask for)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.views.decorators.csrf import csrf_exempt

from fascicle.hub.rest.answers import answer, not_allowed, refusal
from fascicle.hub.rest.schema import document

READS = "GET, HEAD, OPTIONS"


@csrf_exempt
def me(request: HttpRequest) -> HttpResponse:
    """Answer who asks."""
    if request.method == "OPTIONS":
        return answer({"name": "me"}, headers={"Allow": READS})
    if request.method not in ("GET", "HEAD"):
        return refusal(not_allowed(request.method, READS))
    user: Any = request.user
    return answer(
        {
            "id": user.pk,
            "username": user.username,
            "email": user.email,
            "is_public_user": user.is_public_user,
            "is_staff": user.is_staff,
        },
        headers={"Allow": READS},
    )


def schema(request: HttpRequest) -> HttpResponse:
    """Answer the OpenAPI document, whatever kind of it is asked for: it is always JSON."""
    if request.method not in ("GET", "HEAD"):
        return refusal(not_allowed(request.method, READS))
    response = answer(document(), headers={"Allow": READS})
    if "openapi" in request.headers.get("Accept", ""):
        response.headers["Content-Type"] = "application/vnd.oai.openapi+json"
    return response


def docs(request: HttpRequest) -> HttpResponse:
    """Answer a page of the endpoints; to a program, the OpenAPI document."""
    if request.method not in ("GET", "HEAD") or "json" in request.headers.get("Accept", ""):
        return schema(request)
    rows = [
        (
            path,
            ", ".join(method.upper() for method in operations),
            next(iter(operations.values()))["description"],
            ", ".join(
                parameter["name"]
                for parameter in operations.get("get", {}).get("parameters", ())
                if parameter["in"] == "query"
            ),
        )
        for path, operations in document()["paths"].items()
    ]
    body = format_html_join(
        "\n", "<tr><td><code>{}</code><td>{}<td>{}<td><small>{}</small></tr>", rows
    )
    return HttpResponse(format_html(_PAGE, body))


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>REST interface</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:15px sans-serif;margin:2em;max-width:70em}}
table{{border-collapse:collapse}}td,th{{padding:.3em .6em;text-align:left;vertical-align:top;
border-bottom:1px solid #ddd}}small{{color:#555}}</style>
<h1>REST interface</h1>
<p>Any ONE client uses this hub by these addresses; <a href="/api/schema">/api/schema</a> describes
them for programs. A request shows who asks by <code>Authorization: Token …</code>.</p>
<table><tr><th>Address<th>Methods<th>What it is<th>Filters</tr>
{}
</table></html>
"""
