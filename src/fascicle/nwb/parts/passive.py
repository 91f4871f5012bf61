"""What follows the task: a stretch without stimuli, sparse noise, the task's stimuli replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fascicle.formats.nwb.records import Value, without
from fascicle.nwb.parts.carrying import name_of_another, place, read
from fascicle.nwb.parts.tablecolumns import RowTable, Stored, stored
from fascicle.nwb.parts.timing import clock_of, own, timing
from fascicle.nwb.writing.entries import Entry, Item

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import Source, SourceFile

PERIODS = "passivePeriods.intervalsTable"
STIMULI = "passiveStims.table"
GABORS = "passiveGabor.table"
FRAMES = "passiveRFM.times"
NOISE = "RFMapStim.raw"
#: Numbers of rows and columns of the squares of sparse noise.
SQUARES = (15, 15)
#: Where the whole protocol stands among its periods.
WHOLE = "passiveProtocol"
#: Orders of more rows than this are no part of the record of a table.
SMALL = 5000

_TABLES = {
    PERIODS: (
        "intervals/passive_intervals",
        "Periods of the passive protocol: the whole of it, spontaneous activity, mapping of "
        "receptive fields, replay of the task's stimuli",
        [
            Item("start_time", PERIODS, "s", "When the period began, in seconds"),
            Item("stop_time", PERIODS, "s", "When the period ended, in seconds"),
            Item("protocol_name", PERIODS, "", "Which period it is"),
        ],
    ),
    STIMULI: (
        "intervals/passive_task_replay",
        "Sounds of the task that were replayed without one: valve, tone and noise",
        [
            Item("start_time", STIMULI, "s", "When it began, in seconds"),
            Item("stop_time", STIMULI, "s", "When it ended, in seconds"),
            Item("stim_type", STIMULI, "", "What it was: valve (a click), tone, noise"),
        ],
    ),
    GABORS: (
        "intervals/gabor_table",
        "Gabor patches of the task that were replayed without one",
        [
            Item("start_time", f"{GABORS}:start", "s", "When the patch came on, in seconds"),
            Item("stop_time", f"{GABORS}:stop", "s", "When the patch went off, in seconds"),
            Item("position", f"{GABORS}:position", "degrees", "Azimuth of the patch, in degrees"),
            Item("contrast", f"{GABORS}:contrast", "", "Contrast of the patch, 0 to 1"),
            Item("phase", f"{GABORS}:phase", "rad", "Phase of the patch, in radians"),
        ],
    ),
}


def offer(source: Source, document: Mapping[str, Any]) -> list[Entry]:
    """Return entries for the tables of the passive protocol, its epochs, and its sparse noise."""
    entries: list[Entry] = []
    for key, (path, about, items) in _TABLES.items():
        files = [f for f in source.find(*key.split(".")) if f.extension in ("csv", "pqt", "tsv")]
        for number, collection in enumerate(sorted({f.collection for f in files})):
            at = path if not number else name_of_another(path, collection)
            copies = [replace(item) for item in items]
            entries.append(Entry(at, "TimeIntervals", "passive", [collection], about, items=copies))
            if key == PERIODS and not number:
                entries.append(_epochs(collection))
    noise = source.find(*NOISE.split("."), extension="bin")
    times = source.find(*FRAMES.split("."), extension="npy")
    for number, file in enumerate(noise):
        mine = times[number : number + 1]  # in the order of their tasks
        if mine:
            at = "stimulus/presentation/receptive_field_mapping"
            at = at if not number else name_of_another(at, mine[0].collection)
            entries.append(_noise(at, [file.collection, mine[0].collection]))
    return entries


def _epochs(collection: str) -> Entry:
    return Entry(
        "intervals/epochs",
        "TimeIntervals",
        "passive",
        [collection],
        "What the session consists of: the task, then the passive protocol",
        items=[
            Item("start_time", PERIODS, "s", "When the epoch began, in seconds"),
            Item("stop_time", PERIODS, "s", "When the epoch ended, in seconds"),
            Item(
                "protocol_type", PERIODS, "", "task (from the first trial to the last) or passive"
            ),
        ],
    )


def _noise(path: str, collections: Sequence[str]) -> Entry:
    return Entry(
        path,
        "TimeSeries",
        "passive",
        list(dict.fromkeys(collections)),
        "Sparse noise that maps receptive fields: squares that are black (0), grey (128) or "
        "white (255), from the top left of the screen",
        items=[
            Item("data", NOISE, "n.a.", "Frames (time, row, column), one byte for each square"),
            Item("timestamps", FRAMES, "s", "When each frame was shown, in seconds"),
        ],
        settings={"frame": list(SQUARES)},
    )


def build(draft: Draft, entry: Entry) -> None:
    """Build the object of one entry."""
    keys = {item.source.partition(":")[0] for item in entry.items}
    if entry.type == "TimeSeries":
        _build_noise(draft, entry)
        return
    key = next((key for key in _TABLES if key in keys), None)
    file = None if key is None else _find(draft, entry, key)
    if key is None or file is None:
        draft.warn(f"{entry.nwb} is not written: the session has nothing for it")
        return
    frame = read(draft, file)
    if frame is None:
        return
    if not hasattr(frame, "columns"):
        draft.warn(f"{entry.nwb} is not written: it is no table of several columns", file)
    elif any(item.name == "protocol_type" for item in entry.items):
        _build_epochs(draft, entry, frame)
    elif key == PERIODS:
        _build_periods(draft, entry, file, frame)
    elif key == STIMULI:
        _build_stimuli(draft, entry, file, frame)
    else:
        _build_gabors(draft, entry, file, frame)


def _find(draft: Draft, entry: Entry, key: str, extension: str | None = None) -> SourceFile | None:
    holder, _, attribute = key.partition(".")
    for file in draft.source.find(holder, attribute, extension=extension):
        if not entry.collections or file.collection in entry.collections:
            return file
    return None


class _Spans:
    """A table of intervals in the making: rows in the order of their starts."""

    def __init__(self, draft: Draft, entry: Entry, start: Any, stop: Any) -> None:
        import numpy as np

        self.draft = draft
        self.entry = entry
        start, stop = (np.asarray(v, dtype=np.float64) for v in (start, stop))
        kept = np.flatnonzero(np.isfinite(start) & np.isfinite(stop))
        #: Row of the source that each row of the table is.
        self.rows: NDArray[np.intp] = kept[np.argsort(start[kept], kind="stable")]
        self.start, self.stop = start[self.rows], stop[self.rows]
        self.lost = len(start) - len(kept)
        self.table = RowTable(draft, entry.nwb, "TimeIntervals", entry.description)

    def writable(self, file: SourceFile) -> bool:
        """Return whether a table can be written; say what there is to say."""
        if self.lost:
            self.draft.warn(
                f"{self.entry.nwb}: {self.lost} rows have no start or stop and are left out; the "
                "dataset as it was is carried by itself",
                file,
            )
        if len(self.start) > 1 and bool((self.start == self.start[0]).all()):
            self.draft.inform(f"{self.entry.nwb} is not written: all rows start together", file)
            return False
        if not len(self.start):
            self.draft.inform(f"{self.entry.nwb} is not written: it has no rows", file)
            return False
        if bool((self.stop <= self.start).any()):
            self.draft.warn(f"{self.entry.nwb}: some rows do not end after they begin", file)
        self.add_times()
        return True

    def add_times(self) -> None:
        """Add start and stop."""
        for name, values in (("start_time", self.start), ("stop_time", self.stop)):
            item = next((i for i in self.entry.items if i.name == name), None)
            about = item.description if item else f"{name.partition('_')[0]} in seconds"
            self.table.add(name, about, values)

    def back(self, names: tuple[str, ...], dtype: str, rows: Sequence[int], n: int) -> Value:
        """Return how a column of the source comes back from rows of the table."""
        value = Value("row", self.entry.nwb, names, dtype=dtype)
        if list(rows) == list(range(n)):
            return value
        return replace(value, options={"take": [int(row) for row in rows]})


def _numbers(frame: pd.DataFrame, column: str) -> bool:
    """Return whether a column has times that come back from 64-bit floats."""
    import numpy as np

    from fascicle.nwb.parts.carrying import same

    dtype = frame[column].dtype
    if not isinstance(dtype, np.dtype) or dtype.kind not in "iuf" or dtype.itemsize > 8:
        return False
    values = frame[column].to_numpy()
    return same(values.astype(np.float64).astype(dtype), values)


def _item(entry: Entry, default: str) -> tuple[str, str] | None:
    """Return name and description of a column that is asked for: it may have another name."""
    for item in entry.items:
        if item.name == default:
            return (item.name, item.description) if item.on else None
    left = [i for i in entry.items if i.name not in ("start_time", "stop_time")]
    return (left[0].name, left[0].description) if len(left) == 1 and left[0].on else None


# -- periods and epochs ----------------------------------------------------------------------------


def _periods(frame: pd.DataFrame) -> list[str]:
    """Return the columns that are periods; none where the table is not of that kind."""
    columns = list(frame.columns)
    if not all(isinstance(c, str) for c in columns) or len(set(columns)) < len(columns):
        return []
    if len(frame) != 2 or frame.iloc[:, 0].tolist() != ["start", "stop"]:
        return []
    return columns[1:] if all(_numbers(frame, c) for c in columns[1:]) else []


def _build_periods(draft: Draft, entry: Entry, file: SourceFile, frame: pd.DataFrame) -> None:
    import numpy as np

    names = _periods(frame)
    if not names:
        draft.warn(f"{entry.nwb} is not written: it is no table of starts and stops", file)
        return
    times = frame[names].to_numpy(dtype=np.float64)
    spans = _Spans(draft, entry, times[0], times[1])
    if not spans.writable(file):
        return
    called = _item(entry, "protocol_name")
    if called:
        words = stored(np.array([names[row] for row in spans.rows.tolist()]))
        if words is None:
            return
        spans.table.add(*called, words.data)
    spans.table.finish()
    draft.shared["passive:periods"] = True
    if spans.lost or not called:
        return  # carried by itself too
    first = str(frame.columns[0])
    back = {
        first: Value(
            "literal",
            entry.nwb,
            dtype=str(frame[first].dtype),
            options={"value": ["start", "stop"]},
        )
    }
    for k, name in enumerate(names):
        row = spans.rows.tolist().index(k)
        back[name] = Value(
            "row",
            entry.nwb,
            ("start_time", "stop_time"),
            rule="joined",
            dtype=str(frame[name].dtype),
            options={"rows": [row, row + 1]},
        )
    draft.took(file, Value("frame", entry.nwb, columns=back))


def _build_epochs(draft: Draft, entry: Entry, frame: pd.DataFrame) -> None:
    import numpy as np

    names = _periods(frame)
    found: list[tuple[float, float, str]] = []
    for name, span in draft.shared.items():
        if name.startswith("span:intervals/trials"):  # of each task
            found.append((*span, "task"))
    if names:
        mine = [WHOLE] if WHOLE in names else names
        times = frame[mine].to_numpy(dtype=np.float64)
        times = times[:, np.isfinite(times).all(axis=0)]
        if times.size:
            found.append((float(times[0].min()), float(times[1].max()), "passive"))
    if not found or not names:
        draft.inform(f"{entry.nwb} is not written: no epoch of the session is known")
        return
    spans = _Spans(draft, entry, [f[0] for f in found], [f[1] for f in found])
    spans.add_times()
    words = np.array([found[row][2] for row in spans.rows.tolist()], dtype=object)
    if called := _item(entry, "protocol_type"):
        spans.table.add(*called, words)
    spans.table.finish()


# -- replay ----------------------------------------------------------------------------------------


def _build_stimuli(draft: Draft, entry: Entry, file: SourceFile, frame: pd.DataFrame) -> None:
    import numpy as np

    columns = [str(c) for c in frame.columns]
    kinds = [
        c.removesuffix("On") for c in columns if c.endswith("On") and f"{c[:-2]}Off" in columns
    ]
    pairs = [c for kind in kinds for c in (f"{kind}On", f"{kind}Off")]
    if not kinds or len(set(columns)) < len(columns) or not all(_numbers(frame, c) for c in pairs):
        draft.warn(f"{entry.nwb} is not written: it is no table of what went on and off", file)
        return
    n = len(frame)
    start = np.concatenate([frame[f"{kind}On"].to_numpy(dtype=np.float64) for kind in kinds])
    stop = np.concatenate([frame[f"{kind}Off"].to_numpy(dtype=np.float64) for kind in kinds])
    spans = _Spans(draft, entry, start, stop)
    if not spans.writable(file):
        return
    called = _item(entry, "stim_type")
    if called:
        words = np.array([kinds[row // n] for row in spans.rows.tolist()], dtype=object)
        spans.table.add(*called, words)
    spans.table.finish()
    if spans.lost or len(start) > SMALL or set(pairs) != set(columns):
        return  # carried by itself too
    place_of = np.argsort(spans.rows)
    back = {}
    for column in columns:
        off = column.endswith("Off") and column.removesuffix("Off") in kinds
        kind = column.removesuffix("Off" if off else "On")
        rows = place_of[kinds.index(kind) * n : (kinds.index(kind) + 1) * n].tolist()
        name = "stop_time" if off else "start_time"
        back[column] = spans.back((name,), str(frame[column].dtype), rows, len(start))
    draft.took(file, Value("frame", entry.nwb, columns=back))


def _build_gabors(draft: Draft, entry: Entry, file: SourceFile, frame: pd.DataFrame) -> None:
    import numpy as np

    labels = list(frame.columns)
    plain = all(isinstance(c, str) for c in labels) and len(set(labels)) == len(labels)
    if not plain or not {"start", "stop"} <= set(labels):
        draft.warn(f"{entry.nwb} is not written: its table has no start and stop", file)
        return
    if not all(_numbers(frame, c) for c in ("start", "stop")):
        draft.warn(f"{entry.nwb} is not written: start and stop are no numbers", file)
        return
    spans = _Spans(draft, entry, frame["start"].to_numpy(), frame["stop"].to_numpy())
    if not spans.writable(file):
        return
    over = int((spans.start[1:] < np.maximum.accumulate(spans.stop)[:-1]).sum())
    if over:
        draft.inform(f"{entry.nwb}: {over} patches begin before the one before them ended", file)
    n = len(frame)
    order = np.argsort(spans.rows).tolist() if not spans.lost else []
    back = {
        "start": spans.back(("start_time",), str(frame["start"].dtype), order, n),
        "stop": spans.back(("stop_time",), str(frame["stop"].dtype), order, n),
    }
    exact = not spans.lost and (n <= SMALL or order == list(range(n)))
    items = {item.source.partition(":")[2]: item for item in entry.items}
    off = [c for c in labels if c in items and not items[c].on and c not in back]
    for column in labels:
        if column in back or column in off:
            continue
        held = stored(frame[column])
        if held is None:
            exact = False
            continue
        item = items.get(column)
        about = item.description if item else f"{column} of {GABORS} of the ALF session"
        data = Stored(held.data[spans.rows], held.dtype, held.words)
        name = item.name if item else column
        value = spans.table.add_stored(name, about, data, item.dtype if item else "")
        options = spans.back((), "", order, n).options
        back[column] = replace(value, options=dict(options))
    spans.table.finish()
    if exact:
        columns = {c: back[c] for c in labels if c in back}
        draft.took(file, without(Value("frame", entry.nwb, columns=columns), off))
        if off:
            draft.inform(f"{', '.join(off)}: switched off in the metadata document", file)


# -- sparse noise ----------------------------------------------------------------------------------


def _build_noise(draft: Draft, entry: Entry) -> None:
    import numpy as np
    from pynwb import TimeSeries

    keys = {item.name: item.source for item in entry.items if item.on}
    file = _find(draft, entry, keys.get("data", NOISE), "bin")
    times = _find(draft, entry, keys.get("timestamps", FRAMES), "npy")
    if file is None or times is None:
        draft.warn(f"{entry.nwb} is not written: the session has not both {NOISE} and {FRAMES}")
        return
    clock = clock_of(draft, times)
    where = draft.source.place(file)
    size, each = where.stat().st_size, int(np.prod(entry.settings.get("frame", SQUARES)))
    frame = tuple(int(n) for n in entry.settings.get("frame", SQUARES))
    n, rest = divmod(size, max(each, 1))
    why = ""
    if clock.problem:
        why = f"the times of its frames {clock.problem}"
    elif rest or each < 1:
        why = f"its {size:,} bytes are no whole number of frames of {frame} squares"
    elif n != len(clock):
        why = f"it has {n} frames, and {FRAMES} {len(clock)} times"
    elif n < max(frame):
        why = f"it has {n} frames, fewer than a frame has rows"
    if why:
        draft.warn(f"{entry.nwb} is not written: {why}", file)
        draft.skip(file, why)
        return
    values = np.memmap(where, dtype=np.uint8, mode="r", shape=(n, *frame))
    item = next(i for i in entry.items if i.name == "data")
    series = TimeSeries(
        name=entry.name,
        description=entry.description,
        data=draft.array(values, what=NOISE, shuffle=False),
        unit=item.unit or "n.a.",
        **timing(draft, clock, n),
    )
    place(draft, entry.nwb, series)
    own(draft, clock, series, entry.nwb, n)
    draft.took(file, Value("array", entry.nwb, ("data",), dtype="|u1"))
