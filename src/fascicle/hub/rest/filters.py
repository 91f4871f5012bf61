"""Filters: what a parameter of a list's address asks for.

A filter is given the rows so far and the parameter's text, and returns fewer rows. What is asked
of rows of other tables is always a subquery (``pk IN (SELECT …)``): no row comes twice, and
conditions on several parameters may be met by different rows, as Alyx has it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.db import models

from fascicle.hub.rest.answers import Refused
from fascicle.hub.rest.fields import Schema, column

MANY = 64  # values of one parameter


class Filter:
    """One parameter of a list.

    Parameters
    ----------
    name : str
        The parameter.
    narrow : callable
        Given the rows and the text, returns fewer rows; raises `Refused` by `bad`.
    beside : sequence of str
        Other parameters whose texts the function is given too, by name.
    verify : callable, optional
        Given the text where nothing was found, raises `Refused` if that is because of a mistake.
    help : str
        What it means, for the schema.
    shape : dict
        Its OpenAPI schema.
    """

    def __init__(
        self,
        name: str,
        narrow: Callable[..., Any],
        help: str = "",
        shape: Schema | None = None,
        beside: Sequence[str] = (),
        verify: Callable[[str], Any] | None = None,
    ) -> None:
        self.name = name
        self.narrow = narrow
        self.beside = tuple(beside)
        self.verify = verify
        self.help = help
        self.shape = shape or {"type": "string"}

    def apply(self, rows: Any, text: str, query: Mapping[str, str]) -> Any:
        """Return fewer rows.

        Parameters
        ----------
        rows : QuerySet
            The rows so far.
        text : str
            What the parameter says.
        query : mapping
            All parameters.
        """
        if self.beside:
            return self.narrow(rows, text, **{name: query.get(name, "") for name in self.beside})
        return self.narrow(rows, text)

    def __repr__(self) -> str:
        return f"Filter({self.name!r})"


def bad(name: str, message: str) -> Refused:
    """Return the error for a parameter whose value means nothing."""
    return Refused(400, {name: [message]})


def is_(name: str, source: str = "", lookup: str = "exact", help: str = "") -> Filter:
    """Return a filter on a column, or on one of a row that this row leads to.

    Parameters
    ----------
    name : str
        The parameter.
    source : str
        The column, or a path of relations to one; the parameter's name by default.
    lookup : str
        How it compares: ``exact``, ``iexact``, ``icontains`` and so on.
    help : str
        What it means.
    """
    path = source or name

    def narrow(rows: Any, text: str) -> Any:
        field = column(rows.model, path)
        if lookup.startswith("i"):
            value: Any = text
        elif lookup.startswith("date"):
            value = day_of(name, text)
        else:
            value = value_of(name, field, text)
        return rows.filter(**_condition(rows.model, path, lookup, value))

    return Filter(name, narrow, help or f"{path.replace('__', ' ')} ({lookup})")


def _condition(model: Any, path: str, lookup: str, value: Any) -> dict[str, Any]:
    """Return the condition, through a subquery as soon as it leaves the table."""
    first, _, rest = path.partition("__")
    field = model._meta.get_field(first)
    if not field.is_relation or not rest:
        return {f"{path}__{lookup}": value}
    if field.many_to_many or field.one_to_many:
        owners = model._default_manager.filter(**{f"{path}__{lookup}": value})
        return {"pk__in": owners.order_by().values("pk")}
    if rest in ("pk", "id"):
        return {f"{first}__{lookup}": value}
    related = field.related_model._default_manager
    inner = related.filter(**_condition(field.related_model, rest, lookup, value))
    return {f"{first}__in": inner.order_by().values("pk")}


def columns(*names: str) -> tuple[Filter, ...]:
    """Return filters for columns by their exact values."""
    return tuple(is_(name) for name in names)


def value_of(name: str, field: Any, text: str) -> Any:
    """Return a parameter's text as a value of a column."""
    if field.is_relation:
        field = field.target_field
    if isinstance(field, models.UUIDField):
        return uuid_of(name, text)
    if isinstance(field, models.BooleanField):
        return truth_of(name, text)
    if isinstance(field, models.IntegerField) and field.choices:
        return choice_of(name, field, text)
    if isinstance(field, (models.IntegerField, models.FloatField)):
        number = number_of(name, text)
        if isinstance(number, float) and isinstance(field, models.IntegerField):
            raise bad(name, "Enter a whole number.")
        return number
    if isinstance(field, models.DateTimeField):
        return time_of(name, text)
    if isinstance(field, models.DateField):
        return day_of(name, text)
    return text


def uuid_of(name: str, text: str) -> uuid.UUID:
    """Return a parameter as an id."""
    try:
        return uuid.UUID(text)
    except ValueError:
        raise bad(name, "Enter a valid UUID.") from None


def number_of(name: str, text: str) -> float | int:
    """Return a parameter as a number."""
    try:
        number = float(text) if len(text) < 64 else None
    except ValueError:
        number = None
    if number is None or not abs(number) < 2**62:
        raise bad(name, "Enter a number.")
    return int(number) if number == int(number) else number


_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def truth_of(name: str, text: str) -> bool:
    """Return a parameter as a truth value."""
    if text.lower() not in _TRUTHS:
        raise bad(name, f'"{text}" is neither true nor false.')
    return _TRUTHS[text.lower()]


def day_of(name: str, text: str) -> date:
    """Return a parameter as a day; a time stands for its day."""
    try:
        return datetime.fromisoformat(text.strip()).date()
    except ValueError:
        raise bad(name, "Enter a valid date.") from None


def time_of(name: str, text: str) -> datetime:
    """Return a parameter as a time without a zone."""
    try:
        return datetime.fromisoformat(text.strip()).replace(tzinfo=None)
    except ValueError:
        raise bad(name, "Enter a valid date/time.") from None


def choice_of(name: str, field: Any, text: str) -> int:
    """Return a parameter as the number of a choice that it names."""
    for number, label in field.choices:
        if text in (str(label), str(number)):
            return int(number)
    names = ", ".join(str(label) for _, label in field.choices)
    raise Refused(400, f'{name}: "{text}" is not one of {names}.')


def items_of(name: str, text: str) -> list[str]:
    """Return the parts of a parameter between commas."""
    items = [item.strip() for item in text.split(",") if item.strip()]
    if len(items) > MANY:
        raise bad(name, f"at most {MANY} values")
    return items


def days(name: str, source: str, help: str = "a first and a last day, with a comma") -> Filter:
    """Return a filter for a range of days, both included."""

    def narrow(rows: Any, text: str) -> Any:
        ends = items_of(name, text)
        if len(ends) != 2:
            raise Refused(400, f"{name}: a first and a last date, with a comma between them.")
        first, last = (day_of(name, end) for end in ends)
        kind = column(rows.model, source)
        if isinstance(kind, models.DateTimeField):
            return rows.filter(**{f"{source}__date__gte": first, f"{source}__date__lte": last})
        return rows.filter(**{f"{source}__gte": first, f"{source}__lte": last})

    return Filter(name, narrow, help)


def each(name: str, source: str, help: str = "") -> Filter:
    """Return a filter for rows that lead to all of some names, given with commas."""

    def narrow(rows: Any, text: str) -> Any:
        for item in items_of(name, text):
            rows = rows.filter(**_condition(rows.model, source, "exact", item))
        return rows

    return Filter(name, narrow, help or f"{source.replace('__', ' ')}: all of these")


def language(name: str = "django", prefix: str = "") -> Filter:
    """Return the filter of pairs of a path and a value; ``prefix`` stands before each path."""

    def narrow(rows: Any, text: str) -> Any:
        from fascicle.errors import SearchTermError
        from fascicle.hub.rest.conditions import to_query

        if prefix:
            text = _prefixed(text.replace(";", ","), prefix)
        try:
            for condition in to_query(rows.model, text):
                rows = rows.filter(condition)
        except SearchTermError as error:
            raise Refused(400, str(error)) from None
        return rows

    return Filter(name, narrow, "pairs of a path and a value, with commas: field__lookup,value")


def _prefixed(text: str, prefix: str) -> str:
    parts = text.split(",")
    for place in range(0, len(parts), 2):
        path = parts[place].strip()
        turned = "~" if path.startswith("~") else ""
        parts[place] = f"{turned}{prefix}__{path.removeprefix('~')}" if path else path
    return ",".join(parts)
