"""Load, save and list ALF files under the names of ``one.alf.io``.

What differs from :mod:`fascicle.load`: a file without bytes and malformed JSON are None, raw
recordings are paths, and inconsistent dimensions are logged. What differs from ONE: nothing is
unpickled, tables keep their types, and errors name the file.
"""

from __future__ import annotations

import importlib
import logging
import os
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ...alf import ALFPath, spec
from ...alf.spec import FILE_SPEC
from ...errors import ALFInvalid, ALFMultipleObjectsFound, ALFObjectNotFound, BadFileError
from ...load import assemble, load_file
from ...load.bunch import check_dimensions
from ...load.npy import ensure_flat as _ensure_flat
from ...load.objects import find_metadata, ts2vec
from . import path
from ._bunch import AlfBunch, dataframe
from ._folders import (
    _ls,
    exists,
    filter_by,
    find_variants,
    iter_datasets,
    iter_sessions,
    next_num_folder,
    remove_empty_folders,
)
from ._saving import save_metadata, save_object_npy

__all__ = [
    "FILE_SPEC",
    "ALFObjectNotFound",
    "AlfBunch",
    "check_dimensions",
    "dataframe",
    "exists",
    "filter_by",
    "find_variants",
    "iter_datasets",
    "iter_sessions",
    "load_file_content",
    "load_object",
    "next_num_folder",
    "path",
    "read_ts",
    "remove_empty_folders",
    "save_metadata",
    "save_object_npy",
    "spec",
    "ts2vec",
]

_logger = logging.getLogger(__name__)
_LAZY = {"cbin", "ch", "meta"}  # what fascicle.load reads and ONE gives as a path


class DuplicateAttributes(ALFMultipleObjectsFound, AssertionError):
    """Several files are the same attribute, or of several objects; ONE's is an AssertionError."""

    kind = "alf-duplicate-attributes"


def _find_metadata(file_alf: str | os.PathLike[str]) -> ALFPath | None:
    """Return the metadata file that describes a dataset, if there is one."""
    found = find_metadata(file_alf)
    return ALFPath(found) if found else None


def read_ts(filename: str | os.PathLike[str]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Load a time series: the values in a file, and the times that lie beside it.

    Parameters
    ----------
    filename : path-like
        The dataset with the values.

    Returns
    -------
    times : numpy.ndarray
        One time per value.
    values : numpy.ndarray
        The values; a single column as a vector.

    Raises
    ------
    FileNotFoundError
        There is not exactly one file ``object.times*`` of the same extension.
    """
    file = ALFPath(filename)
    _, obj, *_, extension = file.dataset_name_parts
    times, _ = filter_by(file.parent, object=obj, attribute="times*", extension=extension)
    if len(times) != 1:
        found = ", ".join(map(str, times)) or "none"
        raise ALFObjectNotFound(
            f"no times for {file}: there is to be one file {obj}.times*.{extension}, found {found}",
            hint="load the times with load_file_content",
        )
    values = load_file(file)
    return ts2vec(load_file(file.parent / times[0]), len(values)), _ensure_flat(values)


def load_file_content(fil: str | os.PathLike[str] | None) -> Any:
    """Return the content of a file, by its extension.

    Parameters
    ----------
    fil : path-like
        The file.

    Returns
    -------
    object
        Array, table, or what JSON or YAML say, as :func:`fascicle.load.load_file`; but None for
        a file without bytes and for malformed JSON (which is logged), an ``NpzFile`` for several
        arrays, and the path of raw recordings and of unknown formats.

    Raises
    ------
    ALFObjectNotFound, BadFileError
        The file is missing, or damaged in another way.
    """
    if not fil:
        return None
    name = os.fspath(fil)
    extension = name.rpartition(".")[2]
    if extension == "npy":  # the most frequent ones: one look at the file is enough
        return None if _is_empty(name) else load_file(name)
    if extension in _LAZY:
        extension, name = "", name
    if os.path.exists(name) and _is_empty(name):
        return None
    if not extension:
        return ALFPath(name)
    if extension == "json":
        try:
            return load_file(name)
        except BadFileError as error:
            _logger.error(error.message)
            return None
    if extension == "npz":
        return _load_npz(name)
    if extension == "sparse_npz":
        return _load_sparse(name)
    return load_file(name)


def _is_empty(name: str) -> bool:
    try:
        return not os.stat(name).st_size
    except FileNotFoundError:
        return False  # loading it says what is near


def _load_npz(name: str) -> Any:
    try:
        arrays = np.load(name, allow_pickle=False)
        if set(arrays.files) != {"arr_0"}:
            return arrays
        arrays.close()
    except Exception:  # noqa: BLE001 - the same file fails below, with an error that names it
        return load_file(name)
    return load_file(name)


def _load_sparse(name: str) -> Any:
    try:
        sparse = importlib.import_module("sparse")
    except ImportError:
        warnings.warn(
            f"{Path(name).name} is sparse: pip install sparse, or use fascicle.load.load_file",
            stacklevel=3,
        )
        return ALFPath(name)
    return sparse.load_npz(name)


def load_object(
    alfpath: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    object: Any = None,
    short_keys: bool = False,
    **kwargs: Any,
) -> AlfBunch:
    """Load all attributes of one object.

    Parameters
    ----------
    alfpath : path-like or iterable of path-like
        A folder, a file of the object, or all of its files (of any revisions).
    object : str or list of str, optional
        The object, where ``alfpath`` is a folder.
    short_keys : bool
        Leave extra parts of the file names out of the keys.
    **kwargs
        ``wildcards`` and filters as for :func:`filter_by`; a list of files is not filtered.

    Returns
    -------
    AlfBunch
        The attributes: see :func:`fascicle.load.load_object`.

    Raises
    ------
    ValueError
        A folder without an object.
    ALFObjectNotFound
        No file matches.
    DuplicateAttributes
        Two files are the same attribute (it is an ``AssertionError``).
    """
    given = not isinstance(alfpath, str | os.PathLike)
    files: list[Any]
    if isinstance(alfpath, str | os.PathLike):
        if object is None and Path(alfpath).is_dir():
            raise ALFInvalid(
                f"{os.fspath(alfpath)} is a folder: say which object in it to load",
                hint="load_object(folder, 'spikes')",
            )
        files, _ = _ls(alfpath, object, **kwargs)
    else:
        files = list(alfpath)
    try:
        loaded: AlfBunch = assemble(
            files,
            short_keys=short_keys,
            bunch=AlfBunch,
            read=load_file_content,
            one_object=given,
        )
    except ALFMultipleObjectsFound as error:
        raise DuplicateAttributes(error.message, hint=error.hint) from None
    return loaded
