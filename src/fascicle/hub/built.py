"""The newest index for clients, built first where the database has changed since."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar, cast

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from fascicle.errors import FascicleError
from fascicle.hub.building import newest, question, store_id, zip_name
from fascicle.hub.config import HubConfig
from fascicle.hub.generation import current
from fascicle.hub.rest.answers import not_allowed, refusal

log = logging.getLogger(__name__)
_SLOW = 5.0  # seconds that a build may take for answers to wait for it
_LONGEST = 3600.0
_CHUNK = 1 << 18
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_lock = threading.Lock()
_running: subprocess.Popen[bytes] | None = None


class BuildError(FascicleError, RuntimeError):
    """The index for clients could not be built."""

    kind = "hub-index"


def fresh(config: HubConfig, tag: str | None = None, *, tables: bool = False) -> dict[str, Any]:
    """Return what is known of the newest index, and see to it that it is the newest.

    Where building takes long, the one before is returned meanwhile.

    Parameters
    ----------
    config : HubConfig
        The hub.
    tag : str, optional
        A release.
    tables : bool
        Whether ONE's tables of the release, or of everything, are wanted.

    Raises
    ------
    BuildError
        If the index cannot be built.
    """
    found = newest(config)
    if found is not None and found["store"] == store_id():
        there = not tables or (config.catalogue / found["place"] / zip_name(tag)).exists()
        if found["generation"] == current() and there:
            return found
        if found["seconds"] > _SLOW and there:
            _begin(question(config, tag, tables=tables))
            return found
    with _lock:
        done = subprocess.run(
            [sys.executable, "-m", "fascicle.hub.building"],
            input=question(config, tag, tables=tables).encode(),
            capture_output=True,
            timeout=_LONGEST,
        )
    found = newest(config)
    if done.returncode or found is None:
        said = done.stderr.decode(errors="replace").strip()
        log.error("the index for clients could not be built: %s", said)
        words = said.splitlines()
        raise BuildError(f"the index for clients could not be built: {(words or ['?'])[-1]}")
    return found


def _begin(asked: str) -> None:
    global _running
    with _lock:
        if _running is not None and _running.poll() is None:
            return
        _running = subprocess.Popen(
            [sys.executable, "-m", "fascicle.hub.building"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert _running.stdin is not None
        _running.stdin.write(asked.encode())
        _running.stdin.close()


View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def reading(view: View) -> View:
    """Let a view answer what reads alone."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **parts: Any) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD"):
            return refusal(not_allowed(request.method, "GET, HEAD"))
        return view(request, *args, **parts)

    return cast(View, answer)


def send(request: HttpRequest, path: Path, kind: str, *, name: str = "") -> HttpResponseBase:
    """Return a file that never changes, or the range of it that is asked for.

    The length is always said: the official client cannot do without.
    """
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return HttpResponse(status=404)
    start, stop, status = 0, size, 200
    asked = _RANGE.fullmatch(request.headers.get("Range", ""))
    if asked and (asked[1] or asked[2]):
        status = 206
        start = int(asked[1]) if asked[1] else max(0, size - int(asked[2]))
        stop = min(size, int(asked[2]) + 1) if asked[1] and asked[2] else size
        if start >= stop:
            return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    headers = {"Content-Length": str(stop - start), "Accept-Ranges": "bytes"}
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    if name:
        headers["Content-Disposition"] = f'attachment; filename="{name}"'
    if request.method == "HEAD":
        return HttpResponse(status=status, content_type=kind, headers=headers)
    body = _read(path, start, stop)
    return StreamingHttpResponse(body, status=status, content_type=kind, headers=headers)


def _read(path: Path, start: int, stop: int) -> Iterator[bytes]:
    with path.open("rb") as f:
        f.seek(start)
        while start < stop and (part := f.read(min(_CHUNK, stop - start))):
            start += len(part)
            yield part
