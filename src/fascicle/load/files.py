"""One file, one value: the format follows from the extension."""

# Paths stay strings: pathlib takes longer than reading a small file.

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import ALFObjectNotFound, BadFileError, nearest
from .npy import ensure_flat, read_npy

Reader = Callable[[str, bool], Any]


def load_file(path: str | os.PathLike[str], *, mmap: bool = False) -> Any:
    """Load one file.

    ======================= ===================================================================
    npy                     array; a single column (n, 1) becomes a vector (n,)
    npz                     dict of arrays; a sole ``arr_0`` is returned as such
    sparse_npz              ``scipy.sparse`` array (needs scipy)
    csv, ssv, tsv, htsv     DataFrame; Series where there is one column
    pqt                     DataFrame
    json, jsonable          what the JSON says; a list with one value per line
    yaml, yml               what the YAML says (plain values only)
    cbin                    :class:`~fascicle.load.cbin.CbinArray`, read when indexed
    ch, meta                dict: the descriptions that lie beside a raw recording
    anything else           its path
    ======================= ===================================================================

    Parameters
    ----------
    path : path-like
        The file.
    mmap : bool
        Leave the data of an npy file on disk (a read-only ``numpy.memmap``).

    Returns
    -------
    object
        The content, see above.

    Raises
    ------
    ALFObjectNotFound
        There is no such file (it is a ``FileNotFoundError``).
    EmptyFileError
        The file has no bytes.
    TruncatedFileError
        It ends too early.
    UnsafeFileError
        It holds pickled objects, which are never read.
    BadFileError
        Its content is not what its extension says.
    MissingExtraError
        A sparse array, and scipy is not installed.
    """
    name = os.fspath(path)
    reader = _READERS.get(name.rpartition(".")[2])
    try:
        if reader is not None:
            return reader(name, mmap)
        os.stat(name)
    except FileNotFoundError as error:
        if isinstance(error, ALFObjectNotFound):
            raise
        raise _missing(name) from None
    except (IsADirectoryError, PermissionError):
        # Windows denies permission where others say what the matter is.
        if not os.path.isdir(name):
            raise
        raise BadFileError(f"{name} is a folder, not a file", hint="give a file in it") from None
    from ..alf import ALFPath

    return ALFPath(name)


def _missing(name: str) -> ALFObjectNotFound:
    folder, base = os.path.split(name)
    try:
        there = os.listdir(folder or ".")
    except OSError:
        return ALFObjectNotFound(
            f"{name} does not exist, nor does its folder", hint="check the path"
        )
    return ALFObjectNotFound(
        f"{name} does not exist", hint=nearest(base, there) or f"{len(there)} other files are there"
    )


def _npy(name: str, mmap: bool) -> Any:
    return ensure_flat(read_npy(name, mmap=mmap))


def _npz(name: str, mmap: bool) -> Any:
    from .zipped import read_npz

    arrays = read_npz(name)
    return arrays["arr_0"] if arrays.keys() == {"arr_0"} else arrays


def _sparse(name: str, mmap: bool) -> Any:
    from .zipped import read_sparse

    return read_sparse(name)


def _separated(separator: str) -> Reader:
    def read(name: str, mmap: bool) -> Any:
        from .tables import read_separated

        return read_separated(name, separator)

    return read


def _parquet(name: str, mmap: bool) -> Any:
    from .tables import read_parquet

    return read_parquet(name)


def _json(name: str, mmap: bool) -> Any:
    from .text import read_json

    return read_json(name)


def _jsonable(name: str, mmap: bool) -> Any:
    from .text import read_jsonable

    return read_jsonable(name)


def _yaml(name: str, mmap: bool) -> Any:
    from .text import read_yaml

    return read_yaml(name)


def _cbin(name: str, mmap: bool) -> Any:
    from .cbin import open_cbin

    return open_cbin(Path(name))


def _meta(name: str, mmap: bool) -> Any:
    from .sglx import read_meta

    return read_meta(name)


_READERS: dict[str, Reader] = {
    "npy": _npy,
    "npz": _npz,
    "sparse_npz": _sparse,
    "csv": _separated(","),
    "ssv": _separated(" "),
    "tsv": _separated("\t"),
    "htsv": _separated("\t"),
    "pqt": _parquet,
    "json": _json,
    "jsonable": _jsonable,
    "yaml": _yaml,
    "yml": _yaml,
    "cbin": _cbin,
    "ch": _json,
    "meta": _meta,
}
KNOWN = frozenset(_READERS)
