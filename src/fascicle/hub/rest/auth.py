"""Who asks: a login for every address but a list of open ones.

A client shows a token (``Authorization: Token …``), or a name and a password (``Basic``); a
browser its session, and then a request that writes has to show that it comes from our own pages.
Who may only read, reads.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from django.contrib.auth import authenticate as check_password
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.middleware.csrf import CsrfViewMiddleware
from django.views.decorators.csrf import csrf_exempt

from fascicle.hub.models import LabMember, Tag
from fascicle.hub.rest.answers import Refused, answer, not_allowed, refusal
from fascicle.hub.rest.limits import refused_by_database
from fascicle.hub.rest.throttling import address_of, waiting
from fascicle.hub.rest.tokens import issue, member_of

#: The addresses that need no login.
OPEN = frozenset(
    (
        "/auth-token",
        "/api/schema",
        "/docs",
        "/docs/",
        "/login",
        "/logout",
        "/admin/login/",
        "/favicon.ico",
        "/robots.txt",
    )
)
OPEN_BELOW = ("/static/",)
#: What a tag decides that is open: the tables of the release alone.
TAGGED = re.compile(r"/cache/info/(?P<info>[^/]+)/?\Z|/cache/(?P<zip>[^/]+)\.zip\Z")
#: Where a password is shown to a page.
LOGIN_PAGES = frozenset(("/login", "/admin/login/"))
#: Addresses of pages for people, who are sent to the login.
PAGES = re.compile(r"/(admin(/.*)?|pages?(/.*)?)?\Z")

#: What a page may load and do; the admin's forms have styles within.
_ON_PAGES = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_ZERO = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

MISSING = "Authentication credentials were not provided."
INVALID = "Invalid token."  # ONE logs in again where it reads this
READ_ONLY = "You do not have permission to perform this action."
_READING = frozenset(("GET", "HEAD", "OPTIONS"))
_REMEMBERED = 60.0  # seconds that a password which was right is not worked out again
_MOST_REMEMBERED = 256
_right: dict[bytes, tuple[Any, str, float]] = {}


def authenticate(header: str, address: str = "", request: Any = None) -> LabMember:
    """Return who shows a header.

    Parameters
    ----------
    header : str
        The value of ``Authorization``.
    address : str
        Where the request comes from.
    request : HttpRequest, optional
        The request; without it failures count for the user alone.

    Returns
    -------
    LabMember
        The user.

    Raises
    ------
    Refused
        With 403 if there is no header or it shows nobody, with 429 after too many failures.
    """
    kind, _, shown = header.strip().partition(" ")
    shown = shown.strip()
    if kind.lower() in ("token", "bearer"):
        member = member_of(shown)
        if member is None:
            raise Refused(403, INVALID)
        return member
    if kind.lower() == "basic":
        name, password = _pair(shown)
        # Where a program can be given no header, a token stands in for the password
        member = member_of(password)
        if member is not None and member.username == name:
            return member
        return _by_password(header, name, password, address, request)
    raise Refused(403, MISSING)


def _pair(shown: str) -> tuple[str, str]:
    try:
        name, _, password = base64.b64decode(shown, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Refused(403, "Invalid basic header.") from None
    return name, password


def _by_password(header: str, name: str, password: str, address: str, request: Any) -> LabMember:
    # A password is slow to check on purpose, and a program shows it with each file
    key = hashlib.sha256(f"{address}\n{header}".encode()).digest()
    pk, hashed, until = _right.get(key, (None, "", 0.0))
    if until > time.monotonic():
        member = LabMember.objects.filter(pk=pk, password=hashed, is_active=True).first()
        if member is not None:
            return member
    member = log_in(name, password, address, request)
    if len(_right) >= _MOST_REMEMBERED:
        _right.clear()
    _right[key] = (member.pk, member.password, time.monotonic() + _REMEMBERED)
    return member


class _From:
    """As much of a request as tells where it comes from, where there is none of Django's."""

    def __init__(self, address: str) -> None:
        self.META = {"REMOTE_ADDR": address, "HTTP_X_FORWARDED_FOR": address}


def log_in(name: str, password: str, address: str, request: Any = None) -> LabMember:
    """Return the user of a name and a password.

    Raises
    ------
    Refused
        With 403 if they are wrong, with 429 after too many failures.
    """
    if (seconds := waiting(name, address)) > 0:
        raise too_many(seconds)
    asked = request if request is not None else _From(address)
    member: LabMember | None = check_password(asked, username=name, password=password)
    if member is None:
        raise Refused(403, "Invalid username/password.")
    return member


def too_many(seconds: int) -> Refused:
    """Return the error for a login that has to wait."""
    return Refused(
        429,
        f"Too many logins failed. Expected available in {seconds} seconds.",
        {"Retry-After": str(seconds)},
    )


def is_open_tag(name: str) -> bool:
    """Return whether a release may be read without a login: it is public, and the lab says so."""
    return bool(Tag.objects.filter(name=name, public=True, open=True).exists())


def is_open(path: str) -> bool:
    """Return whether an address needs no login."""
    if path in OPEN or path.startswith(OPEN_BELOW):
        return True
    found = TAGGED.match(path)
    return found is not None and is_open_tag(found["info"] or found["zip"])


class RequireLogin:
    """The middleware that asks for a login; it comes after Django's own for sessions."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.csrf = CsrfViewMiddleware(get_response)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer a request, or say that nobody asked who may."""
        try:
            refused = self._check(request)
        except Refused as error:
            refused = refusal(error)
        except DatabaseError as error:
            if (why := refused_by_database(error)) is None:
                raise
            refused = refusal(why)
        return _private(self.get_response(request) if refused is None else refused)

    def _check(self, request: HttpRequest) -> HttpResponse | None:
        path = request.path_info
        if "\x00" in path:
            raise Refused(404, "Not found.")
        if path in LOGIN_PAGES and request.method == "POST":
            seconds = waiting(request.POST.get("username", ""), address_of(request.META))
            if seconds:
                raise too_many(seconds)
        header = request.META.get("HTTP_AUTHORIZATION", "")
        if header and path not in OPEN:
            try:
                user = authenticate(header, address_of(request.META), request)
            except Refused:
                if is_open(path):
                    return None
                raise
            if request.method not in _READING:
                self._from_a_program(request, header)
            request.user = user
            # Only our own program sends this header: no page of another site can
            request._dont_enforce_csrf_checks = True
        elif is_open(path):
            return None
        elif not request.user.is_authenticated:
            return self._nobody(request)
        elif request.method not in _READING:
            self._against_forgery(request)
        if request.user.is_public_user and request.method not in _READING:
            raise Refused(403, READ_ONLY)
        return None

    @staticmethod
    def _nobody(request: HttpRequest) -> HttpResponse:
        is_page = PAGES.match(request.path_info) or "text/html" in request.META.get(
            "HTTP_ACCEPT", ""
        )
        if is_page and request.method in ("GET", "HEAD"):
            return HttpResponseRedirect(f"/login?next={quote(request.get_full_path())}")
        raise Refused(403, MISSING)

    @staticmethod
    def _from_a_program(request: HttpRequest, header: str) -> None:
        """Refuse a name and a password that a browser kept and sends for another site's page."""
        origin = request.META.get("HTTP_ORIGIN")
        ours = (None, f"{request.scheme}://{request.get_host()}")
        if header[:6].lower() == "basic " and origin not in ours:
            raise Refused(403, "CSRF Failed: this request comes from another site.")

    def _against_forgery(self, request: HttpRequest) -> None:
        self.csrf.process_request(request)
        if self.csrf.process_view(request, None, (), {}) is not None:
            raise Refused(403, "CSRF Failed: this request does not come from a page of the hub.")


def _private(response: HttpResponse) -> HttpResponse:
    """Let nobody between keep an answer, and no page run or show what is not the hub's own."""
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "private"
    if response.headers.get("Content-Type", "").startswith("text/html"):
        response.headers.setdefault("Content-Security-Policy", _ON_PAGES)
    return response


def body_of(request: HttpRequest, largest: int | None = None) -> Any:
    """Return what a request sends: JSON, or a form as a dictionary.

    Parameters
    ----------
    request : HttpRequest
        The request.
    largest : int, optional
        Bytes that it may have.

    Raises
    ------
    Refused
        If it is malformed, too large, or of another type.
    """
    kind = (request.content_type or "").lower()
    try:
        if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
            if any("\x00" in text for _, texts in request.POST.lists() for text in texts):
                raise Refused(400, "Null characters are not allowed.")
            values = {k: v if len(v) > 1 else v[0] for k, v in request.POST.lists() if v}
            return {**values, **request.FILES.dict()}
        data = request.body
    except RequestDataTooBig:
        raise Refused(413, "The request is larger than this hub accepts.") from None
    except (MultiPartParserError, UnreadablePostError) as error:
        raise Refused(400, f"Multipart form parse error - {error}") from None
    if largest is not None and len(data) > largest:
        raise Refused(413, "The request is larger than this hub accepts.")
    if not data.strip():
        return {}
    if kind and kind != "application/json" and not kind.endswith("+json"):
        raise Refused(415, f'Unsupported media type "{kind}" in request.')
    return parse_json(data)


def parse_json(data: bytes) -> Any:
    """Return a JSON text; numbers that are none (``NaN``) are refused, since no database has them.

    Raises
    ------
    Refused
        If it is malformed, or lies too deep.
    """

    def constant(name: str) -> float:
        raise Refused(400, f"JSON parse error - {name} is no number of JSON")

    try:
        text = data.decode("utf-8-sig")
        found = json.loads(text, parse_constant=constant)
        if "\\u" in text:
            # what can only be written so, and no database has
            json.dumps(found, ensure_ascii=False).encode()
            if _ZERO.search(text):
                raise Refused(400, "Null characters are not allowed.")
        return found
    except Refused:
        raise
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, json.JSONDecodeError) else "not JSON"
        raise Refused(400, f"JSON parse error - {why}") from None


@csrf_exempt
def auth_token(request: HttpRequest) -> HttpResponse:
    """Answer a login with a token: exactly that one key."""
    try:
        if request.method == "OPTIONS":
            return answer({"name": "auth-token"}, headers={"Allow": "POST, OPTIONS"})
        if request.method != "POST":
            raise not_allowed(request.method, "POST, OPTIONS")
        return answer({"token": _token(request)}, headers={"Allow": "POST, OPTIONS"})
    except Refused as error:
        return refusal(error)


def _token(request: HttpRequest) -> str:
    given = body_of(request, 65_536)
    if not isinstance(given, dict):
        raise Refused(400, {"non_field_errors": ["Invalid data. Expected a dictionary."]})
    missing = {
        name: ["This field is required."] if name not in given else ["Not a valid string."]
        for name in ("username", "password")
        if not isinstance(given.get(name), str)
    }
    blank = {n: ["This field may not be blank."] for n in given if given[n] == ""}
    if missing or blank.keys() & {"username", "password"}:
        raise Refused(400, {**blank, **missing})
    try:
        member = log_in(given["username"], given["password"], address_of(request.META), request)
    except Refused as error:
        if error.status == 429:
            raise
        raise Refused(
            400, {"non_field_errors": ["Unable to log in with provided credentials."]}
        ) from None
    return issue(member, request.META.get("HTTP_USER_AGENT", ""))
