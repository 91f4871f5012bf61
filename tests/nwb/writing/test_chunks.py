"""Chunks that are packed here, as h5py reads them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fascicle.errors import ConversionError
from fascicle.nwb.writing.chunks import ChunkWriter, fitting, shuffled, tiles

DTYPES = ("<f8", "<f4", "<i8", "<i2", "<u4", "|u1", "|i1", "|b1")


def write(dataset: Any, values: np.ndarray[Any, Any], cuts: list[int]) -> None:
    writer = ChunkWriter(dataset)
    for begin, end in zip([0, *cuts], [*cuts, len(values)], strict=True):
        writer.add(values[begin:end])
    writer.close()


@settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_shape_type_and_cut_reads_back(packed: Callable[..., Any], data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(DTYPES))
    shape = tuple(data.draw(st.lists(st.integers(1, 30), min_size=1, max_size=3)))
    chunks = tuple(data.draw(st.integers(1, n)) for n in shape)
    values = data.draw(arrays(dtype, shape))
    cuts = sorted(data.draw(st.lists(st.integers(0, shape[0]), max_size=5)))
    dataset = packed(shape, dtype, chunks, shuffle=data.draw(st.booleans()))
    write(dataset, values, cuts)
    found = dataset[...]
    assert found.dtype == np.dtype(dtype)
    assert found.tobytes() == values.tobytes()


def test_it_reads_what_is_mapped_strided_or_of_the_other_byte_order(
    packed: Callable[..., Any], tmp_path: Path
) -> None:
    values = np.arange(10_000, dtype="<f8").reshape(1000, 10)
    np.save(tmp_path / "values.npy", values)
    for given_ in (
        np.load(tmp_path / "values.npy", mmap_mode="r"),
        np.asfortranarray(values),
        np.repeat(values, 2, axis=0)[::2],
        values.astype(">f8"),
    ):
        dataset = packed((1000, 10), "<f8", (64, 3))
        write(dataset, given_, [1, 500])
        assert np.array_equal(dataset[...], values)


def test_others_read_it_too(packed: Callable[..., Any], h5: h5py.File) -> None:
    """Without any plugin: the filters are those that each HDF5 has."""
    dataset = packed((100_000,), "<f8", (30_000,))
    values = np.random.default_rng(0).normal(size=100_000)
    write(dataset, values, [12_345])
    name, path = dataset.name, h5.filename
    h5.close()
    program = (
        "import h5py, sys\n"
        "with h5py.File(sys.argv[1]) as f:\n"
        "    d = f[sys.argv[2]]\n"
        "    print(d.compression, d.shuffle, repr(float(d[99_999])))"
    )
    run = subprocess.run(
        [sys.executable, "-I", "-c", program, path, name],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["gzip", "True", repr(float(values[-1]))]


@pytest.mark.parametrize("n", [9, 0])
def test_too_few_rows_are_an_error(packed: Callable[..., Any], n: int) -> None:
    writer = ChunkWriter(packed((10,), "<f8", (4,)), "spikes of probe00")
    writer.add(np.zeros(n))
    with pytest.raises(
        ConversionError, match=r"spikes of probe00: .* rows where 10 were announced"
    ):
        writer.close()


def test_too_many_rows_are_an_error(packed: Callable[..., Any]) -> None:
    writer = ChunkWriter(packed((10,), "<f8", (4,)))
    writer.add(np.zeros(8))
    with pytest.raises(ConversionError, match="more rows than the 10"):
        writer.add(np.zeros(3))


def test_rows_of_another_shape_are_an_error(packed: Callable[..., Any]) -> None:
    writer = ChunkWriter(packed((10, 3), "<f8", (4, 3)))
    for shape in ((2, 4), (2,), (2, 3, 1)):
        with pytest.raises(ConversionError, match="rows of shape"):
            writer.add(np.zeros(shape))


def test_a_dataset_with_filters_of_others_is_refused(h5: h5py.File) -> None:
    made = h5.create_dataset("x", shape=(10,), dtype="f8", chunks=(5,), compression="lzf")
    with pytest.raises(ConversionError, match="only shuffle and deflate"):
        ChunkWriter(made)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([1.0, np.nan]), "<i4"),
        (np.array([np.inf]), "<i8"),
        (np.array([1e39]), "<f4"),
        (np.array([3e9]), "<i4"),
        (np.array([300]), "|u1"),
        (np.array([-1]), "<u8"),
        (np.array([2**40]), "<i4"),
        (np.array([0.5]), "|b1"),
        (np.array([2]), "|b1"),
        (np.array(["a"]), "<f8"),
    ],
)
def test_numbers_that_do_not_fit_are_an_error(values: np.ndarray[Any, Any], dtype: str) -> None:
    with pytest.raises(ConversionError, match="do not fit"):
        fitting(values, np.dtype(dtype), "x")


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (np.array([1.5, np.nan]), "<f4", [1.5, np.nan]),
        (np.array([1.9, -2.1]), "<i4", [1, -2]),
        (np.array([True, False]), "<i2", [1, 0]),
        (np.array([0, 1]), "|b1", [False, True]),
        (np.array([255]), "|u1", [255]),
        (np.array([7, 9], dtype=">i4"), "<i4", [7, 9]),
    ],
)
def test_numbers_that_fit_are_cast(
    values: np.ndarray[Any, Any], dtype: str, expected: list[Any]
) -> None:
    found = fitting(values, np.dtype(dtype), "x")
    assert found.dtype == np.dtype(dtype)
    assert np.array_equal(found, np.array(expected, dtype), equal_nan=dtype[1] == "f")


def test_the_shuffle_is_that_of_hdf5() -> None:
    values = np.array([0x0102, 0x0304], dtype="<u2")
    assert shuffled(values).tobytes() == bytes([2, 4, 1, 3])


def test_tiles_cover_all_and_are_whole() -> None:
    rows = np.arange(2 * 5).reshape(2, 5)
    found = {offsets: tile.tolist() for offsets, tile in tiles(rows, (2,))}
    assert found == {
        (0,): [[0, 1], [5, 6]],
        (2,): [[2, 3], [7, 8]],
        (4,): [[4, 0], [9, 0]],
    }


def test_what_repeats_gets_small(packed: Callable[..., Any]) -> None:
    """No more than 8 % larger than what HDF5's own filters make at their level 4."""
    rng = np.random.default_rng(0)
    n = 200_000
    still = np.repeat(rng.normal(size=n // 50), 50)
    again = np.tile(rng.normal(size=(300, 2)), (n // 300, 1))
    for values in (still, again, rng.normal(size=n), np.cumsum(rng.exponential(size=n))):
        dataset = packed(values.shape, "<f8", (60_000, *values.shape[1:]))
        write(dataset, values, [])
        theirs = packed(values.shape, "<f8", (60_000, *values.shape[1:]))
        theirs[...] = values
        assert dataset.id.get_storage_size() < 1.08 * theirs.id.get_storage_size()
        assert np.array_equal(dataset[...], values)
