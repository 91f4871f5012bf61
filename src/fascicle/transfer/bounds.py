"""How long a file may become: what a server sends has no end of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from fascicle.errors import FascicleError, NotEnoughDisk
from fascicle.transfer.jobs import wrong_length
from fascicle.transfer.source import Source
from fascicle.transfer.text import size_text

#: Where a checksum is the truth, a size on record may be wrong: by a factor, and by so many bytes.
_FACTOR = 4
_MORE = 1 << 30
#: How often the disk is asked for its room while a body comes that does not say its length.
_STEP = 64 << 20


def most(source: Source) -> int | None:
    """Return how many bytes a source may have at most, None where nothing is on record."""
    if source.size is None:
        return None
    return max(_FACTOR * source.size, source.size + _MORE) if source.hash else source.size


class Room:
    """Refuses what is longer than it can be, or than the disk has room for.

    Parameters
    ----------
    source : Source
    target : pathlib.Path
        Where it is to go.
    spare : int
        Bytes that are to stay free.
    """

    def __init__(self, source: Source, target: Path, spare: int) -> None:
        self._source = source
        self._target = target
        self._spare = spare
        self._most = most(source)
        self._asked_at = 0

    def refuses_length(self, total: int, done: int) -> FascicleError | None:
        """Return why a file of ``total`` bytes is not to come, of which some are here."""
        if self._most is not None and total > self._most:
            return wrong_length(self._source.url, total, self._source.size or 0)
        return self._full(total - done)

    def refuses_more(self, position: int, *, known: bool) -> FascicleError | None:
        """Return why no more than ``position`` bytes are to come.

        ``known`` says whether the file's length is, so that it was looked at before.
        """
        if self._most is not None and position > self._most:
            return wrong_length(self._source.url, position, self._source.size or 0)
        if known or position < self._asked_at + _STEP:
            return None
        self._asked_at = position
        return self._full(_STEP)

    def _full(self, n_bytes: int) -> FascicleError | None:
        free = shutil.disk_usage(self._target.parent).free
        if n_bytes <= max(0, free - self._spare):
            return None
        return NotEnoughDisk(
            f"no room for {self._target}: {size_text(n_bytes)} more are to come, and "
            f"{size_text(free)} are free ({size_text(self._spare)} of it are to stay so)",
            hint="make room, or choose another folder",
        )
