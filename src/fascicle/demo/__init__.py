"""A synthetic lab: realistic, deterministic, and made in seconds.

For a first look (``fascicle demo``), for tests and for tutorials. `make_lab` writes a folder of
ALF files, `walk` goes through it as a user would. All names are loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fascicle._lazy import attach

if TYPE_CHECKING:
    from fascicle.demo.lab import DESCRIPTION, describe, make_lab, read_description
    from fascicle.demo.register import add_description, index_lab
    from fascicle.demo.roster import SIZES, DemoError, ProbePlan, SessionPlan, Size, plan_lab
    from fascicle.demo.session import make_session
    from fascicle.demo.tour import STEPS, walk

_WHERE = {
    "DESCRIPTION": "lab",
    "describe": "lab",
    "make_lab": "lab",
    "read_description": "lab",
    "add_description": "register",
    "index_lab": "register",
    "SIZES": "roster",
    "DemoError": "roster",
    "ProbePlan": "roster",
    "SessionPlan": "roster",
    "Size": "roster",
    "plan_lab": "roster",
    "make_session": "session",
    "STEPS": "tour",
    "walk": "tour",
}

__all__ = [  # noqa: RUF022 - in the order of use
    "make_lab",
    "index_lab",
    "plan_lab",
    "make_session",
    "SIZES",
    "Size",
    "SessionPlan",
    "ProbePlan",
    "describe",
    "read_description",
    "add_description",
    "walk",
    "STEPS",
    "DESCRIPTION",
    "DemoError",
]

__getattr__, __dir__ = attach(__name__, _WHERE)
