"""A folder becomes a catalogue: scan, keep the ids that are known, hash, read regions, commit."""

from __future__ import annotations

import os
import time
from typing import Any

from fascicle.alf import spec
from fascicle.catalogue.query import Catalogue
from fascicle.catalogue.report import IndexReport
from fascicle.catalogue.scan import Listing, scan
from fascicle.catalogue.store import Store
from fascicle.errors import CatalogueError


def index(
    folder: str | os.PathLike[str],
    *,
    tables_dir: str | os.PathLike[str] | None = None,
    hash_files: bool = False,
    regions: bool = True,
    new_ids: bool = False,
    lab: str | None = None,
    progress: bool = False,
) -> IndexReport:
    """Index a folder of ALF data, or bring its index up to date.

    Rows that an index already has keep their ids, quality control and revisions; only files that
    are new get ids. A file counts as changed when its size, times or inode differ.

    Parameters
    ----------
    folder : path
        Holds ``lab/Subjects/subject/date/number`` or ``subject/date/number`` at any depth.
    tables_dir : path, optional
        Where the tables and the hidden folder go; default: into ``folder``.
    hash_files : bool
        Record the md5 of each file (of those that have none yet or have changed).
    regions : bool
        Read the channels' brain regions, so that searches by region work.
    new_ids : bool
        Give all sessions and datasets ids derived from their places, whatever they had.
    lab : str, optional
        The lab of sessions whose folders name none.
    progress : bool
        Show bars on stderr.

    Returns
    -------
    IndexReport

    Raises
    ------
    CatalogueError
        The folder is not there or cannot be written, or holds NWB files and no ALF files.
    """
    store = Store(folder, tables_dir=tables_dir)
    if not store.root.is_dir():
        raise CatalogueError(
            f"{store.root} is no folder", hint="give the folder that holds the recordings"
        )
    if lab and spec.parse_session(f"{lab}/Subjects/subject/2020-01-01/001") is None:
        raise CatalogueError(
            f"{lab!r} is no name of a lab", hint="letters, digits and _ alone may be in it"
        )
    report = IndexReport(store.root)
    clock = Clock(report.seconds)
    listing = scan(store.root)
    clock.lap("scan")
    report.rejected = listing.rejected
    if store.current_on_disk() is None and _is_of_nwb(listing):
        raise CatalogueError(
            f"{store.root} holds NWB files and no ALF files: they need no index",
            hint=f"fascicle.open({str(folder)!r}) and --in {folder} take the folder as it is",
        )
    wanted = {"digest": listing.digest, "hashed": hash_files, "regions": regions, "lab": lab or ""}
    if new_ids or not _unchanged(store, wanted, report):
        from fascicle.catalogue.merge import Merger

        merger = Merger(
            store.root,
            listing,
            wanted=wanted,
            new_ids=new_ids,
            progress=progress,
            report=report,
            clock=clock,
        )
        catalogue = store.update(merger.merge, progress=progress)
        _describe(report, catalogue)
        catalogue.close()
    clock.lap("write")
    return report


class Clock:
    """Notes how long each step took."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds = seconds
        self.last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Add the time since the last call to a step."""
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self.last
        self.last = now


def _is_of_nwb(listing: Listing) -> bool:
    return not listing.n_files and any(path.endswith(".nwb") for path, _ in listing.rejected)


def _unchanged(store: Store, wanted: dict[str, Any], report: IndexReport) -> bool:
    """Return whether the newest state is that of this very listing."""
    found = store.current_on_disk()
    if found is None or not wanted["digest"]:
        return False
    have = found.meta.get("index", {})
    same = bool(
        have.get("digest") == wanted["digest"]
        and have.get("lab") == wanted["lab"]
        and have.get("hashed", False) >= wanted["hashed"]
        and have.get("regions", False) >= wanted["regions"]
    )
    if same:
        _describe(report, found)
    found.close()
    return same


def _describe(report: IndexReport, catalogue: Catalogue) -> None:
    report.number = catalogue.number
    report.n_sessions = catalogue.n_sessions
    report.n_datasets = catalogue.n_datasets
    report.n_insertions = catalogue.n_insertions
    report.unknown_regions = catalogue.unknown_regions
