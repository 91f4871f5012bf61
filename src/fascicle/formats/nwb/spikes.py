"""The spikes of an NWB file by probe and unit, and in the order that ALF has them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from fascicle.errors import ALFObjectNotFound, BadFileError, nearest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.formats.nwb import NwbFile
    from fascicle.formats.nwb.alf import Offer
    from fascicle.formats.nwb.probes import Probe

UNITS = "units"
#: Where a file of ours says which spikes of a probe do not stand in the canonical order.
ORDER = "processing/ecephys/spike_order_{}"


class Spikes:
    """The spikes of a file: what `AlfView` has of them.

    In the canonical order the spikes of a probe are sorted by time, of equal times by the row of
    their unit, and of one unit as they stand in the file.
    """

    file: NwbFile
    _order: tuple[str, NDArray[np.intp] | None, NDArray[Any]] | None

    if TYPE_CHECKING:  # what AlfView is beside

        @cached_property
        def probes(self) -> tuple[Probe, ...]:
            """See `AlfView`."""
            ...

        @cached_property
        def offers(self) -> dict[str, Offer]:
            """See `AlfView`."""
            ...

        def has(self, path: str) -> bool:
            """See `AlfView`."""
            ...

        def read(self, path: str) -> Any:
            """See `AlfView`."""
            ...

        def rows(self, table: str) -> int:
            """See `AlfView`."""
            ...

        def ragged_columns(self, table: str) -> list[str]:
            """See `AlfView`."""
            ...

    def ends(self, column: str) -> NDArray[np.int64]:
        """Return where each unit's values of a ragged column end.

        Raises
        ------
        BadFileError
            If the index of the column does not fit it.
        """
        import numpy as np

        def make() -> NDArray[np.int64]:
            index = f"{UNITS}/{column}_index"
            ends = np.asarray(self.file.array(index)).astype(np.int64)
            total = self.file.facts(f"{UNITS}/{column}").shape[0]
            falls = bool(np.any(ends[1:] < ends[:-1])) or (len(ends) > 0 and ends[0] < 0)
            if len(ends) != self.rows(UNITS) or falls or (len(ends) > 0 and ends[-1] > total):
                raise BadFileError(
                    f"{self.file.name}: /{index} does not fit /{UNITS}/{column}",
                    hint="the file may be damaged: get it again",
                )
            return ends

        found: NDArray[np.int64] = self.file.keep(f"alf:ends:{column}", make)
        return found

    def counts(self, probe: Probe) -> NDArray[np.int64]:
        """Return the number of spikes of each unit of a probe."""
        import numpy as np

        if "spike_times" not in self.ragged_columns(UNITS):
            return np.zeros(len(probe.units), np.int64)
        return np.diff(self.ends("spike_times"), prepend=0)[probe.units]

    def spikes(self, column: str, probe: Probe) -> Any:
        """Return the values of a ragged column of a probe's units, one unit after the other."""
        import numpy as np

        ends = self.ends(column)
        starts = np.concatenate([[0], ends[:-1]])
        units = probe.units
        if column != "spike_times" and len(units):
            mine, times = np.diff(ends, prepend=0)[units], self.counts(probe)
            if not np.array_equal(mine, times):
                raise BadFileError(
                    f"{self.file.name}: /{UNITS}/{column} and spike_times have other numbers of "
                    "values for the same units",
                    hint="the file may be damaged: get it again",
                )
        if not len(units):
            return np.empty(0)
        if len(units) == 1 or bool(np.all(np.diff(units) == 1)):  # as we write them
            span = slice(int(starts[units[0]]), int(ends[units[-1]]))
            return self.file.array(f"{UNITS}/{column}", span)
        # Units that stand together in the file are read in one go.
        breaks = np.flatnonzero(starts[units[1:]] != ends[units[:-1]]) + 1
        parts = [
            self.file.array(f"{UNITS}/{column}", slice(int(starts[run[0]]), int(ends[run[-1]])))
            for run in np.split(units, breaks)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def order(self, probe: Probe) -> NDArray[np.intp] | None:
        """Return the order that ALF has a probe's spikes in; None where they stand in it.

        That is the canonical order, but for the spikes that the file names.

        Raises
        ------
        BadFileError
            If those are none of the probe's spikes.
        """
        return self._sorted(probe)[0]

    def _sorted(self, probe: Probe) -> tuple[NDArray[np.intp] | None, NDArray[Any]]:
        """Return the order of ALF, and the times in it; kept of one probe, for both are large."""
        import numpy as np

        from fascicle.formats.nwb.sorting import stably_sorted

        if self._order is None or self._order[0] != probe.label:
            times = self.spikes("spike_times", probe)
            order = None
            if not np.all(times[1:] >= times[:-1]):
                order, times = stably_sorted(times)
            if (moved := self._moved(probe)) is not None:
                order = np.arange(len(times)) if order is None else order
                for values in (order, times):  # read or made here: they are ours
                    values[moved[0]] = values[moved[1]]
            self._order = probe.label, order, times
        return self._order[1], self._order[2]

    def in_order(self, column: str, probe: Probe) -> Any:
        """Return a ragged column of a probe's units in the order of ALF: see `order`."""
        if column != "spike_times":
            return self.ordered(self.spikes(column, probe), probe)
        return self._sorted(probe)[1].copy()

    def ordered(self, values: Any, probe: Probe) -> Any:
        """Return values of a probe's spikes, one unit after the other, in the order of ALF."""
        import numpy as np

        order = self.order(probe)
        if order is None:
            return values
        return np.take(values, order, axis=0, mode="clip")  # faster: none is out of bounds

    def _moved(self, probe: Probe) -> tuple[Any, Any] | None:
        """Return where spikes stand that are not in the canonical order, and which these are."""
        import numpy as np

        table = ORDER.format(probe.label)
        if not self.has(table):
            return None

        def make() -> tuple[Any, Any]:
            found = [np.asarray(self.file.array(f"{table}/{n}")) for n in ("position", "rank")]
            n = int(self.counts(probe).sum())
            fits = found[0].shape == found[1].shape and found[0].ndim == 1
            for one in found:
                fits = fits and one.dtype.kind in "iu"
                fits = fits and (not one.size or 0 <= one.min() <= one.max() < n)
            if not fits:
                raise BadFileError(
                    f"{self.file.name}: /{table} does not fit the {n} spikes of {probe.label}",
                    hint="the file may be damaged: get it again",
                )
            return found[0], found[1]

        moved: tuple[Any, Any] = self.file.keep(f"alf:{table}", make)
        return moved

    def unit_times(self, label: str, cluster: int, ids: str = "") -> NDArray[np.float64]:
        """Return the spike times of one unit, sorted, in seconds; no other spikes are read.

        Parameters
        ----------
        label : str
            Label of the probe.
        cluster : int
            Row in its clusters, or its id in the column ``ids`` of the units.
        ids : str, optional

        Raises
        ------
        ALFObjectNotFound
            If there is no such probe or unit.
        """
        import numpy as np

        probe = self.probe(label)
        number = cluster
        if ids:
            found = np.flatnonzero(self.unit_ids(probe, ids) == cluster)
            number = int(found[0]) if len(found) else -1
        if not 0 <= number < len(probe.units):
            raise ALFObjectNotFound(f"{self.file.name} has no unit {cluster} of {label}")
        row = int(probe.units[number])
        ends = self.ends("spike_times")
        start = int(ends[row - 1]) if row else 0
        times = np.asarray(self.file.array(f"{UNITS}/spike_times", slice(start, int(ends[row]))))
        return _rising(times)

    def trains(self, label: str, ids: str = "") -> dict[int, NDArray[np.float64]]:
        """Return the spike times of each unit of a probe that has any, as `unit_times` does."""
        import numpy as np

        probe = self.probe(label)
        counts = self.counts(probe)
        numbers = self.unit_ids(probe, ids).tolist() if ids else range(len(counts))
        parts = np.split(self.spikes("spike_times", probe), np.cumsum(counts)[:-1])
        return {int(k): _rising(part) for k, part in zip(numbers, parts, strict=True) if len(part)}

    def unit_of(self, path: str, cluster: int) -> NDArray[np.float64]:
        """Return the spike times of one unit of the spikes whose times are the dataset ``path``.

        Parameters
        ----------
        path : str
        cluster : int
            As ``spikes.clusters`` has it.
        """
        label, ids, apart = self._sorting(path)
        if not apart:
            return self.unit_times(label, cluster, ids)
        found = self._split(path, apart).get(cluster)
        if found is None:
            raise ALFObjectNotFound(f"{self.file.name} has no spikes of unit {cluster} in {path}")
        return found

    def trains_of(self, path: str) -> dict[int, NDArray[np.float64]]:
        """Return the spike times of each unit, as `unit_of` does."""
        label, ids, apart = self._sorting(path)
        return self._split(path, apart) if apart else self.trains(label, ids)

    def _sorting(self, path: str) -> tuple[str, str, str]:
        """Return the probe of spikes, the column of their units' ids, and spikes kept apart.

        The last is the path of ``spikes.clusters`` where spikes are not kept by unit: a second
        sorting of a probe, say.
        """
        offer = self.offers.get(path)
        if offer is None or offer.value is None:
            return path.split("/")[1], "", ""
        folder, _, name = path.rpartition("/")
        folder = folder.partition("/#")[0]
        wanted = name.replace("spikes.times", "spikes.clusters")
        sibling = next(
            (p for p in self.offers if p.startswith(folder) and p.endswith(f"/{wanted}")
             and p.rpartition("/")[0].partition("/#")[0] == folder), "",
        )  # fmt: skip
        said = self.offers[sibling].value if sibling else None
        if offer.value.of == "spike" and said is not None and said.rule == "unit_of_spike":
            return offer.value.probe, str(said.options.get("ids", "")), ""
        if not sibling:
            raise ALFObjectNotFound(f"{self.file.name} has no spikes.clusters beside {path}")
        return offer.value.probe, "", sibling

    def _split(self, path: str, clusters: str) -> dict[int, NDArray[np.float64]]:
        """Return spikes that are not kept by unit by unit."""
        import numpy as np

        times, of = np.asarray(self.read(path), np.float64), np.asarray(self.read(clusters))
        if times.shape != of.shape or times.ndim != 1:
            raise BadFileError(f"{self.file.name}: {path} and {clusters} differ in length")
        order = np.argsort(of, kind="stable")
        known, starts = np.unique(of[order], return_index=True)
        parts = np.split(times[order], starts[1:]) if len(known) else []
        return {int(k): _rising(part) for k, part in zip(known, parts, strict=True)}

    def unit_ids(self, probe: Probe, column: str) -> NDArray[Any]:
        """Return what a column of the units calls those of a probe.

        Raises
        ------
        NwbObjectNotFound, BadFileError
            If there is no such column, or it does not fit the units.
        """
        import numpy as np

        values = np.asarray(self.file.array(f"{UNITS}/{column}"))
        if values.shape != (self.rows(UNITS),) or values.dtype.kind not in "iuf":
            raise BadFileError(
                f"{self.file.name}: /{UNITS}/{column} is no column of one number a unit",
                hint="the file may be damaged: get it again",
            )
        found: NDArray[Any] = values[probe.units]
        return found

    def probe(self, label: str) -> Probe:
        """Return a probe by its label.

        Raises
        ------
        ALFObjectNotFound
            If there is none.
        """
        for probe in self.probes:
            if probe.label == label:
                return probe
        raise ALFObjectNotFound(
            f"{self.file.name} has no probe {label!r}",
            hint=nearest(label, [probe.label for probe in self.probes]),
        )


def _rising(times: Any) -> NDArray[np.float64]:
    """Return times as they are if they rise, else sorted."""
    import numpy as np

    times = times.astype(np.float64, copy=False)
    return times if bool(np.all(times[1:] >= times[:-1])) else np.sort(times, kind="stable")
