"""Whole conversions: where the file goes, what is refused, and what is said."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO
from tests.nwb.writing.sessions import RICH, SMALL, files, quick, session

import fascicle
from fascicle.demo import index_lab
from fascicle.errors import (
    ConfigurationError,
    ConversionError,
    ConversionWarning,
    MetadataError,
    WouldReplace,
)
from fascicle.formats.nwb import records
from fascicle.nwb import Report, SessionMetadata, convert

# -- where it goes ---------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*Neither source_timeseries:UserWarning")
def test_a_session_with_all_there_is(lab: Path, tmp_path: Path) -> None:
    """The file is what it was made of, valid, and tells where each dataset went."""
    rich = session(lab, RICH)
    report = convert(rich, tmp_path / "rich.nwb", progress=False)
    assert report.ok, str(report)
    assert files(tmp_path) == ["rich.nwb", "rich.report.json"]
    assert Report.read(tmp_path / "rich.nwb").to_dict() == report.to_dict()
    with NWBHDF5IO(tmp_path / "rich.nwb") as io:
        nwb = io.read()
        assert nwb.session_id == str(rich.eid)
        assert nwb.session_start_time.tzinfo is not None
        assert len(nwb.units) and len(nwb.trials)
        table = nwb.processing["misc"]["alf_datasets"]
        assert tuple(table.colnames) == tuple(records.COLUMNS)
        assert set(table["dataset"][:]) == {one.dataset for one in report.took}
    accounted = {one.dataset for one in report.took} | set(report.left_out) | set(report.others)
    assert accounted == set(rich.datasets.rel_paths)


@pytest.mark.parametrize("name", ["exactly.nwb", "exactly.h5", "a/b/exactly.nwb"])
def test_a_file_is_used_exactly(lab: Path, tmp_path: Path, name: str) -> None:
    report = quick(lab, tmp_path / name)
    assert report.file == str(tmp_path / name)
    assert name in files(tmp_path)


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_folder_gets_the_name_that_dandi_gives(lab: Path, tmp_path: Path, slash: str) -> None:
    report = quick(lab, f"{tmp_path / 'new'}{slash}")
    eid = session(lab).eid
    expected = f"new/sub-CSH-ZAD-003/sub-CSH-ZAD-003_ses-{eid}_behavior.nwb"
    assert report.file == str(tmp_path / expected)
    assert expected in files(tmp_path)
    with pytest.raises(WouldReplace):
        quick(lab, tmp_path / "new")


def test_an_existing_file_is_refused(lab: Path, tmp_path: Path) -> None:
    target = tmp_path / "a.nwb"
    target.write_text("mine")
    with pytest.raises(FileExistsError, match="overwrite=True") as caught:
        quick(lab, target)
    assert isinstance(caught.value, WouldReplace)
    assert target.read_text() == "mine"
    quick(lab, target, overwrite=True)
    with h5py.File(target) as h5:
        assert records.TABLE in h5


def test_sessions_may_be_given_in_several_ways(lab: Path, tmp_path: Path) -> None:
    one = session(lab)
    document = SessionMetadata.from_archive(one.archive, one.eid)
    document.write(tmp_path / "one.yaml")
    ways: list[tuple[Any, dict[str, Any]]] = [
        (one, {}),
        (document, {}),
        (document, {"archive": lab}),
        (one.eid, {"archive": lab}),
        (str(one.eid), {"archive": fascicle.open(lab)}),
        (one, {"metadata": document}),
        (one, {"metadata": document.to_dict()}),
        (one, {"metadata": tmp_path / "one.yaml"}),
        (one.eid, {"metadata": tmp_path / "one.yaml"}),
    ]
    for number, (given, options) in enumerate(ways):
        target = tmp_path / f"{number}.nwb"
        report = convert(given, target, check=False, progress=False, **options)
        assert report.eid == str(one.eid)
        assert len(report.took) == 15


def test_what_cannot_be_meant_is_refused(lab: Path, tmp_path: Path) -> None:
    one, other = session(lab), session(lab, RICH)
    document = SessionMetadata.from_archive(other.archive, other.eid)
    with pytest.raises(MetadataError, match=r"source\.eid"):
        quick(lab, tmp_path / "a.nwb", metadata=document)
    with pytest.raises(ConfigurationError, match="which archive"):
        convert(one.eid, tmp_path / "a.nwb")
    with pytest.raises(ConfigurationError, match="videos"):
        quick(lab, tmp_path / "a.nwb", videos="embed")
    with pytest.raises(ConfigurationError, match="refuse"):
        quick(lab, tmp_path / "a.nwb", refuse="everything")
    with pytest.raises(ConfigurationError):
        quick(lab, tmp_path / "a.nwb", check="reedback")
    with pytest.raises(ConfigurationError, match="two metadata"):
        convert(document, tmp_path / "a.nwb", metadata=document)
    assert files(tmp_path) == []


# -- what is missing or bad ------------------------------------------------------------------------


def test_metadata_that_lack_something_are_refused_unless_asked_for(
    lab: Path, tmp_path: Path
) -> None:
    one = session(lab)
    document = SessionMetadata.from_archive(one.archive, one.eid)
    document.subject["sex"] = None
    document.session["timezone"] = None
    with pytest.raises(MetadataError) as caught:
        convert(document, tmp_path / "a.nwb", archive=lab)
    assert "subject.sex" in str(caught.value) and "session.timezone" in str(caught.value)
    assert files(tmp_path) == []
    with pytest.warns(ConversionWarning) as warned:
        report = convert(document, tmp_path / "a.nwb", archive=lab, incomplete=True, progress=False)
    assert "subject.sex" in str(warned[0].message)
    assert "'UTC' stands in" in str(warned[0].message)
    assert {problem.partition(":")[0] for problem in report.problems} == {
        "subject.sex",
        "session.timezone",
    }
    with NWBHDF5IO(tmp_path / "a.nwb") as io:
        assert io.read().session_start_time.utcoffset().total_seconds() == 0


def test_metadata_that_are_wrong_are_refused_even_then(lab: Path, tmp_path: Path) -> None:
    one = session(lab)
    document = SessionMetadata.from_archive(one.archive, one.eid)
    document.session["timezone"] = "Europe/Atlantis"
    with pytest.raises(MetadataError, match=r"session\.timezone"):
        convert(document, tmp_path / "a.nwb", archive=lab, incomplete=True)
    assert files(tmp_path) == []


def test_a_part_that_there_is_not_is_refused(lab: Path, tmp_path: Path) -> None:
    one = session(lab)
    document = SessionMetadata.from_archive(one.archive, one.eid)
    document.objects[0].part = "trails"
    with pytest.raises(MetadataError):
        convert(document, tmp_path / "a.nwb", archive=lab)
    assert files(tmp_path) == []


def test_a_dataset_that_is_listed_but_gone_is_said(own: Path, tmp_path: Path) -> None:
    index_lab(own)
    path = "alf/_ibl_trials.repNum.npy"
    (own / SMALL / path).unlink()
    with pytest.warns(ConversionWarning, match=r"repNum\.npy: is listed, but cannot be had"):
        report = quick(own, tmp_path / "a.nwb", check="readback")
    assert report.ok
    assert "cannot be had" in report.left_out[path]
    assert len(report.took) == 14


def test_a_harmed_dataset_is_said_or_refused_and_never_taken(own: Path, tmp_path: Path) -> None:
    index_lab(own)
    path = "alf/_ibl_trials.repNum.npy"
    file = own / SMALL / path
    file.write_bytes(file.read_bytes()[:-100])
    try:
        report = quick(own, tmp_path / "a.nwb", check="readback")
    except ConversionError as error:
        assert "repNum" in str(error)
        assert files(tmp_path / "out") == []
    else:
        assert path in report.left_out
        assert report.warnings


def test_a_harmed_recording_is_left_out(lab: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(lab / RICH, folder / RICH)
    for path in lab.glob("*.json"):
        shutil.copy(path, folder)
    cbin = next((folder / RICH).rglob("*.ap.cbin"))
    harmed = bytearray(cbin.read_bytes())
    middle = len(harmed) // 2
    harmed[middle : middle + 4000] = bytes(4000)
    cbin.write_bytes(harmed)
    index_lab(folder)
    with pytest.warns(ConversionWarning, match=re.escape(cbin.name)):
        report = quick(folder, tmp_path / "a.nwb", path=RICH)
    assert cbin.name in "".join(report.left_out)
    with h5py.File(tmp_path / "a.nwb") as h5:
        assert not [name for name in h5["acquisition"] if name.startswith("ElectricalSeriesAp")]
        assert len(h5["units/id"])


def test_an_object_whose_rows_fail_is_left_out_and_the_rest_made_anew(
    lab: Path, tmp_path: Path
) -> None:
    """Large arrays are read when the skeleton stands: what is half made then is thrown away."""
    one = session(lab, RICH)
    document = SessionMetadata.from_archive(one.archive, one.eid)
    entry = document.entry("processing/behavior/WheelPosition")
    assert entry is not None
    for item in entry.items:
        item.dtype = "uint8"  # positions are below zero too
    with pytest.warns(ConversionWarning, match="WheelPosition is left out"):
        report = quick(lab, tmp_path / "a.nwb", path=RICH, metadata=document, check="readback")
    assert report.ok
    assert "do not fit" in "".join(note.text for note in report.warnings)
    places = {one.dataset: one.place for one in report.took}
    carried = places.get("alf/_ibl_wheel.position.npy", "")  # by itself, as what nobody took is
    assert carried != "processing/behavior/WheelPosition"
    with h5py.File(tmp_path / "a.nwb") as h5:
        assert "WheelPosition" not in h5["processing/behavior"]
        assert len(h5["units/id"]) and "WheelMovement" in h5["processing/behavior"]
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]


def test_an_essential_object_that_fails_refuses_the_session(lab: Path, tmp_path: Path) -> None:
    one = session(lab, RICH)
    document = SessionMetadata.from_archive(one.archive, one.eid)
    entry = document.entry("units")
    assert entry is not None
    for item in entry.items:
        if item.name == "spike_distances_from_probe_tip_um":
            item.dtype = "uint8"
    with pytest.raises(ConversionError, match="units cannot be written") as caught:
        quick(lab, tmp_path / "a.nwb", path=RICH, metadata=document)
    assert "on: false" in caught.value.hint
    assert caught.value.report.error and not caught.value.report.ok
    assert files(tmp_path) == []


# -- what it shows ---------------------------------------------------------------------------------


def test_a_bar_in_bytes(lab: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    convert(session(lab, RICH), tmp_path / "a.nwb", check=False, progress=True)
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "a.nwb: 100%" in shown.err and "MB" in shown.err.replace("M/", "MB/")
    convert(session(lab, RICH), tmp_path / "a.nwb", check=False, progress=False, overwrite=True)
    assert capfd.readouterr().err == ""


def test_large_arrays_are_packed_and_small_ones_too_small_for_it(lab: Path, tmp_path: Path) -> None:
    convert(session(lab, RICH), tmp_path / "a.nwb", check=False, progress=False)
    with h5py.File(tmp_path / "a.nwb") as h5:
        assert np.all(np.isfinite(h5["units/spike_times"][:]))
        assert h5["units/spike_times"].compression == "gzip"
        assert h5["units/spike_times"].shuffle
