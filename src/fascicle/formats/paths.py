"""Paths that come from elsewhere, held to what may be written below a folder of ours."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

#: Longest path, and longest part of one, in bytes of UTF-8: what all file systems take.
MAX_PATH = 1024
MAX_PART = 255
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:")
# Names that Windows gives to devices, whatever their extension.
_DEVICE = re.compile(r"(?:CON|PRN|AUX|NUL|COM\d|LPT\d)(?:\..*)?", re.IGNORECASE)


def path_problem(path: str) -> str:
    """Say why a relative path must not be written below a folder, or return an empty string.

    A path is fine if it has parts that are joined by ``/``, none of which leads up, and if it is a
    plain path on every system, also after percent signs are decoded.

    Examples
    --------
    >>> path_problem("project_metadata/units.csv")
    ''
    >>> path_problem("../../etc/passwd")
    'leads up, out of the folder'
    """
    problem = _problem(path)
    if not problem and "%" in path:
        # Whoever writes the path down may decode it: neither reading may lead elsewhere.
        problem = _problem(unquote(path))
    return problem


def one_place(path: str) -> str:
    """Return what a path has in common with those that are the same file on some system.

    Names that differ in case alone are one on many systems, and so are those of which one has a
    letter with its accent and the other the two one after the other.

    Examples
    --------
    >>> one_place("Units.csv") == one_place("units.csv")
    True
    """
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _problem(path: str) -> str:
    if not path:
        return "is empty"
    if path.startswith(("/", "\\")) or _DRIVE.match(path):
        return "is absolute"
    if "\\" in path:
        return "has a backslash"
    if _CONTROL.search(path):
        return "has control characters"
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        return "is no text"
    if length > MAX_PATH:
        return f"is longer than {MAX_PATH} bytes"
    for part in path.split("/"):
        if part == "..":
            return "leads up, out of the folder"
        if part in ("", "."):
            return "has an empty part"
        if len(part.encode()) > MAX_PART:
            return f"has a part of more than {MAX_PART} bytes"
        if part[-1] in ". " or ":" in part or _DEVICE.fullmatch(part):
            return f"has a part that is no file name on every system: {part!r}"
    return ""
