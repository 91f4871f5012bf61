"""Manifests of versioned releases: which file of which version belongs to a release.

A manifest is one JSON document. Six keys are required: ``project_name``, ``manifest_version``,
``metadata_file_id_column_name``, ``data_pipeline``, ``metadata_files`` and ``data_files``; the last
two map keys to ``url``, ``version_id`` and ``file_hash``, and may add ``size`` and ``sha256``.
Those that fascicle publishes say ``path`` too, and more of themselves under ``fascicle``.
Manifests come from elsewhere: all that they say is checked before any of it is believed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fascicle.errors import ManifestError
from fascicle.formats.locations import Location, parse_url
from fascicle.formats.paths import one_place, path_problem
from fascicle.formats.versions import Version, is_version

#: A manifest with more bytes than this, or with more files, is refused before it is parsed.
MAX_BYTES = 512 * 2**20
MAX_FILES = 1_000_000
#: A file that claims to be longer (one pebibyte) is refused.
MAX_SIZE = 2**50

#: The format of what fascicle says in its own manifests.
FORMAT = 1

_KEYS = (
    "project_name",
    "manifest_version",
    "metadata_file_id_column_name",
    "data_pipeline",
    "metadata_files",
    "data_files",
)
_PART = 1 << 20
_CODED = re.compile(r"[%?#;\s\\]|//")
_ALGORITHMS = {128: "blake2b", 64: "sha256", 32: "md5"}


class FileEntry(NamedTuple):
    """One file of a release.

    Attributes
    ----------
    key : str
        What tables and users call it: ``units``, ``153``.
    url : str
        Where it lies.
    version_id : str
        Which version of the object it is.
    file_hash : str
        Its checksum in hexadecimal digits, blake2b in the Allen Institute's releases.
    path : str
        Where it belongs below the folder of the release, checked by
        `fascicle.formats.paths.path_problem`: what the manifest says where fascicle published it,
        else the path of the URL without its first part.
    size : int or None
        Length in bytes, where the manifest says it.
    sha256 : str
        Another checksum, or an empty string.
    """

    key: str
    url: str
    version_id: str
    file_hash: str
    path: str
    size: int | None = None
    sha256: str = ""

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.rpartition("/")[2]

    @property
    def algorithm(self) -> str:
        """The kind of ``file_hash`` by its length, or an empty string if it is no checksum."""
        digits = self.file_hash.lower()
        hexadecimal = all(c in "0123456789abcdef" for c in digits)
        return _ALGORITHMS.get(len(digits), "") if hexadecimal else ""

    @property
    def location(self) -> Location:
        """Bucket, key and version."""
        found = parse_url(self.url)
        return found.at_version(self.version_id) if self.version_id else found


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one version of a release consists of.

    Attributes
    ----------
    project : str
        Name of the project.
    version : str
        Version of the release.
    file_id_column : str
        The column of the tables that holds keys of ``data_files``.
    pipeline : tuple of dict
        What made the release: entries with ``name``, ``version`` and ``comment``.
    metadata_files, data_files : mapping of str to FileEntry
        The tables, and the data.
    about : mapping
        What fascicle says of a release that it published: title, license, doi, …; empty for
        releases of others.
    """

    project: str
    version: str
    file_id_column: str
    pipeline: tuple[Mapping[str, Any], ...]
    metadata_files: Mapping[str, FileEntry] = field(repr=False)
    data_files: Mapping[str, FileEntry] = field(repr=False)
    about: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def ours(self) -> bool:
        """Whether fascicle published it: its files then lie below the folder of its manifests."""
        return bool(self.about)

    @property
    def name(self) -> str:
        """The name of the manifest's file."""
        return manifest_name(self.project, self.version)

    @property
    def root(self) -> str:
        """The folder in the bucket that a release of ours was published to."""
        return str(self.about.get("root", self.project))

    def place(self, entry: FileEntry) -> str:
        """Return where a file of a release of ours lies, below the folder of the release.

        So that a release can be moved or mirrored: only what its addresses say below ``root``
        counts. Unlike ``entry.path`` it may be in a folder of older or newer versions.
        """
        return _place(entry.url, self.root)

    def files(self) -> Iterator[FileEntry]:
        """Go through all files: first the tables, then the data."""
        yield from self.metadata_files.values()
        yield from self.data_files.values()

    def made_by(self, name: str) -> str:
        """Return the version of a tool of the pipeline, or an empty string if it is not in it."""
        for step in self.pipeline:
            if step.get("name") == name:
                return str(step.get("version", ""))
        return ""

    def _repr_html_(self) -> str:
        from html import escape

        return (
            f"<b>{escape(self.project)}</b> {escape(self.version)}: "
            f"{len(self.metadata_files)} tables, {len(self.data_files)} data files"
        )


def manifest_name(project: str, version: str) -> str:
    """Return the file name of a version's manifest."""
    return f"{project}_project_manifest_v{version}.json"


def manifest_json(
    *,
    project: str,
    version: str,
    metadata_files: Iterable[FileEntry],
    data_files: Iterable[FileEntry],
    about: Mapping[str, Any],
    pipeline: Iterable[Mapping[str, Any]],
    file_id_column: str = "file_id",
) -> bytes:
    """Write a manifest of ours: the same files and words always give the same bytes.

    Parameters
    ----------
    project, version : str
        What the release is called.
    metadata_files, data_files : iterable of FileEntry
        In the order in which they are to stand.
    about : mapping
        What the release says of itself beside: ``root``, ``created``, ``title``, ``license``, …
    pipeline : iterable of dict
        What made it.
    file_id_column : str, optional
        The column of the tables that holds keys of ``data_files``.

    Returns
    -------
    bytes
        A JSON document with one file per line.

    Raises
    ------
    ManifestError
        If a reader would refuse it.
    """
    head = {
        "project_name": project,
        "manifest_version": version,
        "metadata_file_id_column_name": file_id_column,
        "data_pipeline": list(pipeline),
        "fascicle": {"format": FORMAT, **{k: v for k, v in about.items() if v}},
    }
    lines = [f"{json.dumps(key)}: {_dumps(value)}" for key, value in head.items()]
    for name, entries in (("metadata_files", metadata_files), ("data_files", data_files)):
        rows = ",\n".join(f"  {json.dumps(e.key)}: {_dumps(_written(e))}" for e in entries)
        lines.append(f'"{name}": {{\n{rows}\n}}' if rows else f'"{name}": {{}}')
    content = ("{\n" + ",\n".join(lines) + "\n}\n").encode()
    parse_manifest(content, where=f"the manifest of {project} {version}")
    return content


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=False)


def _written(entry: FileEntry) -> dict[str, Any]:
    row = {
        "url": entry.url,
        "version_id": entry.version_id,
        "file_hash": entry.file_hash,
        "size": entry.size,
        "sha256": entry.sha256,
        "path": entry.path,
    }
    return {key: value for key, value in row.items() if value is not None}


def version_of_name(name: str, project: str = "") -> Version | None:
    """Return the version that the name of a manifest says, or None if it is no manifest's name.

    Parameters
    ----------
    name : str
        A file name.
    project : str, optional
        Take names of this project alone.

    Examples
    --------
    >>> version_of_name("lab_project_manifest_v0.10.0.json") > Version("0.9.0")
    True
    >>> version_of_name("notes.txt") is None
    True
    """
    if not name.endswith(".json"):
        return None
    before, mark, version = name[: -len(".json")].rpartition("_project_manifest_v")
    if not mark or (project and before != project) or path_problem(name) or "/" in name:
        return None
    return Version(version) if is_version(version) else None


def read_manifest(path: Path) -> Manifest:
    """Read a manifest from a file.

    Raises
    ------
    ManifestError
        If it is none, or says something that must not be believed.
    """
    with path.open("rb") as stream:
        guard = Guard(str(path))
        while part := stream.read(_PART):  # counted before all of it is in memory
            guard.feed(part)
        stream.seek(0)
        content = stream.read(MAX_BYTES + 1)
    return parse_manifest(content, where=str(path))


class Guard:
    """Counts what a manifest lists while its bytes come, so that a bomb is never held in memory.

    Parameters
    ----------
    where : str
        What messages call the manifest.
    """

    def __init__(self, where: str) -> None:
        self.size = 0
        self._where = where
        self._files = 0
        self._items = 0

    def feed(self, part: bytes) -> None:
        """Count some more bytes.

        Raises
        ------
        ManifestError
            If there are more bytes, or more files, than a manifest can have.
        """
        self.size += len(part)
        self._files += part.count(b"{")
        self._items += part.count(b",")
        if self.size > MAX_BYTES:
            raise ManifestError(
                f"{self._where} has more than {MAX_BYTES >> 20} MiB: that is no manifest"
            )
        # Each file is an object of at most six items.
        if self._files > MAX_FILES + 1000 or self._items > 6 * MAX_FILES:
            raise ManifestError(f"{self._where} lists more than {MAX_FILES:,} files: refused")


def parse_manifest(content: bytes | str, *, where: str = "the manifest") -> Manifest:
    """Read a manifest, and check what it says.

    Parameters
    ----------
    content : bytes or str
        The JSON document.
    where : str, optional
        What messages call it.

    Raises
    ------
    ManifestError
        If it is no JSON, lacks a key, is too large, has paths that lead out of the release's folder
        or hide each other, or addresses that are none.
    """
    Guard(where).feed(
        content.encode(errors="surrogatepass") if isinstance(content, str) else content
    )
    try:
        document = json.loads(content)
    except RecursionError as error:
        raise ManifestError(f"{where} is nested too deeply to be a manifest") from error
    except ValueError as error:  # JSON, UTF-8, or a number of thousands of digits
        raise ManifestError(
            f"{where} is not JSON: {error}",
            hint="delete it if it is a copy here: it is fetched again when a version is loaded",
        ) from error
    return _checked(document, where)


def _checked(document: Any, where: str) -> Manifest:
    if not isinstance(document, dict):
        raise ManifestError(f"{where} is not a JSON object")
    if missing := [key for key in _KEYS if key not in document]:
        raise ManifestError(f"{where} lacks {', '.join(missing)}")
    project, version = document["project_name"], document["manifest_version"]
    column = document["metadata_file_id_column_name"]
    for what, text in (("project_name", project), ("manifest_version", version)):
        if not isinstance(text, str) or path_problem(text) or "/" in text:
            raise ManifestError(f"{where} has a {what} that names no folder: {_short(text)}")
    if not is_version(version):
        raise ManifestError(f"{where} has a manifest_version that is none: {_short(version)}")
    if not isinstance(column, str):
        raise ManifestError(f"{where} names no column of file ids: {_short(column)}")
    pipeline = document["data_pipeline"]
    if not isinstance(pipeline, list) or not all(isinstance(step, dict) for step in pipeline):
        raise ManifestError(f"{where} has a data_pipeline that is no list of steps")
    about = document.get("fascicle", {})
    if not isinstance(about, dict) or ("fascicle" in document and not about.get("format")):
        raise ManifestError(f"{where} has a section fascicle that does not say its format")
    if about and about["format"] != FORMAT:
        raise ManifestError(
            f"{where} is of format {_short(about['format'])}, and this reader knows {FORMAT}",
            hint="a newer fascicle reads it",
        )
    places: dict[str, FileEntry] = {}
    ours = bool(about)
    tables = _entries(document["metadata_files"], "metadata_files", where, places, ours=ours)
    data = _entries(document["data_files"], "data_files", where, places, ours=ours)
    check_places(places, where)
    found = Manifest(project, version, column, tuple(pipeline), tables, data, about)
    if ours:
        _check_about(found, where)
    return found


def _check_about(manifest: Manifest, where: str) -> None:
    """Refuse what a release of ours says of itself if it cannot be so."""
    root = manifest.about.get("root", manifest.project)
    if not isinstance(root, str) or path_problem(root):
        raise ManifestError(f"{where} has a root that names no folder: {_short(root)}")
    for name in ("created", "title", "license", "doi", "description"):
        if not isinstance(manifest.about.get(name, ""), str):
            raise ManifestError(f"{where} has a {name} that is no text")
    authors = manifest.about.get("authors", [])
    if not isinstance(authors, list) or not all(isinstance(a, (str, dict)) for a in authors):
        raise ManifestError(f"{where} has authors that are no list of names")
    for entry in manifest.files():
        place = _place(entry.url, root)
        problem = path_problem(place) if place else f"is not below {root}"
        if not problem and ".fascicle" in place.casefold().split("/"):
            problem = "leads into a hidden folder"
        if problem:
            raise ManifestError(f"{where}: the address {_short(entry.url)} {problem}")


def _place(url: str, root: str) -> str:
    at = url.find("/", len("https://")) + 1
    if at and not _CODED.search(url, at) and _is_bucket(url[:at]):
        key = url[at:]  # as `parse_url` says, in a tenth of its time
    else:
        key = parse_url(url).key
    return key[len(root) + 1 :] if key.startswith(f"{root}/") else ""


@lru_cache(maxsize=64)
def _is_bucket(start: str) -> bool:
    """Return whether all of a path behind a host is the name of an object."""
    try:
        found = parse_url(f"{start}x")
    except ValueError:
        return False
    return bool(found.bucket) and found.key == "x"


def _entries(
    section: Any, name: str, where: str, places: dict[str, FileEntry], *, ours: bool
) -> dict[str, FileEntry]:
    if not isinstance(section, dict):
        raise ManifestError(f"{where} has {name} that map no keys to files")
    found = {}
    for key, value in section.items():
        entry = found[key] = _entry(key, value, f"{where}: {name} {_short(key)}", ours)
        other = places.setdefault(one_place(entry.path), entry)
        if other is not entry and (other.path, other.file_hash) != (entry.path, entry.file_hash):
            raise ManifestError(
                f"{where}: two files have one place: {_short(other.path)} and {_short(entry.path)}"
            )
    return found


def _entry(key: str, value: Any, where: str, ours: bool) -> FileEntry:
    if not isinstance(value, dict):
        raise ManifestError(f"{where} is no object")
    url, version_id, file_hash = (value.get(k) for k in ("url", "version_id", "file_hash"))
    if not (isinstance(url, str) and isinstance(version_id, str) and isinstance(file_hash, str)):
        raise ManifestError(f"{where} lacks url, version_id or file_hash")
    try:
        parse_url(url)
    except ValueError as error:
        raise ManifestError(f"{where}: {error}") from error
    path = value.get("path") if ours else local_path(url)
    if not isinstance(path, str):
        raise ManifestError(f"{where} does not say its path")
    if problem := path_problem(path):
        of = "" if ours else " of its address"
        raise ManifestError(f"{where}: the path {_short(path)}{of} {problem}")
    if ".fascicle" in path.casefold().split("/"):
        raise ManifestError(f"{where}: the path {_short(path)} leads into a hidden folder")
    size, sha256 = value.get("size"), value.get("sha256", "")
    if size is not None and (
        not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_SIZE
    ):
        raise ManifestError(f"{where}: a size of {_short(size)} bytes cannot be")
    if not isinstance(sha256, str):
        raise ManifestError(f"{where}: sha256 is no text")
    return FileEntry(key, url, version_id, file_hash, path, size, sha256)


def local_path(url: str) -> str:
    """Return where a file belongs below its release's folder: not yet checked.

    It is the object's key without its first part, which is the project's name; as it is written in
    the URL, so that other readers of the layout find it.
    """
    parts = urlsplit(url)
    path = parts.path[1:]
    host = parts.hostname or ""
    if parts.scheme != "s3" and host.startswith("s3") and host.endswith(".amazonaws.com"):
        path = path.partition("/")[2]  # the bucket
    return path.partition("/")[2]


def check_places(places: Mapping[str, FileEntry], where: str) -> None:
    """Refuse a file whose place is also a folder of another."""
    for place, entry in places.items():
        folder = place.rpartition("/")[0]
        while folder:
            if folder in places:
                raise ManifestError(
                    f"{where}: {_short(places[folder].path)} is a file, "
                    f"and the folder of {_short(entry.path)}"
                )
            folder = folder.rpartition("/")[0]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}…"
