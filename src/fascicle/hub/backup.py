"""A copy of all that a hub knows, in one file, made while it serves."""

from __future__ import annotations

import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from contextlib import closing
from datetime import datetime
from pathlib import Path

from fascicle import __version__
from fascicle.errors import ConfigurationError, FascicleError
from fascicle.hub.config import FILE, HubConfig

LAST = "last_backup"
DUMP = "hub.dump"


class BackupError(FascicleError, OSError):
    """A backup could not be made."""

    kind = "backup"


def back_up(config: HubConfig, target: Path) -> int:
    """Write the database, the uploads, the secret and the settings into a tar file.

    The database is as it was at one moment, whatever is written meanwhile. The file is there as a
    whole or not at all, and its owner alone may read it.

    Parameters
    ----------
    config : HubConfig
        The hub.
    target : pathlib.Path
        The file, which must not be there; compressed if it ends with ``.gz``.

    Returns
    -------
    int
        Its size in bytes.

    Raises
    ------
    ConfigurationError
        If the file is there already, or its folder is not.
    BackupError
        If the database could not be copied.
    """
    target = target.expanduser().absolute()
    if target.exists():
        raise ConfigurationError(f"{target} is there already", hint="give the backup another name")
    if not target.parent.is_dir():
        raise ConfigurationError(f"there is no folder {target.parent}")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as beside:
        made = Path(beside, "backup.tar")
        mode = "w:gz" if target.name.endswith("gz") else "w"
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with (
            open(descriptor, "wb") as file,
            tarfile.open(fileobj=file, mode=mode) as tar,  # type: ignore[call-overload]
        ):
            _add_about(tar, config)
            copy = _copy_database(config, Path(beside))
            tar.add(copy, copy.name)
            for name in ("secret", FILE):
                if (config.state / name).is_file():
                    tar.add(config.state / name, name)
            if config.uploads.is_dir():
                tar.add(config.uploads, "uploads")
            tar.close()
            file.flush()
            os.fsync(file.fileno())
        os.link(made, target)  # unlike a rename it replaces nothing
    _note(config, target)
    return target.stat().st_size


def last_backup() -> datetime | None:
    """Return when the last backup was made; None if there was none."""
    from fascicle.hub.models import Setting

    found = Setting.objects.filter(key=LAST).values_list("value", flat=True).first()
    return datetime.fromisoformat(found["at"]) if found else None


def _note(config: HubConfig, target: Path) -> None:
    from fascicle.hub.models import Setting
    from fascicle.hub.setup import prepare

    prepare(config)
    value = {"at": datetime.now().isoformat(timespec="seconds"), "file": str(target)}
    Setting.objects.update_or_create(key=LAST, defaults={"value": value})


def _add_about(tar: tarfile.TarFile, config: HubConfig) -> None:
    about = {
        "fascicle": __version__,
        "made": datetime.now().isoformat(timespec="seconds"),
        "url": config.url,
        "database": "sqlite" if config.sqlite else "postgresql",
    }
    content = json.dumps(about, indent=2).encode()
    entry = tarfile.TarInfo("about.json")
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _copy_database(config: HubConfig, folder: Path) -> Path:
    if config.sqlite is None:
        return _dump(config, folder / DUMP)
    target = folder / config.sqlite.name
    uri = f"{config.sqlite.as_uri()}?mode=ro"
    try:
        with (
            closing(sqlite3.connect(uri, uri=True, timeout=20)) as source,
            closing(sqlite3.connect(target)) as copy,
        ):
            # In one step: a copy made in steps begins anew whenever somebody writes.
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, with nothing beside it
            problem = copy.execute("PRAGMA quick_check").fetchone()[0]
    except sqlite3.Error as error:
        raise BackupError(f"{config.sqlite} cannot be copied: {error}") from error
    if problem != "ok":
        raise BackupError(f"{config.sqlite} is damaged: {problem}")
    return target


def _dump(config: HubConfig, target: Path) -> Path:
    from fascicle.hub.settings import database

    program = shutil.which("pg_dump")
    if program is None:
        raise BackupError(
            "pg_dump is not here", hint="install PostgreSQL's client programs, as new as the server"
        )
    said = database(config)
    # The password goes by the environment, since all users see the arguments of a program.
    environment = dict(os.environ)
    for key, name in (("HOST", "PGHOST"), ("PORT", "PGPORT"), ("USER", "PGUSER")):
        if said[key]:
            environment[name] = said[key]
    environment["PGDATABASE"] = said["NAME"]
    if said["PASSWORD"]:
        environment["PGPASSWORD"] = said["PASSWORD"]
    if "sslmode" in said["OPTIONS"]:
        environment["PGSSLMODE"] = said["OPTIONS"]["sslmode"]
    done = subprocess.run(  # noqa: S603 - the program that was looked up, without a shell
        [program, "--format=custom", "--no-owner", "--file", str(target)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BackupError(f"pg_dump failed: {done.stderr.strip()}")
    return target
