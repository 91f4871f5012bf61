"""What ONE's first interface hands out: data with their context, one list for each property."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from fascicle.alyx.bunch import Bunch


class _Columns:
    """Lists of equal length, one for each field: subscriptable by field and by position.

    ``x["url"]`` is the list, ``x[0]`` the first dataset with all its properties; ``len`` and
    iteration go over datasets, ``keys``, ``values`` and ``items`` over properties.
    """

    def keys(self) -> list[str]:
        """Return the names of the properties."""
        return [f.name for f in fields(self)]  # type: ignore[arg-type]

    def values(self) -> list[list[Any]]:
        """Return the lists."""
        return [getattr(self, name) for name in self.keys()]

    def items(self) -> list[tuple[str, list[Any]]]:
        """Return names and lists."""
        return [(name, getattr(self, name)) for name in self.keys()]

    def __getitem__(self, key: str | int) -> Any:
        if isinstance(key, str):
            if key not in self.keys():
                raise KeyError(f"{key!r}: there is {', '.join(self.keys())}")
            return getattr(self, key)
        return Bunch({name: column[key] for name, column in self.items()})

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __len__(self) -> int:
        return len(self.values()[0])

    def __iter__(self) -> Iterator[Bunch]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        return len(self) > 0

    def append(self, row: dict[str, Any]) -> None:
        """Add a dataset; what is unknown of it is None."""
        for name, column in self.items():
            column.append(row.get(name))

    def _table(self, *columns: str) -> str:
        """Return some properties as a text, one dataset to a line."""
        lines = [columns, *(tuple(str(row[c]) for c in columns) for row in self)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
        text = [
            "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        n = len(self)
        return "\n".join([f"{n} dataset{'' if n == 1 else 's'}", *text])


@dataclass(repr=False, eq=False)
class SessionData(_Columns):
    """Data of a session, each with its context.

    Attributes
    ----------
    data : list
        Contents of the files, such as arrays; None where only files were asked for.
    dataset_id : list of str
        Ids of the datasets.
    local_path : list of str
        Full paths of the files.
    dataset_type : list of str
        Types of the datasets.
    url : list of str
        Where the files come from; None for those of a folder.
    eid : list of str
        Id of the session.
    """

    data: list[Any] = field(default_factory=list)
    dataset_id: list[str] = field(default_factory=list)
    local_path: list[str] = field(default_factory=list)
    dataset_type: list[str] = field(default_factory=list)
    url: list[str | None] = field(default_factory=list)
    eid: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return self._table("dataset_type", "dataset_id", "local_path")


@dataclass(repr=False, eq=False)
class SessionDatasets(_Columns):
    """What is known of the datasets of a session.

    Attributes
    ----------
    dataset_type : list of str
        Types of the datasets.
    dataset_id : list of str
        Ids.
    data_url : list of str
        Where the files are; None for those of a folder.
    name : list of str
        Names of the files.
    collection, revision : list of str
        Folders that they are in; '' where there is none.
    default_revision : list of bool
        Whether they are the ones to load.
    file_size : list of int
        Bytes; None where unknown.
    hash : list of str
        md5; '' where unknown.
    qc : list of str
        Quality.
    url : list of str
        What the database calls them.
    eid : list of str
        Id of the session.
    """

    dataset_type: list[str] = field(default_factory=list)
    dataset_id: list[str] = field(default_factory=list)
    data_url: list[str | None] = field(default_factory=list)
    name: list[str] = field(default_factory=list)
    collection: list[str] = field(default_factory=list)
    revision: list[str] = field(default_factory=list)
    default_revision: list[bool] = field(default_factory=list)
    file_size: list[int | None] = field(default_factory=list)
    hash: list[str] = field(default_factory=list)
    qc: list[str] = field(default_factory=list)
    url: list[str | None] = field(default_factory=list)
    eid: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return self._table("dataset_type", "dataset_id", "data_url")
