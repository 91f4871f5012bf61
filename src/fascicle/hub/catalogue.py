"""The compact index for fascicle's own clients, what changed in it, and its records by range."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from fascicle.hub.building import IDS, ROWS, SEARCH, newest
from fascicle.hub.built import fresh, reading, send
from fascicle.hub.setup import current

_BYTES = "application/octet-stream"
_ENTRY = 24  # bytes: an id, and the number of its record


@reading
def info(request: HttpRequest) -> JsonResponse:
    """Answer ``/catalogue/info``: the generation, and where its parts are."""
    found = fresh(current())
    number = found["generation"]
    out = {key: found[key] for key in ("store", "generation", "sessions", "datasets")}
    out["insertions"] = found["insertions"]
    out["created"] = found["created"]
    out["search"] = {"url": f"catalogue/{number}/search", **found["search"]}
    out["rows"] = {"url": f"catalogue/{number}/rows", **found["rows"]}
    out["changes"] = {"url": "catalogue/changes", "since": [*found["steps"], number]}
    return JsonResponse(out)


@reading
def search(request: HttpRequest, generation: int) -> HttpResponseBase:
    """Answer ``/catalogue/G/search``: sessions, paths and insertions, packed."""
    return _part(request, generation, SEARCH)


@reading
def rows(request: HttpRequest, generation: int) -> HttpResponseBase:
    """Answer ``/catalogue/G/rows``: ids, hashes and sizes, 40 bytes each.

    With ``?id=ID`` the answer is which record a dataset's is.
    """
    if "id" not in request.GET:
        return _part(request, generation, ROWS)
    try:
        wanted = UUID(request.GET["id"]).bytes
    except ValueError:
        return JsonResponse({"detail": "id is no UUID.", "status_code": 400}, status=400)
    folder = _folder(generation)
    number = _find(folder / IDS, wanted) if folder else None
    return _missing() if number is None else JsonResponse({"record": number})


@reading
def changes(request: HttpRequest) -> HttpResponse:
    """Answer ``/catalogue/changes?since=G``: whole sessions, one frame for each step from G."""
    found = newest(current())
    try:
        since = int(request.GET.get("since", ""))
        until = int(request.GET.get("until", found["generation"] if found else 0))
    except ValueError:
        detail = "since and until are generations: whole numbers."
        return JsonResponse({"detail": detail, "status_code": 400}, status=400)
    numbers = [*found["steps"], found["generation"]] if found else []
    if since not in numbers or until not in numbers or since > until:
        return _gone(found)
    wanted = numbers[numbers.index(since) + 1 : numbers.index(until) + 1]
    try:
        body = b"".join((current().catalogue / f"step-{n}.bin").read_bytes() for n in wanted)
    except FileNotFoundError:
        return _gone(found)
    return HttpResponse(body, content_type=_BYTES)


def _gone(found: dict[str, Any] | None) -> JsonResponse:
    detail = "What changed since then is not known any more: fetch the whole index."
    number = found["generation"] if found else None
    return JsonResponse({"detail": detail, "generation": number, "status_code": 410}, status=410)


def _part(request: HttpRequest, generation: int, name: str) -> HttpResponseBase:
    folder = _folder(generation)
    return _missing() if folder is None else send(request, folder / name, _BYTES)


def _missing() -> JsonResponse:
    return JsonResponse({"detail": "Not found.", "status_code": 404}, status=404)


def _folder(generation: int) -> Path | None:
    """Return where a generation lies: the newest, or one that somebody may still be fetching."""
    config = current()
    found = newest(config)
    if found is not None and found["generation"] == generation:
        return config.catalogue / str(found["place"])
    places = sorted(config.catalogue.glob(f"{generation}-*"), key=lambda p: p.stat().st_mtime)
    return places[-1] if places else None


def _find(file: Path, wanted: bytes) -> int | None:
    """Return the number that lies beside an id in a file of sorted ids."""
    try:
        fd = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        low, high = 0, os.fstat(fd).st_size // _ENTRY
        while low < high:
            middle = (low + high) // 2
            entry = os.pread(fd, _ENTRY, middle * _ENTRY)
            if entry[:16] == wanted:
                return int.from_bytes(entry[16:], "big")
            if entry[:16] < wanted:
                low = middle + 1
            else:
                high = middle
    finally:
        os.close(fd)
    return None
