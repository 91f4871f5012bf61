"""Raw recordings: the same samples as mtscomp decodes, only the chunks asked for, in volts."""

from __future__ import annotations

import json
import pickle
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mtscomp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fascicle.errors import (
    ALFObjectNotFound,
    BadFileError,
    EmptyFileError,
    TruncatedFileError,
)
from fascicle.load import CbinArray, load_file, load_object, open_cbin

SAMPLES, CHANNELS = 2750, 7
META = """acqApLfSy=384,384,1
imAiRangeMax=0.6
imDatPrb_type=0
imSampRate=500.25
nSavedChans=7
snsApLfSy=6,0,1
snsSaveChanSubset=0:5,768
typeThis=imec
~imroTbl=(0,384)(0 0 0 500 250 1)(1 0 0 500 250 1)(2 0 0 250 250 1)\
(3 0 0 500 250 1)(4 0 0 500 250 1)(5 0 0 500 250 1)
"""


def compress(folder: Path, array: np.ndarray, **options: object) -> Path:
    array.tofile(folder / "a.bin")
    paths = [folder / "a.bin", folder / "a.b.cbin", folder / "a.b.ch"]
    mtscomp.compress(
        *paths,
        sample_rate=500.0,
        n_channels=array.shape[1],
        dtype=array.dtype,
        quiet=True,
        n_threads=1,
        check_after_compress=False,
        **options,
    )
    return paths[1]


@pytest.fixture(scope="module")
def counts() -> np.ndarray:
    return np.random.default_rng(0).integers(-32768, 32767, (SAMPLES, CHANNELS)).astype(np.int16)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, counts: np.ndarray) -> Path:
    path = compress(tmp_path_factory.mktemp("raw"), counts)
    path.with_suffix(".meta").write_text(META)
    return path


@pytest.mark.parametrize("time_diff", [True, False])
@pytest.mark.parametrize("spatial_diff", [True, False])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.int16, np.uint8, np.float32])
def test_decodes_what_mtscomp_decodes(
    tmp_path: Path, time_diff: bool, spatial_diff: bool, order: str, dtype: type
) -> None:
    array = np.random.default_rng(1).integers(0, 200, (1234, 5)).astype(dtype)
    path = compress(
        tmp_path, array, do_time_diff=time_diff, do_spatial_diff=spatial_diff, chunk_order=order
    )
    reader = mtscomp.Reader(n_threads=1)
    reader.open(path, path.with_suffix(".ch"))
    expected = reader[:]
    reader.close()
    ours = open_cbin(path)
    np.testing.assert_array_equal(ours[:], expected)
    np.testing.assert_array_equal(ours[:], array)
    assert (ours.shape, ours.dtype, ours.sample_rate) == (array.shape, array.dtype, 500.0)


edges = st.one_of(st.none(), st.integers(-SAMPLES - 9, SAMPLES + 9))
steps = st.one_of(st.none(), st.integers(1, 1700), st.integers(-1700, -1))
rows = st.one_of(
    st.builds(slice, edges, edges, steps),
    st.integers(-SAMPLES, SAMPLES - 1),
    st.lists(st.integers(-SAMPLES, SAMPLES - 1), max_size=5),
)
columns = st.one_of(
    st.builds(slice, st.none(), st.integers(-9, 9), st.sampled_from([None, 1, 2, -1])),
    st.integers(-CHANNELS, CHANNELS - 1),
)


@given(rows=rows, columns=columns)
def test_is_indexed_as_an_array(
    recording: Path, counts: np.ndarray, rows: object, columns: object
) -> None:
    array = open_cbin(recording)
    for key in (rows, (rows, columns), (Ellipsis, columns)):
        expected = counts[key]
        np.testing.assert_array_equal(array[key], expected)
        assert array[key].dtype == expected.dtype


def test_masks_pairs_and_wrong_keys(recording: Path, counts: np.ndarray) -> None:
    array = open_cbin(recording)
    mask = np.arange(SAMPLES) % 7 == 0
    np.testing.assert_array_equal(array[mask], counts[mask])
    np.testing.assert_array_equal(array[[5, 2000], [1, 2]], counts[[5, 2000]][:, [1, 2]])
    np.testing.assert_array_equal(np.asarray(array), counts)
    assert np.asarray(array, dtype=float).dtype == float
    for key in (SAMPLES, -SAMPLES - 1, [SAMPLES], (0, CHANNELS), (1, 2, 3), None, mask[:5], [0.5]):
        with pytest.raises(IndexError):
            array[key]
    assert len(list(array)) == len(array) == SAMPLES


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint64, np.int16])
def test_indices_of_small_types(recording: Path, counts: np.ndarray, kind: type) -> None:
    ours = open_cbin(recording)
    np.testing.assert_array_equal(ours[kind(5)], counts[5])
    np.testing.assert_array_equal(ours[np.array([3, 1], kind)], counts[[3, 1]])
    np.testing.assert_array_equal(ours[[3, 1], [0, 2, 4]], counts[np.ix_([3, 1], [0, 2, 4])])


def test_decodes_only_the_chunks_asked_for(recording: Path, tmp_path: Path) -> None:
    layout = json.loads(recording.with_suffix(".ch").read_text())
    for suffix in (".cbin", ".ch"):
        shutil.copy(recording.with_suffix(suffix), tmp_path / f"a.b{suffix}")
    with (tmp_path / "a.b.cbin").open("r+b") as file:  # chunk 2, samples 1000 to 1500, is ruined
        file.seek(layout["chunk_offsets"][2])
        file.write(b"\0" * 50)
    array = open_cbin(tmp_path / "a.b.cbin")
    assert array[0:1000].shape == (1000, CHANNELS)
    assert array[1500:].shape == (1250, CHANNELS)
    assert array[::1500].shape == (2, CHANNELS)
    for key in (1000, slice(990, 1010), slice(1499, 1600), [3, 1200]):
        with pytest.raises(BadFileError, match=r"a\.b\.cbin: chunk 2 is damaged"):
            array[key]


def test_keeps_few_chunks(recording: Path) -> None:
    array = open_cbin(recording)
    array[:]
    assert 0 < len(array._kept) <= 3
    part = array[10:20]
    part[:] = 0  # a copy: what is kept is not changed
    assert array[10:20].any()


def test_volts_and_sync(recording: Path, counts: np.ndarray) -> None:
    array = open_cbin(recording)
    assert array.sample_rate == 500.25
    assert array.n_sync == 1
    volts = array.volts(490, 510)
    assert volts.dtype == np.float32
    gain = np.array([500, 500, 250, 500, 500, 500])
    np.testing.assert_allclose(volts, counts[490:510, :6] * 0.6 / 512 / gain, rtol=1e-6)
    np.testing.assert_array_equal(array.sync(3, 9), counts[3:9, 6].astype(np.uint16))


def test_travels_to_other_processes_and_threads(recording: Path, counts: np.ndarray) -> None:
    array = pickle.loads(pickle.dumps(open_cbin(recording)))
    assert array.meta.path.endswith(".meta")
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda i: array[i : i + 300], range(0, SAMPLES, 300)))
    np.testing.assert_array_equal(np.concatenate(parts), counts)


def test_a_flat_file(tmp_path: Path, counts: np.ndarray) -> None:
    counts.tofile(tmp_path / "a.b.bin")
    with pytest.raises(ALFObjectNotFound, match=r"a\.b\.meta does not lie beside"):
        open_cbin(tmp_path / "a.b.bin")
    (tmp_path / "a.b.meta").write_text(META)
    array = open_cbin(tmp_path / "a.b.bin")
    np.testing.assert_array_equal(array[700:1300, 2], counts[700:1300, 2])
    with (tmp_path / "a.b.bin").open("ab") as file:
        file.write(b"x")
    with pytest.raises(TruncatedFileError, match="ends within a sample"):
        open_cbin(tmp_path / "a.b.bin")


def test_companions_with_other_uuids(recording: Path, tmp_path: Path) -> None:
    for suffix in (".cbin", ".ch", ".meta"):
        shutil.copy(recording.with_suffix(suffix), tmp_path / f"a.b.{uuid.uuid4()}{suffix}")
    (tmp_path / f"a.other.{uuid.uuid4()}.ch").write_text("{}")
    array = open_cbin(next(tmp_path.glob("*.cbin")))
    assert array.shape == (SAMPLES, CHANNELS)
    assert array.meta["nSavedChans"] == CHANNELS


def test_missing_companions_are_named(recording: Path, tmp_path: Path) -> None:
    path = tmp_path / "_spikeglx_ephysData_g0_t0.imec0.ap.cbin"
    with pytest.raises(ALFObjectNotFound, match="does not exist"):
        open_cbin(path)
    path.touch()
    with pytest.raises(EmptyFileError):
        open_cbin(path)
    shutil.copy(recording, path)
    with pytest.raises(ALFObjectNotFound, match=r"ephysData_g0_t0\.imec0\.ap\.ch does not lie"):
        load_file(path)
    array = open_cbin(path, ch=recording.with_suffix(".ch"))
    assert isinstance(array, CbinArray)
    with pytest.raises(ALFObjectNotFound, match=r"imec0\.ap\.meta does not lie beside"):
        array.volts(0, 1)
    with pytest.raises(ALFObjectNotFound, match=r"no\.ch does not exist"):
        open_cbin(path, ch=tmp_path / "no.ch")
    assert open_cbin(
        path, ch=recording.with_suffix(".ch"), meta=recording.with_suffix(".meta")
    ).volts(0, 1).shape == (1, 6)


def test_is_one_attribute_of_its_object(recording: Path, tmp_path: Path) -> None:
    for stream in ("ap", "lf"):
        for suffix in (".cbin", ".ch", ".meta"):
            name = f"_spikeglx_ephysData_g0_t0.imec0.{stream}{suffix}"
            shutil.copy(recording.with_suffix(suffix), tmp_path / name)
    raw = load_object(tmp_path, "ephysData_g0_t0")
    assert raw.keys() == {"imec0.ap", "imec0.lf"}
    assert raw["imec0.lf"].volts(0, 5).shape == (5, 6)
    assert load_object(tmp_path, "ephysData_g0_t0", extension="meta", extra="ap")["imec0.ap"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"algorithm": "lzma"}, "packed by 'lzma'"),
        ({"dtype": "object"}, "type object"),
        ({"dtype": "what"}, "what"),
        ({"n_channels": 0}, "0 channels"),
        ({"n_channels": "7"}, "7 channels"),
        ({"sample_rate": -1}, "sample rate"),
        ({"chunk_bounds": [0, 500]}, "do not fit"),
        ({"chunk_bounds": [5, 4]}, "do not ascend"),
        ({"chunk_bounds": [0, 10**15], "chunk_offsets": [0, 9]}, "more samples than its bytes"),
        ({"chunk_offsets": None}, "do not ascend"),
        ({"chunk_order": "K"}, "order 'K'"),
    ],
)
def test_nonsense_descriptions(recording: Path, tmp_path: Path, change: dict, why: str) -> None:
    said = json.loads(recording.with_suffix(".ch").read_text())
    (tmp_path / "a.b.ch").write_text(json.dumps({**said, **change}))
    with pytest.raises(BadFileError, match=why) as caught:
        open_cbin(recording, ch=tmp_path / "a.b.ch")
    assert "a.b.ch" in str(caught.value)


def test_descriptions_that_lack_something(recording: Path, tmp_path: Path) -> None:
    said = json.loads(recording.with_suffix(".ch").read_text())
    for key in ("dtype", "n_channels", "sample_rate", "chunk_bounds", "chunk_offsets"):
        part = {k: v for k, v in said.items() if k != key}
        (tmp_path / "a.b.ch").write_text(json.dumps(part))
        with pytest.raises(BadFileError, match=f"no '{key}'"):
            open_cbin(recording, ch=tmp_path / "a.b.ch")
    (tmp_path / "a.b.ch").write_text("[]")
    with pytest.raises(BadFileError, match="does not describe"):
        open_cbin(recording, ch=tmp_path / "a.b.ch")


def test_cut_short(recording: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.b.cbin"
    path.write_bytes(recording.read_bytes()[:-10])
    with pytest.raises(TruncatedFileError, match=r"cut short: a\.b\.ch announces"):
        open_cbin(path, ch=recording.with_suffix(".ch"))
    path.write_bytes(recording.read_bytes())
    array = open_cbin(path, ch=recording.with_suffix(".ch"))
    path.write_bytes(recording.read_bytes()[:-10])  # after it was opened
    with pytest.raises(TruncatedFileError, match="ends within chunk"):
        array[-1]


def test_goes_through_all_chunks(recording: Path, counts: np.ndarray) -> None:
    array = open_cbin(recording)
    found = list(array.blocks())
    assert [start for start, _ in found] == [0, 500, 1000, 1500, 2000, 2500]
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in found]), counts)
    assert not found[0][1].flags.writeable
    assert [start for start, _ in array.blocks(1100)] == [1000, 1500, 2000, 2500]
