"""(a) A folder becomes an index."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from benchmarks.bench import Bench, value
from benchmarks.process import Run
from benchmarks.table import Bar, Row, Value


def run(bench: Bench) -> None:
    """Measure indexing, from the call to ONE's tables and ours on disk."""
    files = 1_500 if bench.quick else 74_000
    sample_files = 60 if bench.quick else 600
    tree = bench.generated("beh", "trees", "behaviour", files)
    sample = bench.generated("sample", "trees", "behaviour", sample_files)
    ephys = bench.generated("ephys", "trees", "ephys", 20 if bench.quick else 1_000)
    count = read_all(tree)
    bench.title(f"(a) index of {count:,} files")
    repeats = 1 if bench.quick else 3

    ours = [_index(bench, "fascicle", tree) for _ in range(2 * repeats - 1)]
    peer = [_index(bench, "one", tree) for _ in range(repeats)]
    first = value(ours, _seconds)
    bench.add(Row("first index", first, value(peer, _seconds), bar=_times(10), remark=_steps(ours)))
    bench.add(Row("  peak memory", value(ours, _memory), value(peer, _memory), "B"))
    _compare(bench, ours[0], peer[0])

    _again(bench, tree, first, repeats)
    _hashed(bench, tree, sample, count)
    _regions(bench, ephys, repeats)


def _index(
    bench: Bench, which: str, folder: Path, tables: Path | None = None, *, hashed: bool = False
) -> Run:
    """Index in a fresh process; into a fresh folder where none is given."""
    target = tables or bench.fresh("index")
    task = {"folder": str(folder), "tables": str(target), "hashed": hashed}
    out = bench.workers.run(which, "index", task, timeout=600)
    if tables is None:
        shutil.rmtree(target)
    return out


def _again(bench: Bench, tree: Path, first: Value, repeats: int) -> None:
    """Measure a second run over the same tree, and one after a file was edited in place."""
    tables, theirs = bench.fresh("index"), bench.fresh("index")
    _index(bench, "fascicle", tree, tables)
    ours = [_index(bench, "fascicle", tree, tables) for _ in range(2 * repeats - 1)]
    _index(bench, "one", tree, theirs)
    peer = [_index(bench, "one", tree, theirs)]
    bar = Bar("≤ 0.8 of our first", under=0.8 * (first.middle or 0.0))
    row = Row("again, nothing changed", value(ours, _seconds), value(peer, _seconds), bar=bar)
    row.remark = "ONE-api builds anew"
    bench.add(row)

    file = next(p for p in sorted(tree.rglob("*.npy")))
    stat, content = file.stat(), file.read_bytes()
    try:
        with file.open("r+b") as f:  # same size, same inode
            f.seek(-1, os.SEEK_END)
            f.write(bytes([content[-1] ^ 1]))
        edited = _index(bench, "fascicle", tree, tables)
    finally:
        with file.open("r+b") as f:
            f.write(content)
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    changed = edited.answer.get("changed")
    row = Row("again, one file edited in place, same size", value([edited], _seconds))
    row.remark = f"{changed} changed file noticed"
    bench.add(row)
    if changed != 1:
        bench.differs(f"{changed} changed files were noticed, of 1")


def _hashed(bench: Bench, tree: Path, sample: Path, count: int) -> None:
    """Measure md5 of all files: ours of all, theirs of a sample."""
    ours = [_index(bench, "fascicle", tree, hashed=True)]
    few = read_all(sample)
    small = value([_index(bench, "one", sample, hashed=True)], _seconds, at_least=600)
    per_file = Value([s / few for s in small.runs], small.problem, small.at_least / few)
    peer = Value([s * count for s in per_file.runs], small.problem, per_file.at_least * count)
    row = Row("first index, hashed", value(ours, _seconds), peer, bar=_times(500))
    each = f"{per_file.middle:.3f} s" if per_file.middle else small.problem
    row.remark = f"ONE-api extrapolated from {few} files, {each} each"
    bench.add(row)


def _regions(bench: Bench, tree: Path, repeats: int) -> None:
    """Measure a tree with two sets of channels for each of two probes."""
    count = read_all(tree)
    bench.title(f"(a) index of {count:,} ephys files, two channels.* sets for each of two probes")
    ours = [_index(bench, "fascicle", tree) for _ in range(2 * repeats - 1)]
    peer = [_index(bench, "one", tree) for _ in range(repeats)]
    row = Row("first index, regions included", value(ours, _seconds), value(peer, _seconds))
    insertions = ours[0].answer.get("insertions", 0)
    row.remark = f"{_steps(ours)}; {insertions:,} insertions; ONE-api reads no regions"
    bench.add(row)
    _compare(bench, ours[0], peer[0])


def _compare(bench: Bench, ours: Run, peer: Run) -> None:
    """Note where both did not find the same number of datasets."""
    a, b = ours.answer.get("datasets"), peer.answer.get("datasets")
    if peer.answer and a != b:
        bench.differs(f"{a} datasets were indexed, and {b} by ONE-api")


def _seconds(run: Run) -> float:
    return float(run.answer["seconds"])


def _memory(run: Run) -> float:
    return float(run.answer["memory"])


def _times(n: int) -> Bar:
    return Bar(f"≥ {n}×", times=n)


def _steps(runs: list[Run]) -> str:
    steps = runs[-1].answer.get("steps", {})
    return ", ".join(f"{name} {seconds:.2f}" for name, seconds in steps.items())


def read_all(folder: Path) -> int:
    """Read all files once, so that the system has them in memory for whoever comes first."""
    count = 0
    for path in folder.rglob("*.npy"):
        path.read_bytes()
        count += 1
    return count
