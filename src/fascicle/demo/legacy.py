"""A session with the file types of 2018, which the oldest tutorial lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.demo.files import save, save_object

Array = NDArray[Any]

UNITS, SITES, END = 45, 374, 600.0


def _ends(n: int, first: float, rate: float) -> Array:
    """Return the two-point form of even timestamps: ``[[0, first], [n - 1, last]]``."""
    return np.array([[0.0, first], [n - 1.0, first + (n - 1) / rate]])


def write_legacy(rng: np.random.Generator, folder: Path) -> Path:
    """Write ten minutes of spontaneous activity seen by two probes of the first generation.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of chance.
    folder : pathlib.Path
        The session's ``alf`` folder.

    Returns
    -------
    pathlib.Path
        The folder.
    """
    piezo = rng.normal(0, 0.02, int(END * 20)) + (rng.random(int(END * 20)) < 0.02)
    save(folder, "_ibl_lickPiezo.raw.npy", piezo[:, None])
    save(folder, "_ibl_lickPiezo.timestamps.npy", _ends(piezo.size, 0.31, 20))
    save(folder, "_ibl_wheel.position.npy", np.cumsum(rng.normal(0, 0.01, int(END * 10))))

    probe = np.repeat([0, 1], SITES)
    site = np.tile(np.arange(SITES), 2)
    position = np.column_stack([np.array([43, 11, 59, 27])[site % 4], 20 * (site // 2 + 1)])
    layers = np.array(["VISp", "CA1", "DG", "LP", "PO"])[::-1]
    place = {"allen_ontology": layers[np.minimum(site * layers.size // SITES, layers.size - 1)]}
    save(folder, "channels.brainLocation.tsv", place)
    save_object(
        folder,
        "channels",
        {"probe": probe, "rawRow": site, "site": site, "sitePositions": position.astype(float)},
    )
    save(folder, "probes.description.tsv", {"description": ["Neuropixels Phase3A opt3"] * 2})
    names = ["clns0730_2018-08-24_K1.ap.bin", "clns0730_2018-08-24_K2.ap.bin"]
    save(folder, "probes.rawFilename.tsv", {"raw_filename": names})
    entry = {"entry_point_rl": [-2200, 2100], "entry_point_ap": [-3400, -2000]}
    save(
        folder, "probes.insertion.tsv", entry | {"vertical_angle": [75, 70], "depth": [3700, 3600]}
    )
    save(folder, "probes.sitePositions.npy", position[:SITES].astype(float))

    peak = np.sort(rng.integers(0, 2 * SITES, UNITS))
    shape = -np.exp(-(((np.arange(82) - 20) / 4.0) ** 2))
    decay = np.exp(-np.abs(np.arange(32) - 16) / 4.0)
    template = rng.uniform(20, 90, UNITS)[:, None, None] * shape[:, None] * decay
    save_object(
        folder,
        "clusters",
        {
            "_phy_annotation": rng.choice([0, 1, 2], UNITS),
            "depths": position[peak, 1].astype(float),
            "peakChannel": peak,
            "probes": probe[peak],
            "templateWaveforms": template.astype(np.float32),
            "waveformDuration": rng.uniform(0.2, 0.8, UNITS),
        },
    )
    rate = rng.lognormal(0.7, 0.8, UNITS)
    count = rng.poisson(rate * END)
    times = rng.random(count.sum()) * END
    order = np.argsort(times)
    cluster = np.repeat(np.arange(UNITS), count)[order]
    save_object(
        folder,
        "spikes",
        {
            "amps": rng.lognormal(4, 0.4, order.size),
            "clusters": cluster,
            "depths": position[peak, 1][cluster] + rng.normal(0, 8, order.size),
            "times": times[order],
        },
    )
    frames = int(END * 5)
    save_object(
        folder,
        "eye",
        {
            "area": 300 + 40 * np.sin(np.arange(frames) / 60) + rng.normal(0, 4, frames),
            "blink": rng.random(frames) < 0.01,
            "timestamps": _ends(frames, 0.5, 5),
            "xyPos": rng.normal(0, 2, (frames, 2)),
        },
    )
    save(folder, "licks.times.npy", np.sort(rng.uniform(0, END, 80)))
    save(folder, "spontaneous.intervals.npy", np.array([[0.0, END]]))
    # A file whose type no list knows: the tutorial's `unknown`.
    save(folder, "rigNotes.text.txt", b"Eye camera refocused before the recording.\n")
    return folder
