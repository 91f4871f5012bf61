"""Paths that know their ALF parts, and the functions that take any path apart.

The functions come from :mod:`fascicle.alf.parts`, the classes without I/O from
:mod:`fascicle.alf.pure`; :class:`ALFPath` is the class whose paths may be files on a disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, Self

from ..errors import ALFInvalid
from .parts import (
    add_uuid_string,
    filename_parts,
    folder_parts,
    full_path_parts,
    get_alf_path,
    get_session_path,
    rel_path_parts,
    remove_uuid_string,
    session_path_parts,
    without_revision,
)
from .pure import PureALFPath, PurePosixALFPath, PureWindowsALFPath
from .spec import is_session_path, is_valid

__all__ = [
    "ALFPath",
    "PosixALFPath",
    "PureALFPath",
    "PurePosixALFPath",
    "PureWindowsALFPath",
    "WindowsALFPath",
    "add_uuid_string",
    "ensure_alf_path",
    "filename_parts",
    "folder_parts",
    "full_path_parts",
    "get_alf_path",
    "get_session_path",
    "padded_sequence",
    "rel_path_parts",
    "remove_uuid_string",
    "session_path_parts",
    "without_revision",
]


class ALFPath(PureALFPath, Path):
    """A :class:`pathlib.Path` that knows its ALF parts.

    All of :class:`PureALFPath`; where the path exists, what is a file and what is a folder is
    asked of the disk.

    Parameters
    ----------
    *args : str or path
        What to join.
    """

    def __new__(cls, *args: str | os.PathLike[str]) -> Self:
        """Make a path of the platform's flavour."""
        if cls is ALFPath:
            cls = WindowsALFPath if os.name == "nt" else PosixALFPath  # type: ignore[assignment]
        return super().__new__(cls, *args)

    def is_dataset(self) -> bool:
        """Return whether the last step is a valid file name and no folder on disk."""
        return is_valid(self.name) and not self.is_dir()

    def is_session_path(self: str | PurePath) -> bool:
        """Return whether a path ends with a session and is no file on disk.

        May be called on the class, with any text or path as its argument.
        """
        return is_session_path(self) and not Path(self).is_file()

    def is_valid_alf(self: str | PurePath) -> bool:
        """Return whether a path is valid: a file, a session, or a folder in a session.

        What looks like a file must not be a folder on disk, and the other way round. May be
        called on the class, with any text or path as its argument.
        """
        try:
            dataset = full_path_parts(self, True)["object"] is not None
        except ALFInvalid:
            return False
        here = Path(self)
        return not here.is_dir() if dataset else not here.is_file()

    def iter_datasets(self, recursive: bool = False) -> Iterator[Self]:
        """Yield the files of the folder that have valid names, in the order of their paths.

        Parameters
        ----------
        recursive : bool
            Whether to descend into folders.

        Yields
        ------
        ALFPath
            Each file, this folder's path included.
        """
        found = self.rglob("*.*.*") if recursive else self.glob("*.*.*")
        yield from sorted(path for path in found if path.is_dataset())


class WindowsALFPath(ALFPath, WindowsPath):
    """An :class:`ALFPath` on Windows."""


class PosixALFPath(ALFPath, PosixPath):
    """An :class:`ALFPath` on all other systems."""


def ensure_alf_path(path: str | PurePath | Iterable[str | PurePath]) -> Any:
    """Return a path as one that knows its ALF parts.

    Parameters
    ----------
    path : str, path, or iterable of these
        One or more paths.

    Returns
    -------
    ALFPath or PureALFPath, or list of these
        ``path`` itself where it is one already; a pure path, of the same flavour, for a pure
        path; an :class:`ALFPath` for a string or a :class:`pathlib.Path`.

    Raises
    ------
    TypeError
        This is no path.
    """
    if isinstance(path, PureALFPath):
        return path
    if isinstance(path, str | Path):
        return ALFPath(path)
    if isinstance(path, PureWindowsPath):
        return PureWindowsALFPath(path)
    if isinstance(path, PurePosixPath):
        return PurePosixALFPath(path)
    if isinstance(path, PurePath):
        return PureALFPath(path)
    if isinstance(path, Iterable) and not isinstance(path, bytes | bytearray):
        return [ensure_alf_path(item) for item in path]
    raise TypeError(f"expected a str, a path or an iterable of them, not {type(path).__name__}")


def padded_sequence(file_path: str | PurePath) -> Any:
    """Return a path with its session number padded to three digits.

    Parameters
    ----------
    file_path : str or path
        A session, or anything in one.

    Returns
    -------
    ALFPath or PureALFPath
        The path; pure where ``file_path`` is.

    Raises
    ------
    ValueError
        There is no session in the path.
    """
    path = ensure_alf_path(file_path)
    session = get_session_path(path)
    if session is None:
        raise ValueError(f"{file_path} must include a session path: subject/yyyy-mm-dd/number")
    return session.with_name(f"{int(session.name):03d}").joinpath(path.relative_to(session))
