"""ONE's tables that another program has changed, brought together with what the index knew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fascicle.catalogue.columns import STAT_DTYPE, Columns
from fascicle.catalogue.restore import columns_of

if TYPE_CHECKING:
    from fascicle.catalogue.query import Catalogue


def carry_over(old: Catalogue, columns: Columns) -> None:
    """Keep what ONE's tables cannot hold.

    That is places of folders, what the disk said of files, probe insertions and their regions.

    Parameters
    ----------
    old : Catalogue
        The state before the tables changed.
    columns : Columns
        What the tables say now; changed in place.
    """
    before = columns_of(old)
    folders = {s.eid: s for s in before.sessions if s.folder}
    for s in columns.sessions:
        was = folders.get(s.eid)
        if was is not None and not s.folder:
            s.folder = was.folder
    known = {s.eid for s in columns.sessions}
    have = {(p.eid, p.name): p for p in columns.insertions}
    for p in before.insertions:
        if p.eid not in known:
            continue
        mine = have.get((p.eid, p.name))
        if mine is None:
            columns.insertions.append(p)
        elif mine.regions is None:
            mine.regions, mine.source = p.regions, p.source
    for key, value in before.meta.items():
        if key != "index":  # the folder has to be looked at again
            columns.meta.setdefault(key, value)
    _carry_stats(before, columns)


def _carry_stats(before: Columns, columns: Columns) -> None:
    if before.stats is None or not before.n_datasets or not columns.n_datasets:
        return
    old, new = (
        np.frombuffer(c.records["id"].tobytes(), "<u8").reshape(-1, 2) for c in (before, columns)
    )
    order = np.argsort(old[:, 0], kind="stable")
    place = np.searchsorted(old[order, 0], new[:, 0])
    match = order[np.minimum(place, len(order) - 1)]
    number = {path: k for k, path in enumerate(before.paths)}
    code = np.array([number.get(path, -1) for path in columns.paths], np.int64)
    same = (old[match] == new).all(axis=1) & (before.path[match] == code[columns.path])
    same &= before.records["size"][match] == columns.records["size"]
    stats = np.zeros(columns.n_datasets, STAT_DTYPE)
    stats[same] = before.stats[match[same]]
    columns.stats = stats


def rebase(ancestor: Catalogue, ours: Catalogue, theirs: Columns) -> Columns:
    """Return tables that others changed together with what we committed meanwhile.

    Parameters
    ----------
    ancestor : Catalogue
        The state that both began with.
    ours : Catalogue
        The newest state.
    theirs : Columns
        The tables.
    """
    from fascicle.catalogue import frames
    from fascicle.catalogue.change import apply

    change = frames.difference(ancestor, ours.sessions_frame(), ours.datasets_frame())
    return apply(change, theirs)
