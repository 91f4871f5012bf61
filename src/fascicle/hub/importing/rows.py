"""Sessions of a folder as rows: made where they are new, compared where they are known."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from fascicle.catalogue import Catalogue
from fascicle.catalogue import Session as Found
from fascicle.catalogue.schema import session_folder
from fascicle.hub.generation import touched
from fascicle.hub.importing.base import Names, hub_repository, lab_named, make
from fascicle.hub.importing.report import ImportReport, chunks
from fascicle.hub.kinds import DataFormats, DatasetTypes
from fascicle.hub.models import (
    Dataset,
    FileRecord,
    Lab,
    Project,
    Revision,
    Session,
    Subject,
)
from fascicle.hub.places import ODD_PATH, Place, place_of

#: The laboratory of sessions whose folders name none.
NO_LAB = "lab"


@dataclass(slots=True)
class _Known:
    """A dataset as the database has it, with its record in the hub's own folder."""

    pk: UUID
    size: int | None
    hash: str
    record: UUID | None = None
    exists: bool = False


@dataclass(slots=True)
class Written:
    """What became of a batch of sessions.

    Attributes
    ----------
    eids : dict
        Ids in the database by the catalogue's row.
    new : set
        Those that were made.
    """

    eids: dict[int, UUID] = field(default_factory=dict)
    new: set[UUID] = field(default_factory=set)


class Writer:
    """Writes sessions of a catalogue and their datasets into the database.

    Parameters
    ----------
    catalogue : Catalogue
        Of the hub's folder.
    data_url : str
        Where the hub serves files.
    report : ImportReport
        Counts what is done.
    """

    def __init__(self, catalogue: Catalogue, data_url: str, report: ImportReport) -> None:
        self.catalogue = catalogue
        self.report = report
        self.repository = hub_repository(data_url)
        self.labs = Names(Lab, report)
        self.subjects = Names(Subject, report, field="nickname")
        self.projects = Names(Project, report)
        self.revisions = Names(Revision, report)
        self.types = DatasetTypes()
        self.formats = DataFormats()

    # -- sessions ----------------------------------------------------------------------------------

    def write(self, rows: Sequence[int]) -> Written:
        """Write some sessions; the caller holds a transaction."""
        found = {row: self.catalogue.session(row) for row in rows}
        out = Written()
        fresh: list[Session] = []
        taken = self._known_sessions(found.values())
        for row, s in found.items():
            eid = taken.get((s.subject, s.date, s.number)) or taken.get(s.eid)
            if eid is None:
                fresh.append(self._session(s))
                eid = s.eid
                out.new.add(eid)
            out.eids[row] = eid
        make(fresh, self.report)
        through = Session.projects.through
        links = [
            through(session_id=s.eid, project_id=self.projects(name))
            for s in found.values()
            if s.eid in out.new
            for name in filter(None, s.projects.split(","))
        ]
        make(links, self.report, ignore=True)
        touched_eids = set(out.new) | self._datasets(found, out)
        touched(touched_eids)
        return out

    def _known_sessions(self, found: Iterable[Found]) -> dict[object, UUID]:
        """Return ids of sessions by their place, and by their id."""
        sessions = list(found)
        out: dict[object, UUID] = {}
        columns = ("pk", "subject__nickname", "date", "number")
        for part in chunks({s.subject for s in sessions}, 500):
            days = {s.date for s in sessions}
            asked = Session.objects.filter(
                subject__nickname__in=part, date__gte=min(days), date__lte=max(days)
            )
            for pk, subject, date, number in asked.values_list(*columns):
                out[subject, date, number] = pk
        for ids in chunks((s.eid for s in sessions), 500):
            for pk in Session.objects.filter(pk__in=ids).values_list("pk", flat=True):
                out[pk] = pk
        return out

    def _session(self, s: Found) -> Session:
        lab = lab_named(self.labs, s.lab or self._only_lab(), self.repository)
        subject = self.subjects(s.subject, lab_id=lab)
        return Session(
            id=s.eid,
            subject_id=subject,
            lab_id=lab,
            number=s.number,
            date=s.date,
            start_time=dt.datetime.combine(s.date, dt.time()),
            task_protocol=s.task_protocol,
            type="Experiment",
        )

    def _only_lab(self) -> str:
        return next(iter(self.labs.known)) if len(self.labs.known) == 1 else NO_LAB

    # -- datasets ----------------------------------------------------------------------------------

    def _datasets(self, found: dict[int, Found], written: Written) -> set[UUID]:
        known = self._known_datasets(written)
        changed: set[UUID] = set()
        fresh: list[Dataset] = []
        records: list[FileRecord] = []
        resized: list[Dataset] = []
        there: list[UUID] = []
        self._names(found)
        for row, s in found.items():
            eid = written.eids[row]
            mine = known.get(eid, {})
            held = self.catalogue.datasets(row)
            odd = s.path != session_folder(s.lab, s.subject, s.date, s.number) or not s.lab
            exist, quality, default = held.exists, held.qc, self._defaults(held, mine)
            for n, rel_path in enumerate(held.rel_paths):
                did, digest, size = held.record(n)
                place = place_of(rel_path)
                old = mine.pop(place, None)
                path = f"{s.path}/{rel_path}" if odd else ""
                if old is None:
                    if s.eid != eid:
                        did = uuid.uuid4()
                    fresh.append(self._dataset(did, eid, place, size, digest, exist[n]))
                    fresh[-1].qc, fresh[-1].default_dataset = quality[n], default[n]
                    records.append(self._record(did, path, exists=exist[n]))
                    changed.add(eid)
                    continue
                if old.size != size or (digest and digest != old.hash):
                    # A file that changed without being hashed again has no hash that is known.
                    resized.append(Dataset(id=old.pk, file_size=size, hash=digest))
                    changed.add(eid)
                if old.record is None:
                    records.append(self._record(old.pk, path, exists=exist[n]))
                    changed.add(eid)
                elif exist[n] and not old.exists:
                    there.append(old.record)
                    changed.add(eid)
                elif not exist[n] and old.exists:
                    mine[place] = old
        self._insert(fresh, records, written.new)
        self._update(resized, there)
        gone = [(eid, k) for eid, left in known.items() for k in left.values() if k.exists]
        self.vanish([k.record for _, k in gone if k.record])
        return changed | {eid for eid, _ in gone}

    def _known_datasets(self, written: Written) -> dict[UUID, dict[Place, _Known]]:
        out: dict[UUID, dict[Place, _Known]] = {}
        by_id: dict[UUID, _Known] = {}
        columns = ("session_id", "collection", "name", "revision__name", "pk", "file_size", "hash")
        old = [eid for eid in written.eids.values() if eid not in written.new]
        for ids in chunks(old, 500):
            rows = Dataset.objects.filter(session_id__in=ids).values_list(*columns)
            for eid, collection, name, revision, pk, size, digest in rows:
                one = by_id[pk] = _Known(pk, size, digest)
                out.setdefault(eid, {})[Place(collection, name, revision or "")] = one
            asked = FileRecord.objects.filter(
                dataset__session_id__in=ids, data_repository=self.repository
            )
            for pk, dataset, exists in asked.values_list("pk", "dataset_id", "exists"):
                by_id[dataset].record, by_id[dataset].exists = pk, exists
        return out

    def _names(self, found: dict[int, Found]) -> None:
        """Make the types, formats and revisions that these sessions lack."""
        places = {
            place_of(path) for row in found for path in self.catalogue.datasets(row).rel_paths
        }
        names = sorted({place.name for place in places})
        self.types.make_for(names)
        self.formats.make_for(names)
        for revision in sorted({place.revision for place in places} - {""}):
            self.revisions(revision)

    def _defaults(self, held: object, mine: dict[Place, _Known]) -> list[bool]:
        """Return which datasets are the default revision; the newest where no table says so."""
        paths: list[str] = held.rel_paths  # type: ignore[attr-defined]
        if self.catalogue.has_default_revision:
            marked: list[bool] = held.default  # type: ignore[attr-defined]
            return marked
        newest: dict[tuple[str, str], str] = {}
        for place in (*map(place_of, paths), *mine):
            key = place.collection, place.name
            newest[key] = max(newest.get(key, ""), place.revision)
        places = map(place_of, paths)
        return [newest[p.collection, p.name] == p.revision for p in places]

    def _dataset(
        self, did: UUID, eid: UUID, place: Place, size: int | None, digest: str, exists: bool
    ) -> Dataset:
        return Dataset(
            id=did,
            session_id=eid,
            name=place.name,
            collection=place.collection,
            revision_id=self.revisions.known[place.revision] if place.revision else None,
            dataset_type_id=self.types.of(place.name),
            data_format_id=self.formats.of(place.name),
            file_size=size,
            hash=digest,
            online=exists,
        )

    def _record(self, did: UUID, path: str, *, exists: bool) -> FileRecord:
        return FileRecord(
            dataset_id=did,
            data_repository=self.repository,
            exists=exists,
            json={ODD_PATH: path} if path else None,
        )

    def _insert(self, fresh: list[Dataset], records: list[FileRecord], new: set[UUID]) -> None:
        """Insert datasets, with other ids where theirs are taken by datasets elsewhere."""
        taken: set[UUID] = set()
        for part in chunks(fresh, 500):
            ids = [d.pk for d in part]
            taken.update(Dataset.objects.filter(pk__in=ids).values_list("pk", flat=True))
        if taken:
            other = {pk: uuid.uuid4() for pk in taken}
            for dataset in fresh:
                dataset.id = other.get(dataset.pk, dataset.pk)
            for record in records:
                record.dataset_id = other.get(record.dataset_id, record.dataset_id)
        make(fresh, self.report)
        self._unmark(d for d in fresh if d.session_id not in new)
        make(records, self.report)
        old = {r.dataset_id for r in records if r.exists} - {d.pk for d in fresh}
        for ids in chunks(old, 500):
            Dataset.objects.filter(pk__in=ids).update(online=True)

    def _unmark(self, fresh: Iterable[Dataset]) -> None:
        """Let a new default revision be the only one."""
        for d in fresh:
            if d.default_dataset and d.revision_id:
                others = Dataset.objects.filter(
                    session_id=d.session_id, collection=d.collection, name=d.name
                )
                others.exclude(pk=d.pk).filter(default_dataset=True).update(default_dataset=False)

    def _update(self, resized: list[Dataset], there: list[UUID]) -> None:
        if resized:
            Dataset.objects.bulk_update(resized, ["file_size", "hash"], batch_size=200)
            self.report.updated["datasets"] += len(resized)
        for ids in chunks(there, 500):
            FileRecord.objects.filter(pk__in=ids).update(exists=True)
            Dataset.objects.filter(file_records__in=ids).update(online=True)
            self.report.updated["file records"] += len(ids)

    def vanish(self, records: Sequence[UUID]) -> None:
        """Note that files are not there any more."""
        for ids in chunks(records, 500):
            FileRecord.objects.filter(pk__in=ids).update(exists=False)
            Dataset.objects.filter(file_records__in=ids).exclude(
                pk__in=FileRecord.objects.filter(
                    exists=True, data_repository__globus_is_personal=False
                ).values("dataset")
            ).update(online=False)
            self.report.vanished += len(ids)
