"""``fascicle serve``: a lab's database, for every client of Alyx, from a folder of files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fascicle.cli import output
from fascicle.cli.app import debug_option

if TYPE_CHECKING:
    from fascicle.hub import HubConfig
    from fascicle.hub.importing import ImportReport
    from fascicle.hub.setup import FirstStart


@click.command(short_help="Serve FOLDER as a lab's database.")
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--host", metavar="ADDRESS", help="Listen at this address.  [default: 127.0.0.1]")
@click.option("--port", metavar="N", type=click.IntRange(0, 65535), help="[default: 8000]")
@click.option(
    "--database",
    metavar="URL",
    help="postgresql://user@host/name in place of a SQLite file; without a password, which is "
    "taken from PGPASSWORD, ~/.pgpass or the file of --config.",
)
@click.option(
    "--state",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the hub keeps its database, secret and uploads.  [default: FOLDER/.fascicle/hub]",
)
@click.option(
    "--config",
    "file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Settings in TOML; those on the command line count more.  [default: hub.toml in --state]",
)
@click.option("--workers", metavar="N", type=click.IntRange(1), help="Processes.  [default: 2]")
@click.option(
    "--public-url", metavar="URL", help="How users reach the hub, where a proxy is before it."
)
@click.option("--no-watch", is_flag=True, help="Do not import what changes in FOLDER meanwhile.")
@debug_option
def serve(folder: Path | None, file: Path | None, no_watch: bool, **given: Any) -> None:
    """Serve FOLDER as a lab's database: to fascicle, to ONE, to a browser.

    Makes or updates the database, imports what the index of FOLDER has, and answers until Ctrl-C.
    The first start makes an admin and shows the password, once.

    \b
    Examples:
      fascicle serve ~/data
      fascicle serve ~/data --port 0
      fascicle serve /mnt/readonly --state ~/hub --database postgresql://hub@localhost/lab
    """
    from fascicle.hub import load_config
    from fascicle.hub import serve as serve_hub

    if no_watch:
        given["watch"] = 0.0
    config = load_config(folder, file=file, **given)
    serve_hub(
        config=config,
        first=_first,
        imported=_imported,
        ready=_ready,
        progress=output.wants_progress(),
    )


def _first(config: HubConfig, made: FirstStart) -> None:
    from fascicle.hub.clients import which_hub

    if made.user:
        click.echo(f"User {made.user!r} with the password {made.password}")
        click.echo("  It is not kept: note it now, or give another, with")
        click.echo(f"  fascicle hub user password {which_hub(config)}")
        if config.folder is not None:
            output.note(f"importing what {config.folder} has; later starts do that for changes")
    sys.stdout.flush()


def _imported(report: ImportReport) -> None:
    click.echo(str(report))
    for user, password in report.logins.items():
        click.echo(f"User {user!r} of this synthetic lab, with the password {password}")
    for problem in report.problems:
        output.note(problem)


def _ready(config: HubConfig) -> None:
    from fascicle.hub.clients import setup_lines

    click.echo(f"\nServing {config.folder or config.state} at {config.url}  (Ctrl-C ends it)\n")
    for title, lines in setup_lines(config).items():
        click.echo(f"{title}:")
        for line in lines:
            click.echo(f"  {line}")
        click.echo()
    sys.stdout.flush()
