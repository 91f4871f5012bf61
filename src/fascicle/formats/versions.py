"""Versions as semantic versioning orders them: 0.10.0 comes after 0.9.0."""

from __future__ import annotations

import re
from functools import total_ordering

_VERSION = re.compile(
    r"(0|[1-9]\d{0,17})\.(0|[1-9]\d{0,17})\.(0|[1-9]\d{0,17})"
    r"(?:-((?:[0-9A-Za-z-]+)(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:\+([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)


@total_ordering
class Version:
    """A version, comparable with others.

    Parameters
    ----------
    text : str
        Such as ``0.10.0`` or ``1.0.0-rc.1``.

    Raises
    ------
    ValueError
        If it is not a semantic version.
    """

    __slots__ = ("_key", "text")

    def __init__(self, text: str) -> None:
        match = _VERSION.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is no version such as 1.2.3")
        self.text = text
        numbers = tuple(int(match[i]) for i in (1, 2, 3))
        # What is marked as a preview comes before the version itself; numbers before words.
        marks = [
            (0, int(part), "") if part.isdigit() else (1, 0, part)
            for part in (match[4] or "").split(".")
            if part
        ]
        self._key = (numbers, not marks, marks)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key == other._key

    def __lt__(self, other: Version) -> bool:
        return self._key < other._key

    def __hash__(self) -> int:
        return hash((self._key[0], self._key[1], tuple(self._key[2])))

    def __repr__(self) -> str:
        return f"Version({self.text!r})"

    def __str__(self) -> str:
        return self.text


def is_version(text: str) -> bool:
    """Return whether ``text`` is a semantic version."""
    return _VERSION.fullmatch(text) is not None
