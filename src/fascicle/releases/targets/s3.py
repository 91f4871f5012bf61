"""A release in a bucket: many small files at once, large ones in parts, each seen when it is whole.

An object carries the checksum of its content (``x-amz-meta-sha256``), so that a publication that
was interrupted finds what it sent already. A multipart upload that was killed leaves parts that
nobody sees and that are paid for: a lifecycle rule of the bucket (AbortIncompleteMultipartUpload)
removes them.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from fascicle import settings
from fascicle.errors import (
    AccessDenied,
    FascicleError,
    MissingExtraError,
    OfflineError,
    RemoteNotFound,
    ServerError,
    TransferError,
    VersionExists,
)
from fascicle.releases.targets.base import KeyTaken, Upload, amazon_url, raise_for_failed
from fascicle.releases.targets.reading import Sending, blocks, content
from fascicle.releases.targets.waiting import wait_for
from fascicle.transfer.bucket import Bucket, Described
from fascicle.transfer.client import ca_files
from fascicle.transfer.limits import Limits
from fascicle.transfer.places import S3Place

_T = TypeVar("_T")
#: Files up to this size go in one request.
SMALL = 8 << 20
_PART = 8 << 20
_PARTS = 9000  # S3 takes 10,000
_LARGE = 2  # large files under way at once
_STREAMS = 6  # parts of each
_MEMORY = 64 << 20  # bytes of small files under way
_PARALLEL = 64
_FEW = 16  # files whose presence is asked for one by one rather than by a listing
_HOPELESS = 8  # failures in a row, without a success, after which the rest is not tried
_CONFLICTS = 5
_TRUST = ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE")  # SSL_CERT_FILE is known to obstore itself


class S3Target:
    """A bucket, or what is below a prefix in it, to write to.

    Parameters
    ----------
    place : S3Place
    limits : Limits, optional
        How often and how long to try.

    Raises
    ------
    MissingExtraError
        If obstore is not installed.
    """

    def __init__(self, place: S3Place, *, limits: Limits | None = None) -> None:
        try:
            import obstore
            import obstore.exceptions
        except ImportError as error:
            raise MissingExtraError(
                "publishing to S3 needs obstore", hint="pip install 'fascicle[publish]'"
            ) from error
        self.place = place
        self.limits = limits or Limits()
        self._obstore = obstore

    @property
    def name(self) -> str:
        """``s3://bucket/prefix``."""
        return self.place.name

    @cached_property
    def versioned(self) -> bool:
        """Whether the bucket keeps all versions of its objects."""
        said = self._described.versioned
        if said is None:  # not everyone may ask: an object of it shows it too
            listed = self.place.list()
            head = self._head(listed[0].key) if listed else None
            return bool(head and _version(head.meta))
        return said

    def url(self, key: str) -> str:
        """Return the address of an object, as AllenSDK takes it apart."""
        return amazon_url(
            self.place.bucket, self.place.key(key), self._described.region or "us-east-1"
        )

    def exists(self, key: str) -> bool:
        """Return whether there is an object of that name."""
        return self._head(key) is not None

    def upload(
        self,
        files: Sequence[Upload],
        *,
        replace: Collection[str] = (),
        parallel: int | None = None,
        progress: bool | None = None,
        bandwidth: int | None = None,
    ) -> dict[str, str]:
        """Write objects; see `Target.upload`.

        A file that is there with other content becomes a new version where the bucket has
        versions, and is refused elsewhere, unless it may be replaced.
        """
        if not files:
            return {}
        n_parallel = parallel or settings.parallel() or _PARALLEL
        with Sending(files, progress=progress, bandwidth=bandwidth) as sending:
            batch = _Batch(self, files, frozenset(replace), n_parallel, sending)
            wait_for(batch.run())
        raise_for_failed(batch.failed, len(files), self.name)
        return batch.versions

    def claim(self, key: str, data: bytes) -> str:
        """Write an object that must not be there yet; see `Target.claim`.

        It is a conditional request (``If-None-Match: *``), which Amazon's and most other servers
        honour: of two publishers at once, one gets the name. Where a server does not know of such
        requests, we look before and after; two publishers within the same second could then both
        believe that they were first.
        """
        found = self._read(key)
        if found is None:
            return self._claim_new(key, data)
        return self._same(key, data, *found)

    def _claim_new(self, key: str, data: bytes) -> str:
        import hashlib

        attributes = {
            "Content-Type": "application/json",
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        conditional = True
        for attempt in range(_CONFLICTS):
            try:
                with self._translated(key):
                    answer = self._obstore.put(
                        self.store,
                        self.place.key(key),
                        data,
                        attributes=attributes,
                        mode="create" if conditional else "overwrite",
                        use_multipart=False,
                    )
            except _Taken:
                break
            except ServerError as error:
                if _cannot_create(error):
                    conditional = False
                elif "409" not in error.message or attempt == _CONFLICTS - 1:
                    raise
            else:
                if _version(answer):
                    return _version(answer)
                break
        found = self._read(key)
        if found is None:
            raise ServerError(f"{self.name}/{key} was written and is not there")
        return self._same(key, data, *found)

    def _same(self, key: str, data: bytes, there: bytes, version: str) -> str:
        if there == data:
            return version
        raise VersionExists(
            f"{self.name} has {key} already, with other content",
            hint="what was published is never changed: choose the next version",
        )

    # -- the server -------------------------------------------------------------------------------

    @cached_property
    def _described(self) -> Described:
        access = self.place.reach()
        bucket = Bucket(self.place.bucket, self.place.region, access.endpoint or None, access)
        return bucket.describe()

    @cached_property
    def store(self) -> Any:
        """The bucket, as obstore has it."""
        from obstore.store import S3Store

        if settings.offline():
            raise OfflineError(
                f"nothing can be published to {self.name}: FASCICLE_OFFLINE is set",
                hint="unset FASCICLE_OFFLINE",
            )
        access, limits = self.place.reach(), self.limits
        options: dict[str, Any] = {
            "region": self._described.region or access.region or "us-east-1",
            "client_options": {
                "allow_http": access.endpoint.startswith("http:"),
                "user_agent": "fascicle",
                "connect_timeout": timedelta(seconds=limits.connect_timeout),
                "timeout": timedelta(minutes=10),  # of one request
            },
            "retry_config": {
                "max_retries": limits.retries,
                "retry_timeout": timedelta(seconds=limits.max_wait),
                "backoff": {"init_backoff": timedelta(seconds=limits.backoff), "base": 2},
            },
        }
        if any(map(os.environ.get, _TRUST)) and (trusted := ca_files()[0]):
            options["client_options"]["root_certificate"] = Path(trusted).read_bytes()
        if access.endpoint:
            options["endpoint"] = options["aws_endpoint_url_s3"] = access.endpoint
        elif "." not in self.place.bucket:
            options["virtual_hosted_style_request"] = True
        if access.key and access.secret:
            options |= {"access_key_id": access.key, "secret_access_key": access.secret}
            if access.token:
                options["session_token"] = access.token
        elif access.endpoint:
            options["skip_signature"] = True  # else credentials of the machine are looked for
        return S3Store(self.place.bucket, **options)

    def _head(self, key: str) -> Any:
        """Return what an object says of itself, None if it is not there."""
        try:
            with self._translated(key):
                return self._obstore.get(self.store, self.place.key(key), options={"head": True})
        except RemoteNotFound:
            return None

    def _read(self, key: str) -> tuple[bytes, str] | None:
        try:
            with self._translated(key):
                found = self._obstore.get(self.store, self.place.key(key))
                return bytes(found.bytes()), _version(found.meta)
        except RemoteNotFound:
            return None

    def _translated(self, key: str) -> _Translated:
        return _Translated(f"{self.name}/{key}")


class _Taken(Exception):
    """An object is there that should not be."""


class _Translated:
    """Turns errors of obstore into ours."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if error is None or isinstance(error, FascicleError) or not isinstance(error, Exception):
            return
        from obstore import exceptions as theirs

        text = _first_words(error)
        if isinstance(error, (theirs.AlreadyExistsError, theirs.PreconditionError)):
            raise _Taken from error
        if isinstance(error, FileNotFoundError):
            raise RemoteNotFound(f"{self._name}: no such object, or no such bucket") from error
        if isinstance(error, (theirs.PermissionDeniedError, theirs.UnauthenticatedError)):
            raise AccessDenied(
                f"{self._name} may not be written or read: {text}",
                hint="credentials may be missing, or lack the right: AWS_PROFILE, or "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ) from error
        if isinstance(error, (theirs.BaseError, OSError)):
            raise ServerError(
                f"{self._name}: {text}", hint="publish again later: what is there stays"
            ) from error
        if isinstance(error, ValueError):
            raise TransferError(f"{self._name}: {text}") from error


def _first_words(error: Exception) -> str:
    text = str(error).partition("\n\nDebug source")[0]
    code = re.search(r"<Code>(\w+)</Code>", text)
    text = text.partition("<?xml")[0].partition("<Error")[0].strip(" :\n")
    return f"{text} ({code[1]})" if code else text


def _cannot_create(error: Exception) -> bool:
    """Return whether a server says that it knows no conditional writes."""
    text = _first_words(error)
    return "501 Not Implemented" in text or "NotImplemented" in text


def _version(answer: Any) -> str:
    found = answer.get("version") or ""
    return "" if found == "null" else str(found)


class _Batch:
    """Many files on their way."""

    def __init__(
        self,
        target: S3Target,
        files: Sequence[Upload],
        replace: frozenset[str],
        parallel: int,
        sending: Sending,
    ) -> None:
        self.target = target
        self.files = files
        self.replace = replace
        self.sending = sending
        self.parallel = parallel
        self.versions: dict[str, str] = {}
        self.failed: dict[str, FascicleError] = {}
        self._sizes: dict[str, int] | None = None
        self._large = asyncio.Semaphore(_LARGE)
        self._memory = _Budget(_MEMORY)
        self._in_a_row = 0
        self._conditional = not target.versioned
        self._store = target.store
        self._obstore = target._obstore

    async def run(self) -> None:
        """Send what is not there."""
        if len(self.files) > _FEW:
            listed = await asyncio.to_thread(self.target.place.list)
            self._sizes = dict(listed)
        # Large ones first: they take longest, and small ones fill the gaps.
        waiting = iter(sorted(self.files, key=lambda file: -file.size))
        small = iter(sorted(self.files, key=lambda file: file.size))
        taken: set[str] = set()
        n_workers = max(1, min(self.parallel, len(self.files)))
        n_large = max(1, min(_LARGE, n_workers // 2))
        async with asyncio.TaskGroup() as group:
            for i in range(n_workers):
                group.create_task(self._work(waiting if i < n_large else small, taken))

    async def _work(self, files: Iterator[Upload], taken: set[str]) -> None:
        for file in files:
            if file.key in taken:
                continue
            taken.add(file.key)
            try:
                await self._one(file)
            except FascicleError as error:
                self.failed[file.key] = error

    async def _one(self, file: Upload) -> None:
        if self._in_a_row >= _HOPELESS:
            raise ServerError(f"{file.key} was not tried: {_HOPELESS} files before it failed")
        try:
            with self.target._translated(file.key):
                self.versions[file.key] = await self._send(file)
            self._in_a_row = 0
        except (ServerError, AccessDenied):
            self._in_a_row += 1
            raise

    async def _send(self, file: Upload) -> str:
        there = self._sizes is None or file.key in self._sizes
        head = await self._head(file) if there else None
        if head is not None:
            if _is_same(head, file):
                self.sending.sent(file.size)
                return _version(head.meta)
            if not self.target.versioned and file.key not in self.replace:
                raise self._refused(file)
        create = head is None and self._conditional
        try:
            return await self._put(file, create=create)
        except self._taken():
            head = await self._head(file)
            if head is not None and _is_same(head, file):
                return _version(head.meta)
            raise self._refused(file) from None
        except self._obstore.exceptions.GenericError as error:
            if not (create and _cannot_create(error)):
                raise
            self._conditional = False  # the listing has to do
            return await self._put(file, create=False)

    def _taken(self) -> tuple[type[Exception], ...]:
        theirs = self._obstore.exceptions
        return theirs.AlreadyExistsError, theirs.PreconditionError

    def _refused(self, file: Upload) -> FascicleError:
        return KeyTaken.at(self.target.name, file.key)

    async def _head(self, file: Upload) -> Any:
        try:
            return await self._obstore.get_async(
                self._store, self.target.place.key(file.key), options={"head": True}
            )
        except FileNotFoundError:
            return None

    async def _put(self, file: Upload, *, create: bool) -> str:
        attributes = {"sha256": file.sha256}
        if file.media_type:
            attributes["Content-Type"] = file.media_type
        key = self.target.place.key(file.key)
        if file.size > SMALL:
            async with self._large:
                part = max(_PART, -(-file.size // _PARTS))
                answer = await self._obstore.put_async(
                    self._store,
                    key,
                    self._parts(file, part),
                    attributes=attributes,
                    use_multipart=True,
                    chunk_size=part,
                    max_concurrency=_STREAMS,
                )
            return _version(answer)
        async with self._memory.of(file.size):
            data = await asyncio.to_thread(content, file)
            await asyncio.sleep(self.sending.pause(file.size))
            answer = await self._obstore.put_async(
                self._store,
                key,
                data,
                attributes=attributes,
                mode="create" if create else "overwrite",
                use_multipart=False,
            )
        self.sending.sent(file.size)
        return _version(answer)

    async def _parts(self, file: Upload, size: int) -> AsyncIterator[bytes]:
        reader = blocks(file, size)
        while data := await asyncio.to_thread(next, reader, b""):
            await asyncio.sleep(self.sending.pause(len(data)))
            yield data
            self.sending.sent(len(data))


def _is_same(head: Any, file: Upload) -> bool:
    return bool(head.meta["size"] == file.size and head.attributes.get("sha256") == file.sha256)


class _Budget:
    """Bounds the bytes in memory; one file is let in whatever its size."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._used = 0
        self._freed = asyncio.Condition()

    def of(self, n_bytes: int) -> _Share:
        return _Share(self, n_bytes)

    async def take(self, n_bytes: int) -> None:
        async with self._freed:
            await self._freed.wait_for(lambda: not self._used or self._used + n_bytes <= self._most)
            self._used += n_bytes

    async def free(self, n_bytes: int) -> None:
        async with self._freed:
            self._used -= n_bytes
            self._freed.notify_all()


class _Share:
    def __init__(self, budget: _Budget, n_bytes: int) -> None:
        self._budget = budget
        self._n_bytes = n_bytes

    async def __aenter__(self) -> None:
        await self._budget.take(self._n_bytes)

    async def __aexit__(self, *_: object) -> None:
        await self._budget.free(self._n_bytes)
