"""Files that are harmed, or made to do harm: an error that names the object, and nothing worse."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.nwb.reader import Reader

from fascicle import nwb
from fascicle.errors import (
    BadFileError,
    EmptyFileError,
    FascicleError,
    NwbObjectNotFound,
    OldNwbError,
    TruncatedFileError,
    UnpacksTooLarge,
)
from fascicle.formats.nwb import NwbFile
from fascicle.formats.nwb.headers import longest_texts


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    running = Reader()
    yield running
    running.close()


def test_the_reader_reads_all_of_a_good_file(everything: Path, packed: Path, reader) -> None:
    for path in (everything, packed):
        answer = reader.read(path)
        assert set(answer["errors"]) <= {"units.group"}, answer["errors"]
        assert {"units.waveforms", "trials.timeseries", "steady", "page"} <= set(answer["done"])


# -- cut off, and flipped ------------------------------------------------------------------------


def test_cut_off_at_fifty_places(everything: Path, tmp_path: Path, reader) -> None:
    data = everything.read_bytes()
    rng = np.random.default_rng(3)
    places = [0, 1, 7, 8, 9, 40, 95, 96, 97, 511, 512, 2047, 2048, len(data) - 1]
    places += sorted(rng.integers(100, len(data) - 1, 50 - len(places)).tolist())
    for place in places:
        path = tmp_path / f"cut-at-{place}.nwb"
        path.write_bytes(data[:place])
        answer = reader.read(path)
        ((what, (kind, text)),) = answer["errors"].items()
        assert (what, answer["done"]) == ("open", []) and path.name in text
        assert kind == ("EmptyFileError" if not place else kind)
        if place > 200:
            assert kind == "TruncatedFileError" and f"it has {place:,} bytes" in text
        path.unlink()
    with pytest.raises(EmptyFileError):
        (tmp_path / "none.nwb").write_bytes(b"")
        nwb.read(tmp_path / "none.nwb")
    with pytest.raises(TruncatedFileError, match="fetch or copy it again"):
        (tmp_path / "half.nwb").write_bytes(data[: len(data) // 2])
        nwb.read(tmp_path / "half.nwb")


def _headers(data: bytes) -> list[int]:
    """Return where the structures of HDF5 are in a file."""
    found = [0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88]
    for word in (b"TREE", b"SNOD", b"HEAP", b"GCOL"):
        at = data.find(word)
        while at >= 0:
            found.append(at)
            at = data.find(word, at + 1)
    with_attributes = b"\x0c\x00"  # a message of an object's header that is an attribute
    at = data.find(with_attributes)
    while at >= 0:
        found.append(at)
        at = data.find(with_attributes, at + 1)
    return sorted(found)


def _flip(reader: Reader, path: Path, data: bytes, places: list[int], flips: list) -> None:
    changed = bytearray(data)
    for which, offset, value in flips:
        at = (places[which % len(places)] + offset) % len(data)
        changed[at] ^= value
    path.write_bytes(changed)
    answer = reader.read(path)
    for what, (_, text) in answer["errors"].items():
        assert path.name in text, (what, text)
    if answer.get("peak_mb", 0) >= 1500:
        reader.close()  # or whatever the next file is would fail too
        raise AssertionError(f"it takes {answer['peak_mb']} MB: {flips}")


FLIPS = st.lists(
    st.tuples(st.integers(0, 1 << 20), st.integers(0, 200), st.integers(1, 255)),
    min_size=1,
    max_size=6,
)
_SUPPRESSED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=30, deadline=None, suppress_health_check=_SUPPRESSED)
@given(flips=FLIPS)
def test_bytes_flipped_in_headers(everything: Path, tmp_path: Path, reader, flips) -> None:
    data = everything.read_bytes()
    _flip(reader, tmp_path / "flipped.nwb", data, _headers(data), flips)


@settings(max_examples=20, deadline=None, suppress_health_check=_SUPPRESSED)
@given(flips=FLIPS)
def test_bytes_flipped_in_headers_of_chunks(packed: Path, tmp_path: Path, reader, flips) -> None:
    data = packed.read_bytes()
    _flip(reader, tmp_path / "flipped.nwb", data, _headers(data), flips)


@pytest.mark.long
@settings(max_examples=4000, deadline=None, suppress_health_check=_SUPPRESSED)
@given(flips=FLIPS, which=st.booleans())
def test_bytes_flipped_in_headers_at_length(
    everything: Path, packed: Path, tmp_path: Path, reader, flips, which
) -> None:
    data = (packed if which else everything).read_bytes()
    _flip(reader, tmp_path / "flipped.nwb", data, _headers(data), flips)


def test_compressed_values_that_are_harmed(packed: Path, tmp_path: Path) -> None:
    data = bytearray(packed.read_bytes())
    with h5py.File(packed) as h5:
        info = h5["acquisition/speed/data"].id.get_chunk_info(0)
    data[info.byte_offset + info.size // 2] ^= 0x55
    path = tmp_path / "harmed.nwb"
    path.write_bytes(data)
    with nwb.read(path) as session:
        with pytest.raises(BadFileError, match=r"harmed\.nwb: /acquisition/speed/data cannot be"):
            session.series["acquisition/speed"].data[:]
        assert len(session.units) == 12


# -- libhdf5's own weak spots --------------------------------------------------------------------


def _heap(data: bytes, word: bytes) -> int:
    """Return where the heap begins that a text is in."""
    return data.rfind(b"GCOL", 0, data.find(word))


def test_a_heap_that_leads_in_circles(everything: Path, tmp_path: Path, reader) -> None:
    data = bytearray(everything.read_bytes())
    at = _heap(data, b"a bit of everything")
    for length in (0xB000, 0xFFFFFFFFFFFFFFF0, 0x10):
        harmed = data.copy()
        harmed[at + 8 : at + 16] = length.to_bytes(8, "little")
        (tmp_path / "heap.nwb").write_bytes(harmed)
        text = str(reader.read(tmp_path / "heap.nwb")["errors"])
        assert "heap of text at byte" in text
    harmed = data.copy()
    harmed[at + 16 : at + 32] = bytes(16)  # an object without number and length
    (tmp_path / "heap.nwb").write_bytes(harmed)
    assert "heap of text at byte" in str(reader.read(tmp_path / "heap.nwb")["errors"])


def _values_at(dataset: h5py.Dataset) -> int:
    """Return where in the file the first values of an array are."""
    if dataset.chunks:
        return dataset.id.get_chunk_info(0).byte_offset
    return dataset.id.get_offset()


def test_texts_that_claim_gigabytes(everything: Path, packed: Path, tmp_path: Path, reader) -> None:
    for source in (everything, packed):
        data = bytearray(source.read_bytes())
        with h5py.File(source) as h5:
            at = _values_at(h5["units/quality"])
        data[at + 3] = 0xF0
        path = tmp_path / "long.nwb"
        path.write_bytes(data)
        answer = reader.read(path)
        assert "claims 4,0" in answer["errors"]["units"][1] and "/units/quality" in str(answer)
        assert answer["peak_mb"] < 1000
        with nwb.read(path) as session:
            with pytest.raises(BadFileError, match="more than the file has"):
                session.file.array("units/quality", slice(0, 1))
            assert session.file.array("units/quality", slice(1, 3)).tolist() == ["noise", "good"]


def test_an_attribute_that_claims_gigabytes(everything: Path, tmp_path: Path) -> None:
    data = bytearray(everything.read_bytes())
    text = b"the spike times for each unit in seconds"
    assert data.count(text) >= 1
    heap = _heap(data, text)
    reference = heap.to_bytes(8, "little")
    changed = 0
    at = data.find(reference)
    while at >= 0:  # every text of that heap, wherever it is used
        data[at - 1] = 0xF0
        changed += 1
        at = data.find(reference, at + 1)
    assert changed > 3
    path = tmp_path / "attribute.nwb"
    path.write_bytes(data)
    with NwbFile(path) as file:
        wrong = []
        for place in ("units/spike_times", "units", "units/id", "units/rate"):
            try:
                file.attrs(place)
            except BadFileError as error:
                wrong.append(str(error))
        assert wrong and all("more than the file has" in text and "@" in text for text in wrong)


# -- tables that do not fit together -------------------------------------------------------------


def _says(path: str, read, *words: str, kind: type[FascicleError] = BadFileError) -> None:
    with nwb.read(path) as session:
        with pytest.raises(kind) as caught:
            read(session)
        for word in ("harmed.nwb", *words):
            assert word in str(caught.value), caught.value
        assert session.metadata["identifier"] == "everything"


def test_missing_tables_and_columns(harmed) -> None:
    with harmed() as h5:
        del (
            h5["units/rate"],
            h5["intervals/trials/id"],
            h5["general/extracellular_ephys/electrodes"],
        )
        del h5["intervals/epochs"].attrs["colnames"]
        del h5["units/spike_times_index"]
        path = h5.filename
    missing = NwbObjectNotFound
    _says(path, lambda s: s.units, "/units", "'rate'", kind=missing)
    _says(path, lambda s: s.trials, "/intervals/trials", "id", kind=missing)
    _says(path, lambda s: s.electrodes, "no electrodes", kind=missing)
    _says(path, lambda s: s.table("epochs"), "/intervals/epochs", "no list of its columns")
    _says(path, lambda s: s.file.ragged("units", "spike_times"), "spike_times_index is missing")
    with nwb.read(path) as session:
        assert list(session.table("units", ["quality"])) == ["quality"]


def test_wrong_types_and_shapes(harmed) -> None:
    with harmed() as h5:
        for name, values in {
            "units/spike_times_index": np.linspace(0, 5, 12),
            "units/rate": np.arange(5.0),
            "intervals/trials/id": np.zeros((30, 2)),
            "intervals/flashes_presentations/kind": np.full(40, 9, np.uint8),
            "acquisition/speed/timestamps": np.arange(3.0),
            "intervals/epochs/tags_index": np.array(["a", "b"], "S1"),
        }.items():
            attrs = dict(h5[name].attrs)
            del h5[name]
            h5[name] = values
            h5[name].attrs.update({k: v for k, v in attrs.items() if k != "elements"})
        h5["intervals/epochs"].attrs["colnames"] = 7.5
        h5["session_description"][()] = b"\xff\xfe"
        path = h5.filename
    _says_all = [
        (lambda s: s.spike_times[100], "spike_times_index", "no list of whole numbers"),
        (lambda s: s.units, "/units/rate", "12 rows"),
        (lambda s: s.trials, "/intervals/trials/id", "not one id a row"),
        (lambda s: s.intervals["flashes_presentations"], "kind", "beyond its 3 elements"),
        (lambda s: s.series["acquisition/speed"].between(0, 1), "speed/timestamps", "(3,) times"),
        (lambda s: s.table("epochs"), "/intervals/epochs", "list of its columns"),
        (lambda s: s.file.value("session_description"), "/session_description", "no UTF-8"),
    ]
    for read, *words in _says_all:
        with nwb.read(path) as session, pytest.raises(BadFileError) as caught:
            read(session)
        for word in ("harmed.nwb", *words):
            assert word in str(caught.value), caught.value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ends: ends + 1000, "points to entry"),
        (lambda ends: ends[::-1].copy(), "goes backwards"),
        (lambda ends: np.where(np.arange(12) == 5, 2**31, ends), "points to entry 2147483648"),
        (lambda ends: ends[:5], "(5,), and the table 12 rows"),
        (lambda ends: ends.astype("i8") - 400, "goes backwards"),
    ],
)
def test_an_index_that_leads_astray(harmed, change, words: str) -> None:
    with harmed() as h5:
        ends = h5["units/spike_times_index"][:].astype("u8")
        del h5["units/spike_times_index"]
        h5["units/spike_times_index"] = change(ends)
        path = h5.filename
    for read in (lambda s: s.spike_times[107], lambda s: s.spike_times.all()):
        _says(path, read, "/units/spike_times_index", words)


def test_text_that_is_none(harmed) -> None:
    with harmed() as h5:
        h5["units/quality"][3] = b"caf\xe9"
        h5["acquisition/speed"].attrs["description"] = np.bytes_(b"\xff\xfe")
        path = h5.filename
    _says(path, lambda s: s.units, "/units/quality", "no UTF-8", "caf")
    _says(path, lambda s: s.series["acquisition/speed"].attrs, "speed@description", "no UTF-8")


# -- links and references ------------------------------------------------------------------------


def test_links_that_lead_nowhere_or_out(harmed, tmp_path: Path, everything: Path) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as other:
        other["data"] = np.arange(5)
    with harmed() as h5:
        h5["acquisition/gone"] = h5py.SoftLink("/acquisition/nothing")
        h5["acquisition/circle"] = h5py.SoftLink("/acquisition/square")
        h5["acquisition/square"] = h5py.SoftLink("/acquisition/circle")
        h5["acquisition/out"] = h5py.ExternalLink(str(secret), "/data")
        h5["acquisition/round"] = h5["acquisition"]  # a group in itself
        h5["acquisition/other"] = h5py.SoftLink("/processing/behavior/Position/speed")
        virtual = h5py.VirtualLayout(shape=(5,), dtype="i8")
        virtual[:] = h5py.VirtualSource(str(secret), "data", shape=(5,))
        h5.create_virtual_dataset("acquisition/put_together", virtual)
        path = h5.filename
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_external(b"/etc/passwd", 0, 40)
        space = h5py.h5s.create_simple((5,))
        h5py.h5d.create(h5.id, b"acquisition/elsewhere", h5py.h5t.NATIVE_INT64, space, plan)
    missing = NwbObjectNotFound
    _says(path, lambda s: s.file.array("acquisition/gone"), "is a link to", kind=missing)
    _says(path, lambda s: s.file.array("acquisition/circle"), "is a link", kind=missing)
    _says(path, lambda s: s.file.array("acquisition/out"), "lies in another file", "secret.h5")
    _says(path, lambda s: s.file.array("acquisition/put_together"), "put together from other files")
    _says(path, lambda s: s.file.array("acquisition/elsewhere"), "lie in another file")
    with nwb.read(path) as session:
        assert "same_times" in session.series
        assert len(session.file.paths("/acquisition")) < 60
        assert session.file.series("acquisition/other").unit == "meters"
        assert session.series["acquisition/round/round/steady"].rate == 30


def test_references_that_lead_nowhere(harmed) -> None:
    with harmed() as h5:
        path = h5.filename
        address = h5py.h5o.get_info(h5["general/extracellular_ephys/shank1"].id).addr
        at = _values_at(h5["general/extracellular_ephys/electrodes/group"])
        pairs = _values_at(h5["intervals/trials/timeseries"])
    data = bytearray(Path(path).read_bytes())
    assert int.from_bytes(data[at + 8 : at + 16], "little") == address
    for wrong in (0xFFFF, len(data) + 8, 1 << 60, address + 8):
        data[at + 8 : at + 16] = wrong.to_bytes(8, "little")
        data[pairs + 8 : pairs + 16] = wrong.to_bytes(8, "little")
        Path(path).write_bytes(data)
        _says(path, lambda s: s.electrodes, "/general/extracellular_ephys/electrodes/group")
        _says(
            path, lambda s: s.column("timeseries", "trials").all(), "/intervals/trials/timeseries"
        )
    data[at + 8 : at + 16] = bytes(8)
    Path(path).write_bytes(data)
    with nwb.read(path) as session:
        assert session.file.array("general/extracellular_ephys/electrodes/group", 1) is None


def test_groups_deep_in_one_another(harmed) -> None:
    with harmed() as h5:
        group = h5["acquisition"]
        for _ in range(300):
            group = group.create_group("g")
        path = h5.filename
    _says(path, lambda s: list(s.series), "more than 64 deep")
    with nwb.read(path) as session:
        assert session.series["acquisition/steady"].rate == 30
        assert session.file.is_group("/acquisition" + "/g" * 300)


# -- what claims far more than is stored ---------------------------------------------------------


@cache
def _zeros(n: int) -> bytes:
    """Return what unpacks to so many zeros, of blocks of a megabyte that are all the same."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    packer = zlib.compressobj(9, wbits=-15)
    rest = packer.compress(bytes(n % (1 << 20))) + packer.flush()
    return b"\x78\xda" + block * (n >> 20) + rest + (n % 65521 << 16 | 1).to_bytes(4, "big")


def _bomb(h5: h5py.File, place: str, shape: tuple[int, ...], chunk: tuple[int, ...]) -> None:
    """Let every chunk be the same few bytes that unpack to zeros."""
    dataset = h5.create_dataset(place, shape, "f8", chunks=chunk, compression="gzip")
    packed = _zeros(8 * int(np.prod(chunk)))
    for i in range(0, shape[0], chunk[0]):
        dataset.id.write_direct_chunk((i,) + (0,) * (len(shape) - 1), packed)


def test_compressed_chunks_that_unpack_to_gigabytes(harmed, reader) -> None:
    with harmed() as h5:
        for name in ("data", "timestamps"):
            _bomb(h5, f"acquisition/bomb/{name}", (400_000_000,), (2_000_000,))
        _bomb(h5, "acquisition/wide/data", (3, 100_000_000), (1, 100_000_000))
        h5.create_dataset("acquisition/void/data", (1 << 40,), "f8", chunks=(1 << 20,))
        h5.create_dataset("acquisition/empty/data", (1 << 33,), "f8")
        path = Path(h5.filename)
    assert path.stat().st_size < 10_000_000
    with nwb.read(path) as session:
        for name in ("bomb", "wide", "void", "empty"):
            data = session.file.lazy(f"acquisition/{name}/data")
            with pytest.raises(UnpacksTooLarge, match=f"/acquisition/{name}/data claims to be"):
                data[:]
            if name != "wide":
                assert data[5:10].tolist() == [0.0] * 5
        with pytest.raises(UnpacksTooLarge, match="claims to be 800,000,000 bytes"):
            session.file.lazy("acquisition/wide/data")[0, :3]  # one chunk is enough
    with nwb.read(path, max_claim=1 << 30) as session:
        assert session.file.lazy("acquisition/wide/data")[0, :3].tolist() == [0.0] * 3
        assert session.file.lazy("acquisition/bomb/data")[:1000].sum() == 0
    assert reader.read(path)["peak_mb"] < 1000


def test_tables_and_texts_that_unpack_to_gigabytes(harmed, reader) -> None:
    with harmed() as h5:
        names = [f"c{i}" for i in range(40)]
        group = h5["intervals"].create_group("bomb")
        group.attrs.update({"colnames": names, "neurodata_type": "TimeIntervals"})
        for name in ["id", *names]:
            _bomb(h5, f"intervals/bomb/{name}", (20_000_000,), (2_000_000,))
        table = h5["intervals"].create_group("texts")
        table.attrs.update({"colnames": ["a"], "neurodata_type": "TimeIntervals"})
        table["id"] = np.arange(100_000)
        words = table.create_dataset("a", (100_000,), h5py.string_dtype())
        words[0] = "x" * 60_000
        h5.flush()
        at = words.id.get_offset()
        path = Path(h5.filename)
    data = path.read_bytes()
    path.write_bytes(data[:at] + data[at : at + 16] * 100_000 + data[at + 16 * 100_000 :])
    with nwb.read(path) as session:
        with pytest.raises(UnpacksTooLarge, match="/intervals/bomb claims to be"):
            session.table("bomb")
        with pytest.raises(UnpacksTooLarge, match="/intervals/texts/a claims to be 6,000,000,000"):
            session.table("texts")
        assert session.file.array("intervals/texts/a", 7) == "x" * 60_000
    assert reader.read(path)["peak_mb"] < 1000


def test_an_attribute_of_a_type_that_is_none(everything: Path, tmp_path: Path, reader) -> None:
    data = bytearray(everything.read_bytes())
    at = data.find(b"unit\x00\x00\x00\x00\x19\x01")
    assert at > 0
    data[at + 9] = 0x05
    (tmp_path / "type.nwb").write_bytes(data)
    answer = reader.read(tmp_path / "type.nwb")
    assert "of a type that is none" in str(answer["errors"])


# -- what is no NWB 2 ----------------------------------------------------------------------------


def test_files_that_are_something_else(tmp_path: Path) -> None:
    (tmp_path / "page.nwb").write_text("<html></html>" * 100)
    with pytest.raises(BadFileError, match=r"page\.nwb is no HDF5 file"):
        nwb.read(tmp_path / "page.nwb")
    with h5py.File(tmp_path / "plain.nwb", "w") as h5:
        h5["data"] = 1
    with pytest.raises(BadFileError, match="says no version of NWB"):
        nwb.read(tmp_path / "plain.nwb")


@pytest.mark.parametrize("key", ["nwb_version", "neurodata_version"])
def test_nwb_1(tmp_path: Path, key: str) -> None:
    with h5py.File(tmp_path / "old.nwb", "w") as h5:
        h5[key] = "NWB-1.0.5"
        for name in ("acquisition", "analysis", "epochs", "general", "processing", "stimulus"):
            h5.create_group(name)
    with pytest.raises(OldNwbError, match=r"old\.nwb is NWB-1\.0\.5, .*\n.*h5py opens it"):
        nwb.read(tmp_path / "old.nwb")


def test_a_file_with_something_before_it(everything: Path, tmp_path: Path) -> None:
    with (
        h5py.File(tmp_path / "block.nwb", "w", userblock_size=1024) as h5,
        h5py.File(everything) as source,
    ):
        for name in source:
            source.copy(name, h5)
        h5.attrs.update({k: v for k, v in source.attrs.items() if k != ".specloc"})
    with nwb.read(tmp_path / "block.nwb") as session:
        assert len(session.units) == 12 and session.spike_times[107].shape == (5,)
        assert session.series["acquisition/speed"].attrs["description"]


def test_a_filter_that_is_not_here(harmed) -> None:
    with harmed() as h5:
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((5,))
        plan.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (2, 2, 4, 20))
        space = h5py.h5s.create_simple((5,))
        found = h5py.h5d.create(h5.id, b"acquisition/blosc", h5py.h5t.NATIVE_INT32, space, plan)
        h5py.Dataset(found).id.write_direct_chunk((0,), bytes(20))
        path = h5.filename
    _says(path, lambda s: s.file.array("acquisition/blosc"), "/acquisition/blosc", "hdf5plugin")


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_texts_of_attributes_are_measured_before_they_are_read(tmp_path: Path, libver: str) -> None:
    path = tmp_path / "attributes.h5"
    with h5py.File(path, "w", libver=libver) as h5:
        group = h5.create_group("group")
        for i in range(6):
            group.attrs[f"text{i}"] = "x" * (10 * i)
        group.attrs["list"] = ["one", "three"]
        group.attrs["number"] = 5.0
        address = h5py.h5o.get_info(group.id).addr
    data = path.read_bytes()
    found = longest_texts(lambda at, n: data[at : at + n], address)
    assert found == {f"text{i}".encode(): 10 * i for i in range(6)} | {b"list": 5}


def test_any_bytes_where_a_header_should_be(everything: Path) -> None:
    rng = np.random.default_rng(4)
    data = everything.read_bytes()
    for _ in range(300):
        noise = bytearray(rng.bytes(4096))
        noise[:4] = [b"OHDR", b"\x01\x00\x05\x00"][rng.integers(2)]
        longest_texts(lambda at, n, noise=noise: bytes(noise[at : at + n]), 0)
        address = int(rng.integers(0, len(data) - 4096))
        longest_texts(lambda at, n: data[at : at + n], address)
