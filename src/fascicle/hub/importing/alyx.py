"""A running Alyx, or another hub, comes into a hub by REST."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fascicle.errors import FascicleError
from fascicle.hub.config import HubConfig
from fascicle.hub.importing.report import ImportReport
from fascicle.hub.setup import prepare

Row = dict[str, Any]
_PAGE = 1000  # the most that an Alyx gives at once
_ALONE = 100  # sessions that are asked for one by one, between two files


def import_alyx(
    config: HubConfig,
    url: str,
    *,
    username: str | None = None,
    password: str | None = None,
    token: str | None = None,
    progress: bool | None = None,
) -> ImportReport:
    """Bring what a running Alyx has into a hub.

    Everything is fetched first and kept beside the hub's database, so that an import that was
    stopped goes on where it was; then it is written in one transaction. Rows that the hub has
    already stay as they are. What REST does not tell does not come: passwords, breeding and
    genotyping, images of notes. Where you can have a dump, it has more (`import_dump`).

    Parameters
    ----------
    config : HubConfig
        The hub.
    url : str
        Address of the Alyx.
    username, password, token : str, optional
        Who reads there; default: the login that is saved for that server.
    progress : bool, optional
        Show bars on standard error.

    Returns
    -------
    ImportReport

    Raises
    ------
    FascicleError
        The server cannot be reached, or refuses.
    """
    begun = time.perf_counter()
    prepare(config)
    from django.db import transaction

    from fascicle.alyx.client import AlyxClient
    from fascicle.hub.generation import current
    from fascicle.hub.importing.loading import Loader
    from fascicle.hub.importing.translate import Translator, steps

    client = AlyxClient(
        url,
        username=username,
        password=password,
        token=token,
        silent=True,
        cache_rest=None,
        stay_logged_in=False,
    )
    report = ImportReport()
    place = config.state / "arriving" / hashlib.sha256(client.base_url.encode()).hexdigest()[:16]
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    to = Translator(urlsplit(client.base_url).netloc)
    there = set(client.rest_schemes.endpoints)
    for endpoint, translate in steps(to):
        if endpoint not in there:
            report.problems.append(f"{client.base_url} has no {endpoint}")
            continue
        for row in _rows(client, place, endpoint, bool(progress), report):
            translate(row)
    report.skipped.update(to.skipped)
    with transaction.atomic():
        Loader(report, progress=bool(progress)).load(to.rows)
    shutil.rmtree(place, ignore_errors=True)
    report.generation = current()
    report.seconds = time.perf_counter() - begun
    return report


def _rows(
    client: Any, place: Path, endpoint: str, progress: bool, report: ImportReport
) -> Iterator[Row]:
    """Yield the rows of an endpoint, those that are kept first; each once."""
    from tqdm import tqdm

    found = client.rest(endpoint, "list", limit=_PAGE, no_cache=True)
    total, seen = len(found), set()
    read_alone = endpoint == "sessions"
    step = _ALONE if read_alone else _PAGE
    with tqdm(total=total, desc=endpoint, unit="row", disable=not progress) as bar:
        for first in range(0, total, step):
            file = place / f"{endpoint}.{first:09d}.json"
            part = _kept(file)
            if part is None:
                part = list(found[first : first + step])
                if read_alone:
                    part = [client.rest(endpoint, "read", id=r["id"], no_cache=True) for r in part]
                _keep(file, part)
            bar.update(len(part))
            for row in part:
                key = row.get("id") or row.get("url") or row.get("name")
                if key not in seen:
                    seen.add(key)
                    yield row
    if len(seen) < total:
        report.problems.append(
            f"{endpoint}: {total} rows were announced, {len(seen)} came; import again to get those "
            "that were moved meanwhile"
        )


def _kept(file: Path) -> list[Row] | None:
    try:
        part = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise FascicleError(f"{file} is damaged", hint="remove it, and import again") from error
    return part if isinstance(part, list) else None


def _keep(file: Path, rows: list[Row]) -> None:
    part = file.with_name(f".{file.name}.{uuid.uuid4().hex}.part")
    part.write_text(json.dumps(rows), encoding="utf-8")
    os.replace(part, file)
