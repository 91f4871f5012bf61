"""The spectrogram of what the microphone heard."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fascicle.errors import FascicleError
from fascicle.formats.nwb.records import Value
from fascicle.nwb.parts.placing import files_of, fresh_name, put
from fascicle.nwb.writing.entries import Entry, Item

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import Source, SourceFile

_OBJECT = "audioSpectrogram"
_NAME = "processing/behavior/AudioSpectrogram"


def offer(source: Source, document: Mapping[str, Any]) -> list[Entry]:
    """Return an entry for each collection that has a spectrogram with its times."""
    out: list[Entry] = []
    taken: set[str] = set()
    for power in source.find(_OBJECT, "power", extension="npy"):
        where = power.collection
        times = next(
            (f for f in source.find(_OBJECT, collection=where) if f.attribute == "times"), None
        )
        if times is None:
            continue
        items = [
            Item("data", power.key, unit="dB", description="Power of each frequency at each time"),
            Item("timestamps", times.key, unit="s", description="Time of each spectrum"),
        ]
        if source.find(_OBJECT, "frequencies", collection=where, extension="npy"):
            said = "Frequency of each band"
            items.append(Item("bands", f"{_OBJECT}.frequencies", unit="Hz", description=said))
        said = "Spectrogram of the sound in the rig, as the ALF dataset has it"
        if times.timescale:
            said += f"; its times are those of the clock {times.timescale!r}"
        name = fresh_name(_NAME, taken)
        taken.add(name)
        out.append(Entry(name, "DecompositionSeries", "audio", [where], said, items=items))
    return out


def build(draft: Draft, entry: Entry) -> None:
    """Build one spectrogram; what does not fit is left to the part that carries what is left."""
    from fascicle.nwb.parts.timing import clock_of

    item, clocked = entry.item("data"), entry.item("timestamps")
    powers = _free(draft, entry, item)
    times = [] if clocked is None else files_of(draft.source, clocked.source, entry.collections)
    if not powers or not times:
        return
    power = powers[0]
    try:
        values = draft.source.load(power, keep=False)
    except FascicleError as error:
        draft.skip(power, f"it cannot be read: {error}")
        draft.warn(f"left out: {error}", power)
        return
    why = _why_not(values)
    clock = clock_of(draft, times[0], len(values) if not why else None)
    if not why and clock.problem:
        why = f"its times {clock.problem}"
    elif not why and len(values) != len(clock):
        why = f"it has {len(values)} spectra, and {len(clock)} times"
    if why:
        draft.warn(f"no spectrogram: {why}", power)
        return
    _write(draft, entry, power, values, clock)


def _free(draft: Draft, entry: Entry, item: Item | None) -> list[SourceFile]:
    done = draft.taken | draft.left_out.keys()
    found = [] if item is None else files_of(draft.source, item.source, entry.collections)
    return [file for file in found if file.path not in done]


def _why_not(values: Any) -> str:
    import numpy as np

    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        return "its power is no numbers"
    if values.ndim != 2 or not values.size:
        return f"its power has the shape {values.shape} rather than times by frequencies"
    if values.shape[1] > values.shape[0]:
        return f"an array of {values.shape}: time would not be its longest axis"
    return ""


def _write(draft: Draft, entry: Entry, power: SourceFile, values: NDArray[Any], clock: Any) -> None:
    from pynwb.misc import DecompositionSeries

    from fascicle.nwb.parts.timing import own, timing
    from fascicle.nwb.writing.draft import narrowed

    item = entry.item("data")
    assert item is not None
    n, bands = values.shape
    table, record = _bands(draft, entry, bands)
    data = narrowed(values, item.dtype).reshape(n, 1, bands)
    with warnings.catch_warnings():
        # What the microphone recorded is not part of the session's data.
        warnings.filterwarnings("ignore", message="Neither source_timeseries nor source_channels")
        series = DecompositionSeries(
            name=entry.name,
            data=draft.array(data, what=power.key),
            metric="power",
            unit=item.unit or "dB",
            bands=table,
            description=entry.description or item.description or power.key,
            **timing(draft, clock, n),
        )
    put(draft, entry.nwb, series)
    own(draft, clock, series, entry.nwb, n)
    dtype = values.dtype.str
    draft.took(power, Value("sample", entry.nwb, ("data",), dtype=dtype, shape=(n, bands)))
    if record is not None:
        draft.took(*record)


def _bands(draft: Draft, entry: Entry, n: int) -> tuple[Any, tuple[SourceFile, Value] | None]:
    """Return the table of the frequencies, and the dataset that it holds if it does."""
    import numpy as np
    from hdmf.common import VectorData
    from pynwb.misc import FrequencyBandsTable

    frequencies, file = None, None
    for file in _free(draft, entry, entry.item("bands")):
        try:
            found = draft.source.load(file)
        except FascicleError as error:
            draft.skip(file, f"it cannot be read: {error}")
            draft.warn(f"left out: {error}", file)
            continue
        if isinstance(found, np.ndarray) and found.dtype.kind in "fiu" and found.size == n:
            frequencies = found
        else:
            shape = getattr(found, "shape", ())
            draft.warn(f"by itself: it has the shape {shape}, and the power {n} frequencies", file)
        break
    centres = np.arange(n, dtype=float) if frequencies is None else frequencies.reshape(-1)
    limits = _limits(centres.astype(np.float64))
    said = "From half way to the frequency before it to half way to the next, in Hz"
    if frequencies is None:
        said = "Around the number of the band: frequencies are not known"
    name = "band" if frequencies is None else "Hz"
    columns = [
        VectorData(
            name="band_name",
            description="Name of the band",
            data=np.array([f"{name} {c:g}" for c in centres.tolist()], dtype=object),
        ),
        VectorData(name="band_limits", description=said, data=limits),
    ]
    if frequencies is None or file is None:
        return FrequencyBandsTable(columns=columns), None
    columns.append(
        VectorData(name="frequency", description="Frequency of the band, in Hz", data=centres)
    )
    table = FrequencyBandsTable(columns=columns)
    at = f"{entry.nwb}/bands"
    shape = frequencies.shape if frequencies.ndim != 1 else None
    value = Value("row", at, ("frequency",), dtype=frequencies.dtype.str, shape=shape)
    return table, (file, value)


def _limits(centres: NDArray[Any]) -> NDArray[Any]:
    """Return from where to where each band goes: half way to its neighbours ``(n, 2)``."""
    import numpy as np

    if len(centres) < 2:
        return np.column_stack([centres, centres])
    middles = (centres[1:] + centres[:-1]) / 2
    low = np.concatenate([[max(2 * centres[0] - middles[0], 0.0)], middles])
    high = np.concatenate([middles, [2 * centres[-1] - middles[-1]]])
    return np.column_stack([low, high])
