"""What was shown and what the mouse did: blocks of stimuli, trials, licks and rewards.

Everything follows from flashes on frames of the monitor: a trial is a run of flashes, its change
one of them, so that trials, presentations, licks and rewards tell the same story.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.demo.vbn.recording import Recording, chance
from fascicle.errors import ConfigurationError

Array = NDArray[Any]
Columns = dict[str, Array]

FRAME_RATE = 60.0
FLASH = 45  #: frames from one flash to the next
SHOWN = 15  #: frames that a flash is seen
DISPLAY_DELAY = 0.0204
REWARD, AUTO_REWARD = 0.007, 0.005
MISSING = -99
_KINDS = ("hit", "miss", "false_alarm", "correct_reject", "aborted", "auto_rewarded")


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened in a session.

    Attributes
    ----------
    frames : ndarray
        Shape (n,), times of the monitor's frames in seconds.
    stimuli : dict
        Columns of each kind of stimulus, by its name.
    trials : dict
        Columns of the trials, ``lick_times`` with ``lick_ends``.
    licks, rewards : dict
        Columns.
    """

    frames: Array
    stimuli: dict[str, Columns]
    trials: Columns
    licks: Columns
    rewards: Columns

    @property
    def span(self) -> tuple[float, float]:
        """First and last time, in seconds."""
        return float(self.frames[0]), float(self.frames[-1])


def make_timeline(
    recording: Recording, *, presentations: int, trials: int | None = None, seed: int = 0
) -> Timeline:
    """Return what happened in a session.

    Parameters
    ----------
    recording : Recording
        Whose; without probes, the only block is that of the task.
    presentations : int
        How many stimuli all blocks have together.
    trials : int, optional
        How many; by default one for each eleven flashes.
    seed : int
        Another number makes other values.
    """
    counts = _count(presentations, alone=not recording.probes)
    active = counts["active"]
    trials = max(active // 11, 1) if trials is None else trials
    draw = chance(seed, "timeline")
    shape = _shape_trials(draw, trials, active)
    flashes = _flash(draw, recording, shape, active)

    first = 60
    blocks: list[tuple[str, Array, int]] = []  # name, first frames, frames shown
    at = first + FLASH * np.arange(active)
    blocks.append(("active", at, SHOWN))
    end = first + FLASH * active
    if recording.probes:
        blocks.append(("spontaneous", np.array([end]), 600))
        end += 600
        blocks.append(("gabor", end + SHOWN * np.arange(counts["gabor"]), SHOWN))
        end += SHOWN * counts["gabor"]
        rest = int(min(17_400, 4 * active))
        blocks.append(("spontaneous", np.array([end]), rest))
        end += rest
        blocks.append(("flash", end + 120 * np.arange(counts["flash"]), SHOWN))
        end += 120 * counts["flash"]
        blocks.append(("replay", end + FLASH * np.arange(active), SHOWN))
        end += FLASH * active
    frames = 27.06 + np.cumsum(draw.normal(1.00002 / FRAME_RATE, 8e-5, end + 120))
    trial_table, licks, rewards = _behave(draw, shape, flashes, at, frames)
    stimuli = _present(draw, recording, blocks, flashes, trial_table, frames)
    return Timeline(frames, stimuli, trial_table, licks, rewards)


def _count(presentations: int, *, alone: bool) -> dict[str, int]:
    """Return how many presentations each block has."""
    if alone:
        if presentations < 20:
            raise ConfigurationError("a session of behavior has 20 presentations or more")
        return {"active": presentations, "gabor": 0, "flash": 0}
    if presentations < 80:
        raise ConfigurationError("a session has 80 presentations or more")
    grid = 81 if presentations >= 300 else 9
    gabor = grid * max(1, round(0.27 * presentations / grid))
    flash = max(10, presentations // 90)
    flash += (presentations - 2 - gabor - flash) % 2
    return {"active": (presentations - 2 - gabor - flash) // 2, "gabor": gabor, "flash": flash}


@dataclass(frozen=True, slots=True)
class _Trials:
    """Kinds of trials, the flashes that they take, and the flash of the change in each."""

    kind: Array
    flashes: Array
    change: Array


def _shape_trials(draw: np.random.Generator, n: int, active: int) -> _Trials:
    """Return trials that fill the block of the task, or most of it."""
    catch = draw.random(n) < 0.125
    better = draw.random(n) + 0.3 * np.linspace(0, 1, n)  # mice tire
    kind = np.where(better < 0.8, "hit", "miss").astype(object)
    kind[catch] = np.where(draw.random(int(catch.sum())) < 0.2, "false_alarm", "correct_reject")
    kind[draw.random(n) < 0.3] = "aborted"
    if n >= 8:  # one of each
        kind[1 + draw.permutation(min(n, 40) - 1)[:5]] = _KINDS[:5]
    kind[: min(3, (n + 9) // 10)] = "auto_rewarded"
    whole = kind != "aborted"
    change = np.where(whole, np.minimum(3 + draw.geometric(0.3, n), 11), 0)
    flashes = np.where(whole, change + 4, draw.integers(2, 9, n))
    least = np.where(whole, 5, 1)
    if least.sum() > active:
        raise ConfigurationError(
            f"{n} trials do not fit into {active} flashes",
            hint="more presentations, or less trials",
        )
    while (over := int(flashes.sum()) - active) > 0:
        some = np.flatnonzero(flashes > least)
        flashes[draw.permutation(some)[:over]] -= 1
    most = np.where(whole, 15, 11)
    while (under := active - int(flashes.sum())) > 0:
        some = np.flatnonzero(flashes < most)
        if not len(some):
            break
        flashes[draw.permutation(some)[:under]] += 1
    return _Trials(kind, flashes, np.where(whole, flashes - 4, -1))


@dataclass(frozen=True, slots=True)
class _Flashes:
    """What each flash of the task shows; positions of images, -1 where one was left out."""

    image: Array
    is_change: Array
    since_change: Array
    rewarded: Array
    trial: Array
    begins: Array
    before: Array
    after: Array


def _flash(
    draw: np.random.Generator, recording: Recording, trials: _Trials, active: int
) -> _Flashes:
    """Return the sequence of images that the trials make."""
    n_images = len(recording.images)
    begins = np.cumsum(trials.flashes) - trials.flashes
    image = np.zeros(active, dtype=int)
    is_change = np.zeros(active, dtype=bool)
    rewarded = np.zeros(active, dtype=bool)
    trial = np.full(active, MISSING)
    keep = np.zeros(active, dtype=bool)
    keep[0] = True
    before, after = np.zeros(len(begins), dtype=int), np.zeros(len(begins), dtype=int)
    now = int(draw.integers(n_images))
    for k, start in enumerate(begins):
        stop = start + trials.flashes[k]
        trial[start:stop] = k
        image[start:stop] = before[k] = after[k] = now
        if trials.change[k] < 0:
            continue
        at = start + trials.change[k]
        keep[at - 1 : at + 1] = True
        if trials.kind[k] in ("hit", "miss", "auto_rewarded"):
            now = (now + 1 + int(draw.integers(n_images - 1))) % n_images
            image[at:stop] = after[k] = now
            is_change[at] = True
            rewarded[at] = trials.kind[k] != "miss"
    if len(begins):
        image[begins[-1] + trials.flashes[-1] :] = now
    image[(draw.random(active) < 0.05) & ~keep & bool(recording.image_set)] = -1
    shown = np.cumsum(image >= 0)
    last = np.maximum.accumulate(np.where(is_change, np.arange(active), 0))
    return _Flashes(image, is_change, shown - shown[last], rewarded, trial, begins, before, after)


def _behave(
    draw: np.random.Generator, trials: _Trials, flashes: _Flashes, at: Array, frames: Array
) -> tuple[Columns, Columns, Columns]:
    """Return trials, licks and rewards."""
    n = len(trials.kind)
    start = frames[at[flashes.begins] - 3]
    after_last = at[np.minimum(flashes.begins + trials.flashes, len(at)) - 1] + FLASH - 3
    stop = frames[after_last]
    whole = trials.change >= 0
    change_frame = np.where(whole, at[np.where(whole, flashes.begins + trials.change, 0)], MISSING)
    change = np.where(whole, frames[change_frame] - DISPLAY_DELAY, np.nan)
    response, reward_time = np.full(n, np.nan), np.full(n, np.nan)
    volume = np.zeros(n)
    licks: list[Array] = []
    for k, kind in enumerate(trials.kind):
        some: Array = np.empty(0)
        if kind in ("hit", "false_alarm"):
            latency = float(np.clip(0.2 + draw.gamma(4.0, 0.05), 0.2, 0.7))
            response[k] = change[k] + latency
            bout = draw.integers(6, 14) if kind == "hit" else draw.integers(1, 4)
            some = response[k] + np.r_[0, np.cumsum(draw.normal(0.14, 0.015, bout - 1))]
        elif kind == "aborted":
            low = start[k] + 0.3 * (stop[k] - start[k])
            some = low + np.cumsum(draw.normal(0.15, 0.02, draw.integers(1, 4)))
        elif kind == "auto_rewarded":
            some = change[k] + 0.9 + np.cumsum(draw.normal(0.14, 0.015, draw.integers(3, 9)))
        elif kind == "miss" and draw.random() < 0.1:
            some = change[k] + 1.2 + np.cumsum(draw.normal(0.14, 0.015, 2))
        if kind == "hit":
            reward_time[k], volume[k] = response[k] + 0.002, REWARD
        elif kind == "auto_rewarded":
            reward_time[k], volume[k] = change[k], AUTO_REWARD
        licks.append(some[some < stop[k]])
    times = np.concatenate(licks)
    given = ~np.isnan(reward_time)
    table: Columns = {
        "start_time": start,
        "stop_time": stop,
        "initial_image": flashes.before,
        "change_image": flashes.after,
        "change_time": change,
        "change_frame": change_frame,
        "lick_times": times,
        "lick_ends": np.cumsum([len(some) for some in licks]),
        "response_time": response,
        "reward_time": reward_time,
        "reward_volume": volume,
        **{kind: trials.kind == kind for kind in _KINDS},
    }
    return (
        table,
        {"time": times, "frame": np.searchsorted(frames, times, side="right") - 1},
        {
            "time": reward_time[given],
            "volume": volume[given],
            "auto": trials.kind[given] == "auto_rewarded",
        },
    )


def _present(
    draw: np.random.Generator,
    recording: Recording,
    blocks: list[tuple[str, Array, int]],
    flashes: _Flashes,
    trials: Columns,
    frames: Array,
) -> dict[str, Columns]:
    """Return the columns of each kind of stimulus."""
    parts: dict[str, list[Columns]] = {}
    names = {
        "active": recording.stimulus_name,
        "replay": recording.stimulus_name,
        "gabor": "gabor_20_deg_250ms",
        "flash": "flash_250ms",
        "spontaneous": "spontaneous",
    }
    sham = np.isin(
        blocks[0][1], trials["change_frame"][trials["false_alarm"] | trials["correct_reject"]]
    )
    for block, (kind, at, shown) in enumerate(blocks):
        n = len(at)
        columns: Columns = {
            "stimulus_block": np.full(n, block),
            "start_time": frames[at],
            "stop_time": frames[at + shown],
            "start_frame": at,
            "end_frame": at + shown,
            "duration": frames[at + shown] - frames[at],
            "active": np.full(n, kind == "active"),
            "is_sham_change": np.zeros(n, dtype=bool),
            "flashes_since_change": np.full(n, MISSING),
            "trials_id": np.full(n, MISSING),
            "stimulus_index": np.full(n, MISSING),
            "stimulus_name": np.full(n, names[kind], dtype=object),
        }
        if kind in ("active", "replay"):
            columns |= _images(recording, flashes, rewards=kind == "active")
            columns["is_sham_change"] = sham
            columns["flashes_since_change"] = flashes.since_change
            columns["trials_id"] = flashes.trial
        elif kind == "gabor":
            columns |= _gabors(draw, n)
        elif kind == "flash":
            columns["color"] = np.where(draw.random(n) < 0.5, -1.0, 1.0)
            columns["contrast"] = np.full(n, 0.8)
            columns["stimulus_index"] = np.ones(n, dtype=int)
        parts.setdefault(names[kind], []).append(columns)
    return {
        name: {column: np.concatenate([p[column] for p in some]) for column in some[0]}
        for name, some in parts.items()
    }


def _images(recording: Recording, flashes: _Flashes, *, rewards: bool) -> Columns:
    known = np.array(recording.images, dtype=object)
    omitted = flashes.image < 0
    shared = np.array([name in ("im083_r", "im111_r") for name in recording.images])
    novel = np.where(omitted, np.nan, ~shared[flashes.image] & recording.novel)
    return {
        "image_name": np.where(omitted, "omitted", known[flashes.image]),
        "image_index": np.where(omitted, len(known), flashes.image),
        "is_change": flashes.is_change.astype(float),
        "is_image_novel": novel,
        "omitted": omitted.astype(float),
        "rewarded": (flashes.rewarded & rewards).astype(float),
    } | ({} if recording.image_set else {"orientation": 90.0 * flashes.image})


def _gabors(draw: np.random.Generator, n: int) -> Columns:
    """Return patches at each place of a grid, in three orientations."""
    side = 9 if n % 81 == 0 else 3
    step = 10.0 if side == 9 else 40.0
    order = np.concatenate([draw.permutation(side**2) for _ in range(n // side**2)])
    return {
        "position_x": (order % side - side // 2) * step,
        "position_y": (order // side - side // 2) * step,
        "orientation": draw.permutation(np.resize([0.0, 45.0, 90.0], n)),
        "contrast": np.full(n, 0.8),
        "spatial_frequency": np.full(n, 0.08),
        "temporal_frequency": np.full(n, 4.0),
        "stimulus_index": np.zeros(n, dtype=int),
    }
