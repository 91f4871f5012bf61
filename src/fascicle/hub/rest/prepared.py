"""Statements that are made once and run with other values.

Django works a statement out anew for each request, which takes longer than the database needs to
answer it by a key. Here Django does so once; PostgreSQL, too, plans it once for a connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.core.exceptions import EmptyResultSet
from django.db import connection

#: What stands for a value while the statement is made.
MARK = UUID("6d61726b-0000-4000-8000-000000000000")
MARK_TEXT = "6d61726b of a text"

_IN = "IN (%s)"


class Prepared:
    """A statement with one value, or one list of values, that differs.

    Parameters
    ----------
    make : callable
        Given a mark, returns the ``values_list`` whose statement it is. The mark is compared in
        one place, by ``field=mark`` or ``field__in=[mark]``; all else is the same each time.
    mark : object
        Of the type of the values: ids, unless it is said.

    Examples
    --------
    ::

        NAMES = Prepared(lambda key: Lab.objects.filter(pk__in=[key]).values_list("pk", "name"))
        NAMES.rows(ids)
    """

    def __init__(self, make: Callable[[Any], Any], mark: Any = MARK) -> None:
        self._make = make
        self._mark = mark
        self._ready: dict[str, _Statement] = {}

    def rows(self, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return the rows for some values."""
        if not values:
            return []
        ready = self._ready.get(connection.vendor)
        if ready is None:
            rows = self._make(self._mark)
            ready = self._ready[connection.vendor] = _Statement(rows, self._mark)
        return ready.rows(values)


class _Compiled:
    """The statement of a query set on this kind of database, and what its columns become."""

    def __init__(self, rows: Any) -> None:
        compiler = rows.query.get_compiler(connection=connection)
        self.sql, self.values = compiler.as_sql()
        self.size = len(compiler.select)
        self.converters = [
            (place, expression, convert)
            for place, (functions, expression) in compiler.get_converters(
                [column for column, *_ in compiler.select]
            ).items()
            for convert in functions
        ]

    def convert(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Return rows with the values that Django makes of the database's."""
        if not self.converters or not rows:
            return rows
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        for at, expression, convert in self.converters:
            columns[at] = [convert(value, expression, connection) for value in columns[at]]
        return list(zip(*columns, strict=True))


class _Statement(_Compiled):
    """A statement in which a mark stands for values."""

    def __init__(self, rows: Any, mark: Any) -> None:
        super().__init__(rows)
        marks = [place for place, value in enumerate(self.values) if value == stored(mark)]
        if len(marks) != 1:
            raise RuntimeError(f"a statement of another form than was thought: {self.sql}")
        self.place = marks[0]
        # Of the marks for values, which one is ours, and what stands before it.
        parts = self.sql.split("%s")
        self.before, self.after = "%s".join(parts[: marks[0] + 1]), "%s".join(parts[marks[0] + 1 :])
        self.many = self.before.endswith("IN (")

    def rows(self, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Return the rows for some values."""
        given = list(map(stored, values))
        sql: str = self.sql
        if self.many:
            sql, given = one_of(self.before[:-4], given, self.after[1:])
        elif len(given) != 1:
            raise ValueError("this statement takes one value")
        place = self.place
        return self.convert(fetch(sql, [*self.values[:place], *given, *self.values[place + 1 :]]))


class Repeated:
    """A statement with all its values, for a question that is asked again.

    Parameters
    ----------
    rows : QuerySet
        A ``values_list``.
    """

    def __init__(self, rows: Any) -> None:
        self._rows = rows
        self._ready: _Compiled | None = None
        self._text = ""

    def rows(self) -> list[tuple[Any, ...]]:
        """Return the rows as they are now.

        From the second time on, PostgreSQL keeps its plan: one for these very values.
        """
        if self._ready is None:
            try:
                self._ready = _Compiled(self._rows)
            except EmptyResultSet:  # nothing can be so, and the database is not asked
                return []
            with connection.cursor() as cursor:
                cursor.execute(self._ready.sql, self._ready.values)
                return self._made(cursor.fetchall())
        if connection.vendor != "postgresql":
            return self._made(fetch(self._ready.sql, self._ready.values))
        if not self._text:
            with connection.cursor() as cursor:
                text: str = cursor.mogrify(self._ready.sql, self._ready.values)
            self._text = text.replace("%", "%%")
        return self._made(fetch(self._text, ()))

    def _made(self, rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        assert self._ready is not None
        size = self._ready.size
        if rows and len(rows[0]) > size:  # columns that are there for the order alone
            rows = [row[:size] for row in rows]
        return self._ready.convert(rows)


@contextmanager
def watched() -> Iterator[list[str]]:
    """Collect the statements that are run meanwhile."""
    ran: list[str] = []

    def note(execute: Any, sql: str, *rest: Any) -> Any:
        ran.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        yield ran


def stored(value: Any) -> Any:
    """Return a value as this database takes it."""
    if isinstance(value, UUID) and not connection.features.has_native_uuid_field:
        return value.hex
    return value


def one_of(before: str, values: list[Any], after: str) -> tuple[str, list[Any]]:
    """Return a statement that compares a column with any of some values, and the values.

    For PostgreSQL it is the same for any number of values but one, so that few are planned; one
    alone has its own, since a plan for several would be thought to be slower.
    """
    if len(values) == 1:
        return f"{before}= %s{after}", values
    if connection.vendor == "postgresql":
        if isinstance(values[0], UUID):  # as text: psycopg looks at each for what to escape
            return f"{before}= ANY(%s::uuid[]){after}", [f"{{{','.join(v.hex for v in values)}}}"]
        return f"{before}= ANY(%s){after}", [values]
    return f"{before}IN ({', '.join(['%s'] * len(values))}){after}", values


def fetch(sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run a statement that is the same each time, and return its rows as the database has them."""
    with _cursor() as cursor:
        cursor.execute(sql, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def _cursor() -> Any:
    prepared = getattr(connection, "prepared_cursor", connection.cursor)  # PostgreSQL has it
    return prepared()
