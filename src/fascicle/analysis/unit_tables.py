"""Units of releases that have a table of all of them: the same columns, without a recording."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from fascicle.analysis.unit_table import COLUMNS, GOOD

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.archives.base import Archive
    from fascicle.archives.release import ReleaseArchive


def with_table(archive: Archive) -> ReleaseArchive | None:
    """Return the archive if it is a release with a table of units."""
    from fascicle.archives.release import ReleaseArchive

    if not isinstance(archive, ReleaseArchive):
        return None
    about = archive.config.catalogue
    return archive if about.units and about.units in archive.tables else None


def read_table(archive: ReleaseArchive, eids: Sequence[UUID]) -> pd.DataFrame:
    """Return the units of some sessions.

    Parameters
    ----------
    archive : ReleaseArchive
        One that has a table of units.
    eids : sequence of uuid.UUID

    Returns
    -------
    pandas.DataFrame
        `fascicle.analysis.unit_table.COLUMNS`, then the table's own columns. ``label`` is 1 for
        units that passed the release's criteria and 0 for others; the number of spikes and the
        place from bregma, which tables do not have, are missing.
    """
    import numpy as np
    import pandas as pd

    config, cat = archive.config, archive.catalogue()
    about = config.catalogue
    links = config.table(about.units).links
    frame = archive.table(about.units).reset_index()
    of_session = next(c for c, table in links.items() if table in about.sessions)
    of_probe = next((c for c, table in links.items() if table == about.insertions), "")
    native = cat.meta.get("native_ids", {})
    known = {native[eid.hex]: str(eid) for eid in eids if eid.hex in native}
    owner = frame[of_session].astype("Int64").astype(str)
    keep = owner.isin(known.keys())
    frame, owner = frame[keep].reset_index(drop=True), owner[keep].reset_index(drop=True)
    out: dict[str, Any] = {"archive": archive.name, "eid": owner.map(known)}
    index = config.table(about.insertions).index
    probes = {i.extra.get(index): i for i in cat.insertions(_rows(archive, eids))}
    of = frame[of_probe] if of_probe in frame else pd.Series(None, frame.index, dtype=object)
    out["pid"] = of.map({k: str(i.pid) for k, i in probes.items()}).fillna("")
    out["probe"] = of.map({k: i.name for k, i in probes.items()}).fillna("")
    out["sorting"] = ""
    missing = pd.Series(np.nan, frame.index, dtype="float64")
    taken = {of_session, of_probe}
    for column in COLUMNS[5:]:
        source = about.unit_columns.get(column, "")
        out[column] = frame.get(source, missing)
        taken.add(source)
    if "quality" in frame:
        out["label"] = frame["quality"].eq(about.quality).astype("float64") * GOOD
        out["label"] = out["label"].mask(frame["quality"].isna())
    table = pd.DataFrame(out, index=frame.index)
    table["label"] = table["label"].astype("float64")
    table["good"] = (table["label"] == GOOD).astype("boolean").mask(table["label"].isna())
    for column in ("n_spikes", "channel"):
        table[column] = table[column].astype("Int64")
    _name_regions(table)
    others = frame[[c for c in frame.columns if c not in taken and c not in table]]
    return pd.concat([table[list(COLUMNS)], others], axis=1)


def _rows(archive: ReleaseArchive, eids: Sequence[UUID]) -> list[int]:
    cat = archive.catalogue()
    return [row for eid in eids if (row := cat.row(eid)) is not None]


def _name_regions(table: pd.DataFrame) -> None:
    """Set the ids of regions by their acronyms; the side is not known."""
    import pandas as pd

    from fascicle.atlas.table import table as atlas

    acronyms = table["acronym"].astype(object).where(table["acronym"].notna(), "")
    table["acronym"] = acronyms.astype(str)
    table["region_id"] = pd.array(
        [atlas().by_acronym.get(name) if name else None for name in table["acronym"]], "Int64"
    )
    table["hemisphere"] = ""
