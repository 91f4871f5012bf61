"""Paths of sessions and files as records of the tables or of an Alyx describe them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from fascicle.alf.path import PurePosixALFPath, ensure_alf_path

_ROOT = PurePosixPath("/")


def session_record2path(session: Mapping[str, Any], root_dir: Any = None) -> Any:
    """Return the folder of a session's record.

    Parameters
    ----------
    session : mapping
        With subject, date and number, and lab where there is one.
    root_dir : path or str, optional
        What the folder lies in.

    Returns
    -------
    ALFPath or PureALFPath
        ``root_dir/lab/Subjects/subject/yyyy-mm-dd/nnn``; without a lab,
        ``root_dir/subject/yyyy-mm-dd/nnn``. Pure where no root, or a pure one, is given.

    Examples
    --------
    >>> str(session_record2path({"subject": "ALK01", "date": "2020-01-01", "number": 1}))
    'ALK01/2020-01-01/001'
    """
    lab = session.get("lab")
    place = f"{session['subject']}/{session['date']}/{str(session['number']).zfill(3)}"
    relative = PurePosixALFPath(f"{lab}/Subjects/{place}" if lab else place)
    return ensure_alf_path(root_dir).joinpath(relative) if root_dir else relative


def one_path_from_dataset(dset: Any, one_cache: Any) -> Any:
    """Return the local file of a dataset's record of an Alyx.

    Parameters
    ----------
    dset : dict or list of dict
        Records of the ``datasets`` endpoint.
    one_cache : path or str
        Root of the local folder.

    Returns
    -------
    ALFPath or list of them
    """
    return path_from_dataset(dset, root_path=one_cache)


def path_from_dataset(
    dset: Any, root_path: Any = _ROOT, repository: str | None = None, uuid: bool = False
) -> Any:
    """Return the file of a dataset's record of an Alyx.

    Parameters
    ----------
    dset : dict or list of dict
        Records of the ``datasets`` endpoint.
    root_path : path or str
        What the file lies in.
    repository : str, optional
        Whose file record to use; default: the first that can be reached online.
    uuid : bool
        Put the dataset's id into the name.

    Returns
    -------
    ALFPath, PureALFPath or list of them

    Raises
    ------
    ValueError
        No file record is of that repository, or can be reached online.
    """
    if isinstance(dset, list):
        return [path_from_dataset(d, root_path, repository, uuid) for d in dset]
    for record in dset["file_records"]:
        if record["data_repository"] == repository if repository else record["data_url"]:
            return path_from_filerecord(record, root_path, dset["url"][-36:] if uuid else None)
    raise ValueError(f"no file record of {repository or 'an online repository'}: {dset.get('url')}")


def path_from_filerecord(fr: Any, root_path: Any = _ROOT, uuid: str | UUID | None = None) -> Any:
    """Return the file of an Alyx file record.

    Parameters
    ----------
    fr : dict or list of dict
        File records.
    root_path : path or str, optional
        What the file lies in.
    uuid : str or UUID, optional
        Id to put into the name.

    Returns
    -------
    ALFPath, PureALFPath or list of them
        Pure where ``root_path`` is.
    """
    if isinstance(fr, list):
        return [path_from_filerecord(f, root_path, uuid) for f in fr]
    repository = fr["data_repository_path"].removeprefix("/")
    file: Any = PurePosixALFPath(repository, fr["relative_path"])
    if root_path:
        file = ensure_alf_path(root_path).joinpath(file)
    return file.with_uuid(uuid) if uuid else file
