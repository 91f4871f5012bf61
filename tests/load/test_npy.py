"""The npy reader: the same arrays as numpy's own, and an error for everything else."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fascicle.errors import (
    ALFWarning,
    BadFileError,
    EmptyFileError,
    TruncatedFileError,
    UnsafeFileError,
)
from fascicle.load import load_file
from fascicle.load.npy import SMALL, read_npy

DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.floating_dtypes(),
    hnp.complex_number_dtypes(),
    hnp.datetime64_dtypes(),
    hnp.timedelta64_dtypes(),
    hnp.unicode_string_dtypes(min_len=1, max_len=5),
    hnp.byte_string_dtypes(min_len=1, max_len=5),
    hnp.array_dtypes(allow_subarrays=True),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("npy")


@pytest.mark.filterwarnings("ignore:Stored array in format")
@given(data=st.data(), dtype=DTYPES, fortran=st.booleans())
def test_reads_what_numpy_saves(
    folder: Path, data: st.DataObject, dtype: np.dtype, fortran: bool
) -> None:
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    array = data.draw(hnp.arrays(dtype, shape))
    array = np.asfortranarray(array) if fortran else array
    path = folder / "a.b.npy"
    np.save(path, array, allow_pickle=False)
    expected, ours = np.load(path), read_npy(path)
    assert ours.dtype == expected.dtype
    assert ours.shape == expected.shape
    assert ours.tobytes() == expected.tobytes()
    assert ours.flags.f_contiguous == expected.flags.f_contiguous
    assert ours.flags.writeable
    mapped = read_npy(path, mmap=True)
    assert mapped.tobytes() == expected.tobytes()


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize("size", [10, SMALL // 8, SMALL])
def test_versions_and_sizes(tmp_path: Path, version: tuple[int, int], size: int) -> None:
    path = tmp_path / "a.b.npy"
    array = np.arange(float(size))
    with path.open("wb") as file:
        np.lib.format.write_array(file, array, version)
    np.testing.assert_array_equal(load_file(path), array)


def test_a_single_column_becomes_a_vector(tmp_path: Path) -> None:
    path = tmp_path / "a.b.npy"
    np.save(path, np.arange(4)[:, None])
    assert load_file(path).shape == (4,)
    assert load_file(path, mmap=True).shape == (4,)
    assert read_npy(path).shape == (4, 1)


def test_mapping_leaves_the_data_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "a.b.npy"
    np.save(path, np.arange(100_000))
    mapped = load_file(path, mmap=True)
    assert isinstance(mapped, np.memmap)
    assert not mapped.flags.writeable
    assert mapped[-1] == 99_999


def test_two_readings_share_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.b.npy"
    np.save(path, np.zeros(5))
    first = load_file(path)
    first[:] = 7
    assert load_file(path).sum() == 0


def test_headers_of_old_python(tmp_path: Path) -> None:
    path = tmp_path / "a.b.npy"
    path.write_bytes(
        file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (3L,), }", b"\0" * 24)
    )
    assert load_file(path).tolist() == [0, 0, 0]


def test_bytes_after_the_array(tmp_path: Path) -> None:
    path = tmp_path / "a.b.npy"
    np.save(path, np.arange(3))
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.warns(ALFWarning, match="4 bytes after"):
        assert load_file(path).tolist() == [0, 1, 2]


def file_of(header: str, data: bytes = b"") -> bytes:
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


BAD = {
    "no npy at all": b"PK\x03\x04 something else",
    "version 9": b"\x93NUMPY\x09\x00" + b"\0" * 100,
    "no Python": file_of("{'descr': "),
    "no dict": file_of("3"),
    "a call": file_of("__import__('os').system('false')"),
    "no keys": file_of("{}"),
    "unknown type": file_of("{'descr': 'florp', 'fortran_order': False, 'shape': ()}"),
    "two types": file_of("{'descr': '<f8,<f8', 'fortran_order': False, 'shape': ()}", b"\0" * 16),
    "type with a shape": file_of("{'descr': '(2,)<f8', 'fortran_order': False, 'shape': ()}"),
    "part of a type": file_of("{'descr': ('<f8', (2,)), 'fortran_order': False, 'shape': (1,)}"),
    "old letter": file_of("{'descr': 'a5', 'fortran_order': False, 'shape': (0,)}"),
    "odd type": file_of("{'descr': [1, 2], 'fortran_order': False, 'shape': ()}"),
    "order is text": file_of("{'descr': '<f8', 'fortran_order': 'no', 'shape': ()}"),
    "negative": file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"),
    "shape is text": file_of("{'descr': '<f8', 'fortran_order': False, 'shape': '3'}"),
    "shape of booleans": file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}"),
    "huge": file_of(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({10**12},)}}"),
    "overflows": file_of(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({2**62}, 8)}}"),
    "huge and empty": file_of(
        f"{{'descr': '<f8', 'fortran_order': False, 'shape': (0, {10**30})}}"
    ),
    "many of no size": file_of(f"{{'descr': '|V0', 'fortran_order': False, 'shape': ({2**62},)}}"),
    "70 axes": file_of(f"{{'descr': '|u1', 'fortran_order': False, 'shape': {(1,) * 70}}}", b"\0"),
    "deep": file_of("(" * 60_000),
    "deeper": file_of("-" * 60_000 + "1"),
    "endless header": b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b"{" * 100,
}


@pytest.mark.parametrize("what", BAD)
def test_absurd_headers(tmp_path: Path, what: str) -> None:
    path = tmp_path / "a.b.npy"
    path.write_bytes(BAD[what])
    with pytest.raises(BadFileError, match=r"a\.b\.npy") as caught:
        load_file(path)
    assert caught.value.hint
    with pytest.raises(BadFileError, match=r"a\.b\.npy"):
        load_file(path, mmap=True)


def test_never_unpickles(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple:
            return (Path(tmp_path, "exploded").touch, ())

    path = tmp_path / "a.b.npy"
    np.save(path, np.array([Bomb()], object), allow_pickle=True)
    with pytest.raises(UnsafeFileError, match=r"a\.b\.npy holds pickled"):
        load_file(path)
    np.savez(tmp_path / "a.b.npz", x=np.array([Bomb()], object), allow_pickle=True)
    with pytest.raises(UnsafeFileError, match=r"a\.b\.npz: x\.npy holds pickled"):
        load_file(tmp_path / "a.b.npz")
    path.write_bytes(pickle.dumps(Bomb()))  # numpy.load takes a bare pickle for an array
    with pytest.raises(BadFileError, match="does not begin"):
        load_file(path)
    nested = np.zeros(2, [("a", "<i4"), ("b", [("c", "O")])])
    np.save(path, nested, allow_pickle=True)
    with pytest.raises(UnsafeFileError):
        load_file(path)
    assert not Path(tmp_path, "exploded").exists()


def test_empty_and_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "a.b.npy"
    path.touch()
    with pytest.raises(EmptyFileError, match="has no bytes"):
        load_file(path)
    np.save(path, np.zeros(100_000))
    whole = path.read_bytes()
    path.write_bytes(whole[:-5])
    for mmap in (False, True):
        with pytest.raises(TruncatedFileError, match="the last 5 are missing"):
            load_file(path, mmap=mmap)


def test_errors_survive_another_process(tmp_path: Path) -> None:
    path = tmp_path / "a.b.npy"
    path.touch()
    with pytest.raises(EmptyFileError) as caught:
        load_file(path)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
