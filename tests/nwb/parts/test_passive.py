"""The passive protocol: its periods, what was replayed, and the sparse noise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nwb.parts.behaviour import Made, convert_parts, valid, write_session

from fascicle.nwb.writing.entries import Entry

PERIODS = "alf/_ibl_passivePeriods.intervalsTable.csv"
STIMULI = "alf/_ibl_passiveStims.table.csv"
GABORS = "alf/_ibl_passiveGabor.table.csv"
TIMES = "alf/_ibl_passiveRFM.times.npy"
NOISE = "raw_passive_data/_iblrig_RFMapStim.raw.bin"
KINDS = ("valve", "tone", "noise", "light")
SHOWN = "stimulus/presentation/receptive_field_mapping"

PERIODS_CSV = """\
,passiveProtocol,spontaneousActivity,RFM,taskReplay
start,438.5,438.5,450.25,462.125
stop,474.75,450.25,462.125,474.75
"""


def convert(tmp: Path, datasets: dict[str, Any], **how: Any) -> Made:
    lab = write_session(tmp / "lab", datasets)
    return convert_parts(lab, tmp / "out.nwb", **how)


def gabors(n: int = 6) -> pd.DataFrame:
    start = 462.5 + np.arange(n) * 0.8
    return pd.DataFrame(
        {
            "start": start,
            "stop": start + 0.3,
            "position": [-35, 35] * (n // 2),
            "contrast": np.linspace(0, 1, n),
            "phase": np.linspace(0, 6, n),
        }
    )


def stimuli(n: int = 4) -> pd.DataFrame:
    out = {}
    for k, kind in enumerate(("valve", "tone", "noise")):
        on = 463.0 + np.arange(n) * (k + 1) + 0.1 * k
        out[f"{kind}On"], out[f"{kind}Off"] = on, on + 0.1 * (k + 1)
    return pd.DataFrame(out)


def test_the_demo_session(tiny_lab: Path, tmp_path: Path) -> None:
    session = "churchlandlab_ucla/Subjects/MFD_09/2023-10-19/001"
    parts = ["trials", "passive"]
    made = convert_parts(tiny_lab, tmp_path / "out.nwb", parts=parts, session=session)
    assert not made.warnings
    periods = pd.read_csv(made.folder / PERIODS, index_col=0)
    at = "intervals/passive_intervals"
    assert sorted(made.array(f"{at}/protocol_name")) == sorted(periods.columns)
    for name, start in zip(
        made.array(f"{at}/protocol_name"), made.array(f"{at}/start_time"), strict=True
    ):
        assert start == periods.loc["start", name]
    at = "intervals/epochs"
    assert made.array(f"{at}/protocol_type").tolist() == ["task", "passive"]
    trials = "intervals/trials"
    task = made.array(f"{trials}/start_time").min(), made.array(f"{trials}/stop_time").max()
    assert (made.array(f"{at}/start_time")[0], made.array(f"{at}/stop_time")[0]) == task
    assert made.array(f"{at}/start_time")[1] == periods.loc["start", "passiveProtocol"]
    at = "intervals/passive_task_replay"
    assert (np.diff(made.array(f"{at}/start_time")) >= 0).all()
    assert set(made.array(f"{at}/stim_type")) == {"valve", "tone", "noise"}
    table = pd.read_csv(made.folder / GABORS)
    assert np.array_equal(made.array("intervals/gabor_table/contrast"), table["contrast"])
    frames = made.array(f"{SHOWN}/data")
    assert frames.shape[1:] == (15, 15)
    assert frames.tobytes() == (made.folder / NOISE).read_bytes()
    passive = {f.path for f in made.draft.source.files if "passive" in f.path}
    assert passive <= made.draft.taken
    back = made.back()
    for path in (PERIODS, STIMULI, GABORS):
        expected = pd.read_csv(made.folder / path)
        pd.testing.assert_frame_equal(back[path], expected, check_exact=True)
    assert np.array_equal(back[TIMES], np.load(made.folder / TIMES))
    valid(made.path)


def test_all_of_it_by_itself(tmp_path: Path) -> None:
    datasets = {
        PERIODS: PERIODS_CSV,
        STIMULI: stimuli(),
        GABORS: gabors(),
        TIMES: 450.5 + np.sort(np.random.default_rng(1).uniform(0, 9, 20)),
        NOISE: bytes(20 * 225),
    }
    made = convert(tmp_path, datasets)
    assert not made.warnings
    assert made.array("intervals/epochs/protocol_type").tolist() == ["passive"]
    made.check()
    valid(made.path)


def test_epochs_of_several_tasks(tmp_path: Path) -> None:
    datasets: dict[str, Any] = {
        f"alf/task_0{k}/_ibl_trials.intervals.npy": np.array([[0, 1], [2, 3.0]]) + 100 * k
        for k in (0, 1)
    }
    made = convert(tmp_path, datasets | {PERIODS: PERIODS_CSV})
    at = "intervals/epochs"
    assert made.array(f"{at}/protocol_type").tolist() == ["task", "task", "passive"]
    assert made.array(f"{at}/start_time").tolist() == [0, 100, 438.5]
    assert made.array(f"{at}/stop_time").tolist() == [3, 103, 474.75]
    made.check()
    valid(made.path)


# -- periods ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        PERIODS_CSV.replace("450.25,462.125\n", ",\n"),  # a period that did not take place
        ",passiveProtocol,RFM\nstart,5,\nstop,,\n",
        ",passiveProtocol,spontaneousActivity\nstart,438.5,438.5\nstop,474.75,450.25\n",
        "period,passiveProtocol\nstop,5\nstart,3\n",
        ",a,b\nbegin,1,2\nend,2,3\n",
        ",a,b\nstart,x,2\nstop,y,3\n",
        "a\n1\n",
        ",RFM,passiveProtocol\nstart,7,2\nstop,9,10\n",  # not in the order of time, whole numbers
        "\n",
    ],
)
def test_odd_periods(tmp_path: Path, text: str) -> None:
    made = convert(tmp_path, {PERIODS: text})
    made.check()
    valid(made.path)


# -- replay ----------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_replay_comes_back(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    n = data.draw(st.integers(1, 4))
    kinds = data.draw(st.lists(st.sampled_from(KINDS), min_size=1))
    some = st.one_of(st.floats(0, 100), st.just(float("nan")), st.integers(0, 100).map(float))
    frame = pd.DataFrame(
        {
            f"{kind}{end}": data.draw(st.lists(some, min_size=n, max_size=n))
            for kind in dict.fromkeys(kinds)
            for end in ("On", "Off")
        }
    )
    made = convert(tmp_path_factory.mktemp("replay"), {STIMULI: frame})
    made.check()


def test_repeats_that_one_kind_lacks(tmp_path: Path) -> None:
    frame = stimuli()
    frame.loc[3, ["noiseOn", "noiseOff"]] = np.nan
    made = convert(tmp_path, {STIMULI: frame})
    at = "intervals/passive_task_replay"
    assert len(made.array(f"{at}/start_time")) == 11
    assert any("1 rows have no start or stop" in text for text in made.warnings)
    made.check()
    valid(made.path)


@pytest.mark.parametrize(
    "frame",
    [
        stimuli().assign(more=1),
        stimuli().drop(columns="toneOff"),
        stimuli()[["valveOn"]],
        stimuli().iloc[:0],
        pd.DataFrame({"a": [1], "b": ["x"]}),
    ],
)
def test_odd_replays(tmp_path: Path, frame: pd.DataFrame) -> None:
    made = convert(tmp_path, {STIMULI: frame})
    made.check()


def test_patches_that_overlap_are_all_there(tmp_path: Path) -> None:
    frame = gabors()
    frame["stop"] += np.where(np.arange(6) == 2, 5.0, 0.0)
    frame = frame.iloc[[1, 0, 2, 5, 4, 3]].reset_index(drop=True)  # and are not in order
    frame["word"] = list("abcdef")
    made = convert(tmp_path, {GABORS: frame})
    at = "intervals/gabor_table"
    assert len(made.array(f"{at}/start_time")) == 6
    assert (np.diff(made.array(f"{at}/start_time")) > 0).all()
    assert made.array(f"{at}/word").tolist() == list("bacfed")
    assert any("patches begin before" in note.text for note in made.draft.notes)
    assert made.place(GABORS).startswith(at)
    made.check()
    valid(made.path)


@pytest.mark.parametrize(
    "frame",
    [
        gabors().assign(start=np.nan),
        gabors().assign(start=[1, np.nan, 3, 4, 5, 6]),
        gabors().assign(start="x"),
        gabors().drop(columns="stop"),
        gabors().iloc[:0],
        gabors().assign(word=pd.Series([None, "a", "b", "c", "d", "e"], dtype=object)),
        gabors().assign(stop=0.0),
    ],
)
def test_odd_patches(tmp_path: Path, frame: pd.DataFrame) -> None:
    made = convert(tmp_path, {GABORS: frame})
    made.check()


def test_users_change_columns(tmp_path: Path) -> None:
    def edit(entries: list[Entry]) -> None:
        for entry in entries:
            for item in entry.items:
                item.name = {"phase": "angle", "stim_type": "sound"}.get(item.name, item.name)
                item.on = item.name != "contrast"

    made = convert(tmp_path, {GABORS: gabors(), STIMULI: stimuli()}, edit=edit)
    assert made.has("intervals/gabor_table/angle")
    assert not made.has("intervals/gabor_table/contrast")
    assert made.has("intervals/passive_task_replay/sound")
    expected = gabors().drop(columns="contrast")
    assert list(made.back()[GABORS].columns) == list(expected.columns)


# -- sparse noise ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "frames", "why"),
    [
        (np.arange(20.0) ** 1.01, 19 * 225, "19 frames"),
        (np.arange(20.0) ** 1.01, 20 * 225 + 1, "no whole number of frames"),
        (np.full(20, np.nan), 20 * 225, "not finite"),
        (np.arange(20.0)[::-1].copy(), 20 * 225, "do not ascend"),
        (np.arange(5.0) ** 1.01, 5 * 225, "fewer than a frame has rows"),
    ],
)
def test_noise_that_does_not_fit_its_times(
    tmp_path: Path, times: np.ndarray[Any, Any], frames: int, why: str
) -> None:
    made = convert(tmp_path, {TIMES: times, NOISE: bytes(frames)})
    assert why in made.draft.left_out[NOISE]
    assert not made.has(SHOWN)
    made.check()


def test_noise_at_an_even_rate(tmp_path: Path) -> None:
    frames = np.random.default_rng(2).integers(0, 256, (400, 15, 15), dtype=np.uint8)
    made = convert(tmp_path, {TIMES: 3 + np.arange(400) / 60, NOISE: frames.tobytes()})
    assert np.array_equal(made.array(f"{SHOWN}/data"), frames)
    assert made.has(f"{SHOWN}/starting_time")
    made.check()
    valid(made.path)
