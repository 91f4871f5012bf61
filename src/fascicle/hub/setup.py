"""How a hub comes to be: Django configured once, tables made, first user and first rows."""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field

from fascicle.errors import ConfigurationError, FascicleError, MissingExtraError
from fascicle.hub.config import HubConfig

ADMIN = "admin"
REPOSITORY = "hub"
FIRST_PASSWORD = "first_password"  # noqa: S105 - a name, not a secret
_lock = threading.RLock()


class DatabaseDown(FascicleError, ConnectionError):
    """The database does not answer."""

    kind = "database-down"


@dataclass(frozen=True)
class FirstStart:
    """What the first start made.

    Attributes
    ----------
    user : str
        The first admin; empty if there was one already.
    password : str
        The admin's password, which is kept nowhere and can be shown this once.
    """

    user: str = ""
    password: str = field(default="", repr=False)


def prepare(config: HubConfig) -> None:
    """Configure Django for a hub: once in a process, before anything else of `fascicle.hub`.

    Raises
    ------
    ConfigurationError
        If this process has a hub with other settings already.
    MissingExtraError
        If the parts that a hub needs are not installed.
    """
    try:
        import django
        from django.conf import settings
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"a hub needs {error.name}, which is not installed", hint="pip install 'fascicle[hub]'"
        ) from None
    with _lock:
        if settings.configured:
            if getattr(settings, "HUB", None) != config:
                raise ConfigurationError(
                    "this process has another hub already",
                    hint="one hub for each process: restart, or use another process",
                )
            return
        from fascicle.hub.settings import django_settings

        settings.configure(**django_settings(config))
        django.setup()


def current() -> HubConfig:
    """Return the settings of this process's hub."""
    from django.conf import settings

    config: HubConfig = settings.HUB
    return config


def migrate(config: HubConfig) -> None:
    """Make the tables, or bring them up to date, with the rows that every hub begins with.

    Raises
    ------
    DatabaseDown
        If the database does not answer.
    """
    prepare(config)
    from django.core.management import call_command
    from django.db import OperationalError

    make_private(config)
    try:
        _refuse_newer()
        call_command("migrate", verbosity=0, interactive=False)
    except OperationalError as error:
        why = " ".join(str(error).split())
        raise DatabaseDown(
            f"the database does not answer: {why}",
            hint="is its server running, and may this user use that database?",
        ) from error


def _refuse_newer() -> None:
    """Refuse tables that a later version of fascicle has changed: this one does not know them."""
    from django.db import connection
    from django.db.migrations.loader import MigrationLoader

    loader = MigrationLoader(connection, ignore_no_migrations=True)
    newer = sorted(name for app, name in loader.applied_migrations if app == "hub")
    unknown = [name for name in newer if ("hub", name) not in loader.disk_migrations]
    if unknown:
        raise ConfigurationError(
            f"the hub's database is of a later fascicle: it has {', '.join(unknown)}",
            hint="pip install --upgrade 'fascicle[hub]', or restore a backup of before",
        )


def make_private(config: HubConfig) -> None:
    """Make the state folder, and let nobody else read what lies in it."""
    config.state.mkdir(parents=True, exist_ok=True)
    config.state.chmod(0o700)
    config.uploads.mkdir(exist_ok=True)
    if config.sqlite is not None:
        config.sqlite.touch(mode=0o600)  # the files that SQLite puts beside it get its mode
        config.sqlite.chmod(0o600)


def first_start(config: HubConfig) -> FirstStart:
    """Make the first admin and the repository of the folder's files, where there are none.

    Returns
    -------
    FirstStart
        The admin's name and password, if one was made.
    """
    prepare(config)
    from django.db import transaction

    from fascicle.hub.models import DataRepository, DataRepositoryType, LabMember, Setting

    with transaction.atomic():
        kind, _ = DataRepositoryType.objects.get_or_create(name="Fileserver")
        url = f"{config.data_url}/"
        repository, _ = DataRepository.objects.get_or_create(
            name=REPOSITORY, defaults={"repository_type": kind, "data_url": url}
        )
        if repository.data_url != url:  # the hub moved, and its files with it
            repository.data_url = url
            repository.save(update_fields=["data_url"])
        if LabMember.objects.filter(is_superuser=True).exists():
            return FirstStart()
        password = secrets.token_urlsafe(12)
        user = LabMember.objects.create_superuser(ADMIN, password=password)
        # So that a check can tell whether it was changed: the hash is that of the user's row.
        Setting.objects.update_or_create(
            key=FIRST_PASSWORD, defaults={"value": {"user": ADMIN, "hash": user.password}}
        )
    return FirstStart(ADMIN, password)
