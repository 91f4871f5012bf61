"""Names of NWB files as DANDI wants them: ``sub-NAME/sub-NAME_ses-ID_behavior+ecephys.nwb``."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from fascicle.errors import MetadataError

if TYPE_CHECKING:
    from collections.abc import Collection

    from fascicle.nwb.metadata import SessionMetadata
    from fascicle.nwb.writing.entries import Entry

# What separates fields of a name, what file systems do not take, and what cannot be seen.
_FORBIDDEN = re.compile(r"[_*\\/<>:|\"'?%@;,.\s\x00-\x1f\x7f]")
#: Longest label: two of them and the rest fit into the 255 bytes of a file name.
_LONGEST = 90

_ECEPHYS = frozenset({"ElectricalSeries", "LFP", "SpikeEventSeries", "ElectrodesTable", "Units"})
_IMAGE = frozenset({"ImageSeries", "IndexSeries", "OpticalSeries", "ImageMaskSeries"})


def label_of(text: str) -> str:
    """Return a name or id as it may stand in a file name of DANDI.

    Examples
    --------
    >>> label_of("CSH_ZAD_003"), label_of("a/b.c")
    ('CSH-ZAD-003', 'a-b-c')
    """
    label = _FORBIDDEN.sub("-", text.strip())
    if len(label.encode()) <= _LONGEST:
        return label
    short = label.encode()[: _LONGEST - 9].decode(errors="ignore")
    return f"{short}-{sha256(text.encode()).hexdigest()[:8]}"


def modalities_of(objects: Collection[Entry], *, without: Collection[str] = ()) -> list[str]:
    """Return what a file with these objects holds: behavior, ecephys, image; sorted.

    Parameters
    ----------
    objects : collection of Entry
    without : collection of str
        Parts of the conversion that are left out.
    """
    found = set()
    for entry in objects:
        if not entry.on or entry.part in without:
            continue
        if entry.part in ("probes", "units") or entry.type in _ECEPHYS:
            found.add("ecephys")
        elif entry.type in _IMAGE:
            found.add("image")
        elif entry.nwb.startswith(("processing/behavior/", "events/", "intervals/")):
            found.add("behavior")
    return sorted(found)


def dandi_name(metadata: SessionMetadata, *, without: Collection[str] = ()) -> str:
    """Return the file name that DANDI gives a session.

    Parameters
    ----------
    metadata : SessionMetadata
    without : collection of str
        Parts of the conversion that are left out.

    Raises
    ------
    MetadataError
        If the document names no animal.
    """
    subject = label_of(str(metadata.subject.get("subject_id") or ""))
    if not subject:
        raise MetadataError(
            "subject.subject_id: a file is named after the animal",
            hint="set it, or give the name of the file",
        )
    said = metadata.session.get("session_id") or metadata.eid
    session = label_of(str(said or ""))
    if not session:
        start = str(metadata.session.get("start_time") or "")[:19]
        session = label_of(start.replace(":", ""))
    name = f"sub-{subject}" + (f"_ses-{session}" if session else "")
    kinds = "+".join(modalities_of(metadata.objects, without=without))
    return f"{name}_{kinds}.nwb" if kinds else f"{name}.nwb"


def dandi_path(metadata: SessionMetadata, *, without: Collection[str] = ()) -> PurePosixPath:
    """Return where DANDI puts the file of a session, relative to its dandiset's folder.

    Parameters
    ----------
    metadata : SessionMetadata
    without : collection of str
        Parts of the conversion that are left out.

    Raises
    ------
    MetadataError
        If the document names no animal.
    """
    name = dandi_name(metadata, without=without)
    return PurePosixPath(re.split(r"_|\.nwb$", name)[0]) / name
