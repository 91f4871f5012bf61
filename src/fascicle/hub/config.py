"""What a hub serves, where it keeps its own state, and how it is reached: one TOML file."""

from __future__ import annotations

import os
import socket
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fascicle.errors import ConfigurationError, nearest

STATE = Path(".fascicle", "hub")
FILE = "hub.toml"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True)
class HubConfig:
    """The settings of a hub; see `load_config` for where they come from.

    Attributes
    ----------
    folder : pathlib.Path or None
        The folder whose files are served; None where files lie elsewhere.
    state : pathlib.Path
        The folder with what the hub writes: its database, secret, uploads and index.
    database : str
        A PostgreSQL URL; empty for the SQLite file in ``state``.
    host, port : str, int
        The address to listen at.
    public_url : str
        How users reach the hub, without a slash at the end, where a proxy stands before it; empty
        for ``http://host:port``.
    workers, threads : int
        Processes that answer, and how many requests each answers at once.
    watch : float
        Seconds between looks for a change of the folder; 0 for none.
    token_days : float
        Days after which a token expires; 0 for never.
    page_size, page_limit : int
        Rows of a page of an answer: by default, and at most.
    upload_mb : float
        Largest body of a request in megabytes.
    query_seconds : float
        Longest time that one SQL statement may take.
    storage : str
        Where files are if not in ``folder``: ``https://…`` or ``s3://bucket/prefix``, to which
        requests for files are redirected.
    allowed_hosts : tuple of str
        Further names under which the hub may be addressed.
    proxies : int
        How many proxies stand before the hub and add to ``X-Forwarded-For``.
    backups : pathlib.Path or None
        Folder in which ``fascicle hub check`` looks for a recent backup.
    debug : bool
        Whether errors are shown to users in full. Never on a server that others reach.
    """

    folder: Path | None
    state: Path
    database: str = field(default="", repr=False)  # it may hold a password
    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""
    workers: int = 2
    threads: int = 4
    watch: float = 10.0
    token_days: float = 365.0
    page_size: int = 250
    page_limit: int = 1000
    upload_mb: float = 64.0
    query_seconds: float = 30.0
    storage: str = ""
    allowed_hosts: tuple[str, ...] = ()
    proxies: int = 0
    backups: Path | None = None
    debug: bool = False

    @property
    def url(self) -> str:
        """How the hub is reached, without a slash at the end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.host in ("0.0.0.0", "::"):  # noqa: S104 - every interface: none of them is a name
            host = socket.gethostname()
        return f"http://{host}:{self.port}"

    @property
    def data_url(self) -> str:
        """Where the hub serves files; what ONE calls ``HTTP_DATA_SERVER``."""
        return f"{self.url}/data"

    @property
    def sqlite(self) -> Path | None:
        """The database file, or None if the database is a server."""
        return None if self.database else self.state / "hub.sqlite3"

    @property
    def uploads(self) -> Path:
        """Where images of notes are kept."""
        return self.state / "uploads"

    @property
    def catalogue(self) -> Path:
        """Where the index for clients is kept."""
        return self.state / "catalogue"

    @property
    def hosts(self) -> list[str]:
        """Names under which the hub may be addressed."""
        names = {"localhost", "127.0.0.1", "[::1]", *self.allowed_hosts}
        names.add(urlsplit(self.url).hostname or "localhost")
        if self.host not in LOOPBACK:
            names.add(f"[{self.host}]" if ":" in self.host else self.host)
            names |= own_addresses()
        return sorted(names)


def own_addresses() -> set[str]:
    """Return the names and addresses of this machine, as they stand in a URL."""
    names = {socket.gethostname(), socket.getfqdn()}
    try:
        found = socket.getaddrinfo(socket.gethostname(), None)
    except OSError:  # a machine whose own name does not resolve still has its name
        found = []
    for _, _, _, _, address in found:
        text = str(address[0]).partition("%")[0]
        names.add(f"[{text}]" if ":" in text else text)
    return names


def load_config(
    folder: str | os.PathLike[str] | None = None,
    *,
    file: str | os.PathLike[str] | None = None,
    **overrides: Any,
) -> HubConfig:
    """Put together the settings of a hub.

    The first that says something counts: ``overrides``, the TOML file, the defaults. The file is
    ``hub.toml`` in the hub's state folder unless another is given.

    Parameters
    ----------
    folder : str or path, optional
        The folder to serve. Its state is in ``.fascicle/hub`` in it unless ``state`` says where.
    file : str or path, optional
        The TOML file.
    **overrides : object
        Fields of `HubConfig`; those that are None are as if not given.

    Returns
    -------
    HubConfig
        The settings.

    Raises
    ------
    ConfigurationError
        If a setting is unknown or has no usable value, or if nothing says where the state is.
    """
    given = {key: value for key, value in overrides.items() if value is not None}
    if folder is not None:
        given["folder"] = Path(folder)
    path = Path(file) if file is not None else _usual_file(given)
    said = _read(path) if path is not None and (file is not None or path.is_file()) else {}
    values = {**said, **given}
    if values.get("folder") is not None:
        values["folder"] = Path(values["folder"]).expanduser().absolute()
    if values.get("state") is None:
        if values.get("folder") is None:
            raise ConfigurationError(
                "neither a folder to serve nor a folder for the hub's state is given",
                hint="fascicle serve FOLDER, or --state DIR",
            )
        values["state"] = values["folder"] / STATE
    values["state"] = Path(values["state"]).expanduser().absolute()
    values.setdefault("folder", None)
    return _checked(values)


def with_port(config: HubConfig, port: int) -> HubConfig:
    """Return the settings with the port that was really taken."""
    return replace(config, port=port)


def _usual_file(given: dict[str, Any]) -> Path | None:
    if given.get("state"):
        return Path(given["state"]).expanduser() / FILE
    return Path(given["folder"]).expanduser() / STATE / FILE if given.get("folder") else None


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from None
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is no TOML: {error}") from None
    for key in ("folder", "state", "backups"):  # relative to the file, wherever one stands
        if isinstance(found.get(key), str):
            found[key] = path.parent / Path(found[key]).expanduser()
    known = [f.name for f in fields(HubConfig)]
    for key in found:
        if key not in known:
            hint = nearest(key, known) or f"settings are {', '.join(known)}"
            raise ConfigurationError(f"{path}: there is no setting {key!r}", hint=hint)
    return found


_TEXT = ("database", "host", "public_url", "storage")
_COUNTS = {"workers": 1, "threads": 1, "page_size": 1, "page_limit": 1, "port": 0, "proxies": 0}
_NUMBERS = {"watch": 0, "token_days": 0, "upload_mb": 0, "query_seconds": 0}


def _checked(values: dict[str, Any]) -> HubConfig:
    for key in _TEXT:
        if not isinstance(values.get(key, ""), str):
            raise ConfigurationError(f"{key} is not a text: {values[key]!r}")
    for key, least in _COUNTS.items():
        value = values.get(key, least)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ConfigurationError(
                f"{key} is {value!r}", hint=f"{key} is a whole number from {least}"
            )
    for key in _NUMBERS:
        value = values.get(key, 0)
        if not isinstance(value, int | float) or isinstance(value, bool) or not value >= 0:
            raise ConfigurationError(f"{key} is {value!r}", hint=f"{key} is a number from 0")
    if not isinstance(values.get("debug", False), bool):
        raise ConfigurationError(f"debug is {values['debug']!r}", hint="true or false")
    hosts = values.get("allowed_hosts", ())
    if isinstance(hosts, str) or not all(isinstance(host, str) for host in hosts):
        raise ConfigurationError("allowed_hosts is not a list of names")
    values["allowed_hosts"] = tuple(hosts)
    if values.get("port", 0) > 65535:
        raise ConfigurationError(f"port is {values['port']}", hint="a port is at most 65535")
    _check_urls(values)
    if values.get("backups") is not None:
        values["backups"] = Path(values["backups"]).expanduser().absolute()
    return HubConfig(**values)


def _check_urls(values: dict[str, Any]) -> None:
    public = urlsplit(values.get("public_url", ""))
    if values.get("public_url") and (
        public.scheme not in ("http", "https") or not public.hostname or public.query
    ):
        raise ConfigurationError(
            f"public_url is {values['public_url']!r}",
            hint='how users reach the hub, as in public_url = "https://hub.lab.org"',
        )
    if public.path.strip("/"):
        raise ConfigurationError(
            f"public_url has a path: {public.path}",
            hint="clients want the hub at the top of a name: https://hub.lab.org",
        )
    database = values.get("database", "")
    scheme = urlsplit(database).scheme
    if database and scheme not in ("postgresql", "postgres"):
        raise ConfigurationError(
            "the database is given by a URL that is none of PostgreSQL's",
            hint="postgresql://user@host/name, or nothing for a SQLite file",
        )
