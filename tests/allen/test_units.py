"""Which units a table has: nothing is left out that was not asked to be."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from fascicle.allen import BehaviorEcephysSession, Links
from fascicle.errors import (
    BadFileError,
    ConfigurationError,
    IncompleteWarning,
    NanMetricsWarning,
)

from .conftest import drop_columns, put

METRICS = ("amplitude_cutoff", "presence_ratio", "isi_violations")


def lose(h5: h5py.File) -> None:
    """Let nine units lack one metric each, and no other."""
    for n, name in enumerate(METRICS):
        values = h5[f"units/{name}"][()]
        values[np.isnan(values)] = 0.5
        values[[n, n + 10, n + 20]] = np.nan
        h5[f"units/{name}"][...] = values


@pytest.fixture
def lacking(changed: Any) -> BehaviorEcephysSession:
    return BehaviorEcephysSession.from_nwb_path(changed(lose))


def test_units_without_a_metric_stay(lacking: BehaviorEcephysSession) -> None:
    with pytest.warns(NanMetricsWarning, match="9 of 80 units"):
        units = lacking.get_units()
    assert len(units) == 80
    assert set(units.index) == set(lacking.spike_times)


def test_they_go_as_in_allensdk_if_that_is_asked_for(lacking: BehaviorEcephysSession) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        units = lacking.get_units(nan_metrics="drop")
    assert len(units) == 71
    assert units[[*METRICS]].notna().all(axis=None)


@pytest.mark.parametrize("n", range(3))
def test_a_bound_leaves_out_those_that_it_cannot_judge(
    lacking: BehaviorEcephysSession, n: int
) -> None:
    loose: list[float | None] = [None, None, None]
    loose[n] = (np.inf, -np.inf, np.inf)[n]
    with pytest.warns(NanMetricsWarning, match="6 of 77 units"):
        units = lacking.get_units(False, False, *loose)
    assert len(units) == 77 and units[METRICS[n]].notna().all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is unknown if all three are asked for
        assert len(lacking.get_units(False, False, np.inf, -np.inf, np.inf)) == 71


def test_a_maximum_of_zero_is_one(changed: Any) -> None:
    def set_values(h5: h5py.File) -> None:
        lose(h5)
        put(h5, "units/amplitude_cutoff", slice(30, 34), 0.0)
        put(h5, "units/isi_violations", slice(32, 36), 0.0)

    with BehaviorEcephysSession.from_nwb_path(changed(set_values)) as session:
        ids = list(session.nwb.units.index[30:36])
        some = session.get_units(amplitude_cutoff_maximum=0.0, nan_metrics="drop")
        assert set(ids[:4]) <= set(some.index) and (some["amplitude_cutoff"] == 0).all()
        some = session.get_units(isi_violations_maximum=0.0, nan_metrics="drop")
        assert set(ids[2:]) <= set(some.index) and (some["isi_violations"] == 0).all()
        assert len(session.get_units(presence_ratio_minimum=0.0, nan_metrics="drop")) == 71


def test_validity_and_brain(session: BehaviorEcephysSession) -> None:
    everything = session.get_units(nan_metrics="drop")
    channels = session.get_channels(filter_by_validity=False)
    good = session.get_units(filter_by_validity=True, nan_metrics="drop")
    valid = channels.index[channels["valid_data"]]
    assert set(good.index) == set(
        everything.index[
            everything["peak_channel_id"].isin(valid) & (everything["quality"] == "good")
        ]
    )
    assert "quality" not in good and "quality" in everything
    inside = session.get_units(filter_out_of_brain_units=True, nan_metrics="drop")
    named = channels.index[channels["structure_acronym"].notna()]
    assert set(inside.index) == set(everything.index[everything["peak_channel_id"].isin(named)])
    assert list(everything.columns) == sorted(everything.columns)


def test_the_halfwidth_of_waveforms_stays(changed: Any) -> None:
    def add(h5: h5py.File) -> None:
        h5["units"].copy("snr", "waveform_halfwidth")
        h5["units"].attrs["colnames"] = [*h5["units"].attrs["colnames"], "waveform_halfwidth"]

    with BehaviorEcephysSession.from_nwb_path(changed(add)) as session:
        units = session.get_units(nan_metrics="drop")
        pd.testing.assert_series_equal(units["waveform_halfwidth"], units["snr"], check_names=False)


def test_metrics_that_only_a_release_has(path: Path) -> None:
    class Table:
        frame: pd.DataFrame | None = None

        def __call__(self) -> pd.DataFrame | None:
            return self.frame

    table = Table()

    def opened() -> BehaviorEcephysSession:
        links = Links(lfp=lambda probe: None, unit_metrics=table)
        return BehaviorEcephysSession.from_nwb_path(path, links=links)

    plain = opened().get_units(nan_metrics="drop")
    table.frame = pd.DataFrame({"waveform_halfwidth": np.arange(len(plain))}, index=plain.index)
    more = opened().get_units(nan_metrics="drop")
    assert list(more["waveform_halfwidth"]) == list(range(len(plain)))
    assert list(more.columns) == sorted([*plain.columns, "waveform_halfwidth"])


def test_an_unknown_way(session: BehaviorEcephysSession) -> None:
    with pytest.raises(ConfigurationError, match="some"):
        session.get_units(nan_metrics="some")  # type: ignore[arg-type]


def test_a_unit_on_no_channel_is_not_lost(changed: Any) -> None:
    path = changed(lambda h5: put(h5, "units/peak_channel_id", slice(0, 2), 5))
    with BehaviorEcephysSession.from_nwb_path(path) as session:
        with pytest.warns(IncompleteWarning, match="2 units have a peak channel"):
            units = session.get_probes_obj().get_units_table()
        assert len(units) == 80
        first = list(session.nwb.units.index[:2])
        assert list(units.index[-2:]) == list(session.spike_times)[-2:] == first


def test_a_table_without_what_filters_need(changed: Any) -> None:
    path = changed(lambda h5: drop_columns(h5["units"], ("quality", "presence_ratio")))
    with (
        BehaviorEcephysSession.from_nwb_path(path) as session,
        pytest.raises(BadFileError, match="quality, presence_ratio"),
    ):
        session.get_units()


def test_metrics_that_may_be_missing_are_nan(changed: Any) -> None:
    path = changed(lambda h5: drop_columns(h5["units"], ("snr",)))
    with BehaviorEcephysSession.from_nwb_path(path) as session:
        units = session.get_units(nan_metrics="drop")
        assert units["snr"].isna().all() and units["snr"].dtype == np.float64


def test_channels(session: BehaviorEcephysSession, changed: Any) -> None:
    channels = session.get_channels(filter_by_validity=False)
    assert list(channels.columns) == sorted(channels.columns)
    assert not any("-" in name for name in channels["structure_acronym"].dropna())
    assert len(session.get_channels()) == channels["valid_data"].sum()
    assert "valid_data" not in session.get_channels()
    channels["probe_id"] = 0
    assert (session.get_channels(False)["probe_id"] != 0).all(), "each has a table of its own"

    def older(h5: h5py.File) -> None:
        table = h5["general/extracellular_ephys/electrodes"]
        table.move("probe_channel_number", "local_index")
        names = table.attrs["colnames"]
        table.attrs["colnames"] = [n.replace("probe_channel_number", "local_index") for n in names]

    with BehaviorEcephysSession.from_nwb_path(changed(older)) as session_before:
        pd.testing.assert_frame_equal(session_before.get_channels(), session.get_channels())
