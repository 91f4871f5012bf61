"""One row per sorted unit: its spikes, its quality, and where in the brain it is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from fascicle.alf import spec
from fascicle.analysis.probes import Sorting, Where, choose_sorting, of_probe, open_insertion
from fascicle.archives.base import Archive, DatasetRef, Holder, SessionName
from fascicle.archives.opening import open_archive
from fascicle.archives.select import split_path
from fascicle.archives.session import OpenSession
from fascicle.atlas import Regions
from fascicle.errors import ALFObjectNotFound, BadFileError, IncompleteWarning, NotFoundError
from fascicle.load import load_file

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

GOOD = 1.0
"""The label of a unit that passed all criteria of quality."""

#: What every table begins with; what was not recorded is missing (NaN, NA or an empty text).
COLUMNS = (
    *("archive", "eid", "pid", "probe", "sorting", "cluster_id", "label", "good"),
    *("n_spikes", "firing_rate", "channel", "depth", "x", "y", "z", "region_id", "acronym"),
    "hemisphere",
)


def units(
    where: Where,
    id: SessionName | None = None,
    *,
    sorting: str | None = None,
    good: bool | None = None,
    revision: str | None = None,
    spikes: bool = False,
) -> pd.DataFrame:
    """Return the units of one probe or of all probes of a session as one table.

    Metrics are joined by their ``cluster_id``, not by their place in the file, since that file
    leaves out units that were not measured. Where a probe was sorted more than once, one sorting
    is taken, as the column ``sorting`` says, and ``sorting=`` chooses another;
    ``frame.attrs["sortings"]`` lists them all.

    Parameters
    ----------
    where : Archive, path or OpenSession
        The archive; or a session, and then ``id`` is one of its probes or left out.
    id : str or uuid.UUID
        An insertion (pid), or a session (eid, path, ``2020-01-31_1_subject``).
    sorting : str, optional
        Name of the spike sorting, e.g. ``pykilosort``; ``""`` for the one in the probe's folder.
    good : bool, optional
        True for units with label 1 only, False for the others.
    revision : str, optional
        The last revision of each file up to this one, in place of the default.
    spikes : bool
        Add the column ``times``: an array of spike times in seconds for each unit.

    Returns
    -------
    pandas.DataFrame
        ``archive``, ``eid``, ``pid``, ``probe``, ``sorting``; ``cluster_id``; ``label`` (0 to 1)
        and ``good``; ``n_spikes``, ``firing_rate`` (1/s); ``channel`` (row of the channels' files)
        and ``depth`` (µm from the tip); ``x``, ``y``, ``z`` (µm in CCF space from bregma: right,
        front, up), ``region_id`` (positive CCF id), ``acronym`` and ``hemisphere`` (``left``,
        ``right``, or empty where it is unknown) of its channel; then all other metrics.

    Raises
    ------
    SessionNotFound, NotFoundError
        If there is no such session, probe or sorting.
    ALFObjectNotFound
        If it has no sorted spikes.

    Examples
    --------
    >>> table = units("~/data", pid, good=True)  # doctest: +SKIP
    >>> table.groupby("acronym").firing_rate.median()  # doctest: +SKIP
    """
    session, insertion = open_insertion(where, id)
    probe = insertion.name if insertion else None
    table, absent = read_units(session, probe, sorting=sorting, revision=revision, spikes=spikes)
    if absent:
        warnings.warn(absent_files(absent), IncompleteWarning, stacklevel=2)
    if good is not None:
        table = table[table["good"].eq(good).fillna(False)].reset_index(drop=True)
    return table


def read_units(
    session: OpenSession,
    probe: str | None,
    *,
    sorting: str | None = None,
    revision: str | None = None,
    spikes: bool = False,
) -> tuple[pd.DataFrame, list[str]]:
    """Return the table of `units`, and the files that it would have used but are not here.

    Parameters
    ----------
    session : OpenSession
    probe : str or None
        Name of a probe; None for all.
    sorting, revision, spikes
        As for `units`.
    """
    import pandas as pd

    _SEEN[session.archive.name] = session.archive
    found = of_probe(session, probe)
    tables, absent = [], []
    for options in found.values():
        reader = _Reader(session, choose_sorting(options, sorting, session), revision)
        tables.append(reader.table(spikes))
        absent += reader.absent
    table = pd.concat(tables, ignore_index=True) if len(tables) > 1 else tables[0]
    table.attrs["sortings"] = {name: [o.name for o in found[name]] for name in found}
    return table, absent


def absent_files(paths: list[str]) -> str:
    """Return the sentence that says which files are in an index and not here."""
    listed = ", ".join(paths[:4]) + (f" and {len(paths) - 4} more" if len(paths) > 4 else "")
    return f"columns are missing, since these files are in the index and not here: {listed}"


def spike_times(
    unit: pd.Series[Any] | Mapping[str, Any] | NamedTuple, *, revision: str | None = None
) -> NDArray[np.float64]:
    """Return the spike times of one unit, in seconds of the session's clock.

    Parameters
    ----------
    unit : pandas.Series, mapping or named tuple
        A row of the table that `units` returns: what is read of it are ``archive``, ``eid``,
        ``probe``, ``sorting`` and ``cluster_id`` (and ``times`` if it is there).
    revision : str, optional
        As for `units`: give the same to both.

    Returns
    -------
    numpy.ndarray
        Sorted. A view that is read-only: the spikes of a probe are read once for all of its units.
        Empty for a unit that never fired.

    Raises
    ------
    NotFoundError
        If the row lacks one of these, or the sorting has no such unit.

    Examples
    --------
    >>> for _, unit in table.iterrows():  # doctest: +SKIP
    ...     times = spike_times(unit)
    """
    row = unit._asdict() if hasattr(unit, "_asdict") else unit
    missing = [k for k in ("archive", "eid", "probe", "sorting", "cluster_id") if k not in row]
    if missing:
        raise NotFoundError(
            f"this is no row of a table of units: it has no {', '.join(missing)}",
            hint="give a row of units(…), e.g. table.iloc[0]",
        )
    if isinstance(row.get("times"), np.ndarray):
        given: NDArray[np.float64] = row["times"]
        return given
    place = str(row["archive"])
    session = (_SEEN.get(place) or open_archive(place)).open(str(row["eid"]))
    options = of_probe(session, str(row["probe"]))[str(row["probe"])]
    chosen = choose_sorting(options, str(row["sorting"]), session)
    trains = _trains(session, chosen, revision)
    cluster = int(row["cluster_id"])
    if (held := _held_times(session, chosen, revision)) is not None:
        with suppress(ALFObjectNotFound):
            return held[0].unit_times(held[1], cluster)
    if cluster in trains:
        return trains[cluster]
    if cluster in _Reader(session, chosen, revision).table(spikes=False)["cluster_id"].array:
        return np.empty(0)
    raise NotFoundError(
        f"{chosen.collection} of {session.record.path} has no unit {cluster}",
        hint="units(…) lists the units",
    )


#: Attributes of clusters and channels that are large or that the table does not need.
_UNUSED = frozenset({"waveforms", "waveformsChannels", "templates", "labels"})


#: Archives in use whose units were read: they need not be opened anew for each unit.
_SEEN: WeakValueDictionary[str, Archive] = WeakValueDictionary()


# -- spikes ---------------------------------------------------------------------------------------


def _trains(
    session: OpenSession, sorting: Sorting, revision: str | None
) -> Mapping[int, NDArray[np.float64]]:
    """Return the spike times of each unit of a sorting."""
    if (held := _held_times(session, sorting, revision)) is not None:
        return held[0].trains(held[1])
    files = []
    for name in ("spikes.times", "spikes.clusters"):
        found = session.files(name, collection=sorting.collection, revision=revision)
        # Where it is not exactly one, this says what is wrong.
        files += found if len(found) == 1 else [session.file(name, collection=sorting.collection)]
    stamps = tuple(file.stat().st_mtime_ns for file in files)
    return _split(files[0], files[1], stamps)


def _held_times(
    session: OpenSession, sorting: Sorting, revision: str | None
) -> tuple[Holder, DatasetRef] | None:
    """Return what reads the units of a sorting one by one; None where the spikes are files."""
    found = session.list("spikes.times", collection=sorting.collection, revision=revision)
    holder = session.holder()
    return (holder, DatasetRef(session.eid, found[0])) if holder and len(found) == 1 else None


@lru_cache(maxsize=2)
def _split(
    times_file: Path, clusters_file: Path, stamps: tuple[int, ...]
) -> dict[int, NDArray[np.float64]]:
    """Read the spikes of one probe and split them by unit; the stamps tell changed files apart."""
    times = np.asarray(load_file(times_file), dtype=np.float64).ravel()
    clusters = np.asarray(load_file(clusters_file)).ravel()
    if times.size != clusters.size:
        raise BadFileError(
            f"{times_file.name} has {times.size} spikes and {clusters_file.name} {clusters.size}: "
            f"they are not of one sorting ({times_file.parent})",
            hint="choose files of one revision with revision=, or another sorting=",
        )
    order = np.lexsort((times, clusters))
    times, clusters = times[order], clusters[order]
    times.setflags(write=False)
    ids, first = np.unique(clusters, return_index=True)
    return dict(zip(ids.tolist(), np.split(times, first[1:]), strict=True)) if ids.size else {}


# -- the table ------------------------------------------------------------------------------------


class _Reader:
    """Reads one sorting of one probe, and remembers the files that were not here."""

    def __init__(self, session: OpenSession, sorting: Sorting, revision: str | None) -> None:
        self.session, self.sorting, self.revision = session, sorting, revision
        self.absent: list[str] = []

    def table(self, spikes: bool) -> pd.DataFrame:
        """Return one row per unit."""
        import pandas as pd

        session, sorting = self.session, self.sorting
        clusters = self._attributes("clusters", sorting.collection)
        metrics = _metrics(clusters.pop("metrics", None), len(clusters.get("channels", ())))
        trains: Mapping[int, NDArray[np.float64]] = {}
        rows = max((len(v) for v in clusters.values() if np.ndim(v) == 1), default=0)
        if spikes or not {"spike_count", "firing_rate"} <= set(metrics):
            trains = _trains(session, sorting, self.revision)
        elif not _is_complete(metrics, rows):
            with suppress(ALFObjectNotFound):  # then what was not measured stays missing
                trains = _trains(session, sorting, self.revision)
        known = {*range(rows), *metrics.index.tolist(), *trains}
        ids = pd.Index(sorted(known), name="cluster_id", dtype="int64")
        metrics = metrics.reindex(ids)
        table = pd.DataFrame(index=ids)
        table["archive"], table["eid"] = session.archive.name, str(session.eid)
        table["pid"] = _pid(session, sorting)
        table["probe"], table["sorting"] = sorting.probe, sorting.name
        label = metrics["label"] if "label" in metrics else pd.Series(np.nan, ids)
        table["label"] = label.astype("float64")
        table["good"] = (table["label"] == GOOD).astype("boolean").mask(table["label"].isna())
        table["n_spikes"], table["firing_rate"] = _activity(metrics, trains)
        channel = _column(clusters.pop("channels", None), ids)
        table["channel"] = channel.astype("Int64")
        self._add_places(table, channel, _column(clusters.pop("depths", None), ids))
        for key, value in clusters.items():
            if np.ndim(value) == 1 and key not in table and key not in metrics:
                table[key] = _column(value, ids)
        others = metrics.drop(columns=[c for c in metrics if c in table])
        table = pd.concat([table, others], axis=1)
        if spikes:
            none = np.empty(0)
            table["times"] = pd.Series([trains.get(i, none) for i in ids], ids, dtype=object)
        table = table.reset_index()
        return table[[*COLUMNS, *(c for c in table if c not in COLUMNS)]]

    def _add_places(
        self, table: pd.DataFrame, channel: pd.Series[Any], depth: pd.Series[Any]
    ) -> None:
        """Add where each unit is: where the site of its channel is."""
        at = np.where(channel.isna(), -1, channel.fillna(-1)).astype(np.int64)
        sites = self._sites()
        table["depth"] = depth.where(depth.notna(), _pick(sites.depth, at)).astype("float64")
        for axis, name in enumerate("xyz"):
            table[name] = _pick(None if sites.xyz is None else sites.xyz[:, axis], at)
        _name_regions(table, sites, at)

    def _attributes(self, name: str, collection: str) -> dict[str, Any]:
        """Return the attributes of an object, or nothing where there is no such object.

        File by file: attributes that were not made anew stay in an older revision, and metrics
        have fewer rows than clusters; neither is a cause to warn.
        """
        found = {}
        for path in self.session.list(name, collection=collection, revision=self.revision):
            parts = spec.parse_name(split_path(path).name)
            if parts is None or parts.attribute in _UNUSED or parts.extension == "json":
                continue
            try:
                value = self.session.read(path)
            except ALFObjectNotFound:
                self.absent.append(f"{self.session.record.path}/{path}")
                continue
            key = f"{parts.attribute}_{parts.timescale}" if parts.timescale else parts.attribute
            found[key] = value
        return found

    def _sites(self) -> Sites:
        """Return the sites by channel: of ``electrodeSites`` where the probe has them."""
        probe, collection = self.sorting.probe, self.sorting.collection
        channels = self._attributes("channels", collection)
        place = f"alf/{probe}" if probe else collection
        sites = self._attributes("electrodeSites", place)
        if not channels and place != collection:
            channels = self._attributes("channels", place)
        return merge_sites(channels, sites)


def _metrics(table: Any, n_clusters: int) -> pd.DataFrame:
    """Return the metrics by ``cluster_id``."""
    import pandas as pd

    if table is None:
        return pd.DataFrame(index=pd.Index([], dtype="int64", name="cluster_id"))
    frame = pd.DataFrame(table)
    frame = frame.drop(columns=[c for c in frame if str(c).startswith("Unnamed")])
    if "cluster_id" not in frame:
        if n_clusters and len(frame) != n_clusters:
            raise BadFileError(
                f"clusters.metrics has {len(frame)} rows for {n_clusters} clusters "
                "and no column cluster_id to tell them apart",
                hint="add cluster_id to the file, or mark its quality control CRITICAL",
            )
        return frame.rename_axis("cluster_id")
    frame = frame.astype({"cluster_id": "int64"})
    return frame.drop_duplicates("cluster_id").set_index("cluster_id")


def _is_complete(metrics: pd.DataFrame, rows: int) -> bool:
    """Return whether the metrics tell how much each unit fired, so that no spikes are needed."""
    if metrics[["spike_count", "firing_rate"]].isna().any(axis=None):
        return False
    return set(range(rows)) <= set(metrics.index)


def _activity(
    metrics: pd.DataFrame, trains: Mapping[int, NDArray[np.float64]]
) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Return the number of spikes and the firing rate: as measured, else from the spikes."""
    import pandas as pd

    ids = metrics.index
    if trains or "spike_count" not in metrics:
        counts = pd.Series([len(trains.get(i, ())) for i in ids], index=ids)
    else:
        counts = metrics["spike_count"]
    counts = counts.astype("Int64")
    measured = pd.Series(np.nan, index=ids)
    if "firing_rate" in metrics:
        measured = metrics["firing_rate"].astype("float64")
    if not trains:
        return counts, measured
    last = max((train[-1] for train in trains.values()), default=0.0)
    first = min((train[0] for train in trains.values()), default=0.0)
    span = last - first
    if span > 0:
        measured = measured.fillna(counts.astype("float64") / span)
    return counts, measured


def _column(values: Any, ids: pd.Index[Any]) -> pd.Series[Any]:
    """Return an attribute with one row per cluster as a column; missing rows are missing."""
    import pandas as pd

    if values is None or np.ndim(values) != 1:
        return pd.Series(np.nan, index=ids, dtype="float64")
    return pd.Series(np.asarray(values)).reindex(ids)


def _pid(session: OpenSession, sorting: Sorting) -> str:
    named = [i for i in session.insertions if i.name == sorting.probe]
    return str(named[0].pid) if named else ""


# -- where the sites are --------------------------------------------------------------------------


class Sites(NamedTuple):
    """The recording sites of a probe, one row each: µm along it, µm in CCF space, CCF id."""

    depth: NDArray[Any] | None
    xyz: NDArray[Any] | None
    region: NDArray[Any] | None


def merge_sites(channels: Mapping[str, Any], sites: Mapping[str, Any]) -> Sites:
    """Return the sites by channel: of ``electrodeSites`` where they are known, else the channels'.

    Parameters
    ----------
    channels, sites : mapping
        Attributes of the sorter's channels and of the probe's traced sites.
    """
    local = _array(channels, "localCoordinates", 2)
    depth = None if local is None else local[:, 1]
    row = _site_of_channel(channels, sites)
    if row is None:
        return Sites(depth, _array(channels, "mlapdv", 2), _region_ids(channels))
    local = _array(sites, "localCoordinates", 2)
    if depth is None and local is not None:
        depth = local[row, 1]
    xyz, region = _array(sites, "mlapdv", 2), _region_ids(sites)
    return Sites(
        depth,
        _array(channels, "mlapdv", 2) if xyz is None else xyz[row],
        _region_ids(channels) if region is None else region[row],
    )


def _site_of_channel(channels: Mapping[str, Any], sites: Mapping[str, Any]) -> NDArray[Any] | None:
    """Return the row of ``electrodeSites`` of each channel, or None where they cannot be told."""
    if not sites:
        return None
    n = len(next(iter(sites.values())))
    here, there = _array(channels, "localCoordinates", 2), _array(sites, "localCoordinates", 2)
    if here is not None and there is not None:
        places = {(x, y): i for i, (x, y) in enumerate(np.round(there, 3).tolist())}
        rows = [places.get((x, y), -1) for x, y in np.round(here, 3).tolist()]
        if -1 not in rows:
            return np.array(rows)
    raw = _array(channels, "rawInd", 1)
    if raw is not None and raw.size and int(raw.max()) < n:
        return raw.astype(np.int64)
    n_channels = len(next(iter(channels.values()))) if channels else n
    return np.arange(n) if n == n_channels else None


def _array(bunch: Mapping[str, Any], key: str, dimensions: int) -> NDArray[Any] | None:
    """Return an attribute as an array if it is there and has so many dimensions."""
    value = bunch.get(key)
    if value is None or np.ndim(value) != dimensions:
        return None
    return np.asarray(value)


def _region_ids(sites: Mapping[str, Any]) -> NDArray[Any] | None:
    ids = _array(sites, "brainLocationIds_ccf_2017", 1)
    return _array(sites, "brainLocationIds", 1) if ids is None else ids


def _pick(values: NDArray[Any] | None, at: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the values at rows, NaN where a row is not there."""
    out = np.full(at.shape, np.nan)
    if values is not None:
        known = (at >= 0) & (at < len(values))
        out[known] = values[at[known]]
    return out


def _name_regions(table: pd.DataFrame, sites: Sites, at: NDArray[np.int64]) -> None:
    import pandas as pd

    signed = _pick(sites.region, at)
    known = ~np.isnan(signed)
    ids = np.where(known, np.abs(signed), 0).astype(np.int64)
    table["region_id"] = pd.Series(ids, table.index).astype("Int64").where(known)
    names = np.full(ids.shape, "", dtype=object)
    if known.any():
        names[known] = Regions().acronyms(ids[known])
    table["acronym"] = names.astype(str)
    # A negative id says left; else the side of the midline says it, if it is known.
    x = table["x"].to_numpy()
    left, right = (x < 0) | (signed < 0), x > 0
    table["hemisphere"] = np.select([left, right], ["left", "right"], "")
