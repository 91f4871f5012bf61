"""What was recorded all along: the running wheel and the eye."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.demo.vbn.recording import chance

Array = NDArray[Any]

RATE = 60.0
WHEEL_RADIUS = 8.255 * 2 / 3  # cm, where a mouse runs on it

#: Positions in millimetres and turns in degrees of the first rig.
RIG = {
    "camera_position": (102.8, 74.7, 31.6),
    "camera_rotation": (0.0, 0.0, 2.8),
    "led_position": (246.0, 92.3, 52.6),
    "monitor_position": (118.6, 86.2, 31.6),
    "monitor_rotation": (0.0, 0.0, 0.0),
}


def _smooth(values: Array, width: int) -> Array:
    """Return running means, twice."""
    for _ in range(2):
        total = np.cumsum(np.r_[np.zeros(1), values])
        low = np.clip(np.arange(len(values)) - width // 2, 0, len(values))
        high = np.clip(low + width, 0, len(values))
        values = (total[high] - total[low]) / np.maximum(high - low, 1)
    return values


def make_running(
    span: tuple[float, float], *, seed: int, backwards: bool = False
) -> dict[str, Array]:
    """Return the wheel: times, speeds in cm/s, turns in degrees, and the encoder's voltages.

    Parameters
    ----------
    span : tuple of float
        First and last time in seconds.
    seed : int
        Another number makes other values.
    backwards : bool
        Whether the encoder is mounted the other way round, so that running has negative speed.
    """
    draw = chance(seed, "running")
    n = int((span[1] - span[0]) * RATE)
    times = span[0] + np.cumsum(draw.normal(1.00001 / RATE, 5e-5, n))
    urge = _smooth(draw.standard_normal(n), 1200) * np.sqrt(1200)
    speed = np.maximum(_smooth(np.maximum(8 + 14 * urge, 0), 30), 0)
    if backwards:
        speed = -speed
    turn = np.degrees(speed / RATE / WHEEL_RADIUS) + draw.normal(0, 0.02, n)
    angle = np.cumsum(turn)
    raw = np.radians(turn) * RATE * WHEEL_RADIUS
    wraps = np.r_[False, np.diff(np.floor(angle / 360)) != 0]
    raw[wraps] += np.where(backwards, -1, 1) * 25.0
    return {
        "times": times,
        "speed": speed,
        "speed_unfiltered": raw,
        "dx": turn,
        "v_sig": angle % 360 / 360 * 5.0,
        "v_in": draw.normal(4.99, 0.002, n),
    }


def make_eye(span: tuple[float, float], *, seed: int) -> dict[str, Any]:
    """Return the eye: times, whether a frame is in a blink, and three ellipses.

    Frames in blinks have no fit. A few frames have fits that are far too large.
    """
    draw = chance(seed, "eye")
    n = int((span[1] - span[0]) * RATE)
    times = span[0] + np.cumsum(draw.normal(1.0 / RATE, 2e-5, n))
    blink = np.zeros(n, dtype=bool)
    for start in draw.integers(0, n, max(2, n // 900)):
        blink[start : start + draw.integers(5, 15)] = True
    drift = _smooth(draw.standard_normal(n), 400) * 20
    arousal = _smooth(draw.standard_normal(n), 2000) * np.sqrt(2000)
    outliers = draw.integers(0, n, max(3, n // 4000))

    def ellipse(x: float, y: float, wide: Array, high: Array, *, wild: bool) -> dict[str, Array]:
        wide, high = wide + draw.normal(0, 0.15, n), high + draw.normal(0, 0.15, n)
        if wild:
            wide[outliers] *= 3.5
        fitted = {
            "data": np.c_[x + drift + draw.normal(0, 0.2, n), y + drift / 2],
            "width": wide,
            "height": high,
            "angle": draw.normal(0.1, 0.02, n),
            "area_raw": np.pi * np.maximum(wide, high) ** 2,
        }
        for values in fitted.values():
            values[blink] = np.nan
        likely = blink | np.isin(np.arange(n), outliers)
        return fitted | {"area": np.where(likely, np.nan, fitted["area_raw"])}

    size = 42 + 6 * arousal
    still = np.zeros(n)
    return {
        "times": times,
        "likely_blink": blink,
        "corneal_reflection_tracking": ellipse(270, 240, still + 7, still + 6.5, wild=False),
        "eye_tracking": ellipse(260, 230, still + 130, still + 105, wild=True),
        "pupil_tracking": ellipse(262, 234, size, size * 0.95, wild=True),
    }
