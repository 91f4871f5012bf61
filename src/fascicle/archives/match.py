"""What a search term matches: the whole value as typed, a glob, or an expression after ``re:``."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from datetime import date as Date
from datetime import datetime as Datetime
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

from fascicle.alf import spec
from fascicle.archives.select import split_path
from fascicle.errors import SearchTermError

Predicate: TypeAlias = Callable[[str], bool]


def text(pattern: str) -> Predicate:
    """Return a test of text against one pattern, case-sensitive and on the whole of it.

    Parameters
    ----------
    pattern : str
        Plain text is matched as it is; with ``*``, ``?`` or ``[…]`` it is a glob; after ``re:``
        stands a regular expression.

    Raises
    ------
    SearchTermError
        If the expression is not valid, or the pattern is no text.
    """
    if not isinstance(pattern, str):
        raise SearchTermError(
            f"{pattern!r} is no text to search for", hint='give text, e.g. lab="cortexlab"'
        )
    if pattern.startswith("re:"):
        try:
            compiled = re.compile(pattern[3:])
        except re.error as error:
            raise SearchTermError(
                f"the expression {pattern[3:]!r} is not valid: {error}",
                hint="leave out 're:' to match the text as it is",
            ) from error
        return lambda value: compiled.fullmatch(value) is not None
    if any(c in pattern for c in "*?["):
        match = re.compile(fnmatch.translate(pattern)).match
        return lambda value: match(value) is not None
    return pattern.__eq__


def any_text(patterns: object) -> Predicate:
    """Return a test of text against one pattern or any of several."""
    tests = [text(p) for p in several(patterns)]
    if len(tests) == 1:
        return tests[0]
    return lambda value: any(test(value) for test in tests)


def several(value: object) -> list[str]:
    """Return a list of what may be one word or several."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return [value]  # type: ignore[list-item]
    return list(value)


class DatasetPattern(NamedTuple):
    """A test of datasets, and whether it looks at file names or at whole relative paths."""

    of: Literal["name", "path"]
    test: Predicate


@lru_cache(maxsize=256)
def dataset(pattern: str) -> DatasetPattern:
    """Return the test that a word for datasets stands for.

    Parameters
    ----------
    pattern : str
        ``object.attribute`` (whatever the namespace, timescale, extension, collection and
        revision), an object alone, a file name, or a path relative to the session (with or
        without its revision). Globs and ``re:`` as everywhere; with a slash they see the path.
    """
    test = text(pattern)
    if "/" in pattern:
        return DatasetPattern("path", lambda path: test(path) or test(_without_revision(path)))
    return DatasetPattern("name", lambda name: any(map(test, _names(name, "." in pattern))))


def _names(name: str, dotted: bool) -> list[str]:
    """Return the words that a file name goes by."""
    words = [name]
    parts = spec.parse_name(name)
    if parts is None:
        return words
    if not dotted:
        return [*words, parts.object]
    stems = [f"{parts.object}.{parts.attribute}"]
    if parts.timescale:
        stems.append(f"{stems[0]}_{parts.timescale}")
    words += stems
    if parts.namespace:
        words += [f"_{parts.namespace}_{stem}" for stem in stems]
    return words


def _without_revision(path: str) -> str:
    collection, _, name = split_path(path)
    return f"{collection}/{name}" if collection else name


class DateRange(NamedTuple):
    """Days from ``start`` to ``end``, both included; None where it is open."""

    start: Date | None
    end: Date | None


def dates(value: object) -> DateRange:
    """Return the days that a date, a month, a year or a pair of them stands for.

    Parameters
    ----------
    value : str, datetime.date, or a pair of those or None
        ``"2020-01-31"``, ``"2020-01"``, ``"2020"``, ``("2020-01", None)``.

    Raises
    ------
    SearchTermError
        If it is none of these, or ends before it starts.
    """
    if isinstance(value, list | tuple):
        if len(value) == 1:
            value = (value[0], None)
        if len(value) != 2:
            raise SearchTermError(
                f"a range of dates has two ends, and {len(value)} were given",
                hint='type date=("2020-01-01", "2020-03-31"), with None for an open end',
            )
        first, last = value
        span = DateRange(
            None if first is None else _days(first)[0], None if last is None else _days(last)[1]
        )
    else:
        span = DateRange(*_days(value))
    if span.start and span.end and span.start > span.end:
        raise SearchTermError(
            f"the range of dates ends ({span.end}) before it starts ({span.start})",
            hint="give the earlier date first",
        )
    return span


def _days(value: object) -> tuple[Date, Date]:
    if isinstance(value, Datetime):
        return value.date(), value.date()
    if isinstance(value, Date):
        return value, value
    found = (
        re.fullmatch(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", value) if isinstance(value, str) else None
    )
    if not found:
        raise SearchTermError(
            f"{value!r} is no date", hint='type "2020-01-31", "2020-01", "2020" or a pair of them'
        )
    year, month, day = (int(g) if g else None for g in found.groups())
    try:
        if day is not None:
            one = Date.fromisoformat(str(value))
            return one, one
        import calendar

        last = month or 12
        return (
            Date(year or 0, month or 1, 1),
            Date(year or 0, last, calendar.monthrange(year or 0, last)[1]),
        )
    except ValueError as error:
        raise SearchTermError(f"{value!r} is no date: {error}", hint="see a calendar") from error


def qc(value: object) -> int:
    """Return the number of a quality control outcome given by name or number.

    Raises
    ------
    SearchTermError
        If there is no such outcome.
    """
    names = [q.name for q in spec.QC]
    if isinstance(value, str) and value.upper() in names:
        return int(spec.QC[value.upper()])
    if isinstance(value, int) and value in [int(q) for q in spec.QC]:
        return int(value)
    raise SearchTermError(
        f"{value!r} is no outcome of quality control", hint=f"choose one of {', '.join(names)}"
    )
