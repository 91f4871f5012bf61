"""Sessions to convert: ``python -m benchmarks.conversions FOLDER {real,small}``.

``session`` is a folder with one session as large as real ones are: two probes, trials, wheel, three
cameras, passive protocol. ``cbin`` and ``bin`` have a session each with one raw recording.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import fascicle
from fascicle.demo import behaviour, cameras, raw
from fascicle.demo.files import save
from fascicle.demo.roster import EVERYTHING, Size, plan_lab
from fascicle.demo.session import make_session

#: Units of a probe, spikes of a probe, trials, samples of the wheel, seconds of raw recording.
SIZES = {
    "real": (600, 9_861_500, 1_000, 613_000, 120.0),
    "small": (30, 60_000, 90, 9_000, 3.0),
}
#: What the folders cannot know.
FACTS = """
session:
  start_time: "2021-02-04T10:02:11"
  timezone: America/New_York
  session_description: made for a benchmark
  experiment_description: made for a benchmark
  experimenter: ["Doe, Jane"]
  keywords: [benchmark]
  institution: none
subject: {species: Mus musculus, sex: F, age: P90D, description: a mouse that never was}
"""
#: Counts of the noise of a Neuropixels 1.0, of each channel by itself and of all together.
NOISE, COMMON = 4.5, 2.0
RAW = "lab/Subjects/mouse/2021-02-04/001"


def main(folder: Path, size: str) -> None:
    """Write all."""
    units, spikes, trials, wheel, seconds = SIZES[size]
    write_session(folder / "session", units, spikes, trials, wheel)
    data = recording(seconds)
    for packed in (True, False):
        write_raw(folder / ("cbin" if packed else "bin"), data, packed=packed)
    folder.joinpath(".complete").touch()


def write_session(lab: Path, units: int, n_spikes: int, n_trials: int, n_wheel: int) -> None:
    """Write a session with all that the mapping knows but raw recordings and videos."""
    plan = next(p for p in plan_lab("tiny") if p.kind == "ephys" and len(p.probes) == 2)
    probes = tuple(replace(p, revised=False, traced=False) for p in plan.probes)
    extras = EVERYTHING - {"raw", "video"}
    plan = replace(plan, probes=probes, units=units, trials=n_trials, extras=extras)
    seconds = 300.0 if n_trials > 500 else 20.0
    size = Size("bench", 1, n_trials, units, units, frame_rate=60.0, passive_seconds=seconds)
    session = make_session(lab, plan, size=size, seed=1)
    alf, rng = session / "alf", np.random.default_rng(2)
    for probe in plan.probes:
        _thin(alf / probe.name / "pykilosort", n_spikes, rng)
    _faster_wheel(alf, n_wheel, rng)
    _right_camera(alf, n_trials, rng)
    for camera in ("left", "right"):
        _tracked(alf, camera, rng)
    session.joinpath("session.yaml").write_text(FACTS)
    fascicle.index(lab)


def _thin(folder: Path, n: int, rng: np.random.Generator) -> None:
    """Keep so many of the spikes, whichever they are."""
    total = len(np.load(folder / "spikes.times.npy", mmap_mode="r"))
    kept = np.sort(rng.choice(total, min(n, total), replace=False))
    for file in folder.glob("spikes.*.npy"):
        np.save(file, np.load(file)[kept])


def _faster_wheel(alf: Path, n: int, rng: np.random.Generator) -> None:
    """Sample the wheel as often as rigs do: where it moves, in steps of its encoder."""
    times = np.load(alf / "_ibl_wheel.timestamps.npy")
    position = np.load(alf / "_ibl_wheel.position.npy")
    at = np.sort(rng.uniform(times[0], times[-1], n))
    step = 2 * np.pi / 4096
    save(alf, "_ibl_wheel.timestamps.npy", at)
    save(alf, "_ibl_wheel.position.npy", np.rint(np.interp(at, times, position) / step) * step)


def _right_camera(alf: Path, n_trials: int, rng: np.random.Generator) -> None:
    """Let the right camera take 150 frames a second, and track what it sees."""
    end = float(np.load(alf / "_ibl_rightCamera.times.npy")[-1]) + 1.0
    trials = behaviour.make_trials(rng, n_trials)
    times = cameras.frame_times(rng, end, 150.0)
    save(alf, "_ibl_rightCamera.times.npy", times)
    save(alf, "rightCamera.ROIMotionEnergy.npy", cameras.motion_energy(rng, times, trials))
    pupil = cameras.pupil_diameter(rng, times, trials)
    save(alf, "_ibl_rightCamera.features.pqt", pupil)
    licks = np.load(alf / "licks.times.npy")
    smooth = pupil["pupilDiameter_smooth"]
    tracker = next(alf.glob("_ibl_leftCamera.*e.pqt"), None)  # lightningPose, after 2022
    name = "lightningPose" if tracker else "dlc"
    save(alf, f"_ibl_rightCamera.{name}.pqt", cameras.pose(rng, times, trials, smooth, licks))


def _tracked(alf: Path, camera: str, rng: np.random.Generator) -> None:
    """Let a pose be as trackers write it: eleven points, in numbers of all their digits."""
    (file,) = [f for f in alf.glob(f"_ibl_{camera}Camera.*.pqt") if "features" not in f.name]
    pose = pd.read_parquet(file).astype(np.float64)
    for part in ("tube_top", "tube_bottom"):
        for column, middle in (("x", 300.0), ("y", 200.0), ("likelihood", 0.9)):
            pose[f"{part}_{column}"] = middle
    likely = [name for name in pose if name.endswith("_likelihood")]
    pose += rng.normal(0, 0.05, pose.shape)
    pose[likely] = 1 - np.abs(1 - pose[likely])
    pose.to_parquet(file, index=False)


def recording(seconds: float) -> np.ndarray:
    """Return counts of 384 channels and a word: noise as a Neuropixels 1.0 has it."""
    n, rate = int(seconds * raw.SAMPLE_RATE), int(raw.SAMPLE_RATE)
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((3 * rate, 384), dtype=np.float32) * NOISE
    data = np.empty((n, 385), np.int16)
    for first in range(0, n, rate):  # the same noise from another sample on, as it costs less
        rows = min(rate, n - first)
        begin = int(rng.integers(0, 2 * rate))
        common = rng.standard_normal((rows, 1), dtype=np.float32) * COMMON
        data[first : first + rows, :384] = np.rint(noise[begin : begin + rows] + common)
    data[:, 384] = np.where(np.arange(n) // 15_000 % 2, 64, 0)
    return data


def write_raw(lab: Path, data: np.ndarray, *, packed: bool) -> None:
    """Write a session of one raw recording with the table of its channels."""
    session = lab / RAW
    folder = session / "raw_ephys_data" / "probe00"
    file = folder / "_spikeglx_ephysData_g0_t0.imec0.ap.cbin"
    raw.write_meta(file.with_suffix(".meta"), data, serial="1", created="2021-02-04T10:02:11")
    if packed:
        raw.write_cbin(file, data)
    else:
        data.tofile(file.with_suffix(".bin"))
    ends = np.array([[0.0, 0.5], [len(data) / raw.SAMPLE_RATE, 0.5 + len(data) / 29_999.9]])
    save(folder, "_spikeglx_ephysData_g0_t0.imec0.sync.npy", ends)
    rows = np.arange(384)
    places = np.column_stack([16.0 * (rows % 2), 20.0 * (rows // 2)])
    alf = session / "alf" / "probe00"
    save(alf, "channels.rawInd.npy", rows)
    save(alf, "channels.localCoordinates.npy", places.astype(np.float32))
    save(alf, "channels.brainLocationIds_ccf_2017.npy", np.full(384, 997))
    session.joinpath("session.yaml").write_text(FACTS)
    fascicle.index(lab)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
