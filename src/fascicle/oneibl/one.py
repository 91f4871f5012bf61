"""ONE's first interface: ``search``, ``list`` and ``load`` by dataset types."""

from __future__ import annotations

from fascicle.one.legacy import LegacyONE as ONE
from fascicle.one.legacy_data import SessionData, SessionDatasets

__all__ = ["ONE", "SessionData", "SessionDatasets"]
