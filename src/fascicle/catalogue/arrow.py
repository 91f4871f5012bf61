"""Arrow arrays made of buffers and read as such: `pyarrow.array` would import pandas (0.25 s)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_LETTERS = np.frombuffer(b"0123456789abcdef", np.uint8)
#: Where the digits stand in the text of a UUID.
DIGITS_OF_UUID = np.array([i for i in range(36) if i not in (8, 13, 18, 23)])


def _bitmap(mask: NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(mask, bitorder="little"))


def texts(values: Sequence[str | None]) -> pa.StringArray:
    """Return a text array; None becomes null."""
    raw = [b"" if v is None else v.encode() for v in values]
    offsets = np.zeros(len(raw) + 1, np.int32)
    np.cumsum([len(r) for r in raw], out=offsets[1:])
    valid = None
    if any(v is None for v in values):
        valid = _bitmap(np.array([v is not None for v in values], bool))
    return pa.StringArray.from_buffers(
        len(raw), pa.py_buffer(offsets), pa.py_buffer(b"".join(raw)), valid
    )


def numbers(
    values: NDArray[Any], kind: pa.DataType, missing: NDArray[np.bool_] | None = None
) -> pa.Array:
    """Return an array of numbers of some type; null where ``missing``."""
    data = np.ascontiguousarray(values, kind.to_pandas_dtype() if kind != pa.date32() else np.int32)
    valid = None if missing is None or not missing.any() else _bitmap(~missing)
    return pa.Array.from_buffers(kind, len(data), [valid, pa.py_buffer(data)])


def booleans(values: NDArray[np.bool_]) -> pa.Array:
    """Return an array of truth values."""
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _bitmap(values)])


def coded(codes: NDArray[Any], values: pa.Array, *, ordered: bool = False) -> pa.DictionaryArray:
    """Return an array of values given by their numbers."""
    kind = pa.int8() if codes.dtype == np.int8 else pa.int32()
    return pa.DictionaryArray.from_arrays(numbers(codes, kind), values, ordered=ordered)


def _equal_texts(letters: NDArray[np.uint8]) -> pa.StringArray:
    n, width = letters.shape
    offsets = np.arange(0, (n + 1) * width, width, dtype=np.int32) if n else np.zeros(1, np.int32)
    data = np.ascontiguousarray(letters)
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(data))


def _hex(raw: NDArray[np.uint8]) -> NDArray[np.uint8]:
    out = np.empty((len(raw), 32), np.uint8)
    out[:, ::2] = _LETTERS[raw >> 4]
    out[:, 1::2] = _LETTERS[raw & 15]
    return out


def uuids(raw: NDArray[np.uint8]) -> pa.StringArray:
    """Return a text array of the UUIDs whose bytes, shape (n, 16), are given."""
    letters = np.full((len(raw), 36), ord("-"), np.uint8)
    letters[:, DIGITS_OF_UUID] = _hex(raw)
    return _equal_texts(letters)


def hashes(raw: NDArray[np.uint8], has: NDArray[np.bool_]) -> pa.StringArray:
    """Return hexadecimal texts of bytes, shape (n, 16); null where there is none.

    Not an empty text: ONE's client takes that for a checksum which no file matches.
    """
    offsets = np.zeros(len(raw) + 1, np.int32)
    np.cumsum(np.where(has, 32, 0), out=offsets[1:])
    letters = np.ascontiguousarray(_hex(raw[has]))
    valid = None if has.all() else _bitmap(has)
    return pa.StringArray.from_buffers(
        len(raw), pa.py_buffer(offsets), pa.py_buffer(letters), valid
    )


# -- and back ----------------------------------------------------------------------------------

_HEX = np.full(256, 255, np.uint8)
_HEX[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16, dtype=np.uint8)
_HEX[np.frombuffer(b"ABCDEF", np.uint8)] = np.arange(10, 16, dtype=np.uint8)


def from_hex(digits: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return bytes, shape (n, 16), of hexadecimal digits, shape (n, 32), and which are valid."""
    nibbles = _HEX[digits]
    ok: NDArray[np.bool_] = np.asarray((nibbles < 16).all(axis=1))
    raw: NDArray[np.uint8] = ((nibbles[:, ::2] << 4) | (nibbles[:, 1::2] & 15)).astype(np.uint8)
    return raw, ok


def fixed_width(column: pa.Array, width: int) -> NDArray[np.uint8] | None:
    """Return the characters, shape (n, width), of a column of texts of one width, else None."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count or not (
        pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    ):
        return None
    wide = pa.types.is_large_string(column.type)
    offsets = np.frombuffer(column.buffers()[1], np.int64 if wide else np.int32)
    offsets = offsets[column.offset : column.offset + len(column) + 1]
    if len(column) == 0 or (np.diff(offsets) != width).any():
        return None
    data = np.frombuffer(
        column.buffers()[2], np.uint8, offset=int(offsets[0]), count=len(column) * width
    )
    return data.reshape(-1, width)
