"""Files of datasets, below ``/data/``: from the hub's folder, or by a word where else they are.

Only a dataset's file is handed out, never any other file of the folder: an address is looked up
in the database, and the place of the file follows from there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

from django.db import DatabaseError
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.utils import redirect, send_file
from werkzeug.wrappers import Response

from fascicle.hub.models import Dataset, FileRecord
from fascicle.hub.paths import AGGREGATES, data_url, natural_path, root
from fascicle.hub.places import ODD_PATH, place_of
from fascicle.hub.rest.answers import Refused
from fascicle.hub.rest.auth import authenticate
from fascicle.hub.rest.limits import refused_by_database
from fascicle.hub.rest.throttling import address_of
from fascicle.hub.setup import REPOSITORY, current

PREFIX = "/data/"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# What a server in front of us might read otherwise than we do.
_CODED = re.compile(r"%(?:2f|5c|00)", re.IGNORECASE)
_COLUMNS = (
    "pk",
    "hash",
    "name",
    "collection",
    "revision__name",
    "session__subject__nickname",
    "session__date",
    "session__number",
    "session__lab__name",
)

Environ = dict[str, Any]


class _Found(NamedTuple):
    """What the database says of a dataset; see `_COLUMNS`."""

    pk: UUID
    hash: str
    name: str
    collection: str
    revision: str | None
    subject: str | None
    day: date | None
    number: int | None
    lab: str | None


def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request for a file (WSGI)."""
    try:
        answer = _answer(environ)
    except Refused as error:
        answer = _refused(error)
    except DatabaseError as error:
        if (why := refused_by_database(error)) is None:
            raise
        answer = _refused(why)
    answer.headers["X-Content-Type-Options"] = "nosniff"
    out: Iterable[bytes] = answer(environ, start_response)
    return out


def _answer(environ: Environ) -> Response:
    if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
        return Response("Method not allowed\n", 405, {"Allow": "GET, HEAD"})
    allowed = _allowed(environ)
    parts = _parts(environ)
    found = _dataset(parts) if parts else None
    # Who has not logged in is not told what there is.
    if not allowed and (found is None or not _is_open(found)):
        raise Refused(401, "A login is needed.")
    if found is None:
        return _missing()
    return _send(found, environ)


def _allowed(environ: Environ) -> bool:
    """Return whether a login is shown, and is good; none at all is no error yet."""
    header = environ.get("HTTP_AUTHORIZATION", "")
    if not header:
        return False
    authenticate(header, address_of(environ))
    return True


def _refused(error: Refused) -> Response:
    status = 401 if error.status in (401, 403) else error.status
    answer = Response(f"{error.body.get('detail', error)}\n", status, error.headers)
    if status == 401:
        answer.headers["WWW-Authenticate"] = 'Basic realm="fascicle hub", charset="UTF-8"'
    return answer


def _missing() -> Response:
    return Response("Not found\n", 404)


def _is_open(found: _Found) -> bool:
    """Return whether a dataset is in a release that is read without a login."""
    return bool(
        Dataset.tags.through.objects.filter(
            dataset_id=found.pk, tag__public=True, tag__open=True
        ).exists()
    )


# -- from the address to the dataset ---------------------------------------------------------------


def _parts(environ: Environ) -> list[str]:
    """Return the parts of the path; none where it could mean a file outside of the folder."""
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or ""
    if _CODED.search(raw.partition("?")[0]):
        return []
    try:
        path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8")
    except UnicodeError:
        return []
    parts: list[str] = path.removeprefix(PREFIX).split("/")
    wrong = any(
        not part or part.startswith(".") or "\\" in part or not part.isprintable() for part in parts
    )
    return [] if wrong else parts


def _dataset(parts: list[str]) -> _Found | None:
    """Return the dataset of an address: by the id in its name, or by its place."""
    ids = _UUID.findall(parts[-1])
    rows = Dataset.objects.all()
    if ids:
        rows = rows.filter(pk=ids[-1])
        return _one(rows.values_list(*_COLUMNS))
    if parts[0] == AGGREGATES:
        collection, name, revision = place_of("/".join(parts[1:]))
        return _one(_versions(rows.filter(session=None), collection, name, revision))
    where: dict[str, Any] = {}
    if len(parts) > 2 and parts[1] == "Subjects":
        where["session__lab__name"], parts = parts[0], parts[2:]
    if len(parts) < 4 or not re.fullmatch("[0-9]{1,5}", parts[2]):
        return None
    try:
        where["session__date"] = date.fromisoformat(parts[1])
    except ValueError:
        return None
    where |= {"session__subject__nickname": parts[0], "session__number": int(parts[2])}
    collection, name, revision = place_of("/".join(parts[3:]))
    return _one(_versions(rows.filter(**where), collection, name, revision))


def _versions(rows: Any, collection: str, name: str, revision: str) -> Any:
    rows = rows.filter(collection=collection, name=name)
    rows = rows.filter(revision__name=revision) if revision else rows.filter(revision=None)
    return rows.order_by("pk").values_list(*_COLUMNS)


def _one(rows: Any) -> _Found | None:
    found = rows.first()
    return None if found is None else _Found._make(found)


# -- from the dataset to its file ------------------------------------------------------------------


def _send(found: _Found, environ: Environ) -> Response:
    natural = natural_path(
        found.subject, found.day, found.number, found.collection, found.revision, found.name
    )
    elsewhere = ""
    config = current()
    records = FileRecord.objects.filter(
        dataset_id=found.pk, data_repository__globus_is_personal=False
    ).order_by("-exists", "data_repository__name")
    columns = ("data_repository__name", "data_repository__data_url", "relative_path", "json")
    for repository, place, relative, more in records.values_list(*columns):
        path = relative or natural
        if repository != REPOSITORY:
            if place and "://" in place and not place.startswith(config.data_url):
                elsewhere = elsewhere or data_url(place, found.lab, path, found.pk) or ""
            continue
        odd = more.get(ODD_PATH) if isinstance(more, dict) else None
        inside = str(odd or root("/", found.lab).lstrip("/") + path)
        if config.storage:
            return _redirect(f"{config.storage.rstrip('/')}/{inside}")
        file = _open(config.folder, inside, found.pk)
        if file is not None:
            return _sent(file, found, environ)
    return _redirect(elsewhere) if elsewhere else _missing()


def _redirect(url: str) -> Response:
    from fascicle.hub.presign import presigned

    # Addresses of ours are not escaped; those of S3 are where they are signed.
    there = url if url.startswith("s3") else quote(url, safe="/:@?&=+$,;~%")
    answer = redirect(presigned(there), 302, Response)
    answer.headers["Cache-Control"] = "private, no-store"  # the address is good for a while
    return answer


def _open(folder: Path | None, inside: str, did: UUID) -> Any:
    """Open a file of the folder, unless the way to it leads out; None where there is none."""
    for real in ways_to(folder, inside, did) if folder is not None else ():
        if _is_ours(real):
            continue
        with suppress(OSError):
            # What was looked at is what is opened: the last part is no link any more.
            fd = os.open(real, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | os.O_NONBLOCK)
            if os.path.isfile(fd) and _where(fd) in ("", real, f"{real} (deleted)"):
                return os.fdopen(fd, "rb")
            os.close(fd)
    return None


def _is_ours(real: str) -> bool:
    """Return whether a path leads to what the hub keeps to itself, if that lies in the folder."""
    config = current()
    private = (os.path.realpath(one) for one in (config.state, config.backups) if one is not None)
    return any(os.path.commonpath([one, real]) == one for one in private)


def _where(fd: int) -> str:
    """Return what was opened, so that no folder was made a link meanwhile; empty if not known."""
    with suppress(OSError):
        return os.readlink(f"/proc/self/fd/{fd}")
    return ""


def ways_to(folder: Path, inside: str, did: UUID) -> Iterator[str]:
    """Yield where a dataset's file may be, links resolved; nothing out of the folder or hidden.

    Parameters
    ----------
    folder : pathlib.Path
        The hub's folder.
    inside : str
        Where the file should be in it.
    did : uuid.UUID
        The dataset's id: files that came from another server may have it in their names.
    """
    head, _, name = inside.rpartition("/")
    stem, dot, ending = name.rpartition(".")
    marked = f"{stem}.{did}.{ending}" if dot else f"{name}.{did}"
    base = os.path.realpath(folder)
    for candidate in (name, marked):
        real = os.path.realpath(os.path.join(base, head, candidate))
        hidden = any(part.startswith(".") for part in real[len(base) :].split(os.sep))
        if os.path.commonpath([base, real]) == base and not hidden:
            yield real


def _sent(file: Any, found: _Found, environ: Environ) -> Response:
    st = os.fstat(file.fileno())
    etag = f"{found.hash or 'file'}-{st.st_size:x}-{st.st_mtime_ns:x}"
    answer = send_file(
        file,
        environ,
        mimetype="application/octet-stream",
        as_attachment=True,  # a page among the data does not run as one of ours
        download_name=found.name,
        conditional=False,
        etag=False,
        last_modified=st.st_mtime,
    )
    answer.set_etag(etag)
    answer.content_length = st.st_size
    answer.headers["Cache-Control"] = "private, no-cache"
    try:
        return answer.make_conditional(environ, accept_ranges=True, complete_length=st.st_size)
    except RequestedRangeNotSatisfiable:
        file.close()
        return Response(status=416, headers={"Content-Range": f"bytes */{st.st_size}"})
