"""``fascicle release``: publish a folder as versions, and say what is in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fascicle.cli import output
from fascicle.cli.app import FAILED, NO, debug_option
from fascicle.cli.units import BYTES
from fascicle.errors import NotReleasable

if TYPE_CHECKING:
    from fascicle.releases import Published, Report

_Command = TypeVar("_Command", bound=Callable[..., Any])

_folder = click.argument(
    "folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def _endpoint(command: _Command) -> _Command:
    return click.option(
        "--endpoint",
        metavar="URL",
        help="S3 of another server than Amazon's (default: AWS_ENDPOINT_URL_S3).",
    )(command)


@click.group(short_help="Publish a folder as a release; compare and cite versions.")
@debug_option
def release() -> None:
    """Publish a folder as versions of a release; compare, verify and cite versions.

    A PLACE is s3://bucket/project, a folder, a ZIP file, or the address of a manifest;
    PLACE@1.1.0 names one version, PLACE alone the newest.

    \b
    Examples:
      fascicle release validate ~/lab
      fascicle release create ~/lab --version 1.1.0 --to s3://our-lab/choice-task
      fascicle release diff s3://our-lab/choice-task 1.0.0 1.1.0
      fascicle release notes s3://our-lab/choice-task@1.1.0 >> CHANGELOG.md
    """


@release.command()
@_folder
@click.option("--version", required=True, metavar="VERSION", help="Such as 1.1.0.")
@click.option("--to", required=True, metavar="PLACE", help="s3://bucket/project, DIR or X.zip.")
@click.option("--tag", metavar="TAG", help="Of the hub of DIR, what has a tag alone.")
@click.option(
    "--state",
    metavar="STATE",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="With --tag: where that hub keeps its own.  [default: DIR/.fascicle/hub]",
)
@click.option("--project", metavar="NAME", help="The project (default: of the place, or DIR).")
@click.option("--title", default="", metavar="TEXT", help="What the data are.")
@click.option(
    "--author",
    "authors",
    multiple=True,
    metavar="NAME",
    help="'Family, Given', or '{The Brain Lab}' in braces; once or several times.",
)
@click.option("--license", default="", metavar="SPDX", help="Such as CC-BY-4.0.")
@click.option("--doi", default="", metavar="DOI", help="Such as 10.5281/zenodo.1234.")
@click.option("--description", default="", metavar="TEXT", help="A few sentences.")
@click.option("--keyword", "keywords", multiple=True, metavar="WORD", help="Once or several times.")
@click.option("--publisher", default="", metavar="NAME", help="Who makes the data available.")
@click.option("--url", default="", metavar="URL", help="A page about the data.")
@click.option(
    "--allow", multiple=True, metavar="RULE", help="A rule that may be broken: see 'validate'."
)
@click.option("--dry-run", is_flag=True, help="Say what would be sent; write nothing.")
@_endpoint
@click.option("--parallel", metavar="N", type=click.IntRange(min=1), help="Files sent at once.")
@click.option("--bandwidth", metavar="RATE", type=BYTES, help="Bytes per second at most: 20M.")
@_json
@debug_option
@click.pass_context
def create(
    ctx: click.Context,
    /,
    folder: Path,
    tag: str | None,
    state: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Publish DIR as a version of a release.

    The index of DIR is brought up to date, its files are looked at and hashed, what the place does
    not have is sent, and the manifest comes last: readers see the version before, or all of this
    one. After an interruption the same command goes on where it was. Title, authors, license and
    DOI can stand in release.toml or CITATION.cff in DIR; what is not said is as in the version
    before.

    \b
    Examples:
      fascicle release create ~/lab --version 1.0.0 --to ~/releases/choice-task
      fascicle release create ~/lab --version 1.1.0 --to s3://our-lab/choice-task --dry-run
      fascicle release create ~/lab --version 1.0.0 --to choice-task.zip --allow empty-file
      fascicle release create ~/lab --version 1.0.0 --to s3://our-lab --title 'Choice task' \\
        --author 'Lovelace, Ada' --author '{The Brain Lab}' --license CC-BY-4.0
      fascicle release create ~/lab --tag 2026_Q4_Lovelace --version 1.0.0 --to s3://our-lab/paper
    """
    from fascicle.releases import publish

    options["progress"] = output.wants_progress()
    try:
        done = _publish_tag(folder, state, tag, options) if tag else publish(folder, **options)
    except NotReleasable as error:
        if as_json:
            output.as_json({"published": False, "report": error.report.to_dict()})
        else:
            _show_report(error.report, shown=None)
            rules = dict.fromkeys(f.rule for f in error.report.blocking(options["allow"]))
            allow = " ".join(f"--allow {rule}" for rule in rules)
            output.note(f"nothing was published: mend these, or add {allow}")
        ctx.exit(FAILED)
    if as_json:
        output.as_json(done.to_dict())
    else:
        _show_published(done)


def _publish_tag(folder: Path, state: Path | None, tag: str, options: dict[str, Any]) -> Published:
    from fascicle.hub.config import load_config
    from fascicle.hub.publishing import publish_tag

    return publish_tag(load_config(folder, state=state), tag, **options)


def _show_report(report: Report, *, shown: int | None = 5) -> None:
    for line in report.lines(shown=shown):
        click.echo(line)


def _show_published(done: Published) -> None:
    _show_report(done.report)
    click.echo("")
    if done.dry_run and done.files:
        rows = [[output.human_bytes(size), key] for key, size in done.files[:20]]
        output.table(["size", "would be sent"], rows)
        if len(done.files) > 20:
            click.echo(f"and {len(done.files) - 20:,} more")
        click.echo("")
    click.echo(str(done))
    if done.existing:
        return
    click.echo(
        f"read for checksums: {output.plural(done.hashed, 'file')}, "
        f"{output.human_bytes(done.hashed_bytes)}; the others are known since the last time"
    )
    click.echo(f"manifest: {done.manifest}")
    for step in done.next_steps:
        click.echo(f"  {step}")


@release.command(short_help="Say what stands in the way of releasing DIR.")
@_folder
@click.option("--all", "everything", is_flag=True, help="List each finding, not five of each rule.")
@_json
@debug_option
@click.pass_context
def validate(ctx: click.Context, folder: Path, everything: bool, as_json: bool) -> None:
    """Say what stands in the way of releasing DIR, and what its users would miss.

    Nothing is written. The exit code is 1 if there are errors; warnings are only said.

    \b
    Examples:
      fascicle release validate ~/lab
      fascicle release validate ~/lab --all | less
      fascicle release validate ~/lab --json > report.json
    """
    from fascicle.releases import validate as look

    report = look(folder)
    if as_json:
        output.as_json(report.to_dict())
    else:
        _show_report(report, shown=None if everything else 5)
    if not report.ok:
        ctx.exit(NO)


@release.command(name="list")
@click.argument("place", metavar="PLACE")
@_endpoint
@_json
@debug_option
def list_(place: str, endpoint: str | None, as_json: bool) -> None:
    """List the versions of a release, oldest first.

    \b
    Examples:
      fascicle release list s3://our-lab/choice-task
      fascicle release list ~/releases/choice-task --json
    """
    from fascicle.releases import Release

    opened = Release(place, endpoint=endpoint)
    rows: list[dict[str, Any]] = []
    for version in opened.versions:
        manifest = opened.at(version).manifest
        sizes = [entry.size for entry in manifest.data_files.values()]
        rows.append(
            {
                "version": version,
                "created": str(manifest.about.get("created", ""))[:10],
                "files": len(sizes),
                "bytes": None if None in sizes else sum(size or 0 for size in sizes),
                "title": str(manifest.about.get("title", "")),
            }
        )
    if as_json:
        output.as_json({"place": opened.place, "project": opened.project, "versions": rows})
        return
    output.table(
        ["version", "created", "files", "size", "title"],
        [
            [
                row["version"],
                row["created"],
                f"{row['files']:,}",
                "" if row["bytes"] is None else output.human_bytes(row["bytes"]),
                row["title"],
            ]
            for row in rows
        ],
    )


@release.command(short_help="Say what changed from version A to version B.")
@click.argument("versions", metavar="A B", nargs=-1, required=True)
@click.option("--summary", is_flag=True, help="A line for each object, none for each file.")
@click.option("--html", is_flag=True, help="Print an HTML table.")
@_endpoint
@_json
@debug_option
def diff(
    versions: Sequence[str], summary: bool, html: bool, endpoint: str | None, as_json: bool
) -> None:
    """Say what changed from version A to version B: by session and object, with sizes.

    A and B are PLACE@VERSION or manifest files; or say PLACE 1.0.0 1.1.0. With PLACE alone its two
    newest versions are compared. Lines begin with + created, ~ changed, - deleted, > renamed.

    \b
    Examples:
      fascicle release diff s3://our-lab/choice-task 1.0.0 1.1.0
      fascicle release diff ~/releases/choice-task@1.0.0 choice-task.zip
      fascicle release diff s3://our-lab/choice-task --summary
    """
    from fascicle.releases.release import compare_named

    found = compare_named(versions, endpoint=endpoint)
    if as_json:
        output.as_json(found.to_dict())
    elif html:
        click.echo(found.to_html())
    else:
        for line in found.lines(files=not summary):
            click.echo(output.one_line(line))


@release.command(short_help="Write notes on a version in Markdown.")
@click.argument("versions", metavar="[A] B", nargs=-1, required=True)
@_endpoint
@debug_option
def notes(versions: Sequence[str], endpoint: str | None) -> None:
    """Write notes on a version in Markdown: what came, changed and went.

    Named as for diff; PLACE@VERSION alone is compared with the version before it.

    \b
    Examples:
      fascicle release notes s3://our-lab/choice-task@1.1.0 >> CHANGELOG.md
      fascicle release notes s3://our-lab/choice-task 1.0.0 1.2.0
    """
    from fascicle.releases import Release
    from fascicle.releases.notes import write_notes
    from fascicle.releases.release import compare_named

    if len(versions) == 1:
        text = Release(versions[0], endpoint=endpoint).notes()
    else:
        text = write_notes(compare_named(versions, endpoint=endpoint))
    click.echo(text, nl=False)


@release.command(short_help="Hold every file of a version against the manifest.")
@click.argument("place", metavar="PLACE[@VERSION]")
@click.option("--quick", is_flag=True, help="Compare sizes, without reading the files.")
@_endpoint
@_json
@debug_option
@click.pass_context
def verify(
    ctx: click.Context, place: str, quick: bool, endpoint: str | None, as_json: bool
) -> None:
    """Hold every file of a version, where it lies, against the manifest.

    All bytes are read. The exit code is 1 if a file is missing or is another.

    \b
    Examples:
      fascicle release verify s3://our-lab/choice-task@1.1.0
      fascicle release verify ~/releases/choice-task --quick
    """
    from fascicle.releases import Release

    opened = Release(place, endpoint=endpoint)
    found = opened.verify(quick=quick, progress=output.wants_progress())
    if as_json:
        output.as_json(found.to_dict())
    else:
        for wrong in found.wrong:
            click.echo(output.one_line(str(wrong)))
        click.echo(str(found).partition("\n")[0])
    if not found.ok:
        ctx.exit(NO)


@release.command()
@click.argument("place", metavar="PLACE[@VERSION]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "bibtex", "cff", "datacite"]),
    default="text",
    show_default=True,
    help="Plain text, BibTeX, a CITATION.cff, or DataCite's JSON.",
)
@_endpoint
@debug_option
def cite(place: str, form: str, endpoint: str | None) -> None:
    """Say how a version is cited.

    \b
    Examples:
      fascicle release cite s3://our-lab/choice-task@1.1.0
      fascicle release cite ~/releases/choice-task --format bibtex >> references.bib
      fascicle release cite choice-task.zip --format cff > CITATION.cff
    """
    from fascicle.releases import Release

    click.echo(Release(place, endpoint=endpoint).cite(form), nl=False)
