"""Takes out of a store what can be fetched again, and nothing else."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fascicle.archives.layout import LAST_USED, RECORD, Store
from fascicle.archives.stores import Seen, by_version, manifests, version_folders, walk
from fascicle.errors import ReadOnlyStore, VersionNotFound, nearest
from fascicle.transfer.hashes import file_digest
from fascicle.transfer.ledger import Ledger
from fascicle.transfer.parts import is_part

_DAY = 86_400
#: Tables and records at the root of a store: small, and what makes it one.
_ROOT = ("sessions.pqt", "datasets.pqt", RECORD, LAST_USED)


class Removal(NamedTuple):
    """One file that goes.

    Attributes
    ----------
    path : str
        Relative to the store.
    reason : str
        ``part``, ``version`` or ``unused``.
    bytes : int
        What that frees on disk: nothing while the content stays under another name.
    """

    path: str
    reason: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Pruning:
    """What can go from a store, and what stays although it was meant.

    Attributes
    ----------
    store : pathlib.Path
    removals : tuple of Removal
    kept : tuple of str
        Files of these versions that nobody is known to have fetched, or that were changed since,
        relative to the store.
    versions : tuple of str
        The folders of the versions that are meant.
    """

    store: Path
    removals: tuple[Removal, ...] = ()
    kept: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()

    @property
    def bytes(self) -> int:
        """Bytes that become free."""
        return sum(removal.bytes for removal in self.removals)

    def run(self) -> None:
        """Remove the files, and take them off the ledger, the record and the index.

        Each file is looked at once more: one that changed since is left where it is.

        Raises
        ------
        ReadOnlyStore
            If the store cannot be written.
        """
        _run(self)


def plan_pruning(
    store: Path,
    *,
    keep: int | None = None,
    versions: Sequence[str] = (),
    older_than: float | None = None,
) -> Pruning:
    """Say what can go from a store. Nothing is removed.

    Parts that nobody has written to for a day can always go. Other files can if they are known to
    have been fetched, and look as they did then.

    Parameters
    ----------
    store : pathlib.Path
    keep : int, optional
        Of each project the newest versions that stay; the others can go.
    versions : sequence of str
        Versions that can go: ``1.0.0``, or ``project-1.0.0``.
    older_than : float, optional
        Files that were not read or written for so many days can go.

    Returns
    -------
    Pruning

    Raises
    ------
    VersionNotFound
        If there is no such version here.
    """
    folders = _folders(store, keep, versions)
    known = _Known(store)
    now = time.time()
    chosen: list[tuple[Seen, str]] = []
    kept: list[str] = []
    protected: set[str] = set()
    names = Counter[tuple[int, int]]()
    for seen in walk(store):
        name = seen.path.rpartition("/")[2]
        names[seen.key] += 1
        if is_part(name):
            if now - seen.stat.st_mtime > _DAY:
                chosen.append((seen, "part"))
            continue
        in_version = seen.path.partition("/")[0] in folders
        unused = older_than is not None and now - seen.used > older_than * _DAY
        if not in_version and seen.is_link:
            protected.add(os.path.realpath(store / seen.path))
        if not (in_version or unused) or seen.path in _ROOT or _is_manifest(seen.path):
            continue
        if known.was_fetched(seen):
            chosen.append((seen, "version" if in_version else "unused"))
        elif in_version:
            kept.append(seen.path)
    chosen = [
        (seen, reason)
        for seen, reason in chosen
        if seen.is_link or os.path.realpath(store / seen.path) not in protected
    ]
    if not kept:
        chosen += [(seen, "version") for seen in _manifests_of(store, folders, known)]
    going = Counter(seen.key for seen, _ in chosen)
    removals, freed = [], set[tuple[int, int]]()
    for seen, reason in chosen:
        last = going[seen.key] >= seen.stat.st_nlink and seen.key not in freed
        freed.add(seen.key)
        removals.append(Removal(seen.path, reason, seen.bytes if last else 0))
    return Pruning(store, tuple(removals), tuple(kept), tuple(sorted(folders)))


def _folders(store: Path, keep: int | None, versions: Sequence[str]) -> set[str]:
    """Return the folders of versions that are meant."""
    here = version_folders(store)
    meant: set[str] = set()
    for wanted in versions:
        found = {name for name, (_, version) in here.items() if wanted in (name, version)}
        if not found:
            texts = [version for _, version in here.values()]
            raise VersionNotFound(
                f"{store} has no version {wanted!r}",
                hint=nearest(wanted, texts) or f"it has {', '.join(by_version(texts)) or 'none'}",
            )
        meant |= found
    if keep is not None:
        for project in {project for project, _ in here.values()}:
            mine = by_version(version for other, version in here.values() if other == project)
            meant |= {f"{project}-{version}" for version in mine[: max(0, len(mine) - keep)]}
    return meant


def _is_manifest(path: str) -> bool:
    return "/" not in path and "_project_manifest_v" in path


def _manifests_of(store: Path, folders: Iterable[str], known: _Known) -> list[Seen]:
    """Return the manifests of versions that go, but for the one that was loaded last."""
    try:
        last = (store / LAST_USED).read_text(encoding="utf-8").strip()
    except OSError:
        last = ""
    wanted = set(folders)
    found = []
    for name, (project, version) in manifests(store).items():
        if f"{project}-{version}" in wanted and name != last:
            seen = Seen(name, os.lstat(store / name))
            if known.was_fetched(seen):
                found.append(seen)
    return found


class _Known:
    """What is known of the files of a store: which of them were fetched."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self._rows = Ledger(store).rows()
        self._real = os.path.realpath(store)
        try:
            found = json.loads((store / RECORD).read_bytes())
        except (OSError, ValueError, RecursionError):
            found = {}
        self._record = found if isinstance(found, dict) else {}

    def was_fetched(self, seen: Seen) -> bool:
        """Return whether a file was brought here by a transfer, and was not changed since."""
        if seen.is_link:  # another reader's: to a file of an older version
            real = os.path.realpath(self.store / seen.path)
            return real.startswith(self._real + os.sep) and "/" in seen.path
        row = self._rows.get(seen.path)
        fits = row is not None and row.fits(seen.stat)
        if row is not None and fits and row.brought:
            return True
        digest = self._record.get(os.path.join(self._real, *seen.path.split("/")))
        if not isinstance(digest, str):
            return False
        if row is not None and fits and row.hash:
            return row.hash == digest
        try:
            return file_digest(self.store / seen.path, "blake2b") == digest
        except OSError:
            return False


def _run(plan: Pruning) -> None:
    store = plan.store
    if plan.removals and not os.access(store, os.W_OK):
        raise ReadOnlyStore(f"{store} cannot be written", hint="whoever owns it can prune it")
    known = _Known(store)
    gone = []
    for removal in plan.removals:
        place = store / removal.path
        try:
            seen = Seen(removal.path, os.lstat(place))
            if removal.reason == "part":
                if time.time() - seen.stat.st_mtime <= _DAY:
                    continue  # somebody has gone on with it
            elif not known.was_fetched(seen):
                continue
            os.unlink(place)
        except FileNotFoundError:
            continue
        if removal.reason != "part":
            gone.append(removal.path)
        _remove_empty(place.parent, store)
    if not gone:
        return
    real = os.path.realpath(store)
    for project in {project for project, _ in manifests(store).values()} or {""}:
        Store(store, project).take_off_record(os.path.join(real, *p.split("/")) for p in gone)
    ledger = Ledger(store)
    rows = ledger.rows()
    ledger.forget(path for path in gone if path in rows)
    if (store / "sessions.pqt").is_file():
        _take_off_index(store, gone)


def _remove_empty(folder: Path, store: Path) -> None:
    with contextlib.suppress(OSError):
        while folder != store:
            os.rmdir(folder)
            folder = folder.parent


def _take_off_index(store: Path, gone: Sequence[str]) -> None:
    """Take datasets that are gone out of the folder's index."""
    from fascicle.catalogue import Catalogue, Change

    wanted = set(gone)
    cat = Catalogue.open(store)
    ids = set()
    for row in range(cat.n_sessions):
        home = cat.session(row).path + "/"
        if not any(path.startswith(home) for path in wanted):
            continue
        held = cat.datasets(row)
        ids |= {
            identity
            for path, identity in zip(held.rel_paths, held.ids, strict=True)
            if home + path in wanted
        }
    if ids:
        cat.commit(Change(delete_datasets=ids))
