"""Large arrays of NWB files, unpacked without libhdf5's filters: as it reads them, or by it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fascicle.errors import BadFileError
from fascicle.formats.nwb import NwbFile, chunked
from fascicle.formats.nwb.sorting import stable_order, stably_sorted


@pytest.fixture(autouse=True)
def _from_the_first_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked, "_WORTH", 0)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("chunked") / "a.nwb"
    rng = np.random.default_rng(0)
    with h5py.File(place, "w") as h5:
        h5.attrs["nwb_version"] = "2.9.0"
        for dtype in ("<f8", "<f4", "<i2", ">i4", "u1", "?"):
            for name, shape, chunks in (
                ("rows", (1000,), (100,)),
                ("uneven", (1003, 7), (100, 7)),
                ("tiles", (250, 37), (64, 10)),
                ("cube", (20, 6, 9), (8, 4, 9)),
            ):
                values = (rng.standard_normal(shape) * 100).astype(dtype)
                for filters in ({"compression": "gzip"}, {"compression": "gzip", "shuffle": True}):
                    key = f"{name}{np.dtype(dtype).str}{len(filters)}"
                    h5.create_dataset(key, data=values, chunks=chunks, **filters)
        h5.create_dataset("lzf", data=values, compression="lzf")
        h5.create_dataset("sum", data=values, compression="gzip", fletcher32=True)
        h5.create_dataset("plain", data=values, chunks=True)
        sparse = h5.create_dataset(
            "holes", (100,), "f8", chunks=(10,), compression="gzip", fillvalue=7.0
        )
        sparse[30:40] = 1.0
    return place


@given(data=st.data())
@settings(max_examples=150)
def test_as_libhdf5_reads_it(file: Path, data: st.DataObject) -> None:
    with NwbFile(file) as opened, h5py.File(file) as h5:
        name = data.draw(st.sampled_from(sorted(h5)))
        n = h5[name].shape[0]
        start, stop = data.draw(st.integers(-2, n + 2)), data.draw(st.integers(-2, n + 2))
        expected = h5[name][:][start:stop]
        found = opened.array(name, slice(start, stop))
        assert found.dtype == expected.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, expected)


def test_what_it_takes(file: Path) -> None:
    """It does take what it is made for: else the test above would compare libhdf5 with itself."""
    with NwbFile(file) as opened:
        for name, taken in (
            ("tiles<f82", True),
            ("rows<i21", True),
            ("rows>i42", False),
            ("lzf", False),
            ("sum", False),
            ("plain", False),
            ("holes", False),
        ):
            dataset, facts = opened.dataset(name), opened.facts(name)
            assert (chunked.read_chunks(dataset, facts, slice(None)) is not None) == taken, name


def test_harm_is_said_as_before(tmp_path: Path) -> None:
    def wrong(packed: bytes) -> list[bytes]:
        return [packed[:-9], packed[:20] + b"\0\0\0\0" + packed[24:], b"x", packed * 2]

    values = np.arange(1000.0)
    for i in range(4):
        place = tmp_path / f"{i}.nwb"
        with h5py.File(place, "w") as h5:
            h5.attrs["nwb_version"] = "2.9.0"
            made: Any = h5.create_dataset(
                "a", data=values, chunks=(500,), compression="gzip", shuffle=True
            )
            _, packed = made.id.read_direct_chunk((500,))
            bad = wrong(packed)[i]
            made.id.write_direct_chunk((500,), bad)
        with NwbFile(place) as opened:
            np.testing.assert_array_equal(opened.array("a", slice(0, 500)), values[:500])
            try:
                found = opened.array("a")
            except BadFileError:
                continue
            with h5py.File(place) as h5:  # what libhdf5 makes of it, if it makes anything
                np.testing.assert_array_equal(found, h5["a"][:])


SPECIAL = st.sampled_from([0.0, -0.0, 1.5, np.nextafter(1.5, 2), 2.0, np.nan, np.inf, -np.inf])


@given(
    values=st.lists(SPECIAL, max_size=60)
    | st.lists(st.floats(0, 4000) | st.floats(1.5, 1.5 + 1e-13), max_size=60)
    | st.lists(st.floats(), max_size=60),
    dtype=st.sampled_from(["f8", "f4"]),
)
def test_order(values: list[float], dtype: str) -> None:
    with np.errstate(over="ignore"):
        _orders(np.array(values, dtype))


@given(values=st.lists(st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3), max_size=60))
def test_order_of_integers(values: list[int]) -> None:
    _orders(np.array(values, "i8"))
    _orders(np.array(values, "i8").view("u8"))
    _orders(np.array(values, "i8").astype("i2"))


def _orders(values: np.ndarray[Any, Any]) -> None:
    """Have values sorted as if they were many, and look whether numpy has the same order."""
    from unittest.mock import patch

    with patch("fascicle.formats.nwb.sorting._MANY", 1):
        order, found = stably_sorted(values)
        assert stable_order(values).tolist() == order.tolist()
    assert order.tolist() == np.argsort(values, kind="stable").tolist()
    np.testing.assert_array_equal(found, values[order])


def _many() -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(1)
    times = rng.random(300_000) * 4000
    close = np.where(rng.random(300_000) < 0.01, 7 + rng.random(300_000) * 1e-9, times)
    return {
        "equal times": rng.integers(0, 5000, 300_000) / 30_000,
        "integers": rng.integers(0, 100, 300_000),
        "negative": rng.integers(-100, 100, 300_000).astype("i2"),
        "times": times,
        "narrow": times.astype("f4"),
        "close": close,  # 3,000 of them in a nanosecond: they share the leading digits
        "far": np.append(times, 1e30),  # as all do here
        "infinite": np.append(times, np.inf),
    }


@pytest.mark.parametrize("name", _many())
def test_order_of_many(name: str) -> None:
    values = _many()[name]
    np.testing.assert_array_equal(stable_order(values), np.argsort(values, kind="stable"))


@pytest.mark.parametrize("at_once", [1, 3, 4096])
@pytest.mark.parametrize("shape", [(31,), (31, 5), (4, 3, 7)])
def test_many_chunks_are_read_some_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], at_once: int
) -> None:
    monkeypatch.setattr(chunked, "_AT_ONCE", at_once)
    values = np.arange(np.prod(shape), dtype=">i4").reshape(shape)
    texts = np.array([f"text {n}" for n in range(shape[0])], dtype=object)
    with h5py.File(tmp_path / "a.nwb", "w") as h5:
        h5.attrs["nwb_version"] = "2.9.0"
        h5.create_dataset("a", data=values, chunks=(2,) * values.ndim, maxshape=(None, *shape[1:]))
        h5.create_dataset("t", data=texts, chunks=(2,), dtype=h5py.string_dtype())
    with NwbFile(tmp_path / "a.nwb") as opened:
        for rows in (slice(None), slice(3, 17), slice(1, 2), slice(5, 5), slice(0, None, 2), 0):
            found = opened.array("a", rows)
            np.testing.assert_array_equal(found, values[rows])
            assert found.dtype == "=i4"
            assert np.asarray(opened.array("t", rows)).tolist() == np.asarray(texts[rows]).tolist()


def test_chunks_that_a_harmed_file_claims_take_no_memory(tmp_path: Path) -> None:
    place = tmp_path / "a.nwb"
    with h5py.File(place, "w") as h5:
        h5.attrs["nwb_version"] = "2.9.0"
        made: Any = h5.create_dataset("a", data=np.ones(30, "<i4"), chunks=(30,), maxshape=(None,))
        made.resize(6_000_000, axis=0)  # as one flipped byte has it
    code = (
        "import sys; from fascicle.formats.nwb import NwbFile\n"
        "with NwbFile(sys.argv[1]) as file: print(file.array('a').sum())\n"
        "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])"
    )
    run = subprocess.run([sys.executable, "-c", code, str(place)], capture_output=True, text=True)
    total, most = run.stdout.split()
    assert int(total) == 30
    assert int(most) < 400_000  # 1.4 GB at once
