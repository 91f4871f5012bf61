"""A client of Alyx, the database that a lab keeps its sessions, subjects and datasets in.

`AlyxClient` asks a server by REST, keeps what was answered for a while, and goes on with that
where the server is out of reach. It serves the official server and fascicle's own hub alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.alyx.client import AlyxClient, no_cache
    from fascicle.alyx.pages import Pages
    from fascicle.alyx.schema import RestScheme
    from fascicle.alyx.secret import Secret

__all__ = ["AlyxClient", "Pages", "RestScheme", "Secret", "no_cache"]

_HOMES = {
    "AlyxClient": "client",
    "Pages": "pages",
    "RestScheme": "schema",
    "Secret": "secret",
    "no_cache": "client",
}

__getattr__, __dir__ = attach(__name__, _HOMES)
