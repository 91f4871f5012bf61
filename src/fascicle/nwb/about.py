"""What a file says about its session and its subject."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fascicle.formats.nwb import NwbFile

#: Attributes that are the format's own.
_OWN = frozenset({"namespace", "neurodata_type", "object_id", "help", ".specloc"})
#: Groups of /general that have objects of their own, not words about the session.
_OBJECTS = frozenset(
    {
        *("devices", "extracellular_ephys", "intracellular_ephys", "optogenetics"),
        *("optophysiology", "subject", "source_script", "external_resources"),
    }
)


def session_metadata(file: NwbFile) -> dict[str, Any]:
    """Return what a file says about its session, by the names that the format gives.

    Dates are `datetime.datetime` where they can be read as such, several values are lists, and
    groups that labs add are dictionaries.
    """
    found: dict[str, Any] = {"nwb_version": file.version}
    for name in file.names("/"):
        if not file.is_group(f"/{name}"):
            found[name] = plain(file, f"/{name}")
    if file.has("/general"):
        for name in file.names("/general"):
            path = f"/general/{name}"
            if not file.has(path) or name in _OBJECTS:
                continue
            found[name] = described(file, path) if file.is_group(path) else plain(file, path)
    return found


def described(file: NwbFile, path: str) -> dict[str, Any]:
    """Return the values of a group: its attributes and its datasets, not groups in it."""
    found = {name: value for name, value in file.attrs(path).items() if name not in _OWN}
    for name in file.names(path):
        inner = f"{path}/{name}"
        if file.has(inner) and not file.is_group(inner):
            found[name] = plain(file, inner)
    return found


def plain(file: NwbFile, path: str) -> Any:
    """Return a value as Python has it: text, number, date, or a list of these."""
    value = file.value(path)
    if hasattr(value, "tolist"):
        value = value.tolist()
    dated = path.endswith(("_time", "_date", "date_of_birth"))
    if not dated:
        return value
    return [_date(v) for v in value] if isinstance(value, list) else _date(value)


def _date(value: Any) -> Any:
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return value
