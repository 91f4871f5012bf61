"""Sessions of the Allen Institute's Visual Behavior Neuropixels, with the names they have there.

::

    from fascicle.allen import BehaviorEcephysSession

    session = BehaviorEcephysSession.from_nwb_path("ecephys_session_1044385384.nwb")
    session.spike_times[1049364244]   # reads the bytes of one unit

A project's cache opens them by id: ``cache.get_ecephys_session(ecephys_session_id=…)``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.allen.ecephys import BehaviorEcephysSession
    from fascicle.allen.eye import Coordinates
    from fascicle.allen.links import Links
    from fascicle.allen.probes import Probe, Probes
    from fascicle.allen.session import BehaviorSession, VBNBehaviorSession
    from fascicle.allen.units import UnitArrays
    from fascicle.errors import NanMetricsWarning

__all__ = [  # noqa: RUF022 - in the order of use
    "BehaviorEcephysSession",
    "BehaviorSession",
    "VBNBehaviorSession",
    "UnitArrays",
    "Probe",
    "Probes",
    "Coordinates",
    "Links",
    "NanMetricsWarning",
]

_HOMES = {
    "BehaviorEcephysSession": "ecephys",
    "BehaviorSession": "session",
    "VBNBehaviorSession": "session",
    "UnitArrays": "units",
    "NanMetricsWarning": "fascicle.errors",
    "Probe": "probes",
    "Probes": "probes",
    "Coordinates": "eye",
    "Links": "links",
}

__getattr__, __dir__ = attach(__name__, _HOMES)
