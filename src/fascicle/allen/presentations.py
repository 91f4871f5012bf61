"""What was shown when: one row for each image, grating, flash, or stretch of grey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fascicle.allen.frames import with_object_text

if TYPE_CHECKING:
    import pandas as pd

    from fascicle.formats.nwb import NwbFile

_ENDING = "_presentations"
_LEFT_OUT = ("tags", "timeseries", "tags_index", "timeseries_index")
#: Columns that come first; the others follow by name.
_FIRST = [
    *("stimulus_block", "stimulus_block_name", "image_index", "image_name", "movie_frame_index"),
    *("duration", "start_time", "end_time", "start_frame", "end_frame", "is_change"),
    *("is_image_novel", "omitted", "movie_repeat", "flashes_since_change", "trials_id"),
]
_WHOLE = [
    *("flashes_since_change", "image_index", "movie_repeat", "movie_frame_index", "repeat"),
    "stimulus_index",
]
#: Quantities, which are no flags even where all of them are 0 or 1.
_QUANTITIES = {
    *("color", "contrast", "duration", "end_time", "orientation", "phase", "position_x"),
    *("position_y", "spatial_frequency", "start_time", "stop_time", "temporal_frequency"),
}


def read_presentations(
    file: NwbFile, trials: pd.DataFrame | None, *, find_changes: bool
) -> pd.DataFrame:
    """Return all presentations by ``stimulus_presentations_id``, in the order of time.

    Parameters
    ----------
    file : NwbFile
    trials : pandas.DataFrame or None
        The session's, for what a file may lack: ``active``, ``trials_id``, ``is_sham_change``.
    find_changes : bool
        Whether to tell changes of the image from the order of images, and not from the file.
    """
    import pandas as pd

    from fascicle.allen import changes

    parts = [
        _part(file, f"/intervals/{name}")
        for name in file.names("/intervals")
        if name.endswith(_ENDING)
    ]
    table = pd.concat(parts, sort=False) if parts else _nothing()
    table = table.sort_values("start_time", kind="stable").reset_index(drop=True)
    for name in table.columns:
        table[name] = _typed(table[name])
    if find_changes:
        table["is_change"] = changes.is_change(table)
        table["flashes_since_change"] = changes.flashes_since_change(table)
    for name in _WHOLE:
        if name in table:
            table[name] = _whole(table[name])
    if trials is not None:
        changes.add_from_trials(table, trials)
    table = table.drop(columns=["image_set", "index"], errors="ignore")
    table = table.rename(columns={"stop_time": "end_time"})
    first = [name for name in _FIRST if name in table]
    table = table[[*first, *sorted(set(table.columns) - set(first))]]
    table.index = pd.RangeIndex(len(table), name="stimulus_presentations_id")
    return table


def _part(file: NwbFile, path: str) -> pd.DataFrame:
    ragged = set(file.ragged_columns(path))
    names = [n for n in file.columns(path) if n not in _LEFT_OUT and n not in ragged]
    part = with_object_text(file.table(path, names))
    for name in [name for name, kind in part.dtypes.items() if kind.kind == "O"]:
        part[name] = part[name].where(part[name] != "N/A", "")
    return part


def _nothing() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"start_time": pd.Series(dtype="float64")})


def _typed(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return whole numbers with 64 bits, and flags, which files have as 0, 1 and NaN, as flags."""
    kind, name = column.dtype, str(column.name)
    if kind.kind == "i":
        return column.astype("int64")
    is_quantity = name in _QUANTITIES or name.endswith("_index")
    if kind.kind == "f" and not is_quantity and column.dropna().isin([0, 1]).all():
        return column.astype("boolean")
    return column


def _whole(column: pd.Series[Any]) -> pd.Series[Any]:
    from fascicle.allen.frames import whole_numbers

    # A column of which all values are missing or 0 was taken for flags.
    return whole_numbers(column.astype("float64"))
