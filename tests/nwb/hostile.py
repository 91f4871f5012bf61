"""Sessions to be harmed, and what must hold of a conversion however a session is harmed."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

import fascicle
from fascicle.errors import ConversionWarning, FascicleError
from fascicle.formats.nwb import NwbFile
from fascicle.formats.nwb.alf import AlfView
from fascicle.load import load_file
from fascicle.nwb.converting import convert
from fascicle.nwb.report import Report

#: The richest session of the synthetic lab.
DEMO = "churchlandlab_ucla/Subjects/MFD_09/2023-10-19/001"
SORTING = "alf/probe00/pykilosort"


def cut_down(lab: Path, folder: Path, wanted: Callable[[str], bool]) -> Path:
    """Copy some datasets of the session, the default revisions alone, and the lab's facts."""
    session = next(s for s in fascicle.find(archives=[lab]) if str(s.record.path) == DEMO)
    for path in session.list():
        if wanted(path):
            place = folder / DEMO / path.replace("#2024-05-06#/", "").replace("#2023-04-20#/", "")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(lab / DEMO / path, place)
    shutil.copyfile(lab / "_fascicle_lab.json", folder / "_fascicle_lab.json")
    return folder


def is_ephys(path: str) -> bool:
    """Return whether a dataset is of the one probe, its raw recording apart."""
    return ("probe00" in path and not path.startswith("raw_")) or path.startswith("alf/probes.")


def is_behaviour(path: str) -> bool:
    """Return whether a dataset is of the trials, the wheel, licks, one camera, the passive part."""
    other = ("probe", "raw_", "right", "body", "Right", "Body")
    return path.startswith("alf/") and not any(word in path for word in other)


@dataclass
class Outcome:
    """What came of a conversion: a report, or an error."""

    session: Path
    file: Path
    report: Report | None
    error: FascicleError | None

    @property
    def told(self) -> str:
        """All that a user is told."""
        if self.error is not None:
            return str(self.error)
        assert self.report is not None
        notes = [f"{note.dataset} {note.text}" for note in self.report.notes]
        return "\n".join([*notes, *(f"{p}: {why}" for p, why in self.report.left_out.items())])


def attempt(lab: Path, *, index: bool = True, **options: Any) -> Outcome:
    """Convert the session of a lab, and see that what must hold holds.

    The values are not checked by the conversion itself, unless asked: what it writes must be right
    without.
    """
    if index:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fascicle.index(lab)
    folder = lab.parent / f"{lab.name}-out"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    file = folder / "out.nwb"
    session = next(iter(fascicle.find(archives=[lab])))
    options = {"check": False, "progress": False, **options}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConversionWarning)
            report = convert(session, file, **options)
    except FascicleError as error:
        assert sorted(folder.iterdir()) == [], "a refused conversion leaves nothing"
        assert len(error.message) > 10
        return Outcome(lab / str(session.record.path), file, None, error)
    out = Outcome(lab / str(session.record.path), file, report, None)
    assert sorted(p.name for p in folder.iterdir()) == ["out.nwb", "out.report.json"]
    listed = set(session.list())
    assert {one.dataset for one in report.took} | set(report.left_out) == listed
    assert_true(out)
    return out


def assert_true(out: Outcome) -> None:
    """See that a file gives back each dataset that its report says is in it, value by value."""
    assert out.report is not None
    with NwbFile(out.file, max_claim=None) as file:
        view = AlfView(file)
        records = {record.dataset: record for record in view.records or ()}
        assert set(records) == {one.dataset for one in out.report.took}
        for path, record in records.items():
            expected, found = load_plainly(out.session / path), view.read(path)
            scaled = record.value.factor != 1 or record.value.offset or record.value.columns
            assert_like(expected, found, scaled=bool(scaled), path=path)
    with h5py.File(out.file) as h5:
        assert_units(out.session, h5, set(records))
        assert_trials(out.session, h5, {one.dataset: one.place for one in out.report.took})


def load_plainly(place: Path) -> Any:
    """Return what a file holds, by numpy or pandas where these read it."""
    if place.suffix == ".npy":
        values = np.load(place, allow_pickle=False)
        return values.reshape(-1) if values.ndim == 2 and values.shape[1] == 1 else values
    if place.suffix == ".pqt":
        return pd.read_parquet(place)
    if place.suffix == ".json":
        return json.loads(place.read_text("utf-8"))
    return load_file(place)


def assert_like(expected: Any, found: Any, *, scaled: bool, path: str) -> None:
    """See that values are the same; scaled ones up to rounding."""
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(
            expected, found, check_exact=not scaled, rtol=1e-12 if scaled else 0, atol=0
        )
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(expected, found)
    elif isinstance(expected, np.ndarray):
        assert expected.dtype == found.dtype, path
        if scaled and expected.dtype.kind == "f":
            rtol = 1e-12 if expected.dtype.itemsize == 8 else 1e-6
            np.testing.assert_allclose(found, expected, rtol=rtol, atol=0, err_msg=path)
        else:
            np.testing.assert_array_equal(found, expected, err_msg=path)
    elif isinstance(expected, Path):
        assert expected.read_bytes() == found, path
    else:
        assert expected == found, path


def assert_units(session: Path, h5: h5py.File, records: set[str]) -> None:
    """See that each unit has its spikes, by h5py alone."""
    times, clusters = (f"{SORTING}/spikes.{name}.npy" for name in ("times", "clusters"))
    if "units" not in h5 or not {times, clusters} <= records or "spike_times" not in h5["units"]:
        return
    when, whose = (load_plainly(session / path) for path in (times, clusters))
    ends = h5["units/spike_times_index"][:].astype(int)
    rows = np.split(h5["units/spike_times"][:], ends[:-1]) if len(ends) else []
    ids = h5["units/cluster_id"][:] if "cluster_id" in h5["units"] else h5["units/id"][:]
    assert len(ids) == len(rows)
    left = dict.fromkeys(np.unique(whose).tolist())
    for number, spikes in zip(ids.tolist(), rows, strict=True):
        mine = when[whose == number]  # what is no time cannot be sorted, and is kept elsewhere
        np.testing.assert_array_equal(spikes, np.sort(mine[np.isfinite(mine)]))
        left.pop(number, None)
    assert not left, "spikes of these clusters are of no unit"


def assert_trials(session: Path, h5: h5py.File, places: dict[str, str]) -> None:
    """See that the trials that begin and end are those of the table, by h5py alone."""
    path = "alf/_ibl_trials.table.pqt"
    if places.get(path) != "intervals/trials":
        return
    table = pd.read_parquet(session / path)
    assert h5["intervals/trials/id"].shape == (len(table),)
    for column, name in (
        ("intervals_0", "start_time"),
        ("intervals_1", "stop_time"),
        ("stimOn_times", "gabor_stimulus_onset_time"),
        ("feedback_times", "feedback_time"),
        ("rewardVolume", "reward_volume_uL"),
    ):
        if column in table and name in h5["intervals/trials"] and table[column].dtype.kind == "f":
            expected, values = table[column].to_numpy(), h5[f"intervals/trials/{name}"][:]
            known = np.isfinite(expected) if name in ("start_time", "stop_time") else slice(None)
            np.testing.assert_array_equal(values[known], expected[known])


def each(session: Path, suffix: str = ".npy") -> list[str]:
    """Return the paths of the datasets of a kind."""
    found = session.rglob(f"*{suffix}")
    return sorted(path.relative_to(session).as_posix() for path in found)


def objects_of(paths: Iterable[str]) -> list[str]:
    """Return the objects that datasets are of, with their collections."""
    return sorted({f"{Path(p).parent.as_posix()}/{Path(p).name.split('.')[0]}." for p in paths})


def some_of_each_object(paths: Sequence[str], step: int = 4) -> list[str]:
    """Return one in so many datasets of each object, and at least one."""
    out: list[str] = []
    for k, begin in enumerate(objects_of(paths)):
        mine = [path for path in paths if path.startswith(begin)]
        out += mine[k % min(step, len(mine)) :: step]
    return out
