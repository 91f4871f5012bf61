"""A versioned release as an archive: in a bucket, a folder, a ZIP file, or on a web server."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from posixpath import normpath
from typing import TYPE_CHECKING
from uuid import UUID

from fascicle.archives import watch
from fascicle.archives.base import SEARCH_TERMS, Capabilities, DatasetRef, SessionName, Source
from fascicle.archives.edition import Edition
from fascicle.archives.keeping import kept_catalogue
from fascicle.archives.session import OpenSession
from fascicle.archives.sessionnames import row_of
from fascicle.errors import (
    ALFObjectNotFound,
    NotFoundError,
    NotHereError,
    nearest,
)
from fascicle.formats.manifest import FileEntry
from fascicle.formats.project import ProjectConfig

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.archives.bringing import Bringer
    from fascicle.archives.nwbrelease import NwbRelease
    from fascicle.catalogue import Catalogue
    from fascicle.transfer.bars import Shown
    from fascicle.transfer.plan import Plan


class ReleaseArchive(Edition):
    """One version of a project's releases.

    Parameters
    ----------
    place : str or path-like
        ``s3://bucket/project``, a bucket with one project, a folder or a ZIP file that a release
        was published to, or the address of a manifest. ``@1.1.0`` behind it names the version.
    version : str, optional
        The version; the newest by default.
    store : path-like, optional
        The folder that files are fetched into, laid out as the Allen Institute's readers do; by
        default one in the user's cache. The files of a folder are used where they are.
    endpoint : str, optional
        Of S3, if it is not Amazon's; by default as ``AWS_ENDPOINT_URL_S3`` says.
    project : str, path-like or ProjectConfig, optional
        What the tables of the project mean, where that is not known: a TOML file.

    Examples
    --------
    >>> archive = ReleaseArchive("s3://bucket/project", version="1.1.0")  # doctest: +SKIP
    >>> archive.open("1044385384").list()  # doctest: +SKIP
    """

    def _forget(self) -> None:
        super()._forget()
        self._catalogue: Catalogue | None = None
        self._entries: dict[str, FileEntry] = {}
        self._bringer: Bringer | None = None
        self._frames: dict[str, pd.DataFrame] = {}
        self._alf: dict[bool, NwbRelease] = {}

    # -- the protocol of archives -----------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        """The terms that its tables can answer. A release is never written to."""
        return Capabilities(search_terms=self._form.terms(self.manifest) & SEARCH_TERMS)

    def catalogue(self) -> Catalogue:
        """Return what the version has.

        It is made of its tables once, and kept beside the files, or else in the user's cache.
        """
        if self._catalogue is None:
            self._catalogue = kept_catalogue(
                self._bytes(),
                self._form.recipe(),
                self._derived,
                lambda: self._form.columns(
                    self.manifest, self._bring_entries, [f / "tables" for f in self._derived]
                ),
                root=self._form.root(self.version),
            )
        return self._catalogue

    @property
    def store(self) -> Path:
        """The folder that files are fetched into, or that they are in."""
        return self._form.home

    def locate(self, datasets: Iterable[DatasetRef]) -> list[Source]:
        """Return where the bytes of datasets are, with the checksums of the manifest.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If the version has no such session or dataset.
        """
        form, manifest = self._form, self.manifest
        return [form.source(manifest, entry) for entry in self._entries_of(datasets)]

    def targets(self, datasets: Sequence[DatasetRef]) -> list[Path]:
        """Return where each dataset is here, or would be once fetched.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If the version has no such session or dataset.
        """
        form, manifest = self._form, self.manifest
        return [form.target(manifest, entry) for entry in self._entries_of(datasets)]

    def bring(self, datasets: Sequence[DatasetRef], *, progress: Shown = None) -> list[Path]:
        """Return the files of datasets: here, whole, and as the manifest says.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If the version has no such session or dataset.
        OfflineError, NotHereError
            If files are not here, and nothing may be fetched.
        TransferError, HashMismatch
            If one cannot be fetched, or is not what the manifest says.
        """
        return self._bring_entries(self._entries_of(datasets), progress=progress)

    def files(self) -> list[tuple[Source, str]]:
        """Return all files of the version, its tables included: their sources, and their places."""
        form, manifest = self._form, self.manifest
        return [(form.source(manifest, entry), entry.path) for entry in manifest.files()]

    def places(self) -> list[tuple[FileEntry, Source, Path]]:
        """Return all files of the version: their entries, sources, and places on this machine."""
        form, manifest = self._form, self.manifest
        return [
            (entry, form.source(manifest, entry), form.target(manifest, entry))
            for entry in manifest.files()
        ]

    def sized(self, plan: Plan) -> Plan:
        """Return a plan with the sizes that the bucket lists, where the manifest has none.

        Nothing is asked without a network, and what is not soon found stays unknown.
        """
        from fascicle.archives.sizes import with_sizes

        place = self._form.place
        return with_sizes(plan, endpoints=[getattr(place, "endpoint", "")], access=place.access)

    def learn(self, paths: Sequence[Path]) -> None:
        """Look for the content of missing files in other versions that another reader fetched."""
        from fascicle.archives.layout import RECORD, Store

        store = Store(self._form.home, self._form.project)
        if (store.root / RECORD).is_file():
            wanted = {path for path in paths if not path.is_file()}
            for entry, _, target in self.places() if wanted else ():
                if target in wanted:
                    store.learn_copy(entry)

    def note(self, paths: Iterable[Path]) -> None:
        """Note for other readers of the store which files are there now."""
        here = set(paths)
        found = [(target, entry) for entry, _, target in self.places() if target in here]
        self._form.brought(self.manifest, found)

    def open(self, session: SessionName) -> OpenSession:
        """Return one session.

        Parameters
        ----------
        session : str, uuid.UUID, path-like or OpenSession
            Its eid, the id that the release gives it, its path, or ``2019-08-11_1_subject``.

        Raises
        ------
        SessionNotFound
            If the version has no such session.
        """
        name = session.eid if isinstance(session, OpenSession) else session
        cat = self.catalogue()
        row = row_of(cat, name, archive=self.name, root=str(self._form.root(self.version)))
        return OpenSession(self, cat.eids([row])[0])

    def alf(self, *, stream: bool = False) -> NwbRelease:
        """Return the version's NWB files as an archive of sessions under ALF names.

        ``archive.open(…).load("spikes")`` does without: it looks into a session's NWB file where
        no file of the session is such an object.

        Parameters
        ----------
        stream : bool
            Read files where they are, by ranges, rather than bring them here whole first.

        Raises
        ------
        OfflineError, TransferError
            If files have to be looked at, and cannot be.

        Warns
        -----
        IncompleteWarning
            If some files cannot be read, with their names; the others work.
        """
        from fascicle.archives.nwbview import tell_damaged

        view = self.within(stream=stream)
        tell_damaged(self.name, view.damaged, stacklevel=3)
        return view

    def within(self, *, stream: bool = False) -> NwbRelease:
        """Return what `alf` does, nothing read yet."""
        from fascicle.archives.nwbrelease import NwbRelease

        if stream not in self._alf:
            self._alf[stream] = NwbRelease(self, stream=stream)
        return self._alf[stream]

    # -- files ------------------------------------------------------------------------------------

    def _entries_of(self, datasets: Iterable[DatasetRef]) -> list[FileEntry]:
        from fascicle.errors import SessionNotFound

        cat = self.catalogue()
        folders: dict[UUID, str] = {}
        out = []
        for eid, path in datasets:
            if eid not in folders:
                row = cat.row(eid)
                if row is None:
                    raise SessionNotFound(
                        f"{self.name} has no session {eid}",
                        hint="fascicle.find(…) lists sessions",
                    )
                folders[eid] = cat.session(row).path
            entry = self._by_path().get(normpath(f"{folders[eid]}/{path}"))
            if entry is None:
                row = cat.row(eid)
                held = cat.datasets(row).rel_paths if row is not None else []
                if path in held:
                    raise NotHereError(f"{path} of {folders[eid]} is in no file of {self.name}")
                raise ALFObjectNotFound(
                    f"session {eid} has no dataset {path!r}",
                    hint=nearest(path, held) or "archive.open(eid).list() shows what it has",
                )
            out.append(entry)
        return out

    def _by_path(self) -> dict[str, FileEntry]:
        if not self._entries:
            self._entries = {entry.path: entry for entry in self.manifest.data_files.values()}
        return self._entries

    def _bring_entries(self, entries: Sequence[FileEntry], *, progress: Shown = None) -> list[Path]:
        if self._bringer is None:
            from fascicle.archives.bringing import Bringer

            self._bringer = Bringer(self._form, self.manifest, self.name)
        return self._bringer.bring(entries, progress=progress)

    # -- tables -----------------------------------------------------------------------------------

    @property
    def tables(self) -> list[str]:
        """The names of the version's tables."""
        return sorted(self.manifest.metadata_files)

    def table(self, name: str, *, join: str | Sequence[str] = ()) -> pd.DataFrame:
        """Return a table of the release, with lists as lists and dates as times.

        Parameters
        ----------
        name : str
            Its key in the manifest, such as ``units``.
        join : str or sequence of str, optional
            Tables that its rows are part of, as in ``join=["channels", "probes",
            "ecephys_sessions"]``: their columns are added, and begin with ``channel_``, ``probe_``
            or ``session_``.

        Returns
        -------
        pandas.DataFrame
            A copy of your own.

        Raises
        ------
        NotFoundError
            If the version has no such table.
        ConfigurationError
            If the table has no link to one that is to be joined.
        """
        from fascicle.archives import tables

        def read(one: str) -> pd.DataFrame:
            return tables.own(self._table(one), self.config.table(one))

        return tables.with_others(name, join, self.config, read)

    @property
    def config(self) -> ProjectConfig:
        """What the tables of the project mean; nothing, where nobody described them."""
        if self.manifest.ours:
            from fascicle.archives.adapters import own

            return own.config(self.project)
        config = getattr(self._form, "config", None)
        return config if config is not None else ProjectConfig(self.project, self.project, "")

    def _vouch(self, entry: FileEntry) -> None:
        """Note that the content of a table is handed out, if a lock allows it."""
        from fascicle.archives.uses import identity, uses_of_files

        place = self._form.target(self.manifest, entry)
        uses = uses_of_files(identity(self)[0], self.manifest, self.config, [(entry, place)])
        watch.vouch(uses)

    def _table(self, name: str) -> pd.DataFrame:
        known = self.manifest.metadata_files
        if watch.watched() and name in known:
            self._vouch(known[name])
        if name in self._frames:
            return self._frames[name]
        if name not in known:
            raise NotFoundError(
                f"{self.name} has no table {name!r}",
                hint=nearest(name, known) or f"it has {', '.join(sorted(known))}",
            )
        from fascicle.archives import tables

        entry, about = known[name], self.config.table(name)
        if entry.path.endswith((".pqt", ".parquet")):
            from fascicle.load import load_file

            frame: pd.DataFrame = load_file(self._bring_entries([entry])[0])
        else:
            frame = tables.read_parsed(
                tables.copy_name(entry.file_hash.lower(), about),
                [folder / "tables" for folder in self._derived],
                lambda: self._bring_entries([entry])[0],
                about,
            )
            frame = tables.enrich(tables.finish(frame, about), about)
        self._frames[name] = frame
        return frame
