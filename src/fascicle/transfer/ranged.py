"""Remote files that can be read anywhere without being fetched, as h5py and pyarrow want them."""

from __future__ import annotations

import io
import os
import random
import tempfile
import threading
import time
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from fascicle import settings
from fascicle.errors import (
    ChangedRemote,
    OfflineError,
    ServerError,
)
from fascicle.transfer.answers import judge, other_region
from fascicle.transfer.client import Answer, Head, Request, make_transport
from fascicle.transfer.decode import Decoder, decoder_for
from fascicle.transfer.limits import Limits
from fascicle.transfer.localfile import LocalFile, open_local
from fascicle.transfer.parts import Tag
from fascicle.transfer.s3 import Access, address
from fascicle.transfer.seeking import SeekableFile
from fascicle.transfer.source import Source
from fascicle.transfer.stream import CONTENT_RANGE

_AHEAD = 8
_UNREACHABLE = 2


class RangedFile(SeekableFile):
    """A remote file, open for reading; what was read is kept in blocks.

    Parameters
    ----------
    source : Source
    block_size : int
        Bytes that are asked for at least.
    cache_size : int
        Bytes that are kept.
    limits : Limits, optional
    access : Access, optional
        How to reach S3.

    Attributes
    ----------
    requests : int
        Requests made so far.
    bytes_read : int
        Bytes that came over the network so far.
    size : int
        Length of the file in bytes.

    Raises
    ------
    TransferError
        If the file cannot be read.
    """

    def __init__(
        self,
        source: Source,
        *,
        block_size: int = 256 << 10,
        cache_size: int = 32 << 20,
        limits: Limits | None = None,
        access: Access | None = None,
    ) -> None:
        super().__init__()
        self.source = source
        self.requests = 0
        self.bytes_read = 0
        self.size = 0
        self._access = access or Access.from_environment()
        self._address = address(source, self._access)
        self._limits = limits or Limits.from_environment()
        self._transport = make_transport(self._limits)
        self._block_size = block_size
        self._cache_size = cache_size
        self._n_kept = max(2, cache_size // block_size)
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._position = 0
        self._last = -1  # the block read last, to notice reading in order
        self._run = 1
        self._signed = False
        self._moved: list[str] = []
        self._tag = Tag()
        self._known = False
        self._whole: IO[bytes] | None = None
        self._lock = threading.RLock()
        try:
            self._fetch(0, 1)
        except BaseException:
            self.close()
            raise

    def __reduce__(self) -> Any:
        """Let another process open it anew, with credentials of its own."""
        if self.closed:
            raise ValueError("the file is closed")
        place = replace(self._access, key="", secret="", token="")
        state = self._tag, self.size, self._position
        return _open_again, (
            self.source,
            self._block_size,
            self._cache_size,
            self._limits,
            place,
            *state,
        )

    def readinto(self, buffer: Any, /) -> int:
        """Read into a buffer; return how many bytes there were."""
        view = memoryview(buffer).cast("B")
        with self._lock:
            data = self._read(self._position, min(self._position + len(view), self.size))
            view[: len(data)] = data
            self._position += len(data)
        return len(data)

    def read_at(self, position: int, length: int) -> bytes:
        """Return bytes from a position; the position of `read` stays where it is."""
        with self._lock:
            return self._read(position, min(position + length, self.size))

    def close(self) -> None:
        """Drop what is kept."""
        if not self.closed:
            self._blocks.clear()
            self._transport.close()
            if self._whole is not None:
                self._whole.close()
        super().close()

    def _read(self, start: int, stop: int) -> bytes:
        if self.closed:
            raise ValueError("the file is closed")
        if start >= stop:
            return b""
        if self._whole is not None:
            self._whole.seek(start)
            return self._whole.read(stop - start)
        size = self._block_size
        first, last = start // size, (stop - 1) // size
        if last - first + 1 >= self._n_kept:  # more than is kept: past the cache
            return self._get(start, stop)
        self._bring(first, last)
        if self._whole is not None:
            return self._read(start, stop)
        joined = b"".join(self._take(i) for i in range(first, last + 1))
        return joined[start - first * size : stop - first * size]

    def _take(self, block: int) -> bytes:
        self._blocks.move_to_end(block)
        return self._blocks[block]

    def _bring(self, first: int, last: int) -> None:
        """Have the blocks at hand, with as few requests as can be; read ahead when in order."""
        missing = [i for i in range(first, last + 1) if i not in self._blocks]
        if missing:
            self._run = min(_AHEAD, 2 * self._run) if first in (self._last, self._last + 1) else 1
            end = max(missing[-1] + 1, min(missing[0] + self._run, self._n_blocks()))
            self._fetch(missing[0], end)
        self._last = last

    def _n_blocks(self) -> int:
        return -(-self.size // self._block_size)

    def _fetch(self, first: int, stop: int) -> None:
        size = self._block_size
        data = self._get(
            first * size, stop * size if not self._known else min(stop * size, self.size)
        )
        if self._whole is not None:
            return
        for i in range(first, stop):
            piece = data[(i - first) * size : (i - first + 1) * size]
            if piece:
                self._blocks[i] = piece
                self._blocks.move_to_end(i)
        while len(self._blocks) > self._n_kept + _AHEAD:
            self._blocks.popitem(last=False)

    def _get(self, start: int, stop: int) -> bytes:
        """Return bytes from the server, however often it takes."""
        if settings.offline():
            raise OfflineError(
                f"{self.source.url} is not here, and fascicle is offline",
                hint="unset FASCICLE_OFFLINE",
            )
        got = b""
        attempts = 0
        while True:
            reader = _Reader(self, start + len(got))
            request = self._request(start + len(got), stop, reader)
            self.requests += 1
            answer = self._wait(request)
            if reader.error is not None or answer.trouble:
                reader.drop()
            if reader.error is not None:
                raise reader.error
            if reader.status == 0 and answer.head is not None:
                reader.on_head(answer.head)
            if reader.whole is not None and not answer.trouble:
                reader.finish()
                self._adopt(reader)
                self._whole = reader.whole
                return self._read(start, min(stop, self.size))
            if reader.status == 206:
                got += bytes(reader.data)
                if start + len(got) >= min(stop, self.size):
                    return got
                attempts = 0 if reader.data else attempts
            elif reader.status == 416 and not self._known:
                self._known = True  # an empty file has no range
                return b""
            refused = answer.head is not None and answer.head.status in (401, 403)
            if refused and self._address.is_s3 and request.signing is None:
                self._signed = self._access.signing() is not None
                if self._signed:
                    continue
            if self._can_move(request, answer):
                continue
            verdict = judge(
                self.source.url,
                Answer(answer.head, bytes(reader.data[:4096]), answer.trouble, answer.reason),
            )
            attempts += 1
            most = self._limits.retries
            if verdict.unreachable:  # somebody waits for it
                most = min(most, _UNREACHABLE)
            if not verdict.again or attempts > most:
                raise verdict.error
            pause = self._limits.backoff * 2 ** (attempts - 1) * random.uniform(0.5, 1.5)  # noqa: S311
            time.sleep(min(max(verdict.wait, pause), self._limits.max_wait))

    def _can_move(self, request: Request, answer: Answer) -> bool:
        """Ask a bucket in the region that it is in, where the answer names another."""
        region = other_region(answer.head) if self._address.is_s3 else ""
        if not region or region in self._moved or len(self._moved) > 2:
            return False
        self._moved.append(region)
        access = replace(self._access, region=region)
        moved = address(self.source, access)
        signed_for = request.signing.region if request.signing else region
        if moved == self._address and signed_for == region:
            return False
        self._address, self._access = moved, access
        return True

    def _request(self, start: int, stop: int, reader: _Reader) -> Request:
        headers = ["Accept-Encoding: identity", f"Range: bytes={start}-{stop - 1}"]
        if self._signed and self._access.token:
            headers.append(f"x-amz-security-token: {self._access.token}")
        return Request(
            self._address.url,
            headers,
            reader=reader,
            signing=self._access.signing() if self._signed else None,
        )

    def _wait(self, request: Request) -> Answer:
        self._transport.submit(request)
        while True:
            before = self._transport.n_bytes
            for _, answer in self._transport.step(1.0):
                self.bytes_read += self._transport.n_bytes - before
                return answer
            self.bytes_read += self._transport.n_bytes - before

    def _adopt(self, reader: _Reader) -> None:
        """Take the file's length from a whole body."""
        if reader.whole is not None:
            self.size = reader.whole.seek(0, io.SEEK_END)
            self._known = True

    def check(self, total: int, tag: Tag) -> bool:
        """Return whether an answer is about the file that was opened."""
        if not self._known:
            self._known, self.size, self._tag = True, total, tag
            return True
        return total == self.size and not self._tag.differs(tag)


def _open_again(
    source: Source,
    block_size: int,
    cache_size: int,
    limits: Limits,
    place: Access,
    tag: Tag,
    size: int,
    position: int,
) -> RangedFile:
    """Open a file that another process had open; it has to be the same still."""
    mine = Access.from_environment(endpoint=place.endpoint)
    access = replace(mine, region=place.region or mine.region)
    file = RangedFile(
        source, block_size=block_size, cache_size=cache_size, limits=limits, access=access
    )
    if file.size != size or tag.differs(file._tag):
        file.close()
        raise ChangedRemote(
            f"{source.url} changed on the server while it was open", hint="open it again"
        )
    file.seek(position)
    return file


class _Reader:
    """Takes one answer in: a range into memory, a whole file into a temporary one."""

    def __init__(self, file: RangedFile, start: int) -> None:
        self.file = file
        self.start = start
        self.status = 0
        self.data = bytearray()
        self.whole: IO[bytes] | None = None
        self.coded: Decoder | None = None
        self.error: Exception | None = None

    def on_head(self, head: Head) -> bool:
        """Look at the head; return whether the body is wanted."""
        self.status = head.status
        url = self.file.source.url
        if head.status == 200:
            try:
                coded = decoder_for(head.get("content-encoding"), self.file.source, is_s3=False)
            except OSError as error:
                self.error = error
                return False
            self.coded = coded
            self.whole = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the file
        elif head.status == 206:
            match = CONTENT_RANGE.fullmatch(head.get("content-range").strip())
            if match is None or match[3] == "*" or int(match[1]) != self.start:
                self.error = ServerError(f"{url}: the server gives another range than asked for")
            elif not self.file.check(
                int(match[3]), Tag(head.get("etag"), head.get("last-modified"))
            ):
                self.error = ChangedRemote(
                    f"{url} changed on the server while it was open", hint="open it again"
                )
        return self.error is None

    def on_data(self, data: bytes) -> bool:
        """Take bytes in; return whether more are wanted."""
        if self.whole is None:
            self.data += data
            return True
        try:
            self.whole.write(data if self.coded is None else self.coded.feed(data))
        except ValueError as error:
            self.error = ServerError(f"{self.file.source.url}: a harmed body: {error}")
        return self.error is None

    def finish(self) -> None:
        """Notice a compressed body that ends too early."""
        try:
            if self.coded is not None:
                self.coded.finish()
        except ValueError as error:
            self.drop()
            raise ServerError(f"{self.file.source.url}: a harmed body: {error}") from error

    def drop(self) -> None:
        """Give up what came of a whole body."""
        if self.whole is not None:
            self.whole.close()
            self.whole = None


def open_ranged(
    source: Source | str | os.PathLike[str],
    *,
    block_size: int = 256 << 10,
    cache_size: int = 32 << 20,
    limits: Limits | None = None,
    access: Access | None = None,
) -> RangedFile | LocalFile:
    """Open a remote file for reading anywhere in it.

    Parameters
    ----------
    source : Source, str or path-like
        A URL will do, or the path of a file.
    block_size : int
        Bytes that are asked for at least.
    cache_size : int
        Bytes that are kept in memory.
    limits : Limits, optional
    access : Access, optional
        How to reach S3.

    Returns
    -------
    RangedFile or LocalFile
        The latter for a file of this machine, ``file:`` or ``zip:``. Both pickle, without what they
        keep and without credentials.

    Raises
    ------
    TransferError
        If the file cannot be read.
    OfflineError
        If nothing may be fetched over a network.
    ConfigurationError
        If it is no address of a file.

    Examples
    --------
    >>> import h5py
    >>> with open_ranged("https://example.org/session.nwb") as f, h5py.File(f) as h5:
    ...     h5["units/spike_times"][:100]                                # doctest: +SKIP
    """
    given = source if isinstance(source, Source) else _named(source)
    if given.is_local:
        return open_local(given)
    return RangedFile(
        given, block_size=block_size, cache_size=cache_size, limits=limits, access=access
    )


def _named(name: str | os.PathLike[str]) -> Source:
    """Return the source that a URL, or the path of a file, names."""
    text = os.fspath(name)
    if "://" in text or text.startswith(("file:", "zip:")):
        return Source(text)
    return Source(Path(os.path.abspath(Path(text).expanduser())).as_uri())
