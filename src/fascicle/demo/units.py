"""Sorted units that respond: who fires where, how fast, and to what.

Each unit belongs to the region of its channel, and the region decides how likely it is to follow
the stimulus, the movement or the reward, and with what delay. All numbers are per unit, so that
the spikes of a whole probe are made at once (see `fascicle.demo.spikes`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.atlas import Regions

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Profile:
    """What the units of a group of regions are like.

    Attributes
    ----------
    rate : float
        Median rate, spikes per second.
    density : float
        How many units are found, relative to cortex.
    stimulus, movement, reward : float
        Shares of the units that respond to each.
    delay : float
        Seconds from the stimulus to the response.
    theta : float
        How deeply the rate follows an 8 Hz rhythm, from 0 to 1.
    """

    rate: float
    density: float = 1.0
    stimulus: float = 0.05
    movement: float = 0.3
    reward: float = 0.15
    delay: float = 0.09
    theta: float = 0.0


# A region has the profile of its nearest ancestor that is named here.
PROFILES: dict[str, Profile] = {
    "root": Profile(2.0, density=0.12, movement=0.1, reward=0.05),
    "CTX": Profile(4.0),
    "VIS": Profile(4.5, stimulus=0.65, movement=0.25, delay=0.050),
    "VISa": Profile(4.5, stimulus=0.45, movement=0.35, delay=0.065),
    "RSP": Profile(5.0, stimulus=0.30, movement=0.30, delay=0.070),
    "SSp": Profile(5.0, stimulus=0.08, movement=0.55),
    "MO": Profile(4.5, stimulus=0.20, movement=0.60, reward=0.25, delay=0.085),
    "HPF": Profile(2.0, density=0.8, stimulus=0.06, movement=0.15, theta=0.6),
    "CA1": Profile(2.5, density=1.3, stimulus=0.06, movement=0.15, theta=0.75),
    "CNU": Profile(2.5, density=0.9, stimulus=0.15, movement=0.5, reward=0.45),
    "TH": Profile(6.0, density=1.1, stimulus=0.15, movement=0.55, reward=0.25),
    "LP": Profile(7.0, density=1.1, stimulus=0.60, movement=0.40, delay=0.055),
    "LGd": Profile(9.0, density=1.2, stimulus=0.80, movement=0.10, delay=0.040),
    "RT": Profile(14.0, stimulus=0.15, movement=0.60),
    "HY": Profile(5.0, density=0.7, movement=0.35, reward=0.35),
    "MB": Profile(9.0, stimulus=0.25, movement=0.65, reward=0.3, delay=0.060),
    "SCs": Profile(7.0, stimulus=0.80, movement=0.20, delay=0.045),
    "SCm": Profile(9.0, stimulus=0.40, movement=0.70, delay=0.060),
}


def profile_of(region: int) -> Profile:
    """Return what units of a CCF region (an id, the sign is ignored) are like."""
    regions = Regions()
    if not region:
        return PROFILES["root"]
    for ancestor in reversed(regions.ancestors(abs(int(region)))):
        if found := PROFILES.get(regions.acronym(ancestor)):
            return found
    return PROFILES["root"]


@dataclass(frozen=True, slots=True)
class Units:
    """The units of one probe; every array has one entry per unit.

    ``depth`` is in µm from the tip, ``amp`` in V, ``rate`` in spikes per second; ``*_gain`` are
    mean extra spikes per event, and ``label`` is the share of quality criteria met (0, 1/3, 2/3,
    1).
    """

    depth: Array
    channel: Array
    region: Array
    rate: Array
    amp: Array
    width: Array
    label: Array
    stimulus_gain: Array
    half_contrast: Array
    ipsilateral: Array
    delay: Array
    movement_gain: Array
    prefers: Array
    movement_lead: Array
    movement_width: Array
    reward_gain: Array
    error_gain: Array
    quiet: Array
    theta: Array
    theta_phase: Array

    def __len__(self) -> int:
        return int(self.depth.size)


def make_units(rng: np.random.Generator, channels: dict[str, Array], n: int) -> Units:
    """Make the units that a sorter would find on a probe.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of chance.
    channels : dict of str to numpy.ndarray
        What `make_channels` returned.
    n : int
        How many units; none lies above the brain.

    Returns
    -------
    Units
        In order of depth, the deepest first.
    """
    ids = channels["brainLocationIds_ccf_2017"]
    known, of = np.unique(ids, return_inverse=True)
    table = [profile_of(region) for region in known]
    weight = np.array([p.density for p in table])[of] * (ids != 0)
    channel = np.sort(rng.choice(ids.size, size=n, p=weight / weight.sum()))
    along = channels["localCoordinates"][channel, 1].astype(float)

    def of_region(name: str) -> Array:
        return np.array([getattr(p, name) for p in table], float)[of[channel]]

    label = rng.choice([0.0, 1 / 3, 2 / 3, 1.0], size=n, p=[0.12, 0.18, 0.25, 0.45])
    good = label == 1
    narrow = rng.random(n) < 0.2  # interneurons: short spikes, high rates
    rate = of_region("rate") * rng.lognormal(0, 0.7, n) * np.where(narrow, 1.5, 0.65)
    responds = {name: rng.random(n) < of_region(name) for name in ("stimulus", "movement")}
    rewarded = rng.random(n) < of_region("reward")
    scale = np.sqrt(rate.clip(0.5, 40))
    clear = np.where(good, 1.0, 0.6)  # multi-unit clusters are diluted
    return Units(
        depth=(along + rng.uniform(-10, 10, n)).clip(0),
        channel=channel,
        region=ids[channel],
        rate=rate.clip(0.05, 60),
        amp=1e-6 * np.where(good, 120, 65) * rng.lognormal(0, 0.35, n),
        width=np.where(narrow, rng.uniform(0.15, 0.32, n), rng.uniform(0.45, 0.85, n)),
        label=label,
        stimulus_gain=responds["stimulus"] * clear * scale * rng.lognormal(0.35, 0.6, n),
        half_contrast=rng.uniform(0.06, 0.35, n),
        ipsilateral=rng.beta(1.2, 3, n),
        delay=of_region("delay") * rng.lognormal(0, 0.12, n),
        movement_gain=responds["movement"] * clear * scale * rng.lognormal(0.2, 0.6, n),
        prefers=np.clip(rng.normal(0, 0.5, n), -0.95, 0.95),
        movement_lead=rng.normal(0, 0.02, n),
        movement_width=rng.uniform(0.05, 0.12, n),
        reward_gain=rewarded * clear * scale * rng.lognormal(0.2, 0.6, n),
        error_gain=(rng.random(n) < 0.08) * clear * scale * rng.lognormal(0.2, 0.6, n),
        quiet=np.where(rng.random(n) < 0.18, rng.uniform(0.4, 0.9, n), 0.0),
        theta=of_region("theta") * rng.uniform(0.5, 1, n),
        theta_phase=rng.normal(0, 0.6, n),
    )
