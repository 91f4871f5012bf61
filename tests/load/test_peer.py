"""The released ONE-api loads the same files; every difference is one that is meant."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fascicle.one.alf import io

from . import describe

pytestmark = [
    pytest.mark.peer,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # archives that describe leaves open
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def peer(one_python: Path, folders: list[Path], out: Path) -> dict[Any, Any]:
    script = Path(describe.__file__)
    given = ["-W", "ignore", str(script), *map(str, folders), str(out)]
    done = subprocess.run([str(one_python), *given], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return pickle.loads(out.read_bytes())


def same_but_for_types(theirs: Any, ours: Any) -> bool:
    """Tell whether two arrays differ in type alone: ours keeps that of a table's column.

    ONE makes one array of a whole table, so that integers become floats beside a float column,
    and everything becomes objects beside a text or boolean one.
    """
    if theirs[0] != "array" or ours[0] != "array" or theirs[2] != ours[2]:
        return False
    mine = ours[3] if ours[1] == "object" else np.frombuffer(ours[3], ours[1])
    if theirs[1] == "object":
        return [describe.scalar(v) for v in mine] == theirs[3]
    if ours[1] == "object":
        return False
    return np.array_equal(np.frombuffer(theirs[3], theirs[1]), mine, equal_nan=True)


def differences(theirs: dict[Any, Any], ours: dict[Any, Any]) -> list[tuple[Any, Any, Any]]:
    assert theirs.keys() == ours.keys()
    found = []
    for key, expected in theirs.items():
        if (got := ours[key]) == expected:
            continue
        if (
            key[0] == "object"
            and expected[0] == got[0] == "dict"
            and list(expected[1]) == list(got[1])
        ):
            found += [
                ((*key, name), value, got[1][name])
                for name, value in expected[1].items()
                if value != got[1][name] and not same_but_for_types(value, got[1][name])
            ]
        else:
            found.append((key, expected, got))
    return found


def test_all_real_data(shared: Path, one_python: Path, tmp_path: Path) -> None:
    folders = [shared / "data" / n for n in ("alf_original", "alf_derived", "alf_md5_exact")]
    theirs = peer(one_python, folders, tmp_path / "theirs.pkl")
    assert len(theirs) > 400
    assert differences(theirs, describe.everything(io, folders)) == []


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """Return a folder with every format and every rule of an object."""
    folder = tmp_path / "odd"
    folder.mkdir()

    def save(name: str, value: np.ndarray) -> None:
        np.save(folder / name, value)

    two, three = np.zeros((3, 2)), np.arange(3)
    save("_ibl_trials.intervals.npy", two)
    save("_ibl_trials.intervals_bpod.npy", two)
    save("_ibl_trials.goCue_times.raw.more.npy", three)
    save("trials.column.npy", three[:, None])
    save("wheel.position.npy", np.arange(5))
    save("wheel.timestamps.npy", np.array([[0, 1.0], [4, 9.0]]))
    save("wheelMoves.timestamps.npy", np.array([[0, 1.0], [4, 9.0]]))
    save("lick.times.npy", three)
    save("lick.timestamps.npy", np.arange(4))
    save("position.xyz.npy", np.arange(6).reshape(2, 3))
    (folder / "position.xyz.metadata.json").write_text(
        json.dumps({"columns": ["x", "y", "z"], "unit": "mm"})
    )
    save("named.only.npy", three)
    (folder / "named.only.metadata.json").write_text('{"unit": "s"}')
    save("pieces.a.npy", np.zeros((2, 2, 2)))
    save("pieces.b.npy", np.zeros(1))
    save("pieces.c.npy", np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    save("twice.a.npy", three)
    (folder / "twice.a.csv").write_text("x\n1\n2\n3\n")
    table = pd.DataFrame({"n": [1, 2], "x_0": [0.5, 1], "x_1": [1.5, 2], "s": ["a", None]})
    for obj in ("t.table", "u.table_bpod", "v.table.raw", "w.other"):
        table.to_parquet(folder / f"{obj}.pqt")
    numbers = table.drop(columns="s")
    numbers["flag"] = [True, False]
    numbers.to_parquet(folder / "x.table.pqt")
    table.to_csv(folder / "f.one.csv", index=False)
    table.to_csv(folder / "f.two.ssv", index=False, sep=" ")
    table.to_csv(folder / "f.three.tsv", index=False, sep="\t")
    table[["n"]].to_csv(folder / "f.four.htsv", index=False, sep="\t")
    np.savez(folder / "z.one.npz", three)
    np.savez_compressed(folder / "z.two.npz", a=three, b=two)
    (folder / "j.one.json").write_text('{"a": [1, null, 2.5]}')
    (folder / "j.broken.json").write_text('{"a": [1')
    (folder / "j.lines.jsonable").write_text('{"a": 1}\n[2]\n')
    (folder / "j.badlines.jsonable").write_text('{"a": 1}\n[2\n')
    (folder / "y.one.yaml").write_text("a: [1, 2]\n")
    (folder / "y.two.yml").write_text("- 1\n")
    (folder / "e.one.npy").touch()
    (folder / "e.two.mp4").touch()
    (folder / "p.one.mp4").write_bytes(b"x")
    (folder / "p.one.cbin").write_bytes(b"x")
    (folder / "d.cut.npy").write_bytes((folder / "wheel.position.npy").read_bytes()[:-3])
    (folder / "d.cut.pqt").write_bytes((folder / "t.table.pqt").read_bytes()[:-3])
    return folder


# What ONE gets wrong and we do not (the object, whether keys are short).
MEANT = {
    ("position", True): "metadata count as a second file of the same short key",
    ("named", True): "metadata count as a second file of the same short key",
}


def test_every_rule(odd: Path, one_python: Path, tmp_path: Path) -> None:
    theirs = peer(one_python, [odd], tmp_path / "theirs.pkl")
    ours = describe.everything(io, [odd])
    left = []
    for key, expected, got in differences(theirs, ours):
        if expected[0] == got[0] == "error":
            # Ours are of the same kind, so that the same handlers catch them.
            same = {"ValueError", "AssertionError", "FileNotFoundError", "TypeError"}
            if set(expected[2]) & same <= set(got[2]) or "ArrowInvalid" in expected[2]:
                continue
        if key[0] == "object" and (key[2], key[3]) in MEANT:
            assert expected[0] == "error"
            assert got[0] == "dict"
            continue
        left.append((key, expected, got))
    assert left == []
    assert ours["file", str(odd / "e.one.npy")] == ("value", None)
    assert ours["object", str(odd), "twice", False][1] == "DuplicateAttributes"


def test_every_name_is_there(one_python: Path) -> None:
    code = (
        "import one.alf.io as m, json, types;"
        "print(json.dumps([n for n, v in vars(m).items() if getattr(v, '__module__', '') == "
        "m.__name__]))"
    )
    done = subprocess.run([str(one_python), "-c", code], capture_output=True, text=True, check=True)
    names = json.loads(done.stdout)
    assert len(names) > 15
    assert [n for n in names if not hasattr(io, n)] == []


FILTERS: list[dict[str, Any]] = [
    {},
    {"object": "wheel"},
    {"object": "wh*"},
    {"object": ["wheel", "t?"]},
    {"object": "wh", "wildcards": False},
    {"object": ["wheel$", "lick"], "wildcards": False},
    {"attribute": "[x-z]*"},
    {"attribute": ["goCue_times", "intervals"], "timescale": None},
    {"timescale": "bpod"},
    {"timescale": ["bpod", "other"]},
    {"namespace": None, "extension": "npy"},
    {"namespace": "ibl"},
    {"namespace": "i", "wildcards": False},
    {"extra": "raw"},
    {"extra": ["more"]},
    {"extra": "more.raw"},
    {"extra": None, "object": "trials"},
    {"extra": "ra*"},
    {"extension": "(npy|csv)", "wildcards": False},
    {"extension": ["htsv", None]},
]


def test_filters(odd: Path, one_python: Path, tmp_path: Path) -> None:
    code = (
        "import one.alf.io as io, json, sys, pathlib\n"
        "folder, filters = sys.argv[1], json.loads(sys.argv[2])\n"
        "found = [sorted(map(str, io.filter_by(folder, **f)[0])) for f in filters]\n"
        "parts = [sorted(map(repr, io.filter_by(folder, **f)[1])) for f in filters]\n"
        "files = sorted(p for p in pathlib.Path(folder).iterdir())\n"
        "loose = dict(namespace=False, timescale=False, extra=False, extension=False)\n"
        "same = [[sorted(map(str, v)) for v in io.find_variants(files, **o).values()]\n"
        "        for o in ({}, loose)]\n"
        "print(json.dumps([found, parts, same]))\n"
    )
    session = tmp_path / "mouse" / "2020-01-01" / "001"
    session.mkdir(parents=True)
    folder = odd.rename(session / "alf")
    given = [str(folder), json.dumps(FILTERS)]
    theirs = subprocess.run(
        [str(one_python), "-W", "ignore", "-c", code, *given],
        capture_output=True,
        text=True,
    )
    assert theirs.returncode == 0, theirs.stderr[-2000:]
    ours = subprocess.run(
        [sys.executable, "-c", code.replace("one.alf.io", "fascicle.one.alf.io"), *given],
        capture_output=True,
        text=True,
    )
    assert ours.returncode == 0, ours.stderr[-2000:]
    assert json.loads(ours.stdout) == json.loads(theirs.stdout)
