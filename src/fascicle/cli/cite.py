"""``fascicle cite``: how to cite what an analysis used."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fascicle.cli.app import debug_option
from fascicle.cli.lock import DEFAULT, run_recorded

if TYPE_CHECKING:
    from fascicle.releases.citing import Cited


@click.command(
    short_help="Say how to cite what an analysis used.",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "bibtex", "cff", "datacite", "json"]),
    default="text",
    show_default=True,
    help="cff gives the references for the CITATION.cff of an analysis; of a release the file.",
)
@debug_option
@click.argument("what", metavar="[LOCK | SCRIPT [ARGS]... | PLACE@VERSION]", nargs=-1)
@click.pass_context
def cite(ctx: click.Context, /, form: str, what: Sequence[str]) -> None:
    """Say how to cite what an analysis used: titles, versions, DOIs, revisions.

    Of a lock file everything in it (by default that of ./fascicle.lock), of a script everything
    that it loads when it is run, of a place the version of its release.

    \b
    Examples:
      fascicle cite
      fascicle cite figure2.lock --format bibtex
      fascicle cite --format cff analysis.py
      fascicle cite s3://bucket/project@1.1.0
    """
    from fascicle.releases.citing import cite as cited

    what, form = _late_options(ctx, what, form)
    found, alone = _found(ctx, what or (DEFAULT,))
    click.echo(cited(found, form, alone=alone), nl=False)


def _late_options(ctx: click.Context, what: Sequence[str], form: str) -> tuple[Sequence[str], str]:
    """Understand ``--format`` behind a lock or a place too; behind a script it is the script's."""
    if len(what) > 1 and not _is_script(what[0]):
        first, *rest = what
        given = [f"{rest[0]}={rest[1]}"] if len(rest) == 2 else rest
        name, mark, value = given[0].partition("=")
        if len(given) != 1 or name != "--format" or not mark:
            raise click.UsageError(f"What is {' '.join(rest)}?")
        option = next(p for p in cite.params if p.name == "form")
        return (first,), str(option.type_cast_value(ctx, value))
    return what, form


def _is_script(name: str) -> bool:
    return name.endswith(".py")


def _found(ctx: click.Context, what: Sequence[str]) -> tuple[list[Cited], bool]:
    from fascicle.archives.opening import open_archive
    from fascicle.formats.lock import read_lock
    from fascicle.releases.citing import citation_of_archive, citations
    from fascicle.releases.lock import lock_of

    name = what[0]
    if _is_script(name):
        with tempfile.TemporaryDirectory(prefix="fascicle-record-") as folder:
            code, uses = run_recorded(what, Path(folder), quiet=True)
            if code:
                ctx.exit(code)
            return citations(lock_of(uses)), False
    is_a_file = os.path.isfile(name) and not name.lower().endswith((".zip", ".json"))
    if is_a_file or name == DEFAULT:
        return citations(read_lock(Path(name))), False
    return [citation_of_archive(open_archive(name))], True
