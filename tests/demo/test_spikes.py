"""Units and their spikes: they respond to what they should, and measure as sorters say."""

from __future__ import annotations

import numpy as np
import pytest

from fascicle.analysis import align
from fascicle.atlas import Regions
from fascicle.demo.behaviour import make_trials, signed_contrast
from fascicle.demo.spikes import (
    REFRACTORY,
    SAMPLE_RATE,
    make_metrics,
    make_spikes,
    probe_seconds,
    stimuli_of,
)
from fascicle.demo.tracks import TRACKS, make_channels
from fascicle.demo.units import make_units, profile_of


@pytest.fixture(scope="module")
def probe():
    rng = np.random.default_rng(11)
    trials = make_trials(rng, 500)
    channels = make_channels(rng, "visual")
    units = make_units(rng, channels, 150)
    end = float(trials["intervals"].max()) + 5
    spikes = make_spikes(rng, units, stimuli_of(trials), end, side=-1)
    return trials, channels, units, spikes, end


@pytest.mark.parametrize("track", TRACKS)
def test_channels_follow_their_track(track):
    made = make_channels(np.random.default_rng(0), track)
    along = made["localCoordinates"][:, 1]
    ids = made["brainLocationIds_ccf_2017"]
    regions = Regions()
    order = np.argsort(-along, kind="stable")  # from the surface down
    inside = ids[order][ids[order] != 0]
    assert np.all(ids[order][: ids.size - inside.size] == 0)  # what is above the brain is on top
    changes = np.flatnonzero(np.diff(inside, prepend=-1))
    seen = [regions.acronym(int(i)) for i in inside[changes]]
    names = TRACKS[track].layers.split()[::2]
    assert seen == names[: len(seen)]
    assert len(seen) >= 6
    ml, _, dv = made["mlapdv"].T
    assert np.all(np.diff(dv[order]) <= 0)
    assert np.all(np.sign(ml) == np.sign(TRACKS[track].ml))


def test_regions_lie_in_anatomical_order():
    made = make_channels(np.random.default_rng(0), "repeated-site")
    along, ids = made["localCoordinates"][:, 1], made["brainLocationIds_ccf_2017"]
    regions = Regions()
    depth = {
        name: along[np.isin(ids, list(regions.descendants(name)))].mean()
        for name in ("VIS", "PTLp", "CA1", "DG", "LP", "PO")
        if np.isin(ids, list(regions.descendants(name))).any()
    }
    order = [name for name in ("PTLp", "VIS", "CA1", "DG", "LP", "PO") if name in depth]
    assert [depth[name] for name in order] == sorted(depth.values(), reverse=True)
    assert {"CA1", "DG", "LP", "PO"} <= set(order)


def test_signed_ids_are_negative_on_the_left_alone():
    rng = np.random.default_rng
    left = make_channels(rng(0), "midline", signed=True)["brainLocationIds_ccf_2017"]
    right = make_channels(rng(0), "barrel", signed=True)["brainLocationIds_ccf_2017"]
    assert left.max() <= 0
    assert right.min() >= 0
    assert np.all(make_channels(rng(0), "midline")["brainLocationIds_ccf_2017"] >= 0)


def test_every_region_has_a_profile():
    regions = Regions()
    assert profile_of(regions.resolve("VISp5")).stimulus > 0.5
    assert profile_of(-regions.resolve("CA1")).theta > 0.5
    assert profile_of(regions.resolve("ccb")) == profile_of(0)


def test_spikes_are_sorted_and_of_one_length(probe):
    _, _, units, spikes, end = probe
    assert {len(v) for v in spikes.values()} == {len(spikes["times"])}
    assert np.all(np.diff(spikes["times"]) >= 0)
    assert spikes["times"].min() > 0
    assert spikes["times"].max() < end
    assert spikes["clusters"].max() < len(units)
    assert np.allclose(spikes["samples"] / SAMPLE_RATE, probe_seconds(spikes["times"]), atol=2e-5)
    at = units.depth[spikes["clusters"].astype(int)]
    assert np.abs(spikes["depths"] - at).max() < 80


def test_single_neurons_keep_their_refractory_period(probe):
    _, _, units, spikes, _ = probe
    for unit in np.flatnonzero(units.label == 1)[:30]:
        times = spikes["times"][spikes["clusters"] == unit]
        assert np.mean(np.diff(times) < REFRACTORY) < 0.001


def test_visual_units_follow_contrast_on_the_other_side(probe):
    trials, _, units, spikes, _ = probe
    contrast = signed_contrast(trials)
    regions = Regions()
    visual = np.isin(units.region, [*regions.descendants("VIS"), *regions.descendants("LGd")])
    chosen = np.flatnonzero(visual & (units.stimulus_gain > 1))
    assert chosen.size > 10

    def response(low: float, high: float) -> np.ndarray:
        on = trials["stimOn_times"][(contrast >= low) & (contrast <= high)]
        counts = [
            align(spikes["times"][spikes["clusters"] == n], on, (-0.1, 0.2), bin=0.1).mean(0)
            for n in chosen
        ]
        return np.array([(c[1] + c[2]) / 2 - c[0] for c in counts])

    strong, weak, none = response(1, 1), response(0.06, 0.13), response(0, 0)
    assert strong.mean() > 1.5 * weak.mean() > 0
    assert weak.mean() > none.mean()
    assert strong.mean() > 1.8 * response(-1, -1).mean()
    assert (strong > none).mean() > 0.9


def test_responses_begin_after_the_stimulus(probe):
    trials, _, _, spikes, _ = probe
    on = trials["stimOn_times"][signed_contrast(trials) >= 0.25]
    counts = align(spikes["times"], on, (-0.2, 0.2), bin=0.02).mean(0)
    before = counts[:10]
    assert np.all(counts[10:11] < before.mean() + 5 * before.std())  # nothing in the first 20 ms
    assert counts[13:16].max() > before.mean() + 8 * before.std()


def test_hippocampus_follows_theta(probe):
    _, _, units, spikes, _ = probe
    chosen = np.isin(units.region, list(Regions().descendants("CA1")))
    times = spikes["times"][chosen[spikes["clusters"].astype(int)]]
    strength = np.abs(np.exp(2j * np.pi * 8 * times).mean())
    other = np.abs(np.exp(2j * np.pi * 11.3 * times).mean())
    assert strength > 0.1
    assert other < 0.03


def test_metrics_are_measured_on_the_spikes(probe):
    _, _, units, spikes, end = probe
    metrics = make_metrics(units, spikes, end, np.random.default_rng(0))
    count = np.bincount(spikes["clusters"].astype(int), minlength=len(units))
    assert np.array_equal(metrics["spike_count"], count)
    assert np.allclose(metrics["firing_rate"], count / end)
    assert np.array_equal(metrics["cluster_id"], np.arange(len(units)))
    some = metrics["spike_count"] > 5
    assert np.all(metrics["amp_min"][some] <= metrics["amp_median"][some])
    assert np.all(metrics["amp_median"][some] <= metrics["amp_max"][some])
    assert 0.2 < (metrics["label"] == 1).mean() < 0.7


def test_silent_units_have_no_amplitude(probe):
    _, _, units, spikes, end = probe
    none = {name: values[:0] for name, values in spikes.items()}
    metrics = make_metrics(units, none, end, np.random.default_rng(0))
    assert np.isnan(metrics["amp_median"]).all()
    assert metrics["spike_count"].sum() == 0
