"""Which collections of a session hold what of a probe: sorted spikes, channels, traced sites."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fascicle.analysis.probes import PREFERRED

if TYPE_CHECKING:
    from fascicle.nwb.writing.source import Source, SourceFile

#: The label of the probe of spikes that lie in no probe's collection.
ONLY = "probe00"
#: Folders that are named after what sorted the spikes.
_SORTER = re.compile(r"(?:py|ibl|[a-z]*_)?(?:kilosort|ks\d|sort)|spyking|mountain|tridesclous")
#: Objects of a sorting: they belong to the collection that is chosen, and not to another.
SORTED = ("spikes", "clusters", "templates", "channels", "waveforms")


@dataclass(frozen=True, slots=True)
class ProbeFiles:
    """Where the datasets of a probe are.

    Attributes
    ----------
    label : str
    sorting : str
        Collection of the spikes and clusters that are converted; empty where there are none.
    channels : str
        Collection of the channels; empty where there are none.
    sites : str
        Collection of ``electrodeSites``, the traced track; empty where there is none.
    others : tuple of str
        Collections of other sortings.
    meta : SourceFile or None
        SpikeGLX's description of the recording: that of the AP band before that of the LF band.
    facts : mapping
        What the metadata document says of the probe.
    """

    label: str
    sorting: str
    channels: str
    sites: str
    others: tuple[str, ...]
    meta: SourceFile | None
    facts: Mapping[str, Any]


def probes_of(source: Source, said: Sequence[Mapping[str, Any]]) -> list[ProbeFiles]:
    """Return the probes of a session by label.

    Parameters
    ----------
    source : Source
    said : sequence of mapping
        The section ``probes`` of the metadata document. If it names any, these are the probes;
        else all that the datasets name are.

    Returns
    -------
    list of ProbeFiles
    """
    facts = {str(one["label"]): one for one in said if one.get("label")}
    labels = list(facts) or list(labels_of(source))
    return [_probe(source, label, facts.get(label, {})) for label in sorted(labels)]


def labels_of(source: Source) -> dict[str, list[str]]:
    """Return the label of each probe that the datasets name to its collections, sorted.

    A folder of spikes is a probe, whatever it is called (``alf/imec0``); spikes that lie in no
    folder of their own are those of the only one.
    """
    found = dict(source.probes)
    loose: dict[str, set[str]] = {}
    for name in ("clusters", "times"):
        for file in source.find("spikes", name):
            if not file.probe:
                loose.setdefault(_folder(file.collection) or ONLY, set()).add(file.collection)
    for label, collections in loose.items():
        if label in found:
            continue
        beside = {f.collection for f in source.files if _folder(f.collection) == label}
        found[label] = sorted(collections | beside)
    return dict(sorted(found.items()))


def _folder(collection: str) -> str:
    """Return the folder of ``alf`` that a collection is in; empty for none, and for a sorter's."""
    _, _, within = collection.partition("/")
    name = within.partition("/")[0]
    return "" if _SORTER.match(name) else name


def _probe(source: Source, label: str, facts: Mapping[str, Any]) -> ProbeFiles:
    mine = labels_of(source).get(label, [])
    files = [f for f in source.files if f.collection in mine]
    spikes = sorted(
        {f.collection for f in files if f.object == "spikes"},
        key=lambda where: (*_preference(where, label), where),
    )
    only_clusters = sorted(
        {f.collection for f in files if f.object == "clusters"} - set(spikes),
        key=lambda where: (*_preference(where, label), where),
    )
    sortings = spikes + only_clusters
    asked = str(facts.get("sorting") or "")
    sorting = asked if asked in sortings else sortings[0] if sortings else ""
    channels = sorted(
        {f.collection for f in files if f.object == "channels"},
        # Those of the sorting, to which its clusters refer, before any other.
        key=lambda where: (where != sorting, *_preference(where, label), where),
    )
    asked = str(facts.get("channels") or "")
    held = asked if asked in channels else channels[0] if channels else ""
    sites = sorted({f.collection for f in files if f.object == "electrodeSites"})
    return ProbeFiles(
        label,
        sorting,
        held,
        sites[0] if sites else "",
        tuple(where for where in sortings if where != sorting),
        _meta(files),
        facts,
    )


def _preference(collection: str, label: str) -> tuple[int, str]:
    """Return the key by which sortings are ordered, the preferred first."""
    name = collection.partition(label)[2].strip("/")
    return (PREFERRED.index(name) if name in PREFERRED else len(PREFERRED), name)


def _meta(files: Sequence[SourceFile]) -> SourceFile | None:
    metas = [f for f in files if f.extension == "meta" and ".nidq." not in f.path]
    metas.sort(key=lambda f: (".ap." not in f.path, ".lf." in f.path, f.path))
    return metas[0] if metas else None


def files_of(source: Source, collection: str, name: str) -> dict[str, SourceFile]:
    """Return the datasets of an object in a collection, by attribute (with its timescale)."""
    if not collection:
        return {}
    return {
        f.key.partition(".")[2]: f for f in source.find(name, collection=collection) if f.attribute
    }
