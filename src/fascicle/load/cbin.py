"""Raw recordings as lazy arrays: compressed ``.cbin`` with its ``.ch``, or flat ``.bin``.

The compressed format is that of mtscomp: chunks of about a second, each the zlib-packed
differences between successive samples. Only the chunks that an index touches are read.
"""

from __future__ import annotations

import os
import re
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import (
    ALFObjectNotFound,
    BadFileError,
    EmptyFileError,
    TruncatedFileError,
)
from . import sglx
from .layout import HINT, Layout, flat_layout, packed_layout
from .text import read_json
from .unpack import DamagedError, inflate, summed

_KEPT = 3  # decoded chunks in memory: 23 MB each for a Neuropixels probe
_UUID = re.compile(r"\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


class CbinArray:
    """A raw recording that is decoded where it is indexed; made by :func:`open_cbin`.

    It has the shape (samples, channels) and is indexed as a numpy array of two dimensions, but
    that two vectors, of samples and of channels, choose all pairs of them.
    It can be pickled (the file is opened again where it is unpickled) and used from threads.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    meta : Meta
        What its ``.meta`` says; empty where there is none.
    """

    ndim = 2

    def __init__(self, path: Path, layout: Layout, meta: sglx.Meta) -> None:
        self.path = path
        self.meta = meta
        self._layout = layout
        self._kept: OrderedDict[int, np.ndarray[Any, Any]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def shape(self) -> tuple[int, int]:
        """Samples and channels: number of samples, number of channels (sync ones included)."""
        return self._layout.bounds[-1], self._layout.n_channels

    @property
    def dtype(self) -> np.dtype[Any]:
        """numpy.dtype: Type of one sample, mostly int16."""
        return self._layout.dtype

    @property
    def size(self) -> int:
        """int: Number of samples times number of channels."""
        return self.shape[0] * self.shape[1]

    @property
    def nbytes(self) -> int:
        """int: Bytes that all of it takes once decoded."""
        return self.size * self.dtype.itemsize

    @property
    def sample_rate(self) -> float:
        """float: Samples per second, as calibrated (.meta) where known."""
        return self._layout.sample_rate

    @property
    def duration(self) -> float:
        """float: Length in seconds, by the recording's own clock."""
        return self.shape[0] / self.sample_rate

    @property
    def chunk_length(self) -> int:
        """int: Samples of its first chunk, which most others have too: decoded at once."""
        return self._layout.bounds[1]

    @property
    def n_sync(self) -> int:
        """int: How many of the last channels are digital words."""
        return sglx.n_sync(self._needed_meta())

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        rows, channels = self.shape
        return (
            f"CbinArray({self.path.name}: {rows} samples x {channels} channels of {self.dtype}, "
            f"{self.duration:.1f} s at {self.sample_rate:g} Hz)"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        """Return all of it, decoded: mind :attr:`nbytes`."""
        array = self._rows(0, len(self))
        return array if dtype is None else array.astype(dtype, copy=False)

    def __getitem__(self, key: Any) -> Any:
        """Return samples; only the chunks that hold them are decoded.

        Parameters
        ----------
        key : int, slice, array, or a pair of them
            Samples, and channels. Arrays are of indices or booleans; two of them choose samples
            times channels, as ``numpy.ix_`` does.

        Returns
        -------
        numpy.ndarray or scalar
            A copy.

        Raises
        ------
        IndexError
            Outside the recording.
        TruncatedFileError, BadFileError
            A chunk cannot be decoded.
        """
        rows, columns = self._keys(key)
        if isinstance(rows, slice):
            found = range(len(self))[rows]
            if not found:
                block = np.empty((0, self.shape[1]), self.dtype)
                return block[:, columns]
            first, last = min(found[0], found[-1]), max(found[0], found[-1])
            block = self._rows(first, last + 1, abs(found.step), columns)
            return block[::-1] if found.step < 0 else block
        indices = np.asarray(rows)
        if indices.dtype == bool:
            if indices.shape != (len(self),):
                raise IndexError(f"a mask of shape {indices.shape} for {len(self)} samples")
            indices = np.flatnonzero(indices)
        if not indices.size and indices.dtype.kind == "f":  # an empty list
            indices = indices.astype(np.intp)
        if indices.dtype.kind not in "iu":
            raise IndexError(f"samples are chosen by integers, not by {indices.dtype}")
        indices = indices.astype(np.int64)  # small types cannot count all samples
        wrapped = np.where(indices < 0, indices + len(self), indices)
        if wrapped.size and (wrapped.min() < 0 or wrapped.max() >= len(self)):
            raise IndexError(f"sample outside a recording of {len(self)} samples")
        return self._gather(wrapped, columns)

    def volts(self, start: int | None = None, stop: int | None = None) -> np.ndarray[Any, Any]:
        """Return analog channels in volts.

        Parameters
        ----------
        start, stop : int, optional
            First sample, and the one after the last; as in a slice.

        Returns
        -------
        numpy.ndarray
            float32, shape (samples, channels without the sync ones), in volts.

        Raises
        ------
        ALFObjectNotFound
            There is no ``.meta`` file to know the gains from.
        BadFileError
            It does not tell them, or a chunk cannot be decoded.
        """
        factor = sglx.volts_per_bit(self._needed_meta()).astype(np.float32)
        if len(factor) > self.shape[1]:
            raise BadFileError(
                f"{self.meta.path} counts {len(factor)} analog channels, the recording "
                f"has {self.shape[1]} channels",
                hint=HINT,
            )
        counts: np.ndarray[Any, Any] = self[start:stop, : len(factor)]
        scaled: np.ndarray[Any, Any] = counts * factor
        return scaled

    def sync(self, start: int | None = None, stop: int | None = None) -> np.ndarray[Any, Any]:
        """Return the digital words that lie apart from the voltages.

        Parameters
        ----------
        start, stop : int, optional
            First sample, and the one after the last; as in a slice.

        Returns
        -------
        numpy.ndarray
            uint16, shape (samples,) for one word and (samples, words) for several; bit 6 of a
            probe's word is its sync line.

        Raises
        ------
        ALFObjectNotFound
            There is no ``.meta`` file to know the channels from.
        """
        analog = max(self.shape[1] - self.n_sync, 0)
        words: np.ndarray[Any, Any] = self[start:stop, analog:].astype(np.uint16)
        return words[:, 0] if words.shape[1] == 1 else words

    def blocks(self, start: int = 0) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
        """Go through all samples, one chunk after the other, each decoded once and not kept.

        Parameters
        ----------
        start : int
            The chunk of this sample is the first.

        Yields
        ------
        tuple of int and numpy.ndarray
            Number of the chunk's first sample, and its samples: (samples, channels), read-only.

        Raises
        ------
        TruncatedFileError, BadFileError
            A chunk cannot be decoded.
        """
        bounds = self._layout.bounds
        for number in range(max(bisect_right(bounds, start) - 1, 0), len(bounds) - 1):
            yield bounds[number], self._decode(number)

    def _keys(self, key: Any) -> tuple[Any, Any]:
        rows, columns = key if isinstance(key, tuple) and len(key) == 2 else (key, slice(None))
        if isinstance(key, tuple) and len(key) != 2:
            rows = key[0] if len(key) == 1 else key
        if rows is Ellipsis:
            rows = slice(None)
        if columns is Ellipsis:
            columns = slice(None)
        if isinstance(rows, tuple) or rows is None or columns is None:
            raise IndexError("a recording has two dimensions: samples and channels")
        return rows, columns

    def _rows(
        self, start: int, stop: int, step: int = 1, columns: Any = slice(None)
    ) -> np.ndarray[Any, Any]:
        """Return each ``step``-th sample of a stretch that is not empty or reversed."""
        bounds, parts = self._layout.bounds, []
        number = max(bisect_right(bounds, start) - 1, 0)
        while start < stop:
            end = min(bounds[number + 1], stop)
            if start < end:  # else a step of more than a chunk
                chunk = self._chunk(number)[start - bounds[number] : end - bounds[number] : step]
                parts.append(chunk[:, columns])
                start += step * len(chunk)
            number += 1
        if not parts:
            return np.empty((0, self.shape[1]), self.dtype)[:, columns]
        return np.concatenate(parts) if len(parts) > 1 else parts[0].copy()

    def _gather(self, indices: np.ndarray[Any, Any], columns: Any) -> Any:
        """Return samples by number, chunk after chunk so that each is decoded once."""
        if indices.ndim > 1:
            raise IndexError("samples are chosen by a number, a slice or a vector")
        flat = np.atleast_1d(indices)
        chunks = np.searchsorted(self._layout.bounds, flat, side="right") - 1
        out = np.empty((len(flat), self.shape[1]), self.dtype)
        for number in np.unique(chunks):
            here = chunks == number
            out[here] = self._chunk(int(number))[flat[here] - self._layout.bounds[number]]
        if not indices.ndim:
            return out[0][columns]
        return out[:, columns]

    def _chunk(self, number: int) -> np.ndarray[Any, Any]:
        with self._lock:
            if (chunk := self._kept.get(number)) is not None:
                self._kept.move_to_end(number)
                return chunk
        chunk = self._decode(number)
        with self._lock:
            self._kept[number] = chunk
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return chunk

    def _decode(self, number: int) -> np.ndarray[Any, Any]:
        """Read and unpack one chunk."""
        layout = self._layout
        begin, end = layout.offsets[number : number + 2]
        samples = layout.bounds[number + 1] - layout.bounds[number]
        if not layout.packed:
            return self._mapped(number, begin, (samples, layout.n_channels))
        with self.path.open("rb", buffering=0) as file:
            file.seek(begin)
            data = _read(file, end - begin)
        want = samples * layout.n_channels * layout.dtype.itemsize
        if len(data) < end - begin:
            raise TruncatedFileError(
                f"{self.path} ends within chunk {number}, at byte {begin + len(data)}", hint=HINT
            )
        try:
            data = inflate(data, want + 1)
        except DamagedError as error:
            raise BadFileError(
                f"{self.path}: chunk {number} is damaged: {error}", hint=HINT
            ) from None
        if len(data) != want:
            size = f"{len(data)}" if len(data) < want else "more than that"
            raise BadFileError(
                f"{self.path}: chunk {number} is to unpack to {want} bytes, it has {size}",
                hint=HINT,
            )
        chunk = np.frombuffer(data, layout.dtype).reshape(
            (samples, layout.n_channels), order="F" if layout.order == "F" else "C"
        )
        chunk = summed(chunk, in_time=layout.time_diff, in_space=layout.spatial_diff)
        chunk.flags.writeable = False  # it is shared by all who index
        return chunk

    def _mapped(self, number: int, begin: int, shape: tuple[int, int]) -> np.ndarray[Any, Any]:
        """Return a chunk of a flat file as it lies in the system's memory, without a copy."""
        try:
            mapped = np.memmap(self.path, self._layout.dtype, "r", begin, shape)
        except ValueError:  # it has become shorter since it was opened
            raise TruncatedFileError(f"{self.path} ends within chunk {number}", hint=HINT) from None
        return np.asarray(mapped)

    def _needed_meta(self) -> sglx.Meta:
        if not self.meta:
            raise ALFObjectNotFound(
                f"{_stem(self.path)}.meta does not lie beside {self.path}: without it neither "
                "gains nor sync channels are known",
                hint="fetch the .meta file too, or give its path: open_cbin(path, meta=…)",
            )
        return self.meta

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "meta": self.meta, "layout": self._layout}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], state["layout"], state["meta"])  # type: ignore[misc]


def open_cbin(
    path: str | os.PathLike[str],
    *,
    ch: str | os.PathLike[str] | None = None,
    meta: str | os.PathLike[str] | None = None,
) -> CbinArray:
    """Open a raw recording without reading its samples.

    Parameters
    ----------
    path : path-like
        The ``.cbin`` file, or a flat ``.bin`` file of int16.
    ch : path-like, optional
        The ``.ch`` file that tells the chunks of a ``.cbin``; default: the one beside it of the
        same name (a UUID in the names may differ).
    meta : path-like, optional
        SpikeGLX's ``.meta`` file; default: the one beside it, if any. A ``.bin`` needs it.

    Returns
    -------
    CbinArray
        Shape (samples, channels), decoded where indexed.

    Raises
    ------
    ALFObjectNotFound
        A file is missing; the message names it.
    EmptyFileError, TruncatedFileError, BadFileError
        A file is empty, shorter than the ``.ch`` says, or makes no sense.

    Examples
    --------
    >>> ap = open_cbin("probe00/_spikeglx_ephysData_g0_t0.imec0.ap.cbin")  # doctest: +SKIP
    >>> ap.volts(30_000, 33_000).shape  # doctest: +SKIP
    (3000, 384)
    """
    path = Path(path)
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise ALFObjectNotFound(f"{path} does not exist", hint="check the path") from None
    if path.is_dir():
        raise BadFileError(f"{path} is a folder, not a file", hint="give a file in it")
    if not size:
        raise EmptyFileError(f"{path} is empty: it has no bytes", hint=HINT)
    meta_path = _companion(path, ".meta", meta)
    said = sglx.read_meta(meta_path) if meta_path else sglx.Meta()
    rate = sglx.sample_rate(said) if said else None
    if path.suffix == ".bin":
        if not said:
            raise ALFObjectNotFound(
                f"{_stem(path)}.meta does not lie beside {path}: without it the number of channels "
                "is not known",
                hint="give its path: open_cbin(path, meta=…)",
            )
        return CbinArray(path, flat_layout(path, size, said), said)
    ch_path = _companion(path, ".ch", ch)
    if ch_path is None:
        raise ALFObjectNotFound(
            f"{_stem(path)}.ch does not lie beside {path}: without it a .cbin cannot be decoded",
            hint="fetch the .ch file too, or give its path: open_cbin(path, ch=…)",
        )
    layout = packed_layout(read_json(ch_path), ch_path, path, size)
    return CbinArray(path, layout._replace(sample_rate=rate or layout.sample_rate), said)


def _stem(path: Path) -> str:
    """Return a file's name without its extension and a UUID."""
    return _UUID.sub("", path.stem)


def _companion(path: Path, suffix: str, given: str | os.PathLike[str] | None) -> Path | None:
    if given is not None:
        if not Path(given).exists():
            raise ALFObjectNotFound(f"{os.fspath(given)} does not exist", hint="check the path")
        return Path(given)
    beside = path.with_suffix(suffix)
    if beside.exists():
        return beside
    stem = _stem(path)
    matching = (p for p in sorted(path.parent.iterdir()) if p.suffix == suffix)
    return next((p for p in matching if _stem(p) == stem), None)


def _read(file: Any, size: int) -> bytes:
    data = file.read(size)
    while len(data) < size and (more := file.read(size - len(data))):
        data += more
    return bytes(data)
