"""What follows the task on an ephys rig: the passive protocol, and what the microphone hears."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.demo.behaviour import Trials

Array = NDArray[Any]

RFM_SHAPE = (15, 15)  # squares of the receptive-field map
RFM_RATE = 60.0  # Hz


@dataclass(frozen=True, slots=True)
class Passive:
    """The passive protocol: three parts, and what was shown and played in them.

    ``periods`` is ``(2, 4)``: start and stop (rows) of the whole protocol, of spontaneous
    activity, of receptive-field mapping and of task replay, in seconds. ``gabor`` and ``sounds``
    are columns of tables; ``frames`` is ``(n, 15, 15)`` uint8 shown at ``frame_times``.
    """

    periods: Array
    gabor: dict[str, Array]
    sounds: dict[str, Array]
    frames: Array
    frame_times: Array

    @property
    def stimuli(self) -> dict[str, Array]:
        """Onsets (s) and signed contrasts of the gratings, as `stimuli_of` takes them."""
        side = np.sign(self.gabor["position"])
        return {"on": self.gabor["start"], "contrast": side * self.gabor["contrast"]}


def make_passive(rng: np.random.Generator, start: float, seconds: float) -> Passive:
    """Make a passive protocol whose three parts last ``seconds`` each, from ``start`` on."""
    edges = start + seconds * np.arange(4)
    replay = edges[2]
    n = max(6, int(seconds / 1.2))
    on = replay + 0.5 + np.sort(rng.uniform(0, seconds - 1.5, n))
    on = np.maximum.accumulate(on + 0.001 * np.arange(n))
    gabor = {
        "start": on,
        "stop": on + 0.3,
        "position": rng.choice([-35.0, 35.0], n),
        "contrast": rng.choice([1.0, 0.25, 0.125, 0.0625], n),
        "phase": rng.uniform(0, 2 * np.pi, n),
    }
    m = max(4, n // 3)
    sounds: dict[str, Array] = {}
    for name, length in (("valve", 0.1), ("tone", 0.1), ("noise", 0.5)):
        at = replay + np.sort(rng.uniform(0, seconds - 1, m))
        sounds[f"{name}On"], sounds[f"{name}Off"] = at, at + length
    frames = rng.choice(np.array([0, 128, 255], np.uint8), (int(seconds * 2), *RFM_SHAPE))
    times = edges[1] + 1 + np.arange(frames.shape[0]) * (seconds - 2) / frames.shape[0]
    periods = np.array([[edges[0], edges[0], edges[1], edges[2]], [edges[3], *edges[1:]]])
    return Passive(periods, gabor, sounds, frames, np.round(times * RFM_RATE) / RFM_RATE)


def periods_csv(periods: Array) -> bytes:
    """Return the table of periods as a file of the real pipeline: a first column with no name."""
    names = ("passiveProtocol", "spontaneousActivity", "RFM", "taskReplay")
    rows = [",".join(("", *names))]
    for label, row in zip(("start", "stop"), periods.tolist(), strict=True):
        rows.append(",".join((label, *map(str, row))))
    return ("\n".join(rows) + "\n").encode()


def audio_spectrogram(
    rng: np.random.Generator, trials: Trials, end: float, step: float
) -> dict[str, Array]:
    """Return what a microphone hears: hiss, a 5 kHz tone at each go cue, noise at each error.

    Returns
    -------
    dict of str to numpy.ndarray
        ``power`` ``(n, 129)`` float32 in dB, ``frequencies`` ``(1, 129)`` in Hz, ``times_mic``
        ``(n,)`` in seconds.
    """
    times = np.arange(0, end, step)
    frequencies = np.linspace(0, 48_000, 129)
    floor = -62 - 12 * frequencies / 48_000
    power = (floor + rng.normal(0, 2.0, (times.size, 129))).astype(np.float32)

    def rows(events: Array, length: float) -> Array:
        last = np.searchsorted(events, times + step) - 1
        near = times - events[np.maximum(last, 0)] < length
        return (last >= 0) & near

    tone = np.abs(frequencies - 5_000) < 400
    power[np.ix_(rows(trials["goCue_times"], 0.1), tone)] += 45
    power[rows(trials["feedback_times"][trials["feedbackType"] < 0], 0.5)] += 25
    return {"power": power, "frequencies": frequencies[None, :], "times_mic": times}
