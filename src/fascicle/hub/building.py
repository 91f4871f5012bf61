"""The index for clients, made of the database in a process of its own.

It needs numpy and pyarrow, which the processes that answer requests do without. A generation's
files lie in a folder of their own and never change; ``current.json`` names the newest one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.hub.config import HubConfig

if TYPE_CHECKING:
    from fascicle.catalogue.columns import Columns

CURRENT = "current.json"
#: Files of a generation: the index, its records, the sorted ids, what changed since the one before.
SEARCH, ROWS, IDS, STEP = "search.bin", "rows.bin", "ids.bin", "step.bin"
_STEPS = 64  # that are kept, so that clients need not fetch everything
_KEEP = 900  # seconds after which files of a former generation are removed
_MIN_ONE = "2.7.0"  # versions of ONE that read these tables


def build(config: HubConfig, tag: str | None = None, *, tables: bool = True) -> dict[str, Any]:
    """Bring the index up to date with the database, with the tables of one tag if asked.

    Parameters
    ----------
    config : HubConfig
        The hub, for which Django is configured.
    tag : str, optional
        A release whose tables are wanted; default: those of everything.
    tables : bool
        Whether tables are wanted at all.

    Returns
    -------
    dict
        What ``current.json`` says.
    """
    config.catalogue.mkdir(parents=True, exist_ok=True)
    with _alone(config.catalogue), _snapshot():
        from fascicle.hub.generation import current

        found, number = newest(config), current()
        if found is None or found["generation"] != number or found["store"] != store_id():
            found = _next(config, found, number)
        if tables and not (config.catalogue / found["place"] / zip_name(tag)).exists():
            _tables(config, found, tag)
        return found


def newest(config: HubConfig) -> dict[str, Any] | None:
    """Return what is known of the newest generation that was built; None before the first."""
    try:
        found = json.loads((config.catalogue / CURRENT).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(found, dict) or not (config.catalogue / found["place"] / SEARCH).exists():
        return None
    return found


def zip_name(tag: str | None) -> str:
    """Return the name of the file with ONE's tables, of one release or of everything."""
    if tag is None:
        return "cache.zip"
    return f"tag-{hashlib.sha256(tag.encode()).hexdigest()[:32]}.zip"


def store_id() -> str:
    """Return what tells this database from any other."""
    from fascicle.hub.models import Setting

    row, _ = Setting.objects.get_or_create(key="store", defaults={"value": uuid.uuid4().hex})
    return str(row.value)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process builds."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _snapshot() -> Iterator[None]:
    """Read one state of the database, whatever is written meanwhile."""
    from django.db import connection, transaction

    store_id()  # writes the first time, which what follows must not
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
        return
    connection.close()
    options = connection.settings_dict["OPTIONS"]
    mode = options.get("transaction_mode")
    options["transaction_mode"] = "DEFERRED"  # a reader need not keep writers waiting
    try:
        with transaction.atomic():
            yield
    finally:
        connection.close()
        options["transaction_mode"] = mode


def _next(config: HubConfig, found: dict[str, Any] | None, number: int) -> dict[str, Any]:
    """Build a generation: of the one before and what changed since, or of the whole database."""
    from fascicle.catalogue.packed import pack
    from fascicle.hub.columns import read_columns

    begun = time.perf_counter()
    now = datetime.now().isoformat(sep=" ", timespec="seconds")
    meta = {"has_default_revision": True, "created": now}
    store, steps, step = store_id(), [], b""
    columns: Columns | None = None
    if found is not None and found["store"] == store and found["generation"] < number:
        columns, step = _changed(config, found, number, meta)
    if columns is None:
        columns = read_columns(meta)
    elif found is not None:
        steps = [*found["steps"], found["generation"]][-_STEPS:]
    place = f"{number}-{uuid.uuid4().hex[:12]}"
    folder = config.catalogue / place
    folder.mkdir()
    search = pack(columns, records=False)
    (folder / SEARCH).write_bytes(search)
    (folder / ROWS).write_bytes(columns.records.tobytes())
    (folder / IDS).write_bytes(_sorted_ids(columns))
    if step:
        # Kept beside the folders: it is wanted longer than they are.
        (config.catalogue / f"step-{number}.bin").write_bytes(step)
    out = {
        "store": store,
        "generation": number,
        "place": place,
        "created": now,
        "sessions": len(columns.sessions),
        "datasets": columns.n_datasets,
        "insertions": len(columns.insertions),
        "search": {"size": len(search), "sha256": hashlib.sha256(search).hexdigest()},
        "rows": {"size": columns.n_datasets * columns.records.itemsize},
        "steps": steps,
        "seconds": round(time.perf_counter() - begun, 3),
    }
    _write(config.catalogue / CURRENT, json.dumps(out).encode())
    _collect(config.catalogue, out)
    return out


def _changed(
    config: HubConfig, found: dict[str, Any], number: int, meta: dict[str, Any]
) -> tuple[Columns | None, bytes]:
    """Return the columns with what changed, and that alone; None where it is too much."""
    from fascicle.catalogue.packed import pack, renewed
    from fascicle.hub.columns import read_columns
    from fascicle.hub.models import SessionChange

    rows = SessionChange.objects.filter(generation__gt=found["generation"])
    eids = list(rows.values_list("eid", flat=True))
    if len(eids) > max(1000, found["sessions"] // 3):
        return None, b""
    fresh = read_columns(meta, eids)
    present = {s.eid for s in fresh.sessions}
    gone = sorted(eid.bytes for eid in eids if eid.bytes not in present)
    old = load(config, found)
    return renewed(old, fresh, gone), pack(fresh, records=True, gone=gone)


def load(config: HubConfig, found: dict[str, Any]) -> Columns:
    """Return the columns of a generation that was built."""
    import numpy as np

    from fascicle.catalogue.columns import RECORD_DTYPE
    from fascicle.catalogue.packed import unpack

    folder = config.catalogue / found["place"]
    columns, _ = next(unpack((folder / SEARCH).read_bytes()))
    return replace(columns, records=np.fromfile(folder / ROWS, RECORD_DTYPE))


def _sorted_ids(columns: Columns) -> bytes:
    """Return the ids, sorted, each with its record's number: 24 bytes each."""
    import numpy as np

    ids = np.frombuffer(columns.records["id"].tobytes(), ">u8").reshape(-1, 2)
    order = np.lexsort((ids[:, 1], ids[:, 0]))
    out = np.zeros(len(order), np.dtype([("id", ">u8", 2), ("record", ">u8")]))
    out["id"], out["record"] = ids[order], order
    return out.tobytes()


def _tables(config: HubConfig, found: dict[str, Any], tag: str | None) -> None:
    """Write ONE's tables of a generation into one file."""
    from fascicle.catalogue import export

    columns = load(config, found)
    if tag is not None:
        columns = _of_tag(columns, tag)
    about: dict[str, Any] = {
        "date_created": found["created"][:16],
        "origin": config.url,
        "min_api_version": _MIN_ONE,
        "database_tags": [tag] if tag is not None else [],
    }
    columns.meta["tables"] = {"sessions": about, "datasets": about}
    folder = config.catalogue / found["place"]
    with tempfile.TemporaryDirectory(dir=config.catalogue, prefix=".tables-") as made:
        stamp = {"store": found["store"], "number": found["generation"]}
        export.write(columns, Path(made), stamp)
        info = {
            **about,
            "tables": {
                "sessions": _size(made, "sessions", sum(s.listed for s in columns.sessions)),
                "datasets": _size(made, "datasets", columns.n_datasets),
            },
        }
        (Path(made) / "cache_info.json").write_text(json.dumps(info), encoding="utf-8")
        packed = Path(made) / "packed"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as out:
            for name in ("sessions.pqt", "datasets.pqt", "cache_info.json"):
                out.write(Path(made) / name, name)
        _write(folder / f"{zip_name(tag)}.json", json.dumps(info).encode())
        os.replace(packed, folder / zip_name(tag))


def _size(folder: str, name: str, n: int) -> dict[str, int]:
    return {"nrecs": n, "size": (Path(folder) / f"{name}.pqt").stat().st_size}


def _of_tag(columns: Columns, tag: str) -> Columns:
    import numpy as np

    from fascicle.catalogue.packed import some
    from fascicle.hub.columns import tagged

    ids = set(tagged([tag]))
    raw = columns.records["id"].tobytes()
    keep = [k for k in range(columns.n_datasets) if raw[16 * k : 16 * k + 16] in ids]
    out = columns.take(np.array(keep, np.intp))
    present = {columns.sessions[n].eid for n in out.session.tolist()}
    return some(out, lambda s: s.eid in present)


def _write(path: Path, raw: bytes) -> None:
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    part.write_bytes(raw)
    os.replace(part, path)


def _collect(folder: Path, found: dict[str, Any]) -> None:
    """Remove former generations that nobody can be fetching any more, and steps too far back."""
    before = time.time() - _KEEP
    known = {f"step-{n}.bin" for n in (*found["steps"], found["generation"])}
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_mtime > before or path.name == found["place"]:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name.startswith("step-") and path.name not in known:
                path.unlink()


def run() -> None:
    """Build as a process that reads what for from its standard input."""
    from fascicle.hub.setup import prepare

    asked = json.load(sys.stdin)
    values = asked["config"]
    for key in ("folder", "state", "backups"):
        values[key] = None if values[key] is None else Path(values[key])
    values["allowed_hosts"] = tuple(values["allowed_hosts"])
    config = HubConfig(**values)
    prepare(config)
    build(config, asked["tag"], tables=asked["tables"])


def question(config: HubConfig, tag: str | None, *, tables: bool) -> str:
    """Return what `run` reads: settings may hold a password, and command lines can be seen."""
    asked = {"config": dataclasses.asdict(config), "tag": tag, "tables": tables}
    return json.dumps(asked, default=str)


if __name__ == "__main__":
    run()
