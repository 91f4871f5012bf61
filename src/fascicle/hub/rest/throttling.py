"""Passwords are guessed slowly: after some failures a user, or an address, has to wait.

Failures are rows, so that all processes count together. An attempt is written down before the
password is looked at, so that many at the same time gain nothing.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from fascicle.hub.models import LabMember, LoginFailure

WINDOW = timedelta(minutes=10)
#: Failures within the window after which a user's name, or an address, has to wait.
MOST_BY_USER = 10
MOST_BY_ADDRESS = 50


def address_of(meta: dict[str, Any]) -> str:
    """Return the address a request comes from, past as many proxies as the hub is told of.

    Parameters
    ----------
    meta : dict
        The request's environment (``request.META``).
    """
    from fascicle.hub.setup import current

    proxies = current().proxies
    if proxies:
        # Each proxy adds at the end whom it heard; what stands before that anybody may have sent.
        heard = [part.strip() for part in meta.get("HTTP_X_FORWARDED_FOR", "").split(",")]
        if len(heard) >= proxies and heard[-proxies]:
            return str(heard[-proxies])
    return str(meta.get("REMOTE_ADDR", ""))


def is_storable(text: str) -> bool:
    """Return whether databases take a text: no zero byte, no half of a surrogate pair."""
    try:
        return b"\x00" not in text.encode()
    except UnicodeEncodeError:
        return False


def _keys(username: str, address: str) -> list[tuple[str, int]]:
    if not is_storable(username):
        username = ""
    keys = [(f"user:{username.casefold()}"[:255], MOST_BY_USER)]
    if address:
        keys.append((f"address:{address}"[:255], MOST_BY_ADDRESS))
    return keys


def waiting(username: str, address: str) -> int:
    """Return how many seconds there are until another login may be tried; 0 for at once.

    Parameters
    ----------
    username : str
        Who wants to log in.
    address : str
        From where; empty if that is not known.
    """
    now = datetime.now()
    longest = 0.0
    for who, most in _keys(username, address):
        rows = LoginFailure.objects.filter(who=who, at__gt=now - WINDOW).order_by("-at")
        last = rows.values_list("at", flat=True)[most - 1 : most]
        for at in last:  # the failure that has to pass before there are fewer than allowed
            longest = max(longest, (at + WINDOW - now).total_seconds())
    return math.ceil(longest)


class Throttled(ModelBackend):
    """Looks at passwords, for every form and address at which one can be shown."""

    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,
    ) -> LabMember | None:
        """Return the user, or None.

        Raises
        ------
        PermissionDenied
            If there were too many failures; Django then asks nobody else.
        """
        name = username if username is not None else kwargs.get("username")
        if name is None or password is None:
            return None
        if not is_storable(name) or not is_storable(password) or len(name) > 255:
            return None
        address = address_of(request.META) if request is not None else ""
        if waiting(name, address):
            raise PermissionDenied
        tried = [LoginFailure.objects.create(who=who).pk for who, _ in _keys(name, address)]
        user: LabMember | None = super().authenticate(request, username=name, password=password)
        if user is not None:
            LoginFailure.objects.filter(pk__in=tried).delete()
            LoginFailure.objects.filter(who=_keys(name, "")[0][0]).delete()
        else:
            LoginFailure.objects.filter(at__lt=datetime.now() - WINDOW).delete()
        return user
