"""The ALF convention: what the parts of a path are, and how names are checked and made.

The patterns of this module are templates: each ``{part}`` stands for a regular expression, see
:func:`regex`. Names and folders are taken apart by the faster functions of
:mod:`fascicle.alf.names`, which this module offers too.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import lru_cache
from os import PathLike, fspath
from pathlib import PurePath
from typing import Any
from uuid import UUID

from .descriptions import SPEC_DESCRIPTION, describe
from .names import (
    FolderParts,
    NameParts,
    SessionParts,
    name_problem,
    parse_folder,
    parse_name,
    parse_session,
)
from .readable import readableALF, to_alf
from .templates import (
    COLLECTION_SPEC,
    FILE_SPEC,
    FULL_SPEC,
    REL_PATH_SPEC,
    SESSION_SPEC,
    path_pattern,
)

__all__ = [
    "COLLECTION_SPEC",
    "FILE_SPEC",
    "FULL_SPEC",
    "QC",
    "REL_PATH_SPEC",
    "SESSION_SPEC",
    "SPEC_DESCRIPTION",
    "FolderParts",
    "NameParts",
    "SessionParts",
    "describe",
    "is_session_path",
    "is_uuid",
    "is_uuid_string",
    "is_valid",
    "name_problem",
    "parse_folder",
    "parse_name",
    "parse_session",
    "path_pattern",
    "readableALF",
    "regex",
    "to_alf",
]

_DEFAULT = {
    "lab": r"\w+",
    "subject": r"[\w.-]+",
    "date": r"[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "number": r"[0-9]{1,3}",
    "collection": r"[\w./-]+",
    "revision": r"[\w.-]+",
    "namespace": r"(?<=_)[a-zA-Z0-9]+",
    "object": r"\w+",
    "attribute": r"(?:_[a-z]+_)?[a-zA-Z0-9]+(?:_(?:times|intervals)(?=[_.]))?",
    "timescale": r"\w+",
    "extra": r"[.\w-]+",
    "extension": r"\w+",
}


class QC(IntEnum):
    """The outcome of a dataset's quality control, by the numbers that Alyx uses."""

    CRITICAL = 50
    """Of no use, for example because clocks cannot be aligned or data are missing."""
    FAIL = 40
    """Below the expected standard, for example events whose timing differs from the protocol."""
    WARNING = 30
    """Minor issues that should not affect most analyses."""
    NOT_SET = 0
    """Not assessed."""
    PASS = 10
    """Of the best quality."""

    @staticmethod
    def validate(v: QC | int | str) -> QC:
        """Return the outcome that a name, a number or an outcome stands for.

        Parameters
        ----------
        v : QC, int or str
            An outcome, its number, or its name in any case.

        Returns
        -------
        QC
            The outcome.

        Raises
        ------
        ValueError
            No outcome has that name or number.
        """
        if isinstance(v, str):
            if v.upper() in QC.__members__:
                return QC[v.upper()]
            if not (v.isascii() and v.isdigit()):
                names = ", ".join(q.name for q in sorted(QC))
                raise ValueError(f"{v!r} is not a valid QC: use one of {names}")
            v = int(v)
        return QC(v)


def regex(spec: str = FULL_SPEC, **kwargs: str | None) -> re.Pattern[str]:
    """Make a regular expression of a template, each part a group of its name.

    Parameters
    ----------
    spec : str
        A template, such as ``FILE_SPEC``.
    **kwargs : str, optional
        For a part, the expression to use in place of its default; None keeps the default.

    Returns
    -------
    re.Pattern
        The compiled expression.

    Raises
    ------
    KeyError
        The convention has no such part.

    Examples
    --------
    >>> regex("{subject}/{date}").match("flowers/2018-07-13").groupdict()
    {'subject': 'flowers', 'date': '2018-07-13'}
    """
    given = {part: pattern for part, pattern in kwargs.items() if pattern is not None}
    for part in kwargs:
        if part not in _DEFAULT:
            raise _unknown(part)
    return _regex(spec, tuple(sorted(given.items())))


@lru_cache(maxsize=512)
def _regex(spec: str, given: tuple[tuple[str, str], ...]) -> re.Pattern[str]:
    fields = _DEFAULT | dict(given)
    # With the default expressions the template is ambiguous: "_foo" would be the namespace "fo"
    # and the object "o", and repeating a part that may itself contain periods takes time
    # exponential in the number of periods. What replaces them is equivalent otherwise.
    if fields["namespace"] == _DEFAULT["namespace"]:
        spec = spec.replace(r"_?{namespace}?_?{object}", r"(?:_{namespace}_(?=\w))?{object}")
    if fields["extra"] == _DEFAULT["extra"]:
        spec = spec.replace(r"(?:\.{extra})*", r"(?:\.{extra})?")
    if spec.endswith("$"):  # which would let a newline pass
        spec = spec[:-1] + r"\Z"
    try:
        return re.compile(spec.format_map({k: f"(?P<{k}>{v})" for k, v in fields.items()}))
    except KeyError as error:
        raise _unknown(error.args[0]) from None


def _unknown(part: str) -> KeyError:
    return KeyError(f"Unknown field {part!r}: the parts are {', '.join(_DEFAULT)}")


def is_valid(filename: str) -> bool:
    """Return whether a file name follows the convention.

    Parameters
    ----------
    filename : str
        A name without folders.

    Returns
    -------
    bool
        True if it does; :func:`name_problem` says why it does not.

    Examples
    --------
    >>> is_valid("trials.feedbackType.npy")
    True
    >>> is_valid("spike_train.npy")
    False
    """
    return parse_name(filename) is not None


def is_session_path(path_object: str | PathLike[str]) -> bool:
    """Return whether a path ends with ``subject/date/number``, by its text alone.

    Parameters
    ----------
    path_object : str or path
        A path, with or without what lies above the session.

    Returns
    -------
    bool
        True if its last folder is a session.
    """
    text = path_object.as_posix() if isinstance(path_object, PurePath) else fspath(path_object)
    steps = text.strip("/").split("/")[-3:]
    return len(steps) == 3 and parse_session("/".join(steps)) is not None


def is_uuid_string(string: Any) -> bool:
    """Return whether something is a UUID in its usual form: lower case, with hyphens.

    Parameters
    ----------
    string : object
        What to check; all but a str is refused.

    Returns
    -------
    bool
        True for a UUID of version 3, 4 or 5.
    """
    return isinstance(string, str) and is_uuid(string, (3, 4, 5)) and str(UUID(string)) == string


def is_uuid(uuid: Any, versions: tuple[int, ...] = (4, 3)) -> bool:
    """Return whether something is a UUID, or can be made into one.

    Parameters
    ----------
    uuid : UUID, str, int or bytes
        What to check.
    versions : tuple of int
        The versions of UUID to accept.

    Returns
    -------
    bool
        True if it is a UUID of one of these versions.
    """
    try:
        if isinstance(uuid, str):
            uuid = UUID(uuid)
        elif isinstance(uuid, bytes):
            uuid = UUID(bytes=uuid)
        elif isinstance(uuid, int):
            uuid = UUID(int=uuid)
    except ValueError:
        return False
    return isinstance(uuid, UUID) and uuid.version in versions
