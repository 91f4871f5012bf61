"""What a hub was last started with, so that its other commands find it without being told again."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from fascicle.errors import ConfigurationError
from fascicle.hub.config import STATE, HubConfig, load_config

FILE = "last.json"
KEYS = ("folder", "database", "host", "port", "public_url")
VARIABLE = "FASCICLE_HUB"


def write_private(path: Path, content: bytes) -> None:
    """Replace a file as a whole with one that its owner alone may read."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as part:
        try:
            part.write(content)
            part.flush()
            os.fsync(part.fileno())
            os.replace(part.name, path)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise


def remember(config: HubConfig) -> None:
    """Note what a hub is started with; the file is private, as a database's URL may be."""
    said: dict[str, Any] = {key: getattr(config, key) for key in KEYS}
    said["folder"] = None if config.folder is None else str(config.folder)
    write_private(config.state / FILE, json.dumps(said).encode())


def find_hub(place: Path | None = None, *, file: Path | None = None, **overrides: Any) -> HubConfig:
    """Return the settings of a hub that was started before.

    Parameters
    ----------
    place : pathlib.Path, optional
        The folder that it serves, or its state folder; by default what ``FASCICLE_HUB`` says, else
        the working folder.
    file : pathlib.Path, optional
        Its TOML file, if that is not in the state folder.
    **overrides : object
        Settings that count more than all of these.

    Raises
    ------
    ConfigurationError
        If there is no hub.
    """
    if place is None and file is not None:
        return _with_last(load_config(file=file, **overrides), file, overrides)
    given = place or Path(os.environ.get(VARIABLE) or ".")
    given = given.expanduser().absolute()
    for state in (given / STATE, given):
        if (state / FILE).is_file() or (state / "secret").is_file():
            overrides = {**overrides, "state": state}
            folder = given if state != given else None
            return _with_last(load_config(folder, file=file, **overrides), file, overrides)
    raise ConfigurationError(
        f"{given} has no hub: neither {STATE} nor a hub's own files",
        hint=f"--hub FOLDER says which one, or {VARIABLE}; fascicle serve FOLDER makes one",
    )


def _with_last(config: HubConfig, file: Path | None, overrides: dict[str, Any]) -> HubConfig:
    """Fill in what neither the file nor the caller says."""
    try:
        said = json.loads((config.state / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return config
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{config.state / FILE} cannot be read: {error}", hint="remove it, and serve again"
        ) from None
    blank = HubConfig(None, config.state)
    missing = {
        key: said[key]
        for key in KEYS
        if key in said and said[key] is not None and getattr(config, key) == getattr(blank, key)
    }
    folder = missing.pop("folder", None) or config.folder
    overrides = {**missing, **overrides, "state": config.state}
    return load_config(folder, file=file, **overrides)
