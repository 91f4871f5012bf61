"""(n) An NWB session is opened, here and over a network."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

from benchmarks.bench import Bench, value
from benchmarks.machine import touch_memory
from benchmarks.network.line import FAR, Line, NoLine
from benchmarks.network.nginx import Nginx, NoNginx
from benchmarks.process import Run
from benchmarks.table import Bar, Row, Value

PYNWB, H5PY, ALLEN = "pynwb", "h5py alone", "AllenSDK"
COLUMNS = (PYNWB, H5PY, ALLEN)
#: For each column the way, and whose Python runs it.
WAYS = {
    "fascicle": ("fascicle", "fascicle"),
    PYNWB: ("pynwb", "nwb"),
    H5PY: ("h5py", "fascicle"),
    ALLEN: ("allen", "allen"),
    "any": ("any", "fascicle"),
}
ROUND_TRIP = 25.0
REPEATS = {"fascicle": 5, "any": 5, H5PY: 5, PYNWB: 3, ALLEN: 2}


def run(bench: Bench) -> None:
    """Measure both."""
    size = "small" if bench.quick else "real"
    folder = bench.generated("recordings", "recordings", size)
    _here(bench, folder / "files" / "session.nwb")
    try:
        with ExitStack() as stack:
            line = stack.enter_context(Line())
            place = (folder, bench.fresh("nginx"))
            server = stack.enter_context(Nginx(*place, enter=line.server))
            _there(bench, line, server, folder / "files" / "inline.nwb")
    except (NoLine, NoNginx, OSError) as error:
        bench.notes.append(f"(n) not over a network: {error}")


def _ask(bench: Bench, column: str, do: str, path: Path) -> list[Run]:
    way, python = WAYS[column]
    runs = []
    for _ in range(1 if bench.quick else REPEATS[column]):
        touch_memory((8 if column == ALLEN else 2) << 30)
        task = {"way": way, "do": do, "path": str(path)}
        runs.append(bench.workers.run(python, "open_nwb", task, timeout=300))
    return runs


def _here(bench: Bench, path: Path) -> None:
    with path.open("rb") as f:  # so that it lies in the system's page cache, as for all after
        while f.read(1 << 24):
            pass
    tables = {column: _ask(bench, column, "tables", path) for column in WAYS}
    every = {column: _ask(bench, column, "all", path) for column in WAYS}
    rows, n_spikes = tables["fascicle"][0].answer["rows"], every["fascicle"][0].answer["spikes"]
    bench.title(
        f"(n) a session of {rows[0]:,} units, {n_spikes / 1e6:,.0f} million spikes, {rows[1]:,} "
        f"presentations ({path.stat().st_size / 1e9:.1f} GB), warm, imports apart",
        COLUMNS,
    )

    def row(what: str, found: dict[str, list[Run]], key: str, unit: str = "s") -> Row:
        values = {c: value(runs, lambda r: float(r.answer[key])) for c, runs in found.items()}
        others = {c: values[c] for c in COLUMNS[1:]}
        return Row(what, values["fascicle"], values[PYNWB], unit, others=others)

    def any_file(found: dict[str, list[Run]], key: str) -> str:
        got = Value([float(r.answer[key]) for r in found["any"] if r.answer])
        return "" if got.middle is None else f"as any NWB file {got.middle:.3g} s"

    bench.add(row("open", tables, "open"))
    for bar, against in (
        (Bar("< 0.5 s", under=0.5), ""),
        (Bar("≥ 5×", times=5), ""),
        (Bar("≥ 20×", times=20), ALLEN),
    ):
        found = row("open, units, presentations, trials", tables, "tables")
        found.bar, found.against, found.remark = bar, against, any_file(tables, "tables")
        bench.add(found)
    found = row("  peak memory", tables, "memory", "B")
    found.bar = Bar("< 180 MB", under=180e6)
    bench.add(found)
    found = row("one unit's spikes, of an open session", tables, "unit")
    found.bar, found.against = Bar("≤ 2 × h5py", times=1 / 2), H5PY
    found.remark = any_file(tables, "unit")
    bench.add(found)
    found = row("open, all spikes by unit", every, "all")
    found.bar, found.against = Bar("≤ 1.3 × h5py", times=1 / 1.3), H5PY
    found.remark = any_file(every, "all")
    bench.add(found)
    bench.add(row("  peak memory", every, "memory", "B"))

    for of in (tables, every):
        said = {c: runs[0].answer for c, runs in of.items() if runs[0].answer}
        counts = {c: found["spikes"] for c, found in said.items()}
        if len(set(counts.values())) > 1:
            bench.differs(f"spikes differ: {counts}")
    if (other := tables[PYNWB][0].answer) and list(other["rows"]) != list(rows):
        bench.differs(f"rows differ: {rows} and {other['rows']}")


def _there(bench: Bench, line: Line, server: Nginx, path: Path) -> None:
    url = f"http://{FAR}:{server.port}/files/{path.name}"
    size = path.stat().st_size
    bench.title(
        f"(n) the units and one unit's spikes of a file that pynwb wrote ({size / 1e6:,.0f} MB), "
        f"over HTTP with a round trip of {ROUND_TRIP:.0f} ms",
        ("pynwb and fsspec", "the whole file, by curl"),
    )
    task = {"do": "remote", "path": url, "unit": 40}
    ours, theirs, whole = [], [], []
    for _ in range(1 if bench.quick else 3):
        enter = line.client(ROUND_TRIP)
        ours.append(bench.workers.run("fascicle", "open_nwb", {"way": "any", **task}, enter=enter))
        theirs.append(bench.workers.run("nwb", "open_nwb", {"way": "pynwb", **task}, enter=enter))
        began = perf_counter()
        subprocess.run([*enter, "curl", "-sSfo", "/dev/null", url], check=True, stdout=sys.stderr)
        whole.append(perf_counter() - began)
    found = Row(
        "from opening to the spikes, imports apart",
        value(ours, lambda r: float(r.answer["seconds"])),
        value(theirs, lambda r: float(r.answer["seconds"])),
        bar=Bar("< 1.5 s", under=1.5),
        others={"the whole file, by curl": Value(whole)},
    )
    if ours[0].answer:
        found.remark = f"{ours[0].answer['requests']} requests"
    bench.add(found)
    came = value(ours, lambda r: float(r.answer["bytes"]))
    others = {"the whole file, by curl": Value([float(size)])}
    bar = Bar("< 10 MB", under=10e6)
    bench.add(Row("  transferred", came, Value(), "B", bar=bar, others=others))
    if (
        ours[0].answer
        and theirs[0].answer.get("spikes", ours[0].answer["spikes"]) != ours[0].answer["spikes"]
    ):
        bench.differs("spikes differ")
