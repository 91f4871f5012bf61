"""A catalogue that lies in memory alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from fascicle.catalogue.columns import Columns
from fascicle.catalogue.query import Catalogue


def in_memory(columns: Columns, *, root: Path | None = None) -> Catalogue:
    """Return a catalogue of columns without writing anything."""
    from fascicle.catalogue import segment

    columns = columns.arranged()
    con = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    segment.fill(con, columns)
    return Catalogue(con, columns.records.tobytes(), root=root)
