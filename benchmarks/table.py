"""Measurements as rows, and rows as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

HEAD = ("", "fascicle", "ONE-api", "ratio", "bar", "")


@dataclass
class Value:
    """What was measured: all runs, or why there is nothing.

    Attributes
    ----------
    runs : list of float
        Seconds, bytes or a number.
    problem : str
        ``'over 60 s'``, ``'failed: …'`` or ``''``.
    at_least : float
        Where the time was over: how long it had.
    """

    runs: list[float] = field(default_factory=list)
    problem: str = ""
    at_least: float = 0.0

    @property
    def middle(self) -> float | None:
        """The median; None where there is none."""
        return median(self.runs) if self.runs else None


@dataclass
class Bar:
    """What is asked of a measurement.

    Attributes
    ----------
    under : float, optional
        Ours is at most this.
    times : float, optional
        ONE-api's is at least so many times ours.
    text : str
        As it is shown.
    """

    text: str
    under: float | None = None
    times: float | None = None

    def met(self, ours: Value, peer: Value) -> bool | None:
        """Return whether it is met; None where that cannot be said."""
        if ours.middle is None:
            return False
        if self.under is not None:
            return ours.middle <= self.under
        theirs = peer.middle if peer.middle is not None else peer.at_least
        if self.times is None or not theirs:
            return None
        met = theirs >= self.times * ours.middle
        return met if met or peer.middle is not None else None


@dataclass
class Row:
    """One line of the table; ``what`` alone makes a heading."""

    what: str
    ours: Value = field(default_factory=Value)
    peer: Value = field(default_factory=Value)
    unit: str = "s"
    bar: Bar | None = None
    remark: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the texts of the columns of `HEAD`."""
        verdict = ""
        if self.bar is not None:
            met = self.bar.met(self.ours, self.peer)
            verdict = {True: "met", False: "MISSED", None: "?"}[met]
        return (
            self.what,
            self._shown(self.ours),
            self._shown(self.peer),
            self._ratio(),
            self.bar.text if self.bar else "",
            verdict + (f"; {self.remark}" if verdict and self.remark else self.remark),
        )

    def _shown(self, value: Value) -> str:
        if value.middle is None:
            return value.problem
        return show(value.middle, self.unit)

    def _ratio(self) -> str:
        ours, theirs = self.ours.middle, self.peer.middle or self.peer.at_least
        if not ours or not theirs or not self.unit:
            return ""
        ratio, sign = theirs / ours, "" if self.peer.middle else "> "
        return f"{sign}{ratio:,.0f}×" if ratio >= 10 else f"{sign}{ratio:.1f}×"

    def to_json(self) -> dict[str, Any]:
        """Return all that is known, with medians and the verdict."""
        out = asdict(self)
        out["ours"]["median"], out["peer"]["median"] = self.ours.middle, self.peer.middle
        out["met"] = self.bar.met(self.ours, self.peer) if self.bar else None
        return out


def show(value: float, unit: str) -> str:
    """Return a number as a person reads it."""
    if unit == "B":
        return f"{value / 1e6:,.0f} MB"
    if unit != "s":
        return f"{value:,.0f}"
    if value >= 3600:
        return f"{value / 3600:.1f} h"
    if value >= 100:
        return f"{value:,.0f} s"
    if value >= 1:
        return f"{value:.3g} s"
    if value >= 0.1:
        return f"{1000 * value:.0f} ms"
    return f"{1000 * value:.2g} ms" if value < 0.01 else f"{1000 * value:.1f} ms"


def text(rows: Sequence[Row]) -> str:
    """Return the table for a terminal."""
    cells = [HEAD] + [r.cells() for r in rows]
    full = [c for c in cells if any(c[1:])]
    widths = [max(len(c[i]) for c in full) for i in range(5)]
    lines = []
    for c in cells:
        if not any(c[1:]):
            lines += ["", c[0]]
            continue
        columns = [c[0].ljust(widths[0])] + [c[i].rjust(widths[i]) for i in (1, 2, 3)]
        lines.append("  ".join([*columns, c[4].ljust(widths[4]), c[5]]).rstrip())
    return "\n".join(lines)


def markdown(rows: Sequence[Row]) -> str:
    """Return the table for a page."""
    lines = []
    for c in [r.cells() for r in rows]:
        if not any(c[1:]):
            lines += ["", f"**{c[0]}**", "", "| | " + " | ".join(HEAD[1:]) + " |"]
            lines.append("|---|--:|--:|--:|---|---|")
            continue
        lines.append("| " + " | ".join(x.replace("|", "\\|") for x in c) + " |")
    return "\n".join(lines).strip()
