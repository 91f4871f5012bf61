"""From addresses to whole, verified files: every byte that fascicle brings here comes through this.

A `Source` says where a file's bytes are, `make_plan` what is missing, `Plan.run` brings it. A file
appears under its name only when it is whole and is what the record says; whatever interrupts a
transfer, a later one goes on from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.transfer.bucket import Bucket, Listed
    from fascicle.transfer.ledger import Check, Ledger, Row, verify_store
    from fascicle.transfer.limits import Limits
    from fascicle.transfer.localfile import LocalFile
    from fascicle.transfer.places import (
        FolderPlace,
        Place,
        S3Place,
        WebPlace,
        ZipPlace,
        open_place,
    )
    from fascicle.transfer.plan import Item, Plan
    from fascicle.transfer.planning import make_plan
    from fascicle.transfer.ranged import RangedFile, open_ranged
    from fascicle.transfer.result import Outcome, Result
    from fascicle.transfer.s3 import Access
    from fascicle.transfer.source import Source

__all__ = [
    "Access",
    "Bucket",
    "Check",
    "FolderPlace",
    "Item",
    "Ledger",
    "Limits",
    "Listed",
    "LocalFile",
    "Outcome",
    "Place",
    "Plan",
    "RangedFile",
    "Result",
    "Row",
    "S3Place",
    "Source",
    "WebPlace",
    "ZipPlace",
    "make_plan",
    "open_place",
    "open_ranged",
    "verify_store",
]

_HOMES = {
    "Access": "s3",
    "Bucket": "bucket",
    "Check": "ledger",
    "FolderPlace": "places",
    "Item": "plan",
    "Ledger": "ledger",
    "Limits": "limits",
    "Listed": "bucket",
    "Outcome": "result",
    "Place": "places",
    "Plan": "plan",
    "LocalFile": "localfile",
    "RangedFile": "ranged",
    "Result": "result",
    "Row": "ledger",
    "S3Place": "places",
    "Source": "source",
    "WebPlace": "places",
    "ZipPlace": "places",
    "make_plan": "planning",
    "open_place": "places",
    "open_ranged": "ranged",
    "verify_store": "ledger",
}

__getattr__, __dir__ = attach(__name__, _HOMES)
