"""Checks of a new NWB file: its values against their source, the schema, good practice, DANDI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.nwb.checking.results import CHECKS, Check, Finding, chosen
    from fascicle.nwb.checking.running import run_checks

__all__ = ["CHECKS", "Check", "Finding", "chosen", "run_checks"]

_HOMES = {
    "CHECKS": "results",
    "Check": "results",
    "Finding": "results",
    "chosen": "results",
    "run_checks": "running",
}

__getattr__, __dir__ = attach(__name__, _HOMES)
