"""What searches by datasets have in common."""

from __future__ import annotations

from typing import Any

from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Concat, StrIndex

from fascicle.hub.models import Dataset, DatasetType
from fascicle.hub.rest.answers import Refused
from fascicle.hub.rest.filters import choice_of, items_of


def known_types(name: str, text: str) -> list[Any]:
    """Return the ids of dataset types by their names."""
    wanted = items_of(name, text)
    found = dict(DatasetType.objects.filter(name__in=wanted).values_list("name", "pk"))
    missing = [item for item in wanted if item not in found]
    if missing:
        raise Refused(400, f"{name}: there is no dataset type {', '.join(missing)}.")
    return [found[item] for item in wanted]


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
