"""What follows once files are in a folder: its index learns of them, with the ids they have."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from fascicle.archives.base import Archive
from fascicle.errors import IncompleteWarning

if TYPE_CHECKING:
    from fascicle.catalogue.adopt import Rows
    from fascicle.transfer.result import Result

#: ONE's tables, which an index writes anew.
TABLES = ("sessions.pqt", "datasets.pqt")


@dataclass(frozen=True, slots=True)
class Kept:
    """Enters the datasets of an archive that were brought into a folder's index.

    Their ids, hashes, quality control and default revisions are the archive's; the sessions' probe
    insertions and brain regions come along.

    Attributes
    ----------
    archive : Archive
    folder : pathlib.Path
    places : mapping
        For each path below the folder: the session's id and the path within the session.
    """

    archive: Archive
    folder: Path
    places: Mapping[str, tuple[bytes, str]] = field(repr=False)

    def __call__(self, result: Result) -> None:
        """Enter what the result says is here."""
        from fascicle.catalogue.adopt import adopt
        from fascicle.transfer.ledger import relative

        wanted: dict[bytes, dict[str, int]] = {}
        for outcome in result.ok:
            target = outcome.item.target
            place = self.places.get(relative(target, self.folder))
            if place is not None:
                wanted.setdefault(place[0], {})[place[1]] = target.stat().st_size
        if not wanted:
            return
        for note in adopt(self.folder, self._rows(wanted)):
            warnings.warn(note, IncompleteWarning, stacklevel=4)
        _forget_tables(self.folder)

    def _rows(self, wanted: Mapping[bytes, Mapping[str, int]]) -> Rows:
        from fascicle.catalogue import DatasetRow
        from fascicle.catalogue.adopt import Rows, insertion_rows

        cat = self.archive.catalogue()
        marked = cat.has_default_revision
        sessions, datasets, rows = [], [], []
        for raw, sizes in wanted.items():
            eid = UUID(bytes=raw)
            row = cat.row(eid)
            if row is None:
                continue  # it is gone since the plan was made
            rows.append(row)
            sessions.append(cat.session(row))
            held = cat.datasets(row)
            qc, default = held.qc, held.default
            for k, path in enumerate(held.rel_paths):
                if path in sizes:
                    identity, digest, _ = held.record(k)
                    datasets.append(
                        DatasetRow(
                            eid,
                            identity,
                            path,
                            sizes[path],
                            digest,
                            True,
                            qc[k],
                            default[k] if marked else None,
                        )
                    )
        return Rows(sessions, datasets, insertion_rows(cat, rows))


@dataclass(frozen=True, slots=True)
class Noted:
    """Notes, for other readers of a release's store, which files are there now.

    Attributes
    ----------
    archive : Archive
    """

    archive: Archive

    def __call__(self, result: Result) -> None:
        """Note what the result says is here."""
        note = getattr(self.archive, "note", None)
        if note is not None:
            note([outcome.item.target for outcome in result.ok])


def _forget_tables(folder: Path) -> None:
    """Take tables that the index wrote anew off the ledger: they are none that were fetched."""
    from fascicle.transfer import Ledger

    ledger = Ledger(folder)
    gone = []
    for name in TABLES:
        row = ledger.find(name)
        if row is not None and not row.fits((folder / name).stat()):
            gone.append(name)
    if gone:
        ledger.forget(gone)
