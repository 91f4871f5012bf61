"""Versioned releases: what changed between two of them, and where their files lie."""

from fascicle.releases.compare import Change, Comparison, compare

__all__ = ["Change", "Comparison", "compare"]
