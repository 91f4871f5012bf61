"""Archives that everybody may read, described by data: tables and files on an anonymous bucket.

A description is a TOML file: ``name``, ``bucket``, ``region``; ``tables`` and ``tagged``, the keys
of the ZIP files with ONE's tables, of all and of a tag's datasets (``{tag}``); ``files``, the keys
of the files (``{place}``: the path with the lab's folder and the dataset's id); ``server``, whose
folder on this machine the files share; and ``title``, ``license``, ``url``.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

from fascicle.errors import ConfigurationError, nearest

_DESCRIPTIONS = Path(__file__).parent / "archives"


@dataclass(frozen=True, slots=True)
class Description:
    """Where an archive's tables and files are.

    Attributes
    ----------
    name : str
    bucket : str
    tables : str
        Key of the ZIP file with the tables.
    files : str
        Keys of the files, with ``{place}``.
    region : str
    tagged : str
        Key of the ZIP file with the tables of a tag, with ``{tag}``; empty where there is none.
    server : str
        Whose folder of files is used; empty for one of its own.
    title, license, url : str
    """

    name: str
    bucket: str
    tables: str
    files: str
    region: str = ""
    tagged: str = ""
    server: str = ""
    title: str = ""
    license: str = ""
    url: str = ""

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Description:
        """Read a description.

        Raises
        ------
        ConfigurationError
            It is none.
        """
        try:
            given = tomllib.loads(Path(path).expanduser().read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{path} cannot be read: {error}") from error
        known = [f.name for f in fields(cls)]
        for key, value in given.items():
            if key not in known or not isinstance(value, str):
                raise ConfigurationError(
                    f"{path}: {key} = {value!r} describes no archive",
                    hint=nearest(key, known) or f"the keys are {', '.join(known)}, all text",
                )
        if missing := [k for k in ("name", "bucket", "tables", "files") if not given.get(k)]:
            raise ConfigurationError(f"{path} lacks {', '.join(missing)}")
        if "{place}" not in given["files"]:
            raise ConfigurationError(f'{path}: files has no {{place}}: files = "data/{{place}}"')
        return cls(**given)


@lru_cache(maxsize=1)
def known() -> dict[str, Description]:
    """Return the archives that fascicle knows by name."""
    found = [Description.read(path) for path in sorted(_DESCRIPTIONS.glob("*.toml"))]
    return {description.name: description for description in found}


def described(place: str) -> tuple[Description, str, str] | None:
    """Return description, name and tag for the name, bucket or description of a public archive.

    None where the place is none of these.
    """
    text, at, tag = place.rpartition("@")
    if not at or "/" in tag:
        text, tag = place, ""
    for description in known().values():
        if text in (description.name, f"s3://{description.bucket}"):
            if "://" not in text and os.path.exists(text):
                return None  # a folder of that name
            return description, description.name, tag
    if text.endswith(".toml") and "://" not in text and os.path.isfile(os.path.expanduser(text)):
        path = os.path.abspath(os.path.expanduser(text))
        return Description.read(path), path, tag
    return None
