"""How sessions are called: ids, paths and references, each led to a row of a catalogue."""

from __future__ import annotations

import re
from datetime import date as Date
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from fascicle.alf import spec
from fascicle.catalogue import identity
from fascicle.errors import SessionNotFound, nearest

if TYPE_CHECKING:
    from fascicle.catalogue import Catalogue

_REFERENCE = re.compile(r"(\d{4}-\d\d-\d\d)_(\d{1,3})_(.+)")


def row_of(
    cat: Catalogue, session: str | UUID | Path, *, archive: str, root: str, more: str = ""
) -> int:
    """Return the row of a session.

    Parameters
    ----------
    cat : Catalogue
    session : str, uuid.UUID or path
        Its eid, the id that a release gives it, its path (absolute, or relative to the root), or
        ``2019-08-11_1_subject``.
    archive : str
        What messages call the archive.
    root : str
        The folder that paths are relative to.
    more : str, optional
        What to try where the session is not known.

    Raises
    ------
    SessionNotFound
        If there is none.
    """
    text = str(session).replace("\\", "/").rstrip("/")
    row: int | None = None
    subject = ""
    if isinstance(session, UUID) or spec.is_uuid_string(text):
        row = cat.row(session if isinstance(session, UUID) else text)
    elif (row := _by_native_id(cat, text)) is not None:
        return row
    elif found := _REFERENCE.fullmatch(text):
        date, number, subject = found.groups()
        row = cat.row_of(None, subject, _date(date, text), int(number))
    else:
        text = text.removeprefix(Path(root).as_posix()).lstrip("/")
        parts = spec.parse_session(text)
        if parts is None and text.isdecimal() and cat.meta.get("native_ids"):
            raise SessionNotFound(
                f"{archive} has no session {text}",
                hint=f"the column native_id of fascicle.find(…) has the ids of its sessions{more}",
            )
        if parts is None:
            raise SessionNotFound(
                f"{str(session)!r} is neither an eid nor a path nor a reference of a session",
                hint='type an eid, "lab/Subjects/subject/2020-01-31/001" or "2020-01-31_1_subject"',
            )
        subject = parts.subject
        row = cat.row_of(parts.lab or None, subject, _date(parts.date, text), int(parts.number))
    if row is None:
        subjects = cat.values("subject") if subject else {}
        hint = nearest(subject, subjects) if subject not in subjects else ""
        raise SessionNotFound(
            f"{archive} has no session {str(session)!r}",
            hint=hint or f"fascicle.find(…) lists sessions{more}",
        )
    return row


def _by_native_id(cat: Catalogue, text: str) -> int | None:
    """Return the row of a session by the id that its release gives it, or that of a part of it."""
    known = cat.meta.get("native_ids")
    if not known or not text:
        return None
    native = cat.meta.get("aliases", {}).get(text, text)
    for project in cat.values("projects"):
        row = cat.row(identity.native_session_id(project, native))
        if row is not None:
            return row
    return None


def _date(text: str, session: str) -> Date:
    try:
        return Date.fromisoformat(text)
    except ValueError as error:
        raise SessionNotFound(f"{session!r} has no valid date: {error}") from error
