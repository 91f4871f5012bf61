"""``fascicle convert``: sessions of any archive to NWB files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fascicle.cli import output
from fascicle.cli.app import FAILED, NO, debug_option, one_line
from fascicle.cli.terms import NAMES, search_options, search_terms
from fascicle.cli.where import chosen, open_session

if TYPE_CHECKING:
    from fascicle.archives import OpenSession
    from fascicle.batch import Conversions


@click.command(short_help="Convert sessions to NWB files.")
@click.argument("eids", metavar="[EID]...", nargs=-1)
@click.option(
    "--from",
    "--in",
    "places",
    metavar="ARCHIVE",
    multiple=True,
    help="Where the sessions are: a folder, a lab's server (its URL), a release. Default: as of "
    "find.",
)
@click.option(
    "--to",
    "folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of the NWB files, which are named as DANDI wants.",
)
@click.option(
    "--metadata",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON or YAML: the document of the one session, or fields that hold for all of them.",
)
@click.option(
    "--write-metadata",
    "draft",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Convert nothing: write the document of the one session, to be edited.",
)
@click.option("--all", "everything", is_flag=True, help="All sessions of the archive.")
@search_options
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(min=1),
    help="Processes on this machine (default: one for each core).",
)
@click.option(
    "--scheduler", metavar="ADDRESS", help="A Dask scheduler, tcp://host:8786: its workers do it."
)
@click.option("--overwrite", is_flag=True, help="Convert anew what is there.")
@click.option("--no-raw", is_flag=True, help="Leave out raw recordings (AP, LF, nidq).")
@click.option(
    "--videos",
    type=click.Choice(["link", "copy", "none"]),
    default="link",
    show_default=True,
    help="Name video files where they are, put them beside the NWB file, or leave them out.",
)
@click.option("--kinematics", is_flag=True, help="Derive the wheel's velocity and acceleration.")
@click.option("--no-check", is_flag=True, help="Do not read the files back, nor inspect them.")
@click.option(
    "--refuse",
    type=click.Choice(["violation", "critical", "mismatch"]),
    help="What refuses a file: what nwbinspector calls a violation, or critical (the default), or "
    "nothing but a difference from the source.",
)
@click.option(
    "--incomplete",
    is_flag=True,
    help="Convert sessions of which facts are missing that DANDI asks for.",
)
@click.option(
    "--table",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write what became of each session to FILE: .csv, .html or .json.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, session by session.")
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, given: _print_schema(ctx) if given else None,
    help="Print the JSON Schema of metadata documents.",
)
@debug_option
@click.pass_context
def convert(
    ctx: click.Context,
    /,
    eids: Sequence[str],
    places: Sequence[str],
    folder: Path | None,
    metadata: Path | None,
    draft: Path | None,
    everything: bool,
    workers: int | None,
    scheduler: str | None,
    overwrite: bool,
    no_raw: bool,
    videos: str,
    kinematics: bool,
    no_check: bool,
    refuse: str | None,
    incomplete: bool,
    table: Path | None,
    as_json: bool,
    **terms: Any,
) -> None:
    """Convert sessions to NWB files: checked against their sources, named as DANDI wants.

    EID is a session: its id, a path ending in subject/date/number, 2020-01-31_1_subject; '-' reads
    them from stdin. Without EID, options as of find choose sessions, or --all takes each.

    \b
    Examples:
      fascicle convert EID --from ~/lab --to ~/nwb
      fascicle convert EID --from https://alyx.lab.org --write-metadata session.yaml
      fascicle convert EID --from https://alyx.lab.org --to ~/nwb --metadata session.yaml
      fascicle convert --from s3://bucket/project@1.0.0 --region TH --to ~/nwb --workers 8
      fascicle convert --all --from ~/lab --to ~/nwb --scheduler tcp://host:8786 --table all.html

    A run that was interrupted goes on when the same command is given again: what is there is not
    made anew. The exit code is 3 if a session could not be converted (the others are), and 1 if
    nothing matches.
    """
    sessions = _sessions(eids, places, terms, everything=everything)
    if not sessions:
        output.note("nothing matches")
        ctx.exit(NO)
    if draft is not None:
        _write_draft(sessions, draft)
        return
    if folder is None:
        raise click.UsageError("say where to: --to DIR")
    from fascicle.batch import convert_sessions

    done = convert_sessions(
        sessions,
        folder,
        metadata=metadata,
        workers=workers,
        scheduler=scheduler,
        overwrite=overwrite,
        raw=not no_raw,
        videos=videos,
        kinematics=kinematics,
        check=not no_check,
        refuse=refuse,
        incomplete=incomplete,
    )
    _print(done, as_json=as_json)
    if table is not None:  # if it cannot be written, what became of the sessions is said
        done.write(table)
    if not done.ok:
        ctx.exit(FAILED)


def _print_schema(ctx: click.Context) -> None:
    from fascicle.nwb.metadata import schema

    output.as_json(schema())
    ctx.exit()


def _sessions(
    eids: Sequence[str], places: Sequence[str], terms: dict[str, Any], *, everything: bool
) -> list[OpenSession]:
    import fascicle
    from fascicle.cli.get import words_of

    asked = search_terms({name: terms[name] for name in NAMES})
    words = list(words_of(eids))
    if sum(map(bool, (eids, asked, everything))) > 1:
        raise click.UsageError("sessions are named, searched for, or --all: one of these")
    if eids:
        return [open_session(places, word) for word in words]
    if not (asked or everything):
        raise click.UsageError("say which sessions: EID…, a search as of find, or --all")
    return list(fascicle.find(archives=chosen(places), **asked))


def _write_draft(sessions: Sequence[OpenSession], draft: Path) -> None:
    from fascicle.nwb import SessionMetadata

    if len(sessions) != 1:
        raise click.UsageError(
            f"--write-metadata is for one session, and these are {len(sessions)}"
        )
    session = sessions[0]
    document = SessionMetadata.from_archive(session.archive, session.eid)
    document.write(draft)
    click.echo(str(draft))
    for problem in document.problems():
        output.note(f"{problem.field}: {problem.text}")


def _print(done: Conversions, *, as_json: bool) -> None:
    if as_json:
        output.as_json(done.frame().to_dict(orient="records"))
        return
    output.table(
        ("session", "state", "file", "size", "datasets", "left out", "warnings", "seconds"),
        [
            (
                output.one_line(row.session or row.eid),
                row.state,
                output.one_line(Path(row.file).name) if row.file else "",
                output.human_bytes(row.size) if row.ok else "",
                row.datasets,
                row.left_out,
                row.warnings,
                f"{row.seconds:.1f}",
            )
            for row in done
        ],
    )
    for row in done.failed:
        hint = f" ({one_line(row.hint)})" if row.hint else ""
        output.note(f"{row.session or row.eid}: {one_line(row.error)}{hint}")
    output.note(done.headline)
