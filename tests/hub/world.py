"""What the recorded requests need: the names and ids that they are about, as a hub has them."""

from __future__ import annotations

import itertools
import uuid
from typing import Any
from urllib.parse import urlsplit

from urllib3 import encode_multipart_formdata

from fascicle.testing.hub import Answer, HubServer

#: A session that was made while they were recorded.
THERE = "5adec035-8e1b-462a-99e2-bbc74eb18c84"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360000002000001e221bc330000000049454e44ae426082"
)

_ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n"

#: Makes in the tables what a folder of files does not say, and finds what requests are about.
_MAKE = """
import datetime
from django.contrib.contenttypes.models import ContentType
from fascicle.hub.models import *
day = datetime.datetime(2020, 1, 1, 8)
user = LabMember.objects.get(username="test_user")
insertion = (
    ProbeInsertion.objects.filter(trajectory_estimate__provenance=70, session__isnull=False,
        datasets__name="spikes.times.npy", regions__region__acronym="RH")
    .order_by("session__start_time", "name").first()
)
session, subject = insertion.session, insertion.session.subject
lab = session.lab
DataRepository.objects.get_or_create(name="other")
session.users.add(user)
personal, _ = DataRepository.objects.get_or_create(name="local", defaults={
    "globus_is_personal": True, "globus_path": "/mnt/rig/", "hostname": "rig1",
    "globus_endpoint_id": "2a09528a-f54d-4f38-a694-474181530328",
    "repository_type": DataRepositoryType.objects.first()})
hub = DataRepository.objects.get(name="hub")
lab.repositories.add(personal, hub)
for dataset in session.data_dataset_session_related.all():
    FileRecord.objects.get_or_create(
        dataset=dataset, data_repository=personal, defaults={"exists": True})
protected = session.data_dataset_session_related.filter(
    name="spikes.times.npy", probe_insertion=insertion, revision=None).first()
tag = Tag.objects.get(name="2022_Q2_IBL_et_al_RepeatedSite")
Tag.objects.filter(pk=tag.pk).update(protected=True)
protected.tags.add(tag)
Tag.objects.get_or_create(name="Private_tag")
for name, description in (("2023-01-01", ""), ("2030-01-01a", "x")):
    Revision.objects.get_or_create(name=name, defaults={"description": description})
water, _ = WaterType.objects.get_or_create(name="Water")
for days in range(3):
    when = day + datetime.timedelta(days=days)
    Weighing.objects.get_or_create(
        subject=subject, date_time=when, defaults={"weight": 25.0 - days / 10, "user": user})
    WaterAdministration.objects.get_or_create(
        subject=subject, date_time=when, defaults={
            "water_administered": 1.2, "water_type": water, "user": user,
            "session": None if days else session})
WaterRestriction.objects.get_or_create(
    subject=subject, defaults={"start_time": day, "reference_weight": 23.5, "water_type": water})
Surgery.objects.get_or_create(
    subject=subject, defaults={"start_time": day, "implant_weight": 1.5, "lab": lab})
LabLocation.objects.get_or_create(name="rig_1", defaults={"lab": lab})
chronic, made = ChronicInsertion.objects.get_or_create(
    subject=subject, name="probe00", defaults={
        "lab": lab, "serial": "chron1", "model": ProbeModel.objects.first()})
if made:
    insertion.chronic_insertion = chronic
    insertion.save()
aggregate, made = Dataset.objects.get_or_create(
    name="_ibl_subjectTrials.table.pqt", session=None, defaults={
        "collection": f"Subjects/{lab.name}/{subject.nickname}", "online": True,
        "created_by": user, "dataset_type": DatasetType.objects.get(name="unknown"),
        "data_format": DataFormat.objects.get(name="parquet"),
        "content_type": ContentType.objects.get_for_model(Subject), "object_id": subject.pk})
if made:
    FileRecord.objects.create(dataset=aggregate, data_repository=hub, exists=True,
        relative_path=f"{aggregate.collection}/{aggregate.name}")
Subject.objects.filter(pk=subject.pk).update(
    responsible_user=user, description="subject 0", reference_weight=23.5)
other = Subject.objects.exclude(pk=subject.pk).order_by("nickname").first()
Subject.objects.filter(pk=other.pk).update(responsible_user=LabMember.objects.get(username="admin"))
Note.objects.get_or_create(
    text="about it", defaults={
        "user": user, "object_id": session.pk,
        "content_type": ContentType.objects.get_for_model(Session)})
for project in Project.objects.all():
    project.users.add(user)
result = {
    "eid": session.pk, "pid": insertion.pk, "subject": subject.nickname, "lab": lab.name,
    "trajectory": insertion.trajectory_estimate.get(provenance=70).pk,
    "dataset": session.data_dataset_session_related.filter(file_records__isnull=False).first().pk,
    "protected": protected.pk, "number": session.number, "date": session.date,
    "project": session.projects.first().name, "collection": protected.collection,
    "revision": Revision.objects.filter(name="2024-05-06").first().name,
    "model": ProbeModel.objects.first().name, "subject_id": subject.pk,
    "other": Session.objects.exclude(pk=session.pk).order_by("start_time").first().pk,
    "plain_dataset": session.data_dataset_session_related.get(
        name="_ibl_wheel.timestamps.npy").pk,
}
"""


class World:
    """A hub that has what the recordings are about.

    Parameters
    ----------
    hub : HubServer

    Attributes
    ----------
    names : dict
        What was found: ids and names of a session, an insertion, a subject and so on.
    """

    _numbers = itertools.count(1)

    def __init__(self, hub: HubServer) -> None:
        self.hub = hub
        self.names: dict[str, Any] = hub.run(_MAKE)
        self.made: dict[str, Any] = {}

    def facts(self) -> dict[str, Any]:
        """Return what questions to clients are about."""
        return dict(self.names)

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """Ask as the user of the recordings."""
        return self.hub.ask(method, path, body, token=self.hub.token("test_user"), **more)

    def post(self, where: str, **body: Any) -> Any:
        """Make something, and return it."""
        answer = self.ask("POST", where, body)
        assert answer.status == 201, f"POST {where}: {answer.status} {answer.text[:500]}"
        return answer.json

    def new(self, what: str = "tmp") -> str:
        """Return a name that nothing has."""
        return f"{what}_{next(self._numbers)}_{uuid.uuid4().hex[:6]}"

    def subject(self) -> str:
        """Make a subject, and return its nickname."""
        name = self.new()
        self.post("/subjects", nickname=name, lab=self.names["lab"], sex="M",
                  responsible_user="test_user", birth_date="2021-01-01",
                  projects=[self.names["project"]])  # fmt: skip
        return name

    def session(self, subject: str) -> Any:
        """Make a session of a subject."""
        return self.post(
            "/sessions", subject=subject, number=1, lab=self.names["lab"], users=["test_user"],
            start_time="2022-02-03T10:11:12", type="Experiment", task_protocol="test",
            projects=[self.names["project"]], procedures=["Behavior training/tasks"],
            json={"a": 1},
        )  # fmt: skip

    def register(self, subject: str) -> Any:
        """Register files of a subject's session."""
        body = {
            "created_by": "test_user", "path": f"{subject}/2022-02-03/001/alf", "name": "hub",
            "filenames": ["spikes.times.npy", "probe00/spikes.clusters.npy",
                          "#2023-01-01#/spikes.times.npy"],
            "hashes": ["a" * 32, "b" * 32, "c" * 32], "filesizes": [10, 20, 30],
            "versions": ["1.0"] * 3, "qc": ["PASS", "NOT_SET", "WARNING"], "default": True,
        }  # fmt: skip
        return self.post("/register-file", **body)

    def image(self) -> str:
        """Make a note with an image about the session, and return the image's address."""
        fields = {
            "user": "test_user", "content_type": "session", "object_id": self.names["eid"],
            "text": "seen", "image": ("i.png", PNG, "image/png"),
        }  # fmt: skip
        body, kind = encode_multipart_formdata(fields)
        answer = self.ask("POST", "/notes", body, headers={"Content-Type": kind})
        assert answer.status == 201, answer.text[:500]
        return str(answer.json["image"])

    def insertion(self, session: Any) -> Any:
        """Make an insertion of a session."""
        return self.post("/insertions", session=session["id"], name="probe00", model="3B2")

    def trajectory(self, insertion: Any) -> Any:
        """Make a trajectory of an insertion."""
        return self.post(
            "/trajectories", probe_insertion=insertion["id"], x=1.0, y=2.0, z=3.0, depth=4000.0,
            theta=10.0, phi=180.0, roll=0, coordinate_system="IBL-Allen",
            provenance="Ephys aligned histology track",
        )  # fmt: skip

    def translation(self, need: str = "") -> dict[str, str]:
        """Return what stands in the recordings -> what stands for it here.

        Parameters
        ----------
        need : str
            What has to be made anew for a request, since it changes it: 'name', 'subject',
            'session', 'dataset', 'insertion', 'trajectory', 'image'.
        """
        n = self.names
        out = {
            "5309f06c-e73e-4037-97fd-4e89762e7080": n["eid"],
            "b8e67006-5f68-4c76-819e-18ed011524cc": n["eid"],
            "01b57d9e-abab-4d9a-a09c-880b552c2f7e": n["pid"],
            "374a859c-603b-475d-b103-912464d34efe": n["pid"],
            "97100c80-ddb7-4416-95f0-5509a353dc9e": n["trajectory"],
            "1973febe-bb4f-4291-b438-deb068b1cb6c": n["dataset"],
            "f54b4a8a-ca3f-49f8-90b3-75c1b6098f5d": n["protected"],
            "2020-01-06/001": f"{n['date']}/{n['number']:03d}",
            "2020-01-06": n["date"],
            "number=001": f"number={n['number']:03d}",
            "alf/probe00/pykilosort": n["collection"],
            "CO_000": n["subject"],
            "cortexlab": n["lab"],
            "flatiron_cortexlab": "hub",
            "ibl_behaviour_pilot": n["project"],
        }
        if not need:
            return out
        if need == "image":
            recorded = "/uploaded/2026/11/20/t." + ".".join([THERE] * 2) + ".png"
            return out | {recorded: urlsplit(self.image()).path}
        name = self.new() if need == "name" else self.subject()
        out["tmp_1795170145"] = name
        if need not in ("name", "subject"):
            session = self.session(name)
            out[THERE] = session["id"]
        if need == "dataset":
            out["0181bae9-8f82-460b-8ed9-c059fdd2051d"] = self.register(name)[0]["id"]
        if need in ("insertion", "trajectory"):
            insertion = self.insertion(session)
            out["82c08f6d-dd70-40e8-8ee8-02154c822a59"] = insertion["id"]
        if need == "trajectory":
            trajectory = self.trajectory(insertion)
            out["9f8ce536-a111-4327-a810-4fb03ba071fa"] = trajectory["id"]
        return out


def translate(text: str, names: dict[str, str]) -> str:
    """Return a recorded text with the names of here, the longest first."""
    for theirs in sorted(names, key=len, reverse=True):
        text = text.replace(theirs, names[theirs])
    return text


def run_endless(cursor: Any, seconds: float) -> None:
    """Execute a statement without end, which PostgreSQL stops after so many seconds.

    SQLite stops it where its caller's `time_limit` says so.
    """
    if cursor.db.vendor == "postgresql":
        cursor.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
    cursor.execute(_ENDLESS)
