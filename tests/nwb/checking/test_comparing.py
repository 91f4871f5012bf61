"""Values of every kind against their like: what is the same, and what is said where it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, from_dtype

from fascicle.load import load_file
from fascicle.nwb.checking import comparing
from fascicle.nwb.checking.comparing import array_difference, difference

_DTYPES = ["<f8", "<f4", ">f8", "<i8", "u1", "?", "<U4", "S3", "<M8[ns]", "<c16"]


@given(data=st.data(), dtype=st.sampled_from(_DTYPES))
def test_an_array_is_like_its_copy(data: st.DataObject, dtype: str) -> None:
    values = data.draw(arrays(dtype, array_shapes(min_side=0)))
    assert difference(values, values.copy()) == ""


@given(data=st.data(), dtype=st.sampled_from(["<f8", "<f4", "<i8", "<u2", "?"]))
def test_one_value_is_seen(data: st.DataObject, dtype: str) -> None:
    values = data.draw(arrays(dtype, array_shapes(min_side=1, max_side=5)))
    other = values.copy()
    at = tuple(data.draw(st.integers(0, n - 1)) for n in values.shape)
    changed = data.draw(from_dtype(values.dtype))
    other[at] = changed
    same = bool(other[at] == values[at]) or bool(
        other[at] != other[at] and values[at] != values[at]
    )
    assert (difference(values, other) == "") == same


def test_nan_is_like_nan_of_any_bits() -> None:
    values = np.array([1.0, np.nan, -0.0])
    other = values.copy()
    other.view("u8")[1] |= 1
    other[2] = 0.0
    assert difference(values, other) == ""
    assert "1 of 3 values differ" in difference(values, np.array([1.0, 2.0, 0.0]))


@pytest.mark.parametrize(
    ("expected", "found", "text"),
    [
        (np.arange(3), np.arange(4), "shape is 4, not 3"),
        (np.arange(3), np.arange(3.0), "type is float64, not int64"),
        (np.arange(3), [0, 1, 2], "is a list, not a ndarray"),
        (np.array(["a", "b"]), np.array(["a", "c"]), "at 1 it is"),
        (np.array([1, None], object), np.array([1, 2], object), "at 1"),
        (np.zeros((2, 2)), np.array([[0, 0], [0, 1.0]]), "at (1, 1)"),
        (np.float64(1)[...], np.float64(2)[...], "not "),
    ],
)
def test_what_is_said(expected: Any, found: Any, text: str) -> None:
    assert text in difference(expected, found)


def test_long_arrays_are_compared_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "BLOCK", 64)
    values = np.arange(1000.0).reshape(500, 2)
    assert array_difference(values, values.copy()) == ""
    other = values.copy()
    other[[333, 499], 1] = 0
    assert array_difference(values, other).startswith("2 of 1,000 values differ: at (333, 1) ")


def test_long_files_are_read_rather_than_mapped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(comparing, "_MAPPED", 0)
    monkeypatch.setattr(comparing, "UNPACKED", 64)
    for i, values in enumerate((np.arange(1000.0).reshape(250, 2, 2), np.arange(99, dtype=">i4"))):
        np.save(tmp_path / f"{i}.npy", values)
        mapped = load_file(tmp_path / f"{i}.npy", mmap=True)
        assert isinstance(comparing._unmapped(mapped), comparing._FileRows)
        assert difference(mapped, values) == ""
        other = values.copy()
        other[50] += 1
        assert "differ: at " in difference(mapped, other)
    np.save(tmp_path / "f.npy", np.asfortranarray(np.arange(12.0).reshape(3, 4)))
    mapped = load_file(tmp_path / "f.npy", mmap=True)
    assert difference(mapped, np.arange(12.0).reshape(3, 4)) == ""


def test_scaled_values_may_be_off_by_their_tolerance() -> None:
    values = np.array([1.0, -3e-300, 0.0, np.inf, np.nan, 1e-6])
    near = values * (1 + 4e-13)
    assert difference(values, near)
    assert difference(values, near, rtol=1e-12) == ""
    assert difference(values, values * (1 + 4e-12), rtol=1e-12)
    assert difference(np.array([np.inf]), np.array([-np.inf]), rtol=1e-3)
    assert difference(np.array([1e300]), np.array([np.inf]), rtol=1e-3)
    assert difference(np.array([1, 2]), np.array([1, 3]), rtol=1.0)  # integers never


def test_tables() -> None:
    frame = pd.DataFrame(
        {
            "a": [1.0, np.nan],
            "b": ["x", None],
            "c": pd.Categorical(["u", "v"]),
            "d": pd.to_datetime(["2024-01-01", None]),
            "e": [[1, 2], {"k": np.arange(2)}],
            "f": pd.array([1, None], dtype="Int64"),
        }
    )
    assert difference(frame, frame.copy(deep=True)) == ""
    assert "columns are" in difference(frame, frame[["a", "b"]])
    assert "column a: its type" in difference(frame, frame.astype({"a": "float32"}))
    assert "column b: 1 of 2 values" in difference(frame, frame.fillna({"b": "y"}))
    assert "index" in difference(frame, frame.set_index("a", drop=False))
    assert "index" in difference(frame, frame.iloc[::-1])
    assert "column c: its type" in difference(frame, frame.astype({"c": object}))
    changed = frame.copy()
    changed["e"] = [[1, 2], {"k": np.array([0, 2])}]
    assert difference(frame, changed).startswith("column e: in row 1")
    scaled = frame.assign(a=frame["a"] * (1 + 4e-13))
    assert difference(frame, scaled)
    assert difference(frame, scaled, columns={"a": 1e-12}) == ""


def test_one_column_is_a_series() -> None:
    one = pd.Series(["a", "b"], name="uuids")
    assert difference(one, one.copy()) == ""
    assert difference(one, one.rename("other"))
    assert difference(one, one.to_frame())
    assert difference(one, pd.Series(["a", "c"], name="uuids"))


def test_plain_values() -> None:
    said = {"a": [1, 2.5, None, "x", {"b": float("nan")}], "c": True}
    assert difference(said, json.loads(json.dumps(said))) == ""
    assert difference(said, {**said, "c": 1})
    assert difference(said, {"a": said["a"]})
    assert difference([1, 2], [1, 2, 3])
    assert difference("text", "Text")


def test_sparse_arrays() -> None:
    import scipy.sparse as sp

    one = sp.random(20, 10, density=0.2, format="csr", random_state=0)
    assert difference(one, one.tocoo()) == ""
    other = one.copy()
    other.data[0] += 1
    assert "data: 1 of" in difference(one, other)


def test_files_by_their_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one.bin", tmp_path / "other.bin"
    values = np.arange(12, dtype="<i2")
    one.write_bytes(values.tobytes())
    other.write_bytes(values.tobytes())
    path = load_file(one)
    assert difference(path, other) == ""
    assert difference(path, values.tobytes()) == ""
    assert "11 bytes, not 24" in difference(path, b"other bytes")
    assert difference(path, values.reshape(3, 4)) == ""
    assert "at (0, 1)" in difference(path, np.zeros((3, 4), "<i2"))
    assert "12 bytes, not 24" in difference(path, np.zeros(6, "<i2"))
    other.write_bytes(b"another")
    assert difference(path, other) == "its bytes are others"
    assert "there is no file" in difference(path, tmp_path / "none")
    one.write_bytes(b"")
    assert difference(path, np.empty(0, "u1")) == ""
