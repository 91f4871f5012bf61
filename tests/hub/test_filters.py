"""Filters of the hub's lists, each against the same asked of plain rows in Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from typing import Any

import pytest

from .asking import Asker


@pytest.fixture
def django_hub(_databases: Any) -> Iterator[Any]:
    """Return a hub's settings, as that of others, but with rows that a folder does not make."""
    _databases.add("filters", "lab", fill)
    yield from _databases.rolled_back("filters")


@pytest.fixture
def ask(django_hub: Any) -> Asker:
    return Asker()


@pytest.fixture
def lab(django_hub: Any) -> Any:
    """Return the tables."""
    from fascicle.hub import models

    return models


def fill() -> None:
    """Make the rows that a folder of files does not make."""
    from fascicle.hub import models as m

    sessions = list(m.Session.objects.order_by("start_time"))
    users = [m.LabMember.objects.get_or_create(username=name)[0] for name in ("ann", "bob")]
    rig = m.LabLocation.objects.create(name="Rig One", lab=sessions[0].lab)
    procedure = m.ProcedureType.objects.get_or_create(name="Behavior training/tasks")[0]
    histology = m.ProcedureType.objects.get_or_create(name="Histology")[0]
    private = m.Tag.objects.create(name="private thing")
    for place, one in enumerate(sessions):
        one.users.add(*users[: place % 3])
        one.n_trials, one.n_correct_trials = (100, place * 5) if place % 4 else (place, None)
        one.qc = (0, 10, 30, 40, 50)[place % 5]
        one.type = ("Experiment", "Base", None)[place % 3]
        one.location = rig if place % 2 else None
        one.extended_qc = {"behavior": place % 2, "share": place / 10, "name": f"n{place % 3}"}
        one.json = {"weight": place, "rig": {"name": "box"}} if place % 3 else None
        one.save()
        one.procedures.add(*[procedure, histology][: 1 + (place == 4)])
    datasets = list(m.Dataset.objects.order_by("pk"))
    for place, one in enumerate(datasets):
        one.qc = (0, 10, 30, 40, 50)[place % 5]
        one.online = place % 7 != 0
        one.created_by = users[0] if place % 9 == 0 else None
        one.created_datetime = datetime(2024, 1, 1 + place % 20, 12)
    m.Dataset.objects.bulk_update(datasets, ["qc", "online", "created_by", "created_datetime"])
    private.datasets.add(*datasets[::50])
    m.TrajectoryEstimate.objects.filter(provenance=10).update(x=7.0)


Rows = Callable[[Any], Iterable[Any]]


def _named(part: object) -> str | None:
    """Name a test by its query; functions are called differently in each process."""
    return str(part)[:60] if isinstance(part, dict) else None


SESSIONS: list[tuple[dict[str, Any], Rows]] = [
    ({"subject": "mfd_09"}, lambda m: (s for s in all_(m) if s.subject.nickname == "MFD_09")),
    ({"nickname": "MFD_09"}, lambda m: (s for s in all_(m) if s.subject.nickname == "MFD_09")),
    ({"subject": "MFD"}, lambda m: ()),
    ({"lab": "ZadorLab"}, lambda m: (s for s in all_(m) if s.lab.name == "zadorlab")),
    ({"type": "experiment"}, lambda m: (s for s in all_(m) if s.type == "Experiment")),
    ({"task_protocol": "EPHYS"}, lambda m: (s for s in all_(m) if "ephys" in s.task_protocol)),
    ({"project": "brainwide"}, lambda m: named(m, "projects", "brainwide")),
    ({"projects": "Behaviour"}, lambda m: named(m, "projects", "behaviour")),
    ({"procedures": "training"}, lambda m: named(m, "procedures", "training")),
    ({"location": "rig"}, lambda m: (s for s in all_(m) if s.location)),
    ({"users": "ann"}, lambda m: (s for s in all_(m) if "ann" in users_of(s))),
    ({"users": "bob,ann"}, lambda m: (s for s in all_(m) if {"ann", "bob"} <= users_of(s))),
    ({"users": "ann,nobody"}, lambda m: ()),
    ({"number": "001"}, lambda m: (s for s in all_(m) if s.number == 1)),
    ({"qc": "FAIL"}, lambda m: (s for s in all_(m) if s.qc == 40)),
    (
        {"date_range": "2019-08-12,2020-01-22"},
        lambda m: (s for s in all_(m) if date(2019, 8, 12) <= s.date <= date(2020, 1, 22)),
    ),
    ({"performance_gte": "40"}, lambda m: (s for s in all_(m) if (share(s) or 0) >= 40)),
    (
        {"performance_lte": "40"},
        lambda m: (s for s in all_(m) if share(s) is not None and share(s) <= 40),
    ),
    (
        {"dataset_types": "spikes.times,trials.table"},
        lambda m: with_all(m, lambda d: d.dataset_type.name, ("spikes.times", "trials.table")),
    ),
    (
        {"datasets": "spikes.times.npy,_ibl_trials.table.pqt"},
        lambda m: with_all(m, fetchable(40), ("spikes.times.npy", "_ibl_trials.table.pqt")),
    ),
    (
        {"datasets": "spikes.times.npy", "dataset_qc_lte": "WARNING"},
        lambda m: with_all(m, fetchable(30), ("spikes.times.npy",)),
    ),
    (
        {"datasets": "spikes.times.npy", "dataset_qc_lte": "CRITICAL"},
        lambda m: with_all(m, fetchable(50), ("spikes.times.npy",)),
    ),
    ({"datasets": "spikes.times"}, lambda m: ()),
    (
        {"dataset_qc_lte": "NOT_SET"},
        lambda m: with_all(m, lambda d: d.qc <= 0, (True,)),
    ),
    ({"tag": "bwm"}, lambda m: tagged(m, "BWM")),
    ({"tag": "PRIVATE"}, lambda m: tagged(m, "private")),
    (
        {"histology": "True"},
        lambda m: (s for s in all_(m) if s.subject_id in with_histology(m)),
    ),
    (
        {"histology": "false"},
        lambda m: (s for s in all_(m) if s.subject_id not in with_histology(m)),
    ),
    ({"extended_qc": "behavior,1"}, lambda m: (s for s in all_(m) if s.extended_qc["behavior"])),
    (
        {"extended_qc": "share__gte;0.5;behavior;0"},
        lambda m: (
            s for s in all_(m) if s.extended_qc["share"] >= 0.5 and not s.extended_qc["behavior"]
        ),
    ),
    ({"json": "weight__lt,8"}, lambda m: (s for s in all_(m) if s.json and s.json["weight"] < 8)),
    ({"json": "rig__name,box"}, lambda m: (s for s in all_(m) if s.json)),
    ({"atlas_acronym": "th"}, lambda m: sessions_in(m, "TH")),
    ({"atlas_acronym": "RH"}, lambda m: sessions_in(m, "RH")),
    ({"atlas_id": "549"}, lambda m: sessions_in(m, "TH")),
    ({"atlas_name": "rhomboid"}, lambda m: sessions_in(m, "RH")),
    ({"atlas_acronym": "nowhere"}, lambda m: ()),
    (
        {"lab": "angelakilab", "task_protocol": "ephys", "users": "ann"},
        lambda m: (
            s
            for s in all_(m)
            if s.lab.name == "angelakilab" and "ephys" in s.task_protocol and "ann" in users_of(s)
        ),
    ),
    (
        {"django": "projects__name__icontains,brainwide,number,1"},
        lambda m: (s for s in named(m, "projects", "brainwide") if s.number == 1),
    ),
]


def all_(m: Any) -> Any:
    return m.Session.objects.all()


def users_of(session: Any) -> set[str]:
    return {user.username for user in session.users.all()}


def share(session: Any) -> float | None:
    if not session.n_trials or session.n_correct_trials is None:
        return None
    return 100 * session.n_correct_trials / session.n_trials


def named(m: Any, relation: str, part: str) -> list[Any]:
    return [
        s
        for s in all_(m)
        if any(part.lower() in one.name.lower() for one in getattr(s, relation).all())
    ]


def with_all(m: Any, key: Callable[[Any], Any], wanted: Iterable[Any]) -> list[Any]:
    sessions = all_(m).prefetch_related("data_dataset_session_related__dataset_type")
    return [
        s for s in sessions if set(wanted) <= {key(d) for d in s.data_dataset_session_related.all()}
    ]


def fetchable(worst: int) -> Callable[[Any], Any]:
    return lambda d: d.name if d.online and d.qc <= worst else None


def tagged(m: Any, part: str) -> list[Any]:
    return [
        s
        for s in all_(m).prefetch_related("data_dataset_session_related__tags")
        if any(
            part in tag.name for d in s.data_dataset_session_related.all() for tag in d.tags.all()
        )
    ]


def with_histology(m: Any) -> set[Any]:
    return {s.subject_id for s in all_(m) if s.procedures.filter(name="Histology").exists()}


_parents: dict[int, tuple[str, int | None]] = {}


def is_within(region: int | None, acronym: str) -> bool:
    """Return whether a region is another or lies in it, by going from parent to parent."""
    if not _parents:
        from fascicle.hub.models import BrainRegion

        for key, name, parent in BrainRegion.objects.values_list("pk", "acronym", "parent"):
            _parents[key] = (name, parent)
    while region is not None:
        name, region = _parents[region]
        if name == acronym:
            return True
    return False


def insertions_in(m: Any, acronym: str) -> list[Any]:
    """Return insertions with a channel in a region, by the parents of each channel's region."""
    found = {}
    for track in m.TrajectoryEstimate.objects.filter(provenance__gte=70):
        regions = set(track.channels.values_list("brain_region", flat=True))
        if any(is_within(region, acronym) for region in regions):
            found[track.probe_insertion_id] = track.probe_insertion
    return list(found.values())


def sessions_in(m: Any, acronym: str) -> set[Any]:
    return {probe.session for probe in insertions_in(m, acronym)}


@pytest.mark.parametrize(("query", "expected"), SESSIONS, ids=_named)
def test_sessions(ask: Asker, lab: Any, query: dict[str, Any], expected: Rows) -> None:
    wanted = sorted(
        {s.pk: s for s in expected(lab)}.values(),
        key=lambda s: (s.start_time, [-int(c, 16) for c in s.pk.hex]),
        reverse=True,
    )
    assert ask.ids("/sessions", **query) == [str(s.pk) for s in wanted]


def test_most_searches_of_sessions_find_some_but_not_all(ask: Asker, lab: Any) -> None:
    counts = [ask.json("/sessions", **query)["count"] for query, _ in SESSIONS]
    total = lab.Session.objects.count()
    assert sum(0 < count < total for count in counts) > 0.75 * len(counts)


INSERTIONS: list[tuple[dict[str, Any], Callable[[Any, Any], bool]]] = [
    ({"name": "probe00"}, lambda p, m: p.name == "probe00"),
    ({"subject": "MFD_09"}, lambda p, m: p.session.subject.nickname == "MFD_09"),
    ({"subject": "mfd_09"}, lambda p, m: False),
    ({"lab": "AngelakiLab"}, lambda p, m: p.session.lab.name == "angelakilab"),
    ({"date": "2021-02-04"}, lambda p, m: p.session.date == date(2021, 2, 4)),
    ({"experiment_number": "1"}, lambda p, m: p.session.number == 1),
    (
        {"project": "BRAINWIDE"},
        lambda p, m: any("brainwide" in x.name for x in p.session.projects.all()),
    ),
    ({"task_protocol": "Choice"}, lambda p, m: "Choice" in p.session.task_protocol),
    ({"model": "Neuropixel 3B2"}, lambda p, m: p.model.name == "Neuropixel 3B2"),
    ({"model": "3B2"}, lambda p, m: p.model.name == "3B2"),
    (
        {"datasets": "spikes.times.npy"},
        lambda p, m: "spikes.times.npy" in {fetchable(40)(d) for d in p.datasets.all()},
    ),
    (
        {"datasets": "spikes.times.npy,clusters.channels.npy", "dataset_qc_lte": "CRITICAL"},
        lambda p, m: (
            {"spikes.times.npy", "clusters.channels.npy"}
            <= {fetchable(50)(d) for d in p.datasets.all()}
        ),
    ),
    (
        {"dataset_types": "spikes.times"},
        lambda p, m: any(d.dataset_type.name == "spikes.times" for d in p.datasets.all()),
    ),
    ({"tag": "bwm"}, lambda p, m: p.datasets.filter(tags__name__contains="BWM").exists()),
    ({"atlas_acronym": "TH"}, lambda p, m: p in insertions_in(m, "TH")),
    ({"atlas_acronym": "rh"}, lambda p, m: p in insertions_in(m, "RH")),
    ({"atlas_name": "Thalamus"}, lambda p, m: p in insertions_in(m, "TH")),
    (
        {"atlas_name": "primary visual area"},
        lambda p, m: p in insertions_in(m, "VISp"),
    ),
]


@pytest.mark.parametrize(("query", "fits"), INSERTIONS, ids=_named)
def test_insertions(
    ask: Asker, lab: Any, query: dict[str, Any], fits: Callable[[Any, Any], bool]
) -> None:
    wanted = {str(p.pk) for p in lab.ProbeInsertion.objects.all() if fits(p, lab)}
    found = ask.ids("/insertions", **query)
    assert set(found) == wanted and len(found) == len(wanted)


def test_a_region_within_another_finds_fewer(ask: Asker, lab: Any) -> None:
    inner = set(ask.ids("/insertions", atlas_acronym="RH"))
    outer = set(ask.ids("/insertions", atlas_acronym="TH"))
    assert inner and inner < outer < set(ask.ids("/insertions"))


def test_only_alignments_count_for_the_atlas(ask: Asker, lab: Any) -> None:
    track = lab.TrajectoryEstimate.objects.filter(provenance__lt=70).first()
    region = lab.BrainRegion.objects.get(acronym="CBX")
    lab.Channel.objects.create(trajectory_estimate=track, axial=1, lateral=1, brain_region=region)
    assert ask.ids("/insertions", atlas_acronym="CBX") == []


DATASETS: list[tuple[dict[str, Any], Callable[[Any], bool]]] = [
    ({"name": "spikes.times.npy"}, lambda d: d.name == "spikes.times.npy"),
    ({"collection": "alf"}, lambda d: d.collection == "alf"),
    ({"dataset_type": "trials.table"}, lambda d: d.dataset_type.name == "trials.table"),
    ({"subject": "MFD_09"}, lambda d: d.session.subject.nickname == "MFD_09"),
    ({"lab": "angelakilab"}, lambda d: d.session.lab.name == "angelakilab"),
    ({"lab": "AngelakiLab"}, lambda d: False),
    ({"revision": "2024-05-06"}, lambda d: bool(d.revision and d.revision.name == "2024-05-06")),
    ({"date": "2021-02-04"}, lambda d: d.session.date == date(2021, 2, 4)),
    ({"experiment_number": "1"}, lambda d: d.session.number == 1),
    ({"created_by": "ann"}, lambda d: bool(d.created_by and d.created_by.username == "ann")),
    ({"created_date": "2024-01-05"}, lambda d: d.created_datetime.date() == date(2024, 1, 5)),
    (
        {"created_date_gte": "2024-01-05", "created_date_lte": "2024-01-07"},
        lambda d: date(2024, 1, 5) <= d.created_datetime.date() <= date(2024, 1, 7),
    ),
    ({"exists": "True"}, lambda d: d.online),
    ({"exists": "false"}, lambda d: not d.online),
    ({"qc": "WARNING"}, lambda d: d.qc == 30),
    ({"tag": "private thing"}, lambda d: d.tags.filter(name="private thing").exists()),
    ({"tag": "private"}, lambda d: False),
    ({"protected": "True"}, lambda d: d.tags.filter(protected=True).exists()),
    ({"public": "0"}, lambda d: not d.tags.filter(public=True).exists()),
    ({"default_dataset": "False"}, lambda d: not d.default_dataset),
]


@pytest.mark.parametrize(("query", "fits"), DATASETS, ids=_named)
def test_datasets(ask: Asker, lab: Any, query: dict[str, Any], fits: Callable[[Any], bool]) -> None:
    every = lab.Dataset.objects.select_related(
        "session__subject", "session__lab", "dataset_type", "revision", "created_by"
    )
    wanted = {str(d.pk) for d in every if fits(d)}
    found = ask.ids("/datasets", **query)
    assert set(found) == wanted and len(found) == len(wanted)


def test_datasets_of_a_session_or_of_a_probe(ask: Asker, lab: Any) -> None:
    probe = lab.ProbeInsertion.objects.first()
    for query, rows in (
        ({"session": probe.session_id}, probe.session.data_dataset_session_related.all()),
        ({"probe_insertion": probe.pk}, probe.datasets.all()),
    ):
        assert set(ask.ids("/datasets", **query)) == {str(d.pk) for d in rows} != set()


def test_trajectories(ask: Asker, lab: Any) -> None:
    every = list(lab.TrajectoryEstimate.objects.all())
    probe = lab.ProbeInsertion.objects.filter(name="probe01").first()
    for query, fits in (
        ({"provenance": "Ephys aligned histology track"}, lambda t: t.provenance == 70),
        ({"provenance": "70"}, lambda t: t.provenance == 70),
        ({"probe": "probe01"}, lambda t: t.probe_insertion.name == "probe01"),
        ({"probe_insertion": probe.pk}, lambda t: t.probe_insertion_id == probe.pk),
        ({"session": probe.session_id}, lambda t: t.probe_insertion.session == probe.session),
        (
            {"subject": probe.session.subject.nickname},
            lambda t: t.probe_insertion.session.subject == probe.session.subject,
        ),
        ({"date": probe.session.date},
         lambda t: t.probe_insertion.session.date == probe.session.date),
        ({"project": "brainwide"}, lambda t: "brainwide" in "".join(
            p.name for p in t.probe_insertion.session.projects.all())),
        ({"x": "7"}, lambda t: t.x == 7),
    ):  # fmt: skip
        wanted = {str(t.pk) for t in every if fits(t)}
        assert set(ask.ids("/trajectories", **query)) == wanted != set(), query


def test_channels(ask: Asker, lab: Any) -> None:
    track = lab.TrajectoryEstimate.objects.filter(provenance=70).first()
    channels = {str(c.pk): c for c in track.channels.all()}
    assert set(ask.ids("/channels", trajectory_estimate=track.pk)) == set(channels)
    assert set(ask.ids("/channels", probe_insertion=track.probe_insertion_id)) == set(channels)
    region = next(iter(channels.values())).brain_region_id
    wanted = {key for key, c in channels.items() if c.brain_region_id == region}
    query = {"probe_insertion": track.probe_insertion_id, "brain_region": region}
    assert set(ask.ids("/channels", **query)) == wanted != set()


def test_brain_regions(ask: Asker, lab: Any) -> None:
    every = list(lab.BrainRegion.objects.all())
    thalamus = next(r for r in every if r.acronym == "TH")
    inside = {r.pk for r in every if is_within(r.pk, "TH")}
    around = {r.pk for r in every if is_within(thalamus.pk, r.acronym)} - {0}
    assert ask.ids("/brain-regions", acronym="th") == [549]
    assert set(ask.ids("/brain-regions", descendants="TH")) == inside and len(inside) == 74
    assert set(ask.ids("/brain-regions", descendants="549")) == inside
    assert set(ask.ids("/brain-regions", ancestors="TH")) == around and 997 in around
    assert set(ask.ids("/brain-regions", parent=549)) == {r.pk for r in every if r.parent_id == 549}
    assert set(ask.ids("/brain-regions", name="thalamus")) == {
        r.pk for r in every if "thalamus" in r.name.lower()
    }
    assert ask.ids("/brain-regions", descendants="nowhere") == []


def test_files(ask: Asker, lab: Any) -> None:
    record = lab.FileRecord.objects.first()
    personal = lab.DataRepository.objects.create(name="rig", globus_is_personal=True)
    other = lab.FileRecord.objects.create(dataset=record.dataset, data_repository=personal)
    assert set(ask.ids("/files", dataset=record.dataset_id)) == {str(record.pk), str(other.pk)}
    assert ask.ids("/files", globus_is_personal="True") == [str(other.pk)]
    assert ask.ids("/files", exists="False", data_repository="rig") == [str(other.pk)]
    lab_name = record.dataset.session.lab.name
    assert set(ask.ids("/files", lab=lab_name, limit=1000)) == {
        str(f.pk) for f in lab.FileRecord.objects.filter(dataset__session__lab__name=lab_name)
    }


def test_labs_by_a_release(ask: Asker, lab: Any) -> None:
    path = "session__data_dataset_session_related__tags__name"
    names = {row["name"] for row in ask.rows("/labs", django=f"{path},private thing")}
    assert names == {s.lab.name for s in tagged(lab, "private")}
