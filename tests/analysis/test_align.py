"""Spikes and samples around events, against the slow and plain way to do it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fascicle.analysis import align, bin_centres
from fascicle.errors import SearchTermError

times_strategy = st.lists(st.integers(0, 4000), max_size=40)


@given(times_strategy, st.lists(st.integers(0, 4000), max_size=5))
def test_counts_are_those_of_a_histogram(times: list[int], events: list[int]) -> None:
    # Milliseconds as whole numbers: no spike lies on an edge by rounding alone.
    spikes = np.array(times) / 1000 + 0.0005
    onsets = np.array(events) / 1000
    counts = align(spikes, onsets, (-0.5, 0.7), bin=0.1)
    assert counts.shape == (len(events), 12)
    for row, onset in zip(counts, onsets, strict=True):
        edges = onset + np.linspace(-0.5, 0.7, 13)
        assert np.array_equal(row, np.histogram(spikes, edges)[0])


def test_edges_belong_to_the_right() -> None:
    assert align([1.0, 1.1, 1.2], [1.0], (-0.1, 0.2), bin=0.1).tolist() == [[0, 1, 1]]
    assert align([1.0], [1.0], (-0.3, 0.3), bin=0.1).tolist() == [[0, 0, 0, 1, 0, 0]]


def test_events_that_did_not_happen() -> None:
    counts = align([0.0, 1.0], [np.nan, 1.0], (0, 1), bin=0.5)
    assert np.isnan(counts[0]).all() and counts[1].tolist() == [1, 0]
    assert align([], [1.0], (0, 1), bin=0.5).tolist() == [[0, 0]]
    assert align([1.0], [], (0, 1), bin=0.5).shape == (0, 2)


def test_order_and_gaps_do_not_matter() -> None:
    rng = np.random.default_rng(1)
    spikes = rng.uniform(0, 10, 100)
    a = align(np.sort(spikes), [5.0], (-2, 2), bin=0.5)
    assert np.array_equal(a, align(np.append(spikes, np.nan), [5.0], (-2, 2), bin=0.5))


def test_samples_are_averaged() -> None:
    times = np.arange(0, 10, 0.01) + 0.005
    out = align(times, [2.0, 5.0], (-0.5, 0.5), bin=0.1, values=times)
    assert out.shape == (2, 10)
    assert np.allclose(out, np.array([[2.0], [5.0]]) + bin_centres((-0.5, 0.5), 0.1))


def test_few_samples_are_interpolated() -> None:
    out = align([0.0, 1.0, 2.0], [0.0], (-0.2, 2.4), bin=0.1, values=[0.0, 10.0, 20.0])[0]
    centres = bin_centres((-0.2, 2.4), 0.1)
    inside = (centres > 0.1) & (centres < 0.9)
    assert np.allclose(out[inside], 10 * centres[inside])
    assert np.isnan(out[centres < 0]).all() and np.isnan(out[centres > 2.1]).all()


def test_samples_of_several_columns_with_gaps() -> None:
    times = np.arange(8.0)
    values = np.stack([times, times * 2], axis=1)
    values[2, 0] = np.nan
    out = align(times, [0.0], (0, 8), bin=2, values=values)
    assert out.shape == (1, 4, 2)
    assert out[0, :, 0].tolist() == [0.5, 3.0, 4.5, 6.5]
    assert out[0, :, 1].tolist() == [1, 5, 9, 13]
    back = align(times[::-1], [0.0], (0, 8), bin=2, values=values[::-1])
    assert np.array_equal(out, back)


def test_a_gap_as_long_as_a_bin_is_missing() -> None:
    values = np.array([1.0, np.nan, np.nan, 4.0])
    out = align(np.arange(4.0), [0.0], (0, 4), bin=1, values=values)
    assert out[0, 0] == 1 and np.isnan(out[0, 1:3]).all() and out[0, 3] == 4


def test_integers_and_booleans_are_averaged() -> None:
    out = align([0.0, 0.5, 1.0], [0.0], (0, 2), bin=1, values=[True, False, True])
    assert out.tolist() == [[0.5, 1.0]]


@pytest.mark.parametrize("window", [(0, 0), (1, 0), (0, 0.05)])
def test_no_room(window: tuple[float, float]) -> None:
    with pytest.raises(SearchTermError, match="no room"):
        align([1.0], [1.0], window, bin=0.1)


def test_bad_input() -> None:
    with pytest.raises(SearchTermError, match="no room"):
        bin_centres((0, 1), 0)
    with pytest.raises(SearchTermError, match="2 samples for 1 times"):
        align([1.0], [1.0], (0, 1), bin=0.1, values=[1, 2])


def test_no_samples_of_several_channels() -> None:
    out = align([], [1.0], (-1, 1), bin=0.5, values=np.empty((0, 3)))
    assert out.shape == (1, 4, 3) and np.isnan(out).all()


@pytest.mark.parametrize("window", [1.0, (0, 1, 2), (-np.inf, 1), (0, np.nan), ("a", "b")])
def test_what_is_no_window(window: Any) -> None:
    with pytest.raises(SearchTermError, match="window"):
        align([1.0], [1.0], window, bin=0.1)
