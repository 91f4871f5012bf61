"""What all sessions have in common: a file that is read when it is asked for something."""

from __future__ import annotations

import os
from collections.abc import Callable
from html import escape
from typing import TYPE_CHECKING, Any, ClassVar, Self

from fascicle.errors import BadFileError, FascicleError, NotHereError

if TYPE_CHECKING:
    from fascicle.formats.nwb import NwbFile
    from fascicle.nwb import NwbSession


#: What parsing raises of values that are none.
_NONSENSE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class Kept:
    """Keeps what was read of a file; a copy in another process begins with nothing.

    Parameters
    ----------
    file : NwbFile
    """

    def __init__(self, file: NwbFile) -> None:
        self._file = file
        self._values: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_file": self._file, "_values": {}}

    def get(self, name: str, default: Any = None) -> Any:
        """Return what was read under a name, without reading it."""
        return self._values.get(name, default)

    def once(self, name: str, read: Callable[[], Any]) -> Any:
        """Return what was read before under a name, or read it."""
        if name not in self._values:
            self._values[name] = self.made(name, read)
        return self._values[name]

    def made(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what is made of the file's content.

        Raises
        ------
        BadFileError
            If that cannot be made of it.
        """
        self._file.h5  # noqa: B018 - one that is closed, or cannot be opened, says so itself
        try:
            return make()
        except FascicleError:
            raise
        except _NONSENSE as error:
            raise BadFileError(
                f"{self._file.name}: {name} cannot be made of what is in it: "
                f"{type(error).__name__}: {error}",
                hint="is it a session of Visual Behavior Neuropixels, and whole?",
            ) from error


class Session:
    """A session that lies in an NWB file. Nothing is read until it is asked for.

    It pickles, and in another process opens its file anew; what was read stays behind.

    Parameters
    ----------
    file : NwbFile
    """

    #: Names of what a session has for you.
    DATA: ClassVar[tuple[str, ...]] = ()

    def __init__(self, file: NwbFile) -> None:
        self._file = file
        self._kept = Kept(file)

    def _read(self, name: str, read: Callable[..., Any], **how: Any) -> Any:
        """Return what a function reads of the file, which it does once."""
        return self._kept.once(name, lambda: read(self._file, **how))

    @property
    def nwb(self) -> NwbSession:
        """The same file as a general NWB session, with all that is in it."""
        from fascicle.nwb import NwbSession

        session: NwbSession = self._kept.once("nwb", lambda: NwbSession(self._file))
        return session

    def list_data_attributes_and_methods(self) -> list[str]:
        """Return the names of what a session has for you, in the order of the alphabet."""
        return sorted(self.DATA)

    def close(self) -> None:
        """Close the file. What was read stays; nothing more can be."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _title(self) -> str:
        """Return which session this is, without reading more than what was read."""
        return self._file.name

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._title()}>"

    def _facts(self) -> dict[str, Any]:
        """Return what the page about a session shows."""
        return {}

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th>"
            f"<td style='text-align:left'>{escape(str(value))}</td></tr>"
            for name, value in self._facts().items()
        )
        names = ", ".join(
            f"<code>{name}</code>" for name in self.list_data_attributes_and_methods()
        )
        return (
            f"<table><caption style='white-space:nowrap'>{escape(repr(self)[1:-1])}</caption>{rows}"
            f"<tr><td colspan=2 style='text-align:left'>{names}</td></tr></table>"
        )


def open_file(place: Any) -> NwbFile:
    """Return the file at a path, an address, or where a function opens it.

    Raises
    ------
    NotHereError
        If there is none at a path.
    """
    from fascicle.formats.nwb import NwbFile

    if isinstance(place, NwbFile):
        return place
    if callable(place):
        return NwbFile(place)
    text = os.fspath(place)
    if "://" in text:
        from fascicle.nwb import open_file as open_address

        return open_address(text)
    if not os.path.exists(os.path.expanduser(text)):
        raise NotHereError(f"there is no file {text}", hint="look at its name")
    return NwbFile(text)
