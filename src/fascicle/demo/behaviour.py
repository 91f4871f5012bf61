"""A mouse that decides: trials, wheel and licks that hang together.

The task is the International Brain Laboratory's: a grating appears left or right, the mouse turns
the wheel to bring it to the centre. After 90 trials the side becomes likelier by blocks
(``probabilityLeft`` 0.2 or 0.8). The signs are those of the public data: ``choice`` is +1 for a
clockwise turn, which is right for a stimulus on the left, and the wheel's position grows with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Trials = dict[str, Array]

ENCODER = 2 * np.pi / 4096  # the rotary encoder's step, in radians
FEW_CONTRASTS = np.array([1.0, 0.5])
ALL_CONTRASTS = np.array([1.0, 0.25, 0.125, 0.0625, 0.0])
TIMEOUT = 60.0  # seconds until a trial without a choice ends

# What lies in `alf` as one file each where there is no trials table.
FILES = (
    "choice",
    "contrastLeft",
    "contrastRight",
    "feedbackType",
    "feedback_times",
    "goCueTrigger_times",
    "goCue_times",
    "included",
    "intervals",
    "probabilityLeft",
    "repNum",
    "response_times",
    "rewardVolume",
    "stimOnTrigger_times",
    "stimOn_times",
)


def _blocks(rng: np.random.Generator, n: int) -> Array:
    """Return the probability of a stimulus on the left for each of ``n`` trials."""
    lengths = np.clip(20 + rng.exponential(40, size=n // 20 + 2), 20, 100).astype(int)
    first = 0.2 if rng.random() < 0.5 else 0.8
    sides = np.where(np.arange(lengths.size) % 2 == 0, first, 1 - first)
    start = min(90, n // 3)
    blocks: Array = np.concatenate([np.full(start, 0.5), np.repeat(sides, lengths)])[:n]
    return blocks.round(1)


def _belief(probability_right: Array, speed: float = 0.15) -> Array:
    """Return what the mouse believes: it notices a new block only within some trials."""
    belief = np.empty_like(probability_right)
    now = 0.5
    for n, target in enumerate(probability_right):
        now += speed * (target - now)
        belief[n] = now
    return belief


def make_trials(
    rng: np.random.Generator, n: int, *, skill: float = 1.0, biased: bool = True, start: float = 5.0
) -> Trials:
    """Make the trials of one session.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of chance.
    n : int
        How many trials.
    skill : float
        From 0 to 1: how well the mouse sees and how rarely it lapses. Below 0.4 only high
        contrasts are shown, as in training.
    biased : bool
        Whether there are blocks of unequal probability.
    start : float
        When the first trial begins, in seconds of the session clock.

    Returns
    -------
    dict of str to numpy.ndarray
        Attributes of the ``trials`` object, each of length ``n`` (``intervals`` is ``(n, 2)``);
        times in seconds, contrasts from 0 to 1 (nan on the other side), volumes in µL.
    """
    contrasts = ALL_CONTRASTS if biased or skill >= 0.4 else FEW_CONTRASTS
    weights = np.where(contrasts == 0, 0.5, 1.0)
    contrast = rng.choice(contrasts, size=n, p=weights / weights.sum())
    p_left = _blocks(rng, n) if biased else np.full(n, 0.5)
    left = rng.random(n) < p_left

    # -- the decision
    signed = np.where(left, -contrast, contrast)
    evidence = np.sign(signed) * np.abs(signed) ** 0.7
    belief = _belief(1 - p_left)
    prior = np.log(belief / (1 - belief))
    drive = (1.0 + 8.5 * skill) * evidence + 0.95 * skill * prior + 0.15 * rng.standard_normal()
    lapse = 0.04 + 0.36 * (1 - skill)
    p_right = lapse / 2 + (1 - lapse) / (1 + np.exp(-drive))
    choice = np.where(rng.random(n) < p_right, -1, 1)

    # -- how long it takes: weak evidence is slow, and a sated mouse is slower and pauses
    tired = np.linspace(0, 1, n) ** 3
    median = 0.17 + 0.22 * (1 - np.abs(evidence)) + 0.10 * (1 - skill) + 0.15 * tired
    latency = 0.06 + median * rng.lognormal(0, 0.35, n)
    pauses = rng.random(n) < 0.03 + 0.12 * tired + 0.12 * (1 - skill)
    latency[pauses] += rng.exponential(2.5, pauses.sum())
    latency = np.minimum(latency, TIMEOUT - 2)
    turning = 0.09 + 0.10 * rng.lognormal(0, 0.45, n)
    gave_up = rng.random(n) < 0.004 * (1 + 2 * tired)
    choice[gave_up] = 0
    reaction = np.where(gave_up, TIMEOUT, latency + turning)
    correct = choice == np.where(left, 1, -1)

    # -- the clock: each trial is quiescence, stimulus, reaction, feedback; then a pause
    quiescence = rng.uniform(0.4, 0.7, n) + rng.exponential(0.25, n)
    to_stimulus = quiescence + rng.uniform(0.018, 0.045, n)  # the screen lags by some frames
    after = np.where(correct, 1.0, 2.0)
    lag = np.where(correct, rng.uniform(1e-4, 1e-3, n), rng.uniform(0.01, 0.03, n))
    length = to_stimulus + reaction + lag + after + rng.uniform(0.02, 0.05, n)
    pause = rng.uniform(0.4, 0.6, n)
    begin = start + np.concatenate([[0.0], np.cumsum(length + pause)[:-1]])
    stim_on = begin + to_stimulus
    response = stim_on + reaction
    feedback = response + lag
    volume = round(float(rng.uniform(1.5, 3.0)), 1)
    trials = {
        "choice": choice.astype(np.int64),
        "contrastLeft": np.where(left, contrast, np.nan),
        "contrastRight": np.where(left, np.nan, contrast),
        "feedbackType": np.where(correct, 1, -1).astype(np.int64),
        "feedback_times": feedback,
        "firstMovement_times": np.where(gave_up, np.nan, stim_on + latency),
        "goCueTrigger_times": stim_on + rng.uniform(0.001, 0.003, n),
        "included": ~gave_up,
        "intervals": np.column_stack([begin, begin + length]),
        "probabilityLeft": p_left,
        "quiescencePeriod": quiescence,
        "repNum": _repeats(contrast, correct, biased=biased),
        "response_times": response,
        "rewardVolume": np.where(correct, volume, 0.0),
        "stimOff_times": feedback + after,
        "stimOnTrigger_times": begin + quiescence,
        "stimOn_times": stim_on,
    }
    trials["goCue_times"] = trials["goCueTrigger_times"] + rng.uniform(1e-4, 5e-4, n)
    return {name: trials[name] for name in sorted(trials)}


def _repeats(contrast: Array, correct: Array, *, biased: bool) -> Array:
    """Return how often in a row a trial was repeated: in training, after easy errors."""
    repeats = np.ones(contrast.size, dtype=np.int64)
    if not biased:
        for n in np.flatnonzero(~correct[:-1] & (contrast[:-1] >= 0.5)):
            repeats[n + 1] = repeats[n] + 1
    return repeats


def signed_contrast(trials: Mapping[str, Array]) -> Array:
    """Return the contrast, negative on the left: ``(n,)`` from -1 to 1."""
    left = np.nan_to_num(trials["contrastLeft"])
    right = np.nan_to_num(trials["contrastRight"])
    result: Array = right - left
    return result


def make_wheel(rng: np.random.Generator, trials: Trials) -> dict[str, dict[str, Array]]:
    """Make the wheel's trace and its movements.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of chance.
    trials : dict of str to numpy.ndarray
        What `make_trials` returned.

    Returns
    -------
    dict of str to dict
        ``wheel``: ``position`` (radians) and ``timestamps`` (s, uneven: the encoder reports
        changes); ``wheelMoves``: ``intervals`` ``(m, 2)`` and ``peakVelocity_times`` in seconds,
        ``peakAmplitude`` in radians.
    """
    moved = ~np.isnan(trials["firstMovement_times"])
    onset = trials["firstMovement_times"][moved]
    duration = trials["response_times"][moved] - onset + rng.uniform(0.03, 0.12, onset.size)
    turn = 0.33 * trials["choice"][moved] * rng.lognormal(0, 0.25, onset.size)
    # Between trials the wheel is moved back, or just fidgeted with.
    idle = rng.random(moved.size) < 0.5
    late = trials["feedback_times"][idle] + rng.uniform(0.4, 0.8, idle.sum())
    onset = np.concatenate([onset, late])
    duration = np.concatenate([duration, rng.uniform(0.08, 0.3, late.size)])
    turn = np.concatenate([turn, rng.normal(0, 0.18, late.size)])
    order = np.argsort(onset)
    onset, duration, turn = onset[order], duration[order], turn[order]
    stop = np.minimum(onset + duration, np.append(onset[1:] - 0.01, np.inf))

    # Dense samples inside movements, sparse ones (mere jitter) outside.
    count = np.maximum((stop - onset) / 0.004, 3).astype(int)
    which = np.repeat(np.arange(onset.size), count)
    step = np.arange(which.size) - np.repeat(np.cumsum(count) - count, count)
    dense = onset[which] + (stop - onset)[which] * step / (count[which] - 1)
    end = trials["intervals"][-1, 1] + 3
    sparse = np.sort(rng.uniform(1, end, int(end * 2)))
    times = np.unique(np.concatenate([dense, sparse]))
    last = np.searchsorted(onset, times, side="right") - 1
    before = np.concatenate([[0.0], np.cumsum(turn)])
    now = np.maximum(last, 0)
    done = np.clip((times - onset[now]) / (stop - onset)[now], 0, 1)
    smooth = done**3 * (10 - 15 * done + 6 * done**2)  # minimum jerk
    position = np.where(last < 0, 0.0, before[now] + turn[now] * smooth)
    steps = np.round(position / ENCODER + rng.uniform(-0.3, 0.3, times.size))
    changed = np.concatenate([[True], np.diff(steps) != 0])
    return {
        "wheel": {"position": steps[changed] * ENCODER, "timestamps": times[changed]},
        "wheelMoves": {
            "intervals": np.column_stack([onset, stop]),
            "peakAmplitude": np.abs(turn),
            "peakVelocity_times": (onset + stop) / 2,
        },
    }


def make_licks(rng: np.random.Generator, trials: Trials) -> Array:
    """Make the times of licks in seconds, sorted: bouts at 7.5 Hz after rewards, few elsewhere."""
    reward = trials["feedback_times"][trials["feedbackType"] > 0]
    count = rng.poisson(9, reward.size)
    which = np.repeat(np.arange(reward.size), count)
    step = np.arange(which.size) - np.repeat(np.cumsum(count) - count, count)
    bouts = reward[which] + 0.08 + step / 7.5 + rng.normal(0, 0.012, which.size)
    end = trials["intervals"][-1, 1]
    return np.sort(np.concatenate([bouts, rng.uniform(0, end, int(end / 12))]))
