"""Convert a session again and again, killed at random moments; print what was there each time.

python killed.py LAB EID FOLDER N SEED
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path

import fascicle
from fascicle.nwb import convert
from fascicle.nwb.metadata import SessionMetadata


def main() -> None:
    warnings.simplefilter("ignore")
    lab, eid, folder = fascicle.open(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    target = folder / "session.nwb"
    document = SessionMetadata.from_archive(lab, eid)
    for _ in range(2):  # the first time it imports what it takes
        began = time.monotonic()
        first = folder / "first.nwb"
        convert(document, first, archive=lab, check=False, progress=False, overwrite=True)
        whole = time.monotonic() - began
    rng = random.Random(int(sys.argv[5]))
    for _ in range(int(sys.argv[4])):
        child = os.fork()
        if not child:
            try:
                convert(document, target, archive=lab, check=False, progress=False)
            except BaseException:  # noqa: BLE001  # interrupts too: it must not go on
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        # Towards the end more than its share: there the file is made and gets its name.
        time.sleep(whole * rng.choice((rng.uniform(0, 1), rng.uniform(0.5, 1))))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        row = {
            "killed": os.WIFSIGNALED(status),
            "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            "there": target.exists(),
            "whole": target.exists() and _is_whole(target, folder / "first.nwb"),
            "parts": sum(path.name.endswith(".part") for path in folder.iterdir()),
        }
        print(json.dumps(row), flush=True)
        target.unlink(missing_ok=True)
    convert(document, target, archive=lab, check="readback", progress=False)


def _is_whole(found: Path, expected: Path) -> bool:
    """Return whether all arrays of a file are there, with the bytes that they should have."""
    import h5py

    with h5py.File(found) as one, h5py.File(expected) as other:
        names: list[str] = []
        other.visititems(
            lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
        )
        differ = ("file_create_date", "identifier")
        return all(
            name in one
            and (
                one[name].dtype.kind == "O" or one[name][()].tobytes() == other[name][()].tobytes()
            )
            for name in names
            if name not in differ
        )


main()
