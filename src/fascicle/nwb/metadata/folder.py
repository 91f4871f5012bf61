"""What files beside the data say of a session.

``session.yaml`` (``.yml``, ``.json``) in the session's folder, or in its ``alf``, has what people
say: the sections ``session``, ``subject`` and ``probes`` of a metadata document; fields of the
session may also stand by themselves. Files of these names in the folders above, of the animal or
of the lab, say what holds for all sessions there; the nearest is right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fascicle.errors import FascicleError, MetadataError, nearest
from fascicle.nwb.metadata import facts
from fascicle.nwb.metadata.fields import PROBE, SESSION, SUBJECT
from fascicle.nwb.metadata.files import kind_of, mapping_of
from fascicle.nwb.metadata.gathering import Facts, texts
from fascicle.nwb.metadata.server import trajectory
from fascicle.nwb.writing.source import Source

_SAID = tuple(
    f"{folder}session{end}" for folder in ("", "alf/") for end in (".yaml", ".yml", ".json")
)
_LAB = "_fascicle_lab.json"
_SECTIONS: dict[str, Mapping[str, Any]] = {"session": SESSION, "subject": SUBJECT}


class Files:
    """Small files that describe a session, wherever they are.

    Parameters
    ----------
    source : Source
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        root = source.session.archive.catalogue().root
        self.root = Path(root) if root is not None else None
        self.folder = self.root / source.session.record.path if self.root else None

    def text(self, path: str) -> str | None:
        """Return the text of a file of the session, by its path there; None where it has none."""
        place = self.folder / path if self.folder else None
        if place is not None and place.is_file():
            return _text(place)
        listed = next((file for file in self.source.files if file.path == path), None)
        if listed is None:
            return None
        try:
            return _text(self.source.place(listed))
        except FascicleError:
            return None  # listed, but nowhere

    def above(self) -> list[Path]:
        """Return the folders above the session's, the nearest first, up to the archive's own."""
        if self.root is None or self.folder is None:
            return []
        return [one for one in self.folder.parents if one.is_relative_to(self.root)]

    def named(self, pattern: str) -> Iterator[tuple[str, str]]:
        """Yield path and text of the session's datasets that match an expression as a whole."""
        for file in self.source.files:
            if re.fullmatch(pattern, file.path) and (text := self.text(file.path)) is not None:
                yield file.path, text
        if self.folder is None:
            return
        listed = {file.path for file in self.source.files}
        for place in sorted([*self.folder.glob("*.*"), *self.folder.glob("*/*.*")]):
            path = place.relative_to(self.folder).as_posix()
            if path not in listed and re.fullmatch(pattern, path) and place.is_file():
                yield path, _text(place)


def _text(place: Path) -> str:
    try:
        return place.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MetadataError(f"{place} cannot be read: {error}") from error


# -- what people say -------------------------------------------------------------------------------


def add_said(found: Facts, files: Files) -> None:
    """Add what ``session.yaml`` or ``session.json`` says.

    Raises
    ------
    MetadataError
        If it cannot be understood; the message names the field.
    """
    for path in _SAID:
        text = files.text(path)
        if text is not None:
            given = mapping_of(text, kind_of(path), path)
            _refuse_other(given, files, path)
            _add_sections(found, given, path)
    for folder in files.above():
        for place in (folder / name for name in _SAID if "/" not in name):
            if place.is_file():
                where = str(place)
                given = mapping_of(_text(place), kind_of(place), where)
                if not _sources(given):  # the document of one session is of no other
                    _refuse_single(given, where)
                    _add_sections(found, given, where)


def _sources(given: Mapping[str, Any]) -> list[str]:
    """Return id and path of the session that a whole document is of."""
    source = given.get("source")
    said = [source.get(key) for key in ("eid", "session")] if isinstance(source, Mapping) else []
    return [str(one) for one in said if one]


def _refuse_other(given: Mapping[str, Any], files: Files, path: str) -> None:
    """Refuse the document of another session, which somebody took as a pattern."""
    session = files.source.session
    tail = session.record.path.split("/")[-3:]  # the same session has other ids elsewhere
    said = _sources(given)
    if said and str(session.eid) not in said and all(one.split("/")[-3:] != tail for one in said):
        raise MetadataError(
            f"{path}: source: it is the document of session {said[-1]}, and stands beside the data "
            f"of {session.record.path}",
            hint="leave out the section source, and what that session alone has",
        )


def _refuse_single(given: Mapping[str, Any], path: str) -> None:
    """Refuse facts that no two sessions share, where they would hold for many."""
    section = given.get("session")
    said = {*given, *(section if isinstance(section, Mapping) else ())}
    for key in ("session_id", "identifier", "start_time", "end_time", "number", "url"):
        if key in said:
            raise MetadataError(
                f"{path}: session.{key}: it is one session's, and the file stands above several",
                hint="put it into the session's own folder",
            )


def _add_sections(found: Facts, given: Mapping[str, Any], path: str) -> None:
    said: dict[str, dict[str, Any]] = {"session": {}, "subject": {}}
    for key, value in given.items():
        if key in ("format", "version", "source", "objects"):
            continue  # a whole document does
        if key in said:
            if not isinstance(value, Mapping):
                raise MetadataError(f"{path}: {key}: {value!r} is no mapping of its fields")
            said[key] |= value
        elif key == "probes":
            _add_probes(found, value, path)
        elif key in SESSION:
            said["session"][key] = value
        else:
            raise MetadataError(
                f"{path}: {key}: there is no such section or field",
                hint=nearest(str(key), [*said, "probes", *SESSION])
                or "it has session, subject and probes",
            )
    for section, values in said.items():
        for key in values:
            if key not in _SECTIONS[section]:
                raise MetadataError(
                    f"{path}: {section}.{key}: there is no such field",
                    hint=nearest(str(key), _SECTIONS[section])
                    or f"it has {', '.join(_SECTIONS[section])}",
                )
    found.of_session(**said["session"])
    found.of_subject(**said["subject"])


def _add_probes(found: Facts, given: Any, path: str) -> None:
    if not isinstance(given, list):
        raise MetadataError(f"{path}: probes: {given!r} is no list of probes")
    for i, one in enumerate(given):
        if not isinstance(one, Mapping) or not one.get("label"):
            raise MetadataError(f"{path}: probes[{i}].label: it is missing")
        for key in one:
            if key not in PROBE:
                raise MetadataError(
                    f"{path}: probes[{i}].{key}: there is no such field",
                    hint=nearest(str(key), PROBE) or f"it has {', '.join(PROBE)}",
                )
        found.of_probe(str(one["label"]), **{k: v for k, v in one.items() if k != "label"})


# -- the lab's own file ----------------------------------------------------------------------------


def add_lab(found: Facts, files: Files) -> None:
    """Add what the file beside the labs' folders says, which the demo's lab has."""
    place = files.root / _LAB if files.root else None
    if place is None or not place.is_file():
        return
    given = mapping_of(_text(place), "json", str(place))
    record = files.source.session.record
    session = _first(given, "sessions", "session", record.path)
    lab = _first(given, "labs", "name", record.lab)
    subject = _first(given, "subjects", "nickname", record.subject)
    zone = lab.get("timezone")
    found.narrative = found.narrative or str(session.get("narrative") or "").strip()
    names = {str(one.get("username")): one for one in _rows(given, "users")}
    people = [
        person
        for user in texts(session.get("users"))
        if (one := names.get(user))
        and (person := facts.person_of(one.get("first_name"), one.get("last_name")))
    ]
    found.of_session(
        timezone=zone,
        institution=lab.get("institution"),
        lab=lab.get("name"),
        start_time=facts.local_time(session.get("start_time"), zone),
        end_time=facts.local_time(session.get("end_time"), zone),
        protocol=session.get("task_protocol"),
        location=session.get("location"),
        experimenter=people,
        **{key: texts(session.get(key)) for key in ("projects", "procedures", "users")},
    )
    found.reference_weight = found.reference_weight or subject.get("reference_weight")
    found.of_subject(
        subject_id=subject.get("nickname"),
        species=subject.get("species"),
        sex=subject.get("sex"),
        strain=subject.get("strain"),
        genotype=subject.get("genotype"),
        description=subject.get("description"),
        date_of_birth=subject.get("birth_date"),
    )
    for one in _rows(session, "probes"):
        if one.get("name"):
            said = {key: one.get(key) for key in ("name", "model", "serial")}
            found.of_probe(str(one["name"]), **said)


def _rows(given: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    rows = given.get(name)
    return [one for one in rows if isinstance(one, Mapping)] if isinstance(rows, list) else []


def _first(given: Mapping[str, Any], rows: str, key: str, value: str) -> Mapping[str, Any]:
    return next((one for one in _rows(given, rows) if one.get(key) == value), {})


# -- datasets that describe ------------------------------------------------------------------------


def add_datasets(found: Facts, files: Files) -> None:
    """Add what datasets of the session say: its probes, the experiment, the rig's settings."""
    for name in ("description", "trajectory"):
        for _, text in files.named(rf"(?:.*/)?(?:_\w+_)?probes\.{name}\.json"):
            for one in _listed(text):
                label = one.get("label")
                if not label:
                    continue
                if name == "description":
                    said = {key: one.get(key) for key in ("model", "serial")}
                    found.of_probe(str(label), name=label, **said)
                else:
                    # Before the tracks are traced, it is where the micro-manipulator was.
                    track = trajectory(one, "Micro-manipulator")
                    found.of_probe(str(label), trajectories=[track])
    for path, text in files.named(r"(?:[^/]*/)?_ibl_experiment\.description\.ya?ml"):
        _add_experiment(found, mapping_of(text, "yaml", path))
    for _, text in files.named(r"raw_(?:behavior|task)_data\w*/_\w+_taskSettings\.raw\.json"):
        _add_settings(found, text, files.source.session.record.date.isoformat())


def _listed(text: str) -> list[Mapping[str, Any]]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return []  # the dataset itself is reported where it is carried
    return [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []


def _add_experiment(found: Facts, given: Mapping[str, Any]) -> None:
    tasks = given.get("tasks")
    listed = tasks if isinstance(tasks, list) else []
    names = [str(name) for one in listed if isinstance(one, Mapping) for name in one]
    found.of_session(
        procedures=texts(given.get("procedures")),
        projects=texts(given.get("projects")),
        protocol="/".join(names),
    )


def _add_settings(found: Facts, text: str, day: str) -> None:
    """Add what the rig wrote as a task began; its clock shows the lab's time."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):
        return
    if not isinstance(given, Mapping):
        return
    for key in ("SESSION_START_TIME", "SESSION_DATETIME"):
        began = facts.time_of(str(given.get(key) or ""))
        if began is not None and began.date().isoformat() == day:
            found.of_session(start_time=began.isoformat())
    ended = facts.time_of(str(given.get("SESSION_END_TIME") or ""))
    if ended is not None and ended.date().isoformat() == day:
        found.of_session(end_time=ended.isoformat())
    found.of_session(protocol=given.get("PYBPOD_PROTOCOL"))
