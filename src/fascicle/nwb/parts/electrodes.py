"""The table of electrodes: the channels of all probes, one probe after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fascicle.errors import BadFileError
from fascicle.formats.nwb.mapping import column_of
from fascicle.formats.nwb.records import Value
from fascicle.nwb.parts import places
from fascicle.nwb.parts.geometry import Geometry, geometry
from fascicle.nwb.parts.metrics import as_series, keep_file
from fascicle.nwb.parts.probewise import Columns, plain, storable
from fascicle.nwb.parts.sortings import files_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.nwb.parts.sortings import ProbeFiles
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.entries import Entry, Item
    from fascicle.nwb.writing.source import SourceFile

AT = "general/extracellular_ephys/electrodes"
_IDS = ("brainLocationIds_ccf_2017", "brainLocationIds")
#: Attributes that tell how many channels there are, the most telling first.
_TELLING = ("localCoordinates", "rawInd", "mlapdv", *_IDS)
OFF = "switched off in the metadata"


@dataclass(slots=True)
class Sites:
    """What is known of the electrodes of a probe.

    Attributes
    ----------
    n : int
        How many there are.
    own : dict
        Attributes of ``channels`` that have one row each, and their datasets.
    traced : dict
        Those of ``electrodeSites``, if these are the same electrodes in the same order.
    local : ndarray, shape (n, 2), or None
        Places across and along the probe, um.
    mlapdv : ndarray, shape (n, 3), or None
        Places from bregma, um.
    ids : ndarray of int, shape (n,), or None
        Regions, of either sign.
    raw : ndarray of int, shape (n,), or None
        Columns of the raw recording.
    geometry : Geometry or None
        The sites of the recording's channels.
    """

    n: int = 0
    own: dict[str, tuple[SourceFile, Any]] = field(default_factory=dict)
    traced: dict[str, tuple[SourceFile, Any]] = field(default_factory=dict)
    local: Any = None
    mlapdv: Any = None
    ids: Any = None
    raw: Any = None
    geometry: Geometry | None = None


def sites_of(draft: Draft, probe: ProbeFiles) -> Sites:
    """Return what is known of the electrodes of a probe; looked up once."""
    key = f"sites:{probe.label}"
    if key not in draft.shared:
        draft.shared[key] = _look_up(draft, probe)
    found: Sites = draft.shared[key]
    return found


def _look_up(draft: Draft, probe: ProbeFiles) -> Sites:
    import numpy as np

    out = Sites(geometry=_geometry(draft, probe))
    out.own, out.n = _attributes(draft, probe.channels, "channels")
    traced, n_traced = _attributes(draft, probe.sites, "electrodeSites")
    rows = np.arange(n_traced)
    if traced and not out.own:
        out.n = n_traced
    elif traced:
        found = _traced_rows(out, traced, n_traced)
        if found is None:
            traced = {}
            draft.warn(
                f"{probe.sites}/electrodeSites has {n_traced} sites and the channels are {out.n}: "
                "which is which cannot be told, so the channels' own places are taken"
            )
        else:
            rows = found
    if traced and np.array_equal(rows, np.arange(n_traced)) and n_traced == out.n:
        out.traced = traced
    if not out.n and out.geometry is not None:
        out.n = len(out.geometry)
    picked = {name: values[rows] for name, (_, values) in traced.items()}
    best = {name: values for name, (_, values) in out.own.items()} | picked
    out.local = _shaped(best.get("localCoordinates"), 2)
    if "localCoordinates" in out.own:  # the channels' own order is what tells the rows
        out.local = _shaped(out.own["localCoordinates"][1], 2)
    out.mlapdv = _shaped(best.get("mlapdv"), 3)
    if out.mlapdv is not None and places.in_metres(out.mlapdv):
        draft.warn(f"the places of {probe.label} in the brain are in m: taken as such")
        out.mlapdv = out.mlapdv * 1e6
    ids = next((best[name] for name in _IDS if name in best), None)
    if ids is not None and ids.ndim == 1 and ids.dtype.kind in "iuf":
        out.ids = places.whole_ids(ids)
    raw = best.get("rawInd")
    if raw is not None and raw.ndim == 1 and raw.dtype.kind in "iu":
        out.raw = raw.astype(np.int64)
    elif out.geometry is not None and len(out.geometry) == out.n:
        out.raw = np.arange(out.n)
    if out.local is None and out.geometry is not None and out.raw is not None:
        g = out.geometry
        out.local = np.stack([_at(g.x, out.raw), _at(g.y, out.raw)], axis=1)
    return out


def _shaped(values: Any, width: int) -> Any:
    """Return values if they are numbers of so many columns."""
    if values is None or values.ndim != 2 or values.shape[1] != width:
        return None
    return values if values.dtype.kind in "iuf" else None


def _at(values: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Return values at rows, NaN (-1 for whole numbers) where there is no such row."""
    import numpy as np

    out = np.full(len(rows), -1 if values.dtype.kind == "i" else np.nan, values.dtype)
    inside = (rows >= 0) & (rows < len(values))
    out[inside] = values[rows[inside]]
    return out


def _geometry(draft: Draft, probe: ProbeFiles) -> Geometry | None:
    from fascicle.nwb.parts.insertions import meta_of

    meta = meta_of(draft, probe)
    if not meta:
        return None
    try:
        return geometry(meta)
    except BadFileError as error:
        draft.warn(f"nothing is known of the sites: {error.message}", probe.meta or "")
        return None


def _attributes(
    draft: Draft, collection: str, name: str
) -> tuple[dict[str, tuple[SourceFile, Any]], int]:
    """Return the attributes of an object that have one row for each of its channels."""
    return alike(draft, files_of(draft.source, collection, name), _TELLING, "electrodes")


def alike(
    draft: Draft, files: Mapping[str, SourceFile], telling: Sequence[str], table: str
) -> tuple[dict[str, tuple[SourceFile, Any]], int]:
    """Return the attributes of an object that have as many rows as it has; warn of the others.

    Parameters
    ----------
    draft : Draft
    files : mapping
        Attribute to dataset.
    telling : sequence of str
        Attributes in the order in which they tell how many rows there are.
    table : str
        For messages: what they would be columns of.

    Returns
    -------
    dict, int
        Attribute to dataset and values, shape (n, ...); how many rows.
    """
    found: dict[str, tuple[SourceFile, Any]] = {}
    for attribute, file in files.items():
        values = loaded(draft, file)
        if values is not None:
            found[attribute] = file, values
    if not found:
        return {}, 0
    first = next((a for a in telling if a in found), next(iter(found)))
    n, key = len(found[first][1]), found[first][0].key
    for attribute in [a for a, (_, values) in found.items() if len(values) != n]:
        file, values = found.pop(attribute)
        draft.warn(
            f"it has {len(values)} rows and {key} has {n}: it is no column of the {table}", file
        )
    return found, n


def loaded(draft: Draft, file: SourceFile) -> Any:
    """Return the values of a dataset as an array, None with a warning where they are none.

    What cannot be read at all is left out, what can be read and is no array is left to others.
    """
    try:
        values = plain(draft.source.load(file))
    except BadFileError as error:
        draft.warn(f"it cannot be read: {error.message}", file)
        draft.skip(file, f"it cannot be read: {error.message}")
        return None
    if not storable(values):
        draft.warn("its values are no column of numbers or texts", file)
        return None
    return values


def _traced_rows(
    out: Sites, traced: Mapping[str, tuple[SourceFile, Any]], n: int
) -> NDArray[np.int64] | None:
    """Return the row of the traced sites of each channel; None where it cannot be told."""
    import numpy as np

    def both(name: str) -> Any:
        held = (out.own.get(name), traced.get(name))
        return [one[1] for one in held if one is not None] if all(held) else None

    if (pair := both("localCoordinates")) and all(v.ndim == 2 for v in pair):
        known = {tuple(xy): k for k, xy in enumerate(np.round(pair[1], 3).tolist())}
        rows = [known.get(tuple(xy), -1) for xy in np.round(pair[0], 3).tolist()]
        if -1 not in rows:
            return np.array(rows, np.int64)
    if (pair := both("rawInd")) and all(v.ndim == 1 and v.dtype.kind in "iu" for v in pair):
        known = {raw: k for k, raw in enumerate(pair[1].tolist())}
        rows = [known.get(raw, -1) for raw in pair[0].tolist()]
        if -1 not in rows:
            return np.array(rows, np.int64)
    return np.arange(n) if n == out.n else None


# -- the table -------------------------------------------------------------------------------------


def build_electrodes(draft: Draft, entry: Entry, probes: Sequence[ProbeFiles]) -> None:
    """Build the table, and say which rows are whose."""
    from hdmf.common import VectorData
    from pynwb.ecephys import ElectrodesTable

    table = Columns()
    start = 0
    held: list[tuple[ProbeFiles, Sites]] = []
    for probe in probes:
        sites = sites_of(draft, probe)
        if not sites.n:
            continue
        table.rows(probe.label, sites.n)
        draft.electrodes[probe.label] = range(start, start + sites.n)
        start += sites.n
        held.append((probe, sites))
    if not held:
        return
    for probe, sites in held:
        _Filling(draft, entry, table, probe, sites).fill()
    labels = [p.label for p, sites in held for _ in range(sites.n)]
    groups = [draft.groups[label] for label in labels]
    columns = [
        VectorData(name=column.name, description=column.description, data=_data(draft, values))
        for column, values in table.made()
    ]
    columns += [
        VectorData(name="group", description="Group of electrodes: the probe", data=groups),
        VectorData(
            name="group_name", description="Name of that group", data=[g.name for g in groups]
        ),
        VectorData(name="probe_name", description="Label of the probe in ALF", data=labels),
    ]
    import numpy as np

    draft.nwb.electrodes = ElectrodesTable(id=np.arange(start), columns=columns)


def _data(draft: Draft, values: Any) -> Any:
    return values if isinstance(values, list) else draft.array(values, what="electrodes")


class _Filling:
    """The columns of one probe."""

    def __init__(
        self, draft: Draft, entry: Entry, table: Columns, probe: ProbeFiles, sites: Sites
    ) -> None:
        self.draft, self.table, self.probe, self.sites = draft, table, probe, sites
        self.items = {item.name: item for item in entry.wanted}
        self.sources: dict[str, Item] = {}
        for item in entry.wanted:
            self.sources.setdefault(item.source, item)

    def fill(self) -> None:
        sites = self.sites
        if sites.local is not None:
            for k, name in enumerate(("rel_x", "rel_y")):
                self._add(name, _floats(sites.local[:, k]))
        if sites.mlapdv is not None:
            for k, name in enumerate(("x", "y", "z")):
                self._add(name, places.in_ccf(sites.mlapdv)[:, k])
        self._regions()
        if sites.geometry is not None and sites.raw is not None:
            self._contacts(sites.geometry, sites.raw)
        done = set()
        for name, attributes in (("channels", sites.own), ("electrodeSites", sites.traced)):
            for attribute, (file, values) in attributes.items():
                self._record(name, attribute, file, values)
                done.add(file.path)
        for file in files_of(self.draft.source, self.probe.sites, "electrodeSites").values():
            if file.path not in done and sites.own:
                self.draft.inform("its sites are looked up for each channel", file)

    def _add(self, name: str, values: Any, *, index: bool = False) -> None:
        item = self.items.get(name)
        if item is not None:
            label = self.probe.label
            self.table.add(name, label, values, _described(item), dtype=item.dtype, index=index)

    def _regions(self) -> None:
        import numpy as np

        sites = self.sites
        mouse = self.draft.metadata.subject.get("species") in ("Mus musculus", None, "")
        nowhere = places.NOWHERE if mouse else "unknown"
        where = np.full(sites.n, nowhere, dtype=object)
        if sites.ids is not None:
            names, unknown = places.names_of(sites.ids)
            if unknown:
                self.draft.warn(
                    f"{self.probe.label}: the atlas has no regions "
                    f"{', '.join(map(str, unknown[:5]))}: {places.NOWHERE} stands for them"
                )
            where = places.terms(names)
            self._add("allen_id", sites.ids)
            for parcellation in places.COARSER:
                self._add(parcellation.casefold(), places.names_of(sites.ids, parcellation)[0])
        item = self.items.get("location")
        if item is None:  # the table must have it
            where[:] = nowhere
        about = _described(item) if item else "Region of the brain: not asked for"
        self.table.add("location", self.probe.label, where, about)
        side = places.hemisphere(sites.ids, sites.mlapdv)
        if side is not None:
            self._add("hemisphere", side)

    def _contacts(self, g: Geometry, raw: NDArray[np.int64]) -> None:
        import numpy as np

        inside = (raw >= 0) & (raw < len(g))
        contacts = [g.contact[r] if ok else "" for r, ok in zip(raw, inside, strict=True)]
        if any(contacts):
            self._add("contact_ids", np.array(contacts, dtype=object))
            shanks = [str(s) if s >= 0 else "" for s in _at(g.shank, raw).tolist()]
            self._add("shank_ids", np.array(shanks, dtype=object))
        if g.adc is not None and g.order is not None:
            self._add("adc_group", _at(g.adc, raw), index=True)
            self._add("adc_sample_order", _at(g.order, raw), index=True)

    # -- giving datasets back ------------------------------------------------------------------

    def _record(self, name: str, attribute: str, file: SourceFile, values: Any) -> None:
        """Say where a dataset is, in a column of its own where the standard ones cannot tell it."""
        key = f"{name}.{attribute}"
        item = self.sources.get(key)
        # One column is of all probes, and some have traced sites where others have channels.
        twin = "electrodeSites" if name == "channels" else "channels"
        other = self.sources.get(f"{twin}.{attribute}")
        if item is None and other is None:
            self.draft.skip(file, OFF)
            return
        value = self._standard(attribute, values)
        if value is None:
            used = item or other
            assert used is not None
            special = attribute in ("localCoordinates", "mlapdv", *_IDS[:1])
            column = column_of(attribute) if special or item is None else used.name
            if name == "electrodeSites" or item is None:
                column = f"{'site' if name == 'electrodeSites' else 'channel'}_{column}"
            column = _free(column)
            about = f"Values of {key} as they are" if special else _described(used)
            column = self.table.add(
                column,
                self.probe.label,
                _numbers(values),
                about,
                dtype="" if special else used.dtype,
                index=attribute == "rawInd",
            )
            value = Value("channel", AT, (column,))
        found: Value | None = replace(value, probe=self.probe.label, dtype=values.dtype.str)
        held = self.draft.source.load(file)
        if found is not None and hasattr(held, "to_frame"):
            found = as_series(held, found)
        if found is None:
            keep_file(self.draft, file, self.probe.label)
        else:
            self.draft.took(file, found)

    def _standard(self, attribute: str, values: Any) -> Value | None:
        """Return how the standard columns give a dataset back; None where they do not."""
        import numpy as np

        sites = self.sites
        if attribute == "localCoordinates" and self._has("rel_x", "rel_y"):
            if sites.local is not None and _same(values, sites.local):
                return Value("channel", AT, ("rel_x", "rel_y"))
        elif attribute == "mlapdv" and self._has("x", "y", "z"):
            if _same(values, sites.mlapdv) and places.gives_back(values):
                return Value(
                    "channel", AT, ("x", "y", "z"), "place_in_brain", options={"as": "ccf"}
                )
        elif (
            attribute == _IDS[0]
            and self._has("allen_id")
            and values.dtype.kind in "iu"
            and np.array_equal(values, sites.ids)
        ):
            return Value("channel", AT, ("allen_id",))
        return None

    def _has(self, *names: str) -> bool:
        label = self.probe.label
        return all(
            name in self.items
            and not self.items[name].dtype
            and self.table.of(name, label) is not None
            for name in names
        )


def _free(column: str) -> str:
    """Return a name of a column that is none of the standard ones, nor of the table's own."""
    from pynwb.ecephys import ElectrodesTable

    standard = {one["name"] for one in ElectrodesTable.__columns__} - {"location"}
    taken = column in standard | {"location", "probe_name"} or hasattr(ElectrodesTable, column)
    return f"channel_{column}" if taken else column


def _same(values: Any, others: Any) -> bool:
    import numpy as np

    if others is None or values.shape != others.shape or values.dtype != others.dtype:
        return False
    return np.array_equal(values, others, equal_nan=values.dtype.kind == "f")


def _floats(values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers as floats, without loss."""
    import numpy as np

    return values if values.dtype.kind == "f" else values.astype(np.float64)


def _numbers(values: Any) -> Any:
    """Return texts as objects, numbers as they are."""
    return values.astype(object) if values.dtype.kind in "UT" else values


def _described(item: Item) -> str:
    """Return the description of a column, the unit with it."""
    return (
        f"{item.description or item.source} ({item.unit})"
        if item.unit
        else (item.description or item.source or item.name)
    )
