"""Damaged files end in a value or in an error of ours that names the file; never in a crash."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fascicle.errors import BadFileError, EmptyFileError
from fascicle.load import load_file

from .fuzz import SHARE, run, sound_files

# In a process of its own with little memory: what crashes it or fills it would show.
_LIMITED = """
import resource, sys, pathlib
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
sys.path.insert(0, sys.argv[1])
from load.fuzz import run
print(sum(run(pathlib.Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])).values()))
"""


def limited(folder: Path, cases: int, seed: int) -> int:
    tests = Path(__file__).resolve().parent.parent
    given = [str(tests), str(folder), str(cases), str(seed)]
    done = subprocess.run([sys.executable, "-c", _LIMITED, *given], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return int(done.stdout)


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in memory where there is one."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    folder = memory / f"fascicle-fuzz-{os.getpid()}"
    folder.mkdir(exist_ok=True)
    yield folder
    shutil.rmtree(folder)


def test_every_kind_of_damage_has_an_outcome(tmp_path: Path) -> None:
    outcomes = run(tmp_path, 2_000, seed=1)
    assert {k.partition(":")[0] for k in outcomes} == set(SHARE)
    assert {"npy: TruncatedFileError", "npy: BadFileError", "pqt: TruncatedFileError"} <= set(
        outcomes
    )


def test_damaged_files_in_little_memory(quick_folder: Path) -> None:
    assert limited(quick_folder, 30_000, seed=2) >= 30_000


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10, 20))
def test_a_million_damaged_files(quick_folder: Path, seed: int) -> None:
    assert limited(quick_folder, 100_000, seed=seed) >= 100_000


@pytest.mark.parametrize("kind", [k for k in SHARE if k not in ("cbin", "meta")])
def test_every_possible_truncation(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"object.attribute.{kind}"
    lenient = kind in ("csv", "tsv", "yaml", "jsonable")  # a part of them can be sound as well
    for data in sound_files()[kind]:
        for length in range(len(data)):
            path.write_bytes(data[:length])
            if lenient and length:
                try:
                    load_file(path)
                except BadFileError as error:
                    assert str(path) in str(error)
                continue
            with pytest.raises(BadFileError, match=r"object\.attribute") as caught:
                load_file(path)
            assert (length == 0) == isinstance(caught.value, EmptyFileError)
