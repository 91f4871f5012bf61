"""The folder that releases of a project are kept in, laid out as the Allen Institute's readers do.

::

    cache/_manifest_last_used.txt                    which version was loaded last
    cache/_downloaded_data.json                      absolute path: checksum, of what was fetched
    cache/{project}_project_manifest_v{version}.json
    cache/{project}-{version}/{path in the release}
    cache/.fascicle/                                 ours: ledger, copies of tables

Their readers open such a folder after ours, and ours after theirs. A folder that mirrors a bucket
(static) has the manifests in ``{project}/manifests`` and the files of its newest version right
below ``{project}``; nothing is ever written there.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path

from fascicle.errors import HashMismatch, ManifestError, NotHereError, UnsafeTarget
from fascicle.formats.manifest import FileEntry, Manifest, read_manifest, version_of_name
from fascicle.transfer.hashes import file_digest
from fascicle.transfer.ledger import HIDDEN, Ledger, Row

LAST_USED = "_manifest_last_used.txt"
RECORD = "_downloaded_data.json"


class Store:
    """The local files of one project.

    Parameters
    ----------
    root : path-like
        The cache folder. It need not exist.
    project : str
        Name of the project.
    static : bool
        Whether the folder mirrors a bucket.
    """

    def __init__(self, root: Path | str, project: str, *, static: bool = False) -> None:
        self.root = Path(os.path.abspath(Path(root).expanduser()))
        self.project = project
        self.static = static
        self._manifests = self.root / project / "manifests" if static else self.root
        self._ledger = Ledger(self.root)

    # -- manifests --------------------------------------------------------------------------------

    def manifest_names(self) -> list[str]:
        """Return the names of the project's manifests that are here, by version.

        Of a mirrored bucket these are the newest alone, since its files are of that version.
        """
        try:
            names = [entry.name for entry in os.scandir(self._manifests) if entry.is_file()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted_names(names, self.project)[-1 if self.static else 0 :]

    def manifest_path(self, name: str) -> Path:
        """Return where a manifest is or would be."""
        return self._manifests / name

    def read(self, name: str) -> Manifest:
        """Return a manifest that is here.

        Raises
        ------
        ManifestError
            If it is damaged, hostile, or another project's.
        """
        manifest = read_manifest(self.manifest_path(name))
        if manifest.project != self.project:
            raise ManifestError(
                f"{name} is a manifest of {manifest.project!r}, not of {self.project!r}"
            )
        return manifest

    def last_used(self) -> str:
        """Return the name of the manifest that was loaded last, or an empty string."""
        try:
            text = (self.root / LAST_USED).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        return text.strip()[:300]

    def set_last_used(self, name: str) -> None:
        """Record which manifest is loaded; a folder that cannot be written is left as it is."""
        if not self.static and self.last_used() != name:
            write_if_allowed(self.root / LAST_USED, name)

    # -- files ------------------------------------------------------------------------------------

    def path(self, manifest: Manifest, entry: FileEntry) -> Path:
        """Return where a file of a version is or would be."""
        folder = self.project if self.static else f"{manifest.project}-{manifest.version}"
        return self.root.joinpath(folder, *entry.path.split("/"))

    def is_inside(self, path: Path) -> bool:
        """Return whether a path leads to a place in the folder, all links followed."""
        real, root = os.path.realpath(path), os.path.realpath(self.root)
        return os.path.commonpath([real, root]) == root

    def check_target(self, path: Path) -> None:
        """Make sure that writing a file stays in the folder.

        Raises
        ------
        UnsafeTarget
            If a link leads out.
        """
        if not self.is_inside(path.parent):
            raise UnsafeTarget(
                f"{path} would be written outside {self.root}: a link leads out of it",
                hint="remove the link, or open the folder that it leads to",
            )

    def is_here(self, manifest: Manifest, entry: FileEntry) -> bool:
        """Return whether a file is here: whole, if it was ever looked at."""
        return self.path(manifest, entry).is_file()

    def verified(self, manifest: Manifest, entry: FileEntry) -> Path:
        """Return the path of a file that is here, and that is what the manifest says.

        A file that was verified before, and that looks as it did then, is not read again.

        Raises
        ------
        NotHereError
            If it is not here.
        HashMismatch
            If it is not what the manifest says, or the manifest has no checksum for it.
        """
        path = self.path(manifest, entry)
        try:
            seen = os.stat(path)
        except OSError:
            seen = None
        if seen is None or not path.is_file():
            raise NotHereError(
                f"{entry.path} of {manifest.project} {manifest.version} is not in {self.root}",
                hint="open the cache with from_s3_cache to fetch it",
            )
        if not entry.algorithm:
            raise HashMismatch(f"the manifest has no usable checksum for {entry.path}")
        name = path.relative_to(self.root).as_posix()
        row = None if self.static else self._ledger.find(name)
        known = row is not None and row.fits(seen) and row.state == "verified"
        if known and row is not None and row.hash == entry.file_hash.lower():
            return path
        if file_digest(path, entry.algorithm) != entry.file_hash.lower():
            raise HashMismatch(
                f"{path} is not what the manifest says: cut short, or changed",
                hint="delete it: it is fetched again by from_s3_cache",
            )
        if not self.static:
            with contextlib.suppress(OSError):
                self._ledger.add([self._verified_row(path, entry)])
        return path

    def _verified_row(self, path: Path, entry: FileEntry) -> Row:
        return self._ledger.note(
            path,
            algorithm=entry.algorithm,
            digest=entry.file_hash.lower(),
            state="verified",
            origin="",
        )

    # -- the record that other readers keep -------------------------------------------------------

    def record(self) -> dict[str, str]:
        """Return which file has which checksum, as other readers recorded it."""
        try:
            content = json.loads((self.root / RECORD).read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(content, dict):
            return {}
        return {k: v for k, v in content.items() if isinstance(v, str)}

    def add_to_record(self, found: Iterable[tuple[Path, str]]) -> None:
        """Record files, so that other readers of the layout know of them.

        The record is one file, which is replaced as a whole. So that of processes that do so at
        once none loses what another has recorded, whoever wrote looks again: all that the ledger
        has, which loses nothing, must be in the record, else it is written once more.
        """
        if self.static:
            return
        fresh = {os.path.realpath(path): file_hash for path, file_hash in found}
        if not fresh:
            return
        with contextlib.suppress(OSError):
            self._ledger.add(self._unnoted(fresh))
        while True:
            before = self.record()
            wanted = {**self._recorded_in_ledger(), **fresh}
            if all(before.get(path) == file_hash for path, file_hash in wanted.items()):
                return
            text = json.dumps({**before, **wanted}, indent=2, sort_keys=True)
            if not write_if_allowed(self.root / RECORD, text):
                return

    def take_off_record(self, paths: Iterable[Path | str]) -> None:
        """Take files that are gone off the record."""
        gone = {os.fspath(path) for path in paths}
        while gone & (before := self.record()).keys():
            after = {path: file_hash for path, file_hash in before.items() if path not in gone}
            if not write_if_allowed(
                self.root / RECORD, json.dumps(after, indent=2, sort_keys=True)
            ):
                return

    def _unnoted(self, found: dict[str, str]) -> Iterator[Row]:
        """Go through those of some files that the ledger does not have, as rows for it."""
        rows, root = self._ledger.rows(), os.path.realpath(self.root) + os.sep
        for path, digest in found.items():
            if not path.startswith(root) or len(digest) != 128:
                continue
            name = path.removeprefix(root).replace(os.sep, "/")
            if name not in rows or rows[name].hash != digest:
                yield self._ledger.note(
                    self.root / name,
                    algorithm="blake2b",
                    digest=digest,
                    state="verified",
                    origin="",
                )

    def _recorded_in_ledger(self) -> dict[str, str]:
        """Return what the ledger has of the files of versions, as the record has it."""
        root = os.path.realpath(self.root)
        folder = re.compile(re.escape(self.project) + r"-\d+\.\d+\.\d+[^/]*/")
        found = {}
        for name, row in self._ledger.rows().items():
            if row.algorithm != "blake2b" or row.state != "verified" or not folder.match(name):
                continue
            path = os.path.join(root, *name.split("/"))
            if os.path.isfile(path):  # other readers link to what is recorded
                found[os.path.realpath(path)] = row.hash
        return found

    def rebuild_record(self, *, progress: bool = False) -> int:
        """Read all files of all versions that are here, and record their checksums.

        Returns
        -------
        int
            How many there are.
        """
        from tqdm import tqdm

        files = sorted({os.path.realpath(path) for path in self._files()})
        bar = tqdm(files, unit="file", desc="checksums", disable=not progress)
        record = {path: file_digest(path, "blake2b") for path in bar}
        write_whole(self.root / RECORD, json.dumps(record, indent=2, sort_keys=True))
        return len(record)

    def has_unrecorded_files(self) -> bool:
        """Return whether there are files beside manifests, and no record of them.

        What a first opening of ours left behind when it was killed does not count: files that the
        ledger has, and parts of files, which the next one goes on with.
        """
        if (self.root / RECORD).exists():
            return False
        noted = {} if self.last_used() else self._ledger.rows()
        for where, folders, names in os.walk(self.root):
            if Path(where) == self.root:
                folders[:] = [name for name in folders if name != HIDDEN]
                names = [name for name in names if name != LAST_USED]
            for name in names:
                if "json" in name or (name.startswith(".") and name.endswith(".part")):
                    continue
                if Path(where, name).relative_to(self.root).as_posix() not in noted:
                    return True
        return False

    def _files(self) -> Iterator[Path]:
        """Go through the files of versions that are here."""
        folder = re.compile(re.escape(self.project) + r"-\d+\.\d+\.\d+")
        try:
            entries = [entry for entry in os.scandir(self.root) if folder.match(entry.name)]
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            for where, _, names in os.walk(entry.path):
                for name in names:
                    path = Path(where, name)
                    if path.is_file() and self.is_inside(path) and not name.endswith(".part"):
                        yield path

    def learn_copy(self, entry: FileEntry) -> bool:
        """Look for an entry's content in other versions, and note where it is for transfers.

        The record has absolute paths; those of a folder that was moved are looked for where it is
        now.

        Returns
        -------
        bool
            Whether it is here, and is what the manifest says.
        """
        if not entry.algorithm:
            return False
        digest = entry.file_hash.lower()
        self._ledger.rows()  # what others noted meanwhile
        if self._ledger.holders(entry.algorithm, digest):
            return True
        for place in self._places(entry):
            if file_digest(place, entry.algorithm) == digest:
                with contextlib.suppress(OSError):
                    self._ledger.add([self._verified_row(place, entry)])
                    return True
        return False

    def _places(self, entry: FileEntry) -> Iterator[Path]:
        for text, file_hash in self.record().items():
            if file_hash != entry.file_hash:
                continue
            parts = Path(text).parts
            at = next((i for i, p in enumerate(parts) if p.startswith(f"{self.project}-")), None)
            if at is not None:
                place = self.root.joinpath(*parts[at:])
                if place.is_file() and self.is_inside(place):
                    yield place

    @property
    def hidden(self) -> Path:
        """The folder in the cache that is ours."""
        return self.root / HIDDEN


def sorted_names(names: Iterable[str], project: str) -> list[str]:
    """Return those names that are manifests of a project, by version."""
    known = [(version_of_name(name, project), name) for name in set(names)]
    return [name for _, name in sorted((v, n) for v, n in known if v is not None)]


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that a reader sees the old content or the new, and nothing between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_if_allowed(path: Path, text: str) -> bool:
    """Write a note that can be done without; a folder that is read-only stays as it is.

    Returns
    -------
    bool
        Whether it was written.
    """
    try:
        write_whole(path, text)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        return False
    return True
