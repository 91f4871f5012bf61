"""Who asks: names, passwords and tokens from the environment, the settings, or the terminal."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

from fascicle.alyx import params
from fascicle.alyx.http import is_same_server
from fascicle.alyx.secret import Secret

#: The account that the public server has for everybody; it can read and not write.
PUBLIC_USER = "intbrainlab"
_PUBLIC_PASSWORD = Secret("international")

HOW = (
    "give username= and password= (or token=); or log in once in a terminal, which keeps the "
    "token: fascicle login {url}; or set FASCICLE_ALYX_URL, FASCICLE_ALYX_USER and "
    "FASCICLE_ALYX_PASSWORD (or FASCICLE_ALYX_TOKEN)"
)


class Login(NamedTuple):
    """What is known of who asks.

    Attributes
    ----------
    username : str or None
    password, token : Secret or None
    """

    username: str | None = None
    password: Secret | None = None
    token: Secret | None = None


def from_environment(base_url: str) -> Login:
    """Return what the environment says for a server.

    ``FASCICLE_ALYX_USER``, ``FASCICLE_ALYX_PASSWORD`` and ``FASCICLE_ALYX_TOKEN`` are for the
    server ``FASCICLE_ALYX_URL``, or where that is not set for the default one of ONE's settings.
    No other server gets to see them.
    """
    env = os.environ.get
    meant = env("FASCICLE_ALYX_URL") or params.get_default_client()
    if not meant or not is_same_server(_whole(meant), base_url):
        return Login()
    return Login(
        env("FASCICLE_ALYX_USER") or None,
        Secret.of(env("FASCICLE_ALYX_PASSWORD")),
        Secret.of(env("FASCICLE_ALYX_TOKEN")),
    )


def default_url() -> str | None:
    """Return the server that the environment names, None if it names none."""
    given = os.environ.get("FASCICLE_ALYX_URL")
    return _whole(given) if given else None


def _whole(url: str) -> str:
    url = url.rstrip("/")
    return url if "://" in url else f"https://{url}"


def is_public_account(base_url: str, username: str | None) -> bool:
    """Return whether a login is the one that the public server has for everybody."""
    return username == PUBLIC_USER and params.is_public(base_url)


def public_password(base_url: str, username: str) -> Secret | None:
    """Return the password of the public server's account for everybody, None for any other."""
    return _PUBLIC_PASSWORD if is_public_account(base_url, username) else None


def public_user(base_url: str, password: Secret | None) -> str | None:
    """Return the public account's name if that is meant: its server, and its password or none."""
    if params.is_public(base_url) and password in (None, _PUBLIC_PASSWORD):
        return PUBLIC_USER
    return None


def user_of(password: Secret | None) -> str | None:
    """Return whose password it is where that is known to all: the public account's.

    Pages that show how to log in with it name nobody, and copies of the public server have the
    account too.
    """
    return PUBLIC_USER if password == _PUBLIC_PASSWORD else None


def can_ask() -> bool:
    """Return whether somebody sits at a terminal."""
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


def ask_username(base_url: str) -> str | None:
    """Ask for a name at the terminal."""
    return input(f"User name at {base_url}: ").strip() or None


def ask_password(base_url: str, username: str) -> Login:
    """Ask for a password at the terminal, or failing that for a token; neither is shown."""
    from getpass import getpass

    asked = f'Password of "{username}" at {base_url} (empty to give a token instead): '
    password = Secret.of(getpass(asked))
    if password is not None:
        return Login(username, password)
    return Login(username, None, Secret.of(getpass(f"Token, as {base_url}/me shows it: ")))
