"""A catalogue that lies in memory alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from fascicle.catalogue.columns import Columns
from fascicle.catalogue.query import Catalogue


def in_memory(columns: Columns, *, root: Path | None = None) -> Catalogue:
    """Return a catalogue of columns without writing anything."""
    from fascicle.catalogue import segment

    columns.arrange()
    con = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    beside = {ending: array.tobytes() for ending, array in segment.fill(con, columns).items()}
    return Catalogue(con, beside, root=root)
