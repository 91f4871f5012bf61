"""What changed between two versions of a release, file by file, by their checksums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Literal, NamedTuple

from fascicle.formats.manifest import FileEntry, Manifest

Kind = Literal["changed", "created", "deleted", "renamed"]


class Change(NamedTuple):
    """What happened to one file.

    Attributes
    ----------
    path : str
        Below the folder of the release; of a renamed file the old path.
    kind : str
        ``changed``, ``created``, ``deleted`` or ``renamed``.
    new_path : str
        Where a renamed file is now, else an empty string.
    """

    path: str
    kind: Kind
    new_path: str = ""

    def __str__(self) -> str:
        return f"{self.path} {self.kind} {self.new_path}".rstrip()


@dataclass(frozen=True, slots=True)
class Comparison:
    """The changes from one version to another, in the order of paths.

    Attributes
    ----------
    first, second : str
        What the two are called: the names of their manifests.
    metadata, data : tuple of Change
        Changes of the tables, and of the data.
    """

    first: str
    second: str
    metadata: tuple[Change, ...]
    data: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.metadata or self.data)

    def __str__(self) -> str:
        if not self:
            return "The two manifests are equivalent"
        lines = "".join(f"{change}\n" for change in (*self.metadata, *self.data))
        return f"Changes going from\n{self.first}\nto\n{self.second}\n\n{lines}"

    def summary(self) -> dict[str, list[tuple[str, str]]]:
        """Return ``metadata_changes`` and ``data_changes``, each as pairs of path and line."""
        return {
            "metadata_changes": [(change.path, str(change)) for change in self.metadata],
            "data_changes": [(change.path, str(change)) for change in self.data],
        }

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{change.kind}</td><td>{escape(change.path)}</td>"
            f"<td>{escape(change.new_path)}</td></tr>"
            for change in (*self.metadata, *self.data)
        )
        title = f"{escape(self.first)} → {escape(self.second)}"
        return f"<table><caption>{title}</caption>{rows}</table>" if rows else f"{title}: equal"


def compare(
    first: Manifest, second: Manifest, *, names: tuple[str, str] | None = None
) -> Comparison:
    """Compare two versions of a release.

    A file with the same path and another checksum has changed. One that is gone was renamed if its
    content is still there, at a path that is new if there is one, and deleted otherwise. A path
    that is new was created, unless a file was renamed to it: a copy of a file that stays is listed
    as created, and of several copies of one that is gone all but one.

    Parameters
    ----------
    first, second : Manifest
        The older and the newer one.
    names : tuple of str, optional
        What to call them; the names of their files unless given.

    Returns
    -------
    Comparison
        Its text says one change per line.
    """
    return Comparison(
        *(names or (first.name, second.name)),
        tuple(_changes(first.metadata_files.values(), second.metadata_files.values())),
        tuple(_changes(first.data_files.values(), second.data_files.values())),
    )


def _changes(first: Iterable[FileEntry], second: Iterable[FileEntry]) -> list[Change]:
    # In the order of keys, which decides between files of the same content.
    old, new = (
        {entry.path: entry.file_hash for entry in sorted(entries)} for entries in (first, second)
    )
    renamed = _renamed(old, new)
    arrived = set(renamed.values())
    changes = []
    for path in sorted({*old, *new}):
        if path in old and path in new:
            if old[path] != new[path]:
                changes.append(Change(path, "changed"))
        elif path in renamed:
            changes.append(Change(path, "renamed", renamed[path]))
        elif path in old:
            changes.append(Change(path, "deleted"))
        elif path not in arrived:
            changes.append(Change(path, "created"))
    return changes


def _renamed(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """Return for each file that is gone where its content is now, if it is anywhere."""
    free: dict[str, list[str]] = {}
    for path, file_hash in new.items():
        if path not in old:
            free.setdefault(file_hash, []).append(path)
    anywhere = {file_hash: path for path, file_hash in new.items()}
    renamed = {}
    for path, file_hash in old.items():
        if path in new or file_hash not in anywhere:
            continue
        left = free.get(file_hash)
        renamed[path] = left.pop() if left else anywhere[file_hash]
    return renamed
