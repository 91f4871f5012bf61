"""Sessions that are not as they should be: converted and said so, or refused; never wrong.

Each file that is made is compared with its session by numpy, pandas and h5py, see `hostile.py`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.nwb.hostile import (
    DEMO,
    SORTING,
    Outcome,
    attempt,
    cut_down,
    each,
    is_behaviour,
    is_ephys,
    objects_of,
    some_of_each_object,
)

from fascicle.errors import ConversionError, MetadataError

Change = Callable[[Path], object]


@pytest.fixture(scope="module")
def ephys(tiny_lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lab with one session of one probe."""
    return cut_down(tiny_lab, tmp_path_factory.mktemp("ephys") / "lab", is_ephys)


@pytest.fixture(scope="module")
def behaviour(tiny_lab: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lab with one session of trials, wheel, licks and a camera."""
    return cut_down(tiny_lab, tmp_path_factory.mktemp("behaviour") / "lab", is_behaviour)


def harmed(lab: Path, change: Change, **options: Any) -> Outcome:
    """Convert a copy of a lab's session that is changed before, and the copy removed after."""
    copy = lab.with_name("harmed")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(lab, copy)
    change(copy / DEMO)
    return attempt(copy, **options)


def edit(path: str, change: Callable[[Any], Any]) -> Change:
    """Return what changes the values of a dataset."""

    def do(session: Path) -> None:
        place = session / path
        if place.suffix == ".pqt":
            change(pd.read_parquet(place)).to_parquet(place)
            return
        values = np.load(place)
        changed = change(values)
        np.save(place, values if changed is None else changed)

    return do


def put(place: int | slice, value: Any) -> Callable[[Any], None]:
    """Return what puts a value into an array."""

    def do(values: Any) -> None:
        values[place] = value

    return do


def column(name: str, place: int | slice, value: Any) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Return what puts a value into a column of a table."""

    def do(frame: pd.DataFrame) -> pd.DataFrame:
        values = frame[name].to_numpy(copy=True)
        values[place] = value
        return frame.assign(**{name: values})

    return do


def remove(*paths: str) -> Change:
    """Return what removes datasets."""
    return lambda session: [(session / path).unlink() for path in paths]


# -- what is missing -------------------------------------------------------------------------------


@pytest.mark.parametrize("share", ["some", pytest.param("all", marks=pytest.mark.long)])
@pytest.mark.parametrize("lab", ["ephys", "behaviour"])
def test_each_dataset_missing_in_turn(lab: str, share: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(lab)
    paths = each(folder / DEMO, "")
    paths = [path for path in paths if (folder / DEMO / path).is_file()]
    assert len(paths) > 15
    for path in some_of_each_object(paths) if share == "some" else paths:
        out = harmed(folder, remove(path))
        assert out.error is None, (path, out.error)
        assert path not in {one.dataset for one in out.report.took}


@pytest.mark.parametrize("lab", ["ephys", "behaviour"])
def test_each_object_missing_in_turn(lab: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(lab)
    paths = [p for p in each(folder / DEMO, "") if (folder / DEMO / p).is_file()]
    for begin in objects_of(paths):
        gone = [p for p in paths if p.startswith(begin)]
        if len(gone) == 1:
            continue  # as above
        out = harmed(folder, remove(*gone))
        assert out.error is None, (begin, out.error)


def test_listed_and_not_there(behaviour: Path) -> None:
    """The index of an archive says that there is a dataset, and there is none."""
    copy = behaviour.with_name("listed")
    shutil.copytree(behaviour, copy)
    assert attempt(copy).error is None
    (copy / DEMO / "alf/_ibl_wheel.position.npy").unlink()
    out = attempt(copy, index=False)
    assert "wheel.position" in out.told


def test_nothing_at_all(ephys: Path) -> None:
    out = harmed(ephys, lambda session: shutil.rmtree(session / "alf/probe00"))
    assert out.error is None or isinstance(out.error, ConversionError)


# -- lengths, types, damage ------------------------------------------------------------------------


def _shorter(place: Path) -> None:
    np.save(place, np.load(place)[:-1])


def _longer(place: Path) -> None:
    values = np.load(place)
    np.save(place, np.concatenate([values, values[-1:]]))


def _none(place: Path) -> None:
    np.save(place, np.load(place)[:0])


def _truncated(place: Path) -> None:
    place.write_bytes(place.read_bytes()[:-5])


def _no_bytes(place: Path) -> None:
    place.write_bytes(b"")


def _strings(place: Path) -> None:
    np.save(place, np.load(place).astype(str))


def _objects(place: Path) -> None:
    np.save(place, np.load(place).astype(object), allow_pickle=True)


def _three_axes(place: Path) -> None:
    values = np.load(place)
    np.save(place, np.stack([values, values], axis=-1).reshape(*values.shape[:1], -1, 2))


def _one_value(place: Path) -> None:
    np.save(place, np.load(place).reshape(-1)[0])


def _garbage(place: Path) -> None:
    place.write_bytes(b"this is no array" * 9)


_LENGTHS = (_shorter, _longer)
_DAMAGE = (_none, _truncated, _no_bytes, _strings, _objects, _three_axes, _one_value, _garbage)
#: What cannot be read at all.
_UNREADABLE = (_truncated, _no_bytes, _objects, _garbage)
#: Datasets of an object of their own: no length is wrong.
_ALONE = ("licks.times", "passiveRFM.times", "ROIMotionEnergy.position")


def _harm(folder: Path, path: str, how: Callable[[Path], None]) -> None:
    out = harmed(folder, lambda session: how(session / path))
    name = Path(path).name
    stem = name.removeprefix("_ibl_").split(".")[0]
    if how in _UNREADABLE:
        assert stem in out.told, (path, how.__name__, out.told)
        assert out.error is not None or path in out.report.left_out, (path, how.__name__)
    elif how in _LENGTHS and not any(alone in path for alone in _ALONE):
        assert stem in out.told, (path, how.__name__, out.told)


@pytest.mark.parametrize("lab", ["ephys", "behaviour"])
def test_each_array_a_row_shorter_or_longer(lab: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(lab)
    for i, path in enumerate(some_of_each_object(each(folder / DEMO))):  # all of them below
        _harm(folder, path, _LENGTHS[i % 2])


@pytest.mark.parametrize("lab", ["ephys", "behaviour"])
def test_arrays_harmed_in_some_way(lab: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(lab)
    for i, path in enumerate(each(folder / DEMO)[::3]):  # all of them below
        _harm(folder, path, _DAMAGE[i % len(_DAMAGE)])


@pytest.mark.long
@pytest.mark.parametrize("how", [*_LENGTHS, *_DAMAGE])
@pytest.mark.parametrize("lab", ["ephys", "behaviour"])
def test_each_array_harmed_in_each_way(
    lab: str, how: Callable[[Path], None], request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(lab)
    for path in each(folder / DEMO):
        _harm(folder, path, how)


@pytest.mark.parametrize("lab", ["ephys", "behaviour"])
def test_tables_that_cannot_be_read(lab: str, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(lab)
    session = folder / DEMO
    for i, path in enumerate([*each(session, ".pqt"), *each(session, ".csv")]):
        how = (_truncated, _no_bytes, _garbage)[i % 3]
        if path.endswith(".csv") and how is not _no_bytes:
            continue  # any text is a table of some kind
        out = harmed(folder, lambda session, p=path, how=how: how(session / p))
        assert Path(path).name.removeprefix("_ibl_").split(".")[0] in out.told, path
        assert out.error is not None or path in out.report.left_out


# -- spikes and clusters ---------------------------------------------------------------------------


def _times(change: Callable[[Any], Any]) -> Change:
    return edit(f"{SORTING}/spikes.times.npy", change)


def _clusters(change: Callable[[Any], Any]) -> Change:
    return edit(f"{SORTING}/spikes.clusters.npy", change)


def _shuffled(session: Path) -> None:
    order = np.random.default_rng(0).permutation(
        len(np.load(session / SORTING / "spikes.times.npy"))
    )
    for path in (session / SORTING).glob("spikes.*.npy"):
        np.save(path, np.load(path)[order])


def _without(cluster: int) -> Change:
    def do(session: Path) -> None:
        kept = np.load(session / SORTING / "spikes.clusters.npy") != cluster
        for path in (session / SORTING).glob("spikes.*.npy"):
            np.save(path, np.load(path)[kept])

    return do


#: Change, and what has to be said of it where the session is converted; empty for nothing.
_SPIKES: dict[str, tuple[Change, str]] = {
    "nan time": (_times(put(7, np.nan)), "spikes.times"),
    "all times nan": (_times(put(slice(None), np.nan)), "spikes.times"),
    "infinite time": (_times(put(-1, np.inf)), "spikes.times"),
    "negative times": (_times(lambda v: v - 1000), ""),
    "huge time": (_times(put(-1, 1e300)), ""),
    "equal times": (_times(put(slice(None), 1.0)), ""),
    "not sorted": (_shuffled, ""),
    "reversed": (_times(lambda v: v[::-1]), ""),
    "whole seconds": (_times(lambda v: v.astype("i8")), ""),
    "single precision": (_times(lambda v: v.astype("f4")), ""),
    "other byte order": (_times(lambda v: v.astype(">f8")), ""),
    "no spikes": (
        lambda session: [_none(p) for p in (session / SORTING).glob("spikes.*.npy")],
        "",
    ),
    "cluster without spikes": (_without(3), ""),
    "cluster without a row": (_clusters(put(slice(0, 50), 500)), "clusters"),
    "negative cluster": (_clusters(lambda v: np.where(v == 2, -1, v.astype("i8"))), "clusters"),
    "huge cluster": (_clusters(lambda v: np.where(v == 2, 2**40, v.astype("i8"))), "clusters"),
    "clusters as floats": (_clusters(lambda v: v.astype("f8")), ""),
    "cluster nan": (_clusters(lambda v: np.where(v == 2, np.nan, v)), "clusters"),
    "cluster and a half": (_clusters(lambda v: v + 0.5), "clusters"),
    "infinite amplitude": (edit(f"{SORTING}/spikes.amps.npy", put(5, np.inf)), ""),
    "huge amplitude": (edit(f"{SORTING}/spikes.amps.npy", put(5, 1e307)), ""),
    "nan depth": (edit(f"{SORTING}/spikes.depths.npy", put(slice(0, 9), np.nan)), ""),
    "channel that there is not": (edit(f"{SORTING}/clusters.channels.npy", put(0, 5000)), ""),
    "negative channel": (edit(f"{SORTING}/clusters.channels.npy", put(0, -1)), ""),
    "no channels": (
        lambda session: [p.unlink() for p in session.rglob("channels.*.npy")],
        "",
    ),
    "one unit": (_clusters(lambda v: np.zeros_like(v)), ""),
    "nan place": (
        edit(
            "alf/probe00/pykilosort/channels.mlapdv.npy", lambda v: np.where(v == v[3], np.nan, v)
        ),
        "",
    ),
    "void": (edit(f"{SORTING}/channels.brainLocationIds_ccf_2017.npy", put(slice(0, 9), 0)), ""),
    "region that there is not": (
        edit(f"{SORTING}/channels.brainLocationIds_ccf_2017.npy", put(0, 123456)),
        "",
    ),
    "metrics of one cluster twice": (
        edit(f"{SORTING}/clusters.metrics.pqt", lambda f: f.assign(cluster_id=0)),
        "metrics",
    ),
    "metrics in another order": (
        edit(f"{SORTING}/clusters.metrics.pqt", lambda f: f.iloc[::-1].reset_index(drop=True)),
        "",
    ),
    "metrics of some": (edit(f"{SORTING}/clusters.metrics.pqt", lambda f: f.iloc[::2]), ""),
    "metrics as text": (edit(f"{SORTING}/clusters.metrics.pqt", lambda f: f.astype(str)), ""),
    "no metrics": (edit(f"{SORTING}/clusters.metrics.pqt", lambda f: f[[]]), ""),
}


@pytest.mark.parametrize("case", _SPIKES)
def test_spikes(ephys: Path, case: str) -> None:
    change, said = _SPIKES[case]
    out = harmed(ephys, change)
    assert said in out.told, out.told


# -- trials and behaviour --------------------------------------------------------------------------

_TABLE = "alf/_ibl_trials.table.pqt"


def _table(change: Callable[[pd.DataFrame], pd.DataFrame]) -> Change:
    return edit(_TABLE, change)


def _no_trials(session: Path) -> None:
    edit(_TABLE, lambda frame: frame.iloc[:0])(session)
    for path in (session / "alf").glob("_ibl_trials.*.npy"):
        _none(path)


_TRIALS: dict[str, tuple[Change, str]] = {
    "no trials": (_no_trials, ""),
    "table without rows": (_table(lambda f: f.iloc[:0]), "trials"),
    "nan start": (_table(column("intervals_0", 3, np.nan)), "trials"),
    "nan stop of the last": (_table(column("intervals_1", -1, np.nan)), "trials"),
    "all nan": (_table(column("intervals_0", slice(None), np.nan)), "trials"),
    "stop before start": (_table(column("intervals_1", 3, -5.0)), "trials"),
    "infinite stop": (_table(column("intervals_1", -1, np.inf)), "trials"),
    "without intervals": (
        _table(lambda f: f.drop(columns=["intervals_0", "intervals_1"])),
        "trials",
    ),
    "choice of five": (_table(column("choice", 2, 5)), ""),
    "choice nan": (_table(lambda f: column("choice", 2, np.nan)(f.astype({"choice": float}))), ""),
    "feedback of three": (_table(column("feedbackType", 2, 3)), ""),
    "feedback nan": (
        _table(lambda f: column("feedbackType", 2, np.nan)(f.astype({"feedbackType": float}))),
        "",
    ),
    "contrast on both sides": (
        _table(lambda f: f.assign(contrastLeft=0.5, contrastRight=0.25)),
        "",
    ),
    "contrast on no side": (
        _table(lambda f: f.assign(contrastLeft=np.nan, contrastRight=np.nan)),
        "",
    ),
    "odd contrast": (_table(column("contrastLeft", slice(None), 1 / 3)), ""),
    "probability nan": (_table(column("probabilityLeft", slice(0, 5), np.nan)), ""),
    "probabilities of many kinds": (
        _table(lambda f: f.assign(probabilityLeft=np.linspace(0, 1, len(f)))),
        "",
    ),
    "numbers as text": (_table(lambda f: f.assign(rewardVolume=f["rewardVolume"].astype(str))), ""),
    "column more": (_table(lambda f: f.assign(größe=1.0, liste=[[1, 2]] * len(f))), ""),
    "index of its own": (_table(lambda f: f.set_index(np.arange(len(f)) * 10)), ""),
    "no columns": (_table(lambda f: f[[]]), ""),
    "event before the trial": (_table(column("stimOn_times", 4, -1e9)), ""),
    "other times nan": (edit("alf/_ibl_trials.stimOff_times.npy", put(slice(None), np.nan)), ""),
    "wheel nan time": (edit("alf/_ibl_wheel.timestamps.npy", put(5, np.nan)), "wheel"),
    "wheel back in time": (edit("alf/_ibl_wheel.timestamps.npy", put(5, 0.0)), ""),
    "wheel infinite": (edit("alf/_ibl_wheel.position.npy", put(5, np.inf)), ""),
    "wheel one sample": (
        lambda session: [np.save(p, np.load(p)[:1]) for p in session.rglob("_ibl_wheel.*")],
        "",
    ),
    "move nan": (edit("alf/_ibl_wheelMoves.intervals.npy", put(2, np.nan)), "WheelMovement"),
    "move reversed": (edit("alf/_ibl_wheelMoves.intervals.npy", lambda v: v[:, ::-1]), ""),
    "move of three times": (
        edit("alf/_ibl_wheelMoves.intervals.npy", lambda v: np.column_stack([v, v[:, 1]])),
        "wheelMoves",
    ),
    "lick nan": (edit("alf/licks.times.npy", put(2, np.nan)), "licks"),
    "licks not sorted": (edit("alf/licks.times.npy", lambda v: v[::-1]), ""),
    "licks of two columns": (edit("alf/licks.times.npy", lambda v: np.column_stack([v, v])), ""),
    "camera nan time": (edit("alf/_ibl_leftCamera.times.npy", put(2, np.nan)), "leftCamera"),
    "camera back in time": (edit("alf/_ibl_leftCamera.times.npy", put(9, 0.0)), ""),
    "camera half the frames": (
        edit("alf/_ibl_leftCamera.times.npy", lambda v: v[::2]),
        "leftCamera",
    ),
    "pose without likelihood": (
        edit(
            "alf/_ibl_leftCamera.lightningPose.pqt",
            lambda f: f.drop(columns=[c for c in f if c.endswith("_likelihood")]),
        ),
        "",
    ),
    "pose all nan": (edit("alf/_ibl_leftCamera.lightningPose.pqt", lambda f: f * np.nan), ""),
    "pose as integers": (
        edit("alf/_ibl_leftCamera.lightningPose.pqt", lambda f: f.fillna(0).astype("i4")),
        "",
    ),
    "gabors that overlap": (
        lambda session: (session / "alf/_ibl_passiveGabor.table.csv").write_text(
            ",start,stop,position,contrast,phase\n0,1.0,3.0,-35,0.5,1.0\n1,2.0,2.5,35,0.5,x\n"
        ),
        "",
    ),
    "passive text": (
        lambda session: (session / "alf/_ibl_passivePeriods.intervalsTable.csv").write_text(
            "{a: b}"
        ),
        "",
    ),
}


@pytest.mark.parametrize("case", _TRIALS)
def test_behaviour(behaviour: Path, case: str) -> None:
    change, said = _TRIALS[case]
    out = harmed(behaviour, change)
    assert said in out.told, out.told


# -- what nobody knows -----------------------------------------------------------------------------


def test_arrays_of_any_type(behaviour: Path) -> None:
    values = {
        "half": np.arange(4, dtype="f2"),
        "complex": np.arange(4) * 1j,
        "big": np.arange(4, dtype=">i4"),
        "unsigned": np.array([0, 2**64 - 1], "u8"),
        "truth": np.array([True, False]),
        "words": np.array(["ä", "", "x" * 40]),
        "bytes": np.array([b"ab", b"\xff"]),
        "dates": np.array(["2024-01-01", "NaT"], "M8[ns]"),
        "spans": np.array([1, 2], "m8[s]"),
        "records": np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]),
        "cube": np.arange(24.0).reshape(2, 3, 4),
        "nothing": np.empty((0, 3)),
        "single": np.float32(3),
        "wide": np.arange(6).reshape(1, 6),
    }

    def add(session: Path) -> None:
        for name, one in values.items():
            np.save(session / f"alf/novel.{name}.npy", one)
            np.save(session / f"alf/alone{name.title()}.data.npy", one)
        np.save(session / "alf/größe.werte.npy", np.arange(3.0))
        (session / "alf/notes.text.txt").write_text("Zeile\nμ", encoding="utf-8")
        (session / "alf/blob.data.bin").write_bytes(bytes(range(256)))

    out = harmed(behaviour, add)
    assert out.error is None, out.error
    took = {one.dataset for one in out.report.took}
    for name in ("half", "big", "unsigned", "truth", "words", "cube"):
        assert {f"alf/novel.{name}.npy", f"alf/alone{name.title()}.data.npy"} <= took, out.told


def test_names_of_other_tongues(behaviour: Path) -> None:
    """What a folder is called, and what is said in it, may be in any script."""

    def rename(session: Path) -> None:
        (session / "session.yaml").write_text(
            "session: {session_description: Мышь 🐭 kehrt zurück, notes: 'a/b: {c: d}', "
            'timezone: Europe/Zurich, start_time: "2023-10-19T10:00:00"}\n'
            "subject: {species: Mus musculus, sex: F, description: größer}\n",
            encoding="utf-8",
        )
        other = session.parent.parent.with_name("MÄUS_Ω")
        session.parent.parent.rename(other)
        shutil.move(other, session.parent.parent)  # names of folders follow the convention

    out = harmed(behaviour, rename, check=("readback", "inspect"), refuse="violation")
    assert out.error is None, out.error
    import h5py

    with h5py.File(out.file) as h5:
        assert h5["session_description"].asstr()[()] == "Мышь 🐭 kehrt zurück"


# -- metadata --------------------------------------------------------------------------------------


def test_nothing_is_known_of_the_subject(behaviour: Path) -> None:
    def forget(session: Path) -> None:
        (session.parents[4] / "_fascicle_lab.json").unlink()

    out = harmed(behaviour, forget)
    assert isinstance(out.error, MetadataError)
    for field in ("subject.species", "subject.sex", "session.timezone"):
        assert field in out.told
    # Without the schema, which takes long.
    out = harmed(behaviour, forget, incomplete=True, check=("readback", "inspect", "layout"))
    assert out.error is None and not out.report.ok
    assert any("subject.sex" in problem for problem in out.report.problems)
    assert "session.start_time is not known" in out.told
    found = {finding.text for finding in out.report.findings if finding.level == "critical"}
    assert any("sex is missing" in text for text in found)
    out = harmed(behaviour, forget, incomplete=True, check="inspect", refuse="critical")
    assert isinstance(out.error, ConversionError)
    assert "critical" in str(out.error) and out.error.report is not None
