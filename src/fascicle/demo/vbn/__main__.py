"""Write a synthetic session from the command line: ``python -m fascicle.demo.vbn FILE``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fascicle.demo.vbn.session import SIZES, write_session


def main(arguments: list[str] | None = None) -> int:
    """Write the file that the arguments ask for, and say where it is."""
    parser = argparse.ArgumentParser(prog="python -m fascicle.demo.vbn", description=__doc__)
    parser.add_argument("file", type=Path, help="the file to write, or the folder for it")
    parser.add_argument("--size", choices=sorted(SIZES), default="small")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    path = given.file
    if path.is_dir() or not path.suffix:
        path = path / f"ecephys_session_{given.size}.nwb"
    write_session(path, seed=given.seed, **SIZES[given.size])
    sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
