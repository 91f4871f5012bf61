"""What follows when a row is made, changed or deleted, and what forbids it, table by table.

Each function is given a change before it is written, may refuse it, and returns what is to be done
once it is written; all of it is one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest

from fascicle.catalogue import identity
from fascicle.hub import records
from fascicle.hub.generation import touched
from fascicle.hub.models import (
    Channel,
    DataRepository,
    Dataset,
    FileRecord,
    Lab,
    LabMember,
    Note,
    ProbeInsertion,
    Project,
    Session,
    Subject,
    Tag,
    TrajectoryEstimate,
)
from fascicle.hub.places import ODD_PATH
from fascicle.hub.rest import probe_effects
from fascicle.hub.rest.answers import Refused
from fascicle.hub.rest.naming import check_names
from fascicle.hub.rest.notes import keep
from fascicle.hub.setup import REPOSITORY, current

After = Callable[[], object]
#: What clients send that is no field of its table, and has a meaning all the same.
EXTRA = frozenset(("subject", "date", "number", "id", "url", "status_code"))
_USER = ("user", "created_by")
_FORBIDDEN = "You do not have permission to perform this action."


def nothing() -> None:
    """Do nothing."""


def takes_lists(resource: Any) -> bool:
    """Return whether several rows are made by one request."""
    return resource.model is Channel


def may_write(resource: Any, request: HttpRequest, row: Any) -> None:
    """Refuse what the user may not change: users are made by admins, and change themselves."""
    if resource.model is LabMember and not request.user.is_staff and row != request.user:
        raise Refused(403, _FORBIDDEN)


def defaults(row: Any, given: dict[str, Any], request: HttpRequest) -> None:
    """Fill what a new row has if nobody says otherwise: who made it."""
    fields = {field.name: field for field in row._meta.concrete_fields}
    for name in _USER:
        field = fields.get(name)
        if field is not None and field.related_model is LabMember and name not in given:
            setattr(row, name, request.user)


def before_save(change: Any) -> After:
    """Look at a change before it is checked and written.

    Parameters
    ----------
    change : fascicle.hub.rest.writing.Change
        The change; its row has the new values.

    Returns
    -------
    callable
        What is to be done afterwards.
    """
    check_names(change)
    special = _SAVING.get(type(change.row))
    return nothing if special is None else special(change)


def before_delete(row: Any, request: HttpRequest) -> After:
    """Look at a row before it is deleted with all that belongs to it.

    Raises
    ------
    Refused
        If a dataset that would go with it is protected, or too much else would.
    """
    special = _DELETING.get(type(row))
    return nothing if special is None else special(row, request)


def after_many(rows: Sequence[Any]) -> None:
    """Do what follows from new channels."""
    probe_effects.channels_changed({row.trajectory_estimate_id for row in rows})


# -- sessions and subjects ------------------------------------------------------------------------


def _session(change: Any) -> After:
    row: Session = change.row
    row.date = row.start_time.date() if row.start_time else None
    if change.is_new:
        if row.lab_id is None and row.subject_id is not None:
            row.lab_id = row.subject.lab_id
        if "users" not in change.many:
            change.many["users"] = [change.request.user]
        row.pk = session_key(row)
    elif change.changed & {"subject", "start_time", "number", "lab"}:
        _moved(row, change.changed)
    if change.is_new and "parent_session" not in change.values:
        row.parent_session = first_of_day(row)
    return lambda: _note((row.pk,))


def session_key(row: Session) -> UUID:
    """Return the id of a new session, which follows from its place unless that is taken."""
    if row.number is not None and row.date is not None and row.subject_id is not None:
        lab = row.lab.name if row.lab_id is not None else ""
        key = UUID(bytes=identity.session_id(lab, row.subject.nickname, row.date, row.number))
        if not Session.objects.filter(pk=key).exists():
            return key
    return UUID(str(row.pk))


def first_of_day(row: Session) -> Session | None:
    """Return the session of the same subject and day that a new one comes after."""
    if row.date is None or row.subject_id is None:
        return None
    same = Session.objects.filter(subject=row.subject_id, date=row.date).exclude(pk=row.pk)
    earlier = same.filter(number__lt=row.number) if row.number is not None else same
    found: Session | None = earlier.order_by("number", "start_time", "pk").first()
    return found


def _moved(row: Session, changed: set[str]) -> None:
    mine = Q(session=row.pk)
    if "lab" in changed and FileRecord.objects.filter(dataset__session=row.pk).exists():
        raise Refused(
            400, {"lab": ["The session has files, which lie in the folder of its laboratory."]}
        )
    # the paths are those of the row as it is in the database still
    records.keep_paths(mine)


def _subject(change: Any) -> After:
    row: Subject = change.row
    if change.is_new or not change.changed & {"nickname", "lab"}:
        return nothing
    if "nickname" in change.changed:
        records.keep_paths(Q(session__subject=row.pk))
    return lambda: _note_where(subject=row.pk)


def _lab(change: Any) -> After:
    row: Lab = change.row
    if change.is_new or "name" not in change.changed:
        return nothing
    if FileRecord.objects.filter(dataset__session__lab=row.pk).exists():
        raise Refused(400, {"name": ["The laboratory has files in a folder of its name."]})
    return lambda: _note_where(lab=row.pk)


def _project(change: Any) -> After:
    row: Project = change.row
    if change.is_new or "name" not in change.changed:
        return nothing
    return lambda: _note_where(projects=row.pk)


def _delete_sessions(where: dict[str, Any]) -> After:
    _unprotected(Q(**{f"session__{key}": value for key, value in where.items()}))
    eids = list(Session.objects.filter(**where).values_list("pk", flat=True))
    Note.objects.filter(content_type__model="session", object_id__in=eids).delete()
    return lambda: _note(eids, gone=True)


def _delete_session(row: Session, request: HttpRequest) -> After:
    return _delete_sessions({"pk": row.pk})


def _delete_subject(row: Subject, request: HttpRequest) -> After:
    return _delete_sessions({"subject": row.pk})


def _delete_lab(row: Lab, request: HttpRequest) -> After:
    count = row.subjects.count()
    if count:
        raise Refused(403, f"Failed to delete lab {row.name} since it has {count} subjects")
    return _unchanged_sessions({"lab": row.pk})


def _delete_project(row: Project, request: HttpRequest) -> After:
    return _unchanged_sessions({"projects": row.pk})


def _unchanged_sessions(where: dict[str, Any]) -> After:
    eids = list(Session.objects.filter(**where).values_list("pk", flat=True))
    return lambda: _note(eids)


def _member(change: Any) -> After:
    if change.is_new:
        change.row.set_unusable_password()  # fascicle hub user password NAME gives one
    return nothing


def _delete_member(row: LabMember, request: HttpRequest) -> After:
    if not request.user.is_staff:
        raise Refused(403, _FORBIDDEN)
    others = LabMember.objects.filter(is_superuser=True, is_active=True).exclude(pk=row.pk)
    if row.is_superuser and not others.exists():
        raise Refused(403, f"Failed to delete user {row.username}: nobody else is an admin")
    return nothing


# -- datasets and their copies --------------------------------------------------------------------

#: What a dataset is; all else is said about it, and may be said of a protected one too.
_IDENTITY = frozenset(("name", "collection", "revision", "session", "hash", "file_size"))


def _dataset(change: Any) -> After:
    row: Dataset = change.row
    if change.is_new:
        _find_session(change)
        row.pk = dataset_key(row)
    else:
        if change.changed & _IDENTITY:
            _unprotected(Q(pk=row.pk), "change")
        if change.changed & {"name", "collection", "revision", "session"}:
            records.keep_paths(Q(pk=row.pk))
    if "tags" in change.many and not change.is_new:
        kept = {tag.pk for tag in change.many["tags"]}
        if row.tags.filter(protected=True).exclude(pk__in=kept).exists():
            _admin(change.request, f"Failed to take protected tags off dataset {row.name}")
    if any(tag.open for tag in change.many.get("tags", ())):
        had = () if change.is_new else row.tags.filter(open=True).values_list("pk", flat=True)
        if {tag.pk for tag in change.many["tags"] if tag.open} - set(had):
            _admin(change.request, "Failed to add to a release that is read without a login")

    def after() -> None:
        if row.default_dataset and (change.is_new or "default_dataset" in change.changed):
            only_default(row)
        if row.session_id is not None:
            if change.is_new or change.changed & {"collection", "session"}:
                records.link_insertions((row.session_id,))
            _note((row.session_id,))
        if change.changed & {"hash"}:
            records.set_online((row.pk,))

    return after


def only_default(row: Dataset) -> None:
    """Let no other revision of a dataset be the default."""
    same = Dataset.objects.filter(
        session=row.session_id, collection=row.collection, name=row.name, default_dataset=True
    )
    same.exclude(pk=row.pk).update(default_dataset=False)


def dataset_key(row: Dataset) -> UUID:
    """Return the id of a new dataset, which follows from its place unless that is taken."""
    if row.session_id is not None:
        parts = [row.collection, f"#{row.revision.name}#" if row.revision_id else "", row.name]
        path = "/".join(part for part in parts if part)
        key = UUID(bytes=identity.dataset_id(row.session_id.bytes, path))
        if not Dataset.objects.filter(pk=key).exists():
            return key
    return UUID(str(row.pk))


def _find_session(change: Any) -> None:
    given, row = change.given, change.row
    if row.session_id is not None or not given.get("subject"):
        return
    day = str(given.get("date") or "")[:10]
    number = given.get("number") or 1
    found = None
    if len(day) == 10 and day.replace("-", "").isdigit() and str(number).isdigit():
        rows = Session.objects.filter(subject__nickname=given["subject"], number=int(number))
        found = rows.filter(start_time__date=day).first()
    if found is None:
        raise Refused(400, {"session": ["There is no session of this subject, date and number."]})
    row.session = found


def _delete_dataset(row: Dataset, request: HttpRequest) -> After:
    _unprotected(Q(pk=row.pk))
    eids = (row.session_id,) if row.session_id is not None else ()
    return lambda: _note(eids)


def _unprotected(where: Q, verb: str = "delete") -> None:
    found = records.protecting(where)
    if found:
        name, tags = found[0]
        listed = ", ".join(f'"{tag}"' for tag in tags)
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise Refused(
            403, f"Failed to {verb} dataset {name}{more} due to protected tag(s) {listed}"
        )


def _admin(request: HttpRequest, what: str) -> None:
    if not request.user.is_staff:
        raise Refused(403, f"{what}: an admin may")


def _record(change: Any) -> After:
    row: FileRecord = change.row
    before = {row.dataset_id}
    if not change.is_new:
        before |= set(FileRecord.objects.filter(pk=row.pk).values_list("dataset_id", flat=True))
    if row.relative_path:
        row.relative_path = relative_path(row.relative_path)
    # Where a file lies in the hub's folder, its import found out: nobody points it at another.
    known = FileRecord.objects.filter(pk=row.pk).values_list("json", flat=True).first()
    if _odd_path(row.json) not in (None, _odd_path(known)):
        raise Refused(400, {"json": [f"{ODD_PATH!r} is kept by the hub."]})
    if row.dataset_id is not None and row.relative_path:
        natural = records.natural_paths((row.dataset_id,))
        if natural.get(row.dataset_id) == row.relative_path:
            row.relative_path = ""
    return lambda: _copies_changed(before)


def _odd_path(json: Any) -> Any:
    return json.get(ODD_PATH) if isinstance(json, dict) else None


def relative_path(text: str) -> str:
    """Return a path below a repository.

    Raises
    ------
    Refused
        If it leads out of it.
    """
    parts = text.replace("\\", "/").split("/")
    hidden = any(part.startswith(".") and part != "." for part in parts)
    if text.startswith("/") or hidden or not text.isprintable() or ":" in parts[0]:
        raise Refused(400, {"relative_path": ["A path below the repository is expected."]})
    return "/".join(part for part in parts if part not in ("", "."))


def _copies_changed(datasets: Iterable[Any]) -> None:
    ids = [pk for pk in datasets if pk is not None]
    records.set_online(ids)
    _note_datasets(ids)


def _note_datasets(ids: Sequence[Any]) -> None:
    rows = Dataset.objects.filter(pk__in=ids, session__isnull=False)
    _note(rows.order_by().values_list("session_id", flat=True))


def _delete_record(row: FileRecord, request: HttpRequest) -> After:
    return lambda: _copies_changed((row.dataset_id,))


def _tag(change: Any) -> After:
    row: Tag = change.row
    if not change.is_new and "protected" in change.changed and not row.protected:
        _admin(change.request, f"Failed to lift the protection of tag {row.name}")
    return nothing if change.is_new else lambda: _tag_changed(row)


def _tag_changed(row: Tag) -> None:
    rows = Dataset.objects.filter(tags=row.pk, session__isnull=False)
    _note(rows.order_by().values_list("session_id", flat=True))


def _delete_tag(row: Tag, request: HttpRequest) -> After:
    if row.protected:
        _admin(request, f"Failed to delete protected tag {row.name}")
    _tag_changed(row)
    return nothing


def _repository(change: Any) -> After:
    """Let admins alone say where files are fetched: clients show their passwords there."""
    row: DataRepository = change.row
    before = None if change.is_new else DataRepository.objects.filter(pk=row.pk).first()
    for one in (before, row):
        if one is not None and (one.data_url or one.name == REPOSITORY):
            _admin(change.request, f"Failed to write data repository {one.name}, of an address")
    if before is not None and before.name == REPOSITORY != row.name:
        raise Refused(400, {"name": ["This is the hub's own folder."]})
    return nothing


def _delete_repository(row: DataRepository, request: HttpRequest) -> After:
    if row.name == REPOSITORY:
        raise Refused(403, "Failed to delete data repository hub: it is the hub's own folder")
    if row.data_url:
        _admin(request, f"Failed to delete data repository {row.name}, of an address")
    return nothing


# -- notes ----------------------------------------------------------------------------------------


def _note_row(change: Any) -> After:
    row: Note = change.row
    model = row.content_type.model_class() if row.content_type_id is not None else None
    if model is None or not model._default_manager.filter(pk=row.object_id).exists():
        raise Refused(400, {"object_id": ["There is nothing of this id to write a note about."]})
    image = row.image
    if not isinstance(image, UploadedFile):
        return nothing
    row.image = ""

    def after() -> None:
        row.image = keep(image)  # a file without a row does no harm, the other way it would
        row.save(update_fields=["image"])

    return after


def _delete_note(row: Note, request: HttpRequest) -> After:
    if row.image:
        path = current().uploads / row.image
        transaction.on_commit(lambda: path.unlink(missing_ok=True))
    return nothing


# -- what clients have to fetch again -------------------------------------------------------------


def _note(eids: Iterable[Any], *, gone: bool = False) -> None:
    touched(list(eids), gone=gone)


def _note_where(**where: Any) -> None:
    _note(Session.objects.filter(**where).order_by().values_list("pk", flat=True))


_SAVING: dict[type, Callable[[Any], After]] = {
    Session: _session,
    Subject: _subject,
    Lab: _lab,
    Project: _project,
    LabMember: _member,
    Dataset: _dataset,
    FileRecord: _record,
    DataRepository: _repository,
    Tag: _tag,
    Note: _note_row,
    ProbeInsertion: probe_effects.insertion,
    TrajectoryEstimate: probe_effects.trajectory,
    Channel: probe_effects.channel,
}
_DELETING: dict[type, Callable[[Any, HttpRequest], After]] = {
    Session: _delete_session,
    Subject: _delete_subject,
    Lab: _delete_lab,
    Project: _delete_project,
    LabMember: _delete_member,
    Dataset: _delete_dataset,
    FileRecord: _delete_record,
    DataRepository: _delete_repository,
    Tag: _delete_tag,
    Note: _delete_note,
    ProbeInsertion: probe_effects.delete_insertion,
    TrajectoryEstimate: probe_effects.delete_trajectory,
    Channel: probe_effects.delete_channel,
}
