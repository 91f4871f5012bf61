"""A number that grows with every change of what clients have indexed, and what changed when.

A writer calls `touched` in the transaction of its change. The number's row stays locked until that
transaction ends, so whoever reads a number sees every change up to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db import transaction

from fascicle.hub.models import Session, SessionChange, Setting

KEY = "generation"
_BATCH = 2000


def current() -> int:
    """Return the generation that the database is in."""
    found = Setting.objects.filter(key=KEY).values_list("value", flat=True).first()
    return int(found or 0)


def touched(eids: Iterable[UUID | str], *, gone: bool = False) -> int:
    """Note that sessions, their datasets or their insertions changed.

    Parameters
    ----------
    eids : iterable of uuid.UUID or str
        Ids of the sessions; none is no change.
    gone : bool
        The sessions were deleted.

    Returns
    -------
    int
        The generation that the change belongs to.
    """
    ids = sorted({eid if isinstance(eid, UUID) else UUID(eid) for eid in eids})
    if not ids:
        return current()
    with transaction.atomic():
        number = _next()
        for first in range(0, len(ids), _BATCH):
            SessionChange.objects.bulk_create(
                [
                    SessionChange(eid=eid, generation=number, gone=gone)
                    for eid in ids[first : first + _BATCH]
                ],
                update_conflicts=True,
                unique_fields=["eid"],
                update_fields=["generation", "gone"],
            )
    return number


def touched_where(**conditions: object) -> int:
    """Note that all sessions changed for which conditions hold, as in ``subject__lab=lab``."""
    return touched(Session.objects.filter(**conditions).values_list("pk", flat=True).distinct())


def _next() -> int:
    Setting.objects.get_or_create(key=KEY, defaults={"value": 0})
    row = Setting.objects.select_for_update().get(key=KEY)
    row.value = int(row.value or 0) + 1
    row.save(update_fields=["value"])
    return int(row.value)
