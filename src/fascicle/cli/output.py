"""How answers are printed: aligned tables for people, JSON and plain lines for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click

from fascicle.archives.session import human_bytes as human_bytes


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under headers as aligned columns; numbers to the right.

    Lines are never cut, so that what is piped is whole.
    """
    body = [[_text(value) for value in row] for row in rows]
    lines = [list(headers), *body]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if body:
        numeric = [all(map(_is_number, column)) for column in zip(*body, strict=True)]
    else:
        numeric = [False] * len(headers)
    for line in lines:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def as_json(value: object) -> None:
    """Print a value as indented JSON; dates, UUIDs and paths as text, numpy numbers as numbers."""
    click.echo(json.dumps(value, indent=2, default=_plain, ensure_ascii=False))


def note(text: str) -> None:
    """Say something beside the answer: on stderr, so that pipes stay clean."""
    click.echo(text, err=True)


def plural(count: int, noun: str) -> str:
    """Return ``'1 session'`` or ``'1,234 sessions'``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def one_line(name: str) -> str:
    """Return a file's name so that it takes one line, whatever characters are in it."""
    return name if name.isprintable() else "".join(map(_visible, name))


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode("unicode_escape", "surrogatepass").decode()


def wants_progress() -> bool:
    """Return whether a bar may be drawn: only where someone looks at stderr."""
    from fascicle.settings import show_progress

    return sys.stderr.isatty() and show_progress()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, (list, tuple)):
        return ",".join(map(str, value))
    return str(value)


def _is_number(text: str) -> bool:
    return text.replace(",", "").replace(".", "").replace("-", "").isdigit() and text.count("-") < 2


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return value.tolist()
    return str(value)
