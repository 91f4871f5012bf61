"""How much at once, how fast, and how long to try."""

from __future__ import annotations

import time
from dataclasses import dataclass

from fascicle import settings
from fascicle.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a transfer.

    Attributes
    ----------
    parallel : int
        Requests under way at once.
    per_host : int
        Of these, to one host: begins with 32, and grows to this while answers are waited for.
    streams : int
        Ranges of large files under way to one host: begins with half, and grows to this
        while throughput rises.
    bandwidth : int or None
        Bytes per second, over all connections; None for no bound.
    retries : int
        Attempts in a row without a byte of progress before a file is given up.
    backoff : float
        Seconds before the first retry; doubles with each, with jitter.
    max_wait : float
        Longest pause in seconds, also where a server asks for a longer one.
    connect_timeout, stall_timeout : float
        Seconds until a connection that is not made, or that brings nothing, is given up.
    spare_disk : int
        Bytes that stay free on the disk.
    journal : float
        Seconds between notes of what a large file has on disk already.
    """

    parallel: int = 128
    per_host: int = 128
    streams: int = 32
    bandwidth: int | None = None
    retries: int = 6
    backoff: float = 0.5
    max_wait: float = 120.0
    connect_timeout: float = 20.0
    stall_timeout: float = 30.0
    spare_disk: int = 64 << 20
    journal: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what nothing could ever be fetched within.

        Raises
        ------
        ConfigurationError
            If a number is too small.
        """
        for name in ("parallel", "per_host", "streams"):
            if (n := getattr(self, name)) < 1:
                raise ConfigurationError(
                    f"{name} is {n}: nothing could be fetched", hint="1 or more"
                )
        if self.bandwidth is not None and self.bandwidth < 1:
            raise ConfigurationError(
                f"bandwidth is {self.bandwidth}: nothing could be fetched",
                hint="bytes per second, or None for no bound",
            )

    @classmethod
    def from_environment(cls) -> Limits:
        """Return the bounds that ``FASCICLE_PARALLEL`` and ``FASCICLE_BANDWIDTH`` set.

        Raises
        ------
        ConfigurationError
            If one of them is no number.
        """
        parallel = settings.parallel()
        bounds = {} if parallel is None else {"parallel": parallel, "per_host": parallel}
        return cls(bandwidth=settings.bandwidth(), **bounds)


class Throttle:
    """Keeps the mean rate under a bound: says how long to wait after so many bytes."""

    def __init__(self, rate: int | None) -> None:
        self._rate = rate
        self._ready = time.monotonic()

    def take(self, n_bytes: int) -> float:
        """Count bytes that arrived; return the seconds until more may be read."""
        if not self._rate:
            return 0.0
        now = time.monotonic()
        self._ready = max(self._ready, now - 0.1) + n_bytes / self._rate
        return max(0.0, self._ready - now)
