"""Settings of servers and of the folders their files go to, in the files that ONE keeps.

``~/.one/.caches`` says which folder belongs to which server, ``~/.one/.<server>`` holds what is
known of one; on Windows both lie in ``%APPDATA%``. Nothing here asks questions or goes online.
"""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
import uuid
import warnings
from pathlib import Path
from typing import Any

from fascicle import settings
from fascicle.errors import ConfigurationError
from fascicle.one.bunch import Bunch

CACHE_DIR_DEFAULT = str(settings.one_cache_dir())
"""str: where data go unless told otherwise: ``~/Downloads/ONE``, as for ONE."""

_DEFAULT = {
    "ALYX_URL": "https://openalyx.internationalbrainlab.org",
    "ALYX_LOGIN": "",
    "HTTP_DATA_SERVER": "https://ibl.flatironinstitute.org/public",
    "HTTP_DATA_SERVER_LOGIN": None,
    "HTTP_DATA_SERVER_PWD": None,
}


class Params(Bunch):
    """Settings by name; items are attributes too."""

    def set(self, field: str, value: Any) -> Params:
        """Return the settings with one changed."""
        return Params({**self, field: value})

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as a dictionary."""
        return dict(self)


def default() -> Params:
    """Return the settings of the public server of the International Brain Laboratory."""
    return Params(_DEFAULT)


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
    except FileNotFoundError:
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


def _caches() -> dict[str, Any]:
    return {"CLIENT_MAP": {}, **_read("caches")}


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
    is_public = key == _key_from_url(str(_DEFAULT["ALYX_URL"]))
    known = {} if is_public else _read(key)
    values = {k: known.get(k, v) for k, v in _DEFAULT.items()} | {"ALYX_URL": url}
    if username:
        values["ALYX_LOGIN"] = username
    caches = _caches()
    folder = str(cache_dir or caches["CLIENT_MAP"].get(key) or Path(CACHE_DIR_DEFAULT, key))
    if any(k != key and v == folder for k, v in caches["CLIENT_MAP"].items()):
        warnings.warn(
            f"{folder} is already the folder of another server; their files may mix", stacklevel=2
        )
    caches["CLIENT_MAP"][key] = folder
    if make_default or "DEFAULT" not in caches:
        caches["DEFAULT"] = key
    Path(folder).mkdir(parents=True, exist_ok=True)
    _write(key, values)
    _write("caches", caches)
    return Params(caches)


def get(client: str | None = None, silent: bool = True, username: str | None = None) -> Params:
    """Return the settings of a server, with ``CACHE_DIR``; record the defaults if there are none.

    Parameters
    ----------
    client : str, optional
        URL of the server; default: the one that is the default.
    silent : bool
        As for `setup`.
    username : str, optional
        Login name to use.

    Returns
    -------
    Params
    """
    caches = _caches()
    key = _key_from_url(client) if client else caches.get("DEFAULT")
    if key not in caches["CLIENT_MAP"]:
        caches = dict(setup(client, silent, username=username))
        key = key or caches["DEFAULT"]
    values = Params({**_DEFAULT, **_read(str(key))}, CACHE_DIR=caches["CLIENT_MAP"][key])
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
    _write(_key_from_url(client), {k: v for k, v in par.items() if k != "CACHE_DIR"})


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
    found = {**_DEFAULT, **_read(key)}.get("HTTP_DATA_SERVER")
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
