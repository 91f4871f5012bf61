"""An NWB file seen as ALF: which datasets it offers, and the values of one.

A file that fascicle wrote says itself which datasets it was made of, and gives these back as they
were (`fascicle.formats.nwb.records`). What follows is of files of others.

The names and units are those of `fascicle.formats.nwb.mapping`, read backwards. Nothing is read
before it is asked for, and of the spikes those of one probe, or of one unit.

The spikes of a probe are in the order of their times, and where times are equal, in the order of
their units in the file. ``spikes.clusters`` are rows of the probe's ``clusters``, which are the
units of the probe in the order of the file; the ids that the file gives them are the column
``unit_id`` of ``clusters.metrics``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from fascicle.errors import ALFObjectNotFound, BadFileError, FascicleError, nearest
from fascicle.formats.nwb.guard import HARM, harmed, reading
from fascicle.formats.nwb.mapping import (
    GENERIC,
    Dataset,
    Layout,
    Object,
    Place,
    attribute_of,
    mapping,
)
from fascicle.formats.nwb.spikes import Spikes

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from fascicle.formats.nwb import NwbFile
    from fascicle.formats.nwb.probes import Probe
    from fascicle.formats.nwb.records import Record, Value

ELECTRODES = "general/extracellular_ephys/electrodes"
#: Columns of tables that are no values of their rows.
_INTERNAL = frozenset({"id", "timeseries", "tags", "group", "electrode_group"})


class Offer(NamedTuple):
    """A dataset that a file has.

    Attributes
    ----------
    path : str
        Relative to the session, as ALF names it.
    holder : Object
    dataset : Dataset
    place : Place
        Which of the dataset's places the file has.
    at : str
        The table or series in the file.
    probe : Probe or None
        Whose it is.
    value : Value or None
        What the file's own record of it says.
    """

    path: str
    holder: Object
    dataset: Dataset
    place: Place
    at: str
    probe: Probe | None
    value: Value | None = None


class AlfView(Spikes):
    """An NWB file as ALF datasets.

    Parameters
    ----------
    file : NwbFile

    Examples
    --------
    >>> with NwbFile("session.nwb") as file:  # doctest: +SKIP
    ...     view = AlfView(file)
    ...     times = view.read("alf/probe00/spikes.times.npy")
    """

    def __init__(self, file: NwbFile) -> None:
        self.file = file
        self._members: dict[str, frozenset[str]] = {}
        self._order: tuple[str, NDArray[np.intp] | None, NDArray[Any]] | None = None

    # -- what there is ---------------------------------------------------------------------------

    @cached_property
    def layout(self) -> str:
        """The name of the layout that the file has; ``generic`` where it is none that is known."""
        found = self.layout_of_file
        return GENERIC if found is None else found.name

    @cached_property
    def layout_of_file(self) -> Layout | None:
        """The layout that the file has."""
        for layout in mapping().layouts:
            if any(map(self._has, layout.any)):
                return layout
        return None

    def _has(self, what: str) -> bool:
        table, colon, column = what.partition(":")
        return column in self.columns(table) if colon else self.has(what)

    def has(self, path: str) -> bool:
        """Return whether there is an object at a path; most that are asked for are not there."""
        group, _, name = path.strip("/").rpartition("/")
        return name in self.members(group) and self.file.has(path)

    def members(self, group: str) -> frozenset[str]:
        """Return the names in a group, none where it is no group; each is listed once."""
        known = self._members.get(group)
        if known is None:
            is_group = not group or (self.has(group) and self._is_group(group))
            known = frozenset(self.file.names(group or "/")) if is_group else frozenset()
            self._members[group] = known
        return known

    @cached_property
    def probes(self) -> tuple[Probe, ...]:
        """The probes of the file, by label."""
        from fascicle.formats.nwb.probes import find_probes

        return find_probes(self)

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table that have one value a row, ``id`` first."""
        return self._columns(table)[0]

    def ragged_columns(self, table: str) -> list[str]:
        """Return the columns of a table with any number of values a row."""
        return self._columns(table)[1]

    def _columns(self, table: str) -> tuple[list[str], list[str]]:
        known = self.__dict__.setdefault("_known_columns", {})
        if table not in known:
            plain: list[str] = []
            ragged: list[str] = []
            if self.has(table):
                ragged = self.file.ragged_columns(table)
                plain = [c for c in self.file.columns(table) if c not in ragged]
                plain = ["id", *(c for c in plain if c != "id")]
            known[table] = plain, ragged
        found: tuple[list[str], list[str]] = known[table]
        return found

    @cached_property
    def records(self) -> tuple[Record, ...] | None:
        """What a file of ours says of the datasets that it was made of; None of other files.

        Raises
        ------
        BadFileError
            If they are harmed.
        """
        from fascicle.formats.nwb.records import TABLE, read

        return read(self.file) if self.has(TABLE) else None

    @cached_property
    def offers(self) -> dict[str, Offer]:
        """What the file has, by path, sorted: what it was made of, if it says so."""
        if self.records is not None:
            from fascicle.formats.nwb.recorded import offer_of

            return {r.dataset: offer_of(None, r.dataset, r.value) for r in self.records}
        found = [offer for holder in mapping().objects.values() for offer in self._of(holder)]
        out: dict[str, Offer] = {}
        for offer in sorted(found, key=lambda offer: offer.path):
            out.setdefault(offer.path, offer)
        return out

    def _of(self, holder: Object) -> Iterator[Offer]:
        """Go through what the file has of an object."""
        if holder.of == "path":
            yield from self._by_path(holder)
            return
        at = next((place for pattern in holder.at for place in self._places(pattern)), None)
        if at is None:
            return
        owners: tuple[Probe | None, ...] = (None,)
        if holder.of in ("spike", "unit"):
            owners = tuple(p for p in self.probes if len(p.units))
        elif holder.of == "channel":
            owners = tuple(p for p in self.probes if len(p.electrodes))
        if not owners:
            return
        taken: set[str] = set()
        names = self._names(holder, at)
        chosen = []
        for dataset in holder.datasets:
            place = self._place(dataset, names)
            if place is not None and any(self._computes(dataset, place, p) for p in owners):
                if place.meaning != "outcome":  # flags that say more than what is made of them
                    taken.update(place.names)
                chosen.append((dataset, place))
        if holder.others:
            known = {dataset.attribute for dataset, _ in chosen}
            for column in self._others(at, taken):
                attribute = attribute_of(column)
                if attribute and attribute not in known:
                    known.add(attribute)
                    place = Place((column,))
                    chosen.append((Dataset(holder.name, attribute, (place,)), place))
        ours = self.layout.startswith("ibl") and holder.namespace
        prefix = f"_{holder.namespace}_" if ours else ""
        for owner in owners:
            folder = holder.collection.format(probe=owner.label if owner else "")
            for dataset, place in chosen:
                if dataset.rule and not self._computes(dataset, place, owner):
                    continue
                own = prefix if dataset.namespace is None else ""
                name = f"{own}{holder.name}.{dataset.attribute}.{dataset.extension}"
                yield Offer(f"{folder}/{name}", holder, dataset, place, at, owner)

    def _by_path(self, holder: Object) -> Iterator[Offer]:
        """Go through what the file has of an object whose datasets have places of their own."""
        ours = self.layout.startswith("ibl") and holder.namespace
        for dataset in holder.datasets:
            for place in dataset.places:
                found = tuple(next(self._places(name), "") for name in place.names)
                if place.layout in ("", self.layout) and all(found):
                    named = ours and dataset.namespace is None
                    prefix = f"_{holder.namespace}_" if named else ""
                    name = f"{prefix}{holder.name}.{dataset.attribute}.{dataset.extension}"
                    there = replace(place, names=found)
                    path = f"{holder.collection}/{name}"
                    yield Offer(path, holder, dataset, there, found[0], None)
                    break

    def _places(self, pattern: str) -> Iterator[str]:
        """Go through the objects of the file that a pattern leads to."""
        head, star, tail = pattern.partition("*")
        if not star:
            series, _, name = pattern.rpartition("/")
            rated = name == "timestamps" and self.has(f"{series}/starting_time")
            if rated or self.has(pattern):
                yield pattern
            return
        group = head.rstrip("/")
        for name in sorted(self.members(group)):
            yield from self._places(f"{head}{name}{tail}")

    def _is_group(self, path: str) -> bool:
        try:
            self.file.group(path)
        except BadFileError:
            return False
        return True

    def _names(self, holder: Object, at: str) -> set[str]:
        """Return what an object's values may be called in this file."""
        if holder.of == "spike":
            return set(self.ragged_columns(at))
        if holder.of in ("unit", "channel"):
            return {*self.columns(at), *self.ragged_columns(at)}
        if holder.of == "row":
            return set(self.columns(at)) if "start_time" in self.columns(at) else set()
        members = self.members(at)
        if holder.of == "sample":
            timed = members & {"timestamps", "starting_time"}
            return {"data", "timestamps"} if timed and "data" in members else set()
        if members & {"timestamps", "timestamp"}:
            return set(members)
        # A group of several series of events: their times together.
        inside = [m for m in members if self.has(f"{at}/{m}/timestamps")]
        return {"timestamps"} if inside else set()

    def _place(self, dataset: Dataset, names: set[str]) -> Place | None:
        """Return the first place that the file has; what its layout alone means comes first."""
        for layout in (self.layout, ""):
            for place in dataset.places:
                if place.layout == layout and names.issuperset(place.names):
                    return place
        return None

    def _others(self, at: str, taken: set[str]) -> list[str]:
        """Return the columns of a table with one plain value a row that no dataset names."""
        out = []
        for column in self.columns(at):
            if column in taken or column in _INTERNAL:
                continue
            facts = self.file.facts(f"{at}/{column}")
            if len(facts.shape) == 1 and facts.kind in ("plain", "text"):
                out.append(column)
        return out

    def _computes(self, dataset: Dataset, place: Place, probe: Probe | None) -> bool:
        from fascicle.formats.nwb.rules import POSSIBLE

        test = POSSIBLE.get(dataset.rule) if dataset.rule else None
        return test is None or test(self, place, probe)

    # -- values ----------------------------------------------------------------------------------

    def read(self, path: str) -> Any:
        """Return the values of a dataset, as the ALF file of that name would have them.

        Parameters
        ----------
        path : str
            As in `offers`.

        Returns
        -------
        numpy.ndarray or pandas.DataFrame
            In ALF's units, one row per spike, unit, channel, trial, sample or event.

        Raises
        ------
        ALFObjectNotFound
            If the file has no such dataset.
        BadFileError
            If it is harmed, or its parts do not fit each other.
        """
        offer = self.offers.get(path)
        if offer is None:
            raise ALFObjectNotFound(
                f"{self.file.name} has no dataset {path!r}", hint=nearest(path, self.offers)
            )
        from fascicle.formats.nwb.recorded import value_of
        from fascicle.formats.nwb.rules import RULES, plain, worded

        dataset = offer.dataset
        try:
            if offer.value is not None:
                return value_of(self, offer, offer.value)
            values = RULES[dataset.rule](self, offer) if dataset.rule else self.values(offer)
            return plain(worded(values, dataset.words))
        except FascicleError:
            raise
        except HARM as error:  # parts that are whole, and do not belong together
            raise harmed(self.file.name, f"/{offer.at} as {path}", error) from error

    def tabled(self, path: str) -> Any:
        """Return the values of a dataset; a table of one column as one, unlike `read`."""
        offer = self.offers.get(path)
        if offer is None or offer.value is None or offer.value.of != "frame":
            return self.read(path)
        from fascicle.formats.nwb.recorded import frame_of

        with reading(self.file.name, f"/{offer.at} as {path}"):
            return frame_of(self, offer, offer.value)

    def file_of(self, path: str) -> bytes | None:
        """Return the bytes of a dataset's file where they are kept as they were, else None.

        Raises
        ------
        ALFObjectNotFound
            If there is no such file, nor can one be made: raw recordings are read in slices.
        """
        from fascicle.formats.nwb.recorded import file_of

        offer = self.offers.get(path)
        if offer is None or offer.value is None:
            return None
        with reading(self.file.name, f"/{offer.at} as {path}"):
            return file_of(self, offer)

    def external(self, path: str) -> Path | None:
        """Return the file of a dataset that is beside the NWB file and not in it, else None.

        Raises
        ------
        ALFObjectNotFound
            If there is no such file any more.
        """
        from fascicle.formats.nwb.recorded import external

        offer = self.offers.get(path)
        return None if offer is None or offer.value is None else external(self, offer)

    def values(self, offer: Offer, name: str | None = None) -> Any:
        """Return the values of a column or of a series, in ALF's unit and order.

        Parameters
        ----------
        offer : Offer
        name : str, optional
            Which of the place's names; the first unless given.
        """
        name = name or offer.place.names[0]
        if offer.value is not None:
            from fascicle.formats.nwb.recorded import fetched

            return fetched(self, offer, offer.value, name)
        of, probe = offer.holder.of, offer.probe
        if of == "spike":
            assert probe is not None
            values = self.in_order(name, probe)
        elif of in ("unit", "channel"):
            assert probe is not None
            rows = probe.units if of == "unit" else probe.electrodes
            values = self.column(offer.at, name)[rows]
        elif of == "row":
            values = self.column(offer.at, name)
        elif of == "sample":
            values = self.samples(offer.at, name)
        elif of == "path":
            values = self.samples(*name.rpartition("/")[::2])
        else:
            values = self.events(offer.at, name)
        return offer.place.to_alf(values) if values.dtype.kind in "fiu" else values

    def column(self, table: str, name: str) -> Any:
        """Return a column of a table.

        Raises
        ------
        BadFileError
            If it has another number of rows than the table.
        """
        key = f"alf:{table}/{name}"
        values = self.file.keep(key, lambda: self.file.array(f"{table}/{name}"))
        rows = self.rows(table)
        if len(values) != rows:
            raise BadFileError(
                f"{self.file.name}: /{table}/{name} has {len(values)} rows, and the table {rows}",
                hint="the file may be damaged: get it again",
            )
        return values

    def rows(self, table: str) -> int:
        """Return the number of rows of a table."""
        return int(self.file.facts(f"{table}/id").shape[0])

    def samples(self, at: str, name: str) -> Any:
        """Return the samples of a series in the unit that it names, or their times in seconds."""
        import numpy as np

        series = self.file.series(at)
        if name == "timestamps":
            return np.asarray(series.timestamps[:], dtype=np.float64)
        return np.asarray(series.data[:])

    def events(self, at: str, name: str) -> Any:
        """Return the times of events in seconds; of several series of events, of all, sorted."""
        import numpy as np

        if self.has(f"{at}/{name}"):
            return np.asarray(self.file.array(f"{at}/{name}"), dtype=np.float64)
        found = [
            self.file.array(f"{at}/{member}/{name}")
            for member in sorted(self.members(at))
            if self.has(f"{at}/{member}/{name}")
        ]
        return np.sort(np.concatenate(found).astype(np.float64), kind="stable")
