"""What publishing did, or would do."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from html import escape
from typing import Any

from fascicle.releases.about import About
from fascicle.releases.report import Report
from fascicle.transfer.text import size_text


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing did, or would do.

    Attributes
    ----------
    place : str
        Where the release is.
    project, version : str
    manifest : str
        Name of its manifest.
    about : About
        What it says of itself.
    report : Report
        What was found in the folder.
    sent, sent_bytes : int
        Files that the place did not have.
    kept, kept_bytes : int
        Files that it had, and that the version refers to.
    hashed, hashed_bytes : int
        Files that had to be read, since they were not known or had changed.
    existing : bool
        Whether the place had this very version already, so that nothing was done.
    dry_run : bool
        Whether nothing was to be written.
    seconds : float
    files : tuple of (str, int)
        Names in the place and sizes of the files that were, or would be, sent.
    """

    place: str
    project: str
    version: str
    manifest: str
    about: About
    report: Report
    sent: int = 0
    sent_bytes: int = 0
    kept: int = 0
    kept_bytes: int = 0
    hashed: int = 0
    hashed_bytes: int = 0
    existing: bool = False
    dry_run: bool = False
    seconds: float = 0.0
    files: tuple[tuple[str, int], ...] = field(default=(), repr=False)

    @property
    def name(self) -> str:
        """What `fascicle.open` and `Release` take."""
        return f"{self.place}@{self.version}"

    @property
    def next_steps(self) -> list[str]:
        """What to type next."""
        if self.dry_run and not self.existing:
            return []
        name = shlex.quote(self.name)
        return [f"fascicle get {name} --to DIR", f"fascicle release cite {name}"]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values, for JSON."""
        return {
            "place": self.place,
            "project": self.project,
            "version": self.version,
            "manifest": self.manifest,
            "about": self.about.to_dict(),
            "existing": self.existing,
            "dry_run": self.dry_run,
            "sent": {"files": self.sent, "bytes": self.sent_bytes},
            "kept": {"files": self.kept, "bytes": self.kept_bytes},
            "hashed": {"files": self.hashed, "bytes": self.hashed_bytes},
            "seconds": self.seconds,
            "files": [{"key": key, "size": size} for key, size in self.files],
            "report": self.report.to_dict(),
        }

    def __str__(self) -> str:
        what = f"{self.project} {self.version}"
        if self.existing:
            return f"{self.place} has {what} already, with the same content: nothing was sent"
        verb = "would be" if self.dry_run else "were"
        where = f"would go to {self.place}" if self.dry_run else f"is in {self.place}"
        return (
            f"{what} {where}: {self.sent:,} files, {size_text(self.sent_bytes)} {verb} sent; "
            f"{self.kept:,} files, {size_text(self.kept_bytes)} are there already"
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in (
                ("manifest", self.manifest),
                ("sent", f"{self.sent:,} files, {size_text(self.sent_bytes)}"),
                ("there already", f"{self.kept:,} files, {size_text(self.kept_bytes)}"),
                ("read", f"{self.hashed:,} files, {size_text(self.hashed_bytes)}"),
                ("seconds", f"{self.seconds:.1f}"),
            )
        )
        return f"<table><caption>{escape(str(self))}</caption>{rows}</table>"
