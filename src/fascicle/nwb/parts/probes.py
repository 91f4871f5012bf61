"""Probes: devices, groups of electrodes, their table, and where they are in the brain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fascicle.formats.nwb.mapping import column_of, mapping
from fascicle.nwb.parts import insertions, localization
from fascicle.nwb.parts.electrodes import AT, build_electrodes
from fascicle.nwb.parts.sortings import ProbeFiles, files_of, labels_of, probes_of
from fascicle.nwb.writing.entries import Entry, Item

if TYPE_CHECKING:
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import Source

GROUPS = "general/extracellular_ephys"
TRAJECTORIES = "processing/ecephys/probe_trajectories"
LOCALIZATION = "general/localization"
#: Files that describe the probes of a session: their content is in the metadata, their text here.
_DESCRIBED = ("probes.description", "probes.trajectory")

_PLACE = "{axis} coordinate in the Allen Common Coordinate Framework ({way} is positive)"
_OF_CHANNELS = {
    "localCoordinates": (
        Item("rel_x", "", "um", "Place across the probe"),
        Item("rel_y", "", "um", "Place along the probe, from its tip"),
    ),
    "mlapdv": (
        Item("x", "", "um", _PLACE.format(axis="Antero-posterior", way="to the back")),
        Item("y", "", "um", _PLACE.format(axis="Dorso-ventral", way="down")),
        Item("z", "", "um", _PLACE.format(axis="Medio-lateral", way="to the right")),
    ),
    "brainLocationIds_ccf_2017": (
        Item(
            "location",
            "",
            "",
            "Acronym of the region in the Allen atlas; root outside it, and where none is known",
        ),
        Item(
            "allen_id",
            "",
            "",
            "Id of the region in the Allen Common Coordinate Framework (2017); 0 outside the brain",
        ),
        Item("beryl", "", "", "Acronym of the region in the Beryl parcellation"),
        Item("cosmos", "", "", "Acronym of the region in the Cosmos parcellation"),
    ),
}
_OF_META = (
    Item(
        "contact_ids", "", "", "Site of the probe: s and its shank, e and its number from the tip"
    ),
    Item("shank_ids", "", "", "Shank of the site"),
    Item("adc_group", "", "", "Converter that digitises the channel"),
    Item("adc_sample_order", "", "", "Turn of the channel among those of its converter"),
)


def offer(source: Source, document: Mapping[str, Any]) -> list[Entry]:
    """Return the entries that it builds."""
    said = document.get("probes") or []
    probes = probes_of(source, said)
    if not probes:
        return []
    collections = sorted({where for p in probes for where in (p.channels, p.sites) if where})
    out = [
        Entry(
            GROUPS,
            "ElectrodeGroup",
            "probes",
            description="Probes: a device, its model and a group of electrodes each",
        )
    ]
    items = _electrode_items(source, probes)
    if items:
        about = "Electrodes of all probes, one probe after the other"
        out.append(Entry(AT, "ElectrodesTable", "probes", collections, about, items=items))
    if any(p.facts.get("trajectories") for p in probes):
        about = "Where each probe went into the brain, by each source that tells"
        out.append(Entry(TRAJECTORIES, "DynamicTable", "probes", description=about))
    if any(item.name == "x" for item in items):
        about = "Places of the electrodes in the Allen atlas, and from bregma"
        out.append(
            Entry(LOCALIZATION, "Localization", "probes", collections, about, items=_placed(items))
        )
    for name in _DESCRIBED:
        if (file := source.one(name)) is not None:
            about = f"Text of {file.path}"
            item = Item("data", name, description=about)
            where = f"scratch/{name}"
            out.append(
                Entry(where, "ScratchData", "probes", [file.collection], about, items=[item])
            )
    return out


def _placed(items: list[Item]) -> list[Item]:
    """Return the items of the tables of places: those of the columns that they are made of."""
    names = {"x": "", "y": "", "z": "", "location": "brain_region"}
    return [
        Item(names[item.name] or item.name, item.source, item.unit, item.description)
        for item in items
        if item.name in names
    ]


def _electrode_items(source: Source, probes: list[ProbeFiles]) -> list[Item]:
    """Return the columns of the table of electrodes, from what any of the probes has."""
    attributes: dict[str, str] = {}
    for probe in probes:
        for name, where in (("electrodeSites", probe.sites), ("channels", probe.channels)):
            for attribute in files_of(source, where, name):
                attributes.setdefault(attribute, f"{name}.{attribute}")
    meta = any(probe.meta is not None for probe in probes)
    if not attributes and not meta:
        return []
    items = []
    for attribute in [*_OF_CHANNELS, *(a for a in sorted(attributes) if a not in _OF_CHANNELS)]:
        if attribute in attributes:
            items += _items(attribute, attributes[attribute])
        elif attribute == "localCoordinates" and meta:
            items += _items(attribute, "ephysData.ap.meta")
    placed = [attributes[a] for a in ("mlapdv", "brainLocationIds_ccf_2017") if a in attributes]
    if placed:
        about = "left or right of the midline: the sign of the place in ML, or of the region's id"
        items.append(Item("hemisphere", ",".join(placed), "", about))
    if not any(item.name == "location" for item in items):
        first = _OF_CHANNELS["brainLocationIds_ccf_2017"][0]
        key = "channels.brainLocationIds_ccf_2017"
        items.append(Item(first.name, key, description=first.description))
    if meta:
        items += [
            Item(one.name, "ephysData.ap.meta", one.unit, one.description) for one in _OF_META
        ]
    return items


def _items(attribute: str, key: str) -> list[Item]:
    if attribute in _OF_CHANNELS:
        return [Item(one.name, key, one.unit, one.description) for one in _OF_CHANNELS[attribute]]
    known = {d.attribute: d for d in mapping().objects["channels"].datasets}.get(attribute)
    if known is not None and known.written is not None and len(known.written.names) == 1:
        return [Item(known.written.names[0], key, known.unit, known.about)]
    return [Item(column_of(attribute), key, "", _ABOUT.get(attribute, f"Values of {key}"))]


_ABOUT = {
    "labels": "Quality of the channel: 0 good, 1 dead, 2 noisy, 3 outside the brain",
    "brainLocationIds": "Id of the region in the Allen atlas",
}


def build(draft: Draft, entry: Entry) -> None:
    """Build one entry."""
    probes = probes_of(draft.source, draft.metadata.probes)
    if entry.nwb == GROUPS:
        insertions.build_groups(draft, probes)
        _say_what_is_nobodys(draft, probes)
    elif entry.nwb == AT:
        insertions.build_groups(draft, probes)
        build_electrodes(draft, entry, probes)
    elif entry.nwb == TRAJECTORIES:
        insertions.build_trajectories(draft, entry, probes)
    elif entry.nwb == LOCALIZATION:
        localization.build_localization(draft, entry, probes)
    else:
        insertions.build_text(draft, entry)


def _say_what_is_nobodys(draft: Draft, probes: list[ProbeFiles]) -> None:
    """Warn of probes that have datasets, and are not in the metadata."""
    for probe in probes:
        for what, found in (("sorting", probe.sorting), ("channels", probe.channels)):
            asked = probe.facts.get(what)
            if asked and asked != found:
                instead = f"{found} is converted" if found else "there are none"
                draft.warn(
                    f"{probe.label}: the metadata name {asked} as its {what}, which has none: "
                    f"{instead}"
                )
    known = {probe.label for probe in probes}
    for label in labels_of(draft.source):
        if label not in known:
            draft.warn(
                f"{label} has datasets, but the metadata name no such probe: it is left out of the "
                "electrodes and units"
            )
