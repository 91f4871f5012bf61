"""Sets of rows are integers, and behave as sets."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from fascicle.catalogue import bits
from fascicle.catalogue.segment import encode_rows

SIZES = st.integers(0, 3000)


@st.composite
def row_sets(draw: st.DrawFn) -> tuple[set[int], int]:
    n = draw(SIZES)
    rows = draw(st.sets(st.integers(0, n - 1), max_size=200)) if n else set()
    return rows, n


@given(row_sets())
def test_there_and_back(given_set: tuple[set[int], int]) -> None:
    rows, n = given_set
    packed = bits.from_rows(rows, n)
    assert bits.to_rows(packed) == sorted(rows)
    assert packed.bit_count() == len(rows)
    mask = np.zeros(n, bool)
    mask[list(rows)] = True
    assert bits.from_mask(mask) == packed


@given(row_sets(), st.data())
def test_they_combine_as_sets(given_set: tuple[set[int], int], data: st.DataObject) -> None:
    a, n = given_set
    b = data.draw(st.sets(st.integers(0, n - 1))) if n else set()
    x, y = bits.from_rows(a, n), bits.from_rows(b, n)
    assert bits.to_rows(x & y) == sorted(a & b)
    assert bits.to_rows(x | y) == sorted(a | b)
    assert bits.to_rows(bits.full(n) & ~x) == sorted(set(range(n)) - a)


@given(SIZES, SIZES)
def test_spans(a: int, b: int) -> None:
    assert bits.to_rows(bits.span(a, b)) == list(range(a, b))


@given(row_sets(), st.booleans())
def test_packed_sets_come_back(given_set: tuple[set[int], int], wide: bool) -> None:
    rows, n = given_set
    n += 70_000 * wide
    blob = encode_rows(np.array(sorted(rows), int), n)
    assert bits.to_rows(bits.decode(blob, n)) == sorted(rows)
