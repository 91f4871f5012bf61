"""A folder of ALF data on this machine, or on a disk that it sees."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.archives.base import Capabilities, DatasetRef, SessionName, Source
from fascicle.archives.session import OpenSession
from fascicle.archives.sessionnames import row_of
from fascicle.errors import ALFObjectNotFound, nearest

if TYPE_CHECKING:
    from fascicle.catalogue import Catalogue, Datasets
    from fascicle.transfer.bars import Shown

_MEDIA_TYPES = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".mp4": "video/mp4",
    ".pqt": "application/vnd.apache.parquet",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}


class FolderArchive:
    """A folder of ALF data that has been indexed.

    Parameters
    ----------
    folder : path-like
        The folder above the labs' or the subjects' folders.
    tables_dir : path-like, optional
        Where its tables lie, if not in the folder itself.

    Examples
    --------
    >>> archive = FolderArchive("~/data")  # doctest: +SKIP
    >>> session = archive.open("2019-08-11_1_CSH_ZAD_003")  # doctest: +SKIP
    >>> trials = session.load("trials")  # doctest: +SKIP
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        tables_dir: str | os.PathLike[str] | None = None,
    ) -> None:
        self.folder = Path(folder).expanduser().absolute()
        self.tables_dir = Path(tables_dir).expanduser().absolute() if tables_dir else None
        self._catalogue: Catalogue | None = None

    @property
    def name(self) -> str:
        """The folder's path."""
        return str(self.folder)

    @property
    def capabilities(self) -> Capabilities:
        """All search terms; writable where the folder is."""
        return Capabilities(writable=os.access(self.folder, os.W_OK))

    def catalogue(self) -> Catalogue:
        """Return what the folder holds, opened once.

        Raises
        ------
        NoIndexError
            If the folder has not been indexed.
        """
        if self._catalogue is None:
            from fascicle.catalogue import Catalogue

            self._catalogue = Catalogue.open(self.folder, tables_dir=self.tables_dir)
        return self._catalogue

    def refresh(self) -> None:
        """Forget the catalogue, so that the next question sees what has been indexed since."""
        self._catalogue = None

    def locate(self, datasets: Iterable[DatasetRef]) -> list[Source]:
        """Return the files of datasets, with size and md5 as the index has them.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If the index has no such session or dataset.
        """
        sources = []
        for place, held, k in self._places(datasets):
            _, md5, size = held.record(k)
            sources.append(
                Source(
                    url=place.as_uri(),
                    size=size,
                    hash=md5,
                    algorithm="md5" if md5 else "",
                    media_type=_MEDIA_TYPES.get(place.suffix.lower(), "application/octet-stream"),
                )
            )
        return sources

    @property
    def store(self) -> Path:
        """The folder itself."""
        return self.folder

    def targets(self, datasets: Sequence[DatasetRef]) -> list[Path]:
        """Return where each dataset is, or should be, in the folder.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If the index has no such session or dataset.
        """
        return [place for place, _, _ in self._places(datasets)]

    def bring(self, datasets: Sequence[DatasetRef], *, progress: Shown = None) -> list[Path]:
        """Return the files of datasets; a folder fetches nothing.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If the index has no such session or dataset, or its file is not here.
        """
        paths = self.targets(datasets)
        missing = [k for k, path in enumerate(paths) if not path.is_file()]
        if missing:
            eid, name = datasets[missing[0]]
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            session = self.catalogue().session(self._row(eid)).path
            raise ALFObjectNotFound(
                f"{name}{more} of {session} is in the index of {self.name}, "
                "yet its file is not here",
                hint=f"copy it to {paths[missing[0]]}, or update the index: "
                f"fascicle index {self.name}",
            )
        return paths

    def _places(self, datasets: Iterable[DatasetRef]) -> Iterator[tuple[Path, Datasets, int]]:
        """Go through the datasets' files, and their positions among those of their sessions."""
        cat = self.catalogue()
        rows: dict[UUID, tuple[Path, Datasets, dict[str, int]]] = {}
        for eid, path in datasets:
            if eid not in rows:
                row = self._row(eid)
                held = cat.datasets(row)
                numbers = {p: i for i, p in enumerate(held.rel_paths)}
                rows[eid] = self.folder / cat.session(row).path, held, numbers
            folder, held, numbers = rows[eid]
            if path not in numbers:
                raise ALFObjectNotFound(
                    f"session {eid} has no dataset {path!r}",
                    hint=nearest(path, numbers) or "archive.open(eid).list() shows what it has",
                )
            yield folder / path, held, numbers[path]

    def open(self, session: SessionName) -> OpenSession:
        """Return one session.

        Parameters
        ----------
        session : str, uuid.UUID, path-like or OpenSession
            Its eid, its path (absolute, or relative to the folder), or ``2019-08-11_1_subject``.

        Raises
        ------
        SessionNotFound
            If the folder has no such session.
        """
        eid = session.eid if isinstance(session, OpenSession) else session
        cat = self.catalogue()
        row = self._row(eid)
        return OpenSession(self, cat.eids([row])[0])

    def _row(self, session: str | UUID | Path) -> int:
        return row_of(
            self.catalogue(),
            session,
            archive=self.name,
            root=str(self.folder),
            more=f"; if it was added since, update the index: fascicle index {self.name}",
        )

    def __repr__(self) -> str:
        return f"FolderArchive({self.name!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FolderArchive):
            return NotImplemented
        return (self.folder, self.tables_dir) == (other.folder, other.tables_dir)

    def __hash__(self) -> int:
        return hash((self.folder, self.tables_dir))

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "tables_dir": self.tables_dir, "_catalogue": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
