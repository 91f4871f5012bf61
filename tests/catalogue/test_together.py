"""Many processes at one folder: no error, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fascicle.catalogue import Catalogue

from . import workers
from .support import indexed, put, tables


def start(*args: object) -> subprocess.Popen[str]:
    command = [sys.executable, workers.__file__, *map(str, args)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def crowd(folder: Path, rounds: int) -> None:
    put(folder, "lab/Subjects/first/2020-01-01/001/alf/a.times.npy")
    indexed(folder)
    names = [f"w{k}" for k in range(6)]
    writers = [start("busy", folder, name, rounds) for name in names]
    readers = [start("reader", folder) for _ in range(2)]
    errors = [w.communicate(timeout=1200)[1] for w in writers]
    (folder.parent / "stop").touch()
    errors += [r.communicate(timeout=60)[1] for r in readers]
    assert not [e for e in errors if e]
    catalogue, report = indexed(folder)
    assert (report.added, report.changed, report.removed) == (0, 0, 0)
    assert catalogue.n_sessions == 7
    assert catalogue.n_datasets == 1 + 6 * rounds
    for name in names:
        (row,) = catalogue.rows(catalogue.where("subject", name.__eq__))
        assert catalogue.session(row).projects == f"{name}-{rounds - 1}"
        datasets = catalogue.datasets(row)
        assert datasets.rel_paths == sorted(f"alf/o{k}.times.npy" for k in range(rounds))
        assert datasets.qc == [30] * rounds
    sessions, rows = tables(folder)
    assert (sessions.num_rows, rows.num_rows) == (7, 1 + 6 * rounds)
    assert set(sessions["projects"].to_pylist()) == {"", *(f"{n}-{rounds - 1}" for n in names)}
    assert not list(folder.glob(".*.part"))
    again = Catalogue.open(folder)
    assert again.number == catalogue.number


def test_eight_processes(tmp_path: Path) -> None:
    crowd(tmp_path / "data", 4)


@pytest.mark.long
def test_eight_processes_for_long(tmp_path: Path) -> None:
    crowd(tmp_path / "data", 80)


def test_first_opening_by_many(tmp_path: Path) -> None:
    """Tables that nobody has opened yet are read once, whoever is first."""
    from .test_tables import ones_ids

    folder = tmp_path / "data"
    put(folder, "lab/Subjects/s/2020-01-01/001/alf/a.times.npy")
    ones_ids(folder)
    code = (
        f"from fascicle.catalogue import Catalogue; Catalogue.open({str(folder)!r}).datasets(0).ids"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert not [e for e in (r.communicate(timeout=120)[1] for r in runs) if e]
    assert [p.name for p in (folder / ".fascicle/log").iterdir()] == ["0000000001.json"]
    assert len({p.stem for p in (folder / ".fascicle/segments").iterdir()}) == 1
