"""What a form of release has to say: its versions, its files, and its sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from fascicle.catalogue.columns import Columns
    from fascicle.formats.manifest import FileEntry, Manifest
    from fascicle.transfer.places import Place
    from fascicle.transfer.source import Source

#: Brings files of a version here, all at once.
Bring: TypeAlias = "Callable[[Sequence[FileEntry]], list[Path]]"


class Form(Protocol):
    """One project's releases, in one form. Plain data: it pickles, and reads nothing by itself."""

    @property
    def project(self) -> str:
        """Name of the project."""
        ...

    @property
    def home(self) -> Path:
        """The folder that files are in, or are fetched into."""
        ...

    @property
    def in_place(self) -> bool:
        """Whether the files are there already, and are used where they are."""
        ...

    @property
    def place(self) -> Place:
        """Where they come from."""
        ...

    def listed(self) -> dict[str, int | None]:
        """Return the versions that the place has, oldest first, with the sizes of manifests."""
        ...

    def here(self) -> list[str]:
        """Return the versions whose manifests are here, oldest first."""
        ...

    def manifest_path(self, version: str) -> Path:
        """Return where the manifest of a version is here, or would be."""
        ...

    def fetch_manifest(self, version: str) -> bytes:
        """Return the manifest of a version as the place has it."""
        ...

    def parse(self, content: bytes, where: str) -> Manifest:
        """Return a manifest that was checked."""
        ...

    def root(self, version: str) -> Path:
        """Return the folder that the paths of a version's files are relative to."""
        ...

    def source(self, manifest: Manifest, entry: FileEntry) -> Source:
        """Return where the bytes of a file are."""
        ...

    def target(self, manifest: Manifest, entry: FileEntry) -> Path:
        """Return where a file is here, or would be."""
        ...

    def brought(self, manifest: Manifest, found: Sequence[tuple[Path, FileEntry]]) -> None:
        """Note for other readers of the same folder which files are there now."""
        ...

    def terms(self, manifest: Manifest) -> frozenset[str]:
        """Return the terms that a search in it can have."""
        ...

    def recipe(self) -> str:
        """Return what the catalogue depends on beside the manifest."""
        ...

    def columns(self, manifest: Manifest, bring: Bring, tables: Sequence[Path]) -> Columns:
        """Return the sessions, datasets and insertions of a version.

        Parameters
        ----------
        manifest : Manifest
        bring : callable
        tables : sequence of pathlib.Path
            Where copies of tables may be kept, the best place first.
        """
        ...
