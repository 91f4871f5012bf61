"""Archives of arrays: npz, and sparse arrays within one."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadFileError, EmptyFileError, MissingExtraError, TruncatedFileError
from .npy import read_member

_HINT = "fetch or write the file again"
_EXPANDS = 1100  # deflate cannot do better than 1032 to 1; what claims more lies
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    OverflowError,
    NotImplementedError,
    RuntimeError,  # encrypted
    OSError,  # a seek to before the start
)


def read_npz(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read all arrays of an npz archive.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    dict of str to numpy.ndarray
        The arrays by name; a member that is no array as its bytes.

    Raises
    ------
    EmptyFileError, TruncatedFileError, UnsafeFileError, BadFileError
        No bytes, an end before the directory of the archive, pickled objects, or damage; also
        where the sizes that it announces are not possible (a "zip bomb").
    """
    name = os.fspath(path)
    size = Path(path).stat().st_size
    if not size:
        raise EmptyFileError(f"{name} is empty: it has no bytes", hint=_HINT)
    with Path(path).open("rb") as file:
        begins = file.read(4)
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                if sum(m.file_size for m in members) > _EXPANDS * size:
                    raise BadFileError(
                        f"{name} claims to unpack to more than a zip archive of its size can",
                        hint=_HINT,
                    )
                return {m.filename.removesuffix(".npy"): _member(archive, m, name) for m in members}
        except BadFileError:
            raise
        except MemoryError:
            raise BadFileError(f"{name} unpacks to more than there is memory for") from None
        except _DAMAGE as error:
            if begins == b"PK\x03\x04" and "not a zip file" in str(error):
                raise TruncatedFileError(
                    f"{name} is cut short: the directory at its end is missing", hint=_HINT
                ) from None
            why = str(error)[:200] or type(error).__name__
            raise BadFileError(f"{name} is no sound npz archive: {why}", hint=_HINT) from None


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Any:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadFileError(
            f"{name}: {info.filename} is packed in a way that npz does not use", hint=_HINT
        )
    with archive.open(info) as file:
        return read_member(file, info.file_size, f"{name}: {info.filename}")


def read_sparse(path: str | os.PathLike[str]) -> Any:
    """Read one sparse array, as scipy or as the ``sparse`` package saves it.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    scipy.sparse array
        In the format in which it was saved; coordinates and 2-D compressed ones of ``sparse``
        as COO, CSR and CSC.

    Raises
    ------
    MissingExtraError
        scipy is not installed.
    EmptyFileError, TruncatedFileError, UnsafeFileError, BadFileError
        As for :func:`read_npz`; or the parts do not make a sparse array.
    """
    parts = read_npz(path)
    name = os.fspath(path)
    try:
        from scipy import sparse
    except ImportError:
        raise MissingExtraError(
            f"{name} is a sparse array, for which scipy is needed", hint="pip install scipy"
        ) from None
    try:
        return _sparse(sparse, parts)
    except (*_DAMAGE, TypeError, AttributeError) as error:
        why = f"no {error}" if isinstance(error, KeyError) else str(error)[:200]
        raise BadFileError(f"{name} is no sparse array: {why}", hint=_HINT) from None


def _sparse(sparse: Any, parts: dict[str, Any]) -> Any:
    shape = tuple(int(n) for n in np.atleast_1d(parts["shape"]))
    data = parts["data"]
    if (fill := parts.get("fill_value")) is not None and fill != 0:
        raise ValueError(f"what is not stored in it counts as {fill} and not as 0")
    if "coords" in parts:  # the sparse package
        coords = tuple(parts["coords"])
        if not coords or len(coords) != len(shape):
            raise ValueError(f"{len(coords)} coordinates for the shape {shape}")
        return sparse.coo_array((data, coords), shape=shape)
    if "compressed_axes" in parts:
        axes = tuple(int(a) for a in np.atleast_1d(parts["compressed_axes"]))
        if len(shape) != 2 or axes not in ((0,), (1,)):
            raise ValueError(f"compressed axes {axes} of {len(shape)} are not supported")
        kind = "csr" if axes == (0,) else "csc"
    else:
        kind = _text(parts["format"])
    if kind == "coo":
        return sparse.coo_array((data, (parts["row"], parts["col"])), shape=shape)
    if kind == "dia":
        return sparse.dia_array((data, parts["offsets"]), shape=shape)
    if kind not in ("csr", "csc", "bsr"):
        raise ValueError(f"unknown layout {kind[:20]!r}")
    array = getattr(sparse, f"{kind}_array")((data, parts["indices"], parts["indptr"]), shape=shape)
    array.check_format(full_check=True)  # an index beyond the end would read foreign memory
    return array


def _text(value: Any) -> str:
    value = value.item() if isinstance(value, np.ndarray) else value
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)
