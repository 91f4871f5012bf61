"""(b) Large tables answer questions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.bench import Bench, value
from benchmarks.process import Run
from benchmarks.table import Bar, Row, Value

#: question -> what it is called, and whether its answer is a table
QUESTIONS = {
    "subject": ("search by subject", False),
    "lab_date": ("search by lab and date", False),
    "dataset": ("search by one dataset", False),
    "two_datasets": ("search by two datasets", False),
    "regex": ("search by regex", False),
    "session_paths": ("list_datasets of a session", False),
    "all_paths": ("list over the whole cache", False),
    "session_frame": ("list_datasets of a session, DataFrame", True),
    "full_details": ("get_details(full=True), DataFrame", True),
    "all_frame": ("list over the whole cache, DataFrame", True),
}
MANY = 5_000
MB = 1e6


def run(bench: Bench) -> None:
    """Measure at both sizes."""
    pandas = value(
        [bench.workers.run("fascicle", "importing", "pandas") for _ in range(6)][1:], _wall
    )
    sizes = [("small", 500, 60_000)] if bench.quick else [("small", 5_000, 1_500_000)]
    if bench.large:
        sizes += [("large", 2_000, 150_000)] if bench.quick else [("large", 80_000, 6_000_000)]
    for name, sessions, datasets in sizes:
        tables = bench.generated(name, "tables", sessions, datasets)
        bench.title(f"(b) {sessions:,} sessions, {datasets:,} datasets")
        _Size(bench, tables, large=name == "large", pandas=pandas).run()


class _Size:
    """The measurements at one size."""

    def __init__(self, bench: Bench, tables: Path, *, large: bool, pandas: Value) -> None:
        self.bench, self.large, self.pandas = bench, large, pandas
        self.ours, self.theirs = bench.tables_only(tables), bench.tables_only(tables)
        self.about: dict[str, Any] = bench.workers.run("fascicle", "about", str(tables)).answer
        self.limit = 1200.0 if large else 300.0

    def run(self) -> None:
        """Open both, then ask each question."""
        opened = self._ask("fascicle", [])
        if self.large:
            start, found = self._one_process()
        else:
            start, found = self._ask("one", []), self._processes()
        self._opening(opened, start)
        for name in QUESTIONS:
            self._question(name, found[name])

    def _ask(self, which: str, names: list[str], **more: Any) -> Run:
        folder = self.ours if which == "fascicle" else self.theirs
        task = {
            "cache_dir": str(folder),
            "questions": names,
            "about": self.about,
            "seconds": 1.0,
            "most": 20,
            "once": 5.0,
            **more,
        }
        return self.bench.workers.run(which, "ask", task, timeout=self.limit)

    def _processes(self) -> dict[str, Run]:
        return {name: self._ask("one", [name], seconds=2.0, most=3) for name in QUESTIONS}

    def _one_process(self) -> tuple[Run, dict[str, Run]]:
        """Ask ONE-api all in one process, since it opens for minutes; a run for each question.

        The time to a first answer is that of the start and of the question, added.
        """
        # The whole table last: it is the largest of all answers.
        everything = self._ask("one", list(QUESTIONS), most=3, seconds=2.0)
        start = Run([{**e, "wall": e["opened"]} for e in everything.events if "opened" in e])
        if not everything.answer:
            missing = Run(problem=everything.problem or "no answer")
            return missing, dict.fromkeys(QUESTIONS, missing)
        began = everything.answer["wall"] - everything.answer["first"]
        if not start.events:  # time was over after the start
            start = Run([{"wall": began, "memory": everything.events[-1].get("memory", 0)}])
        else:
            start.events[0]["wall"] = began
        out = {}
        for name in QUESTIONS:
            events = [e for e in everything.events if e.get("question") == name]
            for e in events:
                if "first" in e:
                    e["wall"] = began + e["first"]
                if "memory" in e:  # of the question alone, and the start belongs to it
                    e["memory"] = max(e["memory"], start.answer.get("memory", 0))
            out[name] = Run(events, "" if len(events) == 2 else everything.problem or "no answer")
        return start, out

    def _opening(self, ours: Run, peer: Run) -> None:
        third = Bar("≥ 3×", times=3) if self.large else None
        memory = Bar("< 1,500 MB", under=1500 * MB) if self.large else None
        row = Row("first opening of ONE's tables", value([ours], _wall), bar=third)
        row.peer = value([peer], _wall, at_least=self.limit)
        row.remark = "our index not yet built; ONE-api: each opening"
        self.bench.add(row)
        row = Row("  peak memory", value([ours], _memory), unit="B", bar=memory)
        row.peer = value([peer], _memory)
        self.bench.add(row)

    def _question(self, name: str, peer: Run) -> None:
        what, is_table = QUESTIONS[name]
        repeats = 1 if name == "all_frame" else 5
        runs = [self._ask("fascicle", [name]) for _ in range(repeats)]
        n = runs[0].answer.get("found", 0)
        cold = value(runs, _wall)
        bars = self._bars(name, is_table)
        row = Row(what, cold, value([peer], _wall, at_least=self.limit), bar=bars.get("cold"))
        row.remark = f"{n:,} found"
        if cold.runs:
            row.remark += f"; {1000 * value(runs, _inside).middle:.0f} ms inside Python"
        self.bench.add(row)
        theirs = _warm(peer, lambda n: True)
        groups = {15: lambda n: n <= MANY, 60: lambda n: n > MANY}
        for bar, fits in groups.items():
            warm = [t for r in runs for t in _warm(r, fits).runs]
            if warm:
                limit = None if is_table else Bar(f"< {bar} ms", under=bar / 1000)
                row = Row("  warm", Value(warm), theirs, bar=limit)
                row.remark = f"worst of {len(warm)}: {1000 * max(warm):.1f} ms"
                self.bench.add(row)
        row = Row("  peak memory", value(runs, _memory), value([peer], _memory), "B")
        row.bar = bars.get("memory")
        self.bench.add(row)
        if not (peer.problem or runs[0].problem) and _same(peer) != _same(runs[0]):
            self.bench.differs(f"{what}: {_same(runs[0])} differs from ONE-api's {_same(peer)}")

    def _bars(self, name: str, is_table: bool) -> dict[str, Bar]:
        if name == "all_frame":
            return {}
        if is_table:
            under = min(self.pandas.runs, default=0.0) + 0.15
            return {"cold": Bar(f"< import pandas + 150 = {1000 * under:.0f} ms", under=under)}
        return {"cold": Bar("< 100 ms", under=0.1), "memory": Bar("< 80 MB", under=80 * MB)}


def _warm(run: Run, fits: Any) -> Value:
    """Return the warm times; where it was not asked again, the time of its first answer."""
    if run.problem or len(run.events) < 2:
        return Value(problem=run.problem or "no answer")
    warm = run.events[1]["warm"]
    if not warm:
        warm = [(run.answer["first"], run.answer["found"])]
    return Value([t for t, n in warm if fits(n)])


def _same(run: Run) -> Any:
    return run.events[1]["same"]


def _wall(run: Run) -> float:
    return float(run.answer["wall"])


def _inside(run: Run) -> float:
    return float(run.answer["inside"])


def _memory(run: Run) -> float:
    return float(max(e.get("memory", 0) for e in run.events))
