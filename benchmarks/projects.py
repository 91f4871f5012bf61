"""(p) The five tables of a project, as many rows as the real release has."""

from __future__ import annotations

import os
import statistics
from pathlib import Path

from benchmarks.bench import Bench, value
from benchmarks.process import Run
from benchmarks.table import Bar, Row


def run(bench: Bench) -> None:
    """Measure opening a cache folder and reading its tables, and asking for ids alone."""
    folder = bench.generated("release", "release", "small" if bench.quick else "real")
    rows = sum(1 for _ in next(folder.rglob("units.csv")).open("rb")) - 1
    columns = ("AllenSDK",)
    bench.title(f"(p) open a release and read its five tables, {rows:,} units", columns)
    times = 1 if bench.quick else 3

    first = [_ask(bench, "fascicle", _fresh(bench, folder), 1) for _ in range(times)]
    used = _fresh(bench, folder)
    # The first of each finds memory that the host has taken back meanwhile, and is left out.
    ours = [_ask(bench, "fascicle", used, 4) for _ in range(1 + times)][1:]
    peer = [_ask(bench, "allen", folder, 3) for _ in range(1 + times)][1:]

    row = Row("first opening, from the files as fetched", value(first, _first), value(peer, _first))
    row.remark = "keeps parsed copies"
    bench.add(row)
    bar = Bar("≥ 5×", times=5)
    row = Row("warm: a new process, imports not counted", value(ours, _first), value(peer, _first))
    row.bar = bar
    bench.add(row)
    row = Row("warm: again in that process", value(ours, _later), value(peer, _later), bar=bar)
    bench.add(row)
    bench.add(Row("  peak memory", value(ours, _memory), value(peer, _memory), "B"))

    bench.title("(p) ids of the units in VISp, cold", columns)
    ids = [_ask(bench, "fascicle", used, ids=True) for _ in range(2 * times + 1)]
    theirs = [_ask(bench, "allen", folder, ids=True)]
    row = Row("from before the process is made", value(ids, _wall), value(theirs, _wall))
    row.bar = Bar("< 100 ms", under=0.1)
    row.remark = f"{ids[0].answer.get('found', 0):,} found"
    bench.add(row)

    for a, b in ((ours, peer), (ids, theirs)):
        if b[0].answer and any(a[0].answer.get(k) != b[0].answer.get(k) for k in KEYS):
            bench.differs(f"answers differ: {a[0].answer} and {b[0].answer}")


KEYS = ("rows", "found", "sum")


def _ask(bench: Bench, which: str, folder: Path, repeats: int = 1, *, ids: bool = False) -> Run:
    task = {"folder": str(folder), "repeats": repeats, "ids": ids}
    return bench.workers.run(which, "project", task, timeout=300)


def _fresh(bench: Bench, folder: Path) -> Path:
    """Return the folder without copies of tables: links, which a ledger knows by their inode."""
    out = bench.fresh("release")
    for path in folder.rglob("*"):
        target = out / path.relative_to(folder)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        elif "tables" not in path.parts:
            os.link(path, target)
    return out


def _first(run: Run) -> float:
    return float(run.answer["times"][0])


def _later(run: Run) -> float:
    return statistics.median(run.answer["times"][1:])


def _memory(run: Run) -> float:
    return float(run.answer["memory"])


def _wall(run: Run) -> float:
    return float(run.answer["wall"])
