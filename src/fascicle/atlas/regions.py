"""Look up brain regions: ids, acronyms, names, ancestors, descendants, parcellations."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias

from fascicle.atlas.table import MAPPINGS, VOID, Table, mapping_rows, table
from fascicle.errors import RegionNotFound, SearchTermError, nearest

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

Region: TypeAlias = "str | SupportsIndex"


class Regions:
    """The structures of the Allen Mouse Brain Common Coordinate Framework (2017).

    An instance costs nothing: the table is read on the first look-up (about a millisecond) and
    shared by all instances. Wherever a region is asked for, its id, acronym or name will do. A
    negative id is the same structure in the left hemisphere; ids that map to ids keep their sign.

    Examples
    --------
    >>> regions = Regions()
    >>> regions.resolve("TH"), regions.resolve("Thalamus"), regions.resolve(-549)
    (549, 549, 549)
    >>> regions.acronym(181), regions.name("RH")
    ('RE', 'Rhomboid nucleus')
    >>> regions.resolve("RH") in regions.descendants("TH")
    True
    >>> regions.map([-181, 385], "Cosmos")
    [-549, 315]
    """

    mappings = MAPPINGS
    """Names of the parcellations that ids can be mapped to."""

    __slots__ = ()

    # -- one region --------------------------------------------------------------------------

    def resolve(self, region: Region) -> int:
        """Return the id of a region given by id, acronym or name.

        Parameters
        ----------
        region : int or str
            CCF id of either sign (also as text), acronym, or full name. Acronyms are matched as
            written first (``CM`` and ``cm`` are two structures), then whatever their case.

        Returns
        -------
        int
            The positive id; 0 for the void outside the brain.

        Raises
        ------
        RegionNotFound
            If nothing matches; the message names the nearest acronyms and names.
        """
        t = table()
        if not isinstance(region, str):
            return t.ids[self._row(region)]
        if (found := t.by_acronym.get(region)) is not None:
            return found
        text = region.strip()
        if text.lstrip("-").isdecimal():
            return t.ids[self._row(int(text))]
        return t.ids[_row_by_words(t, text)]

    def acronym(self, region: Region) -> str:
        """Return the acronym of a region, e.g. ``TH``."""
        return table().acronyms[self._find(region)]

    def name(self, region: Region) -> str:
        """Return the full name of a region, e.g. ``Thalamus``."""
        return table().names[self._find(region)]

    def colour(self, region: Region) -> str:
        """Return the colour that the Allen atlas gives a region, as ``#rrggbb``."""
        return "#" + table().colours[self._find(region)].lower()

    def level(self, region: Region) -> int:
        """Return the depth of a region in the tree; the root has 0."""
        return table().depths[self._find(region)]

    def parent(self, region: Region) -> int | None:
        """Return the id of the parent, or None for the root and the void; a sign is kept."""
        t = table()
        row = t.parents[self._find(region)]
        if row < 0:
            return None
        left = not isinstance(region, str) and operator.index(region) < 0
        return -t.ids[row] if left else t.ids[row]

    def children(self, region: Region) -> tuple[int, ...]:
        """Return the positive ids of the structures right below a region, in atlas order."""
        t = table()
        row = self._find(region)
        return tuple(t.ids[i] for i in range(row + 1, t.end[row]) if t.parents[i] == row)

    def descendants(self, region: Region) -> frozenset[int]:
        """Return the positive ids of a region and of all that lies below it."""
        t = table()
        row = self._find(region)
        return frozenset(t.ids[row : t.end[row]])

    def ancestors(self, region: Region) -> tuple[int, ...]:
        """Return the positive ids from the root down to the region itself."""
        t = table()
        row = self._find(region)
        path = []
        while row >= 0:
            path.append(t.ids[row])
            row = t.parents[row]
        return tuple(reversed(path))

    # -- many ids ----------------------------------------------------------------------------

    def map(self, ids: Iterable[SupportsIndex], mapping: str) -> list[int]:
        """Return the ids in a coarser parcellation, with the standard library alone.

        Parameters
        ----------
        ids : iterable of int
            CCF ids of either sign.
        mapping : {'Allen', 'Beryl', 'Cosmos', 'Swanson'}
            The parcellation. A region maps to its nearest member among itself and its ancestors,
            else to the root (997).

        Returns
        -------
        list of int
            As many ids, each with the sign that it came with.

        Raises
        ------
        RegionNotFound
            If an id is not in the CCF tree.
        SearchTermError
            If there is no such parcellation.
        """
        t, rows = table(), mapping_rows(_mapping(mapping))
        out = []
        for item in ids:
            number = operator.index(item)
            target = t.ids[rows[self._row(number)]]
            out.append(-target if number < 0 else target)
        return out

    def remap(self, ids: ArrayLike, mapping: str) -> NDArray[np.int64]:
        """Return an array of ids in a coarser parcellation: `map` for numpy arrays of any shape."""
        import numpy as np

        given, unique, inverse = _unique(ids)
        mapped = np.array(self.map(unique.tolist(), mapping), dtype=np.int64)
        shaped: NDArray[np.int64] = mapped[inverse].reshape(given.shape)
        return shaped

    def acronyms(self, ids: ArrayLike) -> NDArray[np.str_]:
        """Return the acronyms of an array of ids of any shape and either sign."""
        import numpy as np

        given, unique, inverse = _unique(ids)
        names = np.array([self.acronym(i) for i in unique.tolist()], dtype=np.str_)
        shaped: NDArray[np.str_] = names[inverse].reshape(given.shape)
        return shaped

    def frame(self) -> pd.DataFrame:
        """Return all structures as a table in atlas order.

        Returns
        -------
        pandas.DataFrame
            Index ``id``; columns ``acronym``, ``name``, ``parent`` (0 where there is none),
            ``level``, ``colour``, and one column of ids for each parcellation.
        """
        import pandas as pd

        t = table()
        columns: dict[str, list[Any]] = {
            "acronym": t.acronyms,
            "name": t.names,
            "parent": [t.ids[p] if p >= 0 else VOID for p in t.parents],
            "level": t.depths,
            "colour": [f"#{c.lower()}" for c in t.colours],
        }
        for name in MAPPINGS[1:]:
            columns[name.lower()] = [t.ids[i] for i in mapping_rows(name)]
        return pd.DataFrame(columns, index=pd.Index(t.ids, name="id"))

    # -- all of it ---------------------------------------------------------------------------

    def __iter__(self) -> Iterator[int]:
        """Iterate over all positive ids in atlas order, the void first."""
        return iter(table().ids)

    def __len__(self) -> int:
        return len(table().ids)

    def __contains__(self, region: object) -> bool:
        if not isinstance(region, str | SupportsIndex):
            return False
        try:
            self.resolve(region)
        except RegionNotFound:
            return False
        return True

    def __repr__(self) -> str:
        return f"Regions(Allen CCF 2017, {len(self)} structures)"

    def _find(self, region: Region) -> int:
        return table().row[self.resolve(region)]

    def _row(self, identity: SupportsIndex) -> int:
        number = abs(operator.index(identity))
        try:
            return table().row[number]
        except KeyError:
            raise RegionNotFound(
                f"no brain region has the id {number} in the Allen CCF 2017 tree",
                hint="give an id, an acronym or a name; see fascicle.atlas.Regions().frame()",
            ) from None


def _row_by_words(t: Table, text: str) -> int:
    """Return the row whose name, or whose acronym in any case, is ``text``."""
    folded = text.casefold()
    by_name = [i for i, name in enumerate(t.names) if name.casefold() == folded]
    by_acronym = [i for i, acronym in enumerate(t.acronyms) if acronym.casefold() == folded]
    found = by_acronym or by_name
    if len(found) == 1:
        return found[0]
    if found:
        exact = " or ".join(f"{t.acronyms[i]!r} ({t.names[i]})" for i in found)
        raise RegionNotFound(
            f"{text!r} could be several brain regions, since acronyms differ by case",
            hint=f"type {exact}",
        )
    raise RegionNotFound(
        f"no brain region is called {text!r} in the Allen CCF 2017 tree",
        hint=_suggest(t, text) or "see fascicle.atlas.Regions().frame() for all of them",
    )


def _suggest(t: Table, text: str) -> str:
    """Return what the user may have meant: names that hold the words, or near names."""
    folded = text.casefold()
    holding = [i for i, name in enumerate(t.names) if folded in name.casefold()]
    if len(folded) > 3 and holding:
        shortest = sorted(holding, key=lambda i: len(t.names[i]))[:3]
        return f"did you mean {' or '.join(f'{t.acronyms[i]!r} ({t.names[i]})' for i in shortest)}?"
    # Names are compared in any case, yet shown as they are written.
    known = {word.casefold(): word for word in (*t.names, *t.acronyms)}
    close = nearest(folded, known)
    for word in known:
        close = close.replace(repr(word), repr(known[word]))
    return close


def _mapping(name: str) -> str:
    for known in MAPPINGS:
        if name.casefold() == known.casefold():
            return known
    raise SearchTermError(
        f"no parcellation is called {name!r}", hint=f"choose one of {', '.join(MAPPINGS)}"
    )


def _unique(ids: ArrayLike) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the array, its distinct values and where each value of the array is among them."""
    import numpy as np

    given = np.asarray(ids)
    if given.size == 0:
        given = given.astype(np.int64)
    if given.dtype.kind == "f" and np.array_equal(given, np.trunc(given)):
        given = given.astype(np.int64)  # tables with gaps elsewhere hold ids as floats
    if given.dtype.kind not in "iu":
        raise RegionNotFound(
            f"region ids must be whole numbers, and these are {given.dtype}",
            hint="drop missing values first, or give acronyms one by one to Regions().resolve",
        )
    unique, inverse = np.unique(given.ravel(), return_inverse=True)
    return given, unique, inverse
