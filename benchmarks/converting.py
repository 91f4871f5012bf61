"""(w) A session is written to NWB, and raw recordings."""

from __future__ import annotations

from pathlib import Path

from benchmarks.bench import Bench, value
from benchmarks.conversions import RAW
from benchmarks.machine import touch_memory
from benchmarks.process import Run
from benchmarks.table import Bar, Row, Value

PYNWB, H5PY = "pynwb, gzip 4 and shuffle", "h5py alone, isal 1 and shuffle"
COLUMNS = (PYNWB, H5PY)
ISAL = "isal alone"
REPEATS = {"fascicle": 3, "pynwb": 1, "h5py": 3, "isal": 3}
#: What the readers of ALF that are released need for such a session, measured before.
BEFORE = "IBL's converter: 163 to 184 s, 87 to 92 s of processor time, 2.7 GB, measured before"


def run(bench: Bench) -> None:
    """Measure both."""
    size = "small" if bench.quick else "real"
    folder = bench.generated("conversions", "conversions", size)
    _session(bench, folder / "session")
    bench.title("(w) raw recordings to NWB, for each second of processor time", (ISAL,))
    _raw(bench, folder / "cbin", "cbin", Bar("≥ 130 MB/s", over=130))
    _raw(bench, folder / "bin", "bin", Bar("≥ 300 MB/s", over=300))


def _ask(
    bench: Bench, way: str, lab: Path, target: Path, *, repeats: int = 0, **more: object
) -> list[Run]:
    for file in (f for f in lab.rglob("*") if f.is_file()):
        with file.open("rb") as f:  # so that it lies in the system's page cache, for all alike
            while f.read(1 << 24):
                pass
    runs = []
    for _ in range(1 if bench.quick else repeats or REPEATS[way]):
        touch_memory(3 << 30)
        task = {"way": way, "lab": str(lab), "target": str(target), **more}
        target.unlink(missing_ok=True)
        runs.append(bench.workers.run("fascicle", "convert", task, timeout=600))
    return runs


def _session(bench: Bench, lab: Path) -> None:
    out = bench.fresh("nwb")
    ours = _ask(bench, "fascicle", lab, out / "ours.nwb", check=[])
    like = out / "like.nwb"
    if ours[-1].answer:
        (out / "ours.nwb").rename(like)
    theirs = {
        PYNWB: _ask(bench, "pynwb", lab, out / "plain.nwb"),
        H5PY: _ask(bench, "h5py", lab, out / "limit.h5", like=str(like)),
    }
    read_back = _ask(bench, "fascicle", lab, out / "checked.nwb", check=["readback"])
    whole = _ask(bench, "fascicle", lab, out / "all.nwb", repeats=1, check=["validate", "inspect"])
    for file in out.iterdir():
        file.unlink()
    size = sum(f.stat().st_size for f in lab.rglob("*") if f.is_file())
    units, spikes, trials = counts(lab)
    bench.title(
        f"(w) a session of {units:,} units, {spikes / 1e6:,.1f} million spikes, {trials:,} trials, "
        f"wheel, three cameras ({size / 1e9:.2f} GB of ALF) to NWB, imports and checks apart",
        COLUMNS,
    )

    def row(what: str, key: str, runs: list[Run], unit: str = "s", bar: Bar | None = None) -> Row:
        found = {c: value(r, lambda a: float(a.answer[key])) for c, r in theirs.items()}
        mine = value(runs, lambda a: float(a.answer[key]))
        return Row(what, mine, found[PYNWB], unit, bar, others={H5PY: found[H5PY]})

    found = row("wall time", "seconds", ours)
    found.remark = BEFORE
    bench.add(found)
    bench.add(row("processor time", "cpu", ours, bar=Bar("≤ 8 s", under=8.0)))
    bench.add(row("  peak memory", "memory", ours, "B", Bar("< 1.5 GB", under=1.5e9)))
    bench.add(row("size of the file", "size", ours, "B", Bar("≤ 1.05 × pynwb", times=1 / 1.05)))
    for what, key, unit, bar in (
        ("processor time, read back and compared", "cpu", "s", Bar("≤ 12 s", under=12.0)),
        ("  peak memory", "memory", "B", Bar("< 1.5 GB", under=1.5e9)),
    ):
        bench.add(
            Row(what, value(read_back, lambda a, k=key: float(a.answer[k])), Value(), unit, bar)
        )
    for what, name in (("pynwb.validate", "validate"), ("nwbinspector", "inspect")):
        took = value(whole, lambda a, n=name: float(a.answer["checks"][n][0]))
        bench.add(Row(f"processor time of {what}", took))
    bench.add(Row("processor time of imports", value(ours, lambda a: float(a.answer["imports"]))))
    for run in (*ours, *read_back):
        if run.answer and run.answer["left_out"]:
            bench.differs(f"{run.answer['left_out']} datasets are not in the file")
            break
    for run in (*read_back, *whole):
        for _, fine, said in (run.answer.get("checks") or {}).values():
            if not fine:
                bench.differs(f"the checks found {said}")


def _raw(bench: Bench, lab: Path, ending: str, bar: Bar) -> None:
    (file,) = (lab / RAW).rglob(f"*.ap.{ending}")
    (meta,) = (lab / RAW).rglob("*.ap.meta")
    lines = meta.read_text().splitlines()
    size = int(next(line for line in lines if line.startswith("fileSizeBytes")).split("=")[1])
    out = bench.fresh("raw") / "raw.nwb"
    runs = _ask(bench, "fascicle", lab, out, check=[])
    alone = _ask(bench, "isal", lab, out)
    limit = value(alone, lambda a: a.answer["bytes"] / 1e6 / float(a.answer["cpu"]))
    rate = value(runs, lambda a: size / 1e6 / float(a.answer["cpu"]))
    what = f"{size / 1e9:.2f} GB of int16 from .{ending}"
    found = Row(what, rate, limit, "MB/s", bar, more=True)
    if runs[0].answer:
        made, before = int(runs[0].answer["size"]), file.stat().st_size
        found.remark = f"{made / 1e6:,.0f} MB of NWB; {before / 1e6:,.0f} MB before"
    bench.add(found)
    memory = value(runs, lambda a: float(a.answer["memory"]))
    bench.add(Row("  peak memory", memory, Value(), "B", Bar("< 500 MB", under=500e6)))


def counts(lab: Path) -> tuple[int, int, int]:
    """Return the numbers of units, spikes and trials of the session in a folder."""
    import numpy as np
    import pyarrow.parquet as pq

    def total(pattern: str) -> int:
        return sum(len(np.load(f, mmap_mode="r")) for f in lab.rglob(pattern))

    trials = sum(pq.read_metadata(f).num_rows for f in lab.rglob("_ibl_trials.table.pqt"))
    return total("clusters.depths.npy"), total("spikes.times.npy"), trials
