"""Events that have a time and no length: licks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fascicle.formats.nwb.records import Value
from fascicle.nwb.parts.carrying import (
    collections_of,
    firsts,
    name_of_another,
    nothing,
    read,
    same,
)
from fascicle.nwb.parts.tablecolumns import RowTable, stored
from fascicle.nwb.writing.entries import Entry, Item

if TYPE_CHECKING:
    import numpy as np

    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import Source, SourceFile

#: ALF object to the name of its table, and what it is.
KNOWN = {"licks": ("LickTimes", "Licks of the animal at the spout, found in what recorded them")}
TIME = "timestamp"


def offer(source: Source, document: Mapping[str, Any]) -> list[Entry]:
    """Return an entry for each object of events."""
    entries = []
    for known, (title, about) in KNOWN.items():
        first = True
        for collection in collections_of(source, known):
            keys = [f.key for f in firsts(source, known, collection) if f.extension == "npy"]
            if f"{known}.times" not in keys:
                continue
            name = title if first else name_of_another(title, collection)
            items = [Item(TIME, f"{known}.times", "s", f"Time of each of the {known}, in seconds")]
            for key in sorted(set(keys) - {f"{known}.times"}):
                items.append(Item(key.partition(".")[2], key, "", f"{key} of the ALF session"))
            entries.append(
                Entry(f"events/{name}", "EventsTable", "events", [collection], about, items=items)
            )
            first = False
    return entries


def build(draft: Draft, entry: Entry) -> None:
    """Build a table of events."""
    clock = next((item for item in entry.items if item.name == TIME), None)
    file = _file(draft, entry, clock)
    if clock is None or file is None:
        draft.warn(f"{entry.nwb} is not written: the session has no times for it")
        return
    times = read(draft, file)
    if times is None:
        return
    seconds = _seconds(times)
    if seconds is None:
        draft.warn(f"{entry.nwb} is not written: its times are no row of seconds", file)
        return
    if not len(seconds):
        draft.inform(f"there are none: {entry.nwb} is not written", file)
        draft.took(file, nothing(times))
        return
    _warn_of(draft, entry, seconds, file)
    table = _Events(draft, entry.nwb, "EventsTable", entry.description)
    table.add_times(clock.description or "Time of each event, in seconds", seconds)
    draft.took(file, Value("event", entry.nwb, (TIME,), dtype=times.dtype.str))
    for item in entry.wanted:
        if item is not clock:
            _attribute(draft, entry, item, table, len(seconds))
    table.finish()


class _Events(RowTable):
    """A table of events in the making."""

    def add_times(self, description: str, seconds: np.ndarray[Any, Any]) -> None:
        """Add the column that each such table has."""
        from pynwb.event import TimestampVectorData

        data = self.draft.array(seconds, what=self.path)
        self._columns.append(TimestampVectorData(name=TIME, description=description, data=data))

    @property
    def _class(self) -> Any:
        from pynwb.event import EventsTable

        return EventsTable


def _file(draft: Draft, entry: Entry, item: Item | None) -> SourceFile | None:
    if item is None:
        return None
    holder, _, attribute = item.source.partition(".")
    for file in draft.source.find(holder, attribute, extension="npy"):
        mine = not entry.collections or file.collection in entry.collections
        if mine and file.path not in draft.taken:
            return file
    return None


def _seconds(times: Any) -> np.ndarray[Any, Any] | None:
    """Return times as NWB takes them, None where they are none, or not exact in its type."""
    import numpy as np

    if not isinstance(times, np.ndarray) or times.ndim != 1 or times.dtype.kind not in "iuf":
        return None
    seconds = times.astype(np.float64)
    with np.errstate(all="ignore"):
        back = seconds.astype(times.dtype)
    return seconds if same(back, np.asarray(times)) else None


def _warn_of(draft: Draft, entry: Entry, seconds: np.ndarray[Any, Any], file: SourceFile) -> None:
    import numpy as np

    good = np.isfinite(seconds)
    if not good.all():
        draft.warn(f"{entry.nwb}: {int((~good).sum())} events have no time", file)
    if bool((np.diff(seconds[good]) < 0).any()):
        draft.warn(f"{entry.nwb}: the events are not in the order of their times", file)


def _attribute(draft: Draft, entry: Entry, item: Item, table: RowTable, n: int) -> None:
    """Add what is known of each event beside its time."""
    file = _file(draft, entry, item)
    values = None if file is None else read(draft, file)
    if file is None or values is None:
        return
    held = stored(values) if getattr(values, "shape", ())[:1] == (n,) else None
    if held is None:
        draft.warn(
            f"{item.source} is no column of {entry.nwb}, which has {n} rows: it is carried by "
            "itself",
            file,
        )
        return
    value = table.add_stored(item.name, item.description or item.source, held, item.dtype)
    draft.took(file, value)
