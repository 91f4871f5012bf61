"""Animals, their weights and their water, and surgeries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from fascicle.hub.models import (
    Session,
    Subject,
    Surgery,
    WaterAdministration,
    WaterRestriction,
    Weighing,
)
from fascicle.hub.rest.fields import Field, Id, Made, Names, Page, Related, Url
from fascicle.hub.rest.filters import Filter, columns, days, each, is_, language, truth_of
from fascicle.hub.rest.resource import NO_DELETE, Resource
from fascicle.hub.rest.resources.parts import LIST
from fascicle.hub.rest.resources.water import of_state, records

NUMBER = {"type": "number", "format": "double"}
TIME = {"type": "string", "format": "date-time", "nullable": True}


def _age(page: Page) -> Sequence[int]:
    today = date.today()
    pairs = zip(page["birth_date"], page["death_date"], strict=True)
    return [((death or today) - birth).days // 7 if birth else 0 for birth, death in pairs]


def _session_projects(page: Page) -> Sequence[list[str]]:
    pairs = Session.projects.through.objects.filter(session__subject__in=page["pk"])
    found: dict[Any, list[str]] = {}
    names = pairs.order_by("project__name").values_list("session__subject_id", "project__name")
    for owner, name in names.distinct():
        found.setdefault(owner, []).append(name)
    return [found.get(key, []) for key in page["pk"]]


def _alive(page: Page) -> Sequence[bool]:
    pairs = zip(page["death_date"], page["cull"], strict=True)
    return [death is None and not cull for death, cull in pairs]


def _water(page: Page) -> Sequence[list[dict[str, Any]]]:
    return _within(page, WATER_ADMINISTRATIONS)


def _weights(page: Page) -> Sequence[list[dict[str, Any]]]:
    return _within(page, WEIGHINGS)


def _within(page: Page, resource: Resource) -> Sequence[list[dict[str, Any]]]:
    """Return the rows of another resource for each animal, as that resource shows them."""
    rows = resource.all().filter(subject__in=page["pk"]).order_by(*resource.model._meta.ordering)
    owners = list(rows.values_list("subject_id", flat=True))
    found: dict[Any, list[dict[str, Any]]] = {}
    for owner, one in zip(owners, resource.render(rows, "list", page.base), strict=True):
        found.setdefault(owner, []).append(one)
    return [found.get(key, []) for key in page["pk"]]


def _is_alive(rows: Any, text: str) -> Any:
    living = {"death_date__isnull": True, "cull": False}
    return rows.filter(**living) if truth_of("alive", text) else rows.exclude(**living)


def _is_restricted(rows: Any, text: str) -> Any:
    open_ = WaterRestriction.objects.filter(end_time__isnull=True).order_by().values("subject")
    if truth_of("water_restricted", text):
        return rows.filter(pk__in=open_, death_date__isnull=True)
    return rows.exclude(pk__in=open_)


def _is_stock(rows: Any, text: str) -> Any:
    managed = {"responsible_user__is_stock_manager": True}
    return rows.filter(**managed) if truth_of("stock", text) else rows.exclude(**managed)


SUBJECTS = Resource(
    "subjects",
    Subject,
    lookup="nickname",
    created="list",
    fields=(
        Field("nickname", required=True),
        Url("subjects", "nickname"),
        Field("id", read_only=True),
        Related("responsible_user", "responsible_user__username"),
        Field("birth_date"),
        Made("age_weeks", _age, ("birth_date", "death_date"), shape={"type": "integer"}),
        Field("death_date"),
        Related("species", "species__nickname"),
        Field("sex"),
        Related("litter", "litter__name"),
        Related("strain", "strain__name"),
        Related("source", "source__name"),
        Related("line", "line__nickname"),
        Names("projects"),
        Made(
            "session_projects",
            _session_projects,
            shape={"type": "array", "items": {"type": "string"}},
        ),
        Related("lab", "lab__name", required=True),
        Field("genotype"),
        Field("description"),
        Made("alive", _alive, ("death_date", "cull"), shape={"type": "boolean"}),
        Made("reference_weight", of_state("reference"), shape=NUMBER),
        Made("last_water_restriction", of_state("since"), shape=TIME),
        Made("expected_water", of_state("expected"), shape=NUMBER),
        Made("remaining_water", of_state("remaining"), shape=NUMBER),
        Field("json"),
        Made("weighings", _weights, shape=LIST, only="detail"),
        Made("water_administrations", _water, shape=LIST, only="detail"),
    ),
    filters=(
        *columns("id", "name", "nickname", "birth_date", "death_date", "sex", "description"),
        *columns("ear_mark", "cage", "protocol_number"),
        language("json", "json"),
        is_("lab", "lab__name"),
        is_("project", "projects__name", "icontains"),
        is_("projects", "projects__name"),
        is_("responsible_user", "responsible_user__username"),
        is_("species", "species__nickname"),
        is_("strain", "strain__name"),
        is_("source", "source__name"),
        is_("line", "line__nickname"),
        is_("litter", "litter__name"),
        Filter("alive", _is_alive, "whether it lives", {"type": "boolean"}),
        Filter("stock", _is_stock, "whether a stock manager has it", {"type": "boolean"}),
        Filter("water_restricted", _is_restricted, "on water restriction", {"type": "boolean"}),
    ),
    help="Animals.",
)

WEIGHINGS = Resource(
    "weighings",
    Weighing,
    order=("date_time", "pk"),
    fields=(
        Related("subject", "subject__nickname", required=True),
        Field("date_time"),
        Field("weight", required=True),
        Related("user", "user__username"),
        Url("weighings"),
    ),
    filters=(
        *columns("id", "name", "weight", "date_time"),
        language("json", "json"),
        is_("nickname", "subject__nickname"),
        is_("subject", "subject__nickname"),
        is_("lab", "subject__lab__name"),
        is_("user", "user__username"),
        is_("users", "user__username"),
        days("date_range", "date_time"),
    ),
    actions=frozenset({"list", "read", "create", "delete"}),
    help="Weights of animals in grams.",
)

WATER_ADMINISTRATIONS = Resource(
    "water-administrations",
    WaterAdministration,
    order=("date_time", "pk"),
    fields=(
        Related("subject", "subject__nickname", required=True),
        Field("date_time"),
        Field("water_administered"),
        Related("water_type", "water_type__name"),
        Related("user", "user__username"),
        Url("water-administrations"),
        Id("session"),
        Field("adlib"),
    ),
    filters=(
        *columns("id", "name", "adlib", "water_administered", "date_time"),
        language("json", "json"),
        is_("nickname", "subject__nickname"),
        is_("subject", "subject__nickname"),
        is_("lab", "subject__lab__name"),
        is_("session", "session__pk"),
        is_("user", "user__username"),
        is_("users", "user__username"),
        is_("water_type", "water_type__name"),
        days("date_range", "date_time"),
    ),
    help="Water that animals were given, in millilitres.",
)

_ACTION = (
    *columns("id", "name", "narrative", "start_time", "end_time"),
    language("json", "json"),
    is_("nickname", "subject__nickname"),
    is_("subject", "subject__nickname"),
    is_("lab", "lab__name"),
    is_("location", "location__name", "icontains"),
    is_("procedures", "procedures__name", "icontains"),
    each("users", "users__username", "users' names, all of them"),
    days("date_range", "start_time"),
)

WATER_RESTRICTIONS = Resource(
    "water-restriction",
    WaterRestriction,
    order=("-start_time", "pk"),
    fields=(
        Related("subject", "subject__nickname", required=True),
        Field("start_time"),
        Field("end_time"),
        Related("water_type", "water_type__name"),
        Field("reference_weight"),
    ),
    filters=(*_ACTION, *columns("reference_weight"), is_("water_type", "water_type__name")),
    actions=frozenset({"list", "create"}),
    help="Times during which an animal's water is measured.",
)


def _restricted() -> Any:
    open_ = WaterRestriction.objects.filter(end_time__isnull=True).order_by().values("subject")
    return Subject.objects.filter(pk__in=open_, death_date__isnull=True)


WATER_RESTRICTED = Resource(
    "water-restricted-subjects",
    Subject,
    lookup="nickname",
    rows=_restricted,
    fields=(
        Field("nickname", read_only=True),
        Url("subjects", "nickname"),
        Made("expected_water", of_state("expected"), shape=NUMBER),
        Made("remaining_water", of_state("remaining"), shape=NUMBER),
        Made("reference_weight", of_state("reference"), shape=NUMBER),
        Made("last_water_restriction", of_state("since"), shape=TIME),
        Field("reference_weight_pct", "lab__reference_weight_pct", read_only=True),
        Field("zscore_weight_pct", "lab__zscore_weight_pct", read_only=True),
    ),
    actions=frozenset({"list"}),
    django=False,
    help="Animals on water restriction now.",
)

WATER_REQUIREMENT = Resource(
    "water-requirement",
    Subject,
    lookup="nickname",
    fields=(
        Field("subject", "nickname", read_only=True),
        Made("implant_weight", of_state("implant"), shape=NUMBER),
        Made("expected_water", of_state("expected"), shape=NUMBER),
        Made("remaining_water", of_state("remaining"), shape=NUMBER),
        Made("records", records, shape=LIST),
    ),
    actions=frozenset({"read"}),
    django=False,
    help="What an animal weighed and drank on each day, and what it needs today.",
)


def _outcome(rows: Any, text: str) -> Any:
    return rows.filter(outcome_type__iexact=text[:1])


SURGERIES = Resource(
    "surgeries",
    Surgery,
    order=("-start_time", "pk"),
    fields=(
        Field("id", read_only=True),
        Related("subject", "subject__nickname", required=True),
        Field("name"),
        Field("json"),
        Field("narrative"),
        Field("start_time"),
        Field("end_time"),
        Field("outcome_type"),
        Field("implant_weight"),
        Id("lab"),
        Id("location"),
        Names("users", "users__username"),
        Names("procedures"),
    ),
    filters=(
        *_ACTION,
        *columns("implant_weight"),
        is_("procedure", "procedures__name", "icontains"),
        Filter("outcome_type", _outcome, "a, r or n"),
    ),
    actions=NO_DELETE,
    help="Surgeries.",
)

RESOURCES = (
    SUBJECTS,
    WEIGHINGS,
    WATER_ADMINISTRATIONS,
    WATER_RESTRICTIONS,
    WATER_RESTRICTED,
    WATER_REQUIREMENT,
    SURGERIES,
)
