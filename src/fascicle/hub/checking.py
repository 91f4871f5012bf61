"""What is unsafe or missing where a hub runs."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from fascicle.hub.config import FILE, LOOPBACK, HubConfig

UNSAFE, MISSING, NOTE = "unsafe", "missing", "note"
OLD_BACKUP = timedelta(days=8)
ROOM = 2_000_000_000
SAMPLES = 100
_SHARED = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "afs", "lustre", "beegfs"}


@dataclass(frozen=True)
class Finding:
    """Something about a deployment.

    Attributes
    ----------
    level : str
        ``unsafe``, ``missing`` or ``note``.
    what : str
        What was found.
    todo : str
        What to do about it.
    """

    level: str
    what: str
    todo: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return it as plain values."""
        return asdict(self)


Findings = Iterator[Finding]


def check(config: HubConfig) -> list[Finding]:
    """Look at a hub, whether it serves just now or not, and change nothing.

    Returns
    -------
    list of Finding
        The worst first; empty if all is well.
    """
    from fascicle.hub.setup import prepare

    prepare(config)
    return _worst_first([*check_place(config), *_database(config)])


def check_place(config: HubConfig) -> list[Finding]:
    """Look at all but what is in the database; see `check`."""
    looks = (_address, _settings, _files, _disk, _data)
    return _worst_first([finding for look in looks for finding in look(config)])


def _worst_first(found: list[Finding]) -> list[Finding]:
    return sorted(found, key=lambda finding: (UNSAFE, MISSING, NOTE).index(finding.level))


def _address(config: HubConfig) -> Findings:
    local = config.host in LOOPBACK
    scheme = urlsplit(config.url).scheme
    public = urlsplit(config.url).hostname not in LOOPBACK
    if not local and scheme != "https":
        yield Finding(
            UNSAFE,
            f"the hub listens at {config.host} without TLS: passwords and tokens can be overheard",
            "put a proxy with TLS before it, keep host = 127.0.0.1, and say public_url = https://…",
        )
    elif not local:
        yield Finding(
            UNSAFE,
            f"the hub listens at {config.host} beside the proxy that has the TLS",
            "host = 127.0.0.1, or a firewall that lets nobody but the proxy through",
        )
    elif public and scheme != "https":
        yield Finding(
            UNSAFE, f"users reach the hub at {config.url} without TLS", "public_url = https://…"
        )
    if public and local and not config.proxies:
        yield Finding(
            NOTE,
            "all logins seem to come from the proxy, so that one who guesses slows down everybody",
            "proxies = 1",
        )


def _settings(config: HubConfig) -> Findings:
    if config.debug:
        yield Finding(UNSAFE, "errors are shown to users in full", "debug = false")
    if not config.token_days:
        yield Finding(NOTE, "tokens never expire", "token_days = 365")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        yield Finding(NOTE, "this is root", "let the hub run as a user who may only read the data")
    url = urlsplit(config.database)
    if url.hostname not in (None, "", *LOOPBACK):
        mode = parse_qs(url.query).get("sslmode", [""])[0]
        if mode not in ("require", "verify-ca", "verify-full"):
            yield Finding(
                UNSAFE,
                f"the connection to the database at {url.hostname} need not be encrypted",
                "add ?sslmode=verify-full to its URL",
            )
    if not config.workers > 1:
        yield Finding(NOTE, "one process answers: a fault in it stops all", "workers = 2")


def _files(config: HubConfig) -> Findings:
    secret = config.state / "secret"
    if not secret.is_file():
        yield Finding(MISSING, "there is no secret yet", "fascicle serve makes one")
    elif len(secret.read_bytes().strip()) < 50:
        yield Finding(
            UNSAFE, "the hub's secret is short", f"stop the hub, remove {secret}, start it"
        )
    private = [config.state, secret, config.state / "last.json", config.uploads]
    private += [config.sqlite] if config.sqlite else []
    settings = config.state / FILE
    if settings.is_file() and "password" in settings.read_text(errors="replace").lower():
        private.append(settings)
    if config.sqlite is None and settings.is_file():
        private.append(settings)
    for path in private:
        if not path.exists():
            continue
        mode = stat.S_IMODE(path.stat().st_mode)
        inside = path.parent == config.state and _closed(config.state)
        if mode & 0o077 and not inside:
            yield Finding(
                UNSAFE,
                f"others of this machine may reach {path}",
                f"chmod {'700' if path.is_dir() else '600'} {path}",
            )


def _closed(folder: Path) -> bool:
    """Return whether nobody but the owner gets into a folder."""
    return not stat.S_IMODE(folder.stat().st_mode) & 0o077


def _disk(config: HubConfig) -> Findings:
    free = shutil.disk_usage(config.state).free
    if free < ROOM:
        yield Finding(MISSING, f"{free / 1e9:.1f} GB are free where {config.state} is", "make room")
    if config.sqlite is not None:
        kind = _file_system(config.state)
        if kind in _SHARED:
            yield Finding(
                UNSAFE,
                f"the SQLite file is on a network's file system ({kind}), which loses writes",
                "--state on a disk of this machine, or --database postgresql://…",
            )


def _file_system(path: Path) -> str:
    try:
        lines = Path("/proc/mounts").read_text().splitlines()
    except OSError:  # not Linux: nothing is known
        return ""
    mounts = [line.split()[1:3] for line in lines]
    real = os.path.realpath(path)
    under = [
        (len(place), kind)
        for place, kind in mounts
        if real == place or real.startswith(place.rstrip("/") + "/")
    ]
    return max(under, default=(0, ""))[1]


def _data(config: HubConfig) -> Findings:
    if config.folder is None:
        if not config.storage:
            yield Finding(
                MISSING, "no folder is served, and no storage: clients get no files", "folder = …"
            )
        return
    if not os.access(config.folder, os.R_OK | os.X_OK):
        yield Finding(MISSING, f"the folder {config.folder} cannot be read", "look at its mount")


def _database(config: HubConfig) -> Findings:
    from django.db import DatabaseError, connection
    from django.db.migrations.executor import MigrationExecutor

    if config.sqlite is not None and not config.sqlite.exists():
        yield Finding(MISSING, "there is no database yet", "fascicle serve makes one")
        return
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        text = str(error).strip().splitlines()[0]
        yield Finding(MISSING, f"the database does not answer: {text}", "is its server running?")
        return
    if plan:
        yield Finding(
            MISSING,
            f"the database is {len(plan)} steps behind this version of fascicle",
            "a backup, then fascicle serve, which takes them",
        )
        return
    looks: tuple[Callable[[HubConfig], Findings], ...] = (_users, _tokens, _backups, _open_data)
    for look in looks:
        yield from look(config)
    yield from _file_samples(config)


def _users(config: HubConfig) -> Findings:
    from fascicle.hub.models import LabMember, Setting
    from fascicle.hub.setup import FIRST_PASSWORD

    first = Setting.objects.filter(key=FIRST_PASSWORD).values_list("value", flat=True).first()
    if first and LabMember.objects.filter(username=first["user"], password=first["hash"]).exists():
        yield Finding(
            NOTE,
            f"user {first['user']!r} still has the password of the first start",
            f"fascicle hub user password {first['user']}",
        )
    if not LabMember.objects.filter(is_superuser=True, is_active=True).exists():
        yield Finding(MISSING, "there is no admin", "fascicle hub user add NAME --admin")
    for name, password in _known_passwords().items():
        user = LabMember.objects.filter(username=name, is_active=True).first()
        if user is not None and user.check_password(password):
            yield Finding(
                NOTE if config.host in LOOPBACK and not config.public_url else UNSAFE,
                f"the password of user {name!r}, of the synthetic lab, is known to everybody",
                f"fascicle hub user password {name}, or remove {name}",
            )
    both = LabMember.objects.filter(is_public_user=True, is_staff=True)
    for name in both.values_list("username", flat=True):
        yield Finding(
            UNSAFE, f"user {name!r} may only read, but may enter the admin's pages", "choose one"
        )


def _known_passwords() -> dict[str, str]:
    from fascicle.hub.importing.description import TUTORIALS

    return TUTORIALS


def _tokens(config: HubConfig) -> Findings:
    from fascicle.hub.models import Token

    idle = datetime.now() - timedelta(days=180)
    old = Token.objects.filter(created__lt=idle).exclude(last_used__gte=idle).count()
    if old:
        yield Finding(
            NOTE, f"{old} tokens were not used for half a year", "fascicle hub token list, revoke"
        )


def _backups(config: HubConfig) -> Findings:
    from fascicle.hub.backup import last_backup

    last = last_backup()
    if config.backups is not None and config.backups.is_dir():
        times = [p.stat().st_mtime for p in config.backups.iterdir() if p.is_file()]
        if times:
            newest = datetime.fromtimestamp(max(times))
            last = max(last, newest) if last else newest
    if last is None:
        yield Finding(MISSING, "there is no backup", "fascicle hub backup FILE, each day")
    elif datetime.now() - last > OLD_BACKUP:
        yield Finding(MISSING, f"the last backup is of {last:%Y-%m-%d}", "fascicle hub backup FILE")


def _open_data(config: HubConfig) -> Findings:
    from fascicle.hub.models import Tag

    names = list(Tag.objects.filter(open=True).values_list("name", flat=True))
    if names:
        yield Finding(NOTE, f"read without a login: the releases {', '.join(names)}")


def _file_samples(config: HubConfig) -> Findings:
    """Look whether files that clients are told of are there: a few, spread over the lab."""
    from fascicle.hub.models import Dataset

    if config.folder is None or config.storage or not os.access(config.folder, os.R_OK):
        return
    n = Dataset.objects.filter(online=True, session__isnull=False).count()
    if not n:
        yield Finding(NOTE, "the hub has no files yet", "fascicle hub import FOLDER")
        return
    missing = [path for path in _sample(config.folder, n) if not os.access(path, os.R_OK)]
    if missing:
        yield Finding(
            MISSING,
            f"{len(missing)} of {min(n, SAMPLES)} files looked at cannot be read: {missing[0]}",
            "look at the folder's mount and at who may read it",
        )


def _sample(folder: Path, n: int) -> Iterator[Path]:
    """Yield where some files should be: every so many in the order of their ids, which is none."""
    from fascicle.hub.models import FileRecord
    from fascicle.hub.paths import natural_path, root
    from fascicle.hub.setup import REPOSITORY

    columns = (
        "relative_path",
        "dataset__session__lab__name",
        "dataset__session__subject__nickname",
        "dataset__session__date",
        "dataset__session__number",
        "dataset__collection",
        "dataset__revision__name",
        "dataset__name",
    )
    records = (
        FileRecord.objects.filter(
            exists=True, data_repository__name=REPOSITORY, dataset__session__isnull=False
        )
        .order_by("dataset_id")
        .values_list(*columns)
    )
    for given, lab, *parts in records[:: max(1, n // SAMPLES)][:SAMPLES]:
        yield Path(root(str(folder), lab), given or natural_path(*parts))
