"""Spikes in the order of their units: which spike goes where, in memory that does not grow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fascicle.formats.nwb.sorting import stable_order

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Ids below this are counted in one pass; others are sorted.
_FEW = 1 << 22
#: Spikes that are looked at at once.
_BLOCK = 1 << 21


def present(clusters: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the ids that occur, and how often each does.

    Parameters
    ----------
    clusters : ndarray of int, shape (n_spikes,)

    Returns
    -------
    ids, counts : ndarray of int, shape (n_ids,)
        Ids are sorted.
    """
    import numpy as np

    if not len(clusters):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    low, high = int(clusters.min()), int(clusters.max())
    if low < 0 or high >= _FEW:
        ids, times = np.unique(clusters, return_counts=True)
        return ids.astype(np.int64), times
    counts = np.zeros(high + 1, np.int64)
    for start in range(0, len(clusters), _BLOCK):
        part = clusters[start : start + _BLOCK].astype(np.intp)
        counts += np.bincount(part, minlength=high + 1)
    found = np.flatnonzero(counts)
    return found, counts[found]


def rows_of_spikes(clusters: NDArray[Any], ids: NDArray[np.int64]) -> NDArray[Any]:
    """Return the row of each spike's unit.

    Parameters
    ----------
    clusters : ndarray of int, shape (n_spikes,)
        All of them among ``ids``.
    ids : ndarray of int, shape (n_units,)
        Id of each row; all different.

    Returns
    -------
    ndarray, shape (n_spikes,)
        uint16 where that is wide enough, else uint32.
    """
    import numpy as np

    dtype = np.dtype(np.uint16) if len(ids) <= 1 << 16 else np.dtype(np.uint32)
    if np.array_equal(ids, np.arange(len(ids))):
        return clusters.astype(dtype)
    order = np.argsort(ids, kind="stable")
    low, high = int(ids.min()), int(ids.max())
    if high - low < _FEW:
        row = np.zeros(high - low + 1, dtype)
        row[ids - low] = np.arange(len(ids), dtype=dtype)
        return np.take(row, clusters.astype(np.int64) - low)
    return order[np.searchsorted(ids[order], clusters.astype(np.int64))].astype(dtype)


def rising(times: NDArray[Any]) -> bool:
    """Return whether no time is before the one that it follows."""
    import numpy as np

    return bool(np.all(times[1:] >= times[:-1]))


def grouped(rows: NDArray[Any], times: NDArray[Any]) -> NDArray[np.intp]:
    """Return which spikes make the trains of the units, one unit after the other.

    In each train times rise; equal times are in the order of the source.

    Parameters
    ----------
    rows : ndarray of uint, shape (n_spikes,)
        Row of each spike's unit.
    times : ndarray, shape (n_spikes,)
        Without NaN.
    """
    if rising(times):
        return stable_order(rows)
    by_time = stable_order(times)
    return by_time[stable_order(rows[by_time])]


def moved(
    clusters: NDArray[Any], times: NDArray[Any], ids: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return the spikes that the source has in another order than the canonical one.

    In the canonical order spikes are sorted by time, of equal times by the row of their unit, and
    of one unit as the source has them. It is what a reader makes of the trains.

    Parameters
    ----------
    clusters, times : ndarray, shape (n_spikes,)
        In the order of the source.
    ids : ndarray of int, shape (n_units,)
        Id of each row.

    Returns
    -------
    position, rank : ndarray of int, shape (n_moved,)
        Place in the source and in the canonical order; None where both orders are one.
    """
    import numpy as np

    if not rising(times):
        by_time = stable_order(times)
        canonical = by_time.copy()
        inside = _tied(clusters[by_time], times[by_time], ids)
        if inside is not None:
            canonical[inside[0]] = by_time[inside[1]]
        rank = np.flatnonzero(canonical != np.arange(len(canonical)))
        return (canonical[rank], rank) if len(rank) else None
    inside = _tied(clusters, times, ids)
    if inside is None:
        return None
    rank, position = inside
    differ = rank != position
    return (position[differ], rank[differ]) if differ.any() else None


def _tied(
    clusters: NDArray[Any], times: NDArray[Any], ids: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Return the spikes at equal times, and which come there if they are sorted by unit.

    None where no times are equal.
    """
    import numpy as np

    first = np.flatnonzero(times[1:] == times[:-1])
    if not len(first):
        return None
    mask = np.zeros(len(times), bool)
    mask[first] = mask[first + 1] = True
    tied = np.flatnonzero(mask)
    rows = rows_of_spikes(clusters[tied], ids)
    starts = np.concatenate([[True], times[tied[1:]] != times[tied[:-1]]])
    order = np.lexsort((rows, np.cumsum(starts)))
    return tied, tied[order]
