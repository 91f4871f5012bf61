"""What lies on this machine: folders of fetched files, what they take, and what of them is used."""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from fascicle import settings
from fascicle.archives.opening import named_archives
from fascicle.formats.versions import Version, is_version
from fascicle.transfer.ledger import HIDDEN
from fascicle.transfer.parts import is_part

_MANIFEST = re.compile(r"(.+)_project_manifest_v(\d+\.\d+\.\d+.*)\.json")
_SESSION = re.compile(r"(.+?/\d{4}-\d\d-\d\d/\d{1,3})/")
_TABLES = ("sessions.pqt", "datasets.pqt")


class Seen(NamedTuple):
    """One name in a store.

    Attributes
    ----------
    path : str
        Relative to the store, with slashes.
    stat : os.stat_result
        Of the name itself, not of what a link leads to.
    """

    path: str
    stat: os.stat_result

    @property
    def key(self) -> tuple[int, int]:
        """The content: the same for all names of one file."""
        return self.stat.st_dev, self.stat.st_ino

    @property
    def bytes(self) -> int:
        """Bytes that it takes on disk."""
        blocks = getattr(self.stat, "st_blocks", None)
        return self.stat.st_size if blocks is None else blocks * 512

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.stat.st_mode)

    @property
    def used(self) -> float:
        """When it was last read or written, as far as the disk keeps that."""
        return max(self.stat.st_atime, self.stat.st_mtime)


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """A store, summed up.

    Attributes
    ----------
    path : pathlib.Path
    kind : str
        ``release`` (versions in the layout of the Allen Institute's readers), ``folder`` (with
        ONE's tables), ``files`` (fetched, without tables), or ``empty``.
    projects, versions : tuple of str
        Of releases: whose, and which versions have files here.
    files : int
        Names of files, the hidden folder's and parts left out.
    bytes : int
        What they take on disk; content under several names counts once.
    hidden : int
        Bytes of the hidden folder: index and ledger.
    parts, part_bytes : int
        What interrupted fetches left.
    last_used : float or None
        When a file was last read or written: seconds since 1970.
    keeps_access_times : bool
        Whether the disk says when a file was read; else only writing counts.
    """

    path: Path
    kind: str
    projects: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0
    hidden: int = 0
    parts: int = 0
    part_bytes: int = 0
    last_used: float | None = None
    keeps_access_times: bool = True


@dataclass(slots=True)
class Usage:
    """What one version or session takes.

    Attributes
    ----------
    name : str
    files : int
    bytes : int
        On disk, as if it were alone.
    shared : int
        Of these, the bytes that others have as well.
    """

    name: str
    files: int = 0
    bytes: int = 0
    shared: int = 0
    keys: set[tuple[int, int]] = field(default_factory=set, repr=False)


def releases_dir() -> Path:
    """Return the folder that releases are kept in if nothing else is said."""
    return settings.cache_dir() / "releases"


def known_stores() -> list[Path]:
    """Return the stores that fascicle knows of.

    Those of releases, ONE's default folder, and the folders of ``FASCICLE_ARCHIVES``, as far as
    they are there.
    """
    places: list[Path] = []
    with contextlib.suppress(OSError):
        places += sorted(Path(e.path) for e in os.scandir(releases_dir()) if e.is_dir())
    places.append(settings.one_cache_dir())
    places += [Path(place).expanduser() for place in named_archives() if "://" not in place]
    return [p for p in dict.fromkeys(Path(os.path.abspath(p)) for p in places) if p.is_dir()]


def is_store(path: Path) -> bool:
    """Return whether a folder holds what fascicle, ONE or AllenSDK put there."""
    return (
        (path / HIDDEN).is_dir()
        or any((path / name).is_file() for name in _TABLES)
        or (path / "_downloaded_data.json").is_file()
        or bool(manifests(path))
    )


def manifests(path: Path) -> dict[str, tuple[str, str]]:
    """Return the manifests in a store: for each file's name the project and the version."""
    try:
        names = [entry.name for entry in os.scandir(path)]
    except OSError:
        return {}
    return {name: (m[1], m[2]) for name in names if (m := _MANIFEST.fullmatch(name))}


def version_folders(path: Path) -> dict[str, tuple[str, str]]:
    """Return the folders of versions in a store: for each name the project and the version."""
    projects = {project for project, _ in manifests(path).values()}
    try:
        names = [entry.name for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return {}
    found = {}
    for name in names:
        for project in projects:
            version = name.removeprefix(f"{project}-")
            if version != name and is_version(version):
                found[name] = project, version
    return found


def by_version(versions: Iterable[str]) -> list[str]:
    """Return versions in their order, the oldest first."""
    return sorted((text for text in versions if is_version(text)), key=Version)


def walk(root: Path, *, hidden: bool = False) -> Iterator[Seen]:
    """Go through all names of files in a store, links not followed.

    Parameters
    ----------
    root : pathlib.Path
    hidden : bool
        Go through the hidden folder alone, rather than through all but it.
    """
    todo = [os.fspath(root / HIDDEN if hidden else root)]
    start = len(os.path.join(os.fspath(root), ""))
    while todo:
        folder = todo.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue  # it is gone meanwhile, or somebody else's
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    if hidden or entry.name != HIDDEN:
                        todo.append(entry.path)
                    continue
                seen = os.lstat(entry.path)
            except OSError:
                continue
            yield Seen(entry.path[start:].replace(os.sep, "/"), seen)


def survey(path: Path) -> StoreInfo:
    """Return what a store holds and takes."""
    names = n_parts = part_bytes = 0
    used: float | None = None
    bytes_of: dict[tuple[int, int], int] = {}
    for seen in walk(path):
        if is_part(seen.path.rpartition("/")[2]):
            n_parts += not seen.path.endswith((".json", ".new"))
            part_bytes += seen.bytes
            continue
        names += 1
        bytes_of[seen.key] = 0 if seen.is_link else seen.bytes
        used = seen.used if used is None else max(used, seen.used)
    hidden = {seen.key: seen.bytes for seen in walk(path, hidden=True)}
    folders = version_folders(path)
    known = manifests(path)
    kind = "files"
    if known or folders:
        kind = "release"
    elif any((path / name).is_file() for name in _TABLES):
        kind = "folder"
    elif not names:
        kind = "empty"
    return StoreInfo(
        path,
        kind,
        tuple(sorted({project for project, _ in known.values()})),
        tuple(by_version({version for _, version in folders.values()})),
        names,
        sum(bytes_of.values()),
        sum(hidden.values()),
        n_parts,
        part_bytes,
        used,
        keeps_access_times(path),
    )


def keeps_access_times(path: Path) -> bool:
    """Return whether the disk notes when a file is read."""
    try:
        return not os.statvfs(path).f_flag & getattr(os, "ST_NOATIME", 0)
    except (OSError, AttributeError):
        return True


def usage(path: Path, *, by: str = "") -> list[Usage]:
    """Return what the parts of a store take.

    Parameters
    ----------
    path : pathlib.Path
    by : {'version', 'session'}, optional
        What to sum up; by default versions where there are some, else sessions.

    Returns
    -------
    list of Usage
        By name; what belongs to none is under an empty name.
    """
    folders = version_folders(path)
    by = by or ("version" if folders else "session")
    found: dict[str, Usage] = {}
    owners: dict[tuple[int, int], set[str]] = {}
    size: dict[tuple[int, int], int] = {}
    for seen in walk(path):
        if is_part(seen.path.rpartition("/")[2]):
            continue
        name = _version(seen.path, folders) if by == "version" else _session(seen.path, folders)
        one = found.setdefault(name, Usage(name))
        one.files += 1
        if seen.is_link:
            continue
        if seen.key not in one.keys:
            one.keys.add(seen.key)
            one.bytes += seen.bytes
        owners.setdefault(seen.key, set()).add(name)
        size[seen.key] = seen.bytes
    for one in found.values():
        one.shared = sum(size[key] for key in one.keys if len(owners[key]) > 1)
    return [found[name] for name in sorted(found, key=lambda name: (name == "", name))]


def _version(path: str, folders: dict[str, tuple[str, str]]) -> str:
    head = path.partition("/")[0]
    return head if head in folders else ""


def _session(path: str, folders: dict[str, tuple[str, str]]) -> str:
    head, _, rest = path.partition("/")
    found = _SESSION.match(rest if head in folders else path)
    return found[1] if found else ""
