"""The other formats: what they load as, and what is said when they cannot be."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from fascicle.alf import ALFPath
from fascicle.errors import (
    ALFObjectNotFound,
    BadFileError,
    EmptyFileError,
    MissingExtraError,
    TruncatedFileError,
)
from fascicle.load import load_file
from fascicle.load.files import KNOWN


@pytest.fixture
def table() -> pd.DataFrame:
    return pd.DataFrame({"n": [1, 2**60 + 1], "x": [0.5, np.nan], "s": ["a", "b"]})


@pytest.mark.parametrize("kind", sorted(KNOWN))
def test_no_bytes_no_file_and_a_folder(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"spikes.times.{kind}"
    (tmp_path / f"spikes.time.{kind}").touch()
    with pytest.raises(ALFObjectNotFound, match=r"spikes\.times.* does not exist") as caught:
        load_file(path)
    assert isinstance(caught.value, FileNotFoundError)
    if kind != "cbin":
        assert f"did you mean 'spikes.time.{kind}'" in str(caught.value)
    with pytest.raises(EmptyFileError, match=r"spikes\.time\..* is empty"):
        load_file(tmp_path / f"spikes.time.{kind}")
    path.mkdir()
    with pytest.raises(BadFileError, match="is a folder"):
        load_file(path)


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ALFObjectNotFound, match="nor does its folder"):
        load_file(tmp_path / "no" / "spikes.times.npy")


def test_anything_else_is_its_path(tmp_path: Path) -> None:
    for name in ("_iblrig_leftCamera.raw.mp4", "a.b.bin", "README"):
        (tmp_path / name).touch()
        assert load_file(tmp_path / name) == ALFPath(tmp_path / name)
        assert isinstance(load_file(str(tmp_path / name)), ALFPath)
    with pytest.raises(ALFObjectNotFound):
        load_file(tmp_path / "no.such.mp4")


@pytest.mark.parametrize(
    ("kind", "separator"), [("csv", ","), ("ssv", " "), ("tsv", "\t"), ("htsv", "\t")]
)
def test_separated(tmp_path: Path, table: pd.DataFrame, kind: str, separator: str) -> None:
    path = tmp_path / f"a.b.{kind}"
    table.to_csv(path, sep=separator, index=False)
    pd.testing.assert_frame_equal(load_file(path), table)
    table[["n"]].to_csv(path, sep=separator, index=False)
    pd.testing.assert_series_equal(load_file(path), table["n"])
    path.write_bytes(b"\n\n\n")
    with pytest.raises(BadFileError, match=r"a\.b\."):
        load_file(path)
    path.write_bytes(
        separator.join("ab").encode() + b"\n" + separator.join("1234").encode() + b"\n1\n" + b'"'
    )
    with pytest.raises(BadFileError, match=r"a\.b\..* is no table"):
        load_file(path)
    path.write_bytes(b"\xff\xfe\x00\xd8" * 30)
    with pytest.raises(BadFileError, match=r"a\.b\..* is no table"):
        load_file(path)


def test_parquet(tmp_path: Path, table: pd.DataFrame) -> None:
    path = tmp_path / "a.b.pqt"
    table.index = pd.Index([7, 8], name="row")
    table.to_parquet(path)
    pd.testing.assert_frame_equal(load_file(path), table)
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    with pytest.raises(TruncatedFileError, match="footer is missing"):
        load_file(path)
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(BadFileError, match="does not begin"):
        load_file(path)
    path.write_bytes(whole[:4] + whole[200:])
    with pytest.raises(BadFileError, match="no sound Parquet"):
        load_file(path)


def test_parquet_with_checksums(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "a.b.pqt"
    table = pa.table({"a": np.arange(1000)})
    pq.write_table(table, path, write_page_checksum=True, compression="none", use_dictionary=False)
    data = bytearray(path.read_bytes())
    data[4000] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadFileError, match="no sound Parquet"):
        load_file(path)


def test_parquet_of_more_rows_than_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.b.pqt"
    pd.DataFrame({"a": np.zeros(10_000)}).to_parquet(path)
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 10, "SC_PHYS_PAGES": 10}.__getitem__)
    with pytest.raises(BadFileError, match="10000 rows, more than there is memory for"):
        load_file(path)


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "a.b.npz"
    np.savez(path, np.arange(3))
    assert load_file(path).tolist() == [0, 1, 2]
    np.savez_compressed(path, x=np.arange(3), arr_0=np.ones((2, 1)))
    loaded = load_file(path)
    assert loaded.keys() == {"x", "arr_0"}
    assert loaded["arr_0"].shape == (2, 1)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "more than twelve bytes")
    assert load_file(path) == {"notes.txt": b"more than twelve bytes"}


def test_damaged_npz(tmp_path: Path) -> None:
    path = tmp_path / "a.b.npz"
    np.savez(path, np.arange(1000))
    whole = path.read_bytes()
    path.write_bytes(whole[:500])
    with pytest.raises(TruncatedFileError, match="directory at its end is missing"):
        load_file(path)
    path.write_bytes(whole[:700] + b"\xff" + whole[701:])
    with pytest.raises(BadFileError, match=r"a\.b\.npz is no sound npz archive: Bad CRC"):
        load_file(path)
    path.write_bytes(b"not a zip")
    with pytest.raises(BadFileError, match="is no sound npz"):
        load_file(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("x.npy", b"1" * 100)
    with pytest.raises(BadFileError, match="packed in a way"):
        load_file(path)


def test_a_zip_bomb(tmp_path: Path) -> None:
    path = tmp_path / "a.b.npz"
    np.savez_compressed(path, x=np.zeros(1_000_000))
    data = path.read_bytes()
    at = data.rfind(b"PK\x01\x02") + 24  # the size unpacked, in the archive's directory
    path.write_bytes(data[:at] + (2**31).to_bytes(4, "little") + data[at + 4 :])
    with pytest.raises(BadFileError, match="claims to unpack to more"):
        load_file(path)
    head = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head)
    with pytest.raises(TruncatedFileError, match=r"a\.b\.npz: x\.npy is cut short"):
        load_file(path)


def test_json(tmp_path: Path) -> None:
    path = tmp_path / "a.b.json"
    value = {"a": [1, 2.5, None], "b": "\u00b5"}
    path.write_text(json.dumps(value))
    assert load_file(path) == value
    for text, error, why in [
        ('{"a": [1, 2', TruncatedFileError, "ends in the middle"),
        ('{"a": "b', TruncatedFileError, "ends in the middle"),
        ("{'a': 1}", BadFileError, "is no JSON"),
        ("1" * 5000, BadFileError, "is no JSON"),
        ("[" * 100_000, BadFileError, "nested too deeply"),
    ]:
        path.write_text(text)
        with pytest.raises(error, match=why) as caught:
            load_file(path)
        assert str(path) in str(caught.value)
    path.write_bytes(b"\xff\xff\xff\xff\xff")
    with pytest.raises(BadFileError, match="is no JSON"):
        load_file(path)


def test_jsonable(tmp_path: Path) -> None:
    path = tmp_path / "a.b.jsonable"
    path.write_text('{"a": 1}\n\n[2]\n')
    assert load_file(path) == [{"a": 1}, [2]]
    path.write_text('{"a": 1}\n{"a":\n')
    with pytest.raises(TruncatedFileError, match=r"a\.b\.jsonable, line 2, ends in the middle"):
        load_file(path)


@pytest.mark.parametrize("kind", ["yaml", "yml"])
def test_yaml(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.b.{kind}"
    path.write_text("a: [1, 2]\nb: 2020-01-01\n")
    assert load_file(path)["a"] == [1, 2]
    bombs = "a0: &a0 {x: 1}\n" + "".join(
        f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 9)
    )
    for text, why in [
        ("a: [1, 2", "no plain YAML"),
        ("!!python/object/apply:os.system ['false']", "no plain YAML"),
        ("a: 2020-99-99", "a value that cannot be"),
        ("[" * 20_000, "nested too deeply"),
        (bombs, "no plain YAML"),
    ]:
        path.write_text(text)
        with pytest.raises(BadFileError, match=why) as caught:
            load_file(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("layout", ["csr", "csc", "coo", "dia", "bsr"])
def test_sparse(tmp_path: Path, layout: str) -> None:
    path = tmp_path / "a.b.sparse_npz"
    dense = np.array([[0, 0, 3], [4, 0, 0]])
    with path.open("wb") as file:
        scipy.sparse.save_npz(file, scipy.sparse.coo_array(dense).asformat(layout))
    loaded = load_file(path)
    assert loaded.format == layout
    np.testing.assert_array_equal(loaded.toarray(), dense)


def test_sparse_of_the_other_package(tmp_path: Path) -> None:
    path = tmp_path / "a.b.sparse_npz"
    with path.open("wb") as file:
        np.savez(file, data=[3, 4], coords=[[0, 1], [2, 0]], shape=(2, 3), fill_value=0)
    np.testing.assert_array_equal(load_file(path).toarray(), [[0, 0, 3], [4, 0, 0]])
    with path.open("wb") as file:
        np.savez(
            file,
            data=[3, 4],
            indices=[2, 0],
            indptr=[0, 1, 2],
            compressed_axes=[0],
            shape=(2, 3),
            fill_value=0,
        )
    np.testing.assert_array_equal(load_file(path).toarray(), [[0, 0, 3], [4, 0, 0]])


@pytest.mark.parametrize(
    "parts",
    [
        {"x": 1},
        {"format": b"csr", "shape": (2, 3), "data": [1], "indices": [9], "indptr": [0, 1, 1]},
        {"format": b"csr", "shape": (2, 3), "data": [1], "indices": [0]},
        {"format": b"lil", "shape": (2, 3), "data": [1]},
        {"data": [3], "coords": [[0], [9]], "shape": (2, 3), "fill_value": 0},
        {"data": [3], "coords": [[0]], "shape": (2, 3), "fill_value": 0},
        {"data": [3], "coords": [[0], [0]], "shape": (2, 3), "fill_value": 1},
    ],
)
def test_damaged_sparse(tmp_path: Path, parts: dict) -> None:
    path = tmp_path / "a.b.sparse_npz"
    with path.open("wb") as file:
        np.savez(file, **parts)
    with pytest.raises(BadFileError, match=r"a\.b\.sparse_npz is no sparse array"):
        load_file(path)


def test_sparse_without_scipy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.b.sparse_npz"
    with path.open("wb") as file:
        scipy.sparse.save_npz(file, scipy.sparse.coo_array(np.eye(2)))
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(MissingExtraError, match="pip install scipy"):
        load_file(path)


def test_importing_needs_no_pandas() -> None:
    import subprocess

    code = (
        "import sys, fascicle.load, fascicle.one.alf.io;"
        "print([m for m in ('pandas', 'pyarrow', 'scipy', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
