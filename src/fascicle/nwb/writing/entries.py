"""What a conversion writes: one entry for each object of the NWB file, one item for each array."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any


class _Fields:
    """Fields by their names too: ``entry["on"]``, as the rest of a document has them."""

    __slots__ = ()

    def __getitem__(self, name: str) -> Any:
        if name not in self._names():
            raise KeyError(name)
        return getattr(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self._names():
            raise KeyError(f"{name}: it has {', '.join(self._names())}")
        setattr(self, name, value)

    def _names(self) -> list[str]:
        return [one.name for one in fields(self)]  # type: ignore[arg-type]


@dataclass(slots=True)
class Item(_Fields):
    """One array of an NWB object: a column of a table, or the data of a series.

    Attributes
    ----------
    name : str
        Its name in the NWB object.
    source : str
        The dataset and attribute that feed it: ``object.attribute``, or
        ``object.attribute:column`` for one column of a table (``clusters.metrics:firing_rate``).
        Several that make one array together stand side by side, separated by a comma.
    unit : str
        Of the values in the NWB file.
    description : str
    on : bool
        Whether it is written.
    dtype : str
        The type that it is written as, as numpy names it; empty for that of the source. A
        narrower one loses precision, and is only taken where somebody asks for it.
    by : str
        The dataset that groups it (``spikes.clusters``).
    """

    name: str
    source: str
    unit: str = ""
    description: str = ""
    on: bool = True
    dtype: str = ""
    by: str = ""


@dataclass(slots=True)
class Entry(_Fields):
    """One object of the NWB file, and the datasets that feed it.

    Attributes
    ----------
    nwb : str
        Path in the file, without a leading slash: ``units``, ``intervals/trials``,
        ``processing/behavior/WheelPosition``.
    type : str
        Its NWB type, e.g. ``TimeIntervals``.
    part : str
        The part of `fascicle.nwb.parts` that builds it.
    collections : list of str
        Where in the session its datasets are; one for each probe where it holds several probes.
    description : str
    on : bool
        Whether it is written.
    items : list of Item
    settings : dict
        What the part wants to know beside, as plain JSON.
    """

    nwb: str
    type: str
    part: str
    collections: list[str] = field(default_factory=list)
    description: str = ""
    on: bool = True
    items: list[Item] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The last step of its path."""
        return self.nwb.rpartition("/")[2]

    def item(self, name: str) -> Item | None:
        """Return the item of a name if it is written, else None."""
        return next((one for one in self.items if one.name == name and one.on), None)

    @property
    def wanted(self) -> list[Item]:
        """The items that are written."""
        return [one for one in self.items if one.on]
