"""Rows in the form of Django's dumps come into the database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ValidationError
from django.db import models
from tqdm import tqdm

from fascicle.hub.generation import touched
from fascicle.hub.importing.base import make
from fascicle.hub.importing.labels import TABLES, columns_of, links_of, model_of
from fascicle.hub.importing.report import ImportReport, chunks
from fascicle.hub.models import (
    Channel,
    Dataset,
    FileRecord,
    LabMember,
    ProbeInsertion,
    Session,
    Subject,
)
from fascicle.hub.records import count_regions, link_datasets, natural_paths, set_online

Row = dict[str, Any]
_SHOWN = 50  # problems that are told one by one


class Loader:
    """Writes rows of an Alyx, and says what became of each.

    Rows that are there already, by their id or by their unique name, stay as they are.

    Parameters
    ----------
    report : ImportReport
        Counts what is done.
    progress : bool
        Show a bar on standard error.
    """

    def __init__(self, report: ImportReport, *, progress: bool = False) -> None:
        self.report = report
        self.progress = progress
        self.moved: dict[tuple[type, Any], Any] = {}
        self.known: dict[type, set[Any]] = {}
        self.content_types: dict[Any, ContentType] = {}
        self.fresh: dict[type, list[Any]] = {}
        self.refused: list[Row] = []

    def load(self, rows: Iterable[Row]) -> None:
        """Write rows; the caller holds a transaction."""
        found: dict[str, list[Row]] = {label: [] for label in TABLES}
        for row in rows:
            if row["model"] == "contenttypes.contenttype":
                self._content_type(row)
            elif row["model"] in found:
                found[row["model"]].append(row)
            else:
                self.report.skipped[row["model"]] += 1
        tables = {label: model_of(label) for label in TABLES}
        for label, model in tables.items():
            ids = model.objects.values_list("pk", flat=True)
            self.known[model] = set(ids.iterator(10_000))
            mine = {key for row in found[label] if (key := self._key(model, row)) is not None}
            self.known[model] |= mine
        total = sum(map(len, found.values()))
        with tqdm(total=total, desc="Import", unit="row", disable=not self.progress) as bar:
            for label, model in tables.items():
                self._table(model, found[label])
                bar.update(len(found[label]))
        self._finish()

    def _content_type(self, row: Row) -> None:
        model = model_of(f"{row['fields']['app_label']}.{row['fields']['model']}")
        if model is not None:
            self.content_types[row["pk"]] = ContentType.objects.get_for_model(model)

    @staticmethod
    def _key(model: Any, row: Row) -> Any:
        try:
            return model._meta.pk.to_python(row["pk"])
        except ValidationError:
            return None

    def _problem(self, row: Row, why: str) -> None:
        self.refused.append(row)
        self.report.skipped[f"{row['model']} (refused)"] += 1
        if len(self.report.problems) < _SHOWN:
            self.report.problems.append(f"{row['model']} {row['pk']}: {why}")

    # -- one table ---------------------------------------------------------------------------------

    def _table(self, model: Any, rows: list[Row]) -> None:
        unique = [f for f in columns_of(model) if f.unique]
        taken = {
            f.name: {
                value: pk
                for value, pk in model.objects.values_list(f.name, "pk").iterator(10_000)
                if value is not None
            }
            for f in unique
        }
        present = set(model.objects.values_list("pk", flat=True).iterator(10_000))
        fresh: list[Any] = []
        links: list[tuple[Any, Row]] = []
        for row in rows:
            key = self._key(model, row)
            if key is None:
                self._problem(row, "its id is none")
                continue
            if key in present:
                self.report.skipped["rows that were there"] += 1
                continue
            try:
                values = dict(self._values(model, row))
            except ValidationError as error:
                self.known[model].discard(key)
                self._problem(row, "; ".join(error.messages))
                continue
            values["id"] = key
            if self._same(model, unique, taken, values, present):
                continue
            made = model(**values)
            self._adjust(made, row)
            for f in unique:
                if getattr(made, f.name) is not None:
                    taken[f.name][getattr(made, f.name)] = key
            fresh.append(made)
            present.add(key)
            links.append((key, row))
        fresh = self._without_repeats(model, fresh, rows)
        self._make(model, fresh)
        self.fresh[model] = fresh
        kept = {made.pk for made in fresh}
        self._links(model, [(key, row) for key, row in links if key in kept])

    def _values(self, model: Any, row: Row) -> Iterator[tuple[str, Any]]:
        fields = row["fields"]
        for f in columns_of(model):
            if f.name not in fields:
                continue
            value = fields[f.name]
            if f.is_relation:
                value = self._reference(f, value, row)
                if value is None and not f.null:
                    raise ValidationError(f"{f.name} is not there")
                yield f.attname, value
                continue
            if value is None:
                if f.null:
                    yield f.attname, None
                continue  # the default of ours
            if isinstance(f, models.JSONField):
                yield f.attname, value if value != "" else None
                continue
            if isinstance(f, models.DateTimeField):
                value = _naive(f.to_python(value))
            else:
                value = f.to_python(value)
            if isinstance(value, str) and f.max_length and len(value) > f.max_length:
                raise ValidationError(f"{f.name} has more than {f.max_length} characters")
            yield f.attname, value

    def _reference(self, field: Any, value: Any, row: Row) -> Any:
        if value is None:
            return None
        target = field.related_model
        if target is ContentType:
            if isinstance(value, list):
                model = model_of(".".join(value))
                return None if model is None else ContentType.objects.get_for_model(model).pk
            found = self.content_types.get(value)
            return None if found is None else found.pk
        key = target._meta.pk.to_python(value)
        key = self.moved.get((target, key), key)
        if key in self.known.get(target, ()):
            return key
        if field.null:
            self.report.skipped[f"{row['model']}.{field.name} of a row that is missing"] += 1
        return None

    def _same(
        self,
        model: Any,
        unique: list[Any],
        taken: dict[str, dict[Any, Any]],
        values: Row,
        present: set[Any],
    ) -> bool:
        """Return whether another row stands for this one: it has its unique name.

        A row that every hub begins with gives way where nothing refers to it, so that ids of an
        Alyx stay what they were.
        """
        for f in unique:
            old = taken[f.name].get(values.get(f.attname))
            if old is None:
                continue
            if model is Subject:
                values["nickname"] = self._other_nickname(values, taken["nickname"])
                continue
            if f.name in ("filename_pattern", "probe_model"):
                values[f.attname] = None if f.null else f"{values[f.attname]} ({values['id']})"
                continue
            if model is LabMember or old not in self._unused(model, old):
                self.moved[model, values["id"]] = old
                self.known[model].discard(values["id"])
                self.report.skipped["rows that were there"] += 1
                return True
            row = model.objects.get(pk=old)
            for g in unique:
                taken[g.name].pop(getattr(row, g.name), None)
            row.delete()
            present.discard(old)
            self.known[model].discard(old)
        return False

    @staticmethod
    def _unused(model: Any, pk: Any) -> set[Any]:
        for relation in model._meta.related_objects:
            manager = relation.related_model._default_manager
            if manager.filter(**{relation.field.name: pk}).exists():
                return set()
        return {pk}

    def _other_nickname(self, values: Row, taken: dict[str, Any]) -> str:
        name, n = values["nickname"], 2
        while f"{name}_{n}" in taken:
            n += 1
        self.report.problems.append(
            f"subject {values['id']}: {name!r} is taken by one of another lab; it is {name}_{n} now"
        )
        return f"{name}_{n}"

    def _adjust(self, made: Any, row: Row) -> None:
        """Set what follows from other columns."""
        if isinstance(made, Session):
            made.date = made.start_time.date() if made.start_time else None
        if isinstance(made, LabMember) and not made.password:
            made.set_unusable_password()

    def _without_repeats(self, model: Any, fresh: list[Any], rows: list[Row]) -> list[Any]:
        """Leave out rows that say again what another row says, where ours say it once."""
        keys: dict[type, tuple[str, ...]] = {
            Dataset: ("session_id", "collection", "name", "revision_id"),
            FileRecord: ("dataset_id", "data_repository_id"),
            ProbeInsertion: ("session_id", "name"),
        }
        by_key = {str(row["pk"]): row for row in rows}
        if model is Session:
            self._numbers(fresh)
        names = keys.get(model)
        if model is Channel:
            names = ("trajectory_estimate_id", "axial", "lateral")
        if names is None:
            return fresh
        first = names[0]
        seen: set[Any] = set()
        owners = {getattr(made, first) for made in fresh} - {None}
        for part in chunks(owners, 500):
            seen.update(model.objects.filter(**{f"{first}__in": part}).values_list(*names))
        out = []
        for made in fresh:
            key = tuple(getattr(made, name) for name in names)
            if key[0] is not None and key in seen:
                self.known[model].discard(made.pk)
                self._problem(by_key[str(made.pk)], f"there is another of the same {names}")
                continue
            seen.add(key)
            out.append(made)
        return out

    def _numbers(self, fresh: list[Session]) -> None:
        """See to it that a path names one session: later ones of a path lose their number."""
        seen: set[Any] = set()
        for part in chunks({s.subject_id for s in fresh}, 500):
            rows = Session.objects.filter(subject_id__in=part)
            seen.update(rows.values_list("subject_id", "date", "number"))
        for s in fresh:
            key = (s.subject_id, s.date, s.number)
            if s.number is not None and s.date is not None and key in seen:
                self.report.problems.append(
                    f"session {s.pk}: another has the same subject, day and number {s.number}; "
                    "this one has no number now"
                )
                s.number = None
            seen.add(key)

    def _make(self, model: Any, fresh: list[Any]) -> None:
        """Insert rows; times that Django sets by itself stay as they were."""
        names = [
            f.name
            for f in model._meta.concrete_fields
            if getattr(f, "auto_now", False) or getattr(f, "auto_now_add", False)
        ]
        times = [[getattr(made, name) for name in names] for made in fresh]
        make(fresh, self.report)
        if not names:
            return
        for made, were in zip(fresh, times, strict=True):
            for name, value in zip(names, were, strict=True):
                if value is not None or model._meta.get_field(name).null:
                    setattr(made, name, value)
        for part in chunks(fresh, 200):
            model.objects.bulk_update(part, names)

    def _links(self, model: Any, rows: list[tuple[Any, Row]]) -> None:
        for f in links_of(model):
            through = f.remote_field.through
            mine, theirs = f.m2m_column_name(), f.m2m_reverse_name()
            target = f.related_model
            pairs = []
            for key, row in rows:
                for value in row["fields"].get(f.name, ()):
                    other = target._meta.pk.to_python(value)
                    other = self.moved.get((target, other), other)
                    if other in self.known.get(target, ()):
                        pairs.append(through(**{mine: key, theirs: other}))
                    else:
                        self.report.skipped[
                            f"{row['model']}.{f.name} of a row that is missing"
                        ] += 1
            make(pairs, self.report, ignore=True)

    # -- what follows ------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Bring what is kept beside the rows up to date."""
        datasets = {d.pk for d in self.fresh.get(Dataset, ())}
        records = self.fresh.get(FileRecord, [])
        owners = {r.dataset_id for r in records}
        paths = natural_paths(owners)
        usual = [r for r in records if r.relative_path == paths.get(r.dataset_id)]
        for r in usual:
            r.relative_path = ""
        FileRecord.objects.bulk_update(usual, ["relative_path"], batch_size=500)
        set_online(datasets | owners)
        insertions = [p.pk for p in self.fresh.get(ProbeInsertion, ())]
        link_datasets(insertions)
        trajectories = {c.trajectory_estimate_id for c in self.fresh.get(Channel, ())}
        probes: set[UUID] = set()
        for part in chunks(trajectories, 500):
            rows = ProbeInsertion.objects.filter(trajectory_estimate__in=part)
            probes.update(rows.values_list("pk", flat=True))
        count_regions(probes)
        eids = {s.pk for s in self.fresh.get(Session, ())}
        eids |= {d.session_id for d in self.fresh.get(Dataset, ()) if d.session_id}
        for part in chunks(probes | set(insertions), 500):
            rows = ProbeInsertion.objects.filter(pk__in=part, session__isnull=False)
            eids.update(rows.values_list("session_id", flat=True))
        touched(eids)


def _naive(value: dt.datetime | None) -> dt.datetime | None:
    """Return a time as an Alyx keeps it: without a zone."""
    if value is not None and value.tzinfo is not None:
        return value.astimezone(dt.UTC).replace(tzinfo=None)
    return value
