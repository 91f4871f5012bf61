"""Videos of cameras, which stay files beside the NWB file and are named in it.

With ``videos="link"`` the file is named where it is, relative to the NWB file. With ``"copy"`` it
is copied into a folder beside the NWB file that is named like it, as DANDI wants them: a copy and
no hard link, so that nobody who edits it changes the archive. A video that is not on this machine
is fetched for a copy only: a link leaves it out, and says where it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fascicle.errors import ConversionError, FascicleError
from fascicle.formats.nwb.records import Value
from fascicle.nwb.parts.cameras import times_of
from fascicle.nwb.parts.films import frames_in
from fascicle.nwb.parts.loose import VIDEOS
from fascicle.nwb.parts.placing import files_of, fresh_name, is_here, labels, put, titled
from fascicle.nwb.writing.entries import Entry, Item

if TYPE_CHECKING:
    from fascicle.nwb.parts.timing import Clock
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import Source, SourceFile

_WAYS = ("link", "copy", "none")


def offer(source: Source, document: Mapping[str, Any]) -> list[Entry]:
    """Return an entry for each video of a camera that has times of its frames."""
    out: list[Entry] = []
    taken: set[str] = set()
    for file in source.files:
        if file.extension not in VIDEOS or not file.attribute:
            continue
        times = times_of(source, file)
        if times is None:
            continue
        said = f"Video of {file.object}, a file of its own"
        name = fresh_name(f"acquisition/{titled(file.object)}Video", taken)
        taken.add(name)
        out.append(
            Entry(
                name,
                "ImageSeries",
                "video",
                list(dict.fromkeys([file.collection, times.collection])),
                said,
                items=[
                    Item("external_file", labels(file)[2], description=said),
                    Item("timestamps", times.key, unit="s", description="Time of each frame"),
                ],
            )
        )
    return out


def build(draft: Draft, entry: Entry) -> None:
    """Build one entry: name the video, and copy it if that was asked for.

    Raises
    ------
    ConversionError
        If the way to treat videos is none that is known.
    """
    from fascicle.nwb.parts.timing import clock_of

    way = draft.options.videos
    if way not in _WAYS:
        raise ConversionError(
            f"videos={way!r} is no way to treat videos", hint=f"one of {', '.join(_WAYS)}"
        )
    item, clocked = entry.item("external_file"), entry.item("timestamps")
    files = [] if item is None else files_of(draft.source, item.source, entry.collections)
    times = [] if clocked is None else files_of(draft.source, clocked.source, entry.collections)
    for file in [f for f in files if f.extension in VIDEOS][:1]:
        if way == "none":
            draft.skip(file, "videos were not asked for")
        elif not times:
            draft.skip(file, "a video without times of its frames has no place in NWB")
        elif (clock := clock_of(draft, times[0])).problem:
            draft.skip(file, f"the times of its frames {clock.problem}")
        else:
            _name(draft, entry, file, clock)


def _name(draft: Draft, entry: Entry, file: SourceFile, clock: Clock) -> None:
    from pynwb.image import ImageSeries

    from fascicle.nwb.parts.devices import camera
    from fascicle.nwb.parts.timing import own, timing

    path = _path(draft, entry, file)
    if path is None:
        return
    n, frames = len(clock), frames_in(draft.source.place(file))
    if frames is not None and frames != n:
        draft.inform(f"it has {frames} frames, and its camera {n} times", file)
        n = min(n, frames)  # the first of them: a film may be cut short
    times = timing(draft, clock, n)
    if "rate" in times:
        times["num_samples"] = n
    series = ImageSeries(
        name=entry.name,
        description=entry.description or f"Video of {file.object}",
        unit="n.a.",
        format="external",
        external_file=[path],
        starting_frame=[0],
        device=camera(draft, file.object),
        **times,
    )
    put(draft, entry.nwb, series)
    own(draft, clock, series, entry.nwb, n, external=True)
    for pose in draft.shared.get(f"poses:{file.object}", ()):
        if pose.source_video is None:
            pose.source_video = series
    draft.took(file, Value("external", entry.nwb, options={"path": path}))


def _path(draft: Draft, entry: Entry, file: SourceFile) -> str | None:
    """Return where the NWB file finds the video, relative to itself; None if it does not."""
    target, way = draft.options.target, draft.options.videos
    if way == "link" and not is_here(draft.source, file):
        where = _address(draft, file)
        draft.skip(file, f"it is not on this machine{where}; videos='copy' fetches and copies it")
        return None
    try:
        place = Path(os.path.abspath(draft.source.place(file)))
    except FascicleError as error:
        draft.skip(file, f"it cannot be fetched: {error}")
        draft.warn(f"left out: {error}", file)
        return None
    if target is None:
        return place.as_posix()
    home = Path(os.path.realpath(target.parent))
    if way == "copy":
        name = f"{entry.name}_external_file_0{place.suffix}"
        draft.beside.append((place, f"{target.stem}/{name}"))
        return f"{target.stem}/{name}"
    try:
        return Path(os.path.relpath(place, home)).as_posix()
    except ValueError:  # another drive of Windows: there is no way from one to the other
        draft.warn("named by its whole path: it lies on another drive than the NWB file", file)
        return place.as_posix()


def _address(draft: Draft, file: SourceFile) -> str:
    """Return where an archive has a file, in brackets; empty if it does not say."""
    from fascicle.archives.base import DatasetRef

    session = draft.source.session
    try:
        url = session.archive.locate([DatasetRef(session.eid, file.path)])[0].url
    except FascicleError:
        return ""
    # What follows the question mark may be a key that is not for everybody.
    return f" ({url.partition('?')[0]})"
