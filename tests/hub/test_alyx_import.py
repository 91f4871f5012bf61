"""A running server comes into a hub by REST; an import that was stopped goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fascicle.testing.hub import HubServer

START = """
from fascicle.hub.setup import first_start, migrate, current
from fascicle.hub.importing import import_alyx
from fascicle.hub.models import *
config = current()
migrate(config); first_start(config)
def bring(**more):
    r = import_alyx(config, url, username=user, password=password, **more)
    return dict(created=r.created, skipped=r.skipped, problems=r.problems, generation=r.generation)
"""
# Queries whose answers are the same on the source and on the target.
SEEN = """
import json
def plain(rows): return sorted([[None if v is None else str(v) for v in row] for row in rows],
                               key=str)
seen = {
    "sessions": plain(Session.objects.values_list(
        "pk", "subject__nickname", "date", "number", "start_time", "end_time", "task_protocol",
        "lab__name", "location__name", "narrative", "qc", "n_trials", "n_correct_trials")),
    "users": plain(Session.users.through.objects.values_list("session", "labmember__username")),
    "projects": plain(Session.projects.through.objects.values_list("session", "project__name")),
    "procedures": plain(Session.procedures.through.objects.values_list(
        "session", "proceduretype__name")),
    "extended": sorted([str(pk), json.dumps(e, sort_keys=True)] for pk, e in
        Session.objects.values_list("pk", "extended_qc")),
    "datasets": plain(Dataset.objects.values_list(
        "pk", "session", "collection", "name", "revision__name", "hash", "file_size", "qc",
        "default_dataset", "dataset_type__name", "data_format__name", "online",
        "created_by__username", "created_datetime")),
    "tags": plain(Dataset.tags.through.objects.values_list("dataset", "tag__name")),
    "records": plain(FileRecord.objects.values_list("dataset", "relative_path", "exists")),
    "insertions": plain(ProbeInsertion.objects.values_list(
        "pk", "session", "name", "model__name", "serial")),
    "of_probes": plain(ProbeInsertion.datasets.through.objects.values_list(
        "probeinsertion", "dataset")),
    "trajectories": plain(TrajectoryEstimate.objects.values_list(
        "pk", "probe_insertion", "provenance", "x", "y", "z", "depth", "theta", "phi", "roll",
        "coordinate_system__name")),
    "channels": plain(Channel.objects.values_list(
        "pk", "trajectory_estimate", "axial", "lateral", "x", "y", "z", "brain_region")),
    "regions": plain(InsertionRegion.objects.values_list("insertion", "region", "n_channels")),
    "subjects": plain(Subject.objects.values_list(
        "pk", "nickname", "lab__name", "sex", "birth_date", "species__nickname", "strain__name",
        "responsible_user__username")),
    "weighings": plain(Weighing.objects.values_list("pk", "subject__nickname", "weight")),
    "water": plain(WaterAdministration.objects.values_list(
        "pk", "subject__nickname", "session", "water_administered", "water_type__name")),
    "surgeries": plain(Surgery.objects.values_list("pk", "subject__nickname", "implant_weight")),
    "tag": plain(Tag.objects.values_list("name", "description", "public", "protected")),
    "labs": plain(Lab.objects.values_list("name", "institution", "timezone")),
    "notes": plain(Note.objects.values_list("pk", "object_id", "text")),
}
"""


@pytest.fixture
def source(make_hub: Callable[..., HubServer]) -> HubServer:
    return make_hub(arguments=["--no-watch"]).start()


@pytest.fixture
def target(make_hub: Callable[..., HubServer], tmp_path: Path) -> HubServer:
    (tmp_path / "empty").mkdir()
    hub = make_hub(tmp_path / "empty")
    hub.state.mkdir(parents=True, exist_ok=True)
    return hub


def test_from_hub_to_hub(source: HubServer, target: HubServer) -> None:
    login = {"url": source.url, "user": "boss", "password": source.users["boss"].password}
    there = source.run("from fascicle.hub.models import *\n" + SEEN + "result = seen")
    report, here, again, place, left = target.run(
        START
        + "report = bring()\n"
        + SEEN
        + """
result = [report, seen, bring(), DataRepository.objects.exclude(name="hub").get().data_url,
          [p.name for p in (config.state / "arriving").iterdir()]]
""",
        **login,
    )
    assert not [problem for problem in report["problems"] if " has no " not in problem]
    for name, rows in there.items():
        assert here[name] == rows, name
    assert not again["created"]
    assert place == f"{source.url}/data/"
    assert not left
    assert report["generation"] == 1


def test_an_import_that_was_stopped(source: HubServer, target: HubServer) -> None:
    login = {"url": source.url, "user": "boss", "password": source.users["boss"].password}
    n, kept, asked, counts = target.run(
        START
        + """
from fascicle.alyx.client import AlyxClient
from fascicle.errors import ServerError
asked = []
whole = AlyxClient.rest
def rest(self, endpoint, *args, **more):
    if endpoint == "datasets" and not asked:
        raise ServerError("the cable was pulled")
    if asked: asked.append(endpoint + "/" + args[0])
    return whole(self, endpoint, *args, **more)
AlyxClient.rest = rest
try:
    bring()
except ServerError:
    n = Session.objects.count()
kept = len(list((config.state / "arriving").glob("*/*.json")))
asked = ["again"]
bring()
result = [n, kept, asked, [Session.objects.count(), Dataset.objects.count()]]
""",
        **login,
    )
    assert n == 0
    assert kept > 10
    assert "sessions/read" not in asked
    assert counts == [17, 536]


def test_a_login_that_is_refused(source: HubServer, target: HubServer) -> None:
    found: Any = target.run(
        START
        + """
from fascicle.errors import FascicleError
try:
    bring()
    result = None
except FascicleError as error:
    result = str(error)
""",
        url=source.url,
        user="boss",
        password="wrong-password",
    )
    assert found
    assert "wrong-password" not in found
