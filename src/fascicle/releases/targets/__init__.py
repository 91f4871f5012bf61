"""Places that a release is written to: a bucket, a folder, a ZIP file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.releases.targets.base import KeyTaken, Target, Upload, open_target

__all__ = ["KeyTaken", "Target", "Upload", "open_target"]

_HOMES = {"KeyTaken": "base", "Target": "base", "Upload": "base", "open_target": "base"}

__getattr__, __dir__ = attach(__name__, _HOMES)
