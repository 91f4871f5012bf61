"""What it takes to have exactly the files of a lock here, and what of them no longer exists."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias
from uuid import UUID

from fascicle.errors import (
    ChangedRemote,
    FascicleError,
    HashMismatch,
    LockError,
    NoIndexError,
    NotFoundError,
    RemoteNotFound,
    TruncatedError,
    VersionNotFound,
    nearest,
)
from fascicle.formats.lock import Lock, LockedArchive, LockedFile, read_lock
from fascicle.transfer.hashes import plain_name

if TYPE_CHECKING:
    from fascicle.archives.base import Archive, Source
    from fascicle.transfer.bars import Shown
    from fascicle.transfer.plan import Item, Plan
    from fascicle.transfer.result import Result

#: Why a file of a lock cannot be had: ``archive``, ``version`` and ``dataset`` are gone,
#: ``content`` is another than it was; ``failed`` says nothing of what exists.
Kind: TypeAlias = Literal["archive", "version", "dataset", "content", "failed"]

# Contents with one of these checksums are the same, wherever they are.
_STRONG = ("sha256", "sha512", "blake2b")


class Problem(NamedTuple):
    """One thing of a lock that cannot be had.

    Attributes
    ----------
    kind : str
        ``archive``, ``version`` or ``dataset``: it is gone; ``content``: it is not what it was;
        ``failed``: it could not be looked at or fetched, and may still exist.
    archive : str
        Name and version of the archive.
    file : str
        Path of the file; empty if it is about all of them.
    why : str
        What happened.
    hint : str
        What to do about it.
    files : int
        How many files it is about.
    """

    kind: Kind
    archive: str
    file: str
    why: str
    hint: str = ""
    files: int = 1


class Have(NamedTuple):
    """One file of a lock that its archive has."""

    archive: LockedArchive
    file: LockedFile
    source: Source
    target: Path
    eid: bytes = b""


@dataclass(frozen=True, slots=True)
class Sync:
    """What it takes to have the files of a lock here.

    Attributes
    ----------
    plan : Plan
        What is here, and what would be fetched.
    problems : tuple of Problem
        What cannot be had, as far as is known before anything is fetched.
    result : Result or None
        What became of the plan, once it has run.
    """

    plan: Plan
    problems: tuple[Problem, ...] = ()
    result: Result | None = None
    _names: Mapping[Path, tuple[str, str]] = field(default_factory=dict, repr=False)

    def run(
        self,
        *,
        progress: Shown = None,
        parallel: int | None = None,
        offline: bool | None = None,
    ) -> Sync:
        """Fetch what is not here; return the same with what became of it.

        Parameters
        ----------
        progress, parallel, offline
            As for ``Plan.run``.
        """
        result = self.plan.run(progress=progress, parallel=parallel, offline=offline)
        more = [
            _failure(*self._names.get(outcome.item.target, ("", str(outcome.item.target))), error)
            for outcome in result.failed
            if (error := outcome.error) is not None
        ]
        return replace(self, result=result, problems=(*self.problems, *more))

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way."""
        return not self.problems

    @property
    def missing(self) -> list[Item]:
        """The files that are not here, as far as the plan knows."""
        return self.plan.to_fetch if self.result is None else []

    def describe(self) -> str:
        """Return all of it in words."""
        lines = [str(self.plan) if self.result is None else str(self.result)]
        lines += [f"{p.archive}{': ' if p.file else ''}{p.file}: {p.why}" for p in self.problems]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.describe()

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(p.archive)}</td><td>{escape(p.file)}</td><td>{escape(p.why)}</td></tr>"
            for p in self.problems
        )
        shown = self.plan if self.result is None else self.result
        return shown._repr_html_() + (f"<table>{rows}</table>" if rows else "")


def sync(
    lock: Lock | str | os.PathLike[str],
    *,
    to: str | os.PathLike[str] | None = None,
    archives: Mapping[str, str | os.PathLike[str] | Archive] | None = None,
) -> Sync:
    """Say what it takes to have exactly the files of a lock here; ``.run()`` fetches them.

    Parameters
    ----------
    lock : Lock or path-like
        A lock, or its file.
    to : path-like, optional
        A folder to bring them to, which opens with `fascicle.open` and ONE afterwards. By default
        each archive's own store on this machine.
    archives : mapping, optional
        Where archives are that are elsewhere on this machine: the name that the lock has, and the
        place here.

    Returns
    -------
    Sync
        Content that is here already under its checksum is not fetched again.

    Raises
    ------
    LockError
        If it is no lock file, or has no archive that ``archives`` names.
    UnsafeTarget
        If a file would be written outside the folder.
    WouldReplace
        If files of the user's own stand in the way.
    """
    from fascicle.transfer import Plan

    held = lock if isinstance(lock, Lock) else read_lock(Path(lock).expanduser())
    folder = None if to is None else Path(os.path.abspath(Path(to).expanduser()))
    finder = _Finder(_places(held, archives or {}), folder)
    for archive in held.archives:
        finder.look(archive)
    plans = list(finder.plans())
    plan = plans[0] if len(plans) == 1 else Plan.join(plans)
    if folder is not None:
        from fascicle.archives.fetch import refuse_to_replace

        refuse_to_replace(plan, folder)
    return Sync(plan, tuple(finder.problems), None, finder.names)


def _full(name: str) -> str:
    """Return a name with the home folder in full, as shells write it."""
    return os.path.expanduser(name).rstrip("/")


def _places(
    lock: Lock, given: Mapping[str, str | os.PathLike[str] | Archive]
) -> dict[str, str | os.PathLike[str] | Archive]:
    names = {archive.name: None for archive in lock.archives}
    known = {_full(name) for archive in lock.archives for name in (archive.name, archive.label)}
    for name in given:
        if _full(name) not in known:
            raise LockError(
                f"the lock has no archive {name!r}",
                hint=nearest(name, names) or f"it has {', '.join(names) or 'none'}",
            )
    return {_full(name): place for name, place in given.items()}


class _Finder:
    """Looks for the files of a lock."""

    def __init__(
        self, places: Mapping[str, str | os.PathLike[str] | Archive], folder: Path | None
    ) -> None:
        self.places = places
        self.folder = folder
        self.problems: list[Problem] = []
        self.names: dict[Path, tuple[str, str]] = {}
        self.found: list[tuple[Archive, list[Have]]] = []

    # -- what exists ------------------------------------------------------------------------------

    def look(self, locked: LockedArchive) -> None:
        """Find the files of one archive."""
        archive = self._open(locked)
        if archive is None:
            return
        have: list[Have] = []
        sessions: dict[tuple[str, str], list[LockedFile]] = {}
        for file in locked.files:
            sessions.setdefault((file.session, file.eid), []).append(file)
        for (session, eid), files in sessions.items():
            if session:
                have += self._of_session(locked, archive, session, eid, files)
            else:
                have += self._of_release(locked, archive, files)
        self.found.append((archive, have))

    def _open(self, locked: LockedArchive) -> Archive | None:
        from fascicle.archives.opening import open_archive

        given = self.places.get(_full(locked.label)) or self.places.get(_full(locked.name))
        place = given or locked.label
        if not isinstance(place, str | os.PathLike):
            return place
        try:
            archive = open_archive(place)
            if locked.version and getattr(archive, "version", locked.version) != locked.version:
                archive = open_archive(f"{os.fspath(place)}@{locked.version}")
            return archive
        except VersionNotFound as error:
            self._all(locked, "version", f"version {locked.version} was withdrawn: {error.message}")
        except (NoIndexError, NotFoundError, RemoteNotFound, NotADirectoryError) as error:
            why = error.message if isinstance(error, FascicleError) else str(error)
            self._all(locked, "archive", f"the archive is not there: {why}", _elsewhere(locked))
        except FascicleError as error:
            self._all(locked, "failed", f"it cannot be opened: {error.message}", error.hint)
        return None

    def _of_session(
        self,
        locked: LockedArchive,
        archive: Archive,
        session: str,
        eid: str,
        files: Sequence[LockedFile],
    ) -> Iterator[Have]:
        from fascicle.archives.base import DatasetRef

        catalogue = archive.catalogue()
        row = catalogue.row(UUID(eid)) if eid else None
        try:
            found = catalogue.eids([row])[0] if row is not None else archive.open(session).eid
        except NotFoundError:
            for file in files:
                self._add(locked, "dataset", file, f"{locked.name} has no session {session}")
            return
        row = catalogue.row(found)
        assert row is not None
        datasets = catalogue.datasets(row)
        known = dict(zip(datasets.rel_paths, datasets.exists, strict=True))
        there = []
        for file in files:
            if known.get(file.path):
                there.append(file)
                continue
            close = nearest(file.path, known)
            self._add(locked, "dataset", file, "the session no longer has it", close)
        refs = [DatasetRef(found, file.path) for file in there]
        sources, targets = archive.locate(refs), archive.targets(refs)
        for file, source, target in zip(there, sources, targets, strict=True):
            place = target if self.folder is None else self.folder / file.name
            for each in self._have(locked, file, source, place):
                yield each._replace(eid=found.bytes)

    def _of_release(
        self, locked: LockedArchive, archive: Archive, files: Sequence[LockedFile]
    ) -> Iterator[Have]:
        """Find files that belong to no session: tables and files of a release, or of a folder."""
        from fascicle.releases.whole import files_of

        known = files_of(archive, [file.path for file in files], self.folder)
        for file in files:
            if file.path not in known:
                self._add(locked, "dataset", file, f"{locked.label} does not have it")
                continue
            yield from self._have(locked, file, *known[file.path])

    def _have(
        self, locked: LockedArchive, file: LockedFile, source: Source, target: Path
    ) -> Iterator[Have]:
        same_kind = source.hash and plain_name(source.algorithm) == file.algorithm
        # Of a folder the file counts, whatever its index says: it is read, and compared.
        if source.local_path() is None and same_kind and source.hash.lower() != file.hash:
            self._add(locked, "content", file, "its content is no longer what it was")
            return
        here = source.local_path()
        if here is not None and not here.is_file():
            self._add(locked, "dataset", file, f"its file is not there: {here}")
            return
        wanted = replace(source, hash=file.hash, algorithm=file.algorithm, size=file.size)
        yield Have(locked, file, wanted, target)

    def _all(self, locked: LockedArchive, kind: Kind, why: str, hint: str = "") -> None:
        self.problems.append(Problem(kind, locked.label, "", why, hint, len(locked.files)))

    def _add(
        self, locked: LockedArchive, kind: Kind, file: LockedFile, why: str, hint: str = ""
    ) -> None:
        self.problems.append(Problem(kind, locked.label, file.name, why, hint))

    # -- what it takes ----------------------------------------------------------------------------

    def plans(self) -> Iterator[Plan]:
        """Return a plan for each store, or one for the folder."""
        from fascicle.archives.kept import Kept
        from fascicle.archives.release import ReleaseArchive
        from fascicle.releases.whole import KeptRelease
        from fascicle.transfer import make_plan
        from fascicle.transfer.plan import Plan

        known = _Known(self._stores())
        if self.folder is None:
            for archive, have in self.found:
                own: list[Have] = []
                others: list[Have] = []
                for each in have:
                    (own if each.source.local_path() == each.target else others).append(each)
                yield from self._own(own, archive.store)
                if others and archive.store is None:
                    self._add_all(others, f"{archive.name} keeps nothing on this machine")
                elif others and archive.store is not None:
                    nearer = [(known.nearer(h), self._name(h)) for h in others]
                    yield make_plan(nearer, store=archive.store)
            if not self.found:
                yield Plan((), Path.cwd())
            return
        pairs: dict[Path, Source] = {}
        after: list[Callable[[Result], object]] = []
        for archive, have in self.found:
            places = {}
            for each in have:
                source, target = known.nearer(each), self._name(each)
                other = pairs.setdefault(target, source)
                if other.hash != source.hash:
                    why = f"{target} is also that of another archive, with another content"
                    self._add(each.archive, "failed", each.file, why, "sync without --to")
                elif each.eid:
                    places[each.file.name] = each.eid, each.file.path
            if places:
                after.append(Kept(archive, self.folder, places))
            if isinstance(archive, ReleaseArchive) and not archive.manifest.ours:
                after.append(KeptRelease.of(archive, self.folder))
        plan = make_plan(((s, t) for t, s in pairs.items()), store=self.folder)
        yield replace(plan, after=tuple(after))

    def _own(self, have: Sequence[Have], store: Path | None) -> Iterator[Plan]:
        """Compare files of a folder that are used where they are."""
        from fascicle.transfer.plan import Item, Plan

        items = []
        for each in have:
            try:
                same = _digest(each, store) == each.file.hash
            except OSError as error:
                self._add(each.archive, "failed", each.file, f"cannot be read: {error.strerror}")
                continue
            if same:
                items.append(Item(each.source, self._name(each), "here"))
            else:
                self._add(
                    each.archive, "content", each.file, "its content is no longer what it was"
                )
        if items:
            yield Plan(tuple(items), Path(os.path.commonpath([i.target.parent for i in items])))

    def _name(self, have: Have) -> Path:
        target = Path(os.path.normpath(have.target))
        self.names[target] = have.archive.label, have.file.name
        return target

    def _add_all(self, have: Iterable[Have], why: str) -> None:
        for each in have:
            self._add(each.archive, "failed", each.file, why, "name a folder: --to DIR")

    def _stores(self) -> list[Path]:
        from fascicle import settings

        stores = [archive.store for archive, _ in self.found]
        kept = settings.cache_dir() / "releases"
        others = sorted(kept.iterdir()) if kept.is_dir() else []
        found = [store for store in stores if store is not None] + others
        return list(dict.fromkeys(store for store in found if store != self.folder))


class _Known:
    """Where on this machine contents are that nobody has to fetch."""

    def __init__(self, stores: Sequence[Path]) -> None:
        from fascicle.transfer import Ledger

        self._ledgers = [ledger for store in stores if (ledger := Ledger(store)).exists()]
        for ledger in self._ledgers:
            ledger.rows()

    def nearer(self, have: Have) -> Source:
        """Return where a file comes from: from here, if its content is."""
        source = have.source
        if have.file.algorithm in _STRONG and source.local_path() is None:
            for ledger in self._ledgers:
                for holder in ledger.holders(have.file.algorithm, have.file.hash):
                    if holder != have.target:
                        return replace(source, url=holder.as_uri(), version="")
        return source


def _digest(have: Have, store: Path | None) -> str:
    from fascicle.archives.contents import digest_of

    return digest_of(have.target, have.file.algorithm, stores=[store])


def _elsewhere(locked: LockedArchive) -> str:
    return f"if it is elsewhere, or there is a copy: --archive '{locked.name}=PLACE'"


def _failure(archive: str, file: str, error: FascicleError) -> Problem:
    kind: Kind = "failed"
    if isinstance(error, HashMismatch | ChangedRemote | TruncatedError):
        kind = "content"
    elif isinstance(error, RemoteNotFound):
        kind = "dataset"
    return Problem(kind, archive, file, error.message, error.hint)


def counts(problems: Iterable[Problem]) -> dict[str, int]:
    """Return how many files have a problem of each kind."""
    found: Counter[str] = Counter()
    for problem in problems:
        found[problem.kind] += problem.files
    return dict(found)
