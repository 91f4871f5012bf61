"""The last step, in a thread of its own: onto disk, then under the final name, then in the ledger.

Files are synced in batches, and none gets its name before its bytes are on disk.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fascicle.errors import FascicleError
from fascicle.transfer.disk import disk_error, sync, write_all
from fascicle.transfer.ledger import Ledger, Row, State
from fascicle.transfer.parts import Part, Progress, part_name
from fascicle.transfer.source import Source

if TYPE_CHECKING:
    from fascicle.transfer.jobs import Job

_BATCH = 256
_BATCH_BYTES = 32 << 20
_PATIENCE = 0.25


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
    files: list[tuple[Finished, Path, int]] = field(default_factory=list)
    n_bytes: int = 0
    begun: float = 0.0


class Committer:
    """The thread that commits.

    Parameters
    ----------
    ledger : Ledger
    report : callable
        Called, in that thread, with a job and the error or None once its file is in place.

    Attributes
    ----------
    waiting : int
        Bytes in memory that are not written yet.
    trouble : str
        Why the ledger could not be written; the files are in place all the same.
    """

    def __init__(self, ledger: Ledger, report: Callable[[Job, FascicleError | None], None]) -> None:
        self.waiting = 0
        self.trouble = ""
        self._ledger = ledger
        self._report = report
        self._queue: queue.SimpleQueue[Finished | _Note | _Leave | None] = queue.SimpleQueue()
        self._folders: set[Path] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="fascicle-commit", daemon=True)
        self._thread.start()

    def put(self, finished: Finished) -> None:
        """Hand a file over."""
        self.waiting += len(finished.data)
        self._queue.put(finished)

    def note(self, job: Job, part: Part, progress: Progress) -> None:
        """Have progress of a part noted, once its bytes are on disk."""
        self._queue.put(_Note(job, part, progress))

    def leave(self, part: Part, progress: Progress | None) -> None:
        """Let go of a part: with a note for a later process, or for good where it is of no use."""
        self._queue.put(_Leave(part, progress))

    def flush(self) -> None:
        """Commit what is there now rather than wait for more."""
        self._queue.put(None)

    def close(self) -> None:
        """Commit the rest and end the thread."""
        self._stop.set()
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        batch = _Batch()
        while True:
            try:
                left = batch.begun + _PATIENCE - time.monotonic() if batch.files else None
                task = self._queue.get(timeout=None if left is None else max(0.0, left))
            except queue.Empty:
                task = None
            if isinstance(task, _Note):
                self._take_note(task)
            elif isinstance(task, _Leave):
                _leave(task)
            elif task is not None:
                self._take(task, batch)
            full = len(batch.files) >= _BATCH or batch.n_bytes >= _BATCH_BYTES
            if batch.files and (task is None or full):
                self._commit(batch)
                batch = _Batch()
            if self._stop.is_set() and self._queue.empty():
                if batch.files:
                    self._commit(batch)
                return

    def _take_note(self, task: _Note) -> None:
        try:
            if task.part.fd >= 0:
                task.part.note(task.progress)
        except OSError as error:
            self._report(task.job, disk_error(error, task.part.path))
        finally:
            task.job.noting = False

    def _take(self, task: Finished, batch: _Batch) -> None:
        path = None
        try:
            if task.part is not None:
                path, fd = task.part.path, task.part.fd
            else:
                self._make_folder(task.target.parent)
                path = task.target.parent / part_name(task.target, task.source)
                if task.make is not None:
                    task.make(path)
                    fd = os.open(path, os.O_RDONLY)
                else:
                    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
                    try:
                        write_all(fd, task.data)
                    except OSError:
                        os.close(fd)
                        raise
        except (OSError, FascicleError) as error:  # errors of ours may be of both kinds
            if path is not None:
                path.unlink(missing_ok=True)
            if not isinstance(error, FascicleError):
                error = disk_error(error, task.target)
            self._report(task.job, error)
            return
        finally:
            self.waiting -= len(task.data)
        if not batch.files:
            batch.begun = time.monotonic()
        batch.files.append((task, path, fd))
        batch.n_bytes += len(task.data) or _BATCH_BYTES // 8
        task.data = b""

    def _make_folder(self, folder: Path) -> None:
        if folder not in self._folders:
            folder.mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)

    def _commit(self, batch: _Batch) -> None:
        placed: list[tuple[Job, FascicleError | None]] = []
        rows: list[Row] = []
        trouble: OSError | None = None
        try:
            sync([fd for _, _, fd in batch.files])
        except OSError as error:
            trouble = error
        for task, path, fd in batch.files:
            try:
                if trouble is not None:
                    raise trouble
                os.replace(path, task.target)
            except OSError as error:
                path.unlink(missing_ok=True)
                placed.append((task.job, disk_error(error, task.target)))
            else:
                seen = os.fstat(fd)
                if task.record:
                    rows.append(
                        Row(
                            path=task.target.relative_to(self._ledger.store).as_posix(),
                            size=seen.st_size,
                            mtime_ns=seen.st_mtime_ns,
                            inode=seen.st_ino,
                            algorithm=task.source.algorithm if task.digest else "",
                            hash=task.digest,
                            state=task.state,
                            origin=task.source.origin,
                            brought=True,
                        )
                    )
                placed.append((task.job, None))
            if task.part is not None:
                task.part.close()
                task.part.drop_note()
            else:
                os.close(fd)
        try:
            self._ledger.add(rows)
        except OSError as error:
            self.trouble = f"the ledger cannot be written: {error.strerror or error}"
        for job, problem in placed:
            self._report(job, problem)


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
