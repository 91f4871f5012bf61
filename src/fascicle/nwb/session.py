"""One NWB file as a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from fascicle.errors import BadFileError, FascicleError, MissingExtraError, NwbObjectNotFound
from fascicle.formats.nwb import NwbFile, Series
from fascicle.nwb import about, show
from fascicle.nwb.columns import Rows
from fascicle.nwb.remote import Traffic
from fascicle.nwb.tables import (
    Named,
    image_paths,
    is_image,
    is_series,
    is_table,
    series_paths,
    table_paths,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

#: Where tables are that have a name of their own.
_TABLES = {
    "units": "/units",
    "electrodes": "/general/extracellular_ephys/electrodes",
    "trials": "/intervals/trials",
    "epochs": "/intervals/epochs",
    "invalid_times": "/intervals/invalid_times",
}


class NwbSession:
    """Any NWB file as a session; nothing is read before it is asked for.

    It can be pickled (what is read is not, nor are credentials), shared between threads, and used
    in processes that were forked. It is made by `fascicle.nwb.read`.

    Parameters
    ----------
    file : NwbFile

    Attributes
    ----------
    file : NwbFile
        The reader below: any group, array, table or attribute by its path.

    Raises
    ------
    BadFileError
        If it is no NWB file, or harmed.
    """

    def __init__(self, file: NwbFile) -> None:
        self.file = file
        self._io: Any = None
        file.h5  # noqa: B018 - a file that is none is told of now

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"file": self.file}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.file = state["file"]
        self._io = None

    def __repr__(self) -> str:
        return show.line(self)

    def _repr_html_(self) -> str:
        return show.page(self)

    def close(self) -> None:
        """Close the file; nothing can be read of it after."""
        if self._io is not None:
            self._io.close()
            self._io = None
        self.file.close()

    # -- about ---------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.file.name

    @property
    def metadata(self) -> dict[str, Any]:
        """What the file says about the session: identifier, start, lab and so on.

        Raises
        ------
        BadFileError
            If it is harmed.
        """
        found = self.file.keep("metadata", lambda: about.session_metadata(self.file))
        return dict(found)

    @property
    def subject(self) -> dict[str, Any]:
        """What the file says about the subject; empty if nothing."""
        path = "/general/subject"
        if not self.file.has(path):
            return {}
        return dict(self.file.keep("subject", lambda: about.described(self.file, path)))

    @property
    def traffic(self) -> Traffic:
        """What came over a network since the file was opened; nothing for one of this machine."""
        stream: Any = self.file.stream
        n, n_bytes = (getattr(stream, name, 0) for name in ("requests", "bytes_read"))
        return Traffic(n, n_bytes, self.file.size)

    # -- tables --------------------------------------------------------------------------------

    @property
    def units(self) -> pd.DataFrame:
        """Units, without the columns that have any number of values a unit.

        Raises
        ------
        NwbObjectNotFound
            If the file has none.
        BadFileError
            If the table is harmed.
        """
        return self.table("units")

    @property
    def electrodes(self) -> pd.DataFrame:
        """Electrodes; groups are named by their paths.

        Raises
        ------
        NwbObjectNotFound
            If the file has none.
        BadFileError
            If the table is harmed.
        """
        return self.table("electrodes")

    @property
    def trials(self) -> pd.DataFrame:
        """Trials.

        Raises
        ------
        NwbObjectNotFound
            If the file has none.
        BadFileError
            If the table is harmed.
        """
        return self.table("trials")

    @property
    def intervals(self) -> Named[pd.DataFrame]:
        """All tables of intervals by name: trials, epochs, presentations of stimuli."""
        file = self.file
        return Named(
            file,
            "tables of intervals",
            paths=lambda: table_paths(file),
            make=self.table,
            fits=lambda path: is_table(file, path),
        )

    def table(self, name: str, columns: list[str] | None = None) -> pd.DataFrame:
        """Return a table; its index is the id of each row.

        Parameters
        ----------
        name : str
            ``units``, ``electrodes``, the name of a table of intervals, or a path in the file.
        columns : list of str, optional
            Which; those with one value a row, or few, unless given.

        Raises
        ------
        NwbObjectNotFound
            If there is no such table or column.
        BadFileError
            If it is harmed.
        """
        path = self._table_path(name)
        key = f"table {path} {columns}"
        found: pd.DataFrame = self.file.keep(key, lambda: self.file.table(path, columns))
        return found.copy()

    def column(self, name: str, table: str = "units") -> Rows:
        """Return a column by the ids of its rows: ``column("spike_amplitudes")[17]``.

        Parameters
        ----------
        name : str
            Of a ragged column, or of one with many values a row.
        table : str
            As in `table`.

        Raises
        ------
        NwbObjectNotFound
            If there is no such table or column.
        BadFileError
            If it is harmed.
        """
        path = self._table_path(table)
        found: Rows = self.file.keep(f"rows {path} {name}", lambda: Rows(self.file, path, name))
        return found

    def columns(self, table: str = "units") -> list[str]:
        """Return the names of all columns of a table, ragged ones among them."""
        return self.file.columns(self._table_path(table))

    @property
    def spike_times(self) -> Rows:
        """Times of spikes in seconds by unit; `Rows.all` reads those of all units at once.

        Raises
        ------
        NwbObjectNotFound
            If the file has none.
        BadFileError
            If they are harmed.
        """
        return self._spike_times()

    def _spike_times(self) -> Rows:
        def make() -> Rows:
            return Rows(self.file, self._table_path("units"), "spike_times", ragged=True)

        found: Rows = self.file.keep("rows of spikes", make)
        return found

    # -- recordings ----------------------------------------------------------------------------

    @property
    def series(self) -> Named[Series]:
        """All time series by name, or by path where a name is not enough."""
        file = self.file
        return Named(
            file,
            "time series",
            paths=lambda: series_paths(file),
            make=file.series,
            fits=lambda path: is_series(file, path),
        )

    @property
    def images(self) -> Named[np.ndarray[Any, Any]]:
        """All images by name, or by path where a name is not enough."""
        file = self.file
        return Named(
            file,
            "images",
            paths=lambda: image_paths(file),
            make=file.array,
            fits=lambda path: is_image(file, path),
        )

    # -- the same by pynwb -----------------------------------------------------------------------

    def nwb(self) -> Any:
        """Return the file as pynwb has it, by the extensions that the file brings along.

        Returns
        -------
        pynwb.NWBFile
            Open as long as this session is.

        Raises
        ------
        MissingExtraError
            If pynwb is not installed.
        BadFileError
            If pynwb cannot read the file.
        """
        if self._io is None:
            self._io = self._pynwb()
        return self._read_by_pynwb()

    def _pynwb(self) -> Any:
        try:
            from pynwb import NWBHDF5IO
        except ImportError as error:
            raise MissingExtraError(
                "this needs pynwb", hint="pip install 'fascicle[nwb]'"
            ) from error
        try:
            return NWBHDF5IO(file=self.file.reopened(), mode="r", load_namespaces=True)
        except FascicleError:
            raise
        except Exception as error:  # pynwb has no errors of its own
            raise self._not_by_pynwb(error) from error

    def _read_by_pynwb(self) -> Any:
        try:
            return self._io.read()
        except FascicleError:
            raise
        except Exception as error:  # pynwb has no errors of its own
            raise self._not_by_pynwb(error) from error

    def _not_by_pynwb(self, error: Exception) -> BadFileError:
        text = str(error).strip().splitlines() or [type(error).__name__]
        return BadFileError(
            f"{self.name}: pynwb cannot read it: {text[0][:300]}",
            hint="all else of this session reads the file without pynwb",
        )

    def _table_path(self, name: str) -> str:
        if name in _TABLES:
            path = _TABLES[name]
        elif "/" in name:
            path = name
        else:
            path = f"/intervals/{name}"
            if not self.file.has(path):
                path = self.intervals._path(name)
        if name in _TABLES and not self.file.has(path):
            raise NwbObjectNotFound(
                f"{self.name} has no {name}", hint=f"there is nothing at {path} in this file"
            )
        return path
