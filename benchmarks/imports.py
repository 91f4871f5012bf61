"""What it costs to import."""

from __future__ import annotations

from benchmarks.bench import Bench, value
from benchmarks.process import Run
from benchmarks.table import Bar, Row


def run(bench: Bench) -> None:
    """Measure CPU time and modules."""
    bench.title("import")
    for ours, peer, limit in (("fascicle", "", 0.15), ("fascicle.one", "one.api", None)):
        mine = [bench.workers.run("fascicle", "importing", ours) for _ in range(6)][1:]
        # ``import one`` alone imports nothing, so that there is nothing to compare.
        theirs = [bench.workers.run("one", "importing", peer) for _ in range(4 if peer else 0)][1:]
        what = f"import {ours}" + (f" | {peer}" if peer else "")
        row = Row(f"{what}, CPU", value(mine, _cpu), value(theirs, _cpu))
        if limit:
            row.bar = Bar("< 150 ms, no pandas", under=limit)
        heavy = mine[0].answer.get("heavy")
        row.remark = f"imports {', '.join(heavy)}" if heavy else "no numpy, pandas, pyarrow"
        bench.add(row)
        if limit and heavy:
            bench.differs(f"import {ours} imports {heavy}")
        bench.add(Row("  modules", value(mine, _modules), value(theirs, _modules), ""))


def _cpu(run: Run) -> float:
    return float(run.answer["cpu"])


def _modules(run: Run) -> float:
    return float(run.answer["modules"])
