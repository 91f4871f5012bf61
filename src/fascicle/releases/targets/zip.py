"""A release in one ZIP file, which appears when it is whole.

The same files always give the same bytes. What is text is compressed; all else is stored as it is,
so that it can be read where it lies.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import zipfile
from collections.abc import Collection, Sequence

from fascicle.errors import BadFileError, FascicleError, RemoteNotFound, VersionExists
from fascicle.releases.targets.base import Upload, amazon_url, raise_for_failed
from fascicle.releases.targets.folder import put_exclusively
from fascicle.releases.targets.reading import Sending, blocks, unreadable
from fascicle.transfer.disk import disk_error
from fascicle.transfer.places import ZipPlace
from fascicle.transfer.zips import members, safe_key

_TEXT = {
    *(".csv", ".tsv", ".htsv", ".ssv", ".json", ".jsonable", ".yaml", ".yml", ".toml"),
    *(".txt", ".md", ".rst", ".html", ".xml", ".cff", ".bib", ".py"),
}
_EPOCH = (1980, 1, 1, 0, 0, 0)


class ZipTarget:
    """A ZIP file to write: it holds one version.

    Parameters
    ----------
    place : ZipPlace
    project : str
        For the addresses in the manifest.
    """

    versioned = False

    def __init__(self, place: ZipPlace, project: str) -> None:
        self.place = place
        self.project = project
        self._files: dict[str, Upload] = {}
        self._progress: bool | None = None
        self._bandwidth: int | None = None

    @property
    def name(self) -> str:
        """The ZIP file."""
        return self.place.name

    def url(self, key: str) -> str:
        """Return the address that the file would have in a bucket of the project's name."""
        return amazon_url(self.project, f"{self.project}/{key}")

    def exists(self, key: str) -> bool:
        """Return whether the ZIP file is there, with a member of that name."""
        try:
            return key in members(self.place.path)
        except RemoteNotFound:
            return False

    def upload(
        self,
        files: Sequence[Upload],
        *,
        replace: Collection[str] = (),
        parallel: int | None = None,
        progress: bool | None = None,
        bandwidth: int | None = None,
    ) -> dict[str, str]:
        """Note files; they are written together by `claim`. See `Target.upload`."""
        failed: dict[str, FascicleError] = {}
        for file in files:
            try:
                if not safe_key(file.key):
                    raise BadFileError(f"{file.key!r} is no name of a member")
                if file.path is not None:
                    os.stat(file.path)
            except FascicleError as error:
                failed[file.key] = error
            except OSError as error:
                assert file.path is not None  # for the type checker
                failed[file.key] = unreadable(file.path, error)
        raise_for_failed(failed, len(files), self.name)
        self._files |= {file.key: file for file in files}
        self._progress, self._bandwidth = progress, bandwidth
        return dict.fromkeys((file.key for file in files), "")

    def claim(self, key: str, data: bytes) -> str:
        """Write the ZIP file, which must not be there yet; see `Target.claim`.

        Raises
        ------
        VersionExists
            If it is there, and holds anything else.
        BatchError, ChangedFile
            If files cannot be read, or are not those that were hashed.
        """
        path = self.place.path
        if path.exists():
            return self._same(key, data)
        manifest = Upload(key, None, data, len(data), hashlib.sha256(data).hexdigest())
        files = [file for _, file in sorted((self._files | {key: manifest}).items())]
        part = path.with_name(f".{path.name[:120]}.{secrets.token_hex(4)}.publish.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(part, "xb") as f:
                self._write(f, files)
                f.flush()
                os.fsync(f.fileno())
            put_exclusively(part, path)
        except FileExistsError:
            return self._same(key, data)
        except OSError as error:
            if isinstance(error, FascicleError):
                raise
            raise disk_error(error, path) from error
        finally:
            part.unlink(missing_ok=True)
        return ""

    def _same(self, key: str, data: bytes) -> str:
        try:
            same = self.place.read(key, at_most=len(data)) == data
        except FascicleError:
            same = False
        if same:
            return ""
        raise VersionExists(
            f"{self.name} exists already, with other content",
            hint="a ZIP file holds one version: choose another name",
        )

    def _write(self, f: object, files: Sequence[Upload]) -> None:
        failed: dict[str, FascicleError] = {}
        with (
            Sending(files, progress=self._progress, bandwidth=self._bandwidth) as sending,
            zipfile.ZipFile(f, "w", allowZip64=True) as archive,  # type: ignore[call-overload]
        ):
            for file in files:
                info = zipfile.ZipInfo(file.key, _EPOCH)
                info.create_system = 3
                info.external_attr = 0o644 << 16
                info.file_size = file.size
                text = os.path.splitext(file.key)[1].lower() in _TEXT
                info.compress_type = zipfile.ZIP_DEFLATED if text else zipfile.ZIP_STORED
                try:
                    with archive.open(info, "w", force_zip64=file.size >= 1 << 31) as member:
                        for data in blocks(file):
                            sending.wait(len(data))
                            member.write(data)
                            sending.sent(len(data))
                except FascicleError as error:  # the others are looked at too: all are named
                    failed[file.key] = error
        raise_for_failed(failed, len(files), self.name)
