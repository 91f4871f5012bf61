"""Pictures that look like natural ones, bent as a flat monitor close to an eye needs them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fascicle.demo.vbn.recording import chance

Array = NDArray[Any]

_DRAWN = (300, 480)  # larger pictures have no more detail
_WIDE, _HIGH, _AWAY = 25.9, 16.2, 15.0  # cm: half the monitor, and its distance from the eye


def make_picture(name: str, shape: tuple[int, int]) -> tuple[Array, Array]:
    """Return a picture as shown, and as it would look to the eye.

    Parameters
    ----------
    name : str
        The same name gives the same picture.
    shape : tuple of int
        Rows and columns.

    Returns
    -------
    warped : ndarray of uint8
        What is sent to the monitor.
    unwarped : ndarray of float64
        The same on a grid of angles, NaN where the monitor does not reach.
    """
    drawn = min(shape, _DRAWN)
    angle = float(name.partition("_")[2]) if name.startswith("gratings") else None
    scene = _scene(name, drawn) if angle is None else _grating(angle, drawn)
    rows, columns = shape
    wide, high = np.arctan2(_WIDE, _AWAY), np.arctan2(_HIGH, _AWAY)
    across, down = np.linspace(0, 1, columns), np.linspace(0, 1, rows)[:, None]
    x, y = (2 * across - 1) * _WIDE, (2 * down - 1) * _HIGH
    azimuth, altitude = np.arctan2(x, _AWAY), np.arctan2(y, np.hypot(x, _AWAY))
    warped = _look(scene, (altitude / high + 1) / 2, (azimuth / wide + 1) / 2)
    unwarped = _look(scene, down, across)
    reach = np.arctan2(_HIGH, np.hypot(_AWAY * np.tan((2 * across - 1) * wide), _AWAY))
    seen = np.abs(2 * down - 1) * high <= reach
    seen[:, [0, -1]] = False
    return warped.astype(np.uint8), np.where(seen, unwarped, np.nan)


def _look(scene: Array, down: Array, across: Array) -> Array:
    """Return the scene at fractions of its height and width, between its pixels too."""
    rows, columns = scene.shape
    down, across = down * (rows - 1), across * (columns - 1)
    top = np.minimum(down.astype(int), max(rows - 2, 0))
    left = np.minimum(across.astype(int), max(columns - 2, 0))
    below, right = np.minimum(top + 1, rows - 1), np.minimum(left + 1, columns - 1)
    v, h = down - top, across - left
    upper = (1 - h) * scene[top, left] + h * scene[top, right]
    lower = (1 - h) * scene[below, left] + h * scene[below, right]
    seen: Array = np.round((1 - v) * upper + v * lower)
    return seen


def _grating(angle: float, shape: tuple[int, int]) -> Array:
    y, x = np.mgrid[: shape[0], : shape[1]] / shape[1]
    turn = np.radians(angle)
    wave: Array = np.sin(2 * np.pi * 12 * (x * np.cos(turn) + y * np.sin(turn)))
    return np.where(wave > 0, 255.0, 0.0)


@lru_cache(maxsize=16)
def _scene(name: str, shape: tuple[int, int]) -> Array:
    """Return light and shadow with detail at all scales, things in front, and a horizon."""
    draw = chance(0, name)
    rows, columns = shape
    light = _rough(draw, shape, 1.25)
    y, x = np.mgrid[:rows, :columns] / rows
    middle = columns / rows / 2
    horizon = draw.uniform(0.35, 0.7) + 0.06 * light
    sky = 0.5 - 0.5 * np.tanh((y - horizon) * 12)
    scene = 0.9 * light * (1 - 0.7 * sky) + 1.2 * draw.choice([-1, 1]) * (sky - 0.5)
    for _ in range(int(draw.integers(4, 9))):  # stones and leaves
        at = middle + draw.normal(0, 0.35), draw.uniform(0.25, 0.95)
        turn, size = draw.uniform(0, np.pi), draw.uniform(0.08, 0.3)
        u = (x - at[0]) * np.cos(turn) + (y - at[1]) * np.sin(turn)
        v = (y - at[1]) * np.cos(turn) - (x - at[0]) * np.sin(turn)
        far = np.hypot(u / size, v / (size * draw.uniform(0.3, 0.9))) + 0.08 * light
        inside = 0.5 - 0.5 * np.tanh((far - 1) * 20)
        shade = draw.normal(0, 0.8) + 0.8 * (u - v) / size + 0.35 * _rough(draw, shape, 0.9)
        scene += inside * (shade - scene)
    for _ in range(int(draw.integers(3, 7))):  # stems, nearest
        lean, place, thick = (
            draw.normal(0, 0.4),
            middle + draw.normal(0, 0.5),
            draw.uniform(0.005, 0.03),
        )
        off = np.abs(x - place - lean * (y - 0.5) - 0.04 * np.sin(3 * y + place * 9)) / thick
        scene += np.exp(-(off**4)) * (draw.normal(0, 1) - 0.8 * off - scene)
    scene -= np.median(scene)
    grey: Array = np.clip(118 + 62 * scene / scene.std(), 0, 255).round()
    return grey


def _rough(draw: np.random.Generator, shape: tuple[int, int], slope: float) -> Array:
    """Return noise whose amplitude falls with frequency, as that of natural scenes does."""
    fy = np.fft.fftfreq(shape[0])[:, None] * shape[0]
    fx = np.fft.rfftfreq(shape[1]) * shape[1]
    f = np.hypot(fy, fx)
    f[0, 0] = np.inf
    spectrum = np.fft.rfft2(draw.standard_normal(shape)) * f**-slope
    noise: Array = np.fft.irfft2(spectrum, shape)
    noise /= noise.std()
    return noise
