"""What the cameras of a rig see: frame times, pose, pupil and motion energy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.demo.behaviour import Trials

Array = NDArray[Any]

# Where a body part rests in the left camera's picture (1280 x 1024), and how much it moves.
PARTS: dict[str, tuple[float, float, float]] = {
    "nose_tip": (520.0, 410.0, 3.0),
    "pupil_top_r": (640.0, 330.0, 0.5),
    "pupil_right_r": (655.0, 345.0, 0.5),
    "pupil_bottom_r": (640.0, 360.0, 0.5),
    "pupil_left_r": (625.0, 345.0, 0.5),
    "paw_l": (480.0, 700.0, 14.0),
    "paw_r": (600.0, 720.0, 14.0),
    "tongue_end_l": (500.0, 480.0, 2.0),
    "tongue_end_r": (512.0, 482.0, 2.0),
}


def frame_times(rng: np.random.Generator, end: float, rate: float) -> Array:
    """Return when the frames of a video were taken, in seconds: ``(n,)`` float64."""
    n = int((end - 1.0) * rate)
    return 0.5 + np.arange(n) / rate + rng.normal(0, 1e-4, n)


def movement_trace(times: Array, trials: Trials) -> Array:
    """Return how much the animal moves at each time: 0 at rest, about 1 while it turns."""
    moved = ~np.isnan(trials["firstMovement_times"])
    on = trials["firstMovement_times"][moved]
    last = np.searchsorted(on, times) - 1
    since = times - on[np.maximum(last, 0)]
    turning = np.where((last >= 0) & (since < 4), np.exp(-since / 0.35), 0.0)
    rewards = trials["feedback_times"][trials["feedbackType"] > 0]
    last = np.searchsorted(rewards, times) - 1
    since = times - rewards[np.maximum(last, 0)]
    licking = np.where((last >= 0) & (since < 2), 0.5 * np.exp(-since / 0.7), 0.0)
    result: Array = turning + licking
    return result


def motion_energy(rng: np.random.Generator, times: Array, trials: Trials) -> Array:
    """Return the motion energy of each frame, in grey levels: ``(n,)`` float64."""
    trace = movement_trace(times, trials)
    energy: Array = 2.2 + 9.0 * trace * rng.gamma(6, 1 / 6, times.size)
    return energy + 0.5 * rng.gamma(2, 0.5, times.size)


def pupil_diameter(rng: np.random.Generator, times: Array, trials: Trials) -> dict[str, Array]:
    """Return the pupil's diameter in pixels, ``pupilDiameter_raw`` and ``…_smooth``.

    It widens after feedback and wanders slowly; the raw trace is noisy and nan in blinks.
    """
    feedback = trials["feedback_times"]
    last = np.searchsorted(feedback, times) - 1
    since = times - feedback[np.maximum(last, 0)]
    widened = np.where(last >= 0, (since / 0.8) * np.exp(1 - since / 0.8), 0.0)
    slow = sum(
        np.sin(2 * np.pi * times / period + rng.uniform(0, 2 * np.pi)) / k
        for k, period in ((1, 340.0), (2, 97.0), (3, 31.0))
    )
    smooth = 28 + 2.5 * slow + 3.0 * widened
    raw = smooth + rng.normal(0, 0.9, times.size)
    raw[rng.random(times.size) < 0.004] = np.nan
    return {
        "pupilDiameter_raw": raw.astype(np.float32),
        "pupilDiameter_smooth": np.asarray(smooth, np.float32),
    }


def pose(
    rng: np.random.Generator, times: Array, trials: Trials, diameter: Array, licks: Array
) -> dict[str, Array]:
    """Return the tracked body parts, three columns each: ``x``, ``y`` (pixels), ``likelihood``.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of chance.
    times : numpy.ndarray
        Frame times, ``(n,)`` in seconds.
    trials : dict of str to numpy.ndarray
        What `make_trials` returned: paws move when the wheel does.
    diameter : numpy.ndarray
        The pupil's diameter in pixels, ``(n,)``: the pupil's four points are that far apart.
    licks : numpy.ndarray
        Times of licks in seconds: the tongue is seen only then.
    """
    trace = movement_trace(times, trials)
    near = np.searchsorted(licks, times)
    before = np.abs(times - licks[np.maximum(near - 1, 0)])
    after = np.abs(times - licks[np.minimum(near, licks.size - 1)])
    tongue = np.minimum(before, after) < 0.04
    outward = {"top": (0, -1), "bottom": (0, 1), "left": (-1, 0), "right": (1, 0)}
    columns: dict[str, Array] = {}
    for part, (x, y, size) in PARTS.items():
        shake = size * trace
        dx = shake * np.sin(2 * np.pi * 3.1 * times) + rng.normal(0, 0.4, times.size)
        dy = shake * np.cos(2 * np.pi * 2.7 * times) + rng.normal(0, 0.4, times.size)
        seen = rng.beta(60, 1, times.size)
        if part.startswith("pupil"):
            across, along = outward[part.split("_")[1]]
            dx, dy = dx + across * (diameter / 2 - 15), dy + along * (diameter / 2 - 15)
        if part.startswith("tongue"):
            seen = np.where(tongue, seen, rng.beta(1, 30, times.size))
        for axis, value in (("x", x + dx), ("y", y + dy), ("likelihood", seen)):
            columns[f"{part}_{axis}"] = value.round(2).astype(np.float32)
    return columns
