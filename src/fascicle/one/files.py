"""Whether the files of chosen datasets are here and are those that the index describes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.archives import watch
from fascicle.errors import ALFObjectNotFound
from fascicle.one.base import Contents, Local
from fascicle.one.revisions import warn

if TYPE_CHECKING:
    from fascicle.alf import ALFPath
    from fascicle.archives.nwb import NwbArchive
    from fascicle.archives.record import Use

#: What was verified in this process: path -> (size, mtime_ns, inode, md5).
_verified: dict[str, tuple[int, int, int, str]] = {}
#: Files that the user was told of.
_mismatched: set[tuple[str, str]] = set()


def with_uuid(path: str, identifier: UUID) -> str:
    """Return a path with an id before its extension, as in ``times.<uuid>.npy``."""
    stem, dot, extension = path.rpartition(".")
    return f"{stem}.{identifier}{dot}{extension}"


def check(
    path: str,
    size: int | None,
    digest: str,
    *,
    check_hash: bool = True,
    hashed: Callable[[], tuple[int, int, int] | None] | None = None,
) -> bool:
    """Return whether a file is here; warn once where it differs from what is on record.

    Parameters
    ----------
    path : str
        The file.
    size : int or None
        Bytes on record; None where unknown.
    digest : str
        md5 on record; empty where unknown.
    check_hash : bool
        Compare the md5, unless this process did so since the file last changed.
    hashed : callable, optional
        Returns mtime and ctime (ns) and inode of the file when the md5 on record was made of it,
        or None where it was not; a file that is still the same is not read for its md5.

    Returns
    -------
    bool
    """
    try:
        stat = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    if size is not None and stat.st_size != size:
        _mismatch(path, "size", f"{stat.st_size} bytes, and the index says {size}")
    elif check_hash and len(digest) == 32:
        seen = (stat.st_size, stat.st_mtime_ns, stat.st_ino, digest)
        if _verified.get(path) != seen:
            if hashed is not None and hashed() == _looks(stat):
                _verified[path] = seen
                return True
            import hashlib  # OpenSSL takes time to load, and few calls get here

            with open(path, "rb") as file:
                found = hashlib.file_digest(file, "md5").hexdigest()
            if found == digest:
                _verified[path] = seen
            else:
                _mismatch(path, "md5", f"the md5 {found}, and the index says {digest}")
    return True


def _looks(stat: os.stat_result) -> tuple[int, int, int]:
    """Return what changes with a file, in the form that the index keeps."""
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino & (1 << 63) - 1 or 1


def _mismatch(path: str, what: str, text: str) -> None:
    if (path, text) not in _mismatched:
        _mismatched.add((path, text))
        warn(
            f"local {what} mismatch on dataset: {path} has {text}. It is loaded as it is.\n"
            "  If the file was changed on purpose, index the folder again: One.setup(cache_dir); "
            "if not, fetch it again."
        )


def _hashed(contents: Contents, i: int, identifier: UUID) -> tuple[int, int, int] | None:
    """Return what the index saw of a file when it made its md5, or None if somebody else made it.

    The index makes the md5 of files that it gave an id itself; others' are a record of theirs,
    which the file that is here may never have been compared with.
    """
    from fascicle.catalogue import identity

    own = identity.dataset_id(contents.eid.bytes, contents.paths[i])
    return contents.datasets.seen(i) if own == identifier.bytes else None


class FilesMixin(Local):
    """Finds the files of datasets."""

    def _path(self, contents: Contents, position: int, root: str | None = None) -> str:
        """Return the path of a dataset's file."""
        root = os.fspath(self.cache_dir) if root is None else root
        path = f"{root}/{contents.folder}/{contents.paths[position]}"
        if self.uuid_filenames:
            path = with_uuid(path, contents.datasets.record(position)[0])
        return path if os.sep == "/" else path.replace("/", os.sep)

    def _files(
        self, contents: Contents, positions: Sequence[int], *, check_hash: bool
    ) -> list[str | None]:
        """Return the files of some datasets, None for those that are not here."""
        if watch.watched():
            uses = [self._use(contents, i) for i in positions]
            return watch.hand_out(
                uses,
                lambda: self._found(contents, positions, check_hash=check_hash),
                stores=[Path(self.cache_dir)],
            )
        return self._found(contents, positions, check_hash=check_hash)

    def _use(self, contents: Contents, position: int) -> Use:
        """Return what a record of loads says of a dataset."""
        from fascicle.archives import uses
        from fascicle.archives.record import Use

        identifier, digest, size = contents.datasets.record(position)
        path, folder = contents.paths[position], os.path.abspath(self.cache_dir)
        file = self._path(contents, position)
        return Use(
            folder,
            "folder",
            state=uses.state_of(self._catalogue),
            session=contents.folder,
            eid="" if contents.eid.int == 0 else str(contents.eid),
            path=path,
            id=str(identifier),
            hash=digest,
            algorithm="md5" if digest else "",
            size=size,
            url=Path(os.path.abspath(file)).as_uri(),
            sure=uses.is_as_hashed(contents.datasets, position, path, file),
        )

    def _found(
        self, contents: Contents, positions: Sequence[int], *, check_hash: bool
    ) -> list[str | None]:
        if self._nwb is not None:
            return self._out_of_nwb(self._nwb, contents, positions)
        if self._is_replaced("_check_filesystem"):
            # Programs put a method of their own in its place, and expect it to be called.
            from fascicle.one.listing import with_eid

            frame = with_eid(contents.datasets.frame().iloc[list(positions)], contents.eid)
            offline = bool(getattr(self, "offline", True))
            found = self._check_filesystem(frame, offline=offline, check_hash=check_hash)
            return [None if f is None else os.fspath(f) for f in found]
        root = os.fspath(self.cache_dir)
        files: list[str | None] = []
        for i in positions:
            identifier, digest, size = contents.datasets.record(i)
            path = self._path(contents, i, root)
            hashed = partial(_hashed, contents, i, identifier)
            here = check(path, size, digest, check_hash=check_hash, hashed=hashed)
            files.append(path if here else None)
            if here and self.record_loaded:
                self._loaded[identifier] = contents.eid
        return files

    def _opens_nwb(self) -> bool:
        """Take a folder of NWB files for what it is; return whether it is one."""
        from fascicle.archives.nwbfiles import holds_nwb

        if self._tables_dir != self.cache_dir or not holds_nwb(self.cache_dir):
            return False
        from fascicle.archives.nwb import NwbArchive

        self._nwb = NwbArchive(self.cache_dir)
        self._index = self._nwb.catalogue()
        return True

    def _out_of_nwb(
        self, archive: NwbArchive, contents: Contents, positions: Sequence[int]
    ) -> list[str | None]:
        """Return ALF files of what NWB files hold, written where they are not there yet."""
        from fascicle.archives.base import DatasetRef

        refs = [DatasetRef(contents.eid, contents.paths[i]) for i in positions]
        if self.record_loaded:
            for i in positions:
                self._loaded[contents.datasets.record(i)[0]] = contents.eid
        return [os.fspath(path) for path in archive.bring(refs)]

    def _is_replaced(self, name: str) -> bool:
        own = getattr(FilesMixin, name)
        return name in self.__dict__ or getattr(type(self), name) is not own

    def _check_filesystem(
        self,
        datasets: Any,
        offline: bool | None = None,
        update_exists: bool = True,
        check_hash: bool = True,
    ) -> list[ALFPath | None]:
        """Return the files of some datasets, None for those that are not here.

        Parameters
        ----------
        datasets : pandas.DataFrame, pandas.Series
            Rows of the datasets table, indexed by (eid, id) or id.
        offline, update_exists : bool
            Taken for the sake of programs that give them; in local mode they change nothing.
        check_hash : bool
            Compare files with their md5, where there is one.

        Returns
        -------
        list of ALFPath or None
        """
        from fascicle.alf import ALFPath

        out: list[ALFPath | None] = []
        for key, record in _records(datasets):
            eid, identifier = key if isinstance(key, tuple) else (None, key)
            folder = record.get("session_path")
            if folder is None:
                folder = self._session_folder(eid, identifier)
            path = os.path.join(self.cache_dir, *PurePosixPath(folder, record["rel_path"]).parts)
            if self.uuid_filenames:
                path = with_uuid(path, identifier)
            size, digest = record.get("file_size"), record.get("hash")
            known = None if size is None or size != size or str(size) == "<NA>" else int(size)
            here = check(
                path,
                known or None,
                digest if isinstance(digest, str) else "",
                check_hash=check_hash,
            )
            out.append(ALFPath(path) if here else None)
            if here and self.record_loaded:
                self._loaded[identifier] = eid
        return out

    def _session_folder(self, eid: UUID | None, identifier: UUID) -> str:
        catalogue = self._catalogue
        row = None if eid is None else catalogue.row(eid)
        if row is None and (place := catalogue.locate_dataset(identifier)):
            row = place[0]
        if row is None:
            raise ALFObjectNotFound(
                f"no session is known for the dataset {identifier}",
                hint="index the folder again: One.setup(cache_dir)",
            )
        return catalogue.session(row).path


def _records(datasets: Any) -> Iterable[tuple[Any, dict[str, Any]]]:
    if hasattr(datasets, "iterrows"):
        return [(key, dict(row)) for key, row in datasets.iterrows()]
    if hasattr(datasets, "name") and hasattr(datasets, "to_dict"):
        return [(datasets.name, datasets.to_dict())]
    from fascicle.one.records import datasets2records

    return _records(datasets2records(list(datasets)))
