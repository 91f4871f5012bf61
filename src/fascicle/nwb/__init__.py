"""Any NWB file as a session: opened at once, here or over a network, and read as it is asked.

`read` takes a path, or an address that begins with ``https://``, ``http://`` or ``s3://``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.nwb.columns import Rows
    from fascicle.nwb.places import open_file, read
    from fascicle.nwb.remote import Traffic
    from fascicle.nwb.session import NwbSession

__all__ = ["NwbSession", "Rows", "Traffic", "open_file", "read"]

_HOMES = {
    "NwbSession": "session",
    "Rows": "columns",
    "Traffic": "remote",
    "open_file": "places",
    "read": "places",
}

__getattr__, __dir__ = attach(__name__, _HOMES)
