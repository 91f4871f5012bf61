"""References: names of sessions for people, ``yyyy-mm-dd_n_subject``."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

from fascicle.one.bunch import Bunch

_REF = re.compile(r"\d{4}(-\d{2}){2}_(\d{1,3})_\w+")
_IN_PATH = re.compile(
    r"(?P<subject>[\w.-]+)[\\/](?P<date>\d{4}-\d{2}-\d{2})[\\/](?P<sequence>\d{1,3})(?!\d)"
)


def is_exp_ref(ref: Any) -> Any:
    """Return whether something is a reference; for a list, whether each is.

    Parameters
    ----------
    ref : str, dict or list
        Text ``yyyy-mm-dd_n_subject``, or a mapping with subject, date and sequence.

    Returns
    -------
    bool or list of bool

    Examples
    --------
    >>> is_exp_ref("2018-07-13_001_flowers")
    True
    """
    if isinstance(ref, list | tuple):
        return [is_exp_ref(x) for x in ref]
    if isinstance(ref, Mapping):
        if not {"subject", "date", "sequence"}.issubset(ref):
            return False
        ref = "{date}_{sequence}_{subject}".format(**ref)
    return isinstance(ref, str) and _REF.match(ref) is not None


def parsed(ref: Bunch) -> Bunch:
    """Return a reference with a date and a number in place of their texts."""
    out = ref.copy()
    date = out["date"]
    if isinstance(date, datetime.datetime):
        out["date"] = date.date()
    elif isinstance(date, str):
        out["date"] = datetime.datetime.fromisoformat(date).date()
    out["sequence"] = int(out["sequence"])
    return out


def ref2dict(ref: Any, parse: bool = True) -> Any:
    """Return a reference as a Bunch of subject, date and sequence.

    Parameters
    ----------
    ref : str, dict or list of these
        References.
    parse : bool
        Make a date and a number of their texts.

    Returns
    -------
    Bunch or list of Bunch

    Raises
    ------
    ValueError
        It is no reference.

    Examples
    --------
    >>> ref2dict("2018-07-13_1_flowers", parse=False)
    {'date': '2018-07-13', 'sequence': '1', 'subject': 'flowers'}
    """
    if isinstance(ref, list | tuple):
        return [ref2dict(x, parse=parse) for x in ref]
    if isinstance(ref, Mapping):
        found = Bunch(ref)
    else:
        parts = str(ref).split("_", 2)
        if len(parts) != 3:
            raise ValueError(f"{ref!r} is no reference: write yyyy-mm-dd_n_subject")
        found = Bunch(zip(("date", "sequence", "subject"), parts, strict=True))
    if not parse:
        return found
    try:
        return parsed(found)
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(
            f"{ref!r} is no reference, of a date, a number and a subject: {error}"
        ) from None


def dict2ref(ref_dict: Any) -> Any:
    """Return a reference of a mapping.

    Parameters
    ----------
    ref_dict : dict or list of dict
        With subject, date (or start_time) and sequence (or number).

    Returns
    -------
    str, list of str, or None where nothing is given

    Raises
    ------
    KeyError
        A part is missing.

    Examples
    --------
    >>> dict2ref({"subject": "flowers", "date": "2018-07-13", "sequence": "001"})
    '2018-07-13_001_flowers'
    """
    if isinstance(ref_dict, list | tuple):
        return [dict2ref(x) for x in ref_dict]
    if not ref_dict:
        return None
    missing = [
        " or ".join(names)
        for names in (("subject",), ("date", "start_time"), ("sequence", "number"))
        if not any(name in ref_dict for name in names)
    ]
    if missing:
        raise KeyError(f"the record has no {', no '.join(missing)}: {ref_dict!r}")
    sequence = ref_dict["sequence"] if "sequence" in ref_dict else ref_dict["number"]
    date = ref_dict["date"] if "date" in ref_dict else ref_dict["start_time"]
    # Of a mapping that was not parsed the texts stay as they are.
    day = date[:10] if isinstance(date, str) else f"{date:%Y-%m-%d}"
    return f"{day}_{sequence}_{ref_dict['subject']}"


def path2ref(path_str: Any, as_dict: bool = True, parse: bool = True) -> Any:
    """Return the reference of a session's path, which need not exist.

    Parameters
    ----------
    path_str : str, path or list of these
        Path of a session, or of anything in it.
    as_dict : bool
        Return a Bunch rather than a text.
    parse : bool
        Make a date and a number of their texts, in a Bunch.

    Returns
    -------
    Bunch, str, list of these, or None where the path has no session

    Examples
    --------
    >>> path2ref("zadorlab/Subjects/flowers/2018-07-13/001", as_dict=False)
    '2018-07-13_001_flowers'
    """
    if isinstance(path_str, list | tuple):
        return [path2ref(x, as_dict=as_dict, parse=parse) for x in path_str]
    found = _IN_PATH.search(str(path_str))
    if found is None or re.fullmatch(r"0\d", found["sequence"]):
        return None
    ref = Bunch(found.groupdict())
    if not as_dict:
        return f"{ref.date}_{ref.sequence}_{ref.subject}"
    return parsed(ref) if parse else ref
