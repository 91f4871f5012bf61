"""Chunks of HDF5 datasets, packed here and put into the file as they are.

HDF5's own filters take one core and gzip at some 50 MB/s. What is packed here is the same format, a
shuffle and a deflate stream, which any HDF5 reads, but made ten times as fast.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fascicle.errors import ConversionError, MissingExtraError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Levels of deflate, as isal counts them: the first is as fast as any, the second takes twice the
#: time, and finds what repeats: positions that stand still, numbers of few digits.
LEVEL, THOROUGH = 2, 3
#: The second is taken where its chunks are smaller by this factor.
_WORTH = 0.97


class ChunkWriter:
    """Takes the rows of one dataset in blocks of any size, and writes them as whole chunks.

    Parameters
    ----------
    dataset : h5py.Dataset
        Of a fixed shape, in chunks, with deflate, and shuffled or not; nothing written yet.
    what : str
        For messages.

    Notes
    -----
    No more than the rows of one chunk are kept. Call `close` at the end: it fails where rows are
    missing, which would read as zeros.
    """

    def __init__(self, dataset: Any, what: str = "") -> None:
        import numpy as np

        self._dataset = dataset
        self.what = what or str(dataset.name)
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype: np.dtype[Any] = dataset.dtype
        self._chunk: tuple[int, ...] | None = dataset.chunks
        self._shuffled = bool(dataset.shuffle) and self.dtype.itemsize > 1
        if self._chunk is not None:
            _check_filters(dataset)
        self._compress = compressor()
        self._level = 0
        self._held = np.empty((self._chunk or (0,))[:1] + self.shape[1:], dtype=self.dtype)
        self._n_held = 0
        #: Rows so far.
        self.rows = 0

    def add(self, rows: NDArray[Any]) -> int:
        """Take the next rows; return their bytes as they are in the file, not compressed.

        Parameters
        ----------
        rows : numpy.ndarray, shape (n, ...)
            Cast to the type of the dataset where they have another.

        Raises
        ------
        ConversionError
            If they have another shape than those of the dataset, are too many, or hold numbers that
            its type cannot.
        """
        if rows.shape[1:] != self.shape[1:] or rows.ndim != len(self.shape):
            raise ConversionError(
                f"{self.what}: rows of shape {rows.shape[1:]} where {self.shape[1:]} is announced"
            )
        if self.rows + len(rows) > self.shape[0]:
            raise ConversionError(
                f"{self.what}: more rows than the {self.shape[0]:,} that were announced"
            )
        rows = fitting(rows, self.dtype, self.what)
        self.rows += len(rows)
        if self._chunk is None:
            if len(rows):
                self._dataset[self.rows - len(rows) : self.rows] = rows
            return int(rows.nbytes)
        n = self._chunk[0]
        at, start = 0, self.rows - len(rows)
        while at < len(rows):
            if not self._n_held and len(rows) - at >= n:
                self._write(start + at, rows[at : at + n])  # a whole one, without a copy
                at += n
                continue
            taken = min(n - self._n_held, len(rows) - at)
            self._held[self._n_held : self._n_held + taken] = rows[at : at + taken]
            self._n_held += taken
            at += taken
            if self._n_held == n:
                self._write(start + at - n, self._held)
                self._n_held = 0
        if self._n_held and self.rows == self.shape[0]:
            self._held[self._n_held :] = 0  # a chunk is always whole
            self._write(self.rows - self._n_held, self._held)
            self._n_held = 0
        return int(rows.nbytes)

    def close(self) -> None:
        """Make sure that all rows are there.

        Raises
        ------
        ConversionError
            If there are fewer rows than the dataset has.
        """
        if self.rows != self.shape[0]:
            raise ConversionError(
                f"{self.what}: {self.rows:,} rows where {self.shape[0]:,} were announced"
            )

    def _write(self, start: int, rows: NDArray[Any]) -> None:
        assert self._chunk is not None
        for offsets, tile in tiles(rows, self._chunk[1:]):
            octets = shuffled(tile) if self._shuffled else tile
            if not self._level:
                self._level = self._choose(octets)
            packed = self._compress(octets, self._level)
            self._dataset.id.write_direct_chunk((start, *offsets), packed)

    def _choose(self, octets: NDArray[Any]) -> int:
        """Return the level for all chunks, by the first one."""
        if self.dtype.itemsize == 2 and not self._shuffled:
            return THOROUGH  # of samples of traces it is the fastest, for 3 % more bytes
        fast, thorough = (len(self._compress(octets, level)) for level in (LEVEL, THOROUGH))
        return THOROUGH if thorough < _WORTH * fast else LEVEL


def tiles(
    rows: NDArray[Any], sizes: tuple[int, ...]
) -> Iterator[tuple[tuple[int, ...], NDArray[Any]]]:
    """Yield the chunks that lie side by side in some rows, each whole and contiguous.

    Parameters
    ----------
    rows : numpy.ndarray, shape (n, ...)
    sizes : tuple of int
        Of a chunk, for each axis but the first.

    Yields
    ------
    tuple
        Where it begins along these axes; its values, zero beyond the edge of the dataset.
    """
    import numpy as np

    if sizes == rows.shape[1:]:
        yield (0,) * len(sizes), np.ascontiguousarray(rows)
        return
    starts = [range(0, n, size) for n, size in zip(rows.shape[1:], sizes, strict=True)]
    for offsets in itertools.product(*starts):
        within = tuple(slice(at, at + n) for at, n in zip(offsets, sizes, strict=True))
        part = rows[(slice(None), *within)]
        if part.shape[1:] != sizes:
            whole = np.zeros((len(rows), *sizes), dtype=rows.dtype)
            whole[tuple(slice(n) for n in part.shape)] = part
            part = whole
        yield offsets, np.ascontiguousarray(part)


def shuffled(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the bytes of an array as HDF5's shuffle puts them: all first ones, all second ones."""
    import numpy as np

    octets = values.reshape(-1).view(np.uint8).reshape(-1, values.dtype.itemsize)
    return np.ascontiguousarray(octets.T)


def fitting(values: NDArray[Any], dtype: np.dtype[Any], what: str) -> NDArray[Any]:
    """Return values as another type; themselves if they are of it.

    Raises
    ------
    ConversionError
        If one of them is beyond what that type can hold: a number that is too large, a NaN as an
        integer, a fraction as a bool.
    """
    import numpy as np

    if values.dtype == dtype:
        return values
    cast = None
    if values.dtype.kind in "fiub" and dtype.kind in "fiub":
        try:
            with np.errstate(invalid="raise", over="raise"):
                cast = np.ascontiguousarray(values, dtype=dtype)
        except FloatingPointError:
            cast = None
        if cast is not None and dtype.kind in "iub" and not np.can_cast(values.dtype, dtype):
            cast = cast if _is_same(values, cast) else None
    if cast is None:
        raise ConversionError(
            f"{what}: its numbers ({values.dtype}) do not fit into {dtype}",
            hint="leave dtype empty in the metadata document, or name a wider one",
        )
    return cast


def _is_same(values: NDArray[Any], cast: NDArray[Any]) -> bool:
    """Return whether integers are those that they were cast from; C wraps around without a word."""
    import numpy as np

    if values.dtype.kind == "f":  # what stands behind the point is cut off because somebody asked
        whole = values if cast.dtype.kind == "b" else np.trunc(values)
        return bool(np.array_equal(cast.astype(values.dtype), whole))
    lowest, highest = (0, 1) if cast.dtype.kind == "b" else _range(cast.dtype)
    return not len(values) or bool(values.min() >= lowest and values.max() <= highest)


def _range(dtype: np.dtype[Any]) -> tuple[int, int]:
    import numpy as np

    return int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)


def compressor() -> Any:
    """Return the function that deflates: bytes-like and level to a zlib stream.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        from isal import isal_zlib
    except ImportError as error:
        raise MissingExtraError(
            f"to write NWB takes a library that is not installed ({error})",
            hint='pip install "fascicle[convert]"',
        ) from None
    return isal_zlib.compress


def _check_filters(dataset: Any) -> None:
    """Refuse a dataset whose chunks would be read through filters that are not applied here."""
    plist = dataset.id.get_create_plist()
    names = [plist.get_filter(n)[0] for n in range(plist.get_nfilters())]
    if names not in ([1], [2, 1]):  # H5Z_FILTER_DEFLATE, H5Z_FILTER_SHUFFLE
        raise ConversionError(f"{dataset.name} has filters {names}: only shuffle and deflate do")
