"""Pages: which part of a list is asked for, and the addresses of the parts around it.

ONE jumps to any page by replacing ``limit`` and ``offset`` in ``next``, so ``next`` keeps every
filter of the request. A limit or an offset that is no number is ignored, as Alyx ignores it.
"""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from django.http import HttpRequest, QueryDict

from fascicle.hub import setup

SLOW = 0.02  # seconds; a count that takes longer is kept for as long as nothing changes
KEPT = 1024

_counts: dict[str, tuple[int, int]] = {}


class Window(NamedTuple):
    """A part of a list."""

    limit: int
    offset: int


def window(query: QueryDict) -> Window:
    """Return which part of a list a request asks for."""
    config = setup.current()
    limit = _number(query.get("limit")) or config.page_size
    return Window(min(limit, config.page_limit), _number(query.get("offset")))


def _number(text: str | None) -> int:
    if text is None or not (text.isascii() and text.strip().isdigit()) or len(text) > 10:
        return 0
    return int(text)


def links(request: HttpRequest, base: str, at: Window, count: int) -> tuple[str | None, str | None]:
    """Return the addresses of the next and of the previous part, where there are any."""
    following = previous = None
    if at.offset + at.limit < count:
        following = _link(request, base, at.limit, at.offset + at.limit)
    if at.offset > 0:
        previous = _link(request, base, at.limit, max(0, at.offset - at.limit))
    return following, previous


def _link(request: HttpRequest, base: str, limit: int, offset: int) -> str:
    query = request.GET.copy()
    query["limit"] = str(limit)
    if offset:
        query["offset"] = str(offset)
    else:
        query.pop("offset", None)
    return f"{base}{request.path_info}?{query.urlencode()}"


def key(name: str, query: QueryDict) -> str:
    """Return under what the count of a list is kept: the parameters, whatever the page."""
    asked = sorted(item for item in query.items() if item[0] not in ("limit", "offset"))
    return f"{name} {asked}"


def count(rows: Any, at: Window, found: int, key: str | None) -> int:
    """Return how many rows a list has.

    Parameters
    ----------
    rows : QuerySet
        The list, whole.
    at : Window
        The part that was fetched.
    found : int
        How many rows that part has: the last part gives the count without a statement.
    key : str or None
        What the list was asked by. A count that took long is kept under it until the generation
        of the catalogue changes; with None it never is.
    """
    if (found or not at.offset) and found < at.limit:
        return at.offset + found
    kept = _counts.get(key) if key is not None else None
    generation = _generation() if kept is not None else None
    if kept is not None and kept[0] == generation:
        return kept[1]
    began = time.perf_counter()
    total = int(rows.count())
    if key is not None and time.perf_counter() - began > SLOW:
        _counts[key] = (_generation() if generation is None else generation, total)
        if len(_counts) > KEPT:
            _counts.clear()  # at once: threads share it, and each step of theirs must hold
    return total


def _generation() -> int:
    from fascicle.hub.generation import current

    return current()
