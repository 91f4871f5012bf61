"""Smooth a trace without shifting it: a low-pass filter in the frequency domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Seconds by which a trace is continued at both ends: the filter forgets in far less.
PADDING = 2.0


def low_passed(
    values: NDArray[Any], rate: float, *, cutoff: float, order: int
) -> NDArray[np.float64]:
    """Return a trace without its fast parts.

    Its gain is that of a digital Butterworth filter that runs forwards and then backwards, so that
    nothing is shifted in time: one half at the cutoff, where one run alone has 0.71.

    Parameters
    ----------
    values : numpy.ndarray
        (n,), evenly sampled and finite.
    rate : float
        Samples per second.
    cutoff : float
        In Hz, less than half the rate.
    order : int

    Returns
    -------
    numpy.ndarray
        (n,) float64.

    Raises
    ------
    ValueError
        If the cutoff cannot be.
    """
    import numpy as np

    if not 0 < cutoff < rate / 2:
        raise ValueError(f"a cutoff of {cutoff} Hz at {rate} samples per second")
    trace = np.asarray(values, dtype=np.float64)
    n = len(trace)
    if n < 2:
        return trace.copy()
    pad = min(int(PADDING * rate), n - 1)
    # Continued as if turned by 180 degrees about its ends, so that neither value nor slope jumps.
    head = 2 * trace[0] - trace[pad:0:-1]
    tail = 2 * trace[-1] - trace[-2 : -pad - 2 : -1]
    whole = np.concatenate([head, trace, tail])
    # The transform takes the trace for periodic: what is left of its ends is a straight line.
    steps = np.arange(len(whole)) / (len(whole) - 1)
    line = whole[0] + (whole[-1] - whole[0]) * steps
    size = smooth_size(len(whole))
    spectrum = np.fft.rfft(whole - line, size)
    # Frequencies bend as they do where an analog filter is made a digital one.
    bent = np.tan(np.pi * np.minimum(np.fft.rfftfreq(size), 0.499999)) / np.tan(
        np.pi * cutoff / rate
    )
    with np.errstate(over="ignore"):  # infinitely small is small enough
        spectrum /= 1 + bent ** (2 * order)
    out = np.fft.irfft(spectrum, size)[: len(whole)] + line
    found: NDArray[np.float64] = out[pad : pad + n]
    return found


def smooth_size(n: int) -> int:
    """Return the least number from ``n`` on without prime factors but 2, 3 and 5.

    Examples
    --------
    >>> smooth_size(17), smooth_size(1000), smooth_size(1001)
    (18, 1000, 1024)
    """
    best = 1 << max(n - 1, 0).bit_length()
    five = 1
    while five < best:
        three = five
        while three < best:
            two = 1 << max(-(-n // three) - 1, 0).bit_length()
            best = min(best, three * two)
            three *= 3
        five *= 5
    return best
