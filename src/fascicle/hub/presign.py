"""Addresses of objects on S3 that are good for a while, for whoever has them."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

from fascicle.transfer.s3 import Access, address
from fascicle.transfer.source import Source

_SECONDS = 3600


def presigned(
    url: str,
    *,
    access: Access | None = None,
    seconds: int = _SECONDS,
    now: datetime | None = None,
) -> str:
    """Return the address at which an object can be fetched without credentials.

    Parameters
    ----------
    url : str
        ``s3://bucket/key``, or any other address, which is returned as it is.
    access : Access, optional
        How to reach S3; default: what the environment says. Without credentials the address is
        the object's own, as for a bucket that anybody may read.
    seconds : int
        How long it is good.
    now : datetime, optional
        From when.
    """
    access = access or Access.from_environment()
    found = address(Source(url), access)
    if not found.is_s3 or not (access.key and access.secret):
        return found.url
    parts = urlsplit(found.url)
    moment = now or datetime.now(UTC)
    stamp, day = f"{moment:%Y%m%dT%H%M%SZ}", f"{moment:%Y%m%d}"
    region = access.region or "us-east-1"
    scope = f"{day}/{region}/s3/aws4_request"
    query = {
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{access.key}/{scope}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(seconds),
        "X-Amz-SignedHeaders": "host",
    }
    if access.token:
        query["X-Amz-Security-Token"] = access.token
    asked = "&".join(
        f"{quote(key, safe='~')}={quote(value, safe='~')}" for key, value in sorted(query.items())
    )
    canonical = f"GET\n{parts.path}\n{asked}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{digest}"
    key = f"AWS4{access.secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    return f"{parts.scheme}://{parts.netloc}{parts.path}?{asked}&X-Amz-Signature={signature}"
