"""A server's catalogue, kept here: its index whole, then what changed; ids and hashes when asked.

The index is a state of files like that of a folder, so everything that is asked of a folder's
catalogue can be asked of it, also without a network. Its file of records has the full length and
is blank where nothing was asked yet.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import mmap
import os
import shutil
import sqlite3
import time
import uuid
from pathlib import Path
from typing import Any, Protocol, Self
from uuid import UUID

from fascicle.catalogue.ids import as_bytes
from fascicle.catalogue.query import Catalogue
from fascicle.catalogue.schema import RECORD
from fascicle.errors import CatalogueError

_BLANK = bytes(16)
_ASK = 1024  # records that are fetched at once: 40 kB, as quick as one of them
_DAY = 86400
_CURRENT = "current.json"


class Gone(CatalogueError):
    """A server does not have what was asked for any more."""

    kind = "catalogue-gone"


class Server(Protocol):
    """What a remote catalogue asks of a client of the server."""

    def get(self, path: str, *, start: int | None = None, stop: int | None = None) -> bytes:
        """Return the body of an answer, or a range of it.

        Parameters
        ----------
        path : str
            Below the server's address, as in ``catalogue/info``.
        start, stop : int, optional
            First byte, and the one after the last; default: everything.

        Raises
        ------
        Gone
            The server answers 404, 410 or 416.
        """


class RemoteCatalogue(Catalogue):
    """One state of a server's catalogue; what it lacks of ids and hashes it fetches.

    Attributes
    ----------
    server : Server or None
        Where that is fetched; None to do without.
    rows_path : str
        Path of the records on the server.
    """

    server: Server | None = None
    rows_path: str = ""
    _opened = False

    @classmethod
    def of(cls, stem: Path, *, server: Server | None, rows_path: str, number: int) -> Self:
        """Open a state by its path without ending."""
        out = cls.from_files(stem, root=None, number=number)
        out.server, out.rows_path, out._opened = server, rows_path, True
        return out

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self._source, self.server, self.rows_path, self.number)

    def _beside(self, ending: str) -> mmap.mmap | bytes:
        if ending == ".bin" and self._opened:
            self._fetch(0, self.n_datasets)
        return super()._beside(ending)

    def _records(self, first: int, n: int) -> bytes:
        raw = self._here(first, n)
        if any(raw[k : k + 16] == _BLANK for k in range(0, len(raw), RECORD)):
            self._fetch(first, first + n)
            raw = self._here(first, n)
        return raw

    def _here(self, first: int, n: int) -> bytes:
        return bytes(super()._beside(".bin")[first * RECORD : (first + n) * RECORD])

    def _fetch(self, first: int, last: int) -> None:
        """Fetch records that are blank here, with their neighbours."""
        blank = [block for block in range(first // _ASK, -(-last // _ASK)) if self._lacks(block)]
        while blank:
            n = 1
            while n < len(blank) and blank[n] == blank[0] + n:
                n += 1
            self._fetch_blocks(blank[0], blank[0] + n)
            del blank[:n]

    def _lacks(self, block: int) -> bool:
        raw = self._here(block * _ASK, _ASK)
        return any(raw[k : k + 16] == _BLANK for k in range(0, len(raw), RECORD))

    def _fetch_blocks(self, first: int, last: int) -> None:
        if self.server is None:
            raise CatalogueError(
                "ids and hashes of these datasets were not fetched yet, and there is no server",
                hint="ask again when the server can be reached",
            )
        start, stop = first * _ASK * RECORD, min(last * _ASK, self.n_datasets) * RECORD
        try:
            raw = self.server.get(self.rows_path, start=start, stop=stop)
        except Gone as error:
            raise Gone(
                "the server's catalogue has changed since it was opened here",
                hint="open the archive again: archive.refresh()",
            ) from error
        if len(raw) != stop - start:
            raise CatalogueError(
                f"the server sent {len(raw)} bytes of its catalogue where {stop - start} were asked"
            )
        # Other processes may write the same bytes to the same places.
        with Path(f"{self._source}.bin").open("r+b") as f:
            f.seek(start)
            f.write(raw)

    def locate_dataset(self, identifier: UUID | str) -> tuple[int, int] | None:
        """Return (row of the session, position among its datasets) of a dataset's id."""
        raw = as_bytes(identifier)
        if raw is None or not self.n_datasets:
            return None
        record = self._known(raw)
        if record is None and self.server is not None:
            try:
                path = f"{self.rows_path}?id={UUID(bytes=raw)}"
                record = int(json.loads(self.server.get(path))["record"])
            except Gone:
                return None
        if record is None:
            return None
        from bisect import bisect_right

        row = bisect_right(self._starts(), record) - 1
        return row, record - self._starts()[row]

    def _known(self, raw: bytes) -> int | None:
        """Return the record of an id among those that were fetched."""
        held, at = super()._beside(".bin"), -1
        while True:
            at = held.find(raw, at + 1)
            if at < 0:
                return None
            if at % RECORD == 0:
                return at // RECORD


def _again(
    kind: type[RemoteCatalogue], stem: Path, server: Server | None, rows_path: str, number: int
) -> RemoteCatalogue:
    return kind.of(stem, server=server, rows_path=rows_path, number=number)


class RemoteStore:
    """The place where a server's catalogue is kept on this machine.

    Many processes may share it: a state is made in a folder of its own, and then named.

    Parameters
    ----------
    folder : path
        A folder for this server and this user alone.
    server : Server or None
        A client of the server; None where it cannot be reached.

    Examples
    --------
    >>> store = RemoteStore(cache / "catalogue", server)  # doctest: +SKIP
    >>> catalogue = store.refresh()  # what changed is fetched  # doctest: +SKIP
    """

    def __init__(self, folder: str | os.PathLike[str], server: Server | None) -> None:
        self.folder = Path(folder)
        self.server = server

    def open(self) -> RemoteCatalogue | None:
        """Return the catalogue as it was fetched last; None where it never was."""
        return self._try(self._current())

    def _try(self, found: dict[str, Any] | None) -> RemoteCatalogue | None:
        if found is None:
            return None
        try:
            return self._opened(found)
        except CatalogueError:
            return None  # half of it is gone: it is fetched again

    def refresh(self) -> RemoteCatalogue:
        """Fetch what changed since last time, or all the first time; return the catalogue.

        Raises
        ------
        CatalogueError
            What the server sent is damaged, or of another kind.
        Gone
            The server has no such catalogue.
        """
        if self.server is None:
            found = self.open()
            if found is None:
                raise CatalogueError(
                    "the server's catalogue was never fetched, and there is no server to ask",
                    hint="ask again when the server can be reached",
                )
            return found
        info = json.loads(self.server.get("catalogue/info"))
        here = self._current()
        old = self._try(here)
        if old is not None and here is not None and here["store"] == info["store"]:
            if here["generation"] == info["generation"]:
                return old
            changed = self._changes(old, here, info)
            if changed is not None:
                return changed
        return self._whole(info)

    def _current(self) -> dict[str, Any] | None:
        try:
            found = json.loads((self.folder / _CURRENT).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        return found if isinstance(found, dict) and "place" in found else None

    def _opened(self, found: dict[str, Any]) -> RemoteCatalogue:
        return RemoteCatalogue.of(
            self.folder / found["place"] / "index",
            server=self.server,
            rows_path=found["rows"],
            number=found["generation"],
        )

    def _whole(self, info: dict[str, Any]) -> RemoteCatalogue:
        from fascicle.catalogue.packed import unpack

        assert self.server is not None
        raw = self.server.get(info["search"]["url"])
        if hashlib.sha256(raw).hexdigest() != info["search"]["sha256"]:
            raise CatalogueError(
                "the index that the server sent is damaged", hint="ask again: it may be the network"
            )
        columns, _ = next(unpack(raw))
        return self._keep(columns, info)

    def _changes(
        self, old: RemoteCatalogue, here: dict[str, Any], info: dict[str, Any]
    ) -> RemoteCatalogue | None:
        """Apply what changed; None where the server does not know any more what did."""
        from fascicle.catalogue.packed import renewed, unpack
        from fascicle.catalogue.restore import columns_of

        assert self.server is not None
        try:
            raw = self.server.get(
                f"catalogue/changes?since={here['generation']}&until={info['generation']}"
            )
        except Gone:
            return None
        old._opened = False  # blank records stay blank
        columns = columns_of(old)
        for fresh, gone in unpack(raw):
            columns = renewed(columns, fresh, gone)
        if len(columns.flags) != info["datasets"]:
            return None
        return self._keep(columns, info)

    def _keep(self, columns: Any, info: dict[str, Any]) -> RemoteCatalogue:
        from fascicle.catalogue import segment

        place = f"{info['generation']}-{uuid.uuid4().hex}"
        try:
            (self.folder / place).mkdir(parents=True)
        except OSError as error:
            raise CatalogueError(
                f"the server's index cannot be kept in {self.folder}: {error.strerror}",
                hint="FASCICLE_CACHE=DIR names another folder",
            ) from error
        try:
            segment.write(columns.arrange(), self.folder / place / "index", sync=False)
        except (OSError, sqlite3.Error, CatalogueError):
            shutil.rmtree(self.folder / place, ignore_errors=True)
            raise
        now = {
            "place": place,
            "store": info["store"],
            "generation": info["generation"],
            "rows": info["rows"]["url"],
        }
        part = self.folder / f".{_CURRENT}.{uuid.uuid4().hex}.part"
        part.write_text(json.dumps(now), encoding="utf-8")
        part.replace(self.folder / _CURRENT)
        self._collect(place)
        return self._opened(now)

    def _collect(self, newest: str) -> None:
        """Remove states that nobody can be reading any more."""
        for path in self.folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                old = time.time() - path.stat().st_mtime > _DAY
                if path.is_dir() and path.name != newest and old:
                    shutil.rmtree(path, ignore_errors=True)
