"""The README's table of speed, from the results of full runs: ``python -m benchmarks.page``.

``latest.json`` is a run of all parts; ``latest-tp.json`` a later one of some, whose rows count.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from benchmarks.table import show

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- bench:begin -->\n", "<!-- bench:end -->"

INDEX, MIDDLE, LARGE = r"\(a\) (index of [\d,]+ files)$", r"\(b\) (5,000 .*)", r"\(b\) (80,000 .*)"
SMALL, FILES, S3 = (
    r"\(t\) (.* KB), over HTTP",
    r"\(t\) (.* MB), over HTTP",
    r"\(t\) (.* MB), over S3",
)
NWB = r"\(n\) (a session of .*), warm"
WRITE = r"\(w\) (a session of .*), wheel, .* to NWB, imports and checks apart"
HUB = r"\(h\) (2,000 sessions, .*), PostgreSQL$"
#: Which rows are shown: heading, what the row begins with, and how it is called.
LINES = [
    (INDEX, "first index", "{0}"),
    (INDEX, "again, nothing", "the same again, nothing changed"),
    (INDEX, "first index, hashed", "the same with an md5 of each file"),
    (MIDDLE, "search by two datasets", "{0}: search by two datasets, cold"),
    (LARGE, "first opening", "{0}: first opening of ONE's tables"),
    (LARGE, "search by subject", "the same tables: search by subject, cold"),
    (LARGE, "search by two datasets", "the same tables: search by two datasets, cold"),
    (r"\(c\)", "default", "`load_object` of 15 small files"),
    (r"\(c\)", "check_hash=False", "the same, `check_hash=False`"),
    (SMALL, "0 ms, into memory", "{0} over HTTP, md5: no delay, into memory"),
    (SMALL, "0 ms, onto disk", "the same, onto disk"),
    (SMALL, "20 ms, into", "the same, 20 ms round trip, into memory"),
    (SMALL, "80 ms, into", "the same, 80 ms round trip, into memory"),
    (FILES, "80 ms, into", "{0} over HTTP, md5: 80 ms round trip"),
    (S3, "0 ms, into memory", "{0} over S3, blake2b: no delay"),
    (S3, "0 ms, 25 MB/s", "the same, 25 MB/s for each connection"),
    (
        r"\(p\) .* five tables, (.*)",
        "warm: a new",
        "five tables of a release ({0}), not the first time",
    ),
    (r"\(p\) ids", "from before", "ids of its units in VISp, cold"),
    (HUB, "sessions, 250 rows, 8", "a hub of {0}: 250 sessions of a list, processor time"),
    (HUB, "sessions by dataset type and lab, 8", "the same: sessions by dataset type and lab"),
    (HUB, "one session in full, 8", "the same: one session in full"),
    (HUB, "insertions by region, 8", "the same: probe insertions by brain region"),
    (HUB, "memory", "the same: memory of two processes, without PostgreSQL"),
    (r"\(h\) first start", "PostgreSQL, ", "first start of a hub with a small lab, on PostgreSQL"),
    (NWB, "open, units, presentations, trials", "{0}: open, units, presentations and trials"),
    (NWB, "  peak memory", "the same: peak memory"),
    (NWB, "one unit", "one unit's spikes of it"),
    (NWB, "open, all", "all its spikes, by unit"),
    (
        r"\(n\) the units .* pynwb wrote (.*), over HTTP",
        "from",
        "{0} over HTTP, 25 ms round trip: one unit's spikes",
    ),
    (r"\(n\) the units .* pynwb wrote (.*), over HTTP", "  transferred", "the same: transferred"),
    (WRITE, "processor time", "{0}, written to NWB: processor time"),
    (WRITE, "processor time, read back", "the same, read back and compared"),
    (WRITE, "wall time", "the same: wall time"),
    (WRITE, "  peak memory", "the same: peak memory"),
    (WRITE, "size of the file", "the same: the file"),
    (r"\(w\) raw", "2.77 GB of int16 from .cbin", "raw `.cbin` to NWB, per second of processor"),
    (r"\(w\) raw", "2.77 GB of int16 from .bin", "raw `.bin` to NWB, per second of processor"),
]
#: Columns: what they are called in results, and which of the versions is theirs.
PEERS = [
    (("ONE-api",), "ONE-api", "ONE-api"),
    (("AllenSDK", "AllenSDK's way"), "AllenSDK", "allensdk"),
    (("pynwb", "pynwb and fsspec", "pynwb, gzip 4 and shuffle"), "pynwb", "pynwb"),
    (("Alyx 3.6.1, measured before",), "Alyx 3.6.1*", ""),
]
#: Peers that are measured, and the packages whose versions are told.
PACKAGES = {"ONE-api": "ONE-api", "AllenSDK": "allensdk", "pynwb": "pynwb"}

ALYX = (
    "\\* Alyx with PostgreSQL and as many rows, measured once on a machine with two cores: those "
    "are constants, not measured here. Processor time is that of all processes for one answer, the "
    "database's included, with 8 connections."
)


def update(readme: Path, results: Path) -> None:
    """Write the table between the README's markers."""
    text = readme.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    if not after:
        raise ValueError(f"{readme} has no {BEGIN.strip()} and {END}")
    files = [results / "latest.json", *sorted(results.glob("latest-*.json"))]
    runs = [json.loads(file.read_text()) for file in files]
    runs, files = zip(
        *sorted(zip(runs, files, strict=True), key=lambda p: p[0]["date"]), strict=True
    )
    readme.write_text(before + BEGIN + table(list(runs), [f.stem for f in files]) + END + after)


def table(runs: list[dict[str, Any]], names: list[str]) -> str:
    """Return the introduction and the table: of each line the newest run that has it."""
    machine = runs[-1]["machine"]
    about: dict[str, Any] = {}
    for run in runs:
        about |= {name: run[name] for name in ("fascicle", *PACKAGES) if run.get(name)}
    versions = []
    for name, package in {"fascicle": "", **PACKAGES}.items():
        if found := about.get(name):
            said = f"{name} {found[package]}" if package else name
            versions.append(
                f"{said} on Python {_short(found)} and pandas {_short(found, 'pandas')}"
            )
    cpu = re.sub(r"\((R|TM)\)| Processor.*| CPU.*|@.*", "", machine["cpu"]).strip()
    system = machine["system"].split()[0]
    dates = list(dict.fromkeys(run["date"].split()[0] for run in runs))
    links = " and ".join(
        f"[`benchmarks/results/{name}.md`](benchmarks/results/{name}.md)" for name in names
    )
    intro = (
        f"Measured side by side by `make bench` on {' and '.join(dates)}: "
        f"{machine['cores']} cores ({cpu}), {machine.get('memory', '?')}, {system}; "
        f'{", ".join(versions)}. "Cold" is a new process, from its start to the first answer. '
        "AllenSDK's downloads are its method: one stream by boto3 in chunks of 1 KiB, then a "
        "second pass for the checksum. The whole tables, with curl, memory, processor time and "
        f"warm answers, are {links}; [how it is measured](benchmarks/README.md)."
    )
    lines = []
    for pattern, begin, label in LINES:
        found = [line for run in runs if (line := _line(run, pattern, begin, label))]
        lines += found[-1:]
    shown = [i for i in range(len(PEERS)) if any(line[2 + i] for line in lines)]
    titles = []
    for i in shown:
        _, name, package = PEERS[i]
        titles.append(f"{name} {(about.get(name) or {}).get(package, '')}".strip())
    out = [
        _wrapped(intro),
        "",
        f"| {' | '.join(['', 'fascicle', *titles])} |".replace("|  |", "| |"),
    ]
    out.append("|---|--:|" + "--:|" * len(shown))
    out += [f"| {' | '.join([*line[:2], *(line[2 + i] for i in shown)])} |" for line in lines]
    if any(line[-1] for line in lines):
        out += ["", _wrapped(ALYX)]
    return "\n".join(out) + "\n"


def _line(run: dict[str, Any], pattern: str, begin: str, label: str) -> list[str]:
    """Return the cells of a line, or nothing where a run has not measured it."""
    columns: list[str] = []
    match = None
    for row in run["rows"]:
        if row["ours"]["median"] is None and not row["ours"]["problem"]:
            columns = row.get("columns") or ["ONE-api"]
            match = re.match(pattern, row["what"])
        elif match and _is(row["what"], begin):
            cells = [_cell(row, row["ours"])]
            values = {columns[0]: row["peer"], **row.get("others", {})}
            for names, _, _ in PEERS:
                cells.append(next((_cell(row, values[n]) for n in names if n in values), ""))
            return [label.format(*match.groups()), *cells]
    return []


def _is(what: str, begin: str) -> bool:
    """Tell whether a row is meant: ``first index`` is not ``first index, hashed``."""
    return what == begin or (what.startswith(begin) and what[len(begin)] != ",")


def _cell(row: dict[str, Any], value: dict[str, Any] | None) -> str:
    if value is None or value["median"] is None:
        return ""
    text = show(value["median"], row["unit"])
    note = row["remark"].partition("ONE-api extrapolated ")[2]
    return f"{text} ({note})" if note and value is row["peer"] else text


def _short(about: dict[str, str], name: str = "python") -> str:
    return ".".join(about[name].split(".")[:2])


def _wrapped(text: str) -> str:
    import textwrap

    return textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    update(ROOT / "README.md", ROOT / "benchmarks" / "results")
