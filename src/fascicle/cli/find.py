"""``fascicle find``: which sessions fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from fascicle.cli import output
from fascicle.cli.app import NO, debug_option
from fascicle.cli.terms import search_options, search_terms
from fascicle.cli.where import chosen, in_option

if TYPE_CHECKING:
    from fascicle.archives import Sessions


@click.command()
@search_options
@click.option(
    "--dataset",
    "datasets",
    metavar="NAME",
    multiple=True,
    help="What it must have: object.attribute, an object, a file name or a path. Each must match.",
)
@click.option(
    "--qc",
    type=click.Choice(["NOT_SET", "PASS", "WARNING", "FAIL", "CRITICAL"], case_sensitive=False),
    help="The worst quality control that a dataset may have to count.",
)
@click.option("--ids", "as_ids", is_flag=True, help="Print the sessions' ids alone, one per line.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@in_option
@debug_option
@click.pass_context
def find(
    ctx: click.Context,
    /,
    as_ids: bool,
    as_json: bool,
    places: Sequence[str],
    **terms: Any,
) -> None:
    """Find sessions by anything they have.

    All options must hold. Of an option that is given several times any value may match, but for
    --dataset, where each must. Names match as a whole; '*' is a glob, and after re: stands a
    regular expression.

    \b
    Examples:
      fascicle find --subject NYU-01 --date 2019-08
      fascicle find --region TH --dataset spikes.times
      fascicle find --lab '*lab' --date 2020-01..2020-03 --json
      fascicle find --task '*ephys*' --ids | head -3
      fascicle find --session-type 'EPHYS*' --in s3://bucket/project@1.1.0 --in ~/data

    The exit code is 1 if nothing was found.
    """
    import fascicle

    wanted = search_terms(terms)
    found = fascicle.find(archives=chosen(places), **wanted)
    if as_ids:
        for eid in found.eids:
            click.echo(eid)
    elif as_json:
        output.as_json(_rows(found, by_region="region" in wanted))
    elif len(found):
        _print_table(_rows(found, by_region="region" in wanted))
    if not as_ids and not as_json:
        output.note(output.plural(len(found), "session") if len(found) else "nothing found")
        for sentence in found.why_empty():
            output.note(sentence)
    if not len(found):
        ctx.exit(NO)


def _rows(found: Sessions, *, by_region: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    native = {part.archive.name: part.catalogue.meta.get("native_ids") for part in found.parts}
    for session in found:
        record = session.record
        rows.append(
            {
                "archive": session.archive.name,
                "eid": str(record.eid),
                "lab": record.lab,
                "subject": record.subject,
                "date": record.date.isoformat(),
                "number": record.number,
                "task_protocol": record.task_protocol,
                "projects": record.projects,
            }
        )
        if any(native.values()):
            known = native[session.archive.name] or {}
            rows[-1]["native_id"] = known.get(session.eid.hex, "")
    if by_region and rows:
        for row, channels, probes in zip(rows, found["n_channels"], found["probes"], strict=True):
            row |= {"n_channels": int(channels), "probes": probes}
    return rows


def _print_table(rows: list[dict[str, Any]]) -> None:
    """Print the columns that say something: not the archive if there is one, not empty ones."""
    columns = [name for name in rows[0] if any(row[name] not in ("", None) for row in rows)]
    if len({row["archive"] for row in rows}) == 1:
        columns.remove("archive")
    output.table(columns, ([row[name] for name in columns] for row in rows))
