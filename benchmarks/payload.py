"""Files to bring, as a server has them: ``python -m benchmarks.payload FOLDER SMALL LARGE MIDDLE``.

``files/`` has so many small files of 3 KB in sessions of 15, and so many large and middle ones of
the sizes of `SIZES`; ``objects/`` has the same under a version. ``{kind}.json`` lists each kind
with its checksums. All bytes are random, so that none are the same.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

VERSION = "v1"
PIECE = 1 << 20


def main(folder: Path, small: int, large: int, large_bytes: int, middle: int, middle_bytes: int):
    """Write everything."""
    files = folder / "files"
    kinds = {
        "small": [(_small(i), 3_000) for i in range(small)],
        "large": [(f"large/recording-{i}.bin", large_bytes) for i in range(large)],
        "middle": [(f"middle/recording-{i}.bin", middle_bytes) for i in range(middle)],
        "first": [("first.bin", 3_000)],
    }
    for kind, listed in kinds.items():
        records = [_write(files / path, path, size) for path, size in listed]
        folder.joinpath(f"{kind}.json").write_text(json.dumps(records))
    objects = folder / "objects"
    objects.mkdir(exist_ok=True)
    for name in (VERSION, "newest"):
        objects.joinpath(name).unlink(missing_ok=True)
        objects.joinpath(name).symlink_to("../files")
    folder.joinpath(".complete").touch()


def _small(i: int) -> str:
    session, number = divmod(i, 15)
    subject, day = divmod(session, 20)
    folder = f"cortexlab/Subjects/KS{subject:03}/2024-03-{day + 1:02}/001/alf"
    return f"{folder}/_ibl_trials.values{number:02}.npy"


def _write(target: Path, path: str, size: int) -> dict[str, object]:
    target.parent.mkdir(parents=True, exist_ok=True)
    md5, blake2b = hashlib.md5(), hashlib.blake2b()
    with target.open("wb") as f:
        for start in range(0, size, PIECE):
            piece = os.urandom(min(PIECE, size - start))
            f.write(piece)
            md5.update(piece)
            blake2b.update(piece)
    return {"path": path, "size": size, "md5": md5.hexdigest(), "blake2b": blake2b.hexdigest()}


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(n) for n in sys.argv[2:]))
