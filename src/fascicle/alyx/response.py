"""What a server answered, and the error that it means."""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, TypeVar

from fascicle.errors import BadAnswerError, FascicleError, HTTPError, LoginError, _restore

_SHOWN = 300
_MISSING: Any = object()
AnyError = TypeVar("AnyError", bound=FascicleError)


class Response:
    """An answer: its names are those that programs written for requests look for.

    Parameters
    ----------
    status_code : int
    headers : mapping
        By name, in any case of letters.
    content : bytes
    url : str
    """

    def __init__(
        self, status_code: int, headers: Mapping[str, str], content: bytes, url: str
    ) -> None:
        self.status_code = status_code
        self.headers = headers
        self.content = content
        self.url = url
        self._json: Any = _MISSING

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"

    @property
    def ok(self) -> bool:
        """Whether the server did what was asked."""
        return self.status_code < 400

    @property
    def reason(self) -> str:
        """The status in words."""
        try:
            return HTTPStatus(self.status_code).phrase
        except ValueError:
            return ""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode("utf-8", "replace")

    @property
    def is_page(self) -> bool:
        """Whether the body is a web page, which no database answers with."""
        kind = self.headers.get("content-type", "").lower()
        return "html" in kind or self.content[:200].lstrip().lower().startswith(
            (b"<!doctype html", b"<html")
        )

    def json(self) -> Any:
        """Return the decoded body; None where there is none.

        Raises
        ------
        ValueError
            If it is no JSON.
        """
        if self._json is _MISSING:
            self._json = json.loads(self.content) if self.content.strip() else None
        return self._json

    @property
    def detail(self) -> Any:
        """What a server says of an error: the JSON without the status, or the title of a page."""
        try:
            said = self.json()
        except ValueError:
            return page_text(self.text) if self.is_page else self.text
        if isinstance(said, dict):
            said = {k: v for k, v in said.items() if k != "status_code"}
            return said.get("detail") or said
        return said


def page_text(page: str) -> str:
    """Return what a web page says in its title and first headings."""
    found = re.findall(r"<(title|h1|h2)\b[^>]*>(.*?)</\1>", page[:20_000], re.S | re.I)
    words = [html.unescape(re.sub(r"<[^>]*>", " ", text)).split() for _, text in found]
    return " - ".join(dict.fromkeys(" ".join(w) for w in words if w))


def in_words(detail: Any) -> str:
    """Return what a server said as a short text."""
    if isinstance(detail, dict):
        parts = [
            f"{', '.join(map(str, v)) if isinstance(v, list) else v}"
            if k == "non_field_errors"
            else f"{k}: {', '.join(map(str, v)) if isinstance(v, list) else v}"
            for k, v in detail.items()
        ]
        detail = "; ".join(parts)
    text = " ".join(str(detail).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def failure(method: str, query: str, response: Response) -> HTTPError:
    """Return the error that an answer is: its status is none of success, or it is no JSON."""
    status, detail = response.status_code, response.detail
    shown = query if len(query) <= _SHOWN else f"{query[:_SHOWN]}…"
    said = in_words(detail)
    page = " with a web page" if response.is_page else ""
    kind: type[HTTPError] = HTTPError
    hint = ""
    text = f"{method} {shown}: the server answers {status}{page}{f': {said}' if said else ''}"
    if status < 300:
        kind = BadAnswerError
        what = f"a web page ({said})" if page else "what is no JSON"
        text = f"{method} {shown}: the server answers with {what}, status {status}"
        hint = "is base_url the address of the database itself, and nothing between you and it?"
    elif status < 400:
        target = response.headers.get("location", "")
        text = f"{method} {shown}: the server sends us on to {target!r}, status {status}"
        hint = "give the address that it names as base_url"
    elif status == 401 or (status == 403 and "token" in said.lower()):
        kind = LoginError
        hint = "log in anew: client.authenticate(username=…, force=True)"
    elif status == 429 or status == 503:
        hint = "try again later"
    return catchable(
        kind(text, hint=hint, status=status, query=query, detail=detail, response=response)
    )


def no_database(method: str, query: str, response: Response, base_url: str) -> BadAnswerError:
    """Return the error that a web page is where a database would answer otherwise."""
    said = in_words(response.detail)
    return catchable(
        BadAnswerError(
            f"{base_url} seems to be no Alyx: to {method} {query} it answers "
            f"{response.status_code} with a web page{f' ({said})' if said else ''}",
            hint="is base_url the address of the database itself, and nothing between you and it?",
            status=response.status_code,
            query=query,
            detail=response.detail,
            response=response,
        )
    )


def catchable(error: AnyError) -> AnyError:
    """Return an error so that handlers written for requests catch it, where that is in use."""
    problems = getattr(sys.modules.get("requests"), "exceptions", None)
    if problems is None:
        return error
    if isinstance(error, HTTPError):
        name = "HTTPError"
    elif isinstance(error, ConnectionError):
        name = "ConnectionError"
    else:
        return error
    other = getattr(problems, name, None)
    if isinstance(other, type) and not isinstance(error, other):
        both = _both(type(error), other)  # type: ignore[arg-type]
        twin: Any = both.__new__(both, error.message)
        twin.args = error.args
        twin.__dict__.update({"response": None, "request": None, **error.__dict__})
        if isinstance(error, HTTPError) and isinstance(twin, HTTPError):
            twin.errno, twin.strerror = error.errno, error.strerror
            twin.filename = error.filename
        same: AnyError = twin
        return same
    return error


@lru_cache
def _both(kind: type[FascicleError], other: type[BaseException]) -> type[Any]:
    def reduce(self: Any) -> tuple[Any, ...]:
        return _restore, (kind, self.message, self.hint, self.__dict__)

    own = {"__doc__": kind.__doc__, "__module__": kind.__module__, "__reduce__": reduce}
    return type(kind.__name__, (kind, other), own)
