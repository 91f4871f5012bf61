"""What a place has already, and where the files of the next version go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fascicle.errors import BatchError, FascicleError, RemoteNotFound
from fascicle.formats.manifest import (
    MAX_BYTES,
    FileEntry,
    Manifest,
    manifest_name,
    parse_manifest,
    version_of_name,
)
from fascicle.formats.versions import Version

if TYPE_CHECKING:
    from fascicle.releases.targets import Upload
    from fascicle.transfer.places import Place

FOLDER = "manifests/"
#: Manifests are read from the newest on, until they have so many bytes.
_ENOUGH = 256 << 20
_MARK = "_project_manifest_v"


class Item(NamedTuple):
    """A file of a release.

    Attributes
    ----------
    key : str
        What the manifest calls it.
    path : str
        Where it belongs in a copy of the release.
    source : pathlib.Path or None
        The file; or
    data : bytes or None
        its content.
    size : int
    sha256, blake2b : str
    """

    key: str
    path: str
    source: Path | None
    data: bytes | None
    size: int
    sha256: str
    blake2b: str


class Placed(NamedTuple):
    """Where a file of a release lies, or will.

    Attributes
    ----------
    item : Item
    key : str
        Its name in the place.
    entry : FileEntry or None
        What an older manifest says of it; None if it has to be sent.
    """

    item: Item
    key: str
    entry: FileEntry | None = None


@dataclass(frozen=True, slots=True)
class History:
    """The versions that a place has.

    Attributes
    ----------
    versions : mapping of str to list of Version
        Of each project, in order.
    sizes : mapping of str to int
        Of the manifests, by their names.
    """

    place: Place
    versions: Mapping[str, list[Version]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, place: Place) -> History:
        """Ask a place which versions it has."""
        versions: dict[str, list[Version]] = {}
        sizes = {}
        try:
            listed = place.list(FOLDER)
        except RemoteNotFound:
            if place.name.startswith("s3:"):
                raise  # the bucket is not there
            listed = []  # a file that is still to be made
        for key, size in listed:
            name = key.removeprefix(FOLDER)
            version = version_of_name(name)
            if version is not None:
                versions.setdefault(name.partition(_MARK)[0], []).append(version)
                sizes[name] = size
        return cls(place, {name: sorted(found) for name, found in sorted(versions.items())}, sizes)

    def of_project(self, project: str) -> list[Version]:
        """Return the versions of one project."""
        return self.versions.get(project, [])

    def newest(self, project: str) -> Version | None:
        """Return the newest version of a project, None where it has none."""
        found = self.of_project(project)
        return found[-1] if found else None

    def manifest(self, project: str, version: Version | str) -> Manifest:
        """Read a manifest."""
        name = manifest_name(project, str(version))
        content = self.place.read(f"{FOLDER}{name}", at_most=MAX_BYTES)
        return parse_manifest(content, where=f"{name} in {self.place.name}")

    def manifests(self, project: str) -> list[Manifest]:
        """Read the manifests of the place, this project's first, from the newest on.

        Those that are not ours, or cannot be read, do not count: what they refer to is not used
        again, and nothing is ever overwritten.
        """
        names = [(project, v) for v in reversed(self.of_project(project))]
        names += [(p, v) for p in self.versions if p != project for v in self.versions[p]]
        found: list[Manifest] = []
        total = 0
        for name, version in names:
            total += self.sizes.get(manifest_name(name, str(version)), 0)
            if found and total > _ENOUGH:
                break
            try:
                manifest = self.manifest(name, version)
            except FascicleError:
                continue
            if manifest.ours:
                found.append(manifest)
        return found


def place_items(
    items: Sequence[Item],
    *,
    version: str,
    versioned: bool,
    manifests: Sequence[Manifest],
    listed: Mapping[str, int],
    different: frozenset[str] = frozenset(),
    in_bucket: bool = False,
) -> list[Placed]:
    """Decide where the files of a version go, and which of them need not be sent.

    In a bucket with versions each file has its natural name, and one that has the content of an
    older version is not sent. Elsewhere content that is there under any name is referred to; and
    a file whose natural name is taken by other content goes to ``versions/{version}/``. Nothing
    that is there is ever replaced.

    Parameters
    ----------
    items : sequence of Item
        The files.
    version : str
        The version that they are for.
    versioned : bool
        Whether the place keeps all versions of a file.
    manifests : sequence of Manifest
        Those of the place, the newest first.
    listed : mapping of str to int
        What is there, with sizes; may be empty where the place keeps versions.
    different : frozenset of str
        Names of files that are known to have other content, although the same size.
    in_bucket : bool
        Whether names must do as parts of addresses.
    """
    names = _names(items, in_bucket=in_bucket)
    if versioned:
        same: dict[tuple[str, str], FileEntry] = {}
        for manifest in manifests:
            for entry in manifest.files():
                same.setdefault((manifest.place(entry), entry.sha256), entry)
        return [Placed(i, names[i.path], same.get((names[i.path], i.sha256))) for i in items]
    content: dict[str, dict[str, FileEntry]] = {}
    taken: dict[str, str] = {}
    for manifest in manifests:
        for entry in manifest.files():
            key = manifest.place(entry)
            if not listed or listed.get(key) == entry.size:  # a mirror may lack some
                content.setdefault(entry.sha256, {}).setdefault(key, entry)
            taken[key.casefold()] = entry.sha256
    there = {key.casefold(): size for key, size in listed.items()}
    folders = set(_folders((*taken, *there)))
    free = _Free(version, taken, there, different, folders, names)
    out = []
    for item in items:
        known = content.get(item.sha256)
        if known:
            name = names[item.path]
            key = name if name in known else next(iter(known))
            out.append(Placed(item, key, known[key]))
        else:
            key = free.key(item)
            out.append(Placed(item, key))
    return out


def _names(items: Sequence[Item], *, in_bucket: bool) -> dict[str, str]:
    """Return what each file is called in a place, by its path.

    An address ends at a ``#``, and AllenSDK does not decode one that is written in per cent: in
    buckets ``#2024-01-01#`` is ``@2024-01-01@``, unless that is a name of its own.
    """
    names = {item.path: item.path for item in items}
    if in_bucket:
        for path in names:
            other = path.replace("#", "@")
            names[path] = path if other in names else other
    return names


@dataclass(slots=True)
class _Free:
    version: str
    taken: dict[str, str]
    there: dict[str, int]
    different: frozenset[str]
    folders: set[str]
    names: Mapping[str, str]

    def key(self, item: Item) -> str:
        """Return the first name that is free, or that an interrupted attempt gave to this file."""
        name, above = self.names[item.path], f"versions/{self.version}"
        for key in (name, f"{above}/{name}"):
            if self._is_free(key, item):
                return self._take(key, item)
        return self._take(f"{above}/{item.sha256[:16]}/{name}", item)

    def _take(self, key: str, item: Item) -> str:
        self.taken[key.casefold()] = item.sha256
        self.folders.update(_folders([key.casefold()]))
        return key

    def _is_free(self, key: str, item: Item) -> bool:
        name = key.casefold()
        if self.taken.get(name, item.sha256) != item.sha256 or name in self.folders:
            return False
        if key in self.different or self.there.get(name, item.size) != item.size:
            return False
        return not any(f in self.taken or f in self.there for f in _folders([name]))


def _folders(keys: Iterable[str]) -> Iterable[str]:
    seen: set[str] = set()
    for key in keys:
        folder = key.rpartition("/")[0]
        while folder and folder not in seen:
            seen.add(folder)
            folder = folder.rpartition("/")[0]
    return seen


def other_content(error: BatchError) -> frozenset[str]:
    """Return the names of files that could not be sent since they are there with other content."""
    from fascicle.releases.targets import KeyTaken

    return frozenset(key for key, each in error.errors.items() if isinstance(each, KeyTaken))


_MEDIA_TYPES = {
    "csv": "text/csv",
    "json": "application/json",
    "md": "text/markdown",
    "mp4": "video/mp4",
    "npy": "application/octet-stream",
    "pqt": "application/vnd.apache.parquet",
    "tsv": "text/tab-separated-values",
    "txt": "text/plain",
    "yaml": "application/yaml",
    "yml": "application/yaml",
}


def upload_of(placed: Placed) -> Upload:
    """Return what a target is asked to write."""
    from fascicle.releases.targets import Upload

    item = placed.item
    kind = _MEDIA_TYPES.get(item.path.rpartition(".")[2].lower(), "application/octet-stream")
    return Upload(placed.key, item.source, item.data, item.size, item.sha256, kind)
