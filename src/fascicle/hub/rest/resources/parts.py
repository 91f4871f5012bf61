"""What the JSON of several resources has in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fascicle.hub.models import Session
from fascicle.hub.rest.fields import Page, Schema
from fascicle.hub.rest.gathering import gather

LIST: Schema = {"type": "array", "items": {"type": "object", "additionalProperties": True}}
OBJECT: Schema = {"type": "object", "additionalProperties": True, "nullable": True}
PROJECTS = "projects of sessions"  # in what the fields of a page share


def session_columns(path: str) -> tuple[str, ...]:
    """Return the columns of `session_info`, where ``path`` leads to the session."""
    names = ("subject__nickname", "start_time", "number", "lab__name", "task_protocol")
    return (f"{path}_id", *(f"{path}__{name}" for name in names))


def session_info(path: str) -> Callable[[Page], Sequence[Any]]:
    """Return the function that makes a session as it stands within rows of other tables."""
    columns = session_columns(path)

    def make(page: Page) -> Sequence[dict[str, Any] | None]:
        ids = page[columns[0]]
        if PROJECTS not in page.shared:
            known = [key for key in dict.fromkeys(ids) if key is not None]
            page.shared[PROJECTS] = gather(Session, "projects", "name", known)
        projects = page.shared[PROJECTS]
        return [
            key
            and {
                "subject": subject,
                "start_time": start,
                "number": number,
                "lab": lab,
                "id": key,
                "projects": projects.get(key, ()),
                "task_protocol": protocol,
            }
            for key, subject, start, number, lab, protocol in zip(
                *(page[column] for column in columns), strict=True
            )
        ]

    return make
