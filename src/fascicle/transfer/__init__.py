"""From addresses to whole, verified files: every byte that fascicle brings here comes through this.

A `Source` says where a file's bytes are, `make_plan` what is missing, `Plan.run` brings it. A file
appears under its name only when it is whole and is what the record says; whatever interrupts a
transfer, a later one goes on from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.transfer.ledger import Check, Ledger, Row, verify_store
    from fascicle.transfer.limits import Limits
    from fascicle.transfer.plan import Item, Plan
    from fascicle.transfer.planning import make_plan
    from fascicle.transfer.ranged import RangedFile, open_ranged
    from fascicle.transfer.result import Outcome, Result
    from fascicle.transfer.s3 import Access
    from fascicle.transfer.source import Source

__all__ = [
    "Access",
    "Check",
    "Item",
    "Ledger",
    "Limits",
    "Outcome",
    "Plan",
    "RangedFile",
    "Result",
    "Row",
    "Source",
    "make_plan",
    "open_ranged",
    "verify_store",
]

_HOMES = {
    "Access": "s3",
    "Check": "ledger",
    "Item": "plan",
    "Ledger": "ledger",
    "Limits": "limits",
    "Outcome": "result",
    "Plan": "plan",
    "RangedFile": "ranged",
    "Result": "result",
    "Row": "ledger",
    "Source": "source",
    "make_plan": "planning",
    "open_ranged": "ranged",
    "verify_store": "ledger",
}

__getattr__, __dir__ = attach(__name__, _HOMES)
