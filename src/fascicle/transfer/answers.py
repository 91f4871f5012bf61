"""What an answer that is no success means, and whether to ask again."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from fascicle.errors import AccessDenied, RemoteNotFound, ServerError, TransferError
from fascicle.transfer.client import Answer, Head

#: Statuses that may better: too many requests, a server that is busy or restarts.
_AGAIN = {408, 420, 425, 429, 500, 502, 503, 504, 507, 509, 520, 521, 522, 523, 524, 529, 530}


_REGION = re.compile(r"[a-z0-9-]{1,40}")


class Verdict(NamedTuple):
    """What to do about an answer.

    Attributes
    ----------
    error : TransferError
        What to say if nothing more is to be done.
    again : bool
        Whether asking again may help.
    wait : float
        Seconds that the server asks us to wait.
    unreachable : bool
        Whether the server was not reached at all.
    """

    error: TransferError
    again: bool
    wait: float = 0.0
    unreachable: bool = False


def retry_after(head: Head) -> float:
    """Return the seconds that a server asks us to wait, 0 where it does not."""
    text = head.get("retry-after")
    if not text:
        return 0.0
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError):
        return 0.0


def other_region(head: Head | None) -> str:
    """Return the region that an answer says a bucket is in instead, or an empty string."""
    if head is None or head.status not in (301, 400):
        return ""
    region = head.get("x-amz-bucket-region")
    return region if _REGION.fullmatch(region) else ""  # it becomes part of a host's name


def judge(url: str, answer: Answer) -> Verdict:
    """Say what an answer means that is not a whole body with status 200 or 206."""
    shown = url.partition("?")[0]
    head = answer.head
    if answer.trouble in ("refused", "tls", "never"):
        error: TransferError = ServerError(f"{shown}: {answer.reason}", hint=_hint(answer.trouble))
        verdict = Verdict(error, answer.trouble == "refused", unreachable=answer.trouble != "never")
    elif head is None or head.status in (0, 200, 206):
        reason = answer.reason or "the connection ended before an answer came"
        verdict = Verdict(ServerError(f"{shown}: {reason}", hint=_hint("cut")), True)
    elif head.status in (404, 410):
        error = RemoteNotFound(
            f"{shown}: no such file there (status {head.status})",
            hint="the record may be out of date: look the file up again",
        )
        verdict = Verdict(error, False)
    elif head.status in (401, 403):
        error = AccessDenied(
            f"{shown}: the server does not give it to us (status {head.status})",
            hint="a login or credentials for this place may be missing",
        )
        verdict = Verdict(error, False)
    else:
        text = f"{shown}: the server answers with status {head.status}{_detail(answer.body)}"
        again = head.status in _AGAIN
        kind = ServerError if again or head.status >= 500 else TransferError
        verdict = Verdict(kind(text, hint=_hint("cut") if again else ""), again, retry_after(head))
    verdict.error.url = url
    return verdict


def _hint(trouble: str) -> str:
    if trouble == "tls":
        return "is the certificate of a private authority? SSL_CERT_FILE=/path/to/ca.pem names it"
    if trouble == "never":
        return ""
    return "run it again later: what is here stays, and what was begun is continued"


def _detail(body: bytes) -> str:
    """Return the code that S3 puts into an error's body."""
    _, found, rest = body[:4096].partition(b"<Code>")
    code = rest.partition(b"</Code>")[0].decode("ascii", "replace") if found else ""
    return f" ({code})" if code else ""
