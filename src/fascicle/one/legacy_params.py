"""Which database the first interface connects to, also from the file that it kept settings in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fascicle.alyx import params
from fascicle.errors import ConfigurationError

#: What of the old settings is a login, by the names that ONE() has today.
_LOGIN = {"base_url": "ALYX_URL", "username": "ALYX_LOGIN", "password": "ALYX_PWD"}
_USUAL_DATA, _USUAL_DATABASE = "flatironinstitute.org", "internationalbrainlab.org"
_DATA = ("HTTP_DATA_SERVER", "HTTP_DATA_SERVER_LOGIN", "HTTP_DATA_SERVER_PWD")


def connect(given: dict[str, Any], *, silent: bool = False) -> Any:
    """Return a ONE object.

    Parameters
    ----------
    given : dict
        Arguments of `fascicle.one.ONE`. Without any that names a place, what was set up is taken,
        and if nothing was, the settings of an old ``~/.one_params``.
    silent : bool
        Say nothing.
    """
    from fascicle.one import ONE

    silence: dict[str, Any] = {"silent": True} if silent else {}
    places = ("base_url", "cache_dir", "token")
    if any(name in given for name in places) or given.get("mode") == "local":
        return ONE(**given, **silence)
    old = {} if params.get_default_client(include_schema=False) else read_old()
    if not old:
        return ONE(**given, **silence)
    login = {name: old[key] for name, key in _LOGIN.items() if old.get(key)}
    if folder := old.get("CACHE_DIR"):
        login["cache_dir"] = str(Path(folder).expanduser())
    one = ONE(**{**login, **given}, **silence)
    one.alyx._par = params.Params({**one.alyx._par, **_files_of(old)})
    return one


def _files_of(old: dict[str, Any]) -> dict[str, Any]:
    """Return where the old settings say that files are; nothing where they never said so."""
    server, database = str(old.get("HTTP_DATA_SERVER") or ""), str(old.get("ALYX_URL") or "")
    if _USUAL_DATA in server and _USUAL_DATABASE not in database:
        return {}  # what stood in every such file, also in those of other labs
    return {name: old[name] for name in _DATA if server and old.get(name)}


def old_file() -> Path:
    """Return where the first interface kept its settings."""
    return params.get_params_dir().parent / ".one_params"


def read_old() -> dict[str, Any]:
    """Return the settings of the first interface; empty where there are none.

    Raises
    ------
    ConfigurationError
        The file is no JSON.
    """
    path = old_file()
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise ConfigurationError(
            f"the settings in {path} are no JSON: {error}", hint="correct the file, or remove it"
        ) from error
    return found if isinstance(found, dict) else {}
