"""Mean waveforms of units, as NWB has them: samples by channels for each unit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Channels no farther than this from the largest are those of a unit, um.
NEAR = 200.0


def mean_waveforms(values: NDArray[Any], *, channels_first: bool) -> NDArray[Any]:
    """Return waveforms with the samples before the channels.

    Parameters
    ----------
    values : ndarray, shape (n_units, n_samples, n_channels)
        In V; samples and channels the other way round if ``channels_first``.
    channels_first : bool

    Returns
    -------
    ndarray of float32 or float64, shape (n_units, n_samples, n_channels)
    """
    import numpy as np

    out = values.transpose(0, 2, 1) if channels_first else values
    wide = out.dtype if out.dtype.kind == "f" and out.dtype.itemsize >= 4 else np.dtype(np.float32)
    return np.ascontiguousarray(out, dtype=wide)


def padded(values: NDArray[Any], n_channels: int) -> NDArray[Any]:
    """Return waveforms with NaN on the channels that they lack."""
    import numpy as np

    missing = n_channels - values.shape[2]
    if not missing:
        return values
    return np.pad(values, ((0, 0), (0, 0), (0, missing)), constant_values=np.nan)


def peak_sample(values: NDArray[Any]) -> float | None:
    """Return at which sample waveforms are largest, as the median over the units.

    Parameters
    ----------
    values : ndarray, shape (n_units, n_samples, n_channels)
    """
    import numpy as np

    if not values.size:
        return None
    size = np.abs(np.nan_to_num(values))
    some = size.max(axis=(1, 2)) > 0
    if not some.any():
        return None
    return float(np.median(size[some].max(axis=2).argmax(axis=1)))


def neighbours(local: NDArray[Any] | None, channels: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the channels near the largest one of each unit, in their order.

    Parameters
    ----------
    local : ndarray, shape (n_channels, 2), or None
        Places on the probe, um.
    channels : ndarray of int, shape (n_units,)
        The largest channel of each unit, -1 where it is not known.

    Returns
    -------
    list of ndarray of int
        One for each unit: its channels; none where the largest is not known, that one alone where
        places are not.
    """
    import numpy as np

    known: dict[int, NDArray[np.int64]] = {-1: np.zeros(0, np.int64)}
    for channel in np.unique(channels).tolist():
        if channel < 0:
            continue
        known[channel] = np.array([channel], np.int64)
        if local is None or not np.isfinite(local[channel]).all():
            continue
        away = np.hypot(*(local.astype(np.float64) - local[channel]).T)
        known[channel] = np.flatnonzero(away <= NEAR)
    return [known[max(channel, -1)] for channel in channels.tolist()]


def listed(channels: NDArray[Any], n: int) -> list[NDArray[np.int64]] | None:
    """Return the channels of waveforms as one list for each unit.

    Parameters
    ----------
    channels : ndarray, shape (n_units, n_waveform_channels)
        Numbers of channels; what is no such number fills a row up.
    n : int
        How many channels the probe has.

    Returns
    -------
    list of ndarray of int, or None
        None where what fills up stands between channels, so that lists would not fit waveforms.
    """
    import numpy as np

    given = np.where(np.isfinite(channels), channels, -1).astype(np.int64)
    there = (given >= 0) & (given < n)
    if (there[:, 1:] & ~there[:, :-1]).any():
        return None
    return [row[ok] for row, ok in zip(given, there, strict=True)]
