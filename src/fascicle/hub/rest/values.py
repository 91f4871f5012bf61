"""What clients send, as values of columns, with the messages that they know from Alyx."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import unquote
from uuid import UUID

from django.core.files.uploadedfile import UploadedFile
from django.db import models
from django.utils.dateparse import parse_date, parse_datetime

from fascicle.hub.rest.fields import Choice, Field, column

MOST_ITEMS = 10_000
_DEEPEST = 64
_BITS = {"BigIntegerField": 63, "SmallIntegerField": 15}
_FALSE = ("false", "f", "0", "no", "n", "off")
_TRUE = ("true", "t", "1", "yes", "y", "on")
_TIME = "YYYY-MM-DDThh:mm[:ss[.uuuuuu]][+HH:MM|-HH:MM|Z]"


class Invalid(ValueError):
    """A value that its column cannot have; the message is for the client."""


def value_for(field: Field, model: Any, value: Any) -> Any:
    """Return what a client sent as a value of a field's column.

    Parameters
    ----------
    field : Field
        The field.
    model : type
        The table.
    value : object
        As it came.

    Returns
    -------
    object
        For a relation the row, for several rows a list.

    Raises
    ------
    Invalid
        If the field cannot have it.
    """
    if hasattr(field, "take"):
        return field.take(value)
    if isinstance(value, UploadedFile):
        raise Invalid("A file was sent where a value is expected.")
    if field.kind == "many":
        return _many(field, model, value)
    target = column(model, field.attribute)
    if value is None or (value == "" and target.is_relation):
        if target.null:
            return None
        raise Invalid("This field may not be null.")
    if field.kind == "choice":
        return _choice(field, target, value)
    if field.kind in ("related", "link"):
        return row_for(target.related_model, field.key, value)
    return plain(target, value)


def plain(target: Any, value: Any) -> Any:
    """Return a value of a plain column; see `value_for`."""
    if isinstance(target, models.JSONField):
        return free(value)
    if isinstance(value, list | dict):
        raise Invalid("Not a valid string." if _is_text(target) else "A single value is required.")
    if isinstance(target, models.DateTimeField):
        return _time(target, value)
    if isinstance(target, models.DateField):
        return _day(target, value)
    if isinstance(target, models.BooleanField):
        return _truth(value)
    if isinstance(target, models.IntegerField):
        return _whole(target, value)
    if isinstance(target, models.FloatField):
        return _number(target, value)
    if isinstance(target, models.UUIDField):
        return _uuid(target, value)
    return _text(target, value)


def _is_text(target: Any) -> bool:
    return isinstance(target, models.CharField | models.TextField)


def clean_text(value: str) -> str:
    """Return a text that any database takes."""
    if "\x00" in value:
        raise Invalid("Null characters are not allowed.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid("Not a valid string.") from None
    return value


def _text(target: Any, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise Invalid("Not a valid string.")
    text = clean_text(str(value)).strip()
    if not text and not target.blank:
        raise Invalid("This field may not be blank.")
    if target.choices and text and text not in dict(target.choices):
        by_name = {str(label).lower(): key for key, label in target.choices}
        if text.lower() not in by_name:
            raise Invalid(f'"{text}" is not a valid choice.')
        return str(by_name[text.lower()])
    return text


def _blank(target: Any, value: Any) -> bool:
    # a form has no null
    return bool(value == "" and target.null)


def _whole(target: Any, value: Any) -> int | None:
    if _blank(target, value):
        return None
    try:
        number = int(str(value).strip()) if len(str(value)) < 32 else None
    except ValueError:
        number = int(value) if isinstance(value, float) and value.is_integer() else None
    if number is None or isinstance(value, bool):
        raise Invalid("A valid integer is required.")
    largest = 2 ** _BITS.get(target.get_internal_type(), 31) - 1
    if number > largest:
        raise Invalid(f"Ensure this value is less than or equal to {largest}.")
    if number < -largest - 1:
        raise Invalid(f"Ensure this value is greater than or equal to {-largest - 1}.")
    return number


def _number(target: Any, value: Any) -> float | None:
    if _blank(target, value):
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise Invalid("A valid number is required.")
    return number


def _truth(value: Any) -> bool:
    word = str(value).lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Invalid("Must be a valid boolean.")


def _uuid(target: Any, value: Any) -> UUID | None:
    if _blank(target, value):
        return None
    try:
        return UUID(str(value))
    except ValueError:
        raise Invalid("Must be a valid UUID.") from None


def _time(target: Any, value: Any) -> datetime | None:
    if _blank(target, value):
        return None
    try:
        found = parse_datetime(value) if isinstance(value, str) else None
        if found is None and isinstance(value, str) and (day := parse_date(value)) is not None:
            found = datetime.combine(day, datetime.min.time())
        if found is not None and found.tzinfo is not None:
            found = found.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise Invalid(f"Datetime has wrong format. Use one of these formats instead: {_TIME}.")
    return found


def _day(target: Any, value: Any) -> date | None:
    if _blank(target, value):
        return None
    try:
        found = parse_date(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if found is None:
        raise Invalid("Date has wrong format. Use one of these formats instead: YYYY-MM-DD.")
    return found


def free(value: Any, depth: int = 0) -> Any:
    """Return free JSON that both databases take."""
    if depth > _DEEPEST:
        raise Invalid("Value must be valid JSON: it lies too deep.")
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise Invalid("Value must be valid JSON: a number is too large.")
    if isinstance(value, int) and abs(value) >= 2**63:
        raise Invalid("Value must be valid JSON: a number is too large.")
    if isinstance(value, Mapping):
        return {clean_text(str(k)): free(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [free(item, depth + 1) for item in value]
    return value


def free_of_form(value: Any) -> Any:
    """Return the JSON that stands in a field of a form."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value) if value else None
    except (ValueError, RecursionError):
        raise Invalid("Value must be valid JSON.") from None


def _choice(field: Field, target: Any, value: Any) -> int:
    assert isinstance(field, Choice)
    by_name = {name.lower(): number for number, name in field.names.items()}
    if isinstance(value, str) and value.strip().lower() in by_name:
        return int(by_name[value.strip().lower()])
    if not isinstance(value, bool) and str(value) in map(str, field.names):
        return int(value)
    raise Invalid(
        f'"{value}" is not a valid choice. It is one of {", ".join(field.names.values())}.'
    )


def _many(field: Field, model: Any, value: Any) -> list[Any]:
    related = model._meta.get_field(field.attribute).related_model
    if not isinstance(value, list | tuple):
        raise Invalid(f'Expected a list of items but got type "{type(value).__name__}".')
    if len(value) > MOST_ITEMS:
        raise Invalid(f"Ensure this field has no more than {MOST_ITEMS} elements.")
    names = [item for item in value if isinstance(item, str) and "\x00" not in item]
    known: dict[Any, Any] = {}
    if field.key not in ("pk", "id"):
        rows = related._default_manager.filter(**{f"{field.key}__in": names})
        known = {getattr(row, field.key): row for row in rows}
    found = [
        known[item]
        if isinstance(item, str) and item in known
        else row_for(related, field.key, item)
        for item in value
    ]
    return list(dict.fromkeys(found))


def row_for(model: Any, key: str, value: Any) -> Any:
    """Return the row that a value names: by its key, its id, or an address that ends in either.

    Parameters
    ----------
    model : type
        The table.
    key : str
        The column by which clients know its rows.
    value : object
        What a client sent.

    Raises
    ------
    Invalid
        If there is no such row.
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Invalid("Invalid value.")
    text = clean_text(str(value)).strip()
    rows = model._default_manager.all()
    names = [key] if key not in ("pk", "id") else []
    if key == "probe_model":
        names.append("name")
    if "://" in text:
        text = clean_text(unquote(text.partition("?")[0].rstrip("/").rpartition("/")[2]))
    for name in names:
        if (found := rows.filter(**{name: text}).first()) is not None:
            return found
    found = None
    if isinstance(model._meta.pk, models.UUIDField):
        try:
            found = rows.filter(pk=UUID(text)).first()
        except ValueError:
            found = None
    elif text.lstrip("-").isdigit() and len(text) < 12:
        found = rows.filter(pk=int(text)).first()
    if found is None and names:
        raise Invalid(f"Object with {key}={text} does not exist.")
    if found is None:
        raise Invalid(f'Invalid pk "{text}" - object does not exist.')
    return found
