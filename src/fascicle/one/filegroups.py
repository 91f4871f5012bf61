"""Sort files to be registered by the session, or other thing, that they belong to; hash them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from fascicle import settings
from fascicle.alf import ALFPath
from fascicle.alf.names import parse_folder
from fascicle.errors import ChangedFile, ConfigurationError

_BLOCK = 1 << 20


@dataclass
class Group:
    """Files that are registered together.

    Attributes
    ----------
    folder : pathlib.Path
        What their names are relative to.
    path : str
        What the database calls it: ``subject/date/number`` of a session.
    lab : str
        As the folder's path has it, or ''.
    names : list of str
        The files, relative to the folder.
    positions : list of int
        Of the files in the list that was given.
    """

    folder: Path
    path: str
    lab: str
    names: list[str] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)


def place_of(file: ALFPath, content_type: str) -> tuple[Path, str, str] | None:
    """Return folder, name in the database, and lab, of what a file belongs to, or None.

    Parameters
    ----------
    file : ALFPath
    content_type : str
        ``session``, or the name of the folder (``subject`` for ``Subjects``) that the path in the
        database begins with.
    """
    kind = content_type.rpartition(".")[2].casefold()
    if kind == "session":
        session = file.session_path()
        if session is None:
            return None
        return session, "/".join(session.session_parts[1:]), session.lab
    for i, step in enumerate(file.parts[:-1]):
        if step.casefold() in (kind, f"{kind}s"):
            return Path(*file.parts[:i]), "", ""
    return None


def groups_of(files: Sequence[tuple[int, ALFPath]], content_type: str) -> list[Group]:
    """Return files in groups, in the order in which they are given.

    Parameters
    ----------
    files : sequence of (int, ALFPath)
        The position of each in the list that was given, and the file; each belongs somewhere.
    content_type : str
        See `place_of`.
    """
    found: dict[Path, Group] = {}
    for position, file in files:
        where = place_of(file, content_type)
        assert where is not None
        folder, path, lab = where
        group = found.setdefault(folder, Group(folder, path, lab))
        group.names.append(PurePosixPath(file.relative_to(folder)).as_posix())
        group.positions.append(position)
    return [group if group.path else _below(group) for group in found.values()]


def _below(group: Group) -> Group:
    """Return a group whose folder is the deepest that all its files share, but for a revision."""
    shared = os.path.commonpath([os.path.dirname(name) for name in group.names])
    parts = parse_folder(shared)
    shared = parts.collection if parts else shared
    names = [os.path.relpath(name, shared) for name in group.names]
    return Group(group.folder / shared, shared, "", names, group.positions)


def one_each(given: Any, n: int, what: str) -> list[Any]:
    """Return one value for each of ``n`` files: a single value is that of all.

    Raises
    ------
    ConfigurationError
        There are several values, and not as many as files; this is a ValueError.
    """
    values = list(given) if isinstance(given, list | tuple) else [given]
    if len(values) == 1:
        return values * n
    if len(values) != n:
        raise ConfigurationError(
            f"{len(values)} values are given as {what}, and {n} files",
            hint="give one for each file, or one for all",
        )
    return values


def sizes_and_hashes(
    files: Sequence[Path], *, max_size: int | None = None, progress: bool | None = None
) -> tuple[list[int], list[str | None]]:
    """Return the sizes and the md5 of files, which are read a block at a time.

    Parameters
    ----------
    files : sequence of pathlib.Path
    max_size : int, optional
        Of larger files no md5 is made.
    progress : bool, optional
        Whether to show a bar; None for where there is something to wait for.

    Raises
    ------
    FileNotFoundError
        A file is not there.
    ChangedFile
        A file changed while it was read.
    """
    from fascicle.transfer.bars import make_bar

    sizes = [file.stat().st_size for file in files]
    hashes: list[str | None] = [None] * len(files)
    todo = [i for i, size in enumerate(sizes) if max_size is None or size <= max_size]
    total = sum(sizes[i] for i in todo)
    shown = settings.show_progress() and total > 100 * _BLOCK if progress is None else progress
    buffer = bytearray(_BLOCK)
    with make_bar(shown=shown, total=total, desc="Hashing") as bar:
        for i in todo:
            sizes[i], hashes[i] = _md5(files[i], buffer, bar.update)
    return sizes, hashes


def _md5(path: Path, buffer: bytearray, tell: Callable[[int], object]) -> tuple[int, str]:
    """Return a file's size and md5."""
    from hashlib import md5

    running, view = md5(usedforsecurity=False), memoryview(buffer)
    with open(path, "rb", buffering=0) as file:
        before = os.fstat(file.fileno())
        while n := file.readinto(buffer):
            running.update(view[:n])
            tell(n)
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise ChangedFile(
            f"{path} changed while it was read for its md5",
            hint="register it again when nothing writes it any more",
        )
    return after.st_size, running.hexdigest()


def listed(files: Any) -> tuple[list[ALFPath], bool]:
    """Return files as paths, and whether a single one was given."""
    single = isinstance(files, str | os.PathLike)
    given: Iterable[Any] = [files] if single else files
    return [ALFPath(file) for file in given], single
