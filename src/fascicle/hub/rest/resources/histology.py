"""Where probes were: trajectories, channels, regions of the brain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q

from fascicle.hub.models import BrainRegion, Channel, TrajectoryEstimate
from fascicle.hub.rest.fields import Choice, Field, Id, Made, Page, Related
from fascicle.hub.rest.filters import Filter, columns, is_, number_of
from fascicle.hub.rest.resource import ALL, Resource
from fascicle.hub.rest.resources.parts import LIST, OBJECT, session_columns, session_info

_SESSION = "probe_insertion__session"

TRAJECTORIES = Resource(
    "trajectories",
    TrajectoryEstimate,
    order=("probe_insertion_id", "-provenance", "pk"),
    fields=(
        Field("id", read_only=True),
        Id("probe_insertion"),
        Field("x", required=True),
        Field("y", required=True),
        Field("z"),
        Field("depth", required=True),
        Field("theta", required=True),
        Field("phi", required=True),
        Field("roll"),
        Choice("provenance", required=True),
        Made("session", session_info(_SESSION), session_columns(_SESSION), shape=OBJECT),
        Field("probe_name", "probe_insertion__name", read_only=True),
        Related("coordinate_system", "coordinate_system__name"),
        Field("datetime", read_only=True),
        Field("json"),
        Id("chronic_insertion"),
    ),
    filters=(
        *columns("id", "x", "y", "z", "depth", "theta", "phi", "roll", "datetime", "provenance"),
        is_("probe_insertion", "probe_insertion__pk"),
        is_("chronic_insertion", "chronic_insertion__pk"),
        is_("probe", "probe_insertion__name"),
        is_("coordinate_system", "coordinate_system__name"),
        is_("session", "probe_insertion__session__pk"),
        is_("subject", "probe_insertion__session__subject__nickname"),
        is_("date", "probe_insertion__session__date"),
        is_("experiment_number", "probe_insertion__session__number"),
        is_("project", "probe_insertion__session__projects__name", "icontains"),
    ),
    help="Where probes are thought to have been.",
)

CHANNELS = Resource(
    "channels",
    Channel,
    order=("trajectory_estimate_id", "axial", "lateral", "pk"),
    fields=(
        Field("id", read_only=True),
        Id("trajectory_estimate"),
        Id("brain_region"),
        Field("name"),
        Field("json"),
        Field("axial"),
        Field("lateral"),
        Field("x"),
        Field("y"),
        Field("z"),
    ),
    filters=(
        *columns("id", "name", "axial", "lateral", "x", "y", "z"),
        is_("trajectory_estimate", "trajectory_estimate__pk"),
        is_("brain_region", "brain_region__pk"),
        is_("probe_insertion", "trajectory_estimate__probe_insertion__pk"),
        is_("session", "trajectory_estimate__probe_insertion__session__pk"),
        is_("subject", "trajectory_estimate__probe_insertion__session__subject__nickname"),
        is_("lab", "trajectory_estimate__probe_insertion__session__lab__name"),
    ),
    help="Recording sites.",
)


def _region(name: str, text: str) -> Any:
    """Return the region that a parameter names by its number or acronym."""
    if text.lstrip("-").isdigit():
        return BrainRegion.objects.filter(pk=number_of(name, text))
    return BrainRegion.objects.filter(acronym__iexact=text)


def _descendants(rows: Any, text: str) -> Any:
    condition = Q(pk__in=())
    for left, right in _region("descendants", text).values_list("lft", "rght"):
        condition |= Q(lft__range=(left, right))
    return rows.filter(condition).exclude(pk=0)


def _ancestors(rows: Any, text: str) -> Any:
    condition = Q(pk__in=())
    for left, right in _region("ancestors", text).values_list("lft", "rght"):
        condition |= Q(lft__lte=left, rght__gte=right)
    return rows.filter(condition).exclude(pk=0)


def _related(page: Page) -> Sequence[Any]:
    """Return the descriptions of the regions around each one that has one itself."""
    spans = {
        key: (left, right)
        for key, left, right, text in zip(
            *(page[column] for column in ("pk", "lft", "rght", "description")), strict=True
        )
        if text
    }
    if not spans:
        return [[]] * page.size
    around = Q(pk__in=())
    for left, right in spans.values():
        around |= Q(lft__lt=left, rght__gt=right) | Q(lft__gt=left, rght__lt=right)
    others = list(
        BrainRegion.objects.filter(around)
        .exclude(description="")
        .order_by("lft")
        .values_list("pk", "acronym", "description", "lft", "rght")
    )
    return [
        [
            {"id": key, "acronym": acronym, "description": text}
            for key, acronym, text, left, right in others
            if _nested(spans[own], (left, right))
        ]
        if own in spans
        else []
        for own in page["pk"]
    ]


def _nested(one: tuple[int, int], other: tuple[int, int]) -> bool:
    (left, right), (first, last) = one, other
    return (first < left and right < last) or (left < first and last < right)


class Description(Field):
    """A region's description; null where there is none."""

    def render(self, page: Page) -> Sequence[Any]:
        """Return the description of each region."""
        return [text or None for text in page["description"]]


BRAIN_REGIONS = Resource(
    "brain-regions",
    BrainRegion,
    order=("lft", "pk"),
    actions=ALL - {"create", "delete"},
    fields=(
        Field("id", read_only=True),
        Field("acronym", read_only=True),
        Field("name", read_only=True),
        Description("description", shape={"type": "string", "nullable": True}),
        Id("parent", read_only=True),
        Made("related_descriptions", _related, ("pk", "lft", "rght", "description"), shape=LIST),
    ),
    filters=(
        *columns("id"),
        is_("acronym", "acronym", "iexact"),
        is_("name", "name", "icontains"),
        is_("description", "description", "icontains"),
        is_("parent", "parent__pk"),
        Filter("descendants", _descendants, "a region, by its number or acronym, and all in it"),
        Filter("ancestors", _ancestors, "a region, by its number or acronym, and all around it"),
    ),
    help="Regions of the Allen atlas.",
)

RESOURCES = (TRAJECTORIES, CHANNELS, BRAIN_REGIONS)
