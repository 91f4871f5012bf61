"""What a synthetic lab's description says that its files cannot: people, releases, weights.

Applied to what an import has just made, never to what was in the database before.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from django.contrib.contenttypes.models import ContentType

from fascicle.alf.spec import QC
from fascicle.hub.config import LOOPBACK, HubConfig
from fascicle.hub.importing.base import Names, make
from fascicle.hub.importing.report import ImportReport
from fascicle.hub.models import (
    Dataset,
    DatasetType,
    Lab,
    LabLocation,
    LabMember,
    LabMembership,
    Note,
    ProbeInsertion,
    ProcedureType,
    Project,
    Revision,
    Session,
    Setting,
    Species,
    Strain,
    Subject,
    Surgery,
    Tag,
    TrajectoryEstimate,
    WaterAdministration,
    WaterRestriction,
    WaterType,
    Weighing,
)

Record = Mapping[str, Any]
#: Accounts of the tutorials, for reading alone. On a hub that others reach, passwords are random.
TUTORIALS = {"test_user": "fascicle-demo", "intbrainlab": "international"}
_PROVENANCE = TrajectoryEstimate.Provenance
_HEADPLATE, _RESTRICTION = "Headplate implant", "Water restriction"


class Described:
    """A lab's description, on its way into the database.

    Parameters
    ----------
    record : mapping
        As ``fascicle.demo.read_description`` returns it.
    config : HubConfig
        The hub; whether others can reach it decides what passwords are.
    report : ImportReport
        Counts what is done.
    """

    def __init__(self, record: Record, config: HubConfig, report: ImportReport) -> None:
        self.record = record
        self.report = report
        self.open = config.host not in LOOPBACK or bool(config.public_url)
        self.sessions = {r["session"]: r for r in record["sessions"]}
        self.subjects = {r["nickname"]: r for r in record["subjects"]}
        self.new_labs: set[str] = set()

    def begin(self) -> None:
        """Make the users, labs, projects, tags and revisions that are named."""
        self.users = Names(LabMember, self.report, field="username")
        # Once: an account that somebody removed does not come back with a known password.
        _, first = Setting.objects.get_or_create(key="described")
        tutorials = TUTORIALS if first and self.record.get("synthetic") else {}
        for name in (*(r["username"] for r in self.record["users"]), *tutorials):
            self._user(name, tutorials.get(name))
        labs = Names(Lab, self.report)
        self.new_labs = {r["name"] for r in self.record["labs"]} - labs.known.keys()
        projects = Names(Project, self.report)
        for r in self.record["projects"]:
            projects(r["name"])
        self.tags = Names(Tag, self.report)
        for r in self.record["tags"]:
            if r["name"] not in self.tags.known:
                public = bool(r.get("public"))
                self.tags(
                    r["name"],
                    description=r.get("description", ""),
                    public=public,
                    protected=bool(r.get("protected", public)),
                )

    def _user(self, name: str, password: str | None) -> None:
        if name in self.users.known:
            return
        user = LabMember(username=name, is_public_user=password is not None)
        if password is not None and self.open:
            password = secrets.token_urlsafe(12)
        if password is not None:
            self.report.logins[name] = password
        user.set_password(password)  # None: nobody can log in as this user
        user.save()
        self.report.created["users"] += 1
        self.users.known[name] = user.pk

    def lab(self, name: str) -> None:
        """Fill in what a new lab's record says."""
        for r in self.record["labs"]:
            if r["name"] == name:
                more = {k: r[k] for k in ("institution", "timezone", "address") if k in r}
                Lab.objects.filter(name=name).update(**more)

    def apply(self, new: Sequence[tuple[UUID, str]]) -> None:
        """Add what is said of sessions, each with its path, that were just made."""
        for name in sorted(self.new_labs):
            self.lab(name)
        self.new_labs.clear()
        self.names = Names(ProcedureType, self.report)
        self.places = Names(LabLocation, self.report)
        described = [(eid, self.sessions[path]) for eid, path in new if path in self.sessions]
        asked = Session.objects.filter(pk__in=[eid for eid, _ in described])
        sessions = list(asked.select_related("subject"))
        self._subjects({s.subject for s in sessions}, sessions)
        rows = {s.pk: s for s in asked.select_related("subject")}
        for eid, record in described:
            self._session(rows[eid], record)
        self._links(described)
        self._weights([rows[eid] for eid, _ in described])
        for eid, record in described:
            self._datasets(eid, record)
            self._probes(eid, record)
        describe_revisions(Revision.objects.filter(description=""), self.record)

    def _session(self, s: Session, r: Record) -> None:
        s.start_time = dt.datetime.fromisoformat(r["start_time"])
        s.date = s.start_time.date()
        if s.n_trials:
            s.end_time = s.start_time + dt.timedelta(seconds=5 * s.n_trials)
            right = s.n_correct_trials or 0
            quality = "PASS" if 2 * right > s.n_trials else "WARNING"
            s.extended_qc = {"task": quality, "_task_correct": round(right / s.n_trials, 4)}
        s.location_id = self.places(r["location"], lab_id=s.lab_id)
        s.narrative = r.get("narrative", "")
        words = [int(QC[word]) for word in r.get("qc", {}).values()]
        s.qc = max(words, default=0)
        s.save()

    def _links(self, described: Sequence[tuple[UUID, Record]]) -> None:
        users, done = Session.users.through, Session.procedures.through
        make(
            [
                users(session_id=eid, labmember_id=self.users.known[name])
                for eid, r in described
                for name in r.get("users", ())
            ],
            self.report,
            ignore=True,
        )
        make(
            [
                done(session_id=eid, proceduretype_id=self.names(name))
                for eid, r in described
                for name in r.get("procedures", ())
            ],
            self.report,
            ignore=True,
        )
        about = ContentType.objects.get_for_model(Session)
        notes = [
            Note(
                content_type=about,
                object_id=eid,
                text=r["narrative"],
                user_id=self.users.known[r["users"][0]] if r.get("users") else None,
                date_time=dt.datetime.fromisoformat(r["start_time"]),
            )
            for eid, r in described
            if r.get("narrative")
        ]
        make(notes, self.report)

    # -- animals -----------------------------------------------------------------------------------

    def _subjects(self, subjects: Iterable[Subject], sessions: Iterable[Session]) -> None:
        first: dict[UUID, Session] = {}
        for s in sorted(sessions, key=lambda s: s.start_time):
            first.setdefault(s.subject_id, s)
        species, strains = Names(Species, self.report), Names(Strain, self.report)
        for subject in subjects:
            r = self.subjects.get(subject.nickname)
            if r is None or subject.birth_date is not None:
                continue
            users = self.sessions_of(subject.nickname)
            subject.sex = r["sex"]
            subject.birth_date = dt.date.fromisoformat(r["birth_date"])
            subject.species_id = species(r["species"], nickname="Laboratory mouse")
            subject.strain_id = strains(r["strain"])
            subject.reference_weight = r["reference_weight"]
            subject.responsible_user_id = self.users.known.get(users[0]) if users else None
            subject.save()
            self._prepare(subject, first[subject.pk])
        self._projects(first)

    def sessions_of(self, nickname: str) -> list[str]:
        """Return the users of the first session of a subject that names any."""
        for path, r in self.sessions.items():
            if f"/{nickname}/" in path and r.get("users"):
                return list(r["users"])
        return []

    def _projects(self, first: Mapping[UUID, Session]) -> None:
        through = Subject.projects.through
        pairs = Session.projects.through.objects.filter(
            session__subject_id__in=list(first)
        ).values_list("session__subject_id", "project_id")
        rows = [through(subject_id=s, project_id=p) for s, p in sorted(set(pairs))]
        make(rows, self.report, ignore=True)

    def _prepare(self, subject: Subject, first: Session) -> None:
        """Add the surgery and the restriction of water that come before a first session."""
        day = dt.datetime.combine(first.start_time.date(), dt.time(10))
        by = subject.responsible_user_id
        surgery = Surgery(
            subject=subject,
            lab_id=subject.lab_id,
            start_time=day - dt.timedelta(days=21),
            end_time=day - dt.timedelta(days=21, hours=-1),
            implant_weight=1.2,
            narrative="Headplate",
        )
        water = WaterRestriction(
            subject=subject,
            lab_id=subject.lab_id,
            start_time=day - dt.timedelta(days=7),
            reference_weight=subject.reference_weight,
            water_type_id=Names(WaterType, self.report)("Water 10% Sucrose"),
        )
        for row, name in ((surgery, _HEADPLATE), (water, _RESTRICTION)):
            make([row], self.report)
            row.procedures.add(self.names(name))
            if by:
                row.users.add(by)
        if by:
            user = LabMember.objects.get(pk=by)
            if not user.lab_membership.filter(lab_id=subject.lab_id).exists():
                make([LabMembership(user=user, lab_id=subject.lab_id)], self.report)

    def _weights(self, sessions: Sequence[Session]) -> None:
        """Add a weighing before each session, and the water that was earned in it."""
        water = Names(WaterType, self.report)("Water 10% Sucrose")
        weighings, drinks = [], []
        for s in sessions:
            if not s.subject.reference_weight or not s.n_trials:
                continue
            share = 0.84 + (s.date.toordinal() % 7) / 100  # no day is quite like another
            weighings.append(
                Weighing(
                    subject=s.subject,
                    date_time=s.start_time - dt.timedelta(minutes=10),
                    weight=round(s.subject.reference_weight * share, 1),
                    user_id=s.subject.responsible_user_id,
                )
            )
            drinks.append(
                WaterAdministration(
                    subject=s.subject,
                    session=s,
                    date_time=s.end_time,
                    water_administered=round(0.003 * (s.n_correct_trials or 0), 3),
                    water_type_id=water,
                    user_id=s.subject.responsible_user_id,
                )
            )
        make(weighings, self.report)
        make(drinks, self.report)

    # -- files and probes --------------------------------------------------------------------------

    def _datasets(self, eid: UUID, r: Record) -> None:
        rows = Dataset.objects.filter(session_id=eid)
        if r.get("users"):
            rows.update(created_by=self.users.known[r["users"][0]])
        made = dt.datetime.fromisoformat(r["start_time"]) + dt.timedelta(hours=5)
        rows.update(created_datetime=made)
        through = Dataset.tags.through
        links = [
            through(dataset_id=did, tag_id=self.tags.known[name])
            for did, revision in rows.values_list("pk", "revision__name")
            for name in self._tags(r.get("tags", ()), revision)
        ]
        make(links, self.report, ignore=True)
        for glob, name in r.get("dataset_types", {}).items():
            kind, _ = DatasetType.objects.get_or_create(name=name)
            for did, collection, file in rows.values_list("pk", "collection", "name"):
                if fnmatchcase(f"{collection}/{file}", glob):
                    Dataset.objects.filter(pk=did).update(dataset_type=kind)

    def _tags(self, names: Iterable[str], revision: str | None) -> list[str]:
        """Return the tags of a dataset: those of its session, or those of its revision."""
        later = [
            t["name"]
            for t in self.record["tags"]
            if revision and t.get("description", "").endswith(f", revision {revision}")
        ]
        return later or list(names)

    def _probes(self, eid: UUID, r: Record) -> None:
        probes = {probe["name"]: probe for probe in r.get("probes", ())}
        for p in ProbeInsertion.objects.filter(session_id=eid, name__in=probes):
            track = probes[p.name].get("trajectory") or {}
            aligned = p.trajectory_estimate.filter(provenance=_PROVENANCE.EPHYS_ALIGNED)
            traced = aligned.exists()
            p.json = {
                "qc": "PASS",
                "extended_qc": {
                    "alignment_count": int(traced),
                    "alignment_resolved": traced,
                    "tracing_exists": traced,
                },
            }
            p.save()
            day = dt.datetime.fromisoformat(r["start_time"])
            aligned.update(**track, datetime=day + dt.timedelta(days=30))
            system = aligned.values_list("coordinate_system", flat=True).first()
            planned = TrajectoryEstimate(
                probe_insertion=p,
                provenance=_PROVENANCE.PLANNED,
                coordinate_system_id=system,
                datetime=day - dt.timedelta(days=1),
                **track,
            )
            make([planned], self.report)


def describe_revisions(revisions: Iterable[Revision], record: Record) -> None:
    """Say what revisions are, where a tag's description does."""
    for revision in revisions:
        ending = f", revision {revision.name}"
        for tag in record["tags"]:
            text = tag.get("description", "")
            if text.endswith(ending) and not revision.description:
                revision.description = text.removesuffix(ending)
                revision.save()
