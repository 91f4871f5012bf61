"""The clock of a raw recording: numbers of samples to seconds of the session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fascicle.analysis.snippets import LF_RATIO, Clock
from fascicle.errors import FascicleError
from fascicle.nwb.parts.recording import streams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.load import CbinArray
    from fascicle.nwb.parts.recording import Stream
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import SourceFile

#: How far, in samples, a recording's true times may lie from those of a steady rate.
TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class Line:
    """A clock as NWB knows it best: a first time and a rate.

    Attributes
    ----------
    start : float
        Seconds of the first sample.
    rate : float
        Samples per second of the session's clock.
    error : float
        How far the clock is from it at most, in samples.
    """

    start: float
    rate: float
    error: float


def clock_of(
    draft: Draft, points: list[SourceFile], rate: float, *, band: str, ap_rate: float | None = None
) -> Clock:
    """Return the clock of a recording, measured where a synchronisation file tells it.

    Parameters
    ----------
    draft : Draft
        Is told of what cannot be used.
    points : list of SourceFile
        Of ``timestamps`` (sample numbers of the action potential band, seconds of the session) and
        ``sync`` (seconds of the probe, seconds of the session), those that there are.
    rate : float
        Samples per second by the recording's own clock.
    band : str
        ``ap``, ``lf`` or ``nidq``.
    ap_rate : float, optional
        Of the action potential band beside, where that is known.

    Returns
    -------
    Clock
        ``synchronised`` is false where no file tells: then the first sample is at 0 s.
    """
    import numpy as np

    for ending in ("timestamps", "sync"):
        for file in points:
            if file.extra.rpartition(".")[2] != ending:
                continue
            known = known_points(draft, file)
            if known is None:
                continue
            scale = rate
            if ending == "timestamps":
                scale = rate / (ap_rate or rate * LF_RATIO) if band == "lf" else 1.0
            return Clock(known[:, 0] * scale, known[:, 1], synchronised=True)
    return Clock(np.array([0.0, rate]), np.array([0.0, 1.0]), synchronised=False)


def known_points(draft: Draft, file: SourceFile) -> NDArray[np.float64] | None:
    """Return the points that both clocks are known at, None where a file has fewer than two.

    Points where either clock does not go on, or that are no numbers, are left out, and said.
    """
    import numpy as np

    try:
        values = np.asarray(draft.source.load(file))
    except FascicleError as error:
        draft.warn(f"it cannot be read, and tells no times: {error}", file)
        return None
    if values.ndim != 2 or values.shape[1] != 2 or values.dtype.kind not in "fiu":
        draft.warn(
            f"it has the shape {values.shape} of {values.dtype}, where (n, 2) numbers were "
            "expected, one clock and the other: it tells no times",
            file,
        )
        return None
    points: NDArray[np.float64] = values.astype(np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    points = points[_ascending(points)]
    if lost := len(values) - len(points):
        draft.warn(f"{lost} of its {len(values)} points are no use: the clocks do not go on", file)
    if len(points) < 2:
        draft.warn("it has fewer than two points, and tells no times", file)
        return None
    return points


def _ascending(points: NDArray[np.float64]) -> list[int]:
    """Return the rows that go on in both clocks from the one that was taken before."""
    kept: list[int] = []
    for row, (own, second) in enumerate(points.tolist()):
        if not kept or (own > points[kept[-1], 0] and second > points[kept[-1], 1]):
            kept.append(row)
    return kept


def line_of(clock: Clock, n_samples: int) -> Line:
    """Return the straight line that fits a clock, over so many samples, with the least error.

    Parameters
    ----------
    clock : Clock
    n_samples : int
        Length of the recording.

    Notes
    -----
    Its slope is that between the first sample and the last; then it lies in the middle of what
    deviates. Where the two clocks differ by a steady rate alone the error is that of rounding.
    """
    import numpy as np

    last = float(max(n_samples - 1, 1))
    inside = clock.sample[(clock.sample > 0) & (clock.sample < last)]
    at = np.concatenate([[0.0], inside, [last]])
    times = clock.times(at)
    slope = (times[-1] - times[0]) / last
    off = times - (times[0] + slope * at)
    middle = (off.max() + off.min()) / 2
    error = (off.max() - off.min()) / 2 / slope
    return Line(float(times[0] + middle), float(1 / slope), float(error))


def said_of(clock: Clock, line: Line, *, n_points: int | None = None) -> str:
    """Return in words how a recording's times were made, for its comments."""
    if not clock.synchronised:
        return (
            "Times: the recording's own clock from its first sample on; nothing says how it lies "
            "to the session's."
        )
    points = len(clock.sample) if n_points is None else n_points
    known = f"{points} points where the recording's clock and the session's are both known"
    if line.error <= TOLERANCE:
        return (
            f"Times: a straight line through {known}; it is at most {line.error:.2g} samples off "
            "what these tell."
        )
    return (
        f"Times: one for each sample, interpolated between {known}; a steady rate would be up to "
        f"{line.error:.2g} samples off."
    )


def timed(
    draft: Draft, stream: Stream, recording: CbinArray
) -> tuple[dict[str, Any], Any, Clock, Line]:
    """Return how a series tells its times: a first one and a rate, or one for each sample.

    Returns
    -------
    timing : dict
        Arguments of a TimeSeries.
    times : Later or None
        Where each sample has its time: the array of these.
    clock : Clock
    line : Line
    """
    from fascicle.nwb.writing.later import Later

    rate = float(recording.sample_rate)
    clock = clock_of(draft, stream.points, rate, band=stream.band, ap_rate=_ap_rate(draft, stream))
    line = line_of(clock, len(recording))
    if not clock.synchronised:
        draft.warn(
            "nothing tells its clock in the session's: its times are the recording's own, from its "
            "first sample on",
            stream.samples or "",
        )
    if line.error <= TOLERANCE:
        return {"starting_time": line.start, "rate": line.rate}, None, clock, line
    times = Later((len(recording),), "f8")
    return {"timestamps": times.io}, times, clock, line


def _ap_rate(draft: Draft, stream: Stream) -> float | None:
    """Return the sampling rate of the action potential band beside, if its .meta is here."""
    from fascicle.load import sglx

    if stream.band != "lf":
        return None
    for other in streams(draft.source):
        same = (other.collection, other.run) == (stream.collection, stream.run)
        if same and other.band == "ap" and other.label == stream.label and "meta" in other.files:
            try:
                return sglx.sample_rate(sglx.read_meta(draft.source.place(other.files["meta"])))
            except FascicleError:
                return None  # it is told where that recording is converted
    return None
