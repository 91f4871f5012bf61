"""The terms of a search as options, for every command that takes sessions by what they have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

#: Options of which any value may match; in the order in which they are listed.
_OPTIONS = (
    click.option("--subject", metavar="NAME", multiple=True, help="The subject."),
    click.option("--lab", metavar="NAME", multiple=True, help="The laboratory."),
    click.option(
        "--date",
        metavar="DAY",
        help="A day, a month, a year, or a range: 2020-01..2020-03, 2020-01..",
    ),
    click.option(
        "--number", metavar="N", type=int, multiple=True, help="Which session of its day."
    ),
    click.option(
        "--task",
        "--session-type",
        "task",
        metavar="NAME",
        multiple=True,
        help="The task protocol, or type of session.",
    ),
    click.option("--project", metavar="NAME", multiple=True, help="One of the session's projects."),
    click.option(
        "--region",
        metavar="ACRONYM",
        multiple=True,
        help="Recorded in this brain region or below it.",
    ),
    click.option(
        "--hemisphere", type=click.Choice(["left", "right"]), help="With --region: this side only."
    ),
)

NAMES = ("subject", "lab", "date", "number", "task", "project", "region", "hemisphere")


def search_options(command: _Command) -> _Command:
    """Add the options that choose sessions; the command gets them by the names in `NAMES`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def search_terms(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that were given as `fascicle.find` takes them."""
    terms: dict[str, Any] = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in given.items()
        if value
    }
    if "date" in terms:
        terms["date"] = _range(terms["date"])
    return terms


def _range(text: str) -> str | tuple[str | None, str | None]:
    first, dots, last = text.partition("..")
    return (first or None, last or None) if dots else text
