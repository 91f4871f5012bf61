"""What the checks of a new NWB file found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fascicle.errors import ConfigurationError, nearest

#: The checks, in the order in which they run.
CHECKS = ("readback", "validate", "inspect", "layout")

#: What a finding may be, the gravest first, and what it means.
LEVELS = {
    "mismatch": "a value in the file is not that of the ALF dataset",
    "invalid": "the file breaks the NWB schema, or DANDI cannot take it",
    "critical": "nwbinspector calls it critical",
    "violation": "nwbinspector calls it a violation of best practice",
    "suggestion": "nwbinspector suggests to do better",
}
#: Levels that make a file not ok.
BAD = ("mismatch", "invalid", "critical", "violation")
#: What each way to refuse files does not let through; read back values must be right in any case.
REFUSALS = {
    "mismatch": ("mismatch",),
    "critical": ("mismatch", "invalid", "critical"),
    "violation": BAD,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a check found.

    Attributes
    ----------
    level : str
        One of `LEVELS`.
    where : str
        The dataset of the session, or the object of the file; may be empty.
    text : str
        What is the matter with it.
    """

    level: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}" if self.where else self.text


@dataclass(slots=True)
class Check:
    """One check of a file.

    Attributes
    ----------
    name : str
        One of `CHECKS`.
    findings : list of Finding
        The gravest first.
    checked : int
        How many things were looked at: datasets, rules.
    said : str
        What was looked at, in words.
    seconds, cpu_seconds : float
        What it took.
    """

    name: str
    findings: list[Finding] = field(default_factory=list)
    checked: int = 0
    said: str = ""
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing was found but suggestions."""
        return not any(finding.level in BAD for finding in self.findings)

    def at(self, *levels: str) -> list[Finding]:
        """Return the findings of some levels."""
        return [finding for finding in self.findings if finding.level in levels]

    def sort(self) -> None:
        """Put the gravest findings first."""
        order = list(LEVELS)
        self.findings.sort(key=lambda finding: order.index(finding.level))

    def __str__(self) -> str:
        found = ", ".join(
            f"{len(some):,} {level}{'' if len(some) == 1 else 's'}"
            for level in LEVELS
            if (some := self.at(level)) and level != "invalid"
        )
        if invalid := self.at("invalid"):
            found = ", ".join(filter(None, [f"{len(invalid):,} invalid", found]))
        return f"{self.name}: {self.said or 'done'}: {found or 'nothing found'}"

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return {
            "name": self.name,
            "ok": self.ok,
            "said": self.said,
            "checked": self.checked,
            "seconds": round(self.seconds, 3),
            "cpu_seconds": round(self.cpu_seconds, 3),
            "findings": [
                {"level": f.level, "where": f.where, "text": f.text} for f in self.findings
            ],
        }

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Check:
        """Return what `to_dict` made."""
        findings = [Finding(f["level"], f["where"], f["text"]) for f in given["findings"]]
        return cls(
            given["name"],
            findings,
            given["checked"],
            given["said"],
            given["seconds"],
            given["cpu_seconds"],
        )


def chosen(check: bool | str | Sequence[str]) -> tuple[str, ...]:
    """Return the checks that are asked for, in their order.

    Parameters
    ----------
    check : bool, str or sequence of str
        All, none, or names out of `CHECKS`.

    Raises
    ------
    ConfigurationError
        If there is no check of a name.
    """
    if isinstance(check, bool):
        return CHECKS if check else ()
    asked = (check,) if isinstance(check, str) else tuple(check)
    for name in asked:
        if name not in CHECKS:
            raise ConfigurationError(
                f"there is no check {name!r}",
                hint=nearest(str(name), CHECKS) or f"the checks are {', '.join(CHECKS)}",
            )
    return tuple(name for name in CHECKS if name in asked)
