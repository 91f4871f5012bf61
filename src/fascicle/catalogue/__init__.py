"""What exists: the catalogue of a folder, its index on disk, and questions to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
