"""No request keeps the database busy for long, and one that would says why it was stopped."""

from __future__ import annotations

from collections.abc import Callable

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse

from fascicle.hub.rest.answers import Refused, refusal
from fascicle.hub.rest.lookups import time_limit

#: What SQLite and PostgreSQL say where a statement was stopped.
_STOPPED = ("interrupted", "user-defined function", "statement timeout")
_BUSY = ("database is locked", "lock timeout", "too many clients", "connection")


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
        if isinstance(error, Refused):
            return refusal(error)
        if not isinstance(error, OperationalError):
            return None
        said = str(error)
        if any(words in said for words in _STOPPED):
            # Not 503: clients would ask the same again
            return refusal(
                Refused(
                    400,
                    f"The question takes longer than {self.seconds:g} s, ask for less at a time.",
                )
            )
        if any(words in said for words in _BUSY):
            return refusal(Refused(503, "The database is busy, try again.", {"Retry-After": "1"}))
        return None
