"""Parts of whole paths, as functions over text and any kind of path, without touching a disk.

The functions give None for a part that is absent and raise :class:`~fascicle.errors.ALFInvalid`
where nothing can be parsed, unless told not to. Folders are matched whole: the lab of
``my-lab/Subjects`` is not ``lab``.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import Any, Literal, TypeVar, overload
from uuid import UUID

from ..errors import ALFInvalid
from .names import (
    FolderParts,
    NameParts,
    SessionParts,
    is_date,
    name_problem,
    parse_folder,
    parse_name,
)
from .spec import is_uuid_string

P = TypeVar("P", bound=PurePath)
Parts = dict[str, str | None]
Values = tuple[str | None, ...]

_STEP = r"(?!\.\.?/)[\w.-]++"
_SESSION = re.compile(
    rf"(?:^|(?<=/))(?:(?:(?P<lab>\w++)/)?Subjects/)?(?P<subject>{_STEP})"
    r"/(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2})/(?P<number>[0-9]{1,3})(?=/|\Z)"
)
_LAB = re.compile(r"(?:^|(?<=/))(?P<lab>\w++)/Subjects/")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def find_session(path: str) -> re.Match[str] | None:
    """Find the first session in a path.

    Parameters
    ----------
    path : str
        A path whose folders are separated by ``/``.

    Returns
    -------
    re.Match or None
        A match with the groups lab, subject, date and number; lab is None where absent.
    """
    at = 0
    while match := _SESSION.search(path, at):
        if is_date(match["date"]):
            return match
        at = match.end("subject")  # 2020-99-99/1 may be followed by a real session
    return None


def find_lab(path: str) -> re.Match[str] | None:
    """Find ``lab/Subjects/`` in a path: that of its session, else the first."""
    session = find_session(path)
    return _LAB.match(path, session.start()) if session else _LAB.search(path)


def as_text(path: str | PurePath) -> str:
    """Return a path as text, folders separated by ``/``."""
    return path if isinstance(path, str) else path.as_posix()


def _answer(
    keys: tuple[str, ...],
    values: tuple[str, ...] | None,
    as_dict: bool,
    assert_valid: bool,
    path: object,
    problem: str,
) -> Any:
    if values is None and assert_valid:
        raise invalid(path, problem)
    found = [value or None for value in values] if values else [None] * len(keys)
    return dict(zip(keys, found, strict=True)) if as_dict else tuple(found)


def invalid(path: object, problem: str) -> ALFInvalid:
    """Return the error for a path that does not follow the convention."""
    return ALFInvalid(
        f'"{path}" is no valid ALF path: {problem}',
        hint="fascicle.alf.spec.path_pattern() shows the pattern, describe() the parts",
    )


@overload
def session_path_parts(
    session_path: str | PurePath, as_dict: Literal[False] = ..., assert_valid: bool = ...
) -> Values: ...
@overload
def session_path_parts(
    session_path: str | PurePath, as_dict: Literal[True], assert_valid: bool = ...
) -> Parts: ...
def session_path_parts(
    session_path: str | PurePath, as_dict: bool = False, assert_valid: bool = True
) -> Parts | Values:
    """Return lab, subject, date and number of the session that a path contains.

    Parameters
    ----------
    session_path : str or path
        A path, with or without what lies above and below the session.
    as_dict : bool
        Whether to name the parts.
    assert_valid : bool
        Whether to raise where there is no session; all parts are None otherwise.

    Returns
    -------
    tuple of str or dict of str to str
        The parts, None where absent.

    Raises
    ------
    ALFInvalid
        There is no session in the path, and ``assert_valid`` is true.
    """
    match = find_session(as_text(session_path))
    values = tuple(part or "" for part in match.groups()) if match else None
    problem = "it has no subject/yyyy-mm-dd/number"
    return _answer(SessionParts._fields, values, as_dict, assert_valid, session_path, problem)  # type: ignore[no-any-return]


@overload
def filename_parts(
    filename: str | PurePath, as_dict: Literal[False] = ..., assert_valid: bool = ...
) -> Values: ...
@overload
def filename_parts(
    filename: str | PurePath, as_dict: Literal[True], assert_valid: bool = ...
) -> Parts: ...
def filename_parts(
    filename: str | PurePath, as_dict: bool = False, assert_valid: bool = True
) -> Parts | Values:
    """Return namespace, object, attribute, timescale, extra and extension of a file name.

    Parameters
    ----------
    filename : str or path
        A name without folders.
    as_dict : bool
        Whether to name the parts.
    assert_valid : bool
        Whether to raise where the name is not valid; all parts are None otherwise.

    Returns
    -------
    tuple of str or dict of str to str
        The parts, None where absent.

    Raises
    ------
    ALFInvalid
        The name is not valid, and ``assert_valid`` is true.

    Examples
    --------
    >>> filename_parts("_ibl_trials.goCue_times_bpod.csv")
    ('ibl', 'trials', 'goCue_times', 'bpod', None, 'csv')
    """
    name = as_text(filename)
    parts = parse_name(name)
    problem = name_problem(name) if parts is None and assert_valid else ""
    return _answer(NameParts._fields, parts, as_dict, assert_valid, filename, problem)  # type: ignore[no-any-return]


@overload
def rel_path_parts(
    rel_path: str | PurePath, as_dict: Literal[False] = ..., assert_valid: bool = ...
) -> Values: ...
@overload
def rel_path_parts(
    rel_path: str | PurePath, as_dict: Literal[True], assert_valid: bool = ...
) -> Parts: ...
def rel_path_parts(
    rel_path: str | PurePath, as_dict: bool = False, assert_valid: bool = True
) -> Parts | Values:
    """Return the parts of a file's path relative to its session.

    Parameters
    ----------
    rel_path : str or path
        ``collection/#revision#/name``, the two folders optional.
    as_dict : bool
        Whether to name the parts.
    assert_valid : bool
        Whether to raise where the path is not valid; all parts are None otherwise.

    Returns
    -------
    tuple of str or dict of str to str
        Collection, revision, and the parts of the name; None where absent.

    Raises
    ------
    ALFInvalid
        The path is not valid, and ``assert_valid`` is true.
    """
    folder, slash, name = as_text(rel_path).rpartition("/")
    folders = parse_folder(folder) if folder or not slash else None
    parts = parse_name(name)
    values = folders + parts if folders is not None and parts is not None else None
    problem = ""
    if values is None and assert_valid:
        problem = name_problem(name) or _folder_problem(folder)
    keys = FolderParts._fields + NameParts._fields
    return _answer(keys, values, as_dict, assert_valid, rel_path, problem)  # type: ignore[no-any-return]


@overload
def folder_parts(
    folder_path: str | PurePath, as_dict: Literal[False] = ..., assert_valid: bool = ...
) -> Values: ...
@overload
def folder_parts(
    folder_path: str | PurePath, as_dict: Literal[True], assert_valid: bool = ...
) -> Parts: ...
def folder_parts(
    folder_path: str | PurePath, as_dict: bool = False, assert_valid: bool = True
) -> Parts | Values:
    """Return the parts of a folder: lab, subject, date, number, collection and revision.

    Parameters
    ----------
    folder_path : str or path
        A folder that contains a session, with or without what lies above it.
    as_dict : bool
        Whether to name the parts.
    assert_valid : bool
        Whether to raise where the folder is not valid; what is not valid is None otherwise,
        the session, the collection with the revision, or both.

    Returns
    -------
    tuple of str or dict of str to str
        The parts, None where absent.

    Raises
    ------
    ALFInvalid
        There is no session, or the folders below it do not follow the convention, and
        ``assert_valid`` is true.
    """
    text = as_text(folder_path)
    session = find_session(text)
    below = text[session.end() :].strip("/") if session else ""
    folders = parse_folder(below) if session else None
    values = None
    if session and (folders is not None or not assert_valid):
        values = tuple(part or "" for part in session.groups()) + (folders or ("", ""))
    problem = _folder_problem(below) if session else "it has no subject/yyyy-mm-dd/number"
    keys = SessionParts._fields + FolderParts._fields
    return _answer(keys, values, as_dict, assert_valid, folder_path, problem)  # type: ignore[no-any-return]


def _folder_problem(folder: str) -> str:
    if re.search(r"#[^#/]*#/", folder):
        return f"the revision is not the last folder of {folder!r}"
    return f"{folder!r} is no collection/#revision# of letters, digits, _, - and ."


@overload
def full_path_parts(
    path: str | PurePath, as_dict: Literal[False] = ..., assert_valid: bool = ...
) -> Values: ...
@overload
def full_path_parts(
    path: str | PurePath, as_dict: Literal[True], assert_valid: bool = ...
) -> Parts: ...
def full_path_parts(
    path: str | PurePath, as_dict: bool = False, assert_valid: bool = True
) -> Parts | Values:
    """Return all parts of a path: of its session, its folders and its name.

    A last step with two or more periods is taken as a file, any other and ``#revision#`` as a
    folder.

    Parameters
    ----------
    path : str or path
        A file with or without its folders, or a folder that contains a session.
    as_dict : bool
        Whether to name the parts.
    assert_valid : bool
        Whether to raise where the path is not valid; the parts of its folders, of its name, or
        both, are None otherwise.

    Returns
    -------
    tuple of str or dict of str to str
        The twelve parts, None where absent.

    Raises
    ------
    ALFInvalid
        The path is not valid, and ``assert_valid`` is true.
    """
    path = Path(path) if isinstance(path, str) else path
    name = path.name
    if name.count(".") < 2 or (name.startswith("#") and name.endswith("#")):
        folders = folder_parts(path, True, assert_valid)
        dataset = filename_parts("", True, False)
    else:
        bare = path.as_posix() == name
        folders = folder_parts(path.parent, True, assert_valid and not bare)
        dataset = filename_parts(name, True, assert_valid)
    both = folders | dataset
    return both if as_dict else tuple(both.values())


def get_session_path(path: str | PurePath | None) -> Any:
    """Return the part of a path down to its session.

    Parameters
    ----------
    path : str or path
        A path; a string gives a :class:`pathlib.Path`.

    Returns
    -------
    path or None
        The session folder, of the class of ``path``; None if no date and number are in it.

    Examples
    --------
    >>> from pathlib import PurePosixPath
    >>> get_session_path(PurePosixPath("/data/x/2020-01-01/001/alf/spikes.times.npy"))
    PurePosixPath('/data/x/2020-01-01/001')
    """
    if path is None:
        return None
    path = Path(path) if isinstance(path, str) else path
    text = path.as_posix()
    if session := find_session(text):
        return type(path)(text[: session.end()])
    # The subject may break the rules, or be left out.
    for i, (date, number) in enumerate(zip(path.parts, path.parts[1:], strict=False)):
        if re.fullmatch("[0-9]{1,3}", number) and is_date(date):
            return type(path)(*path.parts[: i + 2])
    return None


def get_alf_path(path: str | PurePath) -> str | None:
    """Return the part of a path that follows the convention.

    Parameters
    ----------
    path : str or path
        A path, with whatever lies above the session.

    Returns
    -------
    str or None
        The path from its session on; else the file with its collection and revision; else the
        file's name; None if nothing of it is valid.
    """
    text = as_text(path).strip("/")
    if session := find_session(text):
        return text[session.start("lab" if session["lab"] else "subject") :]
    name = text.rpartition("/")[2]
    if parse_name(name) is None:
        return None
    return text if any(rel_path_parts(text, assert_valid=False)) else name


def add_uuid_string(file_path: str | P, uuid: str | UUID, strict: bool = False) -> Any:
    """Put a UUID before the extension of a file's name; one that is there is replaced.

    Parameters
    ----------
    file_path : str or path
        The file; a string gives a :class:`pathlib.Path`.
    uuid : str or UUID
        The UUID.
    strict : bool
        Whether to raise where another UUID is there.

    Returns
    -------
    path
        The file with the UUID in its name, of the class of ``file_path``.

    Raises
    ------
    ValueError
        ``uuid`` is no UUID in its usual form, or another is there and ``strict`` is true.
    """
    if not (isinstance(uuid, UUID) or is_uuid_string(uuid)):
        raise ValueError(f"Should provide a valid UUID, in lower case with hyphens: {uuid!r}")
    path = Path(file_path) if isinstance(file_path, str) else file_path
    stem, old = _split_uuid(path)
    if strict and old and old.lower() != str(uuid):
        raise ValueError(f"UUID {old} already found in file name: {path.name}; expected {uuid}")
    return path.with_name(f"{stem}.{uuid}{path.suffix}")


def remove_uuid_string(file_path: str | P) -> Any:
    """Take the UUID out of a file's name, where there is one.

    Parameters
    ----------
    file_path : str or path
        The file; a string gives a :class:`pathlib.Path`.

    Returns
    -------
    path
        The file without a UUID in its name, of the class of ``file_path``.
    """
    path = Path(file_path) if isinstance(file_path, str) else file_path
    stem, old = _split_uuid(path)
    return path.with_name(f"{stem}{path.suffix}") if old else path


def _split_uuid(path: PurePath) -> tuple[str, str]:
    stem, _, last = path.stem.rpartition(".")
    return (stem, last) if stem and _UUID.fullmatch(last) else (path.stem, "")


def without_revision(file_path: str | PurePath) -> Any:
    """Take the revision folder out of a file's path.

    Parameters
    ----------
    file_path : str or path
        The file, session included; a string gives a :class:`pathlib.Path`.

    Returns
    -------
    path
        The file without a revision, of the class of ``file_path``.

    Raises
    ------
    ALFInvalid
        There is no session in the path, or a folder is not valid.
    """
    path = Path(file_path) if isinstance(file_path, str) else file_path
    collection = folder_parts(path.parent)[4]
    return get_session_path(path).joinpath(*filter(None, (collection, path.name)))
