"""The sessions of other labs that tests have, as one folder whose facts NWB can do with."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import fascicle

#: Where what lies about without a session goes.
_LOOSE = {
    "alf_derived/ibllib_ephys_snippet/alf": "ibllib/Subjects/snippet/2020-01-01/001/alf",
    "alf_derived/ibllib_wheel/alf": "ibllib/Subjects/wheel/2020-01-02/001/alf",
    "alf_original/loose": "ibllib/Subjects/loose/2020-01-03/001/alf",
    "alf_original/slidingRP_unit": "ibllib/Subjects/unit/2020-01-04/001/alf/probe00",
    "alf_original/iblrig_rig_test/test_mouse": "ibllib/Subjects/test_mouse",
}
_LABS = (
    "alf_md5_exact",
    "alf_original/ibl_photometry",
    "alf_derived/a2929_head_direction",
    "alf_derived/ibllib_training_subject",
)
SAID = """\
session:
  session_description: A session for tests
  start_time: "{date}T11:30:00"
  timezone: Europe/London
subject:
  species: Mus musculus
  sex: U
  age: P20W
"""


#: A mouse of which there are ten sessions of one kind: two will do where it has to be quick.
_ALIKE = "ibllib_fixture_mouse"


def some_of(sessions: Iterable[str]) -> list[str]:
    """Return the paths of sessions without those that are as others are."""
    ordered = sorted(sessions)
    alike = [path for path in ordered if _ALIKE in path]
    return [path for path in ordered if path not in alike[1:-1]]


def real_lab(shared: Path, folder: Path, *, every: bool = True) -> Path:
    """Put the real sessions, or `some_of` them, into one folder, and index it.

    Each has a ``session.yaml``.
    """
    data = shared / "data"
    for place in _LABS:
        for lab in sorted((data / place).iterdir()):
            if lab.is_dir():
                _copy(lab, folder / lab.name)
    for place, target in _LOOSE.items():
        _copy(data / place, folder / target)
    sessions = sorted(folder.glob("*/Subjects/*/*/*"))
    if not every:
        kept = some_of(map(str, sessions))
        for session in sessions:
            if str(session) not in kept and session.is_dir():
                shutil.rmtree(session)
        sessions = [session for session in sessions if str(session) in kept]
    for session in sessions:
        said = SAID.format(date=session.parent.name)
        (session / "session.yaml").write_text(said, encoding="utf-8")
    fascicle.index(folder)
    return folder


def _copy(source: Path, target: Path) -> None:
    for file in sorted(source.rglob("*")):
        if file.is_file() and file.name not in ("SOURCE.txt", "manifest.csv"):
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
