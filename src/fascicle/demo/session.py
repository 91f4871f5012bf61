"""Write one synthetic session as a folder of ALF files."""

from __future__ import annotations

import uuid
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.demo import behaviour, cameras, passive, raw, video
from fascicle.demo.files import save, save_object
from fascicle.demo.legacy import write_legacy
from fascicle.demo.roster import ProbePlan, SessionPlan, Size, get_size
from fascicle.demo.spikes import (
    SAMPLE_RATE,
    Stimuli,
    make_metrics,
    make_spikes,
    probe_seconds,
    stimuli_of,
)
from fascicle.demo.tracks import TRACKS, make_channels
from fascicle.demo.units import Units, make_units

Array = NDArray[Any]

REVISION = "2024-05-06"
CAMERAS = {"left": 1.0, "right": 2.0, "body": 0.5}


def chance(seed: int, *names: str) -> np.random.Generator:
    """Return the source of chance for something named: the same for the same seed and names."""
    return np.random.default_rng([seed, *(zlib.crc32(name.encode()) for name in names)])


def make_session(
    folder: Path | str, plan: SessionPlan, *, size: str | Size = "small", seed: int = 0
) -> Path:
    """Write one session into a lab's folder.

    Parameters
    ----------
    folder : path-like
        The lab's root; the session's own folders are made below it.
    plan : SessionPlan
        What the session holds.
    size : str or Size
        Frame rates and lengths; numbers of trials and units come from the plan.
    seed : int
        The same seed gives the same bytes, whichever other sessions are made.

    Returns
    -------
    pathlib.Path
        The session's folder.

    Examples
    --------
    >>> from dataclasses import replace
    >>> plan = next(p for p in plan_lab("tiny") if p.kind == "ephys")
    >>> make_session("lab", replace(plan, subject="mine", units=10))  # doctest: +SKIP
    PosixPath('lab/churchlandlab_ucla/Subjects/mine/2023-10-19/001')
    """
    size = get_size(size)
    session = Path(folder) / plan.path
    if plan.kind == "legacy":
        write_legacy(chance(seed, plan.path), session / "alf")
        return session
    rng = chance(seed, plan.path)
    trials = behaviour.make_trials(
        rng, plan.trials, skill=plan.skill, biased=plan.kind != "training"
    )
    alf = session / "alf"
    tabled = plan.kind == "ephys" or "tables" in plan.extras
    _write_trials(alf, trials, tabled=tabled)
    if "wheel" in plan.extras:
        for name, attributes in behaviour.make_wheel(rng, trials).items():
            save_object(alf, f"_ibl_{name}", attributes)
    licks = behaviour.make_licks(rng, trials)
    if "licks" in plan.extras:
        save(alf, "licks.times.npy", licks)
        if plan.kind == "ephys" and "audio" in plan.extras:  # found again with better tracking
            save(alf, "#2023-04-20#/licks.times.npy", np.sort(rng.permutation(licks)[20:]))
    end = float(trials["intervals"][-1, 1]) + 5
    shown = None
    if "passive" in plan.extras:
        shown = passive.make_passive(rng, end, size.passive_seconds)
        _write_passive(session, shown)
        end = float(shown.periods.max()) + 1
    if "audio" in plan.extras:
        heard = passive.audio_spectrogram(rng, trials, end, 1.0)
        save_object(session / "raw_behavior_data", "_iblmic_audioSpectrogram", heard)
    if plan.extras & {"pose", "pupil", "motion", "video"}:
        _write_cameras(rng, session, plan, size, trials, licks, end)
    if plan.probes:
        _write_probes_table(alf, plan)
        stimuli = stimuli_of(trials, shown.stimuli if shown else None)
        for probe in plan.probes:
            own = chance(seed, plan.path, probe.name)
            _write_probe(own, session, plan, probe, size, stimuli, end)
    return session


def _write_trials(alf: Path, trials: behaviour.Trials, *, tabled: bool) -> None:
    if not tabled:
        for name in behaviour.FILES:
            save(alf, f"_ibl_trials.{name}.npy", trials[name])
        return
    apart = ("goCueTrigger_times", "quiescencePeriod", "stimOff_times", "stimOnTrigger_times")
    columns = {"intervals_0": trials["intervals"][:, 0], "intervals_1": trials["intervals"][:, 1]}
    skipped = (*apart, "intervals", "included", "repNum")
    columns |= {name: value for name, value in trials.items() if name not in skipped}
    save(alf, "_ibl_trials.table.pqt", columns)
    for name in apart:
        save(alf, f"_ibl_trials.{name}.npy", trials[name])


def _write_passive(session: Path, shown: passive.Passive) -> None:
    alf = session / "alf"
    path = save(alf, "_ibl_passivePeriods.intervalsTable.csv", {})
    path.write_bytes(passive.periods_csv(shown.periods))
    save(alf, "_ibl_passiveGabor.table.csv", shown.gabor)
    save(alf, "_ibl_passiveStims.table.csv", shown.sounds)
    save(alf, "_ibl_passiveRFM.times.npy", shown.frame_times)
    save(session / "raw_passive_data", "_iblrig_RFMapStim.raw.bin", shown.frames.tobytes())


def _write_cameras(
    rng: np.random.Generator,
    session: Path,
    plan: SessionPlan,
    size: Size,
    trials: behaviour.Trials,
    licks: Array,
    end: float,
) -> None:
    alf = session / "alf"
    tracker = "lightningPose" if plan.date.year >= 2022 else "dlc"
    for camera, factor in CAMERAS.items():
        times = cameras.frame_times(rng, end, size.frame_rate * factor)
        save(alf, f"_ibl_{camera}Camera.times.npy", times)
        if "motion" in plan.extras:
            energy = cameras.motion_energy(rng, times, trials)
            save(alf, f"{camera}Camera.ROIMotionEnergy.npy", energy)
            box = np.array([120, 90, 380, 610], np.int64)
            save(alf, f"{camera}ROIMotionEnergy.position.npy", box)
        if camera != "left":
            continue
        pupil = cameras.pupil_diameter(rng, times, trials)
        if "pupil" in plan.extras:
            save(alf, "_ibl_leftCamera.features.pqt", pupil)
        smooth = pupil["pupilDiameter_smooth"]
        if "pose" in plan.extras:
            parts = cameras.pose(rng, times, trials, smooth, licks)
            save(alf, f"_ibl_leftCamera.{tracker}.pqt", parts)
        if "video" in plan.extras:
            n = size.video_frames
            film = video.make_frames(smooth[:n], cameras.movement_trace(times[:n], trials))
            path = session / "raw_video_data" / "_iblrig_leftCamera.raw.mp4"
            video.write_mp4(path, film, rate=size.frame_rate)


def _write_probes_table(alf: Path, plan: SessionPlan) -> None:
    """Write what a rig knows of its probes: models and serials, and how they were put in."""
    save(
        alf,
        "probes.description.json",
        [
            {
                "label": probe.name,
                "model": probe.model,
                "serial": serial_of(plan, probe),
                "raw_file_name": f"{probe.name}/_spikeglx_ephysData_g0_t0.imec{n}.ap.bin",
            }
            for n, probe in enumerate(plan.probes)
        ],
    )
    save(
        alf,
        "probes.trajectory.json",
        [{"label": probe.name, **trajectory_of(probe)} for probe in plan.probes],
    )


def serial_of(plan: SessionPlan, probe: ProbePlan) -> str:
    """Return a probe's serial number: its own, or one that follows from lab and name."""
    return probe.serial or str(18_000_000_000 + zlib.crc32(f"{plan.lab} {probe.name}".encode()))


def trajectory_of(probe: ProbePlan) -> dict[str, float]:
    """Return the planned way of a probe: x, y, z and depth in µm, theta, phi, roll in degrees."""
    track = TRACKS[probe.track]
    phi = 180.0 if track.ml < 0 else 0.0
    place = {"x": track.ml, "y": track.ap, "z": track.dv, "depth": 3840.0 - track.beyond}
    return place | {"theta": track.tilt, "phi": phi, "roll": 0.0}


def _write_probe(
    rng: np.random.Generator,
    session: Path,
    plan: SessionPlan,
    probe: ProbePlan,
    size: Size,
    stimuli: Stimuli,
    end: float,
) -> None:
    channels = make_channels(rng, probe.track, signed=probe.signed)
    units = make_units(rng, channels, plan.units)
    side = float(np.sign(channels["mlapdv"][:, 0].mean()))
    spikes = make_spikes(rng, units, stimuli, end, side=side)
    sorted_into = session / "alf" / probe.name / "pykilosort"
    located = {"brainLocationIds_ccf_2017", "mlapdv"}
    save_object(sorted_into, "channels", {k: v for k, v in channels.items() if k in located})
    found = {k: v for k, v in channels.items() if k not in located}
    if probe.revised:
        # The first sorting found fewer units and missed spikes; the channels' place in the brain
        # was not worked out again, so the default revision of a probe is a mixture.
        save_object(sorted_into, "channels", {k: v for k, v in found.items() if k != "labels"})
        _write_sorting(rng, sorted_into, *_worse(rng, units, spikes), end, full=False)
        sorted_into = sorted_into / f"#{REVISION}#"
    save_object(sorted_into, "channels", found)
    _write_sorting(rng, sorted_into, units, spikes, end, full=True)
    if probe.traced:
        _write_traced(session / "alf" / probe.name, channels)
    if "raw" in plan.extras and probe is plan.probes[0]:
        _write_raw(rng, session, plan, probe, units, spikes, size, end)


def _write_sorting(
    rng: np.random.Generator,
    folder: Path,
    units: Units,
    spikes: dict[str, Array],
    end: float,
    *,
    full: bool,
) -> None:
    n = len(units)
    brief = ("amps", "clusters", "depths", "times")
    save_object(folder, "spikes", spikes if full else {k: spikes[k] for k in brief})
    mean, channels = raw.waveforms(units)
    metrics = make_metrics(units, spikes, end, rng)
    names = [str(uuid.UUID(bytes=rng.bytes(16), version=4)) for _ in range(n)]
    save_object(
        folder,
        "clusters",
        {
            "amps": np.nan_to_num(metrics["amp_median"], nan=0.0),
            "channels": units.channel.astype(np.int64),
            "depths": units.depth.astype(np.float32),
            "peakToTrough": units.width,
        },
    )
    save(folder, "clusters.uuids.csv", {"uuids": names})
    save(
        folder,
        "clusters.metrics.pqt",
        {"cluster_id": metrics["cluster_id"], "uuids": names} | metrics,
    )
    if full:
        save_object(folder, "clusters", {"waveforms": mean, "waveformsChannels": channels})


def _worse(
    rng: np.random.Generator, units: Units, spikes: dict[str, Array]
) -> tuple[Units, dict[str, Array]]:
    """Return what an older sorter would have found: three units of five, nine spikes of ten."""
    kept = np.sort(rng.choice(len(units), size=max(1, len(units) * 3 // 5), replace=False))
    number = np.full(len(units), -1)
    number[kept] = np.arange(kept.size)
    of = number[spikes["clusters"].astype(np.intp)]
    seen = (of >= 0) & (rng.random(of.size) < 0.9)
    fewer = {name: values[seen] for name, values in spikes.items()}
    fewer["clusters"] = fewer["templates"] = of[seen].astype(np.uint32)
    some = Units(*(getattr(units, name)[kept] for name in Units.__slots__))
    return some, fewer


def _write_traced(folder: Path, channels: dict[str, Array]) -> None:
    """Write the traced track: all 960 sites of the shank, some of them without a channel."""
    along = channels["localCoordinates"][:, 1]
    site = np.arange(960)
    at = 20.0 * (site // 2 + 1)
    near = np.searchsorted(np.unique(along), np.minimum(at, along.max())) * 2
    beyond = at > along.max()
    ids = channels["brainLocationIds_ccf_2017"][near]
    ids[beyond] = 0
    place = channels["mlapdv"][near].copy()
    place[beyond, 2] += (at[beyond] - along.max()).astype(np.int32)
    across = np.array([43.0, 11.0, 59.0, 27.0])[site % 4]
    save_object(
        folder,
        "electrodeSites",
        {
            "brainLocationIds_ccf_2017": ids,
            "localCoordinates": np.column_stack([across, at]).astype(np.float32),
            "mlapdv": place,
        },
    )


def _write_raw(
    rng: np.random.Generator,
    session: Path,
    plan: SessionPlan,
    probe: ProbePlan,
    units: Units,
    spikes: dict[str, Array],
    size: Size,
    end: float,
) -> None:
    folder = session / "raw_ephys_data" / probe.name
    stem = "_spikeglx_ephysData_g0_t0.imec0"
    data = raw.make_recording(rng, units, spikes, size.raw_seconds)
    chunk = min(1.0, size.raw_seconds / 4)
    raw.write_cbin(folder / f"{stem}.ap.cbin", data, chunk_seconds=chunk)
    raw.write_meta(
        folder / f"{stem}.ap.meta",
        data,
        serial=serial_of(plan, probe),
        created=f"{plan.date:%Y-%m-%d}T14:02:11",
    )
    clock = np.array([0.0, end])
    own = probe_seconds(clock)
    save(folder, f"{stem}.sync.npy", np.column_stack([own, clock]))
    save(folder, f"{stem}.timestamps.npy", np.column_stack([own * SAMPLE_RATE, clock]))
