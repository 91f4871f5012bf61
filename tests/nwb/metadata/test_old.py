"""Documents of IBL's first converter: facts, what they list, and what they cannot say."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from fascicle.errors import MetadataError
from fascicle.nwb.metadata import SessionMetadata

PATH = "churchlandlab_ucla/Subjects/MFD_09/2023-10-19/001"
UUID = "8cfe4941-d00e-4cc9-ab75-7d9a541a431f"

#: By the keys that such documents have.
OLD: dict[str, Any] = {
    "eid": None,
    "Probes": [
        {
            "id": "0aafb6f1-6c10-4886-8f03-543988e02d9e",
            "name": "probe00",
            "model": "3B1",
            "trajectory_estimate": [
                {"id": UUID, "provenance": "Planned", "x": -2500.0, "coordinate_system": None}
            ],
        }
    ],
    "NWBFile": {
        "session_start_time": "2023-10-19T10:02:11",
        "keywords": ["Behavior training/tasks", "edited"],
        "experiment_description": "edited by hand",
        "session_id": None,
        "experimenter": ["maxwell"],
        "identifier": None,
        "institution": "UCLA",
        "lab": "churchlandlab_ucla",
        "session_description": "what was done",
        "surgery": "none",
    },
    "IBLSessionsData": {
        "location": "rig",
        "project": "brainwide",
        "type": "Experiment",
        "number": 1,
        "end_time": None,
        "extended_qc": {"behavior": 0},
    },
    "IBLSubject": {
        "nickname": "MFD_09",
        "subject_id": UUID,
        "sex": "M",
        "species": "Laboratory mouse",
        "date_of_birth": "2023-03-14T00:00:00",
        "weight": "24.5",
        "age": None,
    },
    "Behavior": {
        "BehavioralTimeSeries": {"time_series": []},
        "Position": {
            "spatial_series": [
                {
                    "name": "wheel_position",
                    "data": "wheel.position",
                    "timestamps": "wheel.timestamps",
                    "description": "described by hand",
                }
            ]
        },
    },
    "Trials": [
        {"name": "start_time", "data": "trials.intervals", "description": "start"},
        {"name": "stimOn_times", "data": "trials.stimOn_times", "description": "the stimulus"},
    ],
    "Units": [
        {"name": "spike_times", "data": "spikes.clusters,spikes.times", "description": "times"}
    ],
    "Ophys": {},
    "Icephys": {},
}


@pytest.fixture
def old(tiny_lab: Path) -> dict[str, Any]:
    """Return such a document of a session of the demo's lab."""
    from fascicle.archives.folder import FolderArchive

    made = copy.deepcopy(OLD)
    made["eid"] = str(FolderArchive(tiny_lab).open(PATH).eid)
    return made


def read(document: dict[str, Any], folder: Path) -> SessionMetadata:
    """Read it from a file."""
    path = folder / "old.json"
    path.write_text(json.dumps(document))
    return SessionMetadata.read(path)


def test_facts_are_read(old: dict[str, Any], tmp_path: Path) -> None:
    metadata = read(old, tmp_path)
    session, subject = metadata.session, metadata.subject
    assert metadata.eid == session["session_id"] == old["eid"]
    assert session["start_time"] == "2023-10-19T10:02:11"
    assert session["experimenter"] == []
    assert session["users"] == ["maxwell"]
    assert session["keywords"] == ["Behavior training/tasks", "edited"]
    assert session["projects"] == ["brainwide"]
    assert session["extended_qc"] == {"behavior": 0}
    assert (subject["subject_id"], subject["uuid"]) == ("MFD_09", UUID)
    assert (subject["species"], subject["sex"]) == ("Mus musculus", "M")
    assert subject["date_of_birth"] == "2023-03-14"
    assert subject["weight"] == "24.5 g"
    assert metadata.probes[0]["trajectories"][0]["provenance"] == "Planned"
    with pytest.raises(MetadataError, match=r"completed"):
        metadata.write(tmp_path / "new.yaml")


def test_its_age_is_not_that_at_the_session(
    old: dict[str, Any], tmp_path: Path, tiny_lab: Path
) -> None:
    """It was that of the day on which the file was made; and what was not known is a word there."""
    old["IBLSubject"] |= {"age": "P190W", "description": "None", "genotype": "[]"}
    metadata = read(old, tmp_path)
    made = metadata.completed(metadata.open_session(tiny_lab))
    made.validate()
    assert made.subject["age"] == "P219D"
    assert made.subject["description"] is None
    assert made.subject["genotype"] is None


def test_with_the_session_it_becomes_one_of_ours(
    old: dict[str, Any], tmp_path: Path, tiny_lab: Path
) -> None:
    metadata = read(old, tmp_path)
    made = metadata.completed(metadata.open_session(tiny_lab))
    made.validate()
    # What it says is right, what it cannot say comes from the archive.
    assert made.session["experiment_description"] == "edited by hand"
    assert made.session["institution"] == "UCLA"
    assert made.session["timezone"] == "America/Los_Angeles"
    assert made.subject["age"] == "P219D"
    assert made.subject["strain"] == "C57BL/6J"
    probe = made.probe("probe00")
    assert probe is not None
    assert (probe["model"], probe["serial"]) == ("3B1", "19051010091")
    assert SessionMetadata.read(made.write(tmp_path / "new.yaml")) == made

    def on(nwb: str) -> bool:
        entry = made.entry(nwb)
        assert entry is not None, nwb
        return entry.on

    wheel, trials, units = map(made.entry, ("WheelPosition", "trials", "units"))
    assert wheel is not None
    assert wheel.on
    assert wheel.items[0].description == "described by hand"
    # Listed are two datasets of the trials: the others were left out by somebody.
    assert trials is not None
    listed = {item.source.partition(":")[2] or item.source for item in trials.wanted}
    assert listed == {"intervals_0", "intervals_1", "stimOn_times"}
    assert units is not None
    assert units.item("spike_times") is not None
    assert not any(item.source.startswith("clusters.metrics") for item in units.wanted)
    assert not on("LickTimes")
    assert not on("AudioSpectrogram")
    assert not on("LeftCameraVideo")
    assert not on("acquisition/ElectricalSeriesAp_probe00")
    assert not on("WheelVelocitySmoothed")  # nor is it otherwise
    # It did not know of these, so that nobody left them out.
    assert on("LeftCameraMotionEnergy")
    assert on("LeftCameraLightningPose")
    assert on("intervals/passive_intervals")
    assert on("general/extracellular_ephys/electrodes")


def test_a_document_may_be_opened_from_a_file_alone(
    old: dict[str, Any], tmp_path: Path, tiny_lab: Path
) -> None:
    import fascicle.nwb.metadata.old as module

    assert module.is_old(old)
    assert not module.is_old(SessionMetadata().to_dict())
    metadata = read(old, tmp_path)
    assert metadata.copy().listed == metadata.listed


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Trails": []}, "(?s)Trails: .*did you mean 'Trials'"),
        ({"Widefield": {}}, "Widefield: "),
        ({"NWBFile": []}, "NWBFile: list"),
        ({"Probes": {}}, "Probes: dict"),
        ({"Probes": [{"id": UUID}]}, "has no name"),
        ({"Trials": [{"name": "x", "data": 3}]}, r"Trials\[0\]\.data: 3 names no dataset"),
        ({"Trials": ["trials.table"]}, r"Trials\[0\]: 'trials.table' is no entry"),
    ],
)
def test_what_is_not_known_is_refused_by_name(
    old: dict[str, Any], tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(MetadataError, match=said) as caught:
        read({**old, **change}, tmp_path)
    assert "old.json" in str(caught.value)


def test_the_form_wrote_under_another_name(old: dict[str, Any], tmp_path: Path) -> None:
    old["IBLSubject"] = {"nickname": "MFD_09"}
    old["Subject"] = {"sex": "F", "subject_id": "MFD_09", "weight": "25 g", "species": "rat"}
    old["NWBFile"]["experimenter"] = "Doe, Jane"
    old["NWBFile"]["session_start_time"] = "2023-10-19T10:02:11+00:00"  # it took all for UTC
    metadata = read(old, tmp_path)
    assert metadata.subject["sex"] == "F"
    assert metadata.subject["weight"] == "25 g"
    assert metadata.subject["species"] == "Rattus norvegicus"
    assert metadata.session["experimenter"] == ["Doe, Jane"]
    assert metadata.session["start_time"] == "2023-10-19T10:02:11"
