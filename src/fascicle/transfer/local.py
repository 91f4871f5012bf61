"""Files that need no network: from another folder, or the same content under another name."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fascicle.errors import FascicleError, HashMismatch, RemoteNotFound
from fascicle.transfer.client import Request
from fascicle.transfer.hashes import file_digest
from fascicle.transfer.jobs import Job, wrong_length
from fascicle.transfer.ledger import relative
from fascicle.transfer.links import share
from fascicle.transfer.s3 import NOWHERE, Address
from fascicle.transfer.zips import extract

if TYPE_CHECKING:
    from fascicle.transfer.lanes import Lane
    from fascicle.transfer.plan import Item
    from fascicle.transfer.services import Services


class LocalJob(Job):
    """A file in another folder of this machine: cloned where the disk can do that, else copied.

    A member of a ZIP file is taken out of it.
    """

    def __init__(
        self, item: Item, number: int, lane: Lane, services: Services, place: Address = NOWHERE
    ) -> None:
        super().__init__(item, number, lane, services, place)
        self.begun = False

    def want(self, now: float) -> Request | None:
        """Hand the work to the thread that commits: there is nothing to request."""
        if not self.begun and not self.over:
            self.begun = True
            self.commit(make=self.make, digest=self.item.source.hash)
        return None

    def make(self, part: Path) -> None:
        """Write the content, and verify it."""
        source = self.item.source
        if source.zip_member() is not None:
            extract(source, part)
            self.services.copied(part.stat().st_size)
            return
        place = source.local_path()
        if place is None or not place.is_file():
            raise RemoteNotFound(f"{source.url}: no such file", hint="is its disk mounted?")
        share(place, part, may_link=False)
        _own(part)
        if source.hash:
            digest = file_digest(part, source.algorithm)
            if digest != source.hash:
                raise HashMismatch(
                    f"{source.url}: its {source.algorithm} is {digest}, on record is {source.hash}",
                    hint="the file was changed after its record was made",
                )
        elif source.size is not None and part.stat().st_size != source.size:
            raise wrong_length(source.url, part.stat().st_size, source.size)
        self.services.copied(part.stat().st_size)


class TwinJob(Job):
    """A file whose content the store has under another name."""

    def __init__(
        self, item: Item, number: int, lane: Lane, services: Services, place: Address = NOWHERE
    ) -> None:
        super().__init__(item, number, lane, services, place)
        self.begun = False
        self.status = "linked"

    def want(self, now: float) -> Request | None:
        """Hand the work to the thread that commits: there is nothing to request."""
        if not self.begun and not self.over:
            self.begun = True
            self.commit(make=self.make, digest=self.item.source.hash)
        return None

    def make(self, part: Path) -> None:
        """Share the content of the twin, if it still is what the ledger says."""
        twin = self.item.twin
        source = self.item.source
        if twin is None or not twin.is_file():
            raise RemoteNotFound(f"{twin} is gone", hint="make the plan again")
        row = self.services.ledger.find(relative(twin, self.services.store))
        intact = row is not None and row.fits(os.stat(twin)) and row.hash == source.hash
        if not intact and file_digest(twin, source.algorithm) != source.hash:
            raise HashMismatch(
                f"{twin} was changed since it was verified", hint="make the plan again"
            )
        share(twin, part)

    def fail(self, error: FascicleError) -> None:
        """Fetch the file after all, where its twin is not what it was."""
        twin_is_lost = isinstance(error, (HashMismatch, RemoteNotFound))
        local = self.item.source.is_local
        if self.over or not twin_is_lost or (self.services.offline and not local):
            super().fail(error)
            return
        self.over = True
        self.services.open.discard(self)
        self.services.begin(self.number, replace(self.item, twin=None, state="missing"))


def _own(part: Path) -> None:
    """Give a copy the time of its making, since that is what the ledger goes by."""
    now = time.time_ns()
    os.utime(part, ns=(now, now))
