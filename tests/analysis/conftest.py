"""A session whose every number is known, and a small synthetic lab."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import fascicle
from fascicle.archives import FolderArchive, OpenSession
from fascicle.demo import make_lab

TH, VPM, CA1 = 549, 733, 382


def write(folder: Path, files: dict[str, Any]) -> None:
    """Write arrays and tables, each in the format of its name."""
    for name, value in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".npy":
            np.save(file, np.asarray(value))
        elif file.suffix == ".pqt":
            value.to_parquet(file)
        else:
            value.to_csv(file, index=False)


def known_probe(collection: str) -> dict[str, Any]:
    """Return the files of a sorting: units 0, 1, 3 fire, 2 is silent; unit 3 lacks metrics."""
    return {
        f"{collection}/spikes.times.npy": [0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 10.5],
        f"{collection}/spikes.clusters.npy": np.array([1, 0, 1, 3, 1, 0, 1], np.int32),
        f"{collection}/clusters.channels.npy": np.array([2, 0, 1, 3]),
        f"{collection}/clusters.depths.npy": np.array([60.0, np.nan, 40.0, 80.0], np.float32),
        f"{collection}/clusters.waveforms.npy": np.zeros((4, 5, 2), np.float32),
        f"{collection}/clusters.metrics.pqt": pd.DataFrame(
            {
                "cluster_id": [1, 0],  # neither sorted nor complete
                "label": [1.0, 1 / 3],
                "presence_ratio": [0.9, 0.1],
            }
        ),
        f"{collection}/channels.localCoordinates.npy": [[0, 20], [0, 40], [0, 60], [0, 80]],
        f"{collection}/channels.rawInd.npy": [0, 1, 2, 3],
        f"{collection}/channels.mlapdv.npy": [
            [-100, -200, -300],
            [-101, -200, -310],
            [102, -200, -320],
            [103, -200, -330],
        ],
        f"{collection}/channels.brainLocationIds_ccf_2017.npy": [TH, VPM, CA1, 0],
    }


@pytest.fixture
def known(tmp_path: Path) -> OpenSession:
    folder = tmp_path / "known"
    place = folder / "lab/Subjects/mouse/2020-01-01/001"
    write(place, known_probe("alf/probe00/pykilosort"))
    fascicle.index(folder)
    return FolderArchive(folder).open("2020-01-01_1_mouse")


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_lab(tmp_path_factory.mktemp("lab"), size="tiny")
    fascicle.index(folder)
    return folder


@pytest.fixture
def lab(lab_folder: Path) -> FolderArchive:
    return FolderArchive(lab_folder)
