"""The seam to the library that speaks HTTP: what the engine asks of it, and what it answers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from fascicle.errors import ConfigurationError, MissingExtraError
from fascicle.transfer.limits import Limits

#: Why there is no whole answer: ``refused`` and ``tls`` before a request was sent, ``cut`` and
#: ``stalled`` after, ``large`` where a body is over its bound, ``stopped`` by whoever reads the
#: body, ``never`` for what no second attempt will better.
Trouble: TypeAlias = Literal["", "refused", "tls", "cut", "stalled", "large", "stopped", "never"]


@dataclass(frozen=True, slots=True)
class Signing:
    """What it takes to sign a request for S3."""

    region: str
    key: str = field(repr=False)
    secret: str = field(repr=False)


class Head:
    """Status and headers of an answer; names of headers are in small letters.

    Parameters
    ----------
    status : int
    headers : mapping, optional
    lines : sequence of bytes, optional
        The headers as they came over the wire, instead: they are parsed when one is asked for,
        since most answers are about a small file, of whose headers none is needed.
    """

    __slots__ = ("_headers", "_lines", "status")

    def __init__(
        self,
        status: int,
        headers: dict[str, str] | None = None,
        *,
        lines: Sequence[bytes] = (),
    ) -> None:
        self.status = status
        self._headers = {} if headers is None and not lines else headers
        self._lines = b"".join(lines)

    @property
    def headers(self) -> dict[str, str]:
        """The headers by name."""
        if self._headers is None:
            self._headers = parse_head(self._lines.splitlines()).headers
        return self._headers

    def get(self, name: str) -> str:
        """Return a header, or an empty string."""
        if self._headers is None and name.encode() not in self._lines.lower():
            return ""
        return self.headers.get(name, "")

    def length(self) -> int | None:
        """Return the length that the server says the body has."""
        text = self.get("content-length")
        return int(text) if text.isdecimal() else None


class Reader(Protocol):
    """What takes a body in, piece by piece."""

    def on_head(self, head: Head) -> bool:
        """Look at the head; return whether the body is wanted."""
        ...

    def on_data(self, data: bytes) -> bool:
        """Take bytes; return whether more are wanted."""
        ...


@dataclass(slots=True, eq=False)
class Request:
    """One GET.

    Attributes
    ----------
    url : str
    headers : sequence of str
        As they go over the wire: ``Name: value``.
    reader : Reader or None
        What takes the body; without one it is kept in memory, up to ``at_most`` bytes.
    at_most : int
    own_connection : bool
        Whether the request is for a large body, which goes faster on a connection of its own than
        multiplexed with others.
    signing : Signing or None
    """

    url: str
    headers: Sequence[str] = ()
    reader: Reader | None = None
    at_most: int = 1 << 20
    own_connection: bool = False
    signing: Signing | None = None


@dataclass(slots=True)
class Answer:
    """What became of a request.

    Attributes
    ----------
    head : Head or None
        None where no answer began.
    body : bytes
        Where there was no reader.
    trouble, reason : str
        Why the answer is not whole, as a kind and in words; empty if it is.
    """

    head: Head | None = None
    body: bytes = b""
    trouble: Trouble = ""
    reason: str = ""


class Transport(Protocol):
    """Does many requests at once, in the thread that calls it."""

    n_running: int
    n_bytes: int

    def submit(self, request: Request) -> None:
        """Begin a request."""
        ...

    def step(self, timeout: float) -> list[tuple[Request, Answer]]:
        """Move bytes for up to ``timeout`` seconds; return what has finished."""
        ...

    def is_fit(self) -> bool:
        """Return whether its connections are worth keeping for the next who needs some."""
        ...

    def close(self) -> None:
        """Drop everything that is under way, and all connections."""
        ...


def parse_head(lines: Sequence[bytes]) -> Head:
    """Return the last head of a chain of answers, each as lines from the wire."""
    status = 0
    headers: dict[str, str] = {}
    for line in lines:
        if line.startswith(b"HTTP/"):
            fields = line.split(None, 2)
            status = int(fields[1]) if len(fields) > 1 and fields[1].isdigit() else 0
            headers = {}
        else:
            name, colon, value = line.partition(b":")
            if colon:
                headers[name.strip().lower().decode("latin-1")] = value.strip().decode("latin-1")
    return Head(status, headers)


def make_transport(limits: Limits) -> Transport:
    """Return what does requests: libcurl, or urllib3 where it is missing or asked for.

    Raises
    ------
    ConfigurationError
        If ``FASCICLE_TRANSPORT`` names something else.
    MissingExtraError
        If neither is installed.
    """
    wanted = os.environ.get("FASCICLE_TRANSPORT", "")
    if wanted not in ("", "curl", "urllib3"):
        raise ConfigurationError(
            f"FASCICLE_TRANSPORT is {wanted!r}", hint="it may be 'curl' or 'urllib3'"
        )
    if wanted != "urllib3":
        try:
            from fascicle.transfer.curl import CurlTransport
        except ImportError as error:
            if wanted:
                raise MissingExtraError(
                    f"libcurl cannot be used: {error}", hint="pip install pycurl"
                ) from error
        else:
            return CurlTransport(limits)
    from fascicle.transfer.threads import ThreadTransport

    return ThreadTransport(limits)


def ca_files() -> tuple[str, str]:
    """Return the file and the folder of certificates that this machine trusts, '' where unset."""
    import ssl

    for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        given = os.environ.get(name, "")
        if given and os.path.isfile(given):
            return given, ""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or paths.capath:
        return paths.cafile or "", paths.capath or ""
    try:
        import certifi
    except ImportError:
        return "", ""
    return certifi.where(), ""
