"""Runs a plan: many small files and many ranges of large ones at once, each to a good end."""

from __future__ import annotations

import heapq
import os
import queue
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import get_args

from fascicle import settings
from fascicle.errors import (
    ConfigurationError,
    FascicleError,
    NotEnoughDisk,
    OfflineError,
    ReadOnlyStore,
)
from fascicle.transfer.bars import Bars, Shown, Underway, make_bars
from fascicle.transfer.client import Answer, Request, Transport
from fascicle.transfer.jobs import Job
from fascicle.transfer.kept import lent
from fascicle.transfer.lanes import Lane
from fascicle.transfer.limits import Limits, Throttle
from fascicle.transfer.parts import remove_stale
from fascicle.transfer.plan import OnMismatch, Plan
from fascicle.transfer.rates import remember_rate
from fascicle.transfer.result import Outcome, Result
from fascicle.transfer.s3 import Access
from fascicle.transfer.services import Services
from fascicle.transfer.source import Source
from fascicle.transfer.stream import StreamJob
from fascicle.transfer.text import size_text

_WAITING_MOST = 64 << 20
_TICK = 0.1
_GROW = 0.25
_GROW_NEAR = 0.05
_IDLE = 0.0005
_BREATH = 0.001
_LOOK = 0.05
_IN_TURN = 4


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
        self.looked_at = 0.0

    def run(self) -> None:
        """Go round until nothing is open."""
        services = self.services
        transport, committer = self.transport, services.committer
        while services.open:
            now = time.monotonic()
            self.wake(now)
            self.fill(now)
            idle = not transport.n_running
            committer.tick(idle=idle)
            self.take_events(block=self.pause(now) if idle else 0.0)
            if transport.n_running:
                self.step()
            self.look_after()

    def step(self) -> None:
        """Move bytes, and see whether the network or this process is the slower one."""
        lanes = self.services.lanes.values()
        if self.services.digester.is_behind or any(x.streams and x.is_near for x in lanes):
            time.sleep(_BREATH)  # more comes at once then, and checksums take their turn
        since, busy = time.monotonic(), time.thread_time()
        finished = self.transport.step(self.pause(since))
        self.services.flush()
        waited = time.monotonic() - since - (time.thread_time() - busy) > _IDLE
        for request, answer in finished:
            self.finish(request, answer, waited=waited)

    def pause(self, now: float) -> float:
        """Return how long there is nothing to do but wait."""
        timers = self.services.timers
        until = min([timers[0][0] - now] if timers else [_TICK])
        waits = [lane.not_before - now for lane in self.services.lanes.values() if lane.ready]
        later = [wait for wait in waits if wait > 0]
        looks = [lane.look(now) for lane in self.services.lanes.values() if lane.near]
        return max(0.0, min([_TICK, until, *later, *looks]))

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
        transport, limits, committer = self.transport, self.limits, self.services.committer
        for lane in list(self.services.lanes.values()):
            if now < lane.not_before:
                continue
            lane.look(now)
            while lane.wide and lane.streams < min(lane.width, limits.parallel):
                # a few files in turn: their checksums are computed side by side
                _least_first(lane.wide, _IN_TURN)
                job = lane.wide[0]
                if lane.near and job.n_flying:
                    break
                if not job.has_more() or not self.send(job, lane, now, wide=True):
                    job.queued = False
                    lane.wide.popleft()
            room = min(
                lane.slots - (lane.active - lane.streams),
                limits.parallel + lane.streams - transport.n_running,
            )
            while lane.ready and room > 0 and committer.waiting < _WAITING_MOST:
                job = lane.ready.popleft()
                wide = job.wide
                if wide and lane.streams >= lane.width:
                    lane.wide.append(job)
                    continue
                job.queued = False
                if self.send(job, lane, now, wide=wide) and not wide:
                    room -= 1
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

    def finish(self, request: Request, answer: Answer, *, waited: bool) -> None:
        """Give an answer to its job."""
        job, wide = self.running.pop(request)
        lane = job.lane
        lane.active -= 1
        if wide:
            lane.streams -= 1
        elif waited and not answer.trouble:
            lane.widen()
        if not job.over:
            job.on_answer(request, answer)
        if not job.over and not job.queued and job.has_more():
            job.queued = True
            lane.wide.append(job)

    def take_events(self, *, block: float) -> None:
        """Do what the other threads want done; wait for it where nothing else is to do."""
        events = self.services.events
        try:
            while True:
                event = events.get(timeout=block) if block > 0 else events.get_nowait()
                block = 0.0
                event()
        except queue.Empty:
            return

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
        near = any(lane.is_near for lane in self.services.lanes.values())
        if now - since > (_GROW_NEAR if near else _GROW):
            rate = (transport.n_bytes - n_then) / (now - since)
            self.measured = now, transport.n_bytes
            for lane in self.services.lanes.values():
                lane.grow(rate)
        n_done = transport.n_bytes + self.services.n_resumed + self.services.n_copied
        self.bars.show(n_done, self.underway() if self.bars.each else ())
        if now - self.looked_at >= _LOOK:
            self.looked_at = now
            self.note(now)
        if wait:
            time.sleep(wait)

    def note(self, now: float) -> None:
        """Have it noted how far large files are."""
        seen = set()
        for job, _ in self.running.values():
            if isinstance(job, StreamJob) and job not in seen:
                seen.add(job)
                job.note(now)


def _least_first(waiting: deque[Job], n: int) -> None:
    """Put first who of the first few in a queue has the fewest requests under way."""
    i = min(range(min(n, len(waiting))), key=lambda i: waiting[i].n_flying)
    if i:
        job = waiting[i]
        del waiting[i]
        waiting.appendleft(job)


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
    if on_mismatch not in get_args(OnMismatch):
        raise ConfigurationError(
            f"on_mismatch={on_mismatch!r} is unknown", hint="'fail', 'keep' or 'accept'"
        )
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
    bars = make_bars(plan, progress)
    try:
        with lent(bounds) as transport:
            loop = _Loop(services, transport, bars, bounds)
            n_before = transport.n_bytes
            _begin(plan, services, offline=settings.offline() if offline is None else offline)
            loop.run()
    finally:
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
    for folder in {str(item.target).rpartition(os.sep)[0] for item in plan.to_fetch}:
        remove_stale(Path(folder))
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
