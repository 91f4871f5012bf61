"""What belongs to the rows of a page: one statement for a relation, however many rows.

The statement is Django's own, made once for each relation with one id and then run with as many
as a page has. Its rows are taken as the database gives them: making an object of each of
thousands of ids would cost more than all else of an answer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection, models

from fascicle.hub.rest.prepared import fetch, one_of

Gathered = dict[Any, list[Any]]
Wanted = tuple[str, str]  # a relation, and the column of the rows that it leads to

_ONE = "IN (%s)"


def gather(model: Any, relation: str, key: str, ids: Sequence[Any]) -> Gathered:
    """Return, for each of some rows, a column of the rows that a relation leads to.

    Parameters
    ----------
    model : type
        The table of the rows.
    relation : str
        The relation.
    key : str
        The column; ``pk`` for ids, which are text here.
    ids : sequence
        The keys of the rows.

    Returns
    -------
    dict
        Lists by the keys of the rows, in the order of their values; rows without any are left out.
    """
    return gather_all(model, [(relation, key)], ids)[relation, key]


def gather_all(model: Any, wanted: Sequence[Wanted], ids: Sequence[Any]) -> dict[Wanted, Gathered]:
    """Return what `gather` returns for several relations, from one statement.

    Parameters
    ----------
    model : type
        The table of the rows.
    wanted : sequence of tuple of str
        Relations and columns; with more than one, the columns are text.
    ids : sequence
        The keys of the rows.
    """
    wanted = tuple(dict.fromkeys(wanted))
    found: dict[Wanted, Gathered] = {one: {} for one in wanted}
    if not ids:
        return found
    prepare, text = _kinds(model, wanted)
    raw = {prepare(key): key for key in ids}
    many, given = one_of("", list(raw), "")
    statement = _statement(connection.vendor, model, wanted).replace(_ONE, many)
    lists = list(found.values())
    values = [value for place in range(len(wanted)) for value in (place, *given)]
    for owner, place, value in fetch(statement, values):
        lists[place].setdefault(raw[owner], []).append(value)
    for one in lists:
        for values in one.values():
            if len(values) > 1:
                values.sort()
            if text is not None:
                values[:] = map(text, values)
    return found


def _kinds(
    model: Any, wanted: Sequence[Wanted]
) -> tuple[Callable[[Any], Any], Callable[[Any], str] | None]:
    """Return how the database writes the keys, and how ids that it returns become text."""
    own = model._meta.pk
    hexadecimal = not connection.features.has_native_uuid_field
    prepare: Callable[[Any], Any] = lambda key: key  # noqa: E731
    if isinstance(own, models.UUIDField) and hexadecimal:
        prepare = lambda key: key.hex  # noqa: E731
    text = None
    if wanted[0][1] == "pk":
        text = _with_hyphens if hexadecimal else str
    return prepare, text


def _with_hyphens(digits: str) -> str:
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


@functools.lru_cache(maxsize=256)
def _statement(vendor: str, model: Any, wanted: tuple[Wanted, ...]) -> str:
    """Return the statement for one row, with ``IN (%s)`` where the row's key stands."""
    parts = []
    for place, (relation, key) in enumerate(wanted):
        rows, near, path = _pairs(model, relation, key)
        query = rows.order_by().values_list(near, models.Value(place), path).query
        sql, values = query.get_compiler(connection=connection).as_sql()
        if sql.count(_ONE) != 1 or sql.count("%s") != 2 or values[0] != place:
            raise RuntimeError(f"a statement of another form than was thought: {sql}")
        parts.append(sql)
    return " UNION ALL ".join(parts)


def _pairs(model: Any, relation: str, key: str) -> tuple[Any, str, str]:
    """Return rows that hold an owner and what belongs to it, and the paths of both."""
    field = model._meta.get_field(relation)
    one = [model._meta.pk.to_python("0" * 32)]
    if field.many_to_many and not field.auto_created:
        # The table between the two, without the owner's own.
        near, far = f"{field.m2m_field_name()}_id", field.m2m_reverse_field_name()
        rows = field.remote_field.through._default_manager.filter(**{f"{near}__in": one})
        return rows, near, f"{far}_id" if key == "pk" else f"{far}__{key}"
    if field.one_to_many:
        # The rows that point here, by what they point with.
        near = field.remote_field.attname
        rows = field.related_model._default_manager.filter(**{f"{near}__in": one})
        return rows, near, key
    rows = model._default_manager.filter(pk__in=one, **{f"{relation}__isnull": False})
    return rows, "pk", f"{relation}__{key}"
