"""The official ONE-api opens what we indexed, we open what it indexed, and both say the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fascicle.one import One

from . import probe
from .questions import BY_ID, BY_PATH, questions

pytestmark = pytest.mark.peer

# ONE makes numbers of all columns of a table when it takes it apart, so that whole numbers become
# fractions (its defect); the questions leave `*.table.pqt` out.


def ask_peer(python: Path, folder: Path, asked: list[str], tmp_path: Path) -> list[Any]:
    file = tmp_path / "questions.json"
    file.write_text(json.dumps(asked))
    command = [str(python), probe.__file__, "one.api", str(folder), str(file)]
    run = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    assert run.returncode == 0, run.stderr[-3000:]
    answers: list[Any] = json.loads(run.stdout)
    return answers


def is_error(answer: Any) -> bool:
    return isinstance(answer, dict) and set(answer) == {"error", "text"}


def same(theirs: Any, ours: Any) -> bool:
    if is_error(theirs) and is_error(ours):
        # The class that they raise, or for those of their tools the builtin one that it is.
        kinds = [k for k in theirs["error"] if k not in ("Exception", "BaseException", "object")]
        return any(k in ours["error"] for k in kinds)
    return bool(theirs == ours)


def compare(python: Path, folder: Path, tmp_path: Path, pick: list[int], *leave_out: str) -> None:
    eids = One(folder).search()
    asked = questions([str(eids[i]) for i in pick], leave_out=leave_out)
    theirs = ask_peer(python, folder, asked, tmp_path)
    ours = json.loads(json.dumps(probe.ask("fascicle.one", folder, asked)))
    different = [
        f"{q}\n  ONE-api:  {str(a)[:400]}\n  fascicle: {str(b)[:400]}"
        for q, a, b in zip(asked, theirs, ours, strict=True)
        if not same(a, b)
    ]
    assert not different, "\n".join([f"{len(different)} of {len(asked)} differ", *different[:10]])
    assert sum(not is_error(a) for a in ours) > len(asked) / 2


def test_one_opens_what_we_indexed(one_python: Path, lab_folder: Path, tmp_path: Path) -> None:
    compare(one_python, lab_folder, tmp_path, [0, 1, -1])


def test_we_open_what_one_indexed(one_python: Path, lab_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    shutil.copytree(lab_folder, folder, ignore=shutil.ignore_patterns("*.pqt~", ".fascicle"))
    for name in ("sessions.pqt", "datasets.pqt"):
        (folder / name).unlink()
    code = "import sys; from one.api import One; One.setup(sys.argv[1], silent=True)"
    subprocess.run([str(one_python), "-c", code, str(folder)], check=True, capture_output=True)
    # ONE gives the same id to datasets of the same name, so that none can be loaded by its id.
    compare(one_python, folder, tmp_path, [0, -1], BY_ID)


def test_real_data_of_the_public_server(one_python: Path, shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    shutil.copytree(shared / "data" / "alf_md5_exact", folder)
    for name in ("sessions.pqt", "datasets.pqt"):
        shutil.copyfile(shared / "data" / "one_cache_openalyx" / name, folder / name)
    one = One(folder)
    with_files = [i for i, e in enumerate(one.search()) if one.eid2path(e).is_dir()]
    assert len(with_files) > 10
    compare(one_python, folder, tmp_path, with_files[:3])


def test_tables_of_the_first_generation(one_python: Path, shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("sessions.pqt", "datasets.pqt"):
        shutil.copyfile(shared / "data" / "one_api_fixtures" / name, folder / name)
    # ONE cannot load a dataset by its path where another differs from it by a timescale alone.
    compare(one_python, folder, tmp_path, [0, 5], BY_PATH)
