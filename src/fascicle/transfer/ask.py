"""Small answers, kept in memory: listings, manifests, what a server says of itself."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from fascicle import settings
from fascicle.errors import FascicleError, OfflineError, ServerError, TransferError
from fascicle.transfer.answers import judge
from fascicle.transfer.client import Answer, Head, Request, make_transport
from fascicle.transfer.limits import Limits
from fascicle.transfer.s3 import Access, address
from fascicle.transfer.source import Source

#: For whoever waits at a terminal: without a network, that is soon said.
PATIENCE = Limits(
    parallel=4,
    per_host=4,
    streams=1,
    retries=4,
    backoff=0.3,
    max_wait=20.0,
    connect_timeout=20.0,
    stall_timeout=20.0,
)
#: Makes, for each attempt anew, what is given the content part by part, and raises a FascicleError
#: if it wants no more of it.
Check: TypeAlias = Callable[[], Callable[[bytes], object]]
#: For what is good to know, and not worth a wait.
SOON = Limits(parallel=1, per_host=1, retries=1, max_wait=2.0, connect_timeout=4, stall_timeout=8)
_UNREACHABLE = 2
_PAGE = 64 << 10  # of what a server says about an error
_FIRST = ("Range: bytes=0-0",)
_TOTAL = re.compile(r"bytes (?:0-0|\*)/(\d+)")
_REGION = re.compile(r"[a-z0-9-]{1,40}")


class TooLarge(ServerError):
    """An answer has more bytes than what was asked for can have."""


class Asker:
    """Asks one server after another for something small, again where that may help.

    Parameters
    ----------
    access : Access
        Requests to S3 are anonymous first, and signed where that is refused.
    limits : Limits, optional

    Attributes
    ----------
    signed : bool
        Whether requests to S3 are signed by now.
    """

    def __init__(self, access: Access, *, limits: Limits = PATIENCE) -> None:
        self.access = access
        self.limits = limits
        self.signed = False
        self._transport = make_transport(limits)

    def __enter__(self) -> Asker:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def get(
        self,
        url: str,
        *,
        at_most: int,
        is_s3: bool,
        region: str = "",
        headers: Sequence[str] = (),
        check: Check | None = None,
    ) -> tuple[Head, bytes]:
        """Return head and body of an answer, whatever its status, if one came at all.

        Parameters
        ----------
        url : str
        at_most : int
            Bytes of the body.
        is_s3 : bool
            Whether the server takes signed requests.
        region : str
            That requests are signed for.
        headers : sequence of str
            As they go over the wire.
        check : callable, optional
            Makes what is given the body part by part, and raises a FascicleError if it wants no
            more of it.

        Raises
        ------
        OfflineError
            If nothing may be fetched.
        ServerError
            If no answer comes.
        TooLarge
            If it has too many bytes.
        """
        shown = url.partition("?")[0]
        if settings.offline():
            raise OfflineError(
                f"{shown} cannot be asked: FASCICLE_OFFLINE is set",
                hint="unset FASCICLE_OFFLINE to go online",
            )
        attempts = 0
        while True:
            answer = self._once(url, at_most, is_s3, region, headers, check)
            head = answer.head
            if answer.trouble == "stopped" and head is not None and head.status != 200:
                answer.trouble = ""  # enough of an error's page was read
            if answer.trouble == "stopped":
                bound = f"{at_most >> 20} MiB" if at_most >> 20 else f"{at_most} bytes"
                raise TooLarge(f"{shown} answers with more than {bound}: not what was asked for")
            if head is not None and head.status and not answer.trouble:
                if head.status in (401, 403) and is_s3 and not self.signed:
                    self.signed = self.access.signing() is not None
                    if self.signed:
                        continue
                if head.status < 300:
                    return head, answer.body
            verdict = judge(url, answer)
            attempts += 1
            most = _UNREACHABLE if verdict.unreachable else self.limits.retries
            if not verdict.again or attempts > most:
                if head is not None and head.status and not answer.trouble:
                    return head, answer.body
                raise _no_answer(shown, verdict.error)
            pause = self.limits.backoff * 2 ** (attempts - 1) * random.uniform(0.5, 1.5)  # noqa: S311
            time.sleep(min(max(verdict.wait, pause), self.limits.max_wait))

    def content(self, source: Source, *, at_most: int, check: Check | None = None) -> bytes:
        """Return the content of a small file; ``check`` is as for `get`.

        Raises
        ------
        TransferError
            If it cannot be had.
        """
        access = self.access
        while True:
            place = address(source, access)
            head, body = self.get(
                place.url, at_most=at_most, is_s3=place.is_s3, region=access.region, check=check
            )
            if head.status == 200:
                return body
            region = self.other_region(head, access.region) if place.is_s3 else ""
            if not region or access is not self.access:
                raise judge(source.url, Answer(head, body)).error
            access = replace(access, region=region)

    def length(self, source: Source) -> int | None:
        """Return what a server says of a file's length; None where it does not soon say it.

        One byte is asked for, since not every server answers to HEAD as it does to GET.
        """
        if settings.offline():
            return None
        try:
            place = address(source, self.access)
        except FascicleError:
            return None
        answer = self._once(place.url, 1, place.is_s3, self.access.region, _FIRST, None)
        refused = answer.head is not None and answer.head.status in (401, 403)
        if refused and place.is_s3 and not self.signed and self.access.signing() is not None:
            self.signed = True
            answer = self._once(place.url, 1, True, self.access.region, _FIRST, None)
        head = answer.head
        if head is None:
            return None
        if head.status == 200 and head.get("content-encoding") in ("", "identity"):
            return head.length()
        match = _TOTAL.fullmatch(head.get("content-range").strip())
        return int(match[1]) if match and head.status in (206, 416) else None

    def other_region(self, head: Head, asked: str) -> str:
        """Return the region that a refusal names, an empty string if it is no other than asked."""
        region = head.get("x-amz-bucket-region")
        # It is told by a redirect, or by refusing a signature made for another.
        wrong = head.status in (301, 307, 400) or (head.status == 403 and self.signed)
        same = region == (asked or (self.access.region if self.signed else ""))
        return region if wrong and not same and _REGION.fullmatch(region) else ""

    def _once(
        self,
        url: str,
        at_most: int,
        is_s3: bool,
        region: str,
        headers: Sequence[str],
        check: Check | None,
    ) -> Answer:
        signing = self.access.signing(region) if self.signed and is_s3 else None
        sent = ["Accept-Encoding: identity", *headers]
        if signing is not None and self.access.token:
            sent.append(f"x-amz-security-token: {self.access.token}")
        reader = _Bounded(at_most, check)
        self._transport.submit(Request(url, sent, reader=reader, signing=signing))
        while True:
            for _, answer in self._transport.step(1.0):
                if reader.error is not None:
                    raise reader.error
                answer.body = bytes(reader.data)
                return answer


class _Bounded:
    """Takes a body in, up to so many bytes, as long as a check lets it."""

    def __init__(self, at_most: int, check: Check | None = None) -> None:
        self.data = bytearray()
        self.error: FascicleError | None = None
        self._at_most = at_most
        self._check = check() if check is not None else None
        self._checked = False

    def on_head(self, head: Head) -> bool:
        """Look at the head; return whether the body is wanted."""
        if head.status != 200:
            self._at_most = _PAGE
            return True
        self._checked = self._check is not None
        return (head.length() or 0) <= self._at_most

    def on_data(self, data: bytes) -> bool:
        """Take bytes; return whether more are wanted."""
        if self._checked and self._check is not None:
            try:
                self._check(data)
            except FascicleError as error:
                self.error = error
                return False
        self.data += data
        return len(self.data) <= self._at_most


def _no_answer(shown: str, error: TransferError) -> TransferError:
    if not isinstance(error, ServerError):
        return error
    reason = error.message.removeprefix(f"{shown}: ")
    return ServerError(
        f"no answer from {shown}: {reason}", hint="FASCICLE_OFFLINE=1 works with what is here"
    )
