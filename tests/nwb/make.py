"""Write NWB files by pynwb that have a bit of everything."""

from __future__ import annotations

import datetime
import warnings
from pathlib import Path

import numpy as np
from hdmf.backends.hdf5.h5_utils import H5DataIO
from hdmf.common import ElementIdentifiers, VectorData, VectorIndex
from pynwb import NWBHDF5IO, NWBFile, TimeSeries
from pynwb.base import Images
from pynwb.behavior import Position, SpatialSeries
from pynwb.ecephys import ElectricalSeries
from pynwb.epoch import TimeIntervals
from pynwb.file import Subject
from pynwb.image import GrayscaleImage, ImageSeries, RGBImage
from pynwb.misc import AnnotationSeries, IntervalSeries, Units
from pynwb.ophys import OpticalChannel, PlaneSegmentation

N_UNITS = 12


def make_nwb(path: Path, *, chunks: bool = False) -> Path:
    """Write a small file with every kind of table, column and series."""
    with warnings.catch_warnings():  # some of what has to be read is no more to be written
        warnings.simplefilter("ignore")
        return _make(path, chunks=chunks)


def _make(path: Path, *, chunks: bool) -> Path:
    rng = np.random.default_rng(1)
    start = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.UTC)
    nwb = NWBFile(
        session_description="a bit of everything, µm and é too",
        identifier="everything",
        session_start_time=start,
        experimenter=["Doe, Jane", "Roe, Richard"],
        lab="the lab",
        institution="the house",
        keywords=["one", "two"],
        session_id="s1",
    )
    nwb.subject = Subject(
        subject_id="m1", species="Mus musculus", sex="F", age="P90D", weight="20 g"
    )

    def kept(data):
        if not chunks:
            return data
        return H5DataIO(data, compression="gzip", chunks=True, shuffle=True)

    _electrodes(nwb)
    series = _series(nwb, rng, kept)
    _units(nwb, rng, kept)
    _intervals(nwb, rng, series)
    _images(nwb, rng)
    with NWBHDF5IO(path, "w") as io:
        io.write(nwb)
    return path


def _electrodes(nwb: NWBFile) -> None:
    device = nwb.create_device("probe00")
    groups = [
        nwb.create_electrode_group(name, description="d", location="VISp", device=device)
        for name in ("shank0", "shank1")
    ]
    nwb.add_electrode_column("label", "a name")
    for i in range(16):
        nwb.add_electrode(
            x=float(i), y=2.0, z=3.0, location=f"VISp{i % 6}", group=groups[i % 2], label=f"é{i}"
        )


def _units(nwb: NWBFile, rng: np.random.Generator, kept) -> None:
    nwb.add_unit_column("quality", "a word")
    nwb.add_unit_column("rate", "a number")
    nwb.add_unit_column("good", "a truth")
    nwb.add_unit_column("amplitudes", "of spikes", index=True)
    nwb.add_unit_column("position", "three numbers")
    for i in range(N_UNITS):
        n = [0, 5, 300][i % 3]
        times = np.sort(rng.uniform(0, 100, n))
        nwb.add_unit(
            id=100 + 7 * i,
            spike_times=times,
            amplitudes=rng.normal(size=n),
            obs_intervals=[[0.0, 50.0], [60.0, 100.0]][: 1 + i % 2],
            electrodes=list(range(i % 3, i % 3 + 2)),
            electrode_group=nwb.electrode_groups[f"shank{i % 2}"],
            waveform_mean=rng.normal(size=(82, 4)),
            waveforms=[[rng.normal(size=5) for _ in range(1 + k % 2)] for k in range(1 + i % 3)],
            quality=["good", "noise"][i % 2],
            rate=float(n),
            good=bool(i % 2),
            position=[1.0 * i, 2.0, 3.0],
        )


def _intervals(nwb: NWBFile, rng: np.random.Generator, series: TimeSeries) -> None:
    nwb.add_trial_column("outcome", "a word")
    nwb.add_trial_column("rewarded", "a truth")
    nwb.add_trial_column("count", "a whole number")
    nwb.add_trial_column("lick_times", "times", index=True)
    for i in range(30):
        nwb.add_trial(
            start_time=float(i),
            stop_time=i + 0.5,
            outcome=["hit", "miss", ""][i % 3],
            rewarded=i % 2 == 0,
            count=i,
            lick_times=list(np.arange(i % 4) + i),
            tags=["a", "b"][: i % 3],
            timeseries=[series, series][: 1 + i % 2],
        )
    nwb.add_epoch(0.0, 10.0, ["first"], [series])
    nwb.add_epoch(10.0, 20.0, ["second", "last"], [series])
    flashes = TimeIntervals(name="flashes_presentations", description="d")
    flashes.add_column("image", "a name")
    for i in range(40):
        flashes.add_interval(start_time=i / 4, stop_time=i / 4 + 0.1, image=f"im{i % 5}")
    flashes.add_column(
        "kind", "of few", data=np.arange(40, dtype=np.uint8) % 3, enum=["grey", "blank", "picture"]
    )
    nwb.add_time_intervals(flashes)
    module = nwb.create_processing_module("results", "what was found")
    inner = TimeIntervals(name="ripples", description="d")
    inner.add_interval(start_time=1.0, stop_time=1.2)
    module.add(inner)
    plane = nwb.create_imaging_plane(
        name="plane",
        optical_channel=OpticalChannel(name="green", description="d", emission_lambda=500.0),
        description="d",
        device=nwb.devices["probe00"],
        excitation_lambda=600.0,
        indicator="GCaMP",
        location="VISp",
        imaging_rate=30.0,
    )
    masks = PlaneSegmentation(name="masks", description="compound", imaging_plane=plane)
    masks.add_roi(voxel_mask=[(1, 2, 3, 0.5), (3, 4, 5, 0.25)])
    masks.add_roi(voxel_mask=[(6, 7, 8, 1.0)])
    module.add(masks)
    nwb.add_scratch(np.arange(5), name="numbers", description="d")


def _series(nwb: NWBFile, rng: np.random.Generator, kept) -> TimeSeries:
    times = np.sort(rng.uniform(0, 100, 5000))
    speed = TimeSeries(
        name="speed", data=kept(rng.normal(size=5000)), timestamps=kept(times), unit="cm/s"
    )
    nwb.add_acquisition(speed)
    nwb.add_acquisition(
        TimeSeries(name="same_times", data=np.arange(5000), timestamps=speed, unit="a")
    )
    nwb.add_acquisition(TimeSeries(name="same_data", data=speed, timestamps=speed, unit="cm/s"))
    nwb.add_acquisition(
        TimeSeries(
            name="steady",
            data=kept(rng.integers(-500, 500, (4000, 3)).astype("i2")),
            starting_time=2.5,
            rate=30.0,
            unit="V",
            conversion=0.5,
            offset=1.0,
        )
    )
    region = nwb.create_electrode_table_region([0, 2, 4], "some")
    nwb.add_acquisition(
        ElectricalSeries(
            name="lfp",
            data=rng.normal(size=(100, 3)),
            electrodes=region,
            starting_time=0.0,
            rate=1000.0,
            conversion=2.0,
            channel_conversion=[1.0, 2.0, 3.0],
        )
    )
    position = SpatialSeries(
        name="speed", data=rng.normal(size=(50, 2)), timestamps=np.arange(50.0), unit="meters"
    )
    nwb.create_processing_module("behavior", "d").add(Position(spatial_series=position))
    nwb.add_acquisition(
        AnnotationSeries(name="notes", data=["start", "ünder", "end"], timestamps=[0.0, 1.0, 2.0])
    )
    nwb.add_acquisition(
        IntervalSeries(name="on_off", data=np.array([1, -1], "i1"), timestamps=[0.0, 1.0])
    )
    nwb.add_acquisition(
        ImageSeries(
            name="video",
            external_file=["v.mp4"],
            format="external",
            rate=25.0,
            unit="n.a.",
            starting_frame=[0],
            num_samples=5,
        )
    )
    return speed


def _images(nwb: NWBFile, rng: np.random.Generator) -> None:
    grey = GrayscaleImage(name="grey", data=rng.integers(0, 255, (10, 12)).astype("u1"))
    colour = RGBImage(name="colour", data=rng.integers(0, 255, (10, 12, 3)).astype("u1"))
    nwb.add_stimulus_template(Images(name="pictures", images=[grey, colour]))


def make_long(path: Path, *, n_units: int = 400, n_spikes: int = 400_000) -> Path:
    """Write a file as programs do, table by table, with large arrays in between."""
    rng = np.random.default_rng(2)
    nwb = NWBFile("d", "long", datetime.datetime(2024, 5, 6, tzinfo=datetime.UTC))
    ends = np.arange(1, n_units + 1) * (n_spikes // n_units)
    nwb.units = Units(
        name="units",
        description="d",
        id=ElementIdentifiers(name="id", data=np.arange(n_units)),
        columns=[
            *_numbers(rng, "a", 12, n_units),
            *_ragged("spike_times", np.sort(rng.uniform(0, 5000, n_spikes)), ends),
            *_ragged("spike_amplitudes", rng.normal(size=n_spikes), ends),
            *_numbers(rng, "b", 12, n_units),
            VectorData(name="quality", description="d", data=["good", "noise"] * (n_units // 2)),
        ],
    )
    for name, n in (("trials", 300), ("flashes_presentations", 2000)):
        columns = [
            VectorData(name="start_time", description="d", data=np.arange(n) * 1.0),
            VectorData(name="stop_time", description="d", data=np.arange(n) + 0.5),
            VectorData(name="image", description="d", data=[f"im{i % 7}" for i in range(n)]),
            *_numbers(rng, "c", 10, n),
        ]
        ids = ElementIdentifiers(name="id", data=np.arange(n))
        nwb.add_time_intervals(TimeIntervals(name=name, description="d", id=ids, columns=columns))
    n = 1 << 21
    nwb.add_acquisition(
        TimeSeries(name="wide", data=np.arange(n), timestamps=np.arange(n) / 1000, unit="a")
    )
    with NWBHDF5IO(path, "w") as io:
        io.write(nwb)
    return path


def _numbers(rng: np.random.Generator, prefix: str, n: int, rows: int) -> list[VectorData]:
    return [
        VectorData(name=f"{prefix}{i}", description="no description", data=rng.normal(size=rows))
        for i in range(n)
    ]


def _ragged(name: str, values: np.ndarray, ends: np.ndarray) -> list[VectorData]:
    data = VectorData(name=name, description="d", data=values)
    return [VectorIndex(name=f"{name}_index", data=ends, target=data), data]
