"""What a walk consists of."""

from __future__ import annotations

from typing import NamedTuple


class Step(NamedTuple):
    """One step: a sentence on what it does, and its code. Steps share their variables."""

    what: str
    code: str
    figures: bool = False
