"""The modes of a ONE object: whether a server or the tables answer."""

from __future__ import annotations

from fascicle.errors import ConfigurationError


def check_mode(mode: str, *, remote: bool) -> None:
    """Make sure that a mode is known, and remote only where there may be a server.

    Raises
    ------
    ConfigurationError
        It is not; this is a ValueError.
    """
    if mode == "remote" and not remote:
        raise ConfigurationError(
            'mode="remote" asks a server, and One is a local folder',
            hint="ONE(base_url=URL), or OneAlyx, connects to a server",
        )
    if mode not in ("local", "remote"):
        raise ConfigurationError(
            f'Mode "{mode}" not recognized', hint="leave mode out, or give mode='local'"
        )
