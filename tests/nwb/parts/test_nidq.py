"""Auxiliary inputs in NWB files: words, voltages, and when each line changed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nwb.parts.rawdata import RATE, STEM, Rig, nidq_meta, nwb_of

from fascicle.demo.raw import write_cbin
from fascicle.load import open_cbin
from fascicle.nwb.parts.nidq import edges

NIDQ = f"raw_ephys_data/{STEM}.nidq.cbin"


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "lab")


def inputs(n: int = 5000, analog: int = 2) -> np.ndarray:
    """Return counts of some voltages and a word: bit 0 and bit 3 and bit 15 change."""
    rng = np.random.default_rng(3)
    at = np.arange(n)
    word = (at // 100 % 2) | (at // 250 % 2) << 3 | (at >= 4000).astype(int) << 15
    volts = rng.integers(-30000, 30000, (n, analog))
    return np.column_stack([volts, word]).astype(np.uint16).view(np.int16)


@pytest.mark.parametrize("packed", [True, False])
def test_voltages_words_and_events(rig: Rig, packed: bool) -> None:
    data = inputs()
    file = rig.write(data, nidq_meta(2), stream="nidq", packed=packed)
    rig.wire({"P0.0": "left_camera", "P0.3": "frame2ttl", "P0.4": None}, {"AI0": "bpod"})
    rig.points([[0.0, 2.0], [5000.0, 2.0 + 5000 / RATE]], "timestamps", ".nidq")
    with nwb_of(rig) as (h5, report):
        analog = h5["acquisition/NidqAnalog"]
        np.testing.assert_array_equal(analog["data"][:], data[:, :2])
        assert analog["data"].attrs["unit"] == "volts"
        volts = analog["data"][:] * analog["data"].attrs["conversion"]
        np.testing.assert_allclose(volts, open_cbin(file).volts(), rtol=1e-6)
        assert "0 bpod, 1 (not named)" in analog.attrs["description"]
        assert analog["starting_time"][()] == pytest.approx(2.0)
        words = h5["acquisition/NidqDigital"]
        np.testing.assert_array_equal(words["data"][:], data[:, 2])
        assert "3 frame2ttl" in words.attrs["description"]
        assert sorted(h5["events"]) == ["nidq_P0.15", "nidq_frame2ttl", "nidq_left_camera"]
        for name, bit in (("left_camera", 0), ("frame2ttl", 3), ("P0.15", 15)):
            level = data[:, 2].view(np.uint16) >> bit & 1
            at = np.flatnonzero(np.diff(level.astype(int))) + 1
            table = h5[f"events/nidq_{name}"]
            np.testing.assert_allclose(table["timestamp"][:], 2.0 + at / RATE, atol=1e-12)
            np.testing.assert_array_equal(table["is_high"][:], level[at])
    taken = {one.dataset for one in report.took}
    assert {NIDQ if packed else NIDQ.replace("cbin", "bin")} < taken
    assert any(one.endswith("wiring.json") for one in taken)


def test_many_events(rig: Rig) -> None:
    data = np.arange(40_000, dtype=np.int16)[:, None] % 2  # a change with each sample
    rig.write(data, nidq_meta(0), stream="nidq", packed=False)
    with nwb_of(rig) as (h5, _):
        table = h5["events/nidq_P0.0"]
        assert table["timestamp"].chunks is not None
        np.testing.assert_allclose(table["timestamp"][:], np.arange(1, 40_000) / RATE, atol=1e-9)
        np.testing.assert_array_equal(table["is_high"][:], np.arange(1, 40_000) % 2 == 1)
        np.testing.assert_array_equal(table["id"][:], np.arange(39_999))


def test_words_alone(rig: Rig) -> None:
    words = np.column_stack([inputs(analog=0)[:, 0], np.arange(5000, dtype=np.int16)])
    rig.write(words, nidq_meta(0, words=2), stream="nidq")
    with nwb_of(rig) as (h5, _):
        np.testing.assert_array_equal(h5["acquisition/NidqDigital/data"][:], words)
        assert "acquisition/NidqAnalog" not in h5
        assert "nidq_P0.16" in h5["events"]  # the first bit of the second word
        assert len(h5["events/nidq_P0.16/timestamp"]) == 4999


def test_without_meta_all_are_counts(rig: Rig) -> None:
    data = inputs()
    rig.write(data, "", stream="nidq")
    with nwb_of(rig) as (h5, report):
        np.testing.assert_array_equal(h5["acquisition/NidqDigital/data"][:], data)
        assert "events" not in h5 or not len(h5["events"])
    assert "no .meta lies beside it" in str(report.to_dict())


@pytest.mark.parametrize("wiring", ["no json", "[]", '{"SYNC_WIRING_DIGITAL": 3}'])
def test_wiring_that_tells_nothing(rig: Rig, wiring: str) -> None:
    rig.write(inputs(), nidq_meta(2), stream="nidq")
    rig.session.joinpath(f"raw_ephys_data/{STEM}.nidq.wiring.json").write_text(wiring)
    with nwb_of(rig) as (h5, report):
        assert sorted(h5["events"]) == ["nidq_P0.0", "nidq_P0.15", "nidq_P0.3"]
    assert "does not tell what is wired" in str(report.to_dict())


def test_gains_that_differ_are_said(rig: Rig) -> None:
    data = inputs(analog=2)
    meta = nidq_meta(2).replace("snsMnMaXaDw=0,0,2,1", "snsMnMaXaDw=1,0,1,1")
    rig.write(data, meta, stream="nidq")
    with nwb_of(rig) as (h5, _):
        series = h5["acquisition/NidqAnalog"]
        assert series["data"].attrs["unit"] == "n.a."
        assert series["data"].attrs["conversion"] == 1.0
        assert (
            "volts of one count, by column: 7.62939e-07, 0.000152588"
            in (series.attrs["description"])
        )


def test_a_real_description(rig: Rig, shared: Path) -> None:
    meta = (shared / "data/spikeglx_meta/sample3B_g0_t0.nidq.meta").read_text()
    data = inputs(analog=1)
    rig.write(data, meta, stream="nidq", rate=30003.0003, packed=False)
    with nwb_of(rig) as (h5, report):
        series = h5["acquisition/NidqAnalog"]
        np.testing.assert_array_equal(series["data"][:], data[:, :1])
        assert series["data"].attrs["conversion"] == 5 / 32768
        assert series["starting_time"].attrs["rate"] == pytest.approx(30003.0003, rel=1e-12)
    assert "not the whole recording" in str(report.to_dict())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=40), st.integers(1, 7))
def test_edges_are_those_of_each_line(
    tmp_path_factory: pytest.TempPathFactory, values: list[int], chunk: int
) -> None:
    words = np.array(values, "<u4").view("<i2").reshape(-1, 2)
    file = tmp_path_factory.mktemp("edges") / "a.nidq.cbin"
    write_cbin(file, words, sample_rate=1.0, chunk_seconds=chunk)
    found = edges(open_cbin(file), 0)
    for bit in range(32):
        level = np.array([value >> bit & 1 for value in values])
        at = np.flatnonzero(np.diff(level)) + 1
        got, high = found.get(bit, (np.zeros(0), np.zeros(0)))
        assert got.tolist() == at.tolist()
        assert high.tolist() == (level[at] == 1).tolist()


# -- edges that were found before ------------------------------------------------------------------


def extracted(rig: Rig, folder: str = "raw_ephys_data", extra: str = "") -> dict[str, np.ndarray]:
    found = {
        "times": np.array([0.5, 0.75, 1.25]),
        "channels": np.array([3, 3, 16], np.int16),
        "polarities": np.array([1, -1, 1], np.int8),
    }
    for name, values in found.items():
        rig.save(f"{folder}/_spikeglx_sync.{name}{extra}.npy", values)
    return found


def test_extracted_edges_are_events(rig: Rig) -> None:
    found = extracted(rig)
    with nwb_of(rig) as (h5, report):
        table = h5["events/SyncEdges"]
        assert table.attrs["neurodata_type"] == "EventsTable"
        for name, column in (("times", "timestamp"), ("channels",) * 2, ("polarities",) * 2):
            np.testing.assert_array_equal(table[column][:], found[name])
            assert table[column].dtype == found[name].dtype
    assert {f"raw_ephys_data/_spikeglx_sync.{name}.npy" for name in found} <= {
        one.dataset for one in report.took
    }


def test_edges_in_a_probes_clock_are_no_events(rig: Rig) -> None:
    found = extracted(rig, "raw_ephys_data/probe00", ".probe00")
    with nwb_of(rig) as (h5, _):
        table = h5["processing/ecephys/SyncEdges_probe00"]
        np.testing.assert_array_equal(table["times"][:], found["times"])
        assert "clock of this probe" in table.attrs["description"]
        assert "events" not in h5 or "SyncEdges" not in h5["events"]


def test_edges_in_another_clock_are_no_events(rig: Rig) -> None:
    found = extracted(rig)
    rig.write(inputs(), nidq_meta(2), stream="nidq")
    rig.points([[0.0, 7.0], [10.0, 17.0]], "sync", ".nidq")
    with nwb_of(rig) as (h5, report):
        assert "SyncEdges" not in h5["events"]
        table = h5["processing/ecephys/SyncEdges"]
        np.testing.assert_array_equal(table["timestamp"][:], found["times"])
    assert "is not that of the session" in str(report.to_dict())


def test_edges_of_different_lengths(rig: Rig) -> None:
    extracted(rig)
    rig.save("raw_ephys_data/_spikeglx_sync.polarities.npy", np.array([1, -1], np.int8))
    with nwb_of(rig) as (h5, report):
        assert h5["events/SyncEdges"].attrs["colnames"].tolist() == ["timestamp", "channels"]
    assert "does not fit those beside it" in str(report.to_dict())
    assert any("polarities" in one.dataset for one in report.took)
