"""What h5py raises becomes an error that names the file and the object in it."""

from __future__ import annotations

import re
from collections.abc import Callable

from fascicle.errors import BadFileError, FascicleError, TruncatedFileError

#: What h5py raises of a file that is harmed, from libhdf5's own errors to those of numpy.
HARM = (
    OSError,
    RuntimeError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    MemoryError,
    OverflowError,
    SystemError,
)

_WITHIN = re.compile(r"\((.*)\)", re.DOTALL)
_CUT = re.compile(r"truncated file: eof = (\d+), sblock->base_addr = (\d+), stored_eof = (\d+)")


class Trouble:
    """Keeps what went wrong below libhdf5, which says no more than that a read failed."""

    def __init__(self) -> None:
        self.error: BaseException | None = None

    def take(self) -> BaseException | None:
        """Return what went wrong, and forget it."""
        error, self.error = self.error, None
        return error


class reading:
    """Turn what h5py raises into an error about one object of one file.

    Parameters
    ----------
    name : str
        Of the file.
    path : str
        Of the object; empty if it is the file as a whole.
    trouble : Trouble, optional
        Where errors from below libhdf5 are kept: they go before its own.
    why : callable, optional
        Returns a hint, if there is one.
    """

    __slots__ = ("_name", "_path", "_trouble", "_why")

    def __init__(
        self,
        name: str,
        path: str = "",
        *,
        trouble: Trouble | None = None,
        why: Callable[[], str] | None = None,
    ) -> None:
        self._name = name
        self._path = path
        self._trouble = trouble
        self._why = why

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Raise what it is about, if anything was raised that h5py raises of harm."""
        if error is None or isinstance(error, FascicleError) or not isinstance(error, HARM):
            return
        below = self._trouble.take() if self._trouble is not None else None
        if isinstance(below, FascicleError):
            raise below from error
        hint = self._why() if self._why else ""
        raise harmed(self._name, self._path, below or error, hint=hint) from error


def harmed(name: str, path: str, error: BaseException | str, *, hint: str = "") -> BadFileError:
    """Return the error for an object that cannot be read."""
    text = error if isinstance(error, str) else said(error)
    what = f"{name}: {path} cannot be read" if path else f"{name} cannot be read"
    cut = _CUT.search(text)
    if cut is not None:
        return TruncatedFileError(
            f"{name} is cut off: it has {int(cut[1]):,} bytes, and its header says "
            f"{int(cut[2]) + int(cut[3]):,}",
            hint="fetch or copy it again",
        )
    return BadFileError(f"{what}: {text}", hint=hint or "the file may be damaged: get it again")


def said(error: BaseException) -> str:
    """Return the part of an error of h5py that says something."""
    if isinstance(error, MemoryError):
        return "there is not enough memory for what it claims to be"
    text = str(error.args[0]) if error.args else type(error).__name__
    found = _WITHIN.search(text)
    return (found[1] if found else text).strip() or type(error).__name__
