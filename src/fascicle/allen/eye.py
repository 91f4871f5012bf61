"""The ellipses that were fitted to eye, pupil and corneal reflection, and the rig's geometry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fascicle.formats.nwb import NwbFile

_HOME = "/acquisition/EyeTracking"
_RIG = "/processing/eye_tracking_rig_metadata/eye_tracking_rig_metadata"
#: What a column is called, and which part of which ellipse it is.
_SERIES = {"eye": "eye_tracking", "pupil": "pupil_tracking", "cr": "corneal_reflection_tracking"}
_RAW = ("pupil_area_raw", "cr_area_raw", "eye_area_raw")
_SHAPES = [
    f"{part}_{what}"
    for part in ("cr", "eye", "pupil")
    for what in ("center_x", "center_y", "width", "height", "phi")
]
COLUMNS = ["timestamps", "cr_area", "eye_area", "pupil_area", "likely_blink", *_RAW, *_SHAPES]
_IN_FILE = {"width": "width", "height": "height", "phi": "angle", "area_raw": "area_raw"}
#: What a blink makes worthless; the corneal reflection keeps its shape.
_BLINDED = [
    *("cr_area", "eye_area", "pupil_area"),
    *(f"{part}_{what}" for part in ("eye", "pupil") for what in ("width", "height", "phi")),
]


class Coordinates:
    """A place or a rotation in three dimensions.

    Attributes
    ----------
    x, y, z : float
        In millimetres, or in degrees.
    """

    __slots__ = ("x", "y", "z")

    def __init__(self, x: float, y: float, z: float) -> None:
        self.x, self.y, self.z = x, y, z

    def __iter__(self) -> Iterator[float]:
        return iter((self.x, self.y, self.z))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, (Coordinates, list, tuple)):
            return [*self] == [*other]
        return NotImplemented

    def __hash__(self) -> int:
        return hash((self.x, self.y, self.z))

    def __str__(self) -> str:
        return str([*self])

    def __repr__(self) -> str:
        return f"Coordinates(x={self.x}, y={self.y}, z={self.z})"


def read_eye_tracking(file: NwbFile, *, threshold: float, dilation: int) -> pd.DataFrame:
    """Return the table of ellipses, in pixels and seconds, with blinks taken out.

    Parameters
    ----------
    file : NwbFile
    threshold : float
        An area so many standard deviations off is an outlier.
    dilation : int
        Frames before and after a blink that are taken for one too.

    Returns
    -------
    pandas.DataFrame
        By ``frame``; empty if there was no camera on the eye.
    """
    import numpy as np
    import pandas as pd

    found: dict[str, Any] = {}
    if file.has(_HOME):
        found["timestamps"] = file.array(f"{_HOME}/eye_tracking/timestamps")
        for part, series in _SERIES.items():
            center = file.array(f"{_HOME}/{series}/data")
            found[f"{part}_center_x"], found[f"{part}_center_y"] = center[:, 0], center[:, 1]
            for name, stored in _IN_FILE.items():
                found[f"{part}_{name}"] = file.array(f"{_HOME}/{series}/{stored}")
            found[f"{part}_area"] = found[f"{part}_area_raw"]
        eye, pupil = found["eye_area_raw"], found["pupil_area_raw"]
        odd = np.isnan(eye) | np.isnan(pupil) | _outliers(eye, threshold)
        blink = _dilated(odd | _outliers(pupil, threshold), dilation)
        found["likely_blink"] = blink
        for name in _BLINDED:
            found[name] = np.where(blink, np.nan, found[name])
    kinds = {"likely_blink": bool}
    columns = {
        name: np.asarray(found.get(name, ()), dtype=kinds.get(name, np.float64)) for name in COLUMNS
    }
    rows = len(columns["timestamps"])
    return pd.DataFrame(columns, index=pd.RangeIndex(rows, name="frame"))


def _outliers(values: np.ndarray[Any, Any], threshold: float) -> np.ndarray[Any, Any]:
    import numpy as np

    known = values[~np.isnan(values)]
    if not len(known) or (known == known[0]).all():
        return np.zeros(len(values), dtype=bool)
    with np.errstate(invalid="ignore"):
        far: np.ndarray[Any, Any] = np.abs((values - known.mean()) / known.std()) > threshold
    return far


def _dilated(flags: np.ndarray[Any, Any], frames: int) -> np.ndarray[Any, Any]:
    """Return flags with so many more before and after each."""
    out = flags.copy()
    for shift in range(1, min(frames, len(flags) - 1) + 1):
        out[shift:] |= flags[:-shift]
        out[:-shift] |= flags[shift:]
    return out


def read_rig_geometry(file: NwbFile) -> dict[str, Any]:
    """Return where monitor, camera and light were, in mm and degrees; empty if not known."""
    if not file.has(_RIG):
        return {}

    def place(name: str) -> Coordinates:
        return Coordinates(*file.array(f"{_RIG}/{name}").tolist())

    return {
        "camera_position_mm": place("camera_position"),
        "camera_rotation_deg": place("camera_rotation"),
        "equipment": file.attrs(_RIG).get("equipment"),
        "led_position": place("led_position"),
        "monitor_position_mm": place("monitor_position"),
        "monitor_rotation_deg": place("monitor_rotation"),
    }
