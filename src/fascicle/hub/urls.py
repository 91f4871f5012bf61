"""All addresses of a hub, but those of files, which `fascicle.hub.wsgi` sends elsewhere.

No address ends in a slash, and one that does is another address, which is not there: as in Alyx.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from fascicle.hub.pages import page_paths
from fascicle.hub.rest.me import docs, me, schema
from fascicle.hub.rest.resources import resources
from fascicle.hub.rest.views import row_view, rows_view


def _late(name: str) -> Callable[..., HttpResponse]:
    """Return a view whose module is imported when it is first asked for."""
    module, _, function = name.rpartition(".")

    def view(request: HttpRequest, **parts: Any) -> HttpResponse:
        found: Callable[..., HttpResponse] = getattr(importlib.import_module(module), function)
        return found(request, **parts)

    view.__name__ = function
    # Clients show a token; for pages, whoever checks the login checks for forgery too.
    return csrf_exempt(view)


def _resources() -> Iterator[Any]:
    for resource in resources():
        if resource.actions & {"list", "create"}:
            yield path(resource.name, rows_view(resource), name=resource.name)
        if resource.actions & {"read", "update", "partial_update", "delete"}:
            # Names may hold slashes, which arrive as such though clients escape them.
            kind = "path" if resource.kind == "str" else resource.kind
            where = f"{resource.name}/<{kind}:key>"
            yield path(where, row_view(resource), name=f"{resource.name}-row")


REST = "fascicle.hub.rest"

urlpatterns = [
    *_resources(),
    path("me", me),
    path("api/schema", schema),
    path("docs", docs),
    path("docs/", docs),
    path("auth-token", _late(f"{REST}.auth.auth_token")),
    path("register-file", _late(f"{REST}.register.register_file")),
    path("check-protected", _late(f"{REST}.register.check_protected")),
    path("new-download", _late(f"{REST}.register.new_download")),
    path("sync-file-status", _late(f"{REST}.register.sync_file_status")),
    path("uploaded/<path:name>", _late(f"{REST}.notes.image")),
    path("cache/info", _late("fascicle.hub.cache.info")),
    path("cache/info/", _late("fascicle.hub.cache.info")),
    path("cache/info/<str:tag>", _late("fascicle.hub.cache.info")),
    path("cache.zip", _late("fascicle.hub.cache.tables")),
    path("cache/<str:tag>.zip", _late("fascicle.hub.cache.tables")),
    path("catalogue/info", _late("fascicle.hub.catalogue.info")),
    path("catalogue/changes", _late("fascicle.hub.catalogue.changes")),
    path("catalogue/<int:generation>/search", _late("fascicle.hub.catalogue.search")),
    path("catalogue/<int:generation>/rows", _late("fascicle.hub.catalogue.rows")),
    *page_paths,
    path("admin/", admin.site.urls),
]
