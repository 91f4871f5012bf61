"""Who was recorded when, and what each session holds: the plan of the synthetic lab.

Plain data, made without numpy: the files are written later, session by session, from these
plans alone. Names and dates follow the public tutorials, so that they run on the demo.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from fascicle.errors import FascicleError, nearest

Kind = Literal["training", "biased", "ephys", "legacy"]

BRAINWIDE = "ibl_neuropixel_brainwide_01"
BEHAVIOUR = "ibl_behaviour"
REPEATED_SITE = "2022_Q2_IBL_et_al_RepeatedSite"
BRAINWIDE_TAG = "2022_Q4_IBL_et_al_BWM"
BEHAVIOUR_TAG = "2021_Q1_IBL_et_al_Behaviour"
SORTING_TAG = "2024_Q2_IBL_et_al_BWM_iblsort"

TUTORIAL_EID = "cf264653-2deb-44cb-aa84-89b82507028a"  # which the oldest tutorial types in full

EVERYTHING = frozenset(
    {"wheel", "licks", "pose", "pupil", "motion", "passive", "audio", "video", "raw"}
)


class DemoError(FascicleError, ValueError):
    """The synthetic lab was asked for something that it does not have."""

    kind = "demo"


@dataclass(frozen=True, slots=True)
class Size:
    """How large a synthetic lab is.

    Attributes
    ----------
    name : str
        ``tiny`` (17 sessions, 30 MB), ``small`` (113 sessions, 0.3 GB), ``medium`` (325 sessions,
        3 GB) or ``large`` (2145 sessions, 10 GB).
    training_sessions : int
        Behaviour sessions of subject NYU-01.
    trials : int
        Trials per session, about.
    units : int
        Sorted units per probe; the session that figures are made of has ``best_units``.
    best_units : int
        Units per probe of the best session.
    recordings : int or None
        How many of the Neuropixels sessions of the roster there are; None for all.
    more_recordings, more_behaviour : int
        Sessions beyond the roster, in subjects beyond the roster.
    frame_rate : float
        Frames per second of the left camera; the right camera has twice, the body camera half.
    raw_seconds : float
        Length of the raw recording, in seconds.
    passive_seconds : float
        Length of each part of the passive protocol, in seconds.
    video_frames : int
        Frames of the video.
    """

    name: str
    training_sessions: int
    trials: int
    units: int
    best_units: int
    recordings: int | None = None
    more_recordings: int = 0
    more_behaviour: int = 0
    frame_rate: float = 30.0
    raw_seconds: float = 2.0
    passive_seconds: float = 60.0
    video_frames: int = 60


SIZES: Mapping[str, Size] = MappingProxyType(
    {
        size.name: size
        for size in (
            Size("tiny", 6, 90, 24, 60, 4, 0, 0, 10.0, 0.1, 12.0, 8),
            Size("small", 98, 420, 28, 110),
            Size("medium", 98, 600, 80, 300, None, 12, 200, 60.0, 4.0, 120.0, 120),
            Size("large", 98, 800, 120, 400, None, 32, 2000, 60.0, 10.0, 300.0, 300),
        )
    }
)


def get_size(size: str | Size) -> Size:
    """Return the size of that name.

    Parameters
    ----------
    size : str or Size
        A name among `SIZES`, or a size of your own, returned as it is.

    Raises
    ------
    DemoError
        If there is no size of that name.
    """
    if isinstance(size, Size):
        return size
    if size not in SIZES:
        raise DemoError(
            f"there is no demo of size {size!r}",
            hint=nearest(str(size), SIZES) or f"sizes are {', '.join(SIZES)}",
        )
    return SIZES[size]


@dataclass(frozen=True, slots=True)
class ProbePlan:
    """One probe of a session: its name, the track that it follows, and how it was sorted."""

    name: str
    track: str
    model: str = "3B2"
    serial: str = ""
    revised: bool = True
    """Whether a second sorting lies in ``#2024-05-06#``."""
    signed: bool = False
    """Whether region ids of the left hemisphere are negative."""
    traced: bool = False
    """Whether ``electrodeSites.*`` (the traced track) lie beside the sorter's channels."""


@dataclass(frozen=True, slots=True)
class SessionPlan:
    """Everything that decides what a synthetic session holds.

    Attributes
    ----------
    lab, subject, date, number : str, str, datetime.date, int
        The key of the session.
    kind : {'training', 'biased', 'ephys', 'legacy'}
        Behaviour alone in its two stages, Neuropixels, or the file types of 2018.
    task_protocol, projects, users, tags, location, procedures, notes
        What a database says of the session and a folder cannot.
    probes : tuple of ProbePlan
        The probes of an ``ephys`` session.
    extras : frozenset of str
        Which other kinds of data there are, see `EVERYTHING`.
    trials, units : int
        How many trials, and units per probe.
    skill : float
        From 0 (knows nothing) to 1 (an expert).
    qc : mapping of str to str
        Quality by dataset path (globs), e.g. ``{"alf/licks.*": "FAIL"}``.
    default_revisions : mapping of str to str
        Where the default revision is not the newest: dataset path without revision → revision.
    id : str
        The session's id, where it must have a certain one; empty otherwise.
    """

    lab: str
    subject: str
    date: dt.date
    number: int = 1
    kind: Kind = "biased"
    task_protocol: str = ""
    projects: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    location: str = ""
    procedures: tuple[str, ...] = ("Behavior training/tasks",)
    notes: str = ""
    probes: tuple[ProbePlan, ...] = ()
    extras: frozenset[str] = frozenset()
    trials: int = 450
    units: int = 40
    skill: float = 1.0
    qc: Mapping[str, str] = field(default_factory=dict)
    default_revisions: Mapping[str, str] = field(default_factory=dict)
    id: str = ""

    @property
    def path(self) -> str:
        """The session's folder relative to the root: ``lab/Subjects/subject/date/number``."""
        return f"{self.lab}/Subjects/{self.subject}/{self.date:%Y-%m-%d}/{self.number:03d}"


# -- people, animals and papers -------------------------------------------------------------------

LABS: Mapping[str, Mapping[str, str]] = {
    "zadorlab": {"institution": "Cold Spring Harbor Laboratory", "timezone": "America/New_York"},
    "mrsicflogellab": {"institution": "University College London", "timezone": "Europe/London"},
    "churchlandlab_ucla": {
        "institution": "University of California, Los Angeles",
        "timezone": "America/Los_Angeles",
    },
    "angelakilab": {"institution": "New York University", "timezone": "America/New_York"},
}

USERS: Mapping[str, str] = {
    "zadorlab": "valeria",
    "mrsicflogellab": "karolina",
    "churchlandlab_ucla": "maxwell",
    "angelakilab": "fanny",
    "": "olivier",
    "test": "test_user",
}

TAGS: Mapping[str, str] = {
    BEHAVIOUR_TAG: "https://doi.org/10.7554/eLife.63711",
    REPEATED_SITE: "https://doi.org/10.1101/2022.05.09.491042",
    BRAINWIDE_TAG: "https://doi.org/10.6084/m9.figshare.21400815",
    SORTING_TAG: "Spike sorting output of a later sorter, revision 2024-05-06",
}

SUBJECTS: Mapping[str, tuple[str, str, str]] = {  # lab, sex, day of birth
    "CSH_ZAD_003": ("zadorlab", "F", "2019-03-25"),
    "CSH_ZAD_019": ("zadorlab", "M", "2020-01-20"),
    "CSH_ZAD_026": ("zadorlab", "M", "2020-02-14"),
    "SWC_038": ("mrsicflogellab", "F", "2019-11-13"),
    "SWC_054": ("mrsicflogellab", "F", "2020-02-27"),
    "clns0730": ("mrsicflogellab", "M", "2018-03-06"),
    "flowers": ("mrsicflogellab", "F", "2018-02-11"),
    "MFD_09": ("churchlandlab_ucla", "M", "2023-03-14"),
    "UCLA037": ("churchlandlab_ucla", "F", "2021-07-06"),
    "NYU-01": ("angelakilab", "F", "2018-11-20"),
    "NYU-12": ("angelakilab", "M", "2019-06-24"),
    "NYU-37": ("angelakilab", "M", "2020-05-29"),
}

_EPHYS = "_iblrig_tasks_ephysChoiceWorld"
_IMPLANT = ("Ephys recording with acute probe(s)", "Behavior training/tasks")


def _recordings() -> list[SessionPlan]:
    """Return the Neuropixels sessions of the roster, those that every size has first."""

    def recording(
        subject: str, day: str, rig: str, first: str, second: str, extras: set[str], **more: Any
    ) -> SessionPlan:
        probes = [ProbePlan("probe00", first), ProbePlan("probe01", second)]
        changes = more.pop("probes", {})
        probes = [replace(p, **changes.get(p.name, {})) for p in probes if p.track]
        plan = SessionPlan(
            lab=SUBJECTS[subject][0],
            subject=subject,
            date=dt.date.fromisoformat(day),
            kind="ephys",
            task_protocol=_EPHYS + rig,
            projects=(BRAINWIDE,),
            users=(USERS[SUBJECTS[subject][0]],),
            tags=(BRAINWIDE_TAG,),
            procedures=_IMPLANT,
            probes=tuple(probes),
            extras=frozenset(extras | {"wheel"}),
        )
        return replace(plan, **more)

    sited = (REPEATED_SITE, BRAINWIDE_TAG)
    seen = {"licks", "pose", "pupil", "motion"}
    return [
        recording(
            "MFD_09", "2023-10-19", "8.9.0", "visual", "midline", set(EVERYTHING),
            probes={"probe00": {"serial": "19051010091"}, "probe01": {"serial": "19051010082"}},
        ),
        recording(
            "SWC_038", "2020-07-30", "6.4.2", "repeated-site", "frontal", seen | {"passive"},
            tags=sited,
            qc={"alf/_ibl_bodyCamera.times.npy": "CRITICAL", "alf/licks.*": "PASS"},
        ),
        recording(
            "NYU-37", "2021-02-04", "6.5.3", "midline", "barrel", seen | {"audio"},
            probes={"probe01": {"signed": True, "revised": False}},
            qc={"alf/_ibl_leftCamera.*": "WARNING", "alf/licks.times.npy": "FAIL"},
        ),
        recording(
            "NYU-12", "2020-01-22", "6.2.5", "repeated-site", "", {"licks", "motion"},
            tags=sited, probes={"probe00": {"revised": False, "model": "3A"}},
        ),
        recording(
            "UCLA037", "2022-02-02", "6.4.2", "repeated-site", "striatum", seen | {"passive"},
            tags=sited, probes={"probe00": {"traced": True}},
            projects=("churchland_learninglifespan", BRAINWIDE),
        ),
        recording(
            "CSH_ZAD_026", "2020-09-04", "6.4.2", "repeated-site", "colliculus", seen,
            tags=sited,
        ),
        recording(
            "CSH_ZAD_019", "2020-08-14", "6.4.2", "striatum", "barrel", {"licks", "audio"},
            default_revisions={"alf/licks.times.npy": ""},
        ),
        recording(
            "SWC_054", "2020-10-10", "6.4.2", "visual", "colliculus", {"passive", "motion"},
            projects=("mrsicflogel_visual_thalamus",), tags=(),
        ),
    ]  # fmt: skip


def _behaviour(size: Size) -> list[SessionPlan]:
    """Return the behaviour sessions: a mouse that learns, and single days of others."""

    def session(subject: str, day: dt.date, skill: float, **more: Any) -> SessionPlan:
        biased = skill > 0.7
        plan = SessionPlan(
            lab=SUBJECTS[subject][0],
            subject=subject,
            date=day,
            kind="biased" if biased else "training",
            task_protocol=f"_iblrig_tasks_{'biased' if biased else 'training'}ChoiceWorld6.1.3",
            projects=(BEHAVIOUR,),
            users=(USERS[SUBJECTS[subject][0]],),
            tags=(BEHAVIOUR_TAG,),
            trials=max(60, int(size.trials * (0.55 + 0.5 * skill))),
            skill=skill,
        )
        return replace(plan, **more)

    plans = []
    day, number = dt.date(2019, 2, 25), size.training_sessions
    for n in range(number):
        skill = (n + 1) / number if number < 20 else min(1.0, (n + 1) / 40)
        plans.append(session("NYU-01", day, skill))
        day += dt.timedelta(days=3 if day.weekday() == 4 else 1)
    # A second session on one day: numbers above 1 exist.
    if number > 1:
        plans[-1] = replace(plans[-1], date=plans[-2].date, number=2, trials=60)
    august = dt.date(2019, 8, 11)
    for n in range(3):
        plans.append(session("CSH_ZAD_003", august + dt.timedelta(days=n), 0.6 + 0.2 * n))
    flowers = {"users": ("olivier",), "tags": (), "extras": frozenset({"wheel"})}
    plans.append(session("flowers", dt.date(2018, 7, 13), 0.5, **flowers))
    plans.append(session("flowers", dt.date(2018, 9, 3), 0.8, **flowers))
    plans.append(
        session(
            "MFD_09", dt.date(2023, 10, 20), 1.0, projects=(BRAINWIDE,), tags=(),
            task_protocol="_iblrig_tasks_biasedChoiceWorld8.9.0",
            extras=frozenset({"wheel", "licks", "pose", "motion", "tables"}),
        )
    )  # fmt: skip
    plans.append(
        SessionPlan(
            "mrsicflogellab", "clns0730", dt.date(2018, 8, 24), 1, "legacy",
            task_protocol="SparseNoise", projects=("karolina_opto",), trials=0,
            users=("olivier", "test_user"), id=TUTORIAL_EID,
            notes="File types as they were in 2018.",
        )
    )  # fmt: skip
    return plans


def _more(size: Size, recordings: list[SessionPlan]) -> list[SessionPlan]:
    """Return sessions beyond the roster, by repeating it with new animals and days."""
    plans = []
    for n in range(size.more_recordings):
        like = recordings[n % len(recordings)]
        extras = like.extras - {"raw", "video"}
        day = dt.date(2021, 1, 12) + dt.timedelta(days=5 * n)
        plans.append(
            replace(like, subject=f"DEMO_{n // 4:03d}", date=day, extras=extras, tags=(), qc={})
        )
    for n in range(size.more_behaviour):
        animal, step = divmod(n, 50)
        stage: Kind = "biased" if step > 30 else "training"
        plans.append(
            SessionPlan(
                lab=list(LABS)[animal % len(LABS)],
                subject=f"DEMO_B{animal:02d}",
                date=dt.date(2019, 9, 2) + dt.timedelta(days=step + 3 * animal),
                kind=stage,
                task_protocol=f"_iblrig_tasks_{stage}ChoiceWorld6.2.5",
                projects=(BEHAVIOUR,),
                trials=size.trials,
                skill=min(1.0, (step + 5) / 40),
            )
        )
    return plans


def plan_lab(size: str | Size = "small") -> list[SessionPlan]:
    """Return the plans of all sessions of a lab, by lab, subject, date and number.

    Parameters
    ----------
    size : str or Size
        How large the lab is.

    Returns
    -------
    list of SessionPlan
        The same for the same size: chance plays no part here.
    """
    size = get_size(size)
    recordings = [
        replace(plan, trials=size.trials, units=size.best_units if n == 0 else size.units)
        for n, plan in enumerate(_recordings()[: size.recordings])
    ]
    plans = [*recordings, *_behaviour(size), *_more(size, recordings)]
    return sorted(plans, key=lambda p: (p.lab, p.subject, p.date, p.number))
