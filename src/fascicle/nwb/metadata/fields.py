"""The fields of a metadata document, in the order in which it shows them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from typing import Any
from uuid import UUID

from fascicle.errors import MetadataError, nearest
from fascicle.nwb.writing.entries import Entry, Item

FORMAT = "fascicle-metadata"
VERSION = 1

#: What a section has where nothing is said.
SOURCE: dict[str, Any] = {"archive": None, "session": None, "eid": None}
SESSION: dict[str, Any] = {
    "session_id": None,
    "identifier": None,
    "session_description": None,
    "start_time": None,
    "timezone": None,
    "experimenter": [],
    "experiment_description": None,
    "keywords": [],
    "lab": None,
    "institution": None,
    "protocol": None,
    "notes": None,
    "related_publications": [],
    "number": None,
    "type": None,
    "location": None,
    "end_time": None,
    "projects": [],
    "procedures": [],
    "users": [],
    "qc": None,
    "extended_qc": {},
    "url": None,
    "json": None,
}
SUBJECT: dict[str, Any] = {
    "subject_id": None,
    "uuid": None,
    "description": None,
    "species": None,
    "sex": None,
    "strain": None,
    "genotype": None,
    "date_of_birth": None,
    "age": None,
    "weight": None,
    "more": {},
}
PROBE: dict[str, Any] = {
    "label": None,
    "pid": None,
    "name": None,
    "model": None,
    "manufacturer": None,
    "serial": None,
    "description": None,
    "sorting": None,
    "channels": None,
    "trajectories": [],
}
TRAJECTORY: dict[str, Any] = {
    "provenance": None,
    "x": None,
    "y": None,
    "z": None,
    "depth": None,
    "theta": None,
    "phi": None,
    "roll": None,
}
SECTIONS: dict[str, Mapping[str, Any]] = {
    "source": SOURCE,
    "session": SESSION,
    "subject": SUBJECT,
}
KEYS = ("format", "version", "source", "session", "subject", "probes", "objects")


def plain(value: Any) -> Any:
    """Return a value as JSON has it: ids and times as text, no numbers that are none.

    Raises
    ------
    MetadataError
        If it is of a kind that JSON does not know.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        # Half characters, which no file takes, come from JSON that was cut.
        return value.encode("utf-8", "replace").decode() if not value.isascii() else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(held) for key, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [plain(one) for one in items]
    if isinstance(value, UUID):
        return str(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "item"):  # a numpy scalar
        return plain(value.item())
    raise MetadataError(
        f"{value!r} cannot be in a metadata document",
        hint="text, numbers, true, false, null, lists and mappings can",
    )


def filled(given: Mapping[str, Any], template: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section in the order of its template, with what is not said as it is by default."""
    said = plain(given)
    out = {key: plain(said.get(key, held)) for key, held in template.items()}
    return {**out, **{key: said[key] for key in said if key not in template}}


def filled_probe(given: Any) -> Any:
    """Return a probe with all its fields."""
    if not isinstance(given, Mapping):
        return plain(given)
    out = filled(given, PROBE)
    if isinstance(out["trajectories"], list):
        out["trajectories"] = [
            filled(one, TRAJECTORY) if isinstance(one, Mapping) else one
            for one in out["trajectories"]
        ]
    return out


# -- entries ---------------------------------------------------------------------------------------

_ENTRY = {one.name for one in fields(Entry)}
_ITEM = {one.name for one in fields(Item)}
_TEXTS = {"nwb", "type", "part", "description", "name", "source", "unit", "dtype", "by"}


def entries_of(given: Any) -> list[Entry]:
    """Return the entries that the section ``objects`` of a document describes.

    Raises
    ------
    MetadataError
        If one of them is none; the message names the field.
    """
    if not isinstance(given, list | tuple):
        raise MetadataError(f"objects: {_short(given)} is no list of objects")
    return [
        one if isinstance(one, Entry) else _entry(one, f"objects[{i}]")
        for i, one in enumerate(given)
    ]


def _entry(given: Any, where: str) -> Entry:
    said = _checked(given, where, known=_ENTRY, needed=("nwb", "type", "part"))
    items = said.pop("items", [])
    if not isinstance(items, list):
        raise MetadataError(f"{where}.items: {_short(items)} is no list")
    if not isinstance(said.get("settings", {}), dict):
        raise MetadataError(f"{where}.settings: {_short(said['settings'])} is no mapping")
    folders = said.get("collections", [])
    if not isinstance(folders, list) or not all(isinstance(one, str) for one in folders):
        raise MetadataError(f"{where}.collections: {_short(folders)} is no list of texts")
    made = [_item(one, f"{where}.items[{i}]") for i, one in enumerate(items)]
    return Entry(**said, items=made)


def _item(given: Any, where: str) -> Item:
    if isinstance(given, Item):
        return given
    return Item(**_checked(given, where, known=_ITEM, needed=("name", "source")))


def _checked(given: Any, where: str, *, known: set[str], needed: Iterable[str]) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise MetadataError(f"{where}: {_short(given)} is no mapping")
    # YAML before 1.2 takes the word `on` for true.
    said: dict[str, Any] = plain(
        {"on" if key is True else key: held for key, held in given.items()}
    )
    for key, value in list(said.items()):
        if key not in known:
            raise MetadataError(
                f"{where}.{key}: there is no such field",
                hint=nearest(key, known) or f"it has {', '.join(sorted(known))}",
            )
        if value is None:
            del said[key]  # as if nothing were said
        elif key in _TEXTS and not isinstance(value, str):
            raise MetadataError(f"{where}.{key}: {_short(value)} is no text")
        elif key == "on" and not isinstance(value, bool):
            raise MetadataError(f"{where}.on: {_short(value)} is neither true nor false")
    for key in needed:
        if not said.get(key):
            raise MetadataError(f"{where}.{key}: it is missing")
    return said


def plain_entry(entry: Entry) -> dict[str, Any]:
    """Return an entry as the document has it: what is as by default is left out of its items."""
    out: dict[str, Any] = {
        "nwb": entry.nwb,
        "type": entry.type,
        "part": entry.part,
        "on": entry.on,
        "collections": plain(entry.collections),
        "description": entry.description,
    }
    if entry.settings:
        out["settings"] = plain(entry.settings)
    out["items"] = [_plain_item(one) for one in entry.items]
    return out


def _plain_item(item: Item) -> dict[str, Any]:
    said = asdict(item)
    order = ("name", "source", "by", "unit", "dtype", "on", "description")
    kept = ("name", "source", "on")
    return {key: said[key] for key in order if key in kept or said[key] != ""}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
