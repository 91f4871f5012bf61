"""Tables of a camera with one row a frame: body parts in pixels, the pupil's diameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fascicle.formats.nwb.records import Value, without
from fascicle.nwb.parts.parquet import Parquet
from fascicle.nwb.parts.placing import put, safe_name
from fascicle.nwb.writing.entries import Item

if TYPE_CHECKING:
    import numpy as np

    from fascicle.nwb.parts.timing import Clock
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.entries import Entry
    from fascicle.nwb.writing.later import Blocks
    from fascicle.nwb.writing.source import SourceFile

_FRAME = "(0, 0) is the upper left corner of the picture, x goes to the right and y down"
_LIKELY = "Likelihood that the body part is where the software sees it, as the software gives it"


class _Columns:
    """A camera's table: which of its columns are written, as what, and how they come back."""

    def __init__(self, draft: Draft, entry: Entry, file: SourceFile) -> None:
        self.table = Parquet(draft.source.place(file))
        self.file = file
        self._items: dict[str, Item] = {}
        self._all = False
        for item in entry.items:
            for part in item.source.split(","):
                key, colon, column = part.strip().partition(":")
                if key == file.key and colon:
                    self._items[column] = item
                elif key == file.key and item.on:
                    self._all = True
        self.values: dict[str, Value] = {}

    def item(self, column: str, name: str, unit: str, about: str) -> Item | None:
        """Return what a column is written as, None if it is switched off."""
        found = self._items.get(column)
        if found is None:
            return Item(name, "", unit=unit, description=about) if self._all else None
        return found if found.on else None

    def dtype(self, column: str) -> np.dtype[Any]:
        found = self.table.float_type(column)
        assert found is not None
        return found

    @property
    def why_not(self) -> str:
        """Why its columns cannot be series, empty if they can."""
        if not self.table.is_plain:
            return "its rows or columns have names of their own"
        odd = [c for c in self.table.columns if self.table.float_type(c) is None]
        return f"its column {odd[0]!r} holds no floats" if odd else ""

    def took(self, draft: Draft, at: str) -> None:
        """Record the table, if anything of it was written."""
        columns = self.table.columns
        values = {column: self.values[column] for column in columns if column in self.values}
        if not values:
            draft.skip(self.file, "all of its columns are switched off in the metadata")
            return
        left = [column for column in columns if column not in values]
        draft.took(self.file, without(Value("frame", at, columns=values), left))
        if left:
            draft.inform(f"without columns that are switched off: {', '.join(left)}", self.file)


def _as_table(draft: Draft, file: SourceFile, entry: Entry, why: str) -> None:
    """Carry a table as such, without times."""
    from fascicle.nwb.parts.frames import carry_table

    draft.inform(f"carried as a table: {why}", file)
    carry_table(draft, file, description=f"{entry.description or file.key}, one row a frame")


def build_pose(draft: Draft, entry: Entry, file: SourceFile, clock: Clock) -> None:
    """Build the pose that one camera saw: a series for each body part, and a skeleton.

    Columns that belong to no body part become series beside it.
    """
    from ndx_pose import PoseEstimation

    from fascicle.nwb.parts.cameras import fits, keypoints
    from fascicle.nwb.parts.devices import camera

    columns = _Columns(draft, entry, file)
    table = columns.table
    parts = keypoints(table.columns)
    why = columns.why_not or ("" if parts else "it has no columns _x and _y of a body part")
    if why or not fits(draft, file, table.rows, clock):
        _as_table(draft, file, entry, why or "it has no times")
        return
    series: list[Any] = []
    plan: list[tuple[list[str], list[Any], list[np.dtype[Any]]]] = []
    for part, found in parts.items():
        about = f"{part} in the picture of {file.object}"
        item = columns.item(found[0], safe_name(part), "pixels", about)
        if item is not None:
            made = _keypoint(draft, entry, columns, found, item, clock, plan)
            series.append(made)
    if not series:
        columns.took(draft, entry.nwb)
        return
    skeleton = _skeleton(draft, entry, series)
    software = entry.settings.get("software") or None
    pose = PoseEstimation(
        name=entry.name,
        pose_estimation_series=series,
        description=entry.description or f"Body parts in the picture of {file.object}",
        device=camera(draft, file.object),
        source_software=software,
        scorer=software,
        skeleton=skeleton,
    )
    put(draft, entry.nwb, pose)
    draft.shared.setdefault(f"poses:{file.object}", []).append(pose)
    _fill(draft, columns, plan)
    known = {column for found in parts.values() for column in found}
    _beside(draft, columns, [c for c in table.columns if c not in known], clock)
    columns.took(draft, entry.nwb)


def _keypoint(
    draft: Draft,
    entry: Entry,
    columns: _Columns,
    found: list[str],
    item: Item,
    clock: Clock,
    plan: list[tuple[list[str], list[Any], list[np.dtype[Any]]]],
) -> Any:
    import numpy as np
    from ndx_pose import PoseEstimationSeries

    from fascicle.nwb.parts.timing import own, timing
    from fascicle.nwb.writing.later import Later

    n = columns.table.rows
    types = [columns.dtype(column) for column in found]
    place = np.dtype(item.dtype) if item.dtype else np.result_type(*types[:2])
    data = Later((n, 2), _at_least_f4(place))
    likely = None
    if len(found) > 2:
        likely = Later((n,), _at_least_f4(np.dtype(item.dtype) if item.dtype else types[2]))
    series = PoseEstimationSeries(
        name=item.name,
        description=item.description or f"{item.name} in the picture",
        data=data.io,
        unit=item.unit or "pixels",
        reference_frame=_FRAME,
        confidence=None if likely is None else likely.io,
        confidence_definition=None if likely is None else _LIKELY,
        **timing(draft, clock, n),
    )
    at = f"{entry.nwb}/{item.name}"
    own(draft, clock, series, at, n)
    for k, column in enumerate(found[:2]):
        columns.values[column] = Value(
            "sample", at, ("data",), dtype=str(types[k]), options={"column": k}
        )
    if likely is not None:
        columns.values[found[2]] = Value("sample", at, ("confidence",), dtype=str(types[2]))
    plan.append((found, [data, likely], types))
    return series


def _at_least_f4(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type that ndx-pose takes for one: 32 bits or more."""
    import numpy as np

    return np.dtype("<f4") if dtype.itemsize < 4 else dtype


def _fill(
    draft: Draft,
    columns: _Columns,
    plan: list[tuple[list[str], list[Any], list[np.dtype[Any]]]],
) -> None:
    """Fill a pose body part by body part: no more than three columns are in memory."""
    table = columns.table

    def blocks() -> Blocks:
        import numpy as np

        from fascicle.nwb.writing.later import rows_of

        for found, (data, likely), _ in plan:
            read = table.read(found)
            yield from rows_of(np.stack(read[:2], axis=1, dtype=data.dtype), data)
            if likely is not None:
                yield from rows_of(read[2], likely)

    nbytes = sum(one.nbytes for _, laters, _ in plan for one in laters if one is not None)
    draft.fill(blocks, what=f"pose of {columns.file.object}", nbytes=nbytes)


def _skeleton(draft: Draft, entry: Entry, series: list[Any]) -> Any:
    from ndx_pose import Skeleton, Skeletons

    skeleton = Skeleton(
        name=f"{entry.name}Skeleton",
        nodes=[one.name for one in series],
        subject=draft.nwb.subject,
    )
    module = draft.module(entry.nwb.split("/")[1])
    if "Skeletons" not in module.data_interfaces:
        module.add(Skeletons(name="Skeletons"))
    module["Skeletons"].add_skeletons(skeleton)
    return skeleton


def build_features(draft: Draft, entry: Entry, file: SourceFile, clock: Clock) -> None:
    """Build the pupil's diameter; other columns become series beside it."""
    from pynwb import TimeSeries
    from pynwb.behavior import PupilTracking

    from fascicle.nwb.parts.cameras import _PUPIL, _feature_about, _feature_name, fits
    from fascicle.nwb.parts.timing import own, timing

    columns = _Columns(draft, entry, file)
    n = columns.table.rows
    why = columns.why_not
    if why or not fits(draft, file, n, clock):
        _as_table(draft, file, entry, why or "it has no times")
        return
    tracking = PupilTracking(name=entry.name)
    others: list[str] = []
    for column in columns.table.columns:
        if not column.startswith(_PUPIL):
            others.append(column)
            continue
        item = columns.item(
            column, _feature_name(column), "pixels", _feature_about(column, file.object)
        )
        if item is None:
            continue
        series = TimeSeries(
            name=item.name,
            data=_column(draft, columns, column, item),
            unit=item.unit or "pixels",
            description=item.description or _feature_about(column, file.object),
            **timing(draft, clock, n),
        )
        tracking.add_timeseries(series)
        at = f"{entry.nwb}/{item.name}"
        columns.values[column] = Value("sample", at, ("data",), dtype=str(columns.dtype(column)))
        if len(tracking.time_series) == 1:
            put(draft, entry.nwb, tracking)
        own(draft, clock, series, at, n)
    _beside(draft, columns, others, clock)
    columns.took(draft, entry.nwb)


def _column(draft: Draft, columns: _Columns, column: str, item: Item) -> Any:
    """Return the place of a column in the file, filled when the skeleton stands."""
    import numpy as np

    from fascicle.nwb.writing.later import Later, rows_of

    table = columns.table
    dtype = np.dtype(item.dtype) if item.dtype else columns.dtype(column)
    later = Later((table.rows,), dtype)

    def blocks() -> Blocks:
        yield from rows_of(table.read([column])[0], later)

    draft.fill(blocks, what=f"{column} of {columns.file.object}", nbytes=later.nbytes)
    return later.io


def _beside(draft: Draft, columns: _Columns, names: list[str], clock: Clock) -> None:
    """Write columns as series of their own, named as dataset and column."""
    from pynwb import TimeSeries

    from fascicle.nwb.parts.cameras import MODULE, free_here
    from fascicle.nwb.parts.timing import own, timing

    file, n = columns.file, columns.table.rows
    for column in names:
        about = f"{column} of each frame of {file.object}"
        item = columns.item(column, f"{file.key}.{column}", "n.a.", about)
        if item is None and column in columns._items:
            continue
        item = item or Item(f"{file.key}.{column}", "", unit="n.a.", description=about)
        name = free_here(draft, item.name)
        series = TimeSeries(
            name=name,
            data=_column(draft, columns, column, item),
            unit=item.unit or "n.a.",
            description=item.description or about,
            **timing(draft, clock, n),
        )
        put(draft, f"{MODULE}/{name}", series)
        own(draft, clock, series, f"{MODULE}/{name}", n)
        columns.values[column] = Value(
            "sample", f"{MODULE}/{name}", ("data",), dtype=str(columns.dtype(column))
        )
