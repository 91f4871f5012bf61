"""What a metadata document has to say, and how: rules that a schema cannot say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from fascicle.errors import MetadataError
from fascicle.nwb.metadata import facts
from fascicle.nwb.metadata.problems import Problem

if TYPE_CHECKING:
    from fascicle.nwb.metadata.document import SessionMetadata

_ORDER = {"error": 0, "ask": 1, "advice": 2}
#: Longer than any animal in a lab has lived, in days.
_OLDEST = 130 * 366


def problems_of(metadata: SessionMetadata) -> list[Problem]:
    """Return what is missing or wrong in a document, the worst first."""
    from fascicle.nwb.metadata.document import SessionMetadata
    from fascicle.nwb.metadata.published import against_schema

    metadata = SessionMetadata(metadata.to_dict())  # dates that somebody set are text there
    found = list(against_schema(metadata.to_dict()))
    wrong = {problem.field.partition("[")[0] for problem in found}
    for section in ("session", "subject"):  # of what has the wrong type, no more is said
        for name in metadata[section]:
            if f"{section}.{name}" in wrong:
                metadata[section][name] = None
    for rule in (_characters, _times, _session, _subject, _probes, _objects):
        found += [problem for problem in rule(metadata) if problem.field not in wrong]
    return sorted(dict.fromkeys(found), key=lambda problem: _ORDER[problem.severity])


def _ask(field: str, text: str, hint: str) -> Problem:
    return Problem(field, text, hint, "ask")


def _advice(field: str, text: str, hint: str = "") -> Problem:
    return Problem(field, text, hint, "advice")


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _characters(metadata: SessionMetadata) -> Iterator[Problem]:
    """Find texts that no HDF5 file takes."""
    for section in ("session", "subject"):
        for name, value in metadata[section].items():
            texts = value if isinstance(value, list) else [value]
            if any(isinstance(text, str) and "\0" in text for text in texts):
                yield Problem(f"{section}.{name}", "it has a NUL character in it", "take it out")


# -- times -----------------------------------------------------------------------------------------


def start_of(metadata: SessionMetadata) -> datetime:
    """Return when the session began, with its zone; see `SessionMetadata.start`."""
    from fascicle.nwb.metadata.document import SessionMetadata

    metadata = SessionMetadata({"source": metadata.source, "session": metadata.session})
    fields = ("session.start_time", "session.timezone")
    for problem in _times(metadata):
        if problem.field in fields and problem.stops:
            raise MetadataError(f"{problem.field}: {problem.text}", hint=problem.hint)
    zone = facts.zone_of(_text(metadata.session.get("timezone")))
    moment = facts.moment_of(_text(metadata.session.get("start_time")), zone) if zone else None
    if moment is None:
        raise MetadataError("session.start_time: it says no moment")
    return moment


def _times(metadata: SessionMetadata) -> Iterator[Problem]:
    session = metadata.session
    name, start = _text(session.get("timezone")), _text(session.get("start_time"))
    zone = facts.zone_of(name) if name else None
    if not name:
        yield _ask(
            "session.timezone",
            "the time zone of the lab is needed",
            "as Europe/London (a database's UTC counts only where somebody writes it here)",
        )
    elif zone is None:
        yield Problem(
            "session.timezone",
            f"{name!r} is no time zone of the IANA database",
            "write one as Europe/London or America/New_York",
        )
    if not start:
        yield _ask(
            "session.start_time",
            "when the session began is needed",
            "as clocks of the lab showed it: 2023-10-19T10:02:11",
        )
    else:
        yield from _moment("session.start_time", start, zone)
    end = _text(session.get("end_time"))
    if end:
        yield from _moment("session.end_time", end, zone)
    if zone is not None:
        began, ended = (facts.moment_of(text, zone) for text in (start, end))
        # Within one zone times are compared as clocks show them, which is not always the order.
        if began and ended and ended.astimezone(UTC) < began.astimezone(UTC):
            yield Problem("session.end_time", f"{end} is before the session began, {start}")


def _moment(field: str, text: str, zone: Any) -> Iterator[Problem]:
    said = facts.time_of(text)
    if said is None:
        yield Problem(field, f"{text!r} is no time of ISO 8601", "e.g. 2023-10-19T10:02:11")
        return
    if zone is None:
        return
    local = said.replace(tzinfo=None)
    readings = facts.readings(local, zone)
    if not readings:
        yield Problem(
            field,
            f"{text} does not exist in {zone}: clocks were put forward over it",
            "write the time that clocks of the lab showed",
        )
        return
    if said.tzinfo is None and len(readings) > 1:
        first, second = (one.isoformat() for one in readings)
        yield _ask(
            field,
            f"{text} was twice in {zone}: clocks were put back",
            f"write {first} or {second}",
        )
        return
    if said.tzinfo is not None and facts.moment_of(text, zone) is None:
        yield Problem(
            field,
            f"{text} is not what clocks in {zone} showed",
            f"write {said.astimezone(zone).replace(tzinfo=None).isoformat()}",
        )
        return
    moment = facts.moment_of(text, zone) or readings[0]
    if moment.astimezone(UTC) > datetime.now(UTC):
        yield Problem(field, f"{text} is in the future")
    elif local.year < 1900:
        yield Problem(field, f"{text} is before there were such recordings")


# -- the session -----------------------------------------------------------------------------------


def _session(metadata: SessionMetadata) -> Iterator[Problem]:
    session = metadata.session
    if not _text(session.get("session_description")):
        yield _ask(
            "session.session_description",
            "what was done in the session is needed",
            "one sentence will do",
        )
    if not _text(session.get("session_id")):
        yield _advice("session.session_id", "the session has no id", "its eid is usual")
    elif "/" in session["session_id"]:
        yield Problem("session.session_id", f"{session['session_id']!r} has a slash in it")
    people = session.get("experimenter") or []
    for i, one in enumerate(people):
        if isinstance(one, str) and not facts.EXPERIMENTER.fullmatch(one):
            yield Problem(
                f"session.experimenter[{i}]", f"{one!r} is not in the form of a name",
                'e.g. "Doe, Jane" (last name, first name)',
            )  # fmt: skip
    if not people:
        users = ", ".join(str(one) for one in session.get("users") or [])
        known = f"; the archive knows users alone: {users}" if users else ""
        yield _advice("session.experimenter", f"nobody is named{known}", 'write ["Last, First"]')
    elif len(people) < len(session.get("users") or []):
        users = ", ".join(str(one) for one in session["users"])
        yield _advice("session.experimenter", f"not all are named of the users {users}")
    for key, what in (("keywords", "there are none"), ("institution", "it is not named")):
        if not session.get(key):
            yield _advice(f"session.{key}", what)
    if not _text(session.get("lab")):
        yield _advice("session.lab", "it is not named")
    for key in ("keywords", "experimenter"):
        listed = session.get(key) or []
        if isinstance(listed, list):
            twice = {one for one in listed if isinstance(one, str) and listed.count(one) > 1}
            for one in sorted(twice):
                yield Problem(f"session.{key}", f"{one!r} is there twice")
    path = str(metadata.source.get("session") or "")
    day = re.search(r"/(\d{4}-\d{2}-\d{2})/\d+$", path)
    start = facts.time_of(_text(session.get("start_time")))
    if day and start and start.date().isoformat() != day[1]:
        yield _advice("session.start_time", f"its folder says another day: {path}")


# -- the animal ------------------------------------------------------------------------------------


def _subject(metadata: SessionMetadata) -> Iterator[Problem]:
    subject = metadata.subject
    name = _text(subject.get("subject_id"))
    if not name:
        yield _ask("subject.subject_id", "the animal's name is needed", "")
    elif "/" in name:
        yield Problem(
            "subject.subject_id", f"{name!r} has a slash in it",
            f"write {name.replace('/', '-')!r}",
        )  # fmt: skip
    yield from _kind(subject)
    yield from _age(metadata)
    weight = subject.get("weight")
    if weight is None or weight == "":
        yield _advice("subject.weight", "it is not known", "e.g. 21.3 g")
    elif not isinstance(weight, str) or not facts.WEIGHT.fullmatch(weight):
        yield Problem("subject.weight", f"{weight!r} is no weight with its unit", "e.g. 21.3 g")
    elif not float(weight.split()[0]):
        yield Problem("subject.weight", f"{weight!r}: nothing weighs nothing")


def _kind(subject: dict[str, Any]) -> Iterator[Problem]:
    species, sex = subject.get("species"), subject.get("sex")
    if not species:
        yield _ask("subject.species", "it is needed", "as a binomial: Mus musculus")
    elif isinstance(species, str) and not facts.is_species(species):
        known = facts.species_of(species)
        yield _ask(
            "subject.species",
            f"{species!r} is no binomial",
            f"write {known}" if known else "e.g. Mus musculus",
        )
    if not sex:
        yield _ask("subject.sex", "it is needed", "M, F, U (unknown) or O (other)")
    elif sex not in ("M", "F", "U", "O"):
        known = facts.sex_of(sex)
        yield Problem(
            "subject.sex", f"{sex!r} is none of M, F, U (unknown) and O (other)",
            f"write {known}" if known else "",
        )  # fmt: skip


def _age(metadata: SessionMetadata) -> Iterator[Problem]:
    subject = metadata.subject
    age, birth_text = _text(subject.get("age")), _text(subject.get("date_of_birth"))
    if not age and not birth_text:
        yield _ask(
            "subject.age",
            "the age at the session is needed, or the date of birth",
            "age as P90D, or date_of_birth as 2023-03-14",
        )
        return
    bounds = _bounds(age) if age else None
    if age and bounds is None:
        yield Problem("subject.age", f"{age!r} is no ISO 8601 duration", "e.g. P90D")
    elif bounds and bounds[0] > bounds[1]:
        yield Problem("subject.age", f"{age!r} ends before it begins", "e.g. P90D/P120D")
        bounds = None
    elif bounds and bounds[0] > _OLDEST:
        yield Problem("subject.age", f"{age!r} is older than any animal has been")
        bounds = None
    if not birth_text:
        return
    birth = facts.day_of(birth_text)
    if birth is None:
        yield Problem("subject.date_of_birth", f"{birth_text!r} is no date", "e.g. 2023-03-14")
        return
    if birth > date.today():
        yield Problem("subject.date_of_birth", f"{birth} is in the future")
        return
    start = facts.time_of(_text(metadata.session.get("start_time")))
    if start is None:
        return
    days = (start.date() - birth).days
    if days < 0:
        yield Problem("subject.date_of_birth", f"{birth} is after the session, {start.date()}")
    elif days > _OLDEST:
        yield Problem("subject.date_of_birth", f"{birth} is {days // 365} years before the session")
    elif bounds and not bounds[0] - 1 <= days < bounds[1] + (7 if age.endswith("W") else 1):
        yield Problem(
            "subject.age",
            f"{age} is not the age at the session: from {birth} to {start.date()} are {days} days",
            f"write {facts.age_of(birth, start.date())}",
        )


def _bounds(age: str) -> tuple[float, float] | None:
    """Return the least and most days of an age, or of a range of ages (``P90D/P120D``)."""
    first, slash, last = age.partition("/")
    low = facts.days_of(first)
    if not slash or low is None:
        return low
    if not last:
        return low[0], float("inf")
    high = facts.days_of(last)
    return (low[0], high[1]) if high else None


# -- probes and objects ----------------------------------------------------------------------------


def _probes(metadata: SessionMetadata) -> Iterator[Problem]:
    seen: set[str] = set()
    for i, probe in enumerate(metadata.probes):
        label = _text(probe.get("label"))
        if not label:
            yield Problem(f"probes[{i}].label", "a probe needs one", "as probe00")
        elif label in seen:
            yield Problem(f"probes[{i}].label", f"{label!r} is there twice")
        elif set(label) & set("/:"):
            yield Problem(f"probes[{i}].label", f"{label!r} has a slash or colon in it")
        seen.add(label)


def _objects(metadata: SessionMetadata) -> Iterator[Problem]:
    from fascicle.errors import nearest
    from fascicle.nwb.parts import PARTS, TYPES

    seen: set[tuple[str, str]] = set()
    for i, entry in enumerate(metadata.objects):
        where = f"objects[{i}]"
        if entry.part not in PARTS:
            yield Problem(
                f"{where}.part", f"there is no part {entry.part!r}",
                nearest(entry.part, PARTS) or f"one of {', '.join(PARTS)}",
            )  # fmt: skip
        elif entry.type not in TYPES[entry.part]:
            yield Problem(
                f"{where}.type", f"the part {entry.part!r} builds no {entry.type!r}",
                f"leave it as it was: one of {', '.join(TYPES[entry.part])}",
            )  # fmt: skip
        if not entry.nwb.strip("/") or entry.nwb != entry.nwb.strip("/") or "//" in entry.nwb:
            yield Problem(f"{where}.nwb", f"{entry.nwb!r} is no path in an NWB file", "e.g. units")
        if not entry.on:
            continue
        if (entry.nwb, entry.part) in seen:
            yield Problem(f"{where}.nwb", f"{entry.nwb} is there twice", "switch one off")
        seen.add((entry.nwb, entry.part))
        names: set[str] = set()
        for j, item in enumerate(entry.items):
            place = f"{where}.items[{j}]"
            if item.dtype and not _is_dtype(item.dtype):
                yield Problem(
                    f"{place}.dtype", f"{item.dtype!r} is no type of numbers", "e.g. float32"
                )
            if item.on and item.name in names:
                yield Problem(f"{place}.name", f"{item.name!r} is there twice in {entry.nwb}")
            if item.on:
                names.add(item.name)


def _is_dtype(name: str) -> bool:
    import numpy as np

    try:
        return np.dtype(name).kind in "fiub"
    except (TypeError, ValueError, SyntaxError):
        return False
