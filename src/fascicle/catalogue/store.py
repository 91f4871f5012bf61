"""Where the states of a catalogue lie, how a new one is claimed, and how ONE's tables follow.

No lock is needed and none is trusted. A state is a segment of files that never change; its entry
in the log is made with ``os.link``, which fails where that number is taken. The newest entry is
the catalogue. ONE's two tables are exports of it, each replaced as a whole.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import time
import uuid
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fascicle import settings
from fascicle.catalogue.query import Catalogue
from fascicle.catalogue.schema import FORMAT, HIDDEN
from fascicle.errors import CatalogueError, NoIndexError

if TYPE_CHECKING:
    from fascicle.catalogue.change import Change
    from fascicle.catalogue.columns import Columns

TABLES = ("sessions.pqt", "datasets.pqt", "insertions.pqt")
_ENTRY = re.compile(r"(\d{10})\.json")
_STAMP = re.compile(rb'\{"store": "([0-9a-f]{32})", "number": (\d+)\}')
_DAY = 86_400
_READ_ONLY = {errno.EROFS, errno.EACCES, errno.EPERM}

#: size, mtime_ns and inode of each table that is there
Stats = dict[str, list[int]]


class Entry(NamedTuple):
    """An entry of the log: one state of the catalogue.

    Attributes
    ----------
    number : int
    segment : str
        Name of its files.
    store : str
        The same for all states of a folder.
    parent : str
        Segment of the state that it was made of.
    tables : dict
        The tables whose rows this state has.
    imported : bool
        Whether this state is those tables, so that none need be written.
    format : int
        Layout of its files.
    """

    number: int
    segment: str
    store: str
    parent: str
    tables: Stats
    imported: bool = False
    format: int = FORMAT


class _Home:
    """A hidden folder with a log and segments: beside the tables, or in the user's cache."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path / "log"
        self.segments = path / "segments"
        self.exports = path / "exports.json"

    def numbers(self) -> list[int]:
        try:
            names = [p.name for p in self.log.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(int(m[1]) for m in map(_ENTRY.fullmatch, names) if m)

    def top(self) -> int:
        """Return the highest number taken, 0 where there is none."""
        return (self.numbers() or [0])[-1]

    def entry_path(self, number: int) -> Path:
        return self.log / f"{number:010d}.json"

    def entry(self, number: int) -> Entry | None:
        try:
            return Entry(**json.loads(self.entry_path(number).read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def newest(self) -> Entry | None:
        for number in reversed(self.numbers()):
            found = self.entry(number)
            if (
                found
                and found.format == FORMAT
                and self.stem(found).with_suffix(".sqlite").exists()
            ):
                return found
        return None

    def stem(self, entry: Entry) -> Path:
        return self.segments / entry.segment

    def exported(self) -> tuple[int, Stats]:
        try:
            found = json.loads(self.exports.read_text())
            return found["number"], found["tables"]
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError):
            return 0, {}

    def make(self) -> bool:
        """Make the folders; return whether they can be written."""
        try:
            self.log.mkdir(parents=True, exist_ok=True)
            self.segments.mkdir(exist_ok=True)
        except OSError as error:
            if error.errno in _READ_ONLY:
                return False
            raise
        return os.access(self.log, os.W_OK)


class Store:
    """The catalogue of one folder on disk.

    Parameters
    ----------
    folder : path
        The folder of recordings.
    tables_dir : path, optional
        Where ONE's tables and our own folder lie; default: in ``folder``.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, tables_dir: str | os.PathLike[str] | None = None
    ) -> None:
        self.root = Path(folder).expanduser().absolute()
        self.tables = Path(tables_dir).expanduser().absolute() if tables_dir else self.root
        self.home = _Home(self.tables / HIDDEN)

    @cached_property
    def away(self) -> _Home:
        """The place in the user's cache where an index lies if it cannot lie beside the tables."""
        from hashlib import sha1

        key = sha1(os.fsencode(self.tables.resolve()), usedforsecurity=False).hexdigest()
        return _Home(settings.cache_dir() / "index" / key)

    # -- reading -----------------------------------------------------------------------------------

    def open(self, *, progress: bool = False) -> Catalogue:
        """Open the newest state, reading ONE's tables first where they are newer.

        Raises
        ------
        NoIndexError
            There is neither an index nor a table.
        CatalogueError
            What is there cannot be read.
        """
        for attempt in range(5):
            try:
                return self._open(progress=progress)
            except (FileNotFoundError, CatalogueError) as error:
                # Tables that another program is writing just now, or a segment collected under us.
                if isinstance(error, NoIndexError) or attempt == 4:
                    raise
                time.sleep(0.1 * 2**attempt)
        raise CatalogueError(f"the index of {self.tables} cannot be read")

    def _open(self, *, progress: bool) -> Catalogue:
        stats = self._stats()
        for place in ("home", "away"):
            home: _Home = getattr(self, place)
            entry = home.newest()
            if entry is not None and self._current(home, entry, stats):
                return self._catalogue(home, entry)
        if not {"sessions.pqt", "datasets.pqt"} <= stats.keys():
            entry = self.home.newest()
            if entry is not None:  # tables half gone; the log still has them
                return self._catalogue(self.home, entry)
            raise NoIndexError(
                f"{self.tables} has no index: neither {HIDDEN} nor sessions.pqt and datasets.pqt",
                hint=f"make one: fascicle index {self.root}",
            )
        return self._import(progress=progress)

    def current_on_disk(self) -> Catalogue | None:
        """Open the newest state if all that should be on disk of it is there; else None."""
        entry, stats = self.home.newest(), self._stats()
        if entry is None or self.home.exported() != (entry.number, stats):
            return None
        return self._catalogue(self.home, entry)

    def _catalogue(self, home: _Home, entry: Entry) -> Catalogue:
        return Catalogue.from_files(
            home.stem(entry),
            root=self.root,
            tables_dir=None if self.tables == self.root else self.tables,
            number=entry.number,
        )

    def _stats(self) -> Stats:
        out = {}
        for name in TABLES:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                st = (self.tables / name).stat()
                out[name] = [st.st_size, st.st_mtime_ns, st.st_ino]
        return out

    def _current(self, home: _Home, entry: Entry, stats: Stats) -> bool:
        """Return whether the tables hold nothing that this state does not know."""
        if not stats or stats == entry.tables:
            return True
        if stats == home.exported()[1]:
            return True
        return all(self._ours(name, entry.store) for name in stats)

    def _ours(self, name: str, store: str) -> bool:
        """Return whether a table is an export of ours, by the stamp in its last bytes."""
        try:
            with (self.tables / name).open("rb") as f:
                f.seek(0, os.SEEK_END)
                size = f.tell()
                f.seek(max(0, size - 8))
                length = int.from_bytes(f.read(4), "little")
                f.seek(max(0, size - 8 - length))
                footer = f.read(length)
        except OSError:
            return False
        found = _STAMP.search(footer.replace(b'\\"', b'"'))
        return found is not None and found[1].decode() == store

    def _import(self, *, progress: bool) -> Catalogue:
        """Make a state of ONE's tables, keeping what only we know of the same rows."""
        from fascicle.catalogue import tables

        home = self.home if self.home.make() else self.away
        if home is self.away and not home.make():
            return self._in_memory(tables.read(self.tables, progress=progress))
        while True:
            stats, top = self._stats(), home.top()
            base = home.newest()
            if base is not None and self._current(home, base, stats):
                return self._catalogue(home, base)
            columns = tables.read(self.tables, progress=progress)
            if stats != self._stats():
                continue
            old = None if base is None else self._catalogue(home, base)
            if old is not None:
                _carry_over(old, columns)
            entry = self._claim(home, top, base, columns, stats, imported=True)
            if entry is not None:
                if ignored := columns.meta.get("ignored_columns"):
                    warnings.warn(
                        f"{self.tables / 'datasets.pqt'}: columns that the index does not keep: "
                        f"{', '.join(ignored)}",
                        stacklevel=5,
                    )
                return self._catalogue(home, entry)

    def _in_memory(self, columns: Columns) -> Catalogue:
        from fascicle.catalogue.memory import in_memory

        return in_memory(columns, root=self.root)

    # -- writing -----------------------------------------------------------------------------------

    def commit(self, change: Change) -> Catalogue:
        """Apply a change to the newest state and export the tables.

        Parameters
        ----------
        change : Change

        Returns
        -------
        Catalogue
            The new state.

        Raises
        ------
        CatalogueError
            The folder cannot be written.
        """
        from fascicle.catalogue.change import apply

        return self.update(lambda base, _: apply(change, base))

    def update(
        self, make: Callable[[Columns, Catalogue | None], Columns | None], *, progress: bool = False
    ) -> Catalogue:
        """Make a new state of the newest, again where another writer was first.

        Parameters
        ----------
        make : callable
            Gets the newest state as columns and as a catalogue (None where there is none yet);
            returns the new columns, or None where nothing is to change.
        """
        from fascicle.catalogue.columns import Columns
        from fascicle.catalogue.restore import columns_of

        home = self._writable()
        while True:
            stats, top = self._stats(), home.top()
            try:
                base: Catalogue | None = self.open(progress=progress)
            except NoIndexError:
                base = None
            entry = home.newest()
            number = 0 if entry is None else entry.number
            if (
                number != (0 if base is None else base.number)
                or top != home.top()
                or stats != self._stats()
            ):
                continue  # another writer came between the looks
            columns = make(Columns.empty() if base is None else columns_of(base), base)
            if columns is None and base is not None:
                self.export(home)
                return base
            claimed = self._claim(home, top, entry, columns or Columns.empty(), stats)
            if claimed is not None:
                self.export(home)
                self._collect(home)
                return self._catalogue(home, claimed)

    def _writable(self) -> _Home:
        if not self.tables.is_dir():
            raise CatalogueError(
                f"{self.tables} is no folder", hint="give the folder that holds the recordings"
            )
        if not self.home.make():
            raise CatalogueError(
                f"{self.tables} cannot be written",
                hint="searching and loading work all the same; to index, give a folder for the "
                "tables that can be written (tables_dir, or fascicle index DIR --tables OTHER)",
            )
        return self.home

    def _claim(
        self,
        home: _Home,
        top: int,
        base: Entry | None,
        columns: Columns,
        stats: Stats,
        *,
        imported: bool = False,
    ) -> Entry | None:
        """Write a segment and claim the next number; None where another writer was first."""
        from fascicle.catalogue import segment

        token = uuid.uuid4().hex
        number = top + 1
        store = uuid.uuid4().hex if base is None else base.store
        parent = "" if base is None else base.segment
        entry = Entry(number, token, store, parent, stats, imported)
        stem = home.stem(entry)
        segment.write(columns.arrange(), stem)
        part = home.log / f".{token}.part"
        part.write_text(json.dumps(entry._asdict()))
        segment.sync_file(part)
        try:
            won = _link(part, home.entry_path(number)) and self._is_child(home, entry)
        finally:
            part.unlink(missing_ok=True)
        if not won:
            for ending in segment.ENDINGS:
                stem.with_suffix(ending).unlink(missing_ok=True)
            return None
        return entry

    def _is_child(self, home: _Home, entry: Entry) -> bool:
        """Return whether our entry is not one that a collection of old entries made room for."""
        if home.numbers()[-1] == entry.number:
            return True
        after = home.entry(entry.number + 1)
        if after is not None and after.parent == entry.segment:
            return True
        home.entry_path(entry.number).unlink(missing_ok=True)
        return False

    def export(self, home: _Home | None = None) -> None:
        """Write ONE's tables of the newest state, unless they are there already."""
        from fascicle.catalogue import export
        from fascicle.catalogue.restore import columns_of

        home = home or self.home
        while True:
            entry = home.newest()
            if entry is None:
                return
            number, stats = home.exported()
            if number == entry.number and stats == self._stats():
                return
            if entry.imported and entry.tables == self._stats():
                return
            stamp = {"store": entry.store, "number": entry.number}
            export.write(columns_of(self._catalogue(home, entry)), self.tables, stamp)
            note = home.path / f".exports.{uuid.uuid4().hex}.part"
            note.write_text(json.dumps({"number": entry.number, "tables": self._stats()}))
            note.replace(home.exports)

    def _collect(self, home: _Home) -> None:
        """Remove states, and leavings of killed writers, that are older than a day."""
        newest = home.newest()
        if newest is None:
            return
        before = time.time() - _DAY
        keep = newest.segment
        for number in home.numbers():
            if number < newest.number:
                _remove_older(home.entry_path(number), before)
            elif (kept := home.entry(number)) is not None:
                keep = kept.segment
        for path in home.segments.iterdir():
            if path.stem not in (keep, newest.segment):
                _remove_older(path, before)
        for folder in (home.log, home.path, self.tables):
            for path in folder.glob(".*.part"):
                _remove_older(path, before)


def _remove_older(path: Path, before: float) -> None:
    with contextlib.suppress(FileNotFoundError):
        if path.stat().st_mtime < before:
            path.unlink()


def _link(part: Path, target: Path) -> bool:
    try:
        os.link(part, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        # A file system without links: claim by exclusive creation; a reader that sees it half
        # written takes the entry before.
        try:
            with target.open("x") as f:
                f.write(part.read_text())
        except FileExistsError:
            return False
    return True


def _carry_over(old: Catalogue, columns: Columns) -> None:
    """Keep places of folders and regions of insertions, which ONE's tables cannot hold."""
    from fascicle.catalogue.restore import columns_of

    before = columns_of(old)
    folders = {s.eid: s.folder for s in before.sessions if s.folder}
    for s in columns.sessions:
        s.folder = folders.get(s.eid, s.folder)
    known = {s.eid for s in columns.sessions}
    have = {(p.eid, p.name): p for p in columns.insertions}
    for p in before.insertions:
        if p.eid not in known:
            continue
        mine = have.get((p.eid, p.name))
        if mine is None:
            columns.insertions.append(p)
        elif mine.regions is None:
            mine.regions, mine.source = p.regions, p.source
    for key in ("local",):
        if key in before.meta:
            columns.meta.setdefault(key, before.meta[key])
