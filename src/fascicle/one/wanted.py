"""Files that are to be here: where they belong, what they should be, and where they may be had."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import UUID

from fascicle.alf.parts import find_session
from fascicle.one import files
from fascicle.one.fresh import online


@dataclass(slots=True)
class Wanted:
    """One file that is to be here.

    Attributes
    ----------
    path : str
        Where.
    place : str
        Its folders and name relative to the root, without an id.
    id : uuid.UUID
    size, hash
        On record.
    urls : list of str
        Where it may come from, the best place first.
    """

    path: str
    place: str
    id: UUID
    size: int | None
    hash: str
    urls: list[str] = field(default_factory=list)

    @property
    def md5(self) -> str:
        """The md5 on record, or an empty text."""
        return self.hash.lower() if len(self.hash) == 32 else ""

    def is_here(self, *, check_hash: bool) -> bool:
        """Return whether the file was found whole by this process, and looks the same."""
        try:
            stat = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        if files._verified.get(self.path) == self._seen(stat):
            return True
        return not check_hash and self.size in (None, stat.st_size)

    def remember(self) -> None:
        """Note that the file is whole as it looks now."""
        files._verified[self.path] = self._seen(os.stat(self.path))

    def _seen(self, stat: os.stat_result) -> tuple[int, int, int, str]:
        return stat.st_size, stat.st_mtime_ns, stat.st_ino, self.md5 or str(self.id)


def addresses(record: Mapping[str, Any]) -> list[str]:
    """Return where a dataset's file is on the web, by the server's record of it.

    Buckets come last: they are asked for by their own names.
    """
    rows = sorted(online(record), key=lambda r: str(r["data_repository"]).startswith("aws"))
    return [r["data_url"] for r in rows]


def quoted(url: str) -> str:
    """Return an address with what needs it quoted: revisions have a ``#``."""
    scheme, mark, rest = url.partition("://")
    if scheme not in ("http", "https"):
        return url
    return scheme + mark + quote(rest, safe="/:@!$&'()*+,;=~%?")


def lab_of(place: str) -> str:
    """Return the lab that a path begins with, or an empty text."""
    found = find_session(place)
    return (found["lab"] or "") if found else ""
