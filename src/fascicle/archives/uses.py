"""What is known of files before they are handed out, for a record of loads or a lock."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.archives.base import DatasetRef
from fascicle.archives.record import Use, public

if TYPE_CHECKING:
    from fascicle.archives.base import Archive
    from fascicle.catalogue import Catalogue, Datasets
    from fascicle.formats.manifest import FileEntry, Manifest
    from fascicle.formats.project import ProjectConfig

#: What is said of how to cite an archive.
ABOUT = ("title", "created", "license", "doi", "url", "citation", "authors")


def uses_of(archive: Archive, eid: UUID, rel_paths: Sequence[str]) -> list[Use]:
    """Return what is known of datasets of a session before they are brought.

    Raises
    ------
    SessionNotFound, ALFObjectNotFound
        If the archive has no such session or dataset.
    """
    sources = archive.locate([DatasetRef(eid, path) for path in rel_paths])
    catalogue = archive.catalogue()
    row = catalogue.row(eid)
    assert row is not None  # locate would have said so
    datasets, session = catalogue.datasets(row), catalogue.session(row).path
    places = {path: k for k, path in enumerate(datasets.rel_paths)}
    general = Use(
        *identity(archive), session=session, eid=str(eid), about=about_of(archive) or None
    )
    uses = []
    for path, source in zip(rel_paths, sources, strict=True):
        k = places[path]
        file = source.local_path()
        if general.kind == "folder":
            sure = file is not None and is_as_hashed(datasets, k, path, file)
        else:
            sure = True  # archives that fetch hand out what they verified
        uses.append(
            general._replace(
                path=path,
                id=str(datasets.record(k)[0]),
                hash=source.hash,
                algorithm=source.algorithm,
                size=source.size,
                url=public(source.url),
                sure=sure and bool(source.hash),
            )
        )
    return uses


def uses_of_files(
    name: str,
    manifest: Manifest,
    config: ProjectConfig,
    files: Iterable[tuple[FileEntry, Path]],
) -> list[Use]:
    """Return what is known of files of a release that belong to no session; they are verified.

    Parameters
    ----------
    name : str
        The release's place, without the version.
    manifest : Manifest
    config : ProjectConfig
    files : iterable of (FileEntry, pathlib.Path)
        Each with its place on this machine.
    """
    about = cited(manifest.about, config) or None
    general = Use(name, "release", manifest.version, manifest.project, about=about, sure=True)
    found = []
    for entry, place in files:
        size = entry.size
        if size is None and place.is_file():
            size = place.stat().st_size
        found.append(
            general._replace(
                path=entry.path,
                hash=entry.file_hash.lower(),
                algorithm=entry.algorithm,
                size=size,
                url=public(entry.url),
                file=os.fspath(place),
            )
        )
    return found


def identity(archive: Archive) -> tuple[str, str, str, str, str]:
    """Return name without version, kind, version, project and state of an archive."""
    kind = type(archive).__name__.removesuffix("Archive").lower() or "archive"
    version = str(getattr(archive, "version", "") or "")
    name = archive.name.removesuffix(f"@{version}") if version else archive.name
    project = str(getattr(archive, "project", "") or "")
    return public(name), kind, version, project, "" if version else state_of(archive.catalogue())


def about_of(archive: Archive) -> dict[str, Any]:
    """Return what an archive says of how to cite it; nothing, where it says nothing."""
    manifest, config = getattr(archive, "manifest", None), getattr(archive, "config", None)
    return cited(manifest.about if manifest is not None else {}, config)


def cited(said: Mapping[str, Any], config: ProjectConfig | None) -> dict[str, Any]:
    """Return how a release is cited: as it says itself, or else as its project's description."""
    known = {key: getattr(config, key, "") for key in ABOUT}
    return {k: v for k, v in {**known, **said}.items() if v and k in ABOUT}


def state_of(catalogue: Catalogue) -> str:
    """Return what tells one state of a folder's index from another, as far as anything does."""
    made = catalogue.meta.get("index", {}).get("digest") or catalogue.meta.get("date_created")
    return str(made or "")


def is_as_hashed(datasets: Datasets, k: int, path: str, file: str | os.PathLike[str]) -> bool:
    """Return whether a file looks as it did when the index made the md5 that it has for it.

    The index makes those of files that it gave an id itself; others' are a record of theirs, which
    the file that is here may never have been compared with.
    """
    from fascicle.catalogue.identity import dataset_id

    seen = datasets.seen(k)
    if seen is None or dataset_id(datasets.eid.bytes, path) != datasets.record(k)[0].bytes:
        return False
    try:
        stat = os.stat(file)
    except OSError:
        return False
    return seen == (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino & (1 << 63) - 1 or 1)
