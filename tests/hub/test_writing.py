"""Rows made, changed and deleted by REST: shapes, errors, and what follows from them."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID, uuid4

import pytest

from .inside import Api, make_users

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 60


class World:
    """A laboratory with a subject, and those who may write."""

    def __init__(self) -> None:
        from fascicle.hub import models

        self.m = models
        self.user, self.boss, _ = make_users()
        self.api, self.admin = Api(self.user), Api(self.boss)
        self.lab = models.Lab.objects.create(name="lab1")
        self.lab.repositories.add(models.DataRepository.objects.get(name="hub"))
        models.Project.objects.create(name="proj1")
        models.ProcedureType.objects.get_or_create(name="Behavior training/tasks")
        self.subject = self.send("POST", "/subjects", {"nickname": "S1", "lab": "lab1"})

    def send(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        return self.api.send(method, path, body, status)

    def session(self, **more: Any) -> Any:
        given = {"subject": "S1", "number": 1, "start_time": "2022-02-03T10:11:12"}
        return self.send("POST", "/sessions", given | more)

    def dataset(self, eid: str, name: str = "spikes.times.npy", **more: Any) -> Any:
        given = {"name": name, "session": eid, "dataset_type": "spikes.times"}
        return self.send("POST", "/datasets", {**given, "collection": "alf/probe00", **more})

    def id_of(self, row: Any) -> str:
        return str(row["url"]).rpartition("/")[2]


@pytest.fixture
def world(tables: Any) -> World:
    return World()


def generation() -> int:
    from fascicle.hub.generation import current

    return current()


# -- subjects --------------------------------------------------------------------------------------


def test_a_subject(world: World) -> None:
    given = {
        "nickname": "tmp_1",
        "lab": "lab1",
        "projects": ["proj1"],
        "sex": "M",
        "birth_date": "2021-01-01",
        "responsible_user": "test_user",
    }
    made = world.send("POST", "/subjects", given)
    assert {key: made[key] for key in given} == given
    assert made["alive"] is True
    assert made["age_weeks"] > 200
    assert "weighings" not in made
    read = world.api.get("/subjects/tmp_1")
    assert (read["weighings"], read["water_administrations"]) == ([], [])
    assert world.send("PATCH", "/subjects/tmp_1", {"sex": "Female"})["sex"] == "F"
    world.send("DELETE", "/subjects/tmp_1")
    assert world.api.ask("GET", "/subjects/tmp_1").status_code == 404


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ({}, {"nickname": ["This field is required."], "lab": ["This field is required."]}),
        ({"nickname": "S1", "lab": "lab1"},
         {"nickname": ["subject with this nickname already exists."]}),
        ({"nickname": "x", "lab": "nope"}, {"lab": ["Object with name=nope does not exist."]}),
        ({"nickname": "x", "lab": None}, {"lab": ["This field may not be null."]}),
        ({"nickname": "", "lab": "lab1"}, {"nickname": ["This field may not be blank."]}),
        ({"nickname": "a b", "lab": "lab1"}, {"nickname": ["Enter a valid value."]}),
        ({"nickname": "x", "lab": "lab1", "sex": "Q"}, {"sex": ['"Q" is not a valid choice.']}),
        ({"nickname": ["x"], "lab": "lab1"}, {"nickname": ["Not a valid string."]}),
        ({"nickname": "x", "lab": "lab1", "projects": "proj1"},
         {"projects": ['Expected a list of items but got type "str".']}),
        ({"nickname": "x", "lab": "lab1", "projects": ["proj1", "no"]},
         {"projects": ["Object with name=no does not exist."]}),
        ({"nickname": "x", "lab": "lab1", "birth_date": "2020-02-30"},
         {"birth_date": ["Date has wrong format. Use one of these formats instead: YYYY-MM-DD."]}),
        ({"nickname": "x" * 300, "lab": "lab1"},
         {"nickname": ["Ensure this value has at most 255 characters (it has 300)."]}),
        ([], {"non_field_errors": ["Invalid data. Expected a dictionary, but got list."]}),
        ("text", {"non_field_errors": ["Invalid data. Expected a dictionary, but got str."]}),
    ],
)  # fmt: skip
def test_errors_name_the_field(world: World, given: Any, errors: Any) -> None:
    assert world.send("POST", "/subjects", given, 400) == {**errors, "status_code": 400}
    assert world.m.Subject.objects.count() == 1


@pytest.mark.parametrize(
    ("path", "given", "field"),
    [
        ("/weighings", {"subject": "S1", "weight": "heavy"}, "weight"),
        ("/weighings", {"subject": "S1", "weight": True}, "weight"),
        ("/weighings", {"subject": "S1", "weight": 10**400}, "weight"),
        ("/weighings", {"subject": "S1", "weight": 1, "date_time": "now"}, "date_time"),
        ("/weighings", {"subject": "S1", "weight": 1, "date_time": 5}, "date_time"),
        ("/sessions", {"subject": "S1", "number": 2**40}, "number"),
        ("/sessions", {"subject": "S1", "number": 1.5}, "number"),
        ("/sessions", {"subject": "S1", "number": "x"}, "number"),
        ("/sessions", {"subject": "S1", "qc": "GOOD"}, "qc"),
        ("/sessions", {"subject": "S1", "qc": 31}, "qc"),
        ("/sessions", {"subject": "S1", "json": [10**400]}, "json"),
        ("/sessions", {"subject": "S1", "users": ["nobody"]}, "users"),
        ("/sessions", {"subject": "S1", "users": [1, None]}, "users"),
        ("/sessions", {"subject": {"nickname": "S1"}}, "subject"),
        ("/insertions", {"name": "probe00", "session": "foo"}, "session"),
        ("/insertions", {"name": "probe00", "session": str(uuid4())}, "session"),
        ("/insertions", {"name": "probe00", "session": "http://["}, "session"),
        ("/insertions", {"name": "probe00", "session": "http://x/%00"}, "session"),
        ("/tags", {"name": "t", "public": "perhaps"}, "public"),
        ("/channels", {"axial": 1}, "trajectory_estimate"),
        ("/notes", {"content_type": "session", "object_id": "x"}, "object_id"),
        ("/notes", {"content_type": "token", "object_id": str(uuid4())}, "content_type"),
        ("/notes", {"content_type": "session", "object_id": str(uuid4())}, "object_id"),
        ("/files", {"dataset": str(uuid4()), "data_repository": "hub"}, "dataset"),
    ],
)
def test_values_of_a_wrong_kind(world: World, path: str, given: Any, field: str) -> None:
    assert field in world.send("POST", path, given, 400)


def test_what_has_no_meaning_is_ignored_and_said(world: World) -> None:
    answer = world.api.ask("POST", "/tags", {"name": "t", "colour": "red"})
    assert answer.status_code == 201
    assert "'colour'" in answer["Alyx-API-Notice"]


def test_where_a_new_row_is(world: World) -> None:
    answer = world.api.ask("POST", "/tags", {"name": "t/1 ü"})
    assert answer["Location"] == "http://localhost/tags/t%2F1%20%C3%BC"


def test_rows_of_what_is_not_there(world: World) -> None:
    for method in ("PUT", "PATCH", "DELETE"):
        found = world.send(method, f"/sessions/{uuid4()}", {}, 404)
        assert found == {"detail": "No Session matches the given query.", "status_code": 404}
    assert world.api.ask("POST", f"/sessions/{uuid4()}", {}).status_code == 405


# -- sessions --------------------------------------------------------------------------------------


def test_a_session_has_who_made_it_and_an_id_that_follows_from_its_place(world: World) -> None:
    from fascicle.catalogue.identity import session_id

    made = world.session()
    assert made["users"] == ["test_user"]
    assert made["lab"] == "lab1"
    assert made["qc"] == "NOT_SET"
    assert UUID(made["id"]).bytes == session_id("lab1", "S1", "2022-02-03", 1)
    given = world.session(number=7, users=["boss", "http://localhost/users/test_user"])
    assert given["users"] == ["boss", "test_user"]


def test_the_same_place_twice_is_an_error(world: World) -> None:
    world.session()
    given = {"subject": "S1", "number": 1, "start_time": "2022-02-03T18:00:00"}
    found = world.send("POST", "/sessions", given, 400)
    assert "session of this subject, day and number" in found["non_field_errors"][0]


def test_a_later_session_of_a_day_follows_the_first(world: World) -> None:
    first = world.session()
    second = world.session(number=2)
    other = world.session(number=3, start_time="2022-02-04T10:00:00")
    assert first["id"] in second["parent_session"]
    assert other["parent_session"] is None


def test_put_keeps_what_is_not_sent(world: World) -> None:
    eid = world.session(narrative="hello", projects=["proj1"], json={"a": 1})["id"]
    given = {"subject": "S1", "number": 1, "task_protocol": "put", "qc": 10}
    put = world.send("PUT", f"/sessions/{eid}", given)
    assert (put["narrative"], put["projects"], put["json"]) == ("hello", ["proj1"], {"a": 1})
    assert (put["task_protocol"], put["qc"]) == ("put", "PASS")
    assert world.send("PUT", f"/sessions/{eid}", {}, 400)["subject"] == ["This field is required."]


def test_json_is_kept_as_it_is(world: World) -> None:
    eid = world.session()["id"]
    value = {"x": [1, 2.5, None, True, {"ü": "🦊"}], "n": 9007199254740993}
    for field in ("json", "extended_qc"):
        assert world.send("PATCH", f"/sessions/{eid}", {field: value})[field] == value
        assert world.send("PATCH", f"/sessions/{eid}", {field: None})[field] is None


def test_times_are_naive_and_zones_become_utc(world: World) -> None:
    made = world.session(start_time="2022-02-03T10:11:12.123456+02:00")
    assert made["start_time"] == "2022-02-03T08:11:12.123456"


def test_a_form_is_as_good_as_json(world: World) -> None:
    data = {"subject": "S1", "number": "4", "users": ["test_user", "boss"], "json": '{"a": 1}',
            "end_time": ""}  # fmt: skip
    headers = {"Authorization": f"Token {world.api.token}"}
    answer = world.api.client.post("/sessions", data, headers=headers)
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["number"], made["json"], made["end_time"]) == (4, {"a": 1}, None)
    assert made["users"] == ["boss", "test_user"]


def test_each_change_is_one_that_clients_fetch(world: World) -> None:
    before = generation()
    eid = world.session()["id"]
    changes = [generation()]
    world.send("PATCH", f"/sessions/{eid}", {"qc": "PASS"})
    changes.append(generation())
    pid = world.send("POST", "/insertions", {"session": eid, "name": "probe00"})["id"]
    changes.append(generation())
    world.send("DELETE", f"/insertions/{pid}")
    changes.append(generation())
    did = world.id_of(world.dataset(eid))
    changes.append(generation())
    world.send("PATCH", f"/datasets/{did}", {"qc": "FAIL"})
    changes.append(generation())
    world.send("DELETE", f"/sessions/{eid}")
    changes.append(generation())
    assert before < changes[0]
    assert changes == sorted(set(changes))
    assert world.m.SessionChange.objects.get(eid=eid).gone is True


def test_a_refused_request_leaves_no_trace(world: World) -> None:
    before = generation()
    world.send("POST", "/sessions", {"subject": "S1", "number": 1, "users": ["nobody"]}, 400)
    assert world.m.Session.objects.count() == 0
    assert generation() == before


# -- probes and regions ----------------------------------------------------------------------------


def test_insertions_trajectories_and_channels(world: World) -> None:
    eid = world.session()["id"]
    did = world.id_of(world.dataset(eid))
    given = {"session": eid, "name": "probe00", "model": "3B2", "serial": 123}
    insertion = world.send("POST", "/insertions", given)
    pid = insertion["id"]
    assert (insertion["model"], insertion["serial"]) == ("3B2", "123")
    assert insertion["datasets"] == [did]
    again = world.send("POST", "/insertions", given, 400)
    assert again["non_field_errors"] == ["The fields name, session must make a unique set."]

    place = {"x": 1, "y": 2, "z": 3, "depth": 4000, "theta": 10, "phi": 180, "roll": 0}
    made = {}
    for provenance in ("Planned", "Ephys aligned histology track"):
        given = {"probe_insertion": pid, "provenance": provenance, **place}
        made[provenance] = world.send("POST", "/trajectories", given)["id"]
        assert "unique set" in str(world.send("POST", "/trajectories", given, 400))
    channel = {"x": 1, "y": 2, "z": 3, "lateral": 43, "brain_region": 549}

    def regions() -> dict[str, int]:
        rows = world.m.InsertionRegion.objects.filter(insertion=pid)
        return dict(rows.values_list("region__acronym", "n_channels"))

    def post(provenance: str, axial: float, **more: Any) -> dict[str, Any]:
        return {**channel, "axial": axial, "trajectory_estimate": made[provenance], **more}

    world.send("POST", "/channels", post("Planned", 0))
    assert regions() == {}  # a plan says nothing of where the probe went
    many = [post("Ephys aligned histology track", 20.0 * n) for n in range(3)]
    created = world.send("POST", "/channels", many)
    assert [one["axial"] for one in created] == [0.0, 20.0, 40.0]
    assert regions() == {"TH": 3}
    assert world.api.get("/insertions?atlas_acronym=TH")["count"] == 1
    assert "unique" in str(world.send("POST", "/channels", many, 400))
    key = created[0]["id"]
    world.send("PATCH", f"/channels/{key}", {"brain_region": 0})
    assert regions() == {"TH": 2}
    world.send("DELETE", f"/channels/{created[1]['id']}")
    assert regions() == {"TH": 1}
    world.send("DELETE", f"/trajectories/{made['Ephys aligned histology track']}")
    assert regions() == {}


def test_of_many_channels_all_are_made_or_none(world: World) -> None:
    eid = world.session()["id"]
    pid = world.send("POST", "/insertions", {"session": eid, "name": "p"})["id"]
    place = {"x": 1, "y": 2, "depth": 4000, "theta": 10, "phi": 180}
    given = {"probe_insertion": pid, "provenance": "Planned", **place}
    tid = world.send("POST", "/trajectories", given)["id"]
    many = [{"axial": n, "lateral": 0, "trajectory_estimate": tid} for n in (1, "x", 3)]
    found = world.send("POST", "/channels", many, 400)
    assert found["detail"] == [{}, {"axial": ["A valid number is required."]}, {}]
    assert world.m.Channel.objects.count() == 0
    assert world.send("POST", "/channels", []) == []


# -- datasets, copies and releases -----------------------------------------------------------------


def test_a_dataset_and_its_copies(world: World) -> None:
    eid = world.session()["id"]
    made = world.dataset(eid)
    did = world.id_of(made)
    assert made["created_by"] == "test_user"
    assert made["file_records"] == []
    assert world.api.get(f"/datasets?exists=True&session={eid}")["count"] == 0
    given = {"dataset": made["url"], "data_repository": "hub", "exists": True}
    record = world.send("POST", "/files", given)
    assert record["relative_path"] == "S1/2022-02-03/001/alf/probe00/spikes.times.npy"
    assert world.api.get(f"/datasets?exists=True&session={eid}")["count"] == 1
    assert world.api.get("/sessions?datasets=spikes.times.npy")["count"] == 1
    fid = world.id_of(record)
    world.send("PATCH", f"/files/{fid}", {"exists": False})
    assert world.api.get(f"/datasets?exists=True&session={eid}")["count"] == 0
    world.send("PATCH", f"/files/{fid}", {"exists": True})
    world.m.DataRepository.objects.create(name="rig", globus_is_personal=True)
    world.send("POST", "/files", {**given, "data_repository": "rig"})
    world.send("DELETE", f"/files/{fid}")
    assert world.m.Dataset.objects.get(pk=did).online is False  # the rig's copy counts for nothing


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a\\..\\..\\x", "C:/x"])
def test_no_copy_lies_outside_its_repository(world: World, path: str) -> None:
    made = world.dataset(world.session()["id"])
    given = {"dataset": made["url"], "data_repository": "hub", "relative_path": path}
    assert "relative_path" in world.send("POST", "/files", given, 400)


def test_a_dataset_of_a_subject_date_and_number(world: World) -> None:
    eid = world.session()["id"]
    given = {"name": "spikes.times.npy", "dataset_type": "spikes.times", "collection": "alf"}
    place = {"subject": "S1", "date": "2022-02-03", "number": 1}
    assert eid in world.send("POST", "/datasets", given | place)["session"]
    assert "session" in world.send("POST", "/datasets", {**given, **place, "number": 9}, 400)


def test_one_revision_is_the_default(world: World) -> None:
    eid = world.session()["id"]
    world.send("POST", "/revisions", {"name": "2023-01-01"})
    first, second = world.dataset(eid), world.dataset(eid, revision="2023-01-01")
    assert second["default_dataset"] is True
    assert world.api.get(f"/datasets/{world.id_of(first)}")["default_dataset"] is False


def test_files_stay_where_they_are_when_what_they_belong_to_is_renamed(world: World) -> None:
    eid = world.session()["id"]
    did = world.id_of(world.dataset(eid))
    world.send("POST", "/files", {"dataset": did, "data_repository": "hub", "exists": True})
    world.send("PATCH", "/subjects/S1", {"nickname": "S2"})
    (record,) = world.api.get(f"/datasets/{did}")["file_records"]
    assert record["relative_path"] == "S1/2022-02-03/001/alf/probe00/spikes.times.npy"
    world.send("PATCH", f"/sessions/{eid}", {"number": 5})
    (record,) = world.api.get(f"/datasets/{did}")["file_records"]
    assert record["relative_path"] == "S1/2022-02-03/001/alf/probe00/spikes.times.npy"
    world.m.Lab.objects.create(name="lab2")
    assert "lab" in world.send("PATCH", f"/sessions/{eid}", {"lab": "lab2"}, 400)
    assert "name" in world.send("PATCH", "/labs/lab1", {"name": "other"}, 400)


def test_what_a_protected_tag_has_stays(world: World) -> None:
    eid = world.session()["id"]
    did = world.id_of(world.dataset(eid))
    world.send("POST", "/tags", {"name": "rel A", "protected": True})
    world.send("POST", "/tags", {"name": "rel B", "protected": True})
    world.send("PATCH", f"/datasets/{did}", {"tags": ["rel B", "rel A"], "qc": "PASS"})
    message = 'Failed to delete dataset spikes.times.npy due to protected tag(s) "rel A", "rel B"'
    for path in (f"/datasets/{did}", f"/sessions/{eid}", "/subjects/S1"):
        assert world.send("DELETE", path, status=403) == {"detail": message, "status_code": 403}
    for change in ({"hash": "0" * 32}, {"collection": "x"}, {"name": "a.b.npy"}, {"tags": []}):
        world.send("PATCH", f"/datasets/{did}", change, 403)
    world.send("PATCH", f"/datasets/{did}", {"qc": "WARNING", "json": {"seen": True}})
    world.send("PATCH", "/tags/rel A", {"protected": False}, 403)
    world.send("DELETE", "/tags/rel A", status=403)
    world.admin.send("PATCH", "/tags/rel A", {"protected": False})
    world.admin.send("DELETE", "/tags/rel B")
    world.send("DELETE", f"/datasets/{did}")


def test_a_laboratory_with_animals_is_not_deleted(world: World) -> None:
    assert "1 subjects" in world.send("DELETE", "/labs/lab1", status=403)["detail"]


def test_users_are_made_by_admins(world: World) -> None:
    world.send("POST", "/users", {"username": "new"}, 403)
    world.send("PATCH", "/users/boss", {"email": "a@b.org"}, 403)
    world.send("DELETE", "/users/reader", status=403)
    assert world.admin.send("POST", "/users", {"username": "new"})["username"] == "new"
    assert not world.m.LabMember.objects.get(username="new").has_usable_password()
    assert world.send("PATCH", "/users/test_user", {"email": "a@b.org"})["email"] == "a@b.org"
    world.send("PATCH", "/users/test_user", {"is_superuser": True, "is_staff": True})
    world.user.refresh_from_db()
    assert not world.user.is_superuser
    assert not world.user.is_staff


# -- weights, water, surgeries ---------------------------------------------------------------------


def test_weights_and_water(world: World) -> None:
    for day in range(1, 4):
        given = {"subject": "S1", "date_time": f"2022-02-0{day}T09:00:00", "weight": 25.5 - day / 2}
        made = world.send("POST", "/weighings", given)
        assert list(made) == ["subject", "date_time", "weight", "user", "url"]
        assert made["user"] == "test_user"
    surgery = {"subject": "S1", "implant_weight": 1.5, "start_time": "2021-12-01T10:00:00"}
    world.send("POST", "/surgeries", surgery)
    world.send("POST", "/water-restriction", {"subject": "S1", "start_time": "2022-02-02T09:00:00"})
    (found,) = world.api.get("/water-restricted-subjects")["results"]
    assert found["nickname"] == "S1"
    assert found["expected_water"] == found["remaining_water"] == pytest.approx(0.04 * 22.5)
    assert found["reference_weight"] == 23.5  # before the restriction, without the implant
    assert found["last_water_restriction"] == "2022-02-02T09:00:00"
    water = {"subject": "S1", "water_administered": 0.5, "water_type": "Water"}
    made = world.send("POST", "/water-administrations", water)
    assert made["adlib"] is False
    (found,) = world.api.get("/water-restricted-subjects")["results"]
    assert found["remaining_water"] == pytest.approx(0.4)
    records = world.api.get("/water-requirement/S1")["records"]
    assert [one["weight"] for one in records] == [25.0, 24.5, 24.0, None]
    assert records[-1]["given_water_total"] == 0.5
    subject = world.api.get("/subjects/S1")
    assert len(subject["weighings"]) == 3
    assert len(subject["water_administrations"]) == 1
    world.send("DELETE", "/weighings/" + world.id_of(subject["weighings"][0]))
    assert world.api.get("/weighings?nickname=S1")["count"] == 2
    assert world.api.get("/subjects?water_restricted=True")["count"] == 1


# -- notes -----------------------------------------------------------------------------------------


def post_image(world: World, name: str, data: bytes) -> Any:
    from django.core.files.uploadedfile import SimpleUploadedFile

    eid = world.m.Session.objects.first().pk
    given = {
        "user": "test_user",
        "content_type": "actions.session",
        "object_id": str(eid),
        "text": "see",
        "image": SimpleUploadedFile(name, data, content_type="text/html"),
    }
    headers = {"Authorization": f"Token {world.api.token}"}
    return world.api.client.post("/notes", given, headers=headers)


def test_a_note(world: World) -> None:
    eid = world.session()["id"]
    given = {"content_type": "session", "object_id": eid, "text": "hi"}
    made = world.send("POST", "/notes", given)
    assert made["content_type"] == "actions.session"
    assert (made["user"], made["image"]) == ("test_user", None)
    (shown,) = world.api.get(f"/sessions/{eid}")["notes"]
    assert shown == made
    world.send("DELETE", f"/sessions/{eid}")
    assert world.m.Note.objects.count() == 0


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (PNG, "png"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 60, "jpg"),
        (b"GIF89a" + b"\0" * 60, "gif"),
        (b"RIFF\0\0\0\0WEBP" + b"\0" * 60, "webp"),
    ],
)
def test_a_note_with_an_image(world: World, data: bytes, kind: str) -> None:
    eid = world.session()["id"]
    answer = post_image(world, "../../my plot.html", data)
    assert answer.status_code == 201, answer.content
    url = answer.json()["image"].removeprefix("http://localhost")
    assert re.fullmatch(rf"/uploaded/\d{{4}}/\d\d/\d\d/my_plot\.[0-9a-f]{{32}}\.{kind}", url)
    shown = world.api.ask("GET", url)
    assert b"".join(shown.streaming_content) == data
    assert shown["Content-Type"] == {"jpg": "image/jpeg"}.get(kind, f"image/{kind}")
    assert (shown["X-Content-Type-Options"], shown["Content-Length"]) == ("nosniff", str(len(data)))
    assert world.api.ask("GET", url, **{"If-None-Match": shown["ETag"]}).status_code == 304
    assert Api().ask("GET", url).status_code == 403
    assert world.api.get(f"/sessions/{eid}")["notes"][0]["image"].endswith(url)


@pytest.mark.parametrize("data", [b"<svg onload=alert(1)>", b"<html>", b"", b"\x89PN", b"%PDF-1.7"])
def test_what_is_no_image_is_not_kept(world: World, data: bytes) -> None:
    world.session()
    answer = post_image(world, "plot.png", data)
    assert answer.status_code == 400
    assert "image" in answer.json()
    assert world.m.Note.objects.count() == 0


def test_an_image_that_is_too_large(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from fascicle.hub.rest import notes

    monkeypatch.setattr(notes, "LARGEST", 50)
    world.session()
    assert "at most 50 bytes" in post_image(world, "a.png", PNG).content.decode()


@pytest.mark.parametrize(
    "name",
    ["../hub.sqlite3", "..%2fsecret", "2022/01/01/../../../../secret", "/etc/passwd", ".hidden",
     "2022/01/01/x.aaaaaaaaaaaa.png", "2022/01/01/.x.aaaaaaaaaaaa.png"],
)  # fmt: skip
def test_no_other_file_is_shown(world: World, name: str) -> None:
    assert world.api.ask("GET", f"/uploaded/{name}").status_code == 404
