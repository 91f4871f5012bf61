"""From the address of a source to what goes over the wire, S3 included."""

from __future__ import annotations

import configparser
import functools
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from fascicle.errors import ConfigurationError
from fascicle.transfer.client import Signing
from fascicle.transfer.source import Source


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach S3.

    Attributes
    ----------
    endpoint : str
        URL of a server other than Amazon's, such as ``http://localhost:5000``.
    region : str
    key, secret, token : str
        Credentials. Requests are anonymous first, and signed where that is refused.
    """

    endpoint: str = ""
    region: str = ""
    key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls, *, endpoint: str = "") -> Access:
        """Return what the usual variables and files say.

        ``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL``, ``AWS_REGION``, ``AWS_DEFAULT_REGION``,
        ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``, and the profile
        ``AWS_PROFILE`` of ``~/.aws/credentials``.

        Parameters
        ----------
        endpoint : str, optional
            Goes before the environment's.
        """
        env = os.environ.get
        key, secret, token = (
            env("AWS_ACCESS_KEY_ID", ""),
            env("AWS_SECRET_ACCESS_KEY", ""),
            env("AWS_SESSION_TOKEN", ""),
        )
        if not (key and secret):
            key, secret, token = _profile()
        return cls(
            endpoint or env("AWS_ENDPOINT_URL_S3", "") or env("AWS_ENDPOINT_URL", ""),
            env("AWS_REGION", "") or env("AWS_DEFAULT_REGION", ""),
            key,
            secret,
            token,
        )

    def signing(self, region: str = "") -> Signing | None:
        """Return what signs requests, None without credentials."""
        if not (self.key and self.secret):
            return None
        return Signing(region or self.region or "us-east-1", self.key, self.secret)


class Address(NamedTuple):
    """Where to send a request for a source.

    Attributes
    ----------
    url : str
    host : str
        Scheme, name and port: what limits per host go by.
    is_s3 : bool
        Whether the place takes signed requests.
    """

    url: str
    host: str
    is_s3: bool


# What needs no look at its parts and no quoting, as most addresses of a plan with very many.
_SIMPLE = re.compile(r"(https?://[A-Za-z0-9._:-]+)/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_SIMPLE_S3 = re.compile(r"s3://([a-z0-9.-]+)/([A-Za-z0-9._~/-]*)")

#: Of what needs no request.
NOWHERE = Address("", "", False)


def address(source: Source, access: Access) -> Address:
    """Return where the bytes of a source are asked for.

    Raises
    ------
    ConfigurationError
        If the URL is none that can be fetched.
    """
    simple = None if source.version else _SIMPLE.fullmatch(source.url)
    if simple is not None:
        return Address(source.url, simple[1], False)
    simple = _SIMPLE_S3.fullmatch(source.url)
    if simple is not None:
        return _object(simple[1], simple[2], source.version, access)
    parts = urlsplit(source.url)
    if parts.scheme in ("http", "https") and parts.netloc:
        url = source.url.partition("#")[0].replace(" ", "%20")
        if not url.isascii():
            url = quote(url, safe="!#$%&'()*+,/:;=?@[]~")
        if source.version:
            url += ("&" if parts.query else "?") + f"versionId={quote(source.version, safe='')}"
        return Address(url, f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", False)
    if parts.scheme in ("s3+http", "s3+https") and parts.netloc:
        access = replace(access, endpoint=f"{parts.scheme[3:]}://{parts.netloc}")
        rest = source.url[len(parts.scheme) + len("://") + len(parts.netloc) + 1 :]
        return address(replace(source, url=f"s3://{rest}"), access)
    if parts.scheme != "s3" or not parts.netloc:
        raise ConfigurationError(
            f"no way to fetch {source.url!r}",
            hint="an address begins with https://, http://, s3://bucket/ or file:///",
        )
    key = quote(source.url[len("s3://") + len(parts.netloc) + 1 :], safe="/~")
    return _object(parts.netloc, key, source.version, access)


def _object(bucket: str, key: str, version: str, access: Access) -> Address:
    base, host = _bucket(bucket, access.endpoint, access.region)
    query = f"?versionId={quote(version, safe='')}" if version else ""
    return Address(f"{base}/{key}{query}", host, True)


@functools.lru_cache
def _bucket(name: str, endpoint: str, region: str) -> tuple[str, str]:
    """Return the address of a bucket, and its host."""
    if endpoint:
        base = f"{endpoint.rstrip('/')}/{name}"
    else:
        home = f"s3.{region}.amazonaws.com" if region else "s3.amazonaws.com"
        # a wildcard certificate is good for one label only
        base = f"https://{home}/{name}" if "." in name else f"https://{name}.{home}"
    split = urlsplit(base)
    return base, f"{split.scheme}://{split.netloc}"


def _profile() -> tuple[str, str, str]:
    place = os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "") or Path.home() / ".aws/credentials"
    parser = configparser.RawConfigParser()
    try:
        parser.read(place, encoding="utf-8")
    except (OSError, configparser.Error, UnicodeDecodeError):
        return "", "", ""
    name = os.environ.get("AWS_PROFILE", "default")
    if not parser.has_section(name):
        return "", "", ""
    section = parser[name]
    return (
        section.get("aws_access_key_id", ""),
        section.get("aws_secret_access_key", ""),
        section.get("aws_session_token", ""),
    )
