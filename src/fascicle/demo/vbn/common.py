"""What files of all kinds have: their head, the task, presentations, trials, licks and running."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.demo.vbn.pictures import make_picture
from fascicle.demo.vbn.recording import Recording
from fascicle.demo.vbn.signals import make_running
from fascicle.demo.vbn.timeline import FRAME_RATE, Timeline
from fascicle.demo.vbn.tree import Column, Tree, texts

Array = NDArray[Any]

FILTERING = "AP band: 500 Hz high-pass; LFP band: 1000 Hz low-pass"
TIMESTAMPS = "/processing/stimulus/timestamps"
_V_IN = (
    "The theoretical maximum voltage that the running wheel encoder will reach prior to "
    '"wrapping". This should theoretically be 5V (after crossing 5V goes to 0V, or vice versa). '
    "In practice the encoder does not always reach this value before wrapping, which can cause "
    'transient spikes in speed at the voltage "wraps".'
)
DESCRIBED = {
    "start_time": "Start time of epoch, in seconds",
    "stop_time": "Stop time of epoch, in seconds",
    "stimulus_block": "Index of contiguous presentations of one stimulus type",
    "stimulus_index": "Index of stimulus type",
    "stimulus_name": "Name of stimulus",
    "contrast": "Contrast of stimulus",
    "orientation": "Orientation of stimulus",
    "spatial_frequency": "Spatial frequency of stimulus",
    "temporal_frequency": "Temporal frequency of stimulus",
}


def write_head(
    tree: Tree, plan: Recording, identifier: str, description: str, *, keywords: bool = True
) -> None:
    """Write what NWB asks of each file, the mouse, the rig and the session's numbers."""
    for group in ("acquisition", "analysis", "general", "processing"):
        tree.group(group)
    for group in ("stimulus/presentation", "stimulus/templates"):
        tree.group(group)
    tree.data("identifier", identifier)
    tree.data("session_description", description)
    tree.data("session_start_time", plan.start_time)
    tree.data("timestamps_reference_time", plan.start_time)
    tree.data("file_create_date", texts([plan.start_time]))
    tree.data("general/institution", "Allen Institute for Brain Science")
    if keywords:
        tree.data("general/keywords", texts(["visual", "behavior", "task"]))
    tree.group(
        f"general/devices/{plan.equipment_name}",
        "core:Device",
        description="Allen Brain Observatory - Scientifica 2P Rig",
        manufacturer="Scientifica",
    )
    driver, _, reporter = plan.genotype.partition(";")
    lines = [driver.removesuffix("/wt")] if reporter else []
    tree.group(
        "general/subject",
        "ndx-aibs-behavior-ophys:BehaviorSubject",
        driver_line=lines,
        reporter_line=reporter.removesuffix("/wt"),
    )
    tree.data("general/subject/age", f"P{plan.age_in_days}D", reference="birth")
    about = {
        "description": "A visual behavior subject with a LabTracks ID",
        "genotype": plan.genotype,
        "sex": plan.sex,
        "species": "Mus musculus",
        "subject_id": plan.mouse_id,
    }
    for name, text in about.items():
        tree.data(f"general/subject/{name}", text)
    tree.group(
        "general/metadata",
        "ndx-aibs-behavior-ophys:BehaviorMetadata",
        behavior_session_id=plan.behavior_session_id,
        behavior_session_uuid=str(uuid.UUID(int=plan.behavior_session_id)),
        equipment_name=plan.equipment_name,
        project_code=plan.project_code,
        session_type=plan.session_type,
        stimulus_frame_rate=FRAME_RATE,
    )


def write_task(tree: Tree, plan: Recording, n_frames: int, shape: tuple[int, int]) -> None:
    """Write how the task was set, and the images."""
    tree.group(
        "general/task_parameters",
        "ndx-aibs-behavior-ophys:BehaviorTaskParameters",
        auto_reward_volume=0.005,
        blank_duration_sec=["0.5", "0.5"],
        n_stimulus_frames=n_frames,
        omitted_flash_fraction=0.05 if plan.image_set else 0.0,
        response_window_sec=["0.15", "0.75"],
        reward_volume=0.007,
        session_type=plan.session_type,
        stimulus="images" if plan.image_set else "grating",
        stimulus_distribution="geometric",
        stimulus_duration_sec=0.25,
        stimulus_name=plan.stimulus_name,
        task="change detection",
    )
    if not plan.image_set:
        return
    path = f"/stimulus/templates/{plan.stimulus_name}"
    n = len(plan.images)
    tree.series(
        path,
        ((n, *shape), np.uint8),
        np.zeros(n),
        unit="NA",
        kind="ndx-aibs-stimulus-template:StimulusTemplate",
    )
    tree.data(f"{path}/control", np.arange(n, dtype=np.uint64))
    tree.data(f"{path}/control_description", texts(plan.images))
    tree.data(f"{path}/format", "raw")
    tree.data(f"{path}/unwarped", ((n, *shape), np.float64))
    for k, name in enumerate(plan.images):
        tree.h5[f"{path}/data"][k], tree.h5[f"{path}/unwarped"][k] = make_picture(name, shape)


def write_running(tree: Tree, timeline: Timeline, *, seed: int, backwards: bool) -> None:
    """Write the wheel: voltages, turns and speeds."""
    begin, end = timeline.span
    wheel = make_running((begin - 10.0, end + 50.0), seed=seed, backwards=backwards)
    times = wheel["times"]
    tree.series("/acquisition/v_in", wheel["v_in"], times, unit="V", description=_V_IN)
    tree.series(
        "/acquisition/v_sig",
        wheel["v_sig"],
        times,
        unit="V",
        description="Voltage signal from the running wheel encoder",
    )
    module = "/processing/running"
    tree.group(module, "core:ProcessingModule", description="Running speed processing module")
    tree.series(
        f"{module}/dx",
        wheel["dx"],
        times,
        unit="cm",
        description="Running wheel angular change, computed during data collection",
    )
    for name in ("speed", "speed_unfiltered"):
        tree.series(f"{module}/{name}", wheel[name], times, unit="cm/s")


def write_behavior(tree: Tree, timeline: Timeline) -> None:
    """Write times of frames, licks and rewards."""
    licks, rewards = timeline.licks, timeline.rewards
    tree.group(
        "/processing/licking",
        "core:ProcessingModule",
        description="Licking behavior processing module",
    )
    tree.series(
        "/processing/licking/licks",
        licks["frame"].astype(np.int64),
        licks["time"],
        unit="N/A",
        description="Timestamps and stimulus presentation frame indices for lick events",
    )
    module = "/processing/rewards"
    tree.group(module, "core:ProcessingModule", description="Licking behavior processing module")
    tree.series(f"{module}/autorewarded", rewards["auto"].astype(bool), rewards["time"], unit="mL")
    tree.series(f"{module}/volume", rewards["volume"], rewards["time"], unit="mL")
    tree.group(
        "/processing/stimulus", "core:ProcessingModule", description="Stimulus Times processing"
    )
    tree.series(TIMESTAMPS, timeline.frames, timeline.frames, unit="s")


def write_presentations(tree: Tree, name: str, timeline: Timeline, *drop: str) -> None:
    """Write the table of one kind of stimulus."""
    columns = timeline.stimuli[name]
    left_out = {"image_index", *drop} if "stimulus_index" not in drop else set(drop)
    write_intervals(
        tree,
        f"/intervals/{name}_presentations",
        {
            column: Column(values, DESCRIBED.get(column, "No description"))
            for column, values in columns.items()
            if column not in left_out
        },
        description=(
            f"Presentation times and stimuli details for '{name}' stimuli. \n"
            "Note: image_name references control_description in stimulus/templates"
        ),
        tag="stimulus_time_interval",
        series=TIMESTAMPS,
        times=timeline.frames,
    )


def write_intervals(
    tree: Tree,
    path: str,
    columns: Mapping[str, Column],
    *,
    description: str,
    tag: str,
    series: str,
    times: Array,
) -> None:
    """Write a table of intervals, each with a tag and a part of a time series."""
    import h5py

    start, stop = columns["start_time"].values, columns["stop_time"].values
    n = len(start)
    parts = np.empty(
        n, dtype=[("idx_start", "<i4"), ("count", "<i4"), ("timeseries", h5py.ref_dtype)]
    )
    parts["idx_start"] = np.searchsorted(times, start)
    parts["count"] = np.searchsorted(times, stop) - parts["idx_start"]
    parts["timeseries"] = tree.h5[series].ref
    ends = np.arange(1, n + 1)
    tree.table(
        path,
        {
            **columns,
            "tags": Column(texts([tag] * n), "user-defined tags", ends),
            "timeseries": Column(
                parts,
                "index into a TimeSeries object",
                ends,
                {},
                "core:TimeSeriesReferenceVectorData",
            ),
        },
        description=description,
        kind="core:TimeIntervals",
    )


def write_trials(tree: Tree, plan: Recording, timeline: Timeline, *, latency: bool = False) -> None:
    """Write the trials; without probes they have latencies and another name for the change."""
    trials = timeline.trials
    names = np.array(plan.images, dtype=object)
    rejected, alarm = trials["correct_reject"], trials["false_alarm"]
    changed = trials["hit"] | trials["miss"]
    columns: dict[str, Array] = {
        "start_time": trials["start_time"],
        "stop_time": trials["stop_time"],
        "initial_image_name": names[trials["initial_image"]],
        "change_image_name": names[trials["change_image"]],
        "is_change": changed | trials["auto_rewarded"],
        "change_time" if latency else "change_time_no_display_delay": trials["change_time"],
        "go": changed,
        "catch": alarm | rejected,
        "lick_times": trials["lick_times"],
        "response_time": trials["response_time"],
        "reward_time": trials["reward_time"],
        "reward_volume": trials["reward_volume"],
        "hit": trials["hit"],
        "false_alarm": alarm,
        "miss": trials["miss"],
        "correct_reject": rejected,
        "aborted": trials["aborted"],
        "auto_rewarded": trials["auto_rewarded"],
        "change_frame": trials["change_frame"].astype(np.int64),
        "trial_length": trials["stop_time"] - trials["start_time"],
    }
    if latency:
        columns["response_latency"] = trials["response_time"] - trials["change_time"]
    tree.table(
        "/intervals/trials",
        {
            name: Column(
                values.astype(object) if values.dtype == object else values,
                DESCRIBED.get(name, f"NOT IMPLEMENTED: {name}"),
                trials["lick_ends"] if name == "lick_times" else None,
            )
            for name, values in columns.items()
        },
        description="experimental trials",
        kind="core:TimeIntervals",
    )
