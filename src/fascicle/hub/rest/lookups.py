"""Comparisons that SQLite lacks, so that a filter finds the same on both databases.

In SQLite, ``contains`` and its kind do not tell upper from lower case, and patterns go through
Python's engine, which nothing stops. Importing this module puts others in their place.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from django.db import connections
from django.db.backends.signals import connection_created
from django.db.models import CharField, Lookup, TextField
from django.db.models.fields.json import (
    KeyTransform,
    KeyTransformTextLookupMixin,
    compile_json_path,
)
from django.db.models.lookups import Contains, EndsWith, StartsWith

from fascicle.hub.rest.patterns import compiled

#: SQLite counts this many of its steps, less than a millisecond, between two looks at the clock.
_STEPS = 20_000


class _Limit(threading.local):
    deadline: float | None = None


_limit = _Limit()


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Stop statements of this thread on SQLite that run longer; a limit within one only shortens.

    A statement that is stopped raises Django's ``OperationalError``. PostgreSQL has a limit of its
    own for each statement.

    Parameters
    ----------
    seconds : float
        For all statements together; 0 for no limit.
    """
    before = _limit.deadline
    until = time.monotonic() + seconds if seconds else None
    _limit.deadline = until if before is None else min(before, until or before)
    try:
        yield
    finally:
        _limit.deadline = before


def _is_over() -> bool:
    deadline = _limit.deadline
    return deadline is not None and time.monotonic() > deadline


def _matches(pattern: str | None, text: object) -> bool | None:
    return None if pattern is None or text is None else _found(pattern, str(text))


@lru_cache(maxsize=8192)  # names of datasets are few, and stand in millions of rows
def _found(pattern: str, text: str) -> bool:
    # Django marks a pattern that ignores case at its start
    return compiled(pattern).search(text) is not None


def _prepare(sender: object, connection: Any, **_: object) -> None:
    if connection.vendor == "sqlite":
        raw = connection.connection
        raw.create_function("regexp", 2, _matches, deterministic=True)
        raw.set_progress_handler(_is_over, _STEPS)


connection_created.connect(_prepare, dispatch_uid="fascicle.hub.lookups")
for _open in connections.all(initialized_only=True):  # of this thread, made before
    if _open.connection is not None:
        _prepare(None, _open)


class _Exact:
    """Looks for a piece of text as it is written; there are no wildcards in it."""

    def as_sqlite(self: Any, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Return the condition and its values."""
        left, before = self.process_lhs(compiler, connection)
        left_sql, values = self.pieces(left, list(before), str(self.rhs))
        return left_sql, values


@CharField.register_lookup
@TextField.register_lookup
class ExactContains(_Exact, Contains):
    """Text has a piece, upper and lower case told apart."""

    def pieces(self, left: str, before: list[Any], text: str) -> tuple[str, list[Any]]:
        """Return the condition and its values."""
        return f"INSTR({left}, %s) > 0", [*before, text]


@CharField.register_lookup
@TextField.register_lookup
class ExactStartsWith(_Exact, StartsWith):
    """Text begins with a piece, upper and lower case told apart."""

    def pieces(self, left: str, before: list[Any], text: str) -> tuple[str, list[Any]]:
        """Return the condition and its values."""
        return f"SUBSTR({left}, 1, %s) = %s", [*before, len(text), text]


@CharField.register_lookup
@TextField.register_lookup
class ExactEndsWith(_Exact, EndsWith):
    """Text ends with a piece, upper and lower case told apart."""

    def pieces(self, left: str, before: list[Any], text: str) -> tuple[str, list[Any]]:
        """Return the condition and its values."""
        if not text:  # the last no characters would be the whole text
            return f"{left} IS NOT NULL", before
        return f"SUBSTR({left}, %s) = %s", [*before, -len(text), text]


@KeyTransform.register_lookup
class KeyContains(KeyTransformTextLookupMixin, ExactContains):
    """The text of a value in JSON has a piece."""


@KeyTransform.register_lookup
class KeyStartsWith(KeyTransformTextLookupMixin, ExactStartsWith):
    """The text of a value in JSON begins with a piece."""


@KeyTransform.register_lookup
class KeyEndsWith(KeyTransformTextLookupMixin, ExactEndsWith):
    """The text of a value in JSON ends with a piece."""


@KeyTransform.register_lookup
class OfKind(Lookup):
    """A value in JSON is a number, or text: only such are smaller or larger than each other."""

    lookup_name = "of_kind"
    prepare_rhs = False
    kinds = {"number": "'integer', 'real'", "string": "'text'"}

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Return the condition and its values."""
        column, before, keys = self.lhs.preprocess_lhs(compiler, connection)
        kinds = self.kinds[str(self.rhs)]
        return f"JSON_TYPE({column}, %s) IN ({kinds})", [*before, compile_json_path(keys)]

    def as_postgresql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        """Return the condition and its values."""
        left, before = compiler.compile(self.lhs)
        return f"jsonb_typeof({left}) = %s", [*before, str(self.rhs)]
