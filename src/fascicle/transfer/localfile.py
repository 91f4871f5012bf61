"""Files of this machine, and members of ZIP files, open for reading as remote ones are."""

from __future__ import annotations

import io
import threading
from typing import Any

from fascicle.errors import AccessDenied, ConfigurationError, FascicleError, RemoteNotFound
from fascicle.transfer.source import Source


class LocalFile(io.BufferedReader):
    """A file of this machine, or a member of a ZIP file: it takes no requests.

    Parameters
    ----------
    raw : io.RawIOBase
    source : Source

    Attributes
    ----------
    source : Source
    requests, bytes_read : int
        0: nothing comes over a network.
    size : int
        Length of the file in bytes.
    """

    requests = 0
    bytes_read = 0

    def __init__(self, raw: io.RawIOBase, source: Source) -> None:
        super().__init__(raw, 256 << 10)
        self.source = source
        self.size = self.seek(0, io.SEEK_END)
        self.seek(0)
        self._reading = threading.Lock()

    def __reduce__(self) -> Any:
        """Let another process open it anew."""
        return open_local, (self.source, self.tell())

    def read_at(self, position: int, length: int) -> bytes:
        """Return bytes from a position; the position of `read` stays where it is."""
        with self._reading:
            before = self.tell()
            try:
                self.seek(position)
                return self.read(length)
            finally:
                self.seek(before)


def open_local(source: Source, position: int = 0) -> LocalFile:
    """Open a file of this machine, or a member of a ZIP file.

    Parameters
    ----------
    source : Source
    position : int
        Where reading begins.

    Returns
    -------
    LocalFile

    Raises
    ------
    RemoteNotFound, AccessDenied, ConfigurationError
        If there is none, if it may not be read, or if it is a folder.
    """
    from fascicle.transfer.zips import open_member

    path = source.local_path()
    try:
        raw = io.FileIO(path) if path is not None else open_member(source)
    except FascicleError:
        raise  # errors of ours may be of both kinds
    except (FileNotFoundError, NotADirectoryError) as error:
        raise RemoteNotFound(f"there is no file {path}", hint="look at its name") from error
    except PermissionError as error:
        raise AccessDenied(f"{path} may not be read") from error
    except IsADirectoryError as error:
        raise ConfigurationError(f"{path} is a folder", hint="name a file") from error
    file = LocalFile(raw, source)
    file.seek(position)
    return file
