"""Arrays that are written after the skeleton of a file: declared first, filled in blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import DTypeLike, NDArray

#: Arrays of more bytes than this are written in chunks, compressed, after the skeleton.
LARGE = 64 * 1024

#: Blocks of arrays in the order in which they are written: of one array the rows follow each
#: other, and blocks of several arrays may take turns.
Blocks: TypeAlias = "Iterator[tuple[Later, NDArray[Any]]]"


class Later:
    """An array of the file that is filled when the skeleton stands.

    Parameters
    ----------
    shape : sequence of int
    dtype : dtype-like
        As it is written.
    chunks : sequence of int, optional
        By default rows of about `CHUNK` bytes.
    shuffle : bool
        Put the bytes of a chunk in order of their place in the number before they are compressed.
        Numbers that are alike get smaller by it; int16 of raw recordings do not.
    """

    #: Bytes of a chunk unless given: what one request over a network brings without waste.
    CHUNK = 1_000_000

    def __init__(
        self,
        shape: Sequence[int],
        dtype: DTypeLike,
        *,
        chunks: Sequence[int] | None = None,
        shuffle: bool = True,
    ) -> None:
        import numpy as np

        self.shape = tuple(int(n) for n in shape)
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.shuffle = shuffle and self.dtype.itemsize > 1
        sizes = tuple(chunks) if chunks else self._by_rows()
        # HDF5 wants no chunk of nothing, and h5py none beyond the edge.
        self.chunks = tuple(max(1, min(c, n)) for c, n in zip(sizes, self.shape, strict=True))

    def _by_rows(self) -> tuple[int, ...]:
        per_row = self.dtype.itemsize
        for n in self.shape[1:]:
            per_row *= max(n, 1)
        rows = max(1, min(self.shape[0] or 1, self.CHUNK // per_row))
        return (rows, *(max(n, 1) for n in self.shape[1:]))

    @property
    def nbytes(self) -> int:
        """Bytes of the whole, not compressed."""
        total = self.dtype.itemsize
        for n in self.shape:
            total *= n
        return total

    @cached_property
    def io(self) -> Any:
        """What pynwb takes in place of the array: a dataset of this shape, without values."""
        return _placeholder()(
            shape=self.shape,
            dtype=self.dtype,
            chunks=self.chunks if all(self.shape) else None,
            compression="gzip" if all(self.shape) else None,
            shuffle=self.shuffle if all(self.shape) else None,
        )

    @property
    def dataset(self) -> Any:
        """The h5py dataset, once the skeleton is written."""
        return self.io.dataset


@cache
def _placeholder() -> Any:
    """Return a H5DataIO that counts as full, though its values come later.

    Of a table all of whose columns seem empty hdmf forgets the names of the columns.
    """
    from hdmf.backends.hdf5 import H5DataIO

    class Placeholder(H5DataIO):  # type: ignore[misc]
        def __bool__(self) -> bool:
            return len(self) > 0

    return Placeholder


@dataclass(frozen=True, slots=True)
class Job:
    """Values for one or several `Later`, made block by block.

    Attributes
    ----------
    blocks : callable
        Returns an iterator over ``(later, rows)``: each array's rows follow each other from the
        first to the last; made anew for each attempt.
    what : str
        For the progress bar and messages, e.g. ``spikes of probe00``.
    nbytes : int
        How many bytes it writes, not compressed.
    """

    blocks: Callable[[], Blocks]
    what: str
    nbytes: int


def rows_of(values: NDArray[Any], later: Later, step: int = 8_000_000) -> Blocks:
    """Yield an array in blocks of whole chunks of about ``step`` bytes."""
    if not len(values):
        return
    per_row = max(values.nbytes // len(values), 1)
    rows = max(step // per_row // later.chunks[0], 1) * later.chunks[0]
    for start in range(0, len(values), rows):
        yield later, values[start : start + rows]


def is_large(values: np.ndarray[Any, Any]) -> bool:
    """Return whether an array is written after the skeleton, in chunks."""
    return values.dtype.kind in "fiub" and values.nbytes > LARGE and values.ndim > 0
