"""Columns of tables: what HDF5 can hold of an ALF attribute, and how it comes back exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fascicle.formats.nwb.records import Value
from fascicle.nwb.parts.carrying import native, place
from fascicle.nwb.parts.frames import stored_column
from fascicle.nwb.parts.loose import storable
from fascicle.nwb.parts.placing import fresh_name, safe_name
from fascicle.nwb.writing.draft import narrowed

if TYPE_CHECKING:
    from fascicle.nwb.writing.draft import Draft


@dataclass(frozen=True, slots=True)
class Stored:
    """Values as a column of an NWB table holds them.

    Attributes
    ----------
    data : numpy.ndarray
        Text as objects.
    dtype : str
        Of the ALF values.
    words : dict or None
        Word in the file to ALF value, where text is missing.
    """

    data: Any
    dtype: str
    words: Mapping[str, Any] | None = None

    def value(self, at: str, name: str) -> Value:
        """Return how the ALF values are made of the column of a table."""
        return Value("row", at, (name,), dtype=self.dtype, words=self.words)


def stored(values: Any) -> Stored | None:
    """Return an array or a column of a table as NWB holds it; None where it cannot, exactly.

    Parameters
    ----------
    values : numpy.ndarray or pandas.Series
    """
    import numpy as np

    if isinstance(values, np.ndarray):
        data, back = storable(values), {"dtype": values.dtype.str}
        if data is not None and data.ndim == 0:
            return None
    else:
        found = stored_column(values)
        if found is None:
            return None
        data, back = found
    if data is None:
        return None
    if data.dtype == np.float16:
        data = data.astype(np.float32)  # which pynwb has no name for
    return Stored(native(data), back["dtype"], back.get("words"))


class RowTable:
    """A table of an NWB file in the making: columns of one length, under names that are free.

    Parameters
    ----------
    draft : Draft
    path : str
        Where it is going to be.
    kind : str
        ``TimeIntervals`` or ``DynamicTable``.
    description : str
    """

    def __init__(self, draft: Draft, path: str, kind: str, description: str) -> None:
        self.draft = draft
        self.path = path
        self.kind = kind
        self.description = description
        self._columns: list[Any] = []

    @property
    def names(self) -> list[str]:
        """Names of its columns."""
        return [column.name for column in self._columns]

    def free(self, wanted: str) -> str:
        """Return the name that a column can have.

        It is the one wanted, unless that is taken or means something else in a table.
        """
        name = safe_name(wanted)
        if name not in ("start_time", "stop_time") and (
            hasattr(self._class, name) or name in ("id", "tags", "timeseries")
        ):
            name = f"{name}_value"
        return fresh_name(name, self.names)

    def add(self, name: str, description: str, data: Any) -> str:
        """Add a column.

        Parameters
        ----------
        name : str
            As it is wanted.
        description : str
        data : numpy.ndarray

        Returns
        -------
        str
            The name that it has.
        """
        from hdmf.common import VectorData

        found = self.free(name)
        if found.endswith("_time") and data.dtype.kind not in "fiu":
            found = self.free(f"{found}_text")  # programs take what ends so for numbers
        held = self.draft.array(data, what=self.path)
        self._columns.append(VectorData(name=found, description=description, data=held))
        return found

    def add_stored(self, name: str, description: str, column: Stored, dtype: str = "") -> Value:
        """Add a column that is an ALF attribute as it is; return how to get that back.

        Parameters
        ----------
        name, description : str
        column : Stored
        dtype : str
            Write it as this type.
        """
        data = column.data
        if dtype and data.dtype.kind in "biuf":
            data = narrowed(data, dtype)
        return column.value(self.path, self.add(name, description, data))

    @property
    def _class(self) -> Any:
        if self.kind == "TimeIntervals":
            from pynwb.epoch import TimeIntervals

            return TimeIntervals
        from hdmf.common import DynamicTable

        return DynamicTable

    def finish(self) -> Any:
        """Make the table and put it in its place.

        Raises
        ------
        ConversionError
            If its place is taken.
        """
        name = self.path.rpartition("/")[2]
        table = self._class(name=name, description=self.description, columns=self._columns)
        place(self.draft, self.path, table)
        return table
