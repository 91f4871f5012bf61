"""Names that become parts of paths, here and on the machine of everybody who fetches files."""

from __future__ import annotations

import re
from typing import Any

from fascicle.hub.models import Dataset, Lab, Revision, Subject
from fascicle.hub.rest.answers import Refused

#: Names that are parts of paths, on every machine to which the files come.
_PARTS: dict[type, str] = {Lab: "name", Subject: "nickname", Revision: "name", Dataset: "name"}
_DRIVE = re.compile(r"[A-Za-z]:")


def check_names(change: Any) -> None:
    """Look at the names that a change gives.

    Parameters
    ----------
    change : fascicle.hub.rest.writing.Change
        The change; its row has the new values. Names that stay are not looked at.

    Raises
    ------
    Refused
        If one would lead clients out of their folders, or takes several lines.
    """
    row = change.row
    given = set(change.values) if change.is_new else change.changed
    part = _PARTS.get(type(row), "")
    for name in given & {part, "name", "collection"}:
        text = getattr(row, name, None)
        if not isinstance(text, str) or not text:
            continue
        if name == "collection":
            good = all(map(is_part, text.split("/")))
        else:
            good = is_part(text) if name == part else text.isprintable()
        if not good:
            raise Refused(400, {name: [f"{text[:80]!r} cannot be part of a path, or a name."]})


def is_part(text: str) -> bool:
    """Return whether a text can be one part of a path: not hidden, and leading nowhere else.

    Parameters
    ----------
    text : str
        The name of a file or of a folder.
    """
    return (
        text.isprintable()
        and text == text.strip()
        and text[:1] not in ("", ".")
        and not set(text) & {"/", "\\"}
        and not _DRIVE.match(text)
    )
