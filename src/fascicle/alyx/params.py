"""Settings of servers and of the folders their files go to, in the files that ONE keeps.

``~/.one/.caches`` says which folder belongs to which server, ``~/.one/.<server>`` holds what is
known of one; on Windows both lie in ``%APPDATA%``. Nothing here asks questions or goes online, and
what is not asked to change stays as it is, whoever wrote it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import unicodedata
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fascicle import settings
from fascicle.alyx.bunch import Bunch
from fascicle.alyx.secret import Secret
from fascicle.errors import ConfigurationError

CACHE_DIR_DEFAULT = str(settings.one_cache_dir())
"""str: where data go unless told otherwise: ``~/Downloads/ONE``, as for ONE."""

_DEFAULT = {
    "ALYX_URL": "https://openalyx.internationalbrainlab.org",
    "ALYX_LOGIN": "",
    "HTTP_DATA_SERVER": "https://ibl.flatironinstitute.org/public",
    "HTTP_DATA_SERVER_LOGIN": None,
    "HTTP_DATA_SERVER_PWD": None,
}
_PUBLIC = "openalyx.internationalbrainlab.org"


#: Settings that do not show.
_SECRETS = ("ALYX_PWD", "HTTP_DATA_SERVER_PWD")


class Params(Bunch):
    """Settings by name; items are attributes too. Passwords and tokens do not show."""

    def set(self, field: str, value: Any) -> Params:
        """Return the settings with one changed."""
        return Params({**self, field: value})

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as a dictionary."""
        return dict(self)


def default() -> Params:
    """Return the settings of the public server of the International Brain Laboratory."""
    return Params(_DEFAULT)


def is_public(url: str) -> bool:
    """Return whether a URL is that of the public server."""
    return url.startswith("https://") and _key_from_url(url) == _PUBLIC


def get_params_dir() -> Path:
    """Return the folder that the settings lie in."""
    if sys.platform in ("win32", "cygwin") and (place := os.environ.get("APPDATA")):
        return Path(place, ".one")
    return Path.home() / ".one"


def _key_from_url(url: str) -> str:
    """Return the name under which a server's settings are kept: its URL as part of a file name."""
    text = re.sub("^https?://", "", unicodedata.normalize("NFKC", url)).strip("/")
    return re.sub(r"[-\s]+", "-", re.sub(r"[^.\w\s-]", "_", text.lower()))


def _read(name: str) -> dict[str, Any]:
    path = get_params_dir() / f".{name}"
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except ValueError as error:
        raise ConfigurationError(
            f"the settings in {path} are no JSON: {error}", hint="correct the file, or remove it"
        ) from error
    return found if isinstance(found, dict) else {}


def _write(name: str, values: dict[str, Any]) -> None:
    """Write settings whole or not at all, for the user's eyes only: they may hold a token."""
    folder = get_params_dir()
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}.{uuid.uuid4().hex}.part"
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(values, file, indent=4, default=str)
        part.replace(folder / f".{name}")
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Keep other processes from changing settings meanwhile."""
    folder = get_params_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"settings cannot be kept in {folder}: {error.strerror}",
            hint="without them, give base_url=, username=, password= and cache_dir= each time",
        ) from error
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(fd, msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _caches() -> dict[str, Any]:
    return {"CLIENT_MAP": {}, **_read("caches")}


def _of(key: str) -> dict[str, Any]:
    """Return all that is recorded of a server, over the defaults; secrets do not show."""
    found = {**_DEFAULT, **_read(key)}
    if key == _PUBLIC and "public" not in str(found["HTTP_DATA_SERVER"]):
        found["HTTP_DATA_SERVER"] = _DEFAULT["HTTP_DATA_SERVER"]  # as old settings had it
    for name in _SECRETS:
        if isinstance(found.get(name), str):
            found[name] = Secret(found[name])
    if isinstance(tokens := found.get("TOKEN"), dict):
        found["TOKEN"] = {user: _hidden(token) for user, token in tokens.items()}
    return found


def _hidden(token: Any) -> Any:
    if isinstance(token, dict):
        return {k: Secret(v) if isinstance(v, str) else v for k, v in token.items()}
    return Secret(token) if isinstance(token, str) else token


def setup(
    client: str | None = None,
    silent: bool = True,
    make_default: bool | None = None,
    username: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Params:
    """Record the settings of a server, without asking and without going online.

    Parameters
    ----------
    client : str, optional
        URL of the server; default: the public one.
    silent : bool
        Taken for the sake of programs that give it: no question is ever asked.
    make_default : bool, optional
        Use this server where none is named; the first one is the default in any case.
    username : str, optional
        Login name.
    cache_dir : path, optional
        Folder for its files; default: the one recorded, or ``~/Downloads/ONE/<server>``.

    Returns
    -------
    Params
        ``CLIENT_MAP`` (folders by server) and ``DEFAULT``.

    Raises
    ------
    ConfigurationError
        ``client`` is no URL.
    """
    url = (client or _DEFAULT["ALYX_URL"] or "").rstrip("/")
    url = url if "://" in url else f"https://{url}"
    key = _key_from_url(url)
    if not key or not url.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"{client!r} is no address of a server", hint='setup("https://alyx.mylab.org")'
        )
    with _alone():
        values = {**_DEFAULT, **_read(key), "ALYX_URL": url}
        if username:
            values["ALYX_LOGIN"] = username
        caches = _caches()
        folder = str(cache_dir or caches["CLIENT_MAP"].get(key) or _folder(key))
        if any(k != key and v == folder for k, v in caches["CLIENT_MAP"].items()):
            warnings.warn(
                f"{folder} is already the folder of another server; their files may mix",
                stacklevel=2,
            )
        caches["CLIENT_MAP"][key] = folder
        if make_default or "DEFAULT" not in caches:
            caches["DEFAULT"] = key
        Path(folder).mkdir(parents=True, exist_ok=True)
        _write(key, values)
        _write("caches", caches)
    return Params(caches)


def _folder(key: str) -> str:
    return str(settings.one_cache_dir() / key)


def get(client: str | None = None, silent: bool = True, username: str | None = None) -> Params:
    """Return the settings of a server, with ``CACHE_DIR``; the defaults where none are recorded.

    Nothing is written: `setup` does that.

    Parameters
    ----------
    client : str, optional
        URL of the server; default: the one that is the default, else the public one.
    silent : bool
        As for `setup`.
    username : str, optional
        Login name to use.

    Returns
    -------
    Params
    """
    caches = _caches()
    key = _key_from_url(client) if client else str(caches.get("DEFAULT") or _PUBLIC)
    values = Params(_of(key), CACHE_DIR=caches["CLIENT_MAP"].get(key) or _folder(key))
    if client and key != _PUBLIC and not _read(key):
        values["ALYX_URL"] = client.rstrip("/")
    return values.set("ALYX_LOGIN", username) if username else values


def save(par: dict[str, Any], client: str) -> None:
    """Record the settings of a server.

    Parameters
    ----------
    par : dict
        Settings; ``CACHE_DIR`` is kept elsewhere.
    client : str
        URL of the server.
    """
    with _alone():
        _write(_key_from_url(client), {k: v for k, v in par.items() if k != "CACHE_DIR"})


def save_token(client: str, username: str, token: str | None) -> None:
    """Record the token of a user, or forget it; all else stays.

    Parameters
    ----------
    client : str
        URL of the server.
    username : str
    token : str or None
        None to forget it.
    """
    key = _key_from_url(client)
    if token is None:
        known = _read(key).get("TOKEN")
        if not (isinstance(known, dict) and username in known):
            return
    elif key not in _caches()["CLIENT_MAP"]:
        setup(client)
    with _alone():
        values = {**_DEFAULT, "ALYX_URL": client, **_read(key)}
        tokens = dict(values.get("TOKEN") or {})
        if token is None:
            tokens.pop(username, None)
        else:
            tokens[username] = {"token": token}
            values["ALYX_LOGIN"] = values["ALYX_LOGIN"] or username
        _write(key, {**values, "TOKEN": tokens})


def get_default_client(include_schema: bool = True) -> str | None:
    """Return the server that is the default, or None.

    Parameters
    ----------
    include_schema : bool
        Return its URL rather than its key.
    """
    key = _caches().get("DEFAULT")
    if not key or not include_schema:
        return key
    return str(_read(key).get("ALYX_URL") or f"https://{key}")


def get_cache_dir(client: str | None = None) -> Path:
    """Return the folder of a server's files: where none is set up, ``~/Downloads/ONE``.

    Parameters
    ----------
    client : str, optional
        URL of the server; default: the one that is the default.

    Raises
    ------
    ConfigurationError
        The server is not set up.
    """
    caches = _caches()
    key = _key_from_url(client) if client else caches.get("DEFAULT")
    if key is None:
        return settings.one_cache_dir()
    if key not in caches["CLIENT_MAP"]:
        raise ConfigurationError(
            f"no folder is known for {client or key}", hint=f"ONE.setup(base_url={client!r})"
        )
    return Path(caches["CLIENT_MAP"][key])


def _client_of(cache_dir: str | os.PathLike[str]) -> str | None:
    """Return the key of the server that a folder belongs to, or None."""
    wanted = os.path.normpath(os.fspath(cache_dir))
    for key, folder in _caches()["CLIENT_MAP"].items():
        if os.path.normpath(folder) == wanted:
            return str(key)
    return None


def data_server_of(cache_dir: str | os.PathLike[str]) -> str | None:
    """Return the address of the files of the server that a folder belongs to, or None."""
    key = _client_of(cache_dir)
    if key is None:
        return None
    found = _of(key).get("HTTP_DATA_SERVER")
    return str(found).rstrip("/") if found else None


def check_cache_conflict(cache_dir: str | os.PathLike[str]) -> None:
    """Raise an AssertionError if a folder belongs to a server that is set up."""
    key = _client_of(cache_dir)
    if key is not None:
        raise AssertionError(f"{cache_dir} is the folder of {key}")


def delete_params(base_url: str | None = None) -> None:
    """Forget the settings of a server, or of all.

    Parameters
    ----------
    base_url : str, optional
        URL of the server; all settings are removed where not given.
    """
    folder = get_params_dir()
    if base_url is None:
        import shutil

        shutil.rmtree(folder, ignore_errors=True)
        return
    path = folder / f".{_key_from_url(base_url)}"
    if not path.exists():
        warnings.warn(f"{base_url}: params file not found", stacklevel=2)
    path.unlink(missing_ok=True)
