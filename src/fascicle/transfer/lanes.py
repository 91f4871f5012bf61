"""What is under way to one host: how many requests at once, and when the next one may go."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from fascicle.transfer.client import Signing
from fascicle.transfer.limits import Limits
from fascicle.transfer.s3 import Access

if TYPE_CHECKING:
    from fascicle.transfer.jobs import Job

_BEGIN = 32
_LEAST = 4
_NEAR = 4  # ranges at once, of as many files
_AT_ONCE = 0.01  # seconds until a host answers that is near
_FAST = 50e6  # bytes per second of each of its connections


class Lane:
    """One host: what waits for it, what is under way, and how it fares.

    Attributes
    ----------
    host : str
    ready : collections.deque of Job
        Whose next request may go out.
    wide : collections.deque of Job
        Of whose many ranges a further one may go out.
    active, streams : int
        Requests under way, and of these the ranges of large files.
    slots : int
        How many other requests may be: more while answers come and this process waits for them
        rather than for its own processor, fewer where the host has too much to do.
    window : int
        How many ranges may be.
    near : bool
        Whether the host answers at once, or may still: then one range of a file after another is
        as fast as many side by side, and it comes in the order in which the checksum needs it.
    asked : float or None
        When the first range of a large file was asked for.
    heard : bool
        Whether an answer to that began.
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
        self.slots = min(_BEGIN, limits.per_host)
        self.window = max(1, limits.streams // 2)
        self.near = True
        self.heard = False
        self.asked: float | None = None
        self.not_before = 0.0
        self.successes = 0
        self.signed = False
        self.region = ""
        self._most_slots = limits.per_host
        self._most = limits.streams
        self._best = 0.0
        self._steady = False

    def signing(self, access: Access) -> Signing | None:
        """Return what signs requests to this host, None while they are anonymous."""
        return access.signing(self.region) if self.signed else None

    def widen(self) -> None:
        """Allow one more request at once: one of many brought its answer."""
        if self.slots < self._most_slots:
            self.slots += 1

    def narrow(self) -> None:
        """Allow half as many: the host says that it has too much to do."""
        self.slots = max(min(_LEAST, self._most_slots), self.slots // 2)

    @property
    def is_near(self) -> bool:
        """Whether the host did answer at once."""
        return self.near and self.heard

    @property
    def width(self) -> int:
        """How many ranges may be under way now."""
        return min(self.window, _NEAR) if self.near else self.window

    def look(self, now: float) -> float:
        """Take a host for far that has not answered yet; return how long it may still take."""
        if not self.near or self.heard or self.asked is None:
            return math.inf
        left = self.asked + _AT_ONCE - now
        self.near = left > 0
        return max(0.0, left)

    def grow(self, rate: float) -> None:
        """Allow more ranges at once while that makes it faster."""
        if self.near:
            # a slow one is better asked for many ranges
            self.near = not self.heard or not self.active or rate > _FAST * max(1, self.streams)
            return
        if self._steady or not rate or self.streams < self.window:
            return
        if rate > 1.1 * self._best:
            self._best = rate
            self.window = min(self._most, 2 * self.window)
        else:
            self._steady = True
