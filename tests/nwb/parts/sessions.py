"""Sessions made for one test: files in a folder, indexed; converted with some parts alone."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd

from fascicle.archives import open_archive
from fascicle.archives.session import OpenSession
from fascicle.catalogue import index
from fascicle.errors import ConversionWarning
from fascicle.formats.nwb import NwbFile
from fascicle.formats.nwb.alf import AlfView
from fascicle.load import load_file
from fascicle.nwb.converting import convert
from fascicle.nwb.metadata import SessionMetadata
from fascicle.nwb.parts import part
from fascicle.nwb.report import Report
from fascicle.nwb.writing.entries import Entry
from fascicle.nwb.writing.source import Source

SESSION = "lab/Subjects/mouse/2024-03-01/001"
MINE = ("cameras", "audio", "video", "other")
#: All but the layout, which is about the name of the file.
CHECKS = ("readback", "validate", "inspect")


def make_session(folder: Path, files: Mapping[str, Any], session: str = SESSION) -> OpenSession:
    """Write files of a session, by path relative to it, and return it open."""
    for path, values in files.items():
        place = folder / session / path
        place.parent.mkdir(parents=True, exist_ok=True)
        write_file(place, values)
    return open_session(folder, session)


def open_session(folder: Path, session: str = SESSION) -> OpenSession:
    """Index a folder and return a session of it."""
    index(folder)
    return open_archive(str(folder)).open(session)


def write_file(place: Path, values: Any) -> None:
    if isinstance(values, bytes):
        place.write_bytes(values)
    elif isinstance(values, str):
        place.write_text(values, encoding="utf-8", newline="")
    elif isinstance(values, pd.DataFrame):
        separators = {".csv": ",", ".tsv": "\t", ".ssv": " "}
        if place.suffix in separators:
            values.to_csv(place, sep=separators[place.suffix], index=False)
        else:
            values.to_parquet(place, write_page_checksum=True)
    elif place.suffix == ".npz":
        np.savez(place, **values)
    elif place.suffix == ".json":
        place.write_text(json.dumps(values))
    else:
        np.save(place, values)


def offered(session: OpenSession, parts: tuple[str, ...] = MINE) -> list[Entry]:
    """Return the entries that some parts offer for a session, in their order."""
    source, out = Source(session), list[Entry]()
    for name in parts:
        out += part(name).offer(source, {"probes": [], "objects": list(out)})
    return out


def document(session: OpenSession, entries: list[Entry]) -> SessionMetadata:
    """Return a complete document with some objects."""
    made = SessionMetadata(
        {
            "source": {"eid": str(session.eid)},
            "session": {
                "session_id": str(session.eid),
                "session_description": "A mouse is looked at",
                "start_time": "2024-03-01T10:00:00",
                "timezone": "Europe/London",
                "experimenter": ["Doe, Jane"],
                "experiment_description": "A test",
                "keywords": ["test"],
                "lab": "lab",
                "institution": "Institute",
            },
            "subject": {
                "subject_id": "mouse",
                "description": "A mouse",
                "species": "Mus musculus",
                "sex": "F",
                "age": "P90D",
            },
        }
    )
    made.objects.extend(entries)
    return made


def converted(
    session: OpenSession, target: Path, entries: list[Entry] | None = None, **options: Any
) -> Report:
    """Convert a session with my parts alone, and check the file."""
    made = document(session, offered(session) if entries is None else entries)
    options.setdefault("check", CHECKS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)  # tests look into the report
        return convert(session, target, metadata=made, progress=False, **options)


def places(report: Report) -> dict[str, str]:
    """Return where each dataset went."""
    return {one.dataset: one.place for one in report.took}


def warned(report: Report) -> dict[str, list[str]]:
    """Return what the report warns of, by dataset."""
    out: dict[str, list[str]] = {}
    for note in report.notes:
        if note.level == "warning":
            out.setdefault(note.dataset, []).append(note.text)
    return out


def assert_comes_back(session: OpenSession, report: Report, target: Path) -> None:
    """Check that the file gives back each dataset as it was loaded, and that none is forgotten."""
    taken = {one.dataset for one in report.took}
    assert taken | report.left_out.keys() == set(session.list())
    with NwbFile(target) as file:
        view = AlfView(file)
        for path in sorted(taken):
            assert_same(view.read(path), load_file(session.file(path)), path)


def assert_same(found: Any, expected: Any, what: str = "") -> None:
    """Check that two values of datasets are alike, types and all."""
    if isinstance(expected, pd.DataFrame):
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    elif isinstance(expected, pd.Series):
        pd.testing.assert_series_equal(found, expected, check_exact=True)
    elif isinstance(expected, np.ndarray):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape), what
        np.testing.assert_array_equal(found, expected, what)
    elif isinstance(expected, PurePath):
        data = found if isinstance(found, bytes) else Path(found).read_bytes()
        assert data == Path(expected).read_bytes(), what
    elif isinstance(expected, dict) and any(isinstance(v, np.ndarray) for v in expected.values()):
        assert found.keys() == expected.keys(), what
        for key, value in expected.items():
            assert_same(found[key], value, f"{what}: {key}")
    else:
        assert found == expected, what


def assert_clean(report: Report) -> None:
    """Check that nothing was found but suggestions."""
    bad = [
        f"{check.name}: {finding}"
        for check in report.checks
        for finding in check.findings
        if finding.level != "suggestion"
    ]
    assert {check.name for check in report.checks} == set(CHECKS)
    assert not bad, "\n".join(bad)
