"""The facts of a document as objects of an NWB file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from fascicle.nwb.metadata import facts
from fascicle.nwb.metadata.gathering import is_said

if TYPE_CHECKING:
    from fascicle.nwb.metadata.document import SessionMetadata

#: Fields of the session that NWB has no place for.
_OF_SESSION = (
    "number",
    "type",
    "location",
    "end_time",
    "projects",
    "procedures",
    "users",
    "qc",
    "extended_qc",
    "url",
    "json",
    "timezone",
)
_OF_PROBE = ("label", "pid", "name", "model", "manufacturer", "serial")
#: The table of them, in the module ``misc``.
TABLE = "session"


def nwbfile_of(metadata: SessionMetadata, *, incomplete: bool = False) -> Any:
    """Return a file of pynwb with what the document says of session and animal.

    Parameters
    ----------
    metadata : SessionMetadata
    incomplete : bool
        Take a document that lacks something; description, start and time zone it has to have.

    Returns
    -------
    pynwb.NWBFile

    Raises
    ------
    MetadataError
        If the document lacks what is needed, or says what cannot be.
    """
    from pynwb import NWBFile

    from fascicle.nwb.metadata.document import SessionMetadata

    if not incomplete:
        metadata.validate()
    metadata = SessionMetadata({key: metadata[key] for key in ("source", "session", "subject")})
    session = metadata.session
    given: dict[str, Any] = {
        "session_description": session["session_description"],
        "identifier": session.get("identifier") or str(uuid4()),
        "session_start_time": metadata.start,
        "session_id": session.get("session_id") or None,
        "experimenter": session.get("experimenter"),
        "experiment_description": session.get("experiment_description"),
        "keywords": session.get("keywords"),
        "lab": session.get("lab"),
        "institution": session.get("institution"),
        "protocol": session.get("protocol"),
        "notes": session.get("notes"),
        "related_publications": session.get("related_publications"),
        "was_generated_by": _maker(),
        "subject": _subject(metadata),
    }
    return NWBFile(**{key: value for key, value in given.items() if is_said(value)})


def _maker() -> list[list[str]]:
    from importlib.metadata import version

    return [["fascicle", version("fascicle")]]


def _subject(metadata: SessionMetadata) -> Any:
    from pynwb.file import Subject

    subject = metadata.subject
    texts = ("subject_id", "description", "species", "sex", "strain", "genotype", "age", "weight")
    given = {key: subject.get(key) for key in texts}
    birth = facts.day_of(str(subject.get("date_of_birth") or ""))
    zone = metadata.start.tzinfo
    if birth is not None and zone is not None:
        given["date_of_birth"] = facts.midnight_of(birth, zone)
    return Subject(**{key: value for key, value in given.items() if is_said(value)})


def session_facts(metadata: SessionMetadata) -> dict[str, Any]:
    """Return what the document says and NWB has no place for, by field."""
    out = {key: metadata.session.get(key) for key in _OF_SESSION}
    out["task_protocol"] = metadata.session.get("protocol")
    out["eid"] = metadata.source.get("eid")
    out["probes"] = [
        {key: probe.get(key) for key in _OF_PROBE if is_said(probe.get(key))}
        for probe in metadata.probes
    ]
    out["subject.uuid"] = metadata.subject.get("uuid")
    for key, value in (metadata.subject.get("more") or {}).items():
        out[f"subject.{key}"] = value
    archive = str(metadata.source.get("archive") or "")
    out["archive"] = archive if "://" in archive else None  # no folder of somebody's machine
    out["path"] = metadata.source.get("session")
    return {key: value for key, value in out.items() if is_said(value)}


def facts_table(metadata: SessionMetadata) -> Any:
    """Return a table of what the document says and NWB has no place for.

    Parameters
    ----------
    metadata : SessionMetadata

    Returns
    -------
    hdmf.common.DynamicTable
        Named ``session``, with the columns ``field`` and ``value`` (JSON), one row per field.
    """
    from hdmf.common import DynamicTable, VectorData

    from fascicle.formats.nwb.records import in_lines

    found = session_facts(metadata)
    values = [in_lines(value, ensure_ascii=False, sort_keys=True) for value in found.values()]
    return DynamicTable(
        name=TABLE,
        description="What the archive knows of the session, and NWB has no place for",
        columns=[
            VectorData(name="field", description="Name of the field", data=list(found)),
            VectorData(name="value", description="Its value, as JSON", data=values),
        ],
    )
