"""Units: trains that rise, metrics and waveforms beside them, and all of it back as it was."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pynwb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.nwb.parts.ephys import PARTS, SORTING, Converted, channels, clusters, spikes
from tests.nwb.parts.sessions import (
    CHECKS,
    assert_clean,
    converted,
    make_session,
    offered,
    warned,
)

from fascicle.errors import ConversionError

OTHER = "alf/probe01/pykilosort"


def put(name: str, values: Any, folder: str = SORTING) -> dict[str, Any]:
    return {f"{folder}/{name}": values}


def metrics(n: int = 4) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "cluster_id": np.arange(n),
            "uuids": [f"u{k}" for k in range(n)],
            "label": np.linspace(0, 1, n),
            "amp_median": np.linspace(5e-5, 1e-4, n),
            "spike_count": np.arange(n, dtype=np.int32),
            "slidingRP_viol": np.arange(n) > 1,
            "ks2_label": ["good", "mua"] * (n // 2),
            "drift": [np.nan] * n,
        }
    )


def test_two_probes(tmp_path: Path) -> None:
    files = channels() | clusters() | spikes() | put("clusters.metrics.pqt", metrics())
    files |= channels(6, OTHER) | clusters(3, OTHER) | spikes(90, (0, 2), OTHER, 5)
    files |= put("clusters.uuids.csv", "uuids\nu0\nu1\nu2\nu3\n")
    made = Converted(tmp_path, files, check=CHECKS)
    assert_clean(made.report)
    made.check()
    assert not warned(made.report)
    times = files[f"{SORTING}/spikes.times.npy"]
    of = files[f"{SORTING}/spikes.clusters.npy"]
    for unit in range(3):
        assert np.array_equal(made.train("spike_times", unit), times[of == unit])
        amps = files[f"{SORTING}/spikes.amps.npy"][of == unit]
        assert np.allclose(made.train("spike_amplitudes_uV", unit), amps * 1e6, rtol=1e-14)
        samples = files[f"{SORTING}/spikes.samples.npy"][of == unit]
        assert np.array_equal(made.train("spike_samples", unit), samples)
    assert not len(made.train("spike_times", 3))  # a cluster without spikes has its row
    assert made.array("units/probe_name").tolist() == ["probe00"] * 4 + ["probe01"] * 3
    assert made.array("units/cluster_id").tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert made.array("units/max_electrode").tolist() == [0, 2, 4, 6, 8, 10, 12]
    assert made.array("units/cluster_uuid").tolist() == ["u0", "u1", "u2", "u3", "", "", ""]
    assert made.array("units/ibl_quality_score")[3] == 1
    assert np.isnan(made.array("units/ibl_quality_score")[4:]).all()
    assert made.array("units/median_spike_amplitude_uV")[0] == pytest.approx(50)
    assert made.array("units/amps")[0] == 1e-4
    # 200 um around channel 0 are the first three rows of two channels.
    assert made.train("electrodes", 0).tolist() == [0, 1, 2, 3, 4]
    with h5py.File(made.path) as file:
        assert file["units/spike_times"].attrs["resolution"] == pytest.approx(1 / 30000)
        assert file["units/spike_times_index"].dtype == np.uint16
        spans = file["units/obs_intervals"][:]
    for unit in range(7):
        train = made.train("spike_times", unit)
        assert ((train >= spans[unit, 0]) & (train <= spans[unit, 1])).all()
    with pynwb.NWBHDF5IO(made.path, "r") as io:
        units = io.read().units
        assert units["electrode_group"][6].name == "Probe01"
        assert units["electrodes"][4]["probe_name"].tolist()[0] == "probe01"


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.5, 0.5001, 7.25]), st.sampled_from([0, 1, 5, 40])),
        min_size=1,
        max_size=30,
    ),
    st.booleans(),
)
def test_any_order_comes_back(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[float, int]], known: bool
) -> None:
    files = put("spikes.times.npy", np.array([t for t, _ in pairs]))
    files |= put("spikes.clusters.npy", np.array([c for _, c in pairs], np.uint16))
    files |= put("spikes.number.npy", np.arange(len(pairs), dtype=np.int16))
    if known:
        files |= clusters(6)
    made = Converted(tmp_path_factory.mktemp("order"), files)
    made.check()
    ids = made.array("units/cluster_id").tolist()
    expected = sorted({c for _, c in pairs} | (set(range(6)) if known else set()))
    assert ids == expected
    for row, one in enumerate(ids):
        assert made.train("spike_times", row).tolist() == sorted(t for t, c in pairs if c == one)
    extra = [c for c in ids if c > 5]
    said = [w for lines in warned(made.report).values() for w in lines]
    assert (f"{len(extra)} units are in no row of clusters" in " ".join(said)) == bool(
        known and extra
    )


@pytest.mark.parametrize(
    ("rate", "samples", "expected"),
    [(25000, False, 25000), (12345, True, 12345), (30000.4, True, 30000), (12345, False, 30000)],
)
def test_how_finely_spikes_are_sampled(
    tmp_path: Path, rate: float, samples: bool, expected: float
) -> None:
    files = spikes()
    name = f"{SORTING}/spikes.samples.npy"
    files[f"{SORTING}/spikes.times.npy"] = files[name] / rate
    if not samples:
        del files[name]
    made = Converted(tmp_path, files)
    made.check()
    with h5py.File(made.path) as file:
        assert 1 / file["units/spike_times"].attrs["resolution"] == pytest.approx(expected)
    assumed = any("30000 Hz is assumed" in note.text for note in made.report.notes)
    assert assumed == (rate == 12345 and not samples)


def test_spikes_alone(tmp_path: Path) -> None:
    made = Converted(tmp_path, spikes(ids=(7, 3, 200)), check=CHECKS)
    assert_clean(made.report)
    made.check()
    assert made.array("units/cluster_id").tolist() == [3, 7, 200]
    assert made.names("units").isdisjoint({"electrodes", "max_electrode"})


def test_clusters_alone_are_no_units(tmp_path: Path) -> None:
    files = channels() | clusters() | put("clusters.metrics.pqt", metrics())
    files |= put("clusters.waveforms.npy", np.ones((4, 5, 2), np.float32))
    files |= clusters(3, OTHER)
    made = Converted(tmp_path, files, check=CHECKS)
    assert_clean(made.report)
    made.check()
    assert "units" not in made.names("/")
    table = "processing/ecephys/clusters"
    assert made.array(f"{table}/probe_name").tolist() == ["probe00"] * 4 + ["probe01"] * 3
    assert "no spikes" in warned(made.report)[""][0]


def test_no_spike_at_all(tmp_path: Path) -> None:
    empty = {path: values[:0] for path, values in spikes().items()}
    made = Converted(tmp_path, channels() | clusters() | empty, check=CHECKS)
    assert_clean(made.report)
    made.check()


def test_a_probe_without_spikes_beside_one_with(tmp_path: Path) -> None:
    empty = {path: values[:0] for path, values in spikes(folder=OTHER).items()}
    made = Converted(tmp_path, spikes() | empty | clusters(2, OTHER))
    made.check()
    assert made.array("units/spike_times_index").tolist()[-3:] == [400, 400, 400]


def test_spikes_without_a_time(tmp_path: Path) -> None:
    files = clusters() | spikes()
    times = files[f"{SORTING}/spikes.times.npy"]
    times[[3, 50]] = np.nan
    times[60] = np.inf
    made = Converted(tmp_path, files, check=CHECKS)
    assert_clean(made.report)
    made.check()
    (said,) = warned(made.report)[f"{SORTING}/spikes.times.npy"]
    assert said.startswith("3 of 400 spikes have no time")
    assert len(made.array("units/spike_times")) == 397
    assert np.isfinite(made.array("units/spike_times")).all()
    of = files[f"{SORTING}/spikes.clusters.npy"]
    finite = np.isfinite(times)
    assert np.array_equal(made.train("spike_times", 1), times[(of == 1) & finite])


def test_no_spike_has_a_time(tmp_path: Path) -> None:
    files = clusters() | spikes(5)
    files[f"{SORTING}/spikes.times.npy"][:] = np.nan
    made = Converted(tmp_path, files)
    made.check()
    assert "5 of 5 spikes" in warned(made.report)[f"{SORTING}/spikes.times.npy"][0]


def test_spikes_that_are_not_sorted(tmp_path: Path) -> None:
    files = clusters() | spikes()
    order = np.random.default_rng(0).permutation(400)
    files = {p: v[order] if "/spikes." in p else v for p, v in files.items()}
    made = Converted(tmp_path, files, check=CHECKS)
    assert_clean(made.report)
    made.check()
    for unit in range(3):
        assert (np.diff(made.train("spike_times", unit)) >= 0).all()


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("times", np.arange(399.0), "has 399 spikes, and .* 400"),
        ("times", np.zeros((400, 2)), "no list of numbers"),
        ("times", np.full(400, "x"), "no list of numbers"),
        ("clusters", np.full(400, 0.5), "no whole numbers"),
        ("clusters", np.full(400, np.nan), "no whole numbers"),
    ],
)
def test_spikes_that_do_not_belong_together(
    tmp_path: Path, name: str, values: Any, message: str
) -> None:
    files = spikes() | put(f"spikes.{name}.npy", values)
    with pytest.raises(ConversionError, match=message) as error:
        Converted(tmp_path, files)
    assert "on: false" in error.value.hint
    assert not list(tmp_path.glob("*.nwb*"))


def test_an_attribute_that_does_not_fit(tmp_path: Path) -> None:
    files = spikes() | put("spikes.depths.npy", np.zeros(7)) | clusters()
    files |= put("clusters.depths.npy", np.zeros(9))
    made = Converted(tmp_path, files)
    made.check()
    said = warned(made.report)
    assert "7 values for 400 spikes" in said[f"{SORTING}/spikes.depths.npy"][0]
    assert "9 rows and clusters.channels has 4" in said[f"{SORTING}/clusters.depths.npy"][0]
    assert "spike_distances_from_probe_tip_um" not in made.names("units")


def test_an_attribute_that_one_probe_has(tmp_path: Path) -> None:
    files = spikes() | put("spikes.xyz.npy", np.arange(1200.0).reshape(400, 3))
    more = spikes(50, (0, 1), OTHER)
    more[f"{OTHER}/spikes.samples.npy"] = more[f"{OTHER}/spikes.samples.npy"].astype(np.uint32)
    more[f"{OTHER}/spikes.times.npy"] = more[f"{OTHER}/spikes.times.npy"].astype(">f4")
    made = Converted(tmp_path, files | more | put("spikes.flag.npy", np.arange(400) > 3))
    made.check()
    assert made.array("units/spike_xyz").shape == (400, 3)
    assert made.array("units/spike_xyz_index").tolist()[2:] == [400, 400, 400]
    assert made.array("units/spike_times").dtype == np.float64


def test_types_that_cannot_stand_in_one_column(tmp_path: Path) -> None:
    files = spikes() | spikes(50, (0, 1), OTHER)
    files |= put("spikes.big.npy", np.full(400, (1 << 63) + 1, np.uint64))
    files |= put("spikes.big.npy", np.full(50, -(1 << 62) - 1), OTHER)
    made = Converted(tmp_path, files)
    made.check()
    assert {"spike_big", "spike_big_probe01"} <= made.names("units")


def test_waveforms_of_the_sorter(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    waves = rng.normal(0, 1e-5, (4, 20, 3)).astype(np.float32)
    waves[:, 6, 1] = -1e-3
    of = np.array([[0, 1, 2], [3, 4, 8], [1, 0, -1], [5, 6, 7]])
    files = channels() | clusters() | spikes()
    files |= put("clusters.waveforms.npy", waves) | put("clusters.waveformsChannels.npy", of)
    wider = rng.normal(0, 1e-5, (3, 20, 5)).astype(np.float16)
    files |= channels(8, OTHER) | clusters(3, OTHER) | spikes(30, (0, 1), OTHER)
    files |= put("clusters.waveforms.npy", wider, OTHER)
    made = Converted(tmp_path, files, check=CHECKS)
    assert_clean(made.report)
    made.check()
    mean = made.array("units/waveform_mean")
    assert mean.shape == (7, 20, 5)
    assert np.array_equal(mean[:4, :, :3], waves)
    assert np.isnan(mean[:4, :, 3:]).all()
    # What fills a list of channels up is no electrode: here 8 and -1, of 8 channels.
    assert [made.train("electrodes", k).tolist() for k in range(3)] == [[0, 1, 2], [3, 4], [1, 0]]
    assert made.attribute("units/waveform_mean", "sampling_rate") == 30000
    with h5py.File(made.path) as file:
        said = {**file["units/waveform_mean"].attrs, **file["units"].attrs}
    key = next(name for name in said if "before_peak" in name)
    assert said[key] == pytest.approx(6 / 30)


def test_extracted_waveforms_come_before_the_sorters(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    templates = rng.normal(0, 1e-4, (4, 6, 128)).astype(np.float32)
    templates[0, 5] = np.nan
    files = channels() | clusters() | spikes() | put("waveforms.templates.npy", templates)
    files |= put("clusters.waveforms.npy", np.ones((4, 20, 3), np.float32))
    made = Converted(tmp_path, files)
    made.check()
    mean = made.array("units/waveform_mean")
    assert np.array_equal(mean, templates.transpose(0, 2, 1), equal_nan=True)
    assert made.array("units/cluster_waveforms").shape == (4, 20, 3)


def test_waveforms_that_do_not_fit(tmp_path: Path) -> None:
    files = channels() | clusters() | spikes() | put("waveforms.templates.npy", np.zeros((9, 2, 3)))
    files |= put("clusters.waveforms.npy", np.zeros((4, 7)))
    made = Converted(tmp_path, files)
    made.check()
    said = warned(made.report)[f"{SORTING}/waveforms.templates.npy"]
    assert "(9, 2, 3) for 4 units" in said[0]
    assert "waveform_mean" not in made.names("units")


@pytest.mark.parametrize(
    "frame",
    [
        metrics().iloc[::-1].reset_index(drop=True),  # in another order
        metrics().iloc[1:3].reset_index(drop=True),  # of some units
        metrics().drop(columns="cluster_id"),
        metrics().set_index("uuids"),
        metrics().assign(name=["a", None, "c", ""], kind=pd.Categorical(["x", "y", "x", "y"])),
        metrics().assign(when=pd.date_range("2024-01-01", periods=4)),
        metrics().assign(n=pd.array([1, None, 3, 4], dtype="Int64"), lists=[[1], [], [2], []]),
        metrics().assign(**{"a/b": 1.5, "id": [9, 8, 7, 6], "colnames": 1, "electrodes": 2}),
        metrics().assign(cluster_id=[0, 1, 2, 70]),  # of a unit that clusters does not have
    ],
    ids=["reversed", "some", "noid", "index", "text", "dates", "odd", "names", "more"],
)
def test_metrics_of_any_kind(tmp_path: Path, frame: pd.DataFrame) -> None:
    files = channels() | clusters() | spikes() | put("clusters.metrics.pqt", frame)
    made = Converted(tmp_path, files)
    made.check()
    label = made.array("units/ibl_quality_score")
    ids = made.array("units/cluster_id").tolist()
    known = frame["label"].tolist()
    of = frame["cluster_id"].tolist() if "cluster_id" in frame else range(4)
    expected = dict(zip(of, known, strict=True))
    for row, one in enumerate(ids):
        assert label[row] == pytest.approx(expected.get(one, np.nan), nan_ok=True)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (metrics().assign(cluster_id=[0, 0, 1, 2]), "no different whole numbers"),
        (metrics().assign(cluster_id=[0, 0.5, 1, 2]), "no different whole numbers"),
        (metrics().drop(columns="cluster_id").iloc[:3], "3 rows without cluster_id"),
    ],
)
def test_metrics_that_cannot_be_joined(tmp_path: Path, frame: pd.DataFrame, message: str) -> None:
    files = clusters() | spikes() | put("clusters.metrics.pqt", frame)
    made = Converted(tmp_path, files)
    made.check()
    assert message in warned(made.report)[f"{SORTING}/clusters.metrics.pqt"][0]
    assert "ibl_quality_score" not in made.names("units")


def test_metrics_alone_name_the_units(tmp_path: Path) -> None:
    frame = pd.DataFrame({"cluster_id": [30, 10, 20], "location": ["adn", "pos", "adn"]})
    made = Converted(tmp_path, spikes(ids=(10, 20)) | put("clusters.metrics.pqt", frame))
    made.check()
    assert made.array("units/cluster_id").tolist() == [30, 10, 20]
    assert made.array("units/spike_times_index")[0] == 0


def test_a_table_names_the_rows_of_clusters(tmp_path: Path) -> None:
    files = clusters() | spikes(ids=(5, 6, 9))
    files |= put("clusters.metrics.pqt", metrics().assign(cluster_id=[9, 6, 5, 1]))
    made = Converted(tmp_path, files)
    made.check()
    assert made.array("units/cluster_id").tolist() == [9, 6, 5, 1]
    of = files[f"{SORTING}/spikes.clusters.npy"]
    assert len(made.train("spike_times", 0)) == (of == 9).sum()


def test_channels_that_the_probe_does_not_have(tmp_path: Path) -> None:
    files = channels(4) | clusters() | spikes()
    made = Converted(tmp_path, files)
    made.check()
    assert made.array("units/max_electrode").tolist() == [0, 2, -1, -1]
    assert made.array("units/channels").tolist() == [0, 2, 4, 6]
    assert not len(made.train("electrodes", 3))


def test_harmed_files(tmp_path: Path) -> None:
    files = clusters() | spikes()
    files |= put("clusters.metrics.pqt", b"PAR1 and no more")
    files |= put("clusters.amps.npy", b"\x93NUMPY\x01\x00")
    made = Converted(tmp_path, files)
    assert set(made.report.left_out) == {
        f"{SORTING}/clusters.metrics.pqt",
        f"{SORTING}/clusters.amps.npy",
    }
    made.check()


def test_another_sorting_is_said_to_be_left_out(tmp_path: Path) -> None:
    files = spikes() | spikes(30, (0, 1), "alf/probe00/kilosort4") | clusters()
    made = Converted(tmp_path, files)
    made.check()
    left = made.report.left_out
    assert {path.split("/")[2] for path in left} == {"kilosort4"}
    assert "probes, sorting" in next(iter(left.values()))


def test_what_is_switched_off_or_renamed_or_narrower(tmp_path: Path) -> None:
    def edit(entries: dict[str, Any]) -> None:
        for item in entries["units"].items:
            if item.source in ("spikes.samples", "clusters.depths", "clusters.metrics:label"):
                item.on = False
            if item.source == "spikes.amps":
                item.name, item.unit, item.dtype = "amps_in_V", "V", "float32"
            if item.source == "spikes.clusters":
                item.name = "sorter_id"
            if item.source == "spikes.depths":
                item.description = "How deep"

    files = channels() | clusters() | spikes(ids=(0, 9)) | put("clusters.metrics.pqt", metrics())
    made = Converted(tmp_path, files, edit=edit)
    assert made.array("units/sorter_id").tolist() == [0, 1, 2, 3, 9]
    assert made.array("units/amps_in_V").dtype == np.float32
    of = files[f"{SORTING}/spikes.clusters.npy"]
    amps = files[f"{SORTING}/spikes.amps.npy"][of == 9]
    assert np.allclose(made.train("amps_in_V", 4), amps)
    gone = {"spike_samples", "distance_from_probe_tip_um", "ibl_quality_score", "cluster_id"}
    assert gone.isdisjoint(made.names("units"))
    about = made.attribute("units/spike_distances_from_probe_tip_um", "description")
    assert about == "How deep (um)"
    assert set(made.report.left_out) == {
        f"{SORTING}/spikes.samples.npy",
        f"{SORTING}/clusters.depths.npy",
    }


def test_types_that_numbers_do_not_fit_into(tmp_path: Path) -> None:
    def times(entries: dict[str, Any]) -> None:
        entries["units"].item("spike_times").dtype = "uint8"

    files = spikes() | spikes(30, (0, 1), OTHER)
    made = Converted(tmp_path / "times", files, edit=times)
    made.check()
    assert made.array("units/spike_times").dtype == np.float64
    assert "float64 in NWB" in warned(made.report)[""][0]

    def depths(entries: dict[str, Any]) -> None:
        entries["units"].item("spike_distances_from_probe_tip_um").dtype = "uint8"

    with pytest.raises(ConversionError, match="do not fit into uint8"):
        Converted(tmp_path / "depths", files, edit=depths)


def test_spike_times_switched_off(tmp_path: Path) -> None:
    def edit(entries: dict[str, Any]) -> None:
        for item in entries["units"].items:
            item.on = item.source != "spikes.times"

    made = Converted(tmp_path, clusters() | spikes(), edit=edit, check=CHECKS)
    assert_clean(made.report)
    made.check()
    assert "units" not in made.names("/")


def test_real_sessions(tmp_path: Path, shared: Path) -> None:
    data = shared / "data"
    cells = data / "alf_derived/a2929_head_direction/peyrachelab/Subjects/A2929/2020-07-11/001"
    places = {
        "alf/probe00": cells / "alf/probe00",
        "alf/probe01": data / "alf_derived/ibllib_ephys_snippet/alf/probe00",
        "alf/probe02": data / "alf_original/slidingRP_unit",
    }
    files = {
        f"{folder}/{file.name}": file.read_bytes()
        for folder, place in places.items()
        for file in place.iterdir()
        if file.suffix in (".npy", ".pqt")
    }
    made = Converted(tmp_path, files, check=CHECKS)
    assert_clean(made.report)
    made.check()
    assert made.array("units/probe_name").tolist()[:15] == ["probe00"] * 15
    assert len(set(made.array("units/location").tolist()[:15])) > 1


def test_memory_does_not_grow_with_the_number_of_probes(tmp_path: Path) -> None:
    n = 600_000
    most = []
    for probes in (1, 3):
        files: dict[str, Any] = {}
        for k in range(probes):
            files |= spikes(n, range(50), f"alf/probe0{k}")
        session = make_session(tmp_path / f"lab{probes}", files)
        tracemalloc.start()
        converted(session, tmp_path / f"{probes}.nwb", offered(session, PARTS), check=False)
        most.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # 600,000 numbers are 4.8 MB: far more would stay if anything of a probe did.
    assert most[1] < most[0] + 4e6
