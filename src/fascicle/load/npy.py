"""NumPy's own binary format, read fast and without ever unpickling.

``numpy.load`` evaluates the header of each file as Python text, which takes longer than reading a
small file. A folder has thousands of arrays but few different headers, so here the header's bytes
are parsed once and remembered.
"""

from __future__ import annotations

import ast
import io
import math
import os
import re
import struct
from functools import lru_cache
from typing import IO, Any, NamedTuple
from warnings import warn

import numpy as np

from ..errors import (
    ALFWarning,
    BadFileError,
    EmptyFileError,
    TruncatedFileError,
    UnsafeFileError,
)

MAGIC = b"\x93NUMPY"
SMALL = 1 << 16  # files up to this size are read in one go
_LONGEST_HEADER = 1 << 16  # a longer one is no honest header, and parsing it could take for ever
_PLAIN = re.compile(r"[<>|=]?[A-Za-z?]\d*(?:\[\w*\])?")
_PY2_LONG = re.compile(r"(?<=\d)L\b")
# What numpy and the Python parser raise when they are given nonsense.
_NONSENSE = (ValueError, TypeError, SyntaxError, OverflowError, KeyError, IndexError)
_TOO_DEEP = (RecursionError, MemoryError)


class Header(NamedTuple):
    """What an npy header says.

    Attributes
    ----------
    dtype : numpy.dtype
        Type of one element.
    fortran : bool
        Whether the first axis varies fastest.
    shape : tuple of int
        Shape of the array.
    size : int
        Number of elements.
    nbytes : int
        Number of bytes of data.
    offset : int
        Where the data begin, in bytes from the start of the file.
    """

    dtype: np.dtype[Any]
    fortran: bool
    shape: tuple[int, ...]
    size: int
    nbytes: int
    offset: int


class _Flawed(ValueError):
    """Why a header cannot be used; ``kind`` is the public error to raise for it."""

    def __init__(self, why: str, kind: type[BadFileError] = BadFileError) -> None:
        super().__init__(why)
        self.kind = kind


def header_end(head: bytes | bytearray) -> int:
    """Return where the data begin, given at least the first 12 bytes of a file.

    Raises
    ------
    ValueError
        The bytes are not the beginning of an npy file.
    """
    if head[:6] != MAGIC:
        if head and MAGIC.startswith(head[:6]):
            raise _Flawed("ends within its header", TruncatedFileError)
        raise _Flawed(f"does not begin as an npy file does, but with {head[:6]!r}")
    if len(head) < 12:
        raise _Flawed("ends within its header", TruncatedFileError)
    major = head[6]
    if major not in (1, 2, 3):
        raise _Flawed(f"claims version {major} of the npy format, which does not exist")
    end = 10 + head[8] + 256 * head[9] if major == 1 else 12 + struct.unpack_from("<I", head, 8)[0]
    if end > _LONGEST_HEADER:
        raise _Flawed(f"claims a header of {end} bytes, which is absurd")
    return int(end)


@lru_cache(maxsize=4096)
def parse_header(head: bytes) -> Header:
    """Return what the header says.

    Parameters
    ----------
    head : bytes
        All bytes of the file before its data.

    Returns
    -------
    Header
        Type, order, shape and size.

    Raises
    ------
    ValueError
        The header is malformed, absurd, or announces pickled objects.
    """
    text = head[10 if head[6] == 1 else 12 :].decode("utf-8" if head[6] == 3 else "latin-1")
    try:
        said = ast.literal_eval(_PY2_LONG.sub("", text).strip())
        descr, fortran, shape = said["descr"], said["fortran_order"], said["shape"]
        if isinstance(descr, str) and not _PLAIN.fullmatch(descr):
            raise ValueError(descr)  # numpy would understand more, but it never writes that
        dtype = np.lib.format.descr_to_dtype(descr)
        if dtype.subdtype is not None:
            raise ValueError(descr)
    except (*_NONSENSE, *_TOO_DEEP, AttributeError, Warning) as error:
        raise _Flawed("has a header that makes no sense") from error
    if dtype.hasobject:
        raise _Flawed("holds pickled Python objects, which run code when read", UnsafeFileError)
    if type(fortran) is not bool or not (
        isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
    ):
        raise _Flawed(f"has a header that makes no sense: shape {str(shape)[:60]}")
    count = math.prod(shape)
    try:
        # Too many axes, or an empty array with one absurdly long: numpy itself is to say.
        np.empty((1,) * len(shape) if count else shape, np.uint8 if count else dtype)
    except _NONSENSE as error:
        raise _Flawed(f"claims the shape {str(shape)[:60]}, which no array can have") from error
    if dtype.itemsize == 0 and count > 1 << 32:
        raise _Flawed(f"claims {count} elements of no size")
    return Header(dtype, fortran, shape, count, count * dtype.itemsize, len(head))


def read_npy(path: str | os.PathLike[str], *, mmap: bool = False) -> np.ndarray[Any, Any]:
    """Read one array, as it was saved.

    Parameters
    ----------
    path : path-like
        The file.
    mmap : bool
        Leave the data on disk and return a read-only ``numpy.memmap``.

    Returns
    -------
    numpy.ndarray
        The array.

    Raises
    ------
    EmptyFileError, TruncatedFileError, UnsafeFileError, BadFileError
        The file has no bytes, fewer than it claims, pickled objects, or is no npy file.
    """
    name = os.fspath(path)
    with io.FileIO(name) as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            raise EmptyFileError(f"{name} is empty: it has no bytes", hint=_AGAIN)
        # One read into memory that becomes the array: the quickest way for small files.
        start = bytearray(min(size, SMALL))
        got = file.readinto(start)
        if got < len(start):
            start = start[:got]
        try:
            end = header_end(start)
            if end > len(start):
                raise _Flawed("ends within its header", TruncatedFileError)
            header = parse_header(bytes(start[:end]))
        except _Flawed as flaw:
            raise flaw.kind(f"{name} {flaw}", hint=_HINTS[flaw.kind]) from flaw.__cause__
        missing = header.offset + header.nbytes - size
        if missing > 0:
            raise TruncatedFileError(
                f"{name} is cut short: its header announces {header.nbytes} bytes of data "
                f"(shape {header.shape}, {header.dtype}), the last {missing} are missing",
                hint=_AGAIN,
            )
        if missing < 0:
            warn(
                f"{name} has {-missing} bytes after its array; they are ignored",
                ALFWarning,
                stacklevel=2,
            )
        if mmap and header.nbytes:
            order = "F" if header.fortran else "C"
            mapped: np.ndarray[Any, Any] = np.memmap(  # type: ignore[call-overload]
                name, header.dtype, mode="r", offset=end, shape=header.shape, order=order
            )
            return mapped
        if size <= SMALL and got == size and header.nbytes:
            return _shaped(np.frombuffer(start, header.dtype, header.size, end), header)
        try:
            return read_data(file, header, name, bytes(start[end : end + header.nbytes]))
        except MemoryError:
            raise BadFileError(
                f"{name} holds {header.nbytes / 1e9:.1f} GB, more than there is memory for",
                hint="leave it on disk: load_file(path, mmap=True)",
            ) from None


def read_data(
    file: io.RawIOBase | IO[bytes], header: Header, name: str, begun: bytes = b""
) -> np.ndarray[Any, Any]:
    """Read the data that follow a header.

    Parameters
    ----------
    file : binary file
        Placed after ``begun``.
    header : Header
        What to read.
    name : str
        What to call the file in an error.
    begun : bytes
        The first bytes of the data, where they were read already.

    Returns
    -------
    numpy.ndarray
        The array, in memory.

    Raises
    ------
    TruncatedFileError
        The file ends too early.
    """
    if not header.nbytes:
        return np.empty(header.shape, header.dtype)
    raw = np.empty(header.nbytes, np.uint8)
    raw[: len(begun)] = np.frombuffer(begun, np.uint8)
    into, done = raw.data, len(begun)
    while done < header.nbytes:
        got = file.readinto(into[done:])  # type: ignore[union-attr]  # at most 2 GB at a time on Linux
        if not got:
            raise TruncatedFileError(
                f"{name} is cut short: the last {header.nbytes - done} of {header.nbytes} bytes "
                "are missing",
                hint=_AGAIN,
            )
        done += got
    return _shaped(raw.view(header.dtype), header)


def read_member(file: IO[bytes], size: int, name: str) -> np.ndarray[Any, Any] | bytes:
    """Read one member of an npz archive: an array, or its bytes where it is none.

    Parameters
    ----------
    file : binary file
        The member, at its start.
    size : int
        Number of bytes that the archive's directory announces.
    name : str
        What to call it in an error.

    Raises
    ------
    TruncatedFileError, UnsafeFileError, BadFileError
        As for :func:`read_npy`.
    """
    head = file.read(12)
    if head[:6] != MAGIC:
        return head + file.read(max(size - len(head), 0))
    try:
        end = header_end(head)
        head += file.read(end - len(head))
        if len(head) < end:
            raise _Flawed("ends within its header", TruncatedFileError)
        header = parse_header(head)
    except _Flawed as flaw:
        raise flaw.kind(f"{name} {flaw}", hint=_HINTS[flaw.kind]) from flaw.__cause__
    if header.nbytes > size - end:
        raise TruncatedFileError(
            f"{name} is cut short: its header announces {header.nbytes} bytes, {size - end} are "
            "there",
            hint=_AGAIN,
        )
    array = read_data(file, header, name)
    file.read(1)  # reaching the end makes zipfile compare the checksum
    return array


def _shaped(flat: np.ndarray[Any, Any], header: Header) -> np.ndarray[Any, Any]:
    if header.fortran:
        return flat.reshape(header.shape[::-1]).T
    return flat.reshape(header.shape)


def ensure_flat(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return a single column, shape (n, 1), as a vector; anything else unchanged."""
    return array.reshape(-1) if array.ndim == 2 and array.shape[1] == 1 else array


_AGAIN = "fetch or write the file again"
_HINTS: dict[type[BadFileError], str] = {
    BadFileError: "it is damaged or not what its name says; fetch or write it again",
    TruncatedFileError: _AGAIN,
    UnsafeFileError: "if you trust its author, convert it once: "
    "numpy.load(path, allow_pickle=True), then save plain arrays",
}
