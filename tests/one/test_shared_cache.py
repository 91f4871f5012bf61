"""Many processes share one folder of files, tables and answers: each is told the truth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from fascicle.one import One
from fascicle.one.alyx import OneAlyx
from fascicle.testing.hub import HubServer

from . import sharing_probe

TAG = "2022_Q2_IBL_et_al_RepeatedSite"


@pytest.fixture(scope="module")
def hub(lab_folder: Path, made_hub: HubServer) -> Iterator[HubServer]:
    with HubServer(lab_folder, like=made_hub) as server:
        yield server


@pytest.mark.parametrize(
    ("processes", "n"), [(4, 12), pytest.param(16, 63, marks=pytest.mark.long)]
)
def test_processes_share_a_folder(
    hub: HubServer, lab_folder: Path, tmp_path: Path, processes: int, n: int
) -> None:
    folder, user = tmp_path / "files", hub.users["test_user"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about revisions
        known = sharing_probe.answers(One(lab_folder), "local")
    aside = OneAlyx(user.name, user.password, hub.url, cache_dir=tmp_path / "aside", silent=True)
    aside.load_cache(tag=TAG)
    tagged = sorted(map(str, aside.search()))
    assert 0 < len(tagged) < len(known["search"])
    task = {
        "url": hub.url,
        "user": user.name,
        "password": user.password,
        "folder": str(folder),
        "tag": TAG,
        "tagged": tagged,
        "answers": known,
        "n": n,
    }
    (tmp_path / "task.json").write_text(json.dumps(task))
    env = {**os.environ, "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "tests.one.sharing_probe", str(tmp_path / "task.json")]
    running = [
        subprocess.Popen([*command, str(k)], stderr=subprocess.PIPE, text=True, env=env)
        for k in range(processes)
    ]
    told = [process.communicate(timeout=3000)[1] for process in running]
    for process, said in zip(running, told, strict=True):
        assert process.returncode == 0, said[-3000:]
    assert not any(told), next(filter(None, told))[-3000:]
    assert not list(folder.rglob("*.part"))
