"""What a fetch would bring, before it is run: plain data that pickles and can be split."""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from fascicle.transfer.ledger import relative
from fascicle.transfer.source import Source
from fascicle.transfer.text import size_text, time_text

if TYPE_CHECKING:
    from fascicle.transfer.bars import Shown
    from fascicle.transfer.limits import Limits
    from fascicle.transfer.result import Result
    from fascicle.transfer.s3 import Access

ItemState: TypeAlias = Literal["missing", "here", "partial", "known"]
OnMismatch: TypeAlias = Literal["fail", "keep", "accept"]


@dataclass(frozen=True, slots=True)
class Item:
    """One file of a plan.

    Attributes
    ----------
    source : Source
    target : pathlib.Path
        Where it will be, inside the store.
    state : str
        ``here``; ``missing``; ``partial``: an earlier run left some of it; ``known``: the store
        has its content under another name.
    done : int
        Bytes that are here of a partial file.
    twin : pathlib.Path or None
        The file with the same content.
    hint : int or None
        What a server says of the length, where it is not on record: for the plan alone.
    """

    source: Source
    target: Path
    state: ItemState = "missing"
    done: int = 0
    twin: Path | None = None
    hint: int | None = None

    @property
    def size(self) -> int | None:
        """Length in bytes, as far as it is known: on record, or what a server says."""
        return self.hint if self.source.size is None else self.source.size

    @property
    def bytes(self) -> int:
        """Bytes that have to come, as far as sizes are known."""
        if self.state in ("here", "known"):
            return 0
        return max(0, (self.size or 0) - self.done)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which files a fetch would bring, from where, and what is here already.

    Attributes
    ----------
    items : tuple of Item
    store : pathlib.Path
        The folder that all targets are in.
    notes : tuple of str
        What to know before running it.
    after : tuple of callable
        Called with the result once it has run, such as what records the files in an index. They
        have to pickle. What goes wrong in one is a note of the result: the files stay.
    parts : tuple of Plan
        The plans that this one is made of, where files go into several stores.
    who : tuple of callable
        Each returns the headers that say who asks for a source, none for those of others. They have
        to pickle.
    """

    items: tuple[Item, ...]
    store: Path
    notes: tuple[str, ...] = field(default=())
    after: tuple[Callable[[Result], object], ...] = field(default=())
    parts: tuple[Plan, ...] = field(default=())
    who: tuple[Callable[[Source], Mapping[str, str]], ...] = field(default=())

    @classmethod
    def join(cls, plans: Iterable[Plan]) -> Plan:
        """Return one plan for files that go into several stores.

        Parameters
        ----------
        plans : iterable of Plan
            One for each store.
        """
        parts = tuple(plans)
        if len(parts) == 1:
            return parts[0]
        items = tuple(item for part in parts for item in part.items)
        return cls(items, _common(part.store for part in parts), parts=parts)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def here(self) -> list[Item]:
        """The files that need nothing."""
        return [item for item in self.items if item.state == "here"]

    @property
    def to_fetch(self) -> list[Item]:
        """The files that have to be brought, links to known content included."""
        return [item for item in self.items if item.state != "here"]

    @property
    def bytes(self) -> int:
        """Bytes that have to come, as far as sizes are known."""
        return sum(item.bytes for item in self.items)

    @property
    def unknown_sizes(self) -> int:
        """Number of files to fetch whose size nobody says."""
        return sum(
            item.size is None and item.state in ("missing", "partial") for item in self.items
        )

    def seconds(self, *, rate: float | None = None) -> float | None:
        """Return how long it may take.

        Parameters
        ----------
        rate : float, optional
            Bytes per second; by default as seen in earlier transfers from the same places.

        Returns
        -------
        float or None
            None where nothing was seen yet, or no size is known.
        """
        if not self.bytes:
            return None if self.unknown_sizes else 0.0
        if rate is None:
            from fascicle.transfer.rates import known_rate

            coming = Counter[str]()
            for item in self.items:
                if item.bytes:
                    coming[item.source.origin] += item.bytes
            rates = {origin: known_rate(origin) for origin in coming}
            if not all(rates.values()):
                return None
            return sum(n / rates[origin] for origin, n in coming.items())
        return self.bytes / rate

    def select(
        self,
        *,
        include: Iterable[str] = (),
        exclude: Iterable[str] = (),
        max_size: int | None = None,
    ) -> Plan:
        """Return the plan for some of the files.

        Parameters
        ----------
        include, exclude : iterable of str
            Patterns with ``*`` and ``?``, matched against the path relative to the store and
            against the file's name. Nothing to include means everything.
        max_size : int, optional
            Largest size in bytes; files of unknown size stay.
        """
        wanted, unwanted = list(include), list(exclude)
        if self.parts:
            some = [
                part.select(include=wanted, exclude=unwanted, max_size=max_size)
                for part in self.parts
            ]
            return replace(Plan.join(some), notes=self.notes, after=self.after)

        def matches(item: Item, patterns: list[str]) -> bool:
            names = relative(item.target, self.store), item.target.name
            return any(fnmatchcase(name, pattern) for pattern in patterns for name in names)

        return replace(
            self,
            items=tuple(
                item
                for item in self.items
                if (not wanted or matches(item, wanted))
                and not matches(item, unwanted)
                and (max_size is None or (item.size or 0) <= max_size)
            ),
        )

    def split(self, n: int) -> list[Plan]:
        """Return up to ``n`` plans of about the same number of bytes, for as many workers.

        Each does for its files what is to be done after them. Files of several stores stay apart,
        so that there may be more plans than asked for.
        """
        if self.parts:
            return [some for part in self.parts for some in part.split(n)]
        bins: list[tuple[int, int, list[int]]] = [(0, i, []) for i in range(max(1, n))]
        order = sorted(range(len(self.items)), key=lambda i: -self.items[i].bytes)
        for i in order:
            weight, number, members = heapq.heappop(bins)
            members.append(i)
            # a file has a cost of its own, whatever its size
            heapq.heappush(bins, (weight + self.items[i].bytes + 100_000, number, members))
        filled = sorted((number, sorted(members)) for _, number, members in bins if members)
        return [replace(self, items=tuple(self.items[i] for i in members)) for _, members in filled]

    def run(
        self,
        *,
        progress: Shown = None,
        parallel: int | None = None,
        limits: Limits | None = None,
        offline: bool | None = None,
        on_mismatch: OnMismatch = "fail",
        headers: Callable[[Source], Mapping[str, str]] | None = None,
        access: Access | None = None,
    ) -> Result:
        """Bring the files here.

        A file that fails does not lose the others: the result says of each what became of it.

        Parameters
        ----------
        progress : bool or 'each', optional
            Show one bar for all, or one for each file; by default one on a terminal.
        parallel : int, optional
            Requests under way at once.
        limits : Limits, optional
            All bounds; by default those of the environment.
        offline : bool, optional
            Fetch nothing over a network; by default as ``FASCICLE_OFFLINE`` says.
        on_mismatch : {'fail', 'keep', 'accept'}
            What to do with a file that arrives twice with the same checksum, and not the one on
            record: leave it out; leave it out, but keep it aside; take it, and note that.
        headers : callable, optional
            Returns further headers for a source, such as those of a login; by default as ``who``
            says.
        access : Access, optional
            How to reach S3; by default as the environment says.

        Returns
        -------
        Result

        Raises
        ------
        NotEnoughDisk
            If the files have no room; nothing was fetched then.
        ConfigurationError
            If ``on_mismatch`` or a bound is none that can be.
        KeyboardInterrupt
            Parts of large files stay, and a later run continues them.
        """
        from fascicle.transfer.engine import run
        from fascicle.transfer.result import finish, joined

        results = [
            finish(
                run(
                    part,
                    progress=progress,
                    parallel=parallel,
                    limits=limits,
                    offline=offline,
                    on_mismatch=on_mismatch,
                    headers=headers or part._headers(),
                    access=access,
                ),
                part.after,
            )
            for part in self.parts or (self,)
        ]
        return finish(joined(results), self.after) if self.parts else results[0]

    def _headers(self) -> Callable[[Source], Mapping[str, str]] | None:
        """Return what says who asks for a source: the first that has a say."""
        if not self.who:
            return None

        def headers(source: Source) -> Mapping[str, str]:
            return next((found for ask in self.who if (found := ask(source))), {})

        return headers

    def describe(self) -> str:
        """Return the plan in words."""
        counts = Counter(item.state for item in self.items)
        count = f"{len(self)} file" if len(self) == 1 else f"{len(self)} files"
        stores = dict.fromkeys(part.store for part in self.parts or (self,))
        lines = [f"{count} into {', '.join(map(str, stores))}"]
        words: dict[ItemState, str] = {
            "here": "here already",
            "known": "here under another name",
            "partial": "begun earlier",
            "missing": "to fetch",
        }
        lines += [f"  {counts[state]} {text}" for state, text in words.items() if counts[state]]
        origins = Counter[str]()
        for item in self.items:
            if item.state in ("missing", "partial"):
                origins[item.source.origin] += item.bytes
        lines += [
            f"  {size_text(n) if n or not self.unknown_sizes else 'all'} from "
            f"{'another folder' if origin == 'file://' else origin}"
            for origin, n in origins.most_common()
        ]
        if self.unknown_sizes:
            lines.append(f"  {self.unknown_sizes} of unknown size")
        seconds = self.seconds()
        if seconds:
            lines.append(f"  about {time_text(seconds)}")
        notes = [*self.notes, *(note for part in self.parts for note in part.notes)]
        return "\n".join([*lines, *(f"  note: {note}" for note in notes)])

    def __str__(self) -> str:
        return self.describe()

    def _repr_html_(self) -> str:
        head, *rest = self.describe().splitlines()
        summary = "<br>".join(escape(line.strip()) for line in rest)
        rows = "".join(
            f"<tr><td>{escape(relative(item.target, self.store))}</td>"
            f"<td>{'' if item.size is None else size_text(item.size)}</td>"
            f"<td>{item.state}</td><td>{escape(item.source.origin)}</td></tr>"
            for item in self.items[:50]
        )
        if len(self.items) > 50:
            rows += f"<tr><td colspan=4>and {len(self.items) - 50} more</td></tr>"
        return (
            f"<table><caption>{escape(head)}<br>{summary}</caption>"
            f"<tr><th>file</th><th>size</th><th>state</th><th>from</th></tr>{rows}</table>"
        )


def _common(stores: Iterable[Path]) -> Path:
    try:
        return Path(os.path.commonpath(list(stores)))
    except ValueError:  # none, or on several drives
        return Path(os.sep)
