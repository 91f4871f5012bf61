"""Spikes of a whole probe at once: chance, plus responses to what happens in the trials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.demo.behaviour import Trials
from fascicle.demo.units import Units

Array = NDArray[Any]

SAMPLE_RATE = 30_000.0
REFRACTORY = 0.0018  # seconds in which a single neuron does not fire again
THETA = 8.0  # Hz
# The probe's clock against the session's: when it started, and by how much it is fast.
PROBE_OFFSET, PROBE_DRIFT = 0.0137, 2.1e-5


@dataclass(frozen=True, slots=True)
class Stimuli:
    """Gratings and what they led to: all that units respond to.

    ``on`` in seconds, ``contrast`` signed (negative on the left); ``move``, ``choice``,
    ``feedback`` and ``correct`` are empty for gratings that were only shown.
    """

    on: Array
    contrast: Array
    move: Array
    choice: Array
    feedback: Array
    correct: Array


def stimuli_of(trials: Trials, passive: dict[str, Array] | None = None) -> Stimuli:
    """Gather what the units respond to, in the task and in the passive protocol after it.

    Parameters
    ----------
    trials : dict of str to numpy.ndarray
        What `make_trials` returned.
    passive : dict of str to numpy.ndarray, optional
        ``on`` (s) and ``contrast`` (signed) of gratings that were only shown.
    """
    contrast = np.nan_to_num(trials["contrastRight"]) - np.nan_to_num(trials["contrastLeft"])
    on = trials["stimOn_times"]
    if passive is not None:
        on = np.concatenate([on, passive["on"]])
        contrast = np.concatenate([contrast, passive["contrast"]])
    moved = trials["choice"] != 0
    return Stimuli(
        on=on,
        contrast=contrast,
        move=trials["firstMovement_times"][moved],
        choice=trials["choice"][moved],
        feedback=trials["feedback_times"],
        correct=trials["feedbackType"] > 0,
    )


def _respond(rng: np.random.Generator, mean: Array) -> tuple[Array, Array]:
    """Draw spike counts for each unit and event; return the unit and the event of each spike."""
    count = rng.poisson(mean)
    unit, event = np.nonzero(count)
    times = count[unit, event]
    return np.repeat(unit, times), np.repeat(event, times)


def _baseline(
    rng: np.random.Generator, units: Units, stimuli: Stimuli, end: float
) -> tuple[Array, Array]:
    """Draw spikes that follow no event, thinned by rhythm, by drift and by what silences."""
    mean_theta = 1 - units.theta / 2
    count = rng.poisson(units.rate * end / mean_theta)
    unit = np.repeat(np.arange(len(units)), count)
    time = rng.random(unit.size) * end
    depth = units.theta[unit]
    rhythm = 0.5 + 0.5 * np.cos(2 * np.pi * THETA * time + units.theta_phase[unit])
    keep = 1 - depth * rhythm
    # Some units pause after the stimulus, for a quarter of a second.
    last = np.searchsorted(stimuli.on, time - 0.06) - 1
    since = time - stimuli.on[np.maximum(last, 0)] - 0.06
    keep *= np.where((last >= 0) & (since < 0.25), 1 - units.quiet[unit], 1.0)
    # Rates drift slowly, each unit its own way.
    speed, phase = rng.uniform(0.3, 1.2, len(units)), rng.uniform(0, 2 * np.pi, len(units))
    keep *= 0.88 + 0.12 * np.sin(2 * np.pi * speed[unit] * time / end + phase[unit])
    kept = rng.random(time.size) < keep
    return unit[kept], time[kept]


def _evoked(
    rng: np.random.Generator, units: Units, stimuli: Stimuli, side: float
) -> list[tuple[Array, Array]]:
    """Draw the spikes that events call forth, as (unit, time) pairs of arrays."""
    parts = []
    contrast = np.abs(stimuli.contrast)
    n, half = 1.6, units.half_contrast[:, None]
    drive = contrast**n / (contrast**n + half**n) * (1 + half**n)
    far = np.sign(stimuli.contrast) == -side  # the other side of the body
    mean = units.stimulus_gain[:, None] * drive * np.where(far, 1.0, units.ipsilateral[:, None])
    unit, event = _respond(rng, 0.6 * mean)
    late = (1.0 - np.sqrt(contrast[event])) * 0.035  # weak stimuli are late
    jitter = rng.gamma(4, 0.006, unit.size)
    parts.append((unit, stimuli.on[event] + units.delay[unit] + late + jitter))
    unit, event = _respond(rng, 0.5 * mean)
    lasting = rng.exponential(0.11, unit.size)
    parts.append((unit, stimuli.on[event] + units.delay[unit] + 0.03 + lasting))

    toward = 1 + units.prefers[:, None] * stimuli.choice * side
    unit, event = _respond(rng, units.movement_gain[:, None] * toward)
    begin = units.movement_lead[unit] - 0.09  # just before the wheel is seen to move
    spread = rng.gamma(3, 1, unit.size) * units.movement_width[unit] / 2
    parts.append((unit, stimuli.move[event] + begin + spread))

    gain = np.where(stimuli.correct, units.reward_gain[:, None], units.error_gain[:, None])
    unit, event = _respond(rng, gain)
    parts.append((unit, stimuli.feedback[event] + 0.05 + rng.gamma(2, 0.06, unit.size)))
    return parts


def _refractory(unit: Array, time: Array, wait: Array) -> tuple[Array, Array]:
    """Drop spikes that come sooner after the last one than the unit can; sort by unit and time."""
    order = np.lexsort((time, unit))
    unit, time = unit[order], time[order]
    for _ in range(3):  # each pass drops the second of a pair, three leave next to none
        gap = np.diff(time, prepend=-1.0)
        gap[np.diff(unit, prepend=-1) != 0] = np.inf
        fine = gap >= wait[unit]
        unit, time = unit[fine], time[fine]
    return unit, time


def make_spikes(
    rng: np.random.Generator, units: Units, stimuli: Stimuli, end: float, *, side: float = -1.0
) -> dict[str, Array]:
    """Make the spikes of a probe.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of chance.
    units : Units
        Who fires.
    stimuli : Stimuli
        What they respond to.
    end : float
        When the recording ends, in seconds of the session clock.
    side : float
        -1 for a probe in the left hemisphere, +1 for the right: responses are crossed.

    Returns
    -------
    dict of str to numpy.ndarray
        ``times`` (s, sorted), ``samples`` (int64, of the probe's own clock), ``clusters`` and
        ``templates`` (uint32), ``amps`` (V) and ``depths`` (µm from the tip), all of one length.
    """
    parts = [_baseline(rng, units, stimuli, end), *_evoked(rng, units, stimuli, side)]
    unit = np.concatenate([p[0] for p in parts])
    time = np.concatenate([p[1] for p in parts])
    inside = (time > 0.05) & (time < end)
    wait = np.where(units.label == 1, REFRACTORY, 0.0003)
    unit, time = _refractory(unit[inside], time[inside], wait)
    order = np.argsort(time, kind="stable")
    unit, time = unit[order], time[order]
    samples = np.round(probe_seconds(time) * SAMPLE_RATE).astype(np.int64)
    amps = units.amp[unit] * (1 + 0.12 * rng.standard_normal(unit.size)).clip(0.4)
    slide = 12 * np.sin(np.pi * time / end)  # the brain settles, by some µm
    depths = units.depth[unit] + slide + 6 * rng.standard_normal(unit.size)
    return {
        "times": time,
        "samples": samples,
        "clusters": unit.astype(np.uint32),
        "templates": unit.astype(np.uint32),
        "amps": amps,
        "depths": depths.clip(0),
    }


def probe_seconds(session_seconds: Array) -> Array:
    """Return seconds of the probe's clock for seconds of the session's clock."""
    result: Array = (np.asarray(session_seconds, float) - PROBE_OFFSET) * (1 + PROBE_DRIFT)
    return result


def make_metrics(
    units: Units, spikes: dict[str, Array], end: float, rng: np.random.Generator
) -> dict[str, Array]:
    """Measure the units as a sorting pipeline does.

    Returns
    -------
    dict of str to numpy.ndarray
        Columns of ``clusters.metrics``; ``cluster_id`` first, ``label`` last but one. Counts,
        rates, amplitudes and presence are measured, estimates of contamination are drawn to agree
        with the label.
    """
    n = len(units)
    who = spikes["clusters"].astype(np.intp)
    count = np.bincount(who, minlength=n)
    order = np.lexsort((spikes["amps"], who))
    first = np.cumsum(count) - count
    amps = np.append(spikes["amps"][order], np.nan)  # a silent last unit reads the nan

    def at(share: float) -> Array:
        place = first + (share * np.maximum(count - 1, 0)).astype(int)
        return np.where(count > 0, amps[place], np.nan)

    mean = np.bincount(who, weights=spikes["amps"], minlength=n) / np.maximum(count, 1)
    square = np.bincount(who, weights=spikes["amps"] ** 2, minlength=n) / np.maximum(count, 1)
    minute = (spikes["times"] // 60).astype(np.intp)
    bins = int(minute.max()) + 1 if minute.size else 1
    seen = np.bincount(who * bins + minute, minlength=n * bins).reshape(n, bins)
    good = units.label == 1
    foreign = np.where(good, rng.beta(1, 40, n), rng.beta(2, 8, n))
    return {
        "cluster_id": np.arange(n, dtype=np.int64),
        "amp_max": at(1.0),
        "amp_min": at(0.0),
        "amp_median": at(0.5),
        "amp_std_dB": 20 * np.log10(1 + np.sqrt((square - mean**2).clip(0)) / mean.clip(1e-9)),
        "contamination": foreign,
        "contamination_alt": (foreign * rng.lognormal(0, 0.2, n)).clip(0, 1),
        "drift": rng.lognormal(4.0, 0.5, n),
        "missed_spikes_est": rng.beta(1, 30, n),
        "noise_cutoff": np.where(units.label >= 2 / 3, rng.normal(1, 1.5, n), rng.gamma(3, 6, n)),
        "presence_ratio": (seen > 0).mean(1),
        "presence_ratio_std": seen.std(1),
        "slidingRP_viol": good.astype(float),
        "spike_count": count.astype(np.int64),
        "firing_rate": count / end,
        "label": units.label,
        "ks2_label": np.where(good, "good", "mua"),
    }
