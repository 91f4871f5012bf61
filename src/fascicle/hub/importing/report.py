"""What an import did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
#: How many rows go into one statement; SQLite takes 32,766 values.
BATCH = 1000


@dataclass(slots=True)
class ImportReport:
    """What an import did.

    Attributes
    ----------
    created, updated : collections.Counter
        Rows by the name of their table.
    vanished : int
        Files that were there before and are gone.
    skipped : collections.Counter
        What was left out, by kind.
    problems : list of str
        What could not be read, and why.
    logins : dict
        Passwords, by user, of accounts that belong to a synthetic lab.
    generation : int
        The generation that the hub is in now.
    seconds : float
        How long it took.
    """

    created: Counter[str] = field(default_factory=Counter)
    updated: Counter[str] = field(default_factory=Counter)
    vanished: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    logins: dict[str, str] = field(default_factory=dict, repr=False)
    generation: int = 0
    seconds: float = 0.0

    @property
    def changed(self) -> bool:
        """Whether anything in the database is other than before."""
        return bool(self.created or self.updated or self.vanished)

    def __str__(self) -> str:
        parts = [
            f"{sum(counts.values())} {word} ({_named(counts)})"
            for word, counts in (("new", self.created), ("changed", self.updated))
            if counts
        ]
        if self.vanished:
            parts.append(f"{self.vanished} files gone")
        if self.skipped:
            parts.append(f"{sum(self.skipped.values())} left out ({_named(self.skipped)})")
        if self.problems:
            parts.append(f"{len(self.problems)} problems")
        return "; ".join(parts) or "nothing new"


_PLURALS = {"surgerys": "surgeries", "speciess": "species"}


def _named(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {_PLURALS.get(name, name)}" for name, n in counts.most_common())


def chunks(items: Iterable[T], size: int = BATCH) -> Iterator[list[T]]:
    """Yield the items in lists of at most some size."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
