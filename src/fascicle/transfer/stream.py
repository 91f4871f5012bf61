"""A file that goes to disk while it arrives: in one stream, or in ranges side by side."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from typing import TYPE_CHECKING

from fascicle.errors import ChangedRemote, ServerError, TransferError
from fascicle.transfer.bounds import Room
from fascicle.transfer.client import Answer, Head, Request
from fascicle.transfer.decode import decoder_for
from fascicle.transfer.digest import Running
from fascicle.transfer.disk import disk_error, write_at
from fascicle.transfer.hashes import maker
from fascicle.transfer.jobs import Job
from fascicle.transfer.parts import Part, Progress, Tag
from fascicle.transfer.pieces import Piece
from fascicle.transfer.s3 import Address
from fascicle.transfer.spans import Spans

if TYPE_CHECKING:
    from fascicle.transfer.lanes import Lane
    from fascicle.transfer.plan import Item
    from fascicle.transfer.services import Services

#: Files from this size on come in ranges.
LARGE = 32 << 20
#: Length of a range.
PIECE = 16 << 20
_HASH_STEP = 1 << 20
#: What an answer with a range says of it.
CONTENT_RANGE = re.compile(r"bytes\s+(\d+)-(\d+)/(\d+|\*)")
_TOTAL_ONLY = re.compile(r"bytes\s+\*/(\d+)")
_CHANGES = 3


class StreamJob(Job):
    """A file that is large, or whose size nobody knows."""

    def __init__(
        self, item: Item, number: int, lane: Lane, services: Services, place: Address
    ) -> None:
        super().__init__(item, number, lane, services, place)
        self.part: Part | None = None
        self.epoch = 0
        self.total: int | None = None
        self.tag = Tag()
        self.done = Spans()
        self.todo: deque[tuple[int, int | None]] = deque()
        self.flying: set[Piece] = set()
        self.plain = False  # the server gives the whole file only
        self.resumed = False
        self.probing = False
        self.changes = 0
        self.running: Running | None = None
        self.noted_at = time.monotonic()
        self.n_noted = 0
        self.room = Room(item.source, item.target, services.limits.spare_disk)

    # -- asking ---------------------------------------------------------------------------------

    @property
    def wide(self) -> bool:
        """Whether several ranges of it are to be under way at once."""
        return len(self.todo) + len(self.flying) > 1

    @property
    def n_flying(self) -> int:
        """Requests under way."""
        return len(self.flying)

    def has_more(self) -> bool:
        """Return whether a further request could go out at once."""
        return bool(self.todo) and not (self.probing and self.flying) and not self.over

    def want(self, now: float) -> Request | None:
        """Return the next request, None while there is none."""
        if self.over or now < self.not_before or (self.probing and self.flying):
            return None
        if self.part is None and not self._begin():
            return None
        if not self.todo:
            return None
        if self.lane.asked is None:
            self.lane.asked = now
        start, end = self.todo.popleft()
        ranged = not self.plain and (start > 0 or self.probing or not self._is_all(end))
        piece = Piece(self, start, end, ranged=ranged)
        self.flying.add(piece)
        more = []
        if ranged:
            more.append(f"Range: bytes={start}-{'' if end is None else end - 1}")
            if self.tag.validator:
                more.append(f"If-Range: {self.tag.validator}")
        return Request(
            self.address.url,
            self.headers(*more),
            reader=piece,
            own_connection=end is None or end - start > 1 << 20,
            signing=self.lane.signing(self.services.access),
        )

    def _is_all(self, end: int | None) -> bool:
        known = self.item.source.size if self.total is None else self.total
        return end is None or end == known

    def _begin(self) -> bool:
        """Open the part, and plan what to ask for."""
        target = self.item.target
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self.part = Part.begin(target, self.item.source)
        except OSError as error:
            self.fail(disk_error(error, target))
            return False
        found = self.part.found
        source = self.item.source
        if found is not None and (found.tag.validator or source.hash or source.version):
            self.total, self.tag, self.done = found
            self.resumed = len(self.done) > 0
            self.services.resumed(len(self.done))
            self.todo.extend(self.done.gaps(found.total, at_most=PIECE))
        else:
            self._plan_anew()
        self._hash_anew()
        if self.total is not None and not self.todo:
            self._complete()
        return not self.over

    def _plan_anew(self) -> None:
        size = self.item.source.size if self.total is None else self.total
        self.todo.clear()
        self.probing = False
        if self.plain:
            self.todo.append((0, None))
        elif size is None:
            self.probing = True
            self.todo.append((0, PIECE))
        elif size <= LARGE:
            self.todo.append((0, size))
        else:
            self.todo.extend(Spans().gaps(size, at_most=PIECE))

    def _hash_anew(self) -> None:
        if self.running is not None:
            self.running.dropped = True
            self.services.digest(self.running)
        self.running = None
        source = self.item.source
        if source.hash and self.part is not None:
            try:
                self.running = Running(self.part.path, maker(source.algorithm), self.on_digest)
            except OSError as error:
                self.fail(disk_error(error, self.item.target))
            else:
                self._push_front(self.done.front)

    def start_anew(self, *, plain: bool = False) -> None:
        """Drop what came so far; answers to requests under way are of no use any more."""
        self.epoch += 1
        self.flying.clear()
        self.services.resumed(-len(self.done))
        self.done = Spans()
        self.total = None
        self.tag = Tag()
        self.resumed = False
        self.plain = self.plain or plain
        self.n_noted = 0
        if self.part is not None:
            self.part.drop_note()
        self._plan_anew()
        self._hash_anew()

    # -- answers --------------------------------------------------------------------------------

    def on_head(self, piece: Piece, head: Head) -> bool:
        """Decide what a body is; return whether it is wanted."""
        self.lane.heard = True
        if piece.epoch != self.epoch or self.over:
            return False
        if head.status == 206:
            return self._on_range(piece, head)
        if head.status == 200:
            return self._on_whole(piece, head)
        return True  # what an error says

    def _on_range(self, piece: Piece, head: Head) -> bool:
        match = CONTENT_RANGE.fullmatch(head.get("content-range").strip())
        encoding = head.get("content-encoding")
        try:
            encoded = decoder_for(encoding, self.item.source, is_s3=self.address.is_s3) is not None
        except TransferError:
            encoded = True
        usable = match is not None and match[3] != "*" and int(match[1]) == piece.position
        if match is None or not usable or encoded:
            self.start_anew(plain=True)
            self.go_on()
            return False
        total, tag = int(match[3]), Tag(head.get("etag"), head.get("last-modified"))
        if self.total is None:
            if self._refuses(total):
                return False
            self._settle(total, tag, piece)
        elif total != self.total or self.tag.differs(tag):
            self._changed()
            return False
        wanted = total if piece.end is None else min(piece.end, total)
        piece.end = min(int(match[2]) + 1, wanted)
        if piece.end < wanted:  # the server gives less at once than was asked for
            self.todo.appendleft((piece.end, wanted))
            self.go_on()
        return True

    def _settle(self, total: int, tag: Tag, piece: Piece) -> None:
        """Take the file's true length and state from the first answer."""
        self.total, self.tag = total, tag
        if not self.probing and total == self.item.source.size:
            return
        self.probing = False
        # the size on record was none, or wrong: plan the rest by the true one
        taken = Spans((p.start, p.end or total) for p in self.flying)
        self.todo = deque(taken.gaps(total, at_most=PIECE))
        if self.todo:
            self.go_on()

    def _on_whole(self, piece: Piece, head: Head) -> bool:
        tag = Tag(head.get("etag"), head.get("last-modified"))
        if piece.position > 0:
            if self.tag.differs(tag):
                self._changed()
            else:
                self.start_anew(plain=True)
                self.go_on()
            return False
        if self.tag.differs(tag) and self.done:
            self._changed()
            return False
        self.plain = self.plain or piece.ranged
        try:
            piece.decoder = decoder_for(
                head.get("content-encoding"), self.item.source, is_s3=self.address.is_s3
            )
        except TransferError as error:
            piece.error = error
            return False
        if self.done or len(self.flying) > 1 or self.todo:
            self.start_anew()
            piece.epoch = self.epoch
            self.flying.add(piece)
        self.todo.clear()
        self.probing = False
        self.tag = tag
        self.total = piece.end = None if piece.decoder else head.length()
        return self.total is None or not self._refuses(self.total)

    def _refuses(self, total: int) -> bool:
        """End before the body, if the file cannot be of such a length; return whether it ended."""
        source = self.item.source
        if not source.hash and source.size is not None and total != source.size:
            self.start_anew()
            self.refuse_length(total, source.size)
            return True
        error = self.room.refuses_length(total, len(self.done))
        if error is not None:
            self.fail(error)
        return error is not None

    def _changed(self) -> None:
        self.changes += 1
        url = self.item.source.url
        if self.changes > _CHANGES:
            self.fail(
                ChangedRemote(
                    f"{url}: it changed on the server {self.changes} times while it was read",
                    hint="get it when nobody writes to it",
                )
            )
            return
        self.start_anew()
        self.go_on()

    def write(self, piece: Piece, data: bytes | memoryview, stop: int) -> bool:
        """Write the bytes of a piece; return whether more are wanted."""
        part = self.part
        if part is None:
            return False
        if not piece.straight and (
            error := self.room.refuses_more(stop, known=self.total is not None)
        ):
            self.fail(error)
            return False
        try:
            write_at(part.fd, data, piece.position)
        except OSError as failure:
            self.fail(disk_error(failure, self.item.target))
            return False
        position, piece.position = piece.position, stop
        running = self.running
        if running is not None and piece.start <= running.front < stop and piece.decoder is None:
            room = piece.held
            if room is not None and self.services.digester.lend(running, position, data, room):
                piece.held = None
            if stop - running.front >= _HASH_STEP:
                self._push_front(stop)
        return True

    def _push_front(self, front: int) -> None:
        if self.running is not None and front > self.running.front:
            self.running.front = front
            self.services.digest(self.running)

    def on_answer(self, request: Request, answer: Answer) -> None:
        """Take the end of a request in."""
        piece = request.reader
        if not isinstance(piece, Piece):
            return
        if piece.status == 0 and answer.head is not None and not answer.trouble:
            piece.on_head(answer.head)  # a body without bytes
        stale = piece.epoch != self.epoch
        self.flying.discard(piece)
        if stale or self.over:
            return
        if piece.error is not None:
            if isinstance(piece.error, ServerError):
                self.start_anew()
                self.repeat(piece.error)
            else:
                self.fail(piece.error)
        elif piece.status == 416:
            self._beyond(piece, answer)
        elif piece.status in (200, 206):
            self._take(piece, request, answer)
        else:
            self.todo.appendleft((piece.position, piece.end))
            self.try_again(request, Answer(answer.head, piece.body, answer.trouble, answer.reason))

    def _beyond(self, piece: Piece, answer: Answer) -> None:
        """Deal with a file that is shorter than the range that was asked for."""
        if self.total is not None and piece.start >= self.total:
            return  # asked for before the true length was known
        if self.probing:  # an empty file has no range
            self.start_anew(plain=True)
            self.go_on()
            return
        match = _TOTAL_ONLY.fullmatch(answer.head.get("content-range")) if answer.head else None
        if self.total is not None and match is not None and int(match[1]) != self.total:
            self._changed()
            return
        self.start_anew(plain=True)
        self.repeat(
            ServerError(f"{self.item.source.url}: the server does not know the range asked for")
        )

    def _take(self, piece: Piece, request: Request, answer: Answer) -> None:
        progress = piece.position > piece.start
        if piece.status == 200 and piece.decoder is not None and not answer.trouble:
            try:
                piece.decoder.finish()
            except ValueError as error:
                self.start_anew()
                self.repeat(ServerError(f"{self.item.source.url}: a harmed body: {error}"))
                return
        whole = piece.end is None or piece.position >= piece.end
        if not answer.trouble and whole:
            self.lane.successes += 1
            self.attempts = 0
            self.done.add(piece.start, piece.position)
            if piece.end is None:
                self.total = piece.position
        else:
            resumable = self.tag.validator or self.item.source.hash or self.item.source.version
            if self.plain or piece.decoder or not resumable or self.total is None:
                self.start_anew()
                progress = False
            else:
                self.done.add(piece.start, piece.position)
                self.todo.appendleft((piece.position, piece.end))
            self.try_again(request, answer, progress=progress)
        self._push_front(self.done.front)
        if self.total is not None and len(self.done) == self.total and not self.over:
            self._complete()

    # -- the end --------------------------------------------------------------------------------

    def note(self, now: float) -> None:
        """Have progress noted, if there is some and the last note is a while ago."""
        if self.noting or self.over or self.part is None or self.total is None or self.plain:
            return
        if now - self.noted_at < self.services.limits.journal:
            return
        self.noted_at = now
        progress = self._progress()
        if len(progress.done) > self.n_noted:
            self.n_noted = len(progress.done)
            self.noting = True
            self.services.note(self, self.part, progress)

    def _progress(self) -> Progress:
        spans = Spans(self.done)
        for piece in self.flying:
            if piece.epoch == self.epoch and piece.status in (200, 206) and not piece.decoder:
                spans.add(piece.start, piece.position)
        return Progress(self.total or 0, self.tag, spans)

    def let_go(self) -> None:
        """Leave what is on disk for a later process, if it is of use to one."""
        if self.running is not None:
            self.running.dropped = True
            self.services.digest(self.running)
            self.running = None
        part, self.part = self.part, None
        if part is None:
            return
        progress = self._progress()
        useful = self.total is not None and not self.plain and len(progress.done) > 0
        self.services.leave(part, progress if useful else None)

    def _complete(self) -> None:
        """All bytes are here: wait for the checksum, or be content without one."""
        source = self.item.source
        if self.running is not None:
            self.running.total = self.total
            self._push_front(self.done.front)
            self.services.digest(self.running)
            return
        if source.size is not None and self.total != source.size:
            found = self.total or 0
            self.start_anew()
            self.refuse_length(found, source.size)
            return
        self._hand_over()

    def on_digest(self, running: Running, digest: str, error: str) -> None:
        """Take the checksum in; called by the thread that computed it."""
        self.services.tell(self, running, digest, error)

    def on_checksum(self, running: Running, digest: str, error: str) -> None:
        """Compare the checksum with the one on record."""
        if running is not self.running or self.over:
            return
        if error:
            self.fail(TransferError(f"{self.item.target}: cannot be read back: {error}"))
        elif digest == self.item.source.hash:
            self._hand_over(digest=digest)
        elif self.resumed or self.mismatch(digest, self._discard, part=self.part):
            # bytes of two runs say nothing of the server
            self.start_anew()
            self.go_on()
        elif self.services.on_mismatch != "fail":
            self.part = self.running = None

    def _discard(self) -> None:
        tried = self.mismatches.digests if self.mismatches else []
        if len(tried) > 1 and self.part is not None:
            self.part.discard()
            self.part = None

    def _hand_over(self, digest: str = "") -> None:
        part, self.part, self.running = self.part, None, None
        try:
            if part is not None and self.total is not None:
                # an attempt before this one may have brought more
                self._cut(part, self.total)
        except OSError as error:
            self.fail(disk_error(error, self.item.target))
            return
        self.commit(part=part, digest=digest)

    @staticmethod
    def _cut(part: Part, total: int) -> None:
        if os.fstat(part.fd).st_size > total:
            os.ftruncate(part.fd, total)
