"""The shape of an answer: which keys, which kinds of values, how they are nested."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

#: Free JSON of users: its inside is theirs.
FREE = {"json", "extended_qc", "genotype"}
_KINDS = {
    "uuid": re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[34][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"),
    "url": re.compile(r"https?://\S+"),
    "time": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?"),
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
}


class Shape:
    """What was seen at each path of one or more values.

    Attributes
    ----------
    kinds : dict
        Path such as ``results[].lab`` -> kinds seen there.
    keys : dict
        Path of an object -> sets of keys that objects there had.
    """

    def __init__(self, value: Any) -> None:
        self.kinds: dict[str, set[str]] = defaultdict(set)
        self.keys: dict[str, set[frozenset[str]]] = defaultdict(set)
        self._add(value, "")

    def _add(self, value: Any, path: str) -> None:
        if path.rpartition(".")[2] in FREE:
            self.kinds[path].add("free")
            return
        self.kinds[path].add(kind_of(value))
        if isinstance(value, dict):
            self.keys[path].add(frozenset(value))
            for key, inner in value.items():
                self._add(inner, f"{path}.{key}" if path else key)
        elif isinstance(value, list):
            for inner in value:
                self._add(inner, f"{path}[]")


def kind_of(value: Any) -> str:
    """Return what kind a JSON value is; texts are told apart by what they look like."""
    if isinstance(value, str):
        return next((k for k, p in _KINDS.items() if p.fullmatch(value)), "text")
    names: Mapping[type, str] = {
        dict: "object",
        list: "list",
        bool: "bool",
        int: "int",
        float: "float",
        type(None): "null",
    }
    return names[type(value)]


def differences(theirs: Any, ours: Any, nullable: set[str] | None = None) -> list[str]:
    """Return how our value's shape differs from theirs; nothing where it is the same.

    Parameters
    ----------
    theirs, ours : object
        JSON values.
    nullable : set of str
        Paths that may be null though theirs is not, or the other way round.

    Notes
    -----
    A list that is empty tells nothing of its items, and a null nothing of the kind.
    """
    a, b = Shape(theirs), Shape(ours)
    allowed = nullable or set()
    found = []
    for path in sorted(a.keys.keys() & b.keys.keys()):
        missing = set().union(*a.keys[path]) - frozenset.intersection(*b.keys[path])
        extra = set().union(*b.keys[path]) - set().union(*a.keys[path])
        if missing:
            found.append(f"{path or 'answer'}: without {sorted(missing)}")
        if extra:
            found.append(f"{path or 'answer'}: {sorted(extra)} besides")
    for path in sorted(a.kinds.keys() & b.kinds.keys()):
        known, new = set(a.kinds[path]), b.kinds[path] - a.kinds[path]
        if "null" in new and (path in allowed):
            new = new - {"null"}
        if known == {"null"}:
            continue  # theirs was empty: what else it may be was not recorded
        if {"text", "uuid", "date", "time"} & known and "text" in known:
            new = new - {"uuid", "date", "time"}  # a text may look like anything
        if new:
            found.append(f"{path or 'answer'}: {sorted(new)} where it is {sorted(known)}")
    return found


def unseen(theirs: Any, ours: Any) -> list[str]:
    """Return paths that theirs has and ours does not show: lists without items, nulls alone."""
    a, b = Shape(theirs), Shape(ours)
    return sorted(
        path
        for path, kinds in a.kinds.items()
        if kinds != {"null"} and b.kinds.get(path, {"null"}) == {"null"}
    )
