"""Releases of the ABC Atlas: ``releases/{date}/manifest.json``, whose files say where they belong.

It has no sessions. Each of its directories takes the place of one: the subject is its name, the
day that of the newest of its files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.archives.adapters.allen import Recording, to_columns
from fascicle.errors import HashMismatch, ManifestError
from fascicle.formats.locations import endpoint_from_environment, parse_url
from fascicle.formats.manifest import (
    MAX_BYTES,
    MAX_FILES,
    MAX_SIZE,
    FileEntry,
    Guard,
    Manifest,
    check_places,
)
from fascicle.formats.paths import one_place, path_problem
from fascicle.transfer.places import FolderPlace, S3Place, ZipPlace
from fascicle.transfer.source import Source

if TYPE_CHECKING:
    from fascicle.archives.adapters.base import Bring
    from fascicle.catalogue.columns import Columns
    from fascicle.transfer.places import Place

_RELEASE = re.compile(r"releases/(\d{8})/manifest\.json")
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)")
#: No file lies deeper in a manifest.
_DEPTH = 20


@dataclass(frozen=True, slots=True)
class AtlasForm:
    """Releases of one bucket of the ABC Atlas' form; see `Form` for what each method is."""

    place: Place
    project: str
    home: Path
    in_place: bool = False
    only: str = ""

    def listed(self) -> dict[str, int | None]:
        """Return the versions that the place has."""
        if self.only:
            return {self.only: None}
        found = ((_RELEASE.fullmatch(key), size) for key, size in self.place.list("releases/"))
        return dict(sorted((match[1], size) for match, size in found if match))

    def here(self) -> list[str]:
        """Return the versions whose manifests are here."""
        found = self.home.glob("releases/*/manifest.json")
        return sorted(p.parent.name for p in found if _DATE.fullmatch(p.parent.name))

    def manifest_path(self, version: str) -> Path:
        """Return where a manifest is here."""
        return self.home / "releases" / version / "manifest.json"

    def fetch_manifest(self, version: str) -> bytes:
        """Return a manifest as the place has it."""
        key = f"releases/{version}/manifest.json"
        where = f"{key} in {self.place.name}"
        return self.place.read(key, at_most=MAX_BYTES, check=lambda: Guard(where).feed)

    def parse(self, content: bytes, where: str) -> Manifest:
        """Return a manifest that was checked."""
        return parse_atlas(content, where=where, project=self.project)

    def root(self, version: str) -> Path:
        """Return the folder that paths are relative to: it holds all versions."""
        return self.home

    def source(self, manifest: Manifest, entry: FileEntry) -> Source:
        """Return where the bytes of a file are."""
        if not entry.algorithm:
            raise HashMismatch(f"the manifest has no usable checksum for {entry.path}")
        known: dict[str, Any] = {
            "size": entry.size,
            "hash": entry.file_hash.lower(),
            "algorithm": entry.algorithm,
        }
        if isinstance(self.place, (FolderPlace, ZipPlace)):
            return self.place.source(entry.path, **known)
        location = entry.location
        if isinstance(self.place, S3Place) and location.bucket == self.place.bucket:
            whole = S3Place(
                self.place.bucket, "", self.place.endpoint, location.region, self.place.access
            )
            return whole.source(location.key, version=location.version_id, **known)
        return Source(
            location.at_version("").url(endpoint_from_environment()), location.version_id, **known
        )

    def target(self, manifest: Manifest, entry: FileEntry) -> Path:
        """Return where a file is here."""
        if self.in_place and isinstance(self.place, FolderPlace):
            return self.place.path(entry.path)
        return self.home.joinpath(*entry.path.split("/"))

    def brought(self, manifest: Manifest, found: Sequence[tuple[Path, FileEntry]]) -> None:
        """Nothing is noted: other readers look at the files alone."""

    def terms(self, manifest: Manifest) -> frozenset[str]:
        """Return the terms that a search in it can have."""
        return frozenset({"datasets", "subject", "date", "number", "project"})

    def recipe(self) -> str:
        """Return what the catalogue depends on beside the manifest."""
        return "atlas 1"

    def columns(self, manifest: Manifest, bring: Bring, tables: Sequence[Path]) -> Columns:
        """Return the directories as sessions, and their files as datasets."""
        found: dict[str, Recording] = {}
        for entry in manifest.data_files.values():
            name = entry.key.partition("/")[0]
            recording = found.setdefault(name, Recording(name, name))
            recording.files.append(entry)
            recording.when = max(recording.when, _day(entry.path) or _day(manifest.version))
        return to_columns(manifest.project, found.values())


def _day(text: str) -> str:
    """Return the last date in a text as ``2024-03-30``; empty where there is none."""
    days = re.findall(r"(?<!\d)(\d{4})(\d\d)(\d\d)(?!\d)", text)
    return "-".join(days[-1]) if days else ""


def parse_atlas(content: bytes, *, where: str, project: str) -> Manifest:
    """Read a manifest of the ABC Atlas, and check what it says.

    Whatever in ``file_listing`` has ``url``, ``relative_path`` and ``file_hash`` is a file; its key
    is the path of names that leads to it.

    Raises
    ------
    ManifestError
        If it is none, or says what must not be believed.
    """
    if len(content) > MAX_BYTES or content.count(b"{") > MAX_FILES:
        raise ManifestError(f"{where} is too large to be a manifest")
    try:
        document = json.loads(content)
    except RecursionError as error:
        raise ManifestError(f"{where} is nested too deeply to be a manifest") from error
    except ValueError as error:
        raise ManifestError(f"{where} is not JSON: {error}") from error
    listing = document.get("file_listing") if isinstance(document, dict) else None
    version = document.get("version") if isinstance(document, dict) else None
    if not isinstance(listing, dict) or not isinstance(version, str):
        raise ManifestError(f"{where} lacks version or file_listing")
    if not _DATE.fullmatch(version):
        raise ManifestError(f"{where} has a version that is no date: {version[:40]!r}")
    places: dict[str, FileEntry] = {}
    files: dict[str, FileEntry] = {}
    for key, value in _walk(listing, (), where):
        entry = files[key] = _entry(key, value, f"{where}: {key[:100]}")
        other = places.setdefault(one_place(entry.path), entry)
        if (other.path, other.file_hash) != (entry.path, entry.file_hash):
            raise ManifestError(f"{where}: two files have one place: {entry.path}")
    check_places(places, where)
    return Manifest(project, version, "", (), {}, files)


def _walk(
    value: Mapping[str, Any], trail: tuple[str, ...], where: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if {"url", "relative_path", "file_hash"} <= value.keys():
        yield "/".join(trail), value
        return
    if len(trail) > _DEPTH:
        raise ManifestError(f"{where} is nested too deeply to be a manifest")
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _walk(inner, (*trail, name), where)


def _entry(key: str, value: Mapping[str, Any], where: str) -> FileEntry:
    url, path, file_hash = value["url"], value["relative_path"], value["file_hash"]
    size = value.get("size")
    if not (isinstance(url, str) and isinstance(path, str) and isinstance(file_hash, str)):
        raise ManifestError(f"{where} has an address, a path or a checksum that is no text")
    try:
        parse_url(url)
    except ValueError as error:
        raise ManifestError(f"{where}: {error}") from error
    if problem := path_problem(path):
        raise ManifestError(f"{where}: the path {path[:100]!r} {problem}")
    if path.partition("/")[0].casefold() in (".fascicle", "releases"):
        raise ManifestError(f"{where}: the path {path[:100]!r} leads into a folder of its own")
    if size is not None and (
        not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_SIZE
    ):
        raise ManifestError(f"{where}: a size of {str(size)[:40]} bytes cannot be")
    return FileEntry(key, url, "", file_hash, path, size)
