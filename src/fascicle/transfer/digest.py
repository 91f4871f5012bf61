"""Checksums of files while they arrive: threads that follow the write front.

What arrives in order is lent to them as it came. What does not, or is more than they keep up with,
they read again from the file, where it is in the system's memory still.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from fascicle.transfer.hashes import Hasher

_BLOCK = 256 << 10  # what a processor keeps close, from reading it until it is summed up
_THREADS = 4
_Free: TypeAlias = "Callable[[Running, bytearray], None]"
_LENT_FILE = 8 << 20
_LENT_MOST = 32 << 20
_LENT_MANY = 24 << 20


class Running:
    """The checksum of one file that is still being written.

    Attributes
    ----------
    front : int
        Bytes from the start that are written; whoever writes sets it, and it only grows.
    total : int or None
        Length of the file, once that is known.
    lent : collections.deque of (int, buffer, bytearray)
        What was written last: where it begins, the bytes, and the room that they are in.
    n_lent : int
        Bytes of memory that these hold.
    """

    def __init__(
        self, path: Path, make: Callable[[], Hasher], report: Callable[[Running, str, str], None]
    ) -> None:
        self.front = 0
        self.total: int | None = None
        self.dropped = False
        self.lent: deque[tuple[int, bytes | memoryview, bytearray]] = deque()
        self.n_lent = 0
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

    @property
    def over(self) -> bool:
        """Whether nothing more will be taken in."""
        return self._told or self.dropped

    def advance(self, room: memoryview, free: _Free) -> None:
        """Take in what is written; report the checksum once that is all.

        Parameters
        ----------
        room : memoryview
            For what is read; one thread at a time is at it.
        free : callable
            Takes back a room that was lent.
        """
        error = ""
        try:
            while not self.dropped and self._position < self.front:
                if not self._take_lent(free):
                    self._read(room)
            done = self._position == self.total and not self.over
        except OSError as trouble:
            done, error = not self._told, trouble.strerror or str(trouble)
        if done:
            self._told = True
            self._report(self, "" if error else self._hasher.hexdigest(), error)
        if self.over:
            self._file.close()
            while self.lent:
                free(self, self.lent.popleft()[2])

    def _take_lent(self, free: _Free) -> bool:
        """Take in what was lent, if it is what comes next; return whether it was."""
        while self.lent and self.lent[0][0] <= self._position:
            start, data, room = self.lent.popleft()
            skip = self._position - start
            useful = skip < len(data)
            if useful:
                self._hasher.update(memoryview(data)[skip:] if skip else data)
                self._position = start + len(data)
            free(self, room)
            if useful:
                return True
        return False

    def _read(self, room: memoryview) -> None:
        """Take in what is in the file, up to what was lent."""
        stop = self.front
        if self.lent and self.lent[0][0] > self._position:
            stop = min(stop, self.lent[0][0])
        block = room[: min(len(room), stop - self._position)]
        self._file.seek(self._position)
        n = self._file.readinto(block)
        if not n:
            raise OSError(0, "a part became shorter while it was read")
        self._hasher.update(block[:n])
        self._position += n


class Digester:
    """A few threads for all files: one file is read by one of them at a time.

    Attributes
    ----------
    rooms : list of bytearray
        For what arrives; they are used again, since new memory costs more than filling it.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Running | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._n_lent = 0
        self.rooms: list[bytearray] = []

    @property
    def is_behind(self) -> bool:
        """Whether several files wait for their checksum with as much as may be lent.

        Whoever brings more would only take the processor from it, and have it read what it could
        have been lent.
        """
        return self._n_lent >= _LENT_MANY

    def lend(
        self, running: Running, position: int, data: bytes | memoryview, room: bytearray
    ) -> bool:
        """Lend what was just written at the front of a file, unless too much is already.

        Returns whether it was; then ``room``, which the data are in, comes back into ``rooms``.
        """
        n = len(room)
        with self._lock:
            within = running.n_lent + n <= _LENT_FILE and self._n_lent + n <= _LENT_MOST
            if not within or running.over:
                return False
            running.n_lent += n
            self._n_lent += n
        running.lent.append((position, data, room))
        return True

    def _free(self, running: Running, room: bytearray) -> None:
        with self._lock:
            running.n_lent -= len(room)
            self._n_lent -= len(room)
        self.rooms.append(room)

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
            running.advance(room, self._free)
            if running.more():
                self._queue.put(running)
