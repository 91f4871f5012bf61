"""What searches by datasets have in common."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, F, Q, Subquery, Value, When
from django.db.models.functions import Concat, StrIndex

from fascicle.hub.models import Dataset, DatasetType
from fascicle.hub.rest.answers import Refused
from fascicle.hub.rest.filters import choice_of, items_of


def of_types(text: str) -> list[Any]:
    """Return, for each of some dataset types, the condition for being of it."""
    return [
        Subquery(DatasetType.objects.filter(name=item).order_by().values("pk")[:1])
        for item in items_of("dataset_types", text)
    ]


def verify_types(text: str) -> None:
    """Refuse dataset types that there are not."""
    wanted = items_of("dataset_types", text)
    found = set(DatasetType.objects.filter(name__in=wanted).values_list("name", flat=True))
    if missing := [item for item in wanted if item not in found]:
        raise Refused(400, f"dataset_types: there is no dataset type {', '.join(missing)}.")


def quality(name: str, text: str) -> int:
    """Return a quality by its name."""
    return choice_of(name, Dataset._meta.get_field("qc"), text)


def worst(text: str) -> int:
    """Return the worst quality that datasets may have which a search is for."""
    return quality("dataset_qc_lte", text or "FAIL")


def having(text: str, dataset_qc_lte: str) -> list[Any]:
    """Return, for each of some texts, the datasets that can be fetched with it in their paths.

    A path is relative to the session, and case counts: so does fascicle search folders.
    """
    revision = Case(
        When(revision__isnull=False, then=Concat(Value("#"), F("revision__name"), Value("#/"))),
        default=Value(""),
    )
    folder = Case(When(collection="", then=Value("")), default=Concat("collection", Value("/")))
    path = Concat(folder, revision, "name")
    good = Dataset.objects.filter(online=True, qc__lte=worst(dataset_qc_lte)).order_by()
    found = []
    for part in items_of("dataset", text):
        if "/" not in part and "#" not in part:
            # Most words are of one part of the path, which takes less time to look into.
            whole = good.alias(
                in_name=StrIndex("name", Value(part)), in_folder=StrIndex("collection", Value(part))
            ).alias(in_revision=StrIndex("revision__name", Value(part)))
            whole = whole.filter(Q(in_name__gt=0) | Q(in_folder__gt=0) | Q(in_revision__gt=0))
        else:
            whole = good.alias(place=StrIndex(path, Value(part))).filter(place__gt=0)
        found.append(whole)
    return found
