"""What cameras saw: pose, pupil and motion energy, with the times of the frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from fascicle.errors import FascicleError
from fascicle.formats.nwb.records import Value
from fascicle.nwb.parts.frames import schema_columns
from fascicle.nwb.parts.placing import files_of, fresh_name, names_at, put, safe_name, titled
from fascicle.nwb.writing.entries import Entry, Item

if TYPE_CHECKING:
    from fascicle.nwb.parts.timing import Clock
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import Source, SourceFile

MODULE = "processing/behavior"
#: Attribute with a pose to the name of its object in the file, and the software that made it.
POSES = {
    "lightningPose": ("LightningPose", "Lightning Pose"),
    "dlc": ("DeepLabCut", "DeepLabCut"),
}
_PUPIL = "pupilDiameter_"


# -- what there is ---------------------------------------------------------------------------------


def offer(source: Source, document: Mapping[str, Any]) -> list[Entry]:
    """Return an entry for each pose, pupil and motion energy that has times of its frames."""
    out: list[Entry] = []
    taken: set[str] = set()
    for file in source.files:
        if not file.object.endswith("Camera") or times_of(source, file) is None:
            continue
        for entry in _entries(source, file):
            if entry.nwb in taken and file.collection:
                entry.nwb += f"_{safe_name(file.collection.replace('/', '.'))}"
            entry.nwb = fresh_name(entry.nwb, taken)
            taken.add(entry.nwb)
            out.append(entry)
    return out


def times_of(source: Source, file: SourceFile) -> SourceFile | None:
    """Return the dataset with the times of a camera's frames, of the same collection if it can."""
    found = source.find(file.object, "times", extension="npy")
    found.sort(key=lambda one: (one.collection != file.collection, one.path))
    if not found or found[0].collection == file.collection:
        return found[0] if found else None
    # Pictures lie in a collection of their own, their times in alf; of two tasks each has its own.
    return found[0] if len(found) == 1 else None


def _entries(source: Source, file: SourceFile) -> Iterator[Entry]:
    camera, what = titled(file.object), file.attribute
    times = times_of(source, file)
    assert times is not None
    where = list(dict.fromkeys([file.collection, times.collection]))
    clock = Item("timestamps", times.key, unit="s", description="Time of each frame")
    if what in POSES and file.extension == "pqt":
        name, software = POSES[what]
        columns = schema_columns(source, file)
        said = f"Body parts in the picture of {file.object}, tracked by {software}"
        items = [
            Item(
                safe_name(part),
                ",".join(f"{file.key}:{column}" for column in found),
                unit="pixels",
                description=f"{part} in the picture of {file.object}, and how likely it is there",
            )
            for part, found in keypoints(columns).items()
        ] or [Item("*", file.key, unit="pixels", description=said)]
        yield Entry(
            f"{MODULE}/{camera}{name}", "PoseEstimation", "cameras", where, said,
            items=[*items, clock], settings={"software": software},
        )  # fmt: skip
    elif what == "features" and file.extension == "pqt":
        columns = schema_columns(source, file)
        items = [
            Item(
                _feature_name(column),
                f"{file.key}:{column}",
                unit="pixels" if column.startswith(_PUPIL) else "n.a.",
                description=_feature_about(column, file.object),
            )
            for column in columns
        ] or [Item("*", file.key, unit="pixels")]
        said = f"Diameter of the pupil in the picture of {file.object}"
        yield Entry(
            f"{MODULE}/{camera}PupilTracking", "PupilTracking", "cameras", where, said,
            items=[*items, clock],
        )  # fmt: skip
    elif what == "ROIMotionEnergy" and file.extension == "npy":
        said = f"Motion energy in a region of the picture of {file.object}, of each frame"
        items = [Item("data", file.key, unit="a.u.", description=said), clock]
        roi = f"{file.object.removesuffix('Camera')}ROIMotionEnergy"
        if source.find(roi, "position", collection=file.collection, extension="npy"):
            text = "Width, height, x and y of the region in pixels"
            items.append(Item("region", f"{roi}.position", unit="pixels", description=text))
        yield Entry(
            f"{MODULE}/{camera}MotionEnergy", "TimeSeries", "cameras", where, said, items=items
        )


def _feature_name(column: str) -> str:
    stem = safe_name(column)
    if column.startswith(_PUPIL):
        return "PupilDiameter" + titled(stem.removeprefix(_PUPIL))
    return stem


def _feature_about(column: str, camera: str) -> str:
    if column == f"{_PUPIL}raw":
        return f"Diameter of the pupil in the picture of {camera}, as it was measured"
    if column == f"{_PUPIL}smooth":
        return f"Diameter of the pupil in the picture of {camera}, smoothed"
    return f"{column} of the picture of {camera}"


def keypoints(columns: list[str]) -> dict[str, list[str]]:
    """Return the body parts of a pose to their columns: x, y and, where there is one, likelihood.

    Examples
    --------
    >>> keypoints(["paw_l_x", "paw_l_y", "paw_l_likelihood", "frame"])
    {'paw_l': ['paw_l_x', 'paw_l_y', 'paw_l_likelihood']}
    """
    there, out = set(columns), {}
    for column in columns:
        part = column.removesuffix("_x")
        if part != column and part and f"{part}_y" in there:
            wanted = [column, f"{part}_y", f"{part}_likelihood"]
            out[part] = [one for one in wanted if one in there]
    return out


# -- building --------------------------------------------------------------------------------------


def build(draft: Draft, entry: Entry) -> None:
    """Build one entry; what cannot have times is left to the part that carries what is left."""
    from fascicle.nwb.parts.pose import build_features, build_pose

    builders = {"PoseEstimation": build_pose, "PupilTracking": build_features}
    builder = builders.get(entry.type, _build_energy)
    clock = _clock(draft, entry)
    for item in entry.wanted:
        for file in files_of(draft.source, item.source, entry.collections):
            if item.name in ("timestamps", "region") or file.path in _done(draft):
                continue
            if clock is None:
                draft.warn("without times, since its camera has none that can be used", file)
                return
            try:
                builder(draft, entry, file, clock)
            except FascicleError as error:
                if isinstance(error, ValueError) and error.kind in ("conversion", "metadata"):
                    raise
                draft.skip(file, f"it cannot be read: {error}")
                draft.warn(f"left out: {error}", file)
            return


def _done(draft: Draft) -> set[str]:
    return draft.taken | draft.left_out.keys()


def _clock(draft: Draft, entry: Entry) -> Clock | None:
    """Return the times of the entry's frames, None if there are none that can be used."""
    from fascicle.nwb.parts.timing import clock_of

    for item in entry.wanted:
        if item.name == "timestamps":
            for file in files_of(draft.source, item.source, entry.collections):
                clock = clock_of(draft, file)
                return None if clock.problem else clock
    return None


def fits(draft: Draft, file: SourceFile, n: int, clock: Clock) -> bool:
    """Return whether ``n`` samples have times; say so where they have none, or are fewer."""
    if n > len(clock):
        draft.warn(f"without times: it has {n} samples, and its camera {len(clock)} times", file)
        return False
    if not n:
        draft.warn("without times: it has no samples", file)
        return False
    if n < len(clock):
        draft.warn(
            f"it has {n} samples, and its camera {len(clock)} times: the first {n} are taken for "
            "them",
            file,
        )
    return True


def _build_energy(draft: Draft, entry: Entry, file: SourceFile, clock: Clock) -> None:
    from pynwb import TimeSeries

    from fascicle.nwb.parts.other import why_no_series
    from fascicle.nwb.parts.timing import own, timing
    from fascicle.nwb.writing.draft import narrowed

    item = entry.item("data")
    if item is None:
        return
    values = draft.source.load(file, keep=False)
    if why := why_no_series(values):
        draft.warn(f"no time series: it holds {why}", file)
        return
    if not fits(draft, file, len(values), clock):
        return
    said = entry.description or item.description or file.key
    region = _region(draft, entry)
    if region is not None:
        width, height, x, y = (f"{n:g}" for n in region[1].tolist())
        said += f". The region is {width} x {height} pixels from x {x}, y {y}"
    series = TimeSeries(
        name=entry.name,
        data=draft.array(narrowed(values, item.dtype), what=file.key),
        unit=item.unit or "a.u.",
        description=said,
        **timing(draft, clock, len(values)),
    )
    put(draft, entry.nwb, series)
    own(draft, clock, series, entry.nwb, len(values))
    draft.took(file, Value("sample", entry.nwb, ("data",), dtype=values.dtype.str))
    if region is not None:
        holder, numbers = region
        draft.took(
            holder,
            Value(
                "literal",
                entry.nwb,
                dtype=numbers.dtype.str,
                shape=numbers.shape,
                options={"value": numbers.tolist()},
            ),
        )


def _region(draft: Draft, entry: Entry) -> tuple[SourceFile, Any] | None:
    """Return the region that motion energy is of, and its dataset; None if it is no region."""
    import numpy as np

    item = entry.item("region")
    files = files_of(draft.source, item.source, entry.collections) if item else []
    files = [file for file in files if file.path not in _done(draft)]
    if not files:
        return None
    try:
        values = draft.source.load(files[0])
    except FascicleError as error:
        draft.skip(files[0], f"it cannot be read: {error}")
        draft.warn(f"left out: {error}", files[0])
        return None
    if not isinstance(values, np.ndarray) or values.shape != (4,) or values.dtype.kind not in "fiu":
        draft.warn("no region: it does not hold width, height, x and y", files[0])
        return None
    return files[0], values


def free_here(draft: Draft, name: str) -> str:
    """Return a name in the module of the behavior that no object has."""
    return fresh_name(safe_name(name), names_at(draft, MODULE))
