"""Tables and arrays that an analysis starts from, over any archive.

`units` (one row per sorted unit), `spike_times`, `trials` (one row per trial), `align` (spikes or
samples around events), `raw` (voltages in seconds of the session's clock), `availability` (which
sessions have what), and `across.units`, which is ``fascicle.units``: units of many sessions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.analysis.aligned import align, bin_centres
    from fascicle.analysis.available import availability
    from fascicle.analysis.snippets import Snippet, raw
    from fascicle.analysis.trial_table import trials
    from fascicle.analysis.unit_table import spike_times, units

__all__ = [
    "Snippet",
    "align",
    "availability",
    "bin_centres",
    "raw",
    "spike_times",
    "trials",
    "units",
]

_HOMES = {
    "Snippet": "snippets",
    "align": "aligned",
    "availability": "available",
    "bin_centres": "aligned",
    "raw": "snippets",
    "spike_times": "unit_table",
    "trials": "trial_table",
    "units": "unit_table",
}

__getattr__, __dir__ = attach(__name__, _HOMES)
