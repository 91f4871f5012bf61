"""A folder comes into the database, then what changed in it; what users wrote stays."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fascicle.demo import make_lab
from fascicle.testing.hub import HubServer

START = """
from fascicle.hub.setup import first_start, migrate, current
from fascicle.hub.importing import import_folder
from fascicle.hub.generation import current as generation
from fascicle.hub.models import *
from django.db.models import Count
config = current()
def again(**options):
    report = import_folder(config, **options)
    return dict(created=report.created, updated=report.updated, vanished=report.vanished,
                generation=report.generation, problems=report.problems, text=str(report),
                logins=report.logins, changed=report.changed)
"""
FIRST = START + "migrate(config); first_start(config); report = again()\n"


@pytest.fixture
def empty(make_hub: Callable[..., HubServer], tmp_path: Path) -> Iterator[Any]:
    """Return a folder for recordings, and what runs code with the hub of it."""
    folder = tmp_path / "lab"
    folder.mkdir()
    hub = make_hub(folder)
    yield folder, lambda code, **values: hub.run(code, **values)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, HubServer, Any]]:
    """Return a synthetic lab that was imported, which tests do not change."""
    folder = make_lab(tmp_path_factory.mktemp("demo") / "lab", size="tiny")
    hub = HubServer(folder)
    hub.state.mkdir(parents=True, exist_ok=True)
    yield folder, hub, hub.run(FIRST + "result = report")
    hub.stop()


def put(folder: Path, path: str, data: bytes = b"data") -> Path:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def test_synthetic_lab(demo: tuple[Path, HubServer, Any]) -> None:
    _, hub, report = demo
    assert report["created"]["sessions"] == 17
    assert report["created"]["datasets"] == 536
    assert not report["problems"]
    assert set(report["logins"]) == {"test_user", "intbrainlab"}
    assert hub.run(START + "result = again()['text'], generation()") == ["nothing new", 1]


def test_what_the_tutorials_need(demo: tuple[Path, HubServer, Any]) -> None:
    found = demo[1].run(
        START
        + """
def regions(acronym):
    r = BrainRegion.objects.get(acronym=acronym)
    inside = InsertionRegion.objects.filter(region__lft__gte=r.lft, region__rght__lte=r.rght)
    return set(map(str, inside.values_list("insertion", flat=True)))
old = Session.objects.get(pk="cf264653-2deb-44cb-aa84-89b82507028a")
result = dict(
    RH=sorted(regions("RH")), TH=sorted(regions("TH")),
    day=str(old.date), start=str(old.start_time), location=old.location.name,
    users=sorted(u.username for u in old.users.all()),
    types=sorted(set(old.data_dataset_session_related.values_list("dataset_type__name",
                                                                  flat=True))),
    tags={t.name: [t.public, t.protected, t.datasets.count()] for t in Tag.objects.all()},
    revisions=list(Revision.objects.values_list("name", "description")),
    users_all=sorted(LabMember.objects.values_list("username", flat=True)),
    public=LabMember.objects.get(username="test_user").is_public_user,
    checks=LabMember.objects.get(username="test_user").check_password("fascicle-demo"),
    nobody=LabMember.objects.get(username="olivier").has_usable_password(),
    labs=Lab.objects.count(), repositories=sorted(set(Lab.objects.values_list(
        "repositories__name", flat=True))),
    typeless=Dataset.objects.filter(dataset_type=None).count(),
    formless=Dataset.objects.filter(data_format=None).count(),
    offline=Dataset.objects.filter(online=False).count(),
    hashless=Dataset.objects.filter(hash="").count(),
    defaults=max(Dataset.objects.filter(default_dataset=True).values(
        "session", "collection", "name").annotate(n=Count("pk")).values_list("n", flat=True)),
    models=sorted(set(ProbeInsertion.objects.values_list("model__name", flat=True))),
    linked=ProbeInsertion.objects.filter(datasets__name="spikes.times.npy").distinct().count(),
    serial=ProbeInsertion.objects.filter(serial="19051010091").count(),
    resolved=ProbeInsertion.objects.filter(json__extended_qc__alignment_resolved=True).count(),
    provenance=sorted(set(TrajectoryEstimate.objects.values_list("provenance", flat=True))),
    trials=Session.objects.filter(n_trials__gt=0).count(),
    drinks=WaterAdministration.objects.filter(session__isnull=False).count(),
    surgeries=Surgery.objects.count(), notes=Note.objects.count(),
)
"""
    )
    assert found["RH"]
    assert set(found["RH"]) < set(found["TH"])
    assert found["day"] == "2018-08-24"
    assert found["users"] == ["olivier", "test_user"]
    assert {"_ibl_lickPiezo.raw", "_ibl_wheel.position", "unknown", "spikes.times"} <= set(
        found["types"]
    )
    assert len(found["types"]) == 29  # as the tutorial lists them
    assert all(n and public for public, _, n in found["tags"].values())
    assert ["2024-05-06", "Spike sorting output of a later sorter"] in found["revisions"]
    assert {"olivier", "test_user", "intbrainlab", "admin"} <= set(found["users_all"])
    assert found["public"] and found["checks"] and not found["nobody"]
    assert found["labs"] == 4
    assert found["repositories"] == ["hub"]
    assert found["typeless"] == found["formless"] == found["offline"] == found["hashless"] == 0
    assert found["defaults"] == 1
    assert found["models"] == ["Neuropixel 3A", "Neuropixel 3B2"]
    assert found["linked"] == found["resolved"] == 7
    assert found["serial"] == 1
    assert found["provenance"] == [10, 70]
    assert found["trials"] == found["drinks"] == 16
    assert found["surgeries"] == 8
    assert found["notes"] == 1


def test_hashes_and_sizes(demo: tuple[Path, HubServer, Any]) -> None:
    folder, hub, _ = demo
    rows = hub.run(
        START
        + """
from fascicle.hub.records import natural_paths
rows = Dataset.objects.values_list("pk", "session__lab__name", "hash", "file_size")
paths = natural_paths(r[0] for r in rows)
result = [[f"{lab}/Subjects/{paths[pk]}", digest, size] for pk, lab, digest, size in rows]
"""
    )
    for path, digest, size in rows:
        data = (folder / path).read_bytes()
        assert (len(data), hashlib.md5(data).hexdigest()) == (size, digest)


def test_channels(demo: tuple[Path, HubServer, Any]) -> None:
    folder, hub, _ = demo
    rows = hub.run(
        START
        + """
p = ProbeInsertion.objects.get(session__subject__nickname="NYU-37", name="probe01")
t = p.trajectory_estimate.get(provenance=70)
result = list(t.channels.order_by("axial", "lateral").values_list(
    "axial", "lateral", "x", "y", "z", "brain_region_id"))
"""
    )
    place = folder / "angelakilab/Subjects/NYU-37/2021-02-04/001/alf/probe01/pykilosort"
    local = np.load(place / "channels.localCoordinates.npy")
    table = np.column_stack(
        [
            local[:, ::-1],
            np.load(place / "channels.mlapdv.npy"),
            np.abs(np.load(place / "channels.brainLocationIds_ccf_2017.npy")),
        ]
    )
    order = np.lexsort((table[:, 1], table[:, 0]))
    np.testing.assert_allclose(np.array(rows, float), table[order])


def test_what_changes_on_the_disk(empty: Any) -> None:
    folder, run = empty
    base = "somelab/Subjects/mouse/2024-01-02/001"
    a = put(folder, f"{base}/alf/trials.intervals.npy", b"one")
    put(folder, f"{base}/alf/probe00/spikes.times.npy")
    put(folder, f"{base}/alf/probe00/#2024-02-02#/spikes.times.npy", b"later")
    show = """
rows = Dataset.objects.order_by("collection", "name", "revision__name")
result = [[[d.collection, d.name, d.revision and d.revision.name, d.file_size, d.hash,
            d.online, d.default_dataset] for d in rows], report]
"""
    rows, report = run(FIRST + show)
    md5 = hashlib.md5
    assert rows == [
        ["alf", "trials.intervals.npy", None, 3, md5(b"one").hexdigest(), True, True],
        ["alf/probe00", "spikes.times.npy", None, 4, md5(b"data").hexdigest(), True, False],
        ["alf/probe00", "spikes.times.npy", "2024-02-02", 5, md5(b"later").hexdigest(), True, True],
    ]
    assert report["created"]["labs"] == report["created"]["subjects"] == 1
    assert report["created"]["probe insertions"] == 1
    report = run(START + "result = again()")
    assert not report["changed"]
    assert report["generation"] == 1
    a.write_bytes(b"other")
    (folder / f"{base}/alf/probe00/#2024-02-02#/spikes.times.npy").unlink()
    put(folder, f"{base}/alf/licks.times.npy")
    put(folder, "somelab/Subjects/mouse/2024-01-03/001/alf/licks.times.npy")
    rows, report = run(START + "report = again()" + show)
    assert ["alf", "trials.intervals.npy", None, 5, md5(b"other").hexdigest(), True, True] in rows
    gone = next(row for row in rows if row[2])
    assert gone[5] is False
    assert report["vanished"] == 1
    assert report["created"]["datasets"] == 2
    assert report["created"]["sessions"] == 1
    assert report["updated"]["datasets"] == 1
    assert report["generation"] == 2
    put(folder, f"{base}/alf/probe00/#2024-02-02#/spikes.times.npy", b"later")
    shutil.rmtree(folder / "somelab/Subjects/mouse/2024-01-03")
    rows, report = run(START + "report = again()" + show)
    assert next(row for row in rows if row[2])[5] is True
    assert report["vanished"] == 1
    assert sorted(row[5] for row in rows if row[1] == "licks.times.npy") == [False, True]


def test_what_users_wrote_stays(empty: Any) -> None:
    folder, run = empty
    base = "somelab/Subjects/mouse/2024-01-02/001"
    file = put(folder, f"{base}/alf/trials.intervals.npy")
    put(folder, f"{base}/alf/probe00/spikes.times.npy")
    run(
        FIRST
        + """
s = Session.objects.get()
s.task_protocol, s.narrative, s.qc = "mine", "words", 30
s.projects.add(Project.objects.create(name="p"))
s.save()
Dataset.objects.filter(name="spikes.times.npy").update(qc=40, version="2")
ProbeInsertion.objects.update(serial="42")
Subject.objects.update(sex="F")
Lab.objects.update(institution="Somewhere")
result = None
"""
    )
    file.write_bytes(b"changed!")
    put(folder, f"{base}/alf/licks.times.npy")
    found = run(
        START
        + """
report = again()
s = Session.objects.get()
d = Dataset.objects.get(name="spikes.times.npy")
result = [s.task_protocol, s.narrative, s.qc, s.projects.count(), d.qc, d.version,
          ProbeInsertion.objects.get().serial, Subject.objects.get().sex,
          Lab.objects.get().institution, Dataset.objects.get(name__startswith="trials").file_size,
          Dataset.objects.count()]
"""
    )
    assert found == ["mine", "words", 30, 1, 40, "2", "42", "F", "Somewhere", 8, 3]


def test_sessions_that_clients_registered_first(empty: Any) -> None:
    folder, run = empty
    put(folder, "somelab/Subjects/mouse/2024-01-02/001/alf/trials.intervals.npy")
    found = run(
        START
        + """
import datetime as dt, uuid
migrate(config); first_start(config)
lab = Lab.objects.create(name="somelab")
mouse = Subject.objects.create(nickname="mouse", lab=lab)
s = Session.objects.create(subject=mouse, lab=lab, number=1, start_time=dt.datetime(2024, 1, 2, 9),
                           pk=uuid.uuid4())
d = Dataset.objects.create(session=s, name="trials.intervals.npy", collection="alf", hash="00")
again()
assert not again()["changed"]
e = Dataset.objects.get()
result = [Session.objects.get().pk == s.pk, e.pk == d.pk, e.online, e.file_size, len(e.hash),
          e.file_records.get().data_repository.name, str(Session.objects.get().start_time)]
"""
    )
    assert found == [True, True, True, 4, 32, "hub", "2024-01-02 09:00:00"]


def test_folders_without_a_lab(empty: Any, make_hub: Callable[..., HubServer]) -> None:
    folder, _ = empty
    put(folder, "mouse/2024-01-02/001/alf/trials.intervals.npy", b"here")
    hub = make_hub(folder).start()
    token = hub.token("test_user")
    (row,) = hub.get("/datasets", token=token).json["results"]
    (record,) = row["file_records"]
    place = record["data_url"].removeprefix(hub.url)
    assert hub.get(place, token=token).data == b"here"


def test_ids_in_names(empty: Any) -> None:
    folder, run = empty
    did = "0c9d5a1e-3c3b-4d0b-8e4e-0a4b1b8f4d11"
    put(folder, f"somelab/Subjects/mouse/2024-01-02/001/alf/trials.intervals.{did}.npy")
    found = run(FIRST + "d = Dataset.objects.get(); result = [d.name, str(d.pk)]")
    assert found == ["trials.intervals.npy", did]


def test_unreadable_channels(empty: Any) -> None:
    folder, run = empty
    base = "somelab/Subjects/mouse/2024-01-02/001/alf/probe00/"
    put(folder, f"{base}channels.brainLocationIds_ccf_2017.npy", b"no array")
    put(folder, f"{base}spikes.times.npy")
    found = run(FIRST + "result = [ProbeInsertion.objects.count(), Channel.objects.count()]")
    assert found == [1, 0]


def test_channels_that_are_aligned_again(empty: Any) -> None:
    folder, run = empty
    base = folder / "somelab/Subjects/mouse/2024-01-02/001/alf/probe00"
    base.mkdir(parents=True)
    np.save(base / "channels.brainLocationIds_ccf_2017.npy", np.array([385, -385, 0, 997, 12345]))
    show = """
result = [Channel.objects.count(), sorted(InsertionRegion.objects.values_list(
    "region__acronym", "n_channels")), TrajectoryEstimate.objects.count()]
"""
    assert run(FIRST + show) == [5, [["VISp", 2], ["root", 1]], 1]
    np.save(base / "channels.brainLocationIds_ccf_2017.npy", np.array([385]))
    np.save(base / "channels.localCoordinates.npy", np.array([[1.0, 2.0]]))
    assert run(START + "again()" + show) == [1, [["VISp", 1]], 1]


def test_a_folder_that_cannot_be_written(
    tmp_path: Path, make_hub: Callable[..., HubServer]
) -> None:
    folder = tmp_path / "lab"
    put(folder, "somelab/Subjects/mouse/2024-01-02/001/alf/trials.intervals.npy")
    hub = make_hub(folder)
    patch = """
import os
access = os.access
os.access = lambda path, mode: access(path, mode) and str(path) != str(config.folder)
"""
    code = START + patch + "migrate(config); first_start(config); again(); again()\n"
    assert hub.run(code + "result = Dataset.objects.count()") == 1
    assert not (folder / "sessions.pqt").exists()


def test_passwords_where_others_reach_the_hub(
    demo: tuple[Path, HubServer, Any], tmp_path: Path, make_hub: Callable[..., HubServer]
) -> None:
    folder = Path(shutil.copytree(demo[0], tmp_path / "lab"))
    hub = make_hub(folder)
    (hub.state / "hub.toml").write_text('public_url = "https://hub.example.org"\n')
    found = hub.run(
        FIRST
        + """
user = LabMember.objects.get(username="intbrainlab")
result = [report["logins"], user.check_password("international")]
"""
    )
    assert found[1] is False
    assert "international" not in found[0].values()
    assert all(len(password) > 10 for password in found[0].values())


def test_accounts_that_were_removed_stay_away(
    demo: tuple[Path, HubServer, Any], tmp_path: Path, make_hub: Callable[..., HubServer]
) -> None:
    folder = Path(shutil.copytree(demo[0], tmp_path / "lab"))
    run = make_hub(folder, like=demo[1]).run
    run(START + 'LabMember.objects.filter(username="intbrainlab").delete(); result = None')
    put(folder, "zadorlab/Subjects/new/2024-01-02/001/alf/trials.intervals.npy")
    found = run(
        START
        + """
report = again()
names = LabMember.objects.values_list("username", flat=True)
result = [report["logins"], "intbrainlab" in names, Session.objects.count()]
"""
    )
    assert found == [{}, False, 18]
