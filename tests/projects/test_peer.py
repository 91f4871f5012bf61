"""The real AllenSDK and we: the same tables, the same words, the same folder."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import os
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from fascicle.projects import (
    VisualBehaviorNeuropixelsProjectCache,
    VisualBehaviorOphysProjectCache,
)

from . import ask_allen
from .conftest import name

pytestmark = [pytest.mark.peer, pytest.mark.heavy]

TABLES = [
    "cache.get_ecephys_session_table()",
    "cache.get_ecephys_session_table(filter_abnormalities=False)",
    "cache.get_behavior_session_table()",
    "cache.get_probe_table()",
    "cache.get_channel_table()",
    "cache.get_unit_table()",
]
VERSIONS = [
    "cache.current_manifest()",
    "sorted(cache.list_manifest_file_names())",
    "cache.latest_manifest_file()",
    "sorted(cache.list_all_downloaded_manifests())",
    "cache.latest_downloaded_manifest_file()",
]


def ask_peer(
    python: Path, way: str, folder: Path, steps: list[str], project: str = ""
) -> list[Any]:
    project = project or "VisualBehaviorNeuropixelsProjectCache"
    command = [python, ask_allen.__file__, way, project, folder, json.dumps(steps)]
    env = os.environ | {"AWS_DEFAULT_REGION": "us-east-1", "TQDM_DISABLE": "1"}
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=env)
    assert run.returncode == 0, run.stderr[-3000:]
    answers: list[Any] = json.loads(run.stdout.rpartition("ANSWERS")[2])
    return answers


def ask_us(way: str, folder: Path, steps: list[str], project: str = "") -> list[Any]:
    cls: Any = {
        "": VisualBehaviorNeuropixelsProjectCache,
        "VisualBehaviorOphysProjectCache": VisualBehaviorOphysProjectCache,
    }[project]
    ways = {
        "s3": lambda: cls.from_s3_cache(folder),
        "local": lambda: cls.from_local_cache(folder),
        "static": lambda: cls.from_local_cache(folder, use_static_cache=True),
    }
    answers: list[Any] = json.loads(json.dumps(ask_allen.run(ways[way], steps)))
    return answers


def same(theirs: Any, ours: Any) -> bool:
    """Return whether values agree; old pandas parses fractions with an error in the last digits."""
    if isinstance(theirs, float) and isinstance(ours, float):
        return math.isclose(theirs, ours, rel_tol=1e-12)
    if isinstance(theirs, list) and isinstance(ours, list):
        return len(theirs) == len(ours) and all(map(same, theirs, ours))
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return theirs.keys() == ours.keys() and all(same(theirs[k], ours[k]) for k in theirs)
    return type(theirs) is type(ours) and bool(theirs == ours)


def compare(theirs: list[Any], ours: list[Any], steps: list[str]) -> None:
    for step, a, b in zip(["open", *steps], theirs, ours, strict=True):
        if isinstance(a["value"], dict) and "error" in a["value"]:
            builtin = {"ValueError", "RuntimeError", "FileNotFoundError"}
            kinds = set(a["value"]["error"]) & builtin
            assert kinds & set(b["value"]["error"]), (step, a, b)
        elif isinstance(a["value"], dict) and "kinds" in a["value"]:
            for part in ("index", "index name", "columns", "kinds", "values"):
                assert same(a["value"][part], b["value"][part]), (step, part)
        else:
            assert a["value"] == b["value"], step
        assert a["warnings"] == b["warnings"], step


def test_a_first_opening(allen_python: Path, endpoint: str, tmp_path: Path) -> None:
    steps = [
        *VERSIONS,
        *TABLES,
        f"cache.load_manifest('{name('0.2.0')}')",
        f"cache.load_manifest('{name('0.1.0')}')",
        *VERSIONS,
        *TABLES,
        "cache.load_latest_manifest()",
        "cache.load_manifest('nothing')",
        *(
            f"cache.compare_manifests('{name(a)}', '{name(b)}')"
            for a, b in [("0.1.0", "0.2.0"), ("0.2.0", "0.3.0"), ("0.3.0", "0.10.0")]
        ),
        f"cache.compare_manifests('{name('0.10.0')}', '{name('0.1.0')}')",
        f"cache.compare_manifests('{name('0.3.0')}', '{name('0.3.0')}')",
        "cache.current_manifest()",
    ]
    theirs = ask_peer(allen_python, "s3", tmp_path / "theirs", steps)
    ours = ask_us("s3", tmp_path / "ours", steps)
    compare(theirs, ours, steps)


def files(folder: Path) -> dict[str, bytes]:
    """Return what lies in a cache folder, without what is ours alone."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".fascicle" not in path.parts and path.name != "_downloaded_data.json"
    }


def test_the_folders_are_the_same(allen_python: Path, endpoint: str, tmp_path: Path) -> None:
    steps = [f"cache.load_manifest('{name('0.2.0')}')", "cache.get_unit_table()"]
    ask_peer(allen_python, "s3", tmp_path / "theirs", steps)
    ask_us("s3", tmp_path / "ours", steps)
    assert files(tmp_path / "theirs") == files(tmp_path / "ours")
    records = [
        {
            Path(path).relative_to((tmp_path / who).resolve()).as_posix(): file_hash
            for path, file_hash in json.loads(
                (tmp_path / who / "_downloaded_data.json").read_text()
            ).items()
        }
        for who in ("theirs", "ours")
    ]
    assert records[0].items() <= records[1].items()


@pytest.mark.parametrize("way", ["s3", "local"])
def test_each_opens_the_others_folder(
    allen_python: Path, endpoint: str, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ["cache.load_manifest('" + name("0.2.0") + "')"]
    ask_peer(allen_python, "s3", tmp_path / "theirs", before)
    ask_us("s3", tmp_path / "ours", before)
    steps = [*VERSIONS, *TABLES]
    first = ask_peer(allen_python, way, tmp_path / "ours", steps)
    if way == "s3":
        was = files(tmp_path / "theirs")
    second = ask_us(way, tmp_path / "theirs", steps)
    compare(first, second, steps)
    if way == "s3":
        assert files(tmp_path / "theirs") == was, "nothing was fetched again"


def links_of(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.csv") if path.is_symlink()]


def test_a_folder_of_theirs_that_was_moved(
    allen_python: Path, endpoint: str, tmp_path: Path
) -> None:
    steps = [f"cache.load_manifest('{name(version)}')" for version in ("0.2.0", "0.3.0")]
    ask_peer(allen_python, "s3", tmp_path / "theirs", steps)
    assert links_of(tmp_path / "theirs"), "it links versions to each other"
    (tmp_path / "theirs").rename(tmp_path / "moved")
    asked = ["cache.get_unit_table()", "cache.get_behavior_session_table()"]
    ours = ask_us("local", tmp_path / "moved", asked)
    theirs = ask_peer(allen_python, "s3", tmp_path / "again", [*steps, *asked])
    assert all(not p.exists() for p in links_of(tmp_path / "moved"))
    assert same([a["value"] for a in ours[1:]], [a["value"] for a in theirs[3:]])


def mirror(release: Any, server: Any, folder: Path, version: str) -> Path:
    """Make what a mounted bucket looks like at one version."""
    root = folder / release.project
    (root / "manifests").mkdir(parents=True)
    (root / "project_metadata").mkdir()
    import urllib3

    for manifest in release.manifests:
        url = f"{server.url}/{release.bucket}/{release.project}/manifests/{manifest}"
        (root / "manifests" / manifest).write_bytes(urllib3.request("GET", url).data)
    for table, content in release.tables[version].items():
        (root / "project_metadata" / f"{table}.csv").write_bytes(content)
    return folder


def test_a_mounted_bucket(allen_python: Path, server: Any, release: Any, tmp_path: Path) -> None:
    folder = mirror(release, server, tmp_path / "mounted", "0.10.0")
    # Their class for such folders lacks the last of the five.
    steps = [*VERSIONS[:-1], *TABLES, "cache.compare_manifests('a', 'b')"]
    before = files(folder)
    theirs = ask_peer(allen_python, "static", folder, steps)
    ours = ask_us("static", folder, steps)
    compare(theirs, ours, steps)
    assert files(folder) == before


def test_real_tables_of_visual_behavior_ophys(
    allen_python: Path, shared: Path, tmp_path: Path
) -> None:

    real = shared / "data" / "allen" / "visual_behavior_ophys" / "project_metadata"
    folder = tmp_path / "cache"
    tables = folder / "visual-behavior-ophys-1.0.1" / "project_metadata"
    shutil.copytree(real, tables)
    (tables / "ophys_cells_table.csv").write_text(
        "cell_roi_id,cell_specimen_id,ophys_experiment_id\n1,2,951980471\n3,,951980471\n"
    )
    document = {
        "project_name": "visual-behavior-ophys",
        "manifest_version": "1.0.1",
        "metadata_file_id_column_name": "file_id",
        "data_pipeline": [{"name": "AllenSDK", "version": "2.10.0", "comment": ""}],
        "metadata_files": {
            path.stem: {
                "url": "https://visual-behavior-ophys-data.s3.us-west-2.amazonaws.com/"
                f"visual-behavior-ophys/project_metadata/{path.name}",
                "version_id": "1",
                "file_hash": hashlib.blake2b(path.read_bytes()).hexdigest(),
            }
            for path in tables.iterdir()
        },
        "data_files": {},
    }
    manifest = folder / "visual-behavior-ophys_project_manifest_v1.0.1.json"
    manifest.write_text(json.dumps(document))
    (folder / "_downloaded_data.json").write_text("{}")
    steps = [
        "cache.get_behavior_session_table()",
        "cache.get_ophys_session_table()",
        "cache.get_ophys_experiment_table()",
        "cache.get_ophys_cells_table()",
    ]
    project = "VisualBehaviorOphysProjectCache"
    theirs = ask_peer(allen_python, "local", folder, steps, project)
    ours = ask_us("local", folder, steps, project)
    for step, a, b in zip(steps, theirs[1:], ours[1:], strict=True):
        a, b = a["value"], b["value"]
        assert (a["index"], a["index name"]) == (b["index"], b["index name"])
        # Those that their reader has no place for come in another order in each process.
        assert sorted(a["columns"]) == sorted(b["columns"])
        kinds = dict(zip(a["columns"], a["kinds"], strict=True))
        assert kinds == dict(zip(b["columns"], b["kinds"], strict=True)), step
        assert same(a["values"], b["values"]), step


def random_manifests(folder: Path, *, copies: bool) -> list[str]:
    """Put manifests of many versions into a cache folder, with files that come, go and move."""
    draw = random.Random(copies)
    names = []
    for number in range(24):
        paths = draw.sample([f"data/{letter}.nwb" for letter in "abcdefgh"], draw.randrange(1, 8))
        contents = [str(k) for k in range(8)]
        chosen = draw.choices(contents, k=8) if copies else draw.sample(contents, 8)
        document = json.loads((folder / name("0.10.0")).read_text())
        base = document["metadata_files"]["units"]["url"].partition("project_metadata")[0]
        document |= {
            "manifest_version": f"0.1.{number}",
            "data_files": {
                str(draw.randrange(10**6)): {
                    "url": base + path,
                    "version_id": "v",
                    "file_hash": hashlib.blake2b(content.encode()).hexdigest(),
                }
                for path, content in zip(paths, chosen, strict=False)
            },
        }
        names.append(name(f"0.1.{number}"))
        (folder / names[-1]).write_text(json.dumps(document))
    return names


@pytest.mark.parametrize("copies", [False, True], ids=["each content once", "copies"])
def test_many_comparisons(allen_python: Path, endpoint: str, tmp_path: Path, copies: bool) -> None:
    VisualBehaviorNeuropixelsProjectCache.from_s3_cache(tmp_path)
    names = random_manifests(tmp_path, copies=copies)
    pairs = list(itertools.pairwise(names)) + list(itertools.pairwise(names[::3]))
    steps = [f"cache.compare_manifests({a!r}, {b!r})" for a, b in pairs]
    theirs = [a["value"] for a in ask_peer(allen_python, "local", tmp_path, steps)[1:]]
    ours = [a["value"] for a in ask_us("local", tmp_path, steps)[1:]]
    assert sum(a == b for a, b in zip(theirs, ours, strict=True)) > 3
    for a, b in zip(theirs, ours, strict=True):
        lines = [
            {line.split()[0]: line.split()[1] for line in text.splitlines()[5:] if line}
            for text in (a, b)
        ]
        more = {path: kind for path, kind in lines[1].items() if path not in lines[0]}
        # What they leave out are new files whose content was there before.
        assert set(more.values()) <= {"created"}
        assert {path: lines[1].get(path) for path in lines[0]} == lines[0]


def test_sessions_through_the_cache(allen_python: Path, endpoint: str, tmp_path: Path) -> None:
    ours = VisualBehaviorNeuropixelsProjectCache.from_s3_cache(tmp_path / "ours")
    sessions = ours.get_ecephys_session_table(filter_abnormalities=False)
    behavior = ours.get_behavior_session_table()
    with_lfp = ours.get_probe_table().query("file_id >= 0")
    recording = int(with_lfp["ecephys_session_id"].iloc[0])
    inside = int(sessions.loc[recording, "behavior_session_id"])
    own = int(behavior.index[behavior["file_id"] >= 0][0])
    probe = with_lfp.index[0]
    steps = [
        f"[x for s in [cache.get_ecephys_session(ecephys_session_id={recording})] for x in ("
        "s.probes, s.trials.drop(columns='lick_times'), [len(v) for v in s.spike_times.values()], "
        f"s.get_lfp({probe}).values.tolist(), "
        f"s.get_current_source_density({probe}).values.tolist())]",
        f"cache.get_ecephys_session({sessions.index[-1]}).probes",
        f"cache.get_behavior_session(behavior_session_id={inside}).rewards",
        f"cache.get_behavior_session({own}).running_speed",
        "cache.get_ecephys_session(1)",
        "cache.get_behavior_session(1)",
    ]
    theirs = ask_peer(allen_python, "s3", tmp_path / "theirs", steps)
    compare(theirs, ask_us("s3", tmp_path / "ours", steps), steps)
    assert files(tmp_path / "theirs") == files(tmp_path / "ours")
