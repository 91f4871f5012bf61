"""The names of one.alf.io, with ONE's conventions where they differ from ours."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fascicle.alf import ALFPath
from fascicle.errors import ALFInvalid, ALFObjectNotFound, BadFileError, UnsafeFileError
from fascicle.one.alf import io


@pytest.fixture
def session(tmp_path: Path) -> Path:
    folder = tmp_path / "lab" / "Subjects" / "mouse" / "2020-01-01" / "001"
    (folder / "alf" / "#2020-02-02#").mkdir(parents=True)
    for name in (
        "_ibl_wheel.position.npy",
        "_ibl_wheel.timestamps.npy",
        "_ibl_wheelMoves.peak.npy",
        "wheel.position_bpod.raw.npy",
        "#2020-02-02#/_ibl_wheel.position.npy",
    ):
        np.save(folder / "alf" / name, np.arange(3.0))
    return folder


def test_files_that_one_answers_with_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert io.load_file_content("") is None
    assert io.load_file_content(None) is None
    for kind in ("npy", "npz", "csv", "pqt", "json", "yaml", "cbin", "mp4"):
        path = tmp_path / f"a.b.{kind}"
        path.touch()
        assert io.load_file_content(path) is None
    path = tmp_path / "a.b.json"
    path.write_text("{")
    with caplog.at_level(logging.ERROR):
        assert io.load_file_content(path) is None
    assert "a.b.json" in caplog.text


def test_files_that_stay_paths(tmp_path: Path) -> None:
    for kind in ("cbin", "ch", "meta", "mp4"):
        path = tmp_path / f"a.b.{kind}"
        path.write_text("x")
        content = io.load_file_content(str(path))
        assert content == path
        assert isinstance(content, ALFPath)


def test_files_that_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        io.load_file_content(tmp_path / "a.b.npy")
    with pytest.raises(FileNotFoundError):
        io.load_file_content(tmp_path / "a.b.json")
    np.save(tmp_path / "a.b.npy", np.array([{}], object))
    with pytest.raises(UnsafeFileError):
        io.load_file_content(tmp_path / "a.b.npy")
    (tmp_path / "a.b.npz").write_bytes(b"no zip")
    with pytest.raises(BadFileError):
        io.load_file_content(tmp_path / "a.b.npz")
    (tmp_path / "a.b.jsonable").write_text("{")
    with pytest.raises(ValueError, match="line 1"):
        io.load_file_content(tmp_path / "a.b.jsonable")


def test_archives(tmp_path: Path) -> None:
    path = tmp_path / "a.b.npz"
    np.savez(path, x=np.arange(2), y=np.arange(3))
    with io.load_file_content(path) as several:
        assert set(several.files) == {"x", "y"}
        assert several["y"].tolist() == [0, 1, 2]
    np.savez(path, np.arange(2))
    assert io.load_file_content(path).tolist() == [0, 1]


def test_sparse_needs_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.b.sparse_npz"
    path.write_bytes(b"x")
    monkeypatch.setitem(sys.modules, "sparse", None)
    with pytest.warns(UserWarning, match="pip install sparse"):
        assert io.load_file_content(path) == path


def test_objects(session: Path, caplog: pytest.LogCaptureFixture) -> None:
    wheel = io.load_object(session / "alf", "wheel")
    assert set(wheel) == {"position", "timestamps", "position_bpod.raw"}
    assert type(wheel) is io.AlfBunch
    assert set(io.load_object(session / "alf", "wheel*")) == {*wheel, "peak"}
    assert set(io.load_object(session / "alf" / "_ibl_wheel.position.npy")) == set(wheel)
    files = [
        session / "alf" / "_ibl_wheel.timestamps.npy",
        session / "alf" / "#2020-02-02#" / "_ibl_wheel.position.npy",
    ]
    assert set(io.load_object(files, wildcards=False)) == {"position", "timestamps"}
    with pytest.raises(ValueError, match="say which object"):
        io.load_object(session / "alf")
    with pytest.raises(ALFObjectNotFound):
        io.load_object(session / "alf", "spikes")
    with pytest.raises(TypeError, match="no part of a file name"):
        io.load_object(session / "alf", "wheel", colour="red")
    np.save(session / "alf" / "wheel.position.npy", np.arange(2))
    with pytest.raises(AssertionError, match="2 files are the attribute 'position'"):
        io.load_object(session / "alf", "wheel")
    with pytest.raises(AssertionError, match="several objects"):
        io.load_object([*files, session / "alf" / "_ibl_wheelMoves.peak.npy"])
    np.save(session / "alf" / "_ibl_wheelMoves.other.npy", np.arange(2))
    with caplog.at_level(logging.WARNING):
        io.load_object(session / "alf", "wheelMoves")
    assert "inconsistent dimensions of wheelMoves" in caplog.text


def test_malformed_metadata_are_ignored(session: Path) -> None:
    (session / "alf" / "_ibl_wheel.position.metadata.json").write_text("{")
    assert "position" in io.load_object(session / "alf", "wheel", namespace="ibl")


def test_bunches(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bunch = io.AlfBunch(a=np.arange(3), wide=np.zeros((3, 12)))
    assert bunch.to_df().shape == (3, 11)
    assert io.dataframe(dict(bunch)).shape == (3, 11)
    assert bunch.to_df(max_columns=None).shape == (3, 13)
    assert type(bunch | {}) is type(bunch.copy()) is type(bunch.append(bunch)) is io.AlfBunch
    bunch.waves = np.zeros((3, 2, 2))
    with caplog.at_level(logging.WARNING):
        assert bunch.to_df().shape == (3, 11)
    assert "waves" in caplog.text
    with pytest.raises(NotImplementedError, match="same attributes"):
        bunch.append({"a": 1})
    with pytest.raises(ValueError, match="consistent"):
        io.AlfBunch(a=np.zeros(3), b=np.zeros(2)).to_df()
    bunch.save(tmp_path / "all.npz")
    bunch.save(tmp_path / "packed.npz", compress=True)
    for name in ("all.npz", "packed.npz"):
        assert io.AlfBunch.load(tmp_path / name).a.tolist() == [0, 1, 2]
    assert set(io.AlfBunch.from_df(pd.DataFrame({"x_0": [1], "x_1": [2]}))) == {"x"}


def test_listing(session: Path) -> None:
    alf = session / "alf"
    files, parts = io.filter_by(alf, object="wheel", namespace=None)
    assert files == [ALFPath("wheel.position_bpod.raw.npy")]
    assert parts == [(None, "wheel", "position", "bpod", "raw", "npy")]
    assert len(io.filter_by(alf)[0]) == 4
    with pytest.raises(TypeError):
        io.filter_by(alf, colour="red")
    assert io.exists(alf, "wheel")
    assert io.exists(alf, "wheel", "position")
    assert io.exists(alf, "wheel", ["position", "timestamps"])
    assert not io.exists(alf, "wheel", ["position", "velocity"])
    assert not io.exists(alf, "spikes")
    assert not io.exists(alf / "no", "wheel")
    root = session.parents[4]
    assert list(io.iter_sessions(root)) == [session]
    assert list(io.iter_sessions(root, pattern="*/Subjects/*/*/*")) == [session]
    assert next(iter(io.iter_sessions(session))) == session
    assert next(io.iter_datasets(session)) == ALFPath("alf/#2020-02-02#/_ibl_wheel.position.npy")


def test_time_series(session: Path) -> None:
    np.save(session / "alf" / "_ibl_wheel.timestamps.npy", np.array([[0, 1.0], [2, 5.0]]))
    times, values = io.read_ts(session / "alf" / "_ibl_wheel.position.npy")
    assert times.tolist() == [1, 3, 5]
    assert values.tolist() == [0, 1, 2]
    with pytest.raises(FileNotFoundError, match="no times for"):
        io.read_ts(session / "alf" / "_ibl_wheelMoves.peak.npy")
    assert io.ts2vec(np.zeros((4, 1)), 9).shape == (4,)
    with pytest.raises(ValueError, match="timestamps of shape"):
        io.ts2vec(np.zeros((2, 3)), 9)


def test_variants(session: Path) -> None:
    alf = session / "alf"
    file = alf / "_ibl_wheel.position.npy"
    revised = alf / "#2020-02-02#" / "_ibl_wheel.position.npy"
    other = alf / "wheel.position_bpod.raw.npy"
    assert io.find_variants([file]) == {file: [revised]}
    assert io.find_variants([revised]) == {revised: [file]}
    loose = io.find_variants([str(file)], namespace=False, timescale=False, extra=False)
    assert set(loose[ALFPath(file)]) == {revised, other}
    with pytest.raises(ValueError, match="notes"):
        io.find_variants([alf / "notes.txt"])


def test_saving(tmp_path: Path) -> None:
    files = io.save_object_npy(
        tmp_path,
        {"times": np.arange(3), "depths": [1, 2, 3]},
        "spikes",
        parts="raw",
        namespace="ibl",
    )
    assert [f.name for f in files] == ["_ibl_spikes.times.raw.npy", "_ibl_spikes.depths.raw.npy"]
    assert all(isinstance(f, ALFPath) for f in files)
    assert set(io.load_object(tmp_path, "spikes")) == {"times.raw", "depths.raw"}
    with pytest.raises(ValueError, match="inconsistent"):
        io.save_object_npy(tmp_path, {"a": np.zeros(2), "b": np.zeros(3)}, "spikes")
    with pytest.raises(ALFInvalid, match="no plain array"):
        io.save_object_npy(tmp_path, {"a": np.array([{}])}, "spikes")
    meta = io.save_metadata(files[0], {"columns": ["t"]})
    assert meta.name == "_ibl_spikes.times.raw.metadata.json"
    assert json.loads(meta.read_text()) == {"columns": ["t"]}
    assert io._find_metadata(files[0]) == meta
    assert io._find_metadata(files[1]) is None
    assert set(io.load_object(tmp_path, "spikes")) == {"t", "depths.raw"}
    with pytest.raises(ALFInvalid):
        io.save_metadata(tmp_path / "notes.txt", {})
    with pytest.raises(TypeError):
        io.save_metadata(files[1], {"a": object()})
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [*(f.name for f in files), meta.name]
    )


def test_folders(tmp_path: Path) -> None:
    day = tmp_path / "2020-01-01"
    assert io.next_num_folder(day) == "001"
    for name in ("001", "007", ".hidden", "x"):
        (day / name).mkdir(parents=True)
    (day / "009").touch()
    assert io.next_num_folder(day) == "008"
    (day / "999").mkdir()
    with pytest.raises(ALFInvalid):
        io.next_num_folder(day)
    (day / "001" / "a" / "b").mkdir(parents=True)
    io.remove_empty_folders(tmp_path)
    assert [p.name for p in tmp_path.rglob("*")] == ["2020-01-01", "009"]


def test_the_hint_is_the_nearest_object(tmp_path: Path) -> None:
    np.save(tmp_path / "spikes.times.npy", np.arange(3))
    for ask, hint in (
        ({"object": "spike"}, "did you mean 'spikes'?"),
        ({"object": "wheel"}, "there is: spikes"),
        ({"object": "spikes", "attribute": "amps"}, "no file of it has attribute='amps'"),
    ):
        with pytest.raises(ALFObjectNotFound) as caught:
            io.load_object(tmp_path, **ask)
        assert hint in caught.value.hint
    with pytest.raises(ALFObjectNotFound) as caught:
        io.load_object(tmp_path / "nothing", "spikes")
    assert caught.value.hint == "there is no such folder"
