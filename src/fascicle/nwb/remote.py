"""Files elsewhere, of which the bytes that are read are fetched: in few requests, many at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple, cast

from fascicle import settings
from fascicle.errors import ChangedRemote
from fascicle.transfer import Access, Limits, RangedFile, Source, open_ranged
from fascicle.transfer.client import Request
from fascicle.transfer.parts import Tag
from fascicle.transfer.ranged import _Reader
from fascicle.transfer.text import size_text

#: Bytes of a block: what describes an NWB file lies in many places, and little in each.
BLOCK = 128 << 10
#: Bytes that are kept in memory.
CACHE = 64 << 20
_PIECE = 4 << 20  # of a stretch that several requests bring
_AT_ONCE = 8
_NEAR = 2  # blocks between two stretches that one request brings


class Traffic(NamedTuple):
    """What came over a network for a session.

    Attributes
    ----------
    requests : int
    bytes_read : int
    size : int
        Length of the file in bytes.
    """

    requests: int
    bytes_read: int
    size: int

    def __str__(self) -> str:
        return (
            f"{self.requests} requests, {size_text(self.bytes_read)} of {size_text(self.size)} read"
        )


class BlockFile(RangedFile):
    """A remote file that can be told which stretches will be read, and brings them at once."""

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


class RemotePlace:
    """Opens a remote file, again and again; what is pickled of it has no credentials.

    Parameters
    ----------
    source : Source
    block_size, cache_size : int
        Bytes that are asked for at least, and that are kept.
    limits : Limits, optional
    access : Access, optional
        How to reach S3.
    """

    def __init__(
        self,
        source: Source,
        *,
        block_size: int = BLOCK,
        cache_size: int = CACHE,
        limits: Limits | None = None,
        access: Access | None = None,
    ) -> None:
        self.source = source
        self._block_size = block_size
        self._cache_size = cache_size
        self._limits = limits
        self._access = access
        self._seen: tuple[int, Tag] | None = None

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self._access is not None:
            state["_access"] = replace(self._access, key="", secret="", token="")
        return state

    def __call__(self) -> BinaryIO:
        """Open it.

        Raises
        ------
        TransferError
            If it cannot be read, or is no more what it was when it was first opened.
        """
        if self.source.is_local:
            return cast(BinaryIO, open_ranged(self.source))
        file = BlockFile(
            self.source,
            block_size=self._block_size,
            cache_size=self._cache_size,
            limits=self._limits,
            access=self._reach(),
        )
        size, tag = self._seen or (file.size, file._tag)
        if size != file.size or tag.differs(file._tag):
            file.close()
            raise ChangedRemote(
                f"{self.source.url} changed on the server while it was open", hint="open it again"
            )
        self._seen = size, tag
        return cast(BinaryIO, file)

    def _reach(self) -> Access | None:
        """Return how to reach S3, with credentials of this machine where none are at hand."""
        given = self._access
        if given is None or given.key:
            return given
        mine = Access.from_environment(endpoint=given.endpoint)
        return replace(mine, region=given.region or mine.region)
