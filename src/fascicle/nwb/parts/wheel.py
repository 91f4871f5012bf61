"""The wheel: its position as recorded, its movements, and its motion derived from the position."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from fascicle.errors import ConversionError
from fascicle.formats.nwb.records import Value
from fascicle.nwb.parts.carrying import collections_of, name_of_another, native, place, read
from fascicle.nwb.parts.filtering import low_passed
from fascicle.nwb.parts.placing import titled
from fascicle.nwb.parts.rows import Rows, offer_rows
from fascicle.nwb.parts.rowsbuilding import RowsBuilder
from fascicle.nwb.parts.timing import Clock, own, regular_rate, timing
from fascicle.nwb.writing.entries import Entry, Item
from fascicle.nwb.writing.later import Later, rows_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import Source, SourceFile

    Array = NDArray[Any]

HOME = "processing/behavior"
#: Of what is derived: samples per second, cutoff in Hz and order of the low-pass filter.
DERIVED = {"rate": 1000.0, "cutoff": 20.0, "order": 8}
FRAME = (
    "Angle of the wheel, turns added up: 0 where the recording began, positive counter-clockwise "
    "(the mathematical convention)"
)
#: Checkers take angles for wrapped, and look at so many samples.
LOOKED_AT = 200
#: More samples than these are no session: a time is wrong.
MOST = 200_000_000

#: Attribute to unit and description.
ABOUT = {
    "position": ("radians", "Position of the wheel, turns added up; sampled when it moves"),
    "velocity": ("rad/s", "Velocity of the wheel, as the session has it"),
    "acceleration": ("rad/s^2", "Acceleration of the wheel, as the session has it"),
}
_HOW = (
    "The position is interpolated at {rate:g} Hz and smoothed: a Butterworth low-pass of order "
    "{order}, {cutoff:g} Hz, forwards and backwards, so that nothing is delayed."
)
#: What is derived: name to unit and description.
MOTION = {
    "WheelPositionSmoothed": ("radians", "Position of the wheel, smoothed. "),
    "WheelVelocitySmoothed": ("rad/s", "Velocity of the wheel: difference of its smoothed place. "),
    "WheelAccelerationSmoothed": ("rad/s^2", "Acceleration: difference of the smoothed velocity. "),
}

MOVES = Rows(
    "wheelMoves",
    "movement",
    {"intervals": "intervals"},
    {
        "start_time": ("s", "When the movement began, in seconds"),
        "stop_time": ("s", "When the movement ended, in seconds"),
        "intervals": ("s", "Start and end of the movement, in seconds"),
        "peakAmplitude": ("rad", "Largest distance from where the movement began, in radians"),
        "peakVelocity_times": ("s", "When the wheel was fastest in the movement, in seconds"),
        "type": ("", "Kind of the movement"),
    },
)


def offer(source: Source, document: Mapping[str, Any]) -> list[Entry]:
    """Return entries for position and movements, and, switched off, for what is derived."""
    entries: list[Entry] = []
    for collection in collections_of(source, "wheel"):
        keys = [f.key for f in source.find("wheel", collection=collection, extension="npy")]
        times = next((k for k in ("wheel.timestamps", "wheel.times") if k in keys), "")
        if not times:
            continue  # carried as any other object
        first = not any(entry.part == "wheel" for entry in entries)
        for key in sorted(set(keys) - {times}, key=lambda k: (k != "wheel.position", k)):
            attribute = key.removeprefix("wheel.")
            name = f"Wheel{titled(attribute)}"
            entries.append(_series_entry(name, attribute, times, collection, first=first))
        if "wheel.position" in keys:
            entries += _motion_entries(times, collection, first=first)
    moved = collections_of(source, "wheelMoves")
    for collection in moved:
        name = "WheelMovement"
        name = name if collection == moved[0] else name_of_another(name, collection)
        about = "Movements of the wheel: when each began and ended, and how far it went"
        entry = offer_rows(source, MOVES, collection, f"{HOME}/{name}", about)
        if entry.items:
            entry.part = "wheel"
            entries.append(entry)
    return entries


def _series_entry(name: str, attribute: str, times: str, collection: str, *, first: bool) -> Entry:
    unit, about = ABOUT.get(attribute, ("n.a.", f"wheel.{attribute} of the ALF session"))
    kind = "SpatialSeries" if attribute == "position" else "TimeSeries"
    return Entry(
        f"{HOME}/{name if first else name_of_another(name, collection)}",
        kind,
        "wheel",
        [collection],
        about,
        items=[
            Item("data", f"wheel.{attribute}", unit, about),
            Item("timestamps", times, "s", "Time of each sample, in seconds"),
        ],
    )


def _motion_entries(times: str, collection: str, *, first: bool) -> list[Entry]:
    return [
        Entry(
            f"{HOME}/{name if first else name_of_another(name, collection)}",
            "TimeSeries",
            "wheel",
            [collection],
            about + _HOW.format(**DERIVED),
            on=False,
            items=[Item("data", f"wheel.position,{times}", unit, about.strip(), dtype="float32")],
            settings={"derived": name, **DERIVED},
        )
        for name, (unit, about) in MOTION.items()
    ]


def build(draft: Draft, entry: Entry) -> None:
    """Build the object of one entry.

    With the position goes what is derived, where the conversion was asked for it.
    """
    if entry.settings.get("derived"):
        _build_motion(draft, entry)
        return
    if entry.type in ("TimeIntervals", "DynamicTable"):
        RowsBuilder(draft, entry, MOVES).build()
        return
    found = _build_series(draft, entry)
    if found and draft.options.kinematics:
        for other in draft.metadata.objects:
            derived = other.part == "wheel" and other.settings.get("derived") and not other.on
            if derived and other.collections == entry.collections and _is_position(entry):
                _build_motion(draft, other)


def _is_position(entry: Entry) -> bool:
    return any(item.source == "wheel.position" for item in entry.items)


# -- as recorded -----------------------------------------------------------------------------------


class Trace(NamedTuple):
    """Samples of the wheel as a series takes them.

    Attributes
    ----------
    file, clock_file : SourceFile
        Of values and times.
    values : numpy.ndarray
        (n,)
    times : numpy.ndarray
        (n,) float64 in seconds, finite, rising.
    whole : bool
        Whether these are the samples as they stand in the datasets.
    """

    file: SourceFile
    clock_file: SourceFile
    values: Array
    times: NDArray[np.float64]
    whole: bool


def _dataset(draft: Draft, entry: Entry, key: str) -> SourceFile | None:
    holder, _, attribute = key.strip().partition(".")
    for file in draft.source.find(holder, attribute or None, extension="npy"):
        if not entry.collections or file.collection in entry.collections:
            return file
    return None


def _trace(draft: Draft, entry: Entry, key: str, times_key: str) -> Trace | None:
    """Return samples that can be a series; say what is wrong with them where they cannot."""
    import numpy as np

    file, clock_file = (_dataset(draft, entry, k) for k in (key, times_key))
    if file is None or clock_file is None:
        missing = key if file is None else times_key
        draft.warn(f"{entry.nwb} is not written: the session has no {missing}")
        return None
    values, times = read(draft, file), read(draft, clock_file)
    if values is None or times is None:
        return None
    numbers = all(v.dtype.kind in "biuf" and v.dtype.itemsize <= 8 for v in (values, times))
    if not numbers or values.ndim != 1:
        draft.warn(f"{entry.nwb} is not written: {key} or {times_key} are no row of numbers", file)
        return None
    whole = True
    if times.ndim == 2 and times.shape[1:] == (2,) and len(times) >= 2:
        spread = _spread(np.asarray(times, dtype=np.float64), len(values))
        if spread is None:
            draft.warn(f"{entry.nwb} is not written: its times end before its samples", clock_file)
            return None
        times, whole = spread, False
    if times.shape != values.shape:
        draft.warn(
            f"{entry.nwb} is not written: {key} has the shape {values.shape}, {times_key} "
            f"{times.shape}; both are carried by themselves",
            file,
        )
        return None
    seconds = np.asarray(times, dtype=np.float64)
    if not np.array_equal(seconds.astype(times.dtype), times, equal_nan=times.dtype.kind == "f"):
        draft.warn(f"its times are {times.dtype}, which seconds are not exact in", clock_file)
        whole = False
    return _in_order(draft, entry, Trace(file, clock_file, values, seconds, whole))


def _spread(points: NDArray[np.float64], n: int) -> NDArray[np.float64] | None:
    """Return a time for each sample where the times of some are known: number and seconds."""
    import numpy as np

    known = points[:, 0]
    if not np.isfinite(points).all() or bool((np.diff(known) <= 0).any()):
        return None
    if known[0] > 0 or known[-1] < n - 1:
        return None
    return np.interp(np.arange(n), known, points[:, 1])


def _in_order(draft: Draft, entry: Entry, trace: Trace) -> Trace | None:
    """Return samples in the order of their times; those without a time are left out."""
    import numpy as np

    times, values = trace.times, trace.values
    good = np.isfinite(times)
    rising = bool((np.diff(times) >= 0).all())
    if rising and bool(good.all()):
        if not len(times):
            draft.inform(f"{entry.nwb} is not written: there are no samples", trace.file)
            return None
        return trace
    if not good.any():
        draft.warn(f"{entry.nwb} is not written: no sample has a time", trace.clock_file)
        return None
    lost = int((~good).sum())
    said = [f"{lost} of {len(times)} samples have no time and are left out"] if lost else []
    times, values = times[good], values[good]
    order = np.argsort(times, kind="stable")
    if not bool((np.diff(times) >= 0).all()):
        said.append("the times do not rise: the samples are sorted by them")
    draft.warn(
        f"{entry.nwb}: {'; '.join(said)}; the datasets as they were are carried by themselves",
        trace.clock_file,
    )
    return trace._replace(times=times[order], values=values[order], whole=False)


def _build_series(draft: Draft, entry: Entry) -> bool:
    """Build a series of samples as they were recorded; return whether there is one."""
    import numpy as np
    from pynwb import TimeSeries
    from pynwb.behavior import SpatialSeries

    data = next((i for i in entry.items if i.name != "timestamps"), None)
    times = next((i for i in entry.items if i.name == "timestamps"), None)
    if data is None or times is None or not data.on:
        draft.warn(f"{entry.nwb} is not written: it takes values and timestamps")
        return False
    trace = _trace(draft, entry, data.source, times.source)
    if trace is None:
        return False
    values, n = native(trace.values), len(trace.times)
    kind: Any = TimeSeries
    said: dict[str, Any] = {}
    if entry.type == "SpatialSeries":
        wrapped = np.abs(values[:LOOKED_AT]).max() <= 2 * np.pi
        if wrapped or not data.unit.startswith("radian"):
            kind, said = SpatialSeries, {"reference_frame": FRAME}
        else:
            draft.inform(
                f"{entry.nwb} is a TimeSeries: checkers hold angles of a SpatialSeries of more "
                "than one turn for mistakes",
                trace.file,
            )
            said = {"comments": FRAME}
    clock = Clock(trace.clock_file, trace.times)
    if trace.whole:
        when = timing(draft, clock, n)
    elif (rate := regular_rate(trace.times)) is not None:
        when = {"starting_time": float(trace.times[0]), "rate": rate}
    else:
        when = {"timestamps": draft.array(trace.times, what=f"times of {entry.name}")}
    series = kind(
        name=entry.name,
        description=entry.description or data.description or f"{data.source} of the ALF session",
        data=draft.array(values, dtype=data.dtype or None, what=data.source),
        unit=data.unit or "n.a.",
        **said,
        **when,
    )
    place(draft, entry.nwb, series)
    if trace.whole:
        own(
            draft,
            Clock(trace.clock_file, draft.source.load(trace.clock_file)),
            series,
            entry.nwb,
            n,
        )
        if trace.file.path not in draft.taken:
            dtype = trace.values.dtype.str
            draft.took(trace.file, Value("sample", entry.nwb, ("data",), dtype=dtype))
    return True


# -- derived ---------------------------------------------------------------------------------------


def _build_motion(draft: Draft, entry: Entry) -> None:
    """Build what is derived of the position: smoothed, its velocity, its acceleration."""
    from pynwb import TimeSeries

    item = next((i for i in entry.items if i.on), None)
    sources = item.source.split(",") if item else []
    if item is None or len(sources) != 2:
        draft.warn(f"{entry.nwb} is not written: it takes wheel.position and its timestamps")
        return
    said = {**DERIVED, **{k: v for k, v in entry.settings.items() if k in DERIVED}}
    rate, cutoff, order = float(said["rate"]), float(said["cutoff"]), int(said["order"])
    if not 0 < cutoff < rate / 2 or order < 1:
        raise ConversionError(
            f"{entry.nwb}: no filter has a cutoff of {cutoff} Hz at {rate} Hz and order {order}",
            hint="rate: 1000, cutoff: 20, order: 8 are what the settings had",
        )
    key = f"wheel:{','.join(entry.collections)}:{rate}:{cutoff}:{order}"
    if key not in draft.shared:
        trace = _trace(draft, entry, sources[0], sources[1])
        draft.shared[key] = None if trace is None else _smoother(trace, rate, cutoff, order)
    smoother = draft.shared[key]
    if smoother is None:
        return
    start, n, smooth = smoother
    if not 2 <= n <= MOST:
        draft.warn(f"{entry.nwb} is not written: its times would make {n:,} samples")
        return
    times = {"WheelPositionSmoothed": 0, "WheelVelocitySmoothed": 1}
    derived = times.get(str(entry.settings["derived"]), 2)
    later = Later((n,), item.dtype or "float32")
    draft.fill(
        lambda: rows_of(_differences(smooth(), rate, derived), later),
        what=entry.name,
        nbytes=later.nbytes,
    )
    series = TimeSeries(
        name=entry.name,
        description=entry.description,
        data=later.io,
        unit=item.unit,
        starting_time=start,
        rate=rate,
        comments=FRAME,
    )
    place(draft, entry.nwb, series)


def _smoother(
    trace: Trace, rate: float, cutoff: float, order: int
) -> tuple[float, int, Callable[[], NDArray[np.float64]]]:
    """Return start and number of even samples, and what makes them, once."""
    import numpy as np

    start = float(trace.times[0])
    n = int((float(trace.times[-1]) - start) * rate + 1e-6) + 1

    @cache
    def smooth() -> NDArray[np.float64]:
        even = np.interp(start + np.arange(n) / rate, trace.times, trace.values)
        return low_passed(even, rate, cutoff=cutoff, order=order)

    return start, n, smooth


def _differences(values: NDArray[np.float64], rate: float, times: int) -> NDArray[np.float64]:
    """Return the derivative, taken so many times: 0 at first, then what came since the last."""
    import numpy as np

    for _ in range(times):
        values = np.diff(values, prepend=values[:1]) * rate
    return values
