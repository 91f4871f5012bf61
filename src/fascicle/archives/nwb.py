"""NWB files as an archive: found, listed and loaded as ALF sessions are.

A session's datasets are those that its NWB files offer under ALF names, as
`fascicle.formats.nwb.alf` has them: ``session.load`` reads them from there, and no more of the file
than is asked for. Where a file is wanted, by ``bring`` or ``session.file``, the dataset is written
as the ALF file of that name into a folder of the user's cache, and again if the NWB file changes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle import settings
from fascicle.archives.base import Capabilities, SessionName, Source
from fascicle.archives.nwbfiles import Descriptions, drop_old, files_in, homes, key_of, recipe
from fascicle.archives.nwbview import InFile, NwbView, tell_damaged
from fascicle.archives.session import OpenSession
from fascicle.archives.sessionnames import row_of
from fascicle.errors import (
    ALFObjectNotFound,
    NoIndexError,
    SessionNotFound,
)

if TYPE_CHECKING:
    from fascicle.catalogue import Catalogue
    from fascicle.formats.nwb import NwbFile


class NwbArchive(NwbView):
    """A folder of NWB files.

    Each file is read once for what it says of its session; that is kept in the folder's hidden
    folder, or in the user's cache, for as long as the file looks the same.

    Parameters
    ----------
    place : path-like
        The folder, or one NWB file.
    store : path-like, optional
        The folder that ALF files are written to where files are asked for; by default one in the
        user's cache.

    Examples
    --------
    >>> archive = NwbArchive("~/nwb")  # doctest: +SKIP
    >>> session = archive.open("2017-05-08_1_anm372793")  # doctest: +SKIP
    >>> spikes = session.load("spikes", collection="alf/probe00")  # doctest: +SKIP
    """

    def __init__(
        self, place: str | os.PathLike[str], *, store: str | os.PathLike[str] | None = None
    ) -> None:
        self.place = Path(place).expanduser().absolute()
        self._given_store = Path(store).expanduser().absolute() if store is not None else None
        super().__init__()

    def _forget(self) -> None:
        super()._forget()
        self._natives: dict[str, list[int]] | None = None

    # -- the protocol of archives ----------------------------------------------------------------

    @property
    def name(self) -> str:
        """The folder's path, or the file's."""
        return str(self.place)

    @property
    def capabilities(self) -> Capabilities:
        """All search terms; nothing is written to NWB files."""
        return Capabilities()

    @property
    def folder(self) -> Path:
        """The folder that the files are in."""
        return self.place.parent if self.place.suffix == ".nwb" else self.place

    @property
    def store(self) -> Path:
        """The folder that ALF files are written to where files are asked for."""
        if self._given_store is not None:
            return self._given_store
        return settings.cache_dir() / "nwb" / key_of(self.place) / recipe()

    def catalogue(self) -> Catalogue:
        """Return what the files hold, looked at once.

        Raises
        ------
        NoIndexError
            If there is no such folder, or no NWB file in it.
        MissingExtraError
            If h5py is not installed.

        Warns
        -----
        IncompleteWarning
            If some files cannot be read, with their names; the others work.
        """
        if self._catalogue is None:
            from fascicle.archives.keeping import kept_catalogue

            try:
                files = files_in(self.place)
            except (FileNotFoundError, NotADirectoryError):
                files = []
            if not files:
                raise NoIndexError(
                    f"there is no NWB file in {self.place}",
                    hint="look at its name, and whether its disk is mounted",
                )
            folders = homes(self.place)
            content = "\n".join("|".join(map(str, file)) for file in files).encode()

            def make() -> Any:
                from fascicle.archives.nwbsessions import to_columns

                described, damaged = Descriptions(self.place, folders).of(files)
                stats = {file.name: file for file in files}
                drop_old(folders)
                return to_columns(described, damaged, stats)

            self._catalogue = kept_catalogue(content, recipe(), folders, make, root=self.store)
            tell_damaged(self.name, self.damaged)
        return self._catalogue

    def refresh(self) -> None:
        """Forget the catalogue, so that the next question sees files that came or changed."""
        self._forget()

    def open(self, session: SessionName) -> OpenSession:
        """Return one session.

        Parameters
        ----------
        session : str, uuid.UUID, path-like or OpenSession
            Its eid, the id that its file has (``identifier`` or ``session_id``), the path or the
            name of its file, its path as ALF has it, or ``2017-05-08_1_subject``.

        Raises
        ------
        SessionNotFound
            If there is no such session, or several files have that id.
        """
        name = session.eid if isinstance(session, OpenSession) else session
        cat = self.catalogue()
        row = self._row_by_name(cat, str(name))
        if row is None:
            row = row_of(cat, name, archive=self.name, root=str(self.store))
        return OpenSession(self, cat.eids([row])[0])

    def _row_by_name(self, cat: Catalogue, text: str) -> int | None:
        """Return the row of a session by the id or the name that its file has."""
        if self._natives is None:
            found: dict[str, list[int]] = {}
            for eid, words in cat.meta["words"].items():
                row = cat.row(bytes.fromhex(eid))
                for word in words:
                    found.setdefault(word, []).append(-1 if row is None else row)
            self._natives = found
        text = text.removeprefix(f"{self.folder}{os.sep}").replace(os.sep, "/")
        rows = self._natives.get(text, []) if text else []
        if len(set(rows)) > 1:
            listed = ", ".join(str(eid) for eid in cat.eids(rows[:4]))
            raise SessionNotFound(
                f"{len(set(rows))} sessions of {self.name} have the id {text!r}",
                hint=f"give the eid of one: {listed}",
            )
        return rows[0] if rows else None

    # -- its files -------------------------------------------------------------------------------

    def _source(self, file: InFile) -> Source:
        return Source((self.folder / file.name).as_uri())

    def _stamp(self, file: InFile) -> int:
        try:
            return os.stat(self.folder / file.name).st_mtime_ns
        except (FileNotFoundError, NotADirectoryError):
            raise ALFObjectNotFound(
                f"{file.name} is not in {self.folder} any more",
                hint="archive.refresh() looks for what there is now",
            ) from None

    def _opened(self, file: InFile) -> NwbFile:
        from fascicle.formats.nwb import NwbFile

        return NwbFile(self.folder / file.name, name=file.name)

    # -- how it shows, travels and compares ------------------------------------------------------

    def __repr__(self) -> str:
        return f"NwbArchive({self.name!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NwbArchive):
            return NotImplemented
        return (self.place, self._given_store) == (other.place, other._given_store)

    def __hash__(self) -> int:
        return hash((self.place, self._given_store))
