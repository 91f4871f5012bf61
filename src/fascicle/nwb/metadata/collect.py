"""Collect what an archive knows of a session into one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fascicle.nwb.metadata import facts
from fascicle.nwb.metadata.document import SessionMetadata
from fascicle.nwb.metadata.gathering import Facts, texts

if TYPE_CHECKING:
    from datetime import date

    from fascicle.archives.base import SessionName
    from fascicle.archives.session import OpenSession
    from fascicle.nwb.metadata.sources import Place


def collect(archive: Any, eid: SessionName) -> SessionMetadata:
    """Return what an archive knows of a session; see `SessionMetadata.from_archive`."""
    from fascicle.nwb.metadata.sources import place_of

    place = place_of(archive)
    session = place.archive.open(eid)
    return collect_session(place, session)


def collect_session(place: Place, session: OpenSession) -> SessionMetadata:
    """Return what is known of a session that is open."""
    from fascicle.nwb.metadata import folder, server
    from fascicle.nwb.parts import offer_all
    from fascicle.nwb.writing.source import Source

    source, found = Source(session), Facts()
    files = folder.Files(source)
    # What people wrote beside the data is right; then the database; then what programs wrote.
    folder.add_said(found, files)
    if place.alyx is not None:
        server.add_facts(found, place.alyx, str(session.eid))
    folder.add_lab(found, files)
    folder.add_datasets(found, files)
    _add_record(found, session)
    _settle(found, str(session.eid), session.date)
    _add_sortings(found, source)
    metadata = SessionMetadata(
        {
            "source": {
                "archive": place.archive.name,
                "session": session.record.path,
                "eid": str(session.eid),
            },
            "session": found.session,
            "subject": found.subject,
            "probes": [found.probes[label] for label in sorted(found.probes)],
        }
    )
    metadata["objects"] = offer_all(source, metadata)
    source.forget()
    return metadata


def _add_record(found: Facts, session: OpenSession) -> None:
    """Add what the catalogue says."""
    record = session.record
    found.of_session(
        lab=record.lab,
        protocol=record.task_protocol,
        number=record.number,
        projects=texts(record.projects),
    )
    found.of_subject(subject_id=record.subject)
    for one in session.insertions:
        found.of_probe(
            one.name, pid=str(one.pid), name=one.name, model=one.model, serial=one.serial
        )


def _add_sortings(found: Facts, source: Any) -> None:
    """Say in which collection the spikes and channels of each probe are."""
    from fascicle.analysis.probes import sortings
    from fascicle.nwb.parts.sortings import ONLY, labels_of

    chosen = {probe: options[0] for probe, options in sortings(source.session).items() if probe}
    for label, collections in labels_of(source).items():
        if label == ONLY and label not in source.probes:
            continue  # nobody says that it is one
        sorting = chosen[label].collection if label in chosen else None
        homes = [file.collection for file in source.files if file.object == "channels"]
        channels = sorting if sorting in homes else None
        channels = channels or next((one for one in collections if one in homes), None)
        found.of_probe(label, name=label, sorting=sorting, channels=channels)


def _settle(found: Facts, eid: str, day: date | None = None) -> None:
    """Put facts into the forms that NWB wants, and add what follows from them.

    Parameters
    ----------
    found : Facts
    eid : str
    day : datetime.date, optional
        Of the session by its folder, where nobody says when it began.
    """
    session, subject = found.session, found.subject
    for key in ("experimenter", "keywords", "related_publications", "projects", "procedures"):
        if isinstance(session.get(key), str):
            session[key] = [session[key]]  # "Last, First" has a comma of its own
    found.of_session(session_id=eid)
    began = facts.time_of(str(session.get("start_time") or ""))
    subject["species"] = facts.species_of(subject.get("species")) or subject.get("species")
    subject["sex"] = facts.sex_of(subject.get("sex")) or subject.get("sex")
    birth = facts.day_of(str(subject.get("date_of_birth") or ""))
    day = began.date() if began else day
    if birth and day:
        found.of_subject(age=facts.age_of(birth, day))
    weight = facts.weight_at(began, found.weighings) if began else None
    found.of_subject(weight=weight or facts.weight_of(found.reference_weight))
    if isinstance(subject.get("weight"), int | float):
        subject["weight"] = facts.weight_of(subject["weight"]) or subject["weight"]
    _describe(found)


def _describe(found: Facts) -> None:
    """Say in words what the records say in fields."""
    session = found.session
    projects, procedures = texts(session.get("projects")), texts(session.get("procedures"))
    protocol = str(session.get("protocol") or "")
    tasks = [task for one in protocol.split("/") if (task := facts.task_of(one))]
    what = "; ".join(filter(None, (", ".join(procedures), protocol and f"task {protocol}")))
    if found.narrative:
        found.of_session(session_description=found.narrative)
    found.of_session(session_description=what)
    about = []
    if projects:
        about.append(f"Projects: {', '.join(projects)}.")
    if procedures:
        about.append(f"Procedures: {', '.join(procedures)}.")
    found.of_session(
        experiment_description=" ".join(about),
        keywords=list(dict.fromkeys([*procedures, *projects, *tasks])),
    )
