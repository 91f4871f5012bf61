"""A small synthetic lab, indexed once."""

from __future__ import annotations

from pathlib import Path

import pytest

import fascicle
from fascicle.archives import FolderArchive
from fascicle.demo import make_lab


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_lab(tmp_path_factory.mktemp("lab"), size="tiny")
    fascicle.index(folder)
    return folder


@pytest.fixture
def lab(lab_folder: Path) -> FolderArchive:
    return FolderArchive(lab_folder)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A folder with three sessions whose every file is known, not indexed yet."""
    for path in (
        "cortexlab/Subjects/A/2020-01-01/001/alf/_ibl_trials.choice.npy",
        "cortexlab/Subjects/A/2020-01-01/001/alf/_ibl_trials.contrastLeft.npy",
        "cortexlab/Subjects/A/2020-01-01/001/alf/#2021-01-01#/_ibl_trials.choice.npy",
        "cortexlab/Subjects/A/2020-01-01/001/alf/probe00/spikes.times.npy",
        "cortexlab/Subjects/A/2020-01-01/001/alf/probe01/spikes.times.npy",
        "cortexlab/Subjects/A/2020-02-29/002/alf/probe00/ks/_phy_spikes.times_ephys.npy",
        "cortexlab/Subjects/A/2020-02-29/002/alf/#2022-01-01#/_ibl_wheel.position.npy",
        "zadorlab/Subjects/B-1/2021-06-01/001/raw_video_data/_iblrig_leftCamera.raw.mp4",
    ):
        file = tmp_path / "small" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        save(file)
    return tmp_path / "small"


def save(file: Path) -> None:
    import numpy as np

    if file.suffix == ".npy":
        np.save(file, np.arange(5.0) + ("#" in str(file)))
    else:
        file.write_bytes(b"not a film")
