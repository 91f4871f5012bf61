"""Small folders of ALF data to release."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def save(path: Path, *shape: int, fill: float = 0.0) -> Path:
    """Write an array below a folder that is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.full(shape, fill))
    return path


def make_folder(root: Path, *, sessions: int = 3) -> Path:
    """Write trials and spikes of some sessions of two subjects."""
    for k in range(sessions):
        session = root / f"lab/Subjects/KS{k % 2:03d}/2020-01-{k + 1:02d}/001"
        for n, name in enumerate(("intervals", "choice", "feedbackType", "rewardVolume")):
            save(session / f"alf/_ibl_trials.{name}.npy", 10, n + 1, fill=k)
        for name in ("times", "clusters", "amps"):
            save(session / f"alf/probe00/spikes.{name}.npy", 50 + k, fill=len(name))
    (root / "README.md").write_text("# Made up\n")
    return root


def tree(root: Path, *, hidden: bool = True) -> dict[str, bytes]:
    """Return the content of all files below a folder."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and (hidden or ".fascicle" not in path.parts)
    }
