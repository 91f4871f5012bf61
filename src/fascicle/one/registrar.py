"""What all of `fascicle.one.registration` asks a database first: whom and what it knows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from fascicle.errors import ALFError, AlyxSubjectNotFound, ConfigurationError, FascicleError
from fascicle.one.filetypes import part


class RegistrationError(FascicleError, ValueError, AssertionError):
    """What is to be registered contradicts itself, such as a date and the path that it is in."""

    kind = "registration"


class Registrar:
    """A ONE object, and what its database knows."""

    def __init__(self, one: Any = None) -> None:
        if one is None:
            from fascicle.one import ONE

            one = ONE()
        self.one = one

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.one!r})"

    @cached_property
    def dtypes(self) -> list[Any]:
        """Dataset types of the database."""
        return list(self._rest("dataset-types", "list"))

    @cached_property
    def registration_patterns(self) -> list[str]:
        """Patterns of file names of the dataset types that have one."""
        return [p for t in self.dtypes if (p := part(t, "filename_pattern"))]

    @cached_property
    def file_extensions(self) -> list[str]:
        """Extensions of files that the database knows."""
        return [e for f in self._rest("data-formats", "list") if (e := part(f, "file_extension"))]

    def _rest(self, endpoint: str, action: str, **kwargs: Any) -> Any:
        return self.one.alyx.rest(endpoint, action, no_cache=True, **kwargs)

    def assert_exists(self, member: Any, endpoint: str) -> Any:
        """Raise an error if the database has no such member.

        Parameters
        ----------
        member : str, uuid.UUID or list of these
            Names or ids.
        endpoint : str
            Where to look: ``subjects``, ``users``, ``labs``, ``data-repository``, …

        Returns
        -------
        dict, or list of dict
            What the database says of it.

        Raises
        ------
        AlyxSubjectNotFound
            There is no such subject.
        ALFError
            There is no such member of another kind.
        HTTPError
            The database answers with another error.
        """
        if isinstance(member, list | tuple | set):
            return [self.assert_exists(m, endpoint) for m in member]
        endpoint = {"repositories": "data-repository"}.get(endpoint, endpoint)
        try:
            return self._rest(endpoint, "read", id=str(member))
        except Exception as error:
            if status_of(error) != 404:
                raise
            if endpoint == "subjects":
                raise AlyxSubjectNotFound(
                    f"{member}: the subject was not found in the database",
                    hint="one.alyx.rest('subjects', 'list') lists the subjects; a new one has to "
                    "be entered first",
                ) from error
            raise ALFError(
                f'Member "{member}" does not exist in {endpoint}',
                hint=f"one.alyx.rest({endpoint!r}, 'list') lists them",
            ) from error

    @staticmethod
    def ensure_ISO8601(date: str | dt.date | dt.datetime | None) -> str:
        """Return a date in the form of ISO 8601.

        Parameters
        ----------
        date : str, datetime.date, datetime.datetime or None
            None is now.

        Raises
        ------
        ConfigurationError
            It is no date; this is a ValueError.
        """
        if date is None:
            return dt.datetime.now().isoformat()
        if isinstance(date, str):
            try:
                return dt.datetime.fromisoformat(date).isoformat()
            except ValueError as error:
                raise ConfigurationError(
                    f"{date!r} is no date: {error}", hint="'2020-01-31' or '2020-01-31T12:30:00'"
                ) from None
        if isinstance(date, dt.datetime):
            return date.isoformat()
        if isinstance(date, dt.date):
            return dt.datetime.combine(date, dt.time()).isoformat()
        raise TypeError(f"{date!r} is no date")


def status_of(error: BaseException) -> int:
    """Return the status of the answer that an error is about; 0 where there is none."""
    response = getattr(error, "response", None)
    status = getattr(error, "status", None) or getattr(response, "status_code", None)
    return int(status or 0)


def answer_of(error: BaseException) -> dict[str, Any]:
    """Return the JSON of the answer that an error is about; empty where there is none."""
    detail = getattr(error, "detail", None)
    if not isinstance(detail, dict):
        try:
            detail = getattr(error, "response", None).json()  # type: ignore[union-attr]
        except (AttributeError, ValueError):
            return {}
    return detail if isinstance(detail, dict) else {}


@contextmanager
def uncached(alyx: Any) -> Iterator[None]:
    """Let a client ask the server rather than what it keeps of earlier answers."""
    mode = alyx.cache_mode
    alyx.cache_mode = None
    try:
        yield
    finally:
        alyx.cache_mode = mode
