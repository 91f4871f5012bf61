"""Files to write into."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import h5py
import pytest
from tests.nwb.writing.sessions import RICH, SMALL

from fascicle.demo import index_lab
from fascicle.errors import ConversionWarning


@pytest.fixture
def nwbfile() -> Any:
    """Return an NWBFile with what it cannot do without."""
    from pynwb import NWBFile

    start = datetime(2023, 10, 19, 10, 2, 11, tzinfo=ZoneInfo("Europe/London"))
    return NWBFile("a session", "an identifier", start)


@pytest.fixture
def h5(tmp_path: Path) -> Iterator[h5py.File]:
    """Return a new file of HDF5."""
    with h5py.File(tmp_path / "new.h5", "w") as made:
        yield made


@pytest.fixture
def packed(h5: h5py.File) -> Callable[..., Any]:
    """Return a function that makes a dataset as hdmf makes those for arrays that come later."""
    numbers = iter(range(1000))

    def make(shape: Any, dtype: Any, chunks: Any, *, shuffle: bool = True) -> Any:
        return h5.create_dataset(
            f"data{next(numbers)}",
            shape=shape,
            dtype=dtype,
            chunks=chunks,
            compression="gzip",
            shuffle=shuffle,
        )

    return make


@pytest.fixture(scope="session")
def lab(tiny_lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lab of two sessions, one with all there is; tests must not change it."""
    folder = tmp_path_factory.mktemp("converted") / "lab"
    for session in (RICH, SMALL):
        shutil.copytree(tiny_lab / session, folder / session)
    for path in tiny_lab.glob("*.json"):
        shutil.copy(path, folder)
    index_lab(folder)
    return folder


@pytest.fixture
def own(lab: Path, tmp_path: Path) -> Path:
    """Return a copy of its small session, in a lab that a test may change."""
    folder = tmp_path / "own"
    shutil.copytree(lab / SMALL, folder / SMALL)
    for path in lab.glob("*.json"):
        shutil.copy(path, folder)
    return folder


@pytest.fixture(autouse=True)
def _said() -> Iterator[None]:
    """Let warnings be: tests that want them ask for them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)
        yield
