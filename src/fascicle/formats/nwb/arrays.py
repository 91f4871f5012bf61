"""One array of a file, of which only what is asked for is read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from fascicle.formats.nwb.file import NwbFile


class Array:
    """An array of a file, read when it is indexed; ``[:]`` and `numpy.asarray` read all of it.

    Parameters
    ----------
    file : NwbFile
    path : str
    """

    def __init__(self, file: NwbFile, path: str) -> None:
        self._file = file
        self.path = path

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of values along each dimension."""
        return self._file.facts(self.path).shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values; object for text and references."""
        import numpy as np

        facts = self._file.facts(self.path)
        plain = facts.kind in ("plain", "lists")
        return facts.dtype.newbyteorder("=") if plain else np.dtype(object)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of memory that all of it takes, about."""
        return self._file.facts(self.path).nbytes

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError(f"{self.path} is a single value")
        return self.shape[0]

    def __getitem__(self, sel: Any) -> Any:
        return self._file.array(self.path, sel)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        import numpy as np

        if copy is False:
            raise ValueError(f"{self.path} is read from a file: that makes a copy")
        return np.asarray(self._file.array(self.path), dtype=dtype)

    def __repr__(self) -> str:
        return f"<Array {self.path} {self.shape} {self.dtype}>"
