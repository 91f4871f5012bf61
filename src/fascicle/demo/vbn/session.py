"""Write the file of an electrophysiology session."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.demo.vbn import common
from fascicle.demo.vbn.neurons import make_spikes, make_waveforms, share_spikes
from fascicle.demo.vbn.recording import (
    CHANNELS,
    METRICS,
    SAMPLES,
    Recording,
    chance,
    plan_recording,
)
from fascicle.demo.vbn.signals import RIG, make_eye
from fascicle.demo.vbn.timeline import Timeline, make_timeline
from fascicle.demo.vbn.tree import Column, Tree, new_tree, texts

Array = NDArray[Any]

#: Options of `write_session`; ``real`` makes 1.8 GB, as much as a session of the project.
SIZES: Mapping[str, Mapping[str, Any]] = {
    "small": {},
    "real": {
        "units": 2_000,
        "probes": 6,
        "spikes": 60_000_000,
        "presentations": 13_000,
        "trials": 451,
        "image_shape": (1200, 1920),
    },
}

_BATCH = 1 << 20  # values that are written at once
_EYE = "/acquisition/EyeTracking"


def write_session(
    path: Path | str,
    recording: Recording | None = None,
    *,
    seed: int = 0,
    units: int = 80,
    probes: int = 2,
    spikes: int = 16_000,
    presentations: int = 333,
    trials: int | None = None,
    eye_tracking: bool = True,
    backwards: bool = False,
    image_shape: tuple[int, int] = (60, 96),
    waveform_rows: int = CHANNELS,
    **about: Any,
) -> Path:
    """Write the file of a synthetic session, with all that a real one has.

    Memory stays bounded whatever the size: spikes and waveforms are made and written in pieces.

    Parameters
    ----------
    path : path-like
        The file, which is replaced if it is there; it appears when it is whole.
    recording : Recording, optional
        Which session; by default one is planned with ``units``, ``probes`` and ``about``.
    seed : int
        The same seed and sizes give the same bytes.
    units, probes : int
        How many units all probes have together, and how many probes there are.
    spikes : int
        How many spikes all units have together.
    presentations : int
        How many stimuli were shown, of all kinds.
    trials : int, optional
        How many; by default one for each eleven flashes of the task.
    eye_tracking : bool
        False leaves out the eye, as some sessions do.
    backwards : bool
        Whether the wheel's encoder was mounted the other way round.
    image_shape : tuple of int
        Rows and columns of the images; real ones have 1200 and 1920.
    waveform_rows : int
        Channels of each mean waveform; real ones have all 384 of the probe.
    **about
        What else `plan_recording` takes: numbers, the type of session, the mouse.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    ConfigurationError
        If the numbers do not fit together.
    """
    plan = recording or plan_recording(seed=seed, units=units, probes=probes, **about)
    timeline = make_timeline(plan, presentations=presentations, trials=trials, seed=seed)
    with new_tree(path, seed=f"{seed}/session/{plan.ecephys_session_id}") as tree:
        common.write_head(tree, plan, str(plan.ecephys_session_id), plan.session_type)
        common.write_task(tree, plan, len(timeline.frames), image_shape)
        if eye_tracking:
            _write_eye(tree, plan, timeline, seed)
        common.write_running(tree, timeline, seed=seed, backwards=backwards)
        common.write_behavior(tree, timeline)
        write_probes(tree, plan)
        write_electrodes(tree, plan, np.arange(len(plan.channels["id"])))
        common.write_trials(tree, plan, timeline)
        for name in timeline.stimuli:
            common.write_presentations(tree, name, timeline)
        _write_optotagging(tree, timeline, seed)
        _write_units(tree, plan, timeline, spikes=spikes, rows=waveform_rows, seed=seed)
    return Path(path)


def write_probes(tree: Tree, plan: Recording) -> None:
    """Write devices and groups of electrodes."""
    for probe in plan.probes:
        device = f"/general/devices/{probe.name}"
        tree.group(
            device,
            "ndx-aibs-ecephys:EcephysProbe",
            description="Neuropixels 1.0 Probe",
            manufacturer="imec",
            probe_id=probe.id,
            sampling_rate=float(probe.sampling_rate),
        )
        group = f"/general/extracellular_ephys/{probe.name}"
        tree.group(
            group,
            "ndx-aibs-ecephys:EcephysElectrodeGroup",
            description="Ecephys Electrode Group",
            location="See electrode locations",
            probe_id=probe.id,
            has_lfp_data=np.bool_(probe.has_lfp_data),
            lfp_sampling_rate=float(probe.lfp_sampling_rate),
        )
        tree.link(f"{group}/device", device)


def write_electrodes(tree: Tree, plan: Recording, which: Array) -> None:
    """Write the table of channels, or of some of them."""
    import h5py

    of = {name: values[which] for name, values in plan.channels.items()}
    references = [tree.h5[f"general/extracellular_ephys/{p.name}"].ref for p in plan.probes]
    groups = np.array([references[p] for p in of["probe"]], dtype=h5py.ref_dtype)
    names = texts([plan.probes[p].name for p in of["probe"]])
    ids = np.array([plan.probes[p].id for p in of["probe"]], dtype=np.int64)
    n = len(which)
    columns = {
        "location": Column(
            of["acronym"], "the location of channel within the subject e.g. brain region"
        ),
        "group": Column(groups, "a reference to the ElectrodeGroup this electrode is a part of"),
        "group_name": Column(names, "the name of the ElectrodeGroup this electrode is a part of"),
        "probe_vertical_position": Column(
            of["vertical"].astype(np.int64),
            "Length-wise position of electrode/channel on device (microns)",
        ),
        "probe_horizontal_position": Column(
            of["horizontal"].astype(np.int64),
            "Width-wise position of electrode/channel on device (microns)",
        ),
        "probe_id": Column(ids, "The unique id of this electrode's/channel's device"),
        "probe_channel_number": Column(
            of["number"].astype(np.int64), "The local index of electrode/channel on device"
        ),
        "valid_data": Column(
            of["valid"].astype(bool), "Whether data from this electrode/channel is usable"
        ),
        "x": Column(of["ap"].astype(float), "the x coordinate of the position (+x is posterior)"),
        "y": Column(of["dv"].astype(float), "the y coordinate of the position (+y is inferior)"),
        "z": Column(of["lr"].astype(float), "the z coordinate of the position (+z is right)"),
        "imp": Column(np.full(n, np.nan), "the impedance of the electrode, in ohms"),
        "filtering": Column(
            texts([common.FILTERING] * n),
            "description of hardware filtering, including the filter name and frequency cutoffs",
        ),
    }
    tree.table(
        "/general/extracellular_ephys/electrodes",
        columns,
        description="metadata about extracellular electrodes",
        ids=of["id"].astype(np.int64),
    )


def _write_eye(tree: Tree, plan: Recording, timeline: Timeline, seed: int) -> None:
    begin, end = timeline.span
    eye = make_eye((begin - 12.0, end + 74.0), seed=seed)
    tree.group(_EYE, "ndx-ellipse-eye-tracking:EllipseEyeTracking")
    own = f"{_EYE}/eye_tracking/timestamps"
    for name in ("eye_tracking", "corneal_reflection_tracking", "pupil_tracking"):
        fits = eye[name]
        tree.series(
            f"{_EYE}/{name}",
            fits.pop("data"),
            eye["times"] if name == "eye_tracking" else own,
            unit="meters",
            kind="ndx-ellipse-eye-tracking:EllipseSeries",
        )
        tree.data(f"{_EYE}/{name}/reference_frame", "nose")
        for part, values in fits.items():
            tree.data(f"{_EYE}/{name}/{part}", values)
    tree.series(f"{_EYE}/likely_blink", eye["likely_blink"], own, unit="N/A", description="blinks")
    module = "/processing/eye_tracking_rig_metadata"
    tree.group(module, "core:ProcessingModule", description="Eye tracking rig metadata module")
    rig = f"{module}/eye_tracking_rig_metadata"
    tree.group(
        rig,
        "ndx-aibs-behavior-ophys:OphysEyeTrackingRigMetadata",
        equipment=plan.equipment_name,
    )
    for name, place in RIG.items():
        unit = "deg" if name.endswith("rotation") else "mm"
        tree.data(f"{rig}/{name}", np.array(place), unit_of_measurement=unit)


def _write_optotagging(tree: Tree, timeline: Timeline, seed: int) -> None:
    draw = chance(seed, "optotagging")
    kinds = (
        ("pulse", "a single square pulse", 0.005),
        ("pulse", "a single square pulse", 0.01),
        ("raised_cosine", "half-period of a cosine wave", 1.0),
    )
    each = [(kind, level) for kind in kinds for level in (1.0, 1.2, 1.3) for _ in range(2)]
    each = [each[k] for k in draw.permutation(len(each))]
    duration = np.array([kind[2] for kind, _ in each])
    start = timeline.span[1] + 60 + np.cumsum(draw.uniform(1.8, 2.2, len(each)))
    module = "/processing/optotagging"
    tree.group(module, "core:ProcessingModule", description="optogenetic stimulution data")
    tree.series(f"{module}/optotagging", duration, start, unit="seconds")
    values = {
        "start_time": start,
        "stop_time": start + duration,
        "condition": texts([kind[1] for kind, _ in each]),
        "level": np.array([level for _, level in each]),
        "stimulus_name": texts([kind[0] for kind, _ in each]),
        "duration": duration,
    }
    common.write_intervals(
        tree,
        f"{module}/optogenetic_stimulation",
        {
            name: Column(
                column,
                common.DESCRIBED[name] if name.endswith("_time") else "no description",
            )
            for name, column in values.items()
        },
        description="",
        tag="optical_stimulation",
        series=f"{module}/optotagging",
        times=start,
    )


def _write_units(
    tree: Tree, plan: Recording, timeline: Timeline, *, spikes: int, rows: int, seed: int
) -> None:
    units = plan.units
    n = len(units["id"])
    counts = share_spikes(units["firing_rate"], spikes)
    ends = np.cumsum(counts)
    columns = {name: Column(units[name].astype(float), "no description") for name in METRICS}
    columns |= {
        "cluster_id": Column(units["cluster_id"].astype(np.int64), "no description"),
        "local_index": Column(units["local_index"].astype(np.int64), "no description"),
        "peak_channel_id": Column(
            plan.channels["id"][units["channel"]].astype(np.int64), "no description"
        ),
        "quality": Column(units["quality"], "no description"),
        "spike_times": Column(
            ((spikes,), np.float64), "times (s) of detected spiking events", ends
        ),
        "spike_amplitudes": Column(
            ((spikes,), np.float64), "amplitude (s) of detected spiking events", ends
        ),
        "waveform_mean": Column(
            ((n * rows, SAMPLES), np.float64),
            "mean waveforms on peak channels (over samples)",
            rows * np.arange(1, n + 1),
            {"unit": "volts"},
        ),
    }
    table = tree.table(
        "/units", columns, description="", kind="core:Units", ids=units["id"].astype(np.int64)
    )
    made = make_spikes(plan, timeline, counts, seed=seed)
    _fill((table["spike_times"], table["spike_amplitudes"]), made)
    waves = ((wave,) for wave in make_waveforms(plan, rows=rows, seed=seed))
    _fill((table["waveform_mean"],), waves)


def _fill(datasets: tuple[Any, ...], pieces: Iterator[tuple[Array, ...]]) -> None:
    """Fill datasets from pieces, many of them at once."""
    held: list[tuple[Array, ...]] = []
    at = size = 0

    def flush() -> None:
        nonlocal at, held, size
        for n, dataset in enumerate(datasets):
            joined = np.concatenate([piece[n] for piece in held])
            dataset[at : at + len(joined)] = joined
        at, held, size = at + len(joined), [], 0

    for piece in pieces:
        held.append(piece)
        size += piece[0].size
        if size >= _BATCH:
            flush()
    if held:
        flush()
