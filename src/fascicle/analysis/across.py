"""Units of many sessions as one table."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from fascicle import settings
from fascicle.analysis import unit_table
from fascicle.analysis.probes import sortings
from fascicle.analysis.unit_tables import read_table, with_table
from fascicle.archives.opening import as_archives
from fascicle.archives.search import Place, brain_places, find
from fascicle.archives.session import OpenSession
from fascicle.archives.sessions import Found, Sessions
from fascicle.errors import FascicleError, IncompleteWarning

if TYPE_CHECKING:
    import pandas as pd

_SESSION_COLUMNS = ("lab", "subject", "date", "number")


def units(
    sessions: Sessions | None = None,
    *,
    region: Any = None,
    hemisphere: str | None = None,
    label: float | None = None,
    good: bool | None = None,
    sorting: str | None = None,
    revision: str | None = None,
    spikes: bool = False,
    progress: bool | None = None,
    **terms: Any,
) -> pd.DataFrame:
    """Return the units of all matching sessions as one table.

    Of a release that has a table of its units, they are taken from there: no recording is fetched.

    Parameters
    ----------
    sessions : Sessions, optional
        The result of a search. Without it, all terms are searched for.
    region : str or int, or several
        Units in this brain region or below it: acronym, name or CCF id.
    hemisphere : {'left', 'right'}, optional
        With ``region``: units on this side only.
    label : float, optional
        The least label of quality that counts: 1 for units that passed all criteria.
    good, sorting, revision, spikes
        As for `fascicle.analysis.units`.
    progress : bool, optional
        Whether to draw a bar on the standard error; as ``FASCICLE_PROGRESS`` says unless told.
    **terms
        More search terms, and ``archives``, as for `fascicle.find`.

    Returns
    -------
    pandas.DataFrame
        The columns of `fascicle.analysis.units`, with ``lab``, ``subject``, ``date`` and
        ``number`` of the session; one row per unit.

    Raises
    ------
    SearchTermError, RegionNotFound, NoIndexError, ConfigurationError
        As for `fascicle.find`.

    Warns
    -----
    IncompleteWarning
        If the units of some sessions could not be read; the rest is returned.

    Examples
    --------
    >>> table = fascicle.units(region="TH", label=1)  # doctest: +SKIP
    >>> table.groupby("acronym").firing_rate.describe()  # doctest: +SKIP
    """
    import pandas as pd

    places = brain_places(region, hemisphere)
    named = sessions is not None
    if sessions is None:
        asked = {"region": region, "hemisphere": hemisphere, **terms}
        sessions = _searched({k: v for k, v in asked.items() if v is not None})
    elif terms:
        given = ", ".join(f"{term}=" for term in terms)
        raise TypeError(f"{given} given beside sessions: search with one or the other")
    tables, failed, absent = [], [], []
    sessions, tabled = _apart(sessions)
    for found in tabled:
        release = with_table(found.archive)
        assert release is not None  # or it would not be apart
        if spikes or sorting:
            what = "spike times" if spikes else "names of sortings"
            warnings.warn(
                f"the table of units of {release.name} has no {what}",
                IncompleteWarning,
                stacklevel=2,
            )
        eids = found.catalogue.eids(found.rows)
        tables.append(_of_release(found, read_table(release, eids), places, label, good))
    for session, probes in _with_bar(sessions, progress):
        try:
            wanted: list[str | None] = [None]
            if probes is not None and not named:
                # After a search by region, only the probes that are there need be read.
                wanted = [probe for probe in sortings(session) if probe in probes]
            for probe in wanted:
                table, missing = unit_table.read_units(
                    session, probe, sorting=sorting, revision=revision, spikes=spikes
                )
                tables.append(_of_session(session, table, places, label, good))
                absent += missing
        except (FascicleError, OSError) as error:
            failed.append(_failure(session.record.path, error))
    if absent:
        warnings.warn(unit_table.absent_files(absent), IncompleteWarning, stacklevel=2)
    if failed:
        more = f" (and {len(failed) - 3} more)" if len(failed) > 3 else ""
        warnings.warn(
            f"units of {len(failed)} of {len(sessions)} sessions could not be read: "
            + "; ".join(failed[:3])
            + more,
            IncompleteWarning,
            stacklevel=2,
        )
    filled = [table for table in tables if len(table)] or tables[:1]
    if not filled:
        return pd.DataFrame(columns=[*_SESSION_COLUMNS, *unit_table.COLUMNS])
    return pd.concat(filled, ignore_index=True)


def _searched(terms: dict[str, Any]) -> Sessions:
    """Search: sessions with sorted spikes, or all of a release that has a table of units."""
    given = as_archives(terms.pop("archives", None))
    if "datasets" in terms:
        return find(archives=given, **terms)
    tabled = [archive for archive in given if with_table(archive) is not None]
    others = [archive for archive in given if archive not in tabled]
    parts = find(archives=others, datasets="spikes.clusters", **terms).parts if others else []
    parts += find(archives=tabled, **terms).parts if tabled else []
    order = {id(archive): place for place, archive in enumerate(given)}
    return Sessions(sorted(parts, key=lambda part: order.get(id(part.archive), 0)), terms)


def _apart(sessions: Sessions) -> tuple[Sessions, list[Found]]:
    """Return the sessions whose units have to be read, and those whose units are in a table."""
    tabled = [part for part in sessions.parts if with_table(part.archive) is not None]
    rest = [part for part in sessions.parts if part not in tabled]
    return Sessions(rest, sessions.terms), tabled


def _of_release(
    found: Found,
    table: pd.DataFrame,
    places: list[Place] | None,
    label: float | None,
    good: bool | None,
) -> pd.DataFrame:
    """Return the units that are wanted, with the sessions' keys in front."""
    table = _wanted(table, places, label, good).reset_index(drop=True)
    records = {str(r.eid): r for r in map(found.catalogue.session, found.rows)}
    for place, column in enumerate(_SESSION_COLUMNS):
        values = {eid: getattr(record, column) for eid, record in records.items()}
        table.insert(place, column, table["eid"].map(values))
    return table


def _wanted(
    table: pd.DataFrame, places: list[Place] | None, label: float | None, good: bool | None
) -> pd.DataFrame:
    if places is not None:
        table = table[in_places(table, places)]
    if label is not None:
        table = table[table["label"] >= label]
    if good is not None:
        table = table[table["good"].eq(good).fillna(False)]
    return table.copy()


def _failure(path: str, error: Exception) -> str:
    what = str(error).partition("\n")[0]
    return what if what.startswith(path) else f"{path}: {what}"


def _of_session(
    session: OpenSession,
    table: pd.DataFrame,
    places: list[Place] | None,
    label: float | None,
    good: bool | None,
) -> pd.DataFrame:
    """Return the units that are wanted, with the session's key in front."""
    table = _wanted(table, places, label, good)
    record = session.record
    for place, column in enumerate(_SESSION_COLUMNS):
        table.insert(place, column, getattr(record, column))
    table.attrs = {}
    return table


def in_places(table: pd.DataFrame, places: list[Place]) -> pd.Series[bool]:
    """Return which units lie in any of some places; a side that is unknown is neither."""
    sides = {-1: "left", 1: "right"}
    inside = table["region_id"].isin([])
    for place in places:
        here = table["region_id"].isin(place.ids)
        if place.side is not None:
            here &= table["hemisphere"] == sides[place.side]
        inside |= here
    return inside


def _with_bar(
    sessions: Sessions, progress: bool | None
) -> Iterator[tuple[OpenSession, set[str] | None]]:
    """Yield each session with the probes that are in the region that was searched for."""
    shown = settings.show_progress() if progress is None else progress
    steps: Iterable[tuple[OpenSession, set[str] | None]] = _steps(sessions)
    if shown:
        import sys

        from tqdm.auto import tqdm

        steps = tqdm(steps, total=len(sessions), desc="units", unit="session", file=sys.stderr)
    yield from steps


def _steps(sessions: Sessions) -> Iterator[tuple[OpenSession, set[str] | None]]:
    for archive, cat, rows, sites in sessions.parts:
        for row, eid in zip(rows, cat.eids(rows), strict=True):
            probes = None if sites is None else {name for _, name, _ in sites[row]}
            yield OpenSession(archive, eid), probes
