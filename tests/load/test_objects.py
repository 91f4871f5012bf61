"""Objects of several files: which belong to it, under which keys, and put together how."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fascicle.errors import (
    ALFInvalid,
    ALFMultipleObjectsFound,
    ALFObjectNotFound,
    ALFWarning,
    BadFileError,
    EmptyFileError,
    SearchTermError,
)
from fascicle.load import assemble, load_object

Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def save(name: str, value: object = None) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        if value is None:
            value = np.arange(3)
        if isinstance(value, pd.DataFrame):
            value.to_parquet(path)
        elif isinstance(value, np.ndarray):
            np.save(path, value)
        else:
            path.write_text(json.dumps(value))
        return path

    return save


def test_keys(save: Save, tmp_path: Path) -> None:
    files = [
        save("_ibl_trials.goCue_times.npy"),
        save("_ibl_trials.goCue_times_bpod.npy"),
        save("trials.choice.raw.more.npy"),
        save("_ibl_trials.intervals.npy", np.zeros((3, 2))),
    ]
    save("_ibl_wheel.position.npy")
    save("notes.txt", "")
    (tmp_path / "_ibl_trials.folder.npy").mkdir()
    expected = {"goCue_times", "goCue_times_bpod", "choice.raw.more", "intervals"}
    assert load_object(tmp_path, "trials").keys() == expected
    assert load_object(files).keys() == expected
    assert load_object(files[0]).keys() == expected
    assert load_object(map(str, files)).keys() == expected
    short = load_object(tmp_path, "trials", short_keys=True)
    assert short.keys() == {"goCue_times", "goCue_times_bpod", "choice", "intervals"}
    assert list(load_object(files)) == [
        "goCue_times",
        "goCue_times_bpod",
        "choice.raw.more",
        "intervals",
    ]


def test_filters(save: Save, tmp_path: Path) -> None:
    files = [
        save("_ibl_trials.goCue_times.npy"),
        save("_ibl_trials.goCue_times_bpod.npy"),
        save("trials.choice.raw.npy"),
        save("trials.choice.csv", [1]),
    ]

    def keys(**filters: object) -> list[str]:
        whole = load_object(tmp_path, "trials", **filters)
        some = load_object(files, **filters)
        assert whole.keys() == some.keys()
        return sorted(whole)

    assert keys(extension="npy") == ["choice.raw", "goCue_times", "goCue_times_bpod"]
    assert keys(namespace="ibl") == ["goCue_times", "goCue_times_bpod"]
    assert keys(namespace=None, extra="raw") == ["choice.raw"]
    assert keys(namespace=["ibl", None], extension="n?y", extra=None) == [
        "goCue_times",
        "goCue_times_bpod",
    ]
    assert keys(attribute="go*", timescale=None) == ["goCue_times"]
    assert keys(attribute=["nothing", "choice"], extension="npy") == ["choice.raw"]
    assert keys(attribute="(?!choice)", wildcards=False) == ["goCue_times", "goCue_times_bpod"]
    assert keys(attribute=["cho", "nothing"], extension="npy", wildcards=False) == ["choice.raw"]
    with pytest.raises(SearchTermError, match="'attribut' is no part") as caught:
        keys(attribut="x")
    assert "did you mean 'attribute'" in str(caught.value)
    with pytest.raises(SearchTermError, match="no regular expression"):
        keys(attribute="(", wildcards=False)
    with pytest.raises(ALFObjectNotFound):
        keys(attribute="nothing")


def test_the_object_by_keyword(save: Save, tmp_path: Path) -> None:
    files = [save("wheel.position.npy"), save("wheelMoves.peak.npy")]
    assert list(load_object(tmp_path, object="wheel")) == ["position"]
    assert list(load_object(files, object="wheel")) == ["position"]
    assert list(load_object(files[0], wildcards=False)) == ["position"]


def test_what_is_not_there(save: Save, tmp_path: Path) -> None:
    with pytest.raises(ALFObjectNotFound, match="no object 'spikes'") as caught:
        load_object(tmp_path, "spikes")
    assert "no ALF files" in caught.value.hint
    save("spikes.times.npy")
    with pytest.raises(ALFObjectNotFound, match="no object 'spike'") as caught:
        load_object(tmp_path, "spike")
    assert "did you mean 'spikes'" in caught.value.hint
    with pytest.raises(ALFInvalid, match="say which object") as caught2:
        load_object(tmp_path)
    assert "one of: spikes" in caught2.value.hint
    with pytest.raises(ALFObjectNotFound, match="does not exist"):
        load_object(tmp_path / "no" / "spikes.times.npy")
    with pytest.raises(ALFInvalid, match="neither a folder nor"):
        load_object(tmp_path / "no")
    with pytest.raises(ALFObjectNotFound, match="no files"):
        load_object([])
    with pytest.raises(ALFInvalid, match=r"notes\.txt is no ALF name"):
        load_object([tmp_path / "notes.txt"])


def test_what_is_ambiguous(save: Save, tmp_path: Path) -> None:
    files = [save("_ibl_trials.choice.npy"), save("trials.choice.npy")]
    with pytest.raises(ALFMultipleObjectsFound, match="2 files are the attribute 'choice'"):
        load_object(tmp_path, "trials")
    assert list(load_object(tmp_path, "trials", namespace=None)) == ["choice"]
    with pytest.raises(ALFMultipleObjectsFound, match="objects: trials, wheel"):
        load_object([*files, save("wheel.position.npy")])
    with pytest.raises(ALFMultipleObjectsFound):
        load_object(tmp_path, "*")


def test_revisions_of_several_folders(save: Save) -> None:
    files = [save("spikes.times.npy"), save("#2020-01-01#/spikes.depths.npy")]
    assert load_object(files).keys() == {"times", "depths"}


def test_a_table_is_taken_apart(save: Save, tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"choice": [1, -1], "good": [True, False], "intervals_0": [0.0, 1], "intervals_1": [1.0, 2]}
    )
    save("_ibl_trials.table.pqt", table)
    save("_ibl_trials.goCue_times.npy", np.arange(2))
    trials = load_object(tmp_path, "trials")
    assert set(trials) == {"choice", "good", "intervals", "goCue_times"}
    assert trials.choice.dtype == np.int64
    assert trials.good.dtype == bool
    assert trials.intervals.tolist() == [[0, 1], [1, 2]]
    save("_ibl_trials.choice.npy", np.arange(2))
    with pytest.warns(ALFWarning, match="choice: both a file and a column"):
        assert load_object(tmp_path, "trials").choice.tolist() == [1, -1]


@pytest.mark.parametrize("suffix", ["_clock", ".raw", "_clock.raw"])
def test_a_table_with_more_to_its_name(save: Save, tmp_path: Path, suffix: str) -> None:
    save(f"trials.table{suffix}.pqt", pd.DataFrame({"a": [1], "x_0": [1], "x_1": [2]}))
    assert set(load_object(tmp_path, "trials")) == {f"a{suffix}", f"x{suffix}"}


def test_metadata(save: Save, tmp_path: Path) -> None:
    save("position.xyz.npy", np.arange(6).reshape(2, 3))
    save("position.xyz.metadata.json", {"columns": ["x", "y", "z"], "unit": "mm"})
    save("position.xyzt.npy", np.arange(2))  # a longer name that begins the same
    position = load_object(tmp_path, "position")
    assert set(position) == {"x", "y", "z", "xyzt", "xyzmetadata"}
    assert position.y.tolist() == [1, 4]
    assert position.xyzmetadata == {"unit": "mm"}
    assert set(load_object(tmp_path, "position", short_keys=True)) == set(position)
    alone = assemble([tmp_path / "position.xyz.npy"])  # found beside it
    assert set(alone) == {"x", "y", "z", "xyzmetadata"}
    assert assemble([tmp_path / "position.xyz.metadata.json"]) == {}


def test_metadata_in_another_revision(save: Save) -> None:
    files = [
        save("#a#/position.xyz.npy", np.zeros((2, 2))),
        save("#b#/position.xyz.metadata.json", {"columns": ["x", "y"]}),
    ]
    assert set(load_object(files)) == {"x", "y"}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"columns": ["x", "y", "z", "more"]}, "names 4 columns, position.xyz.npy has 3"),
        ({"columns": "xyz"}, "names columns badly"),
        ([1], "is no JSON object"),
    ],
)
def test_metadata_that_do_not_fit(save: Save, tmp_path: Path, said: object, why: str) -> None:
    save("position.xyz.npy", np.zeros((2, 3)))
    save("position.xyz.metadata.json", said)
    with pytest.raises(BadFileError, match=why):
        load_object(tmp_path, "position")


def test_metadata_of_tables_and_columns(save: Save, tmp_path: Path) -> None:
    save("a.one.npy", np.zeros((2, 1)))
    save("a.one.metadata.json", {"columns": ["only"]})
    (tmp_path / "a.text.csv").write_text("1,2\n3,4\n5,6\n")
    save("a.text.metadata.json", {"columns": ["x", "y"]})
    loaded = load_object(tmp_path, "a")
    assert loaded.only.shape == (2,)
    assert loaded.y.tolist() == [4, 6]


def test_timestamps(save: Save, tmp_path: Path) -> None:
    save("wheel.position.npy", np.zeros(5))
    save("wheel.timestamps.npy", np.array([[0, 10.0], [4, 18.0]]))
    save("wheel.timestamps_bpod.npy", np.arange(5.0)[:, None])
    wheel = load_object(tmp_path, "wheel")
    assert wheel.timestamps.tolist() == [10, 12, 14, 16, 18]
    assert wheel.timestamps_bpod.shape == (5,)
    assert wheel.to_df().shape == (5, 3)
    (tmp_path / "wheel.position.npy").unlink()
    (tmp_path / "wheel.timestamps_bpod.npy").unlink()
    assert load_object(tmp_path, "wheel").timestamps.shape == (2, 2)


def test_inconsistent_lengths(save: Save, tmp_path: Path) -> None:
    save("a.x.npy", np.zeros(3))
    save("a.y.npy", np.zeros(2))
    with pytest.warns(ALFWarning, match=r"inconsistent dimensions of a: x \(3,\), y \(2,\)"):
        assert load_object(tmp_path, "a").x.shape == (3,)


def test_a_bad_file_among_them_is_named(save: Save, tmp_path: Path) -> None:
    save("a.x.npy")
    (tmp_path / "a.y.npy").touch()
    with pytest.raises(EmptyFileError, match=r"a\.y\.npy"):
        load_object(tmp_path, "a")


def test_mapped(save: Save, tmp_path: Path) -> None:
    save("a.x.npy")
    assert isinstance(load_object(tmp_path, "a", mmap=True).x, np.memmap)


def test_names_with_pattern_characters(save: Save, tmp_path: Path) -> None:
    path = save("a.x.npy")
    folder = tmp_path / "odd [folder]*"
    folder.mkdir()
    moved = path.rename(folder / "a.x.npy")
    assert list(load_object(folder, "a")) == ["x"]
    assert list(load_object(moved)) == ["x"]
