"""Paths that know their ALF parts, without touching a disk."""

from __future__ import annotations

import os
import re
from datetime import date as _date
from functools import cached_property
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import Any, Literal, Self, overload

from ..errors import ALFInvalid
from .names import is_date, name_problem, parse_folder
from .naming import NameMethods, check
from .parts import (
    Parts,
    Values,
    find_lab,
    find_session,
    folder_parts,
    full_path_parts,
    get_session_path,
    invalid,
    session_path_parts,
    without_revision,
)
from .spec import is_session_path, is_valid


class PureALFPath(NameMethods):
    """A path that knows its ALF parts, without touching a disk.

    All of :class:`pathlib.PurePath`, and: properties for the parts ('' where absent), methods
    ``with_*`` and ``without_*`` that change one of them, and ``relative_to_*``. Making one gives
    the flavour of the platform.

    Parameters
    ----------
    *args : str or path
        What to join.

    Examples
    --------
    >>> path = PurePosixALFPath("/data/lab/Subjects/x/2020-01-01/001/alf/spikes.times.npy")
    >>> path.subject, path.collection, path.attribute
    ('x', 'alf', 'times')
    >>> path.with_revision("v2").relative_to_session()
    PurePosixALFPath('alf/#v2#/spikes.times.npy')
    """

    def __new__(cls, *args: str | os.PathLike[str]) -> Self:
        """Make a path of the platform's flavour."""
        if cls is PureALFPath:
            cls = PureWindowsALFPath if os.name == "nt" else PurePosixALFPath  # type: ignore[assignment]
        return super().__new__(cls, *args)

    # -- what it is ------------------------------------------------------------------------------

    def is_valid_alf(self: str | PurePath) -> bool:
        """Return whether a path is valid: a file, a session, or a folder in a session.

        May be called on the class, with any text or path as its argument.
        """
        try:
            return any(full_path_parts(self))
        except ALFInvalid:
            return False

    def is_session_path(self: str | PurePath) -> bool:
        """Return whether a path ends with a session.

        May be called on the class, with any text or path as its argument.
        """
        return is_session_path(self)

    # -- its parts -------------------------------------------------------------------------------

    @overload
    def parse_alf_path(self, as_dict: Literal[True] = ...) -> Parts: ...
    @overload
    def parse_alf_path(self, as_dict: Literal[False]) -> Values: ...
    def parse_alf_path(self, as_dict: bool = True) -> Parts | Values:
        """Return the twelve parts of the path, None where absent.

        Parameters
        ----------
        as_dict : bool
            Whether to name the parts.

        Returns
        -------
        dict of str to str, or tuple of str
            Lab, subject, date, number, collection, revision, and the six parts of the name.
        """
        parts = full_path_parts(self, True, assert_valid=False)
        return parts if as_dict else tuple(parts.values())

    @cached_property
    def session_parts(self) -> tuple[str, ...]:
        """The lab, subject, date and number, '' where absent."""
        return tuple(part or "" for part in session_path_parts(self, assert_valid=False))

    @cached_property
    def alf_parts(self) -> tuple[str, ...]:
        """The twelve parts of the path, '' where absent."""
        return tuple(part or "" for part in self.parse_alf_path(as_dict=False))

    @property
    def lab(self) -> str:
        """str: where the data were recorded."""
        return self.session_parts[0]

    @property
    def subject(self) -> str:
        """str: the subject's name."""
        return self.session_parts[1]

    @property
    def date(self) -> str:
        """str: the day of the session, as written."""
        return self.session_parts[2]

    @property
    def sequence(self) -> str:
        """str: the number of the session, as written."""
        return self.session_parts[3]

    @property
    def collection(self) -> str:
        """str: the folders between session and revision."""
        return self.alf_parts[4]

    @property
    def revision(self) -> str:
        """str: the revision, without its pound signs."""
        return self.alf_parts[5]

    # -- the session -----------------------------------------------------------------------------

    def session_path(self) -> Self | None:
        """Return the path down to its session; None if it has no date and number."""
        return get_session_path(self)  # type: ignore[no-any-return]

    def session_path_short(self, include_lab: bool = False) -> str | None:
        """Return ``subject/date/number``, after the lab if asked; None if there is no session.

        Parameters
        ----------
        include_lab : bool
            Whether to begin with the lab, where there is one.
        """
        parts = self.session_parts if include_lab else self.session_parts[1:]
        return "/".join(filter(None, parts)) or None

    def relative_to_session(self) -> Self:
        """Return the path below its session.

        Raises
        ------
        ValueError
            There is no session in the path.
        """
        session = self.session_path()
        if session is None:
            raise ValueError(f"{self} does not contain a session: subject/yyyy-mm-dd/number")
        return self.relative_to(session)

    def relative_to_lab(self) -> Self:
        """Return the path below ``lab/Subjects``.

        Raises
        ------
        ValueError
            ``lab/Subjects`` is not in the path.
        """
        text = self.as_posix()
        if match := find_lab(text):
            return type(self)(text[match.end() :])
        raise ValueError(f"{self} does not contain lab/Subjects")

    def without_lab(self) -> Self:
        """Return the path without ``lab/Subjects``."""
        text = self.as_posix()
        match = find_lab(text)
        return type(self)(text[: match.start()], text[match.end() :]) if match else self

    def with_lab(self, lab: str, strict: bool = False) -> Self:
        """Return the path with another lab; ``lab/Subjects`` is added where it is absent.

        Parameters
        ----------
        lab : str
            The lab's name.
        strict : bool
            Whether to raise rather than add.

        Raises
        ------
        ValueError
            The name is not valid.
        ALFInvalid
            There is no session in the path; or no lab, and ``strict`` is true.
        """
        check("lab", lab, r"\w+")
        match = self._find_session()
        if strict and not match["lab"]:
            raise invalid(self, "it has no lab")
        text = self.as_posix()
        head, tail = text[: match.start()], text[match.start("subject") :]
        return type(self)(f"{head}{lab}/Subjects/{tail}")

    def with_subject(self, subject: str) -> Self:
        """Return the path with another subject.

        Parameters
        ----------
        subject : str
            The name: letters, digits, ``_``, ``-`` and ``.``.

        Raises
        ------
        ValueError
            The name is not valid.
        ALFInvalid
            There is no session in the path.
        """
        check("subject", subject, r"(?!\.\.?\Z)[\w.-]+")
        return self._with_session_part("subject", subject)

    def with_date(self, date: str | _date) -> Self:
        """Return the path with another date.

        Parameters
        ----------
        date : str or datetime.date or datetime.datetime
            The day; text as yyyy-mm-dd.

        Raises
        ------
        ValueError
            This is no day of the calendar.
        ALFInvalid
            There is no session in the path.
        """
        text = date if isinstance(date, str) else str(date)[:10]
        if not is_date(text):
            raise ValueError(f"Invalid date: {date!r} is no day written yyyy-mm-dd")
        return self._with_session_part("date", text)

    def with_sequence(self, number: str | int) -> Self:
        """Return the path with another session number, padded to three digits.

        Parameters
        ----------
        number : str or int
            0 to 999.

        Raises
        ------
        ValueError
            The number is not between 0 and 999.
        ALFInvalid
            There is no session in the path.
        """
        text = str(number).strip()
        if not re.fullmatch("0*[0-9]{1,3}", text):
            raise ValueError(f"Invalid number: {number!r} is not between 0 and 999")
        return self._with_session_part("number", f"{int(text):03d}")

    def with_padded_sequence(self: str | PurePath) -> Any:
        """Return a path with its session number padded to three digits.

        May be called on the class, with any text or path as its argument.

        Returns
        -------
        ALFPath or PureALFPath
            The path, pure where the argument is.

        Raises
        ------
        ValueError
            There is no session in the path.
        """
        from .path import padded_sequence  # which is one floor up: it may make an ALFPath

        return padded_sequence(self)

    def _find_session(self) -> re.Match[str]:
        match = find_session(self.as_posix())
        if match is None:
            raise invalid(self, "it has no subject/yyyy-mm-dd/number")
        return match

    def _with_session_part(self, part: str, new: str) -> Self:
        start, end = self._find_session().span(part)
        text = self.as_posix()
        return type(self)(text[:start] + new + text[end:])

    # -- the folders in the session --------------------------------------------------------------

    def with_collection(self, collection: str | PurePath | None) -> Self:
        """Return the path with another collection; it is added where there is none.

        Parameters
        ----------
        collection : str or path
            The folders below the session; '' for none.

        Raises
        ------
        ValueError
            The collection is not valid, or there is no session in the path.
        ALFInvalid
            The path below its session is not valid.
        """
        text = collection.as_posix() if isinstance(collection, PurePath) else (collection or "")
        if isinstance(self, PureWindowsPath):
            text = text.replace("\\", "/")
        text = "/".join(step for step in text.split("/") if step not in ("", "."))
        parsed = parse_folder(text)
        if parsed is None or parsed.revision:
            raise ValueError(f"Invalid collection name: {str(collection)!r}")
        session = self.session_path()
        if session is None:
            raise ValueError(f"Cannot add a collection: {self} has no subject/yyyy-mm-dd/number")
        name = self.name if is_valid(self.name) else ""
        folder = self.parent if name else self
        below = parse_folder(folder.relative_to(session).as_posix().removeprefix("."))
        if below is None:
            raise invalid(self, "a folder below the session breaks the rules")
        revision = f"#{below.revision}#" if below.revision else ""
        return session.joinpath(*filter(None, (text, revision, name)))

    def with_revision(self, revision: str) -> Self:
        """Return the path with another revision; it is added where there is none.

        Parameters
        ----------
        revision : str
            The revision without pound signs.

        Raises
        ------
        ALFInvalid
            The revision is not valid, or the path is not, or there is no session in it.
        """
        if not re.fullmatch(r"[\w.-]+", revision):
            raise invalid(f"#{revision}#", "a revision has letters, digits, _, - and . alone")
        path = self.without_revision()
        if is_valid(self.name):
            return path.parent / f"#{revision}#" / self.name
        return path / f"#{revision}#"

    def without_revision(self) -> Self:
        """Return the path without its revision.

        Raises
        ------
        ALFInvalid
            The path is not valid, or there is no session in it.
        """
        if is_valid(self.name):
            return without_revision(self)  # type: ignore[no-any-return]
        if self.name.count(".") >= 2 and not self.name.startswith("#"):
            raise invalid(self, name_problem(self.name))
        return self.parent if folder_parts(self)[5] else self


class PureWindowsALFPath(PureALFPath, PureWindowsPath):
    """A :class:`PureALFPath` of Windows, on any platform."""


class PurePosixALFPath(PureALFPath, PurePosixPath):
    """A :class:`PureALFPath` of all other systems, on any platform."""
