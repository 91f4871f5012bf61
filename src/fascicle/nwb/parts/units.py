"""Units: the sorted spikes of all probes as trains, and what is known of each unit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fascicle.errors import FascicleError
from fascicle.formats.nwb.mapping import column_of, mapping
from fascicle.nwb.parts import metrics
from fascicle.nwb.parts.sortings import SORTED, ProbeFiles, files_of, probes_of
from fascicle.nwb.parts.unitcolumns import ALONE, AT
from fascicle.nwb.parts.unittable import build_units
from fascicle.nwb.writing.entries import Entry, Item

if TYPE_CHECKING:
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.source import Source, SourceFile

_TABLES = ("pqt", "parquet", "csv", "tsv", "ssv", "htsv")
#: Where units are and what holds them: columns that are made of no single dataset.
_MADE = (
    Item("probe_name", "probes.label", description="Label of the probe in ALF"),
    Item("electrode_group", "probes.label", description="Group of electrodes: the probe"),
    Item(
        "obs_intervals",
        "spikes.times,ephysData.timestamps",
        "s",
        "First and last time at which the probe recorded",
    ),
)
_ABOUT = {
    "spikes.samples": "Sample of each spike in the recording of its probe",
    "spikes.templates": "Template that the sorter matched to each spike",
    "clusters.waveforms": "Mean waveform: samples by channels, those of the column electrodes",
    "clusters.waveformsChannels": "Channels of the mean waveform, rows in the probe's channels",
    "waveforms.templates": "Median waveform: samples by channels, those of the column electrodes",
    "clusters.amps": "Amplitude of the unit",
}


def offer(source: Source, document: Mapping[str, Any]) -> list[Entry]:
    """Return the entries that it builds."""
    probes = [p for p in probes_of(source, document.get("probes") or []) if p.sorting]
    if not probes:
        return []
    spikes, clusters = _spike_items(source, probes), _cluster_items(source, probes)
    collections = [p.sorting for p in probes]
    if spikes:
        about = "Units of all probes, one probe after the other, those without spikes included"
        return [Entry(AT, "Units", "units", collections, about, items=spikes + clusters)]
    if len(clusters) > len(_MADE):
        about = "Clusters of all probes, one probe after the other, without their spikes"
        return [Entry(ALONE, "DynamicTable", "units", collections, about, items=clusters)]
    return []


def _keys(source: Source, probes: list[ProbeFiles], name: str) -> dict[str, SourceFile]:
    """Return the attributes that any of the probes has of an object, and a dataset of each."""
    found: dict[str, SourceFile] = {}
    for probe in probes:
        for attribute, file in files_of(source, probe.sorting, name).items():
            found.setdefault(attribute, file)
    return found


def _spike_items(source: Source, probes: list[ProbeFiles]) -> list[Item]:
    """Return the trains, and what else is known of each spike."""
    attributes = _keys(source, probes, "spikes")
    if not {"times", "clusters"} <= set(attributes):
        return []
    by = "spikes.clusters"
    about = "Times of the spikes of each unit, rising"
    items = [Item("spike_times", "spikes.times", "s", about, by=by)]
    known = {d.attribute: d for d in mapping().objects["spikes"].datasets}
    for attribute, file in sorted(attributes.items(), key=lambda one: (one[0] not in known, one)):
        key = f"spikes.{attribute}"
        if attribute in ("times", "clusters") or file.extension != "npy":
            continue
        dataset = known.get(attribute)
        if dataset is not None and dataset.written is not None:
            place = dataset.written
            unit = place.unit or dataset.unit
            items.append(Item(place.names[0], key, unit, dataset.about, by=by))
        else:
            about = _ABOUT.get(key, f"{attribute} of each spike")
            items.append(Item(f"spike_{column_of(attribute)}", key, "", about, by=by))
    items.append(Item("cluster_id", by, "", "Id of the unit in spikes.clusters of its probe"))
    return items


def _cluster_items(source: Source, probes: list[ProbeFiles]) -> list[Item]:
    """Return what is known of each unit."""
    attributes = _keys(source, probes, "clusters")
    waveforms = _keys(source, probes, "waveforms")
    items = [replace(one) for one in _MADE]
    known = {d.attribute: d for d in mapping().objects["clusters"].datasets}
    measured = _metric_items(source, probes)
    taken = {item.name for item in measured}
    for attribute, file in sorted(attributes.items(), key=lambda one: (one[0] not in known, one)):
        key = f"clusters.{attribute}"
        if attribute in ("metrics", "waveforms"):
            continue
        if file.extension in _TABLES and attribute not in known and not _is_column(source, file):
            continue
        dataset = known.get(attribute)
        place = dataset.written if dataset is not None else None
        if dataset is not None and place is not None and place.names[0] not in taken - _SHARED:
            unit = place.unit or dataset.unit
            items.append(Item(place.names[0], key, unit, dataset.about))
        else:
            about = _ABOUT.get(key, dataset.about if dataset is not None else f"Values of {key}")
            unit = dataset.unit if dataset is not None else ""
            items.append(Item(column_of(attribute), key, unit, about))
    if "channels" in attributes:
        near = "Channels near the largest one, or those of the mean waveform"
        items.append(Item("electrodes", "clusters.channels", "", near))
    elif "waveformsChannels" in attributes:
        items.append(Item("electrodes", "clusters.waveformsChannels", "", "Of the waveforms"))
    wave = "waveforms.templates" if "templates" in waveforms else "clusters.waveforms"
    if "templates" in waveforms or "waveforms" in attributes:
        items.append(Item("waveform_mean", wave, "V", _ABOUT[wave]))
    if wave == "waveforms.templates" and "waveforms" in attributes:
        about = _ABOUT["clusters.waveforms"]
        items.append(Item("cluster_waveforms", "clusters.waveforms", "V", about))
    names = {item.name for item in items}
    return items + [item for item in measured if item.name not in names]


#: Columns that two datasets may both hold: where both agree, one column is of both.
_SHARED = frozenset({"cluster_uuid"})


def _is_column(source: Source, file: SourceFile) -> bool:
    try:
        return type(source.load(file)).__name__ == "Series"
    except FascicleError:
        return False  # the conversion says so


def _metric_items(source: Source, probes: list[ProbeFiles]) -> list[Item]:
    """Return one item for each column that the quality metrics of any probe have."""
    out: dict[str, Item] = {}
    for probe in probes:
        file = files_of(source, probe.sorting, "clusters").get("metrics")
        if file is None or file.extension not in _TABLES:
            continue
        try:
            frame = source.load(file)
        except FascicleError:
            continue  # the conversion says so
        for name in map(str, getattr(frame, "columns", ())):
            if name == metrics.IDS or name in out:
                continue
            place = metrics.column_for(name)
            about = metrics.ABOUT.get(name, f"{name} of the sorter's or the lab's metrics")
            out[name] = Item(place.names[0], f"clusters.metrics:{name}", place.unit, about)
    return list(out.values())


def build(draft: Draft, entry: Entry) -> None:
    """Build one entry."""
    probes = probes_of(draft.source, draft.metadata.probes)
    for probe in probes:
        _leave_out_others(draft, probe)
    build_units(draft, entry, [p for p in probes if p.sorting])


def _leave_out_others(draft: Draft, probe: ProbeFiles) -> None:
    """Say of the datasets of other sortings that they are left out."""
    for file in draft.source.files:
        if file.collection in probe.others and file.object in SORTED:
            draft.skip(
                file,
                f"another sorting of {probe.label} is converted, {probe.sorting}: "
                "name this one in the metadata (probes, sorting) to have it instead",
            )
