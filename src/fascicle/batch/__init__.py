"""One function over many sessions: on the cores of this machine, or on a Dask cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.batch.conversions import Conversion, Conversions, convert_sessions
    from fascicle.batch.running import Outcome, run

__all__ = ["Conversion", "Conversions", "Outcome", "convert_sessions", "run"]

_HOMES = {
    "Conversion": "conversions",
    "Conversions": "conversions",
    "Outcome": "running",
    "convert_sessions": "conversions",
    "run": "running",
}

__getattr__, __dir__ = attach(__name__, _HOMES)
