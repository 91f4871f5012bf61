"""Sessions of a few datasets, what chosen parts make of them, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4
from zoneinfo import ZoneInfo

import h5py
import numpy as np
import pandas as pd

import fascicle
from fascicle.formats.nwb import NwbFile
from fascicle.formats.nwb.alf import AlfView
from fascicle.load import load_file
from fascicle.nwb.checking.inspecting import inspect
from fascicle.nwb.checking.validating import validate
from fascicle.nwb.parts import part
from fascicle.nwb.writing import skeleton
from fascicle.nwb.writing.draft import Draft, Options
from fascicle.nwb.writing.entries import Entry
from fascicle.nwb.writing.filling import fill
from fascicle.nwb.writing.source import Source

MINE = ("trials", "wheel", "events", "passive", "other")
SESSION = "lab/Subjects/mouse/2024-01-02/001"


def write_session(root: Path, datasets: Mapping[str, Any]) -> Path:
    """Write a lab of one session, and return the lab's folder.

    ``datasets`` are arrays, tables, text or bytes by path in the session.
    """
    for name, values in datasets.items():
        place = root / SESSION / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(values, bytes):
            place.write_bytes(values)
        elif isinstance(values, str):
            place.write_text(values, encoding="utf-8")
        elif isinstance(values, pd.DataFrame):
            values.to_parquet(place) if place.suffix == ".pqt" else values.to_csv(
                place, index=False
            )
        else:
            np.save(place, values)
    fascicle.index(root)
    return root


@dataclass
class Made:
    """A file that parts made of a session."""

    path: Path
    folder: Path
    draft: Draft
    entries: list[Entry] = field(default_factory=list)

    @property
    def warnings(self) -> list[str]:
        """What readers of the report are warned of."""
        return [f"{n.dataset} {n.text}" for n in self.draft.notes if n.level == "warning"]

    def entry(self, nwb: str) -> Entry:
        """Return the entry of an object."""
        return next(e for e in self.entries if e.nwb == nwb)

    def array(self, path: str) -> Any:
        """Return an array of the file; text as such."""
        with h5py.File(self.path) as h5:
            dataset = cast("h5py.Dataset", h5[path])
            return dataset.asstr()[:] if dataset.dtype.kind == "O" else dataset[:]

    def has(self, path: str) -> bool:
        """Return whether the file has an object."""
        with h5py.File(self.path) as h5:
            return path in h5

    def place(self, dataset: str) -> str:
        """Return where a dataset went, and by which rule it comes back."""
        value = next(r.value for r in self.draft.records if r.dataset == dataset)
        return ":".join([value.at, ",".join(value.names), value.rule])

    def back(self) -> dict[str, Any]:
        """Return all that comes back, by dataset."""
        with NwbFile(str(self.path)) as file:
            view = AlfView(file)
            return {path: view.read(path) for path in view.offers}

    def check(self) -> None:
        """Fail unless all datasets of the session come back as they are, or are said to be left."""
        back = self.back()
        for dataset in {f.path for f in self.draft.source.files} - set(self.draft.left_out):
            assert dataset in back, f"{dataset} went nowhere"
            alike(back[dataset], load_file(self.folder / dataset), dataset)


def alike(found: Any, given: Any, name: str = "") -> None:
    """Fail unless two datasets are alike to the bit, types included."""
    if isinstance(given, pd.DataFrame):
        pd.testing.assert_frame_equal(found, given, check_exact=True)
    elif isinstance(given, pd.Series):
        pd.testing.assert_series_equal(found, given, check_exact=True)
    elif isinstance(given, np.ndarray):
        assert found.dtype == given.dtype, name
        np.testing.assert_array_equal(found, given, err_msg=name)
        if given.dtype.kind == "f":
            known = ~np.isnan(given)
            assert np.array_equal(np.signbit(found[known]), np.signbit(given[known])), name
    elif isinstance(given, Path):  # a file that is no array: its bytes
        held = found.tobytes() if isinstance(found, np.ndarray) else Path(found).read_bytes()
        assert held == given.read_bytes(), name
    else:
        assert found == given, name


def convert_parts(
    lab: Path,
    target: Path,
    *,
    parts: Sequence[str] = MINE,
    session: str = SESSION,
    edit: Callable[[list[Entry]], None] = lambda entries: None,
    options: Options | None = None,
) -> Made:
    """Convert one session of a lab by chosen parts alone."""
    from pynwb import NWBFile
    from pynwb.file import Subject

    opened = next(s for s in fascicle.find(archives=[str(lab)]) if str(s.record.path) == session)
    source = Source(opened)
    entries: list[Entry] = []
    for name in parts:
        entries += part(name).offer(source, {"objects": list(entries), "session": {}, "probes": []})
    edit(entries)
    start = datetime(2024, 1, 2, 10, 30, tzinfo=ZoneInfo("Europe/London"))
    nwb = NWBFile(
        session_description="A session for tests",
        identifier=str(uuid4()),
        session_start_time=start,
        session_id="a-session",
        experimenter=["Curie, Marie"],
        experiment_description="None",
        institution="None",
        keywords=["mouse"],
        subject=Subject(
            subject_id="mouse",
            species="Mus musculus",
            sex="F",
            age="P20W",
            description="A mouse for tests",
        ),
    )
    document: Any = SimpleNamespace(objects=entries, session={}, subject={}, probes=[])
    draft = Draft(nwb, document, source, options or Options(target=target))
    for entry in entries:
        if entry.on:
            part(entry.part).build(draft, entry)
    skeleton.add_records(draft)
    with skeleton.create(target) as (h5, _):
        io = skeleton.write(draft.nwb, h5)
        fill(draft.jobs, h5)
        io.close()
    return Made(target, Path(str(lab)) / session, draft, entries)


def valid(path: Path) -> None:
    """Fail unless a file is valid, and has nothing that checkers hold for a mistake."""
    found = [*validate(path).findings, *inspect(path).findings]
    assert not [str(one) for one in found if one.level != "suggestion"]
