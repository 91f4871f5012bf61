"""Tokens: what a client shows in place of a password. Only their hashes are kept."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any


def digest(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def new_token(user: Any, *, label: str = "", days: float | None = None) -> str:
    """Make a token; it is shown once, to who asks for it now.

    Parameters
    ----------
    user : LabMember
        Whose it is.
    label : str
        What it is for.
    days : float, optional
        Days until it expires, 0 for never; by default what the hub's settings say.

    Returns
    -------
    str
        The token.
    """
    from fascicle.hub.models import Token
    from fascicle.hub.setup import current

    days = current().token_days if days is None else days
    text = secrets.token_hex(20)  # as long as Alyx's
    expires = datetime.now() + timedelta(days=days) if days else None
    Token.objects.create(user=user, digest=digest(text), label=label[:255], expires=expires)
    return text
