"""Open a file as HDF5, and see that it is NWB 2."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from fascicle.errors import (
    AccessDenied,
    BadFileError,
    EmptyFileError,
    FascicleError,
    OldNwbError,
    RemoteNotFound,
)
from fascicle.formats.nwb.guard import HARM, Trouble, reading
from fascicle.formats.nwb.values import decode

if TYPE_CHECKING:
    import h5py

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: Memory for chunks that are unpacked, so that neighbours in one are unpacked once.
_CHUNKS = 32 << 20
_SLOTS = 4001


@dataclass(slots=True)
class Opened:
    """A file that is open.

    Attributes
    ----------
    h5 : h5py.File
    stream : file or None
        What its bytes come from, where that is not a path.
    size : int
        Its length in bytes.
    version : str
        Of NWB.
    trouble : Trouble
        What went wrong below libhdf5.
    pid : int
        Of the process that opened it.
    """

    h5: h5py.File
    stream: BinaryIO | None
    size: int
    version: str
    trouble: Trouble
    pid: int

    def close(self) -> None:
        """Close it, and what its bytes come from; a fork leaves the latter to its parent."""
        try:
            self.h5.close()
        finally:
            if self.stream is not None and self.pid == os.getpid():
                self.stream.close()


class _Watched:
    """Hands reads on, all of them whole, and keeps what goes wrong: libhdf5 forgets it."""

    def __init__(self, stream: BinaryIO, trouble: Trouble) -> None:
        self._stream = stream
        self._trouble = trouble

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, n: int = -1) -> bytes:
        return self._stream.read(n)  # h5py asks whether there is one, and reads into its buffers

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        done = 0
        try:
            while done < len(view):
                n = cast(Any, self._stream).readinto(view[done:])
                if not n:
                    raise OSError(f"it ends {len(view) - done} bytes before values in it do")
                done += n
        except BaseException as error:
            self._trouble.error = error
            raise
        return done

    def write(self, _: object) -> int:
        raise OSError("the file is open for reading")

    def truncate(self, _: object = None) -> int:
        raise OSError("the file is open for reading")

    def flush(self) -> None:
        """Nothing is written."""


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
    if isinstance(place, str):
        return _checked(_open_path(place, name), name)
    stream = place()
    try:
        return _checked(_open_stream(stream, name), name)
    except BaseException:
        stream.close()
        raise


def _open_path(path: str, name: str) -> Opened:
    import h5py

    if os.path.isdir(path):
        raise BadFileError(
            f"{path} is a folder",
            hint="NWB in Zarr is not read" if path.endswith(".zarr") else "name a file in it",
        )
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            _check_signature(file, size, name)
    except FascicleError:
        raise  # errors of ours may be of both kinds
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RemoteNotFound(f"there is no file {path}", hint="look at its name") from error
    except PermissionError as error:
        raise AccessDenied(f"{path} may not be read") from error
    except OSError as error:
        raise BadFileError(f"{path} cannot be read: {error.strerror or error}") from error
    trouble = Trouble()
    with reading(name, trouble=trouble):
        h5 = h5py.File(path, "r", locking="best-effort", rdcc_nbytes=_CHUNKS, rdcc_nslots=_SLOTS)
    return Opened(h5, None, size, "", trouble, os.getpid())


def _open_stream(stream: BinaryIO, name: str) -> Opened:
    import h5py

    size = stream.seek(0, os.SEEK_END)
    _check_signature(stream, size, name)
    trouble = Trouble()
    with reading(name, trouble=trouble):
        h5 = h5py.File(_Watched(stream, trouble), "r", rdcc_nbytes=_CHUNKS, rdcc_nslots=_SLOTS)
    return Opened(h5, stream, size, "", trouble, os.getpid())


def _check_signature(file: BinaryIO, size: int, name: str) -> None:
    if size == 0:
        raise EmptyFileError(f"{name} has no bytes", hint="fetch or copy it again")
    at = 0
    while at < size:
        file.seek(at)
        if file.read(len(_SIGNATURE)) == _SIGNATURE:
            return
        at = 2 * at or 512
        if at > 1 << 20:
            break
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
