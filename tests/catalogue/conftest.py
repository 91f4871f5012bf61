"""Ways to run a piece of Python in another process: as another user, on a read-only file system."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src"
Run = Callable[[str], str]


def run_python(code: str, *prefix: str, env: dict[str, str] | None = None) -> str:
    """Return what a piece of Python prints; its failure is this test's."""
    command = [*prefix, sys.executable, "-c", code]
    given = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
    run = subprocess.run(command, capture_output=True, text=True, env=given, timeout=120)
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that anybody may enter: pytest keeps its own to their owner."""
    with tempfile.TemporaryDirectory(prefix="fascicle-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def as_nobody(open_folder: Path) -> Run:
    """Return a function that runs Python without the right to write (or read) everything.

    Whoever is not root already lacks it. Root gives up its rights after the imports, since the
    interpreter may lie in a folder that nobody else may read.
    """
    cache = open_folder / "cache of nobody"
    cache.mkdir()
    cache.chmod(0o777)

    def run(code: str) -> str:
        start = "import os\n"
        if os.geteuid() == 0:
            start += (
                "import sqlite3, mmap, warnings, hashlib, uuid, platformdirs, tqdm, numpy\n"
                "import pyarrow.parquet, pandas, fascicle.catalogue\n"
                "from fascicle.catalogue import *\n"
                "from fascicle.catalogue import changed, frames, merge, scan, store, tables\n"
                "from fascicle.catalogue import export, memory, restore, segment\n"
                "os.setgroups([])\nos.setgid(65534)\nos.setuid(65534)\n"
            )
        env = {"FASCICLE_CACHE": str(cache), "HOME": str(cache)}
        return run_python(start + code, env=env)

    return run


@pytest.fixture
def on_read_only(tmp_path: Path) -> Callable[[Path, str], str]:
    """Return a function that runs Python where a folder is mounted read-only."""

    def run(folder: Path, code: str) -> str:
        mount = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'
        prefix = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
        return run_python(code, *prefix, "sh", "-c", mount, "sh", str(folder))

    return run
