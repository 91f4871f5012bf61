"""What archives of NWB files share: their datasets are parts of those files, under ALF names."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
import warnings
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote
from uuid import UUID

from fascicle.archives.base import DatasetRef, Source
from fascicle.errors import ALFObjectNotFound, IncompleteWarning, SessionNotFound, nearest

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

    from fascicle.catalogue import Catalogue
    from fascicle.formats.nwb import NwbFile
    from fascicle.formats.nwb.alf import AlfView
    from fascicle.transfer.bars import Shown

_OPEN = 8  # files that stay open
_SEPARATORS = {".csv": ",", ".tsv": "\t", ".htsv": "\t", ".ssv": " "}


class InFile(NamedTuple):
    """An NWB file that has a dataset.

    Attributes
    ----------
    name : str
        What the archive calls it.
    eid : uuid.UUID
        The session.
    """

    name: str
    eid: UUID


class NwbView(ABC):
    """An archive whose datasets are parts of NWB files.

    A subclass says which files there are, and opens them. Its catalogue's ``meta`` has ``files``,
    the names of each session's files by the hexadecimal digits of its eid, and ``owners``, for
    sessions of several, which of them has each dataset.
    """

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._catalogue: Catalogue | None = None
        self._views: OrderedDict[tuple[InFile, int], AlfView] = OrderedDict()
        self._lock = threading.RLock()

    @property
    @abstractmethod
    def name(self) -> str:
        """The place, as ``fascicle.open`` takes it."""

    @property
    @abstractmethod
    def store(self) -> Path:
        """The folder that ALF files are written to where files are asked for."""

    @abstractmethod
    def catalogue(self) -> Catalogue:
        """Return what there is."""

    @abstractmethod
    def _source(self, file: InFile) -> Source:
        """Return where a file is."""

    @abstractmethod
    def _stamp(self, file: InFile) -> int:
        """Return what changes with a file, as a time in ns; raise where it is gone."""

    @abstractmethod
    def _opened(self, file: InFile) -> NwbFile:
        """Return a file, to be read."""

    @property
    def damaged(self) -> dict[str, str]:
        """The files that cannot be read, by their paths, and why."""
        return dict(self.catalogue().meta.get("damaged", {}))

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
            whole = self._source(self._file_of(ref))
            url, version = f"{whole.url}#{quote(ref.path)}", whole.version
            sources.append(Source(url, version, media_type="application/x-hdf5"))
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
        for k, (ref, target) in enumerate(zip(datasets, targets, strict=True)):
            if (external := self.view(ref).external(ref.path)) is not None:
                targets[k] = external
                continue
            stamp = self._stamp(self._file_of(ref))
            try:
                here = os.stat(target).st_mtime_ns == stamp
            except OSError:
                here = False
            if not here:
                _write(target, self.view(ref), ref.path, stamp)
        return targets

    def value(self, dataset: DatasetRef) -> Any:
        """Return the values of a dataset, read from its NWB file.

        Returns
        -------
        numpy.ndarray, pandas.DataFrame or pandas.Series
            What the ALF file of that name holds, as loading it gives it: what a JSON file says, the
            path of a file that nothing here reads, a raw recording to be indexed.

        Raises
        ------
        SessionNotFound, ALFObjectNotFound
            If there is no such session or dataset, or its NWB file is gone.
        BadFileError
            If the NWB file is harmed.
        """
        from fascicle.load.files import KNOWN

        if dataset.path.rpartition(".")[2] not in KNOWN:
            from fascicle.alf.path import ALFPath

            return ALFPath(self.bring([dataset])[0])
        return self.view(dataset).read(dataset.path)

    def unit_times(self, dataset: DatasetRef, cluster: int) -> NDArray[float64]:
        """Return the spike times of one unit, in seconds; no other spikes are read.

        Parameters
        ----------
        dataset : DatasetRef
            The spikes' times of its probe.
        cluster : int
            Row of the unit in the probe's clusters; in files of ours its number in
            ``spikes.clusters``.
        """
        return self.view(dataset).unit_of(dataset.path, cluster)

    def trains(self, dataset: DatasetRef) -> dict[int, NDArray[float64]]:
        """Return the spike times of each unit of a probe that has any, in seconds."""
        return self.view(dataset).trains_of(dataset.path)

    def view(self, dataset: DatasetRef) -> AlfView:
        """Return the file of a dataset as ALF, open."""
        from fascicle.formats.nwb.alf import AlfView

        file = self._file_of(dataset)
        key = file, self._stamp(file)
        with self._lock:
            view = self._views.get(key)
            if view is None:
                view = self._views[key] = AlfView(self._opened(file))
                if len(self._views) > _OPEN:  # closed once nobody reads it any more
                    self._views.popitem(last=False)
            self._views.move_to_end(key)
            return view

    def _file_of(self, dataset: DatasetRef) -> InFile:
        """Return the file that has a dataset."""
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
            return InFile(names[0], dataset.eid)
        owners: dict[str, int] = cat.meta["owners"][dataset.eid.hex]
        return InFile(names[owners[dataset.path]], dataset.eid)

    def __getstate__(self) -> dict[str, Any]:
        left = ("_catalogue", "_views", "_lock")
        return {key: value for key, value in self.__dict__.items() if key not in left}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()


def _write(target: Path, view: AlfView, path: str, stamp: int) -> None:
    """Write an ALF file so that a reader sees it whole or not at all, as old as its NWB file."""
    import json

    import numpy as np

    whole = view.file_of(path)
    values: Any = view.tabled(path) if whole is None else None
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        if whole is not None:
            part.write_bytes(whole)
        elif target.suffix == ".pqt":
            with part.open("wb") as file:
                values.to_parquet(file)
        elif target.suffix in _SEPARATORS:
            table = values.to_frame() if values.ndim == 1 else values
            table = table.rename(columns={"Unnamed: 0": ""})
            table.to_csv(part, index=False, sep=_SEPARATORS[target.suffix])
        elif target.suffix == ".json":
            part.write_text(json.dumps(values), encoding="utf-8")
        else:
            with part.open("wb") as file:
                np.save(file, values, allow_pickle=False)
        os.utime(part, ns=(stamp, stamp))
        os.replace(part, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()


def tell_damaged(name: str, damaged: dict[str, str], *, stacklevel: int = 4) -> None:
    """Warn of files that cannot be read."""
    if not damaged:
        return
    listed = "; ".join(list(damaged.values())[:5])
    more = f"; and {len(damaged) - 5} more" if len(damaged) > 5 else ""
    warnings.warn(
        f"{len(damaged)} NWB files of {name} cannot be read: {listed}{more}",
        IncompleteWarning,
        stacklevel=stacklevel,
    )
