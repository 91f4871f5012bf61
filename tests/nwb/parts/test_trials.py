"""Trials: standard columns where they tell the values exactly, beside them what they cannot."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.nwb.parts.behaviour import MINE, Made, convert_parts, valid, write_session
from tests.nwb.real import real_lab, some_of

from fascicle.nwb.writing.entries import Entry, Item

TABLE = "alf/_ibl_trials.table.pqt"
AT = "intervals/trials"


def npy(attribute: str) -> str:
    return f"alf/_ibl_trials.{attribute}.npy"


def spans(n: int) -> np.ndarray[Any, Any]:
    start = 3.0 * np.arange(n) + 0.125
    return np.stack([start, start + 2.5], axis=1)


def usual(n: int = 6) -> dict[str, Any]:
    """Return trials as each session has them, one dataset for each attribute."""
    rng = np.random.default_rng(7)
    left = rng.random(n) < 0.5
    contrast = rng.choice([0, 0.0625, 0.125, 0.25, 1.0], n)
    start = spans(n)[:, 0]
    return {
        npy("intervals"): spans(n),
        npy("stimOn_times"): start + 0.4,
        npy("goCue_times"): start + 0.5,
        npy("response_times"): start + 1.5,
        npy("feedback_times"): start + 1.6,
        npy("choice"): rng.choice([-1, 0, 1], n),
        npy("feedbackType"): rng.choice([-1, 1], n),
        npy("contrastLeft"): np.where(left, contrast, np.nan),
        npy("contrastRight"): np.where(left, np.nan, contrast),
        npy("rewardVolume"): rng.choice([0, 1.5], n),
        npy("probabilityLeft"): np.repeat([0.5, 0.8, 0.2], -(-n // 3))[:n],
        npy("quiescencePeriod"): rng.random(n),
    }


def as_table(datasets: dict[str, Any]) -> pd.DataFrame:
    """Return the same trials as a table."""
    out: dict[str, Any] = {}
    for name, values in datasets.items():
        attribute = name.split(".")[1]
        if values.ndim == 2:
            out |= {f"{attribute}_{k}": values[:, k] for k in range(2)}
        else:
            out[attribute] = values
    return pd.DataFrame(out)


def convert(tmp: Path, datasets: dict[str, Any], **how: Any) -> Made:
    lab = write_session(tmp / "lab", datasets)
    return convert_parts(lab, tmp / "out.nwb", **how)


# -- what is written -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["files", "table", "both"])
def test_trials_are_what_nwb_calls_them(tmp_path: Path, form: str) -> None:
    datasets = usual()
    if form != "files":
        whole = as_table(datasets)
        datasets = {TABLE: whole}
        if form == "both":
            datasets = {TABLE: whole.drop(columns="choice"), npy("choice"): usual()[npy("choice")]}
    made = convert(tmp_path, datasets)
    given = usual()
    assert not made.warnings
    assert np.array_equal(made.array(f"{AT}/start_time"), given[npy("intervals")][:, 0])
    assert np.array_equal(made.array(f"{AT}/stop_time"), given[npy("intervals")][:, 1])
    left = given[npy("contrastLeft")]
    one = np.where(np.isnan(left), given[npy("contrastRight")], left)
    assert np.array_equal(made.array(f"{AT}/gabor_stimulus_contrast"), one * 100)
    sides = made.array(f"{AT}/gabor_stimulus_side").tolist()
    assert sides == ["right" if np.isnan(v) else "left" for v in left]
    words = {1: "clockwise", 0: "none", -1: "counter_clockwise"}
    choices = made.array(f"{AT}/mouse_wheel_choice").tolist()
    assert choices == [words[v] for v in given[npy("choice")].tolist()]
    rewarded = made.array(f"{AT}/is_mouse_rewarded")
    assert rewarded.dtype == bool
    assert np.array_equal(rewarded, given[npy("feedbackType")] == 1)
    assert (
        made.array(f"{AT}/block_type").tolist() == ["unbiased"] * 2 + ["left"] * 2 + ["right"] * 2
    )
    assert made.array(f"{AT}/block_index").tolist() == [0, 0, 1, 1, 2, 2]
    for column, attribute in (
        ("gabor_stimulus_onset_time", "stimOn_times"),
        ("auditory_cue_time", "goCue_times"),
        ("choice_registration_time", "response_times"),
        ("feedback_time", "feedback_times"),
        ("reward_volume_uL", "rewardVolume"),
        ("probability_left", "probabilityLeft"),
        ("quiescence_period", "quiescencePeriod"),
    ):
        assert np.array_equal(made.array(f"{AT}/{column}"), given[npy(attribute)])
    assert not made.has(f"{AT}/choice")  # nothing is there twice
    made.check()
    valid(made.path)


def test_the_demo_session(tiny_lab: Path, tmp_path: Path) -> None:
    session = "churchlandlab_ucla/Subjects/MFD_09/2023-10-19/001"
    made = convert_parts(tiny_lab, tmp_path / "out.nwb", parts=["trials"], session=session)
    assert not made.warnings
    assert made.place("alf/_ibl_trials.stimOff_times.npy") == f"{AT}:gabor_stimulus_offset_time:"
    assert made.place(TABLE) == f"{AT}::"
    trials = [f.path for f in made.draft.source.find("trials")]
    assert set(trials) == made.draft.taken
    back = made.back()
    table = pd.read_parquet(made.folder / TABLE)
    pd.testing.assert_frame_equal(back[TABLE], table, check_exact=True)
    import h5py

    with h5py.File(made.path) as h5:
        group = h5[AT]
        assert isinstance(group, h5py.Group)
        about = {name: str(group[name].attrs["description"]) for name in group if name != "id"}
    assert all(len(text) > 20 and "of the ALF session" not in text for text in about.values())
    assert about["gabor_stimulus_contrast"].count("percent") == 1
    valid(made.path)


def test_the_real_sessions(shared: Path, tmp_path: Path) -> None:
    lab = real_lab(shared, tmp_path / "lab")
    found = sorted({str(f.relative_to(lab)).split("/alf")[0] for f in lab.rglob("*_trials.*")})
    sessions = some_of(found)
    assert len(sessions) >= 5
    for number, session in enumerate(sessions):
        made = convert_parts(lab, tmp_path / f"{number}.nwb", session=session)
        made.check()
        assert made.has(AT)
        intervals = [f for f in made.draft.source.find("trials") if "intervals" in f.attribute]
        tables = made.draft.source.find("trials", "table")
        assert bool(made.warnings) == (not intervals and not tables)
        if number % 3 == 0:
            valid(made.path)


# -- exactly what it was ---------------------------------------------------------------------------

NUMBERS = st.sampled_from([-1.0, 0.0, 1.0, -0.0, 2.0, float("nan"), 0.5, 1e-300, float("inf")])
WHOLE = st.sampled_from([-1, 0, 1, 2, -128])
SHARES = st.one_of(st.just(float("nan")), st.sampled_from([0.0, 0.0625, 0.3, 1.0]), st.floats(0, 1))


def column(draw: Any, n: int, values: Any, types: list[str]) -> np.ndarray[Any, Any]:
    found = draw(st.lists(values, min_size=n, max_size=n))
    return np.array(found).astype(draw(st.sampled_from(types)))


@st.composite
def odd_trials(draw: Any) -> dict[str, np.ndarray[Any, Any]]:
    """Return trials whose values nobody expects."""
    n = draw(st.integers(1, 5))
    floats = ["<f8", "<f4", ">f8", "<f2"]
    return {
        "intervals": spans(n).astype(draw(st.sampled_from(["<f8", "<f4", "<i8"]))),
        "choice": draw(
            st.sampled_from(
                [column(draw, n, NUMBERS, floats), column(draw, n, WHOLE, ["<i8", "|i1", ">i4"])]
            )
        ),
        "feedbackType": draw(
            st.sampled_from(
                [column(draw, n, NUMBERS, floats), column(draw, n, WHOLE, ["<i8", "<i2"])]
            )
        ),
        "contrastLeft": column(draw, n, SHARES, floats),
        "contrastRight": column(draw, n, SHARES, floats),
        "probabilityLeft": column(draw, n, SHARES, floats),
        "included": column(draw, n, st.booleans(), ["|b1"]),
    }


_SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


@settings(_SETTINGS, max_examples=8)
@given(odd_trials(), st.booleans())
def test_some_values_come_back_exactly(trials: dict[str, Any], as_one_table: bool) -> None:
    comes_back_exactly(trials, as_one_table)


@pytest.mark.long
@settings(_SETTINGS, max_examples=100)
@given(odd_trials(), st.booleans())
def test_any_values_come_back_exactly(trials: dict[str, Any], as_one_table: bool) -> None:
    comes_back_exactly(trials, as_one_table)


def comes_back_exactly(trials: dict[str, Any], as_one_table: bool) -> None:
    folder = Path(mkdtemp())
    try:
        datasets = {npy(name): values for name, values in trials.items()}
        if as_one_table:
            native = {k: v.astype(v.dtype.newbyteorder("=")) for k, v in datasets.items()}
            datasets = {TABLE: as_table(native)}
        made = convert(folder, datasets, parts=["trials"])
        made.check()
        choice = trials["choice"].tolist()
        known = {1: "clockwise", 0: "none", -1: "counter_clockwise"}
        words = made.array(f"{AT}/mouse_wheel_choice").tolist()
        assert words == [known.get(v, "unknown") for v in choice]
        # What words cannot tell stands beside; a choice that is not known is NaN.
        if any(v not in known and v == v for v in choice):
            beside = made.array(f"{AT}/choice")
            assert np.array_equal(beside, trials["choice"], equal_nan=beside.dtype.kind == "f")
        rewarded = made.array(f"{AT}/is_mouse_rewarded")
        assert np.array_equal(rewarded, trials["feedbackType"] > 0)
        odd = not set(trials["feedbackType"].tolist()) <= {-1, 1}
        assert made.has(f"{AT}/feedback_type") == odd
        left, right = (trials[f"contrast{side}"].astype(float) for side in ("Left", "Right"))
        sides = made.array(f"{AT}/gabor_stimulus_side").tolist()
        for k, side in enumerate(sides):
            there = [name for name, v in (("left", left[k]), ("right", right[k])) if v == v]
            assert side == ("both" if len(there) == 2 else (there or ["none"])[0])
    finally:
        shutil.rmtree(folder)


# -- what is missing, and what does not fit --------------------------------------------------------


def without(*attributes: str) -> dict[str, Any]:
    return {k: v for k, v in usual().items() if k.split(".")[1] not in attributes}


def test_events_stand_in_for_intervals(tmp_path: Path) -> None:
    datasets = without("intervals")
    datasets[npy("stimOn_times")][0] = np.nan  # the first trial: three events are left
    for name in ("stimOn_times", "goCue_times", "feedback_times"):
        datasets[npy(name)][3] = np.nan  # one event is left
    for name in ("stimOn_times", "goCue_times", "feedback_times", "response_times"):
        datasets[npy(name)][5] = np.nan  # none is left
    made = convert(tmp_path, datasets)
    start, stop = made.array(f"{AT}/start_time"), made.array(f"{AT}/stop_time")
    assert start[0] == datasets[npy("goCue_times")][0]
    assert np.array_equal(stop[:3], datasets[npy("feedback_times")][:3])
    assert (start[3], stop[3]) == (stop[2], datasets[npy("response_times")][3])
    assert start[5] == stop[4]
    assert "no trials.intervals" in made.warnings[0]
    assert "2 of 6 trials lack" in made.warnings[1]
    assert npy("intervals") not in made.back()
    made.check()


def test_without_any_time_they_are_a_plain_table(tmp_path: Path) -> None:
    kept = {k: v for k, v in without("intervals").items() if "_times" not in k}
    made = convert(tmp_path, kept)
    assert made.entry("processing/misc/trials").type == "DynamicTable"
    assert made.has("processing/misc/trials/mouse_wheel_choice")
    assert not made.has(AT)
    made.check()
    valid(made.path)


@pytest.mark.parametrize("form", ["files", "table"])
def test_gaps_in_intervals_are_filled_and_said(tmp_path: Path, form: str) -> None:
    datasets = usual()
    datasets[npy("intervals")][1] = np.nan
    datasets[npy("intervals")][4, 1] = np.nan
    if form == "table":
        datasets = {TABLE: as_table(datasets)}
    made = convert(tmp_path, datasets)
    start, stop = made.array(f"{AT}/start_time"), made.array(f"{AT}/stop_time")
    assert np.isfinite(start).all()
    assert (stop > start).all()
    given = usual()
    assert start[1] == given[npy("stimOn_times")][1]
    assert stop[4] == given[npy("feedback_times")][4]
    assert any("2 of 6 trials lack start or stop" in text for text in made.warnings)
    assert made.has(f"{AT}/intervals{'_0' if form == 'table' else ''}")
    made.check()
    valid(made.path)


def test_all_times_nan(tmp_path: Path) -> None:
    datasets = usual()
    for name, values in datasets.items():
        if "_times" in name or "intervals" in name:
            values[:] = np.nan
    made = convert(tmp_path, datasets)
    assert made.warnings
    made.check()


@pytest.mark.parametrize("shape", [(6,), (6, 3), (6, 2, 2)])
def test_intervals_of_another_shape(tmp_path: Path, shape: tuple[int, ...]) -> None:
    made = convert(tmp_path, usual() | {npy("intervals"): np.zeros(shape)})
    assert any("trials.intervals has the shape" in text for text in made.warnings)
    made.check()


def test_an_attribute_of_another_length_is_carried_by_itself(tmp_path: Path) -> None:
    datasets = usual() | {npy("rewardVolume"): np.zeros(4), npy("repNum"): np.float64(3)}
    made = convert(tmp_path, datasets)
    assert any("trials.rewardVolume has 4 values for 6 trials" in text for text in made.warnings)
    assert not made.has(f"{AT}/reward_volume_uL")
    assert made.place(npy("rewardVolume")).startswith("scratch/")
    made.check()


def test_no_trials_at_all(tmp_path: Path) -> None:
    empty = {name: values[:0] for name, values in usual().items()}
    made = convert(tmp_path, empty | {"alf/licks.times.npy": np.arange(3.0)})
    assert not made.has(AT)
    made.check()
    valid(made.path)
    lab = write_session(tmp_path / "other", {TABLE: as_table(empty)})
    convert_parts(lab, tmp_path / "other.nwb").check()


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    datasets = usual() | {npy("choice"): b"no array", npy("included"): b""}
    made = convert(tmp_path, datasets)
    assert set(made.draft.left_out) == {npy("choice"), npy("included")}
    assert all("cannot be read" in why for why in made.draft.left_out.values())
    made.check()
    table = convert(tmp_path / "table", {TABLE: b"PAR1"} | without("choice"))
    assert "cannot be read" in table.draft.left_out[TABLE]
    table.check()


def test_several_tasks(tmp_path: Path) -> None:
    first = {k.replace("alf/", "alf/task_00/"): v for k, v in usual().items()}
    second = {k.replace("alf/", "alf/task_01/"): v for k, v in usual(4).items()}
    made = convert(tmp_path, first | second | {npy("included"): np.ones(6, bool)})
    assert [e.nwb for e in made.entries if e.part == "trials"] == [
        AT,
        "processing/misc/trials_alf",
        "intervals/trials_task_01",
    ]
    assert len(made.array(f"{AT}/start_time")) == 6
    assert len(made.array("intervals/trials_task_01/start_time")) == 4
    made.check()
    valid(made.path)


def test_columns_of_any_kind(tmp_path: Path) -> None:
    n = 6
    datasets = usual() | {
        npy("intervals_bpod"): spans(n) + 7,
        npy("goCue_times_bpod"): spans(n)[:, 0],
        npy("stimulusName"): np.array(["grating", "", "Ünï", "a", "b", "c"]),
        npy("code"): np.array([b"a", b"bc", b"", b"d", b"e", b"f"]),
        npy("position"): np.ones((n, 3), np.float32),
        npy("when"): np.array(["2024-01-02"] * n, "M8[s]"),
        npy("wide"): np.ones(n, np.complex128),
        npy("description"): np.arange(n),
        npy("tags"): np.arange(n),
        npy("id"): np.arange(n)[::-1].copy(),
        npy("label_times"): np.array(["x"] * n),
    }
    made = convert(tmp_path, datasets)
    assert made.array(f"{AT}/intervals_bpod").shape == (n, 2)
    assert made.array(f"{AT}/go_cue_times_bpod").shape == (n,)
    assert made.array(f"{AT}/stimulus_name").tolist()[2] == "Ünï"
    assert made.place(npy("tags")) == f"{AT}:tags_value:"
    assert made.place(npy("wide")).startswith("scratch/")
    assert any("trials.wide" in text for text in made.warnings)
    made.check()
    valid(made.path)


def test_odd_tables(tmp_path: Path) -> None:
    table = as_table(usual())
    table["word"] = ["a", None, "c", "d", "", "f"]
    table["kind"] = pd.Categorical(list("aabbab"))
    made = convert(tmp_path, {TABLE: table})
    made.check()
    assert made.has(f"{AT}/start_time")
    table.index = pd.Index(range(10, 16), name="trial")
    again = convert(tmp_path / "index", {TABLE: table.drop(columns="kind")})
    again.check()
    assert any("index" in text for text in again.warnings)
    assert again.has(f"{AT}/start_time")
    table = as_table(usual())
    table["lists"] = [[1, 2]] * 6
    table["a,b"] = np.arange(6)
    lists = convert(tmp_path / "lists", {TABLE: table})
    assert lists.has(f"{AT}/mouse_wheel_choice")
    back = lists.back()[TABLE]
    assert list(back.columns) == list(table.columns)
    assert back["lists"].map(list).tolist() == [[1, 2]] * 6


def test_an_attribute_in_table_and_file(tmp_path: Path) -> None:
    datasets = {TABLE: as_table(usual()), npy("choice"): usual()[npy("choice")]}
    made = convert(tmp_path, datasets)
    assert not made.has(f"{AT}/choice_of_table")  # the same values stand there once
    assert not made.has(f"{AT}/choice_of_file")
    assert made.place(npy("choice")) == f"{AT}:mouse_wheel_choice:"
    made.check()
    other = datasets | {npy("choice"): -usual()[npy("choice")].astype(float)}
    differs = convert(tmp_path / "differs", other)
    words = {1: "clockwise", 0: "none", -1: "counter_clockwise"}
    expected = [words[v] for v in usual()[npy("choice")].tolist()]
    assert differs.array(f"{AT}/mouse_wheel_choice").tolist() == expected  # that of the table
    differs.check()


def test_trials_out_of_order_stay_where_they_are(tmp_path: Path) -> None:
    datasets = {name: values[::-1].copy() for name, values in usual().items()}
    made = convert(tmp_path, datasets)
    assert any("not in the order" in text for text in made.warnings)
    made.check()


def test_many_trials(tmp_path: Path) -> None:
    made = convert(tmp_path, usual(20_000), parts=["trials"])
    made.check()
    assert made.draft.jobs


# -- what users change -----------------------------------------------------------------------------


def test_users_rename_switch_off_and_add_columns(tmp_path: Path) -> None:
    def edit(entries: list[Entry]) -> None:
        (entry,) = (e for e in entries if e.nwb == AT)
        by_name = {item.name: item for item in entry.items}
        by_name["mouse_wheel_choice"].name = "turn"
        by_name["gabor_stimulus_side"].name = "side"
        by_name["block_type"].on = False
        by_name["reward_volume_uL"].on = False
        by_name["quiescence_period"].dtype = "float32"
        by_name["probability_left"].description = "My words"
        entry.items.append(Item("choice", "trials.choice", "", "As a number"))
        entry.items.append(Item("mine", "trialsExtra.score", "", "My score"))
        entry.items.append(Item("absent", "trials.nothing", "", "None"))
        entry.description = "My trials"

    extra = {"alf/trialsExtra.score.npy": np.arange(6.0)}
    made = convert(tmp_path, usual() | extra, edit=edit)
    assert made.place(npy("choice")) == f"{AT}:turn:"
    assert set(made.array(f"{AT}/turn")) <= {"clockwise", "counter_clockwise", "none"}
    assert np.array_equal(made.array(f"{AT}/choice"), usual()[npy("choice")])
    assert made.place(npy("contrastLeft")) == f"{AT}:gabor_stimulus_contrast,side:contrast"
    assert not made.has(f"{AT}/block_type")
    assert made.has(f"{AT}/block_index")
    assert "switched off" in made.draft.left_out[npy("rewardVolume")]
    assert made.array(f"{AT}/quiescence_period").dtype == np.float32
    assert made.array(f"{AT}/mine").tolist() == [0, 1, 2, 3, 4, 5]
    assert any("absent is not written" in text for text in made.warnings)
    back = made.back()
    assert back[npy("quiescencePeriod")].dtype == np.float64
    assert np.allclose(back[npy("quiescencePeriod")], usual()[npy("quiescencePeriod")], atol=1e-6)
    assert np.array_equal(back[npy("choice")], usual()[npy("choice")])


def test_half_of_a_pair_is_carried_as_it_is(tmp_path: Path) -> None:
    def edit(entries: list[Entry]) -> None:
        next(i for i in entries[0].items if i.name == "gabor_stimulus_side").on = False

    made = convert(tmp_path, usual(), edit=edit)
    assert made.has(f"{AT}/contrast_left")
    assert made.has(f"{AT}/contrast_right")
    made.check()


def test_a_table_without_some_of_its_columns(tmp_path: Path) -> None:
    def edit(entries: list[Entry]) -> None:
        for item in entries[0].items:
            item.on = item.name not in ("reward_volume_uL", "block_type")

    made = convert(tmp_path, {TABLE: as_table(usual())}, edit=edit)
    back = made.back()[TABLE]
    expected = as_table(usual()).drop(columns="rewardVolume")
    pd.testing.assert_frame_equal(back, expected, check_exact=True)
    assert any("rewardVolume: switched off" in note.text for note in made.draft.notes)


def test_all_parts_offer_nothing_of_nothing(tmp_path: Path) -> None:
    made = convert(tmp_path, {"alf/clusters.depths.npy": np.arange(3.0)}, parts=MINE)
    assert {entry.part for entry in made.entries} == {"other"}
