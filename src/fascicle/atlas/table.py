"""The table of structures as plain tuples and dictionaries, read once per process."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = 997
VOID = 0
MAPPINGS = ("Allen", "Beryl", "Cosmos", "Swanson")


class Table(NamedTuple):
    """The structures in depth-first order; ``row[id]`` indexes the lists.

    Row 0 is the void outside the brain, which is no part of the tree. The descendants of row ``i``
    are the rows ``i`` to ``end[i]``, exclusive.
    """

    row: dict[int, int]
    ids: list[int]
    acronyms: list[str]
    names: list[str]
    colours: list[str]
    depths: list[int]
    parents: list[int]  # rows; -1 where there is none
    end: list[int]
    members: list[str]  # letters of the parcellations that a structure is a member of
    by_acronym: dict[str, int]


@cache
def table() -> Table:
    """Read the shipped table: about a millisecond, with nothing but the standard library."""
    text = Path(__file__).with_name("ccf2017.tsv").read_text(encoding="utf-8")
    cells = [line.split("\t") for line in text.splitlines()[1:]]
    ids = [VOID, *(int(c[0]) for c in cells)]
    depths = [0, *(int(c[1]) for c in cells)]
    parents, end = _tree(depths)
    acronyms = ["void", *(c[4] for c in cells)]
    return Table(
        row={identity: i for i, identity in enumerate(ids)},
        ids=ids,
        acronyms=acronyms,
        names=["void", *(c[5] for c in cells)],
        colours=["000000", *(c[2] for c in cells)],
        depths=depths,
        parents=parents,
        end=end,
        members=["", *(c[3] for c in cells)],
        by_acronym=dict(zip(acronyms, ids, strict=True)),
    )


def _tree(depths: list[int]) -> tuple[list[int], list[int]]:
    """Return parents and ends of subtrees of rows in depth-first order; row 0 stands alone."""
    parents = [-1]
    end = [1, *([0] * (len(depths) - 1))]
    path: list[int] = []
    for i in range(1, len(depths)):
        while len(path) > depths[i]:
            end[path.pop()] = i
        parents.append(path[-1] if path else -1)
        path.append(i)
    for i in path:
        end[i] = len(depths)
    return parents, end


@cache
def mapping_rows(name: str) -> list[int]:
    """Return, for each row, the row that it maps to in the parcellation ``name``."""
    t = table()
    if name == "Allen":
        return list(range(len(t.ids)))
    letter, root = name[0], t.row[ROOT]
    target = [0]
    for i in range(1, len(t.ids)):
        above = target[t.parents[i]] if t.parents[i] >= 0 else root
        target.append(i if letter in t.members[i] else above)
    return target
