"""A dictionary whose items are attributes too: what ONE hands out for records."""

from __future__ import annotations

from fascicle.alyx.bunch import Bunch

__all__ = ["Bunch"]
