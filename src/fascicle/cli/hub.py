"""``fascicle hub``: users, tokens, imports and backups of a lab's server."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fascicle.cli import output
from fascicle.cli.app import NO, debug_option

if TYPE_CHECKING:
    from fascicle.hub import HubConfig

PASSWORD = "FASCICLE_HUB_PASSWORD"  # noqa: S105 - the name of a variable

_Command = TypeVar("_Command", bound=Callable[..., Any])


def hub_options(command: _Command) -> Callable[..., Any]:
    """Add the options that say which hub, and hand its settings to the command."""

    @click.option(
        "--hub",
        "place",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="The folder that it serves, or its state folder.  [default: $FASCICLE_HUB, or .]",
    )
    @click.option(
        "--config",
        "settings",
        metavar="FILE",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Its settings in TOML.  [default: hub.toml in its state folder]",
    )
    @debug_option
    @functools.wraps(command)
    def run(place: Path | None, settings: Path | None, **rest: Any) -> Any:
        from fascicle.hub.last import find_hub
        from fascicle.hub.setup import prepare

        config = find_hub(place, file=settings)
        prepare(config)
        return command(config, **rest)

    return run


@click.group()
def hub() -> None:
    """Look after a lab's server: users, tokens, imports, backups.

    Each command takes --hub DIR, the folder that the hub serves; the working folder by default.

    \b
    Examples:
      fascicle hub user add anna --hub ~/data
      fascicle hub token new anna
      fascicle hub backup ~/backups/monday.tar.gz
      fascicle hub check
    """


# -- users -----------------------------------------------------------------------------------------


@hub.group()
def user() -> None:
    """Who may log in."""


_passwords = (
    click.option(
        "--password-stdin", is_flag=True, help="Read the password from the first line of stdin."
    ),
    click.option("--generate", is_flag=True, help="Make a password and print it."),
)


def password_options(command: _Command) -> _Command:
    """Add the options that say where a password comes from; never the command line itself."""
    for option in reversed(_passwords):
        command = option(command)
    return command


def _password(name: str, from_stdin: bool, generate: bool) -> str:
    from fascicle.errors import ConfigurationError
    from fascicle.hub.users import generate_password

    if generate:
        return generate_password()
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if given := os.environ.get(PASSWORD):
        return given
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "there is no terminal to ask for a password",
            hint=f"--password-stdin, --generate, or the variable {PASSWORD}",
        )
    answer: str = click.prompt(
        f"Password of {name}", hide_input=True, confirmation_prompt=True, err=True
    )
    return answer


@user.command("add")
@click.argument("name")
@click.option("--email", default="", metavar="ADDRESS", help="An address of the user.")
@click.option("--admin", is_flag=True, help="May change everything, users too.")
@click.option("--public", is_flag=True, help="May only read.")
@password_options
@hub_options
def user_add(
    config: HubConfig,
    name: str,
    email: str,
    admin: bool,
    public: bool,
    password_stdin: bool,
    generate: bool,
) -> None:
    """Make a user NAME."""
    from fascicle.hub.users import add_user

    password = _password(name, password_stdin, generate)
    add_user(name, password, email=email, admin=admin, public=public)
    if generate:
        click.echo(password)
    output.note(f"made user {name!r}")


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@hub_options
def user_list(config: HubConfig, as_json: bool) -> None:
    """List the users."""
    from fascicle.hub.users import user_rows

    rows = user_rows()
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ("user", "role", "active", "tokens", "last login", "email"),
        (
            (
                row["user"],
                row["role"],
                "yes" if row["active"] else "no",
                row["tokens"],
                _moment(row["last_login"]),
                row["email"],
            )
            for row in rows
        ),
    )


@user.command("password")
@click.argument("name", default="admin")
@password_options
@hub_options
def user_password(config: HubConfig, name: str, password_stdin: bool, generate: bool) -> None:
    """Give the user NAME (admin by default) another password; the user's tokens end."""
    from fascicle.hub.users import change_password, find_user

    find_user(name)
    password = _password(name, password_stdin, generate)
    change_password(name, password)
    if generate:
        click.echo(password)
    output.note(f"changed the password of {name!r}; tokens made before are ended")


@user.command("remove")
@click.argument("name")
@hub_options
def user_remove(config: HubConfig, name: str) -> None:
    """Remove the user NAME; one whom sessions or datasets name stays, and is locked out."""
    from fascicle.hub.users import remove_user

    if remove_user(name):
        output.note(f"removed user {name!r}")
    else:
        output.note(f"user {name!r} can no longer log in; the name stays with what the user did")


@user.command("public")
@click.argument("name")
@click.option("--off", is_flag=True, help="Let the user write again.")
@hub_options
def user_public(config: HubConfig, name: str, off: bool) -> None:
    """Let the user NAME only read."""
    from fascicle.hub.users import set_public

    set_public(name, not off)
    output.note(f"user {name!r} may {'write' if off else 'only read'}")


# -- tokens ----------------------------------------------------------------------------------------


@hub.group()
def token() -> None:
    """What clients show in place of a password."""


@token.command("new")
@click.argument("name")
@click.option("--label", default="", metavar="TEXT", help="What it is for.")
@click.option("--days", type=click.FloatRange(0), metavar="N", help="0 never expires.")
@hub_options
def token_new(config: HubConfig, name: str, label: str, days: float | None) -> None:
    """Make a token for the user NAME and print it: it is shown this once."""
    from fascicle.hub.tokens import new_token
    from fascicle.hub.users import find_user

    click.echo(new_token(find_user(name), label=label or "fascicle hub token", days=days))


@token.command("list")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@hub_options
def token_list(config: HubConfig, name: str | None, as_json: bool) -> None:
    """List the tokens, of all users or of NAME; never the tokens themselves."""
    from fascicle.hub.users import token_rows

    rows = token_rows(name)
    if as_json:
        output.as_json(rows)
        return
    output.table(
        ("id", "user", "made", "expires", "last used", "label"),
        (
            (
                row["id"],
                row["user"],
                _moment(row["created"]),
                "expired" if row["expired"] else _moment(row["expires"]) or "never",
                _moment(row["last_used"]),
                row["label"],
            )
            for row in rows
        ),
    )


@token.command("revoke")
@click.argument("which")
@hub_options
def token_revoke(config: HubConfig, which: str) -> None:
    """End the token with the id WHICH, or all tokens of the user WHICH."""
    from fascicle.hub.users import revoke

    output.note(f"ended {output.plural(revoke(which), 'token')}")


# -- data ------------------------------------------------------------------------------------------


@hub.command("import")
@click.argument("source", required=False)
@click.option(
    "--user", "login", metavar="NAME", help="For a URL: the user there; the password is asked for."
)
@click.option("--password-stdin", is_flag=True, help="For a URL: read the password from stdin.")
@click.option("--token-stdin", is_flag=True, help="For a URL: read a token there from stdin.")
@hub_options
def import_(
    config: HubConfig,
    source: str | None,
    login: str | None,
    password_stdin: bool,
    token_stdin: bool,
) -> None:
    """Bring SOURCE into the hub: its folder, a running Alyx by its URL, or an Alyx's JSON dump.

    Without SOURCE, the folder that the hub serves. What is there already is brought up to date, so
    that an import can be repeated, or gone on with.
    """
    from fascicle.hub import importing
    from fascicle.hub.setup import migrate

    migrate(config)
    progress = output.wants_progress()
    if source is None or Path(source).is_dir():
        report = importing.import_folder(_same_folder(config, source), progress=progress)
    elif "://" in source:
        token = sys.stdin.readline().strip() if token_stdin else None
        password = _secret_there(login, password_stdin) if login and not token else None
        report = importing.import_alyx(
            config, source, username=login, password=password, token=token, progress=progress
        )
    else:
        report = importing.import_dump(config, Path(source), progress=progress)
    click.echo(str(report))
    for problem in report.problems:
        output.note(problem)


def _secret_there(login: str, from_stdin: bool) -> str | None:
    """Return the password of another server; None where what is kept of a login there may do."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        return None
    answer: str = click.prompt(f"Password of {login} there", hide_input=True, err=True)
    return answer


def _same_folder(config: HubConfig, source: str | None) -> HubConfig:
    from dataclasses import replace

    from fascicle.errors import ConfigurationError

    if source is None or config.folder is None:
        return config if source is None else replace(config, folder=Path(source).absolute())
    if not Path(source).samefile(config.folder):
        raise ConfigurationError(
            f"this hub serves {config.folder}, not {source}",
            hint="its files have to be under one folder: move or mount the other into it",
        )
    return config


@hub.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@hub_options
def export(config: HubConfig, file: Path) -> None:
    """Write what the hub has as a dump that an Alyx loads (.json, or .json.gz)."""
    from fascicle.hub.importing import export_dump

    counts = export_dump(config, file)
    rows = ", ".join(f"{n:,} {table}" for table, n in sorted(counts.items()))
    output.note(f"wrote {file}: {rows}")


@hub.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@hub_options
def backup(config: HubConfig, file: Path) -> None:
    """Copy the database, uploads, secret and settings into FILE (.tar, .tar.gz) while it serves."""
    from fascicle.hub.backup import back_up

    size = back_up(config, file)
    output.note(f"wrote {file} ({output.human_bytes(size)})")


@hub.command()
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@hub_options
@click.pass_context
def check(ctx: click.Context, config: HubConfig, as_json: bool) -> None:
    """Say what is unsafe or missing in this deployment; exit code 1 if anything is."""
    from fascicle.hub.checking import NOTE
    from fascicle.hub.checking import check as look

    found = look(config)
    if as_json:
        output.as_json([finding.as_dict() for finding in found])
    elif not found:
        click.echo("nothing unsafe, nothing missing")
    else:
        for finding in found:
            click.echo(f"{finding.level}: {finding.what}")
            if finding.todo:
                click.echo(f"    {finding.todo}")
    if any(finding.level != NOTE for finding in found):
        ctx.exit(NO)


def _moment(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M}" if value is not None else ""
