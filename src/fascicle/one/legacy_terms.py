"""The words of ONE's first interface: search terms, what can be listed, and their aliases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fascicle.errors import SearchTermError, nearest

#: The fields that sessions are searched by, sorted.
SEARCH_TERMS = (
    "dataset_types",
    "date_range",
    "lab",
    "location",
    "number",
    "performance_gte",
    "performance_lte",
    "subject",
    "task_protocol",
    "users",
)
#: Other words for search terms and for arguments.
_ALIASES = {
    "subjects": "subject",
    "labs": "lab",
    "laboratory": "lab",
    "laboratories": "lab",
    "user": "users",
    "dataset_type": "dataset_types",
    "dtype": "dataset_types",
    "dtypes": "dataset_types",
    "locations": "location",
    "numbers": "number",
    "date": "date_range",
    "dates": "date_range",
    "date_ranges": "date_range",
    "task": "task_protocol",
    "task_protocols": "task_protocol",
    "project": "projects",
    "tags": "tag",
}
#: What can be listed: endpoint of the database, and the part of a record that is its name.
ENDPOINTS = {
    "dataset-types": "name",
    "users": "username",
    "subjects": "nickname",
    "labs": "name",
    "projects": "name",
    "tags": "name",
    "revisions": "name",
    "locations": "name",
    "procedures": "name",
    "data-formats": "name",
    "data-repository": "name",
    "water-type": "name",
}


def named(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments by their first names; plural and singular are the same.

    Raises
    ------
    SearchTermError
        One thing is given under two names.
    """
    found: dict[str, Any] = {}
    for word, value in given.items():
        name = word.replace("-", "_")
        name = _ALIASES.get(name, name)
        if name in found:
            raise SearchTermError(
                f"{name} is given twice, once as {word}", hint="give it under one name"
            )
        found[name] = value
    return found


def endpoint_of(keyword: str) -> str:
    """Return the endpoint that a word stands for: ``user``, ``users``, ``dataset_types`` and so on.

    Raises
    ------
    SearchTermError
        Nothing of that name can be listed.
    """
    word = keyword.casefold().replace("_", "-")
    for name in ENDPOINTS:
        if word in (name, name.removesuffix("s"), f"{name}s"):
            return name
    known = ", ".join(ENDPOINTS)
    raise SearchTermError(
        f"{keyword!r} cannot be listed", hint=nearest(word, ENDPOINTS) or f"there is: {known}"
    )


def texts(value: Any) -> list[str]:
    """Return one or more texts as a list."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    return [str(v) for v in value] if isinstance(value, Iterable) else [str(value)]
