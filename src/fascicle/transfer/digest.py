"""Checksums of files while they arrive: threads that read behind the write front."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from fascicle.transfer.hashes import Hasher

_BLOCK = 1 << 20


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
        self._fd = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._hasher = make()
        self._report = report
        self._position = 0
        self._told = False
        self._lock = threading.Lock()

    def advance(self) -> None:
        """Take in what is written; report the checksum once that is all."""
        with self._lock:
            try:
                while not self.dropped and self._position < self.front:
                    block = os.read(self._fd, min(_BLOCK, self.front - self._position))
                    if not block:
                        raise OSError(0, "a part became shorter while it was read")
                    self._hasher.update(block)
                    self._position += len(block)
                done = self._position == self.total and not self._told and not self.dropped
                error = ""
            except OSError as trouble:
                done, error = not self._told, trouble.strerror or str(trouble)
            if done:
                self._told = True
                self._report(self, "" if error else self._hasher.hexdigest(), error)
            if (self._told or self.dropped) and self._fd >= 0:
                os.close(self._fd)
                self._fd = -1


class Digester:
    """Two threads for all files: one file is read by one of them at a time."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Running | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def push(self, running: Running) -> None:
        """Have a file read as far as it is written."""
        if not self._threads:
            for i in range(2):
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
        while (running := self._queue.get()) is not None:
            running.advance()
