"""Convert a session again and again in children that are killed at a moment of their own.

Run as a program: ``killing.py LAB FOLDER N SEED``; prints what was under the file's name after each
kill, as JSON. A child is a fork of this process, which has imported all: so a kill costs a second.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path


def main(lab: str, folder: str, n: int, seed: int) -> None:
    import fascicle
    from fascicle.nwb.converting import convert

    warnings.simplefilter("ignore")
    session = next(iter(fascicle.find(archives=[lab])))
    began = time.perf_counter()
    convert(session, Path(folder) / "before.nwb", check="readback", progress=False)
    convert(session, Path(folder) / "whole.nwb", check="readback", progress=False)
    began = time.perf_counter()
    convert(session, Path(folder) / "timed.nwb", check="readback", progress=False)
    long = time.perf_counter() - began
    chance = random.Random(seed)
    for i in range(n):
        overwrite = i % 3 == 0  # a file is there already, and may only be replaced by a whole one
        target = Path(folder) / ("whole.nwb" if overwrite else f"killed{i}.nwb")
        before = _digest(target)
        child = os.fork()
        if not child:
            code = 1
            try:
                convert(session, target, overwrite=overwrite, check="readback", progress=False)
                code = 0
            finally:
                os._exit(code)
        time.sleep(chance.uniform(0, long * 1.1))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        same = before is not None and before == _digest(target)
        print(
            json.dumps(
                {
                    "target": target.name,
                    "there": target.exists(),
                    "same": same,
                    "killed": os.WIFSIGNALED(status),
                    "parts": len(list(Path(folder).glob(".*.part"))),
                }
            ),
            flush=True,
        )


def _digest(path: Path) -> str | None:
    return hashlib.md5(path.read_bytes()).hexdigest() if path.exists() else None


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
