"""Bars that show how far a transfer is: one for all of its files, or one for each."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, TypeAlias

from fascicle import settings

if TYPE_CHECKING:
    from tqdm import tqdm

    from fascicle.transfer.plan import Item, Plan
    from fascicle.transfer.result import Outcome

#: Whether to show a bar: for all files (True), for each of them, or as fits (None).
Shown: TypeAlias = bool | Literal["each"] | None


class Underway(NamedTuple):
    """How far one file is.

    Attributes
    ----------
    number : int
        Of the file in its plan.
    done : int
        Bytes that are here.
    total : int or None
        All bytes, as soon as that is known.
    """

    number: int
    done: int
    total: int | None


class Bars(Protocol):
    """What shows the progress of a transfer."""

    @property
    def each(self) -> bool:
        """Whether `show` looks at single files."""
        ...

    def show(self, n_bytes: int, files: Iterable[Underway]) -> None:
        """Show that so many bytes have come in all, and how far files are."""
        ...

    def close(self, outcomes: Mapping[int, Outcome]) -> None:
        """Show how it ended."""
        ...


def make_bars(plan: Plan, progress: Shown) -> Bars:
    """Return what shows the progress of a plan."""
    if progress == "each":
        return FileBars(plan)
    if progress is None:
        progress = settings.show_progress() and sys.stderr.isatty()
    return OneBar(plan, shown=progress)


def _tqdm(*, shown: bool, **options: Any) -> tqdm[Any]:
    from tqdm import TqdmWarning, tqdm

    kind: type[tqdm[Any]] = tqdm
    if shown:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TqdmWarning)  # a notebook without widgets
            from tqdm.auto import tqdm as kind
    return kind(unit="B", unit_scale=True, disable=not shown, **options)


class OneBar:
    """One bar for all files."""

    each = False

    def __init__(self, plan: Plan, *, shown: bool) -> None:
        total = (plan.bytes + sum(item.done for item in plan.items)) or None
        self._bar = _tqdm(shown=shown, total=total, desc=f"{len(plan.to_fetch)} files")
        self._n_shown = 0

    def show(self, n_bytes: int, files: Iterable[Underway]) -> None:
        """Show that so many bytes have come."""
        if n_bytes != self._n_shown:
            self._bar.update(n_bytes - self._n_shown)
            self._n_shown = n_bytes

    def close(self, outcomes: Mapping[int, Outcome]) -> None:
        """Let the bar stand as it is."""
        self._bar.close()


class FileBars:
    """A bar for each file, under its name."""

    each = True

    def __init__(self, plan: Plan) -> None:
        self._items = {
            number: item
            for number, item in enumerate(plan.items)
            if item.state not in ("here", "known")
        }
        self._bars: dict[int, tqdm[Any]] = {}

    def show(self, n_bytes: int, files: Iterable[Underway]) -> None:
        """Show how far each file is."""
        for number, done, total in files:
            if number not in self._items:
                continue  # its twin is gone
            bar = self._bar(number, self._items[number])
            if total is not None and bar.total != total:
                bar.total = total
                bar.refresh()
            bar.update(done - bar.n)

    def close(self, outcomes: Mapping[int, Outcome]) -> None:
        """Fill the bars of the files that are here; let the others stand as they are."""
        for number, item in self._items.items():
            bar = self._bar(number, item)
            if number in outcomes and outcomes[number].error is None:
                bar.total = item.target.stat().st_size
                bar.update(bar.total - bar.n)
                bar.refresh()
            bar.close()

    def _bar(self, number: int, item: Item) -> tqdm[Any]:
        if number not in self._bars:
            size, name = item.source.size, item.target.name
            self._bars[number] = _tqdm(shown=True, total=size, desc=name)
        return self._bars[number]
