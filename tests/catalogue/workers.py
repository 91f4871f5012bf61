"""Processes that the tests of crashes and of crowds start; not a test itself.

python workers.py killed FOLDER            forks what it is told on stdin, and kills it
python workers.py busy FOLDER NAME ROUNDS   indexes, commits and searches, round after round
python workers.py reader FOLDER             looks until the file "stop" is there
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

from fascicle.catalogue import (
    Catalogue,
    Change,
    DatasetRow,
    changed,
    export,
    frames,
    index,
    merge,
    restore,
    scan,
    segment,
    store,
    tables,
)

MODULES = (changed, export, frames, merge, restore, scan, segment, store, tables)  # loaded ahead


def job(folder: Path, order: dict) -> None:
    """Do what is to be killed."""
    if order["do"] == "index":
        index(folder, hash_files=True)
        return
    count = order["from"]
    while True:
        catalogue = Catalogue.open(folder)
        count += 1
        sessions = [
            catalogue.session(row)._replace(projects=str(count))
            for row in range(catalogue.n_sessions)
        ]
        catalogue.commit(Change(upsert_sessions=sessions))


def killed(folder: Path) -> None:
    """Fork a job for each line, and kill it after the delay that the line says."""
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            job(folder, order)
            os._exit(0)
        time.sleep(order["delay"])
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        print("killed" if os.WIFSIGNALED(status) else f"ended {status}", flush=True)


def busy(folder: Path, name: str, rounds: int) -> None:
    """Add a file, index, commit to rows of its own, and look whether everything is there."""
    mine = folder / "lab/Subjects" / name / "2020-01-01/001/alf"
    mine.mkdir(parents=True, exist_ok=True)
    for k in range(rounds):
        (mine / f"o{k}.times.npy").write_bytes(b"0" * k)
        index(folder, hash_files=k % 3 == 0)
        catalogue = Catalogue.open(folder)
        (row,) = catalogue.rows(catalogue.where("subject", name.__eq__))
        datasets = catalogue.datasets(row)
        assert datasets.rel_paths == sorted(f"alf/o{j}.times.npy" for j in range(k + 1))
        at = datasets.rel_paths.index(f"alf/o{k}.times.npy")
        did, digest, size = datasets.record(at)
        eid = catalogue.eid(row)
        dataset = DatasetRow(eid, did, f"alf/o{k}.times.npy", size, digest, True, 30)
        session = catalogue.session(row)._replace(projects=f"{name}-{k}")
        catalogue = catalogue.commit(Change([session], [dataset]))
        row = catalogue.row(eid)
        assert catalogue.session(row).projects == f"{name}-{k}"
        assert catalogue.datasets(row).qc == [30] * (k + 1)
        found = catalogue.rows(catalogue.having(f"o{k}.times.npy".__eq__, qc_lte=30))
        assert row in found
        assert len(catalogue.datasets_frame()) == catalogue.n_datasets


def reader(folder: Path) -> None:
    """Open the index and ONE's tables again and again: they are whole and never go back."""
    seen, looks = (0, 0), 0
    while not (folder.parent / "stop").exists():
        catalogue = Catalogue.open(folder)
        now = catalogue.number, catalogue.n_datasets
        assert now >= seen, (now, seen)
        assert sum(len(catalogue.datasets(r)) for r in range(catalogue.n_rows)) == now[1]
        for name in ("sessions.pqt", "datasets.pqt"):
            # Opened once: `read_table` opens by name twice, and may meet two exports.
            pq.ParquetFile(folder / name).read().validate(full=True)
        seen, looks = now, looks + 1
    assert looks > 2


if __name__ == "__main__":
    what, place, *rest = sys.argv[1:]
    if what == "killed":
        killed(Path(place))
    elif what == "busy":
        busy(Path(place), rest[0], int(rest[1]))
    else:
        reader(Path(place))
