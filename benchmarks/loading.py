"""(c) Fifteen small files become an object."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.bench import Bench, value
from benchmarks.process import Run
from benchmarks.table import Bar, Row


def run(bench: Bench) -> None:
    """Measure `load_object`, each session for the first time, tables with md5."""
    sample = bench.generated("sample", "trees", "behaviour", 60 if bench.quick else 600)
    bench.title("(c) load_object of 15 small files")
    tables = {}
    for which in ("fascicle", "one"):
        folder = bench.fresh("load")
        task = {"folder": str(sample), "tables": str(folder), "hashed": which == "fascicle"}
        bench.workers.run(which, "index", task)
        tables[which] = str(folder)

    def load(which: str, repeats: int, **options: Any) -> Run:
        task = {"folder": str(sample), "tables": tables[which], "options": options}
        return bench.workers.run(which, "load", {**task, "repeats": repeats}, timeout=300)

    few = 2 if bench.quick else 5
    many = 2 if bench.quick else 30
    for options, n, factor in (({}, few, 100), ({"check_hash": False}, many, 5)):
        ours, peer = load("fascicle", many, **options), load("one", n, **options)
        what = "check_hash=False" if options else "default (each file's md5 compared)"
        row = Row(what, value([ours], _middle), value([peer], _middle))
        row.bar = Bar(f"≥ {factor}×", times=factor)
        row.remark = f"{ours.answer.get('arrays')} arrays"
        bench.add(row)
        keys = ("arrays", "files")
        if peer.answer and any(ours.answer.get(k) != peer.answer.get(k) for k in keys):
            bench.differs(f"{what}: arrays or files differ")


def _middle(run: Run) -> float:
    return statistics.median(run.answer["times"])
