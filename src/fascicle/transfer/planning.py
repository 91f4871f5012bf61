"""Looks at the disk and the ledger, and says what is missing."""

from __future__ import annotations

import os
import re
import stat
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from fascicle.errors import IncompleteWarning, UnsafeTarget
from fascicle.transfer.hashes import file_digest, maker, plain_name
from fascicle.transfer.ledger import HIDDEN, Ledger, Row
from fascicle.transfer.parts import content_key, keys_in, partial_bytes
from fascicle.transfer.plan import Item, Plan
from fascicle.transfer.source import Source


def make_plan(
    pairs: Iterable[tuple[Source, Path | str]],
    *,
    store: Path | str,
    verify: Literal["ledger", "full", "size"] = "ledger",
) -> Plan:
    """Say what it takes to have files in a store. Nothing is fetched.

    Parameters
    ----------
    pairs : iterable of (Source, path-like)
        Each file: where it comes from, and where in the store it is to be.
    store : path-like
        A folder; it need not exist.
    verify : {'ledger', 'full', 'size'}
        How to tell whether a file that is there is whole. ``ledger``: it was verified once and
        looks the same still (size, time, inode), else its checksum is computed; ``full``: always by
        its checksum; ``size``: by its length.

    Returns
    -------
    Plan

    Raises
    ------
    UnsafeTarget
        If a target lies outside the store, by its name or behind a link, or if two different
        sources have one target.
    ConfigurationError
        If a checksum is of a kind that cannot be computed.
    """
    root = Path(os.path.abspath(Path(store).expanduser()))
    looker = _Looker(root, verify)
    targets: dict[str, Source] = {}
    tidy = _Tidy()
    for given, target in pairs:
        source = tidy(given)
        place = looker.safe(target)
        known = targets.setdefault(place, source)
        if known is not source and known != source:
            raise UnsafeTarget(
                f"two different sources for one file: {known.url} and {source.url}",
                hint=f"give each its own target; this one is {place}",
            )
    items = tuple(looker.item(source, target) for target, source in targets.items())
    looker.finish()
    return Plan(items, root, tuple(looker.notes))


class _Tidy:
    """Writes checksums in one way."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}

    def __call__(self, source: Source) -> Source:
        if not source.hash:
            return source
        algorithm = self._names.get(source.algorithm)
        if algorithm is None:
            algorithm = self._names[source.algorithm] = plain_name(source.algorithm)
            maker(algorithm)  # says at once that nothing computes it
        if algorithm == source.algorithm and not _CAPITALS.search(source.hash):
            return source
        return Source(
            source.url,
            source.version,
            source.size,
            source.hash.lower(),
            algorithm,
            source.media_type,
        )


_CAPITALS = re.compile("[A-Z]")


class _Looker:
    """Compares files with what is known of them."""

    def __init__(self, store: Path, verify: str) -> None:
        self.store = store
        self.verify = verify
        self.ledger = Ledger(store)
        self.notes: list[str] = []
        self._learned: list[Row] = []
        self._parts: dict[str, set[str]] = {}
        self._safe_folders: set[str] = set()
        self._root = os.path.join(store, "")
        self._real_store = os.path.realpath(store)
        self._writable = os.access(store, os.W_OK) or not store.exists()
        self._by_size = 0
        self.ledger.refresh()

    def safe(self, target: Path | str) -> str:
        """Return the absolute path of a target, if it is in the store."""
        text = os.fspath(target)
        if "\0" in text:
            raise UnsafeTarget(f"{text!r} is no path", hint="name a path below the store")
        place = os.path.normpath(os.path.join(self._root, text))
        folder, _, name = place.rpartition(os.sep)
        if folder in self._safe_folders and name != HIDDEN:
            return place
        refused = f"{text!r} does not lie in {self.store}"
        hint = "name a path below the store"
        if not place.startswith(self._root) or place == self._root:
            raise UnsafeTarget(refused, hint=hint)
        if HIDDEN in place[len(self._root) :].split(os.sep):
            raise UnsafeTarget(f"{text!r} lies in the hidden folder", hint=hint)
        real = os.path.realpath(folder)
        if real != self._real_store and not real.startswith(self._real_store + os.sep):
            raise UnsafeTarget(f"{refused}: a link leads to {real}", hint=hint)
        self._safe_folders.add(folder)
        return place

    def item(self, source: Source, place: str) -> Item:
        """Return what has to be done for one file."""
        target = Path(place)
        if self._is_here(source, place):
            return Item(source, target, "here")
        if source.hash and self.ledger.knows(source.algorithm, source.hash):
            twins = self.ledger.holders(source.algorithm, source.hash, origin=source.origin)
            twins = [twin for twin in twins if twin != target]
            if twins:
                return Item(source, target, "known", twin=twins[0])
        keys = self._keys(place.rpartition(os.sep)[0])
        if keys and content_key(source) in keys:
            done = partial_bytes(target, source)
            if done:
                return Item(source, target, "partial", done)
        return Item(source, target)

    def finish(self) -> None:
        """Put what was learned into the ledger, and say what was taken on trust."""
        if self._learned:
            self.ledger.add(self._learned)
        if self._by_size:
            text = (
                f"{self._by_size} files in {self.store} were checked by their size alone: "
                "the folder is read-only and has no ledger"
            )
            self.notes.append(text)
            warnings.warn(text, IncompleteWarning, stacklevel=4)

    def _is_here(self, source: Source, target: str) -> bool:
        try:
            seen = os.stat(target)
        except (FileNotFoundError, NotADirectoryError):
            return False
        if not stat.S_ISREG(seen.st_mode):
            return False
        right_size = source.size is None or source.size == seen.st_size
        name = target[len(self._root) :]
        row = self.ledger.find(name if os.sep == "/" else name.replace(os.sep, "/"))
        known = row is not None and row.fits(seen)
        if self.verify == "size":
            return right_size
        if not source.hash:
            if right_size and not known:
                self._learn(target, "", "", source)
            return right_size
        if row is not None and known and self.verify == "ledger":
            if row.state == "accepted-mismatch":
                return True
            if row.algorithm == source.algorithm and row.hash:
                return row.hash == source.hash
        if self.verify == "ledger" and not self._writable and not self.ledger.exists():
            self._by_size += right_size
            return right_size
        if file_digest(target, source.algorithm) != source.hash:
            return False
        self._learn(target, source.algorithm, source.hash, source)
        return True

    def _learn(self, target: str, algorithm: str, digest: str, source: Source) -> None:
        if self._writable:
            state: Literal["verified", "unverified"] = "verified" if digest else "unverified"
            self._learned.append(
                self.ledger.note(
                    Path(target),
                    algorithm=algorithm,
                    digest=digest,
                    state=state,
                    origin=source.origin,
                )
            )

    def _keys(self, folder: str) -> set[str]:
        keys = self._parts.get(folder)
        if keys is None:
            keys = self._parts[folder] = keys_in(Path(folder))
        return keys
