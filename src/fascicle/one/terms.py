"""Search terms: which one a word stands for, and what their values mean."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from fascicle.alf.spec import QC
from fascicle.errors import SearchTermError, SearchTermTypeError, nearest

SESSION_TERMS = (
    "datasets",
    "date_range",
    "laboratory",
    "number",
    "projects",
    "subject",
    "task_protocol",
    "dataset_qc_lte",
    "dataset",
)
"""tuple of str: what sessions can be searched by."""

INSERTION_TERMS = ("atlas_acronym", "atlas_id", "atlas_name", "model", "name", "serial", "session")
"""tuple of str: what insertions can be searched by, beside their session's terms."""

COLUMNS = {
    "laboratory": "lab",
    "projects": "projects",
    "subject": "subject",
    "task_protocol": "task_protocol",
}


def complete(term: str, terms: Sequence[str], *, where: str = "one.search_terms()") -> str:
    """Return the search term that a word, or a prefix of one, stands for.

    Parameters
    ----------
    term : str
        A term or the beginning of one, in any case.
    terms : sequence of str
        All there are.
    where : str
        What lists them, for the message.

    Returns
    -------
    str

    Raises
    ------
    SearchTermError
        None or several begin like this.

    Examples
    --------
    >>> complete("subj", SESSION_TERMS)
    'subject'
    """
    folded = term.casefold()
    if folded in terms:
        return folded
    found = [t for t in terms if t.casefold().startswith(folded)]
    if len(found) == 1:
        return found[0]
    if found:
        raise SearchTermError(
            f'Ambiguous search term "{term}": it could be {", ".join(found[:-1])} or {found[-1]}',
            hint="type one of them in full",
        )
    raise SearchTermError(
        f'Invalid search term "{term}", see `{where}`',
        hint=nearest(folded, terms) or f"the terms are {', '.join(terms)}",
    )


def completed(
    given: Mapping[str, Any], terms: Sequence[str], *, where: str = "one.search_terms()"
) -> dict[str, Any]:
    """Return a query with its terms in full.

    Raises
    ------
    SearchTermError
        A term is unknown or ambiguous, or two of those given are the same.
    """
    query: dict[str, Any] = {}
    for word, value in given.items():
        term = complete(word, terms, where=where)
        if term in query:
            raise SearchTermError(
                f"{word!r} and another term both mean {term!r}", hint=f"give {term} once, as a list"
            )
        query[term] = value
    return query


def as_list(value: Any) -> list[Any]:
    """Return a list of the values of a term: one value alone, or what an iterable holds."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return [value]
    return [value] if getattr(value, "ndim", 1) == 0 else list(value)


def texts(term: str, value: Any) -> list[str]:
    """Return the texts that a term asks for.

    Raises
    ------
    SearchTermTypeError
        One of them is no text.
    """
    found = as_list(value)
    for item in found:
        if not isinstance(item, str):
            raise SearchTermTypeError(
                f"{term} is searched by text, and this is {item!r}",
                hint=f"leave {term} out to find all" if item is None else f'{term}="{_text(item)}"',
            )
    return found


def _text(item: Any) -> str:
    return item.decode(errors="replace") if isinstance(item, bytes) else str(item)


@lru_cache(maxsize=512)
def expression(term: str, text: str) -> re.Pattern[str]:
    """Return a compiled regular expression.

    Raises
    ------
    SearchTermError
        It is none.
    """
    try:
        return re.compile(text)
    except re.error as error:
        raise SearchTermError(
            f"{term}={text!r} is no regular expression: {error}",
            hint="use .* for anything and \\ before a special character, or set one.wildcards = "
            "False to search for the text as it is",
        ) from error


def contains(term: str, value: Any, *, wildcards: bool) -> Callable[[str], object]:
    """Return the test that ONE makes of a text: any of the given ones is found in it.

    With wildcards the texts are regular expressions. Without, ONE joins those of a list with a bar
    and looks for the whole as it is; so is it here.
    """
    joined = "|".join(texts(term, value))
    if wildcards:
        return expression(term, joined).search
    return lambda text: joined in text


def part_of(term: str, text: str, *, wildcards: bool) -> Callable[[str], object]:
    """Return the test whether a text is found within another."""
    if wildcards:
        return expression(term, text).search
    return lambda other: text in other


def whole(term: str, text: str) -> Callable[[str], object]:
    """Return the test whether a regular expression matches the whole of a text."""
    return expression(term, text).fullmatch


def numbers(value: Any) -> frozenset[int]:
    """Return the session numbers that are asked for.

    Raises
    ------
    SearchTermError
        One of them is no whole number.
    """
    found = set()
    for item in as_list(value):
        try:
            found.add(int(item))
        except (TypeError, ValueError):
            kind = SearchTermTypeError if item is None else SearchTermError
            raise kind(f"number={item!r} is no session number", hint="number=1") from None
    return frozenset(found)


def quality(value: Any) -> QC:
    """Return the quality control outcome that is asked for.

    Raises
    ------
    SearchTermError
        There is no such outcome.
    """
    try:
        return QC.validate(value)
    except (ValueError, TypeError):
        names = ", ".join(q.name for q in sorted(QC))
        hint = nearest(str(value).upper(), QC.__members__) or f"the outcomes are {names}"
        raise SearchTermError(f"{value!r} is no quality control outcome", hint=hint) from None


def dates(value: Any) -> tuple[datetime.date | None, datetime.date | None]:
    """Return the first and the last day of a date range.

    Parameters
    ----------
    value : str, date, datetime, Timestamp, datetime64, or a list of one or two of these
        One value is that day; in a list, None is no bound, and a single item the first day.

    Returns
    -------
    tuple of datetime.date or None
        First and last day, both included; None is no bound.

    Raises
    ------
    SearchTermError
        A value is no date, or there are more than two.
    """
    if value is None:
        raise SearchTermTypeError(
            "date_range=None is no date", hint="leave date_range out to search all dates"
        )
    if isinstance(value, str) or not isinstance(value, Iterable) or getattr(value, "ndim", 1) == 0:
        day = _moment(value).date()
        return day, day
    bounds = list(value)
    if len(bounds) not in (1, 2):
        raise SearchTermError(
            f"date_range has {len(bounds)} items", hint="date_range=[first day, last day]"
        )
    start, end = bounds if len(bounds) == 2 else (bounds[0], None)
    return (
        None if _absent(start) else _first_day(_moment(start)),
        None if _absent(end) else _moment(end).date(),
    )


def _absent(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value)


def _first_day(moment: datetime.datetime) -> datetime.date:
    """Return the first day that does not begin before a moment."""
    later = moment.time() > datetime.time()
    return moment.date() + datetime.timedelta(days=int(later))


def _moment(value: Any) -> datetime.datetime:
    if value != value:  # NaT, which is a datetime as well
        raise SearchTermError(f"{value!r} is no date", hint='date_range="2020-01-31"')
    if isinstance(value, datetime.datetime):  # a pandas.Timestamp is one as well
        return value.replace(tzinfo=None)
    if isinstance(value, datetime.date):
        return datetime.datetime(value.year, value.month, value.day)
    text = value if isinstance(value, str) else str(value)  # numpy.datetime64 reads as ISO
    try:
        return datetime.datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        pass
    # Less common ways to write a date ("Jan 2020") are worth the time to import pandas.
    import pandas as pd

    try:
        moment = pd.Timestamp(value)
    except (ValueError, TypeError) as error:
        raise SearchTermError(
            f"{value!r} is no date: {error}", hint='date_range="2020-01-31", or a list of two'
        ) from None
    if pd.isna(moment):
        raise SearchTermError(f"{value!r} is no date", hint='date_range="2020-01-31"')
    return moment.to_pydatetime().replace(tzinfo=None)
