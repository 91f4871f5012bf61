"""Spikes that answer to stimuli, their amplitudes, and mean waveforms; made unit by unit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.demo.vbn.recording import SAMPLES, Recording, chance
from fascicle.demo.vbn.timeline import Timeline

Array = NDArray[Any]

_ONSET, _OFFSET = 0.04, 0.28  # seconds after a flash within which cells of the cortex answer


class Responses:
    """How much more units fire while things are shown: a rate that changes in steps.

    Parameters
    ----------
    recording : Recording
        Whose units.
    timeline : Timeline
        What was shown.
    """

    def __init__(self, recording: Recording, timeline: Timeline) -> None:
        shown = list(timeline.stimuli.values())
        start = np.concatenate([c["start_time"] for c in shown])
        order = np.argsort(start, kind="stable")
        begin, end = timeline.span
        on = start[order] + _ONSET
        off = np.minimum(on + _OFFSET - _ONSET, np.r_[on[1:], end])
        self.edges = np.r_[begin - 20.0, np.c_[on, np.maximum(off, on)].ravel(), end + 20.0]
        self._length = np.diff(self.edges)
        self._images = list(recording.images)
        self._image = _gather(shown, "image_name", order, "")
        self._what = np.array(
            [self._images.index(name) if name in self._images else -1 for name in self._image]
        )
        self._change = _gather(shown, "is_change", order, 0.0).astype(float)
        x, y = (_gather(shown, f"position_{axis}", order, np.nan).astype(float) for axis in "xy")
        self._x, self._y = x, y
        self._flash = ~np.isnan(_gather(shown, "color", order, np.nan).astype(float))

    def cumulated(self, acronym: str, draw: np.random.Generator) -> Array:
        """Return the integral of a unit's relative rate up to each edge, 1 at the last."""
        gain = 3.0 if acronym.startswith("VIS") else 1.0 if acronym[:2] in ("LG", "LP") else 0.15
        tuning = gain * draw.gamma(0.7, 1.0, len(self._images) + 1)
        tuning[-1] = 0.0  # nothing is shown
        extra = tuning[self._what] * (1.0 + 0.6 * self._change)
        at = draw.uniform(-40, 40, 2)
        near = np.exp(-((self._x - at[0]) ** 2 + (self._y - at[1]) ** 2) / (2 * 12.0**2))
        extra += np.nan_to_num(near) * 3 * gain + self._flash * gain
        rate = np.ones(len(self._length))
        rate[1::2] += extra
        total = np.cumsum(rate * self._length)
        integral: Array = np.r_[0.0, total] / total[-1]
        return integral


def _gather(shown: list[dict[str, Array]], column: str, order: Array, default: Any) -> Array:
    parts = [
        columns.get(column, np.full(len(columns["start_time"]), default, dtype=object))
        for columns in shown
    ]
    joined: Array = np.concatenate([np.asarray(p, dtype=object) for p in parts])
    return joined[order]


def share_spikes(rates: Array, spikes: int) -> Array:
    """Return how many spikes each unit has: in proportion to rates, ``spikes`` in all."""
    rates = np.nan_to_num(np.asarray(rates, dtype=float)) + 1e-6
    exact = rates / rates.sum() * spikes
    counts = np.floor(exact).astype(np.int64)
    rest = spikes - int(counts.sum())
    counts[np.argsort(counts - exact, kind="stable")[:rest]] += 1
    shared: Array = counts
    return shared


def make_spikes(
    recording: Recording, timeline: Timeline, counts: Array, *, seed: int
) -> Iterator[tuple[Array, Array]]:
    """Go through units: times of spikes in seconds, ascending, and amplitudes in volts."""
    responses = Responses(recording, timeline)
    acronyms = recording.channels["acronym"][recording.units["channel"]]
    for n, count in enumerate(counts):
        draw = chance(seed, f"spikes of {n}")
        integral = responses.cumulated(str(acronyms[n]), draw)
        uniform = np.cumsum(draw.standard_exponential(count + 1))
        times = np.interp(uniform[:-1] / uniform[-1], integral, responses.edges)
        amplitudes = draw.standard_normal(count)
        amplitudes *= 0.12
        amplitudes += 1.0
        amplitudes *= recording.units["amplitude"][n] * 1e-6
        yield times, np.abs(amplitudes, out=amplitudes)


def make_waveforms(recording: Recording, *, rows: int, seed: int) -> Iterator[Array]:
    """Go through units: the mean waveform in volts, shape (rows, 82), around the peak channel.

    With as many rows as a probe has channels, a row is a channel.
    """
    time = np.arange(SAMPLES) - 20
    vertical = recording.channels["vertical"]
    horizontal = recording.channels["horizontal"]
    probe = recording.channels["probe"]
    first = np.searchsorted(probe, np.arange(len(recording.probes)))
    n_channels = np.bincount(probe, minlength=len(recording.probes))
    units = recording.units
    for n, peak in enumerate(units["channel"]):
        draw = chance(seed, f"waveform of {n}")
        low = first[probe[peak]]
        rows_here = min(rows, int(n_channels[probe[peak]]))
        start = low + np.clip(peak - low - rows_here // 2, 0, n_channels[probe[peak]] - rows_here)
        near = slice(start, start + rows_here)
        width = max(float(units["waveform_duration"][n]), 0.1) * 30  # samples, trough to peak
        trough = -np.exp(-0.5 * (time / 3.0) ** 2)
        hump = 0.35 * np.exp(-0.5 * ((time - width) / (0.5 * width)) ** 2)
        distance = np.hypot(vertical[near] - vertical[peak], horizontal[near] - horizontal[peak])
        reach = np.exp(-distance / (20.0 + float(units["spread"][n]) / 2))
        wave = np.zeros((rows, SAMPLES))
        wave[:rows_here] = reach[:, None] * (trough + hump)
        wave += 0.004 * draw.standard_normal(wave.shape, dtype=np.float32)
        wave *= units["amplitude"][n] * 1e-6
        yield wave
