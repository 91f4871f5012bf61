"""Synthetic files of Visual Behavior Neuropixels, of the layout that real ones have.

``write_session``, ``write_lfp`` and ``write_behavior`` write the three kinds of files, at any size
up to that of real ones. What is in them belongs together: spikes answer to stimuli, licks and
rewards to changes. All names are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.demo.vbn.behavior import write_behavior
    from fascicle.demo.vbn.lfp import write_lfp
    from fascicle.demo.vbn.recording import (
        IMAGES,
        METRICS,
        Probe,
        Recording,
        plan_recording,
        plan_training,
    )
    from fascicle.demo.vbn.session import SIZES, write_session

_WHERE = {
    "IMAGES": "recording",
    "METRICS": "recording",
    "Probe": "recording",
    "Recording": "recording",
    "SIZES": "session",
    "plan_recording": "recording",
    "plan_training": "recording",
    "write_behavior": "behavior",
    "write_lfp": "lfp",
    "write_session": "session",
}

__all__ = [  # noqa: RUF022 - in the order of use
    "write_session",
    "write_lfp",
    "write_behavior",
    "plan_recording",
    "plan_training",
    "SIZES",
    "IMAGES",
    "METRICS",
    "Recording",
    "Probe",
]

__getattr__, __dir__ = attach(__name__, _WHERE)
