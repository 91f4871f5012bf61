"""Raw recordings in NWB files: the same counts, the right electrodes, volts and times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nwb.parts.rawdata import RATE, STEM, Rig, nwb_of, probe_meta, samples

from fascicle.analysis.snippets import Clock
from fascicle.demo.raw import write_cbin
from fascicle.load import open_cbin
from fascicle.nwb.parts.clock import line_of
from fascicle.nwb.parts.recording import aligned, rows_of_chunk

AP = "acquisition/ElectricalSeriesAp_probe00"
CBIN = f"raw_ephys_data/probe00/{STEM}.imec0.ap.cbin"


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "lab")


def said(report: object, word: str) -> bool:
    """Return whether the report says a word of a dataset or of the session."""
    return word in str(report.to_dict())  # type: ignore[attr-defined]


@pytest.mark.parametrize("packed", [True, False])
def test_counts_volts_and_electrodes(rig: Rig, packed: bool) -> None:
    data = samples(7000, 6)
    gains = [500, 500, 250, 500, 500, 1000]
    file = rig.write(data, probe_meta(6, gains=gains), packed=packed)
    rig.channels([5, 4, 3, 2, 1, 0])
    with nwb_of(rig) as (h5, report):
        series = h5[AP]
        np.testing.assert_array_equal(series["data"][:], data[:, :6])
        assert series["data"].dtype == np.int16
        np.testing.assert_array_equal(h5["acquisition/SyncAp_probe00/data"][:], data[:, 6])
        volts = open_cbin(file).volts(0, 100)
        factor = series["data"].attrs["conversion"] * series["channel_conversion"][:]
        np.testing.assert_allclose(series["data"][:100] * factor, volts, rtol=1e-6)
        assert series["electrodes"][:].tolist() == [5, 4, 3, 2, 1, 0]
    taken = {one.dataset for one in report.took}
    assert f"raw_ephys_data/probe00/{file.name}" in taken


def test_one_gain_needs_no_factor_for_each_channel(rig: Rig) -> None:
    rig.write(samples(100, 4), probe_meta(4))
    rig.channels([0, 1, 2, 3])
    with nwb_of(rig) as (h5, _):
        assert "channel_conversion" not in h5[AP]
        assert h5[AP]["data"].attrs["conversion"] == 0.6 / 512 / 500


@pytest.mark.parametrize(("loud", "shuffled"), [(3, False), (40, True)])
def test_bytes_are_shuffled_where_that_is_smaller(rig: Rig, loud: float, shuffled: bool) -> None:
    data = samples(15000, 64)
    data[:, :64] = np.rint(np.random.default_rng(1).normal(0, loud, (15000, 64)))
    rig.write(data, probe_meta(64))
    rig.channels(list(range(64)))
    with nwb_of(rig) as (h5, _):
        assert h5[AP]["data"].shuffle is shuffled
        assert h5[AP]["data"].chunks == (15000, 64)
        np.testing.assert_array_equal(h5[AP]["data"][:], data[:, :64])


def test_lf_beside_ap(rig: Rig) -> None:
    ap, lf = samples(6000, 4), samples(500, 4, seed=1)
    rig.write(ap, probe_meta(4))
    rig.write(lf, probe_meta(4, rate=2500.0), stream="imec0.lf", rate=2500.0, packed=False)
    rig.channels([0, 1, 2, 3])
    # Samples of the AP band: the LF band has one for twelve of these.
    rig.points([[0.0, 1.0], [6000.0, 1.2]], "timestamps")
    with nwb_of(rig) as (h5, _):
        series = h5["acquisition/ElectricalSeriesLf_probe00"]
        np.testing.assert_array_equal(series["data"][:], lf[:, :4])
        assert series["data"].attrs["conversion"] == 0.6 / 512 / 250
        assert series["starting_time"][()] == 1.0
        assert series["starting_time"].attrs["rate"] == pytest.approx(2500.0, rel=1e-12)
        np.testing.assert_array_equal(h5["acquisition/SyncLf_probe00/data"][:], lf[:, 4])


# -- times -----------------------------------------------------------------------------------------


def test_a_straight_clock_is_a_rate(rig: Rig) -> None:
    rig.write(samples(3000, 2), probe_meta(2))
    rig.channels([0, 1])
    rig.points([[0.5, 10.5], [100.5, 110.503], [200.5, 210.506]])
    with nwb_of(rig) as (h5, _):
        start = h5[AP]["starting_time"]
        assert start[()] == pytest.approx(10.5 - 0.5 * 1.00003, abs=1e-9)
        assert start.attrs["rate"] == pytest.approx(30000 / 1.00003, rel=1e-12)
        assert "timestamps" not in h5[AP]
        assert "straight line through 3 points" in h5[AP].attrs["comments"]
        clock = h5["processing/ecephys/Clock_probe00"]
        np.testing.assert_array_equal(clock["data"][:], [0.5, 100.5, 200.5])
        np.testing.assert_array_equal(clock["timestamps"][:], [10.5, 110.503, 210.506])


def test_a_bent_clock_has_each_time(rig: Rig) -> None:
    data = samples(9000, 2)
    rig.write(data, probe_meta(2))
    rig.channels([0, 1])
    known = np.array([[-100.0, 2.0], [2000.0, 2.07], [5000.5, 2.171], [8000.0, 2.27]])
    rig.points(known, "timestamps")
    with nwb_of(rig) as (h5, _):
        times = h5[AP]["timestamps"][:]
        at = np.arange(9000.0)
        inside = at < 8000
        np.testing.assert_allclose(times[inside], np.interp(at[inside], *known.T), atol=1e-12)
        last = (known[-1, 1] - known[-2, 1]) / (known[-1, 0] - known[-2, 0])
        np.testing.assert_allclose(times[~inside], 2.27 + (at[~inside] - 8000) * last, atol=1e-12)
        assert "starting_time" not in h5[AP]
        assert "one for each sample" in h5[AP].attrs["comments"]
        sync = h5["acquisition/SyncAp_probe00"]
        assert sync.get("timestamps", getlink=True).path == f"/{AP}/timestamps"
        np.testing.assert_array_equal(h5[AP]["data"][:], data[:, :2])


def test_no_clock_is_said(rig: Rig) -> None:
    rig.write(samples(500, 2), probe_meta(2))
    rig.channels([0, 1])
    with nwb_of(rig) as (h5, report):
        assert h5[AP]["starting_time"][()] == 0.0
        assert h5[AP]["starting_time"].attrs["rate"] == RATE
        assert "nothing says" in h5[AP].attrs["comments"]
    assert said(report, "nothing tells its clock")


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([[0.0, 5.0], [np.nan, 6.0], [1.0, 6.0]], "1 of its 3 points"),
        ([[0.0, 5.0], [1.0, 6.0], [1.0, 7.0], [2.0, 7.0]], "1 of its 4 points"),
        ([[0.0, 5.0], [np.nan, 6.0]], "fewer than two points"),
        ([[0.0, 5.0, 1.0]], "has the shape"),
        ([0.0, 5.0], "has the shape"),
    ],
)
def test_points_that_are_no_use(rig: Rig, points: list[object], words: str) -> None:
    rig.write(samples(500, 2), probe_meta(2))
    rig.channels([0, 1])
    rig.points(points)
    with nwb_of(rig) as (h5, report):
        usable = "of its" in words
        assert h5[AP]["starting_time"][()] == (5.0 if usable else 0.0)
        assert h5[AP]["starting_time"].attrs["rate"] == pytest.approx(RATE)
    assert said(report, words)
    assert any(one.dataset.endswith("sync.npy") for one in report.took)  # all the same


@given(
    st.lists(st.floats(-1e-4, 1e-4), min_size=0, max_size=8),
    st.integers(2, 10_000_000),
)
def test_the_error_of_a_line_is_the_true_one(bends: list[float], n: int) -> None:
    sample = np.linspace(-1000, 1.2 * n, len(bends) + 2)
    second = sample / RATE * 1.00002 + 3
    second[1:-1] += bends
    clock = Clock(sample, second, synchronised=True)
    line = line_of(clock, n)
    at = np.unique(np.linspace(0, n - 1, 5000).astype(np.int64)).astype(float)
    off = np.abs(clock.times(at) - (line.start + at / line.rate)) * line.rate
    assert off.max() <= line.error * (1 + 1e-6) + 1e-3


# -- what does not fit -----------------------------------------------------------------------------


def test_channels_without_an_electrode_are_beside(rig: Rig) -> None:
    data = samples(2000, 6)
    rig.write(data, probe_meta(6))
    rig.channels([4, 2, 0])
    with nwb_of(rig) as (h5, report):
        np.testing.assert_array_equal(h5[AP]["data"][:], data[:, [0, 2, 4]])
        assert h5[AP]["electrodes"][:].tolist() == [2, 1, 0]
        beside = h5["acquisition/SyncAp_probe00"]
        np.testing.assert_array_equal(beside["data"][:], data[:, [1, 3, 5, 6]])
        assert "1, 3, 5" in beside.attrs["description"]
    assert said(report, "3 of its 6 channels have no electrode")


def test_without_meta_all_are_counts(rig: Rig) -> None:
    data = samples(2000, 3)
    rig.write(data, "")
    with nwb_of(rig) as (h5, report):
        series = h5[AP]
        assert series.attrs["neurodata_type"] == "TimeSeries"
        np.testing.assert_array_equal(series["data"][:], data)
        assert series["data"].attrs["unit"] == "n.a."
    assert said(report, "neither gains nor digital channels are known")


def harm(rig: Rig, how: str) -> str:
    """Harm a recording; return what is said of it."""
    file = rig.session / CBIN
    if how == "cut short":
        file.write_bytes(file.read_bytes()[:-100])
    elif how == "damaged":
        data = bytearray(file.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 500] = b"\xff" * 500
        file.write_bytes(data)
    elif how == "does not describe":
        file.with_suffix(".ch").write_text('{"dtype": "int16"}')
    elif how == "is empty":
        file.write_bytes(b"")
    elif how == "counts 9 channels":
        file.with_suffix(".meta").write_text(probe_meta(8))
    elif how == "without it a .cbin cannot be decoded":
        file.with_suffix(".ch").unlink()
    elif how == "does not tell volts":
        file.with_suffix(".meta").write_text(probe_meta(4).replace("imAiRangeMax", "im"))
    return how


@pytest.mark.parametrize(
    "how",
    [
        "cut short",
        "damaged",
        "does not describe",
        "is empty",
        "counts 9 channels",
        "without it a .cbin cannot be decoded",
        "does not tell volts",
    ],
)
def test_a_harmed_recording_is_left_out_and_the_rest_is_not(rig: Rig, how: str) -> None:
    rig.write(samples(7000, 4), probe_meta(4))
    lf = samples(500, 4)
    rig.write(lf, probe_meta(4, rate=2500.0), stream="imec0.lf", rate=2500.0)
    rig.channels([0, 1, 2, 3])
    words = harm(rig, how)
    with nwb_of(rig) as (h5, report):
        assert AP not in h5
        assert "acquisition/SyncAp_probe00" not in h5
        np.testing.assert_array_equal(
            h5["acquisition/ElectricalSeriesLf_probe00/data"][:], lf[:, :4]
        )
    assert words in report.left_out[CBIN]
    assert said(report, words)
    assert CBIN not in {one.dataset for one in report.took}


def test_a_flat_file_that_ends_within_a_sample(rig: Rig) -> None:
    file = rig.write(samples(700, 4), probe_meta(4), packed=False)
    rig.channels([0, 1, 2, 3])
    file.write_bytes(file.read_bytes()[:-3])
    with nwb_of(rig) as (h5, report):
        assert "acquisition" not in h5 or not len(h5["acquisition"])
    assert "ends within a sample" in report.left_out[CBIN.replace("cbin", "bin")]


def test_a_flat_file_that_is_shorter_than_said(rig: Rig) -> None:
    data = samples(700, 4)
    rig.write(data, probe_meta(4) + "fileSizeBytes=70000\n", packed=False)
    rig.channels([0, 1, 2, 3])
    with nwb_of(rig) as (h5, report):
        np.testing.assert_array_equal(h5[AP]["data"][:], data[:, :4])
    assert said(report, "not the whole recording")


def test_raw_recordings_can_be_left_out(rig: Rig) -> None:
    rig.write(samples(700, 4), probe_meta(4))
    rig.channels([0, 1, 2, 3])
    with nwb_of(rig, raw=False) as (h5, report):
        assert AP not in h5
    assert CBIN in report.left_out


def test_packed_and_flat_are_one_recording(rig: Rig) -> None:
    data = samples(700, 4)
    rig.write(data, probe_meta(4))
    rig.write(data, "", packed=False)
    rig.channels([0, 1, 2, 3])
    with nwb_of(rig) as (h5, report):
        assert sorted(h5["acquisition"]) == ["ElectricalSeriesAp_probe00", "SyncAp_probe00"]
    assert "the same recording" in report.left_out[CBIN.replace("cbin", "bin")]


def test_two_runs_of_a_probe_have_names_of_their_own(rig: Rig) -> None:
    data = samples(700, 4)
    file = rig.write(data, probe_meta(4))
    for one in (file, file.with_suffix(".meta"), file.with_suffix(".ch")):
        one.with_name(one.name.replace("g0", "g1")).write_bytes(one.read_bytes())
    rig.channels([0, 1, 2, 3])
    with nwb_of(rig) as (h5, _):
        assert {f"ElectricalSeriesAp_probe00_g{g}_t0" for g in (0, 1)} < set(h5["acquisition"])


# -- blocks ----------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 400), st.integers(1, 900))
def test_blocks_are_whole_chunks(
    tmp_path_factory: pytest.TempPathFactory, n: int, chunk: int, rows: int
) -> None:
    data = samples(n, 2)
    file = tmp_path_factory.mktemp("blocks") / "a.ap.cbin"
    write_cbin(file, data, sample_rate=1.0, chunk_seconds=chunk)
    blocks = list(aligned(open_cbin(file), rows))
    np.testing.assert_array_equal(np.concatenate([block for _, block in blocks]), data)
    assert all(len(block) % rows == 0 for _, block in blocks[:-1])
    starts = np.cumsum([0, *(len(block) for _, block in blocks)])
    assert [first for first, _ in blocks] == starts[:-1].tolist()


@pytest.mark.parametrize(
    ("length", "channels", "rows"),
    [(30000, 384, 15000), (2500, 384, 15000), (29999, 384, 15625), (30000, 2, 480000)],
)
def test_chunks_make_up_what_is_decoded_at_once(
    tmp_path: Path, length: int, channels: int, rows: int
) -> None:
    file = tmp_path / "a.ap.cbin"
    write_cbin(file, np.zeros((500_000, 1), np.int16), sample_rate=1.0, chunk_seconds=length)
    assert rows_of_chunk(open_cbin(file), channels) == rows
