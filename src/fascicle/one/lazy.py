"""Ids of records that come page by page from a server, when they are looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

__all__ = ["LazyId"]


class LazyId(Mapping[Any, Any]):
    """A list of ids whose records are fetched page by page, as they are asked for.

    It has a length, items, slices and iterates like a list; it is a Mapping as ONE's is.

    Parameters
    ----------
    pages : sequence or lazy pages of records
        What a server's list answered.
    func : callable, optional
        Makes an item of a record, and a list of items of a list of records; by default its id.
    """

    def __init__(self, pages: Any, func: Callable[[Any], Any] | None = None) -> None:
        self._pg = pages
        self.func = func or ids_of

    def __getitem__(self, item: Any) -> Any:
        return self.func(self._pg[item])

    def __len__(self) -> int:
        return len(self._pg)

    def __iter__(self) -> Iterator[Any]:
        return map(self.func, iter(self._pg))

    def __contains__(self, item: object) -> bool:
        return any(item == known for known in self)

    def __repr__(self) -> str:
        return f"<{len(self)} records, fetched as they are looked at>"

    @staticmethod
    def ses2eid(ses: Any) -> Any:
        """Return the id of a record, or a list of those of several.

        Parameters
        ----------
        ses : dict or list of dict
            Records of sessions or of other things with an id.

        Returns
        -------
        uuid.UUID or list of uuid.UUID
        """
        return ids_of(ses)


def ids_of(records: Any) -> Any:
    """Return the id of a record, or a list of the ids of several."""
    if not isinstance(records, Mapping) or isinstance(records, LazyId):
        return [ids_of(record) for record in records]
    return UUID(records.get("id") or records["url"].rstrip("/")[-36:])
