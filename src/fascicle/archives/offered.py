"""Tables that a server offers for download: all it has, or what has a tag.

They are checked before they take the place of older ones, each at once, so that any number of
processes may share a folder.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import os
import shutil
import uuid
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from fascicle.catalogue.schema import HIDDEN
from fascicle.errors import BadFileError, CatalogueError, HTTPError, NotFoundError

if TYPE_CHECKING:
    from fascicle.alyx import AlyxClient

_logger = logging.getLogger(__name__)

TABLES = ("sessions.pqt", "datasets.pqt")
_NOTE = "server.json"
_MINUTE = datetime.timedelta(minutes=1)


def info_of(client: AlyxClient, tag: str | None) -> dict[str, Any]:
    """Return what a server says of the tables that it offers.

    Raises
    ------
    TagNotFound
        It has none of that tag.
    """
    try:
        info = client.get(f"cache/info/{tag}" if tag else "cache/info", expires=True)
    except HTTPError as error:
        if error.status == 404 and tag:
            raise TagNotFound(
                f"{client.base_url} offers no tables for a tag {tag!r}",
                hint="one.alyx.rest('tags', 'list') lists the tags",
            ) from error
        raise
    if tag and tag not in (info.get("database_tags") or []):
        raise TagNotFound(
            f"{client.base_url} offers no tables for a tag {tag!r}: it answers with those of "
            f"{info.get('database_tags') or 'everything'}",
            hint="one.alyx.rest('tags', 'list') lists the tags",
        )
    return dict(info)


class TagNotFound(NotFoundError, ValueError):
    """A server has no tables for a tag."""

    kind = "tag-not-found"


def noted(folder: Path) -> dict[str, Any]:
    """Return what is noted of the tables of a folder: server, tag, and when they were made."""
    try:
        found = json.loads((folder / HIDDEN / _NOTE).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def is_current(folder: Path, info: Mapping[str, Any], base_url: str, tag: str | None) -> bool:
    """Return whether the tables of a folder are those that a server offers now."""
    if not all((folder / name).is_file() for name in TABLES):
        return False
    note = noted(folder)
    if note:
        known = note.get("url"), note.get("tag"), note.get("date_created")
        return known == (base_url, tag, info.get("date_created"))
    # Others, such as the official client, brought them.
    about = _metadata(folder / "datasets.pqt")
    tags = about.get("database_tags") or []
    tags = [tags] if isinstance(tags, str) else tags
    if list(tags) != ([tag] if tag else []) or about.get("origin") != info.get("origin"):
        return False
    try:
        here = datetime.datetime.fromisoformat(about["date_created"])
        return datetime.datetime.fromisoformat(info["date_created"]) - here < _MINUTE
    except (KeyError, TypeError, ValueError):
        return False


def bring(client: AlyxClient, info: Mapping[str, Any], folder: Path, tag: str | None) -> None:
    """Bring the tables that a server offers into a folder.

    Raises
    ------
    CatalogueError
        What arrives are no tables, or not those of the tag, or the folder cannot be written.
    """
    hidden = folder / HIDDEN
    part = hidden / f"tables.{uuid.uuid4().hex}.part"
    try:
        part.mkdir(parents=True)
    except OSError as error:
        raise CatalogueError(
            f"{folder} cannot be written: {error}", hint="give tables_dir= a folder of your own"
        ) from error
    try:
        location = info.get("location") or ""
        if not location and tag:
            raise CatalogueError(
                f"{client.base_url} has tables of the tag {tag!r}, and does not say where",
                hint="one.search(tag=…) asks the server itself",
            )
        place = _fetch(client, urljoin(f"{client.base_url}/", location or "cache.zip"), part)
        unpack(place, part)
        check_tables(part, tag)
        for name in (*TABLES, "cache_info.json", "QC.json"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(part / name, folder / name)
        note = {"url": client.base_url, "tag": tag, "date_created": info.get("date_created")}
        (part / _NOTE).write_text(json.dumps(note))
        os.replace(part / _NOTE, hidden / _NOTE)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def headers_of(client: AlyxClient, url: str) -> dict[str, str]:
    """Return the headers that say who asks, for those servers alone that are to know it."""
    given = client._file_headers(None, None)(url)
    return {k: v.reveal() if hasattr(v, "reveal") else v for k, v in given.items()}


def _fetch(client: AlyxClient, url: str, folder: Path) -> Path:
    from fascicle.alyx.http import is_same_server
    from fascicle.transfer import make_plan
    from fascicle.transfer.source import Source

    _logger.info("fetching tables from %s", url)
    if is_same_server(url, client.base_url):
        client._ensure_login()
    plan = make_plan([(Source(url), "cache.zip")], store=folder / "zip")
    progress = False if client.silent else None
    plan.run(progress=progress, headers=lambda s: headers_of(client, s.url)).raise_for_failed()
    return folder / "zip" / "cache.zip"


def unpack(place: Path, folder: Path) -> None:
    """Take the tables out of a ZIP file; everything else in it stays there.

    Raises
    ------
    CatalogueError
        It is none, or damaged.
    """
    try:
        with zipfile.ZipFile(place) as archive:
            for info in archive.infolist():
                name = info.filename.rpartition("/")[2]
                if name.endswith((".pqt", ".json")) and not info.is_dir():
                    with archive.open(info) as source, (folder / name).open("wb") as target:
                        shutil.copyfileobj(source, target, 1 << 20)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError) as error:
        raise CatalogueError(f"what the server sent as tables cannot be read: {error}") from error


def check_tables(folder: Path, tag: str | None) -> None:
    """Make sure that a folder has tables, and those of the tag that was asked for.

    Raises
    ------
    CatalogueError
        It has not.
    """
    for name in TABLES:
        if not (folder / name).is_file():
            raise CatalogueError(f"the server's tables have no {name}")
        about = _metadata(folder / name)
    tags = about.get("database_tags") or []
    tags = [tags] if isinstance(tags, str) else tags
    if tag and tag not in tags:
        raise CatalogueError(
            f"the server sent tables of {', '.join(tags) or 'everything'} where those of the tag "
            f"{tag!r} were asked for",
            hint=f"one.search(tag={tag!r}) asks the server itself",
        )


def _metadata(path: Path) -> dict[str, Any]:
    """Return what ONE's metadata of a table say."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from fascicle.catalogue.parquet import one_metadata

    try:
        return one_metadata(pq.read_schema(path))
    except (pa.ArrowException, OSError) as error:
        raise BadFileError(f"{path.name} of the server is no table: {error}") from error
