"""The parts of a conversion: each offers entries for what a session has, and builds them.

A part is a module with two functions::

    def offer(source: Source, document: Mapping[str, Any]) -> list[Entry]
    def build(draft: Draft, entry: Entry) -> None

`offer` looks at the names of the datasets, and as little as possible at their values (``document``
has the sections ``session``, ``subject`` and ``probes``); what it returns stands in the metadata
document, where users edit it. `build` makes the NWB object of one entry, says with ``draft.took``
where each dataset went, and with ``draft.fill`` what fills the large arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fascicle.nwb.writing.entries import Entry
    from fascicle.nwb.writing.source import Source

#: NWB types that each part builds; which one is in the document, and few can be changed there.
#: In the order in which they offer and build: what others refer to comes first, and what takes
#: whatever nobody took comes last.
TYPES = {
    # devices, groups, electrodes, trajectories, places in the brain
    "probes": ("ElectrodeGroup", "ElectrodesTable", "DynamicTable", "Localization", "ScratchData"),
    "units": ("Units", "DynamicTable"),
    "trials": ("TimeIntervals", "DynamicTable"),
    # position, movements, kinematics
    "wheel": ("SpatialSeries", "TimeSeries", "TimeIntervals", "DynamicTable"),
    # licks
    "events": ("EventsTable",),
    # times, pose, pupil, motion energy
    "cameras": ("PoseEstimation", "PupilTracking", "TimeSeries"),
    # passive protocol, epochs
    "passive": ("TimeIntervals", "DynamicTable", "TimeSeries"),
    # spectrogram
    "audio": ("DecompositionSeries",),
    # external files
    "video": ("ImageSeries",),
    # AP, LF and nidq recordings, digital lines of the nidq
    "raw": ("ElectricalSeries", "TimeSeries", "EventsTable", "DynamicTable"),
    # any other object, under its own name
    "other": (
        *("TimeSeries", "SpatialSeries", "TimeIntervals", "EventsTable", "DynamicTable"),
        "ScratchData",
    ),
}
PARTS = tuple(TYPES)


def part(name: str) -> ModuleType:
    """Return the module of a part."""
    return import_module(f"{__name__}.{name}")


def offer_all(source: Source, document: Mapping[str, Any]) -> list[Entry]:
    """Return the entries for all that a session has.

    Each part sees what those before it offer, as ``document["objects"]``: the last takes the rest.
    """
    entries: list[Entry] = []
    for name in PARTS:
        offered = part(name).offer(source, {**document, "objects": list(entries)})
        for entry in offered:
            _tell_apart(entry)
        entries += offered
    return entries


def _tell_apart(entry: Entry) -> None:
    """Give each item a name of its own: a table of ALF may have columns that NWB's has, too."""
    names: set[str] = set()
    for item in entry.items:
        if item.name in names:
            holder = item.source.partition(":")[0].rpartition(".")[2]
            stem = name = f"{item.name}_of_{holder or 'another'}"
            k = 2
            while name in names:
                name, k = f"{stem}_{k}", k + 1
            item.name = name
        names.add(item.name)
