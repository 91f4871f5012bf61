"""ALF objects of one row per trial, movement and the like: each becomes a table of an NWB file.

An attribute becomes a column as it is, or, where NWB has a better way to say it, a `Standard`
column. What standard columns cannot give back exactly is carried beside as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fascicle.errors import FascicleError
from fascicle.formats.nwb.mapping import column_of
from fascicle.formats.nwb.records import Value
from fascicle.nwb.parts.carrying import firsts
from fascicle.nwb.writing.entries import Entry, Item

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fascicle.nwb.writing.source import Source, SourceFile

    Array = NDArray[Any]

#: Columns of a table of intervals that NWB asks for.
SPAN = ("start_time", "stop_time")


@dataclass(frozen=True, slots=True)
class Standard:
    """A column that says in NWB's way what attributes of an ALF object hold.

    Attributes
    ----------
    name : str
        Of the column, unless the metadata document says another.
    attributes : tuple of str
        What it is made of.
    make : callable
        Returns the column for the arrays of the attributes.
    unit, description : str
    back : dict
        Attribute to a function that returns how it is made of the standard columns whose names
        are given, in the order of ``needs``; empty for what is derived and gives nothing back.
    undo : callable
        Returns the values of an attribute for the columns of ``needs``: what ``back`` describes,
        so that a conversion can see whether they come back exactly.
    needs : tuple of str
        Default names of the standard columns that give the attributes back.
    """

    name: str
    attributes: tuple[str, ...]
    make: Callable[..., Any]
    description: str
    unit: str = ""
    back: Mapping[str, Callable[..., Value]] = field(default_factory=dict)
    undo: Callable[..., Any] | None = None
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rows:
    """What is known of an ALF object that becomes a table.

    Attributes
    ----------
    object : str
    names : dict
        Attribute to the name of its column, where that is not `column_of`.
    standards : tuple of Standard
    about : dict
        Attribute to unit and description.
    one : str
        What a row is, for messages: ``trial``.
    """

    object: str
    one: str
    names: Mapping[str, str]
    about: Mapping[str, tuple[str, str]]
    standards: tuple[Standard, ...] = ()

    def column(self, attribute: str) -> str:
        """Return the name of the column that an attribute becomes as it is."""
        return self.names.get(attribute) or column_of(attribute)

    def describe(self, attribute: str) -> tuple[str, str]:
        """Return unit and description of an attribute."""
        found = self.about.get(attribute)
        if found is None and attribute.endswith("_times"):
            return "s", f"{self.object}.{attribute} of the ALF session, in seconds"
        return found or ("", f"{self.object}.{attribute} of the ALF session")


@dataclass(frozen=True, slots=True)
class Cells:
    """One attribute of an object, as it was loaded.

    Attributes
    ----------
    source : str
        ``trials.choice``, or ``trials.table:choice`` for a column of a table.
    attribute : str
    file : SourceFile
    values : numpy.ndarray or pandas.Series
    """

    source: str
    attribute: str
    file: SourceFile
    values: Any

    @property
    def array(self) -> Array:
        """Its values as numpy has them."""
        import numpy as np

        values = self.values
        return values if isinstance(values, np.ndarray) else np.asarray(values.to_numpy())

    def __len__(self) -> int:
        shape = getattr(self.values, "shape", ())
        return int(shape[0]) if shape else 0


def cells_of(file: SourceFile, values: Any) -> list[Cells]:
    """Return the attributes that a dataset holds: itself, or each column of a table."""
    import numpy as np

    key = file.key
    attribute = key.removeprefix(f"{file.object}.")
    if isinstance(values, np.ndarray):
        return [Cells(key, attribute, file, values)]
    if not hasattr(values, "to_numpy"):
        return []  # one value, or what is no table
    if not hasattr(values, "columns"):
        return [Cells(key, attribute, file, values)]
    head = "" if attribute == "table" else f"{attribute}_"
    return [Cells(f"{key}:{c}", f"{head}{c}", file, values[c]) for c in values.columns]


# -- what there is ---------------------------------------------------------------------------------


def offer_rows(source: Source, known: Rows, collection: str, path: str, description: str) -> Entry:
    """Return the entry for an object in one collection; the part's name is for the caller to say.

    Tables are read for the names of their columns. Of one that cannot be read now, the item is the
    table as a whole: its columns become known when it is converted.
    """
    found: dict[str, list[str]] = {}
    for file in firsts(source, known.object, collection):
        attribute = file.key.removeprefix(f"{known.object}.")
        if file.extension == "npy":  # what it holds is known by its name
            found.setdefault(attribute, []).append(file.key)
            continue
        try:
            cells = cells_of(file, source.load(file))
        except (FascicleError, OSError):
            cells = []
        for cell in cells:
            found.setdefault(cell.attribute, []).insert(0, cell.source)
        if not cells:
            found.setdefault(attribute, []).append(file.key)
    items = items_for(found, known)
    whole = any(item.name == "table" for item in items)
    timed = whole or (bool(items) and items[0].name == SPAN[0])
    kind = "TimeIntervals" if timed else "DynamicTable"
    at = path if timed else f"processing/misc/{path.rpartition('/')[2]}"
    return Entry(at, kind, "", [collection], description, items=items)


def items_for(found: Mapping[str, Sequence[str]], known: Rows) -> list[Item]:
    """Return the columns for attributes.

    Parameters
    ----------
    found : dict
        Attribute to the sources that have it: a table, a file of its own, or both; what counts is
        the first.
    known : Rows
    """
    spans, standards = _span_items(found, known), _standard_items(found, known)
    told = {a for standard in known.standards for a in standard.back}
    used = {word for item in spans for word in item.source.split(",") if "intervals" in word}
    used |= {found[a][0] for a in told & set(found) if any(_tells(i, found[a]) for i in standards)}
    items = [*spans, *standards]
    for attribute, sources in sorted(found.items()):
        column = known.column(attribute)
        unit, about = known.describe(attribute)
        for word in sources:
            if word not in used and "," not in word:
                items.append(Item(column, word, unit, about))
            column = f"{known.column(attribute)}_of_{'table' if ':' in word else 'file'}"
    return items


def _tells(item: Item, sources: Sequence[str]) -> bool:
    return sources[0] in item.source.split(",")


def _span_items(found: Mapping[str, Sequence[str]], known: Rows) -> list[Item]:
    """Return the items for start and stop: of the intervals, else of all that has a time."""
    about = known.about.get("start_time", ("", ""))[1], known.about.get("stop_time", ("", ""))[1]
    starts, stops = found.get("intervals_0"), found.get("intervals_1")
    if starts and stops:
        pair = starts[0], stops[0]
    elif whole := found.get("intervals"):
        pair = whole[0], whole[0]
    else:
        events = [s[0] for a, s in sorted(found.items()) if a.endswith("_times")]
        if not events:
            return []
        pair = ",".join(events), ",".join(events)
        why = f"known event of the {known.one}: there are no {known.object}.intervals"
        about = f"First {why}", f"Last {why}"
    return [
        Item(n, s, "s", a or f"{n.partition('_')[0].capitalize()} of the {known.one}")
        for n, s, a in zip(SPAN, pair, about, strict=True)
    ]


def _standard_items(found: Mapping[str, Sequence[str]], known: Rows) -> list[Item]:
    items = []
    for standard in known.standards:
        if all(a in found for a in standard.attributes):
            sources = ",".join(found[a][0] for a in standard.attributes)
            items.append(Item(standard.name, sources, standard.unit, standard.description))
    return items
