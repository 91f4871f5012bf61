"""Which datasets and sessions lie in a folder: the listing half of ``one.alf.io``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from ...alf import ALFPath, spec
from ...errors import ALFInvalid, ALFObjectNotFound, SearchTermError, nearest
from ...load.objects import matcher


class UnknownPart(SearchTermError, TypeError):
    """A filter is no part of a file name; ONE's is a TypeError."""

    kind = "alf-unknown-part"


def filter_by(
    alf_path: str | os.PathLike[str], wildcards: bool = True, **kwargs: Any
) -> tuple[list[ALFPath], list[tuple[str | None, ...]]]:
    """Return the datasets of a folder that match all filters, and the parts of their names.

    Parameters
    ----------
    alf_path : path-like
        The folder.
    wildcards : bool
        Filters are patterns with ``*``; otherwise regular expressions that match from the start.
    **kwargs
        ``namespace``, ``object``, ``attribute``, ``timescale``, ``extra``, ``extension``: a
        pattern, a list of them (one must match; of ``extra`` all), or None where the part is to
        be absent.

    Returns
    -------
    alf_files : list of ALFPath
        Paths relative to the folder.
    attributes : list of tuple
        Namespace, object, attribute, timescale, extra and extension; None where absent.

    Raises
    ------
    UnknownPart
        A filter is no part of a file name (it is a ``TypeError``).
    """
    try:
        test = matcher(kwargs, wildcards=wildcards)
    except SearchTermError as error:
        raise UnknownPart(error.message, hint=error.hint) from None
    files: list[ALFPath] = []
    attributes: list[tuple[str | None, ...]] = []
    for file in ALFPath(alf_path).iter_datasets():
        parts = spec.parse_name(file.name)
        if parts is not None and test(parts):
            files.append(file.relative_to(alf_path))
            attributes.append(tuple(part or None for part in parts))
    return files, attributes


def _ls(
    alfpath: str | os.PathLike[str], object: Any = None, **kwargs: Any
) -> tuple[list[ALFPath], list[tuple[str | None, ...]]]:
    """Return the datasets of an object: those in a folder, or those beside a file of it.

    Parameters
    ----------
    alfpath : path-like
        The folder or file.
    object : str or list of str, optional
        The object; default all of a folder, the file's own for a file.
    **kwargs
        As for :func:`filter_by`.

    Raises
    ------
    ALFObjectNotFound
        There are none.
    """
    place = ALFPath(alfpath)
    files: list[ALFPath] = []
    attributes: list[tuple[str | None, ...]] = []
    if place.is_dir():
        wanted = kwargs if object is None else {"object": object, **kwargs}
        files, attributes = filter_by(place, **wanted)
    elif place.exists():
        object = place.object
        place = place.parent
        files, attributes = filter_by(place, object=object, **kwargs)
    if not files:
        what = f'object "{object}"' if object else "ALF files"
        raise ALFObjectNotFound(f"no {what} in {place}", hint=_near(place, object, kwargs))
    return [place.joinpath(f) for f in files], attributes


def _near(folder: ALFPath, wanted: Any, filters: dict[str, Any]) -> str:
    """Return what to try where a folder does not have an object."""
    if not folder.is_dir():
        return "there is no such folder"
    known = sorted({path.object for path in folder.iter_datasets()})
    if isinstance(wanted, str) and wanted in known:
        asked = ", ".join(f"{k}={v!r}" for k, v in filters.items() if k != "wildcards")
        return f"there is {wanted!r}, but no file of it has {asked}"
    listed = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
    near = nearest(wanted, known) if isinstance(wanted, str) else ""
    return near or (f"there is: {listed}" if known else "it holds no datasets")


def exists(
    alfpath: str | os.PathLike[str], object: str, attributes: Any = None, **kwargs: Any
) -> bool:
    """Tell whether a folder has an object, with all the attributes given.

    Parameters
    ----------
    alfpath : path-like
        The folder.
    object : str
        The object.
    attributes : str or list of str, optional
        The attributes that must be there.
    **kwargs
        As for :func:`filter_by`.

    Returns
    -------
    bool
        Whether they all are there.
    """
    try:
        _, found = _ls(alfpath, object, **kwargs)
    except FileNotFoundError:
        return False
    wanted = [attributes] if isinstance(attributes, str) else attributes or []
    return set(wanted) <= {parts[2] for parts in found}


def iter_sessions(root_dir: str | os.PathLike[str], pattern: str = "*") -> Iterator[ALFPath]:
    """Yield the session folders below a folder, in the order of their paths.

    Parameters
    ----------
    root_dir : path-like
        Where to look; it is yielded first if it is a session itself.
    pattern : str
        Which folders to look at, relative to ``root_dir`` and below: ``*/Subjects/*/*/*`` is faster
        than all.

    Yields
    ------
    ALFPath
        The session folder.
    """
    if spec.is_session_path(root_dir):
        yield ALFPath(root_dir)
    for folder in sorted(Path(root_dir).rglob(pattern)):
        if spec.is_session_path(folder) and folder.is_dir():
            yield ALFPath(folder)


def iter_datasets(session_path: str | os.PathLike[str]) -> Iterator[ALFPath]:
    """Yield the datasets of a session, relative to it, in the order of their paths.

    Parameters
    ----------
    session_path : path-like
        The session folder.

    Yields
    ------
    ALFPath
        The relative path.
    """
    for dataset in ALFPath(session_path).iter_datasets(recursive=True):
        yield dataset.relative_to(session_path)


def next_num_folder(session_date_folder: str | os.PathLike[str]) -> str:
    """Return the number of the next session of a day, three digits.

    Parameters
    ----------
    session_date_folder : path-like
        The folder of the day; it need not exist.

    Returns
    -------
    str
        ``001`` or the greatest number there plus one.

    Raises
    ------
    ALFInvalid
        The day has 999 sessions.
    """
    folder = Path(session_date_folder)
    if not folder.exists():
        return "001"
    numbers = [int(f.name) for f in folder.iterdir() if re.fullmatch(r"\d+", f.name) and f.is_dir()]
    following = max(numbers, default=0) + 1
    if following > 999:
        raise ALFInvalid(
            f"{folder} has a session 999: numbers have three digits", hint="use another day"
        )
    return f"{following:03d}"


def remove_empty_folders(folder: str | os.PathLike[str]) -> None:
    """Remove all folders below one that hold nothing, not even empty folders.

    Parameters
    ----------
    folder : path-like
        Where to begin; it is kept itself.
    """
    for place, _, _ in os.walk(folder, topdown=False):
        if Path(place) != Path(folder) and not any(Path(place).iterdir()):
            Path(place).rmdir()


def find_variants(
    file_list: Iterable[str | os.PathLike[str]],
    namespace: bool = True,
    timescale: bool = True,
    extra: bool = True,
    extension: bool = True,
) -> dict[ALFPath, list[ALFPath]]:
    """Return for each file the other files that are variants of the same dataset.

    They have the same session, collection, object and attribute; the revision may differ.

    Parameters
    ----------
    file_list : iterable of path-like
        Datasets.
    namespace, timescale, extra, extension : bool
        Whether that part of the name must be the same too.

    Returns
    -------
    dict of ALFPath to list of ALFPath
        The variants, without the file itself.

    Raises
    ------
    ALFInvalid
        A path is no dataset (it is a ``ValueError``).
    """
    asked = {
        "namespace": namespace,
        "timescale": timescale,
        "extra": extra,
        "extension": extension,
    }
    same = ["object", "attribute", *(part for part, wanted in asked.items() if wanted)]
    variants: dict[ALFPath, list[ALFPath]] = {}
    for file in map(ALFPath, file_list):
        if (parts := spec.parse_name(file.name)) is None:
            raise ALFInvalid(f"{file} is no dataset", hint="name it object.attribute.extension")
        folder = file.without_revision().parent
        candidates = chain(folder.glob("*.*.*"), folder.glob("#*#/*.*.*"))
        variants[file] = [
            other
            for other in candidates
            if (its := spec.parse_name(other.name))
            and all(getattr(its, part) == getattr(parts, part) for part in same)
            and other != file
        ]
    return variants
