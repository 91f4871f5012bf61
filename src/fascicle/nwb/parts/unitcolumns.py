"""What is known of each unit: one value, or one array, a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fascicle.formats.nwb.mapping import column_of, mapping
from fascicle.formats.nwb.records import Value, without
from fascicle.nwb.parts import waveforms
from fascicle.nwb.parts.electrodes import OFF, Sites, loaded, sites_of
from fascicle.nwb.parts.metrics import IDS, UUIDS, Cell, as_series, cell, keep_file
from fascicle.nwb.parts.sortings import files_of
from fascicle.nwb.parts.spiketimes import id_column, with_index

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.nwb.parts.probewise import Columns
    from fascicle.nwb.parts.unittable import Units
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.entries import Entry, Item
    from fascicle.nwb.writing.source import SourceFile

AT = "units"
#: Where the clusters of a session are without its spikes: a table of units has to have trains.
ALONE = "processing/ecephys/clusters"


class UnitFilling:
    """The columns of the units of all probes in the making.

    Parameters
    ----------
    draft : Draft
    entry : Entry
    table : Columns
        Knows the rows of each probe.
    units : sequence of Units
        One for each probe.
    at : str
        Where the table is going to be: `AT` or `ALONE`.

    Attributes
    ----------
    wave_samples : int
        Samples of the mean waveforms; 0 where there are none.
    peak : float or None
        The sample at which they are largest.
    """

    def __init__(
        self, draft: Draft, entry: Entry, table: Columns, units: Sequence[Units], *, at: str = AT
    ) -> None:
        self.draft, self.entry, self.table, self.units, self.at = draft, entry, table, units, at
        self.items = {item.name: item for item in entry.wanted}
        self.sources: dict[str, Item] = {}
        for item in entry.wanted:
            self.sources.setdefault(item.source, item)
        self.wave_samples = 0
        self.peak: float | None = None
        self._near: dict[str, list[NDArray[np.int64]]] = {}
        self._spans: dict[str, tuple[float, float]] = {}
        self._waves: dict[str, NDArray[Any]] = {}
        self._given: list[tuple[Units, SourceFile, Value]] = []

    # -- one probe -----------------------------------------------------------------------------

    def fill(self, units: Units, span: tuple[float, float]) -> None:
        """Add what is known of the units of a probe.

        Parameters
        ----------
        units : Units
        span : tuple of float
            First and last time at which the probe recorded, in s.
        """
        import numpy as np

        self._spans[units.probe.label] = span
        if IDS in self.items or not np.array_equal(units.ids, np.arange(len(units.ids))):
            about = "Id of the unit in spikes.clusters of its probe"
            self.table.add(id_column(self.entry), units.probe.label, units.ids, about)
        sites = sites_of(self.draft, units.probe)
        self._channels(units, sites)
        for attribute, (file, values) in units.arrays.items():
            if attribute not in ("channels", "waveforms"):
                self._array(units, f"clusters.{attribute}", file, values)
        self._waveforms(units)
        if units.metrics is not None:
            self._metrics(units)

    def _array(self, units: Units, key: str, file: SourceFile, values: Any) -> None:
        """Add an array of ``clusters`` as a column, and say how it is given back."""
        item = self.sources.get(key)
        if item is None:
            self.draft.skip(file, OFF)
            return
        dataset = next((d for d in mapping().objects["clusters"].datasets if _key(d) == key), None)
        place = dataset.written if dataset is not None else None
        factor = 1.0
        if dataset is not None and place is not None and item.unit != dataset.unit:
            factor = place.factor
        wanted = item.name
        if values.dtype.kind not in "fiu" and factor != 1.0:  # texts have no unit
            wanted, factor = f"clusters_{column_of(key.partition('.')[2])}", 1.0
        name = self._add(units, wanted, values, _described(item), item.dtype, factor)
        held = self.draft.source.load(file)
        if not hasattr(held, "to_frame"):
            self._took(units, file, self._value(units, name, values, factor=factor))
            return
        value = as_series(held, self._value(units, name, values, factor=factor))
        if value is None:
            keep_file(self.draft, file, units.probe.label)
        else:
            self._took(units, file, value)

    def _took(self, units: Units, file: SourceFile, value: Value) -> None:
        """Say how a dataset is given back, of the table where it is."""
        self.draft.took(file, value if self.at == AT else self._elsewhere(units, value))

    def _elsewhere(self, units: Units, value: Value) -> Value:
        """Return how a table that is none of units gives values back: by the numbers of rows."""
        columns = None
        if value.columns is not None:
            columns = {n: self._elsewhere(units, one) for n, one in value.columns.items()}
        if value.of not in ("unit", "frame"):
            return value
        of, options = "frame", value.options
        if value.of == "unit":
            first, last = options.get("rows", [0, len(units.ids)])
            of, options = "row", {**options, "rows": [units.start + first, units.start + last]}
        return replace(value, of=of, at=self.at, probe="", columns=columns, options=options)

    def _add(
        self,
        units: Units,
        name: str,
        values: Any,
        about: str,
        dtype: str = "",
        factor: float = 1.0,
    ) -> str:
        """Add the values of the rows of ``clusters``; those after them have none."""
        import numpy as np

        label = units.probe.label
        if values.dtype.kind in "UT":
            values = values.astype(object)
        if factor != 1.0:
            values = values * (1.0 / factor)
        missing = len(units.ids) - len(values)
        if missing:
            values = _longer(values, missing)
        if values.dtype.kind == "f" and values.dtype.itemsize < 4:
            values = values.astype(np.float32)
        held = self.table.of(name, label)
        if held is not None and held.shape == values.shape and bool(np.all(held == values)):
            return name
        return self.table.add(free_name(name), label, values, about, dtype=dtype)

    def _value(self, units: Units, name: str, values: Any, *, factor: float = 1.0) -> Value:
        """Return how a dataset with one row for each row of ``clusters`` is given back."""
        label = units.probe.label
        more = len(units.ids) > len(values)
        options = {"rows": [0, len(values)]} if more else {}
        dtype = values.dtype.str
        return Value("unit", AT, (name,), probe=label, factor=factor, dtype=dtype, options=options)

    # -- channels ------------------------------------------------------------------------------

    def _channels(self, units: Units, sites: Sites) -> None:
        """Add the largest channel of each unit as a row of the electrodes, and those near it."""
        import numpy as np

        label = units.probe.label
        rows = self.draft.electrodes.get(label)
        held = units.arrays.get("channels")
        near: list[NDArray[np.int64]] | None = None
        if held is not None:
            file, values = held
            item = self.sources.get("clusters.channels")
            numbers = self._numbers(values, sites.n if rows is not None else 0)
            if item is None or item.name == "electrodes":
                self.draft.skip(file, OFF)
            elif numbers is None or rows is None:
                if rows is not None:
                    self.draft.warn("its values are no channels of the probe", file)
                name = self._add(units, "channels", values, "Channel of the probe where the unit "
                                 "is largest, as clusters.channels has it")  # fmt: skip
                self._took(units, file, self._value(units, name, values))
            else:
                at = np.where(numbers >= 0, numbers + rows.start, -1)
                at = np.concatenate([at, np.full(len(units.ids) - len(at), -1, at.dtype)])
                name = self.table.add(item.name, label, at, _described(item), index=True)
                exact = values.dtype.kind in "iu" and np.array_equal(numbers, values)
                value = self._value(units, name, values)
                if exact and name == item.name and self.at == AT:
                    options = {**value.options, "as": "electrode row"}
                    value = replace(value, rule="channel_of_unit", options=options)
                else:
                    name = self._add(units, "channels", values, "Values of clusters.channels")
                    value = self._value(units, name, values)
                self._took(units, file, value)
            if numbers is not None and rows is not None:
                near = waveforms.neighbours(sites.local, numbers)
        listed = units.arrays.get("waveformsChannels")
        if listed is not None and rows is not None and not self._templates(units):
            given = listed[1]
            of_waves = None
            if given.ndim == 2 and given.dtype.kind in "iuf":
                of_waves = waveforms.listed(given, sites.n)
            if of_waves is not None:
                near = of_waves
        if near is not None and rows is not None:
            none = [np.zeros(0, np.int64)] * (len(units.ids) - len(near))
            self._near[label] = [one + rows.start for one in near] + none

    @staticmethod
    def _numbers(values: Any, n: int) -> NDArray[np.int64] | None:
        """Return numbers of channels, -1 for those that the probe does not have; None if none."""
        import numpy as np

        if values.ndim != 1 or values.dtype.kind not in "iuf" or not n:
            return None
        given = np.where(np.isfinite(values), values, -1)
        whole = given.astype(np.int64)
        if not np.array_equal(whole, given):
            return None
        return np.where((whole >= 0) & (whole < n), whole, -1)

    # -- waveforms -----------------------------------------------------------------------------

    def _templates(self, units: Units) -> SourceFile | None:
        return files_of(self.draft.source, units.probe.sorting, "waveforms").get("templates")

    def _waveforms(self, units: Units) -> None:
        """Add the mean waveforms: of the extracted ones if they are there, else the sorter's."""
        held = units.arrays.get("waveforms")
        file = self._templates(units)
        item = self.items.get("waveform_mean")
        if file is not None:
            if item is None:
                self.draft.skip(file, OFF)
            elif (values := loaded(self.draft, file)) is not None:
                n = units.n_clusters or len(units.ids)
                if values.ndim == 3 and len(values) == n and values.dtype.kind in "iuf":
                    self._wave(units, item, file, values, channels_first=True)
                else:
                    self.draft.warn(
                        f"it has the shape {values.shape} for {n} units: no column of these", file
                    )
        if held is None:
            return
        file, values = held
        if values.ndim != 3 or values.dtype.kind not in "iuf":
            self._array(units, "clusters.waveforms", file, values)
        elif units.probe.label in self._waves or item is None:
            other = self.items.get("cluster_waveforms")
            if other is None:
                self.draft.skip(file, OFF)
                return
            name = self._add(units, other.name, values, _described(other), other.dtype)
            self._took(units, file, self._value(units, name, values))
        else:
            self._wave(units, item, file, values, channels_first=False)

    def _wave(
        self, units: Units, item: Item, file: SourceFile, values: Any, *, channels_first: bool
    ) -> None:
        label = units.probe.label
        made = waveforms.mean_waveforms(values, channels_first=channels_first)
        options: dict[str, Any] = {}
        if len(units.ids) > len(values):
            options["rows"] = [0, len(values)]
            made = _longer(made, len(units.ids) - len(values))
        if channels_first:
            options["axes"] = [0, 2, 1]
        name = item.name
        if self._waves and made.shape[1] != self.wave_samples:
            name = self.table.add(f"{name}_{label}", label, made, _described(item))
        else:
            self._waves[label] = made
            self.wave_samples = made.shape[1]
            if self.peak is None:
                self.peak = waveforms.peak_sample(made)
        value = Value("unit", AT, (name,), probe=label, dtype=values.dtype.str, options=options)
        self._given.append((units, file, value))

    # -- tables --------------------------------------------------------------------------------

    def _metrics(self, units: Units) -> None:
        """Add the columns of the quality metrics, joined by the ids of the units."""
        import numpy as np

        assert units.metrics is not None
        file, table = units.metrics
        at = table.rows(units.ids)
        columns: dict[str, Value] = {}
        exact = table.is_plain
        written = False
        sources = {item.source for item in self.entry.items if not item.on}
        silenced = {one.removeprefix("clusters.metrics:") for one in sources}
        off: list[str] = []
        for name in table.frame.columns:
            found = None
            if name != IDS:
                if str(name) in silenced and self._asked(str(name)) is None:
                    off.append(str(name))
                    continue
                found = self._metric(units, str(name), table.frame[name], at)
                written = written or found is not None
            elif self.table.of(id_column(self.entry), units.probe.label) is not None:
                dtype = str(table.frame[name].dtype)
                found = Value("unit", AT, (id_column(self.entry),), dtype=dtype)
            if found is None:
                exact = False
            else:
                columns[str(name)] = replace(found, probe=units.probe.label)
        n = len(table.frame)
        in_order = np.array_equal(at[:n], np.arange(n)) and bool((at[n:] < 0).all())
        if not written:
            self.draft.skip(file, OFF)
        elif exact and in_order:
            if n < len(units.ids):
                columns = {
                    name: replace(value, options={**value.options, "rows": [0, n]})
                    for name, value in columns.items()
                }
            value = Value("frame", AT, probe=units.probe.label, columns=columns)
            self._took(units, file, without(value, off))
        elif off:  # its bytes would hold what is switched off
            self.draft.skip(
                file,
                f"{', '.join(off)} are switched off in the metadata, and what the units have of "
                "the others does not give them back exactly",
            )
        else:
            keep_file(self.draft, file, units.probe.label)

    def _asked(self, name: str) -> Item | None:
        """Return what asks for a column of the metrics; None where nobody does."""
        item = self.sources.get(f"clusters.metrics:{name}")
        if item is None and name in UUIDS:
            return self.items.get("cluster_uuid")
        return item

    def _metric(self, units: Units, name: str, column: Any, at: Any) -> Value | None:
        """Add one column of the metrics; None where it does not give back what it was."""
        import numpy as np

        item = self._asked(name)
        made: Cell | None = cell(column, at) if getattr(column, "ndim", 1) == 1 else None
        if item is None or made is None:
            if item is not None:
                self.draft.warn(
                    f"its column {name} is none of numbers or texts: it is no column of the units",
                    units.metrics[0] if units.metrics else "",
                )
            return None
        places = mapping().metrics.get(name, ())
        place = next((p for p in places if not p.layout), None)
        factor = place.factor if place is not None and item.unit == place.unit else 1.0
        values = made.values
        if factor != 1.0:
            values = values * (1.0 / factor)
        label = units.probe.label
        held = self.table.of(item.name, label)
        if held is not None and held.shape == values.shape and bool(np.all(held == values)):
            written = item.name
        else:
            wanted = item.name if held is None else f"metrics_{column_of(name)}"
            written = self.table.add(
                free_name(wanted), label, values, _described(item), dtype=item.dtype
            )
        if made.value is None:
            return None
        return replace(made.value, names=(written,), factor=factor)

    # -- all of it -----------------------------------------------------------------------------

    def columns(self) -> list[Any]:
        """Return the columns of all probes, as pynwb has them."""
        import numpy as np
        from hdmf.common import VectorData

        n = sum(len(one.ids) for one in self.units)
        self._finish_waves()
        out = [
            VectorData(
                name=column.name,
                description=column.description,
                data=values if isinstance(values, list) else self.draft.array(values, what="units"),
            )
            for column, values in self.table.made()
        ]
        labels = [one.probe.label for one in self.units for _ in one.ids]
        out.append(
            VectorData(name="probe_name", description="Label of the probe in ALF", data=labels)
        )
        if "electrode_group" in self.items:
            groups = [self.draft.groups[label] for label in labels]
            about = "Group of electrodes: the probe"
            out.append(VectorData(name="electrode_group", description=about, data=groups))
        if "obs_intervals" in self.items and self.at == AT:
            spans = np.array([self._spans[label] for label in labels], np.float64).reshape(n, 2)
            about = _described(self.items["obs_intervals"])
            out += with_index("obs_intervals", about, spans, np.arange(1, n + 1))
        if "electrodes" in self.items and self._any_near and self.draft.nwb.electrodes is not None:
            out += self._electrodes()
        return out

    @property
    def _any_near(self) -> bool:
        return any(len(one) for lists in self._near.values() for one in lists)

    def _electrodes(self) -> list[Any]:
        """Return the electrodes of each unit as a ragged reference to their table."""
        import numpy as np
        from hdmf.backends.hdf5 import H5DataIO
        from hdmf.common import DynamicTableRegion, VectorIndex

        lists: list[NDArray[np.int64]] = []
        for one in self.units:
            mine = self._near.get(one.probe.label)
            lists += mine if mine is not None else [np.zeros(0, np.int64)] * len(one.ids)
        ends = np.cumsum([len(one) for one in lists])
        rows = np.concatenate(lists)
        region = DynamicTableRegion(
            name="electrodes",
            description=_described(self.items["electrodes"]),
            # Not later: hdmf looks whether the rows are there.
            data=H5DataIO(rows, compression="gzip", shuffle=True) if len(rows) else rows,
            table=self.draft.nwb.electrodes,
        )
        least = np.min_scalar_type(int(ends[-1]))
        index = VectorIndex(name="electrodes_index", data=ends.astype(least), target=region)
        return [region, index]

    def _finish_waves(self) -> None:
        """Add the mean waveforms, those of fewer channels filled up with NaN."""
        if not self._waves:
            return
        item = self.items["waveform_mean"]
        widest = max(made.shape[2] for made in self._waves.values())
        for label, made in self._waves.items():
            self.table.add(
                item.name, label, waveforms.padded(made, widest), _described(item), dtype=item.dtype
            )
        for units, file, value in self._given:
            label = units.probe.label
            if label in self._waves and value.names == (item.name,):
                n = self._waves[label].shape[2]
                if n < widest:
                    options = {**value.options, "column": list(range(n))}
                    value = replace(value, options=options)
            self._took(units, file, value)
        self._waves.clear()


def _key(dataset: Any) -> str:
    return f"{dataset.object}.{dataset.attribute}"


def _longer(values: Any, missing: int) -> Any:
    """Return values with as many more rows that say that nothing is known."""
    import numpy as np

    shape = (missing, *values.shape[1:])
    if values.dtype.kind == "f":
        return np.concatenate([values, np.full(shape, np.nan, values.dtype)])
    if values.dtype == object:
        return np.concatenate([values, np.full(shape, "", object)])
    return np.concatenate([values, np.zeros(shape, values.dtype)])


def free_name(name: str) -> str:
    """Return a name of a column that is none of NWB's own, nor of the table's."""
    from pynwb.misc import Units as UnitTable

    own = {one["name"] for one in UnitTable.__columns__} - {"waveform_mean"}
    taken = name in own or name == "probe_name" or hasattr(UnitTable, name)
    return f"cluster_{name}" if taken else name


def _described(item: Item) -> str:
    """Return the description of a column, the unit with it."""
    about = item.description or item.source or item.name
    return f"{about} ({item.unit})" if item.unit and f"({item.unit})" not in about else about
