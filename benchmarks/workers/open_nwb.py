"""Open an NWB file in one of several ways: ``open_nwb.py JSON``.

The task has ``way`` (fascicle, any, h5py, pynwb, allen), ``do`` and ``path``. Imports are done
before the time runs. ``tables``: open, then units, presentations and trials as DataFrames; then the
spikes of single units. ``all``: open, then all spikes by unit. ``remote``: open an address, then
units and the spikes of one.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter

RAGGED = {"spike_times", "spike_amplitudes", "waveform_mean"}
REFERENCES = {"tags", "timeseries"}


class Fascicle:
    """A session of Visual Behavior Neuropixels."""

    def __init__(self) -> None:
        import pandas  # noqa: F401

        from fascicle.allen import BehaviorEcephysSession

        self.session_class = BehaviorEcephysSession

    def open(self, path):
        self.session = self.session_class.from_nwb_path(path)

    def tables(self):
        session = self.session
        return len(session.get_units()), len(session.stimulus_presentations), len(session.trials)

    def units(self):
        return list(self.session.spike_times)

    def spikes(self, unit):
        return self.session.spike_times[unit]

    def all(self):
        return dict(self.session.spike_times)


class Any(Fascicle):
    """Any NWB file."""

    def __init__(self) -> None:
        import pandas  # noqa: F401

        import fascicle.nwb

        self.read = fascicle.nwb.read

    def open(self, path):
        self.session = self.read(path)

    def tables(self):
        session = self.session
        shown = sum(len(t) for n, t in session.intervals.items() if n.endswith("_presentations"))
        return len(session.units), shown, len(session.trials)

    def traffic(self):
        found = self.session.traffic
        return {"requests": found.requests, "bytes": found.bytes_read}


class H5py:
    """By h5py, with the places of everything known."""

    def __init__(self) -> None:
        import h5py
        import numpy
        import pandas

        self.h5py, self.np, self.pd = h5py, numpy, pandas

    def open(self, path):
        self.file = self.h5py.File(path, "r")

    def frame(self, group, leave=()):
        columns = {}
        for name in group.attrs["colnames"]:
            if name not in leave and f"{name}_index" not in group:
                column = group[name]
                text = column.dtype.kind == "O"
                columns[name] = column.asstr()[:] if text else column[:]
        return self.pd.DataFrame(columns, index=group["id"][:])

    def tables(self):
        intervals = self.file["intervals"]
        shown = [self.frame(intervals[n], REFERENCES) for n in intervals if n != "trials"]
        units, trials = self.frame(self.file["units"]), self.frame(intervals["trials"], REFERENCES)
        return len(units), len(self.pd.concat(shown)), len(trials)

    def units(self):
        self.ids = self.file["units/id"][:]
        self.ends = self.file["units/spike_times_index"][:].astype("int64")
        self.rows = {unit: row for row, unit in enumerate(self.ids)}
        self.times = self.file["units/spike_times"]
        return list(self.ids)

    def spikes(self, unit):
        row = self.rows[unit]
        return self.times[self.ends[row - 1] if row else 0 : self.ends[row]]

    def all(self):
        units = self.units()
        return dict(zip(units, self.np.split(self.times[:], self.ends[:-1]), strict=True))


class Pynwb:
    """By pynwb, columns of spikes and references left out."""

    def __init__(self) -> None:
        import pandas
        import pynwb

        self.pynwb, self.pd = pynwb, pandas

    def open(self, path):
        if "://" in path:
            import fsspec

            stream = fsspec.open(path, "rb", block_size=1 << 20, cache_type="blockcache").open()
            import h5py

            self.file = self.pynwb.NWBHDF5IO(file=h5py.File(stream), load_namespaces=True).read()
        else:
            self.file = self.pynwb.NWBHDF5IO(path, "r", load_namespaces=True).read()

    def tables(self):
        leave = {n for n in self.file.units.colnames if n in RAGGED}
        units = self.file.units.to_dataframe(exclude=leave)
        shown = [
            table.to_dataframe(exclude=REFERENCES)
            for name, table in (self.file.intervals or {}).items()
            if name.endswith("_presentations")
        ]
        trials = self.file.trials.to_dataframe()
        return len(units), len(self.pd.concat(shown)) if shown else 0, len(trials)

    def units(self):
        self.rows = {unit: row for row, unit in enumerate(self.file.units.id[:])}
        return list(self.rows)

    def spikes(self, unit):
        return self.file.units["spike_times"][self.rows[unit]]

    def all(self):
        times = self.file.units["spike_times"][:]
        return dict(zip(self.units(), times, strict=True))


class Allen:
    """By AllenSDK, which reads everything when it opens."""

    def __init__(self) -> None:
        import pandas  # noqa: F401
        from allensdk.brain_observatory.ecephys.behavior_ecephys_session import (
            BehaviorEcephysSession,
        )

        self.session_class = BehaviorEcephysSession

    open, tables = Fascicle.open, Fascicle.tables
    units, spikes = Fascicle.units, Fascicle.spikes

    def all(self):
        return self.session.spike_times


WAYS = {"fascicle": Fascicle, "any": Any, "h5py": H5py, "pynwb": Pynwb, "allen": Allen}


def main(task: dict) -> None:
    from peak import forget, peak

    way = WAYS[task["way"]]()
    said: dict = {"imported": peak()}
    forget()
    start = perf_counter()
    way.open(task["path"])
    said["open"] = perf_counter() - start
    if task["do"] == "tables":
        said["rows"] = way.tables()
        said["tables"], said["memory"] = perf_counter() - start, peak()
        units = way.units()
        chosen = units[:: max(1, len(units) // 100)]
        count = len(way.spikes(units[-1]))  # what the first one costs more is left out for all
        times = []
        for unit in chosen:
            begun = perf_counter()
            count += len(way.spikes(unit))
            times.append(perf_counter() - begun)
        said["unit"], said["spikes"] = sorted(times)[len(times) // 2], count
    elif task["do"] == "all":
        found = way.all()
        said["all"], said["memory"] = perf_counter() - start, peak()
        said["spikes"] = int(sum(len(v) for v in found.values()))
    else:
        if task["way"] == "pynwb":
            way.units()
            way.file.units.to_dataframe(exclude=RAGGED & set(way.file.units.colnames))
        else:
            len(way.session.units)
        said["spikes"] = len(way.spikes(task["unit"]))
        said["seconds"] = perf_counter() - start
        said |= way.traffic() if hasattr(way, "traffic") else {}
    print(json.dumps({"event": "answer", **said}), flush=True)


main(json.loads(sys.argv[1]))
