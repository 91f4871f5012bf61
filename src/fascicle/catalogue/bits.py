"""Sets of rows as Python integers: one bit per row, combined with ``&``, ``|`` and ``~``.

The standard library alone, so that a cold process answers before numpy would have loaded.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import compress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TO_TRUTH = bytes.maketrans(b"01", b"\x00\x01")
_ONE = ord("1")


def from_rows(rows: Iterable[int], n: int) -> int:
    """Return the set of some rows out of ``n``."""
    digits = bytearray(b"0") * n
    for r in rows:
        digits[r] = _ONE
    digits.reverse()
    return int(digits, 2) if n else 0


def to_rows(bits: int) -> list[int]:
    """Return the rows of a set, ascending."""
    if not bits:
        return []
    digits = bin(bits)[:1:-1].encode().translate(_TO_TRUTH)
    return list(compress(range(len(digits)), digits))


def full(n: int) -> int:
    """Return the set of the first ``n`` rows."""
    return (1 << n) - 1


def span(start: int, stop: int) -> int:
    """Return the set of rows ``start`` to ``stop`` (excluded)."""
    return full(stop) & ~full(start) if stop > start else 0


def decode(blob: bytes, n: int) -> int:
    """Return the set that `segment.encode_rows` packed."""
    if blob[:1] == b"b":
        return int.from_bytes(blob[1:], "little")
    return from_rows(_integers(blob), n)


def from_mask(mask: NDArray[np.bool_]) -> int:
    """Return the set of the rows where a numpy array is true."""
    import numpy as np

    return int.from_bytes(np.packbits(mask, bitorder="little").tobytes(), "little")


def _integers(blob: bytes) -> array[int]:
    numbers = array("H" if blob[:1] == b"h" else "I")
    numbers.frombytes(blob[1:])
    return numbers
