"""Where objects go in an NWB file, and what they may be called."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import TYPE_CHECKING, Any

from fascicle.errors import ConversionError

if TYPE_CHECKING:
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import Source, SourceFile

_ODD = re.compile(r"[/\\:\x00-\x1f\x7f]+")
_TAKEN = """add_column add_interval add_meanings_table add_row all_children all_objects children
colnames columns container_source copy create_region css_style data_type description fields
from_dataframe generate_html_repr generate_new_id get get_ancestor get_ancestors get_duration
get_fields_conf get_foreign_columns get_linked_tables get_meanings_for_column get_meanings_table
get_read_io get_starting_time has_foreign_columns id js_script meanings_tables modified name
namespace neurodata_type object_id parent read_io reset_parent set_data_io set_modified
to_dataframe type_hierarchy"""
#: What tables of hdmf call things of their own: no column is to be called so.
RESERVED = frozenset(_TAKEN.split())
_PLACES = "processing/MODULE/NAME, acquisition/NAME, intervals/NAME, events/NAME or scratch/NAME"


def safe_name(name: str) -> str:
    """Return a name as objects of an NWB file may have it: without slashes and colons.

    Examples
    --------
    >>> safe_name("2018-10-02T12:35:49"), safe_name("")
    ('2018-10-02T12_35_49', 'unnamed')
    """
    found = _ODD.sub("_", name).strip()
    return found if found.strip(".") else "unnamed"


def column_name(label: str) -> str:
    """Return a label as columns of an NWB table may be called.

    Examples
    --------
    >>> column_name("name"), column_name("wavelength")
    ('name_', 'wavelength')
    """
    name = safe_name(label)
    return f"{name}_" if name in RESERVED or name.startswith("_") else name


def fresh_name(name: str, taken: Container[str]) -> str:
    """Return the name, with a number behind it if it is taken.

    Examples
    --------
    >>> fresh_name("a", {"a", "a_2"})
    'a_3'
    """
    out, number = name, 1
    while out in taken:
        number += 1
        out = f"{name}_{number}"
    return out


def titled(name: str) -> str:
    """Return an ALF object's name as NWB objects are called: ``leftCamera`` as ``LeftCamera``."""
    return name[:1].upper() + name[1:]


def names_at(draft: Draft, where: str) -> Container[str]:
    """Return the names that are taken in the place that a path leads to."""
    nwb, steps = draft.nwb, where.split("/")
    held: dict[str, Any] = {
        "acquisition": nwb.acquisition,
        "intervals": nwb.intervals,
        "events": nwb.events,
        "scratch": nwb.scratch,
    }
    if steps[0] == "processing" and len(steps) > 1:
        return set(draft.module(steps[1]).data_interfaces)
    return set(held.get(steps[0]) or ())


def put(draft: Draft, at: str, made: Any) -> None:
    """Add an object to the file.

    Parameters
    ----------
    draft : Draft
    at : str
        Its path in the file; the last step is its name.
    made : pynwb object

    Raises
    ------
    ConversionError
        If objects cannot be there, or another of that name is.
    """
    steps = at.split("/")
    if made.name in names_at(draft, at):
        raise ConversionError(
            f"two objects are called {at}: NWB has one of each name",
            hint="rename one of them in the section `objects` of the metadata",
        )
    if steps[0] == "processing" and len(steps) == 3:
        draft.module(steps[1]).add(made)
    elif steps[0] == "scratch" and len(steps) == 2:
        draft.nwb.add_scratch(made)
    elif steps[0] == "events" and len(steps) == 2:
        draft.nwb.add_events_table(made)
    elif steps[0] == "acquisition" and len(steps) == 2:
        draft.nwb.add_acquisition(made)
    elif steps[0] == "intervals" and len(steps) == 2:
        draft.nwb.add_time_intervals(made)
    else:
        raise ConversionError(
            f"objects of the type {type(made).__name__} cannot be at {at!r}",
            hint=f"give `nwb` of that object in the metadata as {_PLACES}",
        )


# -- the datasets that items name ------------------------------------------------------------------


def labels(file: SourceFile) -> tuple[str, str, str]:
    """Return what an item may call a dataset, from short to long.

    ``object.attribute``; with the extra part of its name; with the extension too.
    """
    longer = f"{file.key}.{file.extra}" if file.extra else file.key
    return file.key, longer, f"{longer}.{file.extension}"


def free_name(file: SourceFile, taken: Container[str]) -> str:
    """Return a name for a dataset that stands by itself: its own, with its probe's, and free."""
    probe = f"{file.probe}." if file.probe else ""
    names = [safe_name(f"{probe}{label}") for label in labels(file)[1:]]
    return next((one for one in names if one not in taken), fresh_name(names[0], taken))


def files_of(source: Source, item: str, collections: list[str]) -> list[SourceFile]:
    """Return the datasets that an item's source names, in the collections of its entry.

    Parameters
    ----------
    source : Source
    item : str
        ``object.attribute``, perhaps with ``:column``; several separated by a comma.
    collections : list of str
        Where to look; everywhere if empty.
    """
    wanted = {part.partition(":")[0].strip() for part in item.split(",")}
    return [
        file
        for file in source.files
        if (not collections or file.collection in collections)
        and not wanted.isdisjoint(labels(file))
    ]


def is_here(source: Source, file: SourceFile) -> bool:
    """Return whether a dataset is on this machine."""
    from fascicle.archives.base import DatasetRef

    session = source.session
    return session.archive.targets([DatasetRef(session.eid, file.path)])[0].is_file()
