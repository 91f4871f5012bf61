"""``fascicle login`` and ``fascicle logout``: tokens of servers, kept for later programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from fascicle.cli.app import debug_option

if TYPE_CHECKING:
    from fascicle.alyx import AlyxClient


@click.command(short_help="Log in to a lab's database, once for all programs.")
@click.argument("url", required=False)
@click.option("--user", metavar="NAME", help="Who; asked for, at a terminal, where not known.")
@click.option(
    "--password-stdin", is_flag=True, help="Read the password from the first line of stdin."
)
@click.option(
    "--token-stdin", is_flag=True, help="Read a token, in place of a password, from there."
)
@click.option("--default", is_flag=True, help="Make it the server of programs that name none.")
@debug_option
def login(
    url: str | None, user: str | None, password_stdin: bool, token_stdin: bool, default: bool
) -> None:
    """Log in to a lab's database, once for all programs.

    Keeps the token that the server gives for the password, in a file that you alone can read, where
    ONE keeps its own; the password is not kept. Without URL it is the server that FASCICLE_ALYX_URL
    names, else the default one of ONE's settings.

    \b
    Examples:
      fascicle login https://alyx.mylab.org
      fascicle login https://alyx.mylab.org --user anna --password-stdin < secret.txt
    """
    from fascicle.alyx import params
    from fascicle.errors import LoginNeeded

    if password_stdin and token_stdin:
        raise click.UsageError("--password-stdin and --token-stdin exclude each other")
    client = _client(url)
    given = sys.stdin.readline().rstrip("\r\n") if password_stdin or token_stdin else ""
    if (password_stdin or token_stdin) and not given:
        raise click.UsageError("there is nothing on stdin")
    try:
        if token_stdin:
            client.authenticate(user, token=given)
        else:
            client.authenticate(user, given or None, force=True)
    except LoginNeeded as error:
        error.hint = "--user NAME, and --password-stdin or --token-stdin"
        raise
    params.setup(client.base_url, make_default=default or None)


@click.command(short_help="Forget the login to a lab's database.")
@click.argument("url", required=False)
@click.option("--user", metavar="NAME", help="Whose; by default whoever is set up.")
@debug_option
def logout(url: str | None, user: str | None) -> None:
    """Forget the login to a lab's database: the token that is kept on this machine.

    Elsewhere the token is good still; fascicle hub token revoke, or the server's page /me, ends it.

    \b
    Examples:
      fascicle logout https://alyx.mylab.org
    """
    from fascicle.alyx import params

    client = _client(url)
    known = params.get(client.base_url)
    users = [user] if user else sorted(known.get("TOKEN") or {})
    kept = [name for name in users if name in (known.get("TOKEN") or {})]
    for name in kept:
        params.save_token(client.base_url, name, None)
        click.echo(f'Forgot the token of "{name}" at {client.base_url}')
    if not kept:
        click.echo(f"No token is kept for {client.base_url}", err=True)


def _client(url: str | None) -> AlyxClient:
    from fascicle.alyx import AlyxClient

    return AlyxClient(url)
