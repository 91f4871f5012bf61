"""Arrays of text: how long they claim to be is looked at before libhdf5 takes memory for them."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from fascicle.formats.nwb.headers import TEXT

if TYPE_CHECKING:
    import h5py

_DEFLATE, _SHUFFLE, _FLETCHER = 1, 2, 3
_BATCH = 1024


def claimed(
    dataset: h5py.Dataset, rows: range, *, read: Callable[[int, int], bytes], size: int
) -> int | None:
    """Return how many bytes the texts of some rows claim to be together.

    Parameters
    ----------
    dataset : h5py.Dataset
        Of text of any length.
    rows : range
        Along the first dimension.
    read : callable
        Returns bytes of the file from a position, so many of them.
    size : int
        Length of the file in bytes.

    Returns
    -------
    int or None
        None where there is no way to know.

    Raises
    ------
    ValueError
        If a text claims to be longer than the file.
    """
    total = 0
    for block in _blocks(dataset, rows, read):
        if block is None:
            return None
        texts = np.frombuffer(block, TEXT, count=len(block) // TEXT.itemsize)
        lengths = texts["length"]
        if len(lengths) and int(lengths.max()) > size:
            raise ValueError(f"a text of it claims {lengths.max():,} bytes, more than the file has")
        total += int(lengths.sum(dtype=np.int64))
    return total


def in_parts(
    dataset: h5py.Dataset, rows: range, check: Callable[[int], None]
) -> np.ndarray[Any, Any]:
    """Read text a part at a time, where nobody can say how long it is.

    Parameters
    ----------
    dataset : h5py.Dataset
    rows : range
        Along the first dimension.
    check : callable
        Is told how many bytes there were so far, and raises where these are too many.
    """
    rest = dataset.shape[1:]
    out = np.empty((len(rows), *rest), object)
    each = max(1, int(np.prod(rest)))
    step, total, at = max(1, _BATCH // each), 0, 0
    while at < len(rows):
        part = dataset[rows.start + at : min(rows.stop, rows.start + at + step)]
        out[at : at + len(part)] = part
        here = sum(map(len, part.reshape(-1).tolist()))
        total += here
        check(total)
        at += len(part)
        mean = max(1, here // max(1, part.size))
        step = max(1, min(1 << 18, (8 << 20) // mean) // each)
    return out


def _blocks(
    dataset: h5py.Dataset, rows: range, read: Callable[[int, int], bytes]
) -> Iterator[bytes | None]:
    """Yield the lengths and places of texts as they are stored; None where that is not known."""
    import h5py

    found = dataset.id
    plan = found.get_create_plist()
    layout = plan.get_layout()
    if layout == h5py.h5d.CONTIGUOUS:
        begin = found.get_offset()
        if begin is not None and len(rows):
            each = int(np.prod(dataset.shape[1:])) * TEXT.itemsize
            yield read(begin + rows.start * each, len(rows) * each)
        return
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    if layout != h5py.h5d.CHUNKED or not set(filters) <= {_DEFLATE, _SHUFFLE, _FLETCHER}:
        yield None
        return
    chunk = plan.get_chunk()
    whole = int(np.prod(chunk)) * TEXT.itemsize
    steps = [range(rows.start // chunk[0] * chunk[0], rows.stop, chunk[0])]
    steps += [range(0, n, c) for n, c in zip(dataset.shape[1:], chunk[1:], strict=True)]
    for corner in np.ndindex(*map(len, steps)):
        place = tuple(step[i] for step, i in zip(steps, corner, strict=True))
        info = found.get_chunk_info_by_coord(place)
        if info.byte_offset is None:
            continue
        stored = read(info.byte_offset, info.size)
        block = _unpacked(stored, filters, info.filter_mask, whole)
        if len(chunk) == 1:  # the rest of the chunk is unpacked, but not read
            first, last = max(0, rows.start - place[0]), max(0, rows.stop - place[0])
            block = block[first * TEXT.itemsize : last * TEXT.itemsize]
        yield block


def _unpacked(data: bytes, filters: list[int], mask: int, whole: int) -> bytes:
    """Return a chunk as it was before it was compressed."""
    for i in range(len(filters) - 1, -1, -1):
        if mask >> i & 1:
            continue
        if filters[i] == _FLETCHER:
            data = data[:-4]
        elif filters[i] == _DEFLATE:
            data = zlib.decompressobj().decompress(data, whole)
        else:
            n = len(data) // TEXT.itemsize
            planes = np.frombuffer(data, np.uint8, count=n * TEXT.itemsize)
            data = planes.reshape(TEXT.itemsize, n).T.tobytes()
    return data
