"""Releases with manifests of the Allen Institute's form: theirs, and those of fascicle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.archives.base import SEARCH_TERMS
from fascicle.archives.layout import Store
from fascicle.errors import HashMismatch, ManifestError
from fascicle.formats.locations import endpoint_from_environment
from fascicle.formats.manifest import (
    MAX_BYTES,
    FileEntry,
    Guard,
    Manifest,
    manifest_name,
    parse_manifest,
    version_of_name,
)
from fascicle.formats.project import ProjectConfig, known_projects, load_config
from fascicle.transfer.places import FolderPlace, S3Place, ZipPlace
from fascicle.transfer.source import Source

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.archives.adapters.base import Bring
    from fascicle.catalogue.columns import Columns
    from fascicle.transfer.places import Place

FOLDER = "manifests/"


@dataclass(frozen=True, slots=True)
class ManifestForm:
    """Releases of one project; see `Form` for what each method is.

    Attributes
    ----------
    place : Place
        The folder above that of the manifests.
    project : str
    home : pathlib.Path
    in_place : bool
    only : str
        The one version that was named by its manifest's address; else empty.
    folder : str
        Where in the place the manifests are.
    cache : bool
        Whether the place is a folder that another reader of such releases keeps what it fetched in.
    described : ProjectConfig or None
        The description of the project, where it is none of those that are known.
    """

    place: Place
    project: str
    home: Path
    in_place: bool = False
    only: str = ""
    folder: str = FOLDER
    cache: bool = False
    described: ProjectConfig | None = None

    # -- versions ---------------------------------------------------------------------------------

    def listed(self) -> dict[str, int | None]:
        """Return the versions that the place has."""
        if self.only:
            return {self.only: None}
        if self.cache:
            return dict.fromkeys(self.here())
        found = {}
        for key, size in self.place.list(self.folder):
            version = version_of_name(key.removeprefix(self.folder), self.project)
            if version is not None:
                found[version] = size
        return {version.text: found[version] for version in sorted(found)}

    def here(self) -> list[str]:
        """Return the versions whose manifests are here."""
        versions = (version_of_name(n, self.project) for n in self._store.manifest_names())
        return [version.text for version in versions if version is not None]

    def manifest_path(self, version: str) -> Path:
        """Return where a manifest is here."""
        return self.home / manifest_name(self.project, version)

    def fetch_manifest(self, version: str) -> bytes:
        """Return a manifest as the place has it."""
        key = self.folder + manifest_name(self.project, version)
        where = f"{key} in {self.place.name}"
        return self.place.read(key, at_most=MAX_BYTES, check=lambda: Guard(where).feed)

    def parse(self, content: bytes, where: str) -> Manifest:
        """Return a manifest that was checked."""
        manifest = parse_manifest(content, where=where)
        if manifest.project != self.project:
            raise ManifestError(
                f"{where} is a manifest of {manifest.project!r}, not of {self.project!r}"
            )
        return manifest

    # -- files ------------------------------------------------------------------------------------

    @property
    def _store(self) -> Store:
        return Store(self.home, self.project)

    def root(self, version: str) -> Path:
        """Return the folder that paths are relative to."""
        return self.home if self.in_place else self.home / f"{self.project}-{version}"

    def source(self, manifest: Manifest, entry: FileEntry) -> Source:
        """Return where the bytes of a file are.

        What fascicle published is looked for in the place itself, so that it can be moved; files of
        others are where their manifests say, unless the place is a copy on this machine.
        """
        if not entry.algorithm:
            raise HashMismatch(f"the manifest has no usable checksum for {entry.path}")
        known: dict[str, Any] = {
            "size": entry.size,
            "hash": entry.file_hash.lower(),
            "algorithm": entry.algorithm,
        }
        location, place = entry.location, self.place
        same = isinstance(place, S3Place) and place.bucket == location.bucket
        if manifest.ours and not self.cache:
            version = entry.version_id if same else ""
            return place.source(manifest.place(entry), version=version, **known)
        if isinstance(place, (FolderPlace, ZipPlace)) and not self.cache:
            return place.source(entry.path, **known)
        if isinstance(place, S3Place) and same:
            whole = S3Place(
                place.bucket, "", place.endpoint, location.region or place.region, place.access
            )
            return whole.source(location.key, version=entry.version_id, **known)
        endpoint = (place.endpoint if isinstance(place, S3Place) else "") or None
        url = location.at_version("").url(endpoint or endpoint_from_environment())
        return Source(url, location.version_id, **known)

    def target(self, manifest: Manifest, entry: FileEntry) -> Path:
        """Return where a file is here."""
        if self.in_place and isinstance(self.place, FolderPlace):
            return self.place.path(manifest.place(entry) if manifest.ours else entry.path)
        return self._store.path(manifest, entry)

    def brought(self, manifest: Manifest, found: Sequence[tuple[Path, FileEntry]]) -> None:
        """Note for other readers of the layout which files are there now."""
        if not self.in_place and not manifest.ours:
            self._store.add_to_record((path, entry.file_hash) for path, entry in found)

    # -- sessions ---------------------------------------------------------------------------------

    @property
    def config(self) -> ProjectConfig:
        """What the tables of the project mean; nothing, where nobody described it."""
        if self.described is not None:
            return self.described
        if self.project in known_projects():
            return load_config(self.project)
        return ProjectConfig(self.project, self.project, "")

    def terms(self, manifest: Manifest) -> frozenset[str]:
        """Return the terms that a search in it can have."""
        if manifest.ours:
            return SEARCH_TERMS
        about = self.config.catalogue
        terms = {"datasets", "number", "project"}
        terms |= {name for name in ("subject", "date", "task") if getattr(about, name)}
        return frozenset(terms | ({"region"} if about.region else set()))

    def recipe(self) -> str:
        """Return what the catalogue depends on beside the manifest."""
        return f"manifests 1 {self.config!r}"

    def columns(self, manifest: Manifest, bring: Bring, tables: Sequence[Path]) -> Columns:
        """Return the sessions, datasets and insertions of a version."""
        if manifest.ours:
            from fascicle.archives.adapters import own

            return own.columns(manifest, bring)
        from fascicle.archives.adapters import allen
        from fascicle.archives.tables import copy_name, read_parsed

        config = self.config
        known = manifest.metadata_files
        wanted = [known[name] for name in config.catalogue.tables() if name in known]
        files = {entry.key: path for entry, path in zip(wanted, bring(wanted), strict=True)}

        def read(name: str) -> pd.DataFrame:
            about = config.table(name)
            copy = copy_name(known[name].file_hash.lower(), about)
            return read_parsed(copy, tables, lambda: files[name], about)

        return allen.columns(manifest, config, read)
