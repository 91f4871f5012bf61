"""NWB: any file as a session, opened at once; and sessions of ALF files converted to it.

`read` takes a path, or an address (``https://``, ``http://``, ``s3://``). `convert`
writes a session of any archive as an NWB file; a `SessionMetadata` says what goes into it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.nwb.columns import Rows
    from fascicle.nwb.converter import Alyx2NWBConverter, Alyx2NWBMetadata
    from fascicle.nwb.converting import convert
    from fascicle.nwb.metadata import SessionMetadata
    from fascicle.nwb.places import open_file, read
    from fascicle.nwb.remote import Traffic
    from fascicle.nwb.report import Report
    from fascicle.nwb.session import NwbSession

__all__ = [
    "Alyx2NWBConverter",
    "Alyx2NWBMetadata",
    "NwbSession",
    "Report",
    "Rows",
    "SessionMetadata",
    "Traffic",
    "convert",
    "open_file",
    "read",
]

_HOMES = {
    "Alyx2NWBConverter": "converter",
    "Alyx2NWBMetadata": "converter",
    "NwbSession": "session",
    "Report": "report",
    "Rows": "columns",
    "SessionMetadata": "metadata",
    "Traffic": "remote",
    "convert": "converting",
    "open_file": "places",
    "read": "places",
}

__getattr__, __dir__ = attach(__name__, _HOMES)
