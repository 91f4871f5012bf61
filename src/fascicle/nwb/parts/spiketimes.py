"""The spikes of a session as ragged columns of the units, filled probe by probe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fascicle.errors import BadFileError, ConversionError
from fascicle.formats.nwb.mapping import column_of, mapping
from fascicle.formats.nwb.records import Value
from fascicle.nwb.parts import trains
from fascicle.nwb.parts.electrodes import OFF
from fascicle.nwb.parts.metrics import keep_file
from fascicle.nwb.parts.sortings import files_of
from fascicle.nwb.writing.later import Blocks, Later

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.nwb.parts.sortings import ProbeFiles
    from fascicle.nwb.parts.unittable import Units
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.entries import Entry, Item
    from fascicle.nwb.writing.source import SourceFile

AT = "units"
#: Bytes of values that are made at once.
_STEP = 8_000_000


@dataclass(slots=True)
class Spikes:
    """The spikes of one probe.

    Attributes
    ----------
    probe : ProbeFiles
    times, clusters : SourceFile
    others : dict
        Other attributes that have one value for each spike, and their datasets.
    n_source : int
        How many spikes the datasets have.
    timed : ndarray of bool, shape (n_source,), or None
        Which of them have a time; None where all have one.
    seen, n_seen : ndarray of int
        Ids of the units that have spikes, and how many each has.
    span : tuple of float
        First and last time, in s; empty without spikes.
    some : ndarray of float
        Some of the times, in s.
    ids : ndarray of int
        Id of each row of the probe's units.
    counts : ndarray of int
        Spikes of each row.
    held : tuple of ndarray, or None
        Times and units of the spikes with a time, until `settle`.
    """

    probe: ProbeFiles
    times: SourceFile
    clusters: SourceFile
    others: dict[str, SourceFile] = field(default_factory=dict)
    n_source: int = 0
    timed: NDArray[np.bool_] | None = None
    seen: Any = None
    n_seen: Any = None
    span: tuple[float, ...] = ()
    some: Any = None
    ids: Any = None
    counts: Any = None
    held: Any = None

    @property
    def n(self) -> int:
        """How many spikes are written."""
        return int(self.counts.sum())


def spikes_of(draft: Draft, entry: Entry, probe: ProbeFiles) -> Spikes | None:
    """Look at the spikes of a probe; None, with a warning, where they cannot be told apart.

    Raises
    ------
    ConversionError
        If the times and the units of the spikes do not belong together.
    """
    import numpy as np

    files = files_of(draft.source, probe.sorting, "spikes")
    if not files:
        return None
    if "times" not in files or "clusters" not in files:
        lacking = "times" if "times" not in files else "clusters"
        draft.warn(f"{probe.sorting} has no spikes.{lacking}: its spikes are in no trains")
        return None
    out = Spikes(probe, files["times"], files["clusters"])
    times, clusters = _arrays(draft, out)
    out.n_source = len(times)
    finite = np.isfinite(times)
    if not finite.all():
        out.timed = finite
        draft.warn(
            f"{int((~finite).sum())} of {len(times)} spikes have no time: they are in no train, "
            f"but in the table spikes_{probe.label}, with all others as the datasets have them",
            out.times,
        )
        times, clusters = times[finite], clusters[finite]
    out.seen, out.n_seen = trains.present(clusters)
    out.held = times, clusters
    if len(times):
        out.span = (float(times.min()), float(times.max()))
        out.some = np.asarray(times[:: max(len(times) // 1000, 1)], dtype=np.float64)
    else:
        out.some = np.zeros(0)
    for attribute, file in files.items():
        if attribute in ("times", "clusters"):
            continue
        if file.extension == "npy" and _is_column(draft, file, len(finite)):
            out.others[attribute] = file
    return out


def _arrays(draft: Draft, spikes: Spikes) -> tuple[Any, Any]:
    """Return the times and units of the spikes as they are.

    Raises
    ------
    ConversionError
        If they are no such thing.
    """
    import numpy as np

    times = np.asarray(draft.source.load(spikes.times, keep=False))
    clusters = np.asarray(draft.source.load(spikes.clusters, keep=False))
    hint = "get both datasets again, or switch the entry `units` off in the metadata (on: false)"
    for file, values in ((spikes.times, times), (spikes.clusters, clusters)):
        if values.ndim != 1 or values.dtype.kind not in "iuf":
            raise ConversionError(
                f"{file.path} is no list of numbers: {values.dtype} of shape {values.shape}",
                hint=hint,
            )
    if len(times) != len(clusters):
        raise ConversionError(
            f"{spikes.times.path} has {len(times)} spikes, and {spikes.clusters.path} "
            f"{len(clusters)}: which spike is of which unit cannot be told",
            hint=hint,
        )
    if clusters.dtype.kind == "f":
        if not np.array_equal(clusters, np.rint(clusters)):
            raise ConversionError(
                f"{spikes.clusters.path} has units that are no whole numbers", hint=hint
            )
        clusters = clusters.astype(np.int64)
    return times, clusters


def _is_column(draft: Draft, file: SourceFile, n: int) -> bool:
    """Return whether a dataset has one value for each spike; say so where it has not."""
    try:
        values = draft.source.load(file, keep=False)
    except BadFileError as error:
        draft.warn(f"it cannot be read: {error.message}", file)
        draft.skip(file, f"it cannot be read: {error.message}")
        return False
    if getattr(values, "ndim", 0) < 1 or values.dtype.kind not in "biuf":
        draft.warn("its values are no numbers: it is no column of the units", file)
        return False
    if len(values) != n:
        draft.warn(
            f"it has {len(values)} values for {n} spikes: it is no column of the units", file
        )
        return False
    return True


# -- the columns -----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Ragged:
    """One ragged column: of which probes, and how its values are made."""

    item: Item
    attribute: str
    name: str
    factor: float
    shape: tuple[int, ...]
    wide: np.dtype[Any]  # of the values of all its probes
    dtype: np.dtype[Any]  # as it is written
    files: dict[str, SourceFile] = field(default_factory=dict)
    later: Later | None = None

    def takes(self, values: Any) -> bool:
        """Return whether values of another probe can stand beside those that it has."""
        import numpy as np

        if values.shape[1:] != self.shape:
            return False
        if self.attribute == "times":
            return True
        both = np.result_type(self.wide, values.dtype)
        floats = self.wide.kind == "f" and values.dtype.itemsize < 8
        return both.kind == self.wide.kind or floats


def build_spikes(draft: Draft, entry: Entry, units: Sequence[Units]) -> list[Any]:
    """Return the ragged columns of all probes, and add the jobs that fill them.

    Parameters
    ----------
    draft : Draft
    entry : Entry
    units : sequence of Units
        One for each probe, in the order of their rows.

    Returns
    -------
    list of VectorData and VectorIndex
        None where no spikes are written at all.
    """
    import numpy as np

    held = [one.spikes for one in units if one.spikes is not None]
    ragged = _columns(draft, entry, held)
    out = []
    if not any(spikes.n for spikes in held) or not any(c.attribute == "times" for c in ragged):
        for spikes in held:
            _say_none(draft, spikes, ragged)
        return []
    for column in ragged:
        counts = [
            one.spikes.counts
            if one.spikes is not None and one.probe.label in column.files
            else np.zeros(len(one.ids), np.int64)
            for one in units
        ]
        ends = np.cumsum(np.concatenate(counts))
        total = int(ends[-1])
        if total:
            column.later = Later((total, *column.shape), column.dtype)
        data = column.later.io if column.later else np.zeros((0, *column.shape), column.dtype)
        about = column.item.description or column.item.source
        unit = f" ({column.item.unit})" if column.item.unit else ""
        out += with_index(column.name, f"{about}{unit}", data, ends)
    for spikes in held:
        _fill(draft, spikes, ragged)
        _say(draft, entry, spikes, ragged)
    return out


def with_index(name: str, about: str, data: Any, ends: NDArray[np.int64]) -> list[Any]:
    """Return a ragged column and where the rows end, in as few bytes as these need."""
    import numpy as np
    from hdmf.common import VectorData, VectorIndex

    values = VectorData(name=name, description=about, data=data)
    least = np.min_scalar_type(int(ends[-1]) if len(ends) else 0)
    return [values, VectorIndex(name=f"{name}_index", data=ends.astype(least), target=values)]


def _columns(draft: Draft, entry: Entry, held: Sequence[Spikes]) -> list[_Ragged]:
    """Return the columns that are asked for, ``spike_times`` first."""
    import numpy as np

    known = {d.attribute: d for d in mapping().objects["spikes"].datasets}
    items = {item.source: item for item in entry.wanted if item.source.startswith("spikes.")}
    out: list[_Ragged] = []
    for spikes in held:
        for attribute, file in {"times": spikes.times, **spikes.others}.items():
            item = items.get(f"spikes.{attribute}")
            if item is None:
                draft.skip(file, OFF)
                continue
            values = draft.source.load(file, keep=False)
            mine = [c for c in out if c.attribute == attribute]
            column = next((c for c in mine if c.takes(values)), None)
            if column is None:
                dataset = known.get(attribute)
                place = dataset.written if dataset is not None else None
                as_is = place is None or (dataset is not None and item.unit == dataset.unit)
                name = item.name if not mine else f"{item.name}_{spikes.probe.label}"
                if attribute == "times":
                    name = "spike_times"  # NWB's own name
                factor = 1.0 if as_is or place is None else place.factor
                shape = tuple(values.shape[1:])
                column = _Ragged(item, attribute, name, factor, shape, values.dtype, values.dtype)
                out.append(column)
            column.wide = np.result_type(column.wide, values.dtype)
            column.files[spikes.probe.label] = file
    for column in out:
        column.dtype = _written(draft, column)
    return out


def _written(draft: Draft, column: _Ragged) -> np.dtype[Any]:
    """Return the type that a column is written as."""
    import numpy as np

    asked, wide = column.item.dtype, column.wide
    if column.attribute == "times":
        if asked and np.dtype(asked) != np.float64:
            draft.warn(f"spike_times are float64 in NWB: {asked} is not heeded")
        return np.dtype(np.float64)
    if asked:
        return np.dtype(asked)
    if wide.kind == "b":
        return np.dtype(np.uint8)
    return np.dtype(np.float64) if column.factor != 1.0 and wide.kind != "f" else wide


def settle(draft: Draft, spikes: Spikes, ids: NDArray[np.int64]) -> None:
    """Say which row each unit has, and keep which spikes the source has in another order.

    Parameters
    ----------
    draft : Draft
    spikes : Spikes
        As `spikes_of` returned it.
    ids : ndarray of int
        Id of each row of the probe's units.
    """
    import numpy as np
    from hdmf.common import DynamicTable, VectorData

    spikes.ids = ids
    spikes.counts = np.zeros(len(ids), np.int64)
    spikes.counts[trains.rows_of_spikes(spikes.seen, ids)] = spikes.n_seen
    (times, clusters), spikes.held = spikes.held, None
    if spikes.timed is not None:
        return  # the table of all spikes has their order
    if not trains.rising(times):
        draft.inform("its spikes are not sorted by time: in the trains they are", spikes.times)
    found = trains.moved(clusters, times, ids)
    if found is None:
        return
    wide = np.min_scalar_type(len(times))
    label = spikes.probe.label
    about = ("Place in the datasets", "Place among the spikes sorted by time, then by unit")
    columns = [
        VectorData(
            name=name,
            description=text,
            data=draft.array(values.astype(wide), what=f"order of the spikes of {label}"),
        )
        for name, text, values in zip(("position", "rank"), about, found, strict=True)
    ]
    draft.module("ecephys").add(
        DynamicTable(
            name=f"spike_order_{label}",
            description=f"Spikes of {label} that the datasets have in another order than by time "
            "and, of equal times, by unit",
            columns=columns,
            id=_numbers(draft, len(found[0])),
        )
    )


def _numbers(draft: Draft, n: int) -> Any:
    """Return the ids of the rows of a long table: arrays, since hdmf goes through lists."""
    import numpy as np
    from hdmf.common import ElementIdentifiers

    values = np.arange(n, dtype="i4" if n < 1 << 31 else "i8")  # what the schema asks for
    return ElementIdentifiers(name="id", data=draft.array(values, what="ids of rows"))


def _fill(draft: Draft, spikes: Spikes, ragged: Sequence[_Ragged]) -> None:
    """Add the job that fills the columns of one probe."""
    label = spikes.probe.label
    mine = [c for c in ragged if label in c.files and c.later is not None]
    n = int(spikes.counts.sum())
    if not mine or not n:
        return
    per_spike = sum(c.later.nbytes // c.later.shape[0] for c in mine if c.later is not None)
    draft.fill(
        lambda: _blocks(draft, spikes, mine), what=f"spikes of {label}", nbytes=n * per_spike
    )


def _blocks(draft: Draft, spikes: Spikes, mine: Sequence[_Ragged]) -> Blocks:
    """Go through the values of a probe, column by column, one unit after the other."""
    import numpy as np

    times, clusters = _arrays(draft, spikes)
    timed = spikes.timed
    if timed is None:
        order = trains.grouped(trains.rows_of_spikes(clusters, spikes.ids), times)
    else:
        rows = trains.rows_of_spikes(clusters[timed], spikes.ids)
        order = np.flatnonzero(timed)[trains.grouped(rows, times[timed])]
    del times, clusters  # mapped from files: what is not needed is given back
    for column in mine:
        later = column.later
        assert later is not None
        file = column.files[spikes.probe.label]
        values = np.asarray(draft.source.load(file, keep=False))
        scale = None if column.factor == 1.0 else 1.0 / column.factor
        step = max(_STEP // max(later.nbytes // later.shape[0], 1), 1)
        for start in range(0, len(order), step):
            part = np.take(values, order[start : start + step], axis=0)
            if scale is not None:
                part = part * part.dtype.type(scale) if part.dtype.kind == "f" else part * scale
            yield later, part
        del values


# -- giving them back ------------------------------------------------------------------------------


def _say_none(draft: Draft, spikes: Spikes, ragged: Sequence[_Ragged]) -> None:
    """Say what becomes of the datasets of spikes that are in no train."""
    label = spikes.probe.label
    if not any(c.attribute == "times" for c in ragged):
        for file in (spikes.clusters, *spikes.others.values()):
            draft.skip(file, f"{OFF}: spikes are written with their times alone")
        return
    if spikes.timed is not None:  # spikes there are, none of which has a time
        _keep_all(draft, spikes, {c.attribute: c for c in ragged if label in c.files})
        return
    files = [column.files[label] for column in ragged if label in column.files]
    for file in (spikes.clusters, *files):
        values = draft.source.load(file, keep=False)
        said = {"value": values.tolist()}
        value = Value("literal", "processing/ecephys", dtype=values.dtype.str, options=said)
        draft.took(file, replace(value, shape=tuple(values.shape)))


def _say(draft: Draft, entry: Entry, spikes: Spikes, ragged: Sequence[_Ragged]) -> None:
    """Say where the datasets of a probe's spikes went."""
    import numpy as np

    label = spikes.probe.label
    mine = {c.attribute: c for c in ragged if label in c.files}
    if spikes.timed is not None:
        _keep_all(draft, spikes, mine)
        return
    for column in mine.values():
        value = Value("spike", AT, (column.name,), probe=label, factor=column.factor)
        _took(draft, column.files[label], value)
    if "times" not in mine:
        draft.skip(spikes.clusters, OFF)
        return
    plain = np.array_equal(spikes.ids, np.arange(len(spikes.ids)))
    options = {} if plain else {"ids": id_column(entry)}
    value = Value("spike", AT, ("spike_times",), "unit_of_spike", label, options=options)
    _took(draft, spikes.clusters, value)


def _took(draft: Draft, file: SourceFile, value: Value) -> None:
    """Say how a dataset is given back; of a table, trains do not tell all."""
    held = draft.source.load(file, keep=False)
    if hasattr(held, "to_frame"):
        keep_file(draft, file, value.probe)
    else:
        draft.took(file, replace(value, dtype=held.dtype.str))


def id_column(entry: Entry) -> str:
    """Return what the column of the units' ids is called."""
    found = next((i for i in entry.wanted if i.source == "spikes.clusters"), None)
    return found.name if found is not None else "cluster_id"


def _keep_all(draft: Draft, spikes: Spikes, mine: dict[str, _Ragged]) -> None:
    """Keep all spikes of a probe as the datasets have them, since trains lack some."""
    from hdmf.common import DynamicTable, VectorData

    label = spikes.probe.label
    name = f"spikes_{label}"
    files = {attribute: column.files[label] for attribute, column in mine.items()}
    if "times" in mine:
        files["clusters"] = spikes.clusters
    else:
        draft.skip(spikes.clusters, OFF)
    columns = []
    for attribute, file in files.items():
        values = draft.source.load(file, keep=False)
        columns.append(
            VectorData(
                name=column_of(attribute),
                description=f"Values of spikes.{attribute} as they are",
                data=draft.array(values, what=f"{name}: {attribute}"),
            )
        )
        where = f"processing/ecephys/{name}"
        draft.took(file, Value("row", where, (column_of(attribute),), dtype=values.dtype.str))
    if columns:
        about = f"All spikes of {label}, also those without a time, in the order of the datasets"
        rows = _numbers(draft, spikes.n_source)
        draft.module("ecephys").add(
            DynamicTable(name=name, description=about, columns=columns, id=rows)
        )
