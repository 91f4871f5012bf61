"""A file read by ranges that brings several stretches at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fascicle import settings
from fascicle.errors import ChangedRemote
from fascicle.transfer.client import Request
from fascicle.transfer.parts import Tag
from fascicle.transfer.ranged import RangedFile, _Reader

_PIECE = 4 << 20  # bytes of a stretch that several requests bring
_AT_ONCE = 8
_NEAR = 2  # blocks between two stretches that one request brings


class BlockFile(RangedFile):
    """A remote file that can be told which stretches will be read, and brings them at once."""

    @property
    def tag(self) -> Tag:
        """What the server said of the file's state when it was opened."""
        return self._tag

    def bring(self, spans: Iterable[tuple[int, int]]) -> None:
        """Fetch what is not here of some stretches, in several requests at once.

        It helps those who read after: what fails here is tried again when it is read.

        Parameters
        ----------
        spans : iterable of tuple of int
            Begin and end of each, in bytes.
        """
        with self._lock:
            if self.closed or self._whole is not None or settings.offline():
                return
            runs = self._runs(spans)
            if len(runs) == 1:
                self._fetch(*runs[0])
                return
            for i in range(0, len(runs), _AT_ONCE):
                self._bring_runs(runs[i : i + _AT_ONCE])

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer; what is large comes in several requests at once."""
        view = memoryview(buffer).cast("B")
        with self._lock:
            n = min(len(view), self.size - self._position)
            if n <= 2 * _PIECE or self._whole is not None or settings.offline():
                return super().readinto(view)
            start, stop = self._position, self._position + n
            starts = range(start, stop, _PIECE)
            for i in range(0, len(starts), _AT_ONCE):
                spans = [(at, min(at + _PIECE, stop)) for at in starts[i : i + _AT_ONCE]]
                for (begin, end), data in zip(spans, self._get_all(spans), strict=True):
                    whole = data if len(data) == end - begin else self._get(begin, end)
                    view[begin - start : end - start] = whole
            self._position += n
        return n

    def _runs(self, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return the runs of blocks that are missing, first and end, no more than can be kept."""
        size = self._block_size
        wanted: set[int] = set()
        for start, stop in spans:
            if stop - start > self._cache_size // 4:
                continue  # that is read past the cache
            wanted.update(range(max(0, start) // size, -(-min(stop, self.size) // size)))
        missing = sorted(wanted - self._blocks.keys())[: self._n_kept // 2]
        runs: list[tuple[int, int]] = []
        for block in missing:
            if runs and block - runs[-1][1] < _NEAR and (block - runs[-1][0]) * size < _PIECE:
                runs[-1] = (runs[-1][0], block + 1)
            else:
                runs.append((block, block + 1))
        return runs

    def _bring_runs(self, runs: list[tuple[int, int]]) -> None:
        size = self._block_size
        spans = [(first * size, min(stop * size, self.size)) for first, stop in runs]
        for (first, stop), data in zip(runs, self._get_all(spans), strict=True):
            for i in range(first, stop):
                piece = data[(i - first) * size : (i - first + 1) * size]
                if len(piece) == min(size, self.size - i * size):
                    self._blocks[i] = bytes(piece)
                    self._blocks.move_to_end(i)
        while len(self._blocks) > self._n_kept:
            self._blocks.popitem(last=False)

    def _get_all(self, spans: list[tuple[int, int]]) -> list[bytearray]:
        """Return what one request for each stretch brings; nothing where it failed."""
        under_way: list[tuple[Request, _Reader]] = []
        for begin, end in spans:
            reader = _Reader(self, begin)
            request = self._request(begin, end, reader)
            under_way.append((request, reader))
            self._transport.submit(request)
            self.requests += 1
        waiting = {id(request) for request, _ in under_way}
        before = self._transport.n_bytes
        while waiting:
            for request, _ in self._transport.step(1.0):
                waiting.discard(id(request))
        self.bytes_read += self._transport.n_bytes - before
        for _, reader in under_way:
            reader.drop()
            if isinstance(reader.error, ChangedRemote):
                raise reader.error
        return [reader.data if reader.status == 206 else bytearray() for _, reader in under_way]
