"""Times of samples: whether NWB takes them, as a rate or one by one, shared by several series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fascicle.errors import FascicleError
from fascicle.formats.nwb.records import Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import SourceFile

#: Times that are apart from those of a rate by more than this, in seconds, are written one by one.
CLOSE = 1e-6
#: So many points of a clock are kept in the record of it; more, as an array.
_FEW = 64


@dataclass(frozen=True, slots=True)
class Clock:
    """The times of an object's samples.

    Attributes
    ----------
    file : SourceFile
    values : numpy.ndarray or None
        As they were loaded (n,), in seconds; None if they cannot be read.
    problem : str
        Why NWB cannot take them as times; empty if it can.
    points : numpy.ndarray or None
        The rows of (sample, time) that the values were interpolated between, if they were.
    """

    file: SourceFile
    values: NDArray[Any] | None
    problem: str = ""
    points: NDArray[Any] | None = None

    def __len__(self) -> int:
        return 0 if self.values is None else len(self.values)


def clock_of(draft: Draft, file: SourceFile, n: int | None = None) -> Clock:
    """Return the times that a dataset holds, read once; a problem is said once, as a warning.

    Parameters
    ----------
    draft : Draft
    file : SourceFile
    n : int, optional
        How many samples there are. Times may be given as rows of (sample, time): with it, they are
        those of each sample.
    """
    key = f"clock:{file.path}"
    if key not in draft.shared:
        draft.shared[key] = _read(draft, file)
    clock: Clock = draft.shared[key]
    if clock.points is not None and n is not None:
        clock = _between(clock, n)
    said = f"said:{key}"
    if clock.problem and said not in draft.shared:
        draft.shared[said] = True
        draft.warn(f"the times {clock.problem}: nothing is written with them", file)
    return clock


def _read(draft: Draft, file: SourceFile) -> Clock:
    import numpy as np

    try:
        values = draft.source.load(file)
    except FascicleError as error:
        return Clock(file, None, f"cannot be read: {error}")
    if isinstance(values, np.ndarray) and values.ndim == 2 and values.shape[1] == 2:
        points = np.asarray(values)
        if _are_points(points):
            shape = f"have the shape {values.shape} rather than one dimension"
            return Clock(file, None, shape, points)
    return Clock(file, *_judged(values))


def _are_points(points: NDArray[Any]) -> bool:
    """Return whether rows are of (sample, time), both rising, the first from sample 0 on."""
    import numpy as np

    if points.dtype.kind not in "fiu" or len(points) < 2 or not np.isfinite(points).all():
        return False
    return bool(points[0, 0] >= 0 and np.all(np.diff(points, axis=0) > 0))


def _between(clock: Clock, n: int) -> Clock:
    """Return the times of ``n`` samples that lie between the points of a clock."""
    from fascicle.load.objects import ts2vec

    assert clock.points is not None
    first, last = clock.points[0, 0], clock.points[-1, 0]
    if first > 0 or last < n - 1:
        why = f"are of the samples {first:g} to {last:g}, and there are {n}"
        return Clock(clock.file, None, why, clock.points)
    return Clock(clock.file, ts2vec(clock.points, n), "", clock.points)


def _judged(values: Any) -> tuple[Any, str]:
    import numpy as np

    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        return None, "are no numbers"
    if values.ndim != 1:
        return None, f"have the shape {values.shape} rather than one dimension"
    if not len(values):
        return values, "are none at all"
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        return values, f"are not finite at {bad} of {len(values)} samples"
    if np.any(values[1:] < values[:-1]):
        first = int(np.flatnonzero(values[1:] < values[:-1])[0]) + 1
        return values, f"do not ascend (sample {first} is before the one before it)"
    if values.dtype != np.float64 and not np.array_equal(values.astype(np.float64), values):
        return values, f"are {values.dtype}, which 64-bit floats do not hold exactly"
    return values, ""


def timing(draft: Draft, clock: Clock, n: int) -> dict[str, Any]:
    """Return what a series of ``n`` samples takes as its times.

    Parameters
    ----------
    draft : Draft
    clock : Clock
        Without a problem.
    n : int
        At most as many as there are times; of fewer, the first.

    Returns
    -------
    dict
        ``timestamps``: another series that has them already, or an array; or ``starting_time``
        and ``rate`` where the times are those of a rate.
    """
    import numpy as np

    assert clock.values is not None and n <= len(clock)
    if (owner := draft.shared.get(_key(clock, n))) is not None:
        if owner.rate is not None:
            return {"starting_time": owner.starting_time, "rate": owner.rate}
        return {"timestamps": owner}
    times = np.asarray(clock.values[:n], dtype=np.float64)
    if (rate := regular_rate(times)) is not None:
        return {"starting_time": float(times[0]), "rate": rate}
    return {"timestamps": draft.array(times, what=f"times of {clock.file.object}")}


def own(
    draft: Draft, clock: Clock, series: Any, at: str, n: int, *, external: bool = False
) -> None:
    """Say that a series has the times, so that others link to it if it is the first.

    The first that has all of them is where the dataset is recorded to be.

    Parameters
    ----------
    draft : Draft
    clock : Clock
    series : pynwb.TimeSeries
        Made with what `timing` returned.
    at : str
        Its path in the file.
    n : int
        Its number of samples.
    external : bool
        Whether its samples are in another file: a video.
    """
    file = clock.file
    if _key(clock, n) in draft.shared:
        return
    draft.shared[_key(clock, n)] = series
    if n != len(clock) or file.path in draft.taken:
        return
    draft.shared.setdefault(f"times:{file.object}", series)
    assert clock.values is not None
    if clock.points is not None:
        _take_points(draft, clock, at)
        return
    dtype = clock.values.dtype.str
    if series.rate is None:
        of = "array" if external else "sample"
        draft.took(file, Value(of, at, ("timestamps",), dtype=dtype))
        return
    if not external and _is_exactly(clock.values, series.starting_time, series.rate):
        draft.took(file, Value("sample", at, ("timestamps",), dtype=dtype))
        return
    # The rate is what readers want; what it rounds is kept beside, as it was.
    from fascicle.nwb.parts.loose import carry_array

    carry_array(
        draft,
        file,
        clock.values,
        f"Times of {file.object} in seconds, exactly; /{at} has them as a rate",
    )


def _take_points(draft: Draft, clock: Clock, at: str) -> None:
    """Record the points that times were interpolated between."""
    from fascicle.nwb.parts.loose import carry_array

    points = clock.points
    assert points is not None
    if len(points) > _FEW:
        said = f"Samples of {clock.file.object} and their times in seconds; /{at} has all times"
        carry_array(draft, clock.file, points, said)
        return
    options = {"value": points.tolist()}
    value = Value("literal", at, dtype=points.dtype.str, shape=points.shape, options=options)
    draft.took(clock.file, value)


def _key(clock: Clock, n: int) -> str:
    alone = clock.points is not None or n != len(clock)
    return f"times:{clock.file.path}" + (f"#{n}" if alone else "")


def regular_rate(times: NDArray[np.float64]) -> float | None:
    """Return the rate of samples that are equally far apart, in Hz; None if they are not.

    The rate gives the times back, exactly if any that is tried does, else to within `CLOSE`.
    """
    import numpy as np

    if len(times) < 3:
        return None
    steps = np.diff(times)
    # What nwbinspector calls regular; of others, a look at the first saves the rest.
    if len(np.unique(steps[:100].round(9))) > 1 or len(np.unique(steps.round(9))) > 1:
        return None
    whole = float(times[-1] - times[0])
    if whole <= 0 or steps[0] <= 0:
        return None
    mean = (len(times) - 1) / whole
    candidates = [mean, 1 / float(steps[0]), float(round(mean)), round(mean, 3), round(mean, 6)]
    if any(rate > 0 and _is_exactly(times, times[0], rate) for rate in candidates):
        return next(r for r in candidates if r > 0 and _is_exactly(times, times[0], r))
    errors = np.abs(times[0] + np.arange(len(times)) / mean - times)
    return mean if float(errors.max()) <= CLOSE else None


def _is_exactly(times: NDArray[Any], start: float, rate: float) -> bool:
    import numpy as np

    made = float(start) + np.arange(len(times), dtype=np.float64) / rate
    return bool(np.array_equal(made.astype(times.dtype), times))
