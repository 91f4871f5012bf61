"""``python -m benchmarks``: measure, print one table, and save it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from time import monotonic

from benchmarks import asking, imports, indexing, loading, machine
from benchmarks.bench import ROOT, Bench
from benchmarks.process import Workers
from benchmarks.table import markdown, text

PARTS = {"i": imports, "a": indexing, "b": asking, "c": loading}


def main() -> int:
    """Run; return 1 where a measurement of ours failed or an answer differed."""
    options = _options()
    began = monotonic()
    given = options.data.expanduser().absolute() if options.data else None
    data = given or Path(tempfile.mkdtemp(prefix="fascicle-bench-"))
    data.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".bench-", dir=data))
    try:
        workers = Workers(None if options.no_peer else _peer(), work)
        about = {
            "date": datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
            "machine": machine.describe(),
            "fascicle": workers.versions("fascicle", "fascicle", "numpy", "pandas", "pyarrow"),
            "ONE-api": workers.versions("one", "ONE-api", "numpy", "pandas", "pyarrow"),
            "sizes": "quick" if options.quick else "full",
        }
        workers.compile()
        large = options.large if options.large is not None else not options.quick
        bench = Bench(workers, data, work, quick=options.quick, large=large)
        for key, part in PARTS.items():
            if key in options.only:
                part.run(bench)
    finally:
        shutil.rmtree(work if given else data, ignore_errors=True)
    about["took"] = f"{(monotonic() - began) / 60:.1f} min"
    print(text(bench.rows), end="\n\n")
    print("\n".join(_facts(about)))
    for failure in bench.failures:
        print(f"! {failure}")
    _save(options.results, bench, about)
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
        "--only",
        default="iabc",
        metavar="PARTS",
        help="some of: i import, a index, b questions, c load (--only ac)",
    )
    parser.add_argument(
        "--data", type=Path, help="folder for generated data, which is kept (default: temporary)"
    )
    parser.add_argument("--no-peer", action="store_true", help="fascicle alone")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    options = parser.parse_args()
    if not options.only or set(options.only) - set(PARTS):
        parser.error(f"--only takes letters of {''.join(PARTS)}, not {options.only!r}")
    return options


def _peer() -> Path:
    """Return the Python of the released ONE-api, in an environment made on first use."""
    if given := os.environ.get("FASCICLE_PEER_ONE"):
        return Path(given).absolute()
    shared = Path(os.environ.get("FASCICLE_SHARED", ROOT.parent / "shared"))
    tool = shared / "tools" / "make-peer"
    if not tool.exists():
        sys.exit(
            f"ONE-api cannot be installed: there is no {tool}\n"
            "  set FASCICLE_PEER_ONE to a Python that has it, or give --no-peer"
        )
    run = subprocess.run(
        [str(tool), "one", str(ROOT / ".peers" / "one")], stdout=subprocess.PIPE, text=True
    )
    if run.returncode:
        sys.exit("ONE-api could not be installed; --no-peer measures fascicle alone")
    return Path(run.stdout.strip().splitlines()[-1]).absolute()


def _facts(about: dict[str, object]) -> list[str]:
    lines = []
    for key, found in about.items():
        words = found
        if isinstance(found, dict):
            words = ", ".join(f"{k} {v}" for k, v in found.items())
        lines.append(f"{key}: {words}")
    if about["sizes"] == "quick":
        lines.append("small sizes: the bars are meant for the full ones")
    return lines


def _save(folder: Path, bench: Bench, about: dict[str, object]) -> None:
    """Write ``latest.json`` and ``latest.md`` (``quick.*`` for small sizes)."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = "quick" if bench.quick else "latest"
    found = {**about, "rows": [r.to_json() for r in bench.rows], "failures": bench.failures}
    folder.joinpath(f"{stem}.json").write_text(
        json.dumps(found, indent=1, ensure_ascii=False) + "\n"
    )
    page = ["# Results", "", markdown(bench.rows), ""]
    page += [f"- {line}" for line in _facts(about) + [f"! {f}" for f in bench.failures]]
    folder.joinpath(f"{stem}.md").write_text("\n".join(page) + "\n")
    print(f"\nsaved: {folder / stem}.json, .md")


if __name__ == "__main__":
    sys.exit(main())
