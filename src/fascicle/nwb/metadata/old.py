"""Documents of IBL's first converter (2021): the JSON files of ``Alyx2NWBMetadata``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fascicle.errors import MetadataError

if TYPE_CHECKING:
    from fascicle.nwb.metadata.document import SessionMetadata

#: Sections that its documents have.
SECTIONS = (
    "NWBFile",
    "IBLSessionsData",
    "IBLSubject",
    "Probes",
    "Behavior",
    "Trials",
    "Stimulus",
    "Units",
    "ElectrodeTable",
    "Ecephys",
    "Ophys",
    "Icephys",
    "Acquisition",
)


def is_old(document: Mapping[str, Any]) -> bool:
    """Return whether a document is one of IBL's first converter."""
    return "format" not in document and "NWBFile" in document


def from_old(document: Mapping[str, Any]) -> SessionMetadata:
    """Return what such a document says as one of ours."""
    raise MetadataError("it is a document of IBL's first converter, which is not read yet")
