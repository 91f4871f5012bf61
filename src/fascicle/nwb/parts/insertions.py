"""The probes themselves: devices and their models, groups of electrodes, trajectories."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fascicle.errors import BadFileError
from fascicle.formats.nwb.records import Value

if TYPE_CHECKING:
    from fascicle.nwb.parts.sortings import ProbeFiles
    from fascicle.nwb.writing.draft import Draft
    from fascicle.nwb.writing.entries import Entry

#: How Neuropixels probes are called: by IBL's descriptions, SpikeGLX, imec's part numbers.
_NEUROPIXELS = re.compile(r"3[AB]\d?|NP\d.*|PRB.*|Neuropixels?.*", re.IGNORECASE)
#: Columns of the table of trajectories: name, key in the metadata, description.
_TRAJECTORY = (
    ("ml", "x", "Place of the entry from bregma, to the right (um)"),
    ("ap", "y", "Place of the entry from bregma, to the front (um)"),
    ("dv", "z", "Place of the entry from bregma, up (um)"),
    ("depth_um", "depth", "Length of the probe in the brain (um)"),
    ("theta", "theta", "Polar angle: tilt of the probe from the vertical (degrees)"),
    ("phi", "phi", "Azimuth of the tilt (degrees)"),
    ("roll", "roll", "Turn of the probe around its own axis (degrees)"),
)


def meta_of(draft: Draft, probe: ProbeFiles) -> Mapping[str, Any]:
    """Return what SpikeGLX says of a probe's recording; nothing where it says nothing usable."""
    from fascicle.load.sglx import read_meta

    key = f"meta:{probe.label}"
    if key not in draft.shared:
        found: Mapping[str, Any] = {}
        if probe.meta is not None:
            try:
                found = read_meta(draft.source.place(probe.meta))
            except BadFileError as error:
                draft.warn(f"nothing is known of the sites: {error.message}", probe.meta)
        draft.shared[key] = found
    known: Mapping[str, Any] = draft.shared[key]
    return known


def object_name(label: str) -> str:
    """Return what the device and the group of a probe are called: ``Probe00`` for ``probe00``."""
    return f"P{label[1:]}" if label.startswith("probe") else label


def build_groups(draft: Draft, probes: Sequence[ProbeFiles]) -> None:
    """Make a device and a group of electrodes of each probe, unless it has them."""
    from pynwb.device import DeviceModel

    models: dict[str, Any] = draft.shared.setdefault("models of probes", {})
    for probe in probes:
        if probe.label in draft.groups:
            continue
        meta = meta_of(draft, probe)
        facts = probe.facts
        part = _text(meta.get("imDatPrb_pn"))
        named = _text(facts.get("model")) or part
        serial = _text(facts.get("serial")) or _text(meta.get("imDatPrb_sn"))
        neuropixels = bool(_NEUROPIXELS.fullmatch(named))
        maker = _text(facts.get("manufacturer")) or ("imec" if neuropixels else "unknown")
        about = _text(facts.get("description"))
        if named and named not in models:
            models[named] = draft.nwb.add_device_model(
                DeviceModel(
                    name=re.sub(r"[/:]", "-", named),
                    manufacturer=maker,
                    model_number=part or named,
                    description=f"{'Neuropixels probe' if neuropixels else 'Probe'}, {named}",
                )
            )
        name = object_name(probe.label)
        device = draft.nwb.create_device(
            name=name,
            description=about or f"The probe that the session calls {probe.label}",
            **({"serial_number": serial} if serial else {}),
            **({"model": models[named]} if named else {}),
        )
        draft.groups[probe.label] = draft.nwb.create_electrode_group(
            name=name,
            description=about or f"Electrodes of {probe.label}",
            location=_regions(draft, probe),
            device=device,
        )


def _regions(draft: Draft, probe: ProbeFiles) -> str:
    """Return the coarse regions that a probe goes through, that of most sites first."""
    from fascicle.nwb.parts.electrodes import sites_of
    from fascicle.nwb.parts.places import names_of

    found = sites_of(draft, probe).ids
    if found is None:
        return "unknown"
    names, _ = names_of(found, "Cosmos")
    counts = Counter(name for name in names.tolist() if name not in ("void", "root"))
    return ", ".join(name for name, _ in counts.most_common()) or "unknown"


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def build_trajectories(draft: Draft, entry: Entry, probes: Sequence[ProbeFiles]) -> None:
    """Make the table of trajectories of the metadata."""
    import numpy as np
    from hdmf.common import DynamicTable, VectorData

    rows = [(p, one) for p in probes for one in p.facts.get("trajectories") or []]
    if not rows:
        return
    texts = {
        "probe": ("Label of the probe", [p.label for p, _ in rows]),
        "pid": ("Id of the insertion", [_text(p.facts.get("pid")) for p, _ in rows]),
        "provenance": ("What tells the trajectory", [_text(t.get("provenance")) for _, t in rows]),
    }
    columns = [
        VectorData(name=name, description=about, data=words)
        for name, (about, words) in texts.items()
    ]
    columns += [
        VectorData(
            name=name, description=about, data=np.array([_number(t.get(key)) for _, t in rows])
        )
        for name, key, about in _TRAJECTORY
    ]
    draft.module("ecephys").add(
        DynamicTable(name=entry.name, description=entry.description, columns=columns)
    )


def _number(value: Any) -> float:
    try:
        return float("nan") if value is None else float(value)
    except (TypeError, ValueError):
        return float("nan")


def build_text(draft: Draft, entry: Entry) -> None:
    """Keep the text of a small file as it is."""
    for item in entry.wanted:
        file = draft.source.one(item.source)
        if file is None:
            continue
        try:
            text = draft.source.place(file).read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            draft.warn(f"it is no text: {error}", file)
            draft.skip(file, "it cannot be read as text")
            continue
        draft.nwb.add_scratch(text, name=entry.name, description=item.description or file.path)
        draft.took(file, Value("text", entry.nwb))
