"""``fascicle index``: say what a folder holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fascicle.cli import output
from fascicle.cli.app import debug_option

if TYPE_CHECKING:
    from fascicle.catalogue import IndexReport


@click.command()
@click.argument(
    "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--hash", "hash_files", is_flag=True, help="Record the md5 of each file.")
@click.option("--explain", is_flag=True, help="List each file that was left out, with the reason.")
@click.option("--new-ids", is_flag=True, help="Forget the ids on record and derive all anew.")
@click.option(
    "--regions/--no-regions", default=True, show_default=True, help="Read the regions of channels."
)
@click.option("--lab", metavar="NAME", help="The lab of sessions whose path names none.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@debug_option
def index(
    folder: Path,
    hash_files: bool,
    explain: bool,
    new_ids: bool,
    regions: bool,
    lab: str | None,
    as_json: bool,
) -> None:
    """Index the ALF files under DIR, or bring its index up to date.

    Writes ONE's two tables (sessions.pqt, datasets.pqt) into DIR and fascicle's own index into one
    hidden folder beside them. A second run reads only what changed; rows that have an id keep it.

    \b
    Examples:
      fascicle index ~/data
      fascicle index ~/data --explain | less
      fascicle index ~/data --hash          before a release
    """
    from fascicle.catalogue import index as index_folder

    report = index_folder(
        folder,
        hash_files=hash_files,
        regions=regions,
        new_ids=new_ids,
        lab=lab,
        progress=output.wants_progress(),
    )
    if as_json:
        output.as_json(_facts(report))
        return
    if explain:
        for path, reason in report.rejected:
            click.echo(f"{output.one_line(path)}: {reason}")
    click.echo(f"{folder}: {report}")
    click.echo(", ".join(f"{step} {seconds:.2f} s" for step, seconds in report.seconds.items()))
    for path, reason in report.problems:
        output.note(f"{path}: {reason}")
    for path in report.differing:
        output.note(
            f"{path}: its size is not the one on record: look with 'fascicle verify {folder}'"
        )
    if report.unknown_regions:
        unknown = output.plural(report.unknown_regions, "session")
        output.note(
            f"regions unknown for {unknown}: the files of the probe's channels are not here"
        )
    if report.rejected and not explain:
        rejected = output.plural(len(report.rejected), "file")
        output.note(f"{rejected} left out: --explain lists them with the reason")


def _facts(report: IndexReport) -> dict[str, Any]:
    return {
        "folder": str(report.root),
        "number": report.number,
        "sessions": report.n_sessions,
        "datasets": report.n_datasets,
        "insertions": report.n_insertions,
        "added": report.added,
        "changed": report.changed,
        "removed": report.removed,
        "differing": report.differing,
        "rejected": [{"path": path, "reason": reason} for path, reason in report.rejected],
        "problems": [{"path": path, "reason": reason} for path, reason in report.problems],
        "unknown_regions": report.unknown_regions,
        "seconds": report.seconds,
    }
