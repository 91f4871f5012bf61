"""What is known of the files of a store: which were verified, and how they looked then.

The ledger lies in the store's hidden folder as segments that are written once and never changed,
so that any number of processes add to it at once without a lock and lose nothing. Of several rows
for one file the newest counts; a row is only believed while the file still looks as it says.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import secrets
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

from fascicle.transfer.hashes import file_digest

#: Folder in a store that is ours.
HIDDEN = ".fascicle"
FORMAT = 1

State: TypeAlias = Literal["verified", "unverified", "accepted-mismatch", "gone"]

_SMALL = 1 << 20
_MANY = 32
_KEPT = 4
_DAY = 86_400


class Row(NamedTuple):
    """What is known of one file.

    Attributes
    ----------
    path : str
        Relative to the store, with slashes.
    size, mtime_ns, inode : int
        How the file looked.
    algorithm, hash : str
        Its checksum; empty where none was computed.
    state : str
        ``verified`` against a record, ``unverified`` for want of one, ``accepted-mismatch`` where
        it was taken although it is not what the record says, ``gone``.
    origin : str
        Scheme and host or bucket that it came from.
    time_ns : int
        When this row was made.
    brought : bool
        Whether the file was brought here by a transfer. One that was there before is its owner's,
        although it was found to be whole.
    """

    path: str
    size: int = 0
    mtime_ns: int = 0
    inode: int = 0
    algorithm: str = ""
    hash: str = ""
    state: State = "unverified"
    origin: str = ""
    time_ns: int = 0
    brought: bool = False

    def fits(self, seen: os.stat_result) -> bool:
        """Return whether a file looks as it did when this row was made."""
        looks = seen.st_size, seen.st_mtime_ns, seen.st_ino
        return self.state != "gone" and looks == (self.size, self.mtime_ns, self.inode)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Make very many objects without a search for those that are not needed after every few."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Known:
    """What was read of one ledger: segments never change, so that nothing is read twice."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.read: set[str] = set()
        self.holders: dict[tuple[str, str], dict[str, None]] = {}
        self.lock = threading.RLock()

    def take(self, rows: Iterable[Row]) -> None:
        """Know of further rows."""
        mine, holders = self.rows, self.holders
        for row in rows:
            path = row.path
            known = mine.get(path)
            if known is None or known.time_ns <= row.time_ns:
                mine[path] = row
                if row.hash:
                    holders.setdefault((row.algorithm, row.hash), {})[path] = None

    def forget(self) -> None:
        """Begin anew."""
        self.rows.clear()
        self.read.clear()
        self.holders.clear()


_kept: OrderedDict[str, _Known] = OrderedDict()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_kept.clear)  # somebody may hold a lock


def _known(folder: Path) -> _Known:
    """Return what this process has read of a ledger; that of the last few is kept."""
    name = os.path.abspath(folder)
    known = _kept.setdefault(name, _Known())
    with contextlib.suppress(KeyError):  # another thread was faster
        _kept.move_to_end(name)
        if len(_kept) > _KEPT:
            _kept.popitem(last=False)
    return known


class Ledger:
    """The ledger of one store.

    Parameters
    ----------
    store : path-like
        Root of the store. Nothing is made before the first row is added.
    """

    def __init__(self, store: Path | str) -> None:
        self.store = Path(store)
        self.folder = self.store / HIDDEN / "ledger"
        self._known = _known(self.folder)

    def __reduce__(self) -> tuple[type[Ledger], tuple[Path]]:
        return Ledger, (self.store,)  # another process reads it for itself

    def exists(self) -> bool:
        """Return whether the store has a ledger."""
        return self.folder.is_dir()

    def rows(self) -> dict[str, Row]:
        """Return the newest row of each file, what others added meanwhile included."""
        self.refresh()
        with self._known.lock:
            return {path: row for path, row in self._known.rows.items() if row.state != "gone"}

    def find(self, path: str) -> Row | None:
        """Return the row of a file as last read; `rows` reads what was added since."""
        if not self._known.read:
            self.refresh()
        row = self._known.rows.get(path)
        return None if row is None or row.state == "gone" else row

    def knows(self, algorithm: str, digest: str) -> bool:
        """Return whether some file was seen with a checksum, whatever became of it."""
        return (algorithm, digest) in self._known.holders

    def holders(self, algorithm: str, digest: str, *, origin: str = "") -> list[Path]:
        """Return the files that are known to have some content and still look the same.

        Parameters
        ----------
        algorithm, digest : str
            The checksum of the content.
        origin : str
            Where the content is to come from. An md5 is believed within one origin alone, since
            two contents with one md5 can be made on purpose.
        """
        found = []
        for path in list(self._known.holders.get((algorithm, digest), ())):
            row = self._known.rows.get(path)
            if (
                row is None
                or row.state == "gone"
                or (row.algorithm, row.hash) != (algorithm, digest)
            ):
                continue
            if algorithm not in ("sha256", "sha512", "blake2b") and row.origin != origin:
                continue
            with contextlib.suppress(OSError):
                if row.fits(os.stat(self.store / path)):
                    found.append(self.store / path)
        return found

    def add(self, rows: Iterable[Row]) -> None:
        """Record rows, on disk when this returns.

        Raises
        ------
        OSError
            If the store cannot be written.
        """
        stamped = [row._replace(time_ns=row.time_ns or time.time_ns()) for row in rows]
        if not stamped:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self.take(stamped)
        with self._known.lock:
            self._known.read.add(self._write(stamped))
        self._merge_small()

    def forget(self, paths: Iterable[str]) -> None:
        """Record that files are gone."""
        self.add(Row(path=path, state="gone") for path in paths)

    def note(self, path: Path, *, algorithm: str, digest: str, state: State, origin: str) -> Row:
        """Return the row of a file as it looks now; it still has to be added."""
        seen = os.stat(path)
        name = relative(path, self.store)
        known = self.find(name)
        return Row(
            path=name,
            size=seen.st_size,
            mtime_ns=seen.st_mtime_ns,
            inode=seen.st_ino,
            algorithm=algorithm,
            hash=digest,
            state=state,
            origin=origin,
            time_ns=time.time_ns(),
            brought=known is not None and known.brought and known.hash == digest,
        )

    def refresh(self) -> None:
        """Read what was added since, by this process or others."""
        known = self._known
        with known.lock:
            while True:
                names = self._names()
                if not known.read.issubset(names):
                    known.forget()  # merged into a new segment by others, or the store is a new one
                try:
                    for name in names:
                        if name not in known.read:
                            known.take(self._load(name))
                            known.read.add(name)
                    return
                except FileNotFoundError:
                    continue  # merged meanwhile: list again

    def _names(self) -> list[str]:
        try:
            return sorted(n for n in os.listdir(self.folder) if n.endswith(".json"))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _load(self, name: str) -> list[Row]:
        try:
            with _no_collection():
                content = json.loads((self.folder / name).read_bytes())
                if content["format"] != FORMAT:
                    return []
                return [Row(*row) for row in content["rows"]]
        except (ValueError, KeyError, TypeError):
            return []  # not ours, or harmed: its files are hashed again

    def take(self, rows: Sequence[Row]) -> None:
        """Know of rows, without putting them on disk."""
        with self._known.lock:
            self._known.take(rows)

    def _write(self, rows: Sequence[Row]) -> str:
        name = f"{time.time_ns():020d}-{secrets.token_hex(4)}.json"
        part = self.folder / f".{name}.part"
        try:
            with part.open("x", encoding="utf-8") as f:
                f.write(json.dumps({"format": FORMAT, "rows": rows}, separators=(",", ":")))
                f.flush()
                os.fsync(f.fileno())
            os.rename(part, self.folder / name)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        return name

    def _merge_small(self) -> None:
        """Make one segment of many small ones; two that do it at once write the same rows."""
        names = self._names()
        if len(names) <= _MANY:
            return
        merged: dict[str, Row] = {}
        small = []
        try:
            for name in names:
                if (self.folder / name).stat().st_size < _SMALL:
                    small.append(name)
                    for row in self._load(name):
                        if row.path not in merged or merged[row.path].time_ns <= row.time_ns:
                            merged[row.path] = row
        except FileNotFoundError:
            return  # somebody else is at it
        if len(small) <= _MANY // 2:
            return
        with self._known.lock:
            self._known.read.add(self._write(list(merged.values())))
            self._known.read.difference_update(small)
        for name in small:
            (self.folder / name).unlink(missing_ok=True)
        before = time.time() - _DAY
        for part in self.folder.glob(".*.part"):
            with contextlib.suppress(FileNotFoundError):
                if part.stat().st_mtime < before:
                    part.unlink()


def relative(path: Path, store: Path) -> str:
    """Return a path relative to the store, with slashes."""
    return path.relative_to(store).as_posix()


class Check(NamedTuple):
    """What `verify_store` found of one file.

    Attributes
    ----------
    path : str
        Relative to the store.
    status : str
        ``verified``, ``unverified`` (there was no checksum to hold it against), ``missing``,
        ``changed``, or ``unreadable`` where the disk gives an error.
    """

    path: str
    status: Literal["verified", "unverified", "missing", "changed", "unreadable"]


def verify_store(
    store: Path | str,
    *,
    paths: Iterable[str] | None = None,
    progress: bool | Callable[[Check], object] = False,
    threads: int | None = None,
) -> list[Check]:
    """Read every file that the ledger of a store has, and compare it with its checksum.

    Parameters
    ----------
    store : path-like
    paths : iterable of str, optional
        Only these, relative to the store.
    progress : bool or callable
        Show a bar on stderr, or call this with what was found of each file as it is found.
    threads : int, optional
        How many files are read at once; by default as many as there are cores, 8 at most.

    Returns
    -------
    list of Check
        By path.
    """
    from concurrent.futures import ThreadPoolExecutor

    ledger = Ledger(store)
    rows = ledger.rows()
    if paths is not None:
        rows = {path: rows[path] for path in paths if path in rows}
    # Checksums leave the interpreter's lock, so that threads keep cores or the disk busy.
    workers = threads or min(8, os.cpu_count() or 1)
    found = []
    with ThreadPoolExecutor(max(1, workers)) as pool:
        checks: Iterable[Check] = pool.map(
            lambda path: _check(ledger.store / path, rows[path]), sorted(rows)
        )
        if progress is True:
            from tqdm import tqdm

            checks = tqdm(checks, total=len(rows), unit="file", desc="verify")
        for check in checks:
            found.append(check)
            if callable(progress):
                progress(check)
    return found


def _check(place: Path, row: Row) -> Check:
    try:
        seen = os.stat(place)
        if not stat.S_ISREG(seen.st_mode):
            return Check(row.path, "missing")
        if seen.st_size != row.size:
            return Check(row.path, "changed")
        if not row.hash:
            return Check(row.path, "unverified")
        same = file_digest(place, row.algorithm) == row.hash
    except (FileNotFoundError, NotADirectoryError):
        return Check(row.path, "missing")
    except OSError:
        return Check(row.path, "unreadable")
    return Check(row.path, "verified" if same else "changed")
