"""What lies in a bucket, asked of any server that speaks S3's ListObjectsV2 over the web."""

from __future__ import annotations

import builtins
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlencode
from xml.parsers import expat

from fascicle import settings
from fascicle.errors import AccessDenied, OfflineError, RemoteNotFound, ServerError
from fascicle.formats.locations import Location
from fascicle.transfer.s3 import Access

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fascicle.transfer.ask import Asker
    from fascicle.transfer.client import Head

#: Bounds on what a server may answer: bytes of one page, and pages.
MAX_PAGE = 16 * 2**20
MAX_PAGES = 1000
_VERSIONED = re.compile(rb"<Status>\s*Enabled\s*</Status>")


class Listed(NamedTuple):
    """An object of a bucket.

    Attributes
    ----------
    key : str
        Its name.
    size : int
        Its length in bytes.
    """

    key: str
    size: int


class Described(NamedTuple):
    """What a bucket says of itself.

    Attributes
    ----------
    region : str
        Where it is; empty if it does not say.
    versioned : bool or None
        Whether it keeps all versions of its objects; None if it does not say.
    """

    region: str
    versioned: bool | None


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket.

    Attributes
    ----------
    name : str
        Of the bucket.
    region : str
        Where it is; an empty string lets the server say.
    endpoint : str or None
        Another server than Amazon's.
    access : Access or None
        Credentials for a bucket that not everyone may read; by default those of the environment.
    """

    name: str
    region: str = ""
    endpoint: str | None = field(default=None)
    access: Access | None = field(default=None)

    def location(self, key: str, version_id: str = "") -> Location:
        """Return the address of an object."""
        return Location(self.name, key, version_id, self.region)

    def url(self, key: str, version_id: str = "") -> str:
        """Return a URL of an object for a web client."""
        return self.location(key, version_id).url(self.endpoint)

    def list(self, prefix: str) -> list[Listed]:
        """Return the objects whose names begin with ``prefix``, by name.

        The request is anonymous first, and signed where that is refused and there are credentials.

        Raises
        ------
        OfflineError
            If nothing may be fetched (``FASCICLE_OFFLINE``).
        ServerError
            If the server is out of reach, or what it says is no listing.
        RemoteNotFound
            If there is no such bucket.
        AccessDenied
            If it may not be listed.
        """
        if settings.offline():
            raise self._offline()
        pages = (reader.listed for reader in self._read_pages(prefix))
        return sorted(listed for page in pages for listed in page)

    def _offline(self) -> OfflineError:
        return OfflineError(
            f"the bucket {self.name} cannot be listed: FASCICLE_OFFLINE is set",
            hint="unset FASCICLE_OFFLINE to go online",
        )

    def folders(self, prefix: str) -> builtins.list[str]:
        """Return what follows ``prefix`` up to the next slash in names of objects, by name.

        Raises
        ------
        OfflineError, ServerError, RemoteNotFound, AccessDenied
            As for `list`.
        """
        if settings.offline():
            raise self._offline()
        n = len(prefix)
        pages = (reader.folders for reader in self._read_pages(prefix, delimiter="/"))
        found = {folder[n:].rstrip("/") for page in pages for folder in page}
        return sorted(found - {""})

    def sizes(self, keys: Iterable[str], *, pages: int = 8) -> dict[str, int]:
        """Return the lengths of objects as a listing has them, as many as a few requests tell.

        Keys that lie together come in one page, and what lies between those that do not is passed
        over. These are the newest versions: a hint where an older one is meant.

        Parameters
        ----------
        keys : iterable of str
        pages : int
            Requests at most. A key that was not come to is left out, as is one that is not there.

        Raises
        ------
        OfflineError, ServerError, RemoteNotFound, AccessDenied
            As for `list`; soon, since this is no more than a hint.
        """
        from fascicle.transfer.ask import SOON, Asker

        if settings.offline():
            raise self._offline()
        left = deque(sorted(set(keys)))
        found: dict[str, int] = {}
        first, final = (left[0], left[-1]) if left else ("", "")
        same = takewhile(lambda pair: pair[0] == pair[1], zip(first, final, strict=False))
        query = {"list-type": "2", "prefix": "".join(letter for letter, _ in same)}
        bucket, last = self, ""
        with Asker(self.access or Access.from_environment(), limits=SOON) as asker:
            for _ in range(pages):
                if not left:
                    break
                # what comes right behind a name that is a little shorter begins with the key
                start = max(left[0][:-1], last)
                more = {"start-after": start} if start else {}
                bucket, head, body = bucket._ask(asker, query | more, at_most=MAX_PAGE)
                if head.status != 200:
                    raise _refused(bucket, head.status)
                page = _read(body)
                sizes = dict(page.listed)
                found |= {key: sizes[key] for key in left if key in sizes}
                end = max(sizes, default="")
                if not page.truncated or end <= last:  # or the server knows no such start
                    break
                last = end
                while left and left[0] <= last:
                    left.popleft()
        return found

    def describe(self) -> Described:
        """Ask the bucket where it is, and whether it keeps versions.

        Raises
        ------
        OfflineError
            If nothing may be fetched.
        ServerError
            If the server is out of reach.
        RemoteNotFound
            If there is no such bucket.
        """
        from fascicle.transfer.ask import Asker

        with Asker(self.access or Access.from_environment()) as asker:
            bucket, head, body = self._ask(asker, {"versioning": ""}, at_most=1 << 20)
        if head.status == 404 or head.status >= 500:
            raise _refused(bucket, head.status)
        region = head.get("x-amz-bucket-region") or bucket.region
        if head.status != 200:
            return Described(region, None)
        return Described(region, _VERSIONED.search(body) is not None)

    def _read_pages(self, prefix: str, *, delimiter: str = "") -> Iterator[_Reader]:
        from fascicle.transfer.ask import Asker

        bucket, token = self, ""
        with Asker(self.access or Access.from_environment()) as asker:
            for _ in range(MAX_PAGES):
                query = {"continuation-token": token} if token else {}
                query |= {"delimiter": delimiter} if delimiter else {}
                query |= {"list-type": "2", "prefix": prefix}
                bucket, head, body = bucket._ask(asker, query, at_most=MAX_PAGE)
                if head.status != 200:
                    raise _refused(bucket, head.status)
                page = _read(body)
                yield page
                following = page.token if page.truncated else ""
                if not following:
                    return
                if following == token:
                    break
                token = following
        raise ServerError(f"the listing of the bucket {self.name} does not end")

    def _ask(
        self, asker: Asker, query: Mapping[str, str], *, at_most: int
    ) -> tuple[Bucket, Head, bytes]:
        """Return an answer, and the bucket with the region that it turned out to be in."""
        text = urlencode(query, quote_via=quote, safe="~")  # by name, as signing has it

        def ask(bucket: Bucket) -> tuple[Head, bytes]:
            url = f"{bucket.url('')}?{text}"
            return asker.get(url, at_most=at_most, is_s3=True, region=bucket.region)

        head, body = ask(self)
        region = asker.other_region(head, self.region) if head.status != 200 else ""
        if not region:
            return self, head, body
        moved = replace(self, region=region)
        return moved, *ask(moved)


def _refused(bucket: Bucket, status: int) -> Exception:
    if status == 404:
        return RemoteNotFound(f"there is no bucket {bucket.name} at {bucket.url('')}")
    if status in (401, 403):
        return AccessDenied(
            f"the bucket {bucket.name} may not be listed (status {status})",
            hint="credentials may be missing: AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY",
        )
    return ServerError(f"{bucket.url('')} cannot be listed: it answers with status {status}")


def parse_listing(body: bytes) -> tuple[list[Listed], str]:
    """Read one page of a listing.

    Parameters
    ----------
    body : bytes
        XML as S3 answers it. Definitions of types and entities are refused.

    Returns
    -------
    listed : list of Listed
    token : str
        What to ask the next page with; an empty string after the last.

    Raises
    ------
    ServerError
        If it is no listing.
    """
    reader = _read(body)
    return reader.listed, reader.token if reader.truncated else ""


def _read(body: bytes) -> _Reader:
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.StartElementHandler = reader.start
    parser.CharacterDataHandler = reader.text
    parser.EndElementHandler = reader.end
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError, KeyError) as error:
        raise ServerError(f"the answer is no listing of a bucket: {error}") from error
    if reader.root != "ListBucketResult":
        raise ServerError(f"the answer is no listing of a bucket but {reader.root or 'empty'}")
    return reader


class _Reader:
    def __init__(self) -> None:
        self.listed: list[Listed] = []
        self.folders: list[str] = []
        self.root = self.token = ""
        self.truncated = False
        self._path: list[str] = []
        self._texts: list[str] = []
        self._object: dict[str, str] = {}

    def refuse(self, *_: object) -> None:
        raise ValueError("it defines a document type")

    def start(self, name: str, _: Mapping[str, str]) -> None:
        self._path.append(name.rpartition(" ")[2])
        self._texts.clear()
        if len(self._path) == 1:
            self.root = self._path[0]
        elif len(self._path) > 20:
            raise ValueError("it is nested too deeply")

    def text(self, text: str) -> None:
        self._texts.append(text)

    def end(self, _: str) -> None:
        text = "".join(self._texts)
        self._texts.clear()
        match self._path[1:]:
            case ["Contents", ("Key" | "Size") as part]:
                self._object[part] = text
            case ["Contents"]:
                self.listed.append(Listed(self._object.get("Key", ""), int(self._object["Size"])))
                self._object = {}
            case ["CommonPrefixes", "Prefix"]:
                self.folders.append(text)
            case ["NextContinuationToken"]:
                self.token = text
            case ["IsTruncated"]:
                self.truncated = text.strip() == "true"
        self._path.pop()
