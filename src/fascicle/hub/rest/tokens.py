"""Tokens: what a client shows instead of a password.

Only the SHA-256 of a token is kept, which is enough since a token is random and long. A token
ends by its day of expiry, by being revoked, or with its user.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import OperationalError
from django.db.models import Q

from fascicle.hub.models import LabMember, Token
from fascicle.hub.tokens import digest, new_token

#: How often the time of last use is written down at most.
_NOTED = timedelta(hours=1)
_FORM = re.compile(r"[0-9a-f]{40}\Z")


def issue(user: LabMember, label: str = "", days: float | None = None) -> str:
    """Make a token; it is shown now and never again.

    Parameters
    ----------
    user : LabMember
        Whose it is.
    label : str
        What it is for.
    days : float, optional
        When it expires; the hub's ``token_days`` by default, 0 for never.

    Returns
    -------
    str
        The token: 40 hexadecimal digits, as clients know them.
    """
    Token.objects.filter(user=user, expires__lt=datetime.now()).delete()
    return new_token(user, label=label, days=days)


def member_of(token: str) -> LabMember | None:
    """Return whose token it is; None if it is none, expired, revoked or of a user who is barred.

    Parameters
    ----------
    token : str
        What a client shows.
    """
    if not _FORM.match(token):
        return None
    found = Token.objects.select_related("user").filter(digest=digest(token)).first()
    now = datetime.now()
    if found is None or (found.expires is not None and found.expires <= now):
        return None
    if not found.user.is_active:
        return None
    if found.last_used is None or now - found.last_used > _NOTED:
        _note(found.pk, now)
    member: LabMember = found.user
    return member


def _note(pk: UUID, now: datetime) -> None:
    try:
        Token.objects.filter(pk=pk).update(last_used=now)
    except OperationalError:
        # Another process writes for long. Reading must not fail for that; the next use notes it.
        return


def revoke(**which: Any) -> int:
    """Revoke tokens.

    Parameters
    ----------
    **which
        ``user=``, ``id=``, ``label=`` or ``token=`` itself; all must hold, and one is needed.

    Returns
    -------
    int
        How many there were.
    """
    if not which:
        raise ValueError("say which tokens: user, id, label or token")
    if "token" in which:
        which["digest"] = digest(which.pop("token"))
    count, _ = Token.objects.filter(Q(**which)).delete()
    return int(count)
