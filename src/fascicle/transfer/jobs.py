"""One file on its way: what all kinds of it share, and the small ones, which fit into memory."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fascicle.errors import FascicleError, HashMismatch, ServerError, TruncatedError
from fascicle.transfer.answers import judge, other_region
from fascicle.transfer.client import Answer, Request
from fascicle.transfer.commit import Finished
from fascicle.transfer.decode import Decoder, decoder_for
from fascicle.transfer.hashes import maker
from fascicle.transfer.ledger import HIDDEN, State
from fascicle.transfer.s3 import NOWHERE, Address, address

if TYPE_CHECKING:
    from fascicle.transfer.lanes import Lane
    from fascicle.transfer.parts import Part
    from fascicle.transfer.plan import Item
    from fascicle.transfer.result import Status
    from fascicle.transfer.services import Services

_PLAIN = ("Accept-Encoding: identity",)

#: Files up to this size are kept in memory while they arrive.
SMALL = 256 << 10


@dataclass(slots=True, eq=False)
class Mismatches:
    """What complete fetches gave that is not what the record says."""

    digests: list[str] = field(default_factory=list)

    def verdict(self, digest: str) -> bool | None:
        """Take one more in; True: the record is wrong, False: it is hopeless, None: try again."""
        self.digests.append(digest)
        if len(self.digests) > 1 and self.digests[-1] == self.digests[-2]:
            return True
        return False if len(self.digests) > 2 else None


#: Attempts after which a server that names ever other regions is not followed.
_MOVES = 20


class Job:
    """One file of a plan while it is brought here.

    Attributes
    ----------
    item : Item
    number : int
        Its place in the plan.
    lane : Lane
        The host that it comes from.
    queued : bool
        Whether it is in one of the lane's queues.
    noting : bool
        Whether a note of its progress is being written.
    """

    # On the class, since most jobs never have others: there may be very many jobs.
    queued = False
    noting = False
    over = False
    status: Status = "fetched"
    kept: Path | None = None
    pending_error: FascicleError | None = None
    attempts = 0
    n_tries = 0
    not_before = 0.0
    mismatches: Mismatches | None = None
    lengths: tuple[int, ...] = ()

    def __init__(
        self, item: Item, number: int, lane: Lane, services: Services, place: Address = NOWHERE
    ) -> None:
        self.item = item
        self.number = number
        self.lane = lane
        self.services = services
        self.address = place
        self.extra = services.headers(item.source)
        self.lane_successes = lane.successes

    @property
    def n_flying(self) -> int:
        """Requests under way for one of many ranges."""
        return 0

    @property
    def wide(self) -> bool:
        """Whether several ranges of it are to be under way at once."""
        return False

    # -- what the engine calls ----------------------------------------------------------------

    def want(self, now: float) -> Request | None:
        """Return the next request, None while there is none."""
        raise TypeError

    def has_more(self) -> bool:
        """Return whether a further request could go out at once."""
        return False

    def on_answer(self, request: Request, answer: Answer) -> None:
        """Take the end of a request in."""
        raise TypeError

    def let_go(self) -> None:
        """Leave what is on disk for a later process."""

    # -- what the kinds of it share -----------------------------------------------------------

    def headers(self, *more: str) -> tuple[str, ...]:
        """Return the headers of a request."""
        token = self.services.access.token
        if token and self.lane.signed:
            more = (*more, f"x-amz-security-token: {token}")
        if not more and not self.extra:
            return _PLAIN
        return (*_PLAIN, *more, *self.extra)

    def go_on(self, delay: float = 0.0) -> None:
        """Have the engine ask for the next request after a while."""
        self.not_before = time.monotonic() + delay
        self.services.schedule(self, self.not_before)

    def try_again(self, request: Request, answer: Answer, *, progress: bool = False) -> None:
        """Retry after an answer that is no success, or give up."""
        if self._can_sign(request, answer) or self._can_move(request, answer):
            self.go_on()
            return
        verdict = judge(self.item.source.url, answer)
        if verdict.wait:
            wait = min(verdict.wait, self.services.limits.max_wait)
            self.lane.not_before = max(self.lane.not_before, time.monotonic() + wait)
        if answer.head is not None and answer.head.status in (429, 503):
            self.lane.narrow()
        if not verdict.again:
            self.fail(verdict.error)
            return
        self.repeat(verdict.error, progress=progress, unreachable=verdict.unreachable)

    def repeat(
        self, error: FascicleError, *, progress: bool = False, unreachable: bool = False
    ) -> None:
        """Retry with a pause that grows, until there were too many without progress."""
        limits = self.services.limits
        self.attempts = 0 if progress else self.attempts + 1
        self.n_tries += 1
        if self.attempts <= 1:
            self.lane_successes = self.lane.successes
        if self.attempts > limits.retries or self.n_tries > 20 * (limits.retries + 1):
            if unreachable and self.lane.successes == self.lane_successes:
                self.services.give_up(self.lane, error)
            self.fail(error)
            return
        delay = min(limits.backoff * 2 ** max(0, self.attempts - 1), limits.max_wait)
        delay *= random.uniform(0.5, 1.5)  # noqa: S311 - spreads load
        if unreachable and self.lane.successes == self.lane_successes:
            # no use in sending the others against the same wall
            self.lane.not_before = max(self.lane.not_before, time.monotonic() + delay)
        self.go_on(delay)

    def refuse_length(self, found: int, recorded: int) -> None:
        """Retry a complete answer of the wrong length, once: a second one means that it is so."""
        error = wrong_length(self.item.source.url, found, recorded)
        if found in self.lengths:
            self.fail(error)
        else:
            self.lengths = (*self.lengths, found)
            self.repeat(error)

    def fail(self, error: FascicleError) -> None:
        """End with an error."""
        if not self.over:
            self.over = True
            self.let_go()
            self.services.settle(self, "failed", error)

    def commit(
        self,
        *,
        data: bytes = b"",
        part: Part | None = None,
        make: Callable[[Path], None] | None = None,
        digest: str = "",
        state: State | None = None,
        target: Path | None = None,
        record: bool = True,
    ) -> None:
        """Hand the whole, verified content over."""
        source = self.item.source
        known: State = state or ("verified" if source.hash else "unverified")
        goal = target or self.item.target
        self.services.commit(Finished(self, source, goal, data, part, make, digest, known, record))

    def mismatch(
        self,
        digest: str,
        discard: Callable[[], None],
        *,
        data: bytes = b"",
        part: Part | None = None,
    ) -> bool:
        """Deal with a complete file that is not what the record says.

        Returns
        -------
        bool
            Whether to fetch it once more.
        """
        source = self.item.source
        self.mismatches = self.mismatches or Mismatches()
        verdict = self.mismatches.verdict(digest)
        if verdict is None:
            discard()
            return True
        if verdict is False:
            discard()
            error = HashMismatch(
                f"{source.url}: three fetches gave three contents, none of them the one on record",
                hint="the connection or the server harms data: try another network",
            )
            self.fail(error)
            return False
        error = HashMismatch(
            f"{source.url}: its {source.algorithm} is {digest}, on record is {source.hash}; "
            "a second fetch gave the same",
            hint="the record may be stale: refresh the index, or accept what the server has",
        )
        if self.services.on_mismatch == "accept":
            self.status = "accepted"
            self.commit(digest=digest, state="accepted-mismatch", data=data, part=part)
        elif self.services.on_mismatch == "keep":
            store = self.services.store
            kept = store / HIDDEN / "mismatch" / self.item.target.relative_to(store)
            with contextlib.suppress(OSError):  # the rename will say what is wrong
                kept.parent.mkdir(parents=True, exist_ok=True)
            self.status, self.kept, self.pending_error = "failed", kept, error
            self.commit(target=kept, record=False, data=data, part=part)
        else:
            discard()
            self.fail(error)
        return False

    def _can_sign(self, request: Request, answer: Answer) -> bool:
        """Sign from now on, where an unsigned request was refused and there are credentials."""
        refused = answer.head is not None and answer.head.status in (401, 403)
        if not (refused and self.address.is_s3) or request.signing is not None:
            return False
        self.lane.signed = self.services.access.signing() is not None
        return self.lane.signed

    def _can_move(self, request: Request, answer: Answer) -> bool:
        """Ask a bucket in the region that it is in, where the answer names another."""
        region = other_region(answer.head) if self.address.is_s3 else ""
        if not region:
            return False
        self.n_tries += 1
        if self.n_tries > _MOVES:
            return False
        moved = address(self.item.source, replace(self.services.access, region=region))
        signed_for = request.signing.region if request.signing else region
        if moved == self.address and signed_for == region:
            return False
        self.address = moved
        self.lane.region = region
        return True


class SmallJob(Job):
    """A file that is known to be small: one request, kept in memory until it is verified."""

    def want(self, now: float) -> Request | None:
        """Return the one request."""
        if self.over or now < self.not_before:
            return None
        size = self.item.source.size or 0
        return Request(
            self.address.url,
            self.headers(),
            at_most=max(1 << 16, 2 * size),
            signing=self.lane.signing(self.services.access),
        )

    def on_answer(self, request: Request, answer: Answer) -> None:
        """Verify what arrived."""
        source = self.item.source
        head = answer.head
        if answer.trouble == "large" and head is not None and head.status == 200:
            self.over = True
            self.services.enlarge(self)
            return
        if answer.trouble or head is None or head.status != 200:
            self.try_again(request, answer)
            return
        data = answer.body
        encoding = head.get("content-encoding")
        if encoding:
            try:
                decoder = decoder_for(encoding, source, is_s3=self.address.is_s3)
                data = _decoded(data, decoder) if decoder else data
            except FascicleError as error:
                self.fail(error)
                return
            except ValueError as error:
                self.repeat(ServerError(f"{source.url}: a harmed {encoding} body: {error}"))
                return
        self.lane.successes += 1
        if not source.hash:
            if source.size is not None and len(data) != source.size:
                self.refuse_length(len(data), source.size)
                return
            self.commit(data=data)
            return
        running = maker(source.algorithm)()
        running.update(data)
        digest = running.hexdigest()
        if digest == source.hash:
            self.commit(data=data, digest=digest)
        elif self.mismatch(digest, lambda: None, data=data):
            self.go_on()


def _decoded(data: bytes, decoder: Decoder) -> bytes:
    plain = decoder.feed(data)
    decoder.finish()
    return plain


def wrong_length(url: str, found: int, recorded: int) -> TruncatedError:
    """Return the error for a file of another length than the one on record."""
    error = TruncatedError(
        f"{url}: {found} bytes arrived, {recorded} are on record",
        hint="the record may be stale: refresh the index",
    )
    error.url = url
    return error
