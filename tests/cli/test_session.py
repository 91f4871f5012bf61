"""``ls``, ``info`` and ``load``: one session."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import fascicle as package
from fascicle.cli.app import fascicle

SESSION = "2019-08-11_1_CSH_ZAD_003"


def invoke(*args: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(fascicle, [str(arg) for arg in args])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def recording(lab: Path) -> str:
    """Return the eid of a session with two probes."""
    sessions = package.find(archives=[lab], datasets=["alf/probe00/*", "alf/probe01/*"])
    return str(sessions.eids[0])


def test_ls_prints_the_paths(lab: Path) -> None:
    code, out, _ = invoke("ls", SESSION)
    paths = out.splitlines()
    assert code == 0 and len(paths) == 15
    assert paths == sorted(paths) and "alf/_ibl_trials.choice.npy" in paths


@pytest.mark.parametrize("name", ["path", "eid"])
def test_a_session_goes_by_its_path_and_its_id(lab: Path, name: str) -> None:
    facts = json.loads(invoke("info", SESSION, "--json")[1])
    assert invoke("ls", facts[name]) == invoke("ls", SESSION)


def test_ls_takes_patterns_and_a_collection(lab: Path, recording: str) -> None:
    _, out, _ = invoke("ls", recording, "spikes", "--collection", "alf/probe00/pykilosort")
    paths = out.splitlines()
    assert paths and all("/spikes." in path and "probe00" in path for path in paths)
    assert len(invoke("ls", recording, "--all")[1].splitlines()) > len(
        invoke("ls", recording)[1].splitlines()
    )


def test_ls_in_full(lab: Path) -> None:
    _, out, _ = invoke("ls", SESSION, "trials.choice", "--long")
    header, row = out.splitlines()
    assert header.split() == ["size", "qc", "id", "path"]
    assert row.endswith("alf/_ibl_trials.choice.npy")
    (facts,) = json.loads(invoke("ls", SESSION, "trials.choice", "--json")[1])
    assert facts["exists"] and len(facts["hash"]) == 32
    file = lab / "zadorlab/Subjects/CSH_ZAD_003/2019-08-11/001" / facts["path"]
    assert facts["size"] == file.stat().st_size


def test_ls_of_what_is_not_there_is_exit_code_1(lab: Path) -> None:
    code, out, err = invoke("ls", SESSION, "spikes")
    assert (code, out) == (1, "") and "nothing of" in err


def test_info_says_what_a_session_is(lab: Path, recording: str) -> None:
    code, out, _ = invoke("info", recording)
    assert code == 0
    assert f"eid           {recording}" in out
    assert "probe00" in out and "channels per region: " in out
    facts = json.loads(invoke("info", recording, "--json")[1])
    assert {probe["name"] for probe in facts["insertions"]} == {"probe00", "probe01"}
    probe = facts["insertions"][0]
    assert probe["regions"] and all(count > 0 for count in probe["regions"].values())
    assert "trials" in facts["collections"]["alf"]


def test_an_unknown_session_is_one_line_with_a_hint(lab: Path) -> None:
    code, out, err = invoke("info", "2019-08-11_7_nobody")
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "fascicle find" in err


def test_load_sums_up(lab: Path) -> None:
    code, out, _ = invoke("load", SESSION, "trials")
    header, *rows = out.splitlines()
    assert code == 0
    assert header.split() == ["attribute", "type", "shape", "min", "max"]
    assert {row.split()[0] for row in rows} >= {"choice", "intervals", "goCue_times"}
    summary = {
        row["attribute"]: row for row in json.loads(invoke("load", SESSION, "trials", "--json")[1])
    }
    assert summary["intervals"]["shape"].endswith("x 2")
    assert (summary["choice"]["min"], summary["choice"]["max"]) == (-1, 1)


def test_load_writes_a_table(lab: Path, tmp_path: Path) -> None:
    expected = package.open(lab).open(SESSION).load("trials").to_df()
    code, out, _ = invoke("load", SESSION, "trials", "--to", tmp_path / "trials.csv")
    assert code == 0 and out.startswith(str(tmp_path / "trials.csv"))
    assert list(pd.read_csv(tmp_path / "trials.csv").columns) == list(expected.columns)
    assert invoke("load", SESSION, "trials", "--to", tmp_path / "trials.pqt")[0] == 0
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "trials.pqt"), expected)
    assert b"one_metadata" in pq.read_schema(tmp_path / "trials.pqt").metadata


def test_load_writes_arrays(lab: Path, recording: str, tmp_path: Path) -> None:
    file = tmp_path / "spikes.npz"
    where = ["--collection", "alf/probe00/pykilosort"]
    assert invoke("load", recording, "spikes", *where, "--attribute", "times", "--to", file)[0] == 0
    with np.load(file) as arrays:
        assert list(arrays) == ["times"] and arrays["times"].ndim == 1
    file = tmp_path / "clusters.npz"
    code, out, err = invoke("load", recording, "clusters", *where, "--to", file)
    assert code == 0 and out.startswith(f"{file}: ") and "not written" not in err
    with np.load(file) as arrays:  # text and tables too, and no pickle among them
        assert arrays["uuids"].dtype.kind == "U"
        assert arrays["metrics.cluster_id"].ndim == 1


def test_load_of_an_ambiguous_object_says_which_there_are(lab: Path, recording: str) -> None:
    code, _, err = invoke("load", recording, "spikes")
    assert code == 3 and err.count("\n") == 1
    assert "--collection 'alf/probe" in err


def test_load_to_an_unknown_format_is_a_mistake_in_the_command(lab: Path) -> None:
    code, _, err = invoke("load", SESSION, "trials", "--to", "trials.xlsx")
    assert code == 2 and ".npz, .csv, .pqt" in err


def test_load_refuses_to_write_nothing(tmp_path: Path) -> None:
    place = tmp_path / "lab/Subjects/s1/2020-01-01/001"
    place.mkdir(parents=True)
    (place / "words.a.json").write_text('{"a": 1}')
    package.index(tmp_path)
    for name in ("words.npz", "words.pqt", "words.csv"):
        where = ["--in", tmp_path, "2020-01-01_1_s1", "words", "--to", tmp_path / name]
        code, out, err = invoke("load", *where)
        assert (code, out) == (3, "") and "nothing to write: a is no array" in err
        assert not (tmp_path / name).exists()
    code, _, err = invoke("load", *where[:-1], tmp_path / "nowhere" / "words.csv")
    assert code == 2 and "there is no folder" in err
