"""The real AllenSDK and we: the same answers of the same files, value for value."""

from __future__ import annotations

import json
import math
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from fascicle import allen
from fascicle.demo.vbn import write_behavior, write_session

from . import ask_allen
from .conftest import put, without_trials_columns

pytestmark = [pytest.mark.peer, pytest.mark.heavy]

Change = Callable[[h5py.File], object]

BEHAVIOR = [
    "session.list_data_attributes_and_methods()",
    "session.behavior_session_id",
    "session.eye_tracking",
    "session.eye_tracking_rig_geometry",
    "session.get_performance_metrics()",
    "session.get_performance_metrics(engaged_trial_reward_rate_threshold=4)",
    "session.get_reward_rate()",
    "session.get_rolling_performance_df()",
    "session.licks",
    "session.metadata",
    "session.raw_running_speed",
    "session.rewards",
    "session.running_speed",
    "session.stimulus_presentations",
    "session.stimulus_templates",
    "session.stimulus_timestamps",
    "session.task_parameters",
    "session.trials",
]
EPHYS = [
    *BEHAVIOR,
    "session.behavior_data_class()",
    "session.get_channels()",
    "session.get_channels(filter_by_validity=False)",
    "[(p.id, p.name, p.location, p.sampling_rate) for p in session.get_probes_obj()]",
    "session.get_probes_obj().to_dataframe()",
    "session.get_units(NAN)",
    "session.get_units(filter_by_validity=True, NAN)",
    "session.get_units(filter_out_of_brain_units=True, NAN)",
    "session.get_units(True, True, NAN)",
    "session.get_units(amplitude_cutoff_maximum=0.1, NAN)",
    "session.get_units(presence_ratio_minimum=0.95, isi_violations_maximum=0.5, NAN)",
    "session.get_units(True, True, 0.1, 0.95, 0.5, NAN)",
    "dict(session.mean_waveforms)",
    "dict(session.spike_amplitudes)",
    "dict(session.spike_times)",
    "list(session.spike_times)",
    "session.optotagging_table",
    "session.probes",
    "[session.get_lfp(p) for p in session.probes.index]",
    "[session.get_current_source_density(p) for p in session.probes.index]",
    "session.get_lfp(1)",
    "session.get_current_source_density(1)",
]


@dataclass
class Case:
    """A file, and how it is asked."""

    path: Path
    cls: str = "BehaviorEcephysSession"
    options: dict[str, Any] = field(default_factory=dict)
    steps: list[str] = field(default_factory=lambda: EPHYS)


def ask_both(python: Path, cases: dict[str, Case], work: Path) -> Iterator[tuple[str, Any, Any]]:
    """Yield each step with their answer and with ours, arrays filled in."""
    steps = [(n, c, s) for n, c in cases.items() for s in c.steps]

    def worded(nan: str) -> list[Any]:
        return [
            (c.cls, str(c.path), c.options, s.replace(", NAN", nan).replace("NAN", nan[2:]))
            for _, c, s in steps
        ]

    (work / "steps.json").write_text(json.dumps(worded("")))
    command = [python, ask_allen.__file__, work / "steps.json", work / "theirs"]
    run = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, env=os.environ | {"LANG": "C"}
    )
    assert run.returncode == 0, run.stderr[-3000:]
    ask_allen.ask(ours, worded(', nan_metrics="drop"'), work / "ours")
    answers = [json.loads((work / who / "answers.json").read_text()) for who in ("theirs", "ours")]
    arrays = [np.load(work / who / "arrays.npz") for who in ("theirs", "ours")]
    for (name, _, step), a, b in zip(steps, *answers, strict=True):
        yield f"{name}: {step}", filled(a, arrays[0]), filled(b, arrays[1])


def ours(cls: str, path: str, options: dict[str, Any]) -> Any:
    """Open a session with fascicle."""
    options = dict(options)
    if "probe_meta" in options:
        options["probe_meta"] = {name: place for name, (place, _) in options["probe_meta"].items()}
    return getattr(allen, cls).from_nwb_path(path, **options)


def filled(answer: Any, arrays: Any) -> Any:
    if isinstance(answer, dict) and answer.get("is") == "array":
        return answer | {"values": arrays[answer["values"]]}
    if isinstance(answer, dict):
        return {key: filled(value, arrays) for key, value in answer.items()}
    return [filled(value, arrays) for value in answer] if isinstance(answer, list) else answer


def differences(a: Any, b: Any, place: str = "") -> Iterator[str]:
    """Yield where answers differ; fractions that were computed may in their last digits."""
    if isinstance(a, dict) and isinstance(b, dict):
        if a.get("is") == "error" and b.get("is") == "error":
            builtin = {"ValueError", "KeyError", "RuntimeError", "FileNotFoundError"}
            if not set(a["kinds"]) & set(b["kinds"]) & builtin:
                yield f"{place}: {a} and {b}"
            return
        if a.keys() != b.keys():
            yield f"{place}: only theirs {a.keys() - b.keys()}, only ours {b.keys() - a.keys()}"
        for key in a.keys() & b.keys():
            yield from differences(a[key], b[key], f"{place}.{key}")
    elif isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        if a.dtype != b.dtype or a.shape != b.shape:
            yield f"{place}: {a.dtype} {a.shape} and {b.dtype} {b.shape}"
        elif a.dtype.kind == "f":
            if not np.allclose(a, b, rtol=1e-11, atol=1e-12, equal_nan=True):
                yield f"{place}: {a[:5]} and {b[:5]}"
        elif not np.array_equal(a, b):
            yield f"{place}: {a[:5]} and {b[:5]}"
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for n, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from differences(one, other, f"{place}[{n}]")
    elif isinstance(a, float) and isinstance(b, float):
        if not math.isclose(a, b, rel_tol=1e-11, abs_tol=1e-12):
            yield f"{place}: {a} and {b}"
    elif a != b:
        yield f"{place}: {a} and {b}"


def check(cases: dict[str, Case], python: Path, work: Path) -> int:
    """Compare all answers; return how many there were."""
    found, n = [], 0
    for step, a, b in ask_both(python, cases, work):
        n += 1
        a, b = a["value"], b["value"]
        if step.endswith("stimulus_presentations") and a["is"] == b["is"] == "DataFrame":
            # Those after trials_id come in another order in each process of AllenSDK.
            for columns in (a["columns"], b["columns"]):
                first = columns.index("trials_id") + 1
                columns[first:] = sorted(columns[first:])
        if a["is"] == b["is"] == "DataFrame" and is_empty(a) and is_empty(b):
            # Tables without a row have other types there than those with rows; ours do not.
            a, b = ({key: one[key] for key in ("columns", "index name")} for one in (a, b))
        found += [f"{step}{text}" for text in differences(a, b)]
    assert not found, "\n".join(text[:500] for text in found[:40])
    return n


def is_empty(frame: dict[str, Any]) -> bool:
    """Return whether a table has no row."""
    values = frame["index"]["values"]
    return len(values if isinstance(values, list) else values["values"]) == 0


def variant(path: Path, into: Path, *how: Change) -> Path:
    """Return a copy of a file in which something is changed."""
    into.write_bytes(path.read_bytes())
    with h5py.File(into, "r+") as h5:
        for one in how:
            one(h5)
    return into


def without(*paths: str) -> Change:
    def change(h5: h5py.File) -> None:
        for path in paths:
            del h5[path]

    return change


def rename(table: str, before: str, after: str) -> Change:
    """Call a column by another name."""

    def change(h5: h5py.File) -> None:
        h5.move(f"{table}/{before}", f"{table}/{after}")
        names = [after if name == before else name for name in h5[table].attrs["colnames"]]
        h5[table].attrs["colnames"] = names

    return change


def attribute(path: str, name: str, value: Any) -> Change:
    def change(h5: h5py.File) -> None:
        h5[path].attrs[name] = value

    return change


def interleave(h5: h5py.File) -> None:
    """Let units of several probes lie one after another, with one on a channel that is none."""
    peaks = h5["units/peak_channel_id"][()]
    np.random.default_rng(0).shuffle(peaks)
    h5["units/peak_channel_id"][...] = peaks


def lose_metrics(h5: h5py.File) -> None:
    put(h5, "units/isi_violations", slice(0, 30, 7), np.nan)
    put(h5, "units/presence_ratio", slice(1, 30, 7), np.nan)
    put(h5, "units/amplitude_cutoff", slice(2, 30, 7), np.nan)


def be_passive(h5: h5py.File) -> None:
    """Take away all licks and rewards."""
    h5["intervals/trials/reward_volume"][...] = 0
    for name in ("lick_times_index", "hit", "false_alarm"):
        h5[f"intervals/trials/{name}"][...] = 0


def lose_frames(h5: h5py.File) -> None:
    """Let the frames of changes be fractions, as files made earlier have them."""
    frames = h5["intervals/trials/change_frame"][()].astype("float64")
    kept = dict(h5["intervals/trials/change_frame"].attrs)
    frames[frames == -99] = np.nan
    del h5["intervals/trials/change_frame"]
    h5["intervals/trials/change_frame"] = frames
    h5["intervals/trials/change_frame"].attrs.update(kept)


def replay(h5: h5py.File) -> None:
    """Let the images of the task be shown again, without the task, in another block."""
    name = next(n for n in h5["intervals"] if n.startswith("Natural"))
    table = h5[f"intervals/{name}"]
    blocks = table["stimulus_block"][()]
    first, last = np.unique(blocks)[[0, -1]]
    n = min((blocks == first).sum(), (blocks == last).sum())
    here, there = np.flatnonzero(blocks == first)[:n], np.flatnonzero(blocks == last)[:n]
    names = table["image_name"][()]
    names[there] = names[here]
    table["image_name"][...] = names


def test_every_answer_of_a_session(allen_python: Path, folder: Path, tmp_path: Path) -> None:
    lfp = {"probeA": (str(next(folder.glob("probe_*_lfp.nwb"))), 1250.0)}
    big = write_session(tmp_path / "big.nwb", seed=3, units=150, probes=4, presentations=900)
    # Without a table of probes AllenSDK does not know which have LFP: that is asked of a cache.
    alone = ("session.probes", "session.get_probes_obj().to_dataframe()")
    no_lfp = [s for s in EPHYS if not any(w in s for w in ("lfp", "density")) and s not in alone]
    cases = {
        "usual": Case(folder / "session.nwb", options={"probe_meta": lfp}),
        "larger": Case(big, steps=no_lfp),
        "eye": Case(
            big,
            options={"eye_tracking_z_threshold": 2.0, "eye_tracking_dilation_frames": 5},
            steps=["session.eye_tracking"],
        ),
        "behaviour of a recording": Case(big, "BehaviorSession", steps=BEHAVIOR),
        "the same without its trials": Case(big, "VBNBehaviorSession", steps=BEHAVIOR),
        "training": Case(folder / "training.nwb", "BehaviorSession", steps=BEHAVIOR),
    }
    assert check(cases, allen_python, tmp_path) > 120


def test_files_with_what_is_rare(allen_python: Path, folder: Path, tmp_path: Path) -> None:
    usual, about = folder / "session.nwb", "/general/metadata"
    numbers = iter(range(100))

    def case(steps: list[str], *how: Change, of: Path = usual) -> Case:
        cls = "BehaviorSession" if of != usual else "BehaviorEcephysSession"
        return Case(variant(of, tmp_path / f"variant{next(numbers)}.nwb", *how), cls, steps=steps)

    shown = ["session.stimulus_presentations"]
    did = [s for s in BEHAVIOR if "performance" in s or "reward" in s or "trials" in s]
    units = [s for s in EPHYS if "units" in s or "spike_times" in s]
    back = write_session(tmp_path / "back.nwb", seed=4, backwards=True, eye_tracking=False)
    gratings = write_behavior(
        tmp_path / "gratings.nwb", session_type="TRAINING_1_gratings", image_set=""
    )
    cases = {
        "what trials say is not there": case(shown, without_trials_columns),
        "and images come again": case(shown, replay, without_trials_columns),
        "nor in a training": case(shown, without_trials_columns, of=folder / "training.nwb"),
        "passive": case(did, be_passive),
        "frames as fractions": case(did + shown, lose_frames, without_trials_columns),
        "an older name": case(
            ["session.trials"], rename("intervals/trials", "is_change", "stimulus_change")
        ),
        "units mixed": case(units, interleave),
        "metrics lost": case(units, lose_metrics),
        "backwards": Case(back, steps=["session.running_speed", "session.raw_running_speed"]),
        "gratings": Case(gratings, "BehaviorSession", steps=BEHAVIOR),
        "no images": case(
            ["session.stimulus_templates"],
            lambda h5: [h5["stimulus/templates"].pop(n) for n in list(h5["stimulus/templates"])],
        ),
        "no rig": case(
            ["session.eye_tracking_rig_geometry"], without("processing/eye_tracking_rig_metadata")
        ),
        "little known": case(
            ["session.metadata"],
            attribute("general/subject", "reporter_line", "None"),
            attribute("general/subject", "driver_line", ["Vip-IRES-Cre", "Sst-IRES-Cre"]),
            attribute(about, "behavior_session_uuid", "None"),
            lambda h5: h5["general/subject/genotype"].__setitem__((), "wt/wt"),
            lambda h5: h5["general/subject/age"].__setitem__((), "unknown"),
        ),
    }
    assert check(cases, allen_python, tmp_path) > 50
