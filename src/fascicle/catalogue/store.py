"""Where the states of a catalogue lie, how a new one is claimed, and how ONE's tables follow.

No lock is needed and none is trusted. A state is a segment of files that never change; its entry
in the log is made with ``os.link``, which fails where that number is taken. The newest entry is
the catalogue. ONE's two tables are exports of it, each replaced as a whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import uuid
import warnings
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from fascicle import settings
from fascicle.catalogue.log import Entry, Home, Stats
from fascicle.catalogue.query import Catalogue
from fascicle.catalogue.schema import HIDDEN
from fascicle.errors import CatalogueError, NoIndexError

if TYPE_CHECKING:
    from fascicle.catalogue.change import Change
    from fascicle.catalogue.columns import Columns

TABLES = ("sessions.pqt", "datasets.pqt", "insertions.pqt")
_STAMP = re.compile(rb'\{"store": "([0-9a-f]{32})", "number": \d+(?:, "end": (\d+))?\}')
_SETTLED = 2.0  # seconds after which a table is not still being written


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
        self.home = Home(self.tables / HIDDEN)

    @cached_property
    def away(self) -> Home:
        """The place in the user's cache where an index lies if it cannot lie beside the tables."""
        from hashlib import sha1

        key = sha1(os.fsencode(self.tables.resolve()), usedforsecurity=False).hexdigest()
        return Home(settings.cache_dir() / "index" / key)

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
        return self._patiently(lambda: self._open(("home", "away"), progress=progress))

    def _patiently(self, attempt: Callable[[], Catalogue]) -> Catalogue:
        """Try again where another program is writing just now, or has collected what we opened."""
        for wait in (0.05, 0.1, 0.2, 0.4, 0.8):
            before = self._stats(), self.home.top()
            try:
                return attempt()
            except (FileNotFoundError, CatalogueError) as error:
                still = before == (self._stats(), self.home.top()) and self._settled(before[0])
                if still or isinstance(error, NoIndexError):
                    raise
            time.sleep(wait)
        return attempt()

    def _settled(self, stats: Stats) -> bool:
        newest = max((mtime for _, mtime, _ in stats.values()), default=0)
        return abs(time.time() - newest / 1e9) > _SETTLED

    def _open(self, places: tuple[str, ...], *, progress: bool) -> Catalogue:
        stats = self._stats()
        for place in places:
            home: Home = getattr(self, place)
            entry = home.newest()
            if entry is not None and self._current(home, entry, stats):
                return self._catalogue(home, entry)
        if not {"sessions.pqt", "datasets.pqt"} <= stats.keys():
            entry = self.home.newest()
            if entry is not None:  # tables half gone; the log still has them
                return self._catalogue(self.home, entry)
            if not self.tables.exists():
                raise NoIndexError(
                    f"there is no folder {self.tables}",
                    hint="look at its name, and whether its disk is mounted",
                )
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

    def _catalogue(self, home: Home, entry: Entry) -> Catalogue:
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

    def _current(self, home: Home, entry: Entry, stats: Stats) -> bool:
        """Return whether the tables hold nothing that this state does not know."""
        if not stats or stats == entry.tables:
            return True
        exported = home.exported()[1]
        return all(
            stat == exported.get(name)
            or stat == entry.tables.get(name)
            or self._ours(name, entry.store)
            for name, stat in stats.items()
        )

    def _ours(self, name: str, store: str) -> bool:
        """Return whether a table is an export of ours, by the stamp in its last bytes.

        The stamp says where the rows end, since other programs that change a table may copy it.
        """
        try:
            with (self.tables / name).open("rb") as f:
                size = f.seek(0, os.SEEK_END)
                f.seek(max(0, size - 8))
                length = int.from_bytes(f.read(4), "little")
                start = max(0, size - 8 - length)
                f.seek(start)
                footer = f.read(length)
        except OSError:
            return False
        found = _STAMP.search(footer)
        if found is None or found[1].decode() != store:
            return False
        return found[2] is None or int(found[2]) == start

    def _import(self, *, progress: bool) -> Catalogue:
        """Make a state of ONE's tables, keeping what only we know of the same rows."""
        from fascicle.catalogue import tables
        from fascicle.catalogue.changed import carry_over, rebase

        home = self.home if self.home.make() else self.away
        if home is self.away and not home.make():
            return self._in_memory(tables.read(self.tables, progress=progress))
        while True:
            stats, top = self._stats(), home.top()
            base = home.newest()
            if base is not None and self._current(home, base, stats):
                return self._catalogue(home, base)
            entry = base or self.home.newest()
            old = None
            if entry is not None:
                old = self._catalogue(home if base is not None else self.home, entry)
            both = {n: s for n, s in stats.items() if n != "insertions.pqt"}
            whole = True
            if old is not None and entry is not None and self._current(home, entry, both):
                columns, whole = tables.with_insertions(old, self.tables), False
            else:
                columns = tables.read(self.tables, progress=progress)
            if stats != self._stats():
                continue
            if old is not None:
                carry_over(old, columns)
                if base is not None and (ancestor := self._ancestor(home, base)) is not None:
                    columns, whole = rebase(self._catalogue(home, ancestor), old, columns), False
            entry = self._claim(home, top, base, columns, stats, imported=whole)
            if entry is not None:
                if ignored := columns.meta.get("ignored_columns"):
                    warnings.warn(
                        f"{self.tables / 'datasets.pqt'}: columns that the index does not keep: "
                        f"{', '.join(ignored)}",
                        stacklevel=6,
                    )
                return self._catalogue(home, entry)

    def _ancestor(self, home: Home, base: Entry) -> Entry | None:
        """Return the state that the tables had when others began to change them.

        None where that is the newest one, or is gone.
        """
        if base.imported or home.exported()[0] == base.number:
            return None
        for number in reversed(home.numbers()):
            found = home.entry(number) if number < base.number else None
            if found and (found.imported or number == home.exported()[0]):
                return found if home.has_segment(found) else None
        return None

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

        def here() -> Catalogue:
            return self._open(("home",), progress=progress)

        while True:
            stats, top = self._stats(), home.top()
            try:
                base: Catalogue | None = self._patiently(here)
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
                home.collect(self.tables)
                return self._catalogue(home, claimed)

    def _writable(self) -> Home:
        if not self.tables.is_dir():
            raise CatalogueError(
                f"{self.tables} is no folder", hint="give the folder that holds the recordings"
            )
        if not (self.home.make() and os.access(self.tables, os.W_OK)):
            raise CatalogueError(
                f"{self.tables} cannot be written",
                hint="searching and loading work all the same; to index, give a folder for the "
                "tables that can be written (tables_dir, or fascicle index DIR --tables OTHER)",
            )
        return self.home

    def _claim(
        self,
        home: Home,
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
        won = False
        try:
            segment.write(columns.arrange(), stem)
            won = home.claim(entry)
        finally:
            if not won:
                for ending in segment.ENDINGS:
                    stem.with_suffix(ending).unlink(missing_ok=True)
        return entry if won else None

    def export(self, home: Home | None = None) -> None:
        """Write ONE's tables of the newest state, unless they are there already."""
        from fascicle.catalogue import export
        from fascicle.catalogue.restore import columns_of

        home = home or self.home
        while True:
            entry = home.newest()
            if entry is None:
                return
            now = self._stats()
            if home.exported() == (entry.number, now) or (entry.imported and entry.tables == now):
                return
            if not self._current(home, entry, now):
                return  # another program has just changed them: the next look will read that first
            stamp = {"store": entry.store, "number": entry.number}
            written = export.write(columns_of(self._catalogue(home, entry)), self.tables, stamp)
            kept = {n: s for n, s in entry.tables.items() if n == "insertions.pqt" and n in now}
            note = home.path / f".exports.{uuid.uuid4().hex}.part"
            note.write_text(json.dumps({"number": entry.number, "tables": {**written, **kept}}))
            note.replace(home.exports)
