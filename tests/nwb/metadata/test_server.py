"""What a lab's database says of a session: a real hub, ONE objects on it, recorded answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fascicle.archives.alyx import AlyxArchive
from fascicle.errors import ConfigurationError, HTTPError, ServerError
from fascicle.nwb.metadata import SessionMetadata, collect
from fascicle.nwb.metadata.gathering import Facts
from fascicle.nwb.metadata.server import add_facts
from fascicle.one import ONE, OneAlyx
from fascicle.oneibl.one import ONE as FirstONE
from fascicle.testing.hub import HubServer

from .test_rules import ODD

PATH = "churchlandlab_ucla/Subjects/MFD_09/2023-10-19/001"

#: What somebody enters on the pages of the hub.
ENTERED = """
from datetime import datetime, timezone
from fascicle.hub.models import *

session = Session.objects.get(subject__nickname="MFD_09", start_time__startswith="2023-10-19")
session.narrative = "the animal slept"
session.end_time = session.start_time.replace(hour=11)
session.extended_qc = {"behavior": 1, "_task_goCue_delays": 0.6394}
session.json = {"is": "kept"}
session.save()
maxwell = LabMember.objects.get(username="maxwell")
maxwell.first_name, maxwell.last_name = "James", "Maxwell"
maxwell.save()
subject = session.subject
species, _ = Species.objects.get_or_create(name="Mus musculus")
Species.objects.filter(pk=species.pk).update(nickname="Laboratory mouse")
subject.species = species
subject.description = "quick"
subject.save()
Weighing.objects.create(subject=subject, date_time="2023-10-19T10:01:00", weight=24.25)
Weighing.objects.create(subject=subject, date_time="2033-10-19T08:00:00", weight=34.25)
probe = ProbeInsertion.objects.get(session=session, name="probe00")
for k, name in ((10, "Planned"), (70, "Ephys aligned histology track")):
    TrajectoryEstimate.objects.filter(probe_insertion=probe, provenance=k).delete()
    TrajectoryEstimate.objects.create(
        probe_insertion=probe, provenance=k, x=-2243.5, y=-2000.0 - k, z=-100.0,
        depth=4000.0, theta=15.0, phi=180.0, roll=0.0,
    )
result = str(session.pk)
"""


@pytest.fixture(scope="module")
def hub(served: Path, made_hub: HubServer) -> Iterator[HubServer]:
    """Return a hub of the demo's lab."""
    with HubServer(served, like=made_hub) as server:
        yield server


@pytest.fixture(scope="module")
def eid(hub: HubServer) -> str:
    """Return the session of which more was entered."""
    return str(hub.run(ENTERED))


@pytest.fixture(autouse=True)
def _login(hub: HubServer, monkeypatch: pytest.MonkeyPatch, _own_folders: None) -> None:
    """Let the environment say who asks."""
    user = hub.users["test_user"]
    monkeypatch.setenv("FASCICLE_ALYX_URL", hub.url)
    monkeypatch.setenv("FASCICLE_ALYX_USER", user.name)
    monkeypatch.setenv("FASCICLE_ALYX_PASSWORD", user.password)


def test_a_hub_says_what_was_entered(hub: HubServer, eid: str) -> None:
    metadata = SessionMetadata.from_archive(hub.url, eid)
    metadata.validate()
    session, subject = metadata.session, metadata.subject
    assert metadata.source == {"archive": hub.url, "session": PATH, "eid": eid}
    assert metadata.start.isoformat() == "2023-10-19T10:02:11-07:00"
    assert session["end_time"] == "2023-10-19T11:02:11"
    assert session["session_description"] == "the animal slept"
    assert session["institution"] == "University of California, Los Angeles"
    assert session["users"] == ["maxwell"]
    assert session["experimenter"] == ["Maxwell, James"]
    assert session["location"] == "_iblrig_churchlandlab_ucla_rig_0"
    assert session["extended_qc"] == {"behavior": 1, "_task_goCue_delays": 0.6394}
    assert session["json"] == {"is": "kept"}
    assert session["qc"]
    assert session["url"] == f"{hub.url}/sessions/{eid}"
    assert (subject["species"], subject["sex"]) == ("Mus musculus", "M")
    assert subject["description"] == "quick"
    assert subject["age"] == "P219D"
    assert subject["weight"] == "24.25 g"  # of the day, not the reference
    assert subject["uuid"]
    assert "2023-10-19T10:01:00" in subject["more"]["weighings"]
    assert not any(when.startswith("2033") for when in subject["more"]["weighings"])
    assert "age_weeks" not in subject["more"]  # of today
    probe = metadata.probe("probe00")
    assert probe is not None
    assert probe["pid"]
    assert (probe["model"], probe["serial"]) == ("3B2", "19051010091")
    planned, *_, aligned = probe["trajectories"]
    assert planned["provenance"] == "Planned"
    assert aligned["provenance"] == "Ephys aligned histology track"
    assert (aligned["x"], aligned["y"], aligned["phi"]) == (-2243.5, -2070.0, 180.0)
    assert metadata.entry("intervals/trials") is not None


def test_any_one_on_it_says_the_same(hub: HubServer, eid: str, tmp_path: Path) -> None:
    user, here = hub.users["test_user"], tmp_path / "one"
    expected = SessionMetadata.from_archive(AlyxArchive(hub.url, store=here), eid)
    one = OneAlyx(user.name, user.password, hub.url, cache_dir=here, silent=True)
    first = FirstONE(user.name, user.password, hub.url, silent=True, cache_dir=here)
    anyone = ONE(base_url=hub.url, cache_dir=here, silent=True)
    for given in (one, first, anyone):
        assert SessionMetadata.from_archive(given, eid) == expected
        assert SessionMetadata.from_archive(given, PATH) == expected


def test_a_login_of_its_own_is_used(
    hub: HubServer, eid: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FASCICLE_ALYX_URL", "FASCICLE_ALYX_USER", "FASCICLE_ALYX_PASSWORD"):
        monkeypatch.delenv(name)
    user = hub.users["test_user"]
    one = OneAlyx(user.name, user.password, hub.url, cache_dir=tmp_path, silent=True)

    class Walks:  # like ONE-api's, with a client of its own
        cache_dir, mode = tmp_path, "remote"

        class Client:
            base_url, user = one.alyx.base_url, one.alyx.user
            _token = {"token": hub.token("test_user")}  # noqa: RUF012
            rest = staticmethod(one.alyx.rest)

        alyx = Client()

    metadata = SessionMetadata.from_archive(Walks(), eid)
    assert metadata == SessionMetadata.from_archive(one, eid)
    assert metadata.subject["weight"] == "24.25 g"


def test_a_change_is_seen_at_once(hub: HubServer, eid: str) -> None:
    before = SessionMetadata.from_archive(hub.url, eid)
    changed = hub.ask(
        "PATCH", f"/sessions/{eid}", {"narrative": "it woke up"}, token=hub.token("test_user")
    )
    assert changed.status == 200
    after = SessionMetadata.from_archive(hub.url, eid)
    assert before.session["session_description"] != "it woke up"
    assert after.session["session_description"] == "it woke up"
    hub.ask(
        "PATCH", f"/sessions/{eid}", {"narrative": "the animal slept"}, token=hub.token("test_user")
    )


def test_what_people_wrote_beside_the_data_is_right(hub: HubServer, served: Path, eid: str) -> None:
    beside = served / PATH / "session.yaml"
    beside.write_text("subject: {weight: 30 g}\nexperimenter: ['Doe, Jane']\n")
    metadata = SessionMetadata.from_archive(served, eid)
    beside.unlink()
    assert metadata.subject["weight"] == "30 g"
    assert metadata.session["experimenter"] == ["Doe, Jane"]


# -- answers of a real Alyx ------------------------------------------------------------------------


class Recorded:
    """A client that has answers which a real Alyx gave."""

    base_url = "http://127.0.0.1:8100"

    def __init__(self, samples: Path, **others: Any) -> None:
        def answer(name: str) -> Any:
            recorded = json.loads((samples / name).read_text())
            return recorded["exchanges"][-1]["response"]

        detail = answer("031_get_details_eid__full_True_.json")
        labs = answer("025_labs_list_django_session__data_dataset_session_related__tags__name.json")
        tracks = answer("084_trajectories_list_probe_insertion_provenance.json")["results"]
        for track in tracks:
            track["probe_insertion"] = detail["probe_insertion"][0]["id"]
        self.answers: dict[tuple[str, str], Any] = {
            ("sessions", "read"): detail,
            ("subjects", "read"): answer("087_subjects_read.json"),
            ("labs", "read"): next(one for one in labs["results"] if one["name"] == "cortexlab"),
            ("trajectories", "list"): tracks,
        }
        self.answers |= {tuple(key.split("__")): value for key, value in others.items()}  # type: ignore[misc]

    def rest(self, endpoint: str, action: str, **_: Any) -> Any:
        found = self.answers.get((endpoint, action))
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise HTTPError(f"{endpoint} has none", status=404)
        return found


@pytest.fixture(scope="module")
def samples(shared: Path) -> Path:
    """Return the recorded answers."""
    return shared / "contracts/alyx-samples"


def of(client: Any, eid: str = "5309f06c-e73e-4037-97fd-4e89762e7080") -> Facts:
    """Return what a database says."""
    found = Facts()
    add_facts(found, client, eid)
    return found


def test_a_real_alyx_is_understood(samples: Path) -> None:
    found = of(Recorded(samples))
    assert found.session["timezone"] == "GB"  # a name of the IANA database
    assert found.session["start_time"] == "2020-01-06T09:00:00.123456"
    assert found.session["end_time"] == "2020-01-06T10:00:00.123456"
    assert found.narrative == "session 0"
    assert found.session["procedures"] == [
        "Ephys recording with acute probe(s)",
        "Behavior training/tasks",
    ]
    assert "institution" not in found.session  # empty there
    assert "experimenter" not in found.session
    assert found.session["users"] == ["test_user"]
    assert found.subject["species"] == "Laboratory mouse"
    assert found.subject["more"]["water_in_session"] == [
        {"water_type": "Water", "water_administered": 1.2}
    ]
    assert found.subject["more"]["weighings"]["2020-01-06T08:00:00"] == 24.5
    assert found.reference_weight == 23.5
    tracks = [probe["trajectories"] for probe in found.probes.values()]
    assert tracks[0][0]["depth"] == 4000.0


def test_utc_is_what_a_database_writes_where_nobody_said(samples: Path) -> None:
    lab = {"name": "cortexlab", "institution": "UCL", "timezone": "UTC"}
    found = of(Recorded(samples, labs__read=lab))
    assert "timezone" not in found.session
    assert found.session["institution"] == "UCL"


def test_people_have_names_where_the_database_says_them(samples: Path) -> None:
    user = {"username": "test_user", "first_name": "Jane", "last_name": "Doe"}
    assert of(Recorded(samples, users__read=user)).session["experimenter"] == ["Doe, Jane"]
    half = {"username": "test_user", "first_name": "Jane", "last_name": ""}
    assert "experimenter" not in of(Recorded(samples, users__read=half)).session


def test_notes_are_kept(samples: Path) -> None:
    client = Recorded(samples)
    client.answers["sessions", "read"] = {
        **client.answers["sessions", "read"],
        "narrative": "Auto-generated session",
        "notes": [
            {"user": "b", "date_time": "2020-01-06T12:00:00.5", "text": "done "},
            {"user": "a", "date_time": "2020-01-06T10:00:00", "text": "began"},
            {"text": ""},
            "nothing",
        ],
    }
    found = of(client)
    assert found.narrative == ""
    assert found.session["notes"] == "2020-01-06T10:00:00, a: began\n2020-01-06T12:00:00, b: done"


@pytest.mark.parametrize(
    ("endpoint", "action"), [("subjects", "read"), ("labs", "read"), ("trajectories", "list")]
)
@pytest.mark.parametrize(
    "error",
    [HTTPError("no", status=403), HTTPError("no", status=500), ConfigurationError("no such")],
)
def test_what_a_database_does_not_show_is_not_there(
    samples: Path, endpoint: str, action: str, error: Exception
) -> None:
    found = of(Recorded(samples, **{f"{endpoint}__{action}": error}))
    assert found.session["lab"] == "cortexlab"
    assert found.probes


def test_a_server_that_does_not_answer_is_no_answer(samples: Path) -> None:
    with pytest.raises(ServerError):
        of(Recorded(samples, subjects__read=ServerError("silence")))
    with pytest.raises(HTTPError):
        of(Recorded(samples, subjects__read=HTTPError("busy", status=429)))


def test_insertions_of_the_public_alyx(shared: Path, samples: Path) -> None:
    folder = shared / "data/alyx_rest_openalyx/examples"
    lists = sorted(folder.glob("insertions_list_session_*.json"))
    assert lists
    for place in lists:
        (answer, _) = json.loads(place.read_text())
        eid = place.stem.rpartition("_")[2]
        detail = {**answer["results"][0]["session_info"], "users": ["3f9a1c02"]}
        client = Recorded(samples, insertions__list=answer["results"])
        client.answers["sessions", "read"] = detail
        client.answers["trajectories", "list"] = []
        found = of(client, eid)
        assert sorted(found.probes) == sorted(one["name"] for one in answer["results"])
        for one in answer["results"]:
            probe = found.probes[one["name"]]
            assert (probe["pid"], probe["model"]) == (one["id"], one["model"])
            assert probe.get("serial") == one.get("serial")


@pytest.mark.parametrize("endpoint", ["sessions", "subjects", "labs", "users", "trajectories"])
def test_odd_answers_are_no_crash(samples: Path, endpoint: str) -> None:
    user = {"username": "test_user", "first_name": "Jane", "last_name": "Doe"}
    whole = Recorded(samples, users__read=user).answers
    action = "list" if endpoint == "trajectories" else "read"
    one = whole[endpoint, action][0] if action == "list" else whole[endpoint, action]
    for name in one:
        for value in ODD:
            client = Recorded(samples, users__read=user)
            changed = {**one, name: value}
            client.answers[endpoint, action] = [changed, value] if action == "list" else changed
            found = of(client)
            collect._settle(found, "eid")
            made = {"session": found.session, "subject": found.subject}
            SessionMetadata({**made, "probes": list(found.probes.values())}).problems()
