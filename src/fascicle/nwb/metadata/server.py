"""What a lab's database says of a session: an Alyx, or a hub."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fascicle.errors import ConfigurationError, OfflineError, ServerError
from fascicle.nwb.metadata import facts
from fascicle.nwb.metadata.gathering import Facts, rows, texts

#: What a database answers that has no such record, or does not show it.
_NOT_THERE = (400, 403, 404, 405, 500)
#: What registration writes where nobody wrote anything.
_NO_NARRATIVE = ("auto-generated session", "automatically generated session")
_MORE = (
    "responsible_user",
    "death_date",
    "litter",
    "line",
    "source",
    "projects",
    "lab",
    "alive",
    "reference_weight",
    "last_water_restriction",
    "expected_water",
    "remaining_water",
    "url",
    "json",
)
_PLACED = ("x", "y", "z", "depth", "theta", "phi", "roll")


def add_facts(found: Facts, alyx: Any, eid: str) -> None:
    """Add what a database says of a session, its animal, its lab and its probes.

    Parameters
    ----------
    found : Facts
    alyx : object
        With the verb ``rest`` of ONE's client.
    eid : str
    """
    detail = _read(alyx, "sessions", eid)
    if detail is None:
        return
    lab = str(detail.get("lab") or "")
    zone = _add_lab(found, alyx, lab) if lab else None
    _add_session(found, detail, zone or found.session.get("timezone"))
    if nickname := detail.get("subject"):
        _add_subject(found, alyx, str(nickname), str(detail.get("start_time") or "")[:10])
    people = [person for name in texts(detail.get("users")) if (person := _person(alyx, name))]
    found.of_session(experimenter=people)
    _add_probes(found, alyx, detail, eid)


def _add_session(found: Facts, detail: Mapping[str, Any], zone: str | None) -> None:
    narrative = str(detail.get("narrative") or "").strip()
    if narrative.lower().rstrip(".") in _NO_NARRATIVE:
        narrative = ""
    found.narrative = found.narrative or narrative
    found.of_session(
        start_time=facts.local_time(detail.get("start_time"), zone),
        end_time=facts.local_time(detail.get("end_time"), zone),
        lab=detail.get("lab"),
        protocol=detail.get("task_protocol"),
        number=detail.get("number"),
        type=detail.get("type"),
        location=detail.get("location"),
        projects=texts(detail.get("projects") or detail.get("project")),
        procedures=texts(detail.get("procedures")),
        users=texts(detail.get("users")),
        qc=detail.get("qc"),
        extended_qc=detail.get("extended_qc"),
        url=detail.get("url"),
        json=detail.get("json"),
        notes=_notes(detail.get("notes")),
    )
    water = [
        {key: one.get(key) for key in ("water_type", "water_administered")}
        for one in rows(detail.get("wateradmin_session_related"))
    ]
    found.of_subject(subject_id=detail.get("subject"), more={"water_in_session": water})


def _notes(given: Any) -> str:
    """Return what people noted of a session, one line each, the oldest first."""
    kept = [one for one in rows(given) if one.get("text")]
    kept.sort(key=lambda one: str(one.get("date_time") or ""))
    return "\n".join(
        ", ".join(filter(None, (str(one.get("date_time") or "")[:19], str(one.get("user") or ""))))
        + f": {str(one['text']).strip()}"
        for one in kept
    )


def _add_lab(found: Facts, alyx: Any, lab: str) -> str | None:
    """Add what is said of a lab, and return its time zone.

    Databases write UTC where nobody said what the zone is: that says nothing.
    """
    record = _read(alyx, "labs", lab) or {}
    zone = str(record.get("timezone") or "").strip()
    said = zone if zone and zone.upper() not in ("UTC", "ETC/UTC", "GMT") else None
    found.of_session(lab=lab, institution=record.get("institution"), timezone=said)
    return said


def _add_subject(found: Facts, alyx: Any, nickname: str, day: str) -> None:
    record = _read(alyx, "subjects", nickname)
    if record is None:
        return
    found.weighings = found.weighings or rows(record.get("weighings"))
    found.reference_weight = found.reference_weight or record.get("reference_weight")
    more = {key: record.get(key) for key in _MORE}
    for name, amount in (("weighings", "weight"), ("water_administrations", "water_administered")):
        kept = {
            str(one["date_time"]): one.get(amount)
            for one in rows(record.get(name))
            if one.get("date_time")
        }
        more[name] = {when: kept[when] for when in sorted(kept) if not day or when[:10] <= day}
    found.of_subject(
        subject_id=record.get("nickname"),
        uuid=record.get("id"),
        description=record.get("description"),
        species=record.get("species"),
        sex=record.get("sex"),
        strain=record.get("strain"),
        genotype="; ".join(texts(_lines(record.get("genotype")))),
        date_of_birth=record.get("birth_date"),
        more=more,
    )


def _lines(genotype: Any) -> Any:
    if isinstance(genotype, str):
        return [genotype]  # commas are its own
    return genotype if isinstance(genotype, list | tuple) else []


def _person(alyx: Any, username: str) -> str | None:
    """Return ``Last, First`` of a user where the database says both."""
    record = _read(alyx, "users", username) or {}
    return facts.person_of(record.get("first_name"), record.get("last_name"))


def _add_probes(found: Facts, alyx: Any, detail: Mapping[str, Any], eid: str) -> None:
    listed = detail.get("probe_insertion")
    if listed is None:
        listed = _list(alyx, "insertions", session=eid)
    labels = {}
    for one in sorted(rows(listed), key=lambda one: str(one.get("name"))):
        label = str(one.get("name") or one.get("id"))
        labels[str(one.get("id"))] = label
        found.of_probe(
            label,
            pid=one.get("id"),
            name=one.get("name"),
            model=one.get("model"),
            serial=one.get("serial"),
        )
    if not labels:
        return
    tracks: dict[str, list[dict[str, Any]]] = {}
    for one in _list(alyx, "trajectories", session=eid):
        label = labels.get(str(one.get("probe_insertion"))) or str(one.get("probe_name") or "")
        tracks.setdefault(label, []).append(trajectory(one))
    for label in labels.values():
        found.of_probe(label, trajectories=tracks.get(label))


def trajectory(given: Mapping[str, Any], provenance: str = "") -> dict[str, Any]:
    """Return where a track is said to be, by the fields of the document."""
    said = {"provenance": given.get("provenance") or provenance or None}
    return {**said, **{key: given.get(key) for key in _PLACED}}


# -- questions -------------------------------------------------------------------------------------


def _read(alyx: Any, endpoint: str, name: str) -> dict[str, Any] | None:
    """Return a record; None where the database has none, or does not show it."""
    answer = _ask(alyx, endpoint, "read", id=name)
    return dict(answer) if isinstance(answer, Mapping) else None


def _list(alyx: Any, endpoint: str, **terms: Any) -> list[dict[str, Any]]:
    answer = _ask(alyx, endpoint, "list", **terms)
    if isinstance(answer, Mapping) or not isinstance(answer, Iterable):
        return []
    return rows(list(answer))  # a list that comes in pages is one, too


def _ask(alyx: Any, endpoint: str, action: str, **terms: Any) -> Any:
    """Return an answer as it is now; where no server can be asked, the one that was kept."""
    try:
        try:
            return alyx.rest(endpoint, action, no_cache=True, **terms)
        except (ServerError, OfflineError):
            return alyx.rest(endpoint, action, **terms)
    except ConfigurationError:
        return None  # it has no such endpoint
    except OSError as error:
        answer = getattr(error, "response", None)
        status = getattr(error, "status", None) or getattr(answer, "status_code", None)
        if status not in _NOT_THERE:
            raise
        return None
