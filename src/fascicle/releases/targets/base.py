"""What a place that a release is written to can do, and how to open one."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import quote

from fascicle.errors import BatchError, ConfigurationError, FascicleError, TransferError
from fascicle.transfer.limits import Limits
from fascicle.transfer.places import FolderPlace, Place, S3Place, ZipPlace, open_place
from fascicle.transfer.s3 import Access

_NOT_IN_PATHS = re.compile(r"[^\w/.~!*'()$&+,=:@-]")


class Upload(NamedTuple):
    """A file that is to be written to a target.

    Attributes
    ----------
    key : str
        Its name there, relative to the target, with ``/`` between the parts.
    path : pathlib.Path or None
        The file on this machine; or
    data : bytes or None
        its content.
    size : int
        Length in bytes.
    sha256 : str
        Checksum in hexadecimal digits. What is written is compared with it: a file that changed
        since is an error, and does not appear.
    media_type : str
        Internet media type, or an empty string.
    """

    key: str
    path: Path | None
    data: bytes | None
    size: int
    sha256: str
    media_type: str = ""


class KeyTaken(TransferError, FileExistsError):
    """A file of that name is there, with other content."""

    kind = "key-taken"

    @classmethod
    def at(cls, place: str, key: str) -> KeyTaken:
        """Return the error for a key of a place."""
        return cls(
            f"{place} has {key} already, with other content",
            hint="what is there is never changed: publish under another name",
        )


class Target(Protocol):
    """A place that a release is written to.

    Only whole files are ever seen in it, and none that is there is changed, unless it is said that
    nothing refers to it.
    """

    @property
    def name(self) -> str:
        """What `open_target` takes."""
        ...

    @property
    def place(self) -> Place:
        """The same place, to read from."""
        ...

    @property
    def versioned(self) -> bool:
        """Whether the place keeps all versions of a file."""
        ...

    def exists(self, key: str) -> bool:
        """Return whether there is a file of that name."""
        ...

    def upload(
        self,
        files: Sequence[Upload],
        *,
        replace: Collection[str] = (),
        parallel: int | None = None,
        progress: bool | None = None,
        bandwidth: int | None = None,
    ) -> dict[str, str]:
        """Write files; what is there already with the same content is not sent again.

        Parameters
        ----------
        files : sequence of Upload
        replace : collection of str
            Keys that may be replaced in a place without versions, because no release refers to
            them: what an earlier attempt left, with other content.
        parallel : int, optional
            Files under way at once; by default ``FASCICLE_PARALLEL``, or 64.
        progress : bool, optional
            Whether to show a bar; by default on a terminal.
        bandwidth : int, optional
            Bytes per second; by default ``FASCICLE_BANDWIDTH``.

        Returns
        -------
        dict of str to str
            The version id of each key, an empty string where the place has no versions.

        Raises
        ------
        BatchError
            If some could not be written: it names them, and its ``errors`` say why: `KeyTaken`
            where a file of that name is there with other content. The others are there.
        """
        ...

    def claim(self, key: str, data: bytes) -> str:
        """Write a file that must not be there yet: the manifest, which makes a version visible.

        Of several publishers that claim one name, one succeeds.

        Returns
        -------
        str
            The version id, an empty string where the place has no versions.

        Raises
        ------
        VersionExists
            If it is there, with other content.
        """
        ...

    def url(self, key: str) -> str:
        """Return what a manifest says of where a file is: an address of one of Amazon's buckets."""
        ...


def amazon_url(bucket: str, key: str, region: str = "us-west-2") -> str:
    """Return the address that AllenSDK takes bucket and key from.

    AllenSDK takes the path for the key as it is written, so only what would not be a part of the
    path is written in per cent: it cannot fetch those files, all others it can.
    """
    path = _NOT_IN_PATHS.sub(lambda found: quote(found[0], safe=""), key)
    return f"https://{bucket}.s3.{region}.amazonaws.com/{path}"


def open_target(
    to: str | Path,
    *,
    project: str,
    endpoint: str | None = None,
    access: Access | None = None,
    limits: Limits | None = None,
) -> Target:
    """Return the place that a release is to be written to.

    Parameters
    ----------
    to : str or path-like
        ``s3://bucket/[prefix/]project``, where ``s3://bucket`` alone stands for
        ``s3://bucket/{project}``; a folder; or a ZIP file.
    project : str
        The project's name.
    endpoint : str, optional
        S3 of another server than Amazon's; by default as the environment says
        (``AWS_ENDPOINT_URL_S3``).
    access : Access, optional
        Credentials for S3; by default those of the environment, of ``AWS_PROFILE``, or of the
        machine.
    limits : Limits, optional
        How often and how long to try to reach S3.

    Raises
    ------
    ConfigurationError
        If nothing can be published to a place of that kind.
    MissingExtraError
        If what writes to S3 is not installed.
    """
    place = open_place(to, endpoint=endpoint, access=access)
    if isinstance(place, S3Place):
        from dataclasses import replace

        from fascicle.releases.targets.s3 import S3Target

        return S3Target(place if place.prefix else replace(place, prefix=project), limits=limits)
    if isinstance(place, FolderPlace):
        from fascicle.releases.targets.folder import FolderTarget

        return FolderTarget(place, project)
    if isinstance(place, ZipPlace):
        from fascicle.releases.targets.zip import ZipTarget

        return ZipTarget(place, project)
    raise ConfigurationError(
        f"nothing can be published to {os.fspath(to)!r}",
        hint="a release goes to s3://bucket/project, to a folder, or to a ZIP file",
    )


def raise_for_failed(failed: dict[str, FascicleError], n_all: int, name: str) -> None:
    """Raise the error of the one file that could not be written, or one that names several."""
    if not failed:
        return
    first = next(iter(failed.values()))
    shown = "".join(f"\n  {key}: {e.message}" for key, e in list(failed.items())[:10])
    more = f"\n  and {len(failed) - 10} more" if len(failed) > 10 else ""
    error = BatchError(
        f"{len(failed)} of {n_all} files could not be written to {name}:{shown}{more}",
        hint="publish again: what is there stays, and only the others are sent",
    )
    error.errors = dict(failed)
    raise error from first
