"""Files that belong to no session: tables of releases, and what folders have beside sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fascicle.archives.base import Archive, Source
    from fascicle.archives.release import ReleaseArchive
    from fascicle.transfer.result import Result


def files_of(
    archive: Archive, paths: list[str], folder: Path | None
) -> dict[str, tuple[Source, Path]]:
    """Return where files of an archive come from, and where they belong.

    Parameters
    ----------
    archive : Archive
    paths : list of str
        Relative to the release, or to the folder.
    folder : pathlib.Path or None
        Where they are to be brought; None for the archive's own store.

    Returns
    -------
    dict
        Of those files that the archive has: a source and a target for each.
    """
    from fascicle.archives.folder import FolderArchive
    from fascicle.archives.release import ReleaseArchive
    from fascicle.transfer.source import Source

    found: dict[str, tuple[Source, Path]] = {}
    if isinstance(archive, FolderArchive):
        for path in paths:
            file = archive.folder.joinpath(*path.split("/"))
            if file.is_file():
                found[path] = Source(file.as_uri()), (folder or archive.folder) / path
    elif isinstance(archive, ReleaseArchive):
        wanted = set(paths)
        for entry, source, target in archive.places():
            if entry.path in wanted:
                place = target if folder is None else _place(archive, folder, entry.path)
                found[entry.path] = source, place
    return found


def _place(archive: ReleaseArchive, folder: Path, path: str) -> Path:
    """Return where a file belongs in a folder: as the readers of such releases look for it."""
    if archive.manifest.ours:
        return folder / path
    return folder / f"{archive.manifest.project}-{archive.manifest.version}" / path


@dataclass(frozen=True, slots=True)
class KeptRelease:
    """Lets the readers of a project's releases open what was brought: its manifest and the record.

    Attributes
    ----------
    folder : pathlib.Path
    project, name : str
        Of the project, and of its manifest's file.
    manifest : bytes
    hashes : mapping
        For each path below the folder the checksum that the manifest has.
    """

    folder: Path
    project: str
    name: str
    manifest: bytes = field(repr=False)
    hashes: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, archive: ReleaseArchive, folder: Path) -> KeptRelease:
        """Return what is to follow once files of a release are in a folder."""
        manifest = archive.manifest
        top = f"{manifest.project}-{manifest.version}"
        hashes = {f"{top}/{entry.path}": entry.file_hash for entry in manifest.files()}
        return cls(folder, manifest.project, manifest.name, archive.manifest_bytes(), hashes)

    def __call__(self, result: Result) -> None:
        """Write the manifest, and note the files that are here."""
        from fascicle.archives.layout import Store, write_whole
        from fascicle.transfer.ledger import relative

        here = [o.item.target for o in result.ok if relative(o.item.target, self.folder)]
        known = [(p, h) for p in here if (h := self.hashes.get(relative(p, self.folder)))]
        if not known:
            return
        store = Store(self.folder, self.project)
        target = store.manifest_path(self.name)
        if not target.is_file():
            write_whole(target, self.manifest.decode())
        store.add_to_record(known)
