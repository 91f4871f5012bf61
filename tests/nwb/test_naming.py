"""Names of files as DANDI wants them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import peer_python

from fascicle.errors import MetadataError
from fascicle.nwb.metadata import SessionMetadata
from fascicle.nwb.naming import dandi_name, dandi_path, label_of, modalities_of
from fascicle.nwb.writing.entries import Entry

UNITS = Entry("units", "Units", "units")
NO_UNITS = Entry("units", "Units", "units", on=False)
WHEEL = Entry("processing/behavior/WheelPosition", "SpatialSeries", "wheel")
TRIALS = Entry("intervals/trials", "TimeIntervals", "trials")
LICKS = Entry("events/LickTimes", "EventsTable", "events")
VIDEO = Entry("acquisition/LeftCameraVideo", "ImageSeries", "video")
RAW = Entry("acquisition/ElectricalSeriesAp", "ElectricalSeries", "raw")
OTHER = Entry("processing/misc/photometry.signal", "TimeSeries", "other")
#: What DANDI takes for a label: dandi-cli, `dandi.organize`.
LABEL = r"[^_*\\/<>:|\"'?%@;.]+"
NAME = re.compile(rf"sub-{LABEL}(_ses-{LABEL})?(_[a-z]+(\+[a-z]+)*)?\.nwb")


def named(subject: str | None, session: str | None, *objects: Entry) -> SessionMetadata:
    """Return a document of an animal and a session."""
    return SessionMetadata(
        {
            "subject": {"subject_id": subject},
            "session": {"session_id": session, "start_time": "2023-10-19T10:02:11.5"},
            "objects": list(objects),
        }
    )


@pytest.mark.parametrize(
    ("objects", "name"),
    [
        ((UNITS, WHEEL, TRIALS), "sub-CSH-ZAD-003_ses-a1-b2_behavior+ecephys.nwb"),
        ((WHEEL,), "sub-CSH-ZAD-003_ses-a1-b2_behavior.nwb"),
        ((LICKS,), "sub-CSH-ZAD-003_ses-a1-b2_behavior.nwb"),
        ((RAW, VIDEO), "sub-CSH-ZAD-003_ses-a1-b2_ecephys+image.nwb"),
        ((OTHER,), "sub-CSH-ZAD-003_ses-a1-b2.nwb"),
        ((), "sub-CSH-ZAD-003_ses-a1-b2.nwb"),
        ((NO_UNITS, TRIALS), "sub-CSH-ZAD-003_ses-a1-b2_behavior.nwb"),
    ],
)
def test_names_say_what_is_in_the_file(objects: tuple[Entry, ...], name: str) -> None:
    metadata = named("CSH_ZAD_003", "a1.b2", *objects)
    assert dandi_name(metadata) == name
    assert str(dandi_path(metadata)) == f"sub-CSH-ZAD-003/{name}"


def test_what_is_left_out_is_not_named() -> None:
    assert modalities_of([RAW, VIDEO, TRIALS]) == ["behavior", "ecephys", "image"]
    assert modalities_of([RAW, VIDEO, TRIALS], without=("raw", "video")) == ["behavior"]
    assert str(dandi_path(named("m", "s", VIDEO), without=("video",))) == "sub-m/sub-m_ses-s.nwb"


def test_a_session_without_id_goes_by_its_time() -> None:
    assert dandi_name(named("m", None)) == "sub-m_ses-2023-10-19T100211.nwb"


@pytest.mark.parametrize("subject", [None, "", "  "])
def test_a_file_is_named_after_an_animal(subject: str | None) -> None:
    with pytest.raises(MetadataError, match=r"subject\.subject_id"):
        dandi_name(named(subject, "s"))


@given(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=300),
    st.text(st.characters(codec="utf-8"), max_size=300),
)
def test_any_id_makes_a_name_that_dandi_takes(subject: str, session: str) -> None:
    if not label_of(subject):
        return
    path = dandi_path(named(subject, session, UNITS, WHEEL))
    assert NAME.fullmatch(path.name)
    assert len(path.name.encode()) <= 255
    assert str(path.parent) == path.name.partition("_")[0]
    assert len(path.parts) == 2


def test_long_ids_stay_apart() -> None:
    first, second = label_of("a" * 200 + "b"), label_of("a" * 200 + "c")
    assert first != second
    assert len(first) == len(second) == 90


_PROGRAM = """
import json, sys
from pathlib import Path
from dandi.organize import validate_organized_path, _sanitize_value
for path, subject, session in json.load(sys.stdin):
    assert not validate_organized_path(path, Path("/d") / path, Path("/d")), path
    label = path.split("/")[0].removeprefix("sub-")
    assert label == _sanitize_value(subject, "subject_id"), (label, subject)
    assert f"_ses-{_sanitize_value(session, 'session_id')}" in path, path
print("fine")
"""


@pytest.mark.peer
@pytest.mark.heavy
def test_dandi_itself_takes_them(shared: Path) -> None:
    import json

    python = peer_python(shared, "dandi", "dandi")
    ids = ["MFD_09", "NYU-12", "a b", "x.y", "é~ö", "100%", "a/b", "q'r\"s", "m;n,o", "t\tu"]
    rows = [(str(dandi_path(named(a, b, UNITS, WHEEL))), a, b) for a in ids for b in ids]
    done = subprocess.run(
        [python, "-c", _PROGRAM], input=json.dumps(rows), capture_output=True, text=True
    )
    assert done.stdout == "fine\n", done.stderr[-2000:]
