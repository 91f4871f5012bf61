"""Versioned releases: publish a folder, say what changed, verify, cite, pin.

All names are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.releases.about import About
    from fascicle.releases.citation import Citation
    from fascicle.releases.citing import Cited, citations, cite
    from fascicle.releases.comparing import Change, Comparison, compare
    from fascicle.releases.differences import Difference, FileChange, difference
    from fascicle.releases.published import Published
    from fascicle.releases.publishing import publish
    from fascicle.releases.recording import Record
    from fascicle.releases.release import Release
    from fascicle.releases.report import Finding, Report
    from fascicle.releases.rules import RULES, Rule
    from fascicle.releases.syncing import Problem, Sync
    from fascicle.releases.validating import validate
    from fascicle.releases.verify import Verification, Wrong

__all__ = [  # noqa: RUF022 - in the order of use
    "publish",
    "validate",
    "Release",
    "compare",
    "difference",
    "Published",
    "Report",
    "Finding",
    "Rule",
    "RULES",
    "Difference",
    "FileChange",
    "Comparison",
    "Change",
    "Verification",
    "Wrong",
    "About",
    "Citation",
    "Record",
    "Sync",
    "Problem",
    "citations",
    "cite",
    "Cited",
]

_HOMES = {
    "About": "about",
    "Change": "comparing",
    "Citation": "citation",
    "Cited": "citing",
    "Comparison": "comparing",
    "Difference": "differences",
    "FileChange": "differences",
    "Finding": "report",
    "Problem": "syncing",
    "Published": "published",
    "RULES": "rules",
    "Record": "recording",
    "Release": "release",
    "Report": "report",
    "Rule": "rules",
    "Sync": "syncing",
    "Verification": "verify",
    "Wrong": "verify",
    "citations": "citing",
    "cite": "citing",
    "compare": "comparing",
    "difference": "differences",
    "publish": "publishing",
    "validate": "validating",
}

__getattr__, __dir__ = attach(__name__, _HOMES)
