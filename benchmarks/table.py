"""Measurements as rows, and rows as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

ONE = ("ONE-api",)


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
        We are at least so many times better than the peer.
    over : float, optional
        Ours is at least this.
    text : str
        As it is shown.
    """

    text: str
    under: float | None = None
    times: float | None = None
    over: float | None = None

    def met(self, ours: Value, peer: Value, *, more: bool = False) -> bool | None:
        """Return whether it is met; None where that cannot be said. ``more``: more is better."""
        if ours.middle is None:
            return False
        if self.under is not None:
            return ours.middle <= self.under
        if self.over is not None:
            return ours.middle >= self.over
        if more:
            if self.times is None or peer.middle is None:
                return None
            return ours.middle >= self.times * peer.middle
        theirs = peer.middle if peer.middle is not None else peer.at_least
        if self.times is None or not theirs:
            return None
        met = theirs >= self.times * ours.middle
        return met if met or peer.middle is not None else None


@dataclass
class Row:
    """One line of the table; ``what`` alone makes a heading.

    Attributes
    ----------
    what : str
    ours, peer : Value
        Ours, and that of the first of the peers.
    unit : str
    bar : Bar, optional
    remark : str
    others : dict of Value
        Those of further peers, by name.
    against : str
        Which peer the ratio and the bar are about; the first one by default.
    more : bool
        More is better: a rate, not a time.
    columns : tuple of str
        Of a heading: names of the peers.
    """

    what: str
    ours: Value = field(default_factory=Value)
    peer: Value = field(default_factory=Value)
    unit: str = "s"
    bar: Bar | None = None
    remark: str = ""
    others: dict[str, Value] = field(default_factory=dict)
    against: str = ""
    more: bool = False
    columns: tuple[str, ...] = ONE

    @property
    def rival(self) -> Value:
        """The peer's value that ours is compared with."""
        return self.others[self.against] if self.against else self.peer

    def met(self) -> bool | None:
        """Return whether the bar is met; None where there is none or that cannot be said."""
        return self.bar.met(self.ours, self.rival, more=self.more) if self.bar else None

    def cells(self, columns: tuple[str, ...] = ONE) -> tuple[str, ...]:
        """Return the texts of a line: what, ours, each peer's, ratio, bar, verdict and remark."""
        verdict = ""
        if self.bar is not None:
            verdict = {True: "met", False: "MISSED", None: "?"}[self.met()]
        peers = [self.peer, *(self.others.get(name, Value()) for name in columns[1:])]
        return (
            self.what,
            *(self._shown(value) for value in [self.ours, *peers]),
            self._ratio(),
            self.bar.text if self.bar else "",
            verdict + (f"; {self.remark}" if verdict and self.remark else self.remark),
        )

    def _shown(self, value: Value) -> str:
        if value.middle is None:
            return value.problem
        return show(value.middle, self.unit)

    def _ratio(self) -> str:
        rival = self.rival
        ours, theirs = self.ours.middle, rival.middle or rival.at_least
        if not ours or not theirs or not self.unit:
            return ""
        ratio, sign = theirs / ours, "" if rival.middle else "> "
        if self.more:
            ratio = ours / theirs
        return f"{sign}{ratio:,.0f}×" if ratio >= 10 else f"{sign}{ratio:.1f}×"

    def to_json(self) -> dict[str, Any]:
        """Return all that is known, with medians and the verdict."""
        out = asdict(self)
        out["ours"]["median"], out["peer"]["median"] = self.ours.middle, self.peer.middle
        for name, value in self.others.items():
            out["others"][name]["median"] = value.middle
        out["met"] = self.met()
        return out


def show(value: float, unit: str) -> str:
    """Return a number as a person reads it."""
    if unit == "B":
        return f"{value / 1e6:,.0f} MB"
    if unit == "s/GB":
        return f"{value:,.0f} s/GB" if value >= 10 else f"{value:.2g} s/GB"
    if unit in ("files/s", "MB/s"):
        return f"{value:,.0f} {unit}"
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
    lines = []
    for head, columns, cells in _groups(rows):
        widths = [max(len(c[i]) for c in [columns, *cells]) for i in range(len(columns))]
        lines += ["", head] if head else []
        for c in [columns, *cells]:
            what, *numbers, bar, verdict = c
            right = [n.rjust(w) for n, w in zip(numbers, widths[1:], strict=False)]
            line = [what.ljust(widths[0]), *right, bar.ljust(widths[-2]), verdict]
            lines.append("  ".join(line).rstrip())
    return "\n".join(lines)


def markdown(rows: Sequence[Row]) -> str:
    """Return the table for a page."""
    lines = []
    for head, columns, cells in _groups(rows):
        lines += ["", f"**{head}**", "", "| " + " | ".join(columns) + " |"]
        lines.append("|---|" + "--:|" * (len(columns) - 3) + "---|---|")
        lines += ["| " + " | ".join(x.replace("|", "\\|") for x in c) + " |" for c in cells]
    return "\n".join(lines).strip()


def _groups(
    rows: Sequence[Row],
) -> list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]]:
    """Return for each group its heading, its columns, and the cells of its rows."""
    out: list[tuple[str, tuple[str, ...], list[tuple[str, ...]]]] = []
    peers = ONE
    for row in rows:
        cells = row.cells(peers)
        if not any(cells[1:]):
            peers = row.columns
            out.append((row.what, ("", "fascicle", *peers, "ratio", "bar", ""), []))
        else:
            out[-1][2].append(cells)
    return out
