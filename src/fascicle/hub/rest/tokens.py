"""Tokens: what a client shows instead of a password.

Only the SHA-256 of a token is kept, which is enough since a token is random and long. A token
ends by its day of expiry, by being revoked, or with its user.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, OperationalError
from django.db.models import Q

from fascicle.hub.models import LabMember, Token
from fascicle.hub.rest.prepared import MARK_TEXT, Prepared
from fascicle.hub.tokens import digest, new_token

#: How often the time of last use is written down at most.
_NOTED = timedelta(hours=1)
_FORM = re.compile(r"[0-9a-f]{40}\Z")

_COLUMNS = [field.attname for field in LabMember._meta.concrete_fields]
_BY_DIGEST = Prepared(
    lambda mark: (
        Token.objects.filter(digest=mark)
        .order_by()
        .values_list("pk", "expires", "last_used", *(f"user__{name}" for name in _COLUMNS))
    ),
    MARK_TEXT,
)


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
    found = _BY_DIGEST.rows([digest(token)])
    if not found:
        return None
    pk, expires, last_used, *columns = found[0]
    now = datetime.now()
    if expires is not None and expires <= now:
        return None
    member: LabMember = LabMember.from_db(DEFAULT_DB_ALIAS, _COLUMNS, columns)
    if not member.is_active:
        return None
    if last_used is None or now - last_used > _NOTED:
        _note(pk, now)
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
