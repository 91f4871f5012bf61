"""Ask the hub of this process, and count the statements that an answer takes."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode


class Asker:
    """A client that shows a token; only with the fixtures ``tables`` and ``django_hub``."""

    def __init__(self, username: str = "asker") -> None:
        from django.test import Client

        from fascicle.hub.models import LabMember
        from fascicle.hub.rest.tokens import issue

        user, _ = LabMember.objects.get_or_create(username=username)
        token = issue(user)
        self.client = Client(SERVER_NAME="127.0.0.1", headers={"Authorization": f"Token {token}"})
        self.statements: list[str] = []

    def get(self, path: str, **query: Any) -> Any:
        """Return the answer to GET; the statements that it took are in ``statements``."""
        from django.db import connection

        self.statements = []

        def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            self.statements.append(sql)
            return execute(sql, params, many, context)

        with connection.execute_wrapper(note):
            return self.client.get(f"{path}?{urlencode(query)}" if query else path)

    def json(self, path: str, **query: Any) -> Any:
        """Return the JSON of an answer that is 200."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, f"{path} {query}: {answer.content[:500]!r}"
        return answer.json()

    def rows(self, path: str, **query: Any) -> list[Any]:
        """Return all rows of a list, from all its pages."""
        page = self.json(path, **query)
        rows = list(page["results"])
        while page["next"]:
            page = self.json(page["next"])
            rows += page["results"]
        assert len(rows) == page["count"]
        return rows

    def ids(self, path: str, **query: Any) -> list[str]:
        """Return the ids of all rows of a list."""
        return [row.get("id") or row["url"].rpartition("/")[2] for row in self.rows(path, **query)]

    def refused(self, path: str, **query: Any) -> Any:
        """Return the body of an answer that is 400."""
        answer = self.get(path, **query)
        assert answer.status_code == 400, f"{path} {query}: {answer.content[:500]!r}"
        body = answer.json()
        assert body.pop("status_code") == 400
        return body
