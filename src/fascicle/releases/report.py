"""What was found before a release is made."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from fascicle.releases.rules import RULES, Severity
from fascicle.transfer.text import size_text

_SHOWN = 5


class Finding(NamedTuple):
    """Something that a rule is about.

    Attributes
    ----------
    rule : str
        Its name: see `fascicle.releases.RULES`.
    path : str
        The file or folder, relative to the folder that is to be released; may be empty.
    message : str
        What is wrong with it.
    """

    rule: str
    path: str
    message: str

    @property
    def severity(self) -> Severity:
        """Whether it stops a release (``error``) or is only said (``warning``)."""
        return RULES[self.rule].severity

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


@dataclass(slots=True)
class Report:
    """What was found in a folder.

    Attributes
    ----------
    folder : pathlib.Path
    findings : list of Finding
        By rule, errors first, then by path.
    n_sessions, n_datasets, n_bytes : int
        What can be released.
    """

    folder: Path
    findings: list[Finding] = field(default_factory=list)
    n_sessions: int = 0
    n_datasets: int = 0
    n_bytes: int = 0

    @property
    def errors(self) -> list[Finding]:
        """Those that stop a release."""
        return [f for f in self.findings if f.severity == "error"]

    @property
    def warnings(self) -> list[Finding]:
        """Those that are only said."""
        return [f for f in self.findings if f.severity == "warning"]

    @property
    def ok(self) -> bool:
        """Whether nothing stops a release."""
        return not self.errors

    def blocking(self, allow: Collection[str] = ()) -> list[Finding]:
        """Return the errors of rules that are not allowed to be broken."""
        return [f for f in self.errors if f.rule not in allow]

    def by_rule(self) -> dict[str, list[Finding]]:
        """Return the findings of each rule, the gravest first."""
        groups: dict[str, list[Finding]] = {name: [] for name in RULES}
        for finding in self.findings:
            groups[finding.rule].append(finding)
        ordered = sorted(groups, key=lambda name: RULES[name].severity != "error")
        return {name: groups[name] for name in ordered if groups[name]}

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain values, for JSON."""
        return {
            "folder": str(self.folder),
            "ok": self.ok,
            "sessions": self.n_sessions,
            "datasets": self.n_datasets,
            "bytes": self.n_bytes,
            "errors": len(self.errors),
            "warnings": len(self.warnings),
            "findings": [{"severity": f.severity, **f._asdict()} for f in self.findings],
        }

    def lines(self, *, shown: int | None = _SHOWN) -> Iterator[str]:
        """Go through the report line by line.

        Parameters
        ----------
        shown : int or None
            Findings of each rule that are listed; None for all.
        """
        yield self.headline
        for name, found in self.by_rule().items():
            rule = RULES[name]
            out = ", left out" if rule.left_out else ""
            yield f"{rule.severity} {name} ({len(found):,}): {rule.text}{out}"
            some = found if shown is None else found[:shown]
            yield from (f"  {_one_line(str(finding))}" for finding in some)
            if len(found) > len(some):
                yield f"  and {len(found) - len(some):,} more"

    @property
    def headline(self) -> str:
        """One line on what there is, and whether it can be released."""
        what = (
            f"{self.n_datasets:,} datasets of {self.n_sessions:,} sessions, "
            f"{size_text(self.n_bytes)}"
        )
        if self.ok:
            verdict = "can be released"
        else:
            names = dict.fromkeys(f.rule for f in self.errors)
            verdict = f"cannot be released: {', '.join(names)}"
        return f"{self.folder}: {what}: {verdict}"

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        rows = []
        for name, found in self.by_rule().items():
            rule = RULES[name]
            some = "<br>".join(escape(_one_line(str(f))) for f in found[:_SHOWN])
            more = f"<br>and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
            rows.append(
                f"<tr><td>{rule.severity}</td><td><code>{name}</code></td><td>{len(found):,}</td>"
                f"<td>{escape(rule.text)}<br><small>{some}{more}</small></td></tr>"
            )
        return f"<table><caption>{escape(self.headline)}</caption>{''.join(rows)}</table>"


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )
