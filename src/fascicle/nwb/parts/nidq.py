"""Auxiliary inputs (nidq): analog channels, digital words, and the events of each digital line.

The words are written as they are, so that nothing is lost; what changes in them is written as
events too, a table for each line, named after what is wired to it.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from fascicle.errors import ConversionError, FascicleError
from fascicle.formats.nwb.records import Value
from fascicle.nwb.parts.clock import clock_of, line_of, said_of, timed
from fascicle.nwb.parts.loose import carry_array
from fascicle.nwb.parts.placing import fresh_name, labels, put, safe_name
from fascicle.nwb.parts.recording import (
    Split,
    Stream,
    blocks_of,
    gains_of,
    rows_of_chunk,
    split,
    streams,
)
from fascicle.nwb.writing.entries import Entry, Item

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.load import CbinArray
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import Source, SourceFile

_LINE = re.compile(r"P0\.(\d+)", re.IGNORECASE)
_INPUT = re.compile(r"AI(\d+)", re.IGNORECASE)
#: Attributes of the edges that were found in a recording before.
EDGES = ("times", "channels", "polarities")
#: Seconds by which two clocks may differ that are taken for one.
CLOSE = 1e-4


def offered(stream: Stream, file: SourceFile) -> list[Entry]:
    """Return the entry of the auxiliary inputs: channels, words and events are made of one file."""
    suffix = f"_{safe_name(stream.name)}" if stream.name else ""
    source = labels(file)[2]
    return [
        Entry(
            nwb=f"acquisition/Nidq{suffix}",
            type="TimeSeries",
            part="raw",
            collections=[stream.collection],
            description="Auxiliary inputs of the acquisition system, as recorded.",
            items=[
                *stream.items("Analog", "volts", "Counts of the analog channels"),
                Item("Digital", source, "n.a.", "Digital words, one bit for each line"),
                Item("events", source, "seconds", "When each digital line changed"),
            ],
            settings={"file": file.path},
        )
    ]


def build_stream(draft: Draft, entry: Entry, stream: Stream, recording: CbinArray) -> None:
    """Write the analog channels, the digital words, and the events of the lines."""
    import numpy as np
    from pynwb import TimeSeries

    file = stream.samples
    assert file is not None
    n, width = recording.shape
    volts = gains_of(
        draft,
        file,
        recording,
        "it is not known which channels are voltages and which digital lines. It is written as "
        "counts, and no events are made of it.",
    )
    analog = len(volts)
    lines, inputs = wiring_of(draft, stream)
    timing, times, clock, line = timed(draft, stream, recording)
    comments = f"From {file.path}, sampled at {recording.sample_rate:g} Hz. {said_of(clock, line)}"
    splits: list[Split] = []
    names: list[str] = []
    made = None
    rows = rows_of_chunk(recording, analog or width)
    for what, first, stop in (("Analog", 0, analog), ("Digital", analog, width)):
        if first == stop:
            continue
        flat = what == "Digital" and stop - first == 1
        splits.append(split(recording, slice(first, stop), rows, flat=flat))
        unit, factor, said = "n.a.", 1.0, _digital_said(recording, lines)
        if what == "Analog":
            alike = bool(np.all(volts == volts[0]))
            unit, factor = ("volts", float(volts[0])) if alike else ("n.a.", 1.0)
            said = _analog_said(volts, inputs, alike=alike)
        name = f"{entry.name}{what}"
        series = TimeSeries(
            name=name,
            description=said,
            comments=comments,
            data=splits[-1].later.io,
            unit=unit,
            conversion=factor,
            **(timing if made is None or times is None else {"timestamps": made}),
        )
        put(draft, f"{entry.nwb.rpartition('/')[0]}/{name}", series)
        names.append(f"{entry.nwb.rpartition('/')[0]}/{name}")
        made = made or series
    draft.fill(
        lambda: blocks_of(recording, splits, rows, times, clock.times),
        what="auxiliary inputs",
        nbytes=sum(one.later.nbytes for one in splits) + (0 if times is None else times.nbytes),
    )
    draft.took(
        file,
        Value(
            "sample", names[0], ("data",), rule="raw", dtype=recording.dtype.str, shape=(n, width),
            options={"sync": f"{names[1]}/data"} if len(names) > 1 else {},
        ),
    )  # fmt: skip
    if recording.meta and analog < width and entry.item("events"):
        for number, (at, high) in edges(recording, analog).items():
            if len(at):
                _events(draft, stream, lines, number, clock.times(at.astype(np.float64)), high)


def _events(
    draft: Draft,
    stream: Stream,
    lines: dict[int, str],
    number: int,
    times: NDArray[np.float64],
    high: NDArray[np.bool_],
) -> None:
    """Write the changes of one line."""
    import numpy as np
    from hdmf.common import ElementIdentifiers, VectorData
    from pynwb.event import EventsTable, TimestampVectorData

    port = f"P0.{number}"
    wired = lines.get(number, "")
    suffix = f"_{safe_name(stream.name)}" if stream.name else ""
    name = f"nidq_{safe_name(wired or port)}{suffix}"
    name = fresh_name(name, draft.nwb.events or ())
    about = f"Changes of {wired!r}, " if wired else "Changes of "
    put(
        draft,
        f"events/{name}",
        EventsTable(
            name=name,
            description=f"{about}the digital line {port} of the auxiliary inputs.",
            id=ElementIdentifiers(name="id", data=draft.array(np.arange(len(times)), what=name)),
            columns=[
                TimestampVectorData(
                    name="timestamp",
                    description="Time of the first sample with the new level",
                    data=draft.array(times, what=name),
                ),
                VectorData(
                    name="is_high",
                    description="Whether the line went up; else it went down",
                    data=draft.array(high, what=name),
                ),
            ],
        ),
    )


def edges(
    recording: CbinArray, analog: int
) -> dict[int, tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """Return where each digital line changes.

    Parameters
    ----------
    recording : CbinArray
    analog : int
        How many channels come before the digital words.

    Returns
    -------
    dict
        Number of a line, 16 to a word, to the samples that are the first with another level than
        the one before, and whether that is the higher.
    """
    import numpy as np

    words = recording.shape[1] - analog
    at: dict[int, list[NDArray[np.int64]]] = {}
    high: dict[int, list[NDArray[np.bool_]]] = {}
    last: NDArray[Any] | None = None
    for first, block in recording.blocks():
        now = np.ascontiguousarray(block[:, analog:]).view(np.uint16)
        before = now[:1] if last is None else last
        change = now ^ np.concatenate([before, now[:-1]])
        last = now[-1:].copy()
        for word in range(words):
            where = np.flatnonzero(change[:, word])
            flips, levels = change[where, word], now[where, word]
            for bit in range(16):
                mine = (flips >> bit) & 1 == 1
                if mine.any():
                    number = 16 * word + bit
                    at.setdefault(number, []).append(where[mine] + first)
                    high.setdefault(number, []).append((levels[mine] >> bit) & 1 == 1)
    return {
        number: (np.concatenate(at[number]), np.concatenate(high[number])) for number in sorted(at)
    }


def wiring_of(draft: Draft, stream: Stream) -> tuple[dict[int, str], dict[int, str]]:
    """Return what is wired to digital lines and analog inputs, by number."""
    if stream.wiring is None:
        return {}, {}
    try:
        text = draft.source.place(stream.wiring).read_text(encoding="utf-8")
        said = json.loads(text)
        digital = dict(said.get("SYNC_WIRING_DIGITAL") or {})
        analog = dict(said.get("SYNC_WIRING_ANALOG") or {})
    except (FascicleError, OSError, ValueError, AttributeError, TypeError) as error:
        draft.warn(f"it does not tell what is wired to what: {error}", stream.wiring)
        return {}, {}
    lines, inputs = {}, {}
    for port, name in digital.items():
        if (found := _LINE.fullmatch(str(port))) and isinstance(name, str) and name:
            lines[int(found[1])] = name
    for port, name in analog.items():
        if (found := _INPUT.fullmatch(str(port))) and isinstance(name, str) and name:
            inputs[int(found[1])] = name
    return lines, inputs


def _analog_said(volts: NDArray[np.float64], inputs: dict[int, str], *, alike: bool) -> str:
    columns = ", ".join(
        f"{column} {inputs[column]}" if column in inputs else f"{column} (not named)"
        for column in range(len(volts))
    )
    said = f"Analog channels of the auxiliary inputs. Columns: {columns}."
    if not alike:
        each = ", ".join(f"{v:g}" for v in volts)
        said += f" Counts; volts of one count, by column: {each}."
    return said


def _digital_said(recording: CbinArray, lines: dict[int, str]) -> str:
    if not recording.meta:
        return "Counts of all channels of the auxiliary inputs; gains are not known."
    wired = ", ".join(f"{number} {name}" for number, name in sorted(lines.items()))
    said = "Digital words of the auxiliary inputs, one bit for each line."
    return f"{said} Wired, by number of the bit: {wired}." if wired else said


# -- edges that were found before ------------------------------------------------------------------


def offered_edges(source: Source) -> list[Entry]:
    """Return the entries of edges that somebody extracted: ``_spikeglx_sync.times`` and others."""
    entries = []
    found: dict[tuple[str, str], dict[str, SourceFile]] = {}
    for file in source.files:
        if file.namespace == "spikeglx" and file.object == "sync" and file.attribute in EDGES:
            group = found.setdefault((file.collection, file.extra), {})
            group.setdefault(file.attribute, file)
    for (collection, extra), files in found.items():
        if "times" not in files:
            continue
        probe = files["times"].probe
        suffix = "".join(f"_{safe_name(one)}" for one in dict.fromkeys((probe, extra)) if one)
        entries.append(
            Entry(
                nwb=f"processing/ecephys/SyncEdges{suffix}" if suffix else "events/SyncEdges",
                type="DynamicTable" if suffix else "EventsTable",
                part="raw",
                collections=[collection],
                description=(
                    "Changes of the lines that synchronise, as they were extracted. Times are "
                    f"seconds of {'the clock of this probe' if suffix else 'the session'}; "
                    "channels below 16 are digital lines, others analog."
                ),
                items=[
                    Item(
                        "timestamp" if one == "times" and not suffix else one,
                        f"sync.{one}",
                        "seconds" if one == "times" else "",
                        _EDGE_SAID[one],
                    )
                    for one in EDGES
                    if one in files
                ],
                settings={"times": files["times"].path},
            )
        )
    return entries


_EDGE_SAID = {
    "times": "Time of the change",
    "channels": "Number of the line",
    "polarities": "1 where it went up, -1 where it went down",
}


def build_edges(draft: Draft, entry: Entry) -> None:
    """Write edges as a table: of events where their clock is the session's."""
    import numpy as np
    from hdmf.common import DynamicTable, ElementIdentifiers, VectorData
    from pynwb.event import EventsTable, TimestampVectorData

    path = str(entry.settings["times"])
    first = next((file for file in draft.source.files if file.path == path), None)
    if first is None:
        raise ConversionError(
            f"{entry.nwb}: the session has no {path}",
            hint="name a dataset that session.list() shows, or switch the entry off",
        )
    mine = {
        file.attribute: file
        for file in draft.source.files
        if (file.collection, file.object, file.extra, file.namespace)
        == (first.collection, first.object, first.extra, first.namespace)
    }
    columns: list[tuple[str, str, SourceFile, NDArray[Any]]] = []
    length = -1
    for item in entry.wanted:
        file = mine.get(item.source.rpartition(".")[2])
        if file is None:
            continue
        try:
            values = np.asarray(draft.source.load(file))
        except FascicleError as error:
            draft.warn(f"it cannot be read: {error.message}", file)
            draft.skip(file, f"it cannot be read: {error.message}")
            continue
        if values.ndim != 1 or values.dtype.kind not in "iufb" or length not in (-1, len(values)):
            why = f"its shape {values.shape} does not fit those beside it"
            draft.warn(why, file)
            carry_array(draft, file, values)
            continue
        length = len(values)
        columns.append((item.name, item.description, file, values))
    if not columns:
        return
    is_events = entry.type == "EventsTable" and columns[0][0] == "timestamp"
    if is_events and (why := _not_events(draft, columns[0][3])):
        draft.warn(f"{why}: it is written as a column of a plain table", columns[0][2])
        is_events = False
    at = (
        entry.nwb
        if is_events or entry.type != "EventsTable"
        else (f"processing/ecephys/{entry.name}")
    )
    made = []
    for name, said, file, values in columns:
        kind = TimestampVectorData if is_events and name == "timestamp" else VectorData
        data = draft.array(values, what=file.path)
        made.append(kind(name=name, description=said or name, data=data))
        draft.took(
            file, Value("event" if is_events else "row", at, (name,), dtype=values.dtype.str)
        )
    table = EventsTable if is_events else DynamicTable
    description = entry.description or "Changes of the lines that synchronise"
    rows = ElementIdentifiers(name="id", data=draft.array(np.arange(length), what=first.path))
    put(draft, at, table(name=entry.name, description=description, columns=made, id=rows))


def _not_events(draft: Draft, times: NDArray[Any]) -> str:
    """Return why times cannot be those of events, empty where they can."""
    import numpy as np

    if times.dtype.kind != "f" or not np.isfinite(times).all():
        return "it has times that are no numbers"
    if not len(times):
        return ""
    # Edges are in seconds of the recording that they were found in.
    stream = next((one for one in streams(draft.source) if one.band == "nidq"), None)
    known = [p for p in stream.points if p.extra.endswith("sync")] if stream else []
    line = line_of(clock_of(draft, known, 1.0, band="nidq"), max(int(times.max()), 2))
    if abs(line.start) > CLOSE or abs(line.rate - 1) * float(times.max()) > CLOSE:
        return "the clock of its times is not that of the session"
    return ""
