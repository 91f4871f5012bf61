"""What a session says is what pynwb says, value for value."""

from __future__ import annotations

import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from pynwb import NWBHDF5IO
from tests.nwb.against import compare

from fascicle import nwb


def _compared(path: Path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pynwb's own, of namespaces that it knows otherwise
        with NWBHDF5IO(path, "r", load_namespaces=True) as io, nwb.read(path) as session:
            return compare(session, io.read())


def test_every_real_file(shared: Path) -> None:
    files = sorted((shared / "data" / "nwb").glob("*.nwb"))
    assert files
    for path in files:
        with h5py.File(path) as h5:
            old = "nwb_version" in h5
        if not old:
            seen = _compared(path)
            assert (
                seen["tables"] >= 3 and seen["ragged"] and seen["columns"] > 10 and seen["series"]
            )


@pytest.mark.parametrize("name", ["everything", "packed"])
def test_every_kind_of_table_and_series(name: str, request: pytest.FixtureRequest) -> None:
    seen = _compared(request.getfixturevalue(name))
    assert seen["tables"] == 7 and seen["images"] == 2 and seen["series"] == 9
    assert seen["ragged"] == 11 and seen["columns"] == 26


def test_columns_by_id(everything: Path) -> None:
    with nwb.read(everything) as session:
        times = session.spike_times
        units = session.units
        assert list(times) == list(units.index) == list(times.ids)
        assert len(times) == 12 and 107 in times and 108 not in times and [] not in times
        assert times.counts()[107] == 5 and len(times[100]) == 0
        everywhere = times.all()
        assert everywhere.keys() == set(units.index)
        for unit in units.index:
            np.testing.assert_array_equal(everywhere[unit], times[unit])
        some = times.some([121, 107])
        assert list(some) == [121, 107] and np.array_equal(some[107], times[107])
        assert times.get(5) is None and times.get(107).shape == (5,)
        with pytest.raises(LookupError, match="no row with the id 5"):
            times[5]
        waves = session.column("waveform_mean")
        assert waves[107].shape == (82, 4) and waves.all()[107].shape == (82, 4)
        assert waves.counts()[107] == 82 and waves.some([107])[107].shape == (82, 4)
        licks = session.column("lick_times", "trials")
        assert licks[3].tolist() == [3.0, 4.0, 5.0]


def test_rows_of_ragged_columns(everything: Path) -> None:
    with nwb.read(everything) as session:
        ragged = session.file.ragged("units", "spike_times")
        whole = ragged.all()
        assert ragged.ends[-1] == len(ragged.values) and not ragged.ends.flags.writeable
        for which in ([3, 3, 1], [-1, 0], np.arange(12) % 2 == 0, slice(2, 5), []):
            rows = ragged[which] if isinstance(which, slice) else ragged.rows(which)
            numbers = np.arange(12)[np.asarray(which, int) if isinstance(which, list) else which]
            assert len(rows) == len(numbers)
            for row, number in zip(rows, numbers, strict=True):
                np.testing.assert_array_equal(row, whole[number])
        with pytest.raises(IndexError, match="row 12"):
            ragged[12]
        with pytest.raises(IndexError, match="mask"):
            ragged.rows(np.ones(3, bool))


def test_names_and_paths(everything: Path) -> None:
    with nwb.read(everything) as session:
        assert list(session.intervals) == ["epochs", "flashes_presentations", "trials", "ripples"]
        assert len(session.intervals["ripples"]) == 1
        assert session.table("/processing/results/ripples").equals(session.intervals["ripples"])
        assert len(session.intervals["processing/results/ripples"]) == 1
        assert "speed" not in session.series  # two have that name
        with pytest.raises(LookupError, match="2 time series called 'speed'"):
            session.series["speed"]
        assert session.series["Position/speed"].unit == "meters"
        assert session.series["acquisition/speed"].unit == "cm/s"
        with pytest.raises(LookupError, match="did you mean 'steady'"):
            session.series["stedy"]
        with pytest.raises(LookupError, match="no column 'qualty'"):
            session.table("units", ["qualty"])
        with pytest.raises(LookupError, match="has no invalid_times"):
            session.table("invalid_times")
        assert session.series.get("nothing") is None and 5 not in session.series
        assert set(session.images) == {"grey", "colour"}
        assert session.images["colour"].shape == (10, 12, 3)


def test_samples_between_two_times(everything: Path) -> None:
    with nwb.read(everything) as session:
        for name in ("acquisition/speed", "steady", "lfp", "same_times", "Position/speed"):
            series = session.series[name]
            times, data = series.timestamps, series.data[:]
            for start, stop in [(10, 20), (-5, 3), (40, 400), (7, 7), (9, 8), (0, times[30])]:
                inside = (times >= start) & (times <= stop)
                found = series.between(start, stop)
                np.testing.assert_array_equal(found.timestamps, times[inside])
                np.testing.assert_array_equal(found.data, data[inside])
        steady = session.series["steady"]
        raw = steady.between(3, 4)
        np.testing.assert_array_equal(
            steady.between(3, 4, in_units=True).data, raw.data * 0.5 + 1.0
        )
        lfp = session.series["lfp"]
        np.testing.assert_allclose(lfp.in_units(), lfp.data[:] * 2.0 * np.array([1.0, 2.0, 3.0]))
        frame = steady.frame(3, 4)
        assert frame.shape == raw.data.shape and frame.index.name == "timestamps"
        assert session.series["acquisition/speed"].frame().columns.tolist() == ["data"]
        assert session.series["notes"].between(0, 1).data.tolist() == ["start", "ünder"]


def test_samples_of_very_long_series(tmp_path: Path, everything: Path, harmed) -> None:
    rng = np.random.default_rng(0)
    n = 1_500_000
    times = np.sort(np.concatenate([rng.uniform(0, 10, n // 2), rng.uniform(500, 1000, n // 2)]))
    times[1000:1400] = times[1000]  # the same one often
    with harmed() as h5:
        group = h5["acquisition"].create_group("long")
        group.attrs.update({"neurodata_type": "TimeSeries", "namespace": "core"})
        group["timestamps"], group["data"] = times, np.arange(n)
        path = h5.filename
    with nwb.read(path) as session:
        series = session.series["acquisition/long"]
        for start, stop in [
            *((t, t + 0.1) for t in rng.uniform(-1, 1001, 40)),
            (times[1000], times[1000]),
            (-1, 2000),
            (20, 30),
            (times[-1], 5000),
            (times[0], times[0]),
        ]:
            found = series.between(start, stop)
            first, last = np.searchsorted(times, start), np.searchsorted(times, stop, "right")
            np.testing.assert_array_equal(found.data, np.arange(first, last))


def test_times_in_no_order(harmed) -> None:
    with harmed() as h5:
        h5["acquisition/speed/timestamps"][:3] = [50.0, 1.0, np.nan]
        path = h5.filename
    with nwb.read(path) as session:
        series = session.series["acquisition/speed"]
        times = series.timestamps
        inside = (times >= 10) & (times <= 60)
        np.testing.assert_array_equal(series.between(10, 60).timestamps, times[inside])


def test_lazy_arrays(everything: Path) -> None:
    with nwb.read(everything) as session:
        data = session.series["steady"].data
        assert data.shape == (4000, 3) and data.ndim == 2 and len(data) == 4000
        assert data.size == 12000 and data.nbytes == 24000 and data.dtype == np.int16
        assert np.asarray(data).shape == (4000, 3) and data[5].shape == (3,)
        assert np.mean(data) == np.mean(data[:])
        with pytest.raises(ValueError, match="makes a copy"):
            np.array(data, copy=False)
        with pytest.raises(TypeError, match="single value"):
            len(session.file.lazy("identifier"))
        assert "4000" in repr(data)


def test_what_the_file_says(everything: Path) -> None:
    with nwb.read(everything) as session:
        about = session.metadata
        assert about["experimenter"] == ["Doe, Jane", "Roe, Richard"]
        assert about["session_description"] == "a bit of everything, µm and é too"
        assert about["keywords"] == ["one", "two"] and about["nwb_version"].startswith("2.")
        assert session.subject["age"] == "P90D" and session.subject["sex"] == "F"
        page = session._repr_html_()
        for word in ("everything.nwb", "/units: 12 rows", "waveforms", "m1", "steady", "grey"):
            assert word in page
        assert repr(session) == f"<NwbSession everything.nwb, NWB 2.11.0, {_size(everything)}>"
        units = session.units
        units["quality"] = 0  # a copy: what was read stays
        assert session.units["quality"].iloc[0] == "good"
    assert repr(session) == "<NwbSession everything.nwb, not open>"
    assert "not open" in session._repr_html_()
    with pytest.raises(ValueError, match="is closed"):
        session.file.array("identifier")


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1000:.1f} kB"


def test_an_extension_that_nobody_knows(extended: Path) -> None:
    with nwb.read(extended) as session:
        blinks = session.series["blinks"]
        assert blinks.kind == "BlinkSeries" and blinks.data[:].tolist() == [1.0, 2.0]
        assert session.file.array("acquisition/blinks/area").tolist() == [5.0, 6.0]
        assert session.metadata["rig"] == {"rig": "NP.1"}
        theirs = session.nwb()
        assert theirs.acquisition["blinks"].area[:].tolist() == [5.0, 6.0]
        assert type(theirs.acquisition["blinks"]).__name__ == "BlinkSeries"
        assert session.nwb() is theirs


@pytest.mark.filterwarnings("ignore:EnumData is experimental")
def test_pynwb_and_the_session_share_nothing_that_closes(everything: Path) -> None:
    session = nwb.read(everything)
    theirs = session.nwb()
    assert theirs.units["spike_times"][2].shape == (300,)
    session._io.close()
    assert len(session.units) == 12
    session.close()
