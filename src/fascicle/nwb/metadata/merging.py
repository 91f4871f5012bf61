"""Put what holds for many sessions over what was collected of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fascicle.errors import MetadataError, nearest

if TYPE_CHECKING:
    import os

    from fascicle.nwb.metadata import SessionMetadata

_SECTIONS = ("session", "subject", "probes", "objects")
_KEYS = {"probes": "label", "objects": "nwb", "items": "name"}


def is_of_one(place: str | os.PathLike[str]) -> bool:
    """Return whether a file is the document of one session, rather than what holds for many.

    Raises
    ------
    MetadataError
        If it cannot be read.
    """
    from fascicle.nwb.metadata.files import read_file

    return bool(_session_of(read_file(place)))


def _session_of(given: Any) -> str:
    """Return the eid of the session that a document is about, empty where it is none's."""
    source = given.get("source") if isinstance(given, Mapping) else None
    return str(source.get("eid") or "") if isinstance(source, Mapping) else ""


def read_common(place: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what holds for many sessions: a document with as few fields as one likes.

    Parameters
    ----------
    place : path-like
        JSON or YAML with any of the sections ``session``, ``subject``, ``probes`` and ``objects``.
        Probes are named by ``label``, objects by ``nwb``, items by ``name``.

    Raises
    ------
    MetadataError
        If it cannot be read, is the document of one session, or has other sections.
    """
    from fascicle.nwb.metadata.files import read_file

    given = read_file(place)
    if eid := _session_of(given):
        raise MetadataError(
            f"{place} is the document of session {eid}, and no other's",
            hint="for many sessions keep the fields that they share, and leave out `source`",
        )
    plain = {name: value for name, value in given.items() if name not in ("format", "version")}
    for name in plain:
        if name not in _SECTIONS and name != "source":
            raise MetadataError(
                f"{place}: there is no section {name!r}", hint=nearest(name, _SECTIONS)
            )
    return {name: value for name, value in plain.items() if name != "source"}


def put_over(document: SessionMetadata, common: Mapping[str, Any]) -> SessionMetadata:
    """Return a document with the fields of `common` in place of its own.

    Parameters
    ----------
    document : SessionMetadata
        Of one session; it stays as it is.
    common : mapping
        As `read_common` returns it. Probes and objects that the session lacks are passed over.

    Raises
    ------
    MetadataError
        If a section is none, or an entry of a list has no name.
    """
    from fascicle.nwb.metadata import SessionMetadata

    plain = document.to_dict()
    for section, given in common.items():
        plain[section] = _over(plain[section], given, section)
    return SessionMetadata(plain)


def _over(old: Any, new: Any, where: str) -> Any:
    """Return ``new`` over ``old``: fields of mappings one by one, named entries of lists too."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        out = dict(old)
        for name, value in new.items():
            out[name] = _over(out[name], value, name) if name in out else value
        return out
    key = _KEYS.get(where)
    if key is None or not isinstance(old, list):
        return new
    if not isinstance(new, list) or not all(isinstance(one, Mapping) and key in one for one in new):
        raise MetadataError(f"{where}: each entry needs its {key}", hint=f"write `- {key}: …`")
    known = {one[key]: one for one in new}
    return [_over(one, known.get(one[key], {}), key) for one in old]
