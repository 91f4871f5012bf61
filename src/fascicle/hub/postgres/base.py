"""Django's connection to PostgreSQL, which looks after itself more cheaply and plans less often."""

from __future__ import annotations

import select
from typing import Any

from django.db.backends.postgresql import base
from psycopg import Cursor


class _Operations(base.DatabaseOperations):
    def last_executed_query(self, cursor: Any, sql: str, params: Any) -> str:
        """Return a statement for a log: as it was sent, which may be without its values."""
        return super().last_executed_query(cursor, sql, params) or str(sql)


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection; settings name the package, and Django looks for a class of this name."""

    ops_class = _Operations

    def is_usable(self) -> bool:
        """Return whether the connection is alive, which Django asks before each request.

        A server that ends a connection says so, or at least closes it: then there is something to
        read where nothing was asked. Only then is the server asked, too.
        """
        if self.connection is None or self.connection.closed:
            return False
        waiting = select.poll()
        waiting.register(self.connection.fileno(), select.POLLIN)
        return not waiting.poll(0) or bool(super().is_usable())

    def prepared_cursor(self) -> Any:
        """Return a cursor whose statements PostgreSQL plans once for this connection."""
        self.close_if_health_check_failed()
        self.ensure_connection()
        with self.wrap_database_errors:
            return self._prepare_cursor(_Prepared(self.connection))


class _Prepared(Cursor[Any]):
    """A cursor that sends values apart from the statement."""

    def execute(self, query: Any, params: Any = None, **_: Any) -> _Prepared:
        """Run a statement; `psycopg` remembers which ones this connection has planned."""
        return super().execute(query, params, prepare=True)
