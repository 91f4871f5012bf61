"""Write a session of ALF data as NWB with pynwb, in the layout of IBL's converter."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import numpy as np
import pynwb
from hdmf.common import VectorData
from pynwb.behavior import SpatialSeries
from pynwb.epoch import TimeIntervals
from pynwb.event import EventsTable, TimestampVectorData
from pynwb.file import Subject

from fascicle.archives.session import OpenSession
from fascicle.atlas import Regions
from fascicle.formats.nwb.mapping import mapping


def place(name: str) -> Any:
    """Return where a conversion writes a dataset."""
    return mapping().dataset(name).written


def column(name: str) -> str:
    return str(place(name).names[0])


def new_file(session: OpenSession, **about: Any) -> pynwb.NWBFile:
    when = datetime(session.date.year, session.date.month, session.date.day, 11, 30)
    given = {
        "session_description": "a session",
        "identifier": str(uuid4()),
        "session_id": str(session.eid),
        "session_start_time": when.replace(tzinfo=ZoneInfo("America/New_York")),
        "lab": session.lab,
        "protocol": "_iblrig_tasks_ephysChoiceWorld6.4.2",
        "subject": Subject(subject_id=session.subject, species="Mus musculus", sex="F", age="P90D"),
    }
    return pynwb.NWBFile(**{**given, **about})


def write_ibl(path: Path, session: OpenSession) -> Path:
    """Write what `fascicle.formats.nwb.alf` reads back, and more that it leaves alone."""
    file = new_file(session)
    first = 0
    for name in sorted(i.name for i in session.insertions):
        first = _add_probe(file, session, name, first)
    _add_trials(file, session)
    _add_behaviour(file, session)
    _add_passive(file, session)
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(file)
    return path


def _add_probe(file: pynwb.NWBFile, session: OpenSession, name: str, first: int) -> int:
    sorting = f"alf/{name}/pykilosort"
    device = file.create_device(
        name=f"Neuropixels{name.title()}", description="Neuropixels 1.0", serial_number="18005"
    )
    group = file.create_electrode_group(
        name=f"Neuropixels{name.title()}", description="", location="brain", device=device
    )
    channels = session.load("channels", collection=sorting)
    ml, ap, dv = np.asarray(channels.mlapdv, float).T
    acronyms = Regions().acronyms(np.abs(channels.brainLocationIds_ccf_2017))
    if not first:
        for extra in ("allen_id", "index_on_probe"):
            file.add_electrode_column(extra, extra)
    for row in range(len(ml)):
        file.add_electrode(
            group=group,
            location=str(acronyms[row]),
            rel_x=float(channels.localCoordinates[row, 0]),
            rel_y=float(channels.localCoordinates[row, 1]),
            x=5400 - ap[row],
            y=332 - dv[row],
            z=5739 + ml[row],
            allen_id=int(abs(channels.brainLocationIds_ccf_2017[row])),
            index_on_probe=int(channels.rawInd[row]),
        )
    _add_units(file, session, sorting, group, first)
    return first + len(ml)


def _add_units(
    file: pynwb.NWBFile, session: OpenSession, sorting: str, group: Any, first: int
) -> None:
    spikes = session.load("spikes", collection=sorting)
    clusters = session.load("clusters", collection=sorting)
    metrics = clusters.metrics.set_index("cluster_id")
    amps, depths = place("spikes.amps"), place("spikes.depths")
    numbers = {
        names[0]: (column, names[0], places[0])
        for column, places in mapping().metrics.items()
        if column in metrics and (names := places[0].names)
    }
    of_unit = {
        column("clusters.depths"): clusters.depths,
        column("clusters.peakToTrough"): clusters.peakToTrough,
        column("clusters.uuids"): np.asarray(clusters.uuids, dtype=object),
        column("clusters.channels"): clusters.channels + first,
    }
    if file.units is None:
        for name in (*of_unit, *numbers):
            file.add_unit_column(name, name)
        for one in (amps, depths):
            file.add_unit_column(one.names[0], one.names[0], index=True)
    for unit in range(len(clusters.channels)):
        mine = spikes.clusters == unit
        file.add_unit(
            spike_times=spikes.times[mine],
            electrodes=[int(clusters.channels[unit]) + first],
            electrode_group=group,
            **{name: values[unit] for name, values in of_unit.items()},
            **{
                name: one.to_nwb(metrics[column].get(unit, np.nan))
                for name, (column, _, one) in numbers.items()
            },
            **{
                amps.names[0]: amps.to_nwb(spikes.amps[mine]),
                depths.names[0]: depths.to_nwb(spikes.depths[mine]),
            },
        )


def intervals(name: str, columns: dict[str, Any]) -> TimeIntervals:
    data = [VectorData(name=n, description=n, data=v) for n, v in columns.items()]
    return TimeIntervals(name=name, description=name, columns=data)


def _add_trials(file: pynwb.NWBFile, session: OpenSession) -> None:
    trials = session.load("trials", collection="alf")
    left, right = trials.contrastLeft, trials.contrastRight
    contrast = place("trials.contrastLeft")
    choice = mapping().dataset("trials.choice").spelled()
    columns = {
        "start_time": trials.intervals[:, 0],
        "stop_time": trials.intervals[:, 1],
        contrast.names[0]: contrast.to_nwb(np.where(np.isnan(left), right, left)),
        contrast.names[1]: np.where(np.isnan(left), "right", "left").astype(object),
        column("trials.choice"): np.array([choice[c] for c in trials.choice], dtype=object),
        column("trials.feedbackType"): trials.feedbackType > 0,
    }
    for one in mapping().objects["trials"].datasets:
        if not one.rule and not one.words and one.attribute in trials:
            columns[one.written.names[0]] = one.written.to_nwb(trials[one.attribute])
    columns["go_cue_trigger_time"] = trials.goCueTrigger_times
    file.add_time_intervals(intervals("trials", columns))


def _add_behaviour(file: pynwb.NWBFile, session: OpenSession) -> None:
    wheel = session.load("wheel", collection="alf")
    module = file.create_processing_module("wheel", "wheel")
    module.add(
        SpatialSeries(
            name="WheelPosition",
            data=wheel.position,
            timestamps=wheel.timestamps,
            unit="radians",
            reference_frame="0 at the start",
        )
    )
    module.add(
        SpatialSeries(
            name="WheelPositionSmoothed",
            data=np.zeros(10),
            rate=1000.0,
            unit="radians",
            reference_frame="0 at the start",
        )
    )
    moves = session.load("wheelMoves", collection="alf")
    module.add(
        intervals(
            "WheelMovement",
            {
                "start_time": moves.intervals[:, 0],
                "stop_time": moves.intervals[:, 1],
                column("wheelMoves.peakAmplitude"): moves.peakAmplitude,
            },
        )
    )
    times = session.load("licks", collection="alf").times
    events = EventsTable(
        name="LickTimes",
        description="licks",
        columns=[TimestampVectorData(name="timestamp", description="time", data=times)],
    )
    file.add_events_table(events)


def _add_passive(file: pynwb.NWBFile, session: OpenSession) -> None:
    module = file.create_processing_module("passive_protocol", "passive")
    table = session.read("passivePeriods.intervalsTable", collection="alf")
    names = [n for n in table.columns if not n.startswith("Unnamed")]
    module.add(
        intervals(
            "passive_intervals",
            {
                "start_time": np.array([table[n][0] for n in names]),
                "stop_time": np.array([table[n][1] for n in names]),
                "protocol_name": np.array(names, dtype=object),
            },
        )
    )
    sounds = session.read("passiveStims.table", collection="alf")
    rows = [
        (on, off, kind)
        for kind in ("valve", "tone", "noise")
        for on, off in zip(sounds[f"{kind}On"], sounds[f"{kind}Off"], strict=True)
    ]
    rows.sort()
    module.add(
        intervals(
            "passive_task_replay",
            {
                "start_time": np.array([r[0] for r in rows]),
                "stop_time": np.array([r[1] for r in rows]),
                "stim_type": np.array([r[2] for r in rows], dtype=object),
            },
        )
    )
    gabor = session.read("passiveGabor.table", collection="alf")
    gabor = gabor.rename(columns={"start": "start_time", "stop": "stop_time"})
    module.add(intervals("gabor_table", {n: gabor[n].to_numpy() for n in gabor.columns}))
