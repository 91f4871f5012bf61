"""Arrays that are declared first, and filled when the skeleton stands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO, TimeSeries, validate
from pynwb.behavior import Position, SpatialSeries
from pynwb.core import DynamicTable, VectorData
from pynwb.ecephys import ElectricalSeries

from fascicle.errors import BadFileError, ConversionError
from fascicle.nwb.writing import skeleton
from fascicle.nwb.writing.filling import JobError, fill, unfilled
from fascicle.nwb.writing.later import Job, Later, rows_of

Write = Callable[..., Path]


@pytest.fixture
def write(nwbfile: Any, tmp_path: Path) -> Write:
    """Return a function that writes the file, and fills it by jobs."""

    def go(jobs: list[Job], advance: Callable[[int], object] = lambda n_bytes: None) -> Path:
        path = tmp_path / "made.nwb"
        with skeleton.create(path) as (made, _):
            io = skeleton.write(nwbfile, made)
            fill(jobs, made, advance=advance)
            io.close()
        return path

    return go


def job(later: Later, values: np.ndarray[Any, Any], what: str = "values") -> Job:
    return Job(lambda: rows_of(values, later), what, later.nbytes)


def test_each_kind_of_object_takes_them(nwbfile: Any, write: Write) -> None:
    rng = np.random.default_rng(0)
    n = 20_000
    times = Later((n,), "f8")
    xy, traces = Later((n, 2), "f4"), Later((n, 10), "i2", chunks=(1500, 4))
    column, ragged = Later((300, 40), "f4"), Later((n,), "f8")
    device = nwbfile.create_device("probe00")
    group = nwbfile.create_electrode_group("probe00", "a probe", "brain", device)
    for _ in range(10):
        nwbfile.add_electrode(group=group, location="VISp")
    region = nwbfile.create_electrode_table_region(list(range(10)), "all")
    nwbfile.add_acquisition(
        ElectricalSeries(
            name="AP",
            data=traces.io,
            electrodes=region,
            starting_time=0.0,
            rate=30_000.0,
            conversion=2.3e-6,
        )
    )
    behavior = nwbfile.create_processing_module("behavior", "what it did")
    place = SpatialSeries(
        name="place", data=xy.io, timestamps=times.io, unit="pixels", reference_frame="left"
    )
    behavior.add(Position(spatial_series=place))
    behavior.add(TimeSeries(name="pupil", data=ragged.io, timestamps=place, unit="pixels"))
    behavior.add(
        DynamicTable(
            name="table",
            description="of rows",
            columns=[VectorData(name="waveform", description="µV", data=column.io)],
            id=list(range(300)),
        )
    )
    given = {
        "t": np.cumsum(rng.exponential(size=n)),
        "xy": rng.normal(size=(n, 2)).astype("f4"),
        "ap": rng.integers(-99, 99, (n, 10), dtype="i2"),
        "w": rng.normal(size=(300, 40)).astype("f4"),
        "p": rng.normal(size=n),
    }
    laters = {"t": times, "xy": xy, "ap": traces, "w": column, "p": ragged}
    path = write([job(later, given[name]) for name, later in laters.items()])
    with NWBHDF5IO(path) as io:
        read = io.read()
        found = read.processing["behavior"]
        series = found["Position"]["place"]
        assert np.array_equal(series.data[:], given["xy"])
        assert np.array_equal(series.timestamps[:], given["t"])
        assert np.array_equal(found["pupil"].data[:], given["p"])
        assert np.array_equal(found["pupil"].timestamps[:], given["t"])
        assert np.array_equal(found["table"]["waveform"][:], given["w"])
        assert np.array_equal(read.acquisition["AP"].data[:], given["ap"])
        assert read.acquisition["AP"].data.dtype == np.dtype("<i2")
    assert not validate(path=str(path))


def test_units_are_filled_probe_by_probe_and_column_by_column(nwbfile: Any, write: Write) -> None:
    from pynwb.misc import Units

    rng = np.random.default_rng(1)
    counts = [3000, 0, 41_000, 777]
    n, index = sum(counts), np.cumsum(counts)
    times, amps = Later((n,), "f8"), Later((n,), "f4")
    columns = [
        (col := VectorData(name="spike_times", description="s", data=times.io)),
        _index(col, index),
        (col := VectorData(name="spike_amplitudes_uV", description="µV", data=amps.io)),
        _index(col, index),
    ]
    nwbfile.units = Units(
        name="units", description="of two probes", columns=columns, id=list(range(4))
    )
    t, a = np.sort(rng.uniform(0, 100, n)), rng.normal(size=n)

    def probe(begin: int, end: int) -> Job:
        def blocks() -> Iterator[tuple[Later, np.ndarray[Any, Any]]]:
            for at in range(begin, end, 7001):
                yield times, t[at : min(at + 7001, end)]
                yield amps, a[at : min(at + 7001, end)]

        return Job(blocks, "spikes", (end - begin) * 12)

    done: list[int] = []
    path = write([probe(0, 3000), probe(3000, n)], done.append)
    assert sum(done) == n * 12
    with NWBHDF5IO(path) as io:
        units = io.read().units
        assert np.array_equal(units["spike_times"][2], t[3000:44_000])
        assert len(units["spike_times"][1]) == 0
        assert np.array_equal(units["spike_amplitudes_uV"][3], a[44_000:].astype("f4"))


def _index(column: Any, ends: np.ndarray[Any, Any]) -> Any:
    from pynwb.core import VectorIndex

    return VectorIndex(name=f"{column.name}_index", data=ends, target=column)


def series(nwbfile: Any, name: str, later: Later) -> None:
    nwbfile.add_acquisition(
        TimeSeries(name=name, data=later.io, unit="a.u.", rate=1.0, starting_time=0.0)
    )


def test_an_array_of_nothing_needs_no_job(nwbfile: Any, write: Write) -> None:
    series(nwbfile, "empty", Later((0, 4), "f8"))
    with h5py.File(write([])) as found:
        assert found["acquisition/empty/data"].shape == (0, 4)


def test_what_nobody_fills_is_an_error(nwbfile: Any, write: Write) -> None:
    series(nwbfile, "one", Later((100,), "f8"))
    with pytest.raises(ConversionError, match="acquisition/one/data"):
        write([])


@pytest.mark.parametrize("n", [0, 99, 101])
def test_jobs_with_other_numbers_of_rows_are_an_error(nwbfile: Any, write: Write, n: int) -> None:
    later = Later((100,), "f8", chunks=(30,))
    series(nwbfile, "one", later)
    with pytest.raises((JobError, ConversionError)) as caught:
        write([job(later, np.zeros(n), "the wheel")])
    if n:
        assert isinstance(caught.value, JobError)
        assert "the wheel" in str(caught.value.__cause__)
        assert caught.value.job.what == "the wheel"


def test_an_array_in_no_object_is_an_error(write: Write) -> None:
    later = Later((100,), "f8")
    with pytest.raises(JobError) as caught:
        write([job(later, np.zeros(100))])
    assert "in no object of the file" in str(caught.value.__cause__)


def test_a_reader_that_fails_is_said_with_its_job(nwbfile: Any, write: Write) -> None:
    later = Later((100,), "f8")
    series(nwbfile, "one", later)

    def blocks() -> Iterator[tuple[Later, np.ndarray[Any, Any]]]:
        yield later, np.zeros(50)
        raise BadFileError("the rest is missing")

    with pytest.raises(JobError) as caught:
        write([Job(blocks, "spikes", 800)])
    assert isinstance(caught.value.__cause__, BadFileError)


def test_datasets_without_values_are_found(h5: h5py.File) -> None:
    made = h5.create_dataset("a/x", shape=(10, 10), dtype="f8", chunks=(3, 4))
    h5.create_dataset("empty", shape=(0, 10), dtype="f8", chunks=(3, 4), maxshape=(None, 10))
    h5.create_dataset("whole", shape=(10,), dtype="f8")
    assert [one.name for one in unfilled(h5)] == ["/a/x"]
    made[:1] = 1
    assert unfilled(h5) == []


def test_the_index_of_chunks_lies_in_front_of_them(nwbfile: Any, tmp_path: Path) -> None:
    """Reading the last rows takes the index, which is near the beginning, and one chunk."""
    n = 600_000
    later = Later((n,), "f8", chunks=(1000,))
    series(nwbfile, "one", later)
    values = np.random.default_rng(0).normal(size=n)
    path = tmp_path / "made.nwb"
    with skeleton.create(path) as (made, _):
        io = skeleton.write(nwbfile, made)
        fill([job(later, values)], made)
        io.close()

    class Watched(FileIO):
        """A file that knows where it was read."""

        places: ClassVar[list[int]] = []

        def readinto(self, buffer: Any, /) -> int:
            self.places.append(self.tell())
            return super().readinto(buffer)

    with Watched(path) as file, h5py.File(file) as found:
        dataset = found["acquisition/one/data"]
        assert np.array_equal(dataset[-10:], values[-10:])
        info = dataset.id.get_chunk_info(599)
        far = [place for place in file.places if place > 1_000_000]
        assert far == [info.byte_offset]
        assert np.array_equal(dataset[:], values)


def test_any_hdf5_since_1_8_reads_it(nwbfile: Any, write: Write) -> None:
    later = Later((100,), "f8")
    series(nwbfile, "one", later)
    path = write([job(later, np.ones(100))])
    superblock = path.read_bytes()[:9]
    assert superblock == b"\x89HDF\r\n\x1a\n\0"  # version 0, the first


def test_chunks_of_a_large_array_are_of_whole_rows() -> None:
    assert Later((10_000_000,), "f8").chunks == (125_000,)
    assert Later((10, 3), "f4").chunks == (10, 3)
    assert Later((10**6, 384), "i2").chunks == (1302, 384)
    assert Later((100, 384), "i2", chunks=(8192, 64)).chunks == (100, 64)
    assert Later((0, 4), "f8").chunks == (1, 4)


def test_the_structure_of_a_file_lies_in_front(nwbfile: Any, write: Write) -> None:
    """Whoever reads it over a network finds all objects in one request."""
    later = Later((3_000_000,), "f8")
    series(nwbfile, "one", later)
    path = write([job(later, np.random.default_rng(0).normal(size=3_000_000))])
    with h5py.File(path) as found:
        chunks = found["acquisition/one/data"].id
        first = min(chunks.get_chunk_info(n).byte_offset for n in range(chunks.get_num_chunks()))
        offsets: list[int] = []
        found.visititems(lambda name, item: offsets.append(h5py.h5o.get_info(item.id).addr))
    assert max(offsets) < first < 2_000_000 < path.stat().st_size
