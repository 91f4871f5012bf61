"""What a session is about: its numbers, its mouse, its probes with their channels and units."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.errors import ConfigurationError

Array = NDArray[Any]

CHANNELS = 384
SAMPLES = 82

#: Images of the two sets, two of which are in both.
IMAGES: Mapping[str, tuple[str, ...]] = {
    "G": ("im012_r", "im036_r", "im044_r", "im047_r", "im078_r", "im083_r", "im111_r", "im115_r"),
    "H": ("im104_r", "im114_r", "im083_r", "im005_r", "im087_r", "im024_r", "im111_r", "im034_r"),
}
METRICS = (
    "PT_ratio",
    "amplitude",
    "amplitude_cutoff",
    "cumulative_drift",
    "d_prime",
    "firing_rate",
    "isi_violations",
    "isolation_distance",
    "l_ratio",
    "max_drift",
    "nn_hit_rate",
    "nn_miss_rate",
    "presence_ratio",
    "recovery_slope",
    "repolarization_slope",
    "silhouette_score",
    "snr",
    "spread",
    "velocity_above",
    "velocity_below",
    "waveform_duration",
)
_TRACKS = (
    ("VISam", "VISam", "CA1", "DG-mo", "DG-sg", "LP", "APN", "MRN"),
    ("VISpm", "VISpm", "CA1", "DG-mo", "DG-po", "LP", "POL", "MB"),
    ("VISp", "VISp", "VISp", "CA1", "SUB", "LGd-co", "SCig", "MRN"),
    ("VISl", "VISl", "CA1", "CA3", "DG-sg", "LGd-sh", "TH", "root"),
    ("VISal", "VISal", "CA1", "DG-mo", "LGd-ip", "LP", "SGN", "APN"),
    ("VISrl", "VISrl", "CA1", "CA3", "DG-mo", "LP", "TH", "root"),
)


def chance(seed: int, *names: str) -> np.random.Generator:
    """Return the source of chance for something named: the same for the same seed and names."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe: its number among all of the project, its letter and its rates in hertz."""

    id: int
    name: str
    sampling_rate: float = 30_000.0
    lfp_sampling_rate: float = 1_250.0
    has_lfp_data: bool = True


@dataclass(frozen=True, slots=True)
class Recording:
    """A session of Visual Behavior Neuropixels.

    Attributes
    ----------
    ecephys_session_id : int or None
        None for a session of behavior alone.
    behavior_session_id : int
        Its number as a session of behavior.
    session_type : str
        Stage, images and reward, such as ``EPHYS_1_images_H_3uL_reward``.
    image_set : {'G', 'H', ''}
        Empty for gratings.
    novel : bool
        Whether the mouse sees the set for the first time.
    equipment_name, mouse_id, sex, genotype, project_code : str
        As in the project's tables.
    age_in_days : int
        Age of the mouse.
    date_of_acquisition : str
        Date and time of day, in UTC.
    probes : tuple of Probe
        Empty for a session of behavior alone.
    channels, units : mapping
        Columns as arrays: those of the project's tables of channels and units, without the
        session's; a unit's ``channel`` and a channel's ``probe`` are positions.
    """

    ecephys_session_id: int | None
    behavior_session_id: int
    session_type: str
    image_set: str
    novel: bool = False
    equipment_name: str = "NP.1"
    mouse_id: str = "524761"
    sex: str = "M"
    genotype: str = "Vip-IRES-Cre/wt;Ai32(RCL-ChR2(H134R)_EYFP)/wt"
    project_code: str = "NeuropixelVisualBehavior"
    age_in_days: int = 148
    date_of_acquisition: str = "2020-09-23 15:34:18.179"
    probes: tuple[Probe, ...] = ()
    channels: Mapping[str, Array] = field(default_factory=dict, repr=False)
    units: Mapping[str, Array] = field(default_factory=dict, repr=False)

    @property
    def images(self) -> tuple[str, ...]:
        """Names of the images; those of gratings if there is no set."""
        return IMAGES[self.image_set] if self.image_set else ("gratings_0.0", "gratings_90.0")

    @property
    def stimulus_name(self) -> str:
        """Name of the set of images as stimuli and templates have it."""
        if not self.image_set:
            return "grating"
        return f"Natural_Images_Lum_Matched_set_ophys_{self.image_set}_2019"

    @property
    def start_time(self) -> str:
        """Date and time as NWB has them."""
        return self.date_of_acquisition.replace(" ", "T").ljust(26, "0") + "+00:00"


def plan_recording(
    *,
    seed: int = 0,
    ecephys_session_id: int = 1044385384,
    behavior_session_id: int | None = None,
    session_type: str = "EPHYS_1_images_G_5uL_reward",
    image_set: str = "G",
    probes: int = 2,
    units: int = 80,
    channels: int = CHANNELS,
    **about: Any,
) -> Recording:
    """Return a session with probes, channels and units of its own.

    Some channels are invalid or outside of the brain, some units are noise or lack a metric.

    Parameters
    ----------
    seed : int
        Another number makes other values.
    ecephys_session_id, behavior_session_id : int
        Numbers of the session.
    session_type, image_set : str
        See `Recording`.
    probes, units, channels : int
        How many there are; units of all probes, channels of each.
    **about
        Further attributes of `Recording`.
    """
    if probes < 1 or units < probes or channels < 1:
        raise ConfigurationError(
            f"{units} units on {probes} probes of {channels} channels",
            hint="at least one probe, one channel, and one unit per probe",
        )
    first = ecephys_session_id + 100
    made = tuple(
        Probe(
            first + n,
            f"probe{'ABCDEFGHIJKLMNOPQRSTUVWXYZ'[n % 26]}{n // 26 or ''}",
            sampling_rate=30_000 + n / 100,
            lfp_sampling_rate=float("nan") if n % 6 == 1 else 1_250.0,
            has_lfp_data=n % 6 != 1,
        )
        for n in range(probes)
    )
    site = make_channels(seed, probes, channels)
    return Recording(
        ecephys_session_id,
        behavior_session_id or ecephys_session_id + 23048,
        session_type,
        image_set,
        probes=made,
        channels=site,
        units=make_units(seed, probes, units, site),
        **about,
    )


def plan_training(
    *,
    behavior_session_id: int = 1055240613,
    session_type: str = "TRAINING_4_images_G_training_7uL_reward",
    image_set: str = "G",
    mouse_id: str = "540536",
    **about: Any,
) -> Recording:
    """Return a session of behavior alone.

    Parameters
    ----------
    behavior_session_id, session_type, image_set, mouse_id
        See `Recording`.
    **about
        Further attributes of `Recording`.
    """
    return Recording(None, behavior_session_id, session_type, image_set, mouse_id=mouse_id, **about)


def make_channels(seed: int, probes: int, channels: int) -> dict[str, Array]:
    """Return the channels of probes that go down from the cortex, tip first."""
    draw = chance(seed, "channels")
    n = probes * channels
    probe = np.repeat(np.arange(probes), channels)
    number = np.tile(np.arange(channels), probes)
    vertical = 20 * (number // 2 + 1)
    depth = (vertical.max() - vertical) / max(vertical.max(), 1)
    tracks = np.array(_TRACKS, dtype=object)[probe % len(_TRACKS)]
    level = np.clip((depth * 9).astype(int) - 1, -1, 7)  # the uppermost part is outside
    acronym = tracks[np.arange(n), np.maximum(level, 0)]
    outside = (level < 0) | (draw.random(n) < 0.01)
    acronym[outside] = np.where(draw.random(int(outside.sum())) < 0.5, "None", "")
    along = draw.normal(0, 3, n)
    return {
        "id": 1049365509 + np.arange(n) + (n // 7) * (seed % 1000),
        "probe": probe,
        "number": number,
        "vertical": vertical,
        "horizontal": np.array([43, 11, 59, 27])[number % 4],
        "ap": np.where(outside, np.nan, np.round(7600 + 260 * probe + 700 * depth + along)),
        "dv": np.where(outside, np.nan, np.round(450 + 3800 * depth + along)),
        "lr": np.where(outside, np.nan, np.round(9200 - 320 * probe - 900 * depth + along)),
        "acronym": acronym,
        "valid": draw.random(n) > 0.01,
    }


def make_units(
    seed: int, probes: int, units: int, channels: Mapping[str, Array]
) -> dict[str, Array]:
    """Return units with metrics in the ranges that real ones have; every 16th lacks some."""
    draw = chance(seed, "units")
    each = len(channels["id"]) // probes
    counts = np.full(probes, units // probes) + (np.arange(probes) < units % probes)
    probe = np.repeat(np.arange(probes), counts)
    local = np.arange(units) - np.repeat(np.cumsum(counts) - counts, counts)
    channel = probe * each + draw.integers(0, each, units)
    bad = np.flatnonzero(~channels["valid"])
    if len(bad) and units > 4:  # some units are on channels that are not valid
        on = np.arange(4, units, 40)
        near = bad[np.minimum(np.searchsorted(bad, channel[on]), len(bad) - 1)]
        channel[on] = np.where(near // each == probe[on], near, channel[on])
    silent = np.arange(units) % 16 == 15
    which = np.arange(units) // 16 % 3

    def lacking(values: Array, part: float) -> Array:
        return np.where(draw.random(units) < part, np.nan, values)

    def missing(values: Array, kind: int) -> Array:
        return np.where(silent & (which == kind), np.nan, values)

    return {
        "id": 1157005600 + np.arange(units) + (units // 3) * (seed % 1000),
        "channel": channel,
        "local_index": local,
        "cluster_id": local + local // 9,
        "quality": np.where(draw.random(units) < 0.85, "good", "noise").astype(object),
        "PT_ratio": draw.gamma(3.0, 0.2, units),
        "amplitude": 40 + draw.gamma(3.0, 40.0, units),
        "amplitude_cutoff": missing(np.minimum(draw.gamma(0.5, 0.1, units), 0.5), 0),
        "cumulative_drift": draw.gamma(2.0, 90.0, units).round(2),
        "d_prime": lacking(draw.normal(4.5, 1.5, units), 0.005),
        "firing_rate": np.maximum(draw.lognormal(1.0, 1.1, units), 0.05),
        "isi_violations": missing(draw.gamma(0.3, 0.8, units), 2),
        "isolation_distance": lacking(draw.gamma(3.0, 25.0, units), 0.01),
        "l_ratio": draw.gamma(0.4, 0.05, units),
        "max_drift": draw.gamma(2.0, 20.0, units).round(2),
        "nn_hit_rate": draw.beta(8, 2, units),
        "nn_miss_rate": draw.beta(1, 40, units),
        "presence_ratio": missing(draw.beta(30, 1, units).round(2), 1),
        "recovery_slope": -draw.gamma(2.0, 0.08, units),
        "repolarization_slope": draw.gamma(3.0, 0.25, units),
        "silhouette_score": lacking(draw.beta(2, 10, units), 0.02),
        "snr": draw.gamma(3.0, 0.9, units),
        "spread": 10.0 * draw.integers(1, 12, units),
        "velocity_above": lacking(draw.normal(0, 0.9, units), 0.1),
        "velocity_below": lacking(draw.normal(0, 0.9, units), 0.1),
        "waveform_duration": draw.gamma(6.0, 0.07, units),
    }
