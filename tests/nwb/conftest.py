"""Files to read: written by pynwb, once."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import pytest
from tests.nwb.make import make_nwb
from tests.transfer.conftest import Server, quick, server

__all__ = ["quick", "server"]


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with every kind of table, column and series; tests must not change it."""
    return make_nwb(tmp_path_factory.mktemp("nwb") / "everything.nwb")


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one whose series are in compressed chunks."""
    return make_nwb(tmp_path_factory.mktemp("nwb") / "packed.nwb", chunks=True)


@pytest.fixture(scope="session")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one with an extension that this process does not know."""
    folder = tmp_path_factory.mktemp("extended")
    program = Path(__file__).with_name("extended.py")
    subprocess.run([sys.executable, str(program), str(folder)], check=True)
    return folder / "extended.nwb"


@pytest.fixture
def harmed(everything: Path, tmp_path: Path) -> Callable[[], Iterator[h5py.File]]:
    """Return a context in which a copy can be changed by h5py; its path is ``.filename``."""

    @contextmanager
    def change() -> Iterator[h5py.File]:
        copy = Path(shutil.copy(everything, tmp_path / "harmed.nwb"))
        with h5py.File(copy, "r+") as h5:
            yield h5

    return change


@pytest.fixture
def serve(server: Server) -> Callable[[Path], str]:
    """Return a function that puts a file on a server of HTTP, and returns its address."""

    def put(path: Path) -> str:
        server.put(f"/{path.name}", path.read_bytes())
        return f"{server.base}/{path.name}"

    return put
