"""Synthetic files of Visual Behavior Neuropixels: contents that belong together."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from fascicle.demo.vbn import (
    IMAGES,
    plan_recording,
    plan_training,
    write_behavior,
    write_lfp,
    write_session,
)
from fascicle.demo.vbn.__main__ import main
from fascicle.demo.vbn.pictures import make_picture
from fascicle.errors import ConfigurationError

SIZE: dict[str, Any] = {
    "units": 60,
    "probes": 3,
    "spikes": 400_000,
    "presentations": 2_000,
    "waveform_rows": 16,
}


def table(h5: h5py.File, path: str) -> pd.DataFrame:
    group = h5[path]
    ragged = {name.removesuffix("_index") for name in group if name.endswith("_index")}
    columns = {}
    for name in group.attrs["colnames"]:
        if name not in ragged:
            data = group[name]
            columns[name] = data.asstr()[:] if h5py.check_string_dtype(data.dtype) else data[:]
    return pd.DataFrame(columns, index=group["id"][:])


def ragged(h5: h5py.File, path: str) -> list[np.ndarray[Any, Any]]:
    return np.split(h5[path][:], h5[f"{path}_index"][:-1])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    about = {"image_set": "H", "novel": True, "session_type": "EPHYS_1_images_H_3uL_reward"}
    return write_session(tmp_path_factory.mktemp("vbn") / "session.nwb", **SIZE, **about)


@pytest.fixture
def h5(made: Path) -> Iterator[h5py.File]:
    with h5py.File(made) as h5:
        yield h5


@pytest.fixture
def shown(h5: h5py.File) -> pd.DataFrame:
    names = [name for name in h5["intervals"] if name.endswith("_presentations")]
    return (
        pd.concat([table(h5, f"intervals/{name}") for name in names])
        .sort_values("start_time")
        .reset_index(drop=True)
    )


@pytest.fixture
def trials(h5: h5py.File) -> pd.DataFrame:
    return table(h5, "intervals/trials")


def test_the_same_bytes_each_time(tmp_path: Path) -> None:
    options = {"units": 8, "waveform_rows": 3}
    for write, more in [(write_session, options), (write_lfp, {}), (write_behavior, {})]:
        path = write(tmp_path / "a.nwb", **more)
        again = write(tmp_path / "b.nwb", **more)
        assert again.read_bytes() == path.read_bytes()
        assert write(again, seed=1, **more).read_bytes() != path.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nwb", "b.nwb"]


def test_as_many_as_were_asked_for(h5: h5py.File, shown: pd.DataFrame) -> None:
    assert len(h5["units/id"]) == 60 and len(shown) == 2_000
    assert h5["units/spike_times"].shape == h5["units/spike_amplitudes"].shape == (400_000,)
    assert h5["units/waveform_mean"].shape == (60 * 16, 82)
    assert len(h5["general/extracellular_ephys/electrodes/id"]) == 3 * 384


def test_blocks_follow_each_other(h5: h5py.File, shown: pd.DataFrame) -> None:
    frames = h5["processing/stimulus/timestamps/data"][:]
    blocks = shown.groupby("stimulus_block")["stimulus_name"].unique()
    images = "Natural_Images_Lum_Matched_set_ophys_H_2019"
    assert [list(names) for names in blocks] == [
        [images],
        ["spontaneous"],
        ["gabor_20_deg_250ms"],
        ["spontaneous"],
        ["flash_250ms"],
        [images],
    ]
    assert shown["stimulus_block"].is_monotonic_increasing
    assert (shown["start_time"] == frames[shown["start_frame"]]).all()
    assert (shown["stop_time"] == frames[shown["end_frame"]]).all()
    assert np.allclose(shown["duration"], shown["stop_time"] - shown["start_time"])
    assert (shown["start_time"].to_numpy()[1:] >= shown["stop_time"].to_numpy()[:-1]).all()
    gabor = shown[shown["stimulus_name"] == "gabor_20_deg_250ms"]
    assert len(set(gabor.groupby(["position_x", "position_y"]).size())) == 1
    assert set(gabor["orientation"]) == {0, 45, 90}


def test_the_rules_of_the_columns(shown: pd.DataFrame, trials: pd.DataFrame) -> None:
    """What readers would work out if these columns were not there is what stands in them."""
    start = shown["start_time"].to_numpy()
    image = shown["image_name"].notna().to_numpy()
    within = (start > trials["start_time"].min()) & (start < trials["stop_time"].max())
    blocks = set(shown.loc[within & image, "stimulus_block"])
    assert (shown["active"] == shown["stimulus_block"].isin(blocks)).all() and blocks == {0}
    number = np.searchsorted(trials["start_time"], start) - 1
    of_trial = np.where(within & image, number, -99)
    active, passive = (shown[shown["stimulus_block"] == n] for n in (0, 5))
    assert (active["trials_id"] == of_trial[active.index]).all()
    catch = trials.loc[trials["catch"], "change_frame"]
    assert (active["is_sham_change"] == active["start_frame"].isin(catch)).all()
    for column in ("image_name", "is_change", "trials_id", "is_sham_change", "omitted"):
        assert list(active[column]) == list(passive[column]), "the same again"
    rest = shown[~image]
    assert set(rest["trials_id"]) == set(rest["flashes_since_change"]) == {-99}
    assert not rest["is_sham_change"].any()


def test_images_change_where_trials_say(shown: pd.DataFrame, trials: pd.DataFrame) -> None:
    active = shown[shown["active"]]
    changed = trials[trials["is_change"]]
    at = active.set_index("start_frame").loc[changed["change_frame"]]
    assert (at["is_change"] == 1).all() and active["is_change"].sum() == len(changed)
    assert list(at["image_name"]) == list(changed["change_image_name"])
    assert (changed["initial_image_name"] != changed["change_image_name"]).all()
    same = trials[~trials["is_change"]]
    assert (same["initial_image_name"] == same["change_image_name"]).all()
    names = active["image_name"].where(active["image_name"] != "omitted").ffill()
    moved = (names != names.shift()).to_numpy()[1:]
    assert (moved == (active["is_change"] == 1).to_numpy()[1:]).all()
    assert ((active["image_name"] == "omitted") == (active["omitted"] == 1)).all()
    assert 0.02 < active["omitted"].mean() < 0.07
    assert (active.loc[active["is_change"] == 1, "flashes_since_change"] == 0).all()
    novel = active[active["is_image_novel"] == 1]["image_name"]
    assert set(novel) == set(IMAGES["H"]) - set(IMAGES["G"])
    assert set(active["image_name"]) == {*IMAGES["H"], "omitted"}


def test_trials_licks_and_rewards(h5: h5py.File, trials: pd.DataFrame) -> None:
    assert (trials["start_time"].to_numpy()[1:] == trials["stop_time"].to_numpy()[:-1]).all()
    kinds = ["hit", "miss", "false_alarm", "correct_reject", "aborted", "auto_rewarded"]
    assert (trials[kinds].sum(axis=1) == 1).all() and trials[kinds].any().all()
    assert (trials["go"] == (trials["hit"] | trials["miss"])).all()
    assert (trials["catch"] == (trials["false_alarm"] | trials["correct_reject"])).all()
    assert (trials["aborted"] == trials["change_time_no_display_delay"].isna()).all()
    assert (trials["aborted"] == (trials["change_frame"] == -99)).all()
    licks = ragged(h5, "intervals/trials/lick_times")
    for (_, trial), times in zip(trials.iterrows(), licks, strict=True):
        assert (np.diff(times) > 0).all()
        assert ((times > trial["start_time"]) & (times < trial["stop_time"])).all()
        latency = times - trial["change_time_no_display_delay"]
        answered = ((latency > 0.15) & (latency < 0.75)).any()
        assert answered == bool(trial["hit"] or trial["false_alarm"])
        if answered:
            assert trial["response_time"] == times[latency > 0.15][0]
        assert not (trial["aborted"] and not len(times))
    assert (np.concatenate(licks) == h5["processing/licking/licks/timestamps"][:]).all()
    frames = h5["processing/stimulus/timestamps/timestamps"][:]
    frame = h5["processing/licking/licks/data"][:]
    times = h5["processing/licking/licks/timestamps"][:]
    assert ((frames[frame] <= times) & (times < frames[frame + 1])).all()
    given = trials[trials["hit"] | trials["auto_rewarded"]]
    rewards = h5["processing/rewards"]
    assert (rewards["volume/timestamps"][:] == given["reward_time"]).all()
    assert (rewards["volume/data"][:] == given["reward_volume"]).all()
    assert (rewards["autorewarded/data"][:] == given["auto_rewarded"]).all()
    assert (trials.loc[~trials.index.isin(given.index), "reward_volume"] == 0).all()


def test_units_are_on_channels_of_probes(h5: h5py.File) -> None:
    units, channels = table(h5, "units"), table(h5, "general/extracellular_ephys/electrodes")
    assert units.index.is_unique and channels.index.is_unique
    home = channels.loc[units["peak_channel_id"]]
    assert list(home["probe_id"]) == sorted(home["probe_id"])
    assert (~home["valid_data"]).any() and (units["quality"] == "noise").any()
    assert {"None", "", "DG-mo"} <= set(channels["location"])
    silent = units[["amplitude_cutoff", "presence_ratio", "isi_violations"]].isna()
    assert silent.any().all() and silent.any(axis=1).sum() == 3
    names = [h5[reference].name.split("/")[-1] for reference in channels["group"]]
    assert names == list(channels["group_name"])
    outside = channels["location"].isin(["None", ""])
    assert (outside == channels[["x", "y", "z"]].isna().all(axis=1)).all()


def test_spikes(h5: h5py.File, shown: pd.DataFrame) -> None:
    units, channels = table(h5, "units"), table(h5, "general/extracellular_ephys/electrodes")
    times, amplitudes = ragged(h5, "units/spike_times"), ragged(h5, "units/spike_amplitudes")
    frames = h5["processing/stimulus/timestamps/data"][:]
    assert all((np.diff(t) > 0).all() for t in times)
    assert all(t[0] > frames[0] - 30 and t[-1] < frames[-1] + 30 for t in times if len(t))
    counts = np.array([len(t) for t in times])
    expected = units["firing_rate"] / units["firing_rate"].sum() * 400_000
    assert np.abs(counts - expected).max() < 1.5
    means = np.array([a.mean() for a in amplitudes])
    assert np.allclose(means, units["amplitude"] * 1e-6, rtol=0.1)
    cortex = channels.loc[units["peak_channel_id"], "location"].str.startswith("VIS").to_numpy()
    images = shown[shown["image_name"].notna() & (shown["omitted"] == 0)]

    def spikes_after(t: Any, low: float, high: float) -> int:
        edges = images["start_time"].to_numpy()
        return int((np.searchsorted(t, edges + high) - np.searchsorted(t, edges + low)).sum())

    ratio = np.array(
        [spikes_after(t, 0.05, 0.25) / max(spikes_after(t, -0.2, 0.0), 1) for t in times]
    )
    assert np.median(ratio[cortex]) > 1.5 > 1.3 > np.median(ratio[~cortex])


def test_waveforms_peak_on_their_channel(h5: h5py.File, tmp_path: Path) -> None:
    path = write_session(tmp_path / "s.nwb", units=20)
    with h5py.File(path) as whole:
        waves = whole["units/waveform_mean"][:].reshape(20, 384, 82)
        channels = whole["general/extracellular_ephys/electrodes/id"][:].reshape(2, 384)
        peak = whole["units/peak_channel_id"][:]
        probe = np.repeat([0, 1], 10)
        assert (channels[probe, np.argmin(waves.min(axis=2), axis=1)] == peak).all()
        assert np.allclose(waves.min(axis=(1, 2)), -whole["units/amplitude"][:] * 1e-6, rtol=0.15)
    some = h5["units/waveform_mean"][:].reshape(60, 16, 82)
    assert np.allclose(some.min(axis=(1, 2)), -h5["units/amplitude"][:] * 1e-6, rtol=0.15)


def test_running_and_the_wheel(h5: h5py.File, tmp_path: Path) -> None:
    speed = h5["processing/running/speed/data"][:]
    raw = h5["processing/running/speed_unfiltered/data"][:]
    voltage = h5["acquisition/v_sig/data"][:]
    assert 2 < speed.mean() < 40 and (speed >= 0).all()
    assert raw.std() > speed.std() and abs(raw.mean() - speed.mean()) < 1
    assert voltage.min() >= 0 and voltage.max() <= 5
    path = write_session(tmp_path / "s.nwb", units=2, waveform_rows=1, backwards=True)
    with h5py.File(path) as other:
        for name in ("speed", "speed_unfiltered"):
            assert other[f"processing/running/{name}/data"][:].mean() < -1


def test_the_eye_blinks(h5: h5py.File, tmp_path: Path) -> None:
    eye = h5["acquisition/EyeTracking"]
    blink = eye["likely_blink/data"][:]
    area = eye["pupil_tracking/area_raw"][:]
    assert 0.001 < blink.mean() < 0.05
    assert (np.isnan(area) == blink).all()
    z = (area - np.nanmean(area)) / np.nanstd(area)
    assert (np.nan_to_num(z) > 3).any(), "some fits are far off"
    assert np.isnan(eye["pupil_tracking/area"][:]).sum() > blink.sum()
    path = write_session(tmp_path / "s.nwb", units=2, waveform_rows=1, eye_tracking=False)
    with h5py.File(path) as other:
        assert "EyeTracking" not in other["acquisition"]
        assert "eye_tracking_rig_metadata" not in other["processing"]


def test_pictures() -> None:
    for name in (*IMAGES["G"], "gratings_90.0"):
        warped, unwarped = make_picture(name, (90, 144))
        assert warped.dtype == np.uint8 and warped.shape == unwarped.shape == (90, 144)
        assert np.isnan(unwarped[0, :10]).all() and not np.isnan(unwarped[45, 1:-1]).any()
        assert np.nanmin(unwarped) >= 0 and np.nanmax(unwarped) <= 255
        # Bending leaves the middle where it was.
        assert abs(float(warped[45, 72]) - unwarped[45, 72]) < 40
    a, b = (make_picture(name, (90, 144))[0].astype(float) for name in ("im104_r", "im114_r"))
    assert a.std() > 30 and np.abs(a - b).mean() > 20
    near = np.abs(np.diff(a, axis=1)).mean()
    far = np.abs(a[:, 40:] - a[:, :-40]).mean()
    assert near < far / 2, "what is near is alike, as in natural scenes"


def test_templates_are_those_that_were_shown(h5: h5py.File) -> None:
    group = h5["stimulus/templates/Natural_Images_Lum_Matched_set_ophys_H_2019"]
    assert tuple(group["control_description"].asstr()[:]) == IMAGES["H"]
    warped, unwarped = make_picture("im104_r", (60, 96))
    assert (group["data"][0] == warped).all()
    assert np.array_equal(group["unwarped"][0], unwarped, equal_nan=True)


def test_lfp_belongs_to_the_session(h5: h5py.File, tmp_path: Path) -> None:
    plan = plan_recording(units=60, probes=3)
    probe = plan.probes[2]
    path = write_lfp(
        tmp_path / "lfp.nwb", plan, probe="probeC", samples=40_000, presentations=2_000
    )
    with h5py.File(path) as lfp:
        assert lfp["identifier"].asstr()[()] == str(probe.id)
        series = lfp[f"acquisition/probe_{probe.id}_lfp/probe_{probe.id}_lfp_data"]
        assert series["data"].shape == (40_000, 24)
        times = series["timestamps"][:]
        assert np.allclose(np.diff(times), 1 / 1250)
        channels = table(lfp, "general/extracellular_ephys/electrodes")
        everywhere = table(h5, "general/extracellular_ephys/electrodes")
        shared = [c for c in channels if c != "group"]
        pd.testing.assert_frame_equal(channels[shared], everywhere.loc[channels.index, shared])
        onset = table(h5, "intervals/Natural_Images_Lum_Matched_set_ophys_H_2019_presentations")
        at = np.searchsorted(times, onset["start_time"])
        at = at[at < 39_000]
        data = series["data"][:, -1]
        assert np.ptp([data[at + k].mean() for k in range(0, 300, 10)]) > 1e-4
    with pytest.raises(ConfigurationError, match="no LFP"):
        write_lfp(tmp_path / "x.nwb", plan, probe="probeB")
    with pytest.raises(ConfigurationError, match="no probe 'probeX'"):
        write_lfp(tmp_path / "x.nwb", plan, probe="probeX")
    with pytest.raises(ConfigurationError, match="500 of 384"):
        write_lfp(tmp_path / "x.nwb", plan, probe=probe.id, channels=500)
    assert [p.name for p in tmp_path.iterdir()] == ["lfp.nwb"]


def test_training(tmp_path: Path) -> None:
    path = write_behavior(tmp_path / "b.nwb", presentations=900, seed=2)
    with h5py.File(path) as h5:
        trials = table(h5, "intervals/trials")
        name = "Natural_Images_Lum_Matched_set_ophys_G_2019"
        shown = table(h5, f"intervals/{name}_presentations")
        assert len(shown) == 900 and shown["active"].all()
        latency = trials["response_time"] - trials["change_time"]
        pd.testing.assert_series_equal(trials["response_latency"], latency, check_names=False)
        assert (h5[f"stimulus/presentation/{name}/data"][:] == shown["image_index"]).all()
        images = np.array([*IMAGES["G"], "omitted"], dtype=object)
        assert list(images[shown["image_index"]]) == list(shown["image_name"])


def test_training_with_gratings(tmp_path: Path) -> None:
    plan = plan_training(image_set="", session_type="TRAINING_1_gratings_10uL_reward")
    with h5py.File(write_behavior(tmp_path / "b.nwb", plan)) as h5:
        assert len(h5["stimulus/templates"]) == len(h5["stimulus/presentation"]) == 0
        shown = table(h5, "intervals/grating_presentations")
        assert set(shown["image_name"]) == {"gratings_0.0", "gratings_90.0"}
        assert set(shown["orientation"]) == {0.0, 90.0} and not shown["omitted"].any()
        assert h5["general/task_parameters"].attrs["stimulus"] == "grating"


def test_mice_without_a_driver(tmp_path: Path) -> None:
    with h5py.File(write_behavior(tmp_path / "b.nwb", plan_training(genotype="wt/wt"))) as h5:
        assert len(h5["general/subject"].attrs["driver_line"]) == 0
        assert h5["general/subject/genotype"].asstr()[()] == "wt/wt"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"presentations": 79}, "80 presentations"),
        ({"trials": 60}, "60 trials do not fit into 120 flashes"),
        ({"units": 1}, "1 units on 2 probes"),
    ],
)
def test_numbers_that_do_not_fit(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=message):
        write_session(tmp_path / "s.nwb", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("presentations", "trials"), [(80, 1), (333, 20), (1_000, 20), (2_000, 90)]
)
def test_few_or_many_trials(presentations: int, trials: int, tmp_path: Path) -> None:
    path = write_session(
        tmp_path / "s.nwb", units=2, waveform_rows=1, presentations=presentations, trials=trials
    )
    with h5py.File(path) as h5:
        assert len(h5["intervals/trials/id"]) == trials
        tables = [g for name, g in h5["intervals"].items() if name != "trials"]
        assert sum(len(group["id"]) for group in tables) == presentations


def test_what_was_there_stays_if_writing_fails(tmp_path: Path) -> None:
    path = write_behavior(tmp_path / "b.nwb")
    was = path.read_bytes()
    plan = plan_training(mouse_id=object())  # what no file can hold
    with pytest.raises((TypeError, AttributeError)):
        write_behavior(path, plan)
    assert path.read_bytes() == was and [p.name for p in tmp_path.iterdir()] == ["b.nwb"]


def test_memory_does_not_grow_with_the_spikes(tmp_path: Path) -> None:
    code = (
        "import sys; from fascicle.demo.vbn import write_session; "
        "write_session(sys.argv[1], units=int(sys.argv[2]), spikes=int(sys.argv[3])); "
        "status = open('/proc/self/status').read(); "  # ru_maxrss begins with that of the parent
        "sys.stdout.write(status.partition('VmHWM:')[2].split()[0])"
    )
    peaks = []
    for units, spikes in [(8, 10_000), (300, 12_000_000)]:
        path = tmp_path / f"{units}.nwb"
        command = [sys.executable, "-c", code, str(path), str(units), str(spikes)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(run.stdout) / 1024)
    size = path.stat().st_size / 2**20
    assert size > 250 and peaks[1] - peaks[0] < 100, (size, peaks)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "new"), "--seed", "3"]) == 0
    path = tmp_path / "new" / "ecephys_session_small.nwb"
    assert capsys.readouterr().out == f"{path}\n"
    assert path.read_bytes() == write_session(tmp_path / "s.nwb", seed=3).read_bytes()
    assert main([str(tmp_path), "--seed", "3"]) == 0
    assert (tmp_path / "ecephys_session_small.nwb").read_bytes() == path.read_bytes()
