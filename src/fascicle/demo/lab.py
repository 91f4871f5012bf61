"""Make the whole synthetic lab, and note beside it what a folder of files cannot hold."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

from fascicle.demo import roster
from fascicle.demo.roster import DemoError, SessionPlan, Size, get_size, plan_lab

DESCRIPTION = "_fascicle_lab.json"

_README = """\
A synthetic laboratory, made by fascicle: no animal was recorded.

Files follow the ALF convention (lab/Subjects/subject/date/number/collection/object.attribute.ext).
What file names cannot hold (users, projects, task protocols, tags, quality) is in {name}.
Size {size}, seed {seed}: the same two give the same bytes.
"""


# Types of 2018 that are not named after object and attribute: dataset path with wildcards → type.
_OLD_TYPES = {
    "alf/_ibl_lickPiezo.raw.*": "_ibl_lickPiezo.raw",
    "alf/_ibl_lickPiezo.timestamps.*": "_ibl_lickPiezo.timestamps",
    "alf/_ibl_wheel.position.*": "_ibl_wheel.position",
    "alf/rigNotes.*": "unknown",
}


def make_lab(
    folder: Path | str,
    *,
    size: str | Size = "small",
    seed: int = 0,
    progress: bool = False,
    sessions: Sequence[SessionPlan] | None = None,
) -> Path:
    """Make a realistic synthetic lab in a folder.

    Twelve mice in four labs: a mouse that learns the task over many days, Neuropixels sessions
    with two probes through named regions of the Allen atlas and neurons that respond to what the
    mouse sees and does, wheel, licks, video, pose, pupil, a passive protocol, a microphone, a
    short raw recording, and a session with the file types of 2018. Sessions that exist already
    are overwritten file by file; nothing is deleted.

    Parameters
    ----------
    folder : path-like
        Where; made if it is missing.
    size : {'tiny', 'small', 'medium', 'large'} or Size
        ``tiny`` is for tests (seconds), ``small`` for a first look.
    seed : int
        From 0 on. The same size and seed give the same bytes.
    progress : bool
        Show a progress bar on standard error.
    sessions : sequence of SessionPlan, optional
        Other sessions than those of `plan_lab`.

    Returns
    -------
    pathlib.Path
        The folder, with `README.txt` and the lab's description (see `describe`) in it. It is
        not indexed.

    Raises
    ------
    DemoError
        If there is no such size, ``seed`` is no whole number from 0 on, or the folder holds
        anything that `make_lab` did not make.

    Examples
    --------
    >>> from fascicle.demo import make_lab
    >>> make_lab("demo-lab", size="tiny")  # doctest: +SKIP
    PosixPath('demo-lab')
    """
    from tqdm import tqdm

    from fascicle.demo.session import make_session

    size = get_size(size)
    if isinstance(seed, bool) or not isinstance(seed, Integral) or int(seed) < 0:
        raise DemoError(f"{seed!r} is no seed", hint="a seed is a whole number from 0 on")
    seed = int(seed)
    root = Path(folder).expanduser()
    plans = plan_lab(size) if sessions is None else list(sessions)
    text = json.dumps(describe(plans, size=size.name, seed=seed), indent=1, ensure_ascii=False)
    note = _README.format(name=DESCRIPTION, size=size.name, seed=seed)
    _claim(root)
    (root / DESCRIPTION).write_text(text + "\n", encoding="utf-8")
    (root / "README.txt").write_text(note, encoding="utf-8")
    for plan in tqdm(plans, desc="sessions", unit="session", disable=not progress):
        make_session(root, plan, size=size, seed=seed)
    return root


def _claim(root: Path) -> None:
    """Make the folder; refuse one that holds what is not ours, lest invented data mix with real."""
    root.mkdir(parents=True, exist_ok=True)
    if not (root / DESCRIPTION).exists() and any(root.iterdir()):
        raise roster.DemoError(
            f"{root} holds other things: invented recordings do not go among them",
            hint="name a new folder for the demo",
        )


def describe(plans: Sequence[SessionPlan], *, size: str = "", seed: int = 0) -> dict[str, Any]:
    """Return what a database would know of the lab and its folder cannot hold, as plain data.

    Parameters
    ----------
    plans : sequence of SessionPlan
        The sessions.
    size, seed : str, int
        How the lab was made.

    Returns
    -------
    dict
        ``format`` (``"fascicle-lab"``), ``version`` (1), ``synthetic`` (True), ``size``,
        ``seed``; ``labs``, ``users``, ``projects``, ``tags`` and ``subjects``, each a list of
        records with a ``name`` (``username``, ``nickname``) as in an Alyx database; and
        ``sessions``, one record each: ``session`` (its folder relative to the root),
        ``task_protocol``, ``projects``, ``users``, ``procedures``, ``location``, ``start_time``,
        ``narrative``, ``tags`` (of all its datasets), ``qc`` (dataset path with wildcards →
        category), ``default_revisions`` (where it is not the newest: path → revision),
        ``dataset_types`` (where they are not named after object and attribute: path with
        wildcards → type), ``id`` (where the session has a given one) and ``probes`` (``name``,
        ``model``, ``serial``, ``trajectory``).
    """
    from fascicle.demo.session import serial_of, trajectory_of

    records = [
        {
            "session": plan.path,
            **({"id": plan.id} if plan.id else {}),
            **({"dataset_types": dict(_OLD_TYPES)} if plan.kind == "legacy" else {}),
            "task_protocol": plan.task_protocol,
            "projects": list(plan.projects),
            "users": list(plan.users),
            "procedures": list(plan.procedures),
            "location": plan.location or f"_iblrig_{plan.lab}_rig_0",
            "start_time": f"{plan.date:%Y-%m-%d}T{9 + plan.number:02d}:02:11",
            "narrative": plan.notes,
            "tags": list(plan.tags),
            "qc": dict(plan.qc),
            "default_revisions": dict(plan.default_revisions),
            "probes": [
                {
                    "name": probe.name,
                    "model": probe.model,
                    "serial": serial_of(plan, probe),
                    "trajectory": trajectory_of(probe),
                }
                for probe in plan.probes
            ],
        }
        for plan in plans
    ]
    return {
        "format": "fascicle-lab",
        "version": 1,
        "synthetic": True,
        "size": size,
        "seed": seed,
        "labs": [{"name": name, **more} for name, more in roster.LABS.items()],
        "users": [{"username": name} for name in sorted(set(roster.USERS.values()))],
        "projects": [{"name": p} for p in sorted({p for plan in plans for p in plan.projects})],
        "tags": [
            {"name": name, "description": text, "public": True}
            for name, text in roster.TAGS.items()
        ],
        "subjects": [
            _subject(name, lab) for name, lab in sorted({(p.subject, p.lab) for p in plans})
        ],
        "sessions": records,
    }


def _subject(name: str, lab: str) -> dict[str, Any]:
    _, sex, born = roster.SUBJECTS.get(name, (lab, "F", "2019-01-15"))
    return {
        "nickname": name,
        "lab": lab,
        "sex": sex,
        "birth_date": dt.date.fromisoformat(born).isoformat(),
        "species": "Mus musculus",
        "strain": "C57BL/6J",
        "reference_weight": 21.5 if sex == "F" else 25.5,
    }


def read_description(folder: Path | str) -> dict[str, Any]:
    """Return the description that lies in a lab's folder, see `describe`.

    Raises
    ------
    DemoError
        If there is none, or it is of a later version than this fascicle knows.
    """
    path = Path(folder).expanduser() / DESCRIPTION
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise roster.DemoError(
            f"{path.parent} has no {DESCRIPTION}: it was not made by fascicle.demo",
            hint="make_lab(folder) makes one",
        ) from None
    if record.get("format") != "fascicle-lab" or record.get("version", 0) > 1:
        raise roster.DemoError(f"{path} is of a kind that this version of fascicle does not know")
    return record
