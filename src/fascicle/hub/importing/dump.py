"""An Alyx's dump comes into a hub, and a hub's database goes into a dump that an Alyx loads.

Rows and columns that a hub has no tables for are kept as they are beside its database, and are in
the dump that it writes: a lab can move back without losing them.
"""

from __future__ import annotations

import gzip
import json
import os
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fascicle.errors import CatalogueError
from fascicle.hub.config import HubConfig
from fascicle.hub.importing.report import ImportReport
from fascicle.hub.setup import prepare

Row = dict[str, Any]
_KEPT = "kept.json.gz"


def import_dump(
    config: HubConfig, file: str | os.PathLike[str], *, progress: bool | None = None
) -> ImportReport:
    """Bring the rows of an Alyx's dump into a hub.

    Rows that the hub has already, by their id or by their unique name, stay as they are. What it
    has no tables for is counted, and kept for `export_dump`.

    Parameters
    ----------
    config : HubConfig
        The hub.
    file : path-like
        What ``manage.py dumpdata`` wrote: JSON, may be compressed with gzip.
    progress : bool, optional
        Show a bar on standard error.

    Returns
    -------
    ImportReport
        ``skipped`` has what was left out, by table.

    Raises
    ------
    CatalogueError
        The file is no dump.
    """
    begun = time.perf_counter()
    rows = read_dump(file)
    prepare(config)
    from django.db import transaction

    from fascicle.hub.generation import current
    from fascicle.hub.importing.loading import Loader

    report = ImportReport()
    loader = Loader(report, progress=bool(progress))
    with transaction.atomic():
        loader.load(rows)
    _keep(config, rows, loader.refused)
    report.generation = current()
    report.seconds = time.perf_counter() - begun
    return report


def read_dump(file: str | os.PathLike[str]) -> list[Row]:
    """Return the rows of a dump.

    Raises
    ------
    CatalogueError
        The file cannot be read, or is no dump.
    """
    path = Path(file).expanduser()
    hint = "make one on the Alyx: python manage.py dumpdata --output dump.json.gz"
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        rows = json.loads(raw)
    except (OSError, EOFError, ValueError, RecursionError) as error:
        raise CatalogueError(f"{path} cannot be read: {error}", hint=hint) from error
    good = isinstance(rows, list) and all(
        isinstance(row, dict)
        and isinstance(row.get("model"), str)
        and isinstance(row.get("fields"), dict)
        and "pk" in row
        for row in rows
    )
    if not good:
        raise CatalogueError(f"{path} is no dump of a Django database", hint=hint)
    return [{**row, "model": row["model"].lower()} for row in rows]


def export_dump(config: HubConfig, file: str | os.PathLike[str]) -> Counter[str]:
    """Write a hub's database as a dump that an Alyx loads (``manage.py loaddata``).

    It has the hashes of passwords, and is readable for its owner alone.

    Parameters
    ----------
    config : HubConfig
        The hub.
    file : path-like
        What is written; compressed if its name ends in ``.gz``.

    Returns
    -------
    collections.Counter
        Rows by table.
    """
    prepare(config)
    from django.db import transaction

    path = Path(file).expanduser().absolute()
    counts: Counter[str] = Counter()
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(fd, "wb") as raw, transaction.atomic():
            out: Any = gzip.GzipFile(fileobj=raw, mode="wb") if path.suffix == ".gz" else raw
            out.write(b"[")
            for row in _rows(config):
                text = json.dumps(row, ensure_ascii=False, default=_plain)
                out.write((",\n" if counts else "\n").encode() + text.encode())
                counts[row["model"]] += 1
            out.write(b"\n]\n")
            if out is not raw:
                out.close()
            raw.flush()
            os.fsync(raw.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return counts


def _rows(config: HubConfig) -> Iterator[Row]:
    from fascicle.hub.importing.labels import TABLES, model_of

    kept = _kept(config)
    present: dict[str, set[str]] = {}
    for label in TABLES:
        if label == "experiments.brainregion":
            continue  # an Alyx has them from the beginning
        extra = kept["columns"].get(label, {})
        ids = present[label] = set()
        for row in _table(model_of(label), label):
            ids.add(row["pk"])
            yield {**row, "fields": {**extra.get(row["pk"], {}), **row["fields"]}}
    for row in kept["rows"]:
        if row["pk"] not in present.get(row["model"], ()):
            yield row


def _table(model: Any, label: str) -> Iterator[Row]:
    from django.contrib.contenttypes.models import ContentType

    from fascicle.hub.importing.labels import columns_of, label_of, links_of
    from fascicle.hub.importing.report import chunks
    from fascicle.hub.records import natural_paths

    columns, links = columns_of(model), links_of(model)
    for part in chunks(model.objects.order_by("pk").iterator(2000), 500):
        ids = [row.pk for row in part]
        linked: dict[str, dict[Any, list[str]]] = {}
        for f in links:
            through = f.remote_field.through
            mine, theirs = f.m2m_column_name(), f.m2m_reverse_name()
            found = linked[f.name] = {}
            pairs = through.objects.filter(**{f"{mine}__in": ids}).order_by(theirs)
            for key, other in pairs.values_list(mine, theirs):
                found.setdefault(key, []).append(str(other))
        paths: dict[Any, str] = {}
        if label == "data.filerecord":
            paths = natural_paths(row.dataset_id for row in part if not row.relative_path)
        for row in part:
            fields = {f.name: _plain_or_same(getattr(row, f.attname)) for f in columns}
            if fields.get("content_type") is not None:
                target = ContentType.objects.get_for_id(row.content_type_id).model_class()
                name = label_of(target) if target is not None else None
                fields["content_type"] = name.split(".") if name else None
            if paths and not row.relative_path:
                fields["relative_path"] = paths[row.dataset_id]
            fields |= {f.name: linked[f.name].get(row.pk, []) for f in links}
            yield {"model": label, "pk": _plain_or_same(row.pk), "fields": fields}


def _plain_or_same(value: Any) -> Any:
    simple = value is None or isinstance(value, str | int | float | bool | list | dict)
    return value if simple else _plain(value)


def _plain(value: Any) -> str:
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


# -- what a hub has no place for -------------------------------------------------------------------


def _keep(config: HubConfig, rows: list[Row], refused: list[Row]) -> None:
    """Keep rows and columns that the hub has no tables for."""
    from fascicle.hub.importing.labels import NEVER, TABLES, columns_of, links_of, model_of

    kept = _kept(config)
    have = {(row["model"], row["pk"]) for row in kept["rows"]}
    names = {
        label: {f.name for f in (*columns_of(model), *links_of(model))}
        for label in TABLES
        if (model := model_of(label)) is not None
    }
    for row in rows:
        label = row["model"]
        if label.startswith(NEVER) or (label, row["pk"]) in have:
            continue
        if label not in TABLES:
            kept["rows"].append(row)
            continue
        more = {k: v for k, v in row["fields"].items() if k not in names[label]}
        if more and label != "experiments.brainregion":
            kept["columns"].setdefault(label, {})[row["pk"]] = more
    kept["rows"] += [row for row in refused if (row["model"], row["pk"]) not in have]
    path = config.state / _KEPT
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw:
        raw.write(gzip.compress(json.dumps(kept).encode(), 6))
    os.replace(part, path)


def _kept(config: HubConfig) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(gzip.decompress((config.state / _KEPT).read_bytes()))
    except FileNotFoundError:
        return {"rows": [], "columns": {}}
    return found
