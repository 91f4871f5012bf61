"""The NWB file itself, as pynwb writes it: all but the arrays that come later."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from fascicle.errors import ConversionError
from fascicle.nwb.writing.output import Output, new_h5

if TYPE_CHECKING:
    from pathlib import Path

    from fascicle.nwb.metadata import SessionMetadata
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import Source


def complete(metadata: SessionMetadata, source: Source, draft_notes: list[str]) -> SessionMetadata:
    """Return a document with stand-ins for what NWB cannot do without, and say which.

    Parameters
    ----------
    metadata : SessionMetadata
    source : Source
    draft_notes : list of str
        Is told of each stand-in.
    """
    said = metadata.session
    if said.get("start_time") and said.get("timezone") and said.get("session_description"):
        return metadata
    metadata = metadata.copy()
    stand_ins = {
        "session_description": "not described",
        "start_time": f"{source.session.date.isoformat()}T00:00:00",
        "timezone": "UTC",
    }
    for name, value in stand_ins.items():
        if not said.get(name):
            metadata.session[name] = value
            draft_notes.append(f"session.{name} is not known: {value!r} stands in for it")
    return metadata


# -- tables of what is known beside ----------------------------------------------------------------


def add_records(draft: Draft) -> None:
    """Add the table that says which ALF dataset went where."""
    from fascicle.formats.nwb import records

    columns = {
        "dataset": [record.dataset for record in draft.records],
        "place": [record.value.at for record in draft.records],
        "value": [record.value.to_json() for record in draft.records],
        "checksum": [record.checksum for record in draft.records],
    }
    _add_table(
        draft,
        records.TABLE.rpartition("/")[2],
        "The ALF datasets that this file was made of",
        {name: (about, columns[name]) for name, about in records.COLUMNS.items()},
    )


def _add_table(
    draft: Draft, name: str, description: str, columns: Mapping[str, tuple[str, list[str]]]
) -> None:
    from hdmf.common import DynamicTable, VectorData

    if not all(values for _, values in columns.values()):
        return
    draft.module("misc").add(
        DynamicTable(
            name=name,
            description=description,
            columns=[
                VectorData(name=column, description=about, data=values)
                for column, (about, values) in columns.items()
            ],
        )
    )


# -- the file --------------------------------------------------------------------------------------


def create(path: Path) -> AbstractContextManager[tuple[Any, Output]]:
    """Return a new HDF5 file that any reader of HDF5 1.8 reads.

    Raises
    ------
    FileExistsError
        If there is one.
    OSError
        If it cannot be made, or written.
    """
    return new_h5(path, libver=("earliest", "v108"))


def write(nwb: Any, h5: Any) -> Any:
    """Write an NWBFile without the arrays that come later; return what keeps the file open.

    Raises
    ------
    ConversionError
        If pynwb refuses what the parts have made.
    OSError
        If the file cannot be written.
    """
    from pynwb import NWBHDF5IO

    _as_arrays(nwb)
    io = NWBHDF5IO(file=h5, mode="w")
    try:
        io.write(nwb, cache_spec=True)
    except OSError:
        raise
    except Exception as error:  # whatever hdmf makes of objects that do not fit
        raise ConversionError(
            f"pynwb does not write this: {type(error).__name__}: {error}"
        ) from error
    return io


def _as_arrays(nwb: Any) -> None:
    """Make the ids of tables arrays: hdmf takes some 30 µs for each number of a list."""
    import numpy as np
    from hdmf.common import ElementIdentifiers

    for made in nwb.objects.values():
        if isinstance(made, ElementIdentifiers) and isinstance(made.data, list) and made.data:
            made.transform(lambda data: np.asarray(data))
