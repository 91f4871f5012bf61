"""Open archives: what kind of archive a place is, and which are asked where none are named."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from fascicle import settings
from fascicle.archives.base import Archive, Source
from fascicle.archives.folder import FolderArchive
from fascicle.errors import ConfigurationError, NoIndexError

Places: TypeAlias = "str | os.PathLike[str] | Archive | Iterable[str | os.PathLike[str] | Archive]"


def open_archive(
    place: str | os.PathLike[str] | Archive,
    *,
    version: str | None = None,
    store: str | os.PathLike[str] | None = None,
    endpoint: str | None = None,
    project: str | os.PathLike[str] | None = None,
) -> Archive:
    """Open an archive.

    Parameters
    ----------
    place : path-like or str
        A folder that has been indexed; a folder of NWB files, or one such file; a lab's database
        (an Alyx, or a hub): its address ``https://alyx.mylab.org``; a public archive: its name
        (``ibl``), its bucket, or a TOML file that describes it (`fascicle.formats.public`); or a
        release: ``s3://bucket/project``, a bucket with one project, a folder or a ZIP file that it
        was published to, the address of its manifest. A version may stand behind it:
        ``s3://bucket/project@1.1.0``; behind a database or a public archive, a tag:
        ``ibl@2022_Q2_IBL_et_al_RepeatedSite``.
    version : str, optional
        Of a release: which one, if not the newest; of a database or a public archive: the tag.
    store : path-like, optional
        The folder that files are fetched into; of a release by default one in the user's cache,
        which the Allen Institute's readers of such releases understand.
    endpoint : str, optional
        Of a release: S3 of another server than Amazon's; by default as ``AWS_ENDPOINT_URL_S3``
        says.
    project : str or path-like, optional
        Of a release: what its tables mean, where that is not known: a TOML file, as
        `fascicle.projects` describes it.

    Returns
    -------
    Archive

    Raises
    ------
    NoIndexError
        If the folder has no index; the message says how to make one.
    ConfigurationError
        If the place is of a kind that fascicle cannot open, or has several projects.
    NotFoundError, VersionNotFound
        If there is no release, or none of that version.
    TransferError, ManifestError
        If it cannot be read.

    Examples
    --------
    >>> archive = open_archive("~/data")  # doctest: +SKIP
    >>> release = open_archive("s3://bucket/project", version="1.1.0")  # doctest: +SKIP
    """
    archive = archive_at(place, version=version, store=store, endpoint=endpoint, project=project)
    archive.catalogue()
    return archive


def archive_at(place: str | os.PathLike[str] | Archive, **release: Any) -> Archive:
    """Return the archive at a place, nothing read yet."""
    release = {key: value for key, value in release.items() if value is not None}
    if not isinstance(place, str | os.PathLike):
        if isinstance(place, Archive):
            if release:
                raise ConfigurationError(
                    f"{', '.join(release)}: {place!r} is an archive that is open already",
                    hint="give its name in place of it",
                )
            return place
        raise ConfigurationError(
            f"{place!r} is neither a place nor an archive",
            hint='give a place, e.g. archives=["~/data", "s3://bucket/project"]',
        )
    from fascicle.archives.roots import is_release, split_name
    from fascicle.transfer.places import S3Place, open_place

    text = os.fspath(place)
    scheme, colon, _ = text.partition("://")
    known = not colon or scheme.lower() in ("s3", "http", "https", "file")
    if colon and scheme.isalnum() and not known:
        raise ConfigurationError(
            f"fascicle cannot open {scheme}: addresses",
            hint="a folder, a ZIP file, s3://bucket/project, or the URL of a manifest",
        )
    from fascicle.formats.public import described

    if described(text) is not None and "project" not in release:
        from fascicle.archives.public import PublicArchive

        return PublicArchive(text, tag=release.pop("version", None), **release)
    if set(release) <= {"version", "store"} and _may_be_database(text):
        from fascicle.archives.alyx import AlyxArchive

        return AlyxArchive(text, tag=release.pop("version", None), **release)
    if set(release) == {"store"} and not colon and not is_release(text):
        from fascicle.archives.nwbfiles import holds_nwb

        if holds_nwb(text):
            return _folder(text, **release)
    if release or is_release(text):
        from fascicle.archives.release import ReleaseArchive

        return ReleaseArchive(text, **release)
    if colon and scheme.lower() in ("http", "https"):
        from fascicle.archives.release import ReleaseArchive

        if split_name(text).manifest or isinstance(open_place(text), S3Place):
            return ReleaseArchive(text)
        raise ConfigurationError(
            f"{text} is no address of a manifest, and a web server does not say what it has",
            hint="https://…/manifests/NAME_project_manifest_v1.0.0.json opens a release, "
            "https://alyx.mylab.org a lab's database",
        )
    if scheme.lower() == "file" and colon:
        text = os.fspath(Source(text).local_path() or text)
    return _folder(text)


def _folder(text: str, **given: Any) -> Archive:
    """Return the archive that a folder is: of NWB files, or else of ALF data."""
    from fascicle.archives.nwbfiles import holds_nwb

    if holds_nwb(text):
        from fascicle.archives.nwb import NwbArchive

        return NwbArchive(text, **given)
    return FolderArchive(text)


def _may_be_database(text: str) -> bool:
    """Return whether a web address is not one of a release, a bucket or a file."""
    from fascicle.archives.roots import split_name
    from fascicle.transfer.places import S3Place, open_place

    if not text.lower().startswith(("http://", "https://")):
        return False
    from fascicle.archives.alyx import split_tag

    address, tag = split_tag(text)
    named = split_name(address)
    path = urlsplit(address).path
    if named.manifest or named.version or path.endswith((".json", ".zip")):
        return False
    return bool(tag) or not isinstance(open_place(address), S3Place)


def named_archives() -> list[str]:
    """Return the archives that the variable ``FASCICLE_ARCHIVES`` names.

    They are separated as in ``PATH``; the colons of addresses, such as ``s3://bucket``, and of
    drives do not separate.
    """
    given = os.environ.get("FASCICLE_ARCHIVES", "")
    if os.pathsep == ":":
        # A colon separates unless "//" follows it, or the port of a host does.
        parts = re.split(r":(?!//)(?!\d+(?:/|$|:))", given)
    else:
        parts = given.split(os.pathsep)
    return [part.strip() for part in parts if part.strip()]


def default_archives() -> list[Archive]:
    """Return the archives that are asked where none are named.

    Those of the environment variable ``FASCICLE_ARCHIVES`` (folders and other places, separated as
    in ``PATH``); without it ONE's default data folder, if it has an index.

    Raises
    ------
    ConfigurationError
        If there is neither.
    """
    if given := named_archives():
        return [archive_at(place) for place in given]
    folder = settings.one_cache_dir()
    archive = FolderArchive(folder)
    try:
        archive.catalogue()
    except (NoIndexError, NotADirectoryError) as error:
        raise ConfigurationError(
            f"no archive was named, and ONE's folder {folder} has no index",
            hint='name a folder: archives=["~/data"], or set FASCICLE_ARCHIVES=~/data',
        ) from error
    return [archive]


def as_archives(places: Places | None) -> list[Archive]:
    """Return the archives that a user named, or the default ones."""
    if places is None:
        return default_archives()
    if isinstance(places, str | os.PathLike | Archive):
        return [archive_at(places)]
    archives = [archive_at(place) for place in places]
    if not archives:
        raise ConfigurationError(
            "archives= names no archive", hint='name a folder: archives=["~/data"]'
        )
    return archives
