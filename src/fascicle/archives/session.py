"""One session of an archive: list what it has, load it."""

from __future__ import annotations

import builtins
import html
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.archives import match, watch
from fascicle.archives.base import Archive, DatasetRef, Holder
from fascicle.archives.choosing import Shelf
from fascicle.archives.select import split_path
from fascicle.errors import ALFMultipleObjectsFound, ALFObjectNotFound, SessionNotFound

if TYPE_CHECKING:
    from datetime import date as Date

    import pandas as pd

    from fascicle.catalogue import Datasets, Insertion, Session
    from fascicle.load import AlfBunch


class OpenSession:
    """One session of an archive.

    Made by ``archive.open(…)`` or by iterating over the result of ``fascicle.find``. It pickles,
    and reads the archive's catalogue only when asked.

    Parameters
    ----------
    archive : Archive
        Where it is.
    eid : uuid.UUID
        Its id there.
    """

    def __init__(self, archive: Archive, eid: UUID) -> None:
        self.archive = archive
        self.eid = eid
        self._datasets: Datasets | None = None

    # -- what it is --------------------------------------------------------------------------

    @property
    def row(self) -> int:
        """Its row in the archive's catalogue."""
        row = self.archive.catalogue().row(self.eid)
        if row is None:
            raise SessionNotFound(
                f"session {self.eid} is not in {self.archive.name}",
                hint="search anew with fascicle.find(): the index has changed since",
            )
        return row

    @property
    def record(self) -> Session:
        """Its row of the catalogue: eid, lab, subject, date, number, protocol, projects, path."""
        return self.archive.catalogue().session(self.row)

    @property
    def lab(self) -> str:
        """The laboratory, empty where the folders name none."""
        return self.record.lab

    @property
    def subject(self) -> str:
        """The subject's name."""
        return self.record.subject

    @property
    def date(self) -> Date:
        """The day of the recording."""
        return self.record.date

    @property
    def number(self) -> int:
        """Which session of that day it is."""
        return self.record.number

    @property
    def path(self) -> Path:
        """The session's folder on this machine.

        Raises
        ------
        SessionNotFound
            If the archive is not a folder here.
        """
        root = self.archive.catalogue().root
        if root is None:
            raise SessionNotFound(
                f"session {self.eid} of {self.archive.name} is not a folder on this machine",
                hint="load what you need with session.load(…)",
            )
        return Path(root) / self.record.path

    @property
    def insertions(self) -> builtins.list[Insertion]:
        """The probe insertions of the session, by name."""
        found = self.archive.catalogue().insertions([self.row])
        return sorted(found, key=lambda insertion: insertion.name)

    # -- what it has -------------------------------------------------------------------------

    @property
    def datasets(self) -> Datasets:
        """All datasets, as columns of the catalogue: every revision, whatever their quality."""
        if self._datasets is None:
            self._datasets = self.archive.catalogue().datasets(self.row)
        return self._datasets

    def list(
        self,
        datasets: str | Sequence[str] | None = None,
        *,
        collection: str | None = None,
        revision: str | None = None,
        every_revision: bool = False,
        qc: str | int = "FAIL",
    ) -> builtins.list[str]:
        """Return the datasets as paths relative to the session.

        Parameters
        ----------
        datasets : str or sequence of str, optional
            Keep those that match any of these: ``object.attribute``, an object, a file name, a
            relative path; each may be a glob, or an expression after ``re:``.
        collection : str, optional
            Keep those in this collection (glob and ``re:`` too); ``""`` for those in none.
        revision : str, optional
            The last revision of each up to this one, in place of the default.
        every_revision : bool
            List all revisions rather than one of each dataset.
        qc : str or int
            The worst outcome of quality control that is still listed.

        Returns
        -------
        list of str
            Sorted.
        """
        shelf = self._shelf()
        positions = shelf.matching(datasets, collection, match.qc(qc))
        if not every_revision:
            # To look at a list is no reason to fail, even where tables mark two defaults.
            choices = shelf.one_each(positions, revision, strict=False)
            positions = [choice.position for choice in choices]
        return sorted(shelf.paths[p] for p in positions)

    def files(
        self,
        datasets: str | Sequence[str] | None = None,
        *,
        collection: str | None = None,
        revision: str | None = None,
        qc: str | int = "FAIL",
    ) -> builtins.list[Path]:
        """Return the files of what `list` lists, fetched if need be; parameters alike.

        Raises
        ------
        ALFObjectNotFound
            If a folder lacks one of the files.
        OfflineError, NotHereError, TransferError
            If one is not here and cannot be fetched.
        ALFMultipleRevisionsFound
            If several revisions of a dataset are marked as the default.
        """
        shelf = self._shelf()
        positions = shelf.matching(datasets, collection, match.qc(qc))
        if (nwb := self._within(positions)) is not None:
            return nwb.files(datasets, collection=collection, qc=qc)
        paths = sorted(shelf.paths[c.position] for c in shelf.one_each(positions, revision))
        return self._bring(paths)

    def collections(self, datasets: str | Sequence[str] | None = None) -> builtins.list[str]:
        """Return the collections that hold such datasets, sorted; ``""`` is the session itself."""
        return self._shelf().collections(datasets)

    def frame(self) -> pd.DataFrame:
        """Return all datasets as a table with the columns of ONE, index ``id``."""
        return self.datasets.frame()

    # -- loading -----------------------------------------------------------------------------

    def load(
        self,
        object: str,
        *,
        collection: str | None = None,
        attribute: str | Sequence[str] | None = None,
        namespace: str | None = None,
        revision: str | None = None,
        qc: str | int = "FAIL",
        mmap: bool = False,
        short_keys: bool = False,
    ) -> AlfBunch:
        """Load the attributes of one object.

        Parameters
        ----------
        object : str
            The object's name, e.g. ``trials``.
        collection : str, optional
            Where it is; needed if several collections have one.
        attribute : str or sequence of str, optional
            Only these attributes (glob and ``re:`` too).
        namespace : str, optional
            Only files of this namespace; ``""`` for files without.
        revision : str, optional
            The last revision up to this one, in place of the default.
        qc : str or int
            The worst outcome of quality control that is still loaded.
        mmap : bool
            Map arrays into memory rather than reading them.
        short_keys : bool
            Leave out extra parts of the names.

        Returns
        -------
        AlfBunch
            Attributes by name, arrays with one row per event, sample, unit, …

        Raises
        ------
        ALFObjectNotFound
            If the session has no such object, or its files are not here.
        ALFMultipleCollectionsFound, ALFMultipleObjectsFound
            If several match.
        ALFMultipleRevisionsFound
            If several revisions of a dataset are marked as the default.
        """
        from fascicle.load import load_object

        shelf = self._shelf()
        positions = shelf.of_object(object, collection, attribute, namespace, match.qc(qc))
        if (nwb := self._within(positions)) is not None and not shelf.matching(object):
            return nwb.load(
                object,
                collection=collection,
                attribute=attribute,
                namespace=namespace,
                qc=qc,
                mmap=mmap,
                short_keys=short_keys,
            )
        paths = shelf.pick(object, positions, collection, revision, match.qc(qc))
        if not mmap and (holder := self.holder()) is not None:
            return self._put_together(holder, paths, short_keys=short_keys)
        return load_object(self._bring(paths), mmap=mmap, short_keys=short_keys)

    def read(
        self,
        dataset: str,
        *,
        collection: str | None = None,
        revision: str | None = None,
        qc: str | int = "FAIL",
        mmap: bool = False,
    ) -> Any:
        """Load one dataset.

        Parameters
        ----------
        dataset : str
            ``object.attribute``, file name or relative path, as for `list`.
        collection, revision, qc, mmap
            As for `load`.

        Returns
        -------
        object
            An array, a table, a dictionary; a path where the format is none that fascicle reads.

        Raises
        ------
        ALFObjectNotFound, ALFMultipleCollectionsFound, ALFMultipleObjectsFound
            If not exactly one dataset matches, or its file is not here.
        """
        from fascicle.load import load_file

        if (nwb := self._within_named(dataset, collection)) is not None:
            return nwb.read(dataset, collection=collection, qc=qc, mmap=mmap)
        path = self._named(dataset, collection, revision, qc)
        if not mmap and (holder := self.holder()) is not None:
            return holder.value(DatasetRef(self.eid, path))
        return load_file(self._file(path), mmap=mmap)

    def file(
        self,
        dataset: str,
        *,
        collection: str | None = None,
        revision: str | None = None,
        qc: str | int = "FAIL",
    ) -> Path:
        """Return the file of one dataset, fetched if need be; parameters are those of `read`."""
        if (nwb := self._within_named(dataset, collection)) is not None:
            return nwb.file(dataset, collection=collection, qc=qc)
        return self._file(self._named(dataset, collection, revision, qc))

    # -- within NWB files --------------------------------------------------------------------

    @property
    def nwb(self) -> OpenSession:
        """The session as its NWB files have it, under ALF names.

        Of an archive of NWB files it is the session itself. `load`, `read`, `file` and `files` look
        there by themselves for what no file of the session is named like.

        Raises
        ------
        ALFObjectNotFound
            If the session has no NWB file.
        """
        if isinstance(self.archive, Holder):
            return self
        if (found := self._within([])) is None:
            raise ALFObjectNotFound(
                f"{self._label} has no NWB file",
                hint=f"session.list() shows its {len(self.datasets)} datasets",
            )
        return found

    def _within(self, positions: Sequence[int]) -> OpenSession | None:
        """Return the session as its NWB files have it, unless something matches without."""
        within = getattr(self.archive, "within", None)
        if positions or within is None:
            return None
        if not any(path.endswith(".nwb") for path in self.datasets.rel_paths):
            return None
        found: OpenSession = within().open(self)
        return found

    def _within_named(self, dataset: str, collection: str | None) -> OpenSession | None:
        shelf = self._shelf()
        if dataset in shelf.paths:
            return None
        return self._within(shelf.matching(dataset, collection, qc=50))

    def holder(self) -> Holder | None:
        """Return what reads its datasets out of larger files; None where they are files.

        Where loads are recorded or held to a lock they are made files, which have checksums.
        """
        return self.archive if isinstance(self.archive, Holder) and not watch.watched() else None

    def _named(
        self, dataset: str, collection: str | None, revision: str | None, qc: str | int
    ) -> str:
        """Return the path of the one dataset that a word means."""
        shelf = self._shelf()
        if dataset in shelf.paths:
            return dataset
        positions = shelf.matching(dataset, collection, match.qc(qc))
        paths = shelf.pick(dataset, positions, collection, revision, match.qc(qc))
        if len(paths) > 1:
            listed = ", ".join(paths[:5])
            raise ALFMultipleObjectsFound(
                f"{dataset!r} matches {len(paths)} datasets: {listed}",
                hint=f'name one of them in full, e.g. "{paths[0]}"',
            )
        return paths[0]

    # -- how it shows ------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<session {self._label} of {self.archive.name}, {self.eid}>"

    def _repr_html_(self) -> str:
        s, held = self.record, self.datasets
        folders: dict[str, builtins.list[str]] = {}
        for path in self.list():
            folders.setdefault(split_path(path).collection, []).append(split_path(path).name)
        known = [size for size in held.sizes if size is not None]
        size = human_bytes(sum(known)) if known or not held.sizes else "size not known"
        parts = [
            f"<div><b>{_safe(s.subject)}</b> {s.date} #{s.number} · {_safe(s.lab)}<br>",
            f"<code>{s.eid}</code> · {len(held.rel_paths)} datasets, {size}",
        ]
        for folder, names in sorted(folders.items()):
            items = "".join(f"<li>{_safe(name)}</li>" for name in names)
            title = f"{_safe(folder) or '.'} ({len(names)})"
            parts.append(f"<details><summary>{title}</summary><ul>{items}</ul></details>")
        return "".join([*parts, "</div>"])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OpenSession):
            return NotImplemented
        return (self.archive.name, self.eid) == (other.archive.name, other.eid)

    def __hash__(self) -> int:
        return hash((self.archive.name, self.eid))

    def __getstate__(self) -> dict[str, Any]:
        return {"archive": self.archive, "eid": self.eid, "_datasets": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def _shelf(self) -> Shelf:
        marked = self.archive.catalogue().has_default_revision
        return Shelf(self.datasets, marked=marked, label=self._label)

    @property
    def _label(self) -> str:
        """What messages call it: sessions of a release share folders, and have ids of their own."""
        native: dict[str, str] = self.archive.catalogue().meta.get("native_ids", {})
        return native.get(self.eid.hex) or self.record.path

    def _put_together(
        self, holder: Holder, rel_paths: Sequence[str], *, short_keys: bool
    ) -> AlfBunch:
        """Return the object that some datasets are, by the rules for files."""
        from fascicle.load.objects import assemble

        refs = [DatasetRef(self.eid, path) for path in rel_paths]
        named = dict(zip(map(str, self.archive.targets(refs)), refs, strict=True))
        found: AlfBunch = assemble(
            named, short_keys=short_keys, read=lambda path: holder.value(named[path])
        )
        return found

    def _file(self, rel_path: str) -> Path:
        return self._bring([rel_path])[0]

    def _bring(self, rel_paths: Sequence[str]) -> builtins.list[Path]:
        """Return the files of datasets; what is not here comes in one batch."""
        if watch.watched():
            return watch.bring(self.archive, self.eid, rel_paths)
        return self.archive.bring([DatasetRef(self.eid, path) for path in rel_paths])


def human_bytes(size: float) -> str:
    """Return a number of bytes as people read it, e.g. ``1.3 GB``."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return ""


def _safe(text: str) -> str:
    return html.escape(text)
