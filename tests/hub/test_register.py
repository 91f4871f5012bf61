"""Registration of files: what is written, what is refused, and that nothing is lost."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from fascicle.testing.hub import HubServer

from .inside import Api, make_users

A, B, C, D = ("abcd"[n] * 32 for n in range(4))
FILES = ["spikes.times.npy", "probe00/spikes.clusters.npy", "#2023-01-01#/spikes.times.npy"]


class World:
    """A subject whose laboratory has files on the hub and on a rig."""

    def __init__(self) -> None:
        from fascicle.hub import models as m

        self.m = m
        self.user, self.boss, _ = make_users()
        self.api = Api(self.user)
        lab = m.Lab.objects.create(name="lab1")
        self.hub = m.DataRepository.objects.get(name="hub")
        self.rig = m.DataRepository.objects.create(name="rig", globus_is_personal=True)
        lab.repositories.add(self.hub, self.rig)
        self.subject = m.Subject.objects.create(nickname="S1", lab=lab)

    def register(self, status: int | None = None, **more: Any) -> Any:
        given = {
            "created_by": "test_user",
            "path": "S1/2022-02-03/001/alf",
            "filenames": FILES,
            "name": "hub",
            "hashes": [A, B, C],
            "filesizes": [10, 20, 30],
            "versions": ["1.0"] * 3,
            "qc": ["PASS", "NOT_SET", "WARNING"],
            "server_only": False,
            "default": True,
            "check_protected": True,
        }
        return self.api.send("POST", "/register-file", given | more, status)

    def one(self, status: int | None = None, **more: Any) -> Any:
        given = {"filenames": [FILES[0]], "hashes": [A], "filesizes": [10], "versions": None,
                 "qc": None}  # fmt: skip
        made = self.register(status, **given | more)
        return made[0] if isinstance(made, list) else made

    def copies(self, made: Any) -> dict[str, bool]:
        return {one["data_repository"]: one["exists"] for one in made["file_records"]}

    def protect(self, did: str) -> None:
        tag = self.m.Tag.objects.get_or_create(name="rel", protected=True)[0]
        self.m.Dataset.objects.get(pk=did).tags.add(tag)


@pytest.fixture
def world(tables: Any) -> World:
    return World()


def test_a_registration(world: World) -> None:
    from fascicle.catalogue.identity import dataset_id, session_id

    made = world.register()
    eid = session_id("lab1", "S1", "2022-02-03", 1)
    assert [one["name"] for one in made] == [f.rpartition("/")[2] for f in FILES]
    assert [one["collection"] for one in made] == ["alf", "alf/probe00", "alf"]
    assert [one["revision"] for one in made] == ["", "", "2023-01-01"]
    assert [one["qc"] for one in made] == [10, 0, 30]
    assert [one["default"] for one in made] == [False, True, True]  # the last is the default
    assert [one["file_size"] for one in made] == [10, 20, 30]
    paths = ["alf/spikes.times.npy", "alf/probe00/spikes.clusters.npy",
             "alf/#2023-01-01#/spikes.times.npy"]  # fmt: skip
    assert [UUID(one["id"]).bytes for one in made] == [dataset_id(eid, path) for path in paths]
    first = made[0]
    assert first["dataset_type"] == "spikes.times"
    assert first["data_format"] == "npy"
    assert first["subject"] == "S1"
    assert UUID(first["session"]).bytes == eid
    assert (first["session_number"], first["session_users"]) == (1, "test_user")
    assert first["created_by"] == "test_user"
    assert world.copies(first) == {"hub": True, "rig": False}
    record = made[2]["file_records"][0]
    assert record["relative_path"] == "S1/2022-02-03/001/alf/#2023-01-01#/spikes.times.npy"
    rows = world.m.Dataset.objects
    assert list(rows.order_by("hash").values_list("hash", "online")) == [
        (A, True),
        (B, True),
        (C, True),
    ]
    assert set(world.m.FileRecord.objects.values_list("relative_path", flat=True)) == {""}
    assert world.m.Revision.objects.filter(name="2023-01-01").exists()


def test_again_it_is_the_same(world: World) -> None:
    assert world.register() == world.register()
    assert world.m.Dataset.objects.count() == 3
    assert world.m.FileRecord.objects.count() == 6


def test_what_is_not_given_is_unknown_or_kept(world: World) -> None:
    made = world.one(hashes=None, filesizes=None)
    row = world.m.Dataset.objects.get(pk=made["id"])
    assert (row.hash, row.file_size, row.version, row.qc) == ("", None, "", 0)
    world.one(versions="2.0", qc="FAIL")
    world.one(hashes=[None], filesizes=[None])
    row.refresh_from_db()
    assert (row.hash, row.file_size, row.version, row.qc) == (A, 10, "2.0", 40)


def test_another_content_is_nowhere_else(world: World) -> None:
    made = world.one()
    other = world.m.DataRepository.objects.create(name="elsewhere")
    row = world.m.Dataset.objects.get(pk=made["id"])
    world.m.FileRecord.objects.create(dataset=row, data_repository=other, exists=True)
    world.m.FileRecord.objects.filter(data_repository=world.rig).update(exists=True)
    same = world.one(name="rig")
    assert world.copies(same) == {"elsewhere": True, "hub": True, "rig": True}
    changed = world.one(name="rig", hashes=[D])
    assert world.copies(changed) == {"elsewhere": False, "hub": False, "rig": True}
    row.refresh_from_db()
    assert (row.hash, row.online) == (D, False)
    back = world.one(hashes=[D])  # a copy of the new content arrives
    assert world.copies(back) == {"elsewhere": False, "hub": True, "rig": True}


def test_a_file_that_is_not_there_yet(world: World) -> None:
    made = world.one(exists=False)
    assert world.copies(made) == {"hub": False, "rig": False}
    assert world.m.Dataset.objects.get().online is False
    assert world.copies(world.one())["hub"] is True


def test_only_on_servers(world: World) -> None:
    assert world.copies(world.one(server_only=True)) == {"hub": True}


def test_a_repository_that_is_not_the_laboratorys(world: World) -> None:
    world.m.DataRepository.objects.create(name="far", hostname="far.org")
    assert world.copies(world.one(name="far")) == {"far": True, "hub": False, "rig": False}
    assert world.copies(world.one(name=None, hostname="far.org"))["far"] is True


def test_without_a_repository_the_hub_looks_in_its_own_folder(world: World) -> None:
    from fascicle.hub.setup import current

    folder = current().folder
    assert folder is not None
    made = world.one(name=None)
    assert world.copies(made) == {"hub": False, "rig": False}
    path = folder / "lab1/Subjects/S1/2022-02-03/001/alf/spikes.times.npy"
    path.parent.mkdir(parents=True)
    try:
        path.write_bytes(b"x")
        assert world.copies(world.one(name=None)) == {"hub": True, "rig": False}
        path.unlink()
        found = world.api.send("POST", "/sync-file-status", {"datasets": [made["id"]]}, 200)
        assert found == {"checked": 1, "changed": [made["id"]]}
        assert world.m.Dataset.objects.get().online is False
    finally:
        shutil.rmtree(folder / "lab1")
    names = {one["data_repository"] for one in world.api.get("/sync-file-status")["results"]}
    assert names == {"hub", "rig"}


def test_who_registers_took_part(world: World) -> None:
    world.one()
    world.one(created_by="boss")
    session = world.m.Session.objects.get()
    assert {user.username for user in session.users.all()} == {"test_user", "boss"}
    world.one(created_by=None)
    assert world.register(404, created_by="nobody")["status_code"] == 404


def test_the_session_is_made_where_there_is_none_and_follows_the_first_of_its_day(
    world: World,
) -> None:
    world.one()
    world.one(path="S1/2022-02-03/2/alf")
    world.one(path="lab1/Subjects/S1/2022-02-03/002/alf", filenames=["wheel.position.npy"])
    first, second = world.m.Session.objects.order_by("number")
    assert second.parent_session == first
    assert first.lab == world.subject.lab
    assert second.data_dataset_session_related.count() == 2


def test_a_session_that_is_there_is_used(world: World) -> None:
    row = world.m.Session.objects.create(
        subject=world.subject, number=1, start_time=datetime(2022, 2, 3, 14), lab=None
    )
    assert world.one()["session"] == str(row.pk)


def test_probes_get_their_datasets(world: World) -> None:
    eid = world.one()["session"]
    pid = world.api.send("POST", "/insertions", {"session": eid, "name": "probe00"})["id"]
    made = world.register()
    assert world.api.get(f"/insertions?id={pid}")["results"][0]["datasets"] == [made[1]["id"]]


def test_names_with_a_uuid_and_lists_as_text(world: World) -> None:
    name = f"spikes.times.{UUID(int=5)}.npy".replace("0000-0000-0000", "0000-4000-8000")
    made = world.register(filenames=f"{name},probe00/spikes.amps.npy", hashes=f"{A},{B}",
                          filesizes="1,2", versions="3", qc="PASS")  # fmt: skip
    assert [one["name"] for one in made] == ["spikes.times.npy", "spikes.amps.npy"]
    assert [one["file_size"] for one in made] == [1, 2]
    assert [one["qc"] for one in made] == [10, 10]


def test_the_most_specific_pattern_says_the_type(world: World) -> None:
    world.m.DatasetType.objects.create(name="special", filename_pattern="*spikes.times_special*")
    assert world.one(filenames=["spikes.times_special.npy"])["dataset_type"] == "special"
    assert world.one()["dataset_type"] == "spikes.times"


def test_files_of_no_session(world: World) -> None:
    given = {"content_type": "subjects.subject", "object_id": str(world.subject.pk),
             "path": "Subjects/lab1/S1"}  # fmt: skip
    made = world.one(filenames=["_ibl_subjectTrials.table.pqt"], **given)
    assert (made["session"], made["subject"], made["collection"]) == (
        None,
        None,
        "Subjects/lab1/S1",
    )
    assert (
        made["file_records"][0]["relative_path"] == "Subjects/lab1/S1/_ibl_subjectTrials.table.pqt"
    )
    again = world.one(filenames=["_ibl_subjectTrials.table.pqt"], **given)
    assert again["id"] == made["id"]
    world.one(404, **given | {"object_id": str(UUID(int=1))})
    world.one(400, **given | {"object_id": "x"})
    world.one(400, **given | {"content_type": "token"})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"path": "foo/bar"}, "The path foo/bar should be `nickname/YYYY-MM-DD/n/..."),
        ({"path": "S1/2022-13-03/001"}, "should be"),
        ({"path": "../S1/2022-02-03/001"}, "should be"),
        ({"path": ""}, "should be"),
        ({"path": None}, "should be"),
        ({"path": ["x"]}, "path is text"),
        ({"path": "S1/2022-02-03/001/../../x"}, "convention"),
        ({"filenames": ["../../etc/passwd"]}, "convention"),
        ({"filenames": ["/etc/passwd"]}, "convention"),
        ({"filenames": ["a b/c.d.npy"]}, "convention"),
        ({"filenames": [""]}, "no name"),
        ({"filenames": [".."]}, "no name"),
        ({"filenames": ["a\\b.c.npy"]}, "no name"),
        ({"filenames": ["a\nb.c.npy"]}, "no name"),
        ({"filenames": []}, "names no file"),
        ({"filenames": [FILES[0], FILES[0]]}, "named twice"),
        ({"filenames": [1]}, "text"),
        ({"filenames": ["foo.bar.npy"]}, "No dataset type found for filename"),
        ({"filesizes": [1, 2]}, "2 values for 1 files"),
        ({"filesizes": [-1]}, "no size"),
        ({"filesizes": [10**30]}, "no size"),
        ({"filesizes": ["x"]}, "no size"),
        ({"hashes": ["x" * 65]}, "at most 64"),
        ({"qc": ["GOOD"]}, "no quality"),
        ({"name": "nowhere"}, "There is no data repository 'nowhere'"),
        ({"labs": "nolab"}, "no laboratory"),
    ],
)
def test_what_means_nothing_is_refused_and_leaves_no_trace(
    world: World, more: dict[str, Any], said: str
) -> None:
    answer = world.one(400, **{"hashes": None, "filesizes": None} | more)
    assert said in str(answer)
    assert world.m.Session.objects.count() == 0
    assert world.m.Dataset.objects.count() == 0


def test_the_subject_must_be_there(world: World) -> None:
    assert "Subject" in world.one(404, path="S9/2022-02-03/001")["detail"]


@pytest.mark.parametrize("body", [b"", b"[]", b"[1]", b'"x"', b"1", b"{bad"])
def test_what_is_no_registration(world: World, body: bytes) -> None:
    assert world.api.ask("POST", "/register-file", body).status_code == 400
    assert world.api.ask("GET", "/register-file").status_code == 405


# -- protected releases ----------------------------------------------------------------------------


def check(world: World, *files: str) -> Any:
    given = {"created_by": "boss", "path": "S1/2022-02-03/001/alf", "filenames": list(files)}
    return world.api.send("GET", "/check-protected", given)


def test_what_is_protected_is_said_by_revision_latest_first(world: World) -> None:
    made = world.register()
    assert check(world, FILES[0])["status_code"] == 200
    world.protect(made[0]["id"])
    found = check(world, *FILES[:2], "clusters.depths.npy", FILES[2])
    assert found["status_code"] == 403
    assert found["error"] == "One or more datasets is protected"
    assert found["details"] == [
        {FILES[0]: [{"2023-01-01": False}, {"": True}]},
        {FILES[1]: [{"": False}]},
        {"clusters.depths.npy": []},
        {FILES[2]: [{"2023-01-01": False}, {"": True}]},
    ]
    assert check(world, FILES[2])["status_code"] == 200  # that revision is not
    assert not world.m.Session.objects.get().users.filter(username="boss").exists()
    assert world.m.Session.objects.count() == 1


def test_a_protected_file_is_not_registered_anew(world: World) -> None:
    made = world.one()
    world.protect(made["id"])
    refused = world.one(403, hashes=[D])
    assert refused["error"] == "One or more datasets is protected"
    assert refused["details"] == [{FILES[0]: [{"": True}]}]
    # nor when the client does not ask to look
    assert world.one(403, hashes=[D], check_protected=False) == refused
    assert world.m.Dataset.objects.get().hash == A
    assert world.one(check_protected=False)["id"] == made["id"]
    later = world.one(filenames=["#2030-01-01#/spikes.times.npy"], hashes=[D])
    assert later["default"] is True
    assert world.m.Dataset.objects.get(pk=made["id"]).default_dataset is False


def test_check_protected_is_a_get(world: World) -> None:
    assert world.api.ask("POST", "/check-protected", {}).status_code == 405
    assert world.api.ask("GET", "/check-protected").status_code == 400


# -- downloads -------------------------------------------------------------------------------------


def test_downloads_are_counted(world: World) -> None:
    one, two, _ = world.register()
    world.m.Project.objects.create(name="proj1")
    given = {"user": "test_user", "datasets": [one["id"], two["id"]], "projects": "proj1"}
    first = world.api.send("POST", "/new-download", given)
    assert first["count"] == [1, 1]
    assert len(set(first["download"])) == 2
    again = world.api.send("POST", "/new-download", {"datasets": one["id"]})
    assert again == {"download": first["download"][:1], "count": [2]}
    listed = world.api.get(f"/downloads?dataset={one['id']}")["results"]
    assert [(row["user"], row["count"]) for row in listed] == [("test_user", 2)]
    for bad, status in (({}, 400), ({"datasets": "x"}, 400), ({"datasets": str(UUID(int=1))}, 404)):
        world.api.send("POST", "/new-download", bad, status)
    other = world.api.send("POST", "/new-download", {"user": "boss", "datasets": one["id"]})
    assert other["count"] == [3]  # nobody counts for another


# -- faults ----------------------------------------------------------------------------------------


def _fault(hub: HubServer, rounds: int) -> None:
    """Kill a hub over and over while four clients register, and look what it has then."""
    token = hub.token("test_user")
    hub.ask("POST", "/subjects", {"nickname": "killed", "lab": _lab(hub, token)}, token=token)
    kept: dict[str, str] = {}
    for turn in range(rounds):
        stop = threading.Event()

        def work(who: int, turn: int = turn, stop: threading.Event = stop) -> None:
            n = 0
            while not stop.is_set():
                n += 1
                digest = f"{turn:04d}{who:04d}{n:024d}"
                path = f"killed/2024-01-{who + 1:02d}/{turn + 1:03d}/alf"
                given = {"path": path, "filenames": [f"spikes.times_n{n}.npy"], "name": "hub",
                         "hashes": [digest], "filesizes": [n]}  # fmt: skip
                try:
                    answer = hub.ask("POST", "/register-file", given, token=token)
                except Exception:  # noqa: BLE001 - the hub is killed under it, in any of many ways
                    return
                if answer.status == 201:
                    kept[answer.json[0]["id"]] = digest

        threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
        for thread in threads:
            thread.start()
        stop.wait(1.0 + 0.1 * turn)
        hub.kill()
        stop.set()
        for thread in threads:
            thread.join()
        hub.start()
    assert len(kept) > rounds
    found = {}
    url = "/datasets?subject=killed&limit=1000"
    while url:
        page = hub.get(url, token=token).json
        found |= {one["url"].rpartition("/")[2]: one for one in page["results"]}
        url = (page["next"] or "").removeprefix(hub.url)
    lost = [key for key, digest in kept.items() if found.get(key, {}).get("hash") != digest]
    assert not lost
    for one in found.values():  # and none is there in part
        assert [record["exists"] for record in one["file_records"]] == [True]


def _lab(hub: HubServer, token: str) -> str:
    return str(hub.get("/labs", token=token).json["results"][0]["name"])


@pytest.mark.long  # a short form is in test_faults
def test_a_killed_hub_loses_nothing_that_it_acknowledged(
    make_hub: Callable[..., HubServer], tmp_path: Path
) -> None:
    _fault(make_hub(state=tmp_path / "state").start(), rounds=2)


@pytest.mark.long
def test_a_hub_that_is_killed_again_and_again(
    make_hub: Callable[..., HubServer], tmp_path: Path, postgres: Any
) -> None:
    _fault(make_hub(state=tmp_path / "state").start(), rounds=20)
    database = postgres.make_database()
    _fault(make_hub(state=tmp_path / "other", database=database).start(), rounds=10)
