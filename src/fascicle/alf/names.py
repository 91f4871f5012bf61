"""Take names, folders and session paths of the ALF convention apart, fast and in linear time.

Each ``parse_*`` function has one answer: the parts, with an empty string for what is absent, or
None where the text does not follow the convention. Parts put together again give the text back,
so two different names never have the same parts.
"""

from __future__ import annotations

import re
from datetime import date as _date
from typing import NamedTuple


class NameParts(NamedTuple):
    """The parts of a file name, ``_namespace_object.attribute_timescale.extra.extension``."""

    namespace: str
    object: str
    attribute: str
    timescale: str
    extra: str
    extension: str


class FolderParts(NamedTuple):
    """The parts of a folder within a session, ``collection/#revision#``."""

    collection: str
    revision: str


class SessionParts(NamedTuple):
    """The parts of a session folder, ``lab/Subjects/subject/date/number``."""

    lab: str
    subject: str
    date: str
    number: str


# Quantifiers that overlap with what follows them are possessive: a bad name fails in linear time.
_NAME = re.compile(
    r"(?:_([a-zA-Z0-9]++)_(?=\w))?(\w++)"
    r"\.((?:_[a-z]++_)?[a-zA-Z0-9]++(?:_(?:times|intervals)(?=[_.]))?)(?:_(\w++))?"
    r"(?:\.([.\w-]+))?\.(\w++)"
)
_STEP = r"(?!\.\.?(?:/|\Z))[\w.-]++"  # one folder, neither "." nor ".."
_FOLDER = re.compile(rf"(?:({_STEP}(?:/{_STEP})*+)(?=/#|\Z)/?)?(?:#([\w.-]++)#)?")
_SESSION = re.compile(
    rf"(?:(?:(\w++)/)?Subjects/)?({_STEP})/([0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})/([0-9]{{1,3}})"
)

_name_match = _NAME.fullmatch
_make_name = NameParts._make


def parse_name(name: str) -> NameParts | None:
    """Take a file name apart.

    Parameters
    ----------
    name : str
        A file name without folders.

    Returns
    -------
    NameParts or None
        The six parts, '' where absent; None if the name does not follow the convention.

    Examples
    --------
    >>> parse_name("_ibl_trials.goCue_times_bpod.raw.npy")  # doctest: +NORMALIZE_WHITESPACE
    NameParts(namespace='ibl', object='trials', attribute='goCue_times', timescale='bpod',
              extra='raw', extension='npy')
    """
    match = _name_match(name)
    return None if match is None else _make_name(match.groups(""))


def parse_folder(folder: str) -> FolderParts | None:
    """Take a folder apart that is relative to its session.

    Parameters
    ----------
    folder : str
        The folders below the session, separated by ``/``; '' is the session itself.

    Returns
    -------
    FolderParts or None
        Collection and revision, '' where absent; None if the folder does not follow the
        convention: the revision comes last, no folder is '.', '..' or has other characters than
        letters, digits, ``_``, ``-`` and ``.``.

    Examples
    --------
    >>> parse_folder("alf/probe00/#2024-05-06#")
    FolderParts(collection='alf/probe00', revision='2024-05-06')
    """
    match = _FOLDER.fullmatch(folder)
    return None if match is None else FolderParts._make(match.groups(""))


def parse_session(path: str) -> SessionParts | None:
    """Take the path of a session folder apart.

    Parameters
    ----------
    path : str
        ``lab/Subjects/subject/date/number``, where ``lab/Subjects`` or the lab may be absent.

    Returns
    -------
    SessionParts or None
        The four parts as they are written, the lab '' where absent; None if anything else is
        there or the date is not in the calendar.

    Examples
    --------
    >>> parse_session("zadorlab/Subjects/CSH_ZAD_003/2019-08-11/001")
    SessionParts(lab='zadorlab', subject='CSH_ZAD_003', date='2019-08-11', number='001')
    """
    match = _SESSION.fullmatch(path)
    if match is None:
        return None
    parts = SessionParts._make(match.groups(""))
    return parts if is_date(parts.date) else None


def is_date(text: str) -> bool:
    """Return whether ``text`` is a day of the calendar, written ``yyyy-mm-dd``."""
    try:
        # fromisoformat also takes the date without hyphens, and weeks: 20200101, 2020-W01-1.
        return len(text) == 10 and text[7] == "-" and bool(_date.fromisoformat(text))
    except ValueError:
        return False


def name_problem(name: str) -> str:
    """Say why a file name does not follow the convention.

    Parameters
    ----------
    name : str
        A file name without folders.

    Returns
    -------
    str
        One sentence; '' if the name is valid.

    Examples
    --------
    >>> name_problem("notes.txt")
    'it has 2 of at least 3 parts: object.attribute.extension'
    """
    if _name_match(name):
        return ""
    if not name:
        return "it is empty"
    if "/" in name or "\\" in name:
        return "it is a path, not a file name"
    if name.startswith("."):
        return "it starts with a period, as hidden files do"
    parts = name.split(".")
    if len(parts) < 3:
        return f"it has {len(parts)} of at least 3 parts: object.attribute.extension"
    obj, attribute, extension = parts[0], parts[1], parts[-1]
    if not extension:
        return "its extension is empty: the name ends with a period"
    if odd := _odd(obj, r"\w"):
        return f"its object {_show(obj)} contains {odd}: only letters, digits and _ may be there"
    if not attribute:
        return "its attribute is empty: two periods follow the object"
    if problem := _attribute_problem(attribute):
        return problem
    if odd := _odd(extension, r"\w"):
        return f"its extension {_show(extension)} contains {odd}: only letters, digits and _ may"
    extra = ".".join(parts[2:-1])
    if odd := _odd(extra, r"[.\w-]"):
        return f"its extra part {_show(extra)} contains {odd}: only letters, digits, _ and - may"
    return "two periods stand between the attribute and the extension"


def _attribute_problem(attribute: str) -> str:
    """Say what is wrong with the attribute and timescale together, '' if nothing is."""
    if re.fullmatch(r"(?:_[a-z]++_)?[a-zA-Z0-9]++(?:_\w++)?", attribute):
        return ""
    shown = _show(attribute)
    if odd := _odd(attribute, r"\w"):
        return f"its attribute {shown} contains {odd}: only letters, digits and _ may be there"
    if attribute.startswith("_"):
        return f"its attribute {shown} starts with an underscore"
    if attribute.endswith("_") and attribute.count("_") == 1:
        return f"its attribute {shown} ends with an underscore: a timescale should follow"
    return f"its attribute {shown} has letters other than a-z, A-Z and 0-9"


def _odd(text: str, allowed: str) -> str:
    """Return the first character of ``text`` that is not ``allowed``, fit to be shown."""
    rest = re.sub(f"{allowed}*+", "", text, count=1)
    return "a space" if rest.startswith(" ") else _show(rest[:1]) if rest else ""


def _show(text: str) -> str:
    """Quote a text so that it fits in a sentence, whatever it contains."""
    shown = repr(text) if text.isprintable() else ascii(text)
    return shown if len(shown) <= 60 else f"{shown[:56]}...{shown[-1]}"
