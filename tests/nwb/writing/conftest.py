"""Files to write into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import h5py
import pytest


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
