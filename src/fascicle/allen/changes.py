"""What trials say of presentations, and what the order of images says of changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fascicle.allen.frames import NO_NUMBER

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def _names(table: pd.DataFrame) -> pd.Series[Any]:
    import pandas as pd

    if "image_name" in table:
        return table["image_name"]
    return pd.Series([None] * len(table), index=table.index, dtype=object)


def _omitted(table: pd.DataFrame) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return which rows are known to be omitted, and which are known not to be."""
    import numpy as np

    if "omitted" not in table:
        return np.zeros(len(table), dtype=bool), np.ones(len(table), dtype=bool)
    flags = table["omitted"].astype("boolean")
    missing = flags.isna().to_numpy()
    yes = flags.fillna(False).to_numpy(dtype=bool)
    return yes, ~yes & ~missing


def is_change(table: pd.DataFrame) -> pd.Series[Any]:
    """Return whether an image is another one than that before; the first is no change.

    Omitted images, and what is no image, are passed over.
    """
    import numpy as np
    import pandas as pd

    shown = np.flatnonzero(_omitted(table)[1])
    names = _names(table).to_numpy(dtype=object)[shown]
    changed = np.zeros(len(table), dtype=bool)
    changed[shown[1:]] = names[1:] != names[:-1]
    return pd.Series(changed, index=table.index)


def flashes_since_change(table: pd.DataFrame) -> pd.Series[Any]:
    """Return how many rows ago the image changed; omitted images do not count."""
    import numpy as np
    import pandas as pd

    n = len(table)
    passed = _omitted(table)[0] | (_names(table) == "omitted").to_numpy(dtype=bool)
    begins = table["is_change"].fillna(False).to_numpy(dtype=bool) & ~passed
    if n:
        begins[0] = not passed[0]
    count = np.cumsum(~passed & ~begins)
    start = np.maximum.accumulate(np.where(begins, np.arange(n), -1))
    since: np.ndarray[Any, Any] = count - np.where(start >= 0, count[np.maximum(start, 0)], 0)
    return pd.Series(since, index=table.index, dtype="int64")


def add_from_trials(table: pd.DataFrame, trials: pd.DataFrame) -> None:
    """Add ``active``, ``trials_id`` and ``is_sham_change`` to a table that lacks them.

    Parameters
    ----------
    table : pandas.DataFrame
        Presentations in the order of time; it is changed.
    trials : pandas.DataFrame
        By ``trials_id``.
    """
    if "active" not in table:
        table["active"] = _active(table, trials)
    if "trials_id" not in table:
        table["trials_id"] = _trials_id(table, trials)
    if "is_sham_change" not in table and "stimulus_block" in table:
        table["is_sham_change"] = _is_sham_change(table, trials)


def _active(table: pd.DataFrame, trials: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Return which images lie within the trials, with the blocks that they are part of."""
    starts = table["start_time"]
    inside = (starts > trials["start_time"].min()) & (starts < trials["stop_time"].max())
    active: np.ndarray[Any, Any] = (inside & _names(table).notna()).to_numpy(dtype=bool)
    if "stimulus_block" in table:
        blocks = table["stimulus_block"]
        active = blocks.isin(blocks[active].unique()).to_numpy(dtype=bool)
    return active


def _trials_id(table: pd.DataFrame, trials: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Return the trial that each image is in: the last that began before it."""
    import numpy as np

    starts = trials["start_time"].to_numpy(dtype="float64")
    order = np.argsort(starts, kind="stable")
    # Where trials are not in the order of time, a later row goes before an earlier one.
    rows = np.maximum.accumulate(order)
    times = table["start_time"].to_numpy(dtype="float64")
    n_before = np.searchsorted(starts[order], times, side="left")
    within = (n_before > 0) & (times < trials["stop_time"].max())
    within &= _names(table).notna().to_numpy(dtype=bool)
    ids = np.full(len(table), NO_NUMBER, dtype="int64")
    ids[within] = trials.index.to_numpy()[rows[n_before[within] - 1]]
    return _with_replays(table, ids)


def _is_sham_change(table: pd.DataFrame, trials: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Return at which images a catch trial had a change been due."""
    catch = trials["catch"].fillna(False).to_numpy(dtype=bool)
    seen = trials.index.isin(table["trials_id"].unique())
    frames = trials["change_frame"][catch & seen].unique()
    return _with_replays(table, table["start_frame"].isin(frames).to_numpy(dtype=bool))


def _with_replays(table: pd.DataFrame, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return values with those of active blocks in blocks that replay the same images."""
    import numpy as np

    if "stimulus_block" not in table:
        return values
    blocks, names = table["stimulus_block"].to_numpy(), _names(table)
    active = table["active"].fillna(False).to_numpy(dtype=bool)
    images = names.to_numpy(dtype=object)
    values = values.copy()
    passive = np.unique(blocks[~active & names.notna().to_numpy(dtype=bool)])
    for block in np.unique(blocks[active]):
        here = blocks == block
        for other in passive:
            there = blocks == other
            if np.array_equal(images[here], images[there]):
                values[there] = values[here]
    return values
