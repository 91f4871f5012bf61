"""Answers: JSON with a status, and errors in the shape in which ONE clients read them.

An error body is what Alyx would send, plus ``status_code``: ``{"detail": "…"}``, or a list of
messages for each field. ONE looks for ``detail`` and otherwise shows the whole body.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson
from django.http import HttpResponse

from fascicle.errors import FascicleError

NOTICE = "Alyx-API-Notice"  # ONE logs what stands in this header, once for each text


class Refused(FascicleError, ValueError):
    """A request that is not answered with what it asks for.

    Parameters
    ----------
    status : int
        The status of the answer.
    body : mapping or str
        Messages by field, or one message.
    headers : mapping, optional
        Further headers of the answer.
    """

    kind = "hub_refused"

    def __init__(
        self,
        status: int,
        body: Mapping[str, Any] | str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(body if isinstance(body, str) else json.dumps(body, default=str))
        self.status = status
        self.body: dict[str, Any] = {"detail": body} if isinstance(body, str) else dict(body)
        self.headers = dict(headers or {})


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return a body as JSON, with its length."""
    content = encode(body)
    # One dictionary of headers: setting them one by one costs as much as the encoding.
    return HttpResponse(
        content,
        status=status,
        content_type="application/json",
        headers={"Content-Length": str(len(content)), **(headers or {})},
    )


def refusal(error: Refused) -> HttpResponse:
    """Return the answer that says why a request was refused."""
    return answer({**error.body, "status_code": error.status}, error.status, error.headers)


def encode(body: Any) -> bytes:
    """Return a body as JSON: datetimes without a zone, to the microsecond where there are any."""
    try:
        return orjson.dumps(body, default=str)
    except TypeError:
        # Free JSON may hold integers of more than 64 bits and halves of surrogate pairs.
        return json.dumps(body, default=_plain, separators=(",", ":")).encode()


def _plain(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def notice(text: str) -> str:
    """Return a text as the value of a header: one line of ASCII, not too long."""
    line = " ".join(text.split())
    return line.encode("ascii", "backslashreplace").decode()[:500]


def not_found(model: Any) -> Refused:
    """Return the error for a row that is not there; ``model`` is its table or what it is called."""
    title = model if isinstance(model, str) else model._meta.object_name
    return Refused(404, f"No {title} matches the given query.")


def not_allowed(method: str | None, allowed: str) -> Refused:
    """Return the error for a method that an address does not have."""
    return Refused(405, f'Method "{method}" not allowed.', {"Allow": allowed})
