"""Addresses of objects in buckets, taken apart and put together: pure text.

An object can be written as ``s3://bucket/key``, with the bucket in the host name
(``https://bucket.s3.us-west-2.amazonaws.com/key``), or with the bucket first in the path
(``https://s3.us-west-2.amazonaws.com/bucket/key``); each with ``?versionId=`` or without.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, quote, unquote, urlsplit

_AWS = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3(?:[.-](?P<dual>dualstack))?(?:[.-](?P<region>[a-z0-9-]+))?"
    r"\.amazonaws\.com(?:\.cn)?"
)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
# Left as they are in a path; everything else is written in per cent.
_PLAIN = "/-_.~!*'()$&+,;=:@"


@dataclass(frozen=True, slots=True)
class Location:
    """Where an object lies.

    Attributes
    ----------
    bucket : str
        Name of the bucket; empty where the address is that of a plain web server.
    key : str
        The object's name in the bucket, or the path on the web server; no leading slash.
    version_id : str
        Which version of it, or an empty string for the newest.
    region : str
        The bucket's region where the address says it.
    origin : str
        ``https://host`` of a plain web server, else an empty string.
    """

    bucket: str
    key: str
    version_id: str = ""
    region: str = ""
    origin: str = ""

    def at_version(self, version_id: str) -> Location:
        """Return the address of another version of the same object."""
        return replace(self, version_id=version_id)

    def url(self, endpoint: str | None = None) -> str:
        """Return a URL that a web client can fetch.

        Parameters
        ----------
        endpoint : str, optional
            Another server than Amazon's, such as ``http://127.0.0.1:9000``; the bucket then comes
            first in the path. Plain web servers are not redirected.
        """
        path = quote(self.key, safe=_PLAIN)
        if not self.bucket:
            url = f"{self.origin}/{path}"
        elif endpoint:
            url = f"{endpoint.rstrip('/')}/{self.bucket}/{path}"
        else:
            region = f".{self.region}" if self.region else ""
            # A dot in the name of a bucket would not match the certificate's wildcard.
            if "." in self.bucket:
                url = f"https://s3{region}.amazonaws.com/{self.bucket}/{path}"
            else:
                url = f"https://{self.bucket}.s3{region}.amazonaws.com/{path}"
        return f"{url}?versionId={quote(self.version_id, safe='')}" if self.version_id else url


def parse_url(url: str) -> Location:
    """Take the address of an object apart.

    Parameters
    ----------
    url : str
        ``s3:``, ``https:`` or ``http:``.

    Returns
    -------
    Location
        With an empty bucket where the host is none of Amazon's: the address of a web server.

    Raises
    ------
    ValueError
        If it is no such address, or carries a user's name or password.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port
    except ValueError as error:
        raise ValueError(f"{url!r} is no address: {error}") from error
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"{url!r} carries a login")
    version_id = (parse_qs(parts.query).get("versionId") or [""])[0]
    path = unquote(parts.path).removeprefix("/")
    if parts.scheme == "s3":
        return _in_bucket(url, parts.netloc, path, version_id, "")
    if parts.scheme not in ("https", "http") or not host:
        raise ValueError(f"{url!r} is neither an s3: nor a web address")
    match = _AWS.fullmatch(host) if port in (None, 443, 80) else None
    if match is None:
        if not path:
            raise ValueError(f"{url!r} names no object")
        return Location("", path, version_id, "", f"{parts.scheme}://{parts.netloc}")
    bucket, region = match["bucket"], match["region"] or ""
    if bucket is None:
        bucket, _, path = path.partition("/")
    return _in_bucket(url, bucket, path, version_id, region)


def _in_bucket(url: str, bucket: str, key: str, version_id: str, region: str) -> Location:
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(f"{url!r} names no bucket")
    if not key:
        raise ValueError(f"{url!r} names no object in the bucket")
    return Location(bucket, key, version_id, region)


def endpoint_from_environment() -> str | None:
    """Return ``AWS_ENDPOINT_URL_S3``, else ``AWS_ENDPOINT_URL``, else None."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None
