"""Start and stop of trials where a session does not say them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def outline(events: Sequence[Array]) -> tuple[Array, Array]:
    """Return the first and the last event of each trial.

    Parameters
    ----------
    events : sequence of numpy.ndarray
        Times of each kind of event, (n_trials,) in seconds, NaN where it is not known.

    Returns
    -------
    start, stop : numpy.ndarray
        (n_trials,); NaN in both where no event is known, and NaN in the start where a single one
        is: that trial ended in it, and began one does not know when.
    """
    import numpy as np

    times = np.stack([np.asarray(e, dtype=np.float64) for e in events])
    times[~np.isfinite(times)] = np.nan
    low, high = np.where(np.isnan(times), np.inf, times), np.where(np.isnan(times), -np.inf, times)
    start, stop = low.min(axis=0), high.max(axis=0)
    start[np.isinf(start)] = np.nan
    stop[np.isinf(stop)] = np.nan
    start[start == stop] = np.nan
    return start, stop


def filled_spans(start: Array, stop: Array, events: Sequence[Array]) -> tuple[Array, Array, int]:
    """Return starts and stops without gaps.

    What is missing is the first or last event of the trial, else the stop of the trial before or
    the start of the next.

    Parameters
    ----------
    start, stop : numpy.ndarray
        (n_trials,) in seconds; NaN where it is not known.
    events : sequence of numpy.ndarray
        Times of events of each trial, as for `outline`.

    Returns
    -------
    start, stop : numpy.ndarray
        As given where they were known.
    guessed : int
        Number of trials of which one or both were not.
    """
    import numpy as np

    missing = ~(np.isfinite(start) & np.isfinite(stop))
    guessed = int(missing.sum())
    if not guessed:
        return start, stop, 0
    begin, end = start.astype(np.float64), stop.astype(np.float64)
    begin[~np.isfinite(begin)] = np.nan
    end[~np.isfinite(end)] = np.nan
    first, last = outline(events) if events else (np.full(len(start), np.nan),) * 2
    for row in np.flatnonzero(missing).tolist():
        if np.isnan(end[row]) and last[row] > (begin[row] if begin[row] == begin[row] else -np.inf):
            end[row] = last[row]
        if np.isnan(begin[row]) and not first[row] >= end[row]:
            begin[row] = first[row]
    for row in np.flatnonzero(missing).tolist():
        before = np.concatenate([end[:row], begin[:row]])
        after = np.concatenate([begin[row + 1 :], end[row + 1 :]])
        low = np.nanmax(before) if np.isfinite(before).any() else 0.0
        high = np.nanmin(after) if np.isfinite(after).any() else np.nan
        if np.isnan(begin[row]):
            begin[row] = low if np.isnan(end[row]) or low < end[row] else end[row]
        if np.isnan(end[row]):
            end[row] = high if high > begin[row] else begin[row]
    return begin, end, guessed
