"""The facts of a document in an NWB file, and what a reader of the file is told of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import pynwb
import pytest

import fascicle
from fascicle.errors import MetadataError
from fascicle.nwb.metadata import SessionMetadata, facts_table, nwbfile_of

from .test_document import full

EID = "5c6ea8ae-46d8-4bd4-a634-e881dd90b7ad"


def described() -> SessionMetadata:
    """Return a full document with what NWB has no place for."""
    metadata = full()
    metadata.source.update(eid=EID, archive="https://alyx.mylab.org")
    metadata.session.update(
        session_id=EID,
        number=2,
        projects=["brainwide"],
        users=["jane"],
        protocol="_iblrig_tasks_ephysChoiceWorld8.9.0",
        qc="PASS",
        notes="slept",
        related_publications=["doi:10.7554/eLife.63711"],
        json={"a": [1, None]},
    )
    metadata.subject["more"] = {"litter": "L1", "weighings": {"2023-10-19T08:00:00": 24.5}}
    metadata.probes[0]["pid"] = "0aafb6f1-6c10-4886-8f03-543988e02d9e"
    return metadata


def write(metadata: SessionMetadata, path: Path) -> Path:
    """Write a file with the facts alone."""
    nwb = nwbfile_of(metadata)
    module = nwb.create_processing_module("misc", "facts")
    module.add(facts_table(metadata))
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(nwb)
    return path


def test_nwb_has_places_for_most(tmp_path: Path) -> None:
    with h5py.File(write(described(), tmp_path / "a.nwb")) as file:

        def text(place: str) -> Any:
            return file[place].asstr()[()]

        assert text("session_start_time") == "2023-10-19T10:02:11+01:00"
        assert text("general/session_id") == EID
        assert text("identifier") not in ("", EID)
        assert text("session_description") == "choice world"
        assert list(text("general/experimenter")) == ["Doe, Jane"]
        assert list(text("general/keywords")) == ["choice"]
        assert text("general/lab") == "mylab"
        assert text("general/institution") == "UCL"
        assert text("general/notes") == "slept"
        assert text("general/protocol") == "_iblrig_tasks_ephysChoiceWorld8.9.0"
        assert list(text("general/related_publications")) == ["doi:10.7554/eLife.63711"]
        assert text("general/subject/subject_id") == "m"
        assert text("general/subject/species") == "Mus musculus"
        assert text("general/subject/sex") == "F"
        assert text("general/subject/age") == "P219D"
        assert text("general/subject/weight") == "21.3 g"
        assert text("general/subject/date_of_birth") == "2023-03-14T00:00:00+00:00"


def test_the_rest_is_a_table(tmp_path: Path) -> None:
    table = facts_table(described()).to_dataframe()
    said = {field: json.loads(value) for field, value in zip(table.field, table.value, strict=True)}
    assert said["number"] == 2
    assert said["projects"] == ["brainwide"]
    assert said["timezone"] == "Europe/London"
    assert said["json"] == {"a": [1, None]}
    assert said["subject.litter"] == "L1"
    assert said["subject.weighings"] == {"2023-10-19T08:00:00": 24.5}
    assert said["archive"] == "https://alyx.mylab.org"
    assert said["probes"] == [{"label": "probe00", "pid": described().probes[0]["pid"]}]
    assert "location" not in said  # nobody said


def test_no_folder_of_a_machine_is_told(tmp_path: Path) -> None:
    metadata = described()
    metadata.source["archive"] = str(tmp_path)
    assert str(tmp_path) not in facts_table(metadata).to_dataframe().to_json()


def test_a_reader_of_the_file_is_told(tmp_path: Path) -> None:
    session = fascicle.open(write(described(), tmp_path / "a.nwb"))
    (one,) = fascicle.find(archives=session)
    record = one.record
    assert str(record.eid) == EID
    assert (record.lab, record.subject, record.number) == ("mylab", "m", 2)
    assert record.task_protocol == "_iblrig_tasks_ephysChoiceWorld8.9.0"
    assert record.projects == "brainwide"
    assert record.date.isoformat() == "2023-10-19"


def test_each_file_has_an_id_of_its_own() -> None:
    assert nwbfile_of(full()).identifier != nwbfile_of(full()).identifier
    metadata = full()
    metadata.session["identifier"] = "mine"
    assert nwbfile_of(metadata).identifier == "mine"


def test_what_is_not_complete_is_not_written() -> None:
    metadata = full()
    metadata.subject["sex"] = None
    with pytest.raises(MetadataError, match=r"subject\.sex"):
        nwbfile_of(metadata)


def test_birthdays_begin_when_days_do() -> None:
    metadata = full()
    metadata.session["timezone"] = "America/Sao_Paulo"
    metadata.session["start_time"] = "2019-01-01T10:00:00"
    metadata.subject.update(date_of_birth="2018-11-04", age=None)  # clocks were put forward
    assert nwbfile_of(metadata).subject.date_of_birth.isoformat() == "2018-11-04T01:00:00-02:00"


def test_an_hour_that_was_twice_is_kept(tmp_path: Path) -> None:
    metadata = full()
    metadata.subject["age"] = None
    for offset in ("+01:00", "+00:00"):
        metadata.session["start_time"] = f"2023-10-29T01:30:00{offset}"
        path = tmp_path / f"a{offset[2]}.nwb"
        with h5py.File(write(metadata, path)) as file:
            assert file["session_start_time"].asstr()[()] == f"2023-10-29T01:30:00{offset}"
