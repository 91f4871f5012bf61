"""What the parts share: sizes, folders, and the rows so far."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.process import Run, Workers
from benchmarks.table import ONE, Row, Value, text

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class Bench:
    """A run of the benchmarks.

    Attributes
    ----------
    workers : Workers
    data : path
        Generated trees and tables; kept, and never written to.
    work : path
        Indexes and other leavings; removed at the end.
    quick : bool
        Small sizes, to see that it works.
    large : bool
        Also the tables of 6 million rows.
    hub_large : bool
        Also a hub with 6 million datasets.
    cases : str
        A pattern: of the transfers only those whose heading and name match it.
    rows : list of Row
        Results so far.
    failures : list of str
        Measurements of ours that did not end, and answers that differ.
    notes : list of str
        What to know of the rows, such as what this machine does not allow.
    """

    workers: Workers
    data: Path
    work: Path
    quick: bool = False
    large: bool = True
    hub_large: bool = False
    cases: str = ""
    rows: list[Row] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    heading: str = ""
    columns: tuple[str, ...] = ONE

    def title(self, words: str, columns: tuple[str, ...] = ONE) -> None:
        """Begin a group of rows; ``columns`` are the peers in it."""
        self.heading, self.columns = words, columns
        self.rows.append(Row(words, columns=columns))
        print(f"\n{words}", file=sys.stderr, flush=True)

    def add(self, row: Row) -> None:
        """Add a row, and tell of it at once."""
        self.rows.append(row)
        if row.ours.problem:
            self.failures.append(f"{self.heading}: {row.what}: {row.ours.problem}")
        shown = [Row(self.heading, columns=self.columns), row]
        print("  " + text(shown).splitlines()[-1], file=sys.stderr, flush=True)

    def differs(self, words: str) -> None:
        """Note that two answers are not the same."""
        self.failures.append(f"{self.heading}: {words}")

    def fresh(self, name: str) -> Path:
        """Return a new folder for what is made here."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.work))

    def generated(self, name: str, module: str, *args: object) -> Path:
        """Return a folder of data, made in a process of its own where it is not there yet."""
        folder = self.data / (f"{name}-quick" if self.quick else name)
        if not (folder / ".complete").exists():
            print(f"making {folder}", file=sys.stderr, flush=True)
            command = [sys.executable, "-m", f"benchmarks.{module}", folder, *args]
            subprocess.run([str(c) for c in command], cwd=ROOT, check=True)
        return folder

    def tables_only(self, folder: Path) -> Path:
        """Return a new folder with ONE's two tables and nothing else: no copies, but links."""
        out = self.fresh("tables")
        for name in ("sessions.pqt", "datasets.pqt"):
            try:
                os.link(folder / name, out / name)
            except OSError:
                shutil.copy2(folder / name, out / name)
        return out


def value(runs: list[Run], get: Callable[[Run], float], *, at_least: float = 0.0) -> Value:
    """Return what ``get`` reads off each run; where a run failed, why."""
    for run in runs:
        if run.problem or not run.events:
            over = run.problem.startswith("over")
            return Value(problem=run.problem or "no answer", at_least=at_least if over else 0.0)
    return Value([get(run) for run in runs])
