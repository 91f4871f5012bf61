"""A project is described by data: its bucket, its tables, and what their columns mean.

A description is a TOML file. ``project``, ``title``, ``bucket``, ``region`` say where it is;
``versions`` which releases this reader knows (from the first to before the second), and ``tool``
the step of the pipeline whose version an error names. ``authors``, ``license``, ``doi``, ``url``
and ``citation`` (a sentence) say how it is cited. ``[tables.NAME]`` describes the table with
that key in the manifests, ``[common]`` what all tables have in common:

``index``
    The column that rows are known by.
``integers``
    Columns of whole numbers, missing ones allowed.
``texts``
    Columns that are words although they look like numbers.
``literals``, ``utc_dates``
    Columns that are lists, and dates in UTC, in the project's own reader too.
``lists``, ``dates``
    Columns that the project's own reader leaves as text; ours makes lists and times of them.
``order``
    Columns that come first, in this order.
``links``
    Columns that are the index of another table.
``prefix``
    What columns are called by when they are joined to another table.
``file_elsewhere``
    The column that leads to the row with the file, where a row has no file of its own.

``[catalogue]`` says how its recordings are found, listed and opened by `fascicle.find` and
`fascicle.open`:

``sessions``
    The tables of sessions. A row that belongs to a row of an earlier one is the same session.
``subject``, ``date``, ``task``
    Their columns: whose session it is, when it began, and what was done.
``insertions``, ``label``
    The table of probes, or of imaging planes, and the column with what they are called.
``channels``, ``region``
    The table of their recording sites, and the column with the acronym of the region that each is
    in. Without a table of sites, ``region`` is a column of the insertions.
``files``
    Further tables whose rows have files that belong to sessions.
``units``, ``unit_columns``
    The table of sorted units, and its columns by the name that they have in `fascicle.units`.
``quality``
    What the column of quality says of a unit that passed.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

from fascicle.errors import ConfigurationError, nearest
from fascicle.formats.paths import path_problem
from fascicle.formats.versions import is_version

_FOLDER = Path(__file__).parent / "projects"


@dataclass(frozen=True, slots=True)
class TableConfig:
    """What is known of a table; see the module for what each attribute means."""

    name: str
    index: str = ""
    prefix: str = ""
    file_elsewhere: str = ""
    integers: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    literals: tuple[str, ...] = ()
    utc_dates: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    dates: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class CatalogueConfig:
    """How sessions are made of a project's tables; see the module for the attributes."""

    sessions: tuple[str, ...] = ()
    subject: str = ""
    date: str = ""
    task: str = ""
    insertions: str = ""
    label: str = ""
    channels: str = ""
    region: str = ""
    files: tuple[str, ...] = ()
    units: str = ""
    unit_columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    quality: str = ""

    def tables(self) -> list[str]:
        """Return the names of the tables that sessions are made of."""
        named = [*self.sessions, self.insertions, self.channels, *self.files]
        return [name for name in dict.fromkeys(named) if name]


@dataclass(frozen=True, slots=True)
class ProjectConfig:
    """A project: where its releases are, and what its tables mean."""

    project: str
    title: str
    bucket: str
    region: str = ""
    tool: str = ""
    versions: tuple[str, ...] = ()
    sessions: str = ""
    tables: Mapping[str, TableConfig] = field(default_factory=dict, hash=False)
    catalogue: CatalogueConfig = field(default_factory=CatalogueConfig)
    authors: tuple[str, ...] = ()
    license: str = ""
    doi: str = ""
    url: str = ""
    citation: str = ""

    def table(self, name: str) -> TableConfig:
        """Return what is known of a table: nothing, if the project does not describe it."""
        return self.tables.get(name) or TableConfig(name)


def known_projects() -> list[str]:
    """Return the names of the projects that are described here.

    Examples
    --------
    >>> known_projects()
    ['visual-behavior-neuropixels', 'visual-behavior-ophys', 'visual-coding-ophys']
    """
    return sorted(file.stem for file in _FOLDER.glob("*.toml"))


def load_config(project: str | Path | ProjectConfig) -> ProjectConfig:
    """Return the description of a project.

    Parameters
    ----------
    project : str, path-like or ProjectConfig
        The name of a project that is described here, or a TOML file that describes another.

    Raises
    ------
    ConfigurationError
        If there is no such project or file, or the description is not as it should be.
    """
    if isinstance(project, ProjectConfig):
        return project
    if isinstance(project, str) and project in known_projects():
        return _shipped(project)
    path = Path(project).expanduser()
    if not path.is_file():
        known = known_projects()
        raise ConfigurationError(
            f"no project is called {str(project)!r}, and there is no such file",
            hint=nearest(str(project), known) or f"known are {', '.join(known)}",
        )
    return parse_config(path.read_text(encoding="utf-8"), where=str(path))


def config_of_bucket(bucket: str) -> ProjectConfig | None:
    """Return the description of the project that is known to be in a bucket, if there is one."""
    return next((c for c in map(_shipped, known_projects()) if c.bucket == bucket), None)


@lru_cache
def _shipped(project: str) -> ProjectConfig:
    file = _FOLDER / f"{project}.toml"
    return parse_config(file.read_text(encoding="utf-8"), where=file.name)


def parse_config(text: str, *, where: str = "the description") -> ProjectConfig:
    """Read the description of a project.

    Raises
    ------
    ConfigurationError
        If it is not as it should be.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{where} is not TOML: {error}") from error
    common = document.pop("common", {})
    tables = document.pop("tables", {})
    if not isinstance(common, dict) or not isinstance(tables, dict):
        raise ConfigurationError(f"{where}: common and tables are sections, as in [tables.units]")
    document["tables"] = {
        name: _build(TableConfig, {**common, **_section(table, where), "name": name}, where)
        for name, table in tables.items()
    }
    document["catalogue"] = _build(
        CatalogueConfig, _section(document.pop("catalogue", {}), where), where
    )
    config: ProjectConfig = _build(ProjectConfig, document, where)
    if path_problem(config.project) or "/" in config.project:
        raise ConfigurationError(f"{where}: {config.project!r} can be no project's name")
    if config.versions and list(map(is_version, config.versions)) != [True, True]:
        raise ConfigurationError(f"{where}: versions are the first known one and the first unknown")
    return config


def _section(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigurationError(
            f"{where}: what is described here is a section, as in [tables.units] or [catalogue]"
        )
    return value


def _build(kind: type[Any], values: Mapping[str, Any], where: str) -> Any:
    known = {f.name: str(f.type) for f in fields(kind)}
    made = {}
    for key, value in values.items():
        if key not in known:
            raise ConfigurationError(f"{where}: {key} means nothing", hint=nearest(key, known))
        if known[key] == "str":
            good = isinstance(value, str)
        elif known[key].startswith("tuple"):
            good = isinstance(value, list) and all(isinstance(v, str) for v in value)
            value = tuple(value) if good else value
        elif known[key] == "CatalogueConfig":
            good = isinstance(value, CatalogueConfig)
        else:
            good = isinstance(value, dict)
        if not good:
            raise ConfigurationError(f"{where}: {key} is {value!r}, but should be {known[key]}")
        made[key] = value
    if missing := [n for n in ("project", "title", "bucket") if n in known and n not in made]:
        raise ConfigurationError(f"{where} lacks {', '.join(missing)}")
    return kind(**made)
