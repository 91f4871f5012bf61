"""Compare a session with what pynwb reads of the same file, value for value."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hdmf.common import DynamicTable, EnumData, VectorIndex
from hdmf.container import AbstractContainer
from pynwb import NWBFile, TimeSeries
from pynwb.image import Image

from fascicle.formats.nwb import SeriesReference
from fascicle.nwb import NwbSession


def compare(session: NwbSession, nwb: NWBFile) -> Counter[str]:
    """Compare all tables, series and images; return how many of each there were."""
    seen: Counter[str] = Counter()
    for thing in nwb.objects.values():
        if isinstance(thing, DynamicTable):
            seen["tables"] += 1
            seen.update(compare_table(session, path_of(session, thing), thing))
        elif isinstance(thing, TimeSeries):
            seen["series"] += 1
            compare_series(session, path_of(session, thing), thing)
        elif isinstance(thing, Image):
            seen["images"] += 1
            same(session.images[path_of(session, thing)], thing.data[:])
    assert session.metadata["identifier"] == nwb.identifier
    assert session.metadata["session_start_time"] == nwb.session_start_time
    if nwb.subject is not None:
        assert session.subject.get("subject_id") == nwb.subject.subject_id
        assert session.subject.get("species") == nwb.subject.species
    return seen


def path_of(session: NwbSession, thing: AbstractContainer) -> str:
    """Return where an object is, by its name and its type and those above it."""
    above = []
    one = thing
    while one is not None and one.parent is not None:
        above.append(one.name)
        one = one.parent
    found = {p: kind for p, (_, kind) in session.file.walk() if p.endswith(f"/{thing.name}")}
    fits = [p for p, kind in found.items() if kind and set(above) <= set(p.split("/"))]
    fits = [p for p in fits if session.file.is_group(p) != isinstance(thing, Image)]
    if len(fits) > 1:
        fits = [p for p in fits if found[p] == thing.neurodata_type]
    assert len(fits) == 1, (thing, fits)
    return fits[0]


def compare_table(session: NwbSession, path: str, table: DynamicTable) -> Counter[str]:
    seen: Counter[str] = Counter()
    assert session.columns(path) == list(table.colnames)
    frame = session.table(path)
    assert list(frame.index) == list(table.id[:])
    ragged = session.file.ragged_columns(path)
    expected = []
    for name in table.colnames:
        column = table[name] if name != "id" else table.id
        if isinstance(column, VectorIndex):
            expected.append(name)
            ours = session.file.ragged(path, name)
            rows = ragged_rows(column)
            same(ours.all(), rows)
            same([ours[i] for i in range(len(ours))], rows)
            same(ours.rows(range(len(ours))[::-1]), rows[::-1])
            seen["ragged"] += 1
        else:
            values = plain_values(column)
            if name in frame:
                same(list(frame[name]), values)
            else:
                assert np.prod(np.shape(values)[1:]) > 256, name
            same(list(session.table(path, [name])[name]), values)
            seen["columns"] += 1
    assert ragged == expected
    return seen


def ragged_rows(index: VectorIndex) -> list[Any]:
    """Return the rows of a ragged column, by hand."""
    target = index.target
    rows = ragged_rows(target) if isinstance(target, VectorIndex) else plain_values(target)
    ends = [int(end) for end in index.data[:]]
    return [rows[a:b] for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def plain_values(column: Any) -> list[Any]:
    if isinstance(column, EnumData):
        return [column.elements.data[code] for code in column.data[:]]
    return list(column.data[:])


def compare_series(session: NwbSession, path: str, series: TimeSeries) -> None:
    ours = session.series[path]
    assert ours.kind == series.neurodata_type
    assert ours.name == series.name
    assert (ours.unit, ours.conversion, ours.offset) == (
        series.unit,
        series.conversion,
        getattr(series, "offset", 0.0),
    )
    assert ours.rate == series.rate and ours.starting_time == series.starting_time
    data = series.data
    while isinstance(data, TimeSeries):
        data = data.data
    same(list(ours.data[:]), list(data[:]))
    if series.rate is None:
        times = series.timestamps
        while isinstance(times, TimeSeries):
            times = times.timestamps
        same(ours.timestamps, times[:])
    else:
        start = series.starting_time
        same(ours.timestamps, start + np.arange(len(ours)) / series.rate)


def same(ours: Any, theirs: Any) -> None:
    """Check that two values are the same, containers of pynwb by the end of their path."""
    if isinstance(ours, SeriesReference):
        assert (ours.idx_start, ours.count) == (theirs[0], theirs[1])
        same(ours.timeseries, theirs[2])
    elif isinstance(theirs, AbstractContainer):
        assert ours.rpartition("/")[2] == theirs.name
    elif isinstance(theirs, (list, tuple, np.ndarray)) and not _numbers(theirs):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            same(a, b)
    elif isinstance(theirs, (list, np.ndarray)):
        a, b = np.asarray(ours), np.asarray(theirs)
        assert a.shape == b.shape
        assert a.dtype == b.dtype or a.size == 0 or isinstance(theirs, list)
        np.testing.assert_array_equal(a, b)
    elif isinstance(theirs, np.void):
        assert tuple(ours) == tuple(theirs)
    elif isinstance(theirs, bytes):
        assert ours == theirs.decode()
    else:
        assert ours == theirs or (ours != ours and theirs != theirs), (ours, theirs)


def _numbers(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "iufb" and value.dtype.names is None
    return len(value) > 0 and all(isinstance(v, (int, float, np.number, np.bool_)) for v in value)
