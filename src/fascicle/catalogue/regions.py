"""Probe insertions, and the brain regions that their channels lie in, read off a folder's files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from fascicle.catalogue import identity
from fascicle.catalogue.columns import Columns, InsertionRow
from fascicle.catalogue.schema import DEFAULT
from fascicle.errors import BadFileError
from fascicle.load.npy import read_npy

_PROBE = re.compile(r"(?:^|/)alf/(probe[^/#]*)/")
_FILE = re.compile(r"(?:_\w+_)?(electrodeSites|channels)\.(brainLocationIds_ccf_2017|mlapdv)\.npy")
#: Spike sortings in the order in which one is chosen; any other comes after, by name.
SORTINGS = ("iblsorter", "pykilosort", "ks2_matlab", "")
#: Source of regions that another catalogue gave: they stay where the channels' files are not here.
GIVEN = "given"
_OUTSIDE = (0, 997)  # void and root: no brain region


class Dataset(NamedTuple):
    """What the choice needs to know of a dataset."""

    rel_path: str
    default: bool
    stamp: str


def probe_label(rel_path: str) -> str:
    """Return the label of the probe that a path belongs to; empty where to none.

    Parameters
    ----------
    rel_path : str
        Relative to the session, for example ``alf/probe00/pykilosort/spikes.times.npy``.
    """
    found = _PROBE.search(rel_path)
    return found[1] if found else ""


def sorting_rank(name: str) -> tuple[int, str]:
    """Return the key by which spike sortings are ordered, the preferred first."""
    return (SORTINGS.index(name) if name in SORTINGS else len(SORTINGS), name)


def choose(datasets: Iterable[Dataset], probe: str) -> dict[str, Dataset]:
    """Choose the files that say where a probe's channels are.

    ``electrodeSites`` before ``channels``, the preferred sorting, the default revision.

    Parameters
    ----------
    datasets : iterable of Dataset
        Of one session.
    probe : str
        Its label.

    Returns
    -------
    dict
        ``ids`` and, where it is there, ``mlapdv``; empty where the probe has no ids.
    """
    found: dict[tuple[Any, ...], dict[str, list[tuple[str, Dataset]]]] = {}
    for d in datasets:
        folder, _, name = d.rel_path.rpartition("/")
        m = _FILE.fullmatch(name)
        if m is None or probe_label(f"{folder}/") != probe:
            continue
        collection, _, revision = folder.partition("/#")
        sorting = collection.partition(f"/{probe}")[2].strip("/")
        kind = "ids" if m[2].startswith("brain") else "mlapdv"
        place = (m[1] != "electrodeSites", *sorting_rank(sorting))
        found.setdefault(place, {}).setdefault(kind, []).append((revision.rstrip("#"), d))
    for place in sorted(found):
        if "ids" in found[place]:
            return {kind: _default(options) for kind, options in found[place].items()}
    return {}


def _default(options: Sequence[tuple[str, Dataset]]) -> Dataset:
    marked = [d for _, d in options if d.default]
    if len(marked) == 1:
        return marked[0]
    return max(options, key=lambda option: option[0])[1]


def count(ids: NDArray[Any], mlapdv: NDArray[Any] | None) -> tuple[tuple[int, int, int], ...]:
    """Count channels by region and hemisphere.

    Parameters
    ----------
    ids : ndarray, shape (n_channels,)
        CCF ids; negative ones are in the left hemisphere.
    mlapdv : ndarray, shape (n_channels, 3), or None
        Coordinates from bregma; a negative first one is in the left hemisphere.

    Returns
    -------
    tuple of (CCF id, side, channels)
        Side is -1 left, 1 right, 0 unknown. Void and root are left out.
    """
    flat = np.asarray(ids).reshape(-1)
    if flat.dtype.kind == "f":
        flat = np.where(np.isfinite(flat), flat, 0)
    flat = flat.astype(np.int64)
    side = np.where(flat < 0, -1, 0)
    if mlapdv is not None and np.ndim(mlapdv) == 2 and len(mlapdv) == len(flat):
        ml = np.sign(np.nan_to_num(np.asarray(mlapdv)[:, 0].astype(float)))
        side = np.where(flat < 0, -1, ml.astype(np.int64))
    keep = ~np.isin(np.abs(flat), _OUTSIDE)
    pairs, counts = np.unique(
        np.stack([np.abs(flat[keep]), side[keep]], axis=1), axis=0, return_counts=True
    )
    return tuple(
        (int(ccf), int(s), int(n))
        for (ccf, s), n in zip(pairs.tolist(), counts.tolist(), strict=True)
    )


def read(
    folder: str, datasets: Sequence[Dataset], probe: str, source: str
) -> tuple[tuple[tuple[int, int, int], ...] | None, str, str]:
    """Read the regions of a probe, unless its files are those that were read before.

    Parameters
    ----------
    folder : str
        The session's folder.
    datasets : sequence of Dataset
        Those of the session that are on disk.
    probe : str
    source : str
        What this function returned for it before; empty the first time.

    Returns
    -------
    regions : tuple or None
        See `count`; None where there is nothing (new) to read.
    source : str
        Names the files and their state.
    problem : str
        Why a file could not be read.
    """
    chosen = choose(datasets, probe)
    stamp = "|".join(f"{kind}={d.rel_path}@{d.stamp}" for kind, d in sorted(chosen.items()))
    if not chosen or stamp == source:
        return None, stamp, ""
    try:
        ids = read_npy(os.path.join(folder, chosen["ids"].rel_path))
        mlapdv = None
        if "mlapdv" in chosen:
            mlapdv = read_npy(os.path.join(folder, chosen["mlapdv"].rel_path))
        return count(ids, mlapdv), stamp, ""
    except (BadFileError, OSError, ValueError, TypeError) as error:
        return None, "", str(error).splitlines()[0]


def update(
    columns: Columns, root: Path, *, local: bool = False, progress: bool = False
) -> list[tuple[str, str]]:
    """Bring the insertions of columns, and their regions, up to date with the files.

    Parameters
    ----------
    columns : Columns
        Gets insertions for the probes that its paths name, and their regions.
    root : pathlib.Path
    local : bool
        Drop probes that were found in files and have none any more.
    progress : bool
        Show a bar on stderr.

    Returns
    -------
    list of (str, str)
        Probes whose files cannot be read, and why.
    """
    labels = [probe_label(p) for p in columns.paths]
    probes = np.array([bool(x) for x in labels], bool)
    rows = np.flatnonzero(probes[columns.path]) if any(labels) else np.zeros(0, np.intp)
    if local:
        pairs = zip(columns.session[rows].tolist(), columns.path[rows].tolist(), strict=True)
        present = {(columns.sessions[n].eid, labels[p]) for n, p in pairs}
        columns.insertions = [
            p
            for p in columns.insertions
            if (p.eid, p.name) in present
            or p.pid != identity.insertion_id(p.eid, p.name)
            or p.source == GIVEN
        ]
    if not len(rows):
        return []
    rows = rows[np.argsort(columns.session[rows], kind="stable")]
    groups = np.split(rows, np.flatnonzero(np.diff(columns.session[rows])) + 1)
    useful = [_FILE.fullmatch(p.rsplit("/", 1)[-1]) is not None for p in columns.paths]
    have = {(p.eid, p.name): p for p in columns.insertions}
    problems = []
    for group in tqdm(groups, desc="Regions", unit="session", disable=not progress):
        session = columns.sessions[columns.session[group[0]]]
        codes = columns.path[group].tolist()
        seen = [
            _described(columns, row)
            for row, p in zip(group.tolist(), codes, strict=True)
            if useful[p]
        ]
        here = [d for d in seen if d.stamp]
        for label in sorted({labels[p] for p in codes}):
            row = have.get((session.eid, label))
            if row is None:
                row = InsertionRow(identity.insertion_id(session.eid, label), session.eid, label)
                columns.insertions.append(row)
            counts, source, problem = read(f"{root}/{session.path}", here, label, row.source)
            if problem:
                problems.append((f"{session.path}/alf/{label}", problem))
            if counts is not None:
                row.regions, row.source = counts, source
            elif not source and row.source != GIVEN:
                row.regions, row.source = None, ""
    return problems


def _described(columns: Columns, row: int) -> Dataset:
    stat = None if columns.stats is None else columns.stats[row]
    stamp = ""
    if stat is not None and stat["inode"]:
        size = columns.records["size"][row]
        stamp = f"{size},{stat['mtime']},{stat['ctime']},{stat['inode']}"
    return Dataset(columns.paths[columns.path[row]], bool(columns.flags[row] & DEFAULT), stamp)
