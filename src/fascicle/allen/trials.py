"""The trials of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle.allen.frames import whole_numbers, with_object_text

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.formats.nwb import NwbFile

_TRIALS = "/intervals/trials"


def has_trials(file: NwbFile) -> bool:
    """Return whether a session has any."""
    return file.has(_TRIALS)


def read_trials(file: NwbFile) -> pd.DataFrame:
    """Return the trials, one per row, by ``trials_id``.

    Licks of a trial are an array in its cell, in seconds.
    """
    names = [name for name in file.columns(_TRIALS) if name != "lick_events"]
    trials = with_object_text(file.table(_TRIALS, names))
    trials = trials.rename(columns={"stimulus_change": "is_change"})
    trials.index = trials.index.rename("trials_id")
    if "change_frame" in trials:
        trials["change_frame"] = whole_numbers(trials["change_frame"])
    return trials
