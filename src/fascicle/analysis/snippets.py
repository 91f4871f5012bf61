"""Voltages of a stretch of a raw recording, in seconds of the session's clock."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fascicle.analysis.probes import Where, open_insertion, raw_collection
from fascicle.archives.base import SessionName
from fascicle.archives.select import split_path
from fascicle.errors import (
    ALFObjectNotFound,
    BadFileError,
    IncompleteWarning,
    NotFoundError,
    SearchTermError,
)
from fascicle.load import load_file, open_cbin

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fascicle.archives.session import OpenSession

Band = Literal["ap", "lf"]

#: The action potential band is sampled this many times as often as the local field potential's.
LF_RATIO = 12


@dataclass(frozen=True, slots=True)
class Snippet:
    """A stretch of a raw recording.

    Attributes
    ----------
    volts : numpy.ndarray, shape (n_samples, n_channels)
        float32, in V, without the sync channel.
    times : numpy.ndarray, shape (n_samples,)
        Seconds of the session's clock.
    sample_rate : float
        Samples per second of the probe's clock, as recorded.
    first_sample : int
        Number of the first sample in the file.
    synchronised : bool
        Whether the times rest on a synchronisation of the probe with the session; otherwise they
        are the probe's own, from the sample rate alone.
    """

    volts: NDArray[np.float32]
    times: NDArray[np.float64]
    sample_rate: float
    first_sample: int
    synchronised: bool

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the voltages, so that numpy functions take a snippet."""
        volts: NDArray[Any] = np.asarray(self.volts, dtype=dtype)
        return volts.copy() if copy else volts


def raw(
    where: Where,
    pid: SessionName,
    t0: float,
    t1: float,
    *,
    band: Band = "ap",
) -> Snippet:
    """Return the voltages of a probe between two times of the session.

    Only the chunks of the compressed file that hold these times are decoded.

    Parameters
    ----------
    where : Archive, path or OpenSession
        The archive; or a session, and then ``pid`` may be a probe's name.
    pid : str or uuid.UUID
        The insertion.
    t0, t1 : float
        Start and end in seconds of the session's clock; the end is not included. What lies
        outside the recording is left out; ``float("inf")`` is its end.
    band : {'ap', 'lf'}
        Action potentials, or local field potentials.

    Returns
    -------
    Snippet

    Raises
    ------
    NotFoundError, ALFObjectNotFound
        If there is no such insertion, or its raw recording is not here.
    SearchTermError
        If the stretch is empty or lies outside the recording.

    Examples
    --------
    >>> snippet = raw("~/data", pid, 100.0, 100.1)  # doctest: +SKIP
    >>> plt.imshow(snippet.volts.T, aspect="auto")  # doctest: +SKIP
    """
    if band not in ("ap", "lf"):
        raise SearchTermError(f"there is no band {band!r}", hint='band="ap" or band="lf"')
    if not t1 > t0:
        raise SearchTermError(
            f"a stretch from {t0} to {t1} s is empty", hint="the end must come after the start"
        )
    session, insertion = open_insertion(where, pid)
    if insertion is None:
        raise NotFoundError(
            f"{str(pid)!r} is a session and not an insertion",
            hint=f"give one of its pids: {_pids(session)}",
        )
    collection = raw_collection(session, insertion.name)
    flat = session.list(f"*.{band}.bin", collection=collection)
    packed = session.list(f"*.{band}.cbin", collection=collection)
    ending = "bin" if flat and not packed else "cbin"
    recording = open_cbin(session.file(f"*.{band}.{ending}", collection=collection))
    rate = float(recording.sample_rate)
    clock = _clock(session, collection, rate, band)
    n = int(recording.shape[0])
    # Limited before they are made whole numbers: an end may be infinite.
    limits = (min(max(clock.samples(t) - 1e-6, 0), n) for t in (t0, t1))
    first, stop = (int(np.ceil(limit)) for limit in limits)
    if stop <= first:
        begin, end = clock.times(np.array([0.0, n]))
        raise SearchTermError(
            f"nothing was recorded between {t0} and {t1} s on {insertion.name}",
            hint=f"the recording lasts from {begin:.3f} to {end:.3f} s",
        )
    return Snippet(
        volts=np.asarray(recording.volts(first, stop), dtype=np.float32),
        times=clock.times(np.arange(first, stop, dtype=np.float64)),
        sample_rate=rate,
        first_sample=first,
        synchronised=clock.synchronised,
    )


class Clock:
    """Samples of a probe's recording to seconds of the session, and back.

    Parameters
    ----------
    sample, second : numpy.ndarray, shape (n,), n > 1
        Points that both clocks are known at. Between them they are joined by straight lines;
        outside, the first and the last line go on.
    synchronised : bool
        Whether the points were measured.
    """

    def __init__(
        self, sample: NDArray[np.float64], second: NDArray[np.float64], *, synchronised: bool
    ) -> None:
        self.sample, self.second, self.synchronised = sample, second, synchronised

    def times(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the seconds of sample numbers."""
        return _interpolate(samples, self.sample, self.second)

    def samples(self, time: float) -> float:
        """Return the sample number of a time, with its fraction."""
        return float(_interpolate(np.array([time]), self.second, self.sample)[0])


def _interpolate(
    x: NDArray[np.float64], known_x: NDArray[np.float64], known_y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Interpolate linearly, and go on straight outside."""
    right = np.clip(np.searchsorted(known_x, x), 1, known_x.size - 1)
    x0, x1 = known_x[right - 1], known_x[right]
    y0, y1 = known_y[right - 1], known_y[right]
    result: NDArray[np.float64] = y0 + (x - x0) * (y1 - y0) / (x1 - x0)
    return result


def _clock(session: OpenSession, collection: str, rate: float, band: Band) -> Clock:
    """Return the clock of a recording: measured where synchronisation files are, else linear.

    ``*.timestamps.npy`` has sample numbers of the action potential band and seconds of the
    session; ``*.sync.npy`` has seconds of the probe and seconds of the session.
    """
    ap_rate = rate * LF_RATIO if band == "lf" else rate
    for ending, scale in (("timestamps", rate / ap_rate), ("sync", rate)):
        points = _points(session, collection, ending)
        if points is not None:
            return Clock(points[:, 0] * scale, points[:, 1], synchronised=True)
    return Clock(np.array([0.0, rate]), np.array([0.0, 1.0]), synchronised=False)


def _points(session: OpenSession, collection: str, ending: str) -> NDArray[np.float64] | None:
    held = session.list(f"_spikeglx_*.{ending}.npy", collection=collection)
    if not held:
        return None
    path = held[0]
    try:
        values = load_file(session.file(path))
    except ALFObjectNotFound:
        warnings.warn(
            f"the times are the probe's own: {path} is in the index and not here",
            IncompleteWarning,
            stacklevel=4,
        )
        return None
    points = np.asarray(values, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2:
        raise BadFileError(
            f"{path} has the shape {points.shape}, where (n, 2) was expected: "
            "the probe's clock and the session's",
            hint=f"leave {split_path(path).name} out of the folder to use the sample rate alone",
        )
    keep = np.r_[True, np.diff(points[:, 0]) > 0]
    kept: NDArray[np.float64] = points[keep & np.isfinite(points).all(axis=1)]
    return kept


def _pids(session: OpenSession) -> str:
    return ", ".join(f"{i.pid} ({i.name})" for i in session.insertions) or "it has none"
