"""A versioned release as an archive: in a bucket, a folder, a ZIP file, or on a web server."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from posixpath import normpath
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle import settings
from fascicle.archives import watch
from fascicle.archives.base import SEARCH_TERMS, Capabilities, DatasetRef, SessionName, Source
from fascicle.archives.keeping import kept_catalogue, places
from fascicle.archives.layout import write_if_allowed
from fascicle.archives.roots import Named, find_form, slug, split_name
from fascicle.archives.session import OpenSession
from fascicle.archives.sessionnames import row_of
from fascicle.errors import (
    ALFObjectNotFound,
    ConfigurationError,
    IncompleteWarning,
    ManifestError,
    NotFoundError,
    NotHereError,
    OfflineError,
    TransferError,
    VersionNotFound,
    nearest,
)
from fascicle.formats.manifest import MAX_BYTES, FileEntry, Manifest
from fascicle.formats.project import ProjectConfig, load_config
from fascicle.transfer.ledger import HIDDEN

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.archives.adapters.base import Form
    from fascicle.archives.bringing import Bringer
    from fascicle.catalogue import Catalogue
    from fascicle.transfer.bars import Shown
    from fascicle.transfer.plan import Plan


class ReleaseArchive:
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

    def __init__(
        self,
        place: str | os.PathLike[str],
        *,
        version: str | None = None,
        store: str | os.PathLike[str] | None = None,
        endpoint: str | None = None,
        project: str | Path | ProjectConfig | None = None,
    ) -> None:
        named = split_name(place)
        if version and named.version and version != named.version:
            raise ConfigurationError(
                f"{os.fspath(place)} names version {named.version}, and version= says {version}",
                hint="leave out one of the two",
            )
        text = named.place
        if "://" not in text:
            text = str(Path(text).expanduser().absolute())
        self._named = Named(text, named.version, named.manifest)
        self._chosen = version or named.version
        self._store = Path(store).expanduser().absolute() if store is not None else None
        self._endpoint = endpoint
        self._described = load_config(project) if project is not None else None
        self._found: Form | None = None
        self._version = ""
        self._forget()

    def _forget(self) -> None:
        self._catalogue: Catalogue | None = None
        self._manifest: Manifest | None = None
        self._content: bytes | None = None
        self._entries: dict[str, FileEntry] = {}
        self._bringer: Bringer | None = None
        self._frames: dict[str, pd.DataFrame] = {}

    # -- which release ----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The place, with ``@`` and the version if one was chosen."""
        named = self._named
        if named.manifest and "://" in named.place and not named.place.startswith("s3:"):
            return f"{named.place}/{named.manifest}"  # a web server says nothing of other versions
        return f"{named.place}@{self._chosen}" if self._chosen else named.place

    @property
    def _form(self) -> Form:
        if self._found is None:
            self._found = find_form(
                self._named,
                store=self._store,
                endpoint=self._endpoint,
                described=self._described,
            )
        return self._found

    @property
    def project(self) -> str:
        """The name of the project."""
        return self._form.project

    @property
    def versions(self) -> list[str]:
        """The versions that there are, oldest first; the place is asked anew each time.

        Without a network these are the ones that are here.
        """
        return list(self._listed())

    def _listed(self) -> dict[str, int | None]:
        form = self._form
        try:
            return form.listed()
        except TransferError as error:
            here = form.here()
            if not here:
                raise
            if not isinstance(error, OfflineError):
                warnings.warn(
                    f"{error.message}: only the {len(here)} releases in {form.home} are known, "
                    "newer ones are not",
                    IncompleteWarning,
                    stacklevel=5,
                )
            return dict.fromkeys(here)

    @property
    def version(self) -> str:
        """The version that is open: the one that was chosen, or else the newest there was.

        Raises
        ------
        VersionNotFound
            If there is no such version.
        """
        if not self._version:
            form = self._form
            if self._chosen and (form.in_place or form.manifest_path(self._chosen).is_file()):
                known = form.listed() if form.in_place else {self._chosen: None}
            else:
                known = self._listed()
            if not known:
                raise NotFoundError(f"{form.place.name} has no release")
            wanted = self._chosen or self._pinned() or next(reversed(known))
            if wanted not in known:
                raise VersionNotFound(
                    f"{form.project} has no release {wanted!r} in {form.place.name}",
                    hint=nearest(wanted, known) or f"there are {', '.join(list(known)[-8:])}",
                )
            if watch.watched():
                watch.check_version(wanted, self._named.place, form.project)
            self._version = wanted
        return self._version

    def _pinned(self) -> str:
        """Return the version that a lock holds us to, or an empty string."""
        if not watch.watched():
            return ""
        from fascicle.archives.pins import locked_version

        return locked_version(self._named.place, self._form.project)

    @property
    def manifest(self) -> Manifest:
        """The manifest of the version that is open.

        Raises
        ------
        ManifestError
            If it is damaged or hostile.
        """
        if self._manifest is None:
            content = self._bytes()  # may have parsed it
            if self._manifest is None:
                self._manifest = self._parsed(content, f"the manifest of {self.name}")
        return self._manifest

    def _bytes(self) -> bytes:
        """Return the manifest as it is written; kept here once it was found to be one."""
        if self._content is None:
            form, version = self._form, self.version
            path = form.manifest_path(version)
            kept = None
            if not form.in_place and path.is_file() and "://" in form.place.name:
                # A version never changes. What another reader left cut short is fetched again.
                kept = self._kept(path)
            if kept is None:
                kept = form.fetch_manifest(version)
                self._manifest = self._parsed(kept, f"the manifest of {self.name}")
                if not form.in_place and not (path.is_file() and path.read_bytes() == kept):
                    write_if_allowed(path, kept.decode())
            self._content = kept
        return self._content

    def _kept(self, path: Path) -> bytes | None:
        """Return the manifest that is in the store, if it is one."""
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if any(place.is_dir() for place in places(content, self._form.recipe(), self._derived)):
            return content  # it was read before, or there would be no catalogue of it
        try:
            self._manifest = self._parsed(content, str(path))
        except ManifestError:
            if settings.offline():
                raise
            return None
        return content

    def _parsed(self, content: bytes, where: str) -> Manifest:
        manifest = self._form.parse(content, where)
        if manifest.version != self.version:
            raise ManifestError(f"{where} says that it is of version {manifest.version}")
        return manifest

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

    @cached_property
    def _derived(self) -> list[Path]:
        """Where what is derived may be kept: a published folder stays as it is."""
        form = self._form
        mine = settings.cache_dir() / "releases" / slug(form.place) / HIDDEN
        return [mine] if form.in_place else list(dict.fromkeys([form.home / HIDDEN, mine]))

    def refresh(self) -> None:
        """Forget what was read, so that the next question sees what was published since."""
        self._version = ""
        self._found = None
        self.__dict__.pop("_derived", None)
        self._forget()

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

    def manifest_bytes(self) -> bytes:
        """Return the manifest as it is written."""
        return self._bytes()

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

        return tables.with_others(name, join, self.config, self._table).copy()

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

    # -- copies -----------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"ReleaseArchive({self.name!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ReleaseArchive):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[object, ...]:
        return self.name, self._store, self._endpoint

    def __getstate__(self) -> dict[str, Any]:
        """Keep which version it is, so that another process has the same."""
        kept = ("_named", "_chosen", "_store", "_endpoint", "_described", "_found", "_version")
        return {key: self.__dict__[key] for key in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()
