"""The tables of a hub as after its first start, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def test_the_first_rows_are_there(tables: Any) -> None:
    from fascicle.hub.models import BrainRegion, DataFormat, DatasetType, LabMember

    assert BrainRegion.objects.get(acronym="RH").parent_id
    assert DatasetType.objects.filter(name="spikes.times").exists()
    assert DataFormat.objects.filter(name="npy").exists()
    assert LabMember.objects.get(is_superuser=True).username == "admin"


def test_what_one_test_writes_the_next_does_not_see(tables: Any) -> None:
    from fascicle.hub.models import Lab

    assert not Lab.objects.filter(name="mine").exists()
    Lab.objects.create(name="mine")


test_what_one_test_writes_the_next_does_not_see_again = (
    test_what_one_test_writes_the_next_does_not_see
)


#: Tests that are run on PostgreSQL each time; the others in the long run.
SOME = ["test_statements.py", "test_register.py"]


@pytest.mark.parametrize("files", [SOME, pytest.param([""], marks=pytest.mark.long)])
def test_tests_of_tables_pass_on_postgresql(files: list[str]) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-x"]
    command += [str(Path(__file__).parent / name) for name in files]
    command += ["-m", "not long and not peer", "-p", "no:cacheprovider"]
    env = os.environ | {"FASCICLE_HUB_DATABASE": "postgresql"}
    run = subprocess.run(command, capture_output=True, text=True, env=env)
    assert run.returncode == 0, run.stdout[-5000:]
