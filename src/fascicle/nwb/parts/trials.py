"""TO BE WRITTEN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.entries import Entry
    from fascicle.nwb.writing.source import Source


def offer(source: Source, document: Mapping[str, Any]) -> list[Entry]:
    """Return the entries that it builds."""
    return []


def build(draft: Draft, entry: Entry) -> None:
    """Build one entry."""
