"""The ALF datasets of one session as a conversion reads them: chosen, brought here, loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.alf import spec
from fascicle.archives.select import split_path
from fascicle.errors import ALFObjectNotFound

if TYPE_CHECKING:
    from fascicle.archives.session import OpenSession

_PROBE = re.compile(r"(?:^|/)(probe[0-9A-Za-z_]+)(?:/|$)")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One dataset of the session.

    Attributes
    ----------
    path : str
        Relative to the session.
    collection, revision : str
    namespace, object, attribute, timescale, extra, extension : str
        Parts of its name; all but ``object`` (then the whole name) empty where the name follows
        no convention.
    size : int or None
        Bytes, where the catalogue knows.
    checksum : str
        ``md5:…`` or another algorithm's, empty where the catalogue knows none.
    """

    path: str
    collection: str
    revision: str
    namespace: str
    object: str
    attribute: str
    timescale: str
    extra: str
    extension: str
    size: int | None = None
    checksum: str = ""

    @property
    def key(self) -> str:
        """``object.attribute``, the timescale with it where there is one (``times_mic``)."""
        stem = f"{self.object}.{self.attribute}" if self.attribute else self.object
        return f"{stem}_{self.timescale}" if self.timescale else stem

    @property
    def probe(self) -> str:
        """The probe's label where its collection names one, else empty."""
        found = _PROBE.search(self.collection)
        return found[1] if found else ""


class Source:
    """The datasets of one session: one revision of each, the default.

    Parameters
    ----------
    session : OpenSession
        Of any archive.

    Notes
    -----
    Nothing is read before it is asked for. Arrays are mapped into memory, so that a file of any
    size costs what is looked at.
    """

    def __init__(self, session: OpenSession) -> None:
        self.session = session
        self._kept: dict[str, Any] = {}

    @cached_property
    def files(self) -> list[SourceFile]:
        """Its datasets, sorted by path: the default revision of each."""
        chosen = set(self.session.list())
        held = self.session.datasets
        facts = {
            path: (size, value)
            for path, size, value in zip(held.rel_paths, held.sizes, held.hashes, strict=True)
        }
        return [_file(path, *facts.get(path, (None, None))) for path in sorted(chosen)]

    @cached_property
    def others(self) -> list[str]:
        """Datasets left aside: other revisions than the default, failed quality control."""
        return sorted(set(self.session.datasets.rel_paths) - {file.path for file in self.files})

    def find(
        self,
        object: str,
        attribute: str | None = None,
        *,
        collection: str | None = None,
        extension: str | None = None,
    ) -> list[SourceFile]:
        """Return the datasets of an object, those of one attribute or collection only if asked.

        Parameters
        ----------
        object : str
        attribute : str, optional
            With its timescale, as in `SourceFile.key`.
        collection : str, optional
            Exactly this one.
        extension : str, optional
        """
        return [
            file
            for file in self.files
            if file.object == object
            and (attribute is None or file.key == f"{object}.{attribute}")
            and (collection is None or file.collection == collection)
            and (extension is None or file.extension == extension)
        ]

    def one(self, key: str, *, collection: str | None = None) -> SourceFile | None:
        """Return the dataset ``object.attribute``, or None; of several the first by path."""
        holder, _, attribute = key.partition(".")
        found = self.find(holder, attribute or None, collection=collection)
        return found[0] if found else None

    @property
    def probes(self) -> dict[str, list[str]]:
        """Label of each probe to the collections that hold something of it, sorted."""
        out: dict[str, list[str]] = {}
        for file in self.files:
            if file.probe and file.collection not in out.setdefault(file.probe, []):
                out[file.probe].append(file.collection)
        return dict(sorted(out.items()))

    def place(self, file: SourceFile) -> Path:
        """Return the file on this machine, fetched if need be.

        Raises
        ------
        ALFObjectNotFound, OfflineError, TransferError
            If it is not here and cannot be brought.
        """
        return self.session._bring([file.path])[0]

    def bring(self, files: Iterable[SourceFile]) -> None:
        """Fetch datasets in one batch, so that `load` and `place` find them here."""
        paths = [file.path for file in files]
        if paths:
            self.session._bring(paths)

    def load(self, file: SourceFile, *, keep: bool = True) -> Any:
        """Return what a dataset holds: arrays mapped into memory, tables as DataFrames.

        Parameters
        ----------
        file : SourceFile
        keep : bool
            Remember it. Not for arrays that are read once and are large.

        Raises
        ------
        ALFObjectNotFound, OfflineError, TransferError
            If it is not here and cannot be brought.
        BadFileError
            If it is harmed.
        """
        from fascicle.load import load_file

        if file.path in self._kept:
            return self._kept[file.path]
        values = load_file(self.place(file), mmap=file.extension == "npy")
        if keep:
            self._kept[file.path] = values
        return values

    def values(self, key: str, *, collection: str | None = None) -> Any:
        """Return the values of ``object.attribute`` or of ``object.attribute:column``.

        Raises
        ------
        ALFObjectNotFound
            If the session has no such dataset, or the table no such column.
        """
        name, _, column = key.partition(":")
        file = self.one(name, collection=collection)
        if file is None:
            raise ALFObjectNotFound(f"{self.session!r} has no {name} in {collection or 'it'}")
        values = self.load(file)
        if not column:
            return values
        if column not in values:
            raise ALFObjectNotFound(f"{file.path} has no column {column!r}")
        return values[column].to_numpy()

    def forget(self) -> None:
        """Let go of what was loaded."""
        self._kept.clear()


def _file(path: str, size: int | None, checksum: str | None) -> SourceFile:
    where = split_path(path)
    parts = spec.parse_name(where.name)
    said = "" if not checksum else checksum if ":" in checksum else f"md5:{checksum}"
    if parts is None:
        stem, _, extension = where.name.rpartition(".")
        return SourceFile(
            path, where.collection, where.revision or "", "", stem or where.name, "", "", "",
            extension if stem else "", size, said,
        )  # fmt: skip
    return SourceFile(
        path,
        where.collection,
        where.revision or "",
        parts.namespace or "",
        parts.object,
        parts.attribute,
        parts.timescale or "",
        parts.extra or "",
        parts.extension,
        size,
        said,
    )
