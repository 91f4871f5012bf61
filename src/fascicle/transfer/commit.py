"""The last steps: onto disk, then under the final name, then in the ledger.

Files are synced in batches, and none gets its name before its bytes are on disk.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fascicle.errors import FascicleError
from fascicle.transfer.disk import disk_error, sync_paths, write_all
from fascicle.transfer.ledger import Ledger, Row, State
from fascicle.transfer.parts import Part, Progress, part_name
from fascicle.transfer.source import Source

if TYPE_CHECKING:
    from fascicle.transfer.jobs import Job

_BATCH = 256
_BATCH_BYTES = 32 << 20
_PATIENCE = 0.1
_ROWS_LATE = 1.0
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


@dataclass(slots=True)
class Finished:
    """A file whose bytes are verified, still without its name.

    Attributes
    ----------
    job : Job
    source : Source
    target : pathlib.Path
        Its final name.
    data : bytes
        Its content, where there is no part.
    part : Part or None
    make : callable or None
        Writes the content to the path that it is given, where there is neither; it returns the
        checksum, or None if that is known.
    digest : str
    state : str
        For the ledger.
    record : bool
        Whether it goes into the ledger at all.
    """

    job: Job
    source: Source
    target: Path
    data: bytes = b""
    part: Part | None = None
    make: Callable[[Path], None] | None = None
    digest: str = ""
    state: State = "verified"
    record: bool = True


@dataclass(slots=True)
class _Note:
    job: Job
    part: Part
    progress: Progress


@dataclass(slots=True)
class _Leave:
    part: Part
    progress: Progress | None


@dataclass(slots=True)
class _Batch:
    files: list[tuple[Finished, str, int]] = field(default_factory=list)
    n_bytes: int = 0
    begun: float = 0.0
    trouble: OSError | None = None


class Committer:
    """Puts verified files on disk, and then in place.

    What takes microseconds, as writing a small file does, is done by whoever asks for it: taking
    turns with a thread would take longer. What waits for the disk is done by a thread: syncing,
    copying, notes, and the ledger.

    Parameters
    ----------
    ledger : Ledger
    report : callable
        Called with a job, and an error or None, once its file is in place or cannot be.
    wake : callable
        Called from the thread with what is to be called in the thread that owns this.

    Attributes
    ----------
    waiting : int
        Bytes that are written, and not in place yet.
    trouble : str
        Why the ledger could not be written; the files are in place all the same.
    """

    def __init__(
        self,
        ledger: Ledger,
        report: Callable[[Job, FascicleError | None], None],
        wake: Callable[[Callable[[], None]], None],
    ) -> None:
        self.waiting = 0
        self.trouble = ""
        self._ledger = ledger
        self._start = len(os.path.join(ledger.store, ""))
        self._report = report
        self._wake = wake
        self._batch = _Batch()
        self._at_sync: _Batch | None = None
        self._folders: set[str] = set()
        self._run_name = secrets.token_hex(8)
        self._numbers = itertools.count()  # of both threads
        self._stop = False
        self._synced: queue.SimpleQueue[_Batch] = queue.SimpleQueue()
        self._queue: queue.SimpleQueue[Finished | _Note | _Leave | _Batch | list[Row] | None] = (
            queue.SimpleQueue()
        )
        self._thread = threading.Thread(target=self._run, name="fascicle-commit", daemon=True)
        self._thread.start()

    # -- in the thread that owns this -----------------------------------------------------------

    def put(self, finished: Finished) -> None:
        """Hand a file over."""
        if finished.make is not None:
            self._queue.put(finished)
            return
        batch = self._batch
        n_bytes = 0
        if finished.part is not None:
            path = str(finished.part.path)
            batch.n_bytes += _BATCH_BYTES // 8
        else:
            n_bytes = len(finished.data)
            try:
                path = self._write(str(finished.target), finished.data)
            except OSError as error:
                self._report(finished.job, disk_error(error, finished.target))
                return
            finished.data = b""
            self.waiting += n_bytes
        if not batch.files:
            batch.begun = time.monotonic()
        batch.files.append((finished, path, n_bytes))
        batch.n_bytes += n_bytes

    def tick(self, *, idle: bool) -> None:
        """Have what is written synced, if it is enough, or late, or nothing else is to be done."""
        batch = self._batch
        if self._at_sync is not None or not batch.files:
            return
        enough = len(batch.files) >= _BATCH or batch.n_bytes >= _BATCH_BYTES
        if idle or enough or time.monotonic() - batch.begun > _PATIENCE:
            self._hand_over()

    def note(self, job: Job, part: Part, progress: Progress) -> None:
        """Have progress of a part noted, once its bytes are on disk."""
        self._queue.put(_Note(job, part, progress))

    def leave(self, part: Part, progress: Progress | None) -> None:
        """Let go of a part: with a note for a later process, or for good where it is of no use."""
        self._queue.put(_Leave(part, progress))

    def close(self) -> None:
        """Put in place what is verified, and end the thread."""
        self._stop = True
        self._hand_over()
        self._queue.put(None)
        self._thread.join()
        self._place_all()
        while not self._queue.empty():
            rows = self._queue.get()
            if isinstance(rows, list):
                self._record(rows)

    def _hand_over(self) -> None:
        batch, self._batch = self._batch, _Batch()
        self._at_sync = batch
        self._queue.put(batch)

    def _write(self, target: str, data: bytes) -> str:
        folder, _, name = target.rpartition(os.sep)
        if folder not in self._folders:
            os.makedirs(folder, exist_ok=True)
            self._folders.add(folder)
        path = f"{folder}{os.sep}{part_name(name, self._run_name, next(self._numbers))}"
        fd = os.open(path, _NEW, 0o666)
        try:
            try:
                write_all(fd, data)
            finally:
                os.close(fd)
        except OSError:
            _remove(path)
            raise
        return path

    def _place_all(self) -> None:
        """Give the files their names whose bytes are on disk."""
        while not self._synced.empty():
            batch = self._synced.get()
            if batch is self._at_sync:
                self._at_sync = None
            self._place(batch)

    def _place(self, batch: _Batch) -> None:
        placed: list[tuple[Job, FascicleError | None]] = []
        rows: list[Row] = []
        now = time.time_ns()
        start = self._start
        for task, path, n_bytes in batch.files:
            self.waiting -= n_bytes
            target = str(task.target)
            try:
                if batch.trouble is not None:
                    raise batch.trouble
                seen = os.stat(path)  # under this name, nobody else has changed it
                os.replace(path, target)
            except OSError as error:
                _remove(path)
                placed.append((task.job, disk_error(error, task.target)))
            else:
                if task.record:
                    name = target[start:]
                    rows.append(
                        Row(
                            name if os.sep == "/" else name.replace(os.sep, "/"),
                            seen.st_size,
                            seen.st_mtime_ns,
                            seen.st_ino,
                            task.source.algorithm if task.digest else "",
                            task.digest,
                            task.state,
                            task.source.origin,
                            now,
                            True,
                        )
                    )
                placed.append((task.job, None))
            if task.part is not None:
                task.part.close()
                task.part.drop_note()
        if rows:
            self._queue.put(rows)  # before any job of the same content may look for them
        for job, problem in placed:
            self._report(job, problem)

    # -- in the thread of this ------------------------------------------------------------------

    def _run(self) -> None:
        made = _Batch()
        rows: list[Row] = []
        late = 0.0
        while True:
            try:
                wait = 0.0 if made.files else late - time.monotonic() if rows else None
                task = self._queue.get(timeout=None if wait is None else max(0.0, wait))
            except queue.Empty:
                if made.files:
                    self._sync(made)
                    made = _Batch()
                else:
                    self._record(rows)
                    rows = []
                continue
            if isinstance(task, _Batch):
                self._sync(task)
            elif isinstance(task, list):
                late = late if rows else time.monotonic() + _ROWS_LATE
                self._ledger.take(task)
                rows.extend(task)
            elif isinstance(task, _Note):
                self._take_note(task)
            elif isinstance(task, _Leave):
                _leave(task)
            elif task is not None:
                self._make(task, made)
            if task is None or len(made.files) >= _BATCH:
                self._sync(made)
                made = _Batch()
            if task is None or (rows and time.monotonic() > late):
                self._record(rows)
                rows = []
            if task is None:
                return

    def _sync(self, batch: _Batch) -> None:
        try:
            sync_paths([path for _, path, _ in batch.files])
        except OSError as error:
            batch.trouble = error
        self._synced.put(batch)
        self._wake(self._place_all)

    def _make(self, task: Finished, made: _Batch) -> None:
        if self._stop or task.make is None:
            return
        folder, _, name = str(task.target).rpartition(os.sep)
        path = f"{folder}{os.sep}{part_name(name, self._run_name, next(self._numbers))}"
        try:
            os.makedirs(folder, exist_ok=True)
            task.make(Path(path))
        except (OSError, FascicleError) as error:  # errors of ours may be of both kinds
            _remove(path)
            ours = error if isinstance(error, FascicleError) else disk_error(error, task.target)
            self._wake(partial(self._report, task.job, ours))
            return
        made.files.append((task, path, 0))

    def _take_note(self, task: _Note) -> None:
        try:
            if task.part.fd >= 0:
                task.part.note(task.progress)
        except OSError as error:
            self._wake(partial(self._report, task.job, disk_error(error, task.part.path)))
        finally:
            task.job.noting = False

    def _record(self, rows: list[Row]) -> None:
        try:
            self._ledger.add(rows)
        except OSError as error:
            self.trouble = f"the ledger cannot be written: {error.strerror or error}"


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        os.unlink(path)


def _leave(task: _Leave) -> None:
    try:
        if task.progress is None:
            task.part.discard()
        else:
            task.part.note(task.progress)
    except OSError:
        pass  # a full disk: an older note, or none, is as good
    finally:
        task.part.close()
