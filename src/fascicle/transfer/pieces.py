"""The answer to one request for a large file, or for a range of one, while it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle.errors import FascicleError, ServerError
from fascicle.transfer.client import Head
from fascicle.transfer.decode import Decoder

if TYPE_CHECKING:
    from fascicle.transfer.stream import StreamJob


class Piece:
    """The reader of one request: a span of the file, or all of it.

    Attributes
    ----------
    start, position : int
        Where it began, and where the next byte goes.
    end : int or None
        Where it ends; None: wherever the body does.
    ranged : bool
        Whether a range was asked for.
    status : int
        That of the answer; 0 before it came.
    epoch : int
        Which of the job's attempts at the whole file it belongs to.
    straight : bool
        Whether bytes go to disk as they come, up to an end that is known.
    """

    __slots__ = (
        *("job", "start", "position", "end", "ranged", "epoch"),
        *("status", "decoder", "body", "error", "straight"),
    )

    def __init__(self, job: StreamJob, start: int, end: int | None, *, ranged: bool) -> None:
        self.job = job
        self.start = self.position = start
        self.end = end
        self.ranged = ranged
        self.epoch = job.epoch
        self.status = 0
        self.decoder: Decoder | None = None
        self.body = b""
        self.error: FascicleError | None = None
        self.straight = False

    def on_head(self, head: Head) -> bool:
        """Look at the head; return whether the body is wanted."""
        self.status = head.status
        wanted = self.job.on_head(self, head)
        stored = self.status in (200, 206) and self.decoder is None
        self.straight = wanted and stored and self.end is not None
        return wanted

    def on_data(self, data: bytes) -> bool:
        """Write bytes where they belong; return whether more are wanted."""
        job = self.job
        if self.epoch != job.epoch or job.over:
            return False
        if self.straight:  # most bytes by far, in very many calls
            stop = self.position + len(data)
            if stop <= (self.end or 0):
                return job.write(self, data, stop)
        if self.status not in (200, 206):
            self.body += data[:4096]
            return len(self.body) < 1 << 16
        if self.decoder is not None:
            try:
                data = self.decoder.feed(data)
            except ValueError as error:
                self.error = ServerError(f"{job.item.source.url}: a harmed body: {error}")
                return False
        stop = self.position + len(data)
        if self.end is not None and stop > self.end:
            data, stop = data[: self.end - self.position], self.end
        return job.write(self, data, stop)
