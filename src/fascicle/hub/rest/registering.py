"""What a registration says, checked: a session or another row, files with all that is known."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest

from fascicle.alf.names import parse_folder
from fascicle.hub.models import (
    QC,
    DataRepository,
    Dataset,
    Lab,
    LabMember,
    Session,
    Subject,
)
from fascicle.hub.places import place_of
from fascicle.hub.rest.answers import Refused
from fascicle.hub.rest.effects import first_of_day, session_key
from fascicle.hub.rest.notes import about
from fascicle.hub.rest.values import Invalid, clean_text

#: Files of one request.
MOST_FILES = 5_000
_SESSION = re.compile(r"(?:[\w-]+/Subjects/)?([\w.~-]+)/(\d{4}-\d{2}-\d{2})/(\d{1,3})(?:/(.*))?\Z")
_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}\Z")
_QC = {str(label): int(value) for value, label in QC.choices}


def refused(message: str, hint: str = "") -> Refused:
    """Return the error for a registration that means nothing, in Alyx's words and form."""
    return Refused(400, {"error": message, **({"hint": hint} if hint else {})})


@dataclass(slots=True)
class Entry:
    """One file of a registration.

    Attributes
    ----------
    given : str
        As the client wrote it.
    collection, revision, name : str
        Where it belongs.
    hash, version : str or None
        None where nothing is said.
    size, qc : int or None
        None where nothing is said.
    exists, default : bool
        Whether the file is there, and whether it is the default of its revisions.
    """

    given: str
    collection: str
    revision: str
    name: str
    hash: str | None = None
    size: int | None = None
    version: str | None = None
    qc: int | None = None
    exists: bool = True
    default: bool = True

    @property
    def key(self) -> tuple[str, str]:
        """What its revisions have in common."""
        return self.collection, self.name


@dataclass(slots=True)
class Owner:
    """What files belong to: a session, or any other row."""

    session: Session | None = None
    kind: ContentType | None = None
    key: UUID | None = None
    #: Place of a session that is not there yet: subject, day and number.
    place: tuple[Subject, date, int] | None = None
    rest: str = ""

    def datasets(self) -> Any:
        """Return the datasets that it has."""
        if self.session is not None:
            return Dataset.objects.filter(session=self.session.pk)
        if self.kind is not None:
            return Dataset.objects.filter(
                session__isnull=True, content_type=self.kind, object_id=self.key
            )
        return Dataset.objects.none()

    @property
    def lab(self) -> Lab | None:
        """The laboratory by default."""
        if self.session is not None:
            return self.session.lab or self.session.subject.lab
        return self.place[0].lab if self.place is not None else None

    def make(self, user: LabMember, labs: Sequence[Lab] = ()) -> None:
        """Make the session if it is not there, and let the user have taken part."""
        if self.place is not None:
            subject, day, number = self.place
            row = Session(
                subject=subject,
                lab=labs[0] if labs else subject.lab,
                number=number,
                start_time=datetime.combine(day, time.min),
                date=day,
            )
            row.pk = session_key(row)
            row.parent_session = first_of_day(row)
            row.save(force_insert=True)
            self.session, self.place = row, None
        if self.session is not None:
            self.session.users.add(user)


@dataclass(slots=True)
class Registration:
    """What a request for registration says."""

    user: LabMember
    owner: Owner
    entries: list[Entry]
    labs: list[Lab] = field(default_factory=list)
    named: DataRepository | None = None
    server_only: bool = False
    check_protected: bool = False


def read(given: Any, request: HttpRequest) -> Registration:
    """Check what a client sends to be registered.

    Parameters
    ----------
    given : object
        The body of the request.
    request : HttpRequest
        The request; its user is who registers, if nobody else is named.

    Raises
    ------
    Refused
        With 400 if it means nothing, with 404 if the subject or the user is not there.
    """
    if not isinstance(given, dict):
        raise refused("one registration is expected, as a JSON object")
    try:
        owner = _owner(given)
        entries = _entries(given, owner.rest)
        named = _repository(given)
        labs = _labs(given, owner)
    except Invalid as error:
        raise refused(str(error)) from None
    return Registration(
        user=_user(given, request),
        owner=owner,
        entries=entries,
        labs=labs,
        named=named,
        server_only=_flag(given.get("server_only"), False),
        check_protected=_flag(given.get("check_protected"), False),
    )


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise refused(f"{name} is text")
    return clean_text(value).strip()


def _flag(value: Any, default: bool) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in ("true", "1", "yes")
    return default if value is None else bool(value)


def _user(given: dict[str, Any], request: HttpRequest) -> LabMember:
    name = _text(given, "created_by")
    if not name:
        return request.user
    found: LabMember | None = LabMember.objects.filter(username=name).first()
    if found is None:
        raise Refused(404, "No LabMember matches the given query.")
    return found


def _owner(given: dict[str, Any]) -> Owner:
    path = _text(given, "path").strip("/")
    if given.get("content_type") and str(given["content_type"]).lower().rpartition(".")[2] != (
        "session"
    ):
        kind = about(given["content_type"])
        try:
            key = UUID(str(given.get("object_id")))
        except ValueError:
            raise refused("object_id is the id (UUID) of what the files belong to") from None
        model = kind.model_class()
        if model is None or not model._default_manager.filter(pk=key).exists():
            raise Refused(404, f"No {kind.model} matches the given query.")
        return Owner(kind=kind, key=key, rest=path)
    found = _SESSION.match(path)
    day = _day(found[2]) if found is not None else None
    if found is None or day is None:
        raise refused(f"The path {path[:200]} should be `nickname/YYYY-MM-DD/n/...")
    subject = Subject.objects.select_related("lab").filter(nickname=found[1]).first()
    if subject is None:
        raise Refused(404, "No Subject matches the given query.")
    number, rest = int(found[3]), found[4] or ""
    sessions = Session.objects.select_related("subject__lab", "lab")
    session = sessions.filter(subject=subject, date=day, number=number).first()
    if session is None:
        return Owner(place=(subject, day, number), rest=rest)
    return Owner(session=session, rest=rest)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _list(given: dict[str, Any], name: str) -> list[Any]:
    """Return what is said of each file: a list, or text with commas."""
    value = given.get(name)
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")] if value.strip() else []
    return list(value) if isinstance(value, list | tuple) else [] if value is None else [value]


def _each(given: dict[str, Any], name: str, count: int) -> Sequence[Any]:
    values = _list(given, name)
    if not values:
        return [None] * count
    if len(values) == 1 and not isinstance(given[name], list):
        return values * count  # one for all
    if len(values) != count:
        raise refused(f"{name} has {len(values)} values for {count} files")
    return values


def _entries(given: dict[str, Any], folder: str) -> list[Entry]:
    names = _list(given, "filenames")
    if not names:
        raise refused("filenames names no file")
    if len(names) > MOST_FILES:
        raise refused(f"one request registers at most {MOST_FILES:,} files")
    n = len(names)
    columns = zip(
        names,
        _each(given, "hashes", n),
        _each(given, "filesizes", n),
        _each(given, "versions", n),
        _each(given, "qc", n),
        _each(given, "exists", n),
        _each(given, "default", n),
        strict=True,
    )
    entries = []
    for name, digest, size, version, qc, exists, default in columns:
        entry = _entry(name, folder)
        entry.hash = _short(digest, "hash", 64)
        entry.size = _size(size)
        entry.version = _short(version, "version", 64)
        entry.qc = _quality(qc)
        entry.exists = _flag(exists, True)
        entry.default = _flag(default, True)
        entries.append(entry)
    places = {(entry.key, entry.revision) for entry in entries}
    if len(places) != len(entries):
        raise refused("a file is named twice")
    return entries


def _entry(name: Any, folder: str) -> Entry:
    if not isinstance(name, str):
        raise refused("filenames are text")
    given = clean_text(name).strip()
    whole = f"{folder}/{given}" if folder else given
    inner, _, last = whole.rpartition("/")
    if not _NAME.match(last) or last in (".", ".."):
        raise refused(f"{given[:200]!r} is no name of a file")
    parts = parse_folder(inner)
    if parts is None or len(parts.collection) > 255:
        raise refused(
            f"The folder of {whole[:200]!r} does not follow the convention",
            "collection/#revision#/name, of letters, digits, _, - and .",
        )
    place = place_of(whole)
    return Entry(given, place.collection, place.revision, place.name)


def _short(value: Any, what: str, length: int) -> str | None:
    if value is None or value == "":
        return None
    text = clean_text(str(value)).strip()
    if isinstance(value, list | dict) or len(text) > length:
        raise refused(f"a {what} has at most {length} characters")
    return text


def _size(value: Any) -> int | None:
    if value is None or value == "":
        return None
    try:
        size = -1 if isinstance(value, bool) or len(str(value)) > 20 else int(value)
    except (TypeError, ValueError, OverflowError):
        size = -1
    if not 0 <= size < 2**63:
        raise refused(f"{str(value)[:40]!r} is no size of a file in bytes")
    return size


def _quality(value: Any) -> int | None:
    if value is None or value == "":
        return None
    text = str(value).strip().upper()
    if text in _QC:
        return _QC[text]
    if text.isdigit() and len(text) < 4 and int(text) in _QC.values():
        return int(text)
    raise refused(f"{str(value)[:40]!r} is no quality: {', '.join(_QC)}")


def _repository(given: dict[str, Any]) -> DataRepository | None:
    name, host = _text(given, "name"), _text(given, "hostname")
    if not name and not host:
        return None
    rows = DataRepository.objects.filter(**({"name": name} if name else {"hostname": host}))
    found: DataRepository | None = rows.order_by("name").first()
    if found is None:
        known = ", ".join(DataRepository.objects.values_list("name", flat=True)[:50])
        raise refused(f"There is no data repository {name or host!r}", f"there are: {known}")
    return found


def _labs(given: dict[str, Any], owner: Owner) -> list[Lab]:
    names = _list(given, "labs") or _list(given, "projects")
    rows = Lab.objects.filter(name__in=[n for n in names if isinstance(n, str)])
    labs = list(rows.order_by("name"))
    if given.get("labs") and len(labs) != len(set(map(str, names))):
        raise refused(f"There is no laboratory of one of these names: {', '.join(map(str, names))}")
    if labs:
        return labs
    return [owner.lab] if owner.lab is not None else []
