"""The conditions of a ``django=`` filter, checked against what may be asked, typed by column.

Each condition stands for itself, as in Alyx: of several on the same relation to many rows, each
may be met by another row. A condition with ``~`` leaves out the rows that meet it, so that rows
without a value stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models.fields.json import KeyTransform
from django.utils.dateparse import parse_date, parse_datetime

from fascicle.errors import SearchTermError, nearest
from fascicle.hub.rest import lookups as _lookups  # noqa: F401 - SQLite compares as PostgreSQL
from fascicle.hub.rest.language import Number, Term, literal, parse, shortened
from fascicle.hub.rest.patterns import compiled
from fascicle.hub.rest.reachable import names

#: How many relations one field may follow.
MOST_RELATIONS = 6
_MOST_KEYS = 8

_ORDERED = frozenset(("exact", "in", "gt", "gte", "lt", "lte", "range", "isnull"))
_PIECES = frozenset(("contains", "startswith", "endswith", "regex", "exact"))
_TEXT = _ORDERED | _PIECES | {f"i{name}" for name in _PIECES}
_SAME = frozenset(("exact", "in", "isnull"))
_JSON = _TEXT - {"range"} | {"has_key"}
_DAY = ("year", "month", "day", "week", "week_day", "iso_week_day", "iso_year", "quarter")
_MOMENT = ("date", *_DAY, "hour", "minute", "second")

Convert = Callable[[Any], Any]


def to_query(model: type[models.Model], text: str) -> list[models.Q]:
    """Return what a filter asks of the rows of a table.

    Parameters
    ----------
    model : django.db.models.Model
        The table.
    text : str
        The filter, such as ``subject__nickname,KS020``.

    Returns
    -------
    list of Q
        For ``model.objects.filter(*to_query(model, text))``; no row comes twice.

    Raises
    ------
    SearchTermError
        If the filter is malformed, or asks for what is not there or not to be asked; the message
        names what is.
    """
    return [_condition(model, term) for term in parse(text)]


def _fail(why: str, hint: str = "") -> SearchTermError:
    return SearchTermError(f"django: {why}", hint=hint)


def _condition(model: type[models.Model], term: Term) -> models.Q:
    path = _Path(model, term)
    found = path.condition()
    if path.to_many or (term.turned and path.keys):
        # No row comes twice, and what has no value is not among the rows that are left out
        found = models.Q(pk__in=model._base_manager.filter(found).order_by().values("pk"))
    return ~found if term.turned else found


class _Path:
    """A field of a filter: the relations it follows, the column, what is asked of it."""

    def __init__(self, model: type[models.Model], term: Term) -> None:
        self.term = term
        self.to_many = False
        self.keys: list[str] = []
        self.used: list[str] = []
        rest = list(term.names)
        self.column = self._follow(model, rest)
        self.asked = "exact"
        if isinstance(self.column, models.JSONField):
            self._json(rest)
        else:
            self._transforms(rest)

    # -- where it leads -----------------------------------------------------------------------

    def _follow(self, model: type[models.Model], rest: list[str]) -> Any:
        field: Any = None
        relations = 0
        while rest:
            if field is not None and not field.is_relation:
                break
            table = model if field is None else field.related_model
            found = self._field(table, rest[0])
            if found is None and field is not None and rest[0] in _TEXT:
                break  # what is asked of the relation itself
            if found is None:
                raise self._unknown(table, rest[0])
            name = rest.pop(0)
            relations += found.is_relation
            if relations > MOST_RELATIONS:
                raise _fail(f"{shortened(self.term.field)!r} follows too many relations")
            self.to_many |= bool(found.many_to_many or found.one_to_many)
            field = found
            if name.endswith("_id") and found.name != name:
                self.used.append(found.name)
                break
            self.used.append("pk" if name == "pk" else found.name)
        if field is None:
            raise _fail(f"{shortened(self.term.field)!r} is no field")
        if field.is_relation:  # by the id of what it leads to
            field = field.related_model._meta.pk
        return field

    @staticmethod
    def _field(table: type[models.Model], name: str) -> Any:
        allowed = names(table.__name__)
        if name == "pk":
            return table._meta.pk if allowed else None
        try:
            found = table._meta.get_field(name)
        except FieldDoesNotExist:
            return None
        if found.name not in allowed or (found.is_relation and found.related_model is None):
            return None
        if found.is_relation and not names(found.related_model.__name__):
            return None
        return found

    def _unknown(self, table: type[models.Model], name: str) -> SearchTermError:
        known = sorted(n for n in names(table.__name__) if self._field(table, n) is not None)
        return _fail(
            f"Cannot resolve keyword {shortened(name)!r} into field. "
            f"Choices are: {', '.join(known)}",
            nearest(name[:80], known),
        )

    # -- what is asked of it --------------------------------------------------------------------

    def _transforms(self, rest: list[str]) -> None:
        while rest and (kind := self._transformed(rest[0])) is not None:
            self.used.append(rest.pop(0))
            self.column = kind
        if len(rest) == 1 and rest[0] in self._lookups():
            self.asked = rest[0]
        elif rest:
            raise _fail(
                f"{shortened('__'.join(rest))!r} cannot be asked of "
                f"{shortened('__'.join(self.used))!r}",
                f"it has: {', '.join(sorted(self._lookups()))}",
            )

    def _transformed(self, name: str) -> models.Field | None:
        column = self.column
        if isinstance(column, models.DateTimeField) and name in _MOMENT:
            return models.DateField() if name == "date" else models.IntegerField()
        if isinstance(column, models.DateField) and name in _DAY:
            return models.IntegerField()
        return None

    def _lookups(self) -> frozenset[str]:
        if isinstance(self.column, models.JSONField):
            return _JSON
        if isinstance(self.column, models.CharField | models.TextField):
            return _TEXT
        if isinstance(self.column, models.UUIDField | models.BooleanField):
            return _SAME
        return _ORDERED

    def _json(self, rest: list[str]) -> None:
        if rest and rest[-1] in _JSON:
            self.asked = rest.pop()
        if len(rest) > _MOST_KEYS or any(len(key) > 128 for key in rest):
            raise _fail(f"{shortened(self.term.field)!r} goes too deep")
        if taken := set(rest[1:]) & KeyTransform.get_lookups().keys():
            raise _fail(f"a key within JSON cannot be called {taken.pop()!r}, a comparison, here")
        self.keys = rest
        if not rest and self.asked not in ("exact", "isnull", "has_key", "icontains"):
            raise _fail(
                f"{self.asked} is asked of a value in {self.used[-1]}: write "
                f"{self.used[-1]}__key__{self.asked}"
            )

    # -- what it is compared with ---------------------------------------------------------------

    def condition(self) -> models.Q:
        asked, value = self.asked, self.term.value
        path = "__".join([*self.used, *self.keys])
        if asked == "isnull":
            return models.Q((f"{path}__isnull", self._truth(value)))
        if asked == "range":
            return self._range(path, value)
        if asked == "in":
            if not isinstance(value, list):
                value = [literal(value)]
            if isinstance(self.column, models.JSONField):
                return models.Q((f"{path}__in", [self._of_json(v) for v in value]))
            wanted = [self._typed(v) for v in value if v is not None]
            if isinstance(self.column, models.IntegerField):
                wanted = [v for v in wanted if v == int(v) and abs(v) < 2**63]
            found = models.Q((f"{path}__in", wanted))
            return found | models.Q((f"{path}__isnull", True)) if None in value else found
        if isinstance(self.column, models.JSONField):
            return self._in_json(path, asked, value)
        if isinstance(value, list):
            raise self._bad(value, f"a list is for {path}__in")
        if asked in ("regex", "iregex"):
            return self._pattern(path, asked, value)
        if value == "None":
            if asked in ("exact", "iexact"):
                return models.Q((f"{path}__isnull", True))
            if asked in ("gt", "gte", "lt", "lte"):
                raise self._bad(value, "None is neither smaller nor larger")
        return self._compared(path, asked, self._typed(value, asked))

    def _compared(self, path: str, asked: str, value: Any) -> models.Q:
        whole = isinstance(self.column, models.IntegerField)
        if whole and isinstance(value, float):  # 1.5: no whole number is it
            if asked == "exact":
                return models.Q(pk__in=[])
            up = asked in ("gte", "lt")
            value = math.ceil(value) if up else math.floor(value)
        if whole and abs(value) >= 2**63:
            raise self._bad(str(value), "it is too large")
        return models.Q((f"{path}__{asked}", value))

    def _range(self, path: str, value: Any) -> models.Q:
        if not isinstance(value, list) or len(value) != 2 or None in value:
            raise self._bad(value, "a range is a list of two values")
        low, high = (self._typed(v, "gte") for v in value)
        return self._compared(path, "gte", low) & self._compared(path, "lte", high)

    def _pattern(self, path: str, asked: str, value: Any) -> models.Q:
        if not isinstance(value, str):
            raise self._bad(value, "a pattern is text")
        if value.startswith("(?i)"):
            asked, value = "iregex", value[4:]
        compiled(value, asked == "iregex")
        return models.Q((f"{path}__{asked}", value))

    def _truth(self, value: Any) -> bool:
        words = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
        word = str(value).lower()
        if isinstance(value, list) or word not in words:
            raise self._bad(value, "it is either True or False")
        return words[word]

    def _typed(self, value: Any, asked: str = "exact") -> Any:
        column = self.column
        if isinstance(value, list) or (isinstance(value, bool) and not _is_flag(column)):
            raise self._bad(value, "such a value cannot be compared with it")
        if isinstance(column, models.BooleanField):
            return self._truth(value)
        if isinstance(column, models.UUIDField):
            return self._uuid(value)
        if isinstance(column, models.DateTimeField):
            return self._moment(value)
        if isinstance(column, models.DateField):
            return self._day(value)
        if isinstance(column, models.CharField | models.TextField):
            return self._text(value)
        return self._number(value)

    def _text(self, value: str) -> str:
        if "\x00" in value:
            raise self._bad(value, "text has no zero byte")
        return str(value)

    def _number(self, value: str) -> int | float:
        by_name = {str(label).lower(): key for key, label in self.column.choices or ()}
        if value.lower() in by_name:
            return int(by_name[value.lower()])
        if not _is_number(value):
            known = f", or one of {', '.join(map(str, by_name))}" if by_name else ""
            raise self._bad(value, f"a number is expected{known}")
        number = float(value)
        if math.isinf(number):
            raise self._bad(value, "it is too large")
        if not isinstance(self.column, models.IntegerField):
            return number
        whole = int(value) if value.lstrip("+-").isdigit() else number
        if self.used[-1] in ("year", "iso_year") and not 1 <= whole <= 9998:
            raise self._bad(value, "a year is from 1 to 9998")
        return int(whole) if whole == int(whole) else whole

    def _uuid(self, value: str) -> UUID:
        try:
            return UUID(value.rstrip("/").rpartition("/")[2])  # clients have addresses of rows too
        except ValueError:
            raise self._bad(value, "an id (UUID) is expected") from None

    def _day(self, value: str) -> date:
        try:
            found = parse_date(value) or getattr(parse_datetime(value), "date", lambda: None)()
        except ValueError:
            found = None
        if found is None:
            raise self._bad(value, "a day is expected, as in 2022-02-03")
        return found

    def _moment(self, value: str) -> datetime:
        try:
            found = parse_datetime(value)
            if found is None and (day := parse_date(value)) is not None:
                found = datetime.combine(day, datetime.min.time())
            if found is not None and found.tzinfo is not None:
                found = found.replace(tzinfo=None) - (found.utcoffset() or timedelta())
        except (ValueError, OverflowError):
            found = None
        if found is None:
            raise self._bad(value, "a time is expected, as in 2022-02-03T10:11:12 or 2022-02-03")
        return found

    # -- JSON -------------------------------------------------------------------------------------

    def _in_json(self, path: str, asked: str, value: Any) -> models.Q:
        if asked == "has_key":
            if not isinstance(value, str) or "\x00" in value:
                raise self._bad(value, "a key is text")
            return models.Q((f"{path}__has_key", value))
        if asked in ("regex", "iregex"):
            return self._pattern(path, asked, value)
        if asked == "exact":
            typed = self._of_json(literal(value) if isinstance(value, str) else value)
            if typed is None and not self.keys:
                return models.Q((f"{path}__isnull", True))
            return models.Q((f"{path}__exact", typed))  # else a key may look like a comparison
        if isinstance(value, list):
            raise self._bad(value, f"a list is for {path}__in")
        if asked in ("gt", "gte", "lt", "lte"):
            typed = self._of_json(literal(value))
            if typed is None or isinstance(typed, bool):
                raise self._bad(value, "it is neither smaller nor larger than anything")
            kind = "string" if isinstance(typed, str) else "number"
            return models.Q((f"{path}__of_kind", kind)) & models.Q((f"{path}__{asked}", typed))
        return models.Q((f"{path}__{asked}", self._text(value)))

    def _of_json(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._of_json(item) for item in value]
        if isinstance(value, Number):
            number = float(value)
            if math.isinf(number):
                raise self._bad(value, "it is too large")
            plain = value.lstrip("+-").isdigit() and len(value) < 19
            return int(value) if plain else number
        return self._text(value) if isinstance(value, str) else value

    def _bad(self, value: Any, why: str) -> SearchTermError:
        return _fail(
            f"{shortened(str(value))!r} is no value of {shortened(self.term.field)!r}: {why}"
        )


def _is_flag(column: Any) -> bool:
    return isinstance(column, models.BooleanField)


def _is_number(value: str) -> bool:
    return isinstance(literal(value), Number) and len(value) <= 40
