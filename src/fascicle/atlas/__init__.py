"""Brain regions: the Allen CCF 2017 tree of structures, and coarser parcellations of it."""

from __future__ import annotations

from fascicle.atlas.regions import Regions

__all__ = ["Regions"]
