"""What a row of the catalogue holds, and how its flags are packed into one byte."""

from __future__ import annotations

from datetime import date as Date
from typing import Any, NamedTuple
from uuid import UUID

#: Raised when the layout of our files changes: older ones are then made again from the tables.
FORMAT = 5
#: Our own folder beside the tables; never part of a listing or of a release.
HIDDEN = ".fascicle"

#: Quality control, best first: the code that is stored, its name and its value on an Alyx.
QC_NAMES = ("NOT_SET", "PASS", "WARNING", "FAIL", "CRITICAL")
QC_VALUES = (0, 10, 30, 40, 50)
QC_CODE: dict[str | int, int] = {
    **dict(zip(QC_NAMES, range(5), strict=True)),
    **dict(zip(QC_VALUES, range(5), strict=True)),
}

# One byte per dataset. The low five bits make its class (what queries look at).
EXISTS = 1
QC_SHIFT = 1
QC_MASK = 0b1110
DEFAULT = 1 << 4
CLASS_MASK = 0b11111
HAS_HASH = 1 << 5  # the packed record holds an md5
ODD_HASH = 1 << 6  # the hash is some other text, kept in a table of its own
EXISTS_AWS = 1 << 7

#: One packed record per dataset: id (16 bytes), md5 (16 bytes), size (int64, -1 where unknown).
RECORD = 40
#: One record per dataset of what the disk said: mtime_ns, ctime_ns, inode (3 x int64; 0: unseen).
STAT_RECORD = 24

SESSION_COLUMNS = ("lab", "subject", "number", "task_protocol", "projects")


def classes(qc_lte: int = 3, *, exists: bool | None = True, default: bool | None = None) -> int:
    """Return, as a bit mask over the 32 classes, those with QC up to a code.

    Parameters
    ----------
    qc_lte : int
        Highest QC code (0 to 4) that is wanted.
    exists, default : bool or None
        Wanted value of that flag; None for either.
    """
    mask = 0
    for c in range(32):
        if (c & QC_MASK) >> QC_SHIFT > qc_lte:
            continue
        if exists is not None and bool(c & EXISTS) is not exists:
            continue
        if default is not None and bool(c & DEFAULT) is not default:
            continue
        mask |= 1 << c
    return mask


class Session(NamedTuple):
    """One session.

    Attributes
    ----------
    eid : uuid.UUID
    lab, subject : str
        ``lab`` is empty where the folders name none.
    date : datetime.date
    number : int
    task_protocol, projects : str
        ``projects`` is a comma-separated list.
    path : str
        The session's folder relative to the catalogue's root, with forward slashes.
    """

    eid: UUID
    lab: str
    subject: str
    date: Date
    number: int
    task_protocol: str
    projects: str
    path: str


class Insertion(NamedTuple):
    """One probe insertion.

    Attributes
    ----------
    pid : uuid.UUID
    row : int
        Row of its session in the catalogue.
    name, model, serial : str
    extra : dict
        Whatever else the table that it came from said of it.
    """

    pid: UUID
    row: int
    name: str
    model: str
    serial: str
    extra: dict[str, Any]


def session_folder(lab: str, subject: str, date: Date, number: int) -> str:
    """Return the folder that the convention gives a session, relative to the root."""
    place = f"{subject}/{date.isoformat()}/{number:03d}"
    return f"{lab}/Subjects/{place}" if lab else place
