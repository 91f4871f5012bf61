"""A small indexed lab that the commands are tried on."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fascicle import demo
from fascicle.catalogue import index

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def made_lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a synthetic lab, indexed with hashes; not to be changed."""
    folder = demo.make_lab(tmp_path_factory.mktemp("cli") / "lab", size="tiny")
    index(folder, hash_files=True)
    return folder


@pytest.fixture
def lab(made_lab: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the lab, and have the commands ask it by default."""
    monkeypatch.setenv("FASCICLE_ARCHIVES", str(made_lab))
    return made_lab


@pytest.fixture
def copied_lab(made_lab: Path, tmp_path: Path) -> Path:
    """Return a copy of two sessions of the lab, to change; it has no index."""
    folder = tmp_path / "copy"
    for day in ("2019-08-11", "2019-08-12"):
        session = f"zadorlab/Subjects/CSH_ZAD_003/{day}"
        shutil.copytree(made_lab / session, folder / session)
    return folder


@pytest.fixture
def run() -> Run:
    """Return a function that runs ``fascicle`` in a process of its own."""

    def run(*args: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fascicle", *map(str, args)]
        env = os.environ | {"PYTHONUNBUFFERED": "1"}
        return subprocess.run(command, capture_output=True, text=True, env=env, **options)

    return run
