"""Open a file as HDF5, and see that it is NWB 2."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from fascicle.errors import (
    AccessDenied,
    BadFileError,
    EmptyFileError,
    MissingExtraError,
    OldNwbError,
    RemoteNotFound,
)
from fascicle.formats.nwb.guard import HARM, Trouble, reading
from fascicle.formats.nwb.stream import Bytes, PathBytes, StreamBytes, Watched, read_bytes
from fascicle.formats.nwb.values import decode

if TYPE_CHECKING:
    import h5py

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: Memory for chunks that are unpacked, so that neighbours in one are unpacked once.
_CHUNKS = 32 << 20
_SLOTS = 4001
_MOST_BEFORE = 1 << 20  # bytes of something else that a file may begin with


class Forks:
    """How many forks lie between this process and the first: cheaper to ask for than a number.

    Attributes
    ----------
    n : int
    """

    n = 0

    @classmethod
    def count(cls) -> None:
        """Count one; it is called in each child."""
        cls.n += 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=Forks.count)


@dataclass(slots=True)
class Opened:
    """A file that is open.

    Attributes
    ----------
    h5 : h5py.File
    source : Bytes
        What its bytes come from.
    version : str
        Of NWB.
    trouble : Trouble
        What went wrong below libhdf5.
    forks : int
        `Forks.n` of the process that opened it.
    """

    h5: h5py.File
    source: Bytes
    version: str
    trouble: Trouble
    forks: int

    def read(self, position: int, n: int) -> bytes:
        """Return bytes of the file, so many of them.

        Raises
        ------
        OSError
            If it ends before.
        """
        return read_bytes(self.source, position, n)

    @property
    def size(self) -> int:
        """Length of the file in bytes."""
        return self.source.size

    @property
    def is_mine(self) -> bool:
        """Whether this process opened it, rather than one that it was forked from."""
        return self.forks == Forks.n

    def close(self) -> None:
        """Close it, and what its bytes come from; a fork leaves the latter to its parent."""
        try:
            self.h5.close()
        finally:
            if self.is_mine:
                self.source.close()


def open_place(place: str | Callable[[], BinaryIO], name: str) -> Opened:
    """Open a file and see that it is NWB 2.

    Parameters
    ----------
    place : str or callable
        A path, or a function that returns the file open for reading.
    name : str
        For messages.

    Raises
    ------
    RemoteNotFound, AccessDenied
        If there is no file, or it may not be read.
    BadFileError
        If it is none that can be read; `OldNwbError` for NWB 1, `TruncatedFileError` for one that
        is cut off, `EmptyFileError` for one without a byte.
    """
    source = _source(place)
    try:
        return _checked(_open(source, name), name)
    except BaseException:
        source.close()
        raise


def again(opened: Opened, name: str) -> h5py.File:
    """Return a file that is open as h5py has it, opened once more: who takes it may close it."""
    return _open(opened.source, name).h5


def _source(place: str | Callable[[], BinaryIO]) -> Bytes:
    if not isinstance(place, str):
        return StreamBytes(place())
    if os.path.isdir(place):
        raise BadFileError(
            f"{place} is a folder",
            hint="NWB in Zarr is not read" if place.endswith(".zarr") else "name a file in it",
        )
    try:
        return PathBytes(place)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RemoteNotFound(f"there is no file {place}", hint="look at its name") from error
    except PermissionError as error:
        raise AccessDenied(f"{place} may not be read") from error
    except OSError as error:
        raise BadFileError(f"{place} cannot be read: {error.strerror or error}") from error


def _open(source: Bytes, name: str) -> Opened:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(
            f"reading {name} needs h5py", hint="pip install 'fascicle[nwb]'"
        ) from error
    trouble = Trouble()
    with reading(name, trouble=trouble):
        _check_signature(source, name)
        h5 = h5py.File(Watched(source, trouble), "r", rdcc_nbytes=_CHUNKS, rdcc_nslots=_SLOTS)
    return Opened(h5, source, "", trouble, Forks.n)


def _check_signature(source: Bytes, name: str) -> None:
    if source.size == 0:
        raise EmptyFileError(f"{name} has no bytes", hint="fetch or copy it again")
    at = 0
    found = bytearray(len(_SIGNATURE))
    while at + len(found) <= source.size and at <= _MOST_BEFORE:
        source.read_at(at, memoryview(found))
        if found == _SIGNATURE:
            return
        at = 2 * at or 512
    raise BadFileError(
        f"{name} is no HDF5 file, which NWB files are",
        hint="look at what it is; fetch or copy it again",
    )


def _checked(opened: Opened, name: str) -> Opened:
    """Return the file with its version, or close it and say what it is instead."""
    try:
        with reading(name, trouble=opened.trouble):
            opened.version = _version(opened.h5, name)
    except BaseException:
        opened.h5.close()
        raise
    return opened


def _version(h5: h5py.File, name: str) -> str:
    import h5py

    if h5py.h5a.exists(h5.id, b"nwb_version"):
        return _text(h5.attrs["nwb_version"])
    for key in ("nwb_version", "neurodata_version"):
        if key.encode() in h5.id:
            old = _old_version(h5, key)
            raise OldNwbError(
                f"{name} is {old}, which is not readable as NWB 2",
                hint="h5py opens it as it is; look for an NWB 2 copy of it in its archive (DANDI)",
            )
    raise BadFileError(
        f"{name} is an HDF5 file, but says no version of NWB",
        hint="open it with h5py if it is not meant to be NWB",
    )


def _old_version(h5: h5py.File, key: str) -> str:
    try:
        text = _text(h5[key][()])
    except HARM:
        return "NWB 1"
    return text if text.upper().startswith("NWB") else f"NWB {text}"


def _text(value: Any) -> str:
    return decode(value) if isinstance(value, (bytes, str)) else str(value)
