"""NWB files as an archive: found, listed and loaded as ALF sessions are.

A session's datasets are those that its NWB files offer under ALF names, as
`fascicle.formats.nwb.alf` has them: ``session.load`` reads them from there, and no more of the file
than is asked for. Where a file is wanted, by ``bring`` or ``session.file``, the dataset is written
as the ALF file of that name into a folder of the user's cache, and again if the NWB file changes.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fascicle import settings
from fascicle.archives.base import Capabilities, DatasetRef, SessionName, Source
from fascicle.archives.nwbfiles import Descriptions, files_in, homes, key_of, recipe
from fascicle.archives.session import OpenSession
from fascicle.archives.sessionnames import row_of
from fascicle.errors import (
    ALFObjectNotFound,
    IncompleteWarning,
    NoIndexError,
    SessionNotFound,
    nearest,
)

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from fascicle.catalogue import Catalogue
    from fascicle.formats.nwb.alf import AlfView
    from fascicle.transfer.bars import Shown

_OPEN = 8  # files that stay open


class NwbArchive:
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
        self._forget()

    def _forget(self) -> None:
        self._catalogue: Catalogue | None = None
        self._views: OrderedDict[tuple[str, int, int], AlfView] = OrderedDict()
        self._natives: dict[str, list[int]] | None = None
        self._lock = threading.RLock()

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
                return to_columns(described, damaged, stats)

            made = kept_catalogue(content, recipe(), folders, make, root=self.store)
            self._catalogue = made
            self._tell_damaged(made.meta.get("damaged", {}), len(files))
        return self._catalogue

    def _tell_damaged(self, damaged: dict[str, str], n: int) -> None:
        if not damaged:
            return
        listed = "; ".join(list(damaged.values())[:5])
        more = f"; and {len(damaged) - 5} more" if len(damaged) > 5 else ""
        warnings.warn(
            f"{len(damaged)} of {n} NWB files of {self.name} cannot be read: {listed}{more}",
            IncompleteWarning,
            stacklevel=4,
        )

    @property
    def damaged(self) -> dict[str, str]:
        """The files that cannot be read, relative to the folder, and why."""
        return dict(self.catalogue().meta.get("damaged", {}))

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

    # -- datasets --------------------------------------------------------------------------------

    def locate(self, datasets: Iterable[DatasetRef]) -> list[Source]:
        """Return where the bytes of datasets are: each NWB file, with the dataset behind a ``#``.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If there is no such session or dataset.
        """
        sources = []
        for ref in datasets:
            url = (self.folder / self._file_of(ref)).as_uri()
            sources.append(Source(f"{url}#{quote(ref.path)}", media_type="application/x-hdf5"))
        return sources

    def targets(self, datasets: Sequence[DatasetRef]) -> list[Path]:
        """Return where each dataset is, or would be, as an ALF file.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If there is no such session or dataset.
        """
        cat, out = self.catalogue(), []
        for ref in datasets:
            self._file_of(ref)
            row = cat.row(ref.eid)
            assert row is not None  # its file was found
            out.append(self.store / cat.session(row).path / ref.path)
        return out

    def bring(self, datasets: Sequence[DatasetRef], *, progress: Shown = None) -> list[Path]:
        """Return datasets as ALF files, written where they are not there yet.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If there is no such session or dataset, or its NWB file is gone.
        BadFileError
            If the NWB file is harmed.
        """
        targets = self.targets(datasets)
        for ref, target in zip(datasets, targets, strict=True):
            stamp = self._stat(self._file_of(ref)).st_mtime_ns
            try:
                here = os.stat(target).st_mtime_ns == stamp
            except OSError:
                here = False
            if not here:
                _write(target, self.value(ref), stamp)
        return targets

    def value(self, dataset: DatasetRef) -> Any:
        """Return the values of a dataset, read from its NWB file.

        Returns
        -------
        numpy.ndarray, pandas.DataFrame or pandas.Series
            What the ALF file of that name holds.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If there is no such session or dataset, or its NWB file is gone.
        BadFileError
            If the NWB file is harmed.
        """
        return self.view(dataset).read(dataset.path)

    def unit_times(self, dataset: DatasetRef, cluster: int) -> NDArray[float64]:
        """Return the spike times of one unit, in seconds; no other spikes are read.

        Parameters
        ----------
        dataset : DatasetRef
            The spikes' times of its probe.
        cluster : int
            Row of the unit in the probe's clusters.
        """
        return self.view(dataset).unit_times(dataset.path.split("/")[1], cluster)

    def trains(self, dataset: DatasetRef) -> dict[int, NDArray[float64]]:
        """Return the spike times of each unit of a probe that has any, in seconds."""
        return self.view(dataset).trains(dataset.path.split("/")[1])

    def view(self, dataset: DatasetRef) -> AlfView:
        """Return the file of a dataset as ALF, open."""
        from fascicle.formats.nwb import NwbFile
        from fascicle.formats.nwb.alf import AlfView

        name = self._file_of(dataset)
        stat = self._stat(name)
        key = name, stat.st_mtime_ns, stat.st_size
        with self._lock:
            view = self._views.get(key)
            if view is None:
                view = self._views[key] = AlfView(NwbFile(self.folder / name, name=name))
                if len(self._views) > _OPEN:  # closed once nobody reads it any more
                    self._views.popitem(last=False)
            self._views.move_to_end(key)
            return view

    def _stat(self, name: str) -> os.stat_result:
        try:
            return os.stat(self.folder / name)
        except (FileNotFoundError, NotADirectoryError):
            raise ALFObjectNotFound(
                f"{name} is not in {self.folder} any more",
                hint="archive.refresh() looks for what there is now",
            ) from None

    def _file_of(self, dataset: DatasetRef) -> str:
        """Return the name of the file that has a dataset."""
        cat = self.catalogue()
        row = cat.row(dataset.eid)
        if row is None:
            raise SessionNotFound(
                f"{self.name} has no session {dataset.eid}", hint="fascicle.find(…) lists sessions"
            )
        held = cat.datasets(row).rel_paths
        if dataset.path not in held:
            raise ALFObjectNotFound(
                f"session {dataset.eid} has no dataset {dataset.path!r}",
                hint=nearest(dataset.path, held) or "archive.open(eid).list() shows what it has",
            )
        names: list[str] = cat.meta["files"][dataset.eid.hex]
        if len(names) == 1:
            return names[0]
        owners: dict[str, int] = cat.meta["owners"][dataset.eid.hex]
        return names[owners[dataset.path]]

    # -- how it shows, travels and compares ------------------------------------------------------

    def __repr__(self) -> str:
        return f"NwbArchive({self.name!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, NwbArchive):
            return NotImplemented
        return (self.place, self._given_store) == (other.place, other._given_store)

    def __hash__(self) -> int:
        return hash((self.place, self._given_store))

    def __getstate__(self) -> dict[str, Any]:
        return {"place": self.place, "_given_store": self._given_store}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()


def _write(target: Path, values: Any, stamp: int) -> None:
    """Write an ALF file so that a reader sees it whole or not at all, as old as its NWB file."""
    import numpy as np

    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        if target.suffix == ".pqt":
            with part.open("wb") as file:
                values.to_parquet(file)
        elif target.suffix == ".csv":
            table = values.to_frame() if values.ndim == 1 else values
            table = table.rename(columns={"Unnamed: 0": ""})
            table.to_csv(part, index=False)
        else:
            with part.open("wb") as file:
                np.save(file, values, allow_pickle=False)
        os.utime(part, ns=(stamp, stamp))
        os.replace(part, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
