"""How much water animals on water restriction need: from weights, surgeries and what was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, time
from typing import Any, NamedTuple

from django.db.models import F, FloatField, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from fascicle.hub.models import (
    Subject,
    Surgery,
    WaterAdministration,
    WaterRestriction,
    Weighing,
)
from fascicle.hub.rest.fields import Page

#: Millilitres for each gram of body weight, and where an animal became too light.
SHARE = 0.04
SHARE_LIGHT = 0.05
LIGHT = 0.8


class State(NamedTuple):
    """An animal's weight and water."""

    weight: float
    implant: float
    since: datetime | None
    reference: float
    given: float
    reference_pct: float

    @property
    def expected(self) -> float:
        """Millilitres that the animal needs a day."""
        wanted = self.reference_pct * self.reference + self.implant
        is_light = bool(self.reference_pct) and self.weight < LIGHT * wanted
        share = SHARE_LIGHT if is_light else SHARE
        return round(max(0.0, share * (self.weight - self.implant)), 3)

    @property
    def remaining(self) -> float:
        """Millilitres that it did not have yet today."""
        return round(self.expected - self.given, 3)


def states(page: Page) -> dict[Any, State]:
    """Return the weight and water of each animal of a page, by one statement."""
    found: dict[Any, State] | None = page.shared.get(states)
    if found is None:
        found = page.shared[states] = _states(page["pk"])
    return found


def _latest(model: Any, column: str, *order: str, **where: Any) -> Subquery:
    rows = model.objects.filter(subject=OuterRef("pk"), **where).order_by(*order)
    return Subquery(rows.values(column)[:1])


def _states(ids: Sequence[Any]) -> dict[Any, State]:
    today = datetime.combine(datetime.now(), time.min)
    given = (
        WaterAdministration.objects.filter(subject=OuterRef("pk"), date_time__gte=today)
        .order_by()
        .values("subject")
        .annotate(total=Sum("water_administered"))
        .values("total")
    )
    rows = (
        Subject.objects.filter(pk__in=ids)
        .order_by()
        .annotate(since=_latest(WaterRestriction, "start_time", "-start_time", "-pk"))
        .values_list(
            "pk",
            _latest(Weighing, "weight", "-date_time", "-pk"),
            _latest(Surgery, "implant_weight", "-start_time", implant_weight__gt=0),
            "since",
            _latest(WaterRestriction, "reference_weight", "-start_time", "-pk"),
            Subquery(
                Weighing.objects.filter(subject=OuterRef("pk"), date_time__lt=OuterRef("since"))
                .order_by("-date_time", "-pk")
                .values("weight")[:1]
            ),
            Coalesce(Subquery(given), 0.0, output_field=FloatField()),
            F("lab__reference_weight_pct"),
            F("reference_weight"),
        )
    )
    out: dict[Any, State] = {}
    for key, weight, implant, since, noted, before, drunk, pct, own in rows:
        implant = implant or 0.0
        reference = noted or own or (before - implant if before else 0.0)
        out[key] = State(weight or 0.0, implant, since, round(reference, 3), drunk, pct or 0.0)
    return out


def of_state(name: str) -> Callable[[Page], Sequence[Any]]:
    """Return the function that makes one value of each animal's state."""

    def make(page: Page) -> Sequence[Any]:
        known = states(page)
        return [getattr(known[key], name) for key in page["pk"]]

    return make


def records(page: Page) -> Sequence[list[dict[str, Any]]]:
    """Return, for each animal, what was weighed and given on each day."""
    days: dict[Any, dict[Any, dict[str, Any]]] = {key: {} for key in page["pk"]}

    def day(owner: Any, at: datetime) -> dict[str, Any]:
        fresh = {
            "date": at.date(),
            "weighing_at": None,
            "weight": None,
            "given_water_total": 0.0,
            "given_water_adlib": False,
        }
        return days[owner].setdefault(at.date(), fresh)

    weighed = Weighing.objects.filter(subject__in=page["pk"]).order_by("date_time", "pk")
    for owner, at, weight in weighed.values_list("subject_id", "date_time", "weight"):
        day(owner, at).update(weighing_at=at, weight=weight)
    given = WaterAdministration.objects.filter(subject__in=page["pk"]).order_by("date_time")
    for owner, at, amount, adlib in given.values_list(
        "subject_id", "date_time", "water_administered", "adlib"
    ):
        one = day(owner, at)
        one["given_water_total"] = round(one["given_water_total"] + (amount or 0.0), 6)
        one["given_water_adlib"] |= adlib
    return [[days[key][date] for date in sorted(days[key])] for key in page["pk"]]
