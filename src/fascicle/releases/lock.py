"""Lock files made of what was recorded, and held against what is here."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fascicle import __version__
from fascicle.archives.contents import digest_of, looks
from fascicle.archives.record import Use
from fascicle.errors import LockError
from fascicle.formats.lock import (
    Lock,
    LockedArchive,
    LockedFile,
    lock_text,
    make_lock,
    parse_lock,
    read_lock,
)
from fascicle.releases.citing import folder_about
from fascicle.transfer.hashes import plain_name

#: What is computed where an archive has no checksum of its own.
ALGORITHM = "sha256"
_THREADS = 8


def lock_of(uses: Iterable[Use], *, command: str = "", created: str = "") -> Lock:
    """Return the lock of what was recorded.

    Parameters
    ----------
    uses : iterable of Use
        As `read_uses` gives them.
    command : str, optional
        What was run.
    created : str, optional
        When; by default now, or as ``SOURCE_DATE_EPOCH`` says.

    Raises
    ------
    LockError
        If a file changed since it was loaded, or is gone and nobody knows its checksum.
    """
    found = list(uses)
    with ThreadPoolExecutor(_THREADS) as pool:
        files = list(pool.map(_locked, found))
    groups: dict[tuple[str, str, str], list[tuple[Use, LockedFile]]] = {}
    for use, file in zip(found, files, strict=True):
        groups.setdefault((use.archive, use.kind, use.version), []).append((use, file))
    archives = []
    for (name, kind, version), members in groups.items():
        states = {use.state for use, _ in members}
        state = states.pop() if len(states) == 1 else ""
        project = next((use.project for use, _ in members if use.project), "")
        about = next((use.about for use, _ in members if use.about), {})
        if kind == "folder":
            about = about or folder_about(Path(name))
        members_files = tuple(file for _, file in members)
        archives.append(locked_archive(name, kind, version, project, state, about, members_files))
    return make_lock(
        archives, created=created or _now(), fascicle=__version__, command=_line(command)
    )


def locked_archive(
    name: str,
    kind: str,
    version: str,
    project: str,
    state: str,
    about: Mapping[str, Any],
    files: tuple[LockedFile, ...],
) -> LockedArchive:
    """Return an archive for a lock, with what it says of itself as texts of one line."""
    return LockedArchive(
        portable(name),
        kind,
        version,
        project,
        state,
        authors=author_names(about.get("authors")),
        date=_line(about.get("created"))[:10],
        files=files,
        **{key: _line(about.get(key)) for key in ("title", "license", "doi", "url", "citation")},
    )


def _locked(use: Use) -> LockedFile:
    size = use.seen[0] if use.seen else use.size
    if use.sure and use.hash:
        algorithm, digest = plain_name(use.algorithm), use.hash.lower()
    else:
        algorithm, digest = _digest(use)
        size = looks(use.file)[0]
    return LockedFile(use.session, use.path, use.eid, use.id, size, algorithm, digest)


def _digest(use: Use) -> tuple[str, str]:
    changed = LockError(
        f"{use.file} has changed since it was loaded: nobody can say what was used",
        hint="run the analysis again when nothing else writes there",
    )
    algorithm = plain_name(use.algorithm) if use.hash else ALGORITHM
    try:
        if use.seen and looks(use.file) != use.seen:
            raise changed
        digest = digest_of(use.file, algorithm)
        if use.seen and looks(use.file) != use.seen:
            raise changed
    except OSError as error:
        raise LockError(
            f"{use.file} cannot be read for its checksum: {error.strerror}",
            hint="run the analysis again, and keep its files until the lock is written",
        ) from error
    return algorithm, digest


def portable(name: str) -> str:
    """Return the name of an archive as other machines may have it: below home as ``~/…``."""
    home = os.path.expanduser("~")
    if os.path.isabs(name) and home not in ("", os.sep):
        for base in (home, os.path.realpath(home)):
            if name == base or name.startswith(base + os.sep):
                return "~" + name[len(base) :]
    return name


def author_names(authors: Any) -> tuple[str, ...]:
    """Return authors as names: ``Family, Given``, and who is no person in braces."""
    names = []
    for author in authors if isinstance(authors, (list, tuple)) else ():
        if isinstance(author, dict):
            both = ", ".join(str(author[key]) for key in ("family", "given") if author.get(key))
            alone = author.get("name") or (both if not author.get("given") else "")
            author = f"{{{alone}}}" if alone else both
        if name := _line(author):
            names.append(name)
    return tuple(names)


def _line(value: object) -> str:
    text = value if isinstance(value, str) else ""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:4000]


def _now() -> str:
    given = os.environ.get("SOURCE_DATE_EPOCH", "")
    seconds = int(given) if given.isdecimal() else time.time()
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def write_lock(uses: Iterable[Use], path: str | os.PathLike[str], *, command: str = "") -> Path:
    """Write what was recorded as a lock file.

    A file that says the same stays as it is, with its date.

    Parameters
    ----------
    uses : iterable of Use
    path : path-like
        Such as ``fascicle.lock``.
    command : str, optional
        What was run.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    LockError
        If nothing was recorded, or a file changed since it was loaded.
    OSError
        If it cannot be written.
    """
    target = Path(path).expanduser().absolute()
    found = list(uses)
    if not found:
        raise LockError(
            "nothing was loaded that a lock could be made of",
            hint="files count that are loaded through fascicle: sessions, fascicle.one, projects",
        )
    lock = lock_of(found, command=command)
    try:
        if read_lock(target).says_the_same(lock):
            return target
    except LockError:
        pass  # none, or none that can be read
    try:
        text = lock_text(lock).encode()
        parse_lock(text, where="what was recorded")
    except UnicodeEncodeError as error:
        raise LockError(
            f"the name of an archive or a file is no text: {error.object[:200]!r}",
            hint="rename the folder or the file",
        ) from error
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        part.write_bytes(text)
        os.replace(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return target


def parse_places(given: Sequence[str]) -> dict[str, str]:
    """Return which archive of a lock is at which place, from words like ``NAME=PLACE``.

    Raises
    ------
    LockError
        If a word is of another form.
    """
    places = {}
    for word in given:
        name, mark, place = word.partition("=")
        if not (name and mark and place):
            raise LockError(
                f"{word!r} does not say which archive is where",
                hint="write the name that the lock file has, and the place: ~/data=/mnt/data",
            )
        places[name] = place
    return places
