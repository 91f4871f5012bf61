"""Trees and tables of the sizes that the benchmarks speak of."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np

ATTRIBUTES = """
choice contrastLeft contrastRight feedbackType feedback_times goCueTrigger_times goCue_times
included intervals probabilityLeft repNum response_times rewardVolume stimOnTrigger_times
stimOn_times
"""
TRIALS = [f"_ibl_trials.{a}.npy" for a in ATTRIBUTES.split()]


def _npy(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as f:
        np.lib.format.write_array(f, array, version=(1, 0))


def behaviour(root: Path, files: int = 74_000) -> Path:
    """Write sessions of 15 trials files of about 3 KB each, as in the behaviour release."""
    if (root / ".complete").exists():
        return root
    labs = ["angelakilab", "churchlandlab", "cortexlab", "danlab", "mainenlab", "zadorlab"]
    rng = np.random.default_rng(0)
    body = rng.random(360)
    for k in range(files // 15):
        lab, subject = labs[k % 6], f"SUBJ_{k // 80:03d}"
        day = date(2019, 1, 1) + timedelta(days=k % 80)
        alf = root / lab / "Subjects" / subject / day.isoformat() / f"{1 + k // 8000:03d}" / "alf"
        alf.mkdir(parents=True, exist_ok=True)
        for name in TRIALS:
            _npy(alf / name, body + k)
    root.joinpath(".complete").touch()
    return root


def ephys(root: Path, sessions: int = 1_000) -> Path:
    """Write sessions with two probes, each with two sets of channels, and spikes of some bytes."""
    if (root / ".complete").exists():
        return root
    rng = np.random.default_rng(0)
    regions = np.array([382, 463, 526, 632, 549, 733, 181, 313, 795, 0, 997])
    for k in range(sessions):
        day = date(2020, 1, 1) + timedelta(days=k % 300)
        base = (
            root / "mainenlab" / "Subjects" / f"ZM_{k // 300:03d}" / day.isoformat() / "001" / "alf"
        )
        for probe in ("probe00", "probe01"):
            for revision in ("", "#2024-05-06#"):
                folder = base / probe / "pykilosort" / revision
                folder.mkdir(parents=True, exist_ok=True)
                ids = np.repeat(rng.choice(regions, 8), 48)
                _npy(folder / "channels.brainLocationIds_ccf_2017.npy", ids)
                _npy(folder / "channels.mlapdv.npy", rng.integers(-3000, 3000, (384, 3)))
                _npy(folder / "spikes.times.npy", np.sort(rng.random(100)))
    root.joinpath(".complete").touch()
    return root


if __name__ == "__main__":
    import sys

    make = {"behaviour": behaviour, "ephys": ephys}[sys.argv[2]]
    make(Path(sys.argv[1]), int(sys.argv[3]))
