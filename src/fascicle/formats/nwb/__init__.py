"""NWB files by h5py alone: tables, ragged columns and series, of which only what is asked is read.

Nothing here imports pynwb. What a file claims is checked before memory is taken for it, no link
leads out of the file, and whatever is wrong is an error that names the file and the object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.formats.nwb.arrays import Array
    from fascicle.formats.nwb.file import NwbFile
    from fascicle.formats.nwb.ragged import Ragged
    from fascicle.formats.nwb.series import Samples, Series
    from fascicle.formats.nwb.values import SeriesReference

__all__ = ["Array", "NwbFile", "Ragged", "Samples", "Series", "SeriesReference"]

_HOMES = {
    "Array": "arrays",
    "NwbFile": "file",
    "Ragged": "ragged",
    "Samples": "series",
    "Series": "series",
    "SeriesReference": "values",
}

__getattr__, __dir__ = attach(__name__, _HOMES)
