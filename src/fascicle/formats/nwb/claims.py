"""What an array claims to be against what is stored of it, before memory is taken."""

from __future__ import annotations

import itertools
import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fascicle.errors import BadFileError, UnpacksTooLarge
from fascicle.formats.nwb.values import Kind, check_type, kind_of

if TYPE_CHECKING:
    import h5py
    import numpy as np

#: Bytes that an array may take however little is stored of it.
MOST_CLAIMED = 256 << 20
#: How many times more than is stored compressed values take, well above what recordings do.
_RATIO = 100
_LARGE_CHUNK = 256 << 10
_MANY_CHUNKS = 64
#: Bytes from the address of an object that mostly describe it.
HEADER = 1 << 10
#: Bytes that a value of each kind takes in Python, beyond those of a number.
_TAKES = {"text": 80, "reference": 120, "record": 200, "lists": 120}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of an array without reading it.

    Attributes
    ----------
    dtype : numpy.dtype
    kind : str
        Of its values.
    shape : tuple of int
    itemsize : int
        Bytes that a value takes when read.
    chunk : int
        Bytes of a chunk that has to be unpacked for any value; 0 where there is none.
    begin : int
        Where in the file numbers lie one after another as memory has them; -1 where they do not.
    """

    dtype: np.dtype[Any]
    kind: Kind
    shape: tuple[int, ...]
    itemsize: int
    chunk: int
    begin: int = -1

    @property
    def nbytes(self) -> int:
        """Bytes that the whole takes when read."""
        return math.prod(self.shape) * self.itemsize


def facts_of(dataset: h5py.Dataset, *, size: int) -> Facts:
    """Look at an array, and refuse one whose values lie elsewhere or past the end of the file.

    Parameters
    ----------
    dataset : h5py.Dataset
    size : int
        Length of the file in bytes.

    Raises
    ------
    ValueError
        If it is not what it says.
    """
    import h5py

    found = dataset.id
    space = found.get_space()
    shape = () if space.get_simple_extent_type() == h5py.h5s.NULL else found.shape
    dtype = found.dtype
    kind = kind_of(dtype)
    kept_as = found.get_type()
    if kind in ("lists", "record"):
        check_type(kept_as)
    stored_item = kept_as.get_size()
    plan = found.get_create_plist()
    layout = plan.get_layout()
    if layout == h5py.h5d.VIRTUAL:
        raise ValueError("its values are put together from other files, which is not followed")
    if plan.get_external_count():
        raise ValueError("its values lie in another file, which is not followed")
    n = math.prod(shape)
    chunk, straight = 0, -1
    if layout == h5py.h5d.CHUNKED:
        chunk = math.prod(plan.get_chunk()) * max(stored_item, 1)
        if not plan.get_nfilters():
            chunk = 0
    elif layout == h5py.h5d.CONTIGUOUS:
        begin = found.get_offset()
        if begin is not None and n:
            stored = found.get_storage_size()
            if stored < n * stored_item:
                raise ValueError(
                    f"it claims {n * stored_item:,} bytes, and {stored:,} are stored of it"
                )
            if begin + n * stored_item > size:
                raise ValueError("it lies past the end of the file")
            if kind == "plain" and dtype.kind in "iuf" and shape:
                same = kept_as.equal(h5py.h5t.py_create(dtype))
                straight = begin if same else -1
    return Facts(dtype, kind, shape, _TAKES.get(kind, max(dtype.itemsize, 1)), chunk, straight)


def takes_parts(found: Any) -> bool:
    """Return whether parts of chunks can be read: large ones that are stored as they are.

    Libhdf5 does so where it may not keep chunks.
    """
    import h5py

    plan = found.get_create_plist()
    if plan.get_layout() != h5py.h5d.CHUNKED or plan.get_nfilters():
        return False
    return bool(math.prod(plan.get_chunk()) * found.get_type().get_size() > _LARGE_CHUNK)


def stretches(dataset: h5py.Dataset, facts: Facts) -> list[tuple[int, int]]:
    """Return where in the file the values of an array lie, begin and end of each stretch.

    Nothing is said of arrays of very many chunks.
    """
    import h5py

    found = dataset.id
    plan = found.get_create_plist()
    if plan.get_layout() == h5py.h5d.CONTIGUOUS:
        begin = found.get_offset()
        return [] if begin is None else [(begin, begin + found.get_storage_size())]
    if plan.get_layout() != h5py.h5d.CHUNKED:
        return []
    chunk = plan.get_chunk()
    counts = [-(-n // c) for n, c in zip(facts.shape, chunk, strict=True)]
    if math.prod(counts) > _MANY_CHUNKS:
        return []
    out = []
    for corner in itertools.product(*map(range, counts)):
        place = tuple(i * c for i, c in zip(corner, chunk, strict=True))
        info = found.get_chunk_info_by_coord(place)
        if info.byte_offset is not None:
            out.append((info.byte_offset, info.byte_offset + info.size))
    return out


def selected(shape: tuple[int, ...], sel: Any) -> int:
    """Return how many values a selection takes at most."""
    parts = sel if isinstance(sel, tuple) else (sel,)
    if any(part is Ellipsis for part in parts):
        i = next(i for i, part in enumerate(parts) if part is Ellipsis)
        fill = (slice(None),) * max(0, len(shape) - len(parts) + 1)
        parts = (*parts[:i], *fill, *parts[i + 1 :])
    n = 1
    for i, length in enumerate(shape):
        part = parts[i] if i < len(parts) else slice(None)
        if isinstance(part, slice):
            n *= len(range(*part.indices(length)))
        elif _is_int(part):
            continue
        else:
            n *= length
    return n


def _is_int(part: Any) -> bool:
    try:
        operator.index(part)
    except TypeError:
        return False
    return True


def check_claim(name: str, path: str, need: int, stored: int, *, most: int | None) -> None:
    """Refuse what takes far more memory than is stored of it.

    Parameters
    ----------
    name, path : str
        Of the file and the object.
    need : int
        Bytes of memory.
    stored : int
        Bytes in the file.
    most : int or None
        Bytes that are always allowed; None for no bound.

    Raises
    ------
    UnpacksTooLarge
        If it is refused.
    """
    if most is None or need <= most or need <= _RATIO * stored:
        return
    raise UnpacksTooLarge(
        f"{name}: {path} claims to be {need:,} bytes, and {stored:,} are stored of it",
        hint=f"if you trust the file, read it with max_claim={need} or more, or None",
    )


def out_of(name: str, path: str, what: str) -> BadFileError:
    """Return the error for a table or column that does not fit together."""
    return BadFileError(f"{name}: {path}: {what}", hint="the file may be damaged: get it again")
