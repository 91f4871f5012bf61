"""A hub's sessions, datasets and insertions as a catalogue's columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import Case, Count, IntegerField, Value, When

from fascicle.catalogue.columns import RECORD_DTYPE, Columns, InsertionRow, SessionRow
from fascicle.catalogue.schema import (
    DEFAULT,
    EXISTS,
    HAS_HASH,
    ODD_HASH,
    QC_CODE,
    QC_SHIFT,
)
from fascicle.hub.importing.report import chunks
from fascicle.hub.models import Channel, Dataset, ProbeInsertion, Session

_OUTSIDE = (0, 997)  # void and root: no brain region
_ALIGNED = 70
_MOST = 0xFFFF


def read_columns(meta: dict[str, Any], eids: Sequence[UUID] | None = None) -> Columns:
    """Return what the database has of some sessions (default: all), arranged.

    Parameters
    ----------
    meta : dict
        Plain values about the catalogue.
    eids : sequence of UUID, optional
        The sessions; those that are no more are left out.
    """
    build = _Build(meta)
    if eids is None:
        build.add({})
    else:
        for part in chunks(eids, 500):
            build.add({"pk__in": part})
    return build.columns()


class _Build:
    """Columns that grow session by session."""

    def __init__(self, meta: dict[str, Any]) -> None:
        self.meta = meta
        self.sessions: list[SessionRow] = []
        self.place: dict[UUID, int] = {}
        self.paths: dict[str, int] = {}
        self.session: list[int] = []
        self.path: list[int] = []
        self.flags = bytearray()
        self.records = bytearray()
        self.odd: dict[int, str] = {}
        self.insertions: list[InsertionRow] = []

    def add(self, which: dict[str, Any]) -> None:
        """Add the sessions of a condition."""
        projects: dict[UUID, list[str]] = {}
        pairs = Session.objects.filter(**which, projects__isnull=False).order_by()
        for eid, name in pairs.values_list("pk", "projects__name").iterator(10_000):
            projects.setdefault(eid, []).append(name)
        columns = ("pk", "lab__name", "subject__nickname", "date", "number", "task_protocol")
        rows = Session.objects.filter(**which).order_by().values_list(*columns)
        for eid, lab, subject, day, number, task in rows.iterator(10_000):
            if not 0 <= (number or 0) <= _MOST:
                continue  # no path has such a number, and ONE's table cannot hold it
            self.place[eid] = len(self.sessions)
            self.sessions.append(
                SessionRow(
                    eid.bytes,
                    lab or "",
                    subject,
                    day or date(1, 1, 1),
                    number or 0,
                    task or "",
                    ",".join(sorted(projects.get(eid, ()))),
                )
            )
        below = {f"session__{key}": value for key, value in which.items()}
        self._datasets(below)
        self._probes(below)

    def _datasets(self, which: dict[str, Any]) -> None:
        columns = ("session_id", "collection", "revision__name", "name")
        more = ("pk", "hash", "file_size", "qc", "default_dataset", "online")
        rows = Dataset.objects.filter(**which, session__isnull=False).order_by()
        size_of, paths = int.to_bytes, self.paths
        for (
            eid,
            collection,
            revision,
            name,
            pk,
            digest,
            size,
            qc,
            default,
            online,
        ) in rows.values_list(*columns, *more).iterator(20_000):
            if eid not in self.place:
                continue  # made since the sessions were read: the next generation has it
            parts = (collection, f"#{revision}#" if revision else "", name)
            rel_path = "/".join(part for part in parts if part)
            raw, flag = _digest(digest)
            if flag & ODD_HASH:
                self.odd[len(self.flags)] = digest
            flag |= (EXISTS if online else 0) | (DEFAULT if default else 0)
            self.flags.append(flag | QC_CODE[qc] << QC_SHIFT)
            self.session.append(self.place[eid])
            self.path.append(paths.setdefault(rel_path, len(paths)))
            length = -1 if size is None else size
            self.records += pk.bytes + raw + size_of(length, 8, "little", signed=True)

    def _probes(self, which: dict[str, Any]) -> None:
        regions = self._regions(which)
        columns = ("pk", "session_id", "name", "model__probe_model", "serial")
        rows = ProbeInsertion.objects.filter(**which, session__isnull=False).order_by()
        for pk, eid, name, model, serial in rows.values_list(*columns).iterator(10_000):
            if eid in self.place:
                found = regions.get(pk)
                known = None if found is None else tuple(sorted(found))
                self.insertions.append(
                    InsertionRow(pk.bytes, eid.bytes, name, model or "", serial, {}, known)
                )

    def _regions(self, which: dict[str, Any]) -> dict[UUID, list[tuple[int, int, int]]]:
        """Count channels by region and side; an insertion without channels is not there."""
        insertion = "trajectory_estimate__probe_insertion"
        side = Case(
            When(x__lt=0, then=Value(-1)),
            When(x__gt=0, then=Value(1)),
            default=Value(0),
            output_field=IntegerField(),
        )
        asked = Channel.objects.filter(
            **{f"{insertion}__{key}": value for key, value in which.items()},
            **{f"{insertion}__session__isnull": False},
            trajectory_estimate__provenance__gte=_ALIGNED,
        )
        counts = (
            asked.annotate(side=side)
            .values_list(f"{insertion}_id", "brain_region_id", "side")
            .annotate(n=Count("pk"))
            .order_by()
        )
        out: dict[UUID, list[tuple[int, int, int]]] = {}
        for pk, region, where, n in counts.iterator(10_000):
            found = out.setdefault(pk, [])
            if region is not None and region not in _OUTSIDE:
                found.append((int(region), int(where), int(n)))
        return out

    def columns(self) -> Columns:
        """Return the columns, arranged."""
        return Columns(
            self.sessions,
            np.array(self.session, np.int32),
            np.array(self.path, np.int32),
            list(self.paths),
            np.frombuffer(bytes(self.records), RECORD_DTYPE).copy(),
            np.frombuffer(bytes(self.flags), np.uint8).copy(),
            None,
            self.odd,
            self.insertions,
            dict(self.meta),
        ).arrange()


def _digest(text: str) -> tuple[bytes, int]:
    if not text:
        return bytes(16), 0
    if len(text) == 32 and text == text.lower():
        try:
            return bytes.fromhex(text), HAS_HASH
        except ValueError:
            return bytes(16), ODD_HASH
    return bytes(16), ODD_HASH


def tagged(tags: Iterable[str]) -> Iterator[bytes]:
    """Yield the ids of the datasets that have one of some tags."""
    rows = Dataset.objects.filter(tags__name__in=list(tags), session__isnull=False)
    for pk in rows.order_by().values_list("pk", flat=True).distinct().iterator(20_000):
        yield pk.bytes
