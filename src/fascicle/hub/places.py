"""What tells the datasets of a session apart: collection, name and revision."""

from __future__ import annotations

from typing import NamedTuple

from fascicle.alf.names import parse_folder
from fascicle.alf.parts import remove_uuid_string

#: The key, in a file record's JSON, of where a copy lies in the hub's folder if that is not where
#: the convention puts it.
ODD_PATH = "path"


class Place(NamedTuple):
    """What tells the datasets of a session apart."""

    collection: str
    name: str
    revision: str


def place_of(rel_path: str) -> Place:
    """Return collection, name without a UUID, and revision of a path within a session."""
    folder, _, name = rel_path.rpartition("/")
    parts = parse_folder(folder)
    if "-" in name:
        name = str(remove_uuid_string(name))
    return Place(parts.collection, name, parts.revision) if parts else Place(folder, name, "")
