"""``python -m benchmarks``: measure, print one table, and save it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from time import monotonic

from benchmarks import (
    asking,
    converting,
    hub,
    imports,
    indexing,
    loading,
    machine,
    page,
    projects,
    sessions,
    transfers,
)
from benchmarks.bench import ROOT, Bench
from benchmarks.process import Workers
from benchmarks.table import markdown, text

PARTS = {
    "import": imports,
    "index": indexing,
    "questions": asking,
    "load": loading,
    "transfer": transfers,
    "project": projects,
    "hub": hub,
    "nwb": sessions,
    "write": converting,
}
LETTERS = dict(zip("iabctphnw", PARTS, strict=True))


def main() -> int:
    """Run; return 1 where a measurement of ours failed or an answer differed."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # servers are to end too
    began = monotonic()
    given = options.data.expanduser().absolute() if options.data else None
    data = given or Path(tempfile.mkdtemp(prefix="fascicle-bench-"))
    data.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".bench-", dir=data))
    try:
        workers = Workers(_peers(options), work)
        about = {
            "date": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
            "machine": machine.describe(),
            "fascicle": workers.versions("fascicle", "fascicle", "numpy", "pandas", "pyarrow"),
            "ONE-api": workers.versions("one", "ONE-api", "numpy", "pandas", "pyarrow"),
            "AllenSDK": workers.versions("allen", "allensdk", "numpy", "pandas", "boto3", "hdmf"),
            "pynwb": workers.versions("nwb", "pynwb", "hdmf", "h5py", "numpy", "pandas"),
            "sizes": "quick" if options.quick else "full",
        }
        workers.compile()
        large = options.large if options.large is not None else not options.quick
        bench = Bench(workers, data, work, quick=options.quick, large=large)
        bench.cases, bench.hub_large = options.cases, options.hub_large
        for name in options.only:
            PARTS[name].run(bench)
    finally:
        shutil.rmtree(work if given else data, ignore_errors=True)
    about["took"] = f"{(monotonic() - began) / 60:.1f} min"
    print(text(bench.rows), end="\n\n")
    print("\n".join(_facts(about)))
    for line in [*bench.notes, *(f"! {failure}" for failure in bench.failures)]:
        print(line)
    _save(options, bench, about)
    return 1 if bench.failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small sizes: does it work?")
    parser.add_argument(
        "--large",
        action=argparse.BooleanOptionalAction,
        help="the tables of 6 million rows, where ONE-api needs minutes and 4.2 GB",
    )
    parser.add_argument(
        "--hub-large",
        action="store_true",
        help="the hub also with 80,000 sessions and 6 million datasets, which take an hour to make",
    )
    parser.add_argument(
        "--only",
        default=",".join(PARTS),
        metavar="PARTS",
        help="some of: "
        + ", ".join(f"{k} {name}" for k, name in LETTERS.items())
        + " (--only ac, --only index,load)",
    )
    parser.add_argument(
        "--cases",
        default="",
        metavar="PATTERN",
        help="some of the transfers: 'KB, over HTTP.*0 ms'",
    )
    parser.add_argument(
        "--data", type=Path, help="folder for generated data, which is kept (default: temporary)"
    )
    parser.add_argument("--no-peer", action="store_true", help="fascicle alone, and curl")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    options = parser.parse_args()
    wanted = set(options.only.split(","))
    if not wanted <= set(PARTS):
        wanted = {LETTERS.get(letter, "") for letter in options.only}
    if not wanted <= set(PARTS):
        parser.error(f"--only takes names or letters of {LETTERS}, not {options.only!r}")
    options.only = [name for name in PARTS if name in wanted]
    return options


def _peers(options: argparse.Namespace) -> dict[str, Path | None]:
    """Return the Pythons of those peers that the chosen parts ask."""
    wanted = {"one"} if set(options.only) - {"project", "hub", "nwb", "write"} else set()
    wanted |= {"allen"} if {"project", "nwb"} & set(options.only) else set()
    wanted |= {"nwb"} if "nwb" in options.only else set()
    return {name: None if options.no_peer else _peer(name) for name in sorted(wanted)}


def _peer(name: str) -> Path:
    """Return the Python of a released peer, in an environment made on first use."""
    variable = f"FASCICLE_PEER_{name.upper()}"
    if given := os.environ.get(variable):
        return Path(given).absolute()
    shared = Path(os.environ.get("FASCICLE_SHARED", ROOT.parent / "shared"))
    tool = shared / "tools" / "make-peer"
    if not tool.exists():
        sys.exit(
            f"{name} cannot be installed: there is no {tool}\n"
            f"  set {variable} to a Python that has it, or give --no-peer"
        )
    run = subprocess.run(
        [str(tool), name, str(ROOT / ".peers" / name)], stdout=subprocess.PIPE, text=True
    )
    if run.returncode:
        sys.exit(f"{name} could not be installed; --no-peer measures fascicle alone")
    return Path(run.stdout.strip().splitlines()[-1]).absolute()


def _facts(about: dict[str, object]) -> list[str]:
    lines = []
    for key, found in about.items():
        if not found:  # a peer that was not asked
            continue
        words = found
        if isinstance(found, dict):
            words = ", ".join(f"{k} {v}" for k, v in found.items())
        lines.append(f"{key}: {words}")
    if about["sizes"] == "quick":
        lines.append("small sizes: the bars are meant for the full ones")
    return lines


def _save(options: argparse.Namespace, bench: Bench, about: dict[str, object]) -> None:
    """Write ``latest.json`` and ``latest.md``; ``latest-tp.*`` where only some parts were measured.

    Small sizes go to ``quick.*``; what is no whole part, or without the peers, to ``partial.*``.
    """
    folder = options.results
    folder.mkdir(parents=True, exist_ok=True)
    whole = bench.large and not (options.no_peer or options.cases)
    letters = "".join(letter for letter, name in LETTERS.items() if name in options.only)
    every = "latest" if options.only == list(PARTS) else f"latest-{letters}"
    stem = "quick" if bench.quick else every if whole else "partial"
    found = {
        **about,
        "rows": [r.to_json() for r in bench.rows],
        "notes": bench.notes,
        "failures": bench.failures,
    }
    folder.joinpath(f"{stem}.json").write_text(
        json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    )
    lines = ["# Results", "", markdown(bench.rows), ""]
    lines += [
        f"- {line}" for line in _facts(about) + bench.notes + [f"! {f}" for f in bench.failures]
    ]
    folder.joinpath(f"{stem}.md").write_text("\n".join(lines) + "\n")
    print(f"\nsaved: {folder / stem}.json, .md")
    if stem == "latest" and folder == ROOT / "benchmarks" / "results":
        for older in folder.glob("latest-*"):  # of some parts, before this run of all
            older.unlink()
    if stem.startswith("latest") and folder == ROOT / "benchmarks" / "results":
        page.update(ROOT / "README.md", folder)
        print("the README's table has what was measured")


if __name__ == "__main__":
    sys.exit(main())
