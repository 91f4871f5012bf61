"""Documents of IBL's first converter (2021): the JSON files of its ``Alyx2NWBMetadata``.

They say the facts, and list in each section the arrays to write: ``{"name": …, "data":
"trials.intervals", "timestamps": …, "description": …}``. What the file lists is written, with its
descriptions; what it could have listed and does not is switched off. Objects of later years that
it could not know are written as always.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fascicle.errors import MetadataError, nearest
from fascicle.nwb.metadata import facts
from fascicle.nwb.metadata.gathering import Facts, is_said, texts
from fascicle.nwb.metadata.server import trajectory

if TYPE_CHECKING:
    from fascicle.archives.session import OpenSession
    from fascicle.nwb.metadata.document import SessionMetadata
    from fascicle.nwb.writing.entries import Entry, Item

#: Sections that say facts.
_FACTS = ("eid", "Probes", "NWBFile", "IBLSessionsData", "IBLSubject", "Subject")
#: Sections that list arrays.
_LISTS = (
    "Behavior",
    "Trials",
    "Stimulus",
    "Units",
    "ElectrodeTable",
    "Ecephys",
    "Ophys",
    "Icephys",
    "Acquisition",
)
#: Datasets that it knew: which of them is not listed was left out.
_KNEW = re.compile(
    r"(?:trials|spikes|clusters|channels|templates|wheel|wheelMoves|licks|camera|eye|sparseNoise"
    r"|passiveBeeps|passiveValveClick|passiveVisual|passiveWhiteNoise|audioSpectrogram"
    r"|ephysTimeRms\w*|ephysSpectralDensity\w*)\..*"
    r"|(?:left|right|body)Camera\.(?:times|dlc|raw.*)"
)
#: Parts whose objects are tables, of which each column is listed.
_TABLES = ("trials", "units")
#: Columns that a table cannot be without.
_NEEDED = ("start_time", "stop_time", "spike_times")
_SESSION = {
    "session_id": "session_id",
    "identifier": "identifier",
    "session_description": "session_description",
    "experiment_description": "experiment_description",
    "lab": "lab",
    "institution": "institution",
    "protocol": "protocol",
    "notes": "notes",
}
#: What stands there as text where nothing was known.
_NOTHING = ("None", "nan", "[]", "{}")
_SUBJECT = ("description", "strain", "genotype", "age")


def is_old(document: Mapping[str, Any]) -> bool:
    """Return whether a document is one of IBL's first converter."""
    return "format" not in document and bool({"NWBFile", "IBLSubject"} & set(document))


def from_old(document: Mapping[str, Any]) -> SessionMetadata:
    """Return what such a document says as one of ours; its arrays once the session is open.

    Raises
    ------
    MetadataError
        If it has sections that are not known; the message names them.
    """
    from fascicle.nwb.metadata.document import SessionMetadata

    for name, value in document.items():
        if name not in (*_FACTS, *_LISTS):
            raise MetadataError(
                f"{name}: documents of IBL's first converter have no such section",
                hint=nearest(str(name), [*_FACTS, *_LISTS]) or f"they have {', '.join(_LISTS)}",
            )
        kinds: tuple[type, ...] = (list, dict) if name in _LISTS else (dict,)
        kinds = {"eid": (str,), "Probes": (list,)}.get(name, kinds)
        if value is not None and not isinstance(value, kinds):
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise MetadataError(
                f"{name}: {type(value).__name__} is not what is expected there",
                hint=f"write a {expected} there, or take it out",
            )
    found = Facts()
    _add_facts(found, document)
    eid = document.get("eid") or found.session.get("session_id")
    made = SessionMetadata(
        {
            "source": {"eid": eid},
            "session": found.session,
            "subject": found.subject,
            "probes": list(found.probes.values()),
        }
    )
    made.listed = {name: value for name, value in document.items() if name in _LISTS}
    for _ in _leaves(made.listed):
        pass  # what is listed has to have the form of a list
    return made


def _add_facts(found: Facts, document: Mapping[str, Any]) -> None:
    nwb: Mapping[str, Any] = document.get("NWBFile") or {}
    ibl: Mapping[str, Any] = document.get("IBLSessionsData") or {}
    found.of_session(**{ours: nwb.get(theirs) for theirs, ours in _SESSION.items()})
    people = [one for one in _several(nwb.get("experimenter")) if facts.EXPERIMENTER.fullmatch(one)]
    users = [one for one in _several(nwb.get("experimenter")) if one not in people]
    found.of_session(
        session_id=document.get("eid"),
        start_time=_wall(nwb.get("session_start_time")),
        experimenter=people,
        users=users,
        keywords=texts(nwb.get("keywords")),
        related_publications=_several(nwb.get("related_publications")),
        projects=texts(ibl.get("projects") or ibl.get("project")),
        procedures=texts(ibl.get("procedures")),
        end_time=_wall(ibl.get("end_time")),
        number=ibl.get("number"),
        type=ibl.get("type"),
        location=ibl.get("location"),
        qc=ibl.get("qc"),
        extended_qc=_mapping(ibl.get("extended_qc")),
        url=ibl.get("url"),
        json=ibl.get("json"),
    )
    for name in ("IBLSubject", "Subject"):  # its form wrote what was edited to the second
        subject: Mapping[str, Any] = document.get(name) or {}
        identity = str(subject.get("subject_id") or "")
        is_id = bool(re.fullmatch(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", identity))
        weight = subject.get("weight") or subject.get("reference_weight")
        found.of_subject(
            subject_id=subject.get("nickname") or (None if is_id else identity),
            uuid=identity if is_id else subject.get("uuid"),
            species=facts.species_of(subject.get("species")) or subject.get("species"),
            sex=facts.sex_of(subject.get("sex")) or subject.get("sex"),
            date_of_birth=str(subject.get("date_of_birth") or "")[:10],
            weight=facts.weight_of(weight) or (weight if isinstance(weight, str) else None),
            **{key: subject.get(key) for key in _SUBJECT if subject.get(key) not in _NOTHING},
        )
    for one in document.get("Probes") or ():
        if not isinstance(one, Mapping) or not one.get("name"):
            raise MetadataError(f"Probes: {one!r} has no name", hint='name it: "name": "probe00"')
        tracks = one.get("trajectory_estimate") or ()
        found.of_probe(
            str(one["name"]),
            name=one["name"],
            pid=one.get("id"),
            model=one.get("model"),
            serial=one.get("serial"),
            trajectories=[trajectory(track) for track in tracks if isinstance(track, Mapping)],
        )


def _several(given: Any) -> list[str]:
    """Return texts of a list, or the one text that is given: a name has a comma of its own."""
    return texts([given] if isinstance(given, str) else given)


def _mapping(given: Any) -> Any:
    return given if isinstance(given, Mapping) else None


def _wall(given: Any) -> str | None:
    """Return a time as clocks of the lab showed it: its UTC was said of local times."""
    said = facts.time_of(str(given or ""))
    return said.replace(tzinfo=None).isoformat() if said else None


# -- with the session ------------------------------------------------------------------------------


def complete(metadata: SessionMetadata, session: OpenSession) -> SessionMetadata:
    """Return a document with what such a file says put over what the archive says of the session.

    Parameters
    ----------
    metadata : SessionMetadata
        As `from_old` made it.
    session : OpenSession
    """
    from fascicle.nwb.metadata.collect import collect_session
    from fascicle.nwb.metadata.sources import place_of

    made = collect_session(place_of(session), session)
    for section in ("session", "subject"):
        said = metadata[section]
        made[section].update({key: value for key, value in said.items() if is_said(value)})
    _age_anew(made)
    for probe in metadata.probes:
        known = made.probe(str(probe["label"]))
        if known is not None:
            known.update({key: value for key, value in probe.items() if is_said(value)})
    about = dict(_leaves(metadata.listed or {}))
    for entry in made.objects:
        _switch(entry, about)
    return made


def _age_anew(metadata: SessionMetadata) -> None:
    """Take the age at the session: such files say that of the day on which they were made."""
    birth = facts.day_of(str(metadata.subject.get("date_of_birth")))
    start = facts.time_of(str(metadata.session.get("start_time") or ""))
    if birth and start:
        metadata.subject["age"] = facts.age_of(birth, start.date())


def _switch(entry: Entry, about: Mapping[str, str]) -> None:
    """Switch off what the file could have listed and did not; take its descriptions.

    Of tables each column is listed by itself; other objects are written or not.
    """
    if entry.part == "probes":
        return  # what all others stand on
    if entry.part == "raw":
        entry.on = entry.on and any(name.startswith("ephysData.") for name in about)
        return
    known = [(item, _keys(item)) for item in entry.items]
    for item, keys in known:
        # Of several descriptions of one array, none is known to be of this column.
        if len(keys) == 1 and about.get(keys[0]):
            item.description = about[keys[0]]
    left_out = [item for item, keys in known if not _is_kept(keys, about)]
    if left_out and len(left_out) == len(entry.items):
        entry.on = False
    if entry.part in _TABLES:
        for item in left_out:
            item.on = item.name in _NEEDED


def _is_kept(keys: list[str], about: Mapping[str, str]) -> bool:
    """Return whether the file lists one of the datasets, or could not know one of them."""
    return any(key in about or not _KNEW.fullmatch(key) for key in keys)


def _keys(item: Item) -> list[str]:
    """Return the ``object.attribute`` that feed an item; of a table's column, ``object.column``."""
    out = []
    for source in item.source.split(","):
        name, _, column = source.strip().partition(":")
        holder, _, attribute = name.partition(".")
        if attribute == "table" and column:
            attribute = re.sub(r"_[01]$", "", column)  # intervals_0, intervals_1
        out.append(f"{holder}.{attribute}")
    return out


def _leaves(given: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Yield each dataset that is listed, with its description."""
    if isinstance(given, Mapping):
        if "data" not in given:
            for name, held in given.items():
                yield from _leaves(held, f"{where}.{name}" if where else str(name))
            return
        about = given.get("description")
        for key in ("data", "timestamps"):
            said = given.get(key)
            if said is not None and not isinstance(said, str):
                raise MetadataError(
                    f"{where}.{key}: {said!r} names no dataset", hint="name one: trials.intervals"
                )
            for name in texts(said):
                parts = name.split(".")
                yield ".".join(parts[:2]), str(about or "") if key == "data" else ""
    elif isinstance(given, list):
        for i, held in enumerate(given):
            if not isinstance(held, Mapping | list):
                raise MetadataError(
                    f"{where}[{i}]: {held!r} is no entry of a list of datasets",
                    hint="write a mapping with name, data and description, or take it out",
                )
            yield from _leaves(held, f"{where}[{i}]")
