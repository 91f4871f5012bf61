"""What searches by datasets have in common."""

from __future__ import annotations

from typing import Any

from fascicle.hub.models import Dataset, DatasetType
from fascicle.hub.rest.filters import bad, choice_of, items_of


def known_types(name: str, text: str) -> list[Any]:
    """Return the ids of dataset types by their names."""
    wanted = items_of(name, text)
    found = dict(DatasetType.objects.filter(name__in=wanted).values_list("name", "pk"))
    missing = [item for item in wanted if item not in found]
    if missing:
        raise bad(name, f"There is no dataset type {', '.join(missing)}.")
    return [found[item] for item in wanted]


def quality(name: str, text: str) -> int:
    """Return a quality by its name."""
    return choice_of(name, Dataset._meta.get_field("qc"), text)


def worst(text: str) -> int:
    """Return the worst quality that datasets may have which a search is for."""
    return quality("dataset_qc_lte", text or "FAIL")
