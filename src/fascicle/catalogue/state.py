"""The files of one state of a catalogue, opened for reading and never changed."""

from __future__ import annotations

import json
import mmap
import os
import sqlite3
import struct
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import UUID

from fascicle.catalogue.ids import make_uuid
from fascicle.catalogue.schema import HAS_HASH, ODD_HASH, RECORD, STAT_RECORD
from fascicle.errors import CatalogueError

T = TypeVar("T")

_BESIDE = (".bin", ".ids", ".rows")


class State:
    """A database and the arrays beside it, on disk or in memory.

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
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        source: Path | dict[str, bytes],
        *,
        root: Path | None = None,
        tables_dir: Path | None = None,
        number: int = 0,
    ) -> None:
        self._con = connection
        self._source = source
        self._maps: dict[str, mmap.mmap | bytes] = {}
        self._memo: dict[Any, Any] = {}
        self.root = root
        self.tables_dir = tables_dir
        self.number = number
        self.meta: dict[str, Any] = {
            k: json.loads(v) for k, v in connection.execute("SELECT key, value FROM meta")
        }
        self.n_sessions: int = self.meta["n_sessions"]
        self.n_rows: int = self.meta["n_rows"]
        self.n_datasets: int = self.meta["n_datasets"]

    @classmethod
    def from_files(
        cls, stem: Path, *, root: Path | None, number: int, tables_dir: Path | None = None
    ) -> Self:
        """Open a segment by its path without ending."""
        uri = f"{Path(f'{stem}.sqlite').absolute().as_uri()}?mode=ro&immutable=1"
        try:
            con = sqlite3.connect(uri, uri=True, check_same_thread=False)
            con.execute("PRAGMA mmap_size=1073741824")
            out = cls(con, stem, root=root, tables_dir=tables_dir, number=number)
            expected = RECORD * out.n_datasets, 8 * out.n_datasets, 4 * int(out.meta["n_sparse"])
            for ending, size in zip(_BESIDE, expected, strict=True):
                # At once, since a later commit may collect the files.
                if len(out._beside(ending)) != size:
                    raise ValueError(f"{stem.name}{ending} beside it has not {size} bytes")
        except (sqlite3.Error, OSError, KeyError, ValueError) as error:
            raise CatalogueError(
                f"the index file {stem}.sqlite cannot be read: {error}",
                hint="remove the .fascicle folder beside the tables, then: fascicle index DIR",
            ) from error
        return out

    def close(self) -> None:
        """Release the files."""
        self._con.close()
        self._memo.clear()
        self._maps.clear()

    def __reduce__(self) -> tuple[Any, ...]:
        kind = type(self)
        if isinstance(self._source, dict):
            return _from_memory, (kind, self._con.serialize(), self._source, self.root)
        return _from_files, (kind, self._source, self.root, self.number, self.tables_dir)

    def _once(self, key: Any, make: Callable[[], T]) -> T:
        if key not in self._memo:
            self._memo[key] = make()
        value: T = self._memo[key]
        return value

    def _array(self, name: str) -> bytes:
        found = self._con.execute("SELECT data FROM array WHERE name = ?", (name,)).fetchone()
        return bytes(found[0])

    def _typed(self, name: str, code: str) -> array[int]:
        def read() -> array[int]:
            out = array(code)
            out.frombytes(self._array(name))
            return out

        return self._once(("array", name), read)

    def _starts(self) -> array[int]:
        return self._typed("starts", "q")

    def _beside(self, ending: str) -> mmap.mmap | bytes:
        """Return one of the arrays that lie beside the database."""
        found = self._maps.get(ending)
        if found is None:
            if isinstance(self._source, dict):
                found = self._source[ending]
            else:
                with Path(f"{self._source}{ending}").open("rb") as f:
                    size = os.fstat(f.fileno()).st_size
                    found = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
            self._maps[ending] = found
        return found

    def _records(self, first: int, n: int) -> bytes:
        return bytes(self._beside(".bin")[first * RECORD : (first + n) * RECORD])

    def _record(self, record: int, flags: int) -> tuple[UUID, str, int | None]:
        raw = self._records(record, 1)
        size = int.from_bytes(raw[32:], "little", signed=True)
        text = raw[16:32].hex() if flags & HAS_HASH else ""
        if flags & ODD_HASH:
            found = self._con.execute("SELECT hash FROM odd_hash WHERE record = ?", (record,))
            text = str(found.fetchone()[0])
        return make_uuid(raw[:16]), text, None if size < 0 else size

    def _seen(self, record: int) -> tuple[int, int, int] | None:
        if not self.meta.get("has_stats"):
            return None
        try:
            stats = self._beside(".stat")
        except FileNotFoundError:  # a later commit collected it
            return None
        raw = stats[record * STAT_RECORD : (record + 1) * STAT_RECORD]
        mtime, ctime, inode = struct.unpack("<3q", raw)
        return (mtime, ctime, inode) if mtime and inode else None


def _from_files(
    kind: type[State], stem: Path, root: Path | None, number: int, tables_dir: Path | None
) -> State:
    return kind.from_files(stem, root=root, number=number, tables_dir=tables_dir)


def _from_memory(
    kind: type[State], database: bytes, source: dict[str, bytes], root: Path | None
) -> State:
    con = sqlite3.connect(":memory:", check_same_thread=False)
    con.deserialize(database)
    return kind(con, source, root=root)
