"""Questions to one state of the catalogue, answered without loading it.

Sessions are numbered in the order of results (date, subject and number, latest first); sets of
them are integers used as bits (see ``bits``). The tables of pandas are made only where asked for.
"""

from __future__ import annotations

import json
import os
from array import array
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import date as Date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.catalogue import bits as _bits
from fascicle.catalogue.datasets import Datasets
from fascicle.catalogue.ids import as_bytes, make_uuid, make_uuids
from fascicle.catalogue.postings import sessions_with
from fascicle.catalogue.schema import (
    QC_CODE,
    Insertion,
    Session,
    classes,
    session_folder,
)
from fascicle.catalogue.state import State
from fascicle.errors import CatalogueError, SessionNotFound

if TYPE_CHECKING:
    import pandas as pd

_MEMO = 256  # sets of sessions that are kept for questions asked again


class Catalogue(State):
    """One state of a catalogue; it never changes while it is open.

    Open one with ``Catalogue.open`` or make one of pandas tables with ``Catalogue.from_frames``.

    Attributes
    ----------
    root : pathlib.Path or None
        Folder that the sessions' paths are relative to.
    tables_dir : pathlib.Path or None
        Folder of the tables, where it is another one.
    number : int
        Number of the commit; 0 for a state that is in memory alone.
    meta : dict
        Plain values: ``date_created``, ``origin``, …
    n_sessions, n_datasets : int
        How many there are.
    """

    # -- opening ---------------------------------------------------------------------------------

    @staticmethod
    def open(
        folder: str | os.PathLike[str],
        *,
        tables_dir: str | os.PathLike[str] | None = None,
        progress: bool = False,
    ) -> Catalogue:
        """Open the newest state of a folder's catalogue.

        Parameters
        ----------
        folder : path
            The folder of recordings.
        tables_dir : path, optional
            Folder of the tables, where it is another one.
        progress : bool
            Show a bar on stderr where tables must first be read.

        Returns
        -------
        Catalogue

        Raises
        ------
        NoIndexError
            The folder has neither an index of ours nor ONE's tables.
        CatalogueError
            An index is there but cannot be read.
        """
        from fascicle.catalogue.store import Store

        return Store(folder, tables_dir=tables_dir).open(progress=progress)

    @staticmethod
    def from_frames(
        sessions: pd.DataFrame,
        datasets: pd.DataFrame,
        insertions: pd.DataFrame | None = None,
        *,
        root: Path | None = None,
    ) -> Catalogue:
        """Make a catalogue in memory from tables of ONE's form."""
        from fascicle.catalogue import frames

        return frames.catalogue_from_frames(sessions, datasets, insertions, root=root)

    def __repr__(self) -> str:
        return (
            f"<Catalogue {self.n_sessions} sessions, {self.n_datasets} datasets, root {self.root}>"
        )

    # -- sets of sessions ---------------------------------------------------------------------

    @property
    def everything(self) -> int:
        """The set of all sessions."""
        return _bits.full(self.n_sessions)

    def values(self, column: str) -> dict[Any, int]:
        """Return the distinct values of a column (lab, subject, number, …) and their sessions."""

        def read() -> dict[Any, int]:
            rows = self._con.execute("SELECT value, sessions FROM value WHERE field = ?", (column,))
            return {value: _bits.decode(blob, self.n_rows) for value, blob in rows}

        return self._once(("values", column), read)

    def where(self, column: str, predicate: Callable[[Any], object]) -> int:
        """Return the sessions for whose value of a column a test holds.

        Parameters
        ----------
        column : {'lab', 'subject', 'number', 'task_protocol', 'projects'}
        predicate : callable
            Called once for each distinct value; ``projects`` is a comma-separated text.
        """
        out = 0
        for value, rows in self._value_blobs(column):
            if predicate(value):
                out |= _bits.decode(rows, self.n_rows)
        return out

    def _value_blobs(self, column: str) -> list[tuple[Any, bytes]]:
        return self._once(
            ("blobs", column),
            lambda: self._con.execute(
                "SELECT value, sessions FROM value WHERE field = ?", (column,)
            ).fetchall(),
        )

    def between(self, start: Date | None, end: Date | None) -> int:
        """Return the sessions of a range of days, both ends included."""
        dates, n = self._typed("dates", "i"), self.n_sessions  # negated, ascending
        a = 0 if end is None else bisect_left(dates, -end.toordinal(), 0, n)
        b = n if start is None else bisect_right(dates, -start.toordinal(), 0, n)
        return _bits.span(a, b)

    def having(
        self,
        predicate: Callable[[str], object],
        *,
        of: str = "name",
        qc_lte: int = 40,
        exists: bool | None = True,
        key: str | None = None,
    ) -> int:
        """Return the sessions that have a dataset for which a test holds.

        Parameters
        ----------
        predicate : callable
            Called once for each distinct text.
        of : {'name', 'path'}
            Test the file name, or the path relative to the session.
        qc_lte : int
            Worst quality control accepted (0, 10, 30, 40 or 50).
        exists : bool or None
            Whether the archive must (True) or must not (False) have it; None for either.
        key : str, optional
            Says what the predicate tests, so that the answer to the same question is kept.
        """
        question = ("having", key, of, qc_lte, exists)
        known: int | None = self._memo.get(question)
        if key is not None and known is not None:
            return known
        if of == "name":
            good = {k for k, name in enumerate(self._texts("names")) if predicate(name)}
            names = self._typed("path_names", "I")
            wanted = [p for p, k in enumerate(names) if k in good] if good else []
        else:
            wanted = [p for p, path in enumerate(self.paths()) if predicate(path)]
        out = sessions_with(self, wanted, classes(QC_CODE[qc_lte], exists=exists))
        if key is not None:
            if len(self._memo) > _MEMO:
                for old in [q for q in list(self._memo) if q[0] == "having"]:
                    self._memo.pop(old, None)
            self._memo[question] = out
        return out

    def having_qc(self, qc_lte: int) -> int:
        """Return the sessions with any dataset that exists and has at most that QC value."""
        return sessions_with(self, range(len(self.paths())), classes(QC_CODE[qc_lte]))

    def in_regions(self, ids: Iterable[int], *, side: int | None = None) -> int:
        """Return the sessions with a probe insertion in some regions.

        Parameters
        ----------
        ids : iterable of int
            Positive CCF ids, descendants included by the caller.
        side : {-1, 1}, optional
            Only in the left or in the right hemisphere.
        """
        rows = {i.row for i, _ in self.insertions_in(ids, side=side)}
        return _bits.from_rows(rows, self.n_rows) & self.everything

    # -- sessions --------------------------------------------------------------------------------

    def rows(self, bits: int) -> list[int]:
        """Return the row numbers of a set, in the order of results."""
        return _bits.to_rows(bits)

    @cached_property
    def _eid_bytes(self) -> bytes:
        return self._array("eids")

    @cached_property
    def _uuids(self) -> list[UUID | None]:
        return [None] * self.n_rows

    def eid(self, row: int) -> UUID:
        """Return the id of a row."""
        found = self._uuids[row]
        if found is None:
            found = self._uuids[row] = make_uuid(self._eid_bytes[16 * row : 16 * row + 16])
        return found

    def eids(self, rows: Iterable[int] | None = None) -> list[UUID]:
        """Return the ids of some rows (default: of all sessions)."""
        rows = range(self.n_sessions) if rows is None else list(rows)
        known, raw = self._uuids, self._eid_bytes
        missing = [r for r in rows if known[r] is None]
        made = make_uuids([raw[i : i + 16] for i in map((16).__mul__, missing)])
        deque(map(known.__setitem__, missing, made), 0)  # a third of a loop's time
        return made if len(made) == len(rows) else [known[r] for r in rows]  # type: ignore[misc]

    def row(self, eid: UUID | str | bytes) -> int | None:
        """Return the row of a session's id; None where it is unknown."""
        raw = as_bytes(eid)
        if raw is None:
            return None
        known = self._rows_by_eid().get(raw)
        return self._find_row(raw) if known is None else known

    def _rows_by_eid(self) -> dict[bytes, int]:
        return self._once("rows", dict)

    def _find_row(self, raw: bytes) -> int | None:
        known, at = self._eid_bytes, -1
        while True:
            at = known.find(raw, at + 1)
            if at < 0:
                return None
            if at % 16 == 0:
                self._rows_by_eid()[raw] = at // 16
                return at // 16

    def row_of(self, lab: str | None, subject: str, date: Date, number: int) -> int | None:
        """Return the row of a session by its place; ``lab=None`` takes any lab."""
        rows = self._con.execute(
            "SELECT n, lab FROM session WHERE subject = ? AND date = ? AND number = ? ORDER BY n",
            (subject, date.toordinal(), number),
        ).fetchall()
        for n, known in rows:
            if lab is None or known == lab:
                return int(n)
        return None

    def session(self, row: int) -> Session:
        """Return what is known of a session.

        Raises
        ------
        SessionNotFound
            There is no such row.
        """
        found = self._con.execute("SELECT * FROM session WHERE n = ?", (row,)).fetchone()
        if found is None:
            raise SessionNotFound(f"the catalogue has no row {row}")
        n, lab, subject, ordinal, number, task, projects, folder = found
        date = Date.fromordinal(ordinal)
        folder = folder or session_folder(lab, subject, date, number)
        return Session(self.eid(n), lab, subject, date, number, task, projects, folder)

    def sessions_frame(self, rows: Sequence[int] | None = None) -> pd.DataFrame:
        """Return ONE's sessions table of some rows (default: all), indexed by id."""
        from fascicle.catalogue import frames

        return frames.sessions(self, rows)

    # -- datasets ----------------------------------------------------------------------------------

    def paths(self) -> list[str]:
        """Return all distinct paths relative to a session, sorted."""
        return self._texts("paths")

    def _texts(self, name: str) -> list[str]:
        return self._once(("texts", name), lambda: self._array(name).decode().split("\0")[:-1])

    def _path_classes(self) -> array[int]:
        return self._typed("path_classes", "I")

    def paths_with(self, *, qc_lte: int = 40, exists: bool | None = None) -> list[str]:
        """Return the distinct paths that occur with at most some QC value."""
        mask = classes(QC_CODE[qc_lte], exists=exists)
        seen = self._path_classes()
        return [path for path, c in zip(self.paths(), seen, strict=True) if c & mask]

    def datasets(self, row: int) -> Datasets:
        """Return the datasets of a session."""
        found = self._con.execute(
            "SELECT paths, flags FROM contents WHERE n = ?", (row,)
        ).fetchone()
        codes = array("I")
        flags = b""
        if found is not None:
            codes.frombytes(found[0])
            flags = bytes(found[1])
        paths = self.paths()
        return Datasets(self, self.eid(row), self._starts()[row], [paths[c] for c in codes], flags)

    def datasets_frame(self, rows: Sequence[int] | None = None) -> pd.DataFrame:
        """Return ONE's datasets table of some sessions (default: all), indexed by (eid, id)."""
        from fascicle.catalogue import frames

        return frames.datasets(self, rows)

    def locate_dataset(self, identifier: UUID | str) -> tuple[int, int] | None:
        """Return (row of the session, position among its datasets) of a dataset's id."""
        raw = as_bytes(identifier)
        if raw is None or not self.n_datasets:
            return None
        heads = memoryview(self._beside(".ids")).cast("I")
        head, n = int.from_bytes(raw[:4], "big"), self.n_datasets
        for at in range(bisect_left(heads, head, 0, n), n):
            if heads[at] != head:
                break
            record = heads[n + at]
            if self._records(record, 1)[:16] == raw:
                row = bisect_right(self._starts(), record) - 1
                return row, record - self._starts()[row]
        return None

    @property
    def has_default_revision(self) -> bool:
        """Whether the tables say which revisions are the default."""
        return bool(self.meta.get("has_default_revision"))

    # -- probe insertions and regions -----------------------------------------------------------

    def insertions(self, rows: Iterable[int] | None = None) -> list[Insertion]:
        """Return the probe insertions of some sessions (default: all)."""
        if rows is None:
            found = self._con.execute("SELECT * FROM insertion ORDER BY i").fetchall()
        else:
            ask = "SELECT * FROM insertion WHERE n = ? ORDER BY i"
            found = [r for n in rows for r in self._con.execute(ask, (n,))]
        return [self._insertion(r) for r in found]

    def _insertion(self, r: Sequence[Any]) -> Insertion:
        _, pid, n, name, model, serial, extra, _, _ = r
        return Insertion(make_uuid(pid), n, name, model, serial, json.loads(extra or "{}"))

    def insertion(self, pid: UUID | str) -> Insertion | None:
        """Return the insertion of an id; None where it is unknown."""
        found = self._con.execute(
            "SELECT * FROM insertion WHERE pid = ?", (as_bytes(pid),)
        ).fetchone()
        return None if found is None else self._insertion(found)

    def insertions_in(
        self, ids: Iterable[int], *, side: int | None = None
    ) -> list[tuple[Insertion, dict[int, int]]]:
        """Return the insertions in some regions, each with its channels there by signed CCF id."""
        wanted = sorted({abs(i) for i in ids})
        found: dict[int, dict[int, int]] = {}
        for a in range(0, len(wanted), 500):
            part = wanted[a : a + 500]
            marks = ",".join("?" * len(part))
            ask = f"SELECT i, ccf, side, channels FROM region WHERE ccf IN ({marks})"  # noqa: S608
            for i, ccf, s, channels in self._con.execute(ask, part):
                if side is None or s == side:
                    signed = -ccf if s < 0 else ccf
                    counts = found.setdefault(i, {})
                    counts[signed] = counts.get(signed, 0) + channels
        ask = "SELECT * FROM insertion WHERE i = ?"
        return [
            (self._insertion(self._con.execute(ask, (i,)).fetchone()), found[i])
            for i in sorted(found)
        ]

    def regions(self, pid: UUID | str) -> dict[int, int]:
        """Return the channels of an insertion by CCF id, negative in the left hemisphere."""
        out: dict[int, int] = {}
        for ccf, side, channels in self._con.execute(
            "SELECT ccf, side, channels FROM region JOIN insertion USING (i) WHERE pid = ?",
            (as_bytes(pid),),
        ):
            signed = -ccf if side < 0 else ccf
            out[signed] = out.get(signed, 0) + channels
        return out

    @property
    def n_insertions(self) -> int:
        """Number of probe insertions."""
        return int(self._con.execute("SELECT COUNT(*) FROM insertion").fetchone()[0])

    @property
    def unknown_regions(self) -> int:
        """Number of sessions with an insertion whose channel files are not here."""
        found = self._con.execute("SELECT COUNT(DISTINCT n) FROM insertion WHERE NOT known")
        return int(found.fetchone()[0])

    # -- changing --------------------------------------------------------------------------------

    def commit(self, change: Any) -> Catalogue:
        """Apply a `fascicle.catalogue.Change` to the newest state; return the new one."""
        from fascicle.catalogue.store import Store

        if self.root is None or isinstance(self._source, dict):
            raise CatalogueError(
                "a catalogue in memory has no folder to be written to",
                hint="open a folder with Catalogue.open(DIR), or index one: fascicle index DIR",
            )
        return Store(self.root, tables_dir=self.tables_dir).commit(change)
