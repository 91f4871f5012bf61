"""Bars that show how far a transfer is: one for all of its files, or one for each."""

from __future__ import annotations

import sys
import time
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
        return FileBars(plan) if _can_redraw() else FileLines(plan)
    if progress is None:
        progress = settings.show_progress() and sys.stderr.isatty()
    return OneBar(plan) if progress else NoBars()


def make_bar(*, shown: bool, **options: Any) -> tqdm[Any]:
    """Return a bar that counts bytes; one that is not shown does nothing."""
    return _kind(shown)(unit="B", unit_scale=True, disable=not shown, **options)


def _kind(shown: bool) -> type[tqdm[Any]]:
    """Return what draws a bar here: in a notebook, a widget."""
    from tqdm import TqdmWarning, tqdm

    kind: type[tqdm[Any]] = tqdm
    if shown:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TqdmWarning)  # a notebook without widgets
            from tqdm.auto import tqdm as kind
    return kind


def _can_redraw() -> bool:
    """Return whether a bar can be drawn over: on a terminal, or as a widget of a notebook."""
    widget = any(base.__name__ == "tqdm_notebook" for base in _kind(shown=True).mro())
    return widget or sys.stderr.isatty()


def _has_bar(plan: Plan) -> dict[int, Item]:
    """Return the files of a plan that have something to show, by number."""
    return {n: item for n, item in enumerate(plan.items) if item.state not in ("here", "known")}


class NoBars:
    """Shows nothing, without what it takes to show something: that has to be imported."""

    each = False

    def show(self, n_bytes: int, files: Iterable[Underway]) -> None:
        """Show nothing."""

    def close(self, outcomes: Mapping[int, Outcome]) -> None:
        """Show nothing."""


class OneBar:
    """One bar for all files."""

    each = False

    def __init__(self, plan: Plan) -> None:
        total = (plan.bytes + sum(item.done for item in plan.items)) or None
        self._bar = make_bar(shown=True, total=total, desc=f"{len(plan.to_fetch)} files")
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
        self._items = _has_bar(plan)
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
            size, name = item.size, item.target.name
            self._bars[number] = make_bar(shown=True, total=size, desc=name)
        return self._bars[number]


class FileLines:
    """A bar for each file as it looked last, for logs and pages: one line, once the file is here.

    Several bars at once need a terminal that goes up by lines; elsewhere they would be a heap of
    fragments.
    """

    each = True

    def __init__(self, plan: Plan) -> None:
        self._items = _has_bar(plan)
        self._done: dict[int, int] = {}
        self._since = time.monotonic()
        self._took: dict[int, float] = {}

    def show(self, n_bytes: int, files: Iterable[Underway]) -> None:
        """Note how far each file is."""
        for number, done, _ in files:
            if self._done.get(number) != done:
                self._took[number] = time.monotonic() - self._since
                self._done[number] = done

    def close(self, outcomes: Mapping[int, Outcome]) -> None:
        """Write a line for each file, in the order of the plan."""
        from tqdm import tqdm

        for number, item in self._items.items():
            done, total = self._done.get(number, 0), item.size
            if number in outcomes and outcomes[number].error is None:
                done = total = item.target.stat().st_size
            line = tqdm.format_meter(
                n=done,
                total=total,  # type: ignore[arg-type]  # None where nobody knows it
                elapsed=self._took.get(number, time.monotonic() - self._since),
                prefix=item.target.name,
                unit="B",
                unit_scale=True,
                ncols=100,
            )
            sys.stderr.write(f"{line}\n")
