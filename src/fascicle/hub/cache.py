"""ONE's cache tables: what there is, and the tables themselves, of everything or of one release."""

from __future__ import annotations

import json
from urllib.parse import quote, urlsplit

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from fascicle.hub.building import zip_name
from fascicle.hub.built import fresh, reading, send
from fascicle.hub.models import Tag
from fascicle.hub.setup import current


@reading
def info(request: HttpRequest, tag: str = "") -> JsonResponse:
    """Answer ``/cache/info`` and ``/cache/info/TAG``."""
    name = tag.strip("/") or None
    if name is not None and not Tag.objects.filter(name=name).exists():
        return _unknown(name)
    config = current()
    found = fresh(config, name, tables=True)
    folder = config.catalogue / found["place"]
    out = json.loads((folder / f"{zip_name(name)}.json").read_text(encoding="utf-8"))
    out["location"] = f"{base_url(request)}/{_place(name)}"
    return JsonResponse(out)


@reading
def tables(request: HttpRequest, tag: str = "") -> HttpResponseBase:
    """Answer ``/cache.zip`` and ``/cache/TAG.zip``, always whole and of known length."""
    name = tag or None
    if name is not None and not Tag.objects.filter(name=name).exists():
        return _unknown(name)
    config = current()
    found = fresh(config, name, tables=True)
    file = config.catalogue / found["place"] / zip_name(name)
    return send(request, file, "application/zip", name="cache.zip")


def base_url(request: HttpRequest) -> str:
    """Return the hub's address as the client of a request knows it, without a slash at the end.

    Clients send their tokens to the address alone that they were given.
    """
    public = current().public_url.rstrip("/")
    if public and urlsplit(public).netloc == request.get_host():
        return public
    return str(request.build_absolute_uri("/")).rstrip("/")


def _place(tag: str | None) -> str:
    return "cache.zip" if tag is None else f"cache/{quote(tag, safe='')}.zip"


def _unknown(tag: str) -> JsonResponse:
    return JsonResponse({"detail": f"There is no tag {tag!r}.", "status_code": 404}, status=404)
