"""Chunks of compressed numbers, unpacked here: twice as fast as libhdf5's own filters do it.

Only what is plain is taken: numbers in chunks of deflate, shuffled or not. Of anything else, and of
anything that is not as it should be, nothing is said, and libhdf5 reads it or says what is wrong.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import h5py
    import numpy as np
    from numpy.typing import NDArray

    from fascicle.formats.nwb.claims import Facts

#: Bytes from which on it is worth it; what is smaller libhdf5 unpacks once, and keeps.
_WORTH = 1 << 20
_DEFLATE, _SHUFFLE = 1, 2
#: libhdf5 takes some 6 KB for each chunk that it is asked for at once.
_AT_ONCE = 4096


def read_chunks(dataset: h5py.Dataset, facts: Facts, rows: slice) -> NDArray[Any] | None:
    """Return some rows of an array; None where libhdf5 has to read them.

    Parameters
    ----------
    dataset : h5py.Dataset
    facts : Facts
        Of it.
    rows : slice
        With a step of one.

    Returns
    -------
    numpy.ndarray or None
    """
    import numpy as np

    if not facts.chunk or facts.kind != "plain" or facts.dtype.kind not in "iuf":
        return None
    start, stop, _ = rows.indices(facts.shape[0])
    per_row = math.prod(facts.shape[1:]) * facts.itemsize
    if (stop - start) * per_row < _WORTH or not facts.dtype.isnative:
        return None
    unpack = _unpacker(dataset, facts)
    if unpack is None:
        return None
    out = np.empty((stop - start, *facts.shape[1:]), facts.dtype)
    sizes = dataset.chunks
    first = start // sizes[0] * sizes[0]
    axes = [range(first, stop, sizes[0])]
    axes += [range(0, n, size) for n, size in zip(facts.shape[1:], sizes[1:], strict=True)]
    whole = sizes[1:] == facts.shape[1:]
    for corner in itertools.product(*axes):
        at = corner[0] - start
        if whole and at >= 0 and at + sizes[0] <= len(out):
            if not unpack(corner, out[at : at + sizes[0]]):
                return None
            continue
        tile = np.empty(sizes, facts.dtype)
        if not unpack(corner, tile):
            return None
        low, high = max(at, 0), min(at + sizes[0], len(out))
        across = [
            slice(begin, min(begin + size, n))
            for begin, size, n in zip(corner[1:], sizes[1:], facts.shape[1:], strict=True)
        ]
        inner = [slice(0, part.stop - part.start) for part in across]
        out[(slice(low, high), *across)] = tile[(slice(low - at, high - at), *inner)]
    return out


def read_by_libhdf5(dataset: h5py.Dataset, facts: Facts, sel: Any) -> Any:
    """Return ``dataset[sel]``, some thousand chunks at a time: a harmed file may claim millions.

    Parameters
    ----------
    dataset : h5py.Dataset
    facts : Facts
        Of it.
    sel : slice, int, mask or tuple of these

    Returns
    -------
    numpy.ndarray or scalar
        Of the shape that ``sel`` takes, and the array's own type.
    """
    import numpy as np

    sizes = dataset.chunks
    if not sizes or not isinstance(sel, slice) or sel.step not in (None, 1):
        return dataset[sel]
    across = math.prod(-(-n // size) for n, size in zip(facts.shape[1:], sizes[1:], strict=True))
    step = max(_AT_ONCE // max(across, 1), 1) * sizes[0]
    start, stop, _ = sel.indices(facts.shape[0])
    if stop - start <= step:
        return dataset[sel]
    out = np.empty((stop - start, *facts.shape[1:]), dataset.dtype)
    for first in range(start, stop, step):
        last = min(first + step, stop)
        out[first - start : last - start] = dataset[first:last]
    return out


def _unpacker(dataset: h5py.Dataset, facts: Facts) -> Any:
    """Return what unpacks a chunk into an array, None where a filter is not known here."""
    import h5py
    import numpy as np

    try:
        from isal import igzip_lib, isal_zlib
    except ImportError:  # zlib is no faster than libhdf5
        return None
    found = dataset.id
    plan = found.get_create_plist()
    filters = [plan.get_filter(i)[0] for i in range(plan.get_nfilters())]
    if filters not in ([_DEFLATE], [_SHUFFLE, _DEFLATE]):
        return None
    if not found.get_type().equal(h5py.h5t.py_create(facts.dtype)):
        return None
    shuffled, item = len(filters) == 2 and facts.itemsize > 1, facts.itemsize

    def unpack(corner: tuple[int, ...], into: NDArray[Any]) -> bool:
        info = found.get_chunk_info_by_coord(corner)
        if info.byte_offset is None or not info.size:
            return False  # never written: it reads as the value that stands for nothing
        mask, packed = found.read_direct_chunk(corner)
        machine = isal_zlib.decompressobj()
        try:
            octets = machine.decompress(packed, into.nbytes + 1)
        except igzip_lib.IsalError:  # type: ignore[misc]  # its stub says it is an instance
            return False
        if mask or not machine.eof or len(octets) != into.nbytes:
            return False
        flat: np.ndarray[Any, Any] = into.reshape(-1).view("u1")
        if not shuffled:
            flat[:] = np.frombuffer(octets, "u1")
            return True
        planes = np.frombuffer(octets, "u1").reshape(item, -1)
        table = flat.reshape(-1, item)
        for k in range(item):  # four times as fast as a transposed copy
            table[:, k] = planes[k]
        return True

    return unpack
