"""Which archives a command asks, and how a session is named on the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from fascicle import settings
from fascicle.errors import NoIndexError, SessionNotFound

if TYPE_CHECKING:
    from fascicle.archives import OpenSession

_Command = TypeVar("_Command", bound=Callable[..., Any])


def in_option(command: _Command) -> _Command:
    """Add ``--in ARCHIVE`` (``--archive ARCHIVE``), which may be given several times."""
    return click.option(
        "--in",
        "--archive",
        "places",
        metavar="ARCHIVE",
        multiple=True,
        help="The archive to ask, once or several times: a folder, a lab's server (its URL), or a "
        "release (its bucket, folder, ZIP file or manifest's URL, with @1.1.0 for a version). "
        "Default: those in FASCICLE_ARCHIVES, else the current folder if it is indexed, else "
        "ONE's default cache.",
    )(command)


def chosen(places: Sequence[str]) -> list[str]:
    """Return the archives to ask: those that were named, else the first default that exists.

    Raises
    ------
    NoIndexError
        If none was named and no default is there.
    """
    if places:
        return list(places)
    from fascicle.archives.opening import named_archives

    if named := named_archives():
        return named
    for folder in (Path.cwd(), settings.one_cache_dir()):
        if is_indexed(folder):
            return [str(folder)]
    raise NoIndexError(
        f"neither the current folder nor {settings.one_cache_dir()} has an index, "
        "and FASCICLE_ARCHIVES names no folder",
        hint="name one with --in ARCHIVE, or make an index here: fascicle index .",
    )


def is_indexed(folder: Path) -> bool:
    """Return whether a folder has ONE's tables or an index of fascicle's."""
    return (folder / "sessions.pqt").exists() or (folder / ".fascicle").is_dir()


def open_session(places: Sequence[str], name: str) -> OpenSession:
    """Return the session of that name from the first archive that has it.

    Raises
    ------
    SessionNotFound
        If none has it.
    """
    import fascicle

    if "://" in name:
        raise click.UsageError(
            f"{name} is an archive and no session: 'fascicle find --in {name}' lists its sessions"
        )
    missing: SessionNotFound | None = None
    for place in chosen(places):
        try:
            return fascicle.open(place).open(name)
        except SessionNotFound as error:
            missing = missing or error
    assert missing is not None  # chosen() names at least one archive
    missing.hint = (
        f"'fascicle find --ids' lists what there is; {name!r} may be in another --in ARCHIVE"
    )
    raise missing
