"""Chunks are unpacked the same with isal and without it, however many samples they have."""

from __future__ import annotations

import os
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fascicle.load import unpack
from fascicle.load.unpack import DamagedError, inflate, summed


@pytest.fixture(params=["isal", "zlib"], autouse=True)
def inflater(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    unpack._inflater.cache_clear()
    request.addfinalizer(unpack._inflater.cache_clear)


def test_inflates_up_to_the_limit() -> None:
    data = os.urandom(1000) * 30
    packed = zlib.compress(data)
    assert inflate(packed, 30_001) == data
    assert inflate(packed, 10) == data[:10]
    assert inflate(packed + b"behind it", 30_001) == data


def test_refuses_what_is_damaged() -> None:
    packed = zlib.compress(os.urandom(1000))
    for bad in (packed[:-4] + b"abcd", b"no" + packed, packed[:9] + b"\xff" * 9 + packed[18:]):
        with pytest.raises(DamagedError):
            inflate(bad, 1001)


@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.int32, np.float32])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("samples", [1, 2, 149, 150, 299, 300, 301, 450, 1000, 1049])
def test_sums_differences(dtype: type, order: str, samples: int) -> None:
    rng = np.random.default_rng(samples)
    chunk = np.array(rng.integers(0, 1 << 31, (samples, 7)), order=order)  # type: ignore[call-overload]
    chunk = chunk.astype(dtype)
    before = chunk.copy()
    in_time = summed(chunk, in_time=True, in_space=False)
    np.testing.assert_array_equal(in_time, np.cumsum(chunk, axis=0, dtype=dtype))
    assert in_time.dtype == dtype and in_time.flags.c_contiguous
    both = summed(chunk, in_time=True, in_space=True)
    first = np.cumsum(chunk, axis=1, dtype=dtype)
    np.testing.assert_array_equal(both, np.cumsum(first, axis=0, dtype=dtype))
    np.testing.assert_array_equal(summed(chunk, in_time=False, in_space=False), before)
    np.testing.assert_array_equal(chunk, before)


@given(st.integers(1, 700), st.integers(1, 40))
def test_gives_back_what_was_differenced(samples: int, channels: int) -> None:
    data = np.random.default_rng(samples).integers(-32768, 32768, (samples, channels))
    data = data.astype(np.int16)
    change = np.diff(data, axis=0, prepend=np.zeros((1, channels), np.int16))
    np.testing.assert_array_equal(summed(change, in_time=True, in_space=False), data)
