"""What an archive is: it says what exists and where its bytes are.

Everything that fascicle does with data starts from an `Archive`; a new kind of archive is one class
with these few methods, and one subclass of ``fascicle.testing.ArchiveTests``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias, runtime_checkable
from uuid import UUID

if TYPE_CHECKING:
    from fascicle.archives.session import OpenSession
    from fascicle.catalogue import Catalogue

#: How a session is named: its eid, its path, ``2020-01-01_1_subject``, or an open session.
SessionName: TypeAlias = "str | UUID | Path | OpenSession"

#: The terms of ``fascicle.find`` that any archive with a catalogue can answer.
SEARCH_TERMS = frozenset(
    {"region", "hemisphere", "datasets", "lab", "subject", "date", "number"}
    | {"task", "project", "qc"}
)


class DatasetRef(NamedTuple):
    """One dataset: the session that it belongs to, and its path relative to that session."""

    eid: UUID
    path: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where the bytes of one file are, and how to know that they are the right ones.

    Attributes
    ----------
    url : str
        ``file:``, ``https:`` or ``s3:``.
    version : str
        The store's version id, or an empty string.
    size : int or None
        Length in bytes as recorded: a hint.
    hash, algorithm : str
        The checksum on record and its algorithm: the truth. Empty where none is known.
    media_type : str
        Internet media type, or an empty string.
    """

    url: str
    version: str = ""
    size: int | None = None
    hash: str = ""
    algorithm: str = ""
    media_type: str = ""

    def local_path(self) -> Path | None:
        """Return the file on this machine, or None where the bytes lie elsewhere."""
        if not self.url.startswith("file:"):
            return None
        from urllib.parse import urlsplit
        from urllib.request import url2pathname

        return Path(url2pathname(urlsplit(self.url).path))


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an archive can do.

    Attributes
    ----------
    search_terms : frozenset of str
        The terms of ``fascicle.find`` that it answers.
    writable : bool
        Whether datasets can be added.
    needs_login : bool
        Whether it answers only those who are known.
    """

    search_terms: frozenset[str] = field(default=SEARCH_TERMS)
    writable: bool = False
    needs_login: bool = False


@runtime_checkable
class Archive(Protocol):
    """A place where recordings are.

    An archive is cheap to make and pickles: it reads nothing before it is asked. Its ``name`` is
    what ``fascicle.open`` takes to make it again.
    """

    @property
    def name(self) -> str:
        """The place, as ``fascicle.open`` takes it."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    def catalogue(self) -> Catalogue:
        """Return what exists.

        Raises
        ------
        NoIndexError
            If nobody has indexed it yet.
        """
        ...

    def locate(self, datasets: Iterable[DatasetRef]) -> list[Source]:
        """Return where the bytes of each dataset are, in the order given.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If the catalogue has no such session or dataset.
        """
        ...

    def open(self, session: SessionName) -> OpenSession:
        """Return one session, ready to list and load.

        Raises
        ------
        SessionNotFound
            If it is not in this archive.
        """
        ...
