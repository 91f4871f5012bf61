"""Read a new file back as ALF, and compare each dataset with what it was made of.

The file is read as anybody reads it, through the records that lie in it: what was written, and how
it was written, is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fascicle.errors import FascicleError
from fascicle.formats.nwb.guard import HARM
from fascicle.nwb.checking.comparing import TOLERANCES, array_difference, difference
from fascicle.nwb.checking.results import Check, Finding
from fascicle.transfer.text import size_text

if TYPE_CHECKING:
    from fascicle.formats.nwb import NwbFile
    from fascicle.formats.nwb.alf import AlfView
    from fascicle.formats.nwb.records import Record, Value
    from fascicle.nwb.checking.running import Progress
    from fascicle.nwb.metadata import SessionMetadata
    from fascicle.nwb.writing.source import Source, SourceFile

#: Rules that compute, rather than put values together.
_COMPUTED = frozenset({"contrast", "place_in_brain"})
#: So many columns of a table are read at once.
_TOGETHER = 6


def compare(
    file: Path,
    *,
    source: Source,
    name: str = "",
    metadata: SessionMetadata | None = None,
    beside: Mapping[str, Path] | None = None,
    progress: Progress | None = None,
) -> Check:
    """Compare what a file gives back as ALF with the datasets of its session, value by value.

    Parameters
    ----------
    file : pathlib.Path
    source : Source
        The datasets, which are read anew.
    name : str
        What messages call the file.
    metadata : SessionMetadata, optional
        What was asked for: items with a ``dtype`` may have lost digits, others may not.
    beside : mapping, optional
        Names of files that are going to be copied beside it, to what they will be copies of.
    progress : callable, optional
        Called with the number of bytes that were compared since the last call.

    Returns
    -------
    Check
        A dataset that is not given back exactly is a finding of the level ``mismatch``. Numbers
        that were scaled may be off by `TOLERANCES`.

    Notes
    -----
    One probe at a time, and recordings block by block, so that memory is bounded.
    """
    from fascicle.formats.nwb import NwbFile
    from fascicle.formats.nwb.alf import AlfView
    from fascicle.nwb.writing.source import Source

    anew = Source(source.session)
    held = {one.path: one for one in source.files}
    check = Check("readback")
    try:
        with NwbFile(file, name=name, max_claim=None) as opened:
            records = AlfView(opened).records
    except FascicleError as error:
        check.findings.append(Finding("mismatch", "", _first(error)))
        return check
    if not records:
        text = "the file says of no dataset of the session where it is"
        check.findings.append(Finding("mismatch", "", text))
        return check
    narrowed = _narrowed(metadata)
    seen: set[str] = set()
    total = 0
    for some in _by_probe(records):
        with NwbFile(file, name=name, max_claim=None) as opened:
            view = AlfView(opened)
            for record in some:
                seen.add(record.dataset)
                one = held.get(record.dataset)
                text = _wrong(record, one, view, anew, narrowed, beside or {})
                if text:
                    check.findings.append(Finding("mismatch", record.dataset, text))
                size = (one.size or 0) if one is not None else 0
                total += size
                if progress is not None:
                    progress(size)
    check.checked = len(seen)
    check.said = f"all values of {len(seen):,} datasets, {size_text(total)}"
    return check


def _by_probe(records: tuple[Record, ...]) -> Iterator[list[Record]]:
    """Go through the records, those of one probe together: its spikes take the memory."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.value.probe, []).append(record)
    for label in sorted(groups):
        yield groups[label]


def _wrong(
    record: Record,
    file: SourceFile | None,
    view: AlfView,
    source: Source,
    narrowed: dict[str, set[str]],
    beside: Mapping[str, Path],
) -> str:
    """Return what is wrong with one dataset; empty if nothing."""
    if file is None:
        return "the session has no such dataset"
    if record.value.of == "external":
        return _external(record, file, view, source, beside)
    left = set(record.value.options.get("without", ()))  # columns that nobody asked for
    if (text := _by_column(record, file, view, source, narrowed, left)) is not None:
        return text
    try:
        expected = source.load(file, keep=False)
    except (FascicleError, OSError) as error:
        return f"it cannot be read again: {_first(error)}"
    if left and hasattr(expected, "columns"):
        expected = expected[[name for name in expected.columns if str(name) not in left]]
    try:
        found = view.read(record.dataset)
        columns = {
            name: _tolerance(value, view.file, narrowed)
            for name, value in (record.value.columns or {}).items()
        }
        rtol = _tolerance(record.value, view.file, narrowed)
        return difference(expected, found, rtol=rtol, columns=columns)
    except (FascicleError, *HARM) as error:
        return f"it cannot be read back: {_first(error)}"


def _by_column(
    record: Record,
    file: SourceFile,
    view: AlfView,
    source: Source,
    narrowed: dict[str, set[str]],
    left: set[str],
) -> str | None:
    """Return what is wrong with a plain table of floats, such as a pose; None if it is no such.

    It is looked at column by column: a pose is as large as the spikes of a probe.
    """
    from fascicle.formats.nwb.recorded import columns_of
    from fascicle.nwb.parts.parquet import Parquet

    value = record.value
    if value.of != "frame" or file.extension != "pqt" or {"index", "labels"} & {*value.options}:
        return None
    try:
        table = Parquet(source.place(file))
        names = [name for name in table.columns if name not in left]
        if not table.is_plain or not names or any(table.float_type(n) is None for n in names):
            return None
        if names != list(value.columns or {}):
            return f"its columns are {list(value.columns or {})}, not {names}"
        made = columns_of(view, view.offers[record.dataset], value)
        for start in range(0, len(names), _TOGETHER):
            some = names[start : start + _TOGETHER]
            for expected, (name, column) in zip(table.read(some), made, strict=False):
                rtol = _tolerance((value.columns or {})[name], view.file, narrowed)
                if text := array_difference(expected, column.to_numpy(), rtol=rtol):
                    return f"column {name}: {text}"
    except (FascicleError, OSError, *HARM) as error:
        return f"it cannot be read back: {_first(error)}"
    return ""


def _external(
    record: Record,
    file: SourceFile,
    view: AlfView,
    source: Source,
    beside: Mapping[str, Path],
) -> str:
    """Return what is wrong with a file that the new one only names."""
    place = beside.get(str(record.value.options.get("path", ""))) or view.external(record.dataset)
    if place is None:
        return "the file does not say where it lies"
    if not place.exists():
        return f"it should lie at {place}"
    here = source.place(file)
    same = place.samefile(here) or place.stat().st_size == here.stat().st_size
    return "" if same else f"{place} is another file"


def _tolerance(value: Value, file: NwbFile, narrowed: dict[str, set[str]]) -> float:
    """Return how far the numbers of a dataset may be off: not at all unless they were scaled."""
    import numpy as np

    scaled = value.factor != 1.0 or value.offset != 0.0 or value.rule in _COMPUTED
    asked = any(
        value.at == at or value.at.startswith(f"{at}/") or at.startswith(f"{value.at}/")
        for at, names in narrowed.items()
        if names.intersection((*value.names, value.at.rpartition("/")[2]))
    )
    if not scaled and not asked:
        return 0.0
    sizes = []
    if value.dtype and value.dtype.lstrip("<>=|").startswith("f"):
        sizes.append(np.dtype(value.dtype).itemsize)
    if asked:
        stored = [file.facts(path).dtype for path in _paths(value) if file.has(path)]
        sizes += [dtype.itemsize for dtype in stored if dtype.kind == "f"]
    return TOLERANCES.get(min(sizes, default=8), 0.0)


def _paths(value: Value) -> list[str]:
    return [f"{value.at}/{name}" for name in value.names] or [value.at]


def _narrowed(metadata: SessionMetadata | None) -> dict[str, set[str]]:
    """Return for each object the arrays that somebody asked to be written in another type."""
    out: dict[str, set[str]] = {}
    for entry in metadata.objects if metadata is not None else []:
        names = {item.name for item in entry.wanted if item.dtype}
        if names:
            out.setdefault(entry.nwb, set()).update(names)
    return out


def _first(error: BaseException) -> str:
    text = str(getattr(error, "message", "") or error) or type(error).__name__
    return " ".join(text.split())[:300]
