"""What was recorded of the mouse beside its eye: running, licks, rewards, and light pulses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fascicle.allen.frames import make_frame, with_object_text

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fascicle.formats.nwb import NwbFile

_RUNNING = "/processing/running"
_LICKS = "/processing/licking"
_REWARDS = "/processing/rewards"
_TIMES = "/processing/stimulus/timestamps"
_PULSES = "/processing/optotagging/optogenetic_stimulation"
#: A mouse does not run backwards: a mean below this, in cm/s, is an encoder the wrong way round.
_BACKWARDS = -1


def read_running_speed(file: NwbFile, *, filtered: bool) -> pd.DataFrame:
    """Return ``timestamps`` in seconds and ``speed`` in cm/s, forward positive.

    Parameters
    ----------
    file : NwbFile
    filtered : bool
        Whether to return the speed that was low-passed at 10 Hz.
    """
    place = f"{_RUNNING}/{'speed' if filtered else 'speed_unfiltered'}"
    frame = make_frame(
        {"timestamps": file.array(f"{place}/timestamps"), "speed": file.array(f"{place}/data")}
    )
    if frame["speed"].mean() < _BACKWARDS:
        frame["speed"] = -frame["speed"]
    return frame


def read_licks(file: NwbFile) -> pd.DataFrame:
    """Return ``timestamps`` in seconds and ``frame``; empty where there was no lick."""
    if not file.has(_LICKS):
        return _empty({"timestamps": "float64", "frame": "int64"})
    place = f"{_LICKS}/licks"
    return make_frame(
        {"timestamps": file.array(f"{place}/timestamps"), "frame": file.array(f"{place}/data")}
    )


def read_rewards(file: NwbFile) -> pd.DataFrame:
    """Return ``volume`` in ml, ``timestamps`` in seconds and ``auto_rewarded``."""
    if not file.has(_REWARDS):
        return _empty({"volume": "float64", "timestamps": "float64", "auto_rewarded": "bool"})
    free = f"{_REWARDS}/autorewarded"
    return make_frame(
        {
            "volume": file.array(f"{_REWARDS}/volume/data"),
            "timestamps": file.array(f"{free}/timestamps"),
            "auto_rewarded": file.array(f"{free}/data"),
        }
    )


def read_stimulus_timestamps(file: NwbFile) -> np.ndarray[Any, Any]:
    """Return when each frame was on the monitor, in seconds."""
    times: np.ndarray[Any, Any] = file.array(f"{_TIMES}/timestamps")
    return times


def read_optotagging(file: NwbFile) -> pd.DataFrame:
    """Return the pulses of light, one per row; empty where there were none."""
    if not file.has(_PULSES):
        kinds = {"start_time": "float64", "condition": "object", "level": "float64"}
        more = {"stop_time": "float64", "stimulus_name": "object", "duration": "float64"}
        frame = _empty(kinds | more)
    else:
        names = [name for name in file.columns(_PULSES) if name not in ("tags", "timeseries")]
        frame = with_object_text(file.table(_PULSES, names))
        # "name" is what the column is called in files made with older tools.
        frame = frame.rename(columns={"name": "stimulus_name"})
    frame.index = frame.index.rename("id")
    return frame


def _empty(kinds: dict[str, str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})
