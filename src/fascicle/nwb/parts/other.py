"""Whatever no other part takes: each dataset under its own name, or left out with the reason.

Values with times become a TimeSeries, intervals with what belongs to them TimeIntervals, times
alone an EventsTable, tables a DynamicTable. All else stands in the file's scratch space.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fascicle.errors import FascicleError
from fascicle.formats.nwb.records import Value
from fascicle.nwb.parts.loose import TABLES, TEXTS, VIDEOS, carry
from fascicle.nwb.parts.placing import (
    column_name,
    files_of,
    fresh_name,
    labels,
    put,
    safe_name,
)
from fascicle.nwb.writing.entries import Entry, Item

if TYPE_CHECKING:
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import Source, SourceFile

MISC = "processing/misc"
#: Of the attributes of an object, what its samples' times are called.
TIMES = ("times", "timestamps")
_PROBE = re.compile(r"(?:^|/)(probe[0-9A-Za-z_]+)(?:/|$)")
_CARRIED = TABLES | TEXTS | {"npy", "npz", "sparse_npz"}


# -- what there is ---------------------------------------------------------------------------------


def offer(source: Source, document: Mapping[str, Any]) -> list[Entry]:
    """Return an entry for each dataset that no entry so far names, and one for all that is left."""
    entries: list[Entry] = list(document.get("objects", ()))
    named = {file.path for entry in entries for file in _of_entry(source, entry)}
    free = [f for f in source.files if f.path not in named and _is_ours(f)]
    taken = {entry.nwb for entry in entries}
    found: list[Entry] = []
    for group in _objects(free):
        for entry in _entries(source, group):
            entry.nwb = _placed(entry, taken)
            taken.add(entry.nwb)
            found.append(entry)
    if source.files:
        found.append(
            Entry(
                "scratch",
                "ScratchData",
                "other",
                description="Every dataset that nothing above takes, each by itself",
                settings={"rest": True},
            )
        )
    return found


def _placed(entry: Entry, taken: set[str]) -> str:
    """Return the entry's path: with its probe, or its collection where the name is taken."""
    at, where = entry.nwb, "".join(entry.collections[:1])
    head, _, name = at.rpartition("/")
    if probe := _PROBE.search(where):
        at = f"{head}/{probe[1]}.{name}"
    if at in taken and where:
        at = f"{head}/{safe_name(where.replace('/', '.'))}.{name}"
    return fresh_name(at, taken)


def _is_ours(file: SourceFile) -> bool:
    return bool(file.attribute) and file.extension in _CARRIED and not is_raw(file)


def _of_entry(source: Source, entry: Entry) -> Iterator[SourceFile]:
    for item in entry.items:
        yield from files_of(source, item.source, entry.collections)


def _objects(files: Iterable[SourceFile]) -> list[list[SourceFile]]:
    """Return files by object: those of one collection together."""
    groups: dict[tuple[str, str], list[SourceFile]] = {}
    for file in files:
        groups.setdefault((file.collection, file.object), []).append(file)
    return [groups[key] for key in sorted(groups)]


def times_of(source: Source, file: SourceFile) -> SourceFile | None:
    """Return the dataset with the times of a dataset's samples, if there is one."""
    found = [
        one
        for one in source.find(file.object, collection=file.collection, extension="npy")
        if one.attribute in TIMES and one.path != file.path
    ]
    found.sort(key=lambda one: (one.timescale != file.timescale, bool(one.timescale), one.key))
    return found[0] if found else None


def _entries(source: Source, files: list[SourceFile]) -> Iterator[Entry]:
    """Go through the entries for an object's datasets."""
    rest = list(files)
    spans = next((f for f in rest if f.attribute == "intervals" and f.extension == "npy"), None)
    if spans is not None:
        beside = [f for f in rest if f is not spans and f.attribute not in TIMES]
        with_it = [f for f in beside if f.extension in ("npy", "tsv", "csv", "ssv")]
        yield _intervals(spans, with_it)
        rest = [f for f in rest if f is not spans and f not in with_it]
    timed = [f for f in rest if f.extension == "npy" and f.attribute not in TIMES]
    clocked = set()
    for file in timed:
        clock = times_of(source, file)
        if clock is not None:
            clocked.add(clock.path)
            rest.remove(file)
            yield _series(source, file, clock)
    for file in rest:
        if file.path in clocked:
            continue
        if file.extension == "npy" and file.attribute in TIMES:
            yield _entry(source, file, "events", "EventsTable", "timestamp", "s")
        elif file.extension in TABLES:
            yield _table(source, file)
        else:
            yield _entry(source, file, "scratch", "ScratchData", "data", "")


def _called(source: Source, file: SourceFile) -> str:
    """Return the shortest name that no other dataset of the collection has."""
    near = [f for f in source.files if f.collection == file.collection and f is not file]
    for k, label in enumerate(labels(file)):
        if all(label != labels(other)[k] for other in near):
            return label
    return labels(file)[2]


def _entry(source: Source, file: SourceFile, where: str, kind: str, name: str, unit: str) -> Entry:
    called = _called(source, file)
    said = f"{called} of the session's ALF data"
    return Entry(
        f"{where}/{safe_name(called)}",
        kind,
        "other",
        [file.collection],
        description=said,
        items=[Item(name, called, unit=unit, description=said)],
    )


def _series(source: Source, file: SourceFile, clock: SourceFile) -> Entry:
    entry = _entry(source, file, MISC, "TimeSeries", "data", "n.a.")
    said = f"Time of each sample of {file.object}"
    entry.items.append(Item("timestamps", _called(source, clock), unit="s", description=said))
    return entry


def _intervals(spans: SourceFile, others: list[SourceFile]) -> Entry:
    from fascicle.formats.nwb.mapping import column_of

    name = spans.object if not spans.timescale else f"{spans.object}_{spans.timescale}"
    said = f"of the {spans.object}, from the ALF dataset {spans.key}"
    items = [
        Item("start_time", spans.key, unit="s", description=f"Start {said}"),
        Item("stop_time", spans.key, unit="s", description=f"End {said}"),
    ]
    used = {"id", "start_time", "stop_time", "tags", "timeseries"}
    for file in others:
        column = fresh_name(column_of(labels(file)[1].partition(".")[2]), used)
        used.add(column)
        text = f"{file.attribute} of the {spans.object}, one value for each interval"
        items.append(Item(column, labels(file)[1], description=text))
    return Entry(
        f"{MISC}/{safe_name(name)}",
        "TimeIntervals",
        "other",
        [spans.collection],
        description=f"Intervals of the object {spans.object} of the session's ALF data",
        items=items,
    )


def _table(source: Source, file: SourceFile) -> Entry:
    from fascicle.nwb.parts.frames import schema_columns

    entry = _entry(source, file, MISC, "DynamicTable", "*", "")
    columns = schema_columns(source, file)
    if columns:
        called, used = entry.items[0].source, {"id"}
        entry.items = []
        for column in columns:
            name = fresh_name(column_name(column), used)
            used.add(name)
            said = f"Column {column!r} of {called}"
            entry.items.append(Item(name, f"{called}:{column}", description=said))
    return entry


# -- building --------------------------------------------------------------------------------------


def build(draft: Draft, entry: Entry) -> None:
    """Build one entry; what does not fit it is left to the last, which takes all that is left."""
    if entry.settings.get("rest"):
        build_rest(draft)
        return
    builders = {
        "TimeSeries": _build_series,
        "SpatialSeries": _build_series,  # for those who know the unit and what it refers to
        "TimeIntervals": _build_intervals,
        "EventsTable": _build_events,
    }
    builder = builders.get(entry.type)
    if builder is not None:
        builder(draft, entry)
        return
    from fascicle.nwb.parts.frames import carry_table

    for file in dict.fromkeys(f for i in entry.wanted for f in _free(draft, entry, i)):
        if entry.type == "DynamicTable" and file.extension in TABLES:
            try:
                said = entry.description
                carry_table(draft, file, at=entry.nwb, description=said, entry=entry)
            except FascicleError as error:
                draft.skip(file, f"it cannot be read: {error}")
                draft.warn(f"left out: {error}", file)
        else:
            carry(draft, file, name=entry.name, description=entry.description)


def _free(draft: Draft, entry: Entry, item: Item) -> list[SourceFile]:
    """Return the datasets of an item that nothing has taken yet."""
    done = draft.taken | draft.left_out.keys()
    return [f for f in files_of(draft.source, item.source, entry.collections) if f.path not in done]


def _loaded(draft: Draft, file: SourceFile) -> Any:
    """Return what a dataset holds; None where it cannot be read, which is said."""
    try:
        return draft.source.load(file, keep=False)
    except FascicleError as error:
        draft.skip(file, f"it cannot be read: {error}")
        draft.warn(f"left out: {error}", file)
        return None


def why_no_series(values: Any) -> str:
    """Return why values are no samples of a series, empty if they are."""
    import numpy as np

    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiub":
        return f"values of the type {getattr(values, 'dtype', type(values).__name__)}"
    if values.dtype.itemsize > 8:
        return f"values of the type {values.dtype}"
    if not values.ndim or not values.size:
        return "no samples"
    if any(n > len(values) for n in values.shape[1:]):
        return f"an array of {values.shape}: time would not be its longest axis"
    return ""


def _build_series(draft: Draft, entry: Entry) -> None:
    from pynwb import TimeSeries
    from pynwb.behavior import SpatialSeries

    from fascicle.nwb.parts.timing import clock_of, own, timing
    from fascicle.nwb.writing.draft import narrowed

    item = entry.item("data")
    files = _free(draft, entry, item) if item else []
    if item is None or not files:
        return
    file = files[0]
    times = next(
        (
            f
            for one in entry.wanted
            if one.name == "timestamps"
            for f in files_of(draft.source, one.source, entry.collections)
        ),
        None,
    )
    if times is None:
        return
    values = _loaded(draft, file)
    if values is None:
        return
    if why := why_no_series(values):
        draft.inform(f"no time series: it holds {why}", file)
        return
    clock = clock_of(draft, times, len(values))
    if clock.problem:
        draft.warn(f"without times, since those of {times.path} {clock.problem}", file)
        return
    if len(values) != len(clock):
        draft.warn(f"without times: it has {len(values)} samples, and {len(clock)} times", file)
        return
    kind, more = TimeSeries, {}
    if entry.type == "SpatialSeries":
        kind, more = (
            SpatialSeries,
            {"reference_frame": entry.settings.get("reference_frame", "unknown")},
        )
    series = kind(
        name=entry.name,
        data=draft.array(narrowed(values, item.dtype), what=file.key),
        unit=item.unit or "n.a.",
        description=entry.description or item.description or file.key,
        **more,
        **timing(draft, clock, len(values)),
    )
    put(draft, entry.nwb, series)
    own(draft, clock, series, entry.nwb, len(values))
    draft.took(file, Value("sample", entry.nwb, ("data",), dtype=values.dtype.str))


def _build_events(draft: Draft, entry: Entry) -> None:
    import numpy as np
    from pynwb.event import EventsTable, TimestampVectorData

    from fascicle.nwb.parts.timing import clock_of

    item = entry.item("timestamp")
    files = _free(draft, entry, item) if item else []
    if item is None or not files:
        return
    clock = clock_of(draft, files[0])
    if clock.problem:
        return
    assert clock.values is not None
    times = draft.array(clock.values, dtype=np.float64, what=files[0].key)
    said = item.description or f"Times of {clock.file.object}"
    table = EventsTable(
        name=entry.name,
        description=entry.description or said,
        columns=[TimestampVectorData(name="timestamp", description=said, data=times)],
        id=draft.array(np.arange(len(clock)), what=files[0].key),
    )
    put(draft, entry.nwb, table)
    dtype = clock.values.dtype.str
    draft.took(files[0], Value("event", entry.nwb, ("timestamp",), dtype=dtype))


def why_no_intervals(values: Any) -> str:
    """Return why values are no intervals as NWB wants them, empty if they are."""
    import numpy as np

    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        return "they are no numbers"
    if values.ndim != 2 or values.shape[1] != 2 or not len(values):
        return f"they have the shape {values.shape} rather than a start and an end each"
    if not np.isfinite(values).all():
        return "some are not finite"
    if np.any(values[:, 1] <= values[:, 0]):
        return "some end before they begin, or as they begin"
    if np.any(np.diff(values[:, 0]) < 0):
        return "they do not begin one after the other"
    if len(values) > 1 and not np.any(np.diff(values[:, 0])):
        return "all begin at the same time"
    if values.dtype != np.float64 and not np.array_equal(values.astype(np.float64), values):
        return f"they are {values.dtype}, which 64-bit floats do not hold exactly"
    return ""


def _build_intervals(draft: Draft, entry: Entry) -> None:
    import numpy as np
    from hdmf.common import VectorData
    from pynwb.epoch import TimeIntervals

    start, stop = entry.item("start_time"), entry.item("stop_time")
    files = _free(draft, entry, start) if start else []
    if start is None or stop is None or not files:
        return
    spans, values = files[0], _loaded(draft, files[0])
    if values is None:
        return
    if why := why_no_intervals(values):
        draft.warn(f"carried as an array, for NWB's intervals {why}", spans)
        return
    key, dtype = spans.key, values.dtype.str
    columns = [
        VectorData(
            name=item.name,
            description=item.description or f"{item.name} in seconds",
            data=draft.array(np.ascontiguousarray(values[:, k], dtype=np.float64), what=key),
        )
        for k, item in enumerate((start, stop))
    ]
    taken: list[tuple[SourceFile, Value]] = []
    taken.append((spans, Value("row", entry.nwb, ("start_time", "stop_time"), dtype=dtype)))
    for item in entry.wanted:
        if item.name in ("start_time", "stop_time"):
            continue
        for file in _free(draft, entry, item)[:1]:
            column = _column(draft, file, item, entry, len(values))
            if column is not None:
                columns.append(column[0])
                taken.append((file, column[1]))
    table = TimeIntervals(
        name=entry.name,
        description=entry.description or f"Intervals of {spans.object}",
        columns=columns,
        id=draft.array(np.arange(len(values)), what=key),
    )
    put(draft, entry.nwb, table)
    for file, value in taken:
        draft.took(file, value)


def _column(
    draft: Draft, file: SourceFile, item: Item, entry: Entry, rows: int
) -> tuple[Any, Value] | None:
    """Return a dataset as a column of a table of so many rows; None, and why, if it is none."""
    from hdmf.common import VectorData

    from fascicle.nwb.parts.frames import stored_column
    from fascicle.nwb.parts.loose import storable
    from fascicle.nwb.writing.draft import narrowed

    found = _loaded(draft, file)
    if found is None:
        return None
    said = item.description or f"{file.attribute} of {file.object}"
    if file.extension == "npy":
        held, back = storable(found), {"dtype": found.dtype.str}
        frame = None
    else:
        if getattr(found, "ndim", 0) != 1:
            return None  # a table of its own
        stored = stored_column(found)
        held, back = stored if stored is not None else (None, {})
        frame = {} if stored is None else {str(found.name): None}
    if held is None or not getattr(held, "ndim", 0) or len(held) != rows:
        shape = getattr(found, "shape", ())
        draft.warn(f"by itself: an array of {shape} is no column of {rows} intervals", file)
        return None
    if held.ndim > 1 and not held.size:
        return None
    data = draft.array(narrowed(held, item.dtype), what=file.key)
    column = VectorData(name=item.name, description=said, data=data)
    value = Value("row", entry.nwb, (item.name,), **back)
    if frame is not None:
        value = Value("frame", entry.nwb, columns={str(found.name): value})
    return column, value


# -- all that is left ------------------------------------------------------------------------------


def build_rest(draft: Draft) -> None:
    """Carry each dataset that nothing has taken by itself, or say why it is left out."""
    off = _switched_off(draft)
    done = draft.taken | draft.left_out.keys()
    for file in draft.source.files:
        if file.path in done:
            continue
        if file.path in off:
            draft.skip(file, "it is switched off in the metadata")
        elif file.extension in VIDEOS and draft.options.videos == "none":
            draft.skip(file, "videos were not asked for")
        elif is_raw(file) and not draft.options.raw:
            draft.skip(file, "raw recordings were not asked for")
        else:
            carry(draft, file)


def is_raw(file: SourceFile) -> bool:
    """Return whether a dataset is of a raw recording: its samples, or what describes them."""
    return file.namespace == "spikeglx" and file.object.startswith("ephysData")


def _switched_off(draft: Draft) -> set[str]:
    """Return the datasets that entries or items name which are off, and none that is on."""
    off: set[str] = set()
    on: set[str] = set()
    for entry in draft.metadata.objects:
        for item in entry.items:
            paths = {f.path for f in files_of(draft.source, item.source, entry.collections)}
            (on if entry.on and item.on else off).update(paths)
    return off - on
