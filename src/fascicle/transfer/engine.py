"""Runs a plan: many small files and many ranges of large ones at once, each to a good end."""

from __future__ import annotations

import heapq
import itertools
import os
import queue
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fascicle import settings
from fascicle.errors import FascicleError, NotEnoughDisk, OfflineError, ReadOnlyStore
from fascicle.transfer.bars import Bars, Shown, Underway, make_bars
from fascicle.transfer.client import Answer, Request, Signing, Transport, make_transport
from fascicle.transfer.commit import Committer, Finished
from fascicle.transfer.digest import Digester, Running
from fascicle.transfer.jobs import SMALL, Job, SmallJob
from fascicle.transfer.ledger import Ledger
from fascicle.transfer.limits import Limits, Throttle
from fascicle.transfer.local import LocalJob, TwinJob
from fascicle.transfer.parts import Part, Progress, remove_stale
from fascicle.transfer.plan import Item, OnMismatch, Plan
from fascicle.transfer.rates import remember_rate
from fascicle.transfer.result import Outcome, Result, Status
from fascicle.transfer.s3 import Access, address
from fascicle.transfer.source import Source
from fascicle.transfer.stream import StreamJob
from fascicle.transfer.text import size_text

_WAITING_MOST = 64 << 20
_TICK = 0.1
_GROW = 0.5


class Lane:
    """One host: what waits for it, what is under way, and how it fares.

    Attributes
    ----------
    host : str
    ready : collections.deque of Job
        Whose next request may go out.
    wide : collections.deque of StreamJob
        Of whose many ranges a further one may go out.
    active, streams : int
        Requests under way, and of these the ranges of large files.
    window : int
        How many ranges may be.
    not_before : float
        When the host wants to be asked again.
    successes : int
        Answers that were whole.
    signed : bool
        Whether requests are signed.
    region : str
        Where the host says that it is.
    """

    def __init__(self, host: str, limits: Limits) -> None:
        self.host = host
        self.ready: deque[Job] = deque()
        self.wide: deque[Job] = deque()
        self.active = 0
        self.streams = 0
        self.window = max(1, limits.streams // 4)
        self.not_before = 0.0
        self.successes = 0
        self.signed = False
        self.region = ""
        self._most = limits.streams
        self._best = 0.0
        self._steady = False

    def signing(self, access: Access) -> Signing | None:
        """Return what signs requests to this host, None while they are anonymous."""
        return access.signing(self.region) if self.signed else None

    def grow(self, rate: float) -> None:
        """Allow more ranges at once while that makes it faster."""
        if self._steady or self.streams < self.window:
            return
        if rate > 1.1 * self._best:
            self._best = rate
            self.window = min(self._most, 2 * self.window)
        else:
            self._steady = True


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
        self.events: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self.ledger = Ledger(plan.store)
        self.committer = Committer(self.ledger, lambda job, error: self.events.put((job, error)))
        self.digester = Digester()
        self.n_resumed = 0
        self.n_copied = 0
        self.offline = False
        self._count = itertools.count()

    @property
    def headers(self) -> Callable[[Source], list[str]] | None:
        """What gives the further headers of a source, as they go over the wire."""
        given = self._headers
        if given is None:
            return None
        return lambda source: [f"{name}: {value}" for name, value in given(source).items()]

    def lane(self, host: str) -> Lane:
        """Return the lane of a host."""
        if host not in self.lanes:
            self.lanes[host] = Lane(host, self.limits)
        return self.lanes[host]

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

    def digest(self, running: Running) -> None:
        """Have a checksum go on."""
        self.digester.push(running)

    def tell(self, job: Job, running: Running, digest: str, error: str) -> None:
        """Bring a checksum from its thread to the job."""
        self.events.put((job, running, digest, error))

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

    def settle(self, job: Job, status: Status, error: FascicleError | None) -> None:
        """Take down what became of a file, and see to those with the same content."""
        self.open.discard(job)
        job.over = True
        self.outcomes[job.number] = Outcome(job.item, status, error, job.kept)
        if status in ("fetched", "linked"):
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


class _Loop:
    """Moves requests until every job has ended."""

    def __init__(
        self, services: Services, transport: Transport, bars: Bars, limits: Limits
    ) -> None:
        self.services = services
        self.transport = transport
        self.bars = bars
        self.limits = limits
        self.throttle = Throttle(limits.bandwidth)
        self.running: dict[Request, tuple[Job, bool]] = {}
        self.n_requests = 0
        self.n_seen = transport.n_bytes
        self.measured = time.monotonic(), transport.n_bytes
        self.flushed = False

    def run(self) -> None:
        """Go round until nothing is open."""
        services = self.services
        while services.open:
            now = time.monotonic()
            self.wake(now)
            self.fill(now)
            self.take_events(block=self.pause(now))
            if self.transport.n_running:
                self.flushed = False
                for request, answer in self.transport.step(self.pause(time.monotonic())):
                    self.finish(request, answer)
            self.look_after()

    def pause(self, now: float) -> float:
        """Return how long there is nothing to do but wait."""
        timers = self.services.timers
        until = min([timers[0][0] - now] if timers else [_TICK])
        waits = [lane.not_before - now for lane in self.services.lanes.values() if lane.ready]
        later = [wait for wait in waits if wait > 0]
        return max(0.0, min([_TICK, until, *later]))

    def wake(self, now: float) -> None:
        """Put jobs whose pause is over back into their queues."""
        timers = self.services.timers
        while timers and timers[0][0] <= now:
            job = heapq.heappop(timers)[2]
            if not job.queued and not job.over:
                job.queued = True
                job.lane.ready.appendleft(job)  # before what was not begun yet

    def fill(self, now: float) -> None:
        """Send requests out, as many as may be under way."""
        transport, limits = self.transport, self.limits
        for lane in list(self.services.lanes.values()):
            if now < lane.not_before:
                continue
            while lane.wide and lane.streams < min(lane.window, limits.parallel):
                job = lane.wide[0]
                if not (job.has_more() and self.send(job, lane, now, wide=True)):
                    job.queued = False
                    lane.wide.popleft()
            while (
                lane.ready
                and lane.active - lane.streams < limits.per_host
                and transport.n_running < limits.parallel + lane.streams
                and self.services.committer.waiting < _WAITING_MOST
            ):
                job = lane.ready.popleft()
                if getattr(job, "wide", False) and lane.streams >= lane.window:
                    lane.wide.append(job)
                    continue
                job.queued = False
                self.send(job, lane, now, wide=getattr(job, "wide", False))
                if job.has_more() and not job.queued:
                    job.queued = True
                    lane.wide.append(job)

    def send(self, job: Job, lane: Lane, now: float, *, wide: bool) -> bool:
        """Send the next request of a job out; return whether there was one."""
        request = job.want(now)
        if request is None:
            return False
        try:
            self.transport.submit(request)
        except FascicleError as error:  # what the library in use cannot do
            job.fail(error)
            return False
        self.n_requests += 1
        self.running[request] = job, wide
        lane.active += 1
        lane.streams += wide
        return True

    def finish(self, request: Request, answer: Answer) -> None:
        """Give an answer to its job."""
        job, wide = self.running.pop(request)
        job.lane.active -= 1
        job.lane.streams -= wide
        if not job.over:
            job.on_answer(request, answer)
        if not job.over and not job.queued and job.has_more():
            job.queued = True
            job.lane.wide.append(job)

    def take_events(self, *, block: float) -> None:
        """Take in what the other threads have to say; wait for it where nothing else is to do."""
        events = self.services.events
        wait = 0.0
        if not self.transport.n_running:
            if not self.flushed:
                self.services.committer.flush()
                self.flushed = True
            wait = block
        try:
            while True:
                event = events.get(timeout=wait) if wait else events.get_nowait()
                wait = 0.0
                self.take(event)
        except queue.Empty:
            return

    def take(self, event: tuple[Any, ...]) -> None:
        """Take one event in."""
        job = event[0]
        self.flushed = False
        if len(event) == 2:
            error = event[1]
            if error is not None:
                job.fail(error)
            elif not job.over:
                self.services.settle(job, job.status, job.pending_error)
        else:
            job.on_checksum(*event[1:])

    def underway(self) -> Iterator[Underway]:
        """Return how far the files are that are being fetched."""
        for job in self.services.open:
            if isinstance(job, StreamJob):
                flying = sum(piece.position - piece.start for piece in job.flying)
                yield Underway(job.number, len(job.done) + flying, job.total)

    def look_after(self) -> None:
        """Bandwidth, notes of progress, the number of ranges, the bar."""
        transport, now = self.transport, time.monotonic()
        n_new, self.n_seen = transport.n_bytes - self.n_seen, transport.n_bytes
        wait = self.throttle.take(n_new)
        since, n_then = self.measured
        if now - since > _GROW:
            rate = (transport.n_bytes - n_then) / (now - since)
            self.measured = now, transport.n_bytes
            for lane in self.services.lanes.values():
                lane.grow(rate)
        n_done = transport.n_bytes + self.services.n_resumed + self.services.n_copied
        self.bars.show(n_done, self.underway() if self.bars.each else ())
        seen = set()
        for job, _ in self.running.values():
            if isinstance(job, StreamJob) and job not in seen:
                seen.add(job)
                job.note(now)
        if wait:
            time.sleep(min(wait, 0.5))


def run(
    plan: Plan,
    *,
    progress: Shown,
    parallel: int | None,
    limits: Limits | None,
    offline: bool | None,
    on_mismatch: OnMismatch,
    headers: Callable[[Source], Mapping[str, str]] | None,
    access: Access | None,
) -> Result:
    """Run a plan; see `Plan.run`."""
    begun = time.monotonic()
    bounds = limits or Limits.from_environment()
    if parallel is not None:
        bounds = replace(bounds, parallel=parallel, per_host=parallel)
    if not plan.to_fetch:
        return Result(tuple(Outcome(item, "here") for item in plan.items))
    _check_room(plan, bounds)
    services = Services(
        plan,
        limits=bounds,
        access=access or Access.from_environment(),
        on_mismatch=on_mismatch,
        headers=headers,
    )
    transport = make_transport(bounds)
    bars = make_bars(plan, progress)
    loop = _Loop(services, transport, bars, bounds)
    n_before = transport.n_bytes
    try:
        _begin(plan, services, offline=settings.offline() if offline is None else offline)
        loop.run()
    finally:
        transport.close()
        for job in list(services.open):
            job.let_go()
        services.digester.close()
        services.committer.close()
        bars.close(services.outcomes)
    seconds, n_bytes = time.monotonic() - begun, transport.n_bytes - n_before
    _remember(plan, seconds, n_bytes)
    trouble = services.committer.trouble
    return Result(
        tuple(services.outcomes[i] for i in range(len(plan.items))),
        seconds,
        n_bytes + services.n_copied,
        loop.n_requests,
        (trouble,) if trouble else (),
    )


def _begin(plan: Plan, services: Services, *, offline: bool) -> None:
    """Take on what is missing; of equal contents only the first."""
    services.offline = offline
    leaders: dict[tuple[str, str, str], int] = {}
    refused = _refused(plan.store)
    for folder in {item.target.parent for item in plan.to_fetch}:
        remove_stale(folder)
    for number, item in enumerate(plan.items):
        source = item.source
        if item.state == "here":
            services.outcomes[number] = Outcome(item, "here")
            continue
        if refused is not None:
            services.outcomes[number] = Outcome(item, "failed", refused)
            continue
        if offline and item.twin is None and not source.is_local:
            error = OfflineError(
                f"{item.target} is not here, and fascicle is offline",
                hint="unset FASCICLE_OFFLINE, or fetch it where there is a network",
            )
            services.outcomes[number] = Outcome(item, "failed", error)
            continue
        if source.hash and item.twin is None:
            # an md5 is no proof between strangers
            origin = source.origin if source.algorithm in ("md5", "sha1", "crc32") else ""
            leader = leaders.setdefault((source.algorithm, source.hash, origin), number)
            if leader != number and leader not in services.outcomes:
                services.followers.setdefault(leader, []).append((number, item))
                continue
        services.begin(number, item)


def _refused(store: Path) -> ReadOnlyStore | None:
    """Return why nothing can be written into a store, None where it can."""
    place = store
    while not place.exists() and place != place.parent:
        place = place.parent
    if os.access(place, os.W_OK):
        return None
    return ReadOnlyStore(
        f"files are missing in {store}, which cannot be written",
        hint="choose a folder that you can write to",
    )


def _check_room(plan: Plan, limits: Limits) -> None:
    place = plan.store
    while not place.exists() and place != place.parent:
        place = place.parent
    free = shutil.disk_usage(place).free
    needed = plan.bytes + limits.spare_disk
    if needed > free:
        raise NotEnoughDisk(
            f"{size_text(plan.bytes)} are to come into {plan.store}, and {size_text(free)} are free"
            f" ({size_text(limits.spare_disk)} of it are to stay so)",
            hint="make room, choose fewer files (plan.select), or another folder",
        )


def _remember(plan: Plan, seconds: float, n_bytes: int) -> None:
    origins = {
        item.source.origin
        for item in plan.to_fetch
        if item.twin is None and not item.source.is_local
    }
    if n_bytes > 1 << 20 and len(origins) == 1:
        remember_rate(origins.pop(), n_bytes / max(seconds, 1e-3))
