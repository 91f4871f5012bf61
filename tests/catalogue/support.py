"""Small folders to index, and ways to look at what became of them."""

from __future__ import annotations

import os
import shutil
import stat
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow.parquet as pq

from fascicle.catalogue import Catalogue, IndexReport, index

SESSION = "labA/Subjects/s1/2020-01-01/001"


def put(root: Path, *paths: str, content: bytes = b"0123") -> None:
    """Write files with the same bytes."""
    for path in paths:
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def settle() -> None:
    """Let the clock of the file system tick, so that no file is as young as the scan."""
    time.sleep(0.03)


def indexed(root: Path, **kwargs: Any) -> tuple[Catalogue, IndexReport]:
    """Index a folder that has settled and open it."""
    settle()
    report = index(root, **kwargs)
    return Catalogue.open(root, tables_dir=kwargs.get("tables_dir")), report


def files(catalogue: Catalogue) -> dict[str, UUID]:
    """Return the id of each dataset by its path relative to the root."""
    out = {}
    for row in range(catalogue.n_rows):
        session = catalogue.session(row)
        datasets = catalogue.datasets(row)
        for path, did in zip(datasets.rel_paths, datasets.ids, strict=True):
            out[f"{session.path}/{path}"] = did
    return out


def hashes(catalogue: Catalogue) -> dict[str, str]:
    """Return the hash of each dataset by its path relative to the root."""
    out = {}
    for row in range(catalogue.n_rows):
        session, datasets = catalogue.session(row), catalogue.datasets(row)
        for path, text in zip(datasets.rel_paths, datasets.hashes, strict=True):
            out[f"{session.path}/{path}"] = text
    return out


def edit_in_place(path: Path, content: bytes) -> None:
    """Write other bytes of the same length into a file, whose inode stays."""
    assert len(content) == path.stat().st_size
    settle()
    with path.open("r+b") as f:
        f.write(content)


def put_channels(
    folder: Path, ids: list[int], ml: list[float] | None = None, name: str = "channels"
) -> None:
    """Write the files that say where a probe's channels are."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / f"{name}.brainLocationIds_ccf_2017.npy", np.array(ids, np.int32))
    if ml is not None:
        coordinates = np.zeros((len(ml), 3))
        coordinates[:, 0] = ml
        np.save(folder / f"{name}.mlapdv.npy", coordinates)


def writable_copy(source: Path, target: Path) -> Path:
    """Copy a folder whose files are read-only, so that the copy is not."""
    shutil.copytree(source, target, copy_function=shutil.copyfile)
    for path in [target, *target.rglob("*")]:
        if path.is_dir():
            path.chmod(path.stat().st_mode | stat.S_IRWXU)
    return target


def tables(folder: Path) -> tuple[Any, Any]:
    """Read ONE's two tables with pyarrow alone."""
    return pq.read_table(folder / "sessions.pqt"), pq.read_table(folder / "datasets.pqt")


def log_numbers(folder: Path) -> list[int]:
    """Return the numbers of the states in a folder's log."""
    return sorted(int(p.stem) for p in (folder / ".fascicle" / "log").glob("*.json"))


def age(path: Path, days: float) -> None:
    """Make a file look as if it had been written days ago."""
    then = time.time() - days * 86_400
    os.utime(path, (then, then))
