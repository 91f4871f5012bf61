"""The answer to one request for a large file, or for a range of one, while it arrives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle.errors import FascicleError, ServerError
from fascicle.transfer.client import Head
from fascicle.transfer.decode import Decoder

if TYPE_CHECKING:
    from fascicle.transfer.stream import StreamJob


#: libcurl gives 16 KiB at a time, which is little to write, or to take turns with a thread for.
HELD = 512 << 10
_ENOUGH = HELD - (16 << 10)


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
    gather : bool
        Whether they are held until the transport's turn ends: from a host that is near, much comes
        in one turn; from afar, little does, and it had better be written while it is fresh.
    held : bytearray or None
        What came since the transport was last asked to move bytes.
    n_held : int
        How much of it.
    """

    __slots__ = (
        *("job", "start", "position", "end", "ranged", "epoch"),
        *("status", "decoder", "body", "error", "straight", "gather", "held", "n_held"),
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
        self.straight = self.gather = False
        self.held: bytearray | None = None
        self.n_held = 0

    def on_head(self, head: Head) -> bool:
        """Look at the head; return whether the body is wanted."""
        self.status = head.status
        wanted = self.job.on_head(self, head)
        stored = self.status in (200, 206) and self.decoder is None
        self.straight = wanted and stored and self.end is not None
        self.gather = self.straight and self.job.lane.is_near
        return wanted

    def on_data(self, data: bytes) -> bool:
        """Write bytes where they belong; return whether more are wanted."""
        job = self.job
        if self.epoch != job.epoch or job.over:
            return False
        if self.straight:  # most bytes by far, in very many calls
            if self.gather:
                kept = self._keep(data)
                if kept is not None:
                    return kept
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

    def _keep(self, data: bytes) -> bool | None:
        """Hold bytes; return whether more are wanted, None where they are to be written at once."""
        n = self.n_held + len(data)
        if n > HELD or self.position + n > (self.end or 0):
            return None if self.flush() else False
        if self.held is None:
            self.held = self.job.services.room_for(self)
        self.held[self.n_held : n] = data
        self.n_held = n
        return n < _ENOUGH or self.flush()

    def flush(self) -> bool:
        """Write what is held; return whether more is wanted."""
        n, self.n_held = self.n_held, 0
        job = self.job
        if not n or self.held is None:
            return True
        if self.epoch != job.epoch or job.over:
            return False
        return job.write(self, memoryview(self.held)[:n], self.position + n)
