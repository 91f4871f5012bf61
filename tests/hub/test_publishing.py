"""A tag of a hub becomes a release."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from fascicle.catalogue import Catalogue
from fascicle.testing.hub import HubServer

TAG = "2022_Q2_IBL_et_al_RepeatedSite"
MADE = """
from fascicle.hub.setup import first_start, migrate, current
from fascicle.hub.importing import import_folder
from fascicle.hub.models import *
config = current()
migrate(config); first_start(config); import_folder(config)
result = sorted(map(str, Dataset.objects.filter(tags__name=tag).values_list("pk", flat=True)))
"""


def fascicle(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fascicle", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_tag_becomes_a_release(
    make_hub: Callable[..., HubServer], tmp_path: Path, hub_lab: Path
) -> None:
    hub = make_hub()
    hub.state.mkdir(parents=True, exist_ok=True)
    wanted = hub.run(MADE, tag=TAG)
    to = tmp_path / "release"
    about = ["--title", "T", "--author", "A, B", "--license", "CC0-1.0", "--json"]
    what = ["--state", str(hub.state), "--tag", TAG, "--version", "1.0.0", "--to", str(to)]
    done = fascicle("release", "create", str(hub.folder), *what, *about)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    (manifest,) = to.rglob("*manifest*.json")
    assert TAG in manifest.name
    got = tmp_path / "got"
    done = fascicle("get", f"{to}@1.0.0", "--to", str(got))
    assert done.returncode == 0, done.stderr
    (tables,) = {file.parent for file in got.rglob("datasets.pqt")}
    catalogue = Catalogue.open(tables)
    ids = [str(i) for row in range(catalogue.n_sessions) for i in catalogue.datasets(row).ids]
    assert sorted(ids) == wanted
    for row in range(catalogue.n_sessions):
        path = catalogue.session(row).path
        for name in catalogue.datasets(row).rel_paths:
            assert (tables / path / name).read_bytes() == (hub_lab / path / name).read_bytes()


def test_files_that_are_gone(make_hub: Callable[..., HubServer], tmp_path: Path) -> None:
    folder = tmp_path / "lab"
    alf = folder / "somelab/Subjects/mouse/2024-01-02/001/alf"
    alf.mkdir(parents=True)
    (alf / "trials.intervals.npy").write_bytes(b"x")
    (alf / "licks.times.npy").write_bytes(b"y")
    hub = make_hub(folder)
    hub.state.mkdir(parents=True, exist_ok=True)
    found = hub.run(
        MADE
        + """
from fascicle.errors import FascicleError
from fascicle.hub.publishing import stage
t = Tag.objects.create(name="paper")
t.datasets.set(Dataset.objects.filter(name="licks.times.npy"))
place = stage(config, "paper")
files = lambda: sorted(p.name for p in place.rglob("*") if p.is_file())
result = [files()]
t.datasets.set(Dataset.objects.filter(name="trials.intervals.npy"))
stage(config, "paper"); result.append(files())
next(config.folder.rglob("trials.*")).unlink()
for name in ("paper", "papre"):
    try:
        stage(config, name)
    except FascicleError as error:
        result.append(f"{error} {error.hint}")
""",
        tag="paper",
    )
    tables = ["datasets.pqt", "licks.times.npy", "sessions.pqt", "subjects.csv"]
    assert found[0] == tables
    assert "trials.intervals.npy" in found[1]
    assert "licks.times.npy" not in found[1]
    assert "trials.intervals.npy of paper is not in" in found[2]
    assert "paper" in found[3]
