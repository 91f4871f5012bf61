"""Build the table of an NWB file that an ALF object of rows becomes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fascicle.formats.nwb.records import Value, without
from fascicle.nwb.parts.carrying import firsts, native, nothing, read, same
from fascicle.nwb.parts.rows import SPAN, Cells, Rows, Standard, cells_of, items_for
from fascicle.nwb.parts.spans import filled_spans, outline
from fascicle.nwb.parts.tablecolumns import RowTable, Stored, stored
from fascicle.nwb.writing.draft import narrowed
from fascicle.nwb.writing.entries import Entry, Item

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import SourceFile

    Array = NDArray[Any]


class RowsBuilder:
    """One table in the making: what was loaded, and how each dataset comes back.

    Parameters
    ----------
    draft : Draft
    entry : Entry
    known : Rows
    """

    def __init__(self, draft: Draft, entry: Entry, known: Rows) -> None:
        self.draft = draft
        self.entry = entry
        self.known = known
        self.cells: dict[str, Cells] = {}
        self.files: list[SourceFile] = []
        self._whole: dict[str, Any] = {}
        self._values: dict[str, Value] = {}
        self._made: dict[str, tuple[str, Any]] = {}
        self._kind = entry.type
        self.table: RowTable

    def build(self) -> None:
        """Load, make the columns, and say where each dataset went."""
        draft, known = self.draft, self.known
        for collection in self.entry.collections:
            for file in firsts(draft.source, known.object, collection):
                if file.path in draft.taken or file.path in draft.left_out:
                    continue
                values = read(draft, file)
                if values is None:
                    continue
                self.files.append(file)
                self._whole[file.path] = values
                self.cells |= {cell.source: cell for cell in cells_of(file, values)}
        self._fit()
        if not self.cells:
            return
        if not self.rows:
            self._nothing()
            return
        if self._kind == "TimeIntervals":
            self._spans()
        else:
            self._begin()
        rest = []
        for item in self._items():
            if (item.name not in SPAN or self._kind != "TimeIntervals") and self._column(item):
                rest.append(item)
        self._standards_back()
        for item in rest:
            self._as_asked(item)
        self._beside()
        self.table.finish()
        self._record()

    def _fit(self) -> None:
        """Settle the number of rows; leave aside what has another."""
        spans = [c for c in self.cells.values() if c.attribute.startswith("intervals") and len(c)]
        lengths = Counter(len(c) for c in spans) or Counter(len(c) for c in self.cells.values())
        if len(lengths) > 1 and not spans:
            lengths.pop(0, None)
        self.rows = max(lengths, key=lambda n: lengths[n]) if lengths else 0
        for source, cell in list(self.cells.items()):
            if len(cell) != self.rows or not getattr(cell.values, "shape", ()):
                self.draft.warn(
                    f"{source} has {len(cell)} values for {self.rows} {self.known.one}s: it is "
                    f"none of the columns of {self.entry.nwb}, and is carried by itself",
                    cell.file,
                )
                del self.cells[source]

    def _nothing(self) -> None:
        """Say of datasets without rows what they are: there is nothing to write."""
        import numpy as np

        self.draft.inform(f"{self.known.object} has no {self.known.one}s: no table is written")
        for file in self.files:
            values = self._whole[file.path]
            if isinstance(values, np.ndarray):
                self.draft.took(file, nothing(values))

    def _items(self) -> list[Item]:
        """Return the columns that are wanted; those of a table that was not read before too."""
        wanted = self.entry.wanted
        tables = {f.key for f in self.files if f.extension != "npy"}
        # A table of one column is that column, and known by its name alone.
        whole = ({item.source for item in wanted} & tables) - set(self.cells)
        if not whole:
            return wanted
        found: dict[str, list[str]] = {}
        for source, cell in self.cells.items():
            found.setdefault(cell.attribute, []).append(source)
        named = {word for item in self.entry.items for word in item.source.split(",")}
        more = [i for i in items_for(found, self.known) if not named & set(i.source.split(","))]
        return [item for item in wanted if item.source not in whole] + more

    def _begin(self, at: str = "", kind: str = "") -> None:
        self.table = RowTable(
            self.draft, at or self.entry.nwb, kind or self.entry.type, self._description()
        )

    def _description(self) -> str:
        return self.entry.description or f"The {self.known.one}s of the session"

    # -- start and stop --------------------------------------------------------------------------

    def _spans(self) -> None:
        """Make the columns that each table of intervals has."""
        found = self._given_spans()
        exact = found is not None
        notes: list[str] = []
        events = self._events()
        if found is None:
            if not events:
                self._without_times()
                return
            start, stop = outline(list(events.values()))
            names = ", ".join(sorted(events))
            notes.append(
                f"there are no {self.known.object}.intervals: each {self.known.one} is taken to "
                f"last from the first to the last of {names}"
            )
            about = [f"Time of the first known event of the {self.known.one} ({names}), in seconds"]
            about.append(f"Time of the last known event of the {self.known.one} ({names}), in s")
        else:
            start, stop = found
            about = [item.description if (item := self.entry.item(n)) else "" for n in SPAN]
        full_start, full_stop, guessed = filled_spans(start, stop, list(events.values()))
        if guessed:
            exact = False
            notes.append(
                f"{guessed} of {self.rows} {self.known.one}s lack start or stop: they are filled "
                "by what is known of their events and neighbours"
            )
        if bool((full_stop <= full_start).any()):
            notes.append(f"some {self.known.one}s do not end after they begin")
        if bool((full_start[1:] < full_start[:-1]).any()):
            notes.append(f"the {self.known.one}s are not in the order of their times")
        for note in notes:
            self.draft.warn(f"{self.entry.nwb}: {note}")
        self._begin()
        hint = " Where the session has none, of its first and last event, or of its neighbours."
        for name, data, text in zip(SPAN, (full_start, full_stop), about, strict=True):
            text = text or f"{name.partition('_')[0].capitalize()} of the {self.known.one}, in s"
            self.table.add(name, text + (hint if guessed else ""), data)
        self.draft.shared[f"span:{self.entry.nwb}"] = (
            float(full_start.min()),
            float(full_stop.max()),
        )
        if exact:
            self._spans_back(full_start, full_stop)

    def _given_spans(self) -> tuple[Array, Array] | None:
        """Return start and stop as the session has them, None where it has none."""
        import numpy as np

        whole = {c.attribute: c for c in reversed(list(self.cells.values()))}
        parts: list[Array] = []
        if "intervals_0" in whole and "intervals_1" in whole:
            parts = [whole["intervals_0"].array, whole["intervals_1"].array]
        elif "intervals" in whole and whole["intervals"].array.shape[1:] == (2,):
            parts = [whole["intervals"].array[:, k] for k in (0, 1)]
        elif "intervals" in whole:
            self.draft.warn(
                f"{self.known.object}.intervals has the shape {whole['intervals'].array.shape}, "
                "and not two columns: it is carried as it is",
                whole["intervals"].file,
            )
        if not parts or any(p.dtype.kind not in "iuf" or p.ndim != 1 for p in parts):
            return None
        # NWB takes f4 and f8; whole numbers come back as such from f8.
        fit = [p if p.dtype.kind == "f" and p.itemsize > 2 else p.astype(np.float64) for p in parts]
        start, stop = (native(p) for p in fit)
        return (start, stop) if np.isfinite(start).any() or np.isfinite(stop).any() else None

    def _events(self) -> dict[str, Array]:
        """Return what happened at known times, by attribute."""
        return {
            cell.attribute: cell.array.astype(float)
            for cell in self.cells.values()
            if cell.attribute.endswith("_times") and cell.array.dtype.kind == "f"
            if cell.array.ndim == 1
        }

    def _without_times(self) -> None:
        """Turn to a table without times."""
        self._kind = "DynamicTable"
        at = f"processing/misc/{self.entry.name}"
        self.draft.warn(
            f"{self.entry.nwb}: no {self.known.one} has a time, which intervals need: "
            f"the {self.known.one}s are in {at}"
        )
        self._begin(at, "DynamicTable")

    def _spans_back(self, start: Array, stop: Array) -> None:
        """Say which datasets are the two columns."""
        import numpy as np

        both = np.stack([start, stop], axis=1)
        held = {"intervals": (SPAN, both), "intervals_0": (SPAN[:1], start)}
        held["intervals_1"] = (SPAN[1:], stop)
        for source, cell in self.cells.items():
            if cell.attribute in held and cell.array.dtype.kind in "iuf":
                names, data = held[cell.attribute]
                if same(data.astype(cell.array.dtype), cell.array):
                    dtype = _dtype(cell)
                    self._values[source] = Value("row", self.table.path, names, dtype=dtype)

    # -- other columns ---------------------------------------------------------------------------

    def _column(self, item: Item) -> bool:
        """Make one standard column; return whether it is none."""
        found = self._cells_of(item)
        if not found:
            self.draft.warn(
                f"{self.entry.nwb}: the column {item.name} is not written, since {item.source} is "
                f"not here, or has not one value for each {self.known.one}"
            )
            return False
        standard = self._standard(item, found)
        if standard is None:
            return True
        data = standard.make(*(cell.array for cell in found))
        written = narrowed(data, item.dtype) if data.dtype.kind in "fiu" else data
        name = self.table.add(item.name, item.description or standard.description, written)
        self._made[standard.name] = name, data
        return False

    def _cells_of(self, item: Item) -> list[Cells]:
        """Return what feeds a column, nothing if a part of it is missing."""
        cells = [self._find(word.strip()) for word in item.source.split(",")]
        return [cell for cell in cells if cell is not None] if all(cells) else []

    def _as_asked(self, item: Item) -> None:
        """Make a column that is no standard one."""
        usual = item.name in {one.name for one in self.known.standards}
        for cell in self._cells_of(item)[: None if usual else 1]:
            name = self.known.column(cell.attribute) if usual else item.name
            self._as_it_is(cell, name, "" if usual else item.description, item.dtype)

    def _find(self, word: str) -> Cells | None:
        """Return what an item names: an attribute of the object, or of another of its length."""
        if word in self.cells:
            return self.cells[word]
        head, _, attribute = word.partition(".")
        if head == self.known.object:  # by the name of a column of its table too
            return next((c for c in self.cells.values() if c.attribute == attribute), None)
        key, _, column = word.partition(":")
        for collection in (*self.entry.collections, None):
            file = self.draft.source.one(key, collection=collection)
            values = None if file is None else read(self.draft, file)
            for cell in [] if file is None or values is None else cells_of(file, values):
                if len(cell) == self.rows and cell.source.partition(":")[2] == column:
                    return cell
        return None

    def _standard(self, item: Item, cells: Sequence[Cells]) -> Standard | None:
        """Return which standard column an item asks for; None for the values as they are.

        It goes by the name, and where users gave another, the next of its sources that is not made.
        """
        attributes = tuple(cell.attribute for cell in cells)
        kinds = [s for s in self.known.standards if s.attributes == attributes]
        if any(cell.file.object != self.known.object for cell in cells):
            return None
        if any(cell.array.dtype.kind not in "biuf" or cell.array.ndim != 1 for cell in cells):
            return None
        for kind in kinds:
            if kind.name == item.name:
                return kind
        if len(attributes) == 1 and item.name in (self.known.column(attributes[0]), attributes[0]):
            return None
        names = {one.name for one in self.entry.items}
        left = [k for k in kinds if k.name not in self._made and k.name not in names]
        return left[0] if left else None

    def _as_it_is(self, cell: Cells, name: str, description: str, dtype: str = "") -> None:
        """Add a column with the values of an attribute, unless another has the very same."""
        twin = self._twin(cell)
        if twin is not None:
            self._values.setdefault(cell.source, twin)
            return
        held = stored(cell.values)
        if held is None:
            self.draft.warn(
                f"{cell.source} is of a type that no column of an NWB table has: its dataset is "
                "carried by itself",
                cell.file,
            )
            return
        about = description or self.known.describe(cell.attribute)[1]
        value = self._add(cell, held, name, about, dtype)
        if cell.file.object == self.known.object:
            self._values.setdefault(cell.source, value)

    def _add(self, cell: Cells, held: Stored, name: str, about: str, dtype: str) -> Value:
        value = self.table.add_stored(name, about, held, dtype)
        if value.names[0] != name:
            self.draft.inform(f"{cell.source} is the column {value.names[0]}", cell.file)
        return value

    def _twin(self, cell: Cells) -> Value | None:
        """Return how an attribute that stands in another dataset too is made of the file."""
        from dataclasses import replace

        for source, value in self._values.items():
            other = self.cells.get(source)
            if other is None or other.attribute != cell.attribute or source == cell.source:
                continue
            if cell.array.dtype.kind in "biuf" and same(other.array, cell.array):
                return replace(value, dtype=_dtype(cell))
        return None

    def _standards_back(self) -> None:
        """Say which datasets come back exactly from standard columns."""
        for standard in self.known.standards:
            if not standard.back or not all(name in self._made for name in standard.needs):
                continue
            names = tuple(self._made[name][0] for name in standard.needs)
            held = [self._made[name][1] for name in standard.needs]
            assert standard.undo is not None
            for source, cell in self.cells.items():
                if cell.attribute not in standard.back or source in self._values:
                    continue
                given = cell.array
                if given.ndim == 1 and given.dtype.kind in "iuf":
                    again = standard.undo(cell.attribute, *held)
                    if _fits(again, given):
                        make = standard.back[cell.attribute]
                        self._values[source] = make(self.table.path, names, _dtype(cell))

    def _beside(self) -> None:
        """Carry as it is what is asked for, and does not come back otherwise."""
        for word in self._asked_words():
            cell = self._find(word)
            if cell is None or cell.source in self._values or cell.source not in self.cells:
                continue
            unit, about = self.known.describe(cell.attribute)
            name = self.known.column(cell.attribute)
            text = f"{about}. As the ALF session has it: other columns do not tell it exactly"
            self._as_it_is(cell, name, text + (f" ({unit})" if unit else ""))

    def _asked_words(self) -> list[str]:
        """Return the sources that are asked for, each once."""
        found: dict[str, None] = {}
        for item in self._items():
            for word in item.source.split(","):
                # The events that stand for missing intervals are asked for by their own items.
                if item.name not in SPAN or "intervals" in word:
                    found[word.strip()] = None
        return list(found)

    # -- where it went ---------------------------------------------------------------------------

    def _record(self) -> None:
        """Say where each dataset went."""
        asked = set(self._asked_words())
        for file in self.files:
            whole = self._whole[file.path]
            mine = cells_of(file, whole)
            if not mine:
                continue  # carried by itself
            unasked = [
                c for c in mine if c.source not in self._values and not self._asked(c, asked)
            ]
            if len(unasked) == len(mine):
                self.draft.skip(file, "switched off in the metadata document")
            elif not hasattr(whole, "to_numpy"):
                if mine[0].source in self._values:
                    self.draft.took(file, self._values[mine[0].source])
            elif all(c.source in self._values or c in unasked for c in mine):
                self._record_table(file, whole, {id(c): c for c in unasked}, mine)

    def _asked(self, cell: Cells, asked: set[str]) -> bool:
        if "," in cell.source:  # which no item can name
            return True
        return cell.source in asked or f"{self.known.object}.{cell.attribute}" in asked

    def _record_table(
        self, file: SourceFile, whole: Any, unasked: Mapping[int, Cells], mine: Sequence[Cells]
    ) -> None:
        """Say where the columns of a table went, if it is one that can come back so."""
        import pandas as pd

        plain = isinstance(whole.index, pd.RangeIndex) and whole.index.equals(
            pd.RangeIndex(len(whole))
        )
        labels = list(getattr(whole, "columns", [getattr(whole, "name", None)]))
        if not plain or len(set(labels)) < len(labels) or not all(map(_is_text, labels)):
            self.draft.warn("its index or its labels are none that a table of NWB has", file)
            return  # carried by itself too
        columns = {
            str(label): self._values[cell.source]
            for label, cell in zip(labels, mine, strict=True)
            if id(cell) not in unasked
        }
        if unasked:
            names = ", ".join(cell.source for cell in unasked.values())
            self.draft.inform(f"{names}: switched off in the metadata document", file)
        left = [str(label) for label in labels if str(label) not in columns]
        self.draft.took(file, without(Value("frame", self.table.path, columns=columns), left))


def _is_text(label: object) -> bool:
    return isinstance(label, str)


def _dtype(cell: Cells) -> str:
    """Return how V names the type of the values: numpy's for arrays, pandas' for columns."""
    import numpy as np

    values = cell.values
    return str(values.dtype.str) if isinstance(values, np.ndarray) else str(values.dtype)


def _fits(again: Any, given: np.ndarray[Any, Any]) -> bool:
    """Return whether values that come back are the given ones, once they have their type."""
    import numpy as np

    if given.dtype.kind in "iu" and not np.isfinite(again).all():
        return False
    return same(np.asarray(again).astype(given.dtype), given)
