"""Rows of another catalogue, taken into that of a folder that has got some of its files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from fascicle.catalogue.change import Change, DatasetRow, apply
from fascicle.catalogue.columns import InsertionRow
from fascicle.catalogue.regions import GIVEN
from fascicle.catalogue.restore import insertions_of
from fascicle.catalogue.schema import Session
from fascicle.catalogue.store import Store

if TYPE_CHECKING:
    from fascicle.catalogue.columns import Columns
    from fascicle.catalogue.query import Catalogue


@dataclass(slots=True)
class Rows:
    """What is known elsewhere of files that are in a folder now.

    Attributes
    ----------
    sessions : sequence of Session
    datasets : sequence of DatasetRow
    insertions : sequence of InsertionRow
    """

    sessions: Sequence[Session] = ()
    datasets: Sequence[DatasetRow] = ()
    insertions: Sequence[InsertionRow] = ()


def insertion_rows(catalogue: Catalogue, rows: Iterable[int]) -> list[InsertionRow]:
    """Return the insertions of some sessions with their regions, for another catalogue.

    Their regions are marked as given, so that a folder without the channels' files keeps them.
    """
    found = insertions_of(catalogue, rows)
    return [p if p.regions is None else replace(p, source=GIVEN) for p in found]


def adopt(folder: str | os.PathLike[str], rows: Rows) -> list[str]:
    """Take rows into the catalogue of a folder, whatever others write into it meanwhile.

    A session that the folder knows under another id keeps that id, and a dataset that it knows
    under another one gets the new one.

    Parameters
    ----------
    folder : path-like
        It need not have a catalogue.
    rows : Rows

    Returns
    -------
    list of str
        What was not done as asked, in words.

    Raises
    ------
    CatalogueError
        If the folder cannot be written.
    """
    notes: list[str] = []

    def make(base: Columns, known: Catalogue | None) -> Columns | None:
        notes.clear()
        change, said = _change(rows, known)
        notes.extend(said)
        return apply(change, base) if change or known is None else None

    Store(folder).update(make)
    return notes


def _change(rows: Rows, known: Catalogue | None) -> tuple[Change, list[str]]:
    if known is None:
        return Change(rows.sessions, rows.datasets, rows.insertions), []
    notes = []
    other: dict[UUID, UUID] = {}
    for s in rows.sessions:
        row = known.row_of(s.lab, s.subject, s.date, s.number)
        if row is not None and known.row(s.eid) is None:
            other[s.eid] = known.eid(row)
            notes.append(f"{s.path} has the id {other[s.eid]} here, not {s.eid}: it keeps it")
    datasets = [row._replace(eid=other.get(row.eid, row.eid)) for row in rows.datasets]
    insertions = [
        replace(p, eid=other.get(UUID(bytes=p.eid), UUID(bytes=p.eid)).bytes)
        for p in rows.insertions
    ]
    if other:
        there = {
            (known.eid(i.row).bytes, i.name): i.pid.bytes
            for i in known.insertions(_rows(known, other.values()))
        }
        insertions = [p for p in insertions if there.get((p.eid, p.name), p.pid) == p.pid]
    change = Change(
        [s for s in rows.sessions if s.eid not in other and not is_known(s, known)],
        unknown_datasets(datasets, known),
        unknown_insertions(insertions, known),
        delete_datasets=_replaced(datasets, known),
    )
    return change, notes


def is_known(session: Session, known: Catalogue) -> bool:
    """Return whether a catalogue says the same of a session."""
    row = known.row(session.eid)
    return row is not None and row < known.n_sessions and known.session(row) == session


def unknown_datasets(datasets: Sequence[DatasetRow], known: Catalogue) -> list[DatasetRow]:
    """Return those rows that are not known as they are."""
    here: dict[UUID, set[tuple[object, ...]]] = {}
    for eid in {row.eid for row in datasets}:
        at = known.row(eid)
        if at is not None:
            held = known.datasets(at)
            records = [held.record(k) for k in range(len(held))]
            columns = zip(held.rel_paths, records, held.exists, held.qc, held.default, strict=True)
            here[eid] = {(path, *record, *more) for path, record, *more in columns}
    return [
        row
        for row in datasets
        if (
            *(row.rel_path, row.id, row.hash, row.file_size),
            *(row.exists, row.qc, bool(row.default_revision)),
        )
        not in here.get(row.eid, ())
    ]


def unknown_insertions(insertions: Sequence[InsertionRow], known: Catalogue) -> list[InsertionRow]:
    """Return those insertions of which a catalogue does not say the same."""
    rows = _rows(known, {UUID(bytes=p.eid) for p in insertions})
    here = {p.pid: p for p in insertions_of(known, rows)}
    return [p for p in insertions if not _says_the_same(p, here.get(p.pid))]


def _says_the_same(fresh: InsertionRow, was: InsertionRow | None) -> bool:
    if was is None or (fresh.regions is not None and was.regions is None):
        return False
    # Regions read off files that are here are at least as good as those that were given.
    if was.source != GIVEN:
        fresh = replace(fresh, regions=was.regions)
    return replace(was, source="") == replace(fresh, source="")


def _replaced(datasets: Sequence[DatasetRow], known: Catalogue) -> set[UUID]:
    """Return the ids that datasets have here, where new ones are coming."""
    fresh: dict[UUID, dict[str, UUID]] = {}
    for row in datasets:
        fresh.setdefault(row.eid, {})[row.rel_path] = row.id
    out = set()
    for eid, ids in fresh.items():
        at = known.row(eid)
        if at is None:
            continue
        held = known.datasets(at)
        out |= {
            old
            for path, old in zip(held.rel_paths, held.ids, strict=True)
            if path in ids and ids[path] != old
        }
    return out


def _rows(catalogue: Catalogue, eids: Iterable[UUID]) -> list[int]:
    return [row for eid in eids if (row := catalogue.row(eid)) is not None]
