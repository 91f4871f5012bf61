"""Raw recordings: the samples of AP and LF bands as they are, with the session's clock.

A probe's channels become an ``ElectricalSeries`` of int16 whose conversion to volts is said; the
digital words beside them a ``TimeSeries``. What the auxiliary inputs become is in `nidq`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fascicle.errors import ConversionError, FascicleError
from fascicle.formats.nwb.records import Value
from fascicle.nwb.parts import nidq
from fascicle.nwb.parts.clock import known_points, said_of, timed
from fascicle.nwb.parts.placing import fresh_name, put, safe_name
from fascicle.nwb.parts.recording import (
    Split,
    Stream,
    blocks_of,
    gains_of,
    open_stream,
    rows_of_chunk,
    split,
    streams,
)
from fascicle.nwb.writing.entries import Entry

if TYPE_CHECKING:
    from fascicle.load import CbinArray
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import Source

BANDS = {
    "ap": ("ElectricalSeriesAp", "SyncAp", "action potential band"),
    "lf": ("ElectricalSeriesLf", "SyncLf", "local field potential band"),
}


def offer(source: Source, document: Mapping[str, Any]) -> list[Entry]:
    """Return one entry for each recording of a probe, and those of the auxiliary inputs."""
    entries = []
    for stream in streams(source):
        file = stream.samples
        if file is None:
            continue
        if stream.band == "nidq":
            entries += nidq.offered(stream, file)
            continue
        series, _, words = BANDS[stream.band]
        entries.append(
            Entry(
                nwb=f"acquisition/{series}_{safe_name(stream.name)}",
                type="ElectricalSeries",
                part="raw",
                collections=[stream.collection],
                description=f"Raw voltages of {stream.label}, {words}, as recorded.",
                items=stream.items("data", "volts", "Counts of the converter"),
                settings={"file": file.path},
            )
        )
    entries += nidq.offered_edges(source)
    return entries


def build(draft: Draft, entry: Entry) -> None:
    """Build one entry: the series, the digital words, and what lies beside the recording."""
    if "times" in entry.settings:
        nidq.build_edges(draft, entry)
        return
    path = str(entry.settings.get("file", ""))
    stream = next((one for one in streams(draft.source) if _is_of(one, path)), None)
    if stream is None:
        raise ConversionError(
            f"{entry.nwb}: the session has no raw recording {path!r}",
            hint="give settings.file of the entry the path of a .cbin or .bin file of the session",
        )
    if not draft.options.raw:
        for file in stream.all:
            if file.path not in draft.taken:
                draft.skip(file, "raw recordings were not asked for (raw=False)")
        return
    try:
        recording = open_stream(draft, stream)
        if stream.band == "nidq":
            nidq.build_stream(draft, entry, stream, recording)
        else:
            _build_band(draft, entry, stream, recording)
    except FascicleError as error:
        if isinstance(error, ConversionError):
            raise
        why = f"it cannot be converted: {error.message}"
        draft.warn(why, path)
        draft.skip(path, why)
    carry_beside(draft, stream)


def _is_of(stream: Stream, path: str) -> bool:
    return any(path == file.path for file in stream.files.values())


def _build_band(draft: Draft, entry: Entry, stream: Stream, recording: CbinArray) -> None:
    """Write a band of a probe."""
    import numpy as np
    from pynwb import TimeSeries
    from pynwb.ecephys import ElectricalSeries

    file = stream.samples
    assert file is not None
    n, width = recording.shape
    volts = gains_of(
        draft,
        file,
        recording,
        "neither gains nor digital channels are known. It is written as counts.",
    )
    analog = len(volts)
    rows = electrodes_of(draft, stream, recording, analog)
    on = [column for column in range(analog) if rows[column] is not None]
    rest = [column for column in range(width) if column not in set(on)]
    if len(on) < analog:
        draft.warn(
            f"{analog - len(on)} of its {analog} channels have no electrode in the table of "
            "electrodes: they are written beside, with the digital words, as counts",
            file,
        )
    timing, times, clock, line = timed(draft, stream, recording)
    comments = f"From {file.path}, sampled at {recording.sample_rate:g} Hz. {said_of(clock, line)}"
    sync_name = _beside_name(entry, stream)
    splits: list[Split] = []
    per_chunk = rows_of_chunk(recording, len(on) or len(rest))
    made = None
    if on:
        splits.append(split(recording, _slice(on), per_chunk))
        used = volts[on]
        alike = bool(np.all(used == used[0]))
        made = ElectricalSeries(
            name=entry.name,
            description=entry.description or "Raw voltages",
            comments=comments,
            data=splits[-1].later.io,
            electrodes=draft.nwb.create_electrode_table_region(
                region=[rows[column] for column in on],
                description="The electrode of each channel, in the order of the recording.",
            ),
            conversion=float(used[0]),
            channel_conversion=None if alike else used / used[0],
            **timing,
        )
        put(draft, entry.nwb, made)
    if rest:
        splits.append(split(recording, _slice(rest), per_chunk, flat=len(rest) == 1))
        name = sync_name if on else entry.name
        beside = TimeSeries(
            name=name,
            description=_words_said(stream, recording, rest, analog),
            comments=comments,
            data=splits[-1].later.io,
            unit="n.a.",
            **(timing if made is None or times is None else {"timestamps": made}),
        )
        put(draft, f"{entry.nwb.rpartition('/')[0]}/{name}", beside)
    size = sum(split.later.nbytes for split in splits) + (0 if times is None else times.nbytes)
    draft.fill(
        lambda: blocks_of(recording, splits, per_chunk, times, clock.times),
        what=f"{stream.band} of {stream.label}",
        nbytes=size,
    )
    options: dict[str, Any] = {}
    if on and rest:
        options["sync"] = f"{entry.nwb.rpartition('/')[0]}/{sync_name}/data"
    order = np.argsort([*on, *rest], kind="stable").tolist()
    if order != list(range(width)):
        options["order"] = order
    value = Value(
        "sample", entry.nwb, ("data",), rule="raw", dtype=recording.dtype.str, shape=(n, width),
        options=options,
    )  # fmt: skip
    draft.took(file, value)


def electrodes_of(
    draft: Draft, stream: Stream, recording: CbinArray, analog: int
) -> list[int | None]:
    """Return the row of the table of electrodes of each analog channel, None where it has none."""
    from fascicle.nwb.parts.electrodes import sites_of
    from fascicle.nwb.parts.sortings import probes_of

    held = draft.electrodes.get(stream.label)
    if held is None or not len(held):
        return [None] * analog
    probes = probes_of(draft.source, draft.metadata.probes)
    said = next((one for one in probes if one.label == stream.label), None)
    known = sites_of(draft, said).raw if said is not None else None
    numbers: list[int] = list(range(analog)) if len(held) == analog else []
    if known is not None and len(known) == len(held):
        numbers = known.tolist()
    row_of: dict[int, int] = {}
    for row, number in zip(held, numbers, strict=False):
        row_of.setdefault(number, row)
    return [row_of.get(column) for column in range(analog)]


def carry_beside(draft: Draft, stream: Stream) -> None:
    """Take the points of a recording's clock; texts are left to the part that carries the rest."""
    import numpy as np
    from pynwb import TimeSeries

    for file in stream.points:
        if file.path in draft.taken:
            continue
        points = known_points(draft, file)
        values = np.zeros((0, 2)) if points is None else np.asarray(draft.source.load(file))
        if points is None or len(points) != len(values) or values.dtype != "f8":
            continue  # carried as it is, by the part that takes the rest
        own = "seconds" if file.extra.endswith("sync") else "samples"
        name = f"{'Clock' if own == 'seconds' else 'ClockSamples'}_{stream.label or 'nidq'}"
        known = draft.module("ecephys").data_interfaces
        name = fresh_name(safe_name(name), known)
        draft.module("ecephys").add(
            TimeSeries(
                name=name,
                description=(
                    f"Where two clocks are both known: data are {own} of the recording's, "
                    "timestamps seconds of the session's."
                ),
                data=draft.array(values[:, 0], what=file.path),
                timestamps=draft.array(values[:, 1], what=file.path),
                unit=own,
            )
        )
        draft.took(
            file,
            Value("sample", f"processing/ecephys/{name}", ("data", "timestamps"), dtype="<f8"),
        )
    taken = stream.samples
    other = stream.files.get("bin")
    if taken is not None and other is not None and other is not taken:
        draft.skip(other, f"by its name the same recording as {taken.path}, which is taken")


def _beside_name(entry: Entry, stream: Stream) -> str:
    series, sync, _ = BANDS[stream.band]
    if entry.name.startswith(series):
        return sync + entry.name.removeprefix(series)
    return f"{entry.name}_sync"


def _slice(columns: list[int]) -> slice | list[int]:
    """Return a slice where columns follow each other, which costs no copy."""
    first, stop = columns[0], columns[-1] + 1
    return slice(first, stop) if columns == list(range(first, stop)) else columns


def _words_said(stream: Stream, recording: CbinArray, rest: list[int], analog: int) -> str:
    if not recording.meta:
        return f"Counts of all {recording.shape[1]} channels of {stream.label}, gains not known."
    words = f"Digital word saved with each sample of the {stream.band} recording of {stream.label}"
    if stream.band != "nidq":
        words += "; bit 6 is the line that synchronises"
    apart = [column for column in rest if column < analog]
    if apart:
        words = f"Counts of the channels {_ranges(apart)}, which have no electrode. {words}"
    return words + "."


def _ranges(numbers: list[int]) -> str:
    """Return numbers in short: ``0-3, 7``."""
    out: list[list[int]] = []
    for number in numbers:
        if out and number == out[-1][1] + 1:
            out[-1][1] = number
        else:
            out.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in out)
