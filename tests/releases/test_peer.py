"""The real AllenSDK and the real ONE-api read what we publish."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fascicle.one import One
from fascicle.releases import Release, publish
from fascicle.testing.s3 import S3Server

from . import ask_peers
from .labs import save, tree

pytestmark = pytest.mark.peer


def ask(python: Path, *arguments: str) -> Any:
    env = os.environ | {"AWS_DEFAULT_REGION": "us-east-1", "TQDM_DISABLE": "1"}
    command = [str(python), ask_peers.__file__, *arguments]
    run = subprocess.run(command, capture_output=True, text=True, env=env)
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.rpartition("ANSWER")[2])


@pytest.mark.heavy
@pytest.mark.parametrize("bucket", ["lab-data"])
def test_allensdk(
    allen_python: Path, folder: Path, tmp_path: Path, s3: S3Server, bucket: str
) -> None:
    expected = {}
    for letters in ("\u00b5-7", "\u65e5\u672c"):
        alf = folder / f"lab/Subjects/{letters}/2020-01-01/001/alf"
        save(alf / "_ibl_trials.choice.npy", 4)
        save(alf / "#2021-01-01#/_ibl_trials.choice.npy", 5)
    for version in ("1.0.0", "1.1.0"):
        publish(folder, version=version, to=f"s3://{bucket}")
        data = {k: v for k, v in tree(folder, hidden=False).items() if k.startswith("lab/")}
        expected[version] = {k: hashlib.sha256(v).hexdigest() for k, v in data.items()}
        session = sorted(folder.glob("lab/Subjects/*/*/001"))[0]
        save(session / "alf/_ibl_trials.choice.npy", 10, 2, fill=99)
        (session / "alf/_ibl_trials.rewardVolume.npy").unlink(missing_ok=True)
    answer = ask(allen_python, "allen", s3.url, bucket, "choice-task", str(tmp_path / "theirs"))
    names = [f"choice-task_project_manifest_v{version}.json" for version in expected]
    assert answer["names"] == names and answer["latest"] == names[-1]
    for name, version in zip(names, expected, strict=True):
        got = answer["versions"][name]
        assert got["version"] == version and got["files"] == expected[version]
        entries = Release(f"s3://{bucket}/choice-task@{version}").manifest.metadata_files
        assert got["tables"] == {key: entry.sha256 for key, entry in entries.items()}
    assert "_ibl_trials.choice.npy changed" in answer["compared"]
    assert "_ibl_trials.rewardVolume.npy deleted" in answer["compared"]


@pytest.mark.parametrize(
    "way", [*(pytest.param(way, marks=pytest.mark.long) for way in ("zip", "get")), "folder"]
)
def test_one(one_python: Path, lab: Path, tmp_path: Path, way: str) -> None:
    here = tmp_path / "here"
    if way == "folder":
        publish(lab, version="1.0.0", to=here)
    else:
        publish(lab, version="1.0.0", to=tmp_path / "x.zip")
        if way == "zip":
            with zipfile.ZipFile(tmp_path / "x.zip") as archive:
                archive.extractall(here)
        else:
            Release(tmp_path / "x.zip").get(here).run(progress=False).raise_for_failed()
    answer = ask(one_python, "one", str(here))
    source = One(cache_dir=lab)
    eids = [str(eid) for eid in source.search()]
    assert sorted(answer["sessions"]) == sorted(eids)
    for eid in eids:
        assert answer["sessions"][eid] == str(source.eid2path(eid).relative_to(lab))
        assert answer["datasets"][eid] == [str(d) for d in source.list_datasets(eid)]
    found = source.search(datasets="_ibl_trials.choice.npy")
    assert answer["with trials"] == sorted(map(str, found))
    assert len(answer["trials"]) > 3 and answer["hashes"] > 100
    assert {"sessions", "datasets", "insertions"} <= set(answer["tables"])
    ours = One(cache_dir=here)
    for eid, columns in answer["trials"].items():
        for api in (source, ours):
            trials = api.load_object(eid, "trials", collection="alf")
            for key, digest in columns.items():
                data = np.ascontiguousarray(trials[key]).tobytes()
                assert hashlib.sha256(data).hexdigest() == digest
