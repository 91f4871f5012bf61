"""Tables of any kind as tables of an NWB file, which come back as they were."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fascicle.formats.nwb.records import Value, without
from fascicle.nwb.parts.placing import (
    column_name,
    files_of,
    free_name,
    fresh_name,
    names_at,
    put,
    safe_name,
)

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.entries import Entry, Item
    from fascicle.nwb.writing.source import SourceFile

#: What stands for a text that is missing, the first that no text of the column is.
_MISSING = ("", "n/a", "(missing)", "<missing>")
_MODULE = "processing/misc"
#: Texts of tables with more rows are written as numbers where they are few: HDF5 packs no texts.
_MANY = 20_000
_FEW = 255


def stored_column(series: pd.Series[Any]) -> tuple[Any, dict[str, Any]] | None:
    """Return a column as an NWB file holds it, and what brings it back; None if nothing does.

    Parameters
    ----------
    series : pandas.Series
        Of numbers, flags, dates without a zone, or text, of which some may be missing.

    Returns
    -------
    values : numpy.ndarray
    back : dict
        Arguments of its `Value`: ``dtype``, and ``words`` where text is missing.
    """
    import numpy as np
    import pandas as pd

    from fascicle.nwb.parts.loose import is_plain_text, storable

    dtype = series.dtype
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        values = storable(series.to_numpy())
        return None if values is None else (values, {"dtype": str(dtype)})
    plain = isinstance(dtype, np.dtype)
    if not (plain or isinstance(dtype, pd.StringDtype)):
        return None
    texts = series.to_numpy(dtype=object)
    gone = series.isna().to_numpy()
    if not is_plain_text(texts[~gone].tolist()) or any("{" in text for text in texts[~gone]):
        return None  # a text like a dictionary has no place in a column, checkers say
    back: dict[str, Any] = {"dtype": "object" if plain else str(dtype)}
    if gone.any():
        marker = next((m for m in _MISSING if m not in set(texts[~gone])), None)
        kinds = {"None" if text is None else type(text).__name__ for text in texts[gone]}
        if marker is None or (plain and kinds not in ({"None"}, {"float"})):
            return None
        texts = np.where(gone, marker, texts)
        back["words"] = {marker: float("nan") if kinds == {"float"} else None}
    return texts, back


@dataclass(slots=True)
class Columns:
    """The columns of a table, and what brings the table back.

    Attributes
    ----------
    made : list of hdmf.common.VectorData
    meanings : list of hdmf.common.MeaningsTable
        Of columns that hold numbers for texts.
    values : dict of Value
        By the columns of the frame.
    options : dict
        Of the frame's `Value`: its index and labels.
    """

    made: list[Any] = field(default_factory=list)
    meanings: list[Any] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def whole(self) -> Value:
        """The table's `Value`, but for its place."""
        return Value("frame", "", columns=self.values, options=self.options)


def _numbered(texts: Any, words: Mapping[str, Any]) -> tuple[Any, dict[str, Any], list[str]] | None:
    """Return numbers for texts, the text of each number, and how they are to be read.

    None where there are too many different ones.
    """
    import pandas as pd

    codes, found = pd.factorize(texts)
    if len(found) > _FEW:
        return None
    back = {str(k): words.get(text, text) for k, text in enumerate(found)}
    meanings = ["(missing)" if text in words else text for text in found]
    return codes.astype("u1"), back, meanings


def table_columns(
    draft: Draft,
    frame: pd.DataFrame,
    at: str,
    *,
    named: Callable[[str], Item | None] = lambda column: None,
    taken: Sequence[str] = (),
    key: str = "table",
) -> Columns | str:
    """Return a table's columns for NWB, and what brings the table back.

    Parameters
    ----------
    draft : Draft
    frame : pandas.DataFrame
    at : str
        Path of the table in the file.
    named : callable
        The item of a column, which names and describes it; an item that is off leaves it out.
    taken : sequence of str
        Names that are taken.
    key : str
        What the table is, for descriptions.

    Returns
    -------
    Columns
    str
        In place of it: why the table cannot come back from columns.
    """
    import pandas as pd
    from hdmf.common import VectorData

    options: dict[str, Any] = {}
    if any(not isinstance(label, str) for label in frame.columns):
        labels: list[Any] = frame.columns.tolist()
        if not all(type(label) is int for label in labels):
            return "names of its columns are no text"
        options["labels"] = labels
    if frame.columns.nlevels > 1 or not frame.columns.is_unique:
        return "columns have the same name"
    parts = {str(label): frame[label] for label in frame.columns}
    if not _is_default(frame.index):
        levels = [frame.index.get_level_values(k) for k in range(frame.index.nlevels)]
        options["index"] = []
        for k, level in enumerate(levels):
            if not (level.name is None or isinstance(level.name, str)):
                return "the name of its index is no text"
            column = fresh_name(level.name or f"index_{k}", parts)
            parts[column] = pd.Series(level.array)
            options["index"].append([column, level.name])
    out = Columns(options=options)
    used = {"id", *taken}
    for label, series in parts.items():
        item = named(label)
        if item is not None and not item.on:
            continue
        stored = stored_column(series)
        if stored is None:
            return f"column {label!r} holds {series.dtype} in a form that HDF5 has no place for"
        held, back = stored
        name = fresh_name(column_name(item.name if item else label), used)
        used.add(name)
        said = (item and item.description) or f"Column {label!r} of {key}"
        dtype = item.dtype if item and item.dtype and held.dtype.kind in "fiub" else None
        meanings: list[str] = []
        if held.dtype == object and len(held) > _MANY:
            coded = _numbered(held, back.get("words", {}))
            if coded is not None:
                held, back["words"], meanings = coded
                said += f", as numbers: {name}_meanings has the text of each"
        data = draft.array(held, dtype=dtype, what=key)
        column = VectorData(name=name, description=said, data=data)
        out.made.append(column)
        if meanings:
            out.meanings.append(_meanings_of(column, meanings))
        out.values[label] = Value("row", at, (name,), **back)
    return out


def _meanings_of(column: Any, meanings: list[str]) -> Any:
    import numpy as np
    from hdmf.common import MeaningsTable, VectorData

    numbers = np.arange(len(meanings), dtype=np.uint8)
    texts = np.array(meanings, dtype=object)
    return MeaningsTable(
        target=column,
        description=f"The text that each number of {column.name} stands for",
        columns=[
            VectorData(name="value", description="Number in the column", data=numbers),
            VectorData(name="meaning", description="Text that it stands for", data=texts),
        ],
    )


def _is_default(index: pd.Index[Any]) -> bool:
    import pandas as pd

    return (
        isinstance(index, pd.RangeIndex)
        and index.name is None
        and (index.start, index.step) == (0, 1)
    )


def carry_table(
    draft: Draft,
    file: SourceFile,
    *,
    name: str = "",
    description: str = "",
    at: str = "",
    entry: Entry | None = None,
) -> None:
    """Carry a table as a DynamicTable; as its text or bytes where columns cannot bring it back.

    Parameters
    ----------
    draft : Draft
    file : SourceFile
    name, description : str, optional
    at : str, optional
        Path in the file; in ``processing/misc`` unless given.
    entry : Entry, optional
        Its items name and describe columns.
    """
    import numpy as np
    from hdmf.common import DynamicTable

    from fascicle.nwb.parts.loose import carry_bytes, carry_text

    found = draft.source.load(file, keep=False)
    frame = found.to_frame() if getattr(found, "ndim", 0) == 1 else found
    if not at:
        taken = names_at(draft, _MODULE)
        at = f"{_MODULE}/{fresh_name(safe_name(name), taken) if name else free_name(file, taken)}"
    made = _made(draft, frame, file, at, entry)
    if isinstance(made, str):
        draft.inform(f"it is carried as a file rather than as a table: {made}", file)
        (carry_bytes if file.extension == "pqt" else carry_text)(draft, file, description)
        return
    table = DynamicTable(
        name=at.rpartition("/")[2],
        description=description or f"Table of the ALF dataset {file.path}",
        columns=made.made,
        meanings_tables=made.meanings or None,
        id=draft.array(np.arange(len(frame)), what=file.key),
    )
    put(draft, at, table)
    left = [str(c) for c in frame.columns if str(c) not in made.values]
    draft.took(file, without(replace(made.whole, at=at), left))
    if left:
        draft.inform(f"without columns that are switched off: {', '.join(left)}", file)


def _made(
    draft: Draft, frame: Any, file: SourceFile, at: str, entry: Entry | None
) -> Columns | str:
    if not hasattr(frame, "columns"):
        return "it is a single value"
    if not len(frame) or not len(frame.columns):
        return "it has no rows"

    def named(column: str) -> Item | None:
        for item in entry.items if entry else ():
            if item.source.partition(":")[2] == column:
                holders = files_of(draft.source, item.source, entry.collections if entry else [])
                if file in holders:
                    return item
        return None

    # Jobs of columns that came before one that cannot be held must not stay.
    jobs = len(draft.jobs)
    made = table_columns(draft, frame, at, named=named, key=file.key)
    if isinstance(made, str):
        del draft.jobs[jobs:]
    elif not made.made:
        return "all of its columns are switched off"
    return made


def schema_columns(draft_source: Any, file: SourceFile) -> list[str]:
    """Return the columns of a table that is on this machine, without reading it; else none."""
    from fascicle.nwb.parts.placing import is_here

    if file.extension != "pqt" or not is_here(draft_source, file):
        return []
    from fascicle.errors import FascicleError
    from fascicle.nwb.parts.parquet import Parquet

    try:
        return Parquet(draft_source.place(file)).columns
    except FascicleError:
        return []  # said when it is read
