"""What folders say of a session: people, the lab, datasets that describe, the catalogue."""

from __future__ import annotations

import json
import pickle
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import fascicle
from fascicle.archives.folder import FolderArchive
from fascicle.catalogue import index
from fascicle.errors import ConfigurationError, MetadataError, SessionNotFound
from fascicle.nwb.metadata import SessionMetadata
from fascicle.one import One
from fascicle.oneibl.one import ONE as FirstONE

from .test_rules import ODD

PATH = "churchlandlab_ucla/Subjects/MFD_09/2023-10-19/001"
ASKED = {
    "session.timezone",
    "session.start_time",
    "session.session_description",
    "subject.species",
    "subject.sex",
    "subject.age",
}


@pytest.fixture(scope="module")
def collected(tiny_lab: Path) -> SessionMetadata:
    """Return what the demo's lab says of its richest session; tests must not change it."""
    return SessionMetadata.from_archive(tiny_lab, PATH)


@pytest.fixture
def bare(tiny_lab: Path, tmp_path: Path) -> Path:
    """Return a folder with one session of few datasets, and nothing beside it."""
    alf = tmp_path / "data/mylab/Subjects/MFD_09/2023-10-19/001/alf"
    alf.mkdir(parents=True)
    for name in ("_ibl_wheel.position.npy", "_ibl_wheel.timestamps.npy"):
        shutil.copy(tiny_lab / PATH / "alf" / name, alf)
    return tmp_path / "data"


def session_of(folder: Path) -> Path:
    """Return the folder of its one session."""
    return next(folder.glob("*/Subjects/*/*/*"))


def collect(folder: Path) -> SessionMetadata:
    """Index a folder of one session, and collect what it says."""
    index(folder)
    archive = FolderArchive(folder)
    (eid,) = archive.catalogue().eids()
    return SessionMetadata.from_archive(archive, eid)


def asked_for(metadata: SessionMetadata) -> set[str]:
    """Return the fields that stop a conversion."""
    return {problem.field for problem in metadata.problems() if problem.stops}


# -- the demo's lab --------------------------------------------------------------------------------


def test_the_demo_session_is_complete(collected: SessionMetadata, tiny_lab: Path) -> None:
    collected.validate()
    session, subject = collected.session, collected.subject
    assert collected.source == {
        "archive": str(tiny_lab),
        "session": PATH,
        "eid": collected.eid,
    }
    assert session["session_id"] == collected.eid
    assert session["identifier"] is None
    assert collected.start.isoformat() == "2023-10-19T10:02:11-07:00"
    assert session["timezone"] == "America/Los_Angeles"
    assert session["institution"] == "University of California, Los Angeles"
    assert session["lab"] == "churchlandlab_ucla"
    assert session["keywords"] == [
        "Ephys recording with acute probe(s)",
        "Behavior training/tasks",
        "ibl_neuropixel_brainwide_01",
        "ephysChoiceWorld",
    ]
    assert session["experimenter"] == []  # usernames are no names
    assert session["users"] == ["maxwell"]
    assert session["number"] == 1
    assert subject["subject_id"] == "MFD_09"
    assert subject["species"] == "Mus musculus"
    assert subject["age"] == "P219D"
    assert subject["date_of_birth"] == "2023-03-14"
    assert subject["weight"] == "25.5 g"
    first, second = collected.probes
    assert (first["label"], first["model"], first["serial"]) == ("probe00", "3B2", "19051010091")
    assert first["pid"]
    assert first["channels"].startswith("alf/probe00")
    assert first["sorting"].startswith("alf/probe00")
    assert second["trajectories"] == [
        {"provenance": "Micro-manipulator", "x": -320, "y": -1150, "z": -520, "depth": 3840.0}
        | {"theta": 2, "phi": 180.0, "roll": 0.0}
    ]


def test_it_is_the_mapping_too(collected: SessionMetadata) -> None:
    trials = collected.entry("intervals/trials")
    assert trials is not None
    assert any(item.source.startswith("trials.") for item in trials.items)
    fed = {item.source.partition(":")[0] for entry in collected.objects for item in entry.items}
    assert {"wheel.position", "spikes.times", "licks.times"} <= fed


def test_it_is_the_same_each_time(collected: SessionMetadata, tiny_lab: Path) -> None:
    again = SessionMetadata.from_archive(str(tiny_lab), collected.eid)
    assert again == collected
    assert json.dumps(again.to_dict()) == json.dumps(collected.to_dict())
    assert pickle.loads(pickle.dumps(again)) == collected


@pytest.mark.parametrize("end", ["json", "yaml"])
def test_files_give_it_back(collected: SessionMetadata, tmp_path: Path, end: str) -> None:
    assert SessionMetadata.read(collected.write(tmp_path / f"a.{end}")) == collected


def test_a_document_knows_its_session(collected: SessionMetadata, tmp_path: Path) -> None:
    read = SessionMetadata.read(collected.write(tmp_path / "a.json"))
    assert str(read.open_session().eid) == collected.eid
    assert read.completed(read.open_session()) is read
    read["objects"] = []
    assert read.completed(read.open_session()) == collected
    read["source"] = {}
    read.session["session_id"] = None
    with pytest.raises(MetadataError, match=r"source\.eid"):
        read.open_session()


def test_any_one_will_do(collected: SessionMetadata, tiny_lab: Path, tmp_path: Path) -> None:
    one = One(tiny_lab)
    first = FirstONE(mode="local", cache_dir=str(tiny_lab), silent=True)
    open_session = fascicle.open(tiny_lab).open(collected.eid)
    for archive in (one, first, FolderArchive(tiny_lab), tiny_lab, open_session):
        assert SessionMetadata.from_archive(archive, collected.eid) == collected

    class Walks:  # like ONE-api's
        def __init__(self) -> None:
            self.cache_dir, self.mode = tiny_lab, "local"

    assert SessionMetadata.from_archive(Walks(), open_session) == collected
    tables = tmp_path / "tables"
    tables.mkdir()
    index(tiny_lab, tables_dir=tables)
    apart = One(tiny_lab, tables_dir=tables)
    assert SessionMetadata.from_archive(apart, PATH).session["lab"] == "churchlandlab_ucla"


def test_what_is_no_archive(tiny_lab: Path) -> None:
    with pytest.raises(ConfigurationError, match="no archive"):
        SessionMetadata.from_archive(3, PATH)
    with pytest.raises(SessionNotFound):
        SessionMetadata.from_archive(tiny_lab, "mylab/Subjects/nobody/2020-01-01/001")


# -- a folder that says little ---------------------------------------------------------------------


def test_a_bare_folder_is_asked_about(bare: Path) -> None:
    metadata = collect(bare)
    assert asked_for(metadata) == ASKED
    assert metadata.session["lab"] == "mylab"
    assert metadata.session["timezone"] is None  # never guessed
    assert metadata.subject["subject_id"] == "MFD_09"
    assert metadata.probes == []


SAID = """\
session:
  session_description: wheel alone
  start_time: 2023-10-19T10:02:11
  timezone: Europe/London
  experimenter: Doe, Jane
subject:
  species: mouse
  sex: female
  date_of_birth: 2023-03-14
  weight: 21.3
probes:
  - label: probe00
    manufacturer: imec
"""


@pytest.mark.parametrize("name", ["session.yaml", "session.yml", "alf/session.yaml"])
def test_people_say_the_rest(bare: Path, name: str) -> None:
    (session_of(bare) / name).write_text(SAID)
    metadata = collect(bare)
    metadata.validate()
    assert metadata.session["experimenter"] == ["Doe, Jane"]
    assert metadata.subject["species"] == "Mus musculus"
    assert metadata.subject["sex"] == "F"
    assert metadata.subject["age"] == "P219D"
    assert metadata.subject["weight"] == "21.3 g"
    assert metadata.probe("probe00")["manufacturer"] == "imec"  # type: ignore[index]


def test_fields_of_the_session_may_stand_alone(bare: Path) -> None:
    said = {"timezone": "Europe/London", "notes": "a\nb", "subject": {"sex": "M"}}
    (session_of(bare) / "session.json").write_text(json.dumps(said))
    metadata = collect(bare)
    assert asked_for(metadata) == ASKED - {"session.timezone", "subject.sex"}
    assert metadata.session["notes"] == "a\nb"


def test_the_folder_says_the_day_of_the_session(bare: Path) -> None:
    (session_of(bare) / "session.yaml").write_text("subject: {date_of_birth: 2023-03-14}\n")
    metadata = collect(bare)
    assert metadata.session["start_time"] is None
    assert metadata.subject["age"] == "P219D"


def test_what_holds_for_many_sessions_stands_above(bare: Path) -> None:
    (bare / "session.yaml").write_text("timezone: Europe/London\nsubject: {species: rat}\n")
    (session_of(bare).parents[1] / "session.yaml").write_text("subject: {species: mouse, sex: M}\n")
    (bare.parent / "session.yaml").write_text("lab: not above the archive\n")
    metadata = collect(bare)
    assert metadata.session["timezone"] == "Europe/London"
    assert metadata.subject["species"] == "Mus musculus"
    assert metadata.subject["sex"] == "M"
    assert metadata.session["lab"] == "mylab"


def test_what_one_session_has_does_not_stand_above(bare: Path) -> None:
    above = bare / "mylab/session.yaml"
    above.write_text("session: {start_time: 2023-10-19T10:02:11}\n")
    with pytest.raises(MetadataError, match=r"session\.start_time: it is one session's"):
        collect(bare)
    above.write_text("number: 1\n")
    with pytest.raises(MetadataError, match=r"session\.number"):
        collect(bare)
    above.unlink()
    metadata = collect(bare)
    metadata.session["timezone"] = "Asia/Tokyo"
    metadata.source.update(eid="other", session="mylab/Subjects/other/2023-10-19/001")
    metadata.write(above)  # a document that somebody wrote where the program ran
    assert collect(bare).session["timezone"] is None


def test_the_document_of_another_session_is_no_pattern(bare: Path) -> None:
    metadata = collect(bare)
    beside = session_of(bare) / "session.json"
    metadata.source["eid"] = "what it is called elsewhere"
    metadata.write(beside)
    collect(bare)
    metadata.source["session"] = "mylab/Subjects/other/2023-10-19/001"
    metadata.write(beside)
    with pytest.raises(MetadataError, match=r"document of session mylab/Subjects/other"):
        collect(bare)


def test_a_whole_document_may_lie_there(bare: Path) -> None:
    (session_of(bare) / "session.yaml").write_text(SAID)
    metadata = collect(bare)
    metadata.write(session_of(bare) / "session.yaml")
    assert collect(bare) == metadata


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sesion: {}", "(?s)sesion: .*did you mean 'session'"),
        ("session: {timzone: x}", r"(?s)session\.timzone.*did you mean 'timezone'"),
        ("subject: []", "subject: "),
        ("probes: {}", "no list of probes"),
        ("probes: [{model: x}]", r"probes\[0\]\.label"),
        ("probes: [{label: x, sereal: 1}]", r"(?s)probes\[0\]\.sereal.*did you mean 'serial'"),
        ("[", "is no YAML"),
        ("3", "holds no mapping"),
    ],
)
def test_what_people_say_has_to_be_understood(bare: Path, text: str, said: str) -> None:
    (session_of(bare) / "session.yaml").write_text(text)
    with pytest.raises(MetadataError, match=said) as caught:
        collect(bare)
    assert "session.yaml" in str(caught.value)


def test_what_cannot_be_is_said_and_not_mended(bare: Path) -> None:
    text = SAID.replace("mouse", "Laboratory unicorn").replace("female", "maybe")
    (session_of(bare) / "session.yaml").write_text(text)
    assert asked_for(collect(bare)) == {"subject.species", "subject.sex"}


def test_datasets_describe_probes_and_the_experiment(bare: Path, shared: Path) -> None:
    folder = session_of(bare)
    real = shared / "data/alf_original/ibl_photometry/cortexlab/Subjects/CQ002/2024-11-05/001"
    shutil.copy(real / "_ibl_experiment.description.yaml", folder)
    said = [{"label": "probe00", "model": "3B2", "serial": 19051010091}, {"model": "x"}, 3]
    (folder / "alf/probes.description.json").write_text(json.dumps(said))
    (folder / "alf/probes.trajectory.json").write_text("[{")  # harmed
    metadata = collect(bare)
    assert metadata.session["procedures"] == ["Behavior training/tasks"]
    assert metadata.session["projects"] == ["ibl_fibrephotometry"]
    assert metadata.session["protocol"] == "_iblrig_tasks_trainingChoiceWorld"
    assert "trainingChoiceWorld" in metadata.session["keywords"]
    (probe,) = metadata.probes
    assert probe["serial"] == 19051010091
    assert probe["trajectories"] == []


@pytest.mark.parametrize(
    ("settings", "start", "end"),
    [
        ({"SESSION_DATETIME": "2023-10-19 12:35:39"}, "2023-10-19T12:35:39", None),
        (
            {
                "SESSION_START_TIME": "2023-10-19T12:35:39.123456",
                "SESSION_END_TIME": "2023-10-19T13:00:00",
            },
            "2023-10-19T12:35:39.123456",
            "2023-10-19T13:00:00",
        ),
        ({"SESSION_DATETIME": "2018-10-02 12:35:39"}, None, None),  # another day: not sure
        ({"SESSION_DATETIME": 3}, None, None),
        ([], None, None),
    ],
)
def test_the_rig_knows_when_it_began(
    bare: Path, settings: Any, start: str | None, end: str | None
) -> None:
    folder = session_of(bare) / "raw_task_data_00"
    folder.mkdir()
    (folder / "_iblrig_taskSettings.raw.json").write_text(json.dumps(settings))
    metadata = collect(bare)
    assert metadata.session["start_time"] == start
    assert metadata.session["end_time"] == end


def test_a_real_rig_is_read(shared: Path, tmp_path: Path) -> None:
    rig = tmp_path / "rig"
    shutil.copytree(shared / "data/alf_original/iblrig_rig_test", rig / "mylab/Subjects")
    index(rig)
    archive = FolderArchive(rig)
    for session in fascicle.find(subject="test_mouse", archives=archive):
        metadata = SessionMetadata.from_archive(archive, session.eid)
        if (rig / session.record.path / "raw_behavior_data").is_dir():
            assert metadata.session["start_time"] == "2018-10-02T12:35:39"
            assert metadata.session["protocol"] == "basicChoiceWorld"
            assert asked_for(metadata) >= ASKED - {
                "session.start_time",
                "session.session_description",
            }
            break
    else:
        pytest.fail("no session with settings of a rig")


def test_real_sessions_are_asked_about(shared: Path, tmp_path: Path) -> None:
    real = shared / "data/alf_md5_exact"
    index(real, tables_dir=tmp_path)
    archive = FolderArchive(real, tables_dir=tmp_path)
    eids = archive.catalogue().eids()
    assert eids
    for eid in eids:
        metadata = SessionMetadata.from_archive(archive, eid)
        assert asked_for(metadata) <= ASKED
        assert {"session.timezone", "subject.species", "subject.sex"} <= asked_for(metadata)
        labels = [probe["label"] for probe in metadata.probes]
        assert labels == sorted(set(labels))


@pytest.mark.parametrize("section", ["session", "subject", "probes", "track"])
def test_whatever_people_write_is_a_problem_and_no_crash(section: str) -> None:
    from fascicle.nwb.metadata import collect, fields, folder
    from fascicle.nwb.metadata.gathering import Facts

    templates: dict[str, Any] = {"probes": fields.PROBE, "track": fields.TRAJECTORY}
    templates |= {"session": fields.SESSION, "subject": fields.SUBJECT}
    for name in templates[section]:
        for value in ODD:
            said: Any = {name: value}
            if section == "track":
                said = {"label": "probe00", "trajectories": [said]}
            given = {"probes": [said]} if section in ("probes", "track") else {section: said}
            found = Facts()
            with suppress(MetadataError):
                folder._add_sections(found, given, "session.yaml")
                collect._settle(found, "eid")
                made = {"session": found.session, "subject": found.subject}
                probes = list(found.probes.values())
                assert SessionMetadata({**made, "probes": probes}).problems()
