"""Check that a file lies and is called as DANDI wants it."""

from __future__ import annotations

import re
from pathlib import Path

from fascicle.nwb.checking.results import Check, Finding

#: What a part of a name may have: DANDI wants ``_`` and ``.`` for itself, and file systems more.
_LABEL = r"[^_*\\/<>:|\"'?%@;.]+"
#: ``sub-S_ses-E_desc-D_behavior+ecephys.nwb``.
_NAME = re.compile(
    rf"sub-(?P<subject>{_LABEL})(_ses-(?P<session>{_LABEL}))?"
    rf"(_(tis|slice|cell|desc|probe|obj)-{_LABEL})*"
    r"(_(?P<modalities>[a-z]+(\+[a-z]+)*))?\.nwb"
)
#: What stands in a name for the characters that it may not have.
_UNFIT = re.compile(r"[_*\\/<>:|\"'?%@;.\s]+")


def check_layout(file: Path, *, target: Path) -> Check:
    """Check the name and the folder of a file against its subject and session.

    Parameters
    ----------
    file : pathlib.Path
        As it lies now.
    target : pathlib.Path
        Where it is going to be.

    Returns
    -------
    Check
        What is wrong with a name that begins as DANDI's do is a finding of the level
        ``violation``. A name that somebody chose otherwise is a ``suggestion``.
    """
    subject, session = _says(file)
    found = _NAME.fullmatch(target.name)
    check = Check("layout", checked=3, said="name and folder as DANDI has them")
    level = "violation" if target.name.startswith("sub-") else "suggestion"

    def say(text: str) -> None:
        check.findings.append(Finding(level, target.name, text))

    if not subject:
        check.findings.append(Finding("violation", target.name, "the file names no subject"))
    if found is None:
        say("DANDI takes names such as sub-SUBJECT_ses-SESSION_behavior+ecephys.nwb")
        return check
    if subject and _plain(found["subject"]) != _plain(subject):
        say(f"the name says the subject {found['subject']}, and the file {subject}")
    if found["session"] and session and _plain(found["session"]) != _plain(session):
        say(f"the name says the session {found['session']}, and the file {session}")
    if target.parent.name != f"sub-{found['subject']}":
        say(f"DANDI wants it in a folder sub-{found['subject']}")
    return check


def _says(file: Path) -> tuple[str, str]:
    """Return what a file says is its subject and its session."""
    from fascicle.formats.nwb import NwbFile

    with NwbFile(file) as opened:
        subject, session = (
            str(opened.value(path, "") or "")
            for path in ("general/subject/subject_id", "general/session_id")
        )
    return subject, session


def _plain(text: str) -> str:
    """Return a label without what names may not have."""
    return _UNFIT.sub("-", text).strip("-")
