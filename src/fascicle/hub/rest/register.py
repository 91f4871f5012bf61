"""Registration of files, and what else clients say about files: one transaction each.

Whatever was answered with success is written to the disk: a server that is killed loses none of
it, and none of a request that was not answered is there in part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.db.models import Count, F, Q
from django.http import HttpRequest, HttpResponse

from fascicle.catalogue import identity
from fascicle.hub import records
from fascicle.hub.generation import touched
from fascicle.hub.kinds import DataFormats, DatasetTypes
from fascicle.hub.models import (
    DataRepository,
    Dataset,
    Download,
    FileRecord,
    LabMember,
    Project,
    Revision,
)
from fascicle.hub.paths import natural_path
from fascicle.hub.rest.answers import Refused, answer, not_allowed, refusal
from fascicle.hub.rest.auth import body_of
from fascicle.hub.rest.registering import Entry, Registration, read, refused
from fascicle.hub.setup import REPOSITORY, current

PROTECTED = "One or more datasets is protected"
_MOST_SYNCED = 20_000
_WRITTEN = ("hash", "file_size", "version", "qc", "default_dataset", "auto_datetime")

Protection = list[dict[str, list[dict[str, bool]]]]


def register_file(request: HttpRequest) -> HttpResponse:
    """Answer a registration with the datasets that it made or changed."""
    return _post(request, lambda given: answer(register(read(given, request)), 201))


def check_protected(request: HttpRequest) -> HttpResponse:
    """Answer whether files may be registered: with 200, and the status of a registration within."""
    if request.method not in ("GET", "HEAD"):
        return refusal(not_allowed(request.method, "GET, HEAD, OPTIONS"))
    try:
        asked = read(body_of(request), request)
        found, is_protected = protection(asked)
    except Refused as error:
        return refusal(error)
    if is_protected:
        return answer({"status_code": 403, "error": PROTECTED, "details": found})
    return answer(
        {"status_code": 200, "details": "None of the datasets are protected"},
    )


def new_download(request: HttpRequest) -> HttpResponse:
    """Answer a note that a user fetched datasets."""
    return _post(request, lambda given: answer(_count_downloads(given, request), 201))


def sync_file_status(request: HttpRequest) -> HttpResponse:
    """Answer which copies are there; a POST looks at the hub's own folder first."""
    if request.method in ("GET", "HEAD"):
        return answer(_status())
    return _post(request, lambda given: answer(_synchronise(given)))


def _post(request: HttpRequest, do: Callable[[Any], HttpResponse]) -> HttpResponse:
    try:
        if request.method != "POST":
            raise not_allowed(request.method, "POST, OPTIONS")
        given = body_of(request)
        try:
            with transaction.atomic():
                return do(given)
        except IntegrityError:
            # Another process registered the same at the same moment
            raise Refused(
                503, "The same is being registered by another.", {"Retry-After": "1"}
            ) from None
    except Refused as error:
        return refusal(error)


# -- what is protected ----------------------------------------------------------------------------


def protection(asked: Registration) -> tuple[Protection, bool]:
    """Return, for each file, its revisions and whether they are protected, latest first.

    Parameters
    ----------
    asked : Registration
        The files.

    Returns
    -------
    list of dict
        For each file, by its name as given, a list of revisions; empty if there is none.
    bool
        Whether one of the files may not be registered as it is called: its revision is protected,
        or it names none and one of its revisions is.
    """
    wanted = {entry.key for entry in asked.entries}
    rows = asked.owner.datasets().filter(name__in={name for _, name in wanted})
    revisions: dict[tuple[str, str], dict[str, bool]] = {}
    for collection, name, revision, tag in rows.values_list(
        "collection", "name", "revision__name", "tags__protected"
    ):
        known = revisions.setdefault((collection, name), {})
        known[revision or ""] = known.get(revision or "", False) or bool(tag)
    found: Protection = []
    is_protected = False
    for entry in asked.entries:
        known = revisions.get(entry.key, {})
        found.append({entry.given: [{one: known[one]} for one in sorted(known, reverse=True)]})
        is_protected |= known.get(entry.revision, False)
        is_protected |= not entry.revision and any(known.values())
    return found, is_protected


# -- registration ---------------------------------------------------------------------------------


def register(asked: Registration) -> list[dict[str, Any]]:
    """Write files down, in the transaction of the caller.

    Parameters
    ----------
    asked : Registration
        What is registered.

    Returns
    -------
    list of dict
        The datasets, in the order of the files.

    Raises
    ------
    Refused
        With 403 if something is protected, with 400 if a file is of no known type.
    """
    if asked.check_protected:
        found, is_protected = protection(asked)
        if is_protected:
            raise Refused(403, {"error": PROTECTED, "details": found})
    places = _repositories(asked)
    asked.owner.make(asked.user, asked.labs)
    writer = _Writer(asked)
    rows = [writer.write(entry) for entry in asked.entries]
    writer.finish(places)
    return _answers(asked, rows)


def _repositories(asked: Registration) -> list[DataRepository]:
    """Return the places of the laboratories' files, the one that is named among them."""
    found = DataRepository.objects.filter(lab__in=asked.labs).order_by("name").distinct()
    if asked.server_only:
        found = found.filter(globus_is_personal=False)
    places = list(found)
    if asked.named is not None and asked.named not in places:
        places.append(asked.named)
    if not places:
        raise refused(
            "No data repository: name one, or a laboratory that has some",
            f'"name": "{REPOSITORY}" is the hub\'s own folder',
        )
    return places


class _Writer:
    """Writes the datasets of one registration, and then all copies at once."""

    def __init__(self, asked: Registration) -> None:
        self.asked = asked
        self.types = DatasetTypes()
        self.formats = DataFormats()
        self.formats.make_for(entry.name for entry in asked.entries)
        self.revisions = {
            name: Revision.objects.get_or_create(name=name)[0]
            for name in {entry.revision for entry in asked.entries if entry.revision}
        }
        names = {entry.name for entry in asked.entries}
        rows = asked.owner.datasets().filter(name__in=names).select_related("revision")
        self.known = {
            (row.collection, row.name, row.revision.name if row.revision else ""): row
            for row in rows.select_for_update(of=("self",))
        }
        protected = rows.filter(tags__protected=True).values_list("pk", flat=True)
        self.protected = set(protected.order_by())
        self.written: list[tuple[Entry, Dataset]] = []
        self.patched: set[UUID] = set()
        self.fresh: list[Dataset] = []
        self.changed: list[Dataset] = []

    def write(self, entry: Entry) -> Dataset:
        """Make or change one dataset; `finish` writes it."""
        row = self.known.get((entry.collection, entry.name, entry.revision))
        if row is None:
            row = self._new(entry)
        else:
            self._change(row, entry)
        self.written.append((entry, row))
        return row

    def _new(self, entry: Entry) -> Dataset:
        kind = self.types.of(entry.name)
        if kind is None:
            raise Refused(
                400,
                {
                    "detail": f'No dataset type found for filename "{entry.name}"',
                    "hint": "make one whose filename_pattern fits: POST /dataset-types",
                },
            )
        owner = self.asked.owner
        row = Dataset(
            name=entry.name,
            session=owner.session,
            content_type=owner.kind,
            object_id=owner.key,
            dataset_type_id=kind,
            data_format_id=self.formats.of(entry.name),
            collection=entry.collection,
            revision=self.revisions.get(entry.revision),
            default_dataset=entry.default,
            file_size=entry.size,
            hash=entry.hash or "",
            version=entry.version or "",
            qc=entry.qc or 0,
            created_by=self.asked.user,
        )
        if owner.session is not None:
            path = natural_path(None, None, None, entry.collection, entry.revision, entry.name)
            row.pk = UUID(bytes=identity.dataset_id(owner.session.pk.bytes, path))
        self.fresh.append(row)
        return row

    def _change(self, row: Dataset, entry: Entry) -> None:
        is_other = (entry.hash is not None and bool(row.hash) and entry.hash != row.hash) or (
            entry.size is not None and row.file_size is not None and entry.size != row.file_size
        )
        if is_other:
            if row.pk in self.protected:
                found, _ = protection(self.asked)
                raise Refused(403, {"error": PROTECTED, "details": found})
            self.patched.add(row.pk)
            if entry.hash is None:
                row.hash = ""  # that of the former content
            if entry.size is None:
                row.file_size = None
        if entry.hash is not None:
            row.hash = entry.hash
        if entry.size is not None:
            row.file_size = entry.size
        if entry.version is not None:
            row.version = entry.version
        if entry.qc is not None:
            row.qc = entry.qc
        row.default_dataset = entry.default
        row.auto_datetime = datetime.now()
        self.changed.append(row)

    def _save(self) -> None:
        """Write the datasets, all at once."""
        ids = [row.pk for row in self.fresh]
        taken = set(Dataset.objects.filter(pk__in=ids).values_list("pk", flat=True))
        for row in self.fresh:
            if row.pk in taken:  # another dataset had this place once, and was renamed
                row.pk = uuid4()
        Dataset.objects.bulk_create(self.fresh, batch_size=500)
        Dataset.objects.bulk_update(self.changed, _WRITTEN, batch_size=500)

    def finish(self, places: Sequence[DataRepository]) -> None:
        """Write the datasets, their copies, and what follows from both."""
        self._save()
        ids = [row.pk for _, row in self.written]
        known = {
            (record.dataset_id, record.data_repository_id): record
            for record in FileRecord.objects.filter(dataset__in=ids, data_repository__in=places)
        }
        fresh, changed = [], []
        for entry, row in self.written:
            for place in places:
                exists = self._exists(entry, place)
                record = known.get((row.pk, place.pk))
                if record is None:
                    fresh.append(FileRecord(dataset=row, data_repository=place, exists=exists))
                elif row.pk in self.patched or (exists and not record.exists):
                    record.exists = exists
                    changed.append(record)
        FileRecord.objects.bulk_create(fresh, batch_size=500)
        FileRecord.objects.bulk_update(changed, ["exists"], batch_size=500)
        records.lost_elsewhere(self.patched, [place.pk for place in places])
        records.set_online(ids)
        self._defaults()
        session = self.asked.owner.session
        if session is not None:
            if self.fresh:
                records.link_insertions((session.pk,))
            touched((session.pk,))

    def _exists(self, entry: Entry, place: DataRepository) -> bool:
        """Return whether a place has a file: the one that is named; else what can be looked at."""
        named = self.asked.named
        if named is not None:
            return entry.exists and place.pk == named.pk
        return entry.exists and place.name == REPOSITORY and self._is_here(entry)

    def _is_here(self, entry: Entry) -> bool:
        folder, session = current().folder, self.asked.owner.session
        if folder is None or session is None:
            return False
        lab = session.lab or session.subject.lab
        path = natural_path(
            session.subject.nickname,
            session.date,
            session.number,
            entry.collection,
            entry.revision,
            entry.name,
        )
        return (folder / lab.name / "Subjects" / path).is_file()

    def _defaults(self) -> None:
        """Let the last that is registered as a default be the only one of its revisions."""
        last = {entry.key: row.pk for entry, row in self.written if entry.default}
        rows = [*self.known.values(), *(row for _, row in self.written)]
        lost = {row.pk for row in rows if last.get((row.collection, row.name), row.pk) != row.pk}
        for ids in records.batches(lost):
            Dataset.objects.filter(pk__in=ids, default_dataset=True).update(default_dataset=False)


def _answers(asked: Registration, rows: Sequence[Dataset]) -> list[dict[str, Any]]:
    ids = [row.pk for row in rows]
    paths = records.natural_paths(ids)
    copies: dict[UUID, list[dict[str, Any]]] = {}
    found = FileRecord.objects.filter(dataset__in=ids).order_by("data_repository__name")
    for key, owner, name, path, exists in found.values_list(
        "pk", "dataset_id", "data_repository__name", "relative_path", "exists"
    ):
        copies.setdefault(owner, []).append(
            {
                "id": key,
                "data_repository": name,
                "relative_path": path or paths[owner],
                "exists": exists,
            }
        )
    session = asked.owner.session
    users = "" if session is None else ",".join(session.users.values_list("username", flat=True))
    known = {
        key: more
        for key, *more in Dataset.objects.filter(pk__in=ids).values_list(
            "pk",
            "file_size",
            "created_by__username",
            "created_datetime",
            "dataset_type__name",
            "data_format__name",
            "revision__name",
            "default_dataset",
            "qc",
        )
    }
    out = []
    for row in rows:
        size, by, created, kind, form, revision, default, qc = known[row.pk]
        out.append(
            {
                "id": row.pk,
                "name": row.name,
                "file_size": size,
                "subject": session.subject.nickname if session is not None else None,
                "created_by": by,
                "created_datetime": created,
                "dataset_type": kind,
                "data_format": form,
                "session": session.pk if session is not None else None,
                "session_number": session.number if session is not None else None,
                "session_users": users,
                "session_start_time": session.start_time if session is not None else None,
                "collection": row.collection,
                "revision": revision or "",
                "default": default,
                "qc": qc,
                "file_records": copies.get(row.pk, []),
            }
        )
    return out


# -- downloads ------------------------------------------------------------------------------------


def _ids(given: Any, name: str) -> list[UUID]:
    value = given.get(name) if isinstance(given, dict) else None
    values = value if isinstance(value, list) else [] if value is None else [value]
    try:
        return [UUID(str(one).rstrip("/").rpartition("/")[2]) for one in values]
    except ValueError:
        raise refused(f"{name} are ids (UUID)") from None


def _count_downloads(given: Any, request: HttpRequest) -> dict[str, list[Any]]:
    ids = _ids(given, "datasets")
    if not ids or len(ids) > _MOST_SYNCED:
        raise refused(f"datasets are ids, at least one and at most {_MOST_SYNCED:,}")
    name = given.get("user") or request.user.username
    user = LabMember.objects.filter(username=str(name).replace("\x00", "")).first()
    if user is None:
        raise Refused(404, "No LabMember matches the given query.")
    if user != request.user and not request.user.is_staff:
        user = request.user  # nobody counts for another
    there = set(Dataset.objects.filter(pk__in=ids).values_list("pk", flat=True))
    if len(there) != len(set(ids)):
        raise Refused(404, "No Dataset matches the given query.")
    names = given.get("projects") or []
    names = [names] if isinstance(names, str) else names if isinstance(names, list) else []
    projects = list(Project.objects.filter(name__in=[n for n in names if isinstance(n, str)]))
    made: list[Any] = []
    counts: list[int] = []
    for key in ids:
        row, _ = Download.objects.get_or_create(user=user, dataset_id=key)
        Download.objects.filter(pk=row.pk).update(count=F("count") + 1)
        row.refresh_from_db(fields=["count"])
        row.save(update_fields=["last_download"])
        row.projects.add(*projects)
        made.append(row.pk)
        counts.append(row.count)
    return {"download": made, "count": counts}


# -- copies that are there ------------------------------------------------------------------------


def _status() -> dict[str, Any]:
    rows = DataRepository.objects.order_by("name").annotate(
        there=Count("files", filter=Q(files__exists=True)),
        missing=Count("files", filter=Q(files__exists=False)),
    )
    results = [
        {"data_repository": name, "exists": there, "missing": missing}
        for name, there, missing in rows.values_list("name", "there", "missing")
    ]
    return {"count": len(results), "next": None, "previous": None, "results": results}


def _synchronise(given: Any) -> dict[str, Any]:
    """Look at the hub's own folder for the files of some datasets."""
    ids = _ids(given, "datasets")
    folder = current().folder
    if not ids or len(ids) > _MOST_SYNCED:
        raise refused(f"datasets are ids, at least one and at most {_MOST_SYNCED:,}")
    if folder is None:
        raise refused("this hub has no folder of its own to look at")
    rows = FileRecord.objects.filter(dataset__in=ids, data_repository__name=REPOSITORY)
    labs = dict(Dataset.objects.filter(pk__in=ids).values_list("pk", "session__lab__name"))
    paths = records.natural_paths(ids)
    changed = []
    for row in rows:
        lab = labs.get(row.dataset_id)
        root = folder / lab / "Subjects" if lab else folder / "aggregates"
        exists = (root / (row.relative_path or paths[row.dataset_id])).is_file()
        if exists != row.exists:
            row.exists = exists
            changed.append(row)
    FileRecord.objects.bulk_update(changed, ["exists"], batch_size=500)
    records.set_online(ids)
    eids = Dataset.objects.filter(pk__in=[row.dataset_id for row in changed])
    touched(eids.filter(session__isnull=False).values_list("session_id", flat=True))
    return {"checked": len(rows), "changed": [row.dataset_id for row in changed]}
