"""What archives have in common whose files a server or a bucket has: they are brought into a store.

A dataset goes where the convention puts it: ``lab/Subjects/subject/date/number/collection/name``,
without the id that its name has on the server.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

from fascicle import settings
from fascicle.archives.base import SEARCH_TERMS, Capabilities, DatasetRef, SessionName, Source
from fascicle.archives.folder import _MEDIA_TYPES
from fascicle.archives.session import OpenSession
from fascicle.archives.sessionnames import row_of
from fascicle.errors import (
    ALFObjectNotFound,
    OfflineError,
    RemoteNotFound,
    SessionNotFound,
    nearest,
)

if TYPE_CHECKING:
    from fascicle.catalogue import Catalogue, Datasets
    from fascicle.transfer import Access, Result
    from fascicle.transfer.bars import Shown

_REGIONS = frozenset({"region", "hemisphere"})


class Held(NamedTuple):
    """One dataset as the catalogue has it: where it belongs, its id, and what it should be."""

    lab: str
    place: str
    id: UUID
    md5: str
    size: int | None

    @property
    def served(self) -> str:
        """The place with the id before the extension, as servers name files."""
        stem, dot, extension = self.place.rpartition(".")
        return f"{stem}.{self.id}{dot}{extension}"


class ServedArchive(ABC):
    """Brings datasets from elsewhere; a subclass says what there is, and where."""

    _needs_login = False

    def __init__(self, store: str | os.PathLike[str]) -> None:
        self._store = Path(store).expanduser().absolute()
        self._forget()

    def _forget(self) -> None:
        self._catalogue: Catalogue | None = None
        self._whole: dict[Path, tuple[int, int, int]] = {}

    @property
    @abstractmethod
    def name(self) -> str:
        """The place, as ``fascicle.open`` takes it."""

    @abstractmethod
    def _load(self) -> Catalogue:
        """Return the catalogue, fetched if it is not here yet."""

    @abstractmethod
    def _urls(self, held: Sequence[Held]) -> list[str]:
        """Return where files are."""

    def _other_urls(self, held: Sequence[Held]) -> list[list[str]]:
        """Return where else files may be that are not where they should."""
        return [[] for _ in held]

    def headers(self, source: Source) -> Mapping[str, str]:
        """Return the headers that say who asks for a source, none for those of other servers."""
        return {}

    def _access(self) -> Access | None:
        return None

    def _log_in_again(self, urls: Sequence[str]) -> bool:
        """Renew a login that was refused for some addresses, if there is one."""
        return False

    # -- the protocol of archives ------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        """All search terms; by region only where it is known what probes recorded from."""
        known = self._catalogue is None or bool(self._catalogue.insertions())
        terms = SEARCH_TERMS if known else SEARCH_TERMS - _REGIONS
        return Capabilities(search_terms=terms, needs_login=self._needs_login)

    def catalogue(self) -> Catalogue:
        """Return what there is, asked once.

        Raises
        ------
        TransferError, HTTPError
            If it cannot be fetched.
        """
        if self._catalogue is None:
            self._catalogue = self._load()
            self._catalogue.root = self._store
        return self._catalogue

    def refresh(self) -> None:
        """Forget the catalogue, so that the next question sees what has changed since."""
        self._catalogue = None

    @property
    def store(self) -> Path:
        """The folder that files are brought into."""
        return self._store

    def locate(self, datasets: Iterable[DatasetRef]) -> list[Source]:
        """Return where the bytes of datasets are, with size and md5 as recorded.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If the catalogue has no such session or dataset.
        """
        held = list(self._held(datasets))
        return [_source(h, url) for h, url in zip(held, self._urls(held), strict=True)]

    def targets(self, datasets: Sequence[DatasetRef]) -> list[Path]:
        """Return where each dataset is here, or would be once fetched.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If the catalogue has no such session or dataset.
        """
        return [self._store / h.place for h in self._held(datasets)]

    def bring(self, datasets: Sequence[DatasetRef], *, progress: Shown = None) -> list[Path]:
        """Return the files of datasets: here, whole, and as the record says.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If the catalogue has no such session or dataset.
        OfflineError
            If files are not here, and nothing may be fetched.
        TransferError, HashMismatch
            If one cannot be fetched, or is not what the record says.
        """
        held = list(self._held(datasets))
        paths = [self._store / h.place for h in held]
        todo = {p: h for p, h in zip(paths, held, strict=True) if not self._is_known(p)}
        todo = self._not_here(todo)
        if todo:
            self._fetch(todo, progress)
        for path in paths:
            self._whole[path] = _looks(path)
        return paths

    def open(self, session: SessionName) -> OpenSession:
        """Return one session.

        Parameters
        ----------
        session : str, uuid.UUID, path-like or OpenSession
            Its eid, its path, or ``2019-08-11_1_subject``.

        Raises
        ------
        SessionNotFound
            If the catalogue has no such session.
        """
        name = session.eid if isinstance(session, OpenSession) else session
        cat = self.catalogue()
        row = row_of(cat, name, archive=self.name, root=str(self._store))
        return OpenSession(self, cat.eids([row])[0])

    # -- files -------------------------------------------------------------------------------------

    def _held(self, datasets: Iterable[DatasetRef]) -> Iterator[Held]:
        cat = self.catalogue()
        rows: dict[UUID, tuple[str, str, Datasets, dict[str, int]]] = {}
        for eid, path in datasets:
            if eid not in rows:
                row = cat.row(eid)
                if row is None:
                    raise SessionNotFound(
                        f"{self.name} has no session {eid}", hint="fascicle.find(…) lists sessions"
                    )
                session, held = cat.session(row), cat.datasets(row)
                numbers = {p: i for i, p in enumerate(held.rel_paths)}
                rows[eid] = session.lab, session.path, held, numbers
            lab, folder, held, numbers = rows[eid]
            if path not in numbers:
                raise ALFObjectNotFound(
                    f"session {eid} has no dataset {path!r}",
                    hint=nearest(path, numbers) or "archive.open(eid).list() shows what it has",
                )
            identifier, md5, size = held.record(numbers[path])
            yield Held(lab, f"{folder}/{path}", identifier, md5, size)

    def _is_known(self, path: Path) -> bool:
        seen = self._whole.get(path)
        try:
            return seen is not None and seen == _looks(path)
        except OSError:
            return False

    def _not_here(self, todo: dict[Path, Held]) -> dict[Path, Held]:
        """Return those files that are not here as they should be; nobody is asked."""
        from fascicle.transfer import make_plan

        there = [(_source(h, ""), p) for p, h in todo.items() if p.is_file()]
        if not there:
            return todo
        whole = {item.target for item in make_plan(there, store=self._store).here}
        return {p: h for p, h in todo.items() if p not in whole}

    def _fetch(self, todo: dict[Path, Held], progress: Shown) -> None:
        if settings.offline():
            names = ", ".join(h.place for h in list(todo.values())[:3])
            raise OfflineError(
                f"{len(todo)} files of {self.name} are not in {self._store}, and FASCICLE_OFFLINE "
                f"is set: {names}",
                hint="unset FASCICLE_OFFLINE to fetch what is missing",
            )
        held = list(todo.values())
        urls = self._urls(held)
        result = self._run(todo, dict(zip(todo, urls, strict=True)), progress)
        lost = [o.item.target for o in result.failed if isinstance(o.error, RemoteNotFound)]
        if lost:
            others = dict(zip(lost, self._other_urls([todo[p] for p in lost]), strict=True))
            known = dict(zip(todo, urls, strict=True))
            again = {p: u[0] for p, us in others.items() if (u := [x for x in us if x != known[p]])}
            if len(again) == len(lost) == len(result.failed):
                result = self._run({p: todo[p] for p in again}, again, progress)
        result.raise_for_failed()

    def _run(self, todo: Mapping[Path, Held], urls: Mapping[Path, str], progress: Shown) -> Result:
        from fascicle.errors import AccessDenied
        from fascicle.transfer import make_plan

        self._store.mkdir(parents=True, exist_ok=True)
        pairs = [(_source(h, urls[p]), p) for p, h in todo.items()]

        def once() -> Result:
            plan = make_plan(pairs, store=self._store)
            return plan.run(progress=progress, headers=self.headers, access=self._access())

        result = once()
        refused = [o.item.source.url for o in result.failed if isinstance(o.error, AccessDenied)]
        return once() if refused and self._log_in_again(refused) else result

    # -- itself ------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return (self.name, self._store) == (other.name, other._store)

    def __hash__(self) -> int:
        return hash((self.name, self._store))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_catalogue": None, "_whole": {}}


def _source(held: Held, url: str) -> Source:
    md5 = held.md5 if len(held.md5) == 32 else ""
    kind = _MEDIA_TYPES.get(os.path.splitext(held.place)[1].lower(), "application/octet-stream")
    return Source(url, "", held.size, md5, "md5" if md5 else "", kind)


def _looks(path: Path) -> tuple[int, int, int]:
    seen = os.stat(path)
    return seen.st_size, seen.st_mtime_ns, seen.st_ino


def web_path(place: str) -> str:
    """Return a path as part of an address: revisions have a ``#``, which has to be quoted."""
    return quote(place, safe="/:@!$&'()*+,;=~")
