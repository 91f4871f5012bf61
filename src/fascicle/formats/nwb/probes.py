"""The probes of an NWB file: which electrodes and units are whose, and how they are called."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fascicle.errors import BadFileError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.formats.nwb.alf import AlfView

_GROUPS = "general/extracellular_ephys"
_DEVICES = "general/devices"
_NAMED = re.compile(
    r"(?:neuropixels)?[ _-]*probe[ _-]*(\w+?)(?:[ _-]*shank[ _-]*\w*)?", re.IGNORECASE
)
_IMEC = re.compile(r"imec(\d)", re.IGNORECASE)
#: The units that belong to no probe that the file names, where there are several.
UNASSIGNED = "probe_unassigned"


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe of a file.

    Attributes
    ----------
    label : str
        ``probe00``, ``probeA``: what its collection is called.
    groups : tuple of str
        Electrode groups in the file.
    electrodes, units : ndarray of int
        Its rows of the tables of electrodes and of units, rising.
    model, serial : str
    extra : dict
        Plain values: the names and ids that the file has for it.
    """

    label: str
    groups: tuple[str, ...]
    electrodes: NDArray[np.intp]
    units: NDArray[np.intp]
    model: str = ""
    serial: str = ""
    extra: dict[str, Any] = field(default_factory=dict)


def probe_label(name: str) -> str:
    """Return the label that a name of a probe, group or device stands for; empty where for none.

    Examples
    --------
    >>> probe_label("NeuropixelsProbe00"), probe_label("probeA"), probe_label("H-116: 64")
    ('probe00', 'probeA', '')
    """
    if found := _NAMED.fullmatch(name.strip()):
        return f"probe{found[1]}"
    if found := _IMEC.fullmatch(name.strip()):
        return f"probe0{found[1]}"
    return ""


def find_probes(view: AlfView) -> tuple[Probe, ...]:
    """Return the probes of a file, by label.

    A group of electrodes with the name of a probe is one; groups of one device (shanks, tetrodes)
    are one together; what has no such name is numbered: ``probe00``, ``probe01``, …
    """
    import numpy as np

    if view.records is not None:
        ours = _labelled(view)
        if ours is not None:
            return ours
    of_electrode = _group_of_electrode(view)
    groups = list(dict.fromkeys(name for name in of_electrode if name))
    of_unit = _group_of_unit(view, of_electrode)
    groups += [name for name in dict.fromkeys(of_unit) if name and name not in groups]
    devices = {name: _device(view, name) for name in groups}
    labels = _labels(devices)
    electrode_labels = np.array([labels.get(name, "") for name in of_electrode], dtype=object)
    unit_labels = np.array([labels.get(name, "") for name in of_unit], dtype=object)
    if len(unit_labels) and not all(unit_labels):
        known = sorted(set(labels.values()))
        rest = known[0] if len(known) == 1 else UNASSIGNED if known else "probe00"
        unit_labels[unit_labels == ""] = rest
    out = []
    for label in sorted({*electrode_labels, *unit_labels} - {""}):
        mine = tuple(name for name in groups if labels[name] == label)
        device = next((devices[name] for name in mine if devices[name]), "")
        about = _about(view, device, mine)
        out.append(
            Probe(
                label,
                mine,
                np.flatnonzero(electrode_labels == label),
                np.flatnonzero(unit_labels == label),
                about.pop("model", ""),
                about.pop("serial", ""),
                about,
            )
        )
    return tuple(out)


def _labelled(view: AlfView) -> tuple[Probe, ...] | None:
    """Return the probes of a file of ours, whose tables have the labels; None where they lack."""
    import numpy as np

    from fascicle.formats.nwb.alf import ELECTRODES
    from fascicle.formats.nwb.spikes import UNITS

    rows: dict[str, dict[str, Any]] = {}
    for table in (ELECTRODES, UNITS):
        columns = view.columns(table)
        if columns and "probe_name" not in columns:
            return None
        found = np.array(view.column(table, "probe_name") if columns else [], dtype=object)
        for label in sorted({str(label) for label in found}):
            rows.setdefault(label, {})[table] = np.flatnonzero(found == label)
    of_electrode = np.array(_group_of_electrode(view), dtype=object)
    nothing = np.empty(0, np.intp)
    out = []
    for label, mine in sorted(rows.items()):
        electrodes = mine.get(ELECTRODES, nothing)
        groups = tuple(name for name in dict.fromkeys(of_electrode[electrodes].tolist()) if name)
        device = next((d for name in groups if (d := _device(view, name))), "")
        about = _about(view, device, groups)
        model, serial = about.pop("model", ""), about.pop("serial", "")
        units = mine.get(UNITS, nothing)
        out.append(Probe(label, groups, electrodes, units, model, serial, about))
    return tuple(out)


def _labels(devices: dict[str, str]) -> dict[str, str]:
    """Return the label of each group."""
    labels = {name: probe_label(name) or probe_label(device) for name, device in devices.items()}
    taken = {label for label in labels.values() if label}
    numbered: dict[str, str] = {}
    number = 0
    for name, device in devices.items():
        if labels[name]:
            continue
        owner = f"device {device}" if device else f"group {name}"
        if owner not in numbered:
            while (label := f"probe{number:02d}") in taken:
                number += 1
            numbered[owner] = label
            taken.add(label)
        labels[name] = numbered[owner]
    return labels


def _group_of_electrode(view: AlfView) -> list[str]:
    from fascicle.formats.nwb.alf import ELECTRODES

    columns = view.columns(ELECTRODES)
    for column in ("group_name", "group"):
        if column in columns:
            return [_last(value) for value in view.column(ELECTRODES, column)]
    return [""] * view.rows(ELECTRODES) if columns else []


def _last(value: Any) -> str:
    """Return the name at the end of a path, or a name that is no path."""
    text = "" if value is None else str(value)
    return text.rpartition("/")[2] if text.startswith("/") else text


def _group_of_unit(view: AlfView, of_electrode: list[str]) -> list[str]:
    """Return the group of each unit, empty where the file does not say it."""
    import numpy as np

    from fascicle.formats.nwb.spikes import UNITS

    columns = view.columns(UNITS)
    if not columns:
        return []
    for column in ("probe_name", "electrode_group", "group_name"):
        if column in columns:
            return [_last(value) for value in view.column(UNITS, column)]
    if "peak_channel_id" in columns and of_electrode:
        rows = row_of_id(view, view.column(UNITS, "peak_channel_id"))
        return [of_electrode[row] if row >= 0 else "" for row in rows.tolist()]
    n = view.rows(UNITS)
    at = np.full(n, -1)
    if "max_electrode" in columns:
        at = np.asarray(view.column(UNITS, "max_electrode")).astype(np.int64)
    elif "electrodes" in view.ragged_columns(UNITS):
        at = first_electrodes(view)
    elif "electrodes" in columns and np.ndim(view.column(UNITS, "electrodes")) == 1:
        at = np.asarray(view.column(UNITS, "electrodes")).astype(np.int64)
    inside = (at >= 0) & (at < len(of_electrode))
    return [of_electrode[row] if ok else "" for row, ok in zip(at, inside, strict=True)]


def first_electrodes(view: AlfView) -> NDArray[np.int64]:
    """Return the row of the first electrode of each unit, -1 where it has none."""
    import numpy as np

    from fascicle.formats.nwb.spikes import UNITS

    ends = view.ends("electrodes")
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
    values = np.asarray(view.file.array(f"{UNITS}/electrodes")).astype(np.int64)
    out = np.full(len(ends), -1, np.int64)
    some = starts < ends
    out[some] = values[starts[some]]
    return out


def row_of_id(view: AlfView, ids: Any) -> NDArray[np.int64]:
    """Return the rows of the electrodes with some ids, -1 where there is none."""
    import numpy as np

    from fascicle.formats.nwb.alf import ELECTRODES

    known = {int(v): row for row, v in enumerate(view.column(ELECTRODES, "id"))}
    return np.array([known.get(int(v), -1) for v in ids], np.int64)


def _device(view: AlfView, group: str) -> str:
    """Return the name of the device of a group, empty where the file does not say it."""
    place = f"{_GROUPS}/{group}/device"
    if not view.has(place):
        return ""
    try:
        return str(view.file.group(place).name or "").rpartition("/")[2]
    except BadFileError:
        return ""


def _about(view: AlfView, device: str, groups: tuple[str, ...]) -> dict[str, Any]:
    """Return what the file says of a probe, as plain values."""
    out: dict[str, Any] = {"groups": list(groups)}
    places = [f"{_DEVICES}/{device}"] if device else []
    places += [f"{_GROUPS}/{name}" for name in groups]
    if device:
        out["device"] = device
    for place in places:
        if not view.has(place):
            continue
        said = view.file.attrs(place)
        serial = said.get("serial_number")
        if isinstance(serial, str) and serial:
            out.setdefault("serial", serial)
        for key in ("model_name", "description"):
            if place.startswith(_DEVICES) and isinstance(said.get(key), str) and said[key]:
                out.setdefault("model", said[key])
        if (number := said.get("probe_id")) is not None:
            out.setdefault("ecephys_probe_id", int(number))
    return out
