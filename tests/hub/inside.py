"""Asks the hub in this process, by Django's own client, in the transaction of a test."""

from __future__ import annotations

import json
from typing import Any

PASSWORD = "an-odd-pass-1234"


class Api:
    """A client that shows a token.

    Parameters
    ----------
    user : LabMember, optional
        Who asks; nobody if there is none.
    """

    def __init__(self, user: Any = None, **options: Any) -> None:
        from django.test import Client

        from fascicle.hub.rest.tokens import issue

        self.client = Client(SERVER_NAME="localhost", **options)
        self.token = issue(user) if user is not None else ""

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Return the answer to a request; a body is sent as JSON, bytes as they are."""
        if self.token:
            headers = {"Authorization": f"Token {self.token}", **headers}
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body)
        return self.client.generic(
            method, path, data, content_type="application/json", headers=headers
        )

    def get(self, path: str, **headers: str) -> Any:
        """Return what a GET request is answered with, as JSON."""
        return self.ask("GET", path, **headers).json()

    def send(self, method: str, path: str, body: Any = None, status: int | None = None) -> Any:
        """Return what a request is answered with, as JSON, and check its status."""
        wanted = status or {"POST": 201, "DELETE": 204}.get(method, 200)
        answer = self.ask(method, path, body)
        assert answer.status_code == wanted, answer.content[:2000]
        assert len(answer.content) == int(answer.get("Content-Length", len(answer.content)))
        return answer.json() if answer.content else None


def make_users(password: str | None = None) -> tuple[Any, Any, Any]:
    """Return a member, an admin and one who may only read; with a password if they log in."""
    from fascicle.hub.models import LabMember

    return (
        LabMember.objects.create_user("test_user", password=password),
        LabMember.objects.create_superuser("boss", password=password),
        LabMember.objects.create_user("reader", password=password, is_public_user=True),
    )
