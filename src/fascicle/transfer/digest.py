"""Checksums of files while they arrive: threads that read behind the write front."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from fascicle.transfer.hashes import Hasher

_BLOCK = 256 << 10  # what a processor keeps close, from reading it until it is summed up
_THREADS = 4


class Running:
    """The checksum of one file that is still being written.

    Attributes
    ----------
    front : int
        Bytes from the start that are written; whoever writes sets it, and it only grows.
    total : int or None
        Length of the file, once that is known.
    """

    def __init__(
        self, path: Path, make: Callable[[], Hasher], report: Callable[[Running, str, str], None]
    ) -> None:
        self.front = 0
        self.total: int | None = None
        self.dropped = False
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - until all of it is read
        self._hasher = make()
        self._report = report
        self._position = 0
        self._told = False
        self._lock = threading.Lock()
        self._at_it = False
        self._again = False

    def begin(self) -> bool:
        """Return whether a thread is to advance it; one that is at it goes on by itself."""
        with self._lock:
            self._again = self._at_it
            self._at_it = True
            return not self._again

    def more(self) -> bool:
        """Return whether there is more to do, after advancing."""
        with self._lock:
            self._at_it, self._again = self._again, False
            return self._at_it

    def advance(self, room: memoryview) -> None:
        """Take in what is written; report the checksum once that is all.

        Parameters
        ----------
        room : memoryview
            For what is read; one thread at a time is at it.
        """
        error = ""
        try:
            while not self.dropped and self._position < self.front:
                block = room[: min(len(room), self.front - self._position)]
                n = self._file.readinto(block)
                if not n:
                    raise OSError(0, "a part became shorter while it was read")
                self._hasher.update(block[:n])
                self._position += n
            done = self._position == self.total and not self._told and not self.dropped
        except OSError as trouble:
            done, error = not self._told, trouble.strerror or str(trouble)
        if done:
            self._told = True
            self._report(self, "" if error else self._hasher.hexdigest(), error)
        if self._told or self.dropped:
            self._file.close()


class Digester:
    """A few threads for all files: one file is read by one of them at a time."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Running | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def push(self, running: Running) -> None:
        """Have a file read as far as it is written."""
        if not running.begin():
            return
        if not self._threads:
            for i in range(min(_THREADS, max(2, os.cpu_count() or 1))):
                thread = threading.Thread(
                    target=self._run, name=f"fascicle-digest-{i}", daemon=True
                )
                thread.start()
                self._threads.append(thread)
        self._queue.put(running)

    def close(self) -> None:
        """End the threads."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def _run(self) -> None:
        room = memoryview(bytearray(_BLOCK))
        while (running := self._queue.get()) is not None:
            running.advance(room)
            if running.more():
                self._queue.put(running)
