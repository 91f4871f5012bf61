"""What a record of loads says of the files of a project's releases, and which a lock allows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fascicle.archives.record import Use

if TYPE_CHECKING:
    from fascicle.archives.versions import Versions
    from fascicle.formats.manifest import FileEntry, Manifest
    from fascicle.formats.project import ProjectConfig


def uses_of(
    versions: Versions, config: ProjectConfig, manifest: Manifest, entries: Iterable[FileEntry]
) -> list[Use]:
    """Return what is known of files of a version; they count as verified."""
    general = Use(
        name_of(versions, config),
        "release",
        manifest.version,
        manifest.project,
        about=about(config, manifest),
        sure=True,
    )
    found = []
    for entry in entries:
        file = os.fspath(versions.store.path(manifest, entry))
        size = entry.size
        if size is None and os.path.isfile(file):
            size = os.path.getsize(file)
        found.append(
            general._replace(
                path=entry.path,
                hash=entry.file_hash.lower(),
                algorithm=entry.algorithm,
                size=size,
                url=entry.url,
                file=file,
            )
        )
    return found


def name_of(versions: Versions, config: ProjectConfig) -> str:
    """Return the place of a project's releases, as ``fascicle.open`` takes it."""
    bucket = versions.bucket.name if versions.bucket else config.bucket
    return f"s3://{bucket}/{config.project}"


def about(config: ProjectConfig, manifest: Manifest) -> dict[str, object]:
    """Return how a release is cited: as it says itself, or else as its project does."""
    known = {key: getattr(config, key, "") for key in ("title", "license", "url", "citation")}
    return {k: v for k, v in {**known, **manifest.about}.items() if v and k in _ABOUT}


_ABOUT = ("title", "license", "doi", "url", "citation", "authors")
