"""What the server runs: files of the lab, files of the pages, and Django for all else."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

from fascicle.hub.config import HubConfig

Answer = Iterable[bytes]
Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Answer]

#: Bytes of JSON, or of a form without files: it takes many times as many once it is read.
LARGEST_TEXT = 16_000_000
#: Bytes of a name and a password.
LARGEST_LOGIN = 64_000
_LOGINS = ("/auth-token", "/login", "/admin/login/", "/logout")

#: Styles and scripts change with a version of fascicle or Django alone.
STATIC_SECONDS = 3600


def make_application(config: HubConfig) -> Application:
    """Return the WSGI application of a hub.

    Parameters
    ----------
    config : HubConfig
        The hub; Django is configured for it if that was not done yet.
    """
    from fascicle.hub.setup import prepare

    prepare(config)
    from django.core.wsgi import get_wsgi_application

    django = get_wsgi_application()
    largest = int(config.upload_mb * 1e6)

    def application(environ: Environ, start_response: Callable[..., Any]) -> Answer:
        path = environ.get("PATH_INFO", "")
        if path.startswith("/data/"):
            return _file(environ, start_response)
        if path.startswith("/static/"):
            return _static(path, environ, start_response)
        if (answer := _too_large(limit(largest, environ), environ, start_response)) is not None:
            return answer
        return django(environ, start_response)

    return application


def warm_up(application: Application) -> None:
    """Load what the first answer would load, so that processes share it."""
    from django.contrib import admin
    from django.db import connections
    from django.template.loader import get_template
    from django.urls import get_resolver

    _ = get_resolver().url_patterns
    admin.autodiscover()
    get_template("hub/page.html")
    # A connection must not be shared by processes.
    connections.close_all()


def _file(environ: Environ, start_response: Callable[..., Any]) -> Answer:
    from django.db import close_old_connections

    from fascicle.hub import files

    close_old_connections()  # Django does so for its own requests
    return files.application(environ, start_response)


def _static(path: str, environ: Environ, start_response: Callable[..., Any]) -> Answer:
    from django.contrib.staticfiles import finders
    from django.core.exceptions import SuspiciousFileOperation
    from werkzeug.utils import send_file
    from werkzeug.wrappers import Response

    try:
        found = finders.find(path.removeprefix("/static/").lstrip("/"))
    except (SuspiciousFileOperation, ValueError):  # out of the folders, or no path at all
        found = None
    if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
        answer = Response("Method not allowed\n", 405, {"Allow": "GET, HEAD"})
    elif not found or not os.path.isfile(found):
        answer = Response("Not found\n", 404)
    else:
        answer = send_file(found, environ, max_age=STATIC_SECONDS)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    body: Answer = answer(environ, start_response)
    if environ.get("REQUEST_METHOD") == "HEAD" or answer.status_code == 304:
        answer.close()  # what is not sent closes nothing
    return body


def limit(largest: int, environ: Environ) -> int:
    """Return how many bytes the body of a request may have; only images are large."""
    if environ.get("PATH_INFO") in _LOGINS:
        return min(largest, LARGEST_LOGIN)
    is_form = environ.get("CONTENT_TYPE", "").lower().startswith("multipart/form-data")
    return largest if is_form else min(largest, LARGEST_TEXT)


def _too_large(
    limit: int, environ: Environ, start_response: Callable[..., Any]
) -> list[bytes] | None:
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if length <= limit:
        return None
    detail = f"The body of a request has at most {limit:,} bytes, this one has {length:,}."
    body = json.dumps({"detail": detail, "status_code": 413}).encode()
    headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        ("Connection", "close"),  # the rest of the body is not read
    ]
    start_response("413 Content Too Large", headers)
    return [body]
