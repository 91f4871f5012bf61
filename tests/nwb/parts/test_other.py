"""Whatever no other part takes comes back as it was, or is left out with the reason."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.nwb.parts.sessions import (
    assert_clean,
    assert_comes_back,
    converted,
    make_session,
    offered,
    open_session,
    places,
    warned,
)

from fascicle.nwb.parts.placing import RESERVED, column_name, safe_name
from fascicle.nwb.writing.entries import Entry, Item

MISC = "processing/misc"
N = 400
RNG = np.random.default_rng(0)
T = np.sort(RNG.uniform(0, 100, N))


def round_trip(tmp_path: Path, files: dict[str, Any], **options: Any) -> tuple[Any, Path]:
    """Convert a session of some files, and check the file and what it gives back."""
    session = make_session(tmp_path / "lab", files)
    target = tmp_path / "a.nwb"
    report = converted(session, target, **options)
    assert_clean(report)
    assert_comes_back(session, report, target)
    return report, target


# -- real sessions ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    for name in ("alf_original/ibl_photometry", "alf_derived/a2929_head_direction"):
        shutil.copytree(shared / "data" / name, folder, dirs_exist_ok=True)
    rig = shared / "data" / "alf_original" / "iblrig_rig_test"
    shutil.copytree(rig, folder / "rig" / "Subjects", dirs_exist_ok=True)
    return folder


def test_photometry_is_a_table_that_comes_back(real: Path, tmp_path: Path) -> None:
    session = open_session(real, "cortexlab/Subjects/CQ002/2024-11-05/001")
    target = tmp_path / "a.nwb"
    report = converted(session, target, check=("validate",))  # others look at each text
    assert_comes_back(session, report, target)
    where = places(report)
    assert where["alf/photometry/photometry.signal.pqt"] == f"{MISC}/photometry.signal"
    with h5py.File(target) as file:
        table = file[f"{MISC}/photometry.signal"]
        assert list(table.attrs["colnames"])[:2] == ["G0", "G4"]
        assert table["G0"].compression == "gzip"
        meanings = table.get("meanings_tables", table)
        found = [v.decode() for v in meanings["color_meanings/meaning"][:]]
        assert {"Blue", "Violet"} <= set(found)


def test_head_direction(real: Path, tmp_path: Path) -> None:
    session = open_session(real, "peyrachelab/Subjects/A2929/2020-07-11/001")
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    where = places(report)
    assert where["alf/headDirection.angle.npy"] == f"{MISC}/headDirection.angle"
    assert where["alf/position.xyz.npy"] == f"{MISC}/position.xyz"
    assert where["alf/ripples.intervals.npy"] == f"{MISC}/ripples"
    assert where["alf/epochs.labels.tsv"] == where["alf/epochs.intervals.npy"] == f"{MISC}/epochs"
    from pynwb import NWBHDF5IO

    with NWBHDF5IO(target, "r") as io:
        table = io.read().processing["misc"]["epochs"].to_dataframe()
        assert list(table["labels"]) == ["sleep", "wake"]
        assert list(table["stop_time"]) == [600.0, 1200.0]


def test_a_rig_s_raw_files(real: Path, tmp_path: Path) -> None:
    session = open_session(real, "rig/Subjects/test_mouse/2018-10-02/1")
    target = tmp_path / "a.nwb"
    report = converted(session, target)
    assert_clean(report)
    assert_comes_back(session, report, target)
    assert report.left_out == {}
    with h5py.File(target) as file:
        text = file["scratch/taskSettings.raw"][()].decode()
        settings = "raw_behavior_data/_ibl_taskSettings.raw.json"
        assert text.encode() == session.file(settings).read_bytes()


# -- what arrays become ----------------------------------------------------------------------------


def test_series_share_their_times(tmp_path: Path) -> None:
    report, target = round_trip(
        tmp_path,
        {
            "alf/eye.times.npy": T,
            "alf/eye.area.npy": RNG.random(N),
            "alf/eye.xy.npy": RNG.random((N, 2)).astype("f4"),
            "alf/eye.blink.npy": RNG.random(N) > 0.5,
            "alf/eye.counts.npy": np.arange(N, dtype="u2"),
        },
    )
    assert places(report)["alf/eye.area.npy"] == f"{MISC}/eye.area"
    with h5py.File(target) as file:
        links = [
            isinstance(file[MISC][name].get("timestamps", getlink=True), h5py.SoftLink)
            for name in ("eye.area", "eye.xy", "eye.blink", "eye.counts")
        ]
        assert sorted(links) == [False, True, True, True]


def test_times_of_another_clock_belong_together(tmp_path: Path) -> None:
    _report, target = round_trip(
        tmp_path,
        {
            "alf/sound.times_mic.npy": T,
            "alf/sound.times_bpod.npy": T + 1,
            "alf/sound.level_bpod.npy": RNG.random(N),
            "alf/sound.level_mic.npy": RNG.random(N),
        },
    )
    with h5py.File(target) as file:
        np.testing.assert_array_equal(file[f"{MISC}/sound.level_bpod/timestamps"][:], T + 1)
        np.testing.assert_array_equal(file[f"{MISC}/sound.level_mic/timestamps"][:], T)


def test_times_alone_are_events(tmp_path: Path) -> None:
    report, _target = round_trip(tmp_path, {"alf/valve.times.npy": T})
    assert places(report) == {"alf/valve.times.npy": "events/valve.times"}


@pytest.mark.parametrize(
    "times", [T[::-1].copy(), np.where(T > 50, np.nan, T), T[:, None][:, [0, 0]], T[:0]]
)
def test_times_that_are_none_stand_apart(tmp_path: Path, times: Any) -> None:
    report, _ = round_trip(
        tmp_path, {"alf/valve.times.npy": times, "alf/valve.volume.npy": RNG.random(N)}
    )
    assert places(report) == {
        "alf/valve.times.npy": "scratch/valve.times",
        "alf/valve.volume.npy": "scratch/valve.volume",
    }
    assert set(warned(report)) == {"alf/valve.times.npy", "alf/valve.volume.npy"}


def test_other_lengths_stand_apart(tmp_path: Path) -> None:
    report, _ = round_trip(
        tmp_path,
        {
            "alf/eye.times.npy": T,
            "alf/eye.area.npy": RNG.random(N),
            "alf/eye.longer.npy": RNG.random(N + 1),
            "alf/eye.shorter.npy": RNG.random(N - 1),
        },
    )
    where = places(report)
    assert where["alf/eye.area.npy"] == f"{MISC}/eye.area"
    assert where["alf/eye.longer.npy"] == "scratch/eye.longer"
    assert where["alf/eye.shorter.npy"] == "scratch/eye.shorter"
    assert warned(report)["alf/eye.longer.npy"] == [
        "without times: it has 401 samples, and 400 times"
    ]


def test_intervals_take_their_columns_along(tmp_path: Path) -> None:
    spans = np.column_stack([T, T + 0.01])
    report, _target = round_trip(
        tmp_path,
        {
            "alf/ripple.intervals.npy": spans.astype("f4"),
            "alf/ripple.peak_times.npy": T,
            "alf/ripple.power.npy": RNG.random((N, 3)),
            "alf/ripple.kind.npy": np.array(["slow", "fast"] * (N // 2)),
            "alf/ripple.label.tsv": pd.DataFrame({"label": ["a", "b"] * (N // 2)}),
            "alf/ripple.short.npy": RNG.random(3),
            "alf/ripple.table.csv": pd.DataFrame({"a": [1, 2], "b": [3, 4]}),
        },
    )
    where = places(report)
    assert {path for path, at in where.items() if at == f"{MISC}/ripple"} == {
        f"alf/ripple.{name}"
        for name in ("intervals.npy", "peak_times.npy", "power.npy", "kind.npy", "label.tsv")
    }
    assert where["alf/ripple.short.npy"] == "scratch/ripple.short"
    assert where["alf/ripple.table.csv"] == f"{MISC}/ripple.table"


@pytest.mark.parametrize(
    ("spans", "why"),
    [
        (np.column_stack([T, T]), "some end before they begin"),
        (np.column_stack([T[::-1], T[::-1] + 1]), "one after the other"),
        (np.column_stack([T, np.full(N, np.nan)]), "not finite"),
        (np.zeros((5, 3)), "the shape (5, 3)"),
        (np.array([[1.0, 2], [1, 3]]), "at the same time"),
    ],
)
def test_intervals_that_are_none(tmp_path: Path, spans: Any, why: str) -> None:
    report, _ = round_trip(
        tmp_path, {"alf/rest.intervals.npy": spans, "alf/rest.kind.npy": np.arange(len(spans))}
    )
    assert places(report)["alf/rest.intervals.npy"] == "scratch/rest.intervals"
    assert why in warned(report)["alf/rest.intervals.npy"][0]


ODD = {
    "empty": np.empty((0, 3)),
    "scalar": np.array(3.5),
    "one": np.array([7], "i1"),
    "wide": np.zeros((3, 90)),
    "text": np.array([["a", "ü"], ["", "longer"]]),
    "bytes": np.array([b"ab", b"c"]),
    "null": np.array(["a\0b", "c"]),
    "half": np.array([1.5, np.nan], "f2"),
    "complex": np.array([1 + 2j]),
    "dates": np.array(["2024-01-01", "NaT"], "M8[ns]"),
    "days": np.array(["2024-01-01"], "M8[D]"),
    "spans": np.array([1, 2], "m8[s]"),
    "structured": np.array([(1, 2.5)], [("a", "i4"), ("b", "f8")]),
    "big": np.arange(3, dtype=">f8"),
    "long": np.arange(3, dtype=np.longdouble),
    "flags": np.array([True, False]),
    "cube": RNG.random((9, 4, 3)),
    "column": np.arange(4)[:, None],
    "unsigned": np.array([2**64 - 1], "u8"),
    "fortran": np.asfortranarray(RNG.random((50, 4))),
}


def test_odd_arrays(tmp_path: Path) -> None:
    report, _ = round_trip(tmp_path, {f"alf/odd.{name}.npy": odd for name, odd in ODD.items()})
    assert report.left_out == {}


def test_odd_arrays_with_times(tmp_path: Path) -> None:
    files = {f"alf/{name}.values.npy": odd for name, odd in ODD.items()}
    clocks = {
        f"alf/{name}.times.npy": np.cumsum(RNG.random(max(odd.shape[0] if odd.ndim else 1, 1)))
        for name, odd in ODD.items()
    }
    report, _ = round_trip(tmp_path, files | clocks)
    assert report.left_out == {}


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    arrays=st.lists(
        hnp.arrays(
            st.one_of(
                hnp.integer_dtypes(), hnp.floating_dtypes(sizes=(16, 32, 64)), hnp.boolean_dtypes()
            ),
            hnp.array_shapes(max_dims=3, max_side=5, min_side=0),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_any_arrays(tmp_path_factory: pytest.TempPathFactory, arrays: list[Any]) -> None:
    files = {f"alf/any.a{k}.npy": values for k, values in enumerate(arrays)}
    folder = tmp_path_factory.mktemp("any")
    session = make_session(folder / "lab", files)
    report = converted(session, folder / "a.nwb", check=())
    assert_comes_back(session, report, folder / "a.nwb")
    assert report.left_out == {}


def test_large_arrays_are_packed_in_chunks(tmp_path: Path) -> None:
    _, target = round_trip(tmp_path, {"alf/big.values.npy": RNG.random((300_000, 2))})
    with h5py.File(target) as file:
        data = file["scratch/big.values"]
        assert (data.compression, data.shuffle, data.chunks) == ("gzip", True, (62_500, 2))


# -- tables, texts, other files --------------------------------------------------------------------

TABLES: dict[str, pd.DataFrame] = {
    "plain": pd.DataFrame({"a": [1, 2, 3], "b": [1.5, np.nan, 2], "c": [True, False, True]}),
    "named": pd.DataFrame({n: [1, 2] for n in ("id", "name", "description", "columns", "x")}),
    "slashes": pd.DataFrame({"a/b": [1, 2], "a:b": [3, 4], "a_b": [5, 6], "": [7, 8]}),
    "texts": pd.DataFrame({"t": ["a", "ü", ""], "u": ["a", None, "b"], "v": ["", None, "n/a"]}),
    "objects": pd.DataFrame({"t": pd.Series(["a", None], dtype=object)}),
    "index": pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="key")),
    "unnamed": pd.DataFrame({"a": [1, 2]}, index=[5, 7]),
    "levels": pd.DataFrame(
        {"a": [1, 2]}, index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)], names=["k", "n"])
    ),
    "dates": pd.DataFrame({"d": pd.to_datetime(["2024-01-01 10:00:00.123456789", None])}),
    "zones": pd.DataFrame({"d": pd.to_datetime(["2024-01-01", "2024-06-01"], utc=True)}),
    "lists": pd.DataFrame({"l": [[1, 2], [3]]}),
    "categories": pd.DataFrame({"c": pd.Categorical(["a", "b", "a"])}),
    "nullable": pd.DataFrame({"n": pd.array([1, None], dtype="Int64")}),
    "dicts": pd.DataFrame({"d": ['{"a": 1}', "b"]}),
    "small": pd.DataFrame({"a": np.array([1, 2], "i1"), "f": np.array([1, 2], "f2")}),
    "empty": pd.DataFrame({"a": np.empty(0)}),
    "none": pd.DataFrame(index=range(3)),
    "single": pd.DataFrame({"a": [1]}),
    "timed": pd.DataFrame({"times": T, "value": RNG.random(N)}),
    "many": pd.DataFrame({"t": ["left", "right", "left"] * 10_000, "n": np.arange(30_000)}),
    "gaps": pd.DataFrame({"t": ["left", None, ""] * 10_000}),
    "distinct": pd.DataFrame({"t": [f"text {k}" for k in range(30_000)]}),
}


def test_odd_tables(tmp_path: Path) -> None:
    report, _target = round_trip(
        tmp_path, {f"alf/{name}.table.pqt": table for name, table in TABLES.items()}
    )
    assert report.left_out == {}
    apart = {
        path.split("/")[1].split(".")[0] for path, at in places(report).items() if "scratch" in at
    }
    assert apart == {"zones", "lists", "categories", "nullable", "dicts", "empty", "none"}


SEPARATED = {
    "alf/a.table.csv": "x,y,z\n1,2.5,a\n2,,b\n",
    "alf/a.one.tsv": "label\nsleep\nwake\n",
    "alf/a.single.csv": "value\n3\n",
    "alf/a.noheader.ssv": "Event 5184 StateMachine 1 2018-10-02T12:35:49.5307776+01:00 \n"
    "Event 5684 StateMachine 2 2018-10-02T12:35:50.0121216+01:00 \n",
    "alf/a.empty.csv": "x,y\n",
    "alf/a.unnamed.csv": ",start,stop\nfirst,1,2\nsecond,3,4\n",
    "alf/a.mixed.csv": "x\n1\n0xff\n",
    "alf/a.groups.htsv": "cluster_id\tgroup\n0\tgood\n1\tmua\n",
}


def test_separated_tables(tmp_path: Path) -> None:
    report, _ = round_trip(tmp_path, SEPARATED)
    assert report.left_out == {}


def test_texts_and_other_files(tmp_path: Path) -> None:
    files = {
        "raw_behavior_data/_iblrig_taskSettings.raw.json": '{"a": [1, 2],\r\n "b": "ü"}\n',
        "raw_behavior_data/_iblrig_taskData.raw.jsonable": '{"a": 1}\n{"a": 2}\n',
        "_ibl_experiment.description.yaml": "devices:\n  cameras: {left: 1}\n",
        "alf/notes.free.txt": "a note\n",
        "alf/long.story.jsonable": '{"and": "then"}\n' * 100_000,
        "alf/odd.bytes.json": b'{"a": "\\u0000"}',
        "alf/arrays.some.npz": {"a": np.arange(3), "b": np.eye(2)},
    }
    report, target = round_trip(tmp_path, files)
    assert report.left_out == {}
    with h5py.File(target) as file:
        story = file["scratch/long.story"]
        assert story.id.get_storage_size() < story.size / 50


def test_what_is_left_out_has_a_reason(tmp_path: Path) -> None:
    pickled = tmp_path / "lab" / "lab/Subjects/mouse/2024-03-01/001/alf/objects.pickled.npy"
    pickled.parent.mkdir(parents=True)
    np.save(pickled, np.array([{"a": 1}], dtype=object))
    report, _ = round_trip(
        tmp_path,
        {
            "alf/good.values.npy": np.arange(3),
            "alf/cut.values.npy": b"\x93NUMPY\x01\x00",
            "alf/cut.table.pqt": b"PAR1",
            "alf/no.table.csv": b"",
            "alf/no.values.json": b"",
            "alf/some.sound.wav": b"RIFF",
            "alf/some.model.mat": b"MATLAB",
            "alf/some.recording.bin": b"\0" * 8,
        },
    )
    left = report.left_out
    assert len(left) == 8
    assert "pickled" in left["alf/objects.pickled.npy"]
    assert "cannot be read" in left["alf/cut.values.npy"]
    assert "cannot be read" in left["alf/cut.table.pqt"]
    assert "no bytes" in left["alf/no.table.csv"]
    assert "no bytes" in left["alf/no.values.json"]
    assert "not converted" in left["alf/some.sound.wav"]
    assert ".mat" in left["alf/some.model.mat"]
    assert "raw recordings" in left["alf/some.recording.bin"]


# -- names, switches, collections ------------------------------------------------------------------


def test_names_of_several_collections(tmp_path: Path) -> None:
    report, _ = round_trip(
        tmp_path,
        {
            "alf/task_00/eye.times.npy": T,
            "alf/task_00/eye.area.npy": RNG.random(N),
            "alf/task_01/eye.times.npy": T + 1,
            "alf/task_01/eye.area.npy": RNG.random(N),
            "alf/probe00/lfp.band.npy": RNG.random(5),
            "alf/probe01/lfp.band.npy": RNG.random(5),
            "alf/same.name.npy": np.arange(3),
            "alf/same.name.json": {"a": 1},
            "alf/same.name.extra.npy": np.arange(4),
            "alf/_ns_same.name.npy": np.arange(5),
        },
    )
    where = places(report)
    assert where["alf/probe01/lfp.band.npy"] == "scratch/probe01.lfp.band"
    assert len(set(where.values())) == 8  # of the eyes, times and area stand together
    assert report.left_out == {}


def test_switched_off_and_renamed(tmp_path: Path) -> None:
    session = make_session(
        tmp_path / "lab",
        {
            "alf/eye.times.npy": T,
            "alf/eye.area.npy": RNG.random(N),
            "alf/eye.xy.npy": RNG.random((N, 2)),
            "alf/rest.intervals.npy": np.column_stack([T, T + 0.01]),
            "alf/rest.kind.npy": np.arange(N),
            "alf/rest.power.npy": np.arange(N),
            "alf/some.table.pqt": pd.DataFrame({"a": [1, 2], "b": [3, 4]}),
        },
    )
    entries = offered(session)
    by_path = {entry.nwb: entry for entry in entries}
    area, xy = by_path[f"{MISC}/eye.area"], by_path[f"{MISC}/eye.xy"]
    area.nwb, area.items[0].unit, area.items[0].dtype = "acquisition/EyeArea", "mm2", "float32"
    area.description = "How large the eye is"
    xy.on = False
    kind = next(item for item in by_path[f"{MISC}/rest"].items if item.name == "kind")
    kind.name = "sort"
    power = next(item for item in by_path[f"{MISC}/rest"].items if item.name == "power")
    power.on = False
    table = by_path[f"{MISC}/some.table"]
    table.items[0].name, table.items[1].on = "alpha", False
    target = tmp_path / "a.nwb"
    report = converted(session, target, entries, check=("validate", "inspect"))
    assert report.left_out == {
        "alf/eye.xy.npy": "it is switched off in the metadata",
        "alf/rest.power.npy": "it is switched off in the metadata",
    }
    with h5py.File(target) as file:
        series = file["acquisition/EyeArea"]
        assert series["data"].dtype == np.float32
        assert series["data"].attrs["unit"] == "mm2"
        assert series.attrs["description"] == "How large the eye is"
        assert "sort" in file[f"{MISC}/rest"]
        assert list(file[f"{MISC}/some.table"].attrs["colnames"]) == ["alpha"]


def test_series_that_a_user_describes(tmp_path: Path) -> None:
    session = make_session(
        tmp_path / "lab",
        {"alf/eye.times.npy": T, "alf/gaze.xy.npy": RNG.random((N, 2)), "alf/a.b.npy": T[:3]},
    )
    items = [Item("data", "gaze.xy", unit="degrees"), Item("timestamps", "eye.times")]
    frame = {"reference_frame": "straight ahead"}
    gaze = Entry("processing/behavior/Gaze", "SpatialSeries", "other", items=items, settings=frame)
    target = tmp_path / "a.nwb"
    report = converted(session, target, [gaze, *offered(session)])
    assert_clean(report)
    assert_comes_back(session, report, target)
    with h5py.File(target) as file:
        found = file["processing/behavior/Gaze"]
        assert found.attrs["neurodata_type"] == "SpatialSeries"
        assert found["reference_frame"][()] == b"straight ahead"


@pytest.mark.parametrize("at", ["somewhere/eye", "processing/eye", "eye", "units/eye"])
def test_places_that_nwb_does_not_have_are_named(tmp_path: Path, at: str) -> None:
    session = make_session(
        tmp_path / "lab", {"alf/eye.times.npy": T, "alf/eye.area.npy": RNG.random(N)}
    )
    entries = offered(session)
    entries[0].nwb = at
    report = converted(session, tmp_path / "a.nwb", entries)
    assert_clean(report)
    assert any(f"cannot be at '{at}'" in text for text in warned(report)[""])


def test_what_nobody_offers_is_carried_all_the_same(tmp_path: Path) -> None:
    session = make_session(
        tmp_path / "lab", {"alf/eye.area.npy": RNG.random(N), "alf/a.b.json": {"c": 1}}
    )
    rest = offered(session)[-1]
    assert rest.settings == {"rest": True}
    target = tmp_path / "a.nwb"
    report = converted(session, target, [rest])
    assert_clean(report)
    assert_comes_back(session, report, target)


def test_a_session_without_datasets_has_no_entries(tiny_lab: Path) -> None:
    from fascicle.nwb.parts import other

    class Nothing:
        files: tuple[()] = ()

    assert other.offer(Nothing(), {"objects": []}) == []  # type: ignore[arg-type]


def test_names_are_fit_for_nwb() -> None:
    from hdmf.common import DynamicTable
    from pynwb.epoch import TimeIntervals

    own = {n for n in (*dir(DynamicTable), *dir(TimeIntervals)) if not n.startswith("_")}
    assert own <= RESERVED
    assert [safe_name(n) for n in ("a/b\\c:d", "..", " ", "x.y")] == [
        "a_b_c_d",
        "unnamed",
        "unnamed",
        "x.y",
    ]
    assert column_name("_x") == "_x_"
