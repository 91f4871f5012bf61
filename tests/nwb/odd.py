"""Sessions that nobody would call usual, and that ALF allows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import fascicle

from . import odder
from .real import SAID

#: Datasets by their path, as arrays, tables, text or bytes.
Datasets = dict[str, Any]


def spikes(rng: np.random.Generator, n: int, ids: np.ndarray[Any, Any]) -> Datasets:
    """Return spikes of clusters with some ids, with many equal times."""
    times = np.sort(np.round(rng.uniform(0, 60, n), 2))
    return {
        "spikes.times.npy": times,
        "spikes.clusters.npy": rng.choice(ids, n),
        "spikes.amps.npy": rng.gamma(2, 4e-5, n),
        "spikes.depths.npy": rng.uniform(0, 3840, n).astype(np.float32),
        "spikes.samples.npy": (times * 30000).astype(np.uint64),
        "spikes.templates.npy": rng.integers(0, 500, n).astype(np.uint16),
    }


def clusters(rng: np.random.Generator, n: int) -> Datasets:
    """Return what is known of clusters, one row each."""
    return {
        "clusters.depths.npy": rng.uniform(0, 3840, n),
        "clusters.channels.npy": rng.integers(0, 20, n),
        "clusters.amps.npy": rng.gamma(2, 4e-5, n),
        "clusters.peakToTrough.npy": rng.normal(0.4, 0.1, n).astype(np.float32),
        "clusters.waveforms.npy": rng.normal(0, 1e-4, (n, 82, 4)).astype(np.float32),
        "clusters.waveformsChannels.npy": rng.integers(0, 20, (n, 4)),
    }


def channels(rng: np.random.Generator, n: int) -> Datasets:
    """Return what is known of channels, one row each."""
    place = rng.normal(0, 2000, (n, 3))
    place[0] = np.nan
    return {
        "channels.localCoordinates.npy": rng.integers(0, 3840, (n, 2)).astype(float),
        "channels.mlapdv.npy": place,
        "channels.brainLocationIds_ccf_2017.npy": rng.choice([997, -672, 385, 0], n),
        "channels.rawInd.npy": rng.permutation(n),
        "channels.labels.npy": rng.integers(0, 3, n).astype(np.float16),
    }


def ephys(rng: np.random.Generator) -> Datasets:
    """Return probes of which each is odd in its own way."""
    out: Datasets = {}

    def put(folder: str, *parts: Datasets) -> None:
        for part in parts:
            out.update({f"{folder}/{name}": values for name, values in part.items()})

    rows = np.arange(6)
    # Ids that are no rows: the table says which they are.
    ids = np.array([3, 17, 18, 40, 41, 99])
    put("alf/probe00/pykilosort", spikes(rng, 4000, ids.astype(np.uint16)), clusters(rng, 6))
    put("alf/probe00/pykilosort", channels(rng, 20))
    out["alf/probe00/pykilosort/clusters.metrics.pqt"] = pd.DataFrame(
        {
            "cluster_id": ids,
            "label": [1, 0.5, 0, np.nan, 1 / 3, 1],
            "ks2_label": ["good", "mua", None, "good", "", "mua"],
            "firing_rate": rng.gamma(2, 3, 6),
            "amp_median": rng.gamma(2, 4e-5, 6),
            "spike_count": rng.integers(0, 999, 6).astype(np.int32),
            "flag": [True, False] * 3,
        },
        index=pd.Index(ids, name="unit"),
    )
    # A second sorting of the same probe, sorted by nothing, of other clusters.
    unsorted = spikes(rng, 300, rows.astype(np.int64))
    order = rng.permutation(300)
    put("alf/probe00/ks4", {name: values[order] for name, values in unsorted.items()})
    # A probe whose spikes are not sorted, with clusters that no table has, and revisions.
    late = spikes(rng, 500, np.array([0, 1, 5, 12], np.int32))
    order = rng.permutation(500)
    put(
        "alf/probe01a/#2024-05-06#",
        {name: values[order] for name, values in late.items()},
        clusters(rng, 6),
    )
    put("alf/probe01a", {"spikes.times.npy": late["spikes.times.npy"][:7]})
    # Spikes alone, in single precision; no spike at all; channels alone; clusters alone.
    put(
        "alf/probe02_shank1",
        {
            "spikes.times.npy": np.sort(rng.uniform(0, 60, 99)).astype(np.float32),
            "spikes.clusters.npy": rng.integers(0, 5, 99).astype(">i4"),
        },
    )
    put("alf/probe03/ks", {k: v[:0] for k, v in spikes(rng, 3, rows).items()}, clusters(rng, 3))
    put("alf/probe04", channels(rng, 4))
    put("alf/probe05", clusters(rng, 5))
    return out


def behaviour(rng: np.random.Generator) -> Datasets:
    """Return trials, wheel, cameras and a passive protocol that lack something or have too much."""
    n = 40
    starts = np.cumsum(rng.uniform(2, 4, n))
    left = np.where(rng.random(n) < 0.5, rng.choice([0, 0.0625, 1], n), np.nan)
    right = np.where(np.isnan(left), 0.25, np.nan)
    right[3] = left[3] = 0.5  # on both sides
    left[4] = right[4] = np.nan  # on none
    choice = rng.choice([-1.0, 0.0, 1.0], n)
    choice[5], choice[6] = 2.0, np.nan
    feedback = rng.choice([-1.0, 1.0], n)
    feedback[7] = 0
    go = starts + 0.1
    go[8] = np.nan
    frames = 3000
    times = np.arange(frames) / 60 + rng.normal(0, 1e-4, frames)
    pose = pd.DataFrame(
        {
            f"{part}_{what}": rng.normal(100, 5, frames)
            for part in ("nose_tip", "paw_l")
            for what in ("x", "y", "likelihood")
        }
    )
    pose.iloc[5] = np.nan
    return {
        "alf/_ibl_trials.intervals.npy": np.stack([starts, starts + 1.5], axis=1),
        "alf/_ibl_trials.contrastLeft.npy": left,
        "alf/_ibl_trials.contrastRight.npy": right,
        "alf/_ibl_trials.choice.npy": choice,
        "alf/_ibl_trials.feedbackType.npy": feedback,
        "alf/_ibl_trials.goCue_times.npy": go,
        "alf/_ibl_trials.goCueTrigger_times.npy": go.astype(np.float32),
        "alf/_ibl_trials.probabilityLeft.npy": np.append(np.full(n - 1, 0.2), np.nan),
        "alf/_ibl_trials.rewardVolume.npy": rng.choice([0, 1.5], n),
        "alf/_ibl_trials.included.npy": rng.random(n) < 0.5,
        "alf/_ibl_trials.repNum.npy": rng.integers(0, 9, n).astype(np.int8),
        "alf/_ibl_trials.position.npy": rng.normal(0, 1, (n, 3)),
        "alf/_ibl_trials.tooFew.npy": np.arange(n - 3),
        "alf/_ibl_trials.label.npy": np.array([f"t{k}" for k in range(n)]),
        "alf/_ibl_wheel.position.npy": np.cumsum(rng.normal(0, 0.01, 5000)).astype(np.float32),
        "alf/_ibl_wheel.timestamps.npy": np.cumsum(rng.uniform(0.001, 0.02, 5000)),
        "alf/_ibl_wheel.velocity.npy": rng.normal(0, 1, 5000),
        "alf/_ibl_wheelMoves.intervals.npy": np.stack([starts, starts + 3.5], axis=1),
        "alf/_ibl_wheelMoves.peakAmplitude.npy": rng.normal(0, 1, n),
        "alf/_ibl_wheelMoves.type.csv": pd.DataFrame({"type": ["a", "b"] * (n // 2)}),
        "alf/licks.times.npy": np.array([3.0, 1.0, 2.0, 2.0]),
        "alf/_ibl_leftCamera.times.npy": times,
        "alf/_ibl_leftCamera.lightningPose.pqt": pose,
        "alf/_ibl_leftCamera.features.pqt": pd.DataFrame(
            {"pupilDiameter_raw": rng.normal(9, 1, frames + 5), "pupilDiameter_smooth": 9.0}
        ),
        "alf/leftCamera.ROIMotionEnergy.npy": rng.gamma(2, 2, frames - 3),
        "alf/leftROIMotionEnergy.position.npy": np.array([100, 50, 7, 8], np.uint16),
        "alf/_ibl_rightCamera.dlc.pqt": pose.astype(np.float32).iloc[:100],
        "alf/_ibl_bodyCamera.times.npy": times[:0],
        "alf/bodyCamera.ROIMotionEnergy.npy": rng.gamma(2, 2, 50),
        "alf/_ibl_passivePeriods.intervalsTable.csv": (
            ",passiveProtocol,spontaneousActivity,RFM\nstart,100.5,100.5,\nstop,900.25,400.0,700\n"
        ),
        "alf/_ibl_passiveStims.table.csv": (
            "valveOn,valveOff,toneOn,toneOff,noiseOn,noiseOff\n"
            "1.5,1.6,2.5,2.6,3.5,3.6\n4.5,4.6,5.5,5.6,,\n"
        ),
        "alf/_ibl_passiveGabor.table.csv": (
            "start,stop,position,contrast,phase\n7.5,7.8,-35,0.25,1.57\n7.7,8.0,35,1.0,0\n"
        ),
        "alf/_ibl_passiveRFM.times.npy": np.arange(30) / 10 + 700,
        "raw_passive_data/_iblrig_RFMapStim.raw.bin": rng.integers(
            0, 255, 30 * 225, dtype=np.uint8
        ).tobytes(),
    }


def others(rng: np.random.Generator) -> Datasets:
    """Return objects that nobody knows, in all forms that a file may have."""
    frame = pd.DataFrame(
        {
            "name": ["a", None, "ü"],
            "count": np.array([1, 2, 3], np.int16),
            "maybe": pd.array([1, None, 3], dtype="Int64"),
            "kind": pd.Categorical(["u", "v", "u"], ["v", "u"], ordered=True),
            "when": pd.to_datetime(["2020-01-01", "NaT", "2022-01-01"]),
            "zoned": pd.to_datetime(["2020-01-01", "2021-01-01", "2022-01-01"], utc=True),
            "lists": [[1, 2], [], [3]],
            "flag": pd.array([True, None, False], dtype="boolean"),
        }
    )
    structured = np.array([(1, 2.5, "x"), (3, -1, "y")], "i4, f8, U3")
    return {
        "alf/thing.scalar.npy": np.array(3.5),
        "alf/thing.count.npy": np.array(7, np.uint8),
        "alf/thing.text.npy": np.array("one"),
        "alf/thing.empty.npy": np.empty((0, 3), np.float32),
        "alf/thing.swapped.npy": np.arange(5, dtype=">f8"),
        "alf/thing.flags.npy": np.array([[True, False], [False, True]]),
        "alf/thing.cube.npy": rng.normal(size=(3, 4, 5)),
        "alf/thing.complex.npy": np.array([1 + 2j, 3]),
        "alf/thing.half.npy": np.arange(4, dtype=np.float16),
        "alf/thing.when.npy": np.array(["2020-01-01", "NaT"], "M8[ns]"),
        "alf/thing.took.npy": np.array([5, 6], "m8[ms]"),
        "alf/thing.words.npy": np.array(["", "ü", "three"]),
        "alf/thing.bytes.npy": np.array([b"a", b"bc"]),
        "alf/thing.records.npy": structured,
        "alf/thing.huge.npy": np.array([2**63 - 1, -(2**63)]),
        "alf/thing.unsigned.npy": np.array([2**64 - 1], np.uint64),
        "alf/thing.column.npy": np.arange(4.0)[:, None],
        "alf/thing.table.pqt": frame,
        "alf/thing.plain.pqt": frame[["count"]],
        "alf/thing.none.pqt": pd.DataFrame(),
        "alf/thing.rows.pqt": pd.DataFrame({"a": [1.5, 2.5]}, index=pd.Index(["x", "y"], name="k")),
        "alf/thing.missing.csv": "a,b\n1,x\n,NA\n3,\n",
        "alf/thing.single.csv": "only\nx\ny\n",
        "alf/thing.tabs.tsv": "a\tb\n1\t2\n",
        "alf/thing.labels.htsv": "cluster_id\tgroup\n0\tgood\n",
        "alf/thing.spaces.ssv": "a b\n1 2\n3 4\n",
        "alf/thing.said.json": json.dumps({"a": [1, None, "ü"], "b": float("nan")}),
        "alf/thing.lines.jsonable": '{"a": 1}\n\n[2]\n',
        "alf/thing.setup.yaml": "a: [1, 2]\nb: text\n",
        "alf/thing.notes.txt": "für später\r\n",
        "alf/thing.image.png": b"\x89PNG\r\n\x1a\n\x00\xff",
        "alf/_ns_odd.values_clock.extra.npy": np.arange(3),
        "alf/#2020-01-01#/signal.times.npy": np.arange(6) / 7,
        "alf/signal.values.npy": rng.normal(size=(6, 2)),
        "alf/signal.gain.npy": np.float64(2),
        "alf/stretch.intervals.npy": np.array([[0.0, 1], [2, 3]]),
        "alf/stretch.labels.tsv": "label\nfirst\nsecond\n",
        "alf/backward.times.npy": np.array([3.0, 2.0, np.nan]),
        "alf/backward.values.npy": np.arange(3),
        "alf/a/b/c/deep.values.npy": np.arange(3),
        "top.values.npy": np.arange(2),
    }


def odd_lab(folder: Path) -> Path:
    """Write sessions of spikes, of behaviour, and of things that have no name, and index them."""
    rng = np.random.default_rng(8)
    whole = {
        "001": ephys(rng),
        "002": behaviour(rng),
        "003": others(rng),
        "004": odder.ephys(),
        "005": odder.behaviour(),
        "006": odder.tables(),
    }
    for number, datasets in whole.items():
        session = folder / "oddlab/Subjects/odd-1" / "2023-02-03" / number
        for path, values in datasets.items():
            place = session / path
            place.parent.mkdir(parents=True, exist_ok=True)
            write(place, values)
        (session / "session.yaml").write_text(SAID.format(date="2023-02-03"), encoding="utf-8")
    fascicle.index(folder)
    return folder


def write(place: Path, values: Any) -> None:
    """Write a dataset as its name wants it."""
    if isinstance(values, bytes):
        place.write_bytes(values)
    elif isinstance(values, str):
        place.write_bytes(values.encode())
    elif isinstance(values, pd.DataFrame) and place.suffix == ".pqt":
        values.to_parquet(place)
    elif isinstance(values, pd.DataFrame):
        values.to_csv(place, index=False)
    else:
        np.save(place, values)
