"""Which dataset type a file is of, as an Alyx database decides it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import translate
from functools import lru_cache
from os import PathLike, fspath
from pathlib import PurePath
from typing import Any

from fascicle.alf.names import parse_name
from fascicle.errors import NotFoundError, SearchTermError, nearest


class NoDatasetType(NotFoundError, ValueError):
    """A file is of no dataset type that the database knows."""

    kind = "no-dataset-type"


class SeveralDatasetTypes(SearchTermError):
    """A file fits the patterns of several dataset types."""

    kind = "several-dataset-types"


def get_dataset_type(filename: str | PathLike[str], dtypes: Iterable[Any]) -> Any:
    """Return the dataset type of a file.

    A type with a pattern has the files that fit it, in any case of letters; one without has those
    whose object and attribute make its name.

    Parameters
    ----------
    filename : str or path
        Name or path of the file.
    dtypes : iterable
        Dataset types: records or objects with ``name`` and ``filename_pattern``.

    Returns
    -------
    object
        The one of them that fits.

    Raises
    ------
    NoDatasetType
        None fits; this is a ValueError.
    SeveralDatasetTypes
        Several fit; this is a ValueError.

    Examples
    --------
    >>> types = [{"name": "spikes.times", "filename_pattern": ""}]
    >>> get_dataset_type("alf/_ibl_spikes.times.npy", types)["name"]
    'spikes.times'
    """
    name = PurePath(fspath(filename)).name
    known = list(dtypes)
    found = fitting(name, known)
    if not found:
        raise NoDatasetType(
            f'No dataset type found for filename "{name}"',
            hint=nearest(_stem(name), [str(part(t, "name")) for t in known])
            or "a dataset type with a filename pattern can be added to the database",
        )
    if len(found) > 1:
        raise SeveralDatasetTypes(
            f'Multiple matching dataset types found for filename "{name}": '
            + ", ".join(str(part(t, "name")) for t in found),
            hint="their filename patterns overlap: make them differ in the database",
        )
    return found[0]


def fitting(name: str, dtypes: Iterable[Any]) -> list[Any]:
    """Return the dataset types that a file name fits."""
    stem = _stem(name)
    lower = name.lower()
    return [
        t
        for t in dtypes
        if (
            _pattern(pattern.strip().lower()).match(lower)
            if (pattern := part(t, "filename_pattern")) and pattern.strip()
            else part(t, "name") == stem
        )
    ]


def part(record: Any, name: str) -> Any:
    """Return a part of a record, or of an object."""
    return record.get(name) if isinstance(record, Mapping) else getattr(record, name, None)


def _stem(name: str) -> str:
    """Return object and attribute, without the namespace; '' if the name is none of ALF."""
    parts = parse_name(name)
    if parts is None:
        return ""
    return f"{parts.object}.{parts.attribute}"


@lru_cache(maxsize=4096)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))
