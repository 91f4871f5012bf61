"""What an NWB file says of a session beside its data, and which data feed which object of it.

A `SessionMetadata` is one readable document: it is collected from an archive, written as JSON or
YAML, edited by hand or by a form, checked, and converted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.nwb.metadata.document import SessionMetadata
    from fascicle.nwb.metadata.problems import Problem
    from fascicle.nwb.metadata.published import schema
    from fascicle.nwb.metadata.written import facts_table, nwbfile_of

__all__ = ["Problem", "SessionMetadata", "facts_table", "nwbfile_of", "schema"]

_HOMES = {
    "Problem": "problems",
    "SessionMetadata": "document",
    "facts_table": "written",
    "nwbfile_of": "written",
    "schema": "published",
}

__getattr__, __dir__ = attach(__name__, _HOMES)
