"""Which bytes of a file are here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple


class Span(NamedTuple):
    """Bytes from ``start`` up to, not including, ``end``."""

    start: int
    end: int


class Spans:
    """A set of bytes, kept as disjoint spans in order."""

    def __init__(self, spans: Iterable[tuple[int, int]] = ()) -> None:
        self._spans: list[Span] = []
        for start, end in spans:
            self.add(start, end)

    def __iter__(self) -> Iterator[Span]:
        return iter(self._spans)

    def __len__(self) -> int:
        """Return the number of bytes."""
        return sum(end - start for start, end in self._spans)

    @property
    def front(self) -> int:
        """The first byte that is missing."""
        return self._spans[0].end if self._spans and self._spans[0].start == 0 else 0

    def add(self, start: int, end: int) -> None:
        """Put bytes in."""
        if end <= start:
            return
        apart = [s for s in self._spans if s.end < start or s.start > end]
        touching = [s for s in self._spans if not (s.end < start or s.start > end)]
        start = min([start, *(s.start for s in touching)])
        end = max([end, *(s.end for s in touching)])
        self._spans = sorted([*apart, Span(start, end)])

    def gaps(self, total: int, *, at_most: int) -> Iterator[Span]:
        """Yield what is missing of ``total`` bytes, cut where a multiple of ``at_most`` lies."""
        position = 0
        for start, end in [*self._spans, Span(total, total)]:
            while position < min(start, total):
                stop = min(start, total, (position // at_most + 1) * at_most)
                yield Span(position, stop)
                position = stop
            position = max(position, end)
