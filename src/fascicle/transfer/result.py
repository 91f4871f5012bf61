"""What became of each file of a plan."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from fascicle.errors import BatchError, FascicleError, IncompleteWarning
from fascicle.transfer.text import size_text

if TYPE_CHECKING:
    from fascicle.transfer.plan import Item

Status: TypeAlias = Literal["here", "fetched", "linked", "accepted", "failed"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file.

    Attributes
    ----------
    item : Item
    status : str
        ``here`` already, ``fetched``, ``linked`` to equal content in the store, ``accepted``
        although it is not what the record says, or ``failed``.
    error : FascicleError or None
        Why it failed.
    kept : pathlib.Path or None
        Where a file that is not what the record says was put aside.
    """

    item: Item
    status: Status
    error: FascicleError | None = None
    kept: Path | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a plan, file by file, in its order.

    Attributes
    ----------
    items : tuple of Outcome
    seconds : float
        Time that it took.
    bytes : int
        Bytes that came over the network or from other folders.
    requests : int
        Requests that were made, repeated ones included.
    notes : tuple of str
        What did not go well beside the files, such as an index that could not be written.
    """

    items: tuple[Outcome, ...]
    seconds: float = 0.0
    bytes: int = 0
    requests: int = 0
    notes: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> list[Outcome]:
        """Those files that are here now."""
        return [outcome for outcome in self.items if outcome.error is None]

    @property
    def failed(self) -> list[Outcome]:
        """Those files that are not."""
        return [outcome for outcome in self.items if outcome.error is not None]

    def raise_for_failed(self) -> Result:
        """Return this result if every file is here.

        Raises
        ------
        FascicleError
            That of the one file that failed.
        BatchError
            If several failed: it names them.
        """
        failed = self.failed
        if not failed:
            return self
        if len(failed) == 1 and failed[0].error is not None:
            raise failed[0].error
        shown = "".join(
            f"\n  {outcome.item.target.name}: {outcome.error.message}"
            for outcome in failed[:10]
            if outcome.error is not None
        )
        more = f"\n  and {len(failed) - 10} more" if len(failed) > 10 else ""
        raise BatchError(
            f"{len(failed)} of {len(self.items)} files could not be brought here:{shown}{more}",
            hint="run the plan again: what is here stays, and what was begun is continued",
        ) from failed[0].error

    def __str__(self) -> str:
        counts = Counter(outcome.status for outcome in self.items)
        text = ", ".join(f"{n} {status}" for status, n in counts.items()) or "no files"
        return f"{text}: {size_text(self.bytes)} in {self.seconds:.1f} s"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(str(outcome.item.target))}</td>"
            f"<td>{escape(outcome.error.message)}</td></tr>"
            for outcome in self.failed[:50]
            if outcome.error is not None
        )
        head = escape(str(self))
        return f"<table><caption style='white-space:nowrap'>{head}</caption>{rows}</table>"


def finish(result: Result, after: Sequence[Callable[[Result], object]]) -> Result:
    """Do what is to be done once files are here; what goes wrong becomes a note and a warning.

    The files are whole and in place by then, so that no error here may hide them.
    """
    for call in after:
        try:
            call(result)
        except FascicleError as error:
            text = f"{error.message} ({error.hint})" if error.hint else error.message
        except Exception as error:  # noqa: BLE001 - whatever it is, the files are here
            text = f"{type(error).__name__}: {error}"
        else:
            continue
        text = f"the files are here, but not all that follows could be done: {text}"
        warnings.warn(text, IncompleteWarning, stacklevel=3)
        result = replace(result, notes=(*result.notes, text))
    return result


def joined(results: Sequence[Result]) -> Result:
    """Return the results of several plans as one."""
    return Result(
        tuple(outcome for result in results for outcome in result.items),
        sum(result.seconds for result in results),
        sum(result.bytes for result in results),
        sum(result.requests for result in results),
        tuple(note for result in results for note in result.notes),
    )
