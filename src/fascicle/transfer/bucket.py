"""What lies in a bucket, asked of any server that speaks S3's ListObjectsV2 over the web."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode
from xml.parsers import expat

from fascicle import settings
from fascicle.errors import AccessDenied, OfflineError, RemoteNotFound, ServerError
from fascicle.formats.locations import Location

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Bounds on what a server may answer: bytes of one page, and pages.
MAX_PAGE = 16 * 2**20
MAX_PAGES = 1000
_RETRIES = 4
_TIMEOUT = 20.0


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


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that anyone may read.

    Attributes
    ----------
    name : str
        Of the bucket.
    region : str
        Where it is; an empty string lets the server say.
    endpoint : str or None
        Another server than Amazon's.
    """

    name: str
    region: str = ""
    endpoint: str | None = field(default=None)

    def location(self, key: str, version_id: str = "") -> Location:
        """Return the address of an object."""
        return Location(self.name, key, version_id, self.region)

    def url(self, key: str, version_id: str = "") -> str:
        """Return a URL of an object for a web client."""
        return self.location(key, version_id).url(self.endpoint)

    def list(self, prefix: str) -> list[Listed]:
        """Return the objects whose names begin with ``prefix``, by name.

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
            raise OfflineError(
                f"the bucket {self.name} cannot be listed: FASCICLE_OFFLINE is set",
                hint="unset FASCICLE_OFFLINE to go online",
            )
        return sorted(self._pages(prefix))

    def _pages(self, prefix: str) -> Iterator[Listed]:
        import urllib3

        retry = urllib3.Retry(
            _RETRIES,
            connect=2,  # soon enough for whoever works without a network
            redirect=5,
            backoff_factor=0.3,
            backoff_jitter=0.2,
            status_forcelist=(429, 500, 502, 503, 504),
            raise_on_status=False,
        )
        bucket, token = self, ""
        with urllib3.PoolManager(retries=retry, timeout=_TIMEOUT) as pool:
            for _ in range(MAX_PAGES):
                status, headers, body = _get(pool, bucket._page_url(prefix, token))
                region = headers.get("x-amz-bucket-region", "")
                if status in (301, 307, 400) and region and region != bucket.region:
                    bucket = replace(bucket, region=region)
                    status, headers, body = _get(pool, bucket._page_url(prefix, token))
                if status != 200:
                    raise _refused(bucket, status)
                listed, following = parse_listing(body)
                yield from listed
                if not following:
                    return
                if following == token:
                    break
                token = following
        raise ServerError(f"the listing of the bucket {self.name} does not end")

    def _page_url(self, prefix: str, token: str) -> str:
        query = {"list-type": "2", "prefix": prefix}
        if token:
            query["continuation-token"] = token
        return f"{self.url('')}?{urlencode(query)}"


def _get(pool: Any, url: str) -> tuple[int, Mapping[str, str], bytes]:
    import urllib3

    try:
        with pool.request("GET", url, preload_content=False) as answer:
            body = answer.read(MAX_PAGE + 1, decode_content=True)
            status, headers = answer.status, answer.headers
    except (urllib3.exceptions.HTTPError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise ServerError(
            f"no answer from {url.partition('?')[0]}: {reason}",
            hint="FASCICLE_OFFLINE=1 works with what is here",
        ) from error
    if len(body) > MAX_PAGE:
        raise ServerError(f"{url} answers with more than {MAX_PAGE >> 20} MiB: no listing")
    return status, headers, body


def _refused(bucket: Bucket, status: int) -> Exception:
    if status == 404:
        return RemoteNotFound(f"there is no bucket {bucket.name} at {bucket.url('')}")
    if status in (401, 403):
        return AccessDenied(f"the bucket {bucket.name} may not be listed (status {status})")
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
    return reader.listed, reader.token if reader.truncated else ""


class _Reader:
    def __init__(self) -> None:
        self.listed: list[Listed] = []
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
            case ["NextContinuationToken"]:
                self.token = text
            case ["IsTruncated"]:
                self.truncated = text.strip() == "true"
        self._path.pop()
