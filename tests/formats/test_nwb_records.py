"""Files with records of what they were made of: each dataset comes back as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fascicle.errors import ALFObjectNotFound
from fascicle.formats.nwb.alf import AlfView
from fascicle.formats.nwb.records import TABLE, Value
from fascicle.load import load_file

from .test_nwb_alf import Writer


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    return Writer(tmp_path / "a.nwb")


def recorded(writer: Writer, values: dict[str, Value]) -> AlfView:
    writer.table(
        TABLE,
        {
            "dataset": list(values),
            "value": [value.to_json() for value in values.values()],
            "checksum": [""] * len(values),
        },
    )
    return writer.view()


def same(found: Any, wanted: Any) -> None:
    """Check that values are the same, to the last bit and of the same type."""
    if isinstance(wanted, pd.DataFrame):
        pd.testing.assert_frame_equal(found, wanted, check_exact=True)
    elif isinstance(wanted, pd.Series):
        pd.testing.assert_series_equal(found, wanted, check_exact=True)
    elif isinstance(wanted, np.ndarray):
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_array_equal(found, wanted)
    else:
        assert found == wanted
        assert type(found) is type(wanted)


def test_a_value_is_read_as_it_was_written() -> None:
    one = Value(
        "frame",
        "processing/x",
        columns={
            "a": Value("sample", "x", ("data",), factor=2.0, offset=-1.0, dtype="<f4", shape=()),
            "b": Value("row", "y", ("z", "w"), words={"x": float("inf"), "": None}),
        },
        options={"index": [["a", None]], "n": np.int64(3), "rows": np.arange(2)},
    )
    assert Value.from_json(one.to_json()).to_json() == one.to_json()
    assert Value.from_json(one.to_json()).columns == one.columns
    plain = Value("array", "x")
    assert json.loads(plain.to_json()) == {"of": "array", "at": "x"}


SPIKES = {
    # times, clusters of two probes; ids are no rows, and equal times stand in any order
    "probe00": (
        np.array([0.1, 0.2, 0.2, 0.2, 0.5, 0.5, 0.9]),
        np.array([7, 4, 7, 4, 7, 4, 7], np.uint16),
    ),
    "probe01a": (np.array([0.3, 0.1, 0.2]), np.array([0, 1, 0], np.int32)),
}


def with_spikes(writer: Writer) -> dict[str, Value]:
    """Write the spikes of two probes by unit, and what of their order that loses."""
    units: list[np.ndarray[Any, Any]] = []
    ids: list[int] = []
    labels: list[str] = []
    amps: list[np.ndarray[Any, Any]] = []
    values: dict[str, Value] = {}
    for label, (times, clusters) in SPIKES.items():
        own, known = [], [*sorted(set(clusters.tolist())), 99]
        for unit in known:
            mine = np.flatnonzero(clusters == unit)
            own.append(mine[np.argsort(times[mine], kind="stable")])
        flat = np.concatenate(own)
        canonical = flat[np.argsort(times[flat], kind="stable")]
        rank = np.empty(len(times), int)
        rank[canonical] = np.arange(len(times))
        moved = np.flatnonzero(rank != np.arange(len(times)))
        if len(moved):
            writer.table(
                f"processing/ecephys/spike_order_{label}",
                {"position": moved, "rank": rank[moved]},
            )
        units += [times[mine] for mine in own]
        amps += [mine * 1e6 for mine in own]
        ids += known
        labels += [label] * len(known)
        folder = f"alf/{label}/pykilosort/#2024-05-06#"
        spike = ("spike", "units")
        values[f"{folder}/spikes.times.npy"] = Value(
            *spike, ("spike_times",), probe=label, dtype="<f8"
        )
        values[f"{folder}/spikes.clusters.npy"] = Value(
            *spike,
            ("spike_times",),
            rule="unit_of_spike",
            probe=label,
            dtype=clusters.dtype.str,
            options={"ids": "cluster_id"},
        )
        values[f"{folder}/spikes.amps.npy"] = Value(
            *spike, ("amps",), probe=label, factor=1e-6, dtype="<f8"
        )
        values[f"alf/{label}/pykilosort/clusters.ids.npy"] = Value(
            "unit", "units", ("cluster_id",), probe=label, dtype="<i2", options={"rows": [0, 2]}
        )
    writer.table(
        "units",
        {"cluster_id": ids, "probe_name": labels},
        {"spike_times": units, "amps": amps},
    )
    return values


def test_spikes_come_back_in_their_own_order(writer: Writer) -> None:
    view = recorded(writer, with_spikes(writer))
    assert [probe.label for probe in view.probes] == list(SPIKES)
    for label, (times, clusters) in SPIKES.items():
        folder = f"alf/{label}/pykilosort"
        path = f"{folder}/#2024-05-06#/spikes.times.npy"
        same(view.read(path), times)
        same(view.read(f"{folder}/#2024-05-06#/spikes.clusters.npy"), clusters)
        np.testing.assert_allclose(
            view.read(f"{folder}/#2024-05-06#/spikes.amps.npy"), np.arange(len(times)), rtol=1e-12
        )
        same(
            view.read(f"{folder}/clusters.ids.npy"),
            np.array(sorted(set(clusters.tolist())), "<i2"),
        )
        trains = view.trains_of(path)
        assert sorted(trains) == sorted(set(clusters.tolist()))
        for unit, train in trains.items():
            same(train, np.sort(times[clusters == unit]))
            same(view.unit_of(path, unit), train)
        assert not len(view.unit_of(path, 99))
        with pytest.raises(ALFObjectNotFound):
            view.unit_of(path, 5)


def test_a_second_sorting_of_a_probe_is_split_when_it_is_asked_for(writer: Writer) -> None:
    times, clusters = SPIKES["probe00"]
    writer.h5["scratch/t"] = times
    writer.h5["scratch/c"] = clusters
    view = recorded(
        writer,
        {
            "alf/probe00/ks4/spikes.times.npy": Value("array", "scratch/t", dtype="<f8"),
            "alf/probe00/ks4/spikes.clusters.npy": Value("array", "scratch/c", dtype="<u2"),
            "alf/probe00/spikes.times.npy": Value("array", "scratch/t", dtype="<f8"),
        },
    )
    path = "alf/probe00/ks4/spikes.times.npy"
    assert {k: v.tolist() for k, v in view.trains_of(path).items()} == {
        4: [0.2, 0.2, 0.5],
        7: [0.1, 0.2, 0.5, 0.9],
    }
    assert view.unit_of(path, 4).tolist() == [0.2, 0.2, 0.5]
    for ask in (
        lambda: view.unit_of(path, 5),
        lambda: view.trains_of("alf/probe00/spikes.times.npy"),
    ):
        with pytest.raises(ALFObjectNotFound):
            ask()


def test_arrays_of_each_form(writer: Writer) -> None:
    n = 6
    data = np.arange(n * 4, dtype=np.float64).reshape(n, 4)
    writer.series("processing/behavior/Pose", data, timestamps=np.arange(n) / 60)
    writer.h5["processing/behavior/Pose/confidence"] = np.linspace(0, 1, n)
    writer.table(
        "intervals/trials",
        {
            "start_time": np.arange(n) * 1.0,
            "stop_time": np.arange(n) + 0.5,
            "choice": ["left", "right", "none", "left", "odd", ""],
            "rewarded": np.array([True, False] * 3),
        },
    )
    writer.table("events/Licks", {"timestamp": np.arange(3) / 7})
    writer.h5["scratch/cube"] = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    writer.h5["scratch/scalar"] = 3.5
    pose, trials = ("sample", "processing/behavior/Pose"), ("row", "intervals/trials")
    cube = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    words = {"left": 1, "right": -1, "none": 0}
    cases = {
        "a.data.npy": (Value(*pose, ("data",), dtype="<f4"), data.astype("<f4")),
        "a.part.npy": (
            Value(*pose, ("data",), options={"column": 1, "rows": [1, 4]}, dtype="<f8"),
            data[1:4, 1],
        ),
        "a.parts.npy": (
            Value(*pose, ("data",), options={"column": [3, 0]}, dtype="<f8"),
            data[:, [3, 0]],
        ),
        "a.times.npy": (Value(*pose, ("timestamps",), dtype="<f8"), np.arange(n) / 60),
        "a.likelihood.npy": (
            Value(*pose, ("confidence",), factor=2.0, offset=1.0, dtype="<f8"),
            np.linspace(0, 1, n) * 2 + 1,
        ),
        "b.intervals.npy": (
            Value(*trials, ("start_time", "stop_time"), dtype=">f8"),
            np.stack([np.arange(n) * 1.0, np.arange(n) + 0.5], axis=1).astype(">f8"),
        ),
        "b.first.npy": (
            Value(*trials, ("choice",), words=words, options={"rows": [0, 4]}, dtype="|i1"),
            np.array([1, -1, 0, 1], "i1"),
        ),
        "b.feedback.npy": (
            Value(*trials, ("rewarded",), "feedback", dtype="<i8", options={"as": "rewarded"}),
            np.array([1, -1] * 3),
        ),
        "b.flags.npy": (
            Value(*trials, ("rewarded",), words={"True": 0.25, "False": float("nan")}, dtype="<f8"),
            np.array([0.25, np.nan] * 3),
        ),
        "b.rewarded.npy": (Value(*trials, ("rewarded",), dtype="|b1"), np.array([True, False] * 3)),
        "b.text.npy": (
            Value(*trials, ("choice",), dtype="<U5"),
            np.array(["left", "right", "none", "left", "odd", ""], "<U5"),
        ),
        "c.times.npy": (
            Value("event", "events/Licks", ("timestamp",), dtype="<f8"),
            np.arange(3) / 7,
        ),
        "d.cube.npy": (
            Value("array", "scratch/cube", dtype="<i2", options={"axes": [2, 0, 1]}),
            cube.transpose(2, 0, 1),
        ),
        "d.flat.npy": (
            Value("array", "scratch", ("cube",), "flat", dtype="<i4"),
            cube.ravel().astype("<i4"),
        ),
        "d.two.npy": (
            Value(
                "array", "scratch", ("cube", "cube"), "stacked", options={"axis": 0}, dtype="<i2"
            ),
            np.stack([cube, cube]),
        ),
        "d.long.npy": (
            Value("array", "scratch", ("cube", "cube"), "joined", dtype="<i2"),
            np.concatenate([cube, cube]),
        ),
        "d.shape.npy": (
            Value("array", "scratch/cube", shape=(6, 4), dtype="<i2"),
            cube.reshape(6, 4),
        ),
        "d.scalar.npy": (Value("array", "scratch/scalar", shape=(), dtype="<f8"), np.array(3.5)),
        "e.position.npy": (
            Value(
                "literal", "processing", options={"value": [[1, 2], [3, float("nan")]]}, dtype="<f4"
            ),
            np.array([[1, 2], [3, np.nan]], "<f4"),
        ),
        "e.said.json": (
            Value("literal", "", options={"value": {"a": [1, None]}}),
            {"a": [1, None]},
        ),
        "f.side.npy": (
            Value(
                "array",
                "",
                ("scratch/cube2", "processing/behavior/Pose/confidence"),
                "side_by_side",
                dtype="<f8",
                shape=(n, 3),
                options={"columns": [{"at": [2, 0]}, [1, 2]]},
            ),
            np.stack([np.arange(n) * 2.0 + 1, np.linspace(0, 1, n), np.arange(n) * 2.0], axis=1),
        ),
    }
    writer.h5["scratch/cube2"] = np.arange(2 * n, dtype=float).reshape(n, 2)
    view = recorded(writer, {f"alf/{k}": value for k, (value, _) in cases.items()})
    assert list(view.offers) == sorted(f"alf/{k}" for k in cases)
    for name, (_, wanted) in cases.items():
        same(view.read(f"alf/{name}"), wanted)


def test_frames_have_their_columns_types_and_index(writer: Writer, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "name": ["a", None, "c"],
            "x": np.array([1, 2, 3], np.float32),
            "y": np.array([4.0, np.nan, 6.0]),
            "ok": [True, False, True],
            "k": pd.Categorical(["u", "v", "u"], ["v", "u"]),
            "when": pd.to_datetime(["2020-01-01", "2021-01-01", "2022-01-01"]),
        }
    )
    writer.series("s", np.array([[1.0, 4.0], [2.0, np.nan], [3.0, 6.0]]), timestamps=np.arange(3.0))
    writer.table(
        "t",
        {
            "name": ["a", "<missing>", "c"],
            "ok": [True, False, True],
            "k": ["u", "v", "u"],
            "when": frame.when.to_numpy().astype(np.int64),
            "only": ["p", "q", "r"],
        },
    )
    columns = {
        "name": Value(
            "row", "t", ("name",), words={"<missing>": None}, dtype=str(frame.name.dtype)
        ),
        "x": Value("sample", "s", ("data",), options={"column": 0}, dtype="float32"),
        "y": Value("sample", "s", ("data",), options={"column": 1}, dtype="float64"),
        "ok": Value("row", "t", ("ok",), dtype="bool"),
        "k": Value("row", "t", ("k",), dtype="category", options={"categories": ["v", "u"]}),
        "when": Value("row", "t", ("when",), dtype=str(frame.when.dtype)),
    }
    first = {"only": Value("row", "t", ("only",), dtype="str", options={"rows": [0, 1]})}
    only = {"only": Value("row", "t", ("only",), dtype="str")}
    view = recorded(
        writer,
        {
            "alf/a.table.pqt": Value("frame", "t", columns=columns),
            "alf/a.indexed.pqt": Value(
                "frame", "t", columns=columns, options={"index": [["x", "number"]]}
            ),
            "alf/a.numbers.pqt": Value(
                "frame", "t", columns=columns, options={"labels": [0, 1, 2, 3, 4, 5]}
            ),
            "alf/a.one.csv": Value("frame", "t", columns=only),
            "alf/a.first.csv": Value("frame", "t", columns=first),
            "alf/a.one.pqt": Value("frame", "t", columns=only),
            "alf/a.none.pqt": Value("frame", "t", columns={}, options={"n": 2}),
        },
    )
    same(view.read("alf/a.table.pqt"), frame)
    indexed = frame.set_index("x")
    indexed.index.name = "number"
    same(view.read("alf/a.indexed.pqt"), indexed)
    same(view.read("alf/a.numbers.pqt"), frame.set_axis(range(6), axis=1).rename(columns=int))
    same(view.read("alf/a.one.csv"), pd.Series(["p", "q", "r"], name="only", dtype="str"))
    same(view.read("alf/a.one.pqt"), pd.DataFrame({"only": ["p", "q", "r"]}, dtype="str"))
    same(view.read("alf/a.first.csv"), pd.Series(["p"], name="only", dtype="str"))
    assert view.tabled("alf/a.first.csv").shape == (1, 1)
    assert view.read("alf/a.none.pqt").shape == (2, 0)


def test_files_that_are_kept_whole(writer: Writer, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.y.npz", a=np.arange(3), b=np.eye(2))
    said = {
        "alf/x.y.npz": (tmp_path / "x.y.npz").read_bytes(),
        "alf/x.said.json": b'{"a": [1, 2.5, null], "b": "\xc3\xbc"}\r\n',
        "alf/x.table.csv": b"a,b\n1,x\n2,y\n",
        "alf/x.notes.txt": "für später\n".encode(),
    }
    values = {}
    texts: list[str] = []
    for path, data in said.items():
        if path.endswith("npz"):
            writer.h5[path] = np.frombuffer(data, np.uint8)
            values[path] = Value("bytes", path)
        else:
            values[path] = Value("text", "scratch/files", ("text",), options={"row": len(texts)})
            texts.append(data.decode())
    writer.table("scratch/files", {"text": texts})
    writer.h5["scratch/meta"] = "typeThis=imec\n"
    values["raw_ephys_data/a.ap.meta"] = Value("text", "scratch/meta")
    view = recorded(writer, values)
    for path, data in said.items():
        assert view.file_of(path) == data
        file = tmp_path / path.rpartition("/")[2]
        file.write_bytes(data)
        found = view.read(path)
        if path.endswith("txt"):
            assert found == data
        elif path.endswith("npz"):
            np.testing.assert_array_equal(found["b"], np.eye(2))
        else:
            same(found, load_file(file))
    assert view.read("raw_ephys_data/a.ap.meta")["typeThis"] == "imec"


@pytest.mark.parametrize("rule", ["side_by_side", "raw"])
def test_raw_recordings_are_read_in_slices(writer: Writer, rule: str) -> None:
    rng = np.random.default_rng(1)
    whole = rng.integers(-999, 999, (100_000, 5), np.int16)
    writer.h5.create_dataset("acquisition/ap/data", data=whole[:, [3, 0, 1, 2]], chunks=(4096, 2))
    writer.h5["acquisition/sync/data"] = whole[:, 4].view(np.uint16)
    value = Value(
        "array",
        "acquisition",
        ("ap/data", "sync/data"),
        "side_by_side",
        dtype="<i2",
        shape=whole.shape,
        options={"columns": [{"at": [3, 0, 1, 2]}, [4, 5]]},
    )
    if rule == "raw":
        options = {"sync": "acquisition/sync/data", "order": [1, 2, 3, 0, 4]}
        value = replace(
            value, of="sample", at="acquisition/ap", names=("data",), rule="raw", options=options
        )
    path = "raw_ephys_data/probe00/_spikeglx_a.imec0.ap.cbin"
    view = recorded(writer, {path: value})
    raw = view.read(path)
    assert (raw.shape, raw.dtype, raw.ndim, raw.size, raw.nbytes) == (
        whole.shape, whole.dtype, 2, whole.size, whole.nbytes,
    )  # fmt: skip
    assert len(raw) == len(whole)
    assert "5 columns" in repr(raw)
    for key in (
        slice(10, 20), slice(50_000, 10, -7), slice(5, 5), 17, -1, np.int32(4), ...,
        (slice(0, 9), [4, 0]), (3, 4), [1, 99_999, -2], (np.array([70_000, 3]), slice(1, 3)),
        np.arange(len(whole)) % 1000 == 1, [],
    ):  # fmt: skip
        wanted = whole[np.asarray(key, int)] if isinstance(key, list) else whole[key]
        np.testing.assert_array_equal(raw[key], wanted)
    np.testing.assert_array_equal(np.asarray(raw), whole)
    assert np.asarray(raw, dtype=np.float32).dtype == np.float32
    for wrong in (100_000, -100_001, [100_000], np.ones(3, bool), (1, 2, 3)):
        with pytest.raises(IndexError):
            raw[wrong]
    with pytest.raises(ALFObjectNotFound, match=r"session\.read"):
        view.file_of(path)


def test_files_beside(writer: Writer, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/left.mp4").write_bytes(b"film")
    here = Value("external", "acquisition/Left", options={"path": "videos/left.mp4"})
    gone = Value("external", "acquisition/Right", options={"path": "videos/right.mp4"})
    view = recorded(writer, {"raw_video_data/a.raw.mp4": here, "raw_video_data/b.raw.mp4": gone})
    assert Path(view.read("raw_video_data/a.raw.mp4")).read_bytes() == b"film"
    with pytest.raises(ALFObjectNotFound, match="beside"):
        view.read("raw_video_data/b.raw.mp4")
