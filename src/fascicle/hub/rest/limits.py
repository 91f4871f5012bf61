"""No request keeps the database busy for long, and one that would says why it was stopped."""

from __future__ import annotations

import errno
from collections.abc import Callable

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from fascicle.hub.rest.answers import Refused, refusal
from fascicle.hub.rest.lookups import time_limit

#: What SQLite and PostgreSQL say where a statement was stopped.
_STOPPED = ("interrupted", "user-defined function", "statement timeout")
_BUSY = ("database is locked", "lock timeout", "too many clients", "deadlock")
_FULL = ("disk is full", "no space left", "disk full", "disk i/o error")
_NO_ROOM = "The hub cannot write this: its disk is full, or fails."
_AWAY = ("connection", "shutting down", "starting up", "recovery mode", "unable to open")


class Limits:
    """The middleware that stops statements, the outermost of the hub's own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        from fascicle.hub.setup import current

        self.get_response = get_response
        self.seconds = current().query_seconds

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request within the time."""
        with time_limit(self.seconds):
            return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Answer a request whose statement failed for no fault of the program."""
        refused = error if isinstance(error, Refused) else refused_by_database(error, self.seconds)
        return None if refused is None else refusal(refused)


def refused_by_database(error: Exception, seconds: float | None = None) -> Refused | None:
    """Return what to say of an error of the database that is no fault of the program.

    Parameters
    ----------
    error : Exception
        What was raised.
    seconds : float, optional
        How long statements may take; default: what the hub's settings say.

    Returns
    -------
    Refused or None
        With 400 where a question takes too long, 503 where the database is busy or away, 507 where
        it has no room.
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refused(507, _NO_ROOM)
    if not isinstance(error, OperationalError | InterfaceError):
        return None
    said = str(error).lower()
    if any(words in said for words in _STOPPED):
        from fascicle.hub.setup import current

        # Not 503: clients would ask the same again
        seconds = current().query_seconds if seconds is None else seconds
        return Refused(
            400, f"The question takes longer than {seconds:g} s, ask for less at a time."
        )
    if any(words in said for words in _FULL):
        return Refused(507, _NO_ROOM)
    if any(words in said for words in _BUSY):
        return Refused(503, "The database is busy, try again.", {"Retry-After": "1"})
    if isinstance(error, InterfaceError) or any(words in said for words in _AWAY):
        return Refused(503, "The database does not answer, try again.", {"Retry-After": "5"})
    return None
