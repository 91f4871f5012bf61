"""A lab's database to measure a hub on: rows as an Alyx of that size has them, always the same.

2,000 sessions of 60 subjects in 5 laboratories, 30 datasets each with a copy that can be fetched
and one on a rig, 750 insertions in 500 of the sessions with 384 channels each; 256 insertions
are in the thalamus, 100 sessions of one laboratory have spikes, 125 sessions are in a release.

    python benchmarks/hub_data.py FOLDER [--sessions 2000] [--datasets 30] [--state DIR]
        [--database URL]

makes a hub in a folder and fills it; `fill` fills the one that this process has.
"""

from __future__ import annotations

import argparse
import random
import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any

LABS = ("cortexlab", "churchlandlab", "mainenlab", "wittenlab", "zadorlab")
PROJECTS = ("ibl_neuropixel_brainwide_01", "ibl_behaviour_pilot", "zador_les", "other")
TAG = "2022_Q2_IBL_et_al_RepeatedSite"
BEHAVIOUR = (
    "_ibl_trials.table.pqt",
    "_ibl_trials.intervals.npy",
    "_ibl_trials.choice.npy",
    "_ibl_trials.goCue_times.npy",
    "_ibl_trials.contrastLeft.npy",
    "_ibl_trials.contrastRight.npy",
    "_ibl_trials.feedbackType.npy",
    "_ibl_trials.feedback_times.npy",
    "_ibl_wheel.position.npy",
    "_ibl_wheel.timestamps.npy",
    "_ibl_leftCamera.times.npy",
    "_ibl_rightCamera.times.npy",
    "_ibl_bodyCamera.times.npy",
    "_ibl_leftCamera.dlc.pqt",
    "_ibl_rightCamera.dlc.pqt",
    "_ibl_leftCamera.features.pqt",
    "licks.times.npy",
)
SPIKES = (
    "spikes.times.npy",
    "spikes.clusters.npy",
    "spikes.amps.npy",
    "spikes.depths.npy",
    "clusters.channels.npy",
    "clusters.metrics.pqt",
    "clusters.depths.npy",
    "clusters.amps.npy",
    "clusters.uuids.csv",
    "channels.localCoordinates.npy",
    "channels.rawInd.npy",
    "channels.mlapdv.npy",
    "channels.brainLocationIds_ccf_2017.npy",
)
RAW = tuple(f"_iblrig_part{place:02d}.raw.npy" for place in range(13))
THALAMUS = ("PO", "VPM", "LP", "VPL", "RH", "MD", "LD")
ELSEWHERE = ("CA1", "DG-mo", "VISp5", "VISa6a", "MRN", "SCig", "CP", "ACB")


def fill(
    sessions: int = 2000,
    insertions: int = 750,
    channels: int = 384,
    data_url: str = "http://127.0.0.1:8101/",
    datasets: int = 30,
) -> dict[str, int]:
    """Fill the database of this process; return how many rows there are of what.

    Parameters
    ----------
    sessions : int
        Sessions.
    insertions : int
        Insertions, in a quarter of the sessions.
    channels : int
        Channels of each insertion.
    data_url : str
        Where copies of files are said to be.
    datasets : int
        Datasets of each session, 30 at the least.
    """
    from django.db import transaction

    with transaction.atomic():
        return _Lab(sessions, insertions, channels, data_url, datasets).fill()


class _Lab:
    def __init__(
        self, sessions: int, insertions: int, channels: int, data_url: str, datasets: int
    ) -> None:
        self.n_sessions, self.n_insertions, self.n_channels = sessions, insertions, channels
        of_session = len(BEHAVIOUR) + len(SPIKES)
        self.more = tuple(f"_iblrig_more{n:02d}.raw.npy" for n in range(datasets - of_session))
        self.data_url = data_url
        self.chance = random.Random(2026)

    def id(self) -> uuid.UUID:
        return uuid.UUID(int=self.chance.getrandbits(128), version=4)

    def fill(self) -> dict[str, int]:
        from fascicle.hub import models

        self.models = models
        self._people()
        self._sessions()
        self._datasets()
        self._insertions()
        counted = ("Session", "Dataset", "FileRecord", "ProbeInsertion", "Channel")
        return {name: getattr(models, name).objects.count() for name in counted}

    def _people(self) -> None:
        m = self.models
        self.user = m.LabMember.objects.get_or_create(
            username="test_user", defaults={"id": self.id()}
        )[0]
        self.labs = [m.Lab.objects.get_or_create(name=name)[0] for name in LABS]
        self.projects = [m.Project.objects.get_or_create(name=name)[0] for name in PROJECTS]
        self.procedures = [
            m.ProcedureType.objects.get_or_create(name=name)[0]
            for name in ("Ephys recording with acute probe(s)", "Behavior training/tasks")
        ]
        self.server = m.DataRepository.objects.get_or_create(
            name="bench", defaults={"data_url": self.data_url}
        )[0]
        self.rig = m.DataRepository.objects.get_or_create(
            name="rig", defaults={"globus_is_personal": True}
        )[0]
        self.tag = m.Tag.objects.get_or_create(
            name=TAG, defaults={"public": True, "protected": True}
        )[0]
        self.water = m.WaterType.objects.get_or_create(name="Water")[0]
        self.subjects = [
            m.Subject.objects.create(
                id=self.id(),
                nickname=f"{LABS[place % 5][:2].upper()}_{place:03d}",
                lab=self.labs[place % 5],
                responsible_user=self.user,
                sex="MF"[place % 2],
                birth_date=date(2019, 1, 1) + timedelta(place),
            )
            for place in range(60)
        ]

    def _sessions(self) -> None:
        m = self.models
        first = datetime(2020, 1, 6, 9, 0, 0, 123456)
        self.sessions: list[Any] = []
        for place in range(self.n_sessions):
            subject = self.subjects[place % 60]
            at = place // 60
            start = first + timedelta(days=7 * (at // 2), minutes=place % 60 * 4)
            self.sessions.append(
                m.Session(
                    id=self.id(),
                    subject=subject,
                    lab=subject.lab,
                    number=at % 2 + 1,
                    start_time=start,
                    date=start.date(),
                    end_time=start + timedelta(hours=1),
                    type="Experiment",
                    task_protocol="_iblrig_tasks_ephysChoiceWorld6.4.2",
                    narrative=f"session {place}",
                    n_trials=400,
                    n_correct_trials=200 + place % 200,
                    qc=(0, 10, 30, 40, 50)[place % 5],
                    extended_qc={"behavior": place % 2, "_task_goCue_delays": place % 100 / 100},
                    json={"IS_MOCK": False, "POOP_COUNT": place % 7},
                )
            )
        save(m.Session, self.sessions)
        pairs = m.Session.projects.through
        save(
            pairs,
            (
                pairs(session_id=one.pk, project_id=self.projects[place % 4].pk)
                for place, one in enumerate(self.sessions)
            ),
        )
        pairs = m.Session.users.through
        save(pairs, (pairs(session_id=s.pk, labmember_id=self.user.pk) for s in self.sessions))
        pairs = m.Session.procedures.through
        save(
            pairs,
            (
                pairs(session_id=one.pk, proceduretype_id=procedure.pk)
                for one in self.sessions
                for procedure in self.procedures
            ),
        )
        save(
            m.WaterAdministration,
            (
                m.WaterAdministration(
                    id=self.id(),
                    subject=one.subject,
                    session=one,
                    water_type=self.water,
                    water_administered=1.2,
                    date_time=one.start_time,
                )
                for one in self.sessions[::4]
            ),
        )

    def _datasets(self) -> None:
        m = self.models
        kinds: dict[str, Any] = {}
        for name in (*BEHAVIOUR, *SPIKES, *RAW, *self.more):
            words = name.removeprefix("_ibl_").removeprefix("_iblrig_").rpartition(".")[0]
            kinds[name] = m.DatasetType.objects.get_or_create(name=words)[0]
        formats = {
            suffix: m.DataFormat.objects.get_or_create(name=suffix)[0]
            for suffix in ("npy", "pqt", "csv")
        }
        self.of_probe: dict[Any, list[Any]] = {}
        released = {one.pk for one in self.sessions[3::4][: self.n_sessions // 16]}
        sessions = enumerate(self.sessions)
        while part := list(islice(sessions, 1000)):  # millions of datasets are not held at once
            self._save_datasets(list(self._datasets_of(part, kinds, formats)), released)

    def _datasets_of(
        self, sessions: list[tuple[int, Any]], kinds: dict[str, Any], formats: dict[str, Any]
    ) -> Iterator[Any]:
        m, n = self.models, 0
        for place, session in sessions:
            names = (*BEHAVIOUR, *(SPIKES if self.has_probe(place) else RAW), *self.more)
            for name in names:
                collection = "alf" if name in BEHAVIOUR else "raw_behavior_data"
                if name in SPIKES:
                    collection = "alf/probe00/pykilosort"
                dataset = m.Dataset(
                    id=self.id(),
                    name=name,
                    session=session,
                    collection=collection,
                    dataset_type=kinds[name],
                    data_format=formats[name.rpartition(".")[2]],
                    file_size=self.chance.randrange(1000, 10**8),
                    hash=f"{self.chance.getrandbits(128):032x}",
                    version="2.15.0",
                    qc=(0, 0, 10, 30, 40)[n % 5],
                    online=True,
                    created_by=self.user,
                    created_datetime=session.end_time,
                )
                n += 1
                if name in SPIKES:
                    self.of_probe.setdefault(session.pk, []).append(dataset.pk)
                yield dataset

    def _save_datasets(self, datasets: list[Any], released: set[Any]) -> None:
        m = self.models
        save(m.Dataset, datasets)
        save(
            m.FileRecord,
            (
                m.FileRecord(id=self.id(), dataset=one, data_repository=place, exists=True)
                for one in datasets
                for place in (self.server, self.rig)
            ),
        )
        pairs = m.Dataset.tags.through
        save(
            pairs,
            (
                pairs(dataset_id=one.pk, tag_id=self.tag.pk)
                for one in datasets
                if one.session_id in released
            ),
        )

    @staticmethod
    def has_probe(place: int) -> bool:
        """Whether a session has spikes: a quarter of them, evenly over labs and subjects."""
        return place % 4 == 3

    def _insertions(self) -> None:
        m = self.models
        kind = m.ProbeModel.objects.get_or_create(
            probe_model="3B2", defaults={"name": "Neuropixel 3B2"}
        )[0]
        system = m.CoordinateSystem.objects.get_or_create(name="IBL-Allen")[0]
        regions = dict(
            m.BrainRegion.objects.filter(acronym__in=(*THALAMUS, *ELSEWHERE)).values_list(
                "acronym", "pk"
            )
        )
        thalamus = [regions[name] for name in THALAMUS]
        elsewhere = [regions[name] for name in ELSEWHERE]
        ephys = [one for place, one in enumerate(self.sessions) if self.has_probe(place)]
        probes: list[Any] = []
        for place in range(self.n_insertions):
            session = ephys[place % len(ephys)]
            probes.append(
                m.ProbeInsertion(
                    id=self.id(),
                    session=session,
                    model=kind,
                    name=f"probe{place // len(ephys):02d}",
                    serial=f"1919{place:06d}",
                    json={"qc": "PASS", "n_units": 400 + place, "extended_qc": {"tracing": True}},
                )
            )
        save(m.ProbeInsertion, probes)
        pairs = m.ProbeInsertion.datasets.through
        save(
            pairs,
            (
                pairs(probeinsertion_id=one.pk, dataset_id=key)
                for one in probes
                if one.name == "probe00"
                for key in self.of_probe[one.session_id]
            ),
        )
        tracks = [
            m.TrajectoryEstimate(
                id=self.id(),
                probe_insertion=one,
                provenance=provenance,
                coordinate_system=system,
                x=-2243.0,
                y=-2000.0 - place,
                z=-100.0,
                depth=4000.0,
                theta=15.0,
                phi=180.0,
                roll=0.0,
            )
            for place, one in enumerate(probes)
            for provenance in (70, 10)
        ]
        save(m.TrajectoryEstimate, tracks)
        aligned = [track for track in tracks if track.provenance == 70]
        within: dict[Any, list[int]] = {}
        for place, track in enumerate(aligned):
            # 256 of 750, evenly
            inside = place * 256 // 750 != (place + 1) * 256 // 750
            known = [elsewhere[place % 8], elsewhere[(place + 3) % 8]]
            within[track.pk] = known + ([thalamus[place % 7]] if inside else [])
        save(m.Channel, self._channels(aligned, within))
        save(
            m.InsertionRegion,
            (
                m.InsertionRegion(
                    insertion_id=track.probe_insertion_id,
                    region_id=region,
                    n_channels=self.n_channels // len(within[track.pk]),
                )
                for track in aligned
                for region in within[track.pk]
            ),
        )

    def _channels(self, tracks: list[Any], within: dict[Any, list[int]]) -> Iterator[Any]:
        for track in tracks:
            known = within[track.pk]
            for place in range(self.n_channels):
                yield self.models.Channel(
                    id=self.id(),
                    trajectory_estimate=track,
                    brain_region_id=known[place * len(known) // self.n_channels],
                    axial=20.0 * (place // 2 + 1),
                    lateral=43.0 if place % 2 else 11.0,
                    x=-2243.0,
                    y=-2001.0 - place,
                    z=-100.0 - 10 * place,
                )


def save(model: Any, rows: Iterable[Any], size: int = 5000) -> None:
    """Insert rows, a part at a time."""
    rows = iter(rows)
    while part := list(islice(rows, size)):
        model.objects.bulk_create(part, batch_size=500)


def main() -> None:
    """Make a hub in a folder and fill it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--sessions", type=int, default=2000)
    parser.add_argument("--insertions", type=int, default=750)
    parser.add_argument("--datasets", type=int, default=30, help="of each session")
    parser.add_argument("--state")
    parser.add_argument("--database")
    given = parser.parse_args()

    from fascicle.hub.config import load_config
    from fascicle.hub.setup import first_start, migrate

    more = {key: getattr(given, key) for key in ("state", "database") if getattr(given, key)}
    config = load_config(given.folder, **more)
    migrate(config)
    first = first_start(config)
    began = time.perf_counter()
    url = f"{config.data_url}/"
    made = fill(given.sessions, given.insertions, data_url=url, datasets=given.datasets)
    print(made, f"{time.perf_counter() - began:.1f} s")
    if first.password:
        print(f"{first.user} {first.password}")


if __name__ == "__main__":
    main()
