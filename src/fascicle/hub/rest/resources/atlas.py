"""Filters by brain region: a region stands for itself and for all regions within it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Q

from fascicle.hub.models import BrainRegion, InsertionRegion
from fascicle.hub.rest.filters import Filter, bad, number_of

VOID = 0  # outside the brain, and the root of the tree as it is stored


def within(regions: Any) -> Q | None:
    """Return the condition for being one of some regions or within one; None if there is none.

    Ranges that lie within others are left out, so that a word that many names hold does not make
    a condition of hundreds of parts.
    """
    spans: list[tuple[int, int]] = []
    for left, right in regions.order_by("lft").values_list("lft", "rght"):
        if not spans or left > spans[-1][1]:
            spans.append((left, right))
    condition: Q | None = None
    for span in spans:
        part = Q(region__lft__range=span)
        condition = part if condition is None else condition | part
    return condition


def atlas_filters(reach: Callable[[Any, Any], Any]) -> tuple[Filter, ...]:
    """Return the filters ``atlas_acronym``, ``atlas_name`` and ``atlas_id``.

    Parameters
    ----------
    reach : callable
        Given the rows and the rows of `InsertionRegion` in the regions, returns the rows that lead
        there.
    """

    def make(lookup: str, value: Callable[[str], Any]) -> Callable[[Any, str], Any]:
        def narrow(rows: Any, text: str) -> Any:
            condition = within(BrainRegion.objects.filter(**{lookup: value(text)}))
            if condition is None:
                return rows.none()
            return reach(rows, InsertionRegion.objects.filter(condition))

        return narrow

    def number(text: str) -> int:
        whole = number_of("atlas_id", text)
        if not isinstance(whole, int):
            raise bad("atlas_id", "Enter a whole number.")
        return whole

    return (
        Filter("atlas_acronym", make("acronym__iexact", str), "a region, and all within it"),
        Filter("atlas_name", make("name__icontains", str), "part of a region's name"),
        Filter("atlas_id", make("pk", number), "a region's number", {"type": "integer"}),
    )
