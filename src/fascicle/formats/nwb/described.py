"""What an NWB file says of its session: whose it is, when it was, its probes, what it offers."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from fascicle.errors import BadFileError
from fascicle.formats.nwb.alf import AlfView
from fascicle.formats.nwb.mapping import mapping

if TYPE_CHECKING:
    from fascicle.formats.nwb import NwbFile

#: Raised when descriptions say more than before, so that kept ones are made anew.
FORMAT = 2
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DANDI_SUBJECT = re.compile(r"sub-([^_]+)")


@dataclass(slots=True)
class Described:
    """What is kept of a file, as plain values.

    Attributes
    ----------
    eid : str
        The session's id if the file has one that is a UUID (``session_id``, else ``identifier``).
    native : str
        Otherwise the id that it has; empty where it has none.
    layout, project : str
        Which writer made it, and the project that gives such sessions their ids.
    subject, lab, task, projects : str
    start : str
        When it began, ISO 8601 with the zone of the file.
    number : int
        Which session of its day it is, 0 where the file does not say it.
    alias : str
        Another id of it.
    part : bool
        Whether it is a part of a recording, such as the LFP of one probe, with a file of its own.
    datasets : list of str
        Paths of the ALF datasets that the file offers.
    probes : list of dict
        ``label``, ``model``, ``serial``, ``id`` (a UUID, where the file has one), ``extra``, and
        ``regions``: triples of CCF id, side (-1
        left, 1 right, 0 unknown) and number of channels; None where no electrode is described.
    unknown : dict
        Words for places that are no regions of the atlas, with the number of channels.
    """

    eid: str = ""
    native: str = ""
    layout: str = ""
    project: str = ""
    subject: str = ""
    lab: str = ""
    task: str = ""
    projects: str = ""
    start: str = ""
    number: int = 0
    alias: str = ""
    part: bool = False
    datasets: list[str] = field(default_factory=list)
    probes: list[dict[str, Any]] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return it as a dictionary of plain values."""
        return asdict(self)


def describe(file: NwbFile, *, name: str = "") -> Described:
    """Return what a file says of its session.

    Parameters
    ----------
    file : NwbFile
    name : str, optional
        Its path: the names of DANDI's files, ``sub-ID_ses-ID.nwb``, say what a file does not.

    Raises
    ------
    BadFileError
        If it is no NWB file, or harmed.
    """
    view = AlfView(file)
    layout = view.layout_of_file
    ids = [_text(view, place) for place in mapping().session["eid"]]
    ids = [i for i in ids if i != "None"]  # what some writers made of no id
    ids += [i.partition(":")[0] for i in ids if ":" in i]  # IBL's converter: with a revision
    eid = next((i.lower() for i in ids if _UUID.fullmatch(i)), "")
    out = Described(
        eid=eid,
        native="" if eid else next((i for i in ids if i), ""),
        layout=view.layout,
        project=layout.project if layout else "",
        subject=_first(view, "subject"),
        lab=_first(view, "lab"),
        task=_first(view, "task_protocol"),
        projects=_first(view, "projects"),
        start=_first(view, "start_time"),
        number=_number(_first(view, "number")),
        alias=_first(view, "aliases"),
        datasets=list(view.offers),
    )
    if not out.subject:
        found = _DANDI_SUBJECT.match(PurePosixPath(name).name)
        out.subject = found[1] if found else PurePosixPath(name).stem or out.native
    try:
        datetime.fromisoformat(out.start)
    except ValueError:
        raise BadFileError(
            f"{file.name}: session_start_time is {out.start!r}, and no date",
            hint="NWB asks for one such as 2020-01-31T12:00:00+00:00",
        ) from None
    facts = _probe_facts(view)
    of_probes = {str(probe.extra.get("ecephys_probe_id", "")) for probe in view.probes}
    out.part = bool(out.native) and out.native in of_probes
    for probe in view.probes:
        said = facts.get(probe.label, {})
        about = _about_probe(probe.label, said, model=probe.model, serial=probe.serial)
        about.update(extra=probe.extra, regions=_regions(view, probe, out.unknown))
        out.probes.append(about)
    for label, said in facts.items():
        if label and label not in {probe["label"] for probe in out.probes}:
            out.probes.append(_about_probe(label, said))
    return out


def _about_probe(label: str, said: dict[str, Any], *, model: str = "", serial: str = "") -> Any:
    """Return what is known of a probe, its own facts before what its device says."""
    pid = str(said.get("pid") or "")
    return {
        "label": label,
        "model": str(said.get("model") or "") or model,
        "serial": str(said.get("serial") or "") or serial,
        "id": pid if _UUID.fullmatch(pid) else "",
        "extra": {},
        "regions": None,
    }


def _regions(view: AlfView, probe: Any, unknown: dict[str, int]) -> list[list[int]] | None:
    """Return how many channels of a probe are where; void and root left out."""
    if not len(probe.electrodes):
        return None
    import numpy as np

    from fascicle.atlas.table import ROOT, VOID
    from fascicle.formats.nwb.rules import region_ids

    ids, words = region_ids(view, probe)
    for word, n in words.items():
        unknown[word] = unknown.get(word, 0) + n
    side = np.where(ids < 0, -1, 0)
    place = _place_of_channels(view, probe)
    found = view.read(place) if place else None
    if found is not None and found.ndim == 2 and len(found) == len(ids):
        ml = np.sign(np.nan_to_num(found[:, 0])).astype(np.int64)
        side = np.where(ids < 0, -1, ml)
    ids = np.abs(ids)
    keep = (ids != ROOT) & (ids != VOID)
    pairs, counts = np.unique(np.stack([ids[keep], side[keep]], axis=1), axis=0, return_counts=True)
    return [[*map(int, pair), int(n)] for pair, n in zip(pairs, counts, strict=True)]


def _place_of_channels(view: AlfView, probe: Any) -> str:
    """Return the dataset that says where the channels of a probe are, empty where none does."""
    if view.records is None:
        place = f"alf/{probe.label}/channels.mlapdv.npy"
        return place if place in view.offers else ""
    mine = (p for p in view.offers if f"/{probe.label}/" in p)
    return next((p for p in mine if p.endswith("/channels.mlapdv.npy")), "")


def _first(view: AlfView, what: str) -> str:
    return next((t for p in mapping().session[what] if (t := _text(view, p))), "")


def _text(view: AlfView, place: str) -> str:
    """Return what is at a place, or in an attribute of it, as text; empty where nothing is."""
    if "#" in place:
        value = _fact(view, place)
        if isinstance(value, list):
            return ",".join(str(one) for one in value)
        return "" if value is None else str(value).strip()
    path, at, attribute = place.partition("@")
    if not view.has(path):
        return ""
    value = view.file.attrs(path).get(attribute) if at else view.file.value(path, "")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return str(value).strip()


def _fact(view: AlfView, place: str) -> Any:
    """Return what a table of fields and values has for one; None where there is none.

    Raises
    ------
    BadFileError
        If it is no JSON.
    """
    table, _, field = place.partition("#")
    if not {"field", "value"} <= set(view.columns(table)):
        return None
    names = [str(name) for name in view.column(table, "field")]
    if field not in names:
        return None
    try:
        return json.loads(view.column(table, "value")[names.index(field)])
    except (ValueError, TypeError, RecursionError) as error:
        raise BadFileError(
            f"{view.file.name}: /{table}: {field} is no JSON: {error}",
            hint="the file may be damaged: get it again",
        ) from error


def _probe_facts(view: AlfView) -> dict[str, dict[str, Any]]:
    """Return what a file of ours says of its probes beside, by label."""
    out: dict[str, dict[str, Any]] = {}
    for place in mapping().session["probes"]:
        found = _fact(view, place)
        for probe in found if isinstance(found, list) else []:
            if isinstance(probe, dict):
                out.setdefault(str(probe.get("label") or ""), probe)
    return out


def _number(text: str) -> int:
    return int(float(text)) if re.fullmatch(r"\d{1,3}(\.0)?", text) else 0
