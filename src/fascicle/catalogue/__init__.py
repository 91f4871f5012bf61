"""What exists: the catalogue of a folder, its index on disk, and questions to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.catalogue.change import Change as Change
    from fascicle.catalogue.change import DatasetRow as DatasetRow
    from fascicle.catalogue.columns import InsertionRow as InsertionRow
    from fascicle.catalogue.datasets import Datasets as Datasets
    from fascicle.catalogue.indexing import index as index
    from fascicle.catalogue.query import Catalogue as Catalogue
    from fascicle.catalogue.report import IndexReport as IndexReport
    from fascicle.catalogue.schema import Insertion as Insertion
    from fascicle.catalogue.schema import Session as Session

_PLACES = {
    "Catalogue": "query",
    "Change": "change",
    "DatasetRow": "change",
    "Datasets": "datasets",
    "IndexReport": "report",
    "Insertion": "schema",
    "InsertionRow": "columns",
    "Session": "schema",
    "index": "indexing",
}
__all__ = sorted(_PLACES)

__getattr__, __dir__ = attach(__name__, _PLACES)
