"""What an indexing run did."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path


@dataclass(slots=True)
class IndexReport:
    """What an indexing run found and did.

    Attributes
    ----------
    root : pathlib.Path
    number : int
        The commit that is now the newest.
    n_sessions, n_datasets, n_insertions : int
        In the index now.
    added, changed, removed : int
        Datasets; ``changed`` counts files whose size, time or inode is not as last time.
    differing : list of str
        Files whose size is not the one on record, where the record is an archive's.
    rejected : list of (str, str)
        Path relative to the root, and why it is no dataset.
    problems : list of (str, str)
        Files that could not be read for hashes or regions, and why.
    unknown_regions : int
        Sessions with a probe whose channel files are not here.
    seconds : dict
        Time of each step in seconds.
    """

    root: Path
    number: int = 0
    n_sessions: int = 0
    n_datasets: int = 0
    n_insertions: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    differing: list[str] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    unknown_regions: int = 0
    seconds: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        text = (
            f"{_plural(self.n_sessions, 'session')}, {_plural(self.n_datasets, 'dataset')} "
            f"({self.added} new, {self.changed} changed, {self.removed} gone)"
        )
        if self.n_insertions:
            text += f", {_plural(self.n_insertions, 'probe insertion')}"
        if self.rejected:
            is_no = "is no dataset" if len(self.rejected) == 1 else "are no datasets"
            text += f"; {_plural(len(self.rejected), 'file')} {is_no}"
        return text

    def _repr_html_(self) -> str:
        rows = [
            ("sessions", self.n_sessions),
            ("datasets", self.n_datasets),
            ("probe insertions", self.n_insertions),
            ("new", self.added),
            ("changed", self.changed),
            ("gone", self.removed),
            ("files that are no datasets", len(self.rejected)),
            ("seconds", f"{sum(self.seconds.values()):.2f}"),
        ]
        body = "".join(f"<tr><th>{k}</th><td>{v}</td></tr>" for k, v in rows)
        return f"<table><caption>Index of {escape(str(self.root))}</caption>{body}</table>"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
