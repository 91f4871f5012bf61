"""Synthetic sessions: the usual one, and ones with what is rare."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import pytest

from fascicle.allen import BehaviorEcephysSession, BehaviorSession
from fascicle.demo.vbn import write_behavior, write_lfp, write_session

#: Columns of presentations that files made earlier lack.
FROM_TRIALS = ("active", "trials_id", "is_sham_change")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a session, its LFP, and a training."""
    folder = tmp_path_factory.mktemp("vbn")
    write_session(folder / "session.nwb", presentations=500, seed=2)
    write_behavior(folder / "training.nwb", presentations=260)
    with BehaviorEcephysSession.from_nwb_path(folder / "session.nwb") as session:
        for probe, name in session.probes.loc[session.probes["has_lfp_data"], "name"].items():
            write_lfp(folder / f"probe_{probe}_lfp.nwb", probe=name, presentations=500, seed=2)
    return folder


@pytest.fixture(scope="session")
def path(folder: Path) -> Path:
    """Return the file of the session."""
    return folder / "session.nwb"


@pytest.fixture
def session(path: Path) -> Iterator[BehaviorEcephysSession]:
    """Return the session, of which nothing was read."""
    with BehaviorEcephysSession.from_nwb_path(path) as session:
        yield session


@pytest.fixture
def training(folder: Path) -> Iterator[BehaviorSession]:
    """Return a session of behaviour alone."""
    with BehaviorSession.from_nwb_path(folder / "training.nwb") as session:
        yield session


@pytest.fixture
def changed(path: Path, tmp_path: Path) -> Callable[[Callable[[h5py.File], object]], Path]:
    """Return a function that returns a copy of the session's file in which something is changed."""
    numbers = iter(range(100))

    def change(how: Callable[[h5py.File], object]) -> Path:
        copy = tmp_path / f"changed{next(numbers)}.nwb"
        shutil.copy(path, copy)
        with h5py.File(copy, "r+") as h5:
            how(h5)
        return copy

    return change


def drop_columns(table: h5py.Group, names: tuple[str, ...]) -> None:
    """Take columns out of a table."""
    for name in names:
        for member in (name, f"{name}_index"):
            if member in table:
                del table[member]
    left = [name for name in table.attrs["colnames"] if name not in names]
    table.attrs["colnames"] = left


def without_trials_columns(h5: h5py.File) -> None:
    """Take out of presentations what trials say of them."""
    for name in h5["intervals"]:
        if name.endswith("_presentations"):
            drop_columns(h5["intervals"][name], FROM_TRIALS)


def put(h5: h5py.File, path: str, rows: object, values: object) -> None:
    """Change values of an array."""
    array = h5[path][()]
    array[rows] = values
    h5[path][...] = array
