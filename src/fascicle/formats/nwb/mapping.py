"""The mapping between ALF and NWB as data: `alf.toml`, checked, and readable in both directions."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

from fascicle.errors import ConfigurationError

#: The layout that a conversion from ALF writes.
OURS = "ibl"
#: A layout's name where the writer of a file is none that is known.
GENERIC = "generic"

Word: TypeAlias = "int | float"


@dataclass(frozen=True, slots=True)
class Place:
    """What holds a dataset's values in an NWB file: a column, or several.

    Attributes
    ----------
    names : tuple of str
        Columns of a table, or ``data`` and ``timestamps`` of a series.
    factor, offset : float
        ALF value = ``factor`` times NWB value + ``offset``.
    unit : str
        Unit of the NWB values, empty where it is that of ALF.
    layout : str
        The layout that alone means it so; empty for any.
    meaning : str
        What the numbers refer to, for rules.
    """

    names: tuple[str, ...]
    factor: float = 1.0
    offset: float = 0.0
    unit: str = ""
    layout: str = ""
    meaning: str = ""

    def to_alf(self, values: Any) -> Any:
        """Return NWB values in ALF's unit; values that are alike in both stay as they are."""
        if self.factor == 1.0 and self.offset == 0.0:
            return values
        return values * self.factor + self.offset

    def to_nwb(self, values: Any) -> Any:
        """Return ALF values in the unit that the NWB file has: the inverse of `to_alf`."""
        if self.factor == 1.0 and self.offset == 0.0:
            return values
        return (values - self.offset) / self.factor


@dataclass(frozen=True, slots=True)
class Dataset:
    """One ALF dataset, and how an NWB file has it.

    Attributes
    ----------
    object, attribute : str
    places : tuple of Place
        Where a file may have it, what a conversion writes first.
    unit, about : str
        Unit of the ALF values, and what they are.
    extension : str
        Of the ALF file.
    words : dict
        NWB text to ALF value.
    rule : str
        The function that computes it, empty where values are taken as they are.
    namespace : str or None
        Of the files that IBL gives it, if not that of its object.
    """

    object: str
    attribute: str
    places: tuple[Place, ...]
    unit: str = ""
    about: str = ""
    extension: str = "npy"
    words: Mapping[str, Word] | None = None
    rule: str = ""
    namespace: str | None = None

    @property
    def written(self) -> Place | None:
        """The place that a conversion writes: the first that is no other writer's.

        None for what is only read.
        """
        return next((p for p in self.places if p.layout in ("", OURS)), None)

    def spelled(self) -> dict[Word, str]:
        """Return the NWB word of each ALF value, for a conversion from ALF to NWB."""
        out: dict[Word, str] = {}
        for word, value in (self.words or {}).items():
            out.setdefault(value, word)
        return out


@dataclass(frozen=True, slots=True)
class Object:
    """One ALF object.

    Attributes
    ----------
    name : str
    of : str
        What one row of its arrays is: spike, unit, channel, row, sample or event; ``path`` where
        each of its datasets has places of its own.
    collection : str
        With ``{probe}`` where each probe has one.
    namespace : str
        Of IBL's files.
    at : tuple of str
        Places in the file, the one that a conversion writes first.
    others : bool
        Whether columns that no dataset names are attributes too.
    datasets : tuple of Dataset
    """

    name: str
    of: str
    collection: str
    at: tuple[str, ...]
    namespace: str = ""
    others: bool = False
    datasets: tuple[Dataset, ...] = ()


@dataclass(frozen=True, slots=True)
class Layout:
    """How one writer lays its files out.

    Attributes
    ----------
    name, about : str
    any : tuple of str
        What a file of it has at least one of: places, and ``TABLE:COLUMN``.
    project : str
        The project that gives its sessions ids of its own, empty where none does.
    """

    name: str
    about: str
    any: tuple[str, ...]
    project: str = ""


@dataclass(frozen=True, slots=True)
class AlfMapping:
    """The whole mapping; see the comments of ``alf.toml``.

    Attributes
    ----------
    layouts : tuple of Layout
        In the order in which a file is compared with them.
    session : dict
        Field of a session to the places that may have it.
    objects : dict of Object
    metrics : dict
        Column of ``clusters.metrics`` to the columns of the units that may have it.
    parts : dict
        Name of a part of the body in NWB files of others to that in ALF.
    """

    layouts: tuple[Layout, ...]
    session: Mapping[str, tuple[str, ...]]
    objects: Mapping[str, Object]
    metrics: Mapping[str, tuple[Place, ...]]
    parts: Mapping[str, str]

    def dataset(self, name: str) -> Dataset:
        """Return a dataset by its ``object.attribute``.

        Raises
        ------
        KeyError
            If the mapping has none of that name.
        """
        holder, _, attribute = name.partition(".")
        for one in self.objects[holder].datasets:
            if one.attribute == attribute:
                return one
        raise KeyError(name)

    def __iter__(self) -> Iterator[Dataset]:
        for holder in self.objects.values():
            yield from holder.datasets


@lru_cache(maxsize=1)
def mapping() -> AlfMapping:
    """Return the mapping that is shipped, read once per process."""
    return read(Path(__file__).with_name("alf.toml"))


def read(path: Path) -> AlfMapping:
    """Read a mapping.

    Raises
    ------
    ConfigurationError
        If it is none; the message names the entry.
    """
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    datasets: dict[str, list[Dataset]] = {}
    given = _for_each(given)
    for entry in given.get("datasets", []):
        one = _dataset(path, entry)
        datasets.setdefault(one.object, []).append(one)
    try:
        objects = {
            name: Object(
                name,
                said["of"],
                said["collection"],
                tuple(said["at"]),
                said.get("namespace", ""),
                said.get("others", False),
                tuple(datasets.pop(name, ())),
            )
            for name, said in given["objects"].items()
        }
        layouts = tuple(
            Layout(name, said["about"], tuple(said["any"]), said.get("project", ""))
            for name, said in given["layouts"].items()
        )
        session = {field: tuple(places) for field, places in given["session"].items()}
        metrics = {c: tuple(map(_place, places)) for c, places in given["metrics"].items()}
    except (KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} lacks {error}") from error
    if datasets:
        raise ConfigurationError(f"{path} describes no object {', '.join(datasets)}")
    return AlfMapping(layouts, session, objects, metrics, given.get("parts", {}))


def _for_each(given: dict[str, Any]) -> dict[str, Any]:
    """Return the entries with those for each of several things written out."""
    out: dict[str, Any] = {**given, "datasets": []}
    kinds = given.get("each", {})
    if "objects" in given:
        out["objects"] = {
            _filled(name, values): _filled(said, values)
            for name, said in given["objects"].items()
            for values in _values_of(kinds, name)
        }
    for entry in given.get("datasets", []):
        out["datasets"] += [_filled(entry, v) for v in _values_of(kinds, str(entry.get("alf")))]
    return out


def _values_of(kinds: dict[str, Any], name: str) -> list[dict[str, str]]:
    """Return what the braces in a name stand for, one after the other."""
    for kind, several in kinds.items():
        if f"{{{kind}}}" in name:
            return list(several)
    return [{}]


def _filled(said: Any, values: dict[str, str]) -> Any:
    """Return an entry with the values in place of the words in braces."""
    if isinstance(said, str):
        for word, value in values.items():
            said = said.replace(f"{{{word}}}", value)
        return said
    if isinstance(said, list):
        return [_filled(one, values) for one in said]
    if isinstance(said, dict):
        return {key: _filled(one, values) for key, one in said.items()}
    return said


def _dataset(path: Path, entry: dict[str, Any]) -> Dataset:
    try:
        holder, _, attribute = entry["alf"].partition(".")
        return Dataset(
            holder,
            attribute,
            tuple(map(_place, entry["nwb"])),
            entry.get("unit", ""),
            entry.get("about", ""),
            entry.get("file", "npy"),
            entry.get("words"),
            entry.get("rule", ""),
            entry.get("namespace"),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path}: {entry} is no dataset: {error}") from error


def _place(given: Any) -> Place:
    if isinstance(given, str):
        return Place((given,))
    names = given["name"]
    return Place(
        (names,) if isinstance(names, str) else tuple(names),
        given.get("factor", 1.0),
        given.get("offset", 0.0),
        given.get("unit", ""),
        given.get("layout", ""),
        given.get("as", ""),
    )


# -- names of columns that the mapping does not name ----------------------------------------------


def attribute_of(column: str) -> str:
    """Return the ALF attribute that a column becomes.

    Examples
    --------
    >>> attribute_of("initial_image_name"), attribute_of("cue_start_time")
    ('initialImageName', 'cueStart_times')
    """
    stem, suffix = column, ""
    if found := re.fullmatch(r"(.+)_times?", column):
        stem, suffix = found[1], "_times"
    words = [w for w in re.split(r"[^A-Za-z0-9]+", stem) if w]
    if not words:
        return ""
    return (
        words[0][0].lower()
        + words[0][1:]
        + "".join(w[0].upper() + w[1:] for w in words[1:])
        + suffix
    )


def column_of(attribute: str) -> str:
    """Return the column that an ALF attribute becomes: what `attribute_of` makes it again.

    Examples
    --------
    >>> column_of("initialImageName"), column_of("cueStart_times")
    ('initial_image_name', 'cue_start_time')
    """
    stem, suffix = attribute, ""
    if attribute.endswith("_times"):
        stem, suffix = attribute.removesuffix("_times"), "_time"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", stem).lower() + suffix
