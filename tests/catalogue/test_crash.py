"""Processes killed at any moment leave the old index or the new one, and tables that are whole."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from fascicle.catalogue import Catalogue, index
from fascicle.errors import NoIndexError

from . import workers
from .support import files, indexed, put


class Killer:
    """Starts work in another process and kills it."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, workers.__file__, "killed", str(folder)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, **order: Any) -> bool:
        """Return whether the work was killed before it ended."""
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps(order), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline().strip()
        assert answer in ("killed", "ended 0"), answer
        return answer == "killed"

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "data"
    for k in range(12):
        put(root, *(f"lab/Subjects/s{k}/2020-01-01/001/alf/o{j}.times.npy" for j in range(10)))
    return root


@pytest.fixture
def kill(folder: Path) -> Iterator[Killer]:
    killer = Killer(folder)
    yield killer
    killer.close()


def rows_of_tables(folder: Path) -> list[int]:
    """Return how many rows each of ONE's tables has; both are whole where they are there."""
    out = []
    for name in ("sessions.pqt", "datasets.pqt"):
        if (folder / name).exists():
            table = pq.read_table(folder / name)
            table.validate(full=True)
            out.append(table.num_rows)
    return out


def during_index(folder: Path, kill: Killer, times: int) -> None:
    rng = random.Random(3)
    old: set[str] = set()
    states, count = {0}, 0
    for k in range(times):
        put(folder, f"lab/Subjects/s{k % 12}/2020-01-01/001/alf/new{k}.times.npy")
        here = {p.relative_to(folder).as_posix() for p in (folder / "lab").rglob("*.npy")}
        count += kill(do="index", delay=rng.uniform(0, 0.12))
        try:
            now = set(files(Catalogue.open(folder)))
        except NoIndexError:
            now = set()
        assert now in (old, here)
        states.add(len(now))
        assert set(rows_of_tables(folder)[1:]) <= states, "the tables are those of some state"
        old = now
        if k % 4 == 3:
            index(folder)
            old = set(files(Catalogue.open(folder)))
            assert old == here
            states.add(len(here))
            assert rows_of_tables(folder) == [12, len(here)]
    assert count > times // 4, "most were killed before they had ended"
    index(folder)
    assert set(files(Catalogue.open(folder))) == here


def during_commits(folder: Path, kill: Killer, times: int) -> None:
    rng = random.Random(4)
    catalogue, _ = indexed(folder)
    ids = files(catalogue)
    last = 0
    for _ in range(times):
        assert kill(do="commit", delay=rng.uniform(0, 0.2), **{"from": last})
        catalogue = Catalogue.open(folder)
        (text,) = {catalogue.session(r).projects for r in range(catalogue.n_sessions)}
        assert int(text or 0) >= last, "what was committed stays"
        last = int(text or 0)
        assert files(catalogue) == ids
        assert rows_of_tables(folder) == [12, 120]
    assert last > 0
    index(folder)
    assert set(pq.read_table(folder / "sessions.pqt")["projects"].to_pylist()) == {str(last)}


def test_killed_while_indexing(folder: Path, kill: Killer) -> None:
    during_index(folder, kill, 12)


def test_killed_while_committing(folder: Path, kill: Killer) -> None:
    during_commits(folder, kill, 12)


@pytest.mark.long
def test_killed_while_indexing_200_times(folder: Path, kill: Killer) -> None:
    during_index(folder, kill, 200)


@pytest.mark.long
def test_killed_while_committing_200_times(folder: Path, kill: Killer) -> None:
    during_commits(folder, kill, 200)
