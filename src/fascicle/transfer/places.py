"""Places that files can be read from: a bucket, a folder, a ZIP file, a web server.

All of them answer the same three questions: what is there, what is in a small file, and where the
bytes of a file are, so that a plan can bring them.
"""

from __future__ import annotations

import builtins
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlsplit

from fascicle.errors import (
    AccessDenied,
    BadFileError,
    ConfigurationError,
    NotListableError,
    RemoteNotFound,
    TransferError,
    UnsafeTarget,
)
from fascicle.formats.locations import Location, parse_url
from fascicle.transfer.ask import Asker, Check, TooLarge
from fascicle.transfer.bucket import Bucket, Listed
from fascicle.transfer.ledger import HIDDEN
from fascicle.transfer.parts import is_part
from fascicle.transfer.s3 import Access
from fascicle.transfer.source import Source
from fascicle.transfer.zips import chunks, member, members, safe_key, zip_url

_PART = 1 << 20


class Place(Protocol):
    """Where files can be read from. It is plain data: cheap to make, and it pickles.

    Names of files (keys) are relative to the place, with ``/`` between their parts.
    """

    @property
    def name(self) -> str:
        """What `open_place` takes: ``s3://bucket/prefix``, ``/abs/folder``, ``/abs/x.zip``."""
        ...

    @property
    def access(self) -> Access | None:
        """What to run a plan with, None where the environment's will do."""
        ...

    def list(self, prefix: str = "") -> list[Listed]:
        """Return the files whose keys begin with a prefix, by key."""
        ...

    def read(self, key: str, *, at_most: int, check: Check | None = None) -> bytes:
        """Return the content of a small file.

        ``check`` makes what is given it part by part, and may refuse it by a FascicleError.
        """
        ...

    def source(
        self,
        key: str,
        *,
        version: str = "",
        size: int | None = None,
        hash: str = "",
        algorithm: str = "",
    ) -> Source:
        """Return where the bytes of a file are."""
        ...


def _joined(parts: Iterable[bytes], at_most: int, check: Check | None) -> bytes:
    """Return what parts make together; a little more than ``at_most`` if they are too many."""
    data = bytearray()
    look = check() if check is not None else None
    for part in parts:
        if look is not None:
            look(part)
        data += part
        if len(data) > at_most:
            break
    return bytes(data)


def _check(key: str, name: str) -> str:
    if not safe_key(key):
        raise UnsafeTarget(
            f"{key!r} leads out of {name}", hint="do not trust where that name comes from"
        )
    return key


def _too_large(key: str, name: str, at_most: int) -> BadFileError:
    return BadFileError(f"{key} in {name} has more than {at_most:,} bytes: not what it should be")


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket, or what is below a prefix in it.

    Attributes
    ----------
    bucket : str
    prefix : str
        Without a slash at its end; empty for the whole bucket.
    endpoint : str
        Of another server than Amazon's, or than the environment's; empty for that.
    region : str
        Where the bucket is; an empty string lets the server say.
    access : Access or None
        Credentials; by default those of the environment. Requests are anonymous first.
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    access: Access | None = field(default=None)

    @property
    def name(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def reach(self) -> Access:
        """Return how the bucket is reached: as was said, and else as the environment says."""
        access = self.access or Access.from_environment()
        endpoint = self.endpoint or access.endpoint
        return replace(access, endpoint=endpoint, region=self.region or access.region)

    def key(self, key: str) -> str:
        """Return the name of an object in the bucket."""
        return f"{self.prefix}/{key}" if self.prefix else key

    def list(self, prefix: str = "") -> list[Listed]:
        """Return the objects whose keys begin with a prefix, by key.

        Raises
        ------
        OfflineError, ServerError, RemoteNotFound, AccessDenied
            As `fascicle.transfer.bucket.Bucket.list`.
        """
        access = self.reach()
        bucket = Bucket(self.bucket, self.region, access.endpoint or None, access)
        n = len(self.prefix) + 1 if self.prefix else 0
        return [Listed(key[n:], size) for key, size in bucket.list(self.key(prefix)) if key[n:]]

    def folders(self) -> builtins.list[str]:
        """Return the names of what S3's users take for folders, right below the place, by name.

        Raises
        ------
        OfflineError, ServerError, RemoteNotFound, AccessDenied
            As `fascicle.transfer.bucket.Bucket.list`.
        """
        access = self.reach()
        bucket = Bucket(self.bucket, self.region, access.endpoint or None, access)
        return bucket.folders(self.key("") if self.prefix else "")

    def read(self, key: str, *, at_most: int, check: Check | None = None) -> bytes:
        """Return the content of a small object.

        Raises
        ------
        TransferError
            If it cannot be had.
        BadFileError
            If it is larger than ``at_most``.
        """
        return _read(self.source(key), self.reach(), at_most, check)

    def source(
        self,
        key: str,
        *,
        version: str = "",
        size: int | None = None,
        hash: str = "",
        algorithm: str = "",
    ) -> Source:
        """Return where the bytes of an object are."""
        given = self.endpoint or (self.access.endpoint if self.access else "")
        home = f"s3+{given.rstrip('/')}" if given else "s3:/"
        url = f"{home}/{self.bucket}/{self.key(key)}"
        return Source(url, version, size, hash, algorithm)


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """A folder of this machine, or one that is mounted.

    Attributes
    ----------
    root : pathlib.Path
    """

    root: Path

    @property
    def name(self) -> str:
        """The folder."""
        return str(self.root)

    @property
    def access(self) -> Access | None:
        """None: nothing is needed."""
        return None

    def path(self, key: str) -> Path:
        """Return the file of a key.

        Raises
        ------
        UnsafeTarget
            If it is not in the folder: by its name, or behind a link.
        """
        path = self.root / _check(key, self.name)
        real, root = os.path.realpath(path), os.path.realpath(self.root)
        if not real.startswith(root.rstrip(os.sep) + os.sep):
            raise UnsafeTarget(
                f"{key!r} leads out of {self.name}: a link leads to {real}",
                hint="do not trust where that link comes from",
            )
        return path

    def list(self, prefix: str = "") -> list[Listed]:
        """Return the files whose keys begin with a prefix, by key; links that lead out are not.

        Neither are hidden folders of fascicle's own, and files that are still being written.
        """
        folder = prefix.rpartition("/")[0]
        if folder and not safe_key(folder):
            return []
        root = os.path.realpath(self.root).rstrip(os.sep) + os.sep
        start = self.root / folder if folder else self.root
        if not (os.path.realpath(start).rstrip(os.sep) + os.sep).startswith(root):
            return []
        found = self._walk(start, f"{folder}/" if folder else "", root)
        return sorted(listed for listed in found if listed.key.startswith(prefix))

    def _walk(self, folder: Path | str, key: str, root: str) -> Iterator[Listed]:
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            if entry.name == HIDDEN or is_part(entry.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(entry.path, f"{key}{entry.name}/", root)
            elif not entry.is_symlink() or os.path.realpath(entry.path).startswith(root):
                try:
                    seen = entry.stat()
                except FileNotFoundError:  # a link to nothing, or gone by now
                    continue
                if stat.S_ISREG(seen.st_mode):
                    yield Listed(f"{key}{entry.name}", seen.st_size)

    def read(self, key: str, *, at_most: int, check: Check | None = None) -> bytes:
        """Return the content of a small file.

        Raises
        ------
        RemoteNotFound
            If it is not there.
        AccessDenied
            If it may not be read.
        BadFileError
            If it is larger than ``at_most``.
        """
        path = self.path(key)
        try:
            with open(path, "rb") as f:
                data = _joined(iter(lambda: f.read(_PART), b""), at_most, check)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise RemoteNotFound(f"there is no {key} in {self.name}") from error
        except PermissionError as error:
            raise AccessDenied(f"{path} may not be read") from error
        except OSError as error:
            raise TransferError(f"{path} cannot be read: {error.strerror or error}") from error
        if len(data) > at_most:
            raise _too_large(key, self.name, at_most)
        return data

    def source(
        self,
        key: str,
        *,
        version: str = "",
        size: int | None = None,
        hash: str = "",
        algorithm: str = "",
    ) -> Source:
        """Return where the bytes of a file are; a folder has no versions."""
        url = Path(os.path.abspath(self.path(key))).as_uri()
        return Source(url, "", size, hash, algorithm)


@dataclass(frozen=True, slots=True)
class ZipPlace:
    """A ZIP file.

    Attributes
    ----------
    path : pathlib.Path
    """

    path: Path

    @property
    def name(self) -> str:
        """The ZIP file."""
        return str(self.path)

    @property
    def access(self) -> Access | None:
        """None: nothing is needed."""
        return None

    def list(self, prefix: str = "") -> list[Listed]:
        """Return the members whose names begin with a prefix, by name.

        Raises
        ------
        BadFileError
            If it is no ZIP file.
        UnsafeTarget
            If a name in it leads out of the folder that it would be unpacked into.
        """
        found = members(self.path).items()
        return sorted(Listed(key, i.file_size) for key, i in found if key.startswith(prefix))

    def read(self, key: str, *, at_most: int, check: Check | None = None) -> bytes:
        """Return the content of a small member.

        Raises
        ------
        RemoteNotFound
            If it is not there.
        BadFileError
            If it is damaged, encrypted, or larger than ``at_most``.
        """
        if member(self.path, _check(key, self.name)).file_size > at_most:
            raise _too_large(key, self.name, at_most)
        return _joined(chunks(self.path, key), at_most, check)

    def source(
        self,
        key: str,
        *,
        version: str = "",
        size: int | None = None,
        hash: str = "",
        algorithm: str = "",
    ) -> Source:
        """Return where the bytes of a member are; a ZIP file has no versions."""
        return Source(zip_url(self.path, _check(key, self.name)), "", size, hash, algorithm)


@dataclass(frozen=True, slots=True)
class WebPlace:
    """What a web server has below an address. It can be read, but does not say what is there.

    Attributes
    ----------
    url : str
        Without a slash at its end.
    """

    url: str

    @property
    def name(self) -> str:
        """The address."""
        return self.url

    @property
    def access(self) -> Access | None:
        """None: nothing is needed."""
        return None

    def list(self, prefix: str = "") -> list[Listed]:
        """Say that this cannot be known.

        Raises
        ------
        NotListableError
            Always.
        """
        raise NotListableError(
            f"{self.url} cannot be listed: a web server does not say what it has",
            hint="name a file: for a release, the URL of its manifest (…_v1.0.0.json)",
        )

    def read(self, key: str, *, at_most: int, check: Check | None = None) -> bytes:
        """Return the content of a small file.

        Raises
        ------
        TransferError
            If it cannot be had.
        BadFileError
            If it is larger than ``at_most``.
        """
        return _read(self.source(key), Access(), at_most, check)

    def source(
        self,
        key: str,
        *,
        version: str = "",
        size: int | None = None,
        hash: str = "",
        algorithm: str = "",
    ) -> Source:
        """Return where the bytes of a file are."""
        url = f"{self.url}/{quote(_check(key, self.name), safe='/~')}"
        return Source(url, version, size, hash, algorithm)


def _read(source: Source, access: Access, at_most: int, check: Check | None) -> bytes:
    try:
        with Asker(access) as asker:
            return asker.content(source, at_most=at_most, check=check)
    except TooLarge as error:
        raise _too_large(source.url, source.origin, at_most) from error


def open_place(
    place: str | Path, *, endpoint: str | None = None, access: Access | None = None
) -> Place:
    """Return a place by its name. Nothing is asked of it yet.

    Parameters
    ----------
    place : str or path-like
        ``s3://bucket/prefix``, or the ``https://`` address of one of Amazon's buckets; another
        ``https://`` or ``http://`` address; a folder; a ZIP file.
    endpoint : str, optional
        S3 of another server than Amazon's; by default as the environment says
        (``AWS_ENDPOINT_URL_S3``).
    access : Access, optional
        Credentials for S3; by default those of the environment.

    Raises
    ------
    ConfigurationError
        If it is no such name.
    """
    text = os.fspath(place)
    scheme = urlsplit(text).scheme.lower() if "://" in text else ""
    if scheme == "file":
        path = Source(text).local_path()
        if path is None:
            raise ConfigurationError(f"{text!r} names no file", hint="file:///abs/folder")
        return _on_disk(path)
    if not scheme:
        return _on_disk(Path(text).expanduser())
    if scheme not in ("s3", "http", "https"):
        raise ConfigurationError(
            f"no way to open {text!r}",
            hint="a place is s3://bucket/prefix, https://…, a folder, or a ZIP file",
        )
    base = text.partition("#")[0].partition("?")[0].rstrip("/")
    if scheme == "s3":
        bucket, _, prefix = text[len("s3://") :].partition("/")
        found = Location(bucket, prefix.strip("/"))
    else:
        try:
            found = parse_url(f"{base}/x")  # the address of a bucket alone names no object
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        if not found.bucket:
            return WebPlace(base)
        found = replace(found, key=found.key[: -len("/x")] if "/" in found.key else "")
    if not found.bucket or found.bucket in (".", ".."):
        raise ConfigurationError(f"{text!r} names no bucket", hint="s3://bucket/prefix")
    if found.key and not safe_key(found.key):
        raise ConfigurationError(
            f"{found.key!r} is no prefix of names in a bucket", hint="s3://bucket/prefix"
        )
    return S3Place(found.bucket, found.key, endpoint or "", found.region, access)


def _on_disk(path: Path) -> Place:
    path = Path(os.path.abspath(path))
    if path.suffix.lower() == ".zip" and not path.is_dir():
        return ZipPlace(path)
    return FolderPlace(path)
