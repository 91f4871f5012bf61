"""Synthetic files of Visual Behavior Neuropixels, of the layout that real ones have.

``write_session`` writes them, at any size up to that of real ones. What is in a file belongs
together: spikes answer to stimuli, licks and rewards to changes. All names are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.demo.vbn.recording import Probe, Recording, plan_recording
    from fascicle.demo.vbn.session import write_session

_WHERE = {
    "Probe": "recording",
    "Recording": "recording",
    "plan_recording": "recording",
    "write_session": "session",
}

__all__ = ["Probe", "Recording", "plan_recording", "write_session"]

__getattr__, __dir__ = attach(__name__, _WHERE)
