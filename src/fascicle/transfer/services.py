"""What jobs ask of the engine that runs them, and what has become of each file."""

from __future__ import annotations

import heapq
import itertools
import queue
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from fascicle.errors import FascicleError
from fascicle.transfer.commit import Committer, Finished
from fascicle.transfer.digest import Digester, Running
from fascicle.transfer.jobs import SMALL, Job, SmallJob
from fascicle.transfer.lanes import Lane
from fascicle.transfer.ledger import Ledger
from fascicle.transfer.limits import Limits
from fascicle.transfer.local import LocalJob, TwinJob
from fascicle.transfer.parts import Part, Progress
from fascicle.transfer.pieces import HELD, Piece
from fascicle.transfer.plan import Item, OnMismatch, Plan
from fascicle.transfer.result import Outcome, Status
from fascicle.transfer.s3 import Access, address
from fascicle.transfer.source import Source
from fascicle.transfer.stream import StreamJob


class Services:
    """What jobs ask of the engine that runs them."""

    def __init__(
        self,
        plan: Plan,
        *,
        limits: Limits,
        access: Access,
        on_mismatch: OnMismatch,
        headers: Callable[[Source], Mapping[str, str]] | None,
    ) -> None:
        self.store: Path = plan.store
        self.limits = limits
        self.access = access
        self.on_mismatch: OnMismatch = on_mismatch
        self._headers = headers
        self.outcomes: dict[int, Outcome] = {}
        self.followers: dict[int, list[tuple[int, Item]]] = {}
        self.open: set[Job] = set()
        self.lanes: dict[str, Lane] = {}
        self.timers: list[tuple[float, int, Job]] = []
        #: What other threads want done in the one that runs the plan.
        self.events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.ledger = Ledger(plan.store)
        self.committer = Committer(self.ledger, self.placed, self.events.put)
        self.digester = Digester()
        self.holding: list[Piece] = []
        self.n_resumed = 0
        self.n_copied = 0
        self.offline = False
        self._count = itertools.count()

    def headers(self, source: Source) -> tuple[str, ...]:
        """Return the further headers of a source, as they go over the wire."""
        if self._headers is None:
            return ()
        return tuple(f"{name}: {value}" for name, value in self._headers(source).items())

    def lane(self, host: str) -> Lane:
        """Return the lane of a host."""
        lane = self.lanes.get(host)
        if lane is None:
            lane = self.lanes[host] = Lane(host, self.limits)
        return lane

    def schedule(self, job: Job, when: float) -> None:
        """Ask a job for a request at a time."""
        heapq.heappush(self.timers, (when, next(self._count), job))

    def commit(self, finished: Finished) -> None:
        """Have a file put in place."""
        self.committer.put(finished)

    def note(self, job: Job, part: Part, progress: Progress) -> None:
        """Have progress noted."""
        self.committer.note(job, part, progress)

    def leave(self, part: Part, progress: Progress | None) -> None:
        """Let go of a part."""
        self.committer.leave(part, progress)

    def room_for(self, piece: Piece) -> bytearray:
        """Return where a piece may hold what comes in this turn."""
        self.holding.append(piece)
        rooms = self.digester.rooms
        return rooms.pop() if rooms else bytearray(HELD)

    def flush(self) -> None:
        """Write what came in this turn and is held yet."""
        for piece in self.holding:
            piece.flush()
            if piece.held is not None:
                self.digester.rooms.append(piece.held)
                piece.held = None
        self.holding.clear()

    def digest(self, running: Running) -> None:
        """Have a checksum go on."""
        self.digester.push(running)

    def tell(self, job: StreamJob, running: Running, digest: str, error: str) -> None:
        """Bring a checksum from its thread to the job."""
        self.events.put(partial(job.on_checksum, running, digest, error))

    def resumed(self, n_bytes: int) -> None:
        """Count bytes that an earlier run brought."""
        self.n_resumed += n_bytes

    def copied(self, n_bytes: int) -> None:
        """Count bytes that came from another folder."""
        self.n_copied += n_bytes

    def enlarge(self, job: Job) -> None:
        """Go on with a file that is not as small as the record says."""
        self.open.discard(job)
        self.start(StreamJob(job.item, job.number, job.lane, self, job.address))

    def start(self, job: Job) -> None:
        """Take a job on."""
        self.open.add(job)
        job.queued = True
        job.lane.ready.append(job)

    def placed(self, job: Job, error: FascicleError | None) -> None:
        """Take in that a file is in place, or cannot be."""
        if error is not None:
            job.fail(error)
        elif not job.over:
            self.settle(job, job.status, job.pending_error)

    def settle(self, job: Job, status: Status, error: FascicleError | None) -> None:
        """Take down what became of a file, and see to those with the same content."""
        self.open.discard(job)
        job.over = True
        self.outcomes[job.number] = Outcome(job.item, status, error, job.kept)
        if status in ("fetched", "linked"):
            if self.followers:
                for number, item in self.followers.pop(job.number, []):
                    self.begin(number, replace(item, twin=job.item.target))
        else:
            self._promote(job.number)

    def _promote(self, failed: int) -> None:
        """Go on with another source of the same content: it may be better."""
        followers = self.followers.pop(failed, [])
        if followers:
            (number, item), *rest = followers
            self.followers[number] = rest
            self.begin(number, item)

    def give_up(self, lane: Lane, error: FascicleError) -> None:
        """Fail everything that waits for a host that is out of reach."""
        for job in [job for job in self.open if job.lane is lane]:
            job.fail(error)

    def begin(self, number: int, item: Item) -> None:
        """Make the right kind of job for an item, and take it on."""
        source = item.source
        if item.twin is not None:
            self.start(TwinJob(item, number, self.lane(""), self))
            return
        if source.is_local:
            self.start(LocalJob(item, number, self.lane(""), self))
            return
        try:
            place = address(source, self.access)
        except FascicleError as error:
            self.outcomes[number] = Outcome(item, "failed", error)
            self._promote(number)
            return
        kind = SmallJob if source.size is not None and source.size <= SMALL else StreamJob
        self.start(kind(item, number, self.lane(place.host), self, place))
