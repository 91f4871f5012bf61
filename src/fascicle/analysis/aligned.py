"""Spikes or samples around events, as one array."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fascicle.errors import SearchTermError

Array = NDArray[np.float64]


def align(
    times: ArrayLike,
    events: ArrayLike,
    window: tuple[float, float],
    *,
    bin: float,
    values: ArrayLike | None = None,
) -> Array:
    """Count spikes, or average samples, in bins around events.

    Parameters
    ----------
    times : array-like, shape (n,)
        Times of spikes or of samples, in seconds.
    events : array-like, shape (n_events,)
        Times to align to, on the same clock. An event that is NaN (it did not happen in that
        trial) gives a row of NaN.
    window : tuple of float
        Start and end relative to the event, in seconds, e.g. ``(-0.2, 0.8)``.
    bin : float
        Width of a bin in seconds. A last bin that does not fit into the window is left out.
    values : array-like, shape (n, …), optional
        Samples at ``times``. Without it, ``times`` are spikes and are counted.

    Returns
    -------
    numpy.ndarray, shape (n_events, n_bins, …)
        Number of spikes (divide by ``bin`` for a rate); or the mean of the samples of each bin,
        where a bin without samples is interpolated between the samples around it, and one before
        the first or after the last sample is NaN. A bin holds its start and not its end.

    Raises
    ------
    SearchTermError
        If window or bin make no bins, or ``values`` and ``times`` differ in length.

    Examples
    --------
    >>> align([0.9, 1.05, 1.12, 3.0], [1.0, float("nan")], (-0.2, 0.2), bin=0.1).tolist()
    [[0.0, 1.0, 1.0, 1.0], [nan, nan, nan, nan]]
    """
    when = np.asarray(times, dtype=np.float64).ravel()
    onsets = np.asarray(events, dtype=np.float64).ravel()
    samples = None if values is None else np.asarray(values)
    if samples is not None and len(samples) != when.size:
        raise SearchTermError(
            f"there are {len(samples)} samples for {when.size} times",
            hint="give one time for each sample",
        )
    edges = _edges(window, bin)
    keep = np.isfinite(when)
    if not keep.all():
        when = when[keep]
        samples = None if samples is None else samples[keep]
    if when.size > 1 and np.any(when[1:] < when[:-1]):
        order = np.argsort(when, kind="stable")
        when = when[order]
        samples = None if samples is None else samples[order]
    known = np.isfinite(onsets)
    borders = np.searchsorted(when, onsets[known, None] + edges[None, :])
    tail = () if samples is None else samples.shape[1:]
    out = np.full((onsets.size, edges.size - 1, *tail), np.nan)
    if samples is None:
        out[known] = np.diff(borders, axis=1)
    else:
        centres = onsets[known, None] + (edges[:-1] + edges[1:]) / 2
        out[known] = _means(when, samples.astype(np.float64), borders, centres)
    return out


def bin_centres(window: tuple[float, float], bin: float) -> Array:
    """Return the centres of the bins of `align`, in seconds relative to the event."""
    edges = _edges(window, bin)
    return (edges[:-1] + edges[1:]) / 2


def _edges(window: tuple[float, float], bin: float) -> Array:
    try:
        start, end = map(float, window)
    except (TypeError, ValueError) as error:
        raise SearchTermError(
            f"{window!r} is no window: it takes a start and an end, in seconds",
            hint="type e.g. window=(-0.2, 0.8)",
        ) from error
    if not (np.isfinite(start) and np.isfinite(end)):
        raise SearchTermError(
            f"a window from {start} to {end} s has no end", hint="type e.g. window=(-0.2, 0.8)"
        )
    # The slack keeps a window of 0.3 s at 0.1 s a bin from losing its third to rounding.
    number = int(np.floor((end - start) / bin + 1e-6)) if bin > 0 else 0
    if number < 1:
        raise SearchTermError(
            f"a window from {start} to {end} s has no room for a bin of {bin} s",
            hint="type e.g. window=(-0.2, 0.8), bin=0.01",
        )
    # Rounded so that an event on a bin's edge, 0 above all, falls on the right side of it.
    return np.round(start + bin * np.arange(number + 1), 12)


def _means(when: Array, samples: Array, borders: NDArray[np.intp], centres: Array) -> Array:
    """Return the mean of the samples between borders, interpolated where there are none."""
    shape = samples.shape[1:]
    flat = samples.reshape(len(samples), int(np.prod(shape)))
    out = np.full((*centres.shape, flat.shape[1]), np.nan)
    if when.size:
        first, stop = borders[:, :-1], borders[:, 1:]
        count = stop - first
        inside = (centres >= when[0]) & (centres <= when[-1])
        missing = np.isnan(flat)
        for column in range(flat.shape[1]):
            # Sums of what is known, so that a gap in the samples does not spread.
            gap = missing[:, column]
            total = np.concatenate([[0.0], np.cumsum(np.where(gap, 0.0, flat[:, column]))])
            seen = np.concatenate([[0], np.cumsum(~gap)])
            number = seen[stop] - seen[first]
            with np.errstate(invalid="ignore", divide="ignore"):
                mean = (total[stop] - total[first]) / number
            between = np.interp(centres, when, flat[:, column])
            mean = np.where((count == 0) & inside, between, mean)
            out[..., column] = np.where(number + ((count == 0) & inside) > 0, mean, np.nan)
    return out.reshape(*centres.shape, *shape)
