"""Sessions whose values are the odd thing: not sorted, not finite, contradicting each other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

Datasets = dict[str, Any]


def spikes_of(folder: str, times: Any, clusters: Any, **more: Any) -> Datasets:
    """Return the spikes of one collection, and what else is given of them."""
    n = len(times)
    out = {"times": times, "clusters": clusters, "amps": np.linspace(1e-5, 1e-3, n), **more}
    return {f"{folder}/spikes.{name}.npy": np.asarray(v) for name, v in out.items()}


def ephys() -> Datasets:
    """Return spikes that are hard to keep in the order that they have."""
    rng = np.random.default_rng(3)
    same = np.full(50, 1.25)
    out: Datasets = {}
    out |= spikes_of("alf/probe00", same, rng.integers(0, 4, 50), depths=np.arange(50.0))
    out |= spikes_of("alf/probe01", np.append(np.sort(rng.random(30)), np.nan), np.arange(31) % 3)
    out |= spikes_of("alf/probe02", -np.sort(rng.random(40)), np.arange(40.0) % 5)
    out |= spikes_of("alf/probe03", [0.0, -0.0, 0.0, 1e-300], np.array([-1, 2, -1, 2]))
    out |= spikes_of("alf/probe04", np.arange(9) / 3, np.array([2**31] * 9, np.uint32))
    out |= spikes_of("alf/probe05", np.arange(9, dtype=np.int64), np.arange(9, dtype=np.uint8))
    out |= spikes_of("alf/probe07", np.arange(4.0), np.arange(4), few=np.arange(3))
    out["alf/probe08/spikes.times.npy"] = np.arange(4.0)  # of nobody knows whom
    out["alf/probe09/spikes.clusters.npy"] = np.arange(4)
    out |= spikes_of("alf/probe10", np.array([2.0, 1.0, np.inf]), np.array([0, 0, 0]))
    for probe, n in (("probe00", 4), ("probe01", 2), ("probe02", 0), ("probe05", 9)):
        out[f"alf/{probe}/clusters.depths.npy"] = np.arange(float(n))
        out[f"alf/{probe}/clusters.uuids.csv"] = pd.DataFrame(
            {"uuids": [f"{probe}-{k}" for k in range(n)]}
        )
        out[f"alf/{probe}/clusters.metrics.pqt"] = pd.DataFrame(
            {"cluster_id": np.arange(n)[::-1], "note": [None] * n, "presence_ratio": np.ones(n)}
        )
    out["alf/probe00/clusters.channels.npy"] = np.array([0, 2, 99, -1])  # two of them nowhere
    out["alf/probe01/clusters.tooMany.npy"] = np.arange(7)
    out["alf/probe00/channels.localCoordinates.npy"] = np.arange(6.0).reshape(3, 2)
    out["alf/probe00/channels.mlapdv.npy"] = np.array([[1, -2, 3]] * 3, np.int32)
    out["alf/probe00/channels.tooFew.npy"] = np.arange(2)
    out["alf/probe00/electrodeSites.localCoordinates.npy"] = np.arange(8.0).reshape(4, 2)
    out["alf/probe00/electrodeSites.mlapdv.npy"] = np.arange(12.0).reshape(4, 3) * 1e-6
    out["alf/probe00/electrodeSites.brainLocationIds_ccf_2017.npy"] = np.array([0, 1, 997, 12345])
    out["alf/probe00/templates.waveforms.npy"] = np.zeros((3, 4, 2), np.float32)
    return out


def behaviour() -> Datasets:
    """Return trials of two tasks, tables that contradict arrays, times that are none."""
    n = 6
    table = pd.DataFrame(
        {
            "intervals_0": np.arange(n) * 2.0,
            "intervals_1": np.arange(n) * 2.0 + 1,
            "stimOn_times": np.arange(n) * 2.0 + 0.25,
            "choice": np.array([1, -1, 0, 1, 1, -1], np.int8),
            "feedbackType": np.array([1, -1, -1, 1, 1, -1], np.float32),
            "contrastLeft": [0.25, np.nan, 0.0, 1, 0.0625, np.nan],
            "contrastRight": [np.nan, 0.25, np.nan, np.nan, np.nan, 0.125],
            "comment": ["", "x", None, "ü", "a,b", "\n"],
        }
    )
    late = table.assign(intervals_0=table.intervals_0 + 100, intervals_1=table.intervals_1 + 100)
    backward = table.assign(intervals_0=table.intervals_1, intervals_1=table.intervals_0)
    return {
        "alf/task_00/_ibl_trials.table.pqt": table,
        "alf/task_01/_ibl_trials.table.pqt": late.iloc[:4],
        "alf/task_01/_ibl_trials.goCue_times.npy": np.arange(4.0),
        "alf/task_02/_ibl_trials.table.pqt": backward,
        "alf/task_03/_ibl_trials.table.pqt": table.iloc[:0],
        "alf/task_04/_ibl_trials.table.pqt": table.set_index("choice"),
        "alf/task_05/_ibl_trials.table.pqt": table,
        "alf/task_05/_ibl_trials.choice.npy": -table.choice.to_numpy(),  # another answer
        "alf/task_05/_other_trials.choice.npy": np.zeros(n),
        "alf/task_06/_ibl_trials.intervals.npy": np.full((3, 2), np.nan),
        "alf/task_06/_ibl_trials.choice.npy": np.array(["left", "right", ""]),
        "alf/_ibl_wheel.position.npy": np.arange(5.0),
        "alf/_ibl_wheel.timestamps.npy": np.array([0, 1, 1, 3, np.nan]),
        "alf/task_00/_ibl_wheel.position.npy": np.arange(5.0),
        "alf/task_00/_ibl_wheel.timestamps.npy": np.arange(4.0),
        "alf/task_01/_ibl_wheel.position.npy": np.arange(5, dtype=np.int32),
        "alf/task_01/_ibl_wheel.timestamps.npy": np.arange(5.0)[::-1],
        "alf/task_01/_ibl_wheelMoves.intervals.npy": np.empty((0, 2)),
        "alf/task_01/_ibl_wheelMoves.peakAmplitude.npy": np.empty(0),
        "alf/licks.times.npy": np.array([1.0, np.nan]),
        "alf/task_00/licks.times.npy": np.empty(0),
        "alf/_ibl_leftCamera.times.npy": np.array([0.0, np.nan, 2.0]),
        "alf/leftCamera.ROIMotionEnergy.npy": np.arange(3.0),
        "alf/_ibl_leftCamera.dlc.pqt": pd.DataFrame({"nose_x": [1.0, 2, 3], "nose_y": [1.0, 2, 3]}),
        "alf/_ibl_leftCamera.lightningPose.pqt": pd.DataFrame(
            {"a_x": [1.0, 2, 3], "a_y": [1, 2, 3], "a_likelihood": [0.1, 0.2, 0.3], "b": [1, 2, 3]}
        ),
        "alf/_ibl_rightCamera.times.npy": np.arange(3) / 60,
        "alf/_ibl_rightCamera.features.pqt": pd.DataFrame({"other": [1, 2, 3]}),
        "alf/_ibl_passivePeriods.intervalsTable.csv": "a,b\n1,2\n",
        "alf/_ibl_passiveStims.table.csv": "valveOn,valveOff\n3,2\n1,x\n",
        "alf/_ibl_passiveGabor.table.csv": "start\n1\n",
        "raw_passive_data/_iblrig_RFMapStim.raw.bin": b"odd",
        "raw_ephys_data/_spikeglx_sync.times.npy": np.array([0.1, 0.2, 0.3]),
        "raw_ephys_data/_spikeglx_sync.channels.npy": np.array([2, 3, 2], np.int16),
        "raw_ephys_data/_spikeglx_sync.polarities.npy": np.array([1, 1, -1], np.int8),
        "raw_behavior_data/_iblrig_audioSpectrogram.power.npy": np.ones((3, 4), np.float32),
        "raw_behavior_data/_iblrig_audioSpectrogram.frequencies.npy": np.arange(4.0),
        "raw_behavior_data/_iblrig_audioSpectrogram.times_mic.npy": np.array([0.0, 1, 1]),
        "raw_ephys_data/probe00/_iblqc_ephysTimeRmsAP.rms.npy": np.ones((3, 4), np.float32),
        "raw_ephys_data/probe00/_iblqc_ephysTimeRmsAP.timestamps.npy": np.arange(3.0),
        "raw_ephys_data/probe00/_iblqc_ephysSpectralDensityAP.power.npy": np.ones((4, 2)),
        "raw_ephys_data/probe00/_iblqc_ephysSpectralDensityAP.freqs.npy": np.arange(4.0),
    }


def tables() -> Datasets:
    """Return tables as pandas allows them, and arrays as numpy does."""
    deep = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    when = pd.to_datetime(["2020-01-01", "2021-06-01"])
    return {
        "alf/one.numbers.pqt": pd.DataFrame({"a": [1, 2], "b": [2**60, -(2**60)]}),
        "alf/one.deep.pqt": pd.DataFrame([[1, 2], [3, 4]], index=deep),
        "alf/one.wide.pqt": pd.DataFrame([[1, 2], [3, 4]], columns=pd.Index(["a/b", "c:d"])),
        "alf/one.named.pqt": pd.DataFrame({"a": [1.0, 2]}, index=pd.RangeIndex(5, 7, name="k")),
        "alf/one.times.pqt": pd.DataFrame({"x": [1, 2]}, index=when),
        "alf/one.spans.pqt": pd.DataFrame({"x": pd.to_timedelta([1, 2], "s")}),
        "alf/one.bytes.pqt": pd.DataFrame({"x": [b"a", b"\xff"]}),
        "alf/one.texts.pqt": pd.DataFrame({"x": ["", "nan"], "y": ["a", None], "z": [None, None]}),
        "alf/one.mixed.pqt": pd.DataFrame({"x": np.array([1, None], object)}),
        "alf/one.half.pqt": pd.DataFrame(
            {"x": np.array([0.1, 0.2], np.float32), "ok": [True, True]}
        ),
        "alf/one.groups.pqt": pd.DataFrame({"x": pd.Categorical([3, 5], [5, 3])}),
        "alf/one.blank.csv": "a,b\n",
        "alf/one.quoted.csv": 'a,b\n"x,y","line\nbreak"\n',
        "alf/one.once.csv": "x\n5\n",
        "alf/one.unnamed.csv": ",a\n0,1\n1,2\n",
        "alf/two.fortran.npy": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "alf/two.long.npy": np.array(["x" * 3000, ""]),
        "alf/two.none.npy": np.empty((0,), "<U3"),
        "alf/two.nothing.npy": np.empty((3, 0)),
        "alf/two.infinite.npy": np.array([np.inf, -np.inf, np.nan, -0.0]),
        "alf/two.large.npy": np.arange(300_000, dtype=np.int32).reshape(-1, 3),
        "alf/two.flags.npy": np.tile([True, False], 50_000),
        "alf/two.nul.npy": np.array(["a\0b", "c"]),
        "alf/two.deep.npy": np.zeros((2, 1, 3, 1), np.uint16),
        "alf/two.tiny.npy": np.array([5e-324, 1.7e308]),
        "alf/three.times.npy": np.arange(4.0),
        "alf/three.values.npy": np.arange(12, dtype=np.int16).reshape(4, 3),
        "alf/three.words.npy": np.array(list("abcd")),
        "alf/three.flags.npy": np.array([True, False, True, True]),
        "alf/three.other.npy": np.arange(5),
        "alf/four.intervals.npy": np.array([[3.0, 4], [1, 2], [5, np.nan]]),
        "alf/four.values.npy": np.arange(3),
        "alf/five.times.npy": np.arange(70_000) / 1000,
        "alf/five.level.npy": np.random.default_rng(0).normal(size=70_000),
        "alf/five.timestamps.npy": np.array([[0, 0.0], [69_999, 70.0]]),
    }
