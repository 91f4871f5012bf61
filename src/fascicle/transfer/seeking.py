"""A file that is read at a position of its own, wherever its bytes come from."""

from __future__ import annotations

import io


class SeekableFile(io.RawIOBase):
    """A file of known size with a position: what h5py, zipfile and pyarrow ask of one.

    Attributes
    ----------
    size : int
        Length in bytes.
    """

    size: int = 0
    _position: int = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position; return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise ValueError(f"no position before the start: {base + offset}")
        self._position = base + offset
        return self._position
